// Hyperliquid messages written for one property each: what recordings do not show.
#include "venue/capture.hpp"

namespace perp::venue::test {
namespace {

using market::ContractType;
using market::RecordType;
using market::Side;

class HyperliquidAdapter : public testing::Test {
 protected:
  DecodeStatus take(std::string_view payload, std::int64_t receive_ns = core::unknown_ns) {
    sink_.reset();
    return decode(state_, payload, sink_, receive_ns);
  }
  DecodeStatus reply(const Query& query, std::string_view body) {
    sink_.reset();
    return decode_rest(state_, query, body, sink_);
  }
  std::size_t count(RecordType type) {
    std::size_t found = 0;
    for_each_record(sink_.bytes(),
                    [&](const market::RecordHeader& header) { found += header.type == type; });
    return found;
  }
  static std::string trade(std::int64_t tid, std::int64_t time_ms, std::string_view coin = "BTC") {
    return R"({"coin":")" + std::string(coin) +
           R"(","side":"A","px":"84143.0","sz":"0.5","time":)" + std::to_string(time_ms) +
           R"(,"hash":"0x00","tid":)" + std::to_string(tid) + "}";
  }
  static std::string trades(const std::string& rows) {
    return R"({"channel":"trades","data":[)" + rows + "]}";
  }

  VenueState state_{hyperliquid_adapter()};
  RecordSink sink_;
};

TEST_F(HyperliquidAdapter, NamesSayWhatACoinIs) {
  const struct {
    std::string_view native, base, quote;
    ContractType type;
    double multiplier;
  } cases[] = {
      {"BTC", "BTC", "USDC", ContractType::linear_perpetual, 1},
      {"kPEPE", "PEPE", "USDC", ContractType::linear_perpetual, 1000},
      {"kas", "kas", "USDC", ContractType::linear_perpetual, 1},
      {"0G", "0G", "USDC", ContractType::linear_perpetual, 1},
      {"xyz:SP500", "SP500", "", ContractType::other, 1},
      {"PURR/USDC", "PURR", "USDC", ContractType::spot, 1},
      {"@107", "@107", "", ContractType::spot, 1},
      {"#12090", "#12090", "", ContractType::other, 1},
  };
  std::uint64_t others = 0;
  for (const auto& c : cases) {
    ASSERT_EQ(take(R"({"channel":"bbo","data":{"coin":")" + std::string(c.native) +
                   R"(","time":1,"bbo":[{"px":"2","sz":"3","n":4},null]}})"),
              DecodeStatus::ok);
    const auto& found = state_.instruments.find(c.native)->instrument;
    EXPECT_EQ(found.base.view(), c.base);
    EXPECT_EQ(found.quote.view(), c.quote);
    EXPECT_EQ(found.contract_type, c.type);
    EXPECT_EQ(found.multiplier, c.multiplier);
    const bool is_primary = c.type == ContractType::linear_perpetual;
    EXPECT_EQ(found.is_primary, is_primary);
    others += is_primary ? 0 : 1;
    EXPECT_EQ(state_.other_instruments, others);
    const auto* bbo = only<market::Bbo>(sink_, RecordType::bbo);
    EXPECT_EQ(bbo->bid_price, 2 / c.multiplier);
    EXPECT_EQ(bbo->bid_quantity, 3 * c.multiplier);
    EXPECT_EQ(bbo->bid_orders, 4U);
    EXPECT_TRUE(std::isnan(bbo->ask_price));
    EXPECT_TRUE(std::isnan(bbo->ask_quantity));
    EXPECT_EQ(bbo->ask_orders, 0U);
  }
}

TEST_F(HyperliquidAdapter, EitherSideOfTheBestQuotesMayBeMissing) {
  ASSERT_EQ(
      take(
          R"({"channel":"bbo","data":{"coin":"BTC","time":1,"bbo":[null,{"px":"2","sz":"3","n":4}]}})"),
      DecodeStatus::ok);
  EXPECT_TRUE(std::isnan(only<market::Bbo>(sink_, RecordType::bbo)->bid_price));
  EXPECT_EQ(only<market::Bbo>(sink_, RecordType::bbo)->ask_price, 2);
  ASSERT_EQ(take(R"({"channel":"bbo","data":{"coin":"BTC","time":1,"bbo":[null,null]}})"),
            DecodeStatus::ok);
  EXPECT_EQ(take(R"({"channel":"bbo","data":{"coin":"BTC","time":1}})"),
            DecodeStatus::missing_field);
  EXPECT_EQ(take(R"({"channel":"bbo","data":{"coin":"BTC","time":1,"bbo":[null,null,null]}})"),
            DecodeStatus::wrong_type);
}

