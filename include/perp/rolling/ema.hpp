#pragma once
// Exponential moving averages: one series (`Ema`) and one lane per series (`EmaBank`, the same
// bits). value += alpha x (x - value); the first present sample is the first value; a missing one
// changes nothing. Constant time, no allocation after construction; one thread. Error: with M the
// greatest |x| so far, at most (4 + 1/alpha) x 2^-53 x M for ever, since old errors fade with the
// samples.
#include <perp/rolling/sums.hpp>
#include <perp/rolling/window.hpp>

#include <cstddef>
#include <span>

namespace perp::rolling {

struct EmaRule {
  double alpha = 0;           ///< weight of the newest sample, 0 < alpha <= 1
  std::size_t min_count = 1;  ///< present samples before the first answer
};

/// The usual one: alpha = 2 / (period + 1), warmed up like a window of that length.
constexpr EmaRule ema_of_period(std::size_t period) noexcept {
  return {.alpha = 2 / (static_cast<double>(period) + 1), .min_count = default_min_count(period)};
}

class Ema {
 public:
  /// @throws core::Error for an alpha outside (0, 1].
  explicit Ema(const EmaRule& rule);

  void push(double x) noexcept {
    if (!is_present(x)) return;
    value_ = count_ == 0 ? x : value_ + alpha_ * (x - value_);
    count_ += 1;
  }
  /// NaN before min_count present samples.
  double value() const noexcept {
    return count_ >= min_count_ ? detail::finite_or_missing(value_) : missing;
  }
  double count() const noexcept { return count_; }

 private:
  double alpha_;
  double min_count_;
  double value_ = 0;
  double count_ = 0;
};

class EmaBank {
 public:
  /// @throws core::Error as Ema.
  EmaBank(const EmaRule& rule, std::size_t series_count);

  std::size_t series_count() const noexcept { return series_count_; }
  /// One sample per series, NaN where there is none.
  void push(std::span<const double> values) noexcept;
  /// One answer per series.
  void value(std::span<double> out) const noexcept;

 private:
  EmaRule rule_;
  std::size_t series_count_;
  AlignedDoubles value_;
  AlignedDoubles count_;
};

}  // namespace perp::rolling
