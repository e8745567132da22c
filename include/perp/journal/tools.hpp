#pragma once
// What `perp journal ls|verify|stats` and retention ask of a folder. Cold path; safe beside a
// running writer, of which they see the durable part. Each reads the files it needs once. Throws
// core::Error if they cannot be read.
#include <perp/core/time.hpp>
#include <perp/journal/format.hpp>
#include <perp/market/record_kind.hpp>
#include <perp/market/venue_id.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perp::journal {

enum class SegmentState : std::uint8_t {
  open,     ///< the newest: a writer goes on in it
  sealed,   ///< followed by another
  damaged,  ///< something in it is not whole
};
std::string_view name_of(SegmentState state);

struct SegmentSummary {
  Position base = 0;
  std::uint64_t bytes = 0;    ///< durable ones
  std::uint64_t blocks = 0;   ///< whole ones
  std::uint64_t records = 0;  ///< in them, without repeats
  std::uint64_t repeats = 0;  ///< instrument definitions copied from earlier segments
  std::int64_t first_receive_ns = core::unknown_ns;  ///< least and greatest known receive time
  std::int64_t last_receive_ns = core::unknown_ns;
  std::int64_t created_ns = core::unknown_ns;
  std::uint32_t left_out = 0;  ///< LeftOut bits
  SegmentState state = SegmentState::open;
};

/// One row per segment, oldest first.
std::vector<SegmentSummary> list(const std::string& folder);

struct Verification {
  std::vector<SegmentSummary> segments;
  std::vector<Damage> damages;  ///< at most Reader::damage_limit
  std::uint64_t damage_count = 0;
  std::uint64_t undefined_instruments =
      0;  ///< records of an instrument that their segment never defined before
  Position durable = 0;
  [[nodiscard]] bool is_whole() const { return damage_count == 0 && undefined_instruments == 0; }
};

/// Every block's checksum, place, sequence and chain, every record well-formed, every instrument
/// defined in its segment before its first use.
Verification verify(const std::string& folder);

struct Tally {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
};

struct Statistics {
  std::array<Tally, market::record_type_limit> by_kind{};  ///< index: RecordType
  std::array<Tally, 256> by_venue{};                       ///< index: VenueId
  Tally total;
  std::uint64_t repeats = 0;
  std::uint64_t instruments = 0;
  std::uint64_t disk_bytes = 0;
  std::int64_t first_receive_ns = core::unknown_ns;
  std::int64_t last_receive_ns = core::unknown_ns;
  std::int64_t first_exchange_ns = core::unknown_ns;
  std::int64_t last_exchange_ns = core::unknown_ns;
  std::uint64_t damage_count = 0;
};

Statistics statistics(const std::string& folder);

/// Removes whole segments that end at or before `acknowledged` (the least cursor of all consumers),
/// oldest first, until at most `keep_bytes` remain; the newest segment always stays. @returns the
/// bytes freed.
std::uint64_t remove_segments(const std::string& folder, Position acknowledged,
                              std::uint64_t keep_bytes = 0);

}  // namespace perp::journal
