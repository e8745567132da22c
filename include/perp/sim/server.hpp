#pragma once
// Simulated venues as servers: each speaks its venue's WebSocket and REST, paths, frames, limits
// and errors included, on a port of its own. One market moves all of them in real time; a message
// leaves at its own time to who subscribed to it. Belongs to its loop's thread, which does all of
// the work: some two microseconds a message. What it said is in a truth log (truth_log.hpp) and,
// per minute, in truth.csv (truth.hpp). Independent of the venue layer on purpose: a client that
// misreads a venue is told apart from a server that shares the mistake.
#include <perp/core/time.hpp>
#include <perp/market/venue_id.hpp>
#include <perp/net/endpoint.hpp>
#include <perp/net/tls_context.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace perp::net {
class Loop;
}

namespace perp::sim {

/// A recorded message, served instead of the model's.
struct ServedMessage {
  std::int64_t receive_ns = 0;
  std::string payload;
  std::string endpoint{};  ///< of a request's answer: its name, as recordings have it
  std::string symbol{};    ///< of a request's answer
};

struct ServerOptions {
  std::vector<market::VenueId> venues{};  ///< empty: all
  int symbols = 25;                       ///< the busiest coins
  int spare_symbols = 0;                  ///< more of them, which are listed one after the other
  std::uint64_t seed = 1;
  double rate = 0;  ///< messages per second that all venues make together; 0: as the model does
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  ///< of the first venue, the next ones follow; 0: free ports
  std::optional<net::TlsContext> tls = std::nullopt;  ///< nothing: plain, for tests
  std::string truth_folder{};                         ///< empty: no truth is kept
  int past_days = 12;  ///< of candles, open interest, ratios and funding before the start
  int truth_days = 0;  ///< of them, candles that truth.csv tells, too
  std::size_t trade_history = 100'000;  ///< trades per market that can be asked for
  std::int64_t list_every_ns = 0;       ///< a listing and a delisting in turn so often; 0: never

  // 0: as the venue does.
  std::int64_t lifetime_ns = 0;    ///< of a connection
  std::int64_t ping_every_ns = 0;  ///< between the server's pings
  std::int64_t pong_within_ns = 0;
  std::int64_t idle_ns = 0;  ///< until a silent connection is cut

  /// The next recorded message of a venue, in order of receipt; nothing: it is over. Its messages
  /// leave at the recorded distances to who subscribed to their topics, whatever these are, and its
  /// answers are given to requests from then on. Empty: the model.
  std::function<std::optional<ServedMessage>(market::VenueId)> replay{};
  bool replays_to_all = false;  ///< to every connection, whatever it subscribed to
  std::function<void(const std::string&)> log{};
};

struct ServedStream {
  market::VenueId venue = market::VenueId::none;
  std::string stream;
  std::uint64_t made = 0;   ///< messages of the model
  std::uint64_t sent = 0;   ///< to connections
  std::uint64_t bytes = 0;  ///< of those, payloads
};

struct ServedVenue {
  market::VenueId venue = market::VenueId::none;
  std::uint64_t connections = 0;  ///< ever accepted as WebSockets
  std::uint64_t requests = 0;
  std::uint64_t refusals = 0;  ///< answers from 400 on, and frames refused
  std::uint64_t cuts = 0;      ///< connections that the server ended
  std::uint64_t truth_rows = 0;
};

struct ServerReport {
  std::vector<ServedStream> streams;
  std::vector<ServedVenue> venues;
  std::int64_t lateness_ns_max = 0;  ///< how far behind its time a message left
};

class Server {
 public:
  struct Address {
    market::VenueId venue = market::VenueId::none;
    net::Endpoint endpoint;
  };

  /// Listens, and begins to trade in the loop's next round. @throws core::Error naming the option,
  /// the address or the file.
  Server(net::Loop& loop, const ServerOptions& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const std::vector<Address>& addresses() const;
  ServerReport report() const;
  /// Sends nothing more, closes the connections in order and writes the truth out. Give the loop
  /// some rounds until is_closed().
  void stop();
  bool is_closed() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace perp::sim
