// The writing half of a lane: connect, commit, retry, decide what a lost answer was.
#include "warehouse/lane.hpp"

#include "warehouse/claim.hpp"
#include "warehouse/events.hpp"

#include <perp/core/page_memory.hpp>
#include <perp/warehouse/perpspecs.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace perp::warehouse {
namespace {

constexpr std::int64_t backoff_first_ms = 100;
constexpr std::int64_t backoff_last_ms = 2000;
constexpr std::size_t values_of_a_minute = 12;  // as most kinds have at most
constexpr std::int64_t conflict_waits_ms[] = {1000, 2000, 3000};

bool is_conflict(const DatabaseError& error) {
  return error.sqlstate() == "40P01" || error.sqlstate() == "40001";
}

}  // namespace

std::string journal_name(std::uint64_t journal_id) { return fmt::format("{:016x}", journal_id); }

Lane::Lane(const LoaderOptions& options, unsigned lane, std::string journal, Primary& primary)
    : options_(options),
      lane_(lane),
      journal_(std::move(journal)),
      primary_(primary),
      store_(static_cast<int>(lane), journal_) {
  // Pages are taken as they are written to: what is never used costs nothing, and nothing is copied
  // while a batch grows.
  batch_.rows.reserve(options.batch_rows);
  batch_.values.reserve(options.batch_rows * values_of_a_minute);
  core::wish_huge_pages(batch_.rows.data(), batch_.rows.capacity() * sizeof(Row));
  core::wish_huge_pages(batch_.values.data(),
                        batch_.values.capacity() * sizeof(market::MinuteValue));
}

LoadReport Lane::report() const {
  const std::lock_guard guard(mutex_);
  return report_;
}

void Lane::say(const Statement& statement) {
  if (session_) session_->connection.query(statement.sql, statement.values);
}

void Lane::end_session() { session_.reset(); }

void Lane::tell(const std::string& what) const {
  if (options_.on_event) options_.on_event(fmt::format("lane {}: {}", lane_, what));
}

/// Troubles are counted when they happen: whoever watches sees them while they last.
void Lane::count(std::uint64_t LoadReport::*what) {
  const std::lock_guard guard(mutex_);
  ++(report_.*what);
}

/// Nothing of ours that was read waits to be stored.
void Lane::publish_loaded() {
  const std::lock_guard guard(mutex_);
  report_.loaded_ns = read_ns_;
}

std::string Lane::where() const {
  return fmt::format("loader lane {}, journal positions {} to {}", lane_, batch_.begin, batch_.end);
}

bool Lane::pause(std::int64_t ms) const { return pause_unless(*stop_, ms); }

void Lane::run(journal::Position until, bool is_endless, const std::atomic<bool>& stop) {
  stop_ = &stop;
  if (!connect()) return;
  seek(cursor_);
  {
    const std::lock_guard guard(mutex_);
    report_.cursors = {cursor_};
  }
  while (true) {
    fill(until, is_endless);
    if (batch_.end != batch_.begin || !batch_.is_empty()) commit();
    if (is_stopped() || is_done_) return;
  }
}

void Lane::seek(journal::Position position) {
  cursor_ = position;
  reader_ = std::make_unique<journal::Reader>(options_.journal_folder, position);
  damages_told_ = 0;
  is_done_ = false;
  batch_.clear(position);
  series_by_id_.clear();
  fact_series_by_id_.clear();
  recall_repeats();
  stored_instruments_.clear();
  // What was counted while reading is read again; what happened to the connection stays.
  pending_.rows_expired = pending_.not_primary = pending_.undefined = pending_.inactive = 0;
  last_commit_ns_ = core::mono_now().ns;
  read_ns_ = core::unknown_ns;
  publish_loaded();
}

/// Connects, takes the lane's lock and reads its cursor; tries until it works or stop. @returns
/// false if stopped.
bool Lane::connect() {
  session_.reset();
  std::int64_t backoff_ms = backoff_first_ms;
  for (;;) {
    if (is_stopped()) return false;
    try {
      Connection connection(options_.dsn, fmt::format("perp loader lane {}", lane_));
      connection.set_interrupt(stop_, options_.stop_grace_ms);
      const ServerIdentity server = primary_.enter(connection);
      const Backend backend = require_schema(connection, "loader");
      if (!lock_lane(connection, lane_, last_pid_, *stop_)) return false;
      connection.listen(perpspec_channel);
      std::vector<FactTableState> facts = read_fact_states(connection, options_.fact_tables);
      const int retention_days = !options_.keeps_retention ? 0
                                 : options_.retention_days ? *options_.retention_days
                                                           : stored_retention_days(connection);
      session_ = std::make_unique<Session>(
          Session{std::move(connection), server, backend, retention_days, std::move(facts)});
      last_pid_ = session_->connection.backend_pid();
      store_.forget_session();
      days_.clear();
      fact_chunks_.clear();
      // The database may be another one now (a restored copy): nothing that was known of it is
      // taken for granted.
      for (Series& series : series_) series.is_max_known = series.is_registered = false;
      for (LaneFactSeries& series : fact_series_) series.is_known = false;
      stored_instruments_.clear();
      read_cursor(cursor_, events_from_);
      return true;
    } catch (const DatabaseError& error) {
      session_.reset();
      if (!error.is_connection_lost() && !passes_by_itself(error)) throw;
      tell(fmt::format("{}; trying again in {} ms", error.what(), backoff_ms));
    }
    pause(backoff_ms);
    backoff_ms = std::min(2 * backoff_ms, backoff_last_ms);
  }
}

