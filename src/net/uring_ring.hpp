#pragma once
// An io_uring as the loop needs it: one issuer, task work deferred until the loop asks, and a ring
// of buffers from which the kernel takes one per receive. Used by one thread, which enable()s it
// first. liburing 2.3 (Debian 12) knows all that is needed of Linux 6.1; what is newer is asked for
// by number.
#include <perp/core/page_memory.hpp>

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#ifndef IORING_CQE_BUFFER_SHIFT
#define IORING_CQE_BUFFER_SHIFT 16
#endif

namespace perp::net::detail {

/// errno of the step that failed; 0: none.
struct RingFailure {
  int error = 0;
  const char* step = "";
};

class UringRing {
 public:
  struct Shape {
    unsigned entries = 0;      ///< operations prepared in one round
    unsigned completions = 0;  ///< at least; more are held back by the kernel and counted
    std::size_t buffer_bytes = 0;
    unsigned buffers = 0;  ///< a power of two
    bool uses_submission_thread = false;
    unsigned gather_us = 0;  ///< a wait may last so long for gather_events; 0: ends with the first
    unsigned gather_events = 1;
  };

  UringRing() = default;
  ~UringRing();
  UringRing(const UringRing&) = delete;
  UringRing& operator=(const UringRing&) = delete;

  /// Once. @throws core::Error when there is no memory
  [[nodiscard]] RingFailure open(const Shape& shape);
  /// Binds the ring to the calling thread. Before the first submit.
  [[nodiscard]] RingFailure enable() noexcept;
  bool is_enabled() const noexcept { return is_enabled_; }
  /// Lets the kernel poll the network card for so long before it sleeps (Linux 6.9).
  [[nodiscard]] int poll_card(unsigned duration_us) noexcept;

  /// nullptr while the queue is full: submit() makes room.
  io_uring_sqe* take_entry() noexcept { return io_uring_get_sqe(&ring_); }
  /// A receive that goes on until it says otherwise (no IORING_CQE_F_MORE).
  static void prepare_receive(io_uring_sqe& entry, int socket, std::uint64_t token) noexcept;

  bool has_prepared() const noexcept { return io_uring_sq_ready(&ring_) > 0; }
  /// The kernel has something that it hands out only when asked.
  bool has_hidden_work() const noexcept { return (kernel_flags() & hidden_work) != 0; }
  bool has_overflow() const noexcept { return (kernel_flags() & IORING_SQ_CQ_OVERFLOW) != 0; }
  /// Hands over what is prepared, collects what is hidden, does not wait. @returns 0 or errno
  [[nodiscard]] int submit() noexcept;
  /// The same, then waits for a completion. @param wait_ns negative: without end. @returns 0 (also
  /// when the time is up) or errno
  [[nodiscard]] int submit_and_wait(std::int64_t wait_ns) noexcept;
  /// System calls made.
  std::uint64_t call_count() const noexcept { return calls_; }

  unsigned ready_count() const noexcept { return io_uring_cq_ready(&ring_); }
  /// With ready_count() > 0.
  io_uring_cqe take_completion() noexcept {
    const unsigned head = *ring_.cq.khead;
    const io_uring_cqe completion = ring_.cq.cqes[head & ring_.cq.ring_mask];
    io_uring_cq_advance(&ring_, 1);
    return completion;
  }

  const std::byte* buffer(unsigned number) const noexcept {
    return buffers_->data() + number * shape_.buffer_bytes;
  }
  /// The kernel may fill it again.
  void give_back(unsigned number) noexcept;

 private:
  static constexpr unsigned hidden_work = IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN;
  static constexpr int buffer_group = 0;

  // Relaxed: a flag seen late is seen in the next round.
  unsigned kernel_flags() const noexcept {
    return __atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED);
  }
  void count_call(bool waits) noexcept;
  /// As submit_and_wait(), with nothing prepared.
  int gather(std::int64_t wait_ns) noexcept;

  io_uring ring_{};
  Shape shape_;
  io_uring_buf_ring* buffer_ring_ = nullptr;
  std::unique_ptr<core::PageMemory> buffer_ring_memory_;
  std::unique_ptr<core::PageMemory> buffers_;
  std::uint64_t calls_ = 0;
  bool is_open_ = false;
  bool is_enabled_ = false;
};

}  // namespace perp::net::detail
