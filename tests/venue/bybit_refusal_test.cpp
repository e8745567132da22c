// Goal: what the Bybit adapter refuses leaves no trace, and says why. Method: one scenario with
// every kind of message, disturbed in every way of adversity.hpp.
#include "venue/adversity.hpp"
#include "venue/bybit_messages.hpp"

namespace perp::test::bybit {
namespace {

using venue::DecodeStatus;

const Scenario& scenario() {
  static const Scenario steps = {
      {R"({"success":true,"ret_msg":"","conn_id":"c","req_id":"a1","op":"subscribe"})"},
      {R"({"success":true,"ret_msg":"pong","conn_id":"c","req_id":"p1","op":"ping"})"},
      {R"({"success":false,"ret_msg":"error:invalid op","conn_id":"c","req_id":"p1","op":"x"})"},
      {book("50", "snapshot", 10, R"(["64000.1","1.5"],["64000","2"])", R"(["64000.2","3"])")},
      {book("50", "delta", 11, R"(["64000.1","0"])", R"(["64000.3","0.25"])")},
      {book("50", "delta", 13, R"(["63999","1"])", "")},
      {book("50", "delta", 14, R"(["63999","1"])", "")},
      {book("1", "snapshot", 5, R"(["64000.1","1.5"])", R"(["64000.2","3"])")},
      {book("1", "delta", 6, R"(["64000.1","0"],["64000","2"])", "")},
      {book("1", "snapshot", 6, R"(["64000","2"])", R"(["64000.2","3"])")},
      {trade(uuid(1))},
      {trade(uuid(1))},
      {trade(uuid(2), "1000PEPEUSDT", "0.0123", "5")},
      {ticker(
          "snapshot",
          R"("lastPrice":"61874.00","markPrice":"61875.25","indexPrice":"61903.73","openInterest":"58117.022","openInterestValue":"3596005265.51","volume24h":"98430.1050","nextFundingTime":"1715760000000","fundingRate":"0.00008055","bid1Price":"61873.90","bid1Size":"3.783","ask1Price":"61874.00","ask1Size":"16.278")",
          100)},
      {ticker("delta", R"("fundingRate":"0.0001","bid1Price":"61873.90","bid1Size":"3.5")", 101)},
      {ticker("delta", R"("markPrice":"1")", 99)},
      {R"({"topic":"kline.1.BTCUSDT","type":"snapshot","ts":)" + at(9) + R"(,"data":[{"start":)" +
       at(0) + R"(,"end":)" + at(59'999) +
       R"(,"interval":"1","open":"84045","close":"84017.8","high":"84045","low":"84017.8","volume":"7.316","turnover":"614833.7084","confirm":true,"timestamp":)" +
       at(8) + "}]}"},
      {R"({"topic":"allLiquidation.BTCUSDT","type":"snapshot","ts":)" + at(9) +
       R"(,"data":[{"T":)" + at(1) + R"(,"s":"BTCUSDT","S":"Buy","v":"2.5","p":"60000.5"}]})"},
      {R"({"topic":"liquidation.BTCUSDT","type":"snapshot","ts":)" + at(9) +
       R"(,"data":{"updatedTime":)" + at(1) +
       R"(,"symbol":"BTCUSDT","side":"Sell","size":"0.5","price":"60001"}})"},
      {R"({"topic":"system.status","ts":1,"data":[{"id":"x","title":"t","state":"scheduled","begin":"1","end":"2"}]})"},
      {rest(
           R"({"category":"linear","list":[{"symbol":"BTCUSDT","contractType":"LinearPerpetual","status":"Trading","baseCoin":"BTC","quoteCoin":"USDT","settleCoin":"USDT","launchTime":"1584230400000","deliveryTime":"0","leverageFilter":{"maxLeverage":"100.00"},"priceFilter":{"tickSize":"0.10"},"lotSizeFilter":{"qtyStep":"0.001","minOrderQty":"0.001","minNotionalValue":"5"},"fundingInterval":480},{"symbol":"ETHPERP","contractType":"LinearPerpetual","status":"Trading","baseCoin":"ETH","quoteCoin":"USD","settleCoin":"USDC","launchTime":"0","deliveryTime":"0"}]})"),
       "instruments-info"},
      {rest(R"({"category":"linear","list":[{"execId":")" + uuid(1) +
            R"(","symbol":"BTCUSDT","price":"64345.20","size":"0.001","side":"Sell","time":")" +
            at(1) + R"(","isBlockTrade":false},{"execId":")" + uuid(7) +
            R"(","symbol":"BTCUSDT","price":"64345.10","size":"0.002","side":"Buy","time":")" +
            at(0) + R"(","isBlockTrade":true,"isRPITrade":false,"seq":"12"}]})"),
       "recent-trade"},
      {rest(
           R"({"category":"linear","symbol":"BTCUSDT","list":[["1700000060000","2","4","1","3","10","25"],["1700000000000","1","3","0.5","2","5","8"]]})"),
       "kline", "", "1"},
      {rest(
           R"({"category":"linear","symbol":"BTCUSDT","list":[["1700000000000","-0.0001","0.0003","-0.0002","0.0001"]]})"),
       "premium-index-price-kline", "", "1m"},
      {rest(
           R"({"symbol":"BTCUSDT","category":"linear","list":[{"openInterest":"10","singleOpenInterest":"5","timestamp":"1700000300000"},{"openInterest":"9","timestamp":"1700000000000"}]})"),
       "open-interest", "", "5min"},
      {rest(
           R"({"list":[{"symbol":"BTCUSDT","buyRatio":"0.6","sellRatio":"0.4","timestamp":"1700000000000"}]})"),
       "account-ratio", "", "1d"},
      {rest(
           R"({"category":"linear","list":[{"symbol":"ETHPERP","fundingRate":"0.0001","fundingRateTimestamp":"1700000000000"}]})"),
       "funding-history"},
      {rest(
           R"({"s":"BTCUSDT","a":[["65557.7","16.606555"]],"b":[["65485.47","47.081829"]],"ts":1700000000001,"u":230704,"seq":1432604333,"cts":1700000000000})"),
       "orderbook"},
      {rest(
           R"({"category":"linear","list":[{"symbol":"BTCUSDT","lastPrice":"1.5","bid1Price":"1.4","bid1Size":"2","ask1Price":"1.6","ask1Size":"3","fundingRate":"","openInterest":"7"}]})"),
       "tickers"},
      {rest(R"({"timeSecond":"1688639403","timeNano":"1688639403423213947"})"), "time"},
      {R"({"retCode":10001,"retMsg":"params error","result":{},"retExtInfo":{},"time":1700000000000})",
       "kline", "BTCUSDT", "1"},
  };
  return steps;
}

