// Seqlock: what is loaded was stored, whole, and never an older value after a newer one.
#include "support/malloc_counter.hpp"
#include "support/random_records.hpp"

#include <perp/core/seqlock.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

namespace perp::core {
namespace {

using test::until;

struct Row {
  std::uint64_t number = 0;
  std::array<std::uint64_t, 11> rest{};
  std::uint8_t tail = 0;
};

// Each word follows from the number alone, so that a mixture of two rows is seen.
Row row_of(std::uint64_t number) {
  test::Draw draw(number);
  Row row;
  row.number = number;
  for (std::uint64_t& word : row.rest) word = draw();
  row.tail = static_cast<std::uint8_t>(draw());
  return row;
}

bool is_whole(const Row& row) {
  const Row expected = row_of(row.number);
  return row.rest == expected.rest && row.tail == expected.tail;
}

TEST(Seqlock, StartsWithItsInitialValue) {
  EXPECT_EQ(Seqlock<int>().load(), 0);
  EXPECT_EQ(Seqlock<int>(42).load(), 42);
  const Seqlock<Row> row(row_of(7));
  EXPECT_TRUE(is_whole(row.load()));
  EXPECT_EQ(row.load().number, 7U);
}

TEST(Seqlock, KeepsValuesOfEverySize) {
  const auto check = []<std::size_t size>(std::integral_constant<std::size_t, size>) {
    using Bytes = std::array<std::uint8_t, size>;
    Bytes bytes;
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 37 + 1);
    Seqlock<Bytes> lock;
    EXPECT_EQ(lock.load(), Bytes{});
    lock.store(bytes);
    EXPECT_EQ(lock.load(), bytes);
  };
  check(std::integral_constant<std::size_t, 1>{});
  check(std::integral_constant<std::size_t, 7>{});
  check(std::integral_constant<std::size_t, 8>{});
  check(std::integral_constant<std::size_t, 9>{});
  check(std::integral_constant<std::size_t, 64>{});
  check(std::integral_constant<std::size_t, 1000>{});
}

TEST(Seqlock, ChangesItsVersionWithEachStoreAndWrapsIt) {
  Seqlock<std::uint32_t, std::uint8_t> lock;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const std::uint8_t before = lock.version();
    EXPECT_EQ(before % 2, 0);
    lock.store(i);
    EXPECT_NE(lock.version(), before);
    std::uint32_t value = 0;
    ASSERT_TRUE(lock.try_load(value));
    ASSERT_EQ(value, i);
  }
}

TEST(Seqlock, ReadersNeverMeetATornOrAnOlderValue) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  constexpr std::uint64_t store_count = 20'000;
#else
  constexpr std::uint64_t store_count = 300'000;
#endif
  Seqlock<Row> lock(row_of(0));
  std::array<std::uint64_t, 2> distinct{};
  const auto read = [&](std::uint64_t& seen, bool tries) {
    Row row = row_of(0);
    for (std::uint64_t last = 0; last < store_count;) {
      if (!tries) {
        row = lock.load();
      } else if (!lock.try_load(row)) {
        sched_yield();
        continue;
      }
      ASSERT_TRUE(is_whole(row)) << row.number;
      ASSERT_GE(row.number, last);
      seen += row.number != last;
      if (row.number == last) sched_yield();
      last = row.number;
    }
  };
  std::thread reader([&] { read(distinct[0], false); });
  std::thread trier([&] { read(distinct[1], true); });
  for (std::uint64_t i = 1; i <= store_count; ++i) {
    lock.store(row_of(i));
    if (i % 64 == 0) sched_yield();
  }
  reader.join();
  trier.join();
  EXPECT_GE(distinct[0], 1U);
  EXPECT_GE(distinct[1], 1U);
}

TEST(Seqlock, AllocatesNothing) {
  if (!test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer has its own malloc";
  const std::uint64_t before = test::malloc_count();
  Seqlock<Row> lock;
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    lock.store(row_of(i));
    sum += lock.load().number;
  }
  EXPECT_EQ(test::malloc_count(), before);
  EXPECT_EQ(sum, 999U * 1000U / 2);
}

}  // namespace
}  // namespace perp::core
