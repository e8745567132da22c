#pragma once
// An HTTP/1.1 body: framed by its length, by chunks or by the end of the connection, and inflated
// where its encoding says so, into memory of its own with StreamBuffer::slack readable bytes behind
// the last one (JSON parsers load wide). Limits hold before and after inflating. Trailers are held
// to a field's rules and dropped. Shared by the response and the request parser; one owner thread;
// keeps its memory from one body to the next.
#include <perp/net/http_error.hpp>
#include <perp/net/http_head.hpp>
#include <perp/net/stream_buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace perp::net {

class HttpBody {
 public:
  explicit HttpBody(const HttpLimits& limits);
  ~HttpBody();
  HttpBody(HttpBody&&) noexcept;
  HttpBody& operator=(HttpBody&&) noexcept;

  /// How the body's end is known.
  enum class Framing : std::uint8_t { none, length, chunked, until_close };
  /// What the message's kind says of a body.
  enum class Rule : std::uint8_t {
    request,    ///< there is one if the head announces it
    response,   ///< there is one, until the connection closes if the head says nothing
    absent,     ///< there is none, what the head announces is another response's (HEAD, 304)
    forbidden,  ///< there is none, and the head must not announce one (1xx, 204)
  };

  /// Reads Transfer-Encoding, Content-Length and Content-Encoding and makes ready for the body.
  [[nodiscard]] HttpError begin(const HttpHead& head, bool is_http_11, Rule rule);
  /// Takes what belongs to the body from the front of `received`.
  [[nodiscard]] HttpProgress parse(StreamBuffer& received);
  /// The peer closed the connection in order.
  [[nodiscard]] HttpProgress finish();
  void reset() noexcept;

  /// What came so far, inflated. Valid until the next call.
  std::span<const std::byte> data() const noexcept;
  Framing framing() const noexcept;
  HttpError error() const noexcept;
  /// Where the framing broke, in bytes of the body as sent, framing aside. Nothing where the
  /// content did not inflate within its limit.
  std::optional<std::uint64_t> error_byte() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace perp::net
