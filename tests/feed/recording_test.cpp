// Goal: what a file name and its form say is understood, and every message comes out with its
// bytes, its place and its time. Method: files written here, names as recorders use them.
#include <perp/core/error.hpp>
#include <perp/feed/recording.hpp>

#include <gtest/gtest.h>

#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace perp::feed {
namespace {

namespace fs = std::filesystem;

class RecordingFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "perp-recording-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }
  std::string write_zipped(const std::string& name, const std::string& text) {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    gzFile file = gzopen(path.c_str(), "wb");
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
    return path.string();
  }
  RecordingFile only(const std::string& path, const RecordingOptions& options = {}) {
    std::vector<SkippedFile> skipped;
    const auto files = find_recordings({path}, options, skipped);
    EXPECT_EQ(files.size(), 1u);
    return files.at(0);
  }

  fs::path folder_;
};

TEST_F(RecordingFiles, ReadsTimedLinesWithoutLosingADigit) {
  const auto path = write("binance/ws.tsv",
                          "1723161255.030314667\t{\"e\":\"trade\"}\r\n"
                          "1626992742.29\t{}\n"
                          "1626992743\t{\"last\":true}");
  RecordingReader reader(only(path));
  RecordedMessage message;
  ASSERT_TRUE(reader.next(message));
  EXPECT_EQ(message.receive_ns, 1'723'161'255'030'314'667);
  EXPECT_EQ(message.payload, "{\"e\":\"trade\"}");
  EXPECT_FALSE(message.is_rest);
  ASSERT_TRUE(reader.next(message));
  EXPECT_EQ(message.receive_ns, 1'626'992'742'290'000'000);
  ASSERT_TRUE(reader.next(message));
  EXPECT_EQ(message.payload, "{\"last\":true}") << "a last line without an end of line counts";
  EXPECT_EQ(message.line, 3u);
  EXPECT_FALSE(reader.next(message));
  EXPECT_EQ(reader.bad_lines(), 0u);
}

TEST_F(RecordingFiles, ThirdColumnNamesARestBody) {
  RecordingReader reader(
      only(write("okx/rest.tsv",
                 "5.5\t{\"code\":\"0\"}\tcandles symbol=BTC-USDT-SWAP period=1m backfill=1\n")));
  RecordedMessage message;
  ASSERT_TRUE(reader.next(message));
  EXPECT_TRUE(message.is_rest);
  EXPECT_TRUE(message.is_backfill);
  EXPECT_EQ(message.endpoint, "candles");
  EXPECT_EQ(message.symbol, "BTC-USDT-SWAP");
  EXPECT_EQ(message.period, "1m");
  EXPECT_EQ(message.payload, "{\"code\":\"0\"}");
}

TEST_F(RecordingFiles, BadLinesAreCountedAndPlaced) {
  const auto path = write("bybit/ws.tsv", "1.0\t{}\nno tab here\nx.y\t{}\n2.0\t{\"ok\":1}\n");
  RecordingReader reader(only(path));
  RecordedMessage message;
  ASSERT_TRUE(reader.next(message));
  ASSERT_TRUE(reader.next(message));
  EXPECT_EQ(message.payload, "{\"ok\":1}");
  EXPECT_FALSE(reader.next(message));
  EXPECT_EQ(reader.bad_lines(), 2u);
  EXPECT_EQ(reader.first_bad_line(), path + ":2: expected 'seconds<TAB>json'");
}

TEST_F(RecordingFiles, ReadsZippedNanosecondsAndABareDepthSnapshot) {
  const auto path = write_zipped("history/binance_um_raw_ws_btcusdt_20240808.txt.gz",
                                 "1723161255030314667 {\"stream\":\"btcusdt@trade\"}\n"
                                 "1723161255030314668 {\"lastUpdateId\": 12, \"bids\": []}\n");
  const RecordingFile file = only(path);
  EXPECT_EQ(file.venue, market::VenueId::binance);
  EXPECT_EQ(file.symbol, "BTCUSDT");
  RecordingReader reader(file);
  RecordedMessage message;
  ASSERT_TRUE(reader.next(message));
  EXPECT_EQ(message.receive_ns, 1'723'161'255'030'314'667);
  EXPECT_FALSE(message.is_rest);
  ASSERT_TRUE(reader.next(message));
  EXPECT_TRUE(message.is_rest);
  EXPECT_EQ(message.endpoint, "depth");
  EXPECT_EQ(message.symbol, "BTCUSDT");
}

