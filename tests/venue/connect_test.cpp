// What the connect contract itself must hold: the table of topics, plans of venues that are odd in
// ways the four are not, and how a message's outside is read.
#include "venue/connect_checks.hpp"
#include "venue/envelope.hpp"

#include <perp/core/error.hpp>

namespace perp::venue::test {
namespace {

TEST(SubscriptionTable, FindsWhatItWasGivenAndNothingElse) {
  // The oracle is a map. Names share beginnings and ends, so that hashes must tell middles apart.
  std::vector<std::string> topics;
  std::map<std::string, std::uint32_t> oracle;
  for (std::uint32_t i = 0; i < 3000; ++i) {
    topics.push_back("publicTrade." + std::to_string(i * 7919) + "USDT");
    oracle.emplace(topics.back(), i);
  }
  const SubscriptionTable table = table_of(topics);
  ASSERT_EQ(table.size(), topics.size());
  for (std::uint32_t i = 0; i < 30'000; ++i) {
    const std::string name = "publicTrade." + std::to_string(i) + "USDT";
    const auto want = oracle.find(name);
    ASSERT_EQ(table.find(name), want == oracle.end() ? no_subscription : want->second) << name;
  }
  for (std::uint32_t i = 0; i < topics.size(); ++i) ASSERT_EQ(table.topic(i), topics[i]);
}

TEST(SubscriptionTable, RefusesWhatIsNoTopic) {
  EXPECT_THROW(table_of({""}), core::Error);
  EXPECT_THROW(table_of({std::string(topic_bytes_max + 1, 'x')}), core::Error);
  const std::string longest(topic_bytes_max, 'x');
  const SubscriptionTable table = table_of({"a", longest, "a"});
  EXPECT_EQ(table.find("a"), 0U) << "what is there twice keeps its first number";
  EXPECT_EQ(table.size(), 3U);
  EXPECT_EQ(table.find(longest), 1U);
  EXPECT_EQ(table.find(longest + "x"), no_subscription);
  EXPECT_EQ(table.find(""), no_subscription);
  EXPECT_EQ(SubscriptionTable().find("a"), no_subscription);
}

TEST(TopicText, IsEmptyWhenItIsTooLong) {
  TopicText text;
  text.append(std::string(topic_bytes_max, 'x'));
  EXPECT_EQ(text.view().size(), topic_bytes_max);
  text.append("y");
  EXPECT_TRUE(text.view().empty());
  TopicText lower;
  lower.append("A").append_lower_case("BTC\u5e01Z");
  EXPECT_EQ(lower.view(), "Abtc\u5e01z");
}

TEST(SubscriptionPlan, RefusesSymbolsThatAreNone) {
  const Connect& connect = *binance_adapter().connect;
  const auto plan = [&](std::vector<std::string_view> symbols) {
    return plan_subscriptions(connect, all_kinds, symbols);
  };
  EXPECT_THROW(plan({""}), core::Error);
  EXPECT_THROW(plan({"BTCUSDT", "BTCUSDT"}), core::Error);
  const std::string long_name(topic_bytes_max, 'X');
  EXPECT_THROW(plan({long_name}), core::Error);
  EXPECT_EQ(plan({}).shards.size(), 1U) << "the venue-wide liquidations only";
  EXPECT_TRUE(plan_subscriptions(connect, 0, {}).shards.empty());
}

TEST(SubscriptionPlan, WhatIsCarriedStaysWhereItIs) {
  // Room for three topics a connection.
  static constexpr auto sockets = std::to_array<Socket>(
      {{.name = "all", .origin = "wss://venue.example", .limits = {.topics_per_connection = 3}}});
  static constexpr auto streams =
      std::to_array<Stream>({{.kinds = kinds_of(StreamKind::trades), .prefix = "t."},
                             {.kinds = kinds_of(StreamKind::bbo), .prefix = "b."}});
  const Connect connect{.sockets = sockets, .streams = streams};
  const auto texts = [](const Plan& plan) {
    std::vector<std::vector<std::string>> all;
    for (const Shard& shard : plan.shards) {
      all.emplace_back();
      for (const Topic& topic : shard.topics) all.back().push_back(topic.text);
    }
    return all;
  };
  using Texts = std::vector<std::vector<std::string>>;
  const std::vector<std::string_view> three{"A", "B", "C"};
  const Plan first = plan_subscriptions(connect, all_kinds, three);
  ASSERT_EQ(texts(first), (Texts{{"t.A", "b.A", "t.B"}, {"b.B", "t.C", "b.C"}}));
  EXPECT_EQ(texts(plan_subscriptions(connect, all_kinds, three, first.shards)), texts(first));
  // Without B, and with D: its place is taken, nothing else moves.
  const std::vector<std::string_view> others{"D", "C", "A"};
  const Plan second = plan_subscriptions(connect, all_kinds, others, first.shards);
  EXPECT_EQ(texts(second), (Texts{{"t.A", "b.A", "t.D"}, {"t.C", "b.C", "b.D"}}));
  for (const Shard& shard : second.shards)
    for (const Topic& topic : shard.topics)
      EXPECT_EQ(topic.text.substr(2), others[topic.symbol]) << "numbered as asked for now";
  EXPECT_EQ(texts(plan_subscriptions(connect, all_kinds, {}, first.shards)), (Texts{{}, {}}));
  const Plan trades =
      plan_subscriptions(connect, kinds_of(StreamKind::trades), three, first.shards);
  EXPECT_EQ(texts(trades), (Texts{{"t.A", "t.B"}, {"t.C"}}));
}

TEST(SubscriptionPlan, AUrlCanBeTheSubscription) {
  // One connection per stream whose path is the topic, with a field that the venue demands.
  static constexpr auto fields = std::to_array<HeaderField>({{"User-Agent", "perp"}});
  static constexpr auto sockets = std::to_array<Socket>({{.name = "stream",
                                                          .origin = "wss://venue.example",
                                                          .target = "/v1",
                                                          .limits = {.topics_per_connection = 1},
                                                          .fields = fields,
                                                          .is_topic_the_target = true}});
  static constexpr auto streams = std::to_array<Stream>(
      {{.kinds = kinds_of(StreamKind::trades), .prefix = "/publicTrades/"},
       {.kinds = kinds_of(StreamKind::bbo), .prefix = "/orderbooks/", .suffix = "?depth=1"}});
  const Connect connect{.sockets = sockets, .streams = streams};
  const std::vector<std::string_view> symbols{"BTC-USD", "ETH-USD"};
  const Plan plan = plan_subscriptions(connect, all_kinds, symbols);
  ASSERT_EQ(plan.shards.size(), 4U);
  EXPECT_EQ(dial_target(connect, plan.shards[0]), "/v1/publicTrades/BTC-USD");
  EXPECT_EQ(dial_target(connect, plan.shards[3]), "/v1/orderbooks/ETH-USD?depth=1");
  EXPECT_TRUE(make_frames(connect, 0, Verb::subscribe, plan.shards[0].topics, 1).empty());
  const std::vector<std::string_view> other{"SOL-USD"};
  const Plan next = plan_subscriptions(connect, kinds_of(StreamKind::trades), other, plan.shards);
  ASSERT_EQ(next.shards.size(), 5U) << "what is dialled keeps its address: there is no room there";
  EXPECT_TRUE(next.shards[0].topics.empty());
  EXPECT_EQ(next.shards[4].topics.at(0).text, "/publicTrades/SOL-USD");
}

TEST(SubscriptionPlan, ATokenCanComeBeforeTheDial) {
  // The reply says where to dial and with what token.
  static constexpr TokenStep token{
      .method = "POST",
      .target = "/api/v1/bullet-public",
      .read = [](std::string_view body, std::uint64_t connect_id, TokenReply& said) {
        const Json reply = Json::parse(body, nullptr, false);
        if (!reply.is_object() || !reply.contains("data")) return false;
        said.url = reply["data"]["instanceServers"][0]["endpoint"].get<std::string>() +
                   "?token=" + reply["data"]["token"].get<std::string>() +
                   "&connectId=" + std::to_string(connect_id);
        return true;
      }};
  static constexpr auto sockets =
      std::to_array<Socket>({{.name = "classic", .token = &token, .waits_for_greeting = true}});
  const Connect connect{.sockets = sockets};
  TokenReply said;
  ASSERT_TRUE(connect.sockets[0].token->read(
      R"({"data":{"token":"abc","instanceServers":[{"endpoint":"wss://ws.example/"}]}})", 7, said));
  EXPECT_EQ(said.url, "wss://ws.example/?token=abc&connectId=7");
  EXPECT_FALSE(connect.sockets[0].token->read("{}", 7, said));
}

TEST(SubscriptionPlan, FramesStayWithinTheirBytes) {
  // Fewer topics a frame where their text is long.
  Connect connect = *okx_adapter().connect;
  std::vector<Socket> sockets(connect.sockets.begin(), connect.sockets.end());
  sockets[0].limits.frame_bytes = 200;
  connect.sockets = sockets;
  std::vector<Topic> topics;
  for (int i = 0; i < 50; ++i)
    topics.push_back({.text = "trades:COIN" + std::to_string(i) + "-USDT-SWAP"});
  std::size_t next = 0;
  for (const ClientFrame& frame : make_frames(connect, 0, Verb::subscribe, topics, 1)) {
    EXPECT_EQ(frame.first, next);
    next += frame.count;
    EXPECT_LE(frame.text.size(), 200U);
    EXPECT_EQ(Json::parse(frame.text)["args"].size(), frame.count);
  }
  EXPECT_EQ(next, topics.size());
}

TEST(RestRequest, RefusesAnUnknownEndpoint) {
  EXPECT_FALSE(make_request(binance_adapter(), {.endpoint = "nonsense"}).has_value());
}

TEST(RestRequest, EscapesWhatComesFromOutside) {
  const RestCall* const call =
      find_call(*hyperliquid_adapter().connect, RestPurpose::trade_fill, "recentTrades");
  ASSERT_NE(call, nullptr);
  const auto body = make_request(hyperliquid_adapter(), *call, {.symbol = "a\"b\\c\n"});
  ASSERT_TRUE(body.has_value());
  EXPECT_EQ(Json::parse(body->body)["coin"], "a\"b\\c\n");
  const RestCall* const query =
      find_call(*binance_adapter().connect, RestPurpose::poll, "openInterest");
  ASSERT_NE(query, nullptr);
  EXPECT_EQ(make_request(binance_adapter(), *query, {.symbol = "A&b=%/ "})->target,
            "/fapi/v1/openInterest?symbol=A%26b%3D%25%2F%20");
}

TEST(Envelope, ReadsKeysAndSkipsValues) {
  using envelope::Cursor;
  Cursor root(R"( { "a" : [1,{"x":"]}\""}] , "b\"" : "q\\" , "c":-1.5e3,"d": {"e":null} } )");
  ASSERT_TRUE(root.enter('{'));
  Cursor c = root;
  ASSERT_TRUE(c.find("c"));
  EXPECT_EQ(c.raw(), "-1.5e3");
  std::string_view key;
  ASSERT_TRUE(c.next(key));
  EXPECT_EQ(key, "d");
  ASSERT_TRUE(c.enter('{'));
  ASSERT_TRUE(c.find("e"));
  EXPECT_FALSE(root.find("e")) << "keys of inner objects are none of the outer one";
  Cursor open(R"("no end)");
  EXPECT_TRUE(open.text().empty());
  EXPECT_EQ(Cursor(R"("a\\")").text(), R"(a\\)");
  EXPECT_TRUE(Cursor(R"("a\")").text().empty());
}

