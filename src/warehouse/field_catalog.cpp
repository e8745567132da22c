#include "warehouse/field_catalog.hpp"

#include <perp/core/time.hpp>
#include <perp/warehouse/perpspecs.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace perp::warehouse {
namespace {

constexpr std::int64_t reread_after_ns = 10 * core::ns_per_second;

}  // namespace

FieldCatalog::FieldCatalog(Connection& connection) : connection_(connection) {
  const std::int64_t now_ns = core::mono_now().ns;
  const bool is_first = connection.fields_read_ns_ == 0;
  // Which partition or chunk is asked is known with the values. From the sixth time on the server
  // would take a plan for any values, which locks all of them, and makes it again (3 to 12 ms with
  // ten chunks) whenever one of them was analyzed. Partitions and chunks are chosen by their
  // bounds; to hold the tables' checks against the question as well is a third of the planning.
  if (is_first) {
    std::string sql = "SET plan_cache_mode = force_custom_plan; SET constraint_exclusion = off";
    // A standby does not know who notifies: there the registry is read again after a while.
    if (connection.parameter_status("in_hot_standby") != "on")
      sql += fmt::format("; LISTEN {}", quote_identifier(perpspec_channel));
    connection.execute(sql);
  }
  const bool has_changed = connection.take_notifications();
  if (!is_first && !has_changed && now_ns - connection.fields_read_ns_ < reread_after_ns) return;
  const std::string &data = perp_data().name(), &metrics = perp_metrics().name();
  const std::vector<QueryResult> read = connection.pipeline(
      {{"SELECT perpspec_name, jsonb_array_elements_text(fields || extension_fields) FROM "
        "perpspec_schema",
        {}},
       columns_statement(data),
       columns_statement(metrics)});
  const QueryResult& rows = read[0];
  connection.fields_.clear();
  for (std::size_t i = 0; i < rows.rows; ++i)
    connection.fields_[std::string(rows.columns[0].text(i))].emplace_back(rows.columns[1].text(i));
  connection.columns_ = std::make_shared<const CatalogColumns>(
      CatalogColumns{columns_of(data, read[1]), columns_of(metrics, read[2])});
  connection.fields_read_ns_ = now_ns;
}

bool FieldCatalog::may_hold(std::span<const std::string> perpspecs, std::string_view column) const {
  const ChangeName change = parse_change_name(column);
  const std::string_view name = change.minutes == 0 ? column : change.raw;
  return std::any_of(perpspecs.begin(), perpspecs.end(), [&](const std::string& perpspec) {
    const auto fields = connection_.fields_.find(perpspec);
    return fields == connection_.fields_.end() ||
           std::find(fields->second.begin(), fields->second.end(), name) != fields->second.end();
  });
}

}  // namespace perp::warehouse
