#pragma once
// A small model checker for the lock-free headers: it runs a few threads of a few operations in
// every interleaving (up to a number of preemptions) and lets every load return every value that
// the C++ memory model allows, not just the newest. `model::Atomic` takes the place of std::atomic
// in the unit under test.
//
// Memory: each location keeps all its stores; a thread's view says, per location, the oldest store
// that it may still read. A release store carries the writer's view and vector clock, an acquire
// load that reads it joins both. What this cannot produce: values out of thin air, and loads that
// see later stores of other threads (load buffering). Where code relies on that not happening, it
// guards data; so plain data is checked for happens-before by vector clocks: a race is a failure
// however harmless the interleaving at hand. To prove that a memory order is needed: weaken() it
// and see the check fail.
//
// Threads are coroutines on one OS thread. Not under sanitizers, which do not know them.
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace perp::test::model {

inline constexpr std::size_t thread_max = 4;  // number 0 is the test itself, before and after run()
inline constexpr std::size_t location_max = 64;

enum class Operation { load, store };

struct Outcome {
  std::uint64_t execution_count = 0;
  std::string failure;  ///< empty: every execution was right
};

class Checker {
 public:
  /// @param preemption_max switches away from a thread that could go on, per execution; others are
  /// not limited
  explicit Checker(int preemption_max) : preemption_max_(preemption_max) {
    for (Thread& thread : threads_) thread.stack.resize(std::size_t{1} << 16);
    current_checker = this;
  }
  ~Checker() { current_checker = nullptr; }
  Checker(const Checker&) = delete;
  Checker& operator=(const Checker&) = delete;

  static Checker& current() { return *current_checker; }

  /// Treats every load or store of locations [first, last] (in order of construction) as relaxed.
  void weaken(std::size_t first, std::size_t last, Operation operation) {
    weak_ = {first, last, operation};
  }
  /// From now on a store to a location from `first` on fails unless every other thread's last load
  /// of it happened before: for words that a reader may rely on not to change.
  void guard_loads(std::size_t first) { guarded_from_ = first; }

  /// Calls `body` for every execution until one fails. It makes the unit under test, calls run()
  /// once, and may look at the result.
  Outcome explore(const std::function<void(Checker&)>& body) {
    Outcome outcome;
    path_.clear();
    do {
      reset();
      body(*this);
      ++outcome.execution_count;
      if (!failure_.empty()) {
        outcome.failure = failure_;
        break;
      }
    } while (next_path());
    return outcome;
  }

  /// Runs the threads to their end, or to the first failure, after which nothing more of them is
  /// executed.
  void run(std::vector<std::function<void()>> bodies) {
    thread_count_ = bodies.size() + 1;
    for (std::size_t i = 1; i < thread_count_; ++i) {
      Thread& thread = threads_[i];
      thread.body = std::move(bodies[i - 1]);
      thread.is_done = false;
      thread.view = threads_[0].view;
      thread.clock = threads_[0].clock;
      thread.clock[i] = 1;
      prepare(thread);
    }
    const std::size_t first = 1 + choose(bodies.size());
    switch_to(first);
    for (std::size_t i = 1; i < thread_count_; ++i) {
      join(threads_[0].clock, threads_[i].clock);
      join(threads_[0].view, threads_[i].view);
    }
  }

  /// Ends this execution as wrong. Does not return to a thread that is not the test itself.
  void fail(const std::string& why) {
    if (failure_.empty()) failure_ = why;
    if (running_ != 0) switch_to(0);
  }
  void check(bool is_right, const char* what) {
    if (!is_right) fail(what);
  }
  bool has_failed() const { return !failure_.empty(); }

  // What model::Atomic and plain data report.
  std::uint32_t add_location(std::uint64_t value) {
    if (location_count_ == location_max) std::abort();
    Location& location = locations_[location_count_];
    location.stores.assign(1, Store{value, false, {}, {}});
    location.last_load = {};
    return static_cast<std::uint32_t>(location_count_++);
  }

  std::uint64_t load(std::uint32_t at, std::memory_order order) {
    let_others_run();
    Thread& thread = threads_[running_];
    Location& location = locations_[at];
    const std::size_t newest = location.stores.size() - 1;
    const std::size_t index = newest - choose(newest - thread.view[at] + 1);
    const Store& store = location.stores[index];
    thread.view[at] = static_cast<std::uint16_t>(index);
    location.last_load[running_] = ++thread.clock[running_];
    if (store.is_release && order == std::memory_order_acquire && !is_weak(at, Operation::load)) {
      join(thread.clock, store.clock);
      join(thread.view, store.view);
    }
    return store.value;
  }

  void store(std::uint32_t at, std::uint64_t value, std::memory_order order) {
    let_others_run();
    Thread& thread = threads_[running_];
    Location& location = locations_[at];
    if (at >= guarded_from_) {
      for (std::size_t i = 1; i < thread_count_; ++i) {
        if (i != running_ && location.last_load[i] > thread.clock[i]) {
          fail("overwritten while a reader may be reading");
          return;
        }
      }
    }
    ++thread.clock[running_];
    thread.view[at] = static_cast<std::uint16_t>(location.stores.size());
    const bool is_release = order == std::memory_order_release && !is_weak(at, Operation::store);
    location.stores.push_back({value, is_release, thread.clock, thread.view});
  }

  void read_plain(const void* address) {
    Plain& plain = plain_[address];
    Thread& thread = threads_[running_];
    if (plain.last_write > thread.clock[plain.writer]) fail("data race: a read meets a write");
    plain.last_read[running_] = ++thread.clock[running_];
  }
  void write_plain(const void* address) {
    Plain& plain = plain_[address];
    Thread& thread = threads_[running_];
    if (plain.last_write > thread.clock[plain.writer]) fail("data race: a write meets a write");
    for (std::size_t i = 0; i < thread_max; ++i) {
      if (plain.last_read[i] > thread.clock[i]) fail("data race: a write meets a read");
    }
    plain.last_write = ++thread.clock[running_];
    plain.writer = running_;
  }

 private:
  using Clock = std::array<std::uint32_t, thread_max>;
  using View = std::array<std::uint16_t, location_max>;
  struct Store {
    std::uint64_t value = 0;
    bool is_release = false;
    Clock clock{};
    View view{};
  };
  struct Location {
    std::vector<Store> stores;
    Clock last_load{};
  };
  struct Plain {
    std::uint32_t last_write = 0;
    std::size_t writer = 0;
    Clock last_read{};
  };
  struct Thread {
    std::function<void()> body;
    std::vector<char> stack;
    ucontext_t context{};
    bool is_done = true;
    Clock clock{};
    View view{};
  };
  struct Choice {
    std::size_t count = 0;
    std::size_t pick = 0;
  };
  struct Weakening {
    std::size_t first = 1;
    std::size_t last = 0;
    Operation operation = Operation::load;
  };

  template <class Array>
  static void join(Array& into, const Array& from) {
    for (std::size_t i = 0; i < into.size(); ++i) into[i] = std::max(into[i], from[i]);
  }
  bool is_weak(std::size_t at, Operation operation) const {
    return operation == weak_.operation && at >= weak_.first && at <= weak_.last;
  }

  void reset() {
    for (Thread& thread : threads_) {
      thread.clock = {};
      thread.view = {};
      thread.is_done = true;
    }
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

  void let_others_run() {
    if (running_ == 0 || preemption_count_ == preemption_max_) return;
    std::array<std::size_t, thread_max> others{};
    std::size_t count = 0;
    for (std::size_t i = 1; i < thread_count_; ++i) {
      if (i != running_ && !threads_[i].is_done) others[count++] = i;
    }
    const std::size_t pick = choose(1 + count);
    if (pick == 0) return;
    ++preemption_count_;
    switch_to(others[pick - 1]);
  }
  void switch_to(std::size_t next) {
    const std::size_t previous = running_;
    running_ = next;
    swapcontext(&threads_[previous].context, &threads_[next].context);
  }
  void run_current() {
    threads_[running_].body();
    threads_[running_].is_done = true;
    std::array<std::size_t, thread_max> others{};
    std::size_t count = 0;
    for (std::size_t i = 1; i < thread_count_; ++i) {
      if (!threads_[i].is_done) others[count++] = i;
    }
    switch_to(count == 0 ? 0 : others[choose(count)]);
  }

  inline static Checker* current_checker = nullptr;

  int preemption_max_;
  Weakening weak_;
  std::vector<Choice> path_;

  // This execution's.
  std::array<Thread, thread_max> threads_;
  std::array<Location, location_max> locations_;
  std::map<const void*, Plain> plain_;
  std::string failure_;
  std::size_t thread_count_ = 1;
  std::size_t running_ = 0;
  std::size_t location_count_ = 0;
  std::size_t guarded_from_ = location_max;
  std::size_t depth_ = 0;
  int preemption_count_ = 0;
};

/// In the place of std::atomic, for unsigned integers.
template <class T>
class Atomic {
 public:
  Atomic(T value) noexcept
      : location_(Checker::current().add_location(value)) {
  }  // NOLINT(google-explicit-constructor): as std::atomic
  T load(std::memory_order order) const noexcept {
    return static_cast<T>(Checker::current().load(location_, order));
  }
  void store(T value, std::memory_order order) noexcept {
    Checker::current().store(location_, value, order);
  }

 private:
  std::uint32_t location_;
};

/// An item whose copies are checked for races.
class PlainItem {
 public:
  PlainItem() noexcept = default;
  explicit PlainItem(std::uint64_t value) noexcept : value_(value) {}
  PlainItem(const PlainItem& other) noexcept : value_(other.value()) {}
  PlainItem& operator=(const PlainItem& other) noexcept {
    const std::uint64_t value = other.value();
    Checker::current().write_plain(this);
    value_ = value;
    return *this;
  }
  std::uint64_t value() const noexcept {
    Checker::current().read_plain(this);
    return value_;
  }

 private:
  std::uint64_t value_ = 0;
};

}  // namespace perp::test::model
