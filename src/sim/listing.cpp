#include <perp/sim/listing.hpp>

#include <algorithm>

namespace perp::sim {
namespace {

using market::VenueId;

constexpr std::int64_t delivery_2027_03_26_ms = 1'806'048'000'000;  // 08:00 UTC

std::string named_asset(const Coin& coin, VenueId venue) {
  std::string base(coin.base);
  if (coin.named_exponent == 0 || venue == VenueId::okx) return base;
  if (venue == VenueId::hyperliquid) return "k" + base;
  // Bybit kept the older suffix form for one coin.
  if (venue == VenueId::bybit && base == "SHIB") return base + "1000";
  return "1000" + base;
}

Listing primary(VenueId venue, std::size_t index) {
  const Coin& coin = coins()[index];
  Listing listing;
  listing.venue = venue;
  listing.coin = &coin;
  listing.coin_index = index;
  listing.asset = named_asset(coin, venue);
  listing.quote = std::string(market::find_venue(venue)->quote);
  listing.activity = coin.activity;
  if (venue != VenueId::okx) listing.price_exponent = listing.size_exponent = coin.named_exponent;
  switch (venue) {
    case VenueId::binance:
      listing.grid = coin.binance;
      listing.native = listing.asset + "USDT";
      listing.leverage = std::min(150, 50 + coin.activity / 8);
      break;
    case VenueId::bybit:
      listing.grid = coin.bybit;
      listing.native = listing.asset + "USDT";
      listing.leverage = coin.activity > 500 ? 100 : 50;
      listing.funding_hours = coin.base == "WIF" || coin.base == "ENA" ? 4 : 8;
      break;
    case VenueId::okx:
      listing.grid = coin.okx;
      listing.native = listing.asset + "-USDT-SWAP";
      listing.size_exponent = coin.okx_contract_exponent;
      listing.leverage = coin.activity > 500 ? 100 : 50;
      listing.funding_hours = coin.base == "WIF" || coin.base == "ENA" ? 4 : 8;
      break;
    case VenueId::hyperliquid:
    default:
      listing.grid = coin.hyperliquid;
      listing.native = listing.asset;
      listing.leverage = coin.hyperliquid_leverage;
      listing.funding_hours = 1;
      break;
  }
  return listing;
}

}  // namespace

std::vector<Listing> listings(VenueId venue, std::size_t symbols) {
  std::vector<Listing> list;
  for (std::size_t i = 0; i < std::min(symbols, coins().size()); ++i)
    list.push_back(primary(venue, i));
  if (list.empty()) return list;
  const auto add = [&](ListingKind kind, std::string native, std::string quote, Grid grid,
                       int activity) -> Listing& {
    Listing listing = list.front();  // all of them are bitcoin
    listing.kind = kind;
    listing.native = std::move(native);
    listing.quote = std::move(quote);
    listing.grid = grid;
    listing.activity = activity;
    list.push_back(std::move(listing));
    return list.back();
  };
  if (venue == VenueId::binance) {
    add(ListingKind::other_quote, "BTCUSDC", "USDC", {1, 1, 3, 1}, 220);
    add(ListingKind::dated, "BTCUSDT_270326", "USDT", {1, 1, 3, 1}, 60).delivery_ms =
        delivery_2027_03_26_ms;
  } else if (venue == VenueId::okx) {
    add(ListingKind::inverse, "BTC-USD-SWAP", "USD", {1, 1, 1, 1}, 160);
    add(ListingKind::spot, "BTC-USDT", "USDT", {1, 1, 8, 1000}, 200).size_exponent = 0;
  }
  return list;
}

}  // namespace perp::sim
