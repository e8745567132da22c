#pragma once
// One venue's past, by HTTP: candles, settled funding rates, open interest, account ratios and
// trades of a span of time, for some contracts, as records flagged backfill in a ring, as a live
// feed's fills are. The venue's budgets and bans are kept as live (venue_rest.hpp): one account per
// machine and host. Of a contract its series come one after the other, each ascending; several
// contracts are under way at a time.
//
// One thread owns it and calls do_work(); the loop inside waits. It ends by itself.
#include <perp/core/log.hpp>
#include <perp/core/record_ring.hpp>
#include <perp/core/time.hpp>
#include <perp/feed/ring_writer.hpp>
#include <perp/feed/venue_rest.hpp>
#include <perp/net/loop.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perp::feed {

enum class HistoryType : std::uint8_t {
  klines,
  funding_rates,
  open_interest,
  long_short_ratio,
  trades,
};
inline constexpr std::size_t history_type_count = 5;
std::string_view name_of(HistoryType type) noexcept;

struct HistorySeries {
  HistoryType type = HistoryType::klines;
  std::int64_t period_ns = 0;  ///< of candles; of the others as the venue has them
};

/// [start, end), ms.
struct TimeSpan {
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  bool operator==(const TimeSpan&) const = default;
};

/// When a contract's history begins.
struct HistoryStart {
  std::int64_t period_ns = 0;  ///< of the candles that told it
  std::int64_t first_ms = 0;   ///< the first one's time
  std::uint32_t requests = 0;  ///< that it took
  std::int64_t duration_ms = 0;
};

/// What was found before of when contracts' histories begin. Called on the feed's thread.
class HistoryStarts {
 public:
  virtual ~HistoryStarts() = default;
  /// The time of the first candle of this period, ms.
  virtual std::optional<std::int64_t> find(const market::Instrument& instrument,
                                           std::int64_t period_ns) = 0;
  virtual void found(const market::Instrument& instrument, const HistoryStart& start) = 0;
};

/// Trades that are there without a hole between them, by ids that count up (Binance, OKX).
struct TradeRun {
  std::int64_t first_id = market::unknown_id;
  std::int64_t last_id = market::unknown_id;
  std::int64_t first_ms = 0;
  std::int64_t last_ms = 0;
  bool operator==(const TradeRun&) const = default;
};

/// Where trades are missing, and the ids around it as far as they are there.
struct TradeSpan {
  TimeSpan span{};
  std::int64_t after_id = market::unknown_id;
  std::int64_t before_id = market::unknown_id;
  bool operator==(const TradeSpan&) const = default;
};

/// What is known to be there of a contract's trades. Called on the feed's thread.
class StoredTrades {
 public:
  virtual ~StoredTrades() = default;
  /// Where ids count up: what is there of [span), and next to it on either side, ascending.
  virtual std::vector<TradeRun> find_runs(const market::Instrument& instrument,
                                          TimeSpan within) = 0;
  /// Elsewhere: ids (trade_id, trade_id_high) of those in [span).
  virtual std::set<std::pair<std::int64_t, std::int64_t>> find_ids(
      const market::Instrument& instrument, TimeSpan within) = 0;
  /// The first and the last time of those in [span), both included; nullopt: there is none.
  virtual std::optional<TimeSpan> find_ends(const market::Instrument& instrument,
                                            TimeSpan within) = 0;
};

