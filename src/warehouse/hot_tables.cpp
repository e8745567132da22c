#include "warehouse/hot_tables.hpp"

#include "warehouse/column_catalog.hpp"
#include "warehouse/rollup_tables.hpp"

#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

namespace perp::warehouse {
namespace {

void create_table(Connection& connection, const Table& table, int retention_days) {
  connection.query("SELECT perp_create_series($1, $2, 1, $3)::text",
                   {table.name(), table.definition(), static_cast<std::int32_t>(retention_days)});
  // A program with more extension columns than the one that made the table: they are added, never
  // removed.
  const QueryResult present = connection.query(
      "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 "
      "AND NOT attisdropped",
      {table.name()});
  for (const TableColumn& column : table.columns()) {
    bool is_present = false;
    for (std::size_t i = 0; i < present.rows; ++i)
      is_present = is_present || present.columns[0].text(i) == column.name;
    if (!is_present)
      connection.execute(
          fmt::format("ALTER TABLE {} ADD COLUMN {}", table.name(), Table::definition_of(column)));
  }
  for (const std::string& index : table.index_statements()) connection.execute(index);
}

}  // namespace

// One row per (ts, symbol, exchange) over its specs; the RSI, computed from Binance closes, beside
// every venue. Columns added to the running system are the table's last, so that the views can be
// replaced.
void create_hot_views(Connection& connection) {
  std::string columns;
  for (const CatalogColumn& column : read_columns(connection, perp_metrics().name())) {
    if (!is_value_column(column)) continue;
    const bool is_rsi = column.name.starts_with("rsi");
    columns +=
        fmt::format(", max({0}.{1}) AS {1}", is_rsi ? "r" : "m", quote_identifier(column.name));
  }
  connection.execute(fmt::format(
      "CREATE OR REPLACE VIEW perp_wide AS SELECT m.ts, m.symbol, m.exchange{} FROM perp_metrics m "
      "LEFT JOIN perp_metrics r ON r.ts = m.ts AND r.symbol = m.symbol AND r.perpspec = 'rsi' "
      "WHERE m.perpspec <> 'rsi' GROUP BY m.ts, m.symbol, m.exchange",
      columns));
  connection.execute(
      "CREATE OR REPLACE VIEW latest_perp AS SELECT DISTINCT ON (symbol, exchange) * FROM "
      "perp_wide ORDER BY symbol, exchange, ts DESC");
}

void create_hot_tables(Connection& connection, int retention_days) {
  for (const Table* table : {&perp_data(), &perp_metrics()})
    create_table(connection, *table, retention_days);
  create_rollup_tables(connection);
  create_hot_views(connection);
}

}  // namespace perp::warehouse
