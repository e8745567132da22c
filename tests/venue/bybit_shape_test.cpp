// Goal: Bybit's fast lane gives what the other one gives, byte for byte, and reads what is hot.
#include "venue/bybit_messages.hpp"
#include "venue/corpus_scenario.hpp"
#include "venue/two_lanes.hpp"

namespace perp::test::bybit {
namespace {

using Share = TwoLanes::Share;

TEST(BybitShapes, GiveEveryRecordedMessageAsTheOtherLaneDoes) {
  PERP_REQUIRE_CAPTURES(folder, "bybit");
  std::map<std::string, Share> shares;
  each_recording(venue::bybit_adapter(), folder, [&](const std::string&, const TwoLanes& lanes) {
    for (const char* kind : {"publicTrade", "orderbook", "tickers", "kline"}) {
      shares[kind].all += lanes.share(kind).all;
      shares[kind].by_shape += lanes.share(kind).by_shape;
    }
  });
  // The first message of each recording brings its instrument: that is the other lane's.
  EXPECT_EQ(shares["publicTrade"], (Share{2, 0}));
  EXPECT_EQ(shares["orderbook"], (Share{39, 36}));
  EXPECT_EQ(shares["tickers"], (Share{3, 1}));
  EXPECT_EQ(shares["kline"], (Share{1, 0}));
}

TEST(BybitShapes, AgreeWithTheOtherLaneOnWhateverAMessageIsTurnedInto) {
  EXPECT_GT(expect_lanes_agree(venue::bybit_adapter(), corpus_scenarios(venue::bybit_adapter())),
            30'000U);
}

TEST(BybitShapes, ReadWhatIsHot) {
  TwoLanes lanes(venue::bybit_adapter());
  const auto read = [&](const std::string& text) {
    lanes.frame(text);  // its instrument may be new
    EXPECT_EQ(lanes.frame(text), DecodeStatus::ok) << text;
    return lanes.by_shape;
  };
  for (const char* symbol : {"BTCUSDT", "1000PEPEUSDT", "ETHPERP", "BTCUSDT-26DEC25"}) {
    EXPECT_TRUE(read(trade(uuid(1), symbol)));
    EXPECT_TRUE(read(trade("2100000000007764263", symbol)));
    for (const char* depth : {"1", "50", "200", "500", "1000"}) {
      EXPECT_TRUE(read(book(depth, "snapshot", 5, R"(["100","1"],["99.5","0.25"])", "", symbol)));
      EXPECT_TRUE(read(book(depth, "delta", 6, R"(["100","0"])", R"(["101","2"])", symbol)));
    }
    EXPECT_TRUE(read(ticker("snapshot",
                            R"("tickDirection":"PlusTick","price24hPcnt":"-0.01","lastPrice":"10",)"
                            R"("openInterest":"50.5","openInterestValue":"505","volume24h":"3",)"
                            R"("nextFundingTime":"1700000000000","fundingRate":"-0.0001",)"
                            R"("bid1Price":"9.9","bid1Size":"1")",
                            100, symbol)));
    EXPECT_TRUE(
        read(ticker("delta", R"("markPrice":"10.3","singleOpenInterest":"26")", 101, symbol)));
    EXPECT_TRUE(read(
        R"({"topic":"kline.1.)" + std::string(symbol) +
        R"(","type":"snapshot","ts":9,"data":[{"start":1700000040000,"end":1700000099999,"interval":"1","open":"1","close":"2","high":"3","low":"0.5","volume":"4","turnover":"5","confirm":true,"timestamp":8}]})"));
  }
}

TEST(BybitShapes, LeaveTheRestToTheOtherLane) {
  TwoLanes lanes(venue::bybit_adapter());
  const auto reads = [&](const std::string& text) {
    lanes.frame(text);
    lanes.frame(text);
    return lanes.by_shape;
  };
  EXPECT_FALSE(reads(trade(uuid(1), "BTCUSDM26"))) << "no fixed number of coins";
  EXPECT_FALSE(reads(trade("no-uuid-77a2-5ebe-851b-000000000001")));
  EXPECT_FALSE(reads(book("rpi", "snapshot", 5, R"(["100","1","0.5"])", "")));
  EXPECT_FALSE(reads(book("7", "snapshot", 5, "", ""))) << "no such depth";
  EXPECT_FALSE(reads(book("50", "other", 5, "", "")));
  EXPECT_FALSE(reads(ticker("delta", R"("fundingRate":"")", 101))) << "takes a value back";
  EXPECT_FALSE(reads(ticker("delta", R"("openInterest":"")", 101)));
  EXPECT_FALSE(reads(ticker("delta", R"("openInterest":"5e3")", 101)));
  EXPECT_FALSE(reads(ticker("delta", R"("lastPrice":"1","tickDirection":"PlusTick")", 101)))
      << "another order";
  const std::string delta = ticker("delta", R"("lastPrice":"1")", 101);
  std::string two_symbols = delta;
  two_symbols.replace(delta.find(R"("symbol":"BTCUSDT")"), 18, R"("symbol":"ETHUSDT")");
  lanes.frame(ticker("delta", R"("lastPrice":"1")", 101, "ETHUSDT"));
  EXPECT_FALSE(reads(two_symbols)) << "of two scales";
  for (const char* interval : {"7x", "1441", "123456789012345"})
    EXPECT_FALSE(reads(
        R"({"topic":"kline.1.BTCUSDT","type":"snapshot","ts":9,"data":[{"start":1700000040000,"end":1700000099999,"interval":")" +
        std::string(interval) +
        R"(","open":"1","close":"2","high":"3","low":"0.5","volume":"4","turnover":"5","confirm":true,"timestamp":8}]})"));
}

}  // namespace
}  // namespace perp::test::bybit
