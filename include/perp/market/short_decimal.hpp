#pragma once
// Numbers as venues write them, straight from the text of a message: short decimals and integers
// whose end is not known yet. What is not short is left to market::parse_decimal. No allocation.
#include <array>
#include <cstdint>

namespace perp::market {

/// Reads JSON's `-?digits[.digits]` at `at` (32 readable bytes) as number x 10^exponent_shift,
/// correctly rounded. @returns the first byte behind it, or nullptr where the short form does not
/// apply: too many digits, a leading zero that JSON forbids, no number.
inline const char* parse_short_decimal(const char* at, int exponent_shift, double& value) noexcept {
  constexpr std::array<double, 23> power_of_ten = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  const auto digit = [&] { return static_cast<unsigned char>(*at - '0'); };
  const bool is_negative = *at == '-';
  at += is_negative ? 1 : 0;
  std::uint64_t mantissa = 0;
  const char* const begin = at;
  for (; digit() <= 9; ++at) {
    if (at - begin == 15) return nullptr;
    mantissa = mantissa * 10 + digit();
  }
  if (at == begin || (*begin == '0' && at != begin + 1)) return nullptr;
  int exponent = exponent_shift;
  if (*at == '.') {
    const char* const fraction = ++at;
    for (; digit() <= 9; ++at) {
      if (at - begin == 16) return nullptr;
      mantissa = mantissa * 10 + digit();
    }
    if (at == fraction) return nullptr;
    exponent -= static_cast<int>(at - fraction);
  }
  if (exponent < -22 || exponent > 22) return nullptr;
  const auto integer = static_cast<double>(mantissa);
  const double magnitude = exponent < 0 ? integer / power_of_ten[static_cast<unsigned>(-exponent)]
                                        : integer * power_of_ten[static_cast<unsigned>(exponent)];
  value = is_negative ? -magnitude : magnitude;
  return at;
}

/// The same for a whole number of at most 18 digits.
inline const char* parse_short_integer(const char* at, std::int64_t& value) noexcept {
  const auto digit = [&] { return static_cast<unsigned char>(*at - '0'); };
  const bool is_negative = *at == '-';
  at += is_negative ? 1 : 0;
  const char* const begin = at;
  std::int64_t magnitude = 0;
  for (; digit() <= 9; ++at) {
    if (at - begin == 18) return nullptr;
    magnitude = magnitude * 10 + digit();
  }
  if (at == begin || (*begin == '0' && at != begin + 1)) return nullptr;
  value = is_negative ? -magnitude : magnitude;
  return at;
}

}  // namespace perp::market
