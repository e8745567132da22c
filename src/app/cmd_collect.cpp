// perp collect: history first, then live, in the order of the system before.
#include "app/backfill_options.hpp"
#include "app/backfill_run.hpp"
#include "app/commands.hpp"
#include "app/config_options.hpp"
#include "app/live_options.hpp"
#include "app/live_run.hpp"
#include "app/progress.hpp"
#include "app/summary.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

namespace perp::app {
namespace {

struct CollectArguments {
  ConfigArguments config;
  HistoryArguments history;
  double for_s = 0;
};

void run(Context& context, CollectArguments& arguments) {
  const Config config = load_config(arguments.config);
  if (!tell_faults(config)) {
    context.exit_code = exit_usage;
    return;
  }
  core::Logger log(log_options(config));
  log.info("collect", "block 1: history of candles, funding, open interest and ratios");
  const auto fetch = [&] {
    ProgressLine line("history");
    const BackfillReport report =
        run_backfill(backfill_options(arguments.history, config), log, *context.stop,
                     [&](const BackfillProgress& progress) {
                       line.show(progress.fraction, fmt::format("{} rows", progress.rows));
                     });
    line.done();
    if (report.is_partial() && !report.was_stopped)
      log.warn("collect", "history is there in part: `perp backfill` asks for the rest");
    return !report.was_stopped;
  };
  if (!fetch()) return;
  // What passed meanwhile: a page or two of each contract.
  if (arguments.history.to.empty() && !arguments.history.forces_refetch && !fetch()) return;
  log.info("collect", "block 1z: candles go on from the history");
  LiveOptions live = live_options(config);
  live.for_ns = static_cast<std::int64_t>(arguments.for_s * 1e9);
  live.on_ready = [&log] { log.info("collect", "block 2: all streams are asked for"); };
  live.on_minutes = [&log] { log.info("collect", "metrics: each minute as it closes"); };
  ServiceManager manager;
  LiveRun daemon(live, log, manager);
  const Report report = daemon.run({.stop = context.stop});
  std::fputs((context.format == "json" ? summary_json(report) : summary_text(report)).c_str(),
             stdout);
  if (!daemon.was_loader_abandoned()) return;
  std::fflush(stdout);
  std::quick_exit(exit_ok);
}

}  // namespace

void add_collect(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand(
      "collect", "History, then live: `perp backfill` and `perp run` on one journal.");
  auto arguments = std::make_shared<CollectArguments>();
  add_config_options(*command, arguments->config);
  add_history_options(*command, arguments->history);
  command->add_option("--for", arguments->for_s, "End after so many seconds live (0: when told)")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  add_format(*command, context, {"table", "json"});
  command->footer(
      "Log lines tell the order: block 1 (history), block 1z (candles go on), block 2 (all\n"
      "streams), metrics. SIGINT and SIGTERM end it in order.\n"
      "Example:\n"
      "  perp collect --venues binance,bybit,okx --symbols BTC,ETH --db \"$DATABASE_URL\"");
  command->callback([&context, arguments] { run(context, *arguments); });
}

}  // namespace perp::app
