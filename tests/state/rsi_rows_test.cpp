// rsi1 and rsi60 of minute rows against Wilder's definition in long double, over warm-up, hours and
// holes.
#include "state/tape.hpp"

#include <gtest/gtest.h>

#include <random>

namespace perp::test {
namespace {

constexpr int period = 11;
constexpr std::uint8_t backfill = market::flag_backfill;

/// Wilder's index of a list of closes, NaN if it is too short. By the definition alone.
double wilder(const std::vector<double>& closes) {
  if (closes.size() < period + 1) return market::missing;
  long double gain = 0;
  long double loss = 0;
  for (std::size_t i = 1; i < closes.size(); ++i) {
    const long double d = static_cast<long double>(closes[i]) - closes[i - 1];
    const long double up = d > 0 ? d : 0;
    const long double down = d < 0 ? -d : 0;
    if (i <= period) {
      gain += up / period;
      loss += down / period;
    } else {
      gain = (gain * (period - 1) + up) / period;
      loss = (loss * (period - 1) + down) / period;
    }
  }
  if (loss == 0) return gain == 0 ? 50 : 100;
  return static_cast<double>(100 - 100 / (1 + gain / loss));
}

struct Prices {
  std::map<std::int64_t, double> minutes;  ///< by minutes since noon
  std::map<std::int64_t, double> hours;    ///< by hours since noon

  explicit Prices(unsigned seed) {
    std::mt19937_64 random(seed);
    std::lognormal_distribution<double> step(0, 0.002);
    double price = 3'100;
    for (std::int64_t m = -40 * 60; m < 200; ++m) {
      price = std::round(price * step(random) * 100) / 100;
      minutes[m] = price;
      if ((m + 40 * 60) % 60 == 59) hours[(m - 59) / 60] = price;
    }
  }
  std::vector<double> minute_closes(std::int64_t from, std::int64_t to) const {
    std::vector<double> list;
    for (std::int64_t m = from; m <= to; ++m) list.push_back(minutes.at(m));
    return list;
  }
  double rsi60(std::int64_t first_hour, std::int64_t minute) const {
    std::vector<double> list;
    const std::int64_t hour = minute >= 0 ? minute / 60 : (minute - 59) / 60;
    for (std::int64_t h = first_hour; h < hour; ++h) list.push_back(hours.at(h));
    list.push_back(minutes.at(minute));
    return wilder(list);
  }
};

CandleText flat(double price) { return {price, price, price, price, 1000, 500}; }

void add_minute_history(Tape& tape, const Prices& prices, std::int64_t from, std::int64_t to,
                        std::int64_t now) {
  for (std::int64_t m = from; m < to; ++m)
    tape.candle(bin_btc, noon + m * min, flat(prices.minutes.at(m)), now, market::Tristate::yes,
                backfill);
}
void add_hour_history(Tape& tape, const Prices& prices, std::int64_t from, std::int64_t to,
                      std::int64_t now) {
  for (std::int64_t h = from; h < to; ++h)
    tape.candle(bin_btc, noon + h * 60 * min, flat(prices.hours.at(h)), now, market::Tristate::yes,
                backfill, 60 * min);
}
void add_live(Tape& tape, const Prices& prices, std::int64_t from, std::int64_t to) {
  for (std::int64_t m = from; m < to; ++m)
    tape.candle(bin_btc, noon + m * min, flat(prices.minutes.at(m)), noon + (m + 1) * min + s);
  tape.tick(noon + to * min + 2 * s);
}

constexpr double rounding = 0.00005 + 1e-9;  // four decimals

// Whatever order the two histories come in, and even if live minutes came first, the table ends up
// the same.
TEST(RsiRows, MatchWilderFromTheFirstLiveMinuteAfterAWarmUp) {
  const Prices prices(1);
  for (const int order : {0, 1, 2}) {
    Tape tape;
    tape.instrument(bin_btc, "BTC");
    tape.tick(noon + 5 * s);
    const std::int64_t now = order == 2 ? noon + 3 * min + 10 * s : noon + 6 * s;
    if (order == 2) add_live(tape, prices, 0, 3);
    if (order == 1) add_hour_history(tape, prices, -30, 0, now);
    add_minute_history(tape, prices, -250, 0, now);
    if (order != 1) add_hour_history(tape, prices, -30, 0, now);
    add_live(tape, prices, order == 2 ? 3 : 0, 130);
    const Played run(tape);
    for (std::int64_t m = 0; m < 130; ++m) {
      const double rsi1 = run.all.value(bin_btc, SpecKind::rsi, noon + m * min, "rsi1");
      const double rsi60 = run.all.value(bin_btc, SpecKind::rsi, noon + m * min, "rsi60");
      ASSERT_NEAR(rsi1, wilder(prices.minute_closes(-250, m)), rounding)
          << order << " minute " << m;
      ASSERT_NEAR(rsi60, prices.rsi60(-30, m), rounding) << order << " minute " << m;
    }
  }
}

// History minutes get their rows, too: rsi1 from the twelfth close on.
TEST(RsiRows, OfHistoryAreWrittenAsTheyWarmUp) {
  const Prices prices(2);
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon + 5 * s);
  add_minute_history(tape, prices, -250, 0, noon + 6 * s);
  const Played run(tape);
  EXPECT_EQ(run.all.count(bin_btc, SpecKind::rsi), 250u - period);
  EXPECT_EQ(run.all.count(bin_btc, SpecKind::ohlcv), 250u);
  for (std::int64_t m = -250 + period; m < 0; ++m) {
    const MinuteRow* row = run.all.find(bin_btc, SpecKind::rsi, noon + m * min);
    ASSERT_NE(row, nullptr) << m;
    EXPECT_TRUE(row->is_backfill());
    ASSERT_NEAR(row->values.at(raw_id("rsi1")), wilder(prices.minute_closes(-250, m)), rounding)
        << m;
    // Only four whole hours are in 250 minutes: rsi60 needs eleven.
    ASSERT_EQ(row->values.count(raw_id("rsi60")), 0u);
  }
  EXPECT_EQ(run.state.totals().revised, state::Totals::ByKind{});
}

// At 12:59 the running hour is hour 12 and its provisional close is the close of 12:59; at 13:00
// hour 12 is completed with that same close, and 13:00 runs. At 13:00 a close equal to it gives d =
// 0, not a repeat of the hour.
TEST(RsiRows, HourTurnsOverWithItsLastMinute) {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon + 5 * s);
  // Completed hours -11 .. -1 close at 100, 101, .., 110: ten gains of 1.
  for (int h = -11; h < 0; ++h)
    tape.candle(bin_btc, noon + h * 60 * min, flat(111 + h), noon + 6 * s, market::Tristate::yes,
                backfill, 60 * min);
  for (int m = 56; m <= 61; ++m) {
    const double close = m < 59 ? 105 : m == 59 ? 115.5 : m == 60 ? 115.5 : 110;
    tape.tick(noon + m * min + 3 * s);
    tape.candle(bin_btc, noon + m * min, flat(close), noon + (m + 1) * min + s);
  }
  tape.tick(noon + 62 * min + 2 * s);
  const Played run(tape);
  const auto rsi60 = [&](int m) {
    return run.all.value(bin_btc, SpecKind::rsi, noon + m * min, "rsi60");
  };
  // 12 closes at minute 58: gains 10 x 1, loss 5 (110 -> 105): RS = 2, 100 - 100/3.
  EXPECT_EQ(rsi60(58), 66.6667);
  // Minute 59: gains 10 + 5.5, no loss.
  EXPECT_EQ(rsi60(59), 100);
  // Minute 60: hour 12 closed at 115.5 and hour 13 stands at the same.
  EXPECT_EQ(rsi60(60), 100);
  // Minute 61: gain (15.5/11 x 10)/11 = 155/121, loss 5.5/11 = 0.5 (60.5/121): RS = 155/60.5.
  EXPECT_EQ(rsi60(61), 71.9258);  // 100 - 100/(1 + 2.5619835) = 71.92575
}

