#include "warehouse/parameters.hpp"
#include "warehouse/result_decoder.hpp"
#include "warehouse/wire.hpp"

#include <perp/core/time.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/copy_encoder.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <libpq-fe.h>
#include <memory>
#include <utility>

namespace perp::warehouse {
namespace {

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, ClearResult>;

constexpr std::size_t prepared_limit = 256;  // beyond it a statement is parsed each time

std::string field(const PGresult* result, int code) {
  const char* text = result == nullptr ? nullptr : PQresultErrorField(result, code);
  return text == nullptr ? std::string() : std::string(text);
}

std::string trimmed(const char* text) {
  std::string out = text;
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  return out;
}

// The server went away on purpose or by accident: class 08, and 57P01..57P05 except a cancelled
// statement.
bool ends_connection(const std::string& sqlstate) {
  return sqlstate.starts_with("08") || sqlstate.starts_with("57P");
}

// Notices are remarks; what has to be acted upon comes as an error.
void ignore_notice(void*, const PGresult*) {}

}  // namespace

Connection::Connection(const std::string& dsn, const std::string& application) {
  // Defaults first: what the DSN says wins. A peer that vanished without a word is noticed within
  // about 30 s.
  const char* const keys[] = {"connect_timeout",  "keepalives_idle",  "keepalives_interval",
                              "keepalives_count", "tcp_user_timeout", "application_name",
                              "client_encoding",  "dbname",           nullptr};
  const char* const values[] = {"10",   "10",        "5",    "3", "30000", application.c_str(),
                                "UTF8", dsn.c_str(), nullptr};
  native_ = PQconnectdbParams(keys, values, 1);
  if (native_ == nullptr) throw std::bad_alloc();
  try {
    if (PQstatus(native_) != CONNECTION_OK)
      throw DatabaseError("cannot connect", "database", trimmed(PQerrorMessage(native_)), "", "",
                          true);
    if (server_version() < 150000)
      throw DatabaseError("server too old", "database",
                          fmt::format("it is version {}, PostgreSQL 15 is needed",
                                      parameter_status("server_version")),
                          "0A000", "", false);
    PQsetNoticeReceiver(native_, ignore_notice, nullptr);
    if (PQsetnonblocking(native_, 1) != 0) raise(nullptr, "set the connection non-blocking");
    // Our statements are short: compiling them costs more than it saves. Late rows of a compressed
    // chunk make TimescaleDB unpack what has their keys, a thousand rows for one: its limit would
    // refuse a batch of them each time. Where there is no TimescaleDB nobody reads it.
    execute(
        "SET jit = off; SET timezone = 'UTC'; SET "
        "timescaledb.max_tuples_decompressed_per_dml_transaction = 0");
  } catch (...) {
    PQfinish(native_);
    throw;
  }
}

Connection::~Connection() { PQfinish(native_); }

Connection::Connection(Connection&& other) noexcept
    : native_(std::exchange(other.native_, nullptr)),
      stop_(other.stop_),
      grace_ms_(other.grace_ms_),
      round_trips_(other.round_trips_),
      prepared_count_(other.prepared_count_),
      prepared_(std::move(other.prepared_)),
      symbols_(std::move(other.symbols_)),
      symbols_read_ns_(other.symbols_read_ns_),
      fields_(std::move(other.fields_)),
      fields_read_ns_(other.fields_read_ns_),
      columns_(std::move(other.columns_)) {}

void Connection::set_interrupt(const std::atomic<bool>* stop, std::int64_t grace_ms) {
  stop_ = stop;
  grace_ms_ = grace_ms;
  stopped_since_ns_ = 0;
}

void Connection::raise(const PGresult* result, const std::string& what) const {
  const std::string sqlstate = field(result, PG_DIAG_SQLSTATE);
  const bool is_lost = PQstatus(native_) != CONNECTION_OK || ends_connection(sqlstate);
  std::string why = field(result, PG_DIAG_MESSAGE_PRIMARY);
  if (why.empty())
    why = trimmed(result == nullptr ? PQerrorMessage(native_) : PQresultErrorMessage(result));
  if (why.empty()) why = "the connection was closed";
  for (const std::string& more :
       {field(result, PG_DIAG_MESSAGE_DETAIL), field(result, PG_DIAG_MESSAGE_HINT)})
    if (!more.empty()) why += "; " + more;
  if (!sqlstate.empty()) why += " (SQLSTATE " + sqlstate + ")";
  throw DatabaseError(what, "database", why, sqlstate, field(result, PG_DIAG_TABLE_NAME), is_lost,
                      field(result, PG_DIAG_CONSTRAINT_NAME));
}

void Connection::wait(bool also_writable) {
  for (;;) {
    pollfd poll_fd{PQsocket(native_), static_cast<short>(also_writable ? POLLIN | POLLOUT : POLLIN),
                   0};
    if (poll_fd.fd < 0) raise(nullptr, "wait for the server");
    const int ready = poll(&poll_fd, 1, 100);
    if (ready > 0) {
      // Always read what is there: a server that cannot send its answer stops reading as well.
      if ((poll_fd.revents & (POLLIN | POLLERR | POLLHUP)) != 0 && PQconsumeInput(native_) == 0)
        raise(nullptr, "read from the server");
      return;
    }
    if (ready < 0 && errno != EINTR) core::throw_system_error("poll", "database", errno);
    if (stop_ != nullptr && stop_->load()) {
      const std::int64_t now_ns = core::mono_now().ns;
      if (stopped_since_ns_ == 0) stopped_since_ns_ = now_ns;
      if (now_ns - stopped_since_ns_ > grace_ms_ * core::ns_per_ms)
        throw DatabaseError("statement abandoned", "database",
                            "stop was asked for and the server did not answer in time", "", "",
                            true);
    }
  }
}

void Connection::flush() {
  for (;;) {
    const int state = PQflush(native_);
    if (state == 0) return;
    if (state < 0) raise(nullptr, "send to the server");
    wait(true);
  }
}

pg_result* Connection::next_result() {
  flush();
  while (PQisBusy(native_) != 0) wait(false);
  return PQgetResult(native_);
}

// Takes the results of a simple query to their end; the first error is thrown when all are read.
void Connection::finish_results(const std::string& what) {
  ResultPtr failed;
  while (ResultPtr result{next_result()}) {
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT)
      throw DatabaseError(what, "database", "an unexpected COPY began", "", "", true);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY &&
        !failed)
      failed = std::move(result);
    if (PQstatus(native_) != CONNECTION_OK) break;
  }
  if (failed || PQstatus(native_) != CONNECTION_OK) raise(failed.get(), what);
}

