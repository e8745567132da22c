// Goal: several recordings come out of the ring as one feed: lists first, merged by time, nothing
// lost, a tick at the end that closes no minute which the recording does not hold. Method: small
// recordings written here, the ring read.
#include <perp/core/error.hpp>
#include <perp/feed/replay.hpp>
#include <perp/journal/writer.hpp>
#include <perp/venue/registry.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

namespace perp::feed {
namespace {

namespace fs = std::filesystem;

using Bytes = std::vector<std::byte>;

class ReplayFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "perp-replay-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }

  /// Replays everything; the reader keeps up whenever the ring is full. @returns whole records in
  /// order.
  std::vector<Bytes> replay(std::size_t ring_bytes = std::size_t{1} << 20) {
    std::vector<Bytes> records;
    core::RecordRing ring(ring_bytes);
    const auto drain = [&] {
      for (auto run = ring.peek(); !run.empty(); run = ring.peek()) {
        venue::for_each_record(run, [&](const market::RecordHeader& header) {
          if (header.type == market::RecordType::padding) return;
          const auto* begin = reinterpret_cast<const std::byte*>(&header);
          records.emplace_back(begin, begin + header.size);
        });
        ring.release(run.size());
      }
    };
    std::atomic<bool> stop{false};
    RingWriter writer(ring, drain, stop);
    ReplayOptions options;
    options.paths = {folder_.string()};
    Replay replay(options, writer);
    while (!replay.is_done()) {
      replay.do_work(core::MonoNs{});
      drain();
    }
    stats_ = writer.stats();
    refusals_ = writer.refusals();
    skipped_ = replay.skipped().size();
    return records;
  }

  static const market::RecordHeader& header(const Bytes& bytes) {
    return *reinterpret_cast<const market::RecordHeader*>(bytes.data());
  }
  static std::vector<Bytes> only(const std::vector<Bytes>& records, market::RecordType type) {
    std::vector<Bytes> found;
    for (const Bytes& bytes : records)
      if (header(bytes).type == type) found.push_back(bytes);
    return found;
  }

  fs::path folder_;
  RingWriterStats stats_;
  std::vector<Refusal> refusals_;
  std::size_t skipped_ = 0;
};

std::string trade(const std::string& symbol, int id, const std::string& price,
                  std::int64_t time_ms) {
  const std::string t = std::to_string(time_ms);
  return R"({"stream":"x@aggTrade","data":{"e":"aggTrade","E":)" + t + R"(,"a":)" +
         std::to_string(id) + R"(,"s":")" + symbol + R"(","p":")" + price +
         R"(","q":"1","f":1,"l":1,"T":)" + t + R"(,"m":false}})";
}

std::string hyperliquid_trade(int id, const std::string& price, std::int64_t time_ms) {
  return R"({"channel":"trades","data":[{"coin":"BTC","side":"B","px":")" + price +
         R"(","sz":"1","time":)" + std::to_string(time_ms) + R"(,"hash":"0x0","tid":)" +
         std::to_string(id) + "}]}";
}

