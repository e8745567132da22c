#include "app/minute_check.hpp"

#include <perp/core/error.hpp>
#include <perp/market/venue_id.hpp>
#include <perp/warehouse/connection.hpp>

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <tuple>

namespace perp::app {
namespace {

constexpr std::size_t examples_max = 20;
constexpr double tolerance = 1e-9;  // sums of doubles

struct Compared {
  std::string_view spec;    ///< behind the venue's code
  std::string_view column;  ///< of perp_data
  std::string_view truth;   ///< of truth.csv
};
constexpr auto compared = std::to_array<Compared>({{"ohlcv", "o", "o"},
                                                   {"ohlcv", "h", "h"},
                                                   {"ohlcv", "l", "l"},
                                                   {"ohlcv", "c", "c"},
                                                   {"ohlcv", "v", "v_quote"},
                                                   {"tv", "tbv", "tbv"},
                                                   {"tv", "tsv", "tsv"}});

using Key = std::tuple<std::string, std::string, std::int64_t>;  // perpspec, symbol, ts
using Values = std::map<std::string, double, std::less<>>;

std::map<Key, Values> read_rows(const std::string& dsn) {
  warehouse::Connection connection(dsn);
  const warehouse::QueryResult result = connection.query("SELECT * FROM perp_data");
  std::map<Key, Values> rows;
  for (std::size_t i = 0; i < result.rows; ++i) {
    Values& values =
        rows[{std::string(result.column("perpspec").text(i)),
              std::string(result.column("symbol").text(i)), result.column("ts").ints[i]}];
    for (const warehouse::ColumnData& column : result.columns)
      if (column.kind == warehouse::ColumnKind::float64 && !column.is_null(i))
        values[column.name] = column.floats[i];
  }
  return rows;
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::stringstream text(line);
  for (std::string cell; std::getline(text, cell, ',');) cells.push_back(cell);
  return cells;
}

}  // namespace

MinuteCheck check_minutes(const std::string& truth_file, const std::string& dsn) {
  std::ifstream file(truth_file);
  std::string line;
  if (!file || !std::getline(file, line))
    throw core::Error("cannot read the minutes", truth_file, "it is written by `perp sim serve`");
  const std::vector<std::string> header = cells_of(line);
  const std::map<Key, Values> rows = read_rows(dsn);
  MinuteCheck check;
  while (std::getline(file, line)) {
    std::vector<std::string> cells = cells_of(line);
    cells.resize(header.size());
    std::map<std::string, std::string, std::less<>> truth;
    for (std::size_t i = 0; i < header.size(); ++i) truth[header[i]] = cells[i];
    const market::Venue* const venue = market::find_venue(std::string_view(truth["venue"]));
    if (venue == nullptr) throw core::Error("unknown venue", truth_file, line);
    ++check.minutes;
    bool has_row = false;
    for (const Compared& one : compared) {
      const std::string spec = fmt::format("{}-{}", venue->code, one.spec);
      const std::string& cell = truth.find(one.truth)->second;
      const auto row = rows.find(
          {spec, truth["symbol"], std::strtoll(truth["minute_ts_ms"].c_str(), nullptr, 10)});
      if (cell.empty() || row == rows.end()) continue;
      has_row = true;
      const auto value = row->second.find(one.column);
      if (value == row->second.end()) continue;
      const double expected = std::strtod(cell.c_str(), nullptr);
      ++check.compared;
      if (std::abs(value->second - expected) <= std::abs(expected) * tolerance) continue;
      ++check.different;
      if (check.examples.size() < examples_max)
        check.examples.push_back(fmt::format("{} {} minute {}: {} is {}, the market's was {}", spec,
                                             truth["symbol"], truth["minute_ts_ms"], one.column,
                                             value->second, cell));
    }
    if (!has_row) ++check.without;
  }
  return check;
}

}  // namespace perp::app
