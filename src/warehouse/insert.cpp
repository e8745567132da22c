#include "warehouse/column_catalog.hpp"
#include "warehouse/events.hpp"
#include "warehouse/rollup_tables.hpp"
#include "warehouse/wire.hpp"

#include <perp/core/time.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/copy_encoder.hpp>
#include <perp/warehouse/insert.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/query.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <tuple>

namespace perp::warehouse {
namespace {

constexpr std::size_t chunk_rows = 50'000;
constexpr std::int64_t conflict_waits_ms[] = {1000, 2000, 3000};
constexpr const char* stage = "perp_stage_insert";

/// What one call inserts into, and which of its columns.
class Inserter {
 public:
  Inserter(Connection& connection, const Table& table, bool keeps_known)
      : connection_(connection),
        table_(table),
        keeps_known_(keeps_known),
        backend_(require_schema(connection, "insert")) {
    for (CatalogColumn& column : read_columns(connection, table.name()))
      if (is_value_column(column) && !column.is_generated) columns_.push_back(std::move(column));
    const std::int64_t days =
        connection
            .query("SELECT retention_days::bigint FROM perp_series WHERE table_name = $1",
                   {table.name()})
            .columns[0]
            .ints.at(0);
    if (days == 0 || backend_ != Backend::plain) return;
    oldest_ms_ = core::floor_to(core::wall_now().ns / core::ns_per_ms - days * day_ms, day_ms);
    expired_ = fmt::format("older than the {} days that {} keeps", days, table.name());
  }

  /// Takes a row or says why not.
  void add(const InsertRow& row, const std::string& perpspec) {
    const std::string why = put(row, perpspec);
    if (why.empty()) {
      ++report_.rows;
    } else {
      ++report_.rejected;
      if (why == expired_) ++report_.expired;
      auto [refusal, is_new] = refusals_.try_emplace({perpspec, why});
      if (is_new) refusal->second = {row.symbol, perpspec, row.ts, 0, table_.name(), "", why};
      ++refusal_counts_[{perpspec, why}];
    }
    if (++in_chunk_ == chunk_rows) flush();
  }
  InsertReport finish() {
    flush();
    return report_;
  }

 private:
  using Key = std::tuple<std::string, std::string, std::int64_t>;  ///< symbol, perpspec, ts
  struct Stored {
    std::string source;
    std::vector<std::optional<FieldValue>> values;  ///< by columns_
  };

  const std::set<std::string>& fields_of(const std::string& perpspec) {
    const auto known = fields_.find(perpspec);
    if (known != fields_.end()) return known->second;
    const QueryResult rows = connection_.query(
        "SELECT jsonb_array_elements_text(fields || extension_fields) FROM perpspec_schema WHERE "
        "perpspec_name = $1",
        {perpspec});
    if (rows.rows == 0)
      throw core::Error("no such perpspec", perpspec, "`perp perpspec list` lists them");
    std::set<std::string>& fields = fields_[perpspec];
    for (std::size_t i = 0; i < rows.rows; ++i) fields.emplace(rows.columns[0].text(i));
    return fields;
  }

  /// Why a value cannot be stored in a column; empty: it can.
  static std::string fault_of(const CatalogColumn& column, const FieldValue& value) {
    const bool is_text = std::holds_alternative<std::string>(value);
    if (is_text != (column.type == CatalogType::text))
      return fmt::format("field {} is a {}", column.name, is_text ? "number" : "text");
    if (!is_text)
      return std::isinf(std::get<double>(value)) ? fmt::format("field {} is infinite", column.name)
                                                 : std::string();
    const std::string& text = std::get<std::string>(value);
    if (!is_storable_text(text)) return fmt::format("field {} is no UTF-8 text", column.name);
    for (const TableColumn& known : perp_data().columns())
      if (known.type == SqlType::position_side && column.name.starts_with(known.name) &&
          !text.empty() && text != "long" && text != "short")
        return fmt::format("field {} is neither long nor short", column.name);
    return {};
  }

