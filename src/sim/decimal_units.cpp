#include <perp/core/platform.hpp>
#include <perp/sim/decimal_units.hpp>

namespace perp::sim {
namespace {

__extension__ using Wide = __int128;

Wide round_divide(Wide value, Wide divisor) {
  const Wide half = divisor / 2;
  return value < 0 ? -((-value + half) / divisor) : (value + half) / divisor;
}

Wide shift(Wide value, int digits, int target_digits) {
  for (; digits < target_digits; ++digits) value *= 10;
  Wide divisor = 1;
  for (; digits > target_digits; --digits) divisor *= 10;
  return divisor == 1 ? value : round_divide(value, divisor);
}

}  // namespace

std::int64_t power_of_ten(int exponent) {
  PERP_ASSERT(exponent >= 0 && exponent <= 18);
  std::int64_t value = 1;
  for (; exponent > 0; --exponent) value *= 10;
  return value;
}

std::int64_t rescale(std::int64_t units, int digits, int target_digits) {
  return static_cast<std::int64_t>(shift(units, digits, target_digits));
}

std::int64_t multiply(Decimal a, Decimal b, int target_digits) {
  return static_cast<std::int64_t>(
      shift(Wide{a.units} * b.units, a.digits + b.digits, target_digits));
}

std::int64_t multiply_divide(std::int64_t a, std::int64_t b, std::int64_t c) {
  return static_cast<std::int64_t>(Wide{a} * b / c);
}

}  // namespace perp::sim
