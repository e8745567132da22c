#pragma once
// Two kinds of time that never mix: wall time (data) and monotonic time (durations, deadlines).
// Time is passed in, not asked for: only workers, programs and tests read clocks.
#include <compare>
#include <cstdint>
#include <limits>

namespace perp::core {

/// A wall time that is not known. Records use it; it is never 0.
inline constexpr std::int64_t unknown_ns = std::numeric_limits<std::int64_t>::min();

inline constexpr std::int64_t ns_per_us = 1'000;
inline constexpr std::int64_t ns_per_ms = 1'000'000;
inline constexpr std::int64_t ns_per_second = 1'000'000'000;
inline constexpr std::int64_t ns_per_minute = 60 * ns_per_second;
inline constexpr std::int64_t ns_per_hour = 60 * ns_per_minute;
inline constexpr std::int64_t ns_per_day = 24 * ns_per_hour;

/// Nanoseconds since the Unix epoch, UTC.
struct WallNs {
  std::int64_t ns = unknown_ns;
  friend constexpr auto operator<=>(WallNs, WallNs) = default;
};

/// Nanoseconds of a clock that never steps; its zero means nothing.
struct MonoNs {
  std::int64_t ns = 0;
  friend constexpr auto operator<=>(MonoNs, MonoNs) = default;
  friend constexpr MonoNs operator+(MonoNs at, std::int64_t by_ns) { return {at.ns + by_ns}; }
  friend constexpr std::int64_t operator-(MonoNs to, MonoNs from) { return to.ns - from.ns; }
};

/// CLOCK_REALTIME. For workers and programs, never for the engine. @thread any
WallNs wall_now() noexcept;
/// CLOCK_MONOTONIC. @thread any
MonoNs mono_now() noexcept;

/// Rounds down to a multiple of `step_ns`, also before 1970.
constexpr std::int64_t floor_to(std::int64_t ns, std::int64_t step_ns) {
  const std::int64_t rest = ns % step_ns;
  return ns - (rest < 0 ? rest + step_ns : rest);
}

}  // namespace perp::core
