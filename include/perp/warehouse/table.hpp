#pragma once
// perp_data and perp_metrics as data: their columns in table order, generated from the column table
// of market/perpspec.hpp. DDL, COPY column lists, merge statements and the row encoder all read
// these two. Built once, immutable afterwards, usable from any thread. The generated column
// `exchange` is not among the written columns.
#include <perp/market/perpspec.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perp::warehouse {

inline constexpr std::int64_t minute_ms = 60'000;
inline constexpr std::int64_t day_ms = 86'400'000;

enum class SqlType : std::uint8_t { int8, int4, float8, text, position_side, int2_array };

enum class ColumnRole : std::uint8_t {
  key,    ///< ts, symbol, perpspec: the primary key
  fixed,  ///< source, interval, window_sizes: the same for every row of a series
  value,  ///< carried by a minute record
  notes,  ///< where the row came from
};

struct TableColumn {
  std::string name;
  SqlType type;
  ColumnRole role;
  market::ColumnId id;  ///< of a value column
  bool is_seed;         ///< one of the 20 or 57
};

class Table {
 public:
  Table(std::string_view name, std::vector<TableColumn> columns)
      : name_(name), columns_(std::move(columns)) {}

  const std::string& name() const { return name_; }
  std::span<const TableColumn> columns() const { return columns_; }
  /// `ts,symbol,...,"interval",...`, every written column in order.
  std::string column_list() const;
  /// The columns of a narrowed RowLayout: of the values the first for bit 0 of `values`, and so on.
  std::string column_list(std::uint64_t values, bool has_notes) const;
  /// Column definitions for CREATE TABLE, the generated `exchange` and the primary key included.
  std::string definition() const;
  /// `name type ...` of one column, for ALTER TABLE ... ADD COLUMN.
  static std::string definition_of(const TableColumn& column);
  /// INSERT ... SELECT from `stage`, whose keys are unique. `keep_known`: a NULL does not erase a
  /// stored value.
  std::string merge_statement(std::string_view stage, bool keep_known) const;
  /// The table's secondary indexes, IF NOT EXISTS.
  std::vector<std::string> index_statements() const;

 private:
  std::string name_;
  std::vector<TableColumn> columns_;
};

/// 20 seed columns, then lql, lqs, prem, oi_contracts, age_ms, notes.
const Table& perp_data();
/// 57 seed columns, then lql, lqs and their changes.
const Table& perp_metrics();

/// Our tables that are no series: reference data, alerts, logs, accounts. What perp_series lists,
/// these, and views of them are all that setup makes.
std::span<const std::string_view> other_tables();

/// "c_chg_5m" for a change id, "c" for a raw one.
std::string column_name(market::ColumnId id);

/// "{1,5,10}": window_sizes of every row of perp_metrics.
std::string_view window_sizes_text();

/// An SQL identifier in quotes. Throws core::Error unless it matches [a-z_][a-z0-9_-]{0,62}.
std::string quote_identifier(std::string_view name);

}  // namespace perp::warehouse
