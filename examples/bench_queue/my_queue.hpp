#pragma once
// Your queue in perp's benchmarks, as `user` beside ours and the peers:
//   cmake --preset release -DPERP_BENCH_QUEUE=$PWD/examples/bench_queue/my_queue.hpp
//   scripts/bench core
// push and pop are what the single-item and the round-trip contests call, push_n and pop_n the
// batch contests, one producer and one consumer each; leave out what you do not have. A queue that
// serves several producers says `static constexpr bool has_many_producers = true;` and joins the
// fan-in.
#include <atomic>
#include <cstddef>
#include <vector>

template <class T>
class UserQueue {
 public:
  explicit UserQueue(std::size_t capacity) : slots_(capacity + 1) {}
  bool push(const T& item) { return push_n(&item, 1) == 1; }
  bool pop(T& item) { return pop_n(&item, 1) == 1; }
  std::size_t push_n(const T* items, std::size_t n) {  // returns how many there was room for
    std::size_t done = 0;
    std::size_t at = write_.load(std::memory_order_relaxed);
    for (; done < n && next(at) != read_.load(std::memory_order_acquire); at = next(at))
      slots_[at] = items[done++];
    write_.store(at, std::memory_order_release);
    return done;
  }
  std::size_t pop_n(T* items, std::size_t n) {  // returns how many there were
    std::size_t done = 0;
    std::size_t at = read_.load(std::memory_order_relaxed);
    for (; done < n && at != write_.load(std::memory_order_acquire); at = next(at))
      items[done++] = slots_[at];
    read_.store(at, std::memory_order_release);
    return done;
  }

 private:
  std::size_t next(std::size_t at) const { return at + 1 == slots_.size() ? 0 : at + 1; }
  std::vector<T> slots_;
  alignas(64) std::atomic<std::size_t> write_{0};
  alignas(64) std::atomic<std::size_t> read_{0};
};