TEST_F(RecordingFiles, ATruncatedArchiveIsAnErrorNotAnEnd) {
  std::string text;
  for (int i = 0; i < 20'000; ++i)
    text += std::to_string(i) + " {\"n\":" + std::to_string(i * 7919) + "}\n";
  const auto path = write_zipped("binance/x.txt.gz", text);
  fs::resize_file(path, fs::file_size(path) / 2);
  RecordingReader reader(only(path));
  RecordedMessage message;
  EXPECT_THROW(while (reader.next(message)){}, core::Error);
}

TEST_F(RecordingFiles, MessagesLargerThanTheBufferComeWhole) {
  const std::string large(std::size_t{9} << 20, 'x');
  const auto path = write("okx/ws.jsonl", "{\"a\":1}\n\"" + large + "\"\n{\"b\":2}\n");
  RecordingReader reader(only(path));
  RecordedMessage message;
  ASSERT_TRUE(reader.next(message));
  ASSERT_TRUE(reader.next(message));
  EXPECT_EQ(message.payload.size(), large.size() + 2);
  ASSERT_TRUE(reader.next(message));
  EXPECT_EQ(message.payload, "{\"b\":2}");
}

TEST_F(RecordingFiles, NamesTellVenueEndpointSymbolAndPeriod) {
  const auto file =
      only(write("binance/rest_globalLongShortAccountRatio_btcusdt_5m_2020-10.json", "[]"));
  EXPECT_TRUE(file.is_rest);
  EXPECT_EQ(file.endpoint, "globalLongShortAccountRatio");
  EXPECT_EQ(file.symbol, "BTCUSDT");
  EXPECT_EQ(file.period, "5m");
  const auto list = only(write("okx/rest_public_instruments_SWAP.json", "{}"));
  EXPECT_EQ(list.endpoint, "instruments");
  EXPECT_TRUE(list.is_instrument_list);
  EXPECT_EQ(list.symbol, "");
  const auto coin = only(write("hyperliquid/rest_fundingHistory_BTC_2023-07-17.json", "[]"));
  EXPECT_EQ(coin.endpoint, "fundingHistory");
  EXPECT_EQ(coin.symbol, "BTC");
  const auto pepe = only(write("hyperliquid/rest_candleSnapshot_kPEPE_1h_2023-07-17.json", "[]"));
  EXPECT_EQ(pepe.symbol, "kPEPE");
  EXPECT_EQ(pepe.period, "1h");
}

TEST_F(RecordingFiles, OptionsStandOverNames) {
  const auto file = only(write("data.json", "[]"), {.venue = market::VenueId::binance,
                                                    .endpoint = "klines",
                                                    .symbol = "ETHUSDT",
                                                    .period = "1m"});
  EXPECT_EQ(file.venue, market::VenueId::binance);
  EXPECT_EQ(file.endpoint, "klines");
  EXPECT_EQ(file.symbol, "ETHUSDT");
  EXPECT_EQ(file.period, "1m");
}

TEST_F(RecordingFiles, WhatCannotBeReadIsNamed) {
  std::vector<SkippedFile> skipped;
  EXPECT_THROW(find_recordings({(folder_ / "absent").string()}, {}, skipped), core::Error);
  const auto nowhere = write("data.jsonl", "{}\n");
  EXPECT_THROW(find_recordings({nowhere}, {}, skipped), core::Error)
      << "named outright, but no venue";
  write("binance/SOURCES.md", "text");
  write("binance/rest_somethingElse_2020.json", "{}");
  write("binance/ws.jsonl", "{}\n");
  const auto files = find_recordings({(folder_ / "binance").string()}, {}, skipped);
  EXPECT_EQ(files.size(), 1u);
  ASSERT_EQ(skipped.size(), 2u);
  EXPECT_NE(skipped[0].why.find("not a recording"), std::string::npos);
  EXPECT_NE(skipped[1].why.find("--endpoint"), std::string::npos);
  EXPECT_THROW(
      find_recordings(
          {nowhere},
          {.venue = market::VenueId::okx, .endpoint = "nope", .symbol = "", .period = ""}, skipped),
      core::Error);
}

}  // namespace
}  // namespace perp::feed
