#include "warehouse/metrics_worker.hpp"

#include "warehouse/claim.hpp"
#include "warehouse/metrics_grid.hpp"

#include <perp/core/time.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/query.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace perp::warehouse {
namespace {

constexpr std::int64_t stop_grace_ms = 5000;
constexpr std::int64_t conflict_waits_ms[] = {1000, 2000, 3000};
constexpr const char* program = "perp metrics calc";

// Symbols and perpspec are bound into settings of the transaction, because COPY takes no
// parameters. As subqueries they are evaluated once, not for every row.
constexpr const char* symbols_condition =
    "symbol = ANY ((SELECT current_setting('perp.metrics_symbols')::text[])::text[])";
constexpr const char* span_condition =
    "symbol >= (SELECT (current_setting('perp.metrics_symbols')::text[])[1]) AND symbol <= (SELECT "
    "(current_setting('perp.metrics_symbols')::text[])[2])";
constexpr const char* perpspec_condition =
    "perpspec = (SELECT current_setting('perp.metrics_perpspec'))";

std::string condition(const MetricsRange& range, std::int64_t from_ms) {
  std::string out = fmt::format("ts >= {} AND ts < {}", from_ms, range.to_ms);
  if (!range.symbols.empty())
    out += fmt::format(" AND {}", range.is_symbol_span ? span_condition : symbols_condition);
  if (!range.perpspec.empty()) out += fmt::format(" AND {}", perpspec_condition);
  return out;
}

double seconds_since(core::MonoNs begin) {
  return static_cast<double>(core::mono_now() - begin) / 1e9;
}

/// Two writers that met, or a row that came where our snapshot had none.
bool met_another(const DatabaseError& error) {
  return error.sqlstate() == "40001" || error.sqlstate() == "40P01" || error.sqlstate() == "23505";
}

std::vector<std::string> texts_of(const QueryResult& result) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < result.rows; ++i) out.emplace_back(result.columns[0].text(i));
  return out;
}

}  // namespace

bool is_stopped(const MetricsOptions& options) {
  return options.stop != nullptr && options.stop->load();
}

MetricsWorker::MetricsWorker(const MetricsOptions& options)
    : options_(options),
      connection_(options.dsn, program),
      backend_(require_schema(connection_, program)) {
  connection_.set_interrupt(options.stop, stop_grace_ms);
  for (const std::string& symbol : options.symbols)
    symbols_.push_back(resolve_symbol(connection_, symbol));
  std::sort(symbols_.begin(), symbols_.end());
  renew_plan();
}

void MetricsWorker::renew_plan() {
  plan_ = make_metrics_plan(connection_, options_.windows);
  if (has_stage_) connection_.execute(fmt::format("DROP TABLE IF EXISTS {}", metrics_stage));
  has_stage_ = false;
}

std::vector<std::string> MetricsWorker::symbols_in(std::int64_t from_ms, std::int64_t to_ms) {
  // From symbol to symbol through the index, without reading what lies between.
  std::vector<std::string> found = texts_of(connection_.query(
      "WITH RECURSIVE s(symbol) AS ((SELECT symbol FROM perp_data WHERE ts >= $1 AND ts < $2 ORDER "
      "BY symbol LIMIT 1) UNION ALL SELECT (SELECT d.symbol FROM perp_data d WHERE d.symbol > "
      "s.symbol AND d.ts >= $1 AND d.ts < $2 ORDER BY d.symbol LIMIT 1) FROM s WHERE s.symbol IS "
      "NOT NULL) SELECT symbol FROM s WHERE symbol IS NOT NULL",
      {from_ms, to_ms}));
  if (!symbols_.empty())
    std::erase_if(found, [&](const std::string& symbol) {
      return !std::binary_search(symbols_.begin(), symbols_.end(), symbol);
    });
  return found;
}

std::vector<std::string> MetricsWorker::symbols_lacking(std::int64_t from_ms, std::int64_t to_ms) {
  return texts_of(connection_.query(
      "SELECT DISTINCT d.symbol FROM perp_data d WHERE d.ts >= $1 AND d.ts < $2 AND ($3::text[] = "
      "'{}' OR d.symbol = ANY ($3)) AND NOT EXISTS (SELECT FROM perp_metrics m WHERE m.ts = d.ts "
      "AND m.symbol = d.symbol AND m.perpspec = d.perpspec AND m.ts >= $1 AND m.ts < $2) ORDER BY "
      "1",
      {from_ms, to_ms, symbols_}));
}

std::vector<std::int64_t> MetricsWorker::days_in(std::int64_t from_ms, std::int64_t to_ms) {
  const QueryResult found = connection_.query(
      "SELECT day FROM generate_series($1::bigint, $2::bigint, 86400000) day WHERE EXISTS (SELECT "
      "FROM perp_data WHERE ts >= day AND ts < day + 86400000) OR EXISTS (SELECT FROM perp_metrics "
      "WHERE ts >= day AND ts < day + 86400000) ORDER BY day",
      {core::floor_to(from_ms, day_ms), to_ms - 1});
  return found.columns[0].ints;
}

