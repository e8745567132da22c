#pragma once
// HTTP/1 requests out of received bytes, for simulated venues: strict (see http_head.hpp), bounded,
// without a socket. Targets are paths ("/api/v3/depth?symbol=BTCUSDT") or, for CONNECT, host:port.
// One parser reads the requests of one connection in turn; pipelined ones stay in the buffer. One
// owner thread; keeps its memory from one request to the next.
#include <perp/net/http_body.hpp>
#include <perp/net/http_error.hpp>
#include <perp/net/http_head.hpp>
#include <perp/net/stream_buffer.hpp>

#include <span>
#include <string>
#include <string_view>

namespace perp::net {

class HttpRequestParser {
 public:
  explicit HttpRequestParser(const HttpLimits& limits = {});

  /// Forgets the last request.
  void begin() noexcept;
  /// Takes the request's bytes from the front of `received`.
  [[nodiscard]] HttpProgress parse(StreamBuffer& received);

  /// No byte of a request has come.
  bool is_idle() const noexcept { return is_idle_; }
  std::string_view method() const noexcept;
  std::string_view target() const noexcept;
  /// The target up to its '?'.
  std::string_view path() const noexcept;
  /// The target behind its first '?', or empty.
  std::string_view query() const noexcept;
  bool is_http_11() const noexcept { return head_.start_line().ends_with("HTTP/1.1"); }
  const HttpHead& head() const noexcept { return head_; }
  /// Inflated, with StreamBuffer::slack readable bytes behind. Whole once complete.
  std::span<const std::byte> body() const noexcept { return body_.data(); }
  std::string_view body_text() const noexcept {
    return {reinterpret_cast<const char*>(body().data()), body().size()};
  }
  /// The client waits for another response on this connection.
  bool keeps_alive() const noexcept;

  HttpError error() const noexcept { return error_; }
  /// Where and why: "request head, line 3: a field's name is not a token". Empty without an error.
  std::string sentence() const;

 private:
  enum class Stage : std::uint8_t { head, body, complete, failed };

  HttpProgress fail(HttpError error) noexcept;

  HttpHead head_;
  HttpBody body_;
  Stage stage_ = Stage::head;
  bool is_idle_ = true;
  bool has_failed_in_body_ = false;
  HttpError error_ = HttpError::none;
};

/// A host as in a Host field or a CONNECT target: a name, an IPv4 or a bracketed IPv6 address, with
/// or without a port.
bool is_http_host(std::string_view text) noexcept;
/// What may stand in a request line: a path of visible bytes without '#', or for CONNECT host:port.
bool is_http_target(std::string_view method, std::string_view target) noexcept;

}  // namespace perp::net
