#pragma once
// What a person does to a warehouse by hand: look at its size, its log and its errors, empty it,
// correct a venue's fees. Cold path, one thread per Connection. Throws DatabaseError and
// core::Error.
#include <perp/market/venue_id.hpp>
#include <perp/warehouse/backend.hpp>
#include <perp/warehouse/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace perp::warehouse {

class Connection;

/// Rows per venue and table, of perp_data and each series that names venues: exchange, table, rows.
/// Counts every row: seconds on a large warehouse.
QueryResult query_exchange_stats(Connection& connection);
/// The symbols with most rows in perp_data: symbol, rows, perpspecs, first_ts, last_ts.
QueryResult query_symbol_stats(Connection& connection, std::int64_t limit);

/// How often each index of the series was used since the statistics began: table, index, scans,
/// bytes; partitions and chunks summed.
QueryResult query_index_usage(Connection& connection);

/// The latest rows of perp_status, newest first: ts (epoch ms), script_name, status, message,
/// details.
QueryResult query_status(Connection& connection, std::int64_t limit);
/// The latest rows of perp_errors, newest first: ts (epoch ms), script_name, perpspec, error_type,
/// error_code, error_message, details.
QueryResult query_errors(Connection& connection, std::int64_t limit);

struct CleanReport {
  std::vector<std::string> dropped;  ///< partitions or chunks that were older as a whole
  std::int64_t rows = 0;             ///< deleted one by one from what was older only in part
};
/// Removes what is older than `days` (>= 1): whole partitions everywhere, then row by row in every
/// series but perp_data and perp_metrics, in alerts and in logs.
CleanReport clean_older(Connection& connection, Backend backend, int days, std::int64_t now_ms);

/// Empties every series, the alerts and the logs. Reference data, the registry and the loader's
/// cursors stay. @returns the tables' names
std::vector<std::string> truncate_all(Connection& connection);

/// Fees as fractions (0.0005 is 5 bps); what is not given stays. fee_tier becomes 'user'. @throws
/// core::Error unless -0.01 <= fee <= 0.1
void update_fees(Connection& connection, market::VenueId venue, std::optional<double> maker,
                 std::optional<double> taker);

}  // namespace perp::warehouse
