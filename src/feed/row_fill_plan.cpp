#include "feed/row_fill_plan.hpp"

#include <algorithm>
#include <utility>

namespace perp::feed {
namespace {

/// One-minute candles of nineteen years: no venue is older.
constexpr std::int64_t steps_max = 10'000'000;

std::int64_t rows_of(const venue::RestCall& call) {
  return call.rows_max == 0 ? 100 : static_cast<std::int64_t>(call.rows_max);
}

}  // namespace

RowFillPlan::RowFillPlan(const venue::RestCall& call, std::string symbol, std::string_view period,
                         std::int64_t step_ms, std::int64_t start_ms, std::int64_t end_ms,
                         std::uint32_t pages_max)
    : call_(call),
      symbol_(std::move(symbol)),
      period_(period),
      step_ms_(step_ms),
      start_ms_((std::max<std::int64_t>(0, start_ms) + step_ms - 1) / step_ms * step_ms),
      end_ms_(std::max<std::int64_t>(0, end_ms) / step_ms * step_ms),
      at_ms_(start_ms_),
      pages_left_(pages_max) {
  const std::int64_t steps =
      std::clamp<std::int64_t>((end_ms_ - start_ms_) / step_ms_, 0, steps_max);
  end_ms_ = start_ms_ + steps * step_ms_;
  has_row_.resize(static_cast<std::size_t>(steps));
}

std::int64_t RowFillPlan::window_end_ms() const noexcept {
  return std::min(end_ms_, at_ms_ + rows_of(call_) * step_ms_);
}

venue::RestQuery RowFillPlan::query() const noexcept {
  return {.symbol = symbol_, .period = period_, .start_ms = at_ms_, .end_ms = window_end_ms()};
}

std::uint32_t RowFillPlan::weight() const noexcept {
  if (call_.rows_per_weight == 0) return call_.weight;
  const std::int64_t rows = (window_end_ms() - at_ms_) / step_ms_;
  const std::int64_t fewer = (rows_of(call_) - rows) / call_.rows_per_weight;
  return static_cast<std::uint32_t>(std::max<std::int64_t>(1, call_.weight - fewer));
}

bool RowFillPlan::admits(std::int64_t time_ms) {
  if (time_ms < at_ms_ || time_ms >= window_end_ms()) return false;
  const auto step = static_cast<std::size_t>((time_ms - start_ms_) / step_ms_);
  if (has_row_[step]) return false;
  has_row_[step] = true;
  return true;
}

void RowFillPlan::advance() noexcept {
  at_ms_ = window_end_ms();
  if (pages_left_ > 0) --pages_left_;
}

void RowFillPlan::left(std::int64_t& start_ms, std::int64_t& end_ms) const {
  const auto first = std::find(has_row_.begin(), has_row_.end(), false);
  start_ms = end_ms = end_ms_;
  if (first == has_row_.end()) return;
  const auto behind_last = std::find(has_row_.rbegin(), has_row_.rend(), false).base();
  start_ms = start_ms_ + (first - has_row_.begin()) * step_ms_;
  end_ms = start_ms_ + (behind_last - has_row_.begin()) * step_ms_;
}

}  // namespace perp::feed
