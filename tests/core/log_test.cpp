#include <perp/core/log.hpp>
#include <perp/core/prng.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <limits>
#include <thread>
#include <vector>

namespace perp::core {
namespace {

constexpr WallNs at{1'790'232'216'193'456'789};

WallNs fixed_now() noexcept { return at; }

std::string text_line(std::string_view message, std::initializer_list<LogField> fields = {}) {
  return format_line(LogFormat::text, at, LogLevel::info, "feed", message, fields);
}
nlohmann::json json_line(std::string_view message, std::initializer_list<LogField> fields = {}) {
  return nlohmann::json::parse(
      format_line(LogFormat::json, at, LogLevel::info, "feed", message, fields));
}

TEST(Log, TextHasTimeLevelComponentMessageAndFields) {
  EXPECT_EQ(text_line("connected", {{"venue", "okx"},
                                    {"tries", 3},
                                    {"age_s", 0.5},
                                    {"is_first", true},
                                    {"bytes", std::size_t{7}},
                                    {"delta", std::int64_t{-2}}}),
            "time=2026-09-24T06:43:36.193456Z level=info component=feed message=connected "
            "venue=okx tries=3 age_s=0.5 "
            "is_first=true bytes=7 delta=-2");
  EXPECT_EQ(text_line("two words", {{"empty", ""}, {"path", "a=b"}}),
            "time=2026-09-24T06:43:36.193456Z level=info component=feed message=\"two words\" "
            "empty=\"\" path=\"a=b\"");
}

TEST(Log, TimesAreTheCLibrarysDates) {
  Prng prng(3);
  for (int i = 0; i < 2000; ++i) {
    const std::int64_t ns =
        prng.between(-5'000'000'000, 9'000'000'000) * ns_per_second + prng.between(0, 999'999'999);
    const auto seconds = static_cast<std::time_t>(floor_to(ns, ns_per_second) / ns_per_second);
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    char expected[64];
    std::strftime(expected, sizeof expected, "time=%Y-%m-%dT%H:%M:%S.", &utc);
    const std::string line = format_line(LogFormat::text, WallNs{ns}, LogLevel::warn, "c", "m", {});
    ASSERT_EQ(line.substr(0, std::string(expected).size()), expected) << ns;
  }
  EXPECT_TRUE(format_line(LogFormat::text, WallNs{}, LogLevel::warn, "c", "m", {})
                  .starts_with("time=unknown "));
}

TEST(Log, NobodyCanForgeALine) {
  const std::string evil =
      "x\nlevel=error message=\"root\"\r\x1b[2J\x7f\xc2\x85\xe2\x80\xa8\xe2\x80\xae\xff\xc0\xaf";
  const std::string line = text_line(evil, {{"field", evil}, {"bad key\n=", 1}});
  EXPECT_NE(
      line.find("\"x\\nlevel=error "
                "message=\\\"root\\\"\\r\\u001b[2J\\u007f\\u0085\\u2028\\u202e\\xff\\xc0\\xaf\""),
      std::string::npos)
      << line;
  EXPECT_NE(line.find(" bad_key__=1"), std::string::npos);
  const std::string json =
      format_line(LogFormat::json, at, LogLevel::error, evil, evil, {{evil, evil}});
  const auto parsed = nlohmann::json::parse(json);
  EXPECT_EQ(parsed["level"], "error");
  EXPECT_EQ(parsed.size(), 5u);
  for (const std::string& text : {line, json})
    for (const char c : text)
      EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) != 0x7f);
}

// The JSON library is the judge: any bytes give one valid document, and valid UTF-8 comes back
// unchanged.
TEST(Log, JsonRoundTripsAnyTextAndSurvivesAnyBytes) {
  Prng prng(11);
  for (int i = 0; i < 3000; ++i) {
    std::string bytes;
    std::string valid;
    for (std::uint64_t n = prng.below(20); n > 0; --n) {
      bytes += static_cast<char>(prng.below(256));
      const char* const pieces[] = {"a",
                                    "\"",
                                    "\\",
                                    "\n",
                                    "\t",
                                    "\x01",
                                    "\xc3\xa9",
                                    "\xe2\x82\xac",
                                    "\xf0\x9f\x98\x80",
                                    "\xe2\x80\xa8",
                                    "="};
      valid += pieces[prng.below(std::size(pieces))];
    }
    EXPECT_NO_THROW(json_line(bytes, {{bytes, bytes}}));
    const auto parsed = json_line(valid, {{"value", valid}});
    EXPECT_EQ(parsed["message"], valid);
    EXPECT_EQ(parsed["value"], valid);
    for (const std::string& line :
         {text_line(bytes, {{"v", bytes}}),
          format_line(LogFormat::json, at, LogLevel::info, bytes, bytes, {})})
      ASSERT_TRUE(std::none_of(line.begin(), line.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
      }));
  }
}

