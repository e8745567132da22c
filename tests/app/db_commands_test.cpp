// Goal: what a person does to a warehouse with `perp db ...` is done, and said as it is. Method:
// the program against both servers; what became of the tables says the server itself, by plain SQL.
#include "app/program.hpp"
#include "warehouse/community.hpp"
#include "warehouse/database.hpp"

#include <perp/core/time.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace perp::app::testing {
namespace {

using nlohmann::json;
using warehouse::test::Server;
using warehouse::test::Text;

constexpr std::int64_t day_ms = 86'400'000;

std::vector<std::string> lines_that_start_with(const std::string& start, const std::string& text) {
  std::vector<std::string> found;
  std::stringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(start)) found.push_back(line.substr(start.size()));
  return found;
}

class DbCommands : public warehouse::test::DatabaseTest {
 protected:
  Outcome perp(const std::string& command) const { return run(command + " --db '" + dsn_ + "'"); }
  std::string one(const std::string& sql) const { return Text(dsn_).one(sql); }
  std::vector<std::string> list(const std::string& sql) const { return Text(dsn_).list(sql); }
  std::string count(const std::string& from) const { return one("SELECT count(*) FROM " + from); }
  void sql(const std::string& text) const { Text(dsn_).rows(text); }

  /// A row of each of these tables at `ts`.
  void put(std::int64_t ts) const {
    const std::string at = std::to_string(ts);
    if (GetParam() == Server::plain)
      sql("SELECT perp_ensure_partition(t, " + at +
          ") FROM unnest(ARRAY['perp_data', 'trades', 'tickers', 'klines']) t");
    sql("INSERT INTO perp_data (ts, symbol, perpspec) VALUES (" + at + ", 'BTC', 'bin-oi')");
    sql("INSERT INTO trades (ts, exchange_id, symbol, trade_id, price) VALUES (" + at +
        ", 3, 'BTC', 'a', 1)");
    sql("INSERT INTO tickers (ts, exchange_id, symbol) VALUES (" + at + ", 1, 'ETH')");
    sql("INSERT INTO klines (ts, exchange_id, symbol, interval) VALUES (" + at +
        ", 1, 'ETH', '1h')");
  }
  /// Partitions of all series, or chunks.
  std::size_t partitions() const {
    return std::stoul(
        GetParam() == Server::plain
            ? count("pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE c.relkind = 'p'")
            : count("timescaledb_information.chunks"));
  }
};

TEST_P(DbCommands, InitMakesTheTablesOfAnEmptyDatabase) {
  ASSERT_EQ(count("pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', "
                  "'p')"),
            "0");
  const Outcome made = perp("db init");
  EXPECT_EQ(made.exit_code, 0) << made.err;
  for (const char* table :
       {"klines", "open_interest", "funding_rates", "liquidations", "long_short_ratio",
        "order_book_levels", "data_versions", "perp_data", "perp_metrics"})
    EXPECT_EQ(count(table), "0") << table;
  put(core::wall_now().ns / core::ns_per_ms);
  EXPECT_EQ(perp("db init").exit_code, 0);
  EXPECT_EQ(count("klines"), "1") << "a second time it keeps what is there";
}

TEST_P(DbCommands, MigratingASecondTimeFindsNothingToDo) {
  EXPECT_EQ(perp("db migrate").exit_code, 1) << "without a schema it makes none";
  ASSERT_EQ(perp("db setup").exit_code, 0);
  put(core::wall_now().ns / core::ns_per_ms);
  // As before the migration that made this function.
  sql("DROP FUNCTION perp_ensure_chunk");
  sql("DELETE FROM perp_migrations WHERE name = '0007_chunks.sql'");
  const Outcome first = perp("db migrate");
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_EQ(lines_that_start_with("applied ", first.out),
            std::vector<std::string>{"0007_chunks.sql"});
  EXPECT_EQ(first.out.find("nothing to do"), std::string::npos) << first.out;
  EXPECT_EQ(one("SELECT to_regproc('perp_ensure_chunk') IS NOT NULL"), "t");
  const std::string migrations =
      "SELECT string_agg(m::text, '|' ORDER BY m) FROM perp_migrations m";
  const std::string applied = one(migrations);
  const Outcome second = perp("db migrate");
  EXPECT_EQ(second.exit_code, 0) << second.err;
  EXPECT_NE(second.out.find("\nnothing to do\n"), std::string::npos) << second.out;
  EXPECT_TRUE(lines_that_start_with("applied ", second.out).empty()) << second.out;
  EXPECT_EQ(one(migrations), applied);
  EXPECT_EQ(count("klines"), "1");
}

