#pragma once
// One venue behind a fault proxy: its listener, its connections, the faults that act on it. Belongs
// to its loop's thread.
#include "sim/faults/active_fault.hpp"
#include "sim/faults/fault_book.hpp"

#include <perp/net/socket.hpp>
#include <perp/net/timer.hpp>
#include <perp/sim/fault_proxy.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace perp::sim {

class FaultLink;

class FaultVenue final : private net::AcceptHandler {
 public:
  struct Surroundings {
    net::Loop& loop;
    net::Resolver& resolver;
    const net::TlsContext* server_tls;
    const net::TlsContext* client_tls;
    FaultBook& book;
    std::uint64_t seed;
  };

  FaultVenue(const Surroundings& around, const FaultUpstream& upstream, std::size_t index,
             const net::Endpoint& at);
  ~FaultVenue();

  void begin(const FaultEpisode& episode);
  void end(const FaultEpisode& episode);
  /// Ends all connections in order.
  void stop();

  std::size_t connection_count() const noexcept;
  const net::Endpoint& endpoint() const noexcept { return listener_->endpoint(); }

  // For its links.
  const Surroundings& around() const noexcept { return around_; }
  const FaultUpstream& upstream() const noexcept { return upstream_; }
  std::size_t index() const noexcept { return index_; }
  net::HttpClient& http() noexcept { return http_; }
  FaultBook& book() noexcept { return around_.book; }
  FaultTraffic& traffic() noexcept { return traffic_; }
  const FaultTraffic& traffic() const noexcept { return traffic_; }
  core::Prng& random() noexcept { return random_; }
  const net::TransportOptions& websocket_transport() const noexcept { return websocket_transport_; }
  /// Of messages, by line of the script.
  const std::vector<ActiveFault*>& message_faults() const noexcept { return message_faults_; }
  /// The first that answers a request for `target` in the venue's stead.
  ActiveFault* answering(std::string_view target, bool is_websocket);
  /// Those that a connection meets when its target is known.
  void meet(FaultLink& link);
  /// What is made of the body of an HTTP answer. @returns false: nothing
  bool edit_answer(const FaultPlace& place, std::string_view body, std::string& edited);
  /// A link that has ended is buried behind this call.
  void bury_later() { burial_.start_in(0); }

 private:
  /// Accepted and never answered.
  struct Unanswered {
    net::Socket socket;
    std::uint64_t episode;
  };

  void on_accepted(net::Socket socket) override;
  void list_faults();
  void bury();

  Surroundings around_;
  FaultUpstream upstream_;
  std::size_t index_;
  core::Prng random_;
  net::TransportOptions websocket_transport_;
  net::TlsContext const* http_tls_;
  net::HttpClient http_;
  FaultTraffic traffic_;
  std::vector<std::unique_ptr<ActiveFault>> faults_;  ///< by line
  std::vector<ActiveFault*> message_faults_;
  std::vector<std::unique_ptr<FaultLink>> links_;
  std::vector<Unanswered> unanswered_;
  std::uint64_t accepted_ = 0;
  net::Timer burial_;
  std::optional<net::Listener> listener_;
};

}  // namespace perp::sim
