// Sum, Moments, Vwap and Regression under windows by count and by time, against the definitions in
// long double over the samples of the window, within the error bounds that sums.hpp states.
#include "rolling/support.hpp"

#include <perp/rolling/rolling.hpp>
#include <perp/rolling/sums.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <random>
#include <vector>

namespace perp::rolling {
namespace {

using test::infinity;
using test::nan;
using test::unit;

struct Sample {
  std::int64_t time;
  double x;
  double y;
};
bool has(const Sample& s, bool needs_y) {
  return std::isfinite(s.x) && (!needs_y || std::isfinite(s.y));
}

/// What the definitions say of the window, and what the bounds need: of the last two windows.
struct Truth {
  long double count = 0;
  long double sum = 0, mean = 0, variance = 0;
  long double notional = 0, quantity = 0;
  long double mean_y = 0, variance_y = 0, covariance = 0;
  long double n = 0, absolute_x = 0, absolute_notional = 0, absolute_y = 0;
  long double range_x = 0, range_y = 0;
};

/// A sample is kept as long as it matters for the bounds; the window is given by the rule.
class Oracle {
 public:
  Oracle(const WindowRule& rule, bool needs_y) : rule_(rule), needs_y_(needs_y) {}

  void push(const Sample& sample) {
    samples_.push_back(sample);
    if (rule_.span == 0) {
      while (samples_.size() > 2 * rule_.capacity + 1) samples_.pop_front();
    } else {
      while (samples_.front().time <= sample.time - 2 * rule_.span - 1) samples_.pop_front();
    }
  }

  Truth truth() const {
    Truth t;
    double least[2] = {infinity, infinity};
    double greatest[2] = {-infinity, -infinity};
    std::vector<Sample> window;
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      const Sample& s = samples_[i];
      t.n += 1;
      if (!has(s, needs_y_)) continue;
      t.absolute_x += std::fabs(s.x);
      least[0] = std::min(least[0], s.x);
      greatest[0] = std::max(greatest[0], s.x);
      if (needs_y_) {
        t.absolute_y += std::fabs(s.y);
        t.absolute_notional += std::fabs(static_cast<long double>(s.x) * s.y);
        least[1] = std::min(least[1], s.y);
        greatest[1] = std::max(greatest[1], s.y);
      }
      const bool is_in = rule_.span == 0 ? i + rule_.capacity >= samples_.size()
                                         : s.time > samples_.back().time - rule_.span;
      if (is_in) window.push_back(s);
    }
    t.range_x = static_cast<long double>(greatest[0]) - least[0];
    t.range_y = static_cast<long double>(greatest[1]) - least[1];
    t.count = static_cast<long double>(window.size());
    for (const Sample& s : window) {
      t.sum += s.x;
      t.mean_y += s.y;
      t.notional += static_cast<long double>(s.x) * s.y;
      t.quantity += s.y;
    }
    t.mean = t.sum / t.count;
    t.mean_y /= t.count;
    for (const Sample& s : window) {
      t.variance += (s.x - t.mean) * (s.x - t.mean);
      t.variance_y += (s.y - t.mean_y) * (s.y - t.mean_y);
      t.covariance += (s.x - t.mean) * (s.y - t.mean_y);
    }
    t.variance /= t.count;
    t.variance_y /= t.count;
    t.covariance /= t.count;
    return t;
  }

