#include <perp/core/error.hpp>
#include <perp/feed/circuit_breaker.hpp>

#include <algorithm>
#include <bit>

namespace perp::feed {

CircuitBreaker::CircuitBreaker(const CircuitBreakerOptions& options)
    : options_(options), next_open_ns_(options.open_ns) {
  if (options.failures_in_row < 1 || options.window < 1 || options.window > 64 ||
      options.failures_percent < 1 || options.failures_percent > 100 || options.open_ns <= 0 ||
      options.open_ns_max < options.open_ns || options.trial_ns <= 0)
    throw core::Error("cannot break a circuit", "CircuitBreakerOptions",
                      "expected failures_in_row >= 1, window in 1 to 64, failures_percent in 1 to "
                      "100, 0 < open_ns <= open_ns_max and trial_ns > 0");
}

bool CircuitBreaker::may_call(core::MonoNs now) noexcept {
  // A trial whose caller died would keep it half-open for ever.
  if (state_ == State::half_open && now >= until_) open(now);
  if (state_ == State::closed) return true;
  if (state_ == State::half_open || now < until_) return false;
  state_ = State::half_open;
  until_ = now + options_.trial_ns;
  return true;
}

void CircuitBreaker::on_success() noexcept {
  // A late answer to a call from before it opened says nothing of now.
  if (state_ == State::open) return;
  if (state_ == State::half_open) return close();
  in_row_ = 0;
  outcomes_ <<= 1;
  outcome_count_ = std::min(outcome_count_ + 1, options_.window);
}

void CircuitBreaker::on_failure(core::MonoNs now) noexcept {
  if (state_ == State::open) return;
  if (state_ == State::half_open) return open(now);
  ++in_row_;
  outcomes_ = outcomes_ << 1 | 1;
  outcome_count_ = std::min(outcome_count_ + 1, options_.window);
  const std::uint64_t kept = ~std::uint64_t{0} >> (64 - options_.window);
  const auto failures = static_cast<std::uint32_t>(std::popcount(outcomes_ & kept));
  const bool is_rate_bad = outcome_count_ == options_.window &&
                           failures * 100 >= options_.failures_percent * options_.window;
  if (in_row_ >= options_.failures_in_row || is_rate_bad) open(now);
}

void CircuitBreaker::open(core::MonoNs now) noexcept {
  state_ = State::open;
  until_ = now + next_open_ns_;
  next_open_ns_ =
      next_open_ns_ > options_.open_ns_max / 2 ? options_.open_ns_max : 2 * next_open_ns_;
}

void CircuitBreaker::close() noexcept {
  state_ = State::closed;
  next_open_ns_ = options_.open_ns;
  outcomes_ = 0;
  outcome_count_ = 0;
  in_row_ = 0;
}

}  // namespace perp::feed
