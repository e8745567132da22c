#pragma once
// Recordings to warehouse in one process: a feed thread decodes into a ring, an engine thread
// journals and folds, the loader follows the journal. What `perp replay` and `perp run --replay`
// do, as a library call. Starts its threads in run_pipeline() and has ended them when it returns.
#include <perp/app/report.hpp>
#include <perp/feed/replay.hpp>
#include <perp/state/market_state.hpp>
#include <perp/warehouse/loader.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace perp::app {

struct PipelineOptions {
  feed::ReplayOptions replay;
  std::string journal_folder;  ///< empty: a temporary one, removed at the end
  std::int64_t sync_ms = 50;
  std::string dsn;  ///< empty: nothing is loaded
  unsigned loader_lanes = 2;
  /// Which records are also rows of their own, as the loader's.
  std::vector<std::string> fact_tables = warehouse::default_fact_tables();
  /// The market token's members are the configuration's default.
  state::StateOptions state{.market_token = {"ETH", "BTC", "XRP", "SOL"}};
  int feed_cpu = -1;  ///< -1: not pinned
  int engine_cpu = -1;
  std::size_t ring_bytes = std::size_t{16} << 20;
};

struct Progress {
  double fraction = 0;  ///< of the recordings' bytes
  std::uint64_t messages = 0;
  std::uint64_t records = 0;
};

/// Runs to the recordings' end, or until `stop`. `progress` is called from the calling thread about
/// every 200 ms. Throws core::Error; what had been journalled by then stays valid.
Report run_pipeline(const PipelineOptions& options, const std::atomic<bool>& stop,
                    const std::function<void(const Progress&)>& progress);

}  // namespace perp::app
