#include "feed/book_refresh.hpp"

#include <perp/market/liquidity.hpp>

#include <algorithm>
#include <cmath>
#include <new>
#include <span>

namespace perp::feed {
namespace {

using market::Level;

double bps_between(double price, double mid) { return std::abs(price - mid) / mid * 1e4; }

}  // namespace

void BookRefresh::note(const market::RecordHeader& header, core::MonoNs now) {
  const auto& book = market::payload<market::Book>(header);
  if (header.type == market::RecordType::book_delta) {
    if (const auto asked = asked_.find(header.instrument); asked != asked_.end())
      asked->second->apply(header);
    return;
  }
  const std::span<const Level> bids = market::bids(book), asks = market::asks(book);
  if (book.depth != 0 || bids.empty() || asks.empty() ||
      book.continuity == static_cast<std::uint8_t>(market::Continuity::stale))
    return;
  const double mid = market::mid_price(bids.front().price, asks.front().price);
  Reach& reach = reaches_[header.instrument];
  reach = {bids.back().price, asks.back().price, bps_between(bids.back().price, mid),
           bps_between(asks.back().price, mid), now};
}

/// The share that is left of the side of which less is; what no band asks for is not missed.
double BookRefresh::left_of(const Reach& reach, double price) {
  const auto left = [](double now_bps, double then_bps) {
    return now_bps >= market::depth_bands_bps.back() ? 1 : std::max(now_bps, 0.0) / then_bps;
  };
  return std::min(left((price - reach.bid_end) / price * 1e4, reach.bid_bps),
                  left((reach.ask_end - price) / price * 1e4, reach.ask_bps));
}

std::optional<std::uint32_t> BookRefresh::choose(
    core::MonoNs now, const std::function<double(std::uint32_t)>& price_of) const {
  std::optional<std::uint32_t> chosen;
  if (asked_.size() >= under_way_max) return chosen;
  if (has_asked_ && now - asked_at_ < hastened(all_ns)) return chosen;
  double least = reach_kept;
  for (const auto& [instrument, reach] : reaches_) {
    if (now - reach.at < hastened(each_ns) || asked_.contains(instrument)) continue;
    const double left = left_of(reach, price_of(instrument));
    if (!(left < least)) continue;  // unknown: nothing is
    least = left;
    chosen = instrument;
  }
  return chosen;
}

void BookRefresh::begin(std::uint32_t instrument, core::MonoNs now) {
  asked_[instrument] = std::make_unique<market::OrderBook>();
  reaches_[instrument].at = asked_at_ = now;
  has_asked_ = true;
}

const market::RecordHeader* BookRefresh::join(const market::RecordHeader& snapshot) {
  const auto asked = asked_.find(snapshot.instrument);
  if (asked == asked_.end() || snapshot.type != market::RecordType::book_snapshot) return nullptr;
  market::OrderBook& book = *asked->second;
  if (book.apply(snapshot) != market::BookOutcome::applied ||
      book.last_id() == market::payload<market::Book>(snapshot).last_id)
    return nullptr;  // nothing that the stream brought lies behind it
  // Beyond the snapshot's end only what was touched is known: whoever reads this record takes its
  // worst level for the end.
  const auto within = [](std::span<const Level> levels, auto is_within) {
    return levels.first(static_cast<std::size_t>(
        std::partition_point(levels.begin(), levels.end(), is_within) - levels.begin()));
  };
  const std::span<const Level> bids = within(
      book.bids(), [&](const Level& level) { return level.price >= book.bid_side().horizon(); });
  const std::span<const Level> asks = within(
      book.asks(), [&](const Level& level) { return level.price <= book.ask_side().horizon(); });
  constexpr std::size_t fixed = sizeof(market::RecordHeader) + sizeof(market::Book);
  made_.assign((fixed + (bids.size() + asks.size()) * sizeof(Level)) / sizeof made_[0], 0);
  auto& header = *new (made_.data()) market::RecordHeader(snapshot);
  header.size = static_cast<std::uint32_t>(made_.size() * sizeof made_[0]);
  auto& made = *new (&header + 1) market::Book(market::payload<market::Book>(snapshot));
  made.last_id = book.last_id();
  made.bid_count = static_cast<std::uint32_t>(bids.size());
  made.ask_count = static_cast<std::uint32_t>(asks.size());
  auto* levels = reinterpret_cast<Level*>(&made + 1);
  levels = std::copy(bids.begin(), bids.end(), levels);
  std::copy(asks.begin(), asks.end(), levels);
  return &header;
}

void BookRefresh::forget(std::uint32_t instrument) {
  reaches_.erase(instrument);
  asked_.erase(instrument);
}

}  // namespace perp::feed
