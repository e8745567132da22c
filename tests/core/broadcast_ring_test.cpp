// BroadcastRing: gating readers get everything; others get whole records and the exact number of
// those they missed. Each record's bytes follow from its number, so that a reader can check any
// record without the others.
#include "support/malloc_counter.hpp"
#include "support/random_records.hpp"

#include <perp/core/broadcast_ring.hpp>
#include <perp/core/error.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace perp::core {
namespace {

using test::Draw;
using test::for_each_span;
using test::until;

// Record `number` of a ring whose records have at most `size_max` bytes.
std::vector<std::byte> record_of(std::uint64_t number, std::size_t size_max) {
  Draw draw(number);
  return test::make_record(8 * (1 + draw.below(size_max / 8)), draw);
}

/// A reader with what it has been told, checked record by record.
template <class Ring>
class Checker {
 public:
  Checker(typename Ring::Reader reader, const Ring& ring, std::size_t buffer_bytes)
      : reader_(std::move(reader)),
        size_max_(ring.max_record()),
        buffer_(buffer_bytes),
        next_(reader_.next_record()) {}

  /// One read; false if nothing was new or something is wrong.
  bool read() {
    const BroadcastRead result = reader_.read(buffer_);
    if (result.status == BroadcastStatus::lost) {
      EXPECT_GT(result.lost_count, 0U);
      EXPECT_EQ(result.record_count, 0U);
      next_ += result.lost_count;
      lost_ += result.lost_count;
    } else if (result.status == BroadcastStatus::records) {
      std::uint64_t count = 0;
      for_each_span(result.records, [&](std::span<const std::byte> record) {
        const std::vector<std::byte> expected = record_of(next_, size_max_);
        EXPECT_TRUE(std::equal(record.begin(), record.end(), expected.begin(), expected.end()))
            << next_;
        ++next_;
        ++count;
      });
      EXPECT_EQ(count, result.record_count);
      EXPECT_GT(count, 0U);
      received_ += count;
    } else {
      EXPECT_EQ(result.status, BroadcastStatus::empty);
      return false;
    }
    EXPECT_EQ(reader_.next_record(), next_);
    EXPECT_EQ(reader_.lost_count(), lost_);
    return !::testing::Test::HasFailure();
  }
  void drain() {
    while (read()) {
    }
  }

  std::uint64_t next() const { return next_; }
  std::uint64_t lost() const { return lost_; }
  std::uint64_t received() const { return received_; }
  typename Ring::Reader& reader() { return reader_; }

