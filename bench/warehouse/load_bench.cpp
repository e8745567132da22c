// Minutes from a journal into perp_data and perp_metrics, exactly once, key and indexes in place,
// beside other ways to load the same rows into the same tables. Needs PERP_BENCH_DSN and
// PERP_BENCH_TIMESCALE_DSN; PERP_BENCH_MINUTES (60) sets the size: 100 symbols x 18 perpspecs x
// minutes rows into each of the two tables; PERP_BENCH_BATCH_ROWS the loader's batches. Times are
// wall times, the server's included. What is in the tables at the end must be the same for all
// ways.
#include "harness/goals.hpp"
#include "warehouse/fixture.hpp"
#include "warehouse/peers.hpp"

#include <perp/warehouse/loader.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <sys/resource.h>

namespace perp::bench {
namespace {

int minutes() { return from_environment("PERP_BENCH_MINUTES", 60); }

/// As they arrive: minute by minute.
Minutes live() { return {.symbols = 100, .count = minutes()}; }
/// The same keys again with other values.
Minutes revised() { return {.symbols = 100, .count = minutes(), .seed = 8}; }
/// 100,800 rows, both tables' together.
Minutes few() { return {.symbols = 100, .count = 28}; }
/// Closed hours of fewer symbols, series by series.
Minutes history() { return {.symbols = 20, .count = 5 * minutes(), .order = Order::series}; }

/// One kind of minutes in every form that somebody loads, made when first asked for.
class Input {
 public:
  explicit Input(const Minutes& of, std::uint8_t flags = 0) : minutes(of), flags_(flags) {}
  const Minutes minutes;

  const std::string& journal() {
    if (journal_.empty()) {
      journal_ = folder_.path() + "/journal";
      end_ = write_journal(journal_, minutes, flags_);
    }
    return journal_;
  }
  journal::Position journal_end() {
    journal();
    return end_;
  }
  const CopyFiles& files() {
    if (!files_) files_ = std::make_unique<CopyFiles>(folder_.path() + "/rows", minutes);
    return *files_;
  }
  /// The same rows in two pairs of files, half of the symbols in each.
  const std::vector<CopyFiles>& halves() {
    for (int part = 0; halves_.size() < 2; ++part) {
      Minutes half = minutes;
      half.part = part;
      half.parts = 2;
      halves_.emplace_back(folder_.path() + "/half" + std::to_string(part), half);
    }
    return halves_;
  }
  const RowByRow& statements() {
    if (!statements_) statements_ = std::make_unique<RowByRow>(minutes);
    return *statements_;
  }
  const UnnestUpsert& arrays() {
    if (!arrays_) arrays_ = std::make_unique<UnnestUpsert>(minutes);
    return *arrays_;
  }