TEST_F(HyperliquidAdapter, RepeatedTradesAreToldOnceWithinAndAcrossFrames) {
  ASSERT_EQ(take(trades(trade(7, 1000) + "," + trade(9, 1000) + "," + trade(7, 1000))),
            DecodeStatus::ok);
  EXPECT_EQ(count(RecordType::trade), 2U);
  EXPECT_EQ(state_.duplicates, 1U);
  ASSERT_EQ(take(trades(trade(9, 1000) + "," + trade(3, 1001))), DecodeStatus::ok);
  EXPECT_EQ(count(RecordType::trade), 1U);
  ASSERT_EQ(take(trades(trade(9, 1000, "ETH"))), DecodeStatus::ok);  // ids are unique within a coin
  EXPECT_EQ(count(RecordType::trade), 1U);
  EXPECT_EQ(state_.duplicates, 2U);
}

TEST_F(HyperliquidAdapter, RepeatsAreKnownLongAfterTheirIdsAreForgotten) {
  constexpr int trade_count = 10'000;
  for (int i = 0; i < trade_count; ++i)
    ASSERT_EQ(take(trades(trade(1 + (i * 7919LL) % 1'000'003, 1'000'000 + i))), DecodeStatus::ok);
  EXPECT_EQ(state_.duplicates, 0U);
  for (const int i : {0, 1, 500, 5000, 9000, trade_count - 1}) {
    ASSERT_EQ(take(trades(trade(1 + (i * 7919LL) % 1'000'003, 1'000'000 + i))), DecodeStatus::ok);
    EXPECT_EQ(sink_.record_count(), 0U) << i;
  }
  EXPECT_EQ(state_.duplicates, 6U);
  ASSERT_EQ(take(trades(trade(5'000'000, 1'000'000 + trade_count))), DecodeStatus::ok);
  EXPECT_EQ(count(RecordType::trade), 1U);
}

TEST_F(HyperliquidAdapter, TradesOfAFrameStandInTheOrderOfTheirTimes) {
  ASSERT_EQ(take(trades(trade(1, 30) + "," + trade(2, 20) + "," + trade(3, 10))), DecodeStatus::ok);
  std::vector<std::int64_t> ids;
  for_each_record(sink_.bytes(), [&](const market::RecordHeader& header) {
    if (header.type == RecordType::trade)
      ids.push_back(market::payload<market::Trade>(header).trade_id);
  });
  EXPECT_EQ(ids, (std::vector<std::int64_t>{3, 2, 1}));
  // Recent trades by REST come newest first and are not checked against the stream.
  ASSERT_EQ(reply({.endpoint = "recentTrades", .is_backfill = true},
                  "[" + trade(1, 30) + "," + trade(3, 10) + "]"),
            DecodeStatus::ok);
  ids.clear();
  for_each_record(sink_.bytes(), [&](const market::RecordHeader& header) {
    ids.push_back(market::payload<market::Trade>(header).trade_id);
    EXPECT_EQ(header.flags, market::flag_backfill);
  });
  EXPECT_EQ(ids, (std::vector<std::int64_t>{3, 1}));
}

