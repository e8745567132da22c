// Every interleaving, and every stale value that the memory model allows, of a few operations on
// queue, record ring and seqlock; and, one by one, every release and acquire in them weakened: each
// must then fail. The other units have their own files.
#include "support/interleaving_check.hpp"

#include <perp/core/record_ring.hpp>
#include <perp/core/seqlock.hpp>
#include <perp/core/spsc_queue.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace perp::core {
namespace {

using test::model::Atomic;
using test::model::check_interleavings;
using test::model::Checker;
using test::model::knows_coroutines;
using test::model::Operation;
using test::model::PlainItem;
using test::model::unlimited;
using test::model::Weak;
using test::model::weak_load;
using test::model::weak_store;

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
    checker.weaken(
        {0, 0, operation,
         operation == Operation::load ? std::memory_order_acquire : std::memory_order_release});
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
const std::vector<Weak> ring_weakenings = {
    weak_store("publish of write", 0, 0), weak_load("observe of write", 0, 0),
    weak_store("publish of read", 1, 1), weak_load("observe of read", 1, 1)};

TEST(Interleaving, SpscQueueNeedsEachOfItsOrders) {
  check_interleavings(
      unlimited,
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
  check_interleavings(
      unlimited,
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
  check_interleavings(
      unlimited,
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
      {weak_store("publish of version", 0, 0), weak_load("observe of version", 0, 0),
       weak_store("publish of words", 1, 2), weak_load("observe of words", 1, 2)});
}

TEST(Interleaving, SeqlockServesTwoReaders) {
  check_interleavings(unlimited,
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

}  // namespace
}  // namespace perp::core
