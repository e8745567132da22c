// Recording a latency: ours beside a std::map of exact values and beside keeping every value. The
// input is log-normal around 20 us with a slow tail, as stage latencies are; the percentiles of all
// three are compared first.
#include "harness/two_threads.hpp"

#include <perp/core/histogram.hpp>
#include <perp/core/prng.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

namespace perp::bench {
namespace {

std::vector<std::int64_t> latencies() {
  core::Prng prng(20);
  std::vector<std::int64_t> values(1 << 16);
  for (std::int64_t& value : values)
    value =
        static_cast<std::int64_t>(20'000 * std::exp(prng.normal() * (prng.chance(0.01) ? 3 : 0.5)));
  return values;
}

struct Ours {
  static constexpr const char* name = "perp";
  core::Histogram histogram;
  void record(std::int64_t value) { histogram.record(value); }
  std::int64_t percentile(double percent) { return histogram.percentile(percent); }
};

struct ExactMap {
  static constexpr const char* name = "std_map";
  std::map<std::int64_t, std::uint64_t> counts;
  std::uint64_t total = 0;
  void record(std::int64_t value) { ++counts[value], ++total; }
  std::int64_t percentile(double percent) {
    const auto rank =
        static_cast<std::uint64_t>(std::ceil(percent / 100 * static_cast<double>(total)));
    std::uint64_t seen = 0;
    for (const auto& [value, count] : counts)
      if ((seen += count) >= rank) return value;
    return 0;
  }
};

struct KeepAll {
  static constexpr const char* name = "vector_sort";
  std::vector<std::int64_t> values;
  void record(std::int64_t value) { values.push_back(value); }
  std::int64_t percentile(double percent) {
    const auto rank =
        static_cast<std::size_t>(std::ceil(percent / 100 * static_cast<double>(values.size())));
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(rank - 1),
                     values.end());
    return values[rank - 1];
  }
};

template <class Who>
Who filled() {
  Who who;
  for (const std::int64_t value : latencies()) who.record(value);
  return who;
}

template <class Who>
void check() {
  Who who = filled<Who>();
  ExactMap exact = filled<ExactMap>();
  for (const double percent : {1.0, 50.0, 99.0, 99.9}) {
    const auto truth = static_cast<double>(exact.percentile(percent));
    require(std::abs(static_cast<double>(who.percentile(percent)) - truth) <= truth / 128,
            "histogram: wrong percentile");
  }
}

template <class Who>
void record(benchmark::State& state) {
  check<Who>();
  const std::vector<std::int64_t> values = latencies();
  Who who = filled<Who>();
  std::size_t i = 0;
  for (auto _ : state) {
    who.record(values[i]);
    i = (i + 1) % values.size();
  }
  benchmark::DoNotOptimize(who);
  state.SetItemsProcessed(state.iterations());
}

template <class Who>
void percentile(benchmark::State& state) {
  check<Who>();
  Who who = filled<Who>();
  for (auto _ : state) benchmark::DoNotOptimize(who.percentile(99.9));
  state.SetItemsProcessed(state.iterations());
}

void merge(benchmark::State& state) {
  const Ours from = filled<Ours>();
  Ours to = filled<Ours>();
  for (auto _ : state) to.histogram.merge(from.histogram);
  benchmark::DoNotOptimize(to);
}

BENCHMARK(record<Ours>)->Name("core/histogram/perp/record");
BENCHMARK(record<ExactMap>)->Name("core/histogram/std_map/record");
// Grows by 8 bytes a value without end: what it costs not to have a histogram.
BENCHMARK(record<KeepAll>)->Name("core/histogram/vector_sort/record")->Iterations(20'000'000);
BENCHMARK(percentile<Ours>)->Name("core/histogram/perp/p99.9");
BENCHMARK(percentile<ExactMap>)->Name("core/histogram/std_map/p99.9");
BENCHMARK(percentile<KeepAll>)->Name("core/histogram/vector_sort/p99.9");
BENCHMARK(merge)->Name("core/histogram/perp/merge");

}  // namespace
}  // namespace perp::bench
