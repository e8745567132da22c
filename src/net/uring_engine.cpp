// The engine on io_uring: one multishot receive per connection, whose bytes the kernel puts into
// buffers of a shared ring; whatever a round sends, arms or cancels is handed over in the call that
// waits for the next events. A receive that ends for want of buffers is begun again when the round
// has given them back, those first that got none: else one hungry connection would take them all
// again and again.
//
// Where a loop only looks, again and again, and one connection alone wants data, plain calls that
// receive are quicker than completions: a round trip takes some 5 % more than with nothing but
// recv() and send(), instead of some 20 %. As soon as the loop sleeps or a second connection wants
// data, all is as it was.
#include "net/loop_core.hpp"
#include "net/uring_ring.hpp"

#include <perp/core/error.hpp>
#include <perp/core/platform.hpp>

#include <fmt/format.h>

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <sys/socket.h>
#include <system_error>
#include <utility>
#include <vector>

namespace perp::net::detail {
namespace {

using Phase = SocketState::Phase;

// Tokens: the state's address, whose low bits are free, and what was asked.
enum class Operation : std::uint64_t { none, receive, send, poll, wake };
/// Looks in a row before the only connection is received directly: a millisecond or so.
constexpr std::uint32_t looks_before_direct = 10'000;
constexpr std::uint64_t operation_mask = alignof(SocketState) - 1;

std::uint64_t token_of(SocketState& socket, Operation operation) noexcept {
  return reinterpret_cast<std::uintptr_t>(&socket) | static_cast<std::uint64_t>(operation);
}

class UringEngine final : public Engine {
 public:
  explicit UringEngine(LoopCore& core) : core_(core) {
    const LoopOptions& options = core.options;
    if (!std::has_single_bit(options.receive_buffers) || options.receive_buffers > 32768)
      throw core::Error("receive_buffers must be a power of two up to 32768", "loop",
                        fmt::format("is {}", options.receive_buffers));
    // A state has at most two operations and their cancelling between two submits.
    const auto sockets =
        static_cast<unsigned>(std::bit_ceil(std::min<std::size_t>(options.sockets_max, 8192)));
    const auto buffers = static_cast<unsigned>(options.receive_buffers);
    check(ring_.open({std::max(256U, 2 * sockets), std::max(4096U, 4 * sockets + 2 * buffers),
                      options.receive_buffer_bytes, buffers, options.uses_submission_thread,
                      options.gather_us,
                      std::clamp(options.gather_events, 1U, std::max(1U, buffers / 2))}));
    if (options.busy_poll_us > 0) {
      if (const int error = ring_.poll_card(options.busy_poll_us); error != 0)
        core.io.reason += fmt::format("; the ring cannot poll the network card: {}",
                                      std::generic_category().message(error));
    }
    ended_receives_.reserve(options.sockets_max);
    direct_buffer_.resize(options.receive_buffer_bytes);
    watch_wake_event();
  }

  void watch_connect(SocketState& socket) override { poll_for(socket, POLLOUT); }
  void watch_accept(SocketState& socket) override { poll_for(socket, POLLIN); }
  void stop_accepting(SocketState& socket) override {
    socket.is_paused = true;
    if (socket.has_poll) cancel(socket, Operation::poll);
  }

  void update_receiving(SocketState& socket) override {
    if (socket.wants_data() && !socket.has_receive) {
      if (direct_ == &socket) return;
      if (direct_ != nullptr) end_direct();
      UringRing::prepare_receive(take_entry(), socket.descriptor,
                                 token_of(socket, Operation::receive));
      socket.has_receive = true;
      ++receives_;
    } else if (socket.is_connected() && socket.is_paused && socket.has_receive) {
      cancel(socket, Operation::receive);
    }
  }

