#pragma once
// A thin io_uring over liburing: queue operations, hand them over in one system call, reap
// completions without one. Shared by the journal (files) and the network loop (sockets). One thread
// owns a ring. It never allocates after construction, never throws on a queue operation, and keeps
// no buffer: the caller's memory must live until the completion has been reaped. Containers often
// refuse io_uring, so probe() first and have another engine ready.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace perp::core {

class Uring {
 public:
  struct Completion {
    std::uint64_t token = 0;  ///< as given when queued
    std::int32_t result = 0;  ///< as the system call's, -errno on failure
    std::uint32_t flags = 0;  ///< IORING_CQE_F_*
  };

  /// What a machine says to io_uring, found by really moving bytes through a ring.
  struct Probe {
    bool is_available = false;
    int error = 0;       ///< errno of the refusal
    std::string reason;  ///< for people: which step, and what to change
  };
  /// Sets up a ring, receives on a socket pair and writes and syncs through it. Costs some 100 us.
  /// @thread any
  static Probe probe();
  /// Whether `error` (errno) means "not to be had here", so that another engine is right. Anything
  /// else (no memory, no descriptors) is a fault to be told, not a reason to change engines.
  static bool is_refusal(int error) noexcept;

  /// @param entries operations that can be queued before a submit; a power of two.
  /// Throws core::Error when the kernel refuses; probe() tells whether another engine is right.
  explicit Uring(unsigned entries);
  ~Uring();
  Uring(Uring&&) noexcept;
  Uring& operator=(Uring&&) noexcept;

  /// Registers buffers for write(.., buffer): saves the page look-ups of each call. @returns false
  /// if the kernel will not pin them (RLIMIT_MEMLOCK); then go on without.
  [[nodiscard]] bool register_buffers(std::span<const std::span<std::byte>> buffers);

  // Each queues one operation. @returns false when the submission queue is full: submit() and try
  // again.
  [[nodiscard]] bool nop(std::uint64_t token) noexcept;
  [[nodiscard]] bool read(int descriptor, std::span<std::byte> to, std::uint64_t offset,
                          std::uint64_t token) noexcept;
  [[nodiscard]] bool write(int descriptor, std::span<const std::byte> from, std::uint64_t offset,
                           std::uint64_t token) noexcept;
  /// The same from inside registered buffer `buffer`.
  [[nodiscard]] bool write_registered(int descriptor, std::span<const std::byte> from,
                                      std::uint64_t offset, unsigned buffer,
                                      std::uint64_t token) noexcept;
  [[nodiscard]] bool fsync(int descriptor, bool is_data_only, std::uint64_t token) noexcept;
  [[nodiscard]] bool receive(int socket, std::span<std::byte> to, std::uint64_t token) noexcept;
  [[nodiscard]] bool send(int socket, std::span<const std::byte> from,
                          std::uint64_t token) noexcept;
  [[nodiscard]] bool poll(int descriptor, unsigned events, std::uint64_t token) noexcept;
  /// Asks for the operation queued with `target` to be given up. Both complete.
  [[nodiscard]] bool cancel(std::uint64_t target, std::uint64_t token) noexcept;

  /// Hands queued operations to the kernel. No system call if there are none. @returns 0 or errno.
  [[nodiscard]] int submit() noexcept;
  /// The same, then waits for a completion. @param timeout_ns negative: for ever. @returns 0, ETIME
  /// or errno.
  [[nodiscard]] int submit_and_wait(std::int64_t timeout_ns = -1) noexcept;
  /// Takes what is completed, without a system call. @returns how many.
  std::size_t reap(std::span<Completion> completions) noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace perp::core
