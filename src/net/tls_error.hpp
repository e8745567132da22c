#pragma once
// What wolfSSL's failures and a peer's alerts mean to us.
#include <perp/net/tls_stream.hpp>

#include <string_view>

namespace perp::net {

/// The kind of a wolfSSL error code (negative, as wolfSSL_get_error gives it).
TlsErrorKind kind_of_wolfssl_error(int error) noexcept;

/// The kind of a fatal alert that the peer sent.
TlsErrorKind kind_of_alert(int code) noexcept;

/// The alert's name in RFC 8446, section 6; empty if it has none.
std::string_view alert_name(int code) noexcept;

}  // namespace perp::net
