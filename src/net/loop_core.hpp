#pragma once
// The loop behind the interface: the connections and their rules (what ends one, when a queue is
// handed over), and the round. Engines report to it; sockets, listeners and timers act on it.
#include "net/engine.hpp"
#include "net/socket_state.hpp"
#include "net/timer_heap.hpp"

#include <perp/core/file.hpp>
#include <perp/core/platform.hpp>
#include <perp/core/tsc_clock.hpp>
#include <perp/net/loop.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace perp::net::detail {

struct LoopCore {
  explicit LoopCore(const LoopOptions& given);
  ~LoopCore();
  LoopCore(const LoopCore&) = delete;
  LoopCore& operator=(const LoopCore&) = delete;

  int run_once(std::int64_t max_wait_ns);
  int run_once();

  // For sockets and listeners.
  /// Never fails; `used` may exceed sockets_max by those that dial only to be told so.
  SocketState& take();
  bool is_over_limit() const noexcept { return used > options.sockets_max; }
  /// It has something for the beginning of the next round.
  void touch(SocketState& socket);
  /// Ends it without an event.
  void let_go(SocketState& socket);
  void end(SocketState& socket, CloseReason::Kind kind, int error);

  // For engines.
  /// The moment of what is delivered from here on.
  void stamp() noexcept {
    now = clock.mono_now();
    wall = clock.wall_now();
  }
  void connect_ready(SocketState& socket);
  void accept_ready(SocketState& socket);
  void received(SocketState& socket, std::span<const std::byte> data);
  /// @param error 0: the peer has finished
  void receive_ended(SocketState& socket, int error);
  void sent(SocketState& socket, std::size_t size_bytes);
  void send_failed(SocketState& socket, int error);
  /// The wake event is readable.
  void drain_wake_event() noexcept;
  /// Nothing of the kernel's points at it any more. In use again from the next round on: events of
  /// this one may still name it.
  void retire(SocketState& socket) { retired_.push_back(&socket); }

  // From any thread.
  void wake() noexcept;
  bool post(std::function<void()> call);

  LoopOptions options;
  IoChoice io;
  core::TscClock clock;
  core::MonoNs now;
  core::WallNs wall;
  LoopStats stats;
  TimerHeap timers;
  core::File wake_event;
  std::size_t used = 0;  ///< connections and listeners, closing ones included
  std::unique_ptr<Engine> engine;

 private:
  int poll(std::int64_t wait_ns);
  int run_posted();
  void begin_round();
  void hand_over(SocketState& socket, bool is_alone);
  std::int64_t wait_of(std::int64_t max_wait_ns) const noexcept;
  void reuse_retired();

  std::vector<std::unique_ptr<SocketState>> sockets_;  ///< all that were ever made
  std::vector<SocketState*> unused_;
  std::vector<SocketState*> retired_;
  std::vector<SocketState*> touched_;
  std::vector<SocketState*> beginning_;  ///< touched ones of the round that begins
  std::uint32_t fruitless_rounds_ = 0;
  std::uint32_t wakes_seen_ = 0;

  std::mutex post_mutex_;  ///< guards posted_
  std::deque<std::function<void()>> posted_;
  // Written by wakers, read by the loop; counts wakes and wraps. With is_asleep_: a waker counts,
  // then looks whether the loop sleeps; the loop says that it sleeps, then looks at the count. The
  // four are sequentially consistent, so either the loop sees the wake or the waker the sleeper
  // (as core::Doorbell, whose sleep is a futex).
  alignas(core::cache_line_pair) std::atomic<std::uint32_t> wakes_{0};
  // Set by the loop before it sleeps, taken by the waker that writes the event; one write per
  // sleep.
  std::atomic<bool> is_asleep_{false};
};

}  // namespace perp::net::detail
