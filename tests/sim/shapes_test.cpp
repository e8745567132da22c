// Our messages against genuine recordings: the same keys in the same order, and values of the same
// JSON types. Runs where PERP_CAPTURES_DIR names the folder of recordings; recordings that a client
// had re-serialised are compared without the order of keys.
#include "sim/recording.hpp"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <set>

namespace perp::sim::test {
namespace {

using Find = std::function<bool(const Json&)>;

/// What a value is: scalars by type ("number text" apart from other text), objects key by key,
/// arrays of arrays or objects by their first element, arrays of scalars element by element.
std::string shape(const Json& value, bool keeps_order) {
  if (value.is_object()) {
    std::vector<std::string> parts;
    for (const auto& [name, child] : value.items())
      parts.push_back(name + ":" + shape(child, keeps_order));
    if (!keeps_order) std::sort(parts.begin(), parts.end());
    std::string text = "{";
    for (const std::string& part : parts) text += part + ",";
    return text + "}";
  }
  if (value.is_array()) {
    if (value.empty()) return "[]";
    if (value.front().is_structured()) return "[" + shape(value.front(), keeps_order) + "...]";
    std::string text = "[";
    for (const Json& child : value) text += shape(child, keeps_order) + ",";
    return text + "]";
  }
  if (value.is_boolean()) return "bool";
  if (value.is_null()) return "null";
  if (value.is_number_float()) return "float";
  if (value.is_number()) return "integer";
  const std::string text = value;
  if (text.empty()) return "empty";
  return text.find_first_not_of("-.0123456789") == std::string::npos ? "decimal" : "text";
}

class Shapes : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("PERP_CAPTURES_DIR");
    if (folder == nullptr) GTEST_SKIP() << "PERP_CAPTURES_DIR is not set";
    folder_ = folder;
  }

  /// Payloads of a recorded file: tsv, jsonl, or one whole JSON body.
  std::vector<Json> recorded(const std::string& file) const {
    const std::string text = read_file(folder_ + "/" + file);
    EXPECT_FALSE(text.empty()) << file;
    std::vector<Json> values;
    if (file.ends_with(".json")) {
      values.push_back(Json::parse(text));
      return values;
    }
    for (const std::string& line : split(text, '\n')) {
      if (line.empty()) continue;
      const std::size_t tab = line.find('\t');
      values.push_back(Json::parse(tab == std::string::npos ? line : line.substr(tab + 1)));
    }
    return values;
  }

  static Json first(const std::vector<Json>& values, const Find& find) {
    for (const Json& value : values)
      if (find(value)) return value;
    ADD_FAILURE() << "no recorded message of this kind";
    return {};
  }

  static Json ours(const std::vector<Line>& lines, const Find& find, const std::string& tail = {}) {
    for (const Line& line : lines)
      if (line.tail.rfind(tail, 0) == 0 && find(line.json)) return line.json;
    ADD_FAILURE() << "no simulated message of this kind";
    return {};
  }

  static void expect_same(const Json& own, const Json& genuine, bool keeps_order = true) {
    EXPECT_EQ(shape(own, keeps_order), shape(genuine, keeps_order)) << own.dump().substr(0, 400);
  }

  std::string folder_;
};

Find event(const std::string& name) {
  return [name](const Json& json) {
    if (json.contains("data") && json["data"].contains("e")) return json["data"]["e"] == name;
    return json.value("e", "") == name;
  };
}

TEST_F(Shapes, Binance) {
  const auto frames = recorded("binance/ws_frames_2026.jsonl");
  const auto& lines = busy().ws.at("binance");
  for (const std::string name : {"aggTrade", "markPriceUpdate", "forceOrder"})
    expect_same(ours(lines, event(name)), first(frames, event(name)));
  const auto is_closed = [](const Json& json) {
    return event("kline")(json) && json["data"]["k"]["x"].get<bool>();
  };
  expect_same(ours(lines, is_closed), first(frames, is_closed));
  expect_same(ours(lines, event("bookTicker"))["data"], first(frames, event("bookTicker")));
  const auto has_both = [](const Json& json) {
    return event("depthUpdate")(json) && !json["data"]["b"].empty() && !json["data"]["a"].empty();
  };
  expect_same(ours(lines, has_both), first(frames, has_both));
  const auto is_ack = [](const Json& json) { return json.contains("result"); };
  expect_same(ours(lines, is_ack), Json::parse(R"({"result":null,"id":1})"));
}

