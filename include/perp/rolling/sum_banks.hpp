#pragma once
// Sum, Moments, Vwap and Regression for many series that tick together (a market's minutes, a
// timer's samples): structure of arrays, one lane per series, swept by the instruction set of
// simd_target.hpp. All lanes share one window, so a series without a sample gives NaN. Each lane
// has the bits of `Rolling` over the same samples, on every instruction set: the same operations in
// the same order, none fused. Error bounds, missing values and min_count: sums.hpp and rolling.hpp.
// One thread; a push reads the coming and the leaving column once and allocates nothing.
#include <perp/rolling/aligned_doubles.hpp>
#include <perp/rolling/window.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace perp::rolling {
namespace detail {

enum class SumKind : unsigned char { sum, moments, vwap, regression };
enum class SumAnswer : unsigned char {
  count,
  sum,
  mean,
  moments_mean,
  variance,
  deviation,
  z_score,
  vwap,
  slope,
  correlation
};

/// What the four have in common: the window of columns and the state in rows of lanes.
class SumsBank {
 public:
  std::size_t series_count() const noexcept { return series_count_; }
  const Window& window() const noexcept { return window_; }
  /// Lets time pass, as Rolling::advance.
  void advance(std::int64_t time) noexcept;
  /// Present samples of each series in the window.
  void count(std::span<double> out) const noexcept { read(SumAnswer::count, out); }

 protected:
  static constexpr std::size_t input_count_max = 2;
  using Columns = std::array<const double*, input_count_max>;

  /// @throws core::Error (window.hpp).
  SumsBank(SumKind kind, const WindowRule& rule, std::size_t series_count);

  bool push_columns(std::int64_t time, const Columns& columns) noexcept;
  void read(SumAnswer answer, std::span<double> out) const noexcept;
  std::int64_t next_time() const noexcept { return window_.next_time(); }

 private:
  void renew() noexcept;

  SumKind kind_;
  std::size_t series_count_;
  std::size_t lane_count_;
  Window window_;
  AlignedDoubles state_;
  AlignedDoubles fresh_;
};

}  // namespace detail

/// Spans hold one value per series; `out` likewise. push() is one unit of time after the last;
/// push_at() returns false, changing nothing, when its time is before the last.
class SumBank : public detail::SumsBank {
 public:
  SumBank(const WindowRule& rule, std::size_t series_count)
      : SumsBank(detail::SumKind::sum, rule, series_count) {}
  void push(std::span<const double> x) noexcept { push_at(next_time(), x); }
  bool push_at(std::int64_t time, std::span<const double> x) noexcept {
    return push_columns(time, {x.data()});
  }
  void sum(std::span<double> out) const noexcept { read(detail::SumAnswer::sum, out); }
  void mean(std::span<double> out) const noexcept { read(detail::SumAnswer::mean, out); }
};

class MomentBank : public detail::SumsBank {
 public:
  MomentBank(const WindowRule& rule, std::size_t series_count)
      : SumsBank(detail::SumKind::moments, rule, series_count) {}
  void push(std::span<const double> x) noexcept { push_at(next_time(), x); }
  bool push_at(std::int64_t time, std::span<const double> x) noexcept {
    return push_columns(time, {x.data()});
  }
  void mean(std::span<double> out) const noexcept { read(detail::SumAnswer::moments_mean, out); }
  void variance(std::span<double> out) const noexcept { read(detail::SumAnswer::variance, out); }
  void deviation(std::span<double> out) const noexcept { read(detail::SumAnswer::deviation, out); }
  /// Of the samples pushed last; NaN where the last one is missing.
  void z_score(std::span<double> out) const noexcept { read(detail::SumAnswer::z_score, out); }
};

class VwapBank : public detail::SumsBank {
 public:
  VwapBank(const WindowRule& rule, std::size_t series_count)
      : SumsBank(detail::SumKind::vwap, rule, series_count) {}
  void push(std::span<const double> price, std::span<const double> quantity) noexcept {
    push_at(next_time(), price, quantity);
  }
  bool push_at(std::int64_t time, std::span<const double> price,
               std::span<const double> quantity) noexcept {
    return push_columns(time, {price.data(), quantity.data()});
  }
  void price(std::span<double> out) const noexcept { read(detail::SumAnswer::vwap, out); }
};

class RegressionBank : public detail::SumsBank {
 public:
  RegressionBank(const WindowRule& rule, std::size_t series_count);
  void push(std::span<const double> x, std::span<const double> y) noexcept {
    push_at(next_time(), x, y);
  }
  bool push_at(std::int64_t time, std::span<const double> x, std::span<const double> y) noexcept {
    return push_columns(time, {x.data(), y.data()});
  }
  /// All series against the same x: an index, a time, a market's index.
  bool push_at(std::int64_t time, double x, std::span<const double> y) noexcept;
  void slope(std::span<double> out) const noexcept { read(detail::SumAnswer::slope, out); }
  void correlation(std::span<double> out) const noexcept {
    read(detail::SumAnswer::correlation, out);
  }

 private:
  AlignedDoubles same_x_;
};

}  // namespace perp::rolling
