// Goal: the time from a fault's end to data again is measured of what the fault hit, and of nothing
// else. Method: a book that changes ten times a second, a journal and a log made by hand.
#include "sim/check_support.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <string_view>
#include <vector>

namespace perp::sim::test {
namespace {

using market::FeedState;

class CheckRecovery : public Check {
 protected:
  static constexpr std::int64_t length_ms = 60'000;

  /// The book of ether: an event each `every_ms`.
  void write_books(std::int64_t every_ms = 100) {
    TruthLog rows(truth.path(), VenueId::binance);
    rows.define(0, "BTCUSDT", 1, 3);
    rows.define(1, "ETHUSDT", 2, 3);
    for (std::int64_t at = 0; at < length_ms; at += every_ms)
      rows.add({.kind = TruthKind::book,
                .market = 1,
                .connections = 1,
                .id = at,
                .time_ms = start_ms + at,
                .sent_ms = start_ms + at});
    rows.flush();
    every_ms_ = every_ms;
  }

  struct Change {
    std::int64_t at_ms;
    FeedState state;
  };
  /// @param away records of these times (from, to) are missing @param changes what the feed says
  void write_records(const std::vector<std::pair<std::int64_t, std::int64_t>>& away,
                     const std::vector<Change>& changes, std::uint8_t flags = 0) {
    begin_journal();
    auto change = changes.begin();
    for (std::int64_t at = 0; at < length_ms; at += every_ms_) {
      for (; change != changes.end() && change->at_ms <= at; ++change) {
        Record<market::FeedStatus> status(RecordType::feed_status, ether, 0);
        status.header.receive_ns = (start_ms + change->at_ms) * ms;
        status.payload.state = change->state;
        status.payload.stream = RecordType::book_delta;
        append(status.header);
      }
      if (std::any_of(away.begin(), away.end(),
                      [&](const auto& hole) { return hole.first <= at && at < hole.second; }))
        continue;
      Record<market::Book> book(RecordType::book_delta, ether, start_ms + at);
      book.header.receive_ns = (start_ms + at) * ms;
      book.header.flags = flags;
      book.payload.last_id = at;
      append(book.header);
    }
    end_journal(start_ms + length_ms);
  }

  void log(std::string_view what, std::string_view kind, std::int64_t at_ms, int episode,
           std::string_view more = {}) {
    std::ofstream(truth.path() + "/faults.jsonl", std::ios::app) << fmt::format(
        R"({{"time_ns":{},"what":"{}","venue":"binance","kind":"{}","line":1,"episode":{}{}}})"
        "\n",
        (start_ms + at_ms) * ms, what, kind, episode, more);
  }
  void fault(std::string_view kind, std::int64_t from_ms, std::int64_t to_ms, int episode) {
    log("begin", kind, from_ms, episode);
    log("end", kind, to_ms, episode);
  }

  const RecoveryTimes* times(FaultKind kind) {
    run(truth.path() + "/faults.jsonl");
    const auto found = std::find_if(report.recoveries.begin(), report.recoveries.end(),
                                    [kind](const RecoveryTimes& row) { return row.kind == kind; });
    return found == report.recoveries.end() ? nullptr : &*found;
  }
  /// Of the one measurement of that kind, ms; nothing: there is none, or more than one.
  std::optional<std::int64_t> only(FaultKind kind) {
    const RecoveryTimes* const row = times(kind);
    if (row == nullptr || row->count != 1) return std::nullopt;
    return row->max_ns / ms;
  }

