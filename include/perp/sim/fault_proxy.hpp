#pragma once
// A man in the middle on purpose: between perp and venues, simulated or real, it relays HTTP and
// WebSocket message by message, and does to them what a fault script says, when it says so. TLS is
// spoken on both sides. While no fault acts on a connection, every message and control frame passes
// as it is, both ways, without an allocation; compression is not negotiated. What it removed,
// added, doubled, changed or moved is written down, so that a check can subtract it.
// Belongs to its loop's thread. docs/faults.md has the script's language and the log's fields.
#include <perp/net/http_client.hpp>
#include <perp/net/loop.hpp>
#include <perp/net/resolver.hpp>
#include <perp/net/tls_context.hpp>
#include <perp/net/url.hpp>
#include <perp/sim/fault_kind.hpp>
#include <perp/sim/fault_script.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace perp::sim {

/// A venue behind the proxy.
struct FaultUpstream {
  std::string name{};    ///< as the script calls it
  net::Url rest{};       ///< http or https; its target is not used
  net::Url websocket{};  ///< ws or wss; its target is not used
};

struct FaultProxyOptions {
  std::vector<FaultUpstream> venues{};
  FaultScript script{};
  std::uint64_t seed = 1;  ///< of chances and random kinds
  /// Where the first venue's connections are taken; the next ones' ports follow, or are all free
  /// ones for port 0.
  net::Endpoint listen = net::Endpoint::loopback(net::Endpoint::Family::ipv4, 0);
  /// Towards perp; nullptr: plain. Outlives the proxy.
  const net::TlsContext* server_tls = nullptr;
  /// Towards the venues that speak TLS. Outlives the proxy.
  const net::TlsContext* client_tls = nullptr;
  std::string log_file{};                              ///< JSON lines; empty: none
  std::size_t text_bytes_max = std::size_t{64} << 10;  ///< of one message in the log
};

/// What one kind did to one venue.
struct FaultCount {
  std::uint64_t episodes = 0;
  std::uint64_t hits = 0;         ///< connections, requests and messages that it acted on
  std::uint64_t connections = 0;  ///< ended or broken
  std::uint64_t answers = 0;      ///< given, or refused, in the venue's stead
  std::uint64_t removed = 0;      ///< messages
  std::uint64_t added = 0;
  std::uint64_t doubled = 0;
  std::uint64_t changed = 0;
  std::uint64_t moved = 0;
  std::uint64_t delayed = 0;
};

/// What passed, per venue.
struct FaultTraffic {
  std::uint64_t connections = 0;  ///< from perp
  std::uint64_t websockets = 0;   ///< opened through to the venue
  std::uint64_t requests = 0;     ///< HTTP
  std::uint64_t messages_to_perp = 0;
  std::uint64_t bytes_to_perp = 0;
  std::uint64_t messages_to_venue = 0;
};

class FaultProxy {
 public:
  /// Listens. @throws core::Error naming the address, the URL or the log that cannot be used.
  /// `loop` and `resolver` outlive it.
  FaultProxy(net::Loop& loop, net::Resolver& resolver, const FaultProxyOptions& options);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  /// The script's time begins. Once.
  void start();
  /// Where `venue` is to be dialled.
  const net::Endpoint& endpoint(std::size_t venue) const;
  /// Ends the faults that run and closes all connections in order: what venues send until they have
  /// closed is relayed. Give the loop some rounds until is_idle().
  void stop();
  /// Writes what is buffered of the log; it is done every 200 ms, too. @throws core::Error naming
  /// the file
  void flush_log();
  /// No connection is left.
  bool is_idle() const noexcept;

  std::size_t connection_count() const noexcept;
  const FaultCount& count(std::size_t venue, FaultKind kind) const;
  const FaultTraffic& traffic(std::size_t venue) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace perp::sim
