// When rollups are computed. The order of statements is what keeps them right beside writers that
// store at the same time:
//
//   a writer    BEGIN; rows into perp_data; a row into perp_rollup_due; COMMIT
//   this        BEGIN; DELETE ... RETURNING; INSERT ... SELECT from perp_data; COMMIT
//
// READ COMMITTED, so that each statement sees what was committed when it began. A due row that the
// DELETE sees is committed, hence so are its minutes, and the later INSERT sees them. Minutes that
// are committed after the DELETE may be seen or not: their due row was not deleted and brings them
// next time. If this transaction fails, its due rows are back. Two at once could store an older sum
// over a newer one: the lock keeps them apart.
#include "warehouse/events.hpp"
#include "warehouse/rollup_tables.hpp"
#include "warehouse/session_lock.hpp"

#include <perp/core/time.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/rollup.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace perp::warehouse {
namespace {

bool is_stopped(const std::atomic<bool>* stop) { return stop != nullptr && stop->load(); }

class Roller {
 public:
  Roller(Connection& connection, Backend backend, bool replaces_fuller)
      : connection_(connection), backend_(backend) {
    for (std::size_t level = 0; level < rollup_levels().size(); ++level)
      statements_.push_back(rollup_statement(connection, level, replaces_fuller));
  }

  /// What is due of one level below `end`, up to the end of its first day. @returns false if
  /// nothing is
  bool do_due_day(std::size_t level, std::int64_t end) {
    const RollupLevel& of = rollup_levels()[level];
    const QueryResult first =
        connection_.query("SELECT min(ts) FROM perp_rollup_due WHERE level_ms = $1 AND ts < $2",
                          {of.interval_ms, end});
    if (first.columns[0].is_null(0)) return false;
    const std::int64_t day = core::floor_to(first.columns[0].ints[0], day_ms);
    end = std::min(end, day + day_ms);
    prepare(level, {day, end});
    connection_.execute("BEGIN");
    const QueryResult due = connection_.query(
        "DELETE FROM perp_rollup_due WHERE level_ms = $1 AND ts < $2 RETURNING ts, until",
        {of.interval_ms, end});
    std::vector<BucketRange> ranges, rest;
    for (std::size_t i = 0; i < due.rows; ++i) {
      const BucketRange range{due.columns[0].ints[i], due.columns[1].ints[i]};
      ranges.push_back({range.from, std::min(range.until, end)});
      if (range.until > end) rest.push_back({end, range.until});
    }
    ranges = joined(std::move(ranges));
    for (const BucketRange& range : ranges) compute(level, range);
    tell_next(level, ranges);
    if (!rest.empty()) say_due(of.interval_ms, joined(std::move(rest)));
    connection_.execute("COMMIT");
    return true;
  }

  void do_range(std::size_t level, const BucketRange& range) {
    prepare(level, range);
    connection_.execute("BEGIN");
    compute(level, range);
    connection_.execute("COMMIT");
  }

  RollupReport report() const { return report_; }

