#pragma once
// A UUID's text as two numbers, for venues that name their trades by it. Private to the venue
// layer; any thread; about 5 ns with SSE4.1, a loop without.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

namespace perp::venue {

inline constexpr std::size_t uuid_size = 36;

struct Uuid {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
};

/// xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx, digits of either case. @returns false for anything else.
[[nodiscard]] inline bool read_uuid_by_digit(std::string_view text, Uuid& uuid) noexcept {
  if (text.size() != uuid_size) return false;
  std::uint64_t halves[2] = {};
  int digits = 0;
  for (std::size_t i = 0; i < uuid_size; ++i) {
    const char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return false;
      continue;
    }
    const char lower = static_cast<char>(c | 0x20);
    unsigned value = 0;
    if (c >= '0' && c <= '9')
      value = static_cast<unsigned>(c - '0');
    else if (lower >= 'a' && lower <= 'f')
      value = static_cast<unsigned>(lower - 'a') + 10;
    else
      return false;
    std::uint64_t& half = halves[digits++ < 16 ? 0 : 1];
    half = half << 4 | value;
  }
  uuid = {halves[0], halves[1]};
  return true;
}

#if defined(__SSE4_1__)

namespace detail {

/// 16 hexadecimal digits, the first one the most significant. @returns false if one is none.
[[gnu::always_inline]] inline bool read_hex(__m128i digits, std::uint64_t& value) {
  const auto is_within = [](__m128i bytes, char first, char count) {
    const __m128i from_first = _mm_sub_epi8(bytes, _mm_set1_epi8(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(from_first, _mm_set1_epi8(static_cast<char>(count - 1))),
                          from_first);
  };
  const __m128i lower = _mm_or_si128(digits, _mm_set1_epi8(0x20));  // digits stay what they are
  const __m128i is_letter = is_within(lower, 'a', 6);
  const __m128i is_hex = _mm_or_si128(is_within(digits, '0', 10), is_letter);
  const __m128i values = _mm_add_epi8(_mm_and_si128(lower, _mm_set1_epi8(0x0f)),
                                      _mm_and_si128(is_letter, _mm_set1_epi8(9)));
  const __m128i bytes = _mm_maddubs_epi16(values, _mm_set1_epi16(16 | 1 << 8));
  const __m128i packed = _mm_packus_epi16(bytes, bytes);
  value = __builtin_bswap64(static_cast<std::uint64_t>(_mm_cvtsi128_si64(packed)));
  return _mm_movemask_epi8(is_hex) == 0xffff;
}

}  // namespace detail

/// The same.
[[nodiscard]] inline bool read_uuid(std::string_view text, Uuid& uuid) noexcept {
  if (text.size() != uuid_size) return false;
  const char* const at = text.data();
  const auto load = [at](std::size_t offset) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + offset));
  };
  constexpr char no = -1;
  const __m128i begin = load(0);    // xxxxxxxx-xxxx-xx
  const __m128i middle = load(16);  // xx-xxxx-xxxxxxxx
  const __m128i end = load(20);     // xxx-xxxxxxxxxxxx
  const __m128i high = _mm_or_si128(
      _mm_shuffle_epi8(begin, _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, no, no)),
      _mm_shuffle_epi8(
          middle, _mm_setr_epi8(no, no, no, no, no, no, no, no, no, no, no, no, no, no, 0, 1)));
  const __m128i low = _mm_or_si128(
      _mm_shuffle_epi8(
          middle, _mm_setr_epi8(3, no, no, no, no, no, no, no, no, no, no, no, no, no, no, no)),
      _mm_shuffle_epi8(end, _mm_setr_epi8(no, 0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
  const bool has_dashes = at[8] == '-' && at[13] == '-' && at[18] == '-' && at[23] == '-';
  const bool is_high = detail::read_hex(high, uuid.high);
  const bool is_low = detail::read_hex(low, uuid.low);
  return has_dashes && is_high && is_low;
}

#else

[[nodiscard]] inline bool read_uuid(std::string_view text, Uuid& uuid) noexcept {
  return read_uuid_by_digit(text, uuid);
}

#endif

}  // namespace perp::venue
