#pragma once
// History into the warehouse: a history feed per venue, the engine, the loader; the path of live
// data. One journal has one writer: beside a running daemon it takes a journal of its own.
#include "app/history_times.hpp"
#include "app/warehouse_side.hpp"

#include <perp/core/log.hpp>
#include <perp/feed/history_feed.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace perp::app {

struct BackfillOptions {
  std::vector<feed::HistoryFeedOptions> venues{};  ///< their `missing` is set here
  std::size_t ring_bytes = std::size_t{16} << 20;
  WarehouseOptions warehouse{};
  bool forces_refetch = false;  ///< asks for what is there, too
};

struct BackfillVenue {
  market::VenueId venue = market::VenueId::none;
  feed::HistoryFeedStatus status{};
};

struct BackfillReport {
  std::vector<BackfillVenue> venues{};
  std::vector<feed::Refusal> refusals{};
  std::optional<warehouse::LoadReport> load{};
  double seconds = 0;
  bool was_stopped = false;
  /// Versions and events of this run are in the database (data_versions, ingest_events), if there
  /// is one.
  bool has_account = true;
  /// Whether something that the venues have was not got.
  bool is_partial() const;
};

/// For the line that a person watches.
struct BackfillProgress {
  double fraction = 0;
  std::uint64_t requests = 0;
  std::uint64_t rows = 0;
  double left_seconds = -1;  ///< negative: not known yet
};

/// Runs to its end or until `stop`. What is in the journal is loaded first, so that the database
/// can say what is missing. @throws core::Error naming the option, the folder or the server
BackfillReport run_backfill(const BackfillOptions& options, core::Logger& log,
                            const std::atomic<bool>& stop,
                            const std::function<void(const BackfillProgress&)>& progress);

}  // namespace perp::app
