// A batch's order and its joined rows, compared with a stable sort by the texts themselves and a
// map of what each key's records said, in the order in which they said it.
#include "warehouse/batch.hpp"

#include <perp/warehouse/table.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <tuple>

namespace perp::warehouse {
namespace {

using Known = std::map<std::uint16_t, double>;

struct Expected {
  std::tuple<int, std::int64_t, std::string, std::string, std::int64_t> key;
  Known data;     ///< of every record of the key, the last known one of each column
  Known metrics;  ///< of its last record
  std::uint8_t flags = 0;
};

/// How rows come: so many series and days, and one in `late` of them is late by up to a day.
struct Shape {
  std::size_t rows = 0;
  std::size_t series = 1;
  int days = 1;
  unsigned late = 0;
};

std::vector<Series> make_series(std::size_t count, std::mt19937& random) {
  constexpr std::array kinds{"ohlcv", "oi", "pfr", "lsr", "tv", "lq", "rsi"};
  std::vector<Series> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    out[i].kind = static_cast<market::SpecKind>(i % kinds.size());
    // Names of which one begins another, and in no order.
    out[i].symbol = "S" + std::string(1 + i / kinds.size() % 3, 'A') + std::to_string(i / 21);
    out[i].perpspec = std::string("bin-") + kinds[i % kinds.size()];
  }
  std::shuffle(out.begin(), out.end(), random);
  return out;
}

Batch make_batch(const Shape& shape, std::mt19937& random) {
  Batch batch;
  batch.clear(0);
  const std::int64_t day_0 = 20000 * day_ms;
  for (std::size_t i = 0; i < shape.rows; ++i) {
    Row row;
    row.series = static_cast<std::uint32_t>(random() % shape.series);
    const std::size_t minutes = static_cast<std::size_t>(shape.days) * 1440;
    std::int64_t minute = static_cast<std::int64_t>(i * minutes / shape.rows);
    if (shape.late != 0 && random() % shape.late == 0)
      minute = std::max<std::int64_t>(0, minute - static_cast<std::int64_t>(random() % 1440));
    row.ts = day_0 + minute * minute_ms;
    row.position = 100 + i;
    row.flags = static_cast<std::uint8_t>(random() % 2 == 0 ? market::flag_revision : 0);
    row.data_first = row.metrics_first = static_cast<std::uint32_t>(batch.values.size());
    row.data_count = row.metrics_count = static_cast<std::uint16_t>(random() % 4);
    for (unsigned v = 0; v < row.data_count; ++v) {
      market::MinuteValue value;
      value.column = static_cast<std::uint16_t>(3 * v + random() % 3);
      value.value = random() % 4 == 0 ? std::nan("") : static_cast<double>(random() % 1000);
      batch.values.push_back(value);
    }
    batch.rows.push_back(row);
  }
  return batch;
}

Known known(std::span<const market::MinuteValue> values) {
  Known out;
  for (const market::MinuteValue& value : values)
    if (!std::isnan(value.value)) out[value.column] = value.value;
  return out;
}

std::vector<Expected> expected_of(const Batch& batch, std::span<const Series> series) {
  // "A backlog, many rows of each series, by kind first."
  std::map<std::uint32_t, int> listed;
  for (const Row& row : batch.rows) ++listed[row.series];
  const bool is_by_kind = batch.rows.size() >= 2000 && batch.rows.size() >= 8 * listed.size();
  std::vector<std::pair<Expected, const Row*>> all;
  for (const Row& row : batch.rows) {
    const Series& of = series[row.series];
    all.push_back({{{is_by_kind ? static_cast<int>(of.kind) : 0, row.ts / day_ms, of.symbol,
                     of.perpspec, row.ts},
                    known(batch.data_values(row)),
                    known(batch.metrics_values(row)),
                    row.flags},
                   &row});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.first.key < b.first.key; });
  std::vector<Expected> out;
  for (auto& [one, row] : all) {
    if (out.empty() || out.back().key != one.key) {
      out.push_back(one);
      continue;
    }
    for (const auto& [column, value] : one.data) out.back().data[column] = value;
    out.back().metrics = one.metrics;
    out.back().flags |= one.flags;
  }
  return out;
}

class BatchOrder : public testing::TestWithParam<Shape> {};

TEST_P(BatchOrder, IsThatOfTheTextsAndRowsOfOneKeyAreOne) {
  for (std::uint32_t seed = 1; seed <= 5; ++seed) {
    std::mt19937 random(seed);
    const std::vector<Series> series = make_series(GetParam().series, random);
    Batch batch = make_batch(GetParam(), random);
    // Its memory is used again from batch to batch: one of another shape was here before.
    Batch before = make_batch({.rows = 700, .series = GetParam().series, .days = 3}, random);
    sort_and_fold(before, series);
    batch.order = before.order;
    batch.sorted = before.sorted;
    const std::vector<Expected> expected = expected_of(batch, series);
    const std::size_t rows_before = batch.rows.size();
    sort_and_fold(batch, series);
    ASSERT_EQ(batch.rows.size(), expected.size());
    EXPECT_EQ(batch.folded, rows_before - expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const Row& row = batch.rows[i];
      const Series& of = series[row.series];
      const auto& [kind, day, symbol, perpspec, ts] = expected[i].key;
      ASSERT_EQ(std::tie(of.symbol, of.perpspec, row.ts), std::tie(symbol, perpspec, ts)) << i;
      EXPECT_EQ(known(batch.data_values(row)), expected[i].data) << i;
      EXPECT_EQ(known(batch.metrics_values(row)), expected[i].metrics) << i;
      EXPECT_EQ(row.flags, expected[i].flags) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, BatchOrder,
    testing::Values(Shape{0, 1, 1, 0}, Shape{1, 1, 1, 0}, Shape{500, 1, 1, 3},
                    Shape{1000, 300, 1, 0}, Shape{1000, 300, 2, 5},  // few of each series
                    Shape{3000, 40, 1, 0}, Shape{3000, 40, 1, 4},    // by kind
                    Shape{4000, 60, 30, 7}, Shape{2000, 5, 2000, 2}),
    [](const auto& shape) {
      return std::to_string(shape.param.rows) + "rows" + std::to_string(shape.param.series) +
             "series" + std::to_string(shape.param.days) + "days" +
             (shape.param.late == 0 ? "" : "late" + std::to_string(shape.param.late));
    });

}  // namespace
}  // namespace perp::warehouse
