#pragma once
// Which loader owns which lanes: the advisory locks and the cursor rows.
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/loader.hpp>

#include <atomic>
#include <cstdint>
#include <string>

namespace perp::warehouse {

/// Takes a lane's lock for this session. A session that is still committing for us holds it, so
/// this waits for its end; `previous_pid` (ours, abandoned) is ended after 5 s, anybody else's is
/// an error after 10 s.
/// @returns false if stopped. @throws core::Error, DatabaseError
bool lock_lane(Connection& connection, unsigned lane, int previous_pid,
               const std::atomic<bool>& stop);

/// Makes the cursor rows fit the number of lanes and this journal. Rows of another number of lanes
/// are replaced by new ones at the least of their positions: every row is loaded again into the
/// same keys by merging, and lane 0 remembers where status and errors end. Tries until it works or
/// stop. @returns false if stopped.
/// @throws core::Error where another loader is at work
bool claim_cursors(const LoaderOptions& options, const std::string& journal,
                   const std::atomic<bool>& stop);

/// Waits, looking at stop each 10 ms. @returns false if stopped
bool pause_unless(const std::atomic<bool>& stop, std::int64_t ms);

/// Shortages and orders to wait, which pass: no disk, memory or connection left, a lock or
/// statement timeout, the server's own input and output errors, a standby that cannot be written
/// to.
bool passes_by_itself(const DatabaseError& error);
/// The server found no partition for a row. Somebody dropped it; or this server process does not
/// know it: PostgreSQL 15 was seen to keep for good the list of partitions that a process read
/// while another process was adding one. A new connection's process reads it anew.
bool lacks_partition(const DatabaseError& error);

}  // namespace perp::warehouse
