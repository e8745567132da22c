#pragma once
// What a folder of segments holds after a crash: where its readable end is, what is torn, what is
// damaged. The survey only reads, so a reader without a writer asks the same question and gets the
// same answer; recover() then cuts what the survey condemned.
#include "journal/definition_table.hpp"
#include "journal/segment.hpp"

#include <perp/journal/writer.hpp>

#include <string>
#include <vector>

namespace perp::journal {

struct Survey {
  std::vector<SegmentFile> segments;
  std::size_t first =
      0;             ///< the walk began here; every segment before is known to be on disk whole
  Position end = 0;  ///< where the next block goes
  std::size_t cut_segment =
      0;  ///< segments from here on are touched by the cut, segments.size() = none
  std::uint64_t cut_bytes = 0;   ///< what stays of segments[cut_segment]; 0 = it goes too
  Position claim = 0;            ///< everything below was acknowledged as durable by somebody
  std::uint64_t journal_id = 0;  ///< 0 if no header and no block is readable
  Chain chain;                   ///< how the next block continues
  bool is_last_header_good = false;
  SegmentHeader last_header;  ///< of the segment that stays last
  Recovery recovery;
};

/// A break behind the claim is the torn tail and is cut; one before it is damage to acknowledged
/// data and stays, reported, with everything behind it. `definitions`, if given, gets every
/// instrument record found.
Survey survey(const std::string& folder, DefinitionTable* definitions);

/// Applies the cut, then makes all that remains durable.
void recover(const std::string& folder, const Survey& survey);

/// Every well-formed instrument record of a block's payload.
void collect_definitions(std::span<const std::byte> payload, Position segment,
                         DefinitionTable& definitions);

}  // namespace perp::journal
