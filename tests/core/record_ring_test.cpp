// RecordRing against a std::deque of byte strings as oracle, with a counter narrow enough to wrap,
// and between two threads with a hash of contents and order.
#include "support/malloc_counter.hpp"
#include "support/random_records.hpp"

#include <perp/core/error.hpp>
#include <perp/core/record_ring.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <vector>

namespace perp::core {
namespace {

using test::Draw;
using test::for_each_span;
using test::make_record;
using test::OrderHash;
using test::until;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int transfer_count = 20'000;
constexpr int step_count = 5'000;
#else
constexpr int transfer_count = 100'000;
constexpr int step_count = 20'000;
#endif

bool is_padding(std::span<const std::byte> record) { return prefix_of(record.data()).type == 0; }

template <class Ring>
bool try_write(Ring& ring, const std::vector<std::byte>& record) {
  const std::span<std::byte> claim = ring.try_claim(record.size());
  if (claim.empty()) return false;
  std::copy(record.begin(), record.end(), claim.begin());
  ring.commit(record.size());
  return true;
}

std::vector<std::byte> copy_of(std::span<const std::byte> bytes) {
  return {bytes.begin(), bytes.end()};
}

TEST(RecordRing, RefusesCapacitiesThatAreNotPowersOfTwoInRange) {
  EXPECT_THROW(RecordRing(0), Error);
  EXPECT_THROW(RecordRing(2048), Error);
  EXPECT_THROW(RecordRing(4097), Error);
  EXPECT_THROW(RecordRing(std::size_t{1} << 32), Error);
  EXPECT_THROW(BasicRecordRing<std::uint16_t>(65536), Error);
  EXPECT_NO_THROW(RecordRing(4096));
  EXPECT_NO_THROW(BasicRecordRing<std::uint16_t>(32768));
  try {
    RecordRing ring(5000);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("5000"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("RecordRing"), std::string::npos) << error.what();
  }
}

TEST(RecordRing, IsPageAlignedAndEmptyAtFirst) {
  RecordRing ring(4096);
  EXPECT_EQ(ring.capacity(), 4096U);
  EXPECT_EQ(ring.max_claim(), 2048U);
  EXPECT_EQ(ring.size_guess(), 0U);
  EXPECT_TRUE(ring.peek().empty());
  const std::span<std::byte> claim = ring.try_claim(8);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(claim.data()) % 4096, 0U);
}

TEST(RecordRing, RoundsClaimsUpToEightAndRefusesZeroAndMoreThanTheLargest) {
  RecordRing ring(4096);
  EXPECT_TRUE(ring.try_claim(0).empty());
  EXPECT_EQ(ring.try_claim(1).size(), 8U);
  EXPECT_EQ(ring.try_claim(9).size(), 16U);
  EXPECT_EQ(ring.try_claim(ring.max_claim() - 1).size(), ring.max_claim());
  EXPECT_EQ(ring.try_claim(ring.max_claim()).size(), ring.max_claim());
  EXPECT_TRUE(ring.try_claim(ring.max_claim() + 1).empty());
  EXPECT_TRUE(ring.try_claim(SIZE_MAX).empty());
}

TEST(RecordRing, ShowsNothingOfAClaimBeforeItsCommitOrAfterItsAbort) {
  Draw draw(1);
  RecordRing ring(4096);
  const std::vector<std::byte> record = make_record(64, draw);
  std::span<std::byte> claim = ring.try_claim(64);
  std::copy(record.begin(), record.end(), claim.begin());
  EXPECT_TRUE(ring.peek().empty());
  ring.commit(0);
  EXPECT_TRUE(ring.peek().empty());
  EXPECT_EQ(ring.size_guess(), 0U);
  claim = ring.try_claim(2048);
  std::copy(record.begin(), record.end(), claim.begin());
  std::copy(record.begin(), record.end(), claim.begin() + 64);
  ring.commit(128);
  EXPECT_EQ(ring.peek().size(), 128U) << "less than the claim, two records with one commit";
  EXPECT_EQ(ring.size_guess(), 128U);
}

TEST(RecordRing, FillsToTheLastByteAndRefusesTheNext) {
  Draw draw(2);
  RecordRing ring(4096);
  for (int i = 0; i < 4096 / 32; ++i) ASSERT_TRUE(try_write(ring, make_record(32, draw)));
  EXPECT_TRUE(ring.try_claim(8).empty());
  EXPECT_EQ(ring.size_guess(), 4096U);
  EXPECT_EQ(ring.peek().size(), 4096U);
  ring.release(32);
  EXPECT_TRUE(ring.try_claim(40).empty());
  EXPECT_EQ(ring.try_claim(32).size(), 32U);
}

TEST(RecordRing, PadsTheEndExactlyAndPublishesPaddingWithTheRecordBehindIt) {
  Draw draw(3);
  for (std::size_t left = 8; left <= 2048; left += 8) {
    SCOPED_TRACE(left);
    RecordRing ring(4096);
    for (std::size_t to_fill = 4096 - left; to_fill > 0;) {
      const std::size_t size = std::min<std::size_t>(to_fill, 2048);
      ASSERT_TRUE(try_write(ring, make_record(size, draw)));
      ring.release(ring.peek().size());
      to_fill -= size;
    }
    // The end is exactly used by a record of its size: no padding.
    ASSERT_EQ(ring.try_claim(left).size(), left);
    ring.commit(0);
    if (left == 2048) continue;
    const std::vector<std::byte> record = make_record(left + 8, draw);
    ASSERT_FALSE(ring.try_claim(left + 8).empty());
    EXPECT_TRUE(ring.peek().empty());
    ring.commit(0);
    EXPECT_TRUE(ring.peek().empty()) << "an aborted claim leaves no padding behind";
    ASSERT_TRUE(try_write(ring, record));
    const std::span<const std::byte> padding = ring.peek();
    ASSERT_EQ(padding.size(), left);
    EXPECT_TRUE(is_padding(padding));
    EXPECT_EQ(prefix_of(padding.data()).size, left);
    ring.release(left);
    EXPECT_EQ(copy_of(ring.peek()), record);
    ring.release(record.size());
    EXPECT_TRUE(ring.peek().empty());
  }
}

TEST(RecordRing, AnEmptyRingTakesTheLargestClaimWhereverItStands) {
  Draw draw(4);
  for (std::size_t offset = 0; offset < 4096; offset += 8) {
    RecordRing ring(4096);
    for (std::size_t at = 0; at < offset; at += 8) {
      ASSERT_TRUE(try_write(ring, make_record(8, draw)));
      ring.release(ring.peek().size());
    }
    ASSERT_TRUE(ring.peek().empty());
    ASSERT_EQ(ring.try_claim(ring.max_claim()).size(), ring.max_claim()) << offset;
  }
}

TEST(RecordRing, PeekingTwiceLooksAgainAndReleasingGivesTheRestFirst) {
  Draw draw(5);
  RecordRing ring(4096);
  ASSERT_TRUE(try_write(ring, make_record(16, draw)));
  ASSERT_EQ(ring.peek().size(), 16U);
  ASSERT_TRUE(try_write(ring, make_record(24, draw)));
  EXPECT_EQ(ring.peek().size(), 40U);
  ring.release(16);
  ASSERT_TRUE(try_write(ring, make_record(32, draw)));
  EXPECT_EQ(ring.peek().size(), 24U);
  EXPECT_EQ(ring.peek().size(), 56U);
}

// Random claims, commits of several records, aborts and partial releases against a deque of
// records.
template <class Counter>
void compare_with_deque(std::size_t capacity, std::uint64_t seed) {
  SCOPED_TRACE("PERP_SEED=" + std::to_string(seed) + " capacity " + std::to_string(capacity));
  Draw draw(seed);
  BasicRecordRing<Counter> ring(capacity);
  std::deque<std::vector<std::byte>> oracle;
  std::size_t padding_count = 0;
  // The same positions in counters that do not wrap.
  std::uint64_t write = 0;
  std::uint64_t read = 0;
  for (int step = 0; step < step_count; ++step) {
    if (draw.below(2) == 0) {
      // Small and large claims, both ends often.
      const std::size_t choice = draw.below(8);
      const std::size_t size = choice == 0   ? ring.max_claim()
                               : choice == 1 ? 8
                               : choice == 2 ? 8 + draw.below(ring.max_claim() - 8)
                                             : 8 + draw.below(200);
      const std::span<std::byte> claim = ring.try_claim(size);
      const std::size_t need = (size + 7) / 8 * 8;
      const std::size_t to_end = capacity - write % capacity;
      const std::size_t padding = to_end < need ? to_end : 0;
      ASSERT_EQ(claim.empty(), write - read + padding + need > capacity);
      if (claim.empty()) continue;
      ASSERT_EQ(claim.size(), need);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(claim.data()) % 8, 0U);
      std::size_t used = 0;
      if (draw.below(10) != 0) {
        const std::size_t records = 1 + draw.below(4);
        for (std::size_t i = 0; i < records && used < claim.size(); ++i) {
          const std::size_t room = (claim.size() - used) / 8;
          const std::size_t record_size = 8 * (draw.below(4) == 0 ? room : 1 + draw.below(room));
          oracle.push_back(make_record(record_size, draw));
          std::copy(oracle.back().begin(), oracle.back().end(),
                    claim.begin() + static_cast<std::ptrdiff_t>(used));
          used += record_size;
        }
      }
      ring.commit(used);
      if (used != 0) write += padding + used;
    } else {
      const std::span<const std::byte> run = ring.peek();
      ASSERT_EQ(run.empty(), oracle.empty());
      ASSERT_TRUE(is_whole_records(run));
      std::size_t released = 0;
      const bool takes_all = draw.below(2) == 0;
      for_each_span(run, [&](std::span<const std::byte> record) {
        if (!takes_all && draw.below(4) == 0) return;
        if (record.data() != run.data() + released) return;  // one before it was left: stop here
        released += record.size();
        if (is_padding(record)) {
          ++padding_count;
          EXPECT_EQ(record.data() + record.size(), run.data() + run.size()) << "padding ends a run";
        } else {
          ASSERT_EQ(copy_of(record), oracle.front());
          oracle.pop_front();
        }
      });
      ring.release(released);
      read += released;
      if (::testing::Test::HasFailure()) return;
    }
    ASSERT_EQ(ring.size_guess(), write - read);
  }
  EXPECT_GT(padding_count, 10U);
  EXPECT_GT(write, std::uint64_t{1} << 17) << "a counter of 16 bits wrapped";
}

