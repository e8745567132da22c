#include "support/malloc_counter.hpp"

#include <perp/core/error_log.hpp>
#include <perp/core/prng.hpp>

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace perp::core {
namespace {

TEST(ErrorLog, KeepsFirstLastCountAndTheFirstSample) {
  ErrorLog log(4);
  EXPECT_TRUE(log.record("missing_field", "trades", 100, "{\"a\":1}"));
  EXPECT_FALSE(log.record("missing_field", "trades", 90, "second"));
  EXPECT_FALSE(log.record("missing_field", "trades", unknown_ns, "third"));
  EXPECT_TRUE(log.record("missing_field", "books", 120, ""));
  ASSERT_EQ(log.rows().size(), 2u);
  const ErrorLog::Row& row = log.rows()[0];
  EXPECT_EQ(row.kind(), "missing_field");
  EXPECT_EQ(row.where(), "trades");
  EXPECT_EQ(row.count, 3u);
  EXPECT_EQ(row.first_ns, 90);
  EXPECT_EQ(row.last_ns, 100);
  EXPECT_EQ(row.sample(), "{\"a\":1}");
  EXPECT_EQ(log.rows()[1].count, 1u);
  EXPECT_EQ(log.total(), 4u);
  EXPECT_EQ(log.others().count, 0u);
}

TEST(ErrorLog, TheBorderBetweenKindAndWhereCounts) {
  ErrorLog log(4);
  log.record("ab", "c", 1, "");
  log.record("a", "bc", 1, "");
  log.record("abc", "", 1, "");
  EXPECT_EQ(log.rows().size(), 3u);
}

TEST(ErrorLog, LongKeysAreToldApartByAllOfTheirBytes) {
  ErrorLog log(4);
  const std::string prefix(100, 'x');
  log.record(prefix + "1", "w", 1, std::string(1000, 's'));
  log.record(prefix + "2", "w", 1, "");
  EXPECT_FALSE(log.record(prefix + "1", "w", 1, ""));
  ASSERT_EQ(log.rows().size(), 2u);
  EXPECT_EQ(log.rows()[0].kind(), std::string(64, 'x'));
  EXPECT_EQ(log.rows()[0].sample().size(), 160u);
  EXPECT_EQ(log.rows()[0].count, 2u);
}

TEST(ErrorLog, BeyondItsCapacityItCountsOthers) {
  ErrorLog log(2);
  log.record("a", "", 1, "");
  log.record("b", "", 2, "");
  EXPECT_FALSE(log.record("c", "", 3, "sample of c"));
  EXPECT_FALSE(log.record("d", "", 4, "sample of d"));
  log.record("a", "", 5, "");
  EXPECT_EQ(log.rows().size(), 2u);
  EXPECT_EQ(log.others().kind(), "others");
  EXPECT_EQ(log.others().count, 2u);
  EXPECT_EQ(log.others().first_ns, 3);
  EXPECT_EQ(log.others().last_ns, 4);
  EXPECT_EQ(log.others().sample(), "sample of c");
  EXPECT_EQ(log.total(), 5u);
  log.clear();
  EXPECT_EQ(log.rows().size() + log.total() + log.others().count, 0u);
  EXPECT_TRUE(log.record("c", "", 1, ""));
}

// A map is the judge; counts add up whatever the capacity, also through a merge.
TEST(ErrorLog, AgreesWithAMapAndAddsUpUnderRandomKeys) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng prng(seed);
    ErrorLog a(1 + prng.below(40)), b(1 + prng.below(40)), merged(200);
    std::map<std::pair<std::string, std::string>, std::uint64_t> truth;
    constexpr std::uint64_t records = 2000;
    for (std::uint64_t i = 0; i < records; ++i) {
      const std::string kind = "kind" + std::to_string(prng.below(8));
      const std::string where = "where" + std::to_string(prng.below(12));
      ++truth[{kind, where}];
      (prng.chance(0.5) ? a : b).record(kind, where, static_cast<std::int64_t>(i), "sample");
    }
    merged.merge(a);
    merged.merge(b);
    std::uint64_t sum = merged.others().count;
    for (const ErrorLog::Row& row : merged.rows()) {
      sum += row.count;
      ASSERT_LE(row.count, (truth[{std::string(row.kind()), std::string(row.where())}]));
      ASSERT_LE(row.first_ns, row.last_ns);
    }
    ASSERT_EQ(sum, records);
    ASSERT_EQ(merged.total(), records);
    ASSERT_EQ(merged.others().count, a.others().count + b.others().count);
  }
}

TEST(ErrorLog, RecordAllocatesNothing) {
  if (!test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer has a malloc of its own";
  ErrorLog log(3);
  const char* const kinds[] = {"a", "b", "c", "d", "e"};
  const std::uint64_t before = test::malloc_count();
  for (int i = 0; i < 100; ++i) log.record(kinds[i % 5], "where", i, "sample");
  EXPECT_EQ(test::malloc_count(), before);
  EXPECT_EQ(log.total(), 100u);
}

}  // namespace
}  // namespace perp::core
