#include "app/commands.hpp"
#include "app/output.hpp"

#include <perp/core/error.hpp>
#include <perp/core/time.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/rollup.hpp>
#include <perp/warehouse/seal.hpp>
#include <perp/warehouse/table.hpp>
#include <perp/warehouse/upkeep.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>
#include <optional>

namespace perp::app {
namespace {

struct CleanArguments {
  std::optional<int> older_than;
  std::optional<int> partitions_older_than;
  bool truncate = false;
  bool yes = false;
};

struct FeeArguments {
  std::string exchange;
  std::optional<double> maker;
  std::optional<double> taker;
};

struct RollupArguments {
  std::string from;
  std::string to;
  bool replaces_fuller = false;
};

void roll_up(const Context& context, const RollupArguments& arguments) {
  if (arguments.from.empty() != arguments.to.empty())
    throw CLI::ValidationError("db rollup", "give both --from and --to, or neither");
  if (arguments.replaces_fuller && arguments.from.empty())
    throw CLI::ValidationError("--replace", "say of what time: --from and --to");
  warehouse::Connection connection(context.dsn, "perp db rollup");
  const warehouse::Backend backend = warehouse::require_schema(connection, "perp db rollup");
  const std::int64_t now_ms = core::wall_now().ns / core::ns_per_ms;
  const warehouse::RollupReport report =
      arguments.from.empty()
          ? warehouse::roll_up(connection, backend, now_ms, context.stop)
          : warehouse::roll_up_again(connection, backend,
                                     {.from_ms = parse_time_ms(arguments.from, "--from"),
                                      .to_ms = parse_time_ms(arguments.to, "--to"),
                                      .replaces_fuller = arguments.replaces_fuller},
                                     now_ms, context.stop);
  std::printf("%s rows inserted or changed in %s ranges, %.2f s\n",
              grouped(static_cast<std::uint64_t>(report.rows)).c_str(),
              grouped(static_cast<std::uint64_t>(report.ranges)).c_str(), report.seconds);
}

struct SealArguments {
  std::string day;
  int after_hours = 26;
};

void seal(const Context& context, const SealArguments& arguments) {
  warehouse::Connection connection(context.dsn, "perp db seal");
  const warehouse::Backend backend = warehouse::require_schema(connection, "perp db seal");
  if (backend != warehouse::Backend::plain)
    throw core::Error("this edition's days cannot be sealed by perp", "perp db seal",
                      backend == warehouse::Backend::timescale
                          ? "the server's reorder policy does it"
                          : "what it has for it, CLUSTER, keeps readers out");
  std::vector<warehouse::DayPartition> days;
  if (arguments.day.empty()) {
    days = warehouse::unsealed_days(connection, core::wall_now().ns / core::ns_per_ms,
                                    arguments.after_hours);
  } else {
    const std::int64_t first =
        core::floor_to(parse_time_ms(arguments.day, "--day"), warehouse::day_ms);
    days = {{warehouse::perp_data().name(), first}, {warehouse::perp_metrics().name(), first}};
  }
  const warehouse::SealOptions options{
      .stop = context.stop,
      .on_event = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }};
  std::size_t sealed = 0;
  for (const warehouse::DayPartition& day : days)
    if (const auto report = warehouse::seal_day(connection, day, options)) {
      std::printf("sealed %s: %s rows in %.1f s, readers waited %.0f ms at most\n",
                  report->partition.c_str(),
                  grouped(static_cast<std::uint64_t>(report->rows)).c_str(), report->seconds,
                  report->swap_ms);
      ++sealed;
    }
  std::printf("%zu of %zu partitions sealed\n", sealed, days.size());
}

void print_stats(Context& context, std::int64_t symbols) {
  const warehouse::Info info = warehouse::info(context.dsn);
  if (info.tables.empty()) throw core::Error("no perp schema", "--db", "run `perp db setup` first");
  warehouse::Connection connection(context.dsn, "perp db stats");
  const warehouse::QueryResult exchanges = warehouse::query_exchange_stats(connection);
  const warehouse::QueryResult top = warehouse::query_symbol_stats(connection, symbols);
  std::int64_t rows = 0, bytes = 0;
  for (const auto& table : info.tables) {
    rows += table.rows;
    bytes += table.bytes;
  }
  if (context.format == "json") {
    nlohmann::ordered_json json{{"rows", rows}, {"bytes", bytes}};
    for (const auto& table : info.tables)
      json["tables"][table.name] = {
          {"rows", table.rows}, {"is_estimate", table.is_estimate}, {"bytes", table.bytes}};
    json["exchanges"] = nlohmann::ordered_json::parse(render(exchanges, "json"));
    json["top_symbols"] = nlohmann::ordered_json::parse(render(top, "json"));
    std::puts(json.dump(1).c_str());
    return;
  }
  Table tables({"table", "rows", "size"});
  for (const auto& table : info.tables)
    if (table.rows != 0)
      tables.row({table.name,
                  (table.is_estimate ? "~" : "") + grouped(static_cast<std::uint64_t>(table.rows)),
                  bytes_text(static_cast<std::uint64_t>(table.bytes))});
  tables.row({"total", grouped(static_cast<std::uint64_t>(rows)),
              bytes_text(static_cast<std::uint64_t>(bytes))});
  std::puts(tables.text().c_str());
  std::puts(render(exchanges, "table").c_str());
  std::fputs(render(top, "table").c_str(), stdout);
}

void clean(const Context& context, const CleanArguments& arguments) {
  const int chosen = (arguments.older_than ? 1 : 0) + (arguments.partitions_older_than ? 1 : 0) +
                     (arguments.truncate ? 1 : 0);
  if (chosen != 1)
    throw CLI::ValidationError(
        "db clean", "say exactly one of --older-than, --drop-partitions-older-than, --truncate");
  if (arguments.truncate && !arguments.yes)
    throw CLI::ValidationError("--truncate", "this deletes every row of data; say --yes as well");
  warehouse::Connection connection(context.dsn, "perp db clean");
  const warehouse::Backend backend = warehouse::require_schema(connection, "perp db clean");
  const std::int64_t now_ms = core::wall_now().ns / core::ns_per_ms;
  if (arguments.truncate) {
    for (const std::string& table : warehouse::truncate_all(connection))
      std::printf("emptied %s\n", table.c_str());
    return;
  }
  if (arguments.partitions_older_than) {
    const warehouse::PruneReport report = warehouse::prune(
        connection, backend, {.older_than_days = arguments.partitions_older_than}, now_ms);
    for (const std::string& name : report.dropped) std::printf("dropped %s\n", name.c_str());
    std::printf("%zu partitions dropped\n", report.dropped.size());
    return;
  }
  const warehouse::CleanReport report =
      warehouse::clean_older(connection, backend, *arguments.older_than, now_ms);
  for (const std::string& name : report.dropped) std::printf("dropped %s\n", name.c_str());
  std::printf("%zu partitions dropped, %s rows deleted\n", report.dropped.size(),
              grouped(static_cast<std::uint64_t>(report.rows)).c_str());
}

}  // namespace

