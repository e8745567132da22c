#pragma once
// Plain backend: the partition of a day that is over is rewritten in order of (symbol, perpspec,
// ts), so that what a query of one series reads lies side by side instead of on a page of its own
// for each minute. Readers and writers go on meanwhile: a copy is made, and takes the partition's
// place in one short transaction, unless a row has changed since or the lock cannot be had; then
// everything stays as it was and the next attempt begins anew. It takes the owner's rights and, for
// a while, the day's room on disk once more. Rows that come later are stored behind. Cold path, one
// thread per Connection. Throws DatabaseError and core::Error.
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perp::warehouse {

class Connection;

/// The comment of a partition that is sealed.
inline constexpr const char* seal_mark = "sealed by perp";

struct SealOptions {
  std::int64_t lock_wait_ms = 500;  ///< what one attempt to lock may keep others waiting
  int attempts = 20;                ///< a second apart
  /// How long to wait for transactions that are older than the copy: they could not see its rows.
  std::int64_t snapshot_wait_ms = 600'000;
  const std::atomic<bool>* stop = nullptr;
  std::function<void(const std::string&)> on_event{};  ///< one line per thing worth telling
};

struct SealReport {
  std::string partition;
  std::int64_t rows = 0;  ///< by the server's statistics
  double seconds = 0;
  double swap_ms = 0;  ///< how long readers had to wait at most, once the lock was had
};

struct DayPartition {
  std::string table;
  std::int64_t first_ms = 0;
};
/// The days of perp_data and perp_metrics that began `after_hours` (at least 24 count) before
/// `now_ms` or earlier, have rows and are not sealed; the latest first.
std::vector<DayPartition> unsealed_days(Connection& connection, std::int64_t now_ms,
                                        int after_hours);

/// Seals the partition of one day, also one that is sealed already. @returns nothing if it was
/// given up: told on_event. What an earlier attempt left behind is cleaned up first.
std::optional<SealReport> seal_day(Connection& connection, const DayPartition& day,
                                   const SealOptions& options);

}  // namespace perp::warehouse
