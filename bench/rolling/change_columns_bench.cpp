// The batch form: 36 change columns (12 parameters over 1, 5 and 10 minutes) of 900 series x 28 800
// minutes = 25.92 million rows in memory, on one core. One run does one parameter after the other;
// a parameter's column is read once and three are written, 32 bytes per row. Beside:
// - the memory itself: STREAM's copy, bytes per second, beside one parameter at a time;
// - numpy slices and pandas groupby.shift on the same column, in a child process (python3 with the
//   Debian packages; PERP_BENCH_PYTHON names another one), one of the 12 parameters;
// - PostgreSQL's lag() on a tenth of the rows, all 36 columns, in the server of PERP_BENCH_DSN.
// Ours has all 12 + 36 columns in memory, 10 GB.
// Speeds are in rows of all 36 columns per second. Answers are compared on samples, in every bit.
#include "harness/goals.hpp"
#include "harness/two_threads.hpp"
#include "rolling/market_data.hpp"
#include "warehouse/fixture.hpp"

#include <perp/rolling/aligned_doubles.hpp>
#include <perp/rolling/change.hpp>
#include <perp/rolling/change_columns.hpp>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <unistd.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace perp::bench {
namespace {

constexpr std::size_t series = 900;
constexpr std::size_t minutes = 28'800;
constexpr std::size_t rows = series * minutes;
constexpr std::size_t parameters = 12;
constexpr std::array<std::size_t, 3> lags{1, 5, 10};

double value_at(std::size_t parameter, std::size_t row) {
  return made_value(parameter * 0x9e3779b97f4a7c15ULL + row);
}

double expected(std::size_t parameter, std::size_t row, std::size_t lag) {
  if (row % minutes < lag) return std::numeric_limits<double>::quiet_NaN();
  return rolling::change_percent(value_at(parameter, row), value_at(parameter, row - lag));
}

/// Rows all over the table, each series' beginning among them.
std::vector<std::size_t> samples(std::size_t count) {
  std::vector<std::size_t> some;
  for (std::size_t i = 0; i < 500; ++i) some.push_back(mixed(i) % count);
  for (std::size_t i = 0; i < 12; ++i) some.push_back(i);
  for (std::size_t i = 0; i < 12; ++i) some.push_back(count - minutes + i);
  return some;
}

/// All parameters and all their changes, 2.5 + 7.5 GB, made once and touched before they are timed.
struct Table {
  std::vector<rolling::AlignedDoubles> columns;
  std::vector<rolling::AlignedDoubles> outs;  ///< three per parameter
  Table() {
    for (std::size_t p = 0; p < parameters; ++p) {
      columns.emplace_back(rows, 0);
      for (std::size_t i = 0; i < rows; ++i) columns[p].data()[i] = value_at(p, i);
      for (std::size_t w = 0; w < lags.size(); ++w) outs.emplace_back(rows, 0);
    }
  }
  double* out(std::size_t parameter, std::size_t window) {
    return outs[parameter * lags.size() + window].data();
  }
  void compute(std::size_t parameter) {
    const std::array<double*, 3> to{out(parameter, 0), out(parameter, 1), out(parameter, 2)};
    rolling::change_columns({columns[parameter].data(), rows}, minutes, lags, to);
  }
};

/// The table, and what the peers need beside it.
constexpr std::size_t needed_kib = std::size_t{14} << 20;

/// Whether there is room, asked before the table is made; else the benchmark says so.
bool has_memory(benchmark::State& state) {
  static const std::size_t available_kib = [] {
    std::ifstream file("/proc/meminfo");
    std::string word;
    std::size_t kib = 0;
    while (file >> word && word != "MemAvailable:") continue;
    file >> kib;
    return kib;
  }();
  if (available_kib >= needed_kib) return true;
  state.SkipWithError("it needs 14 GiB of free memory");
  return false;
}

Table& table() {
  static Table made;
  return made;
}

void perp_columns(benchmark::State& state) {
  if (!has_memory(state)) return;
  Table& all = table();
  for (std::size_t p = 0; p < parameters; ++p) all.compute(p);
  for (std::size_t p = 0; p < parameters; ++p)
    for (const std::size_t row : samples(rows))
      for (std::size_t w = 0; w < lags.size(); ++w)
        require(same_bits(all.out(p, w)[row], expected(p, row, lags[w])), "a change is wrong");
  for (auto _ : state) {
    for (std::size_t p = 0; p < parameters; ++p) all.compute(p);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(rows * parameters * 32));
}

/// The same, a parameter per iteration: in short rounds beside the memory itself.
void perp_bandwidth(benchmark::State& state) {
  if (!has_memory(state)) return;
  Table& all = table();
  std::size_t p = 0;
  for (auto _ : state) {
    all.compute(p++ % parameters);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(rows * 32));
}

/// STREAM's copy loop over columns of the same size, counted as STREAM does: what is read and
/// written.
void stream_copy(benchmark::State& state) {
  if (!has_memory(state)) return;
  Table& all = table();
  const double* __restrict from = all.columns[0].data();
  double* __restrict to = all.out(0, 0);
  for (auto _ : state) {
    for (std::size_t i = 0; i < rows; ++i) to[i] = from[i];
    benchmark::ClobberMemory();
  }
  require(same_bits(to[rows - 1], from[rows - 1]), "not copied");
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(rows * 16));
}

