-- A chunk of TimescaleDB is made by the first row that needs it, and its lock is held to the end of that row's transaction: of
-- two lanes that begin a day one would wait for the other's whole batch. So it can be made beforehand, like a partition, in a
-- transaction of its own. The Apache edition's only way is a row: inserted and deleted again, nobody ever sees it.
--
-- @returns whether there was none for p_ts. For perp_data and perp_metrics. Runs with the rights of the schema's owner.
CREATE FUNCTION perp_ensure_chunk(p_table TEXT, p_ts BIGINT) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  v_is_there BOOLEAN;
  v_columns TEXT;
  v_values TEXT;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('perp partitions', 0));
  -- By name, because this function must also exist where the extension does not.
  EXECUTE 'SELECT EXISTS (SELECT FROM timescaledb_information.chunks WHERE hypertable_schema = current_schema() AND '
    'hypertable_name = $1 AND range_start_integer <= $2 AND range_end_integer > $2)' INTO v_is_there USING p_table, p_ts;
  IF v_is_there THEN
    RETURN false;
  END IF;
  SELECT string_agg(quote_ident(a.attname), ', '),
         string_agg(CASE WHEN a.attname = 'ts' THEN p_ts::text WHEN t.typcategory = 'S' THEN '''''' WHEN t.typcategory = 'A'
                    THEN '''{}''' ELSE '0' END, ', ')
    INTO v_columns, v_values
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = quote_ident(p_table)::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef;
  EXECUTE format('INSERT INTO %I (%s) VALUES (%s)', p_table, v_columns, v_values);
  EXECUTE format('DELETE FROM %I WHERE ts = $1 AND symbol = '''' AND perpspec = ''''', p_table) USING p_ts;
  RETURN true;
END $$;
