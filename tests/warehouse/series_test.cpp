// The tables of facts over time and what keeps them in shape, on both servers, looked at through
// plain SQL.
#include "warehouse/database.hpp"

#include <perp/core/time.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/maintenance.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/table.hpp>

#include <thread>

namespace perp::warehouse {
namespace {

using test::Text;

constexpr std::int64_t day = 86'400'000;
constexpr std::int64_t noon = 1'735'689'600'000 + day / 2;  // of 2025-01-01

class SeriesTables : public test::DatabaseTest {
 protected:
  Backend backend() const {
    return GetParam() == test::Server::plain ? Backend::plain : Backend::apache;
  }
  std::string one(const std::string& sql) { return Text(dsn_).one(sql); }
  std::vector<std::string> list(const std::string& sql) { return Text(dsn_).list(sql); }
  void run(const std::string& sql) { Text(dsn_).rows(sql); }
  /// The partition that rows of now and of two days around need.
  void open(std::initializer_list<const char*> tables) {
    if (GetParam() != test::Server::plain) return;
    Connection connection(dsn_);
    for (const char* table : tables)
      ensure_partitions(connection, table, core::wall_now().ns / core::ns_per_ms - day, 3);
  }
};

// The specification's list, by hand: table, primary key.
const std::vector<std::pair<std::string, std::string>> specified = {
    {"klines", "ts, exchange_id, symbol, \"interval\""},
    {"tickers", "ts, exchange_id, symbol"},
    {"trades", "ts, exchange_id, symbol, trade_id"},
    {"orderbooks", "ts, exchange_id, symbol"},
    {"order_book_levels", "ts, exchange_id, symbol, side, level"},
    {"funding_rates", "ts, exchange_id, symbol"},
    {"open_interest", "ts, exchange_id, symbol, period"},
    {"long_short_ratio", "ts, exchange_id, symbol, period, kind"},
    {"liquidations", "ts, exchange_id, symbol, liq_id"},
    {"liquidity_depth", "ts, exchange_id, symbol"},
    {"slippage", "ts, exchange_id, symbol, trade_amount"},
    {"open_interest_snapshots", "ts, symbol, source, id"},
    {"derived_metrics_1m", "ts, exchange_id, symbol"},
    {"composite_scores_1m", "ts, exchange_id, symbol"},
    {"leaderboard_snapshots", "ts, name, rank"},
    {"hl_positions", "ts, address, coin"},
    {"liquidation_clusters", "ts, coin, price_level"},
    {"perp_data", "ts, symbol, perpspec"},
    {"perp_metrics", "ts, symbol, perpspec"},
    {"perp_5m", "ts, symbol, perpspec"},
    {"perp_15m", "ts, symbol, perpspec"},
    {"perp_1h", "ts, symbol, perpspec"},
    {"perp_4h", "ts, symbol, perpspec"},
    {"perp_1d", "ts, symbol, perpspec"}};

TEST_P(SeriesTables, AreCutByTheBackendAndKeyedAsSpecified) {
  setup(dsn_, {});
  for (const auto& [table, key] : specified) {
    EXPECT_EQ(one("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '" + table +
                  "'::regclass AND contype = 'p'"),
              "PRIMARY KEY (" + key + ")")
        << table;
    EXPECT_EQ(one("SELECT relkind FROM pg_class WHERE oid = '" + table + "'::regclass"),
              GetParam() == test::Server::plain ? "p" : "r");
    EXPECT_EQ(one("SELECT count(*) FROM perp_series WHERE table_name = '" + table + "'"), "1");
    if (GetParam() == test::Server::timescale) {
      EXPECT_EQ(one("SELECT integer_interval = chunk_ms FROM timescaledb_information.dimensions "
                    "JOIN perp_series ON "
                    "table_name = hypertable_name WHERE hypertable_name = '" +
                    table + "'"),
                "t");
    }
  }
  EXPECT_EQ(one("SELECT count(*) FROM perp_series"), std::to_string(specified.size()));
}

TEST_P(SeriesTables, NothingIsMadeThatIsNotListed) {
  setup(dsn_, {});
  std::vector<std::string> known = list("SELECT table_name FROM perp_series");
  for (std::string_view table : other_tables()) known.emplace_back(table);
  std::sort(known.begin(), known.end());
  const std::string tables =
      "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind "
      "IN "
      "('r', 'p') AND NOT relispartition ORDER BY relname COLLATE \"C\"";
  EXPECT_EQ(list(tables), known);
  // And dropping leaves nothing of ours: tables, views, sequences, functions.
  run("CREATE TABLE mine (x INT)");
  run("CREATE FUNCTION my_function() RETURNS INT LANGUAGE SQL AS 'SELECT 1'");
  Connection connection(dsn_);
  setup(dsn_, {.drop = true});
  EXPECT_EQ(one("SELECT count(*) FROM mine"), "0");
  EXPECT_EQ(one("SELECT my_function()"), "1");
}

TEST_P(SeriesTables, PartitionsOfTheComingWeekAreThere) {
  if (GetParam() != test::Server::plain) GTEST_SKIP() << "chunks are made by the server";
  setup(dsn_, {});
  ASSERT_TRUE(maintain({.dsn = dsn_}, core::wall_now().ns / core::ns_per_ms).has_value());
  for (const char* table :
       {"tickers", "orderbooks", "trades", "liquidity_depth", "slippage", "perp_data"})
    for (int ahead = 0; ahead < 7; ++ahead)
      EXPECT_EQ(one("SELECT to_regclass('" + std::string(table) +
                    "_p' || to_char((now() AT TIME ZONE 'UTC')::date + " + std::to_string(ahead) +
                    ", 'YYYYMMDD')) IS NOT NULL"),
                "t")
          << table << " +" << ahead;
  // Slow series have one for thirty days, counted from the epoch; each moment belongs to exactly
  // one.
  run("INSERT INTO funding_rates (ts, exchange_id, symbol, rate) VALUES (now_ms(), 1, 'BTC', "
      "0.0001)");
  EXPECT_EQ(one("SELECT count(*) FROM funding_rates"), "1");
}

TEST_P(SeriesTables, APartitionIsMadeOnDemandForAnyDayOnce) {
  if (GetParam() != test::Server::plain) GTEST_SKIP() << "chunks are made by the server";
  setup(dsn_, {});
  Connection connection(dsn_);
  EXPECT_TRUE(ensure_partition(connection, "klines", noon));
  EXPECT_FALSE(ensure_partition(connection, "klines", noon));
  EXPECT_FALSE(ensure_partition(connection, "klines", noon + day));  // the same thirty days
  EXPECT_TRUE(ensure_partition(connection, "klines", -1));  // before 1970: still a partition
  EXPECT_THROW(ensure_partition(connection, "exchanges", noon), DatabaseError);
  EXPECT_THROW(ensure_partition(connection, "perp_data; DROP TABLE x", noon), DatabaseError);
  // Two at once make one.
  std::vector<std::thread> threads;
  std::atomic<int> made{0};
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      Connection own(dsn_);
      made += ensure_partition(own, "tickers", noon) ? 1 : 0;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made.load(), 1);
}

TEST_P(SeriesTables, AChunkIsMadeBeforehandOnceAndHoldsNothing) {
  if (GetParam() == test::Server::plain) GTEST_SKIP() << "partitions are made there";
  setup(dsn_, {});
  const auto chunks = [&](const std::string& table) {
    return one("SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = '" +
               table + "'");
  };
  std::vector<std::thread> threads;
  std::atomic<int> made{0};
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      Connection own(dsn_);
      made += ensure_chunk(own, "perp_metrics", noon) ? 1 : 0;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made.load(), 1);
  Connection connection(dsn_);
  EXPECT_FALSE(ensure_chunk(connection, "perp_metrics", noon + day / 2 - 1));
  EXPECT_TRUE(ensure_chunk(connection, "perp_metrics", noon + day / 2));
  EXPECT_TRUE(ensure_chunk(connection, "perp_data", -1));
  EXPECT_EQ(chunks("perp_metrics"), "2");
  EXPECT_EQ(chunks("perp_data"), "1");
  for (const char* table : {"perp_data", "perp_metrics"})
    EXPECT_EQ(one(std::string("SELECT count(*) FROM ") + table), "0");
  EXPECT_THROW(ensure_chunk(connection, "exchanges", noon), DatabaseError);
  EXPECT_THROW(ensure_chunk(connection, "perp_data; DROP TABLE x", noon), DatabaseError);
}

