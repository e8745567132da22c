// RecordRing beside what people use for messages of different sizes: a byte queue (Boost) and
// queues of boxes (moodycamel). Sizes are those of a busy feed: mostly trades and quotes, some book
// updates. And its batches of mixed records beside batches of the queue of fixed items.
#include "core/queue_contest.hpp"
#include "harness/goals.hpp"

#include <perp/core/record_ring.hpp>

#include <benchmark/benchmark.h>
#include <boost/lockfree/spsc_queue.hpp>
#include <concurrentqueue/concurrentqueue.h>
#include <readerwriterqueue/readerwriterqueue.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace perp::bench {
namespace {

constexpr std::size_t capacity = 1 << 18;
constexpr std::size_t size_max = 1024;
constexpr std::size_t mean_size = 128;
constexpr std::size_t sample_count = 4096;
constexpr std::uint64_t transfer_count = 1 << 19;

// Records to send, one behind the other, made once: 8 of 10 have 64 to 96 bytes, the rest up to 1
// KiB.
const std::vector<std::vector<std::byte>>& samples() {
  static const std::vector<std::vector<std::byte>> made = [] {
    std::vector<std::vector<std::byte>> records(sample_count);
    std::uint64_t state = 42;
    for (std::vector<std::byte>& record : records) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      const std::uint64_t draw = state >> 33;
      record.resize(draw % 10 < 8 ? 64 + 8 * (draw / 10 % 5) : 128 + 8 * (draw / 10 % 113));
      std::memset(record.data(), static_cast<int>(draw & 0xff), record.size());
      const core::RecordPrefix prefix{static_cast<std::uint32_t>(record.size()), 2, 0};
      std::memcpy(record.data(), &prefix, sizeof prefix);
    }
    return records;
  }();
  return made;
}

void mix(std::uint64_t& hash, std::span<const std::byte> record) {
  for (std::size_t at = 0; at < record.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, record.data() + at, sizeof word);
    hash = (hash ^ word) * 0x100000001b3ULL;
  }
}

struct Ours {
  static constexpr const char* name = "perp";
  core::RecordRing ring{capacity};
  bool push(std::span<const std::byte> record) {
    const std::span<std::byte> claim = ring.try_claim(record.size());
    if (claim.empty()) return false;
    std::memcpy(claim.data(), record.data(), record.size());
    ring.commit(record.size());
    return true;
  }
  template <class Visit>
  std::size_t pop(Visit visit) {
    const std::span<const std::byte> run = ring.peek();
    std::size_t count = 0;
    for (std::size_t at = 0; at < run.size();) {
      const core::RecordPrefix prefix = core::prefix_of(run.data() + at);
      if (prefix.type != 0) {
        visit(run.subspan(at, prefix.size));
        ++count;
      }
      at += prefix.size;
    }
    ring.release(run.size());
    return count;
  }
};

struct BoostBytes {
  static constexpr const char* name = "boost_bytes";
  boost::lockfree::spsc_queue<std::uint64_t, boost::lockfree::capacity<capacity / 8>> queue;
  std::array<std::uint64_t, size_max / 8> words{};
  bool push(std::span<const std::byte> record) {
    // All or nothing: half a record would have to be finished before anything else.
    if (queue.write_available() < record.size() / 8) return false;
    queue.push(reinterpret_cast<const std::uint64_t*>(record.data()), record.size() / 8);
    return true;
  }
  template <class Visit>
  std::size_t pop(Visit visit) {
    if (queue.read_available() == 0) return 0;
    queue.pop(words.data(), 1);
    const std::size_t size = core::prefix_of(reinterpret_cast<const std::byte*>(words.data())).size;
    std::size_t filled = 1;
    spin_until([&] {
      return (filled += queue.pop(words.data() + filled, size / 8 - filled)) == size / 8;
    });
    visit(std::as_bytes(std::span(words).first(size / 8)));
    return 1;
  }
};

template <class Queue>
struct Boxes {
  Queue queue{capacity / mean_size};
  bool push(std::span<const std::byte> record) {
    auto box = std::make_unique_for_overwrite<std::byte[]>(record.size());
    std::memcpy(box.get(), record.data(), record.size());
    return queue.try_enqueue(std::move(box));
  }
  template <class Visit>
  std::size_t pop(Visit visit) {
    std::unique_ptr<std::byte[]> box;
    if (!queue.try_dequeue(box)) return 0;
    visit(std::span<const std::byte>(box.get(), core::prefix_of(box.get()).size));
    return 1;
  }
};
struct MoodycamelSpscBoxes : Boxes<moodycamel::ReaderWriterQueue<std::unique_ptr<std::byte[]>>> {
  static constexpr const char* name = "moodycamel_spsc_boxes";
};
struct MoodycamelMpmcBoxes : Boxes<moodycamel::ConcurrentQueue<std::unique_ptr<std::byte[]>>> {
  static constexpr const char* name = "moodycamel_mpmc_boxes";
};

