#pragma once
// Base64 (RFC 4648 section 4), as handshake keys and Basic authentication use it.
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace perp::net {

std::string to_base64(std::span<const std::byte> bytes);
/// How many bytes a text encodes; nothing if it is not strict base64 with its padding.
std::optional<std::size_t> base64_size(std::string_view text) noexcept;

}  // namespace perp::net
