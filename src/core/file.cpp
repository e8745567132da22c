#include <perp/core/error.hpp>
#include <perp/core/file.hpp>

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <utility>
#include <vector>

namespace perp::core {

File File::open(const std::string& path, int flags, unsigned mode) {
  int error = 0;
  File file = try_open(path, flags, mode, error);
  if (!file.is_open()) throw_system_error("cannot open", path, error);
  return file;
}

File File::try_open(const std::string& path, int flags, unsigned mode, int& error) {
  for (;;) {
    const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, static_cast<mode_t>(mode));
    if (descriptor >= 0) return {descriptor, path};
    if (errno == EINTR) continue;
    error = errno;
    return {};
  }
}

File::File(File&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    close();
    descriptor_ = std::exchange(other.descriptor_, -1);
    path_ = std::move(other.path_);
  }
  return *this;
}

void File::pwrite_all(std::span<const std::byte> bytes, std::uint64_t offset) const {
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      throw_system_error(fmt::format("cannot write {} bytes at {}", bytes.size(), offset), path_,
                         errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
}

std::size_t File::pread_all(std::span<std::byte> bytes, std::uint64_t offset) const {
  std::size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t read = ::pread(descriptor_, bytes.data() + got, bytes.size() - got,
                                 static_cast<off_t>(offset + got));
    if (read < 0) {
      if (errno == EINTR) continue;
      throw_system_error(fmt::format("cannot read at {}", offset + got), path_, errno);
    }
    if (read == 0) break;
    got += static_cast<std::size_t>(read);
  }
  return got;
}

void File::truncate(std::uint64_t bytes) const {
  while (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0)
    if (errno != EINTR)
      throw_system_error(fmt::format("cannot set the size to {}", bytes), path_, errno);
}

void File::datasync() const {
  if (::fdatasync(descriptor_) != 0) throw_system_error("fdatasync failed", path_, errno);
}

void File::sync() const {
  if (::fsync(descriptor_) != 0) throw_system_error("fsync failed", path_, errno);
}

int File::preallocate(std::uint64_t bytes) const {
  while (::fallocate(descriptor_, 0, 0, static_cast<off_t>(bytes)) != 0)
    if (errno != EINTR) return errno;
  return 0;
}

std::uint64_t File::find_data(std::uint64_t offset) const {
  const off_t found = ::lseek(descriptor_, static_cast<off_t>(offset), SEEK_DATA);
  if (found >= 0) return static_cast<std::uint64_t>(found);
  return errno == ENXIO ? none : offset;
}

bool File::try_lock() const {
  while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) throw_system_error("cannot lock", path_, errno);
  }
  return true;
}

void File::close() noexcept {
  // Nothing is learnt from close(2): what had to be durable was synced, and Linux frees the
  // descriptor anyway.
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

std::uint64_t File::size() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0)
    throw_system_error("cannot ask for the size", path_, errno);
  return static_cast<std::uint64_t>(status.st_size);
}

void sync_directory(const std::string& folder) {
  File::open(folder, O_RDONLY | O_DIRECTORY).sync();
}

void replace_file(const std::string& path, std::span<const std::byte> bytes) {
  const std::string temporary = fmt::format("{}.{}.new", path, ::getpid());
  {
    const File file = File::open(temporary, O_WRONLY | O_CREAT | O_TRUNC);
    try {
      file.pwrite_all(bytes, 0);
      file.sync();
    } catch (...) {
      ::unlink(temporary.c_str());  // best effort: the error that matters is on its way
      throw;
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());  // as above
    throw_system_error("cannot replace", path, error);
  }
  const std::string folder = std::filesystem::path(path).parent_path().string();
  sync_directory(folder.empty() ? "." : folder);
}

void create_folders(const std::string& folder) {
  std::vector<std::filesystem::path> missing;
  std::filesystem::path path = folder;
  if (!path.has_filename()) path = path.parent_path();  // "a/b/"
  for (; !path.empty() && !std::filesystem::exists(path); path = path.parent_path())
    missing.push_back(path);
  for (auto at = missing.rbegin(); at != missing.rend(); ++at) {
    if (::mkdir(at->c_str(), 0755) != 0 && errno != EEXIST)
      throw_system_error("cannot create the folder", at->string(), errno);
    const std::string parent = at->parent_path().string();
    sync_directory(parent.empty() ? "." : parent);
  }
}

}  // namespace perp::core
