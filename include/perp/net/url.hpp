#pragma once
// Where a venue is: "wss://fstream.binance.com/public/ws", "https://127.0.0.1:8443". Strict: what
// a person may have mistyped is refused with the place. Cold path.
#include <cstdint>
#include <string>
#include <string_view>

namespace perp::net {

struct Url {
  enum class Scheme : std::uint8_t { http, https, ws, wss };

  Scheme scheme = Scheme::https;
  std::string host{};  ///< a name in lower case or an address, IPv6 without its brackets
  std::uint16_t port = 443;
  std::string target = "/";  ///< path and query as written; never empty

  /// http, https, ws or wss. A user, a fragment, spaces and other schemes are refused.
  /// @throws core::Error that shows the text and says what is wrong with it.
  static Url parse(std::string_view text);

  /// TLS is spoken.
  bool is_secure() const noexcept { return scheme == Scheme::https || scheme == Scheme::wss; }
  bool is_websocket() const noexcept { return scheme == Scheme::ws || scheme == Scheme::wss; }
  /// What a Host field says: the port only where it is not the scheme's.
  std::string authority() const;
  std::string text() const;

  friend bool operator==(const Url&, const Url&) = default;
};

std::string_view name_of(Url::Scheme scheme) noexcept;

}  // namespace perp::net
