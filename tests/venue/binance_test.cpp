// Binance messages written for one property each: what recordings do not show.
#include "venue/capture.hpp"

#include <perp/market/continuity.hpp>

namespace perp::venue::test {
namespace {

using market::ContractType;
using market::PositionSide;
using market::RecordType;
using market::Side;

class BinanceAdapter : public testing::Test {
 protected:
  DecodeStatus take(std::string_view payload, std::int64_t receive_ns = core::unknown_ns) {
    sink_.reset();
    return decode(state_, payload, sink_, receive_ns);
  }
  DecodeStatus reply(const Query& query, std::string_view body) {
    sink_.reset();
    return decode_rest(state_, query, body, sink_);
  }
  const market::Instrument& instrument(std::string_view native) {
    const auto* entry = state_.instruments.find(native);
    EXPECT_NE(entry, nullptr) << native;
    static const market::Instrument none;
    return entry == nullptr ? none : entry->instrument;
  }
  static std::string agg_trade(std::int64_t id, std::string_view symbol = "BTCUSDT") {
    return R"({"e":"aggTrade","E":1786171884624,"a":)" + std::to_string(id) + R"(,"s":")" +
           std::string(symbol) +
           R"(","p":"10.5","q":"2","f":7,"l":9,"T":1786171884471,"m":true,"st":1})";
  }
  std::size_t count(RecordType type) {
    std::size_t found = 0;
    for_each_record(sink_.bytes(),
                    [&](const market::RecordHeader& header) { found += header.type == type; });
    return found;
  }

  VenueState state_{binance_adapter()};
  RecordSink sink_;
};

TEST_F(BinanceAdapter, AnUnknownInstrumentIsTakenFromTheStreamBeforeItsFirstRecord) {
  ASSERT_EQ(take(agg_trade(1, "1000PEPEUSDT")), DecodeStatus::ok);
  ASSERT_EQ(sink_.record_count(), 2U);
  const auto& first = *reinterpret_cast<const market::RecordHeader*>(sink_.bytes().data());
  ASSERT_EQ(first.type, RecordType::instrument);
  const auto& told = market::payload<market::Instrument>(first);
  EXPECT_EQ(told.base.view(), "PEPE");
  EXPECT_EQ(told.quote.view(), "USDT");
  EXPECT_EQ(told.multiplier, 1000);
  EXPECT_EQ(told.contract_size, 1);
  EXPECT_EQ(told.contract_type, ContractType::linear_perpetual);
  EXPECT_EQ(told.status, market::InstrumentStatus::live);
  EXPECT_EQ(told.is_provisional, 1);
  EXPECT_EQ(told.is_primary, 1);
  const auto* trade = only<market::Trade>(sink_, RecordType::trade);
  EXPECT_EQ(trade->price, 0.0105);  // per one PEPE
  EXPECT_EQ(trade->quantity, 2000);
  EXPECT_EQ(trade->fill_count, 3U);
  EXPECT_EQ(state_.provisional_instruments, 1U);
  ASSERT_EQ(take(agg_trade(2, "1000PEPEUSDT")), DecodeStatus::ok);
  EXPECT_EQ(sink_.record_count(), 1U);
}

