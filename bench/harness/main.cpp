// The main of every benchmark program. Google Benchmark runs each benchmark; this runs them in
// rounds beside their peers and says how the goals stand.
//   perp_<area>_bench [--cpus 0,1] [--rounds 9] [--patience SECONDS] [--json FILE]
//                     [--benchmark_filter=REGEX] ...
// --patience: before a round, wait up to so long for processors that were faster before (a host
// shared with others); 0 without.
#include "harness/contest.hpp"
#include "harness/machine.hpp"
#include "harness/report.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

using namespace perp::bench;

struct Options {
  std::string cpus;
  std::string json;
  int rounds = 9;
  std::chrono::seconds patience{0};
  bool is_listing = false;
  std::vector<std::string> rest;  ///< Google Benchmark's
};

Options parse(int argc, char** argv) {
  Options options;
  options.rest.emplace_back(argv[0]);
  options.rest.emplace_back("--benchmark_min_time=0.05");
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    const auto value = [&](const std::string& name) -> std::string {
      if (word.size() > name.size()) return word.substr(name.size() + 1);
      if (++i == argc) throw std::runtime_error(name + " needs a value");
      return argv[i];
    };
    const auto is = [&](const std::string& name) {
      return word == name || word.starts_with(name + "=");
    };
    if (is("--cpus"))
      options.cpus = value("--cpus");
    else if (is("--json"))
      options.json = value("--json");
    else if (is("--rounds"))
      options.rounds = std::stoi(value("--rounds"));
    else if (is("--patience"))
      options.patience = std::chrono::seconds(std::stoi(value("--patience")));
    else
      options.rest.push_back(word);
    options.is_listing |= word == "--benchmark_list_tests" || word == "--benchmark_list_tests=true";
  }
  if (options.rounds < 1) throw std::runtime_error("--rounds takes a number from 1 on");
  return options;
}

void initialize(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  int argc = static_cast<int>(argv.size());
  benchmark::Initialize(&argc, argv.data());
  if (benchmark::ReportUnrecognizedArguments(argc, argv.data()))
    throw std::runtime_error("see --help");
}

/// The names of all benchmarks that the filter lets through.
std::vector<std::string> list(const std::vector<std::string>& words) {
  std::vector<std::string> listing = words;
  listing.emplace_back("--benchmark_list_tests=true");
  initialize(listing);
  std::ostringstream names;
  benchmark::ConsoleReporter reporter;
  reporter.SetOutputStream(&names);
  reporter.SetErrorStream(&names);
  benchmark::RunSpecifiedBenchmarks(&reporter);
  listing.back() = "--benchmark_list_tests=false";
  initialize(listing);
  std::vector<std::string> found;
  std::istringstream lines(names.str());
  for (std::string line; std::getline(lines, line);) {
    if (line.find('/') != std::string::npos) found.push_back(line);
  }
  return found;
}

/// Goals that a whole run cannot judge, because what they need (recordings, a database) is missing.
std::vector<Goal> goals_without_benchmark(const std::vector<std::string>& names) {
  std::vector<Goal> missing;
  if (const std::string filter = benchmark::GetBenchmarkFilter(); !filter.empty() && filter != ".")
    return missing;
  for (const Goal& goal : declared_goals()) {
    if (std::none_of(names.begin(), names.end(),
                     [&](const std::string& name) { return Name(name).plain == goal.ours(); }))
      missing.push_back(goal);
  }
  return missing;
}

int run(int argc, char** argv) {
  const Options options = parse(argc, argv);
  if (!options.cpus.empty()) use_processors(options.cpus);
  const std::vector<std::string> names = list(options.rest);
  if (options.is_listing) {
    for (const std::string& name : names) std::cout << name << '\n';
    return 0;
  }
  const std::string program = std::filesystem::path(argv[0]).filename().string();
  print_machine(program);
  std::vector<GroupResult> results;
  std::vector<Verdict> verdicts;
  for (const Group& group : make_groups(names, options.rounds)) {
    results.push_back(run_group(group, options.patience));
    const GroupResult& result = results.back();
    std::vector<Verdict> own;
    for (const Goal& goal : declared_goals()) {
      const bool is_here = std::any_of(result.benchmarks.begin(), result.benchmarks.end(),
                                       [&](const Name& name) { return name.plain == goal.ours(); });
      if (is_here) own.push_back(judge(goal, result));
    }
    print_group(result, own);
    verdicts.insert(verdicts.end(), own.begin(), own.end());
  }
  for (const Goal& goal : goals_without_benchmark(names)) {
    verdicts.push_back({goal, std::nullopt, "", false});
    std::cout << "  not run: " << goal.ours() << " is not here\n";
  }
  const auto reached = std::count_if(verdicts.begin(), verdicts.end(),
                                     [](const Verdict& verdict) { return verdict.is_reached; });
  std::cout << "\n  " << program << ": " << reached << " of " << verdicts.size()
            << " goals reached\n";
  if (!options.json.empty()) write_json(options.json, program, results, verdicts);
  benchmark::Shutdown();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << argv[0] << ": " << error.what() << '\n';
    return 1;
  }
}
