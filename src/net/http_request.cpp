#include "net/http_shared.hpp"

#include <perp/net/http_request.hpp>

#include <algorithm>

namespace perp::net {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_hex(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_name_byte(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
         c == '_';
}

bool is_port(std::string_view text) noexcept {
  if (text.empty() || text.size() > 5 || !std::all_of(text.begin(), text.end(), is_digit))
    return false;
  unsigned value = 0;
  for (const char c : text) value = value * 10 + static_cast<unsigned>(c - '0');
  return value >= 1 && value <= 65535;
}

struct RequestLine {
  std::string_view method;
  std::string_view target;
  std::string_view version;
};

RequestLine split(std::string_view line) noexcept {
  const std::size_t first = std::min(line.find(' '), line.size());
  const std::size_t last = line.rfind(' ');
  if (last == std::string_view::npos || last <= first) return {line.substr(0, first), {}, {}};
  return {line.substr(0, first), line.substr(first + 1, last - first - 1), line.substr(last + 1)};
}

HttpError check_request_line(std::string_view line) noexcept {
  const RequestLine parts = split(line);
  if (!is_http_token(parts.method)) return HttpError::bad_method;
  if (parts.version.empty()) return HttpError::bad_start_line;
  if (!is_http_version(parts.version))
    return parts.version.starts_with("HTTP/") ? HttpError::bad_version : HttpError::bad_start_line;
  return is_http_target(parts.method, parts.target) ? HttpError::none : HttpError::bad_target;
}

}  // namespace

bool is_http_host(std::string_view text) noexcept {
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    const std::string_view address = text.substr(1, close - 1);
    if (!std::all_of(address.begin(), address.end(),
                     [](char c) { return is_hex(c) || c == ':' || c == '.'; }))
      return false;
    rest = text.substr(close + 1);
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    const std::string_view name = text.substr(0, colon);
    if (name.empty() || !std::all_of(name.begin(), name.end(), is_name_byte)) return false;
    rest = text.substr(colon);
  }
  return rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
}

bool is_http_target(std::string_view method, std::string_view target) noexcept {
  if (method == "CONNECT") {
    const std::size_t colon = target.rfind(':');
    return colon != std::string_view::npos && is_port(target.substr(colon + 1)) &&
           is_http_host(target);
  }
  return target.starts_with('/') && std::all_of(target.begin(), target.end(), [](char c) {
           return c > ' ' && c < 0x7f && c != '#';
         });
}

HttpRequestParser::HttpRequestParser(const HttpLimits& limits)
    : head_(limits, check_request_line), body_(limits) {}

void HttpRequestParser::begin() noexcept {
  head_.reset();
  body_.reset();
  stage_ = Stage::head;
  is_idle_ = true;
  has_failed_in_body_ = false;
  error_ = HttpError::none;
}

HttpProgress HttpRequestParser::parse(StreamBuffer& received) {
  is_idle_ = is_idle_ && received.data().empty();
  if (stage_ == Stage::head) {
    const HttpProgress progress = head_.parse(received);
    if (progress == HttpProgress::failed) return fail(head_.error());
    if (progress == HttpProgress::need_more) return progress;
    const std::size_t hosts = head_.count("Host");
    if (hosts > 1 || (hosts == 0 && is_http_11()) ||
        (hosts == 1 && !is_http_host(head_.value("Host"))))
      return fail(HttpError::no_host);
    const HttpError refused = body_.begin(head_, is_http_11(), HttpBody::Rule::request);
    if (refused != HttpError::none) return fail(refused);
    stage_ = Stage::body;
  }
  if (stage_ == Stage::failed) return HttpProgress::failed;
  if (stage_ == Stage::body) {
    const HttpProgress progress = body_.parse(received);
    if (progress == HttpProgress::need_more) return progress;
    has_failed_in_body_ = progress == HttpProgress::failed;
    if (has_failed_in_body_) return fail(body_.error());
    stage_ = Stage::complete;
  }
  return HttpProgress::complete;
}

std::string_view HttpRequestParser::method() const noexcept {
  return split(head_.start_line()).method;
}

std::string_view HttpRequestParser::target() const noexcept {
  return split(head_.start_line()).target;
}

std::string_view HttpRequestParser::path() const noexcept {
  return target().substr(0, target().find('?'));
}

std::string_view HttpRequestParser::query() const noexcept {
  const std::size_t mark = target().find('?');
  return mark == std::string_view::npos ? std::string_view() : target().substr(mark + 1);
}

bool HttpRequestParser::keeps_alive() const noexcept {
  return stage_ == Stage::complete && fields_keep_alive(head_, is_http_11());
}

std::string HttpRequestParser::sentence() const {
  return locate("request", head_, body_, has_failed_in_body_, error_);
}

HttpProgress HttpRequestParser::fail(HttpError error) noexcept {
  stage_ = Stage::failed;
  error_ = error;
  return HttpProgress::failed;
}

}  // namespace perp::net
