#pragma once
// One range of perp_metrics at a time: locked, read, computed, written, repeated where it met
// another writer. Owned by one thread, with its own connection.
#include "warehouse/metrics_plan.hpp"

#include <perp/warehouse/backend.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/metrics_calc.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace perp::warehouse {

/// from_ms <= ts < to_ms, both on the minute.
struct MetricsRange {
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 0;
  std::vector<std::string> symbols{};  ///< as they are stored; empty: all
  bool is_symbol_span = false;         ///< all between the first and the last of `symbols`
  std::string perpspec{};              ///< empty: all
  bool is_reset = false;               ///< what is there is deleted first
};

class MetricsWorker {
 public:
  /// Connects. @throws core::Error without our schema, on bad windows or symbols
  explicit MetricsWorker(const MetricsOptions& options);

  /// One transaction. @throws DatabaseError; nothing of the range has changed then
  MetricsReport compute(const MetricsRange& range);
  /// Drops the partitions of past days that never held a row, where build_day() may be used.
  void make_room(std::span<const std::int64_t> days);
  /// A past day as a new partition: filled in series order without indexes, which are then built
  /// from sorted rows, and attached; one transaction, which readers and writers of other days do
  /// not notice. Nothing: the day has a partition, or this backend or role cannot; see compute().
  std::optional<MetricsReport> build_day(std::int64_t day_first_ms,
                                         const std::vector<std::string>& symbols);
  /// Reads again which columns there are.
  void renew_plan();

  /// options.symbols as they are stored.
  const std::vector<std::string>& symbols() const { return symbols_; }
  /// Symbols with rows of perp_data in the range, ascending; of options.symbols if there are some.
  std::vector<std::string> symbols_in(std::int64_t from_ms, std::int64_t to_ms);
  /// Those of them with a row that perp_metrics lacks.
  std::vector<std::string> symbols_lacking(std::int64_t from_ms, std::int64_t to_ms);
  /// First milliseconds of the days in the range with a row of perp_data or perp_metrics.
  std::vector<std::int64_t> days_in(std::int64_t from_ms, std::int64_t to_ms);

  Connection& connection() { return connection_; }

 private:
  MetricsReport attempt(const MetricsRange& range);
  void read_and_compute(const MetricsRange& range, class MetricsGrid& grid, MetricsReport& report);
  bool can_build(std::int64_t day_first_ms);
  void attach(const std::string& built, const std::string& name, std::int64_t day_first_ms);
  void write(const MetricsRange& range, MetricsGrid& grid, MetricsReport& report);
  void lock_days(const MetricsRange& range);
  void unlock_days() noexcept;

  const MetricsOptions& options_;
  Connection connection_;
  Backend backend_;
  std::vector<std::string> symbols_;
  MetricsPlan plan_;
  bool has_stage_ = false;
};

bool is_stopped(const MetricsOptions& options);

}  // namespace perp::warehouse
