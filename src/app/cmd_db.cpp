#include "app/cmd_db.hpp"

#include "app/commands.hpp"
#include "app/output.hpp"

#include <perp/core/error.hpp>
#include <perp/core/printable.hpp>
#include <perp/core/time.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/perpspecs.hpp>
#include <perp/warehouse/query.hpp>
#include <perp/warehouse/rollup.hpp>
#include <perp/warehouse/upkeep.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <charconv>
#include <cstdio>
#include <memory>

namespace perp::app {
namespace {

struct SetupArguments {
  warehouse::SetupOptions options;
  std::string backend = "auto";
  std::string compress;
  std::vector<std::string> retention;
  std::vector<std::string> venues;
  std::vector<std::string> perpspecs;
};

/// "klines=365"
std::pair<std::string, int> parse_retention(const std::string& text) {
  const std::size_t sign = text.find('=');
  int days = -1;
  const char* const end = text.data() + text.size();
  if (sign == std::string::npos || sign == 0 ||
      std::from_chars(text.data() + sign + 1, end, days).ptr != end || days < 0 || days > 36'500)
    throw core::Error("bad retention '" + text + "'", "--retention",
                      "expected TABLE=DAYS, 0 days keep for ever");
  return {text.substr(0, sign), days};
}

/// Who keeps the retention and the compression, in words.
std::string policies_text(const warehouse::Info& info) {
  return fmt::format("retention by {}, compression {}",
                     info.backend == warehouse::Backend::timescale
                         ? "the server's policies"
                         : "perp's own maintenance, each hour",
                     info.backend != warehouse::Backend::timescale ? "not in this edition"
                     : info.is_compressed                          ? "of chunks older than a day"
                                                                   : "off");
}

/// How far the rollups are behind, in words.
std::string rollups_text(const warehouse::Info& info) {
  const std::string by = "rollups by perp's own maintenance, each minute: ";
  if (!info.rollups_due_since_ms) return by + "up to date";
  return by + fmt::format("behind since {}, {} ranges due",
                          time_text(*info.rollups_due_since_ms * core::ns_per_ms),
                          grouped(static_cast<std::uint64_t>(info.rollups_due)));
}

/// What puts closed days into the order of their series, in words.
std::string sealing_text(const warehouse::Info& info) {
  switch (info.backend) {
    case warehouse::Backend::plain:
      return fmt::format("sealing by perp's own maintenance: {} partitions are sealed",
                         info.sealed_partitions);
    case warehouse::Backend::timescale:
      return info.is_compressed ? "sealing by compression, in the order of the series"
                                : "sealing by the server's reorder policy";
    default: return "sealing absent: what this edition has for it, CLUSTER, keeps readers out";
  }
}

void print_server(const warehouse::Info& info) {
  std::printf("%s, backend %s", info.server_version.c_str(),
              std::string(warehouse::to_string(info.backend)).c_str());
  if (!info.timescale_version.empty())
    std::printf(", TimescaleDB %s (%s licence)", info.timescale_version.c_str(),
                info.timescale_license.c_str());
  std::printf(
      ", retention %s\n%s\n%s\n%s\n",
      info.retention_days == 0 ? "off" : fmt::format("{} days", info.retention_days).c_str(),
      policies_text(info).c_str(), rollups_text(info).c_str(), sealing_text(info).c_str());
  for (const std::string& what : info.failed_policies)
    std::printf("warning: %s\n", core::printable(what).c_str());
}

void print_setup(const warehouse::SetupReport& report) {
  print_server(report.info);
  for (const std::string& name : report.applied) std::printf("applied %s\n", name.c_str());
  for (const std::string& warning : report.warnings) std::printf("warning: %s\n", warning.c_str());
  std::printf("%zu tables, %lld perpspecs (%lld of the seed)\n", report.info.tables.size(),
              static_cast<long long>(report.info.perpspecs),
              static_cast<long long>(report.info.seed_perpspecs));
}

}  // namespace

void add_db(CLI::App& app, Context& context) {
  auto* db = app.add_subcommand("db", "The warehouse: set it up, look at it, empty it.");
  db->require_subcommand(1);
  db->footer(
      "Examples:\n  perp db setup --db \"$DATABASE_URL\"\n  perp db info --format json\n"
      "  perp db setup --retention-days 30 --retention trades=7 --roles\n"
      "  perp db update-fees --exchange binance --taker 0.0004\n"
      "  perp db rollup --from 2026-11-01 --to 2026-11-02");

  auto* setup = db->add_subcommand(
      "setup",
      "Create what is missing (also: init). Safe to repeat; keeps every row unless --drop.");
  setup->alias("init");
  auto arguments = std::make_shared<SetupArguments>();
  add_dsn(*setup, context, true);
  setup->add_flag("--drop", arguments->options.drop, "Drop perp's tables first: ALL ROWS ARE LOST");
  setup
      ->add_option("--retention-days", arguments->options.retention_days,
                   "Days kept in perp_data and perp_metrics, 0 = for ever; a new database gets 10, "
                   "an existing one keeps its number")
      ->check(CLI::Range(0, 36'500));
  setup
      ->add_option("--retention", arguments->retention,
                   "TABLE=DAYS of other series, for example klines=365,trades=7; 0 = for ever")
      ->delimiter(',');
  setup
      ->add_option("--compress", arguments->compress,
                   "TimescaleDB Community: compress chunks older than a day (off until told)")
      ->check(CLI::IsMember({"on", "off"}));
  setup->add_flag("--roles", arguments->options.roles,
                  "Create the roles perp_reader and perp_writer and grant them what they need");
  setup->add_option("--backend", arguments->backend, "auto detects the server's edition")
      ->check(CLI::IsMember({"auto", "timescale", "apache", "plain"}))
      ->capture_default_str();
  setup
      ->add_option("--venue,--venues", arguments->venues,
                   "Also register the perpspecs of these venues beyond the 19")
      ->delimiter(',');
  setup->add_option("--perpspec", arguments->perpspecs,
                    "Also register NAME:FIELDS, for example bin-x:c,v; may be repeated");
  setup->callback([&context, arguments] {
    warehouse::SetupOptions& options = arguments->options;
    options.backend = warehouse::parse_backend(arguments->backend);
    if (!arguments->compress.empty()) options.compress = arguments->compress == "on";
    for (const std::string& text : arguments->retention)
      options.retention.insert(parse_retention(text));
    for (const std::string& text : arguments->perpspecs)
      options.perpspecs.push_back(warehouse::parse_perpspec(text));
    for (const std::string& name : arguments->venues) {
      const market::Venue* venue = market::find_venue(std::string_view(name));
      if (venue == nullptr)
        throw core::Error("unknown venue '" + name + "'", "--venues", "see `perp venues`");
      options.venues.push_back(venue->id);
    }
    print_setup(warehouse::setup(context.dsn, options));
  });

  auto* migrate = db->add_subcommand(
      "migrate", "Bring an existing schema up to date. Touches no row; says what it applied.");
  add_dsn(*migrate, context, true);
  migrate->callback([&context] {
    const warehouse::SetupReport report = warehouse::migrate(context.dsn);
    print_setup(report);
    if (report.applied.empty()) std::puts("nothing to do");
  });

  add_db_upkeep(*db, context);
  add_db_versions(*db, context);

  auto* info = db->add_subcommand(
      "info", "Server, backend, policies, tables, index usage, rows per perpspec, loader cursors.");
  add_dsn(*info, context, true);
  add_format(*info, context, {"table", "json"});
  info->callback([&context] {
    const warehouse::Info report = warehouse::info(context.dsn);
    if (report.tables.empty())
      throw core::Error("no perp schema", "--db", "run `perp db setup` first");
    warehouse::Connection connection(context.dsn);
    const warehouse::QueryResult specs = warehouse::query_perpspec_rows(connection);
    const warehouse::QueryResult indexes = warehouse::query_index_usage(connection);
    if (context.format == "json") {
      nlohmann::ordered_json json{{"backend", warehouse::to_string(report.backend)},
                                  {"server_version", report.server_version},
                                  {"timescale_version", report.timescale_version},
                                  {"timescale_license", report.timescale_license},
                                  {"retention_days", report.retention_days},
                                  {"is_compressed", report.is_compressed},
                                  {"policies", policies_text(report)},
                                  {"rollups", rollups_text(report)},
                                  {"rollups_due", report.rollups_due},
                                  {"sealing", sealing_text(report)},
                                  {"failed_policies", report.failed_policies},
                                  {"sealed_partitions", report.sealed_partitions}};
      if (report.rollups_due_since_ms) json["rollups_due_since_ms"] = *report.rollups_due_since_ms;
      for (const auto& table : report.tables)
        json["tables"][table.name] = {
            {"rows", table.rows},
            {"is_estimate", table.is_estimate},
            {"bytes", table.bytes},
            {"partitions", table.partitions},
            {"retention_days", table.retention_days ? nlohmann::ordered_json(*table.retention_days)
                                                    : nlohmann::ordered_json()}};
      json["indexes"] = nlohmann::ordered_json::parse(render(indexes, "json"));
      json["perpspecs"] = nlohmann::ordered_json::parse(render(specs, "json"));
      json["cursors"] = nlohmann::ordered_json::array();
      for (const auto& cursor : report.cursors)
        json["cursors"].push_back({{"journal", cursor.journal},
                                   {"lane", cursor.lane},
                                   {"lanes", cursor.lanes},
                                   {"position", cursor.position},
                                   {"updated_ms", cursor.updated_ms}});
      std::puts(json.dump(1).c_str());
      return;
    }
    print_server(report);
    std::puts("");
    Table tables({"table", "rows", "size", "partitions", "kept"});
    for (const auto& table : report.tables)
      tables.row({table.name,
                  (table.is_estimate ? "~" : "") + grouped(static_cast<std::uint64_t>(table.rows)),
                  bytes_text(static_cast<std::uint64_t>(table.bytes)),
                  table.partitions == 0 ? "" : std::to_string(table.partitions),
                  !table.retention_days        ? ""
                  : *table.retention_days == 0 ? "for ever"
                                               : fmt::format("{} days", *table.retention_days)});
    std::puts(tables.text().c_str());
    std::puts(render(indexes, "table").c_str());
    std::puts(render(specs, "table").c_str());
    Table cursors({"journal", "lane", "position", "moved"});
    for (const auto& cursor : report.cursors)
      cursors.row({cursor.journal, fmt::format("{} of {}", cursor.lane + 1, cursor.lanes),
                   grouped(static_cast<std::uint64_t>(cursor.position)),
                   time_text(cursor.updated_ms * core::ns_per_ms)});
    if (!cursors.empty()) std::fputs(cursors.text().c_str(), stdout);
  });
}

}  // namespace perp::app
