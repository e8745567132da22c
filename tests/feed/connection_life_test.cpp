// Goal: every pair of state and event has its step, no state is a trap, and the printed table is
// the real one. Method: walk all pairs; what must hold of any life is checked on each.
#include <perp/feed/connection_life.hpp>

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace perp::feed {
namespace {

using S = LifeState;
using E = LifeEvent;
using A = LifeAction;

template <class Check>
void for_each_pair(const Check& check) {
  for (std::size_t s = 0; s < life_state_count; ++s)
    for (std::size_t e = 0; e < life_event_count; ++e)
      check(static_cast<S>(s), static_cast<E>(e), next_step(static_cast<S>(s), static_cast<E>(e)));
}

TEST(ConnectionLife, EveryPairKeepsTheRules) {
  const std::set<S> open{S::subscribing, S::live, S::rolling};
  for_each_pair([&](S state, E event, LifeStep step) {
    SCOPED_TRACE(std::string(to_text(state)) + " + " + std::string(to_text(event)));
    if (step.action == A::none) {
      EXPECT_EQ(step.state, state) << "what does nothing changes nothing";
    }
    if (step.state == S::waiting && state != S::waiting) {
      EXPECT_EQ(step.action, A::wait) << "who waits has started a wait";
    }
    if (step.state == S::live && state != S::live) {
      EXPECT_TRUE(event == E::acknowledged || event == E::successor_live ||
                  event == E::successor_lost);
    }
    if (event == E::stop) {
      EXPECT_TRUE(step.state == S::idle || step.state == S::closing);
    }
    if (event == E::lost && (open.contains(state) || state == S::dialling)) {
      EXPECT_NE(step.action, A::none) << "no loss goes unseen";
      EXPECT_FALSE(open.contains(step.state));
    }
    if (event == E::silent) {
      EXPECT_EQ(step.action, open.contains(state) ? A::resubscribe : A::none);
    }
    if (event == E::start) {
      EXPECT_EQ(step.action, state == S::idle ? A::dial : A::none) << "one dial at a time";
    }
  });
}

TEST(ConnectionLife, EveryStateIsReachedAndLeavesForIdleAndForLive) {
  const auto reached_from = [](S from) {
    std::set<S> reached{from};
    for (std::size_t round = 0; round < life_state_count; ++round)
      for_each_pair([&](S state, E, LifeStep step) {
        if (reached.contains(state)) reached.insert(step.state);
      });
    return reached;
  };
  for (std::size_t s = 0; s < life_state_count; ++s)
    EXPECT_EQ(reached_from(static_cast<S>(s)).size(), life_state_count)
        << to_text(static_cast<S>(s));
}

TEST(ConnectionLife, ADayWithACutARollOverAndAStop) {
  struct Told {
    E event;
    LifeStep expected;
  };
  S state = S::idle;
  for (const Told& told : std::vector<Told>{{E::start, {S::dialling, A::dial}},
                                            {E::lost, {S::waiting, A::wait}},
                                            {E::wait_over, {S::dialling, A::dial}},
                                            {E::opened, {S::subscribing, A::subscribe}},
                                            {E::silent, {S::subscribing, A::resubscribe}},
                                            {E::acknowledged, {S::live, A::begin}},
                                            {E::roll_due, {S::rolling, A::dial_successor}},
                                            {E::roll_due, {S::rolling, A::none}},
                                            {E::successor_lost, {S::live, A::drop_successor}},
                                            {E::roll_due, {S::rolling, A::dial_successor}},
                                            {E::successor_live, {S::live, A::adopt_successor}},
                                            {E::roll_due, {S::rolling, A::dial_successor}},
                                            {E::lost, {S::dialling, A::adopt_successor}},
                                            {E::opened, {S::subscribing, A::subscribe}},
                                            {E::stop, {S::closing, A::close}},
                                            {E::closed, {S::idle, A::finish}}}) {
    const LifeStep step = next_step(state, told.event);
    ASSERT_EQ(step, told.expected) << to_text(state) << " + " << to_text(told.event);
    state = step.state;
  }
}

TEST(ConnectionLife, NamesAreDistinctAndTheDocumentHasTheTable) {
  std::set<std::string_view> names;
  for (std::size_t e = 0; e < life_event_count; ++e) names.insert(to_text(static_cast<E>(e)));
  EXPECT_EQ(names.size(), life_event_count);
  EXPECT_EQ(to_text(S::closing), "closing");
  EXPECT_EQ(to_text(E::closed), "closed");
  EXPECT_EQ(to_text(A::finish), "finish");
  std::ifstream in(std::string(PERP_SOURCE_DIR) + "/docs/feeds.md");
  std::stringstream document;
  document << in.rdbuf();
  EXPECT_NE(document.str().find("\n\n" + life_table_text() + "\n"), std::string::npos)
      << "docs/feeds.md must hold:\n"
      << life_table_text();
}

}  // namespace
}  // namespace perp::feed
