#pragma once
// Writes the market data of a simulated market as four venues would have sent it, in the format of
// the committed recordings, from a seed. `perp sim record` calls it; so do tests and demonstrations
// that may not touch a network. Single-threaded, about two microseconds a message; the same
// options give the same bytes on every machine. It never reads a clock, and overwrites only the
// files it names.
//
// In <folder>/<venue key>:
//   ws.tsv    receive time in seconds, TAB, message; strictly in order of receive time
//   rest.tsv  receive time, TAB, body, TAB, `endpoint[ symbol=X][ period=5m][ backfill=1]`
// In <folder>:
//   truth.csv  what the model knows of each minute, see truth.hpp
#include <perp/market/venue_id.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace perp::sim {

/// 2026-11-01T00:00:00Z.
inline constexpr std::int64_t default_start_ns = 1'793'491'200'000'000'000;

struct RecordOptions {
  std::string folder;
  std::uint64_t seed = 1;
  int minutes = 60;
  int symbols = 25;                          ///< the busiest coins; at most symbol_limit()
  std::int64_t start_ns = default_start_ns;  ///< a whole hour
  std::vector<market::VenueId>
      venues;             ///< empty = all four; each venue's files do not depend on the others
  double activity = 1.0;  ///< scales trades and changes of quotes, above 0 up to 20
};

struct StreamCount {
  market::VenueId venue = market::VenueId::none;
  std::string file;    ///< "ws" or "rest"
  std::string stream;  ///< the venue's own word: "aggTrade", "books", ...
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;  ///< of payloads
};

struct RecordedFile {
  std::string path;
  std::uint64_t bytes = 0;
};

struct RecordReport {
  std::vector<StreamCount> streams;
  std::vector<RecordedFile> files;
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;  ///< of all files
  std::uint64_t truth_rows = 0;
};

/// How many coins there are.
std::size_t symbol_limit();

/// Records. `progress` may be empty; it is called about once a simulated second with 0..1. Throws
/// core::Error for an option out of its range and for a file that cannot be written.
RecordReport record(const RecordOptions& options,
                    const std::function<void(double fraction)>& progress);

}  // namespace perp::sim
