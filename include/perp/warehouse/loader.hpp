#pragma once
// Journal to database, exactly once. Each lane reads the whole journal from a cursor of its own,
// takes the minutes of its slice of the series, and stores a batch and the moved cursor in one
// transaction: binary COPY where the rows are new, stage and merge where they may replace. Lane 0
// also loads instruments, feed status and errors. A database that is away, slow or restarted costs
// time, never rows: the batch is kept until its commit is certain, and after a lost answer the
// cursor in the database decides. run() and follow() block and start one thread per lane;
// progress() may be called from any thread meanwhile. Needs sessions: a pooler in transaction mode
// cannot keep the lane's lock.
#include <perp/core/time.hpp>
#include <perp/journal/format.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace perp::warehouse {

/// Tables that one record is one row of: klines (closed ones), trades, funding_rates (settled),
/// open_interest and long_short_ratio (by period), liquidations.
std::vector<std::string> fact_table_names();
/// All of them but trades, which are many.
std::vector<std::string> default_fact_tables();

class Primary;

struct LoaderOptions {
  std::string dsn{};
  std::string journal_folder{};
  unsigned lanes = 2;               ///< 1 to 16
  std::size_t batch_rows = 50'000;  ///< a batch is stored when it has as many rows
  /// Which records are also rows of their own: names of fact_table_names().
  std::vector<std::string> fact_tables = default_fact_tables();
  std::int64_t flush_ms = 1000;       ///< or when its first row waits as long
  std::int64_t stop_grace_ms = 5000;  ///< after stop, a statement may still take as long
  /// A daemon's: follow() also does the database's maintenance (maintenance.hpp), and on the plain
  /// backend rows older than their series' retention are refused and counted. A recording of old
  /// days is loaded without.
  bool keeps_retention = false;
  /// Then stored as the retention of perp_data and perp_metrics; nothing: what the database says
  /// stands.
  std::optional<int> retention_days{};
  int seal_after_hours = 0;  ///< MaintenanceOptions::seal_after_hours of that maintenance
  /// Under this name perp_status is told of a life: started and connected once the database is
  /// there, running each ten minutes with counts, complete (stopped where keeps_retention) or error
  /// at the end of run(). Never waited for, never a failure. Empty: nothing is told.
  std::string program{};
  bool tells_start = true;  ///< false: it was told by a loader before this one
  std::int64_t tells_each_ms = 600'000;
  /// One line per thing worth telling: reconnects, retries, refused rows. Called from lane threads.
  std::function<void(const std::string&)> on_event{};
  /// MaintenanceOptions::on_done of that maintenance, from its thread.
  std::function<void(const std::string&)> on_done{};
  /// Loader::primary() of a loader before this one with the same DSN: an old primary that it left
  /// is not written to by this one either. Nothing: this one begins to learn.
  std::shared_ptr<Primary> primary{};
};

struct LoadReport {
  std::uint64_t rows_data = 0;     ///< into perp_data
  std::uint64_t rows_metrics = 0;  ///< into perp_metrics
  std::uint64_t rows_facts =
      0;  ///< into klines, trades, funding_rates, ...: see fact_table_names()
  std::uint64_t instruments = 0;
  std::uint64_t status_rows = 0;
  std::uint64_t error_rows = 0;  ///< decode errors and refused rows in perp_errors
  std::uint64_t batches = 0;     ///< committed, also those that only moved the cursor
  std::uint64_t merged_batches = 0;
  std::uint64_t unexpected_conflicts = 0;  ///< merged only after a direct COPY met a stored key
  std::uint64_t retries = 0;               ///< deadlocks, serialisation failures, shortages
  std::uint64_t reconnects = 0;
  std::uint64_t commits_found =
      0;  ///< the answer to COMMIT was lost; the cursor showed that it had happened
  std::uint64_t rows_folded = 0;   ///< rows of one key that met in one batch
  std::uint64_t rows_refused = 0;  ///< in perp_errors with the reason, not in the tables
  std::uint64_t rows_expired = 0;  ///< older than the retention
  std::uint64_t not_primary = 0;   ///< minutes of instruments that are not the one of their base
  std::uint64_t undefined = 0;     ///< minutes whose instrument or perpspec nothing defined
  std::uint64_t inactive = 0;      ///< minutes of perpspecs whose registry row says active = false
  bool has_told_start = false;     ///< to perp_status, see LoaderOptions::program
  double seconds = 0;
  /// When we received the newest record up to which every lane has stored all that is its own: now
  /// minus this is how far the database is behind. Unknown before the first commit.
  std::int64_t loaded_ns = core::unknown_ns;
  std::vector<journal::Position> cursors;  ///< per lane: everything below is committed; none
                                           ///< until every lane has read its own

  /// Adds what a later run did; its cursors and loaded_ns replace ours.
  void add(const LoadReport& later);
};

class Loader {
 public:
  /// Throws core::Error on options out of range. Connects to nothing yet.
  explicit Loader(const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Loads every record below `until`; waits for what is not durable yet. Returns when done or
  /// stopped. Throws core::Error where waiting cannot help: no schema, no permission, another
  /// loader at work, a journal that no longer reaches back to the cursor.
  LoadReport run(journal::Position until, const std::atomic<bool>& stop);
  /// The same without an end: follows the journal until stopped.
  LoadReport follow(const std::atomic<bool>& stop);

  /// As of the last committed batch of each lane. @thread any
  LoadReport progress() const;
  /// What it knows of failovers, for LoaderOptions::primary of the next one. @thread any
  std::shared_ptr<Primary> primary() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace perp::warehouse
