// Bybit live: what is sent equals the documentation's messages, what comes back is told apart,
// every recorded frame finds its subscription.
#include "support/malloc_counter.hpp"
#include "venue/connect_checks.hpp"

namespace perp::venue::test {
namespace {

const Adapter& adapter = bybit_adapter();
const Connect& connect = *adapter.connect;

TEST(BybitConnect, DataIsWhole) { check_data(adapter); }

TEST(BybitConnect, PlansTheStreamsOfAContract) {
  EXPECT_EQ(
      topics_of(connect, all_kinds, {"BTCUSDT"}),
      (std::vector<std::string>{"allLiquidation.BTCUSDT", "kline.1.BTCUSDT", "orderbook.1.BTCUSDT",
                                "orderbook.50.BTCUSDT", "publicTrade.BTCUSDT", "tickers.BTCUSDT"}));
  // One topic brings four kinds: it is asked for once.
  EXPECT_EQ(
      topics_of(connect, kinds_of(StreamKind::funding, StreamKind::open_interest), {"BTCPERP"}),
      (std::vector<std::string>{"tickers.BTCPERP"}));
  const std::vector<std::string_view> symbols{"BTCUSDT"};
  const Plan plan = plan_subscriptions(connect, all_kinds, symbols);
  EXPECT_EQ(plan.polled, kinds_of(StreamKind::long_short_ratio));
  EXPECT_EQ(plan.absent, kinds_of(StreamKind::taker_volume));
}

TEST(BybitConnect, WritesTheDocumentedFrames) {
  EXPECT_EQ(
      frame_text(connect, Verb::subscribe, 1, {"orderbook.50.BTCUSDT", "publicTrade.BTCUSDT"}),
      R"({"req_id":"1","op":"subscribe","args":["orderbook.50.BTCUSDT","publicTrade.BTCUSDT"]})");
  EXPECT_EQ(frame_text(connect, Verb::unsubscribe, 2, {"publicTrade.BTCUSDT"}),
            R"({"req_id":"2","op":"unsubscribe","args":["publicTrade.BTCUSDT"]})");
  EXPECT_EQ(connect.sockets[0].ping.text, R"({"req_id":"p1","op":"ping"})");
}

TEST(BybitConnect, PlansNeverExceedALimit) { check_plans(connect, 700); }

TEST(BybitConnect, TellsAnswersApart) {
  const SubscriptionTable table = table_of({"publicTrade.BTCUSDT", "orderbook.1.ETHUSDT"});
  const Incoming ack = classify(
      connect, table,
      R"({"success":true,"ret_msg":"subscribe","conn_id":"c","req_id":"17","op":"subscribe"})");
  EXPECT_EQ(ack.kind, IncomingKind::ack);
  EXPECT_EQ(ack.id, 17U);
  EXPECT_EQ(ack.verb, Verb::subscribe);
  EXPECT_EQ(
      classify(connect, table, R"({"success":true,"ret_msg":"","req_id":"18","op":"unsubscribe"})")
          .verb,
      Verb::unsubscribe);
  EXPECT_EQ(classify(connect, table, R"({"args":["1790134712383"],"op":"pong"})").kind,
            IncomingKind::pong);
  const Incoming invalid =
      classify(connect, table, R"({"success":false,"ret_msg":"error:invalid op","req_id":"4"})");
  EXPECT_EQ(invalid.kind, IncomingKind::refusal);
  EXPECT_EQ(invalid.refusal, Refusal::malformed);
  EXPECT_EQ(invalid.id, 4U);
  EXPECT_EQ(classify(connect, table, R"({"success":false,"ret_msg":"new words"})").refusal,
            Refusal::other);
  // Broken JSON of ours is answered in plain text.
  for (const char* const other : {"", "error", "{}", "[]", "<html>"})
    EXPECT_EQ(classify(connect, table, other).kind, IncomingKind::other) << other;
  EXPECT_EQ(connect.unknown_topic, UnknownTopic::refuses_frame);
}

TEST(BybitConnect, RecordedAnswersAreRecognised) {
  PERP_REQUIRE_CAPTURES(dir);
  const SubscriptionTable table = table_of({"orderbook.50.NOPEUSDT", "orderbook.1.ETHUSDT"});
  const auto lines = split_lines(read_file(*dir + "/bybit/ws_acks_errors.jsonl"), '\t');
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(classify(connect, table, lines[0].payload).kind, IncomingKind::ack);
  EXPECT_EQ(classify(connect, table, lines[0].payload).id, 0U) << "no id was given";
  EXPECT_EQ(classify(connect, table, lines[1].payload).kind, IncomingKind::ack);
  EXPECT_EQ(classify(connect, table, lines[1].payload).id, 0U) << "an id that is not ours";
  EXPECT_EQ(classify(connect, table, lines[2].payload).kind, IncomingKind::pong);
  const Incoming unknown = classify(connect, table, lines[3].payload);
  EXPECT_EQ(unknown.kind, IncomingKind::refusal);
  EXPECT_EQ(unknown.refusal, Refusal::unknown_topic);
  EXPECT_EQ(unknown.subscription, 0U);
  EXPECT_EQ(unknown.text, "error:handler not found,topic:orderbook.50.NOPEUSDT");
  const Incoming again = classify(connect, table, lines[4].payload);
  EXPECT_EQ(again.refusal, Refusal::already_subscribed);
  EXPECT_EQ(again.subscription, 1U);
}

TEST(BybitConnect, RecordedFramesFindTheirSubscription) {
  PERP_REQUIRE_CAPTURES(dir);
  std::size_t frames = 0;
  for (const char* const name :
       {"ws_allliquidation.jsonl", "ws_kline_1_2026-09.jsonl", "ws_orderbook1.jsonl",
        "ws_orderbook500_xrpusdt_2024-12-01.jsonl", "ws_orderbook50_btcusdt_2026-03.jsonl",
        "ws_publictrade.jsonl", "ws_tickers_linear_2024-05.jsonl",
        "ws_tickers_linear_2026-09.jsonl"}) {
    const auto lines = split_lines(read_file(*dir + "/bybit/" + name), '\t');
    std::vector<std::string> topics{"publicTrade.NOBODY"};
    for (const Line& line : lines)
      topics.push_back(Json::parse(line.payload)["topic"].get<std::string>());
    const SubscriptionTable table = table_of(topics);
    for (const Line& line : lines) {
      const Incoming found = classify(connect, table, line.payload);
      ASSERT_EQ(found.kind, IncomingKind::data) << line.payload;
      ASSERT_NE(found.subscription, no_subscription) << line.payload;
      const Json json = Json::parse(line.payload);
      ASSERT_EQ(table.topic(found.subscription), json["topic"].get<std::string>());
      // In another order of keys, with spaces.
      Json turned;
      for (const auto& [key, value] : json.items())
        if (key != "topic") turned[key] = value;
      turned["topic"] = json["topic"];
      ASSERT_EQ(classify(connect, table, turned.dump(2)).subscription, found.subscription);
      ++frames;
    }
  }
  EXPECT_GT(frames, 15U);
}

TEST(BybitConnect, ReadsDamagedMessagesWithinTheirBounds) {
  check_damaged(
      connect, table_of({"publicTrade.BTCUSDT"}),
      {R"({"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1,"data":[{"T":1}]})",
       R"({"success":false,"ret_msg":"error:handler not found,topic:publicTrade.BTCUSDT","op":"subscribe"})"});
}

