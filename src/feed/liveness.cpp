#include <perp/core/error.hpp>
#include <perp/feed/liveness.hpp>

#include <algorithm>

namespace perp::feed {

Liveness::Liveness(const LivenessOptions& options) : options_(options) {
  if (options.bound_ns_min <= 0 || options.bound_ns_max < options.bound_ns_min ||
      options.acknowledge_ns <= 0 || options.memory_ns <= 0)
    throw core::Error(
        "cannot watch subscriptions", "LivenessOptions",
        "expected 0 < bound_ns_min <= bound_ns_max, acknowledge_ns > 0 and memory_ns > 0");
}

namespace {
void check(std::int64_t expected_ns) {
  if (expected_ns < 0)
    throw core::Error("cannot watch a subscription", "expected_ns", "it must not be negative");
}
}  // namespace

std::size_t Liveness::add(core::MonoNs now, std::int64_t expected_ns) {
  check(expected_ns);
  last_data_.push_back(none);
  entries_.push_back({expected_ns, now.ns, none, 0, 0, State::pending, false});
  return entries_.size() - 1;
}

void Liveness::expect(std::size_t subscription, std::int64_t expected_ns) {
  check(expected_ns);
  entries_[subscription].expected_ns = expected_ns;
}

void Liveness::on_request(std::size_t subscription, core::MonoNs now) noexcept {
  Entry& entry = entries_[subscription];
  // The gap over an outage is not the market's: what was learnt of that stays as it is.
  entry.seen_ns = last_data_[subscription] = none;
  entry.asked_ns = now.ns;
  entry.state = State::pending;
  entry.is_acknowledged = false;
}

void Liveness::on_acknowledged(std::size_t subscription, core::MonoNs now) noexcept {
  Entry& entry = entries_[subscription];
  if (entry.is_acknowledged) return;  // a second one is not another chance
  entry.is_acknowledged = true;
  entry.asked_ns = now.ns;
}

std::int64_t Liveness::since(std::size_t subscription) const noexcept {
  return std::max(last_data_[subscription], entries_[subscription].asked_ns);
}

std::int64_t Liveness::bound_ns(std::size_t subscription) const noexcept {
  const Entry& entry = entries_[subscription];
  const std::int64_t interval =
      std::max({entry.expected_ns, entry.longest_ns, entry.longest_before_ns});
  if (interval > options_.bound_ns_max / 2) return options_.bound_ns_max;
  return std::max(2 * interval, options_.bound_ns_min);
}

void Liveness::forget(core::MonoNs now) noexcept {
  forget_at_ = now + options_.memory_ns;
  for (Entry& entry : entries_) {
    entry.longest_before_ns = entry.longest_ns;
    entry.longest_ns = 0;
  }
}

Liveness::State Liveness::update(std::size_t subscription, core::MonoNs now) noexcept {
  Entry& entry = entries_[subscription];
  const std::int64_t last = last_data_[subscription];
  if (last != entry.seen_ns) {
    if (entry.seen_ns != none && entry.state != State::silent)
      entry.longest_ns = std::max(entry.longest_ns, last - entry.seen_ns);
    entry.seen_ns = last;
  }
  const std::int64_t silent_ns = now.ns - since(subscription);
  const bool is_rare = entry.expected_ns == no_interval;
  if (last == none && !entry.is_acknowledged) {
    entry.state = silent_ns > options_.acknowledge_ns ? State::silent : State::pending;
  } else if (!is_rare && silent_ns > bound_ns(subscription)) {
    entry.state = State::silent;
  } else if (last == none) {
    entry.state = State::acknowledged;
  } else {
    entry.state =
        silent_ns > std::max(entry.expected_ns, core::ns_per_second) ? State::quiet : State::live;
  }
  return entry.state;
}

}  // namespace perp::feed
