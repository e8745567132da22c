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

/// `order`, indices of rows, by bucket_of(row); rows of one bucket stay as they were.
template <class BucketOf>
void count_into_place(Batch::Order& order, std::size_t buckets, BucketOf bucket_of) {
  std::vector<std::uint32_t>& starts = order.starts;
  starts.assign(buckets + 1, 0);
  for (const std::uint32_t row : order.rows) ++starts[bucket_of(row) + 1];
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  order.next.resize(order.rows.size());
  for (const std::uint32_t row : order.rows) order.next[starts[bucket_of(row)]++] = row;
  order.rows.swap(order.next);
}

/// Which series' name comes when: texts are compared once per series, not once per row.
std::vector<std::uint32_t> ranks_of(std::span<const Series> series) {
  std::vector<std::uint32_t> by_name(series.size());
  std::iota(by_name.begin(), by_name.end(), 0u);
  std::sort(by_name.begin(), by_name.end(), [&](std::uint32_t a, std::uint32_t b) {
    const int order = series[a].symbol.compare(series[b].symbol);
    return order != 0 ? order < 0 : series[a].perpspec < series[b].perpspec;
  });
  std::vector<std::uint32_t> ranks(series.size());
  for (std::uint32_t i = 0; i < by_name.size(); ++i) ranks[by_name[i]] = i;
  return ranks;
}

/// By (kind, day, series), and by time within: the least significant first. Rows come in the order
/// of time, but for late ones, so that nearly nothing is left to compare.
void put_in_order(Batch& batch, std::span<const Series> series) {
  Batch::Order& order = batch.order;
  order.rows.resize(batch.rows.size());
  std::iota(order.rows.begin(), order.rows.end(), 0u);
  const auto day_of = [&](std::uint32_t row) { return batch.rows[row].ts / day_ms; };
  const std::vector<std::uint32_t> ranks = ranks_of(series);
  count_into_place(order, series.size(),
                   [&](std::uint32_t row) { return ranks[batch.rows[row].series]; });
  std::vector<std::int64_t> days;
  for (std::uint32_t row = 0; row < batch.rows.size(); ++row)
    if (days.empty() || days.back() != day_of(row)) days.push_back(day_of(row));
  std::sort(days.begin(), days.end());
  days.erase(std::unique(days.begin(), days.end()), days.end());
  if (days.size() > 1)
    count_into_place(order, days.size(), [&](std::uint32_t row) {
      return static_cast<std::size_t>(std::lower_bound(days.begin(), days.end(), day_of(row)) -
                                      days.begin());
    });
  if (batch.is_by_kind)
    count_into_place(order, market::spec_kinds.size(), [&](std::uint32_t row) {
      return static_cast<std::size_t>(series[batch.rows[row].series].kind);
    });
  const auto is_of_one = [&](std::uint32_t a, std::uint32_t b) {
    return batch.rows[a].series == batch.rows[b].series && day_of(a) == day_of(b);
  };
  const auto is_earlier = [&](std::uint32_t a, std::uint32_t b) {
    return batch.rows[a].ts < batch.rows[b].ts;
  };
  for (auto first = order.rows.begin(), last = first; first != order.rows.end(); first = last) {
    while (last != order.rows.end() && is_of_one(*first, *last)) ++last;
    if (!std::is_sorted(first, last, is_earlier)) std::stable_sort(first, last, is_earlier);
  }
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
  put_in_order(batch, series);
  std::vector<Row>& kept = batch.sorted;
  kept.clear();
  kept.reserve(batch.rows.capacity());  // the two change places
  const std::vector<std::uint32_t>& order = batch.order.rows;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i + rows_ahead < order.size()) __builtin_prefetch(&batch.rows[order[i + rows_ahead]]);
    Row row = batch.rows[order[i]];
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
