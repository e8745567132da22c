// Goal: connections that a host refused for minutes or hours are back within seconds of its return,
// and meanwhile dial no more than a scout and its back-offs may. Method: each rule by hand; outages
// over a simulated clock, dials that fail at once, beside the same without a scout.
#include "feed/host_scout.hpp"

#include <perp/core/prng.hpp>
#include <perp/feed/backoff.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace perp::feed {
namespace {

using core::ns_per_second;

TEST(HostScout, IsTheFirstThatWaitsUntilTheHostIsBackOrItLeaves) {
  HostScout scout;
  EXPECT_TRUE(scout.appoint(7));
  EXPECT_FALSE(scout.appoint(3));
  EXPECT_TRUE(scout.appoint(7)) << "it stays the scout as it fails again";
  scout.leave(3);
  EXPECT_FALSE(scout.appoint(3)) << "who is none cannot leave";
  scout.leave(7);
  EXPECT_TRUE(scout.appoint(3));
  scout.on_back({5});
  EXPECT_TRUE(scout.appoint(9));
}

TEST(HostScout, TellsWhoWaitedBeforeAndNobodyElse) {
  HostScout scout;
  EXPECT_FALSE(scout.is_back_since({0}));
  scout.on_back({5 * ns_per_second});
  EXPECT_TRUE(scout.is_back_since({4 * ns_per_second}));
  EXPECT_FALSE(scout.is_back_since({5 * ns_per_second}));
  EXPECT_FALSE(scout.is_back_since({6 * ns_per_second}));
}

struct Outage {
  std::vector<double> recoveries_s;  ///< of each connection, from the heal
  int dials = 0;                     ///< while it lasted
};

/// Connections that are cut at once and refused for `length_s`; looked after each 100 ms, as a feed
/// does. A dial takes no time.
Outage outage(std::uint64_t seed, std::uint32_t connections, std::int64_t length_s, bool scouts) {
  struct Waiting {
    Backoff backoff;
    std::int64_t until_ns = 0;
    std::int64_t from_ns = 0;
    bool is_back = false;
  };
  core::Prng random(seed);
  HostScout scout;
  std::vector<Waiting> all;
  Outage result;
  const auto lose = [&](std::uint32_t i, std::int64_t now) {
    all[i].from_ns = now;
    all[i].until_ns = now + all[i].backoff.on_lost(scouts && scout.appoint(i + 1));
  };
  for (std::uint32_t i = 0; i < connections; ++i) {
    all.push_back({.backoff = Backoff({}, random.split())});
    lose(i, 0);
  }
  const std::int64_t heal_ns = length_s * ns_per_second;
  for (std::int64_t now = 0; result.recoveries_s.size() < connections; now += ns_per_second / 10)
    for (std::uint32_t i = 0; i < connections; ++i) {
      Waiting& one = all[i];
      if (one.is_back) continue;
      if (scouts && scout.is_back_since({one.from_ns})) {
        one.from_ns = now;
        one.until_ns = std::min(one.until_ns, now + one.backoff.on_host_back());
      }
      if (now < one.until_ns) continue;
      if (now < heal_ns) {
        ++result.dials;
        lose(i, now);
        continue;
      }
      one.is_back = true;
      scout.on_back({now});
      result.recoveries_s.push_back(static_cast<double>(now - heal_ns) / 1e9);
    }
  return result;
}

double p99(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[(values.size() * 99 + 99) / 100 - 1];
}

TEST(HostScout, AHealIsNoticedInFiveSecondsHoweverLongTheOutageWas) {
  for (const std::int64_t length_s : {10, 60, 600, 3600}) {
    std::vector<double> with, without;
    double dials = 0;
    constexpr int seeds = 200;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      const Outage outcome = outage(seed, 6, length_s, true);
      with.insert(with.end(), outcome.recoveries_s.begin(), outcome.recoveries_s.end());
      dials += outcome.dials;
      const Outage lonely = outage(seed, 6, length_s, false);
      without.insert(without.end(), lonely.recoveries_s.begin(), lonely.recoveries_s.end());
    }
    EXPECT_LE(p99(with), 5.0) << length_s;
    if (length_s >= 60) {
      EXPECT_GT(p99(without), 20.0) << "what the scout is for: " << length_s;
    }
    // One in 2 s on average by the scout, one in 30 s by each other, and the doubling at the begin.
    const double expected = static_cast<double>(length_s) * (1 / 2.0 + 5 / 30.0) + 6 * 7;
    EXPECT_LE(dials / seeds, expected) << length_s;
  }
}

}  // namespace
}  // namespace perp::feed
