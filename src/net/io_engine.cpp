#include "net/uring_ring.hpp"

#include <perp/core/error.hpp>
#include <perp/core/file.hpp>
#include <perp/core/time.hpp>
#include <perp/core/uring.hpp>
#include <perp/net/io_engine.hpp>

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <sys/socket.h>
#include <system_error>

namespace perp::net {
namespace {

using detail::RingFailure;
using detail::UringRing;

/// One multishot receive is to deliver two messages, each in a buffer of the kernel's choice.
RingFailure try_uring() {
  UringRing ring;
  if (const RingFailure failure = ring.open({8, 8, 64, 2, false}); failure.error != 0)
    return failure;
  if (const RingFailure failure = ring.enable(); failure.error != 0) return failure;
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
    return {errno, "socketpair"};
  const core::File left(sockets[0], "socket pair");
  const core::File right(sockets[1], "socket pair");

  io_uring_sqe* const entry = ring.take_entry();
  if (entry == nullptr) return {EAGAIN, "queueing a receive"};
  ring.prepare_receive(*entry, right.descriptor(), 7);
  for (const std::string_view message : {"perp", "check"}) {
    if (::send(left.descriptor(), message.data(), message.size(), MSG_NOSIGNAL) < 0)
      return {errno, "send"};
    if (const int error = ring.submit_and_wait(core::ns_per_second); error != 0)
      return {error, "io_uring_enter"};
    if (ring.ready_count() == 0) return {EIO, "waiting for a receive through io_uring"};
    const io_uring_cqe completion = ring.take_completion();
    if (completion.res < 0) return {-completion.res, "multishot receive through io_uring"};
    const auto size = static_cast<std::size_t>(completion.res);
    if (completion.user_data != 7 || size != message.size() ||
        (completion.flags & IORING_CQE_F_BUFFER) == 0 ||
        (completion.flags & IORING_CQE_F_MORE) == 0)
      return {EINVAL, "multishot receive through io_uring"};
    const unsigned buffer = completion.flags >> IORING_CQE_BUFFER_SHIFT;
    if (std::memcmp(ring.buffer(buffer), message.data(), size) != 0)
      return {EIO, "bytes received through io_uring"};
    ring.give_back(buffer);
  }
  return {};
}

std::string sentence(const RingFailure& failure) {
  std::string text =
      fmt::format("{}: {}", failure.step, std::generic_category().message(failure.error));
  if (failure.error == EPERM || failure.error == ENOSYS)
    text += " (see /proc/sys/kernel/io_uring_disabled and the container's seccomp profile)";
  if (failure.error == EINVAL) text += " (Linux 6.1 or later is needed)";
  return text;
}

}  // namespace

std::string_view name_of(IoEngine engine) noexcept {
  switch (engine) {
    case IoEngine::automatic: return "auto";
    case IoEngine::uring: return "uring";
    case IoEngine::epoll: return "epoll";
  }
  return "unknown";
}

bool parse_io_engine(std::string_view text, IoEngine& engine) noexcept {
  for (const IoEngine candidate : {IoEngine::automatic, IoEngine::uring, IoEngine::epoll}) {
    if (text != name_of(candidate)) continue;
    engine = candidate;
    return true;
  }
  return false;
}

IoChoice choose_io_engine(IoEngine wanted) {
  if (wanted == IoEngine::epoll) return {IoEngine::epoll, "asked for"};
  const RingFailure failure = try_uring();
  if (failure.error == 0) {
    return {IoEngine::uring,
            wanted == IoEngine::uring ? "asked for" : "io_uring has moved bytes on this machine"};
  }
  if (wanted == IoEngine::uring || !core::Uring::is_refusal(failure.error))
    throw core::Error("io_uring cannot be used", "loop", sentence(failure));
  return {IoEngine::epoll, "io_uring is refused: " + sentence(failure)};
}

}  // namespace perp::net
