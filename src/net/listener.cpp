#include "net/loop_core.hpp"
#include "net/socket_address.hpp"

#include <perp/core/error.hpp>
#include <perp/net/socket.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <sys/socket.h>

namespace perp::net {
namespace {

constexpr int accepts_per_round = 16;  // others have their turn between
constexpr std::int64_t accept_again_ns = 100 * core::ns_per_ms;

}  // namespace

Listener::Listener(Loop& loop, const Endpoint& at, AcceptHandler& handler, int backlog) {
  const auto fail = [&at](const char* step) {
    core::throw_system_error(step, fmt::format("listening on {}", at.text()), errno);
  };
  const detail::SocketAddress address(at);
  core::File socket(
      ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP),
      at.text());
  if (!socket.is_open()) fail("socket");
  const int on = 1;
  // A port of connections that are fading away (TIME_WAIT) can be taken; one with a listener not.
  ::setsockopt(socket.descriptor(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (at.family == Endpoint::Family::ipv6)
    ::setsockopt(socket.descriptor(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(socket.descriptor(), address.get(), address.size()) != 0) fail("bind");
  if (::listen(socket.descriptor(), backlog) != 0) fail("listen");
  detail::SocketAddress bound;
  if (::getsockname(socket.descriptor(), bound.get(), bound.size_pointer()) != 0)
    fail("getsockname");

  detail::LoopCore& core = *loop.core_;
  state_ = &core.take();
  state_->begin(detail::SocketState::Phase::listening);
  state_->descriptor = socket.release();
  state_->peer = bound.endpoint();
  state_->accept_handler = &handler;
  core.engine->watch_accept(*state_);
}

Listener::~Listener() { state_->core->let_go(*state_); }

const Endpoint& Listener::endpoint() const noexcept { return state_->peer; }

namespace detail {

void LoopCore::accept_ready(SocketState& listener) {
  for (int i = 0; i < accepts_per_round; ++i) {
    SocketAddress peer;
    ++stats.system_calls;
    const int descriptor = used >= options.sockets_max
                               ? (errno = EMFILE, -1)
                               : ::accept4(listener.descriptor, peer.get(), peer.size_pointer(),
                                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) {
      if (errno == EAGAIN) return;
      if (errno == EINTR || errno == ECONNABORTED) continue;
      // Out of descriptors or memory: the peer stays in the backlog until there is room again.
      ++stats.accepts_failed;
      engine->stop_accepting(listener);
      listener.deadline->start_in(accept_again_ns);
      return;
    }
    SocketState& socket = take();
    socket.begin(SocketState::Phase::connected);
    socket.descriptor = descriptor;
    socket.peer = peer.endpoint();
    listener.accept_handler->on_accepted(Socket(&socket));
    if (listener.phase != SocketState::Phase::listening) return;
  }
}

}  // namespace detail
}  // namespace perp::net
