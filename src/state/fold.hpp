#pragma once
// The fold behind MarketState: time, instruments, the inputs of open minutes, their close, and what
// late data changes. One thread. fold.cpp: time and closing; fold_streams.cpp: instruments and
// liveness; fold_inputs.cpp: inputs by kind; fold_revision.cpp: late and backfilled data;
// fold_samples.cpp: samples of books and tickers; fold_token.cpp: the market token; image.cpp:
// checkpoints.
#include "state/engine_clock.hpp"
#include "state/market_token.hpp"
#include "state/minute_rows.hpp"
#include "state/series.hpp"

#include <perp/state/market_state.hpp>

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

namespace perp::state {

/// A five-minute sample is written as so many minutes, from its time forward.
inline constexpr std::int64_t step_minutes = 5;

class Fold {
 public:
  explicit Fold(const StateOptions& options);

  void apply(const market::RecordHeader& record, DerivedSink& out);

  std::int64_t engine_time_ns() const { return clock_.now_ns(); }
  std::int64_t watched_until_ns(std::uint32_t instrument) const;
  std::int64_t candles_until_ns(std::uint32_t instrument) const;
  const Totals& totals() const { return totals_; }
  const StateOptions& options() const { return options_; }

  void save(std::vector<std::byte>& image) const;
  void load(std::span<const std::byte> image);

 private:
  using KindMask = std::uint32_t;
  static constexpr KindMask bit(SpecKind kind) {
    return KindMask{1} << static_cast<unsigned>(kind);
  }

  enum class Known : std::uint8_t { no = 0, other = 1, primary = 2 };

  /// A stream that one message proves live for every instrument of its venue.
  struct VenueStream {
    static constexpr std::int64_t any_connection = -1;
    std::int64_t since_ns = core::unknown_ns;
    std::int64_t connection = any_connection;  ///< that carries it, where exactly one is known to
  };

  struct VenueFold {
    KindMask kinds = 0;  ///< perpspecs of this venue
    VenueStream trade;
    VenueStream liquidation;
    std::vector<Known> known;  ///< by instrument index
    std::vector<std::unique_ptr<Series>> series;
  };

  /// Moments at whole multiples of an interval; none at all for an interval of 0.
  struct Cadence {
    std::int64_t interval_ns = 0;
    std::int64_t next_ns = std::numeric_limits<std::int64_t>::max();

    /// The next moment is the first behind `ns`.
    void start_behind(std::int64_t ns) {
      if (interval_ns != 0) next_ns = core::floor_to(ns, interval_ns) + interval_ns;
    }
  };

  // Time.
  void advance(std::int64_t ns, DerivedSink& out);
  void take(const market::RecordHeader& record, DerivedSink& out);
  void settle_held(std::int64_t ns, DerivedSink& out);
  void close_minute(std::int64_t minute, DerivedSink& out);
  void close_series(Series& series, std::int64_t minute, DerivedSink& out);
  void write_gap(const Series& series, const Slot& slot, KindMask written, DerivedSink& out);
  std::int64_t closed() const { return closed_; }
  /// The record's own time, else when it was received, else engine time.
  std::int64_t event_ns(const market::RecordHeader& record) const;
  /// The minute of `ns`; no_minute (counted) if that cannot be true.
  std::int64_t plausible_minute(std::int64_t ns);

  // Instruments and liveness.
  Series* find_series(const market::RecordHeader& record);
  Series* series_of(std::uint32_t instrument) const;
  /// nullptr, uncounted, for what gets no rows.
  Series* find_active(const market::RecordHeader& record);
  void define(const market::RecordHeader& record);
  void feed_status(const market::RecordHeader& record);
  void gap(const market::RecordHeader& record);
  void go_live(VenueFold& venue, market::RecordType stream, std::int64_t ns,
               std::int64_t connection);
  void interrupt(VenueFold& venue, market::RecordType stream, std::int64_t ns);
  void interrupt_all(std::int64_t ns);
  void doubt_books(VenueFold& venue, const market::RecordHeader& record);

  // Inputs.
  void trade(Series& series, const market::RecordHeader& record, DerivedSink& out);
  void kline(Series& series, const market::RecordHeader& record, DerivedSink& out);
  void minute_candle(Series& series, const market::RecordHeader& record, DerivedSink& out);
  void hour_candle(Series& series, const market::Kline& kline, DerivedSink& out);
  void liquidation(Series& series, const market::RecordHeader& record, DerivedSink& out);
  void open_interest(Series& series, const market::RecordHeader& record, DerivedSink& out);
  void long_short_ratio(Series& series, const market::RecordHeader& record, DerivedSink& out);
  void mark_price(Series& series, const market::RecordHeader& record);
  void funding(Series& series, const market::RecordHeader& record);
  template <class Value>
  void offer(Series& series, Value Samples::*field, const Value& sample, bool is_history);

