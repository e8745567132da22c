#include <perp/core/error.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/table.hpp>
#include <perp/warehouse/upkeep.hpp>

#include <fmt/format.h>

#include <cmath>

namespace perp::warehouse {
namespace {

// Tables that are no series, and the column of epoch milliseconds that tells a row's age.
struct DatedTable {
  const char* table;
  const char* ms;
};
constexpr DatedTable dated_tables[] = {{"open_interest_alerts", "ts"},
                                       {"volume_alerts", "timestamp"},
                                       {"ingest_events", "ts"},
                                       {"quality_checks", "ts"},
                                       {"data_gaps", "gap_end"}};
constexpr const char* log_tables[] = {"perp_status", "perp_errors"};

bool is_hot(std::string_view table) {
  return table == perp_data().name() || table == perp_metrics().name();
}

std::vector<std::string> series_names(Connection& connection) {
  const QueryResult names =
      connection.query("SELECT table_name FROM perp_series ORDER BY table_name");
  std::vector<std::string> out;
  for (std::size_t i = 0; i < names.rows; ++i) out.emplace_back(names.columns[0].text(i));
  return out;
}

std::int64_t delete_rows(Connection& connection, const std::string& table,
                         const std::string& condition, std::int64_t before_ms) {
  return connection
      .query(fmt::format(
                 "WITH gone AS (DELETE FROM {} WHERE {} RETURNING 1) SELECT count(*) FROM gone",
                 quote_identifier(table), condition),
             {before_ms})
      .columns[0]
      .ints[0];
}

void check_fee(const char* name, std::optional<double> fee) {
  if (fee && !(*fee >= -0.01 && *fee <= 0.1))
    throw core::Error(
        "fee out of range", name,
        fmt::format("{}; a fraction from -0.01 to 0.1 is expected, 0.0005 is 5 bps", *fee));
}

}  // namespace

QueryResult query_exchange_stats(Connection& connection) {
  const QueryResult with_venue = connection.query(
      "SELECT s.table_name FROM perp_series s JOIN pg_attribute a ON a.attrelid = "
      "to_regclass(s.table_name) AND a.attname = 'exchange_id' ORDER BY 1");
  std::string counts =
      "SELECT e.id, 'perp_data' AS table_name, count(*) AS rows FROM perp_data d JOIN exchanges e "
      "ON "
      "e.code = d.exchange GROUP BY e.id";
  for (std::size_t i = 0; i < with_venue.rows; ++i)
    counts +=
        fmt::format(" UNION ALL SELECT exchange_id, '{0}', count(*) FROM {0} GROUP BY exchange_id",
                    with_venue.columns[0].text(i));
  return connection.query(
      fmt::format("SELECT e.name AS exchange, c.table_name AS table, c.rows FROM ({}) c JOIN "
                  "exchanges e ON e.id = "
                  "c.id ORDER BY e.id, c.rows DESC, c.table_name",
                  counts));
}

QueryResult query_symbol_stats(Connection& connection, std::int64_t limit) {
  return connection.query(
      "SELECT symbol, count(*) AS rows, count(DISTINCT perpspec) AS perpspecs, min(ts) AS "
      "first_ts, "
      "max(ts) AS last_ts FROM perp_data GROUP BY symbol ORDER BY rows DESC, symbol LIMIT $1",
      {limit});
}

QueryResult query_index_usage(Connection& connection) {
  // An index of a partition is a child of the parent's; a chunk's carries its index's name behind
  // the chunk's own.
  return connection.query(
      "SELECT t.table_name AS table, parent.relname::text AS index, coalesce(sum(used.idx_scan), "
      "0)::bigint AS scans, coalesce(sum(pg_relation_size(used.indexrelid)), 0)::bigint AS bytes "
      "FROM perp_series t JOIN pg_index i ON i.indrelid = to_regclass(t.table_name) "
      "JOIN pg_class parent ON parent.oid = i.indexrelid "
      "LEFT JOIN LATERAL (SELECT s.idx_scan, s.indexrelid FROM pg_stat_user_indexes s WHERE "
      "s.indexrelid = parent.oid OR s.indexrelid IN (SELECT inhrelid FROM pg_inherits WHERE "
      "inhparent "
      "= parent.oid) OR (s.relid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = "
      "i.indrelid) "
      "AND s.indexrelname LIKE '%\\_' || parent.relname)) used ON true "
      "GROUP BY 1, 2 HAVING coalesce(sum(used.idx_scan), 0) > 0 OR "
      "coalesce(sum(pg_relation_size(used.indexrelid)), 0) > 8192 ORDER BY 1, 2");
}

QueryResult query_status(Connection& connection, std::int64_t limit) {
  return connection.query(
      "SELECT (extract(epoch FROM ts) * 1000)::bigint AS ts, script_name, status, message, "
      "details::text AS details FROM perp_status ORDER BY perp_status.ts DESC, task_id DESC LIMIT "
      "$1",
      {limit});
}

QueryResult query_errors(Connection& connection, std::int64_t limit) {
  return connection.query(
      "SELECT (extract(epoch FROM ts) * 1000)::bigint AS ts, script_name, perpspec, error_type, "
      "error_code, error_message, details::text AS details FROM perp_errors ORDER BY "
      "perp_errors.ts DESC, error_id DESC LIMIT $1",
      {limit});
}

CleanReport clean_older(Connection& connection, Backend backend, int days, std::int64_t now_ms) {
  CleanReport report;
  report.dropped = prune(connection, backend, {.older_than_days = days}, now_ms).dropped;
  const std::int64_t before_ms = now_ms - days * day_ms;
  for (const std::string& table : series_names(connection))
    if (!is_hot(table)) report.rows += delete_rows(connection, table, "ts < $1", before_ms);
  for (const DatedTable& dated : dated_tables)
    report.rows += delete_rows(connection, dated.table, std::string(dated.ms) + " < $1", before_ms);
  for (const char* table : log_tables)
    report.rows += delete_rows(connection, table, "ts < timestamptz 'epoch' + $1 * interval '1 ms'",
                               before_ms);
  return report;
}

std::vector<std::string> truncate_all(Connection& connection) {
  std::vector<std::string> tables = series_names(connection);
  for (const DatedTable& dated : dated_tables) tables.emplace_back(dated.table);
  tables.insert(tables.end(), std::begin(log_tables), std::end(log_tables));
  for (const char* table : {"open_interest_liquid_symbols", "open_interest_liquid_history",
                            "kline_discovery_cache", "data_versions", "perp_rollup_due"})
    tables.emplace_back(table);
  // One by one: a hypertable can be emptied only by a statement of its own.
  connection.execute("BEGIN");
  for (const std::string& table : tables) connection.execute("TRUNCATE " + quote_identifier(table));
  connection.execute("COMMIT");
  return tables;
}

void update_fees(Connection& connection, market::VenueId venue, std::optional<double> maker,
                 std::optional<double> taker) {
  check_fee("maker", maker);
  check_fee("taker", taker);
  const double unknown = std::nan("");
  const QueryResult changed = connection.query(
      "UPDATE exchanges SET maker_fee = coalesce($2::float8::numeric, maker_fee), taker_fee = "
      "coalesce($3::float8::numeric, taker_fee), fee_tier = 'user' WHERE id = $1 RETURNING 1",
      {static_cast<std::int16_t>(venue), number_or_null(maker.value_or(unknown)),
       number_or_null(taker.value_or(unknown))});
  if (changed.rows == 0)
    throw core::Error("no such venue in this database", "exchanges", "run `perp db migrate`");
}

}  // namespace perp::warehouse
