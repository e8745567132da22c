#pragma once
// Numbers straight from text, as the venues write nearly all of theirs: prices, quantities, times,
// ids of up to 15 characters. For decoders on any thread. 16 bytes are read at once, by SSE4.1
// where the including source is compiled for it and by 64-bit arithmetic elsewhere; with SSE4.1 no
// branch depends on the number of digits or the place of the point. Longer numbers and negative
// ones take an out-of-line path to the same answer. Never allocates, never throws, never reads
// beyond 32 bytes from the number's beginning.
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

namespace perp::market {
namespace detail {

static_assert(std::endian::native == std::endian::little);

// A reader takes the characters '.', '/' and 0 to 9 at the beginning of 16 bytes (one range,
// cheaper to find than digits and points), steps over the first that is no digit and makes a number
// of the rest. read() says whether it ends within 15 characters and has no other character than
// digits in it. What its beginning and the character stepped over are is left to the caller.

/// The reader for every machine: one 64-bit word for up to 7 characters, two for more.
class SwarReader {
 public:
  bool read(const char* at) {
    std::uint64_t low = 0;
    std::memcpy(&low, at, 8);
    const std::uint64_t ends = no_number(low);
    if (ends != 0) {
      size = bytes_below(ends);
      point = bytes_below(ends | below_digits(low));
      count = size - (point < size);
      if (count == 0) return false;
      const std::uint64_t before = (std::uint64_t{1} << 8 * point) - 1;
      // The most significant digit is the lowest byte: what is shifted in below it is a zero.
      const std::uint64_t digits = values((low & before) | (low >> 8 & ~before)) << 8 * (8 - count);
      integer_ = eight_digits(digits);
      return (digits & each * point_bit) == 0;
    }
    std::uint64_t high = 0;
    std::memcpy(&high, at + 8, 8);
    const std::uint64_t high_ends = no_number(high);
    if (high_ends == 0) return false;
    size = 8 + bytes_below(high_ends);
    const std::uint64_t low_points = below_digits(low);
    point =
        low_points != 0 ? bytes_below(low_points) : 8 + bytes_below(high_ends | below_digits(high));
    count = size - (point < size);
    const Wide text = static_cast<Wide>(values(high)) << 64 | values(low);
    const Wide before = (static_cast<Wide>(1) << 8 * point) - 1;
    const Wide digits = ((text & before) | (text >> 8 & ~before)) << 8 * (16 - count);
    low = static_cast<std::uint64_t>(digits);
    high = static_cast<std::uint64_t>(digits >> 64);
    integer_ = eight_digits(low) * 100'000'000 + eight_digits(high);
    return ((low | high) & each * point_bit) == 0;
  }
  double as_double() const { return static_cast<double>(static_cast<std::int64_t>(integer_)); }
  std::uint64_t as_integer() const { return integer_; }

