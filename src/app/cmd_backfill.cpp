// perp backfill: what was before we watched.
#include "app/backfill_options.hpp"
#include "app/backfill_run.hpp"
#include "app/commands.hpp"
#include "app/config_options.hpp"
#include "app/live_options.hpp"
#include "app/output.hpp"
#include "app/progress.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

namespace perp::app {
namespace {

struct BackfillArguments {
  ConfigArguments config;
  HistoryArguments history;
};

std::string span_text(feed::TimeSpan span) {
  return time_text(span.start_ms * core::ns_per_ms) + " to " +
         time_text(span.end_ms * core::ns_per_ms);
}

void print_text(const BackfillReport& report) {
  Table venues({"venue", "symbols", "holes", "requests", "rows"});
  for (const BackfillVenue& venue : report.venues)
    venues.row({std::string(market::find_venue(venue.venue)->key), grouped(venue.status.symbols),
                grouped(venue.status.spans), grouped(venue.status.requests),
                grouped(venue.status.rows)});
  std::fputs(venues.text().c_str(), stdout);
  for (const BackfillVenue& venue : report.venues) {
    const std::string name(market::find_venue(venue.venue)->key);
    if (!venue.status.failure.empty())
      std::printf("%s: %s\n", name.c_str(), venue.status.failure.c_str());
    for (const std::string& limit : venue.status.limits) std::printf("%s\n", limit.c_str());
    for (const feed::HistoryLeft& left : venue.status.left)
      std::printf("%s %s %s: not there within %s: %s\n", name.c_str(), left.symbol.c_str(),
                  series_text(left.series).c_str(), span_text(left.span).c_str(), left.why.c_str());
  }
  for (const feed::Refusal& refusal : report.refusals)
    std::printf("refused %s times: %s, field '%s'\n", grouped(refusal.count).c_str(),
                refusal.stream.c_str(), refusal.field.c_str());
  if (report.load)
    std::printf("stored: %s rows of perp_data, %s of perp_metrics, %s facts\n",
                grouped(report.load->rows_data).c_str(), grouped(report.load->rows_metrics).c_str(),
                grouped(report.load->rows_facts).c_str());
  std::printf("%s in %.1f s\n",
              report.was_stopped    ? "stopped: the same command goes on from here"
              : report.is_partial() ? "in part: the same command asks for the rest"
                                    : "whole",
              report.seconds);
}

void print_json(const BackfillReport& report) {
  nlohmann::ordered_json out;
  out["whole"] = !report.is_partial();
  out["stopped"] = report.was_stopped;
  out["seconds"] = report.seconds;
  for (const BackfillVenue& venue : report.venues) {
    const feed::HistoryFeedStatus& status = venue.status;
    nlohmann::ordered_json one;
    one["symbols"] = status.symbols;
    one["holes"] = status.spans;
    one["requests"] = status.requests;
    one["rows"] = status.rows;
    one["discoveries"] = status.discoveries;
    one["failure"] = status.failure;
    one["unknown"] = status.unknown;
    one["limits"] = status.limits;
    one["left"] = nlohmann::ordered_json::array();
    for (const feed::HistoryLeft& left : status.left)
      one["left"].push_back({{"symbol", left.symbol},
                             {"series", series_text(left.series)},
                             {"from_ms", left.span.start_ms},
                             {"to_ms", left.span.end_ms},
                             {"given_up", left.was_given_up},
                             {"why", left.why}});
    out["venues"][std::string(market::find_venue(venue.venue)->key)] = std::move(one);
  }
  if (report.load) {
    out["rows_data"] = report.load->rows_data;
    out["rows_metrics"] = report.load->rows_metrics;
    out["rows_facts"] = report.load->rows_facts;
  }
  std::printf("%s\n", out.dump(1).c_str());
}

void run(Context& context, const BackfillArguments& arguments) {
  const Config config = load_config(arguments.config);
  if (!tell_faults(config)) {
    context.exit_code = exit_usage;
    return;
  }
  const BackfillOptions options = backfill_options(arguments.history, config);
  core::Logger log(log_options(config));
  ProgressLine line("backfill");
  const BackfillReport report =
      run_backfill(options, log, *context.stop, [&](const BackfillProgress& progress) {
        line.show(progress.fraction,
                  fmt::format("{} requests, {} rows{}", grouped(progress.requests),
                              grouped(progress.rows),
                              progress.left_seconds < 0
                                  ? std::string()
                                  : fmt::format(", some {:.0f} s left", progress.left_seconds)));
      });
  line.done();
  if (context.format == "json")
    print_json(report);
  else
    print_text(report);
  if (report.is_partial()) context.exit_code = exit_partial;
}

}  // namespace

void add_backfill(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand(
      "backfill",
      "Candles, funding, open interest, ratios and trades of past days, from the venues.");
  auto arguments = std::make_shared<BackfillArguments>();
  add_config_options(*command, arguments->config);
  add_history_options(*command, arguments->history);
  add_format(*command, context, {"table", "json"});
  command->footer(
      "What the database has (without one: the journal) is not asked for again, so the same\n"
      "command goes on after an end of any kind. A journal has one writer: beside a running\n"
      "`perp run` give it a journal of its own, --journal var/backfill.\n"
      "What a run stored it also leaves in data_versions (`perp db versions`) and ingest_events.\n"
      "Trades come only if named, as far back as a venue keeps them: Binance 48 h, OKX 3 months,\n"
      "Bybit the newest 1000, Hyperliquid ten. What is not reached is told, and a row of "
      "data_gaps.\n"
      "Exit codes: 0 all there is, 3 in part (what is missing is told), 1 failure, 2 usage.\n"
      "Examples:\n"
      "  perp backfill --venues binance,okx --symbols BTC,ETH --db \"$DATABASE_URL\"\n"
      "  perp backfill --symbols BTC --from 2026-11-01 --to 2026-11-02 --intervals 5m \\\n"
      "       --data-types klines --journal var/backfill\n"
      "  perp backfill --venues binance --symbols BTC --days 1 --data-types trades --db "
      "\"$DATABASE_URL\"");
  command->callback([&context, arguments] { run(context, *arguments); });
}

}  // namespace perp::app
