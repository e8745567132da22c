#pragma once
// A hash of 128 bits of a row's bytes, summed over rows: equal for equal sets of rows in any order.
#include <perp/warehouse/verify.hpp>

#include <cstdint>
#include <cstring>
#include <string_view>

namespace perp::warehouse {

inline std::uint64_t mix_words(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Each step multiplies what was with 16 fresh bytes, both halves under odd constants.
inline std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) noexcept {
  constexpr std::uint64_t first = 0x9e3779b97f4a7c15, second = 0xd1b54a32d192ed03;
  std::uint64_t state = mix_words(seed ^ first, bytes.size() ^ second);
  while (!bytes.empty()) {
    std::uint64_t words[2] = {};
    const std::size_t size = bytes.size() < sizeof words ? bytes.size() : sizeof words;
    std::memcpy(words, bytes.data(), size);
    state = mix_words(words[0] ^ first ^ state, words[1] ^ second ^ (state << 32 | state >> 32));
    bytes.remove_prefix(size);
  }
  return mix_words(state ^ second, first);
}

/// Adds a row. The sum is of 128 bits: rows that occur twice do not cancel out.
inline void add_row(VerifiedSide& side, std::string_view row) noexcept {
  const std::uint64_t low = hash_bytes(row, 1), high = hash_bytes(row, 2);
  side.hash.low += low;
  side.hash.high += high + (side.hash.low < low ? 1 : 0);
  ++side.rows;
}

}  // namespace perp::warehouse
