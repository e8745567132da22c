#include "app/commands.hpp"
#include "app/output.hpp"

#include <perp/core/error.hpp>
#include <perp/core/time.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/metrics_calc.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

namespace perp::app {
namespace {

using warehouse::MetricsReport;

struct Arguments {
  warehouse::MetricsOptions options;
  warehouse::MetricsFollow follow;
  bool is_continuous = false;
  std::int64_t interval_s = 60;
  int days = 10;
  unsigned parallel = 2;
  std::string symbol;
  std::string perpspec;
  std::string from;
  std::string to;
};

std::int64_t now_ms() { return core::wall_now().ns / core::ns_per_ms; }

void print(const Context& context, const MetricsReport& report) {
  if (context.format == "json") {
    const nlohmann::ordered_json json{
        {"rows_read", report.rows_read},         {"rows_made", report.rows_made},
        {"rows_inserted", report.rows_inserted}, {"rows_updated", report.rows_updated},
        {"rows_deleted", report.rows_deleted},   {"retries", report.retries},
        {"read_seconds", report.read_seconds},   {"compute_seconds", report.compute_seconds},
        {"write_seconds", report.write_seconds}, {"seconds", report.seconds}};
    std::puts(json.dump(1).c_str());
    return;
  }
  const auto count = [](std::int64_t rows) { return grouped(static_cast<std::uint64_t>(rows)); };
  std::printf("%s rows computed from %s rows of perp_data in %.2f s\n",
              count(report.rows_made).c_str(), count(report.rows_read).c_str(), report.seconds);
  std::printf("%s inserted, %s updated, %s deleted, the rest was right; %s retries\n",
              count(report.rows_inserted).c_str(), count(report.rows_updated).c_str(),
              count(report.rows_deleted).c_str(), count(report.retries).c_str());
  std::printf("reading %.2f s, computing %.2f s, writing %.2f s, summed over workers\n",
              report.read_seconds, report.compute_seconds, report.write_seconds);
}

/// What all three have: the database, the symbols, the windows; the schema is looked at first.
void add_common(CLI::App& command, Context& context, const std::shared_ptr<Arguments>& arguments) {
  add_dsn(command, context, true);
  command
      .add_option("--windows", arguments->options.windows,
                  "Minutes; perp_metrics must have columns for each, like c_chg_5m")
      ->delimiter(',')
      ->default_str("1,5,10");
}

void add_symbols(CLI::App& command, const std::shared_ptr<Arguments>& arguments) {
  command
      .add_option("--symbol,--symbols", arguments->options.symbols,
                  "Only these, spelled any way: SOL, BTCUSDT; all without this")
      ->delimiter(',');
}

void begin(Context& context, Arguments& arguments) {
  warehouse::Connection connection(context.dsn, "perp metrics");
  static_cast<void>(warehouse::require_schema(connection, "perp metrics"));
  arguments.options.dsn = context.dsn;
  arguments.options.stop = context.stop;
  arguments.options.on_event = [](const std::string& line) {
    std::fprintf(stderr, "metrics: %s\n", line.c_str());
  };
}

void run_once(Context& context, const Arguments& arguments) {
  warehouse::tell_metrics_status(context.dsn, "started", "one pass", {});
  const MetricsReport report =
      warehouse::calc_metrics(arguments.options, arguments.follow.pass, now_ms());
  const std::string message =
      fmt::format("{} rows computed in {:.3f} s", report.rows_made, report.seconds);
  for (const char* status : {"running", "complete", "stopped"})
    warehouse::tell_metrics_status(context.dsn, status, message, report);
  print(context, report);
}

void add_calc(CLI::App& metrics, Context& context) {
  auto* calc = metrics.add_subcommand(
      "calc", "Compute the % changes of the latest minutes again; stores only what differs.");
  auto arguments = std::make_shared<Arguments>();
  add_common(*calc, context, arguments);
  add_symbols(*calc, arguments);
  add_format(*calc, context, {"table", "json"});
  calc->add_flag("-c,--continuous", arguments->is_continuous,
                 "Fill what is missing, then a pass each interval until SIGINT or SIGTERM");
  calc->add_option("--interval", arguments->interval_s, "Seconds between passes")
      ->capture_default_str()
      ->check(CLI::Range(1, 86'400));
  calc->add_option("--lookback-minutes", arguments->follow.pass.lookback_minutes,
                   "Minutes that a pass looks back, and 10 more")
      ->capture_default_str()
      ->check(CLI::Range(1, 1440));
  calc->callback([&context, arguments] {
    begin(context, *arguments);
    arguments->follow.interval_ms = arguments->interval_s * 1000;
    try {
      if (arguments->is_continuous)
        print(context, warehouse::follow_metrics(arguments->options, arguments->follow));
      else
        run_once(context, *arguments);
    } catch (const core::Error& error) {
      warehouse::tell_metrics_status(context.dsn, "error", error.what(), {});
      throw;
    }
  });
}

void add_whole_days(CLI::App& metrics, Context& context) {
  auto* backfill = metrics.add_subcommand(
      "backfill", "Compute the % changes of whole days; a day without any is loaded fastest.");
  auto arguments = std::make_shared<Arguments>();
  add_common(*backfill, context, arguments);
  add_symbols(*backfill, arguments);
  add_format(*backfill, context, {"table", "json"});
  backfill->add_option("--days", arguments->days, "Days back from now, today's counted")
      ->capture_default_str()
      ->check(CLI::Range(1, 36'500));
  backfill->add_option("--parallel", arguments->parallel, "Days at a time, each its connection")
      ->capture_default_str()
      ->check(CLI::Range(1, 16));
  backfill->callback([&context, arguments] {
    begin(context, *arguments);
    const std::int64_t to = now_ms();
    print(context, warehouse::backfill_metrics(arguments->options,
                                               to - (arguments->days - 1) * warehouse::day_ms,
                                               to + 1, arguments->parallel));
  });
}

void add_reset(CLI::App& metrics, Context& context) {
  auto* reset = metrics.add_subcommand(
      "reset", "Delete the computed rows of a symbol or perpspec and make them again.");
  auto arguments = std::make_shared<Arguments>();
  add_common(*reset, context, arguments);
  add_symbols(*reset, arguments);
  add_format(*reset, context, {"table", "json"});
  reset->add_option("--perpspec", arguments->perpspec, "One perpspec; all without this");
  reset->add_option("--from", arguments->from, "From this time on")->required();
  reset->add_option("--to", arguments->to, "Up to this time, exclusive")->required();
  reset->callback([&context, arguments] {
    begin(context, *arguments);
    print(context, warehouse::reset_metrics(arguments->options, arguments->perpspec,
                                            parse_time_ms(arguments->from, "--from"),
                                            parse_time_ms(arguments->to, "--to")));
  });
}

}  // namespace

void add_metrics(CLI::App& app, Context& context) {
  auto* metrics = app.add_subcommand(
      "metrics", "perp_metrics, computed again from perp_data for rows that others wrote.");
  metrics->require_subcommand(1);
  metrics->footer(
      "Examples:\n  perp metrics calc --continuous\n  perp metrics backfill --days 10 --parallel "
      "2\n  perp metrics reset --symbol SOL --from 2026-11-01 --to 2026-11-02");
  add_calc(*metrics, context);
  add_whole_days(*metrics, context);
  add_reset(*metrics, context);
}

}  // namespace perp::app
