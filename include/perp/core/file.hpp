#pragma once
// Files on the cold path: an owned descriptor, whole writes and reads, and the steps that make a
// change survive a power cut (fdatasync, directory fsync, atomic replace). Used by journal, engine
// and app; an object belongs to one thread at a time. Every failure is a core::Error with the path;
// nothing is retried silently except EINTR and short transfers.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace perp::core {

class File {
 public:
  File() = default;
  /// Takes a descriptor that is already open.
  File(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  /// open(2) with O_CLOEXEC. Throws if it fails.
  static File open(const std::string& path, int flags, unsigned mode = 0644);
  /// The same; `error` takes errno and the File is empty if it fails.
  static File try_open(const std::string& path, int flags, unsigned mode, int& error);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { close(); }

  /// Writes all of `bytes` at `offset`.
  void pwrite_all(std::span<const std::byte> bytes, std::uint64_t offset) const;
  /// Reads until `bytes` is full or the file ends. @returns how many bytes it got.
  std::size_t pread_all(std::span<std::byte> bytes, std::uint64_t offset) const;
  void truncate(std::uint64_t bytes) const;
  /// fdatasync. A failure must never be retried as success: the kernel has dropped the pages.
  void datasync() const;
  /// fsync, which a directory needs.
  void sync() const;
  /// Reserves blocks and extends the file. @returns 0, or errno where the space or the feature is
  /// not there.
  [[nodiscard]] int preallocate(std::uint64_t bytes) const;
  /// First offset at or behind `offset` that may hold data, `none` if only holes follow. Where the
  /// file system cannot tell, `offset` itself.
  [[nodiscard]] std::uint64_t find_data(std::uint64_t offset) const;
  /// flock: exclusive, not waiting. @returns false if somebody else holds it.
  [[nodiscard]] bool try_lock() const;
  void close() noexcept;
  /// Gives the descriptor away: closing it is the caller's from here on.
  [[nodiscard]] int release() noexcept { return std::exchange(descriptor_, -1); }

  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::uint64_t size() const;

  static constexpr std::uint64_t none = ~std::uint64_t{0};

 private:
  int descriptor_ = -1;
  std::string path_;
};

/// Makes created, renamed and removed names in `folder` durable.
void sync_directory(const std::string& folder);

/// Replaces `path` by `bytes` so that a power cut leaves either the old or the new content:
/// temporary file, fsync, rename, directory fsync.
void replace_file(const std::string& path, std::span<const std::byte> bytes);

/// Creates `folder` and its missing parents, durably.
void create_folders(const std::string& folder);

}  // namespace perp::core
