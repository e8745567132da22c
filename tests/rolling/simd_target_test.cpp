// The instruction set is chosen when the program runs; misuse of the dispatch shows as one lane per
// vector or as a choice that is not the best one.
#include "rolling/support.hpp"

#include <perp/rolling/simd_target.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace perp::rolling {
namespace {

std::string_view expected_target() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
  if (has_avx512) return "AVX3";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "AVX2";
  if (__builtin_cpu_supports("sse4.2")) return "SSE4";
  return "";
#else
  return "";
#endif
}

TEST(SimdTarget, IsTheBestThatTheMachineHas) {
  if (expected_target().empty()) GTEST_SKIP() << "this test knows x86-64 only";
  EXPECT_EQ(simd_target(), expected_target());
  EXPECT_EQ(simd_targets().front(), expected_target());
}

TEST(SimdTarget, HasTheLanesOfItsVectors) {
  test::on_every_target([] {
    const std::string_view name = simd_target();
    const std::size_t expected = name == "AVX3" ? 8 : name == "AVX2" ? 4 : name == "SCALAR" ? 1 : 2;
    EXPECT_EQ(simd_lane_count(), expected);
  });
}

TEST(SimdTarget, CanBeForcedAndReleased) {
  const std::string_view best = simd_target();
  const auto targets = simd_targets();
  ASSERT_GE(targets.size(), 2u) << "plain C++ is always among them";
  EXPECT_TRUE(force_simd_target(targets.back()));
  EXPECT_EQ(simd_target(), targets.back());
  EXPECT_TRUE(force_simd_target(targets.front()));
  EXPECT_EQ(simd_target(), targets.front());
  EXPECT_FALSE(force_simd_target("MMX"));
  EXPECT_TRUE(force_simd_target(""));
  EXPECT_EQ(simd_target(), best);
}

}  // namespace
}  // namespace perp::rolling
