#pragma once
// When the faults of a script begin and end. No clock of its own: time since the script's start is
// passed in. One owner thread; costs a look at every rule whenever something is due.
#include <perp/core/prng.hpp>
#include <perp/sim/fault_script.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace perp::sim {

/// One time that a rule acts, on one venue.
struct FaultEpisode {
  const FaultRule* rule = nullptr;  ///< of the schedule, as long as it exists
  std::uint64_t number = 0;         ///< from 1
  std::size_t venue = 0;
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;  ///< begin_ns: at once
};

class FaultSchedule {
 public:
  /// @param venues by name; a rule for another venue never acts
  FaultSchedule(const FaultScript& script, const std::vector<std::string>& venues,
                std::uint64_t seed);
  FaultSchedule(const FaultSchedule&) = delete;
  FaultSchedule& operator=(const FaultSchedule&) = delete;

  /// When something begins or ends next; FaultRule::never_ns: nothing more does.
  std::int64_t next_ns() const noexcept { return next_ns_; }
  /// Calls begin(episode) and end(episode) for all that is due at `now_ns`, in the order of time;
  /// at one time, ends come before beginnings and lines in their order.
  template <class Begin, class End>
  void advance(std::int64_t now_ns, Begin begin, End end) {
    while (next_ns_ <= now_ns) {
      const std::int64_t at_ns = next_ns_;
      for (std::size_t i = 0; i < running_.size();) {
        if (running_[i].end_ns > at_ns) {
          ++i;
          continue;
        }
        const FaultEpisode done = running_[i];
        running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
        end(done);
      }
      for (Line& line : lines_) {
        if (line.next_ns > at_ns) continue;
        make_episodes(line);
        for (const FaultEpisode& episode : made_) {
          begin(episode);
          if (episode.end_ns > episode.begin_ns)
            running_.push_back(episode);
          else
            end(episode);
        }
      }
      find_next();
    }
  }
  /// Those that have begun and not ended.
  const std::vector<FaultEpisode>& running() const noexcept { return running_; }

 private:
  struct Line {
    FaultRule rule;
    std::vector<std::unique_ptr<FaultRule>> choices;  ///< of random
    std::vector<std::size_t> venues;
    std::int64_t next_ns = 0;
  };

  void make_episodes(Line& line);
  void find_next() noexcept;

  std::vector<Line> lines_;
  std::vector<FaultEpisode> running_;
  std::vector<FaultEpisode> made_;
  core::Prng random_;
  std::uint64_t episodes_ = 0;
  std::int64_t next_ns_ = 0;
};

}  // namespace perp::sim
