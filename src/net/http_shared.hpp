#pragma once
// What the parsers of requests and responses share.
#include <perp/net/http_body.hpp>
#include <perp/net/http_error.hpp>
#include <perp/net/http_head.hpp>

#include <string>
#include <string_view>

namespace perp::net {

/// "HTTP/1.0" or "HTTP/1.1".
inline bool is_http_version(std::string_view text) noexcept {
  return text == "HTTP/1.1" || text == "HTTP/1.0";
}

/// RFC 9112 section 9.3: what the fields say about the connection after this message.
inline bool fields_keep_alive(const HttpHead& head, bool is_http_11) noexcept {
  if (head.has_element("Connection", "close")) return false;
  return is_http_11 || head.has_element("Connection", "keep-alive");
}

/// "request head, line 3: why" or "request body, byte 17: why".
std::string locate(std::string_view message, const HttpHead& head, const HttpBody& body,
                   bool is_in_body, HttpError error);

}  // namespace perp::net
