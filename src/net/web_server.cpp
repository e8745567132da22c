#include <perp/net/loop.hpp>
#include <perp/net/web_server.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace perp::net {

WebConnection::WebConnection(WebServer& server, std::uint64_t number)
    : server_(server),
      number_(number),
      parser_(server.options_.http),
      transport_(server.loop_, *this, server.options_.transport) {}
WebConnection::~WebConnection() = default;

void WebConnection::on_open() { parser_.begin(); }

void WebConnection::on_received(StreamBuffer& received, core::WallNs receive_ns) {
  received_ = &received;
  if (!session_) read_requests(received);
  if (session_) read_messages(received, receive_ns);
}

void WebConnection::read_requests(StreamBuffer& received) {
  if (std::exchange(is_reading_, true)) return;  // an answer given inside on_request()
  // Pipelined requests wait until the one before is answered.
  while (!is_gone_ && !session_ && !is_asked_ && transport_.is_open()) {
    switch (parser_.parse(received)) {
      case HttpProgress::need_more: is_reading_ = false; return;
      case HttpProgress::failed: {
        const std::string sentence = parser_.sentence();
        is_asked_ = true;
        respond({.status = 400, .body = sentence, .closes = true});
        is_reading_ = false;
        return;
      }
      case HttpProgress::complete: break;
    }
    is_asked_ = true;
    closes_ = !parser_.keeps_alive();
    server_.handler_.on_request(*this, parser_);
  }
  is_reading_ = false;
}

void WebConnection::respond(const HttpResponse& response) {
  if (is_gone_ || !std::exchange(is_asked_, false)) return;
  HttpResponse whole = response;
  whole.closes |= closes_;
  whole.is_head |= parser_.method() == "HEAD";
  if (write_response(whole, transport_.outgoing()) != HttpError::none) {
    transport_.finish();
    return;
  }
  transport_.flush();
  if (whole.closes) {
    transport_.finish();
    return;
  }
  parser_.begin();
  if (received_ != nullptr && !received_->data().empty()) read_requests(*received_);
}

bool WebConnection::accept_websocket(const WebSocketServerOptions& options) {
  if (is_gone_ || !std::exchange(is_asked_, false)) return false;
  const WebSocketAcceptance acceptance =
      net::accept_websocket(parser_, options, transport_.outgoing());
  transport_.flush();
  if (acceptance.error != WebSocketHandshakeError::none) {
    transport_.finish();
    return false;
  }
  session_.emplace(WebSocketRole::server, server_.options_.websocket, acceptance.deflate);
  return true;
}

void WebConnection::read_messages(StreamBuffer& received, core::WallNs) {
  while (!is_gone_ && session_ && transport_.is_open()) {
    const WebSocketMessage message = session_->next(received);
    switch (message.event) {
      case WebSocketEvent::need_more: break;
      case WebSocketEvent::text:
      case WebSocketEvent::binary:
      case WebSocketEvent::ping:
      case WebSocketEvent::pong: server_.handler_.on_message(*this, message); continue;
      case WebSocketEvent::close:
      case WebSocketEvent::failed:
        // A server may leave first (RFC 6455 section 7.1.1).
        static_cast<void>(session_->take_answers(transport_.outgoing()));
        transport_.finish();
        return;
    }
    break;
  }
  if (session_ && transport_.is_open() && !session_->take_answers(transport_.outgoing()))
    transport_.finish();
}

bool WebConnection::sent(bool is_queued) {
  if (is_queued) transport_.flush();
  return is_queued;
}
bool WebConnection::send_text(std::string_view text) {
  return session_ && sent(session_->write_text(text, transport_.outgoing()));
}
bool WebConnection::send_binary(std::span<const std::byte> payload) {
  return session_ && sent(session_->write_binary(payload, transport_.outgoing()));
}
bool WebConnection::send_ping(std::span<const std::byte> payload) {
  return session_ && sent(session_->write_ping(payload, transport_.outgoing()));
}
void WebConnection::close(std::uint16_t code, std::string_view reason) {
  if (!session_) return;
  session_->close(code, reason);
  static_cast<void>(sent(session_->take_answers(transport_.outgoing())));
}

void WebConnection::send_raw(std::string_view bytes) {
  StreamBuffer& out = transport_.outgoing();
  const std::span<std::byte> room = out.writable(bytes.size());
  if (room.empty()) return;
  std::copy_n(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), room.begin());
  out.commit(bytes.size());
  transport_.flush();
}

void WebConnection::finish() { transport_.finish(); }

void WebConnection::abort() noexcept {
  if (is_gone_) return;
  transport_.abort();
  is_gone_ = true;
  server_.burial_.start_in(0);
}

void WebConnection::on_flushed() { server_.handler_.on_flushed(*this); }

void WebConnection::on_end(const TransportEnd& end) {
  is_gone_ = true;
  server_.handler_.on_end(*this, end);
  server_.burial_.start_in(0);
}

WebServer::WebServer(Loop& loop, const Endpoint& at, const TlsContext* tls,
                     WebServerHandler& handler, const WebServerOptions& options)
    : loop_(loop),
      tls_(tls),
      handler_(handler),
      options_(options),
      burial_(loop, [this] { bury(); }),
      listener_(loop, at, *this) {}
WebServer::~WebServer() = default;

void WebServer::on_accepted(Socket socket) {
  connections_.push_back(std::unique_ptr<WebConnection>(new WebConnection(*this, ++accepted_)));
  connections_.back()->transport_.accept(std::move(socket), tls_);
}

void WebServer::bury() {
  std::erase_if(connections_, [](const auto& connection) { return connection->is_gone_; });
}

std::size_t WebServer::connection_count() const noexcept {
  return static_cast<std::size_t>(std::count_if(connections_.begin(), connections_.end(),
                                                [](const auto& one) { return !one->is_gone_; }));
}

}  // namespace perp::net
