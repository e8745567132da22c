#pragma once
// Recorded messages of one kind, and what a reader makes of them.
#include <perp/venue/adapter.hpp>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace perp::bench {

/// Messages behind each other in one buffer, each padded as a frame is.
struct Messages {
  std::string buffer;
  std::vector<std::pair<std::size_t, std::size_t>> places;

  void add(std::string_view text) {
    places.emplace_back(buffer.size(), text.size());
    buffer += text;
    buffer.append(venue::frame_padding, '\0');
  }
  std::size_t size() const { return places.size(); }
  std::string_view operator[](std::size_t index) const {
    return {buffer.data() + places[index].first, places[index].second};
  }
  std::size_t bytes() const {
    std::size_t total = 0;
    for (const auto& place : places) total += place.second;
    return total;
  }
};

/// The fields of a message, in the order in which they are given.
struct Values {
  std::vector<std::uint64_t> bits;
  void operator()(double value) { bits.push_back(std::bit_cast<std::uint64_t>(value)); }
  void operator()(std::int64_t value) { bits.push_back(static_cast<std::uint64_t>(value)); }
  void operator()(std::string_view text) { (*this)(static_cast<std::int64_t>(text.size())); }
  friend bool operator==(const Values&, const Values&) = default;
};
/// Their sum, which costs next to nothing to build.
struct Checksum {
  std::uint64_t sum = 0;
  void operator()(double value) { sum += std::bit_cast<std::uint64_t>(value); }
  void operator()(std::int64_t value) { sum += static_cast<std::uint64_t>(value); }
  void operator()(std::string_view text) { sum += text.size(); }
};

/// "" where PERP_CAPTURES_DIR is not set.
inline std::string captures_folder() {
  const char* folder = std::getenv("PERP_CAPTURES_DIR");
  return folder == nullptr ? "" : folder;
}

/// The frames of a recording (time, tab, message a line; or a message a line) by kind. What gives
/// no record is left out.
inline std::map<std::string, Messages> read_recording(const venue::Adapter& adapter,
                                                      const std::string& path) {
  std::map<std::string, Messages> found;
  std::ifstream file(path);
  venue::VenueState state(adapter);
  for (std::string line; std::getline(file, line);) {
    if (path.ends_with(".tsv")) line.erase(0, line.find('\t') + 1);
    const std::size_t size = line.size();
    line.append(venue::frame_padding, '\0');
    venue::RecordSink sink;
    venue::Frame frame;
    frame.payload = std::string_view(line.data(), size);
    if (adapter.decode(state, frame, sink) == venue::DecodeStatus::ok && sink.record_count() != 0)
      found[std::string(adapter.message_kinds[state.message_kind])].add(frame.payload);
  }
  return found;
}

}  // namespace perp::bench
