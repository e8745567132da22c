// Goal: a book that runs is given its depth back by a new snapshot, however old that is when it
// comes, without losing a step. Method: a market that knows all its levels sends steps and
// snapshots with delays; the book of a reader of what is written must equal the market as far as it
// claims to know it, at every step.
#include "feed/book_refresh.hpp"

#include "market/book_record.hpp"

#include <perp/market/continuity.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <limits>
#include <map>
#include <random>
#include <utility>

namespace perp::feed {
namespace {

using market::Book;
using market::Continuity;
using market::Level;
using market::RecordType;
using market::testing::BookRecord;
using market::testing::Levels;

constexpr std::uint32_t instrument = 1u << 24 | 5;
constexpr std::int64_t minute = core::ns_per_minute;
constexpr core::MonoNs at(std::int64_t ns) { return {1'000'000'000'000 + ns}; }

BookRecord record(RecordType type, const Book& ids, Continuity continuity, const Levels& bids,
                  const Levels& asks, std::uint32_t of = instrument) {
  Book book = ids;
  book.continuity = static_cast<std::uint8_t>(continuity);
  BookRecord made(type, book, bids, asks);
  const_cast<market::RecordHeader&>(made.header()).instrument = of;
  return made;
}

/// All levels of a market whose price wanders, and what a venue sends of it.
class Market {
 public:
  explicit Market(std::mt19937& random) : random_(random) {
    for (int i = 1; i <= 400; ++i) {
      bids_[mid_ - i] = quantity();
      asks_[mid_ + i] = quantity();
    }
  }
  struct Event {
    Book ids;
    Levels bids, asks;
  };
  /// The price rises, mostly; what it meets is gone. Some levels change anywhere.
  Event step() {
    Event event;
    const auto set = [&](bool is_bid, double price, double quantity) {
      (is_bid ? event.bids : event.asks).push_back({price, quantity});
      if (quantity == 0)
        (is_bid ? bids_ : asks_).erase(price);
      else
        (is_bid ? bids_ : asks_)[price] = quantity;
    };
    const int move = between(0, 7);
    mid_ += move < 4 ? 1 : move == 4 ? -1 : 0;
    if (bids_.contains(mid_)) set(true, mid_, 0);
    if (asks_.contains(mid_)) set(false, mid_, 0);
    set(true, mid_ - 1, quantity());
    set(false, mid_ + 1, quantity());
    if (asks_.begin()->first <= mid_) set(false, asks_.begin()->first, 0);
    for (int i = 0; i < 4; ++i) {
      set(true, mid_ - between(2, 150), between(0, 2) == 0 ? 0 : quantity());
      set(false, mid_ + between(2, 150), between(0, 2) == 0 ? 0 : quantity());
    }
    event.ids.previous_id = id_;
    event.ids.first_id = id_ + 1;
    id_ += between(1, 5);
    event.ids.last_id = id_;
    return event;
  }
  Event snapshot(std::size_t limit) const {
    Event event;
    event.ids.last_id = id_;
    for (auto bid = bids_.rbegin(); bid != bids_.rend() && event.bids.size() < limit; ++bid)
      event.bids.push_back({bid->first, bid->second});
    for (auto ask = asks_.begin(); ask != asks_.end() && event.asks.size() < limit; ++ask)
      event.asks.push_back({ask->first, ask->second});
    return event;
  }
  const std::map<double, double>& bids() const { return bids_; }
  const std::map<double, double>& asks() const { return asks_; }
  std::int64_t id() const { return id_; }

 private:
  int between(int least, int most) { return std::uniform_int_distribution<>(least, most)(random_); }
  double quantity() { return between(1, 1000); }

