-- A version of the data is of one series: which one. Rows of before are of a whole table.
ALTER TABLE data_versions ADD COLUMN exchange_id SMALLINT, ADD COLUMN symbol TEXT COLLATE "C", ADD COLUMN interval TEXT COLLATE "C";
CREATE INDEX idx_data_versions_series ON data_versions (table_name, exchange_id, symbol, interval, id DESC);

-- What is stored of a series in p_from <= ts < p_until: the number of rows, and a SHA-256 that anybody can compute again. It is
-- taken of the SHA-256s (hex, a line each) of the UTC hours that have rows, and an hour's of its rows in key order as COPY writes
-- them as text: the columns below between tabs, \N for NULL, a line each. By hours, because one text of years would be too long.
CREATE OR REPLACE FUNCTION perp_checksum(p_table TEXT, p_exchange_id SMALLINT, p_symbol TEXT, p_interval TEXT, p_from BIGINT,
                                         p_until BIGINT, OUT record_count BIGINT, OUT checksum TEXT)
LANGUAGE plpgsql STABLE SET extra_float_digits = 1 SET search_path FROM CURRENT AS $$
DECLARE
  v_columns TEXT := CASE p_table
    WHEN 'klines' THEN 'ts, exchange_id, symbol, interval, close_ts, open, high, low, close, volume, quote_volume, trade_count, '
                       'taker_buy_base, taker_buy_quote'
    WHEN 'funding_rates' THEN 'ts, exchange_id, symbol, rate, next_rate, mark_price, interval_h, next_ts'
    WHEN 'open_interest' THEN 'ts, exchange_id, symbol, period, open_interest, open_interest_value'
    WHEN 'long_short_ratio' THEN 'ts, exchange_id, symbol, period, kind, long_short_ratio, long_account, short_account'
    WHEN 'trades' THEN 'ts, exchange_id, symbol, trade_id, price, size, side' END;
  v_interval TEXT := CASE WHEN p_table = 'klines' THEN ' AND interval = $5'
                          WHEN p_table IN ('open_interest', 'long_short_ratio') THEN ' AND period = $5' ELSE '' END;
  v_order TEXT := CASE p_table WHEN 'long_short_ratio' THEN 'ts, kind' WHEN 'trades' THEN 'ts, trade_id' ELSE 'ts' END;
  v_line TEXT;
BEGIN
  IF v_columns IS NULL THEN
    RAISE EXCEPTION 'of % there are no versions', p_table;
  END IF;
  SELECT string_agg(format('coalesce(%I::text, %L)', c, '\N'), ' || E''\t'' || ') || ' || E''\n''' INTO v_line
    FROM unnest(string_to_array(v_columns, ', ')) c;
  EXECUTE format($q$
    SELECT coalesce(sum(n), 0)::bigint,
           encode(sha256(convert_to(coalesce(string_agg(hash || E'\n', '' ORDER BY hour), ''), 'UTF8')), 'hex')
    FROM (SELECT ts / 3600000 AS hour, count(*) AS n,
                 encode(sha256(convert_to(string_agg(%s, '' ORDER BY %s), 'UTF8')), 'hex') AS hash
          FROM %I WHERE exchange_id = $1 AND symbol = $2 AND ts >= $3 AND ts < $4%s GROUP BY 1) hours$q$,
    v_line, v_order, p_table, v_interval)
    INTO record_count, checksum USING p_exchange_id, p_symbol, p_from, p_until, p_interval;
END $$;
