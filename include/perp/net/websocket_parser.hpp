#pragma once
// Messages out of received bytes, in place: a whole message is a span of the StreamBuffer, unmasked
// and joined there. What is bound to fail fails early: a frame's rules when its head is there, a
// message's UTF-8 as its bytes arrive, its size before they do. After a failure or a close nothing
// more comes out. One owner thread; no allocation but for the inflater's first growth; no clock, no
// socket.
//
// Layout while a fragmented message grows (joined_ and scan_ count from the buffer's front):
//
//   | joined payload | heads and control frames done | rest of the current frame, next frames |
//   0                joined_                         scan_
//
// A piece is moved down to joined_; the hole is dropped when it has grown as large as what stands
// before it, so moving costs at most one more copy per byte and the hole stays below the message's
// size.
#include <perp/net/stream_buffer.hpp>
#include <perp/net/utf8.hpp>
#include <perp/net/websocket_deflate.hpp>
#include <perp/net/websocket_frame.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace perp::net {

struct WebSocketLimits {
  std::size_t message_bytes = std::size_t{16} << 20;  ///< after inflating
  std::size_t fragments = 10'000;                     ///< of one message
};

enum class WebSocketEvent : std::uint8_t {
  need_more,  ///< nothing whole is there
  text,
  binary,
  ping,
  pong,
  close,   ///< the peer's close frame; nothing comes after it
  failed,  ///< see error(); nothing comes after it
};

struct WebSocketMessage {
  /// With StreamBuffer::slack readable bytes behind. Valid until the parser's or the buffer's next
  /// call. Of a close: the reason.
  std::span<const std::byte> payload;
  std::uint16_t close_code = 0;  ///< of a close; close_code::none_given if it was empty
  WebSocketEvent event = WebSocketEvent::need_more;

  std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(payload.data()), payload.size()};
  }
};

class WebSocketParser {
 public:
  /// @param reader the role of the end that reads @param deflate as negotiated, if it was
  explicit WebSocketParser(WebSocketRole reader, const WebSocketLimits& limits = {},
                           const std::optional<WebSocketDeflate>& deflate = std::nullopt);

  /// Takes the next message or control frame from the buffer's front.
  [[nodiscard]] WebSocketMessage next(StreamBuffer& received) noexcept;

  WebSocketError error() const noexcept { return error_; }
  /// A message has begun whose end is not there.
  bool is_inside_message() const noexcept { return is_in_frame_ || is_in_message_; }
  /// The least limit of a StreamBuffer that holds any message within `limits` and a piece of
  /// `received_bytes` behind it.
  static constexpr std::size_t buffer_limit(const WebSocketLimits& limits,
                                            std::size_t received_bytes) noexcept {
    return 2 * limits.message_bytes + received_bytes + 2 * WebSocketFrameHead::size_max;
  }

 private:
  enum class State : std::uint8_t { open, closed, failed };

  WebSocketMessage next_slow(StreamBuffer& received) noexcept;
  WebSocketError begin_frame() noexcept;
  WebSocketMessage take_control(StreamBuffer& received) noexcept;
  WebSocketError take_piece(std::span<std::byte> piece) noexcept;
  WebSocketMessage take_message(StreamBuffer& received) noexcept;
  WebSocketMessage fail(WebSocketError error) noexcept;
  void drop_hole(StreamBuffer& received) noexcept;

  std::size_t message_limit_;
  std::size_t fragment_limit_;
  WebSocketRole reader_;
  State state_ = State::open;
  WebSocketError error_ = WebSocketError::none;
  bool is_in_message_ = false;                      // a fragment came, its final one has not
  bool is_in_frame_ = false;                        // head_ is read, its payload is not all taken
  bool is_compressed_ = false;                      // the current message
  WebSocketOpcode opcode_ = WebSocketOpcode::text;  // the current message's
  WebSocketFrameHead head_;
  std::uint64_t frame_done_ = 0;  // payload bytes of the current frame taken
  std::size_t joined_ = 0;
  std::size_t scan_ = 0;
  std::size_t fragments_ = 0;
  std::uint64_t compressed_bytes_ = 0;  // of the current message
  Utf8Validator utf8_;
  std::optional<WebSocketInflater> inflater_;
  std::array<std::byte, 125 + StreamBuffer::slack> control_{};  // the last control frame's payload
};

}  // namespace perp::net
