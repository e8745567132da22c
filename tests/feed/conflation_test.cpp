// Goal: while a ring is full nothing but what a newer record replaces is missing, the newest of
// each is there, the counts are exact, and what comes out is in the order in which it came. Method:
// random records against a consumer that sleeps at random; the oracle is the list of what was
// written.
#include "support/malloc_counter.hpp"

#include <perp/core/prng.hpp>
#include <perp/feed/ring_writer.hpp>
#include <perp/market/record_kind.hpp>
#include <perp/venue/registry.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace perp::feed {
namespace {

using market::RecordType;

template <class Payload>
struct Record {
  market::RecordHeader header;
  Payload payload;

  Record(RecordType type, std::uint32_t instrument, std::int64_t number, std::uint8_t flags = 0) {
    header.size = sizeof *this;
    header.type = type;
    header.venue = market::VenueId::binance;
    header.instrument = instrument;
    header.receive_ns = number;
    header.flags = flags;
  }
};

struct Seen {
  RecordType type;
  std::uint32_t instrument;
  std::int64_t number;
  std::uint32_t seq;
  std::uint8_t flags;
  std::vector<std::byte> bytes;

  template <class Payload>
  const Payload& as() const {
    return market::payload<Payload>(*reinterpret_cast<const market::RecordHeader*>(bytes.data()));
  }
};

class ConflationTest : public ::testing::Test {
 protected:
  void drain() {
    for (auto run = ring_.peek(); !run.empty(); run = ring_.peek()) {
      venue::for_each_record(run, [&](const market::RecordHeader& header) {
        if (header.type == RecordType::padding) return;
        const auto* begin = reinterpret_cast<const std::byte*>(&header);
        seen_.push_back({header.type,
                         header.instrument,
                         header.receive_ns,
                         header.seq,
                         header.flags,
                         {begin, begin + header.size}});
      });
      ring_.release(run.size());
    }
  }
  /// Quotes of an instrument that no test uses, until one of them waits.
  void fill(RingWriter& writer) {
    while (writer.conflation().empty())
      writer.record(Record<market::Bbo>(RecordType::bbo, 99, 0).header);
  }

  core::RecordRing ring_{1 << 16};
  std::atomic<bool> stop_{false};
  std::vector<Seen> seen_;
};

TEST_F(ConflationTest, OnlyWhatANewerOneReplacesIsMissing) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    core::Prng random(seed);
    seen_.clear();
    RingWriter writer(
        ring_, [&] { drain(); }, stop_);
    writer.conflate();
    std::map<std::int64_t, std::pair<RecordType, std::uint32_t>> written;
    constexpr std::int64_t count = 20'000;
    for (std::int64_t number = 1; number <= count; ++number) {
      const auto instrument = static_cast<std::uint32_t>(random.between(1, 5));
      // Hours of quotes between two trades: what waits for room wakes the consumer.
      const std::int64_t pick = random.between(0, 999);
      const auto put = [&](const auto& record) {
        written[number] = {record.header.type, record.header.instrument};
        writer.record(record.header);
      };
      if (pick < 400)
        put(Record<market::Bbo>(RecordType::bbo, instrument, number));
      else if (pick < 700)
        put(Record<market::MarkPrice>(RecordType::mark_price, instrument, number));
      else if (pick < 900)
        put(Record<market::Ticker>(RecordType::ticker, instrument, number));
      else if (pick < 998)
        put(Record<market::Tick>(RecordType::tick, 0, number));
      else
        put(Record<market::Trade>(RecordType::trade, instrument, number));
      if (random.between(0, 4) == 0) writer.publish();
      if (random.between(0, 2999) == 0) drain();
    }
    for (int i = 0; i < 3; ++i) {
      writer.publish();
      drain();
    }
    std::map<std::pair<RecordType, std::uint32_t>, std::int64_t> newest;
    for (const auto& [number, key] : written) newest[key] = number;
    std::map<RecordType, std::uint64_t> missing;
    std::int64_t last = 0;
    std::uint32_t seq = 0;
    auto next = written.begin();
    for (const Seen& record : seen_) {
      ASSERT_GT(record.number, last) << "in the order in which they came";
      last = record.number;
      ASSERT_EQ(record.seq, seq++);
      for (; next->first != record.number; ++next) {
        ++missing[next->second.first];
        ASSERT_LT(next->first, newest.at(next->second)) << "the newest of its kind";
      }
      ++next;
    }
    ASSERT_TRUE(next == written.end());
    EXPECT_EQ(missing[RecordType::trade], 0u);
    std::uint64_t all = 0;
    for (const market::RecordKind& kind : market::record_kinds) {
      EXPECT_EQ(writer.conflation().replaced(kind.type), missing[kind.type]) << kind.name;
      all += missing[kind.type];
    }
    EXPECT_GT(all, 1000u) << "the ring was full";
    EXPECT_EQ(writer.stats().conflated, all);
    EXPECT_EQ(writer.stats().records + all, written.size());
    EXPECT_EQ(writer.lost_at_stop(), 0u);
  }
}

