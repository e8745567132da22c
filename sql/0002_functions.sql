-- Statements that the loader wants in one round trip with others, so that each is a single call that either
-- does its work or fails the transaction.

-- Moves a lane's cursor, only from where the caller believes it is: a writer that lost its lane to another
-- (a reconnect, a second loader) can then commit nothing.
CREATE FUNCTION perp_move_cursor(p_lane SMALLINT, p_journal TEXT, p_from BIGINT, p_to BIGINT) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE perp_load_cursors
    SET position = p_to, events_position = greatest(events_position, CASE WHEN p_lane = 0 THEN p_to ELSE 0 END), updated = now()
    WHERE lane = p_lane AND journal = p_journal AND position = p_from;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'lane % of the load cursor is no longer at position %', p_lane, p_from USING ERRCODE = 'PW001';
  END IF;
END $$;

-- Stores what a venue says of an instrument. The plain canonical id belongs to the primary instrument; another
-- one that would have the same gets its native symbol appended.
CREATE FUNCTION perp_put_instrument(
  p_exchange SMALLINT, p_record_id BIGINT, p_native TEXT, p_base TEXT, p_quote TEXT, p_canonical TEXT,
  p_contract_type TEXT, p_status TEXT, p_contract_size DOUBLE PRECISION, p_multiplier DOUBLE PRECISION,
  p_tick DOUBLE PRECISION, p_lot DOUBLE PRECISION, p_min_qty DOUBLE PRECISION, p_min_notional DOUBLE PRECISION,
  p_leverage DOUBLE PRECISION, p_funding_h DOUBLE PRECISION, p_listed BIGINT, p_delisted BIGINT, p_primary BOOLEAN,
  p_metadata JSONB) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
  v_canonical TEXT := p_canonical;
BEGIN
  IF EXISTS (SELECT FROM instruments WHERE canonical_id = p_canonical AND NOT (exchange_id = p_exchange AND native_symbol = p_native)) THEN
    IF p_primary THEN
      UPDATE instruments SET canonical_id = canonical_id || '-' || native_symbol WHERE canonical_id = p_canonical;
    ELSE
      v_canonical := p_canonical || '-' || p_native;
    END IF;
  END IF;
  INSERT INTO instruments (exchange_id, symbol, canonical_id, base, quote, native_symbol, contract_type, contract_size,
      multiplier, tick_size, lot_size, min_qty, min_notional, max_leverage, funding_interval_h, status, listed_at,
      delisted_at, metadata, is_primary, record_id)
    VALUES (p_exchange, p_base, v_canonical, p_base, p_quote, p_native, p_contract_type, p_contract_size,
      p_multiplier, p_tick, p_lot, p_min_qty, p_min_notional, p_leverage, p_funding_h, p_status, p_listed,
      p_delisted, p_metadata, p_primary, p_record_id)
    ON CONFLICT (exchange_id, native_symbol) DO UPDATE SET
      symbol = EXCLUDED.symbol, canonical_id = EXCLUDED.canonical_id, base = EXCLUDED.base, quote = EXCLUDED.quote,
      contract_type = EXCLUDED.contract_type, contract_size = EXCLUDED.contract_size, multiplier = EXCLUDED.multiplier,
      tick_size = EXCLUDED.tick_size, lot_size = EXCLUDED.lot_size, min_qty = EXCLUDED.min_qty,
      min_notional = EXCLUDED.min_notional, max_leverage = EXCLUDED.max_leverage,
      funding_interval_h = EXCLUDED.funding_interval_h, status = EXCLUDED.status, listed_at = EXCLUDED.listed_at,
      delisted_at = EXCLUDED.delisted_at, metadata = instruments.metadata || EXCLUDED.metadata,
      is_primary = EXCLUDED.is_primary, record_id = EXCLUDED.record_id, updated_at = now();
END $$;

-- Plain backend: makes the daily partition that holds p_ts, if it is not there. Attaching takes a weaker lock on
-- the parent than CREATE ... PARTITION OF, so that another lane's COPY goes on.
CREATE FUNCTION perp_ensure_partition(p_table TEXT, p_ts BIGINT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
DECLARE
  v_day BIGINT := floor(p_ts / 86400000.0)::bigint * 86400000;
  v_name TEXT := format('%s_p%s', p_table, to_char(to_timestamp(v_day / 1000.0) AT TIME ZONE 'UTC', 'YYYYMMDD'));
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('perp partitions', 0));
  IF EXISTS (SELECT FROM pg_inherits WHERE inhparent = p_table::regclass AND inhrelid = to_regclass(v_name)) THEN
    RETURN false;
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS INCLUDING STORAGE)', v_name, p_table);
  EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', p_table, v_name, v_day, v_day + 86400000);
  RETURN true;
END $$;

-- Plain backend: the daily partitions that end at or before p_before.
CREATE FUNCTION perp_partitions_before(p_table TEXT, p_before BIGINT) RETURNS SETOF TEXT
LANGUAGE sql STABLE AS $$
  SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = p_table::regclass AND c.relname ~ ('^' || p_table || '_p[0-9]{8}$')
      AND (extract(epoch FROM to_date(right(c.relname, 8), 'YYYYMMDD')) * 1000)::bigint + 86400000 <= p_before
    ORDER BY 1
$$;
