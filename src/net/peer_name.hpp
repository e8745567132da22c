#pragma once
// The name that was dialled, as the peer's certificate must carry it.
#include <string>
#include <string_view>

namespace perp::net {

struct PeerName {
  std::string text;         ///< a DNS name in lower case without a final dot, or an address
  bool is_address = false;  ///< IPv4 or IPv6, in its usual spelling

  /// @throws core::Error if `host` is neither (a port, a path, a scope, brackets)
  static PeerName parse(std::string_view host);

  /// An address as wolfSSL spells it where it compares: IPv6 in eight full groups of capitals.
  std::string wolfssl_address() const;
};

}  // namespace perp::net
