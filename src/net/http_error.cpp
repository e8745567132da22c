#include <perp/net/http_error.hpp>

namespace perp::net {

std::string_view to_string(HttpError error) noexcept {
  switch (error) {
    case HttpError::none: return "no error";
    case HttpError::bad_start_line: return "the first line is not HTTP's";
    case HttpError::bad_version: return "the version is neither HTTP/1.0 nor HTTP/1.1";
    case HttpError::bad_status: return "the status is not three digits from 100 to 599";
    case HttpError::bad_method: return "the method is not a token";
    case HttpError::bad_target: return "the target is neither a path nor, for CONNECT, host:port";
    case HttpError::bare_line_feed: return "a line ends in LF without CR";
    case HttpError::bad_field_name: return "a field's name is not a token";
    case HttpError::bad_field_value: return "a field's value has a control byte";
    case HttpError::folded_field: return "a field goes on in a line that begins with space";
    case HttpError::head_too_large: return "the head is above the size limit";
    case HttpError::too_many_fields: return "more fields than the limit";
    case HttpError::no_host: return "there is not exactly one valid Host";
    case HttpError::bad_length: return "Content-Length is not a number";
    case HttpError::repeated_length: return "Content-Length stands twice";
    case HttpError::bad_coding: return "Transfer-Encoding is not 'chunked' once, in HTTP/1.1";
    case HttpError::length_and_coding: return "both Content-Length and Transfer-Encoding";
    case HttpError::body_forbidden: return "a body is announced where none may be";
    case HttpError::bad_chunk: return "a chunk's size line or end is malformed";
    case HttpError::bad_trailer: return "a trailer that would change how the body is read";
    case HttpError::body_too_large: return "the body is above the size limit";
    case HttpError::unknown_encoding: return "Content-Encoding is none of gzip, deflate, identity";
    case HttpError::corrupt_encoding: return "the body does not inflate";
    case HttpError::too_many_interim: return "too many 1xx responses";
    case HttpError::unexpected_upgrade: return "101 although no upgrade was asked for";
    case HttpError::cut_short: return "the connection closed before the end";
    case HttpError::no_room: return "no room to write the message";
  }
  return "unknown error";
}

}  // namespace perp::net