 private:
  std::int64_t every_ms_ = 100;
};

TEST_F(CheckRecovery, IsFromTheCutToTheFirstDataWhileLive) {
  write_books();
  fault("cut", 10'050, 10'050, 1);
  // What was received before the loss was noticed does not count: 10,100 is no recovery.
  write_records({{10'150, 12'000}}, {{10'110, FeedState::reconnecting}, {11'900, FeedState::live}});
  EXPECT_EQ(only(FaultKind::cut), 1'950);
  EXPECT_EQ(only(FaultKind::random), 1'950) << "all together";
  EXPECT_EQ(report.recoveries.size(), 2U);
}

TEST_F(CheckRecovery, LeavesOutWhatNoFaultHit) {
  write_books();
  fault("rst", 10'050, 10'050, 1);
  fault("gap", 20'050, 25'050, 2);
  log("removed", "gap", 21'000, 2,
      R"(,"text":"{\"e\":\"depthUpdate\",\"s\":\"ETHUSDT\",\"u\":7}")");
  write_records({}, {{0, FeedState::live}, {55'000, FeedState::reconnecting}});
  run(truth.path() + "/faults.jsonl");
  EXPECT_TRUE(report.recoveries.empty());
}

TEST_F(CheckRecovery, LeavesOutWhatHasLittleToSay) {
  write_books(600);  // 8 or 9 in 5 s
  fault("cut", 10'050, 10'050, 1);
  write_records({{10'150, 12'000}}, {{10'110, FeedState::reconnecting}, {11'900, FeedState::live}});
  EXPECT_EQ(times(FaultKind::cut), nullptr);
}

TEST_F(CheckRecovery, KnowsWhatASilenceHitByWhatItRemoved) {
  write_books();
  log("begin", "silence", 10'050, 1);
  log("removed", "silence", 10'100, 1,
      R"(,"text":"{\"e\":\"depthUpdate\",\"s\":\"ETHUSDT\",\"u\":10100}")");
  log("end", "silence", 13'050, 1);
  write_records({{10'050, 14'000}}, {});
  EXPECT_EQ(only(FaultKind::silence), 950);
}

TEST_F(CheckRecovery, CountsTheLastOfTwoFaultsThatMeet) {
  write_books();
  fault("rst", 10'050, 10'050, 1);
  fault("refuse", 10'050, 20'050, 2);
  write_records({{10'150, 23'000}}, {{10'060, FeedState::reconnecting}, {22'900, FeedState::live}});
  EXPECT_EQ(times(FaultKind::rst), nullptr);
  EXPECT_EQ(only(FaultKind::refuse), 2'950) << "it was not live as the venue came back";
}

TEST_F(CheckRecovery, BeginsWithTheEndOfABan) {
  write_books();
  fault("rst", 10'050, 10'050, 1);
  log("begin", "handshake", 10'051, 2);
  log("answered", "handshake", 12'000, 2, R"(,"status":429,"retry_after":"10")");
  log("end", "handshake", 13'050, 2);
  write_records({{10'150, 23'500}}, {{10'060, FeedState::reconnecting}, {23'400, FeedState::live}});
  EXPECT_EQ(only(FaultKind::handshake), 1'500);
}

TEST_F(CheckRecovery, ABanThatComesBehindTheHealIsNoSlowRecovery) {
  write_books();
  fault("rst", 10'050, 10'050, 1);
  log("begin", "status", 10'040, 2);
  log("answered", "status", 10'100, 2, R"(,"status":418,"retry_after":"10")");
  log("end", "status", 13'050, 2);
  write_records({{10'150, 23'500}}, {{10'060, FeedState::reconnecting}, {23'400, FeedState::live}});
  EXPECT_EQ(times(FaultKind::rst), nullptr);
}

TEST_F(CheckRecovery, WhatNeverComesBackCountsToTheEnd) {
  write_books();
  fault("cut", 10'050, 10'050, 1);
  write_records({{10'150, length_ms}}, {{10'110, FeedState::reconnecting}});
  EXPECT_EQ(only(FaultKind::cut), length_ms + 3 - 10'050)
      << "the last record is received 3 ms late";
}

TEST_F(CheckRecovery, HistoryIsNoRecovery) {
  write_books();
  fault("cut", 10'050, 10'050, 1);
  write_records({}, {{10'110, FeedState::reconnecting}}, market::flag_backfill);
  EXPECT_EQ(only(FaultKind::cut), length_ms + 3 - 10'050)
      << "the last record is received 3 ms late";
}

TEST_F(CheckRecovery, RanksAreTheNearestOnes) {
  write_books();
  std::vector<std::pair<std::int64_t, std::int64_t>> away;
  std::vector<Change> changes;
  for (int i = 0; i < 5; ++i) {  // 100, 200, ... 500 ms
    const std::int64_t at = 5'000 + 10'000 * i;
    fault("fin", at, at, i + 1);
    changes.push_back({at, FeedState::reconnecting});
    changes.push_back({at + 50, FeedState::live});
    away.emplace_back(at, at + 100 * (i + 1));
  }
  write_records(away, changes);
  const RecoveryTimes* const row = times(FaultKind::fin);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->count, 5U);
  EXPECT_EQ(row->p50_ns / ms, 300);
  EXPECT_EQ(row->p99_ns / ms, 500);
  EXPECT_EQ(row->max_ns / ms, 500);
}

}  // namespace
}  // namespace perp::sim::test
