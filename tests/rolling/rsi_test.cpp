#include <perp/rolling/rsi.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace perp::rolling {
namespace {

/// Wilder's index from scratch in long double, by the definition and nothing else. NaN before N + 1
/// closes.
long double oracle(const std::vector<double>& closes, int period, long double flat) {
  const auto n = static_cast<std::size_t>(period);
  if (closes.size() < n + 1) return std::nanl("");
  long double gain = 0;
  long double loss = 0;
  for (std::size_t i = 1; i <= n; ++i) {
    const long double d = static_cast<long double>(closes[i]) - closes[i - 1];
    (d > 0 ? gain : loss) += std::fabs(d);
  }
  gain /= period;
  loss /= period;
  for (std::size_t i = n + 1; i < closes.size(); ++i) {
    const long double d = static_cast<long double>(closes[i]) - closes[i - 1];
    gain = (gain * (period - 1) + (d > 0 ? d : 0)) / period;
    loss = (loss * (period - 1) + (d < 0 ? -d : 0)) / period;
  }
  if (loss == 0) return gain == 0 ? flat : 100;
  if (gain == 0) return 0;
  return 100 - 100 / (1 + gain / loss);
}

// Period 3 by hand: 10, 11, 10.5, 12: gains 1, 0, 1.5, losses 0, 0.5, 0: means 2.5/3 and 0.5/3,
// ratio 5: 100 - 100/6 = 83.3333. Then 11: gain (2.5/3 * 2)/3 = 5/9, loss (0.5/3 * 2 + 1)/3 = 4/9:
// ratio 1.25: 55.5556.
TEST(Rsi, MatchesHandComputedValues) {
  const RsiRule rule{.period = 3};
  RsiState state;
  for (int i = 0; const double close : {10.0, 11.0, 10.5}) {
    EXPECT_TRUE(push_close(rule, state, i++, close));
    EXPECT_TRUE(std::isnan(rsi_value(rule, state)));  // N + 1 closes are needed
  }
  push_close(rule, state, 3, 12.0);
  EXPECT_NEAR(rsi_value(rule, state), 100 - 100.0 / 6, 1e-12);
  EXPECT_NEAR(rsi_with(rule, state, 4, 11.0), 100 - 100 / 2.25, 1e-12);
  EXPECT_EQ(state.last_index, 3);  // asking changed nothing
  push_close(rule, state, 4, 11.0);
  EXPECT_NEAR(rsi_value(rule, state), 55.555555555555555, 1e-12);
}

TEST(Rsi, FollowsTheFlatRules) {
  for (const double flat : {50.0, 0.0, 100.0}) {
    const RsiRule rule{.period = 2, .flat = flat};
    RsiState dead;
    RsiState rising;
    RsiState falling;
    for (int i = 0; i < 5; ++i) {
      push_close(rule, dead, i, 7);
      push_close(rule, rising, i, 7 + i);
      push_close(rule, falling, i, 7 - i);
    }
    EXPECT_EQ(rsi_value(rule, dead), flat);
    EXPECT_EQ(rsi_value(rule, rising), 100);
    EXPECT_EQ(rsi_value(rule, falling), 0);
  }
}

TEST(Rsi, BridgesThreeMissingClosesAndStartsAgainAfterMore) {
  const RsiRule rule{.period = 2};
  RsiState bridged;
  push_close(rule, bridged, 10, 5);
  push_close(rule, bridged, 11, 6);
  push_close(rule, bridged, 15, 8);  // 12, 13, 14 missing: d = 0 three times, then 2
  // seed (1, 0): 0.5; then 0: 0.25; 0: 0.125; 2: (0.125 + 2) / 2
  EXPECT_DOUBLE_EQ(bridged.average_gain, 1.0625);

  RsiState again;
  push_close(rule, again, 10, 5);
  push_close(rule, again, 11, 6);
  push_close(rule, again, 16, 8);  // four missing
  EXPECT_EQ(again.delta_count, 0);
  EXPECT_EQ(again.last_close, 8);
  EXPECT_TRUE(std::isnan(rsi_value(rule, again)));
}

TEST(Rsi, RefusesACloseThatIsNotAfterTheLast) {
  const RsiRule rule{.period = 2};
  RsiState state;
  push_close(rule, state, 10, 5);
  const RsiState before = state;
  EXPECT_FALSE(push_close(rule, state, 10, 6));
  EXPECT_FALSE(push_close(rule, state, 9, 6));
  EXPECT_EQ(std::memcmp(&before, &state, sizeof state), 0);
  EXPECT_TRUE(std::isnan(rsi_with(rule, state, 10, 6)));
}

TEST(Rsi, StartsAgainWhereADifferenceOverflows) {
  const RsiRule rule{.period = 2};
  RsiState state;
  for (int i = 0; const double close : {5.0, 6.0, 7.0, -1.5e308})
    EXPECT_TRUE(push_close(rule, state, i++, close));
  EXPECT_TRUE(std::isfinite(rsi_value(rule, state))) << "1.5e308 is a number";
  push_close(rule, state, 4, 1.5e308);
  EXPECT_EQ(state.delta_count, 0);
  EXPECT_EQ(state.last_close, 1.5e308);
  EXPECT_TRUE(std::isnan(rsi_value(rule, state)));
  // Averages of which each is a number and the sum is not: unknown, not infinite.
  state.average_gain = state.average_loss = 1e308;
  state.delta_count = 2;
  EXPECT_TRUE(std::isnan(rsi_value(rule, state)));
}

// The stated bound: 1e-11 of exact arithmetic for periods up to 200, after any number of closes,
// holes included.
TEST(Rsi, StaysWithinItsErrorBoundOfTheOracle) {
  std::mt19937_64 random(7);
  for (const int period : {2, 11, 14, 200}) {
    const RsiRule rule{.period = period};
    RsiState state;
    std::vector<double> closes;
    std::lognormal_distribution<double> step(0, 0.001);
    double price = 64'991.3;
    std::int64_t index = 1'000;
    for (int i = 0; i < 3'000; ++i) {
      price *= step(random);
      const std::int64_t missing = !closes.empty() && i % 37 == 0 ? i % 4 : 0;
      for (std::int64_t m = 0; m < missing; ++m) closes.push_back(closes.back());
      index += missing + 1;
      closes.push_back(price);
      ASSERT_TRUE(push_close(rule, state, index, price));
      const long double expected = oracle(closes, period, 50);
      const double got = rsi_value(rule, state);
      ASSERT_EQ(std::isnan(got), std::isnan(expected)) << period << " " << i;
      if (!std::isnan(got)) {
        ASSERT_NEAR(got, static_cast<double>(expected), 1e-11) << period << " " << i;
      }
    }
  }
}

}  // namespace
}  // namespace perp::rolling
