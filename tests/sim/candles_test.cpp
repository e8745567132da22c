// Candles as sent, against the trades as sent: both parsed from the recording with nlohmann_json,
// compared exactly.
#include "sim/recording.hpp"

#include <algorithm>

namespace perp::sim::test {
namespace {

struct Sums {
  Exact open, high, low, close, quantity, notional, buy_quantity, buy_notional;
  std::int64_t fills = 0;
};
using Minutes = std::map<std::pair<std::string, std::int64_t>, Sums>;

Minutes sum_trades(const Recording& recording, const std::string& venue) {
  Minutes minutes;
  for (const SeenTrade& trade : trades_of(recording, venue)) {
    Sums& sums = minutes[{trade.symbol, trade.time_ms / 60'000 * 60'000}];
    const Exact price = Exact::parse(trade.price);
    if (sums.fills == 0) sums.open = sums.high = sums.low = price;
    sums.high = std::max(sums.high, price);
    sums.low = std::min(sums.low, price);
    sums.close = price;
    sums.quantity += Exact::parse(trade.quantity);
    sums.notional += Exact::product(trade.price, trade.quantity);
    if (trade.is_buy) {
      sums.buy_quantity += Exact::parse(trade.quantity);
      sums.buy_notional += Exact::product(trade.price, trade.quantity);
    }
    sums.fills += trade.fills;
  }
  return minutes;
}

void expect_prices(const Sums& sums, const Json& open, const Json& high, const Json& low,
                   const Json& close) {
  EXPECT_EQ(sums.open, Exact::parse(open));
  EXPECT_EQ(sums.high, Exact::parse(high));
  EXPECT_EQ(sums.low, Exact::parse(low));
  EXPECT_EQ(sums.close, Exact::parse(close));
}

TEST(Candles, BinanceClosedKlinesAreTheSumsOfTheTrades) {
  for (const Recording* recording : {&busy(), &dead()}) {
    const Minutes minutes = sum_trades(*recording, "binance");
    std::map<std::pair<std::string, std::int64_t>, int> closed;
    std::map<std::string, std::string> last_close;
    std::int64_t last_trade_id = 0;
    for (const Line& line : recording->ws.at("binance")) {
      if (!line.json.contains("data") || line.json["data"]["e"] != "kline") continue;
      const Json& kline = line.json["data"]["k"];
      const std::string symbol = kline["s"];
      const std::int64_t open_ms = kline["t"];
      EXPECT_EQ(kline["T"], open_ms + 59'999);
      if (!kline["x"].get<bool>()) continue;
      const std::int64_t late_ms = line.json["data"]["E"].get<std::int64_t>() - open_ms - 60'000;
      EXPECT_GE(late_ms, 200);
      EXPECT_LT(late_ms, 1900);
      ++closed[{symbol, open_ms}];
      const auto found = minutes.find({symbol, open_ms});
      if (found == minutes.end()) {
        EXPECT_EQ(kline["n"], 0);
        EXPECT_EQ(kline["f"], -1);
        EXPECT_EQ(kline["L"], -1);
        EXPECT_EQ(Exact::parse(kline["q"]), Exact{});
        EXPECT_EQ(kline["o"], kline["c"]);
        if (last_close.contains(symbol)) {
          EXPECT_EQ(kline["o"], last_close[symbol]);
        }
      } else {
        const Sums& sums = found->second;
        expect_prices(sums, kline["o"], kline["h"], kline["l"], kline["c"]);
        EXPECT_EQ(sums.quantity, Exact::parse(kline["v"]));
        EXPECT_EQ(sums.notional, Exact::parse(kline["q"]));
        EXPECT_EQ(sums.buy_quantity, Exact::parse(kline["V"]));
        EXPECT_EQ(sums.buy_notional, Exact::parse(kline["Q"]));
        EXPECT_EQ(sums.fills, kline["n"]);
        EXPECT_EQ(kline["L"].get<std::int64_t>() - kline["f"].get<std::int64_t>() + 1, sums.fills);
        last_trade_id = kline["L"];
      }
      last_close[symbol] = kline["c"];
    }
    EXPECT_GT(last_trade_id, 0);
    const std::size_t markets = static_cast<std::size_t>(recording->options.symbols) + 2;
    EXPECT_EQ(closed.size(), markets * static_cast<std::size_t>(recording->options.minutes));
    for (const auto& [key, count] : closed) EXPECT_EQ(count, 1) << key.first;
  }
}

TEST(Candles, BybitConfirmedKlinesAreTheSumsOfTheTrades) {
  for (const Recording* recording : {&busy(), &dead()}) {
    const Minutes minutes = sum_trades(*recording, "bybit");
    std::size_t closed = 0;
    for (const Line& line : recording->ws.at("bybit")) {
      const std::string topic = line.json.value("topic", "");
      if (topic.rfind("kline.1.", 0) != 0) continue;
      for (const Json& kline : line.json["data"]) {
        if (!kline["confirm"].get<bool>()) continue;
        ++closed;
        const auto found = minutes.find({topic.substr(8), kline["start"].get<std::int64_t>()});
        if (found == minutes.end()) {
          EXPECT_EQ(kline["volume"], "0");
          EXPECT_EQ(kline["open"], kline["close"]);
          continue;
        }
        expect_prices(found->second, kline["open"], kline["high"], kline["low"], kline["close"]);
        EXPECT_EQ(found->second.quantity, Exact::parse(kline["volume"]));
        EXPECT_EQ(found->second.notional, Exact::parse(kline["turnover"]));
      }
    }
    EXPECT_EQ(closed,
              static_cast<std::size_t>(recording->options.symbols * recording->options.minutes));
  }
}

TEST(Candles, OkxConfirmedCandlesAreTheSumsOfTheTradesInContractsCoinsAndQuote) {
  for (const Recording* recording : {&busy(), &dead()}) {
    std::map<std::string, std::string> contract;  // ctVal, from the list
    for (const Line& line : recording->rest.at("okx"))
      if (line.tail == "instruments")
        for (const Json& row : line.json["data"]) contract[row["instId"]] = row["ctVal"];
    const Minutes minutes = sum_trades(*recording, "okx");
    std::map<std::pair<std::string, std::int64_t>, int> closed;
    for (const Line& line : recording->ws.at("okx")) {
      if (!line.json.contains("data") || line.json["arg"]["channel"] != "candle1m") continue;
      const std::string instrument = line.json["arg"]["instId"];
      for (const Json& row : line.json["data"]) {
        if (row[8] != "1") continue;
        const std::int64_t open_ms = std::stoll(row[0].get<std::string>());
        ++closed[{instrument, open_ms}];
        const Sums& sums = minutes.at({instrument, open_ms});
        expect_prices(sums, row[1], row[2], row[3], row[4]);
        EXPECT_EQ(sums.quantity, Exact::parse(row[5]));
        const Exact coins = Exact::parse(row[6]);
        const Exact per_contract = Exact::parse(contract.at(instrument));
        EXPECT_NEAR(coins.value(), sums.quantity.value() * per_contract.value(),
                    coins.value() * 1e-15);
        const double quote = sums.notional.value() * per_contract.value();
        EXPECT_NEAR(Exact::parse(row[7]).value(), quote, quote * 1e-15);
      }
    }
    for (const auto& [key, count] : closed) EXPECT_EQ(count, 1);
    // Every minute with a trade of a linear swap is closed, and no other.
    for (const auto& [key, sums] : minutes)
      if (key.first.ends_with("-USDT-SWAP")) {
        EXPECT_TRUE(closed.contains(key)) << key.first;
      }
    if (recording == &dead()) {
      EXPECT_LT(closed.size(),
                static_cast<std::size_t>(recording->options.symbols * recording->options.minutes));
    }
  }
}

TEST(Candles, HyperliquidLastCandlesAreTheSumsOfTheTrades) {
  for (const Recording* recording : {&busy(), &dead()}) {
    const Minutes minutes = sum_trades(*recording, "hyperliquid");
    std::map<std::pair<std::string, std::int64_t>, Json> last;
    std::map<std::string, std::int64_t> newest;
    for (const Line& line : recording->ws.at("hyperliquid")) {
      if (line.json["channel"] != "candle") continue;
      const Json& candle = line.json["data"];
      const std::string coin = candle["s"];
      EXPECT_GE(candle["t"].get<std::int64_t>(), newest[coin])
          << "a bar is closed when a later one was seen";
      newest[coin] = candle["t"];
      last[{coin, candle["t"].get<std::int64_t>()}] = candle;
    }
    EXPECT_EQ(last.size(), minutes.size());
    for (const auto& [key, sums] : minutes) {
      ASSERT_TRUE(last.contains(key)) << key.first;
      const Json& candle = last.at(key);
      expect_prices(sums, candle["o"], candle["h"], candle["l"], candle["c"]);
      EXPECT_EQ(sums.quantity, Exact::parse(candle["v"]));
      EXPECT_EQ(sums.fills, candle["n"]);
    }
  }
}

TEST(Candles, HistoryBarsAreSound) {
  for (const Line& line : busy().rest.at("binance")) {
    if (line.tail.rfind("klines ", 0) != 0) continue;
    for (const Json& row : line.json) {
      const Exact high = Exact::parse(row[2]);
      const Exact low = Exact::parse(row[3]);
      for (const std::size_t i : {1U, 4U}) {
        EXPECT_LE(Exact::parse(row[i]), high);
        EXPECT_GE(Exact::parse(row[i]), low);
      }
      EXPECT_GT(low, Exact{});
      EXPECT_LE(Exact::parse(row[9]), Exact::parse(row[5]));
      EXPECT_LE(Exact::parse(row[10]), Exact::parse(row[7]));
    }
  }
}

}  // namespace
}  // namespace perp::sim::test