TEST_P(DbCommands, DaysOfTablesAreCheckedAndTheFaultIsNamed) {
  for (const char* bad : {"klines=0", "klines=-1", "klines=1.5", "klines=7d", "klines=", "klines",
                          "=7", "=off", "klines=36501", "klines=99999999999", "ON", "klines=OFF"}) {
    const Outcome refused = perp(std::string("db setup --compress '") + bad + "'");
    EXPECT_EQ(refused.exit_code, 1) << bad;
    EXPECT_NE(refused.err.find(std::string("--compress: bad compression '") + bad + "'"),
              std::string::npos)
        << refused.err;
    EXPECT_NE(refused.err.find("TABLE=DAYS (whole days from 1) or TABLE=off"), std::string::npos)
        << refused.err;
  }
  for (const auto& [options, told] :
       {std::pair("--compress klines=3,klines=off", "'klines' said twice"),
        std::pair("--compress on --compress off", "perp_data and perp_metrics said twice"),
        std::pair("--retention klines=3,klines=4", "'klines' said twice"),
        std::pair("--retention klines=off", "bad retention 'klines=off'"),
        std::pair("--compress exchanges=3", "exchanges: no series of this name")}) {
    const Outcome refused = perp(std::string("db setup ") + options);
    EXPECT_EQ(refused.exit_code, 1) << options;
    EXPECT_NE(refused.err.find(told), std::string::npos) << refused.err;
  }
  EXPECT_EQ(one("SELECT to_regclass('perp_series')"), "NULL") << "nothing was set up";
  const Outcome in_vain = perp("db setup --compress klines=7,tickers=off --retention klines=0");
  EXPECT_EQ(in_vain.exit_code, 0) << in_vain.err;
  EXPECT_NE(in_vain.out.find("warning: compression of klines: this edition has none"),
            std::string::npos)
      << in_vain.out;
}