TEST(RecordRing, EqualsADequeOfRecordsWhileItsCounterWraps) {
  const std::uint64_t seed = test::seed_for_test();
  compare_with_deque<std::uint16_t>(4096, seed);
  compare_with_deque<std::uint16_t>(32768, seed);
  compare_with_deque<std::uint64_t>(4096, seed);
}

// What the producer wrote, in its order, is what the consumer reads; sizes and batches are random
// on both sides.
template <class Counter>
void transfer(std::size_t capacity, std::uint64_t seed) {
  SCOPED_TRACE("PERP_SEED=" + std::to_string(seed));
  BasicRecordRing<Counter> ring(capacity);
  OrderHash sent;
  OrderHash received;
  std::thread producer([&] {
    Draw draw(seed);
    for (int i = 0; i < transfer_count;) {
      const std::size_t size = draw.below(50) == 0 ? 8 * (1 + draw.below(ring.max_claim() / 8))
                                                   : 8 * (1 + draw.below(20));
      std::span<std::byte> claim;
      until([&] {
        return !(claim = ring.try_claim(2 * size > ring.max_claim() ? size : 2 * size)).empty();
      });
      std::size_t used = 0;
      for (; used + size <= claim.size() && i < transfer_count; used += size, ++i) {
        test::fill_record(claim.subspan(used, size), draw);
        sent.add(claim.subspan(used, size));
      }
      ring.commit(used);
    }
  });
  Draw draw(seed + 1);
  for (int i = 0; i < transfer_count;) {
    std::span<const std::byte> run;
    until([&] { return !(run = ring.peek()).empty(); });
    const std::size_t at_most = 1 + draw.below(64);
    std::size_t released = 0;
    for (std::size_t n = 0; n < at_most && released < run.size(); ++n) {
      const std::span<const std::byte> record =
          run.subspan(released, prefix_of(run.data() + released).size);
      released += record.size();
      if (is_padding(record)) continue;
      received.add(record);
      ++i;
    }
    ring.release(released);
  }
  producer.join();
  EXPECT_EQ(sent.value(), received.value());
  EXPECT_TRUE(ring.peek().empty());
}

TEST(RecordRing, CarriesEveryRecordInOrderBetweenThreads) {
  const std::uint64_t seed = test::seed_for_test();
  transfer<std::uint64_t>(4096, seed);
  transfer<std::uint16_t>(4096, seed);
  transfer<std::uint64_t>(1 << 20, seed);
}

TEST(RecordRing, AllocatesNothingAfterConstruction) {
  if (!test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer has its own malloc";
  Draw draw(6);
  RecordRing ring(4096);
  const std::uint64_t before = test::malloc_count();
  std::size_t seen = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::span<std::byte> claim = ring.try_claim(8 * (1 + draw.below(100)));
    if (claim.empty()) {
      const std::size_t size = ring.peek().size();
      ring.release(size);
      seen += size;
      continue;
    }
    test::fill_record(claim, draw);
    ring.commit(claim.size());
  }
  EXPECT_EQ(test::malloc_count(), before);
  EXPECT_GT(seen, 100'000U);
}

}  // namespace
}  // namespace perp::core