struct Fixed {
  std::array<std::byte, size_max> bytes;
};
struct MoodycamelSpscFixed {
  static constexpr const char* name = "moodycamel_spsc_1KiB";
  moodycamel::ReaderWriterQueue<Fixed> queue{capacity / mean_size};
  bool push(std::span<const std::byte> record) {
    Fixed fixed;
    std::memcpy(fixed.bytes.data(), record.data(), record.size());
    return queue.try_enqueue(fixed);
  }
  template <class Visit>
  std::size_t pop(Visit visit) {
    const Fixed* fixed = queue.peek();
    if (fixed == nullptr) return 0;
    visit(std::span(fixed->bytes).first(core::prefix_of(fixed->bytes.data()).size));
    queue.pop();
    return 1;
  }
};

/// What a consumer finds out about the records that it gets.
struct Hashing {
  std::uint64_t result = 0;
  void operator()(std::span<const std::byte> record) { mix(result, record); }
};
struct LastBytes {
  std::uint64_t result = 0;
  void operator()(std::span<const std::byte> record) {
    result += static_cast<std::uint64_t>(record[record.size() - 1]);
  }
};

/// @param found what the consumer's visitor had become. @returns seconds
template <class Queue, class Visitor>
double transfer(Queue* queue, std::uint64_t count, Visitor* found) {
  return time_two_sides(
      [queue, count, records = samples().data()] {
        for (std::uint64_t i = 0; i < count; ++i)
          spin_until([&] { return queue->push(records[i % sample_count]); });
      },
      [queue, count, found] {
        Visitor visitor;
        const auto visit = [&visitor](std::span<const std::byte> record) { visitor(record); };
        for (std::uint64_t done = 0; done < count;) {
          std::size_t taken = 0;
          spin_until([&] { return (taken = queue->pop(visit)) != 0; });
          done += taken;
        }
        *found = visitor;
      });
}

template <class Queue>
void two_threads(benchmark::State& state) {
  const auto queue = std::make_unique<Queue>();
  std::uint64_t expected = 0;
  for (std::size_t i = 0; i < 3 * sample_count; ++i) mix(expected, samples()[i % sample_count]);
  Hashing hash;
  transfer(queue.get(), 3 * sample_count, &hash);
  require(hash.result == expected, "the queue did not carry what was put in");
  LastBytes last;
  for (auto _ : state) state.SetIterationTime(transfer(queue.get(), transfer_count, &last));
  benchmark::DoNotOptimize(last.result);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(transfer_count));
}

// Batches of ready records, copied into a claim at once as a decoder's or a journal's are; read in
// place, record by record and every byte.

/// 128 records of 48 to 200 bytes, one behind the other, made once.
struct Mixed {
  static constexpr std::size_t count = 2 * batch;
  std::vector<std::uint64_t> words;
  std::array<std::size_t, count + 1> starts{};  // in bytes; the last is the end
  std::array<std::uint64_t, count> sums{};      // of each record's words
};
const Mixed& mixed() {
  static const Mixed made = [] {
    Mixed mixed;
    std::uint64_t state = 7;
    const auto draw = [&state] {
      return (state = state * 6364136223846793005ULL + 1442695040888963407ULL) >> 33;
    };
    for (std::size_t i = 0; i < Mixed::count; ++i) {
      const auto size = static_cast<std::uint32_t>(48 + 8 * (draw() % 20));
      const core::RecordPrefix prefix{size, 2, 0};
      mixed.words.push_back(std::bit_cast<std::uint64_t>(prefix));
      for (std::size_t word = 1; word < size / 8; ++word) mixed.words.push_back(draw());
      mixed.starts[i + 1] = mixed.starts[i] + size;
      mixed.sums[i] =
          std::accumulate(mixed.words.end() - size / 8, mixed.words.end(), std::uint64_t{0});
    }
    return mixed;
  }();
  return made;
}

struct MixedProducer {
  const std::byte* bytes = reinterpret_cast<const std::byte*>(mixed().words.data());
  std::array<std::size_t, 3> starts{0, mixed().starts[batch], mixed().starts[2 * batch]};
  std::size_t half = 0;

  /// A batch of `batch` records. @returns bytes, 0: full
  std::size_t produce(core::RecordRing& ring) {
    const std::size_t size = starts[half + 1] - starts[half];
    const std::span<std::byte> claim = ring.try_claim(size);
    if (claim.empty()) return 0;
    std::memcpy(claim.data(), bytes + starts[half], size);
    ring.commit(size);
    half = 1 - half;
    return size;
  }
};

/// Adds up everything; with `is_checking`, record by record against what was made.
template <bool is_checking>
struct MixedConsumer {
  std::uint64_t sum = 0;
  std::uint64_t count = 0;
  bool is_right = true;

