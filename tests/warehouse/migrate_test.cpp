// The schema on both servers, compared with the specification's own literal lists through plain
// SQL.
#include "warehouse/database.hpp"

#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/migrate.hpp>

#include <thread>

namespace perp::warehouse {
namespace {

using test::Text;

class Migrate : public test::DatabaseTest {
 protected:
  Backend expected() const {
    return GetParam() == test::Server::plain ? Backend::plain : Backend::apache;
  }
  std::vector<std::string> columns(const std::string& table) {
    return Text(dsn_).list(
        "SELECT column_name FROM information_schema.columns WHERE table_name = '" + table +
        "' ORDER BY ordinal_position");
  }
  std::string schema_text() {
    // Everything that defines the tables, for comparing before and after.
    std::string out;
    Text text(dsn_);
    for (const char* sql :
         {"SELECT string_agg(table_name || '.' || column_name || ' ' || data_type || ' ' || "
          "coalesce(column_default, '-'), ',' ORDER BY table_name, ordinal_position) "
          "FROM information_schema.columns WHERE table_schema = 'public'",
          "SELECT string_agg(indexdef, ',' ORDER BY indexname) FROM pg_indexes WHERE schemaname = "
          "'public'",
          "SELECT string_agg(conname || pg_get_constraintdef(oid), ',' ORDER BY "
          "conrelid::regclass::text, conname) FROM pg_constraint WHERE connamespace = "
          "'public'::regnamespace",
          "SELECT string_agg(perpspec_name || fields::text || last_updated::text, ',' ORDER BY "
          "perpspec_name) FROM perpspec_schema"})
      out += text.one(sql) + "\n";
    return out;
  }
};

const std::vector<std::string> data_seed = {
    "ts", "symbol", "perpspec", "source", "interval", "o",   "h",   "l",      "c",       "v",
    "oi", "pfr",    "lsr",      "rsi1",   "rsi60",    "tbv", "tsv", "lqside", "lqprice", "lqqty"};
const std::vector<std::string> metrics_seed = {"ts",
                                               "symbol",
                                               "perpspec",
                                               "source",
                                               "interval",
                                               "window_sizes",
                                               "o",
                                               "h",
                                               "l",
                                               "c",
                                               "v",
                                               "oi",
                                               "pfr",
                                               "lsr",
                                               "rsi1",
                                               "rsi60",
                                               "tbv",
                                               "tsv",
                                               "lqside",
                                               "lqprice",
                                               "lqqty",
                                               "c_chg_1m",
                                               "v_chg_1m",
                                               "oi_chg_1m",
                                               "pfr_chg_1m",
                                               "lsr_chg_1m",
                                               "rsi1_chg_1m",
                                               "rsi60_chg_1m",
                                               "tbv_chg_1m",
                                               "tsv_chg_1m",
                                               "lqside_chg_1m",
                                               "lqprice_chg_1m",
                                               "lqqty_chg_1m",
                                               "c_chg_5m",
                                               "v_chg_5m",
                                               "oi_chg_5m",
                                               "pfr_chg_5m",
                                               "lsr_chg_5m",
                                               "rsi1_chg_5m",
                                               "rsi60_chg_5m",
                                               "tbv_chg_5m",
                                               "tsv_chg_5m",
                                               "lqside_chg_5m",
                                               "lqprice_chg_5m",
                                               "lqqty_chg_5m",
                                               "c_chg_10m",
                                               "v_chg_10m",
                                               "oi_chg_10m",
                                               "pfr_chg_10m",
                                               "lsr_chg_10m",
                                               "rsi1_chg_10m",
                                               "rsi60_chg_10m",
                                               "tbv_chg_10m",
                                               "tsv_chg_10m",
                                               "lqside_chg_10m",
                                               "lqprice_chg_10m",
                                               "lqqty_chg_10m"};

TEST_P(Migrate, ColumnsAreTheSpecificationsInOrder) {
  ASSERT_EQ(data_seed.size(), 20u);
  ASSERT_EQ(metrics_seed.size(), 57u);
  setup(dsn_, {});
  std::vector<std::string> data = data_seed, metrics = metrics_seed;
  data.insert(data.end(), {"lql", "lqs", "prem", "oi_contracts", "age_ms", "notes", "exchange"});
  metrics.insert(metrics.end(), {"lql", "lqs", "lql_chg_1m", "lql_chg_5m", "lql_chg_10m",
                                 "lqs_chg_1m", "lqs_chg_5m", "lqs_chg_10m", "exchange"});
  EXPECT_EQ(columns("perp_data"), data);
  EXPECT_EQ(columns("perp_metrics"), metrics);
}

TEST_P(Migrate, TypesKeysChecksAndCollationsHold) {
  setup(dsn_, {});
  Text text(dsn_);
  for (const char* table : {"perp_data", "perp_metrics"}) {
    const std::string t = table;
    EXPECT_EQ(text.one("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '" +
                       t + "'::regclass AND contype = 'p'"),
              "PRIMARY KEY (ts, symbol, perpspec)");
    EXPECT_EQ(text.one("SELECT string_agg(attname || ' ' || collname, ',' ORDER BY attnum) FROM "
                       "pg_attribute a JOIN pg_collation c ON c.oid = a.attcollation "
                       "WHERE attrelid = '" +
                       t + "'::regclass AND attname IN ('symbol', 'perpspec')"),
              "symbol C,perpspec C");
    EXPECT_EQ(text.one("SELECT attgenerated FROM pg_attribute WHERE attrelid = '" + t +
                       "'::regclass AND attname = 'exchange'"),
              "s");
    text.rows("INSERT INTO " + t +
              " (ts, symbol, perpspec) VALUES (now_ms() / 60000 * 60000, 'BTC', 'bin-oi'), "
              "(now_ms() / 60000 * 60000, 'BTC', 'rsi')");
    EXPECT_EQ(text.one("SELECT string_agg(perpspec || '=' || exchange || ' ' || \"interval\", ',' "
                       "ORDER BY perpspec) FROM " +
                       t),
              "bin-oi=bin 1min,rsi=bin 1min");
    EXPECT_THROW(
        text.rows("INSERT INTO " + t +
                  " (ts, symbol, perpspec, lqside) VALUES (now_ms(), 'BTC', 'bin-lq', 'both')"),
        std::runtime_error);
    EXPECT_THROW(
        text.rows("INSERT INTO " + t +
                  " (ts, symbol, perpspec) VALUES (now_ms() / 60000 * 60000, 'BTC', 'rsi')"),
        std::runtime_error);
  }
  EXPECT_EQ(text.one("SELECT window_sizes FROM perp_metrics LIMIT 1"), "{1,5,10}");
  EXPECT_EQ(text.one("SELECT string_agg(indexname, ',' ORDER BY indexname) FROM pg_indexes WHERE "
                     "tablename = 'perp_metrics'"),
            "idx_metrics_perpspec_ts,idx_metrics_symbol_perpspec,idx_metrics_symbol_ts,perp_"
            "metrics_pkey");
  EXPECT_EQ(text.one("SELECT count(*) FROM pg_indexes WHERE tablename = 'perp_data'"), "2");
  EXPECT_LT(
      std::abs(std::atof(
          text.one("SELECT now_ms() - extract(epoch FROM clock_timestamp()) * 1000").c_str())),
      1000);
}

TEST_P(Migrate, RegistersTheSeedsAndWhatAVenueAdds) {
  setup(dsn_, {});
  Text text(dsn_);
  EXPECT_EQ(text.one("SELECT count(*) FROM perpspec_schema"), "19");
  EXPECT_EQ(text.one("SELECT count(*) FROM perpspec_schema WHERE seed"), "19");
  EXPECT_EQ(text.one("SELECT fields FROM perpspec_schema WHERE perpspec_name = 'bin-ohlcv'"),
            R"(["ts", "symbol", "source", "perpspec", "interval", "o", "h", "l", "c", "v"])");
  EXPECT_EQ(text.one("SELECT fields FROM perpspec_schema WHERE perpspec_name = 'okx-lq'"),
            R"(["ts", "symbol", "source", "perpspec", "interval", "lqside", "lqprice", "lqqty"])");
  EXPECT_EQ(
      text.one("SELECT native_interval_ms FROM perpspec_schema WHERE perpspec_name = 'byb-lsr'"),
      "300000");
  EXPECT_EQ(text.list("SELECT perpspec_name FROM perpspec_schema ORDER BY 1"),
            (std::vector<std::string>{"bin-lq", "bin-lsr", "bin-ohlcv", "bin-oi", "bin-pfr",
                                      "bin-tv", "byb-lq", "byb-lsr", "byb-ohlcv", "byb-oi",
                                      "byb-pfr", "byb-tv", "okx-lq", "okx-lsr", "okx-ohlcv",
                                      "okx-oi", "okx-pfr", "okx-tv", "rsi"}));
  const SetupReport more = setup(dsn_, {.venues = {market::VenueId::hyperliquid}});
  EXPECT_EQ(more.info.perpspecs, 23);
  EXPECT_EQ(more.info.seed_perpspecs, 19);
  EXPECT_EQ(
      text.one(
          "SELECT count(*) FROM perpspec_schema WHERE NOT seed AND perpspec_name LIKE 'hyp-%'"),
      "4");
  EXPECT_EQ(text.one("SELECT string_agg(code, ',' ORDER BY id) FROM exchanges"), "bin,byb,okx,hyp");
}

TEST_P(Migrate, IsIdempotent) {
  const SetupReport first = setup(dsn_, {});
  EXPECT_EQ(first.info.backend, expected());
  EXPECT_FALSE(first.applied.empty());
  const std::string before = schema_text();
  Text(dsn_).rows(
      "INSERT INTO perp_data (ts, symbol, perpspec, c) VALUES (now_ms() / 60000 * 60000, 'BTC', "
      "'bin-ohlcv', 1)");
  Text(dsn_).rows("UPDATE exchanges SET taker_fee = 0.0001 WHERE code = 'bin'");
  const SetupReport second = setup(dsn_, {});
  EXPECT_TRUE(second.applied.empty());
  EXPECT_TRUE(schema_text() == before);
  EXPECT_EQ(Text(dsn_).one("SELECT count(*) FROM perp_data"), "1");
  EXPECT_EQ(Text(dsn_).one("SELECT taker_fee FROM exchanges WHERE code = 'bin'"), "0.000100");
}

TEST_P(Migrate, ConcurrentSetupsDoNotCollide) {
  std::vector<std::thread> threads;
  std::vector<std::string> errors(4);
  for (std::size_t i = 0; i < errors.size(); ++i)
    threads.emplace_back([&, i] {
      try {
        setup(dsn_, {});
      } catch (const std::exception& error) {
        errors[i] = error.what();
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& error : errors) EXPECT_EQ(error, "");
  EXPECT_EQ(info(dsn_).seed_perpspecs, 19);
}

TEST_P(Migrate, DropsOnlyOnDemand) {
  setup(dsn_, {});
  Text(dsn_).rows(
      "INSERT INTO perp_data (ts, symbol, perpspec) VALUES (now_ms(), 'BTC', 'bin-ohlcv')");
  Text(dsn_).rows("CREATE TABLE mine (x INT)");
  setup(dsn_, {.drop = true});
  EXPECT_EQ(Text(dsn_).one("SELECT count(*) FROM perp_data"), "0");
  EXPECT_EQ(Text(dsn_).one("SELECT count(*) FROM mine"), "0");
  EXPECT_EQ(info(dsn_).seed_perpspecs, 19);
}

TEST_P(Migrate, RefusesAnotherBackendAndOneThatIsNotThere) {
  EXPECT_THROW(setup(dsn_, {.backend = Backend::timescale}), core::Error);
  setup(dsn_, {});
  const Backend other = GetParam() == test::Server::plain ? Backend::apache : Backend::plain;
  try {
    setup(dsn_, {.backend = other});
    FAIL() << "accepted";
  } catch (const core::Error& error) {
    EXPECT_NE(std::string(error.what()).find("--drop"), std::string::npos) << error.what();
  }
}

TEST_P(Migrate, RefusesASchemaFromTheFuture) {
  setup(dsn_, {});
  Text(dsn_).rows("INSERT INTO perp_migrations (name) VALUES ('9999_unheard_of.sql')");
  try {
    setup(dsn_, {});
    FAIL() << "accepted";
  } catch (const core::Error& error) {
    EXPECT_NE(std::string(error.what()).find("9999_unheard_of.sql"), std::string::npos)
        << error.what();
  }
}

TEST_P(Migrate, AddsAMissingExtensionColumn) {
  setup(dsn_, {});
  Text(dsn_).rows("ALTER TABLE perp_data DROP COLUMN prem");
  setup(dsn_, {});
  EXPECT_EQ(Text(dsn_).one("SELECT data_type FROM information_schema.columns WHERE table_name = "
                           "'perp_data' AND column_name = 'prem'"),
            "double precision");
}

TEST_P(Migrate, InfoDescribesTheDatabase) {
  EXPECT_EQ(info(dsn_).backend, Backend::automatic);
  setup(dsn_, {.retention_days = 7});
  Text(dsn_).rows(
      "INSERT INTO perp_metrics (ts, symbol, perpspec) SELECT now_ms() / 60000 * 60000 - g * "
      "60000, 'BTC', 'rsi' FROM generate_series(0, 9) g WHERE now_ms() / 60000 * 60000 - g * 60000 "
      ">= now_ms() / 86400000 * 86400000");
  const std::int64_t count =
      std::atoll(Text(dsn_).one("SELECT count(*) FROM perp_metrics").c_str());
  const Info got = info(dsn_);
  EXPECT_EQ(got.backend, expected());
  EXPECT_EQ(got.retention_days, 7);
  EXPECT_EQ(got.timescale_license, GetParam() == test::Server::plain ? "" : "apache");
  EXPECT_EQ(got.timescale_version.empty(), GetParam() == test::Server::plain);
  EXPECT_EQ(got.server_version, Text(dsn_).one("SHOW server_version"));
  for (const Info::TableInfo& table : got.tables)
    if (table.name == "perp_metrics") {
      EXPECT_EQ(table.rows, count);
      EXPECT_FALSE(table.is_estimate);
      EXPECT_GT(table.bytes, 0);
      EXPECT_EQ(table.partitions, GetParam() == test::Server::plain ? 8 : 1);
      EXPECT_EQ(table.retention_days, 7);
    }
}

INSTANTIATE_TEST_SUITE_P(Servers, Migrate, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