TEST_P(DbCommands, StatsTellTotalsTablesExchangesAndSymbols) {
  EXPECT_EQ(perp("db stats").exit_code, 1) << "there is no schema";
  ASSERT_EQ(perp("db setup").exit_code, 0);
  const std::int64_t now = core::wall_now().ns / core::ns_per_ms;
  put(now);
  put(now - 60'000);
  sql("INSERT INTO perp_data (ts, symbol, perpspec) VALUES (" + std::to_string(now) +
      ", 'ETH', 'okx-oi')");
  const Outcome told = perp("db stats --format json");
  ASSERT_EQ(told.exit_code, 0) << told.err;
  const json stats = json::parse(told.out);
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  std::set<std::string> tables;
  for (const auto& [table, told_of] : stats["tables"].items()) {
    EXPECT_EQ(std::to_string(told_of["rows"].get<std::int64_t>()), count(table)) << table;
    rows += told_of["rows"].get<std::int64_t>();
    bytes += told_of["bytes"].get<std::int64_t>();
    tables.insert(table);
  }
  for (const std::string& table : list("SELECT table_name FROM perp_series"))
    EXPECT_TRUE(tables.contains(table)) << table;
  EXPECT_EQ(stats["rows"], rows);
  EXPECT_EQ(stats["bytes"], bytes);
  EXPECT_GT(bytes, 0);
  std::set<std::string> exchanges;
  for (const json& row : stats["exchanges"])
    exchanges.insert(row["exchange"].get<std::string>() + " " + row["table"].get<std::string>() +
                     " " + std::to_string(row["rows"].get<int>()));
  EXPECT_EQ(exchanges,
            (std::set<std::string>{"Binance perp_data 2", "Binance tickers 2", "Binance klines 2",
                                   "OKX perp_data 1", "OKX trades 2"}));
  ASSERT_EQ(stats["top_symbols"].size(), 2u);
  EXPECT_EQ(stats["top_symbols"][0]["symbol"], "BTC");
  EXPECT_EQ(stats["top_symbols"][0]["rows"], 2);
  EXPECT_EQ(stats["top_symbols"][1]["symbol"], "ETH");
  EXPECT_EQ(json::parse(perp("db stats --symbols 1 --format json").out)["top_symbols"].size(), 1u);

  const Outcome table = perp("db stats");
  ASSERT_EQ(table.exit_code, 0) << table.err;
  for (const char* part : {"table", "total", "trades", "Binance", "OKX", "BTC", "ETH"})
    EXPECT_NE(table.out.find(part), std::string::npos) << part << " is not in\n" << table.out;
}

TEST_P(DbCommands, CleaningByAgeKeepsYoungerRows) {
  ASSERT_EQ(perp("db setup").exit_code, 0);
  const std::int64_t now = core::wall_now().ns / core::ns_per_ms;
  for (const int back : {0, 29, 31, 60}) put(now - back * day_ms);
  const Outcome done = perp("db clean --older-than 30");
  EXPECT_EQ(done.exit_code, 0) << done.err;
  for (const char* table : {"perp_data", "trades", "tickers", "klines"})
    EXPECT_EQ(list(std::string("SELECT ts FROM ") + table + " ORDER BY ts"),
              (std::vector<std::string>{std::to_string(now - 29 * day_ms), std::to_string(now)}))
        << table;
  EXPECT_NE(done.out.find("partitions dropped, "), std::string::npos) << done.out;
}

TEST_P(DbCommands, PartitionsThatAreOldAsAWholeAreDroppedAndCounted) {
  ASSERT_EQ(perp("db setup").exit_code, 0);
  const std::int64_t now = core::wall_now().ns / core::ns_per_ms;
  for (const int back : {0, 29, 32, 33, 95}) put(now - back * day_ms);
  // Thirty days of candles are one partition: this row is too old, its partition is not.
  const std::int64_t thirty = 30 * day_ms;
  const std::string in_part = std::to_string((now - thirty) / thirty * thirty);
  if (GetParam() == Server::plain) sql("SELECT perp_ensure_partition('klines', " + in_part + ")");
  sql("INSERT INTO klines (ts, exchange_id, symbol, interval) VALUES (" + in_part +
      ", 1, 'BTC', '1h')");
  const std::size_t before = partitions();
  const Outcome done = perp("db clean --drop-partitions-older-than 30");
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const std::size_t dropped = before - partitions();
  EXPECT_GE(dropped, 10u) << "three days of three tables, one of candles";
  EXPECT_EQ(lines_that_start_with("dropped ", done.out).size(), dropped) << done.out;
  EXPECT_NE(done.out.find("\n" + std::to_string(dropped) + " partitions dropped\n"),
            std::string::npos)
      << done.out;
  for (const char* table : {"perp_data", "trades", "tickers"})
    EXPECT_EQ(list(std::string("SELECT ts FROM ") + table + " ORDER BY ts"),
              (std::vector<std::string>{std::to_string(now - 29 * day_ms), std::to_string(now)}))
        << table;
  EXPECT_EQ(count("klines WHERE symbol = 'BTC'"), "1");
  EXPECT_EQ(count("klines WHERE ts = " + std::to_string(now - 95 * day_ms)), "0");
  EXPECT_NE(perp("db clean --drop-partitions-older-than 30").out.find("0 partitions dropped"),
            std::string::npos);
}

TEST_P(DbCommands, EmptyingNeedsAYes) {
  ASSERT_EQ(perp("db setup").exit_code, 0);
  put(core::wall_now().ns / core::ns_per_ms);
  sql("INSERT INTO data_versions (table_name, version, collection_date, record_count) VALUES "
      "('klines', 'x', 1, 1)");
  const Outcome refused = perp("db clean --truncate");
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("--yes"), std::string::npos) << refused.err;
  EXPECT_EQ(perp("db clean").exit_code, 2) << "without an option it is an error";
  EXPECT_EQ(perp("db clean --older-than 30 --truncate --yes").exit_code, 2);
  EXPECT_EQ(count("klines"), "1");
  const Outcome done = perp("db clean --truncate --yes");
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const std::vector<std::string> emptied = lines_that_start_with("emptied ", done.out);
  std::vector<std::string> data = list("SELECT table_name FROM perp_series");
  data.insert(data.end(), {"data_versions", "data_gaps", "ingest_events", "kline_discovery_cache",
                           "perp_status", "perp_errors", "quality_checks"});
  for (const std::string& table : data) {
    EXPECT_NE(std::find(emptied.begin(), emptied.end(), table), emptied.end()) << table;
    EXPECT_EQ(count(table), "0") << table;
  }
  EXPECT_EQ(count("exchanges"), "4") << "reference data stays";
}

