#include "app/commands.hpp"
#include "app/output.hpp"

#include <perp/core/error.hpp>
#include <perp/core/page_memory.hpp>
#include <perp/warehouse/query.hpp>

#include <charconv>
#include <cstdio>
#include <limits>
#include <memory>

namespace perp::app {
namespace {

struct QueryOptions {
  std::vector<std::string> symbols;
  std::vector<std::string> perpspecs;
  std::vector<std::string> columns;
  std::string from;
  std::string to;
  std::string at;
  double threshold = 2.0;
  std::string table = "perp_data";
  std::string venue;
  std::string interval;
  std::string kind;
  std::vector<std::string> keys;
  std::string every;
};

constexpr const char* time_help =
    "UTC: 2026-11-01, 2026-11-01T12:30, epoch seconds or milliseconds";

std::int64_t from_ms(const QueryOptions& options) {
  return options.from.empty() ? 0 : parse_time_ms(options.from, "--from");
}
std::int64_t to_ms(const QueryOptions& options) {
  return options.to.empty() ? std::numeric_limits<std::int64_t>::max()
                            : parse_time_ms(options.to, "--to");
}

/// "1m", "90s", "4h", "1d" -> ms.
std::int64_t parse_interval_ms(const std::string& text, const std::string& option) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec == std::errc{} && number > 0 && number < 1'000'000 && parsed.ptr + 1 == end)
    switch (*parsed.ptr) {
      case 's': return number * 1000;
      case 'm': return number * 60'000;
      case 'h': return number * 3'600'000;
      case 'd': return number * 86'400'000;
      default: break;
    }
  throw core::Error("'" + text + "' is not an interval", option, "expected 30s, 1m, 4h or 1d");
}

/// The series that the options name: `interval` and `period` are one option.
warehouse::SeriesKey series_of(const QueryOptions& options) {
  warehouse::SeriesKey out{options.table, {}};
  const auto add = [&](const char* column, const std::string& value) {
    if (!value.empty()) out.equal.emplace_back(column, value);
  };
  if (!options.symbols.empty()) add("symbol", options.symbols.front());
  if (!options.perpspecs.empty()) add("perpspec", options.perpspecs.front());
  add("exchange_id", options.venue);
  const bool has_period = options.table == "open_interest" || options.table == "long_short_ratio";
  add(has_period ? "period" : "interval", options.interval);
  add("kind", options.kind);
  for (const std::string& key : options.keys) {
    const std::size_t sign = key.find('=');
    if (sign == 0 || sign == std::string::npos || sign + 1 == key.size())
      throw core::Error("'" + key + "' is no part of a key", "--key",
                        "expected COLUMN=VALUE, for example trade_amount=1000");
    out.equal.emplace_back(key.substr(0, sign), key.substr(sign + 1));
  }
  return out;
}

/// Keeps the asked columns, in the asked order; the keys are always there. Side by side, a name
/// stands for that column of every perpspec.
warehouse::QueryResult select(warehouse::QueryResult result,
                              const std::vector<std::string>& names) {
  if (names.empty()) return result;
  warehouse::QueryResult out;
  out.rows = result.rows;
  for (const char* key : {"ts", "symbol", "perpspec"})
    if (const warehouse::ColumnData* column = result.find(key)) out.columns.push_back(*column);
  for (const std::string& name : names) {
    bool is_found = false;
    for (warehouse::ColumnData& column : result.columns) {
      if (column.name != name && !column.name.ends_with("." + name)) continue;
      is_found = true;
      if (out.find(column.name) == nullptr) out.columns.push_back(column);
    }
    if (!is_found)
      throw core::Error("unknown column '" + name + "'", "--columns",
                        "see the query without --columns");
  }
  return out;
}

/// "bin-ohlcv.c" and "c" are the column c.
std::vector<std::string> without_perpspecs(std::vector<std::string> names) {
  for (std::string& name : names) name.erase(0, name.rfind('.') + 1);
  return names;
}

void add_range(CLI::App& command, QueryOptions& options) {
  command.add_option("--from", options.from, std::string("First time, ") + time_help);
  command.add_option("--to", options.to,
                     std::string("Last time (`pd` and `wicks`: not included), ") + time_help);
}

}  // namespace

