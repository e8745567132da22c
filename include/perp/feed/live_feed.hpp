#pragma once
// One venue, live: its instruments and what no stream brings by HTTP, everything else by as many
// WebSocket connections as its limits ask for, decoded into one ring. It keeps itself connected and
// tells the truth about it: what is not live is marked so in the ring, every hole becomes a record
// with its cause, what can be fetched afterwards is, and a book that lost a step stays stale until
// a snapshot joins.
//
// One thread owns it and calls do_work(); the loop inside waits, so the worker's own idle strategy
// is `spin`. Nothing is allocated and no lock is taken per message between reconnects, but for the
// steps of a book while its snapshot is asked for again for its depth.
#include <perp/core/histogram.hpp>
#include <perp/core/log.hpp>
#include <perp/core/record_ring.hpp>
#include <perp/core/time.hpp>
#include <perp/feed/ring_writer.hpp>
#include <perp/net/loop.hpp>
#include <perp/venue/connect.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace perp::feed {

struct LiveFeedOptions {
  market::VenueId venue = market::VenueId::none;
  const venue::Adapter* adapter = nullptr;  ///< in place of the venue's own; outlives the feed
  /// Coins ("BTC") or native names ("BTCUSDT"); empty: every live primary perpetual of the venue.
  std::vector<std::string> symbols{};
  venue::StreamKinds kinds = venue::all_kinds;
  bool is_testnet = false;
  /// "wss://127.0.0.1:8443" and "https://127.0.0.1:8443" in place of the venue's own; paths stay.
  /// Where a token's reply says where to dial (venue::TokenStep), that counts.
  std::string websocket_origin{};
  std::string rest_origin{};
  std::string ledger_folder = "var/run";  ///< of the hosts' accounts (host_ledger.hpp)
  std::string tls_ca_file{};              ///< PEM of the authorities to trust; empty: the system's
  bool obeys_proxy_variables = true;      ///< HTTPS_PROXY and NO_PROXY
  net::LoopOptions loop{};
  std::uint64_t seed = 0;                                     ///< of jitter; 0: from the clock
  std::int64_t latency_window_ns = 60 * core::ns_per_second;  ///< of LiveFeedStatus::recent
  /// Waits, bounds of silence and lifetimes are divided by it: for rehearsals with simulated
  /// venues, that days may pass in minutes. 1 is real life; 1 to 100,000.
  double haste = 1;
};

/// One connection, for logs and metrics.
struct ConnectionStatus {
  std::uint32_t number = 0;  ///< as in FeedStatus::connection
  std::string socket{};      ///< the venue's kind of connection: "public", "market"
  std::string state{};       ///< of its life: "live", "waiting"
  std::string security{};    ///< "TLSv1.3 TLS_AES_128_GCM_SHA256"
  std::uint32_t topics = 0;
  std::uint32_t silent = 0;   ///< subscriptions that are broken now
  std::uint32_t refused = 0;  ///< topics that the venue does not know
  std::uint64_t opened = 0;
  std::uint64_t lost = 0;
  std::uint64_t messages = 0;
  std::string last_end{};  ///< why it was lost last
};

/// A span of a kind's messages. Those that begin at the venue are by our clock as it is: subtract
/// the clock offset's estimate to compare venues; negative where our clock is behind.
struct LatencyStatus {
  market::RecordType type = market::RecordType::padding;
  LatencySpan span = LatencySpan::match_to_receive;
  std::uint64_t count = 0;
  std::uint64_t negative = 0;
  std::int64_t p50_ns = core::unknown_ns;
  std::int64_t p99_ns = core::unknown_ns;
  std::int64_t max_ns = core::unknown_ns;
};

/// Records of a kind that a newer one of their instrument replaced while the ring was full.
struct ConflatedStatus {
  market::RecordType type = market::RecordType::padding;
  std::uint64_t count = 0;
};