TEST_F(ConflationTest, AMessageWithoutRoomGivesItsNewestAndATradeWaits) {
  int waits = 0;
  RingWriter writer(
      ring_,
      [&] {
        ++waits;
        drain();
      },
      stop_);
  writer.conflate();
  venue::VenueState state(*venue::find_adapter(market::VenueId::binance));
  const auto decode = [&](std::string text) {
    const std::size_t size = text.size();
    text.append(venue::frame_padding, ' ');
    EXPECT_EQ(writer.frame(state, {.payload = std::string_view(text).substr(0, size),
                                   .receive_ns = 1'786'000'000'000'000'000}),
              venue::DecodeStatus::ok);
    writer.publish();
  };
  const auto quote = [&](const std::string& symbol, int update) {
    decode(
        R"({"stream":"x@bookTicker","data":{"e":"bookTicker","u":)" + std::to_string(update) +
        R"(,"s":")" + symbol +
        R"(","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1786000000000,"E":1786000000000}})");
  };
  quote("BTCUSDT", 1);
  quote("ETHUSDT", 1);
  fill(writer);
  for (int update = 2; update <= 500; ++update) {
    quote("BTCUSDT", update);
    quote("ETHUSDT", update);
  }
  EXPECT_EQ(waits, 0) << "no quote stops the feed";
  const std::uint64_t replaced = writer.conflation().replaced(RecordType::bbo);
  EXPECT_EQ(replaced, 2u * 498);
  decode(
      R"({"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1786000000000,"a":7,"s":"BTCUSDT","p":"64990.90","q":"0.002","nq":"0.002","f":7,"l":7,"T":1786000000000,"m":true,"st":1}})");
  EXPECT_GE(waits, 1);
  drain();
  ASSERT_GE(seen_.size(), 3u);
  const std::size_t end = seen_.size();
  EXPECT_EQ(seen_[end - 1].type, RecordType::trade);
  EXPECT_EQ(seen_[end - 1].as<market::Trade>().trade_id, 7);
  for (const std::size_t at : {end - 2, end - 3}) {
    EXPECT_EQ(seen_[at].type, RecordType::bbo);
    EXPECT_EQ(seen_[at].as<market::Bbo>().update_id, 500);
  }
  EXPECT_NE(seen_[end - 2].instrument, seen_[end - 3].instrument);
  EXPECT_EQ(writer.conflation().replaced(RecordType::bbo), replaced);
}

