// Reading the time: ours beside the system's ways. Before timing, each is compared with
// clock_gettime around it.
#include "harness/two_threads.hpp"

#include <perp/core/time.hpp>
#include <perp/core/tsc_clock.hpp>

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <ctime>
#include <string>

namespace perp::bench {
namespace {

template <class Read>
void read_time(benchmark::State& state, Read read) {
  for (int i = 0; i < 100; ++i) {
    const std::int64_t before = core::mono_now().ns;
    const std::int64_t now = read();
    const std::int64_t after = core::mono_now().ns;
    require(now >= before - core::ns_per_ms && now <= after + core::ns_per_ms, "clock: wrong time");
  }
  for (auto _ : state) benchmark::DoNotOptimize(read());
  state.SetItemsProcessed(state.iterations());
}

void ours(benchmark::State& state) {
  core::TscClock clock;
  read_time(state, [&clock] { return clock.mono_now().ns; });
  state.SetLabel(std::string(clock.source()));
}

void ours_with_recalibration(benchmark::State& state) {
  core::TscClock clock;
  read_time(state, [&clock] {
    clock.recalibrate_if_due();
    return clock.mono_now().ns;
  });
  state.SetLabel(std::string(clock.source()));
}

void system_clock(benchmark::State& state) {
  read_time(state, [] { return core::mono_now().ns; });
}

void coarse_clock(benchmark::State& state) {  // to 4 ms: not an equal, but what some use
  for (auto _ : state) {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    benchmark::DoNotOptimize(now);
  }
  state.SetItemsProcessed(state.iterations());
}

void steady_clock(benchmark::State& state) {
  read_time(state, [] {
    return std::int64_t{std::chrono::steady_clock::now().time_since_epoch().count()};
  });
}

void recalibrate(benchmark::State& state) {
  core::TscClock clock;
  for (auto _ : state) benchmark::DoNotOptimize(clock.recalibrate());
}

BENCHMARK(ours)->Name("core/clock/perp/read");
BENCHMARK(system_clock)->Name("core/clock/clock_gettime/read");
BENCHMARK(steady_clock)->Name("core/clock/steady_clock/read");
BENCHMARK(coarse_clock)->Name("core/clock/coarse_4ms/read");
BENCHMARK(ours_with_recalibration)->Name("core/clock/perp/read_and_recalibrate_each_second");
BENCHMARK(recalibrate)->Name("core/clock/perp/recalibrate");

}  // namespace
}  // namespace perp::bench
