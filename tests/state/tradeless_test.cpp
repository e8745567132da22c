// Minutes in which nothing was traded, and of which the venue sends no candle: they stand at the
// close before, as long as it is known that nothing was traded. Every number is worked by hand.
#include "state/tape.hpp"

#include <gtest/gtest.h>

namespace perp::test {
namespace {

using market::Tristate;

CandleText flat(double price, double volume = 1000) { return {price, price, price, price, volume}; }

/// A mark price each ten seconds: time passes, and the contract lives.
void marks(Tape& tape, std::int64_t from_ns, std::int64_t to_ns, std::uint32_t id = okx_btc) {
  for (std::int64_t ns = from_ns; ns < to_ns; ns += 10 * s)
    tape.add<market::MarkPrice>(RecordType::mark_price, id, ns, ns).mark_price = 100;
}

/// OKX: the candle of minute 0 closes at 105, then nothing is traded. Closed are minutes
/// 0 .. minutes - 1.
Tape quiet(int minutes, std::uint32_t id = okx_btc) {
  Tape tape;
  tape.instrument(id, "BTC");
  tape.live(static_cast<VenueId>(id >> 24), RecordType::trade, noon);
  marks(tape, noon, noon + min, id);
  tape.candle(id, noon, {100, 110, 90, 105, 1000, 600}, noon + min + s);
  marks(tape, noon + min + 2 * s, noon + minutes * min + 3 * s, id);
  return tape;
}

/// The close of minute `m`, NaN where there is no row.
double close(const Played& run, int m, std::uint32_t id = okx_btc) {
  return run.all.value(id, SpecKind::ohlcv, noon + m * min, "c");
}

std::vector<MinuteRow> after(const Tape& tape, Played& run) {
  const std::size_t before = run.all.minutes.size();
  run.play(tape);
  return {run.all.minutes.begin() + static_cast<std::ptrdiff_t>(before), run.all.minutes.end()};
}

/// Minutes since noon of the rows of candles, in their order.
std::vector<std::int64_t> minutes_of(const std::vector<MinuteRow>& rows) {
  std::vector<std::int64_t> minutes;
  for (const MinuteRow& row : rows)
    if (row.kind == SpecKind::ohlcv) minutes.push_back((row.open_ns - noon) / min);
  return minutes;
}

using Minutes = std::vector<std::int64_t>;

class TradelessVenue : public testing::TestWithParam<std::uint32_t> {};

TEST_P(TradelessVenue, MinutesStandAtTheCloseBefore) {
  const std::uint32_t id = GetParam();
  const Played run(quiet(12, id));
  EXPECT_EQ(run.all.count(id, SpecKind::ohlcv), 12u);
  for (int m = 1; m < 12; ++m) {
    const MinuteRow* row = run.all.find(id, SpecKind::ohlcv, noon + m * min);
    ASSERT_NE(row, nullptr) << m;
    EXPECT_EQ(row->flags, market::flag_derived) << m;
    EXPECT_EQ(row->origin, market::MinuteOrigin::trades) << m;
    for (const char* column : {"o", "h", "l", "c"})
      EXPECT_EQ(row->values.at(raw_id(column)), 105) << m << column;
    EXPECT_EQ(row->values.at(raw_id("v")), 0) << m;
    EXPECT_EQ(row->values.at(id_of_column("c_chg_1m")), 0) << m;
    EXPECT_EQ(row->values.count(id_of_column("c_chg_5m")), m >= 5 ? 1u : 0u) << m;
    EXPECT_EQ(row->values.count(id_of_column("c_chg_10m")), m >= 10 ? 1u : 0u) << m;
    EXPECT_EQ(run.all.value(id, SpecKind::tv, noon + m * min, "tbv"), 0) << m;
  }
  EXPECT_TRUE(run.all.gaps.empty());
}

INSTANTIATE_TEST_SUITE_P(Venues, TradelessVenue,
                         testing::Values(bin_btc, byb_btc, okx_btc, hyp_btc));

TEST(Tradeless, NoMinuteIsMadeUpWithoutACloseBefore) {
  Tape tape;
  tape.instrument(okx_btc, "BTC");
  tape.live(VenueId::okx, RecordType::trade, noon);
  marks(tape, noon, noon + 3 * min);
  tape.trade(okx_btc, noon + 3 * min + s, 70, 1);
  marks(tape, noon + 3 * min + 2 * s, noon + 6 * min);
  const Played run(tape);
  EXPECT_EQ(minutes_of(run.all.minutes), (Minutes{3, 4}));
  EXPECT_EQ(close(run, 4), 70);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::tv, noon + min, "tsv"), 0);  // that much is known
}

