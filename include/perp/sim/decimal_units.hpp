#pragma once
// Exact decimals of the simulated market: a count of units of 10^-digits. The model works in these
// integers, so that the same seed gives the same bytes on every machine and a sum of trades never
// drifts. Pure functions, any thread, no allocation. Never a double.
#include <cstdint>

namespace perp::sim {

/// units x 10^-digits; digits may be negative (whole lots of 10^6 coins).
struct Decimal {
  std::int64_t units = 0;
  int digits = 0;
  friend constexpr bool operator==(Decimal, Decimal) = default;
};

/// 10^exponent. @param exponent 0..18
std::int64_t power_of_ten(int exponent);

/// The same value with another count of digits, rounded half away from zero where digits are lost.
std::int64_t rescale(std::int64_t units, int digits, int target_digits);

/// a x b with `target_digits`, rounded half away from zero, through 128 bits. The result must fit
/// 63 bits.
std::int64_t multiply(Decimal a, Decimal b, int target_digits);

/// a x b / c through 128 bits, truncated towards zero.
std::int64_t multiply_divide(std::int64_t a, std::int64_t b, std::int64_t c);

}  // namespace perp::sim
