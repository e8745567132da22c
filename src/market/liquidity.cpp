#include <perp/market/liquidity.hpp>

#include <algorithm>
#include <cmath>

namespace perp::market {
namespace {

template <BookSideKind side>
SideDepth depth_of(std::span<const Level> levels, double mid, double horizon) noexcept {
  constexpr bool is_bid = side == BookSideKind::bids;
  SideDepth out;
  if (levels.empty()) return out;
  double sum = 0;
  std::size_t i = 0;
  for (std::size_t band = 0; band < depth_band_count; ++band) {
    const double share = depth_bands_bps[band] / 1e4;
    const double limit = mid * (is_bid ? 1 - share : 1 + share);
    for (; i < levels.size() && (is_bid ? levels[i].price >= limit : levels[i].price <= limit); ++i)
      sum += levels[i].price * levels[i].quantity;
    out.within[band] = sum;
  }
  for (; i < levels.size(); ++i) sum += levels[i].price * levels[i].quantity;
  out.notional = sum;
  const double worst = levels.back().price;
  const double reach = is_bid ? std::max(worst, horizon) : std::min(worst, horizon);
  const double bps = (is_bid ? mid - reach : reach - mid) / mid * 1e4;
  out.max_bps = std::clamp(std::round(bps * 1e4) / 1e4, 0.0, max_bps_cap);
  return out;
}

}  // namespace

SideDepth side_depth(BookSideKind side, std::span<const Level> levels, double mid,
                     double horizon) noexcept {
  return side == BookSideKind::bids ? depth_of<BookSideKind::bids>(levels, mid, horizon)
                                    : depth_of<BookSideKind::asks>(levels, mid, horizon);
}

std::array<double, slippage_amount_count> fill_prices(std::span<const Level> levels) noexcept {
  std::array<double, slippage_amount_count> out = all_missing<slippage_amount_count>();
  double notional = 0;  // of the levels that are taken whole
  double quantity = 0;
  std::size_t next = 0;
  for (const Level& level : levels) {
    const double taken = level.price * level.quantity;
    for (; next < slippage_amount_count && slippage_amounts[next] <= notional + taken; ++next) {
      const double amount = slippage_amounts[next];
      out[next] = amount / (quantity + (amount - notional) / level.price);
    }
    if (next == slippage_amount_count) break;
    notional += taken;
    quantity += level.quantity;
  }
  return out;
}

double fill_price(std::span<const Level> levels, double amount) noexcept {
  double notional = 0;
  double quantity = 0;
  for (const Level& level : levels) {
    const double taken = level.price * level.quantity;
    if (amount <= notional + taken) return amount / (quantity + (amount - notional) / level.price);
    notional += taken;
    quantity += level.quantity;
  }
  return missing;
}

double imbalance(std::span<const Level> bids, std::span<const Level> asks,
                 std::size_t count) noexcept {
  if (bids.size() < count || asks.size() < count) return missing;
  double bid = 0;
  double ask = 0;
  for (std::size_t i = 0; i < count; ++i) {
    bid += bids[i].price * bids[i].quantity;
    ask += asks[i].price * asks[i].quantity;
  }
  return (bid - ask) / (bid + ask);
}

Liquidity liquidity_of(std::span<const Level> bids, std::span<const Level> asks, double bid_horizon,
                       double ask_horizon) noexcept {
  Liquidity out;
  out.bid_levels = static_cast<std::uint32_t>(bids.size());
  out.ask_levels = static_cast<std::uint32_t>(asks.size());
  if (bids.empty() || asks.empty()) return out;
  out.bid_price = bids.front().price;
  out.bid_quantity = bids.front().quantity;
  out.ask_price = asks.front().price;
  out.ask_quantity = asks.front().quantity;
  out.mid_price = mid_price(out.bid_price, out.ask_price);
  const SideDepth bid = side_depth(BookSideKind::bids, bids, out.mid_price, bid_horizon);
  const SideDepth ask = side_depth(BookSideKind::asks, asks, out.mid_price, ask_horizon);
  out.bid_depth = bid.within;
  out.ask_depth = ask.within;
  out.bids_notional = bid.notional;
  out.asks_notional = ask.notional;
  out.max_bid_bps = bid.max_bps;
  out.max_ask_bps = ask.max_bps;
  out.buy_price = fill_prices(asks);
  out.sell_price = fill_prices(bids);
  out.imbalance_5 = imbalance(bids, asks, 5);
  out.imbalance_10 = imbalance(bids, asks, 10);
  out.imbalance_20 = imbalance(bids, asks, 20);
  return out;
}

}  // namespace perp::market
