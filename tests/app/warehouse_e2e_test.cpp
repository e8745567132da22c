// Goal: what reaches the tables is what the simulated markets did. Method: the program records a
// seeded market, replays it into a real database, and every row is compared with truth.csv, which
// the model wrote from its own integers; every % change is compared with the specification's SQL
// over perp_data. Once per server that is at hand.
#include "app/process.hpp"
#include "app/program.hpp"
#include "app/server.hpp"

#include <perp/journal/reader.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/market/record_kind.hpp>
#include <perp/warehouse/connection.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace perp::app::testing {
namespace {

using nlohmann::json;

class WarehouseEndToEnd : public ServerTest {
 protected:
  Folder folder_;
};

/// A CSV of plain numbers and words, by column name; an empty cell is "".
std::vector<std::map<std::string, std::string>> read_csv(const std::string& path) {
  std::vector<std::map<std::string, std::string>> rows;
  std::ifstream in(path);
  std::vector<std::string> header;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> cells;
    std::stringstream text(line);
    for (std::string cell; std::getline(text, cell, ',');) cells.push_back(cell);
    if (header.empty()) {
      header = cells;
      continue;
    }
    cells.resize(header.size());
    auto& row = rows.emplace_back();
    for (std::size_t i = 0; i < header.size(); ++i) row[header[i]] = cells[i];
  }
  return rows;
}

using Key = std::tuple<std::string, std::string, std::int64_t>;  // perpspec, symbol, ts

struct StoredRow {
  std::map<std::string, double> numbers;  // NULL is not in the map
  std::string side;
};

std::map<Key, StoredRow> read_rows(warehouse::Connection& connection) {
  std::map<Key, StoredRow> rows;
  const auto result = connection.query("SELECT * FROM perp_data");
  for (std::size_t i = 0; i < result.rows; ++i) {
    auto& row = rows[{std::string(result.column("perpspec").text(i)),
                      std::string(result.column("symbol").text(i)), result.column("ts").ints[i]}];
    for (const auto& column : result.columns) {
      if (column.is_null(i)) continue;
      if (column.kind == warehouse::ColumnKind::float64)
        row.numbers[column.name] = column.floats[i];
      if (column.name == "lqside") row.side = column.text(i);
    }
  }
  return rows;
}

