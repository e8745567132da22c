#pragma once
// A TlsStream and OpenSSL's peer, carried to and fro in memory.
#include "net/openssl_peer.hpp"

#include <perp/net/tls_stream.hpp>

#include <algorithm>
#include <string>
#include <string_view>

namespace perp::test {

inline constexpr const char* host = "api.perp.example";

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string text_of(const net::StreamBuffer& buffer) {
  const auto data = buffer.data();
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

inline const net::TlsContext& client_context() {
  static const net::TlsContext context =
      net::TlsContext::client({.ca_file = trusted_root_file(), .alpn = "http/1.1"});
  return context;
}

/// A certificate for `host` (or other names) from the trusted root.
inline Certificate leaf(CertificateSpec spec = {}) {
  if (spec.alternative_names.empty()) spec.alternative_names = std::string("DNS:") + host;
  return Certificate::make(spec, &trusted_root());
}

struct TlsPair {
  explicit TlsPair(const PeerOptions& options, const net::TlsContext& context = client_context(),
                   std::string_view name = host)
      : client(context, name), server(options) {}

  /// Carries what both have to say until both are silent. @param piece_bytes per feed
  void run(std::size_t piece_bytes = std::size_t{1} << 20) {
    for (bool moved = true; moved;) {
      moved = false;
      if (const auto out = client.output(); !out.empty()) {
        server.feed(out);
        client.consume_output(out.size());
        moved = true;
      }
      server.advance();
      const std::vector<std::byte> back = server.take_output();
      for (std::span<const std::byte> rest = back; !rest.empty();) {
        const auto piece = rest.first(std::min(piece_bytes, rest.size()));
        client.feed(piece, plain);
        rest = rest.subspan(piece.size());
        moved = true;
      }
    }
  }

  net::TlsStream client;
  OpenSslPeer server;
  net::StreamBuffer plain{1 << 20};
};

}  // namespace perp::test
