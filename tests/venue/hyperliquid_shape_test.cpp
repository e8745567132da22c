// Goal: Hyperliquid's fast lane gives what the other one gives, byte for byte, and reads what is
// hot.
#include "venue/corpus_scenario.hpp"
#include "venue/two_lanes.hpp"

namespace perp::test {
namespace {

using Share = TwoLanes::Share;
using venue::DecodeStatus;

const std::string buyer = "0x9aa589355bf745db9784c8ef3c646360f11b58af";
const std::string seller = "0x8269c0a4f5f1a14582e0aa46856a234893c41970";

std::string trade_row(const std::string& side, std::int64_t time, std::int64_t id,
                      const std::string& users = "", const std::string& coin = "BTC") {
  return R"({"coin":")" + coin + R"(","side":")" + side +
         R"(","px":"84143.0","sz":"0.00036","time":)" + std::to_string(time) +
         R"(,"hash":"0x7ab6","tid":)" + std::to_string(id) + users + "}";
}
std::string trades(const std::string& row_list) {
  return R"({"channel":"trades","data":[)" + row_list + "]}";
}
std::string users(const std::string& first, const std::string& second) {
  return R"(,"users":[")" + first + R"(",")" + second + "\"]";
}
std::string level(const std::string& price, const std::string& orders = "3") {
  return R"({"px":")" + price + R"(","sz":"10.25923","n":)" + orders + "}";
}
std::string book(const std::string& bids, const std::string& asks, const std::string& tail = "",
                 const std::string& coin = "BTC") {
  return R"({"channel":"l2Book","data":{"coin":")" + coin +
         R"(","time":1790232236546,"levels":[[)" + bids + "],[" + asks + "]]" + tail + "}}";
}
std::string quotes(const std::string& sides, const std::string& coin = "BTC") {
  return R"({"channel":"bbo","data":{"coin":")" + coin + R"(","time":1790232237145,"bbo":[)" +
         sides + "]}}";
}
std::string asset(const std::string& mark, const std::string& volume, const std::string& tail = "",
                  const std::string& coin = "BTC") {
  return R"({"channel":"activeAssetCtx","data":{"coin":")" + coin +
         R"(","ctx":{"funding":"0.0000018952","openInterest":"36585.31848","prevDayPx":"86627.0",)"
         R"("dayNtlVlm":")" +
         volume + R"(","premium":"-0.0006413454","oraclePx":"84198.0","markPx":)" + mark +
         R"(,"midPx":"84143.5","impactPxs":["84143.0","84144.0"])" + tail + "}}}";
}
std::string candle(const std::string& close_ms, const std::string& coin = "BTC") {
  return R"({"channel":"candle","data":{"t":1790232180000,"T":)" + close_ms + R"(,"s":")" + coin +
         R"(","i":"1m","o":"84143.0","c":"84143.0","h":"84144.0","l":"84143.0","v":"14.27847","n":114}})";
}

TEST(HyperliquidShapes, GiveEveryRecordedMessageAsTheOtherLaneDoes) {
  PERP_REQUIRE_CAPTURES(folder, "hyperliquid");
  std::map<std::string, Share> shares;
  each_recording(
      venue::hyperliquid_adapter(), folder, [&](const std::string& name, const TwoLanes& lanes) {
        for (const char* kind : {"trades", "l2Book", "bbo", "activeAssetCtx", "candle"}) {
          shares[kind].all += lanes.share(kind).all;
          shares[kind].by_shape += lanes.share(kind).by_shape;
        }
        if (name != "ws_l2Book_trades_BTC_2025-01-26.tsv") return;
        // The first message brings its instrument: that is the other lane's.
        EXPECT_EQ(lanes.share("l2Book"), (Share{32, 31}));
        EXPECT_EQ(lanes.share("trades"), (Share{5, 5}));
      });
  EXPECT_GE(shares["trades"].by_shape, 6U);
  EXPECT_GE(shares["l2Book"].by_shape, 31U);
  EXPECT_GE(shares["activeAssetCtx"].by_shape, 1U);
  EXPECT_GE(shares["candle"].by_shape, 1U);
}

