// Goal: a host that fails is left alone, asked once when the time has come, and believed again
// after one good answer. Method: each edge by hand; the failure rate against a list of outcomes.
#include <perp/core/error.hpp>
#include <perp/core/prng.hpp>
#include <perp/feed/circuit_breaker.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>

namespace perp::feed {
namespace {

using State = CircuitBreaker::State;

constexpr core::MonoNs at(std::int64_t seconds) { return {seconds * core::ns_per_second}; }

void fail(CircuitBreaker& breaker, int times, core::MonoNs now) {
  for (int i = 0; i < times; ++i) breaker.on_failure(now);
}

TEST(CircuitBreaker, OpensAfterFailuresInARow) {
  CircuitBreaker breaker({});
  fail(breaker, 4, at(0));
  breaker.on_success();
  fail(breaker, 4, at(0));
  EXPECT_EQ(breaker.state(), State::closed) << "a success breaks the row";
  EXPECT_TRUE(breaker.may_call(at(0)));
  breaker.on_failure(at(0));
  EXPECT_EQ(breaker.state(), State::open);
  EXPECT_FALSE(breaker.may_call(at(9)));
  EXPECT_EQ(breaker.opens_until(), at(10));
}

TEST(CircuitBreaker, HalfOpenAllowsOneTrialAndItsSuccessCloses) {
  CircuitBreaker breaker({});
  fail(breaker, 5, at(0));
  EXPECT_TRUE(breaker.may_call(at(10)));
  EXPECT_EQ(breaker.state(), State::half_open);
  EXPECT_FALSE(breaker.may_call(at(10)));
  EXPECT_FALSE(breaker.may_call(at(39)));
  breaker.on_success();
  EXPECT_EQ(breaker.state(), State::closed);
  fail(breaker, 4, at(40));
  EXPECT_EQ(breaker.state(), State::closed) << "what was before is forgotten";
  breaker.on_failure(at(40));
  EXPECT_EQ(breaker.opens_until(), at(50)) << "and so is how long it was open";
}

TEST(CircuitBreaker, FailedTrialsDoubleTheWaitUpToItsMost) {
  CircuitBreaker breaker({});
  fail(breaker, 5, at(0));
  core::MonoNs now = breaker.opens_until();
  for (const std::int64_t seconds : {20, 40, 80, 120, 120, 120}) {
    ASSERT_TRUE(breaker.may_call(now));
    breaker.on_failure(now);
    EXPECT_EQ(breaker.opens_until() - now, seconds * core::ns_per_second);
    now = breaker.opens_until();
  }
}

TEST(CircuitBreaker, ATrialWithoutOutcomeHasFailed) {
  CircuitBreaker breaker({});
  fail(breaker, 5, at(0));
  ASSERT_TRUE(breaker.may_call(at(10)));
  EXPECT_FALSE(breaker.may_call(at(40)));
  EXPECT_EQ(breaker.state(), State::open);
  EXPECT_EQ(breaker.opens_until(), at(60));
  EXPECT_TRUE(breaker.may_call(at(60)));
}

TEST(CircuitBreaker, LateOutcomesOfOlderCallsDoNotMoveAnOpenOne) {
  CircuitBreaker breaker({});
  fail(breaker, 5, at(0));
  breaker.on_success();
  EXPECT_EQ(breaker.state(), State::open);
  breaker.on_failure(at(9));
  EXPECT_EQ(breaker.opens_until(), at(10));
}

TEST(CircuitBreaker, OpensAtTheFailureRateOfAFullWindow) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    core::Prng random(seed);
    CircuitBreakerOptions options;
    options.window = static_cast<std::uint32_t>(random.between(1, 64));
    options.failures_percent = static_cast<std::uint32_t>(random.between(1, 100));
    options.failures_in_row = 1'000;
    CircuitBreaker breaker(options);
    std::deque<bool> failed;
    const double rate = random.uniform();
    for (int i = 0; i < 300; ++i) {
      const bool is_failure = random.chance(rate);
      if (is_failure) {
        breaker.on_failure(at(0));
      } else {
        breaker.on_success();
      }
      failed.push_back(is_failure);
      if (failed.size() > options.window) failed.pop_front();
      const auto failures =
          static_cast<std::uint32_t>(std::count(failed.begin(), failed.end(), true));
      const bool opens = is_failure && failed.size() == options.window &&
                         failures * 100 >= options.failures_percent * options.window;
      ASSERT_EQ(breaker.state(), opens ? State::open : State::closed) << seed << " " << i;
      if (opens) break;
    }
  }
}

TEST(CircuitBreaker, RefusesOptionsOutOfRange) {
  EXPECT_THROW(CircuitBreaker({.failures_in_row = 0}), core::Error);
  EXPECT_THROW(CircuitBreaker({.window = 0}), core::Error);
  EXPECT_THROW(CircuitBreaker({.window = 65}), core::Error);
  EXPECT_THROW(CircuitBreaker({.failures_percent = 0}), core::Error);
  EXPECT_THROW(CircuitBreaker({.failures_percent = 101}), core::Error);
  EXPECT_THROW(CircuitBreaker({.open_ns = 0}), core::Error);
  EXPECT_THROW(CircuitBreaker({.open_ns_max = 1}), core::Error);
  EXPECT_THROW(CircuitBreaker({.trial_ns = 0}), core::Error);
}

}  // namespace
}  // namespace perp::feed
