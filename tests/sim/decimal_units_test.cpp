#include <perp/sim/decimal_units.hpp>

#include <gtest/gtest.h>

namespace perp::sim {
namespace {

TEST(DecimalUnits, RescalesHalfAwayFromZero) {
  EXPECT_EQ(rescale(12345, 2, 4), 1234500);
  EXPECT_EQ(rescale(12345, 2, 2), 12345);
  EXPECT_EQ(rescale(12345, 2, 1), 1235);
  EXPECT_EQ(rescale(12344, 2, 1), 1234);
  EXPECT_EQ(rescale(-12345, 2, 1), -1235);
  EXPECT_EQ(rescale(5, -6, 0), 5'000'000);
  EXPECT_EQ(rescale(4'999'999, 0, -7), 0);
  EXPECT_EQ(rescale(5'000'000, 0, -7), 1);
}

TEST(DecimalUnits, MultipliesBeyondSixtyFourBits) {
  // 83782.317 x 84135.91710147 = 7049102077.68108...: 21 digits before rounding.
  EXPECT_EQ(multiply({83'782'317, 3}, {8'413'591'710'147, 8}, 2), 704'910'207'768);
  EXPECT_EQ(multiply({-3, 1}, {5, 1}, 1), -2);  // -0.15 -> -0.2
  EXPECT_EQ(multiply({3, 0}, {7, -2}, 0), 2100);
}

TEST(DecimalUnits, MultipliesAndDividesThrough128Bits) {
  EXPECT_EQ(multiply_divide(9'000'000'000'000'000'000, 9, 81), 1'000'000'000'000'000'000);
  EXPECT_EQ(multiply_divide(-7, 3, 2), -10);
}

TEST(DecimalUnits, KnowsPowersOfTen) {
  EXPECT_EQ(power_of_ten(0), 1);
  EXPECT_EQ(power_of_ten(18), 1'000'000'000'000'000'000);
}

}  // namespace
}  // namespace perp::sim
