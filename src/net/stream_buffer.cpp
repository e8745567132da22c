#include <perp/core/platform.hpp>
#include <perp/net/stream_buffer.hpp>

#include <algorithm>
#include <cstring>

namespace perp::net {

StreamBuffer::StreamBuffer(std::size_t limit_bytes, std::size_t initial_bytes)
    : capacity_(std::min(limit_bytes, initial_bytes)), limit_(limit_bytes) {
  memory_ = std::make_unique<std::byte[]>(capacity_ + slack);
}

std::span<std::byte> StreamBuffer::writable(std::size_t size_bytes) {
  const std::size_t used = end_ - begin_;
  if (size_bytes > limit_ - used) return {};
  if (capacity_ - end_ < size_bytes) {
    if (used + size_bytes > capacity_) {
      // Doubled, so that a growing message is copied a logarithmic number of times.
      const std::size_t grown = std::min(limit_, std::max(used + size_bytes, 2 * capacity_));
      auto memory = std::make_unique<std::byte[]>(grown + slack);
      std::memcpy(memory.get(), memory_.get() + begin_, used);
      memory_ = std::move(memory);
      capacity_ = grown;
    } else {
      std::memmove(memory_.get(), memory_.get() + begin_, used);
    }
    begin_ = 0;
    end_ = used;
  }
  return {memory_.get() + end_, capacity_ - end_};
}

void StreamBuffer::commit(std::size_t size_bytes) noexcept {
  PERP_ASSERT(size_bytes <= capacity_ - end_);
  end_ += size_bytes;
}

void StreamBuffer::consume(std::size_t size_bytes) noexcept {
  PERP_ASSERT(size_bytes <= end_ - begin_);
  begin_ += size_bytes;
  if (begin_ == end_) begin_ = end_ = 0;  // an empty buffer has all its room
}

}  // namespace perp::net
