// Sides and ids: each venue words them differently. A taker that buys takes the best offer the
// venue had just sent; a liquidated long sells below the market.
#include "sim/recording.hpp"

#include <set>

namespace perp::sim::test {
namespace {

struct Quote {
  Exact bid, ask;
};

/// The best bid and offer by (symbol, matching time): the last one strictly before a time is what
/// an order met.
std::map<std::string, std::map<std::int64_t, Quote>> quotes_of(const std::string& venue) {
  std::map<std::string, std::map<std::int64_t, Quote>> quotes;
  for (const Line& line : busy().ws.at(venue)) {
    const Json& json = line.json;
    if (venue == "binance" && json.contains("data") && json["data"]["e"] == "bookTicker") {
      const Json& data = json["data"];
      quotes[data["s"]][data["T"]] = {Exact::parse(data["b"]), Exact::parse(data["a"])};
    } else if (venue == "okx" && json.contains("data") && json["arg"]["channel"] == "bbo-tbt") {
      const Json& row = json["data"][0];
      quotes[json["arg"]["instId"]][std::stoll(row["ts"].get<std::string>())] = {
          Exact::parse(row["bids"][0][0]), Exact::parse(row["asks"][0][0])};
    } else if (venue == "hyperliquid" && json["channel"] == "bbo") {
      const Json& data = json["data"];
      quotes[data["coin"]][data["time"]] = {Exact::parse(data["bbo"][0]["px"]),
                                            Exact::parse(data["bbo"][1]["px"])};
    }
  }
  return quotes;
}

TEST(WireSides, TakersThatBuyTakeTheOffer) {
  for (const std::string venue : {"binance", "okx", "hyperliquid"}) {
    const auto quotes = quotes_of(venue);
    int buys = 0, sells = 0, agree = 0, all = 0;
    std::map<std::string, std::int64_t> last_order;
    for (const SeenTrade& trade : trades_of(busy(), venue)) {
      if (!quotes.contains(trade.symbol)) continue;
      if (last_order[trade.symbol] == trade.time_ms) continue;  // the rest of a sweep
      last_order[trade.symbol] = trade.time_ms;
      const auto& series = quotes.at(trade.symbol);
      auto quote = series.lower_bound(trade.time_ms);
      if (quote == series.begin()) continue;
      --quote;
      const Exact price = Exact::parse(trade.price);
      ++all;
      ++(trade.is_buy ? buys : sells);
      agree += price == (trade.is_buy ? quote->second.ask : quote->second.bid) ? 1 : 0;
    }
    ASSERT_GT(all, 200) << venue;
    EXPECT_GT(buys, all / 5) << venue;
    EXPECT_GT(sells, all / 5) << venue;
    // Quotes that moved in the very millisecond of the order leave some doubt.
    EXPECT_GT(agree, all * 95 / 100) << venue;
  }
}

TEST(WireSides, LiquidatedLongsAreNamedByEachVenueInItsWay) {
  int binance = 0, bybit = 0, okx = 0;
  std::set<bool> sides;
  for (const Line& line : busy().ws.at("binance")) {
    if (!line.json.contains("data") || line.json["data"]["e"] != "forceOrder") continue;
    const Json& order = line.json["data"]["o"];
    const bool is_long = order["S"] == "SELL";  // the order's side
    sides.insert(is_long);
    EXPECT_EQ(Exact::parse(order["p"]) < Exact::parse(order["ap"]), is_long)
        << "a long is bankrupt below its fill";
    EXPECT_GE(line.json["data"]["E"].get<std::int64_t>() - order["T"].get<std::int64_t>(), 1000);
    ++binance;
  }
  std::map<std::string, Exact> last;
  for (const Line& line : busy().ws.at("bybit")) {
    const std::string topic = line.json.value("topic", "");
    if (topic.rfind("publicTrade.", 0) == 0)
      last[topic.substr(12)] = Exact::parse(line.json["data"].back()["p"]);
    if (topic.rfind("allLiquidation.", 0) != 0) continue;
    for (const Json& row : line.json["data"]) {
      const bool is_long = row["S"] == "Buy";  // the position's side
      EXPECT_EQ(topic.substr(15), row["s"]);
      EXPECT_EQ(Exact::parse(row["p"]) < last.at(row["s"]), is_long);
      ++bybit;
    }
  }
  for (const Line& line : busy().ws.at("okx")) {
    if (!line.json.contains("data")) continue;
    const Json& row = line.json["data"][0];
    if (line.json["arg"]["channel"] == "trades") last[row["instId"]] = Exact::parse(row["px"]);
    if (line.json["arg"]["channel"] != "liquidation-orders") continue;
    const Json& detail = row["details"][0];
    const bool is_long = detail["posSide"] == "long";
    EXPECT_EQ(detail["side"], is_long ? "sell" : "buy");
    EXPECT_EQ(Exact::parse(detail["bkPx"]) < last.at(row["instId"]), is_long);
    ++okx;
  }
  EXPECT_GT(binance, 2);
  EXPECT_GT(bybit, 2);
  EXPECT_GT(okx, 2);
  EXPECT_EQ(sides.size(), 2U);
}

TEST(WireSides, LiquidationsAreSampledWhereTheVenueSamples) {
  std::map<std::string, std::int64_t> last;
  for (const Line& line : busy().ws.at("binance")) {
    if (!line.json.contains("data") || line.json["data"]["e"] != "forceOrder") continue;
    const Json& order = line.json["data"]["o"];
    const std::int64_t time_ms = order["T"];
    if (last.contains(order["s"])) {
      EXPECT_GE(time_ms - last[order["s"]], 1000);
    }
    last[order["s"]] = time_ms;
  }
}

TEST(WireIds, TradeIdsRunOnAndAreUnique) {
  std::map<std::string, std::int64_t> aggregate, fill, sent, okx;
  std::set<std::string> uuids;
  std::set<std::pair<std::string, std::int64_t>> tids;
  for (const Line& line : busy().ws.at("binance")) {
    if (!line.json.contains("data") || line.json["data"]["e"] != "aggTrade") continue;
    const Json& data = line.json["data"];
    const std::string symbol = data["s"];
    if (aggregate.contains(symbol)) {
      EXPECT_EQ(data["a"], aggregate[symbol] + 1);
      EXPECT_EQ(data["f"], fill[symbol] + 1);
      EXPECT_GE(data["E"], sent[symbol]);
    }
    EXPECT_GE(data["E"], data["T"]);
    EXPECT_LE(Exact::parse(data["nq"]), Exact::parse(data["q"]));
    aggregate[symbol] = data["a"];
    fill[symbol] = data["l"];
    sent[symbol] = data["E"];
  }
  for (const Line& line : busy().ws.at("bybit")) {
    if (line.json.value("topic", "").rfind("publicTrade.", 0) != 0) continue;
    for (const Json& row : line.json["data"]) {
      const std::string id = row["i"];
      EXPECT_EQ(id.size(), 36U);
      EXPECT_EQ(id[14], '5');
      EXPECT_TRUE(uuids.insert(id).second);
    }
  }
  for (const Line& line : busy().ws.at("okx")) {
    if (!line.json.contains("data") || line.json["arg"]["channel"] != "trades") continue;
    const Json& row = line.json["data"][0];
    const std::int64_t id = std::stoll(row["tradeId"].get<std::string>());
    if (okx.contains(row["instId"])) {
      EXPECT_EQ(id - okx[row["instId"]], std::stoll(row["count"].get<std::string>()));
    }
    okx[row["instId"]] = id;
  }
  for (const Line& line : busy().ws.at("hyperliquid")) {
    if (line.json["channel"] != "trades") continue;
    for (const Json& row : line.json["data"]) {
      EXPECT_LE(row["tid"].get<std::int64_t>(), std::int64_t{1} << 50);
      EXPECT_TRUE(tids.insert({row["coin"], row["tid"].get<std::int64_t>()}).second);
    }
  }
  EXPECT_GT(uuids.size(), 500U);
  EXPECT_GT(tids.size(), 500U);
}

TEST(WireIds, HyperliquidReplaysOlderTradesInTheFirstFrameOnly) {
  const std::int64_t start_ms = busy().options.start_ns / 1'000'000;
  std::map<std::string, int> frames;
  for (const Line& line : busy().ws.at("hyperliquid")) {
    if (line.json["channel"] != "trades") continue;
    const Json& rows = line.json["data"];
    const bool is_first = ++frames[rows[0]["coin"]] == 1;
    for (const Json& row : rows) EXPECT_EQ(row["time"].get<std::int64_t>() < start_ms, is_first);
    if (is_first) {
      EXPECT_GE(rows.size(), 6U);
    }
  }
  EXPECT_EQ(frames.size(), 8U);
}

TEST(WireNames, NamesThousandsAsEachVenueDoesAndListsWhatToIgnore) {
  const auto natives = [](const std::string& venue) {
    std::set<std::string> names;
    for (const Line& line : busy().rest.at(venue)) {
      if (venue == "binance" && line.tail == "exchangeInfo")
        for (const Json& row : line.json["symbols"]) names.insert(row["symbol"]);
      if (venue == "bybit" && line.tail == "instruments-info")
        for (const Json& row : line.json["result"]["list"]) names.insert(row["symbol"]);
      if (venue == "okx" && line.tail == "instruments")
        for (const Json& row : line.json["data"]) names.insert(row["instId"]);
      if (venue == "hyperliquid" && line.tail == "meta")
        for (const Json& row : line.json["universe"]) names.insert(row["name"]);
    }
    return names;
  };
  using Names = std::set<std::string>;
  EXPECT_EQ(natives("binance"),
            (Names{"BTCUSDT", "ETHUSDT", "XRPUSDT", "SOLUSDT", "DOGEUSDT", "1000PEPEUSDT",
                   "1000SHIBUSDT", "1000BONKUSDT", "BTCUSDC", "BTCUSDT_270326"}));
  EXPECT_EQ(natives("bybit"), (Names{"BTCUSDT", "ETHUSDT", "XRPUSDT", "SOLUSDT", "DOGEUSDT",
                                     "1000PEPEUSDT", "SHIB1000USDT", "1000BONKUSDT"}));
  EXPECT_EQ(
      natives("okx"),
      (Names{"BTC-USDT-SWAP", "ETH-USDT-SWAP", "XRP-USDT-SWAP", "SOL-USDT-SWAP", "DOGE-USDT-SWAP",
             "PEPE-USDT-SWAP", "SHIB-USDT-SWAP", "BONK-USDT-SWAP", "BTC-USD-SWAP", "BTC-USDT"}));
  EXPECT_EQ(natives("hyperliquid"),
            (Names{"BTC", "ETH", "XRP", "SOL", "DOGE", "kPEPE", "kSHIB", "kBONK"}));
}

}  // namespace
}  // namespace perp::sim::test
