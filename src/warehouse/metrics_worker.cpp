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

// As perp_ensure_partition names it; $1: the day's first millisecond.
constexpr const char* partition_name_sql =
    "format('perp_metrics_p%s', to_char(to_timestamp($1::bigint / 1000.0) AT TIME ZONE 'UTC', "
    "'YYYYMMDD'))";

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
  // Before the transaction: one that makes a day's chunk keeps all who need another waiting for
  // its end.
  const auto ensure = backend_ == Backend::plain ? ensure_partition : ensure_chunk;
  for (std::int64_t day = core::floor_to(range.from_ms, day_ms); day < range.to_ms; day += day_ms)
    ensure(connection_, perp_metrics().name(), day);
  if (!has_stage_) {
    // With the table's defaults: they say what a row leaves out.
    connection_.execute(fmt::format(
        "CREATE TEMP TABLE {} (LIKE perp_metrics INCLUDING DEFAULTS) ON COMMIT DELETE ROWS",
        metrics_stage));
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
  connection_.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
  MetricsGrid grid(plan_, range.from_ms, range.to_ms);
  read_and_compute(range, grid, report);
  const core::MonoNs begin = core::mono_now();
  write(range, grid, report);
  connection_.execute("COMMIT");
  report.write_seconds = seconds_since(begin);
  return report;
}

