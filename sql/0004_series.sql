-- Facts over time, one table for each kind, and how they are cut into partitions or chunks.
--
-- Times are epoch milliseconds UTC. In every series `ts` is the first column of the key, so that old data leaves as
-- whole partitions. `symbol` is the base ("BTC") for the primary instrument of a venue and "BASE-QUOTE" for another.
-- A venue is named by its number (exchanges.id); no foreign key, because one would be checked for every loaded row.

-- THE list of series: how each is cut, and how long it is kept (0: for ever). One place for retention.
CREATE TABLE perp_series (
  table_name TEXT PRIMARY KEY CHECK (table_name ~ '^[a-z][a-z0-9_]{0,50}$'),
  chunk_ms BIGINT NOT NULL CHECK (chunk_ms > 0 AND chunk_ms % 86400000 = 0),
  retention_days INT NOT NULL CHECK (retention_days >= 0)
);

-- Makes a series by the backend of this setup (perp.backend, set by the program) and lists it. One that exists is only listed.
CREATE FUNCTION perp_create_series(p_table TEXT, p_definition TEXT, p_chunk_days INT, p_retention_days INT) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
  v_is_plain BOOLEAN := current_setting('perp.backend') = 'plain';
BEGIN
  INSERT INTO perp_series (table_name, chunk_ms, retention_days)
    VALUES (p_table, p_chunk_days * 86400000::bigint, p_retention_days) ON CONFLICT (table_name) DO NOTHING;
  IF to_regclass(quote_ident(p_table)) IS NOT NULL THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TABLE %I (%s)%s', p_table, p_definition, CASE WHEN v_is_plain THEN ' PARTITION BY RANGE (ts)' ELSE '' END);
  IF NOT v_is_plain THEN
    -- By name, because this function must also exist where the extension does not.
    EXECUTE format('SELECT create_hypertable(%L::regclass, %L, chunk_time_interval => %s::bigint, create_default_indexes => false)',
      quote_ident(p_table), 'ts', p_chunk_days * 86400000::bigint);
    EXECUTE format('SELECT set_integer_now_func(%L::regclass, %L)', quote_ident(p_table), 'now_ms');
  END IF;
END $$;

-- Plain backend: makes the partition that holds p_ts, if it is not there: {table}_p{first day}. Runs with the rights of the
-- schema's owner: a writer needs no right to create tables.
CREATE OR REPLACE FUNCTION perp_ensure_partition(p_table TEXT, p_ts BIGINT) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  v_chunk BIGINT := (SELECT chunk_ms FROM perp_series WHERE table_name = p_table);
  v_first BIGINT := floor(p_ts::numeric / v_chunk)::bigint * v_chunk;
  v_name TEXT := format('%s_p%s', p_table, to_char(to_timestamp(v_first / 1000.0) AT TIME ZONE 'UTC', 'YYYYMMDD'));
BEGIN
  IF v_chunk IS NULL THEN
    RAISE EXCEPTION '% is not a series (perp_series)', p_table USING ERRCODE = 'PW002';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('perp partitions', 0));
  IF EXISTS (SELECT FROM pg_inherits WHERE inhparent = quote_ident(p_table)::regclass AND inhrelid = to_regclass(quote_ident(v_name))) THEN
    RETURN false;
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS INCLUDING STORAGE)', v_name, p_table);
  EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', p_table, v_name, v_first, v_first + v_chunk);
  RETURN true;
END $$;

-- Plain backend: the partitions that end at or before p_before.
CREATE OR REPLACE FUNCTION perp_partitions_before(p_table TEXT, p_before BIGINT) RETURNS SETOF TEXT
LANGUAGE sql STABLE AS $$
  SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    JOIN perp_series s ON s.table_name = p_table
    WHERE i.inhparent = quote_ident(p_table)::regclass AND c.relname ~ ('^' || p_table || '_p[0-9]{8}$')
      AND (extract(epoch FROM to_date(right(c.relname, 8), 'YYYYMMDD')) * 1000)::bigint + s.chunk_ms <= p_before
    ORDER BY 1
