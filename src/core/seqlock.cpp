#include <perp/core/seqlock.hpp>

#include <sched.h>

namespace perp::core::detail {

void wait_for_writer(std::uint32_t attempts) noexcept {
  // A store takes nanoseconds; a writer still inside one after so many tries is not running.
  constexpr std::uint32_t spins = 64;
  if (attempts < spins) return relax_cpu();
  // Linux documents that it always succeeds.
  static_cast<void>(sched_yield());
}

}  // namespace perp::core::detail