  std::mt19937& random_;
  double mid_ = 10'000;
  std::int64_t id_ = 1000;
  std::map<double, double> bids_, asks_;
};

/// As far as the book says that it knows the market, it does.
void expect_known(const market::OrderBook& book, const Market& market) {
  Levels bids, asks;
  for (auto bid = market.bids().rbegin(); bid != market.bids().rend(); ++bid)
    if (bid->first >= book.bid_side().horizon()) bids.push_back({bid->first, bid->second});
  for (const auto& ask : market.asks())
    if (ask.first <= book.ask_side().horizon()) asks.push_back({ask.first, ask.second});
  for (const auto& [known, levels] :
       {std::pair{book.bids(), &bids}, std::pair{book.asks(), &asks}}) {
    ASSERT_GE(known.size(), levels->size());
    for (std::size_t i = 0; i < levels->size(); ++i) {
      ASSERT_EQ(known[i].price, (*levels)[i].price) << i;
      ASSERT_EQ(known[i].quantity, (*levels)[i].quantity) << i;
    }
  }
}

TEST(BookRefresh, ASnapshotOfAnyAgeDeepensABookThatRuns) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto between = [&](int least, int most) {
    return std::uniform_int_distribution<>(least, most)(random);
  };
  int behind = 0, ahead = 0;
  for (int round = 0; round < 60; ++round) {
    Market market(random);
    BookRefresh refresh(1);
    market::BinanceBookSequence sequence;
    market::OrderBook reader;
    const auto write = [&](const market::RecordHeader& header) {
      refresh.note(header, at(0));
      return reader.apply(header);
    };
    const Market::Event first = market.snapshot(100);
    write(record(RecordType::book_snapshot, first.ids, sequence.snapshot(first.ids.last_id),
                 first.bids, first.asks)
              .header());
    // Steps arrive `late` steps after they happened; the snapshot is of `made` steps after it was
    // asked for, and arrives `under_way` steps after that.
    const int late = between(0, 3), asked = 200, made = between(0, 10),
              under_way = between(0, 1) == 0 ? between(0, 3) : between(4, 60);
    std::deque<std::pair<Market::Event, Market>> stream;
    Market::Event snapshot;
    for (int step = 0; step < 400; ++step) {
      Market::Event event = market.step();
      stream.emplace_back(std::move(event), market);
      if (step == asked) refresh.begin(instrument, at(1));
      if (step == asked + made) snapshot = market.snapshot(100);
      if (stream.size() > static_cast<std::size_t>(late)) {
        const auto& [came, then] = stream.front();
        const Continuity found =
            sequence.delta(came.ids.first_id, came.ids.last_id, came.ids.previous_id);
        ASSERT_NE(found, Continuity::gap);
        write(record(RecordType::book_delta, came.ids, found, came.bids, came.asks).header());
        ASSERT_TRUE(reader.is_live());
        // While a snapshot is ahead of the stream, so is the book.
        if (reader.last_id() == then.id()) expect_known(reader, then);
        stream.pop_front();
      }
      if (step == asked + made + under_way) {
        const double thin = reader.ask_side().horizon();
        const BookRecord came =
            record(RecordType::book_snapshot, snapshot.ids, sequence.snapshot(snapshot.ids.last_id),
                   snapshot.bids, snapshot.asks);
        const std::int64_t newest = reader.last_id();
        const market::RecordHeader* const joined = refresh.join(came.header());
        ++(newest > snapshot.ids.last_id ? behind : ahead);
        ASSERT_EQ(joined != nullptr, newest > snapshot.ids.last_id);
        ASSERT_EQ(write(joined != nullptr ? *joined : came.header()), market::BookOutcome::applied);
        refresh.end(instrument);
        EXPECT_GE(reader.last_id(), newest);
        EXPECT_GT(reader.ask_side().horizon(), thin);
        // A level at the very end may be gone by the newest step.
        EXPECT_LE(reader.ask_side().horizon(), snapshot.asks.back().price);
        EXPECT_GE(reader.ask_side().horizon(), snapshot.asks.back().price - 20);
      }
      if (HasFatalFailure()) return;
    }
    EXPECT_EQ(reader.counts().gaps, 0u);
  }
  EXPECT_GT(behind, 20);
  EXPECT_GT(ahead, 5);
}

// 100 bps a side at a mid of 10,000.
void give_snapshot(BookRefresh& refresh, std::uint32_t of, core::MonoNs now, double width = 100,
                   Continuity continuity = Continuity::restart, std::uint16_t depth = 0) {
  Book ids;
  ids.last_id = 1;
  ids.depth = depth;
  refresh.note(record(RecordType::book_snapshot, ids, continuity, {{9'999, 1}, {10'000 - width, 1}},
                      {{10'001, 1}, {10'000 + width, 1}}, of)
                   .header(),
               now);
}

std::uint32_t chosen(const BookRefresh& refresh, core::MonoNs now,
                     const std::map<std::uint32_t, double>& prices) {
  return refresh
      .choose(now,
              [&](std::uint32_t of) {
                const auto found = prices.find(of);
                return found == prices.end() ? market::missing : found->second;
              })
      .value_or(0);
}

TEST(BookRefresh, ChoosesTheBookOfWhichLeastIsLeft) {
  BookRefresh refresh(1);
  for (const std::uint32_t of : {1u, 2u, 3u}) give_snapshot(refresh, of, at(0));
  const core::MonoNs later = at(5 * minute);
  EXPECT_EQ(chosen(refresh, later, {{1, 10'000}, {2, 10'000}, {3, 10'000}}), 0u);
  EXPECT_EQ(chosen(refresh, later, {{1, 10'049}, {2, 9'951}, {3, 10'000}}), 0u) << "half is left";
  EXPECT_EQ(chosen(refresh, later, {{1, 10'052}, {2, 10'000}, {3, 10'000}}), 1u);
  EXPECT_EQ(chosen(refresh, later, {{1, 10'052}, {2, 9'940}, {3, 10'055}}), 2u) << "the bids";
  EXPECT_EQ(chosen(refresh, later, {{1, 10'000}, {2, 10'000}, {3, 10'500}}), 3u)
      << "beyond its end";
  EXPECT_EQ(chosen(refresh, later, {}), 0u) << "no price: nothing is known";
}

TEST(BookRefresh, AsksNeitherOftenNorTwice) {
  BookRefresh refresh(1);
  give_snapshot(refresh, 1, at(0));
  give_snapshot(refresh, 2, at(0));
  const std::map<std::uint32_t, double> far{{1, 10'090}, {2, 10'080}};
  EXPECT_EQ(chosen(refresh, at(5 * minute - 1), far), 0u);
  EXPECT_EQ(chosen(refresh, at(5 * minute), far), 1u);
  refresh.begin(1, at(5 * minute));
  EXPECT_EQ(chosen(refresh, at(5 * minute + BookRefresh::all_ns - 1), far), 0u);
  EXPECT_EQ(chosen(refresh, at(5 * minute + BookRefresh::all_ns), far), 2u);
  refresh.begin(2, at(6 * minute));
  EXPECT_EQ(chosen(refresh, at(60 * minute), far), 0u) << "both are under way";
  refresh.end(1);  // it did not come
  EXPECT_EQ(chosen(refresh, at(10 * minute - 1), far), 0u) << "five minutes from its asking";
  EXPECT_EQ(chosen(refresh, at(10 * minute), far), 1u);
  give_snapshot(refresh, 1, at(10 * minute));
  EXPECT_EQ(chosen(refresh, at(15 * minute - 1), far), 0u);
  refresh.end(2);
  refresh.forget(1);
  EXPECT_EQ(chosen(refresh, at(60 * minute), far), 2u);
  refresh.forget(2);
  EXPECT_EQ(chosen(refresh, at(60 * minute), far), 0u);
}

TEST(BookRefresh, FewAreUnderWayHoweverLongTheVenueIsSilent) {
  BookRefresh refresh(1);
  std::map<std::uint32_t, double> far;
  for (std::uint32_t of = 1; of <= 10; ++of) {
    give_snapshot(refresh, of, at(0));
    far[of] = 10'090;
  }
  std::size_t asked = 0;
  for (int i = 5; i < 100; ++i)
    if (const std::uint32_t of = chosen(refresh, at(i * minute), far); of != 0) {
      refresh.begin(of, at(i * minute));
      ++asked;
    }
  EXPECT_EQ(asked, BookRefresh::under_way_max);
  refresh.end(2);
  EXPECT_NE(chosen(refresh, at(100 * minute), far), 0u);
}

TEST(BookRefresh, WhatNoBandAsksForIsNotMissed) {
  BookRefresh refresh(1);
  give_snapshot(refresh, 1, at(0), 4'000);  // 40 % a side
  EXPECT_EQ(chosen(refresh, at(5 * minute), {{1, 12'500}}), 0u) << "12 % of 40 are more than 10";
  EXPECT_EQ(chosen(refresh, at(5 * minute), {{1, 12'800}}), 1u);
}

TEST(BookRefresh, LooksAtNoOtherSnapshots) {
  BookRefresh refresh(1);
  give_snapshot(refresh, 1, at(0), 100, Continuity::stale);
  give_snapshot(refresh, 2, at(0), 100, Continuity::restart, 20);
  EXPECT_EQ(chosen(refresh, at(60 * minute), {{1, 10'090}, {2, 10'090}}), 0u);
}

TEST(BookRefresh, HasteShortensItsWaits) {
  BookRefresh refresh(100);
  give_snapshot(refresh, 1, at(0));
  EXPECT_EQ(chosen(refresh, at(3 * core::ns_per_second - 1), {{1, 10'090}}), 0u);
  EXPECT_EQ(chosen(refresh, at(3 * core::ns_per_second), {{1, 10'090}}), 1u);
}

// A venue's replies may come from a copy that lags: what does not reach the steps that are kept is
// written as it is, and every reader passes it over.
TEST(BookRefresh, ASnapshotThatJoinsNothingIsWrittenAsItIs) {
  BookRefresh refresh(1);
  refresh.begin(instrument, at(0));
  Book ids;
  ids.first_id = 20;
  ids.last_id = 30;
  ids.previous_id = 19;
  refresh.note(
      record(RecordType::book_delta, ids, Continuity::continuous, {{99, 1}}, {{101, 1}}).header(),
      at(0));
  Book old;
  old.last_id = 10;
  const BookRecord came =
      record(RecordType::book_snapshot, old, Continuity::restart, {{99, 1}}, {{101, 1}});
  EXPECT_EQ(refresh.join(came.header()), nullptr);
  refresh.end(instrument);
  EXPECT_EQ(refresh.join(came.header()), nullptr) << "nobody asked";
}

}  // namespace
}  // namespace perp::feed
