#pragma once
// Recordings to warehouse in one process: a feed thread decodes into a ring, an engine thread
// journals and folds, the loader follows the journal. What `perp replay` and `perp run --replay`
// do, as a library call. Starts its threads in run_pipeline() and has ended them when it returns.
#include <perp/core/histogram.hpp>
#include <perp/feed/replay.hpp>
#include <perp/journal/writer.hpp>
#include <perp/state/market_state.hpp>
#include <perp/warehouse/loader.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace perp::app {

struct PipelineOptions {
  feed::ReplayOptions replay;
  std::string journal_folder;  ///< empty: a temporary one, removed at the end
  std::int64_t sync_ms = 50;
  std::string dsn;  ///< empty: nothing is loaded
  unsigned loader_lanes = 2;
  int feed_cpu = -1;  ///< -1: not pinned
  int engine_cpu = -1;
  std::size_t ring_bytes = std::size_t{16} << 20;
};

struct Progress {
  double fraction = 0;  ///< of the recordings' bytes
  std::uint64_t messages = 0;
  std::uint64_t records = 0;
};

/// Messages of one kind.
struct MessageCount {
  std::string kind;
  std::uint64_t messages = 0;
  std::uint64_t by_shape = 0;  ///< those that the fast lane read
};

/// One venue's part of the summary.
struct VenueReport {
  market::VenueId venue = market::VenueId::none;
  std::vector<MessageCount> messages;  ///< only of kinds seen
  std::uint64_t decode_errors = 0;
  std::uint64_t venue_errors = 0;  ///< messages in which the venue itself said no
  std::uint64_t instruments = 0;
  std::uint64_t provisional_instruments = 0;
  std::uint64_t other_instrument_messages = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t gaps = 0;
  std::uint64_t checksums_verified = 0;
  std::uint64_t checksum_mismatches = 0;
};

struct PipelineReport {
  std::size_t files = 0;
  std::vector<feed::SkippedFile> skipped;
  std::vector<VenueReport> venues;
  std::vector<feed::Refusal> errors;  ///< distinct ones
  std::vector<std::string> bad_lines;
  std::uint64_t bad_line_count = 0;
  feed::RingWriterStats feed;
  std::uint64_t lost_at_stop = 0;
  std::vector<std::pair<std::string, std::uint64_t>>
      records;  ///< per kind, as journalled, derived ones included
  std::vector<std::pair<std::string, std::uint64_t>> minutes;  ///< rows per perpspec
  state::Totals totals;
  std::string journal_folder;  ///< empty if it was temporary
  journal::Stats journal;
  std::int64_t engine_time_ns = core::unknown_ns;
  double feed_seconds = 0;    ///< first message to last record published
  double engine_seconds = 0;  ///< ... to the last record durable in the journal
  double total_seconds = 0;   ///< ... to the last row committed
  core::Histogram decode_ns;  ///< one message in eight: text to records in the ring
  core::Histogram batch_ns;   ///< a batch, from found in the ring to journalled and folded
  std::optional<warehouse::LoadReport> load;
  bool was_stopped = false;
};

/// Runs to the recordings' end, or until `stop`. `progress` is called from the calling thread about
/// every 200 ms. Throws core::Error; what had been journalled by then stays valid.
PipelineReport run_pipeline(const PipelineOptions& options, const std::atomic<bool>& stop,
                            const std::function<void(const Progress&)>& progress);

}  // namespace perp::app
