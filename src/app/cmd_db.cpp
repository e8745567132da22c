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
#include <perp/warehouse/table.hpp>
#include <perp/warehouse/upkeep.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>

namespace perp::app {
namespace {

struct SetupArguments {
  warehouse::SetupOptions options;
  std::string backend = "auto";
  std::vector<std::string> compress;
  std::vector<std::string> retention;
  std::vector<std::string> venues;
  std::vector<std::string> perpspecs;
};

/// An option that says days of tables: "klines=365".
struct DaysOfTables {
  const char* option;
  const char* what;
  int least;
  std::string_view none;  ///< a word for 0 days; empty: there is none
  const char* expected;
};
constexpr DaysOfTables retention_option{"--retention", "retention", 0, "",
                                        "expected TABLE=DAYS, 0 days keep for ever"};
constexpr DaysOfTables compress_option{
    "--compress", "compression", 1, "off",
    "expected on, off, TABLE=DAYS (whole days from 1) or TABLE=off"};

void parse_days(const DaysOfTables& option, const std::string& text,
                std::map<std::string, int>& out) {
  const std::size_t sign = std::min(text.find('='), text.size());
  const std::string table = text.substr(0, sign);
  const std::string_view value = std::string_view(text).substr(std::min(sign + 1, text.size()));
  int days = 0;
  bool is_good = !option.none.empty() && value == option.none;
  if (!is_good) {
    const auto [end, fault] = std::from_chars(value.data(), value.data() + value.size(), days);
    is_good = fault == std::errc() && end == value.data() + value.size() && days >= option.least &&
              days <= 36'500;
  }
  if (table.empty() || !is_good)
    throw core::Error(fmt::format("bad {} '{}'", option.what, text), option.option,
                      option.expected);
  if (!out.emplace(table, days).second)
    throw core::Error(fmt::format("{} of '{}' said twice", option.what, table), option.option,
                      fmt::format("the second is '{}'", text));
}

/// "on", "off", "klines=7", "klines=off"
void parse_compress(const std::string& text, warehouse::SetupOptions& options) {
  if (text != "on" && text != "off") {
    parse_days(compress_option, text, options.compression);
    return;
  }
  if (options.compress)
    throw core::Error("compression of perp_data and perp_metrics said twice", "--compress",
                      "the second is '" + text + "'");
  options.compress = text == "on";
}

std::string days_text(std::int64_t days) {
  return fmt::format("{} day{}", days, days == 1 ? "" : "s");
}

/// Which series are to be compressed, in words.
std::string compression_text(const warehouse::Info& info) {
  if (info.backend != warehouse::Backend::timescale) return "not in this edition";
  std::map<int, std::string> by_days;
  for (const auto& table : info.tables) {
    if (table.compress_days.value_or(0) == 0) continue;
    std::string& names = by_days[*table.compress_days];
    names += (names.empty() ? "" : ", ") + table.name;
  }
  std::string out;
  for (const auto& [days, names] : by_days)
    out += fmt::format("{}after {} of {}", out.empty() ? "" : "; ", days_text(days), names);
  return out.empty() ? "off" : out;
}

/// What was said of a table's compression, and what the server does of it: "after 7 days, 3
/// chunks".
std::string compression_text(const warehouse::Info::TableInfo& table) {
  const int wanted_days = table.compress_days.value_or(0);
  std::string out = wanted_days != 0 ? "after " + days_text(wanted_days) : "";
  if (wanted_days != 0 && !table.compress_after_ms)
    out += ", no policy";
  else if (table.compress_after_ms && *table.compress_after_ms != wanted_days * warehouse::day_ms)
    out += fmt::format("{}the server's policy: after {:g} days", out.empty() ? "" : ", ",
                       static_cast<double>(*table.compress_after_ms) / warehouse::day_ms);
  if (table.is_compression_paused) out += ", paused";
  if (table.compressed_chunks != 0)
    out += fmt::format("{}{} chunk{}", out.empty() ? "" : ", ", table.compressed_chunks,
                       table.compressed_chunks == 1 ? "" : "s");
  return out;
}

/// Who keeps the retention and the compression, in words.
std::string policies_text(const warehouse::Info& info) {
  return fmt::format("retention by {}, compression {}",
                     info.backend == warehouse::Backend::timescale
                         ? "the server's policies"
                         : "perp's own maintenance, each hour",
                     compression_text(info));
}

/// How far the rollups are behind, in words.
std::string rollups_text(const warehouse::Info& info) {
  const std::string by = "rollups by perp's own maintenance, each minute: ";
  if (!info.rollups_due_since_ms) return by + "up to date";
  return by + fmt::format("behind since {}, {} ranges due",
                          time_text(*info.rollups_due_since_ms * core::ns_per_ms),
                          grouped(static_cast<std::uint64_t>(info.rollups_due)));
}

std::string sealing_text_of_policies(const warehouse::Info& info) {
  std::string compressed, reordered;
  for (const auto& table : info.tables) {
    if (table.name != warehouse::perp_data().name() &&
        table.name != warehouse::perp_metrics().name())
      continue;
    std::string& names = table.compress_days.value_or(0) != 0 ? compressed : reordered;
    names += (names.empty() ? "" : " and ") + table.name;
  }
  if (reordered.empty()) return "sealing by compression, in the order of the series";
  if (compressed.empty()) return "sealing by the server's reorder policy";
  return fmt::format("sealing of {} by compression, of {} by the server's reorder policy",
                     compressed, reordered);
}

/// What puts closed days into the order of their series, in words.
std::string sealing_text(const warehouse::Info& info) {
  switch (info.backend) {
    case warehouse::Backend::plain:
      return fmt::format("sealing by perp's own maintenance: {} partitions are sealed",
                         info.sealed_partitions);
    case warehouse::Backend::timescale: return sealing_text_of_policies(info);
    default: return "sealing absent: what this edition has for it, CLUSTER, keeps readers out";
  }
}

template <class Value>
nlohmann::ordered_json or_null(const std::optional<Value>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
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
      "  perp db setup --compress on,klines=30,slippage=7\n"
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
      ->add_option(
          "--compress", arguments->compress,
          "TimescaleDB Community: chunks of perp_data and perp_metrics are compressed a day "
          "after their end (on), or no more (off); TABLE=DAYS or TABLE=off: those of any "
          "series, for example klines=7,trades=2. Off until told")
      ->delimiter(',');
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
    for (const std::string& text : arguments->compress) parse_compress(text, options);
    for (const std::string& text : arguments->retention)
      parse_days(retention_option, text, options.retention);
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
                                  {"policies", policies_text(report)},
                                  {"rollups", rollups_text(report)},
                                  {"rollups_due", report.rollups_due},
                                  {"sealing", sealing_text(report)},
                                  {"failed_policies", report.failed_policies},
                                  {"sealed_partitions", report.sealed_partitions}};
      if (report.rollups_due_since_ms) json["rollups_due_since_ms"] = *report.rollups_due_since_ms;
      for (const auto& table : report.tables)
        json["tables"][table.name] = {{"rows", table.rows},
                                      {"is_estimate", table.is_estimate},
                                      {"bytes", table.bytes},
                                      {"partitions", table.partitions},
                                      {"retention_days", or_null(table.retention_days)},
                                      {"compress_days", or_null(table.compress_days)},
                                      {"compress_after_ms", or_null(table.compress_after_ms)},
                                      {"is_compression_paused", table.is_compression_paused},
                                      {"compressed_chunks", table.compressed_chunks}};
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
    Table tables({"table", "rows", "size", "partitions", "kept", "compressed"});
    for (const auto& table : report.tables)
      tables.row({table.name,
                  (table.is_estimate ? "~" : "") + grouped(static_cast<std::uint64_t>(table.rows)),
                  bytes_text(static_cast<std::uint64_t>(table.bytes)),
                  table.partitions == 0 ? "" : std::to_string(table.partitions),
                  !table.retention_days        ? ""
                  : *table.retention_days == 0 ? "for ever"
                                               : fmt::format("{} days", *table.retention_days),
                  compression_text(table)});
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
