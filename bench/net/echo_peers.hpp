#pragma once
// What the loop is measured against: the system calls alone, and Boost.Beast's stream.
#include "harness/two_threads.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <span>
#include <sys/socket.h>
#include <utility>
#include <vector>

namespace perp::bench {

/// 178 bytes, as a trade of a venue has.
class Message {
 public:
  static constexpr std::size_t size_bytes = 178;
  Message() {
    for (std::size_t i = 0; i < size_bytes; ++i) bytes_[i] = static_cast<std::byte>(i * 7 + 1);
  }
  operator std::span<const std::byte>() const {
    return bytes_;
  }  // NOLINT(google-explicit-constructor)
  const std::byte* data() const { return bytes_.data(); }
  static constexpr std::size_t size() { return size_bytes; }
  /// Whether `data` is what stands at `offset` of messages behind each other.
  bool matches(std::size_t offset, std::span<const std::byte> data) const {
    while (!data.empty()) {
      offset %= size_bytes;
      const std::size_t part = std::min(size_bytes - offset, data.size());
      if (std::memcmp(bytes_.data() + offset, data.data(), part) != 0) return false;
      data = data.subspan(part);
      offset += part;
    }
    return true;
  }

 private:
  std::array<std::byte, size_bytes> bytes_{};
};

inline std::uint64_t thread_cpu_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec);
}

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/// A connected socket of plain system calls.
class PlainPeer {
 public:
  explicit PlainPeer(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in address = loopback(port);
    require(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
            "connect");
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~PlainPeer() {
    if (fd_ >= 0) ::close(fd_);
  }
  PlainPeer(PlainPeer&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  PlainPeer& operator=(PlainPeer&&) = delete;

  void send_all(std::span<const std::byte> bytes) const {
    require(
        ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()),
        "send");
  }

 private:
  int fd_;
};

/// One side of a round trip by recv and send alone.
class PlainEcho {
 public:
  /// @param takes_kernel_stamp each receive also asks for the kernel's time of arrival
  PlainEcho(bool spins, bool takes_kernel_stamp)
      : flags_(spins ? MSG_DONTWAIT : 0), takes_kernel_stamp_(takes_kernel_stamp) {}
  ~PlainEcho() {
    if (fd_ >= 0) ::close(fd_);
    if (listener_ >= 0) ::close(listener_);
  }
  PlainEcho(const PlainEcho&) = delete;
  PlainEcho& operator=(const PlainEcho&) = delete;

  std::uint16_t listen() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    require(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                ::listen(listener_, 8) == 0 &&
                ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0,
            "listen");
    return ntohs(address.sin_port);
  }
  void dial(std::uint16_t port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(port);
    require(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
            "connect");
    configure();
  }
  void round_trip(const Message& message) {
    send(message);
    std::size_t received = 0;
    while (received < message.size()) {
      const std::span<const std::byte> data = receive();
      require(!data.empty() && message.matches(received, data), "echo: wrong bytes");
      received += data.size();
    }
  }
  void serve() {
    fd_ = ::accept(listener_, nullptr, nullptr);
    require(fd_ >= 0, "accept");
    configure();
    for (;;) {
      const std::span<const std::byte> data = receive();
      if (data.empty()) return;
      send(data);
    }
  }
  void finish() { ::shutdown(fd_, SHUT_WR); }

 private:
  void configure() const {
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const int stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
    if (takes_kernel_stamp_)
      require(::setsockopt(fd_, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps) == 0,
              "SO_TIMESTAMPING");
  }
  void send(std::span<const std::byte> bytes) const {
    require(
        ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()),
        "send");
  }
  std::span<const std::byte> receive() {
    for (;;) {
      const ssize_t size = takes_kernel_stamp_
                               ? receive_stamped()
                               : ::recv(fd_, buffer_.data(), buffer_.size(), flags_);
      if (size >= 0) return {buffer_.data(), static_cast<std::size_t>(size)};
      require(errno == EAGAIN || errno == EINTR, "recv");
    }
  }
  ssize_t receive_stamped() {
    iovec vector{buffer_.data(), buffer_.size()};
    alignas(cmsghdr) char control[256];
    msghdr header{};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t size = ::recvmsg(fd_, &header, flags_);
    if (size > 0) {
      bool is_stamped = false;
      for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
           part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPING) continue;
        scm_timestamping stamp{};
        std::memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
        is_stamped = stamp.ts[0].tv_sec != 0;
      }
      // The kernel begins to stamp some time after it was asked to; from then on it stamps all.
      require(is_stamped || !has_seen_stamp_, "no stamp of the kernel's");
      has_seen_stamp_ |= is_stamped;
    }
    return size;
  }

  int flags_;
  bool has_seen_stamp_ = false;
  bool takes_kernel_stamp_;
  int fd_ = -1;
  int listener_ = -1;
  std::array<std::byte, 32 * 1024> buffer_{};
};

