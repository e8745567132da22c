#pragma once
// Each kind of fault end to end: a venue of ours behind the proxy, a client of ours before it, TLS
// on both sides, one loop for all three. A test waits for what has to come; where something must
// not come, a message that comes behind it shows it.
#include "sim/recording.hpp"

#include <perp/core/error.hpp>
#include <perp/net/http_client.hpp>
#include <perp/net/web_server.hpp>
#include <perp/net/websocket_client.hpp>
#include <perp/sim/certificates.hpp>
#include <perp/sim/fault_proxy.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace perp::sim::test {

using net::WebSocketEnd;
using Texts = std::vector<std::string>;

inline const CertificateFiles& certificates() {
  static const TemporaryFolder folder;
  static const CertificateFiles files = certificate_files(folder.path());
  return files;
}

/// PERP_SEED, to look for more than one run shows.
inline std::uint64_t perp_seed_or(std::uint64_t usual) {
  const char* const text = std::getenv("PERP_SEED");
  return text == nullptr ? usual : std::strtoull(text, nullptr, 10);
}

/// Accepts WebSockets and answers GET with its target.
struct Venue final : net::WebServerHandler {
  std::vector<net::WebConnection*> connections;
  Texts requests;
  Texts messages;
  Texts pongs;
  Texts pings;
  int ended = 0;
  std::function<void(net::WebConnection&, const net::HttpRequestParser&)> answer;

  void on_request(net::WebConnection& connection, const net::HttpRequestParser& request) override {
    requests.emplace_back(request.target());
    if (answer) {
      answer(connection, request);
    } else if (net::asks_for_websocket(request)) {
      const net::HttpField fields[] = {{"X-Venue", "yes"}};
      if (connection.accept_websocket({.fields = fields})) connections.push_back(&connection);
    } else {
      const net::HttpField fields[] = {{"X-Used-Weight", "17"}, {"Content-Type", "text/plain"}};
      connection.respond(
          {.fields = fields,
           .body = "you asked " + requests.back() + " " + std::string(request.body_text())});
    }
  }
  void on_message(net::WebConnection&, const net::WebSocketMessage& message) override {
    Texts& list = message.event == net::WebSocketEvent::ping   ? pings
                  : message.event == net::WebSocketEvent::pong ? pongs
                                                               : messages;
    list.emplace_back(message.text());
  }
  void on_end(net::WebConnection& connection, const net::TransportEnd&) override {
    std::erase(connections, &connection);
    ++ended;
  }
};

struct Client final : net::WebSocketHandler {
  explicit Client(net::Loop& loop) : socket(loop, *this) {}
  bool is_open = false;
  std::string venue_field;
  Texts messages;
  Texts pings;
  Texts pongs;
  std::optional<WebSocketEnd> end;
  net::WebSocketClient socket;

  void on_open(const net::WebSocketClientHandshake& handshake) override {
    is_open = true;
    venue_field = handshake.response().head().value("X-Venue");
  }
  void on_message(const net::WebSocketMessage& message, core::WallNs) override {
    Texts& list = message.event == net::WebSocketEvent::ping   ? pings
                  : message.event == net::WebSocketEvent::pong ? pongs
                                                               : messages;
    list.emplace_back(message.text());
  }
  void on_end(const WebSocketEnd& why) override { end = why; }
};

class FaultProxyTest : public testing::TestWithParam<net::IoEngine> {
 protected:
  FaultProxyTest()
      : client_tls(net::TlsContext::client({.ca_file = certificates().ca_file})),
        server_tls(net::TlsContext::server({.certificate_file = certificates().certificate_file,
                                            .key_file = certificates().key_file})),
        log_file(folder.path() + "/faults.jsonl") {}

  void SetUp() override {
    if (net::choose_io_engine(net::IoEngine::automatic).engine != net::IoEngine::uring &&
        GetParam() == net::IoEngine::uring)
      GTEST_SKIP() << "this machine refuses io_uring";
    loop.emplace(net::LoopOptions{.engine = GetParam()});
    server.emplace(*loop, net::Endpoint::loopback(net::Endpoint::Family::ipv4, 0), &server_tls,
                   venue);
  }
  void TearDown() override {
    clients.clear();
    http.reset();
    proxy.reset();
    server.reset();
    loop.reset();
  }

