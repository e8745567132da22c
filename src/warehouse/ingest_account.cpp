#include "warehouse/facts.hpp"

#include <perp/warehouse/ingest_account.hpp>

namespace perp::warehouse {
namespace {

/// "" where a series has none.
std::string interval_of(const FactSeries& series) {
  return series.period_ns > 0 ? interval_text(series.period_ns) : std::string();
}

}  // namespace

SeriesContent content_of(Connection& connection, const SeriesSpan& span) {
  const QueryResult found = connection.query(
      "SELECT record_count, checksum FROM perp_checksum($1, $2, $3, $4, $5, $6)",
      {std::string(span.series.table), static_cast<std::int16_t>(span.series.venue),
       span.series.symbol, interval_of(span.series), span.start_ms, span.end_ms});
  return {found.columns[0].ints.at(0), std::string(found.columns[1].text(0))};
}

void put_data_versions(Connection& connection, const std::string& version, std::int64_t now_ms,
                       std::span<const RunSeries> of_run) {
  connection.execute("BEGIN");
  for (const auto& [span, was_fetched] : of_run)
    connection.query(
        "INSERT INTO data_versions (table_name, version, collection_date, exchange_id, symbol, "
        "interval, start_date, end_date, record_count, checksum) SELECT $1, $2, $3, $4, $5, $6, "
        "$7, $8, c.record_count, c.checksum FROM (SELECT WHERE $9 OR NOT EXISTS (SELECT FROM "
        "data_versions WHERE table_name = $1 AND exchange_id = $4 AND symbol = $5 AND interval = "
        "$6)) wanted, LATERAL perp_checksum($1, $4, $5, $6, $7, $8) c",
        {std::string(span.series.table), version, now_ms,
         static_cast<std::int16_t>(span.series.venue), span.series.symbol, interval_of(span.series),
         span.start_ms, span.end_ms, was_fetched});
  connection.execute("COMMIT");
}

QueryResult query_data_versions(Connection& connection, std::int64_t limit) {
  return connection.query(
      "SELECT v.version, v.collection_date AS collected_ts, v.table_name AS table, e.name AS "
      "exchange, v.symbol, v.interval, v.start_date AS from_ts, v.end_date AS to_ts, "
      "v.record_count AS rows, v.checksum FROM data_versions v LEFT JOIN exchanges e ON e.id = "
      "v.exchange_id ORDER BY v.id DESC LIMIT $1",
      {limit});
}

QueryResult check_data_versions(Connection& connection) {
  return connection.query(
      "SELECT v.table_name AS table, e.name AS exchange, v.symbol, v.interval, v.start_date AS "
      "from_ts, v.end_date AS to_ts, v.version, v.record_count AS rows, c.record_count AS "
      "rows_now, c.checksum = v.checksum AND c.record_count = v.record_count AS is_same FROM "
      "(SELECT DISTINCT ON (table_name, exchange_id, symbol, interval, start_date, end_date) * "
      "FROM data_versions WHERE exchange_id IS NOT NULL ORDER BY table_name, exchange_id, symbol, "
      "interval, start_date, end_date, id DESC) v JOIN exchanges e ON e.id = v.exchange_id, "
      "LATERAL perp_checksum(v.table_name, v.exchange_id, v.symbol, v.interval, v.start_date, "
      "v.end_date) c ORDER BY v.id");
}

void put_ingest_events(Connection& connection, std::int64_t ts_ms,
                       std::span<const IngestEvent> events) {
  std::vector<Statement> statements;
  for (const IngestEvent& event : events)
    statements.push_back(
        {"INSERT INTO ingest_events (exchange_id, event_type, status, message, ts) VALUES ($1, $2, "
         "$3, $4, $5)",
         {static_cast<std::int16_t>(event.venue), event.type, event.status,
          text_or_null(event.message), ts_ms}});
  connection.pipeline(statements);
}

}  // namespace perp::warehouse
