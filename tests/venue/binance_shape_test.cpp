// Goal: Binance's fast lane gives what the other one gives, byte for byte, and reads what is hot.
#include "venue/corpus_scenario.hpp"
#include "venue/two_lanes.hpp"

namespace perp::test {
namespace {

using Share = TwoLanes::Share;

const venue::Adapter& adapter() { return venue::binance_adapter(); }

/// Each hot message in each of its spellings.
const std::vector<std::string> hot = {
    R"({"e":"aggTrade","E":1700000000100,"a":70,"s":"BTCUSDT","p":"37000.10","q":"0.25","f":900,"l":902,"T":1700000000000,"m":true})",
    R"({"e":"aggTrade","E":1700000000100,"a":71,"s":"BTCUSDT","p":"37000.10","q":"0.25","nq":"0.20","f":903,"l":903,"T":1700000000000,"m":false,"st":1})",
    R"({"e":"trade","E":1700000000400,"T":1700000000390,"s":"1000PEPEUSDT","t":5,"p":"0.0012345","q":"1000","X":"MARKET","m":true})",
    R"({"e":"trade","E":1700000000401,"T":1700000000391,"s":"1000PEPEUSDT","t":6,"p":"0","q":"0","X":"NA","m":true})",
    R"({"e":"bookTicker","u":101,"s":"BTCUSDT","b":"2.00","B":"5","a":"3.00","A":"7","T":1700000000010,"E":1700000000011})",
    R"({"e":"bookTicker","u":102,"s":"BTCUSDT","ps":"BTCUSDT","b":"2.00","B":"5","a":"3.00","A":"7","T":1700000000010,"E":1700000000011,"st":1})",
    R"({"e":"depthUpdate","E":1700000000012,"T":1700000000011,"s":"BTCUSDT","U":99,"u":105,"pu":98,"b":[["2.00","0.000"]],"a":[["3.00","8"],["3.50","1"]]})",
    R"({"e":"depthUpdate","E":1700000000012,"T":1700000000011,"s":"BTCUSDT","ps":"BTCUSDT","U":106,"u":110,"pu":105,"b":[],"a":[],"st":1})",
    R"({"e":"markPriceUpdate","E":1700000000000,"s":"BTCUSDT","p":"37000.12345678","P":"37000.3","i":"37000.4","r":"-0.0001","T":1700006400000})",
    R"({"e":"markPriceUpdate","E":1700000000000,"s":"BTCUSDT","p":"37000.1","ap":"37000.2","P":"37000.3","i":"37000.4","r":"0.00010000","T":1700006400000,"st":1})",
    R"({"e":"24hrTicker","E":1700000000000,"s":"BTCUSDT","p":"-10.5","P":"-0.250","w":"37010","c":"37000","Q":"0.1","o":"37010.5","h":"37100","l":"36900","v":"1000","q":"37010000.1234","O":1699913600000,"C":1700000000000,"F":1,"L":99,"n":99,"ps":"BTCUSDT","st":1})",
    R"({"e":"24hrMiniTicker","E":1700000000000,"s":"BTCUSDT","c":"1","o":"2","h":"3","l":"0.5","v":"4","q":"5"})",
    R"({"e":"kline","E":1700000060500,"s":"BTCUSDT","k":{"t":1700000000000,"T":1700000059999,"s":"BTCUSDT","i":"1m","f":-1,"L":-1,"o":"1","c":"2","h":"3","l":"0.5","v":"4","n":5,"x":false,"q":"6","V":"2","Q":"3","B":"0"}})",
    R"({"e":"kline","E":1700000060500,"s":"BTCUSDT","k":{"t":1700000000000, "T":1700000059999, "s":"BTCUSDT", "i":"1m", "f":1, "L":5, "o":"1", "c":"2", "h":"3", "l":"0.5", "v":"4", "n":5, "x":true, "q":"6", "V":"2", "Q":"3", "B":"0"},"st":1})",
};

std::string in_envelope(const std::string& event, const std::string& stream) {
  return R"({"stream":")" + stream + R"(","data":)" + event + "}";
}

TEST(BinanceShapes, ReadWhatIsHot) {
  for (const std::string& event : hot) {
    for (const std::string& text : {event, in_envelope(event, "btcusdt@whatever@100ms"),
                                    in_envelope(event, "btcusdt@depth20@100ms"),
                                    in_envelope(event, "btcusdt@rpiDepth@500ms")}) {
      TwoLanes lanes(adapter());
      EXPECT_EQ(lanes.frame(text), venue::DecodeStatus::ok);
      EXPECT_FALSE(lanes.by_shape) << "its instrument is new: " << text;
      for (int i = 0; i < 3; ++i) {  // its numbers have new forms, then known ones
        EXPECT_EQ(lanes.frame(text), venue::DecodeStatus::ok);
        EXPECT_TRUE(lanes.by_shape) << text;
      }
    }
  }
}

TEST(BinanceShapes, LeaveTheRestToTheOtherLane) {
  TwoLanes lanes(adapter());
  for (const std::string& event : hot) lanes.frame(event);
  for (
      const char* text : {
          // a COIN-M contract, a delivery contract, a list, a spelling of its own
          R"({"e":"bookTicker","u":8,"s":"BTCUSD_PERP","ps":"BTCUSD","b":"2","B":"5","a":"3","A":"7","T":1700000000010,"E":1700000000011,"st":2})",
          R"({"e":"markPriceUpdate","E":1700000000000,"s":"BTCUSDT_240329","p":"38000","P":"38001","i":"37000","r":"","T":0,"st":1})",
          R"([{"e":"24hrMiniTicker","E":1700000000000,"s":"BTCUSDT","c":"1","o":"2","h":"3","l":"0.5","v":"4","q":"5"}])",
          R"({"e":"24hrMiniTicker","E":1700000000000,"s":"BTCUSDT","c":1,"o":"2","h":"3","l":"0.5","v":"4","q":"5"})",
          R"({"e":"24hrMiniTicker","E":1700000000000,"s":"BTCUSDT","c":"1","o":"2","h":"3","l":"0.5","v":"4","q":"5"} )",
          R"({"e":"24hrMiniTicker","E":1700000000000,"s":"BTCUSDT","c":"1","o":"2","h":"3","l":"0.5","v":"4e0","q":"5"})",
      }) {
    lanes.frame(text);
    EXPECT_EQ(lanes.frame(text), venue::DecodeStatus::ok) << text;
    EXPECT_FALSE(lanes.by_shape) << text;
  }
}

TEST(BinanceShapes, AgreeWithTheOtherLaneOnWhateverAMessageIsTurnedInto) {
  std::map<std::string, Scenario> scenarios = corpus_scenarios(adapter());
  for (const std::string& event : hot) {
    scenarios["hot"].push_back({event});
    scenarios["hot"].push_back({in_envelope(event, "btcusdt@depth5@100ms")});
  }
  EXPECT_GT(expect_lanes_agree(adapter(), scenarios), 100'000U);
}

TEST(BinanceShapes, ForgetWhatLiesBehindTheMessage) {
  // Cut at every byte, with the rest of the message, and no more than what must be readable,
  // behind it.
  TwoLanes lanes(adapter());
  for (const std::string& event : hot) {
    const std::string text = in_envelope(event, "btcusdt@depth@100ms");
    for (int i = 0; i < 2; ++i) lanes.frame(text);
    for (std::size_t size = 0; size < text.size(); ++size) {
      EXPECT_EQ(lanes.frame(text.substr(0, size), text.substr(size)),
                venue::DecodeStatus::malformed_json)
          << text.substr(0, size);
      ASSERT_FALSE(HasFailure());
    }
    EXPECT_EQ(lanes.frame(text, text), venue::DecodeStatus::ok);
    EXPECT_TRUE(lanes.by_shape);
  }
}

TEST(BinanceShapes, AgreeWithTheOtherLaneOnFlippedBits) {
  TwoLanes lanes(adapter());
  for (const std::string& event : hot) {
    lanes.frame(event);
    for (std::size_t bit = 0; bit < event.size() * 8; ++bit) {
      std::string text = event;
      text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
      lanes.frame(text);
      ASSERT_FALSE(HasFailure());
    }
  }
}

TEST(BinanceShapes, GiveEveryRecordedMessageAsTheOtherLaneDoes) {
  PERP_REQUIRE_CAPTURES(folder, "binance");
  std::map<std::string, Share> shares;
  each_recording(adapter(), folder, [&](const std::string&, const TwoLanes& lanes) {
    for (const char* kind :
         {"bookTicker", "trade", "aggTrade", "depthUpdate", "markPriceUpdate", "kline"}) {
      shares[kind].all += lanes.share(kind).all;
      shares[kind].by_shape += lanes.share(kind).by_shape;
    }
  });
  // Only what brings an instrument is the other lane's.
  for (const auto& [kind, share] : shares) EXPECT_GE(share.by_shape + 8, share.all) << kind;
  EXPECT_GT(shares["bookTicker"].all, 28'000U);
  EXPECT_GT(shares["trade"].all, 6'000U);
  EXPECT_GT(shares["depthUpdate"].all, 9'000U);
}

}  // namespace
}  // namespace perp::test
