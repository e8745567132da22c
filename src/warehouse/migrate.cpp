#include "warehouse/events.hpp"

#include <perp/core/embedded.hpp>
#include <perp/core/time.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <span>

namespace perp::core::embedded {
std::span<const EmbeddedFile> sql_files();
}

namespace perp::warehouse {
namespace {

constexpr int days_ahead = 7;

constexpr const char* all_tables[] = {"perp_metrics",   "perp_data",      "perp_load_cursors",
                                      "perp_errors",    "perp_status",    "perpspec_schema",
                                      "symbol_aliases", "instruments",    "exchanges",
                                      "perp_settings",  "perp_migrations"};

std::string timescale_version(Connection& connection) {
  const QueryResult result =
      connection.query("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'");
  return result.rows == 0 ? std::string() : std::string(result.columns[0].text(0));
}

std::string timescale_license(Connection& connection) {
  const QueryResult result =
      connection.query("SELECT current_setting('timescaledb.license', true)");
  return std::string(result.columns[0].text(0));
}

bool is_offered(Connection& connection) {
  return connection.query("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'")
             .rows != 0;
}

// What the server can do, the extension created if it is wanted and offered.
Backend server_backend(Connection& connection, Backend wanted, std::vector<std::string>& warnings) {
  if (wanted == Backend::plain) return Backend::plain;
  if (timescale_version(connection).empty()) {
    if (!is_offered(connection)) {
      if (wanted == Backend::automatic) return Backend::plain;
      throw core::Error("backend not available", std::string(to_string(wanted)),
                        "this server has no TimescaleDB; use --backend plain or auto");
    }
    try {
      connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb");
    } catch (const DatabaseError& error) {
      if (wanted != Backend::automatic || error.is_connection_lost()) throw;
      warnings.push_back(fmt::format(
          "TimescaleDB is installed but refused ({}); daily partitions are used instead",
          error.what()));
      return Backend::plain;
    }
  }
  const Backend actual =
      timescale_license(connection) == "timescale" ? Backend::timescale : Backend::apache;
  if (wanted == Backend::timescale && actual == Backend::apache)
    throw core::Error("backend not available", "timescale",
                      "this server runs the Apache build (timescaledb.license = apache); use "
                      "--backend apache or auto");
  return wanted == Backend::automatic ? actual : wanted;
}

void drop_all(Connection& connection) {
  for (const char* table : all_tables)
    connection.execute(fmt::format("DROP TABLE IF EXISTS {} CASCADE", table));
  for (const char* function : {"now_ms", "perp_move_cursor", "perp_put_instrument",
                               "perp_ensure_partition", "perp_partitions_before"})
    connection.execute(fmt::format("DROP FUNCTION IF EXISTS {} CASCADE", function));
}

void apply_migrations(Connection& connection, std::vector<std::string>& applied) {
  connection.execute(
      "CREATE TABLE IF NOT EXISTS perp_migrations (name TEXT PRIMARY KEY, applied TIMESTAMPTZ NOT "
      "NULL DEFAULT now())");
  const QueryResult stored = connection.query("SELECT name FROM perp_migrations ORDER BY name");
  std::vector<std::string> known;
  for (std::size_t i = 0; i < stored.rows; ++i) known.emplace_back(stored.columns[0].text(i));
  const std::span<const core::EmbeddedFile> files = core::embedded::sql_files();
  for (const std::string& name : known)
    if (std::none_of(files.begin(), files.end(),
                     [&](const core::EmbeddedFile& file) { return file.name == name; }))
      throw core::Error(
          "the schema is newer than this program", name,
          "a migration of this name was applied by a later version; use that version");
  for (const core::EmbeddedFile& file : files) {
    if (std::find(known.begin(), known.end(), file.name) != known.end()) continue;
    connection.execute(std::string(file.text));
    connection.query("INSERT INTO perp_migrations (name) VALUES ($1)", {std::string(file.name)});
    applied.emplace_back(file.name);
  }
}

bool exists(Connection& connection, const std::string& table) {
  return connection.query("SELECT to_regclass($1) IS NOT NULL", {table}).columns[0].ints[0] != 0;
}

void create_series_table(Connection& connection, const Table& table, Backend backend) {
  if (!exists(connection, table.name())) {
    connection.execute(fmt::format("CREATE TABLE {} (\n  {}\n){}", table.name(), table.definition(),
                                   backend == Backend::plain ? " PARTITION BY RANGE (ts)" : ""));
    if (backend != Backend::plain) {
      connection.query(
          "SELECT create_hypertable($1::text::regclass, 'ts', chunk_time_interval => "
          "86400000::bigint, create_default_indexes => false)::text",
          {table.name()});
      connection.query("SELECT set_integer_now_func($1::text::regclass, 'now_ms')::text",
                       {table.name()});
    }
  }
  // A program with more extension columns than the one that made the table: they are added, never
  // removed.
  const QueryResult present = connection.query(
      "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 "
      "AND NOT attisdropped",
      {table.name()});
  for (const TableColumn& column : table.columns()) {
    bool is_present = false;
    for (std::size_t i = 0; i < present.rows; ++i)
      is_present = is_present || present.columns[0].text(i) == column.name;
    if (!is_present)
      connection.execute(
          fmt::format("ALTER TABLE {} ADD COLUMN {}", table.name(), Table::definition_of(column)));
  }
  for (const std::string& index : table.index_statements()) connection.execute(index);
}

// One row per (ts, symbol, exchange) over its specs; the RSI, computed from Binance closes, beside
// every venue.
void create_views(Connection& connection) {
  std::string columns;
  for (const TableColumn& column : perp_metrics().columns()) {
    if (column.role != ColumnRole::value) continue;
    const bool is_rsi = column.name.starts_with("rsi");
    columns += fmt::format(", max({}.{}) AS {}", is_rsi ? "r" : "m", column.name, column.name);
  }
  connection.execute(fmt::format(
      "CREATE OR REPLACE VIEW perp_wide AS SELECT m.ts, m.symbol, m.exchange{} FROM perp_metrics m "
      "LEFT JOIN perp_metrics r ON r.ts = m.ts AND r.symbol = m.symbol AND r.perpspec = 'rsi' "
      "WHERE m.perpspec <> 'rsi' GROUP BY m.ts, m.symbol, m.exchange",
      columns));
  connection.execute(
      "CREATE OR REPLACE VIEW latest_perp AS SELECT DISTINCT ON (symbol, exchange) * FROM "
      "perp_wide ORDER BY symbol, exchange, ts DESC");
}

void register_perpspecs(Connection& connection, std::span<const market::VenueId> venues) {
  std::vector<Statement> statements;
  for (const market::Perpspec& spec : market::perpspecs) {
    const bool is_enabled =
        std::find(venues.begin(), venues.end(), market::venue_of(spec.id)) != venues.end();
    if (!spec.is_seed && !is_enabled) continue;
    statements.push_back(perpspec_statement(spec));
  }
  for (const market::Venue& venue : market::venues)
    statements.push_back(
        {"INSERT INTO exchanges (id, code, name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
         {static_cast<std::int16_t>(venue.id), std::string(venue.code), std::string(venue.name)}});
  connection.pipeline(statements);
}

void store_setting(Connection& connection, const std::string& name, const std::string& value) {
  connection.query(
      "INSERT INTO perp_settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET "
      "value = EXCLUDED.value",
      {name, value});
}

// Community only: the server drops old chunks itself. Refused at run time, the loader's hourly
// prune takes over.
void set_policy(Connection& connection, int retention_days, std::vector<std::string>& warnings) {
  try {
    for (const Table* table : {&perp_data(), &perp_metrics()}) {
      connection.query(
          "SELECT remove_retention_policy($1::text::regclass, if_exists => true)::text",
          {table->name()});
      if (retention_days > 0)
        connection.query(
            "SELECT add_retention_policy($1::text::regclass, drop_after => $2::bigint)::text",
            {table->name(), retention_days * day_ms});
    }
  } catch (const DatabaseError& error) {
    if (error.is_connection_lost()) throw;
    warnings.push_back(
        fmt::format("no retention policy ({}); the loader drops old chunks itself", error.what()));
    connection.query(
        "INSERT INTO perp_status (script_name, status, message) VALUES ('perp db setup', "
        "'warning', $1)",
        {warnings.back()});
  }
}

}  // namespace

std::string_view to_string(Backend backend) {
  switch (backend) {
    case Backend::automatic: return "automatic";
    case Backend::timescale: return "timescale";
    case Backend::apache: return "apache";
    case Backend::plain: return "plain";
  }
  return "unknown";
}

Backend parse_backend(std::string_view text) {
  if (text == "auto") return Backend::automatic;
  for (Backend backend : {Backend::automatic, Backend::timescale, Backend::apache, Backend::plain})
    if (text == to_string(backend)) return backend;
  throw core::Error("unknown backend", std::string(text),
                    "expected auto, timescale, apache or plain");
}

Backend stored_backend(Connection& connection) {
  if (!exists(connection, "perp_settings")) return Backend::automatic;
  const QueryResult stored =
      connection.query("SELECT value FROM perp_settings WHERE name = 'backend'");
  return stored.rows == 0 ? Backend::automatic : parse_backend(stored.columns[0].text(0));
}

SetupReport setup(const std::string& dsn, const SetupOptions& options) {
  if (options.retention_days < 0)
    throw core::Error("bad retention", "retention_days",
                      "expected 0 (keep for ever) or a number of days");
  SetupReport report;
  Connection connection(dsn, "perp db setup");
  // Held until the connection closes: a second setup waits here and then finds everything done.
  connection.execute("SELECT pg_advisory_lock(hashtextextended('perp setup', 0))");
  Backend backend = options.backend;
  if (!options.drop) {
    const Backend stored = stored_backend(connection);
    if (stored != Backend::automatic && backend != Backend::automatic && stored != backend)
      throw core::Error(
          "the schema exists with another backend", std::string(to_string(backend)),
          fmt::format(
              "it was set up as {}; keep that, or use --drop to delete all data and start anew",
              to_string(stored)));
    if (stored != Backend::automatic) backend = stored;
  }
  backend = server_backend(connection, backend, report.warnings);
  connection.execute("BEGIN");
  if (options.drop) drop_all(connection);
  apply_migrations(connection, report.applied);
  for (const Table* table : {&perp_data(), &perp_metrics()})
    create_series_table(connection, *table, backend);
  create_views(connection);
  register_perpspecs(connection, options.venues);
  store_setting(connection, "backend", std::string(to_string(backend)));
  store_setting(connection, "retention_days", std::to_string(options.retention_days));
  if (backend == Backend::plain)
    ensure_partitions(connection, core::wall_now().ns / core::ns_per_ms, 1 + days_ahead);
  connection.execute("COMMIT");
  if (backend == Backend::timescale)
    set_policy(connection, options.retention_days, report.warnings);
  report.info = info(dsn);
  return report;
}

}  // namespace perp::warehouse