void Connection::execute(const std::string& sql) {
  ++round_trips_;
  if (PQsendQuery(native_, sql.c_str()) == 0) raise(nullptr, "send a statement");
  finish_results("statement refused: " + sql.substr(0, 80));
}

void Connection::send(const Statement& statement, std::vector<std::string>& newly_prepared) {
  const Parameters parameters(statement.values);
  auto known = prepared_.find(statement.sql);
  if (known == prepared_.end() && prepared_.size() < prepared_limit) {
    // A name is never used twice: after a failed pipeline nobody knows whether the server has it.
    std::string name = fmt::format("perp_{}", prepared_count_++);
    if (PQsendPrepare(native_, name.c_str(), statement.sql.c_str(), parameters.count(),
                      parameters.types()) == 0)
      raise(nullptr, "prepare a statement");
    known = prepared_.emplace(statement.sql, std::move(name)).first;
    newly_prepared.push_back(statement.sql);
  }
  const int sent =
      known != prepared_.end()
          ? PQsendQueryPrepared(native_, known->second.c_str(), parameters.count(),
                                parameters.values(), parameters.lengths(), parameters.formats(), 1)
          : PQsendQueryParams(native_, statement.sql.c_str(), parameters.count(),
                              parameters.types(), parameters.values(), parameters.lengths(),
                              parameters.formats(), 1);
  if (sent == 0) raise(nullptr, "send a statement");
}

