#pragma once
// Percent changes of a whole market when its minute closes: structure of arrays, one lane per
// series. One sweep per parameter stores the minute's column and computes its changes over every
// window. Each change has the bits of change_percent (change.hpp), on every instruction set. One
// thread; no allocation after construction.
#include <perp/rolling/aligned_doubles.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace perp::rolling {

class ChangeBank {
 public:
  /// @param windows in minutes: usually 1, 5, 10. @throws core::Error as ChangeRing.
  ChangeBank(std::size_t series_count, std::size_t parameter_count,
             std::span<const std::int64_t> windows);

  std::size_t series_count() const noexcept { return series_count_; }
  std::size_t parameter_count() const noexcept { return parameter_count_; }

  /// The market at `minute`: a column per parameter, a value per series, NaN where it is missing.
  /// Minutes that were skipped have no values. @returns false, changing nothing, if `minute` is
  /// before the last one; the last one may come again. The columns are not the bank's own.
  bool push(std::int64_t minute, std::span<const std::span<const double>> columns) noexcept;

  /// The parameter's changes over the w-th window at the last minute pushed, one per series. Ours,
  /// until the next push.
  std::span<const double> changes(std::size_t parameter, std::size_t window) const noexcept {
    return {changes_.data() + (parameter * windows_.size() + window) * lane_count_, series_count_};
  }

 private:
  double* column(std::size_t slot, std::size_t parameter) noexcept {
    return columns_.data() + (slot * parameter_count_ + parameter) * lane_count_;
  }

  std::size_t series_count_;
  std::size_t parameter_count_;
  std::vector<std::int64_t> windows_;
  std::size_t slot_count_;
  std::size_t lane_count_;
  std::int64_t last_minute_;
  std::vector<std::int64_t> slot_minutes_;
  AlignedDoubles columns_;  ///< [slot][parameter][lane]
  AlignedDoubles changes_;  ///< [parameter][window][lane]
  AlignedDoubles no_column_;
};

}  // namespace perp::rolling
