#pragma once
// Numbers of up to 15 characters straight from text, as the venues write nearly all of theirs:
// prices, quantities, times, ids. For decoders on any thread. No branch depends on where the point
// is or how many digits there are; 16 bytes are read at once, by SSE4.1 where the including source
// is compiled for it and by 64-bit arithmetic elsewhere. Never allocates, never throws, never reads
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

/// 16 bytes of text in two words: the path of every machine.
class SwarText {
 public:
  static SwarText load(const char* at) {
    SwarText text;
    std::memcpy(text.words_, at, sizeof text.words_);
    return text;
  }
  /// Bit i: byte i is '.'.
  std::uint32_t dots() const { return mask(is_dot(words_[0]), is_dot(words_[1])); }
  /// Bit i: byte i is neither '.' nor a digit. Bits above 15 are unset.
  std::uint32_t others() const {
    return mask(no_digit(words_[0]) & ~is_dot(words_[0]), no_digit(words_[1]) & ~is_dot(words_[1]));
  }
  /// The first `count` (1 to 15) bytes, of which byte `dot` does not count and is stepped over, as
  /// a number of that many digits.
  std::uint64_t digits(std::size_t dot, std::size_t count) const {
    const Wide all = static_cast<Wide>(words_[1]) << 64 | words_[0];
    const Wide before = (static_cast<Wide>(1) << 8 * dot) - 1;
    // The most significant digit is the lowest byte: what is shifted in on the left is a zero.
    const Wide aligned = ((all & before) | (all >> 8 & ~before)) << 8 * (16 - count);
    return eight_digits(static_cast<std::uint64_t>(aligned)) * 100'000'000 +
           eight_digits(static_cast<std::uint64_t>(aligned >> 64));
  }

 private:
  __extension__ typedef unsigned __int128 Wide;
  static constexpr std::uint64_t each = 0x0101010101010101;

