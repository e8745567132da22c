#pragma once
// Which samples a window holds, and the ring that holds them. The ring is shared by all windowed
// calculators: `Rolling` (one series, window.hpp's rows are its inputs) and the banks (a row is one
// padded column of all series). Owned and used by one thread; constant time per row, no allocation
// after construction.
//
//   rows by position:   [oldest ........ fresh_from ........ next)
//                        in the answer   also in the fresh sums
//
// Sums that add and remove collect rounding errors. Beside the sums of the window, a second set
// ("fresh") only ever adds, beginning at `fresh_from`. When the oldest row of the window reaches
// `fresh_from`, the fresh sums cover exactly the window: they become the sums and a new set begins.
// So no sum is older than two windows, without a pass over the window at any time.
#include <perp/rolling/aligned_doubles.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

namespace perp::rolling {

/// Aggregates over fewer present samples than this are NaN: ceil(0.8 x expected).
constexpr std::size_t default_min_count(std::size_t expected) noexcept {
  return (4 * expected + 4) / 5;
}

/// A window by count holds the last `capacity` rows, missing values included. A window by time
/// holds the rows with now - span < time <= now, at most `capacity` of them.
struct WindowRule {
  std::size_t capacity = 0;
  std::int64_t span = 0;  ///< in the unit of the times that are pushed; 0: by count
  std::size_t min_count = 0;
};

constexpr WindowRule last_rows(std::size_t count) noexcept {
  return {.capacity = count, .min_count = default_min_count(count)};
}
constexpr WindowRule last_rows(std::size_t count, std::size_t min_count) noexcept {
  return {.capacity = count, .min_count = min_count};
}
/// @param expected samples in a complete window: decides min_count. @param capacity room for
/// bursts: when more samples than that fall into the span, the answer is NaN until those that found
/// no room would have left; it is never the answer of a shorter window.
constexpr WindowRule last_span(std::int64_t span, std::size_t expected,
                               std::size_t capacity) noexcept {
  return {.capacity = capacity, .span = span, .min_count = default_min_count(expected)};
}

class Window {
 public:
  /// @throws core::Error for a capacity of 0, a negative span, a min_count of 0 or above capacity.
  Window(const WindowRule& rule, std::size_t row_doubles);

  const WindowRule& rule() const noexcept { return rule_; }
  std::size_t size() const noexcept { return size_; }
  bool is_empty() const noexcept { return size_ == 0; }
  std::int64_t now() const noexcept { return now_; }
  std::uint64_t oldest_position() const noexcept { return next_ - size_; }
  std::uint64_t next_position() const noexcept { return next_; }
  /// Where a position's row lies in the ring: 0 .. capacity-1.
  std::size_t oldest_slot() const noexcept { return oldest_slot_; }
  std::size_t next_slot() const noexcept { return next_slot_; }

  /// Times may repeat (several trades of one nanosecond) but not go back.
  bool accepts(std::int64_t time) const noexcept { return time >= now_; }
  /// The time of a row that is pushed without one: one after the last.
  std::int64_t next_time() const noexcept { return next_ == 0 ? 0 : now_ + 1; }

  /// Whether the oldest row has to go before one of `time` can come.
  bool must_drop(std::int64_t time) const noexcept {
    return size_ == rule_.capacity || has_left(time);
  }
  /// Whether the oldest row is out of the window at `time`. Always false by count.
  bool has_left(std::int64_t time) const noexcept {
    return rule_.span != 0 && size_ != 0 && times_[oldest_slot_] <= time - rule_.span;
  }

  const double* oldest() const noexcept { return rows_.data() + oldest_slot_ * row_doubles_; }
  /// The row appended last; the window is not empty.
  const double* newest() const noexcept {
    const std::size_t slot = next_slot_ == 0 ? rule_.capacity - 1 : next_slot_ - 1;
    return rows_.data() + slot * row_doubles_;
  }
  const double* row(std::size_t slot) const noexcept { return rows_.data() + slot * row_doubles_; }
  double* row(std::size_t slot) noexcept { return rows_.data() + slot * row_doubles_; }

  /// Lets the oldest row go at `time`. @returns true when the fresh sums now cover exactly what is
  /// left: the caller takes them over and begins new ones.
  bool drop_oldest(std::int64_t time) noexcept {
    if (rule_.span != 0 && !has_left(time)) whole_from_ = times_[oldest_slot_] + rule_.span;
    oldest_slot_ = after(oldest_slot_);
    --size_;
    if (oldest_position() != fresh_from_) return false;
    fresh_from_ = next_ + (size_ == 0 ? 1 : 0);
    return true;
  }

  /// Whether the next row counts in the fresh sums, too.
  bool is_next_fresh() const noexcept { return next_ >= fresh_from_; }

  /// Takes a row of `time`, to be filled by the caller (stride `row_doubles`). Needs room.
  double* append(std::int64_t time) noexcept {
    double* const taken = rows_.data() + next_slot_ * row_doubles_;
    if (rule_.span != 0) times_[next_slot_] = time;
    next_slot_ = after(next_slot_);
    ++size_;
    ++next_;
    now_ = time;
    return taken;
  }

  /// Time without a row.
  void advance(std::int64_t time) noexcept { now_ = time; }

  /// False while a sample that found no room belongs to the window.
  bool is_whole() const noexcept { return now_ >= whole_from_; }

 private:
  std::size_t after(std::size_t slot) const noexcept {
    return slot + 1 == rule_.capacity ? 0 : slot + 1;
  }

  WindowRule rule_;
  std::size_t row_doubles_;
  AlignedDoubles rows_;
  std::unique_ptr<std::int64_t[]> times_;  ///< by time only
  std::size_t oldest_slot_ = 0;
  std::size_t next_slot_ = 0;
  std::size_t size_ = 0;
  std::uint64_t next_ = 0;
  std::uint64_t fresh_from_ =
      1;  ///< the first sums begin with row 0, the first fresh ones behind it
  std::int64_t now_ = std::numeric_limits<std::int64_t>::min();
  std::int64_t whole_from_ = std::numeric_limits<std::int64_t>::min();
};

}  // namespace perp::rolling
