// Rollups against an oracle that reads perp_data in text and folds it by the specification's words;
// writers and the one who computes at the same time; what retention has dropped.
#include "warehouse/database.hpp"
#include "warehouse/minute_oracle.hpp"

#include <perp/core/error.hpp>
#include <perp/core/time.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/insert.hpp>
#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/maintenance.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/perpspecs.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/rollup.hpp>
#include <perp/warehouse/upkeep.hpp>

#include <algorithm>
#include <cmath>
#include <thread>

namespace perp::warehouse {
namespace {

using market::SpecKind;
using market::VenueId;
using test::day_0;
using test::Fact;
using test::Generator;
using test::Text;
using test::TextRow;

constexpr std::int64_t minute = 60'000;
constexpr std::int64_t hour = 60 * minute;
constexpr std::int64_t day = 24 * hour;
constexpr std::int64_t later = day_0 + 400 * day;  // everything below is over

// The specification's last line of section 7, and what follows from it.
const std::vector<std::pair<std::string, std::string>> specified = {{"o", "first"},
                                                                    {"h", "max"},
                                                                    {"l", "min"},
                                                                    {"c", "last"},
                                                                    {"v", "sum"},
                                                                    {"oi", "last"},
                                                                    {"pfr", "last"},
                                                                    {"lsr", "last"},
                                                                    {"rsi1", "last"},
                                                                    {"rsi60", "last"},
                                                                    {"tbv", "sum"},
                                                                    {"tsv", "sum"},
                                                                    {"lqside", "last"},
                                                                    {"lqprice", "last"},
                                                                    {"lqqty", "sum"},
                                                                    {"lql", "sum"},
                                                                    {"lqs", "sum"},
                                                                    {"prem", "last"},
                                                                    {"oi_contracts", "last"},
                                                                    {"age_ms", "last"}};
const std::vector<std::pair<std::string, std::int64_t>> tables = {{"perp_5m", 5 * minute},
                                                                  {"perp_15m", 15 * minute},
                                                                  {"perp_1h", hour},
                                                                  {"perp_4h", 4 * hour},
                                                                  {"perp_1d", day}};

using Key = std::tuple<std::string, std::string, std::int64_t>;  // symbol, perpspec, ts
struct Bucket {
  std::int64_t minutes = 0;
  std::map<std::string, std::string> cells;  // as text; NULL is not in it
};
using Buckets = std::map<Key, Bucket>;

std::string number_text(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

/// `fine` is ordered by time within a series.
Buckets fold(const Buckets& fine, std::int64_t interval) {
  Buckets out;
  for (const auto& [key, row] : fine) {
    const auto& [symbol, perpspec, ts] = key;
    Bucket& bucket = out[{symbol, perpspec, ts / interval * interval}];
    bucket.minutes += row.minutes;
    for (const auto& [column, how] : specified) {
      const auto cell = row.cells.find(column);
      if (cell == row.cells.end()) continue;
      const auto [place, is_first] = bucket.cells.try_emplace(column, cell->second);
      if (is_first || how == "first") continue;
      const double before = std::strtod(place->second.c_str(), nullptr);
      const double now = std::strtod(cell->second.c_str(), nullptr);
      if (how == "last" || (how == "max" && now > before) || (how == "min" && now < before))
        place->second = cell->second;
      else if (how == "sum")
        place->second = number_text(before + now);
    }
  }
  return out;
}

class Rollups : public test::DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    if (!IsSkipped()) setup(dsn_, {.retention_days = 0});
  }
  Backend backend() const {
    return GetParam() == test::Server::plain ? Backend::plain : Backend::apache;
  }
  std::string one(const std::string& sql) { return Text(dsn_).one(sql); }
  std::vector<std::string> list(const std::string& sql) { return Text(dsn_).list(sql); }
  void run(const std::string& sql) { Text(dsn_).rows(sql); }
  RollupReport roll(std::int64_t now_ms = later) {
    Connection connection(dsn_);
    return roll_up(connection, backend(), now_ms);
  }
  RollupReport roll_again(const RollupAgain& what) {
    Connection connection(dsn_);
    return roll_up_again(connection, backend(), what, later);
  }
  void insert(const std::string& perpspec, const std::vector<InsertRow>& rows) {
    Connection connection(dsn_);
    ASSERT_EQ(insert_data(connection, perpspec, rows).rejected, 0);
  }

