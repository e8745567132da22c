#pragma once
// What a run did, from the feeds to the tables: the summary at the end of `perp replay` and
// `perp run`. A value; written when the threads have ended.
#include <perp/core/histogram.hpp>
#include <perp/feed/live_feed.hpp>
#include <perp/feed/recording.hpp>
#include <perp/feed/ring_writer.hpp>
#include <perp/journal/writer.hpp>
#include <perp/state/market_state.hpp>
#include <perp/warehouse/loader.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace perp::app {

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

struct Report {
  std::size_t files = 0;                   ///< of a replay
  std::vector<feed::SkippedFile> skipped;  ///< of a replay
  std::vector<feed::LiveFeedStatus> live;  ///< of live feeds, as they ended
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

}  // namespace perp::app
