// Extrema, quantiles, exponential averages and buckets against their definitions by brute force.
#include "rolling/support.hpp"

#include <perp/core/error.hpp>
#include <perp/rolling/bucket_bank.hpp>
#include <perp/rolling/bucket_window.hpp>
#include <perp/rolling/ema.hpp>
#include <perp/rolling/extrema.hpp>
#include <perp/rolling/quantiles.hpp>
#include <perp/rolling/rolling.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <random>
#include <vector>

namespace perp::rolling {
namespace {

using test::nan;
using test::same;

/// The present samples of the window, ascending.
std::vector<double> present(const std::deque<std::pair<std::int64_t, double>>& samples,
                            const WindowRule& rule) {
  std::vector<double> values;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const bool is_in = rule.span == 0 ? i + rule.capacity >= samples.size()
                                      : samples[i].first > samples.back().first - rule.span;
    if (is_in && std::isfinite(samples[i].second)) values.push_back(samples[i].second + 0.0);
  }
  std::sort(values.begin(), values.end());
  return values;
}

/// PERCENTILE_CONT as PostgreSQL documents it.
double percentile_cont(const std::vector<double>& sorted, double share) {
  const double row = share * static_cast<double>(sorted.size() - 1);
  const double low = sorted[static_cast<std::size_t>(std::floor(row))];
  const double high = sorted[static_cast<std::size_t>(std::ceil(row))];
  return low + (row - std::floor(row)) * (high - low);
}

void run(const WindowRule& rule, std::uint64_t seed) {
  Rolling<Extrema> extrema(rule);
  Rolling<Quantiles> quantiles(rule);
  std::deque<std::pair<std::int64_t, double>> samples;
  test::Walk walk(seed, 3, 5);
  std::mt19937_64 random(seed);
  std::int64_t time = 0;
  for (int i = 0; i < 3'000; ++i) {
    time += rule.span == 0 ? 1 : static_cast<std::int64_t>(random() % 3);
    double x = walk();
    if (random() % 3 == 0) x = std::round(x);  // equal values
    if (random() % 13 == 0) x = random() % 2 == 0 ? 0.0 : -0.0;
    if (random() % 17 == 0) x = -x;
    samples.emplace_back(time, x);
    if (samples.size() > 2'000) samples.pop_front();
    ASSERT_TRUE(extrema.push_at(time, x));
    ASSERT_TRUE(quantiles.push_at(time, x));
    const std::vector<double> sorted = present(samples, rule);
    const std::string where = "seed " + std::to_string(seed) + " step " + std::to_string(i);
    if (sorted.size() < rule.min_count) {
      ASSERT_TRUE(std::isnan(extrema.value().min()) && std::isnan(extrema.value().max()) &&
                  std::isnan(quantiles.value().median()))
          << where;
      continue;
    }
    ASSERT_TRUE(same(extrema.value().min(), sorted.front())) << where;
    ASSERT_TRUE(same(extrema.value().max(), sorted.back())) << where;
    for (const double share : {0.0, 0.05, 0.25, 0.5, 0.99, 1.0})
      ASSERT_TRUE(same(quantiles.value().at(share), percentile_cont(sorted, share)))
          << where << " share " << share;
    ASSERT_TRUE(std::isnan(quantiles.value().at(1.01)) && std::isnan(quantiles.value().at(-0.01)) &&
                std::isnan(quantiles.value().at(nan)));
  }
}

TEST(OrderStatistics, MatchBruteForceByCount) {
  std::uint64_t seed = 1;
  for (const std::size_t length : {1u, 2u, 3u, 8u, 61u, 300u})
    for (const std::size_t min_count : {std::size_t{1}, default_min_count(length)})
      run(last_rows(length, min_count), seed++);
}

TEST(OrderStatistics, MatchBruteForceByTime) {
  std::uint64_t seed = 50;
  for (const std::int64_t span : {1, 2, 9, 100})
    run(last_span(span, static_cast<std::size_t>(span), 1'000), seed++);
}

TEST(Ema, MatchesLongDoubleWithinItsBound) {
  for (const std::size_t period : {1u, 2u, 12u, 300u}) {
    const EmaRule rule = ema_of_period(period);
    Ema ema(rule);
    test::Walk walk(period);
    long double exact = 0;
    long double greatest = 0;
    std::size_t count = 0;
    for (int i = 0; i < 200'000; ++i) {
      const double x = walk();
      ema.push(x);
      if (std::isfinite(x)) {
        exact = count++ == 0 ? x : exact + rule.alpha * (x - exact);
        greatest = std::max<long double>(greatest, std::fabs(x));
      }
      if (count < rule.min_count) {
        ASSERT_TRUE(std::isnan(ema.value()));
      } else {
        ASSERT_LE(std::fabs(ema.value() - exact),
                  (4 + 1 / static_cast<long double>(rule.alpha)) * test::unit * greatest)
            << "period " << period << " step " << i;
      }
    }
  }
}

TEST(Ema, RefusesAWeightOutsideItsRange) {
  EXPECT_THROW(Ema({.alpha = 0}), core::Error);
  EXPECT_THROW(Ema({.alpha = 1.5}), core::Error);
  EXPECT_THROW(Ema({.alpha = nan}), core::Error);
  EXPECT_THROW(EmaBank({.alpha = -1}, 3), core::Error);
}

struct Tick {
  std::int64_t time;
  double value;
  double amount;
};

TEST(BucketWindow, MatchesBruteForce) {
  for (const std::size_t bucket_count : {1u, 2u, 5u, 60u}) {
    constexpr std::int64_t width = 10;
    const std::uint64_t seed = 900 + bucket_count;
    BucketWindow window(last_buckets(width, bucket_count));
    std::vector<Tick> ticks;
    test::Walk walk(seed, 100, 12);
    std::mt19937_64 random(seed);
    std::int64_t time = -500;  // before the epoch, too
    const auto bucket = [](std::int64_t t) {
      return static_cast<std::int64_t>(std::floor(static_cast<double>(t) / width));
    };
    const std::int64_t first = bucket(time);
    for (int i = 0; i < 3'000; ++i) {
      time += random() % 200 == 0 ? 40 * width : static_cast<std::int64_t>(random() % 8);
      const Tick tick{time, walk(), random() % 20 == 0 ? nan : static_cast<double>(random() % 100)};
      ticks.push_back(tick);
      ASSERT_TRUE(window.push_at(tick.time, tick.value, tick.amount));
      double open = nan, high = nan, low = nan, close = nan;
      long double sum = 0;
      double count = 0;
      for (const Tick& t : ticks) {
        if (std::isfinite(t.value)) close = t.value;
        if (bucket(t.time) <= bucket(time) - static_cast<std::int64_t>(bucket_count)) continue;
        count += 1;
        if (std::isfinite(t.amount)) sum += t.amount;
        if (!std::isfinite(t.value)) continue;
        if (std::isnan(open)) open = t.value;
        high = std::fmax(high, t.value);
        low = std::fmin(low, t.value);
      }
      if (std::isnan(high)) close = nan;
      const bool is_known =
          bucket(time) - first + 1 >= static_cast<std::int64_t>(default_min_count(bucket_count));
      if (!is_known) open = high = low = close = count = nan;
      const std::string where = "seed " + std::to_string(seed) + " step " + std::to_string(i);
      ASSERT_TRUE(same(window.open(), open)) << where;
      ASSERT_TRUE(same(window.high(), high)) << where;
      ASSERT_TRUE(same(window.low(), low)) << where;
      ASSERT_TRUE(same(window.close(), close)) << where;
      ASSERT_TRUE(same(window.count(), count)) << where;
      ASSERT_TRUE(same(window.sum(), is_known ? static_cast<double>(sum) : nan)) << where;
    }
  }
}

TEST(BucketWindow, IsSilentUntilItWatchedLongEnough) {
  BucketWindow window(last_buckets(10, 5));  // 4 of 5
  EXPECT_TRUE(std::isnan(window.sum()));
  EXPECT_TRUE(window.advance(3));
  EXPECT_TRUE(window.push_at(25, 7, 2));
  EXPECT_TRUE(std::isnan(window.sum())) << "three buckets";
  EXPECT_TRUE(window.advance(30));
  EXPECT_EQ(window.sum(), 2.0);
  EXPECT_EQ(window.close(), 7.0);
  EXPECT_FALSE(window.push_at(29, 1, 1)) << "that bucket has ended";
  EXPECT_TRUE(window.push_at(35, 8, 1));
  EXPECT_TRUE(window.push_at(31, 6, 1)) << "within the running bucket any order";
  EXPECT_EQ(window.close(), 6.0);
  EXPECT_TRUE(window.advance(1'000));
  EXPECT_EQ(window.sum(), 0.0) << "nothing was traded: that is known";
  EXPECT_TRUE(std::isnan(window.high())) << "no price";
}

TEST(BucketWindow, RefusesNonsenseShapes) {
  for (const BucketRule& rule :
       {last_buckets(0, 5), last_buckets(10, 0), BucketRule{10, 5, 0}, BucketRule{10, 5, 6}}) {
    EXPECT_THROW(BucketWindow{rule}, core::Error);
    EXPECT_THROW(BucketBank(rule, 3), core::Error);
  }
}

}  // namespace
}  // namespace perp::rolling
