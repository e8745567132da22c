// Journal to committed rows, all indexes in place, against `psql \copy ... (FORMAT binary)` of the
// same rows in arrival order into identical tables of the same server. Needs PERP_BENCH_DSN;
// PERP_BENCH_MINUTES (60) sets the size: 100 symbols x 18 perpspecs x minutes rows into each of the
// two tables. Times are wall times, the server's included. The two databases are compared before a
// figure is given.
#include "harness/goals.hpp"
#include "warehouse/fixture.hpp"

#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/copy_encoder.hpp>
#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/table.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>

namespace perp::bench {
namespace {

constexpr int symbols = 100;

int minutes() {
  const char* text = std::getenv("PERP_BENCH_MINUTES");
  return text == nullptr ? 60 : std::atoi(text);
}

struct Input {
  TemporaryFolder folder;
  journal::Position end = 0;
  std::uint64_t rows = 0;
  std::string data_file, metrics_file;

  Input() {
    rows = write_journal(folder.path() + "/journal", symbols, minutes(), end);
    data_file = folder.path() + "/data.copy";
    metrics_file = folder.path() + "/metrics.copy";
    std::ofstream data(data_file, std::ios::binary), metrics(metrics_file, std::ios::binary);
    data << warehouse::copy_header;
    metrics << warehouse::copy_header;
    std::byte buffer[4096];
    for_each_minute(
        symbols, minutes(), [&](market::PerpspecId, std::uint32_t, const MinuteRow& row) {
          for (auto [layout, out] : {std::pair(&warehouse::perp_data_layout, &data),
                                     std::pair(&warehouse::perp_metrics_layout, &metrics)}) {
            const warehouse::EncodedRow encoded = warehouse::encode_row(
                *layout, warehouse::encode_series(*layout, row.symbol, row.perpspec), row.ts,
                row.values, {}, buffer);
            out->write(reinterpret_cast<const char*>(buffer), encoded.end - buffer);
          }
        });
    data << warehouse::copy_trailer;
    metrics << warehouse::copy_trailer;
  }
};

Input& input() {
  static Input made;
  return made;
}

std::string digest(const std::string& dsn) {
  std::string out;
  for (const char* table : {"perp_data", "perp_metrics"})
    out +=
        run_sql(dsn,
                std::string(
                    "SELECT count(*) || ' ' || sum(hashtextextended(t::text, 0)::numeric) FROM ") +
                    table + " t") +
        " ";
  return out;
}

void prepare(const std::string& dsn) {
  warehouse::setup(dsn, {});
  warehouse::Connection connection(dsn);
  if (warehouse::stored_backend(connection) == warehouse::Backend::plain)
    warehouse::ensure_partitions(connection, day_0, 1 + minutes() / 1440);
  run_sql(dsn, "CHECKPOINT");
}

void load_perp(const std::string& dsn, unsigned lanes) {
  warehouse::LoaderOptions options;
  options.dsn = dsn;
  options.journal_folder = input().folder.path() + "/journal";
  options.lanes = lanes;
  const std::atomic<bool> stop{false};
  warehouse::Loader(options).run(input().end, stop);
}

void load_psql(const std::string& dsn) {
  const auto copy = [](const warehouse::Table& table, const std::string& file) {
    return " -c '\\copy " + table.name() + " (" + table.column_list() + ") FROM '\"'\"'" + file +
           "'\"'\"' (FORMAT binary)'";
  };
  const std::string command = "psql -qX -v ON_ERROR_STOP=1 '" + dsn + "'" +
                              copy(warehouse::perp_data(), input().data_file) +
                              copy(warehouse::perp_metrics(), input().metrics_file);
  if (std::system(command.c_str()) != 0) throw std::runtime_error("psql failed");
}

/// One way of loading into fresh tables; what is in them at the end must be the same for all.
void load(benchmark::State& state, void (*way)(const std::string& dsn)) {
  if (bench_dsn() == nullptr) {
    state.SkipWithError("PERP_BENCH_DSN is not set");
    return;
  }
  input();
  static std::string expected;
  for (auto _ : state) {
    const Database database("load");
    prepare(database.dsn());
    const auto begin = std::chrono::steady_clock::now();
    way(database.dsn());
    state.SetIterationTime(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    const std::string found = digest(database.dsn());
    if (expected.empty()) expected = found;
    if (found != expected)
      throw std::runtime_error("the tables differ from those of another way of loading");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(2 * input().rows) *
                          static_cast<std::int64_t>(state.iterations()));  // rows of both tables
}
void two_lanes(const std::string& dsn) { load_perp(dsn, 2); }
void one_lane(const std::string& dsn) { load_perp(dsn, 1); }

const bool goals = [] {
  const auto add = [](const char* name, void (*way)(const std::string&)) {
    benchmark::RegisterBenchmark(name, load, way)
        ->UseManualTime()
        ->Iterations(1)
        ->Unit(benchmark::kSecond);
  };
  add("warehouse/load/perp/two_tables", two_lanes);
  add("warehouse/load/perp_one_lane/two_tables", one_lane);
  add("warehouse/load/psql_copy/two_tables", load_psql);
  rounds("warehouse/load/*/two_tables", 5);
  at_least("warehouse/load/*/two_tables", {"psql_copy"}, 1.0);
  return true;
}();

void encode(benchmark::State& state, const warehouse::RowLayout& layout, int values) {
  std::vector<market::MinuteValue> row;
  for (int i = 0; i < values; ++i)
    row.push_back(
        {static_cast<std::uint16_t>(i < 12 ? i : i + 1), {}, 1.5 * (i + 1)});  // lqside is text
  if (&layout == &warehouse::perp_metrics_layout)
    for (std::size_t window = 0; window < 3; ++window)
      for (const char* name : {"c", "v"})
        row.push_back({static_cast<std::uint16_t>(market::change_column(
                           name[0] == 'c' ? market::column("c") : market::column("v"), window)),
                       {},
                       2.5});
  const std::string series = warehouse::encode_series(layout, "BTC", "bin-ohlcv");
  std::vector<std::byte> buffer(1024 * warehouse::row_bytes_max(layout, series, {}));
  std::byte* at = buffer.data();
  std::int64_t ts = day_0, bytes = 0;
  for (auto _ : state) {
    if (buffer.data() + buffer.size() - at < 2048) at = buffer.data();
    const warehouse::EncodedRow encoded =
        warehouse::encode_row(layout, series, ts += 60'000, row, {}, at);
    bytes += encoded.end - at;
    at = encoded.end;
    benchmark::DoNotOptimize(at);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
  state.SetBytesProcessed(bytes);
}
BENCHMARK_CAPTURE(encode, data, warehouse::perp_data_layout, 5)
    ->Name("warehouse/encode_row/perp/data_5_values");
BENCHMARK_CAPTURE(encode, data_full, warehouse::perp_data_layout, 15)
    ->Name("warehouse/encode_row/perp/data_15_values");
BENCHMARK_CAPTURE(encode, metrics, warehouse::perp_metrics_layout, 5)
    ->Name("warehouse/encode_row/perp/metrics_11_values");

}  // namespace
}  // namespace perp::bench
