#include <perp/rolling/change.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>

namespace perp::rolling {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Worked by hand. Written as the SQL expression gives it:
// sign(v) * floor(abs(v) * 1000 + 0.5) / 1000 with v = ((x - prev) / abs(prev)) * 100.
TEST(Change, MatchesHandComputedValues) {
  EXPECT_EQ(change_percent(105, 100), 5.0);
  EXPECT_EQ(change_percent(95, 100), -5.0);
  EXPECT_EQ(change_percent(1, 3), -66.667);  // -66.6666.. -> -66.667
  EXPECT_EQ(change_percent(4, 3), 33.333);
  EXPECT_EQ(change_percent(0.0001, -0.0001), 200.0);    // negative funding that turned: +200 %
  EXPECT_EQ(change_percent(-0.0002, -0.0001), -100.0);  // more negative: down
  EXPECT_EQ(change_percent(0, 5), -100.0);              // a measured zero is a value
}

// A half at the fourth decimal goes away from zero, where round(float8) of PostgreSQL would go to
// even.
TEST(Change, RoundsHalvesAwayFromZero) {
  EXPECT_EQ(round_half_away(0.0005, 1000), 0.001);
  EXPECT_EQ(round_half_away(-0.0005, 1000), -0.001);
  EXPECT_EQ(round_half_away(2.5, 1), 3.0);
  EXPECT_EQ(round_half_away(-2.5, 1), -3.0);
  EXPECT_EQ(round_half_away(0.0625, 1000), 0.063);  // exact in binary: 62.5 + 0.5 = 63
  EXPECT_EQ(round_half_away(0.1875, 1000), 0.188);
  // 200000 -> 200001 is 0.0005 %: (1 / 200000) * 100 = 0.0005 (5.0000000000000001e-04), 0.5 + 0.5 =
  // 1 -> 0.001.
  EXPECT_EQ(change_percent(200001, 200000), 0.001);
  EXPECT_EQ(change_percent(199999, 200000), -0.001);
  // 1600 -> 1601 is 0.0625 % exactly.
  EXPECT_EQ(change_percent(1601, 1600), 0.063);
}

TEST(Change, IsUndefinedWhereTheContractSaysSo) {
  EXPECT_TRUE(std::isnan(change_percent(nan, 1)));
  EXPECT_TRUE(std::isnan(change_percent(1, nan)));
  EXPECT_TRUE(std::isnan(change_percent(1, 0)));
  EXPECT_TRUE(std::isnan(change_percent(0, 0)));
  EXPECT_TRUE(std::isnan(change_percent(1, -0.0)));
  EXPECT_TRUE(std::isnan(change_percent(1e308, -1e308)));  // the difference overflows
  EXPECT_TRUE(std::isnan(change_percent(1, std::numeric_limits<double>::denorm_min())));
}

TEST(Change, ClampsAtTheContractsLimit) {
  EXPECT_EQ(change_percent(101, 1), 9999.999);        // +10000 %
  EXPECT_EQ(change_percent(100.99999, 1), 9999.999);  // 9999.999 itself
  EXPECT_EQ(change_percent(-101, 1), -9999.999);
  EXPECT_EQ(change_percent(1e300, 1), 9999.999);
}

TEST(Change, NeverStoresNegativeZero) {
  const double tiny = change_percent(99999.999, 100000);  // -0.000001 % rounds to zero
  EXPECT_EQ(tiny, 0.0);
  EXPECT_FALSE(std::signbit(tiny));
}

TEST(Change, OfCategoryTellsTheNewSideOnly) {
  EXPECT_EQ(change_category(2, 1), 2.0);
  EXPECT_TRUE(std::isnan(change_category(1, 1)));
  EXPECT_EQ(change_category(1, nan), 1.0);
  EXPECT_TRUE(std::isnan(change_category(nan, 1)));
  EXPECT_TRUE(std::isnan(change_category(nan, nan)));
}

// Property: within half a unit of the third decimal of the exact value (long double), plus its
// rounding errors.
TEST(Change, StaysWithinHalfAUnitOfExactArithmetic) {
  std::mt19937_64 random(20240611);
  std::uniform_real_distribution<double> magnitude(-12, 12);
  std::uniform_real_distribution<double> factor(-3, 3);
  for (int i = 0; i < 100'000; ++i) {
    const double before = std::pow(10.0, magnitude(random)) * (i % 2 == 0 ? 1 : -1);
    const double now = before * factor(random);
    const long double exact = (static_cast<long double>(now) - before) /
                              std::fabs(static_cast<long double>(before)) * 100;
    ASSERT_NEAR(change_percent(now, before), static_cast<double>(exact), 0.0005 + 1e-12)
        << now << " " << before;
  }
}

}  // namespace
}  // namespace perp::rolling
