#include "market/book_record.hpp"
#include "market/recorded.hpp"
#include "support/malloc_counter.hpp"

#include <perp/market/order_book.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace perp::market {
namespace {

using testing::apply;
using testing::Levels;
using testing::plain;
using testing::ranged;
using testing::read_messages;
using testing::snapshot;
const Levels two_bids{{100, 1}, {99, 2}};
const Levels two_asks{{101, 3}, {102, 4}};

TEST(OrderBook, IsEmptyThenLiveWithTheBestLevelsFirst) {
  OrderBook book;
  EXPECT_EQ(book.state(), BookState::empty);
  EXPECT_EQ(book.best_bid(), nullptr);
  EXPECT_EQ(plain(book, Continuity::continuous, two_bids), BookOutcome::ignored);
  // Levels in any order: the wire's order is not relied upon.
  EXPECT_EQ(snapshot(book, 5, {{99, 2}, {100, 1}, {98, 0}}, two_asks), BookOutcome::applied);
  EXPECT_TRUE(book.is_live());
  EXPECT_EQ(book.best_bid()->price, 100);
  EXPECT_EQ(book.best_bid()->quantity, 1);
  EXPECT_EQ(book.best_ask()->price, 101);
  ASSERT_EQ(book.bids().size(), 2U);
  EXPECT_EQ(book.bids()[1].price, 99);
  EXPECT_EQ(book.last_id(), 5);
  EXPECT_EQ(book.exchange_ns(), 7);
  EXPECT_EQ(book.receive_ns(), 9);
}

TEST(OrderBook, DeltaSetsAbsoluteSizesAndZeroDeletes) {
  OrderBook book;
  snapshot(book, unknown_id, two_bids, two_asks);
  EXPECT_EQ(plain(book, Continuity::continuous, {{100, 0}, {99, 5}, {50, 0}}, {{100.5, 1}}),
            BookOutcome::applied);
  EXPECT_EQ(book.best_bid()->price, 99);
  EXPECT_EQ(book.best_bid()->quantity, 5);
  EXPECT_EQ(book.best_ask()->price, 100.5);
  EXPECT_EQ(book.bids().size(), 1U);
  EXPECT_EQ(plain(book, Continuity::continuous, {{99, 0}}), BookOutcome::applied);
  EXPECT_EQ(book.best_bid(), nullptr);  // an empty side is a fact
  EXPECT_TRUE(book.is_live());
}

TEST(OrderBook, GapHidesTheBookAtOnceUntilTheNextSnapshot) {
  OrderBook book;
  snapshot(book, unknown_id, two_bids, two_asks);
  EXPECT_EQ(plain(book, Continuity::gap, {{99.5, 1}}), BookOutcome::staled);
  EXPECT_EQ(book.state(), BookState::stale);
  EXPECT_EQ(book.stale_reason(), StaleReason::gap);
  EXPECT_EQ(book.best_bid(), nullptr);
  EXPECT_TRUE(book.asks().empty());
  EXPECT_EQ(plain(book, Continuity::continuous, {{99.5, 1}}), BookOutcome::ignored);
  EXPECT_EQ(snapshot(book, unknown_id, two_bids, two_asks, Continuity::stale),
            BookOutcome::ignored);
  EXPECT_FALSE(book.is_live());
  EXPECT_EQ(snapshot(book, unknown_id, two_bids, two_asks), BookOutcome::applied);
  EXPECT_EQ(book.stale_reason(), StaleReason::none);
  EXPECT_EQ(book.best_bid()->price, 100);
  EXPECT_EQ(book.counts().gaps, 1U);
}

TEST(OrderBook, StaleRecordsAreNotApplied) {
  OrderBook book;
  snapshot(book, unknown_id, two_bids, two_asks);
  EXPECT_EQ(plain(book, Continuity::stale, {{100, 0}}), BookOutcome::ignored);
  EXPECT_EQ(snapshot(book, unknown_id, {{1, 1}}, {{2, 1}}, Continuity::stale),
            BookOutcome::ignored);
  EXPECT_EQ(book.best_bid()->price, 100);
  EXPECT_EQ(book.counts().ignored, 2U);
}

TEST(OrderBook, MismatchedChecksumMakesItStale) {
  for (const RecordType type : {RecordType::book_delta, RecordType::book_snapshot}) {
    OrderBook book;
    snapshot(book, unknown_id, two_bids, two_asks);
    Book ids;
    ids.checksum_state = 1;
    EXPECT_EQ(apply(book, type, ids, Continuity::restart, two_bids, two_asks),
              BookOutcome::applied);
    ids.checksum_state = 2;
    EXPECT_EQ(apply(book, type, ids, Continuity::restart, two_bids, two_asks), BookOutcome::staled);
    EXPECT_EQ(book.stale_reason(), StaleReason::checksum);
    EXPECT_EQ(book.best_ask(), nullptr);
  }
}

TEST(OrderBook, CrossedOrLockedIsStale) {
  for (const double bid : {101.0, 105.0}) {
    OrderBook book;
    snapshot(book, unknown_id, two_bids, two_asks);
    EXPECT_EQ(plain(book, Continuity::continuous, {{bid, 1}}), BookOutcome::staled);
    EXPECT_EQ(book.stale_reason(), StaleReason::crossed);
    EXPECT_EQ(snapshot(book, unknown_id, {{bid, 1}}, two_asks), BookOutcome::staled);
    EXPECT_EQ(snapshot(book, unknown_id, two_bids, two_asks), BookOutcome::applied);
  }
  OrderBook book;  // crossed only between two changes of one record: not crossed
  snapshot(book, unknown_id, two_bids, two_asks);
  EXPECT_EQ(plain(book, Continuity::continuous, {{101, 1}}, {{101, 0}}), BookOutcome::applied);
}

TEST(OrderBook, RefusesLevelsThatAreNoNumbers) {
  OrderBook book;
  snapshot(book, unknown_id, {{100, 1}, {missing, 1}, {99, missing}, {98, -1}},
           {{std::numeric_limits<double>::infinity(), 1}});
  EXPECT_EQ(book.bids().size(), 1U);
  EXPECT_TRUE(book.asks().empty());
  EXPECT_EQ(book.counts().levels_refused, 4U);
}

TEST(OrderBook, OtherRecordsAreIgnored) {
  OrderBook book;
  RecordHeader header;
  header.type = RecordType::trade;
  EXPECT_EQ(book.apply(header), BookOutcome::ignored);
}

// Binance: snapshots that come early and late -------------------------------------------------

TEST(OrderBook, LateSnapshotTakesThePendingDeltasThatFollowIt) {
  OrderBook book;
  EXPECT_EQ(ranged(book, 10, 15, 9, Continuity::unchecked, {{100, 11}}), BookOutcome::pended);
  EXPECT_EQ(ranged(book, 20, 25, 15, Continuity::unchecked, {{100, 12}}), BookOutcome::pended);
  EXPECT_EQ(ranged(book, 20, 25, 15, Continuity::unchecked, {{100, 12}}), BookOutcome::ignored);
  EXPECT_EQ(ranged(book, 30, 35, 25, Continuity::unchecked, {{99, 13}}), BookOutcome::pended);
  EXPECT_EQ(book.state(), BookState::empty);
  EXPECT_EQ(snapshot(book, 22, two_bids, two_asks), BookOutcome::applied);
  EXPECT_EQ(book.last_id(), 35);
  EXPECT_EQ(book.bids()[0].quantity, 12);
  EXPECT_EQ(book.bids()[1].quantity, 13);
  EXPECT_EQ(book.pending_count(), 0U);
  EXPECT_EQ(ranged(book, 40, 41, 35, Continuity::restart, {{100, 14}}), BookOutcome::applied);
  EXPECT_EQ(book.best_bid()->quantity, 14);
  // A snapshot the book is already ahead of does not take it back.
  EXPECT_EQ(snapshot(book, 38, {{90, 1}}, {{110, 1}}), BookOutcome::ignored);
  EXPECT_EQ(book.best_bid()->quantity, 14);
}

TEST(OrderBook, EarlySnapshotWaitsForTheDeltaThatJoins) {
  OrderBook book;
  snapshot(book, 100, two_bids, two_asks);
  EXPECT_EQ(ranged(book, 80, 90, 79, Continuity::unchecked, {{100, 55}}), BookOutcome::ignored);
  EXPECT_EQ(book.best_bid()->quantity, 1);
  EXPECT_EQ(ranged(book, 91, 105, 90, Continuity::restart, {{100, 6}}), BookOutcome::applied);
  EXPECT_EQ(book.best_bid()->quantity, 6);
  EXPECT_EQ(ranged(book, 91, 105, 90, Continuity::continuous, {{100, 7}}), BookOutcome::ignored);
  EXPECT_EQ(book.best_bid()->quantity, 6);
}

TEST(OrderBook, SnapshotTooOldForThePendingDeltasWaitsForANewerOne) {
  OrderBook book;
  EXPECT_EQ(ranged(book, 110, 115, 105, Continuity::unchecked, {{100, 11}}), BookOutcome::pended);
  EXPECT_EQ(snapshot(book, 100, two_bids, two_asks), BookOutcome::staled);
  EXPECT_EQ(book.best_bid(), nullptr);
  EXPECT_EQ(snapshot(book, 112, two_bids, two_asks), BookOutcome::applied);
  EXPECT_EQ(book.best_bid()->quantity, 11);
}

TEST(OrderBook, FindsAHoleByItselfWhenReadingBeginsAnywhere) {
  OrderBook book;
  snapshot(book, 100, two_bids, two_asks);
  ASSERT_EQ(ranged(book, 99, 101, 98, Continuity::restart, {{100, 2}}), BookOutcome::applied);
  EXPECT_EQ(ranged(book, 110, 111, 109, Continuity::continuous, {{100, 3}}), BookOutcome::staled);
  EXPECT_EQ(book.stale_reason(), StaleReason::gap);
  EXPECT_EQ(book.pending_count(), 1U);
  EXPECT_EQ(snapshot(book, 109, two_bids, two_asks), BookOutcome::applied);
  EXPECT_EQ(book.best_bid()->quantity, 3);
}

TEST(OrderBook, CrossedRangedBookRecoversFromASnapshotAroundTheFault) {
  OrderBook book;
  snapshot(book, 100, two_bids, two_asks);
  ASSERT_EQ(ranged(book, 99, 105, 98, Continuity::restart, {{103, 2}}), BookOutcome::staled);
  EXPECT_EQ(ranged(book, 106, 107, 105, Continuity::continuous, {{103, 0}}), BookOutcome::pended);
  EXPECT_EQ(snapshot(book, 104, two_bids, two_asks), BookOutcome::applied);
  EXPECT_EQ(book.best_bid()->price, 100);
}

TEST(OrderBook, PendingDeltasAreBoundedAndTheCheckerForgetsTheSameOnes) {
  OrderBook book;
  BinanceBookSequence sequence;
  const auto count = static_cast<std::int64_t>(pending_delta_limit) + 10;
  for (std::int64_t i = 0; i < count; ++i) {
    const Continuity found = sequence.delta(10 * i, 10 * i + 5, 10 * i - 5);
    ASSERT_EQ(found, Continuity::unchecked);
    ASSERT_EQ(
        ranged(book, 10 * i, 10 * i + 5, 10 * i - 5, found, {{100, static_cast<double>(i + 1)}}),
        BookOutcome::pended);
  }
  EXPECT_EQ(book.pending_count(), pending_delta_limit);
  EXPECT_EQ(book.counts().pending_dropped, 10U);
  EXPECT_EQ(sequence.snapshot(93),
            Continuity::stale);  // spanned by an event that is no longer kept
  EXPECT_EQ(snapshot(book, 93, two_bids, two_asks), BookOutcome::staled);
  EXPECT_EQ(sequence.snapshot(95), Continuity::restart);  // pu of the oldest kept
  EXPECT_EQ(snapshot(book, 95, two_bids, two_asks), BookOutcome::applied);
  EXPECT_EQ(book.best_bid()->quantity, static_cast<double>(count));
}

TEST(OrderBook, OkxAndBybitFollowTheirOwnIds) {
  OrderBook book;
  snapshot(book, 10, two_bids, two_asks, Continuity::restart, 400);
  Book ids;
  ids.last_id = 15;
  ids.previous_id = 10;
  EXPECT_EQ(apply(book, RecordType::book_delta, ids, Continuity::continuous, {{100, 8}}, {}),
            BookOutcome::applied);
  ids.previous_id = 15;  // keep-alive
  EXPECT_EQ(apply(book, RecordType::book_delta, ids, Continuity::continuous, {}, {}),
            BookOutcome::applied);
  ids.last_id = 3;  // reset
  EXPECT_EQ(apply(book, RecordType::book_delta, ids, Continuity::continuous, {}, {}),
            BookOutcome::applied);
  EXPECT_EQ(book.last_id(), 3);
  ids.previous_id = 7;
  EXPECT_EQ(apply(book, RecordType::book_delta, ids, Continuity::continuous, {}, {}),
            BookOutcome::staled);
  EXPECT_EQ(book.pending_count(),
            0U);  // a snapshot of these venues comes in order: nothing to keep
  snapshot(book, 900, two_bids, two_asks, Continuity::restart, 50);
  snapshot(book, 1, {{99, 1}}, two_asks, Continuity::restart,
           50);  // Bybit's restart: ids begin again
  EXPECT_EQ(book.best_bid()->price, 99);
}

// Bounds --------------------------------------------------------------------------------------

TEST(OrderBook, KeepsTheBestLevelsWithinItsLimitAndTellsHowFarItIsComplete) {
  OrderBook book(3);
  snapshot(book, unknown_id, {{100, 1}, {99, 1}, {98, 1}, {97, 1}}, {{101, 1}});
  ASSERT_EQ(book.bids().size(), 3U);
  EXPECT_EQ(book.bids().back().price, 98);
  EXPECT_EQ(book.bid_side().horizon(), 98);
  EXPECT_EQ(book.ask_side().horizon(),
            101);  // a whole-book snapshot says nothing beyond its last level
  EXPECT_EQ(plain(book, Continuity::continuous, {{100.5, 1}}), BookOutcome::applied);
  EXPECT_EQ(book.bids().front().price, 100.5);
  EXPECT_EQ(book.bids().back().price, 99);
  EXPECT_EQ(book.bid_side().horizon(), 99);
  EXPECT_EQ(book.bid_side().levels_dropped(), 2U);
  OrderBook window(50);
  snapshot(window, unknown_id, two_bids, two_asks, Continuity::restart,
           50);  // an exact window has no horizon
  EXPECT_EQ(window.bid_side().horizon(), -std::numeric_limits<double>::infinity());
}

// Brute force: std::map holds everything; the book must equal its best part.
template <class Map>
void expect_same(const Map& truth, const BookSide& side, bool is_bid, std::size_t limit,
                 bool may_be_cut) {
  const auto levels = side.levels();
  ASSERT_LE(levels.size(), limit);
  std::size_t i = 0;
  for (const auto& [price, quantity] : truth) {
    const bool is_beyond = is_bid ? price < side.horizon() : price > side.horizon();
    if (is_beyond) break;
    ASSERT_LT(i, levels.size());
    ASSERT_EQ(levels[i].price, price);
    ASSERT_EQ(levels[i].quantity, quantity);
    ++i;
  }
  if (!may_be_cut) {
    ASSERT_EQ(i, levels.size());
  }
  for (; i < levels.size(); ++i) {  // beyond the horizon: some are unknown, none is wrong
    const auto at = truth.find(levels[i].price);
    ASSERT_NE(at, truth.end());
    ASSERT_EQ(levels[i].quantity, at->second);
    if (i > 0) {
      ASSERT_EQ(levels[i - 1].price > levels[i].price, is_bid);
    }
  }
}

TEST(OrderBook, EqualsAMapUnderRandomChanges) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const std::size_t limit = seed % 4 == 0 ? 4000 : 1 + random() % 60;  // 4000: never reached
    const auto roll = [&](std::uint64_t sides) { return random() % sides; };
    OrderBook book(limit);
    std::map<double, double, std::greater<>> bids;
    std::map<double, double> asks;
    std::int64_t mid = 50'000;
    ASSERT_EQ(snapshot(book, unknown_id, {}, {}, Continuity::restart, 400), BookOutcome::applied);
    for (int step = 0; step < 3000; ++step) {
      mid += static_cast<std::int64_t>(roll(5)) - 2;
      Levels bid_changes;
      Levels ask_changes;
      const auto change = [&](auto& truth, Levels& changes, std::int64_t tick) {
        const double price = static_cast<double>(tick) * 0.1;
        const double quantity = roll(3) == 0 ? 0.0 : static_cast<double>(1 + roll(1000)) * 0.001;
        changes.push_back({price, quantity});
        if (quantity == 0) {
          truth.erase(price);
        } else {
          truth[price] = quantity;
        }
      };
      // Whatever the mid has passed must go first: an exchange's book never crosses.
      while (!bids.empty() && bids.begin()->first >= static_cast<double>(mid) * 0.1) {
        bid_changes.push_back({bids.begin()->first, 0});
        bids.erase(bids.begin());
      }
      while (!asks.empty() && asks.begin()->first <= static_cast<double>(mid) * 0.1) {
        ask_changes.push_back({asks.begin()->first, 0});
        asks.erase(asks.begin());
      }
      for (std::uint64_t i = roll(5); i > 0; --i)
        change(bids, bid_changes,
               mid - 1 - static_cast<std::int64_t>(roll(roll(4) == 0 ? 500 : 10)));
      for (std::uint64_t i = roll(5); i > 0; --i)
        change(asks, ask_changes,
               mid + 1 + static_cast<std::int64_t>(roll(roll(4) == 0 ? 500 : 10)));
      ASSERT_EQ(plain(book, Continuity::continuous, bid_changes, ask_changes),
                BookOutcome::applied);
      expect_same(bids, book.bid_side(), true, limit, limit < 4000);
      expect_same(asks, book.ask_side(), false, limit, limit < 4000);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(OrderBook, AllocatesNothingWhileLive) {
  if (!test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer has a malloc of its own";
  OrderBook book(50);
  std::mt19937_64 random(3);
  std::vector<testing::BookRecord> records;
  for (int i = 0; i < 500; ++i) {
    Levels bids;
    for (int n = 0; n < 10; ++n) {
      const double price = 100.0 - static_cast<double>(random() % 200) * 0.01;
      bids.push_back({price, static_cast<double>(random() % 3)});
    }
    Book ids;
    ids.continuity = static_cast<std::uint8_t>(Continuity::continuous);
    records.emplace_back(RecordType::book_delta, ids, bids, Levels{});
  }
  snapshot(book, unknown_id, two_bids, two_asks);
  const std::uint64_t before = test::malloc_count();
  for (const testing::BookRecord& record : records) book.apply(record.header());
  EXPECT_EQ(test::malloc_count(), before);
  EXPECT_EQ(book.counts().applied, 501U);
}

// Recordings ----------------------------------------------------------------------------------

double number(const nlohmann::json& text) { return std::stod(text.get<std::string>()); }

Levels levels_of(const nlohmann::json& side) {
  Levels levels;
  for (const auto& level : side) levels.push_back({number(level[0]), number(level[1])});
  return levels;
}

// Feeds one symbol's depth events and snapshot in order of receipt; wherever a depth event and a
// bookTicker carry the same update id, the venue's own ticker is the judge of the rebuilt touch.
class TickerOracle {
 public:
  void take(const nlohmann::json& data) {
    if (data.contains("lastUpdateId")) {
      const std::int64_t id = data["lastUpdateId"];
      const BookOutcome outcome = snapshot(book_, id, levels_of(data["bids"]),
                                           levels_of(data["asks"]), sequence_.snapshot(id));
      EXPECT_EQ(outcome, BookOutcome::applied);
    } else if (data["e"] == "depthUpdate") {
      const Continuity found = sequence_.delta(data["U"], data["u"], data["pu"]);
      const BookOutcome outcome = ranged(book_, data["U"], data["u"], data["pu"], found,
                                         levels_of(data["b"]), levels_of(data["a"]));
      EXPECT_NE(outcome, BookOutcome::staled);
      events_.insert(data["u"].get<std::int64_t>());
      if (outcome != BookOutcome::applied) return;
      ASSERT_TRUE(book_.best_bid() != nullptr && book_.best_ask() != nullptr);
      rebuilt_[data["u"]] = Touch{*book_.best_bid(), *book_.best_ask()};
    } else if (data["e"] == "bookTicker") {
      told_[data["u"]] = Touch{Level{number(data["b"]), number(data["B"])},
                               Level{number(data["a"]), number(data["A"])}};
    }
  }
  /// Compares at every update id that a depth event and a ticker share; none may be left out.
  /// @returns how many
  std::size_t compare() const {
    const auto is_told = [this](std::int64_t id) { return told_.contains(id); };
    const auto expected =
        static_cast<std::size_t>(std::count_if(events_.begin(), events_.end(), is_told));
    std::size_t pairs = 0;
    for (const auto& [id, touch] : rebuilt_) {
      const auto at = told_.find(id);
      if (at == told_.end()) continue;
      ++pairs;
      EXPECT_EQ(touch[0].price, at->second[0].price) << id;
      EXPECT_EQ(touch[0].quantity, at->second[0].quantity) << id;
      EXPECT_EQ(touch[1].price, at->second[1].price) << id;
      EXPECT_EQ(touch[1].quantity, at->second[1].quantity) << id;
    }
    EXPECT_EQ(pairs, expected);
    return pairs;
  }

 private:
  using Touch = std::array<Level, 2>;
  BinanceBookSequence sequence_;
  OrderBook book_{1000};
  std::set<std::int64_t> events_;
  std::map<std::int64_t, Touch> rebuilt_;
  std::map<std::int64_t, Touch> told_;
};

TEST(OrderBook, RebuiltBinanceTouchEqualsTheTickerOfTheSameUpdate) {
  PERP_REQUIRE_CAPTURES(dir);
  std::size_t pairs = 0;
  for (const char* name : {"btcusdt_2023-04-04", "btcusdt_2024-08-08", "ethusdt_2024-07-18"}) {
    TickerOracle oracle;
    for (const auto& message : read_messages(dir + "/binance/ws_combined_" + name + ".tsv"))
      oracle.take(message.json.contains("data") ? message.json["data"] : message.json);
    pairs += oracle.compare();
  }
  // The 2021 session is split by stream; the snapshots' receive times are in the captures'
  // SOURCES.md.
  std::vector<testing::RecordedMessage> messages;
  for (const char* name : {"ws_depth_2021-07.tsv", "ws_bookticker_2021-07.tsv"})
    for (auto& message : read_messages(dir + "/binance/" + name))
      messages.push_back({message.receive_s, message.json["data"]});
  const auto add_snapshot = [&](const std::string& file, const char* symbol, double receive_s) {
    auto json = read_messages(dir + "/binance/" + file).at(0).json;
    json["s"] = symbol;
    messages.push_back({receive_s, std::move(json)});
  };
  add_snapshot("rest_depth_sushiusdt_2021-07.json", "SUSHIUSDT", 1626992741.301402);
  add_snapshot("rest_depth_akrousdt_2021-07.json", "AKROUSDT", 1626992741.475372);
  std::stable_sort(messages.begin(), messages.end(),
                   [](const auto& a, const auto& b) { return a.receive_s < b.receive_s; });
  std::map<std::string, TickerOracle> oracles;
  for (const auto& message : messages) oracles[message.json["s"]].take(message.json);
  for (const auto& [symbol, oracle] : oracles) pairs += oracle.compare();
  EXPECT_EQ(oracles.size(), 2U);
  EXPECT_EQ(pairs, 310U + 108U + 281U + 12U +
                       7U);  // counted in the files by id alone, in the order read here
}

TEST(OrderBook, RecordedBybitWindowNeverExceedsItsDepthNorCrosses) {
  PERP_REQUIRE_CAPTURES(dir);
  for (const auto& [name, depth] : {std::pair{"ws_orderbook500_xrpusdt_2024-12-01", 500},
                                    {"ws_orderbook50_btcusdt_2026-03", 50}}) {
    BybitBookSequence sequence;
    OrderBook book(1000);
    std::map<double, double, std::greater<>> bids;
    std::map<double, double> asks;
    for (const auto& message : read_messages(dir + "/bybit/" + name + ".jsonl")) {
      const auto& data = message.json["data"];
      const bool is_snapshot = message.json["type"] == "snapshot";
      Book ids;
      ids.last_id = data["u"];
      ids.depth = static_cast<std::uint16_t>(depth);
      const Continuity found =
          is_snapshot ? sequence.snapshot(ids.last_id) : sequence.delta(ids.last_id);
      const Levels b = levels_of(data["b"]);
      const Levels a = levels_of(data["a"]);
      ASSERT_EQ(apply(book, is_snapshot ? RecordType::book_snapshot : RecordType::book_delta, ids,
                      found, b, a),
                BookOutcome::applied);
      const auto fold = [](auto& truth, const Levels& levels) {
        for (const Level& level : levels) {
          if (level.quantity == 0) {
            truth.erase(level.price);
          } else {
            truth[level.price] = level.quantity;
          }
        }
      };
      if (is_snapshot) bids.clear(), asks.clear();
      fold(bids, b);
      fold(asks, a);
      expect_same(bids, book.bid_side(), true, static_cast<std::size_t>(depth), false);
      expect_same(asks, book.ask_side(), false, static_cast<std::size_t>(depth), false);
    }
  }
}

// At every step of a random life, waiting with deltas included: the image gives a book that is the
// same and goes on the same.
TEST(OrderBook, GoesOnFromItsImageAsIfNothingHadHappened) {
  const auto image_of = [](const OrderBook& book) {
    std::vector<std::byte> image;
    book.save(image);
    return image;
  };
  std::mt19937_64 random(23);
  OrderBook book(20);
  OrderBook follower(20);
  std::int64_t id = 100;
  std::size_t waiting = 0;
  for (int step = 0; step < 3000; ++step) {
    const std::uint64_t kind = random() % 40;
    Levels bids;
    Levels asks;
    for (std::uint64_t n = 1 + random() % 8; n > 0; --n) {
      bids.push_back(
          {100 - static_cast<double>(random() % 60) / 4, static_cast<double>(random() % 4)});
      asks.push_back(
          {101 + static_cast<double>(random() % 60) / 4, static_cast<double>(random() % 4)});
    }
    const auto act = [&](OrderBook& one) {
      if (kind == 0)
        one.invalidate(StaleReason::gap);
      else if (kind == 1)
        snapshot(one, id, bids, asks);
      else
        ranged(one, id + 1, id + 2, id, Continuity::continuous, bids, asks);
    };
    act(book);
    act(follower);
    if (kind > 1) id += 2;
    waiting += book.pending_count();
    const std::vector<std::byte> image = image_of(book);
    ASSERT_EQ(image_of(follower), image) << step;
    OrderBook loaded(20);
    std::span<const std::byte> rest = image;
    ASSERT_TRUE(loaded.load(rest)) << step;
    ASSERT_TRUE(rest.empty());
    ASSERT_EQ(image_of(loaded), image) << step;
    follower = std::move(loaded);
    ASSERT_EQ(follower.is_live(), book.is_live());
    ASSERT_EQ(follower.bids().size(), book.bids().size());
    for (std::size_t i = 0; i < book.bids().size(); ++i)
      ASSERT_EQ(follower.bids()[i].price, book.bids()[i].price);
  }
  EXPECT_GT(waiting, 100U);
}

TEST(OrderBook, RefusesAnImageThatIsNone) {
  OrderBook book;
  snapshot(book, 5, two_bids, two_asks);
  std::vector<std::byte> image;
  book.save(image);
  for (std::size_t size = 0; size < image.size(); ++size) {
    std::span<const std::byte> cut = std::span(image).first(size);
    EXPECT_FALSE(OrderBook().load(cut)) << size;
  }
  std::memset(image.data(), 0xff, sizeof(std::uint64_t));  // more levels than there are bytes
  std::span<const std::byte> rest = image;
  EXPECT_FALSE(OrderBook().load(rest));
  image.clear();
  book.save(image);
  rest = image;
  EXPECT_FALSE(OrderBook(1).load(rest)) << "of a book with more room";
}

}  // namespace
}  // namespace perp::market
