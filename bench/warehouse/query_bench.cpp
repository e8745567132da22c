// The warehouse's usual question, one symbol, one day, three perpspecs of perp_metrics: ours,
// binary into columns, beside the same question with text results parsed into the same columns; as
// one `perp query --format json` beside psql; and one minute over three venues. Rows are loaded as
// the loader loads them, batch by batch; "sealed" is asked of days that were then rewritten in
// series order, the later half. Needs PERP_BENCH_DSN and PERP_BENCH_TIMESCALE_DSN.
//
// PERP_BENCH_DAYS (2) x 100 symbols x 18 perpspecs x 1440 minutes: 10 are 25.92 million rows, which
// take minutes to load. PERP_BENCH_HISTORY names a database of the servers: loaded by the first run
// and kept. Before each run of 200 questions the asked half of perp_metrics is read into the page
// cache, and some questions are asked that do not count (the first two took twice as long, by ours
// as by the peer): questions are warm as the goal says, whatever the machine did in between.
#include "harness/goals.hpp"
#include "warehouse/fixture.hpp"
#include "warehouse/peers.hpp"

#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/query.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>

namespace perp::bench {
namespace {

constexpr int symbols = 100;
constexpr int queries = 200;
constexpr int warming = 10;

int days() { return std::max(2, from_environment("PERP_BENCH_DAYS", 2)); }
int first_sealed_day() { return days() / 2; }

void load_days(const std::string& dsn) {
  set_up(dsn, days());
  for (int day = 0; day < days(); ++day) {
    const TemporaryFolder folder;
    warehouse::LoaderOptions options;
    options.dsn = dsn;
    options.journal_folder = folder.path() + "/journal";
    const journal::Position end = write_journal(
        options.journal_folder,
        {.symbols = symbols, .count = 1440, .first_ms = day_0 + day * warehouse::day_ms});
    const std::atomic<bool> stop{false};
    const warehouse::LoadReport report = warehouse::Loader(options).run(end, stop);
    std::fprintf(stderr, "day %d: %llu rows into each table in %.1f s\n", day,
                 static_cast<unsigned long long>(report.rows_metrics), report.seconds);
  }
}

/// The partitions or chunks of the later days, each by its index on (symbol, perpspec, ts DESC).
void seal(const std::string& dsn) {
  warehouse::Connection connection(dsn);
  const warehouse::QueryResult found = connection.query(
      "SELECT format('CLUSTER %s USING %I', i.indrelid::regclass, c.relname) FROM pg_index i JOIN "
      "pg_inherits h ON h.inhrelid = i.indrelid JOIN pg_class c ON c.oid = i.indexrelid WHERE "
      "h.inhparent = 'perp_metrics'::regclass AND pg_get_indexdef(i.indexrelid) LIKE '%(symbol, "
      "perpspec, ts DESC)' ORDER BY i.indrelid");
  for (std::size_t i = static_cast<std::size_t>(first_sealed_day()); i < found.rows; ++i)
    connection.execute(std::string(found.columns[0].text(i)));
}

/// The loaded database of a server.
class History {
 public:
  explicit History(const Server& server) {
    const char* const name = std::getenv("PERP_BENCH_HISTORY");
    if (name == nullptr) {
      own_ = std::make_unique<Database>(server.dsn(), "query");
      dsn_ = own_->dsn();
    } else {
      dsn_ = std::string(server.dsn()) + " dbname=" + name;
      if (run_sql(server.dsn(), std::string("SELECT count(*) FROM pg_database WHERE datname = '") +
                                    name + "'") == "0")
        run_sql(server.dsn(), std::string("CREATE DATABASE ") + name);
    }
    if (run_sql(dsn_, "SELECT to_regclass('perp_metrics') IS NULL") != "t") return;
    load_days(dsn_);
    seal(dsn_);
    run_sql(dsn_, "VACUUM ANALYZE");
  }
  const std::string& dsn() const { return dsn_; }
  /// Brings these days of perp_metrics into the kernel's page cache: a machine that reclaims what
  /// was not touched for a while (DAMON, a memory limit) would measure its disk.
  void warm(bool is_sealed) const {
    run_sql(dsn_, "CREATE EXTENSION IF NOT EXISTS pg_prewarm");
    const std::string which = is_sealed ? "> " : "<= ";
    run_sql(dsn_,
            "SELECT sum(pg_prewarm(r.oid::regclass, 'read')) FROM (SELECT inhrelid, row_number() "
            "OVER (ORDER BY inhrelid) AS n FROM pg_inherits WHERE inhparent = "
            "'perp_metrics'::regclass) h CROSS JOIN LATERAL (SELECT inhrelid UNION ALL SELECT "
            "indexrelid FROM pg_index WHERE indrelid = inhrelid) r(oid) WHERE h.n " +
                which + std::to_string(first_sealed_day()));
  }

