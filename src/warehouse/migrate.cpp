#include "warehouse/compression.hpp"
#include "warehouse/edition.hpp"
#include "warehouse/events.hpp"
#include "warehouse/hot_tables.hpp"
#include "warehouse/roles.hpp"

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
constexpr int default_retention_days = 10;

bool exists(Connection& connection, const std::string& table) {
  return connection.query("SELECT to_regclass($1) IS NOT NULL", {table}).columns[0].ints[0] != 0;
}

// Everything of ours, views and functions included, and nothing else of the schema.
void drop_all(Connection& connection) {
  std::vector<std::string> tables{"perp_metrics", "perp_data"};
  if (exists(connection, "perp_series")) {
    const QueryResult series = connection.query("SELECT table_name FROM perp_series");
    for (std::size_t i = 0; i < series.rows; ++i) tables.emplace_back(series.columns[0].text(i));
  }
  tables.insert(tables.end(), other_tables().begin(), other_tables().end());
  for (const std::string& table : tables)
    connection.execute(fmt::format("DROP TABLE IF EXISTS {} CASCADE", quote_identifier(table)));
  connection.execute("DROP SEQUENCE IF EXISTS open_interest_snapshots_id_seq CASCADE");
  for (const char* function :
       {"now_ms", "perp_move_cursor", "perp_put_instrument", "perp_ensure_partition",
        "perp_ensure_chunk", "perp_partitions_before", "perp_create_series", "perp_note_change",
        "perp_checksum"})
    connection.execute(fmt::format("DROP FUNCTION IF EXISTS {} CASCADE", function));
}

// What the database has of our migrations, and how it compares.
struct SchemaState {
  std::vector<std::string> missing;  // files that are not applied yet
  std::string unknown;               // the first applied one that this program does not have
};

SchemaState schema_state(Connection& connection) {
  const QueryResult stored = connection.query("SELECT name FROM perp_migrations ORDER BY name");
  std::vector<std::string_view> applied;
  for (std::size_t i = 0; i < stored.rows; ++i) applied.push_back(stored.columns[0].text(i));
  const std::span<const core::EmbeddedFile> files = core::embedded::sql_files();
  SchemaState state;
  for (const core::EmbeddedFile& file : files)
    if (std::find(applied.begin(), applied.end(), file.name) == applied.end())
      state.missing.emplace_back(file.name);
  for (std::string_view name : applied)
    if (state.unknown.empty() && std::none_of(files.begin(), files.end(),
                                              [&](const auto& file) { return file.name == name; }))
      state.unknown = name;
  return state;
}

[[noreturn]] void refuse_newer(const std::string& name) {
  throw core::Error("the schema is newer than this program", name,
                    "a migration of this name was applied by a later version; use that version");
}

void apply_migrations(Connection& connection, Backend backend, std::vector<std::string>& applied) {
  connection.execute(
      "CREATE TABLE IF NOT EXISTS perp_migrations (name TEXT PRIMARY KEY, applied TIMESTAMPTZ NOT "
      "NULL DEFAULT now())");
  const SchemaState state = schema_state(connection);
  if (!state.unknown.empty()) refuse_newer(state.unknown);
  // Series are cut by it (perp_create_series); SET LOCAL ends with the transaction.
  connection.execute(fmt::format("SET LOCAL perp.backend = '{}'", to_string(backend)));
  for (const core::EmbeddedFile& file : core::embedded::sql_files()) {
    if (std::find(state.missing.begin(), state.missing.end(), file.name) == state.missing.end())
      continue;
    connection.execute(std::string(file.text));
    connection.query("INSERT INTO perp_migrations (name) VALUES ($1)", {std::string(file.name)});
    applied.emplace_back(file.name);
  }
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

// Where the numbers of retention are kept. `setup` without any leaves what is stored.
void store_retention(Connection& connection, const SetupOptions& options) {
  std::map<std::string, int> wanted = options.retention;
  if (options.retention_days)
    for (const Table* table : {&perp_data(), &perp_metrics()})
      wanted[table->name()] = *options.retention_days;
  for (const auto& [table, days] : wanted) {
    if (days < 0)
      throw core::Error("bad retention", table, "expected 0 (keep for ever) or a number of days");
    const QueryResult changed = connection.query(
        "UPDATE perp_series SET retention_days = $2 WHERE table_name = $1 RETURNING 1",
        {table, static_cast<std::int32_t>(days)});
    if (changed.rows == 0)
      throw core::Error("no series of this name has a retention", table,
                        "`perp db info` lists the series");
  }
}

/// Waits until no other setup runs. Held until the connection closes.
void lock_setup(Connection& connection) {
  connection.execute("SELECT pg_advisory_lock(hashtextextended('perp setup', 0))");
}

// All of one transaction: `backend` is known, what the server offers is there.
void bring_up_to_date(Connection& connection, Backend backend, const SetupOptions& options,
                      SetupReport& report) {
  connection.execute("BEGIN");
  if (options.drop) drop_all(connection);
  apply_migrations(connection, backend, report.applied);
  create_hot_tables(connection, options.retention_days.value_or(default_retention_days));
  register_perpspecs(connection, options.venues);
  for (const PerpspecFields& spec : options.perpspecs) put_perpspec(connection, spec, false);
  store_setting(connection, "backend", std::string(to_string(backend)));
  store_retention(connection, options);
  store_compression(connection, backend, options, report.warnings);
  if (options.roles) store_setting(connection, "roles", "on");
  grant_roles(connection);
  // Those of the other series are made when a daemon starts, or with the first row of a day.
  if (backend == Backend::plain)
    for (const Table* table : {&perp_data(), &perp_metrics()})
      ensure_partitions(connection, table->name(), core::wall_now().ns / core::ns_per_ms,
                        1 + days_ahead);
  connection.execute("COMMIT");
  if (backend == Backend::timescale) set_policies(connection, report.warnings);
}

}  // namespace

Backend stored_backend(Connection& connection) {
  if (!exists(connection, "perp_settings")) return Backend::automatic;
  const QueryResult stored =
      connection.query("SELECT value FROM perp_settings WHERE name = 'backend'");
  return stored.rows == 0 ? Backend::automatic : parse_backend(stored.columns[0].text(0));
}

Backend require_schema(Connection& connection, const std::string& who) {
  const Backend backend = stored_backend(connection);
  if (backend == Backend::automatic)
    throw core::Error("no perp schema in this database", who, "run `perp db setup` first");
  const SchemaState state = schema_state(connection);
  if (!state.unknown.empty()) refuse_newer(state.unknown);
  if (!state.missing.empty())
    throw core::Error("the schema is older than this program", who,
                      fmt::format("{} is not applied; run `perp db migrate`", state.missing[0]));
  return backend;
}

SetupReport setup(const std::string& dsn, const SetupOptions& options) {
  if (options.retention_days.value_or(0) < 0)
    throw core::Error("bad retention", "retention_days",
                      "expected 0 (keep for ever) or a number of days");
  SetupReport report;
  {
    Connection connection(dsn, "perp db setup");
    lock_setup(connection);
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
    bring_up_to_date(connection, backend, options, report);
  }
  report.info = info(dsn);
  return report;
}

SetupReport migrate(const std::string& dsn) {
  SetupReport report;
  {
    Connection connection(dsn, "perp db migrate");
    lock_setup(connection);
    const Backend backend = stored_backend(connection);
    if (backend == Backend::automatic)
      throw core::Error("no perp schema in this database", "perp db migrate",
                        "run `perp db setup` first");
    bring_up_to_date(connection, backend, {}, report);
  }
  report.info = info(dsn);
  return report;
}

}  // namespace perp::warehouse
