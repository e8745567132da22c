#pragma once
// A small model checker for the lock-free headers: it runs a few threads of a few operations in
// every interleaving (or up to a number of preemptions, or in random ones) and lets every load
// return every value that the C++ memory model allows, not just the newest. `model::Atomic`
// (model_atomic.hpp) takes the place of std::atomic in the unit under test.
//
// Memory: each location keeps all its stores; a thread's view says, per location, the oldest store
// that it may still read. A release store carries the writer's view and vector clock, an acquire
// load that reads it joins both; a read-modify-write reads the newest store and passes on what that
// carried. Sequentially consistent operations have the order in which they are executed: such a
// load reads no store older than the last sequentially consistent one. What this cannot produce:
// values out of thin air, and loads that see later stores of other threads (load buffering). Where
// code relies on that not happening, it guards data; so plain data is checked for happens-before by
// vector clocks: a race is a failure however harmless the interleaving at hand. To prove that a
// memory order is needed: weaken() it and see the check fail.
//
// Futexes: a wait and a wake of one word have one order and see each other's past, as futex(2)
// says; to all else the kernel's look at the word is as stale as any. Nothing times out, so that a
// lost ring is not made good: if all threads that are left sleep, the execution is wrong.
//
// Threads change only where it can matter. Loads, and the store behind them, are one step: what
// another thread does between a load and the next operation it could have done before that load,
// which may still read the old value. Sequentially consistent operations are steps of their own.
//
// Threads are coroutines on one OS thread. Not under sanitizers, which do not know them.
#include "support/random_records.hpp"

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace perp::test::model {

inline constexpr std::size_t thread_max = 5;  // number 0 is the test itself, before and after run()
inline constexpr std::size_t location_max = 64;
inline constexpr int unlimited = std::numeric_limits<int>::max();

enum class Operation { load, store, update };

/// Operations of locations [first, last] (in order of construction) that were written with `order`
/// are done one weaker: sequentially consistent ones as acquire and release, those as relaxed.
struct Weakening {
  std::size_t first = 1;
  std::size_t last = 0;
  Operation operation = Operation::load;
  std::memory_order order = std::memory_order_acquire;
};

struct Outcome {
  std::uint64_t execution_count = 0;
  std::string failure;  ///< empty: every execution was right
};

class Checker {
 public:
  /// @param preemption_max switches away from a thread that could go on, per execution; others are
  /// not limited
  explicit Checker(int preemption_max = unlimited) : preemption_max_(preemption_max) {
    for (Thread& thread : threads_) thread.stack.resize(std::size_t{1} << 16);
    current_checker = this;
  }
  ~Checker() { current_checker = nullptr; }
  Checker(const Checker&) = delete;
  Checker& operator=(const Checker&) = delete;

  static Checker& current() { return *current_checker; }

  void weaken(const Weakening& weakening) { weak_ = weakening; }
  /// Makes every operation a step of its own: slower, and finds the same.
  void split_steps() { splits_steps_ = true; }
  /// From now on, every load of locations from `first` on by thread `reader` (1 is the first) must
  /// be ordered with every store to them: for words that this reader relies on not to change.
  void guard_loads(std::size_t first, std::size_t reader) {
    guarded_from_ = first;
    guarded_reader_ = reader;
  }

  /// Calls `body` for every execution until one fails. It makes the unit under test, calls run()
  /// once, and may look at the result.
  Outcome explore(const std::function<void(Checker&)>& body) {
    Outcome outcome;
    random_ = nullptr;
    path_.clear();
    do {
      execute(body, outcome);
    } while (outcome.failure.empty() && next_path());
    return outcome;
  }
  /// The same for `count` executions in which every choice is drawn.
  Outcome explore_random(const std::function<void(Checker&)>& body, std::uint64_t count,
                         std::uint64_t seed) {
    Outcome outcome;
    Draw draw(seed);
    random_ = &draw;
    while (outcome.execution_count < count && outcome.failure.empty()) execute(body, outcome);
    random_ = nullptr;
    return outcome;
  }

  /// Runs the threads to their end, or to the first failure, after which nothing more of them is
  /// executed.
  void run(std::vector<std::function<void()>> bodies) {
    thread_count_ = bodies.size() + 1;
    if (thread_count_ > thread_max) std::abort();
    for (std::size_t i = 1; i < thread_count_; ++i) {
      Thread& thread = threads_[i];
      thread.body = std::move(bodies[i - 1]);
      thread.is_done = false;
      thread.view = threads_[0].view;
      thread.clock = threads_[0].clock;
      thread.clock[i] = 1;
      if (!thread.is_parked) prepare(thread);
    }
    switch_to(1 + choose(bodies.size()));
    for (std::size_t i = 1; i < thread_count_; ++i) join(threads_[0], threads_[i]);
  }

  /// Ends this execution as wrong. Does not return to a thread that is not the test itself.
  void fail(const std::string& why) {
    if (failure_.empty()) failure_ = why;
    if (running_ == 0) return;
    threads_[running_].is_parked = false;
    switch_to(0);
  }
  void check(bool is_right, const char* what) {
    if (!is_right) fail(what);
  }
  bool has_failed() const { return !failure_.empty(); }

  // What model::Atomic and plain data report.
  std::uint32_t add_location(std::uint64_t value) {
    if (location_count_ == location_max) std::abort();
    Location& location = locations_[location_count_];
    location.stores.assign(1, Store{value, 0, false, 0, {}});
    location.last_load = {};
    location.settled = 0;
    return static_cast<std::uint32_t>(location_count_++);
  }

  std::uint64_t load(std::uint32_t at, std::memory_order order) {
    order = weakened(at, Operation::load, order);
    const bool is_ordered = order == std::memory_order_seq_cst;
    let_others_run(is_ordered ? Step::ordered : Step::load);
    Location& location = locations_[at];
    return read(at, choose_store(at, is_ordered ? location.settled : 0),
                order != std::memory_order_relaxed)
        .value;
  }

  void store(std::uint32_t at, std::uint64_t value, std::memory_order order) {
    order = weakened(at, Operation::store, order);
    let_others_run(order == std::memory_order_seq_cst ? Step::ordered : Step::store);
    append(at, value, order, nullptr);
  }

  /// A read-modify-write. @returns what was there
  template <class Change>
  std::uint64_t update(std::uint32_t at, Change change, std::memory_order order) {
    order = weakened(at, Operation::update, order);
    let_others_run(Step::ordered);
    const bool acquires = order != std::memory_order_relaxed && order != std::memory_order_release;
    // A copy: append() may move the stores.
    const Store before = read(at, locations_[at].stores.size() - 1, acquires);
    append(at, change(before.value), order, &before);
    return before.value;
  }

  void futex_wait(std::uint32_t at, std::uint64_t expected) {
    let_others_run(Step::ordered);
    Thread& thread = threads_[running_];
    join(thread, kernel_);
    const std::uint64_t value = read(at, choose_store(at, 0), false).value;
    join(kernel_, thread);
    if (value != expected) return;
    thread.asleep_on = at;
    go_on();
  }
  void futex_wake(std::uint32_t at) {
    let_others_run(Step::ordered);
    join(threads_[running_], kernel_);
    join(kernel_, threads_[running_]);
    for (Thread& thread : threads_) {
      if (thread.asleep_on == at) thread.asleep_on = awake;
    }
  }

  void read_plain(const void* address) {
    Plain& plain = plain_at(address);
    Thread& thread = threads_[running_];
    if (plain.last_write > thread.clock[plain.writer]) fail("data race: a read meets a write");
    plain.last_read[running_] = ++thread.clock[running_];
  }
  void write_plain(const void* address) {
    Plain& plain = plain_at(address);
    Thread& thread = threads_[running_];
    if (plain.last_write > thread.clock[plain.writer]) fail("data race: a write meets a write");
    for (std::size_t i = 0; i < thread_max; ++i) {
      if (plain.last_read[i] > thread.clock[i]) fail("data race: a write meets a read");
    }
    plain.last_write = ++thread.clock[running_];
    plain.writer = running_;
  }

 private:
  static constexpr std::uint32_t awake = std::numeric_limits<std::uint32_t>::max();
  enum class Step { load, store, ordered };

  /// What has happened before, and what can no longer be read.
  struct Knowledge {
    std::array<std::uint32_t, thread_max> clock{};
    std::array<std::uint16_t, location_max> view{};
  };
  struct Store {
    std::uint64_t value = 0;
    std::size_t writer = 0;
    bool is_release = false;
    std::uint32_t stamp = 0;  // on the writer's clock
    Knowledge released;       // what an acquire load gets
  };
  struct Location {
    std::vector<Store> stores;
    std::array<std::uint32_t, thread_max> last_load{};
    std::size_t settled = 0;  // the last sequentially consistent store
  };
  struct Plain {
    const void* address = nullptr;
    std::uint32_t last_write = 0;
    std::size_t writer = 0;
    std::array<std::uint32_t, thread_max> last_read{};
  };
  struct Thread : Knowledge {
    std::function<void()> body;
    std::vector<char> stack;
    ucontext_t context{};  // where it begins
    jmp_buf place{};       // where it goes on
    bool has_begun = false;
    bool is_parked = false;  // behind a body's end: it takes the next one
    bool is_done = true;
    bool is_in_step = false;  // its last operation was a load: see "Threads change only..."
    std::uint32_t asleep_on = awake;
  };
  struct Choice {
    std::size_t count = 0;
    std::size_t pick = 0;
  };

  static void join(Knowledge& into, const Knowledge& from) {
    for (std::size_t i = 0; i < thread_max; ++i)
      into.clock[i] = std::max(into.clock[i], from.clock[i]);
    for (std::size_t i = 0; i < location_max; ++i)
      into.view[i] = std::max(into.view[i], from.view[i]);
  }
  std::memory_order weakened(std::uint32_t at, Operation operation, std::memory_order order) const {
    if (operation != weak_.operation || order != weak_.order || at < weak_.first || at > weak_.last)
      return order;
    if (order != std::memory_order_seq_cst) return std::memory_order_relaxed;
    switch (operation) {
      case Operation::load: return std::memory_order_acquire;
      case Operation::store: return std::memory_order_release;
      case Operation::update: break;
    }
    return std::memory_order_acq_rel;
  }

  std::size_t choose_store(std::uint32_t at, std::size_t oldest) {
    oldest = std::max<std::size_t>(oldest, threads_[running_].view[at]);
    const std::size_t newest = locations_[at].stores.size() - 1;
    return newest - choose(newest - oldest + 1);
  }
  const Store& read(std::uint32_t at, std::size_t index, bool acquires) {
    Thread& thread = threads_[running_];
    Location& location = locations_[at];
    const Store& store = location.stores[index];
    if (at >= guarded_from_ && running_ == guarded_reader_) {
      const Store& newest = location.stores.back();
      if (newest.stamp > thread.clock[newest.writer]) fail("read while it may be overwritten");
    }
    thread.view[at] = static_cast<std::uint16_t>(index);
    location.last_load[running_] = ++thread.clock[running_];
    if (store.is_release && acquires) join(thread, store.released);
    return store;
  }
  /// @param before what a read-modify-write read: its release goes on through it
  void append(std::uint32_t at, std::uint64_t value, std::memory_order order, const Store* before) {
    Thread& thread = threads_[running_];
    Location& location = locations_[at];
    if (at >= guarded_from_ && running_ != guarded_reader_ &&
        location.last_load[guarded_reader_] > thread.clock[guarded_reader_]) {
      fail("overwritten while a reader may be reading");
      return;
    }
    ++thread.clock[running_];
    thread.view[at] = static_cast<std::uint16_t>(location.stores.size());
    Store store{value, running_, false, thread.clock[running_], {}};
    if (before != nullptr && before->is_release) {
      store.is_release = true;
      store.released = before->released;
    }
    if (order != std::memory_order_relaxed && order != std::memory_order_acquire) {
      store.is_release = true;
      join(store.released, thread);
    }
    if (order == std::memory_order_seq_cst) location.settled = location.stores.size();
    location.stores.push_back(store);
  }
  Plain& plain_at(const void* address) {
    for (Plain& plain : plain_) {
      if (plain.address == address) return plain;
    }
    plain_.push_back({address, 0, 0, {}});
    return plain_.back();
  }

  void execute(const std::function<void(Checker&)>& body, Outcome& outcome) {
    reset();
    body(*this);
    ++outcome.execution_count;
    outcome.failure = failure_;
  }
  void reset() {
    for (Thread& thread : threads_) {
      static_cast<Knowledge&>(thread) = {};
      thread.is_done = true;
      thread.is_in_step = true;  // who begins was chosen
      thread.asleep_on = awake;
    }
    kernel_ = {};
    location_count_ = 0;
    plain_.clear();
    failure_.clear();
    depth_ = 0;
    preemption_count_ = 0;
    running_ = 0;
    thread_count_ = 1;
    guarded_from_ = location_max;
  }

  // A function of its own: getcontext may return twice as far as the compiler knows.
  static void prepare(Thread& thread) {
    thread.has_begun = false;
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.data();
    thread.context.uc_stack.ss_size = thread.stack.size();
    thread.context.uc_link = nullptr;
    makecontext(
        &thread.context, [] { Checker::current().run_current(); }, 0);
  }

  /// One of `count` possibilities; all of them in the course of explore().
  std::size_t choose(std::size_t count) {
    if (count == 1) return 0;
    if (random_ != nullptr) return random_->below(count);
    if (depth_ == path_.size()) path_.push_back({count, 0});
    if (path_[depth_].count != count) std::abort();  // the body does not behave the same twice
    return path_[depth_++].pick;
  }
  bool next_path() {
    while (!path_.empty() && path_.back().pick + 1 == path_.back().count) path_.pop_back();
    if (path_.empty()) return false;
    ++path_.back().pick;
    return true;
  }

  /// Threads other than the running one that can go on.
  std::size_t find_others(std::array<std::size_t, thread_max>& others) const {
    std::size_t count = 0;
    for (std::size_t i = 1; i < thread_count_; ++i) {
      if (i != running_ && !threads_[i].is_done && threads_[i].asleep_on == awake)
        others[count++] = i;
    }
    return count;
  }
  void let_others_run(Step step) {
    if (running_ == 0) return;
    Thread& thread = threads_[running_];
    const bool is_within = thread.is_in_step && step != Step::ordered && !splits_steps_;
    thread.is_in_step = step == Step::load;
    if (is_within || preemption_count_ == preemption_max_) return;
    std::array<std::size_t, thread_max> others{};
    const std::size_t pick = choose(1 + find_others(others));
    if (pick == 0) return;
    ++preemption_count_;
    switch_to(others[pick - 1]);
  }
  /// The running thread cannot: it has ended or sleeps.
  void go_on() {
    std::array<std::size_t, thread_max> others{};
    const std::size_t count = find_others(others);
    if (count != 0) {
      switch_to(others[choose(count)]);
      return;
    }
    for (const Thread& thread : threads_) {
      if (thread.asleep_on != awake) fail("asleep for ever: a wake-up was lost");
    }
    switch_to(0);
  }
  /// swapcontext() would do, but asks the kernel for the signal mask each time: most of a check's
  /// time.
  void switch_to(std::size_t next) {
    Thread& left = threads_[running_];
    running_ = next;
    left.has_begun = true;
    if (_setjmp(left.place) != 0) return;
    Thread& entered = threads_[next];
    if (std::exchange(entered.has_begun, true)) _longjmp(entered.place, 1);
    setcontext(&entered.context);
  }
  void run_current() {
    for (;;) {
      Thread& thread = threads_[running_];
      thread.body();
      thread.is_done = thread.is_parked = true;
      go_on();
      thread.is_parked = false;
    }
  }

  inline static Checker* current_checker = nullptr;

  int preemption_max_;
  Weakening weak_;
  bool splits_steps_ = false;
  std::vector<Choice> path_;
  Draw* random_ = nullptr;

  // This execution's.
  std::array<Thread, thread_max> threads_;
  std::array<Location, location_max> locations_;
  Knowledge kernel_;  // what a futex call knows of the futex calls before it
  std::vector<Plain> plain_;
  std::string failure_;
  std::size_t thread_count_ = 1;
  std::size_t running_ = 0;
  std::size_t location_count_ = 0;
  std::size_t guarded_from_ = location_max;
  std::size_t guarded_reader_ = 0;
  std::size_t depth_ = 0;
  int preemption_count_ = 0;
};

}  // namespace perp::test::model
