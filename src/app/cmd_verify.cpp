// perp verify: whether a warehouse holds exactly what a journal says.
#include "app/commands.hpp"
#include "app/output.hpp"

#include <perp/core/printable.hpp>
#include <perp/core/time.hpp>
#include <perp/warehouse/verify.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

namespace perp::app {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string folder;
  std::string from;
  std::string to;
  std::string by = "day";
  std::vector<std::string> tables;
  std::size_t keys = 5;
  bool all = false;
};

std::string state_of(const warehouse::VerifiedRange& range) {
  if (range.is_expired) return "expired";
  return range.is_equal() ? "equal" : "DIFFERENT";
}

std::string sentence(const warehouse::Difference& difference) {
  std::string out =
      fmt::format("{} {}", warehouse::to_string(difference.kind), core::printable(difference.key));
  if (difference.kind == warehouse::DifferenceKind::different)
    out += fmt::format(": {} is {} in the journal, {} in the database", difference.column,
                       core::printable(difference.journal), core::printable(difference.database));
  return out;
}

Json json_of(const warehouse::VerifiedSide& side) {
  return {{"rows", side.rows}, {"hash", side.hash.text()}};
}

void print_json(const warehouse::VerifyReport& report) {
  Json out{{"equal", report.is_equal()},
           {"journal", report.journal},
           {"journal_end", report.journal_end},
           {"cursors", report.cursors},
           {"keys_pending", report.keys_pending},
           {"keys_refused", report.keys_refused},
           {"records_refused", report.records_refused},
           {"records_not_primary", report.records_not_primary},
           {"journal_damages", report.journal_damages},
           {"other_journals", report.other_journals}};
  auto ranges = Json::array();
  for (const warehouse::VerifiedRange& range : report.ranges) {
    auto differences = Json::array();
    for (const warehouse::Difference& difference : range.differences) {
      Json one{{"kind", warehouse::to_string(difference.kind)}, {"key", difference.key}};
      if (difference.kind == warehouse::DifferenceKind::different) {
        one["column"] = difference.column;
        one["journal"] = difference.journal;
        one["database"] = difference.database;
      }
      differences.push_back(std::move(one));
    }
    ranges.push_back({{"table", range.table},
                      {"from", range.from_ms},
                      {"state", state_of(range)},
                      {"journal", json_of(range.journal)},
                      {"database", json_of(range.database)},
                      {"differing_keys", range.differing_keys},
                      {"differences", std::move(differences)}});
  }
  out["ranges"] = std::move(ranges);
  std::puts(out.dump(1).c_str());
}

void print_table(const warehouse::VerifyReport& report, bool all) {
  Table table({"table", "from", "journal rows", "database rows", "hash of the journal's", "state"});
  std::uint64_t rows = 0;
  std::size_t different = 0;
  for (const warehouse::VerifiedRange& range : report.ranges) {
    rows += range.database.rows;
    different += range.is_equal() ? 0u : 1u;
    if (all || !range.is_equal())
      table.row({range.table, time_text(range.from_ms * core::ns_per_ms),
                 grouped(range.journal.rows), grouped(range.database.rows),
                 range.journal.hash.text(), state_of(range)});
  }
  if (!table.empty()) std::fputs(table.text().c_str(), stdout);
  for (const warehouse::VerifiedRange& range : report.ranges) {
    if (range.is_equal()) continue;
    std::printf("%s from %s: %s keys differ\n", range.table.c_str(),
                time_text(range.from_ms * core::ns_per_ms).c_str(),
                grouped(range.differing_keys).c_str());
    for (const warehouse::Difference& difference : range.differences)
      std::printf("  %s\n", sentence(difference).c_str());
  }
  std::string cursors;
  for (journal::Position cursor : report.cursors) cursors += fmt::format(" {}", cursor);
  std::printf("journal %s up to position %llu; loaded up to%s\n", report.journal.c_str(),
              static_cast<unsigned long long>(report.journal_end),
              cursors.empty() ? " nothing: it was never loaded here" : cursors.c_str());
  std::printf(
      "not compared: %s keys not loaded yet, %s refused by the server; refused records %s\n",
      grouped(report.keys_pending).c_str(), grouped(report.keys_refused).c_str(),
      grouped(report.records_refused).c_str());
  if (report.journal_damages != 0)
    std::printf("the journal is damaged in %s places\n", grouped(report.journal_damages).c_str());
  if (report.other_journals != 0)
    std::printf("%s other journals were loaded into this database: their rows are extra here\n",
                grouped(report.other_journals).c_str());
  if (report.is_equal())
    std::printf("equal: %s rows in %zu ranges\n", grouped(rows).c_str(), report.ranges.size());
  else
    std::printf("DIFFERENT: %zu of %zu ranges\n", different, report.ranges.size());
}

}  // namespace

void add_verify(CLI::App& app, Context& context) {
  auto* verify = app.add_subcommand(
      "verify", "Prove that the warehouse holds exactly what a journal says, or say where not.");
  auto arguments = std::make_shared<Arguments>();
  verify->footer(
      "Exit code 0: equal. 1: different, or it could not be told.\n"
      "Examples:\n"
      "  perp verify --journal /var/lib/perp/journal\n"
      "  perp verify --journal journal --from 2026-11-01 --to 2026-11-02 --by hour --all");
  add_dsn(*verify, context, true);
  add_format(*verify, context, {"table", "json"});
  verify->add_option("--journal", arguments->folder, "Folder of the journal")
      ->required()
      ->check(CLI::ExistingDirectory);
  constexpr const char* times = "UTC: 2026-11-01, 2026-11-01T12:30, epoch seconds or milliseconds";
  verify->add_option("--from", arguments->from, std::string("First time, ") + times);
  verify->add_option("--to", arguments->to, std::string("Last time (not included), ") + times);
  verify->add_option("--by", arguments->by, "One hash for each hour or day")
      ->check(CLI::IsMember({"hour", "day"}))
      ->capture_default_str();
  verify
      ->add_option("--tables", arguments->tables,
                   "Default: perp_data, perp_metrics and the tables of facts that are loaded by "
                   "default")
      ->delimiter(',');
  verify->add_option("--keys", arguments->keys, "How many differing keys of a range are named")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  verify->add_flag("--all", arguments->all, "Also list the ranges that are equal");
  verify->callback([&context, arguments] {
    warehouse::VerifyOptions options;
    options.dsn = context.dsn;
    options.journal_folder = arguments->folder;
    if (!arguments->from.empty()) options.from_ms = parse_time_ms(arguments->from, "--from");
    if (!arguments->to.empty()) options.to_ms = parse_time_ms(arguments->to, "--to");
    options.range_ms = arguments->by == "hour" ? 3'600'000 : 86'400'000;
    options.tables = arguments->tables;
    options.keys_per_range = arguments->keys;
    const warehouse::VerifyReport report = warehouse::verify(options);
    if (context.format == "json")
      print_json(report);
    else
      print_table(report, arguments->all);
    if (!report.is_equal()) context.exit_code = exit_failure;
  });
}

}  // namespace perp::app
