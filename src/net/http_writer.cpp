#include "net/base64.hpp"

#include <perp/net/http_request.hpp>
#include <perp/net/http_writer.hpp>

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <iterator>
#include <string>

namespace perp::net {
namespace {

using Text = fmt::memory_buffer;

void put(Text& text, std::string_view piece) {
  text.append(piece.data(), piece.data() + piece.size());
}

// Written by us alone, or the message would have two ends.
bool frames_message(std::string_view name) noexcept {
  return equals_ignoring_case(name, "Content-Length") ||
         equals_ignoring_case(name, "Transfer-Encoding") || equals_ignoring_case(name, "Host");
}

HttpError put_fields(Text& text, std::span<const HttpField> fields) {
  for (const HttpField& field : fields) {
    if (!is_http_token(field.name) || frames_message(field.name)) return HttpError::bad_field_name;
    if (!is_http_field_value(field.value)) return HttpError::bad_field_value;
    fmt::format_to(std::back_inserter(text), "{}: {}\r\n", field.name, field.value);
  }
  return HttpError::none;
}

HttpError append(const Text& text, std::string_view body, StreamBuffer& out) {
  const std::span<std::byte> room = out.writable(text.size() + body.size());
  if (room.empty()) return HttpError::no_room;
  std::memcpy(room.data(), text.data(), text.size());
  if (!body.empty()) std::memcpy(room.data() + text.size(), body.data(), body.size());
  out.commit(text.size() + body.size());
  return HttpError::none;
}

HttpError put_response_head(Text& text, const HttpResponse& response) {
  if (response.status < 100 || response.status > 599) return HttpError::bad_status;
  const std::string_view reason =
      response.reason.empty() ? reason_of(response.status) : response.reason;
  if (!is_http_field_value(reason)) return HttpError::bad_field_value;
  fmt::format_to(std::back_inserter(text), "HTTP/1.1 {} {}\r\n", response.status, reason);
  if (response.closes) put(text, "Connection: close\r\n");
  return put_fields(text, response.fields);
}

}  // namespace

HttpError write_request(const HttpRequest& request, StreamBuffer& out) {
  if (!is_http_token(request.method)) return HttpError::bad_method;
  if (!is_http_target(request.method, request.target)) return HttpError::bad_target;
  if (!is_http_host(request.host)) return HttpError::no_host;
  Text text;
  fmt::format_to(std::back_inserter(text), "{} {} HTTP/1.1\r\nHost: {}\r\n", request.method,
                 request.target, request.host);
  const HttpError refused = put_fields(text, request.fields);
  if (refused != HttpError::none) return refused;
  const bool calls_for_body =
      request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (calls_for_body || !request.body.empty())
    fmt::format_to(std::back_inserter(text), "Content-Length: {}\r\n", request.body.size());
  put(text, "\r\n");
  return append(text, request.body, out);
}

HttpError write_connect(std::string_view authority, std::string_view credentials,
                        StreamBuffer& out) {
  const std::string basic = "Basic " + to_base64(std::as_bytes(std::span(credentials)));
  const std::array<HttpField, 1> fields{{{"Proxy-Authorization", basic}}};
  HttpRequest request{.method = "CONNECT", .target = authority, .host = authority};
  if (!credentials.empty()) request.fields = fields;
  return write_request(request, out);
}

HttpError write_response(const HttpResponse& response, StreamBuffer& out) {
  Text text;
  const HttpError refused = put_response_head(text, response);
  if (refused != HttpError::none) return refused;
  const bool has_no_body =
      response.status < 200 || response.status == 204 || response.status == 304;
  if (has_no_body && !response.body.empty()) return HttpError::body_forbidden;
  if (!has_no_body)
    fmt::format_to(std::back_inserter(text), "Content-Length: {}\r\n", response.body.size());
  put(text, "\r\n");
  return append(text, response.is_head ? std::string_view() : response.body, out);
}

HttpError write_chunked_head(const HttpResponse& response, StreamBuffer& out) {
  Text text;
  const HttpError refused = put_response_head(text, response);
  if (refused != HttpError::none) return refused;
  if (response.status < 200 || response.status == 204 || response.status == 304)
    return HttpError::body_forbidden;
  put(text, "Transfer-Encoding: chunked\r\n\r\n");
  return append(text, {}, out);
}

HttpError write_chunk(std::string_view piece, StreamBuffer& out) {
  Text text;
  fmt::format_to(std::back_inserter(text), "{:x}\r\n", piece.size());
  put(text, piece);
  put(text, "\r\n");
  return append(text, {}, out);
}

std::string_view reason_of(int status) noexcept {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 418: return "I'm a teapot";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Status";
  }
}

}  // namespace perp::net
