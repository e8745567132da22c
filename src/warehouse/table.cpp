#include <perp/core/error.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

namespace perp::warehouse {
namespace {

SqlType type_of(const market::Column& column) {
  if (column.type == market::ColumnType::position_side) return SqlType::position_side;
  return column.name == "age_ms" ? SqlType::int4 : SqlType::float8;
}

void add_keys(std::vector<TableColumn>& out) {
  out.push_back({"ts", SqlType::int8, ColumnRole::key, {}, true});
  out.push_back({"symbol", SqlType::text, ColumnRole::key, {}, true});
  out.push_back({"perpspec", SqlType::text, ColumnRole::key, {}, true});
  out.push_back({"source", SqlType::text, ColumnRole::fixed, {}, true});
  out.push_back({"interval", SqlType::text, ColumnRole::fixed, {}, true});
}

void add_value(std::vector<TableColumn>& out, market::ColumnId id, bool is_seed) {
  const market::Column& raw = market::columns[static_cast<std::size_t>(
      market::is_change(id) ? market::raw_column_of(id) : id)];
  const SqlType type =
      market::is_change(id) && type_of(raw) == SqlType::int4 ? SqlType::float8 : type_of(raw);
  out.push_back({column_name(id), type, ColumnRole::value, id, is_seed});
}

std::vector<TableColumn> data_columns() {
  std::vector<TableColumn> out;
  add_keys(out);
  for (bool is_extension : {false, true})
    for (std::size_t i = 0; i < market::column_count; ++i)
      if (market::columns[i].is_extension == is_extension)
        add_value(out, static_cast<market::ColumnId>(i), !is_extension);
  out.push_back({"notes", SqlType::text, ColumnRole::notes, {}, false});
  return out;
}

std::vector<TableColumn> metrics_columns() {
  std::vector<TableColumn> out;
  add_keys(out);
  out.push_back({"window_sizes", SqlType::int2_array, ColumnRole::fixed, {}, true});
  for (std::size_t i = 0; i < market::column_count; ++i)
    if (!market::columns[i].is_extension) add_value(out, static_cast<market::ColumnId>(i), true);
  // Seed order: all changes of one window, then the next window. Extensions: column by column.
  for (std::size_t window = 0; window < market::change_windows_minutes.size(); ++window)
    for (std::size_t i = 0; i < market::column_count; ++i)
      if (market::columns[i].has_change && !market::columns[i].is_extension)
        add_value(out, market::change_column(static_cast<market::ColumnId>(i), window), true);
  for (std::size_t i = 0; i < market::column_count; ++i)
    if (market::columns[i].has_change && market::columns[i].is_extension)
      add_value(out, static_cast<market::ColumnId>(i), false);
  for (std::size_t i = 0; i < market::column_count; ++i)
    for (std::size_t window = 0; window < market::change_windows_minutes.size(); ++window)
      if (market::columns[i].has_change && market::columns[i].is_extension)
        add_value(out, market::change_column(static_cast<market::ColumnId>(i), window), false);
  return out;
}

std::string sql_type(const TableColumn& column) {
  const std::string name = quote_identifier(column.name);
  switch (column.type) {
    case SqlType::int8: return "BIGINT";
    case SqlType::int4: return "INT";
    case SqlType::float8: return "DOUBLE PRECISION";
    case SqlType::text: return column.role == ColumnRole::key ? "TEXT COLLATE \"C\"" : "TEXT";
    case SqlType::position_side: return fmt::format("TEXT CHECK ({} IN ('long','short'))", name);
    case SqlType::int2_array: return "SMALLINT[]";
  }
  throw core::Error("no SQL type", column.name, "not in the table of types");
}

}  // namespace

std::string column_name(market::ColumnId id) {
  if (!market::is_change(id))
    return std::string(market::columns[static_cast<std::size_t>(id)].name);
  return fmt::format("{}_chg_{}m",
                     market::columns[static_cast<std::size_t>(market::raw_column_of(id))].name,
                     market::change_windows_minutes[market::window_index_of(id)]);
}

std::string_view window_sizes_text() {
  static const std::string text =
      fmt::format("{{{}}}", fmt::join(market::change_windows_minutes, ","));
  return text;
}

std::string quote_identifier(std::string_view name) {
  bool is_good =
      !name.empty() && name.size() <= 63 && ((name[0] >= 'a' && name[0] <= 'z') || name[0] == '_');
  for (char c : name)
    is_good = is_good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-');
  if (!is_good)
    throw core::Error("refused as a name in SQL", std::string(name),
                      "expected [a-z_][a-z0-9_-]{0,62}");
  return fmt::format("\"{}\"", name);
}

std::string Table::column_list() const {
  std::string out;
  for (const TableColumn& column : columns_) {
    if (!out.empty()) out += ',';
    out += quote_identifier(column.name);
  }
  return out;
}

std::string Table::column_list(std::uint64_t values, bool has_notes) const {
  std::string out;
  for (const TableColumn& column : columns_) {
    bool is_listed = column.role == ColumnRole::key || column.name == "source" ||
                     (column.role == ColumnRole::notes && has_notes);
    if (column.role == ColumnRole::value) {
      is_listed = (values & 1) != 0;
      values >>= 1;
    }
    if (!is_listed) continue;
    if (!out.empty()) out += ',';
    out += quote_identifier(column.name);
  }
  return out;
}

std::string Table::definition_of(const TableColumn& column) {
  std::string out = quote_identifier(column.name) + " " + sql_type(column);
  if (column.role == ColumnRole::key) out += " NOT NULL";
  if (column.name == "interval") out += " NOT NULL DEFAULT '1min'";
  if (column.name == "window_sizes") out += fmt::format(" DEFAULT '{}'", window_sizes_text());
  return out;
}

std::string Table::definition() const {
  std::string out;
  for (const TableColumn& column : columns_) out += definition_of(column) + ",\n  ";
  return out +
         "exchange TEXT GENERATED ALWAYS AS (CASE WHEN perpspec = 'rsi' THEN 'bin' ELSE "
         "split_part(perpspec, '-', 1) END) STORED,\n"
         "  PRIMARY KEY (ts, symbol, perpspec)";
}

std::string Table::merge_statement(std::string_view stage, bool keep_known) const {
  std::string updates;
  const std::string target = quote_identifier(name_);
  for (const TableColumn& column : columns_) {
    if (column.role == ColumnRole::key) continue;
    const std::string quoted = quote_identifier(column.name);
    const bool keeps = keep_known && column.role == ColumnRole::value;
    updates += fmt::format("{}{} = {}", updates.empty() ? "" : ", ", quoted,
                           keeps ? fmt::format("COALESCE(EXCLUDED.{0}, {1}.{0})", quoted, target)
                                 : "EXCLUDED." + quoted);
  }
  const std::string columns = column_list();
  return fmt::format(
      "INSERT INTO {} ({}) SELECT {} FROM {} ORDER BY symbol, perpspec, ts ON CONFLICT (ts, "
      "symbol, perpspec) DO UPDATE SET {}",
      target, columns, columns, quote_identifier(stage), updates);
}

std::vector<std::string> Table::index_statements() const {
  if (name_ == "perp_data")
    return {
        "CREATE INDEX IF NOT EXISTS idx_data_symbol_perpspec ON perp_data (symbol, perpspec, ts "
        "DESC)"};
  return {"CREATE INDEX IF NOT EXISTS idx_metrics_symbol_ts ON perp_metrics (symbol, ts DESC)",
          "CREATE INDEX IF NOT EXISTS idx_metrics_perpspec_ts ON perp_metrics (perpspec, ts DESC)",
          "CREATE INDEX IF NOT EXISTS idx_metrics_symbol_perpspec ON perp_metrics (symbol, "
          "perpspec, ts DESC)"};
}

std::span<const std::string_view> other_tables() {
  static constexpr auto names = std::to_array<std::string_view>({"data_gaps",
                                                                 "data_versions",
                                                                 "exchanges",
                                                                 "hl_addresses",
                                                                 "ingest_events",
                                                                 "instruments",
                                                                 "kline_discovery_cache",
                                                                 "open_interest_alerts",
                                                                 "open_interest_liquid_history",
                                                                 "open_interest_liquid_symbols",
                                                                 "perp_errors",
                                                                 "perp_load_cursors",
                                                                 "perp_migrations",
                                                                 "perp_rollup_due",
                                                                 "perp_seal_changes",
                                                                 "perp_series",
                                                                 "perp_settings",
                                                                 "perp_status",
                                                                 "perpspec_schema",
                                                                 "quality_checks",
                                                                 "saved_algos",
                                                                 "symbol_aliases",
                                                                 "user_cross_alerts",
                                                                 "volume_alerts"});
  return names;
}

const Table& perp_data() {
  static const Table table("perp_data", data_columns());
  return table;
}

const Table& perp_metrics() {
  static const Table table("perp_metrics", metrics_columns());
  return table;
}

}  // namespace perp::warehouse
