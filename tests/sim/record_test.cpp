#include "sim/recording.hpp"

#include <perp/core/error.hpp>
#include <perp/sim/record.hpp>

#include <algorithm>
#include <cmath>
#include <set>

namespace perp::sim::test {
namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;

TEST(Record, WritesLinesInStrictOrderOfReceipt) {
  for (const Recording* recording : {&busy(), &dead()}) {
    for (const auto* files : {&recording->ws, &recording->rest}) {
      for (const auto& [venue, lines] : *files) {
        ASSERT_FALSE(lines.empty()) << venue;
        for (std::size_t i = 1; i < lines.size(); ++i)
          ASSERT_GT(lines[i].receive_ns, lines[i - 1].receive_ns) << venue << " line " << i + 1;
      }
    }
  }
}

TEST(Record, GivesTheSameBytesForTheSameSeedAndOthersForAnother) {
  RecordOptions options;
  options.symbols = 4;
  options.minutes = 1;
  TemporaryFolder first, second, third;
  options.folder = first.path();
  const RecordReport report = record(options, {});
  options.folder = second.path();
  record(options, {});
  options.folder = third.path();
  options.seed = 2;
  record(options, {});
  EXPECT_EQ(report.files.size(), 9U);
  for (const RecordedFile& file : report.files) {
    const std::string name = file.path.substr(first.path().size());
    const std::string bytes = read_file(file.path);
    EXPECT_EQ(bytes.size(), file.bytes) << name;
    EXPECT_EQ(bytes, read_file(second.path() + name)) << name;
    EXPECT_NE(bytes, read_file(third.path() + name)) << name;
  }
}

TEST(Record, WritesAVenueAloneAsItDoesAmongOthers) {
  TemporaryFolder all, alone;
  RecordOptions options;
  options.symbols = 3;
  options.minutes = 1;
  options.folder = all.path();
  record(options, {});
  options.folder = alone.path();
  options.venues = {market::VenueId::okx};
  const RecordReport report = record(options, {});
  EXPECT_EQ(report.files.size(), 3U);
  EXPECT_EQ(read_file(all.path() + "/okx/ws.tsv"), read_file(alone.path() + "/okx/ws.tsv"));
  EXPECT_EQ(read_file(all.path() + "/okx/rest.tsv"), read_file(alone.path() + "/okx/rest.tsv"));
  EXPECT_FALSE(std::filesystem::exists(alone.path() + "/binance"));
}

TEST(Record, ReportsWhatItWrote) {
  const Recording& recording = busy();
  std::uint64_t lines = 0;
  for (const auto* files : {&recording.ws, &recording.rest})
    for (const auto& [venue, read] : *files) lines += read.size();
  std::uint64_t messages = 0;
  for (const StreamCount& stream : recording.report.streams) messages += stream.messages;
  EXPECT_EQ(recording.report.messages, lines);
  EXPECT_EQ(messages, lines);
  std::uint64_t bytes = 0;
  for (const RecordedFile& file : recording.report.files)
    bytes += std::filesystem::file_size(file.path);
  EXPECT_EQ(recording.report.bytes, bytes);
  EXPECT_EQ(recording.report.truth_rows, 4U * 8U * 3U);
  for (const StreamCount& stream : recording.report.streams)
    EXPECT_GT(stream.messages, 0U) << stream.stream;
}

TEST(Record, TellsItsProgress) {
  TemporaryFolder folder;
  RecordOptions options;
  options.folder = folder.path();
  options.symbols = 1;
  options.minutes = 1;
  std::vector<double> fractions;
  record(options, [&](double fraction) { fractions.push_back(fraction); });
  ASSERT_GT(fractions.size(), 50U);
  EXPECT_EQ(fractions.back(), 1);
  for (std::size_t i = 1; i < fractions.size(); ++i) EXPECT_GT(fractions[i], fractions[i - 1]);
}

TEST(Record, BeginsWithTheInstrumentLists) {
  const std::map<std::string, std::string> first = {{"binance", "exchangeInfo"},
                                                    {"bybit", "instruments-info"},
                                                    {"okx", "instruments"},
                                                    {"hyperliquid", "meta"}};
  for (const auto& [venue, endpoint] : first) {
    const Line& line = busy().rest.at(venue).front();
    EXPECT_EQ(line.tail, endpoint);
    EXPECT_LT(line.receive_ns, busy().ws.at(venue).front().receive_ns);
  }
}

TEST(Record, BringsHistoryThatEndsAtTheStart) {
  // Closed bars only, contiguous, 30 minutes and 24 hours, the last close within the opening's
  // reach.
  const std::map<std::string, std::string> endpoints = {{"binance", "klines"},
                                                        {"bybit", "kline"},
                                                        {"okx", "history-candles"},
                                                        {"hyperliquid", "candleSnapshot"}};
  const std::int64_t start_ms = busy().options.start_ns / ns_per_ms;
  for (const auto& [venue, endpoint] : endpoints) {
    std::set<std::string> tails;
    for (const Line& line : busy().rest.at(venue)) {
      if (line.tail.rfind(endpoint + " ", 0) != 0) continue;
      ASSERT_NE(line.tail.find(" backfill=1"), std::string::npos) << line.tail;
      ASSERT_GE(line.receive_ns, busy().options.start_ns) << "the last bar is closed when it comes";
      tails.insert(line.tail);
      const bool is_hourly =
          line.tail.find("=1h") != std::string::npos || line.tail.find("=1H") != std::string::npos;
      const std::int64_t length_ms = is_hourly ? 3'600'000 : 60'000;
      std::vector<std::int64_t> opens;
      const Json& rows = venue == "bybit" ? line.json["result"]["list"]
                         : venue == "okx" ? line.json["data"]
                                          : line.json;
      for (const Json& row : rows) {
        const Json& open = venue == "hyperliquid" ? row["t"] : row[0];
        opens.push_back(open.is_string() ? std::stoll(open.get<std::string>())
                                         : open.get<std::int64_t>());
      }
      if (venue == "bybit" || venue == "okx") std::reverse(opens.begin(), opens.end());
      ASSERT_EQ(opens.size(), is_hourly ? 24U : 30U);
      for (std::size_t i = 0; i < opens.size(); ++i)
        ASSERT_EQ(opens[i], start_ms - static_cast<std::int64_t>(opens.size() - i) * length_ms)
            << line.tail;
    }
    EXPECT_EQ(tails.size(), 16U) << venue;
  }
}

TEST(Record, ArrivesSomeMillisecondsAfterItWasSent) {
  for (const Line& line : busy().ws.at("binance")) {
    if (!line.json.contains("data")) continue;
    const std::int64_t latency =
        line.receive_ns - line.json["data"]["E"].get<std::int64_t>() * ns_per_ms;
    ASSERT_GE(latency, 2 * ns_per_ms);
    ASSERT_LE(latency, 40 * ns_per_ms);
  }
}

TEST(Record, RefusesOptionsOutOfRange) {
  TemporaryFolder folder;
  const auto refuses = [&](auto change) {
    RecordOptions options;
    options.folder = folder.path() + "/never";
    change(options);
    EXPECT_THROW(record(options, {}), core::Error);
  };
  refuses([](RecordOptions& options) { options.folder.clear(); });
  refuses([](RecordOptions& options) { options.minutes = 0; });
  refuses([](RecordOptions& options) { options.symbols = 0; });
  refuses([](RecordOptions& options) { options.symbols = static_cast<int>(symbol_limit()) + 1; });
  refuses([](RecordOptions& options) { options.start_ns += 1; });
  refuses([](RecordOptions& options) { options.start_ns = -3'600'000'000'000; });
  refuses([](RecordOptions& options) { options.activity = 0; });
  refuses([](RecordOptions& options) { options.activity = std::nan(""); });
  refuses([](RecordOptions& options) { options.activity = 21; });
  refuses([](RecordOptions& options) { options.venues = {market::VenueId::none}; });
  refuses([](RecordOptions& options) {
    options.venues = {market::VenueId::okx, market::VenueId::okx};
  });
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/never"));
  RecordOptions options;
  options.minutes = 1;
  options.symbols = 1;
  options.folder = "/proc/version/no-folder";
  EXPECT_THROW(record(options, {}), core::Error);
}

TEST(Record, AcceptsEveryCoinAndBothEndsOfActivity) {
  for (const double activity : {0.001, 20.0}) {
    TemporaryFolder folder;
    RecordOptions options;
    options.folder = folder.path();
    options.minutes = 1;
    options.symbols = activity < 1 ? static_cast<int>(symbol_limit()) : 2;
    options.activity = activity;
    const RecordReport report = record(options, {});
    EXPECT_EQ(report.truth_rows, 4U * static_cast<std::uint64_t>(options.symbols));
    for (const market::Venue& venue : market::venues)
      EXPECT_FALSE(read_lines(folder.path() + "/" + std::string(venue.key) + "/ws.tsv").empty());
  }
}

}  // namespace
}  // namespace perp::sim::test
