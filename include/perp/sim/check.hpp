#pragma once
// Compares what simulated venues sent with what a journal holds: each event that left to a
// connection is there once, or a gap record tells that it is missing, or a fault proxy removed it,
// or it was lost silently. Cold: reads both sides whole, some 100 ns an event and 96 bytes of
// memory; any thread.
#include <perp/core/time.hpp>
#include <perp/market/venue_id.hpp>
#include <perp/sim/fault_kind.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perp::sim {

struct CheckOptions {
  std::string truth_folder;
  std::string journal_folder;
  std::string removed_file{};  ///< a fault proxy's log; empty: nothing stood between
  /// How far around a gap's ends an event may lie, and how long before a venue's last record, or
  /// the newest one that a stream brought, one may still have been under way.
  std::int64_t slack_ns = 250 * core::ns_per_ms;
};

enum class CheckedKind : std::uint8_t { trade, kline, liquidation, book };
inline constexpr std::size_t checked_kind_count = 4;
std::string_view name_of(CheckedKind kind);

/// Events of one kind at one venue.
struct CheckCounts {
  market::VenueId venue = market::VenueId::none;
  CheckedKind kind = CheckedKind::trade;
  std::uint64_t sent = 0;       ///< left to a connection
  std::uint64_t stored = 0;     ///< of those, in the journal by a stream
  std::uint64_t filled = 0;     ///< of those, in the journal by a request alone
  std::uint64_t told = 0;       ///< missing inside a gap record
  std::uint64_t removed = 0;    ///< missing, and the fault proxy removed or changed it
  std::uint64_t under_way = 0;  ///< missing, and left as the journal ended
  std::uint64_t lost = 0;       ///< missing, and nothing tells of it
  std::uint64_t doubled = 0;    ///< of trades: records beyond the first
  std::uint64_t altered = 0;    ///< other values than were sent
  std::uint64_t reordered = 0;  ///< of trades: behind one that left later
  std::uint64_t unknown = 0;    ///< records of what was never sent
};

/// How soon data came again after faults were lifted: a figure per subscription (trades or book of
/// a contract) that a fault hit and that had enough to say, as docs/simulated-venues.md tells.
struct RecoveryTimes {
  FaultKind kind = FaultKind::random;  ///< random: all kinds together
  std::uint64_t count = 0;
  std::int64_t p50_ns = 0;
  std::int64_t p99_ns = 0;
  std::int64_t max_ns = 0;
};

struct CheckReport {
  std::vector<CheckCounts> rows;      ///< per venue and kind
  std::vector<std::string> examples;  ///< the first of what is wrong, some per row
  std::uint64_t gap_records = 0;
  std::vector<RecoveryTimes> recoveries;  ///< per kind that has some, then all; without faults none
  /// No loss that nothing tells of, no doubled, altered, reordered or unknown event.
  bool is_sound() const;
  /// Nothing is missing that was not removed on purpose.
  bool is_whole() const;
};

/// @throws core::Error if a file cannot be read.
CheckReport check(const CheckOptions& options);

}  // namespace perp::sim
