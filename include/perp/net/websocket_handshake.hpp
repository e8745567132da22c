#pragma once
// The opening handshake (RFC 6455 section 4), without a socket: a client writes its request and
// checks the response, a server answers a request that HttpRequestParser has read. What comes
// behind the handshake stays in the buffer: the first frames may arrive with it. Cold path; one
// owner thread.
#include <perp/net/http_request.hpp>
#include <perp/net/http_response.hpp>
#include <perp/net/http_writer.hpp>
#include <perp/net/random_source.hpp>
#include <perp/net/stream_buffer.hpp>
#include <perp/net/websocket_deflate.hpp>
#include <perp/net/websocket_extension.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perp::net {

enum class WebSocketHandshakeError : std::uint8_t {
  none,
  bad_http,         ///< not a strict HTTP message; the parser's error says why
  refused,          ///< a status other than 101; response() has it, Retry-After and the body
  redirected,       ///< 3xx: never followed, a venue's address is configured
  bad_method,       ///< of a request: not GET
  old_http,         ///< HTTP/1.0
  bad_upgrade,      ///< no "Upgrade: websocket", or another protocol beside it
  bad_connection,   ///< no "Connection: Upgrade"
  bad_key,          ///< of a request: not one Sec-WebSocket-Key of 16 bytes in base64
  bad_version,      ///< of a request: Sec-WebSocket-Version is not 13, once
  bad_accept,       ///< not one Sec-WebSocket-Accept with the key's answer
  bad_extension,    ///< one that was not offered, or not in that form
  bad_protocol,     ///< a subprotocol that was not asked for, or more than one
  body_in_request,  ///< of a request: a body
  no_room,          ///< the buffer may not grow so far
};
/// A sentence for people.
std::string_view to_string(WebSocketHandshakeError error) noexcept;

struct WebSocketClientOptions {
  std::string host;  ///< with the port where it is not the scheme's
  std::string target = "/";
  std::vector<std::string> protocols;                       ///< by preference
  std::vector<std::pair<std::string, std::string>> fields;  ///< more of them: tokens, User-Agent
  std::optional<WebSocketDeflateOffer> deflate = std::nullopt;  ///< offered if there
};

class WebSocketClientHandshake {
 public:
  /// A refusal's body is kept up to this size.
  static constexpr std::size_t refusal_bytes_max = std::size_t{64} * 1024;

  explicit WebSocketClientHandshake(WebSocketClientOptions options,
                                    RandomSource random = system_random());

  /// Appends the request, with a fresh key, and waits for its response.
  /// @return why nothing was appended, as write_request(): an option is wrong
  [[nodiscard]] HttpError write_request(StreamBuffer& out);
  /// Takes the response. complete: frames follow. A refusal is told when its body is there.
  [[nodiscard]] HttpProgress parse(StreamBuffer& received);
  /// The server closed the connection.
  [[nodiscard]] HttpProgress finish();

  /// What was agreed; nothing: no compression.
  const std::optional<WebSocketDeflate>& deflate() const noexcept { return deflate_; }
  /// The subprotocol that the server chose, or empty.
  const std::string& protocol() const noexcept { return protocol_; }
  const HttpResponseParser& response() const noexcept { return response_; }
  WebSocketHandshakeError error() const noexcept { return error_; }
  /// Why, e.g. "the server refused with 429 Too Many Requests" or "response head, line 3: ...".
  std::string sentence() const;

 private:
  HttpProgress conclude(HttpProgress progress);
  WebSocketHandshakeError check_response();

  WebSocketClientOptions options_;
  RandomSource random_;
  HttpResponseParser response_;
  std::string accept_;  // the only right answer to the key that was sent
  std::optional<WebSocketDeflate> deflate_;
  std::string protocol_;
  WebSocketHandshakeError error_ = WebSocketHandshakeError::none;
};

struct WebSocketServerOptions {
  std::span<const std::string_view> protocols = {};             ///< that this server speaks
  std::optional<WebSocketDeflateOffer> deflate = std::nullopt;  ///< what it can do, if anything
  std::span<const HttpField> fields = {};                       ///< more of the response's
};

/// Does the request ask for a WebSocket at all? (Then accept_websocket() says whether it may.)
bool asks_for_websocket(const HttpRequestParser& request) noexcept;

struct WebSocketAcceptance {
  WebSocketHandshakeError error = WebSocketHandshakeError::none;
  std::optional<WebSocketDeflate> deflate;
  std::string_view protocol;  ///< a view into the options, or empty
};

/// Checks a whole request and appends the answer: 101, or 400 (426 for another version) after which
/// the connection is to be closed. Nothing is appended with no_room.
[[nodiscard]] WebSocketAcceptance accept_websocket(const HttpRequestParser& request,
                                                   const WebSocketServerOptions& options,
                                                   StreamBuffer& out);

/// The Sec-WebSocket-Accept that answers a key (RFC 6455 section 4.2.2).
std::string websocket_accept(std::string_view key);

}  // namespace perp::net
