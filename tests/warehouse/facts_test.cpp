// Records that are rows of their own tables: written to a journal here, read back through plain
// SQL, compared with values worked out by hand.
#include "warehouse/database.hpp"
#include "warehouse/minute_oracle.hpp"

#include <perp/core/error.hpp>
#include <perp/market/liquidity.hpp>
#include <perp/warehouse/history.hpp>
#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/migrate.hpp>

#include <thread>

namespace perp::warehouse {
namespace {

using market::missing;
using market::RecordType;
using market::VenueId;
using test::day_0;
using test::Text;
using test::Whole;

constexpr std::int64_t ns_per_ms = 1'000'000;

template <class Payload>
Whole<Payload> record(RecordType type, VenueId venue, std::uint32_t index, std::int64_t ts_ms,
                      std::uint8_t flags = 0) {
  Whole<Payload> out;
  out.header.size = sizeof out;
  out.header.type = type;
  out.header.venue = venue;
  out.header.instrument = static_cast<std::uint32_t>(venue) << 24 | index;
  out.header.flags = flags;
  out.header.exchange_ns = ts_ms * ns_per_ms;
  out.header.receive_ns = (ts_ms + 50) * ns_per_ms;
  return out;
}

Whole<market::Kline> kline(std::uint32_t index, std::int64_t open_ms, std::int64_t interval_ms,
                           double close, market::Tristate is_closed = market::Tristate::yes,
                           std::uint8_t flags = 0) {
  auto out = record<market::Kline>(RecordType::kline, VenueId::binance, index,
                                   open_ms + interval_ms, flags);
  out.payload.open_ns = open_ms * ns_per_ms;
  out.payload.interval_ns = interval_ms * ns_per_ms;
  out.payload.open = 100;
  out.payload.high = 110.5;
  out.payload.low = 99.25;
  out.payload.close = close;
  out.payload.volume_base = 12;
  out.payload.trade_count = 7;
  out.payload.is_closed = is_closed;
  return out;
}

Whole<market::Trade> trade(VenueId venue, std::uint32_t index, std::int64_t ts, std::int64_t id,
                           double price, std::uint8_t flags = 0) {
  auto out = record<market::Trade>(RecordType::trade, venue, index, ts, flags);
  out.payload.price = price;
  out.payload.quantity = 0.5;
  out.payload.trade_id = id;
  out.payload.taker_side = market::Side::sell;
  return out;
}

Whole<market::Liquidation> liquidation(std::int64_t ts, double price, double quantity) {
  auto out = record<market::Liquidation>(RecordType::liquidation, VenueId::binance, 1, ts,
                                         market::flag_sampled);
  out.payload.price = price;
  out.payload.quantity = quantity;
  out.payload.position_side = market::PositionSide::long_side;
  return out;
}

/// Mid is 10,000: b bps are b in price.
Whole<market::Liquidity> book_sample(VenueId venue, std::int64_t ts, double quantity = 1) {
  auto out = record<market::Liquidity>(RecordType::liquidity, venue, 1, ts, market::flag_derived);
  const std::vector<market::Level> bids{
      {9999.5, quantity}, {9998, 2}, {9996, 1}, {9992, 3}, {9900, 50}};
  const std::vector<market::Level> asks{{10000.5, 1}, {10002, 2}, {10004, 1}};
  out.payload = market::liquidity_of(bids, asks);
  return out;
}

class FactTables : public test::DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    if (IsSkipped()) return;
    setup(dsn_, {});
    open_journal();
  }
  void open_journal() {
    folder_.emplace();
    journal_.emplace(journal::WriterOptions{.folder = folder_->path()});
    write(test::instrument_record(VenueId::binance, 1, "BTC"));
    write(test::instrument_record(VenueId::binance, 2, "BTC", false, "USDC"));
    write(test::instrument_record(VenueId::bybit, 1, "ETH"));
    auto spot = test::instrument_record(VenueId::binance, 3, "BTC", false, "USDT", "BTC-spot");
    spot.payload.contract_type = market::ContractType::spot;
    write(spot);
  }
  template <class Payload>
  void write(const Whole<Payload>& whole) {
    journal_->append(whole.header);
  }
  LoaderOptions options() {
    LoaderOptions out;
    out.dsn = dsn_;
    out.journal_folder = folder_->path();
    out.fact_tables = fact_table_names();
    return out;
  }
  LoadReport load(const LoaderOptions& with) {
    journal_->sync();
    const std::atomic<bool> stop{false};
    return Loader(with).run(journal_->end(), stop);
  }
  LoadReport load() { return load(options()); }
  std::string one(const std::string& sql) { return Text(dsn_).one(sql); }
  std::vector<std::string> list(const std::string& sql) { return Text(dsn_).list(sql); }

