// Books rebuilt from the messages alone, with each venue's own rules of continuity, against the
// best bid and offer that the venue sent elsewhere under the same id.
#include "sim/recording.hpp"

#include <optional>

namespace perp::sim::test {
namespace {

using Side = std::map<Exact, std::string>;

struct Book {
  Side bids, asks;

  static void apply(Side& side, const Json& levels) {
    for (const Json& level : levels) {
      const Exact price = Exact::parse(level[0]);
      if (Exact::parse(level[1]) == Exact{})
        side.erase(price);
      else
        side[price] = level[1];
    }
  }
  void apply(const Json& new_bids, const Json& new_asks) {
    apply(bids, new_bids);
    apply(asks, new_asks);
  }
  bool is_sound() const {
    return !bids.empty() && !asks.empty() && bids.rbegin()->first < asks.begin()->first;
  }
};

struct Touch {
  Exact bid, ask;
  std::string bid_size, ask_size;
};

void expect_touch(const Book& book, const Touch& touch) {
  EXPECT_EQ(book.bids.rbegin()->first, touch.bid);
  EXPECT_EQ(book.asks.begin()->first, touch.ask);
  EXPECT_EQ(book.bids.rbegin()->second, touch.bid_size);
  EXPECT_EQ(book.asks.begin()->second, touch.ask_size);
}

TEST(WireBooks, BinanceDeltasJoinTheSnapshotAndAgreeWithBookTicker) {
  for (const Recording* recording : {&busy(), &dead()}) {
    struct Chain {
      Book book;
      std::int64_t snapshot_id = -1;
      std::int64_t snapshot_receive_ns = 0;
      std::int64_t last = -1;
      bool is_joined = false;
    };
    std::map<std::string, Chain> chains;
    int inside = 0;
    int between = 0;
    for (const Line& line : recording->rest.at("binance")) {
      if (line.tail.rfind("depth ", 0) != 0) continue;
      Chain& chain = chains[line.tail.substr(std::string("depth symbol=").size())];
      ASSERT_EQ(chain.snapshot_id, -1);
      chain.snapshot_id = line.json["lastUpdateId"];
      chain.snapshot_receive_ns = line.receive_ns;
      chain.book.apply(line.json["bids"], line.json["asks"]);
      EXPECT_EQ(line.json["bids"].size(), 250U);
      EXPECT_TRUE(chain.book.is_sound());
    }
    EXPECT_EQ(chains.size(), static_cast<std::size_t>(recording->options.symbols) + 2);
    std::map<std::pair<std::string, std::int64_t>, Touch> touches;
    std::map<std::string, std::int64_t> last_ticker, last_depth;
    int compared = 0;
    for (const Line& line : recording->ws.at("binance")) {
      if (!line.json.contains("data")) continue;
      const Json& data = line.json["data"];
      if (data["e"] == "bookTicker") {
        const std::string symbol = data["s"];
        EXPECT_GT(data["u"].get<std::int64_t>(), last_ticker[symbol]);
        last_ticker[symbol] = data["u"];
        EXPECT_LT(Exact::parse(data["b"]), Exact::parse(data["a"]));
        touches[{symbol, data["u"].get<std::int64_t>()}] = {
            Exact::parse(data["b"]), Exact::parse(data["a"]), data["B"], data["A"]};
      }
      if (data["e"] != "depthUpdate") continue;
      const std::string symbol = data["s"];
      Chain& chain = chains.at(symbol);
      const std::int64_t first = data["U"], last = data["u"], previous = data["pu"];
      EXPECT_LE(first, last);
      EXPECT_GT(first, previous);
      if (last_depth.contains(symbol)) {
        ASSERT_EQ(previous, last_depth[symbol]) << symbol;
      }
      last_depth[symbol] = last;
      // A reader that does not wait for the snapshot: what came before it is lost.
      if (line.receive_ns < chain.snapshot_receive_ns) continue;
      ASSERT_GE(last, chain.snapshot_id);
      if (!chain.is_joined) {
        ASSERT_TRUE((first <= chain.snapshot_id && chain.snapshot_id <= last) ||
                    previous == chain.snapshot_id)
            << symbol;
        ++(previous == chain.snapshot_id ? between : inside);
        chain.is_joined = true;
      }
      chain.book.apply(data["b"], data["a"]);
      ASSERT_TRUE(chain.book.is_sound()) << symbol;
      if (const auto touch = touches.find({symbol, last}); touch != touches.end()) {
        expect_touch(chain.book, touch->second);
        ++compared;
      }
    }
    EXPECT_GT(compared, recording == &busy() ? 1000 : 3);
    if (recording == &busy()) {
      EXPECT_GT(inside, 0);
      EXPECT_GT(between, 0);
    }
  }
}

TEST(WireBooks, BybitDeltasCountByOneAndKeepFiftyLevels) {
  for (const Recording* recording : {&busy(), &dead()}) {
    struct Chain {
      Book book;
      std::int64_t last = -1;
      std::int64_t sequence = -1;
    };
    std::map<std::string, Chain> chains;
    for (const Line& line : recording->ws.at("bybit")) {
      if (line.json.value("topic", "").rfind("orderbook.50.", 0) != 0) continue;
      const Json& data = line.json["data"];
      Chain& chain = chains[data["s"]];
      if (line.json["type"] == "snapshot") {
        chain.book = {};
        EXPECT_EQ(data["b"].size(), 50U);
        EXPECT_GT(Exact::parse(data["b"][0][0]), Exact::parse(data["b"][1][0]));
        EXPECT_LT(Exact::parse(data["a"][0][0]), Exact::parse(data["a"][1][0]));
      } else {
        ASSERT_EQ(data["u"], chain.last + 1);
      }
      chain.last = data["u"];
      EXPECT_GE(data["seq"].get<std::int64_t>(), chain.sequence);
      chain.sequence = data["seq"];
      EXPECT_LE(line.json["cts"].get<std::int64_t>(), line.json["ts"].get<std::int64_t>());
      chain.book.apply(data["b"], data["a"]);
      ASSERT_TRUE(chain.book.is_sound());
      ASSERT_EQ(chain.book.bids.size(), 50U);
      ASSERT_EQ(chain.book.asks.size(), 50U);
    }
    EXPECT_EQ(chains.size(), static_cast<std::size_t>(recording->options.symbols));
  }
}

TEST(WireBooks, OkxUpdatesChainAndAgreeWithBboTbt) {
  for (const Recording* recording : {&busy(), &dead()}) {
    struct Chain {
      Book book;
      std::int64_t last = -1;
    };
    std::map<std::string, Chain> chains;
    std::map<std::pair<std::string, std::int64_t>, Touch> touches;
    int compared = 0;
    int keep_alives = 0;
    for (const Line& line : recording->ws.at("okx")) {
      if (!line.json.contains("data")) continue;
      const std::string channel = line.json["arg"]["channel"];
      if (channel != "books" && channel != "bbo-tbt") continue;
      const std::string instrument = line.json["arg"]["instId"];
      const Json& row = line.json["data"][0];
      if (channel == "bbo-tbt") {
        const Json& bid = row["bids"][0];
        const Json& ask = row["asks"][0];
        EXPECT_LT(Exact::parse(bid[0]), Exact::parse(ask[0]));
        touches[{instrument, row["seqId"].get<std::int64_t>()}] = {
            Exact::parse(bid[0]), Exact::parse(ask[0]), bid[1], ask[1]};
        continue;
      }
      Chain& chain = chains[instrument];
      EXPECT_EQ(row["checksum"], 0);
      if (line.json["action"] == "snapshot") {
        EXPECT_EQ(row["prevSeqId"], -1);
        EXPECT_EQ(row["asks"].size(), 400U);
        chain.book = {};
      } else {
        ASSERT_EQ(row["prevSeqId"], chain.last) << instrument;
        if (row["seqId"] == row["prevSeqId"]) {
          EXPECT_TRUE(row["asks"].empty() && row["bids"].empty());
          ++keep_alives;
        }
      }
      chain.last = row["seqId"];
      chain.book.apply(row["bids"], row["asks"]);
      ASSERT_TRUE(chain.book.is_sound()) << instrument;
      if (const auto touch = touches.find({instrument, chain.last}); touch != touches.end()) {
        expect_touch(chain.book, touch->second);
        ++compared;
      }
    }
    EXPECT_GT(compared, recording == &busy() ? 1000 : 3);
    if (recording == &dead()) {
      EXPECT_GT(keep_alives, 0);
    }
    EXPECT_EQ(chains.size(), static_cast<std::size_t>(recording->options.symbols))
        << "no books of spot and inverse";
  }
}

TEST(WireBooks, HyperliquidBooksAreWholeAndNeverCross) {
  std::map<std::string, std::int64_t> last_time;
  std::map<std::string, int> books;
  for (const Line& line : busy().ws.at("hyperliquid")) {
    const Json& data = line.json.value("data", Json());
    if (line.json["channel"] == "bbo") {
      EXPECT_LT(Exact::parse(data["bbo"][0]["px"]), Exact::parse(data["bbo"][1]["px"]));
      EXPECT_GE(data["time"].get<std::int64_t>(), last_time[data["coin"]]);
      last_time[data["coin"]] = data["time"];
    }
    if (line.json["channel"] != "l2Book") continue;
    ++books[data["coin"]];
    ASSERT_EQ(data["levels"].size(), 2U);
    const Json& bids = data["levels"][0];
    const Json& asks = data["levels"][1];
    ASSERT_EQ(bids.size(), 5U);
    ASSERT_EQ(asks.size(), 5U);
    EXPECT_LT(Exact::parse(bids[0]["px"]), Exact::parse(asks[0]["px"]));
    for (std::size_t i = 1; i < 5; ++i) {
      EXPECT_GT(Exact::parse(bids[i - 1]["px"]), Exact::parse(bids[i]["px"]));
      EXPECT_LT(Exact::parse(asks[i - 1]["px"]), Exact::parse(asks[i]["px"]));
    }
  }
  EXPECT_EQ(books.size(), 8U);
  for (const auto& [coin, count] : books) EXPECT_NEAR(count, 182'000 / 550, 30) << coin;
}

}  // namespace
}  // namespace perp::sim::test