TEST_P(SeriesTables, SimultaneousLiquidationsAndBothPeriodsCoexist) {
  setup(dsn_, {});
  open({"liquidations", "open_interest", "long_short_ratio", "order_book_levels"});
  run("INSERT INTO liquidations (ts, exchange_id, symbol, liq_id, side, price, quantity) SELECT "
      "now_ms() / 1000 * 1000, 1, "
      "'BTC', n, 'long', 1, 1 FROM unnest(ARRAY['a', 'b']) n");
  EXPECT_EQ(one("SELECT count(*) FROM liquidations"), "2");
  run("INSERT INTO open_interest (ts, exchange_id, symbol, period, open_interest) SELECT now_ms() "
      "/ 3600000 * 3600000, 1, "
      "'BTC', p, 5 FROM unnest(ARRAY['5m', '1h']) p");
  EXPECT_EQ(one("SELECT count(*) FROM open_interest"), "2");
  EXPECT_THROW(run("INSERT INTO long_short_ratio (ts, exchange_id, symbol, period, kind) VALUES "
                   "(now_ms(), 1, 'BTC', "
                   "'5m', 'everyone')"),
               std::runtime_error);
  // A price stands once on a side of one snapshot.
  EXPECT_THROW(run("INSERT INTO order_book_levels (ts, exchange_id, symbol, side, level, price, "
                   "quantity) VALUES "
                   "(now_ms() / 1000 * 1000, 1, 'BTC', 'bid', 1, 100, 1), (now_ms() / 1000 * 1000, "
                   "1, 'BTC', 'bid', 2, 100, 1)"),
               std::runtime_error);
}

