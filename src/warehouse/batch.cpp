#include "warehouse/batch.hpp"

#include <perp/core/time.hpp>
#include <perp/warehouse/table.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace perp::warehouse {
namespace {

// Where a COPY of its own pays for each kind.
constexpr std::size_t by_kind_rows = 2000;
constexpr std::size_t by_kind_rows_of_series = 8;

bool is_same_key(const Row& a, const Row& b) { return a.series == b.series && a.ts == b.ts; }

// `older` and `newer` have one key. Leaves the joined row in `newer`.
void fold(Batch& batch, const Row& older, Row& newer) {
  const auto first = static_cast<std::uint32_t>(batch.values.size());
  // The encoder lets the later of two values for one column stand, so one list after the other is
  // the merge, as long as the newer one's missing values are left out.
  for (std::uint32_t i = 0; i < older.data_count; ++i)
    batch.values.push_back(batch.values[older.data_first + i]);
  for (std::uint32_t i = 0; i < newer.data_count; ++i) {
    const market::MinuteValue value = batch.values[newer.data_first + i];
    if (!std::isnan(value.value)) batch.values.push_back(value);
  }
  newer.data_first = first;
  newer.data_count = static_cast<std::uint16_t>(batch.values.size() - first);
  newer.data_slots |= older.data_slots;
  newer.flags = static_cast<std::uint8_t>(newer.flags | older.flags);
  ++batch.folded;
}

}  // namespace

void Batch::clear(journal::Position at) {
  begin = end = at;
  rows.clear();
  is_by_kind = false;
  values.clear();
  facts.resize(fact_tables().size());
  for (FactBatch& table : facts) table.clear();
  statements.clear();
  refused.clear();
  bisected.clear();
  instruments = status_rows = error_rows = folded = 0;
}

void sort_and_fold(Batch& batch, std::span<const Series> series) {
  std::vector<bool> is_listed(series.size(), false);
  std::size_t listed = 0;
  for (const Row& row : batch.rows) {
    if (!is_listed[row.series]) ++listed;
    is_listed[row.series] = true;
  }
  batch.is_by_kind =
      batch.rows.size() >= by_kind_rows && batch.rows.size() >= by_kind_rows_of_series * listed;
  // Texts are compared once per series, not once per row.
  std::vector<std::uint32_t> by_name(series.size());
  std::iota(by_name.begin(), by_name.end(), 0u);
  std::sort(by_name.begin(), by_name.end(), [&](std::uint32_t a, std::uint32_t b) {
    const int order = series[a].symbol.compare(series[b].symbol);
    return order != 0 ? order < 0 : series[a].perpspec < series[b].perpspec;
  });
  std::vector<std::uint32_t> rank(series.size());
  for (std::uint32_t i = 0; i < by_name.size(); ++i) rank[by_name[i]] = i;
  // By numbers made once per row: most of a lane's own time would go into comparing rows.
  std::vector<Batch::Place>& places = batch.places;
  places.clear();
  places.reserve(batch.rows.size());
  for (std::uint32_t i = 0; i < batch.rows.size(); ++i) {
    const Row& row = batch.rows[i];
    const std::uint64_t kind =
        batch.is_by_kind ? static_cast<std::uint64_t>(series[row.series].kind) : 0;
    const auto day = static_cast<std::uint64_t>(row.ts / day_ms);  // 2010 to 2100: see take_minute
    places.push_back({kind << 56 | day << 32 | rank[row.series], row.ts, i});
  }
  std::sort(places.begin(), places.end(), [&](const Batch::Place& a, const Batch::Place& b) {
    if (a.group != b.group) return a.group < b.group;
    return a.ts != b.ts ? a.ts < b.ts : batch.rows[a.row].position < batch.rows[b.row].position;
  });
  std::vector<Row>& kept = batch.sorted;
  kept.clear();
  kept.reserve(batch.rows.capacity());  // the two change places
  for (const Batch::Place& place : places) {
    Row row = batch.rows[place.row];
    if (!kept.empty() && is_same_key(kept.back(), row)) {
      fold(batch, kept.back(), row);
      kept.pop_back();
    }
    kept.push_back(row);
  }
  batch.rows.swap(kept);
}

bool needs_merge(const Batch& batch, std::span<const Series> series) {
  return std::any_of(batch.rows.begin(), batch.rows.end(), [&](const Row& row) {
    const Series& of = series[row.series];
    return (row.flags & (market::flag_backfill | market::flag_revision)) != 0 ||
           (of.is_max_known && row.ts <= of.ts_max);
  });
}

}  // namespace perp::warehouse
