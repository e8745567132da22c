// perp db versions: what runs of `perp backfill` stored, and whether it is still the same.
#include "app/cmd_db.hpp"
#include "app/commands.hpp"
#include "app/output.hpp"

#include <perp/warehouse/ingest_account.hpp>
#include <perp/warehouse/migrate.hpp>

#include <algorithm>
#include <cstdio>
#include <memory>

namespace perp::app {
namespace {

struct VersionsArguments {
  std::int64_t limit = 100;
  bool checks = false;
};

void show(Context& context, const VersionsArguments& arguments) {
  warehouse::Connection connection(context.dsn, "perp db versions");
  static_cast<void>(warehouse::require_schema(connection, "perp db versions"));
  if (!arguments.checks) {
    print(warehouse::query_data_versions(connection, arguments.limit), context.format);
    return;
  }
  connection.set_interrupt(context.stop, 0);
  const warehouse::QueryResult checked = warehouse::check_data_versions(connection);
  print(checked, context.format);
  const std::vector<std::int64_t>& same = checked.column("is_same").ints;
  const auto differ = std::count(same.begin(), same.end(), 0);
  std::fprintf(stderr, "%zu of %zu are the same\n", checked.rows - static_cast<std::size_t>(differ),
               checked.rows);
  if (differ != 0) context.exit_code = exit_failure;
}

}  // namespace

void add_db_versions(CLI::App& db, Context& context) {
  auto* command = db.add_subcommand(
      "versions", "What runs of `perp backfill` stored of each series: range, rows, SHA-256.");
  auto arguments = std::make_shared<VersionsArguments>();
  add_dsn(*command, context, true);
  add_format(*command, context, {"table", "json", "csv"});
  auto* limit = command->add_option("--limit", arguments->limit, "The newest so many")
                    ->capture_default_str()
                    ->check(CLI::Range(1, 1'000'000));
  command
      ->add_flag(
          "--check", arguments->checks,
          "Compute the newest one of each series and range again; exit code 1 if one differs")
      ->excludes(limit);
  command->callback([&context, arguments] { show(context, *arguments); });
}

}  // namespace perp::app