// The specification's lists, by hand: column, type, whether it must be there.
TEST_P(SeriesTables, OpenInterestListsHaveTheSpecifiedColumns) {
  setup(dsn_, {});
  const auto columns = [&](const std::string& table) {
    return list(
        "SELECT attname || ' ' || format_type(atttypid, atttypmod) || CASE WHEN attnotnull "
        "THEN ' !' ELSE '' END FROM pg_attribute WHERE attrelid = '" +
        table + "'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum");
  };
  using Columns = std::vector<std::string>;
  EXPECT_EQ(columns("open_interest_snapshots"),
            (Columns{"ts bigint !", "symbol text !", "source text !", "id bigint !",
                     "open_interest numeric(30,8) !", "open_interest_usd numeric(30,2)",
                     "mark_price numeric(20,8)", "created_at timestamp with time zone !"}));
  EXPECT_EQ(columns("open_interest_alerts"),
            (Columns{"id bigint !", "symbol text !", "direction text !", "baseline numeric(30,8) !",
                     "current numeric(30,8) !", "pct_change numeric(20,10) !",
                     "abs_change numeric(30,8) !", "price_change numeric(20,10)",
                     "funding_rate numeric(20,10)", "timeframe text", "source text", "ts bigint !",
                     "created_at timestamp with time zone !"}));
  EXPECT_EQ(columns("open_interest_liquid_symbols"),
            (Columns{"symbol text !", "quote_volume_24h double precision", "entered_at bigint !",
                     "last_seen_at bigint !"}));
  EXPECT_EQ(columns("open_interest_liquid_history"),
            (Columns{"symbol text !", "entered_at bigint !", "exited_at bigint",
                     "enter_volume double precision", "exit_volume double precision"}));
  for (const char* index : {"symbol, ts", "ts", "direction, ts", "timeframe, ts"})
    EXPECT_EQ(one(std::string("SELECT count(*) FROM pg_indexes WHERE tablename = "
                              "'open_interest_alerts' AND indexdef LIKE '% USING btree (") +
                  index + ")'"),
              "1")
        << index;
  const auto alert = [&](const char* direction) {
    run(std::string("INSERT INTO open_interest_alerts (symbol, direction, baseline, current, "
                    "pct_change, abs_change, ts) VALUES ('BTC', '") +
        direction + "', 150000, 165000, 0.1, 15000, 1)");
  };
  alert("UP");
  alert("DOWN");
  EXPECT_THROW(alert("SIDEWAYS"), std::runtime_error);
  EXPECT_EQ(one("SELECT string_agg(id::text, ',' ORDER BY id) FROM open_interest_alerts"), "1,2");

  open({"open_interest_snapshots"});
  for (int i = 0; i < 2; ++i)
    run("INSERT INTO open_interest_snapshots (ts, symbol, open_interest, mark_price) VALUES "
        "(now_ms() / 60000 * 60000, 'BTC', 123456789.12345678, 0.00000001)");
  EXPECT_EQ(one("SELECT string_agg(concat_ws(' ', id, source, open_interest, mark_price), ',' "
                "ORDER BY id) FROM open_interest_snapshots"),
            "1 snapshot 123456789.12345678 0.00000001,2 snapshot 123456789.12345678 0.00000001");
  EXPECT_THROW(run("INSERT INTO open_interest_snapshots (ts, symbol, source, open_interest) VALUES "
                   "(now_ms(), 'BTC', 'rumour', 1)"),
               std::runtime_error);
}

