// Goal: polls come evenly, each contract in its turn, figures of a period shortly behind its end,
// and what cannot be kept up with is skipped, not piled up. Method: the scripted host's times.
#include "feed/poll_schedule.hpp"
#include "feed/rest_support.hpp"

#include <perp/venue/subscription_plan.hpp>

#include <set>

namespace perp::feed {
namespace {

using market::RecordType;
using venue::StreamKind;

class BinancePolls : public RestTest {
 protected:
  BinancePolls() : RestTest(venue::binance_adapter()) {
    host.script = [](const Asked& asked) {
      if (asked.is_about("/time")) return Answer{.body = R"({"serverTime":1790000100000})"};
      if (asked.is_about("bookTicker"))
        return Answer{
            .body =
                R"([{"symbol":"S0USDT","bidPrice":"99.0","bidQty":"1.000","askPrice":"101.0","askQty":"2.000","time":1790000100000,"lastUpdateId":7},{"symbol":"XRPUSDT","bidPrice":"99.0","bidQty":"1.000","askPrice":"101.0","askQty":"2.000","time":1790000100000,"lastUpdateId":7}])"};
      if (asked.is_about("openInterest"))
        return Answer{
            .body = fmt::format(R"({{"symbol":"{}","openInterest":"5.000","time":1790000100000}})",
                                asked.parameter("symbol"))};
      return Answer{.body = "[]"};
    };
  }
  static std::vector<std::string> symbols(int count) {
    std::vector<std::string> made;
    for (int i = 0; i < count; ++i) made.push_back(fmt::format("S{}USDT", i));
    return made;
  }
  std::map<std::string, std::vector<double>> times_by_symbol(const std::string& path) const {
    std::map<std::string, std::vector<double>> found;
    for (const Asked& one : host.asked)
      if (one.is_about(path)) found[one.parameter("symbol")].push_back(one.at);
    return found;
  }
};

TEST_F(BinancePolls, EachContractIsAskedOnceAMinuteAndTheHostEvenly) {
  start().start_polls(symbols(120), venue::kinds_of(StreamKind::open_interest));
  advance(600);
  const auto by_symbol = times_by_symbol("openInterest");
  ASSERT_EQ(by_symbol.size(), 120U);
  for (const auto& [symbol, times] : by_symbol) {
    EXPECT_GE(times.size(), 9U) << symbol;
    for (std::size_t i = 1; i < times.size(); ++i)
      EXPECT_NEAR(times[i] - times[i - 1], 60, 0.25) << symbol;
  }
  // Two a second, never more than three in any.
  const std::vector<double> times = host.times("openInterest");
  for (std::size_t i = 3; i < times.size(); ++i) EXPECT_GE(times[i] - times[i - 3], 0.9);
  EXPECT_EQ(rest->stats().polls_skipped, 0U);
  EXPECT_GE(drain_count(RecordType::open_interest), 120U * 9);
}

TEST_F(BinancePolls, FiguresOfAPeriodAreAskedInTheFirstHalfBehindItsEnd) {
  start().start_polls(symbols(50),
                      venue::kinds_of(StreamKind::long_short_ratio, StreamKind::taker_volume));
  advance(900);
  std::size_t count = 0;
  for (const Asked& one : host.asked) {
    if (!one.is_about("/futures/data/")) continue;
    ++count;
    EXPECT_EQ(one.parameter("period"), "5m");
    const double behind = std::fmod(one.at, 300);  // the test begins at a full five minutes
    EXPECT_GE(behind, 10 - 0.11) << one.target;
    EXPECT_LE(behind, 161) << one.target;
  }
  EXPECT_EQ(count, 3U * 50 * 4);
  // In turn: one contract's figures stand together, and no two contracts at once.
  const std::vector<double> times = host.times("/futures/data/");
  for (std::size_t i = 4; i < times.size(); ++i) EXPECT_GT(times[i] - times[i - 4], 2.5);
}

TEST_F(BinancePolls, WhatStreamsBringIsNotPolled) {
  const std::vector<std::string> wanted = symbols(20);
  const std::vector<std::string_view> views(wanted.begin(), wanted.end());
  const venue::Plan plan =
      venue::plan_subscriptions(*state.adapter.connect, venue::all_kinds, views);
  start().start_polls(wanted, plan.polled);
  advance(400);
  for (const Asked& one : host.asked)
    EXPECT_TRUE(one.is_about("openInterest") || one.is_about("/futures/data/") ||
                one.is_about("/time") || one.is_about("bookTicker"))
        << one.target;
  EXPECT_GT(host.count("openInterest"), 100U);
}

TEST_F(BinancePolls, MoreThanTheBudgetTakesTurnsAndIsSkippedNotPiledUp) {
  // 4 figures of 600 contracts are 2400 in five minutes, 900 may be spent.
  VenueRest& asking = start();
  asking.start_polls(symbols(600),
                     venue::kinds_of(StreamKind::long_short_ratio, StreamKind::taker_volume));
  advance(3300);
  const std::vector<double> times = host.times("/futures/data/");
  for (std::size_t i = 900; i < times.size(); ++i)
    ASSERT_GE(times[i] - times[i - 900], 300 - 0.1) << i;
  EXPECT_LE(asking.stats().waiting, 2400U);
  EXPECT_GT(asking.stats().polls_skipped, 10'000U);
  EXPECT_EQ(asking.stats().given_up, 0U);
  // Fairly: within three rounds everybody has had its turn, and nobody twice as often as another.
  std::map<std::string, int> asked;
  for (const Asked& one : host.asked)
    if (one.is_about("/futures/data/")) ++asked[one.target];
  ASSERT_EQ(asked.size(), 2400U);
  int least = 1'000'000;
  int most = 0;
  for (const auto& [target, count] : asked) {
    least = std::min(least, count);
    most = std::max(most, count);
  }
  EXPECT_GE(least, 3);
  EXPECT_LE(most, least + 1);
}

TEST_F(BinancePolls, AFullQueueSkipsPolls) {
  VenueRestOptions options = rest_options();
  options.queue_max = 10;
  host.script = [](const Asked&) { return Answer{.status = 429}; };
  VenueRest& asking = start(options);
  asking.start_polls(symbols(120), venue::kinds_of(StreamKind::open_interest));
  advance(59);
  EXPECT_LE(asking.stats().waiting, 11U);
  EXPECT_GT(asking.stats().polls_skipped, 90U);
}

TEST_F(BinancePolls, AClockThatIsSetDoesNotStopOrFloodThem) {
  start().start_polls(symbols(60), venue::kinds_of(StreamKind::open_interest));
  advance(120);
  for (const std::int64_t step :
       {-core::ns_per_hour - 7 * core::ns_per_second, 2 * core::ns_per_hour}) {
    host.asked.clear();
    wall_step_ns += step;
    advance(120);
    const std::size_t count = host.count("openInterest");
    EXPECT_GE(count, 60U * 2 - 2) << step;
    EXPECT_LE(count, 60U * 3 + 2) << step;
  }
}

TEST_F(BinancePolls, NewContractsAreSeededOnceAndNothingElseIsRecorded) {
  VenueRest& asking = start();
  asking.start_polls(symbols(1), 0);
  advance(1);
  EXPECT_EQ(host.count("bookTicker"), 1U);
  EXPECT_EQ(drain_count(RecordType::bbo), 1U) << "of two in the reply";
  asking.start_polls(symbols(1), 0);
  advance(1);
  EXPECT_EQ(host.count("bookTicker"), 1U) << "known already";
  asking.start_polls(symbols(2), 0);
  advance(1);
  EXPECT_EQ(host.count("bookTicker"), 2U);

  VenueRestOptions options = rest_options();
  options.kinds = venue::kinds_of(StreamKind::trades);
  start(options).start_polls(symbols(3), 0);
  advance(1);
  EXPECT_EQ(host.count("bookTicker"), 2U) << "nobody wants quotes";
}

TEST_F(BinancePolls, SeedsOfWantedContractsAreRecorded) {
  host.script = [script = host.script](const Asked& asked) {
    if (asked.is_about("exchangeInfo"))
      return Answer{.body = lists::binance({"S0USDT", "XRPUSDT"})};
    return script(asked);
  };
  VenueRest& asking = start();
  asking.load_instruments(
      [&] { asking.start_polls(symbols(1), venue::kinds_of(StreamKind::open_interest)); });
  advance(2);
  const std::uint32_t wanted = state.instruments.find("S0USDT")->id;
  std::vector<std::uint32_t> seen;
  for (const Bytes& bytes : drain())
    if (header_of(bytes).type == RecordType::bbo) seen.push_back(header_of(bytes).instrument);
  EXPECT_EQ(seen, std::vector<std::uint32_t>{wanted});
}

TEST_F(BinancePolls, AnotherListOfContractsReplacesTheOneBefore) {
  VenueRest& asking = start();
  asking.start_polls(symbols(30), venue::kinds_of(StreamKind::open_interest));
  advance(70);
  host.asked.clear();
  asking.start_polls(std::vector<std::string>{"S1USDT", "S2USDT"},
                     venue::kinds_of(StreamKind::open_interest));
  advance(130);
  const auto by_symbol = times_by_symbol("openInterest");
  EXPECT_EQ(by_symbol.size(), 2U);
  for (const auto& [symbol, times] : by_symbol) EXPECT_EQ(times.size(), 2U) << symbol;
}

TEST_F(BinancePolls, HasteDividesIntervals) {
  VenueRestOptions options = rest_options();
  options.haste = 10;
  start(options).start_polls(symbols(6), venue::kinds_of(StreamKind::open_interest));
  advance(60);
  EXPECT_GE(host.count("openInterest"), 6U * 9);
  EXPECT_LE(host.count("openInterest"), 6U * 11);
}

/// Places in the interval: all different, in order, and inside.
TEST(PollSchedule, SpreadsOverTheInterval) {
  const auto* connect = venue::binance_adapter().connect;
  for (const int count : {1, 2, 7, 300, 2000}) {
    std::vector<std::string> symbols;
    for (int i = 0; i < count; ++i) symbols.push_back("S" + std::to_string(i));
    PollSchedule schedule;
    schedule.restart(connect->calls, symbols, venue::all_kinds, 1);
    EXPECT_EQ(schedule.polls().size(), static_cast<std::size_t>(count) * 5);
    std::map<std::int64_t, std::set<std::int64_t>> offsets;
    for (const PollSchedule::Poll& poll : schedule.polls()) {
      EXPECT_TRUE(offsets[poll.interval_ns].insert(poll.offset_ns).second);
      EXPECT_GE(poll.offset_ns, 0);
      EXPECT_LT(poll.offset_ns, poll.interval_ns);
    }
    for (const auto& [interval_ns, places] : offsets) {
      std::int64_t widest = 0;
      std::int64_t narrowest = interval_ns;
      for (auto at = std::next(places.begin()); at != places.end() && !places.empty(); ++at) {
        widest = std::max(widest, *at - *std::prev(at));
        narrowest = std::min(narrowest, *at - *std::prev(at));
      }
      EXPECT_LE(widest - narrowest, places.size() > 1 ? 1 : interval_ns) << count;
    }
  }
}

}  // namespace
}  // namespace perp::feed
