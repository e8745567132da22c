// What a person does to a warehouse by hand, and what the two roles may do, on both servers.
#include "warehouse/database.hpp"

#include <perp/core/error.hpp>
#include <perp/core/time.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/upkeep.hpp>

#include <cmath>

namespace perp::warehouse {
namespace {

using test::Text;

constexpr std::int64_t day = 86'400'000;
constexpr std::int64_t noon = 1'735'689'600'000 + day / 2;

class Upkeep : public test::DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    if (!IsSkipped()) setup(dsn_, {});
  }
  Backend backend() const {
    return GetParam() == test::Server::plain ? Backend::plain : Backend::apache;
  }
  std::string one(const std::string& sql) { return Text(dsn_).one(sql); }
  void run(const std::string& sql) { Text(dsn_).rows(sql); }
  void fill(Connection& connection) {
    for (int back = 0; back <= 3; ++back) {
      const std::string ts = std::to_string(noon - back * day);
      if (backend() == Backend::plain)
        for (const char* table : {"perp_data", "trades"})
          ensure_partition(connection, table, noon - back * day);
      run("INSERT INTO perp_data (ts, symbol, perpspec) VALUES (" + ts + ", 'BTC', 'bin-oi'), (" +
          ts + ", 'BTC', 'okx-oi'), (" + ts + ", 'ETH', 'okx-oi')");
      run("INSERT INTO trades (ts, exchange_id, symbol, trade_id, price) VALUES (" + ts +
          ", 3, 'BTC', 'a', 1), (" + ts + " - 3600000, 3, 'BTC', 'b', 1)");
      run("INSERT INTO ingest_events (exchange_id, event_type, status, ts) VALUES (3, 'x', 'ok', " +
          ts + ")");
    }
  }
};

TEST_P(Upkeep, StatsCountRowsByVenueAndSymbol) {
  Connection connection(dsn_);
  fill(connection);
  const QueryResult venues = query_exchange_stats(connection);
  std::vector<std::string> rows;
  for (std::size_t i = 0; i < venues.rows; ++i)
    rows.push_back(std::string(venues.column("exchange").text(i)) + " " +
                   std::string(venues.column("table").text(i)) + " " +
                   std::to_string(venues.column("rows").ints[i]));
  EXPECT_EQ(rows,
            (std::vector<std::string>{"Binance perp_data 4", "OKX perp_data 8", "OKX trades 8"}));
  const QueryResult symbols = query_symbol_stats(connection, 1);
  ASSERT_EQ(symbols.rows, 1u);
  EXPECT_EQ(symbols.column("symbol").text(0), "BTC");
  EXPECT_EQ(symbols.column("rows").ints[0], 8);
  EXPECT_EQ(symbols.column("perpspecs").ints[0], 2);
  EXPECT_EQ(symbols.column("first_ts").ints[0], noon - 3 * day);
}

TEST_P(Upkeep, CleaningByAgeKeepsWhatIsYounger) {
  Connection connection(dsn_);
  fill(connection);
  // Two days: noon of two days ago is the limit. Rows of the hot table go by whole days only.
  const CleanReport report = clean_older(connection, backend(), 2, noon);
  EXPECT_EQ(one("SELECT count(*) || '|' || min(ts) FROM perp_data"),
            "9|" + std::to_string(noon - 2 * day));
  EXPECT_EQ(one("SELECT count(*) || '|' || min(ts) FROM trades"),
            "5|" + std::to_string(noon - 2 * day));
  EXPECT_EQ(one("SELECT count(*) FROM ingest_events"), "3");
  EXPECT_EQ(report.dropped.size(), 2u);
  EXPECT_EQ(report.rows, 2);  // one trade of the boundary day, one event
  EXPECT_THROW(clean_older(connection, backend(), 0, noon), core::Error);
}

TEST_P(Upkeep, EmptyingLeavesReferenceDataAndCursors) {
  Connection connection(dsn_);
  fill(connection);
  run("INSERT INTO perp_load_cursors (lane, lanes, journal, position) VALUES (0, 1, 'x', 5)");
  run("INSERT INTO perp_errors (error_message) VALUES ('x')");
  const std::vector<std::string> emptied = truncate_all(connection);
  for (const std::string& table : emptied)
    EXPECT_EQ(one("SELECT count(*) FROM " + table), "0") << table;
  EXPECT_EQ(one("SELECT count(*) FROM exchanges"), "4");
  EXPECT_EQ(one("SELECT count(*) FROM perpspec_schema"), "19");
  EXPECT_EQ(one("SELECT position FROM perp_load_cursors"), "5");
}

