// perp_metrics of whole days out of perp_data: ours, which reads by COPY, computes in columns and
// writes by COPY, against one INSERT ... SELECT whose 36 changes are LAG() windows; and the
// computation alone against the same SELECT without its INSERT. Both write into a table with the
// key and the three indexes, emptied before each turn. What the load alone takes is shown beside
// it: two psql with \copy of the very rows. Needs PERP_BENCH_DSN and PERP_BENCH_TIMESCALE_DSN.
// PERP_BENCH_METRICS_DAYS (1) of PERP_BENCH_METRICS_SYMBOLS (10) x 18 perpspecs: 10 and 100
// are 25.92 million rows. Counters say where our time goes.
#include "harness/goals.hpp"
#include "warehouse/fixture.hpp"
#include "warehouse/peers.hpp"

#include <perp/warehouse/metrics_calc.hpp>

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdio>

namespace perp::bench {
namespace {

/// perp_data as it arrived.
class Data {
 public:
  explicit Data(const Server& server) : database_(server.dsn(), "metrics") {
    const int days = from_environment("PERP_BENCH_METRICS_DAYS", 1);
    set_up(dsn(), days);
    for (int day = 0; day < days; ++day) {
      const TemporaryFolder folder;
      const CopyFiles files(folder.path() + "/rows",
                            {.symbols = from_environment("PERP_BENCH_METRICS_SYMBOLS", 10),
                             .count = 1440,
                             .first_ms = day_0 + day * warehouse::day_ms});
      run_psql(dsn(), copy_option("perp_data", warehouse::perp_data(), files.data));
    }
    run_sql(dsn(), "VACUUM ANALYZE perp_data");
    rows_ = std::stoll(run_sql(dsn(), "SELECT count(*) FROM perp_data"));
    end_ms_ = std::stoll(run_sql(dsn(), "SELECT max(ts) FROM perp_data")) + warehouse::minute_ms;
    std::fprintf(stderr, "%s: %lld rows of perp_data\n", server.name,
                 static_cast<long long>(rows_));
  }
  std::string dsn() const { return database_.dsn(); }
  std::int64_t rows() const { return rows_; }
  void empty() const { run_sql(dsn(), "TRUNCATE perp_metrics"); }
  /// All ways must leave the same.
  void check() {
    const std::string found = run_sql(dsn(),
                                      "SELECT count(*) || ' ' || sum(hashtext(m::text)::bigint) "
                                      "FROM perp_metrics m");
    if (digest_.empty()) digest_ = found;
    if (found != digest_) throw std::runtime_error("LAG() and the backfill differ");
  }
  /// The rows of the backfill as files of binary COPY, a half of the days in each.
  void write_files() {
    if (!files_.empty()) return;
    backfill(2);
    const std::int64_t half = day_0 + (end_ms_ - day_0) / warehouse::day_ms / 2 * warehouse::day_ms;
    for (const auto& [from, to] : {std::pair(day_0, half), std::pair(half, end_ms_)}) {
      files_.push_back(folder_.path() + "/" + std::to_string(from));
      run_psql(dsn(), " -c '\\copy (SELECT " + warehouse::perp_metrics().column_list() +
                          " FROM perp_metrics WHERE ts >= " + std::to_string(from) + " AND ts < " +
                          std::to_string(to) + ") TO '\"'\"'" + files_.back() +
                          "'\"'\"' (FORMAT binary)'");
    }
    empty();
  }
  void load_files() const {
    const auto load = [this](const std::string& file) {
      return [this, file] {
        run_psql(dsn(), copy_option("perp_metrics", warehouse::perp_metrics(), file));
      };
    };
    at_once({load(files_[0]), load(files_[1])});
  }
  warehouse::MetricsReport backfill(unsigned workers) const {
    warehouse::MetricsOptions options;
    options.dsn = dsn();
    return warehouse::backfill_metrics(options, day_0, end_ms_, workers);
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
  Database database_;
  TemporaryFolder folder_;
  std::vector<std::string> files_;
  std::int64_t rows_ = 0;
  std::int64_t end_ms_ = 0;
  std::string digest_;

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

/// @param run gives the seconds that count
template <class Run>
void turn(benchmark::State& state, const Server& server, Run run) {
  if (server.dsn() == nullptr) {
    state.SkipWithError((std::string(server.variable) + " is not set").c_str());
    return;
  }
  for (auto _ : state) {
    kept<Data>(server).empty();
    state.SetIterationTime(run(state, kept<Data>(server)));
  }
  state.SetItemsProcessed(state.iterations() * kept<Data>(server).rows());
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
  for (const Server& server : servers) {
    const std::string whole = std::string("warehouse/metrics_backfill/*/whole/") + server.name;
    const std::string computation =
        std::string("warehouse/metrics_backfill/*/computation/") + server.name;
    const auto add = [&](std::string name, const char* who, auto run) {
      name.replace(name.find('*'), 1, who);
      benchmark::RegisterBenchmark(
          name.c_str(), [&server, run](benchmark::State& state) { turn(state, server, run); })
          ->UseManualTime()
          ->Iterations(1)
          ->Unit(benchmark::kMillisecond);
    };
    add(whole, "perp", [](benchmark::State& state, Data& of) {
      warehouse::MetricsReport report;
      const double seconds = seconds_of([&] { report = of.backfill(2); });
      tell(state, report);
      of.check();
      return seconds;
    });
    add(whole, "sql_lag", [](benchmark::State&, Data& of) {
      const double seconds = seconds_of([&] { of.insert_by_lag(); });
      of.check();
      return seconds;
    });
    add(whole, "psql_copy_of_its_rows", [](benchmark::State&, Data& of) {
      of.write_files();
      const double seconds = seconds_of([&] { of.load_files(); });
      of.check();
      return seconds;
    });
    add(computation, "perp", [](benchmark::State& state, Data& of) {
      // By one worker: no other's server takes the processor from it.
      const warehouse::MetricsReport report = of.backfill(1);
      tell(state, report);
      return report.compute_seconds;
    });
    add(computation, "sql_lag",
        [](benchmark::State&, Data& of) { return seconds_of([&] { of.compute_by_lag(); }); });
    rounds(whole, 3);
    rounds(computation, 3);
    at_least(whole, {"sql_lag"}, 3);
    at_least(computation, {"sql_lag"}, 80);
  }
  return true;
}();

}  // namespace
}  // namespace perp::bench
