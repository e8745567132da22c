// What the servers of all venues say about days gone by.
#include "sim/serve/venue_server.hpp"

#include <algorithm>

namespace perp::sim {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t hour_ms = 60 * minute_ms;
constexpr std::int64_t step_ms_of_statistics = 5 * minute_ms;
constexpr std::int64_t day_ms = 24 * hour_ms;
constexpr std::uint64_t interest_stream = 5'000'000;
constexpr std::uint64_t funding_stream = 6'000'000;

/// Cents of a native quantity at a native price.
std::int64_t value_of(const MarketModel& market, std::int64_t quantity, std::int64_t price) {
  const Listing& listing = market.listing();
  if (listing.is_inverse()) return rescale(quantity * 100, listing.grid.quantity_digits, 2);
  return multiply({quantity, listing.coin_quantity_digits()}, {price, listing.coin_price_digits()},
                  2);
}

}  // namespace

void VenueServer::keep_past(const std::vector<std::vector<std::int64_t>>& levels) {
  interest_.resize(markets().size());
  settled_.resize(markets().size());
  for (MarketModel& market : markets()) {
    market.keep_past(levels[market.listing().coin_index], options_.seed);
    const auto rows =
        static_cast<std::size_t>((now_ms_ - market.past_begin_ms()) / step_ms_of_statistics);
    wire_->keep_past(market.index, rows, options_.seed);
    interest_begin_ms_ = market.past_begin_ms() / step_ms_of_statistics * step_ms_of_statistics;
    // Backward from what it is now.
    std::vector<std::int64_t>& interest = interest_[market.index];
    interest.resize(
        static_cast<std::size_t>((now_ms_ - interest_begin_ms_) / step_ms_of_statistics) + 1);
    Random random(options_.seed,
                  interest_stream + 1000 * static_cast<std::uint64_t>(venue_) + market.index);
    const std::int64_t lot = market.listing().grid.lot;
    std::int64_t value = market.open_interest();
    for (std::size_t i = interest.size(); i-- > 0;) {
      interest[i] = value;
      value = std::max(1000 * lot, (value + random.bell(value / 1000)) / lot * lot);
    }
  }
}

void VenueServer::close_minute(std::int64_t closed_ms, Truth* truth) {
  market_.close_minute(closed_ms, truth);
  const std::int64_t end_ms = closed_ms + minute_ms;
  if (interest_.empty() || end_ms % step_ms_of_statistics != 0) return;
  for (const MarketModel& market : markets()) {
    std::vector<std::int64_t>& interest = interest_[market.index];
    const auto steps =
        static_cast<std::size_t>((end_ms - interest_begin_ms_) / step_ms_of_statistics) + 1;
    if (interest.size() < steps) interest.resize(steps, market.open_interest());
  }
}

void VenueServer::tell_past(Truth& truth, std::int64_t days) const {
  for (const MarketModel& market : market_.markets()) {
    if (market.listing().kind != ListingKind::primary || market.status != MarketStatus::listed)
      continue;
    const std::int64_t end_ms = market.bar().open_ms;
    for (const Bar& bar : market.bars_between(end_ms - days * day_ms, end_ms))
      truth.add_past(market, bar);
  }
}

std::vector<Bar> VenueServer::bars(const MarketModel& market, std::size_t minutes_per_bar,
                                   std::int64_t from_ms, std::int64_t to_ms,
                                   std::size_t newest_max) const {
  const std::int64_t length_ms = static_cast<std::int64_t>(minutes_per_bar) * minute_ms;
  const Bar& running = market.bar();
  const std::int64_t last_ms = std::min(to_ms, running.open_ms);
  if (last_ms < 0) return {};
  std::int64_t first_ms = std::max(from_ms, market.past_begin_ms());
  if (newest_max < 1'000'000)
    first_ms = std::max(first_ms, last_ms / length_ms * length_ms -
                                      (static_cast<std::int64_t>(newest_max) - 1) * length_ms);
  first_ms = (first_ms + length_ms - 1) / length_ms * length_ms;
  std::vector<Bar> minutes =
      market.bars_between(first_ms, last_ms / length_ms * length_ms + length_ms);
  if (running.open_ms < last_ms / length_ms * length_ms + length_ms) minutes.push_back(running);
  std::vector<Bar> merged;
  for (const Bar& minute : minutes) {
    const std::int64_t open_ms = minute.open_ms / length_ms * length_ms;
    if (open_ms < first_ms) continue;
    if (merged.empty() || merged.back().open_ms != open_ms) {
      merged.push_back(minute);
      merged.back().open_ms = open_ms;
    } else if (!minute.is_empty()) {
      merged.back().merge(minute);
    }
  }
  return merged;
}

std::vector<VenueServer::PastInterest> VenueServer::past_interest(const MarketModel& market,
                                                                  std::int64_t from_ms,
                                                                  std::int64_t to_ms,
                                                                  std::size_t limit) {
  std::vector<PastInterest> rows;
  if (interest_.empty()) return rows;
  const std::vector<std::int64_t>& interest = interest_[market.index];
  for (std::size_t i = interest.size(); i-- > 0 && rows.size() < limit;) {
    const std::int64_t time_ms =
        interest_begin_ms_ + static_cast<std::int64_t>(i) * step_ms_of_statistics;
    if (time_ms > to_ms || time_ms > now_ms_) continue;
    if (time_ms < from_ms) break;
    rows.push_back({time_ms, interest[i], 0});
  }
  std::reverse(rows.begin(), rows.end());
  for (PastInterest& row : rows) {
    const std::vector<Bar> bar = market.bars_between(row.time_ms - minute_ms, row.time_ms);
    row.value_cents =
        value_of(market, row.quantity, bar.empty() ? market.last_price() : bar.back().close);
  }
  return rows;
}

std::vector<VenueServer::PastFunding> VenueServer::past_funding(const MarketModel& market,
                                                                std::int64_t from_ms,
                                                                std::int64_t to_ms,
                                                                std::size_t limit,
                                                                bool keeps_oldest) {
  std::vector<PastFunding> rows;
  const std::int64_t interval_ms = market.listing().funding_hours * hour_ms;
  const std::int64_t newest_ms = market.next_funding_ms(now_ms_) - interval_ms;
  const std::int64_t begin_ms =
      std::max(from_ms, interest_.empty() ? newest_ms : market.past_begin_ms());
  for (std::int64_t time_ms = (begin_ms + interval_ms - 1) / interval_ms * interval_ms;
       time_ms <= std::min(to_ms, newest_ms); time_ms += interval_ms) {
    std::int64_t rate = market.settled_rate_e16();
    if (time_ms < newest_ms) {
      Random random(options_.seed ^ funding_stream,
                    static_cast<std::uint64_t>(time_ms) + market.index);
      rate = random.bell(rate / 2) + rate / 2;
    }
    // What was told once stays so, whatever is settled meanwhile.
    if (!settled_.empty()) rate = settled_[market.index].try_emplace(time_ms, rate).first->second;
    rows.push_back({time_ms, rate});
  }
  if (rows.size() > limit && keeps_oldest) rows.resize(limit);
  if (rows.size() > limit)
    rows.erase(rows.begin(), rows.end() - static_cast<std::ptrdiff_t>(limit));
  return rows;
}

}  // namespace perp::sim
