#pragma once
// Is each subscription alive? Per subscription, not per socket: one that was acknowledged and then
// stays silent is found, while a market that is merely quiet is not called broken. One per
// connection, on its thread. A message costs one store of its time; scan(), once per tick, costs a
// comparison per subscription and tells what changed. No clock, no allocation but in add().
// The venue's heartbeats are counted apart: they say that the socket lives, never that data does.
#include <perp/core/time.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace perp::feed {

struct LivenessOptions {
  std::int64_t bound_ns_min = 15 * core::ns_per_second;    ///< > 0
  std::int64_t bound_ns_max = 90 * core::ns_per_second;    ///< >= bound_ns_min
  std::int64_t acknowledge_ns = 10 * core::ns_per_second;  ///< an answer takes no longer, > 0
  /// For so long at least, and twice as long at most, a gap that ended by itself is remembered, >
  /// 0: what was usual at night is not by day.
  std::int64_t memory_ns = core::ns_per_hour;
};

class Liveness {
 public:
  enum class State : std::uint8_t {
    pending,       ///< asked for, not acknowledged yet
    acknowledged,  ///< no data yet
    live,          ///< data within the expected interval
    quiet,         ///< none for longer than that, within the bound
    silent,        ///< broken: no answer, or no data within the bound
  };
  struct Change {
    std::size_t subscription;
    State before;
    State after;
    std::int64_t silent_ns;  ///< since data, acknowledgement or request, whichever came last
  };
  /// The interval of a stream that speaks of rare events (liquidations): never silent once it is
  /// acknowledged.
  static constexpr std::int64_t no_interval = 0;

  /// Throws core::Error where an option is out of its range.
  explicit Liveness(const LivenessOptions& options = {});

  /// @param expected_ns between two messages in an ordinary market, as the venue's data say.
  /// Throws core::Error if it is negative. @returns the subscription's number, counted from 0
  std::size_t add(core::MonoNs now, std::int64_t expected_ns);
  /// What is expected of it has changed: its contract became busy or quiet. As add()'s.
  void expect(std::size_t subscription, std::int64_t expected_ns);
  /// It was asked for anew (after a reconnect, or for being silent).
  void on_request(std::size_t subscription, core::MonoNs now) noexcept;
  void on_acknowledged(std::size_t subscription, core::MonoNs now) noexcept;
  /// Data of this subscription. Needs no acknowledgement: some venues send none.
  void on_data(std::size_t subscription, core::MonoNs now) noexcept {
    last_data_[subscription] = now.ns;
  }
  void on_heartbeat(core::MonoNs now) noexcept { last_heartbeat_ = now; }

  /// Brings all states up to `now`. @param told called with each Change, in subscriptions' order
  template <class Told>
  void scan(core::MonoNs now, const Told& told) {
    if (now.ns >= forget_at_.ns) forget(now);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const State before = entries_[i].state;
      const State after = update(i, now);
      if (after != before) told(Change{i, before, after, now.ns - since(i)});
    }
  }

  State state(std::size_t subscription) const noexcept { return entries_[subscription].state; }
  /// Silence beyond this is broken, ns: twice the expected interval or twice the longest gap that
  /// was seen to end lately, within the options' bounds. Meaningless for no_interval.
  std::int64_t bound_ns(std::size_t subscription) const noexcept;
  /// For how long nothing was heard of it: no data, acknowledgement or request of ours, ns.
  std::int64_t silent_ns(std::size_t subscription, core::MonoNs now) const noexcept {
    return now.ns - since(subscription);
  }
  /// Of the last heartbeat; 0 ns before the first.
  core::MonoNs last_heartbeat() const noexcept { return last_heartbeat_; }
  std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    std::int64_t expected_ns;
    std::int64_t asked_ns;           ///< request or acknowledgement
    std::int64_t seen_ns;            ///< last data as of the last scan; none before the first
    std::int64_t longest_ns;         ///< gap between data of two scans
    std::int64_t longest_before_ns;  ///< the same before it was last put aside
    State state;
    bool is_acknowledged;
  };
  static constexpr std::int64_t none = core::unknown_ns;

  void forget(core::MonoNs now) noexcept;
  State update(std::size_t subscription, core::MonoNs now) noexcept;
  std::int64_t since(std::size_t subscription) const noexcept;

  LivenessOptions options_;
  std::vector<std::int64_t> last_data_;  ///< apart from the rest: all that a message touches
  std::vector<Entry> entries_;
  core::MonoNs last_heartbeat_;
  core::MonoNs forget_at_{std::numeric_limits<std::int64_t>::min()};
};

}  // namespace perp::feed