 private:
  TemporaryFolder folder_;
  std::uint8_t flags_;
  std::string journal_;
  journal::Position end_ = 0;
  std::unique_ptr<CopyFiles> files_;
  std::vector<CopyFiles> halves_;
  std::unique_ptr<RowByRow> statements_;
  std::unique_ptr<UnnestUpsert> arrays_;
};

Input& live_input() {
  static Input made(live());
  return made;
}
Input& few_input() {
  static Input made(few());
  return made;
}
Input& revised_input() {
  static Input made(revised(), market::flag_revision);
  return made;
}
Input& history_input() {
  static Input made(history());
  return made;
}
Input& history_as_it_arrived() {
  static Input made([] {
    Minutes minutes = history();
    minutes.order = Order::arrival;
    return minutes;
  }());
  return made;
}

std::string digest(const std::string& dsn) {
  std::string out;
  for (const char* table : {"perp_data", "perp_metrics"})
    out += run_sql(dsn, std::string("SELECT count(*) || ' ' || "
                                    "sum(hashtextextended(t::text, 0)::numeric) FROM ") +
                            table + " t") +
           " ";
  return out;
}

/// Both tables again, their texts in the database's own collation.
void use_default_collation(const std::string& dsn) {
  const std::string backend =
      run_sql(dsn, "SELECT value FROM perp_settings WHERE name = 'backend'");
  for (const warehouse::Table* table : {&warehouse::perp_data(), &warehouse::perp_metrics()}) {
    std::string definition = table->definition();
    const std::string collation = " COLLATE \"C\"";
    for (std::size_t at; (at = definition.find(collation)) != std::string::npos;)
      definition.erase(at, collation.size());
    run_sql(dsn, "DROP TABLE " + table->name() + " CASCADE");
    run_sql(dsn, "SET perp.backend = '" + backend + "'; SELECT perp_create_series('" +
                     table->name() + "', $$" + definition + "$$, 1, 0)");
    for (const std::string& index : table->index_statements()) run_sql(dsn, index);
    if (backend == "plain")
      run_sql(dsn, "SELECT perp_ensure_partition('" + table->name() + "', " +
                       std::to_string(day_0) + ")");
  }
}

/// CPU seconds of this process so far: ours, where psql's is another.
double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// A way of loading, timed; `prepare` is not.
struct Way {
  Input& (*input)();
  std::function<void(const std::string& dsn)> prepare;
  std::function<void(const std::string& dsn)> load;
};

void load(benchmark::State& state, const Server& server, const Way& way,
          const std::string& contest) {
  if (server.dsn() == nullptr) {
    state.SkipWithError((std::string(server.variable) + " is not set").c_str());
    return;
  }
  static std::map<std::string, std::string> expected;
  double cpu = 0;
  for (auto _ : state) {
    const Database database(server.dsn(), "load");
    set_up(database.dsn(), 1);
    if (way.prepare) way.prepare(database.dsn());
    run_sql(database.dsn(), "CHECKPOINT");
    const double cpu_before = cpu_seconds();
    const auto begin = std::chrono::steady_clock::now();
    way.load(database.dsn());
    state.SetIterationTime(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    cpu += cpu_seconds() - cpu_before;
    const std::string found = digest(database.dsn());
    std::string& right = expected[contest];
    if (right.empty()) right = found;
    if (found != right)
      throw std::runtime_error("the tables differ from those of another way of loading");
  }
  const std::int64_t rows = 2 * way.input().minutes.rows() * state.iterations();  // of both tables
  state.SetItemsProcessed(rows);
  state.counters["client_ns_per_row"] = cpu / static_cast<double>(rows) * 1e9;
}

auto loader(Input& (*input)(), unsigned lanes) {
  return [input, lanes](const std::string& dsn) {
    warehouse::LoaderOptions options;
    options.dsn = dsn;
    options.journal_folder = input().journal();
    options.lanes = lanes;
    options.batch_rows = static_cast<std::size_t>(
        from_environment("PERP_BENCH_BATCH_ROWS", static_cast<int>(options.batch_rows)));
    const std::atomic<bool> stop{false};
    warehouse::Loader(options).run(input().journal_end(), stop);
  };
}
auto psql(Input& (*input)()) {
  return [input](const std::string& dsn) { psql_copy(dsn, input().files()); };
}
/// What the server and this machine's processors give to two loads at once, whoever loads.
void two_psqls(const std::string& dsn) {
  at_once({[&] { psql_copy(dsn, live_input().halves()[0]); },
           [&] { psql_copy(dsn, live_input().halves()[1]); }});
}

const bool goals = [] {
  const auto add = [](const Server& server, const std::string& name, const std::string& contest,
                      Way way) {
    benchmark::RegisterBenchmark(name.c_str(),
                                 [&server, way, contest](benchmark::State& state) {
                                   // Made before the clock starts.
                                   if (server.dsn() != nullptr) way.input().journal();
                                   if (server.dsn() != nullptr) way.input().files();
                                   load(state, server, way, contest);
                                 })
        ->UseManualTime()
        ->Iterations(1)
        ->Unit(benchmark::kSecond);
  };
  for (const Server& server : servers) {
    const std::string at = std::string("/") + server.name;
    const auto live_way = [&](const char* who, const char* lanes, auto prepare, auto way) {
      add(server, std::string("warehouse/live_minutes/") + who + at + "/" + lanes, "live",
          {live_input, prepare, way});
    };
    const std::function<void(const std::string&)> nothing;
    live_way("perp", "one_connection", nothing, loader(live_input, 1));
    live_way("psql_copy", "one_connection", nothing, psql(live_input));
    live_way("psql_copy_default_collation", "one_connection", use_default_collation,
             psql(live_input));
    live_way(
        "unnest_upsert", "one_connection", [](const std::string&) { live_input().arrays(); },
        [](const std::string& dsn) { live_input().arrays().run(dsn); });
    live_way("perp", "two_connections", nothing, loader(live_input, 2));
    live_way(
        "psql_copy", "two_connections", [](const std::string&) { live_input().halves(); },
        two_psqls);

    const auto few_way = [&](const char* who, auto prepare, auto way) {
      add(server, std::string("warehouse/hundred_thousand_rows/") + who + at, "few",
          {few_input, prepare, way});
    };
    few_way("perp", nothing, loader(few_input, 1));
    few_way(
        "row_by_row", [](const std::string&) { few_input().statements(); },
        [](const std::string& dsn) { few_input().statements().run(dsn); });

    const auto conflict_way = [&](const char* who, auto way) {
      add(server, std::string("warehouse/revised_minutes/") + who + at, "revised",
          {revised_input, psql(live_input), way});
    };
    conflict_way("perp", loader(revised_input, 1));
    conflict_way("stage_and_merge", [](const std::string& dsn) {
      psql_stage_and_merge(dsn, revised_input().files());
    });

    const auto history_way = [&](const char* who, Input& (*input)(), auto way) {
      add(server, std::string("warehouse/sealed_history/") + who + at, "history",
          {input, nothing, way});
    };
    history_way("perp", history_input, loader(history_input, 2));
    history_way("psql_copy", history_input, psql(history_input));
    history_way("psql_copy_as_it_arrived", history_as_it_arrived, psql(history_as_it_arrived));

    const std::string live_one = "warehouse/live_minutes/*" + at + "/one_connection";
    const std::string live_two = "warehouse/live_minutes/*" + at + "/two_connections";
    const std::string conflicts = "warehouse/revised_minutes/*" + at;
    const std::string sealed = "warehouse/sealed_history/*" + at;
    const std::string batches = "warehouse/hundred_thousand_rows/*" + at;
    for (const std::string& contest : {live_one, live_two, conflicts, sealed}) rounds(contest, 5);
    rounds(batches, 3);
    at_least(batches, {"row_by_row"}, 50);
    at_least(live_one, {"psql_copy_default_collation"}, 1.2);
    at_least(live_one, {"psql_copy"}, 1.1);
    at_least(live_one, {"unnest_upsert"}, 2);
    // 3 % of a core for 100,000 rows a second.
    at_most(live_one, {}, 300, "client_ns_per_row");
    at_least(live_two, {"warehouse/live_minutes/psql_copy" + at + "/one_connection"}, 1.6);
    at_least(conflicts, {"stage_and_merge"}, 0.95);
    at_least(sealed, {"psql_copy"}, 1.6);
  }
  return true;
}();

}  // namespace
}  // namespace perp::bench