void add_db_upkeep(CLI::App& db, Context& context) {
  auto* stats =
      db.add_subcommand("stats", "Rows and bytes per table, rows per exchange, top symbols.");
  add_dsn(*stats, context, true);
  add_format(*stats, context, {"table", "json"});
  auto symbols = std::make_shared<std::int64_t>(10);
  stats->add_option("--symbols", *symbols, "How many of the top symbols")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));
  stats->callback([&context, symbols] { print_stats(context, *symbols); });

  auto* clean_command = db.add_subcommand(
      "clean", "Delete data by age, or all of it. Reference data, registry and cursors stay.");
  auto arguments = std::make_shared<CleanArguments>();
  add_dsn(*clean_command, context, true);
  clean_command
      ->add_option(
          "--older-than", arguments->older_than,
          "Days: older rows go, row by row where a partition is older only in part (but in "
          "perp_data and perp_metrics, where whole days go)")
      ->check(CLI::Range(1, 36'500));
  clean_command
      ->add_option("--drop-partitions-older-than", arguments->partitions_older_than,
                   "Days: partitions that are older as a whole go")
      ->check(CLI::Range(1, 36'500));
  clean_command->add_flag("--truncate", arguments->truncate, "Every row of data goes; needs --yes");
  clean_command->add_flag("--yes", arguments->yes, "I mean it");
  clean_command->callback([&context, arguments] { clean(context, *arguments); });

  auto* rollup = db.add_subcommand(
      "rollup",
      "Compute perp_5m, perp_15m, perp_1h, perp_4h and perp_1d: what is due, or a range again.");
  auto rolled = std::make_shared<RollupArguments>();
  add_dsn(*rollup, context, true);
  rollup->add_option("--from", rolled->from, "Again from this time on, for rows that others wrote");
  rollup->add_option("--to", rolled->to, "Up to this time, exclusive");
  rollup->add_flag("--replace", rolled->replaces_fuller,
                   "Also where there are fewer minutes now than the row was made of");
  rollup->callback([&context, rolled] { roll_up(context, *rolled); });

  auto* seal_command = db.add_subcommand(
      "seal", "Rewrite closed days in order of their series, without keeping readers waiting.");
  auto sealing = std::make_shared<SealArguments>();
  add_dsn(*seal_command, context, true);
  seal_command->add_option("--day", sealing->day,
                           "This day, also if it is sealed already; without, all that are not");
  seal_command
      ->add_option("--after-hours", sealing->after_hours,
                   "Without --day: days that began as many hours ago, 24 at least")
      ->capture_default_str()
      ->check(CLI::Range(24, 876'000));
  seal_command->callback([&context, sealing] { seal(context, *sealing); });

  auto* fees = db.add_subcommand("update-fees", "Correct a venue's fees; they are fractions.");
  auto fee = std::make_shared<FeeArguments>();
  add_dsn(*fees, context, true);
  fees->add_option("-e,--exchange", fee->exchange, "binance, bin or Binance")->required();
  fees->add_option("-m,--maker", fee->maker, "Maker fee as a fraction: 0.0002 is 2 bps");
  fees->add_option("-t,--taker", fee->taker, "Taker fee as a fraction: 0.0005 is 5 bps");
  fees->callback([&context, fee] {
    const market::Venue* venue = market::find_venue(std::string_view(fee->exchange));
    if (venue == nullptr)
      throw core::Error("unknown venue '" + fee->exchange + "'", "--exchange", "see `perp venues`");
    if (!fee->maker && !fee->taker)
      throw CLI::ValidationError("db update-fees", "give --maker, --taker or both");
    warehouse::Connection connection(context.dsn, "perp db update-fees");
    static_cast<void>(warehouse::require_schema(connection, "perp db update-fees"));
    warehouse::update_fees(connection, venue->id, fee->maker, fee->taker);
    const warehouse::QueryResult now = connection.query(
        "SELECT name, maker_fee::float8 AS maker_fee, taker_fee::float8 AS taker_fee, fee_tier "
        "FROM "
        "exchanges WHERE id = $1",
        {static_cast<std::int16_t>(venue->id)});
    std::fputs(render(now, "table").c_str(), stdout);
  });
}

}  // namespace perp::app
