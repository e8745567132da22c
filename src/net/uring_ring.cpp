#include "net/uring_ring.hpp"

#include <perp/core/time.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sys/syscall.h>

namespace perp::net::detail {
namespace {

// Linux 6.9, liburing 2.6.
constexpr unsigned register_napi = 27;
struct Napi {
  std::uint32_t busy_poll_us;
  std::uint8_t prefers_busy_poll;
  std::uint8_t padding[3];
  std::uint64_t reserved;
};
static_assert(sizeof(Napi) == 16);

/// Waits may have a least duration behind which one completion is enough (Linux 6.12).
constexpr unsigned feature_min_timeout = 1U << 15;
/// io_uring_getevents_arg as it has been since.
struct WaitArgument {
  std::uint64_t signals;
  std::uint32_t signals_size;
  std::uint32_t min_wait_us;
  std::uint64_t timeout;
};
static_assert(sizeof(WaitArgument) == sizeof(io_uring_getevents_arg));

/// What is no failure of the ring: interrupted, the time is up, or the kernel short of memory for
/// requests (what was not taken stays prepared).
bool is_harmless(int error) {
  return error == ETIME || error == EINTR || error == EAGAIN || error == EBUSY;
}

}  // namespace

UringRing::~UringRing() {
  if (is_open_) io_uring_queue_exit(&ring_);
}

RingFailure UringRing::open(const Shape& shape) {
  shape_ = shape;
  io_uring_params parameters{};
  // Disabled until its thread enables it: the kernel takes that one for the only issuer.
  parameters.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_CQSIZE |
                     IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL;
  if (shape.uses_submission_thread) {
    parameters.flags |= IORING_SETUP_SQPOLL;
    parameters.sq_thread_idle = 1000;
  } else {
    // Arrivals interrupt nobody and cause no system call: they raise a flag that has_hidden_work()
    // reads, and are worked off when the loop enters the kernel.
    parameters.flags |= IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
  }
  parameters.cq_entries = shape.completions;
  if (const int result = io_uring_queue_init_params(shape.entries, &ring_, &parameters);
      result != 0)
    return {-result, "io_uring_setup"};
  is_open_ = true;

  buffer_ring_memory_ =
      std::make_unique<core::PageMemory>(shape.buffers * sizeof(io_uring_buf), "receive ring");
  buffers_ =
      std::make_unique<core::PageMemory>(shape.buffers * shape.buffer_bytes, "receive buffers");
  buffer_ring_ = reinterpret_cast<io_uring_buf_ring*>(buffer_ring_memory_->data());
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(buffer_ring_);
  registration.ring_entries = shape.buffers;
  registration.bgid = buffer_group;
  if (const int result = io_uring_register_buf_ring(&ring_, &registration, 0); result != 0)
    return {-result, "registering a ring of receive buffers"};
  for (unsigned i = 0; i < shape.buffers; ++i) give_back(i);
  return {};
}

RingFailure UringRing::enable() noexcept {
  // Debian's liburing.so declares io_uring_enable_rings() and does not export it.
  if (::syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) <
      0)
    return {errno, "enabling the ring"};
  is_enabled_ = true;
  // Saves the look-up of the ring's descriptor in each call. What refuses it costs only that.
  static_cast<void>(io_uring_register_ring_fd(&ring_));
  return {};
}

int UringRing::poll_card(unsigned duration_us) noexcept {
  Napi napi{duration_us, 1, {}, 0};
  return ::syscall(__NR_io_uring_register, ring_.ring_fd, register_napi, &napi, 1) < 0 ? errno : 0;
}

void UringRing::prepare_receive(io_uring_sqe& entry, int socket, std::uint64_t token) noexcept {
  io_uring_prep_recv_multishot(&entry, socket, nullptr, 0, 0);
  entry.flags |= IOSQE_BUFFER_SELECT;
  entry.buf_group = buffer_group;
  io_uring_sqe_set_data64(&entry, token);
}

void UringRing::give_back(unsigned number) noexcept {
  io_uring_buf_ring_add(buffer_ring_, buffers_->data() + number * shape_.buffer_bytes,
                        static_cast<unsigned>(shape_.buffer_bytes),
                        static_cast<unsigned short>(number), static_cast<int>(shape_.buffers - 1),
                        0);
  io_uring_buf_ring_advance(buffer_ring_, 1);
}

void UringRing::count_call(bool waits) noexcept {
  if (!shape_.uses_submission_thread || waits || (kernel_flags() & IORING_SQ_NEED_WAKEUP) != 0)
    ++calls_;
}

int UringRing::submit() noexcept {
  count_call(has_hidden_work());
  const int result = io_uring_submit_and_get_events(&ring_);
  return result >= 0 || is_harmless(-result) ? 0 : -result;
}

int UringRing::gather(std::int64_t wait_ns) noexcept {
  count_call(true);
  const __kernel_timespec timeout{wait_ns / core::ns_per_second, wait_ns % core::ns_per_second};
  // The least wait comes before the other one, which is not to be exceeded.
  const std::int64_t least_us =
      wait_ns < 0 ? shape_.gather_us
                  : std::min<std::int64_t>(shape_.gather_us, wait_ns / core::ns_per_us);
  const WaitArgument argument{0, 0, static_cast<std::uint32_t>(least_us),
                              wait_ns < 0 ? 0 : reinterpret_cast<std::uintptr_t>(&timeout)};
  const long result =
      ::syscall(__NR_io_uring_enter, ring_.ring_fd, 0, shape_.gather_events,
                IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
  return result >= 0 || is_harmless(errno) ? 0 : errno;
}

int UringRing::submit_and_wait(std::int64_t wait_ns) noexcept {
  if (shape_.gather_us > 0 && (ring_.features & feature_min_timeout) != 0) {
    if (has_prepared())
      if (const int error = submit(); error != 0 || ready_count() > 0) return error;
    return gather(wait_ns);
  }
  count_call(true);
  io_uring_cqe* completion = nullptr;
  __kernel_timespec timeout{wait_ns / core::ns_per_second, wait_ns % core::ns_per_second};
  const int result = io_uring_submit_and_wait_timeout(&ring_, &completion, 1,
                                                      wait_ns < 0 ? nullptr : &timeout, nullptr);
  return result >= 0 || is_harmless(-result) ? 0 : -result;
}

}  // namespace perp::net::detail
