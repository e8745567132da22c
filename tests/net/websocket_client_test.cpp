// WebSocketClient against python3-websockets and ws of npm, and our server against their clients,
// on both engines, plain and over TLS; and against peers that misbehave.
#include "net/client_support.hpp"

#include <perp/core/error.hpp>

#include <thread>

namespace perp::net::test {
namespace {

class WebSocketClientTest : public ClientTest {
 protected:
  void SetUp() override {
    ClientTest::SetUp();
    if (!IsSkipped() && !ForeignPeer::has_module("websockets"))
      GTEST_SKIP() << "python3-websockets is not installed";
  }
  void start() { peer.emplace("websocket_server.py", files()), port = peer->port(); }
  void dial(const std::string& target, const WebSocketConnectOptions& options = {}) {
    client.dial(resolver, url(Url::Scheme::ws, port, target), tls, options);
  }

  std::optional<ForeignPeer> peer;
  std::uint16_t port = 0;
  Listening listening;
  WebSocketClient client{loop, listening};
};

TEST_P(WebSocketClientTest, AForeignServerGivesBackWhatWasSent) {
  start();
  dial("/echo");
  ASSERT_TRUE(until([&] { return listening.is_open; }));
  EXPECT_EQ(client.security() == "plain", !GetParam().has_tls);
  std::vector<std::string> sent;
  for (std::size_t size : {0UL, 1UL, 125UL, 126UL, 65'535UL, 65'536UL, 300'000UL}) {
    sent.emplace_back(size, static_cast<char>('a' + sent.size()));
    ASSERT_TRUE(client.send_text(sent.back()));
  }
  ASSERT_TRUE(until([&] { return listening.messages.size() == sent.size(); }));
  EXPECT_EQ(listening.messages, sent);
  ASSERT_TRUE(client.send_ping(bytes_of("hello")));
  ASSERT_TRUE(until([&] { return !listening.pongs.empty(); }));
  EXPECT_EQ(listening.pongs, std::vector<std::string>{"hello"});
  client.close();
  ASSERT_TRUE(until([&] { return !listening.ends.empty(); }));
  EXPECT_EQ(listening.ends[0].kind, WebSocketEnd::Kind::closed_by_us) << listening.ends[0].text;
  EXPECT_TRUE(listening.ends[0].was_open);
  EXPECT_FALSE(client.exists());
}

TEST_P(WebSocketClientTest, CompressionIsAgreedOn) {
  start();
  dial("/echo", {.deflate = WebSocketDeflateOffer{}});
  ASSERT_TRUE(until([&] { return listening.is_open; }));
  EXPECT_TRUE(client.has_deflate());
  const std::string text(100'000, 'x');
  ASSERT_TRUE(client.send_text(text));
  ASSERT_TRUE(until([&] { return !listening.messages.empty(); }));
  EXPECT_EQ(listening.messages[0], text);
}

TEST_P(WebSocketClientTest, AllMessagesComeInOrderAndTheCloseBehindThem) {
  start();
  dial("/burst/20000");
  ASSERT_TRUE(until([&] { return !listening.ends.empty(); }));
  ASSERT_EQ(listening.messages.size(), 20'000U);
  for (std::size_t i = 0; i < listening.messages.size(); ++i)
    ASSERT_EQ(listening.messages[i], std::to_string(i));
  EXPECT_LT(listening.batches, 20'000);
  EXPECT_EQ(listening.ends[0].kind, WebSocketEnd::Kind::closed_by_peer) << listening.ends[0].text;
  EXPECT_EQ(listening.ends[0].close_code, 4001);
  EXPECT_NE(listening.ends[0].text.find("done"), std::string::npos) << listening.ends[0].text;
}

TEST_P(WebSocketClientTest, PingsAreAnswered) {
  start();
  dial("/ping");
  ASSERT_TRUE(until([&] { return !listening.messages.empty(); }));
  EXPECT_EQ(listening.messages[0], "ponged");
}

TEST_P(WebSocketClientTest, ARefusalTellsItsStatusAndWhenToComeBack) {
  start();
  dial("/refuse");
  ASSERT_TRUE(until([&] { return !listening.ends.empty(); }));
  const WebSocketEnd& end = listening.ends[0];
  EXPECT_EQ(end.kind, WebSocketEnd::Kind::refused) << end.text;
  EXPECT_EQ(end.status, 429);
  EXPECT_EQ(end.retry_after, "7");
  EXPECT_EQ(end.body, "too many requests\n");
  EXPECT_FALSE(end.was_open);
  EXPECT_FALSE(listening.is_open);
}

TEST_P(WebSocketClientTest, ACutIsNoOrderlyEnd) {
  start();
  dial("/cut");
  ASSERT_TRUE(until([&] { return !listening.ends.empty(); }));
  EXPECT_EQ(listening.ends[0].kind, WebSocketEnd::Kind::transport) << listening.ends[0].text;
  EXPECT_TRUE(listening.ends[0].was_open);
  EXPECT_EQ(listening.ends[0].close_code, 0);
}

TEST_P(WebSocketClientTest, AMessageAboveTheLimitEndsTheConnection) {
  start();
  Listening small;
  WebSocketClient limited(loop, small, {.message_bytes = 100'000});
  limited.dial(resolver, url(Url::Scheme::ws, port, "/big/100001"), tls);
  ASSERT_TRUE(until([&] { return !small.ends.empty(); }));
  EXPECT_EQ(small.ends[0].kind, WebSocketEnd::Kind::protocol) << small.ends[0].text;
  EXPECT_EQ(small.ends[0].error, WebSocketError::message_too_big);
  EXPECT_TRUE(small.messages.empty());
  limited.dial(resolver, url(Url::Scheme::ws, port, "/big/100000"), tls);
  ASSERT_TRUE(until([&] { return !small.messages.empty(); }));
  EXPECT_EQ(small.messages[0], std::string(100'000, 'a'));
}

TEST_P(WebSocketClientTest, CanBeDialledAgainFromItsEnd) {
  start();
  struct Again final : WebSocketHandler {
    WebSocketClient* client = nullptr;
    std::function<void()> dial;
    int opens = 0;
    int ends = 0;
    void on_open(const WebSocketClientHandshake&) override {
      ++opens;
      client->close();
    }
    void on_message(const WebSocketMessage&, core::WallNs) override {}
    void on_end(const WebSocketEnd&) override {
      if (++ends < 5) dial();
    }
  } again;
  WebSocketClient own(loop, again);
  again.client = &own;
  again.dial = [&] { own.dial(resolver, url(Url::Scheme::ws, port, "/echo"), tls); };
  again.dial();
  ASSERT_TRUE(until([&] { return again.ends == 5; }));
  EXPECT_EQ(again.opens, 5);
}

TEST_P(WebSocketClientTest, MayBeAbortedInsideAMessage) {
  start();
  listening.do_on_message = [&](const WebSocketMessage& message) {
    if (message.text() == "10") client.abort();
  };
  dial("/burst/100");
  ASSERT_TRUE(until([&] { return listening.messages.size() >= 11; }));
  for (int i = 0; i < 50; ++i) loop.run_once(core::ns_per_ms);
  EXPECT_EQ(listening.messages.size(), 11U);
  EXPECT_TRUE(listening.ends.empty());
}

TEST_P(WebSocketClientTest, ASilentServerIsGivenUp) {
  const PlainSocket silent = PlainSocket::listen();
  port = silent.endpoint().port;
  dial("/", {.transport = {.open_timeout_ns = 50 * core::ns_per_ms},
             .handshake_timeout_ns = 50 * core::ns_per_ms});
  ASSERT_TRUE(until([&] { return !listening.ends.empty(); }));
  const WebSocketEnd& end = listening.ends[0];
  if (GetParam().has_tls) {
    EXPECT_EQ(end.kind, WebSocketEnd::Kind::transport) << end.text;
    EXPECT_EQ(end.transport.kind, TransportEnd::Kind::timed_out) << end.text;
  } else {
    EXPECT_EQ(end.kind, WebSocketEnd::Kind::timed_out) << end.text;
  }
  EXPECT_NE(end.text.find("within 50 ms"), std::string::npos) << end.text;
}

TEST_P(WebSocketClientTest, NobodyThereIsSaidSo) {
  {
    const PlainSocket was = PlainSocket::listen();
    port = was.endpoint().port;
  }
  dial("/");
  ASSERT_TRUE(until([&] { return !listening.ends.empty(); }));
  EXPECT_EQ(listening.ends[0].transport.kind, TransportEnd::Kind::unreachable);
  EXPECT_NE(listening.ends[0].text.find("refused"), std::string::npos) << listening.ends[0].text;
}

TEST_P(WebSocketClientTest, AnotherNameInTheCertificateIsRefused) {
  if (!GetParam().has_tls) GTEST_SKIP() << "a plain connection has no certificate";
  start();
  Url other = url(Url::Scheme::ws, port, "/echo");
  other.host = "other.test";
  client.dial(resolver, other, tls);
  ASSERT_TRUE(until([&] { return !listening.ends.empty(); }));
  EXPECT_EQ(listening.ends[0].transport.kind, TransportEnd::Kind::tls_failed);
  EXPECT_EQ(listening.ends[0].transport.tls, TlsErrorKind::name_mismatch);
  EXPECT_NE(listening.ends[0].text.find("other.test"), std::string::npos) << listening.ends[0].text;
}

TEST_P(WebSocketClientTest, AnHttpAddressIsRefused) {
  EXPECT_THROW(client.dial(resolver, Url::parse("https://venue.test/"), tls), core::Error);
}

INSTANTIATE_TEST_SUITE_P(Io, WebSocketClientTest, all_ways(), name_of_way);

// A proxy by plain system calls: reads one CONNECT, answers, and joins the two ends.
class TunnelProxy {
 public:
  TunnelProxy(std::uint16_t to, std::string answer)
      : listener_(PlainSocket::listen()), to_(to), answer_(std::move(answer)) {
    thread_ = std::thread([this] { serve(); });
  }
  ~TunnelProxy() {
    if (thread_.joinable()) request();
  }
  std::uint16_t port() const { return listener_.endpoint().port; }
  /// What it was asked, once the connection is over.
  std::string request() {
    ::shutdown(listener_.fd(), SHUT_RDWR);
    thread_.join();
    return request_;
  }

 private:
  void serve() {
    const PlainSocket client(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client.fd() < 0) return;
    char c = 0;
    while (!request_.ends_with("\r\n\r\n") && ::read(client.fd(), &c, 1) == 1) request_ += c;
    client.send_all(answer_);
    if (!answer_.starts_with("HTTP/1.1 200")) return;
    const PlainSocket server =
        PlainSocket::connect(Endpoint::loopback(Endpoint::Family::ipv4, to_));
    char buffer[4096];
    for (;;) {
      pollfd both[2] = {{client.fd(), POLLIN, 0}, {server.fd(), POLLIN, 0}};
      ::poll(both, 2, -1);
      for (int from = 0; from < 2; ++from) {
        if (both[from].revents == 0) continue;
        const ssize_t size = ::read(both[from].fd, buffer, sizeof buffer);
        if (size <= 0) return;
        (from == 0 ? server : client).send_all({buffer, static_cast<std::size_t>(size)});
      }
    }
  }
  PlainSocket listener_;
  std::uint16_t to_;
  std::string answer_;
  std::string request_;  // of thread_ until it is joined
  std::thread thread_;
};

TEST_P(WebSocketClientTest, AProxyIsAskedForATunnel) {
  start();
  {
    TunnelProxy proxy(port, "HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n");
    WebSocketConnectOptions options;
    options.transport.proxy = Proxy{"proxy.test", proxy.port(), "user:secret"};
    dial("/echo", options);
    ASSERT_TRUE(until([&] { return listening.is_open; }));
    ASSERT_TRUE(client.send_text("through"));
    ASSERT_TRUE(until([&] { return !listening.messages.empty(); }));
    EXPECT_EQ(listening.messages[0], "through");
    client.abort();
    ASSERT_TRUE(until([&] { return loop.socket_count() == 0; }));
    const std::string request = proxy.request();
    EXPECT_TRUE(request.starts_with("CONNECT venue.test:" + std::to_string(port) + " ")) << request;
    EXPECT_NE(request.find("Proxy-Authorization: Basic dXNlcjpzZWNyZXQ="), std::string::npos)
        << request;
  }
  TunnelProxy refusing(port,
                       "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
  WebSocketConnectOptions options;
  options.transport.proxy = Proxy{"proxy.test", refusing.port(), ""};
  dial("/echo", options);
  ASSERT_TRUE(until([&] { return !listening.ends.empty(); }));
  EXPECT_EQ(listening.ends[0].transport.kind, TransportEnd::Kind::proxy_refused);
  EXPECT_NE(listening.ends[0].text.find("407"), std::string::npos) << listening.ends[0].text;
}

// --- ws of npm, what most bots are built on ---

class WsServerTest : public ClientTest {
 protected:
  void SetUp() override {
    ClientTest::SetUp();
    if (!IsSkipped() && !ForeignPeer::has_ws()) GTEST_SKIP() << "node-ws is not installed";
    if (!IsSkipped()) peer.emplace("ws_server.js", files()), port = peer->port();
  }
  std::optional<ForeignPeer> peer;
  std::uint16_t port = 0;
  Listening listening;
  WebSocketClient client{loop, listening};
};
INSTANTIATE_TEST_SUITE_P(Io, WsServerTest, all_ways(), name_of_way);

TEST_P(WsServerTest, GivesBackWhatWasSentPlainAndCompressed) {
  for (const bool is_compressed : {false, true}) {
    listening = {};
    WebSocketConnectOptions options;
    if (is_compressed) options.deflate.emplace();
    client.dial(resolver, url(Url::Scheme::ws, port, "/"), tls, options);
    ASSERT_TRUE(until([&] { return listening.is_open; }));
    EXPECT_EQ(client.has_deflate(), is_compressed);
    std::vector<std::string> sent;
    for (std::size_t size : {0UL, 1UL, 125UL, 126UL, 65'535UL, 65'536UL, 300'000UL}) {
      sent.emplace_back(size, static_cast<char>('a' + sent.size()));
      ASSERT_TRUE(client.send_text(sent.back()));
    }
    ASSERT_TRUE(until([&] { return listening.messages.size() == sent.size(); }));
    EXPECT_EQ(listening.messages, sent);
  }
}

TEST_P(WsServerTest, PingsPongsAndClosesAsItDoes) {
  client.dial(resolver, url(Url::Scheme::ws, port, "/"), tls);
  ASSERT_TRUE(until([&] { return listening.is_open; }));
  ASSERT_TRUE(client.send_text("ping"));
  ASSERT_TRUE(until([&] { return !listening.messages.empty(); }));
  EXPECT_EQ(listening.messages[0], "ponged from ws");
  ASSERT_TRUE(client.send_ping(bytes_of("hello")));
  ASSERT_TRUE(until([&] { return !listening.pongs.empty(); }));
  EXPECT_EQ(listening.pongs, std::vector<std::string>{"hello"});
  ASSERT_TRUE(client.send_text("close"));
  ASSERT_TRUE(until([&] { return !listening.ends.empty(); }));
  EXPECT_EQ(listening.ends[0].kind, WebSocketEnd::Kind::closed_by_peer) << listening.ends[0].text;
  EXPECT_EQ(listening.ends[0].close_code, 4002);
}

// --- our server and a foreign client ---

class WebServerTest : public ClientTest, public WebServerHandler {
 protected:
  void on_request(WebConnection& connection, const HttpRequestParser& request) override {
    requests.emplace_back(request.method()).append(" ").append(request.target());
    if (asks_for_websocket(request))
      connection.accept_websocket({.deflate = WebSocketDeflateOffer{}});
    else
      connection.respond({.body = requests.back()});
  }
  void on_message(WebConnection& connection, const WebSocketMessage& message) override {
    if (message.event != WebSocketEvent::text) return;
    EXPECT_TRUE(connection.send_text("<" + std::string(message.text()) + ">"));
  }
  void on_end(WebConnection&, const TransportEnd& end) override { ends.push_back(end); }

  /// Serves one client until it has gone.
  void serve(const std::string& script) {
    // The client resolves by the system: an address stands in the certificate of this test.
    const perp::test::Certificate leaf = perp::test::Certificate::make(
        {.alternative_names = "IP:127.0.0.1"}, &perp::test::trusted_root());
    const TlsContext by_address =
        TlsContext::server({.certificate_file = perp::test::file_of(leaf.pem()),
                            .key_file = perp::test::file_of(leaf.key_pem())});
    WebServer here(loop, Endpoint::loopback(Endpoint::Family::ipv4, 0),
                   GetParam().has_tls ? &by_address : nullptr, *this);
    client.emplace(script,
                   std::vector<std::string>{
                       std::string(GetParam().has_tls ? "wss" : "ws") +
                           "://127.0.0.1:" + std::to_string(here.endpoint().port) + "/stream?a=b",
                       perp::test::trusted_root_file(), "one", std::string(70'000, 'z'), "drei €"});
    ASSERT_TRUE(until([&] { return !ends.empty(); }));
    EXPECT_EQ(requests, std::vector<std::string>{"GET /stream?a=b"});
    EXPECT_EQ(here.connection_count(), 0U);
  }

  std::optional<ForeignPeer> client;
  std::vector<std::string> requests;
  std::vector<TransportEnd> ends;
};

TEST_P(WebServerTest, SpeaksToAForeignWebSocketClient) {
  if (!ForeignPeer::has_module("websockets")) GTEST_SKIP() << "python3-websockets is not installed";
  serve("websocket_client.py");
  EXPECT_EQ(client->line(), "<one>");
  EXPECT_EQ(client->line(), "70002 of {'z'}");
  EXPECT_EQ(client->line(), "<drei €>");
  EXPECT_EQ(client->line(), "4321");
}

TEST_P(WebServerTest, SpeaksToWsOfNpm) {
  if (!ForeignPeer::has_ws()) GTEST_SKIP() << "node-ws is not installed";
  serve("ws_client.js");
  EXPECT_EQ(client->line(), "<one>");
  EXPECT_EQ(client->line(), "70002 long");
  EXPECT_EQ(client->line(), "<drei €>");
  EXPECT_EQ(client->line(), "4321");
}

INSTANTIATE_TEST_SUITE_P(Io, WebServerTest, all_ways(), name_of_way);

}  // namespace
}  // namespace perp::net::test
