#include "app/backfill_options.hpp"

#include "app/live_options.hpp"
#include "app/output.hpp"

#include <perp/venue/registry.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace perp::app {
namespace {

constexpr std::int64_t day_ms = 86'400'000;
constexpr std::string_view from_listing = "listing";
/// The engine closes minutes so long behind their end; younger ones are a feed's.
constexpr std::int64_t young_ms = 5000;

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

std::vector<feed::HistorySeries> series_of(const HistoryArguments& arguments) {
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

feed::TimeSpan span_of(const HistoryArguments& arguments) {
  const std::int64_t now_ms = core::wall_now().ns / core::ns_per_ms - young_ms;
  feed::TimeSpan span{.end_ms = now_ms};
  if (!arguments.to.empty()) span.end_ms = std::min(now_ms, parse_time_ms(arguments.to, "--to"));
  if (arguments.from == from_listing) return {0, span.end_ms};
  span.start_ms = arguments.from.empty() ? span.end_ms - arguments.days * day_ms
                                         : parse_time_ms(arguments.from, "--from");
  if (span.start_ms < 0 || span.start_ms >= span.end_ms)
    throw CLI::ValidationError("--from", "it must be before --to and before now");
  return span;
}

}  // namespace

BackfillOptions backfill_options(const HistoryArguments& arguments, const Config& config) {
  LiveOptions live = live_options(config);
  BackfillOptions options;
  options.ring_bytes = live.ring_bytes;
  options.warehouse.engine = live.warehouse.engine;
  options.warehouse.engine_cpu = live.warehouse.engine_cpu;
  options.warehouse.loader = live.warehouse.loader;
  // What is asked for is wanted, however old: the owner's retention drops it when it will.
  options.warehouse.loader.keeps_retention = false;
  if (arguments.batch_rows) options.warehouse.loader.batch_rows = *arguments.batch_rows;
  options.forces_refetch = arguments.forces_refetch;
  const std::vector<feed::HistorySeries> series = series_of(arguments);
  // Off by default, for they are many: asked for by name they are wanted as rows.
  std::vector<std::string>& tables = options.warehouse.loader.fact_tables;
  const auto are_trades = [](feed::HistorySeries wanted) {
    return wanted.type == feed::HistoryType::trades;
  };
  if (std::any_of(series.begin(), series.end(), are_trades) &&
      std::find(tables.begin(), tables.end(), "trades") == tables.end())
    tables.emplace_back("trades");
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
                              .haste = venue.feed.haste,
                              .begins_at_listing = arguments.from == from_listing});
  return options;
}

std::string series_text(feed::HistorySeries series) {
  std::string text(name_of(series.type));
  if (series.period_ns > 0) text += fmt::format(" {}m", series.period_ns / core::ns_per_minute);
  return text;
}

void add_history_options(CLI::App& command, HistoryArguments& arguments) {
  command.add_option("--days", arguments.days, "So many days up to --to")
      ->capture_default_str()
      ->check(CLI::Range(1, 36'500));
  command
      .add_option("--from,--start-date", arguments.from,
                  "From this time on, UTC; `listing`: from when the contract was listed")
      ->excludes("--days");
  command.add_option("--to,--end-date", arguments.to, "Up to this time, exclusive (default: now)");
  command
      .add_option("-d,--data-types", arguments.types,
                  "klines, funding_rates, open_interest, long_short_ratio; trades only if named")
      ->delimiter(',')
      ->capture_default_str();
  command.add_option("--intervals", arguments.intervals, "Lengths of candles: 1m,5m,1h,1d")
      ->delimiter(',')
      ->capture_default_str();
  command
      .add_option("--batch-size", arguments.batch_rows,
                  "Rows of a write into the database, instead of loader.batch_rows")
      ->check(CLI::Range(1, 1'000'000));
  command.add_flag("--force-refetch", arguments.forces_refetch, "Ask for what is there, too");
}

}  // namespace perp::app
