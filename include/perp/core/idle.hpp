#pragma once
// How a worker waits when there is nothing to do, apart from what it does.
//   spin   never sleeps: lowest latency, a whole CPU
//   park   spins a little, then sleeps until its doorbell rings (the default: an idle pipeline
//          costs no CPU)
//   block  sleeps at once
// A Doorbell is a futex: any thread rings it after publishing work; ringing costs one locked add,
// and a system call only if somebody sleeps. A sleeper also wakes by itself after `park_ns`, so
// work whose producer has no bell (a file, a timer) is found late but found. Never misses a ring
// between the last look and the sleep.
#include <perp/core/platform.hpp>
#include <perp/core/sequence.hpp>
#include <perp/core/time.hpp>

#include <atomic>
#include <cstdint>
#include <string_view>

namespace perp::core {

namespace detail {
/// Sleeps while `word` is `expected`, at most `timeout_ns`; may return for no reason. The kernel's
/// look and its sleep are one step to futex_wake() of the same word.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::int64_t timeout_ns) noexcept;
/// Wakes all that sleep on `word`.
void futex_wake(std::atomic<std::uint32_t>& word) noexcept;
}  // namespace detail

// Why no ring is lost: P1, P2, C1 and C2 are sequentially consistent, so they have one order.
//
//   consumer                                   producer
//   t = rings                                  publish work
//   look for work: none                        rings = rings + 1        (P1)
//   sleepers = sleepers + 1      (C1)          if sleepers > 0: wake    (P2)
//   sleep unless rings != t      (C2)
//
// If C2 sees no ring, C2 is before P1, hence C1 before P2, hence the producer wakes. The kernel
// then looks once more: a wake before that look shows it the ring, a wake after it finds a sleeper.
// With weaker orders C1 and C2, or P1 and P2, may pass each other in the store buffer: the consumer
// sleeps on work that is there. The ticket needs acquire only: an old one ends the wait at once, a
// new one must bring the work that was published before its ring.
template <template <class> class Atomic = std::atomic>
class BasicDoorbell {
 public:
  using Ticket = std::uint32_t;

  BasicDoorbell() = default;
  BasicDoorbell(const BasicDoorbell&) = delete;
  BasicDoorbell& operator=(const BasicDoorbell&) = delete;

  /// After work was published. @thread any
  void ring() noexcept {
    using detail::futex_wake;
    rings_.tell();                                            // P1
    if (sleepers_.settled() != 0) futex_wake(rings_.word());  // P2
  }
  /// Before looking for work. @thread any
  Ticket ticket() const noexcept { return rings_.observe(); }
  /// Sleeps until a ring later than `ticket`, for `timeout_ns` (<= 0: not at all), or for no reason
  /// less. @returns whether it rang; then what was published before the ring is visible.
  bool wait(Ticket ticket, std::int64_t timeout_ns) noexcept {
    using detail::futex_wait;
    if (timeout_ns > 0) {
      sleepers_.tell();                                                               // C1
      if (rings_.settled() == ticket) futex_wait(rings_.word(), ticket, timeout_ns);  // C2
      sleepers_.untell();
    }
    // Settled: a sleeper that was woken sees the ring, although a futex hands over nothing by
    // itself.
    return rings_.settled() != ticket;
  }

 private:
  // Written by every producer, read by sleepers and the kernel; counts rings, wraps (a sleeper
  // would have to miss 2^32 of them). tell() in ring() pairs with the settled() in wait(), and
  // hands over the work published before it to the observe() in ticket().
  alignas(cache_line_pair) Tally<std::uint32_t, Atomic> rings_;
  // Written by sleepers, read by producers: how many are asleep or about to be. tell() in wait()
  // pairs with the settled() in ring().
  Tally<std::uint32_t, Atomic> sleepers_;
};

using Doorbell = BasicDoorbell<>;

enum class IdleKind : std::uint8_t { spin, park, block };
std::string_view name_of(IdleKind kind) noexcept;
/// "spin", "park", "block". @returns false for any other text.
[[nodiscard]] bool parse_idle_kind(std::string_view text, IdleKind& kind) noexcept;

struct IdleOptions {
  IdleKind kind = IdleKind::park;
  std::uint32_t spin_rounds = 200;        ///< fruitless rounds before a `park` worker sleeps
  std::int64_t park_ns = 50 * ns_per_ms;  ///< longest sleep without a ring
};

/// Each round of a worker: prepare(); n = do_work(); idle(n). @thread owner
template <template <class> class Atomic = std::atomic>
class BasicIdleStrategy {
  using Bell = BasicDoorbell<Atomic>;

 public:
  /// @param bell outlives this.
  BasicIdleStrategy(const IdleOptions& options, Bell& bell) noexcept
      : options_(options), bell_(bell) {}

  /// Before looking for work: rings from here on end the sleep that may follow.
  void prepare() noexcept {
    if (options_.kind != IdleKind::spin) ticket_ = bell_.ticket();
  }
  /// @param work_count what do_work() returned; more than 0 starts over.
  void idle(int work_count) noexcept {
    if (work_count > 0) {
      rounds_ = 0;
      return;
    }
    if (options_.kind == IdleKind::spin ||
        (options_.kind == IdleKind::park && ++rounds_ <= options_.spin_rounds)) {
      relax_cpu();
      return;
    }
    ++sleeps_;
    if (bell_.wait(ticket_, options_.park_ns))
      rounds_ = 0;  // after a mere time-out one look is enough
  }
  std::uint64_t sleep_count() const noexcept { return sleeps_; }

 private:
  IdleOptions options_;
  Bell& bell_;
  typename Bell::Ticket ticket_ = 0;
  std::uint32_t rounds_ = 0;
  std::uint64_t sleeps_ = 0;
};

using IdleStrategy = BasicIdleStrategy<>;

}  // namespace perp::core
