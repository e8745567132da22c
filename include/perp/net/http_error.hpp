#pragma once
// Why an HTTP message was refused, and the limits that parsers and the body hold.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace perp::net {

struct HttpLimits {
  std::size_t head_bytes =
      std::size_t{32} * 1024;  ///< start line and fields without their line ends
  std::size_t fields = 200;
  std::size_t body_bytes = std::size_t{64} << 20;  ///< as sent, and after inflating
};

enum class HttpError : std::uint8_t {
  none,
  bad_start_line,      ///< not "HTTP/1.1 200 reason" or "GET /path HTTP/1.1"
  bad_version,         ///< neither HTTP/1.0 nor HTTP/1.1
  bad_status,          ///< not three digits from 100 to 599
  bad_method,          ///< not a token
  bad_target,          ///< neither a path nor, for CONNECT, host:port
  bare_line_feed,      ///< LF without CR
  bad_field_name,      ///< not a token, or space before the colon
  bad_field_value,     ///< a control byte
  folded_field,        ///< a line that begins with space: obs-fold
  head_too_large,      ///< above the limit
  too_many_fields,     ///< above the limit
  no_host,             ///< a request without exactly one valid Host
  bad_length,          ///< Content-Length is not digits alone
  repeated_length,     ///< two Content-Length fields
  bad_coding,          ///< Transfer-Encoding other than chunked, or in HTTP/1.0, or twice
  length_and_coding,   ///< both Content-Length and Transfer-Encoding
  body_forbidden,      ///< a body announced with a status that has none
  bad_chunk,           ///< a chunk's size line or end
  bad_trailer,         ///< a field behind the last chunk that belongs to the head
  body_too_large,      ///< above the limit, as sent or after inflating
  unknown_encoding,    ///< Content-Encoding other than gzip, deflate, identity
  corrupt_encoding,    ///< the body does not inflate
  too_many_interim,    ///< more 1xx responses than anyone sends
  unexpected_upgrade,  ///< 101 without having asked
  cut_short,           ///< the connection closed before the end
  no_room,             ///< of a writer: the buffer may not grow so far
};
/// A sentence for people.
std::string_view to_string(HttpError error) noexcept;

enum class HttpProgress : std::uint8_t { need_more, complete, failed };

}  // namespace perp::net
