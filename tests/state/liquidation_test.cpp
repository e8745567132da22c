// Liquidations per minute: sides, prices, zero rows, and the categorical change. Numbers worked by
// hand.
#include "state/tape.hpp"

#include <gtest/gtest.h>

namespace perp::test {
namespace {

using market::PositionSide;
constexpr PositionSide longs = PositionSide::long_side;
constexpr PositionSide shorts = PositionSide::short_side;

Tape live_tape() {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.live(VenueId::bybit, RecordType::liquidation, noon);
  return tape;
}

TEST(Liquidations, OfAQuietMinuteAreAMeasuredZero) {
  Tape tape = live_tape();
  tape.tick(noon + min + 2 * s);
  const Played run(tape);
  const MinuteRow* row = run.all.find(byb_btc, SpecKind::lq, noon);
  ASSERT_NE(row, nullptr);
  const std::map<int, double> expected{
      {raw_id("lqqty"), 0}, {raw_id("lql"), 0}, {raw_id("lqs"), 0}};
  EXPECT_EQ(row->values, expected);  // lqside and lqprice are absent
  EXPECT_EQ(row->origin, market::MinuteOrigin::liquidations);
}

TEST(Liquidations, HaveNoRowWhileTheStreamIsNotKnownToBeLive) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.tick(noon);
  tape.liquidation(byb_btc, noon + 10 * s, longs, 100,
                   1);  // the first message: half the minute is unseen
  tape.tick(noon + min + 2 * s);
  tape.tick(noon + 2 * min + 2 * s);
  const Played run(tape);
  EXPECT_EQ(run.all.find(byb_btc, SpecKind::lq, noon), nullptr);
  EXPECT_NE(run.all.find(byb_btc, SpecKind::lq, noon + min), nullptr);
  ASSERT_EQ(run.all.gaps.size(), 1u);
  EXPECT_EQ(run.all.gaps[0].stream, RecordType::liquidation);
}

TEST(Liquidations, SumBothSidesAndNameTheOneWithMore) {
  Tape tape = live_tape();
  tape.liquidation(byb_btc, noon + 1 * s, longs, 100, 2);
  tape.liquidation(byb_btc, noon + 2 * s, shorts, 110, 10);
  tape.liquidation(byb_btc, noon + 3 * s, longs, 90, 1);
  tape.tick(noon + min + 2 * s);
  const Played run(tape);
  const auto value = [&](const char* column) {
    return run.all.value(byb_btc, SpecKind::lq, noon, column);
  };
  EXPECT_EQ(value("lqside"), 1);  // two longs against one short, though the short is larger
  EXPECT_EQ(value("lql"), 290);
  EXPECT_EQ(value("lqs"), 1100);
  EXPECT_EQ(value("lqqty"), 13);
  EXPECT_DOUBLE_EQ(value("lqprice"), 1390.0 / 13);
}

TEST(Liquidations, BreakATieOfCountsByDollarsAndLeaveATieOfBothOpen) {
  Tape tape = live_tape();
  tape.liquidation(byb_btc, noon + 1 * s, longs, 100, 2);
  tape.liquidation(byb_btc, noon + 2 * s, shorts, 100, 3);
  tape.liquidation(byb_btc, noon + min + 1 * s, longs, 100, 2);
  tape.liquidation(byb_btc, noon + min + 2 * s, shorts, 50, 4);
  tape.tick(noon + min + 5 * s);
  tape.tick(noon + 2 * min + 2 * s);
  const Played run(tape);
  EXPECT_EQ(run.all.value(byb_btc, SpecKind::lq, noon, "lqside"), 2);
  EXPECT_TRUE(std::isnan(run.all.value(byb_btc, SpecKind::lq, noon + min, "lqside")));
  EXPECT_EQ(run.all.value(byb_btc, SpecKind::lq, noon + min, "lql"), 200);
}

TEST(Liquidations, OfAnUnknownSideLeaveTheSidesUnknown) {
  Tape tape = live_tape();
  tape.liquidation(byb_btc, noon + 1 * s, longs, 100, 2);
  tape.liquidation(byb_btc, noon + 2 * s, PositionSide::unknown, 100, 3);
  tape.tick(noon + min + 2 * s);
  const Played run(tape);
  const std::map<int, double> expected{{raw_id("lqprice"), 100}, {raw_id("lqqty"), 5}};
  EXPECT_EQ(run.all.find(byb_btc, SpecKind::lq, noon)->values, expected);
}

TEST(Liquidations, UseTheOrderPriceThatAllVenuesGive) {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.live(VenueId::binance, RecordType::liquidation, noon);
  tape.liquidation(bin_btc, noon + s, longs, 100, 2).average_price = 103;
  tape.liquidation(bin_btc, noon + min + s, longs, market::missing, 2).average_price = 103;
  tape.tick(noon + min + 3 * s);
  tape.tick(noon + 2 * min + 2 * s);
  const Played run(tape);
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::lq, noon, "lql"), 200);
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::lq, noon + min, "lql"), 206);
}

