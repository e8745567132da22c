#include "sim/text.hpp"

#include <perp/sim/random.hpp>

#include <gtest/gtest.h>

#include <string>

namespace perp::sim {
namespace {

std::string fixed(Decimal value) { return std::string(Text().fixed(value).view()); }
std::string trimmed(Decimal value) { return std::string(Text().trimmed(value).view()); }
std::string pointed(Decimal value) { return std::string(Text().pointed(value).view()); }

TEST(Text, WritesDecimalsAsEachVenueDoes) {
  EXPECT_EQ(fixed({6499090, 2}), "64990.90");
  EXPECT_EQ(fixed({0, 3}), "0.000");
  EXPECT_EQ(fixed({7, 3}), "0.007");
  EXPECT_EQ(fixed({-393, 8}), "-0.00000393");
  EXPECT_EQ(fixed({312, 0}), "312");
  EXPECT_EQ(fixed({5, -6}), "5000000");
  EXPECT_EQ(trimmed({639210, 1}), "63921");
  EXPECT_EQ(trimmed({639211, 1}), "63921.1");
  EXPECT_EQ(trimmed({40, 2}), "0.4");
  EXPECT_EQ(trimmed({0, 4}), "0");
  EXPECT_EQ(trimmed({100, 0}), "100");
  EXPECT_EQ(trimmed({1, -7}), "10000000");
  EXPECT_EQ(pointed({84143, 0}), "84143.0");
  EXPECT_EQ(pointed({1025923, 5}), "10.25923");
  EXPECT_EQ(pointed({441000, 8}), "0.00441");
  EXPECT_EQ(pointed({20, 1}), "2.0");
  EXPECT_EQ(pointed({0, 0}), "0.0");
  EXPECT_EQ(pointed({-125, 7}), "-0.0000125");
}

// The oracle cuts the digits of the integer itself.
TEST(Text, AgreesWithDigitsCutByHand) {
  Random random(11, 1);
  for (int i = 0; i < 200'000; ++i) {
    const int digits = static_cast<int>(random.below(17));
    const auto units = static_cast<std::int64_t>(random.bits() >> (1 + random.below(62)));
    std::string text = std::to_string(units);
    if (digits > 0) {
      while (text.size() <= static_cast<std::size_t>(digits)) text.insert(0, "0");
      text.insert(text.size() - static_cast<std::size_t>(digits), ".");
    }
    ASSERT_EQ(fixed({units, digits}), text);
    while (digits > 0 && text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
    ASSERT_EQ(trimmed({units, digits}), text);
    if (text.find('.') == std::string::npos) text += ".0";
    ASSERT_EQ(pointed({units, digits}), text);
  }
}

TEST(Text, WritesIntegersHexAndTimes) {
  const std::uint8_t bytes[] = {0x00, 0x7f, 0xa0, 0xff};
  EXPECT_EQ(Text().integer(INT64_MIN).view(), "-9223372036854775808");
  EXPECT_EQ(Text().integer(INT64_MAX).view(), "9223372036854775807");
  EXPECT_EQ(Text().hex(bytes).view(), "007fa0ff");
  EXPECT_EQ(Text().seconds(1793491198004102322).view(), "1793491198.004102322");
  EXPECT_EQ(Text().raw("ab").raw("").raw("c").view(), "abc");
}

TEST(Text, GrowsAndTruncates) {
  Text text;
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    text.integer(i).raw(",");
    expected += std::to_string(i) + ",";
  }
  EXPECT_EQ(text.view(), expected);
  text.truncate(4);
  EXPECT_EQ(text.view(), "0,1,");
}

}  // namespace
}  // namespace perp::sim
