#pragma once
// The processor's time stamp counter as a clock: a read costs the instruction and one
// multiplication, two thirds of clock_gettime, and never enters the kernel. One object per worker
// (@thread owner), calibrated against CLOCK_MONOTONIC and CLOCK_REALTIME when made and again in
// recalibrate(), which the owner calls about once a second. mono_now() never goes back: an error
// found by a calibration is worked off by running a little slower or faster (a lag beyond 10 us is
// jumped at once). wall_now() steps when CLOCK_REALTIME was stepped. Falls back to clock_gettime,
// for good, if the TSC is not invariant or calibrations disagree; source() says which.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include <perp/core/time.hpp>

namespace perp::core {

/// Where the clock reads its raw times: the machine, or a test's simulation of one.
struct ClockSources {
  std::uint64_t (*ticks)() noexcept = nullptr;  ///< nullptr: rdtsc
  std::int64_t (*mono)() noexcept = nullptr;    ///< nullptr: CLOCK_MONOTONIC
  std::int64_t (*wall)() noexcept = nullptr;    ///< nullptr: CLOCK_REALTIME
  bool is_invariant = true;                     ///< false: the counter must not be used
};
/// The machine's own, is_invariant as its processor states it.
ClockSources machine_clocks() noexcept;

/// CPUID says that the TSC runs at one rate in all states. False on anything but x86-64.
bool has_invariant_tsc() noexcept;
/// The TSC as it is; 0 on anything but x86-64. Not ordered with the loads and stores around it.
/// @thread any
inline std::uint64_t read_ticks() noexcept {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return 0;
#endif
}

class TscClock {
 public:
  /// Calibrates: keeps the calling thread busy for about 2 ms.
  explicit TscClock(const ClockSources& sources = machine_clocks()) noexcept;

  MonoNs mono_now() noexcept {
    // The maximum holds also where two processors' counters differ by some ticks, and across the
    // fall-back.
    last_ns_ = std::max(last_ns_, is_tsc_ ? to_ns(read_tsc()) : read_mono());
    return {last_ns_};
  }
  WallNs wall_now() noexcept {
    return is_tsc_ ? WallNs{mono_now().ns + wall_offset_ns_} : WallNs{read_wall()};
  }
  /// Nanoseconds of a difference of two read_ticks() of this machine.
  double ticks_to_ns(std::uint64_t ticks) const noexcept {
    return static_cast<double>(ticks) * ns_per_tick_measured_;
  }

  /// Measures the error since the last calibration and works it off from here on. About a
  /// microsecond.
  /// @returns the error: clock minus truth, in ns (0 when it has fallen back).
  std::int64_t recalibrate() noexcept;
  /// recalibrate(), if at least `interval_ns` have passed since the last one. Cheap otherwise.
  void recalibrate_if_due(std::int64_t interval_ns = ns_per_second) noexcept {
    if (is_tsc_ && mono_now().ns - base_ns_ >= interval_ns) recalibrate();
  }

  bool is_tsc() const noexcept { return is_tsc_; }
  /// "tsc", "system: TSC not invariant", "system: TSC calibrations disagree".
  std::string_view source() const noexcept { return source_; }
  double ns_per_tick() const noexcept { return ns_per_tick_measured_; }
  std::int64_t last_error_ns() const noexcept { return last_error_ns_; }
  std::uint64_t calibration_count() const noexcept { return calibrations_; }

 private:
  struct Moment {
    std::uint64_t ticks;
    std::int64_t mono_ns;
    std::int64_t wall_ns;
  };
  Moment sample() const noexcept;
  void fall_back(std::string_view why) noexcept;
  std::int64_t read_mono() const noexcept;
  std::int64_t read_wall() const noexcept;
  std::uint64_t read_tsc() const noexcept {
    return sources_.ticks == nullptr ? read_ticks() : sources_.ticks();
  }
  /// A tick before the base (the counters of two processors differ by some ticks) counts as the
  /// base itself.
  std::int64_t to_ns(std::uint64_t ticks) const noexcept {
    const auto elapsed = static_cast<std::int64_t>(ticks - base_ticks_);
    return elapsed > 0
               ? base_ns_ + static_cast<std::int64_t>(static_cast<double>(elapsed) * ns_per_tick_)
               : base_ns_;
  }

  std::uint64_t base_ticks_ = 0;
  std::int64_t base_ns_ = 0;
  std::int64_t last_ns_ = std::numeric_limits<std::int64_t>::min();
  double ns_per_tick_ = 1;  ///< in use: measured rate plus what works off the last error
  std::int64_t wall_offset_ns_ = 0;
  double ns_per_tick_measured_ = 1;
  ClockSources sources_;
  bool is_tsc_ = false;
  Moment anchor_{};  ///< far end of the baseline that the rate is measured over
  Moment previous_{};
  std::int64_t last_error_ns_ = 0;
  std::uint64_t calibrations_ = 0;
  std::string_view source_ = "tsc";
};

}  // namespace perp::core
