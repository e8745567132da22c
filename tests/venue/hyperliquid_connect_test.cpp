// Hyperliquid live: what is sent equals the documentation's messages, what comes back is told
// apart, every recorded frame finds its subscription.
#include "support/malloc_counter.hpp"
#include "venue/connect_checks.hpp"

namespace perp::venue::test {
namespace {

const Adapter& adapter = hyperliquid_adapter();
const Connect& connect = *adapter.connect;

TEST(HyperliquidConnect, DataIsWhole) { check_data(adapter); }

TEST(HyperliquidConnect, PlansTheStreamsOfAContract) {
  EXPECT_EQ(topics_of(connect, all_kinds, {"xyz:SP500"}),
            (std::vector<std::string>{"activeAssetCtx:xyz:SP500", "bbo:xyz:SP500",
                                      "candle:xyz:SP500", "l2Book:xyz:SP500", "trades:xyz:SP500"}));
  const std::vector<std::string_view> symbols{"BTC"};
  const Plan plan = plan_subscriptions(connect, all_kinds, symbols);
  EXPECT_EQ(plan.polled, 0U);
  EXPECT_EQ(plan.absent, kinds_of(StreamKind::liquidations, StreamKind::long_short_ratio,
                                  StreamKind::taker_volume));
}

TEST(HyperliquidConnect, LeavesOutWhatOneAddressMayNotHave) {
  std::vector<std::string> names;
  for (int i = 0; i < 230; ++i) names.push_back("C" + std::to_string(i));
  const std::vector<std::string_view> symbols(names.begin(), names.end());
  const Plan plan = plan_subscriptions(connect, all_kinds, symbols);
  EXPECT_EQ(plan.left_out, 5 * 230U - 1000U);
  EXPECT_EQ(topics_of(plan).size(), 1000U);
}

TEST(HyperliquidConnect, WritesTheDocumentedFrames) {
  EXPECT_EQ(frame_text(connect, Verb::subscribe, 1, {"l2Book:BTC"}),
            R"({"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC","fast":true}})");
  EXPECT_EQ(
      frame_text(connect, Verb::unsubscribe, 1, {"l2Book:BTC"}),
      R"({"method":"unsubscribe","subscription":{"type":"l2Book","coin":"BTC","fast":true}})");
  EXPECT_EQ(frame_text(connect, Verb::subscribe, 1, {"trades:xyz:SP500"}),
            R"({"method":"subscribe","subscription":{"type":"trades","coin":"xyz:SP500"}})");
  EXPECT_EQ(
      frame_text(connect, Verb::subscribe, 1, {"candle:BTC"}),
      R"({"method":"subscribe","subscription":{"type":"candle","coin":"BTC","interval":"1m"}})");
  EXPECT_EQ(frame_text(connect, Verb::subscribe, 1, {"allMids"}),
            R"({"method":"subscribe","subscription":{"type":"allMids"}})");
  EXPECT_EQ(connect.sockets[0].ping.text, R"({"method":"ping"})");
}

TEST(HyperliquidConnect, PlansNeverExceedALimit) { check_plans(connect, 400); }

TEST(HyperliquidConnect, TellsAnswersApart) {
  const SubscriptionTable table =
      table_of({"l2Book:BTC", "candle:BTC", "allMids", "activeAssetCtx:@107"});
  const Incoming gone = classify(
      connect, table,
      R"({"channel":"error","data":"Already unsubscribed: {\"type\":\"candle\",\"coin\":\"BTC\",\"interval\":\"1m\"}"})");
  EXPECT_EQ(gone.kind, IncomingKind::refusal);
  EXPECT_EQ(gone.refusal, Refusal::not_subscribed);
  EXPECT_EQ(gone.subscription, 1U);
  EXPECT_EQ(classify(connect, table, R"({"channel":"error","data":"new words"})").refusal,
            Refusal::other);
  EXPECT_EQ(classify(connect, table, "Websocket connection established.").kind,
            IncomingKind::greeting);
  const Incoming hours = classify(
      connect, table,
      R"({"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"candle","coin":"BTC","interval":"1h"}}})");
  EXPECT_EQ(hours.kind, IncomingKind::ack);
  EXPECT_EQ(hours.subscription, no_subscription) << "another interval is another subscription";
  EXPECT_EQ(classify(connect, table, R"({"channel":"allMids","data":{"mids":{}}})").subscription,
            2U);
  EXPECT_EQ(classify(connect, table, R"({"channel":"activeSpotAssetCtx","data":{"coin":"@107"}})")
                .subscription,
            3U);
  EXPECT_EQ(classify(connect, table, R"({"data":{"coin":"BTC"},"channel":"l2Book"})").subscription,
            0U);
  EXPECT_EQ(classify(connect, table, R"({"channel":"trades","data":[]})").subscription,
            no_subscription);
  for (const char* const other : {"", "{}", "[]", "null", "<html>", R"({"data":[]})"})
    EXPECT_EQ(classify(connect, table, other).kind, IncomingKind::other) << other;
  EXPECT_EQ(connect.unknown_topic, UnknownTopic::closes_connection);
}

