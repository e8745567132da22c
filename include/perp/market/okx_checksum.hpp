#pragma once
// OKX's book checksum: the signed CRC32 of "bid1px:bid1sz:ask1px:ask1sz:bid2px:..." over the best
// 25 levels a side, sides alternating, a missing level skipped, texts exactly as received. OKX
// retired it on 2026-06-23 (the field is 0 since), so this serves recordings. The whole book is
// kept as text, because a deletion exposes the 26th level. Owned by one adapter's state (@thread
// owner). Allocates in the constructor only; an update costs a binary search and a short move when
// it is near the touch. Never throws.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace perp::market {

/// CRC-32 as in zlib, Ethernet and PNG (reflected 0xEDB88320). Chain parts by passing the last
/// result as `seed`.
std::uint32_t crc32(std::string_view bytes, std::uint32_t seed = 0) noexcept;

/// Orders two plain decimals (digits with at most one point, no sign) by value, any number of
/// digits.
/// @returns negative, 0 or positive.
int compare_decimal_text(std::string_view a, std::string_view b) noexcept;

class OkxChecksumBook {
 public:
  /// @param level_limit levels kept a side; OKX sends 400. Beyond it the worst level is dropped and
  /// counted.
  explicit OkxChecksumBook(std::size_t level_limit = 512);

  /// Before a snapshot's levels are set.
  void clear() noexcept;
  /// Sets a level to an absolute size; a size of value 0 deletes it, and deleting an unknown level
  /// is normal.
  /// @returns false (nothing changed) if a text is no plain decimal or longer than 24 characters.
  [[nodiscard]] bool set_bid(std::string_view price, std::string_view size) noexcept;
  [[nodiscard]] bool set_ask(std::string_view price, std::string_view size) noexcept;

  /// Of the best 25 levels a side. 0 for an empty book, as zlib's crc32 of nothing.
  std::int32_t checksum() const noexcept;

  std::size_t bid_count() const noexcept { return bids_.size(); }
  std::size_t ask_count() const noexcept { return asks_.size(); }
  std::uint64_t levels_dropped() const noexcept { return levels_dropped_; }

 private:
  static constexpr std::size_t text_limit = 24;
  struct Level {
    char price[text_limit];
    char size[text_limit];
    std::uint8_t price_length;
    std::uint8_t size_length;
    std::string_view price_text() const { return {price, price_length}; }
    std::string_view size_text() const { return {size, size_length}; }
  };
  /// Worst level first, so that the touch is at the back where changes are cheap. `direction` 1:
  /// ascending (bids).
  bool set(std::vector<Level>& side, int direction, std::string_view price,
           std::string_view size) noexcept;

  std::size_t level_limit_;
  std::uint64_t levels_dropped_ = 0;
  std::vector<Level> bids_;
  std::vector<Level> asks_;
};

}  // namespace perp::market
