#pragma once
// Benchmarks that differ in <who> alone are a contest; contests that goals connect are a group. A
// group is run in rounds: in each every benchmark once, in rotating order, with a look at what the
// machine gives before and after. A round in which that left the band is discarded and run again
// (up to as many again as were asked for, where that were three or more). What counts is the ratio
// within a round, so a machine whose speed drifts compares fairly.
#include "harness/goals.hpp"
#include "harness/machine.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace perp::bench {

/// One run of one benchmark.
struct Run {
  double seconds = 0;  ///< per item, or per run where the benchmark counts no items
  double speed = 0;    ///< items per second, or runs per second
  std::map<std::string, double> counters;

  /// "": speed. Nothing where the run has no such counter.
  std::optional<double> figure(const std::string& counter) const;
};

struct Round {
  Given before;
  Given after;
  std::map<std::string, Run> runs;  ///< by benchmark name
};

/// A benchmark's name, without what Google Benchmark puts behind it, in its parts.
struct Name {
  std::string full;     ///< as Google Benchmark lists it
  std::string plain;    ///< without /real_time, /iterations:1, ...
  std::string contest;  ///< plain with '*' for who
  std::string who;      ///< empty where the name has fewer than three parts

  explicit Name(std::string listed);
};

struct Group {
  std::vector<Name> benchmarks;
  int round_count = 0;
};

struct GroupResult {
  std::vector<Name> benchmarks;
  std::vector<Round> rounds;  ///< those that count; all of them where none was in the band
  std::map<std::string, std::string> skipped;  ///< benchmark -> why (SkipWithError)
  int discarded_count = 0;
  bool is_in_band = true;
};

/// How far a round's ping-pong may be from the median of its group, and how much slower than the
/// fastest that this program has seen a processor may be.
inline constexpr double ping_pong_band = 1.4;
inline constexpr double spin_band = 1.25;

/// @param default_rounds for contests with a goal; the others run a third of that.
std::vector<Group> make_groups(const std::vector<std::string>& listed, int default_rounds);
/// A benchmark that skips itself (what it needs is not here) is left out with its reason; one that
/// throws (its answer is wrong) ends the program.
/// @param patience how long, at most, a round may wait for processors that are slower than seen
/// @throws what a benchmark throws.
GroupResult run_group(const Group& group, std::chrono::seconds patience);

struct Verdict {
  Goal goal;
  std::optional<double> ratio;  ///< median over the rounds; nothing: not run
  std::string best_peer;        ///< the one that decided most rounds
  bool is_reached = false;
};
/// `goal` judged by the rounds of the group that it belongs to.
Verdict judge(const Goal& goal, const GroupResult& result);

double median(std::vector<double> values);

}  // namespace perp::bench
