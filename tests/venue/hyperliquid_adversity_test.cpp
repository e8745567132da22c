// Whatever is refused, or finds no room, leaves no trace: the fuzzer's seed messages played
// undisturbed and disturbed.
#include "venue/corpus_scenario.hpp"

namespace perp::test {
namespace {

const venue::Adapter& adapter() { return venue::hyperliquid_adapter(); }

TEST(HyperliquidAdversity, ATruncatedMessageIsMalformedAndLeavesNoTrace) {
  for (const auto& [name, scenario] : corpus_scenarios(adapter())) {
    SCOPED_TRACE(name);
    expect_truncations_leave_no_trace(adapter(), json_only(scenario));
  }
}

TEST(HyperliquidAdversity, ASinkWithoutRoomLeavesNoTrace) {
  for (const auto& [name, scenario] : corpus_scenarios(adapter())) {
    SCOPED_TRACE(name);
    expect_small_sinks_leave_no_trace(adapter(), scenario);
  }
}

TEST(HyperliquidAdversity, DamageLeavesNoTrace) {
  std::size_t refused = 0;
  for (const auto& [name, scenario] : corpus_scenarios(adapter())) {
    SCOPED_TRACE(name);
    std::size_t here = 0;
    expect_damage_leaves_no_trace(adapter(), scenario, here);
    refused += here;
  }
  EXPECT_GT(refused, 1000U);
}

TEST(HyperliquidAdversity, KeyOrderAndWhiteSpaceDoNotMatter) {
  for (const auto& [name, scenario] : corpus_scenarios(adapter())) {
    SCOPED_TRACE(name);
    expect_key_order_does_not_matter(adapter(), scenario);
  }
}

}  // namespace
}  // namespace perp::test
