#pragma once
// What the rolling benchmarks run on: a made market whose values look like prices, with a missing
// one here and there, the same for every contestant.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace perp::bench {

/// A hash with the quality that noise needs, cheap enough to make hundreds of millions.
inline std::uint64_t mixed(std::uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

/// About 100 +- 1, in steps of 1/1024; one in 64 is missing.
inline double made_value(std::uint64_t number) {
  const std::uint64_t bits = mixed(number);
  if (bits % 64 == 0) return std::numeric_limits<double>::quiet_NaN();
  return 99 + static_cast<double>((bits >> 8) & 2047) / 1024;
}

inline std::vector<double> made_values(std::size_t count, std::uint64_t seed) {
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = made_value(seed * 0x9e3779b97f4a7c15ULL + i);
  return values;
}

/// Equal in every bit; one NaN is as good as another.
inline bool same_bits(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::memcmp(&a, &b, sizeof a) == 0;
}

}  // namespace perp::bench
