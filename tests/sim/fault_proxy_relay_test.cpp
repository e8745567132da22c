// Goal: while no fault acts all passes unchanged and in order; whatever acts, each message is
// handed over or told, and the log tells what was done.
#include "sim/fault_proxy_support.hpp"
#include "support/malloc_counter.hpp"

namespace perp::sim::test {
namespace {

class FaultProxyRelay : public FaultProxyTest {};

// --- nothing goes wrong ---

TEST_P(FaultProxyRelay, WithoutAFaultAllPassesBothWays) {
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

TEST_P(FaultProxyRelay, TheVenuesCloseCodeAndReasonPass) {
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

TEST_P(FaultProxyRelay, ARefusedHandshakePassesWithItsStatus) {
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

TEST_P(FaultProxyRelay, AVenueThatIsNotThereIsTold) {
  make_proxy("");
  server.reset();
  Client& client = dial();
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.end->status, 502) << client.end->text;
  EXPECT_EQ(answer("/x").status, 502);
}

TEST_P(FaultProxyRelay, HttpPassesWithItsFields) {
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

TEST_P(FaultProxyRelay, RelayingAllocatesNothing) {
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

// --- the whole ---

TEST_P(FaultProxyRelay, AVenueThatIsSlowerThanItsLimitsSlowsNobodyDownForGood) {
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

TEST_P(FaultProxyRelay, AVenueThatClosesBehindMuchLosesNothing) {
  Client& client = under("");
  client.socket.pause_receiving();
  const std::string text(200'000, 'y');
  std::size_t sent = 0;
  while (sent < 60) {
    if (!venue.connections[0]->send_text(text)) {
      loop->run_once(core::ns_per_ms);
      continue;
    }
    ++sent;
  }
  venue.connections[0]->close(4003, "behind much");
  // Into the proxy, as far as it goes.
  for (int i = 0; i < 100; ++i) loop->run_once(core::ns_per_ms);
  client.socket.resume_receiving();
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.messages.size(), 60U);
  EXPECT_EQ(client.end->close_code, 4003) << client.end->text;
}

TEST_P(FaultProxyRelay, EachMessageIsHandedOverOrRemovedWhateverHappens) {
  // The client dials again and again while faults of every kind that loses, doubles or delays
  // messages come every 20 ms. What the venue has sent is then what came and what the log tells.
  seed = perp_seed_or(4);
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

TEST_P(FaultProxyRelay, TheLogTellsEachFaultsBeginAndEnd) {
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

TEST_P(FaultProxyRelay, OptionsThatCannotBeUsedAreNamed) {
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

INSTANTIATE_TEST_SUITE_P(Io, FaultProxyRelay,
                         testing::Values(net::IoEngine::uring, net::IoEngine::epoll),
                         [](const testing::TestParamInfo<net::IoEngine>& row) {
                           return std::string(net::name_of(row.param));
                         });

}  // namespace
}  // namespace perp::sim::test
