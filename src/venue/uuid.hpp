#pragma once
// A UUID's text as two numbers, for venues that name their trades by it. Private to the venue
// layer; any thread; about 5 ns with SSE4.1, a loop without.
#include "venue/hex.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace perp::venue {

inline constexpr std::size_t uuid_size = 36;

struct Uuid {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
};

/// xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx, digits of either case. @returns false for anything else.
[[nodiscard]] inline bool read_uuid_by_digit(std::string_view text, Uuid& uuid) noexcept {
  if (text.size() != uuid_size) return false;
  char digits[32];
  std::size_t count = 0;
  for (std::size_t i = 0; i < uuid_size; ++i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i] != '-') return false;
      continue;
    }
    digits[count++] = text[i];
  }
  return read_hex_by_digit(digits, uuid.high) && read_hex_by_digit(digits + 16, uuid.low);
}

#if defined(__SSE4_1__)

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
  const bool is_high = read_hex(high, uuid.high);
  const bool is_low = read_hex(low, uuid.low);
  return has_dashes && is_high && is_low;
}

#else

[[nodiscard]] inline bool read_uuid(std::string_view text, Uuid& uuid) noexcept {
  return read_uuid_by_digit(text, uuid);
}

#endif

}  // namespace perp::venue
