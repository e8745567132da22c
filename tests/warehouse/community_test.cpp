// Only where PERP_TEST_COMMUNITY_DSN names a server of TimescaleDB's Community edition: which of
// its policies setup makes, what they do when they run, and that late rows find their way into
// chunks that are compressed. The policies are run by hand.
#include "warehouse/community.hpp"

#include "warehouse/database.hpp"
#include "warehouse/minute_oracle.hpp"

#include <perp/core/time.hpp>
#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/maintenance.hpp>
#include <perp/warehouse/migrate.hpp>

#include <algorithm>
#include <atomic>
#include <map>

namespace perp::warehouse {
namespace {

using test::day_0;
using test::Text;

constexpr std::int64_t day = 86'400'000;

class Community : public testing::Test {
 protected:
  void SetUp() override {
    server_ = test::community_server();
    if (server_.empty()) GTEST_SKIP() << "PERP_TEST_COMMUNITY_DSN is not set";
    name_ = "perp_test_community_" + std::to_string(getpid());
    Text(server_).rows("CREATE DATABASE " + name_);
    own_ = test::with(server_, {{"dbname", name_}});
  }
  void TearDown() override {
    if (!own_.empty()) Text(server_).rows("DROP DATABASE " + name_ + " WITH (FORCE)");
  }
  std::string jobs(const std::string& procedure) {
    return Text(own_).one(
        "SELECT coalesce(string_agg(hypertable_name || ' ' || schedule_interval, ', ' ORDER BY "
        "hypertable_name), '') FROM timescaledb_information.jobs WHERE proc_name = '" +
        procedure + "'");
  }
  /// Closed days of perp_data as they arrive: each minute all series, days before today.
  void write_days(int days) {
    Text(own_).rows(
        "INSERT INTO perp_data (ts, symbol, perpspec, c) SELECT t, 'S' || s, 'bin-ohlcv', t + s "
        "FROM "
        "generate_series((now_ms() / 86400000 - " +
        std::to_string(days) +
        ") * 86400000, now_ms() / 60000 * 60000, 60000) t, generate_series(10, 29) s ORDER BY t, "
        "s");
  }
  void hold_policies() { test::hold_policies(own_); }
  std::string job(const std::string& procedure, const std::string& table = "perp_data") {
    return Text(own_).one(
        "SELECT job_id FROM timescaledb_information.jobs WHERE hypertable_name = '" + table +
        "' AND proc_name = '" + procedure + "'");
  }
  void run(const std::string& procedure, const std::string& table = "perp_data") {
    Text(own_).rows("CALL run_job(" + job(procedure, table) + ")");
  }
  /// "klines 7, trades 2": the days of the policies that are in force.
  std::string compressed_after() {
    return Text(own_).one(
        "SELECT coalesce(string_agg(hypertable_name || ' ' || (config->>'compress_after')::bigint "
        "/ 86400000, ', ' ORDER BY hypertable_name), '') FROM timescaledb_information.jobs WHERE "
        "proc_name = 'policy_compression'");
  }
  std::string compressed_chunks(const std::string& table) {
    return Text(own_).one(
        "SELECT count(*) FILTER (WHERE is_compressed) || ' of ' || count(*) FROM "
        "timescaledb_information.chunks WHERE hypertable_name = '" +
        table + "'");
  }
  Info::TableInfo told(const std::string& table) {
    for (const Info::TableInfo& one : info(own_).tables)
      if (one.name == table) return one;
    throw std::runtime_error("not in the info: " + table);
  }
  std::string pages_of_a_series(int days_ago) {
    return Text(own_).one(
        "SELECT count(DISTINCT (ctid::text::point)[0]) FROM perp_data WHERE symbol = 'S17' AND ts "
        "/ "
        "86400000 = now_ms() / 86400000 - " +
        std::to_string(days_ago));
  }

