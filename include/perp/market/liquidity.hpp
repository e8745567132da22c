#pragma once
// What a book offers: mid, spread, depth within bands, what an order would pay, imbalance. Pure
// functions over the levels of a book's sides, best first, quantities in coins, prices and
// notionals in quote currency. Used by the fold for its samples and by whoever has levels. No
// allocation; sums are plain left-to-right doubles (relative error below levels x 2^-52).
//
// A price beyond how far the book reaches is not known: a depth there is a lower bound, an average
// price an upper one, and `max_bps` says where that begins.
#include <perp/market/record.hpp>

#include <array>
#include <cstddef>
#include <limits>
#include <span>

namespace perp::market {

/// Distances from mid, ascending: 1 to 100 bps, then 2, 5 and 10 % (0.5 and 1 % are 50 and 100
/// bps).
inline constexpr std::array<double, depth_band_count> depth_bands_bps = {1,  2.5, 5,   10,  20,
                                                                         50, 100, 200, 500, 1000};
/// Sizes of orders in quote currency, ascending.
inline constexpr std::array<double, slippage_amount_count> slippage_amounts = {1e3, 1e4, 5e4, 1e5,
                                                                               5e5, 5e6, 1e7};
/// A reach of this many bps or more is told as this.
inline constexpr double max_bps_cap = 999'999;

enum class BookSideKind : std::uint8_t { bids, asks };

/// NaN where one is NaN.
constexpr double mid_price(double bid, double ask) { return (bid + ask) / 2; }
/// (ask - bid) / mid x 10,000.
constexpr double spread_bps(double bid, double ask) {
  return (ask - bid) / mid_price(bid, ask) * 1e4;
}
/// How much worse than mid a buy's, or a sell's, average price is. NaN for NaN.
constexpr double buy_slippage_bps(double average, double mid) {
  return (average - mid) / mid * 1e4;
}
constexpr double sell_slippage_bps(double average, double mid) {
  return (mid - average) / mid * 1e4;
}

/// One side seen from mid.
struct SideDepth {
  std::array<double, depth_band_count> within{};  ///< notional within depth_bands_bps
  double notional = 0;                            ///< of all levels
  /// How far from mid the side is known: its worst level or `horizon`, whichever is nearer; four
  /// decimals, 0..max_bps_cap. NaN for no levels.
  double max_bps = missing;
};
/// Whether a depth within so many bps is a lower bound, of a side that is known up to `max_bps`.
constexpr bool is_partial(double bps, double max_bps) { return !(bps <= max_bps); }
/// @param horizon BookSide::horizon(): beyond it levels may be missing. O(levels).
[[nodiscard]] SideDepth side_depth(BookSideKind side, std::span<const Level> levels, double mid,
                                   double horizon) noexcept;

/// Average price of an order of each of slippage_amounts that takes `levels` best first, by
/// notional; NaN where they are not enough. O(levels taken).
[[nodiscard]] std::array<double, slippage_amount_count> fill_prices(
    std::span<const Level> levels) noexcept;
/// The same for one amount in quote currency, more than 0.
[[nodiscard]] double fill_price(std::span<const Level> levels, double amount) noexcept;

/// (B - A) / (B + A) of the notionals of the best `count` levels a side, -1..1; NaN where a side
/// has fewer.
[[nodiscard]] double imbalance(std::span<const Level> bids, std::span<const Level> asks,
                               std::size_t count) noexcept;

/// All of it. Depths and prices are NaN unless both sides have a level; last_id, told_ns and depth
/// are the caller's to fill in.
[[nodiscard]] Liquidity liquidity_of(
    std::span<const Level> bids, std::span<const Level> asks,
    double bid_horizon = -std::numeric_limits<double>::infinity(),
    double ask_horizon = std::numeric_limits<double>::infinity()) noexcept;

}  // namespace perp::market
