#pragma once
// Is it UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF)? Whole texts and
// texts that come in pieces. ASCII runs at 64 bytes a step, the rest at a table look-up and a shift
// per byte, without branches. Never allocates.
#include <cstddef>
#include <cstdint>
#include <span>

namespace perp::net {

/// A text in pieces; a code point may lie across them. One owner.
class Utf8Validator {
 public:
  /// @return false from the first piece on that no continuation could make valid.
  [[nodiscard]] bool feed(std::span<const std::byte> piece) noexcept;
  /// The text may end here: no code point is open. False once feed() was false.
  bool is_complete() const noexcept { return state_ == 0; }
  void reset() noexcept { state_ = 0; }

 private:
  std::uint64_t state_ = 0;  // a shift into the table's words; see utf8.cpp
};

[[nodiscard]] bool is_utf8(std::span<const std::byte> text) noexcept;

}  // namespace perp::net