// ---- Python

/// What both do: read the column from a file, time the three changes, print the seconds and the
/// samples. change() is change_percent with numpy's whole-array operations, in place where that is
/// possible.
constexpr const char* python_head = R"(
import sys, time
import numpy as np
path, series, minutes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
values = np.fromfile(path).reshape(series, minutes)
lags = (1, 5, 10)
def change(now, before):
    d = now - before
    np.divide(d, np.abs(before), out=d)
    d *= 100
    k = np.abs(d)
    missing = ~np.isfinite(k)
    k *= 1000
    k += 0.5
    np.floor(k, out=k)
    k /= 1000
    np.copysign(k, d, out=k)
    np.clip(k, -9999.999, 9999.999, out=k)
    k += 0.0
    k[missing] = np.nan
    return k
def report(seconds, outs):
    print(repr(seconds))
    for row in map(int, sys.stdin.read().split()):
        print(*(float(out.flat[row]).hex() for out in outs))
np.seterr(all='ignore')
)";
constexpr const char* numpy_body = R"(
def run():
    outs = []
    for lag in lags:
        out = np.empty_like(values)
        out[:, :lag] = np.nan
        out[:, lag:] = change(values[:, lag:], values[:, :-lag])
        outs.append(out)
    return outs
run()
start = time.perf_counter()
outs = run()
report(time.perf_counter() - start, outs)
)";
/// The same a few series at a time, so that the intermediate arrays stay in the cache.
constexpr const char* numpy_blocks_body = R"(
outs = [np.full_like(values, np.nan) for lag in lags]
def run():
    for first in range(0, series, 2):
        block = values[first:first + 2]
        for lag, out in zip(lags, outs):
            out[first:first + 2, lag:] = change(block[:, lag:], block[:, :-lag])
run()
start = time.perf_counter()
run()
report(time.perf_counter() - start, outs)
)";
constexpr const char* pandas_body = R"(
import pandas as pd
frame = pd.DataFrame({'series': np.repeat(np.arange(series), minutes), 'x': values.reshape(-1)})
def run():
    grouped = frame.groupby('series')['x']
    return [change(frame['x'].to_numpy(), grouped.shift(lag).to_numpy()) for lag in lags]
start = time.perf_counter()
outs = run()
report(time.perf_counter() - start, outs)
)";

std::string python() {
  const char* named = std::getenv("PERP_BENCH_PYTHON");
  return named != nullptr ? named : "/usr/bin/python3";
}

