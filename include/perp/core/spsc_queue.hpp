#pragma once
// Fixed-size items from one producer thread to one consumer thread, one at a time or in runs,
// written and read in place. Bounded: a full queue is a value that the producer sees. O(1),
// wait-free, no allocation after construction.
//
// What it costs is cache lines that change hands, so it moves few: each side keeps its own position
// and the other's last seen one in lines of its own and looks again only when that does not
// suffice; room is given back in strides; a consumer at the producer's heels keeps its distance
// (detail/pursuit.hpp) and fetches the next slot together with the position that it looks at.
//
//   slots   . . . . x x o o o o . . .     . free: the producer's     o published: the consumer's
//                   ^   ^       ^         x popped, not given back yet (less than capacity / 16)
//                   |   cursor  write     publishing moves write to the right,
//                   read                  giving back moves read up to cursor
//
//   invariant   read <= cursor <= write <= read + capacity  (counters wrap; distances do not)
//   write       publish -> observe: slots [.., write) hold their items
//   read        publish -> observe: slots [.., read) have been read for the last time
//
//   A weaker order breaks it. write_ relaxed: the consumer meets write = 1 before slot 0's item and
//   pops that of the last lap. read_ relaxed: the producer meets read = 1 while slot 0 is still
//   being copied out, and overwrites it.
#include <perp/core/detail/pursuit.hpp>
#include <perp/core/page_memory.hpp>
#include <perp/core/platform.hpp>
#include <perp/core/sequence.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <type_traits>

namespace perp::core {

template <class T, class Counter = std::uint64_t, template <class> class Atomic = std::atomic>
class SpscQueue {
  static_assert(std::is_nothrow_default_constructible_v<T> &&
                    std::is_nothrow_copy_assignable_v<T> && std::is_trivially_destructible_v<T>,
                "slots are made once, then assigned; nothing is destroyed or thrown on the way");

 public:
  /// @param capacity items; a power of two up to half the counter's range. @throws Error otherwise.
  explicit SpscQueue(std::size_t capacity)
      : memory_(checked(capacity) * sizeof(T), "SpscQueue"),
        slots_(reinterpret_cast<T*>(memory_.data())),
        mask_(capacity - 1),
        batch_(std::max<std::size_t>(1, capacity / 16)) {
    static_assert(offsetof(SpscQueue, write_) - offsetof(SpscQueue, memory_) >= cache_line_pair);
    static_assert(offsetof(SpscQueue, head_) - offsetof(SpscQueue, write_) >= cache_line_pair);
    static_assert(offsetof(SpscQueue, read_) - offsetof(SpscQueue, head_) >= cache_line_pair);
    static_assert(offsetof(SpscQueue, cursor_) - offsetof(SpscQueue, read_) >= cache_line_pair);
    static_assert(sizeof(SpscQueue) - offsetof(SpscQueue, cursor_) >= cache_line_pair);
    std::uninitialized_value_construct_n(slots_, capacity);
  }
  SpscQueue(const SpscQueue&) = delete;
  SpscQueue& operator=(const SpscQueue&) = delete;

  /// False: full. @thread producer
  [[nodiscard]] bool try_push(const T& item) noexcept {
    if (free_slots(1) == 0) return false;
    slots_[head_ & mask_] = item;
    publish(1);
    return true;
  }

  /// Takes items from the front while there is room, published together; returns how many. @thread
  /// producer
  [[nodiscard]] std::size_t try_push_n(std::span<const T> items) noexcept {
    const std::size_t count = std::min(items.size(), free_slots(items.size()));
    const std::size_t offset = head_ & mask_;
    const std::size_t first = std::min(count, capacity() - offset);
    std::copy_n(items.data(), first, slots_ + offset);
    std::copy_n(items.data() + first, count - first, slots_);
    if (count != 0) publish(count);
    return count;
  }

  /// Up to `n` free slots in one piece (fewer at the wrap or when nearly full, none when full), to
  /// be written in place and committed from the front. A later claim replaces an earlier one.
  /// @thread producer
  [[nodiscard]] std::span<T> try_claim(std::size_t n) noexcept {
    const std::size_t offset = head_ & mask_;
    const std::size_t run = std::min(n, capacity() - offset);
    return {slots_ + offset, std::min(run, free_slots(run))};
  }
  /// Publishes the first `n` slots of the last claim. @thread producer
  void commit(std::size_t n) noexcept {
    PERP_ASSERT(n <= capacity() - distance(head_, cached_read_) &&
                n <= capacity() - (head_ & mask_));
    publish(n);
  }

