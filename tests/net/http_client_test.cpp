// HttpClient against Python's http.server, on both engines, plain and over TLS.
#include "net/client_support.hpp"

#include <perp/core/error.hpp>

namespace perp::net::test {
namespace {

struct Answer {
  HttpReply::Kind kind;
  int status = 0;
  std::string body{};
  std::string text{};
  std::string retry_after{};
  std::int64_t round_trip_ns = 0;
};

class HttpClientTest : public ClientTest {
 protected:
  void start(const HttpClientOptions& options = {}) {
    peer.emplace("http_server.py", files());
    client.emplace(loop, resolver, url(Url::Scheme::http, peer->port()), tls, options);
  }
  HttpClient::OnReply note() {
    return [this](const HttpReply& reply) {
      Answer answer{.kind = reply.kind, .status = reply.status(), .text = reply.text};
      if (reply.response != nullptr) {
        answer.body = reply.response->body_text();
        answer.retry_after = reply.response->head().value("Retry-After");
        answer.round_trip_ns = reply.received_at - reply.sent_at;
        EXPECT_GT(reply.receive_ns.ns, 1'600'000'000 * core::ns_per_second);
      }
      answers.push_back(std::move(answer));
    };
  }
  const Answer& get(const std::string& target) {
    const std::size_t before = answers.size();
    client->get(target, note());
    EXPECT_TRUE(until([&] { return answers.size() > before; })) << target;
    if (answers.size() == before) answers.push_back({.kind = HttpReply::Kind::timed_out});
    return answers.back();
  }

  std::optional<ForeignPeer> peer;
  std::optional<HttpClient> client;
  std::vector<Answer> answers;
};

TEST_P(HttpClientTest, AConnectionIsKeptForTheNextRequest) {
  start();
  for (int i = 0; i < 5; ++i) {
    const Answer& answer = get("/hello");
    EXPECT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(answer.body, "hello 1");
    EXPECT_GT(answer.round_trip_ns, 0);
  }
  EXPECT_EQ(client->connection_count(), 1U);
  EXPECT_EQ(client->dial_count(), 1U);
  EXPECT_EQ(client->pending(), 0U);
}

TEST_P(HttpClientTest, ManyRequestsShareAFewConnectionsAndEachGetsItsAnswer) {
  start({.connections_max = 3});
  for (int i = 0; i < 100; ++i) client->post("/echo", "body " + std::to_string(i), note());
  EXPECT_EQ(client->pending(), 100U);
  ASSERT_TRUE(until([&] { return answers.size() == 100; }));
  EXPECT_LE(client->connection_count(), 3U);
  std::vector<std::string> bodies;
  for (const Answer& answer : answers) bodies.push_back(answer.body);
  std::sort(bodies.begin(), bodies.end());
  EXPECT_EQ(std::unique(bodies.begin(), bodies.end()), bodies.end());
  for (const std::string& body : bodies) EXPECT_TRUE(body.starts_with("body ")) << body;
}

TEST_P(HttpClientTest, BodiesComeWholeInEachForm) {
  start();
  std::string expected = "{\"symbols\":[";
  for (int i = 0; i < 2000; ++i) expected += (i == 0 ? "\"S" : ",\"S") + std::to_string(i) + "\"";
  expected += "]}";
  EXPECT_EQ(get("/gzip").body, expected);
  EXPECT_EQ(get("/chunked").body, expected);
  const std::string large(3'000'000, 'x');
  client->post("/echo", large.substr(0, 900'000), note());
  ASSERT_TRUE(until([&] { return answers.size() == 3; }));
  EXPECT_EQ(answers.back().body, large.substr(0, 900'000));
}

TEST_P(HttpClientTest, AnErrorStatusIsAnAnswer) {
  start();
  for (const int status : {400, 403, 418, 429, 500, 503}) {
    const Answer& answer = get("/status/" + std::to_string(status));
    EXPECT_EQ(answer.kind, HttpReply::Kind::answered);
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.retry_after, "3");
  }
}

TEST_P(HttpClientTest, RedirectsStayOnTheServer) {
  start();
  EXPECT_EQ(get("/move").body, "hello 1");
  const Answer away = get("/away");
  EXPECT_EQ(away.kind, HttpReply::Kind::bad_answer);
  EXPECT_NE(away.text.find("elsewhere.test"), std::string::npos) << away.text;
  const Answer loop_answer = get("/loop");
  EXPECT_EQ(loop_answer.kind, HttpReply::Kind::bad_answer);
  EXPECT_EQ(get("/hello").body, "hello 1");  // the connection is none the worse
}

TEST_P(HttpClientTest, AClosedConnectionIsReplaced) {
  start();
  EXPECT_EQ(get("/close").body, "close 1");
  EXPECT_EQ(get("/hello").body, "hello 2");
  EXPECT_EQ(get("/once").body, "once 2");
  // The server has closed without saying so: before or while the next request goes out.
  EXPECT_EQ(get("/hello").body, "hello 3");
  EXPECT_EQ(client->dial_count(), 3U);
}

TEST_P(HttpClientTest, SilenceAndHalfAnAnswerAreGivenUp) {
  start({.connections_max = 2,
         .answer_timeout_ns = 100 * core::ns_per_ms,
         .body_timeout_ns = 100 * core::ns_per_ms});
  const Answer silent = get("/silent");
  EXPECT_EQ(silent.kind, HttpReply::Kind::timed_out);
  EXPECT_NE(silent.text.find("no answer to GET /silent within 100 ms"), std::string::npos)
      << silent.text;
  const Answer half = get("/half");
  EXPECT_EQ(half.kind, HttpReply::Kind::timed_out);
  EXPECT_NE(half.text.find("no whole answer"), std::string::npos) << half.text;
}

TEST_P(HttpClientTest, ACancelledRequestGetsNoAnswer) {
  start({.connections_max = 1});
  const auto first = client->get("/silent", note());
  const auto second = client->get("/hello", note());
  client->get("/hello", note());
  client->cancel(second);
  for (int i = 0; i < 30; ++i) loop.run_once(core::ns_per_ms);
  client->cancel(first);
  const std::size_t before = client->pending();
  EXPECT_EQ(before, 1U);
  get("/hello");
  ASSERT_TRUE(until([&] { return answers.size() == 2; }));
  EXPECT_EQ(client->pending(), 0U);
}

TEST_P(HttpClientTest, NobodyThereIsSaidSo) {
  std::uint16_t port = 0;
  {
    const PlainSocket was = PlainSocket::listen();
    port = was.endpoint().port;
  }
  client.emplace(loop, resolver, url(Url::Scheme::http, port), tls);
  const Answer& answer = get("/");
  EXPECT_EQ(answer.kind, HttpReply::Kind::transport);
  EXPECT_NE(answer.text.find("refused"), std::string::npos) << answer.text;
}

TEST_P(HttpClientTest, MoreThanTheQueueHoldsIsRefused) {
  start({.connections_max = 1, .queue_max = 10});
  for (int i = 0; i < 15; ++i) client->get("/hello", note());
  ASSERT_TRUE(until([&] { return answers.size() == 15; }));
  int refused = 0;
  for (const Answer& answer : answers) refused += answer.kind == HttpReply::Kind::queue_full;
  EXPECT_EQ(refused, 5);
}

TEST_P(HttpClientTest, ATargetThatIsNoneIsRefused) {
  start();
  EXPECT_EQ(get("no slash").kind, HttpReply::Kind::bad_answer);
  EXPECT_EQ(get("/a b").kind, HttpReply::Kind::bad_answer);
  EXPECT_EQ(get("/hello").status, 200);
}

INSTANTIATE_TEST_SUITE_P(Io, HttpClientTest, all_ways(), name_of_way);

}  // namespace
}  // namespace perp::net::test
