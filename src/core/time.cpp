#include <perp/core/time.hpp>

#include <ctime>

namespace perp::core {
namespace {

std::int64_t read_clock(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * ns_per_second + now.tv_nsec;
}

}  // namespace

WallNs wall_now() noexcept { return {read_clock(CLOCK_REALTIME)}; }

MonoNs mono_now() noexcept { return {read_clock(CLOCK_MONOTONIC)}; }

}  // namespace perp::core