// By the session, and before the transaction: its snapshot is then taken when nobody else of us is
// at work on these days. Ascending, so that two of us never wait for each other.
void MetricsWorker::lock_days(const MetricsRange& range) {
  for (std::int64_t day = core::floor_to(range.from_ms, day_ms); day < range.to_ms; day += day_ms)
    connection_.query("SELECT pg_advisory_lock(hashtextextended('perp metrics', $1))::text", {day});
}

void MetricsWorker::unlock_days() noexcept {
  try {
    connection_.execute("SELECT pg_advisory_unlock_all()");
  } catch (const core::Error&) {
    // The connection is gone, and its locks with it; the next use of it will say so.
  }
}

MetricsReport MetricsWorker::compute(const MetricsRange& range) {
  const core::MonoNs begin = core::mono_now();
  if (backend_ == Backend::plain)
    for (std::int64_t day = core::floor_to(range.from_ms, day_ms); day < range.to_ms; day += day_ms)
      ensure_partition(connection_, perp_metrics().name(), day);
  if (!has_stage_) {
    connection_.execute(
        fmt::format("CREATE TEMP TABLE {} ON COMMIT DELETE ROWS AS SELECT {} FROM perp_metrics "
                    "WITH NO DATA",
                    metrics_stage, plan_.column_list));
    has_stage_ = true;
  }
  const std::atomic<bool> never{false};
  for (std::size_t conflicts = 0;; ++conflicts) {
    try {
      lock_days(range);
      MetricsReport report = attempt(range);
      unlock_days();
      report.retries = static_cast<std::int64_t>(conflicts);
      report.seconds = seconds_since(begin);
      return report;
    } catch (const DatabaseError& error) {
      const bool is_usable = connection_.recover();
      if (is_usable) unlock_days();
      if (!is_usable || !met_another(error) || conflicts == std::size(conflict_waits_ms)) throw;
      if (options_.on_event)
        options_.on_event(
            fmt::format("{}; trying again in {} ms", error.what(), conflict_waits_ms[conflicts]));
      if (!pause_unless(options_.stop != nullptr ? *options_.stop : never,
                        conflict_waits_ms[conflicts]))
        throw;
    } catch (...) {
      if (connection_.recover()) unlock_days();
      throw;
    }
  }
}

MetricsReport MetricsWorker::attempt(const MetricsRange& range) {
  MetricsReport report;
  core::MonoNs begin = core::mono_now();
  connection_.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
  const std::vector<std::string> symbols =
      range.is_symbol_span ? std::vector{range.symbols.front(), range.symbols.back()}
                           : range.symbols;
  connection_.query(
      "SELECT set_config('perp.metrics_symbols', $1::text, true), "
      "set_config('perp.metrics_perpspec', $2, true)",
      {symbols, range.perpspec});
  MetricsGrid grid(plan_, range.from_ms, range.to_ms);
  connection_.copy_out(
      fmt::format("COPY (SELECT {} FROM perp_data WHERE {}) TO STDOUT (FORMAT binary)",
                  plan_.select_list,
                  condition(range, range.from_ms - plan_.history_minutes() * minute_ms)),
      [&](std::span<const char> row) { grid.add_row(row); });
  report.rows_read = grid.rows_read();
  report.rows_made = grid.rows_made();
  report.read_seconds = seconds_since(begin);

  begin = core::mono_now();
  grid.compute();
  report.compute_seconds = seconds_since(begin);

  begin = core::mono_now();
  write(range, grid, report);
  connection_.execute("COMMIT");
  report.write_seconds = seconds_since(begin);
  return report;
}

void MetricsWorker::write(const MetricsRange& range, MetricsGrid& grid, MetricsReport& report) {
  const std::string rows = condition(range, range.from_ms);
  if (range.is_reset)
    report.rows_deleted =
        connection_
            .query(
                fmt::format("WITH gone AS (DELETE FROM perp_metrics WHERE {} RETURNING 1) SELECT "
                            "count(*) FROM gone",
                            rows))
            .columns[0]
            .ints[0];
  if (grid.rows_made() == 0) return;
  const auto copy_into = [&](std::string_view table) {
    connection_.copy_begin(
        fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)", table, plan_.column_list));
    return grid.write(connection_);
  };
  const bool is_empty =
      range.is_reset ||
      connection_.query(fmt::format("SELECT NOT EXISTS (SELECT FROM perp_metrics WHERE {})", rows))
              .columns[0]
              .ints[0] != 0;
  if (is_empty) {
    report.rows_inserted = copy_into(perp_metrics().name());
    return;
  }
  copy_into(metrics_stage);
  const QueryResult merged = connection_.query(plan_.merge, {range.from_ms, range.to_ms});
  report.rows_inserted = merged.columns[0].ints[0];
  report.rows_updated = merged.columns[1].ints[0];
}

}  // namespace perp::warehouse