  std::size_t consume(core::RecordRing& ring) {
    const std::span<const std::byte> run = ring.peek();
    const auto sum_of_words = [&run](std::size_t from, std::size_t to) {
      std::uint64_t result = 0;
      for (std::size_t at = from; at < to; at += 8) {
        std::uint64_t word;
        std::memcpy(&word, run.data() + at, sizeof word);
        result += word;
      }
      return result;
    };
    // Walked and added up by pieces that stay in the first-level cache.
    constexpr std::size_t piece = 4096;
    std::size_t at = 0;
    std::size_t padding = 0;
    while (at + padding < run.size()) {
      const std::size_t from = at;
      while (at < run.size() && at - from < piece) {
        const core::RecordPrefix prefix = core::prefix_of(run.data() + at);
        if (prefix.type == 0) {
          padding = prefix.size;  // always the last of a run
          break;
        }
        if constexpr (is_checking) {
          is_right =
              is_right && sum_of_words(at, at + prefix.size) == mixed().sums[count % Mixed::count];
        }
        at += prefix.size;
        ++count;
      }
      sum += sum_of_words(from, at);
    }
    ring.release(at + padding);
    return at;
  }
};

/// @returns seconds
template <class Consumer>
double transfer_batches(core::RecordRing* ring, std::uint64_t pairs, Consumer* found) {
  const std::uint64_t bytes = pairs * mixed().starts.back();
  return time_two_sides(
      [ring, bytes] {
        MixedProducer producer;
        for (std::uint64_t done = 0; done < bytes;) {
          std::size_t made = 0;
          spin_until([&] { return (made = producer.produce(*ring)) != 0; });
          done += made;
        }
      },
      [ring, bytes, found] {
        Consumer consumer;
        for (std::uint64_t done = 0; done < bytes;) {
          std::size_t taken = 0;
          spin_until([&] { return (taken = consumer.consume(*ring)) != 0; });
          done += taken;
        }
        *found = consumer;
      });
}

void mixed_batches(benchmark::State& state, std::size_t capacity_bytes) {
  constexpr std::uint64_t pairs = 4096;  // of batches: about 64 MiB
  core::RecordRing ring(capacity_bytes);
  MixedConsumer<true> checked;
  transfer_batches(&ring, pairs, &checked);
  require(checked.is_right && checked.count == pairs * Mixed::count,
          "the ring did not carry what was put in");
  MixedConsumer<false> summed;
  for (auto _ : state) state.SetIterationTime(transfer_batches(&ring, pairs, &summed));
  require(summed.sum == checked.sum && summed.count == checked.count, "something else came");
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(summed.count));
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(pairs * mixed().starts.back()));
}

template <class Queue>
void one_thread(benchmark::State& state) {
  const auto queue = std::make_unique<Queue>();
  std::uint64_t next = 0;
  std::uint64_t sum = 0;
  const auto visit = [&](std::span<const std::byte> record) {
    sum += static_cast<std::uint64_t>(record[record.size() - 1]);
  };
  for (auto _ : state) {
    for (int i = 0; i < 32; ++i)
      benchmark::DoNotOptimize(queue->push(samples()[next++ % sample_count]));
    while (queue->pop(visit) != 0) {
    }
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations() * 32);
}

template <class Queue>
void add() {
  const std::string unit = std::string("core/record_ring/") + Queue::name + "/";
  benchmark::RegisterBenchmark((unit + "one_thread").c_str(), one_thread<Queue>);
  benchmark::RegisterBenchmark((unit + "two_threads").c_str(), two_threads<Queue>)->UseManualTime();
}

[[maybe_unused]] const bool are_added = [] {
  add<Ours>();
  add<BoostBytes>();
  add<MoodycamelSpscBoxes>();
  add<MoodycamelSpscFixed>();
  add<MoodycamelMpmcBoxes>();
  const auto batches = [](const char* name, std::size_t capacity_bytes) {
    benchmark::RegisterBenchmark(name, mixed_batches, capacity_bytes)->UseManualTime();
  };
  batches("core/record_ring/perp/batch/48-200B/64KiB", std::size_t{1} << 16);
  batches("core/record_ring/perp/batch/48-200B/4MiB", std::size_t{1} << 22);
  return true;
}();

[[maybe_unused]] const bool goals = [] {
  // Rings of the same bytes: 1k and 64k items of 64 B.
  at_least("core/record_ring/*/batch/48-200B/64KiB", {"core/spsc_queue/perp/batch/64B/1k"}, 0.8,
           "bytes_per_second");
  at_least("core/record_ring/*/batch/48-200B/4MiB", {"core/spsc_queue/perp/batch/64B/64k"}, 0.8,
           "bytes_per_second");
  return true;
}();

}  // namespace
}  // namespace perp::bench
