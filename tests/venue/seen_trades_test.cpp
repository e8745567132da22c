// Both windows against a plain list of what was inserted.
#include "venue/seen_trades.hpp"

#include "support/random_records.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <set>

namespace perp::test {
namespace {

TEST(IdWindow, KnowsExactlyTheInsertedIdsWithinItsSize) {
  const std::uint64_t seed = seed_for_test();
  SCOPED_TRACE(seed);
  Draw draw(seed);
  venue::IdWindow window;
  std::set<std::int64_t> inserted;
  std::int64_t newest = -1;
  std::int64_t around = 1'000'000;
  for (int step = 0; step < 200'000; ++step) {
    if (draw.below(1000) == 0) around += static_cast<std::int64_t>(draw.below(20'000));
    around += static_cast<std::int64_t>(draw.below(3));
    const std::int64_t id = around - static_cast<std::int64_t>(draw.below(6000)) + 500;
    const bool is_wanted =
        id <= newest && newest - id < venue::IdWindow::size && inserted.contains(id);
    ASSERT_EQ(window.contains(id), is_wanted) << id << " newest " << newest;
    if (draw.below(2) == 0) continue;
    window.insert(id);
    inserted.insert(id);
    newest = std::max(newest, id);
  }
}

TEST(IdWindow, TakesAnyInteger) {
  venue::IdWindow window;
  for (const std::int64_t id : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1},
                                std::int64_t{0}, std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_FALSE(window.contains(id));
    window.insert(id);
    EXPECT_EQ(window.contains(id), id >= 0) << "ids below zero are none";
  }
  EXPECT_FALSE(window.contains(0)) << "far behind the newest";
}

TEST(IdWindow, CountsUpToTheGreatestId) {
  constexpr std::int64_t greatest = std::numeric_limits<std::int64_t>::max();
  venue::IdWindow window;
  window.insert(greatest - 2);
  window.insert(greatest);
  EXPECT_TRUE(window.contains(greatest - 2));
  EXPECT_FALSE(window.contains(greatest - 1));
  EXPECT_TRUE(window.contains(greatest));
}

TEST(RecentKeys, KnowsExactlyTheLastOnes) {
  const std::uint64_t seed = seed_for_test();
  SCOPED_TRACE(seed);
  Draw draw(seed);
  venue::RecentKeys keys;
  std::deque<std::uint64_t> last;
  std::multiset<std::uint64_t> inside;
  for (int step = 0; step < 60'000; ++step) {
    // Keys from a small range come again; those times 2^52 crowd into few places of the table.
    const std::uint64_t key = draw.below(2) == 0 ? draw.below(5000) : draw.below(5000) << 52;
    ASSERT_EQ(keys.contains(key), inside.contains(key));
    keys.insert(key);
    if (inside.contains(key)) continue;
    last.push_back(key);
    inside.insert(key);
    if (last.size() > venue::RecentKeys::size) {
      inside.erase(last.front());
      last.pop_front();
    }
  }
  EXPECT_EQ(last.size(), venue::RecentKeys::size);
  for (const std::uint64_t key : last) EXPECT_TRUE(keys.contains(key));
}

}  // namespace
}  // namespace perp::test