  /// The script's time begins with begin(), so that connections can be there before.
  void make_proxy(const std::string& script) {
    FaultProxyOptions options;
    net::Url url{
        .scheme = net::Url::Scheme::https, .host = "127.0.0.1", .port = server->endpoint().port};
    net::Url websocket = url;
    websocket.scheme = net::Url::Scheme::wss;
    options.venues.push_back({.name = "v", .rest = url, .websocket = websocket});
    options.script = FaultScript::parse(script, "test", {"v"});
    options.server_tls = &server_tls;
    options.client_tls = &client_tls;
    options.log_file = log_file;
    options.seed = seed;
    proxy.emplace(*loop, resolver, options);
  }
  Client& dial(const std::string& target = "/ws") {
    clients.push_back(std::make_unique<Client>(*loop));
    clients.back()->socket.dial(resolver,
                                {.scheme = net::Url::Scheme::wss,
                                 .host = "127.0.0.1",
                                 .port = proxy->endpoint(0).port,
                                 .target = target},
                                client_tls);
    return *clients.back();
  }
  Client& connect(const std::string& target = "/ws") {
    Client& client = dial(target);
    EXPECT_TRUE(until([&] { return client.is_open || client.end; }));
    EXPECT_TRUE(client.is_open) << (client.end ? client.end->text : "");
    return client;
  }
  /// Proxy, connection and the script's beginning.
  Client& under(const std::string& script, const std::string& target = "/ws") {
    make_proxy(script);
    Client& client = connect(target);
    proxy->start();
    return client;
  }
  void send(const Texts& texts) {
    ASSERT_FALSE(venue.connections.empty());
    for (const std::string& text : texts) ASSERT_TRUE(venue.connections.back()->send_text(text));
  }
  struct Answer {
    net::HttpReply::Kind kind = net::HttpReply::Kind::queue_full;
    int status = 0;
    std::string body{};
    std::string retry_after{};
    std::string weight{};
    std::string type{};
  };
  std::vector<Answer>& ask(const std::string& target, const std::string& post = {}) {
    if (!http)
      http.emplace(*loop, resolver,
                   net::Url{.scheme = net::Url::Scheme::https,
                            .host = "127.0.0.1",
                            .port = proxy->endpoint(0).port},
                   client_tls);
    const auto on_reply = [this](const net::HttpReply& reply) {
      Answer answer{.kind = reply.kind, .status = reply.status()};
      if (reply.response != nullptr) {
        answer.body = reply.response->body_text();
        answer.retry_after = reply.response->head().value("Retry-After");
        answer.weight = reply.response->head().value("X-Used-Weight");
        answer.type = reply.response->head().value("Content-Type");
      }
      answers.push_back(answer);
    };
    if (post.empty())
      http->get(target, on_reply);
    else
      http->post(target, post, on_reply);
    return answers;
  }
  Answer answer(const std::string& target, const std::string& post = {}) {
    answers.clear();
    ask(target, post);
    EXPECT_TRUE(until([&] { return !answers.empty(); }));
    return answers.empty() ? Answer{} : answers[0];
  }

  template <class Condition>
  [[nodiscard]] bool until(Condition is_true) {
    const core::MonoNs deadline = core::mono_now() + 20 * core::ns_per_second;
    while (!is_true()) {
      if (core::mono_now() > deadline) return false;
      loop->run_once(core::ns_per_ms);
    }
    return true;
  }
  void expect_messages(Client& client, const Texts& texts) {
    EXPECT_TRUE(until([&] { return client.messages.size() >= texts.size(); }));
    EXPECT_EQ(client.messages, texts);
  }
  const FaultCount& count(FaultKind kind) const { return proxy->count(0, kind); }
  /// The log's lines of one kind of event, once the proxy has ended.
  std::vector<Json> log(const std::string& what) {
    proxy->stop();
    EXPECT_TRUE(until([&] { return proxy->is_idle(); }));
    proxy->flush_log();
    std::vector<Json> lines;
    std::ifstream in(log_file);
    for (std::string line; std::getline(in, line);) {
      Json parsed = Json::parse(line);
      EXPECT_EQ(parsed["venue"], "v");
      EXPECT_GT(parsed["time_ns"].get<std::int64_t>(), 1'600'000'000 * core::ns_per_second);
      if (parsed["what"] == what) lines.push_back(std::move(parsed));
    }
    return lines;
  }
  Texts texts_of(const std::vector<Json>& lines) const {
    Texts texts;
    for (const Json& line : lines) texts.push_back(line["text"].get<std::string>());
    return texts;
  }
  Texts removed() { return texts_of(log("removed")); }

  TemporaryFolder folder;
  net::TlsContext client_tls;
  net::TlsContext server_tls;
  std::string log_file;
  std::uint64_t seed = 1;
  Venue venue;
  net::Resolver resolver;
  std::optional<net::Loop> loop;
  std::optional<net::WebServer> server;
  std::optional<FaultProxy> proxy;
  std::vector<std::unique_ptr<Client>> clients;
  std::optional<net::HttpClient> http;
  std::vector<Answer> answers;
};

inline std::string numbered(std::size_t i) { return "message " + std::to_string(i); }

}  // namespace perp::sim::test
