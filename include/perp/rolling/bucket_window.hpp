#pragma once
// A window of equal time buckets over a stream of any rate, in bounded memory: open, high, low and
// close of a value, the sum of an amount, the number of samples. A rolling day's ticker is 1440
// buckets of a minute. The window is the running bucket and the bucket_count - 1 before it; what
// leaves, leaves by whole buckets. A stretch without samples is a sum of 0, not missing; a window
// of which less than min_count buckets were watched is NaN, not the answer of a shorter one. One
// thread; amortised constant time, no allocation after construction. Sum: error bound of `Sum`
// (sums.hpp).
//
//   BucketWindow day(last_buckets(60'000'000'000, 1440));     // nanoseconds
//   day.push_at(exchange_ns, price, price * quantity);
//   day.high(); day.sum();
#include <perp/rolling/extrema.hpp>
#include <perp/rolling/sums.hpp>
#include <perp/rolling/window.hpp>

#include <cstddef>
#include <cstdint>

namespace perp::rolling {

struct BucketRule {
  std::int64_t width = 0;        ///< of a bucket, in the unit of the times
  std::size_t bucket_count = 0;  ///< the running one included
  std::size_t min_count = 0;     ///< buckets watched, from the first sample or advance() on
};

constexpr BucketRule last_buckets(std::int64_t width, std::size_t count) noexcept {
  return {.width = width, .bucket_count = count, .min_count = default_min_count(count)};
}

namespace detail {

/// @throws core::Error for a width below 1, no buckets, a min_count of 0 or above bucket_count.
const BucketRule& checked(const BucketRule& rule);

/// Which bucket `time` is in; before the epoch, too.
constexpr std::int64_t bucket_of(std::int64_t time, std::int64_t width) noexcept {
  return time / width - (time % width < 0 ? 1 : 0);
}

}  // namespace detail

class BucketWindow {
 public:
  /// @throws core::Error for a width below 1, no buckets, a min_count of 0 or above bucket_count.
  explicit BucketWindow(const BucketRule& rule);

  /// Takes a sample; a missing value or amount is left out. Within the running bucket samples may
  /// come in any order, arrival decides which is the last. @returns false, changing nothing, if
  /// `time` is in a bucket before it.
  bool push_at(std::int64_t time, double value, double amount) noexcept;
  /// Lets time pass without a sample: begins the watch, ends buckets.
  bool advance(std::int64_t time) noexcept { return go_to(detail::bucket_of(time, rule_.width)); }

  double open() const noexcept;
  double high() const noexcept;
  double low() const noexcept;
  double close() const noexcept { return is_known() && has_value() ? close_ : missing; }
  double sum() const noexcept;
  /// Samples in the window, NaN as the rest.
  double count() const noexcept;

 private:
  struct Bucket {  // a row of the window
    double open = missing;
    double high = missing;
    double low = missing;
    double sum = 0;
    double count = 0;
  };
  static constexpr std::size_t row_doubles = sizeof(Bucket) / sizeof(double);

  bool go_to(std::int64_t bucket) noexcept;
  void drop_left(std::int64_t bucket) noexcept;
  bool is_known() const noexcept {
    return is_begun_ &&
           running_index_ - first_index_ + 1 >= static_cast<std::int64_t>(rule_.min_count);
  }
  bool has_value() const noexcept { return highs_.count() != 0 || is_present(running_.high); }

  BucketRule rule_;
  Window ended_;  ///< buckets with samples before the running one, times are their indices
  Sum sums_;
  Sum fresh_sums_;
  Sum counts_;
  Extrema highs_;
  Extrema lows_;
  Bucket running_;
  double close_ = missing;
  std::int64_t running_index_ = 0;
  std::int64_t first_index_ = 0;
  bool is_begun_ = false;
};

}  // namespace perp::rolling
