// What is not known is shown as nothing, in every format.
#include "app/output.hpp"

#include <perp/market/record.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

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

warehouse::ColumnData texts(const std::string& name, const std::vector<std::string>& values) {
  warehouse::ColumnData column;
  column.name = name;
  column.kind = warehouse::ColumnKind::text;
  for (const std::string& value : values) {
    column.text_bytes += value;
    column.text_ends.push_back(static_cast<std::uint32_t>(column.text_bytes.size()));
  }
  return column;
}

warehouse::ColumnData numbers(const std::string& name, std::vector<double> values) {
  warehouse::ColumnData column;
  column.name = name;
  column.kind = warehouse::ColumnKind::float64;
  column.floats = std::move(values);
  return column;
}

TEST(Render, ATextThatASpreadsheetWouldRunStaysAText) {
  warehouse::QueryResult result;
  result.rows = 8;
  result.columns.push_back(texts("symbol", {"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1",
                                            "=cmd|' /C calc'!A0,\"x\"", "BTC=X"}));
  result.columns.push_back(numbers("c", {-1, 2, -0.5, 1e22, -1e-7, 0, 3, 4}));
  EXPECT_EQ(render(result, "csv"),
            "symbol,c\r\n'=1+1,-1\r\n'+1,2\r\n'-1,-0.5\r\n'@SUM(A1),1e+22\r\n'\t=1,-1e-07\r\n"
            "\"'\r=1\",0\r\n\"'=cmd|' /C calc'!A0,\"\"x\"\"\",3\r\nBTC=X,4\r\n");
}

TEST(Render, ANameCannotDrawOnTheTerminal) {
  warehouse::QueryResult result;
  result.rows = 5;
  result.columns.push_back(texts("symbol", {"A\nB", "\x1b[2J\x1b]0;x\x07",
                                            "\xc2\x9b"
                                            "31m",
                                            "\xff",
                                            "\xe2\x80\xae"
                                            "CBA \xd0\xaf"}));
  const std::string table = render(result, "table");
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 8);  // header, rule, five rows, count
  for (const char* shown : {"A\\x0aB", "\\x1b[2J\\x1b]0;x\\x07", "\\xc2\\x9b31m", "\\xff",
                            "\\xe2\\x80\\xaeCBA \xd0\xaf"})
    EXPECT_NE(table.find(shown), std::string::npos) << shown << "\n" << table;
  for (const char c : table) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= ' ');
}

TEST(Render, JsonIsReadBackAsItWas) {
  warehouse::QueryResult result;
  result.rows = 4;
  const std::vector<std::string> names{"BTC", "a\"b\\c\n\x1b", "\xd0\xaf", "\xff\xfe"};
  const std::vector<double> values{0.1, -1e300, 123456789.0, 5e-324};
  result.columns.push_back(texts("symbol", names));
  result.columns.push_back(numbers("c", values));
  result.columns.push_back(numbers("n", {1, market::missing, 3, HUGE_VAL}));
  result.columns[2].nulls = {2};
  const auto read = nlohmann::json::parse(render(result, "json"));
  ASSERT_EQ(read.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(read[i]["c"].get<double>(), values[i]);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(read[i]["symbol"].get<std::string>(), names[i]);
  EXPECT_EQ(read[3]["symbol"].get<std::string>(), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(read[0]["n"].get<double>(), 1);
  EXPECT_TRUE(read[1]["n"].is_null());
  EXPECT_TRUE(read[3]["n"].is_null());  // JSON has no infinity
  EXPECT_EQ(nlohmann::json::parse(render(warehouse::QueryResult{}, "json")).size(), 0u);
}

TEST(Render, LongAnswersAreWhole) {
  // Longer than the blocks in which they are made, with one text that is longer than any.
  constexpr std::size_t rows = 20'000;
  std::vector<std::string> names;
  std::vector<double> values;
  for (std::size_t i = 0; i < rows; ++i) {
    names.push_back(i == 777 ? std::string(200'000, 'x')
                             : "COIN" + std::to_string(i * 7919 % rows));
    values.push_back(i % 3 == 0 ? market::missing : static_cast<double>(i) / 7);
  }
  warehouse::QueryResult result;
  result.rows = rows;
  result.columns = {texts("symbol", names), numbers("c", values)};
  const auto read = nlohmann::json::parse(render(result, "json"));
  ASSERT_EQ(read.size(), rows);
  std::string csv = "symbol,c\r\n";
  for (std::size_t i = 0; i < rows; ++i) {
    ASSERT_EQ(read[i]["symbol"].get<std::string>(), names[i]);
    ASSERT_EQ(read[i]["c"].is_null(), i % 3 == 0);
    if (i % 3 != 0) {
      ASSERT_EQ(read[i]["c"].get<double>(), values[i]);
    }
    csv += names[i] + "," + number_text(values[i]) + "\r\n";
  }
  EXPECT_EQ(render(result, "csv"), csv);
}

}  // namespace
}  // namespace perp::app
