#pragma once
// One deadline of a loop's thread: for time-outs, heartbeats, back-off. A member of whatever waits;
// made once on the cold path, then started and cancelled at O(log timers) without allocating.
// Timers fire in the order of their deadlines, equal ones in the order of their starting, and one
// that is started by a timer's call not before the next round. Resolution: the round; a sleeping
// loop wakes within some 60 us behind the deadline (the kernel's timer slack).
#include <perp/core/time.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>

namespace perp::net {

class Loop;
namespace detail {
class TimerHeap;
struct LoopCore;
}  // namespace detail

class Timer {
 public:
  /// @param on_time called inside run_once(). It may start, cancel or destroy this and any timer.
  Timer(Loop& loop, std::function<void()> on_time);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Starts it, or starts it anew. A deadline in the past is due in the next round.
  void start_at(core::MonoNs deadline) noexcept;
  /// The same, from now on. Reads the clock.
  void start_in(std::int64_t delay_ns) noexcept;
  void cancel() noexcept;

  bool is_started() const noexcept { return position_ != not_started; }
  /// Of the last start.
  core::MonoNs deadline() const noexcept { return deadline_; }

 private:
  friend class detail::TimerHeap;
  friend struct detail::LoopCore;
  Timer(detail::LoopCore& core, std::function<void()> on_time);

  static constexpr std::size_t not_started = ~std::size_t{0};

  detail::LoopCore& core_;
  core::MonoNs deadline_;
  std::uint64_t order_ = 0;             ///< of starting
  std::size_t position_ = not_started;  ///< in the heap
  std::function<void()> on_time_;
};

}  // namespace perp::net
