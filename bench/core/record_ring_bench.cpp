// RecordRing beside what people use for messages of different sizes: a byte queue (Boost) and
// queues of boxes (moodycamel). Sizes are those of a busy feed: mostly trades and quotes, some book
// updates.
#include "harness/two_threads.hpp"

#include <perp/core/record_ring.hpp>

#include <benchmark/benchmark.h>
#include <boost/lockfree/spsc_queue.hpp>
#include <concurrentqueue/concurrentqueue.h>
#include <readerwriterqueue/readerwriterqueue.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
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
    until([&] {
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

template <class Queue, class Visit>
void transfer(Queue& queue, std::uint64_t count, Visit visit) {
  run_two_threads(
      [&] {
        for (std::uint64_t i = 0; i < count; ++i)
          until([&] { return queue.push(samples()[i % sample_count]); });
      },
      [&] {
        for (std::uint64_t done = 0; done < count;) {
          std::size_t taken = 0;
          until([&] { return (taken = queue.pop(visit)) != 0; });
          done += taken;
        }
      });
}

template <class Queue>
void two_threads(benchmark::State& state) {
  const auto queue = std::make_unique<Queue>();
  std::uint64_t expected = 0;
  for (std::size_t i = 0; i < 3 * sample_count; ++i) mix(expected, samples()[i % sample_count]);
  std::uint64_t hash = 0;
  transfer(*queue, 3 * sample_count, [&](std::span<const std::byte> record) { mix(hash, record); });
  require(hash == expected, "the queue did not carry what was put in");
  std::uint64_t sum = 0;
  for (auto _ : state) {
    transfer(*queue, transfer_count, [&](std::span<const std::byte> record) {
      sum += static_cast<std::uint64_t>(record[record.size() - 1]);
    });
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(transfer_count));
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
  benchmark::RegisterBenchmark((unit + "two_threads").c_str(), two_threads<Queue>)->UseRealTime();
}

[[maybe_unused]] const bool are_added = [] {
  add<Ours>();
  add<BoostBytes>();
  add<MoodycamelSpscBoxes>();
  add<MoodycamelSpscFixed>();
  add<MoodycamelMpmcBoxes>();
  return true;
}();

}  // namespace
}  // namespace perp::bench
