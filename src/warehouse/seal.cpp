// The steps of sealing, and what each of them must not miss:
//
//   watch   triggers on the partition, which wait for whoever writes it: from now on every change
//   is
//           noted, and what was there before is committed and in the copy
//   copy    one INSERT ... SELECT ... ORDER BY, its indexes, committed
//   wait    until no transaction has a snapshot from before the copy's commit: such a one would
//   find
//           the new partition empty, because its rows are younger than what it may see
//   swap    both tables locked against everybody, briefly; no note, then DETACH, ATTACH, DROP
#include "warehouse/claim.hpp"
#include "warehouse/session_lock.hpp"

#include <perp/core/time.hpp>
#include <perp/warehouse/seal.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace perp::warehouse {
namespace {

constexpr std::int64_t hour_ms = 3'600'000;
constexpr std::int64_t again_ms = 1000;
constexpr std::int64_t look_ms = 50;
constexpr const char* triggers[] = {"perp_seal_rows", "perp_seal_truncate"};

const std::atomic<bool> never{false};

double ms_since(core::MonoNs begin) { return static_cast<double>(core::mono_now() - begin) / 1e6; }

std::string partition_of(const DayPartition& day) {
  const std::chrono::sys_seconds first{std::chrono::seconds(day.first_ms / 1000)};
  return fmt::format("{}_p{:%Y%m%d}", day.table, first);
}

/// Of an attempt that was given up or died: the copy, the triggers, the notes.
void clean_up(Connection& connection, const std::string& partition) {
  connection.execute(fmt::format("DROP TABLE IF EXISTS {}", quote_identifier(partition + "_seal")));
  for (const char* trigger : triggers)
    if (connection
            .query(
                "SELECT FROM pg_trigger WHERE tgrelid = to_regclass(quote_ident($1)) AND tgname = "
                "$2",
                {partition, std::string(trigger)})
            .rows != 0)
      connection.execute(
          fmt::format("DROP TRIGGER {} ON {}", trigger, quote_identifier(partition)));
  connection.query("DELETE FROM perp_seal_changes WHERE partition = $1", {partition});
}

class Sealer {
 public:
  Sealer(Connection& connection, const DayPartition& day, const SealOptions& options)
      : connection_(connection),
        options_(options),
        stop_(options.stop != nullptr ? *options.stop : never),
        day_(day),
        name_(partition_of(day)),
        parent_(quote_identifier(day.table)),
        partition_(quote_identifier(name_)),
        copy_(quote_identifier(name_ + "_seal")) {}

  std::optional<SealReport> run() {
    const core::MonoNs begin = core::mono_now();
    const std::string why = attempt(begin);
    if (why.empty()) return report_;
    tell((stop_.load() ? "told to end" : why) + "; given up");
    attempt_locked([&] { clean_up(connection_, name_); });
    return std::nullopt;
  }

 private:
  /// @returns why it was given up
  std::string attempt(core::MonoNs begin) {
    if (!attempt_locked([&] {
          clean_up(connection_, name_);
          watch();
        }))
      return "the partition is in use";
    const std::string transaction = copy();
    if (!wait_for_older_snapshots(transaction))
      return "a transaction from before the copy does not end";
    bool has_changed = false;
    if (!attempt_locked([&] { has_changed = !swap(); })) return "the table is in use";
    if (has_changed) return "a row has changed since the copy";
    report_.partition = name_;
    report_.seconds = ms_since(begin) / 1e3;
    connection_.query("DELETE FROM perp_seal_changes WHERE partition = $1", {name_});
    return {};
  }

  /// Again while a lock is not to be had. @returns false if it never was, or stopped
  template <class Work>
  bool attempt_locked(const Work& work) {
    for (int i = 0; i < options_.attempts; ++i) {
      if (!pause_unless(stop_, i == 0 ? 0 : again_ms)) return false;
      try {
        connection_.execute(fmt::format("SET lock_timeout = {}", options_.lock_wait_ms));
        work();
        connection_.execute("RESET lock_timeout");
        return true;
      } catch (const DatabaseError& error) {
        if (!connection_.recover()) throw;
        connection_.execute("RESET lock_timeout");
        if (error.sqlstate() != "55P03" && error.sqlstate() != "40P01") throw;
      }
    }
    return false;
  }

