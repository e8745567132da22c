#pragma once
// An HTTP proxy that tunnels connections (CONNECT), as companies have them. Taken from the
// environment as other programs do: HTTPS_PROXY (or https_proxy) and NO_PROXY. Cold path.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace perp::net {

struct Proxy {
  std::string host{};
  std::uint16_t port = 0;
  std::string credentials{};  ///< "user:password", or empty

  /// "http://[user:password@]host:port" or "host:port". The user's and the password's
  /// percent-escapes are resolved. @throws core::Error that says what is wrong without showing a
  /// password.
  static Proxy parse(std::string_view text);
};

/// Is `host` in the comma-separated list of names, each with the names below it ("example.com" and
/// ".example.com" alike), of addresses, and "*"?
bool is_without_proxy(std::string_view host, std::string_view list) noexcept;

/// The proxy that the environment names for `host`, if any. Loopback addresses and "localhost" are
/// always dialled directly. @throws as Proxy::parse, naming the variable
std::optional<Proxy> proxy_of_environment(std::string_view host);

}  // namespace perp::net