$$;

-- Candles of every interval, volumes in coins and in quote currency; `ts` is the open time. Months, not days: a daily candle
-- since a market's listing would be thousands of partitions of one row each.
SELECT perp_create_series('klines', $$
  ts BIGINT NOT NULL, exchange_id SMALLINT NOT NULL, symbol TEXT COLLATE "C" NOT NULL, interval TEXT COLLATE "C" NOT NULL,
  close_ts BIGINT, open DOUBLE PRECISION, high DOUBLE PRECISION, low DOUBLE PRECISION, close DOUBLE PRECISION,
  volume DOUBLE PRECISION, quote_volume DOUBLE PRECISION, trade_count INT,
  taker_buy_base DOUBLE PRECISION, taker_buy_quote DOUBLE PRECISION,
  PRIMARY KEY (ts, exchange_id, symbol, interval)$$, 30, 0);
CREATE INDEX idx_klines_series ON klines (exchange_id, symbol, interval, ts DESC);
CREATE INDEX idx_klines_symbol_ts ON klines (symbol, ts DESC);

SELECT perp_create_series('tickers', $$
  ts BIGINT NOT NULL, exchange_id SMALLINT NOT NULL, symbol TEXT COLLATE "C" NOT NULL,
  last_price DOUBLE PRECISION, mark_price DOUBLE PRECISION, index_price DOUBLE PRECISION,
  best_bid_price DOUBLE PRECISION, best_bid_qty DOUBLE PRECISION, best_ask_price DOUBLE PRECISION, best_ask_qty DOUBLE PRECISION,
  volume_24h DOUBLE PRECISION, turnover_24h DOUBLE PRECISION, open_interest DOUBLE PRECISION, open_interest_notional DOUBLE PRECISION,
  price_change_24h DOUBLE PRECISION, price_change_pct DOUBLE PRECISION, high_24h DOUBLE PRECISION, low_24h DOUBLE PRECISION,
  PRIMARY KEY (ts, exchange_id, symbol)$$, 1, 0);
CREATE INDEX idx_tickers_series ON tickers (exchange_id, symbol, ts DESC);
CREATE INDEX idx_tickers_symbol_ts ON tickers (symbol, ts DESC);

-- `side` is the taker's.
SELECT perp_create_series('trades', $$
  ts BIGINT NOT NULL, exchange_id SMALLINT NOT NULL, symbol TEXT COLLATE "C" NOT NULL, trade_id TEXT COLLATE "C" NOT NULL,
  price DOUBLE PRECISION NOT NULL, size DOUBLE PRECISION, side TEXT CHECK (side IN ('buy', 'sell')), is_large BOOLEAN,
  PRIMARY KEY (ts, exchange_id, symbol, trade_id)$$, 1, 0);
CREATE INDEX idx_trades_series ON trades (exchange_id, symbol, ts DESC);
CREATE INDEX idx_trades_symbol_ts ON trades (symbol, ts DESC);

-- A book's summary.
SELECT perp_create_series('orderbooks', $$
  ts BIGINT NOT NULL, exchange_id SMALLINT NOT NULL, symbol TEXT COLLATE "C" NOT NULL,
  bids_notional DOUBLE PRECISION, asks_notional DOUBLE PRECISION, spread_bps DOUBLE PRECISION, bid_levels INT, ask_levels INT,
  best_bid_price DOUBLE PRECISION, best_bid_qty DOUBLE PRECISION, best_ask_price DOUBLE PRECISION, best_ask_qty DOUBLE PRECISION,
  imbalance_5 DOUBLE PRECISION, imbalance_10 DOUBLE PRECISION, imbalance_20 DOUBLE PRECISION,
  PRIMARY KEY (ts, exchange_id, symbol)$$, 1, 0);
