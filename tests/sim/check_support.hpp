#pragma once
// Truths and journals of a few events, made by hand, and what a check says of them.
#include "sim/recording.hpp"

#include <perp/journal/writer.hpp>
#include <perp/market/record.hpp>
#include <perp/sim/check.hpp>
#include <perp/sim/truth_log.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace perp::sim::test {

using market::RecordType;
using market::VenueId;

inline constexpr std::int64_t ms = core::ns_per_ms;
inline constexpr std::int64_t start_ms = 1'795'654'080'000;
inline constexpr std::uint32_t bitcoin = 1U << 24 | 1;
inline constexpr std::uint32_t ether = 1U << 24 | 2;

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
    std::int64_t late_ms = 0;  ///< than it was matched
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
    Record<market::Trade> record(RecordType::trade, bitcoin, time_of(trade.id) + trade.late_ms);
    record.header.flags = trade.flags;
    record.payload.trade_id = trade.id;
    record.payload.price = trade.price;
    record.payload.quantity = trade.quantity;
    record.payload.taker_side = market::Side::buy;
    append(record.header);
  }

  void append_gap(std::uint32_t instrument, RecordType stream, std::int64_t from_ms,
                  std::int64_t to_ms, std::uint8_t flags = 0) {
    Record<market::Gap> record(RecordType::gap, instrument, to_ms);
    record.header.flags = flags;
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
    Record<market::Liquidation> liquidation(RecordType::liquidation, ether, liquidation_ms);
    if (!is_liquidation_dated) liquidation.header.exchange_ns = core::unknown_ns;
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
  std::int64_t liquidation_ms = start_ms + 200;
  bool is_liquidation_dated = true;
  std::unique_ptr<journal::Writer> writer;
  CheckReport report;
};

}  // namespace perp::sim::test
