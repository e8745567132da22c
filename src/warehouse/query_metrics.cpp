// Rows of perp_metrics: asked one perpspec at a time, with the columns that it fills and no others,
// and put together here. A day of three specs has 4,320 rows of 66 fields, three quarters of them
// NULL by contract or the same in every row.
#include "warehouse/field_catalog.hpp"

#include <perp/warehouse/query.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <compare>
#include <limits>
#include <map>

namespace perp::warehouse {
namespace {

struct Question {
  std::vector<std::string> symbols;  // as they are stored, ascending
  std::vector<std::string> specs;    // ascending
  std::int64_t from_ms;
  std::int64_t to_ms;
  std::span<const std::string> columns;  // empty: all
};

/// The rows of one statement: of some perpspecs. Where these are several, or the symbols are, each
/// row says whose it is.
struct Piece {
  std::vector<std::string> specs;
  QueryResult rows;
};

/// A row of the answer, and where it comes from. In the answer's order by its own order.
struct Place {
  std::int64_t ts;
  std::uint32_t series;  // index in Answer::series, which is sorted
  std::uint32_t piece;
  std::uint32_t row;
  auto operator<=>(const Place&) const = default;
};
constexpr std::uint32_t no_row = 0xffffffff;  // its columns are NULL

using Series = std::pair<std::string_view, std::string_view>;  // symbol, perpspec

struct Answer {
  std::vector<Piece> pieces;
  std::vector<Series> series;
  std::vector<Place> places;
};

std::vector<std::string> sorted_unique(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Question question(Connection& connection, std::span<const std::string> symbols,
                  std::span<const std::string> perpspecs, std::int64_t from_ms, std::int64_t to_ms,
                  std::span<const std::string> columns) {
  Question out{{}, {}, from_ms, to_ms, columns};
  for (const std::string& perpspec : perpspecs) out.specs.push_back(resolve_perpspec(perpspec));
  for (const std::string& symbol : symbols)
    out.symbols.push_back(resolve_symbol(connection, symbol));
  out.specs = sorted_unique(std::move(out.specs));
  out.symbols = sorted_unique(std::move(out.symbols));
  return out;
}

bool is_key(std::string_view name) {
  return name == "ts" || name == "symbol" || name == "perpspec";
}

/// The columns of the answer, in its order. @throws core::Error on one that the table has not
std::vector<const CatalogColumn*> columns_of(const FieldCatalog& catalog,
                                             std::span<const std::string> asked) {
  std::vector<const CatalogColumn*> out;
  const std::span<const CatalogColumn> all = catalog.columns().metrics;
  for (const CatalogColumn& column : all)
    if (column.type != CatalogType::other || column.name == "window_sizes")
      if (asked.empty() || is_key(column.name)) out.push_back(&column);
  for (const std::string& name : asked) {
    const CatalogColumn* const column = find_column(all, name);
    if (column == nullptr || (column->type == CatalogType::other && name != "window_sizes"))
      throw core::Error("unknown column '" + name + "'", "columns of perp_metrics",
                        "a query without a list of columns gives all");
    if (std::find(out.begin(), out.end(), column) == out.end()) out.push_back(column);
  }
  return out;
}

// Whether it is asked of the server for these perpspecs; all other columns are made here.
bool travels(const FieldCatalog& catalog, std::span<const std::string> specs,
             const CatalogColumn& column) {
  return !is_key(column.name) && column.type != CatalogType::other && !column.is_generated &&
         (!is_value_column(column) || catalog.may_hold(specs, column.name));
}

Statement statement(const FieldCatalog& catalog, const Question& asked,
                    std::span<const CatalogColumn* const> columns,
                    const std::vector<std::string>& specs) {
  const bool has_one_symbol = asked.symbols.size() == 1, has_one_spec = specs.size() == 1;
  std::string list = "ts";
  if (!has_one_symbol) list += ",symbol";
  if (!has_one_spec) list += ",perpspec";
  for (const CatalogColumn* column : columns)
    if (travels(catalog, specs, *column)) list += "," + quote_identifier(column->name);
  return {fmt::format("SELECT {} FROM perp_metrics WHERE symbol = {} AND perpspec = {} AND ts "
                      "BETWEEN $3 AND $4",
                      list, has_one_symbol ? "$1" : "ANY ($1)", has_one_spec ? "$2" : "ANY ($2)"),
          {has_one_symbol ? Value(asked.symbols.front()) : Value(asked.symbols),
           has_one_spec ? Value(specs.front()) : Value(specs), asked.from_ms, asked.to_ms}};
}

/// Calls `visit(first row, behind its last row, series)` for rows of one series that lie together.
template <class Visit>
void for_each_run(const Question& asked, const Piece& piece, Visit visit) {
  const ColumnData* const symbol = piece.rows.find("symbol");
  const ColumnData* const perpspec = piece.rows.find("perpspec");
  const auto series_of = [&](std::uint32_t row) {
    return Series{symbol == nullptr ? asked.symbols.front() : symbol->text(row),
                  perpspec == nullptr ? piece.specs.front() : perpspec->text(row)};
  };
  const auto rows = static_cast<std::uint32_t>(piece.rows.rows);
  const bool is_one = symbol == nullptr && perpspec == nullptr;
  for (std::uint32_t first = 0, end = 0; first < rows; first = end) {
    const Series series = series_of(first);
    end = is_one ? rows : first + 1;
    while (end < rows && series_of(end) == series) ++end;
    visit(first, end, series);
  }
}

/// Sorts places of which those of one piece lie together, up to each of `ends`. Rows of a piece
/// come in order, or backwards, as an index gives them.
void merge(std::vector<Place>& places, std::vector<std::ptrdiff_t> ends) {
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const auto first = places.begin() + (i == 0 ? 0 : ends[i - 1]), end = places.begin() + ends[i];
    if (std::is_sorted(first, end)) continue;
    std::reverse(first, end);
    if (!std::is_sorted(first, end)) std::sort(first, end);
  }
  while (ends.size() > 1) {
    std::vector<std::ptrdiff_t> merged;
    for (std::size_t i = 0; i < ends.size(); i += 2) {
      const std::size_t last = std::min(i + 1, ends.size() - 1);
      std::inplace_merge(places.begin() + (i == 0 ? 0 : ends[i - 1]), places.begin() + ends[i],
                         places.begin() + ends[last]);
      merged.push_back(ends[last]);
    }
    ends = std::move(merged);
  }
}

/// Which row of which piece comes where. The server would sort whole rows and compare texts; here
/// texts are compared once for each series.
void put_in_order(const Question& asked, Answer& answer) {
  std::map<Series, std::uint32_t> ranks;
  std::size_t count = 0;
  for (const Piece& piece : answer.pieces) {
    for_each_run(asked, piece, [&](std::uint32_t, std::uint32_t, const Series& series) {
      ranks.emplace(series, 0u);
    });
    count += piece.rows.rows;
  }
  for (auto& [series, rank] : ranks) {
    rank = static_cast<std::uint32_t>(answer.series.size());
    answer.series.push_back(series);
  }
  answer.places.reserve(count);
  std::vector<std::ptrdiff_t> ends;
  for (std::uint32_t p = 0; p < answer.pieces.size(); ++p) {
    const Piece& piece = answer.pieces[p];
    for_each_run(asked, piece, [&](std::uint32_t first, std::uint32_t end, const Series& series) {
      const std::uint32_t rank = ranks.at(series);
      for (std::uint32_t row = first; row < end; ++row)
        answer.places.push_back({piece.rows.columns[0].ints[row], rank, p, row});
    });
    ends.push_back(static_cast<std::ptrdiff_t>(answer.places.size()));
  }
  merge(answer.places, std::move(ends));
}

Answer ask(Connection& connection, const FieldCatalog& catalog, const Question& asked,
           std::span<const CatalogColumn* const> columns,
           const std::vector<std::vector<std::string>>& groups) {
  Answer answer;
  std::vector<Statement> statements;
  for (const std::vector<std::string>& specs : groups) {
    statements.push_back(statement(catalog, asked, columns, specs));
    answer.pieces.push_back({specs, {}});
  }
  std::vector<QueryResult> results = connection.snapshot(statements);
  for (std::size_t i = 0; i < results.size(); ++i) answer.pieces[i].rows = std::move(results[i]);
  put_in_order(asked, answer);
  return answer;
}

std::vector<std::vector<std::string>> one_by_one(const std::vector<std::string>& specs) {
  std::vector<std::vector<std::string>> out;
  out.reserve(specs.size());
  for (const std::string& spec : specs) out.push_back({spec});
  return out;
}

template <class TextOf>
ColumnData made_column(const std::string& name, std::span<const Place> places, TextOf text_of) {
  ColumnData out;
  out.name = name;
  out.text_ends.reserve(places.size());
  for (const Place& place : places) {
    out.text_bytes += text_of(place);
    out.text_ends.push_back(static_cast<std::uint32_t>(out.text_bytes.size()));
  }
  return out;
}

/// Places of one answer, once by themselves and once by the piece that the row comes from.
struct Gathering {
  struct Copy {
    std::uint32_t from, to;
  };
  std::span<const Place> places;
  std::vector<std::vector<Copy>> copies;  // of each piece

