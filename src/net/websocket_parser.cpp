#include <perp/core/platform.hpp>
#include <perp/net/websocket_parser.hpp>

#include <algorithm>
#include <cstring>

namespace perp::net {
namespace {

WebSocketError error_of(WebSocketInflater::Result result) noexcept {
  switch (result) {
    case WebSocketInflater::Result::ok: return WebSocketError::none;
    case WebSocketInflater::Result::corrupt: return WebSocketError::corrupt_deflate;
    case WebSocketInflater::Result::too_big: return WebSocketError::message_too_big;
  }
  return WebSocketError::corrupt_deflate;
}

}  // namespace

WebSocketParser::WebSocketParser(WebSocketRole reader, const WebSocketLimits& limits,
                                 const std::optional<WebSocketDeflate>& deflate)
    : message_limit_(limits.message_bytes), fragment_limit_(limits.fragments), reader_(reader) {
  if (!deflate) return;
  const bool reads_server = reader == WebSocketRole::client;
  inflater_.emplace(
      reads_server ? deflate->server_max_window_bits : deflate->client_max_window_bits,
      !(reads_server ? deflate->server_no_context_takeover : deflate->client_no_context_takeover),
      message_limit_);
}

WebSocketMessage WebSocketParser::next(StreamBuffer& received) noexcept {
  // What a venue sends nearly always: one whole unmasked text or binary frame below 64 KiB, between
  // messages. Bytes behind the data are readable, so the head is read before it is known whole.
  if (state_ == State::open && !is_in_message_ && !is_in_frame_) [[likely]] {
    const std::span<const std::byte> data = received.data();
    const auto first = std::to_integer<std::uint8_t>(data.data()[0]);
    std::size_t size = std::to_integer<std::uint8_t>(data.data()[1]);
    std::size_t head = 2;
    if (size == 126) {
      std::uint16_t wire = 0;
      std::memcpy(&wire, data.data() + 2, sizeof wire);
      size = __builtin_bswap16(wire);
      head = size >= 126 ? 4 : 0;
    } else if (size > 126) {
      head = 0;  // masked, or longer
    }
    constexpr std::uint8_t final_text = 0x81;
    constexpr std::uint8_t final_binary = 0x82;
    const bool is_text = first == final_text;
    if (head != 0 && (is_text || first == final_binary) && data.size() >= head + size &&
        size <= message_limit_ && reader_ == WebSocketRole::client) [[likely]] {
      const std::span<const std::byte> payload(data.data() + head, size);
      if (!is_text || is_utf8(payload)) [[likely]] {
        received.consume(head + size);
        return {payload, 0, is_text ? WebSocketEvent::text : WebSocketEvent::binary};
      }
    }
  }
  return next_slow(received);
}

WebSocketMessage WebSocketParser::next_slow(StreamBuffer& received) noexcept {
  if (state_ != State::open) {
    received.clear();  // RFC 6455 sections 1.4 and 7.1.7: what comes now is not looked at
    return state_ == State::failed ? WebSocketMessage{{}, 0, WebSocketEvent::failed}
                                   : WebSocketMessage{};
  }
  while (true) {
    if (!is_in_frame_) {
      const WebSocketError broken =
          decode_frame_head(received.data().subspan(scan_), reader_, inflater_.has_value(), head_);
      if (broken != WebSocketError::none) return fail(broken);
      if (head_.size_bytes == 0) return {};
      if (!is_control(head_.opcode)) {
        const WebSocketError refused = begin_frame();
        if (refused != WebSocketError::none) return fail(refused);
      }
      scan_ += head_.size_bytes;
      frame_done_ = 0;
      is_in_frame_ = true;
      drop_hole(received);
    }
    if (is_control(head_.opcode)) return take_control(received);

    const std::span<std::byte> rest = received.data().subspan(scan_);
    const std::span<std::byte> piece = rest.first(static_cast<std::size_t>(
        std::min<std::uint64_t>(rest.size(), head_.payload_size - frame_done_)));
    if (head_.is_masked) apply_mask(piece, head_.mask, frame_done_);
    const WebSocketError broken = take_piece(piece);
    if (broken != WebSocketError::none) return fail(broken);
    if (!is_compressed_) {
      std::byte* const target = received.data().data() + joined_;
      if (target != piece.data() && !piece.empty())
        std::memmove(target, piece.data(), piece.size());
      joined_ += piece.size();
    }
    scan_ += piece.size();
    frame_done_ += piece.size();
    if (frame_done_ < head_.payload_size) {
      drop_hole(received);
      return {};
    }
    is_in_frame_ = false;
    if (head_.is_final) return take_message(received);
    drop_hole(received);
  }
}

// The rules that a data frame's head has to keep within its message.
WebSocketError WebSocketParser::begin_frame() noexcept {
  if (head_.opcode == WebSocketOpcode::continuation) {
    if (!is_in_message_) return WebSocketError::unexpected_continuation;
  } else {
    if (is_in_message_) return WebSocketError::unfinished_message;
    is_in_message_ = true;
    opcode_ = head_.opcode;
    is_compressed_ = head_.is_compressed;
    fragments_ = 0;
    compressed_bytes_ = 0;
    utf8_.reset();
    if (is_compressed_) inflater_->begin_message();
  }
  if (++fragments_ > fragment_limit_) return WebSocketError::too_many_fragments;
  if (is_compressed_) {
    // Deflate's own overhead on bytes that do not compress, and no more: compressed bytes that give
    // nothing could go on for ever.
    const std::size_t limit = message_limit_ + message_limit_ / 64 + 1024;
    if (head_.payload_size > limit - compressed_bytes_) return WebSocketError::message_too_big;
    compressed_bytes_ += head_.payload_size;
  } else if (head_.payload_size > message_limit_ - joined_) {
    return WebSocketError::message_too_big;
  }
  return WebSocketError::none;
}

// Looks at the next unmasked bytes of the current message.
WebSocketError WebSocketParser::take_piece(std::span<std::byte> piece) noexcept {
  std::span<const std::byte> plain = piece;
  WebSocketInflater::Result result = WebSocketInflater::Result::ok;
  if (is_compressed_) {
    const std::size_t before = inflater_->output().size();
    result = inflater_->feed(piece);
    const bool is_last = head_.is_final && frame_done_ + piece.size() == head_.payload_size;
    if (result == WebSocketInflater::Result::ok && is_last) result = inflater_->finish();
    plain = inflater_->output().subspan(before);
  }
  // What came out before the inflater stopped is looked at first: the error is the same however the
  // bytes were cut.
  if (opcode_ == WebSocketOpcode::text && !utf8_.feed(plain)) return WebSocketError::invalid_utf8;
  return error_of(result);
}

WebSocketMessage WebSocketParser::take_message(StreamBuffer& received) noexcept {
  is_in_message_ = false;
  const bool is_text = opcode_ == WebSocketOpcode::text;
  if (is_text && !utf8_.is_complete()) return fail(WebSocketError::invalid_utf8);
  const std::span<const std::byte> payload =
      is_compressed_ ? inflater_->output() : received.data().first(joined_);
  received.consume(scan_);
  joined_ = scan_ = 0;
  return {payload, 0, is_text ? WebSocketEvent::text : WebSocketEvent::binary};
}

WebSocketMessage WebSocketParser::take_control(StreamBuffer& received) noexcept {
  const std::span<const std::byte> rest = received.data().subspan(scan_);
  const auto size = static_cast<std::size_t>(head_.payload_size);
  if (rest.size() < size) return {};
  // Copied out: it may stand between fragments, where the hole is dropped.
  const std::span<std::byte> payload = std::span(control_).first(size);
  std::copy_n(rest.data(), size, payload.data());
  if (head_.is_masked) apply_mask(payload, head_.mask, 0);
  is_in_frame_ = false;
  scan_ += size;
  drop_hole(received);
  if (head_.opcode == WebSocketOpcode::ping) return {payload, 0, WebSocketEvent::ping};
  if (head_.opcode == WebSocketOpcode::pong) return {payload, 0, WebSocketEvent::pong};

  WebSocketMessage message{{}, close_code::none_given, WebSocketEvent::close};
  if (size == 1) return fail(WebSocketError::short_close);
  if (size >= 2) {
    message.close_code = static_cast<std::uint16_t>(std::to_integer<unsigned>(payload[0]) << 8 |
                                                    std::to_integer<unsigned>(payload[1]));
    message.payload = payload.subspan(2);
    if (!is_valid_close_code(message.close_code)) return fail(WebSocketError::invalid_close_code);
    if (!is_utf8(message.payload)) return fail(WebSocketError::invalid_close_reason);
  }
  state_ = State::closed;
  return message;
}

WebSocketMessage WebSocketParser::fail(WebSocketError error) noexcept {
  state_ = State::failed;
  error_ = error;
  return {{}, 0, WebSocketEvent::failed};
}

void WebSocketParser::drop_hole(StreamBuffer& received) noexcept {
  const std::size_t hole = scan_ - joined_;
  if (hole == 0 || hole < joined_) return;
  if (joined_ != 0) {
    std::byte* const front = received.data().data();
    std::memmove(front + hole, front, joined_);
  }
  received.consume(hole);
  scan_ = joined_;
}

}  // namespace perp::net
