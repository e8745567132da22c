#include "warehouse/facts.hpp"

#include <perp/core/error.hpp>
#include <perp/warehouse/history.hpp>

#include <fmt/format.h>

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

// Rows of the span and next to it; the ids of each and of the one before; where one does not follow
// the other a run begins. The first place is for how many ids a row stands for.
constexpr const char* runs_of_ids = R"(
SELECT min(id - width + 1), max(id), min(ts), max(ts) FROM (
  SELECT ts, id, width, count(*) FILTER (WHERE before IS NULL OR id - width > before) OVER (ORDER BY id, ts) AS run
  FROM (
    SELECT ts, id, before, {} AS width FROM (
      SELECT ts, id, fills, lag(id) OVER (ORDER BY id, ts) AS before FROM (
        SELECT ts, trade_id::bigint AS id, fills FROM (
          SELECT ts, trade_id, fills FROM trades
            WHERE exchange_id = $1 AND symbol = $2 AND ts >= $3 AND ts < $4
          UNION ALL
          (SELECT ts, trade_id, fills FROM trades
             WHERE exchange_id = $1 AND symbol = $2 AND ts < $3 AND ts >= $3 - 86400000
             ORDER BY ts DESC LIMIT 100)
          UNION ALL
          (SELECT ts, trade_id, fills FROM trades
             WHERE exchange_id = $1 AND symbol = $2 AND ts >= $4 AND ts < $4 + 86400000
             ORDER BY ts LIMIT 100)
        ) near WHERE trade_id ~ '^[0-9]{{1,18}}$'
      ) numbered
    ) neighbours
  ) wide
) runs GROUP BY run ORDER BY 1)";

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

std::vector<TradeIdRun> trade_runs(Connection& connection, market::VenueId venue,
                                   const std::string& symbol, std::int64_t from_ms,
                                   std::int64_t to_ms, bool is_sum_of_fills) {
  const std::string sql = fmt::format(
      runs_of_ids, is_sum_of_fills ? "coalesce(fills::bigint, id - before, 1)" : "1::bigint");
  const QueryResult found =
      connection.query(sql, {static_cast<std::int16_t>(venue), symbol, from_ms, to_ms});
  std::vector<TradeIdRun> runs;
  for (std::size_t i = 0; i < found.rows; ++i)
    runs.push_back({found.columns[0].ints[i], found.columns[1].ints[i], found.columns[2].ints[i],
                    found.columns[3].ints[i]});
  return runs;
}

std::optional<std::pair<std::int64_t, std::int64_t>> trade_ends(Connection& connection,
                                                                market::VenueId venue,
                                                                const std::string& symbol,
                                                                std::int64_t from_ms,
                                                                std::int64_t to_ms) {
  const QueryResult found = connection.query(
      "SELECT min(ts), max(ts) FROM trades WHERE exchange_id = $1 AND symbol = $2 AND ts >= $3 "
      "AND ts < $4",
      {static_cast<std::int16_t>(venue), symbol, from_ms, to_ms});
  if (found.rows == 0 || found.columns[0].is_null(0)) return std::nullopt;
  return std::pair(found.columns[0].ints[0], found.columns[1].ints[0]);
}

std::vector<std::string> trade_ids(Connection& connection, market::VenueId venue,
                                   const std::string& symbol, std::int64_t from_ms,
                                   std::int64_t to_ms) {
  const QueryResult found = connection.query(
      "SELECT trade_id FROM trades WHERE exchange_id = $1 AND symbol = $2 AND ts >= $3 AND ts < $4",
      {static_cast<std::int16_t>(venue), symbol, from_ms, to_ms});
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < found.rows; ++i) ids.emplace_back(found.columns[0].text(i));
  return ids;
}

}  // namespace perp::warehouse
