#pragma once
// Chooses among the kernels that Highway's headers compile for each instruction set. Highway's own
// choice lives in its shared library, which measures the processor's clock when it is loaded: 4 ms
// of every command. Included behind hwy/highway.h, used under HWY_ONCE.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <hwy/highway.h>

namespace perp::rolling::detail {

/// Bits as in HWY_TARGETS: what this machine can run, or of it what was forced. Any thread.
std::int64_t usable_targets() noexcept;

/// Where a table of PERP_ON_TARGETS has the best kernel that is usable.
/// @param compiled HWY_TARGETS of the file with the table
inline std::size_t best_place(std::int64_t compiled) noexcept {
  const auto mask = static_cast<std::uint64_t>(
      HWY_CHOSEN_TARGET_SHIFT(usable_targets() & compiled) | HWY_CHOSEN_TARGET_MASK_SCALAR);
  return static_cast<std::size_t>(std::countr_zero(mask)) - 1;  // bit 0 is Highway's own
}

}  // namespace perp::rolling::detail

#if (HWY_TARGETS & (HWY_TARGETS - 1)) == 0
#define PERP_ON_TARGETS(kernel) static_assert(true)
#define PERP_BEST(kernel) HWY_STATIC_DISPATCH(kernel)
#else
/// The table of a kernel, beside the namespaces of its targets.
#define PERP_ON_TARGETS(kernel)                                                                    \
  static constexpr decltype(&HWY_STATIC_DISPATCH(                                                  \
      kernel)) kernel##_on_targets[HWY_MAX_DYNAMIC_TARGETS + 1] = {HWY_CHOOSE_TARGET_LIST(kernel), \
                                                                   HWY_CHOOSE_FALLBACK(kernel)}
/// The best of them.
#define PERP_BEST(kernel) (*kernel##_on_targets[perp::rolling::detail::best_place(HWY_TARGETS)])
#endif