 private:
  std::unique_ptr<Database> own_;
  std::string dsn_;
};

struct Question {
  std::string symbol;
  std::vector<std::string> specs;
  std::int64_t from;
  std::int64_t to;
};

/// Any symbol and day; candles of one venue, and two other perpspecs of any.
Question random_question(bool is_sealed) {
  static std::mt19937 random(11);
  const auto pick = [](std::initializer_list<const char*> names) {
    return std::string(names.begin()[random() % names.size()]);
  };
  const auto venue = [&] { return pick({"bin-", "byb-", "okx-"}); };
  const int first = is_sealed ? first_sealed_day() : 0;
  const int count = is_sealed ? days() - first_sealed_day() : first_sealed_day();
  const std::int64_t day =
      day_0 +
      (first + static_cast<int>(random() % static_cast<unsigned>(count))) * warehouse::day_ms;
  return {symbol_name(static_cast<int>(random() % symbols)),
          {venue() + "ohlcv", venue() + pick({"oi", "pfr", "lsr"}), venue() + pick({"tv", "lq"})},
          day,
          day + warehouse::day_ms - 1};
}

const std::vector<std::string>& six_columns() {
  static const std::vector<std::string> names{"c", "c_chg_5m", "v", "oi", "oi_chg_5m", "tbv"};
  return names;
}

/// The peer: PQexecPrepared with text results, then strtod and strtoll into vectors.
class TextClient {
 public:
  explicit TextClient(const std::string& dsn) : connection_(PQconnectdb(dsn.c_str())) {
    PQclear(PQexec(connection_, "SET jit = off"));
    std::string all = warehouse::perp_metrics().column_list() + ",exchange",
                six = "ts,symbol,perpspec";
    for (const std::string& name : six_columns()) six += "," + name;
    for (const auto& [name, list] : {std::pair("all", all), std::pair("six", six)})
      PQclear(
          PQprepare(connection_, name,
                    ("SELECT " + list +
                     " FROM perp_metrics WHERE symbol = ANY ($1) AND perpspec = ANY ($2) AND ts "
                     "BETWEEN $3 AND $4 ORDER BY ts, symbol, perpspec")
                        .c_str(),
                    0, nullptr));
  }
  ~TextClient() { PQfinish(connection_); }
  TextClient(const TextClient&) = delete;
  TextClient& operator=(const TextClient&) = delete;

