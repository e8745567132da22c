-- perp_data by longer intervals (perp_5m, perp_15m, perp_1h, perp_4h, perp_1d): the tables are made by the program, because
-- their columns follow from perp_data's.

-- What has to be computed again: [ts, until) of one level. A writer of perp_data says in its own transaction which five-minute
-- buckets it touched; who computes a level says the same of the next. Only inserted and deleted, never updated, no key: writers
-- never wait for each other here.
CREATE TABLE perp_rollup_due (
  level_ms BIGINT NOT NULL,
  ts BIGINT NOT NULL,
  until BIGINT NOT NULL CHECK (until > ts)
);

-- A database that has minutes already: all of them.
DO $$
BEGIN
  IF to_regclass('perp_data') IS NOT NULL THEN
    INSERT INTO perp_rollup_due
      SELECT 300000, min(ts) - (min(ts) % 300000 + 300000) % 300000, max(ts) - (max(ts) % 300000 + 300000) % 300000 + 300000
      FROM perp_data HAVING count(*) > 0;
  END IF;
END $$;
