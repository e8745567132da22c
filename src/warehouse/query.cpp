#include "warehouse/field_catalog.hpp"

#include <perp/market/perpspec.hpp>
#include <perp/warehouse/query.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <compare>
#include <limits>
#include <map>

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

// What travels of perp_metrics, and what is made here: the columns that may hold something in rows
// of these perpspecs. A day of three specs has 4,320 rows of 66 fields, two thirds of them NULL by
// contract, and an array takes the server longer than all numbers of its row.
bool travels(const FieldCatalog& catalog, std::span<const std::string> perpspecs,
             const CatalogColumn& column) {
  return column.type != CatalogType::other && !column.is_generated &&
         (!is_value_column(column) || catalog.may_hold(perpspecs, column.name));
}

std::string metrics_list(const FieldCatalog& catalog, std::span<const std::string> perpspecs) {
  std::string out;
  for (const CatalogColumn& column : catalog.columns().metrics)
    if (travels(catalog, perpspecs, column))
      out += (out.empty() ? "" : ",") + quote_identifier(column.name);
  return out;
}

ColumnData absent_column(const std::string& name, bool is_text, std::size_t rows) {
  ColumnData out;
  out.name = name;
  out.kind = is_text ? ColumnKind::text : ColumnKind::float64;
  out.nulls.assign((rows + 63) / 64, ~std::uint64_t{0});
  if (rows % 64 != 0) out.nulls.back() = (std::uint64_t{1} << rows % 64) - 1;
  if (out.kind == ColumnKind::text)
    out.text_ends.resize(rows);
  else
    out.floats.assign(rows, std::numeric_limits<double>::quiet_NaN());
  return out;
}

template <class TextOf>
ColumnData text_column(std::string_view name, std::size_t rows, TextOf text_of) {
  ColumnData out;
  out.name = name;
  for (std::size_t i = 0; i < rows; ++i) {
    out.text_bytes += text_of(i);
    out.text_ends.push_back(static_cast<std::uint32_t>(out.text_bytes.size()));
  }
  return out;
}

// What did not travel comes back to its place: all NULL, or what the table's definition says it is.
QueryResult widen(const FieldCatalog& catalog, QueryResult narrow) {
  QueryResult out;
  out.rows = narrow.rows;
  out.columns.reserve(catalog.columns().metrics.size());
  constexpr std::size_t perpspec = 2;  // behind ts and symbol
  auto next = narrow.columns.begin();
  for (const CatalogColumn& column : catalog.columns().metrics) {
    if (next != narrow.columns.end() && next->name == column.name)
      out.columns.push_back(std::move(*next++));
    else if (column.name == "window_sizes")
      out.columns.push_back(
          text_column(column.name, out.rows, [](std::size_t) { return window_sizes_text(); }));
    else if (column.name == "exchange")
      out.columns.push_back(text_column(column.name, out.rows, [&](std::size_t row) {
        const std::string_view name = out.columns[perpspec].text(row);
        return name == "rsi" ? std::string_view("bin") : name.substr(0, name.find('-'));
      }));
    else if (column.type != CatalogType::other)
      out.columns.push_back(absent_column(column.name, column.type == CatalogType::text, out.rows));
  }
  return out;
}

void reorder(ColumnData& column, std::span<const std::uint32_t> order) {
  ColumnData out;
  out.name = std::move(column.name);
  out.kind = column.kind;
  const auto gather = [&](const auto& from, auto& to) {
    if (from.empty()) return;
    to.resize(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) to[i] = from[order[i]];
  };
  gather(column.ints, out.ints);
  gather(column.floats, out.floats);
  if (column.kind == ColumnKind::text) {
    out.text_bytes.reserve(column.text_bytes.size());
    out.text_ends.reserve(order.size());
    for (std::uint32_t row : order) {
      out.text_bytes += column.text(row);
      out.text_ends.push_back(static_cast<std::uint32_t>(out.text_bytes.size()));
    }
  }
  if (!column.nulls.empty()) {
    out.nulls.resize(column.nulls.size());
    for (std::size_t i = 0; i < order.size(); ++i)
      if (column.is_null(order[i])) out.nulls[i / 64] |= std::uint64_t{1} << i % 64;
  }
  column = std::move(out);
}