  /// The digits' values, and something above 9 for any other character.
  static std::uint64_t values(std::uint64_t text) { return text ^ each * '0'; }
  static bool are_digits(std::uint64_t values) {
    return ((((values & each * 0x7f) + each * (0x7f - 9)) | values) & each * 0x80) == 0;
  }
  /// The number of eight digits' values, the most significant in the lowest byte.
  static std::uint64_t eight_digits(std::uint64_t values) {
    values = values * 10 + (values >> 8);  // pairs, in every other byte
    constexpr std::uint64_t pairs = 0x000000ff000000ff;
    return ((values & pairs) * (100 + (std::uint64_t{1'000'000} << 32)) +
            (values >> 16 & pairs) * (1 + (std::uint64_t{10'000} << 32))) >>
           32;
  }

  std::size_t size;   ///< characters in all
  std::size_t point;  ///< where the one stepped over stands; `size` if there is none
  std::size_t count;  ///< digits

 private:
  __extension__ using Wide = unsigned __int128;
  static constexpr std::uint64_t each = 0x0101010101010101;
  static constexpr std::uint64_t point_bit = 0x10;  ///< in the values of '.' and '/', in no digit's

  // The top bit of each byte says whether it is one of them.
  static std::uint64_t no_number(std::uint64_t word) {
    const std::uint64_t low_bits = word & each * 0x7f;
    return (~(low_bits + each * (0x80 - '.')) | (low_bits + each * (0x7f - '9')) | word) &
           each * 0x80;
  }
  static std::uint64_t below_digits(std::uint64_t word) {
    return ~((word & each * 0x7f) + each * (0x80 - '0')) & each * 0x80;
  }
  static std::size_t bytes_below(std::uint64_t flags) {
    return static_cast<unsigned>(std::countr_zero(flags)) / 8;
  }

  std::uint64_t integer_;
};

#if defined(__SSE4_1__)
/// Which character becomes digit k of 16, the last one being the last digit: read at [point][count
/// + k].
inline constexpr auto digit_places = [] {
  std::array<std::array<std::int8_t, 32>, 16> places{};
  for (std::size_t point = 0; point < places.size(); ++point) {
    for (std::size_t i = 0; i < places[point].size(); ++i) {
      const int place = static_cast<int>(i) - 16;
      places[point][i] = static_cast<std::int8_t>(
          place < 0 ? -1 : place + (place >= static_cast<int>(point) ? 1 : 0));
    }
  }
  return places;
}();

/// All 16 bytes in one register.
class SseReader {
 public:
  [[gnu::always_inline]] bool read(const char* at) {
    const __m128i text = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    // Moves the range to the lowest signed bytes, so that one comparison tells what is outside.
    const __m128i moved = _mm_add_epi8(text, _mm_set1_epi8(0x80 - '.'));
    const std::uint32_t ends = mask(_mm_cmpgt_epi8(moved, _mm_set1_epi8(-0x80 + '9' - '.')));
    if (ends == 0) return false;
    const std::uint32_t no_digits = ends | mask(_mm_cmpgt_epi8(_mm_set1_epi8('0'), text));
    size = static_cast<unsigned>(std::countr_zero(ends));
    point = static_cast<unsigned>(std::countr_zero(no_digits));
    count = size - (point < size);
    const __m128i places =
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(digit_places[point].data() + count));
    const __m128i ones = _mm_shuffle_epi8(_mm_sub_epi8(text, _mm_set1_epi8('0')), places);
    const __m128i twos = _mm_maddubs_epi16(ones, _mm_set1_epi16(10 | 1 << 8));
    const __m128i fours = _mm_madd_epi16(twos, _mm_set1_epi32(100 | 1 << 16));
    eights_ = _mm_madd_epi16(_mm_packus_epi32(fours, fours), _mm_set1_epi32(10'000 | 1 << 16));
    return mask(ones) == 0;  // '.' and '/' are below '0'
  }
  [[gnu::always_inline]] double as_double() const {
    const __m128d halves = _mm_mul_pd(_mm_cvtepi32_pd(eights_), _mm_set_pd(1, 1e8));
    return _mm_cvtsd_f64(_mm_add_sd(halves, _mm_unpackhi_pd(halves, halves)));  // below 2^53
  }
  [[gnu::always_inline]] std::uint64_t as_integer() const {
    const auto both = static_cast<std::uint64_t>(_mm_cvtsi128_si64(eights_));
    return (both & 0xffffffff) * 100'000'000 + (both >> 32);
  }

  std::size_t size;
  std::size_t point;
  std::size_t count;

 private:
  static std::uint32_t mask(__m128i bytes) {
    return static_cast<std::uint32_t>(_mm_movemask_epi8(bytes));
  }

  __m128i eights_;
};
using ShortReader = SseReader;
#else
using ShortReader = SwarReader;
#endif

/// The least first character of a number whose point, or end, is the index: no number begins with
/// the point, and with a zero only if it is the one digit before it.
inline constexpr auto least_first = [] {
  std::array<std::uint16_t, 16> least{};
  least.fill('1');
  least[0] = 0x100;
  least[1] = '0';
  return least;
}();

inline constexpr int exact_exponent_limit = 22;  ///< 10^22 is the last power a double holds exactly
inline constexpr int least_shift = -8;           ///< with 14 digits behind the point still exact

/// 10^exponent as a multiplication and a division of which one is by 1: exact, and no branch.
struct PowerOfTen {
  double multiplier;
  double divisor;
};
/// By exponent + exact_exponent_limit.
inline constexpr auto powers_of_ten = [] {
  std::array<PowerOfTen, 2 * exact_exponent_limit + 1> powers{};
  double power = 1;
  for (std::size_t i = 0; i <= exact_exponent_limit; ++i, power *= 10) {
    powers[exact_exponent_limit + i] = {power, 1};
    powers[exact_exponent_limit - i] = {1, power};
  }
  return powers;
}();

/// What the short form does not read: negative and longer numbers, and what is no number.
const char* parse_unusual_decimal(const char* at, int exponent_shift, double& value) noexcept;
const char* parse_unusual_integer(const char* at, std::int64_t& value) noexcept;

/// @returns the first byte behind a number of at most 15 characters, nullptr for anything else.
template <class Reader>
[[gnu::always_inline]] inline const char* read_short_decimal(const char* at, int exponent_shift,
                                                             double& value) noexcept {
  Reader reader;
  if (exponent_shift < least_shift || exponent_shift > exact_exponent_limit || !reader.read(at) ||
      static_cast<unsigned char>(*at) < least_first[reader.point] || at[reader.point] == '/' ||
      reader.size - reader.point == 1) [[unlikely]]
    return nullptr;
  const PowerOfTen& power = powers_of_ten[static_cast<std::size_t>(
      exponent_shift + exact_exponent_limit + static_cast<int>(reader.point) -
      static_cast<int>(reader.count))];
  // At most 15 digits are exact as a double, and so is the power: the one operation rounds once.
  value = reader.as_double() * power.multiplier / power.divisor;
  return at + reader.size;
}

template <class Reader>
[[gnu::always_inline]] inline const char* read_short_integer(const char* at,
                                                             std::int64_t& value) noexcept {
  Reader reader;
  if (!reader.read(at) || static_cast<unsigned char>(*at) < least_first[reader.point] ||
      reader.point != reader.size) [[unlikely]]
    return nullptr;
  value = static_cast<std::int64_t>(reader.as_integer());
  return at + reader.size;
}

}  // namespace detail

/// Reads the longest `-?digits[.digits]` (JSON's grammar: one digit at least on each side of the
/// point, no zero before other digits) at `at`, which has 32 readable bytes. value = number x
/// 10^exponent_shift, correctly rounded; -0 stays -0. @returns the first byte behind it, whose
/// meaning is the caller's to check: an exponent part may begin there. nullptr, value untouched: no
/// such number, 30 characters or more, or no finite double; then the longer way decides
/// (decimal.hpp). Costs about 10 cycles up to 15 characters, 10 ns for negative and 25 ns for
/// longer numbers.
template <class Reader = detail::ShortReader>
[[nodiscard, gnu::always_inline]] inline const char* parse_short_decimal(const char* at,
                                                                         int exponent_shift,
                                                                         double& value) noexcept {
  const char* const end = detail::read_short_decimal<Reader>(at, exponent_shift, value);
  return end != nullptr ? end : detail::parse_unusual_decimal(at, exponent_shift, value);
}

/// The same for `-?digits` that fit an int64; nullptr also when a point follows.
template <class Reader = detail::ShortReader>
[[nodiscard, gnu::always_inline]] inline const char* parse_short_integer(
    const char* at, std::int64_t& value) noexcept {
  const char* const end = detail::read_short_integer<Reader>(at, value);
  return end != nullptr ? end : detail::parse_unusual_integer(at, value);
}

}  // namespace perp::market
