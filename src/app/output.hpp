#pragma once
// What commands print: aligned tables for people, JSON and CSV for programs. Logs and progress go
// to stderr.
#include <perp/warehouse/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perp::app {

/// Rows of text with aligned columns; numbers to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}
  void row(std::vector<std::string> cells);
  std::string text() const;
  bool empty() const { return rows_.empty(); }

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

/// 1234567 -> "1,234,567".
std::string grouped(std::uint64_t number);
/// 12345678 -> "11.8 MiB".
std::string bytes_text(std::uint64_t bytes);
/// 1234 -> "1.2 us"; negative values stay negative.
std::string duration_text(double ns);
/// 2026-11-01T00:00:00.000Z; "-" while unknown.
std::string time_text(std::int64_t ns);
/// A cell of a CSV file, quoted where RFC 4180 wants it. For numbers and texts of our own.
std::string csv_cell(std::string_view text);
/// A text from outside as a CSV cell: one that a spreadsheet would take for a formula (beginning
/// with = + - @ TAB CR) gets an apostrophe in front.
std::string csv_text_cell(std::string_view text);
/// The shortest text that reads back as the same double; "" for NaN.
std::string number_text(double value);

/// A query's columns as table, json (an array of objects, NULL as null) or csv (RFC 4180, header
/// line, NULL empty).
std::string render(const warehouse::QueryResult& result, std::string_view format);
/// The same to stdout, block by block while it is made.
void print(const warehouse::QueryResult& result, std::string_view format);

/// "2026-11-01", "2026-11-01T12:30", "...:00Z", epoch seconds or milliseconds -> ms. Throws
/// core::Error naming `option`.
std::int64_t parse_time_ms(const std::string& text, const std::string& option);

}  // namespace perp::app
