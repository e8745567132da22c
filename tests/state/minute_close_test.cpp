// How a minute closes: candle, trades, wholeness, gaps. Every expected number is worked by hand.
#include "state/tape.hpp"

#include <gtest/gtest.h>

namespace perp::test {
namespace {

TEST(MinuteClose, ComesTwoSecondsAfterTheMinutesEnd) {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon + 1 * s);
  tape.candle(bin_btc, noon, {100, 110, 90, 105, 1000, 600}, noon + min + 500 * ms);
  tape.tick(noon + min + 2 * s - 1);
  Played run(tape);
  EXPECT_TRUE(run.all.minutes.empty());
  Tape more;
  more.tick(noon + min + 2 * s);
  run.play(more);
  const MinuteRow* row = run.all.find(bin_btc, SpecKind::ohlcv, noon);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->exchange_ns, noon + min);
  EXPECT_EQ(row->receive_ns, noon + min + 2 * s);
  EXPECT_EQ(row->flags, market::flag_derived);
  EXPECT_EQ(row->origin, market::MinuteOrigin::candle);
  const std::map<int, double> expected{{raw_id("o"), 100},
                                       {raw_id("h"), 110},
                                       {raw_id("l"), 90},
                                       {raw_id("c"), 105},
                                       {raw_id("v"), 1000}};
  EXPECT_EQ(row->values, expected);  // no changes: there is no earlier row
  // Taker volumes come from the same candle: 1000 - 600.
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::tv, noon, "tbv"), 600);
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::tv, noon, "tsv"), 400);
  EXPECT_EQ(run.state.totals().minutes_closed[0], 1u);
}

TEST(MinuteClose, GivesChangesAtExactTimeOffsets) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.tick(noon);
  // Closes 100 .. 110 at minutes 0 .. 10, minute 6 missing.
  for (int m = 0; m <= 10; ++m) {
    if (m == 6) continue;
    const double c = 100 + m;
    tape.candle(byb_btc, noon + m * min, {c, c, c, c, 50.0 * (m + 1)}, noon + (m + 1) * min + s);
  }
  tape.tick(noon + 11 * min + 2 * s);
  const Played run(tape);
  const auto value = [&](int m, const char* column) {
    return run.all.value(byb_btc, SpecKind::ohlcv, noon + m * min, column);
  };
  EXPECT_EQ(value(1, "c_chg_1m"), 1.0);    // 100 -> 101
  EXPECT_EQ(value(1, "v_chg_1m"), 100.0);  // 50 -> 100
  EXPECT_TRUE(std::isnan(value(1, "c_chg_5m")));
  EXPECT_EQ(value(5, "c_chg_5m"), 5.0);           // 100 -> 105
  EXPECT_TRUE(std::isnan(value(7, "c_chg_1m")));  // minute 6 is missing: not the change to minute 5
  EXPECT_EQ(value(7, "c_chg_5m"), 4.902);         // 102 -> 107: 4.90196
  EXPECT_EQ(value(10, "c_chg_10m"), 10.0);        // 100 -> 110
  EXPECT_EQ(value(10, "c_chg_5m"), 4.762);        // 105 -> 110: 4.76190
  EXPECT_EQ(value(10, "v_chg_10m"), 1000.0);      // 50 -> 550
  EXPECT_EQ(run.all.find(byb_btc, SpecKind::ohlcv, noon + 6 * min), nullptr);
  EXPECT_TRUE(std::isnan(value(10, "o_chg_1m")));  // o, h, l have no change
}

