#include "net/base64.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace perp::net {
namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string to_base64(std::span<const std::byte> bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < 3; ++i)
      word = word << 8 | (i < count ? std::to_integer<std::uint32_t>(bytes[at + i]) : 0);
    for (std::size_t i = 0; i < 4; ++i)
      text += i <= count ? alphabet[word >> (18 - 6 * i) & 63] : '=';
  }
  return text;
}

std::optional<std::size_t> base64_size(std::string_view text) noexcept {
  if (text.size() % 4 != 0) return std::nullopt;
  if (text.empty()) return 0;
  const std::size_t padding = text.ends_with("==") ? 2U : text.ends_with('=') ? 1U : 0U;
  const std::string_view digits = text.substr(0, text.size() - padding);
  if (digits.find_first_not_of(alphabet) != std::string_view::npos) return std::nullopt;
  // The last digit's bits beyond the bytes are zero, or two texts would say the same.
  const std::size_t last = alphabet.find(digits.back());
  if ((padding == 2 && last % 16 != 0) || (padding == 1 && last % 4 != 0)) return std::nullopt;
  return text.size() / 4 * 3 - padding;
}

}  // namespace perp::net
