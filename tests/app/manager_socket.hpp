#pragma once
// Stands for a service manager: hears what is sent to its NOTIFY_SOCKET.
#include <gtest/gtest.h>

#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

namespace perp::app::testing {

class ManagerSocket {
 public:
  /// @param name a path or "@name"
  explicit ManagerSocket(std::string name) {
    if (name.front() == '@') name.front() = '\0';
    descriptor_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, name.data(), name.size());
    EXPECT_EQ(bind(descriptor_, reinterpret_cast<const sockaddr*>(&at),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())),
              0);
  }
  ~ManagerSocket() { close(descriptor_); }
  ManagerSocket(const ManagerSocket&) = delete;
  ManagerSocket& operator=(const ManagerSocket&) = delete;

  /// The next datagram; empty if none comes in time. 0 s: if none is there.
  std::string receive(int seconds = 10) {
    const timeval patience{seconds, 0};
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    std::array<char, 4096> words{};
    const ssize_t size =
        recv(descriptor_, words.data(), words.size(), seconds == 0 ? MSG_DONTWAIT : 0);
    return size <= 0 ? std::string() : std::string(words.data(), static_cast<std::size_t>(size));
  }
  /// The next datagram that begins so; empty if none comes in time.
  std::string receive_until(const std::string& beginning, int seconds = 20) {
    for (;;) {
      std::string words = receive(seconds);
      if (words.empty() || words.starts_with(beginning)) return words;
    }
  }

 private:
  int descriptor_ = -1;
};

}  // namespace perp::app::testing