CREATE INDEX idx_orderbooks_series ON orderbooks (exchange_id, symbol, ts DESC);
CREATE INDEX idx_orderbooks_symbol_ts ON orderbooks (symbol, ts DESC);

SELECT perp_create_series('order_book_levels', $$
  ts BIGINT NOT NULL, exchange_id SMALLINT NOT NULL, symbol TEXT COLLATE "C" NOT NULL,
  side TEXT NOT NULL CHECK (side IN ('bid', 'ask')), level SMALLINT NOT NULL,
  price DOUBLE PRECISION NOT NULL, quantity DOUBLE PRECISION NOT NULL, last_update_id BIGINT,
  PRIMARY KEY (ts, exchange_id, symbol, side, level), UNIQUE (ts, exchange_id, symbol, side, price)$$, 1, 0);
CREATE INDEX idx_order_book_levels_series ON order_book_levels (exchange_id, symbol, ts DESC);
CREATE INDEX idx_order_book_levels_symbol_ts ON order_book_levels (symbol, ts DESC);

-- Settled rates: `ts` is the settlement, `rate` a fraction for the interval that ended with it.
SELECT perp_create_series('funding_rates', $$
  ts BIGINT NOT NULL, exchange_id SMALLINT NOT NULL, symbol TEXT COLLATE "C" NOT NULL,
  rate DOUBLE PRECISION NOT NULL, next_rate DOUBLE PRECISION, mark_price DOUBLE PRECISION, interval_h DOUBLE PRECISION, next_ts BIGINT,
  PRIMARY KEY (ts, exchange_id, symbol)$$, 30, 0);
CREATE INDEX idx_funding_rates_series ON funding_rates (exchange_id, symbol, ts DESC);
CREATE INDEX idx_funding_rates_symbol_ts ON funding_rates (symbol, ts DESC);

-- `open_interest` in coins, `open_interest_value` in USD, both single-sided.
SELECT perp_create_series('open_interest', $$
  ts BIGINT NOT NULL, exchange_id SMALLINT NOT NULL, symbol TEXT COLLATE "C" NOT NULL, period TEXT COLLATE "C" NOT NULL,
  open_interest DOUBLE PRECISION, open_interest_value DOUBLE PRECISION,
  PRIMARY KEY (ts, exchange_id, symbol, period)$$, 30, 0);
CREATE INDEX idx_open_interest_series ON open_interest (exchange_id, symbol, period, ts DESC);
CREATE INDEX idx_open_interest_symbol_ts ON open_interest (symbol, ts DESC);

SELECT perp_create_series('long_short_ratio', $$
  ts BIGINT NOT NULL, exchange_id SMALLINT NOT NULL, symbol TEXT COLLATE "C" NOT NULL, period TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('global_account', 'top_account', 'top_position')),
  long_short_ratio DOUBLE PRECISION, long_account DOUBLE PRECISION, short_account DOUBLE PRECISION,
  PRIMARY KEY (ts, exchange_id, symbol, period, kind)$$, 30, 0);
CREATE INDEX idx_long_short_ratio_series ON long_short_ratio (exchange_id, symbol, period, kind, ts DESC);
CREATE INDEX idx_long_short_ratio_symbol_ts ON long_short_ratio (symbol, ts DESC);

-- `side` is the position that was liquidated. `liq_id` tells simultaneous ones apart. `is_complete`: the venue sends every one.
SELECT perp_create_series('liquidations', $$
  ts BIGINT NOT NULL, exchange_id SMALLINT NOT NULL, symbol TEXT COLLATE "C" NOT NULL, liq_id TEXT COLLATE "C" NOT NULL,
  side TEXT NOT NULL CHECK (side IN ('long', 'short')), price DOUBLE PRECISION, quantity DOUBLE PRECISION, quote_qty DOUBLE PRECISION,
  order_id TEXT, is_complete BOOLEAN,
  PRIMARY KEY (ts, exchange_id, symbol, liq_id)$$, 30, 0);