/// Parameter 0 and the rows asked for, as files. Written once: what the system still writes to disk
/// takes memory bandwidth from whoever runs next.
const std::string& python_folder() {
  static const TemporaryFolder folder;
  [[maybe_unused]] static const bool is_written = [] {
    std::ofstream(folder.path() + "/column", std::ios::binary)
        .write(reinterpret_cast<const char*>(table().columns[0].data()),
               static_cast<std::streamsize>(rows * sizeof(double)));
    std::ofstream asked(folder.path() + "/samples");
    for (const std::size_t row : samples(rows)) asked << row << '\n';
    asked.close();
    sync();
    return true;
  }();
  return folder.path();
}

/// Runs the script over parameter 0 and checks its samples. @returns its seconds for three columns.
double run_python(const std::string& body) {
  const std::string& folder = python_folder();
  const std::string script = folder + "/script.py";
  std::ofstream(script) << python_head << body;
  const std::string command = fmt::format("{} {} {}/column {} {} < {}/samples", python(), script,
                                          folder, series, minutes, folder);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  require(pipe != nullptr, "no child process");
  double seconds = 0;
  require(std::fscanf(pipe.get(), "%lf", &seconds) == 1, "the script gave no time");
  for (const std::size_t row : samples(rows))
    for (const std::size_t lag : lags) {
      double got = 0;
      require(std::fscanf(pipe.get(), "%lf", &got) == 1, "the script gave too few samples");
      require(same_bits(got, expected(0, row, lag)), "the script's change differs");
    }
  return seconds;
}

void python_columns(benchmark::State& state, const std::string& module, const std::string& body) {
  if (!has_memory(state)) return;
  if (std::system((python() + " -c 'import numpy, " + module + "' 2>/dev/null").c_str()) != 0)
    return state.SkipWithError((module + " is not installed for " + python()).c_str());
  for (auto _ : state) state.SetIterationTime(run_python(body) * parameters);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows));
}

// ---- PostgreSQL

constexpr std::size_t table_series = series / 10;

/// The table of a tenth of the series, loaded once: in the order of series and minute, vacuumed,
/// with the key that lag() is partitioned and ordered by.
const Database& loaded_database() {
  static const std::unique_ptr<Database> database = [] {
    auto made = std::make_unique<Database>(servers[0].dsn(), "lag");
    std::string columns;
    for (std::size_t p = 0; p < parameters; ++p) columns += fmt::format(", p{} float8", p);
    run_sql(made->dsn(), "CREATE UNLOGGED TABLE samples (series int, minute int" + columns + ")");
    PGconn* const connection = PQconnectdb(made->dsn().c_str());
    PQclear(PQexec(connection, "COPY samples FROM STDIN"));
    std::string text;
    for (std::size_t row = 0; row < table_series * minutes; ++row) {
      text += fmt::format("{}\t{}", row / minutes, row % minutes);
      for (std::size_t p = 0; p < parameters; ++p) {
        const double value = value_at(p, row);
        text += std::isnan(value) ? "\t\\N" : fmt::format("\t{}", value);
      }
      text += '\n';
      if (text.size() < (1 << 20)) continue;
      PQputCopyData(connection, text.data(), static_cast<int>(text.size()));
      text.clear();
    }
    PQputCopyData(connection, text.data(), static_cast<int>(text.size()));
    PQputCopyEnd(connection, nullptr);
    PGresult* const result = PQgetResult(connection);
    const bool is_loaded = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    PQfinish(connection);
    require(is_loaded, "the table could not be loaded");
    run_sql(made->dsn(), "CREATE INDEX ON samples (series, minute)");
    run_sql(made->dsn(), "VACUUM ANALYZE samples");
    run_sql(made->dsn(), "CHECKPOINT");
    return made;
  }();
  return *database;
}

