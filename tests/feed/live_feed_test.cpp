// Goal: a live feed tells the truth about what it saw. Method: a small venue on loopback that sends
// only what the test says, in the same thread; what comes out of the ring is held against what the
// venue knows that it sent.
#include "feed/fake_binance.hpp"

#include <perp/core/error.hpp>
#include <perp/feed/live_feed.hpp>
#include <perp/market/order_book.hpp>
#include <perp/market/record_text.hpp>
#include <perp/venue/registry.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace perp::feed {
namespace {

namespace fs = std::filesystem;
using market::FeedState;
using market::RecordType;
using venue::StreamKind;

struct Taken {
  market::RecordHeader header;
  std::vector<std::byte> bytes;

  template <class Payload>
  const Payload& as() const {
    return market::payload<Payload>(*reinterpret_cast<const market::RecordHeader*>(bytes.data()));
  }
};

class LiveFeedTest : public ::testing::Test {
 protected:
  LiveFeedTest() : loop_({.engine = net::IoEngine::epoll}), venue_(loop_), ring_(1 << 22) {
    std::string name = (fs::temp_directory_path() / "perp-feed-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    options_.venue = market::VenueId::binance;
    options_.symbols = {"BTC"};
    options_.kinds = venue::kinds_of(StreamKind::trades, StreamKind::book, StreamKind::mark_price);
    options_.ledger_folder = folder_;
    options_.loop.engine = net::IoEngine::epoll;
    options_.seed = 1;
  }
  ~LiveFeedTest() override {
    feed_.reset();
    fs::remove_all(folder_);
  }

  void start() {
    options_.websocket_origin = venue_.websocket_origin();
    options_.rest_origin = venue_.rest_origin();
    feed_.emplace(
        options_, ring_, [this] { drain(); },
        [this](core::LogLevel level, const std::string& line) {
          log_.push_back(fmt::format("{}: {}", core::name_of(level), line));
        });
  }

  void drain() {
    for (auto run = ring_.peek(); !run.empty(); run = ring_.peek()) {
      venue::for_each_record(run, [&](const market::RecordHeader& header) {
        if (header.type == RecordType::padding) return;
        const auto* begin = reinterpret_cast<const std::byte*>(&header);
        records_.push_back({header, {begin, begin + header.size}});
      });
      ring_.release(run.size());
    }
  }

  /// Runs venue and feed until it holds; 20 s are a failure, never a verdict on speed.
  [[nodiscard]] bool until(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < deadline) {
      loop_.run_once(0);
      feed_->do_work();
      drain();
      if (holds()) return true;
    }
    for (const std::string& line : log_) ADD_FAILURE() << line;
    return false;
  }
  [[nodiscard]] bool until_live() {
    return until([this] {
      return feed_->status().is_live && venue_.clients_of("btcusdt@aggTrade").size() == 1 &&
             venue_.clients_of("btcusdt@depth@100ms").size() == 1;
    });
  }

  std::vector<Taken> of(RecordType type) const {
    std::vector<Taken> found;
    for (const Taken& record : records_)
      if (record.header.type == type) found.push_back(record);
    return found;
  }
  std::vector<std::int64_t> trade_ids(std::uint8_t flags_mask, std::uint8_t flags) const {
    std::vector<std::int64_t> ids;
    for (const Taken& record : of(RecordType::trade))
      if ((record.header.flags & flags_mask) == flags)
        ids.push_back(record.as<market::Trade>().trade_id);
    return ids;
  }
  bool has_status(FeedState state, RecordType stream) const {
    const auto all = of(RecordType::feed_status);
    return std::any_of(all.begin(), all.end(), [&](const Taken& record) {
      return record.as<market::FeedStatus>().state == state &&
             record.as<market::FeedStatus>().stream == stream;
    });
  }

  bool has_told(const std::string& text) const {
    return std::any_of(log_.begin(), log_.end(), [&](const std::string& line) {
      return line.find(text) != std::string::npos;
    });
  }

