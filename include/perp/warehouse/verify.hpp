#pragma once
// The proof that a warehouse holds what a journal says, each row once: the journal's records are
// folded into rows here a second time, by other code than the loader's, and compared with the
// stored rows, range by range, by count and by content hash. Where a range differs, its first keys
// that are missing, extra or different are named. Reads only, in one snapshot of the database; a
// loader may be at work meanwhile. Cold path, one thread, throws.
//
// Compared are the rows that loading can have stored by now. Left out, on both sides and counted:
// keys of which the journal speaks at or beyond its lane's cursor (not loaded yet), keys of rows
// that the server refused (they are in perp_errors), perpspecs that are inactive or that no venue's
// records can become, and whole chunks past their retention that the database has dropped.
#include <perp/journal/format.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace perp::warehouse {

struct VerifyOptions {
  std::string dsn{};
  std::string journal_folder{};
  /// Rows of from_ms <= ts < to_ms.
  std::int64_t from_ms = std::numeric_limits<std::int64_t>::min();
  std::int64_t to_ms = std::numeric_limits<std::int64_t>::max();
  std::int64_t range_ms = 86'400'000;  ///< of one hash; whole hours
  /// perp_data, perp_metrics and names of fact_table_names(); empty: the two and
  /// default_fact_tables().
  std::vector<std::string> tables{};
  std::size_t keys_per_range = 5;  ///< named differences of one range; all are counted
  /// Rows of the journal that are held in memory at a time; an hour of one table is held wholly.
  std::size_t window_rows = 200'000;
};

enum class DifferenceKind : std::uint8_t { missing, extra, different };
std::string_view to_string(DifferenceKind kind);

struct Difference {
  DifferenceKind kind = DifferenceKind::missing;
  std::string key;       ///< "2025-01-01T00:00:00.000Z BTC bin-oi"
  std::string column{};  ///< of `different`: the first column that differs
  std::string journal{};
  std::string database{};  ///< their values as text, NULL as NULL
};

/// Sum of the rows' 128-bit hashes: the same in any order of the rows. Not cryptographic.
struct ContentHash {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const ContentHash&, const ContentHash&) = default;
  std::string text() const;  ///< 32 hexadecimal digits
};

struct VerifiedSide {
  std::uint64_t rows = 0;
  ContentHash hash{};
  friend bool operator==(const VerifiedSide&, const VerifiedSide&) = default;
};

struct VerifiedRange {
  std::string table;
  std::int64_t from_ms = 0;
  VerifiedSide journal;
  VerifiedSide database;
  bool is_expired = false;  ///< dropped by retention as a whole: not compared
  std::uint64_t differing_keys = 0;
  std::vector<Difference> differences;  ///< the first by key
  bool is_equal() const { return is_expired || journal == database; }
};

struct VerifyReport {
  std::vector<VerifiedRange> ranges;  ///< by table, then time; those with a row on either side
  std::string journal;                ///< its id, as the cursors name it
  journal::Position journal_end = 0;
  std::vector<journal::Position> cursors;  ///< per lane; none: this journal was never loaded
  std::uint64_t keys_pending = 0;          ///< not compared: not loaded yet
  std::uint64_t keys_refused = 0;          ///< not compared: refused by the server
  std::uint64_t records_refused = 0;       ///< records that can be no row
  std::uint64_t records_not_primary = 0;
  std::uint64_t journal_damages = 0;
  std::uint64_t other_journals = 0;  ///< loaded into the same database: their rows are extra here
  bool is_equal() const;
};

/// @throws DatabaseError, core::Error (no schema, unknown table, unreadable journal, bad range)
VerifyReport verify(const VerifyOptions& options);

}  // namespace perp::warehouse
