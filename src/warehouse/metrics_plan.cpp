#include "warehouse/metrics_plan.hpp"

#include "warehouse/column_catalog.hpp"

#include <perp/market/perpspec.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace perp::warehouse {
namespace {

using Source = MetricsPlan::Source;

constexpr int window_max = 1440;
constexpr std::size_t window_count_max = 8;

std::vector<int> checked(std::span<const int> windows) {
  std::vector<int> out(windows.begin(), windows.end());
  if (out.empty())
    out.assign(market::change_windows_minutes.begin(), market::change_windows_minutes.end());
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  if (out.front() < 1 || out.back() > window_max || out.size() > window_count_max)
    throw core::Error("bad windows", fmt::format("{}", fmt::join(out, ",")),
                      "expected 1 to 8 windows of 1 to 1440 minutes");
  return out;
}

void check_has_columns(std::span<const CatalogColumn> metrics, std::span<const int> windows) {
  for (const int minutes : windows)
    if (std::none_of(metrics.begin(), metrics.end(), [&](const CatalogColumn& column) {
          return parse_change_name(column.name).minutes == minutes;
        }))
      throw core::Error(
          "no columns for this window", fmt::format("{} minutes", minutes),
          fmt::format("perp_metrics has no column like {}; add those that are wanted, or leave the "
                      "window out",
                      change_name("c", minutes)));
}

/// How a column of perp_metrics is made; nothing: it is left alone.
std::optional<MetricsPlan::Output> output_of(const CatalogColumn& column,
                                             std::span<const CatalogColumn> data,
                                             MetricsPlan& plan) {
  MetricsPlan::Output out{column.name, Source::value};
  if (column.is_generated) return std::nullopt;
  if (column.name == "ts") out.source = Source::ts;
  if (column.name == "symbol") out.source = Source::symbol;
  if (column.name == "perpspec") out.source = Source::perpspec;
  if (column.name == "window_sizes") out.source = Source::window_sizes;
  out.may_be_left_out =
      out.source == Source::window_sizes
          ? column.has_default && std::ranges::equal(plan.windows, market::change_windows_minutes)
          : !column.has_default;
  if (out.source != Source::value) return out;

  const CatalogColumn* raw = find_column(data, column.name);
  if (raw == nullptr) {
    const ChangeName change = parse_change_name(column.name);
    const auto window = std::find(plan.windows.begin(), plan.windows.end(), change.minutes);
    raw = change.minutes == 0 ? nullptr : find_column(data, change.raw);
    if (raw == nullptr || window == plan.windows.end()) return std::nullopt;
    out.source = Source::change;
    out.window = static_cast<std::size_t>(window - plan.windows.begin());
  }
  const bool is_text = raw->type == CatalogType::text;
  if (raw->type == CatalogType::other ||
      (is_text ? column.type != CatalogType::text : !column.is_float8))
    throw core::Error("a column cannot be computed", column.name,
                      fmt::format("it is to come from perp_data's {}: a number into double "
                                  "precision or a text into a text",
                                  raw->name));
  const auto known = std::find_if(plan.inputs.begin(), plan.inputs.end(),
                                  [&](const auto& input) { return input.name == raw->name; });
  out.input = static_cast<std::size_t>(known - plan.inputs.begin());
  if (known == plan.inputs.end()) plan.inputs.push_back({raw->name, is_text});
  return out;
}

bool is_key(const MetricsPlan::Output& output) {
  return output.source == Source::ts || output.source == Source::symbol ||
         output.source == Source::perpspec;
}

std::string merge_of(const MetricsPlan& plan, bool has_all_windows) {
  std::string updates, stored, staged;
  for (const MetricsPlan::Output& output : plan.outputs) {
    // A row whose other windows were computed before still has them.
    if (is_key(output) || (output.source == Source::window_sizes && !has_all_windows)) continue;
    const char* const comma = updates.empty() ? "" : ", ";
    const std::string quoted = quote_identifier(output.name);
    updates += fmt::format("{0}{1} = EXCLUDED.{1}", comma, quoted);
    stored += fmt::format("{}m.{}", comma, quoted);
    staged += fmt::format("{}s.{}", comma, quoted);
  }
  // A row that is stored as it is computed is not touched at all. One that was changed since our
  // snapshot fails the transaction (40001), which is then repeated from its reading on.
  return fmt::format(
      "WITH differing AS (SELECT s.*, m.ts IS NULL AS is_new FROM {1} s LEFT JOIN perp_metrics m "
      "ON "
      "m.ts = s.ts AND m.symbol = s.symbol AND m.perpspec = s.perpspec AND m.ts >= $1 AND m.ts < "
      "$2 "
      "WHERE m.ts IS NULL OR ({2}) IS DISTINCT FROM ({3})), written AS (INSERT INTO perp_metrics "
      "({0}) SELECT {0} FROM differing ORDER BY symbol, perpspec, ts ON CONFLICT (ts, symbol, "
      "perpspec) DO UPDATE SET {4}) SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE "
      "NOT is_new) FROM differing",
      plan.column_list, metrics_stage, stored, staged, updates);
}

}  // namespace

MetricsPlan make_metrics_plan(Connection& connection, std::span<const int> windows) {
  const std::vector<CatalogColumn> data = read_columns(connection, perp_data().name());
  const std::vector<CatalogColumn> metrics = read_columns(connection, perp_metrics().name());
  MetricsPlan plan;
  plan.windows = checked(windows);
  check_has_columns(metrics, plan.windows);
  for (const CatalogColumn& column : metrics)
    if (const auto output = output_of(column, data, plan)) plan.outputs.push_back(*output);

  plan.select_list = "ts, symbol, perpspec";
  for (const MetricsPlan::Input& input : plan.inputs)
    plan.select_list +=
        fmt::format(", {}::{}", quote_identifier(input.name), input.is_text ? "text" : "float8");
  for (const MetricsPlan::Output& output : plan.outputs)
    plan.column_list += (plan.column_list.empty() ? "" : ", ") + quote_identifier(output.name);
  const bool has_all_windows =
      std::includes(plan.windows.begin(), plan.windows.end(),
                    market::change_windows_minutes.begin(), market::change_windows_minutes.end());
  plan.merge = merge_of(plan, has_all_windows);
  return plan;
}

}  // namespace perp::warehouse