TEST_P(WarehouseEndToEnd, EveryRowIsWhatTheMarketsDid) {
  ASSERT_EQ(run("sim record " + folder_.path() + " --seed 11 --minutes 16 --symbols 8").exit_code,
            0);
  ASSERT_EQ(run("db setup " + db() + " --venues binance,bybit,okx,hyperliquid").exit_code, 0);
  const Outcome replay = run("replay " + folder_.path() + " --journal " + (folder_ / "journal") +
                             " --format json " + db());
  ASSERT_EQ(replay.exit_code, 0) << replay.err << replay.out;
  const json summary = json::parse(replay.out);
  EXPECT_EQ(summary["decode_errors"], 0);
  EXPECT_EQ(summary["bad_lines"], 0);

  warehouse::Connection connection(dsn_);
  const auto stored = read_rows(connection);
  const auto truth = read_csv(folder_ / "truth.csv");
  const warehouse::QueryResult life = connection.query(
      "SELECT string_agg(status, ',' ORDER BY task_id), max((details->>'rows_data')::bigint) FROM "
      "perp_status WHERE script_name = 'perp replay'");
  EXPECT_EQ(life.columns[0].text(0), "started,connected,complete");
  EXPECT_EQ(life.columns[1].ints[0], summary["database"]["perp_data"]);
  ASSERT_GT(truth.size(), 0u);
  std::int64_t first = INT64_MAX;
  std::int64_t last = 0;
  for (const auto& row : truth) {
    first = std::min(first, static_cast<std::int64_t>(std::stoll(row.at("minute_ts_ms"))));
    last = std::max(last, static_cast<std::int64_t>(std::stoll(row.at("minute_ts_ms"))));
  }
  std::size_t compared = 0;
  std::set<std::string> specs;
  for (const auto& row : truth) {
    const market::Venue* venue = market::find_venue(std::string_view(row.at("venue")));
    ASSERT_NE(venue, nullptr) << row.at("venue");
    const std::string& symbol = row.at("symbol");
    const std::int64_t ts = std::stoll(row.at("minute_ts_ms"));
    if (ts == last) continue;  // the recording ends in it or right behind it
    const auto expect = [&](const std::string& spec, const std::string& column,
                            const std::string& truth_column, double tolerance) {
      const std::string& cell = row.at(truth_column);
      if (cell.empty()) return;
      const auto found = stored.find({std::string(venue->code) + "-" + spec, symbol, ts});
      ASSERT_NE(found, stored.end())
          << venue->code << "-" << spec << " " << symbol << " " << ts << " has no row";
      const auto value = found->second.numbers.find(column);
      ASSERT_NE(value, found->second.numbers.end()) << venue->code << "-" << spec << " " << symbol
                                                    << " " << ts << " " << column << " is NULL";
      const double expected = std::stod(cell);
      EXPECT_NEAR(value->second, expected, std::abs(expected) * tolerance)
          << venue->code << "-" << spec << " " << symbol << " " << ts << " " << column;
      ++compared;
      specs.insert(std::string(venue->code) + "-" + spec);
    };
    const bool is_whole = ts > first;  // trade streams begin inside the first minute
    // OKX and Hyperliquid send no candle of a minute without trades: it must have been watched.
    const bool has_candle = row.at("trades") != "0" || venue->id == market::VenueId::binance ||
                            venue->id == market::VenueId::bybit;
    if (has_candle || is_whole)
      for (const char* column : {"o", "h", "l", "c"}) expect("ohlcv", column, column, 0);
    const bool has_candle_volume = has_candle && venue->id != market::VenueId::hyperliquid;
    if (has_candle_volume || is_whole) expect("ohlcv", "v", "v_quote", 1e-9);
    if (venue->id == market::VenueId::binance || is_whole) {
      expect("tv", "tbv", "tbv", 1e-9);
      expect("tv", "tsv", "tsv", 1e-9);
    }
    expect("oi", "oi", "oi_usd", 1e-9);
    expect("pfr", "pfr", "pfr", 1e-15);
    if (market::has_perpspec(venue->id, market::SpecKind::lsr)) expect("lsr", "lsr", "lsr", 1e-14);
  }
  EXPECT_GT(compared, truth.size() * 8) << "most of the truth must have been found";
  EXPECT_GE(specs.size(), 19u) << "ohlcv, tv, oi, pfr of four venues and lsr of three";

  // Liquidations: counted over all minutes whose stream was live, side by side.
  std::size_t liquidation_minutes = 0;
  for (const auto& row : truth) {
    const market::Venue* venue = market::find_venue(std::string_view(row.at("venue")));
    if (!market::has_perpspec(venue->id, market::SpecKind::lq) ||
        std::stoll(row.at("minute_ts_ms")) == last)
      continue;
    const auto found = stored.find(
        {std::string(venue->code) + "-lq", row.at("symbol"), std::stoll(row.at("minute_ts_ms"))});
    if (found == stored.end()) continue;  // not live for the whole minute
    EXPECT_EQ(found->second.side, row.at("lqside"))
        << row.at("venue") << row.at("symbol") << row.at("minute_ts_ms");
    for (const char* column : {"lqqty", "lql", "lqs"}) {
      const double expected = row.at(column).empty() ? 0 : std::stod(row.at(column));
      EXPECT_NEAR(found->second.numbers.at(column), expected, std::abs(expected) * 1e-9)
          << row.at("venue") << row.at("symbol") << row.at("minute_ts_ms") << column;
    }
    ++liquidation_minutes;
  }
  EXPECT_GT(liquidation_minutes, 0u);

  // Nothing else reached the tables: dated, spot, inverse and USDC contracts are on the wire.
  const auto symbols =
      connection.query("SELECT DISTINCT symbol FROM perp_data WHERE symbol NOT IN ('MT', 'MTW')");
  EXPECT_EQ(symbols.rows, 8u);
  for (const char* name : {"MT", "MTW"}) {
    const auto token =
        connection.query("SELECT DISTINCT perpspec FROM perp_data WHERE symbol = $1", {name});
    EXPECT_EQ(token.rows, 2u) << name << " has candles and their RSI";
  }
  EXPECT_GE(connection.query("SELECT count(*) AS n FROM perp_data WHERE symbol = 'MTW' AND c = 100")
                .column("n")
                .ints.at(0),
            1);
  const auto others =
      connection.query("SELECT count(*) AS n FROM instruments WHERE NOT is_primary");
  EXPECT_GT(others.column("n").ints.at(0), 0);
}

