// Goal: each hole that a journal tells of is listed once, with what was fetched for it afterwards.
// Method: journals written by hand, whose holes and fills are known.
#include "app/holes.hpp"
#include "app/program.hpp"

#include <perp/journal/writer.hpp>
#include <perp/market/record.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace perp::app::testing {
namespace {

using market::RecordType;
using nlohmann::json;

constexpr std::int64_t t0 = 1'793'491'200 * core::ns_per_second;  // 2026-11-01T00:00Z
constexpr std::uint32_t btc = (1U << 24) | 1;
constexpr std::uint32_t eth = (1U << 24) | 2;
constexpr std::uint32_t okx_btc = (3U << 24) | 1;

template <class Payload>
struct Record {
  market::RecordHeader header;
  Payload payload;

  Record(RecordType type, std::uint32_t instrument, std::int64_t ns, std::uint8_t flags = 0) {
    header.size = sizeof *this;
    header.type = type;
    header.venue = static_cast<market::VenueId>(instrument >> 24);
    header.instrument = instrument;
    header.exchange_ns = header.receive_ns = ns;
    header.flags = flags;
  }
};

class Journal {
 public:
  explicit Journal(const std::string& folder)
      : writer_({.folder = folder,
                 .segment_bytes = 1 << 20,
                 .block_bytes = 1 << 16,
                 .io = journal::IoEngine::pwrite}) {
    define(btc, "BTCUSDT", "BTC");
    define(eth, "ETHUSDT", "ETH");
    define(okx_btc, "BTC-USDT-SWAP", "BTC");
  }
  ~Journal() { writer_.close(); }

  void gap(std::uint32_t instrument, RecordType stream, market::GapCause cause, std::int64_t from,
           std::int64_t to, std::int64_t expected = market::unknown_id,
           std::int64_t got = market::unknown_id) {
    Record<market::Gap> record(RecordType::gap, instrument, to);
    record.payload = {.from_ns = from,
                      .to_ns = to,
                      .expected_id = expected,
                      .got_id = got,
                      .stream = stream,
                      .cause = cause};
    writer_.append(record.header);
  }
  void trade(std::uint32_t instrument, std::int64_t ns, std::uint8_t flags) {
    writer_.append(Record<market::Trade>(RecordType::trade, instrument, ns, flags).header);
  }
  void kline(std::uint32_t instrument, std::int64_t open_ns, std::uint8_t flags) {
    Record<market::Kline> record(RecordType::kline, instrument, open_ns + core::ns_per_minute,
                                 flags);
    record.payload.open_ns = open_ns;
    writer_.append(record.header);
  }
  void book(std::uint32_t instrument, std::int64_t ns) {
    writer_.append(Record<market::Book>(RecordType::book_snapshot, instrument, ns).header);
  }

