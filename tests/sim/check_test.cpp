// Goal: a check finds each kind of defect, and nothing where there is none. Method: truths and
// journals of a few events, made by hand; a defect at a time.
#include "sim/recording.hpp"

#include <perp/core/error.hpp>
#include <perp/journal/writer.hpp>
#include <perp/market/record.hpp>
#include <perp/sim/check.hpp>
#include <perp/sim/truth_log.hpp>

#include <fstream>
#include <functional>
#include <map>
#include <vector>

namespace perp::sim::test {
namespace {

using market::RecordType;
using market::VenueId;

constexpr std::int64_t ms = core::ns_per_ms;
constexpr std::int64_t start_ms = 1'795'654'080'000;
constexpr std::uint32_t bitcoin = 1U << 24 | 1;
constexpr std::uint32_t ether = 1U << 24 | 2;

template <class Payload>
struct Record {
  market::RecordHeader header;
  Payload payload;

  Record(RecordType type, std::uint32_t instrument, std::int64_t time_ms) {
    header.size = sizeof *this;
    header.type = type;
    header.venue = VenueId::binance;
    header.instrument = instrument;
    header.exchange_ns = time_ms * ms;
    header.receive_ns = (time_ms + 3) * ms;
  }
};

/// Trades 101 to 110 of bitcoin, 50 ms apart, and one event of each other kind; all left to one
/// connection.
class Check : public testing::Test {
 protected:
  static constexpr std::int64_t first_id = 101;
  static constexpr int trade_count = 10;

  struct Stored {
    std::int64_t id = 0;
    std::uint8_t flags = 0;
    double price = 0;
    double quantity = 0.25;
  };

  Check() {
    for (std::int64_t i = 0; i < trade_count; ++i)
      trades.push_back({first_id + i, 0, 84'000.1 + static_cast<double>(i)});
  }

  static std::int64_t time_of(std::int64_t id) { return start_ms + 50 * (id - first_id); }

  void write_truth(const std::function<void(TruthRow&)>& change = {}) {
    TruthLog log(truth.path(), VenueId::binance);
    log.define(0, "BTCUSDT", 1, 3);
    log.define(1, "ETHUSDT", 2, 3);
    const auto add = [&](TruthRow row) {
      row.connections = 1;
      row.sent_ms = row.time_ms + 1;
      if (change) change(row);
      log.add(row);
    };
    for (std::int64_t id = first_id; id < first_id + trade_count; ++id)
      add({.kind = TruthKind::trade,
           .is_buy = 1,
           .id = id,
           .time_ms = time_of(id),
           .price = 840'001 + 10 * (id - first_id),
           .quantity = 250});
    add({.kind = TruthKind::kline,
         .market = 1,
         .id = start_ms - 60'000,
         .time_ms = start_ms + 100,
         .price = 260'055,
         .quantity = 7'000});
    add({.kind = TruthKind::liquidation,
         .market = 1,
         .time_ms = start_ms + 200,
         .price = 260'100,
         .quantity = 1'500});
    add({.kind = TruthKind::book, .market = 1, .id = 9'000, .time_ms = start_ms + 300});
    log.flush();
  }

  void append(const market::RecordHeader& record) { writer->append(record); }

  void begin_journal() {
    journal::WriterOptions options;
    options.folder = journal.path();
    writer = std::make_unique<journal::Writer>(options);
    for (const auto& [id, native] :
         std::map<std::uint32_t, std::string>{{bitcoin, "BTCUSDT"}, {ether, "ETHUSDT"}}) {
      Record<market::Instrument> record(RecordType::instrument, id, start_ms - 1000);
      ASSERT_TRUE(record.payload.native.assign(native));
      append(record.header);
    }
  }

  void append_trade(const Stored& trade) {
    Record<market::Trade> record(RecordType::trade, bitcoin, time_of(trade.id));
    record.header.flags = trade.flags;
    record.payload.trade_id = trade.id;
    record.payload.price = trade.price;
    record.payload.quantity = trade.quantity;
    record.payload.taker_side = market::Side::buy;
    append(record.header);
  }

  void append_gap(std::uint32_t instrument, RecordType stream, std::int64_t from_ms,
                  std::int64_t to_ms) {
    Record<market::Gap> record(RecordType::gap, instrument, to_ms);
    record.payload.from_ns = from_ms * ms;
    record.payload.to_ns = to_ms * ms;
    record.payload.stream = stream;
    record.payload.cause = market::GapCause::disconnect;
    append(record.header);
  }

  void append_others() {
    Record<market::Kline> kline(RecordType::kline, ether, start_ms + 100);
    kline.payload.open_ns = (start_ms - 60'000) * ms;
    kline.payload.interval_ns = core::ns_per_minute;
    kline.payload.close = 2600.55;
    kline.payload.volume_base = 7;
    append(kline.header);
    Record<market::Liquidation> liquidation(RecordType::liquidation, ether, start_ms + 200);
    liquidation.payload.price = 2601;
    liquidation.payload.quantity = 1.5;
    append(liquidation.header);
    Record<market::Book> book(RecordType::book_delta, ether, start_ms + 300);
    book.payload.last_id = 9'000;
    append(book.header);
  }

  void end_journal(std::int64_t at_ms = start_ms + 10'000) {
    const Record<market::Tick> tick(RecordType::tick, 0, at_ms);
    append(tick.header);
    writer->close();
  }

  void write_journal() {
    begin_journal();
    for (const Stored& trade : trades) append_trade(trade);
    append_others();
    end_journal();
  }

  CheckReport run(const std::string& removed = {}) {
    report = check(
        {.truth_folder = truth.path(), .journal_folder = journal.path(), .removed_file = removed});
    return report;
  }
  const CheckCounts& of(CheckedKind kind) const {
    return report.rows[static_cast<std::size_t>(kind)];
  }
  const CheckCounts& of_trades() const { return of(CheckedKind::trade); }

  TemporaryFolder truth, journal;
  std::vector<Stored> trades;
  std::unique_ptr<journal::Writer> writer;
  CheckReport report;
};

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

}  // namespace
}  // namespace perp::sim::test
