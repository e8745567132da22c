#pragma once
// Both lanes of an adapter side by side, each with a state of its own: whatever comes, they must
// give the same bytes or the same refusal, and go on alike. On-Demand alone is the definition.
#include "venue/adversity.hpp"

#include <perp/venue/registry.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace perp::test {

class TwoLanes {
 public:
  explicit TwoLanes(const venue::Adapter& adapter) : both_(adapter), on_demand_(adapter) {
    on_demand_.lanes = venue::Lanes::on_demand;
  }

  /// @param behind what the readable bytes behind the message begin with. @returns the status,
  /// which is the same.
  venue::DecodeStatus frame(const std::string& text, const std::string& behind = "") {
    // A buffer of its own and no longer than it must be, so that a sanitizer sees a read beyond.
    std::vector<char> bytes(text.begin(), text.end());
    bytes.insert(bytes.end(), behind.begin(), behind.end());
    bytes.resize(text.size() + venue::frame_padding, '}');
    const venue::Frame frame{.payload = {bytes.data(), text.size()}, .receive_ns = 1};
    return compare(text, [&](venue::VenueState& state, venue::RecordSink& sink) {
      return state.adapter.decode(state, frame, sink);
    });
  }
  /// A reply, which has one lane: for the instruments that it brings.
  venue::DecodeStatus rest(const std::string& endpoint, const std::string& text,
                           const std::string& symbol = "", const std::string& period = "") {
    const Padded padded(text);
    const venue::RestReply reply{
        .endpoint = endpoint, .symbol = symbol, .body = padded.view(), .period = period};
    return compare(text, [&](venue::VenueState& state, venue::RecordSink& sink) {
      return state.adapter.decode_rest(state, reply, sink);
    });
  }

  /// Messages of a kind that were taken or refused, and how many of them a shape read.
  struct Share {
    std::uint64_t all = 0;
    std::uint64_t by_shape = 0;
    friend bool operator==(const Share&, const Share&) = default;
    friend std::ostream& operator<<(std::ostream& out, const Share& share) {
      return out << share.by_shape << " of " << share.all;
    }
  };
  Share share(std::string_view kind) const {
    for (std::size_t i = 0; i < both_.adapter.message_kinds.size(); ++i)
      if (both_.adapter.message_kinds[i] == kind) return {both_.messages[i], both_.by_shape[i]};
    ADD_FAILURE() << "no such kind: " << kind;
    return {};
  }

  bool by_shape = false;  ///< of the last message

 private:
  template <class Decode>
  venue::DecodeStatus compare(const std::string& text, Decode decode) {
    venue::RecordSink& one = sinks_[0];
    venue::RecordSink& two = sinks_[1];
    one.rollback(0, 0);
    two.rollback(0, 0);
    const std::uint64_t read_before = total(both_.by_shape);
    const venue::DecodeStatus status = decode(both_, one);
    const venue::DecodeStatus wanted = decode(on_demand_, two);
    by_shape = total(both_.by_shape) != read_before;
    // Hundreds of thousands of messages come through here: one comparison for all of it.
    const bool is_same = status == wanted && both_.message_kind == on_demand_.message_kind &&
                         both_.fault_field == on_demand_.fault_field &&
                         counters(both_) == counters(on_demand_) &&
                         std::ranges::equal(one.bytes(), two.bytes());
    EXPECT_TRUE(is_same) << name_of(status) << " for " << name_of(wanted) << ", kind "
                         << kind(both_) << " for " << kind(on_demand_) << ", field '"
                         << both_.fault_field << "' for '" << on_demand_.fault_field << "', "
                         << one.bytes().size() << " bytes for " << two.bytes().size() << "\n"
                         << text.substr(0, 1000);
    return status;
  }

  template <class Counts>
  static std::uint64_t total(const Counts& counts) {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : counts) sum += count;
    return sum;
  }
  static std::string_view kind(const venue::VenueState& state) {
    return state.adapter.message_kinds[state.message_kind];
  }

  venue::VenueState both_;
  venue::VenueState on_demand_;
  std::array<venue::RecordSink, 2> sinks_;  ///< kept: to make one anew costs more than a message
};

