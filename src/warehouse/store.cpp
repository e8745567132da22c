#include "warehouse/store.hpp"

#include "warehouse/events.hpp"

#include <perp/warehouse/copy_encoder.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace perp::warehouse {
namespace {

constexpr std::size_t buffer_bytes = 128 * 1024;
// More refused rows than this in one batch is a schema that does not fit, not bad rows.
constexpr std::size_t refused_limit = 1000;

constexpr const char* stage_data = "perp_stage_data";
constexpr const char* stage_metrics = "perp_stage_metrics";

std::string_view notes_of(const Row& row) {
  return static_cast<market::MinuteOrigin>(row.origin) == market::MinuteOrigin::trades
             ? std::string_view("trades")
             : std::string_view();
}

std::string copy_statement(const Table& table, const char* target) {
  return fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)", target, table.column_list());
}

std::vector<Statement> merge_statements() {
  static const std::string data = perp_data().merge_statement(stage_data, true);
  static const std::string metrics = perp_metrics().merge_statement(stage_metrics, false);
  return {{data, {}}, {metrics, {}}};
}

// Appends rows to a COPY in pieces of the buffer's size.
class CopyWriter {
 public:
  CopyWriter(Connection& connection, std::vector<std::byte>& buffer)
      : connection_(connection), buffer_(buffer) {
    buffer_.resize(buffer_bytes);
    put(copy_header);
  }
  void put(std::string_view bytes) {
    reserve(bytes.size());
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(buffer_.data() + used_));
    used_ += bytes.size();
  }
  void put_row(const RowLayout& layout, std::string_view prefix, const Row& row,
               std::span<const market::MinuteValue> values) {
    const std::string_view notes = notes_of(row);
    reserve(row_bytes_max(layout, prefix, notes));
    std::byte* const begin = buffer_.data() + used_;
    const EncodedRow encoded = encode_row(layout, prefix, row.ts, values, notes, begin);
    // The lane has checked every value when it took the record.
    if (encoded.refusal != RowRefusal::none)
      throw core::Error("row not encodable", "loader", std::string(to_string(encoded.refusal)));
    used_ += static_cast<std::size_t>(encoded.end - begin);
  }
  std::int64_t end() {
    put(copy_trailer);
    send();
    return connection_.copy_end();
  }

 private:
  void reserve(std::size_t bytes) {
    if (buffer_.size() - used_ < bytes) send();
    if (buffer_.size() < bytes) buffer_.resize(bytes);
  }
  void send() {
    connection_.copy_write({buffer_.data(), used_});
    used_ = 0;
  }
  Connection& connection_;
  std::vector<std::byte>& buffer_;
  std::size_t used_ = 0;
};

void check_count(const Table& table, std::int64_t stored, std::size_t sent) {
  if (stored != static_cast<std::int64_t>(sent))
    throw core::Error("rows lost by COPY", table.name(),
                      fmt::format("{} were sent, the server stored {}", sent, stored));
}

}  // namespace

bool is_row_fault(const DatabaseError& error) {
  return error.sqlstate().starts_with("22") || error.sqlstate().starts_with("23");
}

void Store::copy(Connection& connection, const Batch& batch, std::span<const Row> rows,
                 std::span<const Series> series, bool into_stage, const char* before) {
  static const std::string into_data = copy_statement(perp_data(), "perp_data"),
                           into_metrics = copy_statement(perp_metrics(), "perp_metrics");
  static const std::string into_stage_data = copy_statement(perp_data(), stage_data),
                           into_stage_metrics = copy_statement(perp_metrics(), stage_metrics);
  connection.copy_begin(before + (into_stage ? into_stage_data : into_data));
  CopyWriter data(connection, buffer_);
  for (const Row& row : rows)
    data.put_row(perp_data_layout, series[row.series].data_prefix, row, batch.data_values(row));
  check_count(perp_data(), data.end(), rows.size());
  connection.copy_begin(into_stage ? into_stage_metrics : into_metrics);
  CopyWriter metrics(connection, buffer_);
  for (const Row& row : rows)
    metrics.put_row(perp_metrics_layout, series[row.series].metrics_prefix, row,
                    batch.metrics_values(row));
  check_count(perp_metrics(), metrics.end(), rows.size());
}

