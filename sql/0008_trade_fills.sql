-- How many fills a row of trades sums, NULL: not known. On OKX the live stream sums fills under the id of the last one and
-- history has each fill as a row: with this `perp backfill` knows which ids a row stands for, and asks for the others alone.
ALTER TABLE trades ADD COLUMN fills INT;
