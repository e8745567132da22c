#include "app/commands.hpp"
#include "app/output.hpp"

#include <perp/core/error.hpp>
#include <perp/core/time.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/retention.hpp>

#include <charconv>
#include <cstdio>
#include <memory>

namespace perp::app {
namespace {

struct Arguments {
  std::string table;
  std::string older_than;
  bool is_dry_run = false;
};

/// "10d" or "10": days.
int parse_days(const std::string& text) {
  const std::string digits = text.ends_with('d') ? text.substr(0, text.size() - 1) : text;
  int days = 0;
  const char* const end = digits.data() + digits.size();
  if (digits.empty() || std::from_chars(digits.data(), end, days).ptr != end || days < 1)
    throw core::Error("bad age '" + text + "'", "--older-than", "expected days, for example 10d");
  return days;
}

}  // namespace

void add_prune(CLI::App& app, Context& context) {
  auto* prune = app.add_subcommand(
      "prune", "Drop whole partitions or chunks past their series' retention, now.");
  auto arguments = std::make_shared<Arguments>();
  prune->footer(
      "Examples:\n  perp prune --dry-run\n  perp prune --table perp_metrics --older-than 10d");
  add_dsn(*prune, context, true);
  prune->add_option("--table", arguments->table, "One series; all of them without this");
  prune->add_option("--older-than", arguments->older_than,
                    "Days, for example 10d, instead of each series' own retention");
  prune->add_flag("--dry-run", arguments->is_dry_run, "Only tell what would go");
  prune->callback([&context, arguments] {
    warehouse::PruneOptions options{.table = arguments->table, .is_dry_run = arguments->is_dry_run};
    if (!arguments->older_than.empty()) options.older_than_days = parse_days(arguments->older_than);
    warehouse::Connection connection(context.dsn, "perp prune");
    const warehouse::Backend backend = warehouse::require_schema(connection, "perp prune");
    const warehouse::PruneReport report =
        warehouse::prune(connection, backend, options, core::wall_now().ns / core::ns_per_ms);
    const char* verb = options.is_dry_run ? "would drop" : "dropped";
    for (const std::string& name : report.dropped) std::printf("%s %s\n", verb, name.c_str());
    std::printf("%s %zu partitions, %s rows of status and errors\n", verb, report.dropped.size(),
                grouped(static_cast<std::uint64_t>(report.log_rows)).c_str());
  });
}

}  // namespace perp::app
