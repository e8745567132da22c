#pragma once
// Seeded random numbers that are the same bits on every compiler and machine: xoshiro256++ seeded
// by splitmix64. Used by simulation, jitter and tests; one owner thread; 32 bytes of state; a draw
// costs a dozen instructions. Never asks the system for entropy, never uses std:: distributions
// (their results differ between libraries), and takes its logarithm from +, -, *, / and sqrt alone,
// which IEEE 754 defines to the bit. Not for secrets. Sources:
// https://prng.di.unimi.it/xoshiro256plusplus.c, https://prng.di.unimi.it/splitmix64.c
#include <array>
#include <bit>
#include <cstdint>

namespace perp::core {

/// One step of splitmix64: advances `state`, returns a well mixed 64-bit value. Also turns a
/// counter into a hash.
constexpr std::uint64_t splitmix64(std::uint64_t& state) noexcept {
  std::uint64_t mixed = state += 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
  return mixed ^ (mixed >> 31);
}

class Prng {
 public:
  using State = std::array<std::uint64_t, 4>;

  /// Any seed is good, 0 too.
  explicit constexpr Prng(std::uint64_t seed) noexcept {
    for (std::uint64_t& word : state_) word = splitmix64(seed);
  }
  /// Goes on from a saved state, which must not be all zero.
  explicit constexpr Prng(const State& state) noexcept : state_(state) {}

  /// 64 random bits.
  constexpr std::uint64_t next() noexcept {
    const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  /// Uniform in [0, 1): 53 bits.
  constexpr double uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }
  /// Uniform in [low, high).
  constexpr double uniform(double low, double high) noexcept {
    return low + (high - low) * uniform();
  }
  /// Uniform in [0, bound), exactly (draws again where a remainder would favour small values). 0
  /// for bound 0.
  std::uint64_t below(std::uint64_t bound) noexcept;
  /// Uniform in [low, high]; low <= high.
  std::int64_t between(std::int64_t low, std::int64_t high) noexcept;
  constexpr bool chance(double probability) noexcept { return uniform() < probability; }
  /// Standard normal (Marsaglia's polar method). Keeps no second value: equal states give equal
  /// futures.
  double normal() noexcept;
  double normal(double mean, double deviation) noexcept { return mean + deviation * normal(); }
  /// Exponential with the given mean.
  double exponential(double mean) noexcept;

  /// Returns this generator as it is and moves itself 2^128 draws on: the two never overlap.
  Prng split() noexcept;
  const State& state() const noexcept { return state_; }

 private:
  State state_{};
};

/// Natural logarithm of a positive, finite, normal double, the same bits everywhere. Relative error
/// below 1e-15 (away from 1, absolute error below 1e-16 near it).
double stable_log(double value) noexcept;

}  // namespace perp::core
