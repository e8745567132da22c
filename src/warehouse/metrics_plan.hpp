#pragma once
// What of perp_data becomes what of perp_metrics, by the columns that the two tables have now: a
// column that both have is copied, X_chg_5m is X's change over 5 minutes.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace perp::warehouse {

class Connection;

struct MetricsPlan {
  struct Input {
    std::string name;
    bool is_text;  ///< a category: its change is the new one
  };
  enum class Source : std::uint8_t { ts, symbol, perpspec, window_sizes, value, change };
  struct Output {
    std::string name;
    Source source;
    std::size_t input = 0;   ///< of a value or a change
    std::size_t window = 0;  ///< of a change: index in `windows`
    /// A row that does not say it has the same in it: NULL where no value is known, or, of
    /// window_sizes, the windows of every row.
    bool may_be_left_out = false;
  };
  static constexpr std::size_t key_fields = 3;  ///< ts, symbol, perpspec: before the inputs

  std::vector<Input> inputs;
  std::vector<Output> outputs;  ///< the columns that are written, in table order
  std::vector<int> windows;     ///< minutes, ascending
  std::string select_list;      ///< of perp_data: the key, then the inputs
  std::string column_list;      ///< of perp_metrics: the outputs
  /// INSERT ... SELECT from a stage of the same columns, of what is not stored so already; gives
  /// the numbers of rows inserted and updated. $1, $2: the stage's rows have $1 <= ts < $2.
  std::string merge;

  std::int64_t history_minutes() const { return windows.back(); }
};

inline constexpr const char* metrics_stage = "perp_stage_metrics_calc";
/// How many symbols' day is in memory at a time.
inline constexpr std::size_t slice_symbols = 128;

/// @param windows in minutes; empty: those of every row, 1, 5 and 10. @throws core::Error where
/// perp_metrics has no column for one of them, or a shared column cannot be copied
MetricsPlan make_metrics_plan(Connection& connection, std::span<const int> windows);

}  // namespace perp::warehouse
