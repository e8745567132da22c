#pragma once
// Variable-length records from one producer thread to one consumer thread, written and read in
// place. A record begins with its uint32 size (a multiple of 8) and its uint16 type; more this
// layer does not know. Bounded: no room is a value that the producer sees. O(1), wait-free, one
// release store per commit however many records it carries, no allocation after construction. A
// record is never split: what does not fit before the memory's end begins at its start, and one
// padding record (type 0, size = its whole length) fills the rest. Moves as few cache lines as
// spsc_queue.hpp, by the same means.
//
//   bytes   | C C . . . A A A B B P P |   . free: the producer's   A B C records   P padding
//                ^     ^                  peek() here gives A B P; after their release, C
//                write read
//
//   invariant   read <= write <= read + capacity, multiples of 8  (counters wrap; distances do not)
//   write       publish -> observe: bytes [.., write) are whole records and padding
//   read        publish -> observe: bytes [.., read) have been read for the last time
//
//   A weaker order breaks it. write_ relaxed: the consumer meets the new end before the bytes,
//   takes a size of the last lap and walks into the middle of a record. read_ relaxed: the producer
//   writes C over an A that is still being read.
//   Padding is published by the same store as the records behind it: never one without the other.
#include <perp/core/detail/pursuit.hpp>
#include <perp/core/page_memory.hpp>
#include <perp/core/platform.hpp>
#include <perp/core/sequence.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace perp::core {

/// The first eight bytes of every record, here and in a broadcast ring.
struct RecordPrefix {
  std::uint32_t size = 0;  ///< whole record in bytes, a multiple of 8
  std::uint16_t type = 0;  ///< 0 is padding
  std::uint16_t more = 0;  ///< the record's own
};
static_assert(sizeof(RecordPrefix) == 8);

/// The prefix of the record at `at`, which need not be aligned.
inline RecordPrefix prefix_of(const std::byte* at) noexcept {
  RecordPrefix prefix;
  std::memcpy(&prefix, at, sizeof prefix);
  return prefix;
}

/// True if `bytes` is a sequence of whole records with nothing over. O(records); for assertions and
/// tests.
inline bool is_whole_records(std::span<const std::byte> bytes) noexcept {
  while (!bytes.empty()) {
    if (bytes.size() < sizeof(RecordPrefix)) return false;
    const std::size_t size = prefix_of(bytes.data()).size;
    if (size == 0 || size % 8 != 0 || size > bytes.size()) return false;
    bytes = bytes.subspan(size);
  }
  return true;
}

template <class Counter = std::uint64_t, template <class> class Atomic = std::atomic>
class BasicRecordRing {
 public:
  static constexpr std::size_t capacity_min = 4096;

  /// @param capacity_bytes a power of two, at least capacity_min and at most half the counter's
  /// range.
  /// @throws Error otherwise, or when the memory cannot be had.
  explicit BasicRecordRing(std::size_t capacity_bytes)
      : memory_(checked(capacity_bytes), "RecordRing"), mask_(capacity_bytes - 1) {
    using Self = BasicRecordRing;
    static_assert(offsetof(Self, write_) - offsetof(Self, memory_) >= cache_line_pair);
    static_assert(offsetof(Self, head_) - offsetof(Self, write_) >= cache_line_pair);
    static_assert(offsetof(Self, read_) - offsetof(Self, head_) >= cache_line_pair);
    static_assert(offsetof(Self, cursor_) - offsetof(Self, read_) >= cache_line_pair);
    static_assert(sizeof(Self) - offsetof(Self, cursor_) >= cache_line_pair);
  }
  BasicRecordRing(const BasicRecordRing&) = delete;
  BasicRecordRing& operator=(const BasicRecordRing&) = delete;

  /// Space of `max_bytes` rounded up to 8, in one piece and 8-byte aligned; empty if there is no
  /// room now, if max_bytes is 0, and always if it exceeds max_claim(). A later claim replaces an
  /// earlier one. @thread producer
  [[nodiscard]] std::span<std::byte> try_claim(std::size_t max_bytes) noexcept {
    claim_bytes_ = 0;
    if (max_bytes == 0 || max_bytes > max_claim()) return {};
    const std::size_t need = (max_bytes + 7) & ~std::size_t{7};
    const std::size_t offset = head_ & mask_;
    const std::size_t to_end = capacity() - offset;
    const std::size_t padding = to_end < need ? to_end : 0;
    if (free_bytes() < padding + need) {
      cached_read_ = read_.observe();
      if (free_bytes() < padding + need) return {};
    }
    claim_bytes_ = need;
    claim_padding_ = padding;
    return {memory_.data() + (padding == 0 ? offset : 0), need};
  }