std::vector<QueryResult> Connection::pipeline(const std::vector<Statement>& statements) {
  ++round_trips_;
  std::vector<QueryResult> results;
  results.reserve(statements.size());
  std::vector<std::string> newly_prepared;
  ResultPtr failed;
  std::string failed_sql;
  std::size_t answers = 0;  // results and preparations still to come, in order
  std::vector<bool> is_preparation;
  if (PQenterPipelineMode(native_) == 0) raise(nullptr, "enter pipeline mode");
  for (const Statement& statement : statements) {
    const std::size_t before = newly_prepared.size();
    send(statement, newly_prepared);
    if (newly_prepared.size() != before) is_preparation.push_back(true);
    is_preparation.push_back(false);
  }
  if (PQpipelineSync(native_) == 0) raise(nullptr, "end a pipeline");
  // Each answer is one result followed by a null; then the result of the synchronisation.
  std::size_t statement_index = 0;
  for (bool is_synced = false; !is_synced;) {
    ResultPtr result{next_result()};
    if (!result) {
      if (PQstatus(native_) != CONNECTION_OK) raise(failed.get(), "statement interrupted");
      continue;
    }
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_PIPELINE_SYNC) {
      is_synced = true;
    } else {
      const bool is_last = answers >= is_preparation.size() || !is_preparation[answers];
      if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
        if (is_last) results.push_back(decode_result(result.get()));
      } else if (status != PGRES_PIPELINE_ABORTED && !failed) {
        if (statement_index < statements.size())
          failed_sql = statements[statement_index].sql.substr(0, 80);
        failed = std::move(result);
      }
      if (is_last) ++statement_index;
      ++answers;
    }
    if (PQstatus(native_) != CONNECTION_OK) raise(failed.get(), "statement interrupted");
  }
  if (PQexitPipelineMode(native_) == 0) raise(nullptr, "leave pipeline mode");
  if (failed) {
    for (const std::string& sql : newly_prepared) prepared_.erase(sql);
    raise(failed.get(), "statement refused: " + failed_sql);
  }
  return results;
}

std::vector<QueryResult> Connection::snapshot(std::vector<Statement> statements) {
  if (statements.empty()) return {};
  if (statements.size() == 1 || PQtransactionStatus(native_) != PQTRANS_IDLE)
    return pipeline(statements);
  statements.insert(statements.begin(), {"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", {}});
  statements.push_back({"COMMIT", {}});
  try {
    std::vector<QueryResult> results = pipeline(statements);
    results.pop_back();
    results.erase(results.begin());
    return results;
  } catch (...) {
    recover();
    throw;
  }
}

QueryResult Connection::query(const std::string& sql, const std::vector<Value>& values) {
  return std::move(pipeline({{sql, values}}).front());
}

void Connection::copy_begin(const std::string& sql) {
  ++round_trips_;
  if (PQsendQuery(native_, sql.c_str()) == 0) raise(nullptr, "send a COPY");
  for (;;) {
    ResultPtr result{next_result()};
    if (!result) raise(nullptr, "no COPY began");
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_COPY_IN) return;
    if (status != PGRES_COMMAND_OK) raise(result.get(), "COPY refused: " + sql.substr(0, 80));
  }
}

void Connection::copy_write(std::span<const std::byte> bytes) {
  // libpq takes what it is given and grows; a flush after each piece keeps its buffer at one piece.
  constexpr std::size_t piece = 65536;
  while (!bytes.empty()) {
    const std::size_t size = std::min(piece, bytes.size());
    const int sent =
        PQputCopyData(native_, reinterpret_cast<const char*>(bytes.data()), static_cast<int>(size));
    if (sent < 0) raise(nullptr, "send COPY data");
    if (sent == 1) bytes = bytes.subspan(size);
    flush();
  }
}

