#pragma once
// Content-Encoding gzip and deflate by zlib, into a StreamBuffer with its limit. "deflate" is
// zlib's format by RFC 9110 and raw deflate by habit: the first two bytes tell them apart.
#include <perp/net/http_error.hpp>
#include <perp/net/stream_buffer.hpp>

#include <zlib.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace perp::net {

class ContentDecoder {
 public:
  enum class Encoding : std::uint8_t { identity, gzip, deflate };

  ContentDecoder() = default;
  ~ContentDecoder();
  ContentDecoder(const ContentDecoder&) = delete;
  ContentDecoder& operator=(const ContentDecoder&) = delete;

  void begin(Encoding encoding);
  /// Appends what `piece` decodes to. @return body_too_large once `out` is full: its limit is one
  /// byte more than a body may have.
  [[nodiscard]] HttpError feed(std::span<const std::byte> piece, StreamBuffer& out);
  /// The body has no more bytes: is the encoding whole?
  [[nodiscard]] HttpError finish() const noexcept;

 private:
  HttpError start(int window_bits);
  HttpError inflate_all(std::span<const std::byte> piece, StreamBuffer& out);

  z_stream stream_{};
  Encoding encoding_ = Encoding::identity;
  bool is_initialised_ = false;
  bool has_started_ = false;
  bool has_ended_ = false;
  std::size_t head_size_ = 0;
  std::array<std::byte, 2> head_{};  // of a deflate body, until both are there
};

}  // namespace perp::net
