#include <perp/rolling/simd_target.hpp>

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "rolling/simd_target.cpp"
// The order matters: foreach_target.h includes this file once per instruction set.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

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

HWY_EXPORT(target_name);
HWY_EXPORT(lane_count);

std::string_view simd_target() noexcept { return HWY_DYNAMIC_DISPATCH(target_name)(); }
std::size_t simd_lane_count() noexcept { return HWY_DYNAMIC_DISPATCH(lane_count)(); }

std::vector<std::string_view> simd_targets() {
  std::vector<std::string_view> names;
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets())
    names.emplace_back(hwy::TargetName(target));
  return names;
}

bool force_simd_target(std::string_view name) {
  // 0 lifts what was forced before: a forced set would hide the others.
  hwy::SetSupportedTargetsForTest(0);
  std::int64_t wanted = 0;
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets())
    if (name == hwy::TargetName(target)) wanted = target;
  if (wanted != 0) hwy::SetSupportedTargetsForTest(wanted);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  return wanted != 0 || name.empty();
}

}  // namespace perp::rolling
#endif
