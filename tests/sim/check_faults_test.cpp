// Goal: a check takes out of its account what a fault proxy did, and nothing else. Method: truths,
// journals and logs of a few events, made by hand.
#include "sim/check_support.hpp"

#include <perp/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

namespace perp::sim::test {
namespace {

TEST_F(Check, SubtractsWhatAFaultProxyRemoved) {
  write_truth();
  trades.erase(trades.begin() + 4, trades.begin() + 6);
  write_journal();
  const std::string log = truth.path() + "/faults.jsonl";
  const std::string inner =
      R"({\"stream\":\"btcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"s\":\"BTCUSDT\",\"a\":105}})";
  std::ofstream(log) << R"({"what":"begin","venue":"binance"})"
                     << "\n"
                     << R"({"what":"removed","venue":"binance","type":"text","text":")" << inner
                     << "\"}\n";
  run(log);
  EXPECT_EQ(of_trades().removed, 1U);
  EXPECT_EQ(of_trades().lost, 1U) << "106 was not removed";
  std::ofstream(log) << "no JSON\n";
  EXPECT_THROW(run(log), core::Error);
}

TEST_F(Check, KnowsRemovedEventsOfEveryVenue) {
  // One market and one trade per venue, lost but removed: its message in the venue's own words.
  struct Case {
    VenueId venue;
    std::string native;
    std::int64_t id;
    std::int64_t id_high;
    std::string message;
  };
  const std::vector<Case> cases = {
      {VenueId::bybit, "BTCUSDT", 0x0b, 0x0a,
       R"({\"topic\":\"publicTrade.BTCUSDT\",\"data\":[{\"i\":\"00000000-0000-000a-0000-00000000000b\"}]})"},
      {VenueId::okx, "BTC-USDT-SWAP", 77, TruthRow::no_id,
       R"({\"arg\":{\"channel\":\"trades\",\"instId\":\"BTC-USDT-SWAP\"},\"data\":[{\"tradeId\":\"77\"}]})"},
      {VenueId::hyperliquid, "BTC", 88, TruthRow::no_id,
       R"({\"channel\":\"trades\",\"data\":[{\"coin\":\"BTC\",\"tid\":88}]})"}};
  const std::string log_file = truth.path() + "/faults.jsonl";
  std::ofstream log(log_file);
  for (const Case& one : cases) {
    TruthLog rows(truth.path(), one.venue);
    rows.define(0, one.native, 1, 3);
    rows.add({.kind = TruthKind::trade,
              .connections = 1,
              .id = one.id,
              .id_high = one.id_high,
              .time_ms = start_ms,
              .sent_ms = start_ms});
    log << R"({"what":"removed","venue":")" << market::find_venue(one.venue)->key << R"(","text":")"
        << one.message << "\"}\n";
  }
  log.close();
  begin_journal();
  end_journal();
  run(log_file);
  std::uint64_t removed = 0;
  for (const CheckCounts& row : report.rows) {
    removed += row.removed;
    EXPECT_EQ(row.lost, 0U) << market::find_venue(row.venue)->key;
  }
  EXPECT_EQ(removed, 3U);
}

class CheckFaults : public Check {
 protected:
  /// A line of a proxy's log. @param texts names and messages
  void log(std::string_view what,
           const std::vector<std::pair<std::string_view, std::string>>& texts) {
    std::string line = fmt::format(R"({{"what":"{}","venue":"binance")", what);
    for (const auto& [name, text] : texts) {
      line += fmt::format(R"(,"{}":")", name);
      for (const char c : text) {
        if (c == '"') line += '\\';
        line += c;
      }
      line += '"';
    }
    std::ofstream(log_file(), std::ios::app) << line << "}\n";
  }
  std::string log_file() const { return truth.path() + "/faults.jsonl"; }
  static std::string trade_message(std::int64_t id, std::int64_t time_ms) {
    return fmt::format(R"({{"e":"aggTrade","s":"BTCUSDT","a":{},"T":{}}})", id, time_ms);
  }
  static std::string liquidation_message(std::int64_t time_ms) {
    return fmt::format(R"({{"e":"forceOrder","o":{{"s":"ETHUSDT","T":{}}}}})", time_ms);
  }
};

