#include "warehouse/rollup_tables.hpp"

#include "warehouse/column_catalog.hpp"

#include <perp/core/time.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace perp::warehouse {
namespace {

using market::Rollup;

constexpr std::int64_t hour_ms = 60 * minute_ms;
constexpr auto levels = std::to_array<RollupLevel>({{"perp_5m", 5 * minute_ms, 7},
                                                    {"perp_15m", 15 * minute_ms, 30},
                                                    {"perp_1h", hour_ms, 30},
                                                    {"perp_4h", 4 * hour_ms, 180},
                                                    {"perp_1d", day_ms, 360}});

constexpr const char* definition =
    "ts BIGINT NOT NULL, symbol TEXT COLLATE \"C\" NOT NULL, perpspec TEXT COLLATE \"C\" NOT NULL, "
    "minutes INT NOT NULL CHECK (minutes > 0), exchange TEXT GENERATED ALWAYS AS (CASE WHEN "
    "perpspec = 'rsi' THEN 'bin' ELSE split_part(perpspec, '-', 1) END) STORED, PRIMARY KEY (ts, "
    "symbol, perpspec)";

Rollup rollup_of(std::string_view name) {
  for (const market::Column& column : market::columns)
    if (column.name == name) return column.rollup;
  return Rollup::last;
}

/// Whether a rollup has this column of perp_data: its value columns that are numbers of ours or
/// texts.
bool is_rolled_up(const CatalogColumn& column) {
  return is_value_column(column) && !column.is_generated && column.type != CatalogType::other;
}

std::string definition_of(const CatalogColumn& column) {
  for (const TableColumn& known : perp_data().columns())
    if (known.name == column.name) return Table::definition_of(known);
  return quote_identifier(column.name) +
         (column.type == CatalogType::text ? " TEXT" : " DOUBLE PRECISION");
}

// Over rows in order of time within their bucket; none asks for an order of its own, because the
// server would then sort for that one. The last known value is that of the greatest
// time: arrays compare element by element, and no two rows of a bucket have one time. A stranger's
// NaN is a missing value.
std::string aggregate_of(const CatalogColumn& column) {
  const std::string name = quote_identifier(column.name);
  if (column.type == CatalogType::text) {
    const std::string all = fmt::format("array_agg({0}) FILTER (WHERE {0} IS NOT NULL)", name);
    return rollup_of(column.name) == Rollup::first ? fmt::format("({})[1]", all)
                                                   : fmt::format("({0})[cardinality({0})]", all);
  }
  const std::string known = fmt::format("FILTER (WHERE {}::float8 <> 'NaN')", name);
  const std::string cast = column.is_float8 ? "" : "::int";
  switch (rollup_of(column.name)) {
    case Rollup::first:
      return fmt::format("(min(ARRAY[ts::float8, {}]) {})[2]{}", name, known, cast);
    case Rollup::last:
      return fmt::format("(max(ARRAY[ts::float8, {}]) {})[2]{}", name, known, cast);
    case Rollup::max: return fmt::format("max({}) {}", name, known);
    case Rollup::min: return fmt::format("min({}) {}", name, known);
    case Rollup::sum: return fmt::format("sum({}) {}", name, known);
  }
  throw core::Error("no such rollup", column.name, "not in the table of columns");
}

}  // namespace

std::span<const RollupLevel> rollup_levels() { return levels; }

void create_rollup_tables(Connection& connection) {
  for (const RollupLevel& level : levels) {
    const std::string table(level.table);
    connection.query("SELECT perp_create_series($1, $2, $3, 0)::text",
                     {table, std::string(definition), static_cast<std::int32_t>(level.chunk_days)});
    connection.execute(fmt::format(
        "CREATE INDEX IF NOT EXISTS idx_{0}_series ON {0} (symbol, perpspec, ts DESC)", table));
  }
  add_rollup_columns(connection);
}

void add_rollup_columns(Connection& connection) {
  const std::vector<CatalogColumn> data = read_columns(connection, perp_data().name());
  for (const RollupLevel& level : levels) {
    const std::vector<CatalogColumn> present = read_columns(connection, level.table);
    for (const CatalogColumn& column : data)
      if (is_rolled_up(column) && find_column(present, column.name) == nullptr)
        connection.execute(
            fmt::format("ALTER TABLE {} ADD COLUMN {}", level.table, definition_of(column)));
  }
}