CREATE INDEX idx_liquidations_series ON liquidations (exchange_id, symbol, ts DESC);
CREATE INDEX idx_liquidations_symbol_ts ON liquidations (symbol, ts DESC);

-- Quote notional within so many bps (or per cent) of mid. A price beyond max_*_bps is not in the book that was seen: a lower bound.
SELECT perp_create_series('liquidity_depth', $$
  ts BIGINT NOT NULL, exchange_id SMALLINT NOT NULL, symbol TEXT COLLATE "C" NOT NULL, mid_price DOUBLE PRECISION,
  bid_1bps DOUBLE PRECISION, bid_2_5bps DOUBLE PRECISION, bid_5bps DOUBLE PRECISION, bid_10bps DOUBLE PRECISION,
  bid_20bps DOUBLE PRECISION, bid_50bps DOUBLE PRECISION, bid_100bps DOUBLE PRECISION,
  ask_1bps DOUBLE PRECISION, ask_2_5bps DOUBLE PRECISION, ask_5bps DOUBLE PRECISION, ask_10bps DOUBLE PRECISION,
  ask_20bps DOUBLE PRECISION, ask_50bps DOUBLE PRECISION, ask_100bps DOUBLE PRECISION,
  bid_pct05 DOUBLE PRECISION, bid_pct1 DOUBLE PRECISION, bid_pct2 DOUBLE PRECISION, bid_pct5 DOUBLE PRECISION, bid_pct10 DOUBLE PRECISION,
  ask_pct05 DOUBLE PRECISION, ask_pct1 DOUBLE PRECISION, ask_pct2 DOUBLE PRECISION, ask_pct5 DOUBLE PRECISION, ask_pct10 DOUBLE PRECISION,
  max_bid_bps DOUBLE PRECISION, max_ask_bps DOUBLE PRECISION,
  PRIMARY KEY (ts, exchange_id, symbol)$$, 1, 0);
CREATE INDEX idx_liquidity_depth_series ON liquidity_depth (exchange_id, symbol, ts DESC);
CREATE INDEX idx_liquidity_depth_symbol_ts ON liquidity_depth (symbol, ts DESC);

-- What an order of `trade_amount` USD would pay; not feasible: the book was too thin, everything else is NULL.
SELECT perp_create_series('slippage', $$
  ts BIGINT NOT NULL, exchange_id SMALLINT NOT NULL, symbol TEXT COLLATE "C" NOT NULL, trade_amount DOUBLE PRECISION NOT NULL,
  mid_price DOUBLE PRECISION,
  buy_avg_price DOUBLE PRECISION, buy_slippage_bps DOUBLE PRECISION, buy_slippage_pct DOUBLE PRECISION, buy_total_cost DOUBLE PRECISION,
  buy_feasible BOOLEAN NOT NULL,
  sell_avg_price DOUBLE PRECISION, sell_slippage_bps DOUBLE PRECISION, sell_slippage_pct DOUBLE PRECISION, sell_total_cost DOUBLE PRECISION,
  sell_feasible BOOLEAN NOT NULL,
  PRIMARY KEY (ts, exchange_id, symbol, trade_amount)$$, 1, 0);
CREATE INDEX idx_slippage_series ON slippage (exchange_id, symbol, trade_amount, ts DESC);
CREATE INDEX idx_slippage_symbol_ts ON slippage (symbol, ts DESC);

CREATE SEQUENCE open_interest_snapshots_id_seq AS BIGINT;
SELECT perp_create_series('open_interest_snapshots', $$
  ts BIGINT NOT NULL, symbol TEXT COLLATE "C" NOT NULL,
  source TEXT COLLATE "C" NOT NULL DEFAULT 'snapshot' CHECK (source IN ('snapshot', 'realtime', 'snapshot_legacy')),
  id BIGINT NOT NULL DEFAULT nextval('open_interest_snapshots_id_seq'),
  open_interest NUMERIC(30, 8) NOT NULL, open_interest_usd NUMERIC(30, 2), mark_price NUMERIC(20, 8),
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (ts, symbol, source, id)$$, 1, 0);
CREATE INDEX idx_open_interest_snapshots_symbol_ts ON open_interest_snapshots (symbol, ts DESC);

