#pragma once
// perp_metrics computed again from perp_data, for rows that others wrote, were late or corrected.
// What comes out is what the live path stores, byte for byte: the same % changes, the same
// rounding, exactly w minutes back or NULL. Which columns are copied and computed follows from the
// two tables as they are: X of both is copied, X_chg_5m is X's change over 5 minutes.
//
// Reading, computing and writing are one REPEATABLE READ transaction: a loader that stores a newer
// row meanwhile makes it fail, and it is repeated (after 1, 2, 3 s). An advisory lock per day keeps
// two of these apart. Calls block; one thread each. Throws DatabaseError and core::Error.
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace perp::warehouse {

struct MetricsOptions {
  std::string dsn{};
  std::vector<std::string> symbols{};  ///< spelled any way; empty: all
  std::vector<int> windows{};          ///< minutes; empty: 1, 5, 10
  /// A day or a pass that is done, a retry. Called from worker threads, one at a time.
  std::function<void(const std::string&)> on_event{};
  const std::atomic<bool>* stop = nullptr;  ///< ends between two transactions, or within 5 s
};

struct MetricsReport {
  std::int64_t rows_read = 0;  ///< of perp_data, the minutes before the range included
  std::int64_t rows_made = 0;  ///< computed
  std::int64_t rows_inserted = 0;
  std::int64_t rows_updated = 0;  ///< they were stored otherwise; all others are left untouched
  std::int64_t rows_deleted = 0;  ///< by reset_metrics
  std::int64_t retries = 0;
  double read_seconds = 0;  ///< these three summed over workers
  double compute_seconds = 0;
  double write_seconds = 0;
  double seconds = 0;  ///< as the clock on the wall

  void add(const MetricsReport& other);
};

/// How far a pass looks back: late data up to lookback + buffer minutes old is corrected.
struct MetricsPass {
  std::int64_t lookback_minutes = 15;
  static constexpr std::int64_t buffer_minutes = 10;
};

/// One pass over the minutes up to `now_ms`.
MetricsReport calc_metrics(const MetricsOptions& options, const MetricsPass& pass,
                           std::int64_t now_ms);

/// Days that begin before `to_ms` and end after `from_ms`, wholly; `workers` of them at a time,
/// each with a connection of its own and about 8 bytes for each value and change of up to 64
/// symbols' day.
MetricsReport backfill_metrics(const MetricsOptions& options, std::int64_t from_ms,
                               std::int64_t to_ms, unsigned workers);

/// Deletes the rows of from_ms <= ts < to_ms (rounded to whole minutes) and makes them again, a day
/// at a time. @param perpspec one, or empty for all. At least one symbol or perpspec is named.
MetricsReport reset_metrics(const MetricsOptions& options, const std::string& perpspec,
                            std::int64_t from_ms, std::int64_t to_ms);

struct MetricsFollow {
  MetricsPass pass{};
  std::int64_t interval_ms = 60'000;
  int backfill_days = 10;  ///< at the start: days in which rows of perp_metrics are missing
};

/// Fills what is missing, then a pass each interval, and at once when the registry of perpspecs
/// changes, until options.stop. A database that is away is waited for. perp_status tells: started,
/// running (a row per pass), stopped.
MetricsReport follow_metrics(const MetricsOptions& options, const MetricsFollow& follow);

/// A row of perp_status of script `perp metrics calc`; `report` becomes its details.
void tell_metrics_status(const std::string& dsn, const std::string& status,
                         const std::string& message, const MetricsReport& report);

}  // namespace perp::warehouse
