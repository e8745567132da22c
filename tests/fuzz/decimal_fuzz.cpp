// The bytes are a decimal exponent and a text with whatever stands behind it. Every way from text
// to number must give what strtod gives, to the same end, or refuse what JSON's grammar refuses;
// none may read beyond its bounds.
#include "market/decimal_texts.hpp"

#include <perp/market/decimal.hpp>
#include <perp/market/short_decimal.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace {

namespace market = perp::market;

void require(bool is_right) {
  if (!is_right) std::abort();
}

/// The number times 10^shift; nothing if that is no finite double.
std::optional<double> scaled(std::string_view number, int shift) {
  const double value = std::strtod((std::string(number) + "e" + std::to_string(shift)).c_str(), {});
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

bool is_same(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

template <class Reader>
void check_short(const char* text, int shift) {
  const std::string_view all(text, 32);
  const auto size = market::testing::number_size(all);
  const auto expected =
      size && *size < 30 ? scaled(all.substr(0, *size), shift) : std::optional<double>();
  double value = 42;
  const char* const end = market::parse_short_decimal<Reader>(text, shift, value);
  require(end == (expected ? text + *size : nullptr));
  require(is_same(value, expected.value_or(42)));

  std::int64_t integer = 42;
  const auto expected_integer = market::testing::integer_of(all);
  const char* const integer_end = market::parse_short_integer<Reader>(text, integer);
  require(integer_end == (expected_integer ? text + *size : nullptr));
  require(integer == expected_integer.value_or(42));
}

/// parse_decimal()'s grammar: JSON's with leading zeros. The exponent, if it is a whole one.
bool is_number(std::string_view text, std::string_view& digits, int& exponent) {
  const std::size_t e = text.find_first_of("eE");
  digits = text.substr(0, e);
  const std::size_t sign = digits.starts_with('-') ? 1 : 0;
  const std::string unpadded = "1" + std::string(digits.substr(sign));
  if (digits.size() == sign || digits[sign] == '.') return false;
  if (market::testing::number_size(unpadded) != unpadded.size()) return false;
  exponent = 0;
  if (e == text.npos) return true;
  std::string_view rest = text.substr(e + 1);
  const bool is_negative = rest.starts_with('-');
  if (is_negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest.empty() || rest.find_first_not_of("0123456789") != rest.npos) return false;
  for (const char digit : rest) exponent = std::min(exponent * 10 + (digit - '0'), 10'000);
  if (is_negative) exponent = -exponent;
  return true;
}

void check_view(std::string_view text, int shift) {
  double value = 42;
  std::string_view digits;
  int exponent = 0;
  const bool is_read = market::parse_decimal(text, {1, shift}, value);
  if (!is_number(text, digits, exponent)) {
    require(!is_read);
  } else if (const auto expected = scaled(digits, exponent + shift); is_read) {
    require(expected && is_same(value, *expected));
  } else {
    // Texts of many hundred characters are refused as well.
    require(!expected || text.size() > 400);
  }
  if (!is_read) require(value == 42);

  std::int64_t integer = 42;
  const bool is_integer = market::parse_integer(text, integer);
  if (const auto expected = market::testing::integer_of(text);
      expected && market::testing::number_size(text) == text.size())
    require(is_integer && integer == *expected);
  if (is_integer)
    require(text.find_first_not_of("-0123456789") == text.npos &&
            integer == std::strtoll(std::string(text).c_str(), nullptr, 10));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const int shift = static_cast<std::int8_t>(data[0]);
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  // On the heap at its exact size, so that the sanitizer sees a byte too many.
  const auto padded = std::make_unique<char[]>(32);
  std::memcpy(padded.get(), text.data(), std::min<std::size_t>(text.size(), 32));
  check_short<market::detail::SwarReader>(padded.get(), shift);
  check_short<market::detail::ShortReader>(padded.get(), shift);
  const auto exact = std::make_unique<char[]>(text.size());
  std::memcpy(exact.get(), text.data(), text.size());
  check_view({exact.get(), text.size()}, shift);
  return 0;
}
