#include <perp/core/platform.hpp>
#include <perp/net/websocket_session.hpp>

#include <cstring>

namespace perp::net {
namespace {

constexpr std::size_t control_size_max = 125 + 6;

}  // namespace

WebSocketSession::WebSocketSession(WebSocketRole role, const WebSocketLimits& limits,
                                   const std::optional<WebSocketDeflate>& deflate,
                                   RandomSource random)
    : parser_(role, limits, deflate),
      writer_(role, random, deflate),
      // Room for the close frame behind the pongs, and for the writer's longest head.
      answers_(answer_limit_bytes + control_size_max + WebSocketFrameHead::size_max,
               answer_limit_bytes + control_size_max + WebSocketFrameHead::size_max) {}

WebSocketMessage WebSocketSession::next(StreamBuffer& received) noexcept {
  const WebSocketMessage message = parser_.next(received);
  switch (message.event) {
    case WebSocketEvent::ping: queue_pong(message.payload); break;
    case WebSocketEvent::close:
      has_peer_closed_ = true;
      close(message.close_code);
      break;
    case WebSocketEvent::failed:
      has_failed_ = true;
      close(close_code_of(parser_.error()), to_string(parser_.error()));
      break;
    default: break;
  }
  return message;
}

bool WebSocketSession::take_answers(StreamBuffer& out) {
  const std::span<const std::byte> queued = answers_.data();
  if (queued.empty()) return true;
  const std::span<std::byte> room = out.writable(queued.size());
  if (room.empty()) return false;
  std::memcpy(room.data(), queued.data(), queued.size());
  out.commit(queued.size());
  answers_.clear();
  pongs_queued_ = 0;
  return true;
}

bool WebSocketSession::write_text(std::string_view text, StreamBuffer& out) {
  return !is_closing_ && writer_.write_text(text, out);
}

bool WebSocketSession::write_binary(std::span<const std::byte> payload, StreamBuffer& out) {
  return !is_closing_ && writer_.write(WebSocketOpcode::binary, payload, out);
}

bool WebSocketSession::write_ping(std::span<const std::byte> payload, StreamBuffer& out) {
  return !is_closing_ && writer_.write(WebSocketOpcode::ping, payload, out);
}

void WebSocketSession::close(std::uint16_t code, std::string_view reason) {
  if (is_closing_) return;
  is_closing_ = true;
  const bool is_written = writer_.write_close(code, reason, answers_);
  PERP_ASSERT(is_written);
  static_cast<void>(is_written);
}

void WebSocketSession::queue_pong(std::span<const std::byte> payload) {
  if (is_closing_) return;  // RFC 6455 section 5.5.1: the close frame is the last
  if (answers_.data().size() + control_size_max > answer_limit_bytes) {
    // RFC 6455 section 5.5.3: the most recent ping may be answered alone.
    pings_unanswered_ += pongs_queued_;
    answers_.clear();
    pongs_queued_ = 0;
  }
  const bool is_written = writer_.write(WebSocketOpcode::pong, payload, answers_);
  PERP_ASSERT(is_written);
  static_cast<void>(is_written);
  ++pongs_queued_;
}

}  // namespace perp::net
