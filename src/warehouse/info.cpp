#include "warehouse/compression.hpp"
#include "warehouse/edition.hpp"

#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/rollup.hpp>
#include <perp/warehouse/seal.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

namespace perp::warehouse {
namespace {

constexpr std::int64_t estimate_from_rows = 1'000'000;

Info::TableInfo describe(Connection& connection, const std::string& table) {
  // Partitions and chunks are children of the table; a never analysed one has reltuples -1.
  const QueryResult tree = connection.query(
      "SELECT count(*) - 1, sum(pg_total_relation_size(c.oid))::bigint, sum(greatest(c.reltuples, "
      "0))::bigint, "
      "coalesce(bool_or(c.reltuples < 0 AND c.relkind = 'r' AND pg_relation_size(c.oid) > 0), "
      "false) "
      "FROM pg_class c WHERE c.oid = $1::text::regclass OR c.oid IN (SELECT inhrelid FROM "
      "pg_inherits WHERE inhparent = $1::text::regclass)",
      {table});
  Info::TableInfo out;
  out.name = table;
  out.partitions = tree.columns[0].ints[0];
  out.bytes = tree.columns[1].ints[0];
  out.rows = tree.columns[2].ints[0];
  const bool has_unknown = tree.columns[3].ints[0] != 0;
  out.is_estimate = !has_unknown && out.rows > estimate_from_rows;
  if (!out.is_estimate)
    out.rows = connection.query(fmt::format("SELECT count(*) FROM {}", quote_identifier(table)))
                   .columns[0]
                   .ints[0];
  return out;
}

}  // namespace

Info info(const std::string& dsn) {
  Connection connection(dsn, "perp db info");
  Info out;
  out.server_version = connection.parameter_status("server_version");
  const QueryResult extension = connection.query(
      "SELECT extversion, coalesce(current_setting('timescaledb.license', true), '') FROM "
      "pg_extension WHERE extname = 'timescaledb'");
  if (extension.rows != 0) {
    out.timescale_version = extension.columns[0].text(0);
    out.timescale_license = extension.columns[1].text(0);
  }
  out.backend = stored_backend(connection);
  if (out.backend == Backend::automatic) return out;
  static_cast<void>(require_schema(connection, "perp db info"));
  const QueryResult series = connection.query(
      "SELECT table_name, retention_days::bigint, compress_days::bigint FROM perp_series ORDER BY "
      "table_name");
  for (std::size_t i = 0; i < series.rows; ++i) {
    out.tables.push_back(describe(connection, std::string(series.columns[0].text(i))));
    out.tables.back().retention_days = static_cast<int>(series.columns[1].ints[i]);
    if (!series.columns[2].is_null(i))
      out.tables.back().compress_days = static_cast<int>(series.columns[2].ints[i]);
  }
  if (out.backend == Backend::timescale) read_compression(connection, out.tables);
  for (const std::string_view table : other_tables())
    out.tables.push_back(describe(connection, std::string(table)));
  const QueryResult specs =
      connection.query("SELECT count(*), count(*) FILTER (WHERE seed) FROM perpspec_schema");
  out.perpspecs = specs.columns[0].ints[0];
  out.seed_perpspecs = specs.columns[1].ints[0];
  out.retention_days = stored_retention_days(connection);
  if (out.backend == Backend::timescale) out.failed_policies = failed_policies(connection);
  out.sealed_partitions =
      connection
          .query(
              "SELECT count(*) FROM pg_inherits i WHERE i.inhparent IN (to_regclass('perp_data'), "
              "to_regclass('perp_metrics')) AND obj_description(i.inhrelid, 'pg_class') = $1",
              {std::string(seal_mark)})
          .columns[0]
          .ints[0];
  const QueryResult due = connection.query(
      "SELECT count(*), min(ts + level_ms) FILTER (WHERE ts + level_ms + $1 <= now_ms()) FROM "
      "perp_rollup_due",
      {rollup_grace_ms});
  out.rollups_due = due.columns[0].ints[0];
  if (!due.columns[1].is_null(0)) out.rollups_due_since_ms = due.columns[1].ints[0];
  const QueryResult cursors = connection.query(
      "SELECT lane, lanes, journal, position, updated FROM perp_load_cursors ORDER BY lane");
  for (std::size_t i = 0; i < cursors.rows; ++i)
    out.cursors.push_back({static_cast<int>(cursors.columns[0].ints[i]),
                           static_cast<int>(cursors.columns[1].ints[i]),
                           std::string(cursors.columns[2].text(i)), cursors.columns[3].ints[i],
                           cursors.columns[4].ints[i]});
  return out;
}

}  // namespace perp::warehouse