void add_query(CLI::App& app, Context& context) {
  auto* query = app.add_subcommand(
      "query", "Ask the warehouse: raw rows, metrics, one moment, wick rejections, gaps.");
  query->require_subcommand(1);
  query->footer(
      "Examples:\n"
      "  perp query pd --symbol BTC --perpspec bin-ohlcv --from 2026-11-01T00:10 --to "
      "2026-11-01T00:20\n"
      "  perp query metrics --symbol SOL --perpspec bin-ohlcv,byb-ohlcv --columns c,c_chg_5m "
      "--format csv\n"
      "  perp query snapshot --symbol BTC --at 2026-11-01T00:30\n"
      "  perp query wide --symbol BTC --perpspec bin-ohlcv,byb-oi,rsi --columns c,oi,rsi1\n"
      "  perp query wicks --symbol DOGE --perpspec bin-ohlcv --threshold 0.5\n"
      "  perp query gaps --symbol BTC --perpspec bin-ohlcv\n"
      "  perp query gaps --table klines --venue binance --symbol BTC --interval 5m\n"
      "  perp query gaps --table slippage --venue okx --symbol BTC --key trade_amount=1000 --every "
      "30s");
  auto options = std::make_shared<QueryOptions>();
  const auto add = [&](const char* name, const char* help, bool has_many_specs, bool has_range) {
    auto* command = query->add_subcommand(name, help);
    add_dsn(*command, context, true);
    add_format(*command, context, {"table", "json", "csv"});
    command
        ->add_option("--symbol,--symbols", options->symbols,
                     "SOL, SOLUSDT, SOL/USDT or SOL-USDT-PERP; a list where several make sense")
        ->delimiter(',')
        ->required();
    auto* spec = command
                     ->add_option("--perpspec,--perpspecs", options->perpspecs,
                                  "As in perpspec_schema: bin-ohlcv, okx-oi, rsi")
                     ->delimiter(',');
    if (!has_many_specs) spec->required();
    command->add_option("--columns", options->columns, "Only these (default: all)")->delimiter(',');
    if (has_range) add_range(*command, *options);
    return command;
  };
  // A day of three series into columns and then into text is 5 MiB in pieces.
  query->parse_complete_callback([] { core::prepare_heap(std::size_t{16} << 20); });
  const auto print = [&context](const warehouse::QueryResult& result) {
    app::print(result, context.format);
  };
  const auto all_specs = [](warehouse::Connection& connection,
                            const std::vector<std::string>& names) {
    return names.empty() ? warehouse::query_perpspec_names(connection) : names;
  };

  add("pd", "perp_data rows of one series, from <= ts < to, ascending", false, true)
      ->callback([&context, options, print] {
        warehouse::Connection connection(context.dsn);
        print(select(warehouse::query_perp_data(connection, options->perpspecs.front(),
                                                options->symbols.front(), from_ms(*options),
                                                to_ms(*options)),
                     options->columns));
      });
  add("metrics", "perp_metrics rows of several series, ordered by ts, symbol, perpspec", true, true)
      ->callback([&context, options, print, all_specs] {
        warehouse::Connection connection(context.dsn);
        print(select(warehouse::query_metrics(connection, options->symbols,
                                              all_specs(connection, options->perpspecs),
                                              from_ms(*options), to_ms(*options), options->columns),
                     options->columns));
      });
  add("wide", "The same side by side: a row per minute and symbol, missing perpspecs as NULL", true,
      true)
      ->callback([&context, options, print, all_specs] {
        warehouse::Connection connection(context.dsn);
        print(select(warehouse::query_metrics_wide(
                         connection, options->symbols, all_specs(connection, options->perpspecs),
                         from_ms(*options), to_ms(*options), without_perpspecs(options->columns)),
                     options->columns));
      });
  auto* snapshot =
      add("snapshot", "perp_metrics of one symbol at one minute, a row per perpspec", true, false);
  snapshot->add_option("--at,--ts", options->at, std::string("The minute, ") + time_help)
      ->required();
  snapshot->callback([&context, options, print, all_specs] {
    warehouse::Connection connection(context.dsn);
    print(select(warehouse::query_metrics_at(connection, options->symbols.front(),
                                             all_specs(connection, options->perpspecs),
                                             parse_time_ms(options->at, "--at")),
                 options->columns));
  });
  auto* wicks =
      add("wicks", "Bars whose upper or lower wick exceeds a share of the price", false, true);
  wicks->add_option("--threshold", options->threshold, "Percent of the body's edge")
      ->capture_default_str();
  wicks->callback([&context, options, print] {
    warehouse::Connection connection(context.dsn);
    print(select(warehouse::query_wick_rejections(connection, options->symbols.front(),
                                                  options->perpspecs.front(), from_ms(*options),
                                                  to_ms(*options), options->threshold),
                 options->columns));
  });

  auto* gaps = query->add_subcommand(
      "gaps", "Holes inside a series: the rows around each, and how many are missing");
  add_dsn(*gaps, context, true);
  add_format(*gaps, context, {"table", "json", "csv"});
  gaps->add_option("--table", options->table, "A series as `perp db info` lists them")
      ->capture_default_str();
  gaps->add_option("--symbol", options->symbols, "SOL, SOLUSDT, SOL/USDT or SOL-USDT-PERP");
  gaps->add_option("--perpspec", options->perpspecs, "Of perp_data and perp_metrics: bin-ohlcv");
  gaps->add_option("--venue", options->venue, "Of the other tables: binance or bin");
  gaps->add_option("--interval,--period", options->interval,
                   "Of candles, open interest and ratios: 1m, 5m, 1h, 1d");
  gaps->add_option("--kind", options->kind, "Of ratios: global_account");
  gaps->add_option("--key", options->keys,
                   "COLUMN=VALUE of the table's key, where no option above names it: "
                   "trade_amount=1000, source=snapshot, name=top_gainers; may be repeated");
  gaps->add_option("--every", options->every,
                   "Expected distance of two rows (default: --interval, else 1m)");
  add_range(*gaps, *options);
  gaps->callback([&context, options, print] {
    const std::string every = !options->every.empty()      ? options->every
                              : !options->interval.empty() ? options->interval
                                                           : "1m";
    const std::int64_t interval_ms = parse_interval_ms(every, "--every");
    warehouse::Connection connection(context.dsn);
    print(warehouse::query_gaps(connection, series_of(*options), from_ms(*options), to_ms(*options),
                                interval_ms));
  });
}

}  // namespace perp::app
