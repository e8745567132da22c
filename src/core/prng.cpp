#include <perp/core/prng.hpp>

#include <cmath>

// This file's answers depend on every single rounding: it is compiled with -ffp-contract=off like
// all of perp.

namespace perp::core {

std::uint64_t Prng::below(std::uint64_t bound) noexcept {
  if (bound == 0) return 0;
  // 2^64 mod bound values at the low end would be drawn once too often.
  const std::uint64_t unfair = (0 - bound) % bound;
  std::uint64_t draw = next();
  while (draw < unfair) draw = next();
  return draw % bound;
}

std::int64_t Prng::between(std::int64_t low, std::int64_t high) noexcept {
  const std::uint64_t width =
      static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
  const std::uint64_t offset = width == 0 ? next() : below(width);  // 0: all 2^64 values
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + offset);
}

double stable_log(double value) noexcept {
  // value = 2^exponent * m with m in [sqrt(1/2), sqrt(2)); ln m = 2 artanh((m - 1) / (m + 1)).
  auto bits = std::bit_cast<std::uint64_t>(value);
  auto exponent = static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0x000fffffffffffffu) | 0x3ff0000000000000u);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  const double s = (m - 1) / (m + 1);
  const double square = s * s;  // at most 0.0295: fourteen terms reach below 2^-70
  double sum = 0;
  for (int term = 27; term >= 3; term -= 2) sum = sum * square + 1.0 / term;
  // ln 2 in two parts; exponent * ln2_high is exact.
  constexpr double ln2_high = 0x1.62e42fefa0000p-1;
  constexpr double ln2_low = 0x1.cf79abc9e3b39p-40;
  const double e = exponent;
  return e * ln2_high + (2 * s + (2 * s * square * sum + e * ln2_low));
}

double Prng::normal() noexcept {
  for (;;) {
    const double x = 2 * uniform() - 1;
    const double y = 2 * uniform() - 1;
    const double square = x * x + y * y;
    if (square >= 1 || square < 0x1p-100) continue;
    return x * std::sqrt(-2 * stable_log(square) / square);
  }
}

double Prng::exponential(double mean) noexcept { return -mean * stable_log(1 - uniform()); }

Prng Prng::split() noexcept {
  constexpr std::uint64_t jump[] = {0x180ec6d33cfd0abau, 0xd5a61266f0c9392cu, 0xa9582618e03fc9aau,
                                    0x39abdc4529b1661cu};
  Prng walker(state_);
  State far{};
  for (const std::uint64_t word : jump) {
    for (int bit = 0; bit < 64; ++bit) {
      if ((word >> bit & 1) != 0)
        for (std::size_t i = 0; i < far.size(); ++i) far[i] ^= walker.state_[i];
      walker.next();
    }
  }
  const Prng rest(state_);
  state_ = far;
  return rest;
}

}  // namespace perp::core
