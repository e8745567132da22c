#include "app/output.hpp"

#include "app/shortest_text.hpp"

#include <perp/core/error.hpp>
#include <perp/core/printable.hpp>
#include <perp/core/time.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <functional>
#include <utility>

namespace perp::app {
namespace {

using Sink = std::function<void(std::string_view)>;

/// Terminal columns of a UTF-8 text, counting code points.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

bool looks_numeric(std::string_view text) {
  return text == "-" ||
         (!text.empty() && (std::isdigit(static_cast<unsigned char>(text[0])) != 0 ||
                            (text[0] == '-' && text.size() > 1 &&
                             std::isdigit(static_cast<unsigned char>(text[1])) != 0)));
}

/// What a person reads: not every digit that a double has.
std::string cell(const warehouse::ColumnData& column, std::size_t row) {
  if (column.is_null(row)) return {};
  switch (column.kind) {
    case warehouse::ColumnKind::int64: return std::to_string(column.ints[row]);
    case warehouse::ColumnKind::float64: return fmt::format("{:.10g}", column.floats[row]);
    case warehouse::ColumnKind::text: return std::string(column.text(row));
  }
  return {};
}

/// Takes a text in pieces; blocks of it go to the sink.
class Blocks {
 public:
  explicit Blocks(const Sink& sink) : sink_(sink) { block_.reserve(block_bytes); }
  void put(std::string_view piece) {
    if (block_.size() + piece.size() > block_bytes) flush();
    block_ += piece;
  }
  void put_number(std::int64_t number) {
    std::array<char, 32> text;
    put({text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr});
  }
  void put_number(double number) {
    std::array<char, 32> text;
    put({text.data(), write_shortest(text.data(), number)});
  }
  void flush() {
    sink_(block_);
    block_.clear();
  }

 private:
  // Small enough that it stays in the cache, and that a reader begins before the end.
  static constexpr std::size_t block_bytes = 64 << 10;
  const Sink& sink_;
  std::string block_;
};

// What is no UTF-8 becomes the replacement character: JSON cannot say it otherwise.
std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void put_json_text(Blocks& out, std::string_view text) {
  const auto is_plain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
  if (std::all_of(text.begin(), text.end(), is_plain)) {
    out.put("\"");
    out.put(text);
    out.put("\"");
  } else {
    out.put(json_text(text));
  }
}

/// Nor does JSON have a word for NaN and infinities.
bool has_no_value(const warehouse::ColumnData& column, std::size_t row) {
  return column.is_null(row) ||
         (column.kind == warehouse::ColumnKind::float64 && !std::isfinite(column.floats[row]));
}

bool is_null_throughout(const warehouse::ColumnData& column, std::size_t rows) {
  for (std::size_t row = 0; row < rows; ++row)
    if (!has_no_value(column, row)) return false;
  return true;
}

// Written as it goes: a day of three perpspecs is 300,000 values, most of them null, and a document
// in memory would take longer than the query.
void render_json(const warehouse::QueryResult& result, Blocks& out) {
  struct Field {
    const warehouse::ColumnData& column;
    std::string name;  // with what is before it: columns that are null in each row
    std::string null;
  };
  std::vector<Field> fields;
  std::string before, separator;
  for (const warehouse::ColumnData& column : result.columns) {
    before += std::exchange(separator, ", ") + json_text(column.name) + ": ";
    if (is_null_throughout(column, result.rows)) {
      before += "null";
      continue;
    }
    fields.push_back({column, before, before + "null"});
    before.clear();
  }
  out.put("[");
  for (std::size_t row = 0; row < result.rows; ++row) {
    out.put(row == 0 ? "\n {" : ",\n {");
    for (const Field& field : fields) {
      if (has_no_value(field.column, row)) {
        out.put(field.null);
        continue;
      }
      out.put(field.name);
      switch (field.column.kind) {
        case warehouse::ColumnKind::float64: out.put_number(field.column.floats[row]); break;
        case warehouse::ColumnKind::int64: out.put_number(field.column.ints[row]); break;
        case warehouse::ColumnKind::text: put_json_text(out, field.column.text(row)); break;
      }
    }
    out.put(before);  // the last columns, if they are null throughout
    out.put("}");
  }
  out.put(result.rows == 0 ? "]\n" : "\n]\n");
}

void render_csv(const warehouse::QueryResult& result, Blocks& out) {
  for (std::size_t i = 0; i < result.columns.size(); ++i) {
    if (i != 0) out.put(",");
    out.put(csv_cell(result.columns[i].name));
  }
  out.put("\r\n");
  for (std::size_t row = 0; row < result.rows; ++row) {
    for (std::size_t i = 0; i < result.columns.size(); ++i) {
      const warehouse::ColumnData& column = result.columns[i];
      if (i != 0) out.put(",");
      if (column.is_null(row)) continue;
      if (column.kind == warehouse::ColumnKind::text)
        out.put(csv_text_cell(column.text(row)));
      else if (column.kind == warehouse::ColumnKind::int64)
        out.put_number(column.ints[row]);
      else if (!std::isnan(column.floats[row]))
        out.put_number(column.floats[row]);
    }
    out.put("\r\n");
  }
}

std::string render_table(const warehouse::QueryResult& result) {
  std::vector<std::string> header;
  for (const warehouse::ColumnData& column : result.columns) header.push_back(column.name);
  Table table(std::move(header));
  for (std::size_t row = 0; row < result.rows; ++row) {
    std::vector<std::string> cells;
    for (const warehouse::ColumnData& column : result.columns) {
      std::string text = cell(column, row);
      if ((column.name == "ts" || column.name.ends_with("_ts")) &&
          column.kind == warehouse::ColumnKind::int64 && !column.is_null(row))
        text = time_text(column.ints[row] * core::ns_per_ms);
      cells.push_back(text.empty() ? "-" : std::move(text));
    }
    table.row(std::move(cells));
  }
  return table.text() + fmt::format("{} row{}\n", result.rows, result.rows == 1 ? "" : "s");
}

void render_to(const warehouse::QueryResult& result, std::string_view format, const Sink& sink) {
  Blocks out(sink);
  if (format == "json")
    render_json(result, out);
  else if (format == "csv")
    render_csv(result, out);
  else
    out.put(render_table(result));
  out.flush();
}

}  // namespace

std::string csv_cell(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string csv_text_cell(std::string_view text) {
  if (text.empty() || std::string_view("=+-@\t\r").find(text[0]) == std::string_view::npos)
    return csv_cell(text);
  return csv_cell("'" + std::string(text));
}

void Table::row(std::vector<std::string> cells) {
  cells.resize(header_.size());
  for (std::string& cell : cells) cell = core::printable(cell);  // names are a venue's to choose
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<std::size_t> widths;
  std::vector<bool> is_right(header_.size(), !rows_.empty());
  for (const std::string& name : header_) widths.push_back(width_of(name));
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], width_of(row[i]));
      if (!row[i].empty() && !looks_numeric(row[i])) is_right[i] = false;
    }
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string padding(widths[i] - width_of(cells[i]), ' ');
      text += is_right[i] ? padding + cells[i] : cells[i] + padding;
      text += "  ";
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  };
  line(header_);
  std::vector<std::string> rule;
  rule.reserve(widths.size());
  for (const std::size_t width : widths) rule.emplace_back(width, '-');
  line(rule);
  for (const auto& row : rows_) line(row);
  return out;
}

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