TEST_F(Shapes, BinanceRest) {
  const auto any = [](const Json&) { return true; };
  const auto& lines = busy().rest.at("binance");
  expect_same(ours(lines, any, "depth"), recorded("binance/rest_depth_sushiusdt_2021-07.json")[0]);
  expect_same(ours(lines, any, "openInterest"),
              recorded("binance/rest_openInterest_btcusdt_2023-12.json")[0], false);
  expect_same(ours(lines, any, "globalLongShort"),
              recorded("binance/rest_globalLongShortAccountRatio_btcusdt_5m_2020-10.json")[0],
              false);
  expect_same(ours(lines, any, "klines"),
              recorded("binance/rest_klines_1d_btcusdt_2023-01.json")[0]);
  const Json own = ours(lines, any, "exchangeInfo");
  const Json genuine = recorded("binance/rest_exchangeInfo_2025-08_25symbols.json")[0];
  const auto names = [](const Json& object) {
    std::set<std::string> set;
    for (const auto& [name, value] : object.items()) set.insert(name);
    return set;
  };
  EXPECT_EQ(names(own["symbols"][0]), names(genuine["symbols"][0]));
  std::set<std::string> filters, genuine_filters;
  for (const Json& filter : own["symbols"][0]["filters"]) filters.insert(shape(filter, false));
  for (const Json& filter : genuine["symbols"][0]["filters"])
    genuine_filters.insert(shape(filter, false));
  EXPECT_EQ(filters, genuine_filters);
}

TEST_F(Shapes, BinanceTicksAndStepsAreThoseOfTheList) {
  const Json genuine = recorded("binance/rest_exchangeInfo_2025-08_25symbols.json")[0];
  std::map<std::string, std::pair<std::string, std::string>> grids;
  const auto grid = [](const Json& symbol) {
    std::pair<std::string, std::string> result;
    for (const Json& filter : symbol["filters"]) {
      if (filter["filterType"] == "PRICE_FILTER") result.first = filter["tickSize"];
      if (filter["filterType"] == "LOT_SIZE") result.second = filter["stepSize"];
    }
    return result;
  };
  for (const Json& symbol : genuine["symbols"]) grids[symbol["symbol"]] = grid(symbol);
  int compared = 0;
  for (const Line& line : busy().rest.at("binance")) {
    if (line.tail != "exchangeInfo") continue;
    for (const Json& symbol : line.json["symbols"]) {
      if (!grids.contains(symbol["symbol"])) continue;
      EXPECT_EQ(grid(symbol), grids[symbol["symbol"]]) << symbol["symbol"];
      ++compared;
    }
  }
  EXPECT_GE(compared, 3);
}

Find topic(const std::string& prefix, const std::string& type = {}) {
  return [prefix, type](const Json& json) {
    return json.value("topic", "").rfind(prefix, 0) == 0 && (type.empty() || json["type"] == type);
  };
}

TEST_F(Shapes, Bybit) {
  const auto& lines = busy().ws.at("bybit");
  const auto books = recorded("bybit/ws_orderbook50_btcusdt_2026-03.jsonl");
  expect_same(ours(lines, topic("orderbook.50.", "snapshot")),
              first(books, topic("orderbook", "snapshot")));
  const auto has_both = [](const Json& json) {
    return topic("orderbook", "delta")(json) && !json["data"]["b"].empty() &&
           !json["data"]["a"].empty();
  };
  expect_same(ours(lines, has_both), first(books, has_both));
  expect_same(ours(lines, topic("publicTrade.")), recorded("bybit/ws_publictrade.jsonl")[0]);
  expect_same(ours(lines, topic("kline.1.")), recorded("bybit/ws_kline_1_2026-09.jsonl")[0]);
  expect_same(ours(lines, topic("allLiquidation.")), recorded("bybit/ws_allliquidation.jsonl")[0]);
  const auto acks = recorded("bybit/ws_acks_errors.jsonl");
  const auto operation = [](const std::string& name) {
    return [name](const Json& json) { return json.value("op", "") == name; };
  };
  for (const std::string name : {"subscribe", "ping"}) {
    const Json own = ours(lines, operation(name));
    const Json genuine = first(acks, [&](const Json& json) {
      return json["op"] == name && !json["req_id"].get<std::string>().empty();
    });
    expect_same(own, genuine);
  }
}