void Lane::read_cursor(journal::Position& position, journal::Position& events_position) {
  const QueryResult row = session_->connection.query(
      "SELECT position, events_position, lanes FROM perp_load_cursors WHERE lane = $1 AND journal "
      "= $2",
      {static_cast<std::int16_t>(lane_), journal_});
  if (row.rows != 1 || row.columns[2].ints[0] != options_.lanes)
    throw core::Error("the load cursor is not ours any more", fmt::format("loader lane {}", lane_),
                      "another loader claimed it with another number of lanes");
  position = static_cast<journal::Position>(row.columns[0].ints[0]);
  events_position = static_cast<journal::Position>(row.columns[1].ints[0]);
}

void Lane::refuse_expired() {
  if (session_->retention_days == 0 || session_->backend != Backend::plain) return;
  const std::int64_t oldest = core::floor_to(
      core::wall_now().ns / core::ns_per_ms - session_->retention_days * day_ms, day_ms);
  pending_.rows_expired +=
      std::erase_if(batch_.rows, [&](const Row& row) { return row.ts < oldest; });
}

// Looks up what is not known yet of the batch's series, in one round trip: whether their perpspec
// is registered and active, and their greatest stored ts.
void Lane::register_series() {
  if (session_->connection.take_notifications())  // somebody changed the registry
    for (Series& series : series_) series.is_registered = false;
  std::vector<std::uint32_t> unknown;
  std::vector<bool> is_listed(series_.size(), false);
  for (const Row& row : batch_.rows) {
    if (is_listed[row.series]) continue;
    is_listed[row.series] = true;
    if (!series_[row.series].is_max_known || !series_[row.series].is_registered)
      unknown.push_back(row.series);
  }
  if (!unknown.empty()) {
    std::vector<std::string> symbols, perpspecs;
    std::vector<Statement> statements;
    std::set<std::string> names;
    for (std::uint32_t index : unknown) {
      symbols.push_back(series_[index].symbol);
      perpspecs.push_back(series_[index].perpspec);
      names.insert(series_[index].perpspec);
    }
    // A venue's specs are registered when it is first enabled, and its first minute is proof of
    // that.
    for (const market::Perpspec& spec : market::perpspecs)
      if (names.contains(market::perpspec_name(spec.id)))
        statements.push_back(perpspec_statement(spec));
    statements.push_back(
        {"SELECT r.active, greatest((SELECT max(ts) FROM perp_data d WHERE d.symbol = k.symbol AND "
         "d.perpspec = k.perpspec), "
         "(SELECT max(ts) FROM perp_metrics m WHERE m.symbol = k.symbol AND m.perpspec = "
         "k.perpspec)) "
         "FROM unnest($1::text[], $2::text[]) WITH ORDINALITY k(symbol, perpspec, n) JOIN "
         "perpspec_schema r ON r.perpspec_name = k.perpspec ORDER BY k.n",
         {symbols, perpspecs}});
    const QueryResult found = std::move(session_->connection.pipeline(statements).back());
    if (found.rows != unknown.size())
      throw core::Error("perpspec not registered", where(),
                        "perpspec_schema lost a row while it was read");
    for (std::size_t i = 0; i < unknown.size(); ++i) {
      Series& series = series_[unknown[i]];
      series.is_active = found.columns[0].ints[i] != 0;
      series.ts_max = found.columns[1].is_null(i) ? std::numeric_limits<std::int64_t>::min()
                                                  : found.columns[1].ints[i];
      series.is_max_known = series.is_registered = true;
    }
  }
  pending_.inactive += static_cast<std::uint64_t>(
      std::erase_if(batch_.rows, [&](const Row& row) { return !series_[row.series].is_active; }));
}

/// Everything a batch needs before its transaction; may be repeated on a new connection.
void Lane::prepare() {
  register_series();
  prepare_facts();
  for (const Row& row : batch_.rows) {
    const std::int64_t day = core::floor_to(row.ts, day_ms);
    if (days_.contains(day)) continue;
    for (const Table* table : {&perp_data(), &perp_metrics()})
      if (session_->backend == Backend::plain)
        ensure_partition(session_->connection, table->name(), day);
      else
        ensure_chunk(session_->connection, table->name(), day);
    days_.insert(day);
  }
}

