// The life of a connection: what engines report, what follows from it, and what its owner is told.
#include "net/loop_core.hpp"

#include <unistd.h>

#include <cerrno>
#include <sys/socket.h>
#include <utility>

namespace perp::net::detail {
namespace {

CloseReason::Kind kind_of(int error) noexcept {
  return error == ECONNRESET || error == EPIPE ? CloseReason::Kind::reset
                                               : CloseReason::Kind::failed;
}

}  // namespace

void LoopCore::hand_over(SocketState& socket, bool is_alone) {
  if (socket.is_sending) return;
  if (!socket.queued.empty()) {
    std::swap(socket.sending, socket.queued);
    socket.sent_bytes = 0;
    socket.is_sending = true;
    engine->send(socket, is_alone);
    return;
  }
  if (!socket.is_finish_wanted || socket.has_finished) return;
  ++stats.system_calls;
  // Fails only where the connection is gone already, which receiving finds out.
  ::shutdown(socket.descriptor, SHUT_WR);
  socket.has_finished = true;
  if (socket.has_peer_finished) end(socket, CloseReason::Kind::finished, 0);
}

void LoopCore::sent(SocketState& socket, std::size_t size_bytes) {
  ++stats.sends;
  stats.sent_bytes += size_bytes;
  if (!socket.is_connected()) return;
  socket.sent_bytes += size_bytes;
  if (socket.sent_bytes < socket.sending.size()) {
    engine->send(socket, false);
    return;
  }
  socket.is_sending = false;
  socket.sending.clear();
  socket.sent_bytes = 0;
  if (!socket.queued.empty() || socket.is_finish_wanted) touch(socket);
  if (socket.queued.empty() && std::exchange(socket.is_drain_awaited, false) &&
      socket.handler != nullptr)
    socket.handler->on_drained();
}

void LoopCore::send_failed(SocketState& socket, int error) {
  if (!socket.is_connected()) return;
  socket.is_sending = false;
  socket.sending.clear();
  socket.queued.clear();
  socket.sent_bytes = 0;
  socket.error = error;
  // What the peer sent before is still to be delivered; receiving ends by itself then.
  if (!socket.wants_data()) end(socket, kind_of(error), error);
}

void LoopCore::connect_ready(SocketState& socket) {
  int error = 0;
  socklen_t size = sizeof error;
  ++stats.system_calls;
  if (::getsockopt(socket.descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) {
    end(socket,
        error == ECONNREFUSED ? CloseReason::Kind::refused
        : error == ETIMEDOUT  ? CloseReason::Kind::connect_timeout
                              : CloseReason::Kind::failed,
        error);
    return;
  }
  socket.deadline->cancel();
  socket.phase = SocketState::Phase::connected;
  socket.is_receiving = true;
  engine->update_receiving(socket);
  socket.handler->on_connected();
}

void LoopCore::received(SocketState& socket, std::span<const std::byte> data) {
  ++stats.receives;
  stats.received_bytes += data.size();
  socket.handler->on_data(data, wall);
}

void LoopCore::receive_ended(SocketState& socket, int error) {
  if (error != 0 || socket.error != 0) {
    // A failed send has taken the error from the socket; receiving then looks like an orderly end.
    const int cause = error != 0 ? error : socket.error;
    end(socket, kind_of(cause), cause);
    return;
  }
  socket.has_peer_finished = true;
  engine->update_receiving(socket);
  const bool goes_on = socket.handler->on_peer_finished();
  if (!socket.is_connected()) return;
  if (socket.has_finished) {
    end(socket, CloseReason::Kind::finished, 0);
  } else if (!goes_on) {
    socket.is_finish_wanted = true;
    touch(socket);
  }
}

void LoopCore::let_go(SocketState& socket) {
  if (socket.deadline) socket.deadline->cancel();
  if (socket.owner != nullptr) socket.owner->state_ = nullptr;
  socket.owner = nullptr;
  socket.handler = nullptr;
  socket.accept_handler = nullptr;
  socket.phase = SocketState::Phase::closing;
  socket.queued.clear();
  engine->close(socket);
}

void LoopCore::end(SocketState& socket, CloseReason::Kind kind, int error) {
  SocketHandler* const handler = socket.handler;
  const CloseReason reason{kind, error, socket.is_connected(), socket.peer};
  // The owner may dial again from inside the call: its Socket is empty by then.
  let_go(socket);
  if (handler != nullptr) handler->on_closed(reason);
}

}  // namespace perp::net::detail
