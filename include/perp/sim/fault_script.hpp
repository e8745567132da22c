#pragma once
// What is to go wrong, and when: a text with one fault per line, "WHEN VENUE KIND [arguments]",
// which docs/faults.md describes. Parsed strictly on the cold path: an error names the file, the
// line and the column, and what was expected there. A value; any thread.
#include <perp/sim/fault_kind.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace perp::sim {

/// One line of a script.
struct FaultRule {
  enum class Ending : std::uint8_t { rst, fin, close };
  enum class Unit : std::uint8_t { s, us, ns };

  static constexpr std::int64_t never_ns = std::numeric_limits<std::int64_t>::max();
  static constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

  std::size_t line = 0;
  FaultKind kind = FaultKind::cut;
  std::string venue{};  ///< empty: every venue

  // When, from the script's start. Episode k begins at start_ns + k * period_ns, before end_ns, and
  // lasts for length_ns, at most to end_ns.
  std::int64_t start_ns = 0;
  std::int64_t end_ns = never_ns;
  std::int64_t period_ns = 0;  ///< 0: there is one episode
  std::int64_t length_ns = 0;  ///< 0: it happens at once

  // To what.
  std::string path{};               ///< a part of the target that was asked for
  std::string match{};              ///< a part of the message
  std::string symbol{};             ///< a word in the message, case aside
  std::uint64_t one_in = 1;         ///< by chance
  std::uint64_t every = 1;          ///< counted
  std::uint64_t count = unlimited;  ///< at most, in one episode

  // How. Which of them a kind takes is in fault_kinds.
  Ending ending = Ending::rst;  ///< cut
  bool is_silent = false;       ///< refuse: no answer instead of a reset
  int code = 0;                 ///< an HTTP status, or a WebSocket close code
  std::string reason{};         ///< of a close
  std::string retry_after{};
  std::string body{};
  std::size_t bytes = 0;                       ///< garbage, big; trickle: at once
  std::int64_t each_ns = core::ns_per_second;  ///< trickle
  std::uint64_t copies = 2;
  std::uint64_t hold = 3;           ///< reorder: how many pass first
  std::vector<std::string> keys{};  ///< whose numbers are edited
  std::int64_t first_id = 1;        ///< sequence
  Unit unit = Unit::s;
  std::int64_t by_ns = 0;  ///< time-shift
  std::string from{};      ///< rewrite
  std::string to{};
  bool is_of_messages = true;
  bool is_of_answers = false;      ///< bodies of HTTP answers
  std::vector<FaultKind> kinds{};  ///< random

  bool lasts() const noexcept { return length_ns > 0; }
};

/// A line of `random` as one of its kinds, with what is usual for that.
FaultRule picked(const FaultRule& random, FaultKind kind);

struct FaultScript {
  static constexpr std::size_t rules_max = 10'000;
  static constexpr std::size_t line_bytes_max = std::size_t{64} * 1024;

  std::vector<FaultRule> rules{};

  /// @param name of the text, for errors. @param venues that a script may name; empty: any word
  /// @throws core::Error "name:line:column: what: what was expected there"
  static FaultScript parse(std::string_view text, const std::string& name,
                           const std::vector<std::string>& venues = {});
  /// @throws core::Error as parse(), or naming the file that cannot be read
  static FaultScript read(const std::string& file, const std::vector<std::string>& venues = {});
};

}  // namespace perp::sim