std::string rollup_statement(Connection& connection, std::size_t level, bool replaces_fuller) {
  const std::string target(levels[level].table);
  const std::string source = level == 0 ? perp_data().name() : std::string(levels[level - 1].table);
  const std::vector<CatalogColumn> from = read_columns(connection, source);
  std::string columns, aggregates, updates, before, after;
  for (const CatalogColumn& column : read_columns(connection, target)) {
    if (!is_rolled_up(column) || column.name == "minutes" ||
        find_column(from, column.name) == nullptr)
      continue;
    const std::string name = quote_identifier(column.name);
    columns += ", " + name;
    aggregates += ", " + aggregate_of(column);
    updates += fmt::format(", {0} = EXCLUDED.{0}", name);
    before += ", t." + name;
    after += ", EXCLUDED." + name;
  }
  // The inner order is that of the groups and of time within each: sums are those of one order,
  // whatever the plan, and a bucket computed again has the same bytes.
  return fmt::format(
      "WITH done AS (INSERT INTO {target} AS t (ts, symbol, perpspec, minutes{columns}) "
      "SELECT _bucket, symbol, perpspec, {minutes}{aggregates} FROM (SELECT ts - (ts % {interval} "
      "+ "
      "{interval}) % {interval} AS _bucket, ts, symbol, perpspec{counted}{columns} FROM {source} "
      "WHERE ts >= $1 AND ts < $2 ORDER BY symbol, perpspec, _bucket, ts) s GROUP BY symbol, "
      "perpspec, _bucket "
      "ON CONFLICT (ts, symbol, perpspec) DO UPDATE SET minutes = EXCLUDED.minutes{updates} "
      "WHERE {guard}(t.minutes{before}) IS DISTINCT FROM (EXCLUDED.minutes{after}) "
      "RETURNING 1) SELECT count(*) FROM done",
      fmt::arg("target", target), fmt::arg("columns", columns),
      fmt::arg("minutes", level == 0 ? "count(*)::int" : "sum(minutes)::int"),
      fmt::arg("counted", level == 0 ? "" : ", minutes"), fmt::arg("aggregates", aggregates),
      fmt::arg("interval", levels[level].interval_ms), fmt::arg("source", source),
      fmt::arg("updates", updates),
      fmt::arg("guard", replaces_fuller ? "" : "EXCLUDED.minutes >= t.minutes AND "),
      fmt::arg("before", before), fmt::arg("after", after));
}

void TouchedBuckets::add(std::int64_t ts) {
  const std::int64_t bucket = core::floor_to(ts, levels[0].interval_ms);
  if (buckets_.empty() || buckets_.back() != bucket) buckets_.push_back(bucket);
}

std::optional<Statement> TouchedBuckets::statement() {
  if (buckets_.empty()) return std::nullopt;
  std::sort(buckets_.begin(), buckets_.end());
  buckets_.erase(std::unique(buckets_.begin(), buckets_.end()), buckets_.end());
  std::vector<BucketRange> ranges;
  for (const std::int64_t bucket : buckets_)
    ranges.push_back({bucket, bucket + levels[0].interval_ms});
  return due_statement(levels[0].interval_ms, joined(std::move(ranges)));
}

std::vector<BucketRange> joined(std::vector<BucketRange> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const BucketRange& a, const BucketRange& b) { return a.from < b.from; });
  std::vector<BucketRange> out;
  for (const BucketRange& range : ranges) {
    if (!out.empty() && range.from <= out.back().until)
      out.back().until = std::max(out.back().until, range.until);
    else
      out.push_back(range);
  }
  return out;
}

Statement due_statement(std::int64_t level_ms, const std::vector<BucketRange>& ranges) {
  std::vector<std::int64_t> from, until;
  for (const BucketRange& range : ranges) {
    from.push_back(range.from);
    until.push_back(range.until);
  }
  return {
      "INSERT INTO perp_rollup_due (level_ms, ts, until) SELECT $1, * FROM unnest($2::bigint[], "
      "$3::bigint[])",
      {level_ms, from, until}};
}

}  // namespace perp::warehouse