  void watch() {
    connection_.execute(fmt::format(
        "BEGIN; CREATE TRIGGER {} AFTER INSERT OR UPDATE OR DELETE ON {} FOR EACH ROW EXECUTE "
        "FUNCTION perp_note_change(); CREATE TRIGGER {} AFTER TRUNCATE ON {} FOR EACH STATEMENT "
        "EXECUTE FUNCTION perp_note_change(); COMMIT",
        triggers[0], partition_, triggers[1], partition_));
  }

  /// Every column of the table, also one that somebody added under a name of his own.
  std::string columns() {
    return std::string(
        connection_
            .query("SELECT string_agg(quote_ident(attname), ',' ORDER BY attnum) FROM "
                   "pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND "
                   "NOT attisdropped AND attgenerated = ''",
                   {day_.table})
            .columns[0]
            .text(0));
  }

  // Like the parent's, so that attaching finds them and builds nothing.
  void build_indexes() {
    const QueryResult indexes = connection_.query(
        "SELECT pg_get_indexdef(i.indexrelid), i.indisunique, coalesce(pg_get_constraintdef(c.oid),"
        " '') FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND "
        "c.conrelid = i.indrelid AND c.contype IN ('p', 'u') WHERE i.indrelid = to_regclass($1) "
        "ORDER BY 1",
        {day_.table});
    for (std::size_t i = 0; i < indexes.rows; ++i) {
      const std::string_view constraint = indexes.columns[2].text(i);
      const std::string_view index = indexes.columns[0].text(i);
      if (!constraint.empty())
        connection_.execute(fmt::format("ALTER TABLE {} ADD {}", copy_, constraint));
      else
        connection_.execute(fmt::format("CREATE {}INDEX ON {}{}",
                                        indexes.columns[1].ints[i] != 0 ? "UNIQUE " : "", copy_,
                                        index.substr(index.find(" USING "))));
    }
  }

  /// @returns its transaction's number
  std::string copy() {
    const std::string list = columns();
    connection_.execute(fmt::format(
        "BEGIN; CREATE TABLE {0} (LIKE {1} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING "
        "CONSTRAINTS INCLUDING STORAGE); ALTER TABLE {0} ADD CONSTRAINT perp_seal_range CHECK (ts "
        ">= {2} AND ts < {3}); INSERT INTO {0} ({4}) SELECT {4} FROM {5} ORDER BY symbol, "
        "perpspec, ts",
        copy_, parent_, day_.first_ms, day_.first_ms + day_ms, list, partition_));
    build_indexes();
    std::string transaction(
        connection_.query("SELECT pg_current_xact_id()::xid::text").columns[0].text(0));
    connection_.execute("COMMIT");
    connection_.execute(fmt::format("VACUUM (ANALYZE) {}", copy_));
    report_.rows =
        connection_
            .query("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass($1)", {copy_})
            .columns[0]
            .ints[0];
    return transaction;
  }

  bool wait_for_older_snapshots(const std::string& transaction) {
    const core::MonoNs begin = core::mono_now();
    for (bool has_told = false; !stop_.load();) {
      const QueryResult older = connection_.query(
          "SELECT pid::bigint FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
          "pg_backend_pid() AND backend_type <> 'autovacuum worker' AND backend_xmin IS NOT NULL "
          "AND age(backend_xmin) >= age($1::text::xid) LIMIT 1",
          {transaction});
      if (older.rows == 0) return true;
      if (!has_told)
        tell(fmt::format("waiting for an older transaction (server process {})",
                         older.columns[0].ints[0]));
      has_told = true;
      if (ms_since(begin) > static_cast<double>(options_.snapshot_wait_ms)) return false;
      pause_unless(stop_, look_ms);
    }
    return false;
  }