TEST_F(HyperliquidAdapter, ATradeBehindThoseOfAnEarlierMessageIsHistory) {
  const auto told = [&](const std::string& rows, std::int64_t received_ms) {
    EXPECT_EQ(take(trades(rows), received_ms * core::ns_per_ms), DecodeStatus::ok);
    std::vector<std::pair<std::int64_t, bool>> found;
    for_each_record(sink_.bytes(), [&](const market::RecordHeader& header) {
      if (header.type == RecordType::trade)
        found.emplace_back(market::payload<market::Trade>(header).trade_id,
                           (header.flags & market::flag_backfill) != 0);
    });
    return found;
  };
  using Told = std::vector<std::pair<std::int64_t, bool>>;
  // Within a message there is no order, nor within one time.
  EXPECT_EQ(told(trade(1, 1000) + "," + trade(2, 990), 1005), (Told{{2, false}, {1, false}}));
  EXPECT_EQ(told(trade(3, 1000), 1006), (Told{{3, false}}));
  // What a subscription's first message repeats: 995 and 999 were lost on the way, 1010 is new.
  EXPECT_EQ(
      told(trade(4, 1010) + "," + trade(1, 1000) + "," + trade(5, 999) + "," + trade(6, 995), 1020),
      (Told{{6, true}, {5, true}, {4, false}}));
  EXPECT_EQ(told(trade(7, 1009, "ETH"), 1021), (Told{{7, false}})) << "another coin";
  // A time that lies ahead makes no history of what follows.
  EXPECT_EQ(told(trade(8, 90'000'000), 1030), (Told{{8, false}}));
  EXPECT_EQ(told(trade(9, 1035), 1040), (Told{{9, false}}));
  // Nor does a clock that goes back, for ever.
  bool is_history = true;
  for (std::int64_t id = 100; is_history && id < 1000; ++id)
    is_history = told(trade(id, id - 100), 2000 + id).front().second;
  EXPECT_FALSE(is_history);
  EXPECT_EQ(told(trade(1001, 900), 4000), (Told{{1001, false}}));
}

TEST_F(HyperliquidAdapter, TheFastBookIsTheOneOfFiveLevels) {
  const auto book = [](int levels, std::string_view extra = "") {
    std::string side;
    for (int i = 0; i < levels; ++i)
      side += (i == 0 ? "" : ",") + std::string(R"({"px":"1","sz":"1","n":1})");
    return R"({"channel":"l2Book","data":{"coin":"BTC","time":5,"levels":[[)" + side + "],[" +
           side + "]]" + std::string(extra) + "}}";
  };
  const auto depth = [&] { return only<market::Book>(sink_, RecordType::book_snapshot)->depth; };
  ASSERT_EQ(take(book(20)), DecodeStatus::ok);
  EXPECT_EQ(depth(), 20);
  ASSERT_EQ(take(book(5)), DecodeStatus::ok);
  EXPECT_EQ(depth(), 5);
  ASSERT_EQ(take(book(3, R"(,"fast":true)")), DecodeStatus::ok);
  EXPECT_EQ(depth(), 5);
  ASSERT_EQ(take(book(3)), DecodeStatus::ok);
  EXPECT_EQ(depth(), 20);
  ASSERT_EQ(take(book(0)), DecodeStatus::ok);
  EXPECT_EQ(take(R"({"channel":"l2Book","data":{"coin":"BTC","time":5,"levels":[[]]}})"),
            DecodeStatus::missing_field);
  EXPECT_EQ(take(R"({"channel":"l2Book","data":{"coin":"BTC","time":5,"levels":[[],[],[]]}})"),
            DecodeStatus::wrong_type);
}

TEST_F(HyperliquidAdapter, ABookOlderThanTheLastOneIsStale) {
  const auto book = [](int time) {
    return R"({"channel":"l2Book","data":{"coin":"BTC","time":)" + std::to_string(time) +
           R"(,"levels":[[],[]]}})";
  };
  const auto continuity = [&] {
    return static_cast<market::Continuity>(
        only<market::Book>(sink_, RecordType::book_snapshot)->continuity);
  };
  ASSERT_EQ(take(book(50)), DecodeStatus::ok);
  EXPECT_EQ(continuity(), market::Continuity::restart);
  ASSERT_EQ(take(book(50)), DecodeStatus::ok);
  EXPECT_EQ(continuity(), market::Continuity::restart);
  ASSERT_EQ(take(book(49)), DecodeStatus::ok);
  EXPECT_EQ(continuity(), market::Continuity::stale);
}