  std::optional<test::Folder> folder_;
  std::optional<journal::Writer> journal_;
};

TEST_P(FactTables, AClosedCandleIsARowAndAnOpenOneIsNot) {
  write(kline(1, day_0, 60'000, 105));
  write(kline(1, day_0 + 60'000, 60'000, 106, market::Tristate::no));
  write(kline(1, day_0, 3'600'000, 107));
  write(kline(2, day_0, 300'000, 108));
  auto mark = kline(1, day_0 + 120'000, 60'000, 109);
  mark.payload.price_kind = market::PriceKind::mark;
  write(mark);
  write(kline(3, day_0, 60'000, 110));  // spot reaches no table of perpetuals
  const LoadReport report = load();
  EXPECT_EQ(report.rows_facts, 3u);
  EXPECT_EQ(report.rows_refused, 0u);
  const std::string t0 = std::to_string(day_0);
  EXPECT_EQ(list("SELECT concat_ws('|', ts, exchange_id, symbol, interval, close_ts - ts, open, "
                 "high, low, close, volume, "
                 "coalesce(quote_volume::text, '-'), trade_count) FROM klines ORDER BY close"),
            (std::vector<std::string>{t0 + "|1|BTC|1m|59999|100|110.5|99.25|105|12|-|7",
                                      t0 + "|1|BTC|1h|3599999|100|110.5|99.25|107|12|-|7",
                                      t0 + "|1|BTC-USDC|5m|299999|100|110.5|99.25|108|12|-|7"}));
}

TEST_P(FactTables, ACandleToldAgainReplacesAndForgetsNothing) {
  auto first = kline(1, day_0, 60'000, 105);
  first.payload.taker_buy_base = 3;
  write(first);
  load();
  auto again = kline(1, day_0, 60'000, 106, market::Tristate::yes, market::flag_backfill);
  again.payload.taker_buy_quote = 9;
  write(again);
  EXPECT_EQ(load().rows_facts, 1u);
  EXPECT_EQ(one("SELECT concat_ws('|', close, taker_buy_base, taker_buy_quote) FROM klines"),
            "106|3|9");
}

TEST_P(FactTables, ACandleToldAgainInTheSameBatchForgetsNothingEither) {
  auto first = kline(1, day_0, 60'000, 105);
  first.payload.taker_buy_base = 3;
  write(first);
  auto again = kline(1, day_0, 60'000, 106);
  again.payload.taker_buy_quote = 9;
  again.payload.trade_count = market::unknown_id;
  write(again);
  EXPECT_EQ(load().rows_facts, 1u);
  EXPECT_EQ(one("SELECT concat_ws('|', close, taker_buy_base, taker_buy_quote, trade_count) FROM "
                "klines"),
            "106|3|9|7");
}

TEST_P(FactTables, TradesKeepEveryOneOfAMillisecondAndNoneTwice) {
  for (std::int64_t id = 1; id <= 300; ++id)
    write(trade(VenueId::binance, 1, day_0 + id / 10, id, 100 + static_cast<double>(id)));
  auto uuid = trade(VenueId::bybit, 1, day_0, 0x0123456789abcdef, 50);
  uuid.payload.trade_id_high = 0x1122334455667788;
  write(uuid);
  EXPECT_EQ(load().rows_facts, 301u);
  // A replay of some of them, flagged and not, and new ones of the last millisecond.
  for (std::int64_t id = 250; id <= 320; ++id)
    write(trade(VenueId::binance, 1, day_0 + id / 10, id, 100 + static_cast<double>(id),
                static_cast<std::uint8_t>(id < 280 ? market::flag_backfill : 0)));
  load();
  EXPECT_EQ(one("SELECT count(*) || '|' || sum(price) FROM trades WHERE symbol = 'BTC'"),
            "320|" + std::to_string(320 * 100 + 320 * 321 / 2));
  EXPECT_EQ(one("SELECT concat_ws('|', trade_id, price, size, side, exchange_id) FROM trades WHERE "
                "symbol = 'ETH'"),
            "11223344556677880123456789abcdef|50|0.5|sell|2");
}

TEST_P(FactTables, TradesSayWhereTheirIdsHaveHoles) {
  const auto tell = [&](VenueId venue, std::int64_t id, std::int64_t at, std::uint32_t fills) {
    auto told = trade(venue, 1, day_0 + at, id, 100);
    told.payload.fill_count = fills;
    write(told);
  };
  write(test::instrument_record(VenueId::okx, 1, "BTC"));
  // Aggregates have ids of their own, whatever they sum.
  for (const std::int64_t id : {8, 9, 10, 11, 13, 14, 99}) tell(VenueId::binance, id, id * 10, 3);
  // Sums under the last fill's id: 21 to 23, 24, a hole of 25 to 27, 28 and 29; of 40 nothing is
  // known.
  tell(VenueId::okx, 23, 0, 3);
  tell(VenueId::okx, 24, 0, 1);
  tell(VenueId::okx, 29, 5, 2);
  tell(VenueId::okx, 40, 7, 0);
  load();
  Connection connection(dsn_, "test");
  const auto runs = [&](VenueId venue, std::int64_t from, std::int64_t to, bool is_sum) {
    std::vector<std::vector<std::int64_t>> found;
    for (const TradeIdRun& run :
         trade_runs(connection, venue, "BTC", day_0 + from, day_0 + to, is_sum))
      found.push_back({run.first_id, run.last_id, run.first_ms - day_0, run.last_ms - day_0});
    return found;
  };
  using Runs = std::vector<std::vector<std::int64_t>>;
  EXPECT_EQ(runs(VenueId::binance, 0, 1000, false),
            (Runs{{8, 11, 80, 110}, {13, 14, 130, 140}, {99, 99, 990, 990}}));
  EXPECT_EQ(runs(VenueId::binance, 100, 140, false),
            (Runs{{8, 11, 80, 110}, {13, 14, 130, 140}, {99, 99, 990, 990}}))
      << "what is next to it tells, too";
  EXPECT_EQ(runs(VenueId::okx, 0, 10, true), (Runs{{21, 24, 0, 0}, {28, 40, 5, 7}}));
  EXPECT_EQ(runs(VenueId::bybit, 0, 10, false), Runs{});
  EXPECT_EQ(trade_ends(connection, VenueId::binance, "BTC", day_0 + 100, day_0 + 140),
            std::pair(day_0 + 100, day_0 + 130));
  EXPECT_FALSE(trade_ends(connection, VenueId::binance, "BTC", day_0 + 200, day_0 + 300));
  EXPECT_EQ(trade_ids(connection, VenueId::okx, "BTC", day_0, day_0 + 5).size(), 2U);
  EXPECT_EQ(one("SELECT string_agg(coalesce(fills::text, '-'), ',' ORDER BY ts, trade_id) FROM "
                "trades WHERE exchange_id = 3"),
            "3,1,2,-");
}

TEST_P(FactTables, TheSameRecordingInAnotherJournalAddsNothing) {
  const auto fill = [&] {
    for (std::int64_t id = 1; id <= 50; ++id) write(trade(VenueId::binance, 1, day_0 + id, id, 10));
    write(kline(1, day_0, 60'000, 105));
    write(liquidation(day_0 + 5, 100, 2));
    write(liquidation(day_0 + 5, 100, 2));  // simultaneous, equal, and both happened
    write(liquidation(day_0 + 5, 101, 2));
    write(liquidation(day_0 + 6, 100, 2));
  };
  fill();
  load();
  const auto sums = [&] {
    return one(
        "SELECT (SELECT count(*) FROM trades) || '|' || (SELECT count(*) FROM klines) || '|' || "
        "(SELECT count(*) || '|' || "
        "sum(quote_qty) FROM liquidations)");
  };
  EXPECT_EQ(sums(), "50|1|4|802");
  open_journal();
  fill();
  load();
  EXPECT_EQ(sums(), "50|1|4|802");
  EXPECT_EQ(one("SELECT string_agg(DISTINCT concat_ws('|', side, is_complete, coalesce(order_id, "
                "'-')), ',') FROM liquidations"),
            "long|f|-");
}

TEST_P(FactTables, EqualLiquidationsAreCountedAcrossBatchesAndRestarts) {
  LoaderOptions with = options();
  with.batch_rows = 1;
  const auto tell = [&] { write(liquidation(day_0 + 5, 100, 2)); };
  tell();
  tell();
  load(with);
  tell();
  load(with);  // another loader
  with.lanes = 3;
  tell();
  load(with);
  EXPECT_EQ(one("SELECT count(*) FROM liquidations"), "4");
  write(liquidation(day_0 + 6, 100, 2));
  load(with);
  tell();  // behind another millisecond: told again
  load(with);
  EXPECT_EQ(one("SELECT count(*) FROM liquidations"), "5");
}

TEST_P(FactTables, ALiquidationToldAgainMuchLaterIsTheSame) {
  LoaderOptions with = options();
  with.fact_tables = {"liquidations"};
  // By one loader and by two: the journal alone decides.
  for (const bool is_restarted : {false, true}) {
    const std::int64_t ts = day_0 + (is_restarted ? 7 : 5);
    write(liquidation(ts, 100, 2));
    if (is_restarted) load(with);
    for (const auto begin = journal_->end(); journal_->end() - begin <= 17u << 20;)
      write(trade(VenueId::binance, 1, day_0, 1, 100));
    write(liquidation(ts, 100, 2));
    load(with);
    EXPECT_EQ(one("SELECT count(*) FROM liquidations WHERE ts = " + std::to_string(ts)), "1");
  }
}

TEST_P(FactTables, FundingIsARowOnceItIsSettled) {
  auto predicted = record<market::Funding>(RecordType::funding, VenueId::binance, 1, day_0);
  predicted.payload.rate = 0.0001;
  predicted.payload.kind = market::FundingKind::predicted;
  write(predicted);
  auto settled = predicted;
  settled.payload.kind = market::FundingKind::settled;
  settled.payload.funding_ns = day_0 * ns_per_ms;
  settled.payload.interval_ns = 8 * 3'600'000 * ns_per_ms;
  settled.payload.mark_price = 42000.5;
  write(settled);
  write(settled);
  EXPECT_EQ(load().rows_facts, 1u);
  EXPECT_EQ(one("SELECT concat_ws('|', ts, rate, coalesce(next_rate::text, '-'), mark_price, "
                "interval_h, next_ts - ts) FROM funding_rates"),
            std::to_string(day_0) + "|0.0001|-|42000.5|8|28800000");
}

TEST_P(FactTables, OpenInterestAndRatiosAreKeptByPeriodAndKind) {
  auto interest =
      record<market::OpenInterest>(RecordType::open_interest, VenueId::binance, 1, day_0);
  interest.payload.quantity = 5000;
  write(interest);  // a sample of now is no period
  for (std::int64_t minutes : {5, 60}) {
    interest.payload.period_ns = minutes * 60'000 * ns_per_ms;
    write(interest);
  }
  auto ratio =
      record<market::LongShortRatio>(RecordType::long_short_ratio, VenueId::binance, 1, day_0);
  ratio.payload.ratio = 1.5;
  ratio.payload.long_share = 0.6;
  ratio.payload.period_ns = 300'000 * ns_per_ms;
  for (market::RatioKind kind : {market::RatioKind::global_account, market::RatioKind::top_account,
                                 market::RatioKind::top_position, market::RatioKind::taker}) {
    ratio.payload.kind = kind;
    write(ratio);
  }
  EXPECT_EQ(load().rows_facts, 5u);
  EXPECT_EQ(
      one("SELECT string_agg(concat_ws('|', period, open_interest, "
          "coalesce(open_interest_value::text, '-')), ',' ORDER BY period) FROM open_interest"),
      "1h|5000|-,5m|5000|-");
  EXPECT_EQ(one("SELECT string_agg(concat_ws('|', period, kind, long_short_ratio, long_account, "
                "coalesce(short_account::text, '-')), ',' ORDER BY kind) FROM long_short_ratio"),
            "5m|global_account|1.5|0.6|-,5m|top_account|1.5|0.6|-,5m|top_position|1.5|0.6|-");
}

TEST_P(FactTables, AHoleIsARowWithItsCause) {
  auto gap = record<market::Gap>(RecordType::gap, VenueId::binance, 1, day_0);
  gap.payload.from_ns = day_0 * ns_per_ms;
  gap.payload.to_ns = (day_0 + 5000) * ns_per_ms;
  gap.payload.expected_id = 100;
  gap.payload.got_id = 130;
  gap.payload.stream = RecordType::trade;
  gap.payload.cause = market::GapCause::sequence;
  write(gap);
  gap.payload.expected_id = gap.payload.got_id = market::unknown_id;
  gap.payload.stream = RecordType::kline;
  gap.payload.cause = market::GapCause::half_seen;
  write(gap);
  gap.header.instrument = 0;
  gap.payload.stream = RecordType::padding;
  gap.payload.cause = market::GapCause::disconnect;
  write(gap);
  load();
  EXPECT_EQ(list("SELECT concat_ws('|', table_name, exchange_id, symbol, interval, gap_end - "
                 "gap_start, coalesce(missing::text, '-'), detected_at - gap_start, "
                 "reason) FROM data_gaps ORDER BY reason DESC"),
            (std::vector<std::string>{"trades|1|BTC||5000|30|50|sequence",
                                      "perp_data|1|BTC|kline|5000|1|50|half_seen",
                                      "connection|1|||5000|-|50|disconnect"}));
}

TEST_P(FactTables, ARowThatTheServerRefusesIsSetAsideAndTheOthersAreStored) {
  Text(dsn_).rows("ALTER TABLE trades ADD CHECK (price < 1000)");
  for (std::int64_t id = 1; id <= 40; ++id)
    write(trade(VenueId::binance, 1, day_0 + id, id, id == 17 ? 5000 : 10));
  write(kline(1, day_0, 60'000, 105));
  auto timeless = trade(VenueId::binance, 1, day_0, 99, 10);
  timeless.header.exchange_ns = core::unknown_ns;
  write(timeless);
  const LoadReport report = load();
  EXPECT_EQ(report.rows_refused, 2u);
  EXPECT_EQ(report.rows_facts, 40u);
  EXPECT_EQ(one("SELECT count(*) FROM trades"), "39");
  EXPECT_EQ(one("SELECT count(*) FROM klines"), "1");
  EXPECT_EQ(one("SELECT count(*) FROM perp_errors WHERE error_code = 'INSERT_FAILED' AND "
                "details->>'symbol' = 'BTC' AND details->>'ts' = '" +
                std::to_string(day_0 + 17) + "' AND details->>'sqlstate' = '23514'"),
            "1");
  EXPECT_EQ(one("SELECT count(*) FROM perp_errors WHERE error_message LIKE '%time is unknown%'"),
            "1");
}

TEST_P(FactTables, AnyNumberOfLanesStoresTheSame) {
  for (unsigned lanes : {1u, 3u, 2u}) {
    for (std::int64_t id = 1; id <= 20; ++id)
      for (VenueId venue : {VenueId::binance, VenueId::bybit})
        write(trade(venue, 1, day_0 + lanes * 1000 + id, lanes * 100 + id, 10));
    LoaderOptions with = options();
    with.lanes = lanes;
    with.batch_rows = 7;
    EXPECT_EQ(load(with).rows_facts, 40u);
  }
  EXPECT_EQ(one("SELECT count(*) || '|' || count(DISTINCT (exchange_id, trade_id)) FROM trades"),
            "120|120");
}

TEST_P(FactTables, OnlyTheAskedTablesAreLoaded) {
  write(trade(VenueId::binance, 1, day_0, 1, 10));
  write(kline(1, day_0, 60'000, 105));
  LoaderOptions with = options();
  with.fact_tables = default_fact_tables();
  EXPECT_EQ(load(with).rows_facts, 1u);
  EXPECT_EQ(one("SELECT count(*) FROM trades"), "0");
  with.fact_tables = {"exchanges"};
  EXPECT_THROW(Loader{with}, core::Error);
}

TEST_P(FactTables, ABookSampleIsRowsOfThreeTables) {
  write(book_sample(VenueId::binance, day_0 + 30'000));
  EXPECT_EQ(load().rows_facts, 9u) << "a summary, a depth, seven amounts";
  EXPECT_EQ(one("SELECT concat_ws('|', ts, exchange_id, symbol, bids_notional, asks_notional, "
                "round(spread_bps::numeric, 9), bid_levels, ask_levels, best_bid_price, "
                "best_bid_qty, best_ask_price, best_ask_qty, coalesce(imbalance_5::text, '-'), "
                "coalesce(imbalance_10::text, '-'), coalesce(imbalance_20::text, '-')) FROM "
                "orderbooks"),
            std::to_string(day_0 + 30'000) +
                "|1|BTC|564967.5|40008.5|1.000000000|5|3|9999.5|1|10000.5|1|-|-|-");
  EXPECT_EQ(one("SELECT concat_ws('|', mid_price, bid_1bps, bid_2_5bps, bid_5bps, bid_10bps, "
                "bid_20bps, bid_50bps, bid_100bps, bid_pct05, bid_pct1, bid_pct2, bid_pct5, "
                "bid_pct10, max_bid_bps) FROM liquidity_depth"),
            "10000|9999.5|29995.5|39991.5|69967.5|69967.5|69967.5|564967.5|69967.5|564967.5|"
            "564967.5|564967.5|564967.5|100");
  EXPECT_EQ(one("SELECT concat_ws('|', ask_1bps, ask_2_5bps, ask_5bps, ask_10bps, ask_20bps, "
                "ask_50bps, ask_100bps, ask_pct05, ask_pct1, ask_pct2, ask_pct5, ask_pct10, "
                "max_ask_bps) FROM liquidity_depth"),
            "10000.5|30004.5|40008.5|40008.5|40008.5|40008.5|40008.5|40008.5|40008.5|40008.5|"
            "40008.5|40008.5|4");
  const std::string cells =
      "SELECT concat_ws('|', trade_amount, mid_price, coalesce(round(buy_avg_price::numeric, "
      "6)::text, '-'), coalesce(round(buy_slippage_bps::numeric, 6)::text, '-'), "
      "coalesce(round(buy_slippage_pct::numeric, 8)::text, '-'), coalesce(buy_total_cost::text, "
      "'-'), buy_feasible, coalesce(round(sell_avg_price::numeric, 6)::text, '-'), "
      "coalesce(round(sell_slippage_bps::numeric, 6)::text, '-'), coalesce(sell_total_cost::text, "
      "'-'), sell_feasible) FROM slippage ORDER BY trade_amount";
  EXPECT_EQ(list(cells),
            (std::vector<std::string>{
                "1000|10000|10000.500000|0.500000|0.00500000|1000|t|9999.500000|0.500000|1000|t",
                "10000|10000|10000.500000|0.500000|0.00500000|10000|t|9999.499925|0.500075|10000|t",
                // 39,991.5 buy 4 coins, 10,008.5 come at 9,992: 50,000 / 5.0016513...
                "50000|10000|-|-|-|-|f|9996.698448|3.301552|50000|t",
                // 69,967.5 are 7 coins, 30,032.5 come at 9,900
                "100000|10000|-|-|-|-|f|9966.526565|33.473435|100000|t",
                "500000|10000|-|-|-|-|f|9913.234168|86.765832|500000|t",
                "5000000|10000|-|-|-|-|f|-|-|-|f", "10000000|10000|-|-|-|-|f|-|-|-|f"}));
}

TEST_P(FactTables, ATickerIsARowOfWhatIsKnown) {
  auto ticker = record<market::TickerSample>(RecordType::ticker_sample, VenueId::bybit, 1,
                                             day_0 + 60'000, market::flag_derived);
  ticker.payload.last_price = 100.5;
  ticker.payload.bid_price = 100;
  ticker.payload.bid_quantity = 0;
  ticker.payload.volume_quote_24h = 5e6;
  ticker.payload.open_interest = 12;
  ticker.payload.change_fraction_24h = -0.01;
  ticker.payload.high_24h = 110;
  write(ticker);
  EXPECT_EQ(load().rows_facts, 1u);
  std::string cells;
  for (const char* column :
       {"ts", "exchange_id", "symbol", "last_price", "mark_price", "index_price", "best_bid_price",
        "best_bid_qty", "best_ask_price", "best_ask_qty", "volume_24h", "turnover_24h",
        "open_interest", "open_interest_notional", "price_change_24h", "price_change_pct",
        "high_24h", "low_24h"})
    cells += std::string(cells.empty() ? "" : ", ") + "coalesce(" + column + "::text, '-')";
  EXPECT_EQ(
      one("SELECT concat_ws('|', " + cells + ") FROM tickers"),
      std::to_string(day_0 + 60'000) + "|2|ETH|100.5|-|-|100|0|-|-|-|5000000|12|-|-|-0.01|110|-");
}

TEST_P(FactTables, SampledLevelsAreRowsAndAVenuesSnapshotIsNone) {
  const std::vector<market::Level> bids{{99, 1}, {98, 2}};
  const std::vector<market::Level> asks{{101, 3}};
  test::append_levels(*journal_, VenueId::binance, 1, day_0, bids, asks, 77, 0);
  test::append_levels(*journal_, VenueId::binance, 1, day_0 + 60'000, bids, asks, 78);
  test::append_levels(*journal_, VenueId::bybit, 1, day_0 + 60'000, {}, asks, market::unknown_id);
  EXPECT_EQ(load().rows_facts, 4u);
  const std::string ts = std::to_string(day_0 + 60'000);
  EXPECT_EQ(list("SELECT concat_ws('|', ts, exchange_id, symbol, side, level, price, quantity, "
                 "coalesce(last_update_id::text, '-')) FROM order_book_levels ORDER BY "
                 "exchange_id, side, level"),
            (std::vector<std::string>{ts + "|1|BTC|ask|1|101|3|78", ts + "|1|BTC|bid|1|99|1|78",
                                      ts + "|1|BTC|bid|2|98|2|78", ts + "|2|ETH|ask|1|101|3|-"}));
}

TEST_P(FactTables, AHundredLevelsASideAreTwoHundredRows) {
  std::vector<market::Level> bids;
  std::vector<market::Level> asks;
  for (int i = 1; i <= 100; ++i) {
    bids.push_back({1000.5 - i, 0.25 * i});
    asks.push_back({1000.5 + i, 0.5 * i});
  }
  const std::int64_t ts = day_0 + 60'000;
  test::append_levels(*journal_, VenueId::binance, 1, ts, bids, asks, 4'711);
  EXPECT_EQ(load().rows_facts, 200u);
  const std::string at = " FROM order_book_levels WHERE ts = " + std::to_string(ts);
  EXPECT_EQ(one("SELECT count(*) || '|' || count(DISTINCT (side, price))" + at +
                " AND exchange_id = 1 AND symbol = 'BTC' AND last_update_id = 4711"),
            "200|200");
  EXPECT_EQ(one("SELECT bool_and(level BETWEEN 1 AND 100 AND CASE side WHEN 'bid' THEN price = "
                "1000.5 - level AND quantity = 0.25 * level WHEN 'ask' THEN price = 1000.5 + level "
                "AND quantity = 0.5 * level ELSE false END)" +
                at),
            "t");
  // A price stands once on its side of a snapshot, at whatever level; the other side may have it.
  const auto put = [&](const char* side, const char* price) {
    Text(dsn_).rows(
        "INSERT INTO order_book_levels (ts, exchange_id, symbol, side, level, price, quantity) "
        "VALUES (" +
        std::to_string(ts) + ", 1, 'BTC', '" + side + "', 101, " + price + ", 1)");
  };
  EXPECT_THROW(put("bid", "999.5"), std::runtime_error);
  EXPECT_THROW(put("ask", "1100.5"), std::runtime_error);
  EXPECT_NO_THROW(put("ask", "999.5"));
  EXPECT_EQ(one("SELECT count(*)" + at), "201");
}

TEST_P(FactTables, SamplesOfAMomentAreStoredOnce) {
  const auto digest = [&] {
    std::string all;
    for (const char* table : {"orderbooks", "liquidity_depth", "slippage", "order_book_levels"})
      all += one(std::string("SELECT count(*) || md5(coalesce(string_agg(t::text, ';' ORDER BY "
                             "t::text), '')) FROM ") +
                 table + " t");
    return all;
  };
  const auto fill = [&](double quantity) {
    for (std::int64_t moment = 1; moment <= 40; ++moment) {
      write(book_sample(VenueId::binance, day_0 + moment * 30'000, quantity));
      test::append_levels(*journal_, VenueId::binance, 1, day_0 + moment * 30'000, {{99, quantity}},
                          {{101, 3}}, moment);
    }
  };
  LoaderOptions small = options();
  small.batch_rows = 10;
  fill(1);
  load(small);
  const std::string once = digest();
  EXPECT_EQ(one("SELECT count(*) FROM slippage"), "280");
  fill(2);  // told again, and otherwise: the first stays whole
  load(small);
  EXPECT_EQ(digest(), once);
  open_journal();
  fill(3);
  load();
  EXPECT_EQ(digest(), once);
}

INSTANTIATE_TEST_SUITE_P(Servers, FactTables, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
