#pragma once
// Frames as bytes, and what a parser makes of a stream that comes in pieces. The builder is the
// tests' own: it writes what the RFC forbids as gladly as what it allows.
#include <perp/net/websocket_parser.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace perp::net::test {

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

inline void append(StreamBuffer& buffer, std::string_view text) {
  const std::span<std::byte> room = buffer.writable(text.size());
  ASSERT_GE(room.size(), text.size());
  if (!text.empty()) std::memcpy(room.data(), text.data(), text.size());
  buffer.commit(text.size());
}

/// A frame by its first byte, e.g. 0x81: final text.
struct Frame {
  unsigned first = 0x81;
  std::string payload;
  int length_form = 0;  ///< 7, 16 or 64; 0: the shortest
  bool is_masked = false;
  std::string mask = "\x37\xfa\x21\x3d";

  std::string bytes() const {
    std::string out(1, static_cast<char>(first));
    const std::size_t size = payload.size();
    const int form = length_form != 0 ? length_form : size < 126 ? 7 : size < 65536 ? 16 : 64;
    const unsigned masked = is_masked ? 0x80 : 0;
    if (form == 7) {
      out += static_cast<char>(masked | size);
    } else {
      out += static_cast<char>(masked | (form == 16 ? 126u : 127u));
      for (int shift = form - 8; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift);
    }
    std::string body = payload;
    if (is_masked) {
      out += mask;
      for (std::size_t i = 0; i < body.size(); ++i)
        body[i] = static_cast<char>(body[i] ^ mask[i % 4]);
    }
    return out + body;
  }
};

inline std::string frame(unsigned first, std::string payload = {}) {
  return Frame{.first = first, .payload = std::move(payload)}.bytes();
}
inline std::string masked_frame(unsigned first, std::string payload = {}) {
  return Frame{.first = first, .payload = std::move(payload), .is_masked = true}.bytes();
}
inline std::string close_payload(unsigned code, std::string_view reason = {}) {
  return std::string{static_cast<char>(code >> 8), static_cast<char>(code)} + std::string(reason);
}

/// What came out, one short text per event: "text:hello", "ping:", "close:1000:bye",
/// "failed:<error number>". Large payloads stand as their size.
struct Outcome {
  std::vector<std::string> events;
  WebSocketError error = WebSocketError::none;
};

inline std::string describe(const WebSocketMessage& message) {
  const std::string text = message.payload.size() > 300
                               ? std::to_string(message.payload.size()) + " bytes"
                               : std::string(message.text());
  switch (message.event) {
    case WebSocketEvent::text: return "text:" + text;
    case WebSocketEvent::binary: return "binary:" + text;
    case WebSocketEvent::ping: return "ping:" + text;
    case WebSocketEvent::pong: return "pong:" + text;
    case WebSocketEvent::close: return "close:" + std::to_string(message.close_code) + ":" + text;
    case WebSocketEvent::failed: return "failed";
    case WebSocketEvent::need_more: return "need_more";
  }
  return "?";
}

/// Feeds `stream` in pieces of `piece_size` and drains the parser after each.
inline Outcome parse(WebSocketParser& parser, std::string_view stream, std::size_t piece_size,
                     std::size_t buffer_limit = std::size_t{64} << 20) {
  Outcome outcome;
  StreamBuffer buffer(buffer_limit, 256);
  while (!stream.empty()) {
    const std::string_view piece = stream.substr(0, piece_size);
    stream.remove_prefix(piece.size());
    append(buffer, piece);
    while (true) {
      const WebSocketMessage message = parser.next(buffer);
      if (message.event == WebSocketEvent::need_more) break;
      if (message.event == WebSocketEvent::failed) {
        outcome.events.emplace_back("failed");
        outcome.error = parser.error();
        return outcome;
      }
      outcome.events.push_back(describe(message));
    }
  }
  return outcome;
}

}  // namespace perp::net::test
