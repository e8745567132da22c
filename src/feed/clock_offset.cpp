#include <perp/core/error.hpp>
#include <perp/feed/clock_offset.hpp>

#include <algorithm>

namespace perp::feed {

ClockOffset::ClockOffset(std::int64_t window_ns) : window_ns_(window_ns) {
  if (window_ns <= 0)
    throw core::Error("cannot estimate a clock", "window_ns", "it must be more than 0");
}

bool ClockOffset::add(core::MonoNs sent, core::MonoNs received, core::WallNs venue) noexcept {
  // Times before 1970 are no venue's, and would overflow the difference.
  if (received < sent || venue.ns < 0) return false;
  const std::int64_t round_trip = received - sent;
  samples_[added_++ % sample_count] = {received, round_trip, venue.ns - (sent.ns + round_trip / 2)};
  return true;
}

std::optional<ClockOffset::Estimate> ClockOffset::estimate(core::MonoNs mono,
                                                           core::WallNs wall) const noexcept {
  const Sample* best = nullptr;
  for (std::size_t i = 0; i < std::min(added_, sample_count); ++i) {
    const Sample& sample = samples_[i];
    if (mono - sample.received > window_ns_) continue;
    // Of equal round trips the later one: it has drifted less.
    if (best == nullptr || sample.round_trip_ns < best->round_trip_ns ||
        (sample.round_trip_ns == best->round_trip_ns && sample.received > best->received))
      best = &sample;
  }
  if (best == nullptr || wall.ns < 0) return std::nullopt;
  return Estimate{best->venue_minus_mono_ns - (wall.ns - mono.ns), (best->round_trip_ns + 1) / 2,
                  best->round_trip_ns};
}

}  // namespace perp::feed
