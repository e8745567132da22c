// Rows into binary COPY: the minutes of 100 symbols x 18 perpspecs as a lane encodes them, and rows
// with every column filled. Against a goal in nanoseconds; no peer does the same.
#include "harness/goals.hpp"
#include "warehouse/fixture.hpp"

#include <perp/warehouse/copy_encoder.hpp>

#include <benchmark/benchmark.h>

namespace perp::bench {
namespace {

struct Encodable {
  std::string series;
  std::int64_t ts = 0;
  std::vector<market::MinuteValue> values;
};

void encode(benchmark::State& state, const warehouse::RowLayout& layout,
            const std::vector<Encodable>& rows) {
  std::vector<std::byte> buffer(128 * 1024);
  std::byte* at = buffer.data();
  std::int64_t bytes = 0;
  std::size_t next = 0;
  for (auto _ : state) {
    if (buffer.data() + buffer.size() - at < 4096) at = buffer.data();
    const Encodable& row = rows[next];
    next = next + 1 == rows.size() ? 0 : next + 1;
    const warehouse::EncodedRow encoded =
        warehouse::encode_row(layout, row.series, row.ts, row.values, {}, at);
    bytes += encoded.end - at;
    at = encoded.end;
    benchmark::DoNotOptimize(at);
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(bytes);
  state.counters["row_ns"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * 1e-9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

/// As a lane has them: sorted by series.
std::vector<Encodable> minutes_of(const warehouse::RowLayout& layout) {
  std::vector<Encodable> rows;
  for_each_minute({.symbols = 20, .count = 10, .order = Order::series}, [&](const MinuteRow& row) {
    rows.push_back(
        {warehouse::encode_series(layout, row.symbol, row.perpspec), row.ts, row.values});
  });
  return rows;
}

/// Every value column but the side, which is a text.
std::vector<Encodable> full_rows(const warehouse::RowLayout& layout) {
  Encodable row{warehouse::encode_series(layout, "BTC", "bin-ohlcv"), day_0, {}};
  for (std::uint16_t id = 0; id < warehouse::RowLayout::id_limit; ++id)
    if (layout.slots[id] != warehouse::RowLayout::absent &&
        ((layout.side_slots | layout.int4_slots) >> layout.slots[id] & 1) == 0)
      row.values.push_back({id, {}, 1.5 * (id + 1)});
  return {row};
}

const bool goals = [] {
  const auto add = [](const char* name, const warehouse::RowLayout& layout, auto rows) {
    benchmark::RegisterBenchmark(
        name, [&layout, rows](benchmark::State& state) { encode(state, layout, rows(layout)); });
  };
  add("warehouse/encode_row/perp/data", warehouse::perp_data_layout, minutes_of);
  add("warehouse/encode_row/perp/metrics", warehouse::perp_metrics_layout, minutes_of);
  add("warehouse/encode_row/perp/data_all_columns", warehouse::perp_data_layout, full_rows);
  add("warehouse/encode_row/perp/metrics_all_columns", warehouse::perp_metrics_layout, full_rows);
  at_most("warehouse/encode_row/*/data", {}, 25, "row_ns");
  at_most("warehouse/encode_row/*/metrics", {}, 45, "row_ns");
  return true;
}();

}  // namespace
}  // namespace perp::bench
