#pragma once
// Everything that a live feed asks a venue by HTTP: the list of instruments, the venue's clock,
// what no stream brings, book snapshots, and the trades and candles that a hole has swallowed.
// Answers are decoded into the feed's ring. One per venue, on the feed's loop; nothing here waits.
//
// Requests stand in one queue, by priority: instruments, tokens, books, fills, clock, polls. One
// goes out when the host has not banned us, its breaker is closed, and the machine's account
// (feed/host_ledger.hpp) has weight for it; a request that waits for weight keeps what comes behind
// it in the queue from taking that pool's. What fails by the network, by a time-out, with a 5xx or
// with a body that is none is asked again after a back-off with full jitter; other refusals are
// given up, and told once for each distinct text. The venue's own count of the weight, and when it
// wants us back, is read from every reply.
//
// All calls are made by the loop's thread. Callbacks come from inside the loop or from tick(); they
// may ask for more, not destroy this. Cold path: allocates, asks the ledger's file.
#include <perp/core/log.hpp>
#include <perp/feed/clock_offset.hpp>
#include <perp/feed/host_ledger.hpp>
#include <perp/feed/ring_writer.hpp>
#include <perp/net/proxy.hpp>
#include <perp/net/url.hpp>
#include <perp/venue/connect.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace perp::net {
class Loop;
class Resolver;
class TlsContext;
}  // namespace perp::net

namespace perp::feed {

struct VenueRestOptions {
  net::Url origin{};  ///< http or https; no host: the venue's own
  std::vector<std::pair<std::string, std::string>> fields{};  ///< in every request (a testnet's)
  std::optional<net::Proxy> proxy = std::nullopt;
  /// What the feed wants: of other kinds nothing is seeded.
  venue::StreamKinds kinds = venue::all_kinds;
  std::uint64_t seed = 0;              ///< of jitter
  double haste = 1;                    ///< intervals and waits of ours are divided by it; >= 1
  std::size_t connections_max = 2;     ///< at once; so many requests are under way
  std::size_t queue_max = 20'000;      ///< waiting requests; polls beyond are skipped
  std::uint32_t attempts_max = 5;      ///< of one request; of instruments no end
  std::uint32_t fill_pages_max = 100;  ///< of one hole
  std::function<void(core::LogLevel level, const std::string& what)> log{};
  /// The snapshot was given up: the book is stale for as long as nobody asks again.
  std::function<void(const std::string& symbol)> on_book_failed{};
};

/// A hole in a stream of trades, by the records on its two sides (Trade::trade_id and exchange_ns).
/// Where ids count up (Binance, OKX) they bound it, elsewhere times do.
struct TradeHole {
  std::string symbol{};                       ///< native
  std::int64_t last_id = market::unknown_id;  ///< of the trade before it
  std::int64_t last_ns = core::unknown_ns;
  std::int64_t first_id = market::unknown_id;  ///< of the one behind it
  std::int64_t first_ns = core::unknown_ns;
};

struct TradeFill {
  std::uint64_t trades = 0;         ///< records made
  std::optional<TradeHole> left{};  ///< what stays missing, as far as can be told
  std::string why{};                ///< one sentence if something does
};
struct KlineFill {
  std::uint64_t candles = 0;
  /// The first and the end of the last minute [ms) for which no candle came; equal: all did.
  std::int64_t left_start_ms = 0;
  std::int64_t left_end_ms = 0;
  std::string why{};
};

/// Rows of long ago: one of the venue's calls of purpose `history`, about one contract.
struct HistoryWish {
  const venue::RestCall* call = nullptr;
  std::string symbol{};       ///< native
  std::string_view period{};  ///< the venue's word, static; empty: the call's
  std::int64_t step_ns = 0;   ///< the least between two rows; 0: the call's
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  bool is_probe = false;  ///< no row becomes a record: asked is when the first one was
  /// Behind each page: its rows, and the steps that it stood for.
  std::function<void(std::uint64_t rows, std::int64_t steps)> on_page{};
};
struct HistoryFill {
  std::uint64_t rows = 0;          ///< records made
  std::int64_t first_ms = -1;      ///< of a probe: the first row's time; negative: there is none
  std::int64_t left_start_ms = 0;  ///< the first step without a row ...
  std::int64_t left_end_ms = 0;    ///< ... and the end of the last; equal: each has one
  bool was_given_up = false;       ///< asked in vain, rather than answered without rows
  bool joins_stored = false;       ///< of a venue's newest trades the oldest was there before
  std::string why{};               ///< one sentence if it was
};

/// Trades of long ago, of one contract.
struct TradeWish {
  const venue::RestCall* call = nullptr;  ///< the venue's of purpose `history` that brings trades
  std::string symbol{};                   ///< native
  std::int64_t start_ms = 0;              ///< [start, end)
  std::int64_t end_ms = 0;
  /// Ids of the trades around it that are there, where ids count up (Binance, OKX).
  std::int64_t after_id = market::unknown_id;
  std::int64_t before_id = market::unknown_id;
  /// Where ids have no order: those (trade_id, trade_id_high) that are there in [from, to) ms.
  /// Empty: none.
  std::function<std::set<std::pair<std::int64_t, std::int64_t>>(std::int64_t from_ms,
                                                                std::int64_t to_ms)>
      find_stored{};
  /// Behind each page: its rows, and the milliseconds that it stood for.
  std::function<void(std::uint64_t rows, std::int64_t ms)> on_page{};
};

struct VenueRestStats {
  std::uint64_t requests = 0;    ///< sent, repeats among them
  std::uint64_t answered = 0;    ///< with a 2xx whose body was taken
  std::uint64_t failed = 0;      ///< no answer, a 5xx, or not HTTP
  std::uint64_t refused = 0;     ///< another status that is no ban, or the venue's own "no"
  std::uint64_t bad_bodies = 0;  ///< 2xx, but not what was asked for (HTML, say)
  std::uint64_t bans = 0;        ///< replies that told us to stay away
  std::uint64_t retries = 0;
  std::uint64_t given_up = 0;
  std::uint64_t polls_skipped = 0;     ///< due again while the last one still waited, or no room
  std::uint64_t weight = 0;            ///< spent on requests
  std::uint64_t instrument_lists = 0;  ///< loaded whole
  std::uint64_t books = 0;             ///< snapshots taken
  std::uint64_t trades_filled = 0;
  std::uint64_t candles_filled = 0;
  std::uint64_t holes_left = 0;  ///< fills that left something missing
  std::size_t waiting = 0;
  std::size_t under_way = 0;
  std::int64_t banned_for_ns = 0;  ///< as of the last tick; 0: not
  bool is_breaker_open = false;
};

class VenueRest {
 public:
  /// All of them outlive this. @param ledger of the origin's host, with the venue's pools
  /// (ledger_pools()). @param state of a venue that is live (Adapter::connect).
  /// @throws core::Error naming the option
  VenueRest(net::Loop& loop, net::Resolver& resolver, const net::TlsContext& tls,
            venue::VenueState& state, RingWriter& writer, HostLedger& ledger,
            const VenueRestOptions& options);
  /// Requests under way are dropped; no callback comes.
  ~VenueRest();
  VenueRest(const VenueRest&) = delete;
  VenueRest& operator=(const VenueRest&) = delete;