TEST(MinuteClose, BuildsARowFromAWhollySeenTradeStream) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.trade(byb_btc, noon - 5 * s, 99, 1);  // live before the minute begins
  tape.trade(byb_btc, noon, 100, 2, market::Side::buy);
  tape.trade(byb_btc, noon + 30 * s, 120, 1, market::Side::sell);
  tape.trade(byb_btc, noon + 20 * s, 80, 1, market::Side::sell);  // out of order
  tape.trade(byb_btc, noon + min - 1, 110, 3, market::Side::buy);
  tape.trade(byb_btc, noon + min, 500, 1);  // the next minute's
  tape.tick(noon + min + 2 * s);
  const Played run(tape);
  const MinuteRow* row = run.all.find(byb_btc, SpecKind::ohlcv, noon);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->origin, market::MinuteOrigin::trades);
  EXPECT_EQ(row->values.at(raw_id("o")), 100);
  EXPECT_EQ(row->values.at(raw_id("h")), 120);
  EXPECT_EQ(row->values.at(raw_id("l")), 80);
  EXPECT_EQ(row->values.at(raw_id("c")), 110);
  EXPECT_EQ(row->values.at(raw_id("v")), 200 + 120 + 80 + 330);
  EXPECT_EQ(run.all.value(byb_btc, SpecKind::tv, noon, "tbv"), 530);
  EXPECT_EQ(run.all.value(byb_btc, SpecKind::tv, noon, "tsv"), 200);
  // The minute in which the stream began was half seen.
  ASSERT_EQ(run.all.gaps.size(), 1u);
  EXPECT_EQ(run.all.gaps[0].from_ns, noon - min);
  EXPECT_EQ(run.all.minutes.size(), 2u);
}

TEST(MinuteClose, WritesAGapForAHalfSeenMinuteOnce) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.tick(noon);
  tape.trade(byb_btc, noon + 1, 100, 1);  // a nanosecond late
  tape.trade(byb_btc, noon + 30 * s, 101, 1);
  tape.trade(byb_btc, noon + min + s, 102, 1);
  tape.tick(noon + min + 2 * s);
  tape.tick(noon + 2 * min + 2 * s);
  const Played run(tape);
  EXPECT_EQ(run.all.find(byb_btc, SpecKind::ohlcv, noon), nullptr);
  EXPECT_EQ(run.all.find(byb_btc, SpecKind::tv, noon), nullptr);
  ASSERT_EQ(run.all.gaps.size(), 1u);
  EXPECT_EQ(run.all.gaps[0].from_ns, noon);
  EXPECT_EQ(run.all.gaps[0].to_ns, noon + min);
  EXPECT_EQ(run.all.gaps[0].stream, RecordType::trade);
  EXPECT_EQ(run.all.gaps[0].cause, market::GapCause::half_seen);
  EXPECT_EQ(run.state.totals().half_seen, 1u);
  // The next minute is whole.
  EXPECT_EQ(run.all.value(byb_btc, SpecKind::ohlcv, noon + min, "c"), 102);
}

TEST(MinuteClose, SaysNothingOfAMinuteOfWhichNothingWasSeen) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.tick(noon);
  tape.ticks(noon, noon + 5 * min);
  const Played run(tape);
  EXPECT_TRUE(run.all.bytes.empty());
}

TEST(MinuteClose, NamesTheKlineStreamWhenOnlyAnOpenCandleWasSeen) {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon);
  tape.candle(bin_btc, noon, {1, 2, 1, 2, 10, 5}, noon + 20 * s, market::Tristate::no);
  tape.tick(noon + min + 2 * s);
  const Played run(tape);
  EXPECT_TRUE(run.all.minutes.empty());
  ASSERT_EQ(run.all.gaps.size(), 1u);
  EXPECT_EQ(run.all.gaps[0].stream, RecordType::kline);
}

TEST(MinuteClose, WithoutTradesOnALiveStreamHasNoPriceButMeasuredZeroVolume) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.live(VenueId::bybit, RecordType::trade, noon);
  tape.ticks(noon + s, noon + min + 2 * s);
  const Played run(tape);
  EXPECT_EQ(run.all.find(byb_btc, SpecKind::ohlcv, noon), nullptr);
  EXPECT_EQ(run.all.value(byb_btc, SpecKind::tv, noon, "tbv"), 0);
  EXPECT_EQ(run.all.value(byb_btc, SpecKind::tv, noon, "tsv"), 0);
  EXPECT_TRUE(run.all.gaps.empty());
}