TEST_F(HyperliquidAdapter, FundingIsForTheNextWholeHour) {
  const std::string message =
      R"({"channel":"activeAssetCtx","data":{"coin":"BTC","ctx":{"funding":"0.00001","openInterest":"2","prevDayPx":"1","dayNtlVlm":"1","premium":null,"oraclePx":"1","markPx":"1","midPx":null,"impactPxs":null,"dayBaseVlm":"1"}}})";
  ASSERT_EQ(take(message, 1790232216193 * core::ns_per_ms), DecodeStatus::ok);
  const auto* funding = only<market::Funding>(sink_, RecordType::funding);
  EXPECT_EQ(funding->funding_ns, 1790233200 * core::ns_per_second);
  EXPECT_EQ(funding->interval_ns, core::ns_per_hour);
  EXPECT_TRUE(std::isnan(funding->premium));
  EXPECT_TRUE(std::isnan(only<market::MarkPrice>(sink_, RecordType::mark_price)->impact_bid));
  EXPECT_TRUE(std::isnan(only<market::Ticker>(sink_, RecordType::ticker)->mid_price));
  ASSERT_EQ(take(message, 1790233200 * core::ns_per_second), DecodeStatus::ok);
  EXPECT_EQ(only<market::Funding>(sink_, RecordType::funding)->funding_ns,
            (1790233200 + 3600) * core::ns_per_second);
  ASSERT_EQ(take(message), DecodeStatus::ok);
  EXPECT_EQ(only<market::Funding>(sink_, RecordType::funding)->funding_ns, core::unknown_ns);
  EXPECT_EQ(
      take(
          R"({"channel":"activeAssetCtx","data":{"coin":"BTC","ctx":{"openInterest":"2","markPx":"1"}}})"),
      DecodeStatus::missing_field);
  EXPECT_EQ(state_.fault_field, "funding");
}

TEST_F(HyperliquidAdapter, PredictedFundingsAreThisVenuesOwn) {
  const char* body =
      R"([["BTC",[["BinPerp",{"fundingRate":"0.5","nextFundingTime":1790236800000}],["HlPerp",{"fundingRate":"0.0000125","nextFundingTime":1790232000000,"fundingIntervalHours":1}]]],)"
      R"(["ETH",[["BybitPerp",null]]]])";
  ASSERT_EQ(
      reply({.endpoint = "predictedFundings", .receive_ns = 1790232216193 * core::ns_per_ms}, body),
      DecodeStatus::ok)
      << state_.fault_field;
  const auto* funding = only<market::Funding>(sink_, RecordType::funding);
  EXPECT_EQ(funding->rate, 0.0000125);
  EXPECT_EQ(funding->funding_ns, (1790232000 + 3600) * core::ns_per_second);
  EXPECT_EQ(funding->kind, market::FundingKind::predicted);
  EXPECT_EQ(state_.instruments.find("ETH"), nullptr);
}

TEST_F(HyperliquidAdapter, ALiquidationsSideFollowsFromWhoseFillItIs) {
  const std::string victim = "0x1111111111111111111111111111111111111111";
  const std::string other = "0x2222222222222222222222222222222222222222";
  const auto push = [&](const std::string& user, int tid, std::string_view side,
                        std::string_view method, std::string_view crossed) {
    return R"({"channel":"userFills","data":{"user":")" + user +
           R"(","fills":[{"coin":"BTC","px":"10","sz":"2","side":")" + std::string(side) +
           R"(","time":5,"dir":"x","crossed":)" + std::string(crossed) + R"(,"tid":)" +
           std::to_string(tid) + R"(,"liquidation":{"liquidatedUser":")" + victim +
           R"(","markPx":"1","method":")" + std::string(method) + R"("}}]}})";
  };
  ASSERT_EQ(take(push(victim, 1, "A", "backstop", "false")), DecodeStatus::ok);
  EXPECT_EQ(only<market::Liquidation>(sink_, RecordType::liquidation)->position_side,
            market::PositionSide::long_side);
  ASSERT_EQ(take(push(other, 2, "A", "market", "false")), DecodeStatus::ok);
  EXPECT_EQ(only<market::Liquidation>(sink_, RecordType::liquidation)->position_side,
            market::PositionSide::short_side);
  // Both parties' fills carry one id: it is one liquidation.
  ASSERT_EQ(take(push(victim, 2, "B", "market", "true")), DecodeStatus::ok);
  EXPECT_EQ(sink_.record_count(), 0U);
  const auto event = [&](int tid, std::string_view method, std::string_view crossed) {
    std::string text = push("", tid, "B", method, crossed);
    text.replace(text.find("userFills"), 9, "user");
    return text;
  };
  ASSERT_EQ(take(event(3, "market", "true")), DecodeStatus::ok);
  EXPECT_EQ(only<market::Liquidation>(sink_, RecordType::liquidation)->order_side, Side::buy);
  ASSERT_EQ(take(event(4, "market", "false")), DecodeStatus::ok);
  EXPECT_EQ(only<market::Liquidation>(sink_, RecordType::liquidation)->order_side, Side::sell);
  ASSERT_EQ(take(event(5, "backstop", "true")), DecodeStatus::ok);
  EXPECT_EQ(only<market::Liquidation>(sink_, RecordType::liquidation)->position_side,
            market::PositionSide::unknown);
}

