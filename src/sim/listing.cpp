#include <perp/sim/listing.hpp>

#include <algorithm>

namespace perp::sim {
namespace {

using market::VenueId;

// Ticks, lots and contract sizes: Binance exchangeInfo of 2025-08, OKX instruments of 2026-04,
// Hyperliquid meta of 2025-12 (five significant digits, at most 6 - szDecimals decimals); Bybit
// from the habits of its tickers. Two lines a coin:
//   base, price, own volatility, market share, activity, open interest, 1000x exponent,
//   grids of Binance, Bybit, OKX, Hyperliquid; OKX ctVal, code, listed; Hyperliquid leverage, table
// clang-format off
constexpr auto coin_table = std::to_array<Coin>({
    {"BTC", {841432, 1}, 14, 100, 1000, 6200, 0,
     {2, 10, 3, 1}, {2, 10, 3, 1}, {1, 1, 2, 1}, {0, 1, 5, 1}, -2, 10459, 1573557408000, 40, 56},
    {"ETH", {261345, 2}, 20, 125, 800, 3900, 0,
     {2, 1, 3, 1}, {2, 1, 2, 1}, {2, 1, 2, 1}, {1, 1, 4, 1}, -1, 10461, 1573557408000, 25, 55},
    {"XRP", {16231, 4}, 26, 120, 450, 740, 0,
     {4, 1, 1, 1}, {4, 1, 1, 1}, {3, 1, 2, 1}, {4, 1, 0, 1}, 2, 10471, 1573557408000, 20, 53},
    {"SOL", {11842, 2}, 28, 140, 600, 980, 0,
     {4, 100, 2, 1}, {2, 1, 1, 1}, {2, 1, 2, 1}, {2, 1, 2, 1}, 0, 10530, 1611298800000, 20, 54},
    {"DOGE", {142150, 6}, 32, 150, 350, 410, 0,
     {6, 10, 0, 1}, {5, 1, 0, 1}, {5, 1, 2, 1}, {5, 1, 0, 1}, 3, 10502, 1587463971000, 10, 52},
    {"PEPE", {44113, 10}, 46, 170, 250, 160, 3,
     {7, 1, 0, 1}, {7, 1, 0, 100}, {9, 1, 1, 1}, {6, 1, 0, 1}, 7, 120775, 1683086101049, 10, 52},
    {"SHIB", {58230, 10}, 34, 150, 150, 62, 3,
     {6, 1, 0, 1}, {6, 1, 0, 10}, {9, 1, 1, 1}, {6, 1, 0, 1}, 6, 21073, 1620550800000, 10, 51},
    {"BONK", {64520, 10}, 48, 170, 150, 34, 3,
     {7, 10, 0, 1}, {6, 1, 0, 100}, {9, 1, 0, 1}, {6, 1, 0, 1}, 5, 143864, 1704695217299, 10, 52},
    {"BNB", {74230, 2}, 18, 90, 250, 520, 0,
     {3, 10, 2, 1}, {2, 10, 2, 1}, {1, 1, 0, 1}, {2, 1, 3, 1}, -2, 111061, 1671778428049, 10, 51},
    {"ADA", {36420, 5}, 28, 130, 200, 140, 0,
     {5, 10, 0, 1}, {4, 1, 0, 1}, {4, 1, 1, 1}, {5, 1, 0, 1}, 2, 10483, 1582888608000, 10, 52},
    {"LINK", {11842, 3}, 28, 130, 180, 170, 0,
     {3, 1, 2, 1}, {3, 1, 1, 1}, {3, 1, 1, 1}, {3, 1, 1, 1}, 0, 10519, 1582888608000, 10, 52},
    {"AVAX", {12345, 3}, 30, 135, 180, 110, 0,
     {4, 10, 0, 1}, {3, 1, 1, 1}, {3, 1, 1, 1}, {3, 1, 2, 1}, 0, 10491, 1600840800000, 10, 52},
    {"SUI", {15822, 4}, 36, 145, 220, 190, 0,
     {6, 100, 1, 1}, {4, 1, 0, 10}, {4, 1, 0, 1}, {4, 1, 1, 1}, 0, 120850, 1683258900891, 10, 52},
    {"LTC", {78423, 3}, 24, 110, 150, 130, 0,
     {2, 1, 3, 1}, {2, 1, 1, 1}, {2, 1, 1, 1}, {3, 1, 2, 1}, 0, 10463, 1573557408000, 10, 52},
    {"BCH", {45231, 2}, 24, 110, 130, 95, 0,
     {2, 1, 3, 1}, {2, 10, 2, 1}, {1, 1, 1, 1}, {2, 1, 3, 1}, -1, 10465, 1573557408000, 10, 52},
    {"DOT", {18421, 4}, 28, 130, 120, 75, 0,
     {3, 1, 1, 1}, {4, 1, 1, 1}, {3, 1, 0, 1}, {4, 1, 1, 1}, 0, 10504, 1598350371000, 10, 51},
    {"NEAR", {16215, 4}, 32, 140, 120, 68, 0,
     {4, 10, 0, 1}, {4, 1, 1, 1}, {3, 1, 1, 1}, {4, 1, 1, 1}, 1, 10523, 1608544800000, 10, 52},
    {"UNI", {45123, 4}, 32, 130, 120, 72, 0,
     {4, 10, 0, 1}, {3, 1, 1, 1}, {3, 1, 0, 1}, {4, 1, 1, 1}, 0, 10543, 1600317000000, 10, 52},
    {"APT", {18422, 4}, 34, 140, 110, 54, 0,
     {5, 10, 1, 1}, {4, 1, 2, 1}, {4, 1, 0, 1}, {4, 1, 2, 1}, 0, 104900, 1666142328522, 10, 52},
    {"ARB", {21552, 5}, 34, 145, 120, 61, 0,
     {6, 100, 1, 1}, {5, 1, 1, 1}, {5, 1, 1, 1}, {5, 1, 1, 1}, 1, 117782, 1679580094937, 10, 51},
    {"OP", {23412, 5}, 36, 145, 110, 44, 0,
     {7, 1000, 1, 1}, {4, 1, 1, 1}, {4, 1, 0, 1}, {5, 1, 1, 1}, 0, 86647, 1654055717137, 10, 51},
    {"ATOM", {23150, 4}, 28, 125, 100, 39, 0,
     {3, 1, 2, 1}, {3, 1, 1, 1}, {3, 1, 0, 1}, {4, 1, 2, 1}, 0, 10490, 1573557408000, 5, 5},
    {"FIL", {12450, 4}, 30, 130, 110, 48, 0,
     {3, 1, 1, 1}, {3, 1, 1, 1}, {4, 1, 0, 1}, {4, 1, 1, 1}, -1, 10507, 1565431971000, 5, 5},
    {"TRX", {31842, 5}, 10, 50, 120, 88, 0,
     {5, 1, 0, 1}, {5, 1, 0, 1}, {4, 1, 2, 1}, {5, 1, 0, 1}, 3, 10473, 1573557408000, 10, 51},
    {"WIF", {35220, 5}, 50, 170, 130, 51, 0,
     {7, 1000, 1, 1}, {4, 1, 0, 1}, {4, 1, 0, 1}, {5, 1, 0, 1}, 0, 155700, 1713173100603, 5, 5},
    {"INJ", {38421, 4}, 34, 140, 90, 31, 0,
     {6, 1000, 1, 1}, {3, 1, 1, 1}, {3, 1, 0, 1}, {4, 1, 1, 1}, -1, 139329, 1701345300667, 10, 51},
    {"AAVE", {13122, 2}, 32, 130, 100, 84, 0,
     {3, 10, 1, 1}, {2, 1, 2, 1}, {2, 1, 1, 1}, {2, 1, 2, 1}, -1, 10485, 1607580000000, 10, 52},
    {"HBAR", {11843, 5}, 30, 130, 100, 57, 0,
     {5, 1, 0, 1}, {5, 1, 0, 1}, {5, 1, 1, 1}, {5, 1, 0, 1}, 2, 129258, 1692165300823, 5, 5},
    {"ETC", {14223, 3}, 24, 115, 90, 46, 0,
     {3, 1, 2, 1}, {3, 1, 1, 1}, {3, 1, 2, 1}, {3, 1, 2, 1}, 1, 10469, 1573557408000, 5, 5},
    {"ENA", {24150, 5}, 44, 160, 120, 92, 0,
     {7, 1000, 0, 1}, {4, 1, 0, 1}, {5, 1, 0, 1}, {5, 1, 0, 1}, 1, 227622, 1758094200364, 10, 52},
});
// clang-format on

constexpr std::int64_t delivery_2027_03_26_ms = 1'806'048'000'000;  // 08:00 UTC

std::string named_asset(const Coin& coin, VenueId venue) {
  const std::string base(coin.base);
  if (coin.named_exponent == 0 || venue == VenueId::okx) return base;
  if (venue == VenueId::hyperliquid) return "k" + base;
  // Bybit kept the older suffix form for one coin.
  if (venue == VenueId::bybit && base == "SHIB") return base + "1000";
  return "1000" + base;
}

Listing primary(VenueId venue, std::size_t index) {
  const Coin& coin = coin_table[index];
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

std::span<const Coin> coins() { return coin_table; }

std::vector<Listing> listings(VenueId venue, std::size_t symbols) {
  std::vector<Listing> list;
  for (std::size_t i = 0; i < std::min(symbols, coin_table.size()); ++i)
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