TEST(MinuteClose, LeavesTakerVolumesOutWhenATakerIsUnknown) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.live(VenueId::bybit, RecordType::trade, noon);
  tape.trade(byb_btc, noon + s, 100, 1, market::Side::buy);
  tape.trade(byb_btc, noon + 2 * s, 100, 1, market::Side::unknown);
  tape.tick(noon + min + 2 * s);
  const Played run(tape);
  EXPECT_EQ(run.all.value(byb_btc, SpecKind::ohlcv, noon, "v"), 200);
  EXPECT_EQ(run.all.find(byb_btc, SpecKind::tv, noon), nullptr);
}

TEST(MinuteClose, KeepsBlockTradesOutOfPricesOnly) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.live(VenueId::bybit, RecordType::trade, noon);
  tape.trade(byb_btc, noon + s, 100, 1, market::Side::buy);
  tape.trade(byb_btc, noon + 2 * s, 50, 10, market::Side::sell).is_block = market::Tristate::yes;
  tape.tick(noon + min + 2 * s);
  const Played run(tape);
  EXPECT_EQ(run.all.value(byb_btc, SpecKind::ohlcv, noon, "l"), 100);
  EXPECT_EQ(run.all.value(byb_btc, SpecKind::ohlcv, noon, "v"), 600);
  EXPECT_EQ(run.all.value(byb_btc, SpecKind::tv, noon, "tsv"), 500);
}

// Hyperliquid never says closed, and its candle has no quote volume: v is the sum of whole trades,
// else absent.
TEST(MinuteClose, TakesACandleOfAVenueThatNeverSaysClosed) {
  Tape tape;
  tape.instrument(hyp_btc, "BTC");
  tape.live(VenueId::hyperliquid, RecordType::trade, noon + 30 * s);
  tape.candle(hyp_btc, noon, {10, 12, 9, 11}, noon + 40 * s, market::Tristate::unknown);
  tape.candle(hyp_btc, noon, {10, 13, 9, 12}, noon + 59 * s, market::Tristate::unknown);
  tape.trade(hyp_btc, noon + 61 * s, 12, 2, market::Side::sell);
  tape.candle(hyp_btc, noon + min, {12, 12, 12, 12}, noon + 61 * s, market::Tristate::unknown);
  tape.tick(noon + min + 2 * s);
  tape.tick(noon + 2 * min + 2 * s);
  const Played run(tape);
  const MinuteRow* row = run.all.find(hyp_btc, SpecKind::ohlcv, noon);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->values.at(raw_id("h")), 13);
  EXPECT_EQ(row->values.at(raw_id("c")), 12);
  EXPECT_EQ(row->values.count(raw_id("v")), 0u);  // the trade stream was live for half of it
  EXPECT_EQ(run.all.value(hyp_btc, SpecKind::ohlcv, noon + min, "v"), 24);
  EXPECT_EQ(run.all.value(hyp_btc, SpecKind::tv, noon + min, "tbv"), 0);
  EXPECT_EQ(run.all.value(hyp_btc, SpecKind::tv, noon + min, "tsv"), 24);
  // The candle gave a row, but taker volumes of minute 0 need trades: one gap.
  ASSERT_EQ(run.all.gaps.size(), 1u);
  EXPECT_EQ(run.all.gaps[0].from_ns, noon);
  EXPECT_EQ(run.all.gaps[0].stream, RecordType::trade);
}

