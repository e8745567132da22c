#pragma once
// Wilder's index (rsi.hpp) for many series that tick together, one lane per series: each lane has
// the bits of push_close and rsi_value over the same closes, on every instruction set. One thread,
// no allocation after construction. Lanes that are warming up or come back after a hole are
// computed one by one; all others in vectors.
#include <perp/rolling/aligned_doubles.hpp>
#include <perp/rolling/rsi.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace perp::rolling {

class RsiBank {
 public:
  /// @throws core::Error for a period outside 2..200.
  RsiBank(const RsiRule& rule, std::size_t series_count);

  std::size_t series_count() const noexcept { return series_count_; }
  /// The closes at `index`, one per series; NaN: that series has none, as if push_close were not
  /// called. @returns false, changing nothing, if `index` is not after the last one.
  bool push(std::int64_t index, std::span<const double> closes) noexcept;
  /// Each series' rsi_value after its last close; NaN before N + 1 closes. Ours, until the next
  /// push.
  std::span<const double> values() const noexcept { return {values_.data(), series_count_}; }

 private:
  RsiRule rule_;
  std::size_t series_count_;
  std::size_t lane_count_;
  std::int64_t last_index_ = RsiState::no_index;
  AlignedDoubles lanes_;  ///< rows: see kernels.hpp, RsiRow
  AlignedDoubles values_;
};

}  // namespace perp::rolling
