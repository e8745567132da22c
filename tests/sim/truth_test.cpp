// truth.csv, which the model writes from its own integers, against what a stranger computes from
// the messages: with nlohmann_json, doubles and the definitions in truth.hpp, and with contract
// sizes taken from the instrument lists.
#include "sim/recording.hpp"

#include <perp/sim/truth.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace perp::sim::test {
namespace {

using Row = std::map<std::string, std::string>;
constexpr double missing = std::numeric_limits<double>::quiet_NaN();
using Key = std::pair<std::string, std::int64_t>;  // coin, minute

std::map<std::string, std::map<Key, Row>> read_truth(const Recording& recording) {
  std::map<std::string, std::map<Key, Row>> rows;
  std::ifstream file(recording.folder.path() + "/truth.csv");
  std::string text;
  std::getline(file, text);
  const std::vector<std::string> names = split(text, ',');
  while (std::getline(file, text)) {
    const std::vector<std::string> values = split(text, ',');
    EXPECT_EQ(values.size(), names.size()) << text;
    Row row;
    for (std::size_t i = 0; i < names.size(); ++i) row[names[i]] = values[i];
    rows[row["venue"]][{row["symbol"], std::stoll(row["minute_ts_ms"])}] = row;
  }
  return rows;
}

/// How a native symbol is scaled: price / named = per coin; size x coins = coins.
struct Scale {
  std::string coin;
  double named = 1;
  double coins = 1;
};

std::map<std::string, Scale> scales_of(const Recording& recording, const std::string& venue) {
  std::map<std::string, Scale> scales;
  const auto add = [&](const std::string& native, const std::string& asset, bool is_k) {
    Scale scale{asset};
    if (asset.rfind("1000", 0) == 0) scale = {asset.substr(4), 1000, 1000};
    if (asset.ends_with("1000")) scale = {asset.substr(0, asset.size() - 4), 1000, 1000};
    if (is_k && asset.front() == 'k') scale = {asset.substr(1), 1000, 1000};
    scales[native] = scale;
  };
  for (const Line& line : recording.rest.at(venue)) {
    if (venue == "binance" && line.tail == "exchangeInfo") {
      for (const Json& row : line.json["symbols"])
        if (row["contractType"] == "PERPETUAL" && row["quoteAsset"] == "USDT")
          add(row["symbol"], row["baseAsset"], false);
    } else if (venue == "bybit" && line.tail == "instruments-info") {
      for (const Json& row : line.json["result"]["list"])
        add(row["symbol"], row["baseCoin"], false);
    } else if (venue == "okx" && line.tail == "instruments") {
      for (const Json& row : line.json["data"])
        if (row["ctType"] == "linear")
          scales[row["instId"]] = {row["ctValCcy"], 1, std::stod(row["ctVal"].get<std::string>())};
    } else if (venue == "hyperliquid" && line.tail == "meta") {
      for (const Json& row : line.json["universe"]) add(row["name"], row["name"], true);
    }
  }
  return scales;
}

struct Minute {
  double open = missing, high = missing, low = missing, close = missing, buy = 0, sell = 0;
  std::int64_t fills = 0;
  double interest = missing, value = missing, mark = missing, rate = missing, ratio = missing;
  double long_usd = 0, short_usd = 0, forced = 0;
  int longs = 0, shorts = 0;
};

/// The last sample of each kind, by receive time.
struct Samples {
  double interest = missing, value = missing, mark = missing, rate = missing, ratio = missing;
};

double number(const Json& text) { return std::stod(text.get<std::string>()); }

class Stranger {
 public:
  Stranger(const Recording& recording, std::string venue)
      : venue_(std::move(venue)), scales_(scales_of(recording, venue_)) {
    struct Entry {
      const Line* line;
      bool is_rest;
    };
    std::vector<Entry> entries;
    for (const Line& line : recording.ws.at(venue_)) entries.push_back({&line, false});
    for (const Line& line : recording.rest.at(venue_)) entries.push_back({&line, true});
    std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return a.line->receive_ns < b.line->receive_ns;
    });
    const std::int64_t start_ns = recording.options.start_ns;
    std::int64_t end_ns = start_ns + 60'000'000'000;
    for (const Entry& entry : entries) {
      for (; entry.line->receive_ns >= end_ns; end_ns += 60'000'000'000)
        close(end_ns / 1'000'000 - 60'000);
      if (entry.is_rest)
        rest(*entry.line);
      else
        stream(entry.line->json);
    }
    close(end_ns / 1'000'000 - 60'000);
    for (const SeenTrade& trade : trades_of(recording, venue_)) add(trade);
  }

  std::map<Key, Minute>& minutes() { return minutes_; }

 private:
  void close(std::int64_t minute_ms) {
    for (const auto& [native, scale] : scales_) {
      Minute& minute = minutes_[{scale.coin, minute_ms}];
      const Samples& samples = samples_[native];
      minute.interest = samples.interest;
      minute.value = samples.value;
      minute.mark = samples.mark;
      minute.rate = samples.rate;
      minute.ratio = samples.ratio;
    }
  }

  void add(const SeenTrade& trade) {
    const auto scale = scales_.find(trade.symbol);
    if (scale == scales_.end()) return;
    Minute& minute = minutes_[{scale->second.coin, trade.time_ms / 60'000 * 60'000}];
    const double price = std::stod(trade.price) / scale->second.named;
    const double quantity = std::stod(trade.quantity) * scale->second.coins;
    if (minute.fills == 0) minute.open = minute.high = minute.low = price;
    minute.high = std::max(minute.high, price);
    minute.low = std::min(minute.low, price);
    minute.close = price;
    (trade.is_buy ? minute.buy : minute.sell) += price * quantity;
    minute.fills += trade.fills;
  }

  void liquidated(const std::string& native, std::int64_t time_ms, bool is_long, double price,
                  double quantity) {
    const auto scale = scales_.find(native);
    if (scale == scales_.end()) return;
    Minute& minute = minutes_[{scale->second.coin, time_ms / 60'000 * 60'000}];
    const double usd = price / scale->second.named * quantity * scale->second.coins;
    (is_long ? minute.long_usd : minute.short_usd) += usd;
    ++(is_long ? minute.longs : minute.shorts);
    minute.forced += quantity * scale->second.coins;
  }

  void context(const std::string& coin, const Json& ctx) {
    const Scale& scale = scales_.at(coin);
    samples_[coin].interest = number(ctx["openInterest"]) * scale.coins;
    samples_[coin].mark = number(ctx["markPx"]) / scale.named;
    samples_[coin].rate = number(ctx["funding"]);
  }

  void stream(const Json& json) {
    if (venue_ == "binance" && json.contains("data")) {
      const Json& data = json["data"];
      if (data["e"] == "markPriceUpdate" && scales_.contains(data["s"])) {
        samples_[data["s"]].mark = number(data["p"]) / scales_[data["s"]].named;
        samples_[data["s"]].rate = number(data["r"]);
      } else if (data["e"] == "forceOrder") {
        const Json& order = data["o"];
        liquidated(order["s"], order["T"], order["S"] == "SELL", number(order["p"]),
                   number(order["q"]));
      }
    } else if (venue_ == "bybit" && json.contains("topic")) {
      const std::string topic = json["topic"];
      if (topic.rfind("tickers.", 0) == 0) {
        const Json& data = json["data"];
        Samples& samples = samples_[data["symbol"]];
        const Scale& scale = scales_.at(data["symbol"]);
        if (data.contains("singleOpenInterest"))
          samples.interest = number(data["singleOpenInterest"]) * scale.coins;
        if (data.contains("markPrice")) samples.mark = number(data["markPrice"]) / scale.named;
        if (data.contains("fundingRate")) samples.rate = number(data["fundingRate"]);
      } else if (topic.rfind("allLiquidation.", 0) == 0) {
        for (const Json& row : json["data"])
          liquidated(row["s"], row["T"], row["S"] == "Buy", number(row["p"]), number(row["v"]));
      }
    } else if (venue_ == "okx" && json.contains("data")) {
      const std::string channel = json["arg"]["channel"];
      const Json& row = json["data"][0];
      if (channel == "liquidation-orders") {
        const Json& detail = row["details"][0];
        liquidated(row["instId"], std::stoll(detail["ts"].get<std::string>()),
                   detail["posSide"] == "long", number(detail["bkPx"]), number(detail["sz"]));
      } else if (channel == "open-interest") {
        samples_[row["instId"]].interest = number(row["oiCcy"]);
        samples_[row["instId"]].value = number(row["oiUsd"]);
      } else if (channel == "mark-price") {
        samples_[row["instId"]].mark = number(row["markPx"]);
      } else if (channel == "funding-rate") {
        samples_[row["instId"]].rate = number(row["fundingRate"]);
      }
    } else if (venue_ == "hyperliquid" && json["channel"] == "activeAssetCtx") {
      context(json["data"]["coin"], json["data"]["ctx"]);
    }
  }

  void rest(const Line& line) {
    const std::vector<std::string> tail = split(line.tail, ' ');
    const std::string symbol = tail.size() > 1 ? tail[1].substr(7) : "";
    if (tail[0] == "openInterest") {
      samples_[symbol].interest = number(line.json["openInterest"]) * scales_.at(symbol).coins;
    } else if (tail[0] == "globalLongShortAccountRatio") {
      samples_[symbol].ratio = number(line.json.back()["longShortRatio"]);
    } else if (tail[0] == "account-ratio") {
      const Json& row = line.json["result"]["list"][0];
      samples_[symbol].ratio = number(row["buyRatio"]) / number(row["sellRatio"]);
    } else if (tail[0] == "long-short-account-ratio-contract") {
      samples_[symbol].ratio = number(line.json["data"][0][1]);
    } else if (tail[0] == "metaAndAssetCtxs") {
      for (std::size_t i = 0; i < line.json[1].size(); ++i)
        context(line.json[0]["universe"][i]["name"], line.json[1][i]);
    }
  }

  std::string venue_;
  std::map<std::string, Scale> scales_;
  std::map<std::string, Samples> samples_;
  std::map<Key, Minute> minutes_;
};

void expect_field(const Row& row, const std::string& name, double expected) {
  const std::string& text = row.at(name);
  if (std::isnan(expected)) {
    EXPECT_EQ(text, "") << name;
    return;
  }
  ASSERT_NE(text, "") << name;
  EXPECT_NEAR(std::stod(text), expected, std::fabs(expected) * 1e-12 + 1e-300) << name;
}

TEST(Truth, IsWhatAStrangerComputesFromTheMessages) {
  int silent = 0;
  int liquidated = 0;
  for (const Recording* recording : {&busy(), &dead()}) {
    const auto truth = read_truth(*recording);
    ASSERT_EQ(truth.size(), 4U);
    for (const auto& [venue, rows] : truth) {
      Stranger stranger(*recording, venue);
      EXPECT_EQ(rows.size(),
                static_cast<std::size_t>(recording->options.symbols * recording->options.minutes));
      std::map<std::string, double> last_close;
      for (const auto& [key, row] : rows) {
        SCOPED_TRACE(venue + " " + key.first + " " + std::to_string(key.second));
        const Minute& minute = stranger.minutes()[key];
        const bool is_flat = minute.fills == 0;
        silent += is_flat ? 1 : 0;
        if (!is_flat) {
          expect_field(row, "o", minute.open);
          expect_field(row, "h", minute.high);
          expect_field(row, "l", minute.low);
          expect_field(row, "c", minute.close);
          expect_field(row, "v_quote", minute.buy + minute.sell);
        } else {
          EXPECT_EQ(row.at("o"), row.at("c"));
          EXPECT_EQ(row.at("h"), row.at("l"));
          EXPECT_EQ(row.at("v_quote"), "0");
          if (last_close.contains(key.first)) expect_field(row, "c", last_close[key.first]);
        }
        last_close[key.first] = std::stod(row.at("c"));
        expect_field(row, "tbv", minute.buy);
        expect_field(row, "tsv", minute.sell);
        expect_field(row, "oi_coins", minute.interest);
        expect_field(row, "mark", minute.mark);
        expect_field(row, "pfr", minute.rate);
        expect_field(row, "lsr", minute.ratio);
        EXPECT_EQ(std::stoll(row.at("trades")), minute.fills);
        // Six decimals are kept of a product that may have more.
        if (venue == "okx")
          expect_field(row, "oi_usd", minute.value);
        else
          EXPECT_NEAR(std::stod(row.at("oi_usd")), minute.interest * minute.mark,
                      1e-6 + minute.interest * minute.mark * 1e-12);
        if (venue == "hyperliquid") {
          for (const std::string name : {"lqside", "lqprice", "lqqty", "lql", "lqs", "lsr"})
            EXPECT_EQ(row.at(name), "") << name;
          continue;
        }
        liquidated += minute.longs + minute.shorts;
        expect_field(row, "lql", minute.long_usd);
        expect_field(row, "lqs", minute.short_usd);
        expect_field(row, "lqqty", minute.forced);
        expect_field(
            row, "lqprice",
            minute.forced > 0 ? (minute.long_usd + minute.short_usd) / minute.forced : missing);
        const bool is_long = minute.longs != minute.shorts ? minute.longs > minute.shorts
                                                           : minute.long_usd > minute.short_usd;
        EXPECT_EQ(row.at("lqside"), minute.forced > 0 ? (is_long ? "long" : "short") : "");
      }
    }
  }
  EXPECT_GT(silent, 10);
  EXPECT_GT(liquidated, 10);
}

}  // namespace
}  // namespace perp::sim::test
