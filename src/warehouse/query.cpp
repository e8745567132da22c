#include <perp/warehouse/query.hpp>

#include <fmt/format.h>

#include <perp/market/perpspec.hpp>
#include <perp/warehouse/table.hpp>

namespace perp::warehouse {
namespace {

// Every column that this program knows, so that a column added by somebody else changes no answer.
const std::string& select_list(const Table& table) {
  static const std::string data = perp_data().column_list() + ",exchange";
  static const std::string metrics = perp_metrics().column_list() + ",exchange";
  return &table == &perp_data() ? data : metrics;
}

std::vector<std::string> resolve_all(Connection& connection, std::span<const std::string> symbols) {
  std::vector<std::string> out;
  for (const std::string& symbol : symbols) out.push_back(resolve_symbol(connection, symbol));
  return out;
}

std::vector<std::string> resolve_all(std::span<const std::string> perpspecs) {
  std::vector<std::string> out;
  for (const std::string& perpspec : perpspecs) out.push_back(resolve_perpspec(perpspec));
  return out;
}

// $1 symbol, $2 perpspec, $3 from, $4 to, $5 threshold. metrics.md 2.5, evaluated in the order written there.
constexpr const char* wick_sql = R"(
SELECT b.ts, b.symbol, b.perpspec, b.o, b.h, b.l, b.c, w.side, b.upper_wick_pct, b.lower_wick_pct, b.range_pct, b.upper_ratio, w.wick_ratio,
       w.wick_ratio >= 0.5 AND CASE w.side WHEN 'upper' THEN n.c <= b.h ELSE n.c >= b.l END AS is_rejection
FROM (SELECT ts, symbol, perpspec, o, h, l, c,
             (h - greatest(o, c)) / nullif(greatest(o, c), 0) * 100 AS upper_wick_pct,
             (least(o, c) - l) / nullif(least(o, c), 0) * 100 AS lower_wick_pct,
             (h - l) / nullif(l, 0) * 100 AS range_pct,
             (h - greatest(o, c)) / nullif(h - l, 0) AS upper_ratio,
             (least(o, c) - l) / nullif(h - l, 0) AS lower_ratio
      FROM perp_data
      WHERE symbol = $1 AND perpspec = $2 AND ts >= $3 AND ts < $4 AND o IS NOT NULL AND h IS NOT NULL AND l IS NOT NULL AND c IS NOT NULL) b
CROSS JOIN LATERAL (VALUES ('upper', b.upper_wick_pct, b.upper_ratio), ('lower', b.lower_wick_pct, b.lower_ratio)) w(side, pct, wick_ratio)
LEFT JOIN perp_data n ON n.symbol = $1 AND n.perpspec = $2 AND n.ts = b.ts + 60000
WHERE w.pct > $5
ORDER BY b.ts, w.side DESC)";

constexpr const char* gap_sql = R"(
SELECT prev_ts, ts, (ts - prev_ts) / $5 - 1 AS missing
FROM (SELECT ts, lag(ts) OVER (ORDER BY ts) AS prev_ts FROM perp_data WHERE perpspec = $1 AND symbol = $2 AND ts >= $3 AND ts < $4) s
WHERE ts - prev_ts > $5
ORDER BY ts)";

}  // namespace

std::string resolve_perpspec(std::string_view name) {
  quote_identifier(name);  // refuses what cannot be a name
  return name == "bin-rsi" ? "rsi" : std::string(name);
}

QueryResult query_perp_data(Connection& connection, std::string_view perpspec, std::string_view symbol, std::int64_t from_ms, std::int64_t to_ms) {
  static const std::string sql =
      fmt::format("SELECT {} FROM perp_data WHERE symbol = $1 AND perpspec = $2 AND ts >= $3 AND ts < $4 ORDER BY ts", select_list(perp_data()));
  return connection.query(sql, {resolve_symbol(connection, symbol), resolve_perpspec(perpspec), from_ms, to_ms});
}

QueryResult query_metrics(Connection& connection, std::span<const std::string> symbols, std::span<const std::string> perpspecs, std::int64_t from_ms, std::int64_t to_ms) {
  static const std::string sql = fmt::format(
      "SELECT {} FROM perp_metrics WHERE symbol = ANY ($1) AND perpspec = ANY ($2) AND ts BETWEEN $3 AND $4 ORDER BY ts, symbol, perpspec", select_list(perp_metrics()));
  return connection.query(sql, {resolve_all(connection, symbols), resolve_all(perpspecs), from_ms, to_ms});
}

QueryResult query_metrics_at(Connection& connection, std::string_view symbol, std::span<const std::string> perpspecs, std::int64_t ts_ms) {
  static const std::string sql =
      fmt::format("SELECT {} FROM perp_metrics WHERE symbol = $1 AND perpspec = ANY ($2) AND ts = $3 ORDER BY perpspec", select_list(perp_metrics()));
  return connection.query(sql, {resolve_symbol(connection, symbol), resolve_all(perpspecs), ts_ms});
}

QueryResult query_wick_rejections(Connection& connection, std::string_view symbol, std::string_view perpspec, std::int64_t from_ms, std::int64_t to_ms, double threshold_pct) {
  return connection.query(wick_sql, {resolve_symbol(connection, symbol), resolve_perpspec(perpspec), from_ms, to_ms, threshold_pct});
}

QueryResult query_gaps(Connection& connection, std::string_view perpspec, std::string_view symbol, std::int64_t from_ms, std::int64_t to_ms, std::int64_t interval_ms) {
  if (interval_ms <= 0) throw core::Error("bad interval", "query_gaps", fmt::format("{} ms; expected more than 0", interval_ms));
  return connection.query(gap_sql, {resolve_perpspec(perpspec), resolve_symbol(connection, symbol), from_ms, to_ms, interval_ms});
}

QueryResult query_perp_data(const std::string& dsn, std::string_view perpspec, std::string_view symbol, std::int64_t from_ms, std::int64_t to_ms) {
  Connection connection(dsn);
  return query_perp_data(connection, perpspec, symbol, from_ms, to_ms);
}
QueryResult query_metrics(const std::string& dsn, std::span<const std::string> symbols, std::span<const std::string> perpspecs, std::int64_t from_ms, std::int64_t to_ms) {
  Connection connection(dsn);
  return query_metrics(connection, symbols, perpspecs, from_ms, to_ms);
}
QueryResult query_metrics_at(const std::string& dsn, std::string_view symbol, std::span<const std::string> perpspecs, std::int64_t ts_ms) {
  Connection connection(dsn);
  return query_metrics_at(connection, symbol, perpspecs, ts_ms);
}
QueryResult query_wick_rejections(const std::string& dsn, std::string_view symbol, std::string_view perpspec, std::int64_t from_ms, std::int64_t to_ms, double threshold_pct) {
  Connection connection(dsn);
  return query_wick_rejections(connection, symbol, perpspec, from_ms, to_ms, threshold_pct);
}

}  // namespace perp::warehouse
