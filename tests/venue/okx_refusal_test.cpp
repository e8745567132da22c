// Goal: what the OKX adapter refuses leaves no trace, and says why. Method: one scenario with every
// kind of message, disturbed in every way of adversity.hpp.
#include "venue/adversity.hpp"
#include "venue/okx_messages.hpp"

namespace perp::test::okx {
namespace {

using venue::DecodeStatus;

const Scenario& scenario() {
  static const Scenario steps = {
      {R"({"id":"1","event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"connId":"94d38802"})"},
      {R"({"event":"error","msg":"Wrong URL or channel","code":"60018","connId":"94d38802"})"},
      {R"({"event":"notice","msg":"The connection will soon be closed","code":"64008","connId":"8517149b"})"},
      {data("trades", "ETH-USDT-SWAP", trade(5, "ETH-USDT-SWAP"))},
      {btc_list(), "instruments"},
      {data("trades", "BTC-USDT-SWAP",
            trade(10, "BTC-USDT-SWAP", "7", R"(,"count":"3","source":"0","seqId":279183506666)") +
                "," + trade(11))},
      {data("trades", "BTC-USDT-SWAP", trade(11))},
      {book("snapshot", -1, 100, R"(["64000.1","1.5","0","3"],["64000","2","0","1"])",
            R"(["64000.2","3","0","1"])")},
      {book("update", 100, 105, R"(["64000.1","0","0","0"])", "")},
      {book("update", 104, 110, "", R"(["64000.3","3","0","1"])")},
      {book("update", 110, 111, "", R"(["64000.3","3","0","1"])")},
      // Checksums: zlib's crc32 of 2:5:3:7:1:6 and 1.5:4:3:7:1:6; the third is wrong.
      {book("snapshot", -1, 7, R"(["2","5","0","3"],["1","6","0","1"])", R"(["3","7","0","1"])",
            "1807530232", "books", "NEAR-USDT")},
      {book("update", 7, 8, R"(["2","0","0","0"],["1.5","4","0","1"])", "", "450916890", "books",
            "NEAR-USDT")},
      {book("update", 8, 9, R"(["1.4","4","0","1"])", "", "12345", "books", "NEAR-USDT")},
      {data(
          "books5", "BTC-USDT-SWAP",
          R"({"asks":[["31806.6","159","0","6"]],"bids":[["31806.5","54","0","3"]],"instId":"BTC-USDT-SWAP","ts":"1653997254735","seqId":5})")},
      {data("bbo-tbt", "BTC-USDT-SWAP",
            R"({"asks":[["20386.8","7","0","2"]],"bids":[],"ts":"1656642503092","seqId":123})")},
      {data(
          "tickers", "BTC-USDT-SWAP",
          R"({"instType":"SWAP","instId":"BTC-USDT-SWAP","last":"29963","lastSz":"2","askPx":"29960","askSz":"12","bidPx":"29959.9","bidSz":"431","open24h":"31589.3","high24h":"","low24h":"29302","volCcy24h":"108540.53","vol24h":"10854053","ts":"1654166233877"})")},
      {data(
          "mark-price", "BTC-USDT-SWAP",
          R"({"instId":"BTC-USDT-SWAP","instType":"SWAP","markPx":"2.1729","ts":"1640131259180"})")},
      {data("index-tickers", "BTC-USDT",
            R"({"instId":"BTC-USDT","idxPx":"35.583","open24h":"34.558","ts":"1640140200581"})")},
      {data("index-tickers", "FIL-USDT",
            R"({"instId":"FIL-USDT","idxPx":"35.583","open24h":"34.558","ts":"1640140200581"})")},
      {data(
          "funding-rate", "BTC-USDT-SWAP",
          R"({"fundingRate":"0.0001","fundingTime":"1765209600000","instId":"BTC-USDT-SWAP","maxFundingRate":"0.015","minFundingRate":"-0.015","nextFundingRate":"","nextFundingTime":"1765238400000","premium":"-0.0004","settFundingRate":"0.00006","settState":"settled","ts":"1765201461438"})")},
      {data(
          "open-interest", "BTC-USDT-SWAP",
          R"({"instId":"BTC-USDT-SWAP","oi":"644195","oiCcy":"6441.95","oiUsd":"99","ts":"1640131258756"})")},
      {data(
          "candle1m", "BTC-USDT-SWAP",
          R"(["1662716640000","20702.4","20710","20702.3","20703.8","4070","40.7","842644","1"])")},
      {data("index-candle1H", "BTC-USDT",
            R"(["1662716640000","20702.4","20710","20702.3","20703.8","0"])")},
      {R"({"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[{"bkPx":"82655.7","posSide":"long","side":"sell","sz":"8.55","ts":"1791565600771"},{"bkPx":"82655.6","posSide":"short","side":"buy","sz":"1","ts":"1791565600001"}],"instFamily":"BTC-USDT","instId":"BTC-USDT-SWAP","instType":"SWAP","uly":"BTC-USDT"},{"details":[{"bkPx":"5","posSide":"long","side":"sell","sz":"2","ts":"1791565600500"}],"instId":"NEW-USDT-SWAP"}]})"},
      {R"({"arg":{"channel":"instruments","instType":"SWAP"},"data":[)" +
       instrument("PEPE-USDT-SWAP", "10000000", "PEPE") + "]}"},
      {R"({"arg":{"channel":"status"},"data":[{"title":"Spot System Upgrade","state":"scheduled","begin":"1610019546","end":"1610019546"}]})"},
      {rest(trade(30) + "," + trade(12) + "," + trade(11) + "," + trade(9)), "trades",
       "BTC-USDT-SWAP"},
      {rest(
           R"({"asks":[["41006.8","60","0","1"]],"bids":[["41006.3","30","0","2"]],"ts":"1629966436396","seqId":5})"),
       "books", "BTC-USDT-SWAP"},
      {rest(
           R"({"instId":"BTC-USDT-SWAP","last":"1","ts":"2"},{"instId":"Z-USDT-SWAP","last":"3","ts":"1"})"),
       "tickers"},
      {rest(
           R"(["1747094040000","2","4","1","3","10","0.1","25","0"],["1747093980000","2","4","1","3","10","0.1","25","1"])"),
       "candles", "BTC-USDT-SWAP", "1m"},
      {rest(R"(["1747094040000","2","4","1","3","0"])"), "mark-price-candles", "BTC-USDT-SWAP",
       "1Dutc"},
      {rest(
           R"({"fundingRate":"0.00005","fundingTime":"1777291200000","instId":"BTC-USDT-SWAP","nextFundingTime":"1777305600000","prevFundingTime":"1777276800000","settFundingRate":"0.00004","settState":"settled","ts":"1777284963648"})"),
       "funding-rate"},
      {rest(
           R"({"fundingRate":"0.00005","realizedRate":"0.00004","fundingTime":"1777291200000","instId":"BTC-USDT-SWAP"})"),
       "funding-rate-history"},
      {rest(
           R"({"details":[{"bkPx":"5","posSide":"","side":"sell","sz":"2","ts":"1791565600500"}],"instId":"BTC-USDT-SWAP"})"),
       "liquidation-orders"},
      {rest(R"(["1777219200000","0.8645"],["1777132800000","0.91"])"),
       "long-short-account-ratio-contract", "BTC-USDT-SWAP", "5m"},
      {rest(R"(["1777219200000","330","3.3","258"])"), "open-interest-history", "BTC-USDT-SWAP",
       "5m"},
      {rest(R"(["1777219200000","330","150"])"), "taker-volume-contract", "BTC-USDT-SWAP", "5m"},
      {rest(R"(["1777219200000","330","150"])"), "taker-volume", "BTC", "5m"},
      {rest(R"({"ts":"1597026383085"})"), "time"},
      {R"({"code":"50011","msg":"Too Many Requests","data":[]})", "time"},
  };
  return steps;
}

