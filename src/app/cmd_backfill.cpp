// perp backfill: what was before we watched.
#include "app/backfill_run.hpp"
#include "app/commands.hpp"
#include "app/config_options.hpp"
#include "app/live_options.hpp"
#include "app/output.hpp"
#include "app/progress.hpp"

#include <perp/core/error.hpp>
#include <perp/venue/registry.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>

namespace perp::app {
namespace {

constexpr std::int64_t day_ms = 86'400'000;
/// The engine closes minutes so long behind their end; younger ones are a feed's.
constexpr std::int64_t young_ms = 5000;

struct BackfillArguments {
  ConfigArguments config;
  int days = 10;
  std::string from;
  std::string to;
  std::vector<std::string> types{"klines", "funding_rates", "open_interest", "long_short_ratio"};
  std::vector<std::string> intervals{"1m"};
  bool forces_refetch = false;
};

[[noreturn]] void refuse(const std::string& option, const std::string& value,
                         const std::string& accepted) {
  throw CLI::ValidationError(option, fmt::format("'{}' is none of {}", value, accepted));
}

feed::HistoryType type_of(const std::string& text) {
  std::string known;
  for (std::size_t i = 0; i < feed::history_type_count; ++i) {
    const auto type = static_cast<feed::HistoryType>(i);
    if (name_of(type) == text) return type;
    known.append(i == 0 ? "" : ", ").append(name_of(type));
  }
  refuse("--data-types", text, known);
}

/// "5m", "1h", "1d": a length that some venue has candles of.
std::int64_t interval_of(const std::string& text) {
  std::int64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, count);
  std::int64_t length_ns = 0;
  if (parsed.ec == std::errc{} && parsed.ptr + 1 == end && count > 0 && count < 1000) {
    if (*parsed.ptr == 'm') length_ns = count * core::ns_per_minute;
    if (*parsed.ptr == 'h') length_ns = count * core::ns_per_hour;
    if (*parsed.ptr == 'd') length_ns = count * core::ns_per_day;
  }
  for (const market::Venue& venue : market::venues)
    if (const venue::Adapter* adapter = venue::find_adapter(venue.id);
        adapter != nullptr && adapter->connect != nullptr && length_ns > 0 &&
        feed::has_history(*adapter->connect, {feed::HistoryType::klines, length_ns}))
      return length_ns;
  refuse("--intervals", text, "1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d");
}

std::vector<feed::HistorySeries> series_of(const BackfillArguments& arguments) {
  std::vector<feed::HistorySeries> series;
  const auto add = [&](feed::HistorySeries wanted) {
    const auto is_it = [&](const feed::HistorySeries& known) {
      return known.type == wanted.type && known.period_ns == wanted.period_ns;
    };
    if (std::none_of(series.begin(), series.end(), is_it)) series.push_back(wanted);
  };
  std::vector<std::int64_t> lengths;
  for (const std::string& text : arguments.intervals) lengths.push_back(interval_of(text));
  for (const std::string& text : arguments.types) {
    const feed::HistoryType type = type_of(text);
    if (type != feed::HistoryType::klines)
      add({type, 0});
    else
      for (const std::int64_t length : lengths) add({type, length});
  }
  return series;
}

feed::TimeSpan span_of(const BackfillArguments& arguments) {
  const std::int64_t now_ms = core::wall_now().ns / core::ns_per_ms - young_ms;
  feed::TimeSpan span{.end_ms = now_ms};
  if (!arguments.to.empty()) span.end_ms = std::min(now_ms, parse_time_ms(arguments.to, "--to"));
  span.start_ms = arguments.from.empty() ? span.end_ms - arguments.days * day_ms
                                         : parse_time_ms(arguments.from, "--from");
  if (span.start_ms < 0 || span.start_ms >= span.end_ms)
    throw CLI::ValidationError("--from", "it must be before --to and before now");
  return span;
}

BackfillOptions options_of(const BackfillArguments& arguments, const Config& config) {
  LiveOptions live = live_options(config);
  BackfillOptions options;
  options.ring_bytes = live.ring_bytes;
  options.warehouse.engine = live.warehouse.engine;
  options.warehouse.engine_cpu = live.warehouse.engine_cpu;
  options.warehouse.loader = live.warehouse.loader;
  // What is asked for is wanted, however old: the owner's retention drops it when it will.
  options.warehouse.loader.keeps_retention = false;
  options.forces_refetch = arguments.forces_refetch;
  const std::vector<feed::HistorySeries> series = series_of(arguments);
  const feed::TimeSpan span = span_of(arguments);
  for (const LiveVenueOptions& venue : live.venues)
    options.venues.push_back({.venue = venue.feed.venue,
                              .symbols = venue.feed.symbols,
                              .series = series,
                              .span = span,
                              .is_testnet = venue.feed.is_testnet,
                              .rest_origin = venue.feed.rest_origin,
                              .ledger_folder = venue.feed.ledger_folder,
                              .tls_ca_file = venue.feed.tls_ca_file,
                              .obeys_proxy_variables = venue.feed.obeys_proxy_variables,
                              .loop = venue.feed.loop,
                              .haste = venue.feed.haste});
  return options;
}

std::string series_text(feed::HistorySeries series) {
  std::string text(name_of(series.type));
  if (series.period_ns > 0) text += fmt::format(" {}m", series.period_ns / core::ns_per_minute);
  return text;
}

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
  const BackfillOptions options = options_of(arguments, config);
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
      "backfill", "Candles, funding, open interest and ratios of past days, from the venues.");
  auto arguments = std::make_shared<BackfillArguments>();
  add_config_options(*command, arguments->config);
  command->add_option("--days", arguments->days, "So many days up to --to")
      ->capture_default_str()
      ->check(CLI::Range(1, 36'500));
  command->add_option("--from,--start-date", arguments->from, "From this time on, UTC")
      ->excludes("--days");
  command->add_option("--to,--end-date", arguments->to,
                      "Up to this time, exclusive (default: now)");
  command
      ->add_option("-d,--data-types", arguments->types,
                   "klines, funding_rates, open_interest, long_short_ratio")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--intervals", arguments->intervals, "Lengths of candles: 1m,5m,1h,1d")
      ->delimiter(',')
      ->capture_default_str();
  command->add_flag("--force-refetch", arguments->forces_refetch, "Ask for what is there, too");
  add_format(*command, context, {"table", "json"});
  command->footer(
      "What the database has (without one: the journal) is not asked for again, so the same\n"
      "command goes on after an end of any kind. A journal has one writer: beside a running\n"
      "`perp run` give it a journal of its own, --journal var/backfill.\n"
      "Exit codes: 0 all there is, 3 in part (what is missing is told), 1 failure, 2 usage.\n"
      "Examples:\n"
      "  perp backfill --venues binance,okx --symbols BTC,ETH --db \"$DATABASE_URL\"\n"
      "  perp backfill --symbols BTC --from 2026-11-01 --to 2026-11-02 --intervals 5m \\\n"
      "       --data-types klines --journal var/backfill");
  command->callback([&context, arguments] { run(context, *arguments); });
}

}  // namespace perp::app
