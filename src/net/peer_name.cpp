#include "net/peer_name.hpp"

#include <perp/core/error.hpp>

#include <arpa/inet.h>
#include <array>

namespace perp::net {
namespace {

using Address6 = std::array<unsigned char, 16>;

/// Lower case without a final dot; empty if it is no DNS name.
std::string dns_name(std::string_view host) {
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  if (host.empty() || host.size() > 253) return {};
  std::string name;
  std::size_t label = 0;
  bool has_letter_in_last_label = false;
  for (const char c : host) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    name += lower;
    if (lower == '.') {
      if (label == 0) return {};
      label = 0;
      has_letter_in_last_label = false;
      continue;
    }
    const bool is_letter = (lower >= 'a' && lower <= 'z') || lower == '_';
    if (!is_letter && !(lower >= '0' && lower <= '9') && lower != '-') return {};
    if (++label > 63) return {};
    has_letter_in_last_label = has_letter_in_last_label || is_letter;
  }
  // A last label of digits alone would be an address; one that is not well-formed got here.
  return label > 0 && has_letter_in_last_label ? name : std::string();
}

}  // namespace

PeerName PeerName::parse(std::string_view host) {
  const std::string given(host);
  std::array<char, INET6_ADDRSTRLEN> text{};
  in_addr four{};
  if (::inet_pton(AF_INET, given.c_str(), &four) == 1 && given.find('\0') == std::string::npos)
    return {given, true};
  Address6 six{};
  if (::inet_pton(AF_INET6, given.c_str(), six.data()) == 1 &&
      given.find('\0') == std::string::npos &&
      ::inet_ntop(AF_INET6, six.data(), text.data(), text.size()) != nullptr)
    return {text.data(), true};
  std::string name = dns_name(host);
  if (name.empty())
    throw core::Error("cannot dial over TLS", given,
                      "neither a DNS name nor an address; no port, path or brackets");
  return {std::move(name), false};
}

std::string PeerName::wolfssl_address() const {
  Address6 six{};
  if (::inet_pton(AF_INET6, text.c_str(), six.data()) != 1) return text;
  constexpr const char* digits = "0123456789ABCDEF";
  std::string full;
  for (std::size_t i = 0; i < six.size(); ++i) {
    if (i > 0 && i % 2 == 0) full += ':';
    full += digits[six[i] >> 4];
    full += digits[six[i] & 15];
  }
  return full;
}

}  // namespace perp::net
