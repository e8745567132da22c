#include "warehouse/column_catalog.hpp"

#include <perp/core/error.hpp>
#include <perp/market/venue_id.hpp>
#include <perp/warehouse/query.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <type_traits>

namespace perp::warehouse {
namespace {

std::int16_t venue_number(const std::string& name) {
  for (const market::Venue& venue : market::venues)
    if (venue.key == name || venue.code == name) return static_cast<std::int16_t>(venue.id);
  throw core::Error("unknown venue '" + name + "'", "query_gaps", "see `perp venues`");
}

// In tables of facts a contract that is not its base's primary one is BASE-QUOTE; every other
// spelling is that of a base.
std::string stored_symbol(Connection& connection, const std::string& table,
                          const std::string& text) {
  const bool is_hot = table == perp_data().name() || table == perp_metrics().name();
  const bool is_secondary =
      !is_hot && connection
                         .query(
                             "SELECT FROM instruments WHERE NOT is_primary AND base || '-' || "
                             "quote = $1 LIMIT 1",
                             {text})
                         .rows != 0;
  return is_secondary ? text : resolve_symbol(connection, text);
}

/// A table's key beside ts: what may be said of a series.
std::vector<CatalogColumn> key_columns(Connection& connection, const std::string& table) {
  const QueryResult key = connection.query(
      "SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND "
      "a.attnum = ANY (i.indkey) WHERE i.indisprimary AND i.indrelid = $1::text::regclass AND "
      "a.attname <> 'ts' ORDER BY array_position(i.indkey::int2[], a.attnum)",
      {table});
  const std::vector<CatalogColumn> columns = read_columns(connection, table);
  std::vector<CatalogColumn> out;
  for (std::size_t i = 0; i < key.rows; ++i)
    if (const CatalogColumn* column = find_column(columns, key.columns[0].text(i)))
      out.push_back(*column);
  return out;
}

std::string names_of(const std::vector<CatalogColumn>& columns) {
  std::string out;
  for (const CatalogColumn& column : columns) out += (out.empty() ? "" : ", ") + column.name;
  return out;
}

// Of the key's columns these tell rows of one moment apart, all others series.
bool tells_rows_apart(std::string_view column) {
  static constexpr auto names = std::to_array<std::string_view>(
      {"trade_id", "liq_id", "id", "side", "level", "rank", "price_level"});
  return std::find(names.begin(), names.end(), column) != names.end();
}

// Rows of several series one behind the other would have gaps that nobody has.
void require_one_series(const SeriesKey& series, const std::vector<CatalogColumn>& key) {
  for (const CatalogColumn& column : key) {
    const auto given = std::count_if(series.equal.begin(), series.equal.end(),
                                     [&](const auto& equal) { return equal.first == column.name; });
    if (given > 1)
      throw core::Error("said twice", column.name, "one series has one " + column.name);
    if (given == 0 && !tells_rows_apart(column.name))
      throw core::Error(
          "not one series", column.name,
          fmt::format("{} has a series for each {}: say which", series.table, column.name));
  }
}

template <class Number>
Number parse_number(const CatalogColumn& column, const std::string& text) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  bool is_number = parsed.ec == std::errc{} && parsed.ptr == end;
  if constexpr (std::is_floating_point_v<Number>) is_number = is_number && std::isfinite(number);
  if (!is_number)
    throw core::Error("'" + text + "' is no number", column.name,
                      "this column of the key is one: 1000, not 1k");
  return number;
}

Value value_of(Connection& connection, const std::string& table, const CatalogColumn& column,
               const std::string& text) {
  if (column.name == "exchange_id") return venue_number(text);
  if (column.name == "symbol") return stored_symbol(connection, table, text);
  if (column.name == "perpspec") return resolve_perpspec(text);
  if (column.is_float8) return parse_number<double>(column, text);
  if (column.type == CatalogType::number) return parse_number<std::int64_t>(column, text);
  return text;
}

}  // namespace

QueryResult query_gaps(Connection& connection, const SeriesKey& series, std::int64_t from_ms,
                       std::int64_t to_ms, std::int64_t interval_ms) {
  if (interval_ms <= 0)
    throw core::Error("bad interval", "query_gaps",
                      fmt::format("{} ms; expected more than 0", interval_ms));
  if (connection.query("SELECT FROM perp_series WHERE table_name = $1", {series.table}).rows == 0)
    throw core::Error("no series '" + series.table + "'", "query_gaps", "see `perp db info`");
  const std::vector<CatalogColumn> key = key_columns(connection, series.table);
  std::vector<Value> values{from_ms, to_ms, interval_ms};
  std::string conditions;
  for (const auto& [name, text] : series.equal) {
    const CatalogColumn* column = find_column(key, name);
    if (column == nullptr)
      throw core::Error("no key column '" + name + "'", "query_gaps",
                        fmt::format("a series of {} is told by: {}", series.table, names_of(key)));
    values.push_back(value_of(connection, series.table, *column, text));
    conditions += fmt::format(" AND {} = ${}", quote_identifier(column->name), values.size());
  }
  require_one_series(series, key);
  return connection.query(
      fmt::format("SELECT prev_ts, ts, (ts - prev_ts) / $3 - 1 AS missing FROM (SELECT ts, lag(ts) "
                  "OVER (ORDER BY ts) AS prev_ts FROM {} WHERE ts >= $1 AND ts < $2{}) s WHERE ts "
                  "- prev_ts > $3 ORDER BY ts",
                  quote_identifier(series.table), conditions),
      values);
}

QueryResult query_gaps(Connection& connection, std::string_view perpspec, std::string_view symbol,
                       std::int64_t from_ms, std::int64_t to_ms, std::int64_t interval_ms) {
  return query_gaps(
      connection,
      {perp_data().name(), {{"perpspec", std::string(perpspec)}, {"symbol", std::string(symbol)}}},
      from_ms, to_ms, interval_ms);
}

}  // namespace perp::warehouse