TEST_F(ConflationTest, WhatTheNewerOneDoesNotSayIsKept) {
  RingWriter writer(
      ring_, [&] { drain(); }, stop_);
  writer.conflate();
  fill(writer);
  Record<market::MarkPrice> mark(RecordType::mark_price, 1, 1, market::flag_gap_before);
  mark.payload.mark_price = 100;
  mark.payload.index_price = 90;
  writer.record(mark.header);
  Record<market::MarkPrice> index(RecordType::mark_price, 1, 2);
  index.payload.index_price = 99;
  writer.record(index.header);
  Record<market::Ticker> whole(RecordType::ticker, 1, 3);
  whole.payload.last_price = 5;
  whole.payload.trade_count_24h = 6;
  whole.payload.open_ns = 7;
  writer.record(whole.header);
  Record<market::Ticker> part(RecordType::ticker, 1, 4);
  part.payload.mid_price = 8;
  writer.record(part.header);
  // One side of a quote that is empty is no longer there: nothing is kept of it.
  Record<market::Bbo> both(RecordType::bbo, 1, 5);
  both.payload.bid_price = both.payload.ask_price = 1;
  writer.record(both.header);
  Record<market::Bbo> one(RecordType::bbo, 1, 6);
  one.payload.bid_price = 2;
  writer.record(one.header);
  drain();
  writer.publish();
  drain();
  ASSERT_GE(seen_.size(), 3u);
  const Seen* const found = seen_.data() + seen_.size() - 3;
  EXPECT_EQ(found[0].number, 2);
  EXPECT_EQ(found[0].flags, market::flag_gap_before);
  EXPECT_EQ(found[0].as<market::MarkPrice>().mark_price, 100);
  EXPECT_EQ(found[0].as<market::MarkPrice>().index_price, 99);
  EXPECT_EQ(found[1].number, 4);
  EXPECT_EQ(found[1].as<market::Ticker>().last_price, 5);
  EXPECT_EQ(found[1].as<market::Ticker>().mid_price, 8);
  EXPECT_EQ(found[1].as<market::Ticker>().trade_count_24h, 6);
  EXPECT_EQ(found[1].as<market::Ticker>().open_ns, 7);
  EXPECT_EQ(found[2].as<market::Bbo>().bid_price, 2);
  EXPECT_NE(found[2].as<market::Bbo>().ask_price, found[2].as<market::Bbo>().ask_price);
}

TEST_F(ConflationTest, HistoryAndAReplayWait) {
  int waits = 0;
  const auto idle = [&] {
    ++waits;
    drain();
  };
  RingWriter live(ring_, idle, stop_);
  live.conflate();
  fill(live);
  live.record(Record<market::Ticker>(RecordType::ticker, 1, 1, market::flag_backfill).header);
  EXPECT_EQ(waits, 1);
  live.publish();
  RingWriter replay(ring_, idle, stop_);
  std::int64_t number = 1;
  while (waits < 2) replay.record(Record<market::Bbo>(RecordType::bbo, 1, ++number).header);
  replay.publish();
  drain();
  EXPECT_EQ(replay.stats().conflated, 0u);
  ASSERT_GE(seen_.size(), static_cast<std::size_t>(number));
  for (std::int64_t i = 0; i + 2 <= number; ++i)
    ASSERT_EQ(seen_[seen_.size() - 1 - static_cast<std::size_t>(i)].number, number - i);
}

TEST_F(ConflationTest, AllocatesNothingPerRecord) {
  if (!test::malloc_is_counted()) GTEST_SKIP() << "a sanitizer brings its own malloc";
  RingWriter writer(
      ring_, [&] { drain(); }, stop_);
  writer.conflate();
  fill(writer);
  const auto put = [&](std::int64_t number) {
    for (std::uint32_t instrument = 1; instrument < 50; ++instrument)
      writer.record(Record<market::Bbo>(RecordType::bbo, instrument, number).header);
  };
  put(1);
  const std::uint64_t before = test::malloc_count();
  for (std::int64_t number = 2; number < 100; ++number) put(number);
  EXPECT_EQ(test::malloc_count(), before);
  EXPECT_GT(writer.stats().conflated, 1000u);
}

}  // namespace
}  // namespace perp::feed
