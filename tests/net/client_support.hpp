#pragma once
// For tests of clients: a loop on either engine, names that lead to loopback, a certificate for
// them, and handlers that write down what they are told.
#include "net/certificates.hpp"
#include "net/foreign_peer.hpp"
#include "net/support.hpp"

#include <perp/net/http_client.hpp>
#include <perp/net/resolver.hpp>
#include <perp/net/web_server.hpp>
#include <perp/net/websocket_client.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace perp::net::test {

struct Way {
  IoEngine engine = IoEngine::epoll;
  bool has_tls = true;
};
inline std::string name_of_way(const testing::TestParamInfo<Way>& info) {
  return std::string(name_of(info.param.engine)) + (info.param.has_tls ? "_tls" : "_plain");
}
inline auto all_ways() {
  return testing::Values(Way{IoEngine::uring, true}, Way{IoEngine::uring, false},
                         Way{IoEngine::epoll, true}, Way{IoEngine::epoll, false});
}

/// venue.test, signed by the trusted root.
struct VenueCertificate {
  std::string certificate_file;
  std::string key_file;
  VenueCertificate() {
    const perp::test::Certificate leaf = perp::test::Certificate::make(
        {.alternative_names = "DNS:venue.test"}, &perp::test::trusted_root());
    certificate_file = perp::test::file_of(leaf.pem());
    key_file = perp::test::file_of(leaf.key_pem());
  }
  static const VenueCertificate& get() {
    static const VenueCertificate made;
    return made;
  }
};

class ClientTest : public testing::TestWithParam<Way> {
 protected:
  ClientTest()
      : tls(TlsContext::client({.ca_file = perp::test::trusted_root_file()})),
        loop({.engine = GetParam().engine}),
        resolver({.look_up = [](const std::string& host, std::vector<Endpoint>& endpoints) {
          if (!host.ends_with(".test")) return std::string("no such name");
          endpoints.push_back(Endpoint::loopback(Endpoint::Family::ipv4, 0));
          return std::string();
        }}) {}
  void SetUp() override {
    if (!has_engine(GetParam().engine)) GTEST_SKIP() << "io_uring is refused here";
  }
  std::vector<std::string> files() const {
    if (!GetParam().has_tls) return {};
    return {VenueCertificate::get().certificate_file, VenueCertificate::get().key_file};
  }
  Url url(Url::Scheme plain, std::uint16_t port, const std::string& target = "/") const {
    const Url::Scheme secure = plain == Url::Scheme::ws ? Url::Scheme::wss : Url::Scheme::https;
    return {.scheme = GetParam().has_tls ? secure : plain,
            .host = "venue.test",
            .port = port,
            .target = target};
  }
  template <class Condition>
  [[nodiscard]] bool until(Condition is_true) {
    return run_until(loop, is_true);
  }

  TlsContext tls;
  Loop loop;
  Resolver resolver;
};

struct Listening final : WebSocketHandler {
  bool is_open = false;
  std::vector<std::string> messages;
  std::vector<std::string> pongs;
  int batches = 0;
  std::vector<WebSocketEnd> ends;
  std::function<void()> do_on_open;
  std::function<void(const WebSocketMessage&)> do_on_message;

  void on_open(const WebSocketClientHandshake&) override {
    is_open = true;
    if (do_on_open) do_on_open();
  }
  void on_message(const WebSocketMessage& message, core::WallNs receive_ns) override {
    EXPECT_GT(receive_ns.ns, 1'600'000'000 * core::ns_per_second);
    if (message.event == WebSocketEvent::pong)
      pongs.emplace_back(message.text());
    else if (message.event != WebSocketEvent::ping)
      messages.emplace_back(message.text());
    if (do_on_message) do_on_message(message);
  }
  void on_batch() override { ++batches; }
  void on_end(const WebSocketEnd& end) override { ends.push_back(end); }
};

}  // namespace perp::net::test
