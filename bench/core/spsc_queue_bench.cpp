// SpscQueue beside boost::lockfree::spsc_queue, moodycamel's two queues, and yours (see
// examples/bench_queue): batches between two pinned threads, one item at a time, and round trips,
// these also beside a bare cache line that goes back and forth.
#include "core/queue_contest.hpp"
#include "harness/goals.hpp"

#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace perp::bench {
namespace {

/// Items per timed run: about 64 MiB, so that a run of the slowest takes less than 0.2 s.
template <class T>
constexpr std::uint64_t transfer_count = std::min<std::uint64_t>(1 << 20, (1 << 26) / sizeof(T));

/// What a consumer finds out about the items that it gets.
template <class T>
struct Checking {
  std::uint64_t seen = 0;
  bool is_right = true;
  void operator()(std::span<const T> items) {
    is_right = is_right && are_items(items, seen);
    seen += items.size();
  }
};
template <class T>
struct Summing {
  std::uint64_t sum = 0;
  void operator()(std::span<const T> items) { sum += sum_of(items); }
};

/// @param found what the consumer's visitor had become. @returns seconds
template <class T, class Queue, class Visitor>
double transfer_batches(Queue* queue, std::uint64_t count, Visitor* found) {
  return time_two_sides(
      [queue, count] {
        for (std::uint64_t done = 0; done < count;) {
          std::size_t made = 0;
          spin_until([&] {
            made = queue->produce(std::min<std::uint64_t>(batch, count - done), done, fill<T>);
            return made != 0;
          });
          done += made;
        }
      },
      [queue, count, found] {
        Visitor visitor;
        const auto visit = [&visitor](std::span<const T> items) { visitor(items); };
        for (std::uint64_t done = 0; done < count;) {
          std::size_t taken = 0;
          spin_until([&] { return (taken = queue->consume(visit)) != 0; });
          done += taken;
        }
        *found = visitor;
      });
}

template <class T, class Queue, class Visitor>
double transfer_singly(Queue* queue, std::uint64_t count, Visitor* found) {
  return time_two_sides(
      [queue, count] {
        T item;
        for (std::uint64_t done = 0; done < count; ++done) {
          fill(std::span(&item, 1), done);
          spin_until([&] { return queue->push(item); });
        }
      },
      [queue, count, found] {
        T item;
        Visitor visitor;
        for (std::uint64_t done = 0; done < count; ++done) {
          spin_until([&] { return queue->pop(item); });
          visitor(std::span<const T>(&item, 1));
        }
        *found = visitor;
      });
}

template <class T, class Queue, bool in_batches>
void stream(benchmark::State& state) {
  const auto transfer = []<class Visitor>(Queue* queue, std::uint64_t count, Visitor* found) {
    if constexpr (in_batches) return transfer_batches<T>(queue, count, found);
    if constexpr (!in_batches) return transfer_singly<T>(queue, count, found);
  };
  const auto queue = std::make_unique<Queue>();
  Checking<T> checked;
  transfer(queue.get(), transfer_count<T>, &checked);
  require(checked.is_right && checked.seen == transfer_count<T>,
          "the queue did not carry what was put in");
  Summing<T> summed;
  for (auto _ : state) state.SetIterationTime(transfer(queue.get(), transfer_count<T>, &summed));
  benchmark::DoNotOptimize(summed.sum);
  const auto items = state.iterations() * static_cast<std::int64_t>(transfer_count<T>);
  state.SetItemsProcessed(items);
  state.SetBytesProcessed(items * static_cast<std::int64_t>(sizeof(T)));
}

/// Two queues as a means to ask and answer; or no queue at all.
template <class T, class Queue>
struct QueuePair {
  const std::unique_ptr<Queue> there = std::make_unique<Queue>();
  const std::unique_ptr<Queue> back = std::make_unique<Queue>();
  void ask(T& item) {
    spin_until([&] { return there->push(item); });
    spin_until([&] { return back->pop(item); });
  }
  void answer(T& item) {
    spin_until([&] { return there->pop(item); });
    spin_until([&] { return back->push(item); });
  }
};
/// A number in one cache line each way: what no pair of queues can beat by much.
template <class T>
struct Raw {
  struct Line {
    alignas(core::cache_line_pair) std::atomic<std::uint64_t> number{0};
  };
  Line there;
  Line back;
  alignas(core::cache_line_pair) std::uint64_t asked = 0;
  alignas(core::cache_line_pair) std::uint64_t answered = 0;
  void ask(T&) {
    there.number.store(++asked, std::memory_order_release);
    spin_until([&] { return back.number.load(std::memory_order_acquire) == asked; });
  }
  void answer(T&) {
    ++answered;
    spin_until([&] { return there.number.load(std::memory_order_acquire) == answered; });
    back.number.store(answered, std::memory_order_release);
  }
};
/// The same line for both ways, which a pair of queues does not have.
template <class T>
struct RawOneLine {
  alignas(core::cache_line_pair) std::atomic<std::uint64_t> number{0};
  alignas(core::cache_line_pair) std::uint64_t asked = 0;
  alignas(core::cache_line_pair) std::uint64_t answered = 0;
  void ask(T&) {
    number.store(asked + 1, std::memory_order_release);
    asked += 2;
    spin_until([&] { return number.load(std::memory_order_acquire) == asked; });
  }
  void answer(T&) {
    spin_until([&] { return number.load(std::memory_order_acquire) == answered + 1; });
    answered += 2;
    number.store(answered, std::memory_order_release);
  }
};

template <class T, class Pair>
void round_trip(benchmark::State& state) {
  constexpr std::uint64_t group = 16;  // the clock steps in 10 ns
  constexpr std::uint64_t trips = group * 2048;
  const auto pair = std::make_unique<Pair>();
  std::vector<std::uint64_t> samples;
  for (auto _ : state) {
    std::vector<std::uint64_t> taken;
    state.SetIterationTime(time_two_sides(
        [pair = pair.get(), taken = &taken] {
          std::vector<std::uint64_t> own;
          own.reserve(trips / group);
          T item;
          std::uint64_t number = 0;
          bool is_right = true;
          for (std::uint64_t i = 0; i < trips; i += group) {
            const std::uint64_t start = now_ns();
            for (std::uint64_t j = 0; j < group; ++j) {
              fill(std::span(&item, 1), ++number);
              pair->ask(item);
              is_right = is_right && item.words.back() == number + item.words.size() - 1;
            }
            own.push_back(now_ns() - start);
          }
          if (is_right) *taken = own;
        },
        [pair = pair.get()] {
          T item;
          for (std::uint64_t i = 0; i < trips; ++i) pair->answer(item);
        }));
    require(!taken.empty(), "another item came back");
    samples.insert(samples.end(), taken.begin(), taken.end());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(trips));
  report_percentiles(state, samples);
  for (auto& [name, counter] : state.counters) {
    if (name.ends_with("_ns")) counter.value /= group;
  }
}

template <class T, template <class, std::size_t> class Queue>
void add(const std::string& size) {
  using Small = Queue<T, 1024>;
  using Large = Queue<T, 65536>;
  using Short = Queue<T, 64>;  // its slots stay in the first-level caches: what is asked is latency
  const std::string unit = std::string("core/spsc_queue/") + Small::name + "/";
  const auto run = [&](const std::string& what, void (*work)(benchmark::State&)) {
    benchmark::RegisterBenchmark((unit + what).c_str(), work)->UseManualTime();
  };
  if constexpr (requires(Small & queue) { queue.produce(batch, 0, fill<T>); }) {
    run("batch/" + size + "/1k", stream<T, Small, true>);
    run("batch/" + size + "/64k", stream<T, Large, true>);
  }
  if constexpr (sizeof(T) <= 64) {
    run("single/" + size, stream<T, Small, false>);
    run("round_trip/" + size, round_trip<T, QueuePair<T, Short>>);
    run("round_trip_1k/" + size, round_trip<T, QueuePair<T, Small>>);
  }
}

template <class T>
void add_all(const std::string& size) {
  add<T, Perp>(size);
  add<T, Boost>(size);
  add<T, BoostPop>(size);
  add<T, ReaderWriter>(size);
  add<T, Moodycamel>(size);
  add<T, MoodycamelDirect>(size);
#ifdef PERP_BENCH_QUEUE
  add<T, User>(size);
#endif
  if constexpr (sizeof(T) <= 64) {
    const auto raw = [&](const char* who, void (*work)(benchmark::State&)) {
      const std::string unit = std::string("core/spsc_queue/") + who;
      benchmark::RegisterBenchmark((unit + "/round_trip/" + size).c_str(), work)->UseManualTime();
    };
    raw("raw", round_trip<T, Raw<T>>);
    raw("raw_one_line", round_trip<T, RawOneLine<T>>);
  }
}

[[maybe_unused]] const bool are_added = [] {
  add_all<Item<8>>("8B");
  add_all<Item<64>>("64B");
  add_all<Item<256>>("256B");
  return true;
}();

[[maybe_unused]] const bool goals = [] {
  const std::vector<std::string> boost{"boost", "boost_pop"};
  const std::vector<std::string> moodycamel{"moodycamel", "moodycamel_direct"};
  const std::vector<std::string> bulk{"boost", "boost_pop", "moodycamel", "moodycamel_direct"};
  for (const char* capacity : {"1k", "64k"}) {
    at_least(std::string("core/spsc_queue/*/batch/8B/") + capacity, boost, 2.2);
    at_least(std::string("core/spsc_queue/*/batch/8B/") + capacity, moodycamel, 2.5);
  }
  at_least("core/spsc_queue/*/batch/64B/1k", bulk, 1.15);
  at_least("core/spsc_queue/*/batch/64B/64k", bulk, 1.8);
  at_least("core/spsc_queue/*/batch/256B/1k", bulk, 0.95);
  at_least("core/spsc_queue/*/batch/256B/64k", bulk, 2.5);
  at_least("core/spsc_queue/*/single/8B", {"boost", "moodycamel_rwq"}, 1.5);
  at_least("core/spsc_queue/*/single/64B", {"boost", "moodycamel_rwq"}, 1.1);
  for (const char* size : {"8B", "64B"}) {
    const std::string trip = std::string("core/spsc_queue/*/round_trip/") + size;
    at_most(trip, {"boost"}, 0.75, "p50_ns");
    at_most(trip, {"boost"}, 0.8, "p99_ns");
    at_most(trip, {"raw"}, size[0] == '8' ? 1.1 : 1.2, "p50_ns");
  }
  return true;
}();

}  // namespace
}  // namespace perp::bench