TEST(Log, NumbersKeepTheirValues) {
  const auto parsed = json_line("m", {{"max", std::numeric_limits<std::int64_t>::max()},
                                      {"min", std::numeric_limits<std::int64_t>::min()},
                                      {"natural", std::numeric_limits<std::uint64_t>::max()},
                                      {"tenth", 0.1},
                                      {"nan", std::nan("")},
                                      {"no", false}});
  EXPECT_EQ(parsed["max"].get<std::int64_t>(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(parsed["min"].get<std::int64_t>(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parsed["natural"].get<std::uint64_t>(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(parsed["tenth"].get<double>(), 0.1);
  EXPECT_TRUE(parsed["nan"].is_null());
  EXPECT_EQ(parsed["no"], false);
}

TEST(Log, LongTextsAreCutAndSayByHowMuch) {
  const std::string text(Logger::text_limit + 10, 'x');
  EXPECT_EQ(json_line(text)["message"], std::string(Logger::text_limit, 'x') + "...(+10 bytes)");
  EXPECT_EQ(json_line(text.substr(10))["message"], text.substr(10));
}

struct Collector {
  std::vector<std::string> lines;
  bool is_open = true;
  static bool write(void* self, std::string_view line) {
    auto& collector = *static_cast<Collector*>(self);
    if (collector.is_open) collector.lines.emplace_back(line);
    return collector.is_open;
  }
};

TEST(Log, LevelsFilterAndRefusedLinesAreCounted) {
  Collector collector;
  Logger logger({LogLevel::warn, LogFormat::text, {Collector::write, &collector}, fixed_now});
  logger.info("c", "not written");
  logger.warn("c", "written");
  logger.error("c", "written too");
  EXPECT_EQ(collector.lines.size(), 2u);
  EXPECT_EQ(collector.lines[0],
            "time=2026-09-24T06:43:36.193456Z level=warn component=c message=written\n");
  logger.set_level(LogLevel::off);
  logger.error("c", "off");
  EXPECT_EQ(collector.lines.size(), 2u);
  logger.set_level(LogLevel::debug);
  logger.debug("c", "now");
  EXPECT_EQ(collector.lines.size(), 3u);
  collector.is_open = false;
  logger.error("c", "lost");
  EXPECT_EQ(logger.dropped_count(), 1u);
  Logger nowhere({LogLevel::info, LogFormat::text, {}, fixed_now});
  nowhere.info("c", "m");
  EXPECT_EQ(nowhere.dropped_count(), 1u);
}

TEST(Log, LevelNamesParseBack) {
  for (const LogLevel level :
       {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error, LogLevel::off}) {
    LogLevel parsed = LogLevel::debug;
    EXPECT_TRUE(parse_log_level(name_of(level), parsed));
    EXPECT_EQ(parsed, level);
  }
  LogLevel level = LogLevel::info;
  EXPECT_FALSE(parse_log_level("INFO", level));
  EXPECT_EQ(level, LogLevel::info);
}

TEST(Log, ThreadsDoNotMixTheirLines) {
  Collector collector;
  Logger logger({LogLevel::info, LogFormat::json, {Collector::write, &collector}, fixed_now});
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&logger, t] {
        for (int i = 0; i < 200; ++i)
          logger.info("c", std::string(100, static_cast<char>('a' + t)), {{"i", i}});
      });
  }
  ASSERT_EQ(collector.lines.size(), 800u);
  for (const std::string& line : collector.lines) {
    const std::string message = nlohmann::json::parse(line)["message"];
    EXPECT_EQ(message, std::string(100, message.at(0)));
  }
}

}  // namespace
}  // namespace perp::core