void MetricsWorker::read_and_compute(const MetricsRange& range, MetricsGrid& grid,
                                     MetricsReport& report) {
  core::MonoNs begin = core::mono_now();
  const std::vector<std::string> symbols =
      range.is_symbol_span ? std::vector{range.symbols.front(), range.symbols.back()}
                           : range.symbols;
  connection_.query(
      "SELECT set_config('perp.metrics_symbols', $1::text, true), "
      "set_config('perp.metrics_perpspec', $2, true)",
      {symbols, range.perpspec});
  connection_.copy_out(
      fmt::format("COPY (SELECT {} FROM perp_data WHERE {}) TO STDOUT (FORMAT binary)",
                  plan_.select_list,
                  condition(range, range.from_ms - plan_.history_minutes() * minute_ms)),
      [&](std::span<const char> row) { grid.add_row(row); });
  report.rows_read += grid.rows_read();
  report.rows_made += grid.rows_made();
  report.read_seconds += seconds_since(begin);

  begin = core::mono_now();
  grid.compute();
  report.compute_seconds += seconds_since(begin);
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
    return grid.write(connection_, table, MetricsGrid::Order::blocks);
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

// The owner's right, and partitions of a day: as setup makes them.
bool MetricsWorker::can_build(std::int64_t day_first_ms) {
  return backend_ == Backend::plain &&
         day_first_ms + day_ms <= core::wall_now().ns / core::ns_per_ms &&
         connection_
                 .query(
                     "SELECT s.chunk_ms = $1 AND c.relowner = current_user::regrole AND "
                     "has_schema_privilege(c.relnamespace, 'CREATE') FROM perp_series s, "
                     "pg_class c WHERE s.table_name = 'perp_metrics' AND c.oid = "
                     "'perp_metrics'::regclass",
                     {day_ms})
                 .columns[0]
                 .ints.at(0) != 0;
}

// To drop one takes a moment of the whole table for itself. That is had here, before anything is
// read, or not at all: a transaction that has read perp_metrics for minutes must not wait for it.
// Size 0 says more than that no row is visible: nobody ever wrote one there.
void MetricsWorker::make_room(std::span<const std::int64_t> days) {
  for (const std::int64_t day : days) {
    if (!can_build(day)) continue;
    const QueryResult unused = connection_.query(
        fmt::format("SELECT h.inhrelid::regclass::text FROM pg_inherits h WHERE h.inhparent = "
                    "'perp_metrics'::regclass AND h.inhrelid = to_regclass({}) AND "
                    "pg_relation_size(h.inhrelid) = 0",
                    partition_name_sql),
        {day});
    if (unused.rows == 0) continue;
    const std::string name(unused.columns[0].text(0));
    try {
      connection_.execute(fmt::format(
          "BEGIN; SET LOCAL lock_timeout = '2s'; LOCK TABLE ONLY perp_metrics IN ACCESS EXCLUSIVE "
          "MODE; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE",
          name));
      const bool is_unused =
          connection_.query("SELECT pg_relation_size($1::text::regclass) = 0", {name})
              .columns[0]
              .ints[0] != 0;
      connection_.execute(is_unused ? fmt::format("DROP TABLE {}; COMMIT", name) : "ROLLBACK");
    } catch (const DatabaseError& error) {
      // Somebody reads it for long, or was faster.
      const bool is_left = error.sqlstate() == "55P03" || error.sqlstate() == "42P01";
      if (!connection_.recover() || !is_left) throw;
    }
  }
}

std::optional<MetricsReport> MetricsWorker::build_day(std::int64_t day_first_ms,
                                                      const std::vector<std::string>& symbols) {
  if (symbols.empty() || !can_build(day_first_ms)) return std::nullopt;
  const std::string name(
      connection_.query(fmt::format("SELECT {}", partition_name_sql), {day_first_ms})
          .columns[0]
          .text(0));
  const std::string built = name + "_build";
  MetricsRange range{.from_ms = day_first_ms, .to_ms = day_first_ms + day_ms};
  MetricsReport report;
  try {
    lock_days(range);
    if (connection_.query("SELECT to_regclass($1) IS NOT NULL", {name}).columns[0].ints[0] != 0) {
      unlock_days();
      return std::nullopt;
    }
    connection_.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
    // The check spares ATTACH a scan.
    connection_.execute(fmt::format(
        "CREATE TABLE {0} (LIKE perp_metrics INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING "
        "CONSTRAINTS INCLUDING STORAGE, CONSTRAINT perp_build CHECK (ts >= {1} AND ts < {2}))",
        built, range.from_ms, range.to_ms));
    for (std::size_t first = 0; first < symbols.size(); first += slice_symbols) {
      const std::size_t last = std::min(first + slice_symbols, symbols.size());
      range.symbols = {symbols[first], symbols[last - 1]};
      range.is_symbol_span = true;
      MetricsGrid grid(plan_, range.from_ms, range.to_ms);
      read_and_compute(range, grid, report);
      const core::MonoNs begin = core::mono_now();
      report.rows_inserted += grid.write(connection_, built, MetricsGrid::Order::series);
      report.write_seconds += seconds_since(begin);
    }
    const core::MonoNs begin = core::mono_now();
    attach(built, name, day_first_ms);
    connection_.execute("COMMIT");
    report.write_seconds += seconds_since(begin);
    unlock_days();
    return report;
  } catch (const DatabaseError& error) {
    // Somebody made the day's partition meanwhile.
    const bool is_taken = error.sqlstate() == "42P07" || error.sqlstate() == "42P17";
    if (!connection_.recover()) throw;
    unlock_days();
    if (!is_taken) throw;
    return std::nullopt;
  } catch (...) {
    if (connection_.recover()) unlock_days();
    throw;
  }
}

// Every index that the whole table has, so that ATTACH finds them all. Until then nobody else knows
// the table; ATTACH itself is a matter of the catalog, and lets others read and write.
void MetricsWorker::attach(const std::string& built, const std::string& name,
                           std::int64_t day_first_ms) {
  const QueryResult indexes = connection_.query(
      "SELECT substring(d.def FROM position(' USING ' IN d.def)), i.indisunique, i.indisprimary "
      "FROM pg_index i, pg_get_indexdef(i.indexrelid) d(def) WHERE i.indrelid = "
      "'perp_metrics'::regclass AND i.indisvalid ORDER BY i.indexrelid");
  for (std::size_t i = 0; i < indexes.rows; ++i) {
    connection_.execute(fmt::format("CREATE {} INDEX {}_{} ON {}{}",
                                    indexes.columns[1].ints[i] != 0 ? "UNIQUE" : "", name, i, built,
                                    indexes.columns[0].text(i)));
    if (indexes.columns[2].ints[i] != 0)
      connection_.execute(
          fmt::format("ALTER TABLE {} ADD PRIMARY KEY USING INDEX {}_{}", built, name, i));
  }
  connection_.query("SELECT pg_advisory_xact_lock(hashtextextended('perp partitions', 0))::text");
  connection_.execute(fmt::format(
      "ALTER TABLE {0} RENAME TO {1}; ALTER TABLE perp_metrics ATTACH PARTITION {1} FOR VALUES "
      "FROM ({2}) TO ({3}); ALTER TABLE {1} DROP CONSTRAINT perp_build",
      built, name, day_first_ms, day_first_ms + day_ms));
}

}  // namespace perp::warehouse
