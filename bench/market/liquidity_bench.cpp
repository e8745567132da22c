// What one sample of a book costs: depths of ten bands a side, fourteen average prices, three
// imbalances. Peers: each figure by a walk of its own, as it is commonly written, over std::map and
// over the same flat sides.
#include "harness/goals.hpp"
#include "harness/two_threads.hpp"

#include <perp/core/prng.hpp>
#include <perp/market/liquidity.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <vector>

namespace perp::bench {
namespace {

using market::Level;
using market::Liquidity;
using Levels = std::vector<Level>;

struct Sides {
  Levels bids;
  Levels asks;
};

Sides simulated(std::size_t levels) {
  core::Prng prng(5);
  Sides sides;
  for (std::size_t i = 1; i <= levels; ++i) {
    const double away = 0.1 * static_cast<double>(i);
    sides.bids.push_back({28'145 - away, 0.01 + 3 * prng.uniform()});
    sides.asks.push_back({28'145 + away, 0.01 + 3 * prng.uniform()});
  }
  return sides;
}

class Ours {
 public:
  explicit Ours(const Sides& sides) : sides_(sides) {}
  Liquidity sample() const { return market::liquidity_of(sides_.bids, sides_.asks); }

 private:
  Sides sides_;
};

/// Each figure by a walk of its own, over anything with prices and quantities in order.
template <class Bids, class Asks>
Liquidity naive(const Bids& bids, const Asks& asks) {
  Liquidity out;
  const auto& [bid_price, bid_quantity] = *bids.begin();
  const auto& [ask_price, ask_quantity] = *asks.begin();
  out.bid_price = bid_price;
  out.bid_quantity = bid_quantity;
  out.ask_price = ask_price;
  out.ask_quantity = ask_quantity;
  const double mid = (bid_price + ask_price) / 2;
  out.mid_price = mid;
  const auto depth = [mid](const auto& side, double share, bool is_bid) {
    double sum = 0;
    for (const auto& [price, quantity] : side) {
      if (is_bid ? price < mid * (1 - share) : price > mid * (1 + share)) break;
      sum += price * quantity;
    }
    return sum;
  };
  const auto total = [](const auto& side) {
    double sum = 0;
    for (const auto& [price, quantity] : side) sum += price * quantity;
    return sum;
  };
  const auto fill = [](const auto& side, double amount) {
    double left = amount;
    double coins = 0;
    for (const auto& [price, quantity] : side) {
      const double taken = std::min(left, price * quantity);
      coins += taken / price;
      left -= taken;
      if (left <= 0) return amount / coins;
    }
    return market::missing;
  };
  const auto best = [](const auto& side, std::size_t count) {
    double sum = 0;
    for (const auto& [price, quantity] : side) {
      if (count-- == 0) break;
      sum += price * quantity;
    }
    return sum;
  };
  for (std::size_t i = 0; i < market::depth_band_count; ++i) {
    out.bid_depth[i] = depth(bids, market::depth_bands_bps[i] / 1e4, true);
    out.ask_depth[i] = depth(asks, market::depth_bands_bps[i] / 1e4, false);
  }
  for (std::size_t i = 0; i < market::slippage_amount_count; ++i) {
    out.buy_price[i] = fill(asks, market::slippage_amounts[i]);
    out.sell_price[i] = fill(bids, market::slippage_amounts[i]);
  }
  out.bids_notional = total(bids);
  out.asks_notional = total(asks);
  const auto imbalance = [&](std::size_t count) {
    const double bid = best(bids, count);
    const double ask = best(asks, count);
    return (bid - ask) / (bid + ask);
  };
  out.imbalance_5 = imbalance(5);
  out.imbalance_10 = imbalance(10);
  out.imbalance_20 = imbalance(20);
  return out;
}

class StdMap {
 public:
  explicit StdMap(const Sides& sides) {
    for (const Level& level : sides.bids) bids_[level.price] = level.quantity;
    for (const Level& level : sides.asks) asks_[level.price] = level.quantity;
  }
  Liquidity sample() const { return naive(bids_, asks_); }

 private:
  std::map<double, double, std::greater<>> bids_;
  std::map<double, double> asks_;
};

class FlatNaive {
 public:
  explicit FlatNaive(const Sides& sides) : sides_(sides) {}
  Liquidity sample() const { return naive(sides_.bids, sides_.asks); }

 private:
  Sides sides_;
};

bool is_near(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || std::fabs(a - b) <= 1e-9 * (1 + std::fabs(b));
}

template <class Who>
void sample(benchmark::State& state) {
  const Sides sides = simulated(static_cast<std::size_t>(state.range(0)));
  const Who who(sides);
  const Liquidity found = who.sample();
  const Liquidity truth = StdMap(sides).sample();
  bool is_right = is_near(found.bids_notional, truth.bids_notional) &&
                  is_near(found.imbalance_20, truth.imbalance_20);
  for (std::size_t i = 0; i < market::depth_band_count; ++i)
    is_right = is_right && is_near(found.bid_depth[i], truth.bid_depth[i]) &&
               is_near(found.ask_depth[i], truth.ask_depth[i]);
  for (std::size_t i = 0; i < market::slippage_amount_count; ++i)
    is_right = is_right && is_near(found.buy_price[i], truth.buy_price[i]) &&
               is_near(found.sell_price[i], truth.sell_price[i]);
  require(is_right, "liquidity: wrong answer");
  for (auto _ : state) benchmark::DoNotOptimize(who.sample());
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(sample<Ours>)->Name("market/liquidity/perp/levels")->Arg(50)->Arg(400)->Arg(1000);
BENCHMARK(sample<StdMap>)->Name("market/liquidity/std_map/levels")->Arg(50)->Arg(400)->Arg(1000);
BENCHMARK(sample<FlatNaive>)
    ->Name("market/liquidity/walk_each/levels")
    ->Arg(50)
    ->Arg(400)
    ->Arg(1000);

}  // namespace
}  // namespace perp::bench
