// perp_metrics of whole days out of perp_data: ours, which reads by COPY, computes in columns and
// writes by COPY, against one INSERT ... SELECT whose 36 changes are LAG() windows; and the
// computation alone against the same SELECT without its INSERT. Both write into a table with the
// key and the three indexes, emptied before each turn. Needs PERP_BENCH_DSN.
// PERP_BENCH_METRICS_SYMBOLS and _DAYS make it larger: 100 and 10 are 25.92 million rows. Counters
// say where our time goes.
#include "harness/goals.hpp"
#include "warehouse/fixture.hpp"

#include <perp/warehouse/metrics_calc.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/table.hpp>

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdio>
#include <memory>

namespace perp::bench {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t day_ms = 86'400'000;

int from_environment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

/// The minutes of a day that there are: a sixth of one unless days are asked for.
struct Size {
  int symbols = from_environment("PERP_BENCH_METRICS_SYMBOLS", 10);
  int days = from_environment("PERP_BENCH_METRICS_DAYS", 0);
  int minutes() const { return days == 0 ? 240 : days * 1440; }
  std::int64_t end() const { return day_0 + minutes() * minute_ms; }
};

/// perp_data filled by the server itself, in arrival order.
struct Data {
  Database database{"metrics"};
  Size size;
  std::int64_t rows = 0;

  Data() {
    warehouse::SetupOptions options;
    options.retention_days = 0;
    warehouse::setup(dsn(), options);
    if (run_sql(dsn(), "SELECT value FROM perp_settings WHERE name = 'backend'") == "plain")
      for (std::int64_t day = day_0; day < size.end(); day += day_ms)
        for (const char* table : {"perp_data", "perp_metrics"})
          run_sql(dsn(), "SELECT perp_ensure_partition('" + std::string(table) + "', " +
                             std::to_string(day) + ")");
    for (std::int64_t day = day_0; day < size.end(); day += day_ms)
      run_sql(dsn(),
              "INSERT INTO perp_data (ts, symbol, perpspec, source, o, h, l, c, v, oi, pfr, lsr, "
              "tbv, tsv, lqside, lqprice, lqqty, lql, lqs) SELECT t, 'COIN' || s, x || '-' || k, x "
              "|| '-' || k, CASE WHEN k = 'ohlcv' THEN 100 END, CASE WHEN k = 'ohlcv' THEN 110 "
              "END, CASE WHEN k = 'ohlcv' THEN 90 END, CASE WHEN k = 'ohlcv' THEN 100 + random() "
              "END, CASE WHEN k = 'ohlcv' THEN 1e6 * random() END, CASE WHEN k = 'oi' THEN 1e9 * "
              "random() END, CASE WHEN k = 'pfr' THEN random() - 0.5 END, CASE WHEN k = 'lsr' THEN "
              "1 + random() END, CASE WHEN k = 'tv' THEN random() END, CASE WHEN k = 'tv' THEN "
              "random() END, CASE WHEN k = 'lq' AND random() < 0.1 THEN 'long' END, CASE WHEN k = "
              "'lq' THEN 100 + random() END, CASE WHEN k = 'lq' THEN random() END, CASE WHEN k = "
              "'lq' THEN random() END, CASE WHEN k = 'lq' THEN random() END FROM "
              "generate_series(" +
                  std::to_string(day) + "::bigint, " +
                  std::to_string(std::min(day + day_ms, size.end()) - minute_ms) +
                  ", 60000) t, generate_series(1, " + std::to_string(size.symbols) +
                  ") s, unnest('{bin,byb,okx}'::text[]) x, "
                  "unnest('{ohlcv,oi,pfr,lsr,tv,lq}'::text[]) k");
    run_sql(dsn(), "VACUUM ANALYZE perp_data");
    rows = std::stoll(run_sql(dsn(), "SELECT count(*) FROM perp_data"));
    // The two must say the same.
    backfill();
    const std::string ours = digest();
    empty();
    insert_by_lag();
    if (digest() != ours) throw std::runtime_error("LAG() and the backfill differ");
    std::fprintf(stderr, "%lld rows of perp_data\n", static_cast<long long>(rows));
  }
  std::string dsn() const { return database.dsn(); }
  void empty() const { run_sql(dsn(), "TRUNCATE perp_metrics"); }
  std::string digest() const {
    return run_sql(dsn(),
                   "SELECT count(*) || ' ' || sum(hashtext(m::text)::bigint) FROM "
                   "perp_metrics m");
  }
  warehouse::MetricsReport backfill() const {
    warehouse::MetricsOptions options;
    options.dsn = dsn();
    return warehouse::backfill_metrics(options, day_0, size.end(), 2);
  }
  void insert_by_lag() const {
    run_sql(dsn(), "SET work_mem = '256MB'; SET jit = off; INSERT INTO perp_metrics (" +
                       columns(false) + ") " + select(false));
  }
  void compute_by_lag() const {
    run_sql(dsn(), "SET work_mem = '256MB'; SET jit = off; SELECT " + columns(true) + " FROM (" +
                       select(true) + ") computed");
  }

