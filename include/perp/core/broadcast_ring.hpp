#pragma once
// Variable-length records from one producer thread to many reader threads. A gating reader (the
// journal) holds the producer back. Any other is never waited for: if it was overtaken it is told
// exactly how many records it lost, and goes on from the younger part of the ring. Readers copy
// out; a copy is handed on only if nothing was overwritten meanwhile. Records begin as in
// record_ring.hpp and may wrap around the end: since readers copy anyway, no padding is needed.
// Publishing is O(bytes) for any number of lossy readers, plus a look at each gating reader when
// the ring seems full. No allocation after construction, no lock, no wait.
//
//   words   # a a a # b b # c c c c # . .     # the number of the record behind it; the last one is
//           ^       ^               ^     ^     that of the record to come
//           |       cursor          |     intent: up to here is, or was last, being overwritten
//           landmark                published
//
//   publish     announce intent; publish each word; publish published
//   read        observe published; observe each word up to there; recheck intent
//   invariant   landmark <= published < intent <= landmark + 3/4 capacity + 8
//               gating cursor >= intent - capacity  (counters wrap; distances do not)
//               words [intent - capacity, published] are whole: so is what a reader copied whose
//               cursor is there when it rechecks
//
//   A weaker order breaks it. Words stored or loaded relaxed: a reader sees a word of the next lap
//   and afterwards an intent that does not cover it, a torn record taken for whole. A gating cursor
//   published relaxed: the producer sees it before the reader's last loads are done, and overwrites
//   what is being copied. landmark_ relaxed: the number found there is not that record's, and the
//   count of losses is wrong.
#include <perp/core/detail/pursuit.hpp>
#include <perp/core/page_memory.hpp>
#include <perp/core/platform.hpp>
#include <perp/core/record_ring.hpp>
#include <perp/core/sequence.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

namespace perp::core {

enum class BroadcastStatus : std::uint8_t {
  records,       ///< `records` holds one or more whole records
  empty,         ///< nothing new
  lost,          ///< overtaken: `lost_count` records are gone; read again to go on after them
  small_buffer,  ///< the next record does not fit: `needed_bytes` would do
};

struct BroadcastRead {
  BroadcastStatus status = BroadcastStatus::empty;
  std::span<const std::byte> records;  ///< the front of the caller's buffer
  std::uint64_t record_count = 0;      ///< in `records`
  std::uint64_t lost_count = 0;
  std::size_t needed_bytes = 0;
};

template <class Counter = std::uint64_t, template <class> class Atomic = std::atomic>
class BasicBroadcastRing {
  using Word = Sequence<std::uint64_t, Atomic>;
  struct Gate;

 public:
  static constexpr std::size_t capacity_min = 128;
  static constexpr std::size_t gating_max = 8;

  /// One reader's place. Used by one thread at a time; must not outlive the ring. Movable, so that
  /// it can be made by one thread and given to another. Destroying a gating reader sets the
  /// producer free of it.
  class Reader {
   public:
    Reader(Reader&& other) noexcept { swap(other); }
    Reader& operator=(Reader&& other) noexcept {
      swap(other);
      return *this;
    }
    ~Reader() {
      if (gate_ != nullptr) gate_->open.publish(0);
    }

    /// Copies as many whole records as are there and fit into `buffer`. Wait-free, but for the
    /// search of a new place after a loss, which repeats only while the producer writes half a ring
    /// during one try. @thread reader
    [[nodiscard]] BroadcastRead read(std::span<std::byte> buffer) noexcept;

    /// All that this reader was ever told of. @thread reader
    std::uint64_t lost_count() const noexcept { return lost_count_; }
    /// The number of the next record, counted from the ring's first, which is 0. @thread reader
    std::uint64_t next_record() const noexcept { return next_record_; }
    /// Bytes published and not yet read, 8 per record included; more than the capacity: overtaken.
    /// @thread reader
    std::size_t lag_bytes() const noexcept {
      return distance(ring_->published_.observe(), cursor_);
    }

   private:
    friend BasicBroadcastRing;
    Reader(BasicBroadcastRing* ring, Gate* gate) noexcept : ring_(ring), gate_(gate) {}
    void swap(Reader& other) noexcept {
      std::swap(ring_, other.ring_);
      std::swap(gate_, other.gate_);
      std::swap(cursor_, other.cursor_);
      std::swap(end_, other.end_);
      std::swap(next_record_, other.next_record_);
      std::swap(lost_count_, other.lost_count_);
      std::swap(pursuit_, other.pursuit_);
    }
    BroadcastRead go_on_after_loss() noexcept;

