// One symbol, one day, three perpspecs out of perp_metrics with 100 symbols x 18 perpspecs x 1441
// minutes (2.59 million rows): ours, binary into columns, against the same prepared statement with
// text results parsed into the same columns. Needs PERP_BENCH_DSN. The two take turns; each turn
// asks for another symbol; counters give the percentiles.
#include "harness/goals.hpp"
#include "warehouse/fixture.hpp"

#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/query.hpp>
#include <perp/warehouse/table.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <memory>

namespace perp::bench {
namespace {

constexpr int symbols = 100;
constexpr int day_minutes = 1445;
const std::vector<std::string> specs = {"bin-ohlcv", "byb-oi", "okx-tv"};
constexpr std::int64_t to = day_0 + 86'400'000 - 1;

// Loaded once, dropped when the program ends; or as PERP_BENCH_QUERY_DSN names it, loaded by an
// earlier run.
const std::string& full_dsn() {
  if (const char* loaded = std::getenv("PERP_BENCH_QUERY_DSN"); loaded != nullptr) {
    static const std::string given = loaded;
    return given;
  }
  static const std::unique_ptr<Database> database = [] {
    auto made = std::make_unique<Database>("query");
    warehouse::setup(made->dsn(), {});
    TemporaryFolder folder;
    journal::Position end = 0;
    write_journal(folder.path(), symbols, day_minutes, end);
    warehouse::LoaderOptions options;
    options.dsn = made->dsn();
    options.journal_folder = folder.path();
    const std::atomic<bool> stop{false};
    const warehouse::LoadReport report = warehouse::Loader(options).run(end, stop);
    std::fprintf(stderr, "loaded %llu rows into each table in %.1f s\n",
                 static_cast<unsigned long long>(report.rows_metrics), report.seconds);
    run_sql(made->dsn(), "VACUUM ANALYZE");
    return made;
  }();
  static const std::string dsn = database->dsn();
  return dsn;
}

/// The peer: PQexecPrepared with text results, then strtod and strtoll into vectors.
class TextClient {
 public:
  explicit TextClient(const std::string& dsn) : connection_(PQconnectdb(dsn.c_str())) {
    const std::string sql = "SELECT " + warehouse::perp_metrics().column_list() +
                            ",exchange FROM perp_metrics WHERE symbol = ANY ($1) AND perpspec = "
                            "ANY ($2) AND ts BETWEEN $3 AND $4 ORDER BY ts, symbol, perpspec";
    PQclear(PQexec(connection_, "SET jit = off"));
    PQclear(PQprepare(connection_, "q", sql.c_str(), 0, nullptr));
  }
  ~TextClient() { PQfinish(connection_); }
  TextClient(const TextClient&) = delete;
  TextClient& operator=(const TextClient&) = delete;

  warehouse::QueryResult query(const std::string& symbol) {
    const std::string symbol_list = "{" + symbol + "}",
                      spec_list = "{" + specs[0] + "," + specs[1] + "," + specs[2] + "}",
                      from_text = std::to_string(day_0), to_text = std::to_string(to);
    const char* values[] = {symbol_list.c_str(), spec_list.c_str(), from_text.c_str(),
                            to_text.c_str()};
    PGresult* result = PQexecPrepared(connection_, "q", 4, values, nullptr, nullptr, 0);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
      throw std::runtime_error(PQerrorMessage(connection_));
    warehouse::QueryResult out;
    out.rows = static_cast<std::size_t>(PQntuples(result));
    for (int c = 0; c < PQnfields(result); ++c) {
      warehouse::ColumnData& column = out.columns.emplace_back();
      column.name = PQfname(result, c);
      column.kind = PQftype(result, c) == 701  ? warehouse::ColumnKind::float64
                    : PQftype(result, c) == 20 ? warehouse::ColumnKind::int64
                                               : warehouse::ColumnKind::text;
      for (int r = 0; r < PQntuples(result); ++r) {
        const bool is_null = PQgetisnull(result, r, c) != 0;
        if (is_null) {
          if (column.nulls.empty()) column.nulls.resize((out.rows + 63) / 64);
          column.nulls[static_cast<std::size_t>(r) / 64] |= std::uint64_t{1} << (r % 64);
        }
        if (column.kind == warehouse::ColumnKind::float64)
          column.floats.push_back(is_null ? std::nan("")
                                          : std::strtod(PQgetvalue(result, r, c), nullptr));
        else if (column.kind == warehouse::ColumnKind::int64)
          column.ints.push_back(is_null ? 0 : std::strtoll(PQgetvalue(result, r, c), nullptr, 10));
        else {
          if (!is_null) column.text_bytes += PQgetvalue(result, r, c);
          column.text_ends.push_back(static_cast<std::uint32_t>(column.text_bytes.size()));
        }
      }
    }
    PQclear(result);
    return out;
  }

