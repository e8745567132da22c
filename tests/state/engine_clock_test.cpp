// Engine time: receive times, recordings without them, and stamps that cannot be true.
#include "state/tape.hpp"

#include <gtest/gtest.h>

namespace perp::test {
namespace {

constexpr std::int64_t unknown = core::unknown_ns;

void add_untimed_trade(Tape& tape, std::int64_t ns, double price) {
  auto& trade = tape.add<market::Trade>(RecordType::trade, byb_btc, ns, unknown);
  trade.price = price;
  trade.quantity = 1;
  trade.taker_side = market::Side::buy;
}

TEST(EngineTime, IsTheGreatestReceiveTimeSeen) {
  Tape tape;
  tape.tick(noon);
  tape.tick(noon + 5 * s);
  tape.tick(noon + 3 * s);
  Played run;
  EXPECT_EQ(run.state.engine_time_ns(), unknown);
  run.play(tape);
  EXPECT_EQ(run.state.engine_time_ns(), noon + 5 * s);
}

TEST(EngineTime, ComesFromExchangeTimesInARecordingWithoutReceiveTimes) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  for (int i = 0; i < 16; ++i) add_untimed_trade(tape, noon - 10 * s + i * 10 * s, 100 + i);
  const Played run(tape);
  EXPECT_EQ(run.state.engine_time_ns(), noon + 140 * s);
  const MinuteRow* row = run.all.find(byb_btc, SpecKind::ohlcv, noon);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->values.at(raw_id("o")),
            101);  // the trade at noon; the first one, at noon - 10 s, was not lost
  EXPECT_EQ(row->values.at(raw_id("c")), 106);
  EXPECT_EQ(row->receive_ns, noon + 70 * s);  // the first record at or after the close
}

// One stamp a year ahead must neither close minutes nor stop them, wherever it stands.
TEST(EngineTime, IgnoresALoneStampFarInTheFuture) {
  for (int bad_at = 0; bad_at <= 16; ++bad_at) {
    Tape tape;
    tape.instrument(byb_btc, "BTC");
    for (int i = 0; i < 16; ++i) {
      if (i == bad_at) add_untimed_trade(tape, noon + 365 * core::ns_per_day, 1);
      add_untimed_trade(tape, noon - 10 * s + i * 10 * s, 100 + i);
    }
    if (bad_at == 16) add_untimed_trade(tape, noon + 365 * core::ns_per_day, 1);
    const Played run(tape);
    EXPECT_EQ(run.state.engine_time_ns(), noon + 140 * s) << bad_at;
    const MinuteRow* row = run.all.find(byb_btc, SpecKind::ohlcv, noon);
    ASSERT_NE(row, nullptr) << bad_at;
    EXPECT_EQ(row->values.at(raw_id("l")), 101) << bad_at;
    EXPECT_EQ(run.state.totals().implausible_times, bad_at == 16 ? 0u : 1u)
        << bad_at;  // the last is still held
  }
}

// The seam between two recordings a day apart is believed as soon as a second record agrees, and
// nothing is lost.
TEST(EngineTime, FollowsARecordingThatGoesOnElsewhere) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  add_untimed_trade(tape, noon, 1);
  add_untimed_trade(tape, noon + s, 1);
  const std::int64_t next_day = noon + core::ns_per_day - 5 * s;
  for (int i = 0; i < 16; ++i) add_untimed_trade(tape, next_day + i * 5 * s, 200 + i);
  const Played run(tape);
  EXPECT_EQ(run.state.engine_time_ns(), next_day + 75 * s);
  EXPECT_EQ(run.state.totals().blind_jumps, 1u);
  const MinuteRow* row = run.all.find(byb_btc, SpecKind::ohlcv, noon + core::ns_per_day);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->values.at(raw_id("o")), 201);
  EXPECT_EQ(row->values.at(raw_id("c")), 212);
}

// With receive times known, a record's own far time moves nothing and reaches no minute.
TEST(EngineTime, RefusesExchangeTimesFarAheadOfTheReceiveClock) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.live(VenueId::bybit, RecordType::trade, noon);
  tape.trade(byb_btc, noon + s, 100, 1);
  tape.trade(byb_btc, noon + 365 * core::ns_per_day, 1, 1, market::Side::buy,
             -365 * core::ns_per_day + 2 * s);
  tape.trade(byb_btc, noon + 3 * s, 101, 1);
  tape.tick(noon + min + 2 * s);
  const Played run(tape);
  EXPECT_EQ(run.all.value(byb_btc, SpecKind::ohlcv, noon, "l"), 100);
  EXPECT_EQ(run.all.value(byb_btc, SpecKind::ohlcv, noon, "v"), 201);
  EXPECT_EQ(run.state.totals().implausible_times, 1u);
}

// Receive clocks that run behind the exchange's by a second and a half are real (2024 recordings).
TEST(EngineTime, TakesExchangeTimesAheadOfIt) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.tick(noon - 5 * s);
  tape.trade(byb_btc, noon - s, 99, 1, market::Side::buy, -1500 * ms);
  tape.trade(byb_btc, noon + s, 100, 1, market::Side::buy, -1500 * ms);
  tape.trade(byb_btc, noon + 61 * s, 102, 1, market::Side::buy, -1500 * ms);
  tape.tick(noon + min + 2 * s);
  const Played run(tape);
  EXPECT_EQ(run.all.value(byb_btc, SpecKind::ohlcv, noon, "c"), 100);
}

TEST(EngineTime, JumpOfAYearClosesAtOnce) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.tick(noon);
  tape.candle(byb_btc, noon, {1, 1, 1, 1, 1}, noon + 61 * s);
  tape.tick(noon + 365 * core::ns_per_day);
  tape.tick(noon + 365 * core::ns_per_day + s);
  const Played run(tape);
  EXPECT_EQ(run.all.count(byb_btc, SpecKind::ohlcv), 1u);
}

TEST(EngineTime, SkipsDerivedRecordsAsInput) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.tick(noon);
  tape.add<market::Minute>(RecordType::minute, byb_btc, noon + min, noon + core::ns_per_day,
                           market::flag_derived);
  const Played run(tape);
  EXPECT_EQ(run.state.engine_time_ns(), noon);
  EXPECT_EQ(run.state.totals().derived_skipped, 1u);
}

}  // namespace
}  // namespace perp::test
