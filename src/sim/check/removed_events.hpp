#pragma once
// What a fault proxy says that it took out or changed, as the events that its messages told. Reads
// the venues' messages by itself, for a check may not rest on the decoder that it checks. Cold.
#include <perp/market/venue_id.hpp>

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

namespace perp::sim {

class RemovedEvents {
 public:
  RemovedEvents() = default;
  /// @throws core::Error naming the file or the line
  explicit RemovedEvents(const std::string& path);

  /// @param kind a TruthKind @param id as in a TruthRow; of a liquidation its time in ms
  bool contains(market::VenueId venue, std::uint8_t kind, std::string_view native,
                std::int64_t id) const {
    return events_.contains({venue, kind, std::string(native), id});
  }
  std::size_t size() const { return events_.size(); }

 private:
  void take(market::VenueId venue, std::string_view message);
  void add(market::VenueId venue, int kind, std::string_view native, std::int64_t id);

  std::set<std::tuple<market::VenueId, std::uint8_t, std::string, std::int64_t>> events_;
};

}  // namespace perp::sim
