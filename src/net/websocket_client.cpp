#include <perp/core/error.hpp>
#include <perp/net/loop.hpp>
#include <perp/net/websocket_client.hpp>

#include <fmt/format.h>

namespace perp::net {
namespace {

// A piece of ciphertext decrypts to no more than itself; loops deliver at most this much at once.
constexpr std::size_t piece_bytes = std::size_t{64} << 10;
constexpr std::size_t refusal_shown_bytes = 512;

}  // namespace

std::string_view name_of(WebSocketEnd::Kind kind) noexcept {
  switch (kind) {
    case WebSocketEnd::Kind::transport: return "transport";
    case WebSocketEnd::Kind::refused: return "refused";
    case WebSocketEnd::Kind::bad_handshake: return "bad_handshake";
    case WebSocketEnd::Kind::timed_out: return "timed_out";
    case WebSocketEnd::Kind::closed_by_peer: return "closed_by_peer";
    case WebSocketEnd::Kind::closed_by_us: return "closed_by_us";
    case WebSocketEnd::Kind::protocol: return "protocol";
    case WebSocketEnd::Kind::send_full: return "send_full";
  }
  return "unknown";
}

WebSocketClient::WebSocketClient(Loop& loop, WebSocketHandler& handler,
                                 const WebSocketLimits& limits)
    : handler_(handler),
      timer_(loop, [this] { on_time(); }),
      transport_(loop, *this,
                 {.receive_bytes = WebSocketParser::buffer_limit(limits, piece_bytes)}) {
  options_.limits = limits;
}

void WebSocketClient::dial(Resolver& resolver, const Url& url, const TlsContext& tls,
                           const WebSocketConnectOptions& options) {
  if (!url.is_websocket())
    throw core::Error("a WebSocket has a ws:// or wss:// address", url.text(),
                      "its scheme is another");
  abort();
  const WebSocketLimits limits = options_.limits;
  options_ = options;
  options_.limits = limits;
  handshake_.emplace(WebSocketClientOptions{.host = url.authority(),
                                            .target = url.target,
                                            .protocols = options.protocols,
                                            .fields = options.fields,
                                            .deflate = options.deflate});
  state_ = State::dialling;
  transport_.dial(resolver, url.host, url.port, url.is_secure() ? &tls : nullptr,
                  options_.transport);
}

void WebSocketClient::on_open() {
  state_ = State::upgrading;
  if (const HttpError error = handshake_->write_request(transport_.outgoing());
      error != HttpError::none) {
    end_with({.kind = WebSocketEnd::Kind::bad_handshake,
              .text = fmt::format("{}: the handshake's request: {}", host(), to_string(error))});
    return;
  }
  timer_.start_in(options_.handshake_timeout_ns);
}

void WebSocketClient::on_received(StreamBuffer& received, core::WallNs receive_ns) {
  if (state_ == State::upgrading && !read_handshake(received)) return;
  read_messages(received, receive_ns);
}

WebSocketEnd WebSocketClient::refusal() const {
  const WebSocketHandshakeError error = handshake_->error();
  WebSocketEnd end{.kind = WebSocketEnd::Kind::bad_handshake,
                   .text = fmt::format("{}: {}", host(), handshake_->sentence())};
  if (error == WebSocketHandshakeError::refused || error == WebSocketHandshakeError::redirected) {
    const HttpResponseParser& response = handshake_->response();
    end.kind = WebSocketEnd::Kind::refused;
    end.status = response.status();
    end.retry_after = response.head().value("Retry-After");
    end.body = response.body_text().substr(0, refusal_shown_bytes);
  }
  return end;
}

bool WebSocketClient::read_handshake(StreamBuffer& received) {
  switch (handshake_->parse(received)) {
    case HttpProgress::need_more: return false;
    case HttpProgress::complete: break;
    case HttpProgress::failed: end_with(refusal()); return false;
  }
  timer_.cancel();
  has_deflate_ = handshake_->deflate().has_value();
  session_.emplace(WebSocketRole::client, options_.limits, handshake_->deflate());
  state_ = State::open;
  was_open_ = true;
  handler_.on_open(*handshake_);
  return exists();
}

void WebSocketClient::read_messages(StreamBuffer& received, core::WallNs receive_ns) {
  bool has_delivered = false;
  while (state_ == State::open || state_ == State::closing) {
    const WebSocketMessage message = session_->next(received);
    switch (message.event) {
      case WebSocketEvent::need_more: break;
      case WebSocketEvent::text:
      case WebSocketEvent::binary:
      case WebSocketEvent::ping:
      case WebSocketEvent::pong:
        if (state_ != State::open) continue;
        has_delivered = true;
        handler_.on_message(message, receive_ns);
        continue;
      case WebSocketEvent::close: {
        const bool is_ours = state_ == State::closing;
        WebSocketEnd end{
            .kind = is_ours ? WebSocketEnd::Kind::closed_by_us : WebSocketEnd::Kind::closed_by_peer,
            .close_code = message.close_code,
            .text = fmt::format("{} closed the WebSocket with {}{}{}", host(), message.close_code,
                                message.text().empty() ? "" : ": ", message.text())};
        if (has_delivered) handler_.on_batch();
        if (exists()) end_with(std::move(end));
        return;
      }
      case WebSocketEvent::failed:
        if (has_delivered) handler_.on_batch();
        if (exists())
          end_with({.kind = WebSocketEnd::Kind::protocol,
                    .error = session_->error(),
                    .text = fmt::format("{} broke the WebSocket protocol: {}", host(),
                                        to_string(session_->error()))});
        return;
    }
    break;
  }
  if (has_delivered) handler_.on_batch();
  // One answer per read, however many pings it held. The transport flushes behind this call.
  if (session_ && transport_.is_open() && !session_->take_answers(transport_.outgoing()))
    end_with({.kind = WebSocketEnd::Kind::send_full,
              .text = fmt::format("{} does not take what is sent", host())});
}

bool WebSocketClient::sent(bool is_queued) {
  if (is_queued) transport_.flush();
  return is_queued;
}

bool WebSocketClient::send_text(std::string_view text) {
  return state_ == State::open && sent(session_->write_text(text, transport_.outgoing()));
}
bool WebSocketClient::send_binary(std::span<const std::byte> payload) {
  return state_ == State::open && sent(session_->write_binary(payload, transport_.outgoing()));
}
bool WebSocketClient::send_ping(std::span<const std::byte> payload) {
  return state_ == State::open && sent(session_->write_ping(payload, transport_.outgoing()));
}

void WebSocketClient::close(std::uint16_t code, std::string_view reason) {
  switch (state_) {
    case State::closed:
    case State::closing: return;
    case State::dialling:
    case State::upgrading:
      end_with({.kind = WebSocketEnd::Kind::closed_by_us,
                .text = fmt::format("the connection to {} was closed by us", host())});
      return;
    case State::open: break;
  }
  state_ = State::closing;
  session_->close(code, reason);
  if (!session_->take_answers(transport_.outgoing())) {
    end_with({.kind = WebSocketEnd::Kind::send_full,
              .text = fmt::format("{} does not take what is sent", host())});
    return;
  }
  transport_.flush();
  timer_.start_in(options_.close_timeout_ns);
}

void WebSocketClient::on_time() {
  if (state_ == State::upgrading)
    end_with({.kind = WebSocketEnd::Kind::timed_out,
              .text = fmt::format("{}: no answer to the WebSocket handshake within {} ms", host(),
                                  options_.handshake_timeout_ns / core::ns_per_ms)});
  else if (state_ == State::closing)
    end_with({.kind = WebSocketEnd::Kind::closed_by_us,
              .text = fmt::format("{} did not answer our close within {} ms", host(),
                                  options_.close_timeout_ns / core::ns_per_ms)});
}

void WebSocketClient::end_with(WebSocketEnd end) {
  timer_.cancel();
  end.was_open = was_open_;
  end_ = std::move(end);
  state_ = State::closing;
  // What the protocol has left to say, a close frame with its code, goes before the end.
  if (session_ && transport_.is_open())
    static_cast<void>(session_->take_answers(transport_.outgoing()));
  transport_.finish();
}

void WebSocketClient::on_end(const TransportEnd& transport) {
  WebSocketEnd end;
  if (end_) {
    end = std::move(*end_);
  } else if (state_ == State::closing) {
    end = {.kind = WebSocketEnd::Kind::closed_by_us,
           .text = fmt::format("the connection to {} was closed by us", host())};
  } else if (state_ == State::upgrading && transport.kind == TransportEnd::Kind::finished &&
             handshake_->finish() == HttpProgress::failed) {
    end = refusal();  // whose body ran until the end of the connection
  } else {
    const bool is_cut = state_ == State::open && transport.kind == TransportEnd::Kind::finished;
    end = {.kind = WebSocketEnd::Kind::transport,
           .text = is_cut ? fmt::format("{} ended the connection without a close frame", host())
                          : transport.text};
  }
  end.transport = transport;
  end.was_open = was_open_;
  abort();
  handler_.on_end(end);
}

void WebSocketClient::abort() noexcept {
  state_ = State::closed;
  timer_.cancel();
  transport_.abort();
  session_.reset();
  handshake_.reset();
  end_.reset();
  has_deflate_ = was_open_ = false;
}

}  // namespace perp::net