TEST(MinuteClose, CountsOtherInstrumentsAndGivesThemNoMinute) {
  Tape tape;
  const std::uint32_t usdc = id_of(VenueId::binance, 2);
  const std::uint32_t gone = id_of(VenueId::binance, 3);
  tape.instrument(usdc, "BTC", false);
  tape.instrument(gone, "LUNA", true, market::InstrumentStatus::delisted);
  tape.live(VenueId::binance, RecordType::liquidation, noon);
  tape.candle(usdc, noon, {1, 1, 1, 1, 1, 1}, noon + 30 * s);
  tape.candle(id_of(VenueId::binance, 77), noon, {1, 1, 1, 1, 1, 1}, noon + 30 * s);
  tape.tick(noon + min + 2 * s);
  const Played run(tape);
  EXPECT_TRUE(run.all.bytes.empty());
  EXPECT_EQ(run.state.totals().other_instruments, 1u);
  EXPECT_EQ(run.state.totals().other_records, 1u);
  EXPECT_EQ(run.state.totals().unknown_instruments, 1u);
}

TEST(MinuteClose, IgnoresCandlesOfOtherPricesAndIntervals) {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon);
  tape.candle(bin_btc, noon, {1, 1, 1, 1, 1, 1}, noon + 61 * s).price_kind =
      market::PriceKind::mark;
  tape.candle(bin_btc, noon, {1, 1, 1, 1, 1, 1}, noon + 61 * s, market::Tristate::yes, 0, 5 * min);
  tape.candle(bin_btc, noon, {1, 1, 0, 1, 1, 1}, noon + 61 * s);  // a low of 0 is no price
  tape.tick(noon + min + 2 * s);
  const Played run(tape);
  EXPECT_TRUE(run.all.bytes.empty());
  EXPECT_EQ(run.state.totals().unusable, 1u);
}

TEST(MinuteClose, WritesVenuesInstrumentsAndKindsInOrder) {
  Tape tape;
  const std::uint32_t eth = id_of(VenueId::binance, 2);
  tape.instrument(okx_btc, "BTC");
  tape.instrument(eth, "ETH");
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon);
  for (const std::uint32_t id : {eth, okx_btc, bin_btc})
    tape.candle(id, noon, {1, 1, 1, 1, 4, 2}, noon + 61 * s);
  tape.tick(noon + min + 2 * s);
  const Played run(tape);
  ASSERT_EQ(run.all.minutes.size(), 6u);
  std::vector<std::pair<std::uint32_t, SpecKind>> order;
  for (const MinuteRow& row : run.all.minutes) order.emplace_back(row.instrument, row.kind);
  const std::vector<std::pair<std::uint32_t, SpecKind>> expected{
      {bin_btc, SpecKind::ohlcv}, {bin_btc, SpecKind::tv},    {eth, SpecKind::ohlcv},
      {eth, SpecKind::tv},        {okx_btc, SpecKind::ohlcv}, {okx_btc, SpecKind::tv}};
  EXPECT_EQ(order, expected);
}

struct BrokenBy {
  const char* name;
  void (*add)(Tape&);
};

// Each of these in the middle of minute 1 must break minute 1 and no other. Minute 0 has trades,
// too.
class Wholeness : public testing::TestWithParam<BrokenBy> {};

TEST_P(Wholeness, IsBrokenForExactlyTheMinuteConcerned) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.live(VenueId::bybit, RecordType::trade, noon);
  for (int m = 0; m < 2; ++m) tape.trade(byb_btc, noon + m * min + 10 * s, 100 + m, 1);
  GetParam().add(tape);
  tape.trade(byb_btc, noon + min + 40 * s, 150, 1);
  tape.trade(byb_btc, noon + 2 * min + 10 * s, 160, 1);
  tape.tick(noon + 2 * min + 20 * s);
  tape.tick(noon + 3 * min + 2 * s);
  const Played run(tape);
  EXPECT_NE(run.all.find(byb_btc, SpecKind::ohlcv, noon), nullptr);
  EXPECT_EQ(run.all.find(byb_btc, SpecKind::ohlcv, noon + min), nullptr);
  EXPECT_NE(run.all.find(byb_btc, SpecKind::ohlcv, noon + 2 * min), nullptr);
  ASSERT_EQ(run.all.gaps.size(), 1u);
  EXPECT_EQ(run.all.gaps[0].from_ns, noon + min);
  EXPECT_EQ(run.state.totals().interruptions, 1u);
}

