#pragma once
// The columns that a table of this database really has, in table order: those of the column table
// and what was added to the running system (`perp perpspec add --create-columns`).
#include <perp/warehouse/connection.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perp::warehouse {

enum class CatalogType : std::uint8_t {
  number,  ///< any numeric type
  text,
  other,
};

struct CatalogColumn {
  std::string name;  ///< only names that quote_identifier() takes are listed
  CatalogType type;
  bool is_float8;     ///< a double precision column
  bool is_generated;  ///< by the server: never written
  bool has_default;   ///< what a row that does not say it gets is not NULL
};

/// What columns_of() reads, for whoever asks more in the same round trip.
Statement columns_statement(std::string_view table);
/// @throws core::Error without such a table
std::vector<CatalogColumn> columns_of(std::string_view table, const QueryResult& rows);
std::vector<CatalogColumn> read_columns(Connection& connection, std::string_view table);
const CatalogColumn* find_column(std::span<const CatalogColumn> columns, std::string_view name);

/// What every row has, whatever its perpspec: ts, symbol, source, perpspec, interval.
std::span<const std::string_view> common_fields();
/// Neither a value nor a change: the common fields, window_sizes, notes, exchange.
bool is_value_column(const CatalogColumn& column);

/// A column of changes: "c_chg_5m" is c over 5 minutes.
struct ChangeName {
  std::string_view raw;
  int minutes = 0;  ///< 0: it is no such name
};
ChangeName parse_change_name(std::string_view name);
std::string change_name(std::string_view raw, int minutes);

}  // namespace perp::warehouse
