#pragma once
// HTTP/1.1 messages behind a StreamBuffer's data. What could be read as something else is refused:
// no value brings a line end of its own (header injection), and the fields that frame the message
// are written here alone. Cold path; any thread that owns the buffer.
#include <perp/net/http_error.hpp>
#include <perp/net/http_head.hpp>
#include <perp/net/stream_buffer.hpp>

#include <optional>
#include <span>
#include <string_view>

namespace perp::net {

struct HttpRequest {
  std::string_view method = "GET";
  std::string_view target = "/";  ///< path and query; for CONNECT host:port
  std::string_view host = {};     ///< with the port where it is not the scheme's
  std::span<const HttpField> fields = {};
  std::string_view body = {};
};

struct HttpResponse {
  int status = 200;
  std::string_view reason = {};  ///< empty: the usual one
  std::span<const HttpField> fields = {};
  std::string_view body = {};
  bool closes = false;   ///< the connection is closed behind it
  bool is_head = false;  ///< answers HEAD: the body's length is told, the body is not sent
};

/// Appends the request with its Host, and its Content-Length if there is a body or the method calls
/// for one. @return why nothing was appended: bad_method, bad_target, no_host, bad_field_name,
/// bad_field_value, no_room
[[nodiscard]] HttpError write_request(const HttpRequest& request, StreamBuffer& out);

/// Appends what asks a proxy for a tunnel. @param authority host:port @param credentials
/// "user:password" for Basic authentication, or empty
[[nodiscard]] HttpError write_connect(std::string_view authority, std::string_view credentials,
                                      StreamBuffer& out);

/// Appends the response with its Content-Length (none with 1xx, 204, 304).
[[nodiscard]] HttpError write_response(const HttpResponse& response, StreamBuffer& out);

/// The head of a chunked response; its body follows in write_chunk() calls.
[[nodiscard]] HttpError write_chunked_head(const HttpResponse& response, StreamBuffer& out);
/// Appends one chunk; an empty one ends the body.
[[nodiscard]] HttpError write_chunk(std::string_view piece, StreamBuffer& out);

/// "Not Found" of 404; "Status" of one that is not known.
std::string_view reason_of(int status) noexcept;

}  // namespace perp::net
