#include <perp/feed/limit_headers.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <limits>

namespace perp::feed {
namespace {

/// Digits and nothing else.
template <class Integer>
std::optional<Integer> read_integer(std::string_view text) {
  Integer value{};
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Takes a date's parts from the front of a text; once one does not fit, nothing fits.
class DateText {
 public:
  explicit DateText(std::string_view text) : rest_(text) {}

  void literal(std::string_view expected) {
    if (!rest_.starts_with(expected)) return fail();
    rest_.remove_prefix(expected.size());
  }
  int digits(std::size_t count) {
    const auto value = read_integer<int>(rest_.substr(0, count));
    if (rest_.size() < count || !value) return fail(), 0;
    rest_.remove_prefix(count);
    return *value;
  }
  /// Which of `names` comes, from 1 on.
  template <std::size_t N>
  int one_of(const std::array<std::string_view, N>& names) {
    for (std::size_t i = 0; i < N; ++i)
      if (rest_.starts_with(names[i])) {
        rest_.remove_prefix(names[i].size());
        return static_cast<int>(i) + 1;
      }
    return fail(), 0;
  }
  bool take_if(char expected) {
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void time_of_day() {
    hour = digits(2);
    literal(":");
    minute = digits(2);
    literal(":");
    second = digits(2);
  }
  bool is_done() const { return is_good_ && rest_.empty(); }

  int hour = 0;
  int minute = 0;
  int second = 0;

 private:
  void fail() {
    is_good_ = false;
    rest_ = {};
  }
  std::string_view rest_;
  bool is_good_ = true;
};

constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> days{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::array<std::string_view, 7> long_days{"Monday", "Tuesday",  "Wednesday", "Thursday",
                                                    "Friday", "Saturday", "Sunday"};

std::optional<core::WallNs> to_wall(const DateText& text, int year, int month, int day) {
  namespace chrono = std::chrono;
  const chrono::year_month_day date{chrono::year{year}, chrono::month{static_cast<unsigned>(month)},
                                    chrono::day{static_cast<unsigned>(day)}};
  // Second 60 is a leap second (RFC 9110 takes it from RFC 5322).
  if (!date.ok() || text.hour > 23 || text.minute > 59 || text.second > 60) return std::nullopt;
  if (year < 1970 || year > 2200) return std::nullopt;  // ns of 64 bits end in 2262
  const std::int64_t days_since = chrono::sys_days{date}.time_since_epoch().count();
  const std::int64_t seconds = text.hour * 3600 + text.minute * 60 + text.second;
  return core::WallNs{days_since * core::ns_per_day + seconds * core::ns_per_second};
}

/// Sun, 06 Nov 1994 08:49:37 GMT
std::optional<core::WallNs> parse_imf(std::string_view whole) {
  DateText text(whole);
  text.one_of(days);
  text.literal(", ");
  const int day = text.digits(2);
  text.literal(" ");
  const int month = text.one_of(months);
  text.literal(" ");
  const int year = text.digits(4);
  text.literal(" ");
  text.time_of_day();
  text.literal(" GMT");
  if (!text.is_done()) return std::nullopt;
  return to_wall(text, year, month, day);
}

/// Sunday, 06-Nov-94 08:49:37 GMT
std::optional<core::WallNs> parse_rfc850(std::string_view whole, core::WallNs now) {
  DateText text(whole);
  text.one_of(long_days);
  text.literal(", ");
  const int day = text.digits(2);
  text.literal("-");
  const int month = text.one_of(months);
  text.literal("-");
  const int short_year = text.digits(2);
  text.literal(" ");
  text.time_of_day();
  text.literal(" GMT");
  if (!text.is_done()) return std::nullopt;
  namespace chrono = std::chrono;
  const chrono::year_month_day today{
      chrono::floor<chrono::days>(chrono::sys_time<chrono::nanoseconds>(
          chrono::nanoseconds(std::max<std::int64_t>(0, now.ns))))};
  // More than 50 years ahead means the last century (RFC 9110 section 5.6.7).
  const int this_year = static_cast<int>(today.year());
  int year = this_year - this_year % 100 + short_year;
  if (year > this_year + 50) year -= 100;
  return to_wall(text, year, month, day);
}

/// Sun Nov  6 08:49:37 1994
std::optional<core::WallNs> parse_asctime(std::string_view whole) {
  DateText text(whole);
  text.one_of(days);
  text.literal(" ");
  const int month = text.one_of(months);
  text.literal(" ");
  const int day = text.take_if(' ') ? text.digits(1) : text.digits(2);
  text.literal(" ");
  text.time_of_day();
  text.literal(" ");
  const int year = text.digits(4);
  if (!text.is_done()) return std::nullopt;
  return to_wall(text, year, month, day);
}

}  // namespace

LimitReading read_limits(LimitStyle style, const HeaderLookup& header) {
  LimitReading reading;
  switch (style) {
    case LimitStyle::none: break;
    case LimitStyle::binance:
      reading.used = read_integer<std::uint32_t>(header("X-MBX-USED-WEIGHT-1M"));
      break;
    case LimitStyle::bybit: {
      reading.limit = read_integer<std::uint32_t>(header("X-Bapi-Limit"));
      reading.remaining = read_integer<std::uint32_t>(header("X-Bapi-Limit-Status"));
      if (reading.limit && reading.remaining && *reading.remaining <= *reading.limit)
        reading.used = *reading.limit - *reading.remaining;
      // Milliseconds; what lies beyond the year 2262 is not a time.
      const auto reset_ms =
          read_integer<std::int64_t>(header("X-Bapi-Limit-Reset-Timestamp")).value_or(0);
      if (reset_ms > 0 && reset_ms < std::numeric_limits<std::int64_t>::max() / core::ns_per_ms)
        reading.reset_at = {reset_ms * core::ns_per_ms};
      break;
    }
  }
  return reading;
}

std::optional<core::WallNs> parse_http_date(std::string_view text, core::WallNs now) {
  if (const auto imf = parse_imf(text)) return imf;
  if (const auto rfc850 = parse_rfc850(text, now)) return rfc850;
  return parse_asctime(text);
}

std::optional<std::int64_t> parse_retry_after(std::string_view retry_after, std::string_view date,
                                              core::WallNs now) {
  constexpr std::int64_t seconds_max =
      std::numeric_limits<std::int64_t>::max() / core::ns_per_second;
  if (const auto seconds = read_integer<std::int64_t>(retry_after)) {
    if (*seconds > seconds_max) return std::nullopt;
    return *seconds * core::ns_per_second;
  }
  const auto until = parse_http_date(retry_after, now);
  if (!until) return std::nullopt;
  const core::WallNs from = parse_http_date(date, now).value_or(now);
  return std::max<std::int64_t>(0, until->ns - from.ns);
}

}  // namespace perp::feed