 private:
  WindowRule rule_;
  bool needs_y_;
  std::deque<Sample> samples_;
};

void expect_near(double got, long double expected, long double bound, const char* what,
                 const std::string& where) {
  ASSERT_TRUE(std::isfinite(got)) << what << " " << where;
  ASSERT_LE(std::fabs(got - expected), bound)
      << what << " " << where << ": " << got << " instead of " << static_cast<double>(expected);
}

/// The bounds of sums.hpp. N / c is rows in the window over present ones; n covers two windows.
void compare(const Rolling<Sum>& sums, const Rolling<Moments>& moments, const Truth& t,
             double min_count, const std::string& where) {
  if (t.count < min_count) {
    EXPECT_TRUE(std::isnan(sums.value().sum()) && std::isnan(sums.value().mean()) &&
                std::isnan(moments.value().mean()) && std::isnan(moments.value().variance()) &&
                std::isnan(moments.value().deviation()) && std::isnan(moments.value().z_score(1)))
        << where;
    return;
  }
  const long double rows_per_sample = t.n / t.count;
  const long double sum_bound = 2 * t.n * unit * t.absolute_x;
  expect_near(sums.value().sum(), t.sum, sum_bound, "sum", where);
  expect_near(sums.value().mean(), t.mean, sum_bound / t.count + unit * std::fabs(t.mean), "mean",
              where);
  const long double mean_bound =
      3 * t.n * unit * t.range_x * rows_per_sample + 2 * unit * std::fabs(t.mean);
  const long double variance_bound = 12 * t.n * unit * t.range_x * t.range_x * rows_per_sample;
  expect_near(moments.value().mean(), t.mean, mean_bound, "moments' mean", where);
  expect_near(moments.value().variance(), t.variance, variance_bound, "variance", where);
  expect_near(moments.value().deviation(), std::sqrt(t.variance),
              std::sqrt(t.variance + variance_bound) - std::sqrt(t.variance) +
                  2 * unit * std::sqrt(t.variance),
              "deviation", where);
  if (t.count > 1)
    expect_near(moments.value().sample_variance(), t.variance * t.count / (t.count - 1),
                2 * variance_bound + 4 * unit * t.variance, "sample variance", where);
}

void compare(const Rolling<Vwap>& vwaps, const Rolling<Regression>& regressions, const Truth& t,
             double min_count, const std::string& where) {
  if (t.count < min_count) {
    EXPECT_TRUE(std::isnan(vwaps.value().price()) && std::isnan(vwaps.value().quantity()) &&
                std::isnan(regressions.value().slope()) &&
                std::isnan(regressions.value().correlation()))
        << where;
    return;
  }
  const long double vwap = t.notional / t.quantity;
  if (t.quantity == 0) {
    ASSERT_TRUE(std::isnan(vwaps.value().price())) << where;
  } else {
    expect_near(vwaps.value().price(), vwap,
                3 * t.n * unit * (t.absolute_notional + std::fabs(vwap) * t.absolute_y) /
                    std::fabs(t.quantity),
                "vwap", where);
  }
  const long double share = 12 * t.n * unit * t.n / t.count;
  const long double bound_xx = share * t.range_x * t.range_x;
  const long double bound_xy = share * t.range_x * t.range_y;
  const long double bound_yy = share * t.range_y * t.range_y;
  // Where an input varies by more than its bound; else the quotient says nothing.
  if (t.variance > 100 * bound_xx)
    expect_near(regressions.value().slope(), t.covariance / t.variance,
                1.1L * (bound_xy + std::fabs(t.covariance / t.variance) * bound_xx) / t.variance +
                    4 * unit * std::fabs(t.covariance / t.variance),
                "slope", where);
  if (t.variance > 100 * bound_xx && t.variance_y > 100 * bound_yy)
    expect_near(
        regressions.value().correlation(), t.covariance / std::sqrt(t.variance * t.variance_y),
        1.1L * (bound_xx / t.variance + bound_yy / t.variance_y) + 8 * unit, "correlation", where);
}

/// Pushes `count` samples through all four and compares every `every`-th time.
void run(const WindowRule& rule, std::uint64_t seed, int count, int every) {
  Rolling<Sum> sums(rule);
  Rolling<Moments> moments(rule);
  Rolling<Vwap> vwaps(rule);
  Rolling<Regression> regressions(rule);
  Oracle one(rule, false);
  Oracle two(rule, true);
  test::Walk walk(seed);
  std::mt19937_64 random(seed);
  std::int64_t time = 0;
  for (int i = 0; i < count; ++i) {
    time += rule.span == 0 ? 1 : static_cast<std::int64_t>(random() % 3);
    Sample s{time, walk(), static_cast<double>(random() % 1000) / 8};
    if (random() % 11 == 0) s.y = random() % 2 == 0 ? 0 : nan;
    if (random() % 500 == 0) s.x *= 1'000;  // an outlier that must not stay behind
    one.push(s);
    two.push(s);
    ASSERT_TRUE(sums.push_at(s.time, s.x));
    ASSERT_TRUE(moments.push_at(s.time, s.x));
    ASSERT_TRUE(vwaps.push_at(s.time, s.x, s.y));
    ASSERT_TRUE(regressions.push_at(s.time, s.x, s.y));
    if (i % every != 0) continue;
    const std::string where = "seed " + std::to_string(seed) + " step " + std::to_string(i);
    const auto min_count = static_cast<double>(rule.min_count);
    compare(sums, moments, one.truth(), min_count, where);
    compare(vwaps, regressions, two.truth(), min_count, where);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(Sums, StayWithinTheirBoundsByCount) {
  std::uint64_t seed = 1;
  for (const std::size_t length : {1u, 2u, 3u, 10u, 37u, 300u})
    for (const std::size_t min_count : {std::size_t{1}, default_min_count(length)})
      run(last_rows(length, min_count), seed++, 2'500, 1);
}

TEST(Sums, StayWithinTheirBoundsByTime) {
  std::uint64_t seed = 100;
  for (const std::int64_t span : {1, 2, 7, 60, 250})
    run(last_span(span, static_cast<std::size_t>(span), 2'000), seed++, 2'500, 1);
}

TEST(Sums, DoNotDriftOverMillionsOfPushes) {
  run(last_rows(50), 7'001, 1'500'000, 4'999);
  run(last_span(64, 50, 1'000), 7'002, 1'500'000, 4'999);
}

TEST(Sums, OfWholeNumbersAreExactForEver) {
  Rolling<Sum> sums(last_rows(100, 1));
  std::deque<std::int64_t> window;
  std::mt19937_64 random(5);
  for (int i = 0; i < 100'000; ++i) {
    const auto x = static_cast<std::int64_t>(random() % 1'000'000'000'000);
    window.push_back(x);
    if (window.size() > 100) window.pop_front();
    sums.push(static_cast<double>(x));
    if (i % 997 != 0) continue;
    std::int64_t expected = 0;
    for (const std::int64_t value : window) expected += value;
    ASSERT_EQ(sums.value().sum(), static_cast<double>(expected));
  }
}

// Rounding errors left by what has gone must not look like activity.
TEST(Sums, OfADeadMarketAreExactlyZeroAndUndefined) {
  Rolling<Sum> sums(last_rows(10));
  Rolling<Vwap> vwaps(last_rows(10));
  Rolling<Moments> moments(last_rows(10));
  Rolling<Regression> regressions(last_rows(10));
  for (int i = 0; i < 25; ++i) {
    const double wild = 0.1 * (i + 1) + 1e9 * (i % 3);
    sums.push(wild);
    vwaps.push(64'000.1 + i, wild);
    moments.push(64'000.1 + 0.1 * i);
    regressions.push(i, 64'000.1 + 0.1 * i);
  }
  for (int i = 0; i < 10; ++i) {
    sums.push(0.0);
    vwaps.push(64'000.1, 0.0);
    moments.push(63'999.7);
    regressions.push(25 + i, 63'999.7);
  }
  EXPECT_EQ(sums.value().sum(), 0.0);
  EXPECT_EQ(vwaps.value().quantity(), 0.0);
  EXPECT_TRUE(std::isnan(vwaps.value().price()));
  EXPECT_EQ(moments.value().variance(), 0.0);
  EXPECT_TRUE(std::isnan(moments.value().z_score(63'999.7)));
  EXPECT_TRUE(std::isnan(regressions.value().correlation()));
  EXPECT_EQ(regressions.value().slope(), 0.0);
}

TEST(Sums, RecoverFromAnOverflowWithinTwoWindows) {
  Rolling<Moments> moments(last_rows(4));
  moments.push(1e200);
  for (int i = 0; i < 3; ++i) moments.push(1.0 + i);
  EXPECT_TRUE(std::isnan(moments.value().variance())) << "the squares overflowed: no infinity";
  for (int i = 0; i < 8; ++i) moments.push(1.0 + i % 2);
  EXPECT_EQ(moments.value().variance(), 0.25);
}

TEST(Sums, MatchHandComputedValues) {
  Rolling<Moments> moments(last_rows(4));
  for (const double x : {100.0, 2.0, 4.0, 4.0, 6.0}) moments.push(x);
  EXPECT_EQ(moments.value().mean(), 4.0);
  EXPECT_EQ(moments.value().variance(), 2.0);
  EXPECT_DOUBLE_EQ(moments.value().sample_variance(), 8.0 / 3);
  EXPECT_DOUBLE_EQ(moments.value().z_score(6), std::sqrt(2.0));

  Rolling<Vwap> vwap(last_span(10, 2, 8));
  EXPECT_TRUE(vwap.push_at(0, 50.0, 9.0));
  EXPECT_TRUE(vwap.push_at(9, 10.0, 1.0));
  EXPECT_TRUE(vwap.push_at(10, 20.0, 3.0));
  EXPECT_EQ(vwap.value().price(), 17.5) << "the one of time 0 is out: 0 < time <= 10";
  Rolling<Vwap> two(last_rows(2));
  two.push(100, 10);
  two.push(200, 20);
  EXPECT_NEAR(two.value().price(), 166.6667, 5e-5);

  Rolling<Regression> line(last_rows(5));
  for (int i = 0; i < 9; ++i) line.push(i, 7 - 2.5 * i);
  EXPECT_EQ(line.value().slope(), -2.5);
  EXPECT_DOUBLE_EQ(line.value().correlation(), -1.0);
}

}  // namespace
}  // namespace perp::rolling
