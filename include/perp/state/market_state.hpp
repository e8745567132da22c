#pragma once
// What is true now: the fold of records into closed minutes, their % changes and the RSI, and
// samples of books and tickers. Owned by
// the engine's thread; reads no clock, does no I/O. A pure function of the records in their order:
// two runs, and a checkpoint with the rest, give the same bytes. Memory is bounded by the number of
// instruments (about 27 KB per primary one, and 40 KB for each book); applying a record allocates
// nothing once its instrument and its book are known and its history has been backfilled, but for a
// book that waits for a snapshot. It never reads derived records, so a
// journal that holds its own conclusions can be replayed as it lies. The rules of a minute
// (wholeness, staleness, late data, backfill) and of samples are in docs/minutes.md.
#include <perp/core/time.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/market/record_kind.hpp>
#include <perp/state/derived_sink.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace perp::state {

struct StateOptions {
  int rsi_period = 11;   ///< 2..200
  double rsi_flat = 50;  ///< RSI of a dead market: 50, 0 or 100
  std::int64_t close_grace_ns =
      2 * core::ns_per_second;  ///< a minute closes this long after its end, 0..60 s
  /// Coins on Binance of which MT is the mean and MTW the index of equal weights, at most 8; none:
  /// there are no such symbols.
  std::vector<std::string> market_token{};
  /// Each primary contract's book (depth, slippage, summary) and what is known of its market are
  /// sampled when engine time reaches whole multiples of these; whole seconds up to a day, 0:
  /// never.
  std::int64_t depth_interval_ns = 30 * core::ns_per_second;
  std::int64_t ticker_interval_ns = core::ns_per_minute;
  /// The best `sampled_levels` a side, as a book_snapshot. 0: never.
  std::int64_t levels_interval_ns = 0;
};
inline constexpr std::size_t sampled_levels = 100;

/// Counts since the beginning of the journal (they are part of a checkpoint). Index of arrays by
/// kind: SpecKind.
struct Totals {
  using ByKind = std::array<std::uint64_t, market::spec_kinds.size()>;

  std::array<std::uint64_t, market::record_type_limit> records{};  ///< inputs by RecordType
  std::uint64_t derived_skipped = 0;                               ///< derived records met as input
  ByKind minutes_closed{};        ///< rows written when their minute closed
  ByKind late_rows{};             ///< first written after their minute had closed
  ByKind revised{};               ///< rows written again with other values
  ByKind backfilled{};            ///< rows written from backfill records
  std::uint64_t half_seen = 0;    ///< gap records: something was seen of a minute that has no row
  std::uint64_t late_trades = 0;  ///< after their minute had closed
  std::uint64_t late_candles =
      0;  ///< closed candles after their minute had closed, backfill not counted
  std::uint64_t late_liquidations = 0;
  /// Trades and liquidations from before the venue's feed last ended: a recording played again.
  std::uint64_t told_before = 0;
  std::uint64_t late_samples = 0;       ///< open interest, funding, ratio, mark price
  std::uint64_t duplicate_candles = 0;  ///< late or backfilled candles that changed nothing
  std::uint64_t beyond_history = 0;     ///< late inputs too old to revise anything
  std::uint64_t backfill_ignored = 0;  ///< backfilled trades and liquidations: they build no minute
  std::uint64_t instruments = 0;       ///< primary ones ever seen
  std::uint64_t other_instruments = 0;    ///< all others defined
  std::uint64_t other_records = 0;        ///< inputs about those
  std::uint64_t unknown_instruments = 0;  ///< inputs about an instrument never defined
  std::uint64_t implausible_times = 0;    ///< inputs whose time cannot be true, see docs/minutes.md
  std::uint64_t untimed = 0;              ///< inputs without any time that need one
  std::uint64_t unusable = 0;             ///< inputs without the numbers they exist for
  std::uint64_t books_sampled = 0;
  std::uint64_t tickers_sampled = 0;
  std::uint64_t levels_sampled = 0;  ///< books
  std::uint64_t interruptions = 0;   ///< times a stream stopped being live
  std::uint64_t blind_jumps =
      0;  ///< engine time jumped so far that no stream can have been watched
};

class Fold;

class MarketState {
 public:
  /// @throws core::Error for an option out of range.
  explicit MarketState(const StateOptions& options);
  ~MarketState();
  MarketState(MarketState&&) noexcept;
  MarketState& operator=(MarketState&&) noexcept;

  /// Takes one record in journal order; conclusions are appended to `out`. The record's kind and
  /// size have been checked (market::is_well_formed).
  void apply(const market::RecordHeader& record, DerivedSink& out);

  /// Greatest receive time seen, core::unknown_ns at the beginning.
  std::int64_t engine_time_ns() const;
  const Totals& totals() const;
  /// Up to when the trades of a primary contract were watched without a break, of the last time
  /// that they were; unknown_ns: never.
  std::int64_t watched_until_ns(std::uint32_t instrument) const;
  /// End of the newest minute of a primary contract that has a row of `ohlcv`, watched or fetched;
  /// unknown_ns: none has.
  std::int64_t candles_until_ns(std::uint32_t instrument) const;

  /// Appends a versioned, checksummed image of everything that apply() depends on.
  void save(std::vector<std::byte>& image) const;
  /// Replaces the whole state by an image's. @throws core::Error if the image is damaged, of
  /// another version, or made with other options; the state is then unchanged.
  void load(std::span<const std::byte> image);

 private:
  std::unique_ptr<Fold> fold_;
};

}  // namespace perp::state