TEST_F(BinanceAdapter, NamesSayWhatAContractIs) {
  const struct {
    std::string_view native, base, quote;
    ContractType type;
    bool is_primary;
  } cases[] = {
      {"BTCUSDT", "BTC", "USDT", ContractType::linear_perpetual, true},
      {"1INCHUSDT", "1INCH", "USDT", ContractType::linear_perpetual, true},
      {"1MBABYDOGEUSDT", "BABYDOGE", "USDT", ContractType::linear_perpetual, true},
      {"1000000MOGUSDT", "MOG", "USDT", ContractType::linear_perpetual, true},
      {"币安人生USDT", "币安人生", "USDT", ContractType::linear_perpetual, true},
      {"BTCUSDC", "BTC", "USDC", ContractType::linear_perpetual, false},
      {"ETHBTC", "ETH", "BTC", ContractType::linear_perpetual, false},
      {"BTCUSDT_261225", "BTC", "USDT", ContractType::dated_future, false},
      {"BTCUSD_PERP", "BTC", "USD", ContractType::inverse_perpetual, false},
      {"BTCUSD_261225", "BTC", "USD", ContractType::dated_future, false},
      {"USDT", "USDT", "", ContractType::unknown, false},
  };
  std::uint64_t others = 0;
  for (const auto& c : cases) {
    ASSERT_EQ(take(agg_trade(1, c.native)), DecodeStatus::ok) << c.native;
    const auto& found = instrument(c.native);
    EXPECT_EQ(found.base.view(), c.base);
    EXPECT_EQ(found.quote.view(), c.quote);
    EXPECT_EQ(found.contract_type, c.type) << c.native;
    EXPECT_EQ(found.is_primary, c.is_primary) << c.native;
    others += c.is_primary ? 0 : 1;
    EXPECT_EQ(state_.other_instruments, others) << c.native;
    // An inverse contract's size is worth dollars: no number of coins follows from it.
    const bool is_inverse = c.quote == "USD";
    EXPECT_EQ(std::isnan(only<market::Trade>(sink_, RecordType::trade)->quantity), is_inverse)
        << c.native;
    EXPECT_EQ(std::isnan(found.contract_size), is_inverse);
  }
}

TEST_F(BinanceAdapter, CoinMarginedContractsInCommonStreamsAreKnownByTheirMark) {
  const std::string usd =
      R"({"e":"markPriceUpdate","E":1786171884000,"s":"BTCUSDT","p":"1","P":"1","i":"1","r":"0.1","T":1786176000000,"st":1})";
  std::string coin =
      R"({"e":"markPriceUpdate","E":1786171884000,"s":"NEWUSD","p":"1","P":"1","i":"1","r":"0.1","T":1786176000000,"st":2})";
  ASSERT_EQ(take("[" + usd + "," + coin + "]"), DecodeStatus::ok);
  EXPECT_EQ(instrument("BTCUSDT").contract_type, ContractType::linear_perpetual);
  EXPECT_EQ(instrument("NEWUSD").contract_type, ContractType::inverse_perpetual);
  EXPECT_EQ(state_.other_instruments, 1U);
  EXPECT_EQ(count(RecordType::mark_price), 2U);
  // One that looked like a USD-M contract until its mark was seen.
  ASSERT_EQ(take(agg_trade(1, "XYZUSDT")), DecodeStatus::ok);
  EXPECT_EQ(instrument("XYZUSDT").is_primary, 1);
  std::string trade = agg_trade(2, "XYZUSDT");
  trade.replace(trade.find("\"st\":1"), 6, "\"st\":2");
  ASSERT_EQ(take(trade), DecodeStatus::ok);
  EXPECT_EQ(instrument("XYZUSDT").is_primary, 0);
  EXPECT_EQ(instrument("XYZUSDT").contract_type, ContractType::inverse_perpetual);
  EXPECT_TRUE(std::isnan(only<market::Trade>(sink_, RecordType::trade)->quantity));
  // And a book of one, whose mark stands behind the levels.
  const std::string depth =
      R"({"e":"depthUpdate","E":1,"T":1,"s":"ABCUSDT","U":1,"u":2,"pu":0,"b":[["2","3"],["1","0"]],"a":[],"st":2})";
  ASSERT_EQ(take(depth), DecodeStatus::ok);
  const auto* book = only<market::Book>(sink_, RecordType::book_delta);
  EXPECT_EQ(market::bids(*book)[0].price, 2);
  EXPECT_TRUE(std::isnan(market::bids(*book)[0].quantity));
  EXPECT_EQ(market::bids(*book)[1].quantity,
            0);  // a level that is gone, whatever a contract is worth
  EXPECT_EQ(count(RecordType::instrument), 1U);
  EXPECT_EQ(instrument("ABCUSDT").contract_type, ContractType::inverse_perpetual);
}

