// Goal: connections end, stop and are refused exactly as the script says.
#include "sim/fault_proxy_support.hpp"

namespace perp::sim::test {
namespace {

class FaultProxyConnections : public FaultProxyTest {};

// --- connections that end ---

TEST_P(FaultProxyConnections, RstResetsWebSocketsBehindWhatWasRelayed) {
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

TEST_P(FaultProxyConnections, WhatTheVenueSendsIntoAConnectionThatEndsIsToldAsRemoved) {
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

TEST_P(FaultProxyConnections, CloseSaysWhatTheScriptSays) {
  Client& client = under(R"(0s v close code=1012 reason="service restart")");
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.end->kind, WebSocketEnd::Kind::closed_by_peer) << client.end->text;
  EXPECT_EQ(client.end->close_code, 1012);
  EXPECT_NE(client.end->text.find("service restart"), std::string::npos);
  EXPECT_TRUE(until([&] { return proxy->is_idle(); }));
}

TEST_P(FaultProxyConnections, CutEndsAllConnectionsAtOnceAndNewOnesAreGood) {
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

TEST_P(FaultProxyConnections, InAnIntervalNewConnectionsAreHitAsWell) {
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

TEST_P(FaultProxyConnections, HalfOpenCarriesNothingAndEndsInAReset) {
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

TEST_P(FaultProxyConnections, PartialStopsInTheMiddleOfAMessage) {
  Client& client = under("0s v partial for=300ms");
  send({std::string(1'000, 'p'), "behind"});
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.end->transport.kind, net::TransportEnd::Kind::broken) << client.end->text;
  EXPECT_TRUE(client.messages.empty());
  EXPECT_EQ(removed(), (Texts{std::string(1'000, 'p'), "behind"}));
}

TEST_P(FaultProxyConnections, GarbageBreaksTheProtocol) {
  Client& client = under("0s v garbage bytes=100");
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.end->kind, WebSocketEnd::Kind::protocol) << client.end->text;
  EXPECT_EQ(client.end->error, net::WebSocketError::reserved_bits);
  const std::vector<Json> added = log("added");
  ASSERT_EQ(added.size(), 1U);
  EXPECT_EQ(added[0]["type"], "raw");
  EXPECT_EQ(added[0]["hex"].get<std::string>().size(), 200U);
}

TEST_P(FaultProxyConnections, Rsv1ClaimsACompressionThatNobodyAgreedOn) {
  Client& client = under("0s v rsv1 match=hit");
  send({"spared", "hit", "behind"});
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.end->kind, WebSocketEnd::Kind::protocol) << client.end->text;
  EXPECT_EQ(client.end->error, net::WebSocketError::reserved_bits);
  EXPECT_EQ(client.messages, Texts{"spared"});
  EXPECT_EQ(removed(), (Texts{"hit", "behind"}));
}

TEST_P(FaultProxyConnections, BigIsOneMoreMessage) {
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

TEST_P(FaultProxyConnections, RefuseResetsWhoConnects) {
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

TEST_P(FaultProxyConnections, RefuseSilentlyAnswersNothingUntilItsEnd) {
  make_proxy("0s v refuse how=silent for=300ms");
  proxy->start();
  Client& client = dial();
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_FALSE(client.is_open);
  EXPECT_TRUE(venue.requests.empty());
  EXPECT_EQ(log("end").size(), 1U) << "it ended by the fault's end, not by a time-out of ours";
}

TEST_P(FaultProxyConnections, HandshakesAreRefusedWithAStatus) {
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

TEST_P(FaultProxyConnections, TrickleGivesByteByByte) {
  Client& client = under("0s v trickle bytes=1 each=1ms for=50ms");
  send({"slow", "and slower", "and slowest"});
  expect_messages(client, {"slow", "and slower", "and slowest"});
  EXPECT_EQ(count(FaultKind::trickle).connections, 1U);
  // And an answer to a request on the same way.
  proxy->stop();
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
}

TEST_P(FaultProxyConnections, TrickleIsOfHttpToo) {
  make_proxy("always v trickle bytes=7 each=1ms");
  proxy->start();
  const Answer slow = answer("/slow");
  EXPECT_EQ(slow.status, 200);
  EXPECT_EQ(slow.body, "you asked /slow ");
  EXPECT_EQ(count(FaultKind::trickle).hits + count(FaultKind::trickle).connections, 1U);
}

INSTANTIATE_TEST_SUITE_P(Io, FaultProxyConnections,
                         testing::Values(net::IoEngine::uring, net::IoEngine::epoll),
                         [](const testing::TestParamInfo<net::IoEngine>& row) {
                           return std::string(net::name_of(row.param));
                         });

}  // namespace
}  // namespace perp::sim::test
