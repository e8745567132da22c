// A TLS connection without a socket: what a client would send first, and what it says to a server
// that speaks something else. Shows that an installed perp brings its TLS library along.
#include <perp/net/tls_stream.hpp>

#include <cstdio>
#include <span>
#include <string_view>

using namespace perp;

int main() {
  const net::TlsContext context = net::TlsContext::client();  // trusts the system's authorities
  net::TlsStream tls(context, "api.example");
  if (tls.output().empty()) return 1;
  net::StreamBuffer plain(1 << 16);
  const std::string_view answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
  tls.feed(std::as_bytes(std::span(answer)), plain);
  std::printf("%s\n", tls.error().text.c_str());
}
