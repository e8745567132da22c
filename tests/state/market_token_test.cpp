// Goal: MT is the mean of its members' prices, MTW the mean of what each is worth against its first
// close, times 100, both with the sum of their volumes, where all of them have the minute, and both
// follow what late and old candles change. Method: prices chosen so that the values can be computed
// by hand; every way of arrival must end in the same rows.
#include "state/market_token.hpp"

#include "state/tape.hpp"

#include <perp/core/error.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>
#include <vector>

namespace perp::test {
namespace {

constexpr std::uint32_t token = state::MarketToken::mean_instrument;
constexpr std::uint32_t index = state::MarketToken::index_instrument;
constexpr auto both = std::to_array<std::uint32_t>({token, index});
constexpr auto members =
    std::to_array<std::uint32_t>({id_of(VenueId::binance, 1), id_of(VenueId::binance, 2),
                                  id_of(VenueId::binance, 3), id_of(VenueId::binance, 4)});
constexpr auto names = std::to_array<const char*>({"ETH", "BTC", "XRP", "SOL"});

state::StateOptions options() {
  state::StateOptions made;
  made.market_token = {"ETH", "BTC", "XRP", "SOL"};
  return made;
}

/// ETH 3000, BTC 60000, XRP 0.5, SOL 150 at minute 0; all one per cent of that higher each minute.
CandleText candle_of(std::size_t member, int minute) {
  constexpr std::array<double, 4> prices{3000, 60000, 0.5, 150};
  const double c = prices[member] * (1 + 0.01 * minute);
  return {c, c * 1.25, c * 0.75, c, 1000.0 * static_cast<double>(member + 1)};
}

void define(Tape& tape) {
  for (std::size_t i = 0; i < members.size(); ++i) tape.instrument(members[i], names[i]);
  tape.instrument(byb_btc, "BTC");
}

/// @param missing_member, missing_minute that candle does not come
Tape candles(int count, std::size_t missing_member = 9, int missing_minute = -1) {
  Tape tape;
  define(tape);
  tape.tick(noon);
  for (int m = 0; m < count; ++m)
    for (std::size_t i = 0; i < members.size(); ++i)
      if (i != missing_member || m != missing_minute)
        tape.candle(members[i], noon + m * min, candle_of(i, m), noon + (m + 1) * min + s);
  tape.tick(noon + count * min + 2 * s);
  return tape;
}

void expect_candles_alone(const Played& run, std::uint32_t symbol) {
  for (const SpecKind kind :
       {SpecKind::oi, SpecKind::pfr, SpecKind::lsr, SpecKind::tv, SpecKind::lq})
    EXPECT_EQ(run.all.count(symbol, kind), 0u) << "it has no such facts";
}

TEST(MarketToken, IsTheMeanOfPricesAndTheSumOfVolumes) {
  Played run(options());
  run.play(candles(12));
  // (3000 + 60000 + 0.5 + 150) / 4 = 15787.625, wicks a quarter of it; 1000 + 2000 + 3000 + 4000.
  EXPECT_EQ(run.all.value(token, SpecKind::ohlcv, noon, "o"), 15787.625);
  EXPECT_EQ(run.all.value(token, SpecKind::ohlcv, noon, "h"), 19734.53125);
  EXPECT_EQ(run.all.value(token, SpecKind::ohlcv, noon, "l"), 11840.71875);
  EXPECT_EQ(run.all.value(token, SpecKind::ohlcv, noon, "c"), 15787.625);
  EXPECT_EQ(run.all.value(token, SpecKind::ohlcv, noon, "v"), 10000);
  // All members rise alike, so it does: 1.10 of the first minute over 1.09, 1.05, 1.00.
  const std::int64_t at = noon + 10 * min;
  EXPECT_EQ(run.all.value(token, SpecKind::ohlcv, at, "c_chg_1m"), 0.917);
  EXPECT_EQ(run.all.value(token, SpecKind::ohlcv, at, "c_chg_5m"), 4.762);
  EXPECT_EQ(run.all.value(token, SpecKind::ohlcv, at, "c_chg_10m"), 10);
  EXPECT_EQ(run.all.value(token, SpecKind::ohlcv, at, "v_chg_1m"), 0);
  // It only rises: an RSI of 100 as soon as there is one.
  EXPECT_EQ(run.all.value(token, SpecKind::rsi, noon + 11 * min, "rsi1"), 100);
  EXPECT_EQ(run.all.count(token, SpecKind::ohlcv), 12u);
  expect_candles_alone(run, token);
  EXPECT_EQ(run.all.instruments, (std::vector<std::uint32_t>{token, index}))
      << "the journal is told once of each";
  EXPECT_TRUE(run.all.gaps.empty());
}

TEST(MarketToken, TheIndexIsAHundredAtItsFirstMinute) {
  Played run(options());
  run.play(candles(12));
  EXPECT_EQ(run.all.value(index, SpecKind::ohlcv, noon, "o"), 100);
  EXPECT_EQ(run.all.value(index, SpecKind::ohlcv, noon, "h"), 125);
  EXPECT_EQ(run.all.value(index, SpecKind::ohlcv, noon, "l"), 75);
  EXPECT_EQ(run.all.value(index, SpecKind::ohlcv, noon, "c"), 100);
  EXPECT_EQ(run.all.value(index, SpecKind::ohlcv, noon, "v"), 10000);
  const std::int64_t at = noon + 10 * min;
  EXPECT_DOUBLE_EQ(run.all.value(index, SpecKind::ohlcv, at, "c"), 110);
  EXPECT_EQ(run.all.value(index, SpecKind::ohlcv, at, "c_chg_1m"), 0.917);
  EXPECT_EQ(run.all.value(index, SpecKind::ohlcv, at, "c_chg_10m"), 10);
  EXPECT_EQ(run.all.value(index, SpecKind::rsi, noon + 11 * min, "rsi1"), 100);
  EXPECT_EQ(run.all.count(index, SpecKind::ohlcv), 12u);
  expect_candles_alone(run, index);
}

// Half of one member's price is an eighth of the index, whichever member it is: of the mean BTC's
// half is nearly all, XRP's nothing.
TEST(MarketToken, InTheIndexEachMemberWeighsTheSame) {
  for (std::size_t falling = 0; falling < members.size(); ++falling) {
    Played run(options());
    Tape tape;
    define(tape);
    tape.tick(noon);
    for (int m = 0; m < 2; ++m)
      for (std::size_t i = 0; i < members.size(); ++i) {
        CandleText candle = candle_of(i, 0);
        if (m == 1 && i == falling)
          for (double* price : {&candle.o, &candle.h, &candle.l, &candle.c}) *price /= 2;
        tape.candle(members[i], noon + m * min, candle, noon + (m + 1) * min + s);
      }
    tape.tick(noon + 2 * min + 2 * s);
    run.play(tape);
    EXPECT_EQ(run.all.value(index, SpecKind::ohlcv, noon, "c"), 100);
    EXPECT_EQ(run.all.value(index, SpecKind::ohlcv, noon + min, "c"), 87.5) << names[falling];
    EXPECT_EQ(run.all.value(index, SpecKind::ohlcv, noon + min, "h"), 125 * 0.875);
    EXPECT_EQ(run.all.value(index, SpecKind::ohlcv, noon + min, "c_chg_1m"), -12.5);
  }
}

// The base is what was first known of all of them, and stays: the minute before it that becomes
// whole later is worth what it is against that base, and so is the base's minute once it is
// corrected.
TEST(MarketToken, TheIndexKeepsItsFirstBase) {
  Played run(options());
  run.play(candles(5, 1, 0));
  EXPECT_EQ(run.all.find(index, SpecKind::ohlcv, noon), nullptr);
  EXPECT_EQ(run.all.value(index, SpecKind::ohlcv, noon + min, "c"), 100);
  EXPECT_DOUBLE_EQ(run.all.value(index, SpecKind::ohlcv, noon + 2 * min, "c"), 100 * 1.02 / 1.01);
  Tape tape;
  tape.candle(members[1], noon, candle_of(1, 0), noon + 5 * min + 3 * s);
  tape.candle(members[0], noon + min, {6060, 6060, 6060, 6060, 1}, noon + 5 * min + 4 * s);
  tape.candle(members[0], noon + 5 * min, candle_of(0, 5), noon + 6 * min);
  for (std::size_t i = 1; i < members.size(); ++i)
    tape.candle(members[i], noon + 5 * min, candle_of(i, 5), noon + 6 * min);
  tape.tick(noon + 6 * min + 2 * s);
  run.play(tape);
  EXPECT_DOUBLE_EQ(run.all.value(index, SpecKind::ohlcv, noon, "c"), 100 / 1.01);
  EXPECT_FALSE(run.all.find(index, SpecKind::ohlcv, noon)->is_revision());
  EXPECT_DOUBLE_EQ(run.all.value(index, SpecKind::ohlcv, noon + min, "c"), 125);  // ETH has doubled
  EXPECT_TRUE(run.all.find(index, SpecKind::ohlcv, noon + min)->is_revision());
  EXPECT_DOUBLE_EQ(run.all.value(index, SpecKind::ohlcv, noon + 5 * min, "c"), 100 * 1.05 / 1.01);
}

TEST(MarketToken, HasNoRowWhereAMemberHasNone) {
  Played run(options());
  run.play(candles(8, 2, 3));
  EXPECT_EQ(run.all.count(index, SpecKind::ohlcv), 7u);
  EXPECT_EQ(run.all.find(index, SpecKind::ohlcv, noon + 3 * min), nullptr);
  EXPECT_DOUBLE_EQ(run.all.value(index, SpecKind::ohlcv, noon + 4 * min, "c"), 104);
  EXPECT_EQ(run.all.count(token, SpecKind::ohlcv), 7u);
  EXPECT_EQ(run.all.find(token, SpecKind::ohlcv, noon + 3 * min), nullptr);
  EXPECT_TRUE(std::isnan(run.all.value(token, SpecKind::ohlcv, noon + 4 * min, "c_chg_1m")));
  EXPECT_DOUBLE_EQ(run.all.value(token, SpecKind::ohlcv, noon + 4 * min, "c"), 15787.625 * 1.04);
}

TEST(MarketToken, TheMissingCandleThatComesLateGivesTheRowItsDependentsAndTheSameTable) {
  Played whole(options());
  whole.play(candles(12));
  Played late(options());
  late.play(candles(12, 2, 3));
  Tape tape;
  tape.candle(members[2], noon + 3 * min, candle_of(2, 3), noon + 12 * min + 3 * s);
  late.play(tape);
  for (const std::uint32_t symbol : both) {
    for (int m = 0; m < 12; ++m)
      for (const SpecKind kind : {SpecKind::ohlcv, SpecKind::rsi}) {
        const MinuteRow* expected = whole.all.find(symbol, kind, noon + m * min);
        const MinuteRow* found = late.all.find(symbol, kind, noon + m * min);
        ASSERT_EQ(found == nullptr, expected == nullptr) << m;
        if (found == nullptr) continue;
        EXPECT_EQ(found->values, expected->values) << m;
      }
    EXPECT_FALSE(late.all.find(symbol, SpecKind::ohlcv, noon + 3 * min)->is_revision());
    EXPECT_TRUE(late.all.find(symbol, SpecKind::ohlcv, noon + 4 * min)->is_revision());
  }
}

TEST(MarketToken, ARevisedCandleOfAMemberRevisesIt) {
  Played run(options());
  run.play(candles(16));
  const std::size_t before = run.all.minutes.size();
  Tape tape;
  // BTC at 61800 becomes 61840: the mean rises by 10.
  tape.candle(members[1], noon + 3 * min, {61840, 77250, 46350, 61840, 2500},
              noon + 16 * min + 3 * s);
  run.play(tape);
  const double was = 15787.625 * 1.03;
  EXPECT_DOUBLE_EQ(run.all.value(token, SpecKind::ohlcv, noon + 3 * min, "c"), was + 10);
  EXPECT_EQ(run.all.value(token, SpecKind::ohlcv, noon + 3 * min, "v"), 10500);
  // 16261.25375 -> 16271.25375 one minute behind: 16419.13 / 16271.25375 = 1.009088...
  EXPECT_EQ(run.all.value(token, SpecKind::ohlcv, noon + 4 * min, "c_chg_1m"), 0.909);
  EXPECT_EQ(run.all.value(token, SpecKind::ohlcv, noon + 4 * min, "v_chg_1m"), -4.762);
  std::vector<std::int64_t> rewritten;
  for (std::size_t i = before; i < run.all.minutes.size(); ++i)
    if (const MinuteRow& row = run.all.minutes[i];
        row.instrument == token && row.kind == SpecKind::ohlcv) {
      EXPECT_TRUE(row.is_revision());
      rewritten.push_back((row.open_ns - noon) / min);
    }
  EXPECT_EQ(rewritten, (std::vector<std::int64_t>{3, 4, 8, 13}));
  // 40 of BTC's 60000 more, of which a quarter.
  EXPECT_DOUBLE_EQ(run.all.value(index, SpecKind::ohlcv, noon + 3 * min, "c"),
                   103 + 100 * 40.0 / 60000 / 4);
  EXPECT_DOUBLE_EQ(run.all.value(index, SpecKind::ohlcv, noon + 4 * min, "c"), 104)
      << "no other minute depends on it";
}

// Each member's past comes on its own, ascending, as a backfill asks for it.
TEST(MarketToken, OldCandlesMakeItWhenTheLastMembersCome) {
  Played live(options());
  live.play(candles(40));
  Played run(options());
  Tape tape;
  define(tape);
  const std::int64_t later = noon + 600 * min;
  tape.tick(later);
  for (std::size_t i = 0; i < members.size(); ++i)
    for (int m = 0; m < 40; ++m)
      tape.candle(members[i], noon + m * min, candle_of(i, m), later + s, market::Tristate::yes,
                  market::flag_backfill);
  run.play(tape);
  EXPECT_EQ(run.all.count(index, SpecKind::ohlcv), 0u) << "history begins no index";
  EXPECT_EQ(run.all.count(token, SpecKind::ohlcv), 40u);
  for (int m = 0; m < 40; ++m)
    for (const SpecKind kind : {SpecKind::ohlcv, SpecKind::rsi}) {
      const MinuteRow* expected = live.all.find(token, kind, noon + m * min);
      const MinuteRow* found = run.all.find(token, kind, noon + m * min);
      ASSERT_EQ(found == nullptr, expected == nullptr) << m;
      if (found == nullptr) continue;
      EXPECT_EQ(found->values, expected->values) << m;
      EXPECT_TRUE(found->is_backfill());
    }
}

// History that came first waits for the index, and is then what it would be had it come later.
TEST(MarketToken, TheIndexContinuesIntoTheHistoryThatCameBeforeIt) {
  const auto history = [](Tape& tape, std::int64_t receive_ns) {
    for (std::size_t i = 0; i < members.size(); ++i)
      for (int m = -60; m < -5; ++m)
        tape.candle(members[i], noon + m * min, candle_of(i, m), receive_ns, market::Tristate::yes,
                    market::flag_backfill);
  };
  Played run(options());
  Tape tape;
  define(tape);
  tape.tick(noon);
  history(tape, noon + s);
  for (int m = 0; m < 3; ++m)
    for (std::size_t i = 0; i < members.size(); ++i)
      tape.candle(members[i], noon + m * min, candle_of(i, m), noon + (m + 1) * min + s);
  tape.tick(noon + 3 * min + 2 * s);
  for (std::size_t cut = 0; cut <= tape.size(); cut += 9) {
    Played first(options());
    first.play(tape, 0, cut);
    std::vector<std::byte> image;
    first.state.save(image);
    Played second(options());
    second.state.load(image);
    second.play(tape, cut);
    std::vector<std::byte> bytes = first.all.bytes;
    bytes.insert(bytes.end(), second.all.bytes.begin(), second.all.bytes.end());
    if (cut == 0) run.all.bytes = bytes;
    ASSERT_EQ(bytes, run.all.bytes) << "cut at " << cut;
  }
  run.all.bytes.clear();
  run.play(tape);
  EXPECT_EQ(run.all.count(index, SpecKind::ohlcv), 58u);
  // All members move alike, and the mean with them: one RSI.
  for (int m = -60; m < 3; ++m) {
    if (m >= -5 && m < 0) continue;
    EXPECT_DOUBLE_EQ(run.all.value(index, SpecKind::ohlcv, noon + m * min, "c"), 100 + m) << m;
    EXPECT_EQ(std::isnan(run.all.value(index, SpecKind::ohlcv, noon + m * min, "c_chg_10m")),
              m < -50)
        << m;
    const MinuteRow* expected = run.all.find(token, SpecKind::rsi, noon + m * min);
    const MinuteRow* found = run.all.find(index, SpecKind::rsi, noon + m * min);
    ASSERT_EQ(found == nullptr, expected == nullptr) << m;
    if (found == nullptr) continue;
    EXPECT_EQ(found->values, expected->values) << m;
  }
  std::vector<std::map<int, double>> before;
  for (int m = -60; m < -5; ++m)
    before.push_back(run.all.find(index, SpecKind::ohlcv, noon + m * min)->values);
  Tape again;
  history(again, noon + 3 * min + 3 * s);
  run.play(again);
  for (int m = -60; m < -5; ++m)
    EXPECT_EQ(run.all.find(index, SpecKind::ohlcv, noon + m * min)->values,
              before[static_cast<std::size_t>(m + 60)])
        << "the same again changes nothing, minute " << m;
}

// What came before the index began is worth what it is against the same base.
TEST(MarketToken, OldCandlesContinueAnIndexIntoThePast) {
  Played run(options());
  run.play(candles(3));
  Tape tape;
  for (std::size_t i = 0; i < members.size(); ++i)
    for (int m = -60; m < -20; ++m)
      tape.candle(members[i], noon + m * min, candle_of(i, m), noon + 3 * min + 4 * s,
                  market::Tristate::yes, market::flag_backfill);
  run.play(tape);
  EXPECT_EQ(run.all.count(index, SpecKind::ohlcv), 43u);
  for (int m = -60; m < -20; ++m) {
    const MinuteRow* found = run.all.find(index, SpecKind::ohlcv, noon + m * min);
    ASSERT_NE(found, nullptr) << m;
    EXPECT_TRUE(found->is_backfill());
    EXPECT_DOUBLE_EQ(run.all.value(index, SpecKind::ohlcv, noon + m * min, "c"), 100 + m);
  }
}

TEST(MarketToken, ACheckpointInBetweenChangesNothing) {
  const Tape tape = candles(20, 1, 7);
  Played straight(options());
  straight.play(tape);
  for (std::size_t cut = 0; cut < tape.size(); cut += 7) {
    Played first(options());
    first.play(tape, 0, cut);
    std::vector<std::byte> image;
    first.state.save(image);
    Played second(options());
    second.state.load(image);
    second.play(tape, cut);
    std::vector<std::byte> bytes = first.all.bytes;
    bytes.insert(bytes.end(), second.all.bytes.begin(), second.all.bytes.end());
    ASSERT_EQ(bytes, straight.all.bytes) << "cut at " << cut;
  }
}

TEST(MarketToken, AnImageOfOtherMembersIsRefused) {
  Played with(options());
  with.play(candles(3));
  std::vector<std::byte> image;
  with.state.save(image);
  Played without;
  EXPECT_THROW(without.state.load(image), core::Error);
}

TEST(MarketToken, RefusesWhatIsNoListOfCoins) {
  const auto make = [](std::vector<std::string> wanted) {
    state::StateOptions made;
    made.market_token = std::move(wanted);
    state::MarketState state(made);
  };
  EXPECT_THROW(make({"BTC", "BTC"}), core::Error);
  EXPECT_THROW(make({"BTC", ""}), core::Error);
  EXPECT_THROW(make({"1", "2", "3", "4", "5", "6", "7", "8", "9"}), core::Error);
}

TEST(MarketToken, WithoutMembersThereIsNone) {
  Played run;
  run.play(candles(5));
  for (const std::uint32_t symbol : both) EXPECT_EQ(run.all.count(symbol, SpecKind::ohlcv), 0u);
  EXPECT_TRUE(run.all.instruments.empty());
}

}  // namespace
}  // namespace perp::test
