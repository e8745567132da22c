// Any bytes as a WebSocket connection's, in either role: our parser gives the same events however
// the bytes are cut, and Boost.Beast's, where both speak the same dialect.
// Input: a byte of role (bit 0), deflate (bit 1) and piece size (the rest), then the stream.
#include "net/beast_stream.hpp"
#include "net/websocket_support.hpp"
#include "require.hpp"

#include <perp/net/websocket_parser.hpp>

#include <algorithm>
#include <optional>

namespace perp::net::test {
namespace {

constexpr WebSocketLimits limits{.message_bytes = 1 << 20, .fragments = 100'000};

struct Result {
  std::vector<std::string> events;
  WebSocketError error = WebSocketError::none;
  bool is_closed = false;
};

Result ours(std::string_view stream, WebSocketRole reader,
            const std::optional<WebSocketDeflate>& deflate, std::size_t piece_size) {
  WebSocketParser parser(reader, limits, deflate);
  StreamBuffer buffer(WebSocketParser::buffer_limit(limits, stream.size()), 64);
  Result result;
  while (!stream.empty()) {
    const std::string_view piece = stream.substr(0, piece_size);
    stream.remove_prefix(piece.size());
    const std::span<std::byte> room = buffer.writable(piece.size());
    require(room.size() >= piece.size(), "the buffer is within its bound");
    std::memcpy(room.data(), piece.data(), piece.size());
    buffer.commit(piece.size());
    while (true) {
      const WebSocketMessage message = parser.next(buffer);
      if (message.event == WebSocketEvent::need_more) break;
      if (message.event == WebSocketEvent::failed) {
        result.error = parser.error();
        return result;
      }
      require(message.payload.size() <= limits.message_bytes, "no message above the limit");
      result.is_closed = message.event == WebSocketEvent::close;
      result.events.push_back(
          std::string(1, static_cast<char>('0' + static_cast<int>(message.event))) +
          std::to_string(message.close_code) + ":" + std::string(message.text()));
    }
  }
  return result;
}

struct Theirs {
  std::vector<std::string> events;
  boost::beast::error_code error;
};

constexpr std::string_view request =
    "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

std::string event_text(WebSocketEvent event, unsigned code, std::string_view payload) {
  return std::string(1, static_cast<char>('0' + static_cast<int>(event))) + std::to_string(code) +
         ":" + std::string(payload);
}

Theirs beast(std::string_view stream, WebSocketRole reader) {
  namespace ws = boost::beast::websocket;
  static boost::asio::io_context context;
  BeastWebSocket socket(context);
  Theirs result;
  if (reader == WebSocketRole::server) {
    socket.next_layer().feed(request);
    socket.accept(result.error);
  } else {
    socket.handshake("h", "/", result.error);
  }
  require(!result.error, "Beast opens");
  socket.read_message_max(limits.message_bytes);
  socket.control_callback([&](ws::frame_type kind, boost::beast::string_view payload) {
    if (kind == ws::frame_type::close) return;
    result.events.push_back(
        event_text(kind == ws::frame_type::ping ? WebSocketEvent::ping : WebSocketEvent::pong, 0,
                   {payload.data(), payload.size()}));
  });
  socket.next_layer().feed(stream);
  boost::beast::flat_buffer message;
  while (true) {
    message.clear();
    socket.read(message, result.error);
    if (result.error) break;
    const auto data = message.data();
    result.events.push_back(
        event_text(socket.got_text() ? WebSocketEvent::text : WebSocketEvent::binary, 0,
                   {static_cast<const char*>(data.data()), data.size()}));
  }
  if (result.error == ws::error::closed) {
    const auto& reason = socket.reason();
    const unsigned code =
        reason.code == ws::close_code::none ? close_code::none_given : reason.code;
    result.events.push_back(
        event_text(WebSocketEvent::close, code, {reason.reason.data(), reason.reason.size()}));
  }
  return result;
}

// Beast 1.74 does not ask whether a text is whole where its last fragment is empty.
bool hands_out_half_a_text(const Result& we, const Theirs& they) {
  const std::size_t count = we.events.size();
  return they.events.size() > count &&
         std::equal(we.events.begin(), we.events.end(), they.events.begin()) &&
         !is_utf8(bytes_of(they.events[count]));
}

void compare_with_beast(std::string_view stream, WebSocketRole reader, const Result& we) {
  namespace ws = boost::beast::websocket;
  const Theirs they = beast(stream, reader);
  const bool are_alike = we.events == they.events;
  if (we.is_closed) {
    require(are_alike || they.error == ws::error::bad_close_code, "the same events and close");
  } else if (we.error == WebSocketError::none) {
    require(are_alike && they.error == boost::asio::error::eof, "both wait for more");
  } else if (we.error == WebSocketError::invalid_close_code) {
    // By intent: 5000 and above are nobody's codes. (1014 is IANA's since 2017: Beast refuses it.)
    require(they.error == ws::error::bad_close_code || they.error == ws::error::bad_close_payload ||
                they.error == ws::error::closed,
            "a close that we refuse");
  } else if (we.error == WebSocketError::invalid_utf8 && !are_alike) {
    require(hands_out_half_a_text(we, they), "the same events before the wrong text");
  } else {
    // We may fail a byte or more before Beast has enough to look.
    require(are_alike && they.error != ws::error::closed, "the same events before the failure");
  }
}

}  // namespace
}  // namespace perp::net::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perp::net;
  if (size == 0) return 0;
  const WebSocketRole reader = (data[0] & 1) != 0 ? WebSocketRole::server : WebSocketRole::client;
  std::optional<WebSocketDeflate> deflate;
  if ((data[0] & 2) != 0) deflate.emplace();
  const std::size_t piece = 1 + (data[0] >> 2);
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const test::Result whole = test::ours(stream, reader, deflate, stream.size());
  const test::Result cut = test::ours(stream, reader, deflate, piece);
  test::require(whole.events == cut.events && whole.error == cut.error,
                "one answer however the bytes are cut");
  if (!deflate) test::compare_with_beast(stream, reader, whole);
  return 0;
}
