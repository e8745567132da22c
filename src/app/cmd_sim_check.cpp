#include "app/cmd_sim.hpp"
#include "app/minute_check.hpp"
#include "app/output.hpp"

#include <perp/sim/check.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>
#include <optional>

namespace perp::app {
namespace {

using Json = nlohmann::ordered_json;

std::string_view name_of_fault(sim::FaultKind kind) {
  return kind == sim::FaultKind::random ? "all" : sim::name_of(kind);
}
std::string seconds(std::int64_t ns) {
  return fmt::format("{:.2f}", static_cast<double>(ns) / 1e9);
}

void print(const sim::CheckReport& report, const MinuteCheck* minutes, const std::string& format,
           int exit_code) {
  if (format == "json") {
    Json json{{"sound", report.is_sound()},
              {"whole", report.is_whole()},
              {"exit_code", exit_code},
              {"gap_records", report.gap_records}};
    json["rows"] = Json::array();
    for (const sim::CheckCounts& row : report.rows)
      json["rows"].push_back({{"venue", market::find_venue(row.venue)->key},
                              {"kind", sim::name_of(row.kind)},
                              {"sent", row.sent},
                              {"stored", row.stored},
                              {"filled", row.filled},
                              {"told", row.told},
                              {"removed", row.removed},
                              {"under_way", row.under_way},
                              {"lost", row.lost},
                              {"doubled", row.doubled},
                              {"altered", row.altered},
                              {"reordered", row.reordered},
                              {"unknown", row.unknown}});
    json["examples"] = report.examples;
    json["recoveries"] = Json::array();
    for (const sim::RecoveryTimes& times : report.recoveries)
      json["recoveries"].push_back({{"fault", name_of_fault(times.kind)},
                                    {"count", times.count},
                                    {"p50_ns", times.p50_ns},
                                    {"p99_ns", times.p99_ns},
                                    {"max_ns", times.max_ns}});
    if (minutes != nullptr)
      json["minutes"] = {{"minutes", minutes->minutes},
                         {"compared", minutes->compared},
                         {"without_row", minutes->without},
                         {"different", minutes->different},
                         {"examples", minutes->examples}};
    std::puts(json.dump(1).c_str());
    return;
  }
  Table table({"venue", "kind", "sent", "stored", "filled", "told", "removed", "under way", "lost",
               "doubled", "altered", "reordered", "unknown"});
  for (const sim::CheckCounts& row : report.rows)
    table.row({std::string(market::find_venue(row.venue)->key), std::string(sim::name_of(row.kind)),
               grouped(row.sent), grouped(row.stored), grouped(row.filled), grouped(row.told),
               grouped(row.removed), grouped(row.under_way), grouped(row.lost),
               grouped(row.doubled), grouped(row.altered), grouped(row.reordered),
               grouped(row.unknown)});
  std::fputs(table.text().c_str(), stdout);
  for (const std::string& example : report.examples) std::printf("%s\n", example.c_str());
  if (!report.recoveries.empty()) {
    Table recoveries({"from heal to data", "count", "p50 s", "p99 s", "max s"});
    for (const sim::RecoveryTimes& times : report.recoveries)
      recoveries.row({std::string(name_of_fault(times.kind)), grouped(times.count),
                      seconds(times.p50_ns), seconds(times.p99_ns), seconds(times.max_ns)});
    std::fputs(recoveries.text().c_str(), stdout);
  }
  if (minutes != nullptr) {
    std::printf("%s minutes: %s values compared, %s different, %s minutes without a row\n",
                grouped(minutes->minutes).c_str(), grouped(minutes->compared).c_str(),
                grouped(minutes->different).c_str(), grouped(minutes->without).c_str());
    for (const std::string& example : minutes->examples) std::printf("%s\n", example.c_str());
  }
  std::printf("%s\n", exit_code == exit_ok        ? "everything that was sent is there, once"
                      : exit_code == exit_partial ? "nothing was lost silently; holes are told"
                                                  : "NOT SOUND");
}

}  // namespace

void add_sim_check(CLI::App& sim, Context& context) {
  auto* check =
      sim.add_subcommand("check", "Compare what simulated venues sent with what a journal holds.");
  auto options = std::make_shared<sim::CheckOptions>();
  check->add_option("--truth", options->truth_folder, "Folder that `perp sim serve --truth` wrote")
      ->required();
  check->add_option("--journal", options->journal_folder, "The journal's folder")->required();
  check->add_option("--removed", options->removed_file, "Log of `perp sim faults`");
  auto dsn = std::make_shared<std::string>();
  check->add_option("--db", *dsn, "Compare the minutes of this database with truth.csv as well");
  add_format(*check, context, {"table", "json"});
  check->footer(
      "Ends with 0 if everything is there once, with 3 if something is missing that gap records\n"
      "tell of, with 1 if anything was lost silently, doubled, altered, reordered or made up.\n\n"
      "Example:\n  perp sim check --truth var/truth --journal var/journal");
  check->callback([options, dsn, &context] {
    const sim::CheckReport report = sim::check(*options);
    std::optional<MinuteCheck> minutes;
    if (!dsn->empty()) minutes = check_minutes(options->truth_folder + "/truth.csv", *dsn);
    const bool is_sound = report.is_sound() && (!minutes || minutes->different == 0);
    context.exit_code = !is_sound ? exit_failure : report.is_whole() ? exit_ok : exit_partial;
    print(report, minutes ? &*minutes : nullptr, context.format, context.exit_code);
  });
}

}  // namespace perp::app
