// Binance live: what is sent equals the documentation's messages, what comes back is told apart,
// every recorded frame finds its subscription.
#include "support/malloc_counter.hpp"
#include "venue/connect_checks.hpp"

#include <cctype>

namespace perp::venue::test {
namespace {

const Adapter& adapter = binance_adapter();
const Connect& connect = *adapter.connect;

TEST(BinanceConnect, DataIsWhole) { check_data(adapter); }

TEST(BinanceConnect, StreamsGoToTheirPaths) {
  // The venue's table: books on /public, all else on /market. The wrong path is silent for ever.
  for (const Stream& stream : connect.streams) {
    const bool is_book_data = stream.suffix.starts_with("@depth") || stream.suffix == "@bookTicker";
    EXPECT_TRUE(connect.sockets[stream.socket].target ==
                (is_book_data ? "/public/stream" : "/market/stream"))
        << stream.suffix;
  }
  EXPECT_EQ(connect.unknown_topic, UnknownTopic::silent);
}

TEST(BinanceConnect, PlansTheStreamsOfAContract) {
  EXPECT_EQ(topics_of(connect, all_kinds, {"BTCUSDT"}),
            (std::vector<std::string>{"!forceOrder@arr", "btcusdt@aggTrade", "btcusdt@bookTicker",
                                      "btcusdt@depth@100ms", "btcusdt@kline_1m",
                                      "btcusdt@markPrice@1s", "btcusdt@ticker"}));
  EXPECT_EQ(topics_of(connect, kinds_of(StreamKind::trades), {"BTCUSDT", "1000PEPEUSDT"}),
            (std::vector<std::string>{"1000pepeusdt@aggTrade", "btcusdt@aggTrade"}));
  // Names in Chinese are listed: lower case leaves UTF-8 whole.
  EXPECT_EQ(topics_of(connect, kinds_of(StreamKind::bbo), {"\u5e01\u5b89\u4eba\u751fUSDT"}),
            (std::vector<std::string>{"\u5e01\u5b89\u4eba\u751fusdt@bookTicker"}));
}

TEST(BinanceConnect, SaysWhatNoStreamHas) {
  const std::vector<std::string_view> symbols{"BTCUSDT"};
  const Plan plan = plan_subscriptions(connect, all_kinds, symbols);
  EXPECT_EQ(plan.polled, kinds_of(StreamKind::open_interest, StreamKind::long_short_ratio,
                                  StreamKind::taker_volume));
  EXPECT_EQ(plan.absent, 0U);
}

TEST(BinanceConnect, WritesTheDocumentedFrames) {
  EXPECT_EQ(
      frame_text(connect, Verb::subscribe, 1, {"btcusdt@aggTrade", "btcusdt@markPrice@1s"}),
      R"({"method":"SUBSCRIBE","params":["btcusdt@aggTrade","btcusdt@markPrice@1s"],"id":1})");
  EXPECT_EQ(frame_text(connect, Verb::unsubscribe, 2, {"btcusdt@aggTrade"}),
            R"({"method":"UNSUBSCRIBE","params":["btcusdt@aggTrade"],"id":2})");
}

TEST(BinanceConnect, PlansNeverExceedALimit) { check_plans(connect, 300); }

TEST(BinanceConnect, TellsAnswersApart) {
  const SubscriptionTable table = table_of({"btcusdt@aggTrade"});
  const Incoming ack = classify(connect, table, R"({"result":null,"id":1})");
  EXPECT_EQ(ack.kind, IncomingKind::ack);
  EXPECT_EQ(ack.id, 1U);
  const Incoming list = classify(connect, table, R"({"result":["btcusdt@aggTrade"],"id":3})");
  EXPECT_EQ(list.kind, IncomingKind::list);
  EXPECT_EQ(list.id, 3U);
  EXPECT_EQ(list.text, R"(["btcusdt@aggTrade"])");
  const Incoming old_error =
      classify(connect, table, R"({"code":2,"msg":"Invalid request: unknown variant"})");
  EXPECT_EQ(old_error.kind, IncomingKind::refusal);
  EXPECT_EQ(old_error.refusal, Refusal::malformed);
  EXPECT_EQ(old_error.code, 2);
  EXPECT_EQ(old_error.text, "Invalid request: unknown variant");
  EXPECT_EQ(old_error.id, 0U);
  const Incoming new_error =
      classify(connect, table, R"({"error":{"code":-1003,"msg":"slower"},"id":9})");
  EXPECT_EQ(new_error.kind, IncomingKind::refusal);
  EXPECT_EQ(new_error.refusal, Refusal::other);
  EXPECT_EQ(new_error.code, -1003);
  EXPECT_EQ(new_error.text, "slower");
  EXPECT_EQ(new_error.id, 9U);
  // A refusal stands over a result, whichever comes first.
  for (const char* const both : {R"({"code":2,"msg":"x","result":null})",
                                 R"({"result":null,"error":{"code":2,"msg":"x"},"id":1})"}) {
    EXPECT_EQ(classify(connect, table, both).kind, IncomingKind::refusal) << both;
    EXPECT_EQ(classify(connect, table, both).refusal, Refusal::malformed) << both;
  }
  const Incoming data =
      classify(connect, table, R"({"error":{"code":2,"msg":"x"},"stream":"btcusdt@aggTrade"})");
  EXPECT_EQ(data.kind, IncomingKind::data);
  EXPECT_EQ(data.refusal, Refusal::none);
  // Keys in another order and with spaces are the same answers.
  EXPECT_EQ(classify(connect, table, "{ \"id\" : 12 , \"result\" : null }\n").id, 12U);
  EXPECT_EQ(classify(connect, table, R"({"id":4,"error":{"msg":"x","code":3}})").refusal,
            Refusal::malformed);
  for (const char* const other : {"", "{}", "[]x", "pong", "<html>", R"({"lastUpdateId":5})"})
    EXPECT_NE(classify(connect, table, other).kind, IncomingKind::ack) << other;
}

TEST(BinanceConnect, FindsTheSubscriptionOfAFrame) {
  const SubscriptionTable table =
      table_of({"btcusdt@aggTrade", "btcusdt@kline_1m", "!forceOrder@arr", "btcusdt@depth@100ms",
                "btcusdt@depth20@100ms", "\u5e01usdt@bookTicker"});
  const auto find = [&](const std::string& payload) {
    const Incoming found = classify(connect, table, payload);
    EXPECT_EQ(found.kind, IncomingKind::data) << payload;
    return found.subscription;
  };
  EXPECT_EQ(find(R"({"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","s":"BTCUSDT"}})"), 0U);
  EXPECT_EQ(find(R"({"data":{"e":"aggTrade","s":"BTCUSDT"},"stream":"btcusdt@aggTrade"})"), 0U);
  EXPECT_EQ(find(R"({"e":"aggTrade","E":1,"a":2,"s":"BTCUSDT","p":"1"})"), 0U);
  EXPECT_EQ(find(R"({"e":"kline","E":1,"s":"BTCUSDT","k":{"t":1, "s":"BTCUSDT", "i":"1m"}})"), 1U);
  EXPECT_EQ(find(R"({"e":"kline","E":1,"s":"BTCUSDT","k":{"t":1,"s":"BTCUSDT","i":"5m"}})"),
            no_subscription);
  EXPECT_EQ(find(R"({"stream":"!forceOrder@arr","data":{"e":"forceOrder"}})"), 2U);
  EXPECT_EQ(find(R"({"e":"forceOrder","E":1,"o":{"s":"STGUSDT","S":"SELL"}})"), 2U);
  EXPECT_EQ(find(R"({"stream":"btcusdt@depth20@100ms","data":{"e":"depthUpdate"}})"), 4U);
  EXPECT_EQ(find(R"({"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":1,"b":[]})"), 3U);
  EXPECT_EQ(find("{\"e\":\"bookTicker\",\"u\":1,\"s\":\"\u5e01USDT\"}"), 5U);
  EXPECT_EQ(find(R"({"stream":"ethusdt@aggTrade","data":{}})"), no_subscription);
  EXPECT_EQ(find(R"({"e":"nonsense","s":"BTCUSDT"})"), no_subscription);
  EXPECT_EQ(find(R"([{"e":"markPriceUpdate","s":"BTCUSDT"}])"), no_subscription);
  const SubscriptionTable each = table_of({"stgusdt@forceOrder"});
  EXPECT_EQ(classify(connect, each, R"({"e":"forceOrder","E":1,"o":{"s":"STGUSDT","S":"SELL"}})")
                .subscription,
            0U);
}

TEST(BinanceConnect, RecordedFramesFindTheirSubscription) {
  PERP_REQUIRE_CAPTURES(dir);
  std::size_t frames = 0;
  for (const char* const name :
       {"ws_aggtrade_2021-07.tsv", "ws_bookticker_2021-07.tsv",
        "ws_combined_btcusdt_2023-04-04.tsv", "ws_combined_btcusdt_2024-08-08.tsv",
        "ws_combined_ethusdt_2024-07-18.tsv", "ws_depth_2021-07.tsv", "ws_frames_2026.jsonl",
        "ws_kline_1m_2021-07.tsv"}) {
    std::vector<std::string> topics;
    std::vector<std::pair<std::string, Json>> messages;
    for (const Line& line : split_lines(read_file(*dir + "/binance/" + name), '\t')) {
      Json json = Json::parse(line.payload);
      if (json.contains("stream")) {
        const auto topic = json["stream"].get<std::string>();
        if (std::find(topics.begin(), topics.end(), topic) == topics.end()) topics.push_back(topic);
      }
      messages.emplace_back(line.payload, std::move(json));
    }
    if (name == std::string_view("ws_frames_2026.jsonl")) topics.emplace_back("ethusdt@bookTicker");
    const SubscriptionTable table = table_of(topics);
    for (const auto& [payload, json] : messages) {
      const Incoming found = classify(connect, table, payload);
      if (json.contains("lastUpdateId")) {  // a REST book that the recorder put between
        EXPECT_EQ(found.kind, IncomingKind::other) << payload;
        continue;
      }
      ASSERT_EQ(found.kind, IncomingKind::data) << payload;
      ASSERT_NE(found.subscription, no_subscription) << payload;
      const std::string want = json.contains("stream") ? json["stream"].get<std::string>()
                                                       : std::string("ethusdt@bookTicker");
      ASSERT_EQ(table.topic(found.subscription), want) << payload;
      if (!json.contains("stream")) continue;
      // The same without its envelope, as the other mode of the socket sends it.
      const Incoming bare = classify(connect, table, json["data"].dump());
      ASSERT_EQ(bare.subscription, found.subscription) << payload;
      ++frames;
    }
  }
  EXPECT_GT(frames, 40'000U);
  const SubscriptionTable none;
  const auto answers = split_lines(read_file(*dir + "/binance/doc_examples.jsonl"), '\t');
  const auto kinds = std::to_array({IncomingKind::data, IncomingKind::data, IncomingKind::ack,
                                    IncomingKind::list, IncomingKind::refusal});
  ASSERT_EQ(answers.size(), kinds.size());
  for (std::size_t i = 0; i < kinds.size(); ++i)
    EXPECT_EQ(classify(connect, none, answers[i].payload).kind, kinds[i]) << answers[i].payload;
}

TEST(BinanceConnect, ReadsDamagedMessagesWithinTheirBounds) {
  check_damaged(connect, table_of({"btcusdt@aggTrade", "btcusdt@kline_1m"}),
                {R"({"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","s":"BTCUSDT"}})",
                 R"({"e":"kline","E":1,"s":"BTCUSDT","k":{"t":1, "s":"BTCUSDT", "i":"1m"}})",
                 R"({"e":"forceOrder","E":1,"o":{"s":"STGUSDT","S":"SELL"}})",
                 R"({"error":{"code":-1003,"msg":"a \"quoted\" \\"},"id":9})"});
}

TEST(BinanceConnect, ClassifiesWithoutAnAllocation) {
  if (!perp::test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer has a malloc of its own";
  const SubscriptionTable table = table_of({"btcusdt@aggTrade", "btcusdt@kline_1m"});
  const std::vector<std::string> payloads{
      R"({"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","s":"BTCUSDT"}})",
      R"({"e":"kline","E":1,"s":"BTCUSDT","k":{"t":1, "s":"BTCUSDT", "i":"1m"}})",
      R"({"result":null,"id":1})"};
  const std::uint64_t before = perp::test::malloc_count();
  std::size_t known = 0;
  for (int round = 0; round < 1000; ++round)
    for (const std::string& payload : payloads)
      known += connect.classify(table, payload).subscription != no_subscription ? 1U : 0U;
  EXPECT_EQ(perp::test::malloc_count() - before, 0U);
  EXPECT_EQ(known, 2000U);
}

TEST(BinanceConnect, AsksForWhatNoStreamBrings) {
  const auto target = [&](RestPurpose purpose, std::string_view endpoint, const RestQuery& query) {
    const RestCall* const call = find_call(connect, purpose, endpoint);
    if (call == nullptr) return std::string();
    const auto request = make_request(adapter, *call, query);
    return request.has_value() ? std::string(request->method) + " " + request->target
                               : std::string("refused");
  };
  EXPECT_EQ(target(RestPurpose::poll, "openInterest", {.symbol = "BTCUSDT"}),
            "GET /fapi/v1/openInterest?symbol=BTCUSDT");
  EXPECT_EQ(target(RestPurpose::poll, "takerlongshortRatio", {.symbol = "BTCUSDT"}),
            "GET /futures/data/takerlongshortRatio?symbol=BTCUSDT&period=5m&limit=2");
  EXPECT_EQ(target(RestPurpose::book_snapshot, "depth", {.symbol = "BTCUSDT"}),
            "GET /fapi/v1/depth?symbol=BTCUSDT&limit=1000");
  EXPECT_EQ(target(RestPurpose::seed, "bookTicker", {}), "GET /fapi/v1/ticker/bookTicker");
  EXPECT_EQ(
      target(RestPurpose::trade_fill, "aggTrades", {.symbol = "BTCUSDT", .from_id = 3404749955}),
      "GET /fapi/v1/aggTrades?symbol=BTCUSDT&fromId=3404749955&limit=1000");
  EXPECT_EQ(target(RestPurpose::trade_fill, "aggTrades", {.symbol = "BTCUSDT"}), "refused");
  EXPECT_EQ(target(RestPurpose::history, "aggTrades",
                   {.symbol = "BTCUSDT", .start_ms = 3'600'000, .end_ms = 7'200'000}),
            "GET /fapi/v1/aggTrades?symbol=BTCUSDT&startTime=3600000&endTime=7199999&limit=1000")
      << "less than an hour";
  EXPECT_EQ(target(RestPurpose::kline_fill, "klines", {.symbol = "BTCUSDT", .start_ms = 60'000}),
            "GET /fapi/v1/klines?symbol=BTCUSDT&interval=1m&startTime=60000&limit=99");
  // Both ends are included there: [60000, 180000) is up to 179999.
  EXPECT_EQ(target(RestPurpose::kline_fill, "klines",
                   {.symbol = "BTCUSDT", .start_ms = 60'000, .end_ms = 180'000}),
            "GET /fapi/v1/klines?symbol=BTCUSDT&interval=1m&startTime=60000&endTime=179999&"
            "limit=99");
  EXPECT_EQ(target(RestPurpose::book_snapshot, "depth", {.symbol = "\u5e01USDT"}),
            "GET /fapi/v1/depth?symbol=%E5%B8%81USDT&limit=1000");
  EXPECT_EQ(find_call(connect, RestPurpose::book_snapshot, "depth")->weight, 20);
  EXPECT_EQ(connect.pools[0].used_field, "X-MBX-USED-WEIGHT-1M");
  EXPECT_EQ(connect.pools[0].budget.count, 2400U);
}

TEST(BinanceConnect, ToldApartIsWhenItWasSent) {
  EXPECT_EQ(
      connect.read_sent(
          R"({"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1790000000123,"a":7,"s":"BTCUSDT","p":"1","q":"1","f":7,"l":7,"T":1790000000100,"m":true}})"),
      1'790'000'000'123 * core::ns_per_ms);
  EXPECT_EQ(
      connect.read_sent(
          R"({"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":1,"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1786000000000,"E":1786000000007}})"),
      1'786'000'000'007 * core::ns_per_ms);
  for (const char* text : {"", "{}", R"({"E":})", R"({"E":"1790000000123"})",
                           R"({"E":17900000001234567890})", R"({"result":null,"id":1})"})
    EXPECT_EQ(connect.read_sent(text), core::unknown_ns) << text;
  // Where it is not looked for any more it is unknown, and never a part of it.
  for (std::size_t length = 0; length < 400; ++length) {
    const std::string message =
        R"({"e":"bookTicker",)" + std::string(length, ' ') + R"("E":1790000000123})";
    const std::int64_t sent_ns = connect.read_sent(message);
    EXPECT_TRUE(sent_ns == 1'790'000'000'123 * core::ns_per_ms || sent_ns == core::unknown_ns)
        << length << " " << sent_ns;
  }
}

}  // namespace
}  // namespace perp::venue::test
