#pragma once
// The holes that a journal tells of, and what was fetched for each afterwards. One pass over the
// journal; while it is being written, too.
#include <perp/market/record.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace perp::app {

enum class Fill : std::uint8_t {
  none,   ///< nothing came afterwards
  some,   ///< something did; whether all of it, nothing says
  whole,  ///< as many as ids or minutes are missing, or a snapshot of the book
};
std::string_view name_of(Fill fill) noexcept;

struct Hole {
  market::VenueId venue = market::VenueId::none;
  std::string symbol{};  ///< native; empty: every instrument of the venue
  std::string base{};
  market::RecordType stream = market::RecordType::padding;  ///< padding: all of the connection
  market::GapCause cause = market::GapCause::unknown;
  std::int64_t from_ns = core::unknown_ns;
  std::int64_t to_ns = core::unknown_ns;
  std::int64_t expected_id = market::unknown_id;
  std::int64_t got_id = market::unknown_id;
  std::int64_t missing = -1;  ///< ids or minutes; -1: not known
  std::uint64_t filled = 0;   ///< records fetched afterwards that lie in it
  Fill fill = Fill::none;
  std::uint64_t position = 0;  ///< of its record in the journal
};

struct Holes {
  std::vector<Hole> all;           ///< in the order they were told
  std::uint64_t damage_count = 0;  ///< places of the journal that could not be read
};

/// @throws core::Error as journal::Reader
Holes find_holes(const std::string& folder);

}  // namespace perp::app