TEST(RsiRows, BridgeThreeMissingMinutesAndStartAgainAfterFour) {
  for (const int hole : {3, 4}) {
    Tape tape;
    tape.instrument(bin_btc, "BTC");
    tape.tick(noon);
    const Prices prices(3);
    add_live(tape, prices, 0, 20);
    tape.ticks(noon + 20 * min + 3 * s, noon + (20 + hole) * min + 3 * s);
    add_live(tape, prices, 20 + hole, 40);
    const Played run(tape);
    std::vector<double> closes = prices.minute_closes(0, 19);
    closes.insert(closes.end(), 3, closes.back());
    closes.push_back(prices.minutes.at(20 + hole));
    const double after = run.all.value(bin_btc, SpecKind::rsi, noon + (20 + hole) * min, "rsi1");
    if (hole == 3) {
      EXPECT_NEAR(after, wilder(closes), rounding);
    } else {
      EXPECT_TRUE(std::isnan(after));
      // Eleven more closes and it speaks again, knowing nothing of before.
      EXPECT_EQ(run.all.find(bin_btc, SpecKind::rsi, noon + 34 * min), nullptr);
      EXPECT_NEAR(run.all.value(bin_btc, SpecKind::rsi, noon + 35 * min, "rsi1"),
                  wilder(prices.minute_closes(24, 35)), rounding);
    }
  }
}

TEST(RsiRows, ChangeFromTheirRoundedForm) {
  const Prices prices(4);
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon + 5 * s);
  add_minute_history(tape, prices, -100, 0, noon + 6 * s);
  add_live(tape, prices, 0, 12);
  const Played run(tape);
  for (int m = 0; m < 12; ++m) {
    const auto rsi1 = [&](int at) {
      return run.all.value(bin_btc, SpecKind::rsi, noon + at * min, "rsi1");
    };
    const double x = rsi1(m);
    const double before = rsi1(m - 5);
    EXPECT_EQ(x, std::floor(x * 10'000 + 0.5) / 10'000);
    const double v = ((x - before) / std::fabs(before)) * 100;
    EXPECT_EQ(run.all.value(bin_btc, SpecKind::rsi, noon + m * min, "rsi1_chg_5m"),
              std::copysign(std::floor(std::fabs(v) * 1000 + 0.5) / 1000, v));
  }
}

TEST(RsiRows, BelongToBinanceOnly) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.tick(noon);
  for (int m = 0; m < 20; ++m)
    tape.candle(byb_btc, noon + m * min, flat(100 + m), noon + (m + 1) * min + s);
  tape.tick(noon + 21 * min);
  const Played run(tape);
  EXPECT_EQ(run.all.count(byb_btc, SpecKind::ohlcv), 20u);
  EXPECT_EQ(run.all.count(byb_btc, SpecKind::rsi), 0u);
}

}  // namespace
}  // namespace perp::test
