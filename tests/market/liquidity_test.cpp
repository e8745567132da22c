// Depth, slippage and imbalance: against hand sums of a fixed book, the specification's examples,
// and a brute-force oracle in long double over random books.
#include "support/random_records.hpp"

#include <perp/market/liquidity.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace perp::market {
namespace {

using Levels = std::vector<Level>;

// Mid is 10,000, so that b bps are b in price.
const Levels bids{{9999.5, 1}, {9998, 2}, {9996, 1}, {9992, 3}, {9985, 1}, {9960, 2},
                  {9910, 1},   {9850, 1}, {9600, 1}, {9100, 1}, {8500, 1}};
const Levels asks{{10000.5, 1}, {10002, 2}, {10004, 1}};

TEST(Liquidity, DepthEqualsHandSums) {
  const Liquidity found = liquidity_of(bids, asks);
  EXPECT_EQ(found.mid_price, 10000);
  const std::array<double, depth_band_count> bid_sums{
      9999.5,    // 1 bps: 9,999.5 x 1
      29995.5,   // 2.5: and 9,998 x 2
      39991.5,   // 5: and 9,996
      69967.5,   // 10: and 9,992 x 3
      79952.5,   // 20: and 9,985
      99872.5,   // 50 (0.5 %): and 9,960 x 2
      109782.5,  // 100 (1 %): and 9,910
      119632.5,  // 2 %: and 9,850
      129232.5,  // 5 %: and 9,600
      138332.5,  // 10 %: and 9,100
  };
  EXPECT_EQ(found.bid_depth, bid_sums);
  const std::array<double, depth_band_count> ask_sums{10000.5, 30004.5, 40008.5, 40008.5, 40008.5,
                                                      40008.5, 40008.5, 40008.5, 40008.5, 40008.5};
  EXPECT_EQ(found.ask_depth, ask_sums);
  EXPECT_EQ(found.bids_notional, 146832.5);
  EXPECT_EQ(found.asks_notional, 40008.5);
  EXPECT_EQ(found.bid_levels, 11U);
  EXPECT_EQ(found.ask_levels, 3U);
  EXPECT_EQ(found.max_bid_bps, 1500);
  EXPECT_EQ(found.max_ask_bps, 4) << "wider ask depths are lower bounds, and this says so";
  EXPECT_FALSE(is_partial(2.5, found.max_ask_bps));
  EXPECT_TRUE(is_partial(5, found.max_ask_bps));
  EXPECT_FALSE(is_partial(1000, found.max_bid_bps));
  EXPECT_TRUE(is_partial(1, missing)) << "nothing is known of a side that is not there";
}

TEST(Liquidity, SlippageEqualsHandValues) {
  const Liquidity found = liquidity_of(bids, asks);
  EXPECT_EQ(found.buy_price[0], 10000.5);  // 1,000 and 10,000 fit the best level
  EXPECT_EQ(found.buy_price[1], 10000.5);
  EXPECT_DOUBLE_EQ(buy_slippage_bps(found.buy_price[0], found.mid_price), 0.5);
  EXPECT_EQ(found.sell_price[0], 9999.5);
  EXPECT_DOUBLE_EQ(sell_slippage_bps(found.sell_price[0], found.mid_price), 0.5);
  // 50,000: 39,991.5 buy 4 coins, the other 10,008.5 come at 9,992.
  EXPECT_DOUBLE_EQ(found.sell_price[2], 50000 / (4 + 10008.5 / 9992));
  // 100,000: 99,872.5 are 10 coins, the other 127.5 come at 9,910.
  EXPECT_DOUBLE_EQ(found.sell_price[3], 100000 / (10 + 127.5 / 9910));
  for (std::size_t i = 2; i < slippage_amount_count; ++i)
    EXPECT_TRUE(std::isnan(found.buy_price[i])) << slippage_amounts[i] << " is not in the asks";
  for (std::size_t i = 4; i < slippage_amount_count; ++i)
    EXPECT_TRUE(std::isnan(found.sell_price[i])) << slippage_amounts[i] << " is not in the bids";
  EXPECT_TRUE(std::isnan(buy_slippage_bps(found.buy_price[2], found.mid_price)));
}

TEST(Liquidity, AnOrderMayTakeTheWholeBookAndNoMore) {
  const Levels side{{100, 5}, {200, 2.5}};
  EXPECT_EQ(fill_price(side, 500), 100);
  EXPECT_DOUBLE_EQ(fill_price(side, 1000), 1000 / 7.5);
  EXPECT_TRUE(std::isnan(fill_price(side, std::nextafter(1000, 2000))));
  EXPECT_TRUE(std::isnan(fill_price({}, 1)));
}

TEST(Liquidity, TheSpecificationsExamples) {
  EXPECT_NEAR(spread_bps(100000, 100001), 0.09999950, 5e-9);
  EXPECT_EQ(liquidity_of(Levels{{100000, 1}}, Levels{{100100, 1}, {100500, 1}}).max_ask_bps,
            44.9775);
}

TEST(Liquidity, ImbalanceIsOfTheBestLevelsAndUnknownWhereTheyAreFewer) {
  const Levels bid{{10, 6}, {9, 1}, {8, 1}};
  const Levels ask{{20, 1}, {21, 1}, {22, 1}, {23, 1}};
  EXPECT_EQ(imbalance(bid, ask, 1), (60.0 - 20) / (60 + 20));
  EXPECT_EQ(imbalance(bid, ask, 3), (77.0 - 63) / (77 + 63));
  EXPECT_TRUE(std::isnan(imbalance(bid, ask, 4)));
  EXPECT_TRUE(std::isnan(imbalance(ask, bid, 4)));
  const Liquidity found = liquidity_of(bids, asks);
  EXPECT_TRUE(std::isnan(found.imbalance_5)) << "three asks";
}

TEST(Liquidity, OfABookWithoutASideNothingIsKnown) {
  for (const auto& [bid, ask] : {std::pair{bids, Levels{}}, std::pair{Levels{}, asks}}) {
    const Liquidity found = liquidity_of(bid, ask);
    EXPECT_TRUE(std::isnan(found.mid_price) && std::isnan(found.bids_notional) &&
                std::isnan(found.max_bid_bps) && std::isnan(found.max_ask_bps));
    for (const double depth : found.bid_depth) EXPECT_TRUE(std::isnan(depth));
    for (const double price : found.sell_price) EXPECT_TRUE(std::isnan(price));
  }
}

TEST(Liquidity, ReachEndsAtTheHorizon) {
  EXPECT_EQ(liquidity_of(bids, asks, 9950, 10003).max_bid_bps, 50);
  EXPECT_EQ(liquidity_of(bids, asks, 9950, 10003).max_ask_bps, 3);
  EXPECT_EQ(liquidity_of(bids, asks, 8000, 20000).max_bid_bps, 1500) << "the worst level is nearer";
  EXPECT_EQ(liquidity_of(bids, asks, 10010, 9990).max_bid_bps, 0) << "the market has left it";
  EXPECT_EQ(liquidity_of(Levels{{1e-9, 1}}, Levels{{1, 1e9}, {1e6, 1}}).max_ask_bps, max_bps_cap);
}

// Every answer from its definition: each level is asked by itself, in long double.
struct Oracle {
  const Levels& bids;
  const Levels& asks;
  long double mid = (static_cast<long double>(bids[0].price) + asks[0].price) / 2;

