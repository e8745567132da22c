#pragma once
// Whose silence means something: what is known of how busy a connection's topics are. No clock, no
// I/O; looked at each 10 s on the feed's thread.
#include <perp/core/time.hpp>
#include <perp/feed/liveness.hpp>
#include <perp/venue/connect.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace perp::feed {

struct TopicActivity {
  static constexpr std::int64_t window_ns = 10 * core::ns_per_second;
  static constexpr std::uint32_t busy_messages = 10;  ///< in a window
  /// The rate is a mean over all windows at first, then over some ten minutes.
  static constexpr std::uint32_t rate_windows = 60;
  /// A silence is one that a stream of random events would keep by a chance of 2e-9.
  static constexpr double improbable_messages = 20;
  /// Silent again and again: the topic is asked for each time twice as late.
  static constexpr std::uint8_t fruitless_max = 6;

  const venue::Stream* stream = nullptr;
  std::uint32_t symbol = 0;
  std::uint32_t messages = 0;  ///< in the window that ends now
  std::uint32_t windows = 0;   ///< since its first message, at most rate_windows
  double rate = 0;             ///< messages a window
  std::uint8_t fruitless = 0;  ///< times it was asked for again in a row, in vain
  bool is_busy = false;        ///< its contract is liquid, or it was
  bool is_watched = true;      ///< neither refused nor given back
  bool is_mute = false;        ///< acknowledged, and has said nothing since
};

/// What the feed allows beyond Liveness' own bounds: candles of a quiet contract have minutes.
inline constexpr LivenessOptions topic_liveness{.bound_ns_max = 5 * core::ns_per_minute};

/// Judges all topics of a connection at a window's end; those of a contract stand behind each
/// other.
void judge_activity(std::span<TopicActivity> topics);
/// For Liveness::expect(): half of the silence that the topic may keep. That of a busy one is the
/// venue's stated bound, but no less than what its own rate makes improbable: a market that
/// quietens is not called broken. no_interval: its silence says nothing.
std::int64_t expected_ns(const TopicActivity& topic);
/// So many of a connection's topics are silent that it is the connection that is.
constexpr bool is_connection_silent(std::size_t silent, std::size_t watched) {
  return silent >= 2 && silent * 2 >= watched;
}
/// Until when a silent topic is left alone that was asked for again just now.
constexpr std::int64_t asked_again_for_ns(std::uint8_t fruitless) {
  return topic_liveness.bound_ns_min << fruitless;
}

}  // namespace perp::feed
