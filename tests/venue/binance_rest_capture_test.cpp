// Every recorded Binance REST reply, read again independently: each field of each record must be
// equal.
#include "venue/capture.hpp"

#include <set>

namespace perp::venue::test {
namespace {

using market::RecordType;
using market::Side;
using market::Tristate;

class BinanceRestCapture : public testing::Test {
 protected:
  void SetUp() override {
    if (!captures_dir().has_value()) GTEST_SKIP() << "PERP_CAPTURES_DIR is not set: no recordings";
    dir_ = *captures_dir() + "/binance/";
  }

  Json load(const std::string& file) {
    body_ = read_file(dir_ + file);
    return Json::parse(body_);
  }
  /// Decodes the file loaded last.
  void run(const Query& query, const std::vector<Expected>& expected) {
    RecordSink sink;
    const DecodeStatus status = decode_rest(state_, query, body_, sink);
    EXPECT_EQ(status, DecodeStatus::ok) << name_of(status) << " " << state_.fault_field;
    matches(state_, sink, expected, query.receive_ns, body_);
    EXPECT_EQ(messages_total(state_), 1U);
    EXPECT_EQ(state_.decode_errors, 0U);
  }

  std::string dir_;
  std::string body_;
  VenueState state_{binance_adapter()};
};

TEST_F(BinanceRestCapture, AggTrades) {
  const Json rows = load("rest_aggTrades_ltcusdt_2020-10.json");
  std::vector<Expected> expected;
  for (const Json& row : rows) {
    market::Trade trade;
    trade.price = number(row["p"]);
    trade.quantity = number(row["q"]);
    trade.trade_id = row["a"];
    trade.first_id = row["f"];
    trade.last_id = row["l"];
    trade.fill_count = static_cast<std::uint32_t>(trade.last_id - trade.first_id + 1);
    trade.taker_side = row["m"].get<bool>() ? Side::sell : Side::buy;
    expected.push_back(expect(RecordType::trade, "LTCUSDT", time_of(row["T"]), 0, trade));
  }
  EXPECT_GT(expected.size(), 100U);
  run({.endpoint = "aggTrades", .symbol = "ltcusdt"}, expected);
}

TEST_F(BinanceRestCapture, Trades) {
  const Json rows = load("rest_trades_btcusdt_2023-07.json");
  std::vector<Expected> expected;
  for (const Json& row : rows) {
    market::Trade trade;
    trade.price = number(row["price"]);
    trade.quantity = number(row["qty"]);
    trade.trade_id = row["id"];
    trade.fill_count = 1;
    trade.taker_side = row["isBuyerMaker"].get<bool>() ? Side::sell : Side::buy;
    expected.push_back(
        expect(RecordType::trade, "BTCUSDT", time_of(row["time"]), market::flag_backfill, trade));
  }
  run({.endpoint = "trades", .symbol = "BTCUSDT", .is_backfill = true}, expected);
}

TEST_F(BinanceRestCapture, BookTickers) {
  const Json rows = load("rest_bookTicker_all_2020-10.json");
  std::vector<Expected> expected;
  for (const Json& row : rows) {
    market::Bbo bbo;
    bbo.bid_price = number(row["bidPrice"]);
    bbo.bid_quantity = number(row["bidQty"]);
    bbo.ask_price = number(row["askPrice"]);
    bbo.ask_quantity = number(row["askQty"]);
    expected.push_back(
        expect(RecordType::bbo, row["symbol"], time_of(row["time"]), market::flag_snapshot, bbo));
  }
  EXPECT_GT(expected.size(), 50U);
  run({.endpoint = "bookTicker"}, expected);
  EXPECT_EQ(state_.provisional_instruments, rows.size());
}

TEST_F(BinanceRestCapture, Depth) {
  const Json body = load("rest_depth_100_btcusdt_2024-11.json");
  market::Book book;
  std::vector<market::Level> bids;
  std::vector<market::Level> asks;
  for (const Json& row : body["bids"]) bids.push_back({number(row[0]), number(row[1])});
  for (const Json& row : body["asks"]) asks.push_back({number(row[0]), number(row[1])});
  book.last_id = body["lastUpdateId"];
  book.bid_count = static_cast<std::uint32_t>(bids.size());
  book.ask_count = static_cast<std::uint32_t>(asks.size());
  book.continuity = static_cast<std::uint8_t>(market::Continuity::restart);
  EXPECT_EQ(bids.size(), 100U);
  run({.endpoint = "depth", .symbol = "BTCUSDT"},
      {expect(RecordType::book_snapshot, "BTCUSDT", time_of(body["T"]), market::flag_snapshot, book,
              level_bytes(bids, asks))});
}

TEST_F(BinanceRestCapture, Klines) {
  const Json rows = load("rest_klines_1d_btcusdt_2023-01.json");
  std::vector<Expected> expected;
  for (const Json& row : rows) {
    market::Kline kline;
    kline.open_ns = time_of(row[0]);
    kline.interval_ns = core::ns_per_day;
    kline.open = number(row[1]);
    kline.high = number(row[2]);
    kline.low = number(row[3]);
    kline.close = number(row[4]);
    kline.volume_base = number(row[5]);
    kline.volume_quote = number(row[7]);
    kline.trade_count = row[8];
    kline.taker_buy_base = number(row[9]);
    kline.taker_buy_quote = number(row[10]);
    kline.is_closed = Tristate::yes;
    expected.push_back(
        expect(RecordType::kline, "BTCUSDT", time_of(row[6]), market::flag_backfill, kline));
  }
  ASSERT_GT(expected.size(), 3U);
  // A clock in the middle of the last candle: that one is open, and has no time yet.
  const std::int64_t now = time_of(rows.back()[0]) + core::ns_per_hour;
  market::Kline last;
  std::memcpy(&last, expected.back().body.data(), sizeof last);
  last.is_closed = Tristate::no;
  expected.back() =
      expect(RecordType::kline, "BTCUSDT", core::unknown_ns, market::flag_backfill, last);
  run({.endpoint = "klines",
       .symbol = "BTCUSDT",
       .period = "1d",
       .receive_ns = now,
       .is_backfill = true},
      expected);
  // Without a clock the last row may be open or closed.
  VenueState other(binance_adapter());
  last.is_closed = Tristate::unknown;
  expected.back() =
      expect(RecordType::kline, "BTCUSDT", time_of(rows.back()[6]), market::flag_backfill, last);
  RecordSink sink;
  EXPECT_EQ(decode_rest(other, {.endpoint = "klines", .symbol = "BTCUSDT", .is_backfill = true},
                        body_, sink),
            DecodeStatus::ok);
  matches(other, sink, expected, core::unknown_ns, body_);
}

TEST_F(BinanceRestCapture, FundingRates) {
  const Json rows = load("rest_fundingRate_btcusdt_2020-09.json");
  std::vector<Expected> expected;
  for (const Json& row : rows) {
    market::Funding funding;
    funding.rate = number(row["fundingRate"]);
    funding.mark_price = optional_number(row, "markPrice");
    funding.kind = market::FundingKind::settled;
    // Settlements of 2020 were every eight hours on the hour.
    const std::int64_t ms = row["fundingTime"];
    funding.funding_ns = (ms + 60'000) / 28'800'000 * 28'800'000 * 1'000'000;
    EXPECT_LT(std::abs(ms * 1'000'000 - funding.funding_ns), core::ns_per_second);
    expected.push_back(
        expect(RecordType::funding, row["symbol"], ms * 1'000'000, market::flag_backfill, funding));
  }
  EXPECT_GT(expected.size(), 50U);
  run({.endpoint = "fundingRate", .symbol = "BTCUSDT", .is_backfill = true}, expected);
}

TEST_F(BinanceRestCapture, PremiumIndex) {
  const Json row = load("rest_premiumIndex_btcusdt_2023-06.json");
  market::MarkPrice price;
  price.mark_price = number(row["markPrice"]);
  price.index_price = number(row["indexPrice"]);
  price.settle_estimate = number(row["estimatedSettlePrice"]);
  market::Funding funding;
  funding.rate = number(row["lastFundingRate"]);
  funding.interest_rate = number(row["interestRate"]);
  funding.funding_ns = time_of(row["nextFundingTime"]);
  funding.kind = market::FundingKind::predicted;
  run({.endpoint = "premiumIndex"}, {expect(RecordType::mark_price, "BTCUSDT", time_of(row["time"]),
                                            market::flag_snapshot, price),
                                     expect(RecordType::funding, "BTCUSDT", time_of(row["time"]),
                                            market::flag_snapshot, funding)});
}

TEST_F(BinanceRestCapture, OpenInterest) {
  const Json row = load("rest_openInterest_btcusdt_2023-12.json");
  market::OpenInterest interest;
  interest.quantity = number(row["openInterest"]);
  interest.contracts = interest.quantity;
  run({.endpoint = "openInterest", .symbol = "BTCUSDT"},
      {expect(RecordType::open_interest, "BTCUSDT", time_of(row["time"]), market::flag_snapshot,
              interest)});
}

TEST_F(BinanceRestCapture, OpenInterestHistory) {
  const Json rows = load("rest_openInterestHist_btcusdt_5m_2020-10.json");
  std::vector<Expected> expected;
  for (const Json& row : rows) {
    market::OpenInterest interest;
    interest.quantity = number(row["sumOpenInterest"]);
    interest.contracts = interest.quantity;
    interest.notional = number(row["sumOpenInterestValue"]);
    interest.period_ns = 5 * core::ns_per_minute;
    expected.push_back(expect(RecordType::open_interest, "BTCUSDT", time_of(row["timestamp"]),
                              market::flag_backfill, interest));
  }
  run({.endpoint = "openInterestHist", .symbol = "BTCUSDT", .period = "5m", .is_backfill = true},
      expected);
}

TEST_F(BinanceRestCapture, AccountRatios) {
  const struct {
    const char* file;
    const char* endpoint;
    const char* period;
    std::int64_t period_ns;
    market::RatioKind kind;
  } files[] = {
      {"rest_globalLongShortAccountRatio_btcusdt_5m_2020-10.json", "globalLongShortAccountRatio",
       "5m", 5 * core::ns_per_minute, market::RatioKind::global_account},
      {"rest_topLongShortAccountRatio_btcusdt_5m_2020-10.json", "topLongShortAccountRatio", "5m",
       5 * core::ns_per_minute, market::RatioKind::top_account},
      {"rest_topLongShortPositionRatio_btcusdt_1d_2020-10.json", "topLongShortPositionRatio", "1d",
       core::ns_per_day, market::RatioKind::top_position},
  };
  for (const auto& file : files) {
    SCOPED_TRACE(file.file);
    VenueState state(binance_adapter());
    const Json rows = load(file.file);
    std::vector<Expected> expected;
    for (const Json& row : rows) {
      market::LongShortRatio ratio;
      ratio.ratio = number(row["longShortRatio"]);
      ratio.long_share = number(row["longAccount"]);
      ratio.short_share = number(row["shortAccount"]);
      ratio.period_ns = file.period_ns;
      ratio.kind = file.kind;
      expected.push_back(
          expect(RecordType::long_short_ratio, "BTCUSDT", time_of(row["timestamp"]), 0, ratio));
    }
    RecordSink sink;
    EXPECT_EQ(
        decode_rest(state, {.endpoint = file.endpoint, .symbol = "BTCUSDT", .period = file.period},
                    body_, sink),
        DecodeStatus::ok);
    matches(state, sink, expected, core::unknown_ns, body_);
    EXPECT_EQ(decode_rest(state, {.endpoint = file.endpoint, .symbol = "BTCUSDT"}, body_, sink),
              DecodeStatus::missing_field);
    EXPECT_EQ(state.fault_field, "period");
  }
}

TEST_F(BinanceRestCapture, TakerVolumes) {
  const Json rows = load("rest_takerlongshortRatio_btcusdt_5m_2020-11.json");
  std::vector<Expected> expected;
  for (const Json& row : rows) {
    market::TakerVolume volume;
    volume.buy_base = number(row["buyVol"]);
    volume.sell_base = number(row["sellVol"]);
    volume.period_ns = 5 * core::ns_per_minute;
    expected.push_back(
        expect(RecordType::taker_volume, "BTCUSDT", time_of(row["timestamp"]), 0, volume));
    market::LongShortRatio ratio;
    ratio.ratio = number(row["buySellRatio"]);
    ratio.period_ns = 5 * core::ns_per_minute;
    ratio.kind = market::RatioKind::taker;
    expected.push_back(
        expect(RecordType::long_short_ratio, "BTCUSDT", time_of(row["timestamp"]), 0, ratio));
  }
  run({.endpoint = "takerlongshortRatio", .symbol = "btcusdt", .period = "5m"}, expected);
}

TEST_F(BinanceRestCapture, Ticker24h) {
  const Json row = load("rest_ticker24hr_btcusdt_2021-08.json");
  market::Ticker ticker;
  ticker.last_price = number(row["lastPrice"]);
  ticker.last_quantity = number(row["lastQty"]);
  ticker.open_24h = number(row["openPrice"]);
  ticker.high_24h = number(row["highPrice"]);
  ticker.low_24h = number(row["lowPrice"]);
  ticker.volume_base_24h = number(row["volume"]);
  ticker.volume_quote_24h = number(row["quoteVolume"]);
  ticker.vwap_24h = number(row["weightedAvgPrice"]);
  ticker.change_24h = number(row["priceChange"]);
  ticker.change_fraction_24h = number(row["priceChangePercent"], -2);
  ticker.trade_count_24h = row["count"];
  ticker.open_ns = time_of(row["openTime"]);
  ticker.close_ns = time_of(row["closeTime"]);
  run({.endpoint = "ticker24hr"},
      {expect(RecordType::ticker, "BTCUSDT", ticker.close_ns, market::flag_snapshot, ticker)});
}

TEST_F(BinanceRestCapture, AnErrorReplyIsTheVenuesError) {
  load("rest_ticker24hr_error_2025.json");
  RecordSink sink;
  EXPECT_EQ(decode_rest(state_, {.endpoint = "24hr"}, body_, sink), DecodeStatus::venue_error);
  EXPECT_EQ(state_.fault_field, "Invalid symbol.");
  EXPECT_EQ(sink.record_count(), 0U);
  EXPECT_EQ(state_.decode_errors, 0U);
  EXPECT_EQ(messages_of(state_, "rest_24hr"), 1U);
}

/// baseAsset without its multiplier, by the test's own rule.
std::pair<std::string, int> split_base(const std::string& base) {
  for (int zeros = 6; zeros >= 3; --zeros) {
    const std::string prefix = "1" + std::string(static_cast<std::size_t>(zeros), '0');
    if (base.starts_with(prefix)) return {base.substr(prefix.size()), zeros};
  }
  if (base == "1MBABYDOGE") return {"BABYDOGE", 6};
  return {base, 0};
}

TEST_F(BinanceRestCapture, ExchangeInfo) {
  for (const char* file :
       {"rest_exchangeInfo_2021-07.json", "rest_exchangeInfo_2025-08_25symbols.json"}) {
    SCOPED_TRACE(file);
    VenueState state(binance_adapter());
    const Json info = load(file);
    RecordSink sink;
    ASSERT_EQ(decode_rest(state, {.endpoint = "exchangeInfo"}, body_, sink), DecodeStatus::ok)
        << state.fault_field;
    const Json& symbols = info["symbols"];
    ASSERT_EQ(sink.record_count(), symbols.size());
    std::size_t index = 0;
    for_each_record(sink.bytes(), [&](const market::RecordHeader& header) {
      ASSERT_EQ(header.type, RecordType::instrument);
      const Json& symbol = symbols[index];
      EXPECT_EQ(header.instrument, 1U << 24 | index++);
      const auto& instrument = market::payload<market::Instrument>(header);
      const auto [base, shift] = split_base(symbol["baseAsset"]);
      market::Instrument want;
      want.native.assign(symbol["symbol"].get<std::string>());
      want.base.assign(base);
      want.quote.assign(symbol["quoteAsset"].get<std::string>());
      want.settle.assign(symbol["marginAsset"].get<std::string>());
      want.contract_size = 1;
      want.multiplier = std::pow(10, shift);
      for (const Json& filter : symbol["filters"]) {
        if (filter["filterType"] == "PRICE_FILTER")
          want.tick_size = number(filter["tickSize"], -shift);
        if (filter["filterType"] == "LOT_SIZE") want.lot_size = number(filter["stepSize"], shift);
        if (filter["filterType"] == "LOT_SIZE") want.min_quantity = number(filter["minQty"], shift);
        if (filter["filterType"] == "MIN_NOTIONAL") want.min_notional = number(filter["notional"]);
      }
      want.listed_ns = time_of(symbol["onboardDate"]);
      const bool is_perpetual = symbol["contractType"] == "PERPETUAL";
      const bool is_dated = symbol["contractType"] == "CURRENT_QUARTER";
      want.contract_type = is_perpetual ? market::ContractType::linear_perpetual
                           : is_dated   ? market::ContractType::dated_future
                                        : market::ContractType::unknown;
      want.status = symbol["status"] == "TRADING" ? market::InstrumentStatus::live
                                                  : market::InstrumentStatus::prelaunch;
      if (symbol["deliveryDate"] != 4133404800000)
        want.delisted_ns = time_of(symbol["deliveryDate"]);
      want.is_primary = is_perpetual && want.status == market::InstrumentStatus::live &&
                        symbol["quoteAsset"] == "USDT";
      EXPECT_EQ(std::memcmp(&instrument, &want, sizeof want), 0) << symbol["symbol"];
    });
    // The same list again says nothing new.
    sink.reset();
    EXPECT_EQ(decode_rest(state, {.endpoint = "exchangeInfo"}, body_, sink), DecodeStatus::ok);
    EXPECT_EQ(sink.record_count(), 0U);
  }
}

TEST_F(BinanceRestCapture, FundingInfoSetsTheIntervals) {
  const Json info = load("rest_exchangeInfo_2025-08_25symbols.json");
  RecordSink sink;
  ASSERT_EQ(decode_rest(state_, {.endpoint = "exchangeInfo"}, body_, sink), DecodeStatus::ok);
  const Json rows = load("rest_fundingInfo_2025.json");
  sink.reset();
  ASSERT_EQ(decode_rest(state_, {.endpoint = "fundingInfo"}, body_, sink), DecodeStatus::ok)
      << state_.fault_field;
  std::set<std::string> listed;
  for (const Json& row : rows) {
    const std::string symbol = row["symbol"];
    listed.insert(symbol);
    const auto* entry = state_.instruments.find(symbol);
    ASSERT_NE(entry, nullptr) << symbol;
    EXPECT_EQ(entry->instrument.funding_interval_ns,
              row["fundingIntervalHours"].get<std::int64_t>() * core::ns_per_hour);
  }
  EXPECT_GT(listed.size(), 10U);
  for (const auto& entry : state_.instruments.entries()) {
    if (listed.contains(std::string(entry.instrument.native.view()))) continue;
    EXPECT_EQ(entry.instrument.funding_interval_ns, 8 * core::ns_per_hour)
        << entry.instrument.native.view();
  }
  // A list read afterwards keeps what is known of the intervals.
  load("rest_exchangeInfo_2025-08_25symbols.json");
  sink.reset();
  ASSERT_EQ(decode_rest(state_, {.endpoint = "exchangeInfo"}, body_, sink), DecodeStatus::ok);
  EXPECT_EQ(state_.instruments.find("BTCUSDT")->instrument.funding_interval_ns,
            8 * core::ns_per_hour);
  EXPECT_EQ(sink.record_count(), 0U);
}

}  // namespace
}  // namespace perp::venue::test