  Buckets stored(const std::string& table) {
    std::string columns;
    for (const auto& [column, how] : specified) columns += ", " + column;
    Buckets out;
    Text text(dsn_);
    for (const TextRow& row : text.rows("SELECT symbol, perpspec, ts, " +
                                        std::string(table == "perp_data" ? "1" : "minutes") +
                                        columns + " FROM " + table)) {
      Bucket& bucket = out[{*row[0], *row[1], std::stoll(*row[2])}];
      bucket.minutes = std::stoll(*row[3]);
      for (std::size_t i = 0; i < specified.size(); ++i)
        if (row[4 + i]) bucket.cells[specified[i].first] = *row[4 + i];
    }
    return out;
  }

  void expect_rolled_up(const std::string& where) {
    Buckets expected = stored("perp_data");
    for (const auto& [table, interval] : tables) {
      expected = fold(expected, interval);
      const Buckets got = stored(table);
      ASSERT_EQ(got.size(), expected.size()) << table << " " << where;
      auto at = got.begin();
      for (const auto& [key, bucket] : expected) {
        const auto& [symbol, perpspec, ts] = key;
        const std::string place =
            table + " " + symbol + " " + perpspec + " " + std::to_string(ts) + " " + where;
        ASSERT_EQ(at->first, key) << place;
        ASSERT_EQ(at->second.minutes, bucket.minutes) << place;
        for (const auto& [column, how] : specified) {
          const auto a = at->second.cells.find(column), b = bucket.cells.find(column);
          ASSERT_EQ(a == at->second.cells.end(), b == bucket.cells.end()) << place << " " << column;
          if (a == at->second.cells.end()) continue;
          if (column == "lqside")
            ASSERT_EQ(a->second, b->second) << place;
          else
            ASSERT_EQ(std::strtod(a->second.c_str(), nullptr),
                      std::strtod(b->second.c_str(), nullptr))
                << place << " " << column;
        }
        ++at;
      }
    }
  }
};

TEST_P(Rollups, EachColumnIsWhatItsTableSays) {
  const auto at = [](int m) { return day_0 + m * minute; };
  insert("bin-ohlcv",
         {{.ts = at(1),
           .symbol = "BTC",
           .fields = {{"o", 10.0}, {"h", 12.0}, {"l", 9.0}, {"c", 11.0}, {"v", 100.0}}},
          {.ts = at(3),
           .symbol = "BTC",
           .fields = {{"o", 11.0}, {"h", 15.0}, {"l", 10.5}, {"c", 14.0}, {"v", 7.5}}},
          {.ts = at(4), .symbol = "BTC", .fields = {{"h", 13.0}}},
          {.ts = at(5), .symbol = "BTC", .fields = {{"o", 14.0}, {"c", 20.0}, {"v", 1.0}}}});
  insert("bin-lq",
         {{.ts = at(0),
           .symbol = "BTC",
           .fields = {{"lqside", std::string("long")},
                      {"lqprice", 5.0},
                      {"lqqty", 2.0},
                      {"lql", 10.0},
                      {"lqs", 0.0}}},
          {.ts = at(2), .symbol = "BTC", .fields = {{"lqqty", 0.0}, {"lql", 0.0}, {"lqs", 0.0}}}});
  EXPECT_EQ(roll().rows, 3 + 4 * 2);  // two of five minutes; one of each coarser level and spec
  const std::string values = "SELECT concat_ws('|', ts, minutes, o, h, l, c, v, exchange) FROM ";
  EXPECT_EQ(list(values + "perp_5m WHERE perpspec = 'bin-ohlcv' ORDER BY ts"),
            (std::vector<std::string>{std::to_string(at(0)) + "|3|10|15|9|14|107.5|bin",
                                      std::to_string(at(5)) + "|1|14|20|1|bin"}));
  for (const auto& [table, interval] : tables)
    if (table != "perp_5m") {
      EXPECT_EQ(one(values + table + " WHERE perpspec = 'bin-ohlcv'"),
                std::to_string(day_0) + "|4|10|15|9|20|108.5|bin")
          << table;
    }
  EXPECT_EQ(
      one("SELECT concat_ws('|', minutes, lqside, lqprice, lqqty, lql, lqs, coalesce(v::text, "
          "'-')) FROM perp_1d WHERE perpspec = 'bin-lq'"),
      "2|long|5|2|10|0|-");
  EXPECT_EQ(one("SELECT count(*) FROM perp_rollup_due"), "0");
  EXPECT_EQ(roll().ranges, 0);
}

TEST_P(Rollups, ABucketIsARowOnceItIsOver) {
  insert("bin-oi", {{.ts = day_0 + 4 * minute, .symbol = "BTC", .fields = {{"oi", 5.0}}}});
  const auto rows = [&] {
    std::string out;
    for (const auto& [table, interval] : tables) out += one("SELECT count(*) FROM " + table);
    return out;
  };
  EXPECT_EQ(roll(day_0 + 5 * minute + rollup_grace_ms - 1).rows, 0);
  EXPECT_EQ(rows(), "00000");
  roll(day_0 + 5 * minute + rollup_grace_ms);
  EXPECT_EQ(rows(), "10000");
  for (std::size_t level = 1; level < tables.size(); ++level) {
    roll(day_0 + tables[level].second + rollup_grace_ms - 1);
    EXPECT_EQ(rows(), std::string(level, '1') + std::string(5 - level, '0'));
    roll(day_0 + tables[level].second + rollup_grace_ms);
    EXPECT_EQ(rows(), std::string(level + 1, '1') + std::string(4 - level, '0'));
  }
  // A minute that comes late changes all of them.
  insert("bin-oi", {{.ts = day_0 + 14 * minute, .symbol = "BTC", .fields = {{"oi", 6.0}}}});
  roll();
  EXPECT_EQ(list("SELECT minutes || '|' || oi FROM perp_5m ORDER BY ts"),
            (std::vector<std::string>{"1|5", "1|6"}));
  EXPECT_EQ(one("SELECT minutes || '|' || oi FROM perp_1d"), "2|6");
}

TEST_P(Rollups, WhatRetentionDroppedIsNotMadeOfTheRest) {
  std::vector<InsertRow> rows;
  for (int m = 0; m < 30; ++m)
    rows.push_back({.ts = day_0 + m * minute, .symbol = "BTC", .fields = {{"v", 1.0}}});
  insert("bin-ohlcv", rows);
  roll();
  Connection connection(dsn_);
  ASSERT_EQ(prune(connection, backend(), {.table = "perp_data", .older_than_days = 1}, later)
                .dropped.size(),
            1u);
  insert("bin-ohlcv", {{.ts = day_0 + 7 * minute, .symbol = "BTC", .fields = {{"v", 50.0}}},
                       {.ts = day_0 + 40 * minute, .symbol = "BTC", .fields = {{"v", 3.0}}}});
  roll();
  const std::string sums = "SELECT string_agg(minutes || ':' || v, ' ' ORDER BY ts) FROM ";
  EXPECT_EQ(one(sums + "perp_5m"), "5:5 5:5 5:5 5:5 5:5 5:5 1:3");
  EXPECT_EQ(one(sums + "perp_15m"), "15:15 15:15 1:3");
  EXPECT_EQ(one(sums + "perp_1d"), "31:33");
  // By hand neither, unless told to.
  roll_again({.from_ms = day_0, .to_ms = day_0 + day});
  EXPECT_EQ(one(sums + "perp_1d"), "31:33");
  roll_again({.from_ms = day_0 + 7 * minute, .to_ms = day_0 + 8 * minute, .replaces_fuller = true});
  EXPECT_EQ(one(sums + "perp_5m"), "5:5 1:50 5:5 5:5 5:5 5:5 1:3");
  EXPECT_EQ(one(sums + "perp_1d"), "27:78");
}

TEST_P(Rollups, MinutesOfStrangersAreRolledUpByHand) {
  Connection connection(dsn_);
  if (backend() == Backend::plain) ensure_partitions(connection, "perp_data", day_0, 3);
  run("INSERT INTO perp_data (ts, symbol, perpspec, c, v) SELECT " + std::to_string(day_0) +
      " + n * 60000, 'BTC', 'bin-ohlcv', CASE WHEN n % 7 = 3 THEN 'NaN'::float8 ELSE n END, 1 FROM "
      "generate_series(0, 4000) n");
  EXPECT_EQ(roll().rows, 0);
  EXPECT_EQ(roll_again({.from_ms = day_0 + day, .to_ms = day_0 + day + 1}).rows, 5);
  EXPECT_EQ(one("SELECT minutes || '|' || c FROM perp_5m"), "5|1444");
  EXPECT_EQ(one("SELECT minutes || '|' || c FROM perp_1d"), "5|1444");
  roll_again({.from_ms = 0, .to_ms = later});
  EXPECT_EQ(list("SELECT minutes || '|' || c || '|' || v FROM perp_1d ORDER BY ts"),
            (std::vector<std::string>{"1440|1439|1440", "1440|2879|1440", "1121|3999|1121"}));
  EXPECT_EQ(roll_again({.from_ms = 0, .to_ms = later}).rows, 0);  // nothing is written twice
  EXPECT_THROW(roll_again({.from_ms = 5, .to_ms = 5}), core::Error);
}

TEST_P(Rollups, ColumnsThatComeLaterAreRolledUpAsTheirLastValue) {
  Connection connection(dsn_);
  add_perpspec(connection, parse_perpspec("bin-x:depth,c"), true);
  insert("bin-x", {{.ts = day_0, .symbol = "BTC", .fields = {{"depth", 5.0}}},
                   {.ts = day_0 + minute, .symbol = "BTC", .fields = {{"depth", 4.0}, {"c", 1.0}}},
                   {.ts = day_0 + 2 * minute, .symbol = "BTC", .fields = {{"c", 2.0}}}});
  roll();
  for (const auto& [table, interval] : tables)
    EXPECT_EQ(one("SELECT minutes || '|' || depth || '|' || c FROM " + table), "3|4|2") << table;
}

TEST_P(Rollups, MinutesOfAnOlderSchemaAreDue) {
  insert("bin-oi", {{.ts = day_0 + 7 * minute, .symbol = "BTC", .fields = {{"oi", 5.0}}},
                    {.ts = day_0 + 2 * day, .symbol = "BTC", .fields = {{"oi", 6.0}}}});
  run("DROP TABLE perp_rollup_due");
  for (const auto& [table, interval] : tables) {
    run("DROP TABLE " + table);
    run("DELETE FROM perp_series WHERE table_name = '" + table + "'");
  }
  run("DELETE FROM perp_migrations WHERE name = '0005_rollups.sql'");
  migrate(dsn_);
  roll();
  expect_rolled_up("migrated");
  EXPECT_EQ(one("SELECT count(*) FROM perp_1d"), "2");
}

TEST_P(Rollups, AFailureLeavesWhatIsDue) {
  insert("bin-oi", {{.ts = day_0, .symbol = "BTC", .fields = {{"oi", 5.0}}}});
  run("ALTER TABLE perp_5m ADD CHECK (oi < 5)");
  EXPECT_THROW(roll(), DatabaseError);
  EXPECT_EQ(one("SELECT level_ms || '|' || ts || '|' || until FROM perp_rollup_due"),
            "300000|" + std::to_string(day_0) + "|" + std::to_string(day_0 + 5 * minute));
  run("ALTER TABLE perp_5m DROP CONSTRAINT perp_5m_oi_check");
  roll();
  expect_rolled_up("again");
}

TEST_P(Rollups, ABucketThatNoSumCanHoldIsToldAndTheOthersAreComputed) {
  std::vector<InsertRow> rows;
  for (int m = 0; m < 40; ++m)
    rows.push_back({.ts = day_0 + m * minute,
                    .symbol = "BTC",
                    .fields = {{"v", m == 21 || m == 22 ? 1.7e308 : 1.0}}});
  insert("bin-ohlcv", rows);
  roll();
  EXPECT_EQ(one("SELECT string_agg(((ts - " + std::to_string(day_0) +
                ") / 300000)::text, ' ' ORDER BY ts) FROM perp_5m WHERE v = 5"),
            "0 1 2 3 5 6 7");
  EXPECT_EQ(one("SELECT minutes || '|' || v FROM perp_1d"), "35|35");
  EXPECT_EQ(
      one("SELECT count(*) || (min(details->>'table')) || min(details->>'ts') FROM perp_errors"),
      "1perp_5m" + std::to_string(day_0 + 20 * minute));
  EXPECT_EQ(one("SELECT count(*) FROM perp_rollup_due"), "0");
}

TEST_P(Rollups, OneProgramAtATime) {
  insert("bin-oi", {{.ts = day_0, .symbol = "BTC", .fields = {{"oi", 5.0}}}});
  {
    Text other(dsn_);
    other.rows("SELECT pg_advisory_lock(hashtextextended('perp rollup', 0))");
    EXPECT_EQ(roll().ranges, 0);
  }
  while (roll().ranges == 0) {
  }
  expect_rolled_up("afterwards");
}

TEST_P(Rollups, AWriterMayRollUp) {
  setup(dsn_, {.roles = true});
  insert("bin-oi", {{.ts = day_0, .symbol = "BTC", .fields = {{"oi", 5.0}}}});
  Connection connection(dsn_);
  connection.execute("SET ROLE perp_writer");
  EXPECT_EQ(roll_up(connection, backend(), later).rows, 5);
  connection.execute("SET ROLE perp_reader");
  EXPECT_EQ(connection.query("SELECT oi FROM perp_1d").rows, 1u);
}

TEST_P(Rollups, TheLoaderSaysWhatItTouchesOnceABatch) {
  test::Folder folder;
  journal::Writer journal({.folder = folder.path()});
  Generator generator(21);
  generator.define_all(journal);
  for (const Fact& fact : generator.minutes(day_0, 8)) append(journal, fact);
  journal.sync();
  LoaderOptions options;
  options.dsn = dsn_;
  options.journal_folder = folder.path();
  const std::atomic<bool> stop{false};
  const LoadReport report = Loader(options).run(journal.end(), stop);
  EXPECT_EQ(one("SELECT count(*) FROM perp_rollup_due WHERE level_ms = 300000"),
            std::to_string(report.batches));
  roll();
  expect_rolled_up("loaded");
  EXPECT_EQ(info(dsn_).rollups_due, 0);
}

TEST_P(Rollups, InfoTellsHowFarBehindTheyAre) {
  EXPECT_FALSE(info(dsn_).rollups_due_since_ms.has_value());
  insert("bin-oi", {{.ts = day_0 + 7 * minute, .symbol = "BTC", .fields = {{"oi", 5.0}}}});
  EXPECT_EQ(info(dsn_).rollups_due, 1);
  EXPECT_EQ(info(dsn_).rollups_due_since_ms.value_or(0), day_0 + 10 * minute);
  // What is not over yet is not behind.
  run("UPDATE perp_rollup_due SET ts = now_ms(), until = now_ms() + 300000");
  EXPECT_FALSE(info(dsn_).rollups_due_since_ms.has_value());
}

TEST_P(Rollups, EmptyingAndPruningKnowThem) {
  insert("bin-oi", {{.ts = day_0, .symbol = "BTC", .fields = {{"oi", 5.0}}}});
  roll();
  insert("bin-oi", {{.ts = day_0, .symbol = "BTC", .fields = {{"oi", 6.0}}}});
  Connection connection(dsn_);
  prune(connection, backend(), {.table = "perp_5m", .older_than_days = 1}, later);
  EXPECT_EQ(one("SELECT count(*) FROM perp_5m"), "0");
  truncate_all(connection);
  for (const char* table : {"perp_data", "perp_1d", "perp_rollup_due"})
    EXPECT_EQ(one(std::string("SELECT count(*) FROM ") + table), "0") << table;
}

// Several writers, by library and by loader, new rows, late rows, corrections and holes, while one
// computes. When all are done and nothing is due, every level is what the minutes say.
TEST_P(Rollups, AreRightWhateverHappensAtTheSameTime) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::atomic<int> writing{4};
  std::vector<std::thread> threads;
  for (unsigned w = 0; w < 3; ++w)
    threads.emplace_back([&, w] {
      std::mt19937 random(seed + w);
      Connection connection(dsn_);
      const auto draw = [&](int limit) {
        return std::uniform_int_distribution<>(0, limit - 1)(random);
      };
      const auto price = [&] {
        return std::ldexp(std::uniform_real_distribution<>(-1, 1)(random), draw(60) - 20);
      };
      for (int transaction = 0; transaction < 40; ++transaction) {
        std::vector<InsertRow> rows;
        for (int i = 0; i < 40; ++i) {
          InsertRow row{.ts = day_0 + draw(2) * day + draw(30) * draw(48) * minute,
                        .symbol = draw(2) == 0 ? "BTC" : "ETH"};
          for (const char* field : {"lqprice", "lqqty", "lql", "lqs"})
            if (draw(4) != 0) row.fields.emplace_back(field, price());
          if (draw(3) == 0)
            row.fields.emplace_back("lqside", std::string(draw(2) == 0 ? "long" : "short"));
          rows.push_back(std::move(row));
        }
        insert_data(connection, w == 0 ? "okx-lq" : "bin-lq", rows);
      }
      --writing;
    });
  threads.emplace_back([&] {
    test::Folder folder;
    journal::Writer journal({.folder = folder.path()});
    Generator generator(seed);
    generator.define_all(journal);
    for (int part = 0; part < 12; ++part) {
      const std::int64_t from = day_0 + (part % 4) * 37 * minute;  // again and again
      for (Fact fact : generator.minutes(from, 6)) {
        if (part >= 4) fact.flags |= market::flag_revision;
        append(journal, fact);
      }
      journal.sync();
      LoaderOptions options;
      options.dsn = dsn_;
      options.journal_folder = folder.path();
      options.batch_rows = 150;
      const std::atomic<bool> stop{false};
      Loader(options).run(journal.end(), stop);
    }
    --writing;
  });
  while (writing.load() != 0) roll();
  for (std::thread& thread : threads) thread.join();
  roll();
  EXPECT_EQ(one("SELECT count(*) FROM perp_rollup_due"), "0");
  EXPECT_GT(std::stoll(one("SELECT count(*) FROM perp_data")), 1000);
  expect_rolled_up("at the end");
}

TEST_P(Rollups, MaintenanceKeepsThem) {
  insert("bin-oi", {{.ts = day_0, .symbol = "BTC", .fields = {{"oi", 5.0}}}});
  std::atomic<bool> stop{false};
  std::thread maintenance([&] { keep_maintained({.dsn = dsn_}, stop); });
  for (int i = 0; i < 2000 && one("SELECT count(*) FROM perp_1d") != "1"; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  stop = true;
  maintenance.join();
  expect_rolled_up("kept");
}

INSTANTIATE_TEST_SUITE_P(Servers, Rollups, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
