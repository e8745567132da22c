#pragma once
// The numbers of a shape. Where a message goes on is known only when a number's length is, and a
// chain of lengths is what reading a message costs. So a number is first taken to have the form
// (length, place of the point) that the last one in its place had: the processor reads on at once,
// and one comparison tells whether that was right. Prices are remembered by instrument, integers by
// their place in the shape; only speed depends on it. What has another form is read by
// market::parse_short_decimal. Private to the venue layer.
#include <perp/market/short_decimal.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

namespace perp::venue::shape {

/// A form: size * 16 + place of the point (0: none), sizes up to 15. 0 is no form.
using FormCode = std::uint8_t;

#if defined(__SSE4_1__)

/// What numbers of a form have in common. Bit i speaks of byte i; of the high half, whether it is
/// the point.
struct NumberForm {
  std::uint32_t judged = 1;    ///< the number's bytes and the one behind it
  std::uint32_t expected = 2;  ///< of `judged`; of no form it never is
  std::uint16_t places = 0;    ///< into market::detail::digit_places
  std::uint8_t size = 0;
  std::uint8_t fraction = 0;  ///< digits behind the point
  std::uint8_t no_first = 0;  ///< the digit it must not begin with
};
inline constexpr auto number_forms = [] {
  std::array<NumberForm, 256> forms{};
  for (std::uint32_t size = 1; size <= 15; ++size) {
    for (std::uint32_t point = 0; point + 1 < size || point == 0; ++point) {
      NumberForm& form = forms[size * 16 + point];
      const std::uint32_t bytes = (std::uint32_t{1} << size) - 1;
      const std::uint32_t dot = point == 0 ? 0 : std::uint32_t{1} << point;
      form.judged = (bytes << 1 | 1) | bytes << 16;
      form.expected = (bytes & ~dot) | dot << 16;
      const std::uint32_t digits = size - (point == 0 ? 0 : 1);
      form.places = static_cast<std::uint16_t>((point == 0 ? size : point) * 32 + digits);
      form.size = static_cast<std::uint8_t>(size);
      form.fraction = static_cast<std::uint8_t>(point == 0 ? 0 : digits - point);
      form.no_first = digits - form.fraction > 1 ? '0' : 0;
    }
  }
  return forms;
}();

/// 16 bytes of a message, seen as a number.
class NumberBytes {
 public:
  [[gnu::always_inline]] explicit NumberBytes(const char* at)
      : bytes_(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))) {}

  [[gnu::always_inline]] std::uint32_t equal(char c) const {
    return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes_, _mm_set1_epi8(c))));
  }
  [[gnu::always_inline]] std::uint32_t digits() const {
    const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(values(), _mm_set1_epi8(9)), values());
    return static_cast<std::uint32_t>(_mm_movemask_epi8(is_digit));
  }
  /// The digits that digit_places[places / 32] picks from [places % 32] on, as a number.
  [[gnu::always_inline]] std::uint64_t value(std::size_t places) const {
    const __m128i ones =
        _mm_shuffle_epi8(values(), _mm_loadu_si128(reinterpret_cast<const __m128i*>(
                                       market::detail::digit_places[0].data() + places)));
    const __m128i pairs = _mm_maddubs_epi16(ones, _mm_set1_epi16(10 | 1 << 8));
    const __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(100 | 1 << 16));
    const __m128i packed = _mm_packus_epi32(fours, fours);
    const __m128i eights = _mm_madd_epi16(packed, _mm_set1_epi32(10'000 | 1 << 16));
    const auto both = static_cast<std::uint64_t>(_mm_cvtsi128_si64(eights));
    return (both & 0xffff'ffff) * 100'000'000 + (both >> 32);
  }

 private:
  [[gnu::always_inline]] __m128i values() const { return _mm_sub_epi8(bytes_, _mm_set1_epi8('0')); }
  __m128i bytes_;
};

[[gnu::always_inline]] inline bool has_form(const NumberForm& form, const NumberBytes& bytes,
                                            char first) {
  return ((bytes.digits() | bytes.equal('.') << 16) & form.judged) == form.expected &&
         static_cast<std::uint8_t>(first) != form.no_first;
}

/// number x 10^exponent, exact operands: rounded once.
[[gnu::always_inline]] inline double scaled(std::uint64_t number, int exponent) {
  const market::detail::PowerOfTen& power = market::detail::powers_of_ten[static_cast<std::size_t>(
      exponent + market::detail::exact_exponent_limit)];
  return static_cast<double>(static_cast<std::int64_t>(number)) * power.multiplier / power.divisor;
}
inline bool is_exact_exponent(int exponent) {
  return exponent >= -market::detail::exact_exponent_limit &&
         exponent <= market::detail::exact_exponent_limit;
}

/// The form of the number from `at` to `end`, 0 for one that has none.
inline FormCode form_of(const char* at, const char* end) {
  const auto size = static_cast<std::size_t>(end - at);
  if (size == 0 || size > 15 || *at == '-') return 0;
  std::size_t point = 0;
  for (std::size_t i = 1; i < size; ++i)
    if (at[i] == '.') point = i;
  return static_cast<FormCode>(size * 16 + point);
}

/// Another form than the last: reads it and remembers its form.
[[gnu::noinline]] inline const char* read_new_decimal(const char* at, int shift, double& value,
                                                      FormCode& usual) {
  const char* const end = market::parse_short_decimal(at, shift, value);
  if (end != nullptr) usual = form_of(at, end);
  return end;
}
[[gnu::noinline]] inline const char* read_new_integer(const char* at, std::int64_t& value,
                                                      FormCode& usual) {
  const char* const end = market::parse_short_integer(at, value);
  if (end != nullptr) usual = form_of(at, end);
  return end;
}

/// A decimal that mostly has the form of the last one. `shift` is a scale's exponent, within ±40.
/// @returns the byte behind it, or nullptr.
[[gnu::always_inline]] inline const char* read_usual_decimal(const char* at, int shift,
                                                             double& value, FormCode& usual) {
  const NumberForm& form = number_forms[usual];
  const NumberBytes bytes(at);
  const int exponent = shift - form.fraction;
  if (!has_form(form, bytes, *at) || !is_exact_exponent(exponent)) [[unlikely]]
    return read_new_decimal(at, shift, value, usual);
  value = scaled(bytes.value(form.places), exponent);
  return at + form.size;
}

/// The same for an integer.
[[gnu::always_inline]] inline const char* read_usual_integer(const char* at, std::int64_t& value,
                                                             FormCode& usual) {
  const NumberForm& form = number_forms[usual];
  const NumberBytes bytes(at);
  if (!has_form(form, bytes, *at)) [[unlikely]]
    return read_new_integer(at, value, usual);
  value = static_cast<std::int64_t>(bytes.value(form.places));
  return at + form.size;
}
[[gnu::always_inline]] inline const char* skip_usual_integer(const char* at, FormCode& usual) {
  const NumberForm& form = number_forms[usual];
  if (!has_form(form, NumberBytes(at), *at)) [[unlikely]] {
    std::int64_t unused = 0;
    return read_new_integer(at, unused, usual);
  }
  return at + form.size;
}

/// A decimal of any form, up to the byte that ends it in this shape.
[[gnu::always_inline]] inline const char* read_decimal(const char* at, char terminator, int shift,
                                                       double& value) {
  const NumberBytes bytes(at);
  const auto size = static_cast<std::uint32_t>(std::countr_zero(bytes.equal(terminator) | 0x10000));
  const std::uint32_t all = (std::uint32_t{1} << size) - 1;
  const std::uint32_t dots = bytes.equal('.') & all;
  const std::uint32_t point = dots != 0 ? static_cast<std::uint32_t>(std::countr_zero(dots)) : size;
  const std::uint32_t count = size - (dots != 0 ? 1U : 0U);
  const int exponent = shift - static_cast<int>(count - point);
  // Not all digits but for one point, which is neither first nor last; a zero before other digits;
  // too long to have been seen whole.
  const std::uint32_t doubts = (((bytes.digits() | dots) & all) ^ all) | (dots & (dots - 1)) |
                               (dots & 1) | (dots << 1 >> size) | (size >> 4) |
                               static_cast<std::uint32_t>(*at == '0' && point != 1) |
                               static_cast<std::uint32_t>(size == 0);
  if (doubts != 0 || !is_exact_exponent(exponent)) [[unlikely]]
    return market::parse_short_decimal(at, shift, value);
  value = scaled(bytes.value(point * 32 + count), exponent);
  return at + size;
}

#else

inline const char* read_usual_decimal(const char* at, int shift, double& value, FormCode&) {
  return market::parse_short_decimal(at, shift, value);
}
inline const char* read_usual_integer(const char* at, std::int64_t& value, FormCode&) {
  return market::parse_short_integer(at, value);
}
inline const char* skip_usual_integer(const char* at, FormCode&) {
  std::int64_t unused = 0;
  return market::parse_short_integer(at, unused);
}
inline const char* read_decimal(const char* at, char, int shift, double& value) {
  return market::parse_short_decimal(at, shift, value);
}

#endif

}  // namespace perp::venue::shape
