// Goal: the past is asked for page by page, each step once, and what could not be had is told.
// Method: a scripted host has candles of its own; the ring must hold them, ascending, flagged as
// history.
#include "feed/rest_support.hpp"

#include <perp/core/error.hpp>
#include <perp/feed/history_feed.hpp>

#include <gtest/gtest.h>

namespace perp::feed {
namespace {

constexpr std::int64_t minute_ms = 60'000;
class HistoryFetch : public RestTest {
 protected:
  HistoryFetch() : RestTest(venue::binance_adapter()) {
    host.script = [this](const Asked& asked) -> Answer {
      if (asked.is_about("exchangeInfo")) return {.body = lists::binance({"BTCUSDT"})};
      if (!asked.is_about("klines")) return {.body = "[]"};
      const std::int64_t from = std::stoll(asked.parameter("startTime"));
      const std::int64_t until = std::stoll(asked.parameter("endTime"));
      if (fails_from_ms != 0 && from >= fails_from_ms) return {.status = 503, .body = "busy"};
      std::string rows;
      for (std::int64_t at = from; at <= until; at += minute_ms)
        if (at != lacks_ms)
          rows += fmt::format(R"({}[{},"1","2","0.5","1.5","10",{},"15",3,"5","7.5","0"])",
                              rows.empty() ? "" : ",", at, at + minute_ms - 1);
      return {.body = "[" + rows + "]"};
    };
  }

  HistoryFill fetch(std::int64_t minutes, double within) {
    start().load_instruments([] {});
    advance(2);
    drain();
    HistoryWish wish{
        .symbol = "BTCUSDT", .start_ms = begin_ms, .end_ms = begin_ms + minutes * minute_ms};
    for (const venue::RestCall& call : state.adapter.connect->calls)
      if (call.purpose == venue::RestPurpose::history && call.endpoint == "klines")
        wish.call = &call;
    wish.on_page = [this](std::uint64_t rows, std::int64_t) { pages.push_back(rows); };
    std::vector<HistoryFill> results;
    rest->fetch_history(wish, [&](const HistoryFill& fill) { results.push_back(fill); });
    advance(within);
    EXPECT_EQ(results.size(), 1U) << "done is called once";
    return results.empty() ? HistoryFill{} : results[0];
  }
  std::vector<std::int64_t> minutes_told() {
    std::vector<std::int64_t> found;
    for (const Bytes& bytes : drain())
      if (header_of(bytes).type == market::RecordType::kline) {
        EXPECT_NE(header_of(bytes).flags & market::flag_backfill, 0);
        found.push_back(
            (market::payload<market::Kline>(header_of(bytes)).open_ns / core::ns_per_ms -
             begin_ms) /
            minute_ms);
      }
    return found;
  }

  static constexpr std::int64_t begin_ms =
      wall_begin_ns / core::ns_per_ms / minute_ms * minute_ms - 2000 * minute_ms;
  std::int64_t fails_from_ms = 0;
  std::int64_t lacks_ms = 0;
  std::vector<std::uint64_t> pages;
};

TEST_F(HistoryFetch, PagesAscendAndEachStepIsAskedForOnce) {
  const HistoryFill fill = fetch(1200, 10);
  EXPECT_EQ(fill.rows, 1200U);
  EXPECT_FALSE(fill.was_given_up);
  EXPECT_EQ(fill.left_start_ms, fill.left_end_ms);
  EXPECT_EQ(pages, (std::vector<std::uint64_t>{499, 499, 202}));
  std::vector<std::int64_t> expected(1200);
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<std::int64_t>(i);
  EXPECT_EQ(minutes_told(), expected);
  EXPECT_EQ(host.count("klines"), 3U);
}

TEST_F(HistoryFetch, ACandleThatTheVenueLacksIsToldAndNoFailure) {
  lacks_ms = begin_ms + 7 * minute_ms;
  const HistoryFill fill = fetch(20, 10);
  EXPECT_EQ(fill.rows, 19U);
  EXPECT_FALSE(fill.was_given_up);
  EXPECT_EQ(fill.left_start_ms, lacks_ms);
  EXPECT_EQ(fill.left_end_ms, lacks_ms + minute_ms);
}

TEST_F(HistoryFetch, APageThatFailsAgainAndAgainIsGivenUpAndWhatIsLeftIsTold) {
  fails_from_ms = begin_ms + 499 * minute_ms;
  const HistoryFill fill = fetch(1200, 600);
  EXPECT_TRUE(fill.was_given_up);
  EXPECT_FALSE(fill.why.empty());
  EXPECT_EQ(fill.rows, 499U) << "what came before it stays";
  EXPECT_EQ(fill.left_start_ms, fails_from_ms);
  EXPECT_EQ(fill.left_end_ms, begin_ms + 1200 * minute_ms);
  EXPECT_EQ(minutes_told().size(), 499U);
}

TEST(HistoryFeed, RefusesAVenueThatIsNoneAndToAskForNothing) {
  core::RecordRing ring(std::size_t{1} << 20);
  const auto make = [&](const HistoryFeedOptions& options) {
    const HistoryFeed feed(
        options, ring, [] {}, [](core::LogLevel, const std::string&) {});
  };
  EXPECT_THROW(make({.venue = market::VenueId::none}), core::Error);
  HistoryFeedOptions options{.venue = market::VenueId::binance,
                             .ledger_folder = ::testing::TempDir()};
  options.contracts_at_once = 0;
  EXPECT_THROW(make(options), core::Error);
}

TEST(HistoryFeed, KnowsWhatEachVenueKeeps) {
  const auto has = [](const venue::Adapter& adapter, HistoryType type, std::int64_t minutes) {
    return has_history(*adapter.connect, {type, minutes * core::ns_per_minute});
  };
  for (const venue::Adapter* adapter : {&venue::binance_adapter(), &venue::bybit_adapter(),
                                        &venue::okx_adapter(), &venue::hyperliquid_adapter()}) {
    for (const int minutes : {1, 5, 15, 30, 60, 240, 1440})
      EXPECT_TRUE(has(*adapter, HistoryType::klines, minutes));
    EXPECT_FALSE(has(*adapter, HistoryType::klines, 7));
    EXPECT_TRUE(has(*adapter, HistoryType::funding_rates, 0));
    EXPECT_TRUE(has(*adapter, HistoryType::trades, 0));
    const bool is_cex = adapter != &venue::hyperliquid_adapter();
    EXPECT_EQ(has(*adapter, HistoryType::open_interest, 0), is_cex);
    EXPECT_EQ(has(*adapter, HistoryType::long_short_ratio, 0), is_cex);
  }
}

}  // namespace
}  // namespace perp::feed
