#pragma once
// The started timers of a loop: a binary heap by (deadline, order of starting) whose timers know
// their places, so that any can be taken out. Its room grows when a timer is made, never when one
// is started.
#include <perp/net/timer.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace perp::net::detail {

class TimerHeap {
 public:
  void note_made();
  void note_gone(Timer& timer) noexcept;

  void start(Timer& timer, core::MonoNs deadline) noexcept;
  void cancel(Timer& timer) noexcept;

  bool is_empty() const noexcept { return heap_.empty(); }
  /// Of a heap that is not empty.
  core::MonoNs first_deadline() const noexcept { return heap_.front()->deadline_; }
  /// Calls what is due, except what those calls start. @returns how many.
  int fire_due(core::MonoNs now);

 private:
  static bool is_before(const Timer& a, const Timer& b) noexcept {
    return a.deadline_ != b.deadline_ ? a.deadline_ < b.deadline_ : a.order_ < b.order_;
  }
  void place(Timer& timer, std::size_t position) noexcept {
    heap_[position] = &timer;
    timer.position_ = position;
  }
  void rise(Timer& timer, std::size_t position) noexcept;
  void sink(Timer& timer, std::size_t position) noexcept;

  std::vector<Timer*> heap_;
  std::uint64_t next_order_ = 0;
  std::size_t made_ = 0;
  Timer* firing_ = nullptr;  ///< reset where its call destroys it
};

}  // namespace perp::net::detail
