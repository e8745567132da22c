#include <perp/market/decimal.hpp>
#include <perp/market/short_decimal.hpp>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace perp::market {
namespace {

__extension__ using Uint128 = unsigned __int128;

constexpr std::array<double, 23> exact_power_of_ten = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr auto integer_power_of_ten = [] {
  std::array<std::uint64_t, 20> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();
constexpr std::uint64_t exact_integer_limit = std::uint64_t{1} << 53;

struct Parsed {
  std::uint64_t mantissa = 0;
  int exponent = 0;
  bool is_negative = false;
  bool is_exact = true;  ///< every significant digit is in the mantissa
};

template <class Word>
Word load(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// A text of up to 15 characters, zeros behind it.
class ShortText {
 public:
  static constexpr std::size_t size_max = 15;

  explicit ShortText(std::string_view text) {
    // Loads that overlap, so that nothing beside the text is read and no loop is needed.
    const char* const at = text.data();
    const std::size_t size = text.size();
    if (size >= 8) {
      words_[0] = load<std::uint64_t>(at);
      words_[1] = load<std::uint64_t>(at + size - 8) >> 8 >> 8 * (15 - size);
    } else if (size >= 4) {
      words_[0] = load<std::uint32_t>(at) | std::uint64_t{load<std::uint32_t>(at + size - 4)}
                                                << 8 * (size - 4);
    } else if (size != 0) {
      words_[0] = load<std::uint8_t>(at) |
                  std::uint64_t{load<std::uint8_t>(at + size / 2)} << 8 * (size / 2) |
                  std::uint64_t{load<std::uint8_t>(at + size - 1)} << 8 * (size - 1);
    }
  }
  const char* begin() const { return reinterpret_cast<const char*>(words_.data()); }

 private:
  std::array<std::uint64_t, 2> words_{};
};

bool is_digit(char c) { return static_cast<unsigned char>(c - '0') <= 9; }

/// Reads `digits[.digits]`; mantissa gets the first 19 significant digits. @returns the first byte
/// behind it, nullptr if a digit is missing.
const char* read_digits(const char* at, const char* end, Parsed& out) noexcept {
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
  if (at == integer_begin) return nullptr;
  out.exponent = dropped;
  if (at == end || *at != '.') return at;
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
  return at == fraction_begin ? nullptr : at;
}

/// Reads the grammar of parse_decimal().
bool read(std::string_view text, Parsed& out) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
  if (at != end && *at == '-') {
    out.is_negative = true;
    ++at;
  }
  at = read_digits(at, end, out);
  if (at == nullptr) return false;
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

/// mantissa / 10^digits by long division to 63 bits or more, the remainder kept as the last bit:
/// correctly rounded. mantissa is not 0.
double divide(std::uint64_t mantissa, std::size_t digits) noexcept {
  const std::uint64_t power = integer_power_of_ten[digits];
  const int left = std::countl_zero(mantissa);
  const int power_left = std::countl_zero(power);
  const std::uint64_t divisor = power << power_left;
  const Uint128 dividend = static_cast<Uint128>(mantissa << left) << 63;  // below divisor << 64
  const auto quotient = static_cast<std::uint64_t>(dividend / divisor);
  const bool has_remainder = static_cast<std::uint64_t>(dividend) != quotient * divisor;
  const auto exponent = static_cast<std::uint64_t>(1023 + power_left - left - 63);
  return static_cast<double>(quotient | (has_remainder ? 1U : 0U)) *
         std::bit_cast<double>(exponent << 52);
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
  if (mantissa >> 64 == 0 && exponent < 0 &&
      -exponent < static_cast<int>(integer_power_of_ten.size())) {
    const double magnitude =
        divide(static_cast<std::uint64_t>(mantissa), static_cast<std::size_t>(-exponent));
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
bool round_long(std::string_view text, int shift, bool is_small, double& value) noexcept {
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
  const auto result = std::from_chars(copy.data(), written.ptr, value);
  if (result.ec == std::errc{}) return true;
  if (result.ec != std::errc::result_out_of_range || !is_small) return false;
  value = text.front() == '-' ? -0.0 : 0.0;  // below the smallest double: rounds to zero
  return true;
}

/// What was read from `text`, times factor x 10^shift.
bool round(const Parsed& parsed, std::string_view text, std::uint64_t factor, int shift,
           double& value) noexcept {
  if (parsed.mantissa == 0) {
    value = parsed.is_negative ? -0.0 : 0.0;
    return true;
  }
  const int exponent = parsed.exponent + shift;
  if (exponent > 400 || exponent < -800) {
    if (exponent > 0) return false;
    value = parsed.is_negative ? -0.0 : 0.0;
    return true;
  }
  double result = 0;
  if (parsed.is_exact || factor != 1) {
    // More than 19 digits times a factor other than a power of ten: the digits behind the 19th are
    // below half an ulp of the product unless it lies within 1e-19 of a tie; such sizes do not
    // occur in contracts.
    const Uint128 mantissa = static_cast<Uint128>(parsed.mantissa) * factor;
    if (!round_exact(mantissa, exponent, parsed.is_negative, result)) return false;
  } else if (!round_long(text, shift, exponent < 0, result)) {
    return false;
  }
  if (!std::isfinite(result)) return false;
  value = result;
  return true;
}

bool parse(std::string_view text, std::uint64_t factor, int shift, double& value) noexcept {
  // Nearly every text is short. It is copied, because nothing behind it may be read.
  if (factor == 1 && text.size() <= ShortText::size_max && !text.empty()) {
    const bool is_negative = text.front() == '-';
    const std::string_view digits = text.substr(is_negative);
    const ShortText copy(digits);
    double magnitude = 0;
    if (detail::read_short_decimal<detail::ShortReader>(copy.begin(), shift, magnitude) ==
        copy.begin() + digits.size()) {
      value = is_negative ? -magnitude : magnitude;
      return true;
    }
  }
  Parsed parsed;
  return read(text, parsed) && round(parsed, text, factor, shift, value);
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

bool parse_integer(std::string_view text, std::int64_t& value) noexcept {
  using Reader = detail::SwarReader;
  if (const std::size_t size = text.size(); size >= 8 && size <= 16) {
    // Two words that overlap. What the first one has already is shifted out of the last.
    const std::size_t repeated = 4 * (16 - size);
    const std::uint64_t first = Reader::values(load<std::uint64_t>(text.data()));
    const std::uint64_t last = Reader::values(load<std::uint64_t>(text.data() + size - 8)) >>
                               repeated >> repeated << repeated << repeated;
    if (Reader::are_digits(first) && Reader::are_digits(last)) {
      value =
          static_cast<std::int64_t>(Reader::eight_digits(first) * integer_power_of_ten[size - 8] +
                                    Reader::eight_digits(last));
      return true;
    }
  }
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return result.ec == std::errc{} && result.ptr == text.data() + text.size();
}

namespace detail {

const char* parse_unusual_decimal(const char* begin, int exponent_shift, double& value) noexcept {
  Parsed parsed;
  parsed.is_negative = *begin == '-';
  const char* const digits = begin + parsed.is_negative;
  if (parsed.is_negative) {
    double magnitude = 0;
    if (const char* end = read_short_decimal<ShortReader>(digits, exponent_shift, magnitude);
        end != nullptr) {
      value = -magnitude;
      return end;
    }
  }
  const char* const limit = begin + 30;
  const char* const end = read_digits(digits, limit, parsed);
  if (end == nullptr || end == limit || (*digits == '0' && is_digit(digits[1]))) return nullptr;
  const std::string_view text(begin, static_cast<std::size_t>(end - begin));
  return round(parsed, text, 1, exponent_shift, value) ? end : nullptr;
}

const char* parse_unusual_integer(const char* begin, std::int64_t& value) noexcept {
  const char* const digits = begin + (*begin == '-');
  if (*digits == '0' && is_digit(digits[1])) return nullptr;
  std::int64_t number = 0;
  const auto result = std::from_chars(begin, begin + 21, number);
  if (result.ec != std::errc{} || *result.ptr == '.') return nullptr;
  value = number;
  return result.ptr;
}

}  // namespace detail
}  // namespace perp::market
