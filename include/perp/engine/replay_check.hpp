#pragma once
// Replays a journal into a fresh state and compares what it concludes with the conclusions the
// journal holds: the proof that live run and replay are one. Cold path, any thread; reads the
// journal while it is being written or afterwards, writes nothing.
#include <perp/journal/format.hpp>
#include <perp/market/record.hpp>
#include <perp/state/market_state.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace perp::engine {

struct ReplayCheck {
  std::uint64_t inputs = 0;     ///< records folded
  std::uint64_t stored = 0;     ///< conclusions found in the journal
  std::uint64_t concluded = 0;  ///< conclusions of the replay
  std::uint64_t equal = 0;      ///< of both, byte for byte, in the same place
  std::uint64_t differing = 0;  ///< in the same place with other bytes
  std::uint64_t missing = 0;    ///< concluded, but not in the journal before the next input
  std::uint64_t surplus = 0;    ///< in the journal, but not concluded
  std::uint64_t at_end = 0;  ///< concluded by the last input and not (yet) in the journal: no fault
  std::uint64_t damages = 0;  ///< places that could not be read
  std::string first_fault;    ///< of the first one that differs, is missing or surplus; empty if
                              ///< there is none

  bool is_equal() const { return differing == 0 && missing == 0 && surplus == 0 && damages == 0; }
};

/// Compares conclusions with stored ones, record by record in journal order. For the check and the
/// engine's start.
class ConclusionMatcher {
 public:
  /// Before an input at `position`: what the previous one concluded and nobody stored is missing.
  void input(journal::Position position);
  /// What the input just folded concluded.
  void concluded(const state::DerivedSink& sink);
  /// A stored conclusion.
  void stored(const market::RecordHeader& record, journal::Position position);
  /// Conclusions of the last input that are not stored, oldest first.
  void for_each_pending(const std::function<void(const market::RecordHeader&)>& visit) const;
  /// Closes the account: what is pending is at_end.
  void finish();

  ReplayCheck check;

 private:
  void fault(const market::RecordHeader& record, journal::Position position, const char* what);

  std::vector<std::uint64_t> pending_;  // whole records
  std::size_t pending_at_ = 0;          // words already matched
};

/// Throws core::Error if the journal cannot be read.
ReplayCheck check_replay(const std::string& folder, const state::StateOptions& options);

/// The conclusions of a journal, computed anew: whole records, one behind the other.
std::vector<std::byte> replay_conclusions(const std::string& folder,
                                          const state::StateOptions& options);

}  // namespace perp::engine
