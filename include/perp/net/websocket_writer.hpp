#pragma once
// Messages into frames behind a StreamBuffer's data, in the shortest form, masked if a client
// writes. One owner thread. Allocates only while the buffer or the deflater grows.
#include <perp/net/random_source.hpp>
#include <perp/net/stream_buffer.hpp>
#include <perp/net/websocket_deflate.hpp>
#include <perp/net/websocket_frame.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace perp::net {

class WebSocketWriter {
 public:
  /// Below this a compressed message is hardly smaller, and never cheaper.
  static constexpr std::size_t compress_from_bytes = 64;

  /// @param writer the role of the end that writes @param deflate as negotiated, if it was
  explicit WebSocketWriter(WebSocketRole writer, RandomSource random = system_random(),
                           const std::optional<WebSocketDeflate>& deflate = std::nullopt);

  /// Appends a message or control frame (payload at most 125 bytes) as one frame, data compressed
  /// where that was negotiated. @return false, and nothing appended, if `out` may not grow so far.
  [[nodiscard]] bool write(WebSocketOpcode opcode, std::span<const std::byte> payload,
                           StreamBuffer& out);
  [[nodiscard]] bool write_text(std::string_view text, StreamBuffer& out) {
    return write(WebSocketOpcode::text, std::as_bytes(std::span(text)), out);
  }
  /// Appends one fragment of an uncompressed message.
  [[nodiscard]] bool write_fragment(WebSocketOpcode opcode, std::span<const std::byte> payload,
                                    bool is_final, StreamBuffer& out);
  /// @param code 0 or close_code::none_given: an empty close frame. The reason is cut to 123 bytes,
  /// between code points.
  [[nodiscard]] bool write_close(std::uint16_t code, std::string_view reason, StreamBuffer& out);

 private:
  bool append(const WebSocketFrameHead& head, std::span<const std::byte> payload,
              StreamBuffer& out);
  std::uint32_t next_mask() noexcept;

  RandomSource random_;
  WebSocketRole role_;
  std::optional<WebSocketDeflater> deflater_;
  std::size_t masks_left_ = 0;
  std::array<std::uint32_t, 64> masks_{};  // one call of the random source for many frames
};

}  // namespace perp::net
