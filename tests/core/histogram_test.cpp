#include "support/malloc_counter.hpp"

#include <perp/core/histogram.hpp>
#include <perp/core/prng.hpp>
#include <perp/core/time.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace perp::core {
namespace {

constexpr std::int64_t int64_max = std::numeric_limits<std::int64_t>::max();

TEST(Histogram, EmptyHasNoValues) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.min(), unknown_ns);
  EXPECT_EQ(histogram.max(), unknown_ns);
  EXPECT_TRUE(std::isnan(histogram.mean()));
  EXPECT_EQ(histogram.percentile(50), unknown_ns);
  EXPECT_EQ(histogram.count_at_most(int64_max), 0u);
}

TEST(Histogram, UnknownIsNoValue) {
  Histogram histogram;
  histogram.record(unknown_ns);
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.unknown_count(), 1u);
}

TEST(Histogram, SmallValuesAreExact) {
  for (std::int64_t value = -127; value <= 127; ++value) {
    Histogram histogram;
    histogram.record(value - 1);
    histogram.record(value);
    histogram.record(value + 1);
    EXPECT_EQ(histogram.percentile(50), value);
  }
}

// A sorted vector is the judge.
TEST(Histogram, PercentilesAreWithinTheStatedErrorOfTheSortedValues) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng prng(seed);
    Histogram histogram;
    std::vector<std::int64_t> values;
    const std::uint64_t count = 1 + prng.below(3000);
    for (std::uint64_t i = 0; i < count; ++i) {
      // All magnitudes up to the whole of int64, a third of them negative in every second run.
      auto value = static_cast<std::int64_t>(prng.next() >> (1 + prng.below(63)));
      if (seed % 2 == 0 && prng.chance(0.33)) value = -value;
      values.push_back(value);
      histogram.record(value);
    }
    std::sort(values.begin(), values.end());
    EXPECT_EQ(histogram.count(), count);
    EXPECT_EQ(histogram.min(), values.front());
    EXPECT_EQ(histogram.max(), values.back());
    EXPECT_EQ(histogram.negative_count(),
              static_cast<std::uint64_t>(
                  std::count_if(values.begin(), values.end(), [](auto v) { return v < 0; })));
    long double sum = 0;
    for (const std::int64_t value : values) sum += static_cast<long double>(value);
    const auto mean = static_cast<double>(sum / static_cast<long double>(count));
    EXPECT_NEAR(histogram.mean(), mean, std::abs(mean) * 1e-12);
    for (const double percent : {0.0, 0.1, 1.0, 10.0, 25.0, 50.0, 75.0, 90.0, 99.0, 99.9, 100.0}) {
      const double rank = std::max(1.0, std::ceil(percent / 100 * static_cast<double>(count)));
      const auto truth = static_cast<double>(values[static_cast<std::size_t>(rank) - 1]);
      ASSERT_NEAR(static_cast<double>(histogram.percentile(percent)), truth,
                  std::abs(truth) * Histogram::relative_error_max)
          << percent;
    }
    EXPECT_EQ(histogram.percentile(-1), values.front());
    EXPECT_EQ(histogram.percentile(101), values.back());
    for (int i = 0; i < 50; ++i) {
      const std::int64_t limit = values[prng.below(count)];
      const std::uint64_t at_most = histogram.count_at_most(limit);
      const auto upper = [&](std::int64_t at) {
        return static_cast<std::uint64_t>(std::upper_bound(values.begin(), values.end(), at) -
                                          values.begin());
      };
      const auto slack = static_cast<std::int64_t>(std::abs(static_cast<double>(limit)) / 64);
      ASSERT_GE(at_most, upper(limit));
      ASSERT_LE(at_most, upper(limit > int64_max - slack ? int64_max : limit + slack));
    }
  }
}

TEST(Histogram, ExtremesAreTaken) {
  Histogram histogram;
  histogram.record(int64_max);
  histogram.record(-int64_max);
  histogram.record(0);
  EXPECT_EQ(histogram.percentile(1), -int64_max);
  EXPECT_EQ(histogram.percentile(50), 0);
  EXPECT_EQ(histogram.percentile(100), int64_max);
  EXPECT_EQ(histogram.mean(), 0);
}

TEST(Histogram, MergeIsTheSameAsRecordingTogetherInAnyOrder) {
  Prng prng(77);
  Histogram together, a, b, c;
  for (int i = 0; i < 5000; ++i) {
    const std::int64_t value = prng.between(-2000, 1'000'000'000);
    together.record(value, 3);
    (i % 3 == 0 ? a : i % 3 == 1 ? b : c).record(value, 3);
  }
  c.record(unknown_ns);
  together.record(unknown_ns);
  Histogram left, right;
  left.merge(a), left.merge(b), left.merge(c);
  right.merge(c), right.merge(a), right.merge(b);
  right.merge(Histogram());
  for (const Histogram* merged : {&left, &right}) {
    EXPECT_EQ(merged->count(), together.count());
    EXPECT_EQ(merged->negative_count(), together.negative_count());
    EXPECT_EQ(merged->unknown_count(), 1u);
    EXPECT_EQ(merged->min(), together.min());
    EXPECT_EQ(merged->max(), together.max());
    EXPECT_EQ(merged->mean(), together.mean());
    for (double percent = 0; percent <= 100; percent += 0.5)
      EXPECT_EQ(merged->percentile(percent), together.percentile(percent));
  }
}

TEST(Histogram, ResetForgets) {
  Histogram histogram;
  histogram.record(-5);
  histogram.record(5, 0);
  EXPECT_EQ(histogram.count(), 1u);
  histogram.reset();
  EXPECT_EQ(histogram.count() + histogram.negative_count(), 0u);
  histogram.record(9);
  EXPECT_EQ(histogram.percentile(1), 9);
  EXPECT_EQ(histogram.mean(), 9);
}

TEST(Histogram, RecordAllocatesNothing) {
  if (!test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer has a malloc of its own";
  Histogram histogram, other;
  const std::uint64_t before = test::malloc_count();
  for (std::int64_t value = -100'000; value < 100'000; value += 7)
    histogram.record(value * value * value);
  histogram.merge(other);
  EXPECT_EQ(test::malloc_count(), before);
}

TEST(Histogram, SinceAnEarlierCopyIsWhatWasRecordedBetween) {
  Prng random(41);
  Histogram all;
  Histogram between;
  for (int i = 0; i < 5'000; ++i) all.record(static_cast<std::int64_t>(random.next() % 1'000'000));
  all.record(unknown_ns);
  const Histogram before = all;
  for (int i = 0; i < 5'000; ++i) {
    const auto value = static_cast<std::int64_t>(random.next() % 90'000) - 20'000;
    all.record(value);
    between.record(value);
  }
  const Histogram found = all.since(before);
  EXPECT_EQ(found.count(), between.count());
  EXPECT_EQ(found.negative_count(), between.negative_count());
  EXPECT_EQ(found.unknown_count(), 0u);
  EXPECT_DOUBLE_EQ(found.mean(), between.mean());
  // The ends lie in their buckets, whose middle is within 1/128 of each value.
  for (const double percent : {0.0, 0.1, 25.0, 50.0, 99.0, 99.9, 100.0}) {
    const auto expected = static_cast<double>(between.percentile(percent));
    EXPECT_NEAR(static_cast<double>(found.percentile(percent)), expected,
                std::abs(expected) * 2 * Histogram::relative_error_max)
        << percent;
  }
  EXPECT_EQ(all.since(all).count(), 0u);
  EXPECT_EQ(all.since(all).percentile(99), unknown_ns);
}

}  // namespace
}  // namespace perp::core
