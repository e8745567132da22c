#pragma once
// What one relayed connection may hold, and views of its bytes.
#include <perp/core/time.hpp>
#include <perp/net/transport.hpp>
#include <perp/net/websocket_parser.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace perp::sim {

/// Larger than a client's limit: a message that is too large for perp is perp's to refuse.
inline constexpr net::WebSocketLimits relayed_limits{.message_bytes = std::size_t{32} << 20};
inline constexpr net::TransportLimits relayed_transport_limits{
    .receive_bytes = net::WebSocketParser::buffer_limit(relayed_limits, std::size_t{64} * 1024),
    .send_bytes = std::size_t{128} << 20};
/// Waiting for one side; beyond it the other side is slowed down.
inline constexpr std::size_t high_water_bytes = std::size_t{8} << 20;
/// The same of what a stall holds.
inline constexpr std::size_t stalled_bytes_max = std::size_t{64} << 20;

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace perp::sim