 private:
  typename Ring::Reader reader_;
  std::size_t size_max_;
  std::vector<std::byte> buffer_;
  std::uint64_t next_;
  std::uint64_t lost_ = 0;
  std::uint64_t received_ = 0;
};

TEST(BroadcastRing, RefusesCapacitiesThatAreNotPowersOfTwoInRange) {
  EXPECT_THROW(BroadcastRing(0), Error);
  EXPECT_THROW(BroadcastRing(64), Error);
  EXPECT_THROW(BroadcastRing(200), Error);
  EXPECT_THROW(BroadcastRing(std::size_t{1} << 63), Error);
  EXPECT_THROW(BasicBroadcastRing<std::uint8_t>(256), Error);
  EXPECT_NO_THROW(BroadcastRing(128));
  EXPECT_NO_THROW(BasicBroadcastRing<std::uint8_t>(128));
  EXPECT_EQ(BroadcastRing(4096).max_record(), 4096U / 4 - 16);
}

TEST(BroadcastRing, RefusesGatingReadersThatCameLateOrAreTooMany) {
  BroadcastRing ring(4096);
  std::vector<BroadcastRing::Reader> readers;
  for (std::size_t i = 0; i < BroadcastRing::gating_max; ++i)
    readers.push_back(ring.add_gating_reader());
  EXPECT_THROW(static_cast<void>(ring.add_gating_reader()), Error);
  BroadcastRing other(4096);
  const std::vector<std::byte> record = record_of(0, other.max_record());
  ASSERT_EQ(other.try_publish(record), record.size());
  EXPECT_THROW(static_cast<void>(other.add_gating_reader()), Error);
}

TEST(BroadcastRing, TakesTheLargestRecordAndNotOneWordMore) {
  Draw draw(1);
  for (const std::size_t capacity : {128U, 4096U}) {
    BroadcastRing ring(capacity);
    auto reader = ring.add_gating_reader();
    std::vector<std::byte> buffer(ring.max_record());
    const std::vector<std::byte> over = test::make_record(ring.max_record() + 8, draw);
    EXPECT_EQ(ring.try_publish(over), 0U);
    EXPECT_EQ(reader.read(buffer).status, BroadcastStatus::empty);
    for (int i = 0; i < 100; ++i) {
      const std::vector<std::byte> largest = test::make_record(ring.max_record(), draw);
      ASSERT_EQ(ring.try_publish(largest), largest.size());
      const BroadcastRead result = reader.read(buffer);
      ASSERT_EQ(result.status, BroadcastStatus::records);
      ASSERT_TRUE(
          std::equal(result.records.begin(), result.records.end(), largest.begin(), largest.end()));
    }
  }
}

TEST(BroadcastRing, TellsTheBufferThatWouldDo) {
  Draw draw(2);
  BroadcastRing ring(4096);
  auto reader = ring.add_reader();
  std::vector<std::byte> records = test::make_record(64, draw);
  const std::vector<std::byte> second = test::make_record(200, draw);
  records.insert(records.end(), second.begin(), second.end());
  ASSERT_EQ(ring.try_publish(records), records.size());
  std::vector<std::byte> buffer(200);
  EXPECT_EQ(reader.read({}).needed_bytes, 64U);
  EXPECT_EQ(reader.read(std::span(buffer).first(63)).status, BroadcastStatus::small_buffer);
  EXPECT_EQ(reader.read(std::span(buffer).first(64)).records.size(), 64U);
  EXPECT_EQ(reader.read(std::span(buffer).first(199)).needed_bytes, 200U);
  EXPECT_EQ(reader.read(buffer).records.size(), 200U) << "a refused read loses nothing";
  EXPECT_EQ(reader.read(buffer).status, BroadcastStatus::empty);
}

TEST(BroadcastRing, SkipsPaddingOfARecordRingsRun) {
  Draw draw(3);
  BroadcastRing ring(4096);
  auto reader = ring.add_reader();
  std::vector<std::byte> run = test::make_record(64, draw);
  run.resize(64 + 4096);  // padding larger than any record of this ring
  const RecordPrefix padding{4096, 0, 0};
  std::memcpy(run.data() + 64, &padding, sizeof padding);
  EXPECT_EQ(ring.try_publish(run), run.size());
  std::vector<std::byte> buffer(ring.capacity());
  const BroadcastRead result = reader.read(buffer);
  EXPECT_EQ(result.record_count, 1U);
  EXPECT_EQ(result.records.size(), 64U);
  EXPECT_EQ(reader.read(buffer).status, BroadcastStatus::empty);
}

TEST(BroadcastRing, ANewReaderBeginsWithTheNextRecord) {
  BroadcastRing ring(4096);
  for (std::uint64_t i = 0; i < 500; ++i) {
    const std::vector<std::byte> record = record_of(i, ring.max_record());
    ASSERT_EQ(ring.try_publish(record), record.size());
  }
  Checker<BroadcastRing> checker(ring.add_reader(), ring, ring.capacity());
  EXPECT_EQ(checker.next(), 500U);
  EXPECT_FALSE(checker.read());
  const std::vector<std::byte> record = record_of(500, ring.max_record());
  ASSERT_EQ(ring.try_publish(record), record.size());
  EXPECT_TRUE(checker.read());
  EXPECT_EQ(checker.next(), 501U);
}

TEST(BroadcastRing, WaitsForTheSlowestGatingReaderUntilItIsGone) {
  BroadcastRing ring(4096);
  std::optional<Checker<BroadcastRing>> slow(std::in_place, ring.add_gating_reader(), ring,
                                             ring.capacity());
  Checker<BroadcastRing> fast(ring.add_gating_reader(), ring, ring.capacity());
  std::uint64_t published = 0;
  const auto publish_all = [&](std::uint64_t limit) {
    while (published < limit) {
      const std::vector<std::byte> record = record_of(published, ring.max_record());
      if (ring.try_publish(record) == 0) return false;
      ++published;
    }
    return true;
  };
  ASSERT_FALSE(publish_all(10'000));
  const std::uint64_t full = published;
  EXPECT_GT(full, 4U);
  fast.drain();
  EXPECT_EQ(fast.next(), full);
  EXPECT_FALSE(publish_all(10'000)) << "the other one is still there";
  EXPECT_EQ(published, full);
  slow->drain();
  EXPECT_EQ(slow->next(), full);
  EXPECT_FALSE(publish_all(10'000));
  EXPECT_GT(published, full);
  fast.drain();
  slow.reset();
  EXPECT_FALSE(publish_all(10'000)) << "the fast one gates too";
  const std::uint64_t again = published;
  fast.drain();
  EXPECT_EQ(fast.next(), again);
  EXPECT_EQ(fast.lost(), 0U);
  { Checker<BroadcastRing> last = std::move(fast); }
  EXPECT_TRUE(publish_all(10'000)) << "nobody is waited for any more";
}

TEST(BroadcastRing, AMovedReaderGatesOnce) {
  BroadcastRing ring(128);
  std::optional<BroadcastRing::Reader> reader(ring.add_gating_reader());
  BroadcastRing::Reader moved = std::move(*reader);
  reader.reset();
  Draw draw(4);
  std::size_t taken = 0;
  for (int i = 0; i < 100; ++i) taken += ring.try_publish(test::make_record(16, draw)) / 16;
  EXPECT_EQ(taken, (128U - 8) / 24);
  std::array<std::byte, 128> buffer;
  EXPECT_EQ(moved.read(buffer).record_count, taken);
}

// One thread plays producer and readers in random order; a reader may fall behind by as much as its
// counter can tell.
template <class Counter>
void account_for_every_record(std::size_t capacity, std::size_t lag_limit, std::uint64_t seed) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  constexpr int step_count = 2'000;
#else
  constexpr int step_count = 30'000;
#endif
  SCOPED_TRACE("PERP_SEED=" + std::to_string(seed) + " capacity " + std::to_string(capacity));
  using Ring = BasicBroadcastRing<Counter>;
  Draw draw(seed);
  Ring ring(capacity);
  Checker<Ring> lossy(ring.add_reader(), ring, ring.max_record());
  Checker<Ring> other(ring.add_reader(), ring, capacity);
  std::uint64_t published = 0;
  std::size_t lag = 0;  // bytes since both readers were last up to date, at least
  for (int step = 0; step < step_count; ++step) {
    const std::vector<std::byte> record = record_of(published, ring.max_record());
    if (draw.below(20) == 0 || lag + record.size() + 16 > lag_limit) {
      lossy.drain();
      other.drain();
      ASSERT_EQ(lossy.next(), published);
      ASSERT_EQ(other.next(), published);
      lag = 0;
    } else if (draw.below(4) == 0) {
      lossy.read();
    }
    ASSERT_EQ(ring.try_publish(record), record.size());
    lag += record.size() + 8;
    ++published;
    if (::testing::Test::HasFailure()) return;
  }
  lossy.drain();
  other.drain();
  EXPECT_EQ(lossy.received() + lossy.lost(), published);
  EXPECT_EQ(other.received() + other.lost(), published);
  if (lag_limit > capacity) {
    EXPECT_GT(lossy.lost(), 0U);
    EXPECT_GT(lossy.received(), 0U);
  } else {
    EXPECT_EQ(lossy.lost(), 0U);
  }
}

TEST(BroadcastRing, CountsExactlyWhatAReaderLostWhileItsCounterWraps) {
  const std::uint64_t seed = test::seed_for_test();
  account_for_every_record<std::uint8_t>(128, 255, seed);
  account_for_every_record<std::uint16_t>(128, 65535, seed);
  account_for_every_record<std::uint16_t>(32768, 65535, seed);
  account_for_every_record<std::uint64_t>(4096, std::size_t{1} << 30, seed);
  account_for_every_record<std::uint64_t>(4096, 4096, seed);
}

TEST(BroadcastRing, GoesOnAtLeastAQuarterOfTheRingBehindAfterALoss) {
  BroadcastRing ring(4096);
  Checker<BroadcastRing> checker(ring.add_reader(), ring, ring.capacity());
  std::uint64_t published = 0;
  for (int round = 0; round < 200; ++round) {
    for (std::size_t bytes = 0; bytes < 6000; ++published) {
      const std::vector<std::byte> record = record_of(published, 200);
      ASSERT_EQ(ring.try_publish(record), record.size());
      bytes += record.size() + 8;
    }
    std::array<std::byte, 4096> buffer;
    ASSERT_EQ(checker.reader().read(buffer).status, BroadcastStatus::lost);
    EXPECT_LE(checker.reader().lag_bytes(), ring.capacity() * 3 / 4)
        << "room before it is overtaken again";
    std::uint64_t count = 0;
    for (BroadcastRead result;
         (result = checker.reader().read(buffer)).status == BroadcastStatus::records;) {
      count += result.record_count;
    }
    EXPECT_EQ(checker.reader().next_record(), published);
    EXPECT_LE(count, 4096U / 16);
  }
}

TEST(BroadcastRing, EveryReaderAccountsForEveryRecordWhileTheProducerRuns) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  constexpr std::uint64_t record_count = 6'000;
#else
  constexpr std::uint64_t record_count = 150'000;
#endif
  constexpr std::size_t size_max = 2048 / 4 - 16;
  for (const bool is_gated : {true, false}) {
    BroadcastRing ring(2048);
    std::vector<Checker<BroadcastRing>> checkers;
    if (is_gated) checkers.emplace_back(ring.add_gating_reader(), ring, ring.capacity());
    checkers.emplace_back(ring.add_reader(), ring, ring.max_record());
    checkers.emplace_back(ring.add_reader(), ring, ring.capacity());
    std::vector<std::thread> threads;
    for (Checker<BroadcastRing>& checker : checkers) {
      threads.emplace_back([&checker] {
        until([&checker] {
          checker.drain();
          return checker.next() == record_count || ::testing::Test::HasFailure();
        });
      });
    }
    std::vector<std::byte> batch;
    for (std::uint64_t i = 0; i < record_count;) {
      batch.clear();
      for (const std::uint64_t end = std::min(record_count, i + 1 + i % 3); i < end; ++i) {
        const std::vector<std::byte> record = record_of(i, size_max);
        batch.insert(batch.end(), record.begin(), record.end());
      }
      std::span<const std::byte> left = batch;
      until([&] {
        return (left = left.subspan(ring.try_publish(left))).empty() ||
               ::testing::Test::HasFailure();
      });
      if (!is_gated && i % 256 == 0) sched_yield();
    }
    for (std::thread& thread : threads) thread.join();
    for (Checker<BroadcastRing>& checker : checkers) {
      EXPECT_EQ(checker.received() + checker.lost(), record_count);
    }
    if (is_gated) {
      EXPECT_EQ(checkers[0].lost(), 0U);
    }
  }
}

TEST(BroadcastRing, ReadersThatJoinWhileTheProducerRunsAreExactFromThere) {
  constexpr std::uint64_t record_count = 10'000;
  BroadcastRing ring(2048);
  Sequence<std::uint32_t> is_done;
  std::thread producer([&] {
    for (std::uint64_t i = 0; i < record_count; ++i) {
      const std::vector<std::byte> record = record_of(i, ring.max_record());
      EXPECT_EQ(ring.try_publish(record), record.size());
      if (i % 16 == 0) sched_yield();
    }
    is_done.publish(1);
  });
  std::uint64_t next = 0;
  for (bool is_last = false; !is_last;) {
    is_last = is_done.observe() != 0;
    Checker<BroadcastRing> checker(ring.add_reader(), ring, ring.capacity());
    EXPECT_GE(checker.next(), next);
    next = checker.next();
    for (int i = 0; i < 10; ++i) {
      checker.read();
      sched_yield();
    }
    if (::testing::Test::HasFailure()) break;
  }
  producer.join();
  EXPECT_EQ(next, record_count);
}

TEST(BroadcastRing, AllocatesNothingAfterConstruction) {
  if (!test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer has its own malloc";
  BroadcastRing ring(4096);
  Draw draw(5);
  const std::vector<std::byte> record = test::make_record(200, draw);
  auto gating = ring.add_gating_reader();
  std::array<std::byte, 4096> buffer;
  const std::uint64_t before = test::malloc_count();
  auto lossy = ring.add_reader();
  std::uint64_t count = 0;
  for (int i = 0; i < 1000; ++i) {
    if (ring.try_publish(record) == 0) count += gating.read(buffer).record_count;
  }
  const BroadcastStatus status = lossy.read(buffer).status;
  EXPECT_EQ(test::malloc_count(), before);
  EXPECT_EQ(status, BroadcastStatus::lost);
  EXPECT_GT(count, 900U);
}

}  // namespace
}  // namespace perp::core
