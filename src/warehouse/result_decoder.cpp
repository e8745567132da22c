#include "warehouse/result_decoder.hpp"

#include "warehouse/wire.hpp"

#include <perp/core/error.hpp>

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace perp::warehouse {
namespace {

constexpr std::int64_t postgres_epoch_ms = 946'684'800'000;  // 2000-01-01, the zero of timestamptz

ColumnKind kind_of(Oid type, const char* name) {
  switch (type) {
    case oid_bool:
    case oid_int2:
    case oid_int4:
    case oid_int8:
    case oid_oid:
    case oid_timestamptz: return ColumnKind::int64;
    case oid_float4:
    case oid_float8:
    case oid_numeric: return ColumnKind::float64;
    case oid_text:
    case oid_varchar:
    case oid_bpchar:
    case oid_name:
    case oid_json:
    case oid_jsonb:
    case oid_char:
    case oid_unknown:
    case oid_int2_array:
    case oid_text_array:
    case oid_void: return ColumnKind::text;
    default:
      throw core::Error("cannot read a result column", name,
                        fmt::format("its type has OID {}; cast it to text or a number", type));
  }
}

std::int64_t read_integer(Oid type, const char* bytes) {
  switch (type) {
    case oid_bool: return bytes[0] != 0;
    case oid_int2: return static_cast<std::int16_t>(read_u16(bytes));
    case oid_int4: return static_cast<std::int32_t>(read_u32(bytes));
    case oid_oid: return read_u32(bytes);
    case oid_timestamptz: {
      const auto us = static_cast<std::int64_t>(read_u64(bytes));
      return (us - (us % 1000 + 1000) % 1000) / 1000 + postgres_epoch_ms;
    }
    default: return static_cast<std::int64_t>(read_u64(bytes));
  }
}

// numeric: digit count, weight of the first digit, sign, display scale, then digits of base 10000.
// It is read by way of its decimal text, so that the double is the correctly rounded one.
double read_numeric(const char* bytes) {
  const std::uint16_t digit_count = read_u16(bytes);
  const auto weight = static_cast<std::int16_t>(read_u16(bytes + 2));
  const std::uint16_t sign = read_u16(bytes + 4);
  if (sign == 0xC000) return std::numeric_limits<double>::quiet_NaN();
  if (sign == 0xD000) return std::numeric_limits<double>::infinity();
  if (sign == 0xF000) return -std::numeric_limits<double>::infinity();
  if (digit_count == 0) return 0;
  std::string text = sign == 0x4000 ? "-" : "";
  for (std::uint16_t i = 0; i < digit_count; ++i)
    text += fmt::format("{:04}", read_u16(bytes + 8 + std::size_t{2} * i));
  text += fmt::format("e{}", 4 * (weight + 1 - digit_count));
  return std::strtod(text.c_str(), nullptr);
}

double read_float(Oid type, const char* bytes) {
  switch (type) {
    case oid_float4: return static_cast<double>(std::bit_cast<float>(read_u32(bytes)));
    case oid_numeric: return read_numeric(bytes);
    default: return std::bit_cast<double>(read_u64(bytes));
  }
}

// One-dimensional arrays in the server's notation: {1,5,10}.
void append_array(Oid type, const char* bytes, std::string& out) {
  const std::uint32_t dimensions = read_u32(bytes);
  const std::uint32_t count = dimensions == 0 ? 0 : read_u32(bytes + 12);
  const char* at = bytes + 20;
  out += '{';
  for (std::uint32_t i = 0; i < count; ++i) {
    if (i != 0) out += ',';
    const auto length = static_cast<std::int32_t>(read_u32(at));
    at += 4;
    if (length < 0) {
      out += "NULL";
      continue;
    }
    if (type == oid_int2_array) {
      out += std::to_string(static_cast<std::int16_t>(read_u16(at)));
    } else {
      out += '"';
      for (std::int32_t c = 0; c < length; ++c) {
        if (at[c] == '"' || at[c] == '\\') out += '\\';
        out += at[c];
      }
      out += '"';
    }
    at += length;
  }
  out += '}';
}

void append_text(Oid type, const char* bytes, int length, std::string& out) {
  if (type == oid_int2_array || type == oid_text_array) {
    append_array(type, bytes, out);
  } else if (type == oid_jsonb) {
    out.append(bytes + 1,
               static_cast<std::size_t>(length) - 1);  // the first byte is the format's version
  } else {
    out.append(bytes, static_cast<std::size_t>(length));
  }
}

}  // namespace

QueryResult decode_result(const PGresult* result) {
  QueryResult out;
  const int column_count = PQnfields(result);
  const int row_count = PQntuples(result);
  out.rows = static_cast<std::size_t>(row_count);
  out.columns.resize(static_cast<std::size_t>(column_count));
  std::vector<Oid> types(out.columns.size());
  for (int c = 0; c < column_count; ++c) {
    ColumnData& column = out.columns[static_cast<std::size_t>(c)];
    const Oid type = PQftype(result, c);
    types[static_cast<std::size_t>(c)] = type;
    column.name = PQfname(result, c);
    column.kind = kind_of(type, PQfname(result, c));
    switch (column.kind) {
      case ColumnKind::int64: column.ints.resize(out.rows); break;
      case ColumnKind::float64:
        column.floats.assign(out.rows, std::numeric_limits<double>::quiet_NaN());
        break;
      case ColumnKind::text: column.text_ends.resize(out.rows); break;
    }
  }
  // Row by row, as libpq keeps them: its fields of one row lie side by side.
  for (int r = 0; r < row_count; ++r) {
    const auto row = static_cast<std::size_t>(r);
    for (int c = 0; c < column_count; ++c) {
      ColumnData& column = out.columns[static_cast<std::size_t>(c)];
      const Oid type = types[static_cast<std::size_t>(c)];
      if (PQgetisnull(result, r, c) != 0) {
        if (column.nulls.empty()) column.nulls.resize((out.rows + 63) / 64);
        column.nulls[row / 64] |= std::uint64_t{1} << (row % 64);
      } else if (column.kind == ColumnKind::float64) {
        column.floats[row] = read_float(type, PQgetvalue(result, r, c));
      } else if (column.kind == ColumnKind::int64) {
        column.ints[row] = read_integer(type, PQgetvalue(result, r, c));
      } else {
        append_text(type, PQgetvalue(result, r, c), PQgetlength(result, r, c), column.text_bytes);
      }
      if (column.kind == ColumnKind::text)
        column.text_ends[row] = static_cast<std::uint32_t>(column.text_bytes.size());
    }
  }
  return out;
}

const ColumnData* QueryResult::find(std::string_view name) const {
  for (const ColumnData& column : columns)
    if (column.name == name) return &column;
  return nullptr;
}

const ColumnData& QueryResult::column(std::string_view name) const {
  const ColumnData* found = find(name);
  if (found == nullptr)
    throw core::Error("no such result column", std::string(name),
                      fmt::format("the result has {} columns", columns.size()));
  return *found;
}

}  // namespace perp::warehouse
