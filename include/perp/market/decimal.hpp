#pragma once
// Decimal text to double, correctly rounded, with an exact power-of-ten or integer scale applied
// before the rounding: contract sizes and `1000...` multipliers never cost a digit. Allocates
// nothing, throws nothing.
#include <cstdint>
#include <string_view>

namespace perp::market {

/// A factor mantissa x 10^exponent, held exactly: 0.01 is {1, -2}, 5 is {5, 0}.
struct Scale {
  std::uint64_t mantissa = 1;
  int exponent = 0;
  constexpr bool is_identity() const { return mantissa == 1 && exponent == 0; }
};

/// The factor of a decimal text such as OKX's ctVal. @returns false for anything that is not a
/// positive decimal of at most 19 significant digits.
[[nodiscard]] bool parse_scale(std::string_view text, Scale& scale) noexcept;
/// a x b, exactly. @returns false on overflow of the 64-bit mantissa.
[[nodiscard]] bool multiply(Scale a, Scale b, Scale& product) noexcept;
/// The factor as a double, correctly rounded.
double to_double(Scale scale) noexcept;

/// Parses `-?digits[.digits][(e|E)[+-]digits]` in full, JSON's number grammar plus leading zeros,
/// and multiplies by `scale` before the one rounding. @returns false if the text is not a number or
/// does not fit a finite double.
[[nodiscard]] bool parse_decimal(std::string_view text, Scale scale, double& value) noexcept;
[[nodiscard]] inline bool parse_decimal(std::string_view text, double& value) noexcept {
  return parse_decimal(text, Scale{}, value);
}
/// Divides by 10^k factors only (a price per 1000 coins -> per coin). @returns false unless
/// scale.mantissa is 1.
[[nodiscard]] bool parse_decimal_divided(std::string_view text, Scale scale,
                                         double& value) noexcept;

/// A whole signed integer, no sign '+', no spaces. @returns false on anything else or overflow.
[[nodiscard]] bool parse_integer(std::string_view text, std::int64_t& value) noexcept;

}  // namespace perp::market
