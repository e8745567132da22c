#pragma once
// Which server of a replicated cluster the lanes of a loader write to. After a failover the old
// primary may come back and be writable as well; rows that went to it would be lost or, told twice,
// split over two databases. A promotion begins a new timeline, so of two servers of one cluster the
// one on the later timeline is the primary, and what one lane has seen holds for all. Known for as
// long as the process runs and its DSN stays: who starts it anew says by the DSN which server is
// meant.
#include <perp/warehouse/connection.hpp>

#include <cstdint>
#include <map>
#include <mutex>

namespace perp::warehouse {

/// A server as a session found it; {} where the login may not ask.
struct ServerIdentity {
  std::int64_t cluster = 0;  ///< the system identifier, common to a primary and its standbys
  std::int64_t timeline = 0;
};

class Primary {
 public:
  /// Notes the server of a new session. @thread any
  /// @throws DatabaseError (25006: a standby by rights) where another one has been promoted since
  ServerIdentity enter(Connection& connection);
  /// @throws DatabaseError (the connection counts as lost) where another lane has found a server
  /// that was promoted since. @thread any
  void require_current(const ServerIdentity& server);

 private:
  std::mutex mutex_;
  std::map<std::int64_t, std::int64_t> timelines_;  // guarded by mutex_; latest by cluster
};

}  // namespace perp::warehouse
