#pragma once
// The last trades of a market that were told, for requests. Oldest first. One owner thread.
#include "sim/outlet.hpp"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <vector>

namespace perp::sim {

class TradeHistory {
 public:
  explicit TradeHistory(std::size_t limit) : limit_(limit) {}

  void add(const Fact& trade) {
    if (trades_.size() >= limit_) trades_.pop_front();
    trades_.push_back(trade);
  }
  std::size_t size() const { return trades_.size(); }
  const Fact& at(std::size_t index) const { return trades_[index]; }
  /// How many have a lower id. Of a venue whose ids rise.
  std::size_t count_below(std::int64_t id) const {
    return static_cast<std::size_t>(
        std::lower_bound(trades_.begin(), trades_.end(), id,
                         [](const Fact& trade, std::int64_t wanted) { return trade.id < wanted; }) -
        trades_.begin());
  }
  /// How many were matched before.
  std::size_t count_before(std::int64_t time_ms) const {
    return static_cast<std::size_t>(std::lower_bound(trades_.begin(), trades_.end(), time_ms,
                                                     [](const Fact& trade, std::int64_t wanted) {
                                                       return trade.time_ms < wanted;
                                                     }) -
                                    trades_.begin());
  }

 private:
  std::size_t limit_;
  std::deque<Fact> trades_;
};

}  // namespace perp::sim
