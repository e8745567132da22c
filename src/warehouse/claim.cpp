#include "warehouse/claim.hpp"

#include <perp/core/time.hpp>
#include <perp/warehouse/migrate.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace perp::warehouse {
namespace {

constexpr std::int64_t lock_patience_ns = 10 * core::ns_per_second;
constexpr std::int32_t lock_class =
    0x70657270;  // "perp": first half of the lock's key, the lane is the second

// A lane's lock is its session's. A pooler that hands one server session to several clients in turn
// (pgbouncer in transaction or statement mode) would hand the lock on with it. Seen by a second
// client that comes into the session of the first while that is still connected.
void refuse_shared_sessions(const LoaderOptions& options, Connection& connection) {
  const auto pid = connection.query("SELECT pg_backend_pid()::bigint").columns[0].ints[0];
  if (pid == connection.backend_pid()) return;  // nothing stands between us and the server
  Connection other(options.dsn, "perp loader probe");
  try {
    other.execute(
        fmt::format("DO $$BEGIN IF pg_backend_pid() = {} THEN RAISE EXCEPTION 'shared' USING "
                    "ERRCODE = 'PW003'; END IF; END$$",
                    pid));
  } catch (const DatabaseError& error) {
    if (error.sqlstate() != "PW003") throw;
    throw core::Error("the connection pooler shares server sessions", "loader",
                      "a lane's lock needs a session of its own: set pool_mode = session, or "
                      "connect to the server itself");
  }
}

void claim_once(const LoaderOptions& options, const std::string& journal,
                const std::atomic<bool>& stop) {
  Connection connection(options.dsn, "perp loader");
  connection.set_interrupt(&stop, options.stop_grace_ms);
  refuse_shared_sessions(options, connection);
  static_cast<void>(require_schema(connection, "loader"));
  const QueryResult rows = connection.query(
      "SELECT lane, lanes, position, events_position FROM perp_load_cursors WHERE journal = $1 "
      "ORDER BY lane",
      {journal});
  const auto is_same = [&] {
    if (rows.rows != options.lanes) return false;
    for (std::size_t i = 0; i < rows.rows; ++i)
      if (rows.columns[0].ints[i] != static_cast<std::int64_t>(i) ||
          rows.columns[1].ints[i] != options.lanes)
        return false;
    return true;
  };
  if (is_same()) return;
  // A running loader of the old number of lanes must not commit into the new rows: all its locks
  // have to be free.
  std::int64_t least = 0, events = 0;
  unsigned lanes = options.lanes;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    lanes = std::max(lanes, static_cast<unsigned>(rows.columns[1].ints[i]));
    least = i == 0 ? rows.columns[2].ints[i] : std::min(least, rows.columns[2].ints[i]);
    events = std::max(events, rows.columns[3].ints[i]);
  }
  for (unsigned lane = 0; lane < lanes; ++lane)
    if (!lock_lane(connection, lane, 0, stop)) return;
  std::vector<Statement> statements{
      {"BEGIN", {}}, {"DELETE FROM perp_load_cursors WHERE journal = $1", {journal}}};
  for (unsigned lane = 0; lane < options.lanes; ++lane)
    statements.push_back(
        {"INSERT INTO perp_load_cursors (lane, lanes, journal, position, events_position) VALUES "
         "($1, $2, $3, $4, $5)",
         {static_cast<std::int16_t>(lane), static_cast<std::int16_t>(options.lanes), journal, least,
          lane == 0 ? events : std::int64_t{0}}});
  statements.push_back({"COMMIT", {}});
  connection.pipeline(statements);
}

}  // namespace

bool pause_unless(const std::atomic<bool>& stop, std::int64_t ms) {
  for (const std::int64_t until_ns = core::mono_now().ns + ms * core::ns_per_ms; !stop.load();) {
    const std::int64_t left_ns = until_ns - core::mono_now().ns;
    if (left_ns <= 0) return true;
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(left_ns, 10 * core::ns_per_ms)));
  }
  return false;
}

bool passes_by_itself(const DatabaseError& error) {
  const std::string& state = error.sqlstate();
  return state.starts_with("53") || state.starts_with("58") || state == "55P03" ||
         state == "57014" || state == "25006";
}

// A check that a row violates has a name; what somebody's trigger raises has no table.
bool lacks_partition(const DatabaseError& error) {
  return error.sqlstate() == "23514" && error.constraint().empty() && !error.table().empty();
}

bool lock_lane(Connection& connection, unsigned lane, int previous_pid,
               const std::atomic<bool>& stop) {
  const std::int64_t begin_ns = core::mono_now().ns;
  for (bool has_ended_it = false;;) {
    if (connection
            .query("SELECT pg_try_advisory_lock($1, $2)",
                   {lock_class, static_cast<std::int32_t>(lane)})
            .columns[0]
            .ints[0] != 0)
      return true;
    const QueryResult holder = connection.query(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid::bigint = $1 "
        "AND objid::bigint = $2 AND objsubid = 2 "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        {std::int64_t{lock_class}, static_cast<std::int64_t>(lane)});
    const std::int64_t pid = holder.rows == 0 ? 0 : holder.columns[0].ints[0];
    const std::int64_t waited_ns = core::mono_now().ns - begin_ns;
    if (pid != 0 && pid == previous_pid && !has_ended_it && waited_ns > lock_patience_ns / 2) {
      connection.query("SELECT pg_terminate_backend($1)", {static_cast<std::int32_t>(pid)});
      has_ended_it = true;
    }
    if (pid != 0 && pid != previous_pid && waited_ns > lock_patience_ns)
      throw core::Error(
          "another loader is at work", fmt::format("loader lane {}", lane),
          fmt::format("server process {} holds the lane; stop that loader first", pid));
    if (!pause_unless(stop, 50)) return false;
  }
}

bool claim_cursors(const LoaderOptions& options, const std::string& journal,
                   const std::atomic<bool>& stop) {
  for (std::int64_t backoff_ms = 100; !stop.load();
       backoff_ms = std::min<std::int64_t>(2 * backoff_ms, 2000)) {
    try {
      claim_once(options, journal, stop);
      return !stop.load();
    } catch (const DatabaseError& error) {
      if (!error.is_connection_lost() && !passes_by_itself(error)) throw;
      if (options.on_event)
        options.on_event(fmt::format("{}; trying again in {} ms", error.what(), backoff_ms));
    }
    if (!pause_unless(stop, backoff_ms)) return false;
  }
  return false;
}

}  // namespace perp::warehouse
