#pragma once
// One connection of a loop as a stream of plain bytes, whatever lies below: the name is resolved
// and dialled, a proxy is asked for a tunnel, TLS is spoken and verified. Protocols (WebSocket,
// HTTP) stand on it, on either end. What has come lies in one StreamBuffer that the protocol reads
// in place; what is to go is appended to another and handed over by flush(). Belongs to its loop's
// thread. Nothing is allocated per message once both buffers have grown.
//
// It may be closed inside its own events and dialled anew inside on_end(); it must not be destroyed
// inside them.
#include <perp/net/dialer.hpp>
#include <perp/net/http_response.hpp>
#include <perp/net/proxy.hpp>
#include <perp/net/socket.hpp>
#include <perp/net/stream_buffer.hpp>
#include <perp/net/timer.hpp>
#include <perp/net/tls_context.hpp>
#include <perp/net/tls_stream.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace perp::net {

/// Why and where a transport ended.
struct TransportEnd {
  enum class Kind : std::uint8_t {
    finished,       ///< in order: both sides said that nothing more comes
    unreachable,    ///< no address, or none that answered in time
    proxy_refused,  ///< the proxy gave no tunnel
    tls_failed,     ///< `tls` says what
    timed_out,      ///< connected, but not open in time
    broken,         ///< the peer or the network broke it off
    too_much,       ///< more came than the receive buffer may hold and nobody took it
  };
  Kind kind = Kind::finished;
  TlsErrorKind tls = TlsErrorKind::none;
  bool was_open = false;
  std::size_t unsent_bytes = 0;  ///< written, and not taken by the kernel when it ended
  std::string text{};            ///< one sentence, with the host
};
std::string_view name_of(TransportEnd::Kind kind) noexcept;

class TransportHandler {
 public:
  /// Plain bytes may be written: TCP, tunnel and TLS are there.
  virtual void on_open() = 0;
  /// Bytes have come behind what was left in `received`: take what is whole.
  virtual void on_received(StreamBuffer& received, core::WallNs receive_ns) = 0;
  /// All that flush() could not hand over before is with the kernel.
  virtual void on_flushed() {}
  /// No more events. Never called for abort().
  virtual void on_end(const TransportEnd& end) = 0;

 protected:
  ~TransportHandler() = default;
};

struct TransportOptions {
  DialerOptions dial{};
  std::int64_t open_timeout_ns = 10 * core::ns_per_second;  ///< from TCP connection to open
  /// For the peer to take what is left, anew with each piece that it takes, and to finish as well.
  std::int64_t end_timeout_ns = 2 * core::ns_per_second;
  std::optional<Proxy> proxy = std::nullopt;
};

struct TransportLimits {
  std::size_t receive_bytes = std::size_t{64} << 20;  ///< received and not yet taken
  std::size_t send_bytes = std::size_t{1} << 20;      ///< appended and not yet handed over
};

class Transport final : private SocketHandler {
 public:
  Transport(Loop& loop, TransportHandler& handler, const TransportLimits& limits = {});
  ~Transport() = default;

  /// Begins; an earlier connection is given up silently. on_open() or on_end() follows from a later
  /// round. @param tls a client's context, or nullptr for plain TCP. @param resolver outlives this
  void dial(Resolver& resolver, const std::string& host, std::uint16_t port, const TlsContext* tls,
            const TransportOptions& options = {});
  /// The server's end: begins on a connection that a Listener gave. @param tls a server's context,
  /// or nullptr
  void accept(Socket socket, const TlsContext* tls, const TransportOptions& options = {});

  /// What was written and not handed over. Append to it, then flush().
  StreamBuffer& outgoing() noexcept { return outgoing_; }
  /// Hands over what it can; the rest follows by itself as the peer takes it. No system call: the
  /// loop's next round makes it.
  void flush();
  /// Says that nothing more will be sent, behind all that is outgoing, and waits for the peer's
  /// end, for end_timeout_ns at most. What still comes is not delivered. on_end() follows, and says
  /// if the peer did not take all.
  void finish();
  /// Ends it here and now without an event.
  void abort() noexcept;
  /// The same with a reset (RST) for the peer: for venues that misbehave.
  void break_off() noexcept;
  /// Slows the peer down; see Socket.
  void pause_receiving() noexcept { socket_.pause_receiving(); }
  void resume_receiving() noexcept { socket_.resume_receiving(); }

  bool is_open() const noexcept { return state_ == State::open; }
  /// Neither closed nor ended.
  bool exists() const noexcept { return state_ != State::closed; }
  /// Appended or encrypted, and not yet taken by the kernel. Encrypting adds some 2 %.
  std::size_t unsent_bytes() const noexcept;
  /// "TLSv1.3 TLS_AES_128_GCM_SHA256", or "plain". Of an open one.
  std::string security() const;
  /// The name that was dialled, or the peer's address.
  const std::string& host() const noexcept { return host_; }

 private:
  enum class State : std::uint8_t { closed, dialling, tunnelling, handshaking, open, ending };

  void on_dialled(Socket socket);
  void on_data(std::span<const std::byte> data, core::WallNs receive_ns) override;
  void on_drained() override;
  bool on_peer_finished() override;
  void on_closed(const CloseReason& reason) override;

  void begin_tunnel();
  void read_tunnel(core::WallNs receive_ns);
  void begin_tls();
  void feed(std::span<const std::byte> data, core::WallNs receive_ns);
  void become_open();
  void on_time();
  /// Tells the peer what is left to tell, then reports `end` once the socket is gone.
  void end_with(TransportEnd::Kind kind, TlsErrorKind tls, const std::string& text);
  void end_with_tls_error();
  void say_finish();
  void encrypt();
  void report();

  Loop& loop_;
  TransportHandler& handler_;
  TransportLimits limits_;
  TransportOptions options_;
  State state_ = State::closed;
  std::string host_;
  std::uint16_t port_ = 0;
  const TlsContext* context_ = nullptr;
  Socket socket_;
  std::optional<Dialer> dialer_;
  std::optional<TlsStream> tls_;
  std::optional<HttpResponseParser> tunnel_;
  StreamBuffer received_;
  StreamBuffer outgoing_;
  Timer timer_;
  bool is_flush_refused_ = false;
  TransportEnd end_;
};

}  // namespace perp::net