void Store::make_stage(Connection& connection) {
  if (has_stage_) return;
  for (const auto& [table, stage] :
       {std::pair(&perp_data(), stage_data), std::pair(&perp_metrics(), stage_metrics)})
    connection.execute(
        fmt::format("CREATE TEMP TABLE {} ON COMMIT DELETE ROWS AS SELECT {} FROM {} WITH NO DATA",
                    stage, table->column_list(), table->name()));
  has_stage_ = true;
}

void Store::commit(Connection& connection, Batch& batch, std::vector<Statement> before) {
  before.insert(before.end(), batch.statements.begin(), batch.statements.end());
  for (const auto* refused : {&batch.refused, &batch.bisected})
    for (const RefusedRow& row : *refused) before.push_back(refused_statement(row));
  before.push_back(
      {"SELECT perp_move_cursor($1, $2, $3, $4)",
       {static_cast<std::int16_t>(lane_), journal_, static_cast<std::int64_t>(batch.begin),
        static_cast<std::int64_t>(batch.end)}});
  before.push_back({"COMMIT", {}});
  connection.pipeline(before);
}

void Store::write(Connection& connection, Batch& batch, std::span<const Series> series,
                  StoreMode mode) {
  batch.bisected.clear();
  if (batch.rows.empty()) {
    commit(connection, batch, {{"BEGIN", {}}});
    return;
  }
  if (mode != StoreMode::direct) make_stage(connection);
  switch (mode) {
    case StoreMode::direct:
      copy(connection, batch, batch.rows, series, false, "BEGIN; ");
      commit(connection, batch, {});
      return;
    case StoreMode::merge:
      copy(connection, batch, batch.rows, series, true, "BEGIN; ");
      commit(connection, batch, merge_statements());
      return;
    case StoreMode::bisect: bisect(connection, batch, series); return;
  }
}

// Halves are stored under savepoints, each merged, so that whatever is refused is refused for its
// own sake. It costs about twice the batch for each bad row.
void Store::bisect(Connection& connection, Batch& batch, std::span<const Series> series) {
  connection.execute("BEGIN");
  std::vector<std::pair<std::size_t, std::size_t>> ranges{{0, batch.rows.size()}};
  while (!ranges.empty()) {
    const auto [first, last] = ranges.back();
    ranges.pop_back();
    try {
      copy(connection, batch, std::span(batch.rows).subspan(first, last - first), series, true,
           "SAVEPOINT part; ");
      std::vector<Statement> merge = merge_statements();
      for (const char* stage : {stage_data, stage_metrics})
        merge.push_back({fmt::format("TRUNCATE {}", stage), {}});
      merge.push_back({"RELEASE SAVEPOINT part", {}});
      connection.pipeline(merge);
    } catch (const DatabaseError& error) {
      if (error.is_connection_lost() || !is_row_fault(error)) throw;
      connection.execute("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part");
      if (last - first > 1) {
        const std::size_t middle = first + (last - first) / 2;
        ranges.emplace_back(middle, last);
        ranges.emplace_back(first, middle);
        continue;
      }
      const Row& row = batch.rows[first];
      const Series& of = series[row.series];
      batch.bisected.push_back({of.symbol, of.perpspec, row.ts, row.position,
                                error.table().empty() ? "perp_data or perp_metrics" : error.table(),
                                error.sqlstate(), error.what()});
      if (batch.bisected.size() > refused_limit) throw;  // as an error of the whole batch
    }
  }
  commit(connection, batch, {});
}

}  // namespace perp::warehouse