TEST_P(SeriesTables, OpenInterestBesidePriceCountsEachSampleOnce) {
  setup(dsn_, {});
  run("SET client_min_messages = error");
  const std::int64_t hour = 1'735'689'600'000 + 3 * 3'600'000;
  Connection connection(dsn_);
  if (backend() == Backend::plain)
    for (const char* table : {"klines", "open_interest"}) ensure_partition(connection, table, hour);
  // Twelve five-minute bars closing 101..112 and open interest 1001..1012; other periods must not
  // count.
  const std::string h = std::to_string(hour);
  run("INSERT INTO klines (ts, exchange_id, symbol, interval, close) SELECT " + h +
      " + n * 300000, 1, 'BTC', '5m', 101 + n FROM generate_series(0, 11) n");
  run("INSERT INTO klines (ts, exchange_id, symbol, interval, close) VALUES (" + h +
      ", 1, 'BTC', '1h', 112)");
  run("INSERT INTO open_interest (ts, exchange_id, symbol, period, open_interest) SELECT " + h +
      " + n * 300000, 1, 'BTC', '5m', 1001 + n FROM generate_series(0, 11) n");
  run("INSERT INTO open_interest (ts, exchange_id, symbol, period, open_interest) SELECT " + h +
      " + n * 900000, 1, 'BTC', '15m', 9000 FROM generate_series(0, 3) n");
  // By hand: mean 1006.5, last close 112, 1012 - 1001, (112 - 101) / 101.
  EXPECT_EQ(one("SELECT concat_ws('|', ts, avg_oi, close_price, oi_change, "
                "round(price_change_pct::numeric, 6)) FROM oi_price_1h"),
            h + "|1006.5|112|11|10.891089");
  EXPECT_EQ(one("SELECT count(*) FROM oi_price_1h"), "1");
}

