// Goal: what venues' replies say of limits is read exactly, or not at all. Method: dates against
// the C library's calendar, texts as the venues and RFC 9110 print them, and spoilt ones.
#include <perp/core/prng.hpp>
#include <perp/feed/limit_headers.hpp>

#include <gtest/gtest.h>

#include <cctype>
#include <ctime>
#include <iomanip>
#include <locale>
#include <map>
#include <sstream>
#include <string>

namespace perp::feed {
namespace {

using core::ns_per_second;
using core::WallNs;

constexpr WallNs year_2026{1'790'000'000 * ns_per_second};

std::string print(const char* form, std::time_t seconds) {
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << std::put_time(&parts, form);
  return text.str();
}

TEST(LimitHeaders, DatesAgreeWithTheCalendarOfTheCLibrary) {
  core::Prng random(11);
  for (int i = 0; i < 20'000; ++i) {
    const std::time_t seconds = random.between(0, 4'102'444'799);  // to the end of 2099
    const WallNs expected{seconds * ns_per_second};
    const std::string imf = print("%a, %d %b %Y %H:%M:%S GMT", seconds);
    ASSERT_EQ(parse_http_date(imf, year_2026), expected) << imf;
    const std::string asctime = print("%a %b %e %H:%M:%S %Y", seconds);
    ASSERT_EQ(parse_http_date(asctime, year_2026), expected) << asctime;
    const std::string rfc850 = print("%A, %d-%b-%y %H:%M:%S GMT", seconds);
    // 1977 to 2076 are within 50 years ahead of 2026, and not more than a century back.
    if (print("%Y", seconds) >= "1977" && print("%Y", seconds) <= "2076") {
      ASSERT_EQ(parse_http_date(rfc850, year_2026), expected) << rfc850;
    }
  }
}

TEST(LimitHeaders, SpoiltDatesAreRefused) {
  for (const std::string good : {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                 "Sun Nov  6 08:49:37 1994"}) {
    ASSERT_EQ(parse_http_date(good, year_2026), WallNs{784'111'777 * ns_per_second}) << good;
    for (std::size_t cut = 0; cut < good.size(); ++cut)
      EXPECT_FALSE(parse_http_date(good.substr(0, cut), year_2026)) << good.substr(0, cut);
    EXPECT_FALSE(parse_http_date(good + " ", year_2026));
  }
  for (const char* bad : {"", "now", "Sun, 31 Feb 2026 00:00:00 GMT",
                          "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
                          "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 1994 08:49:37 CET",
                          "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1969 08:49:37 GMT",
                          "Sun, 06 Nov 9999 08:49:37 GMT", "Sun, +6 Nov 1994 08:49:37 GMT"})
    EXPECT_FALSE(parse_http_date(bad, year_2026)) << bad;
}

TEST(LimitHeaders, RetryAfterIsSecondsOrADate) {
  EXPECT_EQ(parse_retry_after("120", "", year_2026), 120 * ns_per_second);
  EXPECT_EQ(parse_retry_after("0", "", year_2026), 0);
  const std::string until = print("%a, %d %b %Y %H:%M:%S GMT", 1'790'000'090);
  EXPECT_EQ(parse_retry_after(until, "", year_2026), 90 * ns_per_second);
  EXPECT_EQ(parse_retry_after(until, "", {1'790'000'091 * ns_per_second}), 0);
  const std::string sent = print("%a, %d %b %Y %H:%M:%S GMT", 1'790'000'060);
  for (const std::int64_t hour : {-3600, 0, 3600})
    EXPECT_EQ(parse_retry_after(until, sent, {year_2026.ns + hour * ns_per_second}),
              30 * ns_per_second)
        << "the host's own two clocks, not ours";
  for (const char* bad :
       {"", "-1", "+5", "1.5", "5 ", " 5", "0x10", "soon", "99999999999999999999", "9223372037"})
    EXPECT_FALSE(parse_retry_after(bad, "", year_2026)) << bad;
}

/// As net::HttpHead::value: names' case aside.
struct Head {
  std::map<std::string, std::string> fields;
  std::string_view operator()(std::string_view name) const {
    std::string lower(name);
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const auto found = fields.find(lower);
    return found == fields.end() ? std::string_view{} : found->second;
  }
};

TEST(LimitHeaders, BinanceSaysWhatIsUsed) {
  const LimitReading reading =
      read_limits(LimitStyle::binance, Head{{{"x-mbx-used-weight-1m", "2161"}}});
  EXPECT_EQ(reading.used, 2161u);
  EXPECT_FALSE(reading.remaining);
  for (const char* bad : {"", "-1", "many", "4294967296", "12,13"})
    EXPECT_FALSE(
        read_limits(LimitStyle::binance, Head{{{"x-mbx-used-weight-1m", bad}}}).used.has_value())
        << bad;
}

TEST(LimitHeaders, BybitSaysWhatIsLeft) {
  const LimitReading reading =
      read_limits(LimitStyle::bybit, Head{{{"x-bapi-limit", "100"},
                                           {"x-bapi-limit-status", "99"},
                                           {"x-bapi-limit-reset-timestamp", "1672738134824"}}});
  EXPECT_EQ(reading.limit, 100u);
  EXPECT_EQ(reading.remaining, 99u);
  EXPECT_EQ(reading.used, 1u);
  EXPECT_EQ(reading.reset_at, WallNs{1'672'738'134'824'000'000});
  const LimitReading odd = read_limits(
      LimitStyle::bybit, Head{{{"x-bapi-limit", "10"},
                               {"x-bapi-limit-status", "11"},
                               {"x-bapi-limit-reset-timestamp", "9223372036854775807"}}});
  EXPECT_FALSE(odd.used) << "more left than there is";
  EXPECT_EQ(odd.reset_at, WallNs{}) << "not a time";
}

TEST(LimitHeaders, OthersSayNothing) {
  const Head head{{{"x-mbx-used-weight-1m", "5"}, {"x-bapi-limit", "5"}}};
  const LimitReading reading = read_limits(LimitStyle::none, head);
  EXPECT_FALSE(reading.used || reading.limit || reading.remaining);
}

}  // namespace
}  // namespace perp::feed