TEST_F(HyperliquidAdapter, PositionsPushedWithTheirOwnerAreTaken) {
  const std::string position =
      R"({"assetPositions":[{"type":"oneWay","position":{"coin":"kPEPE","szi":"-3","leverage":{"type":"isolated","value":7,"rawUsd":"1"},"entryPx":"0.004","positionValue":"1","unrealizedPnl":"2","returnOnEquity":"0","liquidationPx":null,"marginUsed":"3","maxLeverage":10,"cumFunding":{"allTime":"9","sinceOpen":"8","sinceChange":"7"}}}],"time":5})";
  ASSERT_EQ(
      take(
          R"({"channel":"clearinghouseState","data":{"dex":"","user":"0x00000000000000000000000000000000000000aB","clearinghouseState":)" +
          position + "}}"),
      DecodeStatus::ok);
  const auto* found = only<market::Position>(sink_, RecordType::position);
  EXPECT_EQ(found->address[19], 0xab);
  EXPECT_EQ(found->size, -3000);
  EXPECT_EQ(found->entry_price, 0.000004);
  EXPECT_EQ(found->leverage, 7);
  EXPECT_EQ(found->is_isolated, 1);
  EXPECT_TRUE(std::isnan(found->liquidation_price));
  EXPECT_EQ(found->cumulative_funding, 8);
  ASSERT_EQ(take(R"({"channel":"clearinghouseState","data":)" + position + "}"), DecodeStatus::ok);
  EXPECT_EQ(sink_.record_count(), 0U);
  EXPECT_EQ(messages_of(state_, "clearinghouseState"), 2U);
}

TEST_F(HyperliquidAdapter, RepliesOnTheSocketAreReplies) {
  const auto post = [](std::string_view type, std::string_view data) {
    return R"({"channel":"post","data":{"id":1,"response":{"type":"info","payload":{"type":")" +
           std::string(type) + R"(","data":)" + std::string(data) + "}}}}";
  };
  ASSERT_EQ(
      take(post("l2Book", R"({"coin":"BTC","time":5,"levels":[[{"px":"1","sz":"2","n":3}],[]]})")),
      DecodeStatus::ok);
  EXPECT_EQ(only<market::Book>(sink_, RecordType::book_snapshot)->bid_count, 1U);
  EXPECT_EQ(take(post("l2Book", "null")), DecodeStatus::venue_error);
  EXPECT_EQ(take(post("somethingNew", "{}")), DecodeStatus::ok);
  EXPECT_EQ(
      take(
          R"({"channel":"post","data":{"id":1,"response":{"type":"error","payload":"429 too many"}}})"),
      DecodeStatus::venue_error);
  EXPECT_EQ(state_.fault_field, "429 too many");
  EXPECT_EQ(messages_of(state_, "post"), 4U);
}

TEST_F(HyperliquidAdapter, WhatIsNotMarketDataIsCountedByItsName) {
  for (const char* channel :
       {"subscriptionResponse", "userFundings", "userNonFundingLedgerUpdates", "orderUpdates",
        "notification", "activeAssetData", "allDexsClearinghouseState", "webData2", "webData3",
        "fastAssetCtxs"}) {
    ASSERT_EQ(take(R"({"channel":")" + std::string(channel) + R"(","data":{"anything":[1,2]}})"),
              DecodeStatus::ok)
        << channel;
    EXPECT_EQ(sink_.record_count(), 0U);
    EXPECT_EQ(messages_of(state_, channel), 1U);
  }
  EXPECT_EQ(take("Websocket connection established."), DecodeStatus::ok);
  EXPECT_EQ(messages_of(state_, "greeting"), 1U);
  EXPECT_EQ(take(R"({"channel":"pong"})"), DecodeStatus::ok);
  EXPECT_EQ(messages_of(state_, "pong"), 1U);
}

