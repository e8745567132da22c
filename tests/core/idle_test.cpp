#include <perp/core/idle.hpp>

#include <gtest/gtest.h>

#include <ctime>
#include <string>
#include <thread>
#include <vector>

namespace perp::core {
namespace {

constexpr std::int64_t a_minute =
    ns_per_minute;  // longer than any test: a lost ring shows as a hang

std::int64_t cpu_time_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * ns_per_second + time.tv_nsec;
}

TEST(Doorbell, RingAfterTheTicketEndsTheWaitAtOnce) {
  Doorbell bell;
  const Doorbell::Ticket ticket = bell.ticket();
  bell.ring();
  EXPECT_TRUE(bell.wait(ticket, a_minute));
  EXPECT_TRUE(bell.wait(ticket, a_minute));  // still later than the ticket
}

TEST(Doorbell, RingBeforeTheTicketIsNotWaitedOut) {
  Doorbell bell;
  bell.ring();
  const std::int64_t before = mono_now().ns;
  EXPECT_FALSE(bell.wait(bell.ticket(), 5 * ns_per_ms));
  EXPECT_GE(mono_now().ns - before, 5 * ns_per_ms);
  EXPECT_FALSE(bell.wait(bell.ticket(), 0));
  EXPECT_FALSE(bell.wait(bell.ticket(), -1));
}

/// Sleeps until it rings, woken for no reason or not. @returns false if nothing rang for a minute.
bool is_rung(Doorbell& bell, Doorbell::Ticket ticket) {
  const MonoNs deadline = mono_now() + a_minute;
  while (!bell.wait(ticket, deadline - mono_now()))
    if (mono_now() >= deadline) return false;
  return true;
}

// Two threads hand a number back and forth, each asleep until the other rings: one lost ring and it
// stands still.
TEST(Doorbell, NeverLosesARingBetweenTheLookAndTheSleep) {
  constexpr int rounds = 20'000;
  Doorbell to_echo;
  Doorbell to_asker;
  std::atomic<int> question{0};
  std::atomic<int> answer{0};
  std::jthread echo([&] {
    for (int done = 0; done < rounds;) {
      const Doorbell::Ticket ticket = to_echo.ticket();
      if (question.load() == done) {
        ASSERT_TRUE(is_rung(to_echo, ticket));
        continue;
      }
      ++done;
      answer.store(done);
      to_asker.ring();
    }
  });
  for (int i = 1; i <= rounds; ++i) {
    question.store(i);
    to_echo.ring();
    for (;;) {
      const Doorbell::Ticket ticket = to_asker.ticket();
      if (answer.load() == i) break;
      ASSERT_TRUE(is_rung(to_asker, ticket));
    }
  }
}

TEST(Doorbell, WakesEverySleeper) {
  Doorbell bell;
  const Doorbell::Ticket ticket = bell.ticket();
  std::vector<std::jthread> sleepers;
  for (int i = 0; i < 4; ++i) sleepers.emplace_back([&] { EXPECT_TRUE(is_rung(bell, ticket)); });
  bell.ring();
}

TEST(IdleStrategy, SpinsFirstAndSleepsOnlyWhenNothingWasDoneForLong) {
  Doorbell bell;
  IdleStrategy park({IdleKind::park, 3, 1}, bell);
  const auto round = [&park](int work) {
    park.prepare();
    park.idle(work);
  };
  for (int i = 0; i < 3; ++i) round(0);
  EXPECT_EQ(park.sleep_count(), 0u);
  round(0);
  round(0);
  EXPECT_EQ(park.sleep_count(), 2u);  // after a time-out it does not spin again
  round(5);
  for (int i = 0; i < 3; ++i) round(0);
  EXPECT_EQ(park.sleep_count(), 2u);

  IdleStrategy spin({IdleKind::spin, 0, a_minute}, bell);
  for (int i = 0; i < 1000; ++i) spin.prepare(), spin.idle(0);
  EXPECT_EQ(spin.sleep_count(), 0u);

  IdleStrategy block({IdleKind::block, 1000, 1}, bell);
  block.prepare();
  block.idle(0);
  EXPECT_EQ(block.sleep_count(), 1u);
}

TEST(IdleStrategy, ARingBetweenPrepareAndIdleIsNotSleptThrough) {
  Doorbell bell;
  IdleStrategy block({IdleKind::block, 0, a_minute}, bell);
  block.prepare();
  bell.ring();
  block.idle(0);
  EXPECT_EQ(block.sleep_count(), 1u);
}

TEST(IdleStrategy, ParkedWorkerCostsNextToNoCpu) {
  Doorbell bell;
  IdleStrategy idle({IdleKind::park, 100, 20 * ns_per_ms}, bell);
  const std::int64_t wall = mono_now().ns;
  const std::int64_t cpu = cpu_time_ns();
  while (mono_now().ns - wall < 200 * ns_per_ms) {
    idle.prepare();
    idle.idle(0);
  }
  EXPECT_LT(cpu_time_ns() - cpu, 20 * ns_per_ms);  // a spinning one would have taken 200 ms
  EXPECT_LE(idle.sleep_count(), 11u);
}

TEST(IdleKind, NamesParseBack) {
  for (const IdleKind kind : {IdleKind::spin, IdleKind::park, IdleKind::block}) {
    IdleKind parsed = IdleKind::spin;
    EXPECT_TRUE(parse_idle_kind(name_of(kind), parsed));
    EXPECT_EQ(parsed, kind);
  }
  IdleKind kind = IdleKind::park;
  EXPECT_FALSE(parse_idle_kind("sleep", kind));
  EXPECT_EQ(kind, IdleKind::park);
}

}  // namespace
}  // namespace perp::core
