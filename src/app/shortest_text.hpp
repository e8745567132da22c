#pragma once
// A double in the fewest digits that read back as it, as std::to_chars writes it, character for
// character; several times faster for what prices, volumes and changes mostly are: at most four
// decimals.
#include <charconv>
#include <cmath>
#include <cstdint>

namespace perp::app {

/// @param out room for 32 characters. @returns behind the last one written; no terminating zero.
inline char* write_shortest(char* out, double value) {
  constexpr double scale = 1e4;
  const double magnitude = std::abs(value);
  // No two decimals of up to 15 digits are the same double, so one that reads back is the shortest.
  // Below 0.001, and for whole tens, 1e-04 or 1e+05 may be shorter.
  if (magnitude >= 1e-3 && magnitude < 1e11) {
    const auto scaled = static_cast<std::uint64_t>(magnitude * scale + 0.5);
    const std::uint64_t whole = scaled / 10'000;
    auto fraction = static_cast<std::uint32_t>(scaled % 10'000);
    if (static_cast<double>(scaled) / scale == magnitude && (fraction != 0 || whole % 10 != 0)) {
      if (value < 0) *out++ = '-';
      out = std::to_chars(out, out + 12, whole).ptr;
      if (fraction == 0) return out;
      *out++ = '.';
      for (std::uint32_t unit = 1'000; fraction != 0; unit /= 10) {
        *out++ = static_cast<char>('0' + fraction / unit);
        fraction %= unit;
      }
      return out;
    }
  }
  return std::to_chars(out, out + 32, value).ptr;
}

}  // namespace perp::app
