#include "warehouse/primary.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace perp::warehouse {
namespace {

ServerIdentity identity_of(Connection& connection) {
  const QueryResult may_ask = connection.query(
      "SELECT has_function_privilege('pg_control_system()', 'EXECUTE') AND "
      "has_function_privilege('pg_current_wal_lsn()', 'EXECUTE') AND "
      "has_function_privilege('pg_walfile_name(pg_lsn)', 'EXECUTE') AND NOT pg_is_in_recovery()");
  if (may_ask.columns[0].ints[0] == 0) return {};
  // The control file's timeline lags behind a promotion; the name of the log being written does
  // not.
  const QueryResult found = connection.query(
      "SELECT (pg_control_system()).system_identifier, ('x' || "
      "left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint");
  return {found.columns[0].ints[0], found.columns[1].ints[0]};
}

}  // namespace

ServerIdentity Primary::enter(Connection& connection) {
  const ServerIdentity server = identity_of(connection);
  if (server.cluster == 0) return server;
  const std::lock_guard guard(mutex_);
  std::int64_t& latest = timelines_[server.cluster];
  if (server.timeline < latest)
    throw DatabaseError("this is an old primary", "database",
                        fmt::format("it is on timeline {}, and rows were stored in a server that "
                                    "was promoted to timeline {}; stop it or make it a standby",
                                    server.timeline, latest),
                        "25006", "", false);
  latest = server.timeline;
  return server;
}

void Primary::require_current(const ServerIdentity& server) {
  if (server.cluster == 0) return;
  const std::lock_guard guard(mutex_);
  if (server.timeline < timelines_[server.cluster])
    throw DatabaseError("this is an old primary now", "database",
                        fmt::format("another lane has found a server that was promoted to "
                                    "timeline {}; this one is on {}",
                                    timelines_[server.cluster], server.timeline),
                        "", "", true);
}

}  // namespace perp::warehouse