TEST(BybitRefusals, TruncatedMessagesLeaveNoTrace) {
  expect_truncations_leave_no_trace(venue::bybit_adapter(), scenario());
}
TEST(BybitRefusals, SinksThatAreTooSmallLeaveNoTrace) {
  expect_small_sinks_leave_no_trace(venue::bybit_adapter(), scenario());
}
TEST(BybitRefusals, DamagedValuesLeaveNoTrace) {
  std::size_t refused = 0;
  expect_damage_leaves_no_trace(venue::bybit_adapter(), scenario(), refused);
  EXPECT_GT(refused, 1500u);
}
TEST(BybitRefusals, GivenUpMessagesLeaveNoTrace) {
  expect_given_up_messages_leave_no_trace(venue::bybit_adapter(), scenario());
}
TEST(BybitRefusals, BrokenBytesLeaveNoTrace) {
  expect_broken_bytes_leave_no_trace(venue::bybit_adapter(), scenario());
}
TEST(BybitRefusals, KeysMayComeInAnyOrder) {
  expect_key_order_does_not_matter(venue::bybit_adapter(), scenario());
}

TEST(BybitRefusals, EachSaysWhy) {
  DecodeSession session(venue::bybit_adapter());
  const auto replaced = [](std::string text, const std::string& from, const std::string& to) {
    const std::size_t place = text.find(from);
    EXPECT_NE(place, std::string::npos) << from;
    return text.replace(place, from.size(), to);
  };
  const std::string good = trade(uuid(1));
  const struct {
    std::string text;
    DecodeStatus status;
    std::string field;
    std::string kind;
  } cases[] = {
      {"", DecodeStatus::malformed_json, "message", "unknown"},
      {"too many connections", DecodeStatus::malformed_json, "", "unknown"},
      {"[]", DecodeStatus::wrong_type, "message", "unknown"},
      {good + "x", DecodeStatus::malformed_json, "", "unknown"},
      {good + good, DecodeStatus::malformed_json, "", "unknown"},
      {R"({"topic":"priceLimit.BTCUSDT","data":{}})", DecodeStatus::unknown_stream, "topic",
       "unknown"},
      {R"({"topic":"orderbook.30.BTCUSDT","type":"delta"})", DecodeStatus::unknown_stream, "topic",
       "orderbook"},
      {R"({"hello":1})", DecodeStatus::unknown_stream, "op", "unknown"},
      {replaced(good, R"("S":"Sell")", R"("S":"Short")"), DecodeStatus::unknown_value, "S",
       "publicTrade"},
      {replaced(good, R"("S":"Sell")", R"("S":7)"), DecodeStatus::wrong_type, "S", "publicTrade"},
      {replaced(good, R"("p":"64345.20")", R"("p":"1e400")"), DecodeStatus::out_of_range, "p",
       "publicTrade"},
      {replaced(good, R"("p":"64345.20")", R"("p":"dear")"), DecodeStatus::wrong_type, "p",
       "publicTrade"},
      {replaced(good, R"("p":"64345.20",)", ""), DecodeStatus::missing_field, "p", "publicTrade"},
      {replaced(good, R"("p":"64345.20")", R"("p":"")"), DecodeStatus::missing_field, "p",
       "publicTrade"},
      {replaced(good, R"("p":"64345.20")", R"("p":"1","p":"2")"), DecodeStatus::malformed_json, "p",
       "publicTrade"},
      {replaced(good, R"("i":"35319862)", R"("i":"3531986g)"), DecodeStatus::wrong_type, "i",
       "publicTrade"},
      {replaced(good, R"("s":"BTCUSDT")", R"("s":")" + std::string(50, 'A') + "\""),
       DecodeStatus::out_of_range, "symbol", "publicTrade"},
      {replaced(good, "MinusTick", "Minus\xff\xfe"), DecodeStatus::not_utf8, "message", "unknown"},
      {replaced(good, at(1), "17000000000000000000000"), DecodeStatus::out_of_range, "T",
       "publicTrade"},
      {replaced(book("50", "snapshot", 1, "", ""), "snapshot", "patch"),
       DecodeStatus::unknown_value, "type", "orderbook"},
      {book("50", "delta", 1, R"(["1"])", ""), DecodeStatus::missing_field, "b", "orderbook"},
      {book("50", "delta", 1, R"({"p":"1"})", ""), DecodeStatus::wrong_type, "b", "orderbook"},
  };
  for (const auto& row : cases) {
    const std::uint64_t errors = session.state.decode_errors;
    EXPECT_EQ(venue::name_of(session.frame(row.text)), venue::name_of(row.status)) << row.text;
    if (!row.field.empty()) {
      EXPECT_EQ(session.state.fault_field, row.field) << row.text;
    }
    EXPECT_EQ(session.kind(), row.kind) << row.text;
    EXPECT_EQ(session.state.decode_errors, errors + 1) << row.text;
  }
  EXPECT_EQ(session.state.instruments.size(), 0u);
  EXPECT_EQ(session.rest("no-such-endpoint", "{}"), DecodeStatus::unknown_stream);
  EXPECT_EQ(session.kind(), "unknown");
  const std::uint64_t errors = session.state.decode_errors;
  EXPECT_EQ(session.rest("kline",
                         R"({"retCode":10006,"retMsg":"Too many visits!","result":{},"time":1})"),
            DecodeStatus::venue_error);
  EXPECT_EQ(session.kind(), "rest_kline");
  EXPECT_EQ(session.rest("kline", rest(R"({"category":"linear","symbol":"BTCUSDT","list":[]})"), "",
                         "fortnight"),
            DecodeStatus::unknown_value);
  EXPECT_EQ(session.state.fault_field, "period");
  EXPECT_EQ(session.rest("kline", rest(R"({"category":"linear","list":[]})")),
            DecodeStatus::missing_field);
  EXPECT_EQ(session.rest("tickers", rest(R"({"category":"margin","list":[{"symbol":"BTCUSDT"}]})")),
            DecodeStatus::unknown_value);
  EXPECT_EQ(session.state.decode_errors, errors + 3)
      << "the venue's own refusals are no decode errors";
}

}  // namespace
}  // namespace perp::test::bybit
