// The engine for machines that refuse io_uring. Level-triggered: one receive per readable socket
// and round is then enough (edge-triggered needs a second one that says EAGAIN, or a guess from a
// short read), which also shares the rounds fairly among sockets. What a socket is registered for
// changes rarely: when a send did not fit, and when receiving pauses or ends.
#include "net/loop_core.hpp"

#include <perp/core/error.hpp>
#include <perp/core/page_memory.hpp>

#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace perp::net::detail {
namespace {

using Phase = SocketState::Phase;

class EpollEngine final : public Engine {
 public:
  explicit EpollEngine(LoopCore& core)
      : core_(core),
        epoll_(::epoll_create1(EPOLL_CLOEXEC), "epoll"),
        received_(core.options.receive_buffer_bytes, "receive buffer") {
    if (!epoll_.is_open()) core::throw_system_error("cannot make an epoll", "loop", errno);
    epoll_event event{EPOLLIN, {.ptr = nullptr}};
    if (::epoll_ctl(epoll_.descriptor(), EPOLL_CTL_ADD, core.wake_event.descriptor(), &event) != 0)
      core::throw_system_error("cannot watch the wake event", "loop", errno);
  }

  void watch_connect(SocketState& socket) override { watch(socket, EPOLLOUT); }
  void watch_accept(SocketState& socket) override { watch(socket, EPOLLIN); }
  void stop_accepting(SocketState& socket) override { watch(socket, 0); }
  void update_receiving(SocketState& socket) override { watch_connected(socket); }

  void send(SocketState& socket, bool) override {
    for (;;) {
      const std::span rest = std::span(socket.sending).subspan(socket.sent_bytes);
      ++core_.stats.system_calls;
      const ssize_t result = ::send(socket.descriptor, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (result < 0 && errno == EINTR) continue;
      const int error = result < 0 ? errno : 0;
      if (error == EAGAIN) {
        socket.has_send = true;
        watch_connected(socket);
        return;
      }
      if (socket.has_send) {
        socket.has_send = false;
        watch_connected(socket);
      }
      // A short count is followed by another send(), which then says EAGAIN.
      if (error == 0)
        core_.sent(socket, static_cast<std::size_t>(result));
      else
        core_.send_failed(socket, error);
      return;
    }
  }

  void close(SocketState& socket) override {
    // Closing takes it out of the epoll: nobody else holds the descriptor.
    if (socket.descriptor >= 0) {
      ++core_.stats.system_calls;
      ::close(socket.descriptor);
    }
    socket.descriptor = -1;
    core_.retire(socket);
  }

  int poll(std::int64_t wait_ns) override {
    const int count = wait(wait_ns);
    if (count == 0 && wait_ns == 0) return 0;
    core_.stamp();
    int delivered = 0;
    for (int i = 0; i < count; ++i) {
      if (events_[static_cast<std::size_t>(i)].data.ptr == nullptr)
        core_.drain_wake_event();
      else
        delivered += deliver(events_[static_cast<std::size_t>(i)]);
    }
    return delivered;
  }

 private:
  int wait(std::int64_t wait_ns) {
    ++core_.stats.system_calls;
    const timespec timeout{wait_ns / core::ns_per_second, wait_ns % core::ns_per_second};
    const int capacity = static_cast<int>(events_.size());
    int count;
    if (wait_ns == 0) {
      count = ::epoll_wait(epoll_.descriptor(), events_.data(), capacity, 0);
    } else if (has_nanoseconds_) {
      count = ::epoll_pwait2(epoll_.descriptor(), events_.data(), capacity,
                             wait_ns < 0 ? nullptr : &timeout, nullptr);
      if (count < 0 && (errno == ENOSYS || errno == EPERM)) {  // before Linux 5.11, or a filter
        has_nanoseconds_ = false;
        return wait(wait_ns);
      }
    } else {
      const int wait_ms = static_cast<int>((wait_ns + core::ns_per_ms - 1) / core::ns_per_ms);
      count =
          ::epoll_wait(epoll_.descriptor(), events_.data(), capacity, wait_ns < 0 ? -1 : wait_ms);
    }
    if (count >= 0) return count;
    if (errno != EINTR) core::throw_system_error("cannot wait for events", "loop", errno);
    return 0;
  }

  int deliver(const epoll_event& event) {
    SocketState& socket = *static_cast<SocketState*>(event.data.ptr);
    switch (socket.phase) {
      case Phase::connecting: core_.connect_ready(socket); return 1;
      case Phase::listening: core_.accept_ready(socket); return 1;
      case Phase::connected: break;
      case Phase::unused:
      case Phase::closing: return 0;  // by an earlier event of this round
    }
    int delivered = 0;
    const bool is_broken = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
    if (socket.wants_data() && ((event.events & EPOLLIN) != 0 || is_broken))
      delivered += receive(socket);
    if (socket.is_connected() && socket.has_send && ((event.events & EPOLLOUT) != 0 || is_broken)) {
      send(socket, false);
      ++delivered;
    }
    // Nobody asks for what would tell of the end, yet epoll reports it in every round: deaf until
    // receiving or sending meets it.
    if (is_broken && socket.is_connected() && !socket.wants_data() && !socket.has_send)
      watch(socket, 0);
    return delivered;
  }

  int receive(SocketState& socket) {
    ++core_.stats.system_calls;
    const ssize_t result =
        ::recv(socket.descriptor, received_.data(), core_.options.receive_buffer_bytes, 0);
    if (result > 0) {
      core_.stamp();
      core_.received(socket, {received_.data(), static_cast<std::size_t>(result)});
      return 1;
    }
    if (result < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    core_.receive_ended(socket, result == 0 ? 0 : errno);
    return 1;
  }

  void watch_connected(SocketState& socket) {
    if (socket.is_connected())
      watch(socket, (socket.wants_data() ? EPOLLIN : 0U) | (socket.has_send ? EPOLLOUT : 0U));
  }

  /// @param events 0: not even for errors, which epoll reports of all that it knows
  void watch(SocketState& socket, std::uint32_t events) {
    if (socket.epoll_events == events) return;
    const int operation = socket.epoll_events == 0 ? EPOLL_CTL_ADD
                          : events == 0            ? EPOLL_CTL_DEL
                                                   : EPOLL_CTL_MOD;
    epoll_event event{events, {.ptr = &socket}};
    ++core_.stats.system_calls;
    if (::epoll_ctl(epoll_.descriptor(), operation, socket.descriptor, &event) != 0)
      core::throw_system_error("cannot watch a socket", "loop", errno);
    socket.epoll_events = events;
  }

  LoopCore& core_;
  core::File epoll_;
  core::PageMemory received_;
  std::array<epoll_event, 256> events_{};
  bool has_nanoseconds_ = true;
};

}  // namespace

std::unique_ptr<Engine> make_epoll_engine(LoopCore& core) {
  return std::make_unique<EpollEngine>(core);
}

}  // namespace perp::net::detail