/// Whether `part` lists some keys of `whole`, in its order.
void expect_subsequence(const Json& part, const Json& whole) {
  auto at = whole.begin();
  for (const auto& [name, value] : part.items()) {
    while (at != whole.end() && at.key() != name) ++at;
    ASSERT_NE(at, whole.end()) << name << " is not there, or elsewhere";
  }
}

TEST_F(Shapes, BybitTickers) {
  const auto& lines = busy().ws.at("bybit");
  const Json snapshot = ours(lines, topic("tickers.", "snapshot"));
  const Json delta = ours(lines, topic("tickers.", "delta"));
  const auto old = recorded("bybit/ws_tickers_linear_2024-05.jsonl");
  const Json newest = recorded("bybit/ws_tickers_linear_2026-09.jsonl")[0];
  for (const Json& genuine : {old[0], old[1], newest}) {
    expect_subsequence(genuine["data"], snapshot["data"]);
    expect_subsequence(genuine, snapshot);
    for (const auto& [name, value] : genuine["data"].items())
      EXPECT_EQ(shape(value, true), shape(snapshot["data"][name], true)) << name;
  }
  expect_subsequence(delta["data"], snapshot["data"]);
  expect_same(Json(delta["topic"]), Json(newest["topic"]));
  EXPECT_EQ(delta["data"].begin().key(), "symbol");
}

TEST_F(Shapes, BybitRest) {
  const auto any = [](const Json&) { return true; };
  const auto& lines = busy().rest.at("bybit");
  expect_same(ours(lines, any, "kline"), recorded("bybit/doc_rest_kline.json")[0]);
  expect_same(ours(lines, any, "account-ratio"),
              recorded("bybit/doc_rest_long-short-ratio.json")[0]);
  Json own = ours(lines, any, "instruments-info");
  Json genuine = recorded("bybit/doc_rest_instrument_prelaunch.json")[0];
  for (Json* body :
       {&own, &genuine}) {  // null once listed, an object before; an empty cursor on the last page
    (*body)["result"]["list"][0]["preListingInfo"] = nullptr;
    (*body)["result"]["nextPageCursor"] = "";
  }
  expect_same(own, genuine);
}

Find channel(const std::string& name, const std::string& action = {}) {
  return [name, action](const Json& json) {
    return json.contains("arg") && json.contains("data") && json["arg"]["channel"] == name &&
           (action.empty() || json["action"] == action);
  };
}

TEST_F(Shapes, Okx) {
  const auto& lines = busy().ws.at("okx");
  const auto y2025 = recorded("okx/ws_misc_2025.jsonl");
  const auto y2026 = recorded("okx/ws_swap_2026-08-12.jsonl");
  const auto older = recorded("okx/ws_misc_tardis.jsonl");
  const auto is_ack = [](const Json& json) {
    return json.value("event", "") == "subscribe" && json["arg"].contains("instId");
  };
  expect_same(ours(lines, is_ack), first(y2026, is_ack));
  expect_same(ours(lines, channel("tickers")), first(y2026, channel("tickers")));
  expect_same(ours(lines, channel("trades")), first(y2026, channel("trades")));
  expect_same(ours(lines, channel("books", "snapshot")),
              first(y2025, channel("books", "snapshot")));
  const auto is_update = [](const Json& json) {
    return channel("books", "update")(json) && json["data"][0]["asks"].empty() &&
           !json["data"][0]["bids"].empty();
  };
  expect_same(ours(lines, is_update), first(y2025, is_update));
  expect_same(ours(lines, channel("candle1m")), first(y2025, channel("candle1m")));
  expect_same(ours(lines, channel("funding-rate")), first(y2025, channel("funding-rate")));
  expect_same(ours(lines, channel("liquidation-orders")),
              recorded("okx/ws_liquidation-orders_2026.jsonl")[0]);
  expect_same(ours(lines, channel("mark-price")), first(older, channel("mark-price")));
  // bbo-tbt got its seqId, open-interest its oiUsd after those recordings.
  Json touch = ours(lines, channel("bbo-tbt"));
  EXPECT_TRUE(touch["data"][0]["seqId"].is_number_integer());
  touch["data"][0].erase("seqId");
  expect_same(touch, first(older, channel("bbo-tbt")));
  const Json interest = recorded("okx/rest_public_open-interest_BTC-USDT-SWAP.json")[0];
  expect_same(ours(lines, channel("open-interest"))["data"][0], interest["data"][0]);
}

