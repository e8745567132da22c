#include <perp/core/platform.hpp>
#include <perp/net/websocket_writer.hpp>

#include <algorithm>
#include <cstring>

namespace perp::net {

WebSocketWriter::WebSocketWriter(WebSocketRole writer, RandomSource random,
                                 const std::optional<WebSocketDeflate>& deflate)
    : random_(random), role_(writer) {
  if (!deflate) return;
  const bool is_client = writer == WebSocketRole::client;
  deflater_.emplace(
      is_client ? deflate->client_max_window_bits : deflate->server_max_window_bits,
      !(is_client ? deflate->client_no_context_takeover : deflate->server_no_context_takeover));
  if (!deflater_->can_compress()) deflater_.reset();
}

bool WebSocketWriter::write(WebSocketOpcode opcode, std::span<const std::byte> payload,
                            StreamBuffer& out) {
  PERP_ASSERT(!is_control(opcode) || payload.size() <= 125);
  WebSocketFrameHead head;
  head.opcode = opcode;
  if (!deflater_ || is_control(opcode) || payload.size() < compress_from_bytes)
    return append(head, payload, out);
  // Asked before compressing: a message that was compressed and not sent would spoil the context.
  const std::size_t bound =
      payload.size() + payload.size() / 8 + payload.size() / 64 + 64 + WebSocketFrameHead::size_max;
  if (bound > out.limit() - out.data().size()) return false;
  head.is_compressed = true;
  return append(head, deflater_->compress(payload), out);
}

bool WebSocketWriter::write_fragment(WebSocketOpcode opcode, std::span<const std::byte> payload,
                                     bool is_final, StreamBuffer& out) {
  WebSocketFrameHead head;
  head.opcode = opcode;
  head.is_final = is_final;
  return append(head, payload, out);
}

bool WebSocketWriter::write_close(std::uint16_t code, std::string_view reason, StreamBuffer& out) {
  if (code == 0 || code == close_code::none_given) return write(WebSocketOpcode::close, {}, out);
  PERP_ASSERT(is_valid_close_code(code));
  std::array<std::byte, 125> payload;
  payload[0] = static_cast<std::byte>(code >> 8);
  payload[1] = static_cast<std::byte>(code & 0xff);
  std::size_t size = std::min(reason.size(), payload.size() - 2);
  if (size < reason.size())
    while (size > 0 && (static_cast<unsigned char>(reason[size]) & 0xc0) == 0x80) --size;
  reason.copy(reinterpret_cast<char*>(payload.data()) + 2, size);
  return write(WebSocketOpcode::close, std::span(payload).first(2 + size), out);
}

bool WebSocketWriter::append(const WebSocketFrameHead& given, std::span<const std::byte> payload,
                             StreamBuffer& out) {
  WebSocketFrameHead head = given;
  head.payload_size = payload.size();
  head.is_masked = role_ == WebSocketRole::client;
  const std::span<std::byte> room = out.writable(WebSocketFrameHead::size_max + payload.size());
  if (room.empty()) return false;
  if (head.is_masked) head.mask = next_mask();
  const std::size_t head_size = encode_frame_head(head, room.first<WebSocketFrameHead::size_max>());
  const std::span<std::byte> body = room.subspan(head_size, payload.size());
  if (!payload.empty()) std::memcpy(body.data(), payload.data(), payload.size());
  if (head.is_masked) apply_mask(body, head.mask, 0);
  out.commit(head_size + payload.size());
  return true;
}

std::uint32_t WebSocketWriter::next_mask() noexcept {
  if (masks_left_ == 0) {
    random_(std::as_writable_bytes(std::span(masks_)));
    masks_left_ = masks_.size();
  }
  return masks_[--masks_left_];
}

}  // namespace perp::net
