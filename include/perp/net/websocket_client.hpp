#pragma once
// A WebSocket connection by its address: resolving, proxy, TLS and the opening handshake, then
// messages. Messages lie where TLS decrypted them, with StreamBuffer::slack readable bytes behind;
// nothing is copied. Pings are answered by themselves, once per read. It decides nothing about
// life: who is quiet for how long, when to dial again, is its owner's (the feed's) business.
// Belongs to its loop's thread. May be closed inside its own events and dialled anew inside
// on_end(); must not be destroyed inside them.
#include <perp/net/transport.hpp>
#include <perp/net/url.hpp>
#include <perp/net/websocket_handshake.hpp>
#include <perp/net/websocket_session.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perp::net {

/// Why a WebSocket connection is no more.
struct WebSocketEnd {
  enum class Kind : std::uint8_t {
    transport,  ///< `transport` says what; also an end without a close frame
    refused,    ///< the server answered the handshake otherwise: `status`, `retry_after_s`
    bad_handshake,
    timed_out,       ///< no answer to the handshake in time
    closed_by_peer,  ///< `close_code`, `reason`
    closed_by_us,
    protocol,   ///< the peer broke the protocol: `error`
    send_full,  ///< the peer does not take what we send
  };
  Kind kind = Kind::transport;
  TransportEnd transport{};
  WebSocketError error = WebSocketError::none;
  int status = 0;                ///< of a refusal
  std::string retry_after{};     ///< of a refusal: the field as it came, or empty
  std::string body{};            ///< of a refusal: what it said, cut
  std::uint16_t close_code = 0;  ///< of a close
  bool was_open = false;         ///< messages could have come
  std::string text{};            ///< one sentence, with the host
};
std::string_view name_of(WebSocketEnd::Kind kind) noexcept;

class WebSocketHandler {
 public:
  /// Messages may be sent. @param handshake the server's answer, valid during the call
  virtual void on_open(const WebSocketClientHandshake& handshake) = 0;
  /// A text or binary message, or a ping (answered already) or pong. Valid during the call.
  /// @param receive_ns when its last bytes were in our hands
  virtual void on_message(const WebSocketMessage& message, core::WallNs receive_ns) = 0;
  /// All messages of one read have been delivered: the moment to publish a batch.
  virtual void on_batch() {}
  /// No more events. Never called for abort().
  virtual void on_end(const WebSocketEnd& end) = 0;

 protected:
  ~WebSocketHandler() = default;
};

struct WebSocketConnectOptions {
  TransportOptions transport{};
  std::int64_t handshake_timeout_ns = 10 * core::ns_per_second;
  std::int64_t close_timeout_ns = 2 * core::ns_per_second;  ///< for the peer's close frame
  WebSocketLimits limits{};
  std::optional<WebSocketDeflateOffer> deflate = std::nullopt;
  std::vector<std::string> protocols{};
  std::vector<std::pair<std::string, std::string>> fields{};  ///< more of the request's
};

class WebSocketClient final : private TransportHandler {
 public:
  /// @param limits of messages, fixed for this object's life: they size its buffer
  WebSocketClient(Loop& loop, WebSocketHandler& handler, const WebSocketLimits& limits = {});

  /// Begins; an earlier connection is given up silently. on_open() or on_end() follows from a later
  /// round. @param url ws or wss @param tls a client's context; used with wss. @param resolver
  /// outlives this
  /// @throws core::Error for a URL of another scheme
  void dial(Resolver& resolver, const Url& url, const TlsContext& tls,
            const WebSocketConnectOptions& options = {});

  /// Queues a message. @returns false, and nothing is queued: not open, closing, or full.
  [[nodiscard]] bool send_text(std::string_view text);
  [[nodiscard]] bool send_binary(std::span<const std::byte> payload);
  /// @param payload at most 125 bytes
  [[nodiscard]] bool send_ping(std::span<const std::byte> payload);
  /// The close handshake; on_end() follows. No message is delivered any more.
  void close(std::uint16_t code = close_code::normal, std::string_view reason = {});
  /// Ends it here and now without an event.
  void abort() noexcept;
  void pause_receiving() noexcept { transport_.pause_receiving(); }
  void resume_receiving() noexcept { transport_.resume_receiving(); }

  bool is_open() const noexcept { return state_ == State::open; }
  bool exists() const noexcept { return state_ != State::closed; }
  /// As Transport's.
  std::string security() const { return transport_.security(); }
  const std::string& host() const noexcept { return transport_.host(); }
  bool has_deflate() const noexcept { return has_deflate_; }

 private:
  enum class State : std::uint8_t { closed, dialling, upgrading, open, closing };

  void on_open() override;
  void on_received(StreamBuffer& received, core::WallNs receive_ns) override;
  void on_end(const TransportEnd& end) override;

  bool read_handshake(StreamBuffer& received);
  /// What the handshake's failure comes to.
  WebSocketEnd refusal() const;
  void read_messages(StreamBuffer& received, core::WallNs receive_ns);
  bool sent(bool is_queued);
  void on_time();
  /// Ends the transport; `end` is reported when it is gone.
  void end_with(WebSocketEnd end);

  WebSocketHandler& handler_;
  WebSocketConnectOptions options_;
  State state_ = State::closed;
  std::optional<WebSocketClientHandshake> handshake_;
  std::optional<WebSocketSession> session_;
  bool has_deflate_ = false;
  bool was_open_ = false;
  std::optional<WebSocketEnd> end_;
  Timer timer_;
  Transport transport_;
};

}  // namespace perp::net
