#pragma once
// Old data leaves as whole partitions or chunks; rows of the hot tables are never deleted one by
// one. Called hourly by a loader that follows, and by `perp prune`. How long what is kept is in the
// database: perp_series.retention_days.
#include <perp/warehouse/backend.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perp::warehouse {

class Connection;

struct PruneOptions {
  std::string table{};                   ///< one series; empty: all of them, and the logs
  std::optional<int> older_than_days{};  ///< instead of what perp_series says; at least 1
  bool is_dry_run = false;               ///< only tells what would go
};

struct PruneReport {
  std::vector<std::string> dropped;  ///< partitions or chunks
  std::int64_t log_rows = 0;         ///< rows of perp_status and perp_errors past their 30 days
};

/// Drops what ended its series' retention or more before `now_ms`. Data lives up to its retention
/// plus one partition.
/// @throws DatabaseError, or core::Error on a table that is no series
PruneReport prune(Connection& connection, Backend backend, const PruneOptions& options,
                  std::int64_t now_ms);

/// What perp_series says of perp_data and perp_metrics; 0: for ever.
int stored_retention_days(Connection& connection);

/// Plain backend: makes the partitions of a series, or of every one (empty), for `days` days from
/// that of `from_ms` on (>= 0). @returns how many were not there. Other backends make their chunks
/// themselves.
int ensure_partitions(Connection& connection, std::string_view table, std::int64_t from_ms,
                      int days);
/// Plain backend: the partition of one series that holds `ts_ms`. @returns whether it was not there
bool ensure_partition(Connection& connection, std::string_view table, std::int64_t ts_ms);
/// TimescaleDB: the chunk of perp_data or perp_metrics that holds `ts_ms`, before a long
/// transaction makes it and keeps its lock. @returns whether it was not there
bool ensure_chunk(Connection& connection, std::string_view table, std::int64_t ts_ms);

}  // namespace perp::warehouse
