#include <perp/core/counters.hpp>

#include <gtest/gtest.h>

#include <map>
#include <thread>

namespace perp::core {
namespace {

TEST(Counters, TableIsFoundByNameAtCompileTime) {
  static_assert(counter_row(counter("decode_errors")).name == "decode_errors");
  static_assert(counter("messages_decoded") != counter("decode_errors"));
  for (const char* name : {"messages_decoded",   "decode_errors",           "records_published",
                           "records_conflated",  "ring_full_waits",         "journal_blocks",
                           "journal_bytes",      "journal_syncs",           "journal_waits",
                           "journal_torn_bytes", "minutes_closed",          "minutes_half_seen",
                           "minutes_revised",    "instruments_provisional", "duplicates_dropped",
                           "sequence_gaps",      "checksum_mismatches",     "rows_loaded",
                           "batches_merged",     "batches_retried",         "log_lines_dropped"}) {
    bool is_found = false;
    for (const CounterRow& row : counter_table) is_found = is_found || row.name == name;
    EXPECT_TRUE(is_found) << name;
  }
}

TEST(Counters, BlocksOfEqualLabelsAreSummedAndOthersKeptApart) {
  CounterRegistry registry;
  CounterBlock& a = registry.add_block({{"worker", "feed"}, {"venue", "okx"}});
  CounterBlock& b =
      registry.add_block({{"venue", "okx"}, {"worker", "feed"}});  // the same, in another order
  CounterBlock& c = registry.add_block({{"venue", "bybit"}});
  a.add(counter("sequence_gaps"));
  a.add(counter("sequence_gaps"), 4);
  b.add(counter("sequence_gaps"), 10);
  c.set(counter("sequence_gaps"), 100);
  EXPECT_EQ(a.read(counter("sequence_gaps")), 5u);
  EXPECT_EQ(registry.total(counter("sequence_gaps")), 115u);
  EXPECT_EQ(registry.total(counter("rows_loaded")), 0u);
  const auto samples = registry.snapshot();
  EXPECT_EQ(samples.size(), 2 * counter_table.size());
  std::map<std::string, std::uint64_t> gaps;
  for (const CounterSample& sample : samples) {
    if (sample.name != "sequence_gaps") {
      EXPECT_EQ(sample.value, 0u);
      continue;
    }
    std::string key;
    for (const auto& [name, value] : sample.labels) key += name + "=" + value + ";";
    gaps[key] = sample.value;
  }
  EXPECT_EQ(gaps, (std::map<std::string, std::uint64_t>{{"venue=okx;worker=feed;", 15},
                                                        {"venue=bybit;", 100}}));
}

TEST(Counters, BlocksDoNotShareCacheLinePairs) {
  static_assert(alignof(CounterBlock) == cache_line_pair);
  static_assert(sizeof(CounterBlock) % cache_line_pair == 0);
}

// Writers on their own blocks, a reader summing meanwhile: totals never fall and end exact. For the
// thread sanitizer.
TEST(Counters, ReadersSeeGrowingTotalsWhileOwnersAdd) {
  constexpr std::uint64_t adds = 20'000;
  CounterRegistry registry;
  std::vector<CounterBlock*> blocks;
  for (int i = 0; i < 3; ++i)
    blocks.push_back(&registry.add_block({{"worker", std::to_string(i)}}));
  {
    std::vector<std::jthread> threads;
    for (CounterBlock* block : blocks)
      threads.emplace_back([block] {
        for (std::uint64_t i = 0; i < adds; ++i) block->add(counter("messages_decoded"), 2);
      });
    std::uint64_t last = 0;
    while (last < 3 * 2 * adds) {
      const std::uint64_t now = registry.total(counter("messages_decoded"));
      ASSERT_GE(now, last);
      last = now;
    }
  }
  EXPECT_EQ(registry.total(counter("messages_decoded")), 3 * 2 * adds);
}

}  // namespace
}  // namespace perp::core