using BeastStream =
    boost::beast::basic_stream<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

/// One side of a round trip by asynchronous operations, as an Asio program has them.
class BeastEcho {
 public:
  explicit BeastEcho(bool spins) : spins_(spins) {}

  std::uint16_t listen() {
    acceptor_.open(boost::asio::ip::tcp::v4());
    acceptor_.bind({boost::asio::ip::address_v4::loopback(), 0});
    acceptor_.listen();
    return acceptor_.local_endpoint().port();
  }
  void dial(std::uint16_t port) {
    stream_.socket().connect({boost::asio::ip::address_v4::loopback(), port});
    configure();
    read();
  }
  void round_trip(const Message& message) {
    expected_ = &message;
    received_ = 0;
    boost::asio::async_write(
        stream_, boost::asio::buffer(message.data(), message.size()),
        [](boost::system::error_code error, std::size_t) { require(!error, "echo: not sent"); });
    while (received_ < message.size()) run();
  }
  void serve() {
    acceptor_.accept(stream_.socket());
    configure();
    read();
    while (!is_over_) run();
  }
  void finish() {
    boost::system::error_code error;
    stream_.socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, error);
    while (!is_over_) run();
  }

 private:
  void configure() {
    stream_.socket().set_option(boost::asio::ip::tcp::no_delay(true));
    stream_.socket().non_blocking(true);
  }
  void run() {
    if (spins_)
      context_.poll_one();
    else
      context_.run_one();
  }
  void read() {
    stream_.async_read_some(
        boost::asio::buffer(buffer_), [this](boost::system::error_code error, std::size_t size) {
          if (error) {
            is_over_ = true;
            boost::system::error_code ignored;  // the peer may be gone altogether
            stream_.socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
            return;
          }
          if (expected_ == nullptr) {
            boost::asio::async_write(stream_, boost::asio::buffer(buffer_.data(), size),
                                     [this](boost::system::error_code failed, std::size_t) {
                                       require(!failed, "echo: not sent back");
                                       read();
                                     });
            return;
          }
          require(expected_->matches(received_, {buffer_.data(), size}), "echo: wrong bytes");
          received_ += size;
          read();
        });
  }

  boost::asio::io_context context_{1};
  boost::asio::ip::tcp::acceptor acceptor_{context_};
  BeastStream stream_{context_.get_executor()};
  bool spins_;
  const Message* expected_ = nullptr;
  std::size_t received_ = 0;
  bool is_over_ = false;
  std::array<std::byte, 32 * 1024> buffer_{};
};

/// Many connections received by one io_context. Its system calls are not counted here; see strace.
class BeastReceiver {
 public:
  explicit BeastReceiver(int count) : count_(count) {}

  std::uint16_t listen() {
    acceptor_.open(boost::asio::ip::tcp::v4());
    acceptor_.bind({boost::asio::ip::address_v4::loopback(), 0});
    acceptor_.listen(count_);
    return acceptor_.local_endpoint().port();
  }
  void accept_all() {
    for (int i = 0; i < count_; ++i) {
      connections_.push_back(std::make_unique<Connection>(*this));
      acceptor_.accept(connections_.back()->stream.socket());
      connections_.back()->stream.socket().non_blocking(true);
      connections_.back()->read();
    }
  }
  void receive(std::uint64_t bytes) {
    while (bytes_ < bytes) context_.run_one();
  }
  static std::uint64_t system_calls() { return 0; }

 private:
  struct Connection {
    explicit Connection(BeastReceiver& owner)
        : receiver(owner), stream(owner.context_.get_executor()) {}
    void read() {
      stream.async_read_some(
          boost::asio::buffer(buffer), [this](boost::system::error_code error, std::size_t size) {
            if (error) return;
            require(Message().matches(offset, {buffer.data(), size}), "load: wrong bytes");
            offset = (offset + size) % Message::size_bytes;
            receiver.bytes_ += size;
            read();
          });
    }
    BeastReceiver& receiver;
    BeastStream stream;
    std::size_t offset = 0;
    std::array<std::byte, 8 * 1024> buffer{};
  };

  int count_;
  boost::asio::io_context context_{1};
  boost::asio::ip::tcp::acceptor acceptor_{context_};
  std::vector<std::unique_ptr<Connection>> connections_;
  std::uint64_t bytes_ = 0;
};

}  // namespace perp::bench
