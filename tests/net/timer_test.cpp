// Random starts and cancels against a sorted list; then the order and the promises of the
// interface.
#include "net/support.hpp"
#include "support/malloc_counter.hpp"

#include <perp/core/prng.hpp>
#include <perp/net/timer.hpp>

#include <algorithm>
#include <memory>
#include <vector>

namespace perp::net {
namespace {

class LoopTimer : public test::LoopTest {};
INSTANTIATE_TEST_SUITE_P(, LoopTimer, testing::Values(IoEngine::uring, IoEngine::epoll),
                         test::engine_name);

TEST_P(LoopTimer, FiresInTheOrderOfDeadlinesAndOfStartingAmongEqualOnes) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    core::Prng random(seed);
    struct Expected {
      core::MonoNs deadline;
      int order;
      std::size_t number;
    };
    std::vector<Expected> expected;
    std::vector<std::size_t> fired;
    std::vector<std::unique_ptr<Timer>> timers;
    for (std::size_t i = 0; i < 200; ++i)
      timers.push_back(std::make_unique<Timer>(*loop_, [&fired, i] { fired.push_back(i); }));
    const core::MonoNs base = core::mono_now() + 2 * core::ns_per_ms;
    for (int step = 0; step < 2000; ++step) {
      const std::size_t number = random.below(timers.size());
      std::erase_if(expected, [&](const Expected& e) { return e.number == number; });
      if (random.below(4) == 0) {
        timers[number]->cancel();
        EXPECT_FALSE(timers[number]->is_started());
      } else {
        const core::MonoNs deadline =
            base + static_cast<std::int64_t>(random.below(40)) * 50 * core::ns_per_us;
        timers[number]->start_at(deadline);
        EXPECT_TRUE(timers[number]->is_started());
        expected.push_back({deadline, step, number});
      }
    }
    std::sort(expected.begin(), expected.end(), [](const Expected& a, const Expected& b) {
      return a.deadline != b.deadline ? a.deadline < b.deadline : a.order < b.order;
    });
    ASSERT_TRUE(run_until([&] { return fired.size() == expected.size(); }));
    for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(fired[i], expected[i].number);
  }
}

TEST_P(LoopTimer, NeverFiresBeforeItsDeadlineAndEndsALongSleep) {
  core::MonoNs fired;
  Timer timer(*loop_, [&] { fired = loop_->now(); });
  const core::MonoNs before = core::mono_now();
  timer.start_in(10 * core::ns_per_ms);
  while (fired == core::MonoNs{}) loop_->run_once(-1);
  EXPECT_GE(fired, timer.deadline());
  EXPECT_GE(core::mono_now() - before, 10 * core::ns_per_ms - 100 * core::ns_per_us);
  EXPECT_FALSE(timer.is_started());
  EXPECT_EQ(loop_->stats().timers_fired, 1U);
}

TEST_P(LoopTimer, OneThatStartsItselfAnewFiresOncePerRound) {
  int fired = 0;
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(*loop_, [&] {
    ++fired;
    timer->start_at(core::MonoNs{});  // long past
  });
  timer->start_at(core::MonoNs{});
  for (int round = 1; round <= 5; ++round) {
    EXPECT_EQ(loop_->run_once(-1), 1);
    EXPECT_EQ(fired, round);
  }
}

TEST_P(LoopTimer, MayDestroyItselfAndOthersInItsCall) {
  int fired = 0;
  std::unique_ptr<Timer> self;
  auto other = std::make_unique<Timer>(*loop_, [&] { ADD_FAILURE() << "it was destroyed"; });
  // The captured text is the call's own: it must outlive the timer.
  const std::string text(100, 't');
  self = std::make_unique<Timer>(*loop_, [&, text] {
    other.reset();
    self.reset();
    fired += static_cast<int>(text.size());
  });
  self->start_in(0);
  other->start_in(0);
  ASSERT_TRUE(run_until([&] { return fired == 100; }));
  EXPECT_EQ(loop_->run_once(0), 0);
}

TEST_P(LoopTimer, MayCancelOneThatIsDueInTheSameRound) {
  std::unique_ptr<Timer> second;
  bool has_fired = false;
  Timer first(*loop_, [&] {
    has_fired = true;
    second->cancel();
  });
  second = std::make_unique<Timer>(*loop_, [] { ADD_FAILURE() << "it was cancelled"; });
  first.start_in(0);
  second->start_in(0);
  ASSERT_TRUE(run_until([&] { return has_fired; }));
  loop_->run_once(0);
}

TEST_P(LoopTimer, WhatItThrowsLeavesTheRoundAndItCanBeStartedAgain) {
  int calls = 0;
  Timer timer(*loop_, [&] {
    if (++calls == 1) throw std::runtime_error("once");
  });
  timer.start_in(0);
  EXPECT_THROW(static_cast<void>(run_until([] { return false; })), std::runtime_error);
  timer.start_in(0);
  EXPECT_TRUE(run_until([&] { return calls == 2; }));
}

TEST_P(LoopTimer, StartingAllocatesNothing) {
  if (!perp::test::malloc_is_counted()) GTEST_SKIP() << "a sanitizer owns malloc";
  std::vector<std::unique_ptr<Timer>> timers;
  for (int i = 0; i < 1000; ++i) timers.push_back(std::make_unique<Timer>(*loop_, [] {}));
  const std::uint64_t before = perp::test::malloc_count();
  for (int turn = 0; turn < 10; ++turn)
    for (auto& timer : timers) timer->start_in(core::ns_per_second - turn);
  for (auto& timer : timers) timer->cancel();
  EXPECT_EQ(perp::test::malloc_count() - before, 0U);
}

}  // namespace
}  // namespace perp::net
