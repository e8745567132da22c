#include "warehouse/facts.hpp"

#include <perp/core/error.hpp>
#include <perp/warehouse/history.hpp>

#include <array>

namespace perp::warehouse {
namespace {

struct TimesOf {
  std::string_view table;
  bool has_period;
  const char* statement;
};
constexpr auto statements = std::to_array<TimesOf>({
    {"klines", true,
     "SELECT ts FROM klines WHERE exchange_id = $1 AND symbol = $2 AND ts >= $3 AND ts < $4 AND "
     "interval = $5 ORDER BY ts"},
    {"funding_rates", false,
     "SELECT ts FROM funding_rates WHERE exchange_id = $1 AND symbol = $2 AND ts >= $3 AND ts < $4 "
     "ORDER BY ts"},
    {"open_interest", true,
     "SELECT ts FROM open_interest WHERE exchange_id = $1 AND symbol = $2 AND ts >= $3 AND ts < $4 "
     "AND period = $5 ORDER BY ts"},
    {"long_short_ratio", true,
     "SELECT ts FROM long_short_ratio WHERE exchange_id = $1 AND symbol = $2 AND ts >= $3 AND "
     "ts < $4 AND period = $5 AND kind = 'global_account' ORDER BY ts"},
});

}  // namespace

std::vector<std::int64_t> fact_times(Connection& connection, const FactSeries& series,
                                     std::int64_t from_ms, std::int64_t to_ms) {
  for (const TimesOf& known : statements) {
    if (known.table != series.table) continue;
    std::vector<Value> values{static_cast<std::int16_t>(series.venue), series.symbol, from_ms,
                              to_ms};
    if (known.has_period) values.emplace_back(interval_text(series.period_ns));
    return std::move(connection.query(known.statement, values).columns.at(0).ints);
  }
  throw core::Error("no history is kept there", std::string(series.table),
                    "klines, funding_rates, open_interest and long_short_ratio are accepted");
}

}  // namespace perp::warehouse
