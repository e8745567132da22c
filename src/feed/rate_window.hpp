#pragma once
// At most so many events in any window of that length. One thread; no clock; allocates when made.
#include <perp/core/time.hpp>
#include <perp/venue/connect.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace perp::feed {

class RateWindow {
 public:
  /// @param rate a count of 0 is no limit
  explicit RateWindow(const venue::Rate& rate) : window_ns_(rate.window_ns), times_(rate.count) {}

  bool may(core::MonoNs now) const noexcept {
    return times_.empty() || count_ < times_.size() || now - times_[next_] >= window_ns_;
  }
  void note(core::MonoNs now) noexcept {
    if (times_.empty()) return;
    times_[next_] = now;
    next_ = next_ + 1 == times_.size() ? 0 : next_ + 1;
    if (count_ < times_.size()) ++count_;
  }

 private:
  std::int64_t window_ns_;
  std::vector<core::MonoNs> times_;  ///< a ring of the newest; at next_ the oldest
  std::size_t next_ = 0;
  std::size_t count_ = 0;
};

}  // namespace perp::feed