 private:
  void define(std::uint32_t id, const char* native, const char* base) {
    Record<market::Instrument> record(RecordType::instrument, id, t0);
    record.payload.native.assign(native);
    record.payload.base.assign(base);
    writer_.append(record.header);
  }
  journal::Writer writer_;
};

/// Seven holes of every kind of fill, and what is not theirs.
void write_sample(const std::string& folder) {
  Journal journal(folder);
  const std::int64_t s = core::ns_per_second;
  const std::int64_t minute = core::ns_per_minute;
  journal.gap(btc, RecordType::trade, market::GapCause::sequence, t0, t0 + s, 10, 13);  // 0: whole
  journal.gap(eth, RecordType::trade, market::GapCause::sequence, t0, t0 + s, 10, 13);  // 1: some
  journal.gap(btc, RecordType::kline, market::GapCause::disconnect, t0 + 30 * s,
              t0 + 2 * minute + s);  // 2: 2 minutes, whole
  journal.gap(okx_btc, RecordType::book_delta, market::GapCause::checksum, t0,
              t0);  // 3: whole by a snapshot
  journal.gap(eth, RecordType::book_delta, market::GapCause::sequence, t0, t0, 5, 9);  // 4: none
  journal.gap(btc, RecordType::trade, market::GapCause::disconnect, t0 + 600 * s,
              t0 + 610 * s);  // 5: some
  journal.gap(btc, RecordType::mark_price, market::GapCause::half_seen, t0, t0 + minute);  // 6
  for (int i = 0; i < 3; ++i) journal.trade(btc, t0 + i, market::flag_backfill);
  journal.trade(eth, t0, market::flag_backfill);
  journal.trade(eth, t0, 0);                                 // live: fills nothing
  journal.trade(eth, t0 + 3600 * s, market::flag_backfill);  // of another time
  journal.trade(btc, t0 + 605 * s, market::flag_backfill);
  journal.kline(btc, t0, market::flag_backfill);
  journal.kline(btc, t0 + minute, market::flag_backfill);
  journal.kline(btc, t0 + minute, market::flag_backfill);  // the same candle twice
  journal.book(okx_btc, t0 + s);
}

TEST(Holes, ALostConnectionAndTheIdsThatItMissedAreOneHole) {
  const Folder folder;
  const std::int64_t s = core::ns_per_second;
  {
    Journal journal(folder / "j");
    journal.gap(btc, RecordType::trade, market::GapCause::disconnect, t0, t0 + 10 * s);
    journal.gap(btc, RecordType::trade, market::GapCause::sequence, core::unknown_ns, t0 + 11 * s,
                20, 22);
    journal.trade(btc, t0 + 11 * s, market::flag_gap_before);
    journal.trade(btc, t0 + s, market::flag_backfill);
    journal.trade(btc, t0 + 2 * s, market::flag_backfill);
    // Nothing was missed here; what the ids lack later is a hole of its own.
    journal.gap(eth, RecordType::trade, market::GapCause::disconnect, t0, t0 + 10 * s);
    journal.trade(eth, t0 + 11 * s, 0);
    journal.gap(eth, RecordType::trade, market::GapCause::sequence, core::unknown_ns, t0 + 60 * s,
                7, 9);
  }
  const Holes holes = find_holes(folder / "j");
  ASSERT_EQ(holes.all.size(), 3U);
  EXPECT_EQ(holes.all[0].cause, market::GapCause::disconnect);
  EXPECT_EQ(holes.all[0].missing, 2);
  EXPECT_EQ(holes.all[0].filled, 2U);
  EXPECT_EQ(holes.all[0].fill, Fill::whole);
  EXPECT_EQ(holes.all[1].cause, market::GapCause::disconnect);
  EXPECT_EQ(holes.all[1].missing, -1);
  EXPECT_EQ(holes.all[2].cause, market::GapCause::sequence);
  EXPECT_EQ(holes.all[2].missing, 2);
  EXPECT_EQ(holes.all[2].fill, Fill::none);
}

TEST(Holes, AreListedWithWhatWasFetchedForThem) {
  const Folder folder;
  write_sample(folder / "j");
  const Holes holes = find_holes(folder / "j");
  ASSERT_EQ(holes.all.size(), 7U);
  const auto expect = [&](std::size_t i, std::int64_t missing, std::uint64_t filled, Fill fill) {
    EXPECT_EQ(holes.all[i].missing, missing) << i;
    EXPECT_EQ(holes.all[i].filled, filled) << i;
    EXPECT_EQ(holes.all[i].fill, fill) << i;
  };
  expect(0, 3, 3, Fill::whole);
  expect(1, 3, 1, Fill::some);
  expect(2, 2, 3, Fill::whole);
  expect(3, -1, 1, Fill::whole);
  expect(4, 4, 0, Fill::none);
  expect(5, -1, 1, Fill::some);
  expect(6, -1, 0, Fill::none);
  EXPECT_EQ(holes.all[0].symbol, "BTCUSDT");
  EXPECT_EQ(holes.all[3].base, "BTC");
  EXPECT_EQ(holes.damage_count, 0U);
}

TEST(Holes, OneCandleTwiceDoesNotMakeTwoMinutesWhole) {
  const Folder folder;
  {
    Journal journal(folder / "j");
    journal.gap(btc, RecordType::kline, market::GapCause::disconnect, t0,
                t0 + 2 * core::ns_per_minute);
    journal.kline(btc, t0, market::flag_backfill);
    journal.kline(btc, t0, market::flag_backfill);
  }
  EXPECT_EQ(find_holes(folder / "j").all.at(0).fill, Fill::some);
}

std::size_t count(const std::string& folder, const std::string& options) {
  const Outcome outcome = run("gaps " + folder + " --format json " + options);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return json::parse(outcome.out).size();
}

TEST(GapsCommand, FiltersByEveryThing) {
  const Folder folder;
  const std::string journal = folder / "j";
  write_sample(journal);
  EXPECT_EQ(count(journal, ""), 6U) << "half-seen minutes only on demand";
  EXPECT_EQ(count(journal, "--cause all"), 7U);
  EXPECT_EQ(count(journal, "--cause half_seen"), 1U);
  EXPECT_EQ(count(journal, "--cause disconnect"), 2U);
  EXPECT_EQ(count(journal, "--venue okx"), 1U);
  EXPECT_EQ(count(journal, "--symbol BTC"), 4U) << "the coin, on both venues";
  EXPECT_EQ(count(journal, "--symbol BTCUSDT"), 3U);
  EXPECT_EQ(count(journal, "--table trade"), 3U);
  EXPECT_EQ(count(journal, "--stream book"), 2U);
  EXPECT_EQ(count(journal, "--since 2026-11-01T00:05"), 1U);
  EXPECT_EQ(count(journal, "--until 2026-11-01T00:05"), 5U);
  EXPECT_EQ(run("gaps " + journal + " --cause nonsense").exit_code, 2);
  EXPECT_EQ(run("gaps " + journal + " --venue nonsense").exit_code, 1);
  EXPECT_EQ(run("gaps " + journal + " --table nonsense").exit_code, 1);
  EXPECT_EQ(run("gaps " + folder.path() + "/absent").exit_code, 2);
}

TEST(GapsCommand, ThreeFormatsSayTheSame) {
  const Folder folder;
  write_sample(folder / "j");
  const Outcome csv = run("gaps " + (folder / "j") + " --format csv --table trade --venue binance");
  EXPECT_EQ(csv.exit_code, 0);
  EXPECT_EQ(csv.out,
            "venue,symbol,stream,cause,from,to,expected_id,got_id,missing,filled,fill\r\n"
            "binance,BTCUSDT,trade,sequence,2026-11-01T00:00:00.000Z,2026-11-01T00:00:01.000Z,10,"
            "13,3,3,whole\r\n"
            "binance,ETHUSDT,trade,sequence,2026-11-01T00:00:00.000Z,2026-11-01T00:00:01.000Z,10,"
            "13,3,1,some\r\n"
            "binance,BTCUSDT,trade,disconnect,2026-11-01T00:10:00.000Z,2026-11-01T00:10:10.000Z,,,"
            ",1,some\r\n");
  const Outcome table = run("gaps " + (folder / "j"));
  EXPECT_NE(table.out.find("6 holes, 3 of them whole again"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("1 minutes seen in part are not listed"), std::string::npos);
  const json first = json::parse(run("gaps " + (folder / "j") + " --format json").out)[0];
  EXPECT_EQ(first["missing"], 3);
  EXPECT_EQ(first["fill"], "whole");
  EXPECT_EQ(first["cause"], "sequence");
}

TEST(GapsCommand, TakesItsFolderFromTheConfiguration) {
  const Folder folder;
  write_sample(folder / "j");
  std::ofstream(folder / "perp.toml") << "journal.folder = \"" << (folder / "j") << "\"\n";
  const Outcome outcome = run("gaps --format json --config " + (folder / "perp.toml"));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out).size(), 6U);
}

TEST(GapsCommand, DamageIsToldAndPartial) {
  const Folder folder;
  write_sample(folder / "j");
  for (const auto& entry : std::filesystem::directory_iterator(folder / "j")) {
    if (std::filesystem::file_size(entry.path()) < 8192) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096 + 200);  // in the first block
    file.put('\x55');
  }
  const Outcome outcome = run("gaps " + (folder / "j") + " --format json");
  EXPECT_EQ(outcome.exit_code, 3) << outcome.out;
  EXPECT_NE(outcome.err.find("could not be read"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace perp::app::testing
