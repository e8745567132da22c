#include <perp/rolling/simd_target.hpp>

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "rolling/simd_target.cpp"
// The order matters: foreach_target.h includes this file once per instruction set.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on
#include "rolling/dispatch.hpp"

#include <atomic>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

HWY_BEFORE_NAMESPACE();
namespace perp::rolling {
namespace HWY_NAMESPACE {

// Asked through the same dispatch that runs the kernels, so that it cannot say other than what
// runs.
const char* target_name() { return hwy::TargetName(HWY_TARGET); }
std::size_t lane_count() {
  return hwy::HWY_NAMESPACE::Lanes(hwy::HWY_NAMESPACE::ScalableTag<double>());
}

}  // namespace HWY_NAMESPACE
}  // namespace perp::rolling
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perp::rolling {
namespace {

#if defined(__x86_64__)
/// What HWY_TARGET_STR of each target lets the compiler use. The operating system's part is in
/// __builtin_cpu_supports().
std::int64_t machine_targets() noexcept {
  std::int64_t targets = HWY_EMU128 | HWY_SCALAR;
  if (!__builtin_cpu_supports("ssse3")) return targets;
  targets |= HWY_SSSE3;
  if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("pclmul") ||
      !__builtin_cpu_supports("aes"))
    return targets;
  targets |= HWY_SSE4;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  const bool has_f16c = __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
  if (!has_f16c || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
      !__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2"))
    return targets;
  targets |= HWY_AVX2;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
    targets |= HWY_AVX3;
  return targets;
}
#else
std::int64_t machine_targets() noexcept { return hwy::SupportedTargets(); }
#endif

/// Written at the first use, with the same value by whoever comes first, and by force_simd_target()
/// while nobody uses a bank; read by every call of a kernel. It stands for nothing else that is
/// written, so any order would do. 0: not looked at yet.
constinit std::atomic<std::int64_t> usable{0};

}  // namespace

std::int64_t detail::usable_targets() noexcept {
  const std::int64_t known = usable.load();
  if (known != 0) return known;
  const std::int64_t found = machine_targets();
  std::int64_t nothing = 0;
  return usable.compare_exchange_strong(nothing, found) ? found : nothing;
}

PERP_ON_TARGETS(target_name);
PERP_ON_TARGETS(lane_count);

std::string_view simd_target() noexcept { return PERP_BEST(target_name)(); }
std::size_t simd_lane_count() noexcept { return PERP_BEST(lane_count)(); }

std::vector<std::string_view> simd_targets() {
  std::vector<std::string_view> names;
  for (std::int64_t left = machine_targets() & HWY_TARGETS; left != 0; left &= left - 1)
    names.emplace_back(hwy::TargetName(left & -left));  // the lowest bit is the best one
  return names;
}

bool force_simd_target(std::string_view name) {
  std::int64_t wanted = name.empty() ? machine_targets() : 0;
  for (std::int64_t left = machine_targets() & HWY_TARGETS; left != 0; left &= left - 1)
    if (name == hwy::TargetName(left & -left)) wanted = left & -left;
  if (wanted != 0) usable = wanted;
  return wanted != 0;
}

}  // namespace perp::rolling
#endif
