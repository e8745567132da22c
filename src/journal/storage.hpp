#pragma once
// What the writer does to files, behind one seam: real disks through io_uring or pwrite, a
// simulated disk in the crash tests. Writes and syncs are queued, handed over by submit() and
// completed by reap(); creating and cutting files is synchronous. A synced file or folder is
// durable when its completion says 0.
#include <perp/core/file.hpp>
#include <perp/journal/writer.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace perp::journal {

class Storage {
 public:
  struct Completion {
    std::uint64_t token = 0;
    std::int32_t result = 0;  ///< bytes or 0, -errno on failure
  };

  virtual ~Storage() = default;
  /// Told once, before the first write: the buffers that writes come from, by number.
  virtual void adopt(std::span<const std::span<std::byte>> buffers) = 0;
  virtual void write(const core::File& file, std::span<const std::byte> bytes, std::uint64_t offset,
                     unsigned buffer, std::uint64_t token) = 0;
  virtual void sync(const core::File& file, bool is_data_only, std::uint64_t token) = 0;
  virtual void submit() = 0;
  /// No system call. @returns false if nothing has completed.
  virtual bool reap(Completion& completion) = 0;
  /// Until reap() has something. At least one operation must be under way.
  virtual void wait() = 0;
  /// Creates a segment with its header, reserving space where the file system can.
  virtual core::File create(const std::string& path, std::span<const std::byte> header,
                            std::uint64_t reserve_bytes);
  virtual void truncate(const core::File& file, std::uint64_t bytes) { file.truncate(bytes); }
  [[nodiscard]] virtual IoEngine engine() const = 0;
};

/// Throws core::Error if io_uring is demanded and refused, or fails for a reason that is not a
/// refusal.
std::unique_ptr<Storage> make_storage(IoEngine engine);

}  // namespace perp::journal