-- What the screener knows of a market, sampled each minute. Percentages in per cent points, volumes in USD.
SELECT perp_create_series('derived_metrics_1m', $$
  ts BIGINT NOT NULL, exchange_id SMALLINT NOT NULL, symbol TEXT COLLATE "C" NOT NULL,
  price_change_1m DOUBLE PRECISION, price_change_5m DOUBLE PRECISION, price_change_15m DOUBLE PRECISION,
  price_change_1h DOUBLE PRECISION, price_change_4h DOUBLE PRECISION,
  price_change_percent_1m DOUBLE PRECISION, price_change_percent_5m DOUBLE PRECISION, price_change_percent_15m DOUBLE PRECISION,
  price_change_percent_1h DOUBLE PRECISION, price_change_percent_4h DOUBLE PRECISION,
  price_velocity DOUBLE PRECISION, price_acceleration DOUBLE PRECISION,
  cvd_1m DOUBLE PRECISION, cvd_5m DOUBLE PRECISION, cvd_15m DOUBLE PRECISION, cvd_1h DOUBLE PRECISION, cvd_4h DOUBLE PRECISION,
  cvd_percent_1h DOUBLE PRECISION, cvd_day DOUBLE PRECISION,
  volume_1m DOUBLE PRECISION, volume_5m DOUBLE PRECISION, volume_15m DOUBLE PRECISION, volume_1h DOUBLE PRECISION,
  volume_surge_1m DOUBLE PRECISION, volume_surge_5m DOUBLE PRECISION, volume_surge_15m DOUBLE PRECISION,
  taker_buy_ratio_1m DOUBLE PRECISION, taker_buy_ratio_5m DOUBLE PRECISION, taker_buy_ratio_1h DOUBLE PRECISION,
  liquidations_long_1h DOUBLE PRECISION, liquidations_short_1h DOUBLE PRECISION, liquidations_net_1h DOUBLE PRECISION,
  liquidations_long_24h DOUBLE PRECISION, liquidations_short_24h DOUBLE PRECISION,
  spread_percent DOUBLE PRECISION, spread_bps DOUBLE PRECISION, spread_avg_1h DOUBLE PRECISION, spread_avg_24h DOUBLE PRECISION,
  spread_percentile_24h DOUBLE PRECISION,
  realised_vol_5m DOUBLE PRECISION, realised_vol_1h DOUBLE PRECISION, realised_vol_24h DOUBLE PRECISION,
  depth_bid_pct05 DOUBLE PRECISION, depth_bid_pct1 DOUBLE PRECISION, depth_bid_pct2 DOUBLE PRECISION, depth_bid_pct5 DOUBLE PRECISION,
  depth_bid_pct10 DOUBLE PRECISION,
  depth_ask_pct05 DOUBLE PRECISION, depth_ask_pct1 DOUBLE PRECISION, depth_ask_pct2 DOUBLE PRECISION, depth_ask_pct5 DOUBLE PRECISION,
  depth_ask_pct10 DOUBLE PRECISION,
  imbalance_5 DOUBLE PRECISION, imbalance_10 DOUBLE PRECISION, imbalance_20 DOUBLE PRECISION,
  funding_rate_annualized DOUBLE PRECISION, inputs_age_ms BIGINT,
  PRIMARY KEY (ts, exchange_id, symbol)$$, 1, 0);
CREATE INDEX idx_derived_metrics_1m_series ON derived_metrics_1m (exchange_id, symbol, ts DESC);
CREATE INDEX idx_derived_metrics_1m_symbol_ts ON derived_metrics_1m (symbol, ts DESC);

