#pragma once
// The inside of VenueRest: the queue and what is asked, in five sources. venue_rest.cpp: queue and
// replies; venue_rest_lists.cpp: instruments, clock, polls, seeds; venue_rest_books.cpp: snapshots;
// venue_rest_fills.cpp: trades and candles; venue_rest_trades.cpp: trades of long ago.
#include "feed/listing_watch.hpp"
#include "feed/poll_schedule.hpp"
#include "feed/rest_gate.hpp"
#include "feed/row_fill_plan.hpp"
#include "feed/trade_fill_plan.hpp"

#include <perp/core/prng.hpp>
#include <perp/feed/backoff.hpp>
#include <perp/feed/venue_rest.hpp>
#include <perp/net/http_client.hpp>
#include <perp/net/loop.hpp>
#include <perp/venue/rest_request.hpp>

#include <map>
#include <set>
#include <utility>

namespace perp::feed {

enum class RestPriority : std::uint8_t { instruments, token, book, fill, clock, poll, refresh };

/// One request, from the moment it is wanted until it is answered or given up.
struct RestJob {
  const venue::RestCall* call = nullptr;
  RestPriority priority = RestPriority::poll;
  std::string symbol{};
  std::string cursor{};
  /// Numbers and the period, which is a static text: its other texts are the two above.
  venue::RestQuery query{};
  const venue::TokenStep* token = nullptr;  ///< what to ask, in place of the call's words
  std::uint32_t weight = 0;                 ///< 0: the call's
  core::MonoNs not_before{};
  std::uint32_t failures = 0;
  std::uint64_t order = 0;  ///< of being wanted; kept when it is asked again
  /// Takes a 2xx reply. Anything but ok has it asked again.
  std::function<venue::DecodeStatus(RestJob& job, const net::HttpReply& reply)> take{};
  std::function<void(const std::string& why)> give_up{};
};

struct VenueRest::Impl {
  Impl(net::Loop& event_loop, net::Resolver& resolver, const net::TlsContext& tls,
       venue::VenueState& venue_state, RingWriter& ring_writer, HostLedger& ledger,
       const VenueRestOptions& wanted);

  // venue_rest.cpp
  Moment now() const;
  std::int64_t hastened(std::int64_t ns) const;
  bool has_room() const { return queue.size() < options.queue_max; }
  void ask(RestJob job);
  void pump(Moment moment);
  void send(RestJob job);
  void on_reply(RestJob job, const net::HttpReply& reply);
  void ask_again(RestJob job, const std::string& why);
  void give_up(const RestJob& job, const std::string& why);
  /// From the next tick: its callback may change the queue.
  void give_up_later(RestJob job, const std::string& why);
  /// For people, once for each distinct text.
  void tell(core::LogLevel level, const std::string& what);
  void run_later(std::function<void()> call) { later.push_back(std::move(call)); }
  const venue::RestCall* find_call(venue::RestPurpose purpose) const;
  /// Decodes a reply into the ring and publishes it.
  venue::DecodeStatus decode(const RestJob& job, const net::HttpReply& reply,
                             bool is_backfill = false, venue::TradeWindow* window = nullptr,
                             const std::function<bool(const market::RecordHeader&)>& keep = {});

  // venue_rest_lists.cpp
  void begin_lists();
  void ask_list(std::size_t call, std::string cursor, std::uint32_t page);
  void end_lists();
  void ask_clock();
  void ask_poll(std::size_t poll);
  void ask_seeds(const std::vector<std::string>& symbols);
  void ask_seed(const venue::RestCall& call, const std::string& symbol,
                const std::vector<std::string>& symbols);
  void advance(Moment moment);

  // venue_rest_books.cpp
  void fetch_book(const std::string& symbol);
  void refresh_book(const std::string& symbol,
                    std::function<bool(const market::RecordHeader&)> keep,
                    std::function<void()> done);

  // venue_rest_fills.cpp
  struct TradeFilling;
  struct RowFilling;
  void fill_trades(TradeHole hole, std::function<void(const TradeFill&)> done);
  void fill_klines(std::string symbol, std::int64_t start_ms, std::int64_t end_ms,
                   std::function<void(const KlineFill&)> done);
  void fetch_history(const HistoryWish& wish, std::function<void(const HistoryFill&)> done);
  void begin_rows(const std::shared_ptr<RowFilling>& filling);
  // Shared by the callbacks of one request: of two, one is called.
  void ask_trades(const std::shared_ptr<TradeFilling>& filling, std::int64_t wait_ns);
  void end_trades(const std::shared_ptr<TradeFilling>& filling, const std::string& why);
  void ask_rows(const std::shared_ptr<RowFilling>& filling);
  void end_rows(const std::shared_ptr<RowFilling>& filling, const std::string& why);

  // venue_rest_trades.cpp
  struct TradeHistory;
  void fetch_trades(const TradeWish& wish, std::function<void(const HistoryFill&)> done);
  void ask_trade_page(const std::shared_ptr<TradeHistory>& history);
  void end_trade_history(const std::shared_ptr<TradeHistory>& history, const std::string& why);

  VenueRestOptions options;
  net::Loop& loop;
  venue::VenueState& state;
  const venue::Connect& connect;
  RingWriter& writer;
  core::Prng random;
  net::HttpClient client;
  RestGate gate;
  ClockOffset clock;
  PollSchedule schedule;
  VenueRestStats counts;
  std::map<std::pair<RestPriority, std::uint64_t>, RestJob> queue;
  std::uint64_t next_order = 0;
  std::vector<std::function<void()>> later;  ///< calls of the next tick
  std::set<std::string> told;
  Moment ticked{};           ///< the last tick's
  core::MonoNs ticked_at{};  ///< the loop's time then: what has passed since is added
  bool has_ticked = false;
  std::function<void()> on_loaded;
  bool is_listing = false;
  ListingWatch listing;
  core::WallNs listed_at{};  ///< the round's last reply
  core::MonoNs lists_due{};
  bool has_polls = false;
  bool is_clock_waiting = false;
  core::MonoNs clock_due{};
  std::set<std::string> seeded;
  std::set<std::string> books;  ///< symbols whose snapshot is asked for
};

}  // namespace perp::feed
