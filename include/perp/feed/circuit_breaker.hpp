#pragma once
// Stops asking a host that does not answer: closed until failures come in a row or as a share of
// the last calls, then open for a while, then half-open with one trial that decides. One per host,
// on the thread that owns it; no clock, no allocation, O(1). A ban is not its business
// (feed/host_ledger.hpp): it knows answers and their absence only.
#include <perp/core/time.hpp>

#include <cstdint>

namespace perp::feed {

struct CircuitBreakerOptions {
  std::uint32_t failures_in_row = 5;    ///< open it; at least 1
  std::uint32_t window = 32;            ///< of the last outcomes, 1 to 64
  std::uint32_t failures_percent = 50;  ///< of a full window that failed, 1 to 100, open it
  std::int64_t open_ns = 10 * core::ns_per_second;  ///< until the trial, > 0
  std::int64_t open_ns_max =
      120 * core::ns_per_second;                     ///< doubled by each failed trial up to here
  std::int64_t trial_ns = 30 * core::ns_per_second;  ///< a trial without an outcome has failed, > 0
};

class CircuitBreaker {
 public:
  enum class State : std::uint8_t { closed, open, half_open };

  /// Throws core::Error where an option is out of its range.
  explicit CircuitBreaker(const CircuitBreakerOptions& options);

  /// May a call be made? In half-open the first to ask gets the trial, others are refused until its
  /// outcome is told.
  bool may_call(core::MonoNs now) noexcept;
  void on_success() noexcept;
  void on_failure(core::MonoNs now) noexcept;

  State state() const noexcept { return state_; }
  /// While open: when the trial may be made.
  core::MonoNs opens_until() const noexcept { return until_; }

 private:
  void open(core::MonoNs now) noexcept;
  void close() noexcept;

  CircuitBreakerOptions options_;
  core::MonoNs until_;  ///< open: until the trial; half-open: until the trial has failed
  std::int64_t next_open_ns_;
  std::uint64_t outcomes_ = 0;  ///< the last ones, newest in bit 0; 1 is a failure
  std::uint32_t outcome_count_ = 0;
  std::uint32_t in_row_ = 0;
  State state_ = State::closed;
};

}  // namespace perp::feed