TEST(BybitConnect, ClassifiesWithoutAnAllocation) {
  if (!perp::test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer has a malloc of its own";
  const SubscriptionTable table = table_of({"publicTrade.BTCUSDT"});
  const std::vector<std::string> payloads{
      R"({"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1,"data":[]})",
      R"({"success":true,"ret_msg":"","req_id":"18","op":"subscribe"})"};
  const std::uint64_t before = perp::test::malloc_count();
  std::size_t known = 0;
  for (int round = 0; round < 1000; ++round)
    for (const std::string& payload : payloads)
      known += connect.classify(table, payload).subscription != no_subscription ? 1U : 0U;
  EXPECT_EQ(perp::test::malloc_count() - before, 0U);
  EXPECT_EQ(known, 1000U);
}

TEST(BybitConnect, AsksForWhatNoStreamBrings) {
  const auto target = [&](RestPurpose purpose, std::string_view endpoint, const RestQuery& query) {
    const RestCall* const call = find_call(connect, purpose, endpoint);
    if (call == nullptr) return std::string();
    const auto request = make_request(adapter, *call, query);
    return request.has_value() ? request->target : std::string("refused");
  };
  EXPECT_EQ(target(RestPurpose::instruments, "instruments-info", {}),
            "/v5/market/instruments-info?category=linear&limit=1000");
  // A cursor is percent-encoded as it stands.
  EXPECT_EQ(target(RestPurpose::instruments, "instruments-info", {.cursor = "lastid=1"}),
            "/v5/market/instruments-info?category=linear&limit=1000&cursor=lastid%3D1");
  EXPECT_EQ(target(RestPurpose::trade_fill, "recent-trade", {.symbol = "BTCUSDT"}),
            "/v5/market/recent-trade?category=linear&symbol=BTCUSDT&limit=1000");
  EXPECT_EQ(target(RestPurpose::kline_fill, "kline",
                   {.symbol = "BTCUSDT", .start_ms = 60'000, .end_ms = 180'000}),
            "/v5/market/kline?category=linear&symbol=BTCUSDT&interval=1&start=60000&end=179999&"
            "limit=1000");
  EXPECT_EQ(target(RestPurpose::poll, "account-ratio", {.symbol = "BTCUSDT"}),
            "/v5/market/account-ratio?category=linear&symbol=BTCUSDT&period=5min&limit=2");
  EXPECT_EQ(target(RestPurpose::history, "recent-trade", {.symbol = "BTCUSDT"}),
            target(RestPurpose::trade_fill, "recent-trade", {.symbol = "BTCUSDT"}));
  EXPECT_EQ(target(RestPurpose::trade_fill, "recent-trade", {}), "refused");
  EXPECT_EQ(connect.book_resync, BookResync::resubscribe);
}