// Orders rows by (ts, symbol, perpspec). The server would sort whole rows and compare texts; here
// it is one integer per row, because texts are ranked once per distinct series.
QueryResult sorted_by_key(QueryResult rows) {
  const ColumnData &ts = rows.column("ts"), &symbol = rows.column("symbol"),
                   &perpspec = rows.column("perpspec");
  std::map<std::pair<std::string_view, std::string_view>, std::uint32_t> ranks;
  for (std::size_t i = 0; i < rows.rows; ++i)
    if (i == 0 || perpspec.text(i) != perpspec.text(i - 1) || symbol.text(i) != symbol.text(i - 1))
      ranks.emplace(std::pair(symbol.text(i), perpspec.text(i)), 0u);
  std::uint32_t next_rank = 0;
  for (auto& [series, rank] : ranks) rank = next_rank++;
  struct Key {
    std::int64_t ts;
    std::uint32_t rank;
    std::uint32_t row;
    auto operator<=>(const Key&) const = default;
  };
  std::vector<Key> keys(rows.rows);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const bool is_same_series =
        i != 0 && perpspec.text(i) == perpspec.text(i - 1) && symbol.text(i) == symbol.text(i - 1);
    keys[i] = {ts.ints[i],
               is_same_series ? keys[i - 1].rank : ranks.at({symbol.text(i), perpspec.text(i)}),
               static_cast<std::uint32_t>(i)};
  }
  if (std::is_sorted(keys.begin(), keys.end())) return rows;
  std::sort(keys.begin(), keys.end());
  std::vector<std::uint32_t> order(rows.rows);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = keys[i].row;
  for (ColumnData& column : rows.columns) reorder(column, order);
  return rows;
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

QueryResult metrics_rows(Connection& connection, const FieldCatalog& catalog,
                         std::span<const std::string> symbols,
                         const std::vector<std::string>& specs, std::int64_t from_ms,
                         std::int64_t to_ms) {
  return sorted_by_key(
      connection.query(fmt::format("SELECT {} FROM perp_metrics WHERE symbol = ANY ($1) AND "
                                   "perpspec = ANY ($2) AND ts BETWEEN $3 AND $4",
                                   metrics_list(catalog, specs)),
                       {resolve_all(connection, symbols), specs, from_ms, to_ms}));
}

// `out` row r is row `from[r]` of the column, NULL where that is no_row.
constexpr std::uint32_t no_row = 0xffffffff;

ColumnData gathered(const ColumnData& column, std::string name,
                    std::span<const std::uint32_t> from) {
  ColumnData out;
  out.name = std::move(name);
  out.kind = column.kind;
  out.nulls.resize((from.size() + 63) / 64);
  for (std::size_t r = 0; r < from.size(); ++r) {
    const bool is_null = from[r] == no_row || column.is_null(from[r]);
    if (is_null) out.nulls[r / 64] |= std::uint64_t{1} << r % 64;
    switch (column.kind) {
      case ColumnKind::int64: out.ints.push_back(is_null ? 0 : column.ints[from[r]]); break;
      case ColumnKind::float64:
        out.floats.push_back(is_null ? std::numeric_limits<double>::quiet_NaN()
                                     : column.floats[from[r]]);
        break;
      case ColumnKind::text:
        if (!is_null) out.text_bytes += column.text(from[r]);
        out.text_ends.push_back(static_cast<std::uint32_t>(out.text_bytes.size()));
        break;
    }
  }
  return out;
}

