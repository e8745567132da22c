#include "feed/kline_fill_plan.hpp"

#include <algorithm>
#include <utility>

namespace perp::feed {
namespace {

/// A hole of more minutes than this is history, which another part loads.
constexpr std::int64_t minutes_max = 1'000'000;

std::int64_t rows_of(const venue::RestCall& call) {
  return call.rows_max == 0 ? 100 : static_cast<std::int64_t>(call.rows_max);
}

}  // namespace

KlineFillPlan::KlineFillPlan(const venue::RestCall& call, std::string symbol, std::int64_t start_ms,
                             std::int64_t end_ms, std::uint32_t pages_max)
    : call_(call),
      symbol_(std::move(symbol)),
      start_ms_((std::max<std::int64_t>(0, start_ms) + minute_ms - 1) / minute_ms * minute_ms),
      end_ms_(std::max<std::int64_t>(0, end_ms) / minute_ms * minute_ms),
      at_ms_(start_ms_),
      pages_left_(pages_max) {
  const std::int64_t minutes =
      std::clamp<std::int64_t>((end_ms_ - start_ms_) / minute_ms, 0, minutes_max);
  end_ms_ = start_ms_ + minutes * minute_ms;
  has_candle_.resize(static_cast<std::size_t>(minutes));
}

std::int64_t KlineFillPlan::window_end_ms() const noexcept {
  return std::min(end_ms_, at_ms_ + rows_of(call_) * minute_ms);
}

venue::RestQuery KlineFillPlan::query() const noexcept {
  return {.symbol = symbol_, .start_ms = at_ms_, .end_ms = window_end_ms()};
}

std::uint32_t KlineFillPlan::weight() const noexcept {
  if (call_.rows_per_weight == 0) return call_.weight;
  const std::int64_t rows = (window_end_ms() - at_ms_) / minute_ms;
  const std::int64_t fewer = (rows_of(call_) - rows) / call_.rows_per_weight;
  return static_cast<std::uint32_t>(std::max<std::int64_t>(1, call_.weight - fewer));
}

bool KlineFillPlan::admits(const market::Kline& kline) {
  const std::int64_t open_ms = kline.open_ns / core::ns_per_ms;
  // A candle that still runs is the stream's.
  if (open_ms < at_ms_ || open_ms >= window_end_ms() || kline.is_closed == market::Tristate::no)
    return false;
  const auto minute = static_cast<std::size_t>((open_ms - start_ms_) / minute_ms);
  if (has_candle_[minute]) return false;
  has_candle_[minute] = true;
  return true;
}

void KlineFillPlan::advance() noexcept {
  at_ms_ = window_end_ms();
  if (pages_left_ > 0) --pages_left_;
}

void KlineFillPlan::left(std::int64_t& start_ms, std::int64_t& end_ms) const {
  const auto first = std::find(has_candle_.begin(), has_candle_.end(), false);
  start_ms = end_ms = end_ms_;
  if (first == has_candle_.end()) return;
  const auto behind_last = std::find(has_candle_.rbegin(), has_candle_.rend(), false).base();
  start_ms = start_ms_ + (first - has_candle_.begin()) * minute_ms;
  end_ms = start_ms_ + (behind_last - has_candle_.begin()) * minute_ms;
}

}  // namespace perp::feed
