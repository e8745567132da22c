#include "net/socket_address.hpp"

#include <perp/net/endpoint.hpp>

#include <fmt/format.h>

#include <arpa/inet.h>
#include <cstring>
#include <net/if.h>

namespace perp::net {

bool Endpoint::parse(std::string_view address, std::uint16_t port, Endpoint& endpoint) {
  if (address.size() >= 2 && address.front() == '[' && address.back() == ']') {
    address = address.substr(1, address.size() - 2);
    if (address.find(':') == std::string_view::npos) return false;
  }
  Endpoint parsed;
  parsed.port = port;
  if (address.find(':') == std::string_view::npos) {
    in_addr bytes{};
    if (::inet_pton(AF_INET, std::string(address).c_str(), &bytes) != 1) return false;
    std::memcpy(parsed.address.data(), &bytes, sizeof bytes);
  } else {
    parsed.family = Family::ipv6;
    if (const auto percent = address.find('%'); percent != std::string_view::npos) {
      parsed.scope = ::if_nametoindex(std::string(address.substr(percent + 1)).c_str());
      if (parsed.scope == 0) return false;
      address = address.substr(0, percent);
    }
    in6_addr bytes{};
    if (::inet_pton(AF_INET6, std::string(address).c_str(), &bytes) != 1) return false;
    std::memcpy(parsed.address.data(), &bytes, sizeof bytes);
  }
  endpoint = parsed;
  return true;
}

Endpoint Endpoint::loopback(Family family, std::uint16_t port) noexcept {
  Endpoint endpoint;
  endpoint.family = family;
  endpoint.port = port;
  if (family == Family::ipv4) {
    endpoint.address[0] = 127;
    endpoint.address[3] = 1;
  } else {
    endpoint.address[15] = 1;
  }
  return endpoint;
}

std::string Endpoint::text() const {
  char numeric[INET6_ADDRSTRLEN] = {};
  const bool is_ipv4 = family == Family::ipv4;
  ::inet_ntop(is_ipv4 ? AF_INET : AF_INET6, address.data(), numeric, sizeof numeric);
  if (is_ipv4) return fmt::format("{}:{}", numeric, port);
  char interface[IF_NAMESIZE] = {};
  if (scope != 0 && ::if_indextoname(scope, interface) != nullptr)
    return fmt::format("[{}%{}]:{}", numeric, interface, port);
  return fmt::format("[{}]:{}", numeric, port);
}

namespace detail {

SocketAddress::SocketAddress(const Endpoint& endpoint) noexcept {
  if (endpoint.family == Endpoint::Family::ipv4) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    std::memcpy(&address.sin_addr, endpoint.address.data(), sizeof address.sin_addr);
    std::memcpy(&storage_, &address, sizeof address);
    size_ = sizeof address;
  } else {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(endpoint.port);
    address.sin6_scope_id = endpoint.scope;
    std::memcpy(&address.sin6_addr, endpoint.address.data(), sizeof address.sin6_addr);
    std::memcpy(&storage_, &address, sizeof address);
    size_ = sizeof address;
  }
}

Endpoint SocketAddress::endpoint() const noexcept {
  Endpoint endpoint;
  if (family() == AF_INET) {
    sockaddr_in address{};
    std::memcpy(&address, &storage_, sizeof address);
    endpoint.port = ntohs(address.sin_port);
    std::memcpy(endpoint.address.data(), &address.sin_addr, sizeof address.sin_addr);
  } else if (family() == AF_INET6) {
    sockaddr_in6 address{};
    std::memcpy(&address, &storage_, sizeof address);
    endpoint.family = Endpoint::Family::ipv6;
    endpoint.port = ntohs(address.sin6_port);
    endpoint.scope = address.sin6_scope_id;
    std::memcpy(endpoint.address.data(), &address.sin6_addr, sizeof address.sin6_addr);
  }
  return endpoint;
}

}  // namespace detail
}  // namespace perp::net
