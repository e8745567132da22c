#pragma once
// What a fault proxy says that it did: the events of the messages that it took out, changed or
// moved, the episodes of its faults, and how long the venue's answers forbade to connect. Reads the
// venues' messages by itself, for a check may not rest on the decoder that it checks. Cold.
#include <perp/market/venue_id.hpp>
#include <perp/sim/fault_kind.hpp>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace perp::sim {

/// Events by venue, kind (a TruthKind), instrument and id (as in a TruthRow; of a liquidation its
/// time in ms).
class EventSet {
 public:
  void add(market::VenueId venue, std::uint8_t kind, std::string_view native, std::int64_t id) {
    events_.emplace(venue, kind, std::string(native), id);
  }
  bool contains(market::VenueId venue, std::uint8_t kind, std::string_view native,
                std::int64_t id) const {
    return events_.contains({venue, kind, std::string(native), id});
  }
  bool contains_any(market::VenueId venue, std::uint8_t kind, std::string_view native) const {
    const auto first = events_.lower_bound({venue, kind, std::string(native), INT64_MIN});
    return first != events_.end() && std::get<0>(*first) == venue && std::get<1>(*first) == kind &&
           std::get<2>(*first) == native;
  }

 private:
  std::set<std::tuple<market::VenueId, std::uint8_t, std::string, std::int64_t>> events_;
};

/// One fault at one venue, from its begin to its end; wall times.
struct LoggedFault {
  market::VenueId venue = market::VenueId::none;
  FaultKind kind = FaultKind::cut;
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = INT64_MAX;  ///< still on when the log ended
  /// Kind (a TruthKind) and instrument of the messages that it took out.
  std::set<std::pair<std::uint8_t, std::string>> removed{};
};

/// While a venue's answer (429, 418, 403) forbids to connect.
struct LoggedBan {
  market::VenueId venue = market::VenueId::none;
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
};

class FaultLog {
 public:
  FaultLog() = default;
  /// @throws core::Error naming the file or the line
  explicit FaultLog(const std::string& path);

  /// Taken out, or passed on as something else: as it was and as it became.
  const EventSet& removed() const { return removed_; }
  /// Passed on behind later ones.
  const EventSet& moved() const { return moved_; }
  /// In the order of their beginnings.
  const std::vector<LoggedFault>& faults() const { return faults_; }
  const std::vector<LoggedBan>& bans() const { return bans_; }

 private:
  std::vector<LoggedFault> faults_;
  std::map<std::int64_t, std::size_t> by_episode_;
  std::vector<LoggedBan> bans_;
  EventSet removed_;
  EventSet moved_;
};

}  // namespace perp::sim