  void send(SocketState& socket, bool is_alone) override {
    const std::span rest = std::span(socket.sending).subspan(socket.sent_bytes);
    if (is_alone && !core_.options.uses_submission_thread) {
      // For one socket a plain call is cheaper than an operation and its completion.
      ++core_.stats.system_calls;
      const ssize_t result =
          ::send(socket.descriptor, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (result >= 0) {
        core_.sent(socket, static_cast<std::size_t>(result));
        return;
      }
      if (errno != EAGAIN && errno != EINTR) {
        core_.send_failed(socket, errno);
        return;
      }
    }
    io_uring_sqe& entry = take_entry();
    io_uring_prep_send(&entry, socket.descriptor, rest.data(),
                       std::min<std::size_t>(rest.size(), std::size_t{1} << 30),
                       MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data64(&entry, token_of(socket, Operation::send));
    socket.has_send = true;
  }

  void close(SocketState& socket) override {
    if (direct_ == &socket) direct_ = nullptr;
    if (newest_ == &socket) newest_ = nullptr;
    if (socket.has_receive) cancel(socket, Operation::receive);
    if (socket.has_send) cancel(socket, Operation::send);
    if (socket.has_poll) cancel(socket, Operation::poll);
    close_if_idle(socket);
  }

  int poll(std::int64_t wait_ns) override {
    if (!ring_.is_enabled()) check(ring_.enable());
    if (!ended_receives_.empty()) rearm_ended();
    note_look(wait_ns == 0);
    if (ring_.has_overflow()) ++core_.stats.completions_overflowed;
    const std::uint64_t calls = ring_.call_count();
    int error = 0;
    if (wait_ns != 0 && ring_.ready_count() == 0)
      error = ring_.submit_and_wait(wait_ns);
    else if (ring_.has_prepared() || ring_.has_hidden_work())
      error = ring_.submit();
    core_.stats.system_calls += ring_.call_count() - calls;
    if (error != 0) check({error, "io_uring_enter"});

    // Only those of now: what arrives meanwhile is the next round's.
    const unsigned count = ring_.ready_count();
    if (count == 0 && wait_ns == 0) return receive_directly();
    core_.stamp();
    int delivered = 0;
    ++batch_;
    for (unsigned i = 0; i < count; ++i) delivered += deliver(ring_.take_completion());
    return delivered + receive_directly();
  }

 private:
  static void check(const RingFailure& failure) {
    if (failure.error != 0)
      core::throw_system_error(fmt::format("{} failed", failure.step), "loop", failure.error);
  }

  io_uring_sqe& take_entry() {
    for (;;) {
      if (io_uring_sqe* const entry = ring_.take_entry(); entry != nullptr) return *entry;
      if (!ring_.is_enabled()) check(ring_.enable());
      const std::uint64_t calls = ring_.call_count();
      check({ring_.submit(), "io_uring_enter"});
      core_.stats.system_calls += ring_.call_count() - calls;
    }
  }

  void note_look(bool only_looks) {
    if (!only_looks) {
      looks_ = 0;
      if (direct_ != nullptr) end_direct();
      return;
    }
    if (direct_ != nullptr || ++looks_ < looks_before_direct) return;
    looks_ = 0;
    if (receives_ != 1 || newest_ == nullptr || !newest_->has_receive || !newest_->wants_data())
      return;
    direct_ = newest_;
    cancel(*direct_, Operation::receive);
  }

  void end_direct() {
    SocketState& socket = *std::exchange(direct_, nullptr);
    update_receiving(socket);
  }

  /// Not before the kernel's own receive has ended: what it brought comes first.
  int receive_directly() {
    if (direct_ == nullptr || direct_->has_receive || !direct_->wants_data()) return 0;
    SocketState& socket = *direct_;
    ++core_.stats.system_calls;
    const ssize_t size =
        ::recv(socket.descriptor, direct_buffer_.data(), direct_buffer_.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    const int error = size < 0 ? errno : 0;
    core_.stamp();
    if (size > 0)
      core_.received(socket, std::span(direct_buffer_).first(static_cast<std::size_t>(size)));
    else
      core_.receive_ended(socket, error);
    return 1;
  }

  void poll_for(SocketState& socket, unsigned events) {
    socket.is_paused = false;
    if (socket.has_poll) return;  // being cancelled: its completion asks again
    io_uring_sqe& entry = take_entry();
    io_uring_prep_poll_add(&entry, socket.descriptor, events);
    io_uring_sqe_set_data64(&entry, token_of(socket, Operation::poll));
    socket.has_poll = true;
  }

  void watch_wake_event() {
    io_uring_sqe& entry = take_entry();
    io_uring_prep_poll_add(&entry, core_.wake_event.descriptor(), POLLIN);
    io_uring_sqe_set_data64(&entry, static_cast<std::uint64_t>(Operation::wake));
  }

  void cancel(SocketState& socket, Operation operation) {
    io_uring_sqe& entry = take_entry();
    io_uring_prep_cancel64(&entry, token_of(socket, operation), 0);
    io_uring_sqe_set_data64(&entry, static_cast<std::uint64_t>(Operation::none));
  }

  /// Not before the kernel has let go of every operation: those that are prepared and not submitted
  /// name the descriptor by number, which must not be another connection's by then.
  void close_if_idle(SocketState& socket) {
    if (socket.has_receive || socket.has_send || socket.has_poll) return;
    if (socket.descriptor >= 0) {
      ++core_.stats.system_calls;
      ::close(socket.descriptor);
    }
    socket.descriptor = -1;
    core_.retire(socket);
  }

  int deliver(const io_uring_cqe& completion) {
    const auto operation = static_cast<Operation>(completion.user_data & operation_mask);
    // As it was given to the kernel, its low bits being the operation.
    // NOLINTNEXTLINE(performance-no-int-to-ptr)
    auto* const socket = reinterpret_cast<SocketState*>(completion.user_data & ~operation_mask);
    switch (operation) {
      case Operation::none: return 0;
      case Operation::receive: return deliver_receive(*socket, completion);
      case Operation::send: return deliver_send(*socket, completion.res);
      case Operation::poll: return deliver_poll(*socket);
      case Operation::wake:
        core_.drain_wake_event();
        watch_wake_event();
        return 0;
    }
    return 0;
  }

  int deliver_receive(SocketState& socket, const io_uring_cqe& completion) {
    // Gives the buffer back whatever the handler does.
    struct Buffer {
      UringRing& ring;
      unsigned number;
      bool is_given;
      ~Buffer() {
        if (is_given) ring.give_back(number);
      }
    } const buffer{ring_, completion.flags >> IORING_CQE_BUFFER_SHIFT,
                   (completion.flags & IORING_CQE_F_BUFFER) != 0};
    if ((completion.flags & IORING_CQE_F_MORE) == 0) {
      socket.has_receive = false;
      --receives_;
      if (socket.phase == Phase::closing) close_if_idle(socket);
    }
    if (!socket.is_connected()) return 0;
    if (completion.res > 0) {
      socket.batch_of_data = batch_;
      newest_ = &socket;
      rearm(socket);
      core_.received(socket,
                     {ring_.buffer(buffer.number), static_cast<std::size_t>(completion.res)});
      return 1;
    }
    switch (completion.res) {
      case 0: core_.receive_ended(socket, 0); return 1;
      case -ENOBUFS: ++core_.stats.buffers_exhausted; break;
      case -ECANCELED:
      case -EINTR:
      case -EAGAIN: break;
      default: core_.receive_ended(socket, -completion.res); return 1;
    }
    rearm(socket);
    return 0;
  }

  void rearm(SocketState& socket) {
    if (socket.has_receive || direct_ == &socket || std::exchange(socket.is_rearm_noted, true))
      return;
    ++core_.stats.receives_rearmed;
    ended_receives_.push_back(&socket);
  }

  /// In the next round, when the buffers of this one are back.
  void rearm_ended() {
    for (const bool got_data : {false, true}) {
      for (SocketState* const socket : ended_receives_) {
        if ((socket->batch_of_data == batch_) != got_data) continue;
        socket->is_rearm_noted = false;
        update_receiving(*socket);
      }
    }
    ended_receives_.clear();
  }

  int deliver_send(SocketState& socket, int result) {
    socket.has_send = false;
    if (socket.phase == Phase::closing) close_if_idle(socket);
    if (!socket.is_connected()) return 0;
    if (result >= 0)
      core_.sent(socket, static_cast<std::size_t>(result));
    else if (result == -EAGAIN || result == -EINTR)
      send(socket, false);
    else
      core_.send_failed(socket, -result);
    return 1;
  }

  int deliver_poll(SocketState& socket) {
    socket.has_poll = false;
    switch (socket.phase) {
      case Phase::connecting: core_.connect_ready(socket); return 1;
      case Phase::listening:
        if (socket.is_paused) return 0;
        poll_for(socket, POLLIN);  // looks again once this round's are accepted
        core_.accept_ready(socket);
        return 1;
      case Phase::closing: close_if_idle(socket); return 0;
      case Phase::connected:
      case Phase::unused: return 0;
    }
    return 0;
  }

  LoopCore& core_;
  UringRing ring_;
  std::vector<SocketState*> ended_receives_;
  std::uint64_t batch_ = 0;        ///< of completions
  std::size_t receives_ = 0;       ///< that the kernel has
  std::uint32_t looks_ = 0;        ///< in a row, without a sleep
  SocketState* newest_ = nullptr;  ///< that brought data last, as long as it is open
  SocketState* direct_ = nullptr;  ///< received by plain calls
  std::vector<std::byte> direct_buffer_;
};

}  // namespace

std::unique_ptr<Engine> make_uring_engine(LoopCore& core) {
  return std::make_unique<UringEngine>(core);
}

}  // namespace perp::net::detail
