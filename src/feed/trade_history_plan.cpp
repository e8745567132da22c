#include "feed/trade_history_plan.hpp"

#include <algorithm>
#include <utility>

namespace perp::feed {
namespace {

std::int64_t ms_of(std::int64_t ns) {
  return core::floor_to(ns, core::ns_per_ms) / core::ns_per_ms;
}

}  // namespace

TradeHistoryPlan::TradeHistoryPlan(const venue::RestCall& by_time, const venue::RestCall* by_id,
                                   std::string symbol, std::int64_t start_ms, std::int64_t end_ms,
                                   std::int64_t after_id, std::int64_t before_id)
    : by_time_(by_time),
      by_id_(by_id),
      way_(by_time.query.find("<start") != std::string_view::npos ? Way::forward
           : by_time.query.find("<end") != std::string_view::npos ? Way::backward
                                                                  : Way::newest),
      symbol_(std::move(symbol)),
      start_ms_(start_ms),
      end_ms_(std::max(start_ms, end_ms)),
      after_id_(after_id),
      before_id_(before_id),
      at_ms_(way_ == Way::forward ? start_ms_ : end_ms_) {
  if (way_ == Way::forward && by_id != nullptr && after_id >= 0) at_id_ = after_id + 1;
  if (way_ == Way::backward && by_id != nullptr && before_id >= 0) at_id_ = before_id;
  if (start_ms_ == end_ms_) finish(true);
}

const venue::RestCall& TradeHistoryPlan::call() const noexcept {
  return is_by_id() ? *by_id_ : by_time_;
}

std::int64_t TradeHistoryPlan::window_end_ms() const noexcept {
  const std::int64_t most_ms = by_time_.step_ns / core::ns_per_ms;
  return most_ms == 0 ? end_ms_ : std::min(end_ms_, at_ms_ + most_ms);
}

venue::RestQuery TradeHistoryPlan::query() const noexcept {
  venue::RestQuery query{.symbol = symbol_};
  if (way_ == Way::forward && is_by_id()) {
    query.from_id = at_id_;
  } else if (way_ == Way::forward) {
    query.start_ms = at_ms_;
    query.end_ms = window_end_ms();
  } else if (way_ == Way::backward && is_by_id()) {
    query.until_id = at_id_;
  } else if (way_ == Way::backward) {
    query.end_ms = end_ms_;
  }
  return query;
}

venue::TradeWindow TradeHistoryPlan::window() const {
  venue::TradeWindow window;
  if (way_ != Way::newest) {
    window.after_id = after_id_;
    window.before_id = before_id_;
  }
  window.from_ns = start_ms_ * core::ns_per_ms;
  window.until_ns = end_ms_ * core::ns_per_ms - 1;
  return window;
}

void TradeHistoryPlan::take(const venue::TradeWindow& seen) {
  if (is_done_) return;
  switch (way_) {
    case Way::forward: take_forward(seen); break;
    case Way::backward: take_backward(seen); break;
    case Way::newest: take_newest(seen); break;
  }
}

void TradeHistoryPlan::take_forward(const venue::TradeWindow& seen) {
  // A row behind the span, by time or by id, shows that there is no more inside it.
  if (seen.ids.size() < seen.rows) return finish(true);
  if (seen.rows == 0) {
    // By id: nothing is newer. By time: nothing was traded in this window.
    if (is_by_id()) return finish(true);
    at_ms_ = window_end_ms();
    if (at_ms_ >= end_ms_) finish(true);
    return;
  }
  const std::int64_t newest_id = *std::max_element(seen.ids.begin(), seen.ids.end());
  at_ms_ = std::clamp(ms_of(seen.newest_ns), at_ms_, end_ms_);
  // A page by id is full unless it holds the venue's newest trade.
  const bool is_end = is_by_id() && seen.rows < by_id_->rows_max;
  if (is_end || newest_id + 1 == before_id_) return finish(true);
  if (by_id_ != nullptr) {
    at_id_ = std::max(newest_id + 1, is_by_id() ? at_id_ + 1 : 0);
  } else {
    at_ms_ = window_end_ms();
    if (at_ms_ >= end_ms_) finish(true);
  }
}

void TradeHistoryPlan::take_backward(const venue::TradeWindow& seen) {
  if (seen.ids.size() < seen.rows) return finish(true);  // a row before the span
  if (seen.rows == 0) return finish(false);              // the venue has nothing older
  const std::int64_t oldest_id = *std::min_element(seen.ids.begin(), seen.ids.end());
  at_ms_ = std::clamp(ms_of(seen.oldest_ns), start_ms_, at_ms_);
  if (oldest_id - 1 == after_id_) return finish(true);
  if (by_id_ == nullptr || (is_by_id() && oldest_id >= at_id_)) return finish(false);
  at_id_ = oldest_id;
}

void TradeHistoryPlan::take_newest(const venue::TradeWindow& seen) {
  if (seen.rows == 0) return finish(false);
  const std::int64_t oldest_ms = ms_of(seen.oldest_ns);
  // Of trades at one time some may be cut off: only an older one shows that the begin is reached.
  at_ms_ = std::clamp(oldest_ms + 1, start_ms_, end_ms_);
  finish(oldest_ms < start_ms_);
}

void TradeHistoryPlan::finish(bool is_whole) noexcept {
  is_done_ = true;
  is_whole_ = is_whole;
}

std::int64_t TradeHistoryPlan::ms_asked() const noexcept {
  if (is_done_) return end_ms_ - start_ms_;
  return way_ == Way::forward ? at_ms_ - start_ms_ : end_ms_ - at_ms_;
}

void TradeHistoryPlan::left(std::int64_t& start_ms, std::int64_t& end_ms) const noexcept {
  start_ms = way_ == Way::forward ? at_ms_ : start_ms_;
  end_ms = way_ == Way::forward ? end_ms_ : at_ms_;
  if (is_whole_) start_ms = end_ms;
}

}  // namespace perp::feed