TEST_P(WarehouseEndToEnd, ChangesEqualTheSpecificationsSql) {
  ASSERT_EQ(run("sim record " + folder_.path() + " --seed 3 --minutes 14 --symbols 4").exit_code,
            0);
  ASSERT_EQ(run("db setup " + db() + " --venues binance,bybit,okx,hyperliquid").exit_code, 0);
  ASSERT_EQ(run("replay " + folder_.path() + " " + db()).exit_code, 0);
  warehouse::Connection connection(dsn_);
  std::int64_t checked = 0;
  for (const market::Column& column : market::columns) {
    if (!column.has_change || column.type != market::ColumnType::number) continue;
    for (const int window : market::change_windows_minutes) {
      const std::string x(column.name);
      const std::string chg = x + "_chg_" + std::to_string(window) + "m";
      // warehouse.md 4.3, as it is written there.
      const auto result = connection.query(
          "WITH raw AS (SELECT d.ts, d.symbol, d.perpspec, ((d." + x + " - p." + x + ") / abs(p." +
          x +
          ")) * 100 AS v FROM perp_data d "
          "JOIN perp_data p ON p.symbol = d.symbol AND p.perpspec = d.perpspec AND p.ts = d.ts - " +
          std::to_string(window * 60000) + " WHERE d." + x + " IS NOT NULL AND p." + x +
          " IS NOT NULL AND p." + x +
          " <> 0), "
          "expected AS (SELECT ts, symbol, perpspec, greatest(-9999.999::float8, "
          "least(9999.999::float8, sign(v) * (floor(abs(v) * 1000 + 0.5) / 1000))) AS chg FROM "
          "raw) "
          "SELECT count(*) AS n, count(*) FILTER (WHERE m." +
          chg +
          " IS DISTINCT FROM e.chg) AS wrong "
          "FROM perp_metrics m LEFT JOIN expected e USING (ts, symbol, perpspec)");
      EXPECT_EQ(result.column("wrong").ints.at(0), 0) << chg;
      checked += result.column("n").ints.at(0);
    }
  }
  EXPECT_GT(checked, 0);
  // The raw columns are carried over unchanged, and no row is in one table only.
  std::string same = "count(*) FILTER (WHERE d.ts IS NULL OR m.ts IS NULL";
  for (const market::Column& column : market::columns) {
    if (column.name == "prem" || column.name == "oi_contracts" || column.name == "age_ms") continue;
    same += " OR d." + std::string(column.name) + " IS DISTINCT FROM m." + std::string(column.name);
  }
  const auto compared = connection.query(
      "SELECT count(*) AS n, " + same +
      ") AS wrong FROM perp_data d FULL JOIN perp_metrics m USING (ts, symbol, perpspec)");
  EXPECT_GT(compared.column("n").ints.at(0), 0);
  EXPECT_EQ(compared.column("wrong").ints.at(0), 0);
}

