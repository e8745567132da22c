// Goal: never more than the budget in any window, never a request inside a ban, whatever the clocks
// do. Method: a list of all grants is the oracle for windows; clocks are moved by hand.
#include "feed/ledger_support.hpp"

#include <perp/core/error.hpp>
#include <perp/core/prng.hpp>
#include <perp/feed/backoff.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <thread>
#include <utility>
#include <vector>

namespace perp::feed {
namespace {

using core::ns_per_hour;
using core::ns_per_second;

TEST_F(LedgerFiles, SpendsNinePartsInTenOfAPoolAndAllOfTheConnects) {
  HostLedger ledger(options());
  EXPECT_EQ(ledger.may_request(at(0), "weight", 2160).verdict, Verdict::granted);
  EXPECT_EQ(ledger.may_request(at(0), "weight", 1).verdict, Verdict::spent);
  EXPECT_EQ(ledger.spent(at(0), "weight"), 2160u);
  EXPECT_EQ(ledger.may_request(at(0), "funding", 450).verdict, Verdict::granted)
      << "pools are apart";
  EXPECT_EQ(ledger.may_request(at(0), "funding", 1).verdict, Verdict::spent);
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(ledger.may_connect(at(0))) << i;
  const Grant last = ledger.may_connect(at(0));
  EXPECT_EQ(last.verdict, Verdict::spent);
  EXPECT_FALSE(ledger.may_connect({last.retry_at + -1, at(0).wall}));
  EXPECT_TRUE(ledger.may_connect({last.retry_at, at(0).wall}));
}

TEST_F(LedgerFiles, WhatCanNeverBeGrantedSaysSo) {
  HostLedger ledger(options());
  EXPECT_EQ(ledger.may_request(at(0), "weight", 2161).verdict, Verdict::too_heavy);
  EXPECT_EQ(ledger.may_request(at(0), "weight", 0).verdict, Verdict::too_heavy);
  EXPECT_EQ(ledger.may_request(at(0), "no such pool", 1).verdict, Verdict::too_heavy);
  EXPECT_FALSE(ledger.on_used(at(0), "no such pool", 1));
  EXPECT_EQ(ledger.spent(at(0), "no such pool"), 0u);
}

TEST_F(LedgerFiles, AnyWindowHoldsTheBudgetAndRefusalsAreNeeded) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    core::Prng random(seed);
    HostLedgerOptions with = options();
    with.host = "seed" + std::to_string(seed);
    const std::int64_t window = random.between(1, 90) * ns_per_second + random.between(0, 999);
    with.pools = {{"p", 100, window, 90}};
    HostLedger ledger(with);
    Moment now = at(0);
    std::vector<std::pair<std::int64_t, std::uint32_t>> granted;
    const auto sum_since = [&](std::int64_t since) {
      std::uint64_t sum = 0;
      for (const auto& [ns, weight] : granted)
        if (ns > since) sum += weight;
      return sum;
    };
    for (int i = 0; i < 1'000; ++i) {
      now.mono.ns += static_cast<std::int64_t>(
          random.exponential(random.chance(0.02) ? 1.5 : 0.03) * static_cast<double>(window));
      now.wall.ns = random.between(0, 4'000'000'000) * ns_per_second;  // it does not count
      const auto weight = static_cast<std::uint32_t>(1 + random.below(30));
      const Grant grant = ledger.may_request(now, "p", weight);
      if (grant) {
        granted.emplace_back(now.mono.ns, weight);
        ASSERT_LE(sum_since(now.mono.ns - window), 90u) << i;
        continue;
      }
      ASSERT_EQ(grant.verdict, Verdict::spent);
      ASSERT_GT(sum_since(now.mono.ns - window / 32 * 33 - 64) + weight, 90u)
          << i << ": more than a slice late";
      ASSERT_GT(grant.retry_at, now.mono);
      ASSERT_LE(grant.retry_at - now.mono, window / 32 * 33 + 64);
      if (random.chance(0.5)) {
        now.mono = grant.retry_at;
        ASSERT_TRUE(ledger.may_request(now, "p", weight)) << i << ": asked again when told";
        granted.emplace_back(now.mono.ns, weight);
        ASSERT_LE(sum_since(now.mono.ns - window), 90u) << i;
      }
    }
    EXPECT_GT(granted.size(), 100u);
  }
}

TEST_F(LedgerFiles, AThousandSocketsBehindOneAddressComeBackWithinTheBudget) {
  // Four processes, 250 sockets each, all cut at the same moment, all with jitter and all asking
  // again when they are told to.
  constexpr std::size_t sockets = 1'000;
  std::vector<std::unique_ptr<HostLedger>> processes;
  for (int i = 0; i < 4; ++i) processes.push_back(std::make_unique<HostLedger>(options()));
  const std::int64_t window = options().connects.window_ns;
  const std::size_t budget = options().connects.limit;
  core::Prng random(11);
  using Attempt = std::pair<std::int64_t, std::size_t>;  // when, which socket
  std::priority_queue<Attempt, std::vector<Attempt>, std::greater<>> due;
  for (std::size_t i = 0; i < sockets; ++i)
    due.emplace(at(0).mono.ns + Backoff({}, random.split(), 2).on_lost(), i);
  std::vector<std::int64_t> connected;
  std::size_t asked = 0;
  while (!due.empty()) {
    const auto [ns, socket] = due.top();
    due.pop();
    const Moment now{{ns}, at(0).wall};
    const Grant grant = processes[socket % processes.size()]->may_connect(now);
    ++asked;
    if (!grant) {
      ASSERT_EQ(grant.verdict, Verdict::spent);
      ASSERT_GT(grant.retry_at, now.mono);
      due.emplace(grant.retry_at.ns, socket);
      continue;
    }
    connected.push_back(ns);
    const auto within =
        std::ranges::count_if(connected, [&](std::int64_t at) { return at > ns - window; });
    ASSERT_LE(static_cast<std::size_t>(within), budget) << connected.size();
  }
  ASSERT_EQ(connected.size(), sockets) << "nobody is left out";
  // Never idle while somebody waits: what the budget alone takes, and a slice for each window.
  const auto windows = static_cast<std::int64_t>((sockets - 1) / budget);
  EXPECT_LE(connected.back() - connected.front(), windows * (window / 32 * 34));
  EXPECT_LE(asked, sockets * static_cast<std::size_t>(windows + 1) * 34)
      << "they ask when told, not in a loop";
}

TEST_F(LedgerFiles, WhatTheHostCountedBeyondOursIsBooked) {
  HostLedger ledger(options());
  ASSERT_TRUE(ledger.may_request(at(0), "weight", 100));
  EXPECT_TRUE(ledger.on_used(at(1), "weight", 2000));  // another program shares the address
  EXPECT_EQ(ledger.spent(at(1), "weight"), 2000u);
  EXPECT_FALSE(ledger.may_request(at(1), "weight", 161));
  EXPECT_TRUE(ledger.may_request(at(1), "weight", 160));
  EXPECT_TRUE(ledger.on_used(at(2), "weight", 40)) << "the host's minute began anew";
  EXPECT_EQ(ledger.spent(at(2), "weight"), 2160u) << "less is not believed";
  EXPECT_TRUE(ledger.on_used(at(3), "weight", 0xffffffffu));
  EXPECT_EQ(ledger.may_request(at(3), "weight", 1).verdict, Verdict::spent);
  EXPECT_TRUE(ledger.may_request(at(66), "weight", 1)) << "nonsense lasts a window";
}

TEST_F(LedgerFiles, ABanIsObeyedToTheSecond) {
  HostLedger ledger(options());
  EXPECT_TRUE(ledger.on_status(at(10), 429, "30"));
  for (const double second : {10.0, 20.0, 39.0, 39.999999}) {
    const Grant request = ledger.may_request(at(second), "weight", 1);
    EXPECT_EQ(request.verdict, Verdict::banned);
    EXPECT_EQ(request.retry_at, at(40).mono);
    EXPECT_EQ(ledger.may_connect(at(second)).verdict, Verdict::banned);
  }
  EXPECT_TRUE(ledger.may_request(at(40), "weight", 1));
  EXPECT_TRUE(ledger.may_connect(at(40)));
  EXPECT_EQ(ledger.spent(at(40), "weight"), 1u) << "what was refused is not booked";
}

TEST_F(LedgerFiles, AShorterBanDoesNotEndALongerOne) {
  HostLedger ledger(options());
  EXPECT_TRUE(ledger.on_status(at(0), 418, "600"));
  EXPECT_TRUE(ledger.on_status(at(1), 429, "5"));
  EXPECT_EQ(ledger.banned_until(at(2)), at(600).mono);
  EXPECT_TRUE(ledger.on_status(at(3), 418, "3600"));
  EXPECT_EQ(ledger.banned_until(at(4)), at(3603).mono);
}

TEST_F(LedgerFiles, EachStatusIsTakenForWhatItIs) {
  struct Case {
    int status;
    const char* retry_after;
    std::optional<double> banned_s;
  };
  for (const Case& c : std::vector<Case>{{200, "", {}},
                                         {200, "60", {}},
                                         {302, "60", {}},
                                         {404, "", {}},
                                         {500, "", {}},
                                         {503, "", {}},
                                         {503, "7", 7},
                                         {429, "7", 7},
                                         {429, "", 60},
                                         {429, "soon", 60},
                                         {429, "0", 60},
                                         {418, "", 600},
                                         {403, "", 600},
                                         {403, "9", 9},
                                         {418, "Thu, 01 Jan 1970 00:00:00 GMT", 600},
                                         {418, "999999999", 30 * 86400.0}}) {
    HostLedgerOptions with = options();
    with.host = "case";
    HostLedger ledger(with);
    EXPECT_EQ(ledger.on_status(at(0), c.status, c.retry_after), c.banned_s.has_value())
        << c.status << " " << c.retry_after;
    EXPECT_EQ(ledger.banned_until(at(0)), at(c.banned_s.value_or(0)).mono)
        << c.status << " " << c.retry_after;
    std::filesystem::remove(ledger.path());
  }
}

TEST_F(LedgerFiles, ADateIsMeasuredByTheHostsOwnClock) {
  HostLedger ledger(options());
  EXPECT_TRUE(ledger.on_status(at(0), 429, "Sun, 06 Nov 1994 08:50:07 GMT",
                               "Sun, 06 Nov 1994 08:49:37 GMT"));
  EXPECT_EQ(ledger.banned_until(at(0)), at(30).mono);
}

TEST_F(LedgerFiles, BudgetsAndBansOutliveARestart) {
  {
    HostLedger ledger(options());
    ASSERT_TRUE(ledger.may_request(at(0), "weight", 2000));
    ASSERT_TRUE(ledger.may_connect(at(0)));
    ledger.on_status(at(1), 418, "120");
  }
  HostLedger ledger(options());
  EXPECT_EQ(ledger.may_request(at(120.5), "weight", 1).verdict, Verdict::banned);
  EXPECT_EQ(ledger.banned_until(at(60)), at(121).mono);
  EXPECT_EQ(ledger.spent(at(60), "connect"), 1u);
  EXPECT_TRUE(ledger.may_request(at(121), "weight", 1));
  EXPECT_TRUE(reports_.empty()) << reports_.front();
}

TEST_F(LedgerFiles, AStepOfTheWallClockChangesNothingWithinABoot) {
  for (const std::int64_t step : {-ns_per_hour, ns_per_hour}) {
    HostLedgerOptions with = options();
    with.host = step < 0 ? "back" : "forth";
    const auto stepped = [&](double second) {
      Moment moment = at(second);
      moment.wall.ns += step;
      return moment;
    };
    {
      HostLedger ledger(with);
      ASSERT_TRUE(ledger.may_request(at(0), "weight", 2160));
      ledger.on_status(at(0), 418, "30");
      EXPECT_EQ(ledger.banned_until(stepped(10)), at(30).mono);
    }
    HostLedger again(with);  // restarted with the clock stepped
    EXPECT_EQ(again.may_connect(stepped(29.999)).verdict, Verdict::banned);
    EXPECT_TRUE(again.may_connect(stepped(30)));
    EXPECT_EQ(again.may_request(stepped(59), "weight", 1).verdict, Verdict::spent);
    EXPECT_TRUE(again.may_request(stepped(62), "weight", 1));
  }
}

TEST_F(LedgerFiles, AcrossABootTheWallClockCounts) {
  {
    HostLedger ledger(options());
    ASSERT_TRUE(ledger.may_request(at(0), "weight", 2160));
    ledger.on_status(at(0), 418, "600");
  }
  HostLedgerOptions with = options();
  with.boot_id = "second";
  // The machine was down for 50 s; its monotonic clock begins at 5 s.
  const auto booted = [](double second) {
    return Moment{{static_cast<std::int64_t>((second - 45) * 1e9)}, at(second).wall};
  };
  HostLedger ledger(with);
  EXPECT_EQ(ledger.may_connect(booted(50)).verdict, Verdict::banned);
  EXPECT_EQ(ledger.spent(booted(50), "weight"), 2160u);
  EXPECT_EQ(ledger.may_connect(booted(599.9)).verdict, Verdict::banned);
  EXPECT_TRUE(ledger.may_connect(booted(600)));
  EXPECT_TRUE(ledger.may_request(booted(600), "weight", 2160));
}

TEST_F(LedgerFiles, AClockSetBackOverABootLengthensABanByNoMoreThanTheDownTime) {
  {
    HostLedger ledger(options());
    ledger.on_status(at(0), 418, "600");
  }
  HostLedgerOptions with = options();
  with.boot_id = "second";
  HostLedger ledger(with);
  const auto back = [](double second) {
    return Moment{{static_cast<std::int64_t>(second * 1e9)},
                  {at(second).wall.ns - 24 * ns_per_hour}};
  };
  EXPECT_EQ(ledger.banned_until(back(0)), core::MonoNs{600 * ns_per_second});
  EXPECT_EQ(ledger.may_connect(back(599.9)).verdict, Verdict::banned);
  EXPECT_TRUE(ledger.may_connect(back(600)));
}

TEST_F(LedgerFiles, ACallerWithAnOlderTimeDoesNotTurnTheLedgerBack) {
  HostLedger ledger(options());
  ASSERT_TRUE(ledger.may_request(at(100), "weight", 2160));
  EXPECT_EQ(ledger.may_request(at(99.999), "weight", 1).verdict, Verdict::spent);
  ledger.on_status(at(99), 429, "10");
  EXPECT_EQ(ledger.may_connect(at(109.5)).verdict, Verdict::banned) << "from ledger time 100 on";
  EXPECT_TRUE(ledger.may_connect(at(110)));
}

TEST_F(LedgerFiles, TwoLedgersOfOneProcessShareOneAccount) {
  HostLedger first(options());
  HostLedger second(options());
  ASSERT_TRUE(first.may_request(at(0), "weight", 2000));
  EXPECT_EQ(second.spent(at(0), "weight"), 2000u);
  EXPECT_FALSE(second.may_request(at(0), "weight", 161));
  EXPECT_TRUE(second.may_request(at(0), "weight", 160));
  second.on_status(at(1), 418, "60");
  EXPECT_EQ(first.may_connect(at(2)).verdict, Verdict::banned);
  HostLedgerOptions other = options();
  other.host = "fstream.binance.com";
  EXPECT_TRUE(HostLedger(other).may_connect(at(2))) << "another host is another account";
}

TEST_F(LedgerFiles, ThreadsOfTwoLedgersSpendOneBudget) {
  HostLedgerOptions with = options();
  with.pools = {{"p", 4000, ns_per_hour, 50}};
  HostLedger ledgers[2] = {HostLedger(with), HostLedger(with)};
  std::atomic<std::uint64_t> granted{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      std::int64_t second = 0;
      for (;;) {
        const Grant grant = ledgers[i % 2].may_request(at(static_cast<double>(second)), "p", 1);
        if (grant.verdict == Verdict::spent) break;
        if (grant) ++granted;
        if (grant.verdict == Verdict::busy) ++second;  // its pause is over a second later
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(granted.load(), 2000u);
}

TEST_F(LedgerFiles, NothingIsGrantedInsideABanByAnyMixOfCalls) {
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    SCOPED_TRACE(seed);
    core::Prng random(seed);
    HostLedgerOptions with = options();
    with.host = "seed" + std::to_string(seed);
    auto ledger = std::make_unique<HostLedger>(with);
    double second = 0;
    double banned_until = 0;
    int granted = 0;
    for (int i = 0; i < 1'000; ++i) {
      second += random.exponential(1);
      const Moment now{at(second).mono, {random.between(0, 4'000'000'000) * ns_per_second}};
      if (random.chance(0.05)) ledger = std::make_unique<HostLedger>(with);
      if (random.chance(0.03)) {
        const auto length = random.between(1, 40);
        ledger->on_status(now, random.chance(0.5) ? 429 : 418, std::to_string(length));
        banned_until = std::max(banned_until, second + static_cast<double>(length));
      }
      const Grant grant =
          random.chance(0.5) ? ledger->may_connect(now) : ledger->may_request(now, "weight", 1);
      // 10 ns for the doubles.
      if (second < banned_until - 1e-8) {
        ASSERT_EQ(grant.verdict, Verdict::banned) << i;
      } else if (second > banned_until + 1e-8) {
        ASSERT_NE(grant.verdict, Verdict::banned) << i;
      }
      granted += grant ? 1 : 0;
    }
    EXPECT_GT(granted, 100);
  }
}

TEST_F(LedgerFiles, RefusesOptionsThatCannotBeKept) {
  const auto refuses = [&](auto change) {
    HostLedgerOptions with = options();
    change(with);
    EXPECT_THROW(HostLedger{with}, core::Error);
  };
  for (const char* host : {"", "../x", "a/b", ".hidden", "a b"})
    refuses([&](auto& with) { with.host = host; });
  refuses([](auto& with) { with.host = std::string(201, 'a'); });
  refuses([](auto& with) { with.folder = ""; });
  refuses([](auto& with) { with.pools.resize(9, {"x", 10, ns_per_second, 90}); });
  refuses([](auto& with) { with.pools[0].name = "connect"; });
  refuses([](auto& with) { with.pools[1].name = "weight"; });
  refuses([](auto& with) { with.pools[0].name = std::string(24, 'n'); });
  refuses([](auto& with) { with.pools[0].limit = 0; });
  refuses([](auto& with) { with.pools[0].limit = 1; });  // nine tenths of 1 are none
  refuses([](auto& with) { with.pools[0].percent = 101; });
  refuses([](auto& with) { with.pools[0].percent = 0; });
  refuses([](auto& with) { with.pools[0].window_ns = 999'999; });
  refuses([](auto& with) { with.connects.limit = 0; });
  refuses([](auto& with) { with.ban_418_ns = 0; });
  refuses([](auto& with) { with.ban_403_ns = HostLedger::ban_ns_max + 1; });
  refuses([](auto& with) { with.folder = "/proc/no-such-folder"; });
}

}  // namespace
}  // namespace perp::feed