  std::string put(const InsertRow& row, const std::string& perpspec) {
    const std::set<std::string>& allowed = fields_of(perpspec);
    if (row.ts < oldest_ms_) return expired_;
    std::vector<std::pair<std::size_t, const FieldValue*>> values;
    for (const auto& [name, value] : row.fields) {
      const ChangeName change = parse_change_name(name);
      if (!allowed.contains(name) && !allowed.contains(std::string(change.raw)))
        return fmt::format("field {} is not of {}", name, perpspec);
      const CatalogColumn* column = find_column(columns_, name);
      if (column == nullptr)
        return fmt::format("field {} is not a column of {}", name, table_.name());
      if (std::string why = fault_of(*column, value); !why.empty()) return why;
      values.emplace_back(static_cast<std::size_t>(column - columns_.data()), &value);
    }
    std::string symbol;
    try {
      symbol = resolve_symbol(connection_, row.symbol);
    } catch (const DatabaseError&) {
      throw;
    } catch (const core::Error& error) {
      return error.what();
    }
    if (!is_storable_text(symbol) || !is_storable_text(row.source)) return "no UTF-8 text";
    Stored& stored = rows_[{symbol, perpspec, core::floor_to(row.ts, minute_ms)}];
    stored.source = row.source.empty() ? perpspec : row.source;
    if (!keeps_known_) stored.values.clear();
    stored.values.resize(columns_.size());
    for (const auto& [column, value] : values) {
      const bool is_null = std::holds_alternative<double>(*value)
                               ? std::isnan(std::get<double>(*value))
                               : std::get<std::string>(*value).empty();
      if (!is_null) stored.values[column] = *value;
    }
    return {};
  }

  void flush() {
    in_chunk_ = 0;
    if (backend_ == Backend::plain) {
      std::set<std::int64_t> days;
      for (const auto& [key, stored] : rows_) days.insert(core::floor_to(std::get<2>(key), day_ms));
      for (const std::int64_t day : days) ensure_partition(connection_, table_.name(), day);
    }
    for (std::size_t conflicts = 0; !rows_.empty() || !refusals_.empty(); ++conflicts) {
      try {
        store();
        break;
      } catch (const DatabaseError& error) {
        if (!connection_.recover() ||
            (error.sqlstate() != "40P01" && error.sqlstate() != "40001") ||
            conflicts == std::size(conflict_waits_ms))
          throw;
        ++report_.retries;
        std::this_thread::sleep_for(std::chrono::milliseconds(conflict_waits_ms[conflicts]));
      } catch (...) {
        connection_.recover();
        throw;
      }
    }
    report_.keys += static_cast<std::int64_t>(rows_.size());
    rows_.clear();
    refusals_.clear();
    refusal_counts_.clear();
  }

  void store() {
    const std::vector<std::size_t> used = used_columns();
    connection_.execute("BEGIN; " + stage_definition(used));
    connection_.copy_begin(fmt::format("COPY {} FROM STDIN (FORMAT binary)", stage));
    const std::string bytes = encode(used);
    connection_.copy_write(std::as_bytes(std::span(bytes)));
    connection_.copy_end();
    std::vector<Statement> last{{merge_of(used), {}}};
    TouchedBuckets touched;
    if (table_.name() == perp_data().name())
      for (const auto& [key, stored] : rows_) touched.add(std::get<2>(key));
    if (std::optional<Statement> due = touched.statement()) last.push_back(std::move(*due));
    for (const auto& [key, refused] : refusals_) {
      RefusedRow told = refused;
      told.reason += fmt::format(" ({} rows refused for this)", refusal_counts_.at(key));
      last.push_back(refused_statement(told));
    }
    last.push_back({"COMMIT", {}});
    connection_.pipeline(last);
  }

  /// Those that some row has; all where a row is replaced as a whole.
  std::vector<std::size_t> used_columns() const {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < columns_.size(); ++i)
      if (!keeps_known_ || std::any_of(rows_.begin(), rows_.end(), [&](const auto& row) {
            return row.second.values[i].has_value();
          }))
        out.push_back(i);
    return out;
  }

