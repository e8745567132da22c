#pragma once
// What a benchmark has to reach, declared beside it:
//
//   const bool goals = [] {
//     at_least("core/spsc_queue/*/batch/8B/1k", {"boost"}, 2.2);
//     at_most("core/spsc_queue/*/round_trip/8B", {"boost"}, 0.75, "p50_ns");
//     return true;
//   }();
//
// A benchmark's name is <layer>/<unit>/<who>/<case...>. In a pattern `*` stands for who; ours is
// "perp". A peer is a who of the same contest, or the full name of any other benchmark (it has a
// '/'); of several the best counts; without any, the limit is the figure itself. Contests that a
// goal connects run in the same rounds.
#include <string>
#include <vector>

namespace perp::bench {

struct Goal {
  enum class Kind {
    at_least,         ///< ours / peer, the more the better
    at_most,          ///< ours / peer, the less the better
    at_most_more_ns,  ///< time per item above the peer's
  };
  Kind kind = Kind::at_least;
  std::string pattern;
  std::vector<std::string> peers;  ///< none: `limit` is absolute
  double limit = 0;
  std::string counter;  ///< of the run; empty: speed (items per second, or runs per second)

  std::string ours() const { return with_who("perp"); }
  /// The benchmark that a peer's name means.
  std::string peer_name(const std::string& peer) const {
    return peer.find('/') != std::string::npos ? peer : with_who(peer);
  }

 private:
  std::string with_who(const std::string& who) const {
    std::string name = pattern;
    if (const auto at = name.find('*'); at != std::string::npos) name.replace(at, 1, who);
    return name;
  }
};

/// Every declared goal, in the order of declaration within a source.
inline std::vector<Goal>& declared_goals() {
  static std::vector<Goal> goals;
  return goals;
}

/// Contests that need more or fewer rounds than the default; a pattern as in a goal.
struct Rounds {
  std::string pattern;
  int count = 0;
};
inline std::vector<Rounds>& declared_rounds() {
  static std::vector<Rounds> rounds;
  return rounds;
}

inline void at_least(std::string pattern, std::vector<std::string> peers, double ratio,
                     std::string counter = "") {
  declared_goals().push_back(
      {Goal::Kind::at_least, std::move(pattern), std::move(peers), ratio, std::move(counter)});
}
inline void at_most(std::string pattern, std::vector<std::string> peers, double ratio,
                    std::string counter) {
  declared_goals().push_back(
      {Goal::Kind::at_most, std::move(pattern), std::move(peers), ratio, std::move(counter)});
}
inline void at_most_more_ns(std::string pattern, std::vector<std::string> peers, double ns) {
  declared_goals().push_back(
      {Goal::Kind::at_most_more_ns, std::move(pattern), std::move(peers), ns, ""});
}
inline void rounds(std::string pattern, int count) {
  declared_rounds().push_back({std::move(pattern), count});
}

}  // namespace perp::bench
