// BroadcastRing beside the usual way to give each of several readers everything: one queue per
// reader. 64-byte records; each reader gets its own copy from either.
#include "core/two_sides.hpp"

#include <perp/core/broadcast_ring.hpp>

#include <benchmark/benchmark.h>
#include <boost/lockfree/spsc_queue.hpp>
#include <readerwriterqueue/readerwriterqueue.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace perp::bench {
namespace {

constexpr std::size_t item_count = 4096;
constexpr std::size_t burst = 32;
constexpr std::uint64_t transfer_count = 1 << 19;

struct Item {
  core::RecordPrefix prefix{64, 2, 0};
  std::array<std::uint64_t, 7> words{};
};

Item item_of(std::uint64_t number) {
  Item item;
  for (std::uint64_t& word : item.words) word = number++ * 0x9e3779b97f4a7c15ULL;
  return item;
}

void mix(std::uint64_t& hash, const Item& item) {
  for (const std::uint64_t word : item.words) hash = (hash ^ word) * 0x100000001b3ULL;
}

class Ours {
 public:
  static constexpr const char* name = "perp";
  explicit Ours(std::size_t readers) : ring_(item_count * 64) {
    for (std::size_t i = 0; i < readers; ++i) readers_.push_back(ring_.add_gating_reader());
  }
  bool push(const Item& item) { return ring_.try_publish(std::as_bytes(std::span(&item, 1))) != 0; }
  template <class Visit>
  std::size_t pop(std::size_t reader, Visit visit) {
    std::array<Item, burst> items;
    const core::BroadcastRead result =
        readers_[reader].read(std::as_writable_bytes(std::span(items)));
    for (std::size_t i = 0; i < result.record_count; ++i) visit(items[i]);
    return result.record_count;
  }

 private:
  core::BroadcastRing ring_;
  std::vector<core::BroadcastRing::Reader> readers_;
};

class BoostEach {
 public:
  static constexpr const char* name = "boost_each";
  explicit BoostEach(std::size_t readers) : queues_(readers) {
    for (auto& queue : queues_) queue = std::make_unique<Queue>();
  }
  bool push(const Item& item) {
    for (auto& queue : queues_) {
      if (queue->write_available() == 0) return false;
    }
    for (auto& queue : queues_) queue->push(item);
    return true;
  }
  template <class Visit>
  std::size_t pop(std::size_t reader, Visit visit) {
    std::array<Item, burst> items;
    const std::size_t count = queues_[reader]->pop(items.data(), items.size());
    for (std::size_t i = 0; i < count; ++i) visit(items[i]);
    return count;
  }

 private:
  using Queue = boost::lockfree::spsc_queue<Item, boost::lockfree::capacity<item_count>>;
  std::vector<std::unique_ptr<Queue>> queues_;
};

class MoodycamelEach {
 public:
  static constexpr const char* name = "moodycamel_each";
  explicit MoodycamelEach(std::size_t readers) {
    for (std::size_t i = 0; i < readers; ++i)
      queues_.push_back(std::make_unique<Queue>(item_count));
  }
  bool push(const Item& item) {
    for (auto& queue : queues_) {
      if (queue->size_approx() >= item_count) return false;
    }
    for (auto& queue : queues_) queue->enqueue(item);
    return true;
  }
  template <class Visit>
  std::size_t pop(std::size_t reader, Visit visit) {
    Item item;
    if (!queues_[reader]->try_dequeue(item)) return 0;
    visit(item);
    return 1;
  }

 private:
  using Queue = moodycamel::ReaderWriterQueue<Item>;
  std::vector<std::unique_ptr<Queue>> queues_;
};

template <class Ring>
void one_thread(benchmark::State& state) {
  const auto readers = static_cast<std::size_t>(state.range(0));
  Ring ring(readers);
  std::uint64_t expected = 0;
  std::vector<std::uint64_t> hashes(readers);
  for (std::uint64_t i = 0; i < burst; ++i) {
    mix(expected, item_of(i));
    require(ring.push(item_of(i)), "no room");
  }
  for (std::size_t reader = 0; reader < readers; ++reader) {
    while (ring.pop(reader, [&](const Item& item) { mix(hashes[reader], item); }) != 0) {
    }
    require(hashes[reader] == expected, "a reader did not get what was put in");
  }
  const Item item = item_of(1);
  std::uint64_t sum = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < burst; ++i) benchmark::DoNotOptimize(ring.push(item));
    for (std::size_t reader = 0; reader < readers; ++reader) {
      while (ring.pop(reader, [&](const Item& got) { sum += got.words[6]; }) != 0) {
      }
    }
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(burst));
}

struct Hashing {
  std::uint64_t result = 0;
  void operator()(const Item& item) { mix(result, item); }
};
struct Summing {
  std::uint64_t result = 0;
  void operator()(const Item& item) { result += item.words[6]; }
};

/// @param found what the reader's visitor had become. @returns seconds
template <class Ring, class Visitor>
double transfer(Ring* ring, std::uint64_t count, Visitor* found) {
  return time_two_sides(
      [ring, count] {
        for (std::uint64_t i = 0; i < count; ++i) {
          const Item item = item_of(i);
          spin_until([&] { return ring->push(item); });
        }
      },
      [ring, count, found] {
        Visitor visitor;
        const auto visit = [&visitor](const Item& item) { visitor(item); };
        for (std::uint64_t done = 0; done < count;) {
          std::size_t taken = 0;
          spin_until([&] { return (taken = ring->pop(0, visit)) != 0; });
          done += taken;
        }
        *found = visitor;
      });
}

template <class Ring>
void two_threads(benchmark::State& state) {
  const auto ring = std::make_unique<Ring>(1);
  std::uint64_t expected = 0;
  for (std::uint64_t i = 0; i < 3 * item_count; ++i) mix(expected, item_of(i));
  Hashing hash;
  transfer(ring.get(), 3 * item_count, &hash);
  require(hash.result == expected, "the reader did not get what was put in");
  Summing sum;
  for (auto _ : state) state.SetIterationTime(transfer(ring.get(), transfer_count, &sum));
  benchmark::DoNotOptimize(sum.result);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(transfer_count));
}

template <class Ring>
void add() {
  const std::string unit = std::string("core/broadcast_ring/") + Ring::name + "/";
  benchmark::RegisterBenchmark((unit + "one_thread/readers").c_str(), one_thread<Ring>)
      ->Arg(1)
      ->Arg(2)
      ->Arg(4);
  benchmark::RegisterBenchmark((unit + "two_threads").c_str(), two_threads<Ring>)->UseManualTime();
}

[[maybe_unused]] const bool are_added = [] {
  add<Ours>();
  add<BoostEach>();
  add<MoodycamelEach>();
  return true;
}();

}  // namespace
}  // namespace perp::bench
