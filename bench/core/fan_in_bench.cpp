// FanIn beside the queues that many producers share: three producers, one consumer. One thread
// plays the three, a batch of each in turn: three threads on what two processors leave would
// measure the scheduler. So nobody contends for a peer's ends, which is the best case of the peers,
// not ours.
#include "core/queue_contest.hpp"
#include "harness/goals.hpp"

#include <perp/core/fan_in.hpp>

#include <benchmark/benchmark.h>
#include <boost/lockfree/queue.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

namespace perp::bench {
namespace {

constexpr std::size_t lane_count = 3;
constexpr std::uint64_t batches_per_lane = 4096;
constexpr std::uint64_t items_per_lane = batches_per_lane * batch;

using T = Item<64>;

/// The first word of a lane's items counts from here, so that an item tells its producer.
constexpr std::uint64_t first_of(std::uint64_t lane) { return lane << 40; }

// Each: offer() hands over some of a lane's next items, from number `first` on, `n` at most, and
// says how many; take() visits what is there and says how much.
template <std::size_t lane_capacity>
struct Perp3 {
  static constexpr const char* name = "perp";
  core::FanIn<T> lanes{lane_count, lane_capacity};
  std::size_t offer(std::size_t lane, std::uint64_t first, std::size_t n) {
    const std::span<T> claim = lanes.lane(lane).try_claim(n);
    if (claim.empty()) return 0;
    fill(claim, first);
    lanes.lane(lane).commit(claim.size());
    return claim.size();
  }
  template <class Visit>
  std::size_t take(Visit& visit) {
    return lanes.drain([&](std::size_t, std::span<const T> items) { visit(items); });
  }
  bool is_accounted(std::uint64_t per_lane) const {
    for (std::size_t i = 0; i < lane_count; ++i) {
      const core::FanInCounts counts = lanes.counts(i);
      if (counts.pushed != per_lane || counts.drained != per_lane) return false;
    }
    return true;
  }
};

/// A queue that all share, preallocated; in batches, or one by one.
template <std::size_t lane_capacity, bool in_batches>
struct Shared {
  moodycamel::ConcurrentQueue<T> queue{lane_count * lane_capacity, lane_count, 0};
  std::array<moodycamel::ProducerToken, lane_count> producers{moodycamel::ProducerToken(queue),
                                                              moodycamel::ProducerToken(queue),
                                                              moodycamel::ProducerToken(queue)};
  moodycamel::ConsumerToken consumer{queue};
  std::array<T, batch> made;
  std::array<T, batch> taken;
  std::size_t offer(std::size_t lane, std::uint64_t first, std::size_t n) {
    const std::span<T> items = std::span(made).first(in_batches ? n : 1);
    fill(items, first);
    if constexpr (in_batches)
      return queue.try_enqueue_bulk(producers[lane], items.data(), n) ? n : 0;
    return queue.try_enqueue(producers[lane], items[0]) ? 1 : 0;
  }
  template <class Visit>
  std::size_t take(Visit& visit) {
    std::size_t n = 0;
    if constexpr (in_batches)
      n = queue.try_dequeue_bulk(consumer, taken.data(), taken.size());
    else
      n = queue.try_dequeue(consumer, taken[0]) ? 1 : 0;
    if (n != 0) visit(std::span<const T>(taken.data(), n));
    return n;
  }
  bool is_accounted(std::uint64_t) const { return true; }
};
template <std::size_t lane_capacity>
struct Moodycamel3 : Shared<lane_capacity, true> {
  static constexpr const char* name = "moodycamel";
};
template <std::size_t lane_capacity>
struct Moodycamel3Single : Shared<lane_capacity, false> {
  static constexpr const char* name = "moodycamel_single";
};

/// For queues that know single items only.
template <class Queue>
struct OneByOne {
  Queue queue;
  template <class... Arguments>
  explicit OneByOne(Arguments... arguments) : queue(arguments...) {}
  std::size_t offer(std::size_t, std::uint64_t first, std::size_t) {
    T item;
    fill(std::span(&item, 1), first);
    return queue.push(item) ? 1 : 0;
  }
  template <class Visit>
  std::size_t take(Visit& visit) {
    T item;
    if (!queue.pop(item)) return 0;
    visit(std::span<const T>(&item, 1));
    return 1;
  }
  bool is_accounted(std::uint64_t) const { return true; }
};
// It numbers its nodes in 16 bits.
template <std::size_t lane_capacity>
struct BoostQueue
    : OneByOne<boost::lockfree::queue<
          T, boost::lockfree::capacity<std::min<std::size_t>(lane_count* lane_capacity, 65534)>>> {
  static constexpr const char* name = "boost_queue";
};
#ifdef PERP_BENCH_QUEUE
template <class Queue>
concept ServesManyProducers = requires {
  requires Queue::has_many_producers;
};
template <std::size_t lane_capacity>
struct User3 : OneByOne<UserQueue<T>> {
  static constexpr const char* name = "user";
  User3() : OneByOne<UserQueue<T>>(lane_count * lane_capacity) {}
};
#endif

struct Checking {
  std::array<std::uint64_t, lane_count> next{first_of(0), first_of(1), first_of(2)};
  bool is_right = true;
  void operator()(std::span<const T> items) {
    for (const T& item : items) {
      const std::uint64_t lane = item.words[0] >> 40;
      is_right =
          is_right && lane < lane_count && are_items(std::span<const T>(&item, 1), next[lane]++);
    }
  }
};
struct Summing {
  std::uint64_t sum = 0;
  void operator()(std::span<const T> items) { sum += sum_of(items); }
};

template <class Queue, class Visitor>
double transfer(Queue* queue, Visitor* found) {
  return time_two_sides(
      [queue] {
        for (std::uint64_t done = 0; done < items_per_lane; done += batch) {
          for (std::size_t lane = 0; lane < lane_count; ++lane) {
            std::size_t offered = 0;
            spin_until([&] {
              offered += queue->offer(lane, first_of(lane) + done + offered, batch - offered);
              return offered == batch;
            });
          }
        }
      },
      [queue, found] {
        Visitor visitor;
        for (std::uint64_t done = 0; done < lane_count * items_per_lane;) {
          std::size_t taken = 0;
          spin_until([&] { return (taken = queue->take(visitor)) != 0; });
          done += taken;
        }
        *found = visitor;
      });
}

template <class Queue>
void fan_in(benchmark::State& state) {
  const auto queue = std::make_unique<Queue>();
  Checking checked;
  transfer(queue.get(), &checked);
  bool is_complete = checked.is_right && queue->is_accounted(items_per_lane);
  for (std::size_t lane = 0; lane < lane_count; ++lane)
    is_complete = is_complete && checked.next[lane] == first_of(lane) + items_per_lane;
  require(is_complete, "the queue did not carry what each producer put in, in its order");
  Summing summed;
  for (auto _ : state) state.SetIterationTime(transfer(queue.get(), &summed));
  benchmark::DoNotOptimize(summed.sum);
  const auto items = state.iterations() * static_cast<std::int64_t>(lane_count * items_per_lane);
  state.SetItemsProcessed(items);
  state.SetBytesProcessed(items * static_cast<std::int64_t>(sizeof(T)));
}

template <template <std::size_t> class Queue>
void add() {
  const auto run = [](const char* capacity, void (*work)(benchmark::State&)) {
    const std::string unit = std::string("core/fan_in/") + Queue<1024>::name + "/3_lanes/64B/";
    benchmark::RegisterBenchmark((unit + capacity).c_str(), work)->UseManualTime();
  };
  run("1k", fan_in<Queue<1024>>);
  run("64k", fan_in<Queue<65536>>);
}

[[maybe_unused]] const bool are_added = [] {
  add<Perp3>();
  add<Moodycamel3>();
  add<Moodycamel3Single>();
  add<BoostQueue>();
#ifdef PERP_BENCH_QUEUE
  if constexpr (ServesManyProducers<UserQueue<T>>) add<User3>();
#endif
  return true;
}();

[[maybe_unused]] const bool goals = [] {
  for (const char* contest : {"core/fan_in/*/3_lanes/64B/1k", "core/fan_in/*/3_lanes/64B/64k"}) {
    at_least(contest, {"moodycamel"}, 2);
    at_least(contest, {"moodycamel_single"}, 7);
    at_least(contest, {"boost_queue"}, 30);
  }
  return true;
}();

}  // namespace
}  // namespace perp::bench
