#include "net/loop_core.hpp"
#include "net/timer_heap.hpp"

#include <perp/core/platform.hpp>
#include <perp/net/loop.hpp>
#include <perp/net/timer.hpp>

#include <algorithm>
#include <utility>

namespace perp::net {
namespace detail {

void TimerHeap::note_made() {
  ++made_;
  if (heap_.capacity() < made_) heap_.reserve(std::max(made_, 2 * heap_.capacity()));
}

void TimerHeap::note_gone(Timer& timer) noexcept {
  cancel(timer);
  if (firing_ == &timer) firing_ = nullptr;
  --made_;
}

void TimerHeap::start(Timer& timer, core::MonoNs deadline) noexcept {
  cancel(timer);
  timer.deadline_ = deadline;
  timer.order_ = next_order_++;
  PERP_ASSERT(heap_.size() < heap_.capacity());
  heap_.push_back(&timer);
  rise(timer, heap_.size() - 1);
}

void TimerHeap::cancel(Timer& timer) noexcept {
  if (!timer.is_started()) return;
  const std::size_t position = std::exchange(timer.position_, Timer::not_started);
  Timer& last = *heap_.back();
  heap_.pop_back();
  if (position == heap_.size()) return;
  sink(last, position);
  rise(last, last.position_);
}

void TimerHeap::rise(Timer& timer, std::size_t position) noexcept {
  while (position > 0) {
    const std::size_t parent = (position - 1) / 2;
    if (!is_before(timer, *heap_[parent])) break;
    place(*heap_[parent], position);
    position = parent;
  }
  place(timer, position);
}

void TimerHeap::sink(Timer& timer, std::size_t position) noexcept {
  for (;;) {
    std::size_t child = 2 * position + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && is_before(*heap_[child + 1], *heap_[child])) ++child;
    if (!is_before(*heap_[child], timer)) break;
    place(*heap_[child], position);
    position = child;
  }
  place(timer, position);
}

int TimerHeap::fire_due(core::MonoNs now) {
  int fired = 0;
  const std::uint64_t started_later = next_order_;
  while (!heap_.empty()) {
    Timer& first = *heap_.front();
    if (first.deadline_ > now || first.order_ >= started_later) break;
    cancel(first);
    ++fired;
    // The call may destroy its own timer: it runs from here, and goes back if the timer is there.
    struct Running {
      TimerHeap& heap;
      std::function<void()> call;
      ~Running() {
        if (heap.firing_ != nullptr) heap.firing_->on_time_ = std::move(call);
        heap.firing_ = nullptr;
      }
    } running{*this, std::move(first.on_time_)};
    firing_ = &first;
    running.call();
  }
  return fired;
}

}  // namespace detail

Timer::Timer(Loop& loop, std::function<void()> on_time) : Timer(*loop.core_, std::move(on_time)) {}

Timer::Timer(detail::LoopCore& core, std::function<void()> on_time)
    : core_(core), on_time_(std::move(on_time)) {
  core_.timers.note_made();
}

Timer::~Timer() { core_.timers.note_gone(*this); }

void Timer::start_at(core::MonoNs deadline) noexcept {
  // Not before this round: a deadline of long ago must not overtake what else is due.
  core_.timers.start(*this, std::max(deadline, core_.now));
}

void Timer::start_in(std::int64_t delay_ns) noexcept {
  start_at(core_.clock.mono_now() + delay_ns);
}

void Timer::cancel() noexcept { core_.timers.cancel(*this); }

}  // namespace perp::net