  warehouse::QueryResult query(const char* statement, const Question& question) {
    const std::string symbol_list = "{" + question.symbol + "}",
                      spec_list = "{" + question.specs[0] + "," + question.specs[1] + "," +
                                  question.specs[2] + "}",
                      from_text = std::to_string(question.from),
                      to_text = std::to_string(question.to);
    const char* values[] = {symbol_list.c_str(), spec_list.c_str(), from_text.c_str(),
                            to_text.c_str()};
    PGresult* result = PQexecPrepared(connection_, statement, 4, values, nullptr, nullptr, 0);
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

/// Of one server: warm, and both known to answer the same.
struct Clients {
  History history;
  warehouse::Connection connection{history.dsn()};
  TextClient peer{history.dsn()};

  explicit Clients(const Server& server) : history(server) {
    for (int i = 0; i < queries; ++i) {
      const Question question = random_question(i % 2 == 0);
      const warehouse::QueryResult ours = ask(question);
      if (ours.rows != 3 * 1440 || !is_same(ours, peer.query("all", question)) ||
          !is_same(ask(question, six_columns()), peer.query("six", question)))
        throw std::runtime_error("the two answers differ");
    }
  }
  warehouse::QueryResult ask(const Question& question,
                             const std::vector<std::string>& columns = {}) {
    return warehouse::query_metrics(connection, std::vector<std::string>{question.symbol},
                                    question.specs, question.from, question.to, columns);
  }
};

/// What a command writes is read to its end. @returns its bytes
std::size_t run_program(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen");
  static std::vector<char> buffer(1 << 20);
  std::size_t bytes = 0;
  for (std::size_t got; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) != 0;)
    bytes += got;
  if (pclose(pipe) != 0 || bytes < 1000) throw std::runtime_error("failed: " + command);
  return bytes;
}

/// build/<preset>/perp, beside this program's folder.
std::string perp_program() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "perp")
      .string();
}

std::string quoted(const std::string& text) { return "'" + text + "'"; }

std::size_t query_by_perp(const std::string& dsn, const Question& question) {
  return run_program(quoted(perp_program()) + " query metrics --db " + quoted(dsn) + " --symbol " +
                     question.symbol + " --perpspec " + question.specs[0] + "," +
                     question.specs[1] + "," + question.specs[2] + " --from " +
                     std::to_string(question.from) + " --to " + std::to_string(question.to) +
                     " --format json");
}

std::size_t query_by_psql(const std::string& dsn, const Question& question) {
  return run_program(psql_program() + " -qAtX " + quoted(dsn) +
                     " -c \"SELECT row_to_json(m) FROM perp_metrics m WHERE symbol = '" +
                     question.symbol + "' AND perpspec IN ('" + question.specs[0] + "','" +
                     question.specs[1] + "','" + question.specs[2] + "') AND ts BETWEEN " +
                     std::to_string(question.from) + " AND " + std::to_string(question.to) +
                     " ORDER BY ts, perpspec\"");
}

/// Each query is another; both ways are asked equally often.
template <class Ask>
void query(benchmark::State& state, const Server& server, bool is_sealed, Ask ask) {
  if (server.dsn() == nullptr) {
    state.SkipWithError((std::string(server.variable) + " is not set").c_str());
    return;
  }
  Clients& of = kept<Clients>(server);
  of.history.warm(is_sealed);
  for (int i = 0; i < warming; ++i) ask(of, random_question(is_sealed));
  std::vector<double> seconds;
  for (auto _ : state) {
    const Question question = random_question(is_sealed);
    const auto begin = std::chrono::steady_clock::now();
    ask(of, question);
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    state.SetIterationTime(seconds.back());
  }
  std::sort(seconds.begin(), seconds.end());
  state.counters["p50_ms"] = seconds[seconds.size() / 2] * 1e3;
  state.counters["p95_ms"] = seconds[seconds.size() * 95 / 100] * 1e3;
  state.counters["p99_ms"] = seconds[seconds.size() * 99 / 100] * 1e3;
}

const bool goals = [] {
  for (const Server& server : servers) {
    const auto contest = [&](const char* name) {
      return std::string("warehouse/") + name + "/*/" + server.name;
    };
    const auto add = [&](const std::string& name, const char* who, int times, auto ask) {
      std::string full = name;
      full.replace(full.find('*'), 1, who);
      benchmark::RegisterBenchmark(
          full.c_str(), [&server, ask, is_sealed = name.find("sealed") != std::string::npos](
                            benchmark::State& state) { query(state, server, is_sealed, ask); })
          ->UseManualTime()
          ->Iterations(times)
          ->Unit(benchmark::kMillisecond);
    };
    const auto add_contest = [&](const std::string& all, const std::string& six) {
      add(all, "perp", queries, [](Clients& of, const Question& question) { of.ask(question); });
      add(all, "libpq_text", queries,
          [](Clients& of, const Question& question) { of.peer.query("all", question); });
      add(six, "perp", queries,
          [](Clients& of, const Question& question) { of.ask(question, six_columns()); });
      add(six, "libpq_text", queries,
          [](Clients& of, const Question& question) { of.peer.query("six", question); });
      at_most(all, {}, 15, "p99_ms");
      at_most(all, {"libpq_text"}, 0.35, "p99_ms");
      // What the system that this one replaces aims at.
      at_most(all, {}, 100, "p95_ms");
      at_most(six, {}, 4, "p99_ms");
    };
    add_contest(contest("query_all_columns"), contest("query_six_columns"));
    add_contest(contest("query_sealed_all_columns"), contest("query_sealed_six_columns"));
    const std::string process = contest("query_process"), minute = contest("query_minute");
    add(process, "perp", queries / 4,
        [](Clients& of, const Question& question) { query_by_perp(of.history.dsn(), question); });
    add(process, "psql_row_to_json", queries / 4,
        [](Clients& of, const Question& question) { query_by_psql(of.history.dsn(), question); });
    // What starting a program of libpq's and connecting take alone: no query is faster.
    add(process, "psql_select_1", queries / 4, [](Clients& of, const Question&) {
      run_program(psql_program() + " -qAtX " + quoted(of.history.dsn()) +
                  " -c \"SELECT repeat('1', 1000)\"");
    });
    add(minute, "perp", queries, [](Clients& of, const Question& question) {
      static const std::vector<std::string> venues{"bin-ohlcv", "byb-ohlcv", "okx-ohlcv"};
      static std::mt19937 random(5);
      const std::int64_t ts =
          question.from + static_cast<std::int64_t>(random() % 1440) * warehouse::minute_ms;
      if (warehouse::query_metrics_at(of.connection, question.symbol, venues, ts).rows != 3)
        throw std::runtime_error("a minute has three rows");
    });
    at_most(process, {}, 60, "p99_ms");
    at_most(minute, {}, 2, "p99_ms");
  }
  return true;
}();

}  // namespace
}  // namespace perp::bench
