#pragma once
// Recorded Binance messages as a server's WebSocket frames, and what peers make of them: fields in
// a queue of Boost's.
#include "harness/two_threads.hpp"
#include "venue/binance_readers.hpp"
#include "venue/recorded.hpp"

#include <perp/net/stream_buffer.hpp>
#include <perp/net/websocket_writer.hpp>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/lockfree/spsc_queue.hpp>

#include <array>
#include <bit>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perp::bench {

/// Messages in recorded order, and each one's kind.
struct Traffic {
  Messages messages;
  std::vector<Kind> kinds;
};

inline Kind kind_of(std::string_view text) {
  const std::string_view head = text.substr(0, 60);
  if (head.find("@bookTicker") != std::string_view::npos) return Kind::book_ticker;
  if (head.find("@trade") != std::string_view::npos) return Kind::trade;
  return Kind::depth;
}

/// The recorded messages, or the quotes among them, `count_max` of them at most.
/// Nothing where there is no such recording.
inline std::optional<Traffic> read_traffic(bool is_mix, std::size_t count_max) {
  if (captures_folder().empty()) return std::nullopt;
  std::ifstream file(captures_folder() + "/binance/ws_combined_btcusdt_2024-08-08.tsv");
  if (!file) return std::nullopt;
  Traffic traffic;
  for (std::string line; std::getline(file, line) && traffic.kinds.size() < count_max;) {
    line.erase(0, line.find('\t') + 1);
    if (!line.starts_with(R"({"stream")")) continue;  // the book's snapshot, by HTTP
    const Kind kind = kind_of(line);
    if (!is_mix && kind != Kind::book_ticker) continue;
    traffic.messages.add(line);
    traffic.kinds.push_back(kind);
  }
  return traffic;
}

/// Each message as a frame of a server.
inline std::vector<std::string> frames_of(const Traffic& traffic) {
  net::WebSocketWriter writer(net::WebSocketRole::server, net::system_random(), std::nullopt);
  std::vector<std::string> frames;
  for (std::size_t i = 0; i < traffic.messages.size(); ++i) {
    net::StreamBuffer out(std::size_t{1} << 20, std::size_t{1} << 16);
    require(writer.write_text(traffic.messages[i], out), "no room for a frame");
    frames.emplace_back(reinterpret_cast<const char*>(out.data().data()), out.data().size());
  }
  return frames;
}

/// Fields as the peers hand them on: a fixed-size item of a Boost queue, levels in as many as they
/// need.
struct Item {
  std::array<std::uint64_t, 16> values{};
};
class QueueOut {
 public:
  void operator()(double value) { put(std::bit_cast<std::uint64_t>(value)); }
  void operator()(std::int64_t value) { put(static_cast<std::uint64_t>(value)); }
  void operator()(std::string_view text) { put(text.size()); }
  void end() {
    if (size_ != 0) push();
  }
  void drain() {
    queue_.consume_all([](const Item&) {});
  }

 private:
  void put(std::uint64_t value) {
    item_.values[size_++] = value;
    if (size_ == item_.values.size()) push();
  }
  void push() {
    while (!queue_.push(item_)) drain();
    size_ = 0;
  }
  Item item_;
  std::size_t size_ = 0;
  boost::lockfree::spsc_queue<Item, boost::lockfree::capacity<65536>> queue_;
};

template <class Reader>
void read_one(Reader& reader, Kind kind, std::string_view text, QueueOut& out) {
  switch (kind) {
    case Kind::book_ticker: reader.template read<Kind::book_ticker>(text, out); break;
    case Kind::trade: reader.template read<Kind::trade>(text, out); break;
    default: reader.template read<Kind::depth>(text, out); break;
  }
  out.end();
}

/// One flat buffer is used again, with the room behind each message that simdjson needs.
inline std::string_view padded(boost::beast::flat_buffer& buffer) {
  static_cast<void>(buffer.prepare(venue::frame_padding));
  return {static_cast<const char*>(buffer.data().data()), buffer.size()};
}

}  // namespace perp::bench
