#include "harness/contest.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace perp::bench {
namespace {

/// Keeps the runs that Google Benchmark reports; prints nothing.
class Collector : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.error_occurred) error = run.error_message;
      if (run.run_type != Run::RT_Iteration || run.error_occurred) continue;
      bench::Run kept;
      for (const auto& [name, counter] : run.counters) kept.counters[name] = counter.value;
      const auto items = run.counters.find("items_per_second");
      const double seconds =
          run.GetAdjustedRealTime() / benchmark::GetTimeUnitMultiplier(run.time_unit);
      kept.speed = items != run.counters.end() ? items->second.value : 1 / seconds;
      kept.seconds = 1 / kept.speed;
      result = kept;
    }
  }

  std::optional<bench::Run> result;
  std::string error;
};

std::string exactly(const std::string& name) {
  std::string pattern = "^";
  for (const char c : name) {
    if (std::string_view(".*+?()[]{}|\\^$").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern + "$";
}

/// Nothing, and why, where the benchmark skipped itself.
std::optional<Run> run_once(const Name& name, std::string& why) {
  unpin();
  Collector collector;
  std::ostringstream silent;
  collector.SetOutputStream(&silent);
  collector.SetErrorStream(&silent);
  benchmark::RunSpecifiedBenchmarks(&collector, exactly(name.full));
  why = collector.error;
  if (why.empty() && !collector.result.has_value())
    throw std::runtime_error(name.full + " reported nothing");
  return collector.result;
}

/// The least of a step that this program has seen: what the machine gives when nobody takes of it.
double best_spin_ns = std::numeric_limits<double>::infinity();

Given look() {
  const Given given = what_is_given();
  best_spin_ns = std::min(best_spin_ns, given.spin_ns);
  return given;
}

/// What a round leaves to the kernel and a server (pages to write, a database to drop) is over by
/// then; a machine that others slow down is still slow.
constexpr std::chrono::seconds settling{5};

Given look_when_quiet(std::chrono::seconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  Given given = look();
  while (given.spin_ns > best_spin_ns * spin_band && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    given = look();
  }
  return given;
}

double middle_ping_pong(const std::vector<Round>& rounds) {
  std::vector<double> all;
  for (const Round& round : rounds) {
    all.push_back(round.before.ping_pong_ns);
    all.push_back(round.after.ping_pong_ns);
  }
  return median(all);
}

bool is_in_band(const Given& given, double middle_ns) {
  return given.ping_pong_ns <= middle_ns * ping_pong_band &&
         given.ping_pong_ns >= middle_ns / ping_pong_band &&
         given.spin_ns <= best_spin_ns * spin_band;
}

bool counts(const Round& round, double middle_ns) {
  return is_in_band(round.before, middle_ns) && is_in_band(round.after, middle_ns);
}

/// Index of the set that `at` belongs to, with the path shortened on the way.
std::size_t root_of(std::vector<std::size_t>& parents, std::size_t at) {
  while (parents[at] != at) at = parents[at] = parents[parents[at]];
  return at;
}

}  // namespace

std::optional<double> Run::figure(const std::string& counter) const {
  if (counter.empty()) return speed;
  const auto found = counters.find(counter);
  if (found == counters.end()) return std::nullopt;
  return found->second;
}

Name::Name(std::string listed) : full(std::move(listed)), plain(full) {
  for (const char* tail : {"/real_time", "/process_time", "/manual_time"}) {
    if (const auto at = plain.find(tail); at != std::string::npos)
      plain.erase(at, std::string_view(tail).size());
  }
  for (const char* option : {"/iterations:", "/min_time:", "/repeats:", "/threads:"}) {
    const auto at = plain.find(option);
    if (at != std::string::npos) plain.erase(at, plain.find('/', at + 1) - at);
  }
  contest = plain;
  const std::size_t unit = plain.find('/');
  const std::size_t begin = unit == std::string::npos ? unit : plain.find('/', unit + 1);
  if (begin == std::string::npos) return;
  const std::size_t end = std::min(plain.find('/', begin + 1), plain.size());
  who = plain.substr(begin + 1, end - begin - 1);
  contest = plain.substr(0, begin + 1) + "*" + plain.substr(end);
}

double median(std::vector<double> values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 != 0) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

std::vector<Group> make_groups(const std::vector<std::string>& listed, int default_rounds) {
  std::vector<Name> names;
  for (const std::string& one : listed) names.emplace_back(one);
  std::map<std::string, std::size_t> contests;  // -> index, in order of appearance
  std::map<std::string, std::string> contest_of;
  for (const Name& name : names) {
    contests.try_emplace(name.contest, contests.size());
    contest_of[name.plain] = name.contest;
  }
  std::vector<std::size_t> parents(contests.size());
  std::iota(parents.begin(), parents.end(), std::size_t{0});
  std::set<std::string> with_goal;
  for (const Goal& goal : declared_goals()) {
    const auto ours = contest_of.find(goal.ours());
    if (ours == contest_of.end()) continue;
    with_goal.insert(ours->second);
    for (const std::string& peer : goal.peers) {
      const auto theirs = contest_of.find(goal.peer_name(peer));
      if (theirs == contest_of.end()) continue;
      with_goal.insert(theirs->second);
      parents[root_of(parents, contests[theirs->second])] =
          root_of(parents, contests[ours->second]);
    }
  }
  std::map<std::size_t, std::size_t> group_of_root;
  std::vector<Group> groups;
  for (const Name& name : names) {
    const std::size_t root = root_of(parents, contests[name.contest]);
    const auto [place, is_new] = group_of_root.try_emplace(root, groups.size());
    if (is_new) groups.emplace_back();
    Group& group = groups[place->second];
    group.benchmarks.push_back(name);
    int count = with_goal.contains(name.contest) ? default_rounds : (default_rounds + 2) / 3;
    for (const Rounds& own : declared_rounds()) {
      if (own.pattern == name.contest) count = std::min(own.count, default_rounds);
    }
    group.round_count = std::max(group.round_count, count);
  }
  return groups;
}

GroupResult run_group(const Group& group, std::chrono::seconds patience) {
  const auto wanted = static_cast<std::size_t>(group.round_count);
  GroupResult result{group.benchmarks, {}, {}, 0, true};
  std::vector<Round> rounds;
  std::size_t good = 0;
  // The first round warms caches, checks answers and is thrown away, unless it is to be the only.
  bool is_warm = wanted < 3;
  // Nor are so few run again: each may take as long as somebody wanted to wait in all.
  const std::size_t most = wanted < 3 ? wanted : 2 * wanted + 3;
  while (good < wanted && rounds.size() < most) {
    Round round;
    round.before = look_when_quiet(patience);
    for (std::size_t i = 0; i < group.benchmarks.size(); ++i) {
      const Name& name = group.benchmarks[(i + rounds.size()) % group.benchmarks.size()];
      if (result.skipped.contains(name.plain)) continue;
      std::string why;
      if (const auto run = run_once(name, why)) round.runs[name.plain] = *run;
      if (!why.empty()) result.skipped[name.plain] = why;
    }
    round.after = look_when_quiet(settling);
    if (!std::exchange(is_warm, true)) continue;
    rounds.push_back(std::move(round));
    const double middle = middle_ping_pong(rounds);
    good = static_cast<std::size_t>(std::count_if(
        rounds.begin(), rounds.end(), [&](const Round& one) { return counts(one, middle); }));
  }
  const double middle = middle_ping_pong(rounds);
  result.is_in_band = good != 0;
  for (Round& round : rounds) {
    if (!result.is_in_band || counts(round, middle))
      result.rounds.push_back(std::move(round));
    else
      ++result.discarded_count;
  }
  return result;
}

Verdict judge(const Goal& goal, const GroupResult& result) {
  Verdict verdict{goal, std::nullopt, "", false};
  std::vector<double> ratios;
  std::map<std::string, int> decided;
  const bool less_is_better = goal.kind == Goal::Kind::at_most;
  for (const Round& round : result.rounds) {
    const auto ours = round.runs.find(goal.ours());
    if (ours == round.runs.end()) return verdict;
    std::optional<double> best;
    std::string who;
    for (const std::string& peer : goal.peers) {
      const auto run = round.runs.find(goal.peer_name(peer));
      // Of several peers those that are there count; that one is missing is seen in the table.
      if (run == round.runs.end()) continue;
      const std::optional<double> figure = run->second.figure(goal.counter);
      if (!figure.has_value()) continue;
      if (!best.has_value() || (less_is_better ? *figure < *best : *figure > *best)) {
        best = figure;
        who = peer;
      }
    }
    const std::optional<double> mine = ours->second.figure(goal.counter);
    if (goal.peers.empty() && mine.has_value()) {
      ++decided["itself"];
      ratios.push_back(*mine);
      continue;
    }
    if (!best.has_value() || !mine.has_value()) return verdict;
    ++decided[who];
    ratios.push_back(goal.kind == Goal::Kind::at_most_more_ns ? 1e9 / *mine - 1e9 / *best
                                                              : *mine / *best);
  }
  if (ratios.empty()) return verdict;
  verdict.ratio = median(ratios);
  verdict.best_peer = std::max_element(decided.begin(), decided.end(), [](auto& a, auto& b) {
                        return a.second < b.second;
                      })->first;
  verdict.is_reached = goal.kind == Goal::Kind::at_least ? *verdict.ratio >= goal.limit
                                                         : *verdict.ratio <= goal.limit;
  return verdict;
}

}  // namespace perp::bench
