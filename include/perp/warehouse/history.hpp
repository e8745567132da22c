#pragma once
// What of a venue's history the tables of facts already have. Cold: a day of a busy contract's
// trades is sorted by the server, some seconds.
#include <perp/market/venue_id.hpp>
#include <perp/warehouse/connection.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
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

/// Trades that are there without a hole between them, by ids that count up by one.
struct TradeIdRun {
  std::int64_t first_id = 0;
  std::int64_t last_id = 0;
  std::int64_t first_ms = 0;
  std::int64_t last_ms = 0;
};

/// Of rows of from_ms <= ts < to_ms and some next to them on either side, not a day away,
/// ascending; ids that are no numbers are passed over. @param is_sum_of_fills a row stands for
/// `fills` ids that end with its own; if they are not known, for all since the one before it
std::vector<TradeIdRun> trade_runs(Connection& connection, market::VenueId venue,
                                   const std::string& symbol, std::int64_t from_ms,
                                   std::int64_t to_ms, bool is_sum_of_fills);
/// The least and the greatest ts [ms] of rows of from_ms <= ts < to_ms; nullopt: there is none.
std::optional<std::pair<std::int64_t, std::int64_t>> trade_ends(Connection& connection,
                                                                market::VenueId venue,
                                                                const std::string& symbol,
                                                                std::int64_t from_ms,
                                                                std::int64_t to_ms);
/// Of rows of from_ms <= ts < to_ms, as they stand there.
std::vector<std::string> trade_ids(Connection& connection, market::VenueId venue,
                                   const std::string& symbol, std::int64_t from_ms,
                                   std::int64_t to_ms);

}  // namespace perp::warehouse
