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

/// The greatest shift of a scale with which no form needs a power of ten that is not exact.
inline constexpr int shift_limit = 9;
static_assert(shift_limit + 13 <= market::detail::exact_exponent_limit);

/// A power of ten that numbers are multiplied with, within shift_limit.
struct DecimalScale {
  int shift = 0;
  const market::detail::PowerOfTen* one = of(0);  ///< its power, among the others

  constexpr DecimalScale() = default;
  constexpr explicit DecimalScale(int exponent) : shift(exponent), one(of(exponent)) {}

 private:
  static constexpr const market::detail::PowerOfTen* of(int exponent) {
    return &market::detail::powers_of_ten[static_cast<std::size_t>(
        exponent + market::detail::exact_exponent_limit)];
  }
};

#if defined(__SSE4_1__)

/// What numbers of a form have in common. Bit i speaks of byte i; of the high half, whether it is
/// the point.
struct NumberForm {
  std::uint32_t judged = 1;    ///< the number's bytes and the one behind it
  std::uint32_t expected = 2;  ///< of `judged`; of no form it never is
  std::uint16_t places = 0;    ///< into market::detail::digit_places
  std::int16_t exponent = 0;   ///< minus the digits behind the point
  std::uint8_t size = 0;
  std::uint8_t no_first = 0;  ///< the digit it must not begin with
};
inline constexpr auto number_forms = [] {
  std::array<NumberForm, 256> forms{};
  forms.fill(NumberForm());  // g++ 12 leaves elements that are not assigned here zero
  for (std::uint32_t size = 1; size <= 15; ++size) {
    for (std::uint32_t place = 0; place < 16; ++place) {
      if (place + 1 == size && place != 0) continue;         // nothing behind the point
      const std::uint32_t point = place < size ? place : 0;  // a point behind the number is not its
      NumberForm& form = forms[size * 16 + place];
      const std::uint32_t bytes = (std::uint32_t{1} << size) - 1;
      const std::uint32_t dot = point == 0 ? 0 : std::uint32_t{1} << point;
      const std::uint32_t seen = bytes << 1 | 1;
      form.judged = seen | seen << 16;  // an integer is no form of the decimal that begins with it
      form.expected = (bytes & ~dot) | dot << 16;
      const std::uint32_t digits = size - (point == 0 ? 0 : 1);
      form.places = static_cast<std::uint16_t>((point == 0 ? size : point) * 32 + digits);
      form.size = static_cast<std::uint8_t>(size);
      const std::uint32_t fraction = point == 0 ? 0 : digits - point;
      form.exponent = static_cast<std::int16_t>(-static_cast<int>(fraction));
      form.no_first = digits - fraction > 1 ? '0' : 0;
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
  [[gnu::always_inline]] std::int64_t whole(std::size_t places) const {
    const auto both = static_cast<std::uint64_t>(_mm_cvtsi128_si64(halves(places)));
    return static_cast<std::int64_t>((both & 0xffff'ffff) * 100'000'000 + (both >> 32));
  }
  /// The same as a double, exactly: it has 15 digits at most.
  [[gnu::always_inline]] double real(std::size_t places) const {
    const __m128d both = _mm_cvtepi32_pd(halves(places));
    return _mm_cvtsd_f64(both) * 1e8 + _mm_cvtsd_f64(_mm_unpackhi_pd(both, both));
  }

 private:
  [[gnu::always_inline]] __m128i values() const { return _mm_sub_epi8(bytes_, _mm_set1_epi8('0')); }
  /// The upper and the lower eight digits.
  [[gnu::always_inline]] __m128i halves(std::size_t places) const {
    const __m128i ones =
        _mm_shuffle_epi8(values(), _mm_loadu_si128(reinterpret_cast<const __m128i*>(
                                       market::detail::digit_places[0].data() + places)));
    const __m128i pairs = _mm_maddubs_epi16(ones, _mm_set1_epi16(10 | 1 << 8));
    const __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(100 | 1 << 16));
    const __m128i packed = _mm_packus_epi32(fours, fours);
    return _mm_madd_epi16(packed, _mm_set1_epi32(10'000 | 1 << 16));
  }

  __m128i bytes_;
};

/// Hot code stays together only where the branch is told what is usual.
[[gnu::always_inline]] inline bool is_usual(bool condition) {
  return __builtin_expect(static_cast<long>(condition), 1) != 0;
}

[[gnu::always_inline]] inline bool has_form(const NumberForm& form, const NumberBytes& bytes,
                                            char first) {
  const std::uint32_t seen = (bytes.digits() | bytes.equal('.') << 16) & form.judged;
  return is_usual(seen == form.expected) &&
         is_usual(static_cast<std::uint8_t>(first) != form.no_first);
}

/// number x 10^exponent, exact operands: rounded once.
[[gnu::always_inline]] inline double scaled(double number, const DecimalScale& scale,
                                            const NumberForm& form) {
  const market::detail::PowerOfTen& power = scale.one[form.exponent];
  return number * power.multiplier / power.divisor;
}

/// The form of the number from `at` to `end`, 0 for one that has none.
[[gnu::noinline]] inline FormCode form_of(const char* at, const char* end) {
  const auto size = static_cast<std::size_t>(end - at);
  if (size == 0 || size > 15 || *at == '-') return 0;
  std::size_t point = 0;
  for (std::size_t i = 1; i < size; ++i)
    if (at[i] == '.') point = i;
  return static_cast<FormCode>(size * 16 + point);
}

// Out of line, with results of their own that may be in memory.
[[gnu::noinline, gnu::cold]] inline const char* read_new_decimal(const char* at, int shift,
                                                                 double& value) {
  return market::parse_short_decimal(at, shift, value);
}
[[gnu::noinline, gnu::cold]] inline const char* read_new_integer(const char* at,
                                                                 std::int64_t& value) {
  return market::parse_short_integer(at, value);
}

/// A decimal that mostly has the form of the last one. @returns the byte behind it, or nullptr.
[[gnu::always_inline]] inline const char* read_usual_decimal(const char* at,
                                                             const DecimalScale& scale,
                                                             double& value, FormCode& usual) {
  const NumberForm& form = number_forms[usual];
  const NumberBytes bytes(at);
  if (!has_form(form, bytes, *at)) [[unlikely]] {
    double read = 0;
    const char* const end = read_new_decimal(at, scale.shift, read);
    if (end != nullptr) usual = form_of(at, end);
    value = read;
    return end;
  }
  value = scaled(bytes.real(form.places), scale, form);
  return at + form.size;
}

/// The same for an integer.
[[gnu::always_inline]] inline const char* read_usual_integer(const char* at, std::int64_t& value,
                                                             FormCode& usual) {
  const NumberForm& form = number_forms[usual];
  const NumberBytes bytes(at);
  if (!has_form(form, bytes, *at)) [[unlikely]] {
    std::int64_t read = 0;
    const char* const end = read_new_integer(at, read);
    if (end != nullptr) usual = form_of(at, end);
    value = read;
    return end;
  }
  value = bytes.whole(form.places);
  return at + form.size;
}
[[gnu::always_inline]] inline const char* skip_usual_integer(const char* at, FormCode& usual) {
  const NumberForm& form = number_forms[usual];
  if (!has_form(form, NumberBytes(at), *at)) [[unlikely]] {
    std::int64_t unused = 0;
    const char* const end = read_new_integer(at, unused);
    if (end != nullptr) usual = form_of(at, end);
    return end;
  }
  return at + form.size;
}

/// A decimal of any form, up to the byte that ends it in this shape.
[[gnu::always_inline]] inline const char* read_decimal(const char* at, char terminator,
                                                       const DecimalScale& scale, double& value) {
  const NumberBytes bytes(at);
  const auto size = static_cast<std::uint32_t>(std::countr_zero(bytes.equal(terminator) | 0x10000));
  const auto point = static_cast<std::uint32_t>(std::countr_zero(bytes.equal('.') | 0x10000));
  const NumberForm& form = number_forms[(size & 15) * 16 + (point & 15)];
  if (!has_form(form, bytes, *at)) [[unlikely]] {
    double read = 0;
    const char* const end = read_new_decimal(at, scale.shift, read);
    value = read;
    return end;
  }
  value = scaled(bytes.real(form.places), scale, form);
  return at + size;
}

#else

inline const char* read_usual_decimal(const char* at, const DecimalScale& scale, double& value,
                                      FormCode&) {
  return market::parse_short_decimal(at, scale.shift, value);
}
inline const char* read_usual_integer(const char* at, std::int64_t& value, FormCode&) {
  return market::parse_short_integer(at, value);
}
inline const char* skip_usual_integer(const char* at, FormCode&) {
  std::int64_t unused = 0;
  return market::parse_short_integer(at, unused);
}
inline const char* read_decimal(const char* at, char, const DecimalScale& scale, double& value) {
  return market::parse_short_decimal(at, scale.shift, value);
}

#endif

}  // namespace perp::venue::shape
