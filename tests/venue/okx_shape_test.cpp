// Goal: OKX's fast lane gives what the other one gives, byte for byte, and reads what is hot.
#include "venue/corpus_scenario.hpp"
#include "venue/okx_messages.hpp"
#include "venue/two_lanes.hpp"

namespace perp::test::okx {
namespace {

using Share = TwoLanes::Share;

TEST(OkxShapes, GiveEveryRecordedMessageAsTheOtherLaneDoes) {
  PERP_REQUIRE_CAPTURES(folder, "okx");
  const std::string list = read_text(folder + "/rest_public_instruments_SWAP.json");
  std::map<std::string, Share> shares;
  each_recording(
      venue::okx_adapter(), folder,
      [&](const std::string&, const TwoLanes& lanes) {
        for (const char* kind : {"trades", "books", "books5", "bbo-tbt", "tickers", "mark-price",
                                 "open-interest", "candle"}) {
          shares[kind].all += lanes.share(kind).all;
          shares[kind].by_shape += lanes.share(kind).by_shape;
        }
      },
      [&](TwoLanes& lanes) { lanes.rest("instruments", list); });
  // What is missing: books with checksums, a dated inverse future (its size is no number of coins),
  // and the message of each recording that brings an instrument.
  EXPECT_EQ(shares["trades"], (Share{54, 48}));
  EXPECT_EQ(shares["books"], (Share{199, 0}));
  EXPECT_EQ(shares["books5"], (Share{2, 2}));
  EXPECT_EQ(shares["bbo-tbt"], (Share{3, 3}));
  EXPECT_EQ(shares["tickers"], (Share{29, 26}));
  EXPECT_EQ(shares["mark-price"], (Share{1, 0}));
  EXPECT_EQ(shares["open-interest"], (Share{1, 0}));
  EXPECT_EQ(shares["candle"], (Share{2, 0}));
}

TEST(OkxShapes, AgreeWithTheOtherLaneOnWhateverAMessageIsTurnedInto) {
  std::map<std::string, Scenario> scenarios = corpus_scenarios(venue::okx_adapter());
  // The same with the instruments known, among them those whose sizes are no coins.
  const Scenario lists = {{btc_list(), "instruments"},
                          {rest(instrument("X-USDT-SWAP", "5", "X")), "instruments"}};
  for (auto& [name, scenario] : std::map(scenarios)) {
    Scenario& known = scenarios[name + " known"] = lists;
    known.insert(known.end(), scenario.begin(), scenario.end());
  }
  EXPECT_GT(expect_lanes_agree(venue::okx_adapter(), scenarios), 100'000U);
}

constexpr const char* levels = R"(["3","7","0","1"],["3.5","0.25","0","12"])";

/// Every hot message about an instrument.
std::vector<std::string> hot_messages(const std::string& inst) {
  const std::string name = R"("instId":")" + inst + R"(",)";
  const std::string type = R"("instType":"SWAP",)";
  const std::string time = R"("ts":"1786540471710")";
  const std::string both = R"("asks":[)" + std::string(levels) + R"(],"bids":[)" + levels + "],";
  return {
      data("trades", inst, trade(10, inst, "7", R"(,"count":"3","source":"0","seqId":5)")),
      data("trades", inst, trade(11, inst) + "," + trade(12, inst)),
      data("trades-all", inst, trade(10, inst, "0.03", R"(,"source":"1")")),
      data("bbo-tbt", inst, R"({"asks":[["3","7","0","1"]],"bids":[],)" + time + R"(,"seqId":5})"),
      data("bbo-tbt", inst, R"({"asks":[],"bids":[["3.5","7","0","12"]],)" + time + "}"),
      data("books5", inst, "{" + both + name + time + R"(,"seqId":5})"),
      book("snapshot", -1, 5, levels, levels, "0", "books", inst),
      book("update", 5, 6, levels, "", "0", "books", inst),
      book("update", 6, 7, "", levels, "0", "books-l2-tbt", inst),
      book("snapshot", -1, 7, levels, levels, "0", "books50-l2-tbt", inst),
      data("mark-price", inst, "{" + name + type + R"("markPx":"2.1729",)" + time + "}"),
      data("open-interest", inst,
           "{" + name + type + R"("oi":"644195","oiCcy":"6441.95","oiUsd":"12345.678",)" + time +
               "}"),
      data("tickers", inst,
           "{" + type + name +
               R"("last":"63921","lastSz":"0.4","askPx":"63921.1","askSz":"1871.75",)" +
               R"("bidPx":"63921","bidSz":"779.3","open24h":"64297.6","high24h":"64466",)" +
               R"("low24h":"63162.7","sodUtc0":"63566","sodUtc8":"63584.6",)" +
               R"("volCcy24h":"73998.8786","vol24h":"7399887.86",)" + time + "}"),
      data("candle1m", inst, R"(["1700000040000","1","2","0.5","1.5","4","5","6","1"])"),
      data("candle1Dutc", inst, R"(["1700000040000","1","2","0.5","1.5","4","5","6","0"])")};
}

TEST(OkxShapes, ReadWhatIsHot) {
  TwoLanes lanes(venue::okx_adapter());
  lanes.rest("instruments", btc_list());
  lanes.frame(data("trades", "ETH-USDT", trade(1, "ETH-USDT")));
  for (const std::string inst : {"BTC-USDT-SWAP", "ETH-USDT"})
    for (const std::string& message : hot_messages(inst)) {
      EXPECT_EQ(lanes.frame(message), DecodeStatus::ok) << message;
      EXPECT_TRUE(lanes.by_shape) << message;
    }
}

TEST(OkxShapes, LeaveTheRestToTheOtherLane) {
  TwoLanes lanes(venue::okx_adapter());
  lanes.rest("instruments", btc_list());
  lanes.rest("instruments", rest(instrument("FIVE-USDT-SWAP", "5", "FIVE")));
  lanes.rest("instruments", rest(instrument("BTC-USD-SWAP", "100", "USD", "1", "inverse", "BTC")));
  for (const std::string inst : {"FIVE-USDT-SWAP", "BTC-USD-SWAP", "NEW-USDT-SWAP"})
    for (const std::string& message : hot_messages(inst)) {
      lanes.frame(message);
      EXPECT_FALSE(lanes.by_shape) << "its size is no power of ten of coins: " << message;
    }
  const auto reads = [&](const std::string& message) {
    lanes.frame(message);
    return lanes.by_shape;
  };
  const std::string inst = "BTC-USDT-SWAP";
  EXPECT_FALSE(reads(book("snapshot", -1, 5, levels, levels, "7"))) << "a checksum";
  EXPECT_FALSE(reads(book("other", -1, 5, levels, levels)));
  EXPECT_FALSE(reads(data("books", inst, "", "update"))) << "no step of the chain";
  EXPECT_FALSE(reads(data("trades", inst, trade(1, inst, "7", R"(,"count":"4294967296")"))));
  EXPECT_FALSE(reads(data(
      "bbo-tbt", inst, R"({"asks":[["3","7","0","4294967296"]],"bids":[],"ts":"1786540471710"})")));
  EXPECT_FALSE(
      reads(data("bbo-tbt", inst, R"({"asks":[["3","7"]],"bids":[],"ts":"1786540471710"})")));
  EXPECT_FALSE(
      reads(data("candle99999w", inst, R"(["1700000040000","1","2","0.5","1","4","5","6","1"])")))
      << "longer than time";
  EXPECT_FALSE(
      reads(data("candle7x", inst, R"(["1700000040000","1","2","0.5","1","4","5","6","1"])")));
  EXPECT_FALSE(
      reads(data("candle1m", inst, R"(["1700000040000","1","2","0.5","1","4","5","","1"])")))
      << "a volume that is not said";
}

}  // namespace
}  // namespace perp::test::okx
