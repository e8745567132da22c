// Rows from other programs, and the registry that says what they may hold.
#include "warehouse/database.hpp"
#include "warehouse/minute_oracle.hpp"

#include <perp/core/time.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/insert.hpp>
#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/perpspecs.hpp>
#include <perp/warehouse/query.hpp>
#include <perp/warehouse/table.hpp>

#include <chrono>
#include <functional>
#include <thread>

namespace perp::warehouse {
namespace {

using test::Text;

constexpr std::int64_t minute = 1'760'546'220'000;

class Insert : public test::DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    if (IsSkipped()) return;
    setup(dsn_, {.retention_days = 0});
    connection_.emplace(dsn_);
  }
  void TearDown() override {
    connection_.reset();
    DatabaseTest::TearDown();
  }
  std::string one(const std::string& sql) { return Text(dsn_).one(sql); }
  static bool await(const std::function<bool()>& is_so) {
    for (int i = 0; i < 2000; ++i) {
      if (is_so()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  void expect_refused(const std::string& spec, const std::string& part) {
    try {
      add_perpspec(*connection_, parse_perpspec(spec));
      ADD_FAILURE() << spec << " was taken";
    } catch (const core::Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }

  std::optional<Connection> connection_;
};

TEST_P(Insert, TimesAreFlooredToTheMinute) {
  const InsertReport report = insert_data(
      *connection_, "bin-ohlcv",
      std::vector<InsertRow>{{.ts = minute + 123, .symbol = "SOL/USDT", .fields = {{"c", 1.5}}}});
  EXPECT_EQ(report.rows, 1);
  EXPECT_EQ(one("SELECT ts || symbol || perpspec || source || interval || c FROM perp_data"),
            "1760546220000SOLbin-ohlcvbin-ohlcv1min1.5");
}

TEST_P(Insert, RowsPastTheirRetentionAreRefusedAndTold) {
  setup(dsn_, {.retention_days = 3});
  const std::int64_t now = core::wall_now().ns / core::ns_per_ms;
  const std::int64_t oldest = now / day_ms * day_ms - 3 * day_ms;
  std::vector<InsertRow> rows;
  for (const std::int64_t ts : {now, oldest, oldest - 1, oldest - 40 * day_ms})
    rows.push_back({.ts = ts, .symbol = "BTC", .perpspec = "bin-oi", .fields = {{"oi", 5.0}}});
  // Where the server cuts series itself it drops them itself.
  const int refused = GetParam() == test::Server::plain ? 2 : 0;
  for (const bool is_data : {true, false}) {
    const InsertReport report =
        is_data ? insert_data(*connection_, "bin-oi", rows) : insert_metrics(*connection_, rows);
    EXPECT_EQ(report.rows, 4 - refused);
    EXPECT_EQ(report.rejected, refused);
    EXPECT_EQ(report.expired, refused);
    EXPECT_EQ(one(std::string("SELECT count(*) FROM ") + (is_data ? "perp_data" : "perp_metrics")),
              std::to_string(4 - refused));
  }
  EXPECT_EQ(one("SELECT count(*) FROM perp_errors WHERE error_message LIKE 'older than the 3 days "
                "that perp_% keeps (2 rows refused for this)'"),
            refused == 0 ? "0" : "2");
}

TEST_P(Insert, AFieldOfAnotherPerpspecIsRefusedAndTold) {
  const std::vector<InsertRow> rows{
      {.ts = minute, .symbol = "SOL", .fields = {{"c", 1.0}}},
      {.ts = minute, .symbol = "ETH", .fields = {{"oi", 5.0}}},
      {.ts = minute, .symbol = "XRP", .fields = {{"oi", 1.0}, {"c", 1.0}}},
      {.ts = minute, .symbol = "", .fields = {{"oi", 1.0}}},
      {.ts = minute, .symbol = "BTC", .fields = {{"oi", INFINITY}}},
      {.ts = minute, .symbol = "BNB", .fields = {{"oi", std::string("many")}}}};
  const InsertReport report = insert_data(*connection_, "bin-oi", rows);
  EXPECT_EQ(report.rows, 1);
  EXPECT_EQ(report.rejected, 5);
  EXPECT_EQ(one("SELECT string_agg(symbol, ',') FROM perp_data"), "ETH");
  EXPECT_EQ(one("SELECT error_message FROM perp_errors WHERE perpspec = 'bin-oi' AND error_code = "
                "'INSERT_FAILED' AND error_message LIKE '%field c %'"),
            "field c is not of bin-oi (2 rows refused for this)");
  EXPECT_EQ(one("SELECT count(*) FROM perp_errors"), "4");
  EXPECT_EQ(
      insert_data(*connection_, "okx-lq",
                  std::vector<InsertRow>{
                      {.ts = minute, .symbol = "A", .fields = {{"lqside", std::string("x")}}},
                      {.ts = minute, .symbol = "B", .fields = {{"lqside", std::string("long")}}},
                  })
          .rejected,
      1);
  EXPECT_THROW(insert_data(*connection_, "bin-none", rows), core::Error);
}

TEST_P(Insert, FiftyThousandRowsAreOneTransaction) {
  std::vector<InsertRow> rows;
  for (int i = 0; i < 50'000; ++i)
    rows.push_back({.ts = minute + (i % 1000) * minute_ms,
                    .symbol = "S" + std::to_string(i / 1000),
                    .fields = {{"tbv", 1.0 * i}, {"tsv", 2.0}}});
  const InsertReport report = insert_data(*connection_, "bin-tv", rows);
  EXPECT_EQ(report.rows, 50'000);
  EXPECT_EQ(report.keys, 50'000);
  EXPECT_EQ(one("SELECT count(*) || ',' || sum(tbv) || ',' || count(DISTINCT xmin::text) FROM "
                "perp_data"),
            "50000,1249975000,1");
}

TEST_P(Insert, TellingAHistoryTwiceChangesNothing) {
  std::vector<InsertRow> rows;
  for (int i = 0; i < 500; ++i)
    rows.push_back({.ts = minute + i * minute_ms,
                    .symbol = "SOL",
                    .fields = {{"o", 1.0}, {"c", 1.0 * i}, {"v", 7.0}}});
  insert_data(*connection_, "bin-ohlcv", rows);
  Text text(dsn_);
  const std::string places = "SELECT (tableoid, ctid, ts)::text FROM perp_data ORDER BY ts";
  const auto before = text.list(places);
  insert_data(*connection_, "bin-ohlcv", rows);
  EXPECT_EQ(text.list(places), before) << "no row was written again";
  // What is not known, or not given, erases nothing; a new value replaces.
  for (InsertRow& row : rows) row.fields = {{"o", std::nan("")}, {"c", 2.0}};
  insert_data(*connection_, "bin-ohlcv", rows);
  EXPECT_EQ(text.one("SELECT count(*) || ',' || sum(o) || ',' || sum(c) || ',' || sum(v) FROM "
                     "perp_data"),
            "500,500,1000,3500");
  // Two rows of one minute: each value by the later one that has it.
  const InsertReport folded =
      insert_data(*connection_, "bin-ohlcv",
                  std::vector<InsertRow>{
                      {.ts = minute + 5, .symbol = "BTC", .fields = {{"c", 1.0}, {"v", 2.0}}},
                      {.ts = minute, .symbol = "btcusdt", .fields = {{"c", 3.0}}}});
  EXPECT_EQ(folded.rows, 2);
  EXPECT_EQ(folded.keys, 1);
  EXPECT_EQ(text.one("SELECT c || ',' || v FROM perp_data WHERE symbol = 'BTC'"), "3,2");
}

TEST_P(Insert, MetricsReplaceWholeRows) {
  const std::vector<InsertRow> rows{{.ts = minute,
                                     .symbol = "SOL",
                                     .perpspec = "bin-ohlcv",
                                     .fields = {{"c", 2.0}, {"c_chg_5m", 5.0}}}};
  EXPECT_EQ(insert_metrics(*connection_, rows).rows, 1);
  const std::vector<InsertRow> later{
      {.ts = minute, .symbol = "SOL", .perpspec = "bin-ohlcv", .fields = {{"c_chg_5m", -0.0}}},
      {.ts = minute, .symbol = "SOL", .perpspec = "bin-oi", .fields = {{"c_chg_5m", 1.0}}}};
  const InsertReport report = insert_metrics(*connection_, later);
  EXPECT_EQ(report.rows, 1);
  EXPECT_EQ(report.rejected, 1);
  EXPECT_EQ(one("SELECT count(*) || ',' || count(c) || ',' || max(c_chg_5m)::text || ',' || "
                "max(window_sizes::text) FROM perp_metrics"),
            "1,0,0,{1,5,10}");
}

TEST_P(Insert, ADeadlockIsRepeatedAndCounted) {
  std::vector<InsertRow> rows;
  for (const char* symbol : {"A", "B"})
    rows.push_back({.ts = minute, .symbol = symbol, .fields = {{"oi", 1.0}}});
  insert_data(*connection_, "bin-oi", rows);
  for (InsertRow& row : rows) row.fields = {{"oi", 2.0}};
  Text other(dsn_);
  // It finds no deadlock itself: ours, which waits first, has to.
  other.rows("SET deadlock_timeout = '1h'; BEGIN; UPDATE perp_data SET oi = 3 WHERE symbol = 'B'");
  InsertReport report;
  std::thread inserting([&] { report = insert_data(*connection_, "bin-oi", rows); });
  EXPECT_TRUE(await([&] {
    return one("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = "
               "current_database()") == "1";
  }));
  other.rows("UPDATE perp_data SET oi = 3 WHERE symbol = 'A'");  // waits until ours gives way
  other.rows("COMMIT");
  inserting.join();
  EXPECT_EQ(report.retries, 1);
  EXPECT_EQ(one("SELECT string_agg(oi::text, ',') FROM perp_data"), "2,2");
}

TEST_P(Insert, TwoWritersOfTheSameKeysLoseNothing) {
  const auto write = [&](const std::string& field, bool is_reversed) {
    Connection connection(dsn_);
    for (int round = 1; round <= 40; ++round) {
      std::vector<InsertRow> rows;
      for (int i = 0; i < 300; ++i) {
        const int at = is_reversed ? 299 - i : i;
        rows.push_back({.ts = minute + (at % 3) * minute_ms,
                        .symbol = "S" + std::to_string(at / 3),
                        .fields = {{field, 1.0 * round}}});
      }
      insert_data(connection, "bin-tv", rows);
    }
  };
  std::thread other([&] { write("tsv", true); });
  write("tbv", false);
  other.join();
  EXPECT_EQ(one("SELECT count(*) || ',' || min(tbv) || ',' || min(tsv) FROM perp_data"),
            "300,40,40");
}

TEST_P(Insert, APerpspecsFieldsAreColumns) {
  expect_refused("bin-x:ts,symbol,source,perpspec,interval,vwap",
                 "vwap is not a column of perp_data");
  expect_refused("bin-x:lqprise", "did you mean 'lqprice'?");
  expect_refused("bin-x:notes", "notes is not a column");
  expect_refused("bin-x:", "refused as a name");
  expect_refused("bin-x:ts,symbol", "without fields");
  expect_refused("bin-ohlcv:c", "built in");
  expect_refused("_x:c", "not a perpspec's name");
  expect_refused("Bin:c", "refused as a name");
  expect_refused("x'; DROP TABLE perp_data; --:c", "refused as a name");
  expect_refused("bin-x", "NAME:FIELD");
  EXPECT_EQ(one("SELECT count(*) FROM perpspec_schema"), "19");
  add_perpspec(*connection_, parse_perpspec("bin-x", "ts,symbol,source,perpspec,interval,c"));
  EXPECT_EQ(one("SELECT fields::text FROM perpspec_schema WHERE perpspec_name = 'bin-x'"),
            R"(["ts", "symbol", "source", "perpspec", "interval", "c"])");
  const QueryResult all = query_perpspecs(*connection_);
  EXPECT_EQ(all.rows, 20u);
  const QueryResult tv = query_perpspecs(*connection_, "bin-tv");
  EXPECT_EQ(tv.column("fields").text(0), "tbv,tsv");
  EXPECT_EQ(query_perpspecs(*connection_, "byb-lsr").column("native_interval_ms").ints.at(0),
            300'000);
  EXPECT_THROW(query_perpspecs(*connection_, "none"), core::Error);
}

TEST_P(Insert, SetupRegistersWhatTheConfigurationLists) {
  SetupOptions options;
  options.perpspecs = {parse_perpspec("bin-x:c,v")};
  EXPECT_EQ(setup(dsn_, options).info.perpspecs, 20);
  EXPECT_EQ(setup(dsn_, options).info.perpspecs, 20);
  options.perpspecs = {parse_perpspec("bin-y:vwap")};
  EXPECT_THROW(setup(dsn_, options), core::Error);
  // A column made at run time outlives setup, in the views as well.
  add_perpspec(*connection_, parse_perpspec("bin-basis:basis"), true);
  setup(dsn_, {});
  EXPECT_EQ(one("SELECT count(*) FROM information_schema.columns WHERE table_name IN ('perp_data', "
                "'perp_metrics', 'perp_wide', 'latest_perp') AND column_name LIKE 'basis%'"),
            "13");
}

TEST_P(Insert, AQueryingConnectionHearsOfNewFields) {
  Connection querying(dsn_);
  add_perpspec(*connection_, parse_perpspec("bin-x:c"));
  Text(dsn_).rows(GetParam() == test::Server::plain
                      ? "SELECT perp_ensure_partition('perp_metrics', 1760546220000)"
                      : "SELECT 1");
  Text(dsn_).rows(
      "INSERT INTO perp_metrics (ts, symbol, perpspec, c, v) VALUES (1760546220000, 'SOL', "
      "'bin-x', "
      "1, 2)");
  const std::vector<std::string> symbols{"SOL"}, specs{"bin-x"};
  const auto has_v = [&] {
    return !query_metrics(querying, symbols, specs, minute, minute).column("v").is_null(0);
  };
  EXPECT_FALSE(has_v()) << "the registry does not list it";
  add_perpspec(*connection_, parse_perpspec("bin-x:c,v"));
  // Without the notification the registry would be read again after ten seconds.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(8);
  bool is_heard = has_v();
  while (!is_heard && std::chrono::steady_clock::now() < deadline) is_heard = has_v();
  EXPECT_TRUE(is_heard);
}

TEST_P(Insert, ALoaderHearsThatAPerpspecIsInactive) {
  test::Folder folder;
  journal::Writer journal({.folder = folder.path()});
  test::Generator generator(5);
  generator.define_all(journal);
  const auto write = [&](std::int64_t from) {
    for (const test::Fact& fact : generator.minutes(from, 1)) append(journal, fact);
    journal.sync();
  };
  write(test::day_0);
  LoaderOptions options;
  options.dsn = dsn_;
  options.journal_folder = folder.path();
  options.retention_days = 0;
  options.flush_ms = 10;
  Loader loader(options);
  std::atomic<bool> stop{false};
  std::thread following([&] { loader.follow(stop); });
  EXPECT_TRUE(await([&] { return loader.progress().rows_data != 0; }));
  Text(dsn_).rows(
      "BEGIN; UPDATE perpspec_schema SET active = false WHERE perpspec_name = "
      "'bin-ohlcv'; SELECT pg_notify('perp_perpspec', 'bin-ohlcv'); COMMIT");
  std::int64_t at = test::day_0;
  EXPECT_TRUE(await([&] {
    write(at += minute_ms);
    return loader.progress().inactive != 0;
  }));
  stop = true;
  following.join();
}

INSTANTIATE_TEST_SUITE_P(Servers, Insert, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
