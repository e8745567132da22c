#pragma once
// What of a venue's history the tables of facts already have. Cold.
#include <perp/market/venue_id.hpp>
#include <perp/warehouse/connection.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perp::warehouse {

struct FactSeries {
  std::string_view table{};  ///< klines, funding_rates, open_interest or long_short_ratio
  market::VenueId venue = market::VenueId::none;
  std::string symbol{};        ///< as the tables have it: BTC, or BTC-USDC beside the primary one
  std::int64_t period_ns = 0;  ///< of candles and statistics; funding has none
};

/// Times [ms] of the rows of from_ms <= ts < to_ms, ascending; of ratios those of all accounts.
/// @throws core::Error for another table
std::vector<std::int64_t> fact_times(Connection& connection, const FactSeries& series,
                                     std::int64_t from_ms, std::int64_t to_ms);

}  // namespace perp::warehouse
