#include "warehouse/claim.hpp"
#include "warehouse/edition.hpp"

#include <perp/core/time.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/maintenance.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

namespace perp::warehouse {
namespace {

constexpr int days_ahead = 7;
constexpr std::int64_t period_ms = 3'600'000;
constexpr std::int64_t retry_ms = 60'000;

/// @returns whether it was another before
bool store_retention(Connection& connection, int days) {
  bool has_changed = false;
  for (const Table* table : {&perp_data(), &perp_metrics()})
    has_changed |= connection
                       .query(
                           "UPDATE perp_series SET retention_days = $2 WHERE table_name = $1 AND "
                           "retention_days <> $2 RETURNING 1",
                           {table->name(), static_cast<std::int32_t>(days)})
                       .rows != 0;
  return has_changed;
}

}  // namespace

std::optional<PruneReport> maintain(const MaintenanceOptions& options, std::int64_t now_ms) {
  Connection connection(options.dsn, "perp maintenance");
  const Backend backend = require_schema(connection, "maintenance");
  // Held until the connection closes.
  if (connection.query("SELECT pg_try_advisory_lock(hashtextextended('perp maintenance', 0))")
          .columns[0]
          .ints[0] == 0)
    return std::nullopt;
  const bool has_changed =
      options.retention_days && store_retention(connection, *options.retention_days);
  if (has_changed && backend == Backend::timescale) {
    std::vector<std::string> warnings;
    set_policies(connection, warnings);
    if (options.on_event)
      for (const std::string& warning : warnings) options.on_event("maintenance: " + warning);
  }
  if (backend == Backend::plain) ensure_partitions(connection, {}, now_ms, 1 + days_ahead);
  return prune(connection, backend, {}, now_ms);
}

void keep_maintained(const MaintenanceOptions& options, const std::atomic<bool>& stop) {
  const auto tell = [&](const std::string& what) {
    if (options.on_event) options.on_event("maintenance: " + what);
  };
  for (std::int64_t wait_ms = 0; pause_unless(stop, wait_ms);) {
    wait_ms = period_ms;
    try {
      const std::optional<PruneReport> report =
          maintain(options, core::wall_now().ns / core::ns_per_ms);
      if (!report) continue;
      for (const std::string& name : report->dropped) tell("dropped " + name);
      if (report->log_rows != 0)
        tell(fmt::format("{} old rows of perp_status and perp_errors deleted", report->log_rows));
    } catch (const DatabaseError& error) {
      wait_ms = retry_ms;
      tell(fmt::format("put off: {}", error.what()));
    }
  }
}

}  // namespace perp::warehouse
