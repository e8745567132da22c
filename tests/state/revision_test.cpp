// Late, repeated and backfilled data: what is written again, and what is not.
#include "state/tape.hpp"

#include <gtest/gtest.h>

namespace perp::test {
namespace {

CandleText flat(double price, double volume = 1000) { return {price, price, price, price, volume}; }
/// With taker volumes, as Binance has them.
CandleText halved(double price) { return {price, price, price, price, 1000, 500}; }

/// Bybit candles for minutes [0, count) with closes 100 + m, all closed.
Tape candles(int count) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.tick(noon);
  for (int m = 0; m < count; ++m)
    tape.candle(byb_btc, noon + m * min, flat(100 + m), noon + (m + 1) * min + s);
  tape.tick(noon + count * min + 2 * s);
  return tape;
}

std::vector<MinuteRow> after(const Tape& tape, Played& run) {
  const std::size_t before = run.all.minutes.size();
  run.play(tape);
  return {run.all.minutes.begin() + static_cast<std::ptrdiff_t>(before), run.all.minutes.end()};
}

TEST(Revision, OfACandleRewritesItsMinuteAndTheThreeThatLookBackAtIt) {
  Played run(candles(16));
  Tape late;
  late.candle(byb_btc, noon + 3 * min, flat(206), noon + 16 * min + 3 * s);
  const std::vector<MinuteRow> rows = after(late, run);
  ASSERT_EQ(rows.size(), 4u);
  const int expected[] = {3, 4, 8, 13};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(rows[i].open_ns, noon + expected[i] * min);
    EXPECT_EQ(rows[i].flags, market::flag_derived | market::flag_revision);
    EXPECT_EQ(rows[i].receive_ns, noon + 16 * min + 3 * s);
    EXPECT_EQ(rows[i].exchange_ns, rows[i].open_ns + min);
  }
  EXPECT_EQ(rows[0].values.at(raw_id("c")), 206);
  EXPECT_EQ(rows[0].values.at(id_of_column("c_chg_1m")), 101.961);   // 102 -> 206
  EXPECT_EQ(rows[1].values.at(id_of_column("c_chg_1m")), -49.515);   // 206 -> 104: -49.5145
  EXPECT_EQ(rows[2].values.at(id_of_column("c_chg_5m")), -47.573);   // 206 -> 108: -47.5728
  EXPECT_EQ(rows[2].values.at(id_of_column("c_chg_1m")), 0.935);     // 107 -> 108, as before
  EXPECT_EQ(rows[3].values.at(id_of_column("c_chg_10m")), -45.146);  // 206 -> 113: -45.1456
  const state::Totals& totals = run.state.totals();
  EXPECT_EQ(totals.revised[0], 4u);
  EXPECT_EQ(totals.late_candles, 1u);
}

TEST(Revision, OfARepeatedCandleIsNone) {
  Played run(candles(8));
  Tape again;
  again.candle(byb_btc, noon + 3 * min, flat(103), noon + 8 * min + 3 * s);
  again.candle(byb_btc, noon + 4 * min, flat(104), noon + 8 * min + 4 * s, market::Tristate::yes,
               market::flag_backfill);
  EXPECT_TRUE(after(again, run).empty());
  EXPECT_EQ(run.state.totals().duplicate_candles, 2u);
}

// Only the volume differs: the closes' changes stay, but each dependent's v change moves.
TEST(Revision, WritesOnlyWhatReallyChanged) {
  Played run(candles(16));
  Tape late;
  late.candle(byb_btc, noon + 3 * min, flat(103, 1000.001), noon + 16 * min + 3 * s);
  const std::vector<MinuteRow> rows = after(late, run);
  // 1000 -> 1000.001 is 0.0001 %, rounded to 0: no change column moves, so minute 3 alone is
  // written.
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].open_ns, noon + 3 * min);
}

TEST(Revision, OfATradeBuiltMinuteByItsLateCandle) {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.live(VenueId::binance, RecordType::trade, noon);
  tape.trade(bin_btc, noon + s, 100, 1, market::Side::buy);
  tape.trade(bin_btc, noon + 2 * s, 101, 1, market::Side::sell);
  tape.tick(noon + min + 2 * s);
  Played run(tape);
  EXPECT_EQ(run.all.find(bin_btc, SpecKind::ohlcv, noon)->origin, market::MinuteOrigin::trades);
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::tv, noon, "tbv"), 100);
  Tape late;
  late.candle(bin_btc, noon, {100, 102, 99, 101, 500, 300}, noon + min + 10 * s);
  const std::vector<MinuteRow> rows = after(late, run);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].kind, SpecKind::ohlcv);
  EXPECT_EQ(rows[0].origin, market::MinuteOrigin::candle);
  EXPECT_EQ(rows[0].values.at(raw_id("v")), 500);
  EXPECT_EQ(rows[1].kind, SpecKind::tv);
  EXPECT_EQ(rows[1].values.at(raw_id("tbv")), 300);
  EXPECT_EQ(rows[1].values.at(raw_id("tsv")), 200);
  EXPECT_TRUE(rows[0].is_revision() && rows[1].is_revision());
}

