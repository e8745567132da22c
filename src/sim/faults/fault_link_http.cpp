// The part of a link that speaks HTTP: requests relayed or answered in the venue's stead, and the
// handshake that makes a WebSocket of the connection.
#include "sim/faults/fault_link.hpp"

#include <perp/net/websocket_handshake.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace perp::sim {
namespace {

constexpr std::int64_t handshake_ns = 10 * core::ns_per_second;
constexpr std::string_view html_page =
    "<!DOCTYPE html>\n<html><head><title>Maintenance</title></head>\n<body><h1>We will be back "
    "soon</h1><p>Our engineers are at work.</p></body></html>\n";

/// Fields that belong to one connection, or that each side writes itself.
bool is_of_connection(std::string_view name) noexcept {
  static constexpr auto names = std::to_array<std::string_view>(
      {"Connection", "Upgrade", "Host", "Content-Length", "Transfer-Encoding", "Content-Encoding",
       "Accept-Encoding", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Expect"});
  constexpr std::string_view websocket = "Sec-WebSocket-";
  return net::equals_ignoring_case(name.substr(0, websocket.size()), websocket) ||
         std::any_of(names.begin(), names.end(),
                     [name](std::string_view one) { return net::equals_ignoring_case(name, one); });
}

std::vector<net::HttpField> relayed_fields(const net::HttpHead& head) {
  std::vector<net::HttpField> fields;
  for (std::size_t i = 0; i < head.size(); ++i)
    if (!is_of_connection(head.field(i).name)) fields.push_back(head.field(i));
  return fields;
}

net::HttpClient::Fields owned(const std::vector<net::HttpField>& fields) {
  net::HttpClient::Fields copies;
  for (const net::HttpField& field : fields)
    copies.emplace_back(std::string(field.name), std::string(field.value));
  return copies;
}

std::vector<std::string> protocols_of(const net::HttpHead& head) {
  std::vector<std::string> protocols;
  std::string_view rest = head.value("Sec-WebSocket-Protocol");
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    std::string_view one = rest.substr(0, comma);
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (!one.empty()) protocols.emplace_back(one);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return protocols;
}

}  // namespace

void FaultLink::read_requests(net::StreamBuffer& received) {
  if (std::exchange(is_reading_, true)) return;  // an answer given further up the stack
  while (state_ == State::requests && near_.is_open()) {
    const net::HttpProgress progress = request_.parse(received);
    if (progress == net::HttpProgress::need_more) break;
    if (progress == net::HttpProgress::failed) {
      const std::string sentence = request_.sentence();
      respond(400, sentence, {}, true);
      break;
    }
    take_request();
  }
  is_reading_ = false;
}

void FaultLink::take_request() {
  const bool is_websocket = net::asks_for_websocket(request_);
  target_ = request_.target();
  closes_ = !request_.keeps_alive();
  state_ = State::answering;
  if (!is_websocket) {
    ++venue_.traffic().requests;
    venue_.meet(*this);
    if (state_ == State::leaving) return;
  }
  if (ActiveFault* const fault = venue_.answering(target_, is_websocket); fault != nullptr)
    answer_as(*fault);
  else if (is_websocket)
    dial_venue();
  else
    ask_venue();
}

void FaultLink::answer_as(ActiveFault& fault) {
  const FaultRule& rule = fault.rule();
  const FaultEpisode& episode = fault.episode();
  if (rule.kind == FaultKind::no_answer) {
    venue_.book().answered(episode, place(), 0);
    unanswered_ = episode;
    return;
  }
  venue_.book().answered(episode, place(), rule.code, rule.retry_after);
  std::vector<net::HttpField> fields;
  std::string body = rule.body;
  if (rule.kind == FaultKind::html) {
    fields.push_back({"Content-Type", "text/html; charset=utf-8"});
    if (body.empty()) body = html_page;
  } else {
    fields.push_back({"Content-Type", "application/json"});
    if (!rule.retry_after.empty()) fields.push_back({"Retry-After", rule.retry_after});
    if (body.empty())
      body = fmt::format(R"({{"code":-{},"msg":"{}"}})", rule.code, net::reason_of(rule.code));
  }
  respond(rule.code, body, fields, rule.kind == FaultKind::handshake);
}

void FaultLink::ask_venue() {
  const std::string_view method = request_.method();
  if (method != "GET" && method != "POST") {
    respond(501, "the fault proxy relays GET and POST");
    return;
  }
  net::HttpClient::Fields fields = owned(relayed_fields(request_.head()));
  // Bodies pass inflated: they are edited and told as text.
  fields.emplace_back("Accept-Encoding", "identity");
  const auto on_reply = [this](const net::HttpReply& reply) {
    asked_ = 0;
    relay_answer(reply);
  };
  asked_ = method == "GET" ? venue_.http().get(target_, on_reply, std::move(fields))
                           : venue_.http().post(target_, std::string(request_.body_text()),
                                                on_reply, std::move(fields));
}

void FaultLink::relay_answer(const net::HttpReply& reply) {
  if (state_ != State::answering) return;
  if (reply.kind != net::HttpReply::Kind::answered) {
    respond(reply.kind == net::HttpReply::Kind::timed_out ? 504 : 502, reply.text);
    return;
  }
  std::string_view body = reply.response->body_text();
  if (venue_.edit_answer(place(), body, edited_)) body = edited_;
  respond(reply.response->status(), body, relayed_fields(reply.response->head()));
}

void FaultLink::respond(int status, std::string_view body, std::span<const net::HttpField> fields,
                        bool closes) {
  if (!near_.is_open()) return;
  const bool is_last = closes || closes_;
  const net::HttpError error = net::write_response({.status = status,
                                                    .fields = fields,
                                                    .body = body,
                                                    .closes = is_last,
                                                    .is_head = request_.method() == "HEAD"},
                                                   near_out());
  if (error != net::HttpError::none || is_last) {
    state_ = State::leaving;
    if (trickling_) {
      // What trickles is all that is left to do; perp has the length and leaves by itself.
      return;
    }
    near_.finish();
    return;
  }
  flush_near();
  request_.begin();
  state_ = State::requests;
  if (near_received_ != nullptr && !near_received_->data().empty()) read_requests(*near_received_);
}

// --- the handshake of a WebSocket ---

void FaultLink::dial_venue() {
  state_ = State::upgrading;
  const net::Url& url = venue_.upstream().websocket;
  handshake_.emplace(net::WebSocketClientOptions{.host = url.authority(),
                                                 .target = target_,
                                                 .protocols = protocols_of(request_.head()),
                                                 .fields = owned(relayed_fields(request_.head()))});
  far_.dial(venue_.around().resolver, url.host, url.port,
            url.is_secure() ? venue_.around().client_tls : nullptr, venue_.websocket_transport());
}

void FaultLink::far_opened() {
  if (state_ != State::upgrading) {
    far_.finish();  // perp has left
    return;
  }
  if (const net::HttpError error = handshake_->write_request(far_.outgoing());
      error != net::HttpError::none) {
    far_.abort();
    respond(502, to_string(error), {}, true);
    return;
  }
  far_timer_.start_in(handshake_ns);
}

/// @returns true once frames follow
bool FaultLink::read_handshake(net::StreamBuffer& received) {
  switch (handshake_->parse(received)) {
    case net::HttpProgress::need_more: return false;
    case net::HttpProgress::failed:
      far_timer_.cancel();
      refuse_upgrade();
      return false;
    case net::HttpProgress::complete: break;
  }
  far_timer_.cancel();
  const std::string& protocol = handshake_->protocol();
  const std::string_view protocol_view = protocol;
  const std::vector<net::HttpField> fields = relayed_fields(handshake_->response().head());
  const net::WebSocketAcceptance acceptance = net::accept_websocket(
      request_,
      {.protocols = std::span(&protocol_view, protocol.empty() ? 0 : 1), .fields = fields},
      near_.outgoing());
  if (acceptance.error != net::WebSocketHandshakeError::none) {
    near_.finish();
    state_ = State::leaving;
    far_.finish();
    return false;
  }
  near_.flush();
  state_ = State::relaying;
  is_far_ready_ = true;
  ++venue_.traffic().websockets;
  venue_.meet(*this);
  if (near_received_ != nullptr && !near_received_->data().empty()) relay_to_venue(*near_received_);
  return true;
}

/// A fault has ended perp's side meanwhile. @returns true once frames follow
bool FaultLink::read_late_handshake(net::StreamBuffer& received) {
  switch (handshake_->parse(received)) {
    case net::HttpProgress::need_more: return false;
    case net::HttpProgress::failed: far_.finish(); return false;
    case net::HttpProgress::complete: break;
  }
  far_timer_.cancel();
  is_far_ready_ = true;
  if (muted_)
    drain_far();
  else
    far_.finish();
  return true;
}

void FaultLink::refuse_upgrade() {
  const net::WebSocketHandshakeError error = handshake_->error();
  const net::HttpResponseParser& response = handshake_->response();
  if (error == net::WebSocketHandshakeError::refused ||
      error == net::WebSocketHandshakeError::redirected)
    respond(response.status(), response.body_text(), relayed_fields(response.head()), true);
  else
    respond(502, handshake_->sentence(), {}, true);
  far_.finish();
}

}  // namespace perp::sim
