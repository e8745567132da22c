#include "journal/storage.hpp"

#include <perp/core/error.hpp>
#include <perp/core/uring.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>
#include <vector>

namespace perp::journal {
namespace {

// All in order, all in submit(): the engine thread pays for the disk. For machines without
// io_uring.
class PwriteStorage final : public Storage {
 public:
  void adopt(std::span<const std::span<std::byte>> buffers) override {
    requests_.reserve(4 * buffers.size() + 16);
  }

  void write(const core::File& file, std::span<const std::byte> bytes, std::uint64_t offset,
             unsigned, std::uint64_t token) override {
    requests_.push_back({file.descriptor(), bytes, offset, Kind::write, token});
  }

  void sync(const core::File& file, bool is_data_only, std::uint64_t token) override {
    requests_.push_back(
        {file.descriptor(), {}, 0, is_data_only ? Kind::datasync : Kind::sync, token});
  }

  void submit() override {
    for (const Request& request : requests_) completed_.push_back({request.token, run(request)});
    requests_.clear();
  }

  bool reap(Completion& completion) override {
    if (next_ == completed_.size()) return false;
    completion = completed_[next_++];
    if (next_ == completed_.size()) {
      completed_.clear();
      next_ = 0;
    }
    return true;
  }

  void wait() override { submit(); }

  [[nodiscard]] IoEngine engine() const override { return IoEngine::pwrite; }

 private:
  enum class Kind { write, datasync, sync };
  struct Request {
    int descriptor;
    std::span<const std::byte> bytes;
    std::uint64_t offset;
    Kind kind;
    std::uint64_t token;
  };

  static std::int32_t run(const Request& request) {
    ssize_t result = 0;
    if (request.kind == Kind::write)
      result = ::pwrite(request.descriptor, request.bytes.data(), request.bytes.size(),
                        static_cast<off_t>(request.offset));
    else
      result = request.kind == Kind::datasync ? ::fdatasync(request.descriptor)
                                              : ::fsync(request.descriptor);
    return result < 0 ? -errno : static_cast<std::int32_t>(result);
  }

  std::vector<Request> requests_;
  std::vector<Completion> completed_;
  std::size_t next_ = 0;
};

class UringStorage final : public Storage {
 public:
  void adopt(std::span<const std::span<std::byte>> buffers) override {
    is_registered_ = ring_.register_buffers(buffers);
  }

  void write(const core::File& file, std::span<const std::byte> bytes, std::uint64_t offset,
             unsigned buffer, std::uint64_t token) override {
    const auto queue = [&] {
      return is_registered_
                 ? ring_.write_registered(file.descriptor(), bytes, offset, buffer, token)
                 : ring_.write(file.descriptor(), bytes, offset, token);
    };
    if (!queue()) make_room(queue);
  }

  void sync(const core::File& file, bool is_data_only, std::uint64_t token) override {
    const auto queue = [&] { return ring_.fsync(file.descriptor(), is_data_only, token); };
    if (!queue()) make_room(queue);
  }

  void submit() override {
    // A busy kernel (EAGAIN, EBUSY) keeps what is queued; the next submit hands it over.
    if (const int error = ring_.submit(); error != 0 && error != EAGAIN && error != EBUSY)
      core::throw_system_error("cannot submit", "io_uring", error);
  }

  bool reap(Completion& completion) override {
    if (next_ == count_) {
      next_ = 0;
      count_ = ring_.reap(completed_);
      if (count_ == 0) return false;
    }
    completion = {completed_[next_].token, completed_[next_].result};
    ++next_;
    return true;
  }

  void wait() override {
    if (next_ != count_) return;
    if (const int error = ring_.submit_and_wait(); error != 0 && error != EAGAIN && error != EBUSY)
      core::throw_system_error("cannot wait", "io_uring", error);
  }

  [[nodiscard]] IoEngine engine() const override { return IoEngine::uring; }

 private:
  template <class Queue>
  void make_room(const Queue& queue) {
    submit();
    if (!queue()) throw core::Error("cannot queue", "io_uring", "the submission queue stays full");
  }

  core::Uring ring_{64};
  bool is_registered_ = false;
  std::array<core::Uring::Completion, 32> completed_;
  std::size_t next_ = 0;
  std::size_t count_ = 0;
};

}  // namespace

core::File Storage::create(const std::string& path, std::span<const std::byte> header,
                           std::uint64_t reserve_bytes) {
  core::File file = core::File::open(path, O_RDWR | O_CREAT | O_EXCL);
  try {
    // Where space cannot be reserved (no such feature, too little left, a size limit) the file
    // grows as it is written, and a full disk shows at the block that does not fit.
    static_cast<void>(file.preallocate(reserve_bytes));
    file.pwrite_all(header, 0);
  } catch (...) {
    ::unlink(path.c_str());  // best effort: an empty segment is recovered as a torn one
    throw;
  }
  return file;
}

std::unique_ptr<Storage> make_storage(IoEngine engine) {
  if (engine == IoEngine::pwrite) return std::make_unique<PwriteStorage>();
  const core::Uring::Probe probe = core::Uring::probe();
  if (probe.is_available) return std::make_unique<UringStorage>();
  if (engine == IoEngine::uring || !core::Uring::is_refusal(probe.error))
    throw core::Error("io_uring cannot be used", "journal", probe.reason);
  return std::make_unique<PwriteStorage>();
}

}  // namespace perp::journal
