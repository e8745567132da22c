#pragma once
// What a run that fetches data leaves about itself: an event for each venue and kind of data
// (ingest_events), and a version of each series that it fetched something of, with a checksum that
// can be computed again (data_versions). Cold path, one thread per Connection. Throws DatabaseError
// and core::Error.
#include <perp/market/venue_id.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/history.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace perp::warehouse {

/// Of klines, funding_rates, open_interest, long_short_ratio or trades.
struct SeriesSpan {
  FactSeries series{};
  std::int64_t start_ms = 0;  ///< [start, end)
  std::int64_t end_ms = 0;
};

/// What is stored of it.
struct SeriesContent {
  std::int64_t rows = 0;
  std::string checksum{};  ///< SHA-256, hex; what of says sql/0009_data_versions.sql
  bool operator==(const SeriesContent&) const = default;
};
/// Reads every row: a second for some million.
SeriesContent content_of(Connection& connection, const SeriesSpan& span);

/// A series that a run was asked for.
struct RunSeries {
  SeriesSpan span{};
  bool was_fetched = false;  ///< something of it was missing
};
/// Stores what is there of each that was fetched, or that has no version yet, as one version; all
/// or none. @param version of the run, its time for example
void put_data_versions(Connection& connection, const std::string& version, std::int64_t now_ms,
                       std::span<const RunSeries> of_run);
/// The newest versions first: version, collected_ts, table, exchange, symbol, interval, from_ts,
/// to_ts, rows, checksum.
QueryResult query_data_versions(Connection& connection, std::int64_t limit);
/// The newest version of each series and span, computed again: table, exchange, symbol, interval,
/// from_ts, to_ts, version, rows, rows_now, is_same.
QueryResult check_data_versions(Connection& connection);

struct IngestEvent {
  market::VenueId venue = market::VenueId::none;
  std::string type{};    ///< "backfill klines"
  std::string status{};  ///< complete, partial, failed or stopped
  std::string message{};
};
/// @param ts_ms of all of them
void put_ingest_events(Connection& connection, std::int64_t ts_ms,
                       std::span<const IngestEvent> events);

}  // namespace perp::warehouse