TEST(Envelope, NumbersAreDigitsOnly) {
  EXPECT_EQ(envelope::number_of("9223372036854775807"), 9223372036854775807U);
  for (const char* const text : {"", "-1", "1.5", "p1", "12345678901234567890"})
    EXPECT_EQ(envelope::number_of(text), 0U) << text;
  EXPECT_EQ(envelope::code_of("-1003"), -1003);
  EXPECT_EQ(envelope::code_of("60018"), 60018);
  EXPECT_EQ(envelope::code_of("99999999999"), 0);
  EXPECT_EQ(envelope::code_of("null"), 0);
}

TEST(ConnectNames, AreDistinct) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < stream_kind_count; ++i)
    names.insert(name_of(static_cast<StreamKind>(i)));
  EXPECT_EQ(names.size(), stream_kind_count);
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_EQ(name_of(static_cast<StreamKind>(200)), "unknown");
  EXPECT_EQ(name_of(IncomingKind::closing), "closing");
  EXPECT_EQ(name_of(Refusal::too_fast), "too_fast");
}

/// By the venues' documentation; the clock of the bodies, and what is no time.
TEST(Connect, TheVenuesClockIsReadFromABody) {
  const auto read = [](const Adapter& adapter, std::string_view body) {
    return adapter.connect->read_clock(body);
  };
  const auto ms = read(binance_adapter(), R"({"serverTime":1499827319559})");
  EXPECT_EQ(ms.time_ns, 1'499'827'319'559'000'000);
  EXPECT_EQ(ms.step_ns, core::ns_per_ms);
  EXPECT_EQ(read(okx_adapter(), R"({"code":"0","data":[{"ts":"1597026383085"}],"msg":""})").time_ns,
            1'597'026'383'085'000'000);
  const auto ns = read(
      bybit_adapter(),
      R"({"retCode":0,"retMsg":"OK","result":{"timeSecond":"1688639403","timeNano":"1688639403423213947"},"retExtInfo":{},"time":1688639403423})");
  EXPECT_EQ(ns.time_ns, 1'688'639'403'423'213'947);
  EXPECT_EQ(ns.step_ns, 1);
  EXPECT_EQ(read(hyperliquid_adapter(), R"({"time":1758844800000,"specialStatuses":null})").time_ns,
            1'758'844'800'000'000'000);
  for (const Adapter* adapter :
       {&binance_adapter(), &okx_adapter(), &bybit_adapter(), &hyperliquid_adapter()})
    for (const std::string_view body :
         {"", "{}", "[]", "<html>", R"({"serverTime":"x","time":-5,"data":[],"result":{}})",
          R"({"serverTime":99999999999999999999,"time":9223372036854775807})"})
      EXPECT_EQ(read(*adapter, body).time_ns, core::unknown_ns) << body;
}

TEST(Connect, ACursorIsPlainText) {
  const auto read = [](const std::string& cursor) {
    return bybit_adapter().connect->next_cursor(
        R"({"retCode":0,"retMsg":"OK","result":{"category":"linear","list":[{"symbol":"AUSDT"}],"nextPageCursor":")" +
        cursor + R"("},"retExtInfo":{},"time":1790000000000})");
  };
  EXPECT_EQ(read("first%3DAUSDT%26last%3DBUSDT"), "first=AUSDT&last=BUSDT");
  EXPECT_EQ(read("a%3Db%26c%"), "a=b&c%");
  EXPECT_EQ(read("%4"), "%4");
  EXPECT_EQ(read("%zz"), "%zz");
  EXPECT_EQ(read(""), "");
  const auto read_body = bybit_adapter().connect->next_cursor;
  EXPECT_EQ(read_body("<html>"), "");
  EXPECT_EQ(read_body(R"({"result":{"list":[]}})"), "");
}

}  // namespace
}  // namespace perp::venue::test
