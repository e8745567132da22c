#include <perp/core/tsc_clock.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace perp::core {
namespace {

constexpr std::int64_t first_baseline_ns = 2 * ns_per_ms;
constexpr std::int64_t baseline_ns_max =
    60 * ns_per_second;  // CLOCK_MONOTONIC's own rate is steered over minutes
constexpr std::int64_t jump_ns = 10 * ns_per_us;
constexpr double slew_max = 500e-6;         // as fast as adjtime works an error off
constexpr double rate_disagreement = 1e-3;  // no crystal drifts so; a hypervisor that lies does

}  // namespace

bool has_invariant_tsc() noexcept {
#if defined(__x86_64__)
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  // Advanced power management, EDX bit 8. __get_cpuid refuses leaves that the processor does not
  // have.
  return __get_cpuid(0x80000007U, &eax, &ebx, &ecx, &edx) != 0 && (edx & (1U << 8)) != 0;
#else
  return false;
#endif
}

ClockSources machine_clocks() noexcept {
  ClockSources sources;
  sources.is_invariant = has_invariant_tsc();
  return sources;
}

std::int64_t TscClock::read_mono() const noexcept {
  return sources_.mono == nullptr ? core::mono_now().ns : sources_.mono();
}
std::int64_t TscClock::read_wall() const noexcept {
  return sources_.wall == nullptr ? core::wall_now().ns : sources_.wall();
}

// The tick count in the middle of the tightest of several readings: an interrupt spoils one, not
// all.
TscClock::Moment TscClock::sample() const noexcept {
  Moment best{};
  std::uint64_t width_min = std::numeric_limits<std::uint64_t>::max();
  for (int i = 0; i < 8; ++i) {
    const std::uint64_t before = read_tsc();
    const std::int64_t mono = read_mono();
    const std::uint64_t after = read_tsc();
    if (after - before >= width_min) continue;
    width_min = after - before;
    best.ticks = before + width_min / 2;
    best.mono_ns = mono;
  }
  // The wall clock's distance, by the same trick with the monotonic clock around it.
  std::int64_t gap_min = std::numeric_limits<std::int64_t>::max();
  for (int i = 0; i < 4; ++i) {
    const std::int64_t before = read_mono();
    const std::int64_t wall = read_wall();
    const std::int64_t after = read_mono();
    if (after - before >= gap_min) continue;
    gap_min = after - before;
    best.wall_ns = wall - (before + gap_min / 2 - best.mono_ns);
  }
  return best;
}

TscClock::TscClock(const ClockSources& sources) noexcept : sources_(sources) {
  if (!sources_.is_invariant) {
    fall_back("system: TSC not invariant");
    return;
  }
  anchor_ = sample();
  while (read_mono() - anchor_.mono_ns < first_baseline_ns) {
  }
  previous_ = sample();
  const auto ticks = static_cast<std::int64_t>(previous_.ticks - anchor_.ticks);
  if (ticks <= 0) {
    fall_back("system: TSC calibrations disagree");
    return;
  }
  ns_per_tick_ = ns_per_tick_measured_ =
      static_cast<double>(previous_.mono_ns - anchor_.mono_ns) / static_cast<double>(ticks);
  base_ticks_ = previous_.ticks;
  base_ns_ = previous_.mono_ns;
  wall_offset_ns_ = previous_.wall_ns - previous_.mono_ns;
  calibrations_ = 1;
  is_tsc_ = true;
}

void TscClock::fall_back(std::string_view why) noexcept {
  is_tsc_ = false;
  source_ = why;
}

std::int64_t TscClock::recalibrate() noexcept {
  if (!is_tsc_) return 0;
  const Moment now = sample();
  const auto ticks = static_cast<std::int64_t>(now.ticks - previous_.ticks);
  const std::int64_t elapsed_ns = now.mono_ns - previous_.mono_ns;
  if (elapsed_ns <= 0) return last_error_ns_;  // called twice in a moment: nothing to learn
  const double rate = ticks > 0 ? static_cast<double>(elapsed_ns) / static_cast<double>(ticks) : 0;
  // A reading is good to some tens of ns, which over a short interval looks like a wrong rate.
  const double tolerance = rate_disagreement + 2000.0 / static_cast<double>(elapsed_ns);
  if (!(std::abs(rate / ns_per_tick_measured_ - 1) <= tolerance)) {
    fall_back("system: TSC calibrations disagree");
    return 0;
  }
  const std::int64_t shown_ns = to_ns(now.ticks);
  last_error_ns_ = shown_ns - now.mono_ns;
  if (now.mono_ns - anchor_.mono_ns > baseline_ns_max) anchor_ = previous_;
  ns_per_tick_measured_ = static_cast<double>(now.mono_ns - anchor_.mono_ns) /
                          static_cast<double>(static_cast<std::int64_t>(now.ticks - anchor_.ticks));
  // From here on: start where the clock stood (it must not go back), and reach the truth within
  // about a second.
  base_ticks_ = now.ticks;
  base_ns_ = last_error_ns_ < -jump_ns ? now.mono_ns : shown_ns;
  const double slew =
      std::clamp(static_cast<double>(base_ns_ - now.mono_ns) / static_cast<double>(ns_per_second),
                 -slew_max, slew_max);
  ns_per_tick_ = ns_per_tick_measured_ * (1 - slew);
  wall_offset_ns_ = now.wall_ns - now.mono_ns;
  previous_ = now;
  ++calibrations_;
  return last_error_ns_;
}

}  // namespace perp::core
