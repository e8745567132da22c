#pragma once
// One WebSocket connection after its handshake: parser, writer and the duties between them. Pings
// are answered, a close is answered, a failure is told to the peer with the right code; nothing is
// written after a close and nothing read after a failure. Bytes in, bytes out: the caller owns the
// socket, its time-outs and both buffers. One owner thread.
#include <perp/net/websocket_parser.hpp>
#include <perp/net/websocket_writer.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace perp::net {

class WebSocketSession {
 public:
  /// Pongs of this many bytes wait at most for take_answers(); beyond it the older ones make room:
  /// a peer that floods pings without reading costs no more than this.
  static constexpr std::size_t answer_limit_bytes = 4096;

  explicit WebSocketSession(WebSocketRole role, const WebSocketLimits& limits = {},
                            const std::optional<WebSocketDeflate>& deflate = std::nullopt,
                            RandomSource random = system_random());

  /// As WebSocketParser::next(); answers are queued for take_answers().
  [[nodiscard]] WebSocketMessage next(StreamBuffer& received) noexcept;
  /// Appends the queued pongs and the close frame. Call it when `out` is about to be sent, once per
  /// read rather than per ping. @return false if `out` is full: they stay queued.
  bool take_answers(StreamBuffer& out);

  /// @return false if a close was sent or queued, or `out` is full.
  [[nodiscard]] bool write_text(std::string_view text, StreamBuffer& out);
  [[nodiscard]] bool write_binary(std::span<const std::byte> payload, StreamBuffer& out);
  /// @param payload at most 125 bytes
  [[nodiscard]] bool write_ping(std::span<const std::byte> payload, StreamBuffer& out);
  /// Begins the close handshake: queues the close frame. The first call counts.
  void close(std::uint16_t code, std::string_view reason = {});

  /// Both closes were exchanged, or the connection failed: flush `out`, then close the socket. RFC
  /// 6455 section 7.1.1 lets the server close first; a client waits for it with a time-out.
  bool is_done() const noexcept { return (has_peer_closed_ && is_closing_) || has_failed_; }
  /// A close was sent or queued.
  bool is_closing() const noexcept { return is_closing_; }
  WebSocketError error() const noexcept { return parser_.error(); }
  bool is_inside_message() const noexcept { return parser_.is_inside_message(); }
  /// Pings whose pong made room for a later one.
  std::uint64_t pings_unanswered() const noexcept { return pings_unanswered_; }

 private:
  void queue_pong(std::span<const std::byte> payload);

  WebSocketParser parser_;
  WebSocketWriter writer_;
  StreamBuffer answers_;
  std::uint64_t pings_unanswered_ = 0;
  std::uint64_t pongs_queued_ = 0;
  bool is_closing_ = false;
  bool has_peer_closed_ = false;
  bool has_failed_ = false;
};

}  // namespace perp::net
