#pragma once
// Calculators that follow from a few sums: Sum, Moments, Vwap, Regression, for `Rolling` (one
// series) and, lane by lane with the same bits, for the banks of sum_banks.hpp. Plain values;
// constant time.
//
// Error bounds. u = 2^-53; over the last two windows (the life of a sum, window.hpp): n rows, S the
// sum of absolute values of what is summed, R the range (greatest - least) of an input; N rows in
// the window, c present ones. To first order in u:
//   Sum          |error of the sum| <= 2 n u S; of the mean: that / c. Integers below 2^53 are
//   exact. Moments      |error of the mean| <= 3 n u R N / c + 2 u |mean|
//                |error of the variance| <= 12 n u R^2 N / c
//   Vwap         |error| <= 3 n u (S of price x quantity + |vwap| x S of quantity) / |sum of
//   quantity| Regression   variances as Moments; covariance <= 12 n u Rx Ry N / c; slope and
//   correlation as the
//                quotients of these.
// A window of nothing but zeros sums to exactly 0, and a variance that rounding errors alone could
// give is 0, so that a dead market has no volume, no z-score and no correlation rather than noise.
#include <perp/rolling/aligned_doubles.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace perp::rolling {

/// NaN and infinities are missing.
inline bool is_present(double x) noexcept {
  return std::fabs(x) <= std::numeric_limits<double>::max();
}

namespace detail {

inline double finite_or_missing(double x) noexcept { return is_present(x) ? x : missing; }

/// square/count - (sum/count)^2; 0 where rounding alone explains it, NaN after an overflow. The
/// banks' kernels do the same in this order.
inline double variance(double count, double sum, double square) noexcept {
  const double mean_square = square / count;
  const double mean = sum / count;
  const double difference = mean_square - mean * mean;
  const double noise = (count * 0x1p-51) * mean_square;
  return difference <= noise ? difference - difference : difference;
}

}  // namespace detail

/// Inputs: x.
class Sum {
 public:
  static constexpr std::size_t input_count = 1;
  static constexpr bool is_resummed = true;

  void add(std::uint64_t, const double* row) noexcept {
    const double x = row[0];
    if (!is_present(x)) return;
    count_ += 1;
    nonzero_count_ += x != 0 ? 1 : 0;
    sum_ += x;
  }
  void remove(std::uint64_t, const double* row) noexcept {
    const double x = row[0];
    if (!is_present(x)) return;
    count_ -= 1;
    nonzero_count_ -= x != 0 ? 1 : 0;
    sum_ = nonzero_count_ == 0 ? 0 : sum_ - x;
  }

  double count() const noexcept { return count_; }
  double sum() const noexcept { return count_ == 0 ? missing : detail::finite_or_missing(sum_); }
  double mean() const noexcept { return detail::finite_or_missing(sum_ / count_); }

 private:
  double count_ = 0;
  double nonzero_count_ = 0;
  double sum_ = 0;
};

/// Inputs: x. Sums are taken of x - shift, where the shift is one of the samples: prices far from
/// zero lose no digits.
class Moments {
 public:
  static constexpr std::size_t input_count = 1;
  static constexpr bool is_resummed = true;

  void add(std::uint64_t, const double* row) noexcept {
    const double x = row[0];
    if (!is_present(x)) return;
    if (count_ == 0) {
      *this = {};
      shift_ = x;
    }
    const double d = x - shift_;
    count_ += 1;
    sum_ += d;
    square_ += d * d;
  }
  void remove(std::uint64_t, const double* row) noexcept {
    const double x = row[0];
    if (!is_present(x)) return;
    const double d = x - shift_;
    count_ -= 1;
    sum_ -= d;
    square_ -= d * d;
  }

  double count() const noexcept { return count_; }
  double mean() const noexcept { return detail::finite_or_missing(shift_ + sum_ / count_); }
  /// Of the population: divided by the count.
  double variance() const noexcept {
    return count_ == 0 ? missing
                       : detail::finite_or_missing(detail::variance(count_, sum_, square_));
  }
  /// Of a sample: divided by the count less one; NaN for one value.
  double sample_variance() const noexcept {
    return detail::finite_or_missing(variance() * count_ / (count_ - 1));
  }
  /// Standard deviation of the population.
  double deviation() const noexcept { return std::sqrt(variance()); }
  /// How many deviations `x` is above the mean; NaN where nothing varies.
  double z_score(double x) const noexcept {
    return detail::finite_or_missing((x - mean()) / deviation());
  }

