#pragma once
// When which figure of which contract is asked for. Each (call, symbol) has its place in the call's
// interval, so that the venue is asked evenly; figures that the venue makes once per period are
// asked for in turn shortly after the period's end. Time is passed in. The feed's thread; O(polls).
#include <perp/core/time.hpp>
#include <perp/venue/connect.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace perp::feed {

class PollSchedule {
 public:
  struct Poll {
    const venue::RestCall* call = nullptr;
    std::string symbol;  ///< empty: of the whole venue
    std::int64_t interval_ns = 0;
    std::int64_t offset_ns =
        0;  ///< within the interval, which begins at multiples of it since 1970
    std::int64_t slot = core::unknown_ns;  ///< the last interval in which it was due
    bool is_waiting = false;               ///< for its answer
  };

  /// @param haste intervals are divided by it
  void restart(std::span<const venue::RestCall> calls, std::span<const std::string> symbols,
               venue::StreamKinds polled, double haste);

  /// Calls due(std::size_t poll) for each that is due and not waiting any more for the last time;
  /// others are skipped and counted. Nothing is due in the moment of the first call.
  template <class Due>
  void advance(core::WallNs now, Due due) {
    for (std::size_t i = 0; i < polls_.size(); ++i) {
      Poll& poll = polls_[i];
      const std::int64_t slot = (now.ns - poll.offset_ns) / poll.interval_ns;
      const bool is_first = poll.slot == core::unknown_ns;
      if (slot == poll.slot) continue;  // a clock that is set back makes one poll due, not none
      poll.slot = slot;
      if (is_first) continue;
      if (poll.is_waiting) {
        ++skipped_;
        continue;
      }
      poll.is_waiting = true;
      due(i);
    }
  }
  /// The poll was answered or given up. @param generation as of the moment when it was due
  void on_end(std::size_t poll, std::uint64_t generation) noexcept {
    if (generation == generation_) polls_[poll].is_waiting = false;
  }

  const std::vector<Poll>& polls() const noexcept { return polls_; }
  /// Of restart(): what was due before it is not this schedule's.
  std::uint64_t generation() const noexcept { return generation_; }
  std::uint64_t skipped() const noexcept { return skipped_; }

 private:
  std::vector<Poll> polls_;
  std::uint64_t generation_ = 0;
  std::uint64_t skipped_ = 0;
};

}  // namespace perp::feed
