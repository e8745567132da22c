#pragma once
// How long to wait before a lost connection is dialled again: full jitter over a window that
// doubles with each failure up to a cap, and that shrinks only once data has flowed for a minute.
// One per connection, on the thread that owns it; no clock, no allocation, O(1). It bounds one
// connection's attempts; what a machine may do to a host is feed/host_ledger.hpp's. Why full
// jitter: 200 sockets that are cut at once must not come back at once
// (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
#include <perp/core/prng.hpp>
#include <perp/core/time.hpp>

#include <cstdint>

namespace perp::feed {

struct BackoffOptions {
  std::int64_t base_ns = core::ns_per_second;           ///< the window of the first failure, > 0
  std::int64_t cap_ns = 60 * core::ns_per_second;       ///< the window never grows beyond, >= base
  std::int64_t scout_cap_ns = 4 * core::ns_per_second;  ///< nor a scout's beyond this, > 0
  std::int64_t healthy_ns = 60 * core::ns_per_second;   ///< so long data must flow to be forgiven
};

class Backoff {
 public:
  /// @param random this connection's own: equal ones wait equally long, which jitter is against.
  /// @param failures in a row before this start, as failures() told: a program that is restarted
  /// in a loop does not begin anew each time.
  /// Throws core::Error unless 0 < base_ns <= cap_ns, scout_cap_ns > 0 and healthy_ns >= 0.
  Backoff(const BackoffOptions& options, const core::Prng& random, std::uint32_t failures = 0);

  /// Data came: a venue's message that carries some, not an acknowledgement and not a heartbeat.
  /// Once it spans `healthy_ns` on this connection, earlier failures are forgotten.
  void on_data(core::MonoNs now) noexcept;

  /// The connection, or the attempt at one, is lost. @param is_scout it is the one of its host's
  /// that finds out for all whether the host is back. @returns for how long to wait: uniform in [0,
  /// window_ns(is_scout)], ns.
  std::int64_t on_lost(bool is_scout = false) noexcept;
  /// Another connection has found the host to be back. @returns for how long to wait yet: uniform
  /// in [0, base], ns. Forgives nothing.
  std::int64_t on_host_back() noexcept { return random_.between(0, options_.base_ns); }

  /// Over which the next on_lost() draws, ns: min(cap, base * 2^failures).
  std::int64_t window_ns(bool is_scout = false) const noexcept;
  /// Losses since data last flowed for long enough.
  std::uint32_t failures() const noexcept { return failures_; }

 private:
  BackoffOptions options_;
  core::Prng random_;
  core::MonoNs first_data_;
  std::uint32_t failures_;
  bool has_data_ = false;  ///< on this connection
};

}  // namespace perp::feed
