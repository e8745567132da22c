#include "warehouse/column_catalog.hpp"
#include "warehouse/events.hpp"
#include "warehouse/hot_tables.hpp"
#include "warehouse/rollup_tables.hpp"

#include <perp/core/spelling.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/perpspecs.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace perp::warehouse {
namespace {

bool is_common(std::string_view field) {
  const auto common = common_fields();
  return std::find(common.begin(), common.end(), field) != common.end();
}

void check_name(const std::string& name) {
  static_cast<void>(quote_identifier(name));
  if (name[0] == '_')
    throw core::Error("not a perpspec's name", name, "expected [a-z][a-z0-9_-]{0,62}");
  market::PerpspecId id{};
  if (market::find_perpspec(name, id))
    throw core::Error("the perpspec is built in", name,
                      "its fields are fixed; choose another name");
}

[[noreturn]] void refuse_field(const std::string& field, std::span<const CatalogColumn> columns) {
  std::vector<std::string> known;
  for (const CatalogColumn& column : columns)
    if (is_value_column(column)) known.push_back(column.name);
  throw core::Error(
      fmt::format("{} is not a column of perp_data", field), "perpspec",
      fmt::format("its columns are {}{}", fmt::join(known, ", "), core::suggestion(field, known)));
}

void add_column(Connection& connection, const Table& table, const std::string& name) {
  connection.execute(fmt::format("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} DOUBLE PRECISION",
                                 table.name(), quote_identifier(name)));
}

// The server would refuse as well, in the middle and without saying how many there are. Dropped
// columns keep their places.
void require_room(Connection& connection, std::size_t fields) {
  constexpr std::size_t columns_max = 1600;
  const std::size_t columns_each = 1 + market::change_windows_minutes.size();
  const auto taken = static_cast<std::size_t>(
      connection
          .query("SELECT max(attnum)::bigint FROM pg_attribute WHERE attrelid = $1::text::regclass",
                 {perp_metrics().name()})
          .columns[0]
          .ints[0]);
  if (taken + fields * columns_each > columns_max)
    throw core::Error(
        "no room for so many columns", perp_metrics().name(),
        fmt::format("it has {} (dropped ones count), {} new fields need {} more with their "
                    "changes, and a table has at most {} columns",
                    taken, fields, fields * columns_each, columns_max));
}

void create_column(Connection& connection, const std::string& field) {
  if (parse_change_name(field).minutes != 0)
    throw core::Error("not a name for a new column", field,
                      "names like c_chg_5m are those of changes");
  add_column(connection, perp_data(), field);
  add_column(connection, perp_metrics(), field);
  for (const int minutes : market::change_windows_minutes)
    add_column(connection, perp_metrics(), change_name(field, minutes));
}

std::string json_fields(const PerpspecFields& spec) {
  std::string out;
  for (const std::string_view field : common_fields())
    out += fmt::format("{}{}", out.empty() ? "[" : ", ", json_string(field));
  for (const std::string& field : spec.fields) out += ", " + json_string(field);
  return out + "]";
}

}  // namespace

PerpspecFields parse_perpspec(std::string_view name, std::string_view fields) {
  PerpspecFields spec{std::string(name), {}};
  check_name(spec.name);
  for (std::size_t at = 0; at <= fields.size();) {
    const std::size_t end = std::min(fields.find(',', at), fields.size());
    const std::string field(fields.substr(at, end - at));
    static_cast<void>(quote_identifier(field));
    if (!is_common(field) &&
        std::find(spec.fields.begin(), spec.fields.end(), field) == spec.fields.end())
      spec.fields.push_back(field);
    at = end + 1;
  }
  if (spec.fields.empty())
    throw core::Error("a perpspec without fields", spec.name,
                      "name at least one column of perp_data beside ts, symbol, source, perpspec "
                      "and interval");
  return spec;
}

PerpspecFields parse_perpspec(std::string_view name_and_fields) {
  const std::size_t colon = name_and_fields.find(':');
  if (colon == std::string_view::npos)
    throw core::Error("not a perpspec", std::string(name_and_fields.substr(0, 80)),
                      "expected NAME:FIELD,FIELD, for example bin-x:c,v");
  return parse_perpspec(name_and_fields.substr(0, colon), name_and_fields.substr(colon + 1));
}

void put_perpspec(Connection& connection, const PerpspecFields& spec, bool create_columns) {
  check_name(spec.name);
  const std::vector<CatalogColumn> columns = read_columns(connection, perp_data().name());
  std::vector<std::string> missing;
  for (const std::string& field : spec.fields) {
    const CatalogColumn* column = find_column(columns, field);
    if (column != nullptr && is_value_column(*column)) continue;
    if (column != nullptr || !create_columns) refuse_field(field, columns);
    missing.push_back(field);
  }
  if (!missing.empty()) {
    require_room(connection, missing.size());
    for (const std::string& field : missing) create_column(connection, field);
    add_rollup_columns(connection);
    create_hot_views(connection);
  }
  const QueryResult stored = connection.query(
      "INSERT INTO perpspec_schema (perpspec_name, fields, native_interval_ms) VALUES ($1, "
      "$2::text::jsonb, $3) ON CONFLICT (perpspec_name) DO UPDATE SET fields = EXCLUDED.fields, "
      "native_interval_ms = EXCLUDED.native_interval_ms, last_updated = now(), active = true "
      "WHERE NOT perpspec_schema.seed RETURNING 1",
      {spec.name, json_fields(spec), spec.native_interval_ms});
  if (stored.rows == 0)
    throw core::Error("the perpspec is built in", spec.name, "its fields are fixed");
  connection.query("SELECT pg_notify($1, $2)::text", {std::string(perpspec_channel), spec.name});
}

void add_perpspec(Connection& connection, const PerpspecFields& spec, bool create_columns) {
  connection.execute("BEGIN");
  try {
    // ALTER TABLE waits for whoever reads, and everybody else would wait behind it.
    connection.execute("SET LOCAL lock_timeout = '10s'");
    put_perpspec(connection, spec, create_columns);
    connection.execute("COMMIT");
  } catch (...) {
    connection.recover();
    throw;
  }
}

QueryResult query_perpspecs(Connection& connection, std::string_view name) {
  QueryResult found = connection.query(
      "SELECT perpspec_name AS perpspec, (SELECT string_agg(f, ',' ORDER BY n) FROM "
      "jsonb_array_elements_text(fields || extension_fields) WITH ORDINALITY e(f, n) WHERE f <> "
      "ALL ($2)) AS fields, native_interval_ms, seed, active, (extract(epoch FROM last_updated) * "
      "1000)::bigint AS last_updated_ts FROM perpspec_schema WHERE $1 = '' OR perpspec_name = $1 "
      "ORDER BY perpspec_name COLLATE \"C\"",
      {std::string(name),
       std::vector<std::string>(common_fields().begin(), common_fields().end())});
  if (!name.empty() && found.rows == 0)
    throw core::Error("no such perpspec", std::string(name), "`perp perpspec list` lists them");
  return found;
}

}  // namespace perp::warehouse
