#pragma once
// One loader lane: a reader, a connection, a slice of the series, a cursor. Runs on its own thread;
// only report() may be called from another.
#include "warehouse/batch.hpp"
#include "warehouse/primary.hpp"
#include "warehouse/store.hpp"

#include <perp/core/time.hpp>
#include <perp/journal/reader.hpp>
#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/migrate.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace perp::warehouse {

/// The series of a lane: FNV-1a of "symbol\0perpspec" modulo lanes. Part of what a cursor means:
/// never change it.
unsigned lane_of(std::string_view symbol, std::string_view perpspec, unsigned lanes) noexcept;

/// "%016x" of the journal's id: what the cursor rows carry.
std::string journal_name(std::uint64_t journal_id);

/// What the database says of one fact table, and whether it is loaded.
struct FactTableState {
  bool is_loaded = false;
  std::int64_t chunk_ms = 0;
  std::int64_t retention_days = 0;  ///< 0: for ever
};
std::vector<FactTableState> read_fact_states(Connection& connection,
                                             const std::vector<std::string>& wanted);

// Minutes and facts outside these bounds have a wrong clock behind them.
inline constexpr std::int64_t ts_earliest = 1'262'304'000'000;  // 2010: before any perpetual
inline constexpr std::int64_t ts_latest = 4'102'444'800'000;    // 2100

class Lane {
 public:
  /// @param primary shared by a loader's lanes
  Lane(const LoaderOptions& options, unsigned lane, std::string journal, Primary& primary);

  /// Loads up to `until` or until `stop`. @throws core::Error where waiting cannot help
  void run(journal::Position until, bool is_endless, const std::atomic<bool>& stop);

  LoadReport report() const;  ///< @thread any

  /// One statement over the connection that run() left behind; nothing if it left none.
  /// @throws DatabaseError
  void say(const Statement& statement);
  /// Closes that connection, and frees the lane's lock with it.
  void end_session();

 private:
  struct Session {
    Connection connection;
    ServerIdentity server;
    Backend backend;
    int retention_days;                 // of perp_data and perp_metrics, 0: rows of any age
    std::vector<FactTableState> facts;  // as in fact_tables()
  };

  bool connect();
  void read_cursor(journal::Position& position, journal::Position& events_position);
  void seek(journal::Position position);
  void fill(journal::Position until, bool is_endless);
  void take(const market::RecordHeader& record);
  void take_minute(const market::RecordHeader& record);
  void take_event(const market::RecordHeader& record);
  std::uint32_t find_series(const market::RecordHeader& record, const market::Minute& minute);
  void note_damage();
  void take_fact(const market::RecordHeader& record);
  void take_fact(const market::RecordHeader& record, std::size_t table_index, std::int64_t ts);
  void recall_repeats();
  std::uint32_t find_fact_series(const market::RecordHeader& record, std::size_t table);
  void refuse_expired_facts();
  void judge_facts();
  void prepare_facts();
  void finish_facts();
  void prepare();
  void register_series();
  void commit();
  void finish_commit(StoreMode mode, bool was_found);
  void refuse_expired();
  void count(std::uint64_t LoadReport::*what);
  void publish_loaded();
  bool pause(std::int64_t ms) const;
  bool is_stopped() const { return stop_->load(); }
  void tell(const std::string& what) const;
  std::string where() const;

  static constexpr std::uint32_t not_ours = 0xffffffff;

  const LoaderOptions& options_;
  const unsigned lane_;
  const std::string journal_;
  Primary& primary_;
  const std::atomic<bool>* stop_ = nullptr;

  std::unique_ptr<journal::Reader> reader_;
  std::unique_ptr<Session> session_;
  int last_pid_ = 0;
  journal::Position cursor_ = 0;       ///< committed
  journal::Position events_from_ = 0;  ///< lane 0: status and errors below it are stored
  std::uint64_t damages_told_ = 0;
  bool is_done_ = false;  ///< everything below `until` has been read
  std::int64_t last_commit_ns_ = 0;
  std::int64_t read_ns_ = core::unknown_ns;  ///< receive time of the newest record read

  std::vector<Series> series_;
  std::unordered_map<std::string, std::uint32_t> series_by_name_;
  std::unordered_map<std::uint64_t, std::uint32_t> series_by_id_;  ///< instrument << 16 | perpspec
  std::unordered_map<std::uint32_t, market::Instrument> stored_instruments_;
  std::set<std::int64_t> days_;  ///< whose partitions or chunks are known to exist
  std::vector<LaneFactSeries> fact_series_;
  std::unordered_map<std::string, std::uint32_t> fact_series_by_name_;
  std::unordered_map<std::uint64_t, std::uint32_t>
      fact_series_by_id_;  ///< instrument << 16 | table
  std::set<std::pair<std::size_t, std::int64_t>>
      fact_chunks_;  ///< plain: partitions known to exist
  Repeats repeats_;
  Batch batch_;
  Store store_;
  LoadReport pending_;  ///< counted while reading, published at the commit

  mutable std::mutex mutex_;
  LoadReport report_;  ///< guarded by mutex_
};

}  // namespace perp::warehouse