  Gathering(const Answer& answer, std::span<const Place> of)
      : places(of), copies(answer.pieces.size()) {
    for (std::size_t i = 0; i < answer.pieces.size(); ++i)
      copies[i].reserve(answer.pieces[i].rows.rows);
    for (std::uint32_t r = 0; r < of.size(); ++r)
      if (of[r].row != no_row) copies[of[r].piece].push_back({of[r].row, r});
  }
};

/// Copies what the piece has; what is NULL there stays as it is. @returns how many were copied
template <class T>
std::size_t scatter(std::span<const Gathering::Copy> copies, const ColumnData& from,
                    const std::vector<T>& values, std::vector<T>& out,
                    std::vector<std::uint64_t>& nulls) {
  std::size_t count = 0;
  for (const auto& [row, r] : copies) {
    if (from.is_null(row)) continue;
    out[r] = values[row];
    nulls[r / 64] &= ~(std::uint64_t{1} << r % 64);
    ++count;
  }
  return count;
}

/// A column of the pieces in the order of the places; NULL where a piece does not have it.
ColumnData gathered(const Answer& answer, const Gathering& of, const CatalogColumn& column,
                    std::string name) {
  ColumnData out;
  out.name = std::move(name);
  out.kind = column.type == CatalogType::text ? ColumnKind::text : ColumnKind::float64;
  std::vector<const ColumnData*> from;
  for (const Piece& piece : answer.pieces) {
    from.push_back(piece.rows.find(column.name));
    if (from.back() != nullptr) out.kind = from.back()->kind;
  }
  const std::size_t rows = of.places.size();
  std::size_t count = 0;  // not NULL
  out.nulls.assign((rows + 63) / 64, ~std::uint64_t{0});
  if (rows % 64 != 0) out.nulls.back() = (std::uint64_t{1} << rows % 64) - 1;
  if (out.kind == ColumnKind::text) {
    out.text_ends.resize(rows);
    for (std::size_t r = 0; r < rows; ++r) {
      const Place& place = of.places[r];
      const ColumnData* const source = place.row == no_row ? nullptr : from[place.piece];
      if (source != nullptr && !source->is_null(place.row)) {
        out.text_bytes += source->text(place.row);
        out.nulls[r / 64] &= ~(std::uint64_t{1} << r % 64);
        ++count;
      }
      out.text_ends[r] = static_cast<std::uint32_t>(out.text_bytes.size());
    }
  } else {
    const bool is_float = out.kind == ColumnKind::float64;
    if (is_float)
      out.floats.assign(rows, std::numeric_limits<double>::quiet_NaN());
    else
      out.ints.resize(rows);
    for (std::size_t i = 0; i < from.size(); ++i)
      if (from[i] != nullptr)
        count += is_float ? scatter(of.copies[i], *from[i], from[i]->floats, out.floats, out.nulls)
                          : scatter(of.copies[i], *from[i], from[i]->ints, out.ints, out.nulls);
  }
  if (count == rows) out.nulls.clear();
  return out;
}

ColumnData times(std::span<const Place> places) {
  ColumnData out;
  out.name = "ts";
  out.kind = ColumnKind::int64;
  out.ints.reserve(places.size());
  for (const Place& place : places) out.ints.push_back(place.ts);
  return out;
}

/// What did not travel is NULL, or what the table's definition says it is.
QueryResult table_of(const Answer& answer, std::span<const CatalogColumn* const> columns) {
  const auto perpspec = [&](const Place& place) { return answer.series[place.series].second; };
  const Gathering gathering(answer, answer.places);
  QueryResult out;
  out.rows = answer.places.size();
  out.columns.reserve(columns.size());
  for (const CatalogColumn* column : columns) {
    const std::string& name = column->name;
    if (name == "ts")
      out.columns.push_back(times(answer.places));
    else if (name == "symbol")
      out.columns.push_back(made_column(name, answer.places, [&](const Place& place) {
        return answer.series[place.series].first;
      }));
    else if (name == "perpspec")
      out.columns.push_back(made_column(name, answer.places, perpspec));
    else if (name == "window_sizes")
      out.columns.push_back(
          made_column(name, answer.places, [](const Place&) { return window_sizes_text(); }));
    else if (name == "exchange")
      out.columns.push_back(made_column(name, answer.places, [&](const Place& place) {
        const std::string_view spec = perpspec(place);
        return spec == "rsi" ? std::string_view("bin") : spec.substr(0, spec.find('-'));
      }));
    else
      out.columns.push_back(gathered(answer, gathering, *column, name));
  }
  return out;
}

// Rows of one moment and symbol become one row; a spec's columns carry its name.
QueryResult side_by_side(const FieldCatalog& catalog, const Question& asked, const Answer& answer,
                         std::span<const CatalogColumn* const> columns) {
  const auto symbol = [&](const Place& place) { return answer.series[place.series].first; };
  std::map<std::string_view, std::vector<Place>> places;  // per spec: its row of each moment
  for (const std::string& spec : asked.specs) places[spec];
  std::vector<Place> firsts;  // the first row of each moment and symbol
  for (const Place& place : answer.places) {
    if (firsts.empty() || place.ts != firsts.back().ts || symbol(place) != symbol(firsts.back())) {
      firsts.push_back(place);
      for (auto& [spec, at] : places) at.push_back({place.ts, place.series, 0, no_row});
    }
    places.at(answer.series[place.series].second).back() = place;
  }
  QueryResult out;
  out.rows = firsts.size();
  out.columns.push_back(times(firsts));
  out.columns.push_back(made_column("symbol", firsts, symbol));
  for (const auto& [spec, at] : places) {
    const std::string name(spec);
    const Gathering gathering(answer, at);
    for (const CatalogColumn* column : columns)
      if (is_value_column(*column) && travels(catalog, std::span(&name, 1), *column))
        out.columns.push_back(gathered(answer, gathering, *column, name + "." + column->name));
  }
  return out;
}

}  // namespace

QueryResult query_metrics(Connection& connection, std::span<const std::string> symbols,
                          std::span<const std::string> perpspecs, std::int64_t from_ms,
                          std::int64_t to_ms, std::span<const std::string> columns) {
  const Question asked = question(connection, symbols, perpspecs, from_ms, to_ms, columns);
  const FieldCatalog catalog(connection);
  const std::vector<const CatalogColumn*> wanted = columns_of(catalog, columns);
  return table_of(ask(connection, catalog, asked, wanted, one_by_one(asked.specs)), wanted);
}

QueryResult query_metrics_wide(Connection& connection, std::span<const std::string> symbols,
                               std::span<const std::string> perpspecs, std::int64_t from_ms,
                               std::int64_t to_ms, std::span<const std::string> columns) {
  const Question asked = question(connection, symbols, perpspecs, from_ms, to_ms, columns);
  const FieldCatalog catalog(connection);
  std::vector<const CatalogColumn*> wanted = columns_of(catalog, columns);
  std::erase_if(wanted, [](const CatalogColumn* column) { return !is_value_column(*column); });
  return side_by_side(catalog, asked,
                      ask(connection, catalog, asked, wanted, one_by_one(asked.specs)), wanted);
}

// A row for each perpspec: here it is the statements that cost.
QueryResult query_metrics_at(Connection& connection, std::string_view symbol,
                             std::span<const std::string> perpspecs, std::int64_t ts_ms) {
  const std::string name(symbol);
  const Question asked = question(connection, std::span(&name, 1), perpspecs, ts_ms, ts_ms, {});
  const FieldCatalog catalog(connection);
  const std::vector<const CatalogColumn*> wanted = columns_of(catalog, {});
  return table_of(ask(connection, catalog, asked, wanted, {asked.specs}), wanted);
}

QueryResult query_metrics(const std::string& dsn, std::span<const std::string> symbols,
                          std::span<const std::string> perpspecs, std::int64_t from_ms,
                          std::int64_t to_ms, std::span<const std::string> columns) {
  Connection connection(dsn);
  return query_metrics(connection, symbols, perpspecs, from_ms, to_ms, columns);
}
QueryResult query_metrics_at(const std::string& dsn, std::string_view symbol,
                             std::span<const std::string> perpspecs, std::int64_t ts_ms) {
  Connection connection(dsn);
  return query_metrics_at(connection, symbol, perpspecs, ts_ms);
}

}  // namespace perp::warehouse
