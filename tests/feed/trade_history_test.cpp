// Goal: trades of long ago come whole, each once, none from outside the span, and where a venue's
// history ends is told to the millisecond. Method: a market that the test makes up stands behind a
// scripted host that pages as the venue's documentation says; the ring must hold exactly the
// market's trades of the span, flagged as history.
#include "feed/rest_support.hpp"

#include <perp/core/prng.hpp>
#include <perp/feed/history_feed.hpp>

#include <map>
#include <random>
#include <set>

namespace perp::feed {
namespace {

constexpr std::int64_t hour_ms = 3'600'000;
constexpr std::int64_t begin_ms = 1'790'000'000'000;

struct Deal {
  std::int64_t id;
  std::int64_t time_ms;
};

class TradeHistoryTest : public RestTest {
 protected:
  explicit TradeHistoryTest(const venue::Adapter& adapter) : RestTest(adapter) {}

  HistoryFill fetch(TradeWish wish, double within = 120) {
    start();
    for (const venue::RestCall& call : state.adapter.connect->calls)
      if (call.purpose == venue::RestPurpose::history &&
          (call.kinds & venue::kinds_of(venue::StreamKind::trades)) != 0)
        wish.call = &call;
    wish.on_page = [this](std::uint64_t rows, std::int64_t ms) {
      pages.push_back(rows);
      ms_asked += ms;
    };
    std::vector<HistoryFill> results;
    rest->fetch_trades(wish, [&](const HistoryFill& fill) { results.push_back(fill); });
    advance(within);
    EXPECT_EQ(results.size(), 1U) << "done is called once";
    return results.empty() ? HistoryFill{} : results[0];
  }
  std::multiset<std::int64_t> told() {
    std::multiset<std::int64_t> ids;
    for (const Bytes& bytes : drain()) {
      const market::RecordHeader& header = header_of(bytes);
      if (header.type != market::RecordType::trade) continue;
      EXPECT_NE(header.flags & market::flag_backfill, 0);
      ids.insert(market::payload<market::Trade>(header).trade_id);
    }
    return ids;
  }
  std::multiset<std::int64_t> truth(std::int64_t start_ms, std::int64_t end_ms) const {
    std::multiset<std::int64_t> ids;
    for (const Deal& deal : deals)
      if (deal.time_ms >= start_ms && deal.time_ms < end_ms) ids.insert(deal.id);
    return ids;
  }

