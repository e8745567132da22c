#pragma once
// What the tests of windows and banks share: comparison by bits, samples with holes, every
// instruction set of this machine.
#include <perp/rolling/simd_target.hpp>
#include <perp/rolling/sums.hpp>
#include <perp/rolling/window.hpp>

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <deque>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace perp::rolling::test {

inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr long double unit = 0x1p-53L;

/// Equal in every bit, except that one NaN is as good as another.
inline bool same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) ||
         std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

/// Runs `body` on each instruction set that this machine has, then goes back to the best.
template <class Body>
void on_every_target(Body body) {
  for (const std::string_view name : simd_targets()) {
    SCOPED_TRACE("on " + std::string(name));
    ASSERT_TRUE(force_simd_target(name));
    ASSERT_EQ(simd_target(), name);
    body();
    if (::testing::Test::HasFatalFailure()) break;
  }
  force_simd_target("");
}

/// A price-like walk; one sample in `hole_every` is missing or, rarely, infinite.
class Walk {
 public:
  explicit Walk(std::uint64_t seed, double start = 64'991.3, unsigned hole_every = 9)
      : random_(seed), price_(start), hole_every_(hole_every) {}
  double operator()() {
    price_ *= step_(random_);
    if (hole_every_ != 0 && random_() % hole_every_ == 0)
      return random_() % 10 == 0 ? infinity : nan;
    return price_;
  }

 private:
  std::mt19937_64 random_;
  std::lognormal_distribution<double> step_{0, 0.002};
  double price_;
  unsigned hole_every_;
};

}  // namespace perp::rolling::test
