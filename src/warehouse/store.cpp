#include "warehouse/store.hpp"

#include "warehouse/claim.hpp"
#include "warehouse/events.hpp"
#include "warehouse/rollup_tables.hpp"
#include "warehouse/wire.hpp"

#include <perp/core/platform.hpp>
#include <perp/warehouse/copy_encoder.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace perp::warehouse {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{128} * 1024;
// More refused rows than this in one batch is a schema that does not fit, not bad rows.
constexpr std::size_t refused_limit = 1000;

std::string_view notes_of(const Row& row) {
  return static_cast<market::MinuteOrigin>(row.origin) == market::MinuteOrigin::trades
             ? std::string_view("trades")
             : std::string_view();
}

std::string copy_statement(std::string_view target, const std::string& columns) {
  return fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)", target, columns);
}

std::string stage_of(std::string_view table) { return fmt::format("perp_stage_{}", table); }

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
  void put_fields(std::size_t count, std::string_view fields) {
    const auto swapped = swap_bytes(static_cast<std::uint16_t>(count));
    put({reinterpret_cast<const char*>(&swapped), sizeof swapped});
    put(fields);
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

void prefetch(std::span<const market::MinuteValue> values) {
  const auto* const begin = reinterpret_cast<const char*>(values.data());
  for (std::size_t at = 0; at < values.size_bytes(); at += core::cache_line)
    __builtin_prefetch(begin + at);
}

void check_count(std::string_view table, std::int64_t stored, std::size_t sent) {
  if (stored != static_cast<std::int64_t>(sent))
    throw core::Error("rows lost by COPY", std::string(table),
                      fmt::format("{} were sent, the server stored {}", sent, stored));
}

}  // namespace

bool is_row_fault(const DatabaseError& error) {
  return error.sqlstate().starts_with("22") ||
         (error.sqlstate().starts_with("23") && !lacks_partition(error));
}

// What is merged is merged as a whole.
std::vector<Store::Part> Store::parts_of(const Batch& batch, std::span<const Series> series,
                                         StoreMode mode) const {
  std::vector<Part> parts;
  const bool is_split = mode == StoreMode::direct && batch.is_by_kind;
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    const auto kind = series[batch.rows[i].series].kind;
    if (i == 0 || (is_split && kind != series[batch.rows[i - 1].series].kind))
      parts.push_back({hot, i, i});
    parts.back().last = i + 1;
  }
  for (std::size_t i = 0; i < batch.facts.size(); ++i)
    if (!batch.facts[i].rows.empty()) parts.push_back({i, 0, batch.facts[i].rows.size()});
  return parts;
}

void Store::copy(Connection& connection, const Batch& batch, std::span<const Series> series,
                 const Part& part, bool into_stage, const std::string& before) {
  if (part.table == hot)
    copy_hot(connection, batch, series, part, into_stage, before);
  else
    copy_facts(connection, batch, part, into_stage, before);
}

void Store::copy_hot(Connection& connection, const Batch& batch, std::span<const Series> series,
                     const Part& part, bool into_stage, const std::string& before) {
  const std::span rows = std::span(batch.rows).subspan(part.first, part.last - part.first);
  const auto copy_table = [&](const Table& table, const RowLayout& whole, auto slots_of_row,
                              auto values_of, const std::string& first) {
    std::uint64_t slots = 0;
    bool has_notes = false;
    for (const Row& row : rows) {
      slots |= slots_of_row(row);
      has_notes |= whole.has_notes && !notes_of(row).empty();
    }
    const RowLayout layout = narrowed(whole, slots, has_notes);
    connection.copy_begin(first + copy_statement(into_stage ? stage_of(table.name()) : table.name(),
                                                 table.column_list(slots, has_notes)));
    CopyWriter writer(connection, buffer_);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (i + rows_ahead < rows.size()) prefetch(values_of(rows[i + rows_ahead]));
      writer.put_row(layout, series[rows[i].series].prefix, rows[i], values_of(rows[i]));
    }
    check_count(table.name(), writer.end(), rows.size());
  };
  copy_table(
      perp_data(), perp_data_layout, [](const Row& row) { return row.data_slots; },
      [&](const Row& row) { return batch.data_values(row); }, before);
  copy_table(
      perp_metrics(), perp_metrics_layout, [](const Row& row) { return row.metrics_slots; },
      [&](const Row& row) { return batch.metrics_values(row); }, "");
}

void Store::copy_facts(Connection& connection, const Batch& batch, const Part& part,
                       bool into_stage, const std::string& before) {
  const FactTable& table = fact_tables()[part.table];
  const FactBatch& facts = batch.facts[part.table];
  connection.copy_begin(before +
                        copy_statement(into_stage ? stage_of(table.name) : std::string(table.name),
                                       column_list(table)));
  CopyWriter writer(connection, buffer_);
  for (std::size_t i = part.first; i < part.last; ++i)
    writer.put_fields(table.columns.size(), facts.row(facts.rows[i]));
  check_count(table.name, writer.end(), part.last - part.first);
}

