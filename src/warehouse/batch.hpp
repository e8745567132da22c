#pragma once
// What a lane has read and not yet committed: rows by series, their sparse values, and the
// statements for lane 0's other tables. Owned by one lane.
#include "warehouse/facts.hpp"

#include <perp/journal/format.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/market/record.hpp>
#include <perp/warehouse/connection.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace perp::warehouse {

/// One (symbol, perpspec) of this lane's slice. Lives as long as the lane.
struct Series {
  std::string symbol;
  std::string perpspec;
  market::SpecKind kind{};
  std::string prefix;       ///< encoded fields between ts and the values, of a narrowed RowLayout
  std::int64_t ts_max = 0;  ///< greatest ts in the database; valid if is_max_known
  bool is_max_known = false;
  bool is_active = true;       ///< perpspec_schema.active
  bool is_registered = false;  ///< its perpspec has been looked up
};

struct Row {
  std::uint32_t series = 0;      ///< index into the lane's series
  std::uint16_t data_count = 0;  ///< values of perp_data ...
  std::uint16_t metrics_count =
      0;  ///< ... and of perp_metrics: the same ones unless rows were folded
  std::uint32_t data_first = 0;
  std::uint32_t metrics_first = 0;
  std::uint64_t data_slots = 0;  ///< bit per slot of perp_data_layout that the values know
  std::uint64_t metrics_slots = 0;
  std::int64_t ts = 0;
  journal::Position position = 0;
  std::uint8_t flags = 0;   ///< RecordFlag
  std::uint8_t origin = 0;  ///< MinuteOrigin
};

/// One instrument in one fact table, of this lane's slice. Lives as long as the lane.
struct LaneFactSeries {
  std::size_t table = 0;  ///< index in fact_tables()
  std::string symbol;
  std::int16_t exchange = 0;
  std::int64_t ts_max = 0;  ///< greatest ts that this session has stored; valid if is_known
  bool is_known = false;
};

/// A row that cannot be stored, and why: it becomes a row of perp_errors.
struct RefusedRow {
  std::string symbol;
  std::string perpspec;
  std::int64_t ts = 0;
  journal::Position position = 0;
  std::string table;
  std::string sqlstate;  ///< empty where the loader itself refused
  std::string reason;
};

/// Rows in order lie anywhere in the order of arrival: so far ahead is asked for.
inline constexpr std::size_t rows_ahead = 8;

struct Batch {
  journal::Position begin = 0;  ///< the committed cursor that this batch starts from
  journal::Position end = 0;    ///< the cursor once it is committed
  std::vector<Row> rows;
  bool is_by_kind = false;  ///< the rows of each SpecKind stand together: see sort_and_fold()
  std::vector<market::MinuteValue> values;
  std::vector<FactBatch> facts;       ///< by table, as in fact_tables()
  std::vector<Statement> statements;  ///< instruments, status, errors in journal order
  std::vector<RefusedRow> refused;    ///< by the lane: never in `rows`
  std::vector<RefusedRow> bisected;   ///< by the server: still in `rows`, see Store
  std::uint64_t instruments = 0;
  std::uint64_t status_rows = 0;
  std::uint64_t error_rows = 0;
  std::uint64_t folded = 0;

  /// What sort_and_fold() works in, kept from batch to batch: fresh memory of that size comes from
  /// the kernel, page by page.
  struct Order {
    std::vector<std::uint32_t> rows;  ///< indices in Batch::rows
    std::vector<std::uint32_t> next;
    std::vector<std::uint32_t> starts;
  };
  Order order;
  std::vector<Row> sorted;

  void clear(journal::Position at);
  bool is_empty() const { return row_count() == 0 && statements.empty() && refused.empty(); }
  std::size_t row_count() const {
    std::size_t count = rows.size();
    for (const FactBatch& table : facts) count += table.rows.size();
    return count;
  }
  std::span<const market::MinuteValue> data_values(const Row& row) const {
    return std::span(values).subspan(row.data_first, row.data_count);
  }
  std::span<const market::MinuteValue> metrics_values(const Row& row) const {
    return std::span(values).subspan(row.metrics_first, row.metrics_count);
  }
};

/// Orders rows by (day, symbol, perpspec, ts): whole partitions or chunks one after the other,
/// series by series inside. A backlog, many rows of each series, by kind first: each kind is then a
/// COPY of its own columns. Few rows of each series are not: what is asked for together (a symbol's
/// perpspecs of a minute) would lie on more pages. Rows of one key become one, the later position
/// winning: in perp_data by value (a missing value does not erase a known one), in perp_metrics
/// wholly. Their flags are joined.
void sort_and_fold(Batch& batch, std::span<const Series> series);

/// Whether some row of perp_data and perp_metrics may meet a stored one: backfill or revision, or
/// not above its series' greatest ts.
bool needs_merge(const Batch& batch, std::span<const Series> series);

}  // namespace perp::warehouse
