#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

namespace perp::warehouse {
namespace {

constexpr int log_retention_days = 30;

void drop_partitions(Connection& connection, const std::string& table, std::int64_t before_ms,
                     PruneReport& report) {
  const QueryResult old =
      connection.query("SELECT perp_partitions_before($1, $2)", {table, before_ms});
  for (std::size_t i = 0; i < old.rows; ++i) {
    const std::string name(old.columns[0].text(i));
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
    report.dropped.push_back(name);
  }
}

}  // namespace

PruneReport prune(Connection& connection, Backend backend, int retention_days,
                  std::int64_t now_ms) {
  PruneReport report;
  if (retention_days > 0) {
    const std::int64_t before_ms = now_ms - retention_days * day_ms;
    for (const Table* table : {&perp_data(), &perp_metrics()}) {
      if (backend == Backend::plain) {
        drop_partitions(connection, table->name(), before_ms, report);
      } else {
        const QueryResult dropped = connection.query(
            "SELECT drop_chunks($1::text::regclass, older_than => $2::bigint)::text",
            {table->name(), before_ms});
        for (std::size_t i = 0; i < dropped.rows; ++i)
          report.dropped.emplace_back(dropped.columns[0].text(i));
      }
    }
  }
  for (const char* table : {"perp_status", "perp_errors"}) {
    const QueryResult deleted =
        connection.query(fmt::format("WITH gone AS (DELETE FROM {} WHERE ts < to_timestamp($1 / "
                                     "1000.0) RETURNING 1) SELECT count(*) FROM gone",
                                     table),
                         {static_cast<double>(now_ms - log_retention_days * day_ms)});
    report.log_rows += deleted.columns[0].ints[0];
  }
  return report;
}

int ensure_partitions(Connection& connection, std::int64_t from_ms, int days) {
  std::vector<Statement> statements;
  for (int day = 0; day < days; ++day)
    for (const Table* table : {&perp_data(), &perp_metrics()})
      statements.push_back(
          {"SELECT perp_ensure_partition($1, $2)", {table->name(), from_ms + day * day_ms}});
  int created = 0;
  for (const QueryResult& result : connection.pipeline(statements))
    created += result.columns[0].ints[0] != 0 ? 1 : 0;
  return created;
}

}  // namespace perp::warehouse