TEST(Revision, ByALateTradeConcernsTradeBuiltRowsOnly) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.live(VenueId::bybit, RecordType::trade, noon);
  tape.trade(byb_btc, noon + s, 100, 1, market::Side::buy);
  tape.trade(byb_btc, noon + min + s, 100, 1, market::Side::buy);
  tape.candle(byb_btc, noon + min, flat(100, 777), noon + 2 * min + s);
  tape.tick(noon + 2 * min + 2 * s);
  Played run(tape);
  Tape late;
  late.trade(byb_btc, noon + 30 * s, 90, 2, market::Side::sell, 100 * s);
  late.trade(byb_btc, noon + min + 30 * s, 90, 2, market::Side::sell, 50 * s);
  const std::vector<MinuteRow> rows = after(late, run);
  // Minute 0: ohlcv and tv; minute 1 looks back at it; then minute 1's taker volumes, which come
  // from trades.
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(rows[0].kind, SpecKind::ohlcv);
  EXPECT_EQ(rows[0].values.at(raw_id("l")), 90);
  EXPECT_EQ(rows[0].values.at(raw_id("c")), 90);
  EXPECT_EQ(rows[0].values.at(raw_id("v")), 280);
  EXPECT_EQ(rows[1].kind, SpecKind::tv);
  EXPECT_EQ(rows[1].values.at(raw_id("tsv")), 180);
  EXPECT_EQ(rows[2].open_ns, noon + min);
  EXPECT_EQ(rows[2].values.at(id_of_column("c_chg_1m")), 11.111);  // 90 -> 100
  EXPECT_EQ(rows[2].values.at(raw_id("v")), 777);
  EXPECT_EQ(rows[3].kind, SpecKind::tv);  // tsv: 180 -> 0
  EXPECT_EQ(rows[3].values.at(id_of_column("tsv_chg_1m")), -100);
  EXPECT_EQ(rows[4].kind, SpecKind::tv);
  EXPECT_EQ(rows[4].values.at(raw_id("tsv")), 180);
  EXPECT_EQ(rows[4].values.at(id_of_column("tsv_chg_1m")), 0);
  EXPECT_EQ(run.state.totals().late_trades, 2u);
}

// Trades and liquidations add up, and a recording that is played behind itself gives them again.
TEST(Revision, ARecordingPlayedBehindItselfCountsOnce) {
  constexpr std::uint32_t byb_eth = id_of(VenueId::bybit, 2);
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.live(VenueId::bybit, RecordType::liquidation, noon);
  for (int m = 0; m < 3; ++m) {
    tape.trade(byb_btc, noon + m * min + 10 * s, 100, 1, market::Side::buy);
    auto& liquidation = tape.add<market::Liquidation>(
        RecordType::liquidation, byb_btc, noon + m * min + 20 * s, noon + m * min + 21 * s);
    liquidation.price = 100;
    liquidation.quantity = 1;
    liquidation.position_side = market::PositionSide::long_side;
  }
  tape.tick(noon + 2 * min + 30 * s);
  const auto sums = [](const Played& run, int m) {
    return std::pair(run.all.value(byb_btc, SpecKind::tv, noon + m * min, "tbv"),
                     run.all.value(byb_btc, SpecKind::lq, noon + m * min, "lqqty"));
  };
  const auto restart = [](Played& run, std::int64_t ns, std::uint32_t connection = 0) {
    Tape down;
    down.status(VenueId::bybit, market::FeedState::down, RecordType::padding, ns, connection);
    run.play(down);
  };
  Played run(tape);
  EXPECT_EQ(sums(run, 1), std::pair(100.0, 1.0));
  const std::size_t rows = run.all.minutes.size();
  for (const std::int64_t later : {0 * s, s}) {
    restart(run, noon + 2 * min + 30 * s + later);
    run.play(tape);
  }
  EXPECT_EQ(run.all.minutes.size(), rows);
  EXPECT_EQ(run.state.totals().told_before, 12u);
  EXPECT_EQ(run.state.totals().late_trades, 0u);
  EXPECT_EQ(run.state.totals().late_liquidations, 0u);

  // What happened before the end and was received after it is late; what our clock, set back, says
  // was received before it and happened after it, is new; and of a contract that nobody watched
  // nothing was told.
  Tape more;
  more.trade(byb_btc, noon + min + 15 * s, 100, 2, market::Side::buy, 80 * s);
  more.trade(byb_btc, noon + 3 * min, 100, 5, market::Side::buy, -2 * min);
  more.instrument(byb_eth, "ETH");
  more.trade(byb_eth, noon + 10 * s, 100, 1, market::Side::buy);
  run.play(more);
  EXPECT_EQ(sums(run, 1), std::pair(300.0, 1.0));
  EXPECT_EQ(run.state.totals().told_before, 12u);
  EXPECT_EQ(run.state.totals().late_trades, 2u);

  // One connection of the venue's that is down ends no feed: this is no recording played again.
  Played other(tape);
  restart(other, noon + 2 * min + 30 * s, 3);
  other.play(tape);
  EXPECT_EQ(other.state.totals().told_before, 0u);
}

