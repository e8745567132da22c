#include "app/live_options.hpp"

#include "app/status_color.hpp"

#include <perp/core/error.hpp>
#include <perp/market/venue_id.hpp>

#include <algorithm>

namespace perp::app {
namespace {

bool is_all(const std::vector<std::string>& list) { return list.size() == 1 && list[0] == "all"; }

bool takes_part(const Config& config, const market::Venue& venue) {
  const std::string special = "exchanges." + std::string(venue.key) + ".enabled";
  if (config.is_special("venues", special)) return config.boolean(special);
  const std::vector<std::string>& venues = config.list("venues");
  return is_all(venues) || std::find(venues.begin(), venues.end(), venue.key) != venues.end();
}

venue::StreamKinds kinds_of(const std::vector<std::string>& names) {
  if (is_all(names)) return venue::all_kinds;
  venue::StreamKinds kinds = 0;
  for (std::size_t i = 0; i < venue::stream_kind_count; ++i) {
    const auto kind = static_cast<venue::StreamKind>(i);
    if (std::find(names.begin(), names.end(), venue::name_of(kind)) != names.end())
      kinds |= venue::kinds_of(kind);
  }
  return kinds;
}

LiveVenueOptions venue_options(const Config& config, const market::Venue& venue) {
  const std::string key(venue.key);
  const std::string table = "exchanges." + key + ".";
  LiveVenueOptions options;
  options.cpu = static_cast<int>(config.integer("pins." + key));
  feed::LiveFeedOptions& feed = options.feed;
  feed.venue = venue.id;
  const std::vector<std::string>& symbols =
      config.list(config.is_special("symbols", table + "symbols") ? table + "symbols" : "symbols");
  if (!is_all(symbols)) feed.symbols = symbols;
  feed.kinds = kinds_of(config.list("streams"));
  feed.is_testnet = config.boolean(
      config.is_special("testnet", table + "testnet") ? table + "testnet" : "testnet");
  feed.websocket_origin = config.text(table + "websocket_url");
  feed.rest_origin = config.text(table + "rest_url");
  if (feed.websocket_origin.empty() != feed.rest_origin.empty())
    throw core::Error("one address without the other",
                      table + (feed.rest_origin.empty() ? "rest_url" : "websocket_url"),
                      "where one of websocket_url and rest_url is given, both are needed: else "
                      "two worlds would be mixed");
  if (const std::int64_t interval_s = config.integer("logging.status_s"); interval_s > 0)
    feed.latency_window_ns = interval_s * core::ns_per_second;
  feed.haste = static_cast<double>(config.integer("haste"));
  feed.ledger_folder = config.text("ledger_folder");
  feed.tls_ca_file = config.text("tls_ca");
  feed.obeys_proxy_variables = config.boolean("obeys_proxy_variables");
  feed.loop.gather_us = static_cast<unsigned>(config.integer("gather_us"));
  // Both were choices of their settings.
  static_cast<void>(net::parse_io_engine(config.text("io"), feed.loop.engine));
  static_cast<void>(core::parse_idle_kind(config.text("idle"), feed.loop.idle.kind));
  return options;
}

/// market_token without its "none".
std::vector<std::string> market_token_of(const Config& config) {
  const std::vector<std::string>& members = config.list("market_token");
  return members.size() == 1 && members[0] == "none" ? std::vector<std::string>{} : members;
}

state::StateOptions state_options(const Config& config) {
  const auto interval_ns = [&](const char* name) {
    return config.integer(name) * core::ns_per_second;
  };
  // Where the journal leaves out what books are made of there are none.
  const bool has_books = config.boolean("journal.keep_book_deltas");
  state::StateOptions options;
  options.market_token = market_token_of(config);
  options.depth_interval_ns = has_books ? interval_ns("depth_interval_s") : 0;
  options.ticker_interval_ns = interval_ns("ticker_interval_s");
  options.levels_interval_ns = has_books ? interval_ns("levels_interval_s") : 0;
  return options;
}

}  // namespace

std::string dsn_of(const Config& config) {
  const std::string& dsn = config.text("database.dsn");
  if (!dsn.empty() || config.text("database.host").empty()) return dsn;
  std::string made;
  const auto add = [&](const char* keyword, const std::string& value) {
    if (value.empty()) return;
    made += (made.empty() ? "" : " ") + std::string(keyword) + "='";
    for (const char c : value) {
      if (c == '\'' || c == '\\') made += '\\';
      made += c;
    }
    made += '\'';
  };
  add("host", config.text("database.host"));
  add("port", config.text("database.port"));
  add("dbname", config.text("database.database"));
  add("user", config.text("database.user"));
  add("password", config.text("database.password"));
  return made;
}

std::int64_t status_ns_of(const Config& config) {
  return config.integer("logging.status_s") * core::ns_per_second;
}

warehouse::LoaderOptions loader_options(const Config& config) {
  return {
      .dsn = dsn_of(config),
      .lanes = static_cast<unsigned>(config.integer("loader.lanes")),
      .batch_rows = static_cast<std::size_t>(config.integer("loader.batch_rows")),
      .fact_tables = config.list("loader.tables"),
      .flush_ms = config.integer("loader.flush_ms"),
      .keeps_retention = true,
      .retention_days = config.integer("db_retention_days") < 0
                            ? std::nullopt
                            : std::optional(static_cast<int>(config.integer("db_retention_days"))),
      .seal_after_hours = static_cast<int>(config.integer("seal_after_hours")),
      .program = "perp run"};
}

core::LogOptions log_options(const Config& config) {
  core::LogOptions options;
  static_cast<void>(core::parse_log_level(config.text("logging.level"), options.level));
  options.format =
      config.text("logging.format") == "json" ? core::LogFormat::json : core::LogFormat::text;
  options.sink = log_sink(config);
  return options;
}

void set_pipeline_options(const Config& config, PipelineOptions& options) {
  options.journal_folder = config.text("journal.folder");
  options.state = state_options(config);
  options.sync_ms = config.integer("journal.sync_ms");
  options.dsn = dsn_of(config);
  options.loader_lanes = static_cast<unsigned>(config.integer("loader.lanes"));
  options.fact_tables = config.list("loader.tables");
  options.feed_cpu = static_cast<int>(config.integer("pins.feed"));
  options.engine_cpu = static_cast<int>(config.integer("pins.engine"));
  options.ring_bytes = static_cast<std::size_t>(config.integer("ring_bytes"));
}

LiveOptions live_options(const Config& config) {
  LiveOptions options;
  for (const market::Venue& venue : market::venues)
    if (takes_part(config, venue)) options.venues.push_back(venue_options(config, venue));
  if (options.venues.empty())
    throw core::Error("no venue takes part", "venues", "enable one: `perp venues` lists them");
  options.ring_bytes = static_cast<std::size_t>(config.integer("ring_bytes"));
  engine::EngineOptions& engine = options.warehouse.engine;
  engine.journal.folder = config.text("journal.folder");
  engine.journal.sync_ms = config.integer("journal.sync_ms");
  engine.journal.segment_bytes =
      static_cast<std::uint64_t>(config.integer("journal.segment_bytes"));
  engine.journal.keep_book_deltas = config.boolean("journal.keep_book_deltas");
  engine.state = state_options(config);
  engine.checkpoint_every_ns = config.integer("journal.checkpoint_s") * core::ns_per_second;
  options.warehouse.engine_cpu = static_cast<int>(config.integer("pins.engine"));
  options.warehouse.loader = loader_options(config);
  options.status_ns = status_ns_of(config);
  return options;
}

}  // namespace perp::app
