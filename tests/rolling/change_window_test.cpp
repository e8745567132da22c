// The change over a span of time against its definition, searched in all samples: the last sample
// with time <= now - span and >= now - span - tolerance.
#include "rolling/support.hpp"
#include "support/malloc_counter.hpp"

#include <perp/core/error.hpp>
#include <perp/rolling/change.hpp>
#include <perp/rolling/change_window.hpp>

#include <gtest/gtest.h>

#include <random>
#include <utility>
#include <vector>

namespace perp::rolling {
namespace {

using test::nan;
using test::same;

TEST(ChangeWindow, MatchesBruteForce) {
  std::uint64_t seed = 300;
  for (const std::int64_t span : {1, 7, 100})
    for (const std::int64_t tolerance : {0, 3, 50}) {
      ++seed;
      ChangeWindow window({.span = span, .tolerance = tolerance, .capacity = 600});
      std::vector<std::pair<std::int64_t, double>> samples;
      test::Walk walk(seed, 100, 6);
      std::mt19937_64 random(seed);
      std::int64_t time = -40;
      double last = nan;
      int known = 0;
      for (int i = 0; i < 4'000; ++i) {
        time += random() % 60 == 0 ? static_cast<std::int64_t>(random() % 200)
                                   : static_cast<std::int64_t>(random() % 3);
        if (random() % 5 == 0) {
          window.advance(time);
        } else {
          const double x = walk();
          ASSERT_TRUE(window.push_at(time, x));
          if (std::isfinite(x)) {
            samples.emplace_back(time, x);
            last = x;
          }
        }
        double before = nan;
        for (const auto& [at, value] : samples)
          if (at <= time - span && at >= time - span - tolerance) before = value;
        const double expected = std::isnan(last) ? nan : change_percent(last, before);
        known += std::isnan(expected) ? 0 : 1;
        ASSERT_TRUE(same(window.now(), last) && same(window.before(), before) &&
                    same(window.percent(), expected))
            << "seed " << seed << " step " << i << ": " << window.percent() << " instead of "
            << expected;
      }
      EXPECT_GT(known, 400) << "the test must not compare missing with missing only";
    }
}

TEST(ChangeWindow, IsMissingWhereWhatItNeedsFoundNoRoom) {
  ChangeWindow window({.span = 10, .tolerance = 2, .capacity = 3});
  for (std::int64_t time = 0; time < 4; ++time)
    EXPECT_TRUE(window.push_at(time, 100 + static_cast<double>(time)));
  window.advance(10);
  EXPECT_TRUE(std::isnan(window.percent())) << "that of time 0 was pushed out";
  window.advance(11);
  EXPECT_EQ(window.percent(), change_percent(103, 101));
  window.advance(15);
  EXPECT_EQ(window.before(), 103) << "that of 3, two too old";
  window.advance(16);
  EXPECT_TRUE(std::isnan(window.before())) << "three too old";
  EXPECT_EQ(window.now(), 103);
}

TEST(ChangeWindow, RefusesTimeThatGoesBackAndNonsenseRules) {
  ChangeWindow window({.span = 10, .tolerance = 0, .capacity = 4});
  EXPECT_TRUE(std::isnan(window.now()) && std::isnan(window.percent()));
  EXPECT_TRUE(window.push_at(5, 1));
  EXPECT_TRUE(window.push_at(5, 2)) << "several of one moment";
  EXPECT_FALSE(window.push_at(4, 3));
  window.advance(4);
  EXPECT_EQ(window.now(), 2);
  EXPECT_TRUE(window.push_at(15, 3));
  EXPECT_EQ(window.percent(), 50) << "the last of the moment counts";
  EXPECT_THROW(ChangeWindow({.span = 0, .tolerance = 0, .capacity = 4}), core::Error);
  EXPECT_THROW(ChangeWindow({.span = 1, .tolerance = -1, .capacity = 4}), core::Error);
  EXPECT_THROW(ChangeWindow({.span = 1, .tolerance = 0, .capacity = 1}), core::Error);
}

TEST(ChangeWindow, AllocatesNothingAfterConstruction) {
  if (!perp::test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer brings its own malloc";
  ChangeWindow window({.span = 50, .tolerance = 5, .capacity = 64});
  const std::uint64_t before = perp::test::malloc_count();
  double sum = 0;
  for (std::int64_t time = 0; time < 1'000; ++time) {
    ASSERT_TRUE(window.push_at(time, 100 + static_cast<double>(time % 7)));
    if (time >= 50) sum += window.percent();
  }
  EXPECT_EQ(perp::test::malloc_count(), before);
  EXPECT_FALSE(std::isnan(sum));
}

}  // namespace
}  // namespace perp::rolling