TEST_P(WarehouseEndToEnd, ReplayingTwiceDoublesNothing) {
  ASSERT_EQ(run("sim record " + folder_.path() + " --seed 4 --minutes 5 --symbols 3").exit_code, 0);
  ASSERT_EQ(run("db setup " + db() + " --venues binance,bybit,okx,hyperliquid").exit_code, 0);
  const auto digest = [&] {
    warehouse::Connection connection(dsn_);
    const auto result = connection.query(
        "SELECT count(*)::text || md5(string_agg(m::text, '' ORDER BY ts, symbol, perpspec)) AS "
        "digest FROM perp_metrics m");
    return std::string(result.column("digest").text(0));
  };
  ASSERT_EQ(run("replay " + folder_.path() + " " + db()).exit_code, 0);
  const std::string once = digest();
  ASSERT_EQ(run("replay " + folder_.path() + " " + db()).exit_code, 0)
      << "another journal, the same facts";
  EXPECT_EQ(digest(), once);
  for (const char* pass : {"first", "second"}) {
    ASSERT_EQ(run("replay " + folder_.path() + " --journal " + (folder_ / "journal") + " " + db())
                  .exit_code,
              0);
    EXPECT_EQ(digest(), once) << "one journal, the " << pass << " time";
  }
  ASSERT_EQ(run("db setup " + db()).exit_code, 0);
  EXPECT_EQ(digest(), once) << "setup keeps rows";
  // The bytes that are told are those that the server counts, indexes and partitions with them. The
  // server's own vacuum may grow a table's maps at any moment: what is told between two equal
  // counts is compared.
  warehouse::Connection connection(dsn_);
  const auto counted = [&] {
    std::map<std::string, std::int64_t> bytes;
    for (const char* table : {"perp_data", "perp_metrics", "klines"})
      bytes[table] =
          connection
              .query(
                  "SELECT sum(pg_total_relation_size(c))::bigint FROM (SELECT to_regclass($1) "
                  "UNION ALL SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = "
                  "to_regclass($1)) t(c)",
                  {table})
              .columns[0]
              .ints.at(0);
    return bytes;
  };
  std::map<std::string, std::int64_t> before;
  json stats;
  ASSERT_TRUE(await(60, [&] {
    before = counted();
    stats = json::parse(run("db stats --format json " + db()).out);
    return before == counted();
  })) << "the tables never stay as large as they are";
  for (const auto& [table, bytes] : before)
    EXPECT_EQ(stats["tables"][table]["bytes"], bytes) << table;
}

TEST_P(WarehouseEndToEnd, ReplayedTradesAreRowsWhereAskedFor) {
  ASSERT_EQ(run("sim record " + folder_.path() + " --seed 5 --minutes 3 --symbols 2").exit_code, 0);
  ASSERT_EQ(run("db setup " + db()).exit_code, 0);
  const std::string recording = folder_ / "binance";
  const std::string journal = folder_ / "journal";
  ASSERT_EQ(
      run("replay " + recording + " --tables trades --journal " + journal + " " + db()).exit_code,
      0);
  std::set<std::pair<std::uint32_t, std::int64_t>> trades;
  journal::Reader reader(journal);
  while (const market::RecordHeader* record = reader.next())
    if (record->type == market::RecordType::trade &&
        reader.find_instrument(record->instrument)->contract_type ==
            market::ContractType::linear_perpetual)  // delivery contracts have no rows
      trades.emplace(record->instrument, market::payload<market::Trade>(*record).trade_id);
  warehouse::Connection connection(dsn_);
  const auto count = [&](const std::string& table) {
    return connection.query("SELECT count(*) FROM " + table).columns[0].ints.at(0);
  };
  EXPECT_GT(trades.size(), 50U);
  EXPECT_EQ(count("trades"), static_cast<std::int64_t>(trades.size()));
  EXPECT_EQ(count("klines"), 0) << "not asked for";
  EXPECT_GT(count("perp_data"), 0);

  // The daemon's own list counts for what it replays, too.
  connection.execute("TRUNCATE trades");
  std::ofstream(folder_ / "perp.toml")
      << "loader.tables = [\"trades\", \"klines\"]\njournal.folder = \"" << (folder_ / "other")
      << "\"\n";
  const Outcome daemon = run("run --config " + (folder_ / "perp.toml") + " --replay " + recording +
                             " --speed max " + db());
  ASSERT_EQ(daemon.exit_code, 0) << daemon.err;
  EXPECT_EQ(count("trades"), static_cast<std::int64_t>(trades.size()));
  EXPECT_GT(count("klines"), 0);
  EXPECT_EQ(run("replay " + recording + " --tables trade " + db()).exit_code, 2);
}

INSTANTIATE_TEST_SUITE_P(Servers, WarehouseEndToEnd,
                         ::testing::Values(Server{"plain", "PERP_TEST_PLAIN_DSN"},
                                           Server{"timescale", "PERP_TEST_TIMESCALE_DSN"}),
                         [](const auto& server) { return std::string(server.param.name); });

}  // namespace
}  // namespace perp::app::testing
