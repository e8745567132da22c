#pragma once
// How far a venue's clock is from ours, from REST replies that carry the venue's time: of the last
// samples, the one with the shortest round trip counts, since its two ways had the least room to
// differ. One per venue, on the thread that owns it; no clock, no allocation, O(samples) per query.
// Measured against the monotonic clock, so that a step of our wall clock spoils no sample. A
// latency that is negative by the venue's stamps is a value, never an error: this says by how much
// stamps lie, and changes none of them.
#include <perp/core/time.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace perp::feed {

class ClockOffset {
 public:
  static constexpr std::size_t sample_count = 64;

  struct Estimate {
    std::int64_t offset_ns;      ///< the venue's clock minus our wall clock; positive: it is ahead
    std::int64_t error_ns_max;   ///< half the round trip: the truth lies within, if the stamp was
                                 ///< taken between our sending and our receiving
    std::int64_t round_trip_ns;  ///< of the sample that counts
  };

  /// @param window_ns for how long a sample counts: clocks drift. > 0, or core::Error.
  explicit ClockOffset(std::int64_t window_ns = 10 * core::ns_per_minute);

  /// @param venue the reply's time; of a coarser clock, the middle of its step (plus 0.5 ms for
  /// milliseconds). @returns false, and counts nothing, if it was received before it was sent or
  /// the venue's time is not known.
  bool add(core::MonoNs sent, core::MonoNs received, core::WallNs venue) noexcept;

  /// Nothing without a sample within the window. @param mono, wall both clocks at one moment
  std::optional<Estimate> estimate(core::MonoNs mono, core::WallNs wall) const noexcept;

 private:
  struct Sample {
    core::MonoNs received;
    std::int64_t round_trip_ns;
    std::int64_t venue_minus_mono_ns;
  };

  std::int64_t window_ns_;
  std::array<Sample, sample_count> samples_{};
  std::size_t added_ = 0;
};

}  // namespace perp::feed