  std::string server_, name_, own_;
};

TEST_F(Community, PoliciesRunEachHourAndAreThereOnce) {
  const SetupReport report = setup(own_, {});
  EXPECT_EQ(report.info.backend, Backend::timescale);
  EXPECT_TRUE(report.warnings.empty());
  EXPECT_TRUE(setup(own_, {}).warnings.empty());
  EXPECT_EQ(jobs("policy_reorder"), "perp_data 01:00:00, perp_metrics 01:00:00");
  EXPECT_EQ(jobs("policy_retention"), "perp_data 01:00:00, perp_metrics 01:00:00");
  EXPECT_EQ(jobs("policy_compression"), "");
  SetupOptions kept;
  kept.retention_days = 0;
  EXPECT_TRUE(setup(own_, kept).warnings.empty());
  EXPECT_EQ(jobs("policy_retention"), "");
}

TEST_F(Community, APolicyThatFailsIsTold) {
  setup(own_, {});
  hold_policies();
  write_days(5);
  Text text(own_);
  const std::string reorder = job("policy_reorder");
  text.rows("SELECT alter_job(" + reorder +
            ", scheduled => true, next_start => now() + INTERVAL '1 second')");
  // Its index is gone under this name: the server's attempt fails.
  text.rows("ALTER INDEX idx_data_symbol_perpspec RENAME TO renamed");
  while (
      text.one("SELECT coalesce(max(last_run_status), '') FROM timescaledb_information.job_stats "
               "WHERE job_id = " +
               reorder) != "Failed")
    ASSERT_EQ(text.one("SELECT pg_sleep(0.05)"), "");
  const std::vector<std::string> told = info(own_).failed_policies;
  EXPECT_TRUE(std::any_of(told.begin(), told.end(), [](const std::string& one) {
    return one.starts_with("the server's policy_reorder of perp_data failed: ") &&
           !one.ends_with("reason unknown");
  })) << testing::PrintToString(told);
  std::vector<std::string> events;
  maintain({.dsn = own_, .on_event = [&](const std::string& what) { events.push_back(what); }},
           core::wall_now().ns / core::ns_per_ms);
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.front(), "maintenance: " + told.front());
}

TEST_F(Community, RetentionPolicyDropsWholeDays) {
  setup(own_, {});
  hold_policies();
  write_days(12);
  const std::string oldest = "SELECT now_ms() / 86400000 - min(ts) / 86400000 FROM perp_data";
  ASSERT_EQ(Text(own_).one(oldest), "12");
  run("policy_retention");
  EXPECT_EQ(Text(own_).one(oldest), "10");
}

TEST_F(Community, ReorderPolicyBringsClosedDaysInOrderOfTheirSeries) {
  setup(own_, {});
  hold_policies();
  write_days(4);
  const int as_they_came = std::stoi(pages_of_a_series(4));
  run("policy_reorder");
  EXPECT_LT(5 * std::stoi(pages_of_a_series(4)), as_they_came);
}

TEST_F(Community, CompressionPolicyCompressesClosedDaysInPlaceOfReordering) {
  SetupOptions compressed;
  compressed.compress = true;
  EXPECT_TRUE(setup(own_, compressed).warnings.empty());
  EXPECT_EQ(jobs("policy_compression"), "perp_data 01:00:00, perp_metrics 01:00:00");
  EXPECT_EQ(jobs("policy_reorder"), "");
  hold_policies();
  write_days(3);
  const std::string content =
      "SELECT count(*) || ' ' || sum(hashtextextended(ts || symbol || c, 0)::numeric) FROM "
      "perp_data";
  const std::string before = Text(own_).one(content);
  const std::string chunks =
      "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'perp_data' AND "
      "is_compressed";
  run("policy_compression");
  EXPECT_EQ(Text(own_).one(chunks), "2");  // those that ended a day ago and more
  EXPECT_EQ(Text(own_).one(content), before);
  compressed.compress = false;
  EXPECT_TRUE(setup(own_, compressed).warnings.empty());
  EXPECT_EQ(jobs("policy_compression"), "");
  EXPECT_EQ(jobs("policy_reorder"), "perp_data 01:00:00, perp_metrics 01:00:00");
}

TEST_F(Community, EverySeriesIsCompressedByWhatNamesIt) {
  setup(own_, {});
  const std::map<std::string, std::string> layouts{
      {"composite_scores_1m", "exchange_id,symbol|ts"},
      {"derived_metrics_1m", "exchange_id,symbol|ts"},
      {"funding_rates", "exchange_id,symbol|ts"},
      {"hl_positions", "coin|ts,address"},
      {"klines", "exchange_id,symbol,interval|ts"},
      {"leaderboard_snapshots", "name|ts,rank"},
      {"liquidation_clusters", "coin|ts,price_level"},
      {"liquidations", "exchange_id,symbol|ts,liq_id"},
      {"liquidity_depth", "exchange_id,symbol|ts"},
      {"long_short_ratio", "exchange_id,symbol,period,kind|ts"},
      {"open_interest", "exchange_id,symbol,period|ts"},
      {"open_interest_snapshots", "symbol,source|ts,id"},
      {"order_book_levels", "exchange_id,symbol|ts,side,level"},
      {"orderbooks", "exchange_id,symbol|ts"},
      {"perp_15m", "symbol,perpspec|ts"},
      {"perp_1d", "symbol,perpspec|ts"},
      {"perp_1h", "symbol,perpspec|ts"},
      {"perp_4h", "symbol,perpspec|ts"},
      {"perp_5m", "symbol,perpspec|ts"},
      {"perp_data", "symbol,perpspec|ts"},
      {"perp_metrics", "symbol,perpspec|ts"},
      {"slippage", "exchange_id,symbol,trade_amount|ts"},
      {"tickers", "exchange_id,symbol|ts"},
      {"trades", "exchange_id,symbol|ts,trade_id"}};
  SetupOptions options;
  for (const std::string& table : Text(own_).list("SELECT table_name FROM perp_series"))
    options.compression[table] = 7;
  EXPECT_EQ(setup(own_, options).warnings, std::vector<std::string>{});
  std::string in_force;
  for (const auto& [table, layout] : layouts)
    in_force += (in_force.empty() ? "" : ", ") + table + " 7";
  EXPECT_EQ(compressed_after(), in_force);
  EXPECT_EQ(Text(own_).one("SELECT count(*) FROM timescaledb_information.jobs WHERE proc_name = "
                           "'policy_compression' AND schedule_interval <> INTERVAL '1 hour'"),
            "0");
  for (const auto& [table, layout] : layouts)
    EXPECT_EQ(Text(own_).one("SELECT segmentby || '|' || orderby FROM "
                             "timescaledb_information.hypertable_compression_settings WHERE "
                             "hypertable = '" +
                             table + "'::regclass"),
              layout)
        << table;
}

TEST_F(Community, CompressionOfASeriesIsKeptChangedAndTakenBack) {
  EXPECT_TRUE(setup(own_, {.compression = {{"klines", 7}, {"trades", 2}}}).warnings.empty());
  EXPECT_EQ(compressed_after(), "klines 7, trades 2");
  EXPECT_EQ(jobs("policy_reorder"), "perp_data 01:00:00, perp_metrics 01:00:00");
  // Without a word of it all stays, the jobs themselves, too.
  const std::string first = job("policy_compression", "klines");
  EXPECT_TRUE(setup(own_, {.retention = {{"klines", 365}}}).warnings.empty());
  EXPECT_EQ(Text(own_).one("SELECT (config->>'drop_after')::bigint / 86400000 FROM "
                           "timescaledb_information.jobs WHERE hypertable_name = 'klines' AND "
                           "proc_name = 'policy_retention'"),
            "365");
  EXPECT_TRUE(migrate(own_).warnings.empty());
  EXPECT_EQ(compressed_after(), "klines 7, trades 2");
  EXPECT_EQ(job("policy_compression", "klines"), first);
  // What somebody else made of them is told, and is as it was said after the next setup.
  Text(own_).rows("SELECT remove_compression_policy('trades')");
  Text(own_).rows("SELECT remove_compression_policy('klines')");
  Text(own_).rows("SELECT add_compression_policy('klines', compress_after => 86400000::bigint)");
  EXPECT_EQ(told("klines").compress_days, 7);
  EXPECT_EQ(told("klines").compress_after_ms, day);
  EXPECT_EQ(told("trades").compress_days, 2);
  EXPECT_EQ(told("trades").compress_after_ms, std::nullopt);
  EXPECT_TRUE(setup(own_, {}).warnings.empty());
  EXPECT_EQ(jobs("policy_compression"), "klines 01:00:00, trades 01:00:00");
  EXPECT_EQ(told("klines").compress_after_ms, 7 * day);
  EXPECT_EQ(told("trades").compress_after_ms, 2 * day);
  EXPECT_TRUE(setup(own_, {.compression = {{"klines", 30}, {"trades", 0}}}).warnings.empty());
  EXPECT_EQ(compressed_after(), "klines 30");
  EXPECT_EQ(told("trades").compress_days, 0);
  EXPECT_EQ(told("tickers").compress_days, std::nullopt);
}

TEST_F(Community, APolicyOfASeriesThatNobodySpokeOfIsLeftAlone) {
  setup(own_, {});
  Text(own_).rows(
      "ALTER TABLE tickers SET (timescaledb.compress, timescaledb.compress_segmentby = "
      "'symbol')");
  Text(own_).rows("SELECT add_compression_policy('tickers', compress_after => 259200000::bigint)");
  EXPECT_TRUE(setup(own_, {.compress = false}).warnings.empty());
  EXPECT_EQ(compressed_after(), "tickers 3");
  EXPECT_EQ(told("tickers").compress_days, std::nullopt);
  EXPECT_EQ(told("tickers").compress_after_ms, 3 * day);
}

TEST_F(Community, CompressionOfATableIsInPlaceOfItsReordering) {
  // One hot table by its name counts before the word for both.
  EXPECT_TRUE(
      setup(own_, {.compress = true, .compression = {{"perp_metrics", 0}}}).warnings.empty());
  EXPECT_EQ(compressed_after(), "perp_data 1");
  EXPECT_EQ(jobs("policy_reorder"), "perp_metrics 01:00:00");
  EXPECT_TRUE(setup(own_, {.compression = {{"perp_metrics", 3}}}).warnings.empty());
  EXPECT_EQ(compressed_after(), "perp_data 1, perp_metrics 3");
  EXPECT_EQ(jobs("policy_reorder"), "");
}

TEST_F(Community, CompressionThatComesAfterRetentionIsWarnedOf) {
  const SetupReport report = setup(own_, {.retention_days = 7, .compression = {{"perp_data", 7}}});
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_EQ(report.warnings[0], "compression of perp_data after 7 days: never, it is kept for 7");
}

TEST_F(Community, TheSwitchOfBeforeBecomesADayOfBothHotTables) {
  setup(own_, {});
  // As the schema was before, with compression on.
  Text text(own_);
  text.rows("ALTER TABLE perp_series DROP COLUMN compress_days");
  text.rows("INSERT INTO perp_settings (name, value) VALUES ('compress', 'on')");
  text.rows("DELETE FROM perp_migrations WHERE name = '0010_compression.sql'");
  EXPECT_EQ(migrate(own_).applied, std::vector<std::string>{"0010_compression.sql"});
  EXPECT_EQ(text.one("SELECT string_agg(table_name || '=' || compress_days, ',' ORDER BY "
                     "table_name) FROM perp_series WHERE compress_days IS NOT NULL"),
            "perp_data=1,perp_metrics=1");
  EXPECT_EQ(compressed_after(), "perp_data 1, perp_metrics 1");
}

/// Candles of a minute and trades of a second, as a journal has them.
class CompressedFacts : public Community {
 protected:
  void SetUp() override {
    Community::SetUp();
    if (IsSkipped()) return;
    setup(own_, {.compression = {{"klines", 1}, {"trades", 1}}});
    hold_policies();
    // As little as this is what a batch of late rows reaches on a busy day.
    Text(server_).rows("ALTER DATABASE " + name_ +
                       " SET timescaledb.max_tuples_decompressed_per_dml_transaction = 20");
    journal_.append(test::instrument_record(market::VenueId::binance, 1, "BTC").header);
  }
  template <class Payload>
  test::Whole<Payload> record(market::RecordType type, std::int64_t ms, std::uint8_t flags) {
    test::Whole<Payload> out;
    out.header.size = sizeof out;
    out.header.type = type;
    out.header.venue = market::VenueId::binance;
    out.header.instrument = static_cast<std::uint32_t>(market::VenueId::binance) << 24 | 1;
    out.header.flags = flags;
    out.header.exchange_ns = out.header.receive_ns = ms * 1'000'000;
    return out;
  }
  void write_candle(int minute, double close, std::uint8_t flags = 0) {
    const std::int64_t open_ms = day_0 + minute * 60'000;
    auto out = record<market::Kline>(market::RecordType::kline, open_ms + 60'000, flags);
    out.payload.open_ns = open_ms * 1'000'000;
    out.payload.interval_ns = 60'000'000'000;
    out.payload.close = close;
    out.payload.is_closed = market::Tristate::yes;
    journal_.append(out.header);
    candles_[minute] = close;  // the newer one stands
  }
  void write_trade(int second, double price, std::uint8_t flags = 0) {
    auto out = record<market::Trade>(market::RecordType::trade, day_0 + second * 1'000, flags);
    out.payload.trade_id = 1'000'000 + second;
    out.payload.price = price;
    out.payload.quantity = 1;
    journal_.append(out.header);
    trades_.emplace(second, price);  // the first one stands
  }
  LoadReport load(std::size_t batch_rows = 50'000) {
    journal_.sync();
    LoaderOptions options;
    options.dsn = own_;
    options.journal_folder = folder_.path();
    options.fact_tables = {"klines", "trades"};
    options.batch_rows = batch_rows;
    const std::atomic<bool> stop{false};
    return Loader(options).run(journal_.end(), stop);
  }
  void compress() {
    for (const char* table : {"klines", "trades"}) {
      run("policy_compression", table);
      EXPECT_EQ(compressed_chunks(table), "1 of 1");
    }
  }
  void expect_each_once() {
    std::string candles, trades;
    for (const auto& [minute, close] : candles_)
      candles += std::to_string(minute) + "=" + std::to_string(static_cast<int>(close)) + " ";
    for (const auto& [second, price] : trades_)
      trades += std::to_string(second) + "=" + std::to_string(static_cast<int>(price)) + " ";
    const std::string start = std::to_string(day_0);
    EXPECT_EQ(
        Text(own_).one("SELECT string_agg((ts - " + start +
                       ") / 60000 || '=' || close || ' ', '' ORDER BY ts, close) FROM klines"),
        candles);
    EXPECT_EQ(Text(own_).one("SELECT string_agg((ts - " + start +
                             ") / 1000 || '=' || price || ' ', '' ORDER BY ts, price) FROM trades"),
              trades);
  }

  test::Folder folder_;
  journal::Writer journal_{{.folder = folder_.path()}};
  std::map<int, double> candles_, trades_;
};

TEST_F(CompressedFacts, TakeLateRowsCorrectionsAndRepeatsOnce) {
  for (int i = 0; i < 1'400; ++i) {
    if (i % 7 == 3) continue;  // comes late
    write_candle(i, i);
    write_trade(i, i);
  }
  load();
  compress();
  expect_each_once();
  // What was missing, and corrections: by a stage, ON CONFLICT.
  for (int i = 0; i < 1'400; ++i) {
    if (i % 7 == 3 || i % 5 == 0) write_candle(i, 10'000 + i, market::flag_backfill);
    if (i % 7 == 3 || i % 5 == 0) write_trade(i, 10'000 + i, market::flag_backfill);
  }
  EXPECT_EQ(load().rows_refused, 0u);
  expect_each_once();
  // Told again as if they were new, batch by batch: a COPY is refused, and merged instead.
  compress();
  for (int i = 600; i < 1'400; ++i) {
    write_candle(i, 20'000 + i);
    write_trade(i, 20'000 + i);
  }
  const LoadReport report = load(100);
  EXPECT_GT(report.unexpected_conflicts, 0u);
  EXPECT_EQ(report.rows_refused, 0u);
  expect_each_once();
  compress();
  expect_each_once();
}

TEST_F(CompressedFacts, AreTold) {
  write_candle(0, 1);
  for (int i = 0; i < 10'000; ++i) write_trade(i, i);
  load();
  const Info::TableInfo before = told("trades");
  EXPECT_EQ(before.compressed_chunks, 0);
  compress();
  const Info::TableInfo after = told("trades");
  EXPECT_EQ(after.compressed_chunks, 1);
  EXPECT_EQ(after.rows, 10'000);
  // The rows are in a table of their own now, which counts.
  const std::string size = "SELECT hypertable_size('trades')";
  EXPECT_EQ(std::to_string(after.bytes), Text(own_).one(size));
  EXPECT_GT(after.bytes, std::stoll(Text(own_).one("SELECT sum(pg_total_relation_size(c)) FROM "
                                                   "show_chunks('trades') c")));
  EXPECT_LT(after.bytes, before.bytes);
  // Taken back: what is compressed stays so until somebody unpacks it, and is told.
  setup(own_, {.compression = {{"trades", 0}}});
  EXPECT_EQ(told("trades").compress_after_ms, std::nullopt);
  EXPECT_EQ(told("trades").compressed_chunks, 1);
  expect_each_once();
}

}  // namespace
}  // namespace perp::warehouse
