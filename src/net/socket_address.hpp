#pragma once
// An Endpoint as the system calls want it, and back.
#include <perp/net/endpoint.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

namespace perp::net::detail {

class SocketAddress {
 public:
  explicit SocketAddress(const Endpoint& endpoint) noexcept;
  /// To be filled by a system call through get() and size_pointer().
  SocketAddress() noexcept = default;

  int family() const noexcept { return storage_.ss_family; }
  sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage_); }
  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const noexcept { return size_; }
  socklen_t* size_pointer() noexcept { return &size_; }
  /// Of a family that is neither IPv4 nor IPv6: 0.0.0.0, port 0.
  Endpoint endpoint() const noexcept;

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = sizeof storage_;
};

}  // namespace perp::net::detail
