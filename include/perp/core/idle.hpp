#pragma once
// How a worker waits when there is nothing to do, apart from what it does.
//   spin   never sleeps: lowest latency, a whole CPU
//   park   spins a little, then sleeps until its doorbell rings (the default: an idle pipeline
//   costs no CPU) block  sleeps at once
// A Doorbell is a futex: any thread rings it after publishing work; ringing costs one locked add,
// and a system call only if somebody sleeps. A sleeper also wakes by itself after `park_ns`, so
// work whose producer has no bell (a file, a timer) is found late but found. Never misses a ring
// between the last look and the sleep.
#include <perp/core/platform.hpp>
#include <perp/core/time.hpp>

#include <atomic>
#include <cstdint>
#include <string_view>

namespace perp::core {

// Why no ring is lost: all four operations are sequentially consistent, so they have one order.
//
//   consumer                                   producer
//   t = rings                                  publish work
//   look for work: none                        rings = rings + 1        (P1)
//   sleepers = sleepers + 1      (C1)          if sleepers > 0: wake    (P2)
//   sleep unless rings != t      (C2)
//
// If C2 sees no ring, C2 is before P1, hence C1 before P2, hence the producer wakes. With weaker
// orders C1 and C2, or P1 and P2, may pass each other in the store buffer: the consumer sleeps on
// work that is there.
class Doorbell {
 public:
  using Ticket = std::uint32_t;

  Doorbell() = default;
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;

  /// After work was published. @thread any
  void ring() noexcept {
    rings_.fetch_add(1);
    if (sleepers_.load() != 0) wake();
  }
  /// Before looking for work. @thread any
  Ticket ticket() const noexcept { return rings_.load(); }
  /// Sleeps until a ring later than `ticket`, or `timeout_ns` (<= 0: returns at once). @returns
  /// whether it rang.
  bool wait(Ticket ticket, std::int64_t timeout_ns) noexcept;

 private:
  void wake() noexcept;

  // Written by every producer, read by sleepers; counts rings, wraps (a sleeper would have to miss
  // 2^32 of them).
  alignas(cache_line_pair) std::atomic<std::uint32_t> rings_{0};
  // Written by sleepers, read by producers: how many are asleep or about to be.
  std::atomic<std::uint32_t> sleepers_{0};
};

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
class IdleStrategy {
 public:
  /// @param bell outlives this.
  IdleStrategy(const IdleOptions& options, Doorbell& bell) noexcept
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

  /// Tells the core that this is a spin: its sibling and the power budget profit.
  static void relax_cpu() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

 private:
  IdleOptions options_;
  Doorbell& bell_;
  Doorbell::Ticket ticket_ = 0;
  std::uint32_t rounds_ = 0;
  std::uint64_t sleeps_ = 0;
};

}  // namespace perp::core
