#include "harness/ratio_reporter.hpp"

#include <fmt/format.h>

namespace perp::bench {
namespace {

/// Splits "layer/unit/who/rest" into who and "layer/unit/rest"; who is empty for other shapes of
/// names.
std::pair<std::string, std::string> split(const std::string& name) {
  const std::size_t unit = name.find('/');
  const std::size_t who = unit == std::string::npos ? unit : name.find('/', unit + 1);
  if (who == std::string::npos) return {{}, name};
  const std::size_t rest = name.find('/', who + 1);
  if (rest == std::string::npos) return {name.substr(who + 1), name.substr(0, who)};
  return {name.substr(who + 1, rest - who - 1), name.substr(0, who) + name.substr(rest)};
}

}  // namespace

void RatioReporter::ReportRuns(const std::vector<Run>& runs) {
  ConsoleReporter::ReportRuns(runs);
  for (const Run& run : runs) {
    const bool is_median = run.run_type == Run::RT_Aggregate && run.aggregate_name == "median";
    if (run.error_occurred || (run.run_type == Run::RT_Aggregate && !is_median)) continue;
    const auto [who, unit] = split(run.run_name.str());
    if (who.empty()) continue;
    const auto items = run.counters.find("items_per_second");
    const double seconds =
        run.GetAdjustedRealTime() / benchmark::GetTimeUnitMultiplier(run.time_unit);
    const double speed = items != run.counters.end() ? items->second.value : 1 / seconds;
    Figure& figure = figures_[unit][who];
    if (is_median || !figure.is_median) figure = {speed, is_median};
  }
}

void RatioReporter::Finalize() {
  ConsoleReporter::Finalize();
  for (const auto& [unit, by_who] : figures_) {
    const auto ours = by_who.find("perp");
    if (ours == by_who.end() || by_who.size() < 2) continue;
    GetOutputStream() << fmt::format("\n{}: perp {:.1f} M/s", unit, ours->second.speed / 1e6);
    for (const auto& [who, figure] : by_who) {
      if (who == "perp") continue;
      GetOutputStream() << fmt::format("; {} {:.1f} M/s = {:.2f}x", who, figure.speed / 1e6,
                                       ours->second.speed / figure.speed);
    }
  }
  GetOutputStream() << '\n';
}

}  // namespace perp::bench
