#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

namespace perp::warehouse {
namespace {

constexpr int log_retention_days = 30;

void drop_partition(Connection& connection, const std::string& table, const std::string& name) {
  // Detached first, without blocking readers of the other days; if this process dies between the
  // two statements FINALIZE and the drop are repeated by the next call.
  try {
    connection.execute(fmt::format("ALTER TABLE {} DETACH PARTITION {} CONCURRENTLY",
                                   quote_identifier(table), quote_identifier(name)));
  } catch (const DatabaseError& error) {
    if (error.sqlstate() != "55000") throw;  // an earlier detach of it was interrupted
    connection.execute(fmt::format("ALTER TABLE {} DETACH PARTITION {} FINALIZE",
                                   quote_identifier(table), quote_identifier(name)));
  }
  connection.execute(fmt::format("DROP TABLE {}", quote_identifier(name)));
}

void prune_series(Connection& connection, Backend backend, const std::string& table,
                  std::int64_t before_ms, bool is_dry_run, PruneReport& report) {
  const char* sql = backend == Backend::plain ? "SELECT perp_partitions_before($1, $2)"
                    : is_dry_run
                        ? "SELECT show_chunks($1::text::regclass, older_than => $2::bigint)::text"
                        : "SELECT drop_chunks($1::text::regclass, older_than => $2::bigint)::text";
  const QueryResult old = connection.query(sql, {table, before_ms});
  for (std::size_t i = 0; i < old.rows; ++i) {
    report.dropped.emplace_back(old.columns[0].text(i));
    if (backend == Backend::plain && !is_dry_run)
      drop_partition(connection, table, report.dropped.back());
  }
}

std::int64_t prune_log(Connection& connection, const char* table, std::int64_t before_ms,
                       bool is_dry_run) {
  const std::vector<Value> before{static_cast<double>(before_ms)};
  const std::string sql =
      is_dry_run
          ? fmt::format("SELECT count(*) FROM {} WHERE ts < to_timestamp($1 / 1000.0)", table)
          : fmt::format(
                "WITH gone AS (DELETE FROM {} WHERE ts < to_timestamp($1 / 1000.0) "
                "RETURNING 1) SELECT count(*) FROM gone",
                table);
  return connection.query(sql, before).columns[0].ints[0];
}

}  // namespace

PruneReport prune(Connection& connection, Backend backend, const PruneOptions& options,
                  std::int64_t now_ms) {
  if (options.older_than_days.value_or(1) < 1)
    throw core::Error("bad age", "older than", "expected at least 1 day");
  PruneReport report;
  const QueryResult series = connection.query(
      "SELECT table_name, retention_days::bigint FROM perp_series WHERE $1 = '' OR table_name = $1 "
      "ORDER BY table_name",
      {options.table});
  if (series.rows == 0)
    throw core::Error("no series of this name", options.table, "`perp db info` lists the series");
  for (std::size_t i = 0; i < series.rows; ++i) {
    const std::int64_t days =
        options.older_than_days.value_or(static_cast<int>(series.columns[1].ints[i]));
    if (days != 0)
      prune_series(connection, backend, std::string(series.columns[0].text(i)),
                   now_ms - days * day_ms, options.is_dry_run, report);
  }
  if (options.table.empty())
    for (const char* table : {"perp_status", "perp_errors"})
      report.log_rows +=
          prune_log(connection, table, now_ms - log_retention_days * day_ms, options.is_dry_run);
  return report;
}

int stored_retention_days(Connection& connection) {
  return static_cast<int>(
      connection
          .query("SELECT retention_days::bigint FROM perp_series WHERE table_name = $1",
                 {perp_data().name()})
          .columns[0]
          .ints.at(0));
}

int ensure_partitions(Connection& connection, std::string_view table, std::int64_t from_ms,
                      int days) {
  // Which are missing is read first; each is then made by a statement of its own, because the lock
  // that a loader may wait for is held to the end of the transaction.
  const QueryResult missing = connection.query(
      "SELECT DISTINCT s.table_name, first FROM perp_series s, generate_series(0, $3) d, "
      "LATERAL (SELECT ($2 + d * 86400000::bigint) / s.chunk_ms * s.chunk_ms AS first) f "
      "WHERE ($1 = '' OR s.table_name = $1) AND to_regclass(format('%s_p%s', s.table_name, "
      "to_char(to_timestamp(first / 1000.0) AT TIME ZONE 'UTC', 'YYYYMMDD'))) IS NULL "
      "ORDER BY first, s.table_name",
      {std::string(table), from_ms, static_cast<std::int32_t>(days - 1)});
  int made = 0;
  for (std::size_t i = 0; i < missing.rows; ++i)
    made += ensure_partition(connection, missing.columns[0].text(i), missing.columns[1].ints[i]);
  return made;
}

bool ensure_partition(Connection& connection, std::string_view table, std::int64_t ts_ms) {
  return connection.query("SELECT perp_ensure_partition($1, $2)", {std::string(table), ts_ms})
             .columns[0]
             .ints[0] != 0;
}

bool ensure_chunk(Connection& connection, std::string_view table, std::int64_t ts_ms) {
  return connection.query("SELECT perp_ensure_chunk($1, $2)", {std::string(table), ts_ms})
             .columns[0]
             .ints[0] != 0;
}

}  // namespace perp::warehouse
