// Closed days rewritten in order of their series while others read and write, on the plain server;
// the other edition says that it has none.
#include "warehouse/database.hpp"

#include <perp/core/error.hpp>
#include <perp/core/time.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/maintenance.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/perpspecs.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/seal.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <thread>

namespace perp::warehouse {
namespace {

using test::Text;

constexpr std::int64_t day = 86'400'000;
constexpr std::int64_t first = 1'735'689'600'000;  // 2025-01-01

class Seal : public test::DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    if (IsSkipped()) return;
    setup(dsn_, {.retention_days = 0});
  }
  std::string one(const std::string& sql) { return Text(dsn_).one(sql); }
  void run(const std::string& sql) { Text(dsn_).rows(sql); }
  /// In order of arrival: minute by minute, all series of each.
  void fill(std::int64_t from, int minutes, const char* table = "perp_data") {
    Connection connection(dsn_);
    ensure_partitions(connection, table, from, 2);
    run(std::string("INSERT INTO ") + table + " (ts, symbol, perpspec, c, v) SELECT " +
        std::to_string(from) + " + m * 60000, s, p, m, length(s || p) FROM generate_series(0, " +
        std::to_string(minutes - 1) +
        ") m, unnest(ARRAY['BTC', 'ETH', 'SOL', 'XRP']) s, unnest(ARRAY['bin-ohlcv', 'byb-ohlcv', "
        "'okx-ohlcv', 'rsi']) p ORDER BY m, md5(s || p)");
  }
  std::string content(const std::string& table = "perp_data") {
    return one(
        "SELECT count(*) || md5(string_agg(t::text, '' ORDER BY ts, symbol, perpspec)) FROM " +
        table + " t");
  }
  bool is_in_order(const std::string& partition) {
    return one("SELECT bool_and(n = m) FROM (SELECT row_number() OVER (ORDER BY ctid) n, "
               "row_number() OVER (ORDER BY symbol, perpspec, ts) m FROM " +
               partition + ") x") == "t";
  }
  std::string leftovers() {
    return one(
        "SELECT (SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_seal') || '|' || "
        "(SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'perp_seal%') || '|' || (SELECT "
        "count(*) FROM perp_seal_changes)");
  }
  SealOptions options() {
    SealOptions out;
    out.on_event = [this](const std::string& line) {
      const std::lock_guard guard(mutex_);
      told_ += line + "\n";
    };
    return out;
  }
  std::string told() {
    const std::lock_guard guard(mutex_);
    return told_;
  }
  std::optional<SealReport> seal(const SealOptions& with) {
    Connection connection(dsn_, "seal test");
    return seal_day(connection, {"perp_data", first}, with);
  }
  static bool await(const std::function<bool()>& is_so) {
    for (int i = 0; i < 3000; ++i) {
      if (is_so()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  std::mutex mutex_;
  std::string told_;  // guarded by mutex_
};

/// A transaction whose snapshot is older than whatever comes.
class OldReader {
 public:
  explicit OldReader(const std::string& dsn) : text_(dsn) {
    text_.rows("BEGIN ISOLATION LEVEL REPEATABLE READ");
    text_.rows("SELECT count(*) FROM exchanges");
  }
  std::string count() { return text_.one("SELECT count(*) FROM perp_data"); }
  void end() { text_.rows("COMMIT"); }

 private:
  Text text_;
};

TEST_P(Seal, ADayIsTheSameInOrderOfItsSeries) {
  fill(first, 1500);  // over midnight
  fill(first, 700, "perp_metrics");
  run("CREATE INDEX of_somebody ON perp_data (v) WHERE v > 1");
  Connection connection(dsn_);
  add_perpspec(connection, parse_perpspec("bin-x:depth"), true);
  const std::string before = content(), metrics = content("perp_metrics");
  EXPECT_FALSE(is_in_order("perp_data_p20250101"));
  const std::int64_t noon = first + day + day / 2;
  std::vector<DayPartition> days = unsealed_days(connection, noon, 26);
  ASSERT_EQ(days.size(), 2u);  // the second day is not over
  EXPECT_EQ(unsealed_days(connection, first + 26 * 3'600'000 - 1, 26).size(), 0u);
  EXPECT_EQ(unsealed_days(connection, first + day - 1, 1).size(), 0u);
  for (const DayPartition& one_day : days) {
    const auto report = seal_day(connection, one_day, options());
    ASSERT_TRUE(report.has_value()) << told();
    EXPECT_EQ(report->rows, one_day.table == "perp_data" ? 1440 * 16 : 700 * 16);
  }
  EXPECT_EQ(content(), before);
  EXPECT_EQ(content("perp_metrics"), metrics);
  EXPECT_TRUE(is_in_order("perp_data_p20250101"));
  EXPECT_TRUE(is_in_order("perp_metrics_p20250101"));
  EXPECT_EQ(leftovers(), "0|0|0");
  EXPECT_TRUE(unsealed_days(connection, noon, 26).empty());
  EXPECT_EQ(info(dsn_).sealed_partitions, 2);
  // It is a partition like any other: its indexes are the table's, rows come in and are found.
  const auto indexes = [&](const char* partition) {
    return one(
        std::string("SELECT string_agg(concat(parent.relname, pg_get_constraintdef(c.oid)), ',' "
                    "ORDER BY parent.relname) FROM pg_index i JOIN pg_inherits h ON "
                    "h.inhrelid = i.indexrelid JOIN pg_class parent ON parent.oid = "
                    "h.inhparent LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid "
                    "WHERE i.indrelid = '") +
        partition + "'::regclass");
  };
  EXPECT_EQ(indexes("perp_data_p20250101"), indexes("perp_data_p20250102"));
  EXPECT_EQ(one("SELECT count(*) FROM pg_index WHERE indrelid = 'perp_data_p20250101'::regclass"),
            "3");
  const std::string key = "(" + std::to_string(first) + ", 'BTC', 'rsi', 77)";
  run("INSERT INTO perp_data (ts, symbol, perpspec, c) VALUES " + key +
      " ON CONFLICT (ts, symbol, perpspec) DO UPDATE SET c = EXCLUDED.c");
  EXPECT_EQ(one("SELECT c FROM perp_data WHERE symbol = 'BTC' AND perpspec = 'rsi' AND ts = " +
                std::to_string(first)),
            "77");
  EXPECT_THROW(run("INSERT INTO perp_data_p20250101 (ts, symbol, perpspec) VALUES (0, 'A', 'rsi')"),
               std::runtime_error);
  // Again by hand: what came late is put into its place.
  ASSERT_TRUE(seal_day(connection, {"perp_data", first}, options()).has_value());
  EXPECT_TRUE(is_in_order("perp_data_p20250101"));
  // Retention knows it.
  EXPECT_EQ(prune(connection, Backend::plain, {.table = "perp_data", .older_than_days = 1},
                  first + 10 * day)
                .dropped.size(),
            2u);
}

TEST_P(Seal, ReadersNeverSeeAWrongCount) {
  fill(first, 1440);
  const std::string all = std::to_string(1440 * 16);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0}, reads{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i)
    readers.emplace_back([&, i] {
      Text text(dsn_);
      while (!stop.load()) {
        // One statement, several of one snapshot, one of a single series.
        if (i == 1) text.rows("BEGIN ISOLATION LEVEL REPEATABLE READ");
        wrong += text.one("SELECT count(*) FROM perp_data") != all;
        wrong +=
            text.one("SELECT count(*) FROM perp_data WHERE symbol = 'BTC' AND perpspec = 'rsi'") !=
            "1440";
        if (i == 1) text.rows("COMMIT");
        ++reads;
      }
    });
  int sealed = 0;
  for (int i = 0; i < 4; ++i) sealed += seal(options()).has_value() ? 1 : 0;
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(sealed, 4) << told();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_GT(reads.load(), 12);
}

TEST_P(Seal, ATransactionFromBeforeTheCopyStillSeesTheDay) {
  fill(first, 100);
  OldReader old(dsn_);
  std::optional<SealReport> report;
  std::thread sealing([&] { report = seal(options()); });
  EXPECT_TRUE(
      await([&] { return told().find("waiting for an older transaction") != std::string::npos; }));
  EXPECT_EQ(old.count(), "1600");
  old.end();
  sealing.join();
  EXPECT_TRUE(report.has_value()) << told();
  // One that does not end is not waited for for ever.
  OldReader other(dsn_);
  SealOptions impatient = options();
  impatient.snapshot_wait_ms = 100;
  EXPECT_FALSE(seal(impatient).has_value());
  EXPECT_EQ(other.count(), "1600");
  EXPECT_EQ(leftovers(), "0|0|0");
}

TEST_P(Seal, WhatChangesMeanwhileIsNotLost) {
  fill(first, 100);
  const std::string where =
      " WHERE symbol = 'BTC' AND perpspec = 'rsi' AND ts = " + std::to_string(first);
  for (const std::string& change :
       {"INSERT INTO perp_data (ts, symbol, perpspec, c) VALUES (" + std::to_string(first) +
            ", 'DOGE', 'rsi', 5)",
        "UPDATE perp_data SET c = 99" + where, "DELETE FROM perp_data" + where,
        std::string("TRUNCATE perp_data")}) {
    OldReader old(dsn_);
    std::optional<SealReport> report;
    std::thread sealing([&] { report = seal(options()); });
    EXPECT_TRUE(await(
        [&] { return told().find("waiting for an older transaction") != std::string::npos; }));
    run(change);
    const std::string after = content();
    old.end();
    sealing.join();
    EXPECT_FALSE(report.has_value()) << change;
    EXPECT_NE(told().find("a row has changed since the copy; given up"), std::string::npos)
        << told();
    EXPECT_EQ(content(), after) << change;
    EXPECT_EQ(leftovers(), "0|0|0");
    const std::lock_guard guard(mutex_);
    told_.clear();
  }
  fill(first, 100);
  EXPECT_TRUE(seal(options()).has_value()) << told();
}

TEST_P(Seal, ATableThatIsInUseIsLeftAsItIs) {
  fill(first, 100);
  Text reader(dsn_);
  reader.rows("BEGIN; SELECT count(*) FROM perp_data");  // keeps its lock, has no snapshot
  SealOptions impatient = options();
  impatient.attempts = 2;
  impatient.lock_wait_ms = 50;
  EXPECT_FALSE(seal(impatient).has_value());
  EXPECT_NE(told().find("the table is in use; given up"), std::string::npos) << told();
  EXPECT_EQ(reader.one("SELECT count(*) FROM perp_data"), "1600");
  reader.rows("COMMIT");
  EXPECT_TRUE(seal(options()).has_value()) << told();
  EXPECT_EQ(leftovers(), "0|0|0");
}

TEST_P(Seal, ADeathInTheMiddleIsCleanedUpByTheNextAttempt) {
  fill(first, 100);
  const std::string before = content();
  OldReader old(dsn_);
  std::thread sealing([&] { EXPECT_THROW(seal(options()), DatabaseError); });
  EXPECT_TRUE(
      await([&] { return told().find("waiting for an older transaction") != std::string::npos; }));
  run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
      "AND "
      "application_name = 'seal test'");
  sealing.join();
  EXPECT_EQ(leftovers(), "1|2|0");
  EXPECT_EQ(old.count(), "1600");
  old.end();
  EXPECT_EQ(content(), before);
  run("INSERT INTO perp_data (ts, symbol, perpspec) VALUES (" + std::to_string(first) +
      ", 'DOGE', 'rsi')");  // noted for nobody
  EXPECT_TRUE(await([&] { return seal(options()).has_value(); })) << told();
  EXPECT_EQ(one("SELECT count(*) FROM perp_data"), "1601");
  EXPECT_EQ(leftovers(), "0|0|0");
}

TEST_P(Seal, OnlyDaysThatAreThereAndOfTheseTables) {
  Connection connection(dsn_);
  EXPECT_THROW(seal_day(connection, {"perp_data", first}, options()), core::Error);
  fill(first, 10);
  EXPECT_THROW(seal_day(connection, {"perp_data", first + 1}, options()), core::Error);
  EXPECT_THROW(seal_day(connection, {"trades", first}, options()), core::Error);
  Text other(dsn_);
  other.rows("SELECT pg_advisory_lock(hashtextextended('perp seal', 0))");
  EXPECT_FALSE(seal(options()).has_value());
  EXPECT_NE(told().find("another program is at it"), std::string::npos);
}

TEST_P(Seal, MaintenanceSealsClosedDaysAlone) {
  const std::int64_t today = core::wall_now().ns / core::ns_per_ms / day * day;
  fill(today - 3 * day, 60);
  fill(today, 1);
  const auto keep_until = [&](const MaintenanceOptions& with, const std::function<bool()>& is_so) {
    std::atomic<bool> stop{false};
    std::thread maintenance([&] { keep_maintained(with, stop); });
    const bool was_so = await(is_so);
    stop = true;
    maintenance.join();
    return was_so;
  };
  std::vector<std::string> troubles, done;  // of the maintenance's thread, which has ended
  EXPECT_TRUE(keep_until({.dsn = dsn_,
                          .seal_after_hours = 26,
                          .on_event = [&](const std::string& line) { troubles.push_back(line); },
                          .on_done = [&](const std::string& line) { done.push_back(line); }},
                         [&] { return info(dsn_).sealed_partitions == 1; }));
  // It may have waited for a transaction of somebody else, and says so; what was done is none.
  for (const std::string& line : troubles)
    EXPECT_EQ(line.find("sealed"), std::string::npos) << line;
  ASSERT_EQ(done.size(), 1u);
  EXPECT_NE(done.front().find("sealed perp_"), std::string::npos) << done.front();
  EXPECT_EQ(one("SELECT count(*) FROM perp_data"), "976");
}

INSTANTIATE_TEST_SUITE_P(Servers, Seal, testing::Values(test::Server::plain), test::server_name);

// Nothing of the Apache edition rewrites a chunk without keeping readers out.
class SealElsewhere : public test::DatabaseTest {};

TEST_P(SealElsewhere, IsRefused) {
  setup(dsn_, {});
  Connection connection(dsn_);
  EXPECT_TRUE(unsealed_days(connection, first, 26).empty());
  EXPECT_THROW(seal_day(connection, {"perp_data", first}, {}), core::Error);
  EXPECT_EQ(info(dsn_).sealed_partitions, 0);
}

INSTANTIATE_TEST_SUITE_P(Servers, SealElsewhere, testing::Values(test::Server::timescale),
                         test::server_name);

}  // namespace
}  // namespace perp::warehouse