  /// False: empty; `item` is as it was. Slots go back to the producer when all known items are
  /// popped, and in batches of capacity / 16 before that: a full queue is handed over in strides,
  /// not slot by slot with a cache miss each.
  /// @thread consumer
  [[nodiscard]] bool try_pop(T& item) noexcept {
    if (cached_write_ == cursor_ && !look()) return false;
    item = slots_[cursor_ & mask_];
    cursor_ = advance(cursor_, 1);
    looked_ = false;
    if (cursor_ == cached_write_ || distance(cursor_, given_back_) >= batch_) give_back();
    return true;
  }

  /// A run of published items in one piece, oldest first; empty if there is none. What was left of
  /// the last run is handed out before the producer is looked at again; peeking twice without a
  /// release looks at once. Valid until released. @thread consumer
  [[nodiscard]] std::span<const T> peek() noexcept {
    if (looked_ || cached_write_ == cursor_) static_cast<void>(look());
    looked_ = true;
    const std::size_t offset = cursor_ & mask_;
    return {slots_ + offset, std::min(distance(cached_write_, cursor_), capacity() - offset)};
  }
  /// Gives back the first `n` items of the last peek. @thread consumer
  void release(std::size_t n) noexcept {
    PERP_ASSERT(n <= std::min(distance(cached_write_, cursor_), capacity() - (cursor_ & mask_)));
    looked_ = looked_ && n == 0;
    cursor_ = advance(cursor_, n);
    give_back();
  }

  /// @thread any
  std::size_t capacity() const noexcept { return mask_ + 1; }
  /// Slots not free, as of some recent moment; 0 to capacity(). @thread any
  std::size_t size_guess() const noexcept {
    // read first, observed: the write seen after it is then never behind it.
    const Counter read = read_.observe();
    return std::min(distance(write_.guess(), read), capacity());
  }

 private:
  static std::size_t checked(std::size_t capacity) {
    constexpr std::size_t memory_limit = std::numeric_limits<std::size_t>::max() / 2 / sizeof(T);
    check_capacity("SpscQueue", capacity, 1, std::min(capacity_limit<Counter>, memory_limit));
    return capacity;
  }
  std::size_t free_slots(std::size_t wanted) noexcept {
    std::size_t free = capacity() - distance(head_, cached_read_);
    if (free < wanted) {
      cached_read_ = read_.observe();
      free = capacity() - distance(head_, cached_read_);
    }
    return free;
  }
  void publish(std::size_t count) noexcept {
    head_ = advance(head_, count);
    write_.publish(head_);
    if (count * sizeof(T) < detail::batch_bytes_min) return;
    // Only what is known to be free: other slots are the consumer's, who would lose them.
    const std::size_t offset = head_ & mask_;
    const std::size_t free =
        std::min(capacity() - distance(head_, cached_read_), capacity() - offset);
    if (free * sizeof(T) >= detail::batch_bytes_min)
      detail::prefetch_next_batch(reinterpret_cast<const std::byte*>(slots_ + offset));
  }
  /// Looks at the producer's position. @returns whether there is something.
  bool look() noexcept {
    pursuit_.before_look();
    // Both lines at once: behind the position, the slot would be a second wait of the same length.
    __builtin_prefetch(slots_ + (cursor_ & mask_));
    cached_write_ = write_.observe();
    const std::size_t count = distance(cached_write_, cursor_);
    pursuit_.after_look(count, count * sizeof(T));
    return count != 0;
  }
  void give_back() noexcept {
    given_back_ = cursor_;
    read_.publish(cursor_);
    if (cursor_ == cached_write_) pursuit_.caught_up();
  }

  // Constant after construction.
  PageMemory memory_;
  T* slots_;
  std::size_t mask_;
  std::size_t batch_;

  // Written by the producer only; read by the consumer. Counts items ever published.
  // publish() in publish() hands over slots [.., value); pairs with the observe() in look().
  alignas(cache_line_pair) Sequence<Counter, Atomic> write_;

  // The producer's own. Apart from write_: a consumer that looks there takes the line away, and the
  // next push would begin with a wait for it.
  alignas(cache_line_pair) Counter head_ = 0;  // published up to here
  Counter cached_read_ = 0;                    // read_ as last observed

  // Written by the consumer only; read by the producer. Counts items ever given back.
  // publish() in give_back() hands back slots [.., value); pairs with the observe() in
  // free_slots().
  alignas(cache_line_pair) Sequence<Counter, Atomic> read_;

  // The consumer's own. Apart from read_, which a producer that waits is looking at.
  alignas(cache_line_pair) Counter cursor_ = 0;  // popped up to here
  Counter given_back_ = 0;                       // given back up to here
  Counter cached_write_ = 0;                     // write_ as last observed
  bool looked_ = false;                          // nothing was released since the last peek
  detail::Pursuit pursuit_;
};

}  // namespace perp::core
