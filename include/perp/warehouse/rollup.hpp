#pragma once
// perp_data by 5 and 15 minutes, 1 and 4 hours, 1 day: a row for each bucket, symbol and perpspec
// that has minutes, under the bucket's first moment. Each column's value is what
// market/perpspec.hpp says of it (first, max, min, last, sum of the known ones; a column added to
// the running system: last), NULL where no minute knows it; `minutes` counts the minutes that are
// there, so that nobody takes a part for the whole. A row is made once its bucket is over, from the
// next finer level in order of time, and again when a minute of it came late or was corrected. Cold
// path, one thread per Connection. Throws DatabaseError and core::Error.
#include <perp/warehouse/backend.hpp>

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

namespace perp::warehouse {

class Connection;

struct RollupLevel {
  std::string_view table;
  std::int64_t interval_ms;
  int chunk_days;
};
/// Finest first; each interval divides the next.
std::span<const RollupLevel> rollup_levels();

/// How long a bucket is left alone behind its end: its last minute is on its way.
inline constexpr std::int64_t rollup_grace_ms = 10'000;

struct RollupReport {
  std::int64_t rows = 0;    ///< inserted or changed
  std::int64_t ranges = 0;  ///< of buckets, computed as one
  double seconds = 0;
};

/// Computes what writers have touched and what is over at `now_ms`. Does nothing while another
/// program is at it. Ends early, between two days of a level, when `stop` becomes true: the rest
/// stays due.
RollupReport roll_up(Connection& connection, Backend backend, std::int64_t now_ms,
                     const std::atomic<bool>* stop = nullptr);

struct RollupAgain {
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 0;  ///< exclusive; every bucket that the range touches is computed
  /// Also replaces a bucket that was made of more minutes than there are now. Without, it stays:
  /// retention may have dropped them.
  bool replaces_fuller = false;
};
/// The same for a range, for minutes that were written by others or deleted. Waits for another
/// program that is at it.
RollupReport roll_up_again(Connection& connection, Backend backend, const RollupAgain& what,
                           std::int64_t now_ms, const std::atomic<bool>* stop = nullptr);

}  // namespace perp::warehouse