TEST_F(HyperliquidAdapter, RefusalsSayWhyAndWhere) {
  const struct {
    std::string message;
    DecodeStatus status;
    const char* field;
  } cases[] = {
      {"", DecodeStatus::malformed_json, nullptr},
      {"Websocket connection", DecodeStatus::malformed_json, nullptr},
      {R"({"channel":"pong"}})", DecodeStatus::malformed_json, nullptr},
      {"{\"channel\":\"\xc0\x80\"}", DecodeStatus::not_utf8, "message"},
      {R"([1])", DecodeStatus::wrong_type, "message"},
      {R"({"data":1})", DecodeStatus::unknown_stream, "channel"},
      {R"({"channel":"l2","data":1})", DecodeStatus::unknown_stream, "l2"},
      {R"({"channel":"trades"})", DecodeStatus::missing_field, "data"},
      {R"({"channel":"trades","data":{}})", DecodeStatus::wrong_type, "data"},
      {R"({"channel":"error","data":"Already subscribed: {}"})", DecodeStatus::venue_error,
       "Already subscribed: {}"},
      {trades(R"({"coin":"BTC","side":"C","px":"1","sz":"1","time":1,"tid":1})"),
       DecodeStatus::unknown_value, "side"},
      {trades(R"({"coin":"BTC","side":"A","px":"1","sz":"1","tid":1})"),
       DecodeStatus::missing_field, "time"},
      {trades(
           R"({"coin":"BTC","side":"A","px":"1","sz":"1","time":1,"tid":1,"users":["0x12","0x34"]})"),
       DecodeStatus::wrong_type, "users"},
      {trades(R"({"coin":"BTC","side":"A","px":"1","sz":"1","time":1,"tid":1,"users":[]})"),
       DecodeStatus::missing_field, "users"},
      {trades(R"({"coin":"BTC","side":"A","px":"1e400","sz":"1","time":1,"tid":1})"),
       DecodeStatus::out_of_range, "px"},
      {trades(R"({"coin":"BTC","side":"A","px":"1","px":"1","sz":"1","time":1,"tid":1})"),
       DecodeStatus::malformed_json, "px"},
      {R"({"channel":"bbo","data":{"coin":"BTC","time":1,"bbo":[{"px":"1","sz":"1","n":-1},null]}})",
       DecodeStatus::out_of_range, "n"},
      {R"({"channel":"candle","data":{"t":5,"T":4,"s":"BTC","i":"1m","o":"1","c":"1","h":"1","l":"1","v":"1","n":1}})",
       DecodeStatus::out_of_range, "T"},
  };
  std::uint64_t messages = 0;
  for (const auto& c : cases) {
    EXPECT_EQ(take(c.message), c.status) << c.message << " " << state_.fault_field;
    if (c.field != nullptr) {
      EXPECT_EQ(state_.fault_field, c.field) << c.message;
    }
    EXPECT_EQ(sink_.record_count(), 0U);
    EXPECT_EQ(messages_total(state_), ++messages);
  }
  EXPECT_EQ(state_.instruments.size(), 0U);
  EXPECT_EQ(state_.decode_errors, messages - 1);
}

TEST_F(HyperliquidAdapter, RestErrorsAreTheVenuesOwn) {
  for (const Endpoint& endpoint : hyperliquid_adapter().endpoints) {
    EXPECT_EQ(reply({.endpoint = endpoint.name}, "null"), DecodeStatus::venue_error)
        << endpoint.name;
    EXPECT_EQ(reply({.endpoint = endpoint.name},
                    "Failed to deserialize the JSON body into the target type"),
              DecodeStatus::venue_error);
    EXPECT_EQ(messages_of(state_, "rest_" + std::string(endpoint.name)), 2U);
  }
  EXPECT_EQ(reply({.endpoint = "nothing"}, "{}"), DecodeStatus::unknown_stream);
  EXPECT_EQ(reply({.endpoint = "userRole"}, "<html>"), DecodeStatus::malformed_json);
  EXPECT_EQ(reply({.endpoint = "metaAndAssetCtxs"},
                  R"([{"universe":[{"szDecimals":5,"name":"BTC","maxLeverage":40}]},[]])"),
            DecodeStatus::missing_field);
  EXPECT_EQ(reply({.endpoint = "metaAndAssetCtxs"},
                  R"([{"universe":[{"szDecimals":99,"name":"BTC","maxLeverage":40}]},[]])"),
            DecodeStatus::out_of_range);
  EXPECT_EQ(
      reply({.endpoint = "clearinghouseState", .symbol = "0xnonsense"}, R"({"assetPositions":[]})"),
      DecodeStatus::wrong_type);
  EXPECT_EQ(state_.instruments.size(), 0U);
}

}  // namespace
}  // namespace perp::venue::test
