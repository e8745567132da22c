#pragma once
// An advisory lock of this database by name, which a session holds for a while.
#include <perp/warehouse/connection.hpp>

#include <string>

namespace perp::warehouse {

/// Held until the object or its connection ends. Whatever transaction is open then is rolled back.
class SessionLock {
 public:
  /// @param waits until whoever has it gives it back; otherwise see is_held()
  SessionLock(Connection& connection, std::string name, bool waits)
      : connection_(connection), name_(std::move(name)) {
    const QueryResult got =
        connection.query(waits ? "SELECT pg_advisory_lock(hashtextextended($1, 0)) IS NOT NULL"
                               : "SELECT pg_try_advisory_lock(hashtextextended($1, 0))",
                         {name_});
    is_held_ = waits || got.columns[0].ints[0] != 0;
  }
  ~SessionLock() {
    if (!is_held_) return;
    try {
      if (connection_.recover())
        connection_.query("SELECT pg_advisory_unlock(hashtextextended($1, 0))", {name_});
    } catch (const core::Error&) {
      // The connection is gone, and the lock with it.
    }
  }
  SessionLock(const SessionLock&) = delete;
  SessionLock& operator=(const SessionLock&) = delete;
  bool is_held() const { return is_held_; }

 private:
  Connection& connection_;
  std::string name_;
  bool is_held_ = false;
};

}  // namespace perp::warehouse
