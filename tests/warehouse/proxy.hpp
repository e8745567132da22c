#pragma once
// A TCP proxy between a client and PostgreSQL that breaks connections on purpose: when the server's
// answer to COMMIT passes (after the server has committed, before the client hears of it), or after
// some number of bytes.
#include "warehouse/database.hpp"

#include <netdb.h>
#include <poll.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <atomic>
#include <cstring>
#include <functional>
#include <mutex>
#include <netinet/in.h>
#include <random>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <vector>

namespace perp::warehouse::test {

/// Says yes `times` times, each a random number of bytes after the one before: a point that is met
/// on any machine. Any thread.
class AtRandomBytes {
 public:
  AtRandomBytes(std::mt19937& random, int times, std::int64_t bytes_max = 150'000)
      : random_(random()), left_(times), bytes_max_(bytes_max) {}
  bool operator()(std::string_view bytes) {
    const std::lock_guard guard(mutex_);
    until_ -= static_cast<std::int64_t>(bytes.size());
    if (until_ > 0 || left_ == 0) return false;
    --left_;
    until_ = std::uniform_int_distribution<std::int64_t>(1'000, bytes_max_)(random_);
    return true;
  }

 private:
  std::mutex mutex_;
  // Guarded by mutex_.
  std::mt19937 random_;
  std::int64_t until_ = 5'000;
  int left_;
  std::int64_t bytes_max_;
};

/// Whether a piece from the server holds its answer to COMMIT. Only the loader's own transactions
/// have one: the cursor is moved in them, the rest has no explicit COMMIT.
inline bool is_answer_to_commit(bool from_server, std::string_view bytes) {
  return from_server && bytes.find(std::string_view("COMMIT\0", 7)) != std::string_view::npos;
}

class Proxy {
 public:
  /// Called for each piece that passes. Returns true to cut the connection before the piece is
  /// passed on.
  using Cut = std::function<bool(bool from_server, std::string_view bytes)>;

  Proxy(const std::string& dsn, Cut cut) : dsn_(dsn), cut_(std::move(cut)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener_, 16) != 0)
      throw std::runtime_error("proxy: listen");
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~Proxy() {
    is_stopped_ = true;
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
    close(listener_);
  }
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  /// The DSN that goes through the proxy.
  std::string dsn() const {
    return with(dsn_, {{"host", "127.0.0.1"},
                       {"port", std::to_string(port_)},
                       {"sslmode", "disable"},
                       {"gssencmode", "disable"}});
  }
  int cuts() const { return cuts_.load(); }

 private:
  int connect_server() const {
    const std::string host = value_of(dsn_, "host"), port = value_of(dsn_, "port");
    if (host.starts_with('/')) {
      const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      std::snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.%s", host.c_str(),
                    port.c_str());
      if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
      close(fd);
      return -1;
    }
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
    inet_pton(AF_INET, host.c_str(), &address.sin_addr);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
    close(fd);
    return -1;
  }

  void accept_all() {
    while (!is_stopped_) {
      pollfd poll_fd{listener_, POLLIN, 0};
      if (poll(&poll_fd, 1, 20) <= 0) continue;
      const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      threads_.emplace_back([this, client] { pass(client); });
    }
  }

  void pass(int client) {
    const int server = connect_server();
    char buffer[16384];
    // The last bytes of the piece before, so that a pattern across two pieces is seen.
    std::string tail;
    while (server >= 0 && !is_stopped_) {
      pollfd poll_fds[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
      if (poll(poll_fds, 2, 20) <= 0) continue;
      bool is_over = false;
      for (int side = 0; side < 2 && !is_over; ++side) {
        if (poll_fds[side].revents == 0) continue;
        const ssize_t size = read(poll_fds[side].fd, buffer, sizeof buffer);
        if (size <= 0) {
          is_over = true;
          break;
        }
        std::string_view bytes(buffer, static_cast<std::size_t>(size));
        std::string seen;
        if (side == 1) {
          seen = tail + std::string(bytes);
          tail = seen.substr(seen.size() - std::min<std::size_t>(seen.size(), 6));
        }
        if (cut_(side == 1, side == 1 ? std::string_view(seen) : bytes)) {
          ++cuts_;
          is_over = true;
          break;
        }
        for (std::size_t done = 0; done < bytes.size() && !is_over;) {
          const ssize_t sent = send(side == 0 ? server : client, bytes.data() + done,
                                    bytes.size() - done, MSG_NOSIGNAL);
          if (sent <= 0)
            is_over = true;
          else
            done += static_cast<std::size_t>(sent);
        }
      }
      if (is_over) break;
    }
    close(client);
    if (server >= 0) close(server);
  }

  std::string dsn_;
  Cut cut_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> is_stopped_{false};
  std::atomic<int> cuts_{0};
  std::thread acceptor_;
  std::vector<std::thread> threads_;  // of acceptor_ only, until it is joined
};

}  // namespace perp::warehouse::test
