// Goal: exactly what is missing is asked for. Method: by hand, and against a set of steps.
#include <perp/core/prng.hpp>
#include <perp/feed/history_feed.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace perp::feed {
namespace {

TEST(MissingSpans, AreWhatLiesBetweenTheRows) {
  const std::vector<std::int64_t> times{120'000, 180'000, 360'000};
  EXPECT_EQ(missing_spans(times, 60'000, {60'000, 480'000}),
            (std::vector<TimeSpan>{{60'000, 120'000}, {240'000, 360'000}, {420'000, 480'000}}));
  EXPECT_EQ(missing_spans({}, 60'000, {60'001, 239'999}),
            (std::vector<TimeSpan>{{120'000, 180'000}}))
      << "whole steps only";
  EXPECT_TRUE(missing_spans(times, 60'000, {120'000, 240'000}).empty());
  EXPECT_TRUE(missing_spans({}, 60'000, {60'000, 60'000}).empty());
}

TEST(MissingSpans, EqualASetOfSteps) {
  const auto seed = std::random_device{}();
  core::Prng random(seed);
  for (int round = 0; round < 300; ++round) {
    const std::int64_t step = 1 + static_cast<std::int64_t>(random.next() % 7);
    const auto begin = static_cast<std::int64_t>(random.next() % 50);
    const TimeSpan span{begin, begin + static_cast<std::int64_t>(random.next() % 100)};
    std::vector<std::int64_t> times;
    for (std::int64_t t = 0; t < 160; ++t)
      if (random.next() % 3 != 0) times.push_back(t);
    std::set<std::int64_t> expected;
    for (std::int64_t t = (span.start_ms + step - 1) / step * step; t + step <= span.end_ms;
         t += step)
      expected.insert(t);
    for (const std::int64_t t : times) expected.erase(t / step * step);
    std::set<std::int64_t> found;
    std::int64_t behind = -1;
    for (const TimeSpan& hole : missing_spans(times, step, span)) {
      ASSERT_GT(hole.start_ms, behind) << "seed " << seed;
      ASSERT_LT(hole.start_ms, hole.end_ms) << "seed " << seed;
      behind = hole.end_ms;
      for (std::int64_t t = hole.start_ms; t < hole.end_ms; t += step) found.insert(t);
    }
    ASSERT_EQ(found, expected) << "seed " << seed << " round " << round;
  }
}

}  // namespace
}  // namespace perp::feed
