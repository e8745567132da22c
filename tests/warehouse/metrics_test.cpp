// perp_metrics computed again from perp_data. The truth is the specification's SQL over the same
// rows, written here; what must stay untouched is told by the rows' places (ctid).
#include "warehouse/database.hpp"

#include <perp/core/time.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/insert.hpp>
#include <perp/warehouse/metrics_calc.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/perpspecs.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <chrono>
#include <set>
#include <thread>

namespace perp::warehouse {
namespace {

using test::Text;

constexpr std::int64_t now = 1'760'572'800'000 - 3 * minute_ms;  // three minutes before a midnight

class Metrics : public test::DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    if (IsSkipped()) return;
    setup(dsn_, {});
    text_.emplace(dsn_);
    options_.dsn = dsn_;
  }
  void TearDown() override {
    text_.reset();
    DatabaseTest::TearDown();
  }

  void prepare_days(std::int64_t from, std::int64_t to) {
    if (GetParam() != Server::plain) return;
    for (std::int64_t day = core::floor_to(from, day_ms); day < to; day += day_ms)
      for (const char* table : {"perp_data", "perp_metrics"})
        text_->rows(fmt::format("SELECT perp_ensure_partition('{}', {})", table, day));
  }
  /// Rows of [from, to] of some series, written in plain SQL, a tenth missing: NULLs, zeros,
  /// negative values, sides, rows that are not on the minute, and `source` of somebody else.
  void make_data(std::int64_t from, std::int64_t to, const std::string& symbols = "{BTC,ETH,SOL}") {
    prepare_days(from, to);
    text_->rows(fmt::format(
        "SELECT setseed(0.3); INSERT INTO perp_data (ts, symbol, perpspec, source, interval, o, h, "
        "l, c, v, pfr, lqside, lqprice, lqqty, lql) SELECT t + phase, s, p, CASE WHEN random() < "
        "0.5 THEN p ELSE 'import' END, '1min', 1, 2, 0.5, CASE WHEN p LIKE '%ohlcv' THEN 100 + "
        "random() END, CASE WHEN random() < 0.1 THEN NULL WHEN random() < 0.1 THEN 0 ELSE "
        "exp(20 * random()) END, CASE WHEN p LIKE '%pfr' THEN random() - 0.5 END, CASE WHEN p "
        "LIKE '%lq' AND random() < 0.6 THEN CASE WHEN random() < 0.5 THEN 'long' ELSE 'short' END "
        "END, CASE WHEN p LIKE '%lq' THEN 1e-9 * random() END, CASE WHEN p LIKE '%lq' THEN 0 END, "
        "CASE WHEN p LIKE '%lq' THEN 1e15 * random() END FROM generate_series({0}::bigint, {1}, "
        "60000) t, unnest('{2}'::text[]) s, (VALUES ('bin-ohlcv', 0), ('byb-pfr', 0), ('okx-lq', "
        "0), ('okx-lq', 17)) q(p, phase) WHERE random() < 0.9",
        core::floor_to(from, minute_ms), to, symbols));
  }
  /// Rows of perp_metrics that are not what warehouse.md 4.3 says of perp_data, with ts >= from.
  std::string wrong(const std::string& x, int window, std::int64_t from = 0) {
    const bool is_side = x == "lqside";
    const std::string change =
        is_side
            ? "CASE WHEN p.ts IS NOT NULL AND d.lqside IS NOT NULL AND d.lqside IS DISTINCT FROM "
              "p.lqside THEN d.lqside END"
            : fmt::format(
                  "CASE WHEN d.{0} IS NOT NULL AND p.{0} <> 0 THEN greatest(-9999.999::float8, "
                  "least(9999.999::float8, sign(d.{0} - p.{0}) * (floor(abs(((d.{0} - "
                  "p.{0}) / abs(p.{0})) * 100) * 1000 + 0.5) / 1000))) END",
                  x);
    return text_->one(fmt::format(
        "SELECT count(*) FROM perp_data d LEFT JOIN perp_data p ON p.symbol = d.symbol AND "
        "p.perpspec = d.perpspec AND p.ts = d.ts - {2} FULL JOIN perp_metrics m ON m.ts = d.ts AND "
        "m.symbol = d.symbol AND m.perpspec = d.perpspec WHERE coalesce(d.ts, m.ts) >= {3} AND "
        "(m.ts IS NULL OR d.ts IS NULL OR m.{0}_chg_{1}m IS DISTINCT FROM {4} OR m.{0} IS DISTINCT "
        "FROM d.{0} OR m.source IS DISTINCT FROM d.source OR m.interval <> d.interval OR "
        "m.window_sizes <> '{{1,5,10}}')",
        x, window, window * minute_ms, from, change));
  }
  void expect_right(std::int64_t from = 0) {
    for (const char* x : {"c", "v", "pfr", "lqside", "lqprice", "lqqty", "lql"})
      for (const int window : {1, 5, 10}) EXPECT_EQ(wrong(x, window, from), "0") << x << window;
  }
  std::string md5() {
    return text_->one(
        "SELECT md5(string_agg(m::text, E'\\n' ORDER BY ts, symbol, perpspec)) FROM perp_metrics "
        "m");
  }
  std::vector<std::string> places() {
    return text_->list("SELECT (tableoid, ctid, ts, symbol, perpspec)::text FROM perp_metrics");
  }
  std::string one(const std::string& sql) { return text_->one(sql); }
  /// Waits until the SQL gives what is expected; the wait ends after 20 s.
  bool await(const std::string& sql, const std::string& expected) {
    for (int i = 0; i < 2000; ++i) {
      if (one(sql) == expected) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  using Server = test::Server;

  std::optional<Text> text_;
  MetricsOptions options_;
};

TEST_P(Metrics, BackfillIsWhatTheSpecificationSays) {
  make_data(now - 90 * minute_ms, now + 60 * minute_ms);  // over midnight
  const std::string rows = one("SELECT count(*) FROM perp_data");
  const MetricsReport first = backfill_metrics(options_, now - day_ms, now + day_ms, 2);
  EXPECT_EQ(std::to_string(first.rows_inserted), rows);
  EXPECT_EQ(first.rows_updated, 0);
  EXPECT_EQ(one("SELECT count(*) FROM perp_metrics"), rows);
  expect_right();
  for (const char* x : {"c", "v", "pfr", "lqside", "lqprice", "lql"})
    for (const int window : {1, 5, 10})
      EXPECT_NE(one(fmt::format("SELECT count({}_chg_{}m) FROM perp_metrics", x, window)), "0");
  EXPECT_NE(one("SELECT count(*) FROM perp_metrics WHERE v_chg_1m = 9999.999"), "0");
  // A second time everything is right, and no row is written.
  const std::vector<std::string> before = places();
  const MetricsReport again = backfill_metrics(options_, now - day_ms, now + day_ms, 3);
  EXPECT_EQ(again.rows_made, first.rows_made);
  EXPECT_EQ(again.rows_inserted + again.rows_updated, 0);
  EXPECT_EQ(places(), before);
}

TEST_P(Metrics, ManySymbolsAreTakenInSlices) {
  std::string symbols = "{S0";
  for (int i = 1; i < 300; ++i) symbols += ",S" + std::to_string(i);
  make_data(now - 11 * minute_ms, now, symbols + "}");
  const MetricsReport report = backfill_metrics(options_, now, now + 1, 1);
  EXPECT_EQ(std::to_string(report.rows_inserted), one("SELECT count(*) FROM perp_data"));
  expect_right();
}

// On the plain backend: what an ordinary partition has, and rows that are right.
TEST_P(Metrics, APastDayThatNeverHadARowIsBuiltAsANewPartition) {
  if (GetParam() != Server::plain) GTEST_SKIP() << "chunks cannot be attached";
  make_data(now - 90 * minute_ms, now - 30 * minute_ms);
  const std::string name =
      one(fmt::format("SELECT format('perp_metrics_p%s', to_char(to_timestamp({} / 1000.0) AT TIME "
                      "ZONE 'UTC', 'YYYYMMDD'))",
                      now));
  const std::string oid_sql = fmt::format("SELECT '{}'::regclass::oid", name);
  const auto shape = [&](const std::string& partition) {
    return one(fmt::format(
        "SELECT coalesce(string_agg(c, ';' ORDER BY c), '') FROM (SELECT concat(contype, "
        "pg_get_constraintdef(oid)) FROM pg_constraint WHERE conrelid = '{0}'::regclass UNION ALL "
        "SELECT concat(substring(pg_get_indexdef(i.indexrelid) FROM ' USING .*'), "
        "h.inhparent::regclass) FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indexrelid "
        "WHERE i.indrelid = '{0}'::regclass UNION ALL SELECT concat(attname, atttypid::regtype, "
        "attnotnull, attgenerated, attcollation) FROM pg_attribute WHERE attrelid = "
        "'{0}'::regclass AND attnum > 0) s(c)",
        partition));
  };
  const std::string made_by_setup = one(oid_sql), shape_by_setup = shape(name);
  const MetricsReport report = backfill_metrics(options_, now - day_ms, now, 1);
  EXPECT_EQ(std::to_string(report.rows_inserted), one("SELECT count(*) FROM perp_data"));
  expect_right();
  const std::string built = one(oid_sql);
  EXPECT_NE(built, made_by_setup);
  EXPECT_EQ(shape(name), shape_by_setup);
  EXPECT_EQ(one("SELECT count(*) FROM pg_class WHERE relname LIKE '%build%'"), "0");
  // Once somebody wrote there, rows come and go in place.
  text_->rows("DELETE FROM perp_metrics");
  backfill_metrics(options_, now - day_ms, now, 1);
  expect_right();
  EXPECT_EQ(one(oid_sql), built);
}

TEST_P(Metrics, ADayThatSomebodyElseMakesMeanwhileIsFilledInPlace) {
  if (GetParam() != Server::plain) GTEST_SKIP() << "chunks cannot be attached";
  make_data(now - 90 * minute_ms, now - 30 * minute_ms);
  Text other(dsn_);
  other.rows("BEGIN");
  other.rows("SELECT pg_advisory_xact_lock(hashtextextended('perp partitions', 0))");
  std::thread filling([&] { backfill_metrics(options_, now - day_ms, now, 1); });
  EXPECT_TRUE(
      await("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
            "wait_event = 'advisory'",
            "1"));
  other.rows(fmt::format("SELECT perp_ensure_partition('perp_metrics', {})", now));
  other.rows("COMMIT");
  filling.join();
  expect_right();
}

TEST_P(Metrics, APassCorrectsLateRowsAndTouchesNothingElse) {
  make_data(now - 40 * minute_ms, now);
  const std::int64_t late = now - 12 * minute_ms;
  text_->rows(
      fmt::format("DELETE FROM perp_data WHERE ts >= {} AND symbol = 'SOL'", now - 30 * minute_ms));
  text_->rows(fmt::format(
      "INSERT INTO perp_data (ts, symbol, perpspec, c, v) SELECT {} + 60000 * i, 'SOL', "
      "'bin-ohlcv', 100 + i, 5 FROM generate_series(-18, 12) i WHERE i <> 0",
      late));
  calc_metrics(options_, {}, now);
  expect_right(now - 25 * minute_ms);
  EXPECT_EQ(one("SELECT min(ts) FROM perp_metrics"), std::to_string(now - 25 * minute_ms));
  const auto before = places();
  text_->rows(fmt::format(
      "INSERT INTO perp_data (ts, symbol, perpspec, c, v) VALUES ({}, 'SOL', 'bin-ohlcv', 107, 0)",
      late));
  const MetricsReport report = calc_metrics(options_, {}, now);
  EXPECT_EQ(report.rows_inserted, 1);
  EXPECT_EQ(report.rows_updated, 3);
  expect_right(now - 25 * minute_ms);
  std::set<std::string> gone(before.begin(), before.end());
  for (const std::string& place : places()) gone.erase(place);
  EXPECT_EQ(gone.size(), 3u) << "only the rows one, five and ten minutes later have moved";
  EXPECT_EQ(one(fmt::format("SELECT string_agg(((ts - {}) / 60000)::text, ',' ORDER BY ts) FROM "
                            "perp_metrics WHERE symbol = 'SOL' AND v_chg_1m IS NULL AND ts >= {}",
                            late, late)),
            "1")
      << "a change from zero is NULL";
  // Corrected rather than new: the row itself too.
  text_->rows(fmt::format("UPDATE perp_data SET c = 108 WHERE ts = {} AND symbol = 'SOL'", late));
  EXPECT_EQ(calc_metrics(options_, {}, now).rows_updated, 4);
  expect_right(now - 25 * minute_ms);
  EXPECT_EQ(calc_metrics(options_, {}, now).rows_updated, 0);
}

TEST_P(Metrics, RowsThatVanishedComeBack) {
  make_data(now - 40 * minute_ms, now);
  calc_metrics(options_, {}, now);
  const std::string before = md5();
  text_->rows(fmt::format("DELETE FROM perp_metrics WHERE ts > {}", now - 8 * minute_ms));
  EXPECT_NE(md5(), before);
  EXPECT_GT(calc_metrics(options_, {}, now).rows_inserted, 0);
  EXPECT_EQ(md5(), before);
}

TEST_P(Metrics, ResetDeletesAndMakesTheSameAgain) {
  make_data(now - 60 * minute_ms, now + 30 * minute_ms);
  backfill_metrics(options_, now - day_ms, now + day_ms, 1);
  const std::string before = md5();
  text_->rows(
      fmt::format("UPDATE perp_metrics SET c_chg_5m = 1 WHERE symbol = 'ETH' AND perpspec = "
                  "'bin-ohlcv' AND ts >= {}",
                  now));
  text_->rows(
      fmt::format("INSERT INTO perp_metrics (ts, symbol, perpspec) VALUES ({}, 'ETH', "
                  "'bin-ohlcv')",
                  now + 1));
  options_.symbols = {"ETHUSDT"};
  const MetricsReport report = reset_metrics(options_, "bin-ohlcv", now + 1, now + 40 * minute_ms);
  EXPECT_EQ(md5(), before);
  EXPECT_EQ(report.rows_deleted, report.rows_inserted + 1);
  EXPECT_LE(report.rows_inserted, 31);
  options_.symbols = {};
  EXPECT_THROW(reset_metrics(options_, "", now, now + minute_ms), core::Error);
  EXPECT_THROW(reset_metrics(options_, "rsi", now, now), core::Error);
}

TEST_P(Metrics, OnlyTheSymbolsThatAreNamed) {
  make_data(now - 40 * minute_ms, now);
  options_.symbols = {"sol/usdt", "BTC"};
  calc_metrics(options_, {}, now);
  backfill_metrics(options_, now - day_ms, now, 1);
  EXPECT_EQ(text_->list("SELECT DISTINCT symbol FROM perp_metrics ORDER BY 1"),
            (std::vector<std::string>{"BTC", "SOL"}));
}

TEST_P(Metrics, WindowsNeedTheirColumns) {
  make_data(now - 40 * minute_ms, now);
  options_.windows = {1, 3};
  try {
    calc_metrics(options_, {}, now);
    FAIL() << "there are no columns for three minutes";
  } catch (const core::Error& error) {
    EXPECT_NE(std::string(error.what()).find("3 minutes"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("c_chg_3m"), std::string::npos) << error.what();
  }
  EXPECT_EQ(one("SELECT count(*) FROM perp_metrics"), "0");
  for (const std::vector<int>& bad : {std::vector<int>{0}, {1, 1441}, {-5}}) {
    options_.windows = bad;
    EXPECT_THROW(calc_metrics(options_, {}, now), core::Error);
  }
  options_.windows = {};
  calc_metrics(options_, {}, now);
  const std::string before = md5();
  // Other windows beside the stored ones: those stay.
  text_->rows("ALTER TABLE perp_metrics ADD COLUMN c_chg_3m DOUBLE PRECISION");
  options_.windows = {3};
  EXPECT_GT(calc_metrics(options_, {}, now).rows_updated, 0);
  EXPECT_EQ(one("SELECT count(*) FROM perp_data d JOIN perp_data p ON p.ts = d.ts - 180000 AND "
                "p.symbol = d.symbol AND p.perpspec = d.perpspec JOIN perp_metrics m ON m.ts = "
                "d.ts AND m.symbol = d.symbol AND m.perpspec = d.perpspec WHERE m.c_chg_3m IS "
                "DISTINCT FROM sign(d.c - p.c) * floor(abs((d.c - p.c) / abs(p.c) * 100) * 1000 + "
                "0.5) / 1000"),
            "0");
  EXPECT_NE(one("SELECT count(c_chg_3m) FROM perp_metrics"), "0");
  text_->rows("ALTER TABLE perp_metrics DROP COLUMN c_chg_3m");
  EXPECT_EQ(md5(), before);
}

TEST_P(Metrics, ARowThatAnotherWriterChangedMeanwhileIsComputedAgain) {
  make_data(now - 40 * minute_ms, now);
  calc_metrics(options_, {}, now);
  text_->rows(fmt::format("UPDATE perp_data SET v = 77 WHERE ts = {}", now - 5 * minute_ms));
  Text writer(dsn_);
  writer.rows(
      fmt::format("BEGIN; UPDATE perp_metrics SET c = -1 WHERE ts = {}", now - 5 * minute_ms));
  MetricsReport report;
  std::vector<std::string> told;
  options_.on_event = [&](const std::string& line) { told.push_back(line); };
  std::thread calc([&] { report = calc_metrics(options_, {}, now); });
  EXPECT_TRUE(
      await("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'perp metrics "
            "calc' AND wait_event_type = 'Lock' AND datname = current_database()",
            "1"));
  writer.rows("COMMIT");
  calc.join();
  EXPECT_EQ(report.retries, 1);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find("40001"), std::string::npos) << told[0];
  expect_right(now - 25 * minute_ms);
}

// A row is sent with the columns that its series has; what is left out must not become something.
TEST_P(Metrics, WhereNothingIsKnownIsNullWhateverTheColumnsDefaultIs) {
  text_->rows("ALTER TABLE perp_data ADD COLUMN depth DOUBLE PRECISION");
  for (const char* column : {"depth", "depth_chg_1m"})
    text_->rows(
        fmt::format("ALTER TABLE perp_metrics ADD COLUMN {} DOUBLE PRECISION DEFAULT 7", column));
  text_->rows("ALTER TABLE perp_metrics ALTER COLUMN o SET DEFAULT 9");
  make_data(now - 40 * minute_ms, now);
  text_->rows(
      "UPDATE perp_data SET o = NULL; UPDATE perp_data SET depth = ts WHERE symbol = 'SOL'");
  const auto expect_null = [&] {
    EXPECT_EQ(one("SELECT count(*) FROM perp_metrics WHERE o IS NOT NULL OR (symbol <> 'SOL' AND "
                  "(depth IS NOT NULL OR depth_chg_1m IS NOT NULL))"),
              "0");
    EXPECT_EQ(one("SELECT count(*) FROM perp_metrics WHERE symbol = 'SOL' AND depth IS DISTINCT "
                  "FROM ts"),
              "0");
    expect_right(now - 25 * minute_ms);
  };
  calc_metrics(options_, {}, now);
  expect_null();
  text_->rows("UPDATE perp_metrics SET o = 9, depth = 7, window_sizes = '{}'");  // by the stage
  calc_metrics(options_, {}, now);
  expect_null();
}

// TimescaleDB makes a chunk with the first row, under a lock that is held to the transaction's end.
TEST_P(Metrics, ADayDoesNotWaitForAnothersTransaction) {
  if (GetParam() == Server::plain) GTEST_SKIP() << "a day is a partition, made on its own";
  make_data(now - 30 * minute_ms, now + 30 * minute_ms);
  const std::int64_t midnight = core::floor_to(now, day_ms) + day_ms;
  text_->rows(fmt::format(
      "CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.ts < {} AND "
      "NEW.symbol <> '' THEN PERFORM pg_advisory_xact_lock_shared(77); END IF; RETURN NEW; END $$; "
      "CREATE TRIGGER held BEFORE INSERT ON perp_metrics FOR EACH ROW EXECUTE FUNCTION held()",
      midnight));
  Text holder(dsn_);
  holder.rows("SELECT pg_advisory_lock(77)");
  std::thread first([&] { backfill_metrics(options_, now - day_ms, midnight, 1); });
  EXPECT_TRUE(
      await("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND "
            "NOT granted",
            "1"));
  std::thread second([&] { backfill_metrics(options_, midnight, now + day_ms, 1); });
  EXPECT_TRUE(
      await(fmt::format("SELECT count(*) > 0 FROM perp_metrics WHERE ts >= {}", midnight), "t"));
  EXPECT_EQ(one(fmt::format("SELECT count(*) FROM perp_metrics WHERE ts < {}", midnight)), "0");
  holder.rows("SELECT pg_advisory_unlock(77)");
  first.join();
  second.join();
  expect_right();
}

TEST_P(Metrics, TwoAtOnceTakeTurns) {
  make_data(now - 60 * minute_ms, now + 20 * minute_ms);
  std::vector<MetricsReport> reports(4);
  std::vector<std::thread> threads;
  for (MetricsReport& report : reports)
    threads.emplace_back(
        [&] { report = backfill_metrics(options_, now - day_ms, now + day_ms, 2); });
  for (std::thread& thread : threads) thread.join();
  std::int64_t inserted = 0, changed = 0;
  for (const MetricsReport& report : reports) {
    inserted += report.rows_inserted;
    changed += report.rows_updated + report.retries;
  }
  EXPECT_EQ(std::to_string(inserted), one("SELECT count(*) FROM perp_data"));
  EXPECT_EQ(changed, 0) << "each waits for the other's days, before its snapshot";
  expect_right();
}

TEST_P(Metrics, FollowingFillsDaysThenComputesAndHearsOfNewPerpspecs) {
  const std::int64_t today = core::wall_now().ns / core::ns_per_ms;
  make_data(today - 3 * day_ms, today - 3 * day_ms + 30 * minute_ms);
  make_data(today - 20 * minute_ms, today);
  std::atomic<bool> stop{false};
  options_.stop = &stop;
  MetricsFollow follow;
  follow.interval_ms = 3'600'000;  // only a notification makes a second pass
  std::thread following([&] { follow_metrics(options_, follow); });
  const std::string passes =
      "SELECT count(*) FROM perp_status WHERE script_name = 'perp metrics calc' AND status = "
      "'running'";
  EXPECT_TRUE(await(passes, "2")) << "days that lacked rows, and the first pass";
  EXPECT_EQ(one("SELECT count(*) FROM perp_metrics"), one("SELECT count(*) FROM perp_data"));
  expect_right();

  Connection connection(dsn_);
  add_perpspec(connection, parse_perpspec("bin-basis:basis,c"), true);
  EXPECT_TRUE(await(passes, "3"));
  std::vector<InsertRow> rows;
  for (int i = 0; i < 12; ++i)
    rows.push_back({.ts = today - i * minute_ms,
                    .symbol = "BTC",
                    .fields = {{"basis", 10.0 + i}, {"c", 5.0}}});
  insert_data(connection, "bin-basis", rows);
  // The registry's row again: it is told again, and the columns it brought are computed.
  add_perpspec(connection, parse_perpspec("bin-basis:basis,c"));
  EXPECT_TRUE(
      await("SELECT count(basis) || ',' || count(basis_chg_1m) || ',' || "
            "count(basis_chg_10m) || ',' || count(c_chg_5m) FROM perp_metrics WHERE "
            "perpspec = 'bin-basis'",
            "12,11,2,7"));
  EXPECT_EQ(one("SELECT basis_chg_1m FROM perp_metrics WHERE perpspec = 'bin-basis' ORDER BY ts "
                "DESC LIMIT 1"),
            "-9.091");
  EXPECT_EQ(one("SELECT count(basis_chg_1m) FROM perp_wide"), "11");

  // Its connection is ended: it makes another, and goes on.
  text_->rows(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
      "'perp metrics calc' AND datname = current_database()");
  EXPECT_TRUE(await(passes, "5"));
  stop = true;
  following.join();
  EXPECT_EQ(text_->list("SELECT status FROM perp_status WHERE script_name = 'perp metrics calc' "
                        "ORDER BY task_id"),
            (std::vector<std::string>{"started", "running", "running", "running", "running",
                                      "running", "stopped"}));
  EXPECT_EQ(one("SELECT details->>'rows_made' FROM perp_status WHERE script_name = 'perp metrics "
                "calc' AND status = 'running' ORDER BY task_id LIMIT 1") == "0",
            false);
}

INSTANTIATE_TEST_SUITE_P(Servers, Metrics, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