  std::vector<Deal> deals;  ///< ascending
  std::vector<std::uint64_t> pages;
  std::int64_t ms_asked = 0;
};

class BinanceTradeHistory : public TradeHistoryTest {
 protected:
  BinanceTradeHistory() : TradeHistoryTest(venue::binance_adapter()) {
    host.script = [this](const Asked& asked) -> Answer {
      const std::string id = asked.parameter("fromId");
      const std::string start = asked.parameter("startTime");
      const std::string end = asked.parameter("endTime");
      if (id.empty() && std::stoll(end) - std::stoll(start) >= hour_ms)
        return {.status = 400, .body = R"({"code":-4144,"msg":"Invalid"})"};
      if (!id.empty() && std::stoll(id) >= fails_from_id) return {.status = 503, .body = "busy"};
      std::string rows;
      int count = 0;
      for (const Deal& deal : deals) {
        const bool is_asked =
            id.empty() ? deal.time_ms >= std::stoll(start) && deal.time_ms <= std::stoll(end)
                       : deal.id >= std::stoll(id);
        if (is_asked && count++ < 1000)
          rows += fmt::format(R"({}{{"a":{},"p":"100.5","q":"2","f":{},"l":{},"T":{},"m":true}})",
                              rows.empty() ? "" : ",", deal.id, deal.id * 3, deal.id * 3 + 2,
                              deal.time_ms);
      }
      return {.body = "[" + rows + "]"};
    };
  }
  std::int64_t fails_from_id = std::numeric_limits<std::int64_t>::max();
};

TEST_F(BinanceTradeHistory, GoesOnByIdBehindTheFirstPageAndEndsAtTheMillisecond) {
  for (std::int64_t i = 0; i < 5000; ++i) deals.push_back({7000 + i, begin_ms + 100 + i / 3});
  const HistoryFill fill =
      fetch({.symbol = "BTCUSDT", .start_ms = begin_ms + 200, .end_ms = begin_ms + 1200});
  EXPECT_EQ(told(), truth(begin_ms + 200, begin_ms + 1200));
  EXPECT_EQ(fill.rows, 3000U);
  EXPECT_EQ(fill.left_start_ms, fill.left_end_ms);
  EXPECT_FALSE(fill.was_given_up);
  EXPECT_EQ(pages, (std::vector<std::uint64_t>{1000, 1000, 1000, 0}));
  EXPECT_EQ(ms_asked, 1000);
  EXPECT_EQ(host.count("startTime"), 1U);
  EXPECT_EQ(host.count("fromId"), 3U);
}

TEST_F(BinanceTradeHistory, HoursWithoutATradeAreWindowsOfLessThanAnHour) {
  deals = {{5, begin_ms + 5 * hour_ms}, {6, begin_ms + 9 * hour_ms}, {7, begin_ms + 12 * hour_ms}};
  const HistoryFill fill =
      fetch({.symbol = "BTCUSDT", .start_ms = begin_ms, .end_ms = begin_ms + 12 * hour_ms});
  EXPECT_EQ(told(), truth(begin_ms, begin_ms + 12 * hour_ms));
  EXPECT_EQ(fill.rows, 2U);
  EXPECT_EQ(fill.left_start_ms, fill.left_end_ms);
  EXPECT_EQ(host.count("startTime"), 6U) << "five empty hours, and the one with the first trade";
}

TEST_F(BinanceTradeHistory, BetweenTwoIdsNothingElseIsAskedFor) {
  for (std::int64_t i = 0; i < 5000; ++i) deals.push_back({7000 + i, begin_ms + i});
  const HistoryFill fill = fetch({.symbol = "BTCUSDT",
                                  .start_ms = begin_ms + 99,
                                  .end_ms = begin_ms + 2501,
                                  .after_id = 7099,
                                  .before_id = 9500});
  std::multiset<std::int64_t> expected;
  for (std::int64_t id = 7100; id < 9500; ++id) expected.insert(id);
  EXPECT_EQ(told(), expected);
  EXPECT_EQ(fill.left_start_ms, fill.left_end_ms);
  EXPECT_EQ(host.count("startTime"), 0U);
  EXPECT_EQ(host.count("fromId"), 3U);
}

TEST_F(BinanceTradeHistory, WhatComesBehindAFailureIsToldAsLeft) {
  for (std::int64_t i = 0; i < 5000; ++i) deals.push_back({7000 + i, begin_ms + i});
  fails_from_id = 9000;
  const HistoryFill fill =
      fetch({.symbol = "BTCUSDT", .start_ms = begin_ms, .end_ms = begin_ms + 5000});
  EXPECT_TRUE(fill.was_given_up);
  EXPECT_FALSE(fill.why.empty());
  EXPECT_EQ(fill.rows, 2000U);
  EXPECT_EQ(fill.left_start_ms, begin_ms + 1999);
  EXPECT_EQ(fill.left_end_ms, begin_ms + 5000);
  EXPECT_EQ(told().size(), 2000U);
}

class OkxTradeHistory : public TradeHistoryTest {
 protected:
  OkxTradeHistory() : TradeHistoryTest(venue::okx_adapter()) {
    host.script = [this](const Asked& asked) -> Answer {
      const bool is_by_time = asked.parameter("type") == "2";
      const std::int64_t after = std::stoll(asked.parameter("after"));
      std::string rows;
      int count = 0;
      for (auto deal = deals.rbegin(); deal != deals.rend(); ++deal)
        if ((is_by_time ? deal->time_ms : deal->id) < after && count++ < 100)
          rows += fmt::format(
              R"({}{{"instId":"BTC-USDT-SWAP","side":"sell","sz":"3","px":"100.5","tradeId":"{}","ts":"{}"}})",
              rows.empty() ? "" : ",", deal->id, deal->time_ms);
      return {.body = R"({"code":"0","data":[)" + rows + R"(],"msg":""})"};
    };
  }
};

TEST_F(OkxTradeHistory, PagesBackwardFromATimeAndEndsAtTheMillisecond) {
  for (std::int64_t i = 0; i < 1000; ++i) deals.push_back({7000 + i, begin_ms + i / 3});
  const HistoryFill fill =
      fetch({.symbol = "BTC-USDT-SWAP", .start_ms = begin_ms + 100, .end_ms = begin_ms + 200});
  EXPECT_EQ(told(), truth(begin_ms + 100, begin_ms + 200));
  EXPECT_EQ(fill.rows, 300U);
  EXPECT_EQ(fill.left_start_ms, fill.left_end_ms);
  EXPECT_EQ(host.count("type=2"), 1U);
  EXPECT_EQ(host.count("type=1"), 3U);
}

TEST_F(OkxTradeHistory, WhereTheVenueHasNothingOlderIsTold) {
  for (std::int64_t i = 0; i < 250; ++i) deals.push_back({7000 + i, begin_ms + 40 + i});
  const HistoryFill fill =
      fetch({.symbol = "BTC-USDT-SWAP", .start_ms = begin_ms, .end_ms = begin_ms + 1000});
  EXPECT_EQ(told(), truth(begin_ms, begin_ms + 1000));
  EXPECT_FALSE(fill.was_given_up);
  EXPECT_EQ(fill.left_start_ms, begin_ms);
  EXPECT_EQ(fill.left_end_ms, begin_ms + 40);
}

TEST_F(OkxTradeHistory, BetweenTwoIdsNothingElseIsAskedFor) {
  for (std::int64_t i = 0; i < 1000; ++i) deals.push_back({7000 + i, begin_ms + i});
  const HistoryFill fill = fetch({.symbol = "BTC-USDT-SWAP",
                                  .start_ms = begin_ms + 500,
                                  .end_ms = begin_ms + 601,
                                  .after_id = 7500,
                                  .before_id = 7601});
  std::multiset<std::int64_t> expected;
  for (std::int64_t id = 7501; id < 7601; ++id) expected.insert(id);
  EXPECT_EQ(told(), expected);
  EXPECT_EQ(fill.left_start_ms, fill.left_end_ms);
  EXPECT_EQ(host.count("history-trades"), 1U);
}

class BybitTradeHistory : public TradeHistoryTest {
 protected:
  BybitTradeHistory() : TradeHistoryTest(venue::bybit_adapter()) {
    host.script = [this](const Asked& asked) -> Answer {
      EXPECT_TRUE(asked.is_about("/v5/market/recent-trade")) << asked.target;
      std::string rows;
      int count = 0;
      for (auto deal = deals.rbegin(); deal != deals.rend() && count < 1000; ++deal, ++count)
        rows += fmt::format(
            R"({}{{"execId":"{:08x}-0000-4000-8000-{:012x}","symbol":"BTCUSDT","price":"100.5","size":"2","side":"Buy","time":"{}","isBlockTrade":false,"isRPITrade":false,"seq":"1"}})",
            count == 0 ? "" : ",", 7, deal->id, deal->time_ms);
      return {.body = R"({"retCode":0,"retMsg":"OK","result":{"category":"linear","list":[)" +
                      rows + R"(]},"retExtInfo":{},"time":1790000000000})"};
    };
  }
  /// Low half of the UUID that the host makes of an id.
  static std::int64_t low_of(std::int64_t id) {
    return static_cast<std::int64_t>(0x8000'0000'0000'0000U + static_cast<std::uint64_t>(id));
  }
  static constexpr std::int64_t high = 0x0000'0007'0000'4000;
};

TEST_F(BybitTradeHistory, TheNewestAreAllAndWhatIsOlderIsTold) {
  for (std::int64_t i = 0; i < 1500; ++i) deals.push_back({1 + i, begin_ms + i});
  const HistoryFill fill =
      fetch({.symbol = "BTCUSDT", .start_ms = begin_ms + 100, .end_ms = begin_ms + 1400});
  std::multiset<std::int64_t> expected;
  for (std::int64_t i = 500; i < 1400; ++i) expected.insert(low_of(1 + i));
  EXPECT_EQ(told(), expected);
  EXPECT_EQ(fill.rows, 900U);
  EXPECT_FALSE(fill.was_given_up);
  EXPECT_FALSE(fill.joins_stored);
  EXPECT_EQ(fill.left_start_ms, begin_ms + 100);
  EXPECT_EQ(fill.left_end_ms, begin_ms + 501)
      << "of the oldest one's millisecond some may be cut off";
  EXPECT_EQ(host.count("recent-trade"), 1U);
}

TEST_F(BybitTradeHistory, WhatIsThereIsPassedOverAndJoinsWhatIsOlder) {
  for (std::int64_t i = 0; i < 1500; ++i) deals.push_back({1 + i, begin_ms + i});
  TradeWish wish{.symbol = "BTCUSDT", .start_ms = begin_ms, .end_ms = begin_ms + 1500};
  TimeSpan looked{};
  wish.find_stored = [&](std::int64_t from_ms, std::int64_t to_ms) {
    looked = {from_ms, to_ms};
    std::set<std::pair<std::int64_t, std::int64_t>> stored;
    for (std::int64_t i = 300; i < 900; ++i) stored.emplace(low_of(1 + i), high);
    return stored;
  };
  const HistoryFill fill = fetch(wish);
  EXPECT_EQ(looked, (TimeSpan{begin_ms + 500, begin_ms + 1500})) << "no more than the reply has";
  std::multiset<std::int64_t> expected;
  for (std::int64_t i = 900; i < 1500; ++i) expected.insert(low_of(1 + i));
  EXPECT_EQ(told(), expected);
  EXPECT_TRUE(fill.joins_stored) << "the oldest one was there before";
}

TEST_F(BybitTradeHistory, AnOlderTradeShowsThatTheBeginIsReached) {
  for (std::int64_t i = 0; i < 800; ++i) deals.push_back({1 + i, begin_ms + i});
  const HistoryFill fill =
      fetch({.symbol = "BTCUSDT", .start_ms = begin_ms + 1, .end_ms = begin_ms + 800});
  EXPECT_EQ(fill.rows, 799U);
  EXPECT_EQ(fill.left_start_ms, fill.left_end_ms);
}

// Holes -------------------------------------------------------------------------------------------

TEST(MissingTrades, AreWhereIdsDoNotFollowEachOther) {
  constexpr std::int64_t none = market::unknown_id;
  const TimeSpan span{1000, 2000};
  using Spans = std::vector<TradeSpan>;
  EXPECT_EQ(missing_trades({}, span), (Spans{{span, none, none}}));
  const std::vector<TradeRun> two{{10, 20, 1100, 1200}, {31, 40, 1500, 1600}};
  EXPECT_EQ(missing_trades(two, span),
            (Spans{{{1000, 1101}, none, 10}, {{1200, 1501}, 20, 31}, {{1600, 2000}, 40, none}}));
  EXPECT_EQ(missing_trades(two, {1150, 1550}), (Spans{{{1200, 1501}, 20, 31}}))
      << "both ends are inside a run";
  EXPECT_EQ(missing_trades(std::vector<TradeRun>{{10, 50, 900, 2100}}, span), Spans{});
  // Beside the span: the hole is known to end there, but nobody goes on from an id of then.
  EXPECT_EQ(missing_trades(std::vector<TradeRun>{{10, 20, 100, 900}, {31, 40, 2500, 2600}}, span),
            (Spans{{span, none, none}}));
  EXPECT_EQ(missing_trades(std::vector<TradeRun>{{10, 20, 100, 900}, {21, 40, 1500, 2600}}, span),
            Spans{})
      << "nothing lies between 20 and 21";
  EXPECT_EQ(missing_trades(std::vector<TradeRun>{{10, 20, 1000, 1999}}, span),
            (Spans{{{1000, 1001}, none, 10}, {{1999, 2000}, 20, none}}))
      << "of one millisecond there may be more";
}

// A market of random times, some of its trades there: what is asked for, and what is there, is all.
TEST(MissingTrades, AndWhatIsThereAreAll) {
  core::Prng random(std::random_device{}());
  for (int round = 0; round < 300; ++round) {
    std::vector<Deal> deals;
    std::int64_t ms = 0;
    for (std::int64_t id = 100; id < 160; ++id)
      deals.push_back({id, ms += static_cast<std::int64_t>(random.next() % 3)});
    std::vector<TradeRun> runs;
    std::set<std::int64_t> there;
    for (const Deal& deal : deals) {
      if (random.next() % 3 == 0) continue;
      there.insert(deal.id);
      if (!runs.empty() && runs.back().last_id + 1 == deal.id) {
        runs.back().last_id = deal.id;
        runs.back().last_ms = deal.time_ms;
      } else {
        runs.push_back({deal.id, deal.id, deal.time_ms, deal.time_ms});
      }
    }
    const auto start = static_cast<std::int64_t>(random.next() % 60);
    const TimeSpan span{start, start + 1 + static_cast<std::int64_t>(random.next() % 60)};
    const std::vector<TradeSpan> missing = missing_trades(runs, span);
    for (const Deal& deal : deals) {
      if (deal.time_ms < span.start_ms || deal.time_ms >= span.end_ms) continue;
      int count = 0;
      for (const TradeSpan& hole : missing)
        count += deal.time_ms >= hole.span.start_ms && deal.time_ms < hole.span.end_ms &&
                         (hole.after_id == market::unknown_id || deal.id > hole.after_id) &&
                         (hole.before_id == market::unknown_id || deal.id < hole.before_id)
                     ? 1
                     : 0;
      if (there.count(deal.id) > 0) continue;
      EXPECT_EQ(count, 1) << "id " << deal.id << " of " << span.start_ms << ".." << span.end_ms;
    }
    for (const TradeSpan& hole : missing) {
      EXPECT_GE(hole.span.start_ms, span.start_ms);
      EXPECT_LE(hole.span.end_ms, span.end_ms);
    }
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace perp::feed