  // The top bit of each byte says whether the byte is one of them.
  static std::uint64_t no_digit(std::uint64_t word) {
    const std::uint64_t value = word ^ each * '0';
    return (((value & each * 0x7f) + each * (0x7f - 9)) | value) & each * 0x80;
  }
  static std::uint64_t is_dot(std::uint64_t word) {
    const std::uint64_t value = word ^ each * '.';
    return ~(((value & each * 0x7f) + each * 0x7f) | value) & each * 0x80;
  }
  static std::uint32_t mask(std::uint64_t low, std::uint64_t high) {
    // The multiplication moves bit 8i to bit 56 + i.
    const auto pack = [](std::uint64_t flags) {
      return static_cast<std::uint32_t>((flags >> 7) * 0x0102040810204080 >> 56);
    };
    return pack(low) | pack(high) << 8;
  }
  static std::uint64_t eight_digits(std::uint64_t text) {
    text &= each * 0x0f;
    text = text * 10 + (text >> 8);  // pairs, in every other byte
    constexpr std::uint64_t pairs = 0x000000ff000000ff;
    return ((text & pairs) * (100 + (std::uint64_t{1'000'000} << 32)) +
            (text >> 16 & pairs) * (1 + (std::uint64_t{10'000} << 32))) >>
           32;
  }

  std::uint64_t words_[2];
};

#if defined(__SSE4_1__)
/// Which byte of the text becomes digit k of 16, the last one being the last digit: read at
/// [dot][count + k].
inline constexpr auto digit_places = [] {
  std::array<std::array<std::int8_t, 32>, 16> places{};
  for (int dot = 0; dot < 16; ++dot) {
    for (int i = 0; i < 32; ++i) {
      const int place = i - 16;
      places[static_cast<std::size_t>(dot)][static_cast<std::size_t>(i)] =
          static_cast<std::int8_t>(place < 0     ? -1
                                   : place < dot ? place
                                                 : place + 1);
    }
  }
  return places;
}();

/// The same in one register.
class SseText {
 public:
  static SseText load(const char* at) {
    SseText text;
    text.bytes_ = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    return text;
  }
  std::uint32_t dots() const { return mask(is_dot()); }
  std::uint32_t others() const {
    const __m128i value = values();
    const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value);
    return mask(_mm_or_si128(is_digit, is_dot())) ^ 0xffff;
  }
  std::uint64_t digits(std::size_t dot, std::size_t count) const {
    const __m128i places =
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(digit_places[dot].data() + count));
    const __m128i ones = _mm_shuffle_epi8(values(), places);
    const __m128i pairs = _mm_maddubs_epi16(ones, _mm_set1_epi16(10 | 1 << 8));
    const __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(100 | 1 << 16));
    const __m128i packed = _mm_packus_epi32(fours, fours);
    const __m128i eights = _mm_madd_epi16(packed, _mm_set1_epi32(10'000 | 1 << 16));
    const auto both = static_cast<std::uint64_t>(_mm_cvtsi128_si64(eights));
    return (both & 0xffffffff) * 100'000'000 + (both >> 32);
  }

 private:
  static std::uint32_t mask(__m128i bytes) {
    return static_cast<std::uint32_t>(_mm_movemask_epi8(bytes));
  }
  __m128i values() const { return _mm_sub_epi8(bytes_, _mm_set1_epi8('0')); }
  __m128i is_dot() const { return _mm_cmpeq_epi8(bytes_, _mm_set1_epi8('.')); }

  __m128i bytes_;
};
using NumberText = SseText;
#else
using NumberText = SwarText;
#endif

inline constexpr int exact_exponent_limit = 22;  ///< 10^22 is the last power a double holds exactly

/// 10^exponent as a multiplication and a division of which one is by 1: no branch, and exact.
struct PowerOfTen {
  double multiplier;
  double divisor;
};
inline constexpr auto powers_of_ten = [] {
  std::array<PowerOfTen, 2 * exact_exponent_limit + 1> powers{};
  double power = 1;
  for (std::size_t i = 0; i <= exact_exponent_limit; ++i, power *= 10) {
    powers[exact_exponent_limit + i] = {power, 1};
    powers[exact_exponent_limit - i] = {1, power};
  }
  return powers;
}();

/// What parse_short_decimal() does with a number that is longer than 15 characters.
const char* parse_wide_decimal(const char* at, int exponent_shift, double& value) noexcept;

template <class Text>
[[gnu::always_inline]] inline const char* parse_short_decimal(const char* const begin,
                                                              int exponent_shift,
                                                              double& value) noexcept {
  const bool is_negative = *begin == '-';
  const char* const at = begin + is_negative;
  const Text text = Text::load(at);
  const std::uint32_t others = text.others() | 0x10000;
  const std::size_t size = static_cast<std::size_t>(std::countr_zero(others));
  const std::uint32_t dots = text.dots() & (others ^ (others - 1));  // of the number, not behind it
  const std::size_t dot = static_cast<std::size_t>(std::countr_zero(dots | others));
  const std::uint32_t no_digits = others | dots;
  const std::size_t count = size - (dots != 0);
  const int exponent = exponent_shift - static_cast<int>(count - dot);

  // All but never: no digit at the beginning or behind the point, a second point, a zero before
  // other digits, a number that does not end here.
  const std::uint32_t doubts = (no_digits & 1) | (dots << 1 & no_digits) | (dots & (dots - 1)) |
                               (static_cast<std::uint32_t>(*at == '0') << 1 & ~no_digits) |
                               static_cast<std::uint32_t>(size == 16) |
                               static_cast<std::uint32_t>((at[size] | 0x20) == 'e');
  if (doubts != 0) [[unlikely]]
    return parse_wide_decimal(begin, exponent_shift, value);
  if (exponent < -exact_exponent_limit || exponent > exact_exponent_limit) [[unlikely]]
    return parse_wide_decimal(begin, exponent_shift, value);

  const PowerOfTen& power =
      powers_of_ten[static_cast<std::size_t>(exponent + exact_exponent_limit)];
  // At most 15 digits: exact as a double, so that the one operation rounds once.
  const double magnitude = static_cast<double>(static_cast<std::int64_t>(text.digits(dot, count))) *
                           power.multiplier / power.divisor;
  value = std::bit_cast<double>(std::bit_cast<std::uint64_t>(magnitude) |
                                static_cast<std::uint64_t>(is_negative) << 63);
  return at + size;
}

template <class Text>
[[gnu::always_inline]] inline const char* parse_short_integer(const char* const begin,
                                                              std::int64_t& value) noexcept {
  const bool is_negative = *begin == '-';
  const char* at = begin + is_negative;
  const Text text = Text::load(at);
  const std::uint32_t no_digits = text.others() | text.dots() | 0x10000;
  const std::size_t size = static_cast<std::size_t>(std::countr_zero(no_digits));
  if (size == 0 || (*at == '0' && size != 1)) [[unlikely]]
    return nullptr;
  std::uint64_t magnitude = 0;
  if (size < 16) [[likely]] {
    magnitude = text.digits(size, size);
    at += size;
  } else {
    const char* const end = at + 18;
    while (at != end && static_cast<unsigned char>(*at - '0') <= 9)
      magnitude = magnitude * 10 + static_cast<std::uint64_t>(*at++ - '0');
    if (static_cast<unsigned char>(*at - '0') <= 9) return nullptr;
  }
  if (*at == '.' || (*at | 0x20) == 'e') [[unlikely]]
    return nullptr;
  const auto sign = static_cast<std::uint64_t>(is_negative);
  value = static_cast<std::int64_t>((magnitude ^ (0 - sign)) + sign);
  return at;
}

}  // namespace detail

/// Reads the longest `-?digits[.digits]` (JSON's grammar: one digit at least on each side of the
/// point, no zero before other digits) at `at`, which has 32 readable bytes: value = number x
/// 10^exponent_shift, correctly rounded; -0 stays -0. @returns the first byte behind the number, or
/// nullptr, the value untouched, when this is no such number, one with an exponent part, or one
/// that is longer than 30 characters: then the longer way decides (decimal.hpp). Costs about 3 ns
/// up to 15 characters behind the sign, several times that beyond.
[[nodiscard, gnu::always_inline]] inline const char* parse_short_decimal(const char* at,
                                                                         int exponent_shift,
                                                                         double& value) noexcept {
  return detail::parse_short_decimal<detail::NumberText>(at, exponent_shift, value);
}

/// The same for `-?digits` of up to 18 digits; nullptr also when a point or an exponent follows.
[[nodiscard, gnu::always_inline]] inline const char* parse_short_integer(
    const char* at, std::int64_t& value) noexcept {
  return detail::parse_short_integer<detail::NumberText>(at, value);
}

}  // namespace perp::market
