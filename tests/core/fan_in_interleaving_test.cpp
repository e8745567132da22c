// Every interleaving of three producers and the consumer of a FanIn, and of one with a thread that
// reads the books; each memory order weakened in turn.
#include "support/interleaving_check.hpp"

#include <perp/core/fan_in.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <span>

namespace perp::core {
namespace {

using test::model::Atomic;
using test::model::check_interleavings;
using test::model::Checker;
using test::model::PlainItem;
using test::model::unlimited;
using test::model::weak_load;
using test::model::weak_store;

using Lanes = FanIn<PlainItem, std::uint8_t, Atomic>;

// Locations of a lane, in order of construction: 0 write_, 1 read_, 2 pushed_, 3 refused_, 4
// drained_; lane by lane.
constexpr std::size_t lane_locations = 5;

TEST(Interleaving, FanInOfThreeProducersKeepsEachOnesOrder) {
  check_interleavings(
      2,
      [](Checker& checker) {
        Lanes lanes(3, 2);
        std::array<std::uint64_t, 3> pushed{};
        std::array<std::uint64_t, 3> refused{};
        std::array<std::uint64_t, 3> popped{};
        const auto produce = [&](std::size_t i) {
          return [&, i] {
            for (int attempt = 0; attempt < 2; ++attempt) {
              const bool is_in = lanes.lane(i).try_push(PlainItem(pushed[i] + 1));
              ++(is_in ? pushed : refused)[i];
            }
          };
        };
        checker.run({produce(0), produce(1), produce(2), [&] {
                       for (int attempt = 0; attempt < 2; ++attempt) {
                         lanes.drain([&](std::size_t i, std::span<const PlainItem> items) {
                           for (const PlainItem& item : items)
                             checker.check(item.value() == ++popped[i], "an item out of order");
                         });
                       }
                     }});
        if (checker.has_failed()) return;
        for (std::size_t i = 0; i < 3; ++i) {
          const FanInCounts counts = lanes.counts(i);
          checker.check(counts.pushed == pushed[i] && counts.refused == refused[i] &&
                            counts.drained == popped[i] && popped[i] <= pushed[i],
                        "the books are wrong");
        }
      },
      {weak_store("publish of a lane's write", 0, 0),
       weak_load("observe of a lane's write", 0, 0)});
}

TEST(Interleaving, FanInLaneNeedsEachOfItsOrders) {
  check_interleavings(
      unlimited,
      [](Checker& checker) {
        Lanes lanes(2, 2);
        std::uint64_t pushed = 0;
        std::uint64_t popped = 0;
        checker.run({[&] {
                       for (int attempt = 0; attempt < 4; ++attempt) {
                         if (lanes.lane(0).try_push(PlainItem(pushed + 1))) ++pushed;
                       }
                     },
                     [&] {
                       for (int attempt = 0; attempt < 3; ++attempt) {
                         lanes.drain([&](std::size_t, std::span<const PlainItem> items) {
                           for (const PlainItem& item : items)
                             checker.check(item.value() == ++popped, "an item out of order");
                         });
                       }
                     }});
      },
      {weak_store("publish of write", 0, 0), weak_load("observe of write", 0, 0),
       weak_store("publish of read", 1, 1), weak_load("observe of read", 1, 1)});
}

TEST(Interleaving, FanInBooksNeverShowMoreDrainedThanPushed) {
  check_interleavings(
      unlimited,
      [](Checker& checker) {
        Lanes lanes(1, 2);
        checker.run({[&] {
                       for (std::uint64_t i = 1; i <= 2; ++i)
                         checker.check(lanes.lane(0).try_push(PlainItem(i)), "there is room");
                     },
                     [&] {
                       for (int attempt = 0; attempt < 2; ++attempt)
                         lanes.drain([](std::size_t, std::span<const PlainItem>) {});
                     },
                     [&] {
                       const FanInCounts counts = lanes.counts(0);
                       checker.check(counts.drained <= counts.pushed, "drained before pushed");
                     }});
      },
      {weak_store("publish of drained", lane_locations - 1, lane_locations - 1),
       weak_load("observe of drained", lane_locations - 1, lane_locations - 1),
       weak_store("publish of write", 0, 0), weak_load("observe of write", 0, 0)});
}

}  // namespace
}  // namespace perp::core
