#include "net/http_shared.hpp"

#include <perp/net/http_response.hpp>

namespace perp::net {
namespace {

constexpr std::size_t version_size = std::string_view("HTTP/1.1").size();
constexpr std::size_t status_begin = version_size + 1;
constexpr std::size_t reason_begin = status_begin + 4;

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// RFC 9112 section 4: "HTTP/1.1 200 OK"; the space behind the status is not optional there, but
// servers that have no reason to give leave it away.
HttpError check_status_line(std::string_view line) noexcept {
  if (!line.starts_with("HTTP/")) return HttpError::bad_start_line;
  if (!is_http_version(line.substr(0, version_size))) return HttpError::bad_version;
  if (line.size() < status_begin || line[version_size] != ' ') return HttpError::bad_start_line;
  const std::string_view status = line.substr(status_begin, 3);
  if (status.size() < 3 || status[0] < '1' || status[0] > '5' || !is_digit(status[1]) ||
      !is_digit(status[2]))
    return HttpError::bad_status;
  const std::string_view rest = line.substr(status_begin + 3);
  if (rest.empty() || rest.front() == ' ') return HttpError::none;
  return is_digit(rest.front()) ? HttpError::bad_status : HttpError::bad_start_line;
}

}  // namespace

HttpResponseParser::HttpResponseParser(const HttpLimits& limits)
    : head_(limits, check_status_line), body_(limits) {}

void HttpResponseParser::begin(HttpExchange exchange) noexcept {
  head_.reset();
  body_.reset();
  exchange_ = exchange;
  stage_ = Stage::head;
  is_idle_ = true;
  has_failed_in_body_ = false;
  status_ = 0;
  interims_ = 0;
  error_ = HttpError::none;
}

HttpProgress HttpResponseParser::parse(StreamBuffer& received) {
  is_idle_ = is_idle_ && received.data().empty();
  while (stage_ == Stage::head) {
    const HttpProgress progress = head_.parse(received);
    if (progress == HttpProgress::failed) return fail(head_.error());
    if (progress == HttpProgress::need_more) return progress;
    if (take_head() == HttpProgress::failed) return HttpProgress::failed;
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

HttpProgress HttpResponseParser::take_head() {
  const std::string_view line = head_.start_line();
  status_ = (line[status_begin] - '0') * 100 + (line[status_begin + 1] - '0') * 10 +
            (line[status_begin + 2] - '0');
  const bool is_interim = status_ < 200;
  const bool is_upgraded = status_ == 101 && exchange_ == HttpExchange::upgrade;
  if (status_ == 101 && !is_upgraded) return fail(HttpError::unexpected_upgrade);
  // RFC 9110 section 9.3.6: a tunnel's head says nothing about a body.
  if (exchange_ == HttpExchange::connect && status_ >= 200 && status_ < 300) {
    stage_ = Stage::complete;
    return HttpProgress::complete;
  }
  HttpBody::Rule rule = HttpBody::Rule::response;
  if (is_interim || status_ == 204) {
    rule = HttpBody::Rule::forbidden;
  } else if (status_ == 304 || exchange_ == HttpExchange::head) {
    rule = HttpBody::Rule::absent;
  }
  const HttpError refused = body_.begin(head_, line.starts_with("HTTP/1.1"), rule);
  if (refused != HttpError::none) return fail(refused);
  if (is_interim && !is_upgraded) {
    if (++interims_ > interim_max) return fail(HttpError::too_many_interim);
    head_.reset();
    return HttpProgress::complete;
  }
  stage_ = Stage::body;
  return HttpProgress::complete;
}

HttpProgress HttpResponseParser::finish() {
  if (stage_ == Stage::failed) return HttpProgress::failed;
  if (stage_ == Stage::complete) return HttpProgress::complete;
  if (stage_ == Stage::head) return fail(HttpError::cut_short);
  const HttpProgress progress = body_.finish();
  has_failed_in_body_ = progress == HttpProgress::failed;
  if (has_failed_in_body_) return fail(body_.error());
  stage_ = Stage::complete;
  return progress;
}

std::string_view HttpResponseParser::reason() const noexcept {
  const std::string_view line = head_.start_line();
  return line.size() > reason_begin ? line.substr(reason_begin) : std::string_view();
}

bool HttpResponseParser::keeps_alive() const noexcept {
  return stage_ == Stage::complete && status_ != 101 &&
         body_.framing() != HttpBody::Framing::until_close &&
         !(exchange_ == HttpExchange::connect && status_ < 300) &&
         fields_keep_alive(head_, head_.start_line().starts_with("HTTP/1.1"));
}

std::string HttpResponseParser::sentence() const {
  return locate("response", head_, body_, has_failed_in_body_, error_);
}

HttpProgress HttpResponseParser::fail(HttpError error) noexcept {
  stage_ = Stage::failed;
  error_ = error;
  return HttpProgress::failed;
}

}  // namespace perp::net
