#include "feed/trade_fill_plan.hpp"

#include <algorithm>
#include <utility>

namespace perp::feed {

using market::unknown_id;

TradeFillPlan::TradeFillPlan(const venue::RestCall& call, TradeHole hole, std::uint32_t pages_max)
    : call_(call),
      way_(call.query.find("<from_id") != std::string_view::npos    ? Way::forward
           : call.query.find("<until_id") != std::string_view::npos ? Way::backward
                                                                    : Way::newest),
      left_(std::move(hole)),
      pages_left_(pages_max) {}

bool TradeFillPlan::is_empty() const noexcept {
  return way_ != Way::newest && can_begin() && left_.first_id - left_.last_id == 1;
}

bool TradeFillPlan::can_begin() const noexcept {
  if (way_ == Way::newest)
    return left_.last_ns != core::unknown_ns && left_.first_ns != core::unknown_ns &&
           left_.last_ns <= left_.first_ns;
  return left_.last_id >= 0 && left_.first_id > left_.last_id;
}

venue::RestQuery TradeFillPlan::query() const noexcept {
  venue::RestQuery query{.symbol = left_.symbol};
  if (way_ == Way::forward) query.from_id = left_.last_id + 1;
  if (way_ == Way::backward) query.until_id = left_.first_id;
  return query;
}

venue::TradeWindow TradeFillPlan::window() const {
  venue::TradeWindow window;
  if (way_ == Way::newest) {
    window.from_ns = left_.last_ns;
    window.until_ns = left_.first_ns;
  } else {
    window.after_id = left_.last_id;
    window.before_id = left_.first_id;
  }
  return window;
}

TradeFillPlan::Next TradeFillPlan::take(const venue::TradeWindow& seen, std::int64_t oldest_ns,
                                        std::int64_t newest_ns) {
  if (pages_left_ > 0) --pages_left_;
  Next next = Next::done;
  switch (way_) {
    case Way::forward: next = take_forward(seen, newest_ns); break;
    case Way::backward: next = take_backward(seen, oldest_ns); break;
    case Way::newest: next = take_newest(seen); break;
  }
  return pages_left_ == 0 ? Next::done : next;
}

TradeFillPlan::Next TradeFillPlan::once_more(Next otherwise) {
  if (repeats_left_ == 0) return otherwise;
  --repeats_left_;
  return Next::later;
}

TradeFillPlan::Next TradeFillPlan::take_forward(const venue::TradeWindow& seen,
                                                std::int64_t newest_ns) {
  if (!seen.ids.empty()) {
    left_.last_id = *std::max_element(seen.ids.begin(), seen.ids.end());
    if (newest_ns != core::unknown_ns) left_.last_ns = newest_ns;
  }
  // A row behind the hole shows that there is no more inside it.
  is_whole_ = left_.last_id + 1 >= left_.first_id || seen.ids.size() < seen.rows;
  if (is_whole_) return Next::done;
  if (seen.rows >= call_.rows_max) return Next::page;
  return once_more(Next::done);
}

TradeFillPlan::Next TradeFillPlan::take_backward(const venue::TradeWindow& seen,
                                                 std::int64_t oldest_ns) {
  if (!has_first_page_) {
    const std::int64_t highest =
        seen.ids.empty() ? left_.last_id : *std::max_element(seen.ids.begin(), seen.ids.end());
    // Ids count up by one: without the last one of the hole the reply is older than the stream.
    if (highest != left_.first_id - 1) {
      if (once_more(Next::page) == Next::later) return Next::later;
      beyond_ = left_;
      beyond_->last_id = highest;
    }
    has_first_page_ = true;
  }
  if (!seen.ids.empty()) {
    left_.first_id = *std::min_element(seen.ids.begin(), seen.ids.end());
    if (oldest_ns != core::unknown_ns) left_.first_ns = oldest_ns;
  }
  is_whole_ = left_.last_id + 1 >= left_.first_id || seen.ids.size() < seen.rows;
  if (is_whole_ || seen.rows < call_.rows_max) return Next::done;
  return Next::page;
}

TradeFillPlan::Next TradeFillPlan::take_newest(const venue::TradeWindow& seen) {
  const bool has_rows = seen.oldest_ns != core::unknown_ns;
  // Of trades at one time some may be cut off: only an older one shows that the begin is reached.
  const bool reaches_begin = has_rows && seen.oldest_ns < left_.last_ns;
  const bool reaches_end = has_rows && seen.newest_ns >= left_.first_ns;
  if (!reaches_end && once_more(Next::done) == Next::later) return Next::later;
  is_whole_ = reaches_begin && reaches_end;
  if (!has_rows) return Next::done;
  // What is missing at both ends is told as all of it.
  if (reaches_end && !reaches_begin) left_.first_ns = std::min(left_.first_ns, seen.oldest_ns);
  if (reaches_begin && !reaches_end) left_.last_ns = std::max(left_.last_ns, seen.newest_ns);
  return Next::done;
}

std::optional<TradeHole> TradeFillPlan::left() const {
  if (is_whole_ || is_empty()) return beyond_;
  if (!beyond_) return left_;
  TradeHole both = left_;
  both.first_id = beyond_->first_id;
  both.first_ns = beyond_->first_ns;
  return both;
}

}  // namespace perp::feed