TEST(HyperliquidShapes, AgreeWithTheOtherLaneOnWhateverAMessageIsTurnedInto) {
  EXPECT_GT(expect_lanes_agree(venue::hyperliquid_adapter(),
                               corpus_scenarios(venue::hyperliquid_adapter())),
            10'000U);
  Scenario hot;
  for (const std::string& text :
       {trades(trade_row("A", 1790232216193, 7) + "," + trade_row("B", 1790232216190, 8)),
        trades(trade_row("B", 1790232216193, 9, users(buyer, seller))),
        book(level("84143.0") + "," + level("84142.5"), level("84144.0", "18")),
        book("", "", R"(,"fast":true)"), quotes(level("84143.0") + "," + level("84144.0")),
        quotes(level("84143.0")), asset("\"84148.0\"", "4161029539.6949653625"),
        asset("\"84148.0\"", "7665220.55613", R"(,"dayBaseVlm":"49116.08533")"),
        candle("1790232239999")})
    hot.push_back({text});
  EXPECT_GT(expect_lanes_agree(venue::hyperliquid_adapter(), {{"hot", hot}}), 30'000U);
}

TEST(HyperliquidShapes, ReadWhatIsHot) {
  TwoLanes lanes(venue::hyperliquid_adapter());
  const auto read = [&](const std::string& text) {
    lanes.frame(text);  // its instrument may be new
    EXPECT_EQ(lanes.frame(text), DecodeStatus::ok) << text;
    return lanes.by_shape;
  };
  std::int64_t id = 0;
  for (const char* coin : {"BTC", "kPEPE", "xyz:SP500", "@162"}) {
    id += 3;
    EXPECT_TRUE(read(trades(trade_row("A", 1790232216193, id, "", coin))));
    EXPECT_TRUE(
        read(trades(trade_row("A", 1790232216195, id + 1, users(buyer, seller), coin) + "," +
                    trade_row("B", 1790232216194, id + 2, users(seller, buyer), coin))));
    EXPECT_TRUE(read(book(level("1"), level("2") + "," + level("3"), "", coin)));
    EXPECT_TRUE(read(book("", "", "", coin)));
    EXPECT_TRUE(read(book(level("1"), level("2"), R"(,"fast":true)", coin)));
    EXPECT_TRUE(read(quotes(level("1") + "," + level("2"), coin)));
    EXPECT_TRUE(read(asset("\"84148.0\"", "4161029539.6949653625", "", coin)));
    EXPECT_TRUE(read(candle("1790232239999", coin)));
  }
}

TEST(HyperliquidShapes, LeaveTheRestToTheOtherLane) {
  TwoLanes lanes(venue::hyperliquid_adapter());
  const auto reads = [&](const std::string& text) {
    lanes.frame(text);
    lanes.frame(text);
    return lanes.by_shape;
  };
  EXPECT_FALSE(reads(trades(trade_row("C", 1790232216193, 1)))) << "no such side";
  EXPECT_FALSE(reads(trades(trade_row("A", 0, 1)))) << "no time";
  EXPECT_FALSE(reads(trades(trade_row("A", 1790232216193, 1, users("0x12", seller)))));
  EXPECT_FALSE(reads(trades(trade_row("A", 1790232216193, 1, users(buyer, "0xg")))));
  EXPECT_FALSE(reads(book(level("1", "-1"), ""))) << "a negative count of orders";
  EXPECT_FALSE(reads(book("", level("1", "4294967296")))) << "an impossible count of orders";
  EXPECT_FALSE(reads(quotes(R"(null,{"px":"1","sz":"2","n":3})"))) << "a side that is missing";
  EXPECT_FALSE(reads(quotes(level("1") + "," + level("2") + "," + level("3"))));
  EXPECT_FALSE(reads(asset("null", "1"))) << "a dead market";
  EXPECT_FALSE(reads(asset("\"84148.0\"", "")));
  EXPECT_FALSE(reads(candle("1790232180000"))) << "ends where it begins";
}

}  // namespace
}  // namespace perp::test
