#pragma once
// Latency percentiles of int64 nanoseconds: log-linear buckets, 64 to each power of two, over all
// of int64. Any value is reported within 1/128 (0.79 %) of itself, values below 128 ns exactly;
// count, minimum, maximum and mean are exact. Negative values (a receive clock behind the venue's)
// have buckets of their own and take their place in the percentiles. record() is O(1) and touches
// one bucket; memory (58 KB) is taken by the constructor.
// @thread owner: one worker records, and gives copies to whoever reports; merge() adds them up in
// any order.
#include <cstddef>
#include <cstdint>
#include <vector>

namespace perp::core {

class Histogram {
 public:
  static constexpr int sub_bucket_bits = 6;
  static constexpr double relative_error_max = 1.0 / 128;

  Histogram();

  /// Allocates nothing. core::unknown_ns is no value: it is counted apart, see unknown_count().
  void record(std::int64_t value_ns) noexcept { record(value_ns, 1); }
  void record(std::int64_t value_ns, std::uint64_t times) noexcept;
  /// Adds another's values: the same as having recorded them here. O(buckets).
  void merge(const Histogram& other) noexcept;
  /// What was recorded since `earlier`, a copy of this one as it was. Its minimum and maximum are
  /// known as well as percentiles are. O(buckets).
  Histogram since(const Histogram& earlier) const;
  void reset() noexcept;

  std::uint64_t count() const noexcept { return count_; }
  std::uint64_t negative_count() const noexcept { return negative_count_; }
  std::uint64_t unknown_count() const noexcept { return unknown_count_; }
  /// unknown_ns while empty.
  std::int64_t min() const noexcept;
  std::int64_t max() const noexcept;
  /// NaN while empty.
  double mean() const noexcept;
  /// The smallest value that at least `percent` of all values do not exceed, within
  /// relative_error_max. 0 is the minimum, 100 the maximum; outside of [0, 100] is taken as the
  /// nearer end. unknown_ns while empty.
  std::int64_t percentile(double percent) const noexcept;
  /// Values <= `limit_ns`, where the limit's own bucket counts in full: for cumulative exports.
  /// O(buckets).
  std::uint64_t count_at_most(std::int64_t limit_ns) const noexcept;

 private:
  static constexpr std::size_t sub_buckets = std::size_t{1} << sub_bucket_bits;
  static constexpr std::size_t bucket_count =
      (64 - static_cast<std::size_t>(sub_bucket_bits)) * sub_buckets + sub_buckets;
  static std::size_t bucket_of(std::uint64_t magnitude) noexcept;
  static std::uint64_t middle_of(std::size_t bucket) noexcept;

  std::vector<std::uint64_t> positive_;  ///< by value, 0 included
  std::vector<std::uint64_t> negative_;  ///< by magnitude
  std::uint64_t count_ = 0;
  std::uint64_t negative_count_ = 0;
  std::uint64_t unknown_count_ = 0;
  std::int64_t min_ = 0;
  std::int64_t max_ = 0;
  // The exact sum, in two halves that cannot overflow within 2^31 values; no order of merging
  // changes it.
  std::int64_t sum_high_ = 0;
  std::uint64_t sum_low_ = 0;
};

}  // namespace perp::core
