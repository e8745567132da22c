#include "warehouse/edition.hpp"

#include "warehouse/compression.hpp"

#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

namespace perp::warehouse {
namespace {

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

void set_retention(Connection& connection, const std::string& table, std::int64_t days,
                   std::vector<std::string>& warnings) {
  std::vector<Statement> statements{
      {"SELECT remove_retention_policy($1::text::regclass, if_exists => true)::text", {table}}};
  if (days > 0)
    statements.push_back(
        {fmt::format("SELECT add_retention_policy($1::text::regclass, drop_after => $2::bigint, "
                     "schedule_interval => {})::text",
                     policy_interval),
         {table, days * day_ms}});
  try_policy(connection, warnings, ("retention policy of " + table).c_str(),
             "the loader drops old chunks itself", statements);
}

// Closed chunks in order of their series; the server leaves the latest three alone. Those of a
// table that is compressed come into that order thereby, and reordering them would be refused each
// time.
void set_reorder(Connection& connection, std::vector<std::string>& warnings) {
  for (const auto& [table, index] : {std::pair("perp_data", "idx_data_symbol_perpspec"),
                                     std::pair("perp_metrics", "idx_metrics_symbol_perpspec")}) {
    const bool is_compressed =
        connection
            .query("SELECT 1 FROM perp_series WHERE table_name = $1 AND compress_days > 0",
                   {std::string(table)})
            .rows != 0;
    std::vector<Statement> statements{
        {"SELECT remove_reorder_policy($1::text::regclass, if_exists => true)::text",
         {std::string(table)}}};
    if (!is_compressed)
      statements.push_back({fmt::format("SELECT alter_job(add_reorder_policy($1::text::regclass, "
                                        "$2::text::name), schedule_interval => {})::text",
                                        policy_interval),
                            {std::string(table), std::string(index)}});
    try_policy(connection, warnings, (std::string("reordering of ") + table).c_str(),
               "chunks stay in the order of their arrival", statements);
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
          "TimescaleDB is installed but refused ({}); partitions are used instead", error.what()));
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

void set_policies(Connection& connection, std::vector<std::string>& warnings) {
  const QueryResult series = connection.query(
      "SELECT table_name, retention_days::bigint FROM perp_series ORDER BY table_name");
  for (std::size_t i = 0; i < series.rows; ++i)
    set_retention(connection, std::string(series.columns[0].text(i)), series.columns[1].ints[i],
                  warnings);
  set_reorder(connection, warnings);
  set_compression(connection, warnings);
}

void try_policy(Connection& connection, std::vector<std::string>& warnings, const char* what,
                const char* instead, const std::vector<Statement>& statements) {
  try {
    for (const Statement& statement : statements) connection.query(statement.sql, statement.values);
  } catch (const DatabaseError& error) {
    if (error.is_connection_lost()) throw;
    warnings.push_back(fmt::format("{}: refused ({}); {}", what, error.what(), instead));
    connection.query(
        "INSERT INTO perp_status (script_name, status, message) VALUES ('perp db setup', "
        "'warning', $1)",
        {warnings.back()});
  }
}

std::vector<std::string> failed_policies(Connection& connection) {
  const QueryResult failed = connection.query(
      "SELECT j.proc_name::text, j.hypertable_name::text, coalesce((SELECT e.err_message FROM "
      "timescaledb_information.job_errors e WHERE e.job_id = j.job_id ORDER BY e.start_time DESC "
      "LIMIT 1), 'reason unknown') FROM timescaledb_information.jobs j JOIN "
      "timescaledb_information.job_stats s USING (job_id) WHERE s.last_run_status = 'Failed' AND "
      "j.hypertable_name IN (SELECT table_name FROM perp_series) ORDER BY 2, 1");
  std::vector<std::string> out;
  for (std::size_t i = 0; i < failed.rows; ++i)
    out.push_back(fmt::format("the server's {} of {} failed: {}", failed.columns[0].text(i),
                              failed.columns[1].text(i), failed.columns[2].text(i)));
  return out;
}

}  // namespace perp::warehouse