SELECT perp_create_series('composite_scores_1m', $$
  ts BIGINT NOT NULL, exchange_id SMALLINT NOT NULL, symbol TEXT COLLATE "C" NOT NULL,
  momentum_score DOUBLE PRECISION, pump_score DOUBLE PRECISION, liquidity_score DOUBLE PRECISION, volatility_score DOUBLE PRECISION,
  funding_extremeness_score DOUBLE PRECISION, order_book_health_score DOUBLE PRECISION, activity_score DOUBLE PRECISION,
  PRIMARY KEY (ts, exchange_id, symbol)$$, 1, 0);
CREATE INDEX idx_composite_scores_1m_series ON composite_scores_1m (exchange_id, symbol, ts DESC);
CREATE INDEX idx_composite_scores_1m_symbol_ts ON composite_scores_1m (symbol, ts DESC);

SELECT perp_create_series('leaderboard_snapshots', $$
  ts BIGINT NOT NULL, name TEXT COLLATE "C" NOT NULL, rank INT NOT NULL CHECK (rank >= 1),
  exchange_id SMALLINT, symbol TEXT COLLATE "C", market_id TEXT NOT NULL, value DOUBLE PRECISION,
  PRIMARY KEY (ts, name, rank)$$, 1, 0);
CREATE INDEX idx_leaderboard_snapshots_name_ts ON leaderboard_snapshots (name, ts DESC);
CREATE INDEX idx_leaderboard_snapshots_symbol_ts ON leaderboard_snapshots (symbol, ts DESC);

SELECT perp_create_series('hl_positions', $$
  ts BIGINT NOT NULL, address TEXT COLLATE "C" NOT NULL, coin TEXT COLLATE "C" NOT NULL,
  side TEXT NOT NULL CHECK (side IN ('long', 'short')), size DOUBLE PRECISION, size_usd DOUBLE PRECISION, entry_px DOUBLE PRECISION,
  mark_px DOUBLE PRECISION, liq_px DOUBLE PRECISION, leverage DOUBLE PRECISION, margin_used DOUBLE PRECISION, upnl DOUBLE PRECISION,
  distance_pct DOUBLE PRECISION, at_risk BOOLEAN,
  PRIMARY KEY (ts, address, coin)$$, 1, 0);
CREATE INDEX idx_hl_positions_coin_ts ON hl_positions (coin, ts DESC);
CREATE INDEX idx_hl_positions_address_ts ON hl_positions (address, ts DESC);

SELECT perp_create_series('liquidation_clusters', $$
  ts BIGINT NOT NULL, coin TEXT COLLATE "C" NOT NULL, price_level DOUBLE PRECISION NOT NULL,
  long_usd DOUBLE PRECISION, short_usd DOUBLE PRECISION, total_usd DOUBLE PRECISION, long_count INT, short_count INT,
  distance_pct DOUBLE PRECISION, risk_level TEXT CHECK (risk_level IN ('critical', 'high', 'medium', 'low')),
  PRIMARY KEY (ts, coin, price_level)$$, 1, 0);
CREATE INDEX idx_liquidation_clusters_coin_ts ON liquidation_clusters (coin, ts DESC);

-- What is not a series: lists, alerts, accounts of runs.

