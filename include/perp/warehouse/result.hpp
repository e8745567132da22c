#pragma once
// Rows turned into columns: vectors of double, int64 or text with a NULL bitmap each. What queries
// return to serve, rules and exports. Plain values; a reader needs no lock and no libpq.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perp::warehouse {

enum class ColumnKind : std::uint8_t {
  int64,    ///< integers, booleans (0, 1), timestamps (epoch milliseconds)
  float64,  ///< float8, float4, numeric; NULL is also NaN in `floats`
  text,     ///< text, json, arrays in PostgreSQL's own notation
};

/// One column. Of the three vectors the one of its kind has `rows` elements, the others are empty.
struct ColumnData {
  std::string name;
  ColumnKind kind = ColumnKind::text;
  std::vector<std::int64_t> ints;
  std::vector<double> floats;
  std::vector<std::uint32_t> text_ends;  ///< text i is text_bytes[text_ends[i-1] .. text_ends[i])
  std::string text_bytes;
  std::vector<std::uint64_t> nulls;  ///< bit i set: row i is NULL; empty: no NULL at all

  bool is_null(std::size_t row) const {
    return !nulls.empty() && (nulls[row / 64] >> (row % 64) & 1) != 0;
  }
  std::string_view text(std::size_t row) const {
    const std::uint32_t begin = row == 0 ? 0 : text_ends[row - 1];
    return std::string_view(text_bytes).substr(begin, text_ends[row] - begin);
  }
};

struct QueryResult {
  std::vector<ColumnData> columns;
  std::size_t rows = 0;

  /// nullptr if there is none of this name.
  const ColumnData* find(std::string_view name) const;
  /// Throws core::Error if there is none of this name.
  const ColumnData& column(std::string_view name) const;
};

}  // namespace perp::warehouse