// What was traded while nobody watched is not known: neither is the close.
TEST(Tradeless, AHoleEndsTheCloseUntilItsCandleComes) {
  Tape tape = quiet(3);
  tape.status(VenueId::okx, market::FeedState::stale, RecordType::trade, noon + 3 * min + 30 * s);
  tape.live(VenueId::okx, RecordType::trade, noon + 3 * min + 32 * s);
  marks(tape, noon + 3 * min + 40 * s, noon + 7 * min + 13 * s);
  Played run(tape);
  EXPECT_EQ(minutes_of(run.all.minutes), (Minutes{0, 1, 2}));
  // The venue's history tells of the hole.
  Tape fill;
  fill.candle(okx_btc, noon + 3 * min, flat(99, 0), noon + 7 * min + 15 * s, Tristate::yes,
              market::flag_backfill);
  const std::vector<MinuteRow> rows = after(fill, run);
  EXPECT_EQ(minutes_of(rows), (Minutes{3, 4, 5, 6}));
  EXPECT_TRUE(rows[0].is_backfill());
  for (const MinuteRow& row : rows) {
    if (row.kind != SpecKind::ohlcv) continue;
    EXPECT_EQ(row.values.at(raw_id("c")), 99);
    EXPECT_FALSE(row.is_revision()) << "written for the first time";
    if (row.open_ns != noon + 3 * min) {
      EXPECT_EQ(row.flags, market::flag_derived);
    }
  }
  // 105 -> 99: -5.7142..., five minutes after minute 1 and one after minute 2.
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::ohlcv, noon + 6 * min, "c_chg_5m"), -5.714);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::ohlcv, noon + 3 * min, "c_chg_1m"), -5.714);
}

TEST(Tradeless, AJumpOfTheClockEndsTheClose) {
  Tape tape = quiet(3);
  tape.live(VenueId::okx, RecordType::trade, noon + 6 * min - s);
  marks(tape, noon + 6 * min, noon + 10 * min);
  EXPECT_EQ(minutes_of(Played(tape).all.minutes), (Minutes{0, 1, 2}));
}

TEST(Tradeless, ALateCandleMovesAllThatStandAtItsClose) {
  Tape tape = quiet(4);
  tape.trade(okx_btc, noon + 4 * min + 5 * s, 110, 1);
  marks(tape, noon + 4 * min + 10 * s, noon + 16 * min + 13 * s);
  Played run(tape);
  Tape late;
  late.candle(okx_btc, noon, {100, 110, 90, 100, 1000, 600}, noon + 16 * min + 15 * s);
  const std::vector<MinuteRow> rows = after(late, run);
  // 0 .. 3 themselves; 4 by its change over a minute; 5 .. 8 and 10 .. 13 by those over five and
  // ten.
  EXPECT_EQ(minutes_of(rows), (Minutes{0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13}));
  for (const MinuteRow& row : rows) EXPECT_TRUE(row.is_revision());
  for (int m = 0; m < 4; ++m) EXPECT_EQ(close(run, m), 100) << m;
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::ohlcv, noon + 2 * min, "o"), 100);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::ohlcv, noon + 4 * min, "c_chg_1m"), 10);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::ohlcv, noon + 8 * min, "c_chg_5m"), 10);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::ohlcv, noon + 13 * min, "c_chg_10m"), 10);
  // Only its high differs: nobody else is concerned.
  Tape high;
  high.candle(okx_btc, noon, {100, 111, 90, 100, 1000, 600}, noon + 16 * min + 16 * s);
  EXPECT_EQ(minutes_of(after(high, run)), (Minutes{0}));
}

