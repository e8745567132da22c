// Each kind of fault end to end: a venue of ours behind the proxy, a client of ours before it, TLS
// on both sides, one loop for all three. Goal: exactly what the script says happens to a
// connection, all else passes unchanged and in order, and the log tells what was done. A test waits
// for what has to come; where something must not come, a message that comes behind it shows it.
#include "sim/recording.hpp"
#include "support/malloc_counter.hpp"

#include <perp/core/error.hpp>
#include <perp/net/http_client.hpp>
#include <perp/net/web_server.hpp>
#include <perp/net/websocket_client.hpp>
#include <perp/sim/certificates.hpp>
#include <perp/sim/fault_proxy.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace perp::sim::test {
namespace {

using net::WebSocketEnd;
using Texts = std::vector<std::string>;

const CertificateFiles& certificates() {
  static const TemporaryFolder folder;
  static const CertificateFiles files = certificate_files(folder.path());
  return files;
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

std::string numbered(std::size_t i) { return "message " + std::to_string(i); }

// --- nothing goes wrong ---

TEST_P(FaultProxyTest, WithoutAFaultAllPassesBothWays) {
  Client& client = under("", "/ws?streams=a/b");
  EXPECT_EQ(venue.requests, Texts{"/ws?streams=a/b"});
  EXPECT_EQ(client.venue_field, "yes");
  Texts sent;
  for (const std::size_t size : {0UL, 1UL, 125UL, 126UL, 65'535UL, 65'536UL, 3'000'000UL})
    sent.emplace_back(size, static_cast<char>('a' + sent.size()));
  // One at a time where they are larger than what a connection may queue.
  for (const std::string& text : sent) {
    if (text.size() < 1'000'000) send({text});
    ASSERT_TRUE(client.socket.send_text(text.substr(0, 500'000)));
  }
  sent.pop_back();
  expect_messages(client, sent);
  ASSERT_TRUE(until([&] { return venue.messages.size() == 7; }));
  EXPECT_EQ(venue.messages[6].size(), 500'000U);
  ASSERT_TRUE(venue.connections[0]->send_binary(std::as_bytes(std::span("\x00\xff", 2))));
  ASSERT_TRUE(until([&] { return client.messages.size() == 7; }));
  EXPECT_EQ(client.messages[6], std::string("\x00\xff", 2));
  // A ping is answered by who is asked, once.
  ASSERT_TRUE(client.socket.send_ping(std::as_bytes(std::span("p1", 2))));
  ASSERT_TRUE(venue.connections[0]->send_ping(std::as_bytes(std::span("p2", 2))));
  ASSERT_TRUE(until([&] { return client.pongs.size() == 1 && venue.pongs.size() == 1; }));
  EXPECT_EQ(client.pings, Texts{"p2"});
  EXPECT_EQ(venue.pings, Texts{"p1"});
  EXPECT_EQ(client.pongs, Texts{"p1"});
  EXPECT_EQ(venue.pongs, Texts{"p2"});
  client.socket.close(4000, "enough");
  ASSERT_TRUE(until([&] { return client.end.has_value() && venue.ended == 1; }));
  EXPECT_EQ(client.end->close_code, 4000) << client.end->text;
  ASSERT_TRUE(until([&] { return proxy->is_idle(); }));
}

TEST_P(FaultProxyTest, TheVenuesCloseCodeAndReasonPass) {
  Client& client = under("");
  send({"last"});
  venue.connections[0]->close(4001, "good bye");
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.messages, Texts{"last"});
  EXPECT_EQ(client.end->kind, WebSocketEnd::Kind::closed_by_peer) << client.end->text;
  EXPECT_EQ(client.end->close_code, 4001);
  EXPECT_NE(client.end->text.find("good bye"), std::string::npos);
  EXPECT_TRUE(until([&] { return proxy->is_idle(); }));
}

TEST_P(FaultProxyTest, ARefusedHandshakePassesWithItsStatus) {
  venue.answer = [](net::WebConnection& connection, const net::HttpRequestParser&) {
    const net::HttpField fields[] = {{"Retry-After", "7"}};
    connection.respond({.status = 429, .fields = fields, .body = "slow down"});
  };
  make_proxy("");
  Client& client = dial();
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.end->kind, WebSocketEnd::Kind::refused) << client.end->text;
  EXPECT_EQ(client.end->status, 429);
  EXPECT_EQ(client.end->retry_after, "7");
  EXPECT_EQ(client.end->body, "slow down");
}

TEST_P(FaultProxyTest, AVenueThatIsNotThereIsTold) {
  make_proxy("");
  server.reset();
  Client& client = dial();
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.end->status, 502) << client.end->text;
  EXPECT_EQ(answer("/x").status, 502);
}

TEST_P(FaultProxyTest, HttpPassesWithItsFields) {
  make_proxy("");
  proxy->start();
  const Answer get = answer("/fapi/v1/time?x=1");
  EXPECT_EQ(get.status, 200);
  EXPECT_EQ(get.body, "you asked /fapi/v1/time?x=1 ");
  EXPECT_EQ(get.weight, "17");
  EXPECT_EQ(get.type, "text/plain");
  EXPECT_EQ(answer("/info", R"({"type":"meta"})").body, R"(you asked /info {"type":"meta"})");
  EXPECT_EQ(proxy->traffic(0).requests, 2U);
  EXPECT_EQ(proxy->traffic(0).connections, 1U) << "the connection is kept";
}

TEST_P(FaultProxyTest, RelayingAllocatesNothing) {
  if (!perp::test::malloc_is_counted()) GTEST_SKIP() << "a sanitizer has its own malloc";
  // The client must not keep what it gets.
  struct Counter final : net::WebSocketHandler {
    std::uint64_t messages = 0;
    bool is_open = false;
    void on_open(const net::WebSocketClientHandshake&) override { is_open = true; }
    void on_message(const net::WebSocketMessage&, core::WallNs) override { ++messages; }
    void on_end(const WebSocketEnd&) override {}
  } counter;
  make_proxy("1h v rst");
  net::WebSocketClient client(*loop, counter);
  client.dial(
      resolver,
      {.scheme = net::Url::Scheme::wss, .host = "127.0.0.1", .port = proxy->endpoint(0).port},
      client_tls);
  ASSERT_TRUE(until([&] { return counter.is_open; }));
  proxy->start();
  const std::string text(200, 'x');
  const auto relay = [&](std::uint64_t messages) {
    const std::uint64_t goal = counter.messages + messages;
    for (std::uint64_t i = 0; i < messages; ++i) {
      ASSERT_TRUE(venue.connections[0]->send_text(text));
      if (i % 50 == 49) loop->run_once(0);
    }
    ASSERT_TRUE(until([&] { return counter.messages >= goal; }));
  };
  relay(20'000);
  const std::uint64_t before = perp::test::malloc_count();
  relay(5'000);
  EXPECT_EQ(perp::test::malloc_count() - before, 0U);
}

// --- connections that end ---

TEST_P(FaultProxyTest, RstResetsWebSocketsBehindWhatWasRelayed) {
  make_proxy("0s v rst path=/one");
  Client& hit = connect("/ws/one");
  send({"before"});
  Client& spared = connect("/ws/two");
  ASSERT_TRUE(until([&] { return hit.messages.size() == 1; }));
  proxy->start();
  ASSERT_TRUE(until([&] { return hit.end.has_value(); }));
  EXPECT_EQ(hit.end->kind, WebSocketEnd::Kind::transport) << hit.end->text;
  EXPECT_EQ(hit.end->transport.kind, net::TransportEnd::Kind::broken) << hit.end->text;
  EXPECT_NE(hit.end->text.find("reset"), std::string::npos) << hit.end->text;
  ASSERT_TRUE(until([&] { return venue.connections.size() == 1; }));
  send({"after"});
  expect_messages(spared, {"after"});
  EXPECT_EQ(count(FaultKind::rst).connections, 1U);
  const std::vector<Json> ended = log("connection");
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0]["how"], "reset");
  EXPECT_EQ(ended[0]["kind"], "rst");
  EXPECT_EQ(ended[0]["target"], "/ws/one");
}

TEST_P(FaultProxyTest, WhatTheVenueSendsIntoAConnectionThatEndsIsToldAsRemoved) {
  Client& client = under("0s v fin");
  // Sent after the fault and before the venue has noticed.
  send({"late 1", "late 2"});
  ASSERT_TRUE(until([&] { return client.end.has_value() && venue.ended == 1; }));
  EXPECT_TRUE(client.messages.empty());
  EXPECT_EQ(client.end->kind, WebSocketEnd::Kind::transport) << client.end->text;
  EXPECT_EQ(client.end->transport.kind, net::TransportEnd::Kind::finished) << client.end->text;
  ASSERT_TRUE(until([&] { return proxy->is_idle(); }));
  EXPECT_EQ(removed(), (Texts{"late 1", "late 2"}));
}

TEST_P(FaultProxyTest, CloseSaysWhatTheScriptSays) {
  Client& client = under(R"(0s v close code=1012 reason="service restart")");
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.end->kind, WebSocketEnd::Kind::closed_by_peer) << client.end->text;
  EXPECT_EQ(client.end->close_code, 1012);
  EXPECT_NE(client.end->text.find("service restart"), std::string::npos);
  EXPECT_TRUE(until([&] { return proxy->is_idle(); }));
}

TEST_P(FaultProxyTest, CutEndsAllConnectionsAtOnceAndNewOnesAreGood) {
  make_proxy("0s v cut");
  Client& one = connect("/1");
  Client& two = connect("/2");
  EXPECT_EQ(answer("/rest").status, 200);
  proxy->start();
  ASSERT_TRUE(until([&] { return one.end.has_value() && two.end.has_value(); }));
  EXPECT_EQ(count(FaultKind::cut).connections, 3U) << "HTTP too";
  ASSERT_TRUE(until([&] { return venue.connections.empty(); }));
  Client& again = connect("/3");
  send({"good"});
  expect_messages(again, {"good"});
  EXPECT_EQ(answer("/rest").status, 200);
}

TEST_P(FaultProxyTest, InAnIntervalNewConnectionsAreHitAsWell) {
  make_proxy("always v rst count=2");
  proxy->start();
  for (int i = 0; i < 2; ++i) {
    Client& client = dial();
    ASSERT_TRUE(until([&] { return client.end.has_value(); })) << i;
  }
  ASSERT_TRUE(until([&] { return venue.connections.empty(); }));
  Client& third = connect();
  send({"good"});
  expect_messages(third, {"good"});
}

TEST_P(FaultProxyTest, HalfOpenCarriesNothingAndEndsInAReset) {
  Client& client = under("0s v half-open for=300ms");
  send({"lost 1", "lost 2"});
  ASSERT_TRUE(client.socket.send_text("unheard"));
  ASSERT_TRUE(client.socket.send_ping({}));
  // New ones are not concerned.
  Client& fresh = connect("/fresh");
  send({"heard"});
  expect_messages(fresh, {"heard"});
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.end->transport.kind, net::TransportEnd::Kind::broken) << client.end->text;
  EXPECT_TRUE(client.messages.empty());
  EXPECT_TRUE(client.pongs.empty());
  EXPECT_TRUE(venue.messages.empty());
  const std::vector<Json> lines = log("removed");
  ASSERT_EQ(lines.size(), 4U);
  int to_venue = 0;
  for (const Json& line : lines) to_venue += line["direction"] == "to_venue" ? 1 : 0;
  EXPECT_EQ(to_venue, 2) << "a text and a ping";
}

TEST_P(FaultProxyTest, PartialStopsInTheMiddleOfAMessage) {
  Client& client = under("0s v partial for=300ms");
  send({std::string(1'000, 'p'), "behind"});
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.end->transport.kind, net::TransportEnd::Kind::broken) << client.end->text;
  EXPECT_TRUE(client.messages.empty());
  EXPECT_EQ(removed(), (Texts{std::string(1'000, 'p'), "behind"}));
}

TEST_P(FaultProxyTest, GarbageBreaksTheProtocol) {
  Client& client = under("0s v garbage bytes=100");
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.end->kind, WebSocketEnd::Kind::protocol) << client.end->text;
  EXPECT_EQ(client.end->error, net::WebSocketError::reserved_bits);
  const std::vector<Json> added = log("added");
  ASSERT_EQ(added.size(), 1U);
  EXPECT_EQ(added[0]["type"], "raw");
  EXPECT_EQ(added[0]["hex"].get<std::string>().size(), 200U);
}

TEST_P(FaultProxyTest, Rsv1ClaimsACompressionThatNobodyAgreedOn) {
  Client& client = under("0s v rsv1 match=hit");
  send({"spared", "hit", "behind"});
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.end->kind, WebSocketEnd::Kind::protocol) << client.end->text;
  EXPECT_EQ(client.end->error, net::WebSocketError::reserved_bits);
  EXPECT_EQ(client.messages, Texts{"spared"});
  EXPECT_EQ(removed(), (Texts{"hit", "behind"}));
}

TEST_P(FaultProxyTest, BigIsOneMoreMessage) {
  Client& client = under("0s v big bytes=16MiB");
  send({"behind"});
  ASSERT_TRUE(until([&] { return client.messages.size() == 2 || client.end; }));
  ASSERT_EQ(client.messages.size(), 2U) << client.end->text;
  EXPECT_EQ(client.messages[0].size(), std::size_t{16} << 20);
  EXPECT_TRUE(Json::accept(client.messages[0]));
  EXPECT_EQ(client.messages[1], "behind");
  const std::vector<Json> added = log("added");
  ASSERT_EQ(added.size(), 1U);
  EXPECT_EQ(added[0]["size"], 16 << 20);
  EXPECT_EQ(added[0]["text"].get<std::string>().size(), std::size_t{64} << 10);
  EXPECT_EQ(added[0]["text_cut"], true);
}

// --- who connects ---

TEST_P(FaultProxyTest, RefuseResetsWhoConnects) {
  make_proxy("always v refuse count=1");
  proxy->start();
  Client& client = dial();
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_FALSE(client.is_open);
  EXPECT_TRUE(venue.requests.empty());
  Client& second = connect();
  send({"good"});
  expect_messages(second, {"good"});
  EXPECT_EQ(count(FaultKind::refuse).answers, 1U);
}

TEST_P(FaultProxyTest, RefuseSilentlyAnswersNothingUntilItsEnd) {
  make_proxy("0s v refuse how=silent for=300ms");
  proxy->start();
  Client& client = dial();
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_FALSE(client.is_open);
  EXPECT_TRUE(venue.requests.empty());
  EXPECT_EQ(log("end").size(), 1U) << "it ended by the fault's end, not by a time-out of ours";
}

TEST_P(FaultProxyTest, HandshakesAreRefusedWithAStatus) {
  make_proxy("always v handshake code=429 retry-after=3 count=1");
  proxy->start();
  Client& client = dial();
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.end->kind, WebSocketEnd::Kind::refused) << client.end->text;
  EXPECT_EQ(client.end->status, 429);
  EXPECT_EQ(client.end->retry_after, "3");
  EXPECT_TRUE(venue.requests.empty()) << "the venue was not asked";
  EXPECT_EQ(answer("/rest").status, 200) << "HTTP is not concerned";
  connect();
}

TEST_P(FaultProxyTest, TrickleGivesByteByByte) {
  Client& client = under("0s v trickle bytes=1 each=1ms for=50ms");
  send({"slow", "and slower", "and slowest"});
  expect_messages(client, {"slow", "and slower", "and slowest"});
  EXPECT_EQ(count(FaultKind::trickle).connections, 1U);
  // And an answer to a request on the same way.
  proxy->stop();
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
}

TEST_P(FaultProxyTest, TrickleIsOfHttpToo) {
  make_proxy("always v trickle bytes=7 each=1ms");
  proxy->start();
  const Answer slow = answer("/slow");
  EXPECT_EQ(slow.status, 200);
  EXPECT_EQ(slow.body, "you asked /slow ");
  EXPECT_EQ(count(FaultKind::trickle).hits + count(FaultKind::trickle).connections, 1U);
}

// --- messages ---

TEST_P(FaultProxyTest, StallHoldsAndDeliversAll) {
  Client& client = under("always v stall match=held");
  send({"held 1", "free 1", "held 2", "free 2"});
  expect_messages(client, {"free 1", "free 2"});
  proxy->stop();  // ends the fault
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.messages, (Texts{"free 1", "free 2", "held 1", "held 2"}));
  EXPECT_EQ(count(FaultKind::stall).delayed, 2U);
  EXPECT_TRUE(removed().empty());
}

TEST_P(FaultProxyTest, StallOfEverythingHoldsPingsAndTheCloseToo) {
  Client& client = under("0s v stall for=200ms");
  send({"1", "2"});
  ASSERT_TRUE(venue.connections[0]->send_ping({}));
  send({"3"});
  venue.connections[0]->close(4002, "behind the stall");
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.messages, (Texts{"1", "2", "3"}));
  EXPECT_EQ(client.pings.size(), 1U);
  EXPECT_EQ(client.end->close_code, 4002) << client.end->text;
  EXPECT_EQ(log("released").at(0)["messages"], 4);
}

TEST_P(FaultProxyTest, WhatIsHeldWhenPerpLeavesIsRemoved) {
  Client& client = under("always v stall match=held");
  send({"held", "free"});
  expect_messages(client, {"free"});
  client.socket.close();
  ASSERT_TRUE(until([&] { return client.end.has_value() && proxy->is_idle(); }));
  EXPECT_EQ(removed(), Texts{"held"});
}

TEST_P(FaultProxyTest, SilenceRemovesWhatMatchesAndNothingElse) {
  Client& client = under("always v silence match=btcusdt@aggTrade");
  Texts sent;
  Texts kept;
  Texts lost;
  for (std::size_t i = 0; i < 300; ++i) {
    const bool is_hit = i % 3 == 0;
    sent.push_back((is_hit ? "btcusdt@aggTrade " : "ethusdt@aggTrade ") + std::to_string(i));
    (is_hit ? lost : kept).push_back(sent.back());
  }
  send(sent);
  expect_messages(client, kept);
  EXPECT_EQ(count(FaultKind::silence).removed, lost.size());
  const std::vector<Json> lines = log("removed");
  EXPECT_EQ(texts_of(lines), lost);
  EXPECT_EQ(lines[0]["direction"], "to_perp");
  EXPECT_EQ(lines[0]["type"], "text");
  EXPECT_EQ(lines[0]["line"], 1);
  EXPECT_EQ(lines[0]["size"], lost[0].size());
}

TEST_P(FaultProxyTest, OnlyHeartbeatsPass) {
  Client& client = under("always v heartbeats");
  ASSERT_TRUE(venue.connections[0]->send_ping({}));
  send({R"({"result":null,"id":1})", "data", R"({"channel":"pong"})"});
  expect_messages(client, {R"({"channel":"pong"})"});
  EXPECT_EQ(client.pings.size(), 1U);
  EXPECT_EQ(removed(), (Texts{R"({"result":null,"id":1})", "data"}));
}

TEST_P(FaultProxyTest, ASubscriptionIsAcknowledgedAndSilent) {
  Client& client = under("always v ack-only");
  send({R"({"result":null,"id":1})", "data 1", "data 2", R"({"channel":"pong"})"});
  expect_messages(client, {R"({"result":null,"id":1})", R"({"channel":"pong"})"});
  EXPECT_EQ(removed(), (Texts{"data 1", "data 2"}));
}

TEST_P(FaultProxyTest, AGapIsWhatTheLogSaysAndNothingElse) {
  Client& client = under("always v gap 1/50");
  Texts sent;
  for (std::size_t i = 0; i < 5'000; ++i) sent.push_back(numbered(i));
  for (std::size_t i = 0; i < sent.size(); i += 100)
    send({sent.begin() + static_cast<std::ptrdiff_t>(i),
          sent.begin() + static_cast<std::ptrdiff_t>(i + 100)});
  send({"end"});
  ASSERT_TRUE(until([&] { return !client.messages.empty() && client.messages.back() == "end"; }));
  client.messages.pop_back();
  const Texts lost = removed();
  // 100 expected, deviation 10.
  EXPECT_GT(lost.size(), 50U);
  EXPECT_LT(lost.size(), 150U);
  Texts all = client.messages;
  all.insert(all.end(), lost.begin(), lost.end());
  const auto number_of = [](const std::string& text) { return std::stoul(text.substr(8)); };
  EXPECT_TRUE(
      std::is_sorted(client.messages.begin(), client.messages.end(),
                     [&](const auto& a, const auto& b) { return number_of(a) < number_of(b); }));
  std::sort(all.begin(), all.end(),
            [&](const auto& a, const auto& b) { return number_of(a) < number_of(b); });
  EXPECT_EQ(all, sent);
}

TEST_P(FaultProxyTest, DuplicatesFollowTheirFirst) {
  Client& client = under("always v duplicate every=2 copies=3");
  send({"1", "2", "3", "4"});
  expect_messages(client, {"1", "2", "2", "2", "3", "4", "4", "4"});
  const std::vector<Json> lines = log("doubled");
  EXPECT_EQ(texts_of(lines), (Texts{"2", "4"}));
  EXPECT_EQ(lines[0]["copies"], 3);
}

TEST_P(FaultProxyTest, ReorderLetsLaterOnesPassFirst) {
  Client& client = under("always v reorder match=x hold=2 1/1");
  send({"1", "x", "2", "3", "4"});
  expect_messages(client, {"1", "2", "3", "x", "4"});
  const std::vector<Json> lines = log("moved");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["text"], "x");
  EXPECT_EQ(lines[0]["behind"], 2);
}

TEST_P(FaultProxyTest, AReorderedMessageComesAtTheLatestWithTheFaultsEnd) {
  Client& client = under("always v reorder match=x hold=100 1/1");
  send({"x", "1"});
  expect_messages(client, {"1"});
  proxy->stop();
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.messages, (Texts{"1", "x"}));
}

TEST_P(FaultProxyTest, NumbersAndTextsAreRewritten) {
  Client& client = under(
      "always v time-shift by=-24h keys=E\n"
      "always v sequence keys=u,U,pu\n"
      "always v rewrite match=rewritten from=rewritten to=changed\n");
  send({R"({"E":1700000000123,"s":"A","U":501,"u":510,"pu":500})", "rewritten", "plain"});
  expect_messages(client,
                  {R"({"E":1699913600123,"s":"A","U":2,"u":11,"pu":1})", "changed", "plain"});
  const std::vector<Json> lines = log("changed");
  ASSERT_EQ(lines.size(), 3U) << "one per line of the script";
  EXPECT_EQ(lines[0]["was"], R"({"E":1700000000123,"s":"A","U":501,"u":510,"pu":500})");
  EXPECT_EQ(lines[2]["was"], "rewritten");
  EXPECT_EQ(lines[2]["text"], "changed");
}

TEST_P(FaultProxyTest, LinesActInTheirOrder) {
  Client& client = under(
      "always v rewrite from=a to=b\n"
      "always v silence match=b\n");
  send({"a", "c"});
  expect_messages(client, {"c"});
  EXPECT_EQ(removed(), Texts{"b"}) << "as the second line saw it";
}

// --- HTTP ---

TEST_P(FaultProxyTest, RequestsAreAnsweredWithAStatusInTheVenuesStead) {
  make_proxy(
      "always v status code=429 retry-after=30 path=/banned\n"
      "always v status code=418 path=/teapot body=short\n");
  proxy->start();
  const Answer banned = answer("/banned");
  EXPECT_EQ(banned.status, 429);
  EXPECT_EQ(banned.retry_after, "30");
  EXPECT_EQ(banned.body, R"({"code":-429,"msg":"Too Many Requests"})");
  const Answer teapot = answer("/teapot");
  EXPECT_EQ(teapot.status, 418);
  EXPECT_EQ(teapot.retry_after, "");
  EXPECT_EQ(teapot.body, "short");
  EXPECT_EQ(answer("/free").status, 200);
  EXPECT_EQ(venue.requests, Texts{"/free"});
  const std::vector<Json> lines = log("answered");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["status"], 429);
  EXPECT_EQ(lines[0]["target"], "/banned");
}

