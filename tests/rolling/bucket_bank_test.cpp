// Each lane of a bucket bank against a BucketWindow of its own over the same samples and the same
// clock, on every instruction set, and its sum against long double. BucketWindow itself is tested
// against brute force in order_test.cpp.
#include "rolling/support.hpp"
#include "support/malloc_counter.hpp"

#include <perp/rolling/bucket_bank.hpp>
#include <perp/rolling/bucket_window.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <vector>

namespace perp::rolling {
namespace {

using test::nan;
using test::same;

constexpr std::int64_t width = 10;

/// Each answer of the bank beside the single forms'.
void compare(const BucketBank& bank, const std::vector<BucketWindow>& singles,
             const std::string& where) {
  std::vector<double> out(singles.size());
  const auto each = [&](const char* what,
                        void (BucketBank::*read)(std::span<double>) const noexcept,
                        double (BucketWindow::*expected)() const noexcept) {
    (bank.*read)(out);
    for (std::size_t s = 0; s < singles.size(); ++s)
      ASSERT_TRUE(same(out[s], (singles[s].*expected)()))
          << where << " series " << s << " " << what << ": " << out[s] << " instead of "
          << (singles[s].*expected)();
  };
  each("open", &BucketBank::open, &BucketWindow::open);
  each("high", &BucketBank::high, &BucketWindow::high);
  each("low", &BucketBank::low, &BucketWindow::low);
  each("close", &BucketBank::close, &BucketWindow::close);
  each("sum", &BucketBank::sum, &BucketWindow::sum);
  each("count", &BucketBank::count, &BucketWindow::count);
}

TEST(BucketBank, HasTheAnswersOfTheSingleForm) {
  for (const std::size_t bucket_count : {1u, 2u, 5u, 60u})
    for (const std::size_t series_count : {1u, 8u, 21u}) {
      const std::uint64_t seed = 10 * bucket_count + series_count;
      test::on_every_target([&] {
        BucketBank bank(last_buckets(width, bucket_count), series_count);
        std::vector<BucketWindow> singles;
        std::vector<test::Walk> walks;
        for (std::size_t s = 0; s < series_count; ++s) {
          singles.emplace_back(last_buckets(width, bucket_count));
          walks.emplace_back(seed * 100 + s, s % 4 == 3 ? -1 : 100, 12);
        }
        std::mt19937_64 random(seed);
        std::vector<double> values(series_count);
        std::vector<double> amounts(series_count);
        compare(bank, singles, "empty");
        std::int64_t time = -500;  // before the epoch, too
        for (int i = 0; i < 2'500; ++i) {
          time += random() % 150 == 0 ? static_cast<std::int64_t>(random() % (70 * width))
                                      : static_cast<std::int64_t>(random() % 5);
          for (BucketWindow& single : singles) ASSERT_TRUE(single.advance(time));
          if (random() % 10 == 0) {
            ASSERT_TRUE(bank.advance(time));
          } else if (random() % 4 == 0) {
            for (std::size_t s = 0; s < series_count; ++s) {
              values[s] = random() % 3 == 0 ? nan : walks[s]();
              amounts[s] = random() % 3 == 0 ? nan : static_cast<double>(random() % 100);
              if (!std::isfinite(values[s]) && !std::isfinite(amounts[s])) continue;
              ASSERT_TRUE(singles[s].push_at(time, values[s], amounts[s]));
            }
            ASSERT_TRUE(bank.push_at(time, values, amounts));
          } else {
            // Some series trade often, some hardly ever.
            const std::size_t s = std::min(random() % series_count, random() % series_count);
            const double value = random() % 15 == 0 ? -0.0 : walks[s]();
            const double amount = random() % 20 == 0 ? nan : static_cast<double>(random() % 100);
            ASSERT_TRUE(bank.push_at(s, time, value, amount));
            ASSERT_TRUE(singles[s].push_at(time, value, amount));
          }
          compare(bank, singles, "seed " + std::to_string(seed) + " step " + std::to_string(i));
          if (::testing::Test::HasFatalFailure()) return;
        }
        EXPECT_FALSE(bank.advance(time - width));
        EXPECT_FALSE(bank.push_at(0, time - width, 1, 1));
        EXPECT_FALSE(bank.push_at(time - width, values, amounts));
        compare(bank, singles, "after refusals");
      });
    }
}

TEST(BucketBank, SumsStayWithinTheirBound) {
  constexpr std::size_t bucket_count = 20;
  BucketBank bank(last_buckets(width, bucket_count), 2);
  struct Amount {
    std::int64_t bucket;
    double amount;
  };
  std::deque<Amount> amounts;
  std::mt19937_64 random(4);
  std::lognormal_distribution<double> size(0, 6);
  std::vector<double> out(2);
  for (std::int64_t time = 0; time < 300'000; time += static_cast<std::int64_t>(random() % 4)) {
    const double amount = size(random);
    ASSERT_TRUE(bank.push_at(1, time, 1, amount));
    amounts.push_back({time / width, amount});
    while (amounts.front().bucket <= time / width - 2 * static_cast<std::int64_t>(bucket_count))
      amounts.pop_front();
    if (random() % 100 != 0 || time < 200) continue;
    long double exact = 0;
    long double absolute = 0;
    for (const Amount& a : amounts) {
      absolute += a.amount;
      if (a.bucket > time / width - static_cast<std::int64_t>(bucket_count)) exact += a.amount;
    }
    bank.sum(out);
    ASSERT_LE(std::fabs(out[1] - exact),
              2 * static_cast<long double>(amounts.size()) * test::unit * absolute)
        << "time " << time;
    EXPECT_EQ(out[0], 0) << "watched, and nothing was traded";
  }
}

TEST(BucketBank, SaysNothingOfAnOverflowUntilItHasLeft) {
  BucketBank bank(BucketRule{.width = width, .bucket_count = 3, .min_count = 1}, 1);
  std::vector<double> out(1);
  EXPECT_TRUE(bank.push_at(0, 0, 1, 1e308));
  EXPECT_TRUE(bank.push_at(0, 1, 1, 1e308));
  bank.sum(out);
  EXPECT_TRUE(std::isnan(out[0]));
  for (std::int64_t time = width; time < 10 * width; time += width)
    EXPECT_TRUE(bank.push_at(0, time, 1, 2));
  bank.sum(out);
  EXPECT_EQ(out[0], 6);
}

TEST(BucketBank, AllocatesNothingAfterConstruction) {
  if (!perp::test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer brings its own malloc";
  BucketBank bank(last_buckets(width, 12), 9);
  std::vector<double> out(9);
  const std::uint64_t before = perp::test::malloc_count();
  for (std::int64_t time = 0; time < 3'000; ++time) {
    ASSERT_TRUE(bank.push_at(static_cast<std::size_t>(time) % 7, time, 5, 2));
    bank.open(out);
    bank.close(out);
    bank.sum(out);
  }
  EXPECT_EQ(perp::test::malloc_count(), before);
  EXPECT_TRUE(std::isnan(out[8]) || out[8] == 0);
}

}  // namespace
}  // namespace perp::rolling