  std::string stage_definition(std::span<const std::size_t> used) const {
    std::string out = fmt::format(
        "CREATE TEMP TABLE {} (ts BIGINT, symbol TEXT COLLATE \"C\", perpspec TEXT COLLATE \"C\", "
        "source TEXT",
        stage);
    for (const std::size_t i : used)
      out += fmt::format(", {} {}", quote_identifier(columns_[i].name),
                         columns_[i].type == CatalogType::text ? "TEXT" : "DOUBLE PRECISION");
    return out + ") ON COMMIT DROP";
  }

  std::string encode(std::span<const std::size_t> used) const {
    std::string out(copy_header);
    const auto put_text = [&](std::string_view text) {
      append_u32(out, static_cast<std::uint32_t>(text.size()));
      out += text;
    };
    for (const auto& [key, stored] : rows_) {
      const auto& [symbol, perpspec, ts] = key;
      append_u16(out, static_cast<std::uint16_t>(4 + used.size()));
      append_u32(out, 8);
      append_u64(out, static_cast<std::uint64_t>(ts));
      put_text(symbol);
      put_text(perpspec);
      put_text(stored.source);
      for (const std::size_t i : used) {
        const std::optional<FieldValue>& value = stored.values[i];
        if (!value) {
          append_u32(out, ~std::uint32_t{0});
        } else if (const auto* text = std::get_if<std::string>(&*value)) {
          put_text(*text);
        } else {
          append_u32(out, 8);  // adding 0 turns -0 into 0
          append_u64(out, std::bit_cast<std::uint64_t>(std::get<double>(*value) + 0.0));
        }
      }
    }
    return out + std::string(copy_trailer);
  }

  std::string merge_of(std::span<const std::size_t> used) const {
    std::string columns = "ts, symbol, perpspec, source";
    std::string updates = "source = EXCLUDED.source", before = "t.source",
                after = "EXCLUDED.source";
    for (const std::size_t i : used) {
      const std::string name = quote_identifier(columns_[i].name);
      const std::string value = fmt::format(
          fmt::runtime(keeps_known_ ? "COALESCE(EXCLUDED.{0}, t.{0})" : "EXCLUDED.{0}"), name);
      columns += ", " + name;
      updates += fmt::format(", {} = {}", name, value);
      before += ", t." + name;
      after += ", " + value;
    }
    // What is stored already is not written again: telling a history twice costs no dead row.
    return fmt::format(
        "INSERT INTO {} AS t ({}) SELECT {} FROM {} ORDER BY symbol, perpspec, ts ON CONFLICT (ts, "
        "symbol, perpspec) DO UPDATE SET {} WHERE ({}) IS DISTINCT FROM ({})",
        table_.name(), columns, columns, stage, updates, before, after);
  }

  Connection& connection_;
  const Table& table_;
  bool keeps_known_;
  Backend backend_;
  std::int64_t oldest_ms_ = std::numeric_limits<std::int64_t>::min();
  std::string expired_;  ///< why an older row is refused
  std::vector<CatalogColumn> columns_;
  std::map<std::string, std::set<std::string>> fields_;
  std::map<Key, Stored> rows_;
  std::map<std::pair<std::string, std::string>, RefusedRow> refusals_;  ///< by perpspec and reason
  std::map<std::pair<std::string, std::string>, std::int64_t> refusal_counts_;
  std::size_t in_chunk_ = 0;
  InsertReport report_;
};

}  // namespace

InsertReport insert_data(Connection& connection, std::string_view perpspec,
                         std::span<const InsertRow> rows) {
  const std::string name = resolve_perpspec(perpspec);
  Inserter inserter(connection, perp_data(), true);
  for (const InsertRow& row : rows) inserter.add(row, name);
  return inserter.finish();
}

InsertReport insert_metrics(Connection& connection, std::span<const InsertRow> rows) {
  Inserter inserter(connection, perp_metrics(), false);
  for (const InsertRow& row : rows) inserter.add(row, resolve_perpspec(row.perpspec));
  return inserter.finish();
}

}  // namespace perp::warehouse
