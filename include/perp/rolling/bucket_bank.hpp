#pragma once
// Windows of time buckets (bucket_window.hpp) for many series on one clock, one lane per series.
// Samples come one by one, as trades do, and touch nothing but their lane of the running bucket;
// when time reaches the next bucket, all lanes go into the window in one sweep by the instruction
// set of simd_target.hpp. Open, high, low, close and count are those of `BucketWindow` bit for bit;
// the sum has the bound of `Sum` (sums.hpp). One thread; no allocation after construction. Memory:
// nine doubles per series and bucket. Cost of a sample: constant; of a bucket's end: amortised
// constant per lane, whatever the window's length.
#include <perp/rolling/bucket_window.hpp>
#include <perp/rolling/extrema_bank.hpp>
#include <perp/rolling/sum_banks.hpp>
#include <perp/rolling/window.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace perp::rolling {

class BucketBank {
 public:
  /// The buckets are watched from the first sample of any series or advance() on.
  /// @throws core::Error as BucketWindow.
  BucketBank(const BucketRule& rule, std::size_t series_count);

  std::size_t series_count() const noexcept { return series_count_; }

  /// Takes a sample of one series, as BucketWindow::push_at. All series have the same time: one
  /// that is ahead ends the bucket of all. @returns false, changing nothing, if `time` is in a
  /// bucket that has ended.
  bool push_at(std::size_t series, std::int64_t time, double value, double amount) noexcept;
  /// Takes a sample of each series that has a value or an amount.
  bool push_at(std::int64_t time, std::span<const double> values,
               std::span<const double> amounts) noexcept;
  /// Lets time pass without a sample.
  bool advance(std::int64_t time) noexcept { return go_to(detail::bucket_of(time, rule_.width)); }

  /// One answer per series, as BucketWindow's.
  void open(std::span<double> out) const noexcept;
  void high(std::span<double> out) const noexcept;
  void low(std::span<double> out) const noexcept;
  void close(std::span<double> out) const noexcept;
  void sum(std::span<double> out) const noexcept;
  void count(std::span<double> out) const noexcept;

 private:
  enum class Row : std::size_t { open, high, low, close, sum, count, row_count };

  double* running(Row row) noexcept {
    return running_.data() + static_cast<std::size_t>(row) * lane_count_;
  }
  const double* running(Row row) const noexcept {
    return running_.data() + static_cast<std::size_t>(row) * lane_count_;
  }
  const double* open_of(std::uint64_t position) const noexcept;
  bool go_to(std::int64_t bucket) noexcept;
  void begin_bucket() noexcept;
  void end_bucket() noexcept;
  void find_opens() noexcept;
  void take(std::size_t series, double value, double amount) noexcept;
  bool is_known() const noexcept {
    return is_begun_ &&
           running_index_ - first_index_ + 1 >= static_cast<std::int64_t>(rule_.min_count);
  }
  void add_running(Row row, bool is_any_ended, std::span<double> out) const noexcept;

  BucketRule rule_;
  std::size_t series_count_;
  std::size_t lane_count_;
  // Ended buckets in which any series had a sample; times are their indices.
  Window opens_;
  ExtremaBank highs_;
  ExtremaBank lows_;
  SumBank sums_;
  SumBank counts_;
  std::unique_ptr<std::uint64_t[]> open_positions_;  ///< per series: its oldest row with a value
  AlignedDoubles running_;
  std::int64_t running_index_ = 0;
  std::int64_t first_index_ = 0;
  bool is_begun_ = false;
  bool is_empty_ = true;  ///< no series had a sample in the running bucket
};

}  // namespace perp::rolling
