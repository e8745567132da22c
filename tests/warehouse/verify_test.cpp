// The proof proven: what loading stored is found equal, whatever happened on the way, and each kind
// of damage done to the tables behind the loader's back is found with its key.
#include "warehouse/database.hpp"
#include "warehouse/history.hpp"
#include "warehouse/proxy.hpp"

#include <perp/core/error.hpp>
#include <perp/core/time.hpp>
#include <perp/market/liquidity.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/verify.hpp>

#include <algorithm>
#include <set>

namespace perp::warehouse {
namespace {

using market::RecordType;
using market::SpecKind;
using market::VenueId;
using test::day_0;
using test::Fact;
using test::Text;

constexpr std::int64_t hour_ms = 3'600'000;

class Verify : public test::DatabaseTest, protected test::SeededJournal {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    if (IsSkipped()) return;
    SetupOptions options;
    options.retention_days = 0;
    setup(dsn_, options);
    generator_.define_all(journal_);
  }
  /// Minutes with revisions, backfill and repeats; candles, trades and liquidations between them.
  void write_history(int minutes) {
    const std::vector<Fact> facts =
        generator_.minutes(day_0 + 23 * hour_ms + 40 * 60'000, minutes);  // over midnight
    for (std::size_t i = 0; i < facts.size(); ++i) {
      append(journal_, facts[i]);
      if (i % 20 == 19) {
        Fact again = facts[generator_.random()() % i];
        again = generator_.fact(again.venue, again.index, again.kind, again.ts);
        if (generator_.chance(0.5))
          again.flags = static_cast<std::uint8_t>(again.flags | market::flag_revision);
        append(journal_, again);
      }
      if (i % 5 == 0) write_events(facts[i].ts);
    }
    journal_.sync();
  }
  void write_events(std::int64_t ts) {
    test::Whole<market::Kline> kline;
    fill(kline.header, sizeof kline, RecordType::kline, ts + 60'000);
    kline.payload.open_ns = ts * core::ns_per_ms;
    kline.payload.interval_ns = core::ns_per_minute;
    kline.payload.close = number();
    if (generator_.chance(0.5)) kline.payload.high = number();
    if (generator_.chance(0.5)) kline.payload.trade_count = 7;
    kline.payload.is_closed = market::Tristate::yes;
    journal_.append(kline.header);
    test::Whole<market::Trade> trade;
    fill(trade.header, sizeof trade, RecordType::trade, ts + 5);
    trade.payload.trade_id = static_cast<std::int64_t>(generator_.random()() % 500);
    trade.payload.price = 5;
    trade.payload.quantity = -0.0;
    journal_.append(trade.header);
    test::Whole<market::Liquidation> liquidation;
    fill(liquidation.header, sizeof liquidation, RecordType::liquidation,
         ts + static_cast<std::int64_t>(generator_.random()() % 2));
    liquidation.payload.price = 100;
    liquidation.payload.quantity = 1;
    liquidation.payload.position_side = market::PositionSide::long_side;
    journal_.append(liquidation.header);
    test::Whole<market::Liquidity> book;
    fill(book.header, sizeof book, RecordType::liquidity, ts + 30'000);
    const std::vector<market::Level> bids{{99, 20 * number()}};
    const std::vector<market::Level> asks{{101, number()}, {102, 200 * number()}};
    book.payload = market::liquidity_of(bids, asks);
    journal_.append(book.header);
    test::Whole<market::TickerSample> ticker;
    fill(ticker.header, sizeof ticker, RecordType::ticker_sample, ts);
    ticker.payload.last_price = number();
    if (generator_.chance(0.5)) ticker.payload.open_interest = -0.0;
    journal_.append(ticker.header);
    test::append_levels(journal_, VenueId::binance,
                        static_cast<std::uint32_t>(generator_.random()() % 6), ts,
                        {{99, 1}, {98, 2}}, {{101, 3}}, 7);
  }
  void fill(market::RecordHeader& header, std::size_t size, RecordType type, std::int64_t ts) {
    header.size = static_cast<std::uint32_t>(size);
    header.type = type;
    header.venue = VenueId::binance;
    header.instrument = 1u << 24 | static_cast<std::uint32_t>(generator_.random()() % 6);
    header.exchange_ns = header.receive_ns = ts * core::ns_per_ms;
  }
  double number() { return std::uniform_real_distribution<>(1, 2)(generator_.random()); }

  LoadReport load(const std::string& dsn, unsigned lanes = 2, std::size_t batch_rows = 150) {
    LoaderOptions options;
    options.dsn = dsn;
    options.journal_folder = folder_.path();
    options.lanes = lanes;
    options.batch_rows = batch_rows;
    options.fact_tables = fact_table_names();
    journal_.sync();
    const std::atomic<bool> stop{false};
    return Loader(options).run(journal_.end(), stop);
  }
  VerifyOptions options() {
    VerifyOptions out;
    out.dsn = dsn_;
    out.journal_folder = folder_.path();
    out.tables = fact_table_names();
    out.tables.insert(out.tables.begin(), {"perp_data", "perp_metrics"});
    return out;
  }
  /// Every range and difference in words, for messages.
  static std::string told(const VerifyReport& report) {
    std::string out;
    for (const VerifiedRange& range : report.ranges) {
      if (range.is_equal()) continue;
      out += range.table + " " + std::to_string(range.from_ms) + " " +
             std::to_string(range.journal.rows) + "/" + std::to_string(range.database.rows) + "\n";
      for (const Difference& difference : range.differences)
        out += "  " + std::string(to_string(difference.kind)) + " " + difference.key + " " +
               difference.column + " " + difference.journal + " " + difference.database + "\n";
    }
    return out;
  }
  std::uint64_t rows_of(const VerifyReport& report, const std::string& table) {
    std::uint64_t rows = 0;
    for (const VerifiedRange& range : report.ranges)
      if (range.table == table) rows += range.journal.rows;
    return rows;
  }
  void expect_equal(const VerifyOptions& with) {
    const VerifyReport report = verify(with);
    EXPECT_TRUE(report.is_equal()) << told(report);
    EXPECT_EQ(report.keys_pending, 0u);
    for (const std::string& table : with.tables)
      EXPECT_EQ(std::to_string(rows_of(report, table)),
                Text(dsn_).one("SELECT count(*) FROM " + table))
          << table;
  }
  /// Exactly this one difference, whatever the width of the ranges and the memory at hand.
  void expect_one(DifferenceKind kind, const std::string& table, const std::string& key,
                  const std::string& column = "", const std::string& journal = "",
                  const std::string& database = "") {
    for (std::int64_t range_ms : {hour_ms, 24 * hour_ms})
      for (std::size_t window_rows : {std::size_t{1}, std::size_t{200'000}}) {
        VerifyOptions with = options();
        with.range_ms = range_ms;
        with.window_rows = window_rows;
        const VerifyReport report = verify(with);
        EXPECT_FALSE(report.is_equal());
        std::size_t found = 0;
        for (const VerifiedRange& range : report.ranges) {
          if (range.is_equal()) continue;
          ++found;
          ASSERT_EQ(range.table, table);
          ASSERT_EQ(range.differing_keys, 1u);
          ASSERT_EQ(range.differences.size(), 1u);
          EXPECT_EQ(range.differences[0].kind, kind);
          EXPECT_EQ(range.differences[0].key, key);
          EXPECT_EQ(range.differences[0].column, column);
          EXPECT_EQ(range.differences[0].journal, journal);
          EXPECT_EQ(range.differences[0].database, database);
        }
        EXPECT_EQ(found, 1u);
      }
  }
};

TEST_P(Verify, EqualAfterLoadingWithSeveralLanesAndReconnects) {
  write_history(30);
  test::AtRandomBytes is_due(generator_.random(), 12);
  test::Proxy proxy(dsn_, [&](bool, std::string_view bytes) { return is_due(bytes); });
  load(proxy.dsn(), 3);
  EXPECT_GT(proxy.cuts(), 5);
  expect_equal(options());
  // More of it, by another number of lanes.
  write_history(3);
  load(dsn_, 5, 40);
  VerifyOptions with = options();
  expect_equal(with);
  with.range_ms = hour_ms;
  with.window_rows = 1;
  expect_equal(with);
}

TEST_P(Verify, EqualIsNotALackOfSight) {
  write_history(4);
  load(dsn_);
  const VerifyReport all = verify(options());
  ASSERT_TRUE(all.is_equal()) << told(all);
  EXPECT_EQ(all.cursors.size(), 2u);
  EXPECT_GT(rows_of(all, "perp_data"), 300u);
  for (const char* table : {"perp_metrics", "klines", "trades", "liquidations", "tickers",
                            "orderbooks", "liquidity_depth", "slippage", "order_book_levels"})
    EXPECT_GT(rows_of(all, table), 5u) << table;
  // Each table's ranges have hashes of their own; a part of the time has fewer rows.
  std::set<std::string> hashes;
  for (const VerifiedRange& range : all.ranges) hashes.insert(range.journal.hash.text());
  EXPECT_EQ(hashes.size(), all.ranges.size());
  VerifyOptions part = options();
  part.from_ms = day_0 + 23 * hour_ms + 41 * 60'000;
  part.to_ms = part.from_ms + 60'000;
  const VerifyReport minute = verify(part);
  EXPECT_TRUE(minute.is_equal()) << told(minute);
  EXPECT_EQ(
      std::to_string(rows_of(minute, "perp_data")),
      Text(dsn_).one("SELECT count(*) FROM perp_data WHERE ts = " + std::to_string(part.from_ms)));
}

TEST_P(Verify, ADeletedRowIsFound) {
  write_history(25);
  load(dsn_);
  const std::string ts = Text(dsn_).one(
      "DELETE FROM perp_data WHERE (ts, symbol, perpspec) = (SELECT ts, symbol, perpspec FROM "
      "perp_data WHERE symbol = 'ETH' AND perpspec = 'okx-tv' ORDER BY ts DESC LIMIT 1) RETURNING "
      "to_char(to_timestamp(ts / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')");
  expect_one(DifferenceKind::missing, "perp_data", ts + ".000Z ETH okx-tv");
}

TEST_P(Verify, AChangedValueIsFoundWithItsColumn) {
  write_history(4);
  Fact fact = generator_.fact(VenueId::binance, 2, SpecKind::oi, day_0 + 2 * hour_ms);
  fact.values = {{market::column("oi"), 12.5}};
  append(journal_, fact);
  load(dsn_);
  Text(dsn_).rows("UPDATE perp_metrics SET oi = 12.500000000000002 WHERE symbol = 'SOL' AND ts = " +
                  std::to_string(fact.ts));
  expect_one(DifferenceKind::different, "perp_metrics", "2025-01-01T02:00:00.000Z SOL bin-oi", "oi",
             "12.5", "12.500000000000002");
}

TEST_P(Verify, AnExtraRowIsFound) {
  write_history(4);
  load(dsn_);
  Text(dsn_).rows("INSERT INTO perp_data (ts, symbol, perpspec, oi) VALUES (" +
                  std::to_string(day_0 + 23 * hour_ms + 30 * 60'000) + ", 'NEWS', 'byb-oi', 1)");
  expect_one(DifferenceKind::extra, "perp_data", "2025-01-01T23:30:00.000Z NEWS byb-oi");
}

TEST_P(Verify, ANullMadeZeroIsFound) {
  write_history(4);
  Fact fact = generator_.fact(VenueId::bybit, 0, SpecKind::lq, day_0 + hour_ms);
  fact.values = {{market::column("lqqty"), 0.0}};
  append(journal_, fact);
  load(dsn_);
  Text(dsn_).rows(
      "UPDATE perp_data SET lqprice = 0 WHERE symbol = 'BTC' AND perpspec = 'byb-lq' "
      "AND ts = " +
      std::to_string(fact.ts));
  expect_one(DifferenceKind::different, "perp_data", "2025-01-01T01:00:00.000Z BTC byb-lq",
             "lqprice", "NULL", "0");
}

TEST_P(Verify, FactsAreComparedAsWell) {
  write_history(4);
  load(dsn_);
  Text text(dsn_);
  const std::string key = text.one(
      "UPDATE klines SET trade_count = coalesce(trade_count, 0) + 1 WHERE (ts, exchange_id, "
      "symbol, interval) = (SELECT ts, exchange_id, symbol, interval FROM klines WHERE trade_count "
      "IS NOT NULL LIMIT 1) RETURNING to_char(to_timestamp(ts / 1000) AT TIME ZONE 'UTC', "
      "'YYYY-MM-DD\"T\"HH24:MI:SS') || '.000Z 1 ' || symbol || ' 1m'");
  expect_one(DifferenceKind::different, "klines", key, "trade_count", "7", "8");
}

TEST_P(Verify, SamplesAreComparedAsWell) {
  write_history(4);
  load(dsn_);
  const std::string key = Text(dsn_).one(
      "UPDATE slippage SET sell_feasible = NOT sell_feasible WHERE (ts, exchange_id, symbol, "
      "trade_amount) = (SELECT ts, exchange_id, symbol, trade_amount FROM slippage WHERE "
      "trade_amount = 1000 LIMIT 1) RETURNING to_char(to_timestamp(ts / 1000) AT TIME ZONE 'UTC', "
      "'YYYY-MM-DD\"T\"HH24:MI:SS') || '.000Z 1 ' || symbol || ' 1000'");
  expect_one(DifferenceKind::different, "slippage", key, "sell_feasible", "true", "false");
  Text(dsn_).rows(
      "UPDATE slippage SET sell_feasible = true WHERE NOT sell_feasible AND "
      "trade_amount = 1000");
  const std::string gone = Text(dsn_).one(
      "DELETE FROM order_book_levels WHERE (ts, exchange_id, symbol, side, level) = (SELECT ts, "
      "exchange_id, symbol, side, level FROM order_book_levels WHERE side = 'ask' LIMIT 1) "
      "RETURNING to_char(to_timestamp(ts / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') "
      "|| '.000Z 1 ' || symbol || ' ask 1'");
  expect_one(DifferenceKind::missing, "order_book_levels", gone);
}

TEST_P(Verify, WhatIsNotLoadedYetIsNoDifference) {
  write_history(4);
  const VerifyReport nothing = verify(options());
  EXPECT_TRUE(nothing.is_equal());
  EXPECT_TRUE(nothing.cursors.empty());
  EXPECT_GT(nothing.keys_pending, 600u);
  load(dsn_);
  // A new minute, and a revision of a stored one.
  append(journal_, generator_.fact(VenueId::okx, 1, SpecKind::tv, day_0 + 10 * hour_ms));
  append(journal_,
         generator_.fact(VenueId::binance, 0, SpecKind::ohlcv, day_0 + 23 * hour_ms + 41 * 60'000));
  journal_.sync();
  const VerifyReport more = verify(options());
  EXPECT_TRUE(more.is_equal()) << told(more);
  EXPECT_EQ(more.keys_pending, 4u);  // in two tables each
  EXPECT_LT(more.cursors[0], more.journal_end);
  load(dsn_);
  expect_equal(options());
}

TEST_P(Verify, RefusedInactiveAndSecondaryRowsAreNoDifference) {
  Text(dsn_).rows("ALTER TABLE perp_data ADD CONSTRAINT sane CHECK (c IS NULL OR c < 1e300)");
  Text(dsn_).rows("UPDATE perpspec_schema SET active = false WHERE perpspec_name = 'byb-oi'");
  write_history(3);
  Fact bad = generator_.fact(VenueId::bybit, 3, SpecKind::ohlcv, day_0);
  bad.values[market::column("c")] = 1e301;
  append(journal_, bad);
  bad.values[market::column("c")] = std::numeric_limits<double>::infinity();
  append(journal_, bad);
  journal_.append(test::instrument_record(VenueId::binance, 77, "BTC", false, "USDC").header);
  bad = generator_.fact(VenueId::binance, 0, SpecKind::ohlcv, day_0 + hour_ms);
  bad.index = 77;
  append(journal_, bad);
  const LoadReport loaded = load(dsn_);
  EXPECT_EQ(loaded.rows_refused, 2u);
  const VerifyReport report = verify(options());
  EXPECT_TRUE(report.is_equal()) << told(report);
  EXPECT_EQ(report.keys_refused, 2u);  // its key in both tables
  EXPECT_EQ(report.records_refused, 1u);
  EXPECT_EQ(report.records_not_primary, 1u);
}

TEST_P(Verify, WhatRetentionDroppedIsNoDifference) {
  write_history(4);
  const std::int64_t now = core::wall_now().ns / core::ns_per_minute * 60'000;
  append(journal_, generator_.fact(VenueId::binance, 0, SpecKind::ohlcv, now - 60'000));
  load(dsn_);
  Text text(dsn_);
  const std::string old = std::to_string(day_0 + 2 * 24 * hour_ms);
  if (GetParam() == test::Server::plain)
    for (const std::string& name : text.list("SELECT perp_partitions_before(t, " + old +
                                             ") FROM unnest(ARRAY['perp_data', "
                                             "'perp_metrics']) t"))
      text.rows("DROP TABLE " + name);
  else
    for (const char* table : {"perp_data", "perp_metrics"})
      text.rows(std::string("SELECT drop_chunks('") + table + "', older_than => " + old +
                "::bigint)");
  EXPECT_FALSE(verify(options()).is_equal());  // kept for ever, says the database
  text.rows("UPDATE perp_series SET retention_days = 10 WHERE table_name LIKE 'perp_%'");
  const VerifyReport report = verify(options());
  EXPECT_TRUE(report.is_equal()) << told(report);
  EXPECT_EQ(std::count_if(report.ranges.begin(), report.ranges.end(),
                          [](const VerifiedRange& range) { return range.is_expired; }),
            2);
}

TEST_P(Verify, AnotherJournalsRowsAreNamedAsSuch) {
  write_history(2);
  load(dsn_);
  test::Folder other;
  journal::Writer writer({.folder = other.path()});
  generator_.define_all(writer);
  writer.sync();
  VerifyOptions with = options();
  with.journal_folder = other.path();
  const VerifyReport report = verify(with);
  EXPECT_FALSE(report.is_equal());
  EXPECT_EQ(report.other_journals, 1u);
}

TEST_P(Verify, RefusesWhatItCannotCompare) {
  const auto refused = [&](VerifyOptions with) { EXPECT_THROW(verify(with), core::Error); };
  VerifyOptions with = options();
  with.tables = {"perp_status"};
  refused(with);
  with.tables = {"perp_data; DROP TABLE perp_data"};
  refused(with);
  with.tables = {"perp_1h"};  // made of perp_data, not of a journal
  refused(with);
  with = options();
  with.range_ms = 60'000;
  refused(with);
  with = options();
  with.from_ms = with.to_ms;
  refused(with);
  with = options();
  with.journal_folder = folder_.path() + "/none";
  refused(with);
  with = options();
  with.dsn = test::with(dsn_, {{"dbname", "postgres"}});
  refused(with);
}

INSTANTIATE_TEST_SUITE_P(Servers, Verify, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