TEST_F(BinanceAdapter, AHoleInTradeIdsIsToldAndRepeatsAreDropped) {
  ASSERT_EQ(take(agg_trade(10)), DecodeStatus::ok);
  ASSERT_EQ(take(agg_trade(11)), DecodeStatus::ok);
  EXPECT_EQ(state_.gaps, 0U);
  ASSERT_EQ(take(agg_trade(15)), DecodeStatus::ok);
  EXPECT_EQ(state_.gaps, 1U);
  const auto* gap = only<market::Gap>(sink_, RecordType::gap);
  EXPECT_EQ(gap->expected_id, 12);
  EXPECT_EQ(gap->got_id, 15);
  EXPECT_EQ(gap->stream, RecordType::trade);
  EXPECT_EQ(gap->cause, market::GapCause::sequence);
  const market::RecordHeader* header = nullptr;
  only<market::Trade>(sink_, RecordType::trade, &header);
  EXPECT_EQ(header->flags, market::flag_gap_before);
  for (const std::int64_t id : {15, 11, 10}) {
    ASSERT_EQ(take(agg_trade(id)), DecodeStatus::ok);
    EXPECT_EQ(sink_.record_count(), 0U);
  }
  EXPECT_EQ(state_.duplicates, 3U);
  ASSERT_EQ(take(agg_trade(16)), DecodeStatus::ok);
  EXPECT_EQ(count(RecordType::trade), 1U);
  // Another symbol and another stream have ids of their own.
  ASSERT_EQ(take(agg_trade(3, "ETHUSDT")), DecodeStatus::ok);
  EXPECT_EQ(state_.gaps, 1U);
  ASSERT_EQ(
      take(
          R"({"e":"trade","E":5,"T":4,"s":"BTCUSDT","t":2,"p":"1","q":"1","X":"MARKET","m":false})"),
      DecodeStatus::ok);
  EXPECT_EQ(count(RecordType::trade), 1U);
}