// A venue-wide stream's first message makes it live for every instrument.
TEST(Liquidations, OfAVenueWideStreamProveSilenceElsewhere) {
  Tape tape;
  const std::uint32_t eth = id_of(VenueId::okx, 2);
  tape.instrument(okx_btc, "BTC");
  tape.instrument(eth, "ETH");
  tape.tick(noon);
  tape.liquidation(okx_btc, noon + 10 * s, longs, 100, 1, true);
  const std::uint32_t late = id_of(VenueId::okx, 3);
  tape.instrument(late, "SOL");
  tape.tick(noon + min + 2 * s);
  tape.tick(noon + 2 * min + 2 * s);
  const Played run(tape);
  for (const std::uint32_t id : {okx_btc, eth, late}) {
    EXPECT_EQ(run.all.find(id, SpecKind::lq, noon), nullptr);
    EXPECT_EQ(run.all.value(id, SpecKind::lq, noon + min, "lqqty"), 0);
  }
}

// Connections are numbered from 1; 0 is the feed as such, which a restarted engine says is down.
TEST(Liquidations, OfAVenueWideStreamEndWithItsConnectionOrTheWholeFeed) {
  for (const std::uint32_t down : {3U, 2U, 0U}) {
    SCOPED_TRACE(down);
    Tape tape;
    tape.instrument(bin_btc, "BTC");
    tape.status(VenueId::binance, market::FeedState::live, RecordType::liquidation, noon, 2);
    tape.ticks(noon, noon + min + 30 * s);
    tape.status(VenueId::binance, market::FeedState::down, RecordType::padding, noon + min + 30 * s,
                down);
    tape.ticks(noon + min + 30 * s, noon + 3 * min + 2 * s);
    tape.status(VenueId::binance, market::FeedState::live, RecordType::liquidation, noon + 4 * min,
                5);
    tape.tick(noon + 5 * min + 2 * s);
    const Played run(tape);
    const bool goes_on = down == 3;
    EXPECT_NE(run.all.find(bin_btc, SpecKind::lq, noon), nullptr);
    for (const int minute : {1, 2})
      EXPECT_EQ(run.all.find(bin_btc, SpecKind::lq, noon + minute * min) != nullptr, goes_on)
          << minute;
    EXPECT_NE(run.all.find(bin_btc, SpecKind::lq, noon + 4 * min), nullptr);
  }
}

// warehouse.md 4.3: the side of the row w minutes earlier decides; a NULL side there counts as
// different, a missing row gives NULL.
TEST(Liquidations, SideChangeNamesTheNewSide) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.tick(noon);
  tape.live(VenueId::bybit, RecordType::liquidation, noon + min);  // no row for minute 0
  // minute:              1      2     3     4       5      6
  // side:                long   -     long  short   -      short
  tape.liquidation(byb_btc, noon + 1 * min + s, longs, 100, 1);
  tape.tick(noon + 2 * min + 10 * s);
  tape.liquidation(byb_btc, noon + 3 * min + s, longs, 100, 1);
  tape.liquidation(byb_btc, noon + 4 * min + s, shorts, 100, 1);
  tape.tick(noon + 5 * min + 10 * s);
  tape.liquidation(byb_btc, noon + 6 * min + s, shorts, 100, 1);
  tape.tick(noon + 7 * min + 2 * s);
  const Played run(tape);
  const auto change = [&](int m, const char* column) {
    return run.all.value(byb_btc, SpecKind::lq, noon + m * min, column);
  };
  EXPECT_TRUE(std::isnan(change(1, "lqside_chg_1m")));  // no row at minute 0
  EXPECT_TRUE(std::isnan(change(2, "lqside_chg_1m")));  // no side now
  EXPECT_EQ(change(3, "lqside_chg_1m"), 1);             // nothing -> long
  EXPECT_EQ(change(4, "lqside_chg_1m"), 2);             // long -> short
  EXPECT_EQ(change(6, "lqside_chg_1m"), 2);             // nothing -> short
  EXPECT_EQ(change(6, "lqside_chg_5m"), 2);             // long at minute 1 -> short
  EXPECT_TRUE(std::isnan(change(3, "lqqty_chg_1m")));   // from 0: undefined
  EXPECT_EQ(change(2, "lqqty_chg_1m"), -100);           // to 0: -100 %
}

TEST(Liquidations, SameSideIsNoChange) {
  Tape tape = live_tape();
  tape.liquidation(byb_btc, noon + s, longs, 100, 1);
  tape.liquidation(byb_btc, noon + min + s, longs, 100, 3);
  tape.tick(noon + 2 * min + 2 * s);
  const Played run(tape);
  EXPECT_TRUE(std::isnan(run.all.value(byb_btc, SpecKind::lq, noon + min, "lqside_chg_1m")));
  EXPECT_EQ(run.all.value(byb_btc, SpecKind::lq, noon + min, "lqqty_chg_1m"), 200);
}

TEST(Liquidations, ThatComeLateReviseTheirRow) {
  Tape tape = live_tape();
  tape.ticks(noon, noon + 2 * min + 2 * s);
  tape.liquidation(byb_btc, noon + 59 * s, longs, 100, 2, false, 65 * s);
  const Played run(tape);
  const MinuteRow* row = run.all.find(byb_btc, SpecKind::lq, noon);
  EXPECT_TRUE(row->is_revision());
  EXPECT_EQ(row->values.at(raw_id("lqqty")), 2);
  // The minute after it now falls from 2 to 0.
  EXPECT_EQ(run.all.value(byb_btc, SpecKind::lq, noon + min, "lqqty_chg_1m"), -100);
  EXPECT_EQ(run.state.totals().late_liquidations, 1u);
}

}  // namespace
}  // namespace perp::test