TEST(HyperliquidConnect, RecordedMessagesAreRecognised) {
  PERP_REQUIRE_CAPTURES(dir);
  const std::set<std::string> of_a_coin{"trades", "l2Book", "bbo", "activeAssetCtx", "candle"};
  std::map<IncomingKind, std::size_t> counts;
  std::size_t found_count = 0;
  for (const char* const name :
       {"ws_l2Book_trades_BTC_2025-01-26.tsv", "ws_l2Book_trimmed_2026-09-24.jsonl",
        "ws_misc_2024-2025_tardis.jsonl", "ws_misc_2025-2026.jsonl", "ws_misc_2026-09-24.jsonl"}) {
    const auto lines = split_lines(read_file(*dir + "/hyperliquid/" + name), '\t');
    // What the message says of itself, read by another parser.
    const auto wanted = [&](const Json& json) {
      const auto channel = json["channel"].get<std::string>();
      if (!json.contains("data")) return std::string();
      const Json& data = json["data"];
      if (channel == "subscriptionResponse")
        return data["subscription"]["type"].get<std::string>() + ":" +
               data["subscription"]["coin"].get<std::string>();
      if (channel == "error") {
        const auto words = data.get<std::string>();
        if (!words.starts_with("Already subscribed")) return std::string();
        const Json inner = Json::parse(words.substr(words.find('{')));
        return inner["type"].get<std::string>() + ":" + inner["coin"].get<std::string>();
      }
      if (!of_a_coin.contains(channel)) return std::string();
      const Json& row = data.is_array() ? data[0] : data;
      return channel + ":" + row[channel == "candle" ? "s" : "coin"].get<std::string>();
    };
    std::vector<std::string> topics{"allMids"};
    for (const Line& line : lines)
      if (const std::string topic = wanted(Json::parse(line.payload)); !topic.empty())
        topics.push_back(topic);
    const SubscriptionTable table = table_of(topics);
    for (const Line& line : lines) {
      const Json json = Json::parse(line.payload);
      const Incoming found = classify(connect, table, line.payload);
      ++counts[found.kind];
      const auto channel = json["channel"].get<std::string>();
      const IncomingKind kind = channel == "subscriptionResponse" ? IncomingKind::ack
                                : channel == "error"              ? IncomingKind::refusal
                                : channel == "pong"               ? IncomingKind::pong
                                : channel == "post"               ? IncomingKind::other
                                                                  : IncomingKind::data;
      EXPECT_EQ(found.kind, kind) << line.payload;
      const std::string want = wanted(json);
      if (want.empty()) {
        EXPECT_EQ(found.subscription, no_subscription) << line.payload;
        continue;
      }
      ASSERT_NE(found.subscription, no_subscription) << line.payload;
      ASSERT_EQ(table.topic(found.subscription), want) << line.payload;
      ASSERT_EQ(classify(connect, table, json.dump(1)).subscription, found.subscription);
      ++found_count;
      if (kind == IncomingKind::ack) {
        EXPECT_EQ(found.verb,
                  json["data"]["method"] == "subscribe" ? Verb::subscribe : Verb::unsubscribe);
      }
      if (kind == IncomingKind::refusal) {
        EXPECT_EQ(found.refusal, Refusal::already_subscribed);
      }
    }
  }
  EXPECT_GT(found_count, 50U);
  EXPECT_EQ(counts[IncomingKind::ack], 3U);
  EXPECT_EQ(counts[IncomingKind::pong], 2U);
  EXPECT_EQ(counts[IncomingKind::refusal], 3U);
}

