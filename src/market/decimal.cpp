#include <perp/market/decimal.hpp>
#include <perp/market/short_decimal.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace perp::market {
namespace {

__extension__ typedef unsigned __int128 Uint128;

constexpr std::array<double, 23> exact_power_of_ten = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr std::uint64_t exact_integer_limit = std::uint64_t{1} << 53;

struct Parsed {
  std::uint64_t mantissa = 0;
  int exponent = 0;
  bool is_negative = false;
  bool is_exact = true;  ///< every significant digit is in the mantissa
};

bool is_digit(char c) { return static_cast<unsigned char>(c - '0') <= 9; }

/// Reads the grammar of parse_decimal(); mantissa holds the first 19 significant digits.
bool read(std::string_view text, Parsed& out) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
  if (at != end && *at == '-') {
    out.is_negative = true;
    ++at;
  }
  int significant = 0;
  int dropped = 0;
  const char* const integer_begin = at;
  for (; at != end && is_digit(*at); ++at) {
    if (significant < 19) {
      out.mantissa = out.mantissa * 10 + static_cast<std::uint64_t>(*at - '0');
      significant += out.mantissa != 0;
    } else {
      ++dropped;
      out.is_exact &= *at == '0';
    }
  }
  if (at == integer_begin) return false;
  out.exponent = dropped;
  if (at != end && *at == '.') {
    const char* const fraction_begin = ++at;
    for (; at != end && is_digit(*at); ++at) {
      if (significant < 19) {
        out.mantissa = out.mantissa * 10 + static_cast<std::uint64_t>(*at - '0');
        significant += out.mantissa != 0;
        --out.exponent;
      } else {
        out.is_exact &= *at == '0';
      }
    }
    if (at == fraction_begin) return false;
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    ++at;
    bool is_negative = false;
    if (at != end && (*at == '+' || *at == '-')) is_negative = *at++ == '-';
    if (at == end) return false;
    int exponent = 0;
    for (; at != end && is_digit(*at); ++at)
      if (exponent < 100'000) exponent = exponent * 10 + (*at - '0');
    out.exponent += is_negative ? -exponent : exponent;
  }
  return at == end;
}

/// mantissa x 10^exponent, correctly rounded, for mantissas of up to 128 bits.
bool round_exact(Uint128 mantissa, int exponent, bool is_negative, double& value) noexcept {
  if (mantissa <= exact_integer_limit && exponent >= -22 && exponent <= 22) {
    // Clinger: both operands are exact, so the one operation rounds once.
    const double integer = static_cast<double>(static_cast<std::uint64_t>(mantissa));
    const double magnitude = exponent < 0
                                 ? integer / exact_power_of_ten[static_cast<std::size_t>(-exponent)]
                                 : integer * exact_power_of_ten[static_cast<std::size_t>(exponent)];
    value = is_negative ? -magnitude : magnitude;
    return true;
  }
  std::array<char, 64> text;
  char* end = text.data() + text.size();
  char* begin = end - 8;  // the exponent is written behind the digits
  char* at = begin;
  do {
    *--at = static_cast<char>('0' + static_cast<int>(mantissa % 10));
    mantissa /= 10;
  } while (mantissa != 0);
  if (is_negative) *--at = '-';
  *begin++ = 'e';
  const auto written = std::to_chars(begin, end, exponent);
  if (written.ec != std::errc{}) return false;
  const auto result = std::from_chars(at, written.ptr, value);
  if (result.ec == std::errc{}) return true;
  if (result.ec == std::errc::result_out_of_range && exponent < 0) {
    value = is_negative ? -0.0 : 0.0;  // below the smallest double: rounds to zero
    return true;
  }
  return false;
}

/// The slow path for more than 19 significant digits: the text itself with its exponent shifted.
bool round_long(std::string_view text, int shift, double& value) noexcept {
  std::array<char, 512> copy;
  if (text.size() + 16 > copy.size()) return false;
  std::size_t mantissa_size = text.find_first_of("eE");
  int exponent = shift;
  if (mantissa_size == std::string_view::npos) {
    mantissa_size = text.size();
  } else {
    const char* begin = text.data() + mantissa_size + 1;
    if (*begin == '+') ++begin;
    int own = 0;
    if (std::from_chars(begin, text.data() + text.size(), own).ec != std::errc{}) return false;
    exponent += own;
  }
  std::memcpy(copy.data(), text.data(), mantissa_size);
  copy[mantissa_size] = 'e';
  const auto written =
      std::to_chars(copy.data() + mantissa_size + 1, copy.data() + copy.size(), exponent);
  if (written.ec != std::errc{}) return false;
  return std::from_chars(copy.data(), written.ptr, value).ec == std::errc{};
}

bool parse(std::string_view text, std::uint64_t factor, int shift, double& value) noexcept {
  Parsed parsed;
  if (!read(text, parsed)) return false;
  if (parsed.mantissa == 0) {
    value = parsed.is_negative ? -0.0 : 0.0;
    return true;
  }
  if (parsed.exponent > 400 || parsed.exponent < -800) {
    if (parsed.exponent > 0) return false;
    value = parsed.is_negative ? -0.0 : 0.0;
    return true;
  }
  double result = 0;
  if (parsed.is_exact || factor != 1) {
    // More than 19 digits times a factor other than a power of ten: the digits behind the 19th are
    // below half an ulp of the product unless it lies within 1e-19 of a tie; such sizes do not
    // occur in contracts.
    const Uint128 mantissa = static_cast<Uint128>(parsed.mantissa) * factor;
    if (!round_exact(mantissa, parsed.exponent + shift, parsed.is_negative, result)) return false;
  } else if (!round_long(text, shift, result)) {
    return false;
  }
  if (!std::isfinite(result)) return false;
  value = result;
  return true;
}

}  // namespace

