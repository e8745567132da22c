#pragma once
// Draws of the simulated market, in integers only: the same seed gives the same market on every
// machine. Cheap (one generator step and a few multiplications a draw), one owner thread, never
// asks the system for entropy.
#include <perp/core/prng.hpp>

#include <array>
#include <bit>
#include <cstdint>

namespace perp::sim {

class Random {
 public:
  /// Streams of one seed are independent: each market, connection and process has its own number.
  Random(std::uint64_t seed, std::uint64_t stream) : prng_(seed ^ core::splitmix64(stream)) {}

  std::uint64_t bits() { return prng_.next(); }

  /// Uniform in [0, bound).
  std::uint32_t below(std::uint32_t bound) {
    return static_cast<std::uint32_t>(((bits() >> 32) * std::uint64_t{bound}) >> 32);
  }

  /// Uniform in [low, high]; the range must fit 32 bits.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint32_t>(high - low + 1)));
  }

  bool chance(std::uint32_t per_million) { return below(1'000'000) < per_million; }

  /// Bell-shaped with mean 0: the sum of four uniform draws (its tails end at 3.46 deviations).
  std::int64_t bell(std::int64_t deviation) {
    const std::uint64_t draw = bits();
    const auto sum = static_cast<std::int64_t>((draw & 0xffff) + ((draw >> 16) & 0xffff) +
                                               ((draw >> 32) & 0xffff) + (draw >> 48));
    return (sum - 131'070) * deviation / 37'837;
  }

  /// How many of four equal chances came true; `mean_q16` is their expected number in 1/65536, at
  /// most 4.
  std::uint32_t events(std::uint32_t mean_q16) {
    const std::uint64_t draw = bits();
    const std::uint64_t limit = mean_q16 / 4;
    std::uint32_t count = 0;
    for (int shift = 0; shift < 64; shift += 16)
      count += ((draw >> shift) & 0xffff) < limit ? 1U : 0U;
    return count;
  }

  /// Heads in a row, at most `limit`: a doubling per head gives sizes with a heavy tail.
  int heads(int limit) {
    const int count = std::countr_zero(bits() | std::uint64_t{1} << 63);
    return count < limit ? count : limit;
  }

 private:
  core::Prng prng_;
};

}  // namespace perp::sim