std::int64_t Connection::copy_end() {
  while (true) {
    const int ended = PQputCopyEnd(native_, nullptr);
    if (ended < 0) raise(nullptr, "end a COPY");
    if (ended == 1) break;
    flush();
  }
  std::int64_t rows = 0;
  ResultPtr failed;
  while (ResultPtr result{next_result()}) {
    if (PQresultStatus(result.get()) == PGRES_COMMAND_OK) {
      rows = std::atoll(PQcmdTuples(result.get()));
    } else if (!failed) {
      failed = std::move(result);
    }
    if (PQstatus(native_) != CONNECTION_OK) break;
  }
  if (failed || PQstatus(native_) != CONNECTION_OK) raise(failed.get(), "COPY refused");
  return rows;
}

void Connection::copy_out(const std::string& sql,
                          const std::function<void(std::span<const char>)>& on_row) {
  ++round_trips_;
  if (PQsendQuery(native_, sql.c_str()) == 0) raise(nullptr, "send a COPY");
  const ResultPtr begun{next_result()};
  if (PQresultStatus(begun.get()) != PGRES_COPY_OUT) {
    while (ResultPtr rest{next_result()}) {
    }
    raise(begun.get(), "COPY refused: " + sql.substr(0, 80));
  }
  std::exception_ptr failure;  // the rest of the stream is read all the same
  bool is_first = true;
  for (;;) {
    char* bytes = nullptr;
    const int size = PQgetCopyData(native_, &bytes, 1);
    if (size == 0) {
      wait(false);
      continue;
    }
    if (size < 0) break;
    const std::unique_ptr<char, void (*)(void*)> owner(bytes, PQfreemem);
    std::span<const char> row(bytes, static_cast<std::size_t>(size));
    // The header travels with the first row; the trailer is a field count of -1.
    if (std::exchange(is_first, false)) row = row.subspan(std::min(row.size(), copy_header.size()));
    if (failure || row.size() < 2 || read_u16(row.data()) == 0xffff) continue;
    try {
      on_row(row);
    } catch (...) {
      failure = std::current_exception();
    }
  }
  finish_results("COPY refused: " + sql.substr(0, 80));
  if (failure) std::rethrow_exception(failure);
}

void Connection::listen(std::string_view channel) {
  execute("LISTEN " + quote_identifier(channel));
}

bool Connection::take_notifications() {
  if (PQconsumeInput(native_) == 0) raise(nullptr, "read from the server");
  bool has_some = false;
  while (PGnotify* notify = PQnotifies(native_)) {
    PQfreemem(notify);
    has_some = true;
  }
  return has_some;
}

bool Connection::wait_for_notification(std::int64_t ms) {
  const std::int64_t end_ns = core::mono_now().ns + ms * core::ns_per_ms;
  for (;;) {
    if (take_notifications()) return true;
    const std::int64_t left_ms = (end_ns - core::mono_now().ns) / core::ns_per_ms;
    if (left_ms <= 0 || (stop_ != nullptr && stop_->load())) return false;
    pollfd poll_fd{PQsocket(native_), POLLIN, 0};
    if (poll(&poll_fd, 1, static_cast<int>(std::min<std::int64_t>(left_ms, 100))) < 0 &&
        errno != EINTR)
      core::throw_system_error("poll", "database", errno);
  }
}

bool Connection::recover() noexcept {
  try {
    if (PQstatus(native_) != CONNECTION_OK) return false;
    if (PQpipelineStatus(native_) != PQ_PIPELINE_OFF)
      return false;  // an answer is missing: only a new connection is certain
    for (ResultPtr result;
         PQtransactionStatus(native_) == PQTRANS_ACTIVE && (result = ResultPtr(next_result()));)
      if (PQresultStatus(result.get()) == PGRES_COPY_IN && PQputCopyEnd(native_, "given up") < 0)
        return false;
    if (PQtransactionStatus(native_) != PQTRANS_IDLE) execute("ROLLBACK");
    return PQstatus(native_) == CONNECTION_OK;
  } catch (const core::Error&) {
    return false;  // the caller opens a new connection, whose own error will be reported
  }
}

int Connection::backend_pid() const { return PQbackendPID(native_); }
int Connection::server_version() const { return PQserverVersion(native_); }
std::string Connection::parameter_status(const char* name) const {
  const char* text = PQparameterStatus(native_, name);
  return text == nullptr ? std::string() : std::string(text);
}

}  // namespace perp::warehouse
