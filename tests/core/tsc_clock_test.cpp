#include <perp/core/tsc_clock.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

namespace perp::core {
namespace {

// A machine of the test's own: true time moves a little at each look, the counter runs at `rate`
// ticks per ns.
struct Machine {
  double now_ns = 5e12;
  double ticks = 1e15;
  double rate = 2.5;
  double step_ns = 20;
  double wall_ahead_ns = 1.7e18;
};
Machine machine;

void pass(double ns) {
  machine.now_ns += ns;
  machine.ticks += ns * machine.rate;
}
std::uint64_t simulated_ticks() noexcept {
  pass(machine.step_ns);
  return static_cast<std::uint64_t>(machine.ticks);
}
std::int64_t simulated_mono() noexcept {
  pass(machine.step_ns);
  return static_cast<std::int64_t>(machine.now_ns);
}
std::int64_t simulated_wall() noexcept {
  pass(machine.step_ns);
  return static_cast<std::int64_t>(machine.now_ns) +
         static_cast<std::int64_t>(machine.wall_ahead_ns);
}
ClockSources simulated(bool is_invariant = true) {
  return {simulated_ticks, simulated_mono, simulated_wall, is_invariant};
}

class SimulatedTscClock : public ::testing::Test {
 protected:
  void SetUp() override { machine = Machine(); }
  // The clock's error at this moment, the reading's own step left out.
  static double error(TscClock& clock) {
    return static_cast<double>(clock.mono_now().ns) - machine.now_ns;
  }
};

TEST_F(SimulatedTscClock, FindsTheRateAndTheTime) {
  TscClock clock(simulated());
  EXPECT_TRUE(clock.is_tsc());
  EXPECT_EQ(clock.source(), "tsc");
  EXPECT_NEAR(clock.ns_per_tick(), 0.4, 0.4 * 1e-4);
  EXPECT_NEAR(error(clock), 0, 100);
  const double wall =
      static_cast<double>(clock.wall_now().ns - static_cast<std::int64_t>(machine.wall_ahead_ns));
  EXPECT_NEAR(wall, machine.now_ns, 300);
  EXPECT_NEAR(clock.ticks_to_ns(2'500'000), 1e6, 100);
}

TEST_F(SimulatedTscClock, FollowsADriftingCounterWithoutEverGoingBack) {
  TscClock clock(simulated());
  MonoNs last = clock.mono_now();
  for (int second = 0; second < 300; ++second) {
    machine.rate = 2.5 * (1 + 50e-6 * std::sin(second * 0.1));  // 50 ppm: a bad crystal
    for (int i = 0; i < 100; ++i) {
      pass(1e7);
      const MonoNs now = clock.mono_now();
      ASSERT_GE(now, last);
      last = now;
      ASSERT_NEAR(error(clock), 0, 250e3) << "second " << second;  // 50 ppm of some seconds of lag
    }
    const MonoNs before = clock.mono_now();
    clock.recalibrate();
    ASSERT_GE(clock.mono_now(), before);
  }
  EXPECT_TRUE(clock.is_tsc());
  EXPECT_EQ(clock.calibration_count(), 301u);
}

TEST_F(SimulatedTscClock, WorksOffAnErrorOfTheFirstRate) {
  TscClock clock(simulated());
  machine.rate = 2.5 * (1 + 100e-6);  // warmed up
  pass(1e9);
  EXPECT_NEAR(static_cast<double>(clock.recalibrate()), 100e3, 2e3);  // 100 us ahead
  for (int second = 0; second < 5; ++second) {
    pass(1e9);
    clock.recalibrate();
  }
  EXPECT_NEAR(error(clock), 0, 20e3);
}

TEST_F(SimulatedTscClock, RecalibratesWhenDue) {
  TscClock clock(simulated());
  clock.recalibrate_if_due();
  EXPECT_EQ(clock.calibration_count(), 1u);
  pass(1.1e9);
  clock.recalibrate_if_due();
  EXPECT_EQ(clock.calibration_count(), 2u);
}

TEST_F(SimulatedTscClock, WallTimeStepsWithTheSystemsButMonotonicTimeDoesNot) {
  TscClock clock(simulated());
  pass(1e9);
  const std::int64_t mono = clock.mono_now().ns;
  machine.wall_ahead_ns -= 3.6e12;  // somebody set the clock back an hour
  clock.recalibrate();
  EXPECT_GE(clock.mono_now().ns, mono);
  EXPECT_NEAR(
      static_cast<double>(clock.wall_now().ns - static_cast<std::int64_t>(machine.wall_ahead_ns)),
      machine.now_ns, 400e3);
}

TEST_F(SimulatedTscClock, FallsBackIfTheCounterIsNotInvariant) {
  TscClock clock(simulated(false));
  EXPECT_FALSE(clock.is_tsc());
  EXPECT_EQ(clock.source(), "system: TSC not invariant");
  EXPECT_NEAR(error(clock), 0, 100);
  EXPECT_EQ(clock.recalibrate(), 0);
  EXPECT_NEAR(
      static_cast<double>(clock.wall_now().ns - static_cast<std::int64_t>(machine.wall_ahead_ns)),
      machine.now_ns, 300);
}

TEST_F(SimulatedTscClock, FallsBackForGoodIfCalibrationsDisagreeAndStillNeverGoesBack) {
  for (const double factor : {0.5, 1.01, 1.5, 0.0, -1.0}) {
    machine = Machine();
    TscClock clock(simulated());
    pass(1e9);
    clock.recalibrate();
    ASSERT_TRUE(clock.is_tsc());
    const double rate = machine.rate;
    machine.rate = rate * factor;  // migrated to another host, stopped, reset
    pass(1e9);
    machine.rate = rate;
    const MonoNs before = clock.mono_now();
    clock.recalibrate();
    EXPECT_FALSE(clock.is_tsc()) << factor;
    EXPECT_EQ(clock.source(), "system: TSC calibrations disagree");
    EXPECT_GE(clock.mono_now(), before);
  }
}

TEST_F(SimulatedTscClock, ACounterThatStandsStillIsNotUsed) {
  machine.rate = 0;
  TscClock clock(simulated());
  EXPECT_FALSE(clock.is_tsc());
  EXPECT_NEAR(error(clock), 0, 100);
}

// The machine itself. Timings decide nothing here: readings are compared with readings around them.
TEST(TscClock, AgreesWithTheSystemsClocks) {
  TscClock clock;
  std::int64_t last = clock.mono_now().ns;
  for (int i = 0; i < 2000; ++i) {
    if (i % 100 == 0) clock.recalibrate();
    const std::int64_t before = mono_now().ns;
    const std::int64_t now = clock.mono_now().ns;
    const std::int64_t after = mono_now().ns;
    ASSERT_GE(now, last);
    last = now;
    ASSERT_GE(now, before - ns_per_ms);
    ASSERT_LE(now, after + ns_per_ms);
  }
  const std::int64_t before = wall_now().ns;
  const std::int64_t now = clock.wall_now().ns;
  EXPECT_GE(now, before - 10 * ns_per_ms);
  EXPECT_LE(now, wall_now().ns + 10 * ns_per_ms);
}

TEST(TscClock, InvarianceIsWhatTheKernelSees) {
  std::ifstream cpuinfo("/proc/cpuinfo");
  bool is_listed = false;
  for (std::string line; std::getline(cpuinfo, line);)
    if (line.starts_with("flags"))
      is_listed = is_listed || line.find(" nonstop_tsc") != std::string::npos;
#if defined(__x86_64__)
  if (!cpuinfo.is_open()) GTEST_SKIP() << "/proc/cpuinfo cannot be read here";
  EXPECT_EQ(has_invariant_tsc(), is_listed);
#else
  EXPECT_FALSE(has_invariant_tsc());
#endif
}

}  // namespace
}  // namespace perp::core
