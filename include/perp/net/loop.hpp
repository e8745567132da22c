#pragma once
// The event loop of one thread: sockets, timers, calls from other threads. Two engines behind one
// interface, io_uring and epoll; everything else, the order of events included, is the same.
//
// The thread that first calls run_once() owns the loop: every call but wake() and post() is made by
// it, or before it starts, or after it has ended. Sockets, listeners and timers are made from a
// loop and must be gone before it. Events are delivered inside run_once() only, never inside the
// call that caused them, so that a handler may close, destroy or make any socket or timer; it must
// not call run_once(). What a handler throws leaves run_once(); the loop stays usable.
//
// What was sent is handed to the kernel when the next round begins: one system call for all sockets
// on io_uring (the same one that waits), one per socket on epoll. A round without events costs, on
// io_uring, two loads and a clock read; on epoll a system call. A loop on io_uring that only looks
// and has one connection receives it by a plain call in each round, which is quicker.
// Nothing is allocated per message once the queues have grown to what the connections need.
#include <perp/core/idle.hpp>
#include <perp/core/time.hpp>
#include <perp/net/io_engine.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace perp::net {

namespace detail {
struct LoopCore;
}

struct LoopOptions {
  IoEngine engine = IoEngine::automatic;
  core::IdleOptions idle{};        ///< how run_once() without an argument waits
  std::size_t sockets_max = 1024;  ///< connections and listeners together
  std::size_t receive_buffer_bytes =
      std::size_t{32} * 1024;        ///< the most that one on_data() delivers
  std::size_t receive_buffers = 64;  ///< io_uring: how many, a power of two; shared by all sockets
  std::size_t posts_max = 1024;      ///< calls that may wait for the loop's thread
  /// io_uring: a kernel thread submits, so that sending needs no system call. It takes a processor:
  /// on two, shared with a spinning client, a round trip took 8 ms. Never a default.
  bool uses_submission_thread = false;
  /// io_uring on Linux 6.12: a sleep ends with `gather_events` there, or after gather_us with one,
  /// instead of with the first. It costs so much latency at most and saves system calls: with 200
  /// busy connections nine in ten. 0: not. Elsewhere without effect.
  unsigned gather_us = 0;
  unsigned gather_events = 32;
  unsigned busy_poll_us = 0;  ///< let the kernel poll the network card so long before it sleeps
};

/// Totals since the loop was made. @thread owner
struct LoopStats {
  std::uint64_t rounds = 0;
  std::uint64_t system_calls = 0;  ///< made by rounds: waiting, receiving, sending, arming
  std::uint64_t receives = 0;      ///< calls of on_data()
  std::uint64_t received_bytes = 0;
  std::uint64_t sends = 0;  ///< hand-overs to the kernel
  std::uint64_t sent_bytes = 0;
  std::uint64_t sends_refused = 0;      ///< queue over its limit
  std::uint64_t buffers_exhausted = 0;  ///< io_uring: a receive ended for want of a buffer
  std::uint64_t receives_rearmed = 0;   ///< io_uring: a multishot receive ended and was begun again
  std::uint64_t completions_overflowed = 0;  ///< io_uring: rounds that found completions held back
  std::uint64_t accepts_failed = 0;          ///< out of descriptors or sockets_max; tried again
  std::uint64_t timers_fired = 0;
  std::uint64_t wakes = 0;  ///< sleeps ended by wake() or post()
};

class Loop {
 public:
  /// Chooses the engine and sets it up. @throws core::Error as choose_io_engine(), or naming the
  /// option or the system call that failed.
  explicit Loop(const LoopOptions& options = {});
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// One round: hands over what was sent, runs posted calls and due timers, waits if there was
  /// nothing to do, delivers what has come. @param max_wait_ns 0: only looks (for spinning);
  /// negative: until something happens. Sleeps no longer than to the next timer.
  /// @returns how many events it delivered. @thread owner
  int run_once(std::int64_t max_wait_ns);
  /// The same, waiting as options.idle says: never (spin), after `spin_rounds` fruitless rounds
  /// (park) or at once (block), for `park_ns` at most. For core::Worker, whose own idle kind is
  /// then `spin`; its owner calls wake() behind request_stop(). @thread owner
  int run_once();

  /// Ends the sleep that the loop is in or about to begin. A system call only if it sleeps.
  /// @thread any, while the loop exists
  void wake() noexcept;
  /// Has `call` run by the loop's thread in its next round, in order. Takes a mutex, allocates:
  /// cold.
  /// @returns false if `posts_max` calls wait already. @thread any, while the loop exists
  [[nodiscard]] bool post(std::function<void()> call);

  /// When the current round woke up, or the last one if none runs.
  core::MonoNs now() const noexcept;
  /// The engine in use and why: for one log line and a metric. Never `automatic`.
  const IoChoice& io() const noexcept;
  const LoopStats& stats() const noexcept;
  /// Connections and listeners that exist, those included whose end the kernel has yet to confirm.
  std::size_t socket_count() const noexcept;

 private:
  friend class Socket;
  friend class Listener;
  friend class Timer;
  std::unique_ptr<detail::LoopCore> core_;
};

}  // namespace perp::net
