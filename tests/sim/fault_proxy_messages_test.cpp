// Goal: messages and answers are held, removed, doubled, moved and changed exactly as the script
// says.
#include "sim/fault_proxy_support.hpp"

namespace perp::sim::test {
namespace {

class FaultProxyMessages : public FaultProxyTest {};

// --- messages ---

TEST_P(FaultProxyMessages, StallHoldsAndDeliversAll) {
  Client& client = under("always v stall match=held");
  send({"held 1", "free 1", "held 2", "free 2"});
  expect_messages(client, {"free 1", "free 2"});
  proxy->stop();  // ends the fault
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.messages, (Texts{"free 1", "free 2", "held 1", "held 2"}));
  EXPECT_EQ(count(FaultKind::stall).delayed, 2U);
  EXPECT_TRUE(removed().empty());
}

TEST_P(FaultProxyMessages, StallOfEverythingHoldsPingsAndTheCloseToo) {
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

TEST_P(FaultProxyMessages, WhatIsHeldWhenPerpLeavesIsRemoved) {
  Client& client = under("always v stall match=held");
  send({"held", "free"});
  expect_messages(client, {"free"});
  client.socket.close();
  ASSERT_TRUE(until([&] { return client.end.has_value() && proxy->is_idle(); }));
  EXPECT_EQ(removed(), Texts{"held"});
}

TEST_P(FaultProxyMessages, SilenceRemovesWhatMatchesAndNothingElse) {
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

TEST_P(FaultProxyMessages, OnlyHeartbeatsPass) {
  Client& client = under("always v heartbeats");
  ASSERT_TRUE(venue.connections[0]->send_ping({}));
  send({R"({"result":null,"id":1})", "data", R"({"channel":"pong"})"});
  expect_messages(client, {R"({"channel":"pong"})"});
  EXPECT_EQ(client.pings.size(), 1U);
  EXPECT_EQ(removed(), (Texts{R"({"result":null,"id":1})", "data"}));
}

TEST_P(FaultProxyMessages, ASubscriptionIsAcknowledgedAndSilent) {
  Client& client = under("always v ack-only");
  send({R"({"result":null,"id":1})", "data 1", "data 2", R"({"channel":"pong"})"});
  expect_messages(client, {R"({"result":null,"id":1})", R"({"channel":"pong"})"});
  EXPECT_EQ(removed(), (Texts{"data 1", "data 2"}));
}

TEST_P(FaultProxyMessages, AGapIsWhatTheLogSaysAndNothingElse) {
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

TEST_P(FaultProxyMessages, DuplicatesFollowTheirFirst) {
  Client& client = under("always v duplicate every=2 copies=3");
  send({"1", "2", "3", "4"});
  expect_messages(client, {"1", "2", "2", "2", "3", "4", "4", "4"});
  const std::vector<Json> lines = log("doubled");
  EXPECT_EQ(texts_of(lines), (Texts{"2", "4"}));
  EXPECT_EQ(lines[0]["copies"], 3);
}

TEST_P(FaultProxyMessages, WhatALaterLineRemovesOrHoldsIsToldAsDoubledOnlyIfItWas) {
  Client& client = under(
      "always v duplicate\n"
      "always v silence match=lost\n"
      "always v stall match=held\n");
  send({"1", "lost", "held", "2"});
  expect_messages(client, {"1", "1", "2", "2"});
  const std::vector<Json> lines = log("doubled");
  EXPECT_EQ(texts_of(lines), (Texts{"1", "held", "2"}));
  EXPECT_EQ(client.messages, (Texts{"1", "1", "2", "2", "held", "held"}));
  EXPECT_EQ(removed(), Texts{"lost"});
}

TEST_P(FaultProxyMessages, ReorderLetsLaterOnesPassFirst) {
  Client& client = under("always v reorder match=x hold=2 1/1");
  send({"1", "x", "2", "3", "4"});
  expect_messages(client, {"1", "2", "3", "x", "4"});
  const std::vector<Json> lines = log("moved");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["text"], "x");
  EXPECT_EQ(lines[0]["behind"], 2);
}

TEST_P(FaultProxyMessages, AReorderedMessageComesAtTheLatestWithTheFaultsEnd) {
  Client& client = under("always v reorder match=x hold=100 1/1");
  send({"x", "1"});
  expect_messages(client, {"1"});
  proxy->stop();
  ASSERT_TRUE(until([&] { return client.end.has_value(); }));
  EXPECT_EQ(client.messages, (Texts{"1", "x"}));
}

TEST_P(FaultProxyMessages, NumbersAndTextsAreRewritten) {
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

TEST_P(FaultProxyMessages, LinesActInTheirOrder) {
  Client& client = under(
      "always v rewrite from=a to=b\n"
      "always v silence match=b\n");
  send({"a", "c"});
  expect_messages(client, {"c"});
  EXPECT_EQ(removed(), Texts{"b"}) << "as the second line saw it";
}

// --- HTTP ---

TEST_P(FaultProxyMessages, RequestsAreAnsweredWithAStatusInTheVenuesStead) {
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

TEST_P(FaultProxyMessages, APageForPeopleComesWith200) {
  make_proxy("always v html count=1");
  proxy->start();
  const Answer page = answer("/fapi/v1/exchangeInfo");
  EXPECT_EQ(page.status, 200);
  EXPECT_TRUE(page.body.starts_with("<!DOCTYPE html>")) << page.body;
  EXPECT_TRUE(page.type.starts_with("text/html"));
  EXPECT_EQ(answer("/again").body, "you asked /again ");
}

TEST_P(FaultProxyMessages, NoAnswerComesUntilTheFaultEnds) {
  make_proxy("0s v no-answer for=200ms");
  proxy->start();
  EXPECT_EQ(answer("/never").kind, net::HttpReply::Kind::transport);
  EXPECT_TRUE(venue.requests.empty());
  EXPECT_EQ(answer("/again").status, 200);
}

TEST_P(FaultProxyMessages, BodiesAreRewritten) {
  make_proxy("always v rewrite path=/list from=asked to=\"wanted \\\"\" of=answers");
  proxy->start();
  EXPECT_EQ(answer("/list").body, "you wanted \" /list ");
  EXPECT_EQ(answer("/other").body, "you asked /other ");
  const std::vector<Json> lines = log("changed");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["type"], "answer");
  EXPECT_EQ(lines[0]["was"], "you asked /list ");
}

INSTANTIATE_TEST_SUITE_P(Io, FaultProxyMessages,
                         testing::Values(net::IoEngine::uring, net::IoEngine::epoll),
                         [](const testing::TestParamInfo<net::IoEngine>& row) {
                           return std::string(net::name_of(row.param));
                         });

}  // namespace
}  // namespace perp::sim::test