TEST(Revision, ReachesBackSixteenMinutesAndNoFurther) {
  Played run(candles(40));  // minutes 0 .. 39 are closed
  Tape late;
  late.candle(byb_btc, noon + 23 * min, flat(1), noon + 40 * min + 3 * s);
  EXPECT_TRUE(after(late, run).empty());
  EXPECT_EQ(run.state.totals().beyond_history, 1u);
  Tape in_time;
  in_time.candle(byb_btc, noon + 24 * min, flat(248), noon + 40 * min + 4 * s);
  const std::vector<MinuteRow> rows = after(in_time, run);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0].values.at(id_of_column("c_chg_10m")),
            117.544);  // 114 -> 248: the row before it is still known
}

TEST(Revision, OfACloseRewritesEveryLaterRsi) {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon);
  const auto close = [](int m) { return 100.0 + (m * 7) % 13; };
  for (int m = 0; m < 20; ++m)
    tape.candle(bin_btc, noon + m * min, halved(close(m)), noon + (m + 1) * min + s);
  tape.tick(noon + 20 * min + 2 * s);
  Played run(tape);
  Tape late;
  late.candle(bin_btc, noon + 14 * min, halved(130), noon + 20 * min + 3 * s);
  const std::vector<MinuteRow> rows = after(late, run);
  // What a run that had the right candle in time would have written.
  Tape right;
  right.instrument(bin_btc, "BTC");
  right.tick(noon);
  for (int m = 0; m < 20; ++m)
    right.candle(bin_btc, noon + m * min, halved(m == 14 ? 130 : close(m)),
                 noon + (m + 1) * min + s);
  right.tick(noon + 20 * min + 2 * s);
  const Played straight(right);
  std::size_t rsi_rows = 0;
  for (const MinuteRow& row : rows) rsi_rows += row.kind == SpecKind::rsi ? 1 : 0;
  EXPECT_EQ(rsi_rows, 6u);  // minutes 14 .. 19
  for (const SpecKind kind : {SpecKind::ohlcv, SpecKind::rsi, SpecKind::tv})
    for (int m = 0; m < 20; ++m) {
      const MinuteRow* revised = run.all.find(bin_btc, kind, noon + m * min);
      const MinuteRow* expected = straight.all.find(bin_btc, kind, noon + m * min);
      ASSERT_EQ(revised == nullptr, expected == nullptr) << m;
      if (expected != nullptr) {
        EXPECT_EQ(revised->values, expected->values) << m;
      }
    }
}

