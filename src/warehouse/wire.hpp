#pragma once
// PostgreSQL's binary wire: big-endian integers and the OIDs of the types that we bind and read.
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

namespace perp::warehouse {

inline constexpr std::uint32_t oid_bool = 16, oid_char = 18, oid_name = 19, oid_int8 = 20,
                               oid_int2 = 21, oid_int4 = 23, oid_text = 25, oid_oid = 26,
                               oid_json = 114, oid_float4 = 700, oid_float8 = 701,
                               oid_unknown = 705, oid_int2_array = 1005, oid_text_array = 1009,
                               oid_int8_array = 1016, oid_bpchar = 1042, oid_varchar = 1043,
                               oid_timestamptz = 1184, oid_numeric = 1700, oid_void = 2278,
                               oid_jsonb = 3802;

inline std::uint16_t swap_bytes(std::uint16_t value) { return __builtin_bswap16(value); }
inline std::uint32_t swap_bytes(std::uint32_t value) { return __builtin_bswap32(value); }
inline std::uint64_t swap_bytes(std::uint64_t value) { return __builtin_bswap64(value); }

template <class Integer>
Integer read_big_endian(const char* bytes) {
  Integer value;
  std::memcpy(&value, bytes, sizeof value);
  return swap_bytes(value);
}
inline std::uint16_t read_u16(const char* bytes) { return read_big_endian<std::uint16_t>(bytes); }
inline std::uint32_t read_u32(const char* bytes) { return read_big_endian<std::uint32_t>(bytes); }
inline std::uint64_t read_u64(const char* bytes) { return read_big_endian<std::uint64_t>(bytes); }

template <class Integer>
void append_big_endian(std::string& out, Integer value) {
  const Integer swapped = swap_bytes(value);
  out.append(reinterpret_cast<const char*>(&swapped), sizeof swapped);
}
inline void append_u16(std::string& out, std::uint16_t value) { append_big_endian(out, value); }
inline void append_u32(std::string& out, std::uint32_t value) { append_big_endian(out, value); }
inline void append_u64(std::string& out, std::uint64_t value) { append_big_endian(out, value); }

}  // namespace perp::warehouse