TEST(Tradeless, ALateTradeMakesAnOrdinaryMinuteAndMovesThoseBehindIt) {
  Played run(quiet(5));
  Tape late;
  late.trade(okx_btc, noon + 2 * min + 5 * s, 120, 2, market::Side::sell, 3 * min);
  const std::vector<MinuteRow> rows = after(late, run);
  EXPECT_EQ(minutes_of(rows), (Minutes{2, 3, 4}));
  EXPECT_EQ(close(run, 1), 105);
  const MinuteRow* traded = run.all.find(okx_btc, SpecKind::ohlcv, noon + 2 * min);
  EXPECT_EQ(traded->values.at(raw_id("o")), 120);
  EXPECT_EQ(traded->values.at(raw_id("v")), 240);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::tv, noon + 2 * min, "tsv"), 240);
  for (const int m : {3, 4}) {
    EXPECT_EQ(close(run, m), 120) << m;
    EXPECT_EQ(run.all.value(okx_btc, SpecKind::ohlcv, noon + m * min, "v"), 0) << m;
  }
}

TEST(Tradeless, TheVenuesOwnCandleReplacesOurs) {
  Played run(quiet(4));
  Tape same;
  same.candle(okx_btc, noon + 2 * min, flat(105, 0), noon + 4 * min + 10 * s);
  EXPECT_TRUE(after(same, run).empty());
  EXPECT_EQ(run.state.totals().duplicate_candles, 1u);
  Tape other;
  other.candle(okx_btc, noon + 2 * min, flat(107, 50), noon + 4 * min + 11 * s);
  const std::vector<MinuteRow> rows = after(other, run);
  EXPECT_EQ(minutes_of(rows), (Minutes{2, 3}));
  EXPECT_EQ(rows[0].origin, market::MinuteOrigin::candle);
  EXPECT_EQ(close(run, 3), 107);
  // Now minute 2 is the candle's: it no longer follows minute 1.
  Tape before;
  before.candle(okx_btc, noon + min, flat(106, 10), noon + 4 * min + 12 * s);
  EXPECT_EQ(minutes_of(after(before, run)), (Minutes{1, 2}));  // 2 by its change alone
  EXPECT_EQ(close(run, 2), 107);
}

TEST(Tradeless, BlockTradesHaveAVolumeAndNoPrice) {
  Tape tape = quiet(1);
  tape.trade(okx_btc, noon + min + 5 * s, 50, 10, market::Side::sell).is_block = Tristate::yes;
  marks(tape, noon + min + 10 * s, noon + 3 * min + 13 * s);
  Played run(tape);
  EXPECT_EQ(close(run, 1), 105);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::ohlcv, noon + min, "l"), 105);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::ohlcv, noon + min, "v"), 500);
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::tv, noon + min, "tsv"), 500);
  Tape late;
  late.trade(okx_btc, noon + 2 * min, 60, 1, market::Side::buy, 80 * s).is_block = Tristate::yes;
  EXPECT_EQ(minutes_of(after(late, run)), (Minutes{2}));
  EXPECT_EQ(run.all.value(okx_btc, SpecKind::ohlcv, noon + 2 * min, "v"), 60);
}

// Its price is not known, and so neither is the close of the minutes behind it.
TEST(Tradeless, ALateTradeWithoutAPriceTakesTheRowsAway) {
  Played run(quiet(4));
  Tape late;
  late.trade(okx_btc, noon + 2 * min + 5 * s, market::missing, 2, market::Side::sell, 125 * s);
  const std::vector<MinuteRow> rows = after(late, run);
  EXPECT_EQ(minutes_of(rows), (Minutes{2, 3}));
  for (const MinuteRow& row : rows) {
    if (row.kind != SpecKind::ohlcv) continue;
    EXPECT_TRUE(row.values.empty());
  }
}

TEST(Tradeless, ARunningCandleWithAVolumeIsBelieved) {
  for (const double volume : {0.0, 40.0, market::missing}) {
    Tape tape = quiet(1);
    tape.candle(okx_btc, noon + min, flat(103, volume), noon + min + 30 * s, Tristate::no);
    marks(tape, noon + min + 40 * s, noon + 2 * min + 13 * s);
    const Played run(tape);
    EXPECT_EQ(minutes_of(run.all.minutes), volume == 0 ? (Minutes{0, 1}) : (Minutes{0})) << volume;
    if (volume == 0) {
      EXPECT_EQ(close(run, 1), 105);
    }
  }
}