  static long double notional(const Level& level) {
    return static_cast<long double>(level.price) * level.quantity;
  }
  long double depth(bool is_bid, double bps) const {
    long double sum = 0;
    for (const Level& level : is_bid ? bids : asks) {
      const long double away = (is_bid ? mid - level.price : level.price - mid) / mid * 10000;
      if (away <= bps) sum += notional(level);
    }
    return sum;
  }
  /// Whether a level lies so close to the band's end that rounding decides.
  bool is_on_the_edge(double bps) const {
    for (const auto* side : {&bids, &asks})
      for (const Level& level : *side) {
        const long double away = std::fabs(mid - level.price) / mid * 10000;
        if (std::fabs(away - bps) < 1e-9L) return true;
      }
    return false;
  }
  long double fill(bool is_buy, double amount) const {
    long double left = amount;
    long double coins = 0;
    for (const Level& level : is_buy ? asks : bids) {
      const long double taken = std::min(left, notional(level));
      coins += taken / level.price;
      left -= taken;
      if (left <= 0) return amount / coins;
    }
    return missing;
  }
  long double imbalance(std::size_t count) const {
    if (bids.size() < count || asks.size() < count) return missing;
    long double bid = 0;
    long double ask = 0;
    for (std::size_t i = 0; i < count; ++i) {
      bid += notional(bids[i]);
      ask += notional(asks[i]);
    }
    return (bid - ask) / (bid + ask);
  }
};

void expect_near(double found, long double expected, const char* what) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(found)) << what << " " << found;
    return;
  }
  EXPECT_LE(std::fabs(found - expected), 1e-12L * (std::fabs(expected) + 1))
      << what << " " << found << " " << static_cast<double>(expected);
}

