#include "warehouse/column_catalog.hpp"

#include <perp/core/error.hpp>
#include <perp/market/venue_id.hpp>
#include <perp/warehouse/query.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>

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

// Rows of several series one behind the other would have gaps that nobody has: every column of the
// key that tells series apart has to be given. What tells rows of one moment apart (trade_id,
// level) does not.
void require_one_series(Connection& connection, const SeriesKey& series) {
  const QueryResult key = connection.query(
      "SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND "
      "a.attnum = ANY (i.indkey) WHERE i.indisprimary AND i.indrelid = $1::text::regclass AND "
      "a.attname IN ('exchange_id', 'symbol', 'perpspec', 'interval', 'period', 'kind', 'name', "
      "'coin', 'address', 'source', 'trade_amount') ORDER BY a.attnum",
      {series.table});
  for (std::size_t i = 0; i < key.rows; ++i) {
    const std::string_view name = key.columns[0].text(i);
    const bool is_given = std::any_of(series.equal.begin(), series.equal.end(),
                                      [&](const auto& equal) { return equal.first == name; });
    if (!is_given)
      throw core::Error("not one series", std::string(name),
                        fmt::format("{} has a series for each {}: say which", series.table, name));
  }
}

}  // namespace

QueryResult query_gaps(Connection& connection, const SeriesKey& series, std::int64_t from_ms,
                       std::int64_t to_ms, std::int64_t interval_ms) {
  if (interval_ms <= 0)
    throw core::Error("bad interval", "query_gaps",
                      fmt::format("{} ms; expected more than 0", interval_ms));
  if (connection.query("SELECT FROM perp_series WHERE table_name = $1", {series.table}).rows == 0)
    throw core::Error("no series '" + series.table + "'", "query_gaps", "see `perp db info`");
  const std::vector<CatalogColumn> columns = read_columns(connection, series.table);
  require_one_series(connection, series);
  std::vector<Value> values{from_ms, to_ms, interval_ms};
  std::string conditions;
  for (const auto& [name, text] : series.equal) {
    const CatalogColumn* column = find_column(columns, name);
    if (column == nullptr || (column->type != CatalogType::text && name != "exchange_id"))
      throw core::Error("no key column '" + name + "'", "query_gaps",
                        "table " + series.table + " has none of this name");
    if (name == "exchange_id")
      values.emplace_back(venue_number(text));
    else if (name == "symbol")
      values.emplace_back(stored_symbol(connection, series.table, text));
    else if (name == "perpspec")
      values.emplace_back(resolve_perpspec(text));
    else
      values.emplace_back(text);
    conditions += fmt::format(" AND {} = ${}", quote_identifier(name), values.size());
  }
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