TEST_F(BinanceAdapter, IdsThatStayBehindForLongAreANewNumbering) {
  ASSERT_EQ(take(agg_trade(1'000'000)), DecodeStatus::ok);
  std::size_t dropped = 0;
  std::int64_t id = 1;
  while (take(agg_trade(id)) == DecodeStatus::ok && sink_.record_count() == 0) {
    ++id;
    ASSERT_LT(++dropped, 10'000U);
  }
  EXPECT_EQ(dropped, market::repeat_limit - 1);
  EXPECT_EQ(state_.gaps, 1U);
  ASSERT_EQ(take(agg_trade(id + 1)), DecodeStatus::ok);
  EXPECT_EQ(count(RecordType::trade), 1U);
}

TEST_F(BinanceAdapter, OnlyMarketTradesAreTrades) {
  const auto trade = [](int id, std::string_view how) {
    return R"({"e":"trade","E":5,"T":4,"s":"BTCUSDT","t":)" + std::to_string(id) +
           R"(,"p":"1","q":"1","X":")" + std::string(how) + R"(","m":false})";
  };
  ASSERT_EQ(take(trade(1, "MARKET")), DecodeStatus::ok);
  for (const auto& [id, how] : {std::pair{2, "INSURANCE_FUND"}, {3, "ADL"}, {4, "NA"}}) {
    ASSERT_EQ(take(trade(id, how)), DecodeStatus::ok);
    EXPECT_EQ(sink_.record_count(), 0U);
  }
  EXPECT_EQ(messages_of(state_, "trade_not_market"), 3U);
  ASSERT_EQ(take(trade(5, "MARKET")), DecodeStatus::ok);
  EXPECT_EQ(state_.gaps, 0U);
  EXPECT_EQ(messages_of(state_, "trade"), 2U);
}

TEST_F(BinanceAdapter, TheStreamsNameTellsPartialBooksFromDiffs) {
  const std::string data =
      R"({"e":"depthUpdate","E":9,"T":8,"s":"BTCUSDT","U":1,"u":2,"pu":0,"b":[["2","3"],["1","4"]],"a":[["5","6"]]})";
  for (const auto& [name, depth] : {std::pair{"btcusdt@depth5@100ms", 5},
                                    {"btcusdt@depth10", 10},
                                    {"btcusdt@depth20@100ms", 20}}) {
    ASSERT_EQ(take(R"({"stream":")" + std::string(name) + R"(","data":)" + data + "}"),
              DecodeStatus::ok);
    const auto* book = only<market::Book>(sink_, RecordType::book_snapshot);
    EXPECT_EQ(book->depth, depth);
    EXPECT_EQ(book->continuity, static_cast<std::uint8_t>(market::Continuity::restart));
  }
  EXPECT_EQ(messages_of(state_, "depth_partial"), 3U);
  for (const char* name : {"btcusdt@depth", "btcusdt@depth@100ms", "btcusdt@depth@0ms"}) {
    ASSERT_EQ(take(R"({"stream":")" + std::string(name) + R"(","data":)" + data + "}"),
              DecodeStatus::ok);
    EXPECT_EQ(only<market::Book>(sink_, RecordType::book_delta)->depth, 0);
  }
  EXPECT_EQ(messages_of(state_, "depthUpdate"), 3U);
  ASSERT_EQ(take(R"({"stream":"btcusdt@rpiDepth@500ms","data":)" + data + "}"), DecodeStatus::ok);
  EXPECT_EQ(sink_.record_count(), 0U);
  EXPECT_EQ(messages_of(state_, "rpiDepth"), 1U);
}

TEST_F(BinanceAdapter, ABrokenChainOfDepthEventsIsAGap) {
  const auto depth = [](int first, int last, int previous) {
    return R"({"e":"depthUpdate","E":9,"T":8,"s":"BTCUSDT","U":)" + std::to_string(first) +
           R"(,"u":)" + std::to_string(last) + R"(,"pu":)" + std::to_string(previous) +
           R"(,"b":[],"a":[]})";
  };
  const auto continuity = [&] {
    return static_cast<market::Continuity>(
        only<market::Book>(sink_, RecordType::book_delta)->continuity);
  };
  ASSERT_EQ(reply({.endpoint = "depth", .symbol = "BTCUSDT"},
                  R"({"lastUpdateId":100,"bids":[["1","1"]],"asks":[]})"),
            DecodeStatus::ok);
  ASSERT_EQ(take(depth(80, 90, 70)), DecodeStatus::ok);
  EXPECT_EQ(continuity(), market::Continuity::stale);
  ASSERT_EQ(take(depth(95, 105, 90)), DecodeStatus::ok);
  EXPECT_EQ(continuity(), market::Continuity::restart);
  ASSERT_EQ(take(depth(110, 120, 105)), DecodeStatus::ok);
  EXPECT_EQ(continuity(), market::Continuity::continuous);
  EXPECT_EQ(count(RecordType::gap), 0U);
  ASSERT_EQ(take(depth(130, 140, 125)), DecodeStatus::ok);
  EXPECT_EQ(continuity(), market::Continuity::gap);
  EXPECT_EQ(state_.gaps, 1U);
  const auto* gap = only<market::Gap>(sink_, RecordType::gap);
  EXPECT_EQ(gap->expected_id, 120);
  EXPECT_EQ(gap->got_id, 125);
  EXPECT_EQ(gap->stream, RecordType::book_delta);
}

TEST_F(BinanceAdapter, NoFundingIsNotAFundingOfZero) {
  ASSERT_EQ(
      take(
          R"({"e":"markPriceUpdate","E":9,"s":"BTCUSDT_261225","p":"1","P":"1","i":"1","r":"","T":0})"),
      DecodeStatus::ok);
  EXPECT_EQ(count(RecordType::mark_price), 1U);
  EXPECT_EQ(count(RecordType::funding), 0U);
  ASSERT_EQ(
      take(
          R"({"e":"markPriceUpdate","E":9,"s":"BTCUSDT_261225","p":"1","P":"1","i":"1","r":"0.0","T":0})"),
      DecodeStatus::ok);
  EXPECT_EQ(count(RecordType::funding), 0U);
  ASSERT_EQ(
      reply(
          {.endpoint = "premiumIndex"},
          R"([{"symbol":"BTCUSDT_261225","markPrice":"1","indexPrice":"1","estimatedSettlePrice":"1","lastFundingRate":"","interestRate":"","nextFundingTime":0,"time":9}])"),
      DecodeStatus::ok);
  EXPECT_EQ(count(RecordType::funding), 0U);
  ASSERT_EQ(
      take(
          R"({"e":"markPriceUpdate","E":9,"s":"BTCUSDT","p":"1","P":"1","i":"1","r":"0","T":1786176000000})"),
      DecodeStatus::ok);
  EXPECT_EQ(only<market::Funding>(sink_, RecordType::funding)->rate, 0);
}

TEST_F(BinanceAdapter, LiquidationsTellThePositionAndOnlyOnce) {
  const auto order = [](std::string_view side, std::string_view filled,
                        std::string_view quantity = "5") {
    return R"({"e":"forceOrder","E":1786172557615,"o":{"s":"STGUSDT","S":")" + std::string(side) +
           R"(","o":"LIMIT","f":"IOC","q":")" + std::string(quantity) +
           R"(","p":"0.1336","ap":"0.1355","X":"FILLED","l":"5","z":")" + std::string(filled) +
           R"(","T":1786172556607,"st":1}})";
  };
  ASSERT_EQ(take(R"({"stream":"!forceOrder@arr","data":)" + order("SELL", "1") + "}"),
            DecodeStatus::ok);
  const market::RecordHeader* header = nullptr;
  const auto* first = only<market::Liquidation>(sink_, RecordType::liquidation, &header);
  EXPECT_EQ(first->position_side, PositionSide::long_side);
  EXPECT_EQ(first->order_side, Side::sell);
  EXPECT_EQ(first->is_venue_wide, 1);
  EXPECT_EQ(first->filled_quantity, 1);
  EXPECT_EQ(header->flags, market::flag_sampled);
  ASSERT_EQ(take(order("SELL", "5")), DecodeStatus::ok);
  EXPECT_EQ(sink_.record_count(), 0U);
  EXPECT_EQ(state_.duplicates, 1U);
  ASSERT_EQ(
      take("[" + order("BUY", "5") + "," + order("BUY", "6") + "," + order("BUY", "6", "7") + "]"),
      DecodeStatus::ok);
  EXPECT_EQ(count(RecordType::liquidation), 2U);
  EXPECT_EQ(state_.duplicates, 2U);
  for_each_record(sink_.bytes(), [](const market::RecordHeader& record) {
    EXPECT_EQ(market::payload<market::Liquidation>(record).position_side, PositionSide::short_side);
    EXPECT_EQ(market::payload<market::Liquidation>(record).is_venue_wide, 0);
  });
  EXPECT_EQ(take(order("LEFT", "1")), DecodeStatus::unknown_value);
  EXPECT_EQ(state_.fault_field, "S");
}

