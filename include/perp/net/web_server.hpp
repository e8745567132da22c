#pragma once
// The server's end of HTTP/1.1 and WebSocket on a loop, for simulated venues and tests: few
// connections, exact control. (The public API is served by another part, behind other limits.) One
// handler answers for all connections; it may keep something of its own with each. Belongs to its
// loop's thread.
#include <perp/net/http_request.hpp>
#include <perp/net/http_writer.hpp>
#include <perp/net/transport.hpp>
#include <perp/net/websocket_handshake.hpp>
#include <perp/net/websocket_session.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perp::net {

class WebServer;

/// A connection of a WebServer: HTTP requests in turn, or a WebSocket from its handshake on.
class WebConnection final : private TransportHandler {
 public:
  ~WebConnection();

  /// Answers the request that on_request() brought. Once per request, then or later.
  void respond(const HttpResponse& response);
  /// Answers it with 101, or with what is wrong with it. @returns whether it is a WebSocket now.
  bool accept_websocket(const WebSocketServerOptions& options = {});

  /// Of a WebSocket: queues a message. @returns false, and nothing is queued: closing, or full
  /// (then on_flushed() tells when the peer has taken what was queued).
  [[nodiscard]] bool send_text(std::string_view text);
  [[nodiscard]] bool send_binary(std::span<const std::byte> payload);
  [[nodiscard]] bool send_ping(std::span<const std::byte> payload);
  /// Of a WebSocket: the close handshake.
  void close(std::uint16_t code, std::string_view reason = {});
  /// Bytes as they are, whatever they are: for venues that misbehave.
  void send_raw(std::string_view bytes);
  /// The orderly end of TLS and TCP.
  void finish();
  /// Gone without a word: no event follows, and the object is void after the round.
  void abort() noexcept;
  void pause_receiving() noexcept { transport_.pause_receiving(); }
  void resume_receiving() noexcept { transport_.resume_receiving(); }

  bool is_websocket() const noexcept { return session_.has_value(); }
  std::uint64_t number() const noexcept { return number_; }  ///< of the server, from 1
  /// The handler's own.
  std::shared_ptr<void> context{};

 private:
  friend class WebServer;
  WebConnection(WebServer& server, std::uint64_t number);

  void on_open() override;
  void on_received(StreamBuffer& received, core::WallNs receive_ns) override;
  void on_flushed() override;
  void on_end(const TransportEnd& end) override;
  void read_requests(StreamBuffer& received);
  void read_messages(StreamBuffer& received, core::WallNs receive_ns);
  bool sent(bool is_queued);

  WebServer& server_;
  std::uint64_t number_;
  HttpRequestParser parser_;
  std::optional<WebSocketSession> session_;
  bool is_asked_ = false;    ///< a request waits for its answer
  bool is_reading_ = false;  ///< requests, further up the stack
  bool is_gone_ = false;
  bool closes_ = false;  ///< behind the answer
  StreamBuffer* received_ = nullptr;
  Transport transport_;
};

class WebServerHandler {
 public:
  virtual void on_request(WebConnection& connection, const HttpRequestParser& request) = 0;
  /// Text, binary, ping (answered already) or pong of a WebSocket.
  virtual void on_message(WebConnection& connection, const WebSocketMessage& message) = 0;
  virtual void on_flushed(WebConnection&) {}
  /// It is no more; the object goes behind this call. Not after abort().
  virtual void on_end(WebConnection&, const TransportEnd&) {}

 protected:
  ~WebServerHandler() = default;
};

struct WebServerOptions {
  HttpLimits http{};
  WebSocketLimits websocket{};
  TransportLimits transport{};
};

class WebServer final : private AcceptHandler {
 public:
  /// @param tls a server's context, or nullptr for plain TCP; outlives this.
  /// @throws core::Error naming the address.
  WebServer(Loop& loop, const Endpoint& at, const TlsContext* tls, WebServerHandler& handler,
            const WebServerOptions& options = {});
  ~WebServer();
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  const Endpoint& endpoint() const noexcept { return listener_.endpoint(); }
  std::size_t connection_count() const noexcept;
  /// Calls visit(WebConnection&) for each that exists.
  template <class Visit>
  void for_each(Visit visit) {
    for (std::size_t i = 0; i < connections_.size(); ++i)
      if (!connections_[i]->is_gone_) visit(*connections_[i]);
  }

 private:
  friend class WebConnection;
  void on_accepted(Socket socket) override;
  void bury();

  Loop& loop_;
  const TlsContext* tls_;
  WebServerHandler& handler_;
  WebServerOptions options_;
  std::vector<std::unique_ptr<WebConnection>> connections_;
  std::uint64_t accepted_ = 0;
  Timer burial_;  ///< of those that are gone: not inside their own calls
  Listener listener_;
};

}  // namespace perp::net