  /// Publishes the first `bytes` of the last claim, whole records, with one release store. 0 gives
  /// the claim up: nothing is published, no padding either. @thread producer
  void commit(std::size_t bytes) noexcept {
    PERP_ASSERT(bytes <= claim_bytes_);
    claim_bytes_ = 0;
    if (bytes == 0) return;
    std::byte* const tail = memory_.data() + (head_ & mask_);
    if (claim_padding_ != 0) {
      const RecordPrefix padding{static_cast<std::uint32_t>(claim_padding_), 0, 0};
      std::memcpy(tail, &padding, sizeof padding);
    }
    PERP_ASSERT(is_whole_records({claim_padding_ != 0 ? memory_.data() : tail, bytes}));
    head_ = advance(head_, claim_padding_ + bytes);
    write_.publish(head_);
    if (bytes < detail::batch_bytes_min) return;
    // Only what is known to be free: other bytes are the consumer's, who would lose them.
    const std::size_t offset = head_ & mask_;
    if (std::min(free_bytes(), capacity() - offset) >= detail::batch_bytes_min)
      detail::prefetch_next_batch(memory_.data() + offset);
  }

  /// Published records in one piece, oldest first, at the wrap ending with one padding record;
  /// empty if there is none. What was left of the last run is handed out before the producer is
  /// looked at again; peeking twice without a release looks at once. Valid until released. @thread
  /// consumer
  [[nodiscard]] std::span<const std::byte> peek() noexcept {
    if (looked_ || cached_write_ == cursor_) look();
    looked_ = true;
    const std::size_t offset = cursor_ & mask_;
    return {memory_.data() + offset,
            std::min(distance(cached_write_, cursor_), capacity() - offset)};
  }

  /// Gives back the front of the last peek: whole records, padding included. Many at once cost what
  /// one costs.
  /// @thread consumer
  void release(std::size_t bytes) noexcept {
    const std::size_t offset = cursor_ & mask_;
    PERP_ASSERT(bytes <= std::min(distance(cached_write_, cursor_), capacity() - offset));
    PERP_ASSERT(is_whole_records({memory_.data() + offset, bytes}));
    looked_ = looked_ && bytes == 0;
    cursor_ = advance(cursor_, bytes);
    read_.publish(cursor_);
    if (cursor_ == cached_write_) pursuit_.caught_up();
  }

  /// @thread any
  std::size_t capacity() const noexcept { return mask_ + 1; }
  /// The largest claim. Half the capacity, so that it fits in an empty ring wherever that stands.
  /// @thread any
  std::size_t max_claim() const noexcept { return capacity() / 2; }
  /// Bytes now in the ring, padding included, as of some recent moment; 0 to capacity(). @thread
  /// any
  std::size_t size_guess() const noexcept {
    // read first, observed: the write seen after it is then never behind it.
    const Counter read = read_.observe();
    return std::min(distance(write_.guess(), read), capacity());
  }

 private:
  static std::size_t checked(std::size_t capacity_bytes) {
    // A padding record's size is a uint32.
    constexpr std::size_t prefix_limit = std::size_t{1} << 31;
    check_capacity("RecordRing", capacity_bytes, capacity_min,
                   std::min(capacity_limit<Counter>, prefix_limit));
    return capacity_bytes;
  }
  std::size_t free_bytes() const noexcept { return capacity() - distance(head_, cached_read_); }
  void look() noexcept {
    pursuit_.before_look();
    // Both lines at once: behind the position, the record would be a second wait of the same
    // length.
    __builtin_prefetch(memory_.data() + (cursor_ & mask_));
    cached_write_ = write_.observe();
    pursuit_.after_look(distance(cached_write_, cursor_));
  }

  // Constant after construction.
  PageMemory memory_;
  std::size_t mask_;

  // Written by the producer only; read by the consumer. Counts bytes ever published, padding
  // included. publish() in commit() hands over bytes [.., value); pairs with the observe() in
  // look().
  alignas(cache_line_pair) Sequence<Counter, Atomic> write_;

  // The producer's own. Apart from write_: a consumer that looks there takes the line away, and the
  // next claim would begin with a wait for it.
  alignas(cache_line_pair) Counter head_ = 0;  // published up to here
  Counter cached_read_ = 0;                    // read_ as last observed
  std::size_t claim_bytes_ = 0;                // the claim that commit() may publish
  std::size_t claim_padding_ = 0;              // padding between head_ and that claim

  // Written by the consumer only; read by the producer. Counts bytes ever given back.
  // publish() in release() hands back bytes [.., value); pairs with the observe() in try_claim():
  // the producer writes there only after the consumer's last load from there.
  alignas(cache_line_pair) Sequence<Counter, Atomic> read_;

  // The consumer's own. Apart from read_, which a producer that waits is looking at.
  alignas(cache_line_pair) Counter cursor_ = 0;  // given back up to here
  Counter cached_write_ = 0;                     // write_ as last observed
  bool looked_ = false;                          // nothing was released since the last peek
  detail::Pursuit pursuit_;
};

using RecordRing = BasicRecordRing<>;

}  // namespace perp::core
