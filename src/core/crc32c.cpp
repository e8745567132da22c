#include <perp/core/crc32c.hpp>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#include <array>
#include <cstring>

namespace perp::core {
namespace {

constexpr std::uint32_t polynomial = 0x82f63b78;  // reflected

using ByteTable = std::array<std::uint32_t, 256>;

constexpr std::uint32_t advance_bit(std::uint32_t crc) {
  return (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
}

// tables[k][b]: the checksum of byte b followed by k zero bytes. Eight of them take eight bytes at
// a time.
constexpr std::array<ByteTable, 8> make_slicing_tables() {
  std::array<ByteTable, 8> tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = advance_bit(crc);
    tables[0][byte] = crc;
  }
  for (std::size_t zeros = 1; zeros < tables.size(); ++zeros)
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t crc = tables[zeros - 1][byte];
      tables[zeros][byte] = (crc >> 8) ^ tables[0][crc & 0xff];
    }
  return tables;
}

constexpr std::array<ByteTable, 8> slicing = make_slicing_tables();

std::uint64_t load_word(const std::byte* from) noexcept {
  std::uint64_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

#if defined(__x86_64__)

// A checksum run over `Bytes` zero bytes is a linear map of its 32 bits; four tables of 256 hold it
// by byte. It moves the checksum of an earlier stream past the bytes of a later one, so that
// streams can run side by side.
template <std::size_t Bytes>
struct ZeroShift {
  std::array<ByteTable, 4> tables{};

  constexpr ZeroShift() {
    std::array<std::uint32_t, 32> image{};  // of each single bit
    for (std::size_t bit = 0; bit < 32; ++bit) image[bit] = advance_bit(std::uint32_t{1} << bit);
    // The map over 2^k bits is the map over 2^(k-1) bits applied twice.
    static_assert((Bytes & (Bytes - 1)) == 0);
    for (std::size_t bits = 1; bits < Bytes * 8; bits *= 2) {
      std::array<std::uint32_t, 32> twice{};
      for (std::size_t bit = 0; bit < 32; ++bit) twice[bit] = apply(image, image[bit]);
      image = twice;
    }
    for (std::size_t lane = 0; lane < 4; ++lane)
      for (std::uint32_t byte = 0; byte < 256; ++byte)
        tables[lane][byte] = apply(image, byte << (8 * lane));
  }

  static constexpr std::uint32_t apply(const std::array<std::uint32_t, 32>& image,
                                       std::uint32_t crc) {
    std::uint32_t sum = 0;
    for (std::size_t bit = 0; bit < 32; ++bit)
      if ((crc >> bit & 1) != 0) sum ^= image[bit];
    return sum;
  }

  std::uint32_t operator()(std::uint32_t crc) const noexcept {
    return tables[0][crc & 0xff] ^ tables[1][crc >> 8 & 0xff] ^ tables[2][crc >> 16 & 0xff] ^
           tables[3][crc >> 24];
  }
};

constexpr std::size_t long_stream = 2048;
constexpr std::size_t short_stream = 128;
constexpr ZeroShift<long_stream> shift_long;
constexpr ZeroShift<short_stream> shift_short;

// The instruction takes 3 cycles and starts one each cycle: three independent streams keep it busy.
template <std::size_t Bytes>
__attribute__((target("sse4.2"))) std::uint64_t three_streams(
    const std::byte* from, std::uint64_t first, const ZeroShift<Bytes>& shift) noexcept {
  std::uint64_t second = 0;
  std::uint64_t third = 0;
  for (std::size_t at = 0; at < Bytes; at += 8) {
    first = _mm_crc32_u64(first, load_word(from + at));
    second = _mm_crc32_u64(second, load_word(from + at + Bytes));
    third = _mm_crc32_u64(third, load_word(from + at + 2 * Bytes));
  }
  const std::uint32_t joined =
      shift(static_cast<std::uint32_t>(first)) ^ static_cast<std::uint32_t>(second);
  return shift(joined) ^ static_cast<std::uint32_t>(third);
}

#endif

using Implementation = std::uint32_t (*)(std::span<const std::byte>, std::uint32_t) noexcept;

}  // namespace

namespace detail {

std::uint32_t crc32c_portable(std::span<const std::byte> bytes, std::uint32_t crc) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  crc = ~crc;
  for (; left >= 8; at += 8, left -= 8) {
    const std::uint64_t word = load_word(at) ^ crc;
    crc = 0;
    for (std::size_t lane = 0; lane < 8; ++lane)
      crc ^= slicing[7 - lane][word >> (8 * lane) & 0xff];
  }
  for (; left > 0; ++at, --left)
    crc = (crc >> 8) ^ slicing[0][(crc ^ static_cast<std::uint32_t>(*at)) & 0xff];
  return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) std::uint32_t crc32c_hardware(std::span<const std::byte> bytes,
                                                                std::uint32_t crc) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t state = static_cast<std::uint32_t>(~crc);
  for (; left >= 3 * long_stream; at += 3 * long_stream, left -= 3 * long_stream)
    state = three_streams(at, state, shift_long);
  for (; left >= 3 * short_stream; at += 3 * short_stream, left -= 3 * short_stream)
    state = three_streams(at, state, shift_short);
  for (; left >= 8; at += 8, left -= 8) state = _mm_crc32_u64(state, load_word(at));
  auto narrow = static_cast<std::uint32_t>(state);
  for (; left > 0; ++at, --left) narrow = _mm_crc32_u8(narrow, static_cast<unsigned char>(*at));
  return ~narrow;
}

#else

std::uint32_t crc32c_hardware(std::span<const std::byte> bytes, std::uint32_t crc) noexcept {
  return crc32c_portable(bytes, crc);
}

#endif

}  // namespace detail

bool has_hardware_crc32c() noexcept {
#if defined(__x86_64__)
  return __builtin_cpu_supports("sse4.2") != 0;
#else
  return false;
#endif
}

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t crc) noexcept {
  static const Implementation implementation =
      has_hardware_crc32c() ? detail::crc32c_hardware : detail::crc32c_portable;
  return implementation(bytes, crc);
}

}  // namespace perp::core
