#pragma once
// Names to addresses, on a cold thread of its own: getaddrinfo blocks, for half a minute where the
// name server is away. Answers are kept with their age. One look-up at a time; loops that must not
// wait for each other's names have a Resolver each.
#include <perp/core/time.hpp>
#include <perp/net/endpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace perp::net {

class Loop;

struct Resolution {
  /// Families alternating, the one first that the system prefers: who tries them in this order does
  /// not depend on one family. Empty where nothing is known.
  std::vector<Endpoint> endpoints;
  /// Why the last look-up failed: "resolving fapi.example: Name or service not known". Empty: it
  /// did not. The endpoints are then of an earlier one.
  std::string error;
  core::MonoNs resolved_at;  ///< when the endpoints were looked up

  std::int64_t age_ns(core::MonoNs now) const noexcept { return now - resolved_at; }
};

struct ResolverOptions {
  std::int64_t ttl_ns = 60 * core::ns_per_second;  ///< younger answers are given without a look-up
  std::int64_t failure_ttl_ns = core::ns_per_second;  ///< the same for failures
  std::size_t names_max = 256;                        ///< kept; the oldest goes
  std::size_t queries_max = 1024;                     ///< waiting
  /// Looks a name up: fills the endpoints (their ports do not matter) or @returns why it cannot. By
  /// default getaddrinfo. Called by the resolver's thread.
  std::function<std::string(const std::string& host, std::vector<Endpoint>& endpoints)> look_up{};
};

class Resolver {
 public:
  using OnAnswer = std::function<void(const Resolution&)>;

  /// A question. Destroying it withdraws it: `on_answer` is not called any more. Lives and dies in
  /// its loop's thread, before the loop.
  class Query {
   public:
    Query() noexcept = default;
    ~Query() { withdraw(); }
    Query(Query&& other) noexcept = default;
    Query& operator=(Query&& other) noexcept;

    void withdraw() noexcept;
    /// Asked and not answered.
    bool is_pending() const noexcept;

   private:
    friend class Resolver;
    struct State;
    std::shared_ptr<State> state_;  // shared with the resolver's thread, which outlives neither
  };

  explicit Resolver(ResolverOptions options = {});
  /// Waits for the look-up that is under way; what is still queued gets no answer.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// Asks for the addresses of a name, or of a numeric address, which is not looked up. `on_answer`
  /// is called once, by the loop's thread in a later round; a failure is an answer with `error`.
  /// @throws core::Error when queries_max are waiting. @thread owner of `loop`
  [[nodiscard]] Query resolve(Loop& loop, std::string host, std::uint16_t port, OnAnswer on_answer);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace perp::net
