#pragma once
// Which of the kernel's two ways a loop uses to wait for sockets. Containers often refuse io_uring,
// so the choice is made at start, on this machine, by a ring that really moves bytes.
#include <cstdint>
#include <string>
#include <string_view>

namespace perp::net {

enum class IoEngine : std::uint8_t { automatic, uring, epoll };
/// "auto", "uring", "epoll".
std::string_view name_of(IoEngine engine) noexcept;
/// The same names. @returns false for any other text.
[[nodiscard]] bool parse_io_engine(std::string_view text, IoEngine& engine) noexcept;

struct IoChoice {
  IoEngine engine = IoEngine::epoll;  ///< uring or epoll
  std::string reason;                 ///< for the log: why this one
};

/// Probes io_uring with what the loop needs of it (Linux 6.1: multishot receive into a ring of
/// provided buffers, deferred task work) on a socket pair. `automatic` takes epoll only where that
/// is refused (EPERM, ENOSYS, EINVAL). Some 100 us. @thread any
/// @throws core::Error where `uring` is wanted and refused, and where anything else is short
/// (memory, descriptors): a fault of the machine is no reason to change engines.
IoChoice choose_io_engine(IoEngine wanted);

}  // namespace perp::net