    BasicBroadcastRing* ring_ = nullptr;
    Gate* gate_ = nullptr;  // null: not gating
    Counter cursor_ = 0;    // of the word with next_record_'s number
    Counter end_ = 0;       // published_ as last observed
    std::uint64_t next_record_ = 0;
    std::uint64_t lost_count_ = 0;
    detail::Pursuit pursuit_;
  };

  /// @param capacity_bytes a power of two, at least capacity_min and at most half the counter's
  /// range.
  /// @throws Error otherwise, or when the memory cannot be had.
  explicit BasicBroadcastRing(std::size_t capacity_bytes);
  BasicBroadcastRing(const BasicBroadcastRing&) = delete;
  BasicBroadcastRing& operator=(const BasicBroadcastRing&) = delete;

  /// Publishes whole records from the front of `records` and returns their bytes: fewer than given
  /// when a gating reader is in the way, or when the next record exceeds max_record(). Padding
  /// records are skipped, so that the run of a record ring can be given as it is. @thread producer
  [[nodiscard]] std::size_t try_publish(std::span<const std::byte> records) noexcept;

  /// A reader that the producer waits for, from the first record. Cold; before the first record is
  /// published.
  /// @throws Error when something was published already, or for more than gating_max. @thread owner
  [[nodiscard]] Reader add_gating_reader();
  /// A reader that may lose, from the next record to be published. Costs a few loads. @thread any
  [[nodiscard]] Reader add_reader() noexcept;

  /// @thread any
  std::size_t capacity() const noexcept { return mask_ + 1; }
  /// The largest record: a quarter of the capacity less its number and the next one's. @thread any
  std::size_t max_record() const noexcept { return capacity() / 4 - 2 * sizeof(std::uint64_t); }

 private:
  struct Chunk {
    std::size_t source_bytes = 0;  // of the caller's records, padding included
    std::size_t frame_bytes = 0;   // in the ring: numbers and records
  };
  // One gating reader.
  struct Gate {
    // Written by its reader; read by the producer. The reader's cursor.
    // publish() in read() hands back what is before it; pairs with the observe() in has_room().
    alignas(cache_line_pair) Sequence<Counter, Atomic> cursor;
    // Written by the owner (1, before the producer starts), then by the reader's destructor (0);
    // read by the producer. publish() carries the reader's last loads; pairs with the observe() in
    // has_room().
    Sequence<std::uint32_t, Atomic> open;
  };

  static std::size_t checked_words(std::size_t capacity_bytes);
  Word& word(Counter at) const noexcept { return words_[(at & mask_) / sizeof(std::uint64_t)]; }
  /// False: what begins at `at` may have been overwritten. To be asked after the words in question
  /// were observed.
  bool is_intact(Counter at) const noexcept {
    return distance(intent_.recheck(), at) <= capacity();
  }
  Chunk measure(std::span<const std::byte> records) const noexcept;
  bool has_room(Counter intent) noexcept;
  void write_chunk(std::span<const std::byte> records, Counter end) noexcept;
  void copy_in(Counter at, const std::byte* source, std::size_t size_bytes) noexcept;
  void copy_out(Counter at, std::byte* target, std::size_t size_bytes) const noexcept;

  // Constant once the producer runs.
  PageMemory memory_;
  Word* words_;
  std::size_t mask_;
  std::size_t gate_count_ = 0;

  // Written by the producer only; read by any reader. Bytes ever published, 8 per record included.
  // publish() hands over the words before it and the number at it; pairs with the observe() in
  // read(), add_reader().
  alignas(cache_line_pair) Sequence<Counter, Atomic> published_;
  // Written by the producer only; read by any reader. The end of what is, or was last, being
  // overwritten. announce() is relaxed: each word's publish() behind it carries it; pairs with the
  // observe() of that word, after which recheck() cannot miss it.
  Sequence<Counter, Atomic> intent_;
  // Written by the producer only; read by overtaken readers. A record's start in the younger half
  // of the ring. publish() carries the number of that record; pairs with the observe() in
  // go_on_after_loss().
  Sequence<Counter, Atomic> landmark_;

  // The producer's own. Apart from what readers look at: they take that line away, and the next
  // record would begin with a wait for it.
  alignas(cache_line_pair) std::uint64_t next_record_ = 0;
  Counter head_ = 0;           // published up to here
  Counter last_landmark_ = 0;  // as landmark_
  Counter cached_gate_ = 0;    // the hindmost gating cursor as last observed
  bool is_gated_ = false;      // some gating reader was open when last looked at

  // See Gate.
  std::array<Gate, gating_max> gates_;
};

using BroadcastRing = BasicBroadcastRing<>;

}  // namespace perp::core

#include <perp/core/detail/broadcast_ring.hpp>
