#pragma once
// Which instruction set the banks run on. The kernels are compiled for each that the compiler knows
// and chosen when the program runs; results do not depend on it. Shown by `perp version`. Any
// thread, except for forcing.
#include <cstddef>
#include <string_view>
#include <vector>

namespace perp::rolling {

/// The one in use: "AVX3" (AVX-512), "AVX2", "SSE4", "SSSE3", "SCALAR" (plain C++), "NEON", ...
std::string_view simd_target() noexcept;

/// Doubles per vector of the one in use. 1 would mean that the dispatch is misbuilt.
std::size_t simd_lane_count() noexcept;

/// Those that are compiled in and that this machine can run, best first.
std::vector<std::string_view> simd_targets();

/// Uses that one from now on, for tests and measurements; "" goes back to the best. Not while
/// another thread uses a bank. @returns false, changing nothing, if it is not one of
/// simd_targets().
bool force_simd_target(std::string_view name);

}  // namespace perp::rolling