TEST(HyperliquidConnect, ReadsDamagedMessagesWithinTheirBounds) {
  check_damaged(
      connect, table_of({"l2Book:BTC", "candle:BTC"}),
      {R"({"channel":"l2Book","data":{"coin":"BTC","time":1,"levels":[[],[]]}})",
       R"({"channel":"candle","data":{"t":1,"T":2,"s":"BTC","i":"1m","o":"1"}})",
       R"({"channel":"error","data":"Already subscribed: {\"type\":\"l2Book\",\"coin\":\"BTC\"}"})",
       R"({"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC"}}})"});
}

TEST(HyperliquidConnect, ClassifiesWithoutAnAllocation) {
  if (!perp::test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer has a malloc of its own";
  const SubscriptionTable table = table_of({"l2Book:BTC", "candle:BTC"});
  const std::vector<std::string> payloads{
      R"({"channel":"l2Book","data":{"coin":"BTC","time":1,"levels":[[],[]]}})",
      R"({"channel":"candle","data":{"t":1,"T":2,"s":"BTC","i":"1m","o":"1"}})",
      R"({"channel":"error","data":"Already subscribed: {\"type\":\"l2Book\",\"coin\":\"BTC\"}"})",
      R"({"channel":"pong"})"};
  const std::uint64_t before = perp::test::malloc_count();
  std::size_t known = 0;
  for (int round = 0; round < 1000; ++round)
    for (const std::string& payload : payloads)
      known += connect.classify(table, payload).subscription != no_subscription ? 1U : 0U;
  EXPECT_EQ(perp::test::malloc_count() - before, 0U);
  EXPECT_EQ(known, 3000U);
}

TEST(HyperliquidConnect, AsksByPost) {
  const auto ask = [&](RestPurpose purpose, std::string_view endpoint, const RestQuery& query) {
    const RestCall* const call = find_call(connect, purpose, endpoint);
    if (call == nullptr) return std::string();
    const auto request = make_request(adapter, *call, query);
    return request.has_value()
               ? std::string(request->method) + " " + request->target + " " + request->body
               : std::string("refused");
  };
  EXPECT_EQ(ask(RestPurpose::instruments, "meta", {}), R"(POST /info {"type":"meta"})");
  EXPECT_EQ(
      ask(RestPurpose::kline_fill, "candleSnapshot",
          {.symbol = "xyz:SP500", .start_ms = 60'000, .end_ms = 180'000}),
      R"(POST /info {"type":"candleSnapshot","req":{"coin":"xyz:SP500","interval":"1m","startTime":60000,"endTime":179999}})");
  EXPECT_EQ(ask(RestPurpose::kline_fill, "candleSnapshot", {.symbol = "BTC", .start_ms = 1}),
            "refused");
  EXPECT_EQ(ask(RestPurpose::trade_fill, "recentTrades", {.symbol = "BTC"}),
            R"(POST /info {"type":"recentTrades","coin":"BTC"})");
  EXPECT_EQ(connect.book_resync, BookResync::next_message);
}

}  // namespace
}  // namespace perp::venue::test
