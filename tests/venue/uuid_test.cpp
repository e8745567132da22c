// Goal: a UUID's text is its 32 digits and nothing else, read at once (this source is compiled as
// the venue layer is) or digit by digit. Oracle: std::from_chars on each half.
#include "venue/uuid.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <charconv>
#include <random>
#include <string>

namespace perp::venue {
namespace {

TEST(Uuid, IsItsDigits) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 10'000; ++i) {
    std::string digits;
    for (int n = 0; n < 32; ++n)
      digits += (i % 2 == 0 ? "0123456789abcdef" : "0123456789ABCDEF")[random() % 16];
    std::string text = digits;
    for (const std::size_t at : {8U, 13U, 18U, 23U}) text.insert(at, "-");
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    std::from_chars(digits.data(), digits.data() + 16, high, 16);
    std::from_chars(digits.data() + 16, digits.data() + 32, low, 16);
    for (const auto read : {read_uuid, read_uuid_by_digit}) {
      Uuid uuid;
      ASSERT_TRUE(read(text, uuid)) << text;
      ASSERT_EQ(uuid.high, high) << text;
      ASSERT_EQ(uuid.low, low) << text;
    }
  }
}

TEST(Uuid, IsRefusedWithAnyOtherByte) {
  const std::string good = "35319862-77a2-5ebe-851b-3836573c4fe9";
  for (const auto read : {read_uuid, read_uuid_by_digit}) {
    Uuid uuid;
    ASSERT_TRUE(read(good, uuid));
    for (std::size_t at = 0; at < good.size(); ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text = good;
        text[at] = static_cast<char>(byte);
        const bool is_hex = byte < 128 && std::isxdigit(byte) != 0;
        ASSERT_EQ(read(text, uuid), good[at] == '-' ? byte == '-' : is_hex) << text;
      }
    }
    EXPECT_FALSE(read(good.substr(1), uuid));
    EXPECT_FALSE(read(good + "0", uuid));
    EXPECT_FALSE(read("", uuid));
  }
}

}  // namespace
}  // namespace perp::venue
