#pragma once
// Rows of perp_data on a grid of minutes, column by column, and the rows of perp_metrics that they
// make. Rows may come in any order. A series whose rows are not on the minute has a grid of its
// own, shifted by their seconds, so that "w minutes earlier" is always exact. Owned by one thread;
// about 8 bytes for each value and for each change that a series can have in a minute.
#include "warehouse/metrics_plan.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace perp::warehouse {

class Connection;

class MetricsGrid {
 public:
  /// Rows of from_ms <= ts < to_ms are made, from the plan's history before them on; both are on
  /// the minute. The plan outlives the grid.
  MetricsGrid(const MetricsPlan& plan, std::int64_t from_ms, std::int64_t to_ms);

  /// A row of COPY (SELECT plan.select_list FROM perp_data ...) TO STDOUT (FORMAT binary).
  void add_row(std::span<const char> row);
  /// Every change of every row, once all rows are there.
  void compute();
  /// How rows follow each other: series by series, or in blocks of some hours of every series,
  /// which an index on the time and one on the series take equally well.
  enum class Order { series, blocks };
  /// COPY of all rows into `table`, which has perp_metrics' columns. In blocks each kind of series,
  /// those with values of the same inputs, is a COPY of its own, with only the columns that it has:
  /// most fields of a row are NULL, and the server takes its time for each. @returns their number
  std::int64_t write(Connection& connection, std::string_view table, Order order);

  std::int64_t rows_read() const { return rows_read_; }
  /// Rows that write() sends.
  std::int64_t rows_made() const { return rows_made_; }

 private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  struct Series {
    std::string symbol;
    std::string perpspec;
    std::int64_t phase_ms;            ///< ts of its rows, modulo a minute
    std::vector<std::uint32_t> runs;  ///< per input, in its column; none: no value yet
  };
  struct Column {
    std::vector<double> values;                      ///< runs of run_length_; a text is its number
    std::vector<std::uint32_t> run_series;           ///< whose run it is
    std::vector<std::unique_ptr<double[]>> changes;  ///< per window, as long as `values`
  };
  struct RowProgram;
  /// Series whose rows have the same columns.
  struct Kind {
    std::vector<bool> is_written;  ///< per output
    std::vector<std::uint32_t> series;
  };

  std::uint32_t series_of(std::string_view symbol, std::string_view perpspec,
                          std::int64_t phase_ms);
  double number_of(std::string_view text, std::uint32_t& last);
  double* run_of(Series& series, std::uint32_t series_index, std::size_t input);
  void compute_categories(Column& column);
  std::vector<Kind> kinds(Order order) const;
  RowProgram program_of(const Series& series, const std::vector<bool>& is_written) const;
  std::string column_list(const std::vector<bool>& is_written) const;

  const MetricsPlan& plan_;
  std::int64_t first_ms_;  ///< of the grid: the history's first minute
  std::size_t history_;    ///< minutes before the first row that is made
  std::size_t minutes_;    ///< history included
  std::size_t run_length_;
  std::vector<Series> series_;
  std::vector<std::uint8_t> is_present_;  ///< series by series, run_length_ each
  std::vector<Column> columns_;           ///< per input
  std::unordered_map<std::string, std::uint32_t> series_by_key_;
  std::string key_;
  std::uint32_t last_series_ = none;
  std::vector<std::string> texts_;
  std::unordered_map<std::string, std::uint32_t> text_numbers_;
  std::vector<std::uint32_t> last_texts_;  ///< per input
  std::int64_t rows_read_ = 0;
  std::int64_t rows_made_ = 0;
};

}  // namespace perp::warehouse
