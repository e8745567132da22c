// SpscQueue beside boost::lockfree::spsc_queue and moodycamel's two queues: the cost of the
// instructions alone (one thread), throughput between two pinned threads, one item at a time and in
// bulk, and round trips.
#include "harness/two_threads.hpp"

#include <perp/core/spsc_queue.hpp>

#include <benchmark/benchmark.h>
#include <boost/lockfree/spsc_queue.hpp>
#include <concurrentqueue/concurrentqueue.h>
#include <readerwriterqueue/readerwriterqueue.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

namespace perp::bench {
namespace {

constexpr std::size_t capacity = 4096;
constexpr std::size_t bulk = 32;
constexpr std::uint64_t transfer_count = 1 << 20;

template <std::size_t size>
struct Item {
  std::array<std::uint64_t, size / 8> words{};
};

// Each peer with its own fastest calls, under one set of names.
template <class T>
struct Ours {
  static constexpr const char* name = "perp";
  core::SpscQueue<T> queue{capacity};
  bool push(const T& item) { return queue.try_push(item); }
  bool pop(T& item) { return queue.try_pop(item); }
  std::size_t push_n(std::span<const T> items) { return queue.try_push_n(items); }
  template <class Visit>
  std::size_t pop_n(Visit visit) {
    const std::span<const T> run = queue.peek();
    for (const T& item : run) visit(item);
    queue.release(run.size());
    return run.size();
  }
};

template <class T>
struct Boost {
  static constexpr const char* name = "boost";
  boost::lockfree::spsc_queue<T, boost::lockfree::capacity<capacity>> queue;
  bool push(const T& item) { return queue.push(item); }
  bool pop(T& item) { return queue.pop(item); }
  std::size_t push_n(std::span<const T> items) { return queue.push(items.data(), items.size()); }
  template <class Visit>
  std::size_t pop_n(Visit visit) {
    return queue.consume_all(visit);
  }
};

template <class T>
struct MoodycamelSpsc {
  static constexpr const char* name = "moodycamel_spsc";
  moodycamel::ReaderWriterQueue<T> queue{capacity};
  bool push(const T& item) { return queue.try_enqueue(item); }
  bool pop(T& item) { return queue.try_dequeue(item); }
  std::size_t push_n(std::span<const T> items) {
    std::size_t done = 0;
    while (done < items.size() && queue.try_enqueue(items[done])) ++done;
    return done;
  }
  template <class Visit>
  std::size_t pop_n(Visit visit) {
    std::size_t done = 0;
    for (T item; done < bulk && queue.try_dequeue(item); ++done) visit(item);
    return done;
  }
};

template <class T>
struct MoodycamelMpmc {
  static constexpr const char* name = "moodycamel_mpmc";
  moodycamel::ConcurrentQueue<T> queue{capacity};
  moodycamel::ProducerToken producer{queue};
  moodycamel::ConsumerToken consumer{queue};
  bool push(const T& item) { return queue.try_enqueue(producer, item); }
  bool pop(T& item) { return queue.try_dequeue_from_producer(producer, item); }
  std::size_t push_n(std::span<const T> items) {
    return queue.try_enqueue_bulk(producer, items.data(), items.size()) ? items.size() : 0;
  }
  template <class Visit>
  std::size_t pop_n(Visit visit) {
    std::array<T, bulk> items;
    const std::size_t done = queue.try_dequeue_bulk(consumer, items.data(), items.size());
    for (std::size_t i = 0; i < done; ++i) visit(items[i]);
    return done;
  }
};

template <class T>
T item_of(std::uint64_t number) {
  T item;
  for (std::uint64_t& word : item.words) word = number++ * 0x9e3779b97f4a7c15ULL;
  return item;
}

// Order matters: a queue that loses, repeats or swaps items gives another number.
template <class T>
void mix(std::uint64_t& hash, const T& item) {
  for (const std::uint64_t word : item.words) hash = (hash ^ word) * 0x100000001b3ULL;
}

template <class T>
std::uint64_t expected_hash(std::uint64_t count) {
  std::uint64_t hash = 0;
  for (std::uint64_t i = 0; i < count; ++i) mix(hash, item_of<T>(i));
  return hash;
}

template <class T, class Queue, bool in_bulk, class Visit>
void transfer(Queue& queue, std::uint64_t count, Visit visit) {
  run_two_threads(
      [&] {
        if constexpr (in_bulk) {
          std::array<T, bulk> items;
          for (std::uint64_t i = 0; i < count; i += bulk) {
            for (std::uint64_t j = 0; j < bulk; ++j) items[j] = item_of<T>(i + j);
            std::span<const T> left = items;
            until([&] { return (left = left.subspan(queue.push_n(left))).empty(); });
          }
        } else {
          for (std::uint64_t i = 0; i < count; ++i) {
            const T item = item_of<T>(i);
            until([&] { return queue.push(item); });
          }
        }
      },
      [&] {
        for (std::uint64_t done = 0; done < count;) {
          if constexpr (in_bulk) {
            std::size_t taken = 0;
            until([&] { return (taken = queue.pop_n(visit)) != 0; });
            done += taken;
          } else {
            T item;
            until([&] { return queue.pop(item); });
            visit(item);
            ++done;
          }
        }
      });
}

template <class T, class Queue, bool in_bulk>
void two_threads(benchmark::State& state) {
  const auto queue = std::make_unique<Queue>();
  std::uint64_t hash = 0;
  transfer<T, Queue, in_bulk>(*queue, 1 << 15, [&](const T& item) { mix(hash, item); });
  require(hash == expected_hash<T>(1 << 15), "the queue did not carry what was put in");
  std::uint64_t sum = 0;
  for (auto _ : state) {
    transfer<T, Queue, in_bulk>(*queue, transfer_count,
                                [&](const T& item) { sum += item.words[0]; });
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(transfer_count));
}

template <class T, class Queue>
void one_thread(benchmark::State& state) {
  const auto queue = std::make_unique<Queue>();
  const T item = item_of<T>(1);
  T out;
  require(queue->push(item) && queue->pop(out) && out.words == item.words, "wrong item");
  for (auto _ : state) {
    for (std::size_t i = 0; i < bulk; ++i) benchmark::DoNotOptimize(queue->push(item));
    for (std::size_t i = 0; i < bulk; ++i) {
      benchmark::DoNotOptimize(queue->pop(out));
      benchmark::DoNotOptimize(out);
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(bulk));
}

template <class T, class Queue>
void round_trip(benchmark::State& state) {
  constexpr std::uint64_t trips = 20'000;
  const auto there = std::make_unique<Queue>();
  const auto back = std::make_unique<Queue>();
  std::vector<std::uint64_t> samples;
  samples.reserve(1 << 20);
  for (auto _ : state) {
    run_two_threads(
        [&] {
          T item = item_of<T>(0);
          for (std::uint64_t i = 0; i < trips; ++i) {
            const std::uint64_t start = now_ns();
            item.words[0] = i;
            until([&] { return there->push(item); });
            until([&] { return back->pop(item); });
            const std::uint64_t stop = now_ns();
            require(item.words[0] == i, "another item came back");
            if (samples.size() < samples.capacity()) samples.push_back(stop - start);
          }
        },
        [&] {
          T item;
          for (std::uint64_t i = 0; i < trips; ++i) {
            until([&] { return there->pop(item); });
            until([&] { return back->push(item); });
          }
        });
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(trips));
  report_percentiles(state, samples);
}

template <class T, template <class> class Queue>
void add(const std::string& size) {
  const std::string unit = std::string("core/spsc_queue/") + Queue<T>::name + "/";
  using Q = Queue<T>;
  benchmark::RegisterBenchmark((unit + "one_thread/" + size).c_str(), one_thread<T, Q>);
  benchmark::RegisterBenchmark((unit + "two_threads/" + size).c_str(), two_threads<T, Q, false>)
      ->UseRealTime();
  benchmark::RegisterBenchmark((unit + "two_threads_bulk/" + size).c_str(), two_threads<T, Q, true>)
      ->UseRealTime();
  benchmark::RegisterBenchmark((unit + "round_trip/" + size).c_str(), round_trip<T, Q>)
      ->UseRealTime();
}

template <class T>
void add_all(const std::string& size) {
  add<T, Ours>(size);
  add<T, Boost>(size);
  add<T, MoodycamelSpsc>(size);
  add<T, MoodycamelMpmc>(size);
}

[[maybe_unused]] const bool are_added = [] {
  add_all<Item<8>>("8B");
  add_all<Item<64>>("64B");
  return true;
}();

}  // namespace
}  // namespace perp::bench
