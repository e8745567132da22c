// Open interest, predicted funding and long/short ratio: newest sample, carried forward, until it
// is stale.
#include "state/tape.hpp"

#include <gtest/gtest.h>

namespace perp::test {
namespace {

market::OpenInterest& add_open_interest(Tape& tape, std::uint32_t id, std::int64_t ns,
                                        std::int64_t period_ns = 0, std::int64_t receive_ns = 0,
                                        std::uint8_t flags = 0) {
  auto& made = tape.add<market::OpenInterest>(RecordType::open_interest, id, ns,
                                              receive_ns == 0 ? ns + 50 * ms : receive_ns, flags);
  made.period_ns = period_ns;
  return made;
}
market::LongShortRatio& add_ratio(Tape& tape, std::uint32_t id, std::int64_t ns, double ratio,
                                  std::int64_t receive_ns = 0, std::uint8_t flags = 0) {
  auto& made = tape.add<market::LongShortRatio>(RecordType::long_short_ratio, id, ns,
                                                receive_ns == 0 ? ns + 50 * ms : receive_ns, flags);
  made.ratio = ratio;
  made.kind = market::RatioKind::global_account;
  made.period_ns = 5 * min;
  return made;
}
market::Funding& add_funding(Tape& tape, std::uint32_t id, std::int64_t ns, double rate,
                             market::FundingKind kind = market::FundingKind::predicted) {
  auto& made = tape.add<market::Funding>(RecordType::funding, id, ns, ns + 50 * ms);
  made.rate = rate;
  made.kind = kind;
  return made;
}
void add_mark(Tape& tape, std::uint32_t id, std::int64_t ns, double price) {
  tape.add<market::MarkPrice>(RecordType::mark_price, id, ns, ns + 50 * ms).mark_price = price;
}

TEST(OpenInterest, IsNotionalElseQuantityTimesTheMarkOfTheMinutesEnd) {
  Tape tape;
  tape.instrument(okx_btc, "BTC");
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon);
  auto& told = add_open_interest(tape, okx_btc, noon + 10 * s);
  told.notional = 5e9;
  told.quantity = 7;
  told.contracts = 700;
  add_open_interest(tape, bin_btc, noon + 20 * s).quantity = 1000;
  add_mark(tape, bin_btc, noon + 15 * s, 60'000);
  add_mark(tape, bin_btc, noon + 59 * s, 61'000);
  add_mark(tape, bin_btc, noon + min, 99'000);  // the next minute's
  tape.tick(noon + min + 2 * s);
  const Played run(tape);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::oi, noon, "oi"), 5e9);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::oi, noon, "oi_contracts"), 700);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::oi, noon, "age_ms"), 0);  // from inside the minute
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::oi, noon, "oi"), 61e6);
  EXPECT_TRUE(std::isnan(run.all.value(bin_btc, SpecKind::oi, noon, "oi_contracts")));
}

TEST(OpenInterest, IsAbsentWithoutNotionalAndMark) {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon);
  add_open_interest(tape, bin_btc, noon + 20 * s).quantity = 1000;
  tape.tick(noon + min + 2 * s);
  EXPECT_TRUE(Played(tape).all.bytes.empty());
}

// A sample at second 20 of minute 0: the end of minute 2 is 160 s later, that of minute 3 220 s.
TEST(OpenInterest, OfNowIsCarriedForThreeMinutes) {
  Tape tape;
  tape.instrument(okx_btc, "BTC");
  tape.tick(noon);
  add_open_interest(tape, okx_btc, noon + 20 * s).notional = 5e9;
  tape.ticks(noon + 30 * s, noon + 5 * min);
  const Played run(tape);
  EXPECT_EQ(run.all.count(okx_btc, SpecKind::oi), 3u);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::oi, noon + 2 * min, "age_ms"),
            100'000);  // 12:02:00 - 12:00:20
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::oi, noon + 2 * min, "oi_chg_1m"), 0);
  // Exactly 180 s is still fresh.
  Tape edge;
  edge.instrument(okx_btc, "BTC");
  edge.tick(noon);
  add_open_interest(edge, okx_btc, noon).notional = 5e9;
  edge.ticks(noon + 30 * s, noon + 5 * min);
  EXPECT_EQ(Played(edge).all.count(okx_btc, SpecKind::oi), 3u);
}

// A five-minute sample at 12:00 speaks for the minutes 12:00 .. 12:10, never for 11:59 (forward
// only), with ages 0 .. 10 minutes: the end of 12:10 is 11 minutes after it.
TEST(OpenInterest, OfAPeriodIsCarriedForwardForElevenMinutes) {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon - 2 * min);
  add_open_interest(tape, bin_btc, noon, 5 * min).notional = 4e9;
  tape.ticks(noon + s, noon + 15 * min);
  const Played run(tape);
  EXPECT_EQ(run.all.find(bin_btc, SpecKind::oi, noon - min), nullptr);
  EXPECT_EQ(run.all.count(bin_btc, SpecKind::oi), 11u);
  for (int m = 0; m <= 10; ++m)
    EXPECT_EQ(run.all.value(bin_btc, SpecKind::oi, noon + m * min, "age_ms"), m * 60'000) << m;
}

TEST(OpenInterest, PrefersTheNewerOfALiveAndAPeriodSample) {
  Tape tape;
  tape.instrument(okx_btc, "BTC");
  tape.tick(noon);
  add_open_interest(tape, okx_btc, noon, 5 * min).notional = 1e9;
  add_open_interest(tape, okx_btc, noon + 30 * s).notional = 2e9;
  tape.ticks(noon + 31 * s, noon + 6 * min);
  const Played run(tape);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::oi, noon, "oi"), 2e9);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::oi, noon + 2 * min, "oi"), 2e9);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::oi, noon + 3 * min, "oi"),
            1e9);  // the live one is stale
}

