// What is not known is shown as nothing, in every format.
#include "app/output.hpp"

#include <perp/market/record.hpp>

#include <gtest/gtest.h>

namespace perp::app {
namespace {

warehouse::QueryResult one_row_without_values() {
  warehouse::QueryResult result;
  result.rows = 1;
  for (const auto& [name, kind] : {std::pair("last_ts", warehouse::ColumnKind::int64),
                                   std::pair("rows", warehouse::ColumnKind::int64),
                                   std::pair("c", warehouse::ColumnKind::float64),
                                   std::pair("symbol", warehouse::ColumnKind::text)}) {
    warehouse::ColumnData column;
    column.name = name;
    column.kind = kind;
    if (kind == warehouse::ColumnKind::int64) column.ints = {0};
    if (kind == warehouse::ColumnKind::float64) column.floats = {market::missing};
    if (kind == warehouse::ColumnKind::text) column.text_ends = {0};
    column.nulls = {1};
    result.columns.push_back(column);
  }
  return result;
}

TEST(Render, AnUnknownTimeIsNotTheEpoch) {
  const warehouse::QueryResult row = one_row_without_values();
  const std::string table = render(row, "table");
  EXPECT_EQ(table.find("1970"), std::string::npos) << table;
  EXPECT_NE(table.find("-  "), std::string::npos) << table;
  EXPECT_EQ(render(row, "csv"), "last_ts,rows,c,symbol\r\n,,,\r\n");
  EXPECT_NE(render(row, "json").find("\"last_ts\": null"), std::string::npos);
}

}  // namespace
}  // namespace perp::app
