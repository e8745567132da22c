#pragma once
// What a warehouse needs done on time whatever its server's edition: partitions made ahead, old
// ones dropped, rollups computed, closed days sealed. One at work per database (an advisory lock):
// of several programs the others do nothing. Its own connection, so that the loader's batches never
// wait for it.
#include <perp/warehouse/retention.hpp>

#include <atomic>
#include <functional>
#include <optional>
#include <string>

namespace perp::warehouse {

class Connection;

struct MaintenanceOptions {
  std::string dsn{};
  /// Stored in perp_series for perp_data and perp_metrics first; nothing: what the database says
  /// stands.
  std::optional<int> retention_days{};
  /// Plain backend: days of perp_data and perp_metrics that began as many hours ago are sealed
  /// (seal.hpp), one a minute; 0: never.
  int seal_after_hours = 0;
  std::function<void(const std::string&)> on_event{};  ///< one line per trouble
  std::function<void(const std::string&)> on_done{};   ///< one line per thing done: dropped, sealed
  /// Asked before anything is done in a server: throws DatabaseError where nothing is to be.
  std::function<void(Connection&)> admit{};
};

/// Makes partitions ahead of `now_ms` and drops old ones. @returns nothing if another program is at
/// it. @throws DatabaseError, core::Error
std::optional<PruneReport> maintain(const MaintenanceOptions& options, std::int64_t now_ms);

/// The same each hour, and rollups and sealing each minute, until `stop`; a server that is away is
/// told and tried again. Never throws but on a schema that is not ours.
void keep_maintained(const MaintenanceOptions& options, const std::atomic<bool>& stop);

}  // namespace perp::warehouse
