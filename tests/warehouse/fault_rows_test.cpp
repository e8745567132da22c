// What is in the rows themselves: duplicates, text of any bytes, numbers that are none, clocks that
// are wrong. Stored, or refused with the reason; never in the way of the rest.
#include "warehouse/fault.hpp"

#include <perp/core/error.hpp>

#include <limits>
#include <string>
#include <string_view>

namespace perp::warehouse {
namespace {

using market::RecordType;
using market::SpecKind;
using market::VenueId;
using test::day_0;
using test::Fact;
using test::Text;
using test::Whole;

class RowFault : public test::FaultTest {
 protected:
  /// A header of binance's instrument `index`.
  template <class Payload>
  static Whole<Payload> record(RecordType type, std::uint32_t index) {
    Whole<Payload> out;
    out.header.size = sizeof out;
    out.header.type = type;
    out.header.venue = VenueId::binance;
    out.header.instrument = 1u << 24 | index;
    out.header.exchange_ns = out.header.receive_ns = day_0 * 1'000'000;
    return out;
  }
  std::string one(const std::string& sql) { return Text(dsn_).one(sql); }
};

/// Bytes that a venue might send where a text belongs, and how they are read back: as they are
/// where PostgreSQL takes them, else escaped.
struct AnyText {
  std::string_view bytes;
  std::string_view stored;
};
constexpr AnyText any_texts[] = {
    {"plain", "plain"},
    {std::string_view("a\0b", 3), "a"},  // a record's text ends at NUL; an excerpt does not
    {"\xff\xfe", "\\u00ff\\u00fe"},
    {"\xc3(", "\\u00c3("},                      // a sequence that breaks off
    {"\xed\xa0\x80", "\\u00ed\\u00a0\\u0080"},  // a surrogate
    {"\xf0\x9f\x90\xb8", "\xf0\x9f\x90\xb8"},   // U+1F438, four bytes
    {"'; DROP TABLE perp_data; --", "'; DROP TABLE perp_data; --"},
    {"tab\tline\nquote\"back\\slash", "tab\tline\nquote\"back\\slash"},
    {"\x1b[31m", "\x1b[31m"},
};

TEST_P(RowFault, TextOfAnyBytesIsStoredOrEscaped) {
  for (const AnyText& text : any_texts) {
    auto status = record<market::FeedStatus>(RecordType::feed_status, 0);
    status.header.instrument = 0;
    status.payload.state = market::FeedState::stale;
    status.payload.reason.assign_cut(text.bytes);
    journal_.append(status.header);
    auto failure = record<market::DecodeFailure>(RecordType::error, 0);
    failure.header.instrument = 0;
    failure.payload.stream.assign_cut(text.bytes);
    failure.payload.field.assign_cut(text.bytes);
    failure.payload.excerpt.assign_cut(text.bytes);
    failure.payload.excerpt_size = static_cast<std::uint16_t>(text.bytes.size());
    journal_.append(failure.header);
  }
  journal_.sync();
  const LoadReport report = load(options());
  EXPECT_EQ(report.status_rows, std::size(any_texts));
  EXPECT_EQ(report.error_rows, std::size(any_texts));
  EXPECT_EQ(report.rows_refused, 0u);
  const auto messages = Text(dsn_).list("SELECT message FROM perp_status ORDER BY task_id");
  const auto errors = Text(dsn_).rows(
      "SELECT error_message, details->>'excerpt' FROM perp_errors ORDER BY error_id");
  ASSERT_EQ(messages.size(), std::size(any_texts));
  ASSERT_EQ(errors.size(), std::size(any_texts));
  for (std::size_t i = 0; i < std::size(any_texts); ++i) {
    const std::string stored(any_texts[i].stored);
    EXPECT_EQ(messages[i], stored);
    EXPECT_EQ(errors[i][0], stored + ": message refused at " + stored + " (status 0)");
    // In JSON a byte is a character, so that the bytes can be told again.
    std::string bytes;
    for (const char c : any_texts[i].bytes)
      if (static_cast<unsigned char>(c) >= 0x80) {
        bytes += static_cast<char>(0xc0 | static_cast<unsigned char>(c) >> 6);
        bytes += static_cast<char>(0x80 | (c & 0x3f));
      } else {
        bytes += c == '\0' ? std::string("\\x00") : std::string(1, c);
      }
    EXPECT_EQ(errors[i][1], bytes);
  }
}

// A name that is no text is no symbol: the instrument, its minutes, its facts and its holes are
// refused one by one, and told.
TEST_P(RowFault, NamesThatAreNoTextAreRefusedAndTold) {
  generator_.define_all(journal_);
  std::uint32_t index = 50;
  int refused = 0;
  for (const std::string_view name : {"\xff\xfe", "\xc3(", "\xed\xa0\x80"}) {
    journal_.append(test::instrument_record(VenueId::binance, ++index, std::string(name)).header);
    Fact fact = generator_.fact(VenueId::binance, 0, SpecKind::oi, day_0);
    fact.index = index;
    append(journal_, fact);
    auto kline = record<market::Kline>(RecordType::kline, index);
    kline.payload.open_ns = day_0 * 1'000'000;
    kline.payload.interval_ns = 60'000'000'000;
    kline.payload.is_closed = market::Tristate::yes;
    journal_.append(kline.header);
    auto gap = record<market::Gap>(RecordType::gap, index);
    gap.payload.stream = RecordType::trade;
    gap.payload.cause = market::GapCause::sequence;
    journal_.append(gap.header);
    refused += 4;
  }
  write(generator_.fact(VenueId::binance, 0, SpecKind::oi, day_0));
  journal_.sync();
  EXPECT_EQ(load(options()).rows_refused, static_cast<std::uint64_t>(refused));
  EXPECT_EQ(one("SELECT string_agg(t || ' ' || n, ', ' ORDER BY t) FROM (SELECT details->>'table' "
                "t, count(*) n FROM perp_errors WHERE error_code = 'INSERT_FAILED' GROUP BY 1) x"),
            "data_gaps 3, instruments 3, klines 3, perp_data 3");
  expect_exactly_once();
}

TEST_P(RowFault, NumbersThatAreNoneAreNullOrRefused) {
  generator_.define_all(journal_);
  const double infinity = std::numeric_limits<double>::infinity();
  std::uint64_t refused = 0;
  for (int i = 0; i < 6; ++i) {
    Fact fact = generator_.fact(VenueId::bybit, static_cast<std::uint32_t>(i), SpecKind::ohlcv,
                                day_0 + i * 60'000);
    const double bad[] = {std::numeric_limits<double>::quiet_NaN(),
                          -std::numeric_limits<double>::signaling_NaN(),
                          infinity,
                          -infinity,
                          std::numeric_limits<double>::denorm_min(),
                          std::numeric_limits<double>::max()};
    fact.values[market::column("c")] = bad[i];
    if (std::isinf(bad[i])) {
      append(journal_, fact);
      ++refused;
    } else {
      write(fact);
    }
  }
  journal_.sync();
  EXPECT_EQ(load(options()).rows_refused, refused);
  EXPECT_EQ(one("SELECT count(*) FROM perp_data WHERE c IS NULL"), "2");
  EXPECT_EQ(one("SELECT count(*) FROM perp_errors WHERE error_message LIKE '%finite%'"), "2");
  expect_exactly_once();
}

// A venue's clock, or ours, is wrong by any amount: what lies outside 2010 to 2100 is refused with
// its time, what is inside is stored, the day's partition made for it.
TEST_P(RowFault, ClockLimits) {
  constexpr std::int64_t year_2010 = 1'262'304'000'000, year_2100 = 4'102'444'800'000;
  generator_.define_all(journal_);
  std::vector<std::int64_t> outside{year_2010 - 60'000, year_2100 + 60'000, 0, -60'000,
                                    9'000'000'000'000};
  for (const std::int64_t ts : outside)
    append(journal_, generator_.fact(VenueId::okx, 0, SpecKind::oi, ts));
  for (const std::int64_t ts :
       {year_2010, day_0 - 366 * std::int64_t{86'400'000}, day_0, year_2100})
    write(generator_.fact(VenueId::okx, 0, SpecKind::oi, ts));
  // Statuses have the clock of this machine: any of it is stored.
  for (const std::int64_t ns : {std::int64_t{1}, std::numeric_limits<std::int64_t>::max() - 1,
                                std::int64_t{-1'000'000'000}}) {
    auto status = record<market::FeedStatus>(RecordType::feed_status, 0);
    status.header.instrument = 0;
    status.header.receive_ns = ns;
    status.payload.reason.assign_cut("status " + std::to_string(status_count_++));
    journal_.append(status.header);
  }
  journal_.sync();
  const LoadReport report = load(options());
  EXPECT_EQ(report.rows_refused, outside.size());
  EXPECT_EQ(one("SELECT string_agg(details->>'ts', ',' ORDER BY (details->>'ts')::bigint) FROM "
                "perp_errors WHERE error_message LIKE '%2010 and 2100%'"),
            "-60000,0,1262303940000,4102444860000," + std::to_string(outside.back()));
  EXPECT_EQ(one("SELECT max(extract(year FROM ts)) FROM perp_status"), "2262");
  expect_exactly_once();
}

// The same rows over and over: in one batch, across batches, across lanes, by another loader.
TEST_P(RowFault, RowsToldAgainAreOneRow) {
  generator_.define_all(journal_);
  const std::vector<Fact> facts = generator_.minutes(day_0, 2);
  for (int round = 0; round < 5; ++round)
    for (const Fact& fact : facts) {
      write(fact);
      if (round % 2 == 0) write(fact);
    }
  journal_.sync();
  LoaderOptions with = options();
  with.lanes = 3;
  with.batch_rows = 100;
  const LoadReport report = load(with);
  EXPECT_GT(report.rows_folded, 0u);
  EXPECT_GT(report.merged_batches, 0u);
  expect_exactly_once();
  // Somebody sets the cursors back: everything is stored again over itself.
  Text(dsn_).rows("UPDATE perp_load_cursors SET position = 0");
  EXPECT_EQ(load(with).rows_refused, 0u);
  expect_exactly_once();
}

INSTANTIATE_TEST_SUITE_P(Servers, RowFault, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
