// Goal: waits are spread evenly over their window, the window doubles up to its cap, and only a
// minute of data shrinks it. Method: Kolmogorov-Smirnov over many seeds; both ends of the minute.
#include "feed/uniformity.hpp"

#include <perp/core/error.hpp>
#include <perp/feed/backoff.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace perp::feed {
namespace {

using core::ns_per_second;

core::MonoNs at(double seconds) {
  return {static_cast<std::int64_t>(seconds * static_cast<double>(ns_per_second))};
}

TEST(Backoff, TwoHundredSocketsCutAtOnceComeBackSpreadOverTheWindow) {
  // Each socket has its own generator, split from one seed, as a feed makes them.
  int rejected = 0;
  std::vector<double> p_values;
  constexpr int seeds = 400;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    core::Prng random(seed);
    std::vector<double> delays;
    for (int socket = 0; socket < 200; ++socket) {
      Backoff backoff({}, random.split(), 3);
      const auto window = static_cast<double>(backoff.window_ns());
      delays.push_back(static_cast<double>(backoff.on_lost()) / window);
    }
    p_values.push_back(uniform_p_value(delays));
    if (p_values.back() <= 0.01) ++rejected;
  }
  // Of uniform delays one in a hundred is rejected at this level: 4 expected, 14 is five
  // deviations.
  EXPECT_LE(rejected, 14) << "of " << seeds << " seeds have p <= 0.01";
  EXPECT_GT(uniform_p_value(p_values), 0.01) << "p-values of uniform delays are uniform themselves";
}

TEST(Backoff, TheUniformityTestRejectsOtherJitters) {
  // Equal jitter (half the window and a draw over the other half) and none: what the test is for.
  core::Prng random(7);
  std::vector<double> equal;
  std::vector<double> none;
  for (int i = 0; i < 200; ++i) {
    equal.push_back(0.5 + random.uniform() / 2);
    none.push_back(1);
  }
  EXPECT_LT(uniform_p_value(equal), 1e-6);
  EXPECT_LT(uniform_p_value(none), 1e-6);
}

TEST(Backoff, WindowDoublesUpToTheCapAndStaysThere) {
  Backoff backoff({.base_ns = ns_per_second, .cap_ns = 60 * ns_per_second}, core::Prng(1));
  std::int64_t expected = ns_per_second;
  for (int failure = 0; failure < 200; ++failure) {
    EXPECT_EQ(backoff.window_ns(), expected) << failure;
    const std::int64_t delay = backoff.on_lost();
    EXPECT_GE(delay, 0);
    EXPECT_LE(delay, expected);
    expected = std::min(60 * ns_per_second, 2 * expected);
  }
  EXPECT_EQ(backoff.failures(), 200u);
}

TEST(Backoff, AScoutsWindowEndsEarlier) {
  Backoff backoff({}, core::Prng(1));
  for (const std::int64_t expected : {1, 2, 4, 4, 4, 4, 4}) {
    EXPECT_EQ(backoff.window_ns(true), expected * ns_per_second);
    EXPECT_LE(backoff.on_lost(true), expected * ns_per_second);
  }
  EXPECT_EQ(backoff.window_ns(), BackoffOptions{}.cap_ns) << "its failures count like all others";
  Backoff short_one({.cap_ns = 2 * ns_per_second}, core::Prng(1), 9);
  EXPECT_EQ(short_one.window_ns(true), 2 * ns_per_second);
}

TEST(Backoff, TwoHundredThatLearnOfAHealComeBackSpreadOverTheBase) {
  int rejected = 0;
  constexpr int seeds = 400;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    core::Prng random(seed);
    std::vector<double> delays;
    for (int socket = 0; socket < 200; ++socket) {
      Backoff backoff({}, random.split(), 9);
      delays.push_back(static_cast<double>(backoff.on_host_back()) /
                       static_cast<double>(ns_per_second));
      ASSERT_EQ(backoff.failures(), 9u) << "a host that is back forgives nothing";
    }
    if (uniform_p_value(delays) <= 0.01) ++rejected;
  }
  EXPECT_LE(rejected, 14) << "of " << seeds << " seeds have p <= 0.01";
}

TEST(Backoff, NoCountOfFailuresAndNoCapOverflows) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  for (const std::uint32_t failures : {0u, 1u, 61u, 62u, 63u, 64u, 0xffffffffu}) {
    Backoff backoff({.base_ns = 1, .cap_ns = most}, core::Prng(failures), failures);
    const std::int64_t window = failures < 62 ? std::int64_t{1} << failures : most;
    EXPECT_EQ(backoff.window_ns(), window) << failures;
    EXPECT_GE(backoff.on_lost(), 0) << failures;
  }
  Backoff last({}, core::Prng(0), 0xffffffffu);
  last.on_lost();
  EXPECT_EQ(last.failures(), 0xffffffffu) << "counts do not wrap to a fresh start";
}

TEST(Backoff, AConnectionThatLivesFiftyNineSecondsForgivesNothing) {
  Backoff backoff({}, core::Prng(1), 4);
  for (int second = 0; second <= 59; ++second) backoff.on_data(at(100 + second));
  EXPECT_EQ(backoff.failures(), 4u);
  backoff.on_lost();
  EXPECT_EQ(backoff.failures(), 5u);
  backoff.on_data(at(170));
  EXPECT_EQ(backoff.failures(), 5u) << "a new connection's data begins anew, not at second 100";
}

TEST(Backoff, AMinuteOfDataForgivesAll) {
  Backoff backoff({}, core::Prng(1), 4);
  backoff.on_data(at(100));
  backoff.on_data(at(159.999));
  EXPECT_EQ(backoff.failures(), 4u);
  backoff.on_data(at(160));
  EXPECT_EQ(backoff.failures(), 0u);
  EXPECT_EQ(backoff.window_ns(), BackoffOptions{}.base_ns);
}

TEST(Backoff, ALongConnectionWithoutDataForgivesNothing) {
  Backoff backoff({}, core::Prng(1), 2);
  backoff.on_data(at(0));  // one message, then an hour of silence
  backoff.on_lost();
  EXPECT_EQ(backoff.failures(), 3u);
}

TEST(Backoff, RefusesOptionsThatMakeNoWindow) {
  EXPECT_THROW(Backoff({.base_ns = 0}, core::Prng(1)), core::Error);
  EXPECT_THROW(Backoff({.base_ns = 2, .cap_ns = 1}, core::Prng(1)), core::Error);
  EXPECT_THROW(Backoff({.scout_cap_ns = 0}, core::Prng(1)), core::Error);
  EXPECT_THROW(Backoff({.healthy_ns = -1}, core::Prng(1)), core::Error);
}

}  // namespace
}  // namespace perp::feed