/// The table's 36 changes, c<parameter>_<lag>; NULL where change_percent is NaN. In three steps,
/// each expression computed once (OFFSET 0 keeps them apart): what was before, the percentage, its
/// rounding. The last addition turns -0 into 0.
std::string changes_sql() {
  std::string before;
  std::string percent;
  std::string rounded;
  for (std::size_t p = 0; p < parameters; ++p) {
    before += fmt::format(", p{}", p);
    for (const std::size_t lag : lags) {
      before += fmt::format(", lag(p{0}, {1}) OVER w AS b{0}_{1}", p, lag);
      percent +=
          fmt::format(", ((p{0} - b{0}_{1}) / abs(nullif(b{0}_{1}, 0))) * 100 AS v{0}_{1}", p, lag);
      rounded += fmt::format(
          ", CASE WHEN v{0}_{1} IS NOT NULL THEN least(greatest(sign(v{0}_{1}) * "
          "floor(abs(v{0}_{1}) * 1000 + 0.5) / 1000, -9999.999), 9999.999) + 0 END AS c{0}_{1}",
          p, lag);
    }
  }
  return "SELECT series, minute" + rounded + " FROM (SELECT series, minute" + percent +
         " FROM (SELECT series, minute" + before +
         " FROM samples WINDOW w AS (PARTITION BY series ORDER BY minute)) q OFFSET 0) r";
}

void postgres_columns(benchmark::State& state) {
  if (servers[0].dsn() == nullptr) return state.SkipWithError("PERP_BENCH_DSN is not set");
  const std::string dsn = loaded_database().dsn();
  const std::string changes = changes_sql();
  for (const std::size_t row :
       {std::size_t{0}, std::size_t{9}, minutes - 1, 3 * minutes + 10, 7 * minutes + 777}) {
    const std::size_t p = row % parameters;
    for (const std::size_t lag : lags) {
      const std::string got =
          run_sql(dsn, fmt::format("SELECT c{}_{} FROM ({}) q WHERE series = {} AND minute = {}", p,
                                   lag, changes, row / minutes, row % minutes));
      const double value = got.empty() ? std::nan("") : std::strtod(got.c_str(), nullptr);
      if (!same_bits(value, expected(p, row, lag)))
        throw std::runtime_error(
            fmt::format("PostgreSQL says '{}' of row {} over {} minutes, not {}", got, row, lag,
                        expected(p, row, lag)));
    }
  }
  // Every column of every row is computed and none is sent or stored.
  const std::string query = "EXPLAIN (ANALYZE, TIMING OFF) " + changes;
  // As told to those who analyse on one core: no spilling, no second worker.
  const std::string settings =
      " options='-c work_mem=1GB -c max_parallel_workers_per_gather=0 -c jit=on'";
  for (auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    run_sql(dsn + settings, query);
    state.SetIterationTime(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(table_series * minutes));
}

[[maybe_unused]] const bool are_added = [] {
  const auto add = [](const char* who, auto run) {
    return benchmark::RegisterBenchmark(
               (std::string("rolling/change_columns/") + who + "/25.92M").c_str(), run)
        ->Iterations(1)
        ->Unit(benchmark::kMillisecond);
  };
  add("perp", perp_columns);
  add("numpy", [](benchmark::State& state) {
    python_columns(state, "numpy", numpy_body);
  })->UseManualTime();
  add("numpy_blocks", [](benchmark::State& state) {
    python_columns(state, "numpy", numpy_blocks_body);
  })->UseManualTime();
  add("pandas", [](benchmark::State& state) {
    python_columns(state, "pandas", pandas_body);
  })->UseManualTime();
  add("postgres", postgres_columns)->UseManualTime();
  benchmark::RegisterBenchmark("rolling/bandwidth/perp/25.92M", perp_bandwidth);
  benchmark::RegisterBenchmark("rolling/bandwidth/stream_copy/25.92M", stream_copy);

  const std::string ours = "rolling/change_columns/*/25.92M";
  rounds(ours, 2);  // they take minutes
  at_least(ours, {"postgres"}, 80);
  at_least(ours, {"pandas"}, 17);
  at_least(ours, {"numpy", "numpy_blocks"}, 2.6);
  at_least("rolling/bandwidth/*/25.92M", {"stream_copy"}, 0.55, "bytes_per_second");
  return true;
}();

}  // namespace
}  // namespace perp::bench
