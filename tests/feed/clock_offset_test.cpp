// Goal: the estimate lies within its stated error, and an asymmetric network spoils it less than a
// mean. Method: a simulated network whose true offset is known.
#include <perp/core/error.hpp>
#include <perp/core/prng.hpp>
#include <perp/feed/clock_offset.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

namespace perp::feed {
namespace {

using core::ns_per_ms;
using core::ns_per_second;

constexpr std::int64_t epoch = 1'790'000'000 * ns_per_second;  // wall minus mono

TEST(ClockOffset, HoldsItsErrorAndBeatsTheMeanOverAnAsymmetricNetwork) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    core::Prng random(seed);
    const std::int64_t truth =
        random.between(-3'600, 3'600) * ns_per_second + random.between(0, 999);
    ClockOffset clock;
    double sum = 0;
    core::MonoNs now{ns_per_second};
    for (int i = 0; i < 60; ++i) {
      // Both ways take 2 ms; the way back queues, the way there hardly ever.
      const auto there = 2 * ns_per_ms + static_cast<std::int64_t>(random.exponential(1e5));
      const auto back = 2 * ns_per_ms + static_cast<std::int64_t>(random.exponential(2e7));
      const core::WallNs venue{now.ns + there + epoch + truth};
      ASSERT_TRUE(clock.add(now, now + there + back, venue));
      sum += static_cast<double>(venue.ns - epoch - (now.ns + (there + back) / 2));
      now = now + there + back + ns_per_second;
    }
    const auto estimate = clock.estimate(now, {now.ns + epoch});
    ASSERT_TRUE(estimate);
    const std::int64_t error = std::abs(estimate->offset_ns - truth);
    EXPECT_LE(error, estimate->error_ns_max) << seed;
    EXPECT_LT(static_cast<double>(error), std::abs(sum / 60 - static_cast<double>(truth)) / 2)
        << seed;
  }
}

TEST(ClockOffset, AStepOfOurWallClockMovesTheOffsetByAsMuch) {
  ClockOffset clock;
  ASSERT_TRUE(clock.add({0}, {4 * ns_per_ms}, {epoch + 2 * ns_per_ms - 7}));
  EXPECT_EQ(clock.estimate({ns_per_second}, {epoch + ns_per_second})->offset_ns, -7);
  EXPECT_EQ(clock.estimate({ns_per_second}, {epoch + 3'601 * ns_per_second})->offset_ns,
            -7 - 3'600 * ns_per_second);
}

TEST(ClockOffset, SamplesAgeAndMakeRoom) {
  ClockOffset clock(100 * ns_per_second);
  EXPECT_FALSE(clock.estimate({0}, {epoch}));
  ASSERT_TRUE(clock.add({0}, {2}, {epoch}));
  EXPECT_TRUE(clock.estimate({100 * ns_per_second + 2}, {epoch}));
  EXPECT_FALSE(clock.estimate({100 * ns_per_second + 3}, {epoch}));
  for (std::size_t i = 0; i < ClockOffset::sample_count; ++i)
    ASSERT_TRUE(clock.add({10}, {20}, {epoch}));
  EXPECT_EQ(clock.estimate({20}, {epoch})->round_trip_ns, 10) << "the first has made room";
}

TEST(ClockOffset, RefusesWhatIsNoSample) {
  ClockOffset clock;
  EXPECT_FALSE(clock.add({2}, {1}, {epoch}));
  EXPECT_FALSE(clock.add({1}, {2}, {}));
  EXPECT_FALSE(clock.estimate({2}, {epoch}));
  EXPECT_THROW(ClockOffset(0), core::Error);
}

}  // namespace
}  // namespace perp::feed