  /// @returns false if something has changed since the copy: nothing is done then
  bool swap() {
    // The parent first, like everybody who reads or writes through it.
    connection_.execute(fmt::format(
        "BEGIN; LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE; LOCK TABLE {} IN ACCESS EXCLUSIVE "
        "MODE",
        parent_, partition_));
    const core::MonoNs begin = core::mono_now();
    // A statement of its own: it sees all that was committed when the locks were had.
    if (connection_
            .query("SELECT EXISTS (SELECT FROM perp_seal_changes WHERE partition = $1)", {name_})
            .columns[0]
            .ints[0] != 0) {
      connection_.execute("ROLLBACK");
      return false;
    }
    connection_.execute(fmt::format(
        "ALTER TABLE {0} DETACH PARTITION {1}; DROP TABLE {1}; ALTER TABLE {2} RENAME TO {1}; "
        "ALTER TABLE {0} ATTACH PARTITION {1} FOR VALUES FROM ({3}) TO ({4}); ALTER TABLE {1} DROP "
        "CONSTRAINT perp_seal_range; COMMENT ON TABLE {1} IS '{5}'; COMMIT",
        parent_, partition_, copy_, day_.first_ms, day_.first_ms + day_ms, seal_mark));
    report_.swap_ms = ms_since(begin);
    return true;
  }

  void tell(const std::string& what) const {
    if (options_.on_event) options_.on_event(fmt::format("sealing {}: {}", name_, what));
  }

  Connection& connection_;
  const SealOptions& options_;
  const std::atomic<bool>& stop_;
  DayPartition day_;
  std::string name_;
  std::string parent_;
  std::string partition_;
  std::string copy_;
  SealReport report_;
};

}  // namespace

std::vector<DayPartition> unsealed_days(Connection& connection, std::int64_t now_ms,
                                        int after_hours) {
  const QueryResult found = connection.query(
      "SELECT t, first_ms FROM (SELECT t, c.oid, CASE WHEN c.relname ~ ('^' || t || '_p[0-9]{8}$') "
      "THEN (extract(epoch FROM to_date(right(c.relname, 8), 'YYYYMMDD')) * 1000)::bigint END AS "
      "first_ms FROM unnest($1::text[]) t JOIN pg_inherits i ON i.inhparent = to_regclass(t) JOIN "
      "pg_class c ON c.oid = i.inhrelid) p WHERE first_ms <= $3::bigint AND "
      "coalesce(obj_description(oid, 'pg_class'), '') <> $2 AND pg_relation_size(oid) > 0 ORDER BY "
      "first_ms DESC, t",
      {std::vector<std::string>{perp_data().name(), perp_metrics().name()}, std::string(seal_mark),
       now_ms - std::max<std::int64_t>(after_hours * hour_ms, day_ms)});
  std::vector<DayPartition> out;
  for (std::size_t i = 0; i < found.rows; ++i)
    out.push_back({std::string(found.columns[0].text(i)), found.columns[1].ints[i]});
  return out;
}

std::optional<SealReport> seal_day(Connection& connection, const DayPartition& day,
                                   const SealOptions& options) {
  if (day.table != perp_data().name() && day.table != perp_metrics().name())
    throw core::Error("only perp_data and perp_metrics are sealed", day.table,
                      "other series are small, or stored in order");
  if (day.first_ms % day_ms != 0)
    throw core::Error("not the first moment of a day", "seal", std::to_string(day.first_ms));
  const QueryResult found = connection.query(
      "SELECT FROM pg_inherits WHERE inhparent = to_regclass($1) AND inhrelid = to_regclass($2)",
      {day.table, partition_of(day)});
  if (found.rows == 0)
    throw core::Error("no such partition", partition_of(day),
                      "the day has no rows, or this edition cuts series itself");
  const SessionLock lock(connection, "perp seal", false);
  if (!lock.is_held()) {
    if (options.on_event) options.on_event("sealing: another program is at it");
    return std::nullopt;
  }
  return Sealer(connection, day, options).run();
}

}  // namespace perp::warehouse
