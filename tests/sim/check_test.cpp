// Goal: a check finds each kind of defect, and nothing where there is none. Method: truths and
// journals of a few events, made by hand; a defect at a time.
#include "sim/check_support.hpp"

#include <perp/core/error.hpp>

#include <filesystem>
#include <fstream>

namespace perp::sim::test {
namespace {

TEST_F(Check, FindsNothingWhereAllIsThere) {
  write_truth();
  write_journal();
  run();
  EXPECT_TRUE(report.is_sound());
  EXPECT_TRUE(report.is_whole());
  EXPECT_EQ(of_trades().sent, 10U);
  EXPECT_EQ(of_trades().stored, 10U);
  for (const CheckedKind kind : {CheckedKind::kline, CheckedKind::liquidation, CheckedKind::book}) {
    EXPECT_EQ(of(kind).sent, 1U) << name_of(kind);
    EXPECT_EQ(of(kind).stored, 1U) << name_of(kind);
  }
  EXPECT_TRUE(report.examples.empty());
}

TEST_F(Check, FindsASilentLoss) {
  write_truth();
  trades.erase(trades.begin() + 4);
  write_journal();
  run();
  EXPECT_FALSE(report.is_sound());
  EXPECT_EQ(of_trades().lost, 1U);
  ASSERT_EQ(report.examples.size(), 1U);
  EXPECT_NE(report.examples[0].find("105"), std::string::npos) << report.examples[0];
}

TEST_F(Check, FindsALossOfEachOtherKind) {
  write_truth();
  begin_journal();
  for (const Stored& trade : trades) append_trade(trade);
  end_journal();
  run();
  for (const CheckedKind kind : {CheckedKind::kline, CheckedKind::liquidation, CheckedKind::book})
    EXPECT_EQ(of(kind).lost, 1U) << name_of(kind);
}

TEST_F(Check, TakesAHoleThatIsToldForNoLoss) {
  write_truth();
  begin_journal();
  for (const Stored& trade : trades)
    if (trade.id != 105) append_trade(trade);
  append_gap(0, RecordType::trade, time_of(105) - 10, time_of(105) + 10);
  append_others();
  end_journal();
  run();
  EXPECT_TRUE(report.is_sound());
  EXPECT_FALSE(report.is_whole());
  EXPECT_EQ(of_trades().told, 1U);
  EXPECT_EQ(report.gap_records, 1U);
}

TEST_F(Check, BelievesAHoleOnlyOfItsStreamInstrumentAndTime) {
  write_truth();
  begin_journal();
  for (const Stored& trade : trades)
    if (trade.id != 105) append_trade(trade);
  append_gap(0, RecordType::kline, time_of(101), time_of(110));
  append_gap(ether, RecordType::trade, time_of(101), time_of(110));
  append_gap(bitcoin, RecordType::trade, time_of(105) + 1000, time_of(105) + 2000);
  append_gap(bitcoin, RecordType::trade, time_of(105) - 2000, time_of(105) - 1000);
  append_others();
  end_journal();
  run();
  EXPECT_EQ(of_trades().lost, 1U);
  EXPECT_EQ(of_trades().told, 0U);
}

TEST_F(Check, BelievesNoHoleThatWasConcludedFromTheJournal) {
  write_truth();
  begin_journal();
  for (const Stored& trade : trades)
    if (trade.id != 105) append_trade(trade);
  append_gap(bitcoin, RecordType::trade, time_of(101), time_of(110), market::flag_derived);
  append_others();
  end_journal();
  run();
  EXPECT_EQ(of_trades().lost, 1U);
  EXPECT_EQ(of_trades().told, 0U);
  EXPECT_EQ(report.gap_records, 0U);
}

TEST_F(Check, CountsWhatARequestFilled) {
  write_truth();
  trades[4].flags = market::flag_backfill;
  std::swap(trades[4], trades[9]);  // it comes late, and that is no disorder
  write_journal();
  run();
  EXPECT_EQ(of_trades().filled, 1U);
  EXPECT_EQ(of_trades().stored, 9U);
  EXPECT_EQ(of_trades().lost, 0U);
}

TEST_F(Check, FindsADoubledRecord) {
  write_truth();
  trades.push_back(trades[3]);
  trades.back().flags = market::flag_backfill;
  write_journal();
  run();
  EXPECT_FALSE(report.is_sound());
  EXPECT_EQ(of_trades().doubled, 1U);
  EXPECT_EQ(of_trades().lost, 0U);
}

TEST_F(Check, FindsARecordOfWhatWasNeverSent) {
  write_truth();
  trades.push_back({999, 0, 1});
  write_journal();
  run();
  EXPECT_FALSE(report.is_sound());
  EXPECT_EQ(of_trades().unknown, 1U);
}

TEST_F(Check, FindsOtherValues) {
  write_truth();
  trades[2].price += 1e-9;
  trades[6].quantity = 0.251;
  write_journal();
  run();
  EXPECT_FALSE(report.is_sound());
  EXPECT_EQ(of_trades().altered, 2U);
}

TEST_F(Check, FindsDisorder) {
  write_truth();
  std::swap(trades[5], trades[6]);
  write_journal();
  run();
  EXPECT_FALSE(report.is_sound());
  EXPECT_EQ(of_trades().reordered, 1U);
}

TEST_F(Check, ExpectsNothingThatLeftToNobody) {
  write_truth([](TruthRow& row) {
    if (row.id == 105) row.connections = 0;
  });
  trades.erase(trades.begin() + 4);
  write_journal();
  run();
  EXPECT_TRUE(report.is_sound());
  EXPECT_EQ(of_trades().sent, 9U);
}

TEST_F(Check, CallsWhatLeftAsTheJournalEndedUnderWay) {
  write_truth();
  begin_journal();
  for (const Stored& trade : trades)
    if (trade.id < 110) append_trade(trade);
  append_others();
  end_journal(time_of(110));
  run();
  EXPECT_TRUE(report.is_sound());
  EXPECT_EQ(of_trades().under_way, 1U);
}

TEST_F(Check, WhatALateReaderHadNotReadAsItEndedIsUnderWayForFiveSeconds) {
  write_truth([](TruthRow& row) {
    if (row.kind != TruthKind::trade || row.id < 109) row.connections = row.id == 108 ? 1 : 0;
    if (row.id == 110) row.sent_ms += 1'000;
  });
  begin_journal();
  append_trade(trades[7]);  // 108 is the newest that came
  end_journal(time_of(110) + 4'000);
  run();
  EXPECT_EQ(of_trades().under_way, 2U);
  EXPECT_TRUE(report.is_sound());
}

TEST_F(Check, ButNotForLonger) {
  write_truth();
  begin_journal();
  append_trade(trades[7]);
  end_journal(time_of(110) + 6'000);
  run();
  EXPECT_EQ(of_trades().under_way, 0U);
  EXPECT_EQ(of_trades().lost, 9U);
}

TEST_F(Check, RefusesWhatIsNoTruth) {
  begin_journal();
  end_journal();
  EXPECT_THROW(run(), core::Error) << "an empty folder";
  std::ofstream(TruthLog::path_of(truth.path(), VenueId::binance)) << "something else entirely";
  EXPECT_THROW(run(), core::Error);
  write_truth();
  EXPECT_NO_THROW(run());
  EXPECT_THROW(run("/nowhere/faults.jsonl"), core::Error);
}

TEST_F(Check, LeavesOutARowThatIsCutOff) {
  write_truth();
  const std::string path = TruthLog::path_of(truth.path(), VenueId::binance);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 10);
  EXPECT_EQ(TruthFile::read(path).rows.size(), 12U);
}

// OKX's stream sums the fills 101 to 103 and 104 to 105; a request gives each.
class CheckOfFills : public Check {
 protected:
  void run_with(const std::vector<std::pair<std::int64_t, double>>& fills, bool has_streamed) {
    {
      TruthLog log(truth.path(), VenueId::okx);
      log.define(0, "BTC-USDT-SWAP", 1, 3);
      for (const auto& [id, quantity] : {std::pair(103, 600), std::pair(105, 250)})
        log.add({.kind = TruthKind::trade,
                 .is_buy = 1,
                 .connections = 1,
                 .id = id,
                 .time_ms = start_ms,
                 .sent_ms = start_ms + 1,
                 .price = 840'001,
                 .quantity = quantity});
      log.flush();
    }
    begin_journal();
    constexpr std::uint32_t swap = 3U << 24 | 1;
    Record<market::Instrument> instrument(RecordType::instrument, swap, start_ms - 1000);
    instrument.header.venue = VenueId::okx;
    ASSERT_TRUE(instrument.payload.native.assign("BTC-USDT-SWAP"));
    append(instrument.header);
    const auto add = [&](std::int64_t id, double quantity, std::uint32_t count,
                         std::uint8_t flags) {
      Record<market::Trade> record(RecordType::trade, swap, start_ms);
      record.header.venue = VenueId::okx;
      record.header.flags = flags;
      record.payload.trade_id = id;
      record.payload.price = 84'000.1;
      record.payload.quantity = quantity;
      record.payload.fill_count = count;
      record.payload.taker_side = market::Side::buy;
      append(record.header);
    };
    if (has_streamed) add(105, 0.25, 2, 0);
    for (const auto& [id, quantity] : fills) add(id, quantity, 1, market::flag_backfill);
    Record<market::Tick> tick(RecordType::tick, 0, start_ms + 10'000);
    tick.header.venue = VenueId::okx;
    append(tick.header);
    end_journal();
    run();
  }
};

TEST_F(CheckOfFills, TakesThemForTheTradeThatTheySumUpTo) {
  run_with({{101, 0.1}, {102, 0.2}, {103, 0.3}}, true);
  EXPECT_TRUE(report.is_whole()) << testing::PrintToString(report.examples);
  EXPECT_EQ(of_trades().stored, 1U);
  EXPECT_EQ(of_trades().filled, 1U);
}

TEST_F(CheckOfFills, FindsThatOneIsLacking) {
  run_with({{101, 0.1}, {103, 0.3}}, true);
  EXPECT_EQ(of_trades().lost, 1U);
}

TEST_F(CheckOfFills, FindsOneThatIsTwiceAndOneBesideItsSum) {
  run_with({{101, 0.1}, {102, 0.2}, {102, 0.2}, {103, 0.3}, {104, 0.125}}, true);
  EXPECT_EQ(of_trades().doubled, 2U);
}

TEST_F(CheckOfFills, FindsThoseThatSumUpToMore) {
  run_with({{101, 0.1}, {102, 0.2}, {103, 0.4}}, true);
  EXPECT_EQ(of_trades().altered, 1U);
}

}  // namespace
}  // namespace perp::sim::test