TEST_F(BinanceAdapter, ArraysAreTakenWholeOrNotAtAll) {
  const std::string good =
      R"({"e":"24hrMiniTicker","E":5,"s":"BTCUSDT","c":"1","o":"1","h":"1","l":"1","v":"1","q":"1"})";
  const std::string bad =
      R"({"e":"24hrMiniTicker","E":5,"s":"ETHUSDT","c":"x","o":"1","h":"1","l":"1","v":"1","q":"1"})";
  EXPECT_EQ(take(R"({"stream":"!miniTicker@arr","data":[)" + good + "," + bad + "]}"),
            DecodeStatus::wrong_type);
  EXPECT_EQ(sink_.record_count(), 0U);
  EXPECT_EQ(state_.instruments.size(), 0U);
  EXPECT_EQ(state_.provisional_instruments, 0U);
  EXPECT_EQ(messages_of(state_, "24hrMiniTicker"), 1U);
  EXPECT_EQ(take(R"({"stream":"!miniTicker@arr","data":[)" + good + "," + good + "]}"),
            DecodeStatus::ok);
  EXPECT_EQ(count(RecordType::ticker), 2U);
  EXPECT_EQ(messages_of(state_, "24hrMiniTicker"), 2U);
}

TEST_F(BinanceAdapter, ContinuousKlinesNameTheirContract) {
  const auto kline = [](std::string_view contract) {
    return R"({"e":"continuous_kline","E":1607443058651,"ps":"BTCUSDT","ct":")" +
           std::string(contract) +
           R"(","k":{"t":1607443020000,"T":1607443079999,"i":"1m","f":1,"L":2,"o":"1","c":"2","h":"3","l":"0.5","v":"4","n":5,"x":false,"q":"6","V":"7","Q":"8","B":"0"}})";
  };
  ASSERT_EQ(take(kline("PERPETUAL")), DecodeStatus::ok);
  EXPECT_EQ(only<market::Kline>(sink_, RecordType::kline)->close, 2);
  EXPECT_EQ(instrument("BTCUSDT").is_primary, 1);
  ASSERT_EQ(take(kline("NEXT_QUARTER")), DecodeStatus::ok);
  EXPECT_EQ(instrument("BTCUSDT_NEXT_QUARTER").contract_type, ContractType::dated_future);
}