// A contract that died has no rows for ever: somebody must still price it.
TEST(Tradeless, EndsWithThePricesOfTheContract) {
  Tape tape = quiet(3);
  tape.ticks(noon + 3 * min + 3 * s, noon + 4 * min);
  auto& index =
      tape.add<market::MarkPrice>(RecordType::mark_price, okx_btc, noon + 4 * min, noon + 4 * min);
  index.index_price = 100;  // the index is of other markets, too
  auto& quote = tape.add<market::Bbo>(RecordType::bbo, okx_btc, noon + 4 * min, noon + 4 * min);
  quote.bid_price = quote.ask_price = market::missing;
  tape.ticks(noon + 4 * min + s, noon + 6 * min + 3 * s);
  EXPECT_EQ(minutes_of(Played(tape).all.minutes), (Minutes{0, 1, 2, 3}));  // 3: told at its open
}

TEST(Tradeless, AnyPriceIsALifeSign) {
  const auto told = [](auto add) {
    Tape tape = quiet(1);
    tape.ticks(noon + min + 10 * s, noon + 2 * min);
    add(tape, noon + 2 * min + 30 * s);
    tape.ticks(noon + 2 * min + 40 * s, noon + 4 * min + 3 * s);
    return minutes_of(Played(tape).all.minutes);
  };
  EXPECT_EQ(told([](Tape&, std::int64_t) {}), (Minutes{0, 1}));
  EXPECT_EQ(told([](Tape& tape, std::int64_t ns) { tape.bbo(okx_btc, ns, 99, 101); }),
            (Minutes{0, 1, 2}));
  EXPECT_EQ(told([](Tape& tape, std::int64_t ns) {
              tape.add<market::Ticker>(RecordType::ticker, okx_btc, ns, ns).last_price = 105;
            }),
            (Minutes{0, 1, 2}));
}

TEST(Tradeless, EndsWithTheListingAndGoesOnFromItsNextCandle) {
  for (const auto status :
       {market::InstrumentStatus::suspended, market::InstrumentStatus::delisted,
        market::InstrumentStatus::prelaunch, market::InstrumentStatus::unknown}) {
    Tape tape = quiet(3);
    tape.instrument(okx_btc, "BTC", true, status);
    marks(tape, noon + 3 * min + 10 * s, noon + 6 * min);
    tape.instrument(okx_btc, "BTC");
    tape.live(VenueId::okx, RecordType::trade, noon + 6 * min);
    marks(tape, noon + 6 * min + s, noon + 8 * min);
    tape.candle(okx_btc, noon + 7 * min, flat(90), noon + 8 * min + s);
    marks(tape, noon + 8 * min + 2 * s, noon + 10 * min + 3 * s);
    const Played run(tape);
    EXPECT_EQ(minutes_of(run.all.minutes), (Minutes{0, 1, 2, 7, 8, 9})) << static_cast<int>(status);
    EXPECT_EQ(close(run, 9), 90);
  }
}

// The close before, the prices told in the open minute, and what the list says are in an image.
TEST(Tradeless, GoesOnFromACheckpoint) {
  Tape tape = quiet(3);
  const std::size_t suspended_from = tape.size();
  tape.instrument(okx_btc, "BTC", true, market::InstrumentStatus::suspended);
  marks(tape, noon + 3 * min + 10 * s, noon + 5 * min + 3 * s);
  const Played straight(tape);
  EXPECT_EQ(minutes_of(straight.all.minutes), (Minutes{0, 1, 2}));
  for (std::size_t at = 2; at < tape.size(); ++at) {
    Played first;
    first.play(tape, 0, at);
    std::vector<std::byte> image;
    first.state.save(image);
    Played second;
    second.state.load(image);
    second.play(tape, at);
    Minutes all = minutes_of(first.all.minutes);
    const Minutes rest = minutes_of(second.all.minutes);
    all.insert(all.end(), rest.begin(), rest.end());
    ASSERT_EQ(all, (Minutes{0, 1, 2})) << at << " of " << suspended_from;
  }
}

