#include <perp/net/utf8.hpp>

#include <array>
#include <cstddef>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace perp::net {
namespace {

// The states of a code point's reading. Each is a shift: byte b leads from state s to
// (table[b] >> s) & 63, so a step waits for one shift only; the table look-up does not depend on
// the state before.
enum State : std::uint64_t {
  accept = 0,
  one_more = 6,
  two_more = 12,
  three_more = 18,
  after_e0 = 24,  // A0..BF: no overlong form
  after_ed = 30,  // 80..9F: no surrogates
  after_f0 = 36,  // 90..BF: no overlong form
  after_f4 = 42,  // 80..8F: nothing above U+10FFFF
  reject = 48,
};

constexpr State next_state(State state, unsigned byte) {
  const bool is_continuation = byte >= 0x80 && byte <= 0xbf;
  switch (state) {
    case accept:
      if (byte < 0x80) return accept;
      if (byte < 0xc2) return reject;  // a continuation, or an overlong form of ASCII
      if (byte < 0xe0) return one_more;
      if (byte == 0xe0) return after_e0;
      if (byte == 0xed) return after_ed;
      if (byte < 0xf0) return two_more;
      if (byte == 0xf0) return after_f0;
      if (byte < 0xf4) return three_more;
      if (byte == 0xf4) return after_f4;
      return reject;
    case one_more: return is_continuation ? accept : reject;
    case two_more: return is_continuation ? one_more : reject;
    case three_more: return is_continuation ? two_more : reject;
    case after_e0: return is_continuation && byte >= 0xa0 ? one_more : reject;
    case after_ed: return is_continuation && byte < 0xa0 ? one_more : reject;
    case after_f0: return is_continuation && byte >= 0x90 ? two_more : reject;
    case after_f4: return is_continuation && byte < 0x90 ? two_more : reject;
    case reject: return reject;
  }
  return reject;
}

constexpr std::array<std::uint64_t, 256> make_table() {
  std::array<std::uint64_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte)
    for (std::uint64_t state = accept; state <= reject; state += 6)
      table[byte] |= static_cast<std::uint64_t>(next_state(static_cast<State>(state), byte))
                     << state;
  return table;
}
constexpr std::array<std::uint64_t, 256> table = make_table();

// Is none of the top bits set in `Size` bytes (a multiple of 16)?
template <std::size_t Size>
bool is_ascii_block(const std::byte* at) noexcept {
#if defined(__SSE2__)
  __m128i any = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  for (std::size_t i = 16; i < Size; i += 16)
    any = _mm_or_si128(any, _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + i)));
  return _mm_movemask_epi8(any) == 0;
#else
  std::array<std::uint64_t, Size / 8> words;
  std::memcpy(words.data(), at, sizeof words);
  std::uint64_t any = 0;
  for (const std::uint64_t word : words) any |= word;
  return (any & 0x8080808080808080u) == 0;
#endif
}

// Nearly every message is. The last block overlaps the one before: no byte is looked at alone.
template <std::size_t Block>
bool is_ascii(const std::byte* at, const std::byte* end) noexcept {
  for (; end - at > static_cast<std::ptrdiff_t>(Block); at += Block)
    if (!is_ascii_block<Block>(at)) return false;
  return is_ascii_block<Block>(end - Block);
}

std::uint64_t run(std::uint64_t state, std::span<const std::byte> text) noexcept {
  const std::byte* at = text.data();
  const std::byte* const end = at + text.size();
  if (state == accept && text.size() >= 16 &&
      (text.size() >= 64 ? is_ascii<64>(at, end) : is_ascii<16>(at, end)))
    return accept;
  while (end - at >= 64) {
    if (state == accept && is_ascii_block<64>(at)) {
      at += 64;
      continue;
    }
    for (const std::byte* const stop = at + 64; at != stop; ++at)
      state = table[std::to_integer<std::uint8_t>(*at)] >> state & 63;
    if (state == reject) return reject;
  }
  for (; end - at >= 8; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    if (state == accept && (word & 0x8080808080808080u) == 0) continue;
    for (int i = 0; i < 8; ++i) state = table[std::to_integer<std::uint8_t>(at[i])] >> state & 63;
  }
  for (; at != end; ++at) state = table[std::to_integer<std::uint8_t>(*at)] >> state & 63;
  return state;
}

}  // namespace

bool Utf8Validator::feed(std::span<const std::byte> piece) noexcept {
  state_ = run(state_, piece);
  return state_ != reject;
}

bool is_utf8(std::span<const std::byte> text) noexcept { return run(accept, text) == accept; }

}  // namespace perp::net
