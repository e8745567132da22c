// Goal: in no window is more asked of a host than nine tenths of what it allows, whoever asks, and
// a host that wants us away is left alone to the second, through a restart. Method: the scripted
// host writes down when it was asked; windows and weights are counted here anew.
#include "feed/rest_support.hpp"

namespace perp::feed {
namespace {

/// The greatest sum of weights in any window [t, t + length).
double most_in_window(const std::vector<std::pair<double, double>>& asked, double length) {
  double most = 0;
  for (std::size_t first = 0; first < asked.size(); ++first) {
    double sum = 0;
    for (std::size_t i = first; i < asked.size() && asked[i].first < asked[first].first + length;
         ++i)
      sum += asked[i].second;
    most = std::max(most, sum);
  }
  return most;
}

class BinanceBudget : public RestTest {
 protected:
  BinanceBudget() : RestTest(venue::binance_adapter()) {}

  static Answer healthy(const Asked& asked) {
    if (asked.is_about("/depth"))
      return {
          .body =
              R"({"lastUpdateId":7,"E":1790000100000,"T":1790000100000,"bids":[["99.0","1.000"]],"asks":[["101.0","2.000"]]})"};
    if (asked.is_about("/time")) return {.body = R"({"serverTime":1790000100000})"};
    if (asked.is_about("openInterest"))
      return {.body =
                  fmt::format(R"({{"symbol":"{}","openInterest":"5.000","time":1790000100000}})",
                              asked.parameter("symbol"))};
    return {.body = "[]"};
  }
  /// Weights by the venue's documentation.
  static double weight_of(const Asked& asked) {
    return asked.is_about("/depth") || asked.is_about("aggTrades") ? 20 : 1;
  }
  std::vector<std::pair<double, double>> weights() const {
    std::vector<std::pair<double, double>> found;
    for (const Asked& one : host.asked) found.emplace_back(one.at, weight_of(one));
    return found;
  }
  static std::string symbol(int i) { return fmt::format("S{}USDT", i); }
};

TEST_F(BinanceBudget, NineTenthsOfTheWeightAreSpentInNoWindowMore) {
  host.script = healthy;
  VenueRest& asking = start();
  for (int i = 0; i < 400; ++i) asking.fetch_book(symbol(i));  // 8000 of 2400 a minute
  for (int i = 0; i < 40; ++i) asking.fill_klines(symbol(i), 1'790'000'040'000, 1'790'000'100'000);
  advance(400);
  EXPECT_EQ(asking.stats().books, 400U);
  EXPECT_EQ(host.asked.size(), 440U);
  const double most = most_in_window(weights(), 60);
  EXPECT_LE(most, 2160);
  EXPECT_GT(most, 2000) << "and they are spent";
  // The books came first: the candles did not take weight that a book waited for.
  const std::vector<double> books = host.times("/depth");
  EXPECT_GE(host.times("klines").front(), books.back());
}

TEST_F(BinanceBudget, WeightThatARequestWaitsForIsNotTakenByWhatComesBehindIt) {
  host.script = healthy;
  VenueRest& asking = start();
  for (int i = 0; i < 10; ++i) asking.fill_klines(symbol(i), 1'790'000'040'000, 1'790'000'100'000);
  advance(1);
  EXPECT_EQ(host.count("klines"), 10U);
  for (int i = 0; i < 200; ++i) asking.fetch_book(symbol(i));
  for (int i = 0; i < 10; ++i) asking.fill_klines(symbol(i), 1'790'000'040'000, 1'790'000'100'000);
  advance(50);
  // 107 books leave 10 of the 2160: too little for the next one, enough for ten candles.
  EXPECT_EQ(host.count("/depth"), 107U);
  EXPECT_EQ(host.count("klines"), 10U);
}

TEST_F(BinanceBudget, OtherPoolsGoOnWhileOneIsSpent) {
  host.script = healthy;
  VenueRest& asking = start();
  for (int i = 0; i < 200; ++i) asking.fetch_book(symbol(i));
  advance(5);
  asking.start_polls(std::vector<std::string>{"S1USDT"},
                     venue::kinds_of(venue::StreamKind::taker_volume));
  advance(40);
  // The books' pool is spent until 60 s; statistics have their own.
  EXPECT_EQ(host.count("/depth"), 108U);
  EXPECT_EQ(host.count("takerlongshortRatio"), 1U);
}

TEST_F(BinanceBudget, WhatTheVenueCountedBeyondOursIsSpentToo) {
  host.script = [](const Asked& asked) {
    Answer answer = healthy(asked);
    // Somebody else behind this address.
    answer.fields = {{"X-MBX-USED-WEIGHT-1M", asked.is_about("S0USDT") ? "2000" : "20"}};
    return answer;
  };
  VenueRest& asking = start();
  for (int i = 0; i < 100; ++i) asking.fetch_book(symbol(i));
  advance(30);
  // 2000, and what the 90 % leave above; two requests may have been under way.
  EXPECT_LE(host.asked.size(), 10U);
  EXPECT_GE(host.asked.size(), 8U);
  advance(60);
  EXPECT_EQ(host.asked.size(), 100U);
}

TEST_F(BinanceBudget, AHeaderThatIsKnownToBeWrongIsNotBelieved) {
  host.script = [](const Asked& asked) {
    Answer answer = healthy(asked);
    if (asked.is_about("bookTicker")) answer.fields = {{"X-MBX-USED-WEIGHT-1M", "2400"}};
    return answer;
  };
  VenueRest& asking = start();
  asking.start_polls(std::vector<std::string>{"S0USDT"}, 0);
  advance(1);
  EXPECT_EQ(host.count("bookTicker"), 1U);
  asking.fetch_book("S0USDT");
  advance(1);
  EXPECT_EQ(asking.stats().books, 1U);
}

TEST_F(BinanceBudget, TwoWithOneAccountSpendOneBudget) {
  host.script = healthy;
  VenueRest& first = start();
  venue::VenueState other_state(venue::binance_adapter());
  VenueRestOptions options = rest_options();
  options.seed = 8;
  VenueRest second(loop, resolver, tls, other_state, writer, open_ledger(), options);
  for (int i = 0; i < 100; ++i) {
    first.fetch_book(symbol(i));
    second.fetch_book(symbol(1000 + i));
  }
  for (int i = 0; i < 1500; ++i) {
    advance(0.1);
    second.tick(moment());
    ASSERT_TRUE(net::test::run_until(loop, [&] { return second.stats().under_way == 0; }));
  }
  EXPECT_EQ(first.stats().books + second.stats().books, 200U);
  EXPECT_LE(most_in_window(weights(), 60), 2160);
  EXPECT_GT(first.stats().books, 0U);
  EXPECT_GT(second.stats().books, 0U);
}

TEST_F(BinanceBudget, ConnectionsAreAskedForAndThoseOfTheServersMakingAreBooked) {
  connects_max = 10;
  host.closes_each = true;  // each request needs a connection of its own
  host.script = healthy;
  VenueRest& asking = start();
  for (int i = 0; i < 60; ++i) asking.fetch_book(symbol(i));
  advance(299);
  EXPECT_LE(host.asked.size(), 10U);
  EXPECT_GE(host.asked.size(), 9U);
  advance(301);
  EXPECT_LE(host.asked.size(), 21U);  // a 32nd of the window late
  EXPECT_GT(host.asked.size(), 10U);
}

TEST_F(BinanceBudget, ConnectionsThatTheServersHabitsCostAreBookedAndStopTheRest) {
  connects_max = 10;
  // The host cuts each connection when it is used again: the client dials anew by itself.
  std::map<std::uint64_t, int> used;
  host.script = [&](const Asked& asked) {
    return ++used[asked.connection] == 1 ? healthy(asked) : Answer{.is_cut = true};
  };
  VenueRest& asking = start();
  for (int i = 0; i < 100; ++i) asking.fetch_book(symbol(i));
  advance(299);
  EXPECT_LE(host.connections, 12U) << "two may have been under way";
  EXPECT_GE(host.connections, 10U);
}

class Ban : public BinanceBudget, public testing::WithParamInterface<std::pair<int, int>> {};

TEST_P(Ban, IsObeyedToTheSecondAndThroughARestart) {
  const auto [status, retry_after] = GetParam();
  const int expected = retry_after > 0 ? retry_after : status == 429 ? 60 : 600;
  bool is_banning = true;
  host.script = [&, status = status, retry_after = retry_after](const Asked& asked) {
    if (!is_banning) return healthy(asked);
    Answer answer{.status = status, .body = R"({"code":-1003,"msg":"Way too many requests."})"};
    if (retry_after > 0) answer.fields = {{"Retry-After", std::to_string(retry_after)}};
    return answer;
  };
  VenueRest& asking = start();
  asking.start_polls(std::vector<std::string>{"S0USDT"}, venue::all_kinds);
  asking.fetch_book("S0USDT");
  advance(0.1);
  const std::size_t before = host.asked.size();
  EXPECT_GE(before, 1U);
  EXPECT_LE(before, 2U) << "one connection's request may have been under way";
  EXPECT_GE(asking.stats().bans, 1U);
  EXPECT_GT(asking.stats().banned_for_ns, (expected - 1) * core::ns_per_second);
  is_banning = false;
  advance(expected / 2);
  // Another process opens the same file, knowing nothing.
  rest.reset();
  ledgers.clear();
  VenueRest& again = start();
  again.start_polls(std::vector<std::string>{"S0USDT"}, venue::all_kinds);
  again.fetch_book("S0USDT");
  advance(expected - expected / 2 - 0.1);
  EXPECT_EQ(host.asked.size(), before) << "asked inside the ban";
  advance(1.2);
  EXPECT_GT(host.asked.size(), before) << "not asked although the ban is over";
  EXPECT_EQ(again.stats().books, 1U);
}
INSTANTIATE_TEST_SUITE_P(Statuses, Ban,
                         testing::Values(std::pair(429, 7), std::pair(429, 0), std::pair(418, 120),
                                         std::pair(418, 0), std::pair(403, 0), std::pair(503, 9)),
                         [](const auto& row) {
                           return std::to_string(row.param.first) + "_" +
                                  std::to_string(row.param.second);
                         });

TEST_F(BinanceBudget, ABookThatMetABanIsAskedAfterItAndAPollIsNot) {
  host.script = [](const Asked&) {
    return Answer{.status = 429, .fields = {{"Retry-After", "5"}}};
  };
  VenueRest& asking = start();
  asking.fetch_book("S0USDT");
  advance(0.1);
  host.script = healthy;
  advance(6 + slack());
  EXPECT_EQ(asking.stats().books, 1U);
  EXPECT_TRUE(failed_books.empty());
  EXPECT_EQ(host.asked.size(), 2U);
  ASSERT_EQ(logged.size(), 1U);
  EXPECT_NE(logged[0].find("5.0 s"), std::string::npos) << logged[0];
}

class OkxBudget : public RestTest {
 protected:
  OkxBudget() : RestTest(venue::okx_adapter()) {}
};

TEST_F(OkxBudget, EachEndpointHasItsOwnInTwoSeconds) {
  host.script = [](const Asked&) { return Answer{.body = R"({"code":"0","msg":"","data":[]})"}; };
  VenueRest& asking = start();
  for (int i = 0; i < 300; ++i) {
    const std::string symbol = fmt::format("S{}-USDT-SWAP", i);
    asking.fill_klines(symbol, 1'790'000'040'000, 1'790'000'100'000);
    asking.fill_trades({.symbol = symbol, .last_id = 1, .first_id = 3});
  }
  advance(200);
  std::vector<std::pair<double, double>> candles;
  std::vector<std::pair<double, double>> trades;
  for (const Asked& one : host.asked)
    (one.is_about("history-trades") ? trades : candles).emplace_back(one.at, 1);
  EXPECT_EQ(candles.size(), 300U);
  EXPECT_EQ(trades.size(), 1200U);  // each three times more: the host does not have them yet
  EXPECT_LE(most_in_window(candles, 2), 36);
  EXPECT_GT(most_in_window(candles, 2), 30);
  EXPECT_LE(most_in_window(trades, 2), 18);
  EXPECT_GT(most_in_window(trades, 2), 15);
}

class HyperliquidBudget : public RestTest {
 protected:
  HyperliquidBudget() : RestTest(venue::hyperliquid_adapter()) {}
};

TEST_F(HyperliquidBudget, WeightsOfCandlesAreTheVenues) {
  host.script = [](const Asked&) { return Answer{.body = "[]"}; };
  VenueRest& asking = start();
  for (int i = 0; i < 120; ++i)
    asking.fill_klines(fmt::format("C{}", i), 1'789'000'020'000, 1'789'000'020'000 + 3'600'000);
  advance(200);
  std::vector<std::pair<double, double>> asked;
  for (const Asked& one : host.asked) asked.emplace_back(one.at, 21);  // 20 and one for 60 rows
  EXPECT_EQ(asked.size(), 120U);
  EXPECT_LE(most_in_window(asked, 60), 1080);
  EXPECT_GT(most_in_window(asked, 60), 950);
}

TEST_F(BinanceBudget, EachVenuesPoolsFitALedger) {
  for (const venue::Adapter* adapter : {&venue::binance_adapter(), &venue::okx_adapter(),
                                        &venue::bybit_adapter(), &venue::hyperliquid_adapter()}) {
    HostLedgerOptions made;
    made.folder = folder_;
    made.host = std::string(market::find_venue(adapter->spec.venue)->key);
    made.pools = ledger_pools(*adapter->connect);
    EXPECT_EQ(made.pools.size(), adapter->connect->pools.size());
    HostLedger ledger(std::move(made));
    for (const venue::RestCall& call : adapter->connect->calls)
      EXPECT_TRUE(ledger.may_request(at(0), adapter->connect->pools[call.pool].name, call.weight))
          << call.endpoint;
  }
}

class BybitBudget : public RestTest {
 protected:
  BybitBudget() : RestTest(venue::bybit_adapter()) {}
};

TEST_F(OkxBudget, A429ThatNamesNoTimeHoldsForTheVenuesWindow) {
  host.script = [](const Asked&) {
    return Answer{.status = 429, .body = R"({"code":"50011","msg":"Too Many Requests","data":[]})"};
  };
  start().load_instruments([] {});
  advance(0.1);
  EXPECT_EQ(rest->stats().bans, 1U);
  ASSERT_EQ(logged.size(), 1U);
  EXPECT_NE(logged[0].find("HTTP 429: nothing is asked for 2.0 s"), std::string::npos) << logged[0];
  host.script = [](const Asked&) { return Answer{.body = R"({"code":"0","msg":"","data":[]})"}; };
  advance(1.7);
  EXPECT_EQ(host.asked.size(), 1U);
  advance(20);
  EXPECT_GT(host.asked.size(), 1U);
}

struct Limited {
  int code;
  std::int64_t reset_s;  ///< behind the reply's Date, which is not ours; 0: not said
  int expected_s;
};
class BybitLimit : public BybitBudget, public testing::WithParamInterface<Limited> {};

TEST_P(BybitLimit, ARefusalInsideA200IsABanUntilItsReset) {
  const Limited limited = GetParam();
  std::vector<std::pair<std::string, std::string>> fields{
      {"Date", "Sun, 06 Nov 1994 08:49:37 GMT"}};
  if (limited.reset_s != 0)
    fields.emplace_back("X-Bapi-Limit-Reset-Timestamp",
                        std::to_string((784'111'777 + limited.reset_s) * 1000 - 400));
  host.script = [&](const Asked&) {
    return Answer{
        .body = fmt::format(R"({{"retCode":{},"retMsg":"Too many visits!","result":{{}}}})",
                            limited.code),
        .fields = fields};
  };
  start().load_instruments([] {});
  advance(0.1);
  EXPECT_EQ(rest->stats().bans, 1U);
  EXPECT_EQ(rest->stats().refused, 0U);
  ASSERT_EQ(logged.size(), 1U);
  EXPECT_NE(logged[0].find(fmt::format("nothing is asked for {}.0 s", limited.expected_s)),
            std::string::npos)
      << logged[0];
  host.script = [](const Asked&) { return Answer{.body = lists::bybit({"BTCUSDT"}, "")}; };
  advance(limited.expected_s - 0.3);
  EXPECT_EQ(host.asked.size(), 1U);
  advance(20);
  EXPECT_EQ(rest->stats().instrument_lists, 1U) << "what was kept is asked again";
}

// Whole seconds, upwards; without a time that lies ahead the venue's usual one.
INSTANTIATE_TEST_SUITE_P(Codes, BybitLimit,
                         testing::Values(Limited{10006, 7, 7}, Limited{10006, 0, 5},
                                         Limited{10018, 9, 9}, Limited{10429, 0, 5},
                                         Limited{10006, -3, 5}, Limited{10429, 2, 2}));

TEST_F(BybitBudget, AnotherRefusalInsideA200IsNone) {
  host.script = [](const Asked&) {
    return Answer{.body = R"({"retCode":10001,"retMsg":"params error","result":{}})"};
  };
  start().load_instruments([] {});
  advance(0.1);
  EXPECT_EQ(rest->stats().bans, 0U);
  EXPECT_EQ(rest->stats().refused, 1U);
}

TEST_F(BybitBudget, NothingLeftByTheVenuesCountStopsThePool) {
  host.script = [](const Asked&) {
    return Answer{
        .body =
            R"({"retCode":0,"retMsg":"OK","result":{"category":"linear","symbol":"BTCUSDT","list":[]},"retExtInfo":{},"time":1790000100000})",
        .fields = {{"X-Bapi-Limit", "50"}, {"X-Bapi-Limit-Status", "0"}}};
  };
  VenueRest& asking = start();
  for (int i = 0; i < 5; ++i) asking.fill_klines("BTCUSDT", 1'790'000'040'000, 1'790'000'100'000);
  advance(4);
  EXPECT_LE(host.asked.size(), 2U);
  advance(20);
  EXPECT_EQ(host.asked.size(), 5U);
}

}  // namespace
}  // namespace perp::feed
