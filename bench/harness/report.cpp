#include "harness/report.hpp"

#include "harness/machine.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>
#include <set>
#include <stdexcept>

namespace perp::bench {
namespace {

using nlohmann::json;

std::string in_units(double speed) {
  if (speed >= 1e9) return fmt::format("{:.2f} G/s", speed / 1e9);
  if (speed >= 1e6) return fmt::format("{:.2f} M/s", speed / 1e6);
  if (speed >= 1e3) return fmt::format("{:.2f} k/s", speed / 1e3);
  return fmt::format("{:.3f} /s", speed);
}

std::string time_of(double seconds) {
  if (seconds < 1e-6) return fmt::format("{:.2f} ns", seconds * 1e9);
  if (seconds < 1e-3) return fmt::format("{:.2f} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.3f} s", seconds);
}

std::vector<double> figures(const GroupResult& result, const std::string& benchmark,
                            const std::string& counter) {
  std::vector<double> values;
  for (const Round& round : result.rounds) {
    const auto run = round.runs.find(benchmark);
    if (run == round.runs.end()) continue;
    if (const auto value = run->second.figure(counter)) values.push_back(*value);
  }
  return values;
}

/// Median of ours / theirs within each round.
double ratio_of(const GroupResult& result, const std::string& ours, const std::string& theirs) {
  std::vector<double> ratios;
  for (const Round& round : result.rounds) {
    const auto mine = round.runs.find(ours);
    const auto other = round.runs.find(theirs);
    if (mine != round.runs.end() && other != round.runs.end())
      ratios.push_back(mine->second.speed / other->second.speed);
  }
  return median(ratios);
}

std::string sign_of(const Goal& goal) { return goal.kind == Goal::Kind::at_least ? ">=" : "<="; }

std::string goal_name(const Goal& goal) {
  std::string peers;
  for (const std::string& peer : goal.peers) peers += (peers.empty() ? " vs " : "|") + peer;
  std::string name = goal.ours() + peers;
  if (!goal.counter.empty()) name += " (" + goal.counter + ")";
  if (goal.kind == Goal::Kind::at_most_more_ns) name += " (ns more)";
  return name;
}

void print_verdict(const Verdict& verdict) {
  const Goal& goal = verdict.goal;
  const std::string what = goal.counter.empty() ? "speed" : goal.counter;
  if (goal.peers.empty() && verdict.ratio.has_value()) {
    fmt::print("    {}  {} {:.4g}, goal {} {:.4g}\n", verdict.is_reached ? "ok  " : "MISS", what,
               *verdict.ratio, sign_of(goal), goal.limit);
    return;
  }
  const char* unit = goal.kind == Goal::Kind::at_most_more_ns ? " ns" : "x";
  if (!verdict.ratio.has_value()) {
    fmt::print("    not run: goal {} {} {:.4g}{}\n", goal_name(goal), sign_of(goal), goal.limit,
               unit);
    return;
  }
  fmt::print("    {}  {} {:.3f}{} of {}, goal {} {:.4g}{}\n", verdict.is_reached ? "ok  " : "MISS",
             what, *verdict.ratio, unit, verdict.best_peer, sign_of(goal), goal.limit, unit);
}

}  // namespace

void print_machine(const std::string& area) {
  fmt::print("\n== {}\n", area);
  for (const auto& [what, value] : machine_facts()) fmt::print("   {:<10} {}\n", what, value);
}

void print_group(const GroupResult& result, const std::vector<Verdict>& verdicts) {
  std::vector<std::string> contests;
  std::set<std::string> seen;
  for (const Name& name : result.benchmarks) {
    if (seen.insert(name.contest).second) contests.push_back(name.contest);
  }
  std::vector<double> ping_pong;
  std::vector<double> spin;
  for (const Round& round : result.rounds) {
    for (const Given& given : {round.before, round.after}) {
      ping_pong.push_back(given.ping_pong_ns);
      spin.push_back(given.spin_ns);
    }
  }
  for (const std::string& contest : contests) {
    fmt::print("\n  {}   {} rounds", contest, result.rounds.size());
    if (!result.is_in_band) fmt::print(", NONE in the band of ping-pong and speed");
    if (result.discarded_count != 0) fmt::print(", {} discarded", result.discarded_count);
    fmt::print(", ping-pong {:.0f} ns, a step of the slowest processor {:.2f} ns\n",
               median(ping_pong), median(spin));
    std::string ours;
    for (const Name& name : result.benchmarks) {
      if (name.contest == contest && name.who == "perp") ours = name.plain;
    }
    for (const Name& name : result.benchmarks) {
      if (name.contest != contest) continue;
      const std::string label = name.who.empty() ? name.plain : name.who;
      if (const auto why = result.skipped.find(name.plain); why != result.skipped.end()) {
        fmt::print("    {:<22} not run: {}\n", label, why->second);
        continue;
      }
      const double speed = median(figures(result, name.plain, ""));
      std::string line =
          fmt::format("    {:<22} {:>12} {:>12}", name.who.empty() ? name.plain : name.who,
                      in_units(speed), time_of(1 / speed));
      if (!ours.empty() && name.plain != ours && !result.skipped.contains(ours))
        line += fmt::format("   perp is {:.2f}x", ratio_of(result, ours, name.plain));
      const auto& counters = result.rounds.front().runs.at(name.plain).counters;
      for (const auto& [counter, first] : counters) {
        if (counter == "items_per_second") continue;
        const double value = median(figures(result, name.plain, counter));
        line += counter == "bytes_per_second" ? fmt::format("   {:.2f} GB/s", value / 1e9)
                                              : fmt::format("   {}={:.4g}", counter, value);
      }
      fmt::print("{}\n", line);
    }
    for (const Verdict& verdict : verdicts) {
      if (Name(verdict.goal.ours()).contest == contest) print_verdict(verdict);
    }
  }
  std::fflush(stdout);
}

void write_json(const std::string& path, const std::string& area,
                const std::vector<GroupResult>& results, const std::vector<Verdict>& verdicts) {
  json document = json::object();
  if (std::ifstream old(path); old) {
    try {
      document = json::parse(old);
    } catch (const json::exception& error) {
      throw std::runtime_error(path + " is not JSON, remove it: " + error.what());
    }
  }
  json& machine = document["machine"];
  for (const auto& [what, value] : machine_facts()) machine[what] = value;
  json goals = json::array();
  for (json& goal : document["goals"]) {
    if (goal["area"] != area) goals.push_back(goal);
  }
  for (const Verdict& verdict : verdicts) {
    json goal = {{"name", goal_name(verdict.goal)},
                 {"goal", verdict.goal.limit},
                 {"is", sign_of(verdict.goal)},
                 {"ok", verdict.is_reached},
                 {"area", area}};
    goal["ratio"] = verdict.ratio.has_value() ? json(*verdict.ratio) : json();
    goal["peer"] = verdict.best_peer;
    goals.push_back(goal);
  }
  document["goals"] = goals;
  json contests = json::array();
  for (const GroupResult& result : results) {
    json rounds = json::array();
    for (const Round& round : result.rounds) {
      json runs = json::object();
      for (const auto& [name, run] : round.runs) {
        json one = run.counters;
        one["speed"] = run.speed;
        runs[name] = one;
      }
      rounds.push_back({{"ping_pong_before_ns", round.before.ping_pong_ns},
                        {"ping_pong_after_ns", round.after.ping_pong_ns},
                        {"spin_before_ns", round.before.spin_ns},
                        {"spin_after_ns", round.after.spin_ns},
                        {"runs", runs}});
    }
    contests.push_back({{"discarded", result.discarded_count},
                        {"in_band", result.is_in_band},
                        {"rounds", rounds}});
  }
  document["contests"][area] = contests;
  std::ofstream file(path, std::ios::trunc);
  file << document.dump(1) << '\n';
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

}  // namespace perp::bench
