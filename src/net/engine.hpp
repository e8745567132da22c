#pragma once
// What a loop asks of the kernel; epoll_engine.cpp and uring_engine.cpp are the two answers. The
// engine owns no connection: it starts operations of a SocketState and tells LoopCore how they
// went.
#include <cstdint>
#include <memory>

namespace perp::net::detail {

struct LoopCore;
struct SocketState;

class Engine {
 public:
  virtual ~Engine() = default;

  /// LoopCore::connect_ready() once the connection is there or refused.
  virtual void watch_connect(SocketState& socket) = 0;
  /// LoopCore::accept_ready() again and again while a peer waits.
  virtual void watch_accept(SocketState& socket) = 0;
  virtual void stop_accepting(SocketState& socket) = 0;
  /// socket.wants_data() has changed: LoopCore::received() and receive_ended() while it is true.
  virtual void update_receiving(SocketState& socket) = 0;
  /// Sends the rest of socket.sending, then LoopCore::sent() or send_failed().
  /// @param is_alone no other socket sends in this round
  virtual void send(SocketState& socket, bool is_alone) = 0;
  /// Gives up all of its operations, closes its descriptor, then LoopCore::retire().
  virtual void close(SocketState& socket) = 0;

  /// Waits for events (0: not at all, negative: without end) and delivers them. @returns how many.
  virtual int poll(std::int64_t wait_ns) = 0;
};

std::unique_ptr<Engine> make_epoll_engine(LoopCore& core);
std::unique_ptr<Engine> make_uring_engine(LoopCore& core);

}  // namespace perp::net::detail