TEST(OpenInterest, ThatComesLateIsCarriedButRewritesNothing) {
  Tape tape;
  tape.instrument(okx_btc, "BTC");
  tape.tick(noon);
  tape.tick(noon + min + 2 * s);
  add_open_interest(tape, okx_btc, noon + 50 * s, 0, noon + min + 3 * s).notional = 3e9;
  tape.tick(noon + 2 * min + 2 * s);
  const Played run(tape);
  EXPECT_EQ(run.all.find(okx_btc, SpecKind::oi, noon), nullptr);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::oi, noon + min, "oi"), 3e9);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::oi, noon + min, "age_ms"), 10'000);
  EXPECT_EQ(run.state.totals().late_samples, 1u);
}

TEST(Funding, IsThePredictedRateForTwoMinutes) {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon);
  add_funding(tape, bin_btc, noon + 10 * s, -0.0001);
  add_funding(tape, bin_btc, noon + 20 * s, 0.5, market::FundingKind::settled);
  add_funding(tape, bin_btc, noon + min + 30 * s, 0.0001);
  tape.ticks(noon + 2 * min, noon + 5 * min);
  const Played run(tape);
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::pfr, noon, "pfr"), -0.0001);
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::pfr, noon + min, "pfr"), 0.0001);
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::pfr, noon + min, "pfr_chg_1m"), 200);
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::pfr, noon + 2 * min, "pfr_chg_1m"), 0);
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::pfr, noon + 2 * min, "age_ms"), 30'000);
  EXPECT_EQ(run.all.find(bin_btc, SpecKind::pfr, noon + 3 * min), nullptr);  // 150 s old at its end
}

TEST(Funding, OfZeroIsAValueWithoutAChangeFromIt) {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon);
  add_funding(tape, bin_btc, noon + 10 * s, -0.0);
  add_funding(tape, bin_btc, noon + min + 10 * s, 0.0001);
  tape.tick(noon + min + 20 * s);
  tape.tick(noon + 2 * min + 2 * s);
  const Played run(tape);
  const double stored = run.all.value(bin_btc, SpecKind::pfr, noon, "pfr");
  EXPECT_EQ(stored, 0);
  EXPECT_FALSE(std::signbit(stored));
  EXPECT_TRUE(std::isnan(run.all.value(bin_btc, SpecKind::pfr, noon + min, "pfr_chg_1m")));
}

TEST(LongShortRatio, TakesTheGlobalAccountRatioOnly) {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon - 30 * s);
  add_ratio(tape, bin_btc, noon, 1.25);
  add_ratio(tape, bin_btc, noon + s, 9).kind = market::RatioKind::top_account;
  tape.ticks(noon + 2 * s, noon + 13 * min);
  const Played run(tape);
  EXPECT_EQ(run.all.count(bin_btc, SpecKind::lsr), 11u);
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::lsr, noon, "lsr"), 1.25);
  EXPECT_EQ(run.all.find(bin_btc, SpecKind::lsr, noon - min), nullptr);
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::lsr, noon + 4 * min, "age_ms"), 240'000);
}

// History of ratios at 11:00, 11:05, 11:10, fetched at noon: five minutes each, forward only, with
// their changes.
TEST(LongShortRatio, HistoryIsWrittenAsFiveMinutesEach) {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon);
  const std::int64_t eleven = noon - 60 * min;
  for (int i = 0; i < 3; ++i)
    add_ratio(tape, bin_btc, eleven + i * 5 * min, 1.0 + 0.1 * i, noon + s, market::flag_backfill);
  const Played run(tape);
  EXPECT_EQ(run.all.count(bin_btc, SpecKind::lsr), 15u);
  EXPECT_EQ(run.all.find(bin_btc, SpecKind::lsr, eleven - min), nullptr);
  for (int m = 0; m < 15; ++m) {
    const MinuteRow* row = run.all.find(bin_btc, SpecKind::lsr, eleven + m * min);
    ASSERT_NE(row, nullptr) << m;
    EXPECT_EQ(row->flags, market::flag_derived | market::flag_backfill);
    EXPECT_EQ(row->values.at(raw_id("lsr")), 1.0 + 0.1 * (m / 5)) << m;
    EXPECT_EQ(row->values.at(raw_id("age_ms")), m % 5 * 60'000) << m;
  }
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::lsr, eleven + 5 * min, "lsr_chg_1m"), 10.0);
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::lsr, eleven + 10 * min, "lsr_chg_10m"), 20.0);
  EXPECT_EQ(run.state.totals().backfilled[static_cast<std::size_t>(SpecKind::lsr)], 15u);
}

// History that reaches into the kept minutes does not replace a row that has a newer sample.
TEST(LongShortRatio, HistoryYieldsToNewerSamples) {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon - min);
  add_ratio(tape, bin_btc, noon, 2.0);
  tape.ticks(noon + s, noon + 3 * min + 2 * s);  // minutes 0, 1, 2 written with 2.0
  add_ratio(tape, bin_btc, noon - 2 * min, 1.0, noon + 3 * min + 3 * s, market::flag_backfill);
  const Played run(tape);
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::lsr, noon - 2 * min, "lsr"), 1.0);
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::lsr, noon - min, "lsr"), 1.0);
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::lsr, noon, "lsr"), 2.0);
  // Minute 0 now has a minute before it: its change is new, 1.0 -> 2.0.
  EXPECT_EQ(run.all.value(bin_btc, SpecKind::lsr, noon, "lsr_chg_1m"), 100.0);
  EXPECT_TRUE(run.all.find(bin_btc, SpecKind::lsr, noon)->is_revision());
}

}  // namespace
}  // namespace perp::test
