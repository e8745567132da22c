#pragma once
// For tests of the loop: the other side as plain blocking sockets (nothing of ours), handlers that
// write down what they are told, and rounds until a condition holds.
#include <perp/core/file.hpp>
#include <perp/net/loop.hpp>
#include <perp/net/socket.hpp>

#include <gtest/gtest.h>

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <system_error>
#include <vector>

namespace perp::net::test {

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Rounds of `loop` until `is_true`, at most 20 s. @returns whether it came true
template <class Condition>
[[nodiscard]] bool run_until(Loop& loop, Condition is_true) {
  const core::MonoNs deadline = core::mono_now() + 20 * core::ns_per_second;
  while (!is_true()) {
    if (core::mono_now() > deadline) return false;
    loop.run_once(core::ns_per_ms);
  }
  return true;
}

/// Whether the engine can be had here; tests of the other one run anyway.
inline bool has_engine(IoEngine engine) {
  static const bool has_uring = choose_io_engine(IoEngine::automatic).engine == IoEngine::uring;
  return engine != IoEngine::uring || has_uring;
}

/// A TCP socket by plain system calls, blocking unless told.
class PlainSocket {
 public:
  PlainSocket() = default;
  explicit PlainSocket(int descriptor) : file_(descriptor, "plain socket") {}

  static PlainSocket listen(sa_family_t family = AF_INET, int backlog = 512) {
    PlainSocket socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage any{};
    any.ss_family = family;
    socklen_t size = sizeof(sockaddr_in);
    if (family == AF_INET) {
      reinterpret_cast<sockaddr_in&>(any).sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else {
      size = sizeof(sockaddr_in6);
      reinterpret_cast<sockaddr_in6&>(any).sin6_addr = in6addr_loopback;
    }
    EXPECT_EQ(::bind(socket.fd(), reinterpret_cast<sockaddr*>(&any), size), 0)
        << std::generic_category().message(errno);
    EXPECT_EQ(::listen(socket.fd(), backlog), 0);
    return socket;
  }
  static PlainSocket connect(const Endpoint& to) {
    PlainSocket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(to.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0)
        << std::generic_category().message(errno);
    socket.set_no_delay();
    return socket;
  }
  PlainSocket accept() const {
    PlainSocket socket(::accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_GE(socket.fd(), 0) << std::generic_category().message(errno);
    socket.set_no_delay();
    return socket;
  }

  Endpoint endpoint() const {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(fd(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    return address.ss_family == AF_INET
               ? Endpoint::loopback(Endpoint::Family::ipv4,
                                    ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port))
               : Endpoint::loopback(Endpoint::Family::ipv6,
                                    ntohs(reinterpret_cast<sockaddr_in6&>(address).sin6_port));
  }
  void set_no_delay() const {
    const int on = 1;
    ::setsockopt(fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  void send_all(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd(), text.data(), text.size(), MSG_NOSIGNAL);
      ASSERT_GT(sent, 0) << std::generic_category().message(errno);
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  /// What is there now, at most `size`; empty at the end and when nothing is there.
  std::string receive_some(std::size_t size = 1 << 16) const {
    std::string text(size, '\0');
    const ssize_t got = ::recv(fd(), text.data(), size, MSG_DONTWAIT);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
  }
  /// Nothing more comes: FIN or an error was received.
  bool is_at_end() const {
    char byte;
    const ssize_t got = ::recv(fd(), &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    return got == 0 || (got < 0 && errno != EAGAIN);
  }
  void finish() const { ::shutdown(fd(), SHUT_WR); }
  /// RST instead of FIN.
  void break_off() {
    const linger now{1, 0};
    ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    file_.close();
  }
  void close() { file_.close(); }
  int fd() const { return file_.descriptor(); }

 private:
  core::File file_;
};

/// Writes down everything, and does what a test asks for at each event.
class Recorder final : public SocketHandler {
 public:
  void on_connected() override {
    ++connected_count;
    if (at_connected) at_connected();
  }
  void on_data(std::span<const std::byte> data, core::WallNs receive_ns) override {
    EXPECT_FALSE(data.empty());
    received += text_of(data);
    last_receive_ns = receive_ns;
    ++data_count;
    if (at_data) at_data(data);
  }
  void on_drained() override {
    ++drained_count;
    if (at_drained) at_drained();
  }
  bool on_peer_finished() override {
    ++peer_finished_count;
    return goes_on_when_peer_finished;
  }
  void on_closed(const CloseReason& why) override {
    EXPECT_FALSE(reason) << "closed twice: " << why.text();
    reason = why;
    if (at_closed) at_closed();
  }

  std::string received;
  core::WallNs last_receive_ns;
  int connected_count = 0;
  int data_count = 0;
  int drained_count = 0;
  int peer_finished_count = 0;
  bool goes_on_when_peer_finished = false;
  std::optional<CloseReason> reason;
  std::function<void()> at_connected;
  std::function<void(std::span<const std::byte>)> at_data;
  std::function<void()> at_drained;
  std::function<void()> at_closed;
};

/// Keeps what is accepted, each with a Recorder.
class Acceptor final : public AcceptHandler {
 public:
  struct Connection {
    Recorder recorder;
    Socket socket;
  };
  void on_accepted(Socket socket) override {
    auto made = std::make_unique<Connection>();
    made->socket = std::move(socket);
    if (prepare) prepare(*made);
    made->socket.start(made->recorder, options);
    connections.push_back(std::move(made));
  }

  SocketOptions options;
  std::function<void(Connection&)> prepare;
  std::vector<std::unique_ptr<Connection>> connections;
};

/// A loop of either engine, and a connection between it and a plain socket.
class LoopTest : public testing::TestWithParam<IoEngine> {
 protected:
  void SetUp() override {
    if (!has_engine(GetParam())) GTEST_SKIP() << "this machine refuses io_uring";
    make_loop({});
  }
  void make_loop(LoopOptions options) {
    loop_.reset();
    options.engine = GetParam();
    loop_.emplace(options);
  }
  /// Dials `recorder` to a plain socket, which is returned once both sides are there.
  PlainSocket connect(Recorder& recorder, Socket& socket, const SocketOptions& options = {}) {
    const PlainSocket listener = PlainSocket::listen();
    socket = Socket::dial(*loop_, listener.endpoint(), recorder, options);
    EXPECT_TRUE(run_until(*loop_, [&] { return recorder.connected_count == 1; }));
    return listener.accept();
  }
  template <class Condition>
  [[nodiscard]] bool run_until(Condition is_true) {
    return test::run_until(*loop_, is_true);
  }
  template <class Condition>
  [[nodiscard]] static bool run_until(Loop& loop, Condition is_true) {
    return test::run_until(loop, is_true);
  }

  std::optional<Loop> loop_;
};

inline std::string engine_name(const testing::TestParamInfo<IoEngine>& row) {
  return std::string(name_of(row.param));
}

}  // namespace perp::net::test