TEST(Liquidity, EqualsTheOracleOnRandomBooks) {
  const std::uint64_t seed = test::seed_for_test();
  std::mt19937_64 random(seed);
  const auto real = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  for (int round = 0; round < 2000; ++round) {
    SCOPED_TRACE("PERP_SEED=" + std::to_string(seed) + " round " + std::to_string(round));
    const double middle = std::pow(10.0, real(-6, 5));
    const double span = std::pow(10.0, real(-4, -0.5));
    std::map<double, double, std::greater<>> bid;
    std::map<double, double> ask;
    const double size = std::pow(10.0, real(2, 7)) / middle;
    const auto count = static_cast<int>(real(1, 300));
    for (int i = 0; i < count; ++i) {
      bid[middle * (1 - span * real(1e-6, 1))] = size * real(0.001, 1);
      ask[middle * (1 + span * real(1e-6, 1))] = size * real(0.001, 1);
    }
    Levels bid_levels;
    Levels ask_levels;
    for (const auto& [price, quantity] : bid) bid_levels.push_back({price, quantity});
    for (const auto& [price, quantity] : ask) ask_levels.push_back({price, quantity});
    const Liquidity found = liquidity_of(bid_levels, ask_levels);
    const Oracle oracle{bid_levels, ask_levels};
    expect_near(found.mid_price, oracle.mid, "mid");
    for (std::size_t i = 0; i < depth_band_count; ++i) {
      if (oracle.is_on_the_edge(depth_bands_bps[i])) continue;
      expect_near(found.bid_depth[i], oracle.depth(true, depth_bands_bps[i]), "bid depth");
      expect_near(found.ask_depth[i], oracle.depth(false, depth_bands_bps[i]), "ask depth");
    }
    for (std::size_t i = 0; i < slippage_amount_count; ++i) {
      expect_near(found.buy_price[i], oracle.fill(true, slippage_amounts[i]), "buy");
      expect_near(found.sell_price[i], oracle.fill(false, slippage_amounts[i]), "sell");
      expect_near(fill_price(ask_levels, slippage_amounts[i]),
                  oracle.fill(true, slippage_amounts[i]), "one buy");
    }
    expect_near(found.imbalance_5, oracle.imbalance(5), "imbalance 5");
    expect_near(found.imbalance_10, oracle.imbalance(10), "imbalance 10");
    expect_near(found.imbalance_20, oracle.imbalance(20), "imbalance 20");
  }
}

}  // namespace
}  // namespace perp::market
