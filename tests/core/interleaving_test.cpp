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
#include <functional>
#include <set>
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
using test::model::Weakening;

// What two or four loads of a litmus test may see, all in all. The truth is the memory model's:
// C++20 [intro.races], [atomics.order]; the tests have their names from the literature.
using Seen = std::array<std::uint64_t, 4>;
using Outcomes = std::set<Seen>;
using Litmus = std::function<void(Checker&, Seen&)>;

Outcomes outcomes_of(const Litmus& litmus, const Weakening& weakening, bool splits_steps) {
  Outcomes outcomes;
  Checker checker;
  checker.weaken(weakening);
  if (splits_steps) checker.split_steps();
  checker.explore([&](Checker& run) {
    Seen seen{};
    litmus(run, seen);
    outcomes.insert(seen);
  });
  return outcomes;
}
Outcomes outcomes_of(const Litmus& litmus, const Weakening& weakening = {}) {
  const Outcomes outcomes = outcomes_of(litmus, weakening, false);
  EXPECT_EQ(outcomes, outcomes_of(litmus, weakening, true)) << "loads in one step hide something";
  return outcomes;
}

using Flag = Sequence<std::uint32_t, Atomic>;
using Count = Tally<std::uint32_t, Atomic>;

TEST(ModelChecker, KnowsMessagePassing) {
  if (!knows_coroutines) GTEST_SKIP() << "the sanitizer does not know coroutines";
  const Litmus litmus = [](Checker& checker, Seen& seen) {
    Flag flag;  // location 0
    Flag data;
    checker.run({[&] {
                   data.announce(1);
                   flag.publish(1);
                 },
                 [&] {
                   seen[0] = flag.observe();
                   seen[1] = data.guess();
                 }});
  };
  const Outcomes strong{{0, 0}, {0, 1}, {1, 1}};
  Outcomes weak = strong;
  weak.insert({1, 0});
  EXPECT_EQ(outcomes_of(litmus), strong);
  EXPECT_EQ(outcomes_of(litmus, weak_store("", 0, 0).weakening), weak);
  EXPECT_EQ(outcomes_of(litmus, weak_load("", 0, 0).weakening), weak);
}

TEST(ModelChecker, KnowsStoreBuffering) {
  if (!knows_coroutines) GTEST_SKIP() << "the sanitizer does not know coroutines";
  const Litmus released = [](Checker& checker, Seen& seen) {
    Flag a;
    Flag b;
    checker.run({[&] {
                   a.publish(1);
                   seen[0] = b.observe();
                 },
                 [&] {
                   b.publish(1);
                   seen[1] = a.observe();
                 }});
  };
  const Litmus ordered = [](Checker& checker, Seen& seen) {
    Count a;
    Count b;
    checker.run({[&] {
                   a.tell();
                   seen[0] = b.settled();
                 },
                 [&] {
                   b.tell();
                   seen[1] = a.settled();
                 }});
  };
  const Outcomes all{{0, 0}, {0, 1}, {1, 0}, {1, 1}};
  Outcomes at_least_one = all;
  at_least_one.erase({0, 0});
  EXPECT_EQ(outcomes_of(released), all);
  EXPECT_EQ(outcomes_of(ordered), at_least_one);
  for (const Operation operation : {Operation::load, Operation::update})
    EXPECT_EQ(outcomes_of(ordered, {0, 0, operation, std::memory_order_seq_cst}), all);
}

TEST(ModelChecker, KnowsThatTwoReadersMayDisagreeUnlessAllIsOrdered) {  // IRIW
  if (!knows_coroutines) GTEST_SKIP() << "the sanitizer does not know coroutines";
  const auto litmus = [](bool is_ordered) {
    return [is_ordered](Checker& checker, Seen& seen) {
      Count a;
      Count b;
      const auto read = [is_ordered](const Count& count) {
        return is_ordered ? count.settled() : count.observe();
      };
      checker.run({[&] { a.tell(); }, [&] { b.tell(); },
                   [&] {
                     seen[0] = read(a);
                     seen[1] = read(b);
                   },
                   [&] {
                     seen[2] = read(b);
                     seen[3] = read(a);
                   }});
    };
  };
  EXPECT_EQ(outcomes_of(litmus(false)).size(), 16U);
  const Outcomes ordered = outcomes_of(litmus(true));
  EXPECT_EQ(ordered.size(), 15U);
  EXPECT_FALSE(ordered.contains({1, 0, 1, 0}));
}

