// Goal: MT is the mean of its members' prices and the sum of their volumes, where all of them have
// the minute, and follows what late and old candles change. Method: prices chosen so that the
// values can be computed by hand; every way of arrival must end in the same rows.
#include "state/market_token.hpp"

#include "state/tape.hpp"

#include <perp/core/error.hpp>

#include <gtest/gtest.h>

#include <array>

namespace perp::test {
namespace {

constexpr std::uint32_t token = state::MarketToken::instrument;
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
  for (const SpecKind kind :
       {SpecKind::oi, SpecKind::pfr, SpecKind::lsr, SpecKind::tv, SpecKind::lq})
    EXPECT_EQ(run.all.count(token, kind), 0u) << "it has no such facts";
  EXPECT_EQ(run.all.instruments, std::vector<std::uint32_t>{token}) << "the journal is told once";
  EXPECT_TRUE(run.all.gaps.empty());
}

TEST(MarketToken, HasNoRowWhereAMemberHasNone) {
  Played run(options());
  run.play(candles(8, 2, 3));
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
  for (int m = 0; m < 12; ++m)
    for (const SpecKind kind : {SpecKind::ohlcv, SpecKind::rsi}) {
      const MinuteRow* expected = whole.all.find(token, kind, noon + m * min);
      const MinuteRow* found = late.all.find(token, kind, noon + m * min);
      ASSERT_EQ(found == nullptr, expected == nullptr) << m;
      if (found == nullptr) continue;
      EXPECT_EQ(found->values, expected->values) << m;
    }
  EXPECT_FALSE(late.all.find(token, SpecKind::ohlcv, noon + 3 * min)->is_revision());
  EXPECT_TRUE(late.all.find(token, SpecKind::ohlcv, noon + 4 * min)->is_revision());
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
  EXPECT_EQ(run.all.count(token, SpecKind::ohlcv), 0u);
  EXPECT_TRUE(run.all.instruments.empty());
}

}  // namespace
}  // namespace perp::test