TEST(BybitConnect, ToldApartIsWhenItWasSent) {
  EXPECT_EQ(
      connect.read_sent(
          R"({"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":[{"T":1672304486865,"s":"BTCUSDT"}]})"),
      1'672'304'486'868 * core::ns_per_ms);
  // A ticker has it at its end; "cts" is another time.
  const std::string data(500, ' ');
  EXPECT_EQ(connect.read_sent(R"({"topic":"tickers.BTCUSDT","type":"delta","data":{)" + data +
                              R"(},"cs":24987956059,"ts":1673272861686})"),
            1'673'272'861'686 * core::ns_per_ms);
  EXPECT_EQ(connect.read_sent(R"({"topic":"x","data":{)" + data + R"(},"cts":1673272861686})"),
            core::unknown_ns);
  EXPECT_EQ(connect.read_sent(R"({"success":true,"op":"subscribe"})"), core::unknown_ns);
  // Wherever it stands, it is read whole or not at all.
  for (std::size_t length = 0; length < 400; ++length) {
    const std::string message = R"({"topic":"tickers.BTCUSDT","type":"delta","data":{)" +
                                std::string(length, ' ') +
                                R"(},"cs":24987956059,"ts":1673272861686})";
    EXPECT_EQ(connect.read_sent(message), 1'673'272'861'686 * core::ns_per_ms) << length;
  }
}

}  // namespace
}  // namespace perp::venue::test
