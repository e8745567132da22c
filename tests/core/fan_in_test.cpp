// FanIn against one std::deque per lane as oracle, with counters narrow enough to wrap, and between
// real threads with a hash of each producer's items and their order.
#include "support/malloc_counter.hpp"
#include "support/random_records.hpp"

#include <perp/core/error.hpp>
#include <perp/core/fan_in.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace perp::core {
namespace {

using test::Draw;
using test::OrderHash;
using test::until;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t transfer_count = 20'000;
constexpr int step_count = 4'000;
#else
constexpr std::uint64_t transfer_count = 200'000;
constexpr int step_count = 20'000;
#endif

struct Taken {
  std::size_t lane;
  std::uint64_t item;
  bool operator==(const Taken&) const = default;
};

template <class Lanes>
std::vector<Taken> drained(Lanes& lanes) {
  std::vector<Taken> taken;
  const std::size_t count =
      lanes.drain([&](std::size_t lane, std::span<const std::uint64_t> items) {
        for (const std::uint64_t item : items) taken.push_back({lane, item});
      });
  EXPECT_EQ(count, taken.size());
  return taken;
}

TEST(FanIn, RefusesCapacitiesThatItsLanesRefuse) {
  EXPECT_THROW(FanIn<int>(3, 0), Error);
  EXPECT_THROW(FanIn<int>(3, 1000), Error);
  EXPECT_THROW((FanIn<int, std::uint8_t>(1, 256)), Error);
  EXPECT_NO_THROW((FanIn<int, std::uint8_t>(1, 128)));
}

TEST(FanIn, TakesATurnFromEachLaneAndBeginsOneFurtherNextTime) {
  FanIn<std::uint64_t> lanes(3, 8, 2);
  for (const std::uint64_t item : {1U, 2U, 3U, 4U, 5U}) ASSERT_TRUE(lanes.lane(0).try_push(item));
  ASSERT_TRUE(lanes.lane(1).try_push(11));
  ASSERT_EQ(lanes.lane(2).try_push_n(std::array<std::uint64_t, 3>{21, 22, 23}), 3U);
  EXPECT_EQ(drained(lanes), (std::vector<Taken>{{0, 1}, {0, 2}, {1, 11}, {2, 21}, {2, 22}}));
  ASSERT_TRUE(lanes.lane(1).try_push(12));
  EXPECT_EQ(drained(lanes), (std::vector<Taken>{{1, 12}, {2, 23}, {0, 3}, {0, 4}}));
  EXPECT_EQ(drained(lanes), (std::vector<Taken>{{0, 5}}));
  EXPECT_TRUE(drained(lanes).empty());
}

TEST(FanIn, ABusyLaneDelaysAQuietOneByNoMoreThanItsTurn) {
  FanIn<std::uint64_t> lanes(2, 64);  // a quarter: 16
  std::uint64_t next = 0;
  for (int round = 0; round < 100; ++round) {
    while (lanes.lane(0).try_push(next)) ++next;
    ASSERT_TRUE(lanes.lane(1).try_push(7));
    std::size_t of_busy = 0;
    std::size_t of_quiet = 0;
    for (const Taken& taken : drained(lanes)) ++(taken.lane == 0 ? of_busy : of_quiet);
    EXPECT_EQ(of_quiet, 1U);
    EXPECT_LE(of_busy, 16U);
    EXPECT_GT(of_busy, 0U);
  }
}

TEST(FanIn, CountsWhatItPushedRefusedAndDrained) {
  FanIn<std::uint64_t> lanes(2, 4);
  FanIn<std::uint64_t>::Lane& lane = lanes.lane(1);
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(lane.try_push(i));
  EXPECT_EQ(lane.try_push_n(std::array<std::uint64_t, 3>{3, 4, 5}), 1U);
  EXPECT_FALSE(lane.try_push(4));
  EXPECT_TRUE(lane.try_claim(2).empty());
  EXPECT_TRUE(lane.try_claim(0).empty()) << "which asks for nothing and is not refused";
  EXPECT_EQ(lane.try_push_n({}), 0U);
  FanInCounts counts = lanes.counts(1);
  EXPECT_EQ(counts.pushed, 4U);
  EXPECT_EQ(counts.refused, 3U);
  EXPECT_EQ(counts.drained, 0U);
  EXPECT_EQ(drained(lanes).size(), 1U) << "a turn is a quarter of the capacity";
  counts = lanes.counts(1);
  EXPECT_EQ(counts.pushed, 4U);
  EXPECT_EQ(counts.drained, 1U);
  ASSERT_FALSE(lane.try_claim(1).empty());
  lane.commit(0);  // given up
  EXPECT_EQ(lanes.counts(1).pushed, 4U);
  EXPECT_EQ(lanes.counts(0).pushed + lanes.counts(0).refused + lanes.counts(0).drained, 0U);
}

TEST(FanIn, ItemsOfAVisitThatThrowsStay) {
  FanIn<std::uint64_t> lanes(2, 8);
  ASSERT_TRUE(lanes.lane(0).try_push(1));
  EXPECT_THROW(lanes.drain([](std::size_t, std::span<const std::uint64_t>) {
    throw std::runtime_error("not now");
  }),
               std::runtime_error);
  EXPECT_EQ(lanes.counts(0).drained, 0U);
  EXPECT_EQ(drained(lanes), (std::vector<Taken>{{0, 1}}));
}

TEST(FanIn, WithoutLanesThereIsNothing) {
  FanIn<std::uint64_t> lanes(0, 8);
  EXPECT_EQ(lanes.lane_count(), 0U);
  EXPECT_TRUE(drained(lanes).empty());
}

template <class Counter>
void compare_with_deques(std::size_t lane_count, std::size_t capacity, std::uint64_t seed) {
  SCOPED_TRACE("PERP_SEED=" + std::to_string(seed) + " capacity " + std::to_string(capacity));
  Draw draw(seed);
  const std::size_t turn = 1 + draw.below(capacity);
  FanIn<std::uint64_t, Counter> lanes(lane_count, capacity, turn);
  std::vector<std::deque<std::uint64_t>> oracle(lane_count);
  std::vector<FanInCounts> books(lane_count);
  std::uint64_t next = 0;
  for (int step = 0; step < step_count; ++step) {
    const std::size_t index = draw.below(lane_count);
    std::deque<std::uint64_t>& own = oracle[index];
    const std::size_t room = capacity - own.size();
    switch (draw.below(4)) {
      case 0:
        ASSERT_EQ(lanes.lane(index).try_push(next), room != 0);
        if (room != 0) own.push_back(next++);
        books[index].pushed += room != 0 ? 1U : 0U;
        books[index].refused += room == 0 ? 1U : 0U;
        break;
      case 1: {
        std::vector<std::uint64_t> items(draw.below(capacity + 2));
        for (std::uint64_t& item : items) item = next++;
        const std::size_t pushed = lanes.lane(index).try_push_n(items);
        ASSERT_EQ(pushed, std::min(items.size(), room));
        own.insert(own.end(), items.begin(), items.begin() + static_cast<std::ptrdiff_t>(pushed));
        books[index].pushed += pushed;
        books[index].refused += pushed < items.size() ? 1U : 0U;
        break;
      }
      default: {
        std::vector<std::size_t> of_lane(lane_count);
        for (const Taken& taken : drained(lanes)) {
          ASSERT_FALSE(oracle[taken.lane].empty());
          ASSERT_EQ(taken.item, oracle[taken.lane].front());
          oracle[taken.lane].pop_front();
          ++of_lane[taken.lane];
        }
        for (std::size_t i = 0; i < lane_count; ++i) {
          ASSERT_LE(of_lane[i], turn);
          ASSERT_EQ(of_lane[i] == 0, of_lane[i] + oracle[i].size() == 0) << "passed over";
          books[i].drained += of_lane[i];
        }
      }
    }
    const FanInCounts counts = lanes.counts(index);
    ASSERT_EQ(counts.pushed, books[index].pushed);
    ASSERT_EQ(counts.refused, books[index].refused);
    ASSERT_EQ(counts.drained, books[index].drained);
  }
}

TEST(FanIn, EqualsDequesWhileItsCounterWraps) {
  const std::uint64_t seed = test::seed_for_test();
  for (const std::size_t capacity : {1U, 2U, 16U, 128U})
    compare_with_deques<std::uint8_t>(3, capacity, seed);
  compare_with_deques<std::uint64_t>(1, 8, seed);
  compare_with_deques<std::uint64_t>(7, 8, seed);
}

TEST(FanIn, CarriesEveryItemOfEachProducerInItsOrderBetweenThreads) {
  const std::uint64_t seed = test::seed_for_test();
  SCOPED_TRACE("PERP_SEED=" + std::to_string(seed));
  constexpr std::size_t lane_count = 3;
  FanIn<std::uint64_t, std::uint8_t> lanes(lane_count, 64);
  std::array<OrderHash, lane_count> sent;
  std::array<std::uint64_t, lane_count> refused{};
  std::vector<std::jthread> producers;
  for (std::size_t i = 0; i < lane_count; ++i) {
    producers.emplace_back([&lanes, &sent, &refused, i, seed] {
      auto& lane = lanes.lane(i);
      OrderHash hash;
      Draw draw(seed + i);
      std::uint64_t refusals = 0;
      std::array<std::uint64_t, 7> batch;
      for (std::uint64_t done = 0; done < transfer_count;) {
        const std::size_t n = std::min<std::size_t>(1 + draw.below(7), transfer_count - done);
        for (std::uint64_t& item : std::span(batch).first(n)) hash.add(item = draw());
        std::span<const std::uint64_t> left(batch.data(), n);
        until([&] {
          left = left.subspan(lane.try_push_n(left));
          refusals += left.empty() ? 0U : 1U;
          return left.empty();
        });
        done += n;
      }
      sent[i] = hash;
      refused[i] = refusals;
    });
  }
  std::array<OrderHash, lane_count> received;
  for (std::uint64_t done = 0; done < lane_count * transfer_count;) {
    std::size_t taken = 0;
    until([&] {
      taken = lanes.drain([&](std::size_t lane, std::span<const std::uint64_t> items) {
        for (const std::uint64_t item : items) received[lane].add(item);
      });
      for (std::size_t i = 0; i < lane_count; ++i) {
        const FanInCounts counts = lanes.counts(i);
        EXPECT_LE(counts.drained, counts.pushed);
      }
      return taken != 0;
    });
    done += taken;
  }
  producers.clear();  // joins
  for (std::size_t i = 0; i < lane_count; ++i) {
    EXPECT_EQ(sent[i].value(), received[i].value());
    const FanInCounts counts = lanes.counts(i);
    EXPECT_EQ(counts.pushed, transfer_count);
    EXPECT_EQ(counts.drained, transfer_count);
    EXPECT_EQ(counts.refused, refused[i]);
  }
}

TEST(FanIn, AllocatesNothingAfterConstruction) {
  if (!test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer has its own malloc";
  FanIn<std::uint64_t> lanes(3, 8);
  const std::uint64_t before = test::malloc_count();
  std::uint64_t sum = 0;
  bool is_right = true;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    is_right &= lanes.lane(i % 3).try_push(i);
    is_right &= lanes.drain([&](std::size_t, std::span<const std::uint64_t> items) {
      sum += items[0];
    }) == 1;
  }
  EXPECT_EQ(test::malloc_count(), before);
  EXPECT_TRUE(is_right);
  EXPECT_EQ(sum, 999U * 1000U / 2);
}

}  // namespace
}  // namespace perp::core
