#pragma once
// A bounded order book of one (instrument, depth), folded from Book records. Used by the engine
// (one owner, one thread) and by anyone who replays records. A change near the touch costs a short
// scan and a move of a few levels; it allocates only while it waits for a snapshot (bounded by
// pending_delta_limit) and when constructed. It never shows a book that is not live: after a gap, a
// checksum mismatch or a crossed result there are no levels until the next snapshot. It reads no
// clock and never throws, except std::bad_alloc while waiting.
//
//   empty ──snapshot──► live ──gap │ checksum │ crossed──► stale ──snapshot──► live
//
// Events that come while there is no snapshot are kept if they carry Binance's id ranges, because a
// REST snapshot may be older than events already received: they are applied on top of it when it
// comes.
#include <perp/market/continuity.hpp>
#include <perp/market/record.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace perp::market {

enum class BookState : std::uint8_t { empty, live, stale };
enum class StaleReason : std::uint8_t { none, gap, checksum, crossed };
/// What a book did with a record.
enum class BookOutcome : std::uint8_t {
  applied,
  ignored,  ///< a repeat, older than the book, or a delta without a book to apply it to
  pended,   ///< kept for the snapshot that is awaited
  staled,   ///< it showed that the book is wrong: see stale_reason()
};

/// One side as a flat array sorted best first, with free room at both ends: an insertion or a
/// deletion moves the shorter part. Prices compare exactly, because the same text gives the same
/// double.
class BookSide {
 public:
  BookSide(bool is_bid, std::size_t level_limit);

  void clear() noexcept;
  /// Sets an absolute quantity; 0 deletes, and deleting an unknown level is normal. A level beyond
  /// the limit is dropped. @returns false (nothing changed) unless price is finite and quantity
  /// finite and not negative.
  bool set(double price, double quantity) noexcept;

  /// Best first; valid until the next change.
  std::span<const Level> levels() const noexcept { return {slots_.data() + begin_, count_}; }
  /// Up to this price the side is complete; beyond it only touched levels are known. -inf/+inf: no
  /// such bound.
  double horizon() const noexcept { return horizon_; }
  /// A snapshot that ends here because its sender cut it.
  void set_horizon_at_worst() noexcept;
  /// The side that another of the same limit was: its levels (best first), horizon and losses.
  void restore(std::span<const Level> levels, double horizon,
               std::uint64_t levels_dropped) noexcept;
  std::uint64_t levels_dropped() const noexcept { return levels_dropped_; }

 private:
  bool is_better(double a, double b) const noexcept { return is_bid_ ? a > b : a < b; }
  template <bool is_bid>
  std::size_t find_in(double price) const noexcept;
  std::size_t find(double price) const noexcept;
  void insert(std::size_t index, Level level) noexcept;
  void erase(std::size_t index) noexcept;
  void center() noexcept;

  std::vector<Level> slots_;
  std::size_t begin_ = 0;
  std::size_t count_ = 0;
  std::size_t level_limit_;
  double horizon_ = 0;
  std::uint64_t levels_dropped_ = 0;
  bool is_bid_;
};

class OrderBook {
 public:
  /// Totals since construction.
  struct Counts {
    std::uint64_t applied = 0;
    std::uint64_t ignored = 0;
    std::uint64_t pended = 0;
    std::uint64_t pending_dropped =
        0;  ///< pending deltas that fell out of the bound or behind a hole
    std::uint64_t gaps = 0;
    std::uint64_t checksum_mismatches = 0;
    std::uint64_t crossed = 0;
    std::uint64_t levels_refused = 0;  ///< not finite or negative
  };

  /// @param level_limit levels kept a side, at least 1.
  explicit OrderBook(std::size_t level_limit = 1000);

  /// A book_snapshot or book_delta record that is_well_formed(); any other kind is ignored.
  BookOutcome apply(const RecordHeader& record);
  BookOutcome apply_snapshot(const Book& book);
  BookOutcome apply_delta(const Book& book);
  /// The stream broke (feed_status, gap record): no levels until the next snapshot.
  void invalidate(StaleReason reason);

  BookState state() const noexcept { return state_; }
  bool is_live() const noexcept { return state_ == BookState::live; }
  StaleReason stale_reason() const noexcept { return reason_; }
  /// Best first; empty unless live. Valid until the next apply.
  std::span<const Level> bids() const noexcept { return visible(bids_); }
  std::span<const Level> asks() const noexcept { return visible(asks_); }
  /// nullptr unless live and the side has a level.
  const Level* best_bid() const noexcept { return first(bids()); }
  const Level* best_ask() const noexcept { return first(asks()); }
  const BookSide& bid_side() const noexcept { return bids_; }
  const BookSide& ask_side() const noexcept { return asks_; }
  /// Id of the last record applied; unknown_id if the venue has none.
  std::int64_t last_id() const noexcept { return last_id_; }
  /// Of the last record applied through apply(record).
  std::int64_t exchange_ns() const noexcept { return exchange_ns_; }
  std::int64_t receive_ns() const noexcept { return receive_ns_; }
  std::size_t pending_count() const noexcept { return pending_count_; }
  const Counts& counts() const noexcept { return counts_; }

  /// Appends everything that apply() depends on, as plain bytes of this machine.
  void save(std::vector<std::byte>& image) const;
  /// Takes a book of the same level limit off the front of `image`, which save() wrote. @returns
  /// false if it holds none; this book is then of no use.
  [[nodiscard]] bool load(std::span<const std::byte>& image);

 private:
  struct PendingDelta {
    std::int64_t first_id = unknown_id;
    std::int64_t last_id = unknown_id;
    std::int64_t previous_id = unknown_id;
    std::size_t bid_count = 0;
    std::vector<Level> levels;  ///< bids, then asks
  };

  std::span<const Level> visible(const BookSide& side) const noexcept {
    return is_live() ? side.levels() : std::span<const Level>();
  }
  static const Level* first(std::span<const Level> levels) noexcept {
    return levels.empty() ? nullptr : &levels.front();
  }
  void set_levels(std::span<const Level> bids, std::span<const Level> asks) noexcept;
  bool is_crossed() const noexcept;
  BookOutcome lose(StaleReason reason);
  BookOutcome lose_at(const Book& book, StaleReason reason);
  bool pend(const Book& book);
  void forget_pending();
  PendingDelta& pending(std::size_t index) noexcept {
    return pending_[(pending_head_ + index) % pending_.size()];
  }
  const PendingDelta& pending(std::size_t index) const noexcept {
    return pending_[(pending_head_ + index) % pending_.size()];
  }
  bool replay_pending();

  BookSide bids_;
  BookSide asks_;
  BookState state_ = BookState::empty;
  StaleReason reason_ = StaleReason::none;
  bool is_join_due_ = false;  ///< the last record applied was a snapshot
  bool is_ranged_ = false;    ///< the stream's deltas carry id ranges (Binance)
  std::int64_t last_id_ = unknown_id;
  std::int64_t exchange_ns_ = core::unknown_ns;
  std::int64_t receive_ns_ = core::unknown_ns;
  std::vector<PendingDelta>
      pending_;  ///< a ring, sized at the first pending delta, freed by the snapshot
  std::size_t pending_head_ = 0;
  std::size_t pending_count_ = 0;
  Counts counts_;
};

}  // namespace perp::market
