#pragma once
// The two atomics that everything lock-free here is made of: a position with one writer (Sequence),
// and a number that many threads change (Tally). Their operations are named after what they
// promise, and this file spells their memory orders: rings, broadcast ring, seqlock and doorbell
// are written in these words only. A Sequence costs one plain load or store on x86-64: never a
// fence, a read-modify-write or a wait. A Tally costs one locked instruction to change.
//
//   writer                                  reader
//     announce(n)  "I am about to change"     observe()  what was done before n was published
//     ...writes the data...                   ...reads the data...
//     publish(n)   "all of it is there"       recheck()  was a change announced meanwhile?
//
// The two pairings, and what a weaker order would break:
//   publish -> observe
//     Writer: slot = x; publish(1). Reader: observe() is 1, reads the slot. Relaxed on either side
//     the slot may be read before it is written: the reader takes the item of the last lap.
//   announce; data.publish -> data.observe; recheck
//     A reader that saw new data must also see its announcement. Were the data's store relaxed, it
//     could become visible before the announcement; were its load relaxed, the recheck could be
//     done before it. Torn data would pass as whole.
//
// A Tally is for a handshake of two threads that each tell first and look second:
//
//   one thread                              the other
//     a.tell()                                b.tell()
//     b.settled()                             a.settled()
//
//   tell -> settled
//     All tell()s and settled()s have one order that everybody agrees on, so of the two looks at
//     least the later one sees what the other thread told. With release and acquire only, either
//     tell() may wait in a store buffer while its thread looks: both see nothing.
//
// tests/core/interleaving_test.cpp weakens each order of each user in turn and sees it fail.
#include <atomic>
#include <cstddef>
#include <limits>
#include <type_traits>

namespace perp::core {

/// How far `to` is ahead of `from`, across a wrap of the counter. Exact while the true distance
/// fits in it.
template <class Counter>
constexpr std::size_t distance(Counter to, Counter from) noexcept {
  return static_cast<std::size_t>(static_cast<Counter>(to - from));
}

/// `at` moved forward; wraps. Positions are masked by powers of two, so that a wrap is not seen.
template <class Counter>
constexpr Counter advance(Counter at, std::size_t by) noexcept {
  return static_cast<Counter>(at + static_cast<Counter>(by));
}

/// The largest capacity a counter serves: half its range, so that "full" and "empty" differ.
template <class Counter>
inline constexpr std::size_t capacity_limit =
    static_cast<std::size_t>(Counter{1} << (std::numeric_limits<Counter>::digits - 1));

/// @throws Error naming `where` unless `capacity` is a power of two in [min, max]. Cold.
void check_capacity(const char* where, std::size_t capacity, std::size_t min, std::size_t max);

/// `Atomic` is std::atomic; the model checker of the tests puts its own in its place.
template <class Counter, template <class> class Atomic = std::atomic>
class Sequence {
  static_assert(std::is_unsigned_v<Counter>,
                "positions wrap: only unsigned types do so without trouble");

 public:
  Sequence() noexcept = default;
  explicit Sequence(Counter start) noexcept : value_(start) {}
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  /// The last value stored. Relaxed: the writer reads back its own store. @thread writer
  Counter own() const noexcept { return value_.load(std::memory_order_relaxed); }
  /// Everything done so far is visible to whoever observes `value` or a later one. @thread writer
  void publish(Counter value) noexcept { value_.store(value, std::memory_order_release); }
  /// Relaxed: ordered before the writer's next publish() of anything, which is all it has to be.
  /// @thread writer
  void announce(Counter value) noexcept { value_.store(value, std::memory_order_relaxed); }

  /// Never newer than what can be read through it. @thread any
  Counter observe() const noexcept { return value_.load(std::memory_order_acquire); }
  /// Relaxed: the observe()s of data before it (acquire) keep it behind them. @thread any
  Counter recheck() const noexcept { return value_.load(std::memory_order_relaxed); }
  /// For gauges: some recent value that proves nothing. Relaxed, since nothing is read through it.
  /// @thread any
  Counter guess() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  // Written by one thread (who, is said where the Sequence stands); read by any.
  // release store in publish() pairs with the acquire load in observe().
  Atomic<Counter> value_{Counter{0}};
};

/// A number that any thread changes. For handshakes, off the path that every item takes.
template <class Count, template <class> class Atomic = std::atomic>
class Tally {
  static_assert(std::is_unsigned_v<Count>, "it wraps");

 public:
  Tally() noexcept = default;
  Tally(const Tally&) = delete;
  Tally& operator=(const Tally&) = delete;

  /// One more. Sequentially consistent: before every settled() that does not see it. Everything
  /// done so far is visible to whoever sees it or a later one. @thread any
  void tell() noexcept { value_.fetch_add(1, std::memory_order_seq_cst); }
  /// One less. Relaxed: nothing is read through it, and whoever sees it too late only tells once
  /// too often. @thread any
  void untell() noexcept { value_.fetch_sub(1, std::memory_order_relaxed); }

  /// Sequentially consistent: sees every tell() that does not come later in the one order. @thread
  /// any
  Count settled() const noexcept { return value_.load(std::memory_order_seq_cst); }
  /// Some recent value, never newer than what can be read through it (acquire). @thread any
  Count observe() const noexcept { return value_.load(std::memory_order_acquire); }

  /// The word itself, for a futex. @thread any
  Atomic<Count>& word() noexcept { return value_; }

 private:
  // Written and read by any thread (who, is said where the Tally stands).
  // Sequentially consistent add in tell() pairs with the load in settled(), and as a release with
  // the acquire load in observe().
  Atomic<Count> value_{Count{0}};
};

}  // namespace perp::core