void Lane::commit() {
  refuse_expired();
  refuse_expired_facts();
  sort_and_fold(batch_, series_);
  judge_facts();
  std::optional<StoreMode> mode;
  int conflicts = 0;
  bool has_renewed_days = false;
  bool has_reconnected = false;
  std::int64_t backoff_ms = backoff_first_ms;
  const journal::Position begin = batch_.begin;
  while (true) {
    try {
      primary_.require_current(session_->server);
      prepare();
      if (!mode) mode = needs_merge(batch_, series_) ? StoreMode::merge : StoreMode::direct;
      store_.write(session_->connection, batch_, series_, *mode);
      finish_commit(*mode, false);
      return;
    } catch (const DatabaseError& error) {
      // A server that has become read-only is a standby now: a new connection may find the new
      // primary. A partition that is not found though prepare() has made it anew: see
      // lacks_partition().
      const bool is_usable = !error.is_connection_lost() && error.sqlstate() != "25006" &&
                             !(lacks_partition(error) && has_renewed_days) &&
                             session_->connection.recover();
      if (!is_usable) {
        tell(fmt::format("{}: connection given up: {}", where(), error.what()));
        if (has_reconnected && !pause(backoff_ms)) return;
        if (has_reconnected) backoff_ms = std::min(2 * backoff_ms, backoff_last_ms);
        has_reconnected = true;
        if (!connect()) return;  // stopped: the cursor says what is stored
        count(&LoadReport::reconnects);
        // What became of the COMMIT, if one was on its way, is in the cursor.
        if (cursor_ == batch_.end && cursor_ != begin) {
          finish_commit(mode.value_or(StoreMode::direct), true);
          return;
        }
        if (cursor_ != begin) {
          tell(fmt::format(
              "the database is at journal position {} instead of {}; going on from there", cursor_,
              begin));
          seek(cursor_);
          return;
        }
      } else if (error.sqlstate() == "PW001") {
        throw core::Error("the load cursor was moved by somebody else", where(), error.what());
      } else if (error.sqlstate() == "23505" && mode == StoreMode::direct) {
        count(&LoadReport::unexpected_conflicts);
        mode = StoreMode::merge;
      } else if (is_conflict(error) && conflicts < static_cast<int>(std::size(conflict_waits_ms))) {
        count(&LoadReport::retries);
        tell(fmt::format("{}; trying again in {} ms", error.what(), conflict_waits_ms[conflicts]));
        pause(conflict_waits_ms[conflicts++]);
      } else if (passes_by_itself(error)) {
        count(&LoadReport::retries);
        tell(fmt::format("{}: {}; trying again in {} ms", where(), error.what(), backoff_ms));
        if (!pause(backoff_ms)) return;
        backoff_ms = std::min(2 * backoff_ms, backoff_last_ms);
      } else if (lacks_partition(error)) {
        has_renewed_days = true;  // by prepare()
        days_.clear();
        fact_chunks_.clear();
      } else if (is_row_fault(error) && mode != StoreMode::bisect) {
        tell(fmt::format("{}: {}; looking for the row", where(), error.what()));
        mode = StoreMode::bisect;
      } else {
        throw core::Error(
            fmt::format("the database refuses a batch of {} rows", batch_.row_count()), where(),
            fmt::format("table {}: {}",
                        error.table().empty() ? "perp_data or perp_metrics" : error.table(),
                        error.what()));
      }
    }
  }
}

void Lane::finish_commit(StoreMode mode, bool was_found) {
  for (const Row& row : batch_.rows) {
    Series& series = series_[row.series];
    if (series.is_max_known) series.ts_max = std::max(series.ts_max, row.ts);
  }
  for (const auto* refused : {&batch_.refused, &batch_.bisected})
    for (const RefusedRow& row : *refused)
      tell(fmt::format("row refused: {} {} at {}: {}", json_string(row.symbol), row.perpspec,
                       row.ts, row.reason));
  finish_facts();
  // A refused row counts neither in the tables of minutes nor in those of facts.
  const auto bisected_minutes = static_cast<std::uint64_t>(
      std::count_if(batch_.bisected.begin(), batch_.bisected.end(),
                    [](const RefusedRow& row) { return !row.perpspec.empty(); }));
  const std::uint64_t stored = batch_.rows.size() - bisected_minutes;
  const std::uint64_t facts =
      batch_.row_count() - batch_.rows.size() - (batch_.bisected.size() - bisected_minutes);
  const std::uint64_t refused = batch_.refused.size() + batch_.bisected.size();
  cursor_ = batch_.end;
  {
    const std::lock_guard guard(mutex_);
    report_.rows_data += stored;
    report_.rows_metrics += stored;
    report_.rows_facts += facts;
    report_.instruments += batch_.instruments;
    report_.status_rows += batch_.status_rows;
    report_.error_rows += batch_.error_rows + refused;
    report_.batches += 1;
    report_.merged_batches += mode != StoreMode::direct && !batch_.rows.empty() ? 1u : 0u;
    report_.commits_found += was_found ? 1u : 0u;
    report_.rows_folded += batch_.folded;
    report_.rows_refused += refused;
    report_.rows_expired += pending_.rows_expired;
    report_.not_primary += pending_.not_primary;
    report_.undefined += pending_.undefined;
    report_.inactive += pending_.inactive;
    report_.loaded_ns = read_ns_;
    report_.cursors = {cursor_};
  }
  pending_ = {};
  batch_.clear(cursor_);
  last_commit_ns_ = core::mono_now().ns;
}

}  // namespace perp::warehouse
