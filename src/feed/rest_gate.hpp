#pragma once
// Whether a request may go out now, and what its reply means: the machine's account with the host,
// the host's breaker, connections. Nothing here sends. The feed's thread; cold.
#include <perp/feed/circuit_breaker.hpp>
#include <perp/feed/host_ledger.hpp>
#include <perp/feed/limit_headers.hpp>
#include <perp/net/http_client.hpp>
#include <perp/venue/connect.hpp>

#include <cstdint>
#include <vector>

namespace perp::feed {

class RestGate {
 public:
  enum class Verdict : std::uint8_t {
    go,         ///< booked
    pool_shut,  ///< its budget is spent: others' may not be
    host_shut,  ///< nothing may go
    never,      ///< more than the budget ever grants
  };
  enum class Reply : std::uint8_t {
    answered,  ///< 2xx
    refused,   ///< any other status: asking again changes nothing
    failed,    ///< no answer, or a 5xx: asking again may
    banned,    ///< we are to stay away
  };

  RestGate(HostLedger& ledger, const venue::Connect& connect, const net::HttpClient& client);

  /// Begins to go through the queue: what was shut may have opened.
  void begin(Moment now);
  /// Asked in the queue's order. A pool that refused stays shut until the next begin(): what comes
  /// behind does not take the weight that the first one waits for.
  Verdict ask(Moment now, const venue::RestCall& call, std::uint32_t weight);
  Reply on_reply(Moment now, const venue::RestCall& call, const net::HttpReply& reply);

  core::MonoNs banned_until() const noexcept { return banned_until_; }
  bool is_breaker_open() const noexcept {
    return breaker_.state() != CircuitBreaker::State::closed;
  }

 private:
  bool is_breaker_shut(Moment now);
  bool may_connect(Moment now);
  bool grant_connect(Moment now);
  LimitReading limits_of(const venue::RestCall& call, const net::HttpHead& head) const;
  void read_weight(Moment now, const venue::RestCall& call, const net::HttpHead& head);

  HostLedger& ledger_;
  const venue::Connect& connect_;
  const net::HttpClient& client_;
  CircuitBreaker breaker_{CircuitBreakerOptions{}};
  std::vector<core::MonoNs> pools_open_at_;
  std::vector<bool> is_pool_shut_;
  core::MonoNs host_opens_at_;
  core::MonoNs banned_until_;
  core::MonoNs connects_open_at_;
  std::uint64_t connects_granted_ = 0;
  bool has_connect_to_spare_ = false;  ///< granted for a request that then did not go
  bool owes_connects_ = false;         ///< made and not booked
};

}  // namespace perp::feed