/// What a message may be turned into by a careless or a hostile sender. `visit` takes each text.
template <class Visit>
void each_disturbed(const std::string& text, Visit visit) {
  for (std::size_t size = 0; size < text.size(); ++size) visit(text.substr(0, size));
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const char byte : {'"', '.', '}', ',', '0', '9', '-', 'e', '\\', ' ', '\x80', '\0'}) {
      std::string other = text;
      other[at] = byte;
      visit(other);
    }
    std::string other = text;
    visit(other.insert(at, " "));
    other = text;
    visit(other.erase(at, 1));
  }
  for (const char* const tail : {" ", "\n", "}", "]", "\"", ",", "0", "x", "{}"})
    visit(text + tail);
  const auto parsed = nlohmann::ordered_json::parse(text, nullptr, false);
  if (parsed.is_discarded()) return;
  // Numbers of every kind in the place of every scalar, and keys that come twice, last or never.
  using Place = nlohmann::ordered_json::json_pointer;
  std::vector<Place> places;
  const std::function<void(const nlohmann::ordered_json&, const Place&)> walk =
      [&](const nlohmann::ordered_json& value, const Place& at) {
        if (value.is_object())
          for (const auto& [key, inner] : value.items()) walk(inner, at / key);
        if (value.is_array())
          for (std::size_t k = 0; k < value.size(); ++k) walk(value[k], at / k);
        if (!at.empty()) places.push_back(at);
      };
  walk(parsed, Place());
  for (const Place& place : places) {
    for (const char* const number :
         {"0", "-0", "0.0", "-1.5", "00.5", "1.", ".5", "1e5", "1E-3", "0.000000000000000000001",
          "123456789012345", "1234567890123456", "99999999999999999999", "9007199254740993",
          "12345678.87654321", "123456789012345678901234567890.5", "1e400",
          "9223372036854775807"}) {
      // Bare and as a text.
      auto changed = parsed;
      changed[place] = "@@";
      std::string bare = changed.dump();
      const std::size_t at = bare.find("\"@@\"");
      std::string quoted = bare;
      visit(bare.replace(at, 4, number));
      visit(quoted.replace(at + 1, 2, number));
    }
    for (const nlohmann::ordered_json& value :
         {nlohmann::ordered_json("Buy"), nlohmann::ordered_json("sell"), nlohmann::ordered_json(""),
          nlohmann::ordered_json(nullptr), nlohmann::ordered_json(true),
          nlohmann::ordered_json::array(), nlohmann::ordered_json::object(),
          nlohmann::ordered_json("UNKNOWN-USDT-SWAP"), nlohmann::ordered_json("\"\\")}) {
      auto changed = parsed;
      changed[place] = value;
      visit(changed.dump());
    }
    auto& parent = parsed[place.parent_pointer()];
    if (!parent.is_object()) continue;
    auto without = parsed;
    without[place.parent_pointer()].erase(place.back());
    visit(without.dump());
    auto last = without;
    last[place.parent_pointer()][place.back()] = parsed[place];
    visit(last.dump());
    // The same key twice: nlohmann cannot write it.
    last[place.parent_pointer()]["@@" + place.back()] = parsed[place];
    std::string twice = last.dump();
    visit(twice.erase(twice.find("@@"), 2));
  }
}

/// Every message of the scenarios, and everything that it may be turned into, through both lanes.
/// @returns how many messages that was.
inline std::uint64_t expect_lanes_agree(const venue::Adapter& adapter,
                                        const std::map<std::string, Scenario>& scenarios) {
  std::uint64_t messages = 0;
  for (const auto& [name, scenario] : scenarios) {
    TwoLanes lanes(adapter);
    for (const Step& step : scenario) {
      if (!step.endpoint.empty()) {
        lanes.rest(step.endpoint, step.text, step.symbol, step.period);
        continue;
      }
      lanes.frame(step.text);
      each_disturbed(step.text, [&](const std::string& text) {
        if (::testing::Test::HasFailure()) return;
        lanes.frame(text);
        ++messages;
      });
      lanes.frame(step.text);
    }
  }
  return messages;
}

/// Every recorded frame through both lanes, one state per recording; `prepare` may give it
/// instruments first.
template <class Visit, class Prepare = void (*)(TwoLanes&)>
void each_recording(
    const venue::Adapter& adapter, const std::string& folder, Visit visit,
    Prepare prepare = [](TwoLanes&) {}) {
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("ws_")) continue;
    TwoLanes lanes(adapter);
    prepare(lanes);
    for (const std::string& message : read_messages(entry.path().string())) lanes.frame(message);
    visit(name, lanes);
  }
}

}  // namespace perp::test
