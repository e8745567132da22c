#pragma once
// One connection to PostgreSQL with what the warehouse needs of it: statements with bound binary
// parameters, results as columns, COPY that never blocks one way only, and pipelines (several
// statements, one round trip). Used by one thread at a time; cold path, throws. It waits at most
// until `interrupt` says stop.
#include <perp/core/error.hpp>
#include <perp/warehouse/result.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

struct pg_conn;
struct pg_result;

namespace perp::warehouse {

struct CatalogColumns;

/// What the server or libpq refused. `sqlstate` is empty where the connection itself failed.
class DatabaseError : public core::Error {
 public:
  DatabaseError(const std::string& what, const std::string& where, const std::string& why,
                std::string sqlstate, std::string table, bool is_connection_lost,
                std::string constraint = {})
      : core::Error(what, where, why),
        sqlstate_(std::move(sqlstate)),
        table_(std::move(table)),
        constraint_(std::move(constraint)),
        is_connection_lost_(is_connection_lost) {}
  const std::string& sqlstate() const { return sqlstate_; }
  const std::string& table() const { return table_; }  ///< as the server names it, often empty
  /// The constraint that a row violates; empty where it is none of the table's.
  const std::string& constraint() const { return constraint_; }
  bool is_connection_lost() const { return is_connection_lost_; }

 private:
  std::string sqlstate_;
  std::string table_;
  std::string constraint_;
  bool is_connection_lost_;
};

/// NULL of a type (PostgreSQL's OID): a statement is prepared once for all its uses, so a NULL is
/// typed as well.
struct Null {
  std::uint32_t type;
};
/// A bound parameter, sent in binary.
using Value = std::variant<Null, bool, std::int16_t, std::int32_t, std::int64_t, double,
                           std::string, std::vector<std::string>, std::vector<std::int64_t>>;
Value number_or_null(double value);  ///< NaN is NULL
Value integer_or_null(bool known, std::int64_t value);
Value text_or_null(std::string_view text);  ///< empty is NULL

struct Statement {
  std::string sql;
  std::vector<Value> values;
};

class Connection {
 public:
  /// Connects, at most 10 s. @throws DatabaseError
  explicit Connection(const std::string& dsn, const std::string& application = "perp");
  ~Connection();
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&&) = delete;

  /// While waiting, `stop` is looked at every 100 ms: `grace_ms` after it became true the wait ends
  /// by a DatabaseError that counts as a lost connection.
  void set_interrupt(const std::atomic<bool>* stop, std::int64_t grace_ms);

  /// One or several statements without parameters; rows are discarded.
  void execute(const std::string& sql);
  /// One statement with bound parameters, prepared on first use, result in columns.
  QueryResult query(const std::string& sql, const std::vector<Value>& values = {});
  /// Statements in one round trip. The first that fails ends the rest; its DatabaseError is thrown.
  /// Inside an open transaction the transaction is then the caller's to roll back.
  std::vector<QueryResult> pipeline(const std::vector<Statement>& statements);
  /// Reading statements in one round trip that all see the database as of one moment (inside an
  /// open transaction: as that one is).
  std::vector<QueryResult> snapshot(std::vector<Statement> statements);

  /// `COPY ... FROM STDIN (FORMAT binary)`, possibly with statements before it ("BEGIN; COPY ...").
  void copy_begin(const std::string& sql);
  void copy_write(std::span<const std::byte> bytes);
  /// Ends the data. @returns the number of rows that the server stored.
  std::int64_t copy_end();
  /// `COPY (...) TO STDOUT (FORMAT binary)`: gives each row as the server sent it, field count
  /// first, without the stream's header and trailer. The bytes are valid during the call only.
  void copy_out(const std::string& sql, const std::function<void(std::span<const char>)>& on_row);

  /// From now on the session is told when somebody notifies `channel`. Not on a standby.
  void listen(std::string_view channel);
  /// Whether a notification came since the last call. Sends nothing and waits for nothing.
  bool take_notifications();
  /// The same, waiting up to `ms`, or until stop is asked for (set_interrupt).
  bool wait_for_notification(std::int64_t ms);

  /// After an error: ends a COPY that is still open and rolls back. @returns false if the
  /// connection is gone.
  bool recover() noexcept;

  int backend_pid() const;
  int server_version() const;  ///< 150020
  std::string parameter_status(const char* name) const;
  std::int64_t round_trips() const { return round_trips_; }

 private:
  friend std::string resolve_symbol(Connection& connection, std::string_view spelling);
  friend class FieldCatalog;
  void send(const Statement& statement, std::vector<std::string>& newly_prepared);
  void flush();
  void wait(bool also_writable);
  pg_result* next_result();
  void finish_results(const std::string& what);
  [[noreturn]] void raise(const pg_result* result, const std::string& what) const;

  pg_conn* native_ = nullptr;
  const std::atomic<bool>* stop_ = nullptr;
  std::int64_t grace_ms_ = 0;
  std::int64_t stopped_since_ns_ = 0;
  std::int64_t round_trips_ = 0;
  std::uint64_t prepared_count_ = 0;
  std::unordered_map<std::string, std::string> prepared_;  // SQL -> name at the server
  std::unordered_map<std::string, std::string>
      symbols_;  // spelling without separators, upper case -> base
  std::int64_t symbols_read_ns_ = 0;
  std::unordered_map<std::string, std::vector<std::string>>
      fields_;  // perpspec -> its registered fields
  std::int64_t fields_read_ns_ = 0;
  std::shared_ptr<const CatalogColumns> columns_;  // read with the fields
};

}  // namespace perp::warehouse