TEST_P(DbCommands, FeesAreCorrectedOneByOne) {
  ASSERT_EQ(perp("db setup").exit_code, 0);
  const std::string fees =
      "SELECT concat_ws('|', maker_fee, taker_fee) FROM exchanges WHERE code = 'bin'";
  sql("UPDATE exchanges SET maker_fee = 0.0002, taker_fee = 0.0004 WHERE code = 'bin'");
  const Outcome done = perp("db update-fees -e binance -t 0.0005");
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_NE(done.out.find("0.0005"), std::string::npos) << done.out;
  EXPECT_EQ(one(fees), "0.000200|0.000500");
  EXPECT_EQ(perp("db update-fees -e bin -m -0.0001").exit_code, 0) << "a rebate";
  EXPECT_EQ(one(fees), "-0.000100|0.000500");
  EXPECT_EQ(perp("db update-fees -e nyse -t 0.0005").exit_code, 1);
  EXPECT_EQ(perp("db update-fees -e binance").exit_code, 2);
  EXPECT_EQ(perp("db update-fees -e binance -t 5").exit_code, 1) << "fractions, no per cent";
  EXPECT_EQ(one(fees), "-0.000100|0.000500");
}

TEST_P(DbCommands, AReadersRoleCannotInsert) {
  ASSERT_EQ(perp("db setup --roles").exit_code, 0);
  put(core::wall_now().ns / core::ns_per_ms);
  Text reader(dsn_);
  reader.rows("SET ROLE perp_reader");
  EXPECT_EQ(reader.one("SELECT count(*) FROM klines"), "1");
  for (const std::string& table : list("SELECT table_name FROM perp_series")) try {
      reader.rows("INSERT INTO " + table + " (ts) VALUES (0)");
      ADD_FAILURE() << table;
    } catch (const std::runtime_error& error) {
      EXPECT_NE(std::string(error.what()).find("permission denied"), std::string::npos)
          << error.what();
    }
}

// Only where a server of TimescaleDB's Community edition is given.
TEST(CommunityCommands, CompressionIsSetKeptAndTold) {
  const std::string server = warehouse::test::community_server();
  if (server.empty()) GTEST_SKIP() << "PERP_TEST_COMMUNITY_DSN is not set";
  const std::string name = "perp_commands_" + std::to_string(getpid());
  Text(server).rows("CREATE DATABASE " + name);
  const std::string db = " --db \"" + warehouse::test::with(server, {{"dbname", name}}) + "\"";
  const Outcome set =
      run("db setup --compress on,klines=30 --compress trades=30,slippage=off" + db);
  EXPECT_EQ(set.exit_code, 0) << set.err;
  const std::string told =
      "compression after 1 day of perp_data, perp_metrics; after 30 days of klines, trades\n";
  EXPECT_NE(set.out.find(told), std::string::npos) << set.out;
  EXPECT_NE(run("db setup" + db).out.find(told), std::string::npos) << "kept without a word of it";
  Text(warehouse::test::with(server, {{"dbname", name}}))
      .rows("SELECT remove_compression_policy('trades')");
  const Outcome info = run("db info" + db);
  const auto line_of = [&](const std::string& table) {
    return lines_that_start_with(table + " ", info.out).at(0);
  };
  EXPECT_NE(line_of("klines").find("for ever  after 30 days"), std::string::npos) << info.out;
  EXPECT_NE(line_of("trades").find("after 30 days, no policy"), std::string::npos) << info.out;
  EXPECT_TRUE(line_of("slippage").ends_with("for ever")) << info.out;
  const json tables = json::parse(run("db info --format json" + db).out).at("tables");
  EXPECT_EQ(tables.at("klines").at("compress_days"), 30);
  EXPECT_EQ(tables.at("klines").at("compress_after_ms"), 30 * day_ms);
  EXPECT_EQ(tables.at("trades").at("compress_days"), 30);
  EXPECT_TRUE(tables.at("trades").at("compress_after_ms").is_null());
  EXPECT_EQ(tables.at("slippage").at("compress_days"), 0);
  EXPECT_TRUE(tables.at("tickers").at("compress_days").is_null());
  Text(server).rows("DROP DATABASE " + name + " WITH (FORCE)");
}

INSTANTIATE_TEST_SUITE_P(Servers, DbCommands, warehouse::test::both_servers(),
                         warehouse::test::server_name);

}  // namespace
}  // namespace perp::app::testing
