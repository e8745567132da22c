#pragma once
// permessage-deflate (RFC 7692): one direction each of a connection's compression. A message goes
// in, in pieces as they arrive, and comes out whole in the object's own buffer, which keeps its
// size: after the first messages nothing is allocated. The size limit is checked after each step of
// the inflater, so a bomb costs no more than the limit. One owner thread.
#include <perp/net/stream_buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace perp::net {

/// What both ends agreed on.
struct WebSocketDeflate {
  bool client_no_context_takeover = false;
  bool server_no_context_takeover = false;
  std::uint8_t client_max_window_bits = 15;  ///< 8..15
  std::uint8_t server_max_window_bits = 15;  ///< 8..15

  friend bool operator==(const WebSocketDeflate&, const WebSocketDeflate&) = default;
};

class WebSocketInflater {
 public:
  enum class Result : std::uint8_t { ok, corrupt, too_big };

  /// @param window_bits the sender's, 8..15 @param keeps_context false: each message begins anew
  WebSocketInflater(int window_bits, bool keeps_context, std::size_t message_limit_bytes);
  ~WebSocketInflater();
  WebSocketInflater(WebSocketInflater&&) noexcept;
  WebSocketInflater& operator=(WebSocketInflater&&) noexcept;

  /// Forgets the last message's output.
  void begin_message() noexcept;
  /// The next compressed bytes of the message.
  [[nodiscard]] Result feed(std::span<const std::byte> compressed) noexcept;
  /// The message has no more bytes.
  [[nodiscard]] Result finish() noexcept;
  /// The message so far, with StreamBuffer::slack readable bytes behind. Valid until the next
  /// call.
  std::span<const std::byte> output() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class WebSocketDeflater {
 public:
  /// @param window_bits of the own direction, 8..15 @param level zlib's, 1..9
  WebSocketDeflater(int window_bits, bool keeps_context, int level = 6);
  ~WebSocketDeflater();
  WebSocketDeflater(WebSocketDeflater&&) noexcept;
  WebSocketDeflater& operator=(WebSocketDeflater&&) noexcept;

  /// zlib cannot compress for a window of 256 bytes (8 bits): then messages are sent as they are,
  /// which the RFC allows.
  bool can_compress() const noexcept;
  /// The payload of a compressed message. Valid until the next call.
  std::span<const std::byte> compress(std::span<const std::byte> message);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace perp::net