struct LiveFeedStatus {
  market::VenueId venue = market::VenueId::none;
  bool is_live = false;  ///< every connection that is wanted is
  bool has_instruments = false;
  std::uint32_t symbols = 0;  ///< that are wanted and traded
  std::vector<ConnectionStatus> connections{};
  std::vector<LatencyStatus> latencies{};  ///< of record types that came, by type, then span
  /// Of the last whole latency_window_ns, what came in it: match_to_receive (the venue's side) and
  /// receive_to_published (ours).
  std::vector<LatencyStatus> recent{};
  RingWriterStats ring{};
  std::vector<ConflatedStatus> conflated{};  ///< of record types of which some were
  std::uint64_t lost_at_stop = 0;
  std::uint64_t losses = 0;              ///< of connections
  std::uint64_t roll_overs = 0;          ///< planned replacements
  std::uint64_t resubscribed = 0;        ///< topics asked for again for being silent
  std::uint64_t overlap_duplicates = 0;  ///< messages that both connections of a roll-over brought
  std::uint64_t books_resynced = 0;      ///< snapshots asked for
  std::uint64_t books_refreshed = 0;     ///< the same of books that were live, for their depth
  std::uint64_t holes = 0;               ///< gap records written by the feed itself
  std::uint64_t trades_filled = 0;
  std::uint64_t unexpected_messages = 0;            ///< of no subscription of ours
  std::int64_t clock_offset_ns = core::unknown_ns;  ///< the venue's clock minus ours
  std::int64_t clock_error_ns = core::unknown_ns;
  std::uint64_t decode_errors = 0;
  std::uint64_t venue_errors = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t sequence_gaps = 0;
  std::uint64_t checksum_mismatches = 0;
  std::uint64_t requests = 0;  ///< by HTTP
  std::uint64_t requests_failed = 0;
  std::string io{};  ///< "io_uring: ..." : the engine and why
  net::LoopStats loop{};
};

class LiveFeed {
 public:
  /// @param ring this feed is its only producer; outlives this. @param wait_for_room called while
  /// the ring is full, as RingWriter's `idle`. @param log one line for people per event, at most
  /// `info` for what is as it should be, `warn` for a loss, a ban, a hole, `error` for a refusal;
  /// called on the feed's thread. @throws core::Error naming the option.
  LiveFeed(const LiveFeedOptions& options, core::RecordRing& ring,
           std::function<void()> wait_for_room,
           std::function<void(core::LogLevel, const std::string&)> log);
  ~LiveFeed();
  LiveFeed(const LiveFeed&) = delete;
  LiveFeed& operator=(const LiveFeed&) = delete;

  /// Ids of a journal that goes on are restored here, before the first do_work().
  venue::VenueState& state();
  /// A former run watched this instrument until then: a hole until each of its streams is live,
  /// told as `not_running`, candles fetched; and until each stream of the whole venue is, from the
  /// latest such time on. Before the first do_work().
  /// @param candles_until the same for its candles, which a history brings without anybody
  /// watching. Either may be unknown_ns: there is nothing to go on from.
  void resume(std::uint32_t instrument, core::WallNs watched_until, core::WallNs candles_until);
  /// One round: waits as options.loop.idle says if there is nothing to do. @returns events done; an
  /// engine that may sleep is to be woken after more than 0. @thread owner
  int do_work();
  /// From now on these, in place of the options' symbols and kinds. What is new is subscribed to
  /// and what is not wanted any more given back and marked `down`, on the connections that are
  /// there; all else notices nothing. A connection without topics is closed. Done within a round;
  /// of several wishes the last one counts. @thread any
  void want(std::vector<std::string> symbols, venue::StreamKinds kinds);
  /// Ends a wait. @thread any
  void wake() noexcept;
  /// Closes its connections, says so in the ring and publishes all of it; is_stopped() follows
  /// within 2 s. @thread any
  void request_stop() noexcept;
  bool is_stopped() const noexcept;  ///< do_work() has nothing left. @thread any
  /// As of the last tick, at most 200 ms old. Takes a mutex: cold. @thread any
  LiveFeedStatus status() const;

  // Once it is stopped, or by the owner:
  const std::vector<Refusal>& refusals() const;
  const core::Histogram& decode_ns() const;
  /// As RingWriter's: in full, for whoever merges or exports it.
  const core::Histogram* latency_ns(market::RecordType type,
                                    LatencySpan span = LatencySpan::match_to_receive) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace perp::feed
