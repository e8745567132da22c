#pragma once
// Two pinned threads for benchmarks of queues: the calling one produces, a second one consumes.
// Waiting spins a little, then yields, for ours and for peers alike: on a shared machine the other
// side may not be running.
#include "harness/machine.hpp"

#include <benchmark/benchmark.h>

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

namespace perp::bench {

/// Repeats `attempt` until it is true.
template <class Attempt>
void until(Attempt attempt) {
  for (std::uint32_t tries = 0; !attempt(); ++tries) {
    if (tries < 200) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    } else {
      sched_yield();
    }
  }
}

/// Runs `consume` on a second processor while `produce` runs on the first.
template <class Produce, class Consume>
void run_two_threads(Produce produce, Consume consume) {
  pin(0);
  std::thread consumer([&] {
    pin(1);
    consume();
  });
  produce();
  consumer.join();
}

/// Nothing wrong is timed.
inline void require(bool is_right, const char* what) {
  if (!is_right) throw std::runtime_error(what);
}

/// Puts percentiles of `samples_ns` into the state's counters.
inline void report_percentiles(benchmark::State& state, std::vector<std::uint64_t>& samples_ns) {
  if (samples_ns.empty()) return;
  std::sort(samples_ns.begin(), samples_ns.end());
  const auto at = [&](double share) {
    const auto index = static_cast<std::size_t>(share * static_cast<double>(samples_ns.size() - 1));
    return static_cast<double>(samples_ns[index]);
  };
  state.counters["p50_ns"] = at(0.5);
  state.counters["p99_ns"] = at(0.99);
  state.counters["p99.9_ns"] = at(0.999);
  state.counters["max_ns"] = at(1);
}

inline std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

}  // namespace perp::bench
