#include "net/loop_core.hpp"
#include "net/socket_address.hpp"

#include <perp/core/error.hpp>
#include <perp/core/platform.hpp>
#include <perp/net/socket.hpp>

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <system_error>

namespace perp::net {

using detail::LoopCore;
using detail::SocketAddress;
using detail::SocketState;
using Phase = SocketState::Phase;

namespace {

// Options that a kernel refuses are left at its default: the connection works without them.
void set(int descriptor, int level, int option, int value) noexcept {
  ::setsockopt(descriptor, level, option, &value, sizeof value);
}

void configure(int descriptor, const SocketOptions& options, unsigned busy_poll_us) noexcept {
  if (options.has_no_delay) set(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.keep_alive_idle_s > 0) {
    set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, options.keep_alive_idle_s);
    set(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, options.keep_alive_interval_s);
    set(descriptor, IPPROTO_TCP, TCP_KEEPCNT, options.keep_alive_count);
  }
  if (options.kernel_receive_bytes > 0)
    set(descriptor, SOL_SOCKET, SO_RCVBUF, options.kernel_receive_bytes);
  if (options.kernel_send_bytes > 0)
    set(descriptor, SOL_SOCKET, SO_SNDBUF, options.kernel_send_bytes);
  if (busy_poll_us > 0) set(descriptor, SOL_SOCKET, SO_BUSY_POLL, static_cast<int>(busy_poll_us));
}

}  // namespace

std::string_view name_of(CloseReason::Kind kind) noexcept {
  switch (kind) {
    case CloseReason::Kind::finished: return "finished";
    case CloseReason::Kind::refused: return "refused";
    case CloseReason::Kind::connect_timeout: return "connect_timeout";
    case CloseReason::Kind::reset: return "reset";
    case CloseReason::Kind::failed: return "failed";
  }
  return "unknown";
}

std::string CloseReason::text() const {
  return fmt::format("{} {}: {}", was_connected ? "connection with" : "connecting to", peer.text(),
                     error != 0                      ? std::generic_category().message(error)
                     : kind == Kind::connect_timeout ? "no answer in time"
                                                     : "finished by both sides");
}

Socket::Socket(SocketState* state) noexcept { attach(state); }

void Socket::attach(SocketState* state) noexcept {
  state_ = state;
  if (state_ != nullptr) state_->owner = this;
}

Socket::Socket(Socket&& other) noexcept { attach(std::exchange(other.state_, nullptr)); }

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this == &other) return *this;
  close();
  attach(std::exchange(other.state_, nullptr));
  return *this;
}

Socket Socket::dial(Loop& loop, const Endpoint& peer, SocketHandler& handler,
                    const SocketOptions& options) {
  LoopCore& core = *loop.core_;
  SocketState& state = core.take();
  state.begin(Phase::connecting);
  state.peer = peer;
  state.handler = &handler;
  state.send_limit_bytes = options.send_limit_bytes;
  Socket socket(&state);

  const SocketAddress address(peer);
  if (core.is_over_limit()) {
    state.error = EMFILE;
  } else {
    state.descriptor =
        ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (state.descriptor < 0) state.error = errno;
  }
  if (state.error == 0) {
    configure(state.descriptor, options, core.options.busy_poll_us);
    if (::connect(state.descriptor, address.get(), address.size()) != 0 && errno != EINPROGRESS)
      state.error = errno;
  }
  if (state.error != 0) {
    core.touch(state);
    return socket;
  }
  state.deadline->start_in(options.connect_timeout_ns);
  core.engine->watch_connect(state);
  return socket;
}

void Socket::start(SocketHandler& handler, const SocketOptions& options) {
  PERP_ASSERT(state_ != nullptr && state_->is_connected() && state_->handler == nullptr);
  state_->handler = &handler;
  state_->send_limit_bytes = options.send_limit_bytes;
  configure(state_->descriptor, options, state_->core->options.busy_poll_us);
  state_->is_receiving = true;
  state_->core->engine->update_receiving(*state_);
}

SocketState& Socket::await_start() noexcept {
  state_->handler = nullptr;
  return *state_;
}

void Socket::close_unless_started(SocketState& state) noexcept {
  // States are not used again within a round: it is the same connection or a closing one.
  if (state.is_connected() && state.handler == nullptr) state.core->let_go(state);
}

SendStatus Socket::send(std::span<const std::byte> bytes) noexcept {
  if (!is_connected() || state_->is_finish_wanted || state_->error != 0) return SendStatus::closed;
  if (bytes.size() > send_room_bytes()) {
    ++state_->core->stats.sends_refused;
    state_->is_drain_awaited = true;
    return SendStatus::full;
  }
  if (bytes.empty()) return SendStatus::queued;
  state_->queued.insert(state_->queued.end(), bytes.begin(), bytes.end());
  if (!state_->is_sending) state_->core->touch(*state_);
  return SendStatus::queued;
}

void Socket::finish() noexcept {
  if (!is_connected() || std::exchange(state_->is_finish_wanted, true)) return;
  if (!state_->is_sending) state_->core->touch(*state_);
}

void Socket::close() noexcept {
  if (state_ != nullptr) state_->core->let_go(*state_);
}

void Socket::break_off() noexcept {
  if (is_connected()) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(state_->descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  close();
}

void Socket::pause_receiving() noexcept {
  if (state_ == nullptr || std::exchange(state_->is_paused, true)) return;
  if (state_->is_connected()) state_->core->engine->update_receiving(*state_);
}

void Socket::resume_receiving() noexcept {
  if (state_ == nullptr || !std::exchange(state_->is_paused, false)) return;
  if (state_->is_connected()) state_->core->engine->update_receiving(*state_);
}

bool Socket::is_connected() const noexcept { return state_ != nullptr && state_->is_connected(); }
std::size_t Socket::send_queued_bytes() const noexcept {
  return state_ == nullptr ? 0 : state_->unsent_bytes();
}
std::size_t Socket::send_room_bytes() const noexcept {
  if (!is_connected()) return 0;
  return state_->send_limit_bytes - std::min(state_->send_limit_bytes, state_->unsent_bytes());
}
const Endpoint& Socket::peer() const noexcept {
  PERP_ASSERT(state_ != nullptr);
  return state_->peer;
}

}  // namespace perp::net