TEST_P(SeriesTables, CandlesReadAsAResearchProgramExpectsThem) {
  setup(dsn_, {});
  open({"klines"});
  run("INSERT INTO instruments (exchange_id, symbol, canonical_id, base, quote, native_symbol, "
      "contract_type, multiplier, "
      "status, is_primary, record_id) VALUES (1, 'SOL', 'binance:SOL-USDT-PERP', 'SOL', 'USDT', "
      "'SOLUSDT', "
      "'linear_perpetual', 1, 'live', true, 1), (1, 'SOL', 'binance:SOL-USDC-PERP', 'SOL', 'USDC', "
      "'SOLUSDC', "
      "'linear_perpetual', 1, 'live', false, 2)");
  run("INSERT INTO klines (ts, exchange_id, symbol, interval, close, trade_count) SELECT now_ms() "
      "/ 300000 * 300000 - n * 300000, 1, s, '5m', 10 + n, 7 FROM generate_series(0, 1) n, "
      "unnest(ARRAY['SOL', 'SOL-USDC']) s");
  EXPECT_EQ(list("SELECT column_name FROM information_schema.columns WHERE table_name = 'ohlcv' "
                 "ORDER BY ordinal_position"),
            (std::vector<std::string>{"time", "symbol", "timeframe", "open", "high", "low", "close",
                                      "volume", "quote_volume", "num_trades", "taker_buy_base",
                                      "taker_buy_quote"}));
  EXPECT_EQ(one("SELECT close FROM ohlcv WHERE symbol = 'SOL/USDT' AND timeframe = '5m' ORDER BY "
                "time DESC LIMIT 1"),
            "10");
  EXPECT_EQ(one("SELECT count(DISTINCT symbol) FROM ohlcv"), "2");
}

TEST_P(SeriesTables, RetentionIsOfEachSeriesAndWholeDaysOnly) {
  setup(dsn_, {.retention_days = 2, .retention = {{"tickers", 4}}});
  Connection connection(dsn_);
  if (backend() == Backend::plain)
    for (const char* table : {"perp_data", "tickers", "trades"})
      for (int back = 0; back <= 5; ++back) ensure_partition(connection, table, noon - back * day);
  for (int back = 0; back <= 5; ++back) {
    const std::string ts = std::to_string(noon - back * day);
    run("INSERT INTO perp_data (ts, symbol, perpspec) VALUES (" + ts + ", 'BTC', 'rsi')");
    run("INSERT INTO tickers (ts, exchange_id, symbol) VALUES (" + ts + ", 1, 'BTC')");
    run("INSERT INTO trades (ts, exchange_id, symbol, trade_id, price) VALUES (" + ts +
        ", 1, 'BTC', 'x', 1)");
  }
  const PruneReport would = prune(connection, backend(), {.is_dry_run = true}, noon);
  EXPECT_EQ(would.dropped.size(), 4u);
  EXPECT_EQ(one("SELECT count(*) FROM perp_data"), "6");
  // Two days back is noon of the day before yesterday: that day has rows younger than the limit and
  // stays.
  const PruneReport report = prune(connection, backend(), {}, noon);
  EXPECT_EQ(report.dropped, would.dropped);
  EXPECT_EQ(one("SELECT count(*) FROM perp_data"), "3");
  EXPECT_EQ(one("SELECT count(*) FROM tickers"), "5");
  EXPECT_EQ(one("SELECT count(*) FROM trades"), "6");  // 0: kept for ever
  EXPECT_EQ(prune(connection, backend(), {}, noon).dropped.size(), 0u);
  // By hand, one series, another age.
  EXPECT_EQ(
      prune(connection, backend(), {.table = "trades", .older_than_days = 1}, noon).dropped.size(),
      4u);
  EXPECT_EQ(one("SELECT count(*) FROM trades"), "2");
  EXPECT_THROW(prune(connection, backend(), {.table = "exchanges"}, noon), core::Error);
  EXPECT_THROW(prune(connection, backend(), {.older_than_days = 0}, noon), core::Error);
}

