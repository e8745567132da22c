// Goal: finish() sends all that was written, however much the socket has room for at that moment,
// and says so if the peer does not take it. Method: two transports on one loop, small kernel
// buffers, and a reader that begins late or never.
#include "net/client_support.hpp"

#include <perp/net/transport.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace perp::net::test {
namespace {

constexpr std::size_t piece_bytes = 64 * 1024;

/// The byte at a place in the stream.
std::byte byte_at(std::size_t place) { return static_cast<std::byte>(place % 251); }

struct Side final : TransportHandler {
  bool is_open = false;
  bool is_as_written = true;
  std::size_t received_bytes = 0;
  std::optional<TransportEnd> end;
  std::function<void()> do_on_open = [] {};

  void on_open() override {
    is_open = true;
    do_on_open();
  }
  void on_received(StreamBuffer& received, core::WallNs) override {
    for (const std::byte byte : received.data())
      is_as_written = is_as_written && byte == byte_at(received_bytes++);
    received.consume(received.data().size());
  }
  void on_end(const TransportEnd& why) override { end = why; }
};

class TransportFinish : public ClientTest, private AcceptHandler {
 protected:
  TransportFinish()
      : listener_(loop, Endpoint::loopback(Endpoint::Family::ipv4, 0), *this),
        server(loop, server_side),
        client(loop, client_side) {
    if (GetParam().has_tls) {
      const VenueCertificate& venue = VenueCertificate::get();
      server_tls_.emplace(TlsContext::server(
          {.certificate_file = venue.certificate_file, .key_file = venue.key_file}));
    }
    options.dial.socket.kernel_send_bytes = options.dial.socket.kernel_receive_bytes = 16 * 1024;
    // As much as goes into both queues; the reader has not begun.
    server_side.do_on_open = [this] {
      StreamBuffer& out = server.outgoing();
      for (;;) {
        std::span<std::byte> room = out.writable(piece_bytes);
        if (room.empty()) {
          server.flush();
          room = out.writable(piece_bytes);
          if (room.empty()) break;
        }
        for (std::size_t i = 0; i < piece_bytes; ++i) room[i] = byte_at(written_bytes++);
        out.commit(piece_bytes);
      }
      server.finish();
    };
    client_side.do_on_open = [this] { client.pause_receiving(); };
  }
  void connect() {
    client.dial(resolver, "venue.test", listener_.endpoint().port,
                GetParam().has_tls ? &tls : nullptr, options);
    ASSERT_TRUE(until([this] { return client_side.is_open && server_side.is_open; }));
    ASSERT_GT(written_bytes, std::size_t{1536} * 1024) << "more than the socket's queue";
  }
  void on_accepted(Socket socket) override {
    server.accept(std::move(socket), server_tls_ ? &*server_tls_ : nullptr, options);
  }

  Listener listener_;
  std::optional<TlsContext> server_tls_;
  TransportOptions options;
  Side server_side;
  Side client_side;
  Transport server;
  Transport client;
  std::size_t written_bytes = 0;
};

TEST_P(TransportFinish, SendsAllThatWasWritten) {
  connect();
  EXPECT_FALSE(server_side.end.has_value());
  client.resume_receiving();
  ASSERT_TRUE(until([this] { return server_side.end && client_side.end; }));
  EXPECT_EQ(client_side.received_bytes, written_bytes);
  EXPECT_TRUE(client_side.is_as_written);
  EXPECT_EQ(server_side.end->kind, TransportEnd::Kind::finished) << server_side.end->text;
  EXPECT_EQ(server_side.end->unsent_bytes, 0u);
  EXPECT_EQ(client_side.end->kind, TransportEnd::Kind::finished) << client_side.end->text;
}

TEST_P(TransportFinish, SaysWhatThePeerDidNotTake) {
  options.end_timeout_ns = 100 * core::ns_per_ms;
  connect();
  ASSERT_TRUE(until([this] { return server_side.end.has_value(); }));
  EXPECT_GT(server_side.end->unsent_bytes, std::size_t{512} * 1024);
  EXPECT_NE(server_side.end->text.find("bytes were not taken"), std::string::npos)
      << server_side.end->text;
}

INSTANTIATE_TEST_SUITE_P(Ways, TransportFinish, all_ways(), name_of_way);

}  // namespace
}  // namespace perp::net::test
