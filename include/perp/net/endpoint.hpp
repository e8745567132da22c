#pragma once
// A numeric address and a port, IPv4 or IPv6: what a socket is dialled to or listens on. Names are
// a Resolver's business. A small value; text conversions are for the cold path.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace perp::net {

struct Endpoint {
  enum class Family : std::uint8_t { ipv4, ipv6 };

  Family family = Family::ipv4;
  std::uint16_t port = 0;                  ///< host order
  std::uint32_t scope = 0;                 ///< interface of a link-local IPv6 address, else 0
  std::array<std::uint8_t, 16> address{};  ///< network order; IPv4 uses the first four

  /// "127.0.0.1", "::1", "fe80::1%eth0", the IPv6 forms also in brackets. No names, no port.
  /// @returns false for any other text.
  [[nodiscard]] static bool parse(std::string_view address, std::uint16_t port, Endpoint& endpoint);
  static Endpoint loopback(Family family, std::uint16_t port) noexcept;

  /// "127.0.0.1:443", "[::1]:443".
  std::string text() const;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

}  // namespace perp::net
