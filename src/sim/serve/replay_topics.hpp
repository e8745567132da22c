#pragma once
// Which subscription a recorded message of a venue belongs to. Reads the message as a tree: for
// recordings at their own speed. Pure; any thread.
#include <perp/market/venue_id.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace perp::sim {

struct ReplayTopics {
  /// A subscription brings the message if its topic, as the venue's server spells it, is one of
  /// these, or begins with one that is_prefix. Empty: it is about no subscription.
  std::vector<std::string> topics{};
  bool is_prefix = false;
  /// Binance: the event without its envelope; empty if it came without one.
  std::string_view bare{};
};

ReplayTopics topics_of(market::VenueId venue, std::string_view message);

}  // namespace perp::sim