TEST_P(FaultProxyTest, APageForPeopleComesWith200) {
  make_proxy("always v html count=1");
  proxy->start();
  const Answer page = answer("/fapi/v1/exchangeInfo");
  EXPECT_EQ(page.status, 200);
  EXPECT_TRUE(page.body.starts_with("<!DOCTYPE html>")) << page.body;
  EXPECT_TRUE(page.type.starts_with("text/html"));
  EXPECT_EQ(answer("/again").body, "you asked /again ");
}

TEST_P(FaultProxyTest, NoAnswerComesUntilTheFaultEnds) {
  make_proxy("0s v no-answer for=200ms");
  proxy->start();
  EXPECT_EQ(answer("/never").kind, net::HttpReply::Kind::transport);
  EXPECT_TRUE(venue.requests.empty());
  EXPECT_EQ(answer("/again").status, 200);
}

TEST_P(FaultProxyTest, BodiesAreRewritten) {
  make_proxy("always v rewrite path=/list from=asked to=\"wanted \\\"\" of=answers");
  proxy->start();
  EXPECT_EQ(answer("/list").body, "you wanted \" /list ");
  EXPECT_EQ(answer("/other").body, "you asked /other ");
  const std::vector<Json> lines = log("changed");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["type"], "answer");
  EXPECT_EQ(lines[0]["was"], "you asked /list ");
}