  /// Asks for all lists, all pages of each, until they are in, whatever happens; then again each
  /// interval. What is new or has changed becomes an instrument record, and so does a contract that
  /// the lists name no more, as delisted; lists that lack many at once are not believed.
  /// @param on_loaded each time they are in
  void load_instruments(std::function<void()> on_loaded);
  /// Begins, or begins anew with these symbols: the polls of `polled`, spread over their interval,
  /// those of figures that exist each 5 minutes over the first half of it; the clock; and, for
  /// symbols that are new, once, what a stream does not bring at its beginning. Of a contract that
  /// is delisted nothing is polled.
  void start_polls(std::span<const std::string> symbols, venue::StreamKinds polled);
  /// In place of the options' kinds, from the next start_polls() on: all symbols are new to it.
  void want(venue::StreamKinds kinds);
  /// Asks where to dial. @param done once, later: what the venue says, or why it says nothing
  void fetch_token(
      const venue::TokenStep& step, std::uint64_t connect_id,
      const std::function<void(const venue::TokenReply* reply, const std::string& why)>& done);
  /// Asks for a snapshot; nothing if one is asked for already, or if the venue has none.
  void fetch_book(const std::string& symbol);
  /// Asks for the snapshot of a book that is live, behind everything else that is asked for.
  /// @param keep says of its record whether it is written, and may write another one in its place
  /// @param done once, later, whether it came or not
  void refresh_book(const std::string& symbol,
                    std::function<bool(const market::RecordHeader&)> keep,
                    std::function<void()> done);
  /// Trades strictly inside the hole become records, flagged backfill, each once: what a stream
  /// brought, or brings still, does not. Binance: forward by id, OKX: backward by id. Bybit and
  /// Hyperliquid have the newest only (1000 and some ten): times bound them, their edges included,
  /// and what was seen is told by the adapter's memory of ids.
  /// @param done once, later
  void fill_trades(TradeHole hole, std::function<void(const TradeFill&)> done = {});
  /// Candles of the minutes [start_ms, end_ms) become records, flagged backfill, in order.
  /// @param done once, later
  void fill_klines(std::string symbol, std::int64_t start_ms, std::int64_t end_ms,
                   std::function<void(const KlineFill&)> done = {});

  /// Rows of [start, end) become records, flagged backfill, ascending, each step's once; page by
  /// page, so that several may be under way. @param done once, later
  void fetch_history(const HistoryWish& wish, std::function<void(const HistoryFill&)> done);

  /// Trades of [start, end) become records, flagged backfill, page by page and no page kept.
  /// Binance: ascending, by time until one is found and by id from then on. OKX: pages descending,
  /// each page ascending. Bybit and Hyperliquid: of the newest, which is all they have, those of
  /// the span that are not there yet. @param done once, later: in `left` what the venue does not
  /// reach
  void fetch_trades(const TradeWish& wish, std::function<void(const HistoryFill&)> done);

  /// Each 100 ms: what is due is queued, what may go goes.
  void tick(Moment now);

  const ClockOffset& clock_offset() const noexcept;
  VenueRestStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The venue's budgets as a ledger wants them.
std::vector<WeightPool> ledger_pools(const venue::Connect& connect);
/// These, how many connections may be made, and for how long a 429 without a time holds. Folder and
/// host are the caller's.
HostLedgerOptions ledger_options(const venue::Connect& connect);

}  // namespace perp::feed
