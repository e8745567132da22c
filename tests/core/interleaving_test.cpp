// Every interleaving, and every stale value that the memory model allows, of a few operations on
// each lock-free unit; and, one by one, every release and acquire in them weakened: each must then
// fail.
#include "support/interleaving.hpp"

#include <perp/core/broadcast_ring.hpp>
#include <perp/core/record_ring.hpp>
#include <perp/core/seqlock.hpp>
#include <perp/core/spsc_queue.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace perp::core {
namespace {

using test::model::Atomic;
using test::model::Checker;
using test::model::Operation;
using test::model::Outcome;
using test::model::PlainItem;

struct Weak {
  const char* what;
  std::size_t first;
  std::size_t last;
  Operation operation;
};

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool knows_coroutines = false;
#else
constexpr bool knows_coroutines = true;
#endif

// PERP_MODEL_PREEMPTIONS=1 allows one more switch per execution than the default: for nights, not
// for every build.
int more_preemptions() {
  const char* given = std::getenv("PERP_MODEL_PREEMPTIONS");
  return given == nullptr ? 0 : std::atoi(given);
}

// `body` must be right in every execution, and wrong in some as soon as any of `weakenings` is
// made.
void check(int preemptions, const std::function<void(Checker&)>& body,
           const std::vector<Weak>& weakenings) {
  if (!knows_coroutines) GTEST_SKIP() << "the sanitizer does not know coroutines";
  preemptions += more_preemptions();
  Checker strong(preemptions);
  const Outcome outcome = strong.explore(body);
  EXPECT_EQ(outcome.failure, "") << "after " << outcome.execution_count << " executions";
  EXPECT_GT(outcome.execution_count, 1000U);
  ::testing::Test::RecordProperty("executions", std::to_string(outcome.execution_count));
  std::printf("  %llu executions\n", static_cast<unsigned long long>(outcome.execution_count));
  for (const Weak& weak : weakenings) {
    Checker checker(preemptions);
    checker.weaken(weak.first, weak.last, weak.operation);
    const Outcome weakened = checker.explore(body);
    EXPECT_NE(weakened.failure, "")
        << weak.what << " could be relaxed: " << weakened.execution_count;
    std::printf("  %-28s caught after %llu: %s\n", weak.what,
                static_cast<unsigned long long>(weakened.execution_count),
                weakened.failure.c_str());
  }
}

TEST(Interleaving, TheCheckerKnowsMessagePassingAndStoreBuffering) {
  if (!knows_coroutines) GTEST_SKIP() << "the sanitizer does not know coroutines";
  // Message passing: right with release and acquire, wrong without either.
  const auto message_passing = [](Checker& checker) {
    Sequence<std::uint32_t, Atomic> flag;
    PlainItem data;
    checker.run({[&] {
                   data = PlainItem(7);
                   flag.publish(1);
                 },
                 [&] {
                   if (flag.observe() == 1)
                     checker.check(data.value() == 7, "the data is not there");
                 }});
  };
  EXPECT_EQ(Checker(2).explore(message_passing).failure, "");
  for (const Operation operation : {Operation::load, Operation::store}) {
    Checker checker(2);
    checker.weaken(0, 0, operation);
    EXPECT_NE(checker.explore(message_passing).failure, "");
  }
  // Store buffering: with release and acquire both threads may read 0, and the checker finds it.
  bool both_read_zero = false;
  Checker(2).explore([&](Checker& checker) {
    Sequence<std::uint32_t, Atomic> a;
    Sequence<std::uint32_t, Atomic> b;
    std::array<std::uint32_t, 2> seen{};
    checker.run({[&] {
                   a.publish(1);
                   seen[0] = b.observe();
                 },
                 [&] {
                   b.publish(1);
                   seen[1] = a.observe();
                 }});
    both_read_zero |= seen[0] == 0 && seen[1] == 0;
  });
  EXPECT_TRUE(both_read_zero);
}

// Locations in order of construction: 0 write_, 1 read_.
const std::vector<Weak> ring_weakenings = {{"publish of write", 0, 0, Operation::store},
                                           {"observe of write", 0, 0, Operation::load},
                                           {"publish of read", 1, 1, Operation::store},
                                           {"observe of read", 1, 1, Operation::load}};

TEST(Interleaving, SpscQueueNeedsEachOfItsOrders) {
  check(
      4,
      [](Checker& checker) {
        SpscQueue<PlainItem, std::uint8_t, Atomic> queue(2);
        std::uint64_t pushed = 0;
        std::uint64_t popped = 0;
        checker.run({[&] {
                       for (int attempt = 0; attempt < 4; ++attempt) {
                         if (queue.try_push(PlainItem(pushed + 1))) ++pushed;
                       }
                     },
                     [&] {
                       PlainItem item;
                       for (int attempt = 0; attempt < 2; ++attempt) {
                         if (queue.try_pop(item))
                           checker.check(item.value() == ++popped, "an item out of order");
                         const std::span<const PlainItem> run = queue.peek();
                         for (const PlainItem& next : run)
                           checker.check(next.value() == ++popped, "an item out of order");
                         queue.release(run.size());
                       }
                     }});
        if (!checker.has_failed())
          checker.check(popped <= pushed && pushed - popped <= 2, "more than fits");
      },
      ring_weakenings);
}

TEST(Interleaving, RecordRingNeedsEachOfItsOrders) {
  check(
      3,
      [](Checker& checker) {
        constexpr std::uint32_t size =
            1600;  // two fit; the third begins at the start, behind padding
        BasicRecordRing<std::uint16_t, Atomic> ring(4096);
        std::uint16_t written = 0;
        std::uint16_t seen = 0;
        checker.run({[&] {
                       for (int attempt = 0; attempt < 4; ++attempt) {
                         const std::span<std::byte> claim = ring.try_claim(size);
                         if (claim.empty()) continue;
                         const RecordPrefix prefix{size, ++written, 0};
                         checker.write_plain(claim.data());
                         checker.write_plain(claim.data() + size - 8);
                         std::memcpy(claim.data(), &prefix, sizeof prefix);
                         ring.commit(size);
                       }
                     },
                     [&] {
                       for (int attempt = 0; attempt < 3; ++attempt) {
                         const std::span<const std::byte> run = ring.peek();
                         std::size_t at = 0;
                         while (at < run.size()) {
                           const RecordPrefix prefix = prefix_of(run.data() + at);
                           if (prefix.type != 0) {
                             checker.read_plain(run.data() + at);
                             checker.check(prefix.size == size && prefix.type == ++seen,
                                           "a record out of order");
                             checker.read_plain(run.data() + at + size - 8);
                           }
                           at += prefix.size;
                         }
                         ring.release(at);
                       }
                     }});
        if (!checker.has_failed()) checker.check(seen <= written, "more than was written");
      },
      ring_weakenings);
}

TEST(Interleaving, SeqlockNeedsEachOfItsOrders) {
  struct Pair {
    std::uint64_t first;
    std::uint64_t second;
  };
  check(3,
        [](Checker& checker) {
          Seqlock<Pair, std::uint8_t, Atomic> lock(Pair{0, 0});
          const auto read = [&] {
            std::uint64_t last = 0;
            for (int attempt = 0; attempt < 3; ++attempt) {
              Pair pair{};
              if (!lock.try_load(pair)) continue;
              checker.check(pair.first == pair.second, "torn");
              checker.check(pair.first >= last, "an older value after a newer one");
              last = pair.first;
            }
          };
          checker.run({[&] {
                         for (std::uint64_t i = 1; i <= 2; ++i) lock.store({i, i});
                       },
                       read});
        },
        {{"publish of version", 0, 0, Operation::store},
         {"observe of version", 0, 0, Operation::load},
         {"publish of words", 1, 2, Operation::store},
         {"observe of words", 1, 2, Operation::load}});
}

TEST(Interleaving, SeqlockServesTwoReaders) {
  check(2,
        [](Checker& checker) {
          Seqlock<std::array<std::uint64_t, 2>, std::uint8_t, Atomic> lock;
          const auto read = [&] {
            std::array<std::uint64_t, 2> value{};
            if (lock.try_load(value)) checker.check(value[0] == value[1], "torn");
          };
          checker.run({[&] { lock.store({1, 1}); }, read, read});
        },
        {});
}

// Locations of a broadcast ring: 0 published, 1 intent, 2 landmark, then cursor and open of each
// gate, then words.
constexpr std::size_t first_gate = 3;
constexpr std::size_t first_word = first_gate + 2 * BroadcastRing::gating_max;
constexpr std::size_t last_word = first_word + 128 / 8 - 1;
using SmallBroadcast = BasicBroadcastRing<std::uint16_t, Atomic>;
static_assert(last_word < test::model::location_max);

std::array<std::byte, 16> numbered(std::uint64_t number) {
  std::array<std::byte, 16> record;
  const RecordPrefix prefix{16, static_cast<std::uint16_t>(number + 1), 0};
  std::memcpy(record.data(), &prefix, sizeof prefix);
  std::memcpy(record.data() + 8, &number, sizeof number);
  return record;
}

// What `reader` is told by one read agrees with what is published, record by record.
void read_once(Checker& checker, SmallBroadcast::Reader& reader, std::size_t buffer_bytes) {
  std::array<std::byte, 128> buffer;
  const std::uint64_t before = reader.next_record();
  const BroadcastRead result = reader.read(std::span(buffer).first(buffer_bytes));
  if (result.status == BroadcastStatus::lost) {
    checker.check(result.lost_count > 0 && result.lost_count < 100, "an impossible loss");
    return;
  }
  for (std::size_t i = 0; i < result.record_count; ++i) {
    const auto expected = numbered(before + i);
    checker.check(std::equal(expected.begin(), expected.end(),
                             buffer.begin() + static_cast<std::ptrdiff_t>(16 * i)),
                  "a torn or wrong record");
  }
}

TEST(Interleaving, BroadcastRingNeedsEachOrderOfALossyReader) {
  check(2,
        [](Checker& checker) {
          SmallBroadcast ring(128);
          SmallBroadcast::Reader reader = ring.add_reader();
          std::uint64_t number = 0;
          const auto publish = [&] {
            checker.check(ring.try_publish(numbered(number)) == 16, "nobody is in the way");
            ++number;
          };
          for (int i = 0; i < 4; ++i) publish();
          checker.run({[&] {
                         for (int i = 0; i < 3; ++i) publish();
                       },
                       [&] {
                         for (const std::size_t buffer_bytes : {32U, 128U})
                           read_once(checker, reader, buffer_bytes);
                       }});
          if (!checker.has_failed())
            checker.check(reader.next_record() <= number, "ahead of the producer");
        },
        {{"publish of published", 0, 0, Operation::store},
         {"observe of published", 0, 0, Operation::load},
         {"publish of landmark", 2, 2, Operation::store},
         {"observe of landmark", 2, 2, Operation::load},
         {"publish of words", first_word, last_word, Operation::store},
         {"observe of words", first_word, last_word, Operation::load}});
}

TEST(Interleaving, BroadcastRingNeedsEachOrderOfAGatingReader) {
  check(3,
        [](Checker& checker) {
          SmallBroadcast ring(128);
          std::optional<SmallBroadcast::Reader> reader(ring.add_gating_reader());
          checker.guard_loads(first_word);
          std::uint64_t number = 0;
          const auto publish = [&] { number += ring.try_publish(numbered(number)) / 16; };
          for (int i = 0; i < 4; ++i) publish();
          checker.run({[&] {
                         for (int i = 0; i < 3; ++i) publish();
                       },
                       [&] {
                         for (int i = 0; i < 2; ++i) read_once(checker, *reader, 48);
                         checker.check(reader->lost_count() == 0, "a gating reader lost something");
                         reader.reset();
                       }});
        },
        {{"publish of a gate's cursor", first_gate, first_gate, Operation::store},
         {"observe of a gate's cursor", first_gate, first_gate, Operation::load},
         {"publish of a gate's end", first_gate + 1, first_gate + 1, Operation::store},
         {"observe of a gate's end", first_gate + 1, first_gate + 1, Operation::load}});
}

TEST(Interleaving, BroadcastRingLetsReadersJoinWhileItsProducerRuns) {
  check(2,
        [](Checker& checker) {
          SmallBroadcast ring(128);
          std::uint64_t number = 0;
          const auto publish = [&] { number += ring.try_publish(numbered(number)) / 16; };
          for (int i = 0; i < 4; ++i) publish();
          checker.run({[&] {
                         for (int i = 0; i < 5; ++i) publish();
                       },
                       [&] {
                         SmallBroadcast::Reader reader = ring.add_reader();
                         checker.check(reader.next_record() >= 4 && reader.next_record() <= 9,
                                       "a wrong beginning");
                         read_once(checker, reader, 128);
                         checker.check(reader.next_record() <= 9, "ahead of the producer");
                       }});
        },
        {{"publish of published", 0, 0, Operation::store},
         {"observe of published", 0, 0, Operation::load}});
}

}  // namespace
}  // namespace perp::core