// --- the whole ---

TEST_P(FaultProxyTest, AVenueThatIsSlowerThanItsLimitsSlowsNobodyDownForGood) {
  Client& client = under("");
  client.socket.pause_receiving();
  const std::string text(200'000, 'y');
  // More than kernel and proxy may hold for a client that does not read.
  std::size_t sent = 0;
  const auto send_some = [&] {
    while (sent < 200 && venue.connections[0]->send_text(text)) ++sent;
  };
  for (int i = 0; i < 200; ++i) {
    send_some();
    loop->run_once(core::ns_per_ms / 10);
  }
  client.socket.resume_receiving();
  ASSERT_TRUE(until([&] {
    send_some();
    return client.messages.size() == 200;
  }));
  for (const std::string& message : client.messages) ASSERT_EQ(message, text);
}

TEST_P(FaultProxyTest, EachMessageIsHandedOverOrRemovedWhateverHappens) {
  // The client dials again and again while faults of every kind that loses, doubles or delays
  // messages come every 20 ms. What the venue has sent is then what came and what the log tells.
  seed = 4;
  SCOPED_TRACE("seed " + std::to_string(seed));
  make_proxy(
      "every 20ms v random for=15ms kinds=cut,rst,fin,close,half-open,partial,garbage,rsv1,trickle,"
      "stall,silence,heartbeats,ack-only,duplicate,reorder\n"
      "always v gap 1/500\n"
      "every 70ms v rst\n");
  std::map<std::string, int> came;
  std::size_t dials = 0;
  const auto collect = [&] {
    for (const std::string& text : clients.back()->messages) ++came[text];
    clients.back()->messages.clear();
  };
  connect();
  proxy->start();
  std::map<std::string, int> due;
  for (int i = 0; i < 30'000 || dials < 20;) {
    if (clients.back()->end) {
      collect();
      clients.clear();
      dial();
      ++dials;
    }
    for (net::WebConnection* const connection : venue.connections)
      for (int k = 0; k < 8; ++k) {
        const std::string text = "message " + std::to_string(i);
        if (!connection->send_text(text)) break;
        ++due[text];
        ++i;
      }
    loop->run_once(core::ns_per_ms / 4);
  }
  std::vector<std::vector<Json>> lines;
  lines.push_back(log("removed"));
  collect();
  for (const Json& line : lines[0])
    if (line["direction"] == "to_perp" && line["type"] == "text") --due[line["text"]];
  for (const Json& line : log("doubled")) due[line["text"]] += line["copies"].get<int>() - 1;
  std::erase_if(due, [](const auto& row) { return row.second == 0; });
  EXPECT_GT(lines[0].size(), 100U);
  EXPECT_GT(came.size(), 1'000U);
  std::size_t wrong = 0;
  for (const auto& [text, times] : due)
    if (came[text] != times && ++wrong < 5)
      ADD_FAILURE() << text << " came " << came[text] << " times of " << times;
  for (const auto& [text, times] : came)
    if (times > 0 && !due.contains(text) && ++wrong < 5)
      ADD_FAILURE() << text << " was removed and came";
  EXPECT_EQ(wrong, 0U);
}

TEST_P(FaultProxyTest, TheLogTellsEachFaultsBeginAndEnd) {
  Client& client = under("0s v silence for=20ms\n");
  ASSERT_TRUE(until([&] { return count(FaultKind::silence).episodes == 1; }));
  const auto has_ended = [&] {
    std::ifstream in(log_file);
    for (std::string line; std::getline(in, line);)
      if (line.find(R"("what":"end")") != std::string::npos) return true;
    return false;
  };
  ASSERT_TRUE(until(has_ended)) << "it is written while the proxy runs";
  send({"heard again"});
  expect_messages(client, {"heard again"});
  const std::vector<Json> begins = log("begin");
  ASSERT_EQ(begins.size(), 1U);
  EXPECT_EQ(begins[0]["for_ns"], 20 * core::ns_per_ms);
}

TEST_P(FaultProxyTest, OptionsThatCannotBeUsedAreNamed) {
  make_proxy("");
  FaultProxyOptions options;
  options.venues.push_back({.name = "v",
                            .rest = net::Url::parse("https://127.0.0.1:1"),
                            .websocket = net::Url::parse("https://127.0.0.1:1")});
  options.client_tls = &client_tls;
  EXPECT_THROW(FaultProxy(*loop, resolver, options), core::Error);
  options.venues[0].websocket = net::Url::parse("wss://127.0.0.1:1");
  options.client_tls = nullptr;
  EXPECT_THROW(FaultProxy(*loop, resolver, options), core::Error) << "TLS without authorities";
  options.client_tls = &client_tls;
  options.log_file = "/nowhere/faults.jsonl";
  EXPECT_THROW(FaultProxy(*loop, resolver, options), core::Error);
}

INSTANTIATE_TEST_SUITE_P(Io, FaultProxyTest,
                         testing::Values(net::IoEngine::uring, net::IoEngine::epoll),
                         [](const testing::TestParamInfo<net::IoEngine>& row) {
                           return std::string(net::name_of(row.param));
                         });

}  // namespace
}  // namespace perp::sim::test
