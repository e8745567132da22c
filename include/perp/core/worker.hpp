#pragma once
// One thread that calls `int do_work()` (how much it did) over and over, waits by an IdleStrategy
// when that is nothing, and stops when told. Feed, engine, journal, loader and API loops all run in
// one. A round costs the call and two loads besides. Nothing starts in a constructor: start() does;
// a test calls do_work() by hand instead. The destructor stops and joins. An exception ends the
// loop, and join() throws it at the owner: never swallowed.
#include <perp/core/idle.hpp>
#include <perp/core/sequence.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <string>
#include <thread>
#include <utility>

namespace perp::core {

struct WorkerOptions {
  std::string name = "worker";  ///< of the thread; the kernel keeps 15 bytes
  int cpu = -1;                 ///< -1: not pinned
  IdleOptions idle;
};

/// "Stop" from any thread to a loop that may be asleep. Public for tests.
template <template <class> class Atomic = std::atomic>
class BasicStopSignal {
 public:
  /// @thread any
  void request(BasicDoorbell<Atomic>& bell) noexcept {
    requested_.publish(1);
    bell.ring();
  }
  /// What was done before request() is then visible. @thread any
  bool is_requested() const noexcept { return requested_.observe() != 0; }

 private:
  // Written by whoever stops it, all the same value; read by the loop each round.
  // publish() in request() hands over what the stopping thread did; pairs with the observe() in
  // is_requested(). The bell behind it, not its order, is what wakes the loop.
  Sequence<std::uint8_t, Atomic> requested_;
};

/// A worker's loop, which ends in the round that finds a stop.
template <template <class> class Atomic, class DoWork>
void run_until_stopped(const BasicStopSignal<Atomic>& stop, BasicIdleStrategy<Atomic>& idle,
                       DoWork& do_work) {
  for (;;) {
    idle.prepare();
    // Looked at behind prepare(): a stop that is not seen here has yet to ring, which ends the
    // sleep of this round. Looked at before, its ring could be one that prepare() has counted.
    if (stop.is_requested()) return;
    idle.idle(static_cast<int>(do_work()));
  }
}

class Worker {
 public:
  explicit Worker(WorkerOptions options) : options_(std::move(options)) {}
  /// Stops and joins. A failure that nobody took with join() is written to stderr.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Starts the thread; `do_work` is a callable `int()` that it owns until it ends. Once. @thread
  /// owner
  template <class DoWork>
  void start(DoWork do_work) {
    check_not_started();
    thread_ = std::jthread([this, work = std::move(do_work)]() mutable { run(work); });
    note_running();
  }

  /// The loop ends after the round it is in. Wakes it if it sleeps. @thread any
  void request_stop() noexcept { stop_.request(doorbell_); }
  bool is_stopping() const noexcept { return stop_.is_requested(); }
  /// Waits for the end. @throws whatever do_work() threw, the first time it is called after that.
  /// @thread owner
  void join();

  /// Producers ring it after publishing work for this worker. @thread any
  Doorbell& doorbell() noexcept { return doorbell_; }
  /// False before start() and after the last round. @thread any
  bool is_running() const noexcept { return state_.load() == State::running; }
  /// True once do_work() has thrown, whether or not join() told it. @thread any
  bool has_failed() const noexcept { return state_.load() == State::failed; }
  const std::string& name() const noexcept { return options_.name; }

 private:
  enum class State : std::uint8_t { idle, running, done, failed };

  template <class DoWork>
  void run(DoWork& do_work) noexcept {
    State end = State::done;
    note_running();
    // A worker's outermost loop, one of the three places that catch.
    try {
      prepare_thread();
      IdleStrategy idle(options_.idle, doorbell_);
      run_until_stopped(stop_, idle, do_work);
    } catch (...) {
      failure_ = std::current_exception();
      end = State::failed;
    }
    state_.store(end);
  }
  /// By whichever of owner and thread is first, unless the thread has already ended.
  void note_running() noexcept {
    State before = State::idle;
    state_.compare_exchange_strong(before, State::running);
  }
  void check_not_started() const;
  void prepare_thread() const;

  WorkerOptions options_;
  std::exception_ptr
      failure_;  ///< written by the thread before it ends, read by the owner after joining it
  Doorbell doorbell_;
  BasicStopSignal<> stop_;
  // Written by start() and by the thread at its end; read by any. Nothing is read through it
  // (failure_ is behind the join); sequentially consistent because that costs nothing here.
  std::atomic<State> state_{State::idle};
  std::jthread thread_;  ///< last: everything it uses outlives it
};

}  // namespace perp::core