 private:
  /// A day without minutes needs no partition.
  void prepare(std::size_t level, const BucketRange& range) {
    if (backend_ != Backend::plain) return;
    const std::string_view source =
        level == 0 ? std::string_view(perp_data().name()) : rollup_levels()[level - 1].table;
    const QueryResult found = connection_.query(
        fmt::format("SELECT EXISTS (SELECT FROM {} WHERE ts >= $1 AND ts < $2)", source),
        {range.from, range.until});
    if (found.columns[0].ints[0] != 0)
      ensure_partition(connection_, rollup_levels()[level].table, range.from);
  }
  /// A bucket whose numbers no sum can hold is left out and told; the others are not its hostages.
  void compute(std::size_t level, const BucketRange& range) {
    try {
      connection_.execute("SAVEPOINT range");
      report_.rows +=
          connection_.query(statements_[level], {range.from, range.until}).columns[0].ints[0];
      connection_.execute("RELEASE SAVEPOINT range");
      ++report_.ranges;
      return;
    } catch (const DatabaseError& error) {
      if (error.is_connection_lost() || !error.sqlstate().starts_with("22")) throw;
      connection_.execute("ROLLBACK TO SAVEPOINT range; RELEASE SAVEPOINT range");
      if (range.until - range.from == rollup_levels()[level].interval_ms)
        return tell_refused(level, range.from, error);
    }
    const std::int64_t interval = rollup_levels()[level].interval_ms;
    const std::int64_t middle = range.from + (range.until - range.from) / interval / 2 * interval;
    compute(level, {range.from, middle});
    compute(level, {middle, range.until});
  }
  void tell_refused(std::size_t level, std::int64_t ts, const DatabaseError& error) {
    const Statement told = refused_statement(
        {"", "", ts, 0, std::string(rollup_levels()[level].table), error.sqlstate(), error.what()});
    connection_.query(told.sql, told.values);
  }
  void tell_next(std::size_t level, const std::vector<BucketRange>& ranges) {
    if (level + 1 == rollup_levels().size()) return;
    const std::int64_t interval = rollup_levels()[level + 1].interval_ms;
    std::vector<BucketRange> wider;
    wider.reserve(ranges.size());
    for (const BucketRange& range : ranges)
      wider.push_back({core::floor_to(range.from, interval),
                       core::floor_to(range.until + interval - 1, interval)});
    say_due(interval, joined(std::move(wider)));
  }
  void say_due(std::int64_t level_ms, const std::vector<BucketRange>& ranges) {
    const Statement due = due_statement(level_ms, ranges);
    connection_.query(due.sql, due.values);
  }

  Connection& connection_;
  Backend backend_;
  std::vector<std::string> statements_;
  RollupReport report_;
};

/// Where the buckets of a level end that are over.
std::int64_t end_of_over(const RollupLevel& level, std::int64_t now_ms) {
  return core::floor_to(now_ms - rollup_grace_ms, level.interval_ms);
}

RollupReport finished(RollupReport report, core::MonoNs begin) {
  report.seconds = static_cast<double>(core::mono_now() - begin) / 1e9;
  return report;
}

}  // namespace

RollupReport roll_up(Connection& connection, Backend backend, std::int64_t now_ms,
                     const std::atomic<bool>* stop) {
  const core::MonoNs begin = core::mono_now();
  const SessionLock lock(connection, "perp rollup", false);
  if (!lock.is_held()) return {};
  Roller roller(connection, backend, false);
  for (std::size_t level = 0; level < rollup_levels().size(); ++level)
    while (!is_stopped(stop) &&
           roller.do_due_day(level, end_of_over(rollup_levels()[level], now_ms))) {
    }
  return finished(roller.report(), begin);
}

RollupReport roll_up_again(Connection& connection, Backend backend, const RollupAgain& what,
                           std::int64_t now_ms, const std::atomic<bool>* stop) {
  if (what.from_ms >= what.to_ms)
    throw core::Error("bad range", "rollup", "expected a time before the end");
  const core::MonoNs begin = core::mono_now();
  const SessionLock lock(connection, "perp rollup", true);
  const QueryResult stored = connection.query(
      "SELECT min(ts), max(ts) FROM perp_data WHERE ts >= $1 AND ts < $2",
      {core::floor_to(what.from_ms, day_ms), core::floor_to(what.to_ms + day_ms - 1, day_ms)});
  if (stored.columns[0].is_null(0)) return finished({}, begin);
  const std::int64_t first =
      std::max(what.from_ms, core::floor_to(stored.columns[0].ints[0], day_ms));
  const std::int64_t last = std::min(what.to_ms, stored.columns[1].ints[0] + 1);
  Roller roller(connection, backend, what.replaces_fuller);
  for (std::size_t level = 0; level < rollup_levels().size(); ++level) {
    const RollupLevel& of = rollup_levels()[level];
    const std::int64_t end = std::min(core::floor_to(last + of.interval_ms - 1, of.interval_ms),
                                      end_of_over(of, now_ms));
    for (std::int64_t from = core::floor_to(first, of.interval_ms);
         from < end && !is_stopped(stop);) {
      const std::int64_t until = std::min(core::floor_to(from, day_ms) + day_ms, end);
      roller.do_range(level, {from, until});
      from = until;
    }
  }
  return finished(roller.report(), begin);
}

}  // namespace perp::warehouse
