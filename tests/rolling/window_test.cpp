// When samples leave, what is refused, and that a window never gives the answer of a shorter one.
#include "rolling/support.hpp"
#include "support/malloc_counter.hpp"

#include <perp/core/error.hpp>
#include <perp/rolling/extrema.hpp>
#include <perp/rolling/quantiles.hpp>
#include <perp/rolling/rolling.hpp>
#include <perp/rolling/sums.hpp>
#include <perp/rolling/window.hpp>

#include <gtest/gtest.h>

namespace perp::rolling {
namespace {

using test::nan;

TEST(Window, MinCountIsFourFifthsRoundedUp) {
  EXPECT_EQ(default_min_count(1), 1u);
  EXPECT_EQ(default_min_count(4), 4u);  // 3.2
  EXPECT_EQ(default_min_count(5), 4u);
  EXPECT_EQ(default_min_count(10), 8u);
  EXPECT_EQ(default_min_count(60), 48u);
  EXPECT_EQ(default_min_count(1440), 1152u);
}

TEST(Window, RefusesRulesThatCannotAnswer) {
  EXPECT_THROW(Rolling<Sum>(WindowRule{.capacity = 0, .min_count = 1}), core::Error);
  EXPECT_THROW(Rolling<Sum>(last_rows(5, 0)), core::Error);
  EXPECT_THROW(Rolling<Sum>(last_rows(5, 6)), core::Error);
  EXPECT_THROW(Rolling<Sum>((WindowRule{.capacity = 5, .span = -1, .min_count = 1})), core::Error);
}

TEST(Window, AnswersFromMinCountOnAndNotBelowItAgain) {
  Rolling<Sum> sums(last_rows(5));  // 4 of 5
  for (const double x : {1.0, 2.0, 4.0}) {
    sums.push(x);
    EXPECT_TRUE(std::isnan(sums.value().sum()));
  }
  sums.push(8.0);
  EXPECT_EQ(sums.value().sum(), 15.0);
  sums.push(nan);
  EXPECT_EQ(sums.value().sum(), 15.0) << "four of five are enough";
  sums.push(test::infinity);
  EXPECT_TRUE(std::isnan(sums.value().sum())) << "1 has left, and infinity is missing";
  for (const double x : {16.0, 32.0, 64.0}) sums.push(x);
  EXPECT_TRUE(std::isnan(sums.value().sum())) << "two holes";
  sums.push(128.0);
  EXPECT_EQ(sums.value().sum(), 240.0);
}

TEST(Window, BySpanHoldsWhatIsAfterItsBeginning) {
  Rolling<Extrema> extrema(last_span(10, 1, 8));
  EXPECT_TRUE(extrema.push_at(0, 5.0));
  EXPECT_TRUE(extrema.push_at(4, 7.0));
  extrema.advance(9);
  EXPECT_EQ(extrema.value().min(), 5.0);
  extrema.advance(10);
  EXPECT_EQ(extrema.value().min(), 7.0) << "now - span < time";
  extrema.advance(13);
  EXPECT_EQ(extrema.value().max(), 7.0);
  extrema.advance(14);
  EXPECT_TRUE(std::isnan(extrema.value().max()));
  EXPECT_TRUE(extrema.push_at(14, 1.0));
  EXPECT_EQ(extrema.value().max(), 1.0);
}

TEST(Window, RefusesTimeThatGoesBack) {
  Rolling<Quantiles> quantiles(last_span(10, 1, 8));
  EXPECT_TRUE(quantiles.push_at(100, 1.0));
  EXPECT_TRUE(quantiles.push_at(100, 2.0)) << "several of one moment";
  EXPECT_FALSE(quantiles.push_at(99, 3.0));
  quantiles.advance(105);
  EXPECT_FALSE(quantiles.push_at(104, 3.0));
  quantiles.advance(50);
  EXPECT_EQ(quantiles.value().median(), 1.5);
  EXPECT_EQ(quantiles.window().now(), 105);
}

TEST(Window, SaysNothingWhileASampleFoundNoRoom) {
  Rolling<Sum> sums(last_span(10, 1, 3));
  for (std::int64_t time = 0; time < 3; ++time) EXPECT_TRUE(sums.push_at(time, 1.0));
  EXPECT_EQ(sums.value().sum(), 3.0);
  EXPECT_TRUE(sums.push_at(5, 1.0));  // that of 0 goes, though it belongs to the window until 10
  EXPECT_TRUE(std::isnan(sums.value().sum()));
  sums.advance(9);
  EXPECT_TRUE(std::isnan(sums.value().sum()));
  sums.advance(10);
  EXPECT_EQ(sums.value().sum(), 3.0) << "1, 2 and 5: complete again";
}

/// A sum that counts what is done for it.
struct Counting {
  static constexpr std::size_t input_count = 1;
  static constexpr bool is_resummed = true;
  inline static int calls = 0;
  void add(std::uint64_t, const double*) { ++calls; }
  void remove(std::uint64_t, const double*) { ++calls; }
  double count() const { return 0; }
};

// No pass over the window at any push, not even when sums are renewed.
TEST(Window, DoesConstantWorkPerPushWhateverItsLength) {
  for (const std::size_t length : {1u, 10u, 1'000u, 30'000u}) {
    Rolling<Counting> by_count(last_rows(length));
    Rolling<Counting> by_time(last_span(static_cast<std::int64_t>(length), length, length + 1));
    for (int i = 0; i < 100'000; ++i) {
      Counting::calls = 0;
      by_count.push(1.0);
      ASSERT_LE(Counting::calls, 3) << "added, added to the fresh sums, removed";
      Counting::calls = 0;
      by_time.push(1.0);
      ASSERT_LE(Counting::calls, 3);
    }
  }
}

TEST(Window, AllocatesNothingAfterConstruction) {
  if (!perp::test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer brings its own malloc";
  Rolling<Moments> moments(last_rows(20));
  Rolling<Regression> regression(last_rows(20));
  Rolling<Extrema> extrema(last_span(20, 10, 64));
  Rolling<Quantiles> quantiles(last_span(20, 10, 64));
  test::Walk walk(3);
  const std::uint64_t before = perp::test::malloc_count();
  double sum = 0;
  for (int i = 0; i < 5'000; ++i) {
    const double x = walk();
    moments.push(x);
    regression.push(i, x);
    extrema.push(x);
    quantiles.push(x);
    sum += moments.value().z_score(x) + extrema.value().max() + quantiles.value().median() +
           regression.value().slope();
  }
  EXPECT_EQ(perp::test::malloc_count(), before);
  EXPECT_TRUE(std::isnan(sum)) << "the walk has holes";
}

}  // namespace
}  // namespace perp::rolling
