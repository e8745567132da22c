#pragma once
// A fault that acts on one venue now: what it selects, and what it makes of a text. No sockets; one
// owner thread. Editing allocates: only messages that a fault selects pay for it.
#include "sim/faults/fault_schedule.hpp"

#include <perp/core/prng.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace perp::sim {

class ActiveFault {
 public:
  ActiveFault(const FaultEpisode& episode, std::uint64_t seed)
      : episode_(episode), random_(seed ^ episode.number) {}

  const FaultEpisode& episode() const noexcept { return episode_; }
  const FaultRule& rule() const noexcept { return *episode_.rule; }
  std::uint64_t hits() const noexcept { return hits_; }
  /// No match= or symbol=: control frames are concerned, too.
  bool is_of_everything() const noexcept { return rule().match.empty() && rule().symbol.empty(); }

  /// Is it to act on this connection or request? Draws its chance and counts.
  bool selects(std::string_view target);
  /// The same of a message.
  bool selects(std::string_view target, std::string_view message);

  /// What a changing kind makes of a text. @returns false: nothing, `edited` is void
  bool edit(std::string_view text, std::string& edited);

 private:
  bool draws();
  bool edit_times(std::string_view text, std::string& edited);
  bool edit_sequence(std::string_view text, std::string& edited);

  FaultEpisode episode_;
  core::Prng random_;
  std::uint64_t seen_ = 0;
  std::uint64_t hits_ = 0;
  std::map<std::string, std::string, std::less<>> frozen_;  ///< first time behind each key
  std::map<std::string, std::int64_t, std::less<>> bases_;  ///< first id of each symbol
};

/// A pong, or a ping, that is a message.
bool is_heartbeat(std::string_view message) noexcept;
/// What a venue answers to a subscription or another request.
bool is_acknowledgement(std::string_view message) noexcept;
/// Does `word` stand in `text`, case aside, between bytes that are no letters or digits?
bool has_word(std::string_view text, std::string_view word) noexcept;
/// What tells one instrument's messages from another's: the texts behind "topic", "instId", "coin",
/// "s" or "symbol".
std::string instrument_of(std::string_view message);

}  // namespace perp::sim
