#pragma once
// What the simulated venues list: coins with their price level and temper, and per venue the
// contract's native name, grids and scales as the real venue had them in 2026. Constant data and
// one function that makes a venue's list; any thread; used by the recorder at start only.
#include <perp/market/venue_id.hpp>
#include <perp/sim/decimal_units.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perp::sim {

/// Number grids of one contract in native units: price = k x tick x 10^-price_digits, size = n x
/// lot x 10^-quantity_digits. price_digits is what the venue prints, which may be finer than its
/// tick.
struct Grid {
  int price_digits = 0;
  std::int64_t tick = 1;
  int quantity_digits = 0;
  std::int64_t lot = 1;
};

struct Coin {
  std::string_view base;
  Decimal price;           ///< per coin, at the simulated start
  int volatility;          ///< 1/100 basis point per 100 ms, the coin's own
  int market_share;        ///< percent of the common market move it follows
  int activity;            ///< per mille of the busiest coin
  int open_interest_musd;  ///< Binance, million USD
  int named_exponent;      ///< 3 where contracts are named per 1000 coins
  Grid binance, bybit, okx, hyperliquid;
  int okx_contract_exponent;  ///< ctVal = 10^this coins
  int okx_code;               ///< instIdCode
  std::int64_t okx_listed_ms;
  int hyperliquid_leverage;
  int hyperliquid_margin_table;
};

/// Every coin there is, busiest first; a recording of n symbols takes the first n.
std::span<const Coin> coins();

enum class ListingKind : std::uint8_t {
  primary = 0,      ///< the one linear perpetual of its base: has rows in truth.csv
  other_quote = 1,  ///< a second linear perpetual of a base (BTCUSDC)
  dated = 2,        ///< a future with a delivery date: no funding
  inverse = 3,      ///< settled in the coin, contracts of 100 USD
  spot = 4,         ///< tickers only
};

/// One contract at one venue.
struct Listing {
  market::VenueId venue = market::VenueId::none;
  ListingKind kind = ListingKind::primary;
  const Coin* coin = nullptr;
  std::size_t coin_index = 0;
  std::string native;  ///< "1000PEPEUSDT"
  std::string asset;   ///< "1000PEPE": the venue's own name of the base
  std::string quote;
  Grid grid;
  int price_exponent = 0;  ///< native price / 10^this = price per coin
  int size_exponent = 0;   ///< native size x 10^this = coins
  int funding_hours = 8;
  int leverage = 50;
  int activity = 0;  ///< per mille
  std::int64_t delivery_ms = 0;

  int coin_price_digits() const { return grid.price_digits + price_exponent; }
  int coin_quantity_digits() const { return grid.quantity_digits - size_exponent; }
  /// Digits of native price units x native size units taken as quote currency.
  int notional_digits() const { return coin_price_digits() + coin_quantity_digits(); }
  bool is_inverse() const { return kind == ListingKind::inverse; }
};

/// The venue's list: the first `symbols` coins, then what a reader must tell apart from them.
std::vector<Listing> listings(market::VenueId venue, std::size_t symbols);

}  // namespace perp::sim
