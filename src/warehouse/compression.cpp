#include "warehouse/compression.hpp"

#include "warehouse/edition.hpp"

#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

namespace perp::warehouse {
namespace {

constexpr int hot_table_days = 1;

// Columns of keys that tell apart rows of one series with one ts. As segments they would be of a
// row each, which is more than without compression.
constexpr auto within_a_moment = std::to_array<std::string_view>(
    {"address", "id", "level", "liq_id", "price_level", "rank", "side", "trade_id"});

struct Layout {
  std::string segment_by;  // what names a series, which is what queries filter by
  std::string order_by;    // time, then what tells rows of one moment apart
};

Layout layout_of(Connection& connection, const std::string& table) {
  const QueryResult key = connection.query(
      "SELECT a.attname::text FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, "
      "place) JOIN pg_attribute a ON a.attnum = k.attnum WHERE i.indrelid = $1::text::regclass AND "
      "i.indisprimary AND a.attrelid = i.indrelid AND a.attname <> 'ts' ORDER BY k.place",
      {table});
  Layout out{"", "ts"};
  for (std::size_t i = 0; i < key.rows; ++i) {
    const std::string_view name = key.columns[0].text(i);
    const bool is_within =
        std::find(within_a_moment.begin(), within_a_moment.end(), name) != within_a_moment.end();
    std::string& list = is_within ? out.order_by : out.segment_by;
    list += (list.empty() ? "" : ",") + quote_identifier(name);
  }
  return out;
}

struct Policy {
  std::optional<std::int64_t> after_ms{};  // nothing: it goes by the chunks' creation
  bool is_hourly = false;
  bool is_paused = false;
};

std::map<std::string, Policy> read_policies(Connection& connection) {
  const QueryResult jobs = connection.query(
      fmt::format("SELECT hypertable_name::text, (config->>'compress_after')::bigint, "
                  "schedule_interval = {}, NOT scheduled FROM timescaledb_information.jobs WHERE "
                  "proc_name = 'policy_compression' AND hypertable_schema = current_schema() AND "
                  "hypertable_name IN (SELECT table_name FROM perp_series)",
                  policy_interval));
  std::map<std::string, Policy> out;
  for (std::size_t i = 0; i < jobs.rows; ++i) {
    Policy& policy = out[std::string(jobs.columns[0].text(i))];
    if (!jobs.columns[1].is_null(i)) policy.after_ms = jobs.columns[1].ints[i];
    policy.is_hourly = jobs.columns[2].ints[i] != 0;
    policy.is_paused = jobs.columns[3].ints[i] != 0;
  }
  return out;
}

std::vector<Statement> statements_of(Connection& connection, const std::string& table,
                                     std::int64_t days, const Policy* present) {
  std::vector<Statement> out;
  if (days != 0) {
    const Layout layout = layout_of(connection, table);
    out.push_back({fmt::format("ALTER TABLE {} SET (timescaledb.compress, "
                               "timescaledb.compress_segmentby = '{}', "
                               "timescaledb.compress_orderby = '{}')",
                               quote_identifier(table), layout.segment_by, layout.order_by),
                   {}});
    if (present != nullptr && present->is_hourly && present->after_ms == days * day_ms) return out;
  }
  if (present != nullptr)
    out.push_back({"SELECT remove_compression_policy($1::text::regclass)::text", {table}});
  if (days != 0)
    out.push_back({fmt::format("SELECT add_compression_policy($1::text::regclass, compress_after "
                               "=> $2::bigint, schedule_interval => {})::text",
                               policy_interval),
                   {table, days * day_ms}});
  return out;
}

}  // namespace

void store_compression(Connection& connection, Backend backend, const SetupOptions& options,
                       std::vector<std::string>& warnings) {
  std::map<std::string, int> wanted = options.compression;  // its word counts before that of both
  if (options.compress)
    for (const Table* table : {&perp_data(), &perp_metrics()})
      wanted.emplace(table->name(), *options.compress ? hot_table_days : 0);
  std::string in_vain;
  for (const auto& [table, days] : wanted) {
    if (days < 0)
      throw core::Error("bad age for compression", table, "expected 0 (no more) or days from 1");
    const bool is_stored = backend == Backend::timescale;
    const QueryResult found = connection.query(
        is_stored ? "UPDATE perp_series SET compress_days = $2 WHERE table_name = $1 RETURNING 1"
                  : "SELECT 1 FROM perp_series WHERE table_name = $1 AND $2::int IS NOT NULL",
        {table, static_cast<std::int32_t>(days)});
    if (found.rows == 0)
      throw core::Error("no series of this name can be compressed", table,
                        "`perp db info` lists the series");
    if (!is_stored && days != 0) in_vain += (in_vain.empty() ? "" : ", ") + table;
  }
  if (!in_vain.empty())
    warnings.push_back(
        fmt::format("compression of {}: this edition has none; it needs TimescaleDB's Community "
                    "edition",
                    in_vain));
}

void set_compression(Connection& connection, std::vector<std::string>& warnings) {
  const std::map<std::string, Policy> policies = read_policies(connection);
  const QueryResult wanted = connection.query(
      "SELECT table_name, compress_days::bigint, retention_days::bigint FROM perp_series WHERE "
      "compress_days IS NOT NULL ORDER BY table_name");
  for (std::size_t i = 0; i < wanted.rows; ++i) {
    const std::string table(wanted.columns[0].text(i));
    const std::int64_t days = wanted.columns[1].ints[i];
    const std::int64_t retention = wanted.columns[2].ints[i];
    const auto present = policies.find(table);
    try_policy(connection, warnings, ("compression of " + table).c_str(), "chunks stay as they are",
               statements_of(connection, table, days,
                             present == policies.end() ? nullptr : &present->second));
    if (days != 0 && retention != 0 && days >= retention)
      warnings.push_back(fmt::format("compression of {} after {} days: never, it is kept for {}",
                                     table, days, retention));
  }
}

void read_compression(Connection& connection, std::vector<Info::TableInfo>& tables) {
  const std::map<std::string, Policy> policies = read_policies(connection);
  const QueryResult chunks = connection.query(
      "SELECT hypertable_name::text, count(*), hypertable_size(format('%I.%I', hypertable_schema, "
      "hypertable_name)::regclass) FROM timescaledb_information.chunks WHERE is_compressed AND "
      "hypertable_schema = current_schema() GROUP BY hypertable_schema, hypertable_name");
  for (Info::TableInfo& table : tables) {
    if (const auto policy = policies.find(table.name); policy != policies.end()) {
      table.compress_after_ms = policy->second.after_ms;
      table.is_compression_paused = policy->second.is_paused;
    }
    for (std::size_t i = 0; i < chunks.rows; ++i) {
      if (chunks.columns[0].text(i) != table.name) continue;
      table.compressed_chunks = chunks.columns[1].ints[i];
      table.bytes = chunks.columns[2].ints[i];  // the compressed rows are in tables of their own
    }
  }
}

}  // namespace perp::warehouse