TEST_F(ReplayFiles, MergesByReceiveTimeAcrossVenues) {
  write("binance/a.tsv", "10.1\t" + trade("BTCUSDT", 1, "100", 10'000) + "\n10.3\t" +
                             trade("BTCUSDT", 2, "102", 10'200) + "\n");
  write("hyperliquid/b.tsv", "10.2\t" + hyperliquid_trade(7, "101", 10'100) + "\n10.4\t" +
                                 hyperliquid_trade(8, "103", 10'300) + "\n");
  const auto trades = only(replay(), market::RecordType::trade);
  ASSERT_EQ(trades.size(), 4u);
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(market::payload<market::Trade>(header(trades[static_cast<std::size_t>(i)])).price,
              100 + i);
}

TEST_F(ReplayFiles, UntimedRecordingsMergeByExchangeTimeAndKeepTheirTimeUnknown) {
  write("binance/a.jsonl",
        trade("BTCUSDT", 1, "100", 10'000) + "\n" + trade("BTCUSDT", 2, "102", 10'200) + "\n");
  write("hyperliquid/b.jsonl",
        hyperliquid_trade(7, "101", 10'100) + "\n" + hyperliquid_trade(8, "103", 10'300) + "\n");
  const auto trades = only(replay(), market::RecordType::trade);
  ASSERT_EQ(trades.size(), 4u);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(market::payload<market::Trade>(header(trades[static_cast<std::size_t>(i)])).price,
              100 + i);
    EXPECT_EQ(header(trades[static_cast<std::size_t>(i)]).receive_ns, core::unknown_ns);
  }
}

TEST_F(ReplayFiles, AnInstrumentIsDefinedBeforeItsFirstUse) {
  write("binance/a.jsonl",
        trade("BTCUSDT", 1, "100", 20'000) + "\n" + trade("ETHUSDT", 1, "7", 20'001) + "\n");
  write("binance/b.jsonl", trade("ETHUSDT", 2, "8", 10'000) + "\n");
  const auto records = replay();
  std::set<std::uint32_t> defined;
  for (const Bytes& bytes : records) {
    if (header(bytes).type == market::RecordType::instrument)
      defined.insert(header(bytes).instrument);
    if (header(bytes).type == market::RecordType::trade) {
      EXPECT_TRUE(defined.contains(header(bytes).instrument));
    }
  }
  EXPECT_EQ(defined.size(), 2u);
}

TEST_F(ReplayFiles, TheLastTickReachesTwoSecondsBehindTheEvidence) {
  write("binance/a.tsv",
        "100.5\t" + trade("BTCUSDT", 1, "100", 101'800) + "\n");  // the receive clock runs behind
  const auto records = replay();
  const market::RecordHeader& last = header(records.back());
  ASSERT_EQ(last.type, market::RecordType::tick);
  EXPECT_EQ(last.receive_ns, 103'800 * core::ns_per_ms);
}

TEST_F(ReplayFiles, RingSequenceHasNoHoleAndNothingIsLostInASmallRing) {
  std::string text;
  for (int i = 0; i < 5'000; ++i)
    text += std::to_string(1000 + i / 1000) + "." + std::to_string(100 + i % 900) + "\t" +
            trade("BTCUSDT", i, std::to_string(1000 + i), 1'000'000 + i) + "\n";
  write("binance/a.tsv", text);
  const auto records = replay(std::size_t{1} << 18);
  for (std::size_t i = 0; i < records.size(); ++i) ASSERT_EQ(header(records[i]).seq, i);
  EXPECT_EQ(only(records, market::RecordType::trade).size(), 5'000u);
  EXPECT_EQ(stats_.messages, 5'000u);
}

TEST_F(ReplayFiles, ARefusedMessageBecomesOneErrorRecordWithItsFirstBytes) {
  write("binance/a.tsv",
        "1.0\t{\"stream\":\"x@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"s\":\n1.1\t" +
            trade("BTCUSDT", 1, "100", 1'100) + "\n");
  const auto records = replay();
  const auto errors = only(records, market::RecordType::error);
  ASSERT_EQ(errors.size(), 1u);
  const auto& failure = market::payload<market::DecodeFailure>(header(errors[0]));
  EXPECT_EQ(static_cast<venue::DecodeStatus>(failure.status), venue::DecodeStatus::malformed_json);
  EXPECT_EQ(failure.excerpt.view(),
            "{\"stream\":\"x@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"s\":");
  EXPECT_EQ(header(errors[0]).receive_ns, core::ns_per_second);
  EXPECT_EQ(only(records, market::RecordType::trade).size(), 1u) << "the stream goes on";
  ASSERT_EQ(refusals_.size(), 1u);
  EXPECT_EQ(refusals_[0].count, 1u);
}

TEST_F(ReplayFiles, AMessageLargerThanAClaimArrivesWhole) {
  // 8,000 levels are 128 KiB of records: more than the usual claim of ring space.
  std::string bids;
  for (int i = 0; i < 8'000; ++i)
    bids += (i == 0 ? "" : ",") + std::string("[\"") + std::to_string(20'000 - i) + "\",\"1\"]";
  write("binance/ws_btcusdt.tsv",
        "1.0\t{\"lastUpdateId\":5,\"E\":1000,\"T\":1000,\"bids\":[" + bids + "],\"asks\":[]}\n");
  const auto books = only(replay(std::size_t{1} << 21), market::RecordType::book_snapshot);
  ASSERT_EQ(books.size(), 1u);
  EXPECT_EQ(market::payload<market::Book>(header(books[0])).bid_count, 8'000u);
}

TEST_F(ReplayFiles, SpeedPacesByReceiveTime) {
  write("binance/a.tsv", "10.0\t" + trade("BTCUSDT", 1, "100", 10'000) + "\n12.0\t" +
                             trade("BTCUSDT", 2, "101", 12'000) + "\n");
  core::RecordRing ring(std::size_t{1} << 20);
  std::atomic<bool> stop{false};
  RingWriter writer(
      ring, [] {}, stop);
  ReplayOptions options;
  options.paths = {folder_.string()};
  options.speed = 2;
  Replay replay(options, writer);
  EXPECT_EQ(replay.do_work({0}), 1);
  EXPECT_EQ(replay.do_work({999 * core::ns_per_ms}), 0)
      << "two recorded seconds are one at twice the speed";
  EXPECT_EQ(replay.do_work({core::ns_per_second}), 1);
  EXPECT_TRUE(replay.is_done());
}

TEST_F(ReplayFiles, AJournalIsReplayedAsItIsWithoutItsConclusions) {
  write("binance/a.tsv", "1.0\t" + trade("BTCUSDT", 1, "100", 1'000) + "\n1.1\t" +
                             trade("BTCUSDT", 2, "101", 1'100) + "\n");
  const auto first = replay();
  fs::remove_all(folder_ / "binance");
  {
    journal::WriterOptions options;
    options.folder = (folder_ / "journal").string();
    journal::Writer writer(options);
    for (const Bytes& bytes : first) writer.append(header(bytes));
    Bytes derived = first.back();
    reinterpret_cast<market::RecordHeader*>(derived.data())->flags |= market::flag_derived;
    writer.append(header(derived));
    writer.close();
  }
  core::RecordRing ring(std::size_t{1} << 20);
  std::atomic<bool> stop{false};
  RingWriter writer(
      ring, [] {}, stop);
  ReplayOptions options;
  options.paths = {(folder_ / "journal").string()};
  Replay replay(options, writer);
  while (!replay.is_done()) replay.do_work({});
  std::vector<Bytes> again;
  const auto run = ring.peek();
  venue::for_each_record(run, [&](const market::RecordHeader& record) {
    const auto* begin = reinterpret_cast<const std::byte*>(&record);
    again.emplace_back(begin, begin + record.size);
  });
  EXPECT_EQ(again, first) << "the same bytes, no second tick, no derived record";
}

}  // namespace
}  // namespace perp::feed