TEST_P(SeriesTables, SetupKeepsARetentionThatItIsNotToldToChange) {
  setup(dsn_, {.retention_days = 3, .retention = {{"klines", 365}}});
  setup(dsn_, {});
  EXPECT_EQ(one("SELECT string_agg(table_name || '=' || retention_days, ',' ORDER BY table_name) "
                "FROM perp_series WHERE "
                "retention_days <> 0"),
            "klines=365,perp_data=3,perp_metrics=3");
  EXPECT_THROW(setup(dsn_, {.retention = {{"exchanges", 5}}}), core::Error);
  EXPECT_THROW(setup(dsn_, {.retention = {{"klines", -1}}}), core::Error);
  EXPECT_EQ(info(dsn_).retention_days, 3);
}

TEST_P(SeriesTables, MaintenanceDropsWhatIsOldAndIsDoneByOneAtATime) {
  setup(dsn_, {});
  Connection connection(dsn_);
  if (backend() == Backend::plain)
    for (int back : {9, 12}) ensure_partition(connection, "perp_data", noon - back * day);
  for (int back : {9, 12})
    run("INSERT INTO perp_data (ts, symbol, perpspec) VALUES (" +
        std::to_string(noon - back * day) + ", 'BTC', 'rsi')");
  {
    Text other(dsn_);
    other.rows("SELECT pg_advisory_lock(hashtextextended('perp maintenance', 0))");
    EXPECT_FALSE(maintain({.dsn = dsn_}, noon).has_value());
    EXPECT_EQ(one("SELECT count(*) FROM perp_data"), "2");
  }
  std::optional<PruneReport> report;
  while (!report) report = maintain({.dsn = dsn_}, noon);  // the other's lock goes with its session
  EXPECT_EQ(report->dropped.size(), 1u);
  EXPECT_EQ(one("SELECT ts FROM perp_data"), std::to_string(noon - 9 * day));
  // The daemon's own setting is stored first, for both tables.
  ASSERT_TRUE(maintain({.dsn = dsn_, .retention_days = 3}, noon).has_value());
  EXPECT_EQ(one("SELECT count(*) FROM perp_data"), "0");
  EXPECT_EQ(one("SELECT string_agg(retention_days::text, ',') FROM perp_series WHERE table_name "
                "IN ('perp_data', 'perp_metrics')"),
            "3,3");
}

TEST_P(SeriesTables, AnOlderSchemaIsMigratedAndNeverWrittenTo) {
  // What version 0.1 left: its three migrations, and rows.
  setup(dsn_, {});
  run("INSERT INTO perp_data (ts, symbol, perpspec, c) VALUES (now_ms() / 60000 * 60000, 'BTC', "
      "'bin-ohlcv', 5)");
  run("DELETE FROM perp_migrations WHERE name >= '0004'");
  {
    Connection connection(dsn_);
    for (std::string_view table : other_tables())
      if (one("SELECT 1 FROM perp_migrations WHERE '" + std::string(table) +
              "' IN "
              "('data_gaps','data_versions','hl_addresses','ingest_events','kline_discovery_cache',"
              "'open_interest_alerts',"
              "'open_interest_liquid_history','open_interest_liquid_symbols','quality_checks','"
              "saved_algos',"
              "'perp_rollup_due','perp_seal_changes','user_cross_alerts','volume_alerts') LIMIT "
              "1") == "1")
        run("DROP TABLE " + std::string(table) + " CASCADE");
    for (const auto& [table, key] : specified)
      if (!table.starts_with("perp_")) run("DROP TABLE " + table + " CASCADE");
    run("DROP SEQUENCE open_interest_snapshots_id_seq");
    run("DROP TABLE perp_series");
    run("DROP FUNCTION perp_create_series");
    run("DROP FUNCTION perp_ensure_chunk");
    try {
      require_schema(connection, "test");
      FAIL() << "accepted";
    } catch (const core::Error& error) {
      EXPECT_NE(std::string(error.what()).find("perp db migrate"), std::string::npos)
          << error.what();
    }
  }
  const SetupReport report = migrate(dsn_);
  ASSERT_FALSE(report.applied.empty());
  EXPECT_EQ(report.applied.front(), "0004_series.sql");
  EXPECT_EQ(one("SELECT c FROM perp_data"), "5");
  EXPECT_EQ(one("SELECT count(*) FROM perp_series"), std::to_string(specified.size()));
  Connection connection(dsn_);
  EXPECT_EQ(require_schema(connection, "test"), backend());
  EXPECT_TRUE(migrate(dsn_).applied.empty());
}

