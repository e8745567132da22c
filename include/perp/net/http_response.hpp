#pragma once
// HTTP/1 responses out of received bytes: strict (see http_head.hpp), bounded, without a socket.
// One parser reads the responses of one connection in turn; the bytes behind a response stay in the
// buffer. One owner thread; keeps its memory from one response to the next.
#include <perp/net/http_body.hpp>
#include <perp/net/http_error.hpp>
#include <perp/net/http_head.hpp>
#include <perp/net/stream_buffer.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace perp::net {

/// What was asked: it decides where the response ends.
enum class HttpExchange : std::uint8_t {
  ordinary,
  head,     ///< HEAD: no body follows
  connect,  ///< CONNECT: behind a 2xx head the tunnel's bytes follow
  upgrade,  ///< GET with Upgrade: behind a 101 head the new protocol's bytes follow
};

class HttpResponseParser {
 public:
  /// More 1xx responses before the final one are refused.
  static constexpr int interim_max = 8;

  explicit HttpResponseParser(const HttpLimits& limits = {});

  /// Forgets the last response and waits for the one to this request.
  void begin(HttpExchange exchange = HttpExchange::ordinary) noexcept;
  /// Takes the response's bytes from the front of `received`; 1xx responses are passed over.
  [[nodiscard]] HttpProgress parse(StreamBuffer& received);
  /// The peer closed the connection in order: complete if the body ran until then.
  [[nodiscard]] HttpProgress finish();

  /// The final status line and fields are there; what follows may be asked for.
  bool has_head() const noexcept { return stage_ == Stage::body || stage_ == Stage::complete; }
  /// No byte of a response has come: a connection that closes now was only idle.
  bool is_idle() const noexcept { return is_idle_; }
  int status() const noexcept { return status_; }
  std::string_view reason() const noexcept;
  const HttpHead& head() const noexcept { return head_; }
  /// Inflated, with StreamBuffer::slack readable bytes behind. Whole once complete.
  std::span<const std::byte> body() const noexcept { return body_.data(); }
  std::string_view body_text() const noexcept {
    return {reinterpret_cast<const char*>(body().data()), body().size()};
  }
  /// The connection may carry another request after this response.
  bool keeps_alive() const noexcept;

  HttpError error() const noexcept { return error_; }
  /// Where and why: "response head, line 3: a field's name is not a token". Empty without an error.
  std::string sentence() const;

 private:
  enum class Stage : std::uint8_t { head, body, complete, failed };

  HttpProgress take_head();
  HttpProgress fail(HttpError error) noexcept;

  HttpHead head_;
  HttpBody body_;
  HttpExchange exchange_ = HttpExchange::ordinary;
  Stage stage_ = Stage::head;
  bool is_idle_ = true;
  bool has_failed_in_body_ = false;
  int status_ = 0;
  int interims_ = 0;
  HttpError error_ = HttpError::none;
};

}  // namespace perp::net