TEST_F(BinanceAdapter, ContractInfoUpdatesWhatIsKnown) {
  ASSERT_EQ(take(agg_trade(1)), DecodeStatus::ok);
  ASSERT_EQ(
      take(
          R"({"e":"contractInfo","E":9,"s":"BTCUSDT","ps":"BTCUSDT","ct":"PERPETUAL","dt":4133404800000,"ot":1569398400000,"cs":"SETTLING","st":1})"),
      DecodeStatus::ok);
  EXPECT_EQ(count(RecordType::instrument), 1U);
  EXPECT_EQ(instrument("BTCUSDT").status, market::InstrumentStatus::suspended);
  EXPECT_EQ(instrument("BTCUSDT").listed_ns, 1569398400000 * core::ns_per_ms);
  EXPECT_EQ(instrument("BTCUSDT").delisted_ns, core::unknown_ns);
  EXPECT_EQ(instrument("BTCUSDT").is_primary, 0);
  ASSERT_EQ(
      take(
          R"({"e":"contractInfo","E":9,"s":"NEWUSDT","ps":"NEWUSDT","ct":"PERPETUAL","dt":4133404800000,"ot":1569398400000,"cs":"TRADING","st":1})"),
      DecodeStatus::ok);
  EXPECT_EQ(instrument("NEWUSDT").is_provisional, 1);
  EXPECT_EQ(instrument("NEWUSDT").is_primary, 1);
}

TEST_F(BinanceAdapter, OtherKindsAreCountedByTheirOwnNames) {
  const std::pair<const char*, const char*> messages[] = {
      {R"({"e":"compositeIndex","E":1,"s":"DEFIUSDT","p":"554.4","C":"baseAsset","c":[{"b":"BAL","q":"USDT","w":"1.0","W":"0.01","i":"24.3"}]})",
       "compositeIndex"},
      {R"([{"e":"assetIndexUpdate","E":1,"s":"ADAUSD","i":"0.27"},{"e":"assetIndexUpdate","E":1,"s":"BTCUSD","i":"2"}])",
       "assetIndexUpdate"},
      {R"({"stream":"tradingSession","data":{"e":"KR_EquityUpdate","E":1}})", "tradingSession"},
      {R"({"e":"EquityUpdate","E":1,"t":1,"T":2,"S":"REGULAR"})", "tradingSession"},
      {R"({"result":null,"id":1})", "ack"},
      {R"({"result":["btcusdt@aggTrade"],"id":3})", "list"},
  };
  for (const auto& [message, kind] : messages) {
    const std::uint64_t before = messages_of(state_, kind);
    EXPECT_EQ(take(message), DecodeStatus::ok) << message;
    EXPECT_EQ(sink_.record_count(), 0U);
    EXPECT_EQ(messages_of(state_, kind), before + 1);
    EXPECT_EQ(state_.adapter.message_kinds[state_.message_kind], kind);
  }
}

