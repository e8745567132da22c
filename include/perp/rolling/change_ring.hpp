#pragma once
// Percent changes of one series as its minute closes: the event-driven form. Stores the parameters
// of the minute and computes their changes over every window in one call. Each change has the bits
// of change_percent (change.hpp). For all series at once change_bank.hpp is cheaper, for columns of
// history change_columns.hpp. One thread; no allocation after construction. Cost: a division per
// change, in vectors.
//
// A series is one block of rows, a row per minute of the longest window, each stamped with its
// minute: what an update touches lies together, and a minute that was skipped is recognised by its
// stamp, without clearing anything.
#include <perp/rolling/aligned_doubles.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace perp::rolling {

class ChangeRing {
 public:
  /// @param windows in minutes, each at least 1: usually 1, 5, 10. @throws core::Error if there are
  /// no parameters, no windows or more than 8, or one below 1.
  ChangeRing(std::size_t series_count, std::size_t parameter_count,
             std::span<const std::int64_t> windows);

  std::size_t series_count() const noexcept { return series_count_; }
  std::size_t parameter_count() const noexcept { return parameter_count_; }
  std::size_t change_count() const noexcept { return parameter_count_ * windows_.size(); }

  /// Stores the series' values of `minute` (since any epoch) and writes
  /// changes[w * parameter_count + p] over the w-th window; NaN where change_percent says so or
  /// there was no row that many minutes before. The same minute may come again and replaces what
  /// was stored. @returns false, changing nothing, if the minute is so old that its place has a
  /// newer one. `values` and `changes` do not overlap.
  bool update(std::size_t series, std::int64_t minute, std::span<const double> values,
              std::span<double> changes) noexcept;

 private:
  static constexpr std::size_t windows_max = 8;

  void place(std::int64_t minute) noexcept;

  std::size_t series_count_;
  std::size_t parameter_count_;
  std::vector<std::int64_t> windows_;
  std::size_t slot_count_;
  std::size_t row_doubles_;  ///< parameters, then the stamp
  AlignedDoubles rows_;
  AlignedDoubles no_row_;
  /// Where in a series' block the minute updated last has its row, and those its windows look back
  /// at, with their stamps: most updates come in the same minute.
  struct Place {
    std::size_t offset = 0;
    double stamp = 0;
  };
  std::int64_t placed_minute_ = 0;
  Place place_;
  Place earlier_places_[windows_max];
};

}  // namespace perp::rolling