  // Samples.
  void quote(Series& series, const market::RecordHeader& record);
  void start_cadences(std::int64_t ns);
  void sample_until(std::int64_t ns, std::int64_t heard_ns, DerivedSink& out);
  template <class Sampler>
  void for_each_active(Sampler sampler);
  void sample_book(const Series& series, std::int64_t ns, DerivedSink& out);
  void sample_levels(const Series& series, std::int64_t ns, DerivedSink& out);
  void sample_ticker(const Series& series, std::int64_t ns, DerivedSink& out);
  bool keeps_books() const { return depth_.interval_ns != 0 || levels_.interval_ns != 0; }
  /// When we heard it: what a sample's freshness is measured by. Never ahead of engine time.
  std::int64_t heard_ns(const market::RecordHeader& record) const;

  // Late and backfilled data.
  bool is_revisable(const Series& series, std::int64_t minute) const;
  void revise_trades(Series& series, std::int64_t minute, const market::Trade& trade,
                     std::int64_t ns, DerivedSink& out);
  void revise_candle(Series& series, std::int64_t minute, const Candle& candle, bool is_backfill,
                     DerivedSink& out);
  void backfill_old_candle(Series& series, std::int64_t minute, const Candle& candle,
                           DerivedSink& out);
  void backfill_steps(Series& series, SpecKind kind, std::int64_t sample_ns, Row row,
                      DerivedSink& out);
  bool write_old_row(Series& series, SpecKind kind, std::int64_t minute, const Row& row,
                     DerivedSink& out);
  void revise_rsi(Series& series, DerivedSink& out);
  void begin_revision(const Series& series) { before_ = series.data.rows; }
  std::int64_t carry_close(Series& series, std::int64_t minute);
  std::size_t finish_revision(Series& series, std::int64_t minute, KindMask kinds, bool is_backfill,
                              DerivedSink& out);

  // The market token.
  bool members_of(std::int64_t minute, MarketToken::Values& values) const;
  void close_token(std::int64_t minute, DerivedSink& out);
  void revise_token(std::int64_t minute, bool is_backfill, DerivedSink& out);
  void backfill_token(const Series& member, std::int64_t minute, const Candle& candle,
                      DerivedSink& out);
  void write_token_history(MarketToken::Symbol& symbol, std::int64_t minute,
                           const MarketToken::Values& values, DerivedSink& out);
  void keep_for_index(std::int64_t minute, const MarketToken::Values& values);
  void begin_index(const MarketToken::Values& values, DerivedSink& out);
  void describe_token(MarketToken::Symbol& symbol, DerivedSink& out);
  bool is_token_member(const Series& series) const {
    return token_.exists() && series.venue == MarketToken::venue &&
           token_.is_member(series.instrument);
  }

  // Rows.
  bool has(const Series& series, SpecKind kind) const {
    return (venues_[static_cast<std::size_t>(series.venue)].kinds & bit(kind)) != 0;
  }
  void fill_rsi_rows(Series& series, std::int64_t from);
  MinuteValues values_of(const Series& series, const Rows& rows, SpecKind kind, std::int64_t minute,
                         const Row& row) const;
  void write_minute(Series& series, SpecKind kind, std::int64_t minute, const MinuteValues& values,
                    std::uint8_t origin, std::uint8_t flags, DerivedSink& out) const;

  StateOptions options_;
  rolling::RsiRule rsi_rule_;
  EngineClock clock_;
  std::int64_t closed_ = no_minute;  ///< newest closed minute
  Cadence depth_;
  Cadence tickers_;
  Cadence levels_;
  std::int64_t next_sample_ns_ = std::numeric_limits<std::int64_t>::max();  ///< the least of theirs
  Totals totals_;
  std::array<VenueFold, market::venue_limit> venues_;
  MarketToken token_;
  Rows before_;  ///< scratch of a revision: an instrument's rows before it
};

/// Adds a trade to the sums of its minute.
void add_trade(TradeSum& sum, const market::Trade& trade, std::int64_t ns);
/// Whether a trade has the numbers it exists for.
bool is_usable(const market::Trade& trade);

}  // namespace perp::state