TEST_F(BinanceAdapter, RefusalsSayWhyAndWhere) {
  const struct {
    const char* message;
    DecodeStatus status;
    const char* field;
  } cases[] = {
      {"", DecodeStatus::malformed_json, "message"},
      {"{", DecodeStatus::malformed_json, "message"},
      {"hello", DecodeStatus::malformed_json, nullptr},
      {R"({"e":"aggTrade"} x)", DecodeStatus::malformed_json, nullptr},
      {"{\"e\":\"aggTrade\",\"s\":\"\xff\"}", DecodeStatus::not_utf8, "message"},
      {R"({"e":"futureThing","E":1})", DecodeStatus::unknown_stream, "e"},
      {R"({"hello":1})", DecodeStatus::unknown_stream, "message"},
      {R"({"lastUpdateId":1,"bids":[],"asks":[]})", DecodeStatus::unknown_stream, "lastUpdateId"},
      {R"({"stream":"x"})", DecodeStatus::missing_field, "data"},
      {R"({"stream":"x","data":[]})", DecodeStatus::missing_field, "data"},
      {R"({"stream":"x","data":7})", DecodeStatus::wrong_type, "data"},
      {R"({"e":"bookTicker","u":1,"b":"1","B":"1","a":"1","A":"1","T":1,"E":1})",
       DecodeStatus::missing_field, "s"},
      {R"({"e":"bookTicker","u":1,"s":"BTCUSDT","b":"1","B":"1","a":"1","T":1,"E":1})",
       DecodeStatus::missing_field, "A"},
      {R"({"e":"bookTicker","u":1,"s":"BTCUSDT","b":"1","B":"1","a":null,"A":"1","T":1,"E":1})",
       DecodeStatus::missing_field, "a"},
      {R"({"e":"bookTicker","u":1,"s":"BTCUSDT","b":{},"B":"1","a":"1","A":"1","T":1,"E":1})",
       DecodeStatus::wrong_type, "b"},
      {R"({"e":"bookTicker","u":1,"s":"BTCUSDT","b":"one","B":"1","a":"1","A":"1","T":1,"E":1})",
       DecodeStatus::wrong_type, "b"},
      {R"({"e":"bookTicker","u":1,"s":"BTCUSDT","b":"1e999","B":"1","a":"1","A":"1","T":1,"E":1})",
       DecodeStatus::out_of_range, "b"},
      {R"({"e":"bookTicker","u":99999999999999999999,"s":"BTCUSDT","b":"1","B":"1","a":"1","A":"1","T":1,"E":1})",
       DecodeStatus::out_of_range, "u"},
      {R"({"e":"bookTicker","u":1.5,"s":"BTCUSDT","b":"1","B":"1","a":"1","A":"1","T":1,"E":1})",
       DecodeStatus::out_of_range, "u"},
      {R"({"e":"bookTicker","u":1,"s":"BTCUSDT","b":"1","B":"1","a":"1","A":"1","T":-5,"E":1})",
       DecodeStatus::out_of_range, "T"},
      {R"({"e":"bookTicker","u":1,"s":"BTCUSDT","b":"1","b":"2","B":"1","a":"1","A":"1","T":1,"E":1})",
       DecodeStatus::malformed_json, "b"},
      {R"({"e":"bookTicker","u":1,"s":"BTC\u0055SDT","b":"1","B":"1","a":"1","A":"1","T":1,"E":1})",
       DecodeStatus::wrong_type, "s"},
      {R"({"e":"bookTicker","u":1,"s":7,"b":"1","B":"1","a":"1","A":"1","T":1,"E":1})",
       DecodeStatus::wrong_type, "s"},
      {R"({"e":"bookTicker","u":1,"s":"BTCUSDTBTCUSDTBTCUSDTBTCUSDTBTCUSDTBTCUSDT","b":"1","B":"1","a":"1","A":"1","T":1,"E":1})",
       DecodeStatus::out_of_range, "symbol"},
      {R"({"e":"aggTrade","E":1,"a":1,"s":"BTCUSDT","p":"1","q":"1","f":1,"l":1,"T":1,"m":"true"})",
       DecodeStatus::wrong_type, "m"},
      {R"({"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":1,"u":1,"pu":1,"b":[["1"]],"a":[]})",
       DecodeStatus::missing_field, "b"},
      {R"({"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":1,"u":1,"pu":1,"b":[1],"a":[]})",
       DecodeStatus::wrong_type, "b"},
      {R"({"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":1,"u":1,"pu":1,"b":[]})",
       DecodeStatus::missing_field, "a"},
      {R"({"e":"kline","E":1,"s":"BTCUSDT"})", DecodeStatus::missing_field, "k"},
      {R"({"error":{"code":3,"msg":"no"},"id":1})", DecodeStatus::venue_error, "no"},
      {R"({"code":2,"msg":"bad \"quote\""})", DecodeStatus::venue_error, R"(bad \"quote\")"},
  };
  std::uint64_t messages = 0;
  for (const auto& c : cases) {
    EXPECT_EQ(take(c.message), c.status)
        << c.message << "\n"
        << name_of(state_.message_kind ? c.status : c.status) << " " << state_.fault_field;
    if (c.field != nullptr) {
      EXPECT_EQ(state_.fault_field, c.field) << c.message;
    }
    EXPECT_EQ(sink_.record_count(), 0U);
    EXPECT_EQ(messages_total(state_), ++messages);
  }
  EXPECT_EQ(state_.instruments.size(), 0U);
  EXPECT_EQ(state_.decode_errors, messages - 2);
}

