// Goal: what a hole has swallowed comes back, each trade and candle once, and nothing that a stream
// brought or still brings. Method: a market that the test makes up is told in part by the stream,
// whole by the scripted host, which pages as the venue's documentation says; the ring must hold
// each trade of the market once, those of the hole flagged as history.
#include "feed/rest_support.hpp"
#include "venue/capture.hpp"

#include <perp/core/prng.hpp>

#include <nlohmann/json.hpp>

#include <set>

namespace perp::feed {
namespace {

using market::RecordType;

struct Deal {
  std::int64_t id;
  std::int64_t time_ms;
  double price;
};

/// A market of trades with ids that count up by one, 7 ms apart.
std::vector<Deal> market_of(std::int64_t first_id, std::int64_t count) {
  std::vector<Deal> deals;
  for (std::int64_t i = 0; i < count; ++i)
    deals.push_back(
        {first_id + i, 1'790'000'000'000 + 7 * i, 100 + 0.1 * static_cast<double>(i % 50)});
  return deals;
}

class FillTest : public RestTest {
 protected:
  using RestTest::RestTest;

  TradeFill fill(const TradeHole& hole, double within = 60) {
    std::vector<TradeFill> results;
    rest->fill_trades(hole, [&](const TradeFill& result) { results.push_back(result); });
    advance(within);
    EXPECT_EQ(results.size(), 1U) << "done is called once";
    return results.empty() ? TradeFill{} : results[0];
  }
  /// Ids of the ring's trades, streamed and filled ones apart.
  struct Told {
    std::multiset<std::int64_t> streamed;
    std::multiset<std::int64_t> filled;
    std::map<std::int64_t, double> prices;
  };
  Told told() {
    Told found;
    for (const Bytes& bytes : drain()) {
      const market::RecordHeader& header = header_of(bytes);
      if (header.type != RecordType::trade) continue;
      const auto& trade = market::payload<market::Trade>(header);
      const bool is_history = (header.flags & market::flag_backfill) != 0;
      (is_history ? found.filled : found.streamed).insert(trade.trade_id);
      found.prices[trade.trade_id] = trade.price;
    }
    return found;
  }
  static std::multiset<std::int64_t> ids(std::int64_t from, std::int64_t until) {
    std::multiset<std::int64_t> made;
    for (std::int64_t id = from; id < until; ++id) made.insert(id);
    return made;
  }
};

class BinanceFill : public FillTest {
 protected:
  BinanceFill() : FillTest(venue::binance_adapter()) {
    host.script = [this](const Asked& asked) {
      if (asked.is_about("klines")) return klines(asked);
      std::string rows;
      const std::int64_t from = std::stoll(asked.parameter("fromId"));
      int count = 0;
      for (const Deal& deal : deals)
        if (deal.id >= from && deal.id <= known_until && count++ < 1000)
          rows += fmt::format(
              R"({}{{"a":{},"p":"{:.1f}","q":"0.010","nq":"0.010","f":{},"l":{},"T":{},"m":true}})",
              rows.empty() ? "" : ",", deal.id, deal.price, deal.id, deal.id, deal.time_ms);
      return Answer{.body = "[" + rows + "]"};
    };
  }
  Answer klines(const Asked& asked) const {
    EXPECT_EQ(asked.parameter("interval"), "1m");
    std::string rows;
    const std::int64_t start = std::stoll(asked.parameter("startTime"));
    const std::int64_t end = std::stoll(asked.parameter("endTime"));
    int count = 0;
    for (std::int64_t open = (start + 59'999) / 60'000 * 60'000; open <= end && count < 99;
         open += 60'000) {
      if (without.contains(open)) continue;
      ++count;
      rows +=
          fmt::format(R"({}[{},"1.0","2.0","0.5","{}.0","10.000",{},"15.0",4,"5.000","7.5","0"])",
                      rows.empty() ? "" : ",", open, open / 60'000 % 1000 + 1, open + 59'999);
    }
    return {.body = "[" + rows + "]"};
  }
  void stream_trade(std::int64_t id) {
    const Deal& deal = deals[static_cast<std::size_t>(id - deals[0].id)];
    stream(fmt::format(
        R"({{"stream":"btcusdt@aggTrade","data":{{"e":"aggTrade","E":{0},"a":{1},"s":"BTCUSDT","p":"{2:.1f}","q":"0.010","nq":"0.010","f":{1},"l":{1},"T":{0},"m":true,"st":1}}}})",
        deal.time_ms, deal.id, deal.price));
  }
  std::vector<Deal> deals = market_of(5000, 4000);
  std::int64_t known_until = 1'000'000;  ///< the host lags behind the stream
  std::set<std::int64_t> without;        ///< minutes that have no candle
};

TEST_F(BinanceFill, AHoleIsFilledForwardPageByPageEachTradeOnce) {
  start();
  for (std::int64_t id = 5000; id < 5010; ++id) stream_trade(id);
  for (std::int64_t id = 7777; id < 7790; ++id) stream_trade(id);
  const TradeFill result = fill({.symbol = "BTCUSDT", .last_id = 5009, .first_id = 7777});
  EXPECT_EQ(result.trades, 7777U - 5010);
  EXPECT_FALSE(result.left.has_value()) << result.why;
  ASSERT_EQ(host.asked.size(), 3U);
  EXPECT_EQ(host.asked[1].parameter("fromId"), "6010");
  // What the stream brings behind it is the stream's, although the host's last page had it.
  for (std::int64_t id = 7790; id < 7800; ++id) stream_trade(id);
  const Told all = told();
  EXPECT_EQ(all.filled, ids(5010, 7777));
  std::multiset<std::int64_t> streamed = ids(5000, 5010);
  streamed.merge(ids(7777, 7800));
  EXPECT_EQ(all.streamed, streamed);
  for (const auto& [id, price] : all.prices)
    EXPECT_EQ(price,
              std::stod(fmt::format("{:.1f}", deals[static_cast<std::size_t>(id - 5000)].price)));
}

TEST_F(BinanceFill, AHoleThatEndsWithAPageIsWhole) {
  start();
  const TradeFill result = fill({.symbol = "BTCUSDT", .last_id = 5009, .first_id = 6010});
  EXPECT_EQ(result.trades, 1000U);
  EXPECT_FALSE(result.left.has_value());
  EXPECT_EQ(host.asked.size(), 1U);
}

TEST_F(BinanceFill, AReplyThatLagsBehindTheStreamIsAskedAgain) {
  known_until = 5500;
  start();
  rest->fill_trades({.symbol = "BTCUSDT", .last_id = 5009, .first_id = 5600});
  advance(0.5);
  EXPECT_EQ(host.asked.size(), 1U);
  known_until = 1'000'000;
  advance(5);
  ASSERT_EQ(host.asked.size(), 2U);
  EXPECT_EQ(host.asked[1].parameter("fromId"), "5501");
  EXPECT_EQ(told().filled, ids(5010, 5600));
  EXPECT_EQ(rest->stats().holes_left, 0U);
}

TEST_F(BinanceFill, WhatTheHostDoesNotHaveIsToldAsLeft) {
  known_until = 5500;
  start();
  const TradeFill result =
      fill({.symbol = "BTCUSDT", .last_id = 5009, .first_id = 5600, .first_ns = 77});
  EXPECT_EQ(result.trades, 491U);
  ASSERT_TRUE(result.left.has_value());
  EXPECT_EQ(result.left->last_id, 5500);
  EXPECT_EQ(result.left->last_ns, deals[500].time_ms * core::ns_per_ms);
  EXPECT_EQ(result.left->first_id, 5600);
  EXPECT_EQ(result.left->first_ns, 77);
  EXPECT_FALSE(result.why.empty());
  EXPECT_EQ(rest->stats().holes_left, 1U);
  EXPECT_EQ(host.asked.size(), 4U);
}

TEST_F(BinanceFill, PagesAreBounded) {
  VenueRestOptions options = rest_options();
  options.fill_pages_max = 2;
  start(options);
  const TradeFill result = fill({.symbol = "BTCUSDT", .last_id = 5009, .first_id = 8000});
  EXPECT_EQ(result.trades, 2000U);
  ASSERT_TRUE(result.left.has_value());
  EXPECT_EQ(result.left->last_id, 7009);
}

TEST_F(BinanceFill, AFailedPageIsAskedAgainAndThenGivenUpWithWhatIsLeft) {
  int pages = 0;
  host.script = [&, script = host.script](const Asked& asked) {
    return ++pages == 1 ? script(asked) : Answer{.status = 500};
  };
  start();
  const TradeFill result = fill({.symbol = "BTCUSDT", .last_id = 5009, .first_id = 7500}, 300);
  EXPECT_EQ(result.trades, 1000U);
  ASSERT_TRUE(result.left.has_value());
  EXPECT_EQ(result.left->last_id, 6009);
  EXPECT_NE(result.why.find("500"), std::string::npos) << result.why;
  EXPECT_EQ(host.asked.size(), 6U);
}

TEST_F(BinanceFill, AHoleWithoutRoomOrWithoutSidesAsksNothing) {
  start();
  EXPECT_FALSE(fill({.symbol = "BTCUSDT", .last_id = 5009, .first_id = 5010}, 1).left.has_value());
  for (const TradeHole& hole : {TradeHole{.symbol = "BTCUSDT", .last_id = 5009},
                                TradeHole{.symbol = "BTCUSDT", .first_id = 5009},
                                TradeHole{.symbol = "BTCUSDT", .last_id = 9, .first_id = 8}}) {
    const TradeFill result = fill(hole, 1);
    ASSERT_TRUE(result.left.has_value());
    EXPECT_EQ(result.left->last_id, hole.last_id);
    EXPECT_FALSE(result.why.empty());
  }
  EXPECT_TRUE(host.asked.empty());
}

TEST_F(BinanceFill, RecordedTradesFillAHole) {
  const auto captures = venue::test::captures_dir();
  if (!captures) GTEST_SKIP() << "PERP_CAPTURES_DIR is not set: no recorded trades";
  const std::string body =
      venue::test::read_file(*captures + "/binance/rest_aggTrades_ltcusdt_2020-10.json");
  const auto rows = nlohmann::json::parse(body);
  ASSERT_EQ(rows.size(), 500U);
  host.script = [&](const Asked&) { return Answer{.body = body}; };
  start();
  const std::int64_t first = rows[0]["a"];
  const TradeFill result =
      fill({.symbol = "LTCUSDT", .last_id = first - 1, .first_id = first + 321});
  EXPECT_EQ(result.trades, 321U);
  EXPECT_FALSE(result.left.has_value());
  const Told all = told();
  EXPECT_EQ(all.filled, ids(first, first + 321));
  for (std::size_t i = 0; i < 321; ++i)
    EXPECT_EQ(all.prices.at(rows[i]["a"]), std::stod(rows[i]["p"].get<std::string>()));
}

TEST_F(BinanceFill, CandlesComeInOrderOncePerMinute) {
  start();
  std::vector<KlineFill> results;
  const std::int64_t begin = 1'789'000'020'000;  // a full minute
  rest->fill_klines("BTCUSDT", begin, begin + 250 * 60'000,
                    [&](const KlineFill& result) { results.push_back(result); });
  advance(2);
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].candles, 250U);
  EXPECT_EQ(results[0].left_start_ms, results[0].left_end_ms);
  ASSERT_EQ(host.asked.size(), 3U);  // 99, 99, 52
  EXPECT_EQ(host.asked[1].parameter("startTime"), std::to_string(begin + 99 * 60'000));
  EXPECT_EQ(host.asked[2].parameter("endTime"), std::to_string(begin + 250 * 60'000 - 1));
  std::int64_t expected = begin;
  for (const Bytes& bytes : drain()) {
    const market::RecordHeader& header = header_of(bytes);
    if (header.type != RecordType::kline) continue;
    EXPECT_EQ(header.flags, market::flag_backfill);
    EXPECT_EQ(market::payload<market::Kline>(header).open_ns, expected * core::ns_per_ms);
    EXPECT_EQ(market::payload<market::Kline>(header).interval_ns, core::ns_per_minute);
    expected += 60'000;
  }
  EXPECT_EQ(expected, begin + 250 * 60'000);
}

TEST_F(BinanceFill, MinutesWithoutACandleAreToldAsLeft) {
  const std::int64_t begin = 1'789'000'020'000;
  without = {begin + 5 * 60'000, begin + 6 * 60'000, begin + 110 * 60'000};
  start();
  std::vector<KlineFill> results;
  const auto note = [&](const KlineFill& result) { results.push_back(result); };
  rest->fill_klines("BTCUSDT", begin - 59'000, begin + 120 * 60'000 + 1, note);
  rest->fill_klines("BTCUSDT", begin + 1, begin + 60'001, note);  // no whole minute
  advance(2);
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].candles, 0U);
  EXPECT_EQ(results[0].left_start_ms, results[0].left_end_ms);
  EXPECT_EQ(results[1].candles, 117U);
  EXPECT_EQ(results[1].left_start_ms, begin + 5 * 60'000);
  EXPECT_EQ(results[1].left_end_ms, begin + 111 * 60'000);
}

TEST_F(BinanceFill, ACandleThatRunsOrRepeatsOrStandsOutsideIsNotRecorded) {
  // The host's clock is ours here: the last minute of the hole has not ended.
  const std::int64_t running = core::wall_now().ns / core::ns_per_minute * 60'000;
  const std::int64_t begin = running - 2 * 60'000;
  const auto row = [](std::int64_t open) {
    return fmt::format(R"([{},"1.0","2.0","0.5","1.5","10.000",{},"15.0",4,"5.000","7.5","0"])",
                       open, open + 59'999);
  };
  host.script = [&](const Asked&) {
    return Answer{.body = "[" + row(begin - 60'000) + "," + row(begin) + "," + row(begin) + "," +
                          row(begin + 60'000) + "," + row(running + 60'000 * 5) + "]"};
  };
  start();
  std::vector<KlineFill> results;
  rest->fill_klines("BTCUSDT", begin, running + 6 * 60'000,
                    [&](const KlineFill& result) { results.push_back(result); });
  advance(1);
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].candles, 2U);
  EXPECT_EQ(results[0].left_start_ms, running);
  EXPECT_EQ(results[0].left_end_ms, running + 6 * 60'000);
  EXPECT_EQ(drain_count(RecordType::kline), 2U);
}

class OkxFill : public FillTest {
 protected:
  OkxFill() : FillTest(venue::okx_adapter()) {
    host.script = [this](const Asked& asked) {
      EXPECT_EQ(asked.parameter("instId"), "BTC-USDT-SWAP");
      EXPECT_EQ(asked.parameter("type"), "1");
      const std::string after = asked.parameter("after");
      const std::int64_t until = after.empty() ? 1'000'000'000 : std::stoll(after);
      std::string rows;
      int count = 0;
      for (auto deal = deals.rbegin(); deal != deals.rend(); ++deal)
        if (deal->id < until && deal->id <= known_until && deal->id >= known_from && count++ < 100)
          rows += fmt::format(
              R"({}{{"instId":"BTC-USDT-SWAP","tradeId":"{}","px":"{:.1f}","sz":"1","side":"buy","ts":"{}"}})",
              rows.empty() ? "" : ",", deal->id, deal->price, deal->time_ms);
      return Answer{.body = R"({"code":"0","msg":"","data":[)" + rows + "]}"};
    };
  }
  /// The fills [first, last] as one row, as the venue's stream sums them up.
  void stream_trades(std::int64_t first, std::int64_t last) {
    const Deal& deal = deals[static_cast<std::size_t>(last - deals[0].id)];
    stream(fmt::format(
        R"({{"arg":{{"channel":"trades","instId":"BTC-USDT-SWAP"}},"data":[{{"instId":"BTC-USDT-SWAP","tradeId":"{}","px":"{:.1f}","sz":"{}","side":"buy","ts":"{}","count":"{}","source":"0","seqId":{}}}]}})",
        last, deal.price, last - first + 1, deal.time_ms, last - first + 1, last));
  }
  std::vector<Deal> deals = market_of(900'000, 1000);
  std::int64_t known_until = 1'000'000'000;
  std::int64_t known_from = 0;
};

TEST_F(OkxFill, AHoleIsFilledBackwardEachTradeOnce) {
  start();
  stream_trades(900'000, 900'004);  // five fills in one row
  stream_trades(900'333, 900'335);  // behind the hole
  const TradeFill result =
      fill({.symbol = "BTC-USDT-SWAP", .last_id = 900'004, .first_id = 900'335});
  EXPECT_EQ(result.trades, 328U) << "and not the two that the row behind the hole sums up";
  EXPECT_FALSE(result.left.has_value()) << result.why;
  ASSERT_EQ(host.asked.size(), 4U);  // 100, 100, 100, 30 of 35
  EXPECT_EQ(host.asked[0].parameter("after"), "900335");
  EXPECT_EQ(host.asked[1].parameter("after"), "900235");
  stream_trades(900'336, 900'336);
  const Told all = told();
  EXPECT_EQ(all.filled, ids(900'005, 900'333));
  EXPECT_EQ(all.streamed, (std::multiset<std::int64_t>{900'004, 900'335, 900'336}));
}

TEST_F(OkxFill, TheSameHoleTwiceGivesNoTradeTwice) {
  start();
  stream_trades(900'000, 900'000);
  stream_trades(900'050, 900'050);
  const TradeHole hole{.symbol = "BTC-USDT-SWAP", .last_id = 900'000, .first_id = 900'050};
  EXPECT_EQ(fill(hole).trades, 49U);
  const TradeFill again = fill(hole);
  EXPECT_EQ(again.trades, 0U);
  EXPECT_FALSE(again.left.has_value());
  EXPECT_EQ(told().filled, ids(900'001, 900'050));
}

TEST_F(OkxFill, AReplyThatIsOlderThanTheStreamIsAskedAgain) {
  known_until = 900'040;
  start();
  rest->fill_trades({.symbol = "BTC-USDT-SWAP", .last_id = 900'000, .first_id = 900'050});
  await_asked(1);
  known_until = 1'000'000'000;
  advance(5);
  await_asked(2);
  EXPECT_EQ(host.asked.size(), 2U);
  EXPECT_EQ(told().filled, ids(900'001, 900'050));
  EXPECT_EQ(rest->stats().holes_left, 0U);
}

TEST_F(OkxFill, WhatALaggingReplyGaveIsNotGivenAgainHoweverFarTheStreamIs) {
  known_until = 900'040;
  start();
  rest->fill_trades({.symbol = "BTC-USDT-SWAP", .last_id = 900'000, .first_id = 900'050});
  await_asked(1);
  // The adapter remembers the newest 4096 ids: those of the first reply are behind that now.
  stream(
      R"({"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[{"instId":"BTC-USDT-SWAP","tradeId":"910000","px":"100.0","sz":"1","side":"buy","ts":"1790000000000","count":"1","source":"0","seqId":910000}]})");
  known_until = 1'000'000'000;
  advance(5);
  await_asked(2);
  EXPECT_EQ(host.asked.size(), 2U);
  EXPECT_EQ(told().filled, ids(900'001, 900'050));
}

TEST_F(OkxFill, WhatItNeverHasIsToldAsLeftOnEitherSide) {
  known_until = 900'240;
  start();
  TradeFill result = fill({.symbol = "BTC-USDT-SWAP", .last_id = 900'000, .first_id = 900'250});
  EXPECT_EQ(result.trades, 240U);
  ASSERT_TRUE(result.left.has_value());
  EXPECT_EQ(result.left->last_id, 900'240);
  EXPECT_EQ(result.left->first_id, 900'250);

  known_until = 1'000'000'000;
  known_from = 900'600;
  result = fill({.symbol = "BTC-USDT-SWAP", .last_id = 900'500, .first_id = 900'750});
  EXPECT_EQ(result.trades, 150U);
  ASSERT_TRUE(result.left.has_value());
  EXPECT_EQ(result.left->last_id, 900'500);
  EXPECT_EQ(result.left->first_id, 900'600);
}

class BybitFill : public FillTest {
 protected:
  BybitFill() : FillTest(venue::bybit_adapter()) {
    host.script = [this](const Asked& asked) {
      EXPECT_EQ(asked.parameter("limit"), "1000");
      std::string rows;
      int count = 0;
      for (auto deal = deals.rbegin(); deal != deals.rend(); ++deal)
        if (deal->time_ms <= known_until_ms && count++ < 1000)
          rows += fmt::format(
              R"({}{{"execId":"{}","symbol":"BTCUSDT","price":"{:.1f}","size":"0.010","side":"Buy","time":"{}","isBlockTrade":false,"isRPITrade":false,"seq":"{}"}})",
              rows.empty() ? "" : ",", uuid(deal->id), deal->price, deal->time_ms, deal->id);
      return Answer{.body = R"({"retCode":0,"retMsg":"OK","result":{"category":"linear","list":[)" +
                            rows + R"(]},"retExtInfo":{},"time":1790000100000})"};
    };
    // Four trades share each millisecond: a time alone tells none of them.
    for (std::size_t i = 0; i < deals.size(); ++i)
      deals[i].time_ms = 1'790'000'000'000 + static_cast<std::int64_t>(i / 4);
  }
  /// Ids in no order, as the venue's are.
  static std::string uuid(std::int64_t id) {
    std::uint64_t state = static_cast<std::uint64_t>(id);
    const std::uint64_t high = core::splitmix64(state);
    return fmt::format("{:08x}-{:04x}-5{:03x}-8{:03x}-{:012x}", high >> 32, high >> 16 & 0xffff,
                       high & 0xfff, high >> 8 & 0xfff, static_cast<std::uint64_t>(id));
  }
  void stream_trades(std::size_t from, std::size_t until) {
    for (std::size_t i = from; i < until; ++i)
      stream(fmt::format(
          R"({{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":{0},"data":[{{"T":{0},"s":"BTCUSDT","S":"Buy","v":"0.010","p":"{1:.1f}","L":"PlusTick","i":"{2}","BT":false,"RPI":false,"seq":{3}}}]}})",
          deals[i].time_ms, deals[i].price, uuid(deals[i].id), deals[i].id));
  }
  std::int64_t ns(std::size_t i) const { return deals[i].time_ms * core::ns_per_ms; }
  /// The venue's sequence, which both sides tell, stands for the made-up id.
  Told told_by_sequence() {
    Told found;
    for (const Bytes& bytes : drain()) {
      const market::RecordHeader& header = header_of(bytes);
      if (header.type != RecordType::trade) continue;
      (header.flags != 0 ? found.filled : found.streamed)
          .insert(market::payload<market::Trade>(header).sequence);
    }
    return found;
  }
  std::vector<Deal> deals = market_of(10, 1500);
  std::int64_t known_until_ms = std::numeric_limits<std::int64_t>::max();
};

TEST_F(BybitFill, TimesAndSeenIdsBoundTheHoleAndTheStreamKeepsWhatIsItsOwn) {
  // The host has 700 trades when it is asked: 101 the stream brought before the hole, which begins
  // and ends between trades of one millisecond, and some that the socket has yet to bring.
  deals.resize(700);
  start();
  stream_trades(0, 101);
  stream_trades(403, 410);
  const TradeFill result = fill({.symbol = "BTCUSDT", .last_ns = ns(100), .first_ns = ns(403)});
  EXPECT_FALSE(result.left.has_value()) << result.why;
  stream_trades(410, 700);
  const Told all = told_by_sequence();
  EXPECT_EQ(all.filled, ids(10 + 101, 10 + 403));
  std::multiset<std::int64_t> streamed = ids(10, 10 + 101);
  streamed.merge(ids(10 + 403, 10 + 700));
  EXPECT_EQ(all.streamed, streamed);
}

TEST_F(BybitFill, AHoleThatReachesBeyondTheNewestThousandIsToldAsLeft) {
  start();
  stream_trades(0, 100);
  stream_trades(1498, 1500);
  const TradeFill result = fill({.symbol = "BTCUSDT", .last_ns = ns(99), .first_ns = ns(1498)});
  // The newest 1000 begin with 500; 1496 and 1497 share the last one's millisecond.
  EXPECT_EQ(told_by_sequence().filled, ids(10 + 500, 10 + 1498));
  ASSERT_TRUE(result.left.has_value());
  EXPECT_EQ(result.left->last_ns, ns(99));
  EXPECT_EQ(result.left->first_ns, ns(500));
  EXPECT_EQ(result.trades, 998U);
}

TEST_F(BybitFill, AReplyThatIsOlderThanTheStreamIsAskedAgain) {
  deals.resize(400);
  known_until_ms = deals[300].time_ms;
  start();
  stream_trades(0, 100);
  stream_trades(399, 400);
  rest->fill_trades({.symbol = "BTCUSDT", .last_ns = ns(99), .first_ns = ns(399)});
  await_asked(1);
  known_until_ms = std::numeric_limits<std::int64_t>::max();
  advance(5);
  await_asked(2);
  EXPECT_EQ(host.asked.size(), 2U);
  EXPECT_EQ(told_by_sequence().filled, ids(10 + 100, 10 + 399));
}

TEST_F(BybitFill, WithoutTimesNothingIsAsked) {
  start();
  EXPECT_TRUE(fill({.symbol = "BTCUSDT", .last_id = 1, .first_id = 9}, 1).left.has_value());
  EXPECT_TRUE(host.asked.empty());
}

class HyperliquidFill : public FillTest {
 protected:
  HyperliquidFill() : FillTest(venue::hyperliquid_adapter()) {}
  static std::string row(const Deal& deal) {
    return fmt::format(
        R"({{"coin":"BTC","side":"B","px":"{:.1f}","sz":"0.010","time":{},"hash":"0x0000000000000000000000000000000000000000000000000000000000000000","tid":{},"users":["0x0000000000000000000000000000000000000001","0x0000000000000000000000000000000000000002"]}})",
        deal.price, deal.time_ms, deal.id);
  }
};

TEST_F(HyperliquidFill, TheNewestTenFillWhatTheyReachEachTradeOnce) {
  std::vector<Deal> deals = market_of(1, 40);
  for (std::size_t i = 0; i < deals.size(); ++i)  // ids are hashes
    deals[i].id = static_cast<std::int64_t>((i * 7919 + 13) % 1'000'003);
  host.script = [&](const Asked& asked) {
    EXPECT_EQ(asked.method, "POST");
    EXPECT_EQ(asked.fields.at("Content-Type"), "application/json");
    EXPECT_EQ(asked.body, R"({"type":"recentTrades","coin":"BTC"})");
    std::string rows;
    for (std::size_t i = 0; i < 10; ++i)
      rows += (i == 0 ? "" : ",") + row(deals[deals.size() - 1 - i]);
    return Answer{.body = "[" + rows + "]"};
  };
  const auto stream_trade = [&](std::size_t i) {
    stream(R"({"channel":"trades","data":[)" + row(deals[i]) + "]}");
  };
  start();
  for (std::size_t i = 0; i < 33; ++i) stream_trade(i);
  stream_trade(37);
  const auto ns = [&](std::size_t i) { return deals[i].time_ms * core::ns_per_ms; };
  TradeFill result = fill({.symbol = "BTC", .last_ns = ns(32), .first_ns = ns(37)});
  EXPECT_EQ(result.trades, 4U);
  EXPECT_FALSE(result.left.has_value()) << result.why;
  for (const std::size_t i : {38U, 39U}) stream_trade(i);
  // After a subscription the stream repeats what was traded before: filled or streamed, once.
  for (std::size_t i = 30; i < 40; ++i) stream_trade(i);
  const Told all = told();
  EXPECT_EQ(all.filled.size(), 4U);
  EXPECT_EQ(all.streamed.size(), 36U);
  std::set<std::int64_t> distinct(all.filled.begin(), all.filled.end());
  distinct.insert(all.streamed.begin(), all.streamed.end());
  EXPECT_EQ(distinct.size(), 40U);

  result = fill({.symbol = "BTC", .last_ns = ns(5), .first_ns = ns(38)}, 30);
  ASSERT_TRUE(result.left.has_value());
  EXPECT_EQ(result.left->first_ns, ns(30));
  EXPECT_EQ(result.left->last_ns, ns(5));
}

TEST_F(HyperliquidFill, CandlesCostWhatTheirMinutesCost) {
  host.script = [](const Asked& asked) {
    const auto body = nlohmann::json::parse(asked.body);
    EXPECT_EQ(body["type"], "candleSnapshot");
    const std::int64_t start = body["req"]["startTime"];
    const std::int64_t end = body["req"]["endTime"];
    std::string rows;
    for (std::int64_t open = start; open <= end; open += 60'000)
      rows += fmt::format(
          R"({}{{"t":{},"T":{},"s":"BTC","i":"1m","o":"1.0","c":"1.5","h":"2.0","l":"0.5","v":"3.0","n":7}})",
          rows.empty() ? "" : ",", open, open + 59'999);
    return Answer{.body = "[" + rows + "]"};
  };
  start();
  const std::int64_t begin = 1'789'000'020'000;
  for (const int minutes : {30, 120, 5100}) {
    const VenueRestStats before = rest->stats();
    std::vector<KlineFill> results;
    rest->fill_klines("BTC", begin, begin + minutes * 60'000,
                      [&](const KlineFill& result) { results.push_back(result); });
    advance(1);
    ASSERT_EQ(results.size(), 1U);
    EXPECT_EQ(results[0].candles, static_cast<std::uint64_t>(minutes));
    const auto weight = static_cast<int>(rest->stats().weight - before.weight);
    // The venue's own count: 20 a request and one for each 60 rows begun.
    const int whole = minutes / 5000;
    const int truth =
        whole * (20 + 5000 / 60 + 1) + (minutes % 5000 == 0 ? 0 : 20 + (minutes % 5000 + 59) / 60);
    EXPECT_GE(weight, truth) << minutes;
    EXPECT_LE(weight, truth + 2 * (whole + 1)) << minutes;
  }
}

}  // namespace
}  // namespace perp::feed
