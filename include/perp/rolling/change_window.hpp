#pragma once
// Percent change over a span of time for a series of any rate: trades, quotes, polls. "The value a
// span ago" is the last present sample at least that old, and no older than the tolerance allows;
// where there is none the change is missing, never that over another span. For series on a grid
// (minutes) change_ring.hpp and change_bank.hpp are cheaper. Each change has the bits of
// change_percent (change.hpp). One thread; amortised constant time, no allocation after
// construction.
//
//   ChangeWindow hour({.span = 3'600'000'000'000, .tolerance = 30'000'000'000, .capacity = 1 <<
//   16}); hour.push_at(exchange_ns, price); hour.percent();
#include <perp/rolling/aligned_doubles.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

namespace perp::rolling {

struct ChangeSpan {
  std::int64_t span = 0;       ///< in the unit of the times, at least 1
  std::int64_t tolerance = 0;  ///< the earlier sample may be so much older than the span
  std::size_t capacity = 0;    ///< samples in a span, and one; what finds no room pushes out the
                               ///< oldest, and the change is missing where that one was needed
};

class ChangeWindow {
 public:
  /// @throws core::Error for a span below 1, a negative tolerance, a capacity below 2.
  explicit ChangeWindow(const ChangeSpan& rule);

  /// Takes a sample; a missing one only lets time pass. Of several at one time the last counts.
  /// @returns false, changing nothing, if `time` is before the last.
  bool push_at(std::int64_t time, double value) noexcept;
  /// Lets time pass. No effect if `time` is not after the last.
  void advance(std::int64_t time) noexcept;

  /// The last present sample; NaN before there is one.
  double now() const noexcept { return size_ == 0 ? missing : at(size_ - 1).value; }
  /// The value a span ago, NaN if there was none within the tolerance.
  double before() const noexcept;
  /// change_percent(now, before).
  double percent() const noexcept;

 private:
  struct Sample {
    std::int64_t time = 0;
    double value = 0;
  };
  const Sample& at(std::size_t i) const noexcept {
    const std::size_t slot = oldest_ + i;
    return samples_[slot < rule_.capacity ? slot : slot - rule_.capacity];
  }
  void drop_oldest() noexcept {
    oldest_ = oldest_ + 1 == rule_.capacity ? 0 : oldest_ + 1;
    --size_;
  }

  ChangeSpan rule_;
  std::unique_ptr<Sample[]> samples_;  ///< ring; the first is the one a span ago, if any
  std::size_t oldest_ = 0;
  std::size_t size_ = 0;
  std::int64_t now_ = std::numeric_limits<std::int64_t>::min();
};

}  // namespace perp::rolling
