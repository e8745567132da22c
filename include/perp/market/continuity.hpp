#pragma once
// Sequence checkers: one object per book stream, asked by the venue adapter before it emits a book
// record; the answer goes into Book::continuity. Pure: no I/O, no clock, no allocation, O(1) except
// where said.
// @thread owner (the feed thread's VenueState). Rules: docs/venues/<venue>.md, each taken from the
// venue's own text. A checker never repairs anything: after `gap` it asks for a snapshot
// (needs_snapshot()) and goes on watching. Call reset() when the stream's connection is new: no
// venue continues a chain of ids across connections.
#include <perp/market/record.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace perp::market {

/// Deltas before a snapshot that a late snapshot may still join, in the checker and in OrderBook
/// alike.
inline constexpr std::size_t pending_delta_limit = 128;
/// So many repeats in a row without progress are not repeats: the venue's ids went back for good,
/// which is a gap.
inline constexpr std::uint32_t repeat_limit = 512;

/// The id behind `id`. Ids come from outside: the one behind the greatest is the least, which is
/// unknown_id and matches nothing that a venue sends.
constexpr std::int64_t next_id(std::int64_t id) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(id) + 1);
}

/// Binance's rule for the first event used on a snapshot of `last_id`: it spans that id or directly
/// follows it.
constexpr bool joins_snapshot(std::int64_t last_id, std::int64_t first, std::int64_t last,
                              std::int64_t previous) {
  return (first <= last_id && last_id <= last) || previous == last_id;
}

/// Binance futures and its family: depth events U, u, pu around a REST snapshot that may come early
/// or late.
/// - No snapshot yet: `unchecked`, and the consumer keeps the event (OrderBook does) because a
/// snapshot that is
///   older than it may follow. A hole in that run is `gap`; the run then begins anew with the event
///   that showed it.
/// - Snapshot: `restart` if it can be joined to what was seen, `stale` if it is too old for that
/// (fetch another).
/// - After a snapshot: `stale` while u < lastUpdateId, `restart` for the first event that joins
/// (directly, or
///   through the events already given), `continuous` while pu == previous u, `gap` otherwise.
/// Source: "How to manage a local order book correctly", Binance USD-M futures WebSocket market
/// streams.
class BinanceBookSequence {
 public:
  /// @param last_id lastUpdateId. O(pending_delta_limit).
  Continuity snapshot(std::int64_t last_id) noexcept;
  /// @param first U @param last u @param previous pu
  Continuity delta(std::int64_t first, std::int64_t last, std::int64_t previous) noexcept;
  void reset() noexcept { *this = BinanceBookSequence(); }
  bool needs_snapshot() const noexcept { return state_ == State::unsynced; }
  /// u of the newest event, or lastUpdateId of a snapshot ahead of it; unknown_id before either.
  std::int64_t last_id() const noexcept { return last_; }

 private:
  enum class State : std::uint8_t {
    unsynced,  ///< no usable snapshot
    ahead,     ///< the snapshot is ahead of the events: waiting for the one that joins
    joined,    ///< the events already given reach beyond the snapshot: the next one is the restart
    live,
  };
  struct Range {
    std::int64_t first;
    std::int64_t last;
  };

  bool covers(std::int64_t last_id) const noexcept;
  void begin_run(std::int64_t first, std::int64_t last, std::int64_t previous) noexcept;
  void extend_run(std::int64_t first, std::int64_t last) noexcept;
  Continuity lose(std::int64_t first, std::int64_t last, std::int64_t previous) noexcept;
  bool is_repeat() noexcept { return ++repeats_ < repeat_limit; }

  std::int64_t last_ = unknown_id;
  std::int64_t run_previous_ = unknown_id;  ///< pu of the oldest event in run_
  std::uint32_t run_head_ = 0;              ///< index of the oldest
  std::uint32_t run_count_ = 0;
  std::uint32_t repeats_ = 0;
  State state_ = State::unsynced;
  std::array<Range, pending_delta_limit>
      run_{};  ///< the newest events, unbroken by pu; [head, head + count)
};

/// Bybit: u rises by exactly one per message of a topic; u == 1 is a service restart whose message
/// is a whole snapshot whatever its `type` says (the adapter emits it as one). A repeated u is
/// `stale`, not a gap. Source: https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook
class BybitBookSequence {
 public:
  Continuity snapshot(std::int64_t update_id) noexcept;
  Continuity delta(std::int64_t update_id) noexcept;
  void reset() noexcept { *this = BybitBookSequence(); }
  bool needs_snapshot() const noexcept { return !is_live_; }
  std::int64_t last_id() const noexcept { return last_; }

 private:
  std::int64_t last_ = unknown_id;
  bool is_live_ = false;
  bool is_gap_told_ =
      false;  ///< the first delta without a snapshot is a gap, those behind it are stale
};

/// OKX `books`: an update is valid iff its prevSeqId is the last seqId; ids are not consecutive.
/// Equal ids are a keep-alive, seqId < prevSeqId with a matching prevSeqId is a reset in
/// maintenance: both are accepted. Recordings older than seqId pass unknown_id and get `unchecked`
/// (their checksum speaks for them). Source:
/// https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel
class OkxBookSequence {
 public:
  /// @param sequence seqId @param previous prevSeqId, -1 in a snapshot (not looked at)
  Continuity snapshot(std::int64_t sequence, std::int64_t previous = -1) noexcept;
  Continuity delta(std::int64_t sequence, std::int64_t previous) noexcept;
  /// A checksum mismatch, found by the adapter, invalidates the book like a gap does.
  void invalidate() noexcept;
  void reset() noexcept { *this = OkxBookSequence(); }
  bool needs_snapshot() const noexcept { return !is_live_; }
  std::int64_t last_id() const noexcept { return last_; }

 private:
  std::int64_t last_ = unknown_id;
  bool is_live_ = false;
  bool is_gap_told_ = false;
};

/// Streams of whole books without ids (Hyperliquid l2Book, OKX books5, Binance depth20): each
/// replaces the one before. One whose time lies before its predecessor's is `stale`. An unknown
/// time is taken as it comes.
class SnapshotBookSequence {
 public:
  Continuity snapshot(std::int64_t exchange_ns) noexcept;
  void reset() noexcept { *this = SnapshotBookSequence(); }

 private:
  std::int64_t last_ns_ = core::unknown_ns;
  std::uint32_t repeats_ = 0;
};

}  // namespace perp::market
