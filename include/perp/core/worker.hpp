#pragma once
// One thread that calls `int do_work()` (how much it did) over and over, waits by an IdleStrategy
// when that is nothing, and stops when told. Feed, engine, journal, loader and API loops all run in
// one. A round costs the call and two loads besides. Nothing starts in a constructor: start() does;
// a test calls do_work() by hand instead. The destructor stops and joins. An exception ends the
// loop, and join() throws it at the owner: never swallowed.
#include <perp/core/idle.hpp>

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
  void request_stop() noexcept {
    is_stopping_.store(true);
    doorbell_.ring();
  }
  bool is_stopping() const noexcept { return is_stopping_.load(); }
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
      while (!is_stopping()) {
        idle.prepare();
        // Looked at again behind prepare(): a stop requested in between has rung a bell that
        // prepare() has counted.
        if (is_stopping()) break;
        idle.idle(static_cast<int>(do_work()));
      }
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
  // Written by start() and by the thread at its end; read by any. Sequentially consistent: off the
  // hot path.
  std::atomic<State> state_{State::idle};
  // Written by whoever stops it; read by the thread each round (on x86-64 a plain load).
  // Sequentially consistent.
  std::atomic<bool> is_stopping_{false};
  std::jthread thread_;  ///< last: everything it uses outlives it
};

}  // namespace perp::core
