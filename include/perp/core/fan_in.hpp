#pragma once
// Fixed-size items from several producer threads to one consumer thread: one SpscQueue (a lane) per
// producer, drained in turn. No producer ever waits for, or shares a cache line with, another; the
// items of each stay in their order; between producers there is no order. A round of the consumer
// takes at most one turn's items from each lane, so that a busy lane delays a quiet one by no more
// than that. Bounded: a full lane is a value that its producer sees, and is counted. No allocation
// after construction, no lock, no wait. A round costs one look at each lane and one store per lane
// that had items.
//
//   producer 0 --> lane 0  o o o o o o      turn: 4 items at most   round 1 takes 0000 1 22,
//   producer 1 --> lane 1  o                                        round 2 begins at lane 1 and
//   producer 2 --> lane 2  o o                                      takes what came there, then 00
//
//   invariant   per lane: drained <= pushed, whoever looks and whenever
//               at rest: pushed - drained items are in the lane, and every call that found no room
//               is in refused
//
//   A weaker order breaks it. Within a lane as in spsc_queue.hpp. drained relaxed: a third thread
//   meets drained = 1 while it still reads pushed = 0.
#include <perp/core/sequence.hpp>
#include <perp/core/spsc_queue.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace perp::core {

/// One lane's books, as of some recent moment.
struct FanInCounts {
  std::uint64_t pushed = 0;   ///< items published
  std::uint64_t refused = 0;  ///< calls that found no room for some or all of their items
  std::uint64_t drained = 0;  ///< items handed to the consumer and given back
};

template <class T, class Counter = std::uint64_t, template <class> class Atomic = std::atomic>
class FanIn {
  using Queue = SpscQueue<T, Counter, Atomic>;

 public:
  /// A producer's end. Used by one thread at a time; lives as long as the FanIn.
  class Lane {
   public:
    explicit Lane(std::size_t capacity) : queue_(capacity) {
      static_assert(offsetof(Lane, pushed_) - offsetof(Lane, queue_) >= cache_line_pair);
      static_assert(offsetof(Lane, drained_) - offsetof(Lane, pushed_) >= cache_line_pair);
      static_assert(sizeof(Lane) - offsetof(Lane, drained_) >= cache_line_pair);
    }

    /// False: full. @thread producer
    [[nodiscard]] bool try_push(const T& item) noexcept {
      const std::span<T> claim = try_claim(1);
      if (claim.empty()) return false;
      claim[0] = item;
      commit(1);
      return true;
    }
    /// See SpscQueue::try_push_n(). @thread producer
    [[nodiscard]] std::size_t try_push_n(std::span<const T> items) noexcept {
      std::size_t done = 0;
      while (done < items.size()) {
        const std::span<T> claim = queue_.try_claim(items.size() - done);
        if (claim.empty()) {
          count_refusal();
          break;
        }
        std::copy_n(items.data() + done, claim.size(), claim.data());
        commit(claim.size());
        done += claim.size();
      }
      return done;
    }
    /// See SpscQueue::try_claim(). @thread producer
    [[nodiscard]] std::span<T> try_claim(std::size_t n) noexcept {
      const std::span<T> claim = queue_.try_claim(n);
      if (claim.empty() && n != 0) count_refusal();
      return claim;
    }
    /// See SpscQueue::commit(). @thread producer
    void commit(std::size_t n) noexcept {
      // Counted before it is published: whoever finds it drained finds it pushed.
      pushed_.announce(pushed_.own() + n);
      queue_.commit(n);
    }

   private:
    friend FanIn;
    void count_refusal() noexcept { refused_.announce(refused_.own() + 1); }

    Queue queue_;
    // Written by the producer only; read by any. Items ever published. announce() is relaxed: the
    // queue's publish() behind it carries it to the consumer, and the consumer's publish() of
    // drained_ to whoever observes that.
    alignas(cache_line_pair) Sequence<std::uint64_t, Atomic> pushed_;
    // Written by the producer only; read by any. Relaxed: a number alone.
    Sequence<std::uint64_t, Atomic> refused_;
    // Written by the consumer only; read by any. Items ever given back. publish() in drain()
    // carries the producer's announce() of them; pairs with the observe() in counts().
    alignas(cache_line_pair) Sequence<std::uint64_t, Atomic> drained_;
  };

  /// @param capacity of each lane, items; see SpscQueue. @param turn items taken from a lane per
  /// round at most; 0 is taken for a quarter of the capacity.
  /// @throws Error for a capacity that SpscQueue refuses.
  FanIn(std::size_t lane_count, std::size_t capacity, std::size_t turn = 0)
      : turn_(turn != 0 ? turn : std::max<std::size_t>(1, capacity / 4)) {
    lanes_.reserve(lane_count);
    for (std::size_t i = 0; i < lane_count; ++i) lanes_.push_back(std::make_unique<Lane>(capacity));
  }
  FanIn(const FanIn&) = delete;
  FanIn& operator=(const FanIn&) = delete;

  /// @param index below lane_count(). @thread any
  Lane& lane(std::size_t index) noexcept {
    PERP_ASSERT(index < lanes_.size());
    return *lanes_[index];
  }
  std::size_t lane_count() const noexcept { return lanes_.size(); }

  /// One round: each lane once, beginning one further than the last round. Calls
  /// `visit(lane_index, std::span<const T>)` for each lane that has items: a run of them in place,
  /// oldest first, at most a turn and no further than the lane's wrap. They are given back when
  /// visit() returns; if it throws they stay. @returns items taken; 0: all lanes were empty.
  /// @thread consumer
  template <class Visit>
  std::size_t drain(Visit&& visit) {
    std::size_t taken = 0;
    std::size_t index = first_;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      taken += drain_lane(index, visit);
      index = index + 1 == lanes_.size() ? 0 : index + 1;
    }
    first_ = first_ + 1 >= lanes_.size() ? 0 : first_ + 1;
    return taken;
  }

  /// What the lane's producer and the consumer have counted. @thread any
  FanInCounts counts(std::size_t index) const noexcept {
    const Lane& lane = *lanes_[index];
    FanInCounts counts;
    counts.drained = lane.drained_.observe();  // first: see the invariant
    counts.pushed = lane.pushed_.guess();
    counts.refused = lane.refused_.guess();
    return counts;
  }

 private:
  template <class Visit>
  std::size_t drain_lane(std::size_t index, Visit& visit) {
    Lane& lane = *lanes_[index];
    std::span<const T> run = lane.queue_.peek();
    run = run.first(std::min(run.size(), turn_));
    if (run.empty()) return 0;
    visit(index, run);
    lane.queue_.release(run.size());
    lane.drained_.publish(lane.drained_.own() + run.size());
    return run.size();
  }

  std::vector<std::unique_ptr<Lane>> lanes_;  // constant after construction
  std::size_t turn_;
  std::size_t first_ = 0;  // the consumer's: where the next round begins
};

}  // namespace perp::core