TEST_F(BinanceAdapter, RestEndpointsAreFoundByNameAndByTheNamesRecordingsUse) {
  for (const Endpoint& endpoint : binance_adapter().endpoints) {
    EXPECT_EQ(reply({.endpoint = endpoint.name, .symbol = "BTCUSDT", .period = "5m"},
                    R"({"code":-1121,"msg":"Invalid symbol."})"),
              DecodeStatus::venue_error)
        << endpoint.name;
    EXPECT_NE(messages_of(state_, "rest_" + std::string(endpoint.name)), 0U);
  }
  EXPECT_EQ(reply({.endpoint = "nothing"}, "{}"), DecodeStatus::unknown_stream);
  EXPECT_EQ(reply({.endpoint = "ping"}, "{}"), DecodeStatus::ok);
  EXPECT_EQ(reply({.endpoint = "time"}, R"({"serverTime":1499827319559})"), DecodeStatus::ok);
  EXPECT_EQ(reply({.endpoint = "time"}, R"({})"), DecodeStatus::missing_field);
  EXPECT_EQ(reply({.endpoint = "price"},
                  R"([{"symbol":"BTCUSDT","price":"6000.01","time":1589437530011}])"),
            DecodeStatus::ok);
  EXPECT_EQ(only<market::Ticker>(sink_, RecordType::ticker)->last_price, 6000.01);
}

TEST_F(BinanceAdapter, MarkPriceKlinesHaveNoVolume) {
  const char* rows =
      R"([[1591256400000,"9653.29","9653.68","9651.38","9651.55","0",1591256459999,"0",60,"0","0","0"]])";
  for (const auto& [endpoint, kind] : {std::pair{"markPriceKlines", market::PriceKind::mark},
                                       {"indexPriceKlines", market::PriceKind::index},
                                       {"premiumIndexKlines", market::PriceKind::premium}}) {
    ASSERT_EQ(reply({.endpoint = endpoint, .symbol = "BTCUSDT"}, rows), DecodeStatus::ok);
    const auto* kline = only<market::Kline>(sink_, RecordType::kline);
    EXPECT_EQ(kline->price_kind, kind);
    EXPECT_EQ(kline->close, 9651.55);
    EXPECT_TRUE(std::isnan(kline->volume_base));
    EXPECT_EQ(kline->trade_count, market::unknown_id);
  }
}

TEST_F(BinanceAdapter, AnErrorBehindTheLastColumnThatIsReadIsAnError) {
  EXPECT_EQ(reply({.endpoint = "klines", .symbol = "BTCUSDT"},
                  R"([[1591256400000,"1","3","1","2","5",1591256459999,"9",60,"4","8","0"kline]])"),
            DecodeStatus::malformed_json);
  EXPECT_EQ(state_.fault_field, "row");
  EXPECT_EQ(sink_.record_count(), 0U);
}

TEST_F(BinanceAdapter, RowsThatComeNewestFirstAreTurnedRound) {
  ASSERT_EQ(
      reply(
          {.endpoint = "fundingRate"},
          R"([{"symbol":"BTCUSDT","fundingRate":"3","fundingTime":1600300800006},{"symbol":"ETHUSDT","fundingRate":"2","fundingTime":1600272000001},)"
          R"({"symbol":"BTCUSDT","fundingRate":"1","fundingTime":1600243200000}])"),
      DecodeStatus::ok);
  std::vector<double> rates;
  for_each_record(sink_.bytes(), [&](const market::RecordHeader& header) {
    if (header.type == RecordType::funding)
      rates.push_back(market::payload<market::Funding>(header).rate);
  });
  EXPECT_EQ(rates, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(count(RecordType::instrument), 2U);
}

}  // namespace
}  // namespace perp::venue::test
