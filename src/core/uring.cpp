#include <perp/core/error.hpp>
#include <perp/core/file.hpp>
#include <perp/core/time.hpp>
#include <perp/core/uring.hpp>

#include <fmt/format.h>

#include <liburing.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <system_error>
#include <vector>

namespace perp::core {

struct Uring::Impl {
  io_uring ring{};
  unsigned queued = 0;
  bool is_set_up = false;

  ~Impl() {
    if (is_set_up) io_uring_queue_exit(&ring);
  }

  io_uring_sqe* take() noexcept {
    io_uring_sqe* entry = io_uring_get_sqe(&ring);
    if (entry != nullptr) ++queued;
    return entry;
  }
};

namespace {

constexpr unsigned max_transfer = 1u << 30;  // a length field is 32 bits and results are signed

unsigned length_of(std::size_t bytes) noexcept {
  return bytes > max_transfer ? max_transfer : static_cast<unsigned>(bytes);
}

/// One operation from queueing to completion. @returns its result, or -errno of the ring itself.
int run_one(Uring& ring) {
  for (;;) {
    const int error = ring.submit_and_wait(ns_per_second);
    if (error != 0) return -error;
    Uring::Completion completion;
    if (ring.reap({&completion, 1}) == 1) return completion.result;
  }
}

Uring::Probe refused(int error, std::string_view step) {
  const bool is_policy = error == EPERM || error == ENOSYS;
  return {false, error,
          fmt::format(
              "{}: {}{}", step, std::generic_category().message(error),
              is_policy
                  ? " (see /proc/sys/kernel/io_uring_disabled and the container's seccomp profile)"
                  : "")};
}

}  // namespace

bool Uring::is_refusal(int error) noexcept {
  return error == EPERM || error == ENOSYS || error == EINVAL;
}

Uring::Probe Uring::probe() {
  io_uring raw{};
  if (const int result = io_uring_queue_init(4, &raw, 0); result != 0)
    return refused(-result, "io_uring_setup");
  io_uring_queue_exit(&raw);

  Uring ring(4);
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
    return refused(errno, "socketpair");
  const File left(sockets[0], "socket pair");
  const File right(sockets[1], "socket pair");
  const std::array<std::byte, 4> sent{std::byte{'p'}, std::byte{'e'}, std::byte{'r'},
                                      std::byte{'p'}};
  std::array<std::byte, 4> received{};
  if (!ring.send(left.descriptor(), sent, 1)) return refused(EAGAIN, "queueing a send");
  if (const int result = run_one(ring); result != 4)
    return refused(result < 0 ? -result : EIO, "send through io_uring");
  if (!ring.receive(right.descriptor(), received, 2)) return refused(EAGAIN, "queueing a receive");
  if (const int result = run_one(ring); result != 4 || received != sent)
    return refused(result < 0 ? -result : EIO, "receive through io_uring");

  const File memory(::memfd_create("perp-probe", MFD_CLOEXEC), "memfd");
  if (!memory.is_open()) return refused(errno, "memfd_create");
  if (!ring.write(memory.descriptor(), sent, 0, 3)) return refused(EAGAIN, "queueing a write");
  if (const int result = run_one(ring); result != 4)
    return refused(result < 0 ? -result : EIO, "write through io_uring");
  if (!ring.fsync(memory.descriptor(), true, 4)) return refused(EAGAIN, "queueing a sync");
  if (const int result = run_one(ring); result != 0)
    return refused(-result, "fdatasync through io_uring");
  return {true, 0, {}};
}

Uring::Uring(unsigned entries) : impl_(std::make_unique<Impl>()) {
  const int result = io_uring_queue_init(entries, &impl_->ring, 0);
  if (result != 0)
    throw_system_error(fmt::format("cannot set up a ring of {} entries", entries), "io_uring",
                       -result);
  impl_->is_set_up = true;
}

Uring::~Uring() = default;
Uring::Uring(Uring&&) noexcept = default;
Uring& Uring::operator=(Uring&&) noexcept = default;

bool Uring::register_buffers(std::span<const std::span<std::byte>> buffers) {
  std::vector<iovec> vectors;
  vectors.reserve(buffers.size());
  for (const auto& buffer : buffers) vectors.push_back({buffer.data(), buffer.size()});
  return io_uring_register_buffers(&impl_->ring, vectors.data(),
                                   static_cast<unsigned>(vectors.size())) == 0;
}

bool Uring::nop(std::uint64_t token) noexcept {
  io_uring_sqe* entry = impl_->take();
  if (entry == nullptr) return false;
  io_uring_prep_nop(entry);
  io_uring_sqe_set_data64(entry, token);
  return true;
}

bool Uring::read(int descriptor, std::span<std::byte> to, std::uint64_t offset,
                 std::uint64_t token) noexcept {
  io_uring_sqe* entry = impl_->take();
  if (entry == nullptr) return false;
  io_uring_prep_read(entry, descriptor, to.data(), length_of(to.size()), offset);
  io_uring_sqe_set_data64(entry, token);
  return true;
}

bool Uring::write(int descriptor, std::span<const std::byte> from, std::uint64_t offset,
                  std::uint64_t token) noexcept {
  io_uring_sqe* entry = impl_->take();
  if (entry == nullptr) return false;
  io_uring_prep_write(entry, descriptor, from.data(), length_of(from.size()), offset);
  io_uring_sqe_set_data64(entry, token);
  return true;
}

bool Uring::write_registered(int descriptor, std::span<const std::byte> from, std::uint64_t offset,
                             unsigned buffer, std::uint64_t token) noexcept {
  io_uring_sqe* entry = impl_->take();
  if (entry == nullptr) return false;
  io_uring_prep_write_fixed(entry, descriptor, from.data(), length_of(from.size()), offset,
                            static_cast<int>(buffer));
  io_uring_sqe_set_data64(entry, token);
  return true;
}

bool Uring::fsync(int descriptor, bool is_data_only, std::uint64_t token) noexcept {
  io_uring_sqe* entry = impl_->take();
  if (entry == nullptr) return false;
  io_uring_prep_fsync(entry, descriptor, is_data_only ? IORING_FSYNC_DATASYNC : 0);
  io_uring_sqe_set_data64(entry, token);
  return true;
}

bool Uring::receive(int socket, std::span<std::byte> to, std::uint64_t token) noexcept {
  io_uring_sqe* entry = impl_->take();
  if (entry == nullptr) return false;
  io_uring_prep_recv(entry, socket, to.data(), length_of(to.size()), 0);
  io_uring_sqe_set_data64(entry, token);
  return true;
}

bool Uring::send(int socket, std::span<const std::byte> from, std::uint64_t token) noexcept {
  io_uring_sqe* entry = impl_->take();
  if (entry == nullptr) return false;
  io_uring_prep_send(entry, socket, from.data(), length_of(from.size()), MSG_NOSIGNAL);
  io_uring_sqe_set_data64(entry, token);
  return true;
}

bool Uring::poll(int descriptor, unsigned events, std::uint64_t token) noexcept {
  io_uring_sqe* entry = impl_->take();
  if (entry == nullptr) return false;
  io_uring_prep_poll_add(entry, descriptor, events);
  io_uring_sqe_set_data64(entry, token);
  return true;
}

bool Uring::cancel(std::uint64_t target, std::uint64_t token) noexcept {
  io_uring_sqe* entry = impl_->take();
  if (entry == nullptr) return false;
  io_uring_prep_cancel64(entry, target, 0);
  io_uring_sqe_set_data64(entry, token);
  return true;
}

int Uring::submit() noexcept {
  while (impl_->queued > 0) {
    const int result = io_uring_submit(&impl_->ring);
    if (result < 0) {
      if (result == -EINTR) continue;
      return -result;
    }
    impl_->queued -= static_cast<unsigned>(result) < impl_->queued ? static_cast<unsigned>(result)
                                                                   : impl_->queued;
    if (result == 0) break;
  }
  return 0;
}

int Uring::submit_and_wait(std::int64_t timeout_ns) noexcept {
  if (const int error = submit(); error != 0) return error;
  for (;;) {
    io_uring_cqe* completion = nullptr;
    int result;
    if (timeout_ns < 0) {
      result = io_uring_wait_cqe(&impl_->ring, &completion);
    } else {
      __kernel_timespec timeout{timeout_ns / ns_per_second, timeout_ns % ns_per_second};
      result = io_uring_wait_cqe_timeout(&impl_->ring, &completion, &timeout);
    }
    if (result != -EINTR) return -result;
  }
}

std::size_t Uring::reap(std::span<Completion> completions) noexcept {
  std::array<io_uring_cqe*, 32> entries;
  std::size_t count = 0;
  while (count < completions.size()) {
    const std::size_t wanted = completions.size() - count;
    const unsigned got = io_uring_peek_batch_cqe(
        &impl_->ring, entries.data(),
        static_cast<unsigned>(wanted < entries.size() ? wanted : entries.size()));
    if (got == 0) break;
    for (unsigned i = 0; i < got; ++i)
      completions[count++] = {entries[i]->user_data, entries[i]->res, entries[i]->flags};
    io_uring_cq_advance(&impl_->ring, got);
  }
  return count;
}

}  // namespace perp::core
