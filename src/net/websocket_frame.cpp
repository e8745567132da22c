#include <perp/net/websocket_frame.hpp>

#include <bit>
#include <cstring>

namespace perp::net {

std::string_view to_string(WebSocketError error) noexcept {
  switch (error) {
    case WebSocketError::none: return "no error";
    case WebSocketError::reserved_bits: return "a reserved bit is set without its extension";
    case WebSocketError::unknown_opcode: return "a frame with a reserved opcode";
    case WebSocketError::fragmented_control: return "a control frame that is not final";
    case WebSocketError::control_too_long: return "a control frame of more than 125 bytes";
    case WebSocketError::masked_by_server: return "a masked frame from the server";
    case WebSocketError::unmasked_by_client: return "an unmasked frame from the client";
    case WebSocketError::length_not_minimal: return "a payload length in a longer form than needed";
    case WebSocketError::length_too_large: return "a payload length with its top bit set";
    case WebSocketError::unexpected_continuation: return "a continuation without a message";
    case WebSocketError::unfinished_message: return "a new message inside a fragmented one";
    case WebSocketError::message_too_big: return "a message above the size limit";
    case WebSocketError::too_many_fragments: return "a message of too many fragments";
    case WebSocketError::invalid_utf8: return "a text message that is not UTF-8";
    case WebSocketError::short_close: return "a close frame of one byte";
    case WebSocketError::invalid_close_code: return "a close frame with a code that is never sent";
    case WebSocketError::invalid_close_reason: return "a close reason that is not UTF-8";
    case WebSocketError::corrupt_deflate: return "a compressed message that does not inflate";
  }
  return "unknown error";
}

bool is_valid_close_code(std::uint16_t code) noexcept {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

std::uint16_t close_code_of(WebSocketError error) noexcept {
  switch (error) {
    case WebSocketError::none: return close_code::normal;
    case WebSocketError::invalid_utf8:
    case WebSocketError::invalid_close_reason:
    case WebSocketError::corrupt_deflate: return close_code::invalid_data;
    case WebSocketError::message_too_big:
    case WebSocketError::too_many_fragments: return close_code::too_big;
    default: return close_code::protocol_error;
  }
}

WebSocketError decode_frame_head(std::span<const std::byte> data, WebSocketRole reader,
                                 bool has_deflate, WebSocketFrameHead& head) noexcept {
  head.size_bytes = 0;
  if (data.empty()) return WebSocketError::none;
  const auto first = std::to_integer<std::uint8_t>(data[0]);
  const auto opcode = static_cast<std::uint8_t>(first & 0x0f);
  head.opcode = static_cast<WebSocketOpcode>(opcode);
  head.is_final = (first & 0x80) != 0;
  head.is_compressed = (first & 0x40) != 0;
  if ((first & 0x30) != 0) return WebSocketError::reserved_bits;
  // Only a message's first frame carries the bit (RFC 7692 section 6.1).
  const bool begins_message = opcode == 1 || opcode == 2;
  if (head.is_compressed && !(has_deflate && begins_message)) return WebSocketError::reserved_bits;
  if ((opcode > 2 && opcode < 8) || opcode > 10) return WebSocketError::unknown_opcode;
  const bool is_control_frame = opcode >= 8;
  if (is_control_frame && !head.is_final) return WebSocketError::fragmented_control;

  if (data.size() < 2) return WebSocketError::none;
  const auto second = std::to_integer<std::uint8_t>(data[1]);
  head.is_masked = (second & 0x80) != 0;
  if (head.is_masked != (reader == WebSocketRole::server))
    return head.is_masked ? WebSocketError::masked_by_server : WebSocketError::unmasked_by_client;
  const std::uint8_t length = second & 0x7f;
  if (is_control_frame && length > 125) return WebSocketError::control_too_long;

  std::size_t size = 2;
  if (length < 126) {
    head.payload_size = length;
  } else if (length == 126) {
    if (data.size() < 4) return WebSocketError::none;
    std::uint16_t wire = 0;
    std::memcpy(&wire, data.data() + 2, sizeof wire);
    head.payload_size = __builtin_bswap16(wire);
    if (head.payload_size < 126) return WebSocketError::length_not_minimal;
    size = 4;
  } else {
    if (data.size() < 10) return WebSocketError::none;
    std::uint64_t wire = 0;
    std::memcpy(&wire, data.data() + 2, sizeof wire);
    head.payload_size = __builtin_bswap64(wire);
    if (head.payload_size >> 63 != 0) return WebSocketError::length_too_large;
    if (head.payload_size <= 0xffff) return WebSocketError::length_not_minimal;
    size = 10;
  }
  if (head.is_masked) {
    if (data.size() < size + 4) return WebSocketError::none;
    std::memcpy(&head.mask, data.data() + size, sizeof head.mask);
    size += 4;
  }
  head.size_bytes = static_cast<std::uint8_t>(size);
  return WebSocketError::none;
}

std::size_t encode_frame_head(const WebSocketFrameHead& head,
                              std::span<std::byte, WebSocketFrameHead::size_max> out) noexcept {
  const auto mask_bit = static_cast<unsigned>(head.is_masked ? 0x80 : 0);
  out[0] = static_cast<std::byte>((head.is_final ? 0x80u : 0u) | (head.is_compressed ? 0x40u : 0u) |
                                  static_cast<unsigned>(head.opcode));
  std::size_t size = 2;
  if (head.payload_size < 126) {
    out[1] = static_cast<std::byte>(mask_bit | static_cast<unsigned>(head.payload_size));
  } else if (head.payload_size <= 0xffff) {
    out[1] = static_cast<std::byte>(mask_bit | 126u);
    const std::uint16_t wire = __builtin_bswap16(static_cast<std::uint16_t>(head.payload_size));
    std::memcpy(out.data() + 2, &wire, sizeof wire);
    size = 4;
  } else {
    out[1] = static_cast<std::byte>(mask_bit | 127u);
    const std::uint64_t wire = __builtin_bswap64(head.payload_size);
    std::memcpy(out.data() + 2, &wire, sizeof wire);
    size = 10;
  }
  if (head.is_masked) {
    std::memcpy(out.data() + size, &head.mask, sizeof head.mask);
    size += sizeof head.mask;
  }
  return size;
}

void apply_mask(std::span<std::byte> payload, std::uint32_t mask, std::uint64_t offset) noexcept {
  // Turned so that the first byte of `payload` meets the mask's byte at `offset`.
  const std::uint32_t turned = std::rotr(mask, static_cast<int>(offset % 4) * 8);
  const std::uint64_t wide = turned | static_cast<std::uint64_t>(turned) << 32;
  std::byte* at = payload.data();
  std::size_t left = payload.size();
  for (; left >= 64; at += 64, left -= 64) {
    std::uint64_t words[8];
    std::memcpy(words, at, sizeof words);
    for (std::uint64_t& word : words) word ^= wide;
    std::memcpy(at, words, sizeof words);
  }
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    word ^= wide;
    std::memcpy(at, &word, sizeof word);
  }
  for (std::size_t i = 0; i < left; ++i) at[i] ^= static_cast<std::byte>(wide >> (8 * i));
}

}  // namespace perp::net
