#pragma once
// Engine time: the greatest receive time seen, in journal order. Records of a recording without
// receive times move it by their exchange time instead, and there a single wrong stamp far in the
// future must not stop the minutes for ever: such a jump is believed only when the next timed
// record agrees. Value type, part of a checkpoint.
#include <perp/core/time.hpp>
#include <perp/market/record.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace perp::state {

class EngineClock {
 public:
  /// Recordings pause for less than this; a longer step forward by exchange time needs a second
  /// witness.
  static constexpr std::int64_t jump_limit_ns = 10 * core::ns_per_minute;
  /// Longer records matter to no minute: only their time is held.
  static constexpr std::size_t held_bytes_max = 256;

  std::int64_t now_ns() const { return now_ns_; }
  bool is_held() const { return held_ns_ != core::unknown_ns; }
  std::int64_t held_ns() const { return held_ns_; }
  bool is_jump(std::int64_t ns) const {
    return now_ns_ == core::unknown_ns || ns > now_ns_ + jump_limit_ns;
  }
  /// Whether `ns` bears out the held time: the recording went on from there.
  bool confirms(std::int64_t ns) const { return ns >= held_ns_ - jump_limit_ns; }

  void advance(std::int64_t ns) {
    if (now_ns_ == core::unknown_ns || ns > now_ns_) now_ns_ = ns;
  }
  void hold(const market::RecordHeader& record, std::int64_t ns);
  void drop_held() { held_ns_ = core::unknown_ns; }
  /// The held record, nullptr if it was too long to keep. Valid until the next hold().
  const market::RecordHeader* held() const;

 private:
  std::int64_t now_ns_ = core::unknown_ns;
  std::int64_t held_ns_ = core::unknown_ns;
  alignas(8) std::array<std::byte, held_bytes_max> held_{};
  std::uint64_t held_size_ = 0;
};

}  // namespace perp::state
