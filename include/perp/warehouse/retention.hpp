#pragma once
// Old days leave as whole partitions or chunks; rows are never deleted one by one from the hot
// tables. Called hourly by a loader whose backend has no policy of its own, and by `perp db prune`.
#include <perp/warehouse/migrate.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace perp::warehouse {

class Connection;

struct PruneReport {
  std::vector<std::string> dropped;  ///< partitions or chunks
  std::int64_t log_rows = 0;         ///< rows of perp_status and perp_errors past their 30 days
};

/// Drops what ended `retention_days` or more before `now_ms`; 0 days drops nothing. Data lives up
/// to its retention plus one day. @throws DatabaseError
PruneReport prune(Connection& connection, Backend backend, int retention_days, std::int64_t now_ms);

/// Plain backend: makes the daily partitions of perp_data and perp_metrics from the day of
/// `from_ms` on.
/// @returns how many were not there. Other backends make their chunks themselves.
int ensure_partitions(Connection& connection, std::int64_t from_ms, int days);

}  // namespace perp::warehouse
