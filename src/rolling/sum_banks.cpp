#include "rolling/kernels.hpp"

#include <perp/rolling/sum_banks.hpp>

#include <algorithm>
#include <limits>

namespace perp::rolling {
namespace detail {
namespace {

struct Shape {
  std::size_t inputs;
  std::size_t members;
};
constexpr Shape shape_of(SumKind kind) {
  switch (kind) {
    case SumKind::sum: return {1, 3};
    case SumKind::moments: return {1, 4};
    case SumKind::vwap: return {2, 4};
    case SumKind::regression: break;
  }
  return {2, 8};
}

}  // namespace

SumsBank::SumsBank(SumKind kind, const WindowRule& rule, std::size_t series_count)
    : kind_(kind),
      series_count_(series_count),
      lane_count_(padded(series_count)),
      window_(rule, shape_of(kind).inputs * lane_count_),
      state_(shape_of(kind).members * lane_count_, 0),
      fresh_(shape_of(kind).members * lane_count_, 0) {}

void SumsBank::renew() noexcept {
  state_.swap(fresh_);
  std::fill_n(fresh_.data(), fresh_.size(), 0.0);
}

void SumsBank::advance(std::int64_t time) noexcept {
  if (!window_.accepts(time)) return;
  while (window_.has_left(time)) {
    const double* const row = window_.oldest();
    if (window_.drop_oldest(time)) {
      renew();
    } else {
      sums_pass({.kind = kind_,
                 .removed = {row, row + lane_count_},
                 .state = state_.data(),
                 .lane_count = lane_count_});
    }
  }
  window_.advance(time);
}

bool SumsBank::push_columns(std::int64_t time, const Columns& columns) noexcept {
  if (!window_.accepts(time)) return false;
  // A row that leaves goes in the pass that brings the new one; further ones need their own.
  const double* leaving = nullptr;
  while (window_.must_drop(time)) {
    if (leaving != nullptr)
      sums_pass({.kind = kind_,
                 .removed = {leaving, leaving + lane_count_},
                 .state = state_.data(),
                 .lane_count = lane_count_});
    leaving = window_.oldest();
    if (window_.drop_oldest(time)) {
      renew();
      leaving = nullptr;
    }
  }
  const bool is_fresh = window_.is_next_fresh();
  SumsPass pass{.kind = kind_,
                .added = columns,
                .series_count = series_count_,
                .stored = window_.append(time),
                .state = state_.data(),
                .fresh = is_fresh ? fresh_.data() : nullptr,
                .lane_count = lane_count_};
  if (leaving != nullptr) pass.removed = {leaving, leaving + lane_count_};
  sums_pass(pass);
  return true;
}

void SumsBank::read(SumAnswer answer, std::span<double> out) const noexcept {
  double min_count = static_cast<double>(window_.rule().min_count);
  if (!window_.is_whole()) min_count = std::numeric_limits<double>::infinity();
  if (answer == SumAnswer::count) min_count = 0;
  sums_read({.answer = answer,
             .state = state_.data(),
             .newest = window_.newest(),
             .lane_count = lane_count_,
             .min_count = min_count,
             .out = out.data(),
             .out_count = std::min(out.size(), series_count_)});
}

}  // namespace detail

RegressionBank::RegressionBank(const WindowRule& rule, std::size_t series_count)
    : SumsBank(detail::SumKind::regression, rule, series_count), same_x_(series_count, missing) {}

bool RegressionBank::push_at(std::int64_t time, double x, std::span<const double> y) noexcept {
  std::fill_n(same_x_.data(), same_x_.size(), x);
  return push_columns(time, {same_x_.data(), y.data()});
}

}  // namespace perp::rolling