TEST_F(CheckFaults, WhatTheProxyMovedIsNoDisorderAndNothingElse) {
  write_truth();
  std::swap(trades[2], trades[3]);  // 103 behind 104
  std::swap(trades[5], trades[6]);  // 106 behind 107
  write_journal();
  log("moved", {{"text", trade_message(103, time_of(103))}});
  run(log_file());
  EXPECT_EQ(of_trades().reordered, 1U);
  log("moved", {{"text", trade_message(106, time_of(106))}});
  run(log_file());
  EXPECT_TRUE(report.is_sound());
}

TEST_F(CheckFaults, WhatWasRemovedAndComesBehindNewerOnesIsToBeFlagged) {
  write_truth();
  std::rotate(trades.begin() + 4, trades.begin() + 5, trades.end());  // 105 comes last
  log("removed", {{"text", trade_message(105, time_of(105))}});
  trades.back().flags = market::flag_backfill;
  write_journal();
  run(log_file());
  EXPECT_TRUE(report.is_sound());
  EXPECT_EQ(of_trades().filled, 1U);
}

TEST_F(CheckFaults, WhatWasRemovedAndComesBehindNewerOnesUnflaggedIsDisorder) {
  write_truth();
  std::rotate(trades.begin() + 4, trades.begin() + 5, trades.end());
  log("removed", {{"text", trade_message(105, time_of(105))}});
  write_journal();
  run(log_file());
  EXPECT_EQ(of_trades().reordered, 1U);
}

TEST_F(CheckFaults, ALiquidationThatWasToldAnotherTimeWasSent) {
  write_truth();
  const std::int64_t was_ms = liquidation_ms;
  liquidation_ms = start_ms - 86'400'000;
  write_journal();
  std::ofstream(log_file()) << "";
  run(log_file());
  EXPECT_EQ(of(CheckedKind::liquidation).unknown, 1U);
  EXPECT_EQ(of(CheckedKind::liquidation).lost, 1U);
  log("changed",
      {{"was", liquidation_message(was_ms)}, {"text", liquidation_message(liquidation_ms)}});
  run(log_file());
  EXPECT_TRUE(report.is_sound());
  EXPECT_EQ(of(CheckedKind::liquidation).unknown, 0U);
  EXPECT_EQ(of(CheckedKind::liquidation).removed, 1U);
}

TEST_F(CheckFaults, ALiquidationThatWasToldATimeThatIsNoneWasSent) {
  write_truth();
  is_liquidation_dated = false;
  write_journal();
  log("changed", {{"was", R"({"e":"forceOrder","o":{"s":"BTCUSDT","T":1}})"}});
  run(log_file());
  EXPECT_EQ(of(CheckedKind::liquidation).unknown, 1U) << "another market's was changed";
  log("changed", {{"was", liquidation_message(liquidation_ms)}, {"text", liquidation_message(0)}});
  run(log_file());
  EXPECT_TRUE(report.is_sound());
  EXPECT_EQ(of(CheckedKind::liquidation).removed, 1U);
}

TEST_F(CheckFaults, ATradeThatWasToldAnotherTimeIsNotAlteredByUs) {
  write_truth();
  trades[4].late_ms = -3'600'000;
  write_journal();
  std::ofstream(log_file()) << "";
  run(log_file());
  EXPECT_EQ(of_trades().altered, 1U);
  log("changed", {{"was", trade_message(105, time_of(105))},
                  {"text", trade_message(105, time_of(105) - 3'600'000)}});
  run(log_file());
  EXPECT_TRUE(report.is_sound());
  EXPECT_EQ(of_trades().stored, 10U);
}

TEST_F(CheckFaults, AnIdThatAFaultMadeUpIsNotMadeUpByUs) {
  write_truth();
  trades.push_back({999, 0, 1});
  write_journal();
  log("changed", {{"was", trade_message(110, time_of(110))}, {"text", trade_message(999, 0)}});
  run(log_file());
  EXPECT_EQ(of_trades().unknown, 0U);
}

}  // namespace
}  // namespace perp::sim::test
