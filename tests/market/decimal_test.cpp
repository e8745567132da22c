// Goal: every text becomes the double nearest to the exact decimal value, after an exact scale.
// Oracle: strtod on the same digits with the exponent moved by hand, and long text forms no fast
// path can take.
#include <perp/market/decimal.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

namespace perp::market {
namespace {

std::uint64_t bits(double value) {
  std::uint64_t out = 0;
  std::memcpy(&out, &value, sizeof out);
  return out;
}

double parsed(const std::string& text, Scale scale = {}) {
  double value = -1;
  EXPECT_TRUE(parse_decimal(text, scale, value)) << text;
  return value;
}

TEST(Decimal, EqualsStrtodOnRandomDecimals) {
  std::mt19937_64 random(20261121);
  for (int i = 0; i < 300'000; ++i) {
    std::string text = random() % 4 == 0 ? "-" : "";
    const auto whole = static_cast<int>(random() % 16);
    const auto fraction = static_cast<int>(random() % 16);
    for (int d = 0; d < whole + 1; ++d) text += static_cast<char>('0' + random() % 10);
    if (fraction > 0) text += '.';
    for (int d = 0; d < fraction; ++d) text += static_cast<char>('0' + random() % 10);
    if (random() % 8 == 0) text += (random() % 2 ? "e-" : "E") + std::to_string(random() % 30);
    ASSERT_EQ(bits(parsed(text)), bits(std::strtod(text.c_str(), nullptr))) << text;
  }
}

TEST(Decimal, ScalesByPowersOfTenBeforeRounding) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 200'000; ++i) {
    std::string digits = std::to_string(random() % 1'000'000'000'000) + "." +
                         std::to_string(random() % 1'000'000'000);
    const int shift = static_cast<int>(random() % 19) - 9;
    const double expected = std::strtod((digits + "e" + std::to_string(shift)).c_str(), nullptr);
    ASSERT_EQ(bits(parsed(digits, {1, shift})), bits(expected)) << digits << " x 10^" << shift;
  }
}

TEST(Decimal, ScalesByOtherFactorsExactly) {
  // 5 x 0.1 is 0.5 exactly; 0.1 + rounding of 0.1 first would not matter here, but 3 x 0.1 shows
  // it.
  EXPECT_EQ(parsed("0.1", {3, 0}), 0.3);
  EXPECT_NE(0.1 * 3, 0.3);
  EXPECT_EQ(parsed("1234.5678", {5, -2}), 61.72839);
  EXPECT_EQ(parsed("0.07", {1, 3}), 70.0);
}

TEST(Decimal, FifteenDigitsSurviveTextDoubleText) {
  std::mt19937_64 random(99);
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t mantissa = 100'000'000'000'000 + random() % 900'000'000'000'000;
    const int exponent = static_cast<int>(random() % 20) - 18;
    const std::string text = std::to_string(mantissa) + "e" + std::to_string(exponent);
    char back[40];
    std::snprintf(back, sizeof back, "%.14e", parsed(text));
    const std::string digits = std::to_string(mantissa);
    const std::string shown = std::string(back, 1) + std::string(back + 2, 14);
    ASSERT_EQ(shown, digits) << text;
  }
}

TEST(Decimal, LongTextsAreRoundedCorrectly) {
  for (const char* text :
       {"2580910169.22481534965216", "0.1000000000000000055511151231257827021181583404541015625",
        "9007199254740993", "9007199254740992.99999999999999999999",
        "179769313486231570000000000000000000000e270", "4.9406564584124654e-324",
        "2.2250738585072011e-308", "0.00000000000000000000000000000000001", "00012.50"})
    EXPECT_EQ(bits(parsed(text)), bits(std::strtod(text, nullptr))) << text;
}

TEST(Decimal, RefusesWhatIsNotANumber) {
  double value = 42;
  for (const char* text :
       {"",    "-",    ".",   ".5",  "5.",       "1e",    "1e+", "+1",    " 1",    "1 ",
        "1,5", "0x10", "nan", "inf", "Infinity", "1e400", "--1", "1.2.3", "1e5.0", "\"1\""})
    EXPECT_FALSE(parse_decimal(text, value)) << text;
  EXPECT_EQ(value, 42) << "a refusal leaves the value alone";
}

TEST(Decimal, TinyIsZeroAndSignIsKept) {
  EXPECT_EQ(bits(parsed("-0")), bits(-0.0));
  EXPECT_EQ(bits(parsed("0.000")), bits(0.0));
  EXPECT_EQ(bits(parsed("1e-400")), bits(0.0));
  EXPECT_EQ(bits(parsed("0e999999999")), bits(0.0));
  EXPECT_EQ(bits(parsed("-4.94065645841264584124654e-340")), bits(-0.0));
  EXPECT_EQ(parsed("1e401", {1, -128}), 1e273);
  EXPECT_EQ(bits(parsed("1e-790", {1, -128})), bits(0.0));
}

TEST(Decimal, ParsesScales) {
  Scale scale;
  ASSERT_TRUE(parse_scale("0.01", scale));
  EXPECT_EQ(scale.mantissa, 1u);
  EXPECT_EQ(scale.exponent, -2);
  ASSERT_TRUE(parse_scale("10000000", scale));
  EXPECT_EQ(scale.mantissa, 1u);
  EXPECT_EQ(scale.exponent, 7);
  ASSERT_TRUE(parse_scale("2.50", scale));
  EXPECT_EQ(to_double(scale), 2.5);
  for (const char* text : {"", "0", "-1", "abc", "1e99"})
    EXPECT_FALSE(parse_scale(text, scale)) << text;
  Scale product;
  ASSERT_TRUE(multiply({25, -1}, {4, 0}, product));
  EXPECT_EQ(to_double(product), 10);
  EXPECT_FALSE(multiply({UINT64_C(9999999999999999999), 0}, {7, 0}, product));
}

TEST(Decimal, ParsesIntegers) {
  std::int64_t value = 0;
  ASSERT_TRUE(parse_integer("-9223372036854775808", value));
  EXPECT_EQ(value, INT64_MIN);
  ASSERT_TRUE(parse_integer("9223372036854775807", value));
  EXPECT_EQ(value, INT64_MAX);
  for (const char* text : {"", "-", "+1", "1.0", "9223372036854775808", "1 ", "1e3"})
    EXPECT_FALSE(parse_integer(text, value)) << text;
}

}  // namespace
}  // namespace perp::market