// Rows of one moment and symbol become one row; a spec's columns carry its name.
QueryResult side_by_side(const FieldCatalog& catalog, std::span<const std::string> specs,
                         const QueryResult& rows) {
  const ColumnData &ts = rows.column("ts"), &symbol = rows.column("symbol"),
                   &perpspec = rows.column("perpspec");
  std::map<std::string_view, std::vector<std::uint32_t>>
      places;  // per spec: its row of each moment
  for (const std::string& spec : specs) places[spec];
  std::vector<std::uint32_t> firsts;  // the first row of each moment and symbol
  for (std::size_t i = 0; i < rows.rows; ++i) {
    if (i == 0 || ts.ints[i] != ts.ints[i - 1] || symbol.text(i) != symbol.text(i - 1)) {
      firsts.push_back(static_cast<std::uint32_t>(i));
      for (auto& [spec, at] : places) at.push_back(no_row);
    }
    places.at(perpspec.text(i)).back() = static_cast<std::uint32_t>(i);
  }
  QueryResult out;
  out.rows = firsts.size();
  out.columns.push_back(gathered(ts, "ts", firsts));
  out.columns.push_back(gathered(symbol, "symbol", firsts));
  for (const auto& [spec, at] : places) {
    const std::string name(spec);
    for (const CatalogColumn& column : catalog.columns().metrics)
      if (is_value_column(column) && travels(catalog, std::span(&name, 1), column))
        out.columns.push_back(gathered(rows.column(column.name), name + "." + column.name, at));
  }
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

QueryResult query_metrics(Connection& connection, std::span<const std::string> symbols,
                          std::span<const std::string> perpspecs, std::int64_t from_ms,
                          std::int64_t to_ms) {
  const std::vector<std::string> specs = resolve_all(perpspecs);
  const FieldCatalog catalog(connection);
  return widen(catalog, metrics_rows(connection, catalog, symbols, specs, from_ms, to_ms));
}

QueryResult query_metrics_wide(Connection& connection, std::span<const std::string> symbols,
                               std::span<const std::string> perpspecs, std::int64_t from_ms,
                               std::int64_t to_ms) {
  const std::vector<std::string> specs = resolve_all(perpspecs);
  const FieldCatalog catalog(connection);
  return side_by_side(catalog, specs,
                      metrics_rows(connection, catalog, symbols, specs, from_ms, to_ms));
}

QueryResult query_metrics_at(Connection& connection, std::string_view symbol,
                             std::span<const std::string> perpspecs, std::int64_t ts_ms) {
  const std::vector<std::string> specs = resolve_all(perpspecs);
  const FieldCatalog catalog(connection);
  return widen(catalog,
               connection.query(fmt::format("SELECT {} FROM perp_metrics WHERE symbol = $1 AND "
                                            "perpspec = ANY ($2) AND ts = $3 ORDER BY perpspec",
                                            metrics_list(catalog, specs)),
                                {resolve_symbol(connection, symbol), specs, ts_ms}));
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
QueryResult query_metrics(const std::string& dsn, std::span<const std::string> symbols,
                          std::span<const std::string> perpspecs, std::int64_t from_ms,
                          std::int64_t to_ms) {
  Connection connection(dsn);
  return query_metrics(connection, symbols, perpspecs, from_ms, to_ms);
}
QueryResult query_metrics_at(const std::string& dsn, std::string_view symbol,
                             std::span<const std::string> perpspecs, std::int64_t ts_ms) {
  Connection connection(dsn);
  return query_metrics_at(connection, symbol, perpspecs, ts_ms);
}
QueryResult query_wick_rejections(const std::string& dsn, std::string_view symbol,
                                  std::string_view perpspec, std::int64_t from_ms,
                                  std::int64_t to_ms, double threshold_pct) {
  Connection connection(dsn);
  return query_wick_rejections(connection, symbol, perpspec, from_ms, to_ms, threshold_pct);
}

}  // namespace perp::warehouse