TEST(OkxRefusals, TruncatedMessagesLeaveNoTrace) {
  expect_truncations_leave_no_trace(venue::okx_adapter(), scenario());
}
TEST(OkxRefusals, SinksThatAreTooSmallLeaveNoTrace) {
  expect_small_sinks_leave_no_trace(venue::okx_adapter(), scenario());
}
TEST(OkxRefusals, DamagedValuesLeaveNoTrace) {
  std::size_t refused = 0;
  expect_damage_leaves_no_trace(venue::okx_adapter(), scenario(), refused);
  EXPECT_GT(refused, 1500u);
}
TEST(OkxRefusals, GivenUpMessagesLeaveNoTrace) {
  expect_given_up_messages_leave_no_trace(venue::okx_adapter(), scenario());
}
TEST(OkxRefusals, BrokenBytesLeaveNoTrace) {
  expect_broken_bytes_leave_no_trace(venue::okx_adapter(), scenario());
}
TEST(OkxRefusals, KeysMayComeInAnyOrder) {
  expect_key_order_does_not_matter(venue::okx_adapter(), scenario());
}

TEST(OkxRefusals, EachSaysWhy) {
  DecodeSession session(venue::okx_adapter());
  const std::string good = data("trades", "BTC-USDT-SWAP", trade(1));
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const std::size_t place = text.find(from);
    EXPECT_NE(place, std::string::npos) << from;
    return text.replace(place, from.size(), to);
  };
  const struct {
    std::string text;
    DecodeStatus status;
    std::string field;
    std::string kind;
  } cases[] = {
      {"", DecodeStatus::malformed_json, "message", "unknown"},
      {"pongo", DecodeStatus::malformed_json, "", "unknown"},
      {good + "]", DecodeStatus::malformed_json, "", "unknown"},
      {R"({"event":"party"})", DecodeStatus::unknown_stream, "event", "unknown"},
      {R"({"a":1})", DecodeStatus::unknown_stream, "event", "unknown"},
      {data("opt-summary", "X-Y", "{}"), DecodeStatus::unknown_stream, "channel", "unknown"},
      {data("candle7x", "X-Y", "[]"), DecodeStatus::unknown_stream, "channel", "unknown"},
      {R"({"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"}})", DecodeStatus::missing_field,
       "data", "trades"},
      {R"({"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[5]})",
       DecodeStatus::wrong_type, "data", "trades"},
      {R"({"arg":{"channel":"bbo-tbt"},"data":[{}]})", DecodeStatus::missing_field, "symbol",
       "bbo-tbt"},
      {replaced(R"("side":"buy")", R"("side":"hold")"), DecodeStatus::unknown_value, "side",
       "trades"},
      {replaced(R"("px":"43568.8")", R"("px":"4e9999")"), DecodeStatus::out_of_range, "px",
       "trades"},
      {replaced(R"("px":"43568.8")", R"("px":true)"), DecodeStatus::wrong_type, "px", "trades"},
      {replaced(R"("px":"43568.8",)", ""), DecodeStatus::missing_field, "px", "trades"},
      {replaced(R"("tradeId":"1")", R"("tradeId":"123456789012345678901")"),
       DecodeStatus::out_of_range, "tradeId", "trades"},
      {replaced("buy", "b\xc3\x28y"), DecodeStatus::not_utf8, "message", "unknown"},
      {replaced(R"({"instId":"BTC-USDT-SWAP")", R"({"instId":")" + std::string(41, 'X') + "\""),
       DecodeStatus::out_of_range, "symbol", "trades"},
      {book("patch", 1, 2, "", ""), DecodeStatus::unknown_value, "action", "books"},
      {book("snapshot", -1, 2, R"(["1"])", ""), DecodeStatus::missing_field, "bids", "books"},
      {book("snapshot", -1, 2, R"(["1","1e2","0","1"])", "", "77"), DecodeStatus::wrong_type,
       "data", "books"},
      {book("snapshot", -1, 2, "", "", "5000000000"), DecodeStatus::out_of_range, "checksum",
       "books"},
      {data("books", "BTC-USDT-SWAP", "", "snapshot"), DecodeStatus::missing_field, "data",
       "books"},
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
  EXPECT_EQ(session.rest("candles", R"({"data":[]})", "BTC-USDT", "1m"),
            DecodeStatus::missing_field);
  EXPECT_EQ(session.rest("candles", rest(""), "BTC-USDT", "soon"), DecodeStatus::unknown_value);
  const std::uint64_t errors = session.state.decode_errors;
  EXPECT_EQ(
      session.rest("candles", R"({"code":"51001","msg":"Instrument ID does not exist","data":[]})",
                   "BTC-USDT", "1m"),
      DecodeStatus::venue_error);
  EXPECT_EQ(session.frame(R"({"event":"channel-conn-count-error","channel":"orders"})"),
            DecodeStatus::venue_error);
  EXPECT_EQ(session.state.decode_errors, errors) << "the venue's own refusals are no decode errors";
}

}  // namespace
}  // namespace perp::test::okx