CREATE TABLE open_interest_alerts (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  symbol TEXT COLLATE "C" NOT NULL,
  direction TEXT NOT NULL CHECK (direction IN ('UP', 'DOWN')),
  baseline NUMERIC(30, 8) NOT NULL,
  current NUMERIC(30, 8) NOT NULL,
  pct_change NUMERIC(20, 10) NOT NULL,
  abs_change NUMERIC(30, 8) NOT NULL,
  price_change NUMERIC(20, 10),
  funding_rate NUMERIC(20, 10),
  timeframe TEXT,
  source TEXT,
  ts BIGINT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX idx_open_interest_alerts_symbol_ts ON open_interest_alerts (symbol, ts);
CREATE INDEX idx_open_interest_alerts_ts ON open_interest_alerts (ts);
CREATE INDEX idx_open_interest_alerts_direction_ts ON open_interest_alerts (direction, ts);
CREATE INDEX idx_open_interest_alerts_timeframe_ts ON open_interest_alerts (timeframe, ts);

CREATE TABLE open_interest_liquid_symbols (
  symbol TEXT COLLATE "C" PRIMARY KEY,
  quote_volume_24h DOUBLE PRECISION,
  entered_at BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL
);
CREATE TABLE open_interest_liquid_history (
  symbol TEXT COLLATE "C" NOT NULL,
  entered_at BIGINT NOT NULL,
  exited_at BIGINT,
  enter_volume DOUBLE PRECISION,
  exit_volume DOUBLE PRECISION,
  PRIMARY KEY (symbol, entered_at)
);

CREATE TABLE volume_alerts (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  symbol TEXT COLLATE "C" NOT NULL,
  asset TEXT NOT NULL,
  current_volume NUMERIC(30, 2) NOT NULL,
  previous_volume NUMERIC(30, 2) NOT NULL,
  volume_ratio NUMERIC(20, 6) NOT NULL,
  price NUMERIC(30, 12),
  funding_rate NUMERIC(20, 10),
  alert_type TEXT NOT NULL CHECK (alert_type IN ('SPIKE', 'HALF_UPDATE', 'FULL_UPDATE')),
  message TEXT NOT NULL,
  timestamp BIGINT NOT NULL,
  hour_timestamp BIGINT NOT NULL,
  is_update BOOLEAN NOT NULL DEFAULT false,
  candle_direction TEXT CHECK (candle_direction IN ('bullish', 'bearish')),
  detection_time BIGINT,
  oi_change NUMERIC(20, 10),
  price_change NUMERIC(20, 10)
);
CREATE INDEX idx_volume_alerts_symbol_ts ON volume_alerts (symbol, timestamp);
CREATE INDEX idx_volume_alerts_ts ON volume_alerts (timestamp);

CREATE TABLE user_cross_alerts (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id TEXT NOT NULL,
  symbol TEXT COLLATE "C" NOT NULL,
  alert_type TEXT NOT NULL CHECK (alert_type IN ('PRICE_CROSS', 'FUNDING_CROSS', 'OI_CROSS')),
  threshold NUMERIC(30, 12) NOT NULL,
  last_checked_value NUMERIC(30, 12),
  last_checked_at BIGINT,
  delivery TEXT,
  is_active BOOLEAN NOT NULL DEFAULT true,
  triggered_count INT NOT NULL DEFAULT 0,
  triggered_at BIGINT,
  triggered_value NUMERIC(30, 12)
);
CREATE INDEX idx_user_cross_alerts_symbol ON user_cross_alerts (symbol) WHERE is_active;

CREATE TABLE hl_addresses (
  address TEXT COLLATE "C" PRIMARY KEY,
  tier TEXT NOT NULL CHECK (tier IN ('priority', 'background')),
  added_at BIGINT NOT NULL,
  last_scan BIGINT,
  next_scan BIGINT,
  source TEXT
);

CREATE TABLE kline_discovery_cache (
  exchange_id SMALLINT NOT NULL REFERENCES exchanges (id),
  symbol TEXT COLLATE "C" NOT NULL,
  interval TEXT NOT NULL,
  earliest_ts BIGINT NOT NULL,
  discovered_at BIGINT NOT NULL,
  api_calls_used INT,
  duration_ms INT,
  UNIQUE (exchange_id, symbol, interval)
);

CREATE TABLE ingest_events (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  exchange_id SMALLINT REFERENCES exchanges (id),
  symbol TEXT COLLATE "C",
  event_type TEXT NOT NULL,
  status TEXT NOT NULL,
  message TEXT,
  ts BIGINT NOT NULL
);
CREATE INDEX idx_ingest_events_ts ON ingest_events (ts DESC);

CREATE TABLE data_versions (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_name TEXT NOT NULL,
  version TEXT NOT NULL,
  collection_date BIGINT NOT NULL,
  start_date BIGINT,
  end_date BIGINT,
  record_count BIGINT NOT NULL,
  checksum TEXT CHECK (checksum ~ '^[0-9a-f]{64}$')
);

-- What is missing and why. A hole that was fetched afterwards has filled_at. The symbol is '' where a whole venue is meant.
CREATE TABLE data_gaps (
  table_name TEXT NOT NULL,
  exchange_id SMALLINT NOT NULL,
  symbol TEXT COLLATE "C" NOT NULL,
  interval TEXT NOT NULL DEFAULT '',
  gap_start BIGINT NOT NULL,
  gap_end BIGINT NOT NULL,
  missing BIGINT,
  detected_at BIGINT NOT NULL,
  filled_at BIGINT,
  reason TEXT,
  PRIMARY KEY (table_name, exchange_id, symbol, interval, gap_start)
);
CREATE INDEX idx_data_gaps_start ON data_gaps (gap_start DESC);

CREATE TABLE quality_checks (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ts BIGINT NOT NULL,
  table_name TEXT NOT NULL,
  exchange_id SMALLINT,
  symbol TEXT COLLATE "C",
  check_name TEXT NOT NULL,
  passed BOOLEAN NOT NULL,
  violations BIGINT NOT NULL DEFAULT 0,
  detail JSONB
);
CREATE INDEX idx_quality_checks_ts ON quality_checks (ts DESC);

CREATE TABLE saved_algos (
  algo_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  algo_name TEXT NOT NULL,
  algoql TEXT NOT NULL,
  symbols TEXT[],
  direction TEXT,
  conditions JSONB,
  backtest_results JSONB,
  best_scheme JSONB,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  notes TEXT
);

-- Candles as a research program of old expects them: Binance's, symbols as SOL/USDT, times as timestamps.
CREATE VIEW ohlcv AS
  SELECT to_timestamp(k.ts / 1000.0) AS time, i.base || '/' || i.quote AS symbol, k.interval AS timeframe, k.open, k.high, k.low,
         k.close, k.volume, k.quote_volume, k.trade_count AS num_trades, k.taker_buy_base, k.taker_buy_quote
  FROM instruments i
  JOIN klines k ON k.exchange_id = i.exchange_id AND k.symbol = CASE WHEN i.is_primary THEN i.base ELSE i.base || '-' || i.quote END
  WHERE i.exchange_id = 1 AND i.contract_type = 'linear_perpetual';

-- Open interest beside price by the hour, from the five-minute series of both: an hour counts each sample once.
CREATE VIEW oi_price_1h AS
  SELECT exchange_id, symbol, hour AS ts, to_timestamp(hour / 1000.0) AS time, avg_oi, close_price, last_oi - first_oi AS oi_change,
         (close_price - first_close) / nullif(first_close, 0) * 100 AS price_change_pct
  FROM (
    SELECT o.exchange_id, o.symbol, o.ts / 3600000 * 3600000 AS hour, avg(o.open_interest) AS avg_oi,
           (array_agg(p.close ORDER BY p.ts DESC, o.ts DESC))[1] AS close_price,
           (array_agg(p.close ORDER BY p.ts, o.ts))[1] AS first_close,
           (array_agg(o.open_interest ORDER BY o.ts DESC))[1] AS last_oi,
           (array_agg(o.open_interest ORDER BY o.ts))[1] AS first_oi
    FROM open_interest o
    JOIN klines p ON p.exchange_id = o.exchange_id AND p.symbol = o.symbol AND p.interval = '5m' AND p.ts = o.ts / 300000 * 300000
    WHERE o.period = '5m'
    GROUP BY o.exchange_id, o.symbol, o.ts / 3600000 * 3600000
  ) h;
