#pragma once
// Least and greatest over a window for many series that tick together, one lane per series. Two
// stacks instead of a queue per lane, since lanes cannot branch apart: the older rows hold the
// extrema from themselves to the end of their stack, the newer ones are folded into one row. When
// the older stack is used up, the newer one becomes it in one pass. Amortised three comparisons per
// sample, whatever the window's length; one push in a window's length makes the pass over the
// window. The bits of `Rolling<Extrema>`. One thread, no allocation after construction.
#include <perp/rolling/window.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace perp::rolling {

class ExtremaBank {
 public:
  /// @throws core::Error (window.hpp).
  ExtremaBank(const WindowRule& rule, std::size_t series_count);

  std::size_t series_count() const noexcept { return series_count_; }
  /// One sample per series, NaN where there is none.
  void push(std::span<const double> values) noexcept { push_at(window_.next_time(), values); }
  /// @returns false, changing nothing, when `time` is before the last.
  bool push_at(std::int64_t time, std::span<const double> values) noexcept;
  void advance(std::int64_t time) noexcept;
  /// One answer per series; NaN below min_count.
  void min(std::span<double> out) const noexcept { read(false, out); }
  void max(std::span<double> out) const noexcept { read(true, out); }

 private:
  double* least_to_end(std::size_t slot) noexcept {
    return to_end_.data() + slot * 2 * lane_count_;
  }
  const double* least_to_end(std::size_t slot) const noexcept {
    return to_end_.data() + slot * 2 * lane_count_;
  }
  void drop_oldest(std::int64_t time) noexcept;
  void fold_older() noexcept;
  void read(bool is_max, std::span<double> out) const noexcept;

  std::size_t series_count_;
  std::size_t lane_count_;
  Window window_;
  std::uint64_t newer_from_ = 0;  ///< position of the first row of the newer stack
  AlignedDoubles to_end_;         ///< per slot of the older stack: row of least, row of greatest
  AlignedDoubles newer_;          ///< rows: least, greatest, count of present samples in the window
};

}  // namespace perp::rolling
