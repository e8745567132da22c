// Samples of books and tickers: when there is one, of what moment, and what is too old or too
// doubtful to be in it.
#include "state/tape.hpp"

#include <perp/core/error.hpp>
#include <perp/market/liquidity.hpp>

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>
#include <vector>

namespace perp::test {
namespace {

using market::Continuity;
using market::FeedState;
using market::Level;

const std::vector<Level> bids{{99, 1}, {98, 2}};
const std::vector<Level> asks{{101, 3}, {102, 4}};

Tape listed() {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.instrument(byb_btc, "BTC");
  tape.tick(noon + s);
  return tape;
}

std::vector<std::int64_t> seconds_of(const auto& samples, std::uint32_t instrument) {
  std::vector<std::int64_t> seconds;
  for (const auto& sample : samples)
    if (sample.instrument == instrument) seconds.push_back((sample.ns - noon) / s);
  return seconds;
}
using Seconds = std::vector<std::int64_t>;

TEST(Sampling, BooksEach30SecondsAndTickersEach60OfEveryVenue) {
  Tape tape = listed();
  for (std::int64_t ns = noon + 2 * s; ns < noon + 4 * min; ns += s)
    for (const std::uint32_t id : {bin_btc, byb_btc}) {
      tape.book(id, ns, bids, asks);
      tape.bbo(id, ns, 99, 101);
    }
  const Played run(tape);
  for (const std::uint32_t id : {bin_btc, byb_btc}) {
    EXPECT_EQ(seconds_of(run.all.books, id), (Seconds{30, 60, 90, 120, 150, 180, 210}));
    EXPECT_EQ(seconds_of(run.all.tickers, id), (Seconds{60, 120, 180}));
  }
  EXPECT_TRUE(run.all.levels.empty()) << "off unless asked for";
  EXPECT_EQ(run.state.totals().books_sampled, 14U);
  EXPECT_EQ(run.state.totals().tickers_sampled, 6U);
}

TEST(Sampling, ASampleIsOfWhatWasThereBeforeItsMoment) {
  Tape tape = listed();
  auto& first = tape.book(bin_btc, noon + 2 * s, bids, asks);
  first.last_id = 7;
  tape.delta(bin_btc, noon + 29 * s, {{99, 5}}).last_id = 8;
  tape.delta(bin_btc, noon + 30 * s, {{100, 9}}).last_id =
      9;  // at the moment itself: the next one's
  tape.tick(noon + 61 * s);
  const Played run(tape);
  ASSERT_EQ(run.all.books.size(), 2U);
  const market::Liquidity& sample = run.all.books[0].payload;
  EXPECT_EQ(run.all.books[0].ns, noon + 30 * s);
  EXPECT_EQ(sample.last_id, 8);
  EXPECT_EQ(sample.told_ns, noon + 29 * s);
  EXPECT_EQ(sample.depth, 50);
  EXPECT_EQ(sample.bid_price, 99);
  EXPECT_EQ(sample.bid_quantity, 5);
  EXPECT_EQ(sample.ask_price, 101);
  EXPECT_EQ(sample.mid_price, 100);
  EXPECT_EQ(sample.bids_notional, 99 * 5 + 98 * 2);
  EXPECT_EQ(sample.asks_notional, 101 * 3 + 102 * 4);
  EXPECT_EQ(sample.max_bid_bps, 200);
  EXPECT_EQ(sample.bid_depth[market::depth_band_count - 1], 99 * 5 + 98 * 2);
  EXPECT_EQ(sample.bid_depth[6], 99 * 5);  // 100 bps
  EXPECT_EQ(run.all.books[1].payload.bid_price, 100);
}

TEST(Sampling, ABookThatIsNotWholeGivesNone) {
  Tape tape = listed();
  tape.delta(bin_btc, noon + 2 * s, bids, asks);  // no snapshot yet
  tape.tick(noon + 31 * s);
  tape.book(bin_btc, noon + 40 * s, bids, asks);
  tape.delta(bin_btc, noon + 50 * s, {{97, 1}}, {}, 50, Continuity::gap);
  tape.delta(bin_btc, noon + 55 * s, {{97, 1}});
  tape.tick(noon + 61 * s);
  tape.book(bin_btc, noon + 70 * s, bids, asks);
  tape.tick(noon + 91 * s);
  tape.book(bin_btc, noon + 100 * s, bids, {});  // one side only
  tape.tick(noon + 121 * s);
  const Played run(tape);
  EXPECT_EQ(seconds_of(run.all.books, bin_btc), (Seconds{90}));
}

TEST(Sampling, AStreamThatBrokeIsDoubtedUntilItsNextRecord) {
  struct Case {
    VenueId venue;
    RecordType stream;
    std::uint32_t index;
    FeedState state;
    bool is_doubted;
  };
  for (const Case& one : {
           Case{VenueId::binance, RecordType::book_delta, 1, FeedState::stale, true},
           Case{VenueId::binance, RecordType::book_snapshot, 0, FeedState::reconnecting, true},
           Case{VenueId::binance, RecordType::padding, 0, FeedState::down, true},
           Case{VenueId::binance, RecordType::trade, 0, FeedState::down, false},
           Case{VenueId::binance, RecordType::book_delta, 2, FeedState::down, false},
           Case{VenueId::bybit, RecordType::padding, 0, FeedState::down, false},
           Case{VenueId::binance, RecordType::book_delta, 1, FeedState::live, false},
       }) {
    Tape tape = listed();
    tape.book(bin_btc, noon + 10 * s, bids, asks);
    tape.status(one.venue, one.state, one.stream, noon + 20 * s, 0, one.index);
    tape.tick(noon + 31 * s);
    tape.delta(bin_btc, noon + 40 * s, {{99, 2}});
    tape.tick(noon + 61 * s);
    const Played run(tape);
    EXPECT_EQ(seconds_of(run.all.books, bin_btc),
              one.is_doubted ? (Seconds{60}) : (Seconds{30, 60}))
        << static_cast<int>(one.venue) << " " << static_cast<int>(one.stream) << " " << one.index;
  }
}

TEST(Sampling, AHoleToldOfABookDoubtsIt) {
  for (const RecordType stream : {RecordType::book_delta, RecordType::trade}) {
    Tape tape = listed();
    tape.book(bin_btc, noon + 10 * s, bids, asks);
    tape.add<market::Gap>(RecordType::gap, bin_btc, noon + 20 * s, noon + 20 * s).stream = stream;
    tape.tick(noon + 31 * s);
    EXPECT_EQ(Played(tape).all.books.empty(), stream == RecordType::book_delta);
  }
}

TEST(Sampling, ABookOfMoreThanAMinuteAgoGivesNone) {
  Tape tape = listed();
  tape.book(bin_btc, noon + 30 * s, bids, asks);  // at 30 s: not before it
  tape.ticks(noon + 31 * s, noon + 3 * min);
  const Played run(tape);
  EXPECT_EQ(seconds_of(run.all.books, bin_btc), (Seconds{60, 90})) << "60 s old is the last";
}

// Nobody was watching: what was there before says nothing of later.
TEST(Sampling, NothingOutlivesAJumpOfTime) {
  Tape tape = listed();
  tape.book(bin_btc, noon + 29 * s, bids, asks);
  tape.bbo(bin_btc, noon + 29 * s, 99, 101);
  tape.tick(noon + 29 * s + 91 * s);
  tape.tick(noon + 3 * min);
  const Played run(tape);
  EXPECT_TRUE(run.all.books.empty());
  EXPECT_TRUE(run.all.tickers.empty());
}

TEST(Sampling, EachMomentOfAShortPauseIsSampled) {
  Tape tape = listed();
  tape.book(bin_btc, noon + 25 * s, bids, asks);
  tape.tick(noon + 70 * s);
  EXPECT_EQ(seconds_of(Played(tape).all.books, bin_btc), (Seconds{30, 60}));
}

// A recording that is played again behind a newer one moves no time: no sample is made of it.
TEST(Sampling, OldRecordsAreNoNewsOfNow) {
  Tape tape = listed();
  tape.tick(noon + 10 * min + s);
  tape.book(bin_btc, noon + 2 * min, bids, asks);
  tape.bbo(bin_btc, noon + 2 * min, 99, 101);
  tape.tick(noon + 11 * min);
  const Played run(tape);
  EXPECT_TRUE(run.all.books.empty());
  EXPECT_TRUE(run.all.tickers.empty());
}

TEST(Sampling, TheDeepestBookThatIsWholeIsTaken) {
  Tape tape = listed();
  const auto add = [&](std::int64_t ns, std::uint16_t depth, double best,
                       Continuity continuity = Continuity::continuous) {
    tape.book(bin_btc, ns, {{best, 1}}, {{101, 1}}, RecordType::book_snapshot, depth, continuity);
  };
  add(noon + 10 * s, 1, 90);  // a quote, no book
  tape.tick(noon + 31 * s);
  add(noon + 40 * s, 50, 95);
  add(noon + 41 * s, 0, 96);
  add(noon + 42 * s, 20, 94);
  tape.tick(noon + 61 * s);
  add(noon + 70 * s, 0, 96, Continuity::gap);
  add(noon + 71 * s, 50, 97);
  tape.tick(noon + 91 * s);
  const Played run(tape);
  ASSERT_EQ(seconds_of(run.all.books, bin_btc), (Seconds{60, 90}));
  EXPECT_EQ(run.all.books[0].payload.bid_price, 96) << "0 is the whole book";
  EXPECT_EQ(run.all.books[1].payload.bid_price, 97);
  EXPECT_EQ(run.all.books[1].payload.depth, 50);
}

TEST(Sampling, AFifthBookTakesThePlaceOfTheOneToldLongestAgo) {
  Tape tape = listed();
  std::int64_t ns = noon + 2 * s;
  for (const auto depth : std::to_array<std::uint16_t>({400, 200, 100, 50, 20}))
    tape.book(bin_btc, ns += s, bids, asks, RecordType::book_snapshot, depth);
  tape.tick(noon + 31 * s);
  tape.delta(bin_btc, noon + 32 * s, bids, asks, 400);  // of the one that went: no snapshot
  tape.tick(noon + 61 * s);
  const Played run(tape);
  ASSERT_EQ(run.all.books.size(), 2U);
  EXPECT_EQ(run.all.books[0].payload.depth, 200);
  EXPECT_EQ(run.all.books[1].payload.depth, 100) << "the second oldest made room for the first";
}

TEST(Sampling, OnlyPrimaryContractsThatAreListedAndLive) {
  Tape tape = listed();
  const std::uint32_t second = id_of(VenueId::binance, 2);
  tape.instrument(second, "BTC", false);
  for (const std::uint32_t id : {bin_btc, second, id_of(VenueId::binance, 3)}) {
    tape.book(id, noon + 10 * s, bids, asks);
    tape.bbo(id, noon + 10 * s, 99, 101);
  }
  tape.tick(noon + 61 * s);
  tape.instrument(bin_btc, "BTC", true, market::InstrumentStatus::delisted);
  tape.tick(noon + 2 * min + s);
  tape.instrument(bin_btc, "BTC");
  tape.delta(bin_btc, noon + 2 * min + 2 * s, {{99, 3}});  // of a book that was forgotten
  tape.tick(noon + 3 * min + s);
  const Played run(tape);
  EXPECT_EQ(run.all.books.size(), 2U);
  EXPECT_EQ(run.all.tickers.size(), 1U);
  EXPECT_EQ(seconds_of(run.all.books, bin_btc), (Seconds{30, 60}));
}

market::Ticker& ticker(Tape& tape, std::int64_t ns) {
  auto& made = tape.add<market::Ticker>(RecordType::ticker, bin_btc, ns, ns);
  made.last_price = 110;
  return made;
}

TEST(Sampling, ATickerHasWhatEachStreamTold) {
  Tape tape = listed();
  auto& told = ticker(tape, noon + 50 * s);
  told.high_24h = 120;
  told.low_24h = 80;
  told.volume_base_24h = 10;
  told.volume_quote_24h = 1000;
  told.change_24h = 10;
  told.change_fraction_24h = 0.1;
  auto& mark =
      tape.add<market::MarkPrice>(RecordType::mark_price, bin_btc, noon + 51 * s, noon + 51 * s);
  mark.mark_price = 109;
  mark.index_price = 108;
  tape.bbo(bin_btc, noon + 52 * s, 99, 101);
  auto& interest = tape.add<market::OpenInterest>(RecordType::open_interest, bin_btc, noon + 53 * s,
                                                  noon + 53 * s);
  interest.quantity = 1000;
  interest.notional = 107'000;
  tape.tick(noon + 61 * s);
  const Played run(tape);
  ASSERT_EQ(run.all.tickers.size(), 1U);
  const market::TickerSample& found = run.all.tickers[0].payload;
  EXPECT_EQ(found.last_price, 110);
  EXPECT_EQ(found.mark_price, 109);
  EXPECT_EQ(found.index_price, 108);
  EXPECT_EQ(found.bid_price, 99);
  EXPECT_EQ(found.bid_quantity, 1.5);
  EXPECT_EQ(found.ask_price, 101);
  EXPECT_EQ(found.ask_quantity, 2.5);
  EXPECT_EQ(found.volume_base_24h, 10);
  EXPECT_EQ(found.volume_quote_24h, 1000);
  EXPECT_EQ(found.open_interest, 1000);
  EXPECT_EQ(found.open_interest_notional, 107'000);
  EXPECT_EQ(found.change_24h, 10);
  EXPECT_EQ(found.change_fraction_24h, 0.1);
  EXPECT_EQ(found.high_24h, 120);
  EXPECT_EQ(found.low_24h, 80);
}

TEST(Sampling, WhatATickerDoesNotTellIsWorkedOutWhereItFollows) {
  Tape tape = listed();
  ticker(tape, noon + 50 * s).open_24h = 100;
  tape.add<market::MarkPrice>(RecordType::mark_price, bin_btc, noon + 50 * s, noon + 50 * s)
      .mark_price = 109;
  tape.add<market::OpenInterest>(RecordType::open_interest, bin_btc, noon + 50 * s, noon + 50 * s)
      .quantity = 10;
  tape.book(bin_btc, noon + 50 * s, bids, asks);
  tape.tick(noon + 61 * s);
  const Played run(tape);
  ASSERT_EQ(run.all.tickers.size(), 1U);
  const market::TickerSample& found = run.all.tickers[0].payload;
  EXPECT_EQ(found.change_24h, 10);
  EXPECT_EQ(found.change_fraction_24h, 0.1);
  EXPECT_EQ(found.open_interest_notional, 1090);
  EXPECT_EQ(found.bid_price, 99) << "of the book: no quotes were told";
  EXPECT_EQ(found.ask_quantity, 3);
  EXPECT_TRUE(std::isnan(found.index_price) && std::isnan(found.high_24h) &&
              std::isnan(found.volume_base_24h));
}

TEST(Sampling, TheLastPriceIsOfATickerOrATradeWhicheverWasToldLast) {
  Tape tape = listed();
  ticker(tape, noon + 50 * s);
  tape.trade(bin_btc, noon + 55 * s, 111, 1);
  tape.trade(bin_btc, noon + 56 * s, 7, 1).is_block = market::Tristate::yes;
  tape.trade(bin_btc, noon + 57 * s, 8, 1, market::Side::buy, 50 * ms, market::flag_snapshot);
  tape.trade(bin_btc, noon + 57 * s, 9, 1, market::Side::buy, 50 * ms, market::flag_backfill);
  tape.tick(noon + 61 * s);
  ticker(tape, noon + 110 * s).last_price = 112;
  tape.tick(noon + 121 * s);
  const Played run(tape);
  ASSERT_EQ(run.all.tickers.size(), 2U);
  EXPECT_EQ(run.all.tickers[0].payload.last_price, 111);
  EXPECT_EQ(run.all.tickers[1].payload.last_price, 112);
}

TEST(Sampling, TheNewerOfQuoteAndBookIsTheBest) {
  for (const bool is_quote_newer : {true, false}) {
    Tape tape = listed();
    tape.bbo(bin_btc, noon + (is_quote_newer ? 50 : 40) * s, 90, 110);
    tape.book(bin_btc, noon + 45 * s, bids, asks);
    if (is_quote_newer) {
      std::vector<std::size_t> order(tape.size());
      for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
      std::swap(order[order.size() - 1], order[order.size() - 2]);
      tape.reorder(order);
    }
    tape.tick(noon + 61 * s);
    const Played run(tape);
    ASSERT_EQ(run.all.tickers.size(), 1U);
    EXPECT_EQ(run.all.tickers[0].payload.bid_price, is_quote_newer ? 90 : 99);
  }
}

// Prices for a minute, open interest for three, statistics of a day for five; then there is none,
// and without any price no row.
TEST(Sampling, NoTickerValueIsRepeatedForEver) {
  Tape tape = listed();
  const std::int64_t told_ns = noon + 59 * s;
  auto& told = ticker(tape, told_ns);
  told.high_24h = 120;
  tape.add<market::OpenInterest>(RecordType::open_interest, bin_btc, told_ns, told_ns).quantity =
      10;
  for (std::int64_t ns = noon + min; ns <= noon + 8 * min; ns += 20 * s) {
    if (ns < noon + 7 * min)
      tape.add<market::MarkPrice>(RecordType::mark_price, bin_btc, ns, ns).mark_price = 109;
    else
      tape.tick(ns);
  }
  const Played run(tape);
  ASSERT_EQ(seconds_of(run.all.tickers, bin_btc), (Seconds{60, 120, 180, 240, 300, 360, 420}));
  const auto has = [&](double market::TickerSample::*field) {
    std::set<std::int64_t> seconds;
    for (const auto& sample : run.all.tickers)
      if (!std::isnan(sample.payload.*field)) seconds.insert((sample.ns - noon) / s);
    return seconds;
  };
  using Set = std::set<std::int64_t>;
  EXPECT_EQ(has(&market::TickerSample::last_price), (Set{60}));
  EXPECT_EQ(has(&market::TickerSample::open_interest), (Set{60, 120, 180}));
  EXPECT_EQ(has(&market::TickerSample::high_24h), (Set{60, 120, 180, 240, 300}));
  EXPECT_EQ(has(&market::TickerSample::mark_price), (Set{120, 180, 240, 300, 360, 420}));
}

TEST(Sampling, AnOlderValueDoesNotReplaceANewerOneAndNoneTellsNothing) {
  Tape tape = listed();
  ticker(tape, noon + 50 * s).high_24h = 120;
  ticker(tape, noon + 40 * s).last_price = 7;
  ticker(tape, noon + 55 * s).last_price = market::missing;
  tape.add<market::Bbo>(RecordType::bbo, bin_btc, noon + 56 * s, noon + 56 * s).bid_price = 99;
  auto& backfilled = tape.add<market::Ticker>(RecordType::ticker, bin_btc, noon + 57 * s,
                                              noon + 57 * s, market::flag_backfill);
  backfilled.last_price = 8;
  tape.tick(noon + 61 * s);
  const Played run(tape);
  ASSERT_EQ(run.all.tickers.size(), 1U);
  const market::TickerSample& found = run.all.tickers[0].payload;
  EXPECT_EQ(found.last_price, 110);
  EXPECT_EQ(found.high_24h, 120);
  EXPECT_EQ(found.bid_price, 99);
  EXPECT_TRUE(std::isnan(found.ask_price)) << "a side without a price is not known";
}

TEST(Sampling, LevelsAreSampledWhereAskedFor) {
  Tape tape = listed();
  std::vector<Level> many_bids;
  std::vector<Level> many_asks;
  for (int i = 0; i < 150; ++i) {
    many_bids.push_back({99.0 - i / 8.0, 1.0 + i});
    many_asks.push_back({101.0 + i / 8.0, 2.0 + i});
  }
  many_asks.resize(30);
  tape.book(bin_btc, noon + 2 * s, many_bids, many_asks, RecordType::book_snapshot, 0).last_id = 5;
  tape.tick(noon + 21 * s);
  state::StateOptions options;
  options.depth_interval_ns = options.ticker_interval_ns = 0;
  options.levels_interval_ns = 10 * s;
  Played run(options);
  run.play(tape);
  EXPECT_TRUE(run.all.books.empty());
  EXPECT_TRUE(run.all.tickers.empty());
  ASSERT_EQ(seconds_of(run.all.levels, bin_btc), (Seconds{10, 20}));
  const SampledLevels& sample = run.all.levels[1];
  EXPECT_EQ(sample.book.last_id, 5);
  ASSERT_EQ(sample.bids.size(), state::sampled_levels);
  ASSERT_EQ(sample.asks.size(), 30U);
  for (std::size_t i = 0; i < sample.bids.size(); ++i) {
    EXPECT_EQ(sample.bids[i].price, many_bids[i].price);
    EXPECT_EQ(sample.bids[i].quantity, many_bids[i].quantity);
  }
  EXPECT_EQ(sample.asks[29].price, many_asks[29].price);
}

TEST(Sampling, IsOffWhereTheIntervalIsNone) {
  Tape tape = listed();
  tape.book(bin_btc, noon + 2 * s, bids, asks);
  tape.bbo(bin_btc, noon + 2 * s, 99, 101);
  tape.tick(noon + 61 * s);
  state::StateOptions options;
  options.depth_interval_ns = options.ticker_interval_ns = 0;
  Played run(options);
  run.play(tape);
  EXPECT_TRUE(run.all.bytes.empty());
}

TEST(Sampling, RefusesIntervalsThatAreNoWholeSecondsOfADay) {
  for (const std::int64_t interval_ns : {-s, s / 2, s + 1, 24 * 60 * min + s})
    for (auto field :
         {&state::StateOptions::depth_interval_ns, &state::StateOptions::ticker_interval_ns,
          &state::StateOptions::levels_interval_ns}) {
      state::StateOptions options;
      options.*field = interval_ns;
      EXPECT_THROW(state::MarketState{options}, core::Error) << interval_ns;
    }
}

// A book that waits for its snapshot waits on in the process that starts from the image.
TEST(Sampling, AnImageHoldsWhatABookWaitsWith) {
  Tape tape = listed();
  const auto ranged = [&](std::int64_t ns, std::int64_t first, std::int64_t last,
                          std::int64_t previous) {
    auto& made =
        tape.delta(bin_btc, ns, {{99, static_cast<double>(last)}}, {}, 0, Continuity::unchecked);
    made.first_id = first;
    made.last_id = last;
    made.previous_id = previous;
  };
  ranged(noon + 2 * s, 11, 12, 10);
  ranged(noon + 3 * s, 13, 14, 12);
  const std::size_t half = tape.size();
  tape.book(bin_btc, noon + 4 * s, bids, asks, RecordType::book_snapshot, 0).last_id = 12;
  tape.tick(noon + 31 * s);
  const Played straight(tape);
  ASSERT_EQ(straight.all.books.size(), 1U);
  EXPECT_EQ(straight.all.books[0].payload.bid_quantity, 14) << "the delta behind the snapshot";
  EXPECT_EQ(straight.all.books[0].payload.last_id, 14);
  Played first;
  first.play(tape, 0, half);
  std::vector<std::byte> image;
  first.state.save(image);
  Played second;
  second.state.load(image);
  second.play(tape, half);
  EXPECT_EQ(second.all.bytes, straight.all.bytes);
}

TEST(Sampling, AnImageOfOtherIntervalsIsRefusedByName) {
  std::vector<std::byte> image;
  Played(listed()).state.save(image);
  for (auto field :
       {&state::StateOptions::depth_interval_ns, &state::StateOptions::ticker_interval_ns,
        &state::StateOptions::levels_interval_ns}) {
    state::StateOptions options;
    options.*field = 5 * s;
    state::MarketState state(options);
    try {
      state.load(image);
      FAIL();
    } catch (const core::Error& error) {
      EXPECT_NE(std::string(error.what()).find("5000000000"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace perp::test
