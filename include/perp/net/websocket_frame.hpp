#pragma once
// One WebSocket frame's head and mask (RFC 6455 section 5), and the words that parser, writer and
// session share: roles, opcodes, errors, close codes. Strict: what the RFC forbids is refused as
// soon as the bytes that show it are there. Pure functions; nothing allocates.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace perp::net {

/// Whose end of the connection this is: a client masks what it sends and takes unmasked frames.
enum class WebSocketRole : std::uint8_t { client, server };

enum class WebSocketOpcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
};
constexpr bool is_control(WebSocketOpcode opcode) noexcept {
  return static_cast<std::uint8_t>(opcode) >= 8;
}

/// Why a connection had to be failed.
enum class WebSocketError : std::uint8_t {
  none,
  reserved_bits,            ///< RSV1-3 without an extension that gives them a meaning there
  unknown_opcode,           ///< 3-7 or 11-15
  fragmented_control,       ///< a control frame without FIN
  control_too_long,         ///< more than 125 bytes
  masked_by_server,         ///< RFC 6455 section 5.1
  unmasked_by_client,       ///< RFC 6455 section 5.1
  length_not_minimal,       ///< a longer length field than needed
  length_too_large,         ///< top bit of the 64-bit length
  unexpected_continuation,  ///< there is no message to continue
  unfinished_message,       ///< a new message before the last one's final fragment
  message_too_big,          ///< above the limit, before or after inflating
  too_many_fragments,       ///< above the limit
  invalid_utf8,             ///< in a text message
  short_close,              ///< a close frame of one byte
  invalid_close_code,       ///< one that must not be sent
  invalid_close_reason,     ///< not UTF-8
  corrupt_deflate,          ///< the compressed bytes are not a whole deflate stream
};
/// A sentence for people.
std::string_view to_string(WebSocketError error) noexcept;

namespace close_code {
inline constexpr std::uint16_t normal = 1000;
inline constexpr std::uint16_t going_away = 1001;
inline constexpr std::uint16_t protocol_error = 1002;
inline constexpr std::uint16_t none_given = 1005;  ///< never sent: the close frame was empty
inline constexpr std::uint16_t invalid_data = 1007;
inline constexpr std::uint16_t policy = 1008;
inline constexpr std::uint16_t too_big = 1009;
inline constexpr std::uint16_t internal_error = 1011;
inline constexpr std::uint16_t try_again_later = 1013;
}  // namespace close_code

/// May stand in a close frame: 1000-1003, 1007-1014 and 3000-4999
/// (https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number).
bool is_valid_close_code(std::uint16_t code) noexcept;
/// What the close frame that answers `error` has to say.
std::uint16_t close_code_of(WebSocketError error) noexcept;

struct WebSocketFrameHead {
  static constexpr std::size_t size_max = 14;

  std::uint64_t payload_size = 0;
  std::uint32_t mask = 0;  ///< as it lies in memory
  std::uint8_t size_bytes = 0;
  WebSocketOpcode opcode = WebSocketOpcode::continuation;
  bool is_final = true;
  bool is_compressed = false;  ///< RSV1 of permessage-deflate: on the first frame of a message
  bool is_masked = false;
};

/// Reads the head at the front of `data`; head.size_bytes is 0 if it is not all there.
/// @param reader the role of the end that reads
/// @param has_deflate permessage-deflate was negotiated, so RSV1 has a meaning
[[nodiscard]] WebSocketError decode_frame_head(std::span<const std::byte> data,
                                               WebSocketRole reader, bool has_deflate,
                                               WebSocketFrameHead& head) noexcept;

/// Writes the head, with its length in the shortest form. @return its size in bytes.
std::size_t encode_frame_head(const WebSocketFrameHead& head,
                              std::span<std::byte, WebSocketFrameHead::size_max> out) noexcept;

/// Masks or unmasks in place. @param offset of the payload's first byte within its frame.
void apply_mask(std::span<std::byte> payload, std::uint32_t mask, std::uint64_t offset) noexcept;

}  // namespace perp::net