 private:
  PGconn* connection_;
};

bool is_same(const warehouse::QueryResult& a, const warehouse::QueryResult& b) {
  if (a.rows != b.rows || a.columns.size() != b.columns.size()) return false;
  for (std::size_t c = 0; c < a.columns.size(); ++c) {
    const warehouse::ColumnData &left = a.columns[c], &right = b.columns[c];
    if (left.name != right.name || left.ints != right.ints || left.text_bytes != right.text_bytes ||
        left.nulls != right.nulls)
      return false;
    for (std::size_t r = 0; r < left.floats.size(); ++r)
      if (!(left.floats[r] == right.floats[r] ||
            (std::isnan(left.floats[r]) && std::isnan(right.floats[r]))))
        return false;
  }
  return true;
}

constexpr int queries = 200;

struct Clients {
  warehouse::Connection connection{full_dsn()};
  TextClient peer{full_dsn()};

  Clients() {
    for (int i = 0; i < symbols; ++i) {
      const std::vector<std::string> symbol = {symbol_name(i)};
      const warehouse::QueryResult ours =
          warehouse::query_metrics(connection, symbol, specs, day_0, to);
      if (ours.rows != 3 * 1440 || !is_same(ours, peer.query(symbol[0])))
        throw std::runtime_error("the two answers differ");
    }
  }
};

/// Each query asks for another symbol; both ways ask for all of them equally often.
template <class Ask>
void query(benchmark::State& state, Ask ask) {
  if (bench_dsn() == nullptr) {
    state.SkipWithError("PERP_BENCH_DSN is not set");
    return;
  }
  static Clients clients;
  static int next = 0;
  std::vector<double> seconds;
  for (auto _ : state) {
    const std::string symbol = symbol_name(next++ % symbols);
    const auto begin = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(ask(clients, symbol).rows);
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    state.SetIterationTime(seconds.back());
  }
  std::sort(seconds.begin(), seconds.end());
  state.counters["p50_ms"] = seconds[seconds.size() / 2] * 1e3;
  state.counters["p99_ms"] = seconds[seconds.size() * 99 / 100] * 1e3;
}

const bool goals = [] {
  const auto add = [](const char* name, auto ask) {
    benchmark::RegisterBenchmark(name, [ask](benchmark::State& state) { query(state, ask); })
        ->UseManualTime()
        ->Iterations(queries)
        ->Unit(benchmark::kMillisecond);
  };
  add("warehouse/query_metrics/perp/1_symbol_1_day_3_specs",
      [](Clients& clients, const std::string& symbol) {
        return warehouse::query_metrics(clients.connection, std::vector<std::string>{symbol}, specs,
                                        day_0, to);
      });
  add("warehouse/query_metrics/libpq_text/1_symbol_1_day_3_specs",
      [](Clients& clients, const std::string& symbol) { return clients.peer.query(symbol); });
  constexpr const char* contest = "warehouse/query_metrics/*/1_symbol_1_day_3_specs";
  at_most(contest, {}, 25, "p99_ms");
  at_least(contest, {"libpq_text"}, 2);
  return true;
}();

}  // namespace
}  // namespace perp::bench