bool parse_decimal(std::string_view text, Scale scale, double& value) noexcept {
  return parse(text, scale.mantissa, scale.exponent, value);
}

bool parse_decimal_divided(std::string_view text, Scale scale, double& value) noexcept {
  return scale.mantissa == 1 && parse(text, 1, -scale.exponent, value);
}

bool parse_scale(std::string_view text, Scale& scale) noexcept {
  Parsed parsed;
  if (!read(text, parsed) || parsed.is_negative || parsed.mantissa == 0 || !parsed.is_exact)
    return false;
  while (parsed.mantissa % 10 == 0) {
    parsed.mantissa /= 10;
    ++parsed.exponent;
  }
  if (parsed.exponent < -40 || parsed.exponent > 40) return false;
  scale = {parsed.mantissa, parsed.exponent};
  return true;
}

bool multiply(Scale a, Scale b, Scale& product) noexcept {
  Uint128 mantissa = static_cast<Uint128>(a.mantissa) * b.mantissa;
  int exponent = a.exponent + b.exponent;
  while (mantissa % 10 == 0 && mantissa != 0) {
    mantissa /= 10;
    ++exponent;
  }
  if (mantissa > std::numeric_limits<std::uint64_t>::max()) return false;
  product = {static_cast<std::uint64_t>(mantissa), exponent};
  return true;
}

double to_double(Scale scale) noexcept {
  double value = std::numeric_limits<double>::quiet_NaN();
  if (!round_exact(scale.mantissa, scale.exponent, false, value))
    return std::numeric_limits<double>::quiet_NaN();
  return value;
}

const char* detail::parse_wide_decimal(const char* begin, int exponent_shift,
                                       double& value) noexcept {
  const char* at = begin + (*begin == '-');
  const char* const limit = begin + 31;  // the last byte that may be read
  if (*at == '0' && is_digit(at[1])) return nullptr;
  while (at != limit && is_digit(*at)) ++at;
  if (*at == '.') {
    if (at == limit || !is_digit(at[1])) return nullptr;
    for (++at; at != limit && is_digit(*at);) ++at;
  }
  if (is_digit(*at) || (*at | 0x20) == 'e') return nullptr;
  return parse({begin, static_cast<std::size_t>(at - begin)}, 1, exponent_shift, value) ? at
                                                                                        : nullptr;
}

bool parse_integer(std::string_view text, std::int64_t& value) noexcept {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return result.ec == std::errc{} && result.ptr == text.data() + text.size();
}

}  // namespace perp::market
