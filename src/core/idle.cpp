#include <perp/core/idle.hpp>

#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>
#include <linux/futex.h>
#include <sys/syscall.h>

namespace perp::core {
namespace {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t) &&
                  std::atomic<std::uint32_t>::is_always_lock_free,
              "the kernel reads the counter in place");

// std::atomic::wait has no time-out, hence the system call itself. Its relative time-out runs on
// CLOCK_MONOTONIC.
long futex(const std::atomic<std::uint32_t>& word, int operation, std::uint32_t value,
           const timespec* timeout) noexcept {
  return syscall(SYS_futex, &word, operation, value, timeout, nullptr, 0);
}

}  // namespace

namespace detail {

// EAGAIN (it rang), EINTR and ETIMEDOUT all end in the caller's next look.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::int64_t timeout_ns) noexcept {
  const timespec timeout{timeout_ns / ns_per_second, timeout_ns % ns_per_second};
  futex(word, FUTEX_WAIT_PRIVATE, expected, &timeout);
}

void futex_wake(std::atomic<std::uint32_t>& word) noexcept {
  futex(word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr);
}

}  // namespace detail

std::string_view name_of(IdleKind kind) noexcept {
  switch (kind) {
    case IdleKind::spin: return "spin";
    case IdleKind::park: return "park";
    case IdleKind::block: return "block";
  }
  return "unknown";
}

bool parse_idle_kind(std::string_view text, IdleKind& kind) noexcept {
  for (const IdleKind candidate : {IdleKind::spin, IdleKind::park, IdleKind::block}) {
    if (text != name_of(candidate)) continue;
    kind = candidate;
    return true;
  }
  return false;
}

}  // namespace perp::core