// With the table's defaults: they say what a narrowed row does not.
void Store::make_stage(Connection& connection, const std::string& table) {
  if (stages_.contains(table)) return;
  connection.execute(
      fmt::format("CREATE TEMP TABLE {} (LIKE {} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS",
                  stage_of(table), table));
  stages_.insert(table);  // known when it is there: a full disk refuses it, and it is tried again
}

std::vector<std::string> Store::tables_of(const Part& part) {
  if (part.table != hot) return {std::string(fact_tables()[part.table].name)};
  return {perp_data().name(), perp_metrics().name()};
}

std::vector<Statement> Store::merge_statements(const Part& part) {
  if (part.table != hot) {
    const FactTable& table = fact_tables()[part.table];
    return {{merge_statement(table, stage_of(table.name)), {}}};
  }
  static const std::string data = perp_data().merge_statement(stage_of(perp_data().name()), true);
  static const std::string metrics =
      perp_metrics().merge_statement(stage_of(perp_metrics().name()), false);
  return {{data, {}}, {metrics, {}}};
}

RefusedRow Store::refusal_of(const Batch& batch, std::span<const Series> series, const Part& part,
                             const DatabaseError& error) {
  RefusedRow refused;
  refused.table = error.table();
  refused.sqlstate = error.sqlstate();
  refused.reason = error.what();
  if (part.table == hot) {
    const Row& row = batch.rows[part.first];
    refused.symbol = series[row.series].symbol;
    refused.perpspec = series[row.series].perpspec;
    refused.ts = row.ts;
    refused.position = row.position;
    if (refused.table.empty()) refused.table = "perp_data or perp_metrics";
  } else {
    const FactRow& row = batch.facts[part.table].rows[part.first];
    refused.symbol = batch.facts[part.table].symbol_of(row);
    refused.ts = row.ts;
    refused.position = row.position;
    if (refused.table.empty()) refused.table = fact_tables()[part.table].name;
  }
  return refused;
}

// The temporary tables that the part is merged from. Outside a transaction: they are the session's.
void Store::make_stages(Connection& connection, const Part& part) {
  if (part.table != hot) {
    make_stage(connection, std::string(fact_tables()[part.table].name));
    return;
  }
  for (const Table* table : {&perp_data(), &perp_metrics()}) make_stage(connection, table->name());
}

void Store::commit(Connection& connection, Batch& batch, std::vector<Statement> before) {
  TouchedBuckets touched;
  for (const Row& row : batch.rows) touched.add(row.ts);
  if (std::optional<Statement> due = touched.statement()) before.push_back(std::move(*due));
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
  if (mode == StoreMode::bisect) {
    bisect(connection, batch, series);
    return;
  }
  const auto is_staged = [&](const Part& part) {
    return mode == StoreMode::merge || (part.table != hot && batch.facts[part.table].needs_merge);
  };
  const std::vector<Part> parts = parts_of(batch, series, mode);
  for (const Part& part : parts)
    if (is_staged(part)) make_stages(connection, part);
  std::vector<Statement> last;
  if (parts.empty()) last.push_back({"BEGIN", {}});
  for (const Part& part : parts) {
    copy(connection, batch, series, part, is_staged(part), &part == parts.data() ? "BEGIN; " : "");
    if (!is_staged(part)) continue;
    for (Statement& merge : merge_statements(part)) last.push_back(std::move(merge));
  }
  commit(connection, batch, std::move(last));
}

// Halves are stored under savepoints, each merged, so that whatever is refused is refused for its
// own sake. It costs about twice the batch for each bad row.
void Store::bisect(Connection& connection, Batch& batch, std::span<const Series> series) {
  std::vector<Part> parts = parts_of(batch, series, StoreMode::bisect);
  for (const Part& part : parts) make_stages(connection, part);
  connection.execute("BEGIN");
  while (!parts.empty()) {
    const Part part = parts.back();
    parts.pop_back();
    try {
      copy(connection, batch, series, part, true, "SAVEPOINT part; ");
      std::vector<Statement> merge = merge_statements(part);
      for (const std::string& table : tables_of(part))
        merge.push_back({"TRUNCATE " + stage_of(table), {}});
      merge.push_back({"RELEASE SAVEPOINT part", {}});
      connection.pipeline(merge);
    } catch (const DatabaseError& error) {
      if (error.is_connection_lost() || !is_row_fault(error)) throw;
      connection.execute("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part");
      if (part.last - part.first > 1) {
        const std::size_t middle = part.first + (part.last - part.first) / 2;
        parts.push_back({part.table, middle, part.last});
        parts.push_back({part.table, part.first, middle});
        continue;
      }
      batch.bisected.push_back(refusal_of(batch, series, part, error));
      if (batch.bisected.size() > refused_limit) throw;  // as an error of the whole batch
    }
  }
  commit(connection, batch, {});
}

}  // namespace perp::warehouse