TEST_P(Upkeep, FeesAreCorrectedWithinReason) {
  Connection connection(dsn_);
  const std::string maker = one("SELECT maker_fee FROM exchanges WHERE code = 'bin'");
  update_fees(connection, market::VenueId::binance, std::nullopt, 0.0004);
  EXPECT_EQ(one("SELECT concat_ws('|', maker_fee, taker_fee, fee_tier) FROM exchanges WHERE code = "
                "'bin'"),
            maker + "|0.000400|user");
  update_fees(connection, market::VenueId::binance, -0.0001, std::nullopt);
  EXPECT_EQ(one("SELECT concat_ws('|', maker_fee, taker_fee) FROM exchanges WHERE code = 'bin'"),
            "-0.000100|0.000400");
  for (double wrong : {0.5, -0.5, std::nan("")})
    EXPECT_THROW(update_fees(connection, market::VenueId::binance, wrong, std::nullopt),
                 core::Error);
}

TEST_P(Upkeep, StatusAndErrorsComeNewestFirst) {
  run("INSERT INTO perp_status (script_name, status, message, ts) VALUES ('a', 'started', 'one', "
      "to_timestamp(1000)), ('b', 'stopped', 'two', to_timestamp(2000.5))");
  run("INSERT INTO perp_errors (script_name, error_type, error_message, details, ts) VALUES ('a', "
      "'API', 'x', '{\"stack\": [1]}', to_timestamp(1000))");
  Connection connection(dsn_);
  const QueryResult status = query_status(connection, 10);
  ASSERT_EQ(status.rows, 2u);
  EXPECT_EQ(status.column("message").text(0), "two");
  EXPECT_EQ(status.column("ts").ints[0], 2'000'500);
  EXPECT_EQ(query_status(connection, 1).rows, 1u);
  const QueryResult errors = query_errors(connection, 10);
  ASSERT_EQ(errors.rows, 1u);
  EXPECT_EQ(errors.column("details").text(0), R"({"stack": [1]})");
  EXPECT_TRUE(errors.column("perpspec").is_null(0));
}

TEST_P(Upkeep, IndexUsageSumsPartitionsAndChunks) {
  Connection connection(dsn_);
  fill(connection);
  run("SET enable_seqscan = off; SELECT count(*) FROM trades WHERE exchange_id = 3 AND symbol = "
      "'BTC' AND ts = " +
      std::to_string(noon));
  const QueryResult usage = query_index_usage(connection);
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < usage.rows; ++i)
    if (usage.column("index").text(i) == "idx_trades_series") bytes = usage.column("bytes").ints[i];
  // Four days, a page and its metapage each; the empty parent of chunks has a metapage as well.
  EXPECT_EQ(bytes, (4 * 2 + (GetParam() == test::Server::timescale ? 1 : 0)) * 8192);
}

TEST_P(Upkeep, TheRolesMayDoTheirWorkAndNoMore) {
  setup(dsn_, {.roles = true});
  setup(dsn_, {});  // granted again, for tables that came since
  const std::string hour = "now_ms() / 3600000 * 3600000";
  const auto as = [&](const char* role, const std::string& sql) {
    Text text(dsn_);
    text.rows(std::string("SET ROLE ") + role);
    text.rows(sql);
  };
  if (backend() == Backend::plain)
    as("perp_writer", "SELECT perp_ensure_partition('trades', now_ms())");
  as("perp_writer", "INSERT INTO trades (ts, exchange_id, symbol, trade_id, price) VALUES (" +
                        hour + ", 1, 'BTC', 'x', 1)");
  as("perp_writer", "CREATE TEMP TABLE stage AS SELECT * FROM perp_data WITH NO DATA");
  as("perp_writer", "INSERT INTO perp_status (script_name, status) VALUES ('x', 'running')");
  as("perp_reader", "SELECT * FROM perp_wide, ohlcv, oi_price_1h, exchanges");
  EXPECT_EQ(one("SELECT count(*) FROM trades"), "1");
  for (const char* sql : {"CREATE TABLE mine (x INT)", "DROP TABLE perp_data", "TRUNCATE perp_data",
                          "DELETE FROM perp_data", "ALTER TABLE perp_data ADD COLUMN x INT",
                          "UPDATE exchanges SET taker_fee = 0", "DELETE FROM perp_errors"})
    EXPECT_THROW(as("perp_writer", sql), std::runtime_error) << sql;
  for (const char* sql : {"INSERT INTO perp_status (script_name, status) VALUES ('x', 'running')",
                          "SELECT perp_ensure_partition('trades', 0)", "CREATE TABLE mine (x INT)"})
    EXPECT_THROW(as("perp_reader", sql), std::runtime_error) << sql;
}

INSTANTIATE_TEST_SUITE_P(Servers, Upkeep, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
