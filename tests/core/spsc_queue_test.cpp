// SpscQueue against a std::deque as oracle, with counters narrow enough to wrap, and between two
// threads with a hash of contents and order.
#include "support/malloc_counter.hpp"
#include "support/random_records.hpp"

#include <perp/core/error.hpp>
#include <perp/core/spsc_queue.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <vector>

namespace perp::core {
namespace {

using test::Draw;
using test::OrderHash;
using test::until;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t transfer_count = 60'000;
constexpr int step_count = 4'000;
#else
constexpr std::uint64_t transfer_count = 300'000;
constexpr int step_count = 20'000;
#endif

TEST(SpscQueue, RefusesCapacitiesThatAreNotPowersOfTwoInRange) {
  EXPECT_THROW(SpscQueue<int>(0), Error);
  EXPECT_THROW(SpscQueue<int>(3), Error);
  EXPECT_THROW(SpscQueue<int>(1000), Error);
  EXPECT_THROW((SpscQueue<int, std::uint8_t>(256)), Error);
  EXPECT_THROW(SpscQueue<int>(std::size_t{1} << 63), Error);
  EXPECT_NO_THROW(SpscQueue<int>(1));
  EXPECT_NO_THROW((SpscQueue<int, std::uint8_t>(128)));
  try {
    SpscQueue<int> queue(24);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("24"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("SpscQueue"), std::string::npos) << error.what();
  }
}

TEST(SpscQueue, RefusesMemoryThatTheKernelDoesNotHave) {
  EXPECT_THROW(SpscQueue<std::uint64_t>(std::size_t{1} << 55), Error);
}

TEST(SpscQueue, HoldsExactlyItsCapacity) {
  for (const std::size_t capacity : {1U, 2U, 64U}) {
    SpscQueue<std::uint64_t> queue(capacity);
    std::uint64_t item = 99;
    EXPECT_FALSE(queue.try_pop(item));
    EXPECT_EQ(item, 99U);
    EXPECT_TRUE(queue.peek().empty());
    for (std::uint64_t i = 0; i < capacity; ++i) ASSERT_TRUE(queue.try_push(i));
    EXPECT_FALSE(queue.try_push(77));
    EXPECT_TRUE(queue.try_claim(1).empty());
    EXPECT_EQ(queue.try_push_n(std::array<std::uint64_t, 2>{1, 2}), 0U);
    EXPECT_EQ(queue.size_guess(), capacity);
    for (std::uint64_t i = 0; i < capacity; ++i) {
      ASSERT_TRUE(queue.try_pop(item));
      EXPECT_EQ(item, i);
    }
    EXPECT_FALSE(queue.try_pop(item));
    EXPECT_EQ(queue.size_guess(), 0U);
  }
}

TEST(SpscQueue, ClaimsAndRunsStopAtTheEndOfTheMemory) {
  SpscQueue<int> queue(8);
  ASSERT_EQ(queue.try_push_n(std::array{0, 1, 2, 3, 4}), 5U);
  ASSERT_EQ(queue.peek().size(), 5U);
  queue.release(5);
  const std::span<int> claim = queue.try_claim(8);
  ASSERT_EQ(claim.size(), 3U);
  for (int i = 0; i < 3; ++i) claim[static_cast<std::size_t>(i)] = 10 + i;
  EXPECT_TRUE(queue.peek().empty()) << "nothing is seen before the commit";
  queue.commit(2);  // fewer than claimed
  ASSERT_EQ(queue.peek().size(), 2U);
  EXPECT_EQ(queue.try_claim(8).size(), 1U);
  queue.commit(0);  // given up
  ASSERT_EQ(queue.try_push_n(std::array{12, 13, 14}), 3U) << "a push in bulk goes round the end";
  EXPECT_EQ(queue.peek().size(), 3U);
  queue.release(3);
  const std::span<const int> rest = queue.peek();
  ASSERT_EQ(rest.size(), 2U);
  EXPECT_EQ(rest[0], 13);
  EXPECT_EQ(rest[1], 14);
}

TEST(SpscQueue, PeekingTwiceLooksAgainAndReleasingGivesTheRestFirst) {
  SpscQueue<int> queue(8);
  ASSERT_TRUE(queue.try_push(1));
  ASSERT_EQ(queue.peek().size(), 1U);
  ASSERT_TRUE(queue.try_push(2));
  EXPECT_EQ(queue.peek().size(), 2U);
  queue.release(0);
  ASSERT_TRUE(queue.try_push(3));
  EXPECT_EQ(queue.peek().size(), 3U);
  queue.release(1);
  ASSERT_TRUE(queue.try_push(4));
  EXPECT_EQ(queue.peek().size(), 2U);
  EXPECT_EQ(queue.peek().size(), 3U);
}

TEST(SpscQueue, GivesPoppedSlotsBackInBatchesAndAllOfThemWhenItIsDrained) {
  SpscQueue<std::uint64_t> queue(64);
  std::uint64_t item = 0;
  for (std::uint64_t i = 0; i < 64; ++i) ASSERT_TRUE(queue.try_push(i));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(queue.try_pop(item));
  EXPECT_FALSE(queue.try_push(64)) << "3 of 64 are less than a batch of 4";
  ASSERT_TRUE(queue.try_pop(item));
  EXPECT_EQ(queue.try_claim(64).size(), 4U);
  ASSERT_TRUE(queue.try_pop(item));
  ASSERT_EQ(queue.peek().front(), 5U) << "peek goes on behind what was popped";
  queue.release(1);
  EXPECT_EQ(queue.size_guess(), 58U) << "a release gives back what was popped before it";
  for (int i = 0; i < 57; ++i) ASSERT_TRUE(queue.try_pop(item));
  EXPECT_EQ(queue.size_guess(), 2U);
  ASSERT_TRUE(queue.try_pop(item));
  EXPECT_EQ(item, 63U);
  EXPECT_EQ(queue.size_guess(), 0U) << "drained: all 64 slots are free";
}

// Every operation in random order against a std::deque; the counter wraps many times. `held`
// follows the contract of try_pop: popped slots that the producer need not have got back yet.
template <class Counter>
void compare_with_deque(std::size_t capacity, std::uint64_t seed) {
  SCOPED_TRACE("PERP_SEED=" + std::to_string(seed) + " capacity " + std::to_string(capacity));
  Draw draw(seed);
  SpscQueue<std::uint64_t, Counter> queue(capacity);
  std::deque<std::uint64_t> oracle;
  std::uint64_t next = 0;
  std::size_t held = 0;
  for (int step = 0; step < step_count; ++step) {
    const std::size_t n = draw.below(capacity + 2);
    switch (draw.below(5)) {
      case 0:
        ASSERT_EQ(queue.try_push(next), oracle.size() + held < capacity);
        if (oracle.size() + held < capacity) oracle.push_back(next++);
        break;
      case 1: {
        std::vector<std::uint64_t> items(n);
        for (std::size_t i = 0; i < n; ++i) items[i] = next + i;
        const std::size_t pushed = queue.try_push_n(items);
        ASSERT_EQ(pushed, std::min(n, capacity - oracle.size() - held));
        for (std::size_t i = 0; i < pushed; ++i) oracle.push_back(next++);
        break;
      }
      case 2: {
        const std::span<std::uint64_t> claim = queue.try_claim(n);
        ASSERT_LE(claim.size(), std::min(n, capacity - oracle.size() - held));
        ASSERT_EQ(claim.empty(), n == 0 || oracle.size() + held == capacity);
        const std::size_t used = draw.below(claim.size() + 1);
        for (std::size_t i = 0; i < used; ++i) {
          claim[i] = next;
          oracle.push_back(next++);
        }
        queue.commit(used);
        break;
      }
      case 3: {
        std::uint64_t item = 0;
        ASSERT_EQ(queue.try_pop(item), !oracle.empty());
        if (oracle.empty()) break;
        ASSERT_EQ(item, oracle.front());
        oracle.pop_front();
        // What was given back is the queue's to choose within its contract; it is seen in the next
        // refusal.
        held = queue.size_guess() - oracle.size();
        ASSERT_LT(held, std::max<std::size_t>(1, capacity / 16));
        if (oracle.empty()) {
          ASSERT_EQ(held, 0U);
        }
        break;
      }
      default: {
        const std::span<const std::uint64_t> run = queue.peek();
        ASSERT_EQ(run.empty(), oracle.empty());
        ASSERT_LE(run.size(), oracle.size());
        const std::size_t used = draw.below(run.size() + 1);
        for (std::size_t i = 0; i < used; ++i) {
          ASSERT_EQ(run[i], oracle.front());
          oracle.pop_front();
        }
        queue.release(used);
        held = 0;
      }
    }
    ASSERT_EQ(queue.size_guess(), oracle.size() + held);
  }
}

TEST(SpscQueue, EqualsADequeWhileItsCounterWraps) {
  const std::uint64_t seed = test::seed_for_test();
  for (const std::size_t capacity : {1U, 2U, 16U, 128U})
    compare_with_deque<std::uint8_t>(capacity, seed);
  compare_with_deque<std::uint16_t>(32768, seed);
  compare_with_deque<std::uint64_t>(8, seed);
}

struct Item {
  std::array<std::uint64_t, 5> words{};
};

// What the producer put in, in its order, is what the consumer takes out; both use every way there
// is.
template <class Counter>
void transfer(std::size_t capacity, std::uint64_t count, std::uint64_t seed) {
  SCOPED_TRACE("PERP_SEED=" + std::to_string(seed));
  SpscQueue<Item, Counter> queue(capacity);
  OrderHash sent;
  OrderHash received;
  std::thread producer([&] {
    Draw draw(seed);
    std::array<Item, 7> batch;
    for (std::uint64_t done = 0; done < count;) {
      const std::size_t n = std::min<std::size_t>(1 + draw.below(batch.size()), count - done);
      for (std::size_t i = 0; i < n; ++i) {
        for (std::uint64_t& word : batch[i].words) sent.add(word = draw());
      }
      std::span<const Item> left(batch.data(), n);
      switch (draw.below(3)) {
        case 0: until([&] { return (left = left.subspan(queue.try_push_n(left))).empty(); }); break;
        case 1:
          for (const Item& item : left) until([&] { return queue.try_push(item); });
          break;
        default:
          until([&] {
            const std::span<Item> claim = queue.try_claim(left.size());
            std::copy_n(left.begin(), claim.size(), claim.begin());
            queue.commit(claim.size());
            left = left.subspan(claim.size());
            return left.empty();
          });
      }
      done += n;
    }
  });
  Draw draw(seed + 1);
  for (std::uint64_t done = 0; done < count;) {
    if (draw.below(2) == 0) {
      Item item;
      until([&] { return queue.try_pop(item); });
      for (const std::uint64_t word : item.words) received.add(word);
      ++done;
    } else {
      std::span<const Item> run;
      until([&] { return !(run = queue.peek()).empty(); });
      const std::size_t n = 1 + draw.below(run.size());
      for (const Item& item : run.first(n)) {
        for (const std::uint64_t word : item.words) received.add(word);
      }
      queue.release(n);
      done += n;
    }
  }
  producer.join();
  EXPECT_EQ(sent.value(), received.value());
  EXPECT_EQ(queue.size_guess(), 0U);
}

TEST(SpscQueue, CarriesEveryItemInOrderBetweenThreads) {
  const std::uint64_t seed = test::seed_for_test();
  transfer<std::uint64_t>(64, transfer_count, seed);
  transfer<std::uint8_t>(128, transfer_count, seed);
  transfer<std::uint8_t>(1, transfer_count / 10, seed);  // each item waits for the last
}

TEST(SpscQueue, GuessesASizeWithinItsBoundsFromAThirdThread) {
  SpscQueue<std::uint64_t> queue(16);
  Sequence<std::uint32_t> is_done;
  std::thread producer([&] {
    for (std::uint64_t i = 0; i < transfer_count / 10; ++i)
      until([&] { return queue.try_push(i); });
  });
  std::thread watcher([&] {
    std::size_t worst = 0;
    until([&] {
      worst = std::max(worst, queue.size_guess());
      return is_done.observe() != 0;
    });
    EXPECT_LE(worst, queue.capacity());
  });
  for (std::uint64_t i = 0; i < transfer_count / 10; ++i) {
    std::uint64_t item = 0;
    until([&] { return queue.try_pop(item); });
    ASSERT_EQ(item, i);
  }
  is_done.publish(1);
  producer.join();
  watcher.join();
}

TEST(SpscQueue, AllocatesNothingAfterConstruction) {
  if (!test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer has its own malloc";
  SpscQueue<std::uint64_t> queue(8);
  const std::uint64_t before = test::malloc_count();
  std::uint64_t item = 0;
  bool is_right = true;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    is_right &= queue.try_push(i) && queue.try_pop(item) && item == i;
    queue.try_claim(1)[0] = i;
    queue.commit(1);
    is_right &= queue.peek()[0] == i;
    queue.release(1);
  }
  EXPECT_EQ(test::malloc_count(), before);
  EXPECT_TRUE(is_right);
}

TEST(MallocCounter, SeesEachWayToTheHeapOnItsOwnThreadOnly) {
  if (!test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer has its own malloc";
  const auto counted = [](auto&& make) {
    const std::uint64_t before = test::malloc_count();
    void* volatile made = make();
    std::free(made);
    return test::malloc_count() - before;
  };
  EXPECT_EQ(counted([] { return std::malloc(10); }), 1U);
  EXPECT_EQ(counted([] { return std::calloc(10, 10); }), 1U);
  EXPECT_EQ(counted([] { return std::realloc(nullptr, 10); }), 1U);
  EXPECT_EQ(counted([] { return std::aligned_alloc(64, 128); }), 1U);
  EXPECT_EQ(counted([] { return ::operator new(10); }), 1U)
      << "which is malloc, and freed as such, in glibc's libstdc++";
  std::thread([] { EXPECT_EQ(test::malloc_count(), 0U); }).join();
}

}  // namespace
}  // namespace perp::core
