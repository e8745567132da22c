// Goal: the short forms read what strtod and from_chars read, to the same end, on both readers
// (this source is compiled for SSE4.1), refuse what is no number, and read no byte they must not.
// Oracle: strtod on the text alone, the scale written as an exponent behind it.
#include "market/decimal_texts.hpp"
#include "market/recorded.hpp"

#include <perp/market/decimal.hpp>
#include <perp/market/short_decimal.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <vector>

namespace perp::market {
namespace {

using testing::integer_of;
using testing::number_size;

std::uint64_t bits(double value) { return std::bit_cast<std::uint64_t>(value); }

/// A text in the middle of a message: as many bytes readable behind its beginning as may be read.
class Padded {
 public:
  Padded(std::string_view text, std::string_view behind) : bytes_(text) {
    bytes_.append(behind);
    bytes_.resize(std::max<std::size_t>(bytes_.size(), 32), '7');
  }
  const char* begin() const { return bytes_.data(); }

 private:
  std::string bytes_;
};

template <class Reader>
class ShortDecimal : public ::testing::Test {
 public:
  static const char* decimal(const char* at, int shift, double& value) {
    return parse_short_decimal<Reader>(at, shift, value);
  }
  static const char* integer(const char* at, std::int64_t& value) {
    return parse_short_integer<Reader>(at, value);
  }
  /// Expects the text to be read whole, as strtod reads it with the exponent behind.
  static void expect_equal(std::string_view text, int shift, std::string_view behind = "\",\"1.5") {
    const Padded padded(text, behind);
    double value = 42;
    const char* const end = decimal(padded.begin(), shift, value);
    ASSERT_EQ(end, padded.begin() + text.size()) << text << " x 10^" << shift;
    const std::string scaled = std::string(text) + "e" + std::to_string(shift);
    ASSERT_EQ(bits(value), bits(std::strtod(scaled.c_str(), nullptr))) << scaled;
  }
  static void expect_refused(std::string_view text, int shift = 0) {
    const Padded padded(text, ",");
    double value = 42;
    EXPECT_EQ(decimal(padded.begin(), shift, value), nullptr) << text;
    EXPECT_EQ(value, 42) << text;
  }
};

#if defined(__SSE4_1__)
using Readers = ::testing::Types<detail::SwarReader, detail::SseReader>;
#else
using Readers = ::testing::Types<detail::SwarReader>;
#endif
TYPED_TEST_SUITE(ShortDecimal, Readers);

TYPED_TEST(ShortDecimal, EqualsStrtodOnAMillionTexts) {
  constexpr std::uint64_t seed = 20261125;
  testing::DecimalTexts texts(seed);
  for (int i = 0; i < 1'000'000; ++i) {
    const std::string_view text = texts.next();
    const std::uint64_t expected = bits(std::strtod(text.data(), nullptr));
    double value = 42;
    ASSERT_EQ(this->decimal(text.data(), 0, value), text.data() + text.size())
        << text << " seed " << seed;
    ASSERT_EQ(bits(value), expected) << text << " seed " << seed;
    ASSERT_TRUE(parse_decimal(text, value)) << text;
    ASSERT_EQ(bits(value), expected) << text << " by parse_decimal, seed " << seed;
  }
}

TYPED_TEST(ShortDecimal, ScalesBeforeTheOneRounding) {
  constexpr std::uint64_t seed = 3;
  testing::DecimalTexts texts(seed);
  core::Prng prng(seed);
  for (int i = 0; i < 200'000; ++i) {
    const int shift = static_cast<int>(prng.between(-30, 30));
    this->expect_equal(std::string(texts.next()), shift);
    if (this->HasFatalFailure()) FAIL() << "seed " << seed;
  }
}

TYPED_TEST(ShortDecimal, KeepsEveryShiftOfEveryLength) {
  for (std::size_t digits = 1; digits <= 20; ++digits) {
    for (std::size_t point = 0; point < digits; ++point) {
      std::string text = std::string("98765432109876543210").substr(0, digits);
      if (point != 0) text.insert(point, ".");
      for (int shift = -45; shift <= 45; ++shift) {
        this->expect_equal(text, shift);
        this->expect_equal("-" + text, shift);
      }
    }
  }
}

TYPED_TEST(ShortDecimal, EndsWhereTheNumberEndsWhateverFollows) {
  for (std::size_t whole = 1; whole <= 18; ++whole) {
    for (std::size_t fraction = 0; fraction <= 18 - whole; ++fraction) {
      for (const bool is_negative : {false, true}) {
        std::string text = is_negative ? "-" : "";
        text += std::string("123456789012345678").substr(0, whole);
        if (fraction != 0) text += "." + std::string("987654321098765432").substr(0, fraction);
        for (int next = 0; next < 256; ++next) {
          for (const char* behind : {"1234567", ".5\",", "/./.", "\0\0\0"}) {
            const std::string message = text + static_cast<char>(next) + behind;
            const Padded padded(message, ",");
            const auto size = number_size(message);
            double value = 42;
            const char* const end = this->decimal(padded.begin(), 0, value);
            if (!size) {
              ASSERT_EQ(end, nullptr) << message;
              continue;
            }
            ASSERT_EQ(end, padded.begin() + *size) << message;
            const std::string number = message.substr(0, *size);
            ASSERT_EQ(bits(value), bits(std::strtod(number.c_str(), nullptr))) << message;
          }
        }
      }
    }
  }
}

TYPED_TEST(ShortDecimal, AnyBytesGiveTheNumberAtTheirBeginningOrNothing) {
  constexpr std::uint64_t seed = 8;
  core::Prng prng(seed);
  constexpr std::string_view alphabet = "0011234567899..-/:e+\",\xff ";
  int numbers = 0;
  for (int i = 0; i < 2'000'000; ++i) {
    std::string text;
    for (int n = 0; n < 20; ++n) text += alphabet[prng.below(alphabet.size())];
    text += "x,";
    const auto size = number_size(text);
    const Padded padded(text, ",");
    double value = 42;
    const char* const end = this->decimal(padded.begin(), 0, value);
    ASSERT_EQ(end, size ? padded.begin() + *size : nullptr) << text << " seed " << seed;
    const double expected = size ? std::strtod(text.substr(0, *size).c_str(), nullptr) : value;
    ASSERT_EQ(bits(value), bits(expected)) << text << " seed " << seed;
    numbers += end != nullptr ? 1 : 0;

    std::int64_t whole = 42;
    const auto expected_whole = integer_of(text);
    ASSERT_EQ(this->integer(padded.begin(), whole),
              expected_whole ? padded.begin() + *size : nullptr)
        << text << " seed " << seed;
    ASSERT_EQ(whole, expected_whole.value_or(42)) << text << " seed " << seed;
  }
  EXPECT_GT(numbers, 200'000);
}

TYPED_TEST(ShortDecimal, RefusesWhatIsNoNumberAndLeavesTheValueAlone) {
  for (const char* text : {"",          "-",
                           ".",         ".5",
                           "5.",        "-.5",
                           "-5.",       "+1",
                           " 1",        "01",
                           "00",        "-01",
                           "00.5",      "1.",
                           "1..2",      "/1",
                           "1./2",      "nan",
                           "inf",       "--1",
                           "\"1\"",     "1234567890123456.",
                           "12345678.", "-12345678."})
    this->expect_refused(text);
  this->expect_refused("123456789012345678901234567890");  // 30 characters
  this->expect_refused("1.00000000000000000000000000000000000");
  this->expect_refused("1", 400);  // no finite double
  this->expect_refused("123456789012345678", 300);
}

TYPED_TEST(ShortDecimal, ReadsTheExtremes) {
  for (const char* text :
       {"0", "-0", "0.0", "-0.000", "0.00000000000001", "999999999999999", "99999999999999.9",
        "9007199254740993", "9007199254740992.5", "4503599627370497.5", "18446744073709551615",
        "9999999999999999999.99", "0.0000000000000000000000001", "12345678901234567890123456789",
        "0.10000000000000000000000001"})
    this->expect_equal(text, 0);
  this->expect_equal("5", -324);
  this->expect_equal("2", -324);
  this->expect_equal("-1", -400);
  this->expect_equal("17976931348623157", 292);
  double value = 1;
  const Padded negative_zero("-0", ",");
  ASSERT_NE(this->decimal(negative_zero.begin(), 0, value), nullptr);
  EXPECT_EQ(bits(value), bits(-0.0));
}

TYPED_TEST(ShortDecimal, LeavesAnExponentToTheCaller) {
  const Padded padded("1.25e3", ",");
  double value = 0;
  EXPECT_EQ(this->decimal(padded.begin(), 0, value), padded.begin() + 4);
  EXPECT_EQ(value, 1.25);
}

TYPED_TEST(ShortDecimal, ReadsIntegers) {
  const auto read = [&](std::string_view text, std::int64_t& value) {
    const Padded padded(text, "}");
    const char* const end = this->integer(padded.begin(), value);
    EXPECT_TRUE(end == nullptr || end == padded.begin() + text.size()) << text;
    return end != nullptr;
  };
  std::int64_t value = 0;
  std::uint64_t magnitude = 0;
  for (std::uint64_t digit = 1; digit <= 19; ++digit) {  // 1, 12, 123, ...
    magnitude = magnitude * 10 + digit % 10;
    const auto expected = static_cast<std::int64_t>(magnitude);
    ASSERT_TRUE(read(std::to_string(expected), value)) << expected;
    EXPECT_EQ(value, expected);
    ASSERT_TRUE(read(std::to_string(-expected), value)) << -expected;
    EXPECT_EQ(value, -expected);
  }
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  constexpr auto least = std::numeric_limits<std::int64_t>::min();
  ASSERT_TRUE(read(std::to_string(most), value));
  EXPECT_EQ(value, most);
  ASSERT_TRUE(read(std::to_string(least), value));
  EXPECT_EQ(value, least);
  ASSERT_TRUE(read("-0", value));
  EXPECT_EQ(value, 0);
  value = 42;
  for (const char* text :
       {"", "-", "+1", "01", "-01", "1.0", "1.", ".1", "9223372036854775808", "/1",
        "-9223372036854775809", "99999999999999999999999", "1234567890123456.5", "--1"})
    EXPECT_FALSE(read(text, value)) << text;
  EXPECT_EQ(value, 42) << "a refusal leaves the value alone";
}

TYPED_TEST(ShortDecimal, ReadsThirtyTwoBytesAtMost) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const memory =
      ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  char* const edge = static_cast<char*>(memory) + page;
  ASSERT_EQ(::mprotect(edge, page, PROT_NONE), 0);
  for (std::size_t size = 1; size <= 32; ++size) {
    for (const char sign : {'1', '-'}) {
      for (const std::size_t point : {std::size_t{40}, std::size_t{2}, size - 1}) {
        std::string text(size, '1');
        text[0] = sign;
        if (point < size) text[point] = '.';
        text.resize(32, ',');
        std::memcpy(edge - 32, text.data(), 32);
        double value = 0;
        std::int64_t integer = 0;
        const auto expected = number_size(text);
        const char* const end = this->decimal(edge - 32, 0, value);
        EXPECT_EQ(end, expected && *expected < 30 ? edge - 32 + *expected : nullptr) << text;
        static_cast<void>(this->integer(edge - 32, integer));
        // A view ends where the page ends: nothing behind it may be read at all.
        const std::string_view view(edge - size, size);
        std::memcpy(edge - size, text.data(), size);
        EXPECT_EQ(parse_decimal(view, value), expected == size) << view;
        EXPECT_EQ(parse_integer(view, integer), expected == size && integer_of(view)) << view;
      }
    }
  }
  ::munmap(memory, 2 * page);
}

TYPED_TEST(ShortDecimal, EqualsStrtodOnEveryRecordedNumber) {
  PERP_REQUIRE_CAPTURES(dir);
  std::uint64_t numbers = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".tsv" && extension != ".jsonl" && extension != ".json") continue;
    const auto size = static_cast<std::size_t>(entry.file_size());
    std::string all(size + 32, '\0');
    std::ifstream(entry.path(), std::ios::binary)
        .read(all.data(), static_cast<std::streamsize>(size));
    for (std::size_t at = 1; at < size; ++at) {
      if (std::strchr("\":,[ ", all[at - 1]) == nullptr) continue;
      double value = 0;
      const char* const begin = all.data() + at;
      const char* const end = this->decimal(begin, 0, value);
      if (end == nullptr) continue;
      const std::string text(begin, end);
      ASSERT_EQ(bits(value), bits(std::strtod(text.c_str(), nullptr))) << text << " in " << entry;
      ++numbers;
      at = static_cast<std::size_t>(end - all.data());
    }
  }
  EXPECT_GT(numbers, 700'000U);
}

}  // namespace
}  // namespace perp::market
