#include <perp/core/error.hpp>
#include <perp/feed/backoff.hpp>

#include <algorithm>
#include <limits>

namespace perp::feed {

Backoff::Backoff(const BackoffOptions& options, const core::Prng& random, std::uint32_t failures)
    : options_(options), random_(random), failures_(failures) {
  if (options.base_ns <= 0 || options.cap_ns < options.base_ns || options.scout_cap_ns <= 0 ||
      options.healthy_ns < 0)
    throw core::Error("cannot back off", "BackoffOptions",
                      "expected 0 < base_ns <= cap_ns, scout_cap_ns > 0 and healthy_ns >= 0");
}

void Backoff::on_data(core::MonoNs now) noexcept {
  if (!has_data_) {
    has_data_ = true;
    first_data_ = now;
  }
  if (now - first_data_ >= options_.healthy_ns) failures_ = 0;
}

std::int64_t Backoff::on_lost(bool is_scout) noexcept {
  const std::int64_t window = window_ns(is_scout);
  has_data_ = false;
  if (failures_ < std::numeric_limits<std::uint32_t>::max()) ++failures_;
  return random_.between(0, window);
}

std::int64_t Backoff::window_ns(bool is_scout) const noexcept {
  const std::int64_t cap_ns =
      is_scout ? std::min(options_.cap_ns, options_.scout_cap_ns) : options_.cap_ns;
  // base * 2^failures > cap, without the overflow.
  if (failures_ >= 62 || options_.base_ns > cap_ns >> failures_) return cap_ns;
  return std::min(cap_ns, options_.base_ns << failures_);
}

}  // namespace perp::feed