// 30 bars of history fetched at the start, ascending: flagged rows with exact changes, in the ring
// and before it.
TEST(Backfill, AscendingCandlesGetTheirChanges) {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon + 30 * s);
  const auto close = [](int m) { return 200.0 + m; };
  for (int m = -60; m < 0; ++m)
    tape.candle(bin_btc, noon + m * min, halved(close(m)), noon + 31 * s, market::Tristate::yes,
                market::flag_backfill);
  tape.candle(bin_btc, noon, halved(close(0)), noon + min + s);
  tape.tick(noon + min + 2 * s);
  const Played run(tape);
  EXPECT_EQ(run.all.count(bin_btc, SpecKind::ohlcv), 61u);
  for (int m = -60; m <= 0; ++m) {
    const MinuteRow* row = run.all.find(bin_btc, SpecKind::ohlcv, noon + m * min);
    ASSERT_NE(row, nullptr) << m;
    EXPECT_EQ(row->flags, market::flag_derived | (m < 0 ? market::flag_backfill : 0)) << m;
    for (std::size_t w = 0; w < 3; ++w) {
      const int minutes = market::change_windows_minutes[w];
      const int id = static_cast<int>(256 * (1 + w)) + raw_id("c");
      ASSERT_EQ(row->values.count(id), m - minutes >= -60 ? 1u : 0u) << m << " " << minutes;
      if (m - minutes < -60) continue;
      const double v = minutes / close(m - minutes) * 100;
      EXPECT_NEAR(row->values.at(id), v, 0.0005 + 1e-9);
    }
    EXPECT_EQ(run.all.value(bin_btc, SpecKind::tv, noon + m * min, "tbv"), 500) << m;
  }
  EXPECT_EQ(run.state.totals().backfilled[0], 60u);
}

// A feed is away for an hour; the REST fill brings the hole after live candles have begun again.
TEST(Backfill, FillsAHoleAndMendsWhatLooksBackAtIt) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.tick(noon);
  for (int m = 0; m < 3; ++m)
    tape.candle(byb_btc, noon + m * min, flat(100 + m), noon + (m + 1) * min + s);
  tape.ticks(noon + 3 * min + 2 * s, noon + 62 * min);
  tape.candle(byb_btc, noon + 62 * min, flat(162), noon + 63 * min + s);
  tape.tick(noon + 63 * min + 3 * s);
  for (int m = 3; m < 62; ++m)
    tape.candle(byb_btc, noon + m * min, flat(100 + m), noon + 63 * min + 4 * s,
                market::Tristate::yes, market::flag_backfill);
  const Played run(tape);
  for (int m = 0; m <= 62; ++m) {
    const MinuteRow* row = run.all.find(byb_btc, SpecKind::ohlcv, noon + m * min);
    ASSERT_NE(row, nullptr) << m;
    EXPECT_EQ(row->values.at(raw_id("c")), 100 + m);
    // The first ten of the hole look back at rows that have left the ring; every other one has its
    // changes.
    if (m >= 13) {
      EXPECT_EQ(row->values.count(id_of_column("c_chg_10m")), 1u) << m;
    }
    if (m >= 4) {
      EXPECT_EQ(row->values.count(id_of_column("c_chg_1m")), 1u) << m;
    }
  }
  const MinuteRow* live = run.all.find(byb_btc, SpecKind::ohlcv, noon + 62 * min);
  EXPECT_TRUE(live->is_revision());
  EXPECT_EQ(live->values.at(id_of_column("c_chg_5m")), 3.185);  // 157 -> 162
}

// REST sent a minute's candle before the minute was closed: it is simply that minute's candle.
TEST(Backfill, OfAnOpenMinuteWaitsForItsClose) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.tick(noon);
  tape.candle(byb_btc, noon, flat(5), noon + min + s, market::Tristate::yes, market::flag_backfill);
  Played run(tape);
  EXPECT_TRUE(run.all.minutes.empty());
  Tape later;
  later.tick(noon + min + 2 * s);
  run.play(later);
  ASSERT_EQ(run.all.minutes.size(), 1u);
  EXPECT_EQ(run.all.minutes[0].flags, market::flag_derived);
}

TEST(Backfill, BeforeAnyTimeIsKnownIsWrittenAtOnce) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  auto& kline = tape.candle(byb_btc, noon, flat(5), core::unknown_ns, market::Tristate::yes,
                            market::flag_backfill);
  (void)kline;
  const Played run(tape);
  ASSERT_EQ(run.all.minutes.size(), 1u);
  EXPECT_TRUE(run.all.minutes[0].is_backfill());
  EXPECT_EQ(run.all.minutes[0].receive_ns, core::unknown_ns);
}

TEST(Backfill, OfTradesBuildsNoMinute) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.live(VenueId::bybit, RecordType::trade, noon);
  tape.trade(byb_btc, noon + s, 100, 1, market::Side::buy, 50 * ms, market::flag_backfill);
  tape.tick(noon + min + 2 * s);
  const Played run(tape);
  EXPECT_EQ(run.all.find(byb_btc, SpecKind::ohlcv, noon), nullptr);
  EXPECT_EQ(run.all.value(byb_btc, SpecKind::tv, noon, "tbv"), 0);
  EXPECT_EQ(run.state.totals().backfill_ignored, 1u);
}

}  // namespace
}  // namespace perp::test
