#include "warehouse/field_catalog.hpp"

#include <perp/market/perpspec.hpp>
#include <perp/warehouse/query.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <limits>

namespace perp::warehouse {
namespace {

// Named, not *, and as the database's catalog names them: what was added to the running system is
// among them, what cannot be told by a QueryResult is not.
std::string data_list(const FieldCatalog& catalog) {
  std::string out;
  for (const CatalogColumn& column : catalog.columns().data)
    if (column.type != CatalogType::other)
      out += (out.empty() ? "" : ",") + quote_identifier(column.name);
  return out;
}

// $1 symbol, $2 perpspec, $3 from, $4 to, $5 threshold, $6 one minute behind `to`: so that of both
// sides only the partitions between are looked at. metrics.md 2.5, evaluated in the order written
// there.
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
LEFT JOIN perp_data n ON n.symbol = $1 AND n.perpspec = $2 AND n.ts = b.ts + 60000 AND n.ts >= $3 AND n.ts < $6
WHERE w.pct > $5
ORDER BY b.ts, w.side DESC)";

}  // namespace

std::string resolve_perpspec(std::string_view name) {
  quote_identifier(name);  // refuses what cannot be a name
  return name == "bin-rsi" ? "rsi" : std::string(name);
}

QueryResult query_perp_data(Connection& connection, std::string_view perpspec,
                            std::string_view symbol, std::int64_t from_ms, std::int64_t to_ms) {
  return connection.query(
      fmt::format("SELECT {} FROM perp_data WHERE symbol = $1 AND perpspec = $2 AND ts >= $3 AND "
                  "ts < $4 ORDER BY ts",
                  data_list(FieldCatalog(connection))),
      {resolve_symbol(connection, symbol), resolve_perpspec(perpspec), from_ms, to_ms});
}

QueryResult query_wick_rejections(Connection& connection, std::string_view symbol,
                                  std::string_view perpspec, std::int64_t from_ms,
                                  std::int64_t to_ms, double threshold_pct) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  return connection.query(
      wick_sql, {resolve_symbol(connection, symbol), resolve_perpspec(perpspec), from_ms, to_ms,
                 threshold_pct, to_ms > most - minute_ms ? most : to_ms + minute_ms});
}

QueryResult query_perp_data(const std::string& dsn, std::string_view perpspec,
                            std::string_view symbol, std::int64_t from_ms, std::int64_t to_ms) {
  Connection connection(dsn);
  return query_perp_data(connection, perpspec, symbol, from_ms, to_ms);
}
QueryResult query_wick_rejections(const std::string& dsn, std::string_view symbol,
                                  std::string_view perpspec, std::int64_t from_ms,
                                  std::int64_t to_ms, double threshold_pct) {
  Connection connection(dsn);
  return query_wick_rejections(connection, symbol, perpspec, from_ms, to_ms, threshold_pct);
}

}  // namespace perp::warehouse