  net::Loop loop_;
  test::FakeBinance venue_;
  core::RecordRing ring_;
  LiveFeedOptions options_;
  std::string folder_;
  std::vector<Taken> records_;
  std::vector<std::string> log_;
  std::optional<LiveFeed> feed_;
};

TEST_F(LiveFeedTest, AsksEachPathForItsOwnTopicsAndBecomesLive) {
  start();
  ASSERT_TRUE(until_live());
  ASSERT_EQ(venue_.client_count(), 2u);
  for (auto& [number, client] : venue_.clients())
    EXPECT_EQ(client.topics,
              client.path == "/public/stream"
                  ? std::set<std::string>({"btcusdt@depth@100ms"})
                  : std::set<std::string>({"btcusdt@aggTrade", "btcusdt@markPrice@1s"}))
        << client.path;
  EXPECT_TRUE(has_status(FeedState::live, RecordType::trade));
  EXPECT_TRUE(has_status(FeedState::live, RecordType::book_delta));
  EXPECT_TRUE(has_status(FeedState::live, RecordType::mark_price));
  EXPECT_EQ(feed_->status().symbols, 1u);
}

TEST_F(LiveFeedTest, DataOfASubscriptionComesOutDecodedAndStamped) {
  start();
  ASSERT_TRUE(until_live());
  venue_.trade(1, 101);
  venue_.trade(2, 102);
  ASSERT_TRUE(until([&] { return of(RecordType::trade).size() == 2; }));
  EXPECT_EQ(trade_ids(0, 0), (std::vector<std::int64_t>{1, 2}));
  const Taken trade = of(RecordType::trade).front();
  EXPECT_EQ(trade.as<market::Trade>().price, 101);
  EXPECT_EQ(trade.header.exchange_ns, test::FakeBinance::time_of(1) * 1'000'000);
  EXPECT_LT(std::abs(trade.header.receive_ns - core::wall_now().ns), 20 * core::ns_per_second);
}

TEST_F(LiveFeedTest, LatencyIsToldPerKindAndANegativeOneIsAValue) {
  start();
  ASSERT_TRUE(until_live());
  const std::int64_t now_ms = core::wall_now().ns / core::ns_per_ms;
  for (int i = 0; i < 10; ++i) venue_.mark(now_ms - 1000 + i);
  venue_.mark(now_ms + 3'600'000);  // a clock an hour ahead
  ASSERT_TRUE(until([&] { return of(RecordType::mark_price).size() == 11; }));
  ASSERT_TRUE(until([&] { return !feed_->status().latencies.empty(); }));
  const LiveFeedStatus status = feed_->status();
  const auto find = [&](LatencySpan span) {
    return std::find_if(status.latencies.begin(), status.latencies.end(),
                        [&](const LatencyStatus& latency) {
                          return latency.type == RecordType::mark_price && latency.span == span;
                        });
  };
  const auto marks = find(LatencySpan::match_to_receive);
  ASSERT_NE(marks, status.latencies.end());
  // One message of a kind in eight, the first one and the ninth.
  for (const LatencySpan span : {LatencySpan::send_to_receive, LatencySpan::receive_to_decoded,
                                 LatencySpan::receive_to_published}) {
    const auto found = find(span);
    ASSERT_NE(found, status.latencies.end()) << name_of(span);
    EXPECT_EQ(found->count, 2u) << name_of(span);
    EXPECT_LT(found->max_ns, 21 * core::ns_per_second) << name_of(span);
  }
  EXPECT_GE(find(LatencySpan::send_to_receive)->p50_ns, 990 * core::ns_per_ms);
  EXPECT_LE(find(LatencySpan::receive_to_decoded)->max_ns,
            find(LatencySpan::receive_to_published)->max_ns);
  EXPECT_EQ(marks->count, 11u);
  EXPECT_EQ(marks->negative, 1u);
  EXPECT_GE(marks->p50_ns, 990 * core::ns_per_ms);
  EXPECT_LT(marks->p50_ns, 21 * core::ns_per_second);
}

TEST_F(LiveFeedTest, RecentLatencyIsOfTheLastWindowAlone) {
  options_.latency_window_ns = 300 * core::ns_per_ms;
  start();
  ASSERT_TRUE(until_live());
  const auto recent = [&]() -> std::optional<LatencyStatus> {
    for (const LatencyStatus& one : feed_->status().recent)
      if (one.type == RecordType::mark_price && one.span == LatencySpan::match_to_receive)
        return one;
    return std::nullopt;
  };
  venue_.mark(core::wall_now().ns / core::ns_per_ms - 100'000);
  ASSERT_TRUE(until([&] { return recent().has_value(); }));
  EXPECT_EQ(recent()->count, 1u);
  EXPECT_GE(recent()->p99_ns, 99 * core::ns_per_second);
  ASSERT_TRUE(until([&] { return !recent(); }));  // a window without any
  venue_.mark(core::wall_now().ns / core::ns_per_ms);
  ASSERT_TRUE(until([&] { return recent().has_value(); }));
  EXPECT_EQ(recent()->count, 1u);
  EXPECT_LT(recent()->max_ns, 60 * core::ns_per_second);
}

TEST_F(LiveFeedTest, ABookIsJoinedToASnapshotAndAgainAfterALostStep) {
  start();
  ASSERT_TRUE(until_live());
  const auto snapshots = [&] { return of(RecordType::book_snapshot).size(); };
  venue_.depth(990, 1005, 980);
  ASSERT_TRUE(until([&] { return snapshots() == 1; }));
  venue_.depth(1006, 1010, 1005);
  ASSERT_TRUE(until([&] { return of(RecordType::book_delta).size() == 2; }));
  EXPECT_EQ(of(RecordType::book_delta)[1].as<market::Book>().continuity,
            static_cast<std::uint8_t>(market::Continuity::restart));
  EXPECT_TRUE(of(RecordType::gap).empty());

  venue_.book_id = 2020;
  venue_.depth(2000, 2010, 1999);  // pu is not 1010
  ASSERT_TRUE(until([&] { return snapshots() == 2; }));
  const auto gaps = of(RecordType::gap);
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_EQ(gaps[0].as<market::Gap>().cause, market::GapCause::sequence);
  EXPECT_TRUE(has_told("warn: binance: book_delta of BTCUSDT has a hole: its ids do not follow"));
  venue_.depth(2011, 2030, 2010);
  ASSERT_TRUE(until([&] { return of(RecordType::book_delta).size() == 4; }));
  EXPECT_EQ(of(RecordType::book_delta)[3].as<market::Book>().continuity,
            static_cast<std::uint8_t>(market::Continuity::restart));
}

// The market moves towards the end of what the snapshot told. The snapshot that is asked for then
// is older than the stream when it comes, and the book has its depth again without having been
// away.
TEST_F(LiveFeedTest, ABookIsAskedForAgainOnceItsDepthIsGone) {
  options_.haste = 100;  // five minutes in three seconds
  start();
  ASSERT_TRUE(until_live());
  const auto asked = [&] {
    return std::count_if(
        venue_.requests.begin(), venue_.requests.end(),
        [](const std::string& target) { return target.starts_with("/fapi/v1/depth"); });
  };
  venue_.depth(990, 1005, 980);  // 99 to 101
  ASSERT_TRUE(until([&] { return of(RecordType::book_snapshot).size() == 1; }));
  venue_.depth(1006, 1010, 1005);
  venue_.trade(1, 100);
  ASSERT_TRUE(until([&] { return of(RecordType::book_delta).size() == 2; }));
  ASSERT_TRUE(until([&] { return of(RecordType::trade).size() == 1; }));
  EXPECT_EQ(feed_->status().books_refreshed, 0u);

  venue_.holds_books = true;
  venue_.trade(2, 101.5);  // of 2 % above, half a per cent is left
  ASSERT_TRUE(until([&] { return asked() == 2; }));
  venue_.book_asks = R"(["102.0","3.000"],["107.0","4.000"])";
  venue_.book_id = 1012;
  venue_.depth(1011, 1015, 1010);
  venue_.depth(1016, 1020, 1015);
  ASSERT_TRUE(until([&] { return of(RecordType::book_delta).size() == 4; }));
  venue_.answer_books();
  ASSERT_TRUE(until([&] { return of(RecordType::book_snapshot).size() == 2; }));
  EXPECT_EQ(of(RecordType::book_snapshot)[1].as<market::Book>().last_id, 1020);
  venue_.depth(1021, 1022, 1020);
  ASSERT_TRUE(until([&] { return of(RecordType::book_delta).size() == 5; }));
  EXPECT_EQ(asked(), 2);
  ASSERT_TRUE(until([&] { return feed_->status().books_refreshed == 1; }));
  market::OrderBook book;
  for (const Taken& record : records_)
    book.apply(*reinterpret_cast<const market::RecordHeader*>(record.bytes.data()));
  ASSERT_TRUE(book.is_live());
  EXPECT_EQ(book.counts().gaps, 0u);
  EXPECT_EQ(book.last_id(), 1022);
  EXPECT_EQ(book.ask_side().horizon(), 107);
  ASSERT_EQ(book.asks().size(), 3u);  // the stream's 101 among them
  EXPECT_EQ(book.asks()[1].quantity, 3);
  // The mark price's stream has been silent for long, at this haste.
  for (const Taken& gap : of(RecordType::gap))
    EXPECT_NE(gap.as<market::Gap>().stream, RecordType::book_delta);
  EXPECT_FALSE(has_status(FeedState::stale, RecordType::book_delta));
}

TEST_F(LiveFeedTest, WhatACutTookIsToldAndFetchedOnce) {
  options_.haste = 100;  // the first wait is up to a second
  start();
  ASSERT_TRUE(until_live());
  for (std::int64_t id = 1; id <= 5; ++id) venue_.trade(id);
  ASSERT_TRUE(until([&] { return of(RecordType::trade).size() == 5; }));
  venue_.cut("btcusdt@aggTrade");
  for (std::int64_t id = 6; id <= 9; ++id) venue_.trade(id);  // nobody hears them
  ASSERT_TRUE(until([&] { return feed_->status().losses == 1; }));
  EXPECT_TRUE(has_status(FeedState::reconnecting, RecordType::trade));
  EXPECT_FALSE(has_status(FeedState::reconnecting, RecordType::book_delta));
  ASSERT_TRUE(until_live());
  venue_.trade(10);
  venue_.trade(11);
  ASSERT_TRUE(until([&] { return of(RecordType::trade).size() == 11; }));
  EXPECT_EQ(trade_ids(market::flag_backfill, 0),
            (std::vector<std::int64_t>{1, 2, 3, 4, 5, 10, 11}));
  EXPECT_EQ(trade_ids(market::flag_backfill, market::flag_backfill),
            (std::vector<std::int64_t>{6, 7, 8, 9}));
  const auto gaps = of(RecordType::gap);
  const auto disconnect = std::find_if(gaps.begin(), gaps.end(), [](const Taken& record) {
    return record.as<market::Gap>().cause == market::GapCause::disconnect &&
           record.as<market::Gap>().stream == RecordType::trade;
  });
  EXPECT_TRUE(has_told("warn: binance connection 2 (market): lost: "));
  ASSERT_NE(disconnect, gaps.end());
  EXPECT_LT(disconnect->as<market::Gap>().from_ns, disconnect->as<market::Gap>().to_ns);
  EXPECT_EQ(of(RecordType::trade).size(), 11u);
}

TEST_F(LiveFeedTest, AHoleBeginsAtTheLastEventHoweverLateItWasRead) {
  options_.haste = 100;
  start();
  ASSERT_TRUE(until_live());
  const auto hole_behind = [&](std::int64_t id, std::int64_t matched_ms) {
    const std::size_t before = of(RecordType::gap).size();
    std::string text = test::FakeBinance::trade_text(id, 100);
    const std::string time = std::to_string(test::FakeBinance::time_of(id));
    text.replace(text.rfind(time), time.size(), std::to_string(matched_ms));
    venue_.push("btcusdt@aggTrade", text);
    EXPECT_TRUE(until([&] { return trade_ids(0, 0).back() == id; }));
    venue_.cut("btcusdt@aggTrade");
    EXPECT_TRUE(until([&] { return of(RecordType::gap).size() > before; }));
    EXPECT_TRUE(until_live());
    return of(RecordType::gap)[before].as<market::Gap>().from_ns;
  };
  venue_.trade(1);
  ASSERT_TRUE(until([&] { return of(RecordType::trade).size() == 1; }));
  const std::int64_t late_ms = core::wall_now().ns / core::ns_per_ms - 5'000;
  EXPECT_EQ(hole_behind(2, late_ms), late_ms * core::ns_per_ms);
  // A clock that is ahead of ours, and one that lies: no hole of a year.
  const std::int64_t receipt = of(RecordType::trade).back().header.receive_ns;
  EXPECT_GT(hole_behind(3, late_ms + 3'600'000), receipt);
  const std::int64_t from = hole_behind(4, late_ms - 86'400'000);
  EXPECT_EQ(from, of(RecordType::trade).back().header.receive_ns - core::ns_per_minute);
}

TEST_F(LiveFeedTest, AHoleThatIsOpenAsWeStopIsTold) {
  start();
  ASSERT_TRUE(until_live());
  venue_.trade(1);
  ASSERT_TRUE(until([&] { return of(RecordType::trade).size() == 1; }));
  venue_.stop_answering();
  venue_.cut("btcusdt@aggTrade");
  ASSERT_TRUE(until([&] { return feed_->status().losses == 1; }));
  EXPECT_TRUE(of(RecordType::gap).empty());
  feed_->request_stop();
  ASSERT_TRUE(until([&] { return feed_->is_stopped(); }));
  drain();
  const auto gaps = of(RecordType::gap);
  EXPECT_EQ(std::count_if(gaps.begin(), gaps.end(),
                          [](const Taken& record) {
                            return record.as<market::Gap>().stream == RecordType::trade &&
                                   record.as<market::Gap>().cause == market::GapCause::disconnect;
                          }),
            1);
}

TEST_F(LiveFeedTest, AHalfOpenConnectionIsGivenUp) {
  options_.haste = 50;
  start();
  ASSERT_TRUE(until_live());
  // It stays open, sends nothing and hears nothing: not even a ping.
  for (test::FakeBinance::Client* client : venue_.clients_of("btcusdt@aggTrade"))
    client->connection->pause_receiving();
  ASSERT_TRUE(until([&] { return feed_->status().losses == 1; }));
  const LiveFeedStatus status = feed_->status();
  EXPECT_TRUE(std::any_of(
      status.connections.begin(), status.connections.end(), [](const ConnectionStatus& connection) {
        return connection.last_end == "no answer to a ping" && connection.socket == "market";
      }));
  EXPECT_TRUE(has_status(FeedState::reconnecting, RecordType::trade));
}

TEST_F(LiveFeedTest, AcknowledgedAndSilentIsFoundAndAskedForAgain) {
  options_.haste = 100;
  start();
  ASSERT_TRUE(until_live());
  // Marks come each second: 10 s without one is broken, here a hundredth of that.
  std::int64_t at_ms = 1'790'000'000'000;
  venue_.mark(at_ms);
  ASSERT_TRUE(until([&] { return of(RecordType::mark_price).size() == 1; }));
  ASSERT_TRUE(until([&] {
    venue_.trade(static_cast<std::int64_t>(venue_.trades.size()) + 1);  // the socket is alive
    return has_status(FeedState::stale, RecordType::mark_price);
  }));
  ASSERT_TRUE(until([&] { return feed_->status().resubscribed > 0; }));
  EXPECT_EQ(feed_->status().losses, 0u);
  venue_.mark(at_ms + 1000);
  ASSERT_TRUE(until([&] {
    const auto gaps = of(RecordType::gap);
    return std::any_of(gaps.begin(), gaps.end(), [](const Taken& record) {
      return record.as<market::Gap>().cause == market::GapCause::silence &&
             record.as<market::Gap>().stream == RecordType::mark_price;
    });
  }));
}

TEST_F(LiveFeedTest, AConnectionIsReplacedBeforeItsCutWithoutLossOrRepeat) {
  options_.haste = 40'000;  // 23 hours in 2 seconds
  options_.kinds = venue::kinds_of(StreamKind::trades, StreamKind::mark_price);
  start();
  ASSERT_TRUE(until([&] { return venue_.clients_of("btcusdt@aggTrade").size() == 1; }));
  std::int64_t id = 0;
  std::int64_t at_ms = 1'790'000'000'000;
  bool was_doubled = false;
  ASSERT_TRUE(until([&] {
    venue_.trade(++id);
    venue_.mark(++at_ms);
    was_doubled |= venue_.clients_of("btcusdt@aggTrade").size() == 2;
    return feed_->status().roll_overs >= 2;
  }));
  EXPECT_TRUE(was_doubled);
  EXPECT_EQ(feed_->status().losses, 0u);
  EXPECT_GT(feed_->status().overlap_duplicates, 0u);
  ASSERT_TRUE(until([&] {
    const auto ids = trade_ids(0, 0);
    return !ids.empty() && ids.back() == id;
  }));
  const auto ids = trade_ids(0, 0);
  for (std::size_t i = 1; i < ids.size(); ++i) ASSERT_EQ(ids[i], ids[i - 1] + 1);
  std::int64_t previous = 0;
  for (const Taken& record : of(RecordType::mark_price)) {
    if (previous != 0) {
      ASSERT_EQ(record.header.exchange_ns, previous + 1'000'000);
    }
    previous = record.header.exchange_ns;
  }
}

TEST_F(LiveFeedTest, AReplacementThatIsNeverAnsweredIsGivenUpAndTheOldOneGoesOn) {
  options_.haste = 40'000;
  options_.kinds = venue::kinds_of(StreamKind::trades);
  venue_.clients_answered_max = 1;
  start();
  ASSERT_TRUE(until([&] { return venue_.clients_of("btcusdt@aggTrade").size() == 1; }));
  std::int64_t id = 0;
  ASSERT_TRUE(until([&] {
    venue_.trade(++id);
    return has_told("its replacement is given up");
  }));
  const std::int64_t then = id;
  venue_.trade(++id);
  ASSERT_TRUE(until([&] { return trade_ids(0, 0).back() == id; }));
  EXPECT_EQ(feed_->status().losses, 0u);
  EXPECT_EQ(feed_->status().roll_overs, 0u);
  const auto ids = trade_ids(0, 0);
  for (std::size_t i = 1; i < ids.size(); ++i) ASSERT_EQ(ids[i], ids[i - 1] + 1);
  EXPECT_EQ(ids.back(), then + 1);
}

TEST_F(LiveFeedTest, ANewContractIsAddedAndADelistedOneGivenBack) {
  options_.symbols = {};
  options_.haste = 10'000;  // the list is renewed each hour
  start();
  ASSERT_TRUE(until([&] { return venue_.clients_of("ethusdt@aggTrade").size() == 1; }));
  venue_.listed.push_back("SOLUSDT");
  venue_.status_break.insert("ETHUSDT");
  ASSERT_TRUE(until([&] {
    return venue_.clients_of("solusdt@aggTrade").size() == 1 &&
           venue_.clients_of("ethusdt@aggTrade").empty();
  }));
  EXPECT_EQ(venue_.clients_of("btcusdt@aggTrade").size(), 1u);
}

TEST_F(LiveFeedTest, AWishAddsAndGivesBackWithoutTouchingTheRest) {
  start();
  ASSERT_TRUE(until_live());
  std::set<std::uint64_t> before;
  for (auto& [number, client] : venue_.clients()) before.insert(number);
  std::int64_t id = 0;
  const auto until_trading = [&](const std::function<bool()>& holds) {
    return until([&] {
      venue_.trade(++id);
      return holds();
    });
  };
  const auto is_subscribed = [&](const char* topic) {
    return venue_.clients_of(topic).size() == 1;
  };
  feed_->want({"BTC", "ETHUSDT"}, options_.kinds);
  ASSERT_TRUE(until_trading([&] {
    return is_subscribed("ethusdt@aggTrade") && is_subscribed("ethusdt@depth@100ms") &&
           feed_->status().symbols == 2;
  }));
  // Another kind, and one less: only what differs is asked for.
  feed_->want({"BTC", "ETHUSDT"}, venue::kinds_of(StreamKind::trades, StreamKind::ticker));
  ASSERT_TRUE(until_trading([&] {
    return is_subscribed("ethusdt@ticker") && is_subscribed("btcusdt@ticker") &&
           venue_.clients_of("btcusdt@markPrice@1s").empty();
  }));
  EXPECT_TRUE(has_status(FeedState::down, RecordType::mark_price));
  EXPECT_FALSE(has_status(FeedState::down, RecordType::trade));
  feed_->want({"BTC"}, venue::kinds_of(StreamKind::trades, StreamKind::ticker));
  ASSERT_TRUE(until_trading([&] {
    return venue_.clients_of("ethusdt@aggTrade").empty() &&
           venue_.clients_of("ethusdt@ticker").empty() && feed_->status().symbols == 1;
  }));
  EXPECT_TRUE(has_status(FeedState::down, RecordType::trade));
  ASSERT_TRUE(until([&] { return trade_ids(0, 0).size() == static_cast<std::size_t>(id); }));
  const auto ids = trade_ids(0, 0);
  for (std::size_t i = 0; i < ids.size(); ++i) ASSERT_EQ(ids[i], static_cast<std::int64_t>(i) + 1);
  EXPECT_EQ(feed_->status().losses, 0u);
  EXPECT_TRUE(of(RecordType::gap).empty());
  // What carried books alone has nothing to carry any more.
  ASSERT_TRUE(until([&] { return venue_.client_count() == 1; }));
  EXPECT_TRUE(before.contains(venue_.clients().begin()->first)) << "it was never dialled anew";
  for (auto& [number, client] : venue_.clients())
    EXPECT_EQ(client.topics, std::set<std::string>({"btcusdt@aggTrade", "btcusdt@ticker"}));
}

TEST_F(LiveFeedTest, WhatWasGivenBackAndIsWantedAgainBeginsAnew) {
  options_.symbols = {"BTC", "ETH"};
  start();
  ASSERT_TRUE(until_live());
  venue_.trade(1);
  ASSERT_TRUE(until([&] { return of(RecordType::trade).size() == 1; }));
  feed_->want({"ETH"}, options_.kinds);
  ASSERT_TRUE(until([&] { return venue_.clients_of("btcusdt@aggTrade").empty(); }));
  for (std::int64_t id = 2; id <= 5; ++id) venue_.trade(id);  // nobody asked for them
  feed_->want({"BTC", "ETH"}, options_.kinds);
  ASSERT_TRUE(until([&] { return venue_.clients_of("btcusdt@aggTrade").size() == 1; }));
  const auto btc = of(RecordType::trade).front().header.instrument;
  const auto lives = [&] {
    const auto all = of(RecordType::feed_status);
    return std::count_if(all.begin(), all.end(), [&](const Taken& record) {
      return record.header.instrument == btc &&
             record.as<market::FeedStatus>().stream == RecordType::trade &&
             record.as<market::FeedStatus>().state == FeedState::live;
    });
  };
  ASSERT_TRUE(until([&] { return lives() == 2; }));
  venue_.trade(6);
  ASSERT_TRUE(until([&] { return of(RecordType::trade).size() == 2; }));
  EXPECT_EQ(trade_ids(0, 0), (std::vector<std::int64_t>{1, 6}));
  for (const Taken& gap : of(RecordType::gap))
    EXPECT_NE(gap.as<market::Gap>().cause, market::GapCause::disconnect)
        << "what was not wanted is no hole";
}

TEST_F(LiveFeedTest, AWishBeforeTheInstrumentsOrDuringAReplacementIsTaken) {
  options_.haste = 40'000;
  options_.kinds = venue::kinds_of(StreamKind::trades);
  start();
  feed_->want({"BTC", "ETH"}, options_.kinds);
  ASSERT_TRUE(until([&] { return venue_.clients_of("ethusdt@aggTrade").size() == 1; }));
  std::int64_t id = 0;
  int overlaps = 0;
  bool are_two = false;
  ASSERT_TRUE(until([&] {
    venue_.trade(++id);
    // Both connections speak: one contract less, at the next replacement it is there again.
    if (!std::exchange(are_two, venue_.client_count() == 2) && are_two)
      feed_->want(++overlaps % 2 == 1 ? std::vector<std::string>{"BTC"}
                                      : std::vector<std::string>{"BTC", "ETH"},
                  options_.kinds);
    return feed_->status().roll_overs >= 3;
  }));
  EXPECT_GE(overlaps, 3);
  EXPECT_EQ(feed_->status().losses, 0u);
  feed_->want({"BTC"}, options_.kinds);
  ASSERT_TRUE(until(
      [&] { return venue_.client_count() == 1 && venue_.clients_of("ethusdt@aggTrade").empty(); }));
  ASSERT_TRUE(until([&] { return !trade_ids(0, 0).empty() && trade_ids(0, 0).back() == id; }));
  const auto ids = trade_ids(0, 0);
  for (std::size_t i = 1; i < ids.size(); ++i) ASSERT_EQ(ids[i], ids[i - 1] + 1);
}

TEST_F(LiveFeedTest, WhatALostReplacementBroughtFirstIsNotTakenAgainFromTheOldOne) {
  options_.haste = 40'000;
  options_.kinds = venue::kinds_of(StreamKind::trades);
  venue_.clients_answered_max = 1;
  start();
  ASSERT_TRUE(until([&] { return venue_.clients_of("btcusdt@aggTrade").size() == 1; }));
  venue_.trade(1);
  ASSERT_TRUE(until([&] { return trade_ids(0, 0).size() == 1; }));
  const auto say = [&](test::FakeBinance::Client* client, std::int64_t id) {
    return client->connection->send_text(R"({"stream":"btcusdt@aggTrade","data":)" +
                                         test::FakeBinance::trade_text(id, 100) + "}");
  };
  ASSERT_TRUE(until([&] { return venue_.clients_of("btcusdt@aggTrade").size() == 2; }));
  const auto both = venue_.clients_of("btcusdt@aggTrade");
  // The replacement is the faster one, and is lost.
  ASSERT_TRUE(say(both[1], 2));
  ASSERT_TRUE(until([&] { return trade_ids(0, 0).size() == 2; }));
  both[1]->connection->abort();
  ASSERT_TRUE(until(
      [&] { return has_told("warn: binance connection 1 (market): its replacement was lost"); }));
  ASSERT_TRUE(say(both[0], 2));
  ASSERT_TRUE(say(both[0], 3));
  ASSERT_TRUE(until([&] { return trade_ids(0, 0).back() == 3; }));
  EXPECT_EQ(trade_ids(0, 0), (std::vector<std::int64_t>{1, 2, 3}));
  EXPECT_EQ(feed_->status().losses, 0u);
}

/// The venue, dialled by token as KuCoin's is.
const venue::Adapter& token_venue() {
  static constexpr venue::TokenStep step{
      .method = "POST",
      .target = "/api/v1/token",
      .read = [](std::string_view body, std::uint64_t connect_id, venue::TokenReply& said) {
        const auto reply = nlohmann::json::parse(body, nullptr, false);
        if (!reply.is_object() || !reply.contains("data")) return false;
        const auto& server = reply["data"]["instanceServers"][0];
        said.url = fmt::format("{}?token={}&connectId={}", server["endpoint"].get<std::string>(),
                               reply["data"]["token"].get<std::string>(), connect_id);
        said.ping_interval_ns = server["pingInterval"].get<std::int64_t>() * core::ns_per_ms;
        return true;
      }};
  static const std::vector<venue::Socket> sockets = [] {
    const auto own = venue::find_adapter(market::VenueId::binance)->connect->sockets;
    std::vector<venue::Socket> made(own.begin(), own.end());
    for (venue::Socket& socket : made) {
      socket.token = &step;
      socket.ping = {.interval_ns = core::ns_per_hour, .text = R"({"id":"1","type":"ping"})"};
    }
    return made;
  }();
  static const venue::Connect connect = [] {
    venue::Connect made = *venue::find_adapter(market::VenueId::binance)->connect;
    made.sockets = sockets;
    return made;
  }();
  static const venue::Adapter adapter = [] {
    venue::Adapter made = *venue::find_adapter(market::VenueId::binance);
    made.connect = &connect;
    return made;
  }();
  return adapter;
}

TEST_F(LiveFeedTest, EachDialHasATokenOfItsOwn) {
  options_.adapter = &token_venue();
  options_.kinds = venue::kinds_of(StreamKind::trades);
  options_.haste = 100;
  venue_.tokens_failed = 2;
  start();
  const auto is_dialled_with = [&](const std::string& token) {
    const auto clients = venue_.clients_of("btcusdt@aggTrade");
    return clients.size() == 1 &&
           clients[0]->path.starts_with("/market/stream?token=" + token + "&connectId=");
  };
  ASSERT_TRUE(until([&] { return is_dialled_with("1") && feed_->status().is_live; }));
  const std::string first = venue_.clients().begin()->second.path;
  venue_.trade(1);
  ASSERT_TRUE(until([&] { return trade_ids(0, 0).size() == 1; }));
  // Each 18 s, as the reply says, and not each hour.
  ASSERT_TRUE(until([&] { return venue_.pings > 0; }));
  venue_.cut("btcusdt@aggTrade");
  ASSERT_TRUE(until([&] { return is_dialled_with("2") && feed_->status().is_live; }));
  EXPECT_EQ(feed_->status().losses, 1u);
  EXPECT_NE(venue_.clients().begin()->second.path.substr(first.find("connectId")),
            first.substr(first.find("connectId")));
}

TEST_F(LiveFeedTest, AReplacementHasATokenOfItsOwn) {
  options_.adapter = &token_venue();
  options_.kinds = venue::kinds_of(StreamKind::trades);
  options_.haste = 40'000;
  start();
  ASSERT_TRUE(until([&] { return venue_.clients_of("btcusdt@aggTrade").size() == 1; }));
  std::int64_t id = 0;
  ASSERT_TRUE(until([&] {
    venue_.trade(++id);
    return feed_->status().roll_overs >= 2;
  }));
  EXPECT_EQ(feed_->status().losses, 0u);
  EXPECT_GE(venue_.tokens, 3u);
  ASSERT_TRUE(until([&] { return trade_ids(0, 0).back() == id; }));
  const auto ids = trade_ids(0, 0);
  for (std::size_t i = 1; i < ids.size(); ++i) ASSERT_EQ(ids[i], ids[i - 1] + 1);
}

TEST_F(LiveFeedTest, ATokenThatLeadsNowhereIsToldAndAskedForAgain) {
  options_.adapter = &token_venue();
  options_.kinds = venue::kinds_of(StreamKind::trades);
  options_.haste = 100;
  venue_.token_endpoint = "https://127.0.0.1/";
  start();
  ASSERT_TRUE(until([&] { return has_told("no token: the reply names no WebSocket"); }));
  venue_.token_endpoint = "nonsense";
  ASSERT_TRUE(until([&] { return has_told("no token: the reply names no address"); }));
  venue_.token_endpoint = {};
  ASSERT_TRUE(until([&] { return feed_->status().is_live; }));
  // One that never comes keeps nobody from ending.
  venue_.gives_tokens = false;
  const std::size_t asked = venue_.requests.size();
  venue_.cut("btcusdt@aggTrade");
  ASSERT_TRUE(until([&] {
    return std::find(venue_.requests.begin() + static_cast<std::ptrdiff_t>(asked),
                     venue_.requests.end(), "/api/v1/token") != venue_.requests.end();
  }));
  feed_->request_stop();
  ASSERT_TRUE(until([&] { return feed_->is_stopped(); }));
}

TEST_F(LiveFeedTest, StoppingSaysSoLast) {
  start();
  ASSERT_TRUE(until_live());
  venue_.trade(1);
  ASSERT_TRUE(until([&] { return of(RecordType::trade).size() == 1; }));
  feed_->request_stop();
  ASSERT_TRUE(until([&] { return feed_->is_stopped(); }));
  drain();
  const auto all = of(RecordType::feed_status);
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all.back().as<market::FeedStatus>().state, FeedState::down);
  EXPECT_EQ(records_.back().header.type, RecordType::tick);
  EXPECT_EQ(feed_->do_work(), 0);
}

TEST_F(LiveFeedTest, ANameThatNoContractHasIsToldAsAnError) {
  options_.symbols = {"BTC", "NONE"};
  start();
  ASSERT_TRUE(until_live());
  EXPECT_TRUE(has_told("error: binance: no contract is called 'NONE'"));
  EXPECT_FALSE(has_told("'BTC'"));
  EXPECT_FALSE(has_told("warn: ")) << "all else is as it should be";
}

TEST_F(LiveFeedTest, RefusesWhatCannotBe) {
  options_.venue = market::VenueId::none;
  EXPECT_THROW(start(), core::Error);
  options_.venue = market::VenueId::binance;
  options_.haste = 0.5;
  EXPECT_THROW(start(), core::Error);
}

}  // namespace
}  // namespace perp::feed
