#pragma once
// The venues. Ids and codes are written to disk and to databases: lines are only appended.
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace perp::market {

//   id  key           code   display name    quote of its primary perpetuals
#define PERP_VENUES(X)                    \
  X(1, binance, "bin", "Binance", "USDT") \
  X(2, bybit, "byb", "Bybit", "USDT")     \
  X(3, okx, "okx", "OKX", "USDT")         \
  X(4, hyperliquid, "hyp", "Hyperliquid", "USDC")

enum class VenueId : std::uint8_t {
  none = 0,
#define X(id, key, code, name, quote) key = id,
  PERP_VENUES(X)
#undef X
};

struct Venue {
  VenueId id = VenueId::none;
  std::string_view key;    ///< "binance": canonical ids, --venue, paths
  std::string_view code;   ///< "bin": prefix of a perpspec
  std::string_view name;   ///< "Binance": for people
  std::string_view quote;  ///< quote currency of the one primary perpetual per base
};

inline constexpr auto venues = std::to_array<Venue>({
#define X(id, key, code, name, quote) {VenueId::key, #key, code, name, quote},
    PERP_VENUES(X)
#undef X
});

/// One more than the greatest id: the size of an array indexed by venue id.
inline constexpr std::size_t venue_limit = static_cast<std::size_t>(venues.back().id) + 1;

constexpr const Venue* find_venue(VenueId id) {
  for (const Venue& venue : venues)
    if (venue.id == id) return &venue;
  return nullptr;
}

/// By key ("binance"), code ("bin") or display name ("Binance").
constexpr const Venue* find_venue(std::string_view text) {
  for (const Venue& venue : venues)
    if (venue.key == text || venue.code == text || venue.name == text) return &venue;
  return nullptr;
}

}  // namespace perp::market