TEST_F(Shapes, OkxRest) {
  const auto any = [](const Json&) { return true; };
  const auto& lines = busy().rest.at("okx");
  expect_same(ours(lines, any, "history-candles"),
              recorded("okx/rest_market_candles_2025.jsonl")[0]);
  expect_same(
      ours(lines, any, "long-short-account-ratio-contract"),
      recorded("okx/rest_rubik_long-short-account-ratio-contract_BTC-USDT-SWAP_1D.json")[0]);
  const Json own = ours(lines, any, "instruments");
  const Json genuine = recorded("okx/rest_public_instruments_SWAP.json")[0];
  std::map<std::string, Json> rows;
  for (const Json& row : genuine["data"]) rows[row["instId"]] = row;
  for (const Json& row : own["data"]) {
    const Json& real = rows.at(row["instId"]);
    expect_same(row, real);
    for (const std::string name : {"ctVal", "ctMult", "ctType", "ctValCcy", "tickSz", "lotSz",
                                   "minSz", "settleCcy", "instFamily", "uly", "instIdCode"})
      EXPECT_EQ(row[name], real[name]) << row["instId"] << " " << name;
  }
}

Find hyperliquid(const std::string& name) {
  return [name](const Json& json) { return json.value("channel", "") == name; };
}

TEST_F(Shapes, Hyperliquid) {
  const auto& lines = busy().ws.at("hyperliquid");
  const auto frames = recorded("hyperliquid/ws_misc_2026-09-24.jsonl");
  for (const std::string name : {"bbo", "activeAssetCtx", "trades", "candle", "pong"})
    expect_same(ours(lines, hyperliquid(name)), first(frames, hyperliquid(name)));
  const auto is_book_ack = [](const Json& json) {
    return hyperliquid("subscriptionResponse")(json) &&
           json["data"]["subscription"]["type"] == "l2Book";
  };
  expect_same(ours(lines, is_book_ack), first(frames, is_book_ack));
  expect_same(ours(lines, hyperliquid("l2Book")),
              recorded("hyperliquid/ws_l2Book_trimmed_2026-09-24.jsonl")[0]);
  const auto is_bbo_ack = [](const Json& json) {
    return hyperliquid("subscriptionResponse")(json) &&
           json["data"]["subscription"]["type"] == "bbo";
  };
  expect_same(ours(lines, is_bbo_ack),
              first(recorded("hyperliquid/ws_misc_2025-2026.jsonl"), is_bbo_ack));
}

TEST_F(Shapes, HyperliquidRest) {
  const auto any = [](const Json&) { return true; };
  const auto& lines = busy().rest.at("hyperliquid");
  const Json genuine = recorded("hyperliquid/rest_meta_2025-12-13.json")[0];
  const Json own = ours(
      lines, [](const Json& json) { return json.is_object(); }, "meta");
  expect_same(own, genuine);
  expect_same(ours(lines, any, "candleSnapshot"),
              recorded("hyperliquid/rest_candleSnapshot_kPEPE_1h_2023-07-17.json")[0], false);
  const Json contexts = recorded("hyperliquid/rest_metaAndAssetCtxs_2025-08-22.json")[0];
  const Json own_contexts = ours(lines, any, "metaAndAssetCtxs");
  expect_same(own_contexts[1][0], contexts[1][0]);
  std::map<std::string, Json> coins;
  for (const Json& row : genuine["universe"]) coins[row["name"]] = row;
  for (const Json& row : own["universe"])
    for (const std::string name : {"szDecimals", "maxLeverage", "marginTableId"})
      EXPECT_EQ(row[name], coins.at(row["name"])[name]) << row["name"] << name;
}

}  // namespace
}  // namespace perp::sim::test
