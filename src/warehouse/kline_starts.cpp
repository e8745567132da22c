#include "warehouse/facts.hpp"

#include <perp/core/time.hpp>
#include <perp/warehouse/kline_starts.hpp>

namespace perp::warehouse {

std::optional<std::int64_t> find_kline_start(Connection& connection, market::VenueId venue,
                                             const std::string& symbol, std::int64_t period_ns) {
  const QueryResult known = connection.query(
      "SELECT earliest_ts FROM kline_discovery_cache WHERE exchange_id = $1 AND symbol = $2 AND "
      "interval = $3",
      {static_cast<std::int16_t>(venue), symbol, interval_text(period_ns)});
  if (known.rows == 0) return std::nullopt;
  return known.columns[0].ints[0];
}

void put_kline_start(Connection& connection, market::VenueId venue, const std::string& symbol,
                     const KlineStart& start) {
  connection.query(
      "INSERT INTO kline_discovery_cache (exchange_id, symbol, interval, earliest_ts, "
      "discovered_at, api_calls_used, duration_ms) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT "
      "(exchange_id, symbol, interval) DO UPDATE SET earliest_ts = EXCLUDED.earliest_ts, "
      "discovered_at = EXCLUDED.discovered_at, api_calls_used = EXCLUDED.api_calls_used, "
      "duration_ms = EXCLUDED.duration_ms",
      {static_cast<std::int16_t>(venue), symbol, interval_text(start.period_ns), start.first_ms,
       core::wall_now().ns / core::ns_per_ms, start.requests, start.duration_ms});
}

}  // namespace perp::warehouse