 private:
  static bool is_change(const warehouse::TableColumn& column) {
    return column.role == warehouse::ColumnRole::value && market::is_change(column.id);
  }
  /// Of perp_metrics: all but what has a default, or `count()` of each change.
  static std::string columns(bool counted) {
    std::string out;
    for (const warehouse::TableColumn& column : warehouse::perp_metrics().columns()) {
      if (column.name == "window_sizes" || (counted && !is_change(column))) continue;
      out += (out.empty() ? "" : ", ") +
             (counted ? "count(" + column.name + ")" : "\"" + column.name + "\"");
    }
    return out;
  }
  /// The specification's change with LAG(), its -0 made 0; rows are complete, so that w rows back
  /// is w minutes back.
  static std::string select(bool only_changes) {
    std::string out;
    for (const warehouse::TableColumn& column : warehouse::perp_metrics().columns()) {
      if (column.name == "window_sizes" || (only_changes && !is_change(column))) continue;
      if (!out.empty()) out += ", ";
      if (!is_change(column)) {
        out += "\"" + column.name + "\"";
        continue;
      }
      const market::Column& raw =
          market::columns[static_cast<std::size_t>(market::raw_column_of(column.id))];
      const std::string x(raw.name);
      const std::string w =
          std::to_string(market::change_windows_minutes[market::window_index_of(column.id)]);
      const std::string before = "lag(" + x + ", " + w + ") OVER s";
      if (raw.type == market::ColumnType::position_side)
        out += "CASE WHEN lag(ts, " + w + ") OVER s IS NOT NULL AND " + x + " IS DISTINCT FROM " +
               before + " THEN " + x + " END";
      else
        out += "CASE WHEN " + x + " IS NOT NULL AND " + before +
               " <> 0 THEN 0::float8 + greatest(-9999.999::float8, least(9999.999::float8, sign(" +
               x + " - " + before + ") * (floor(abs((" + x + " - " + before + ") / abs(" + before +
               ") * 100) * 1000 + 0.5) / 1000))) END";
      out += " AS " + column.name;
    }
    return "SELECT " + out +
           " FROM perp_data WINDOW s AS (PARTITION BY symbol, perpspec ORDER BY ts)";
  }
};

const Data& data() {
  static const Data made;
  return made;
}

/// @param run gives the seconds that count
template <class Run>
void turn(benchmark::State& state, Run run) {
  if (bench_dsn() == nullptr) {
    state.SkipWithError("PERP_BENCH_DSN is not set");
    return;
  }
  for (auto _ : state) {
    data().empty();
    state.SetIterationTime(run(state));
  }
  state.SetItemsProcessed(state.iterations() * data().rows);
}

template <class Work>
double seconds_of(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void tell(benchmark::State& state, const warehouse::MetricsReport& report) {
  state.counters["read_s"] = report.read_seconds;
  state.counters["compute_s"] = report.compute_seconds;
  state.counters["write_s"] = report.write_seconds;
}

const bool goals = [] {
  const auto add = [](const char* name, auto run) {
    benchmark::RegisterBenchmark(name, [run](benchmark::State& state) { turn(state, run); })
        ->UseManualTime()
        ->Iterations(1)
        ->Unit(benchmark::kMillisecond);
  };
  add("warehouse/metrics_backfill/perp/whole", [](benchmark::State& state) {
    warehouse::MetricsReport report;
    const double seconds = seconds_of([&] { report = data().backfill(); });
    tell(state, report);
    return seconds;
  });
  add("warehouse/metrics_backfill/sql_lag/whole",
      [](benchmark::State&) { return seconds_of([] { data().insert_by_lag(); }); });
  add("warehouse/metrics_backfill/perp/computation", [](benchmark::State& state) {
    const warehouse::MetricsReport report = data().backfill();
    tell(state, report);
    return report.compute_seconds;
  });
  add("warehouse/metrics_backfill/sql_lag/computation",
      [](benchmark::State&) { return seconds_of([] { data().compute_by_lag(); }); });
  at_least("warehouse/metrics_backfill/*/whole", {"sql_lag"}, 3);
  at_least("warehouse/metrics_backfill/*/computation", {"sql_lag"}, 80);
  return true;
}();

}  // namespace
}  // namespace perp::bench
