#include "warehouse/claim.hpp"
#include "warehouse/edition.hpp"

#include <perp/core/time.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/maintenance.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/rollup.hpp>
#include <perp/warehouse/seal.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <map>
#include <utility>

namespace perp::warehouse {
namespace {

constexpr int days_ahead = 7;
constexpr std::int64_t round_ms = 60'000;
constexpr std::int64_t shape_period_ms = 3'600'000;
constexpr std::int64_t stop_grace_ms = 100;  // whatever it is at can be done again

/// A connection that has the lock, which is held until it closes.
struct Session {
  Connection connection;
  Backend backend;
};

/// @returns nothing if another program is at it
std::optional<Session> begin(const MaintenanceOptions& options) {
  Connection connection(options.dsn, "perp maintenance");
  if (options.admit) options.admit(connection);
  const Backend backend = require_schema(connection, "maintenance");
  if (connection.query("SELECT pg_try_advisory_lock(hashtextextended('perp maintenance', 0))")
          .columns[0]
          .ints[0] == 0)
    return std::nullopt;
  return Session{std::move(connection), backend};
}

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

// Partitions ahead, old ones dropped. A new database needs a few hundred: an end does not wait for
// all of them.
PruneReport keep_shape(Session& session, const MaintenanceOptions& options, std::int64_t now_ms,
                       const std::atomic<bool>& stop) {
  Connection& connection = session.connection;
  const bool has_changed =
      options.retention_days && store_retention(connection, *options.retention_days);
  if (has_changed && session.backend == Backend::timescale) {
    std::vector<std::string> warnings;
    set_policies(connection, warnings);
    if (options.on_event)
      for (const std::string& warning : warnings) options.on_event("maintenance: " + warning);
  }
  if (session.backend == Backend::plain) {
    const QueryResult series =
        connection.query("SELECT table_name FROM perp_series ORDER BY chunk_ms, table_name");
    for (std::size_t i = 0; i < series.rows && !stop.load(); ++i)
      ensure_partitions(connection, series.columns[0].text(i), now_ms, 1 + days_ahead);
  }
  if (session.backend == Backend::timescale && options.on_event)
    for (const std::string& what : failed_policies(connection))
      options.on_event("maintenance: " + what);
  if (stop.load()) return {};
  // On the Community edition, too: its policies may fail.
  return prune(connection, session.backend, {}, now_ms);
}

class Keeper {
 public:
  Keeper(const MaintenanceOptions& options, const std::atomic<bool>& stop)
      : options_(options), stop_(stop) {}

  void round(std::int64_t now_ms) {
    try {
      std::optional<Session> session = begin(options_);
      if (!session) return;
      session->connection.set_interrupt(&stop_, stop_grace_ms);
      if (now_ms >= shape_at_ms_ && step(*session, "retention", [&] { shape(*session, now_ms); }))
        shape_at_ms_ = now_ms + shape_period_ms;
      step(*session, "rollups",
           [&] { roll_up(session->connection, session->backend, now_ms, &stop_); });
      if (session->backend == Backend::plain && options_.seal_after_hours > 0 &&
          now_ms >= seal_at_ms_ &&
          !step(*session, "sealing", [&] { seal_one(session->connection, now_ms); }))
        seal_at_ms_ = now_ms + shape_period_ms;
    } catch (const DatabaseError& error) {
      if (!stop_.load()) tell(fmt::format("put off: {}", error.what()));
    }
  }

 private:
  /// What one step meets does not keep the others from their work.
  template <class Work>
  bool step(Session& session, const char* what, const Work& work) {
    if (stop_.load()) return false;
    try {
      work();
      return true;
    } catch (const DatabaseError& error) {
      if (!session.connection.recover()) throw;
      tell(fmt::format("{} put off: {}", what, error.what()));
      return false;
    }
  }
  void shape(Session& session, std::int64_t now_ms) {
    const PruneReport report = keep_shape(session, options_, now_ms, stop_);
    for (const std::string& name : report.dropped) tell_done("dropped " + name);
    if (report.log_rows != 0)
      tell_done(fmt::format("{} old rows of perp_status and perp_errors deleted", report.log_rows));
  }
  /// One day a round, so that rollups do not wait for ten. What was given up is left alone for an
  /// hour.
  void seal_one(Connection& connection, std::int64_t now_ms) {
    for (const DayPartition& day : unsealed_days(connection, now_ms, options_.seal_after_hours)) {
      std::int64_t& again_at_ms = seal_again_at_ms_[{day.table, day.first_ms}];
      if (now_ms < again_at_ms) continue;
      again_at_ms = now_ms + shape_period_ms;
      const std::optional<SealReport> report =
          seal_day(connection, day,
                   {.stop = &stop_, .on_event = [this](const std::string& what) { tell(what); }});
      if (report)
        tell_done(fmt::format("sealed {}: {} rows in {:.1f} s, readers waited {:.0f} ms at most",
                              report->partition, report->rows, report->seconds, report->swap_ms));
      return;
    }
  }
  void tell_done(const std::string& what) const {
    if (options_.on_done) options_.on_done("maintenance: " + what);
  }
  void tell(const std::string& what) const {
    if (options_.on_event) options_.on_event("maintenance: " + what);
  }

  const MaintenanceOptions& options_;
  const std::atomic<bool>& stop_;
  std::int64_t shape_at_ms_ = 0;
  std::int64_t seal_at_ms_ = 0;
  std::map<std::pair<std::string, std::int64_t>, std::int64_t> seal_again_at_ms_;  ///< table, day
};

}  // namespace

std::optional<PruneReport> maintain(const MaintenanceOptions& options, std::int64_t now_ms) {
  std::optional<Session> session = begin(options);
  if (!session) return std::nullopt;
  const std::atomic<bool> never{false};
  return keep_shape(*session, options, now_ms, never);
}

void keep_maintained(const MaintenanceOptions& options, const std::atomic<bool>& stop) {
  Keeper keeper(options, stop);
  for (std::int64_t wait_ms = 0; pause_unless(stop, wait_ms); wait_ms = round_ms)
    keeper.round(core::wall_now().ns / core::ns_per_ms);
}

}  // namespace perp::warehouse