TEST(ModelChecker, KnowsCoherenceAndThatNoUpdateIsLost) {
  if (!knows_coroutines) GTEST_SKIP() << "the sanitizer does not know coroutines";
  EXPECT_EQ(outcomes_of([](Checker& checker, Seen& seen) {  // CoRR
              Flag flag;
              checker.run({[&] { flag.announce(1); },
                           [&] {
                             seen[0] = flag.guess();
                             seen[1] = flag.guess();
                           }});
            }),
            (Outcomes{{0, 0}, {0, 1}, {1, 1}}));
  EXPECT_EQ(outcomes_of([](Checker& checker, Seen& seen) {
              Count count;
              checker.run({[&] { count.tell(); }, [&] { count.tell(); }, [&] { count.untell(); }});
              seen[0] = count.observe();
            }),
            (Outcomes{{1}}));
}

TEST(ModelChecker, CarriesAReleaseThroughUpdatesBehindIt) {
  if (!knows_coroutines) GTEST_SKIP() << "the sanitizer does not know coroutines";
  EXPECT_EQ(outcomes_of([](Checker& checker, Seen& seen) {
              Count count;
              Flag data;
              checker.run({[&] {
                             data.announce(1);
                             count.tell();
                           },
                           [&] { count.untell(); },  // relaxed
                           [&] {
                             // 0 and 0 - 1 were there before the tell(), 0 also behind it.
                             seen[0] = count.observe();
                             seen[1] = data.guess();
                           }});
            }),
            (Outcomes{{0, 0}, {0, 1}, {1, 1}, {0xffffffff, 0}, {0xffffffff, 1}}));
}

TEST(ModelChecker, FindsRacesOfPlainData) {
  if (!knows_coroutines) GTEST_SKIP() << "the sanitizer does not know coroutines";
  const auto race = [](bool writes) {
    return Checker()
        .explore([writes](Checker& checker) {
          PlainItem data;
          checker.run({[&] { data = PlainItem(7); },
                       [&] {
                         if (writes) data = PlainItem(8);
                         if (!writes) static_cast<void>(data.value());
                       }});
        })
        .failure;
  };
  EXPECT_NE(race(true), "");
  EXPECT_NE(race(false), "");
}

TEST(ModelChecker, DrawsTheSameExecutionsFromTheSameSeed) {
  if (!knows_coroutines) GTEST_SKIP() << "the sanitizer does not know coroutines";
  const auto seen_by = [](std::uint64_t seed) {
    std::vector<std::uint32_t> seen;
    Checker().explore_random(
        [&](Checker& checker) {
          Flag flag;
          checker.run({[&] { flag.publish(1); }, [&] { seen.push_back(flag.observe()); }});
        },
        200, seed);
    return seen;
  };
  EXPECT_EQ(seen_by(1).size(), 200U);
  EXPECT_EQ(seen_by(1), seen_by(1));
  EXPECT_NE(seen_by(1), seen_by(2));
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

TEST(Interleaving, SpscQueueNeedsEachOfItsOrdersInBatches) {
  check_interleavings(
      unlimited,
      [](Checker& checker) {
        SpscQueue<PlainItem, std::uint8_t, Atomic> queue(2);
        std::uint64_t pushed = 0;
        std::uint64_t popped = 0;
        checker.run({[&] {
                       for (int attempt = 0; attempt < 2; ++attempt) {
                         const std::array items{PlainItem(pushed + 1), PlainItem(pushed + 2)};
                         pushed += queue.try_push_n(items);
                         const std::span<PlainItem> claim = queue.try_claim(2);
                         for (PlainItem& item : claim) item = PlainItem(++pushed);
                         queue.commit(claim.size());
                       }
                     },
                     [&] {
                       for (int attempt = 0; attempt < 4; ++attempt) {
                         const std::span<const PlainItem> run = queue.peek();
                         if (run.empty()) continue;
                         checker.check(run.front().value() == ++popped, "an item out of order");
                         queue.release(1);
                       }
                     }});
      },
      ring_weakenings);
}

TEST(Interleaving, SpscQueueGuessesASizeThatItHad) {
  check_interleavings(
      unlimited,
      [](Checker& checker) {
        SpscQueue<PlainItem, std::uint8_t, Atomic> queue(4);
        checker.run({[&] {
                       checker.check(queue.try_push(PlainItem(1)), "no room");
                       checker.check(queue.try_push(PlainItem(2)), "no room");
                     },
                     [&] {
                       PlainItem item;
                       for (int attempt = 0; attempt < 2; ++attempt)
                         static_cast<void>(queue.try_pop(item));
                     },
                     [&] { checker.check(queue.size_guess() <= 2, "more than were pushed"); }});
      },
      {weak_store("publish of read", 1, 1), weak_load("observe of read", 1, 1)});
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
