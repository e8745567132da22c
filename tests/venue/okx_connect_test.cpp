// OKX live: what is sent equals the documentation's messages, what comes back is told apart, every
// recorded frame finds its subscription.
#include "support/malloc_counter.hpp"
#include "venue/connect_checks.hpp"

namespace perp::venue::test {
namespace {

const Adapter& adapter = okx_adapter();
const Connect& connect = *adapter.connect;

/// The topic of an argument, written by hand.
std::string topic_of(const Json& argument) {
  std::string topic = argument["channel"].get<std::string>();
  for (const char* const key : {"instId", "instType"})
    if (argument.contains(key)) return topic + ":" + argument[key].get<std::string>();
  return topic;
}

TEST(OkxConnect, DataIsWhole) { check_data(adapter); }

TEST(OkxConnect, StreamsGoToTheirPaths) {
  // candle* only on business, the others only on public: the wrong path answers error 60018.
  for (const Stream& stream : connect.streams)
    EXPECT_TRUE(connect.sockets[stream.socket].target ==
                (stream.prefix.starts_with("candle") ? "/ws/v5/business" : "/ws/v5/public"))
        << stream.prefix;
}

TEST(OkxConnect, PlansTheStreamsOfAContract) {
  EXPECT_EQ(topics_of(connect, all_kinds, {"BTC-USDT-SWAP"}),
            (std::vector<std::string>{
                "bbo-tbt:BTC-USDT-SWAP", "books:BTC-USDT-SWAP", "candle1m:BTC-USDT-SWAP",
                "funding-rate:BTC-USDT-SWAP", "liquidation-orders:SWAP", "mark-price:BTC-USDT-SWAP",
                "open-interest:BTC-USDT-SWAP", "tickers:BTC-USDT-SWAP", "trades:BTC-USDT-SWAP"}));
  const std::vector<std::string_view> symbols{"BTC-USDT-SWAP"};
  const Plan plan = plan_subscriptions(connect, all_kinds, symbols);
  EXPECT_EQ(plan.polled, kinds_of(StreamKind::long_short_ratio, StreamKind::taker_volume));
  EXPECT_EQ(plan.absent, 0U);
}

TEST(OkxConnect, WritesTheDocumentedFrames) {
  EXPECT_EQ(
      frame_text(connect, Verb::subscribe, 1,
                 {"trades:BTC-USDT-SWAP", "books:BTC-USDT-SWAP", "liquidation-orders:SWAP"}),
      R"({"id":"1","op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT-SWAP"},{"channel":"books","instId":"BTC-USDT-SWAP"},{"channel":"liquidation-orders","instType":"SWAP"}]})");
  EXPECT_EQ(
      frame_text(connect, Verb::unsubscribe, 2, {"trades:BTC-USDT-SWAP"}),
      R"({"id":"2","op":"unsubscribe","args":[{"channel":"trades","instId":"BTC-USDT-SWAP"}]})");
  EXPECT_EQ(frame_text(connect, Verb::subscribe, 3, {"status"}),
            R"({"id":"3","op":"subscribe","args":[{"channel":"status"}]})");
  EXPECT_EQ(connect.sockets[0].ping.text, "ping");
}

TEST(OkxConnect, PlansNeverExceedALimit) { check_plans(connect, 300); }

TEST(OkxConnect, TellsAnswersApart) {
  const SubscriptionTable table =
      table_of({"trades:BTC-USDT-SWAP", "index-tickers:NEAR-USDT-SWAP", "liquidation-orders:SWAP"});
  EXPECT_EQ(classify(connect, table, "pong").kind, IncomingKind::pong);
  const Incoming ack = classify(
      connect, table,
      R"({"id":"7","event":"unsubscribe","arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"connId":"94d38802"})");
  EXPECT_EQ(ack.kind, IncomingKind::ack);
  EXPECT_EQ(ack.verb, Verb::unsubscribe);
  EXPECT_EQ(ack.id, 7U);
  EXPECT_EQ(ack.subscription, 0U);
  // The key that tells may come last.
  EXPECT_EQ(
      classify(
          connect, table,
          R"({ "arg" : {"instType":"SWAP","channel":"liquidation-orders"}, "event":"subscribe"})")
          .kind,
      IncomingKind::ack);
  const auto error = [&](const char* code) {
    return classify(connect, table,
                    std::string(R"({"event":"error","msg":"x","code":")") + code + "\"}")
        .refusal;
  };
  EXPECT_EQ(error("60012"), Refusal::malformed);
  EXPECT_EQ(error("60014"), Refusal::too_fast);
  EXPECT_EQ(error("60018"), Refusal::unknown_topic);
  EXPECT_EQ(error("64003"), Refusal::other);
  EXPECT_EQ(classify(connect, table, R"({"event":"channel-conn-count","channel":"x"})").kind,
            IncomingKind::other);
  EXPECT_EQ(classify(connect, table, R"({"event":"notice","code":"1","msg":"m"})").kind,
            IncomingKind::other);
  for (const char* const other : {"", "ping", "{}", "[]", "<html>", R"({"data":[]})"})
    EXPECT_EQ(classify(connect, table, other).kind, IncomingKind::other) << other;
}

TEST(OkxConnect, RecordedMessagesAreRecognised) {
  PERP_REQUIRE_CAPTURES(dir);
  std::map<IncomingKind, std::size_t> counts;
  for (const char* const name :
       {"ws_books_2022-05-13.tsv", "ws_control_acks_2022-05-13.tsv",
        "ws_liquidation-orders_2026.jsonl", "ws_misc_2022.jsonl", "ws_misc_2025.jsonl",
        "ws_misc_tardis.jsonl", "ws_swap_2026-08-12.jsonl", "ws_tickers_2022-05-13.tsv",
        "ws_trades_2022-05-13.tsv"}) {
    const auto lines = split_lines(read_file(*dir + "/okx/" + name), '\t');
    std::vector<std::string> topics{"index-tickers:NEAR-USDT-SWAP"};
    for (const Line& line : lines)
      if (const Json json = Json::parse(line.payload); json.contains("arg"))
        topics.push_back(topic_of(json["arg"]));
    const SubscriptionTable table = table_of(topics);
    for (const Line& line : lines) {
      const Json json = Json::parse(line.payload);
      const Incoming found = classify(connect, table, line.payload);
      ++counts[found.kind];
      if (json.contains("arg")) {
        ASSERT_EQ(found.kind, json.contains("data") ? IncomingKind::data : IncomingKind::ack)
            << line.payload;
        ASSERT_NE(found.subscription, no_subscription) << line.payload;
        ASSERT_EQ(table.topic(found.subscription), topic_of(json["arg"])) << line.payload;
        ASSERT_EQ(classify(connect, table, json.dump(1)).subscription, found.subscription);
        continue;
      }
      const auto code = json["code"].get<std::string>();
      EXPECT_EQ(std::to_string(found.code), code);
      EXPECT_EQ(found.text, json["msg"].get<std::string>());
      if (code == "64008") {
        EXPECT_EQ(found.kind, IncomingKind::closing);
        continue;
      }
      EXPECT_EQ(found.kind, IncomingKind::refusal) << line.payload;
      EXPECT_EQ(found.refusal, code == "60018" ? Refusal::unknown_topic : Refusal::other);
      if (code == "60018") {
        EXPECT_EQ(table.topic(found.subscription), "index-tickers:NEAR-USDT-SWAP");
      }
    }
  }
  EXPECT_GT(counts[IncomingKind::data], 300U);
  EXPECT_GT(counts[IncomingKind::ack], 25U);
  EXPECT_EQ(counts[IncomingKind::closing], 1U);
  EXPECT_EQ(counts[IncomingKind::refusal], 2U);
  EXPECT_EQ(counts[IncomingKind::other], 0U);
}

TEST(OkxConnect, ReadsDamagedMessagesWithinTheirBounds) {
  check_damaged(
      connect, table_of({"trades:BTC-USDT-SWAP"}),
      {R"({"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[{"px":"1"}]})", "pong",
       R"({"event":"error","msg":"Wrong URL or channel:trades, instId:BTC-USDT-SWAP doesn't exist.","code":"60018"})"});
}

TEST(OkxConnect, ClassifiesWithoutAnAllocation) {
  if (!perp::test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer has a malloc of its own";
  const SubscriptionTable table = table_of({"trades:BTC-USDT-SWAP"});
  const std::vector<std::string> payloads{
      R"({"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[{"px":"1"}]})", "pong"};
  const std::uint64_t before = perp::test::malloc_count();
  std::size_t known = 0;
  for (int round = 0; round < 1000; ++round)
    for (const std::string& payload : payloads)
      known += connect.classify(table, payload).subscription != no_subscription ? 1U : 0U;
  EXPECT_EQ(perp::test::malloc_count() - before, 0U);
  EXPECT_EQ(known, 1000U);
}

TEST(OkxConnect, AsksForWhatNoStreamBrings) {
  const auto target = [&](RestPurpose purpose, std::string_view endpoint, const RestQuery& query) {
    const RestCall* const call = find_call(connect, purpose, endpoint);
    if (call == nullptr) return std::string();
    const auto request = make_request(adapter, *call, query);
    return request.has_value() ? request->target : std::string("refused");
  };
  EXPECT_EQ(target(RestPurpose::instruments, "instruments", {}),
            "/api/v5/public/instruments?instType=SWAP");
  EXPECT_EQ(target(RestPurpose::trade_fill, "history-trades",
                   {.symbol = "BTC-USDT-SWAP", .until_id = 2005639579}),
            "/api/v5/market/history-trades?instId=BTC-USDT-SWAP&type=1&after=2005639579&limit=100");
  EXPECT_EQ(
      target(RestPurpose::history, "history-trades",
             {.symbol = "BTC-USDT-SWAP", .end_ms = 1'765'201'257'145}),
      "/api/v5/market/history-trades?instId=BTC-USDT-SWAP&type=2&after=1765201257145&limit=100");
  // Neither bound is included there: [60000, 180000) is older than 180000 and newer than 59999.
  EXPECT_EQ(target(RestPurpose::kline_fill, "candles",
                   {.symbol = "BTC-USDT-SWAP", .start_ms = 60'000, .end_ms = 180'000}),
            "/api/v5/market/candles?instId=BTC-USDT-SWAP&bar=1m&after=180000&before=59999&"
            "limit=300");
  EXPECT_EQ(target(RestPurpose::poll, "taker-volume-contract", {.symbol = "BTC-USDT-SWAP"}),
            "/api/v5/rubik/stat/taker-volume-contract?instId=BTC-USDT-SWAP&period=5m&unit=1&"
            "limit=2");
  EXPECT_EQ(target(RestPurpose::poll, "long-short-account-ratio-contract", {}), "refused");
  ASSERT_EQ(connect.testnet_rest_fields.size(), 1U);
  EXPECT_EQ(connect.testnet_rest_fields[0].name, "x-simulated-trading");
}

}  // namespace
}  // namespace perp::venue::test
