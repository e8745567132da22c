#pragma once
// A TCP connection of a loop: dialled to a numeric address, or accepted by a Listener. The owner
// holds the Socket, gets events through a SocketHandler, and both stay in the loop's thread.
// Sending never blocks: bytes are copied into a bounded queue, and a full queue is a value that the
// caller sees. Destroying or closing a Socket is silent: no event follows.
#include <perp/core/time.hpp>
#include <perp/net/endpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace perp::net {

class Loop;
namespace detail {
struct LoopCore;
struct SocketState;
}  // namespace detail

/// Why a connection is no more.
struct CloseReason {
  enum class Kind : std::uint8_t {
    finished,         ///< both sides have sent all that they had to
    refused,          ///< nobody listens there
    connect_timeout,  ///< no answer within SocketOptions::connect_timeout_ns
    reset,            ///< the peer broke the connection off
    failed,           ///< anything else: `error` says what
  };
  Kind kind = Kind::finished;
  int error = 0;               ///< errno; 0 where the kernel gave none
  bool was_connected = false;  ///< false: dialling failed
  Endpoint peer;

  /// "connecting to 127.0.0.1:443: Connection refused". Cold.
  std::string text() const;
};
std::string_view name_of(CloseReason::Kind kind) noexcept;

/// What happens to one socket. Called by the loop's thread inside run_once(). Any call may close or
/// destroy the socket, also this handler with it.
class SocketHandler {
 public:
  /// The dialled connection is there: sending may begin. (An accepted one begins with start().)
  virtual void on_connected() {}
  /// Bytes have come: never empty, at most LoopOptions::receive_buffer_bytes. They lie in the
  /// loop's memory and are void after the call. @param receive_ns this machine's clock when they
  /// were in our hands (the same for all that one round received).
  virtual void on_data(std::span<const std::byte> data, core::WallNs receive_ns) = 0;
  /// The send queue, which had refused something, is empty.
  virtual void on_drained() {}
  /// The peer will send no more; sending to it is still possible. @returns false to close now,
  /// which is then reported as `finished` once the queue is sent; true to go on sending until
  /// Socket::finish().
  virtual bool on_peer_finished() { return false; }
  /// The connection is no more. The last event; the Socket may be dialled anew from here on.
  virtual void on_closed(const CloseReason& reason) = 0;

 protected:
  ~SocketHandler() = default;
};

struct SocketOptions {
  std::int64_t connect_timeout_ns = 10 * core::ns_per_second;
  std::size_t send_limit_bytes =
      std::size_t{1024} * 1024;  ///< queued and not yet taken by the kernel
  bool has_no_delay = true;      ///< TCP_NODELAY
  // A connection whose peer has vanished is told after about idle + count * interval.
  int keep_alive_idle_s = 20;  ///< 0: no keep-alive
  int keep_alive_interval_s = 5;
  int keep_alive_count = 3;
  int kernel_receive_bytes = 0;  ///< SO_RCVBUF; 0: the kernel adapts it
  int kernel_send_bytes = 0;     ///< SO_SNDBUF; 0: the kernel adapts it
};

enum class SendStatus : std::uint8_t {
  queued,
  full,    ///< nothing was taken: it would exceed the limit. on_drained() tells when to try again
  closed,  ///< not connected, finished or broken. on_closed() tells why
};

class Socket {
 public:
  Socket() noexcept = default;
  ~Socket() { close(); }
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;

  /// Begins to connect. on_connected() or on_closed() follows, from a later round; a failure of the
  /// call itself (no descriptor, no route, LoopOptions::sockets_max) comes as on_closed(), too.
  /// @param handler outlives the Socket or the on_closed(), whichever ends first
  static Socket dial(Loop& loop, const Endpoint& peer, SocketHandler& handler,
                     const SocketOptions& options = {});
  /// Begins to receive on a connection that was accepted, or dialled by a Dialer. Once.
  void start(SocketHandler& handler, const SocketOptions& options = {});

  /// Copies `bytes` behind the queue, all or nothing. Goes out when the next round begins.
  /// Allocates only while the queue grows past any earlier size.
  [[nodiscard]] SendStatus send(std::span<const std::byte> bytes) noexcept;
  /// No more will be sent: the peer is told (FIN) behind what is queued. Receiving goes on until
  /// the peer finishes as well. Against a peer that never does, its owner has a timer.
  void finish() noexcept;
  /// Ends it here and now, dropping what is queued. The Socket is empty then.
  void close() noexcept;
  /// The same with a reset (RST) for the peer, whatever it has yet to read or to be sent.
  void break_off() noexcept;

  /// Stops delivering, so that the peer is slowed down. What had already been taken from the
  /// kernel may still come. resume_receiving() undoes it.
  void pause_receiving() noexcept;
  void resume_receiving() noexcept;

  /// Until on_closed() or close().
  bool exists() const noexcept { return state_ != nullptr; }
  bool is_connected() const noexcept;
  /// Queued and not yet taken by the kernel.
  std::size_t send_queued_bytes() const noexcept;
  /// What send() takes now; 0 while not connected.
  std::size_t send_room_bytes() const noexcept;
  /// Of an existing socket.
  const Endpoint& peer() const noexcept;

 private:
  friend class Dialer;
  friend class Listener;
  friend struct detail::LoopCore;
  explicit Socket(detail::SocketState* state) noexcept;
  void attach(detail::SocketState* state) noexcept;
  // For a Dialer, from inside on_connected(): takes the handler off until start().
  detail::SocketState& await_start() noexcept;
  static void close_unless_started(detail::SocketState& state) noexcept;

  detail::SocketState* state_ = nullptr;  // the loop owns it; it points back here
};

class AcceptHandler {
 public:
  /// A peer has connected. Nothing is received before socket.start(). Dropping it closes it.
  virtual void on_accepted(Socket socket) = 0;

 protected:
  ~AcceptHandler() = default;
};

/// A listening address: for tests, simulated venues and servers of few connections.
class Listener {
 public:
  /// @param port 0 takes a free one, see endpoint(). @throws core::Error naming the address.
  Listener(Loop& loop, const Endpoint& at, AcceptHandler& handler, int backlog = 1024);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  const Endpoint& endpoint() const noexcept;

 private:
  detail::SocketState* state_;
};

}  // namespace perp::net
