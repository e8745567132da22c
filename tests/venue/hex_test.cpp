// Goal: sixteen hexadecimal digits are their number and nothing else is one, at once (this source
// is compiled as the venue layer is) or digit by digit. Oracle: std::from_chars.
#include "venue/hex.hpp"

#include <gtest/gtest.h>

#include <charconv>
#include <random>
#include <string>
#include <vector>

namespace perp::venue {
namespace {

using ReadHex = bool (*)(const char*, std::uint64_t&);
const std::vector<ReadHex> readers{read_hex, read_hex_by_digit};

TEST(Hex, IsItsDigits) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 10'000; ++i) {
    std::string digits;
    for (int n = 0; n < 16; ++n) digits += "0123456789abcdefABCDEF"[random() % 22];
    std::uint64_t expected = 0;
    std::from_chars(digits.data(), digits.data() + 16, expected, 16);
    for (const ReadHex read : readers) {
      std::uint64_t value = 0;
      ASSERT_TRUE(read(digits.data(), value)) << digits;
      ASSERT_EQ(value, expected) << digits;
    }
  }
}

TEST(Hex, IsRefusedWithAnyOtherByte) {
  const std::string good = "3531986277a25ebE";
  for (const ReadHex read : readers) {
    std::uint64_t value = 0;
    ASSERT_TRUE(read(good.data(), value));
    for (std::size_t at = 0; at < good.size(); ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text = good;
        text[at] = static_cast<char>(byte);
        const bool is_digit =
            std::string("0123456789abcdefABCDEF").find(text[at]) != std::string::npos;
        ASSERT_EQ(read(text.data(), value), is_digit) << byte << " at " << at;
      }
    }
  }
}

}  // namespace
}  // namespace perp::venue