// An RSI over minutes that stand still, and what a late candle changes of it: as of a run that had
// it in time.
TEST(Tradeless, ReachesTheRsi) {
  const auto tape_of = [](double last, std::int64_t told_ns) {
    Tape tape;
    tape.instrument(bin_btc, "BTC");
    tape.live(VenueId::binance, RecordType::trade, noon);
    for (int m = 0; m < 14; ++m) {
      const double c = m == 13 && told_ns == 0 ? last : 100 + (m * 7) % 13;
      marks(tape, noon + m * min + 3 * s, noon + (m + 1) * min, bin_btc);
      tape.candle(bin_btc, noon + m * min, {c, c, c, c, 1000, 500}, noon + (m + 1) * min + s);
    }
    marks(tape, noon + 14 * min + 3 * s, noon + 20 * min + 13 * s, bin_btc);
    if (told_ns != 0)
      tape.candle(bin_btc, noon + 13 * min, {last, last, last, last, 1000, 500}, told_ns);
    return tape;
  };
  const Played late(tape_of(130, noon + 20 * min + 15 * s));
  const Played straight(tape_of(130, 0));
  EXPECT_EQ(straight.all.count(bin_btc, SpecKind::rsi), 20u - 11u);
  EXPECT_EQ(close(straight, 19, bin_btc), 130);
  for (int m = 0; m < 20; ++m)
    for (const SpecKind kind : {SpecKind::ohlcv, SpecKind::rsi, SpecKind::tv}) {
      const MinuteRow* revised = late.all.find(bin_btc, kind, noon + m * min);
      const MinuteRow* expected = straight.all.find(bin_btc, kind, noon + m * min);
      ASSERT_EQ(revised == nullptr, expected == nullptr) << m;
      if (expected != nullptr) {
        EXPECT_EQ(revised->values, expected->values) << m;
      }
    }
}

/// BTC and ETH on Binance, quiet since minute 0, of which ETH's candle came (closed at 100).
Tape quiet_members(bool has_btc) {
  constexpr std::uint32_t eth = id_of(VenueId::binance, 2);
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.instrument(eth, "ETH");
  const auto pass = [&](std::int64_t from_ns, std::int64_t to_ns) {
    for (std::int64_t ns = from_ns; ns < to_ns; ns += 20 * s)
      for (const std::uint32_t id : {bin_btc, eth}) marks(tape, ns, ns + 1, id);
  };
  tape.tick(noon);
  tape.live(VenueId::binance, RecordType::trade, noon + s);
  pass(noon + 2 * s, noon + min);
  if (has_btc) tape.candle(bin_btc, noon, flat(200), noon + min + s);
  tape.candle(eth, noon, flat(100), noon + min + s);
  pass(noon + min + 2 * s, noon + 4 * min + 3 * s);
  return tape;
}
const state::StateOptions two_members{.market_token = {"BTC", "ETH"}};

// A member that stands still is a member, and one that is corrected moves every minute of MT.
TEST(Tradeless, ReachesTheMarketToken) {
  Played run(two_members);
  run.play(quiet_members(true));
  ASSERT_EQ(run.all.instruments.size(), 2u);
  const std::uint32_t token = run.all.instruments[0];
  for (int m = 0; m < 4; ++m) EXPECT_EQ(close(run, m, token), 150) << m;
  EXPECT_EQ(run.all.value(token, SpecKind::ohlcv, noon + 2 * min, "v"), 0);
  Tape late;
  late.candle(bin_btc, noon, flat(220), noon + 4 * min + 5 * s);
  run.play(late);
  for (int m = 0; m < 4; ++m) EXPECT_EQ(close(run, m, token), 160) << m;
}

// Fetched was the one candle that was missing: only its own minute is history's.
TEST(Tradeless, BehindAFetchedCandleIsNoHistoryOfTheMarketToken) {
  Played run(two_members);
  run.play(quiet_members(false));
  EXPECT_EQ(run.all.instruments.size(), 0u);
  Tape fill;
  fill.candle(bin_btc, noon, flat(200), noon + 4 * min + 5 * s, Tristate::yes,
              market::flag_backfill);
  run.play(fill);
  ASSERT_GE(run.all.instruments.size(), 1u);
  for (const std::uint32_t id : {bin_btc, run.all.instruments[0]})
    for (int m = 0; m < 4; ++m) {
      const MinuteRow* row = run.all.find(id, SpecKind::ohlcv, noon + m * min);
      ASSERT_NE(row, nullptr) << m;
      EXPECT_EQ(row->is_backfill(), m == 0) << m;
      EXPECT_FALSE(row->is_revision()) << m;
    }
}

}  // namespace
}  // namespace perp::test
