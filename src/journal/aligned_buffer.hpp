#pragma once
// Memory for blocks: starts on a 4096-byte border, so that records in it are aligned as on disk and
// io_uring can register it. Contents are not kept when it grows.
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

namespace perp::journal {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t bytes) { grow(bytes); }

  void grow(std::size_t bytes) {
    if (bytes <= size_) return;
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    auto* memory = static_cast<std::byte*>(std::aligned_alloc(alignment, rounded));
    if (memory == nullptr) throw std::bad_alloc();
    data_.reset(memory);
    size_ = rounded;
  }

  [[nodiscard]] std::byte* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t alignment = 4096;
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte[], Free> data_;
  std::size_t size_ = 0;
};

}  // namespace perp::journal
