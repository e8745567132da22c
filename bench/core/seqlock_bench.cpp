// Seqlock beside the locks it replaces, for a row of 128 bytes: load and store alone, each while
// another thread does the opposite about once a microsecond, and each while it does nothing else.
// The last is the seqlock's worst case for readers: by design they, never the writer, pay for it.
#include "harness/two_threads.hpp"

#include <perp/core/seqlock.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>

namespace perp::bench {
namespace {

struct Row {
  std::array<std::uint64_t, 16> words{};
};

Row row_of(std::uint64_t number) {
  Row row;
  row.words.fill(number);
  return row;
}

bool is_whole(const Row& row) {
  for (const std::uint64_t word : row.words) {
    if (word != row.words[0]) return false;
  }
  return true;
}

struct Ours {
  static constexpr const char* name = "perp";
  core::Seqlock<Row> row;
  void store(const Row& value) { row.store(value); }
  Row load() { return row.load(); }
};

template <class Mutex>
struct Locked {
  Mutex mutex;
  Row row;  // guarded by mutex
  void store(const Row& value) {
    const std::lock_guard guard(mutex);
    row = value;
  }
};
struct StdMutex : Locked<std::mutex> {
  static constexpr const char* name = "std_mutex";
  Row load() {
    const std::lock_guard guard(mutex);
    return row;
  }
};
struct StdSharedMutex : Locked<std::shared_mutex> {
  static constexpr const char* name = "std_shared_mutex";
  Row load() {
    const std::shared_lock guard(mutex);
    return row;
  }
};

enum class Rate { never, paced, nonstop };

// Runs `work` on a second processor for as long as it lives.
template <class Work>
class Disturbance {
 public:
  Disturbance(Rate rate, Work work)
      : thread_([this, rate, work]() mutable {
          pin(1);
          while (!is_over_.load(std::memory_order_relaxed)) {
            work();
            if (rate == Rate::nonstop) continue;
            for (const std::uint64_t start = now_ns(); now_ns() - start < 1000;) {
            }
          }
        }) {}
  ~Disturbance() {
    is_over_.store(true, std::memory_order_relaxed);
    thread_.join();
  }

 private:
  std::atomic<bool> is_over_{false};
  std::thread thread_;
};

template <class Lock, Rate rate>
void load(benchmark::State& state) {
  pin(0);
  const auto lock = std::make_unique<Lock>();
  lock->store(row_of(1));
  require(lock->load().words == row_of(1).words, "wrong row");
  const auto run = [&] {
    for (auto _ : state) {
      const Row row = lock->load();
      require(is_whole(row), "torn row");
    }
  };
  if constexpr (rate != Rate::never) {
    Disturbance writer(
        rate, [&lock, number = std::uint64_t{0}]() mutable { lock->store(row_of(++number)); });
    run();
  } else {
    run();
  }
  state.SetItemsProcessed(state.iterations());
}

template <class Lock, Rate rate>
void store(benchmark::State& state) {
  pin(0);
  const auto lock = std::make_unique<Lock>();
  std::uint64_t number = 0;
  const auto run = [&] {
    for (auto _ : state) lock->store(row_of(++number));
  };
  if constexpr (rate != Rate::never) {
    Disturbance reader(rate, [&lock] { require(is_whole(lock->load()), "torn row"); });
    run();
  } else {
    run();
  }
  require(lock->load().words[15] == number, "the last store is missing");
  state.SetItemsProcessed(state.iterations());
}

template <class Lock>
void add() {
  const std::string unit = std::string("core/seqlock/") + Lock::name + "/";
  const auto run = [&](const char* what, void (*work)(benchmark::State&)) {
    benchmark::RegisterBenchmark((unit + what).c_str(), work)->UseRealTime();
  };
  run("load", load<Lock, Rate::never>);
  run("store", store<Lock, Rate::never>);
  run("load_while_storing", load<Lock, Rate::paced>);
  run("store_while_loading", store<Lock, Rate::paced>);
  run("load_while_storing_nonstop", load<Lock, Rate::nonstop>);
  run("store_while_loading_nonstop", store<Lock, Rate::nonstop>);
}

[[maybe_unused]] const bool are_added = [] {
  add<Ours>();
  add<StdMutex>();
  add<StdSharedMutex>();
  return true;
}();

}  // namespace
}  // namespace perp::bench
