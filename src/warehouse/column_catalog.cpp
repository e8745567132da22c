#include "warehouse/column_catalog.hpp"

#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace perp::warehouse {
namespace {

constexpr auto common =
    std::to_array<std::string_view>({"ts", "symbol", "source", "perpspec", "interval"});
constexpr auto not_values = std::to_array<std::string_view>({"window_sizes", "notes", "exchange"});
constexpr std::string_view infix = "_chg_";

bool is_name(std::string_view name) {
  try {
    static_cast<void>(quote_identifier(name));
    return true;
  } catch (const core::Error&) {
    return false;
  }
}

}  // namespace

Statement columns_statement(std::string_view table) {
  return {
      "SELECT a.attname::text, t.typcategory = 'N', t.typcategory = 'S', a.atttypid = 'float8'::"
      "regtype, a.attgenerated <> '', a.atthasdef FROM pg_attribute a JOIN pg_type t ON t.oid = "
      "a.atttypid "
      "WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY "
      "a.attnum",
      {std::string(table)}};
}

std::vector<CatalogColumn> columns_of(std::string_view table, const QueryResult& rows) {
  if (rows.rows == 0)
    throw core::Error("no such table", std::string(table), "run `perp db setup` first");
  std::vector<CatalogColumn> out;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const std::string name(rows.columns[0].text(i));
    if (!is_name(name)) continue;
    out.push_back({name,
                   rows.columns[1].ints[i] != 0   ? CatalogType::number
                   : rows.columns[2].ints[i] != 0 ? CatalogType::text
                                                  : CatalogType::other,
                   rows.columns[3].ints[i] != 0, rows.columns[4].ints[i] != 0,
                   rows.columns[5].ints[i] != 0});
  }
  return out;
}

std::vector<CatalogColumn> read_columns(Connection& connection, std::string_view table) {
  const Statement statement = columns_statement(table);
  return columns_of(table, connection.query(statement.sql, statement.values));
}

const CatalogColumn* find_column(std::span<const CatalogColumn> columns, std::string_view name) {
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const CatalogColumn& column) { return column.name == name; });
  return found == columns.end() ? nullptr : &*found;
}

std::span<const std::string_view> common_fields() { return common; }

bool is_value_column(const CatalogColumn& column) {
  return std::find(common.begin(), common.end(), column.name) == common.end() &&
         std::find(not_values.begin(), not_values.end(), column.name) == not_values.end();
}

ChangeName parse_change_name(std::string_view name) {
  const std::size_t at = name.rfind(infix);
  if (at == std::string_view::npos || at == 0 || !name.ends_with('m')) return {};
  ChangeName out{name.substr(0, at), 0};
  const char* const end = name.data() + name.size() - 1;
  if (std::from_chars(name.data() + at + infix.size(), end, out.minutes).ptr != end ||
      out.minutes < 1)
    return {};
  return out;
}

std::string change_name(std::string_view raw, int minutes) {
  return fmt::format("{}{}{}m", raw, infix, minutes);
}

}  // namespace perp::warehouse
