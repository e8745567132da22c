#pragma once
// When the candles of a contract begin, as a run found out by asking (kline_discovery_cache): later
// ones need not ask. Cold path, one thread per Connection. Throws DatabaseError.
#include <perp/market/venue_id.hpp>
#include <perp/warehouse/connection.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace perp::warehouse {

struct KlineStart {
  std::int64_t period_ns = 0;
  std::int64_t first_ms = 0;  ///< open time of the first candle
  std::int32_t requests = 0;  ///< that it took
  std::int32_t duration_ms = 0;
};

/// @param symbol as the tables have it. @returns the first candle's time, ms
std::optional<std::int64_t> find_kline_start(Connection& connection, market::VenueId venue,
                                             const std::string& symbol, std::int64_t period_ns);
/// Replaces what was known.
void put_kline_start(Connection& connection, market::VenueId venue, const std::string& symbol,
                     const KlineStart& start);

}  // namespace perp::warehouse