struct HistoryFeedOptions {
  market::VenueId venue = market::VenueId::none;
  std::vector<std::string> symbols{};  ///< coins or native names; empty: every primary perpetual
  std::vector<HistorySeries> series{};
  TimeSpan span{};
  bool is_testnet = false;
  std::string rest_origin{};  ///< in place of the venue's own
  std::string ledger_folder = "var/run";
  std::string tls_ca_file{};
  bool obeys_proxy_variables = true;
  net::LoopOptions loop{};
  std::uint64_t seed = 0;             ///< of jitter; 0: from the clock
  double haste = 1;                   ///< as LiveFeedOptions::haste
  std::size_t contracts_at_once = 3;  ///< whose pages are under way
  /// The list of instruments must be there by then.
  std::int64_t patience_ns = 60 * core::ns_per_second;
  /// What is still missing of a series within the span: ascending, apart. Empty: all of it. Called
  /// on the feed's thread, before its first request about the contract.
  std::function<std::vector<TimeSpan>(const market::Instrument& instrument, HistorySeries series,
                                      std::int64_t step_ns, TimeSpan within)>
      missing{};
  /// The same for trades. nullptr: nothing is there.
  std::shared_ptr<StoredTrades> stored_trades{};
  /// Told then of each series and what is wanted of it. step_ns is 0 of trades. @param is_asked
  /// something of it is missing
  std::function<void(const market::Instrument& instrument, HistorySeries series,
                     std::int64_t step_ns, TimeSpan within, bool is_asked)>
      planned{};
  /// The span may begin before a contract did. Where the venue does not tell when it was listed,
  /// its candles of the longest period are asked for first, once for all of its series.
  bool begins_at_listing = false;
  std::shared_ptr<HistoryStarts> starts{};  ///< nullptr: nothing is known, nothing is kept
};

/// A part that is not there in the end.
struct HistoryLeft {
  std::string symbol{};
  HistorySeries series{};
  TimeSpan span{};
  bool was_given_up = false;  ///< a failure; otherwise the venue has no such rows
  std::string why{};
};

struct HistoryFeedStatus {
  bool has_instruments = false;
  bool is_done = false;
  std::uint32_t symbols = 0;
  std::uint64_t spans = 0;  ///< found missing
  std::uint64_t rows = 0;   ///< records made
  std::uint64_t requests = 0;
  std::uint64_t discoveries = 0;  ///< requests about when a history begins
  std::int64_t steps_asked = 0;   ///< of all that is to be asked for:
  std::int64_t steps = 0;
  std::vector<std::string> unknown{};  ///< wanted symbols that no contract has
  std::vector<std::string> limits{};   ///< sentences about how far back the venue keeps what
  std::vector<HistoryLeft> left{};
  std::string failure{};  ///< the venue as a whole could not be asked
  std::uint64_t decode_errors = 0;
};

class HistoryFeed {
 public:
  /// @param ring this feed is its only producer; outlives this. @param wait_for_room, @param log as
  /// LiveFeed's. @throws core::Error naming the option
  HistoryFeed(const HistoryFeedOptions& options, core::RecordRing& ring,
              std::function<void()> wait_for_room,
              std::function<void(core::LogLevel, const std::string&)> log);
  ~HistoryFeed();
  HistoryFeed(const HistoryFeed&) = delete;
  HistoryFeed& operator=(const HistoryFeed&) = delete;

  /// Ids of a journal that goes on are restored here, before the first do_work().
  venue::VenueState& state();
  /// One round. @returns events done. @thread owner
  int do_work();
  void wake() noexcept;           // @thread any
  void request_stop() noexcept;   // @thread any: asks for nothing more
  bool is_done() const noexcept;  ///< all was answered or given up, or it was stopped. @thread any
  HistoryFeedStatus status() const;  // @thread any (takes a mutex: cold)

  // Once it is done:
  const std::vector<Refusal>& refusals() const;
  const RingWriterStats& ring_stats() const;
  const core::Histogram& decode_ns() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Whether the venue has it.
bool has_history(const venue::Connect& connect, HistorySeries series) noexcept;

/// Whether the venue's ids of trades count up and its history goes on by them.
bool counts_trades(const venue::Connect& connect) noexcept;

/// What of [span) is missing when rows of these times are there: ascending, apart, whole steps.
/// @param times ms, ascending
std::vector<TimeSpan> missing_spans(std::span<const std::int64_t> times, std::int64_t step_ms,
                                    TimeSpan span);
/// The same for trades whose ids count up: where the ids of two runs do not follow each other, and
/// before the first and behind the last one. A run that reaches over an end of the span covers it.
/// @param runs ascending, apart
std::vector<TradeSpan> missing_trades(std::span<const TradeRun> runs, TimeSpan span);

}  // namespace perp::feed