std::string bytes_text(std::uint64_t bytes) {
  static constexpr std::array<const char*, 5> units = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string duration_text(double ns) {
  const double size = std::abs(ns);
  if (size < 1e3) return fmt::format("{:.0f} ns", ns);
  if (size < 1e6) return fmt::format("{:.1f} us", ns / 1e3);
  if (size < 1e9) return fmt::format("{:.1f} ms", ns / 1e6);
  return fmt::format("{:.2f} s", ns / 1e9);
}

std::string time_text(std::int64_t ns) {
  if (ns == core::unknown_ns) return "-";
  const std::int64_t second = core::floor_to(ns, core::ns_per_second);
  const std::time_t time = static_cast<std::time_t>(second / core::ns_per_second);
  std::tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     (ns - second) / core::ns_per_ms);
}

std::string number_text(double value) {
  if (std::isnan(value)) return {};
  std::array<char, 40> text;
  const auto written = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), written.ptr};
}

std::string render(const warehouse::QueryResult& result, std::string_view format) {
  std::string out;
  render_to(result, format, [&](std::string_view block) { out += block; });
  return out;
}

void print(const warehouse::QueryResult& result, std::string_view format) {
  // stdio's own buffer would cut each block in two and is passed by; what is in it comes first.
  std::fflush(stdout);
  render_to(result, format, [](std::string_view block) {
    while (!block.empty()) {
      const ssize_t count = ::write(STDOUT_FILENO, block.data(), block.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      block.remove_prefix(static_cast<std::size_t>(count));
    }
    // What was refused is refused again, and stdio keeps that for the end of the program.
    if (!block.empty()) {
      std::fwrite(block.data(), 1, block.size(), stdout);
      std::fflush(stdout);
    }
  });
}

std::int64_t parse_time_ms(const std::string& text, const std::string& option) {
  std::int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size()) {
    if (number >= 100'000'000'000) return number;  // milliseconds since 1973
    if (number >= 100'000'000) return number * 1000;
  } else {
    for (const char* pattern : {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S",
                                "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
      std::tm parts{};
      const char* rest = strptime(text.c_str(), pattern, &parts);
      if (rest == nullptr) continue;
      std::int64_t ms = 0;
      if (*rest == '.') {
        std::int64_t scale = 100;
        for (++rest; std::isdigit(static_cast<unsigned char>(*rest)) != 0; ++rest, scale /= 10)
          ms += (*rest - '0') * scale;
      }
      if (*rest == 'Z') ++rest;
      if (*rest != '\0') continue;
      return static_cast<std::int64_t>(timegm(&parts)) * 1000 + ms;
    }
  }
  throw core::Error(
      "'" + text + "' is not a time", option,
      "expected 2026-11-01, 2026-11-01T12:30[:00], epoch seconds or milliseconds (UTC)");
}

}  // namespace perp::app