TEST_P(SeriesTables, MigrateNeedsASchemaAndRefusesANewerOne) {
  EXPECT_THROW(migrate(dsn_), core::Error);
  EXPECT_EQ(one("SELECT count(*) FROM pg_class WHERE relname LIKE 'perp_%'"), "0");
  setup(dsn_, {});
  run("INSERT INTO perp_migrations (name) VALUES ('9999_unheard_of.sql')");
  EXPECT_THROW(migrate(dsn_), core::Error);
  Connection connection(dsn_);
  EXPECT_THROW(require_schema(connection, "test"), core::Error);
}

TEST_P(SeriesTables, CompressionWhereThereIsNoneIsSaid) {
  const SetupReport report = setup(dsn_, {.compress = true});
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_NE(report.warnings[0].find("Community"), std::string::npos);
  EXPECT_TRUE(setup(dsn_, {.compress = false}).warnings.empty());
}

TEST_P(SeriesTables, CompressionOfASeriesIsCheckedAndToldWhereThereIsNone) {
  setup(dsn_, {});
  const SetupReport report =
      setup(dsn_, {.compression = {{"klines", 7}, {"trades", 2}, {"tickers", 0}}});
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_EQ(report.warnings[0],
            "compression of klines, trades: this edition has none; it needs TimescaleDB's "
            "Community edition");
  // Nothing is kept of a wish that cannot be fulfilled.
  EXPECT_TRUE(setup(dsn_, {}).warnings.empty());
  for (const Info::TableInfo& table : info(dsn_).tables) {
    EXPECT_EQ(table.compress_days, std::nullopt) << table.name;
    EXPECT_EQ(table.compress_after_ms, std::nullopt) << table.name;
    EXPECT_EQ(table.compressed_chunks, 0) << table.name;
  }
  for (const auto& [table, days] :
       {std::pair("exchanges", 7), std::pair("klines", -1), std::pair("klines; --", 7)}) {
    try {
      setup(dsn_, {.retention = {{"klines", 9}}, .compression = {{table, days}}});
      FAIL() << table << " is accepted";
    } catch (const core::Error& error) {
      EXPECT_NE(std::string(error.what()).find(table), std::string::npos) << error.what();
    }
  }
  EXPECT_EQ(one("SELECT retention_days FROM perp_series WHERE table_name = 'klines'"), "0")
      << "refused as a whole";
}

TEST_P(SeriesTables, AnOldWishForCompressionWhereThereIsNoneIsForgotten) {
  setup(dsn_, {});
  run("ALTER TABLE perp_series DROP COLUMN compress_days");
  run("INSERT INTO perp_settings (name, value) VALUES ('compress', 'on')");
  run("DELETE FROM perp_migrations WHERE name = '0010_compression.sql'");
  EXPECT_EQ(migrate(dsn_).applied, std::vector<std::string>{"0010_compression.sql"});
  EXPECT_EQ(one("SELECT count(*) FROM perp_series WHERE compress_days IS NOT NULL"), "0");
  EXPECT_EQ(one("SELECT count(*) FROM perp_settings WHERE name = 'compress'"), "0");
}

INSTANTIATE_TEST_SUITE_P(Servers, SeriesTables, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