constexpr std::int64_t half_past = noon + min + 30 * s;

const BrokenBy breaks[] = {
    {"stale",
     [](Tape& tape) {
       tape.status(VenueId::bybit, market::FeedState::stale, RecordType::trade, half_past);
     }},
    {"down",
     [](Tape& tape) {
       tape.status(VenueId::bybit, market::FeedState::down, RecordType::padding, half_past);
     }},
    {"reconnecting",
     [](Tape& tape) {
       tape.status(VenueId::bybit, market::FeedState::reconnecting, RecordType::trade, half_past, 0,
                   1);
     }},
    {"gap_record",
     [](Tape& tape) {
       auto& gap = tape.add<market::Gap>(RecordType::gap, byb_btc, half_past, half_past);
       gap.stream = RecordType::trade;
       gap.from_ns = half_past;
       gap.to_ns = half_past + 2 * s;
     }},
    {"open_gap_record",
     [](Tape& tape) {
       tape.add<market::Gap>(RecordType::gap, byb_btc, half_past, half_past).stream =
           RecordType::trade;
     }},
    {"gap_before",
     [](Tape& tape) {
       tape.trade(byb_btc, half_past, 140, 1, market::Side::buy, 50 * ms, market::flag_gap_before);
     }},
};
std::string break_name(const testing::TestParamInfo<BrokenBy>& tested) { return tested.param.name; }

INSTANTIATE_TEST_SUITE_P(By, Wholeness, testing::ValuesIn(breaks), break_name);

// History that a venue does not keep is no interruption of a stream.
TEST(Liveness, IsNotBrokenByAGapRecordOfHistory) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.live(VenueId::bybit, RecordType::trade, noon);
  tape.trade(byb_btc, noon + 10 * s, 100, 1);
  auto& gap = tape.add<market::Gap>(RecordType::gap, byb_btc, noon + 30 * s, noon + 30 * s,
                                    market::flag_backfill);
  gap.stream = RecordType::trade;
  gap.cause = market::GapCause::venue_has_none;
  gap.from_ns = noon - 60 * min;
  gap.to_ns = noon + 20 * s;
  tape.tick(noon + min + 2 * s);
  const Played run(tape);
  EXPECT_NE(run.all.find(byb_btc, SpecKind::ohlcv, noon), nullptr);
  EXPECT_EQ(run.state.totals().interruptions, 0u);
}

TEST(Liveness, OfAConnectionProvesNoSubscription) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.live(VenueId::bybit, RecordType::padding, noon);
  tape.ticks(noon + s, noon + min + 2 * s);
  EXPECT_TRUE(Played(tape).all.bytes.empty());
}

TEST(Liveness, SurvivesTheLossOfAnotherConnection) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.status(VenueId::bybit, market::FeedState::live, RecordType::trade, noon, 1);
  tape.status(VenueId::bybit, market::FeedState::down, RecordType::padding, noon + 30 * s, 2);
  tape.tick(noon + min + 2 * s);
  tape.status(VenueId::bybit, market::FeedState::down, RecordType::padding, noon + 90 * s, 1);
  tape.tick(noon + 2 * min + 2 * s);
  const Played run(tape);
  EXPECT_NE(run.all.find(byb_btc, SpecKind::tv, noon), nullptr);
  EXPECT_EQ(run.all.find(byb_btc, SpecKind::tv, noon + min), nullptr);
}

// A restart or a suspended machine: engine time jumps, and no silence proves anything.
TEST(Liveness, EndsWhereEngineTimeJumps) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.live(VenueId::bybit, RecordType::trade, noon);
  tape.ticks(noon, noon + 3 * min + 2 * s);
  tape.tick(noon + 20 * min);
  const Played run(tape);
  EXPECT_EQ(run.all.count(byb_btc, SpecKind::tv), 3u);
  EXPECT_EQ(run.state.totals().blind_jumps, 1u);
}

}  // namespace
}  // namespace perp::test