 private:
  double count_ = 0;
  double shift_ = 0;
  double sum_ = 0;
  double square_ = 0;
};

/// Inputs: price, quantity.
class Vwap {
 public:
  static constexpr std::size_t input_count = 2;
  static constexpr bool is_resummed = true;

  void add(std::uint64_t, const double* row) noexcept {
    if (!is_present(row[0]) || !is_present(row[1])) return;
    count_ += 1;
    traded_count_ += row[1] != 0 ? 1 : 0;
    notional_ += row[0] * row[1];
    quantity_ += row[1];
  }
  void remove(std::uint64_t, const double* row) noexcept {
    if (!is_present(row[0]) || !is_present(row[1])) return;
    count_ -= 1;
    traded_count_ -= row[1] != 0 ? 1 : 0;
    notional_ = traded_count_ == 0 ? 0 : notional_ - row[0] * row[1];
    quantity_ = traded_count_ == 0 ? 0 : quantity_ - row[1];
  }

  double count() const noexcept { return count_; }
  /// sum(price x quantity) / sum(quantity); NaN where nothing was traded.
  double price() const noexcept { return detail::finite_or_missing(notional_ / quantity_); }
  double notional() const noexcept {
    return count_ == 0 ? missing : detail::finite_or_missing(notional_);
  }
  double quantity() const noexcept {
    return count_ == 0 ? missing : detail::finite_or_missing(quantity_);
  }

 private:
  double count_ = 0;
  double traded_count_ = 0;
  double notional_ = 0;
  double quantity_ = 0;
};

/// Inputs: x, y. For a slope over time or over the observations' index, x is that.
class Regression {
 public:
  static constexpr std::size_t input_count = 2;
  static constexpr bool is_resummed = true;

  void add(std::uint64_t, const double* row) noexcept {
    if (!is_present(row[0]) || !is_present(row[1])) return;
    if (count_ == 0) {
      *this = {};
      shift_x_ = row[0];
      shift_y_ = row[1];
    }
    const double x = row[0] - shift_x_;
    const double y = row[1] - shift_y_;
    count_ += 1;
    sum_x_ += x;
    sum_y_ += y;
    sum_xx_ += x * x;
    sum_yy_ += y * y;
    sum_xy_ += x * y;
  }
  void remove(std::uint64_t, const double* row) noexcept {
    if (!is_present(row[0]) || !is_present(row[1])) return;
    const double x = row[0] - shift_x_;
    const double y = row[1] - shift_y_;
    count_ -= 1;
    sum_x_ -= x;
    sum_y_ -= y;
    sum_xx_ -= x * x;
    sum_yy_ -= y * y;
    sum_xy_ -= x * y;
  }

  double count() const noexcept { return count_; }
  /// Least squares: dy per dx; NaN where x does not vary.
  double slope() const noexcept {
    return detail::finite_or_missing(covariance() / detail::variance(count_, sum_x_, sum_xx_));
  }
  /// Pearson's, -1..1; NaN where x or y does not vary.
  double correlation() const noexcept {
    const double deviations = std::sqrt(detail::variance(count_, sum_x_, sum_xx_)) *
                              std::sqrt(detail::variance(count_, sum_y_, sum_yy_));
    const double r = covariance() / deviations;
    if (!is_present(r)) return missing;
    return r > 1 ? 1 : r < -1 ? -1 : r;
  }
  /// Of the population.
  double covariance() const noexcept {
    return detail::finite_or_missing(sum_xy_ / count_ - (sum_x_ / count_) * (sum_y_ / count_));
  }

 private:
  double count_ = 0;
  double shift_x_ = 0;
  double shift_y_ = 0;
  double sum_x_ = 0;
  double sum_y_ = 0;
  double sum_xx_ = 0;
  double sum_yy_ = 0;
  double sum_xy_ = 0;
};

}  // namespace perp::rolling
