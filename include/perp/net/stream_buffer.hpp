#pragma once
// One contiguous run of received bytes that are not taken yet: TLS writes plain text behind it, a
// protocol reads and takes from its front, in place. At least `slack` readable bytes lie behind the
// data, so that parsers may load wide. Owned by one connection, used by its loop's thread. Bounded:
// it grows up to a limit and then says so. Once grown to what the connection needs it allocates no
// more; taking moves nothing, and what is left is moved to the front only when room runs out.
#include <cstddef>
#include <memory>
#include <span>

namespace perp::net {

class StreamBuffer {
 public:
  static constexpr std::size_t slack = 64;

  /// @param limit_bytes the most data that it will hold. Starts with `initial_bytes`.
  explicit StreamBuffer(std::size_t limit_bytes,
                        std::size_t initial_bytes = std::size_t{16} * 1024);
  StreamBuffer(StreamBuffer&&) noexcept = default;
  StreamBuffer& operator=(StreamBuffer&&) noexcept = default;

  /// Room behind the data, at least `size_bytes` of it, for commit(); empty if the data would
  /// exceed the limit. Moves the data (spans of it are void).
  [[nodiscard]] std::span<std::byte> writable(std::size_t size_bytes);
  /// The first `size_bytes` of the room now belong to the data.
  void commit(std::size_t size_bytes) noexcept;

  /// What is there, with `slack` readable bytes behind it. Valid until writable().
  std::span<std::byte> data() noexcept { return {memory_.get() + begin_, end_ - begin_}; }
  std::span<const std::byte> data() const noexcept {
    return {memory_.get() + begin_, end_ - begin_};
  }
  /// Takes from the front.
  void consume(std::size_t size_bytes) noexcept;
  void clear() noexcept { begin_ = end_ = 0; }

  std::size_t limit() const noexcept { return limit_; }
  /// Bytes allocated now.
  std::size_t capacity() const noexcept { return capacity_; }

 private:
  std::unique_ptr<std::byte[]> memory_;  // capacity_ + slack bytes
  std::size_t capacity_ = 0;
  std::size_t limit_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace perp::net
