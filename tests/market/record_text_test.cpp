// The text of a record, read back by another program's parser and compared with the record's fields
// one by one.
#include <perp/market/perpspec.hpp>
#include <perp/market/record_kind.hpp>
#include <perp/market/record_text.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace perp::market {
namespace {

using nlohmann::json;

template <class Payload>
struct Sample {
  RecordHeader header;
  Payload payload;
  alignas(8) std::byte tail[4096] = {};

  explicit Sample(RecordType type, std::size_t tail_bytes = 0) {
    header.size = static_cast<std::uint32_t>(sizeof header + sizeof payload + tail_bytes);
    header.type = type;
    header.venue = VenueId::binance;
  }
  [[nodiscard]] json read(const Instrument* instrument = nullptr) const {
    EXPECT_TRUE(is_well_formed({reinterpret_cast<const std::byte*>(this), header.size}));
    const std::string line = to_json(header, instrument);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    return json::parse(line);
  }
};

TEST(RecordText, HeaderAndCanonicalName) {
  Sample<Trade> sample(RecordType::trade);
  sample.header.instrument = 0x01000007;
  sample.header.seq = 4294967295;
  sample.header.exchange_ns = 1'700'000'000'123'456'789;
  sample.header.flags = flag_snapshot | flag_derived | flag_sampled;
  Instrument instrument;
  ASSERT_TRUE(instrument.native.assign("1000PEPEUSDT") && instrument.base.assign("PEPE") &&
              instrument.quote.assign("USDT"));
  instrument.contract_type = ContractType::linear_perpetual;
  const json read = sample.read(&instrument);
  EXPECT_EQ(read["kind"], "trade");
  EXPECT_EQ(read["venue"], "binance");
  EXPECT_EQ(read["symbol"], "binance:PEPE-USDT-PERP");
  EXPECT_EQ(read["instrument"], 0x01000007);
  EXPECT_EQ(read["seq"], 4294967295);
  EXPECT_EQ(read["exchange_ns"], 1'700'000'000'123'456'789);
  EXPECT_TRUE(read["receive_ns"].is_null()) << "an unknown time is null";
  EXPECT_EQ(read["flags"], (json{"snapshot", "derived", "sampled"}));
  EXPECT_TRUE(sample.read()["symbol"].is_null());
}

TEST(RecordText, TradeWithItsParties) {
  Sample<Trade> sample(RecordType::trade, sizeof(TradeParties));
  sample.payload.price = 0.1;
  sample.payload.quantity = 1e22;
  sample.payload.trade_id = -5;
  sample.payload.fill_count = 3;
  sample.payload.taker_side = Side::sell;
  sample.payload.is_block = Tristate::no;
  sample.payload.is_rpi = Tristate::yes;
  sample.payload.has_parties = 1;
  TradeParties parties;
  parties.buyer[0] = 0xab;
  parties.seller[19] = 0x01;
  std::memcpy(sample.tail, &parties, sizeof parties);
  const json read = sample.read();
  EXPECT_EQ(read["price"], 0.1);
  EXPECT_EQ(read["quantity"], 1e22);
  EXPECT_EQ(read["trade_id"], -5);
  EXPECT_TRUE(read["trade_id_high"].is_null());
  EXPECT_TRUE(read["first_id"].is_null() && read["last_id"].is_null() &&
              read["sequence"].is_null());
  EXPECT_TRUE(read["quantity_without_rpi"].is_null()) << "NaN is null";
  EXPECT_EQ(read["fill_count"], 3);
  EXPECT_EQ(read["taker_side"], "sell");
  EXPECT_EQ(read["is_block"], false);
  EXPECT_EQ(read["is_rpi"], true);
  EXPECT_EQ(read["buyer"], "0xab00000000000000000000000000000000000000");
  EXPECT_EQ(read["seller"], "0x0000000000000000000000000000000000000001");
  sample.payload.has_parties = 0;
  sample.header.size -= static_cast<std::uint32_t>(sizeof parties);
  EXPECT_FALSE(sample.read().contains("buyer"));
}

TEST(RecordText, BookWithItsLevels) {
  Sample<Book> sample(RecordType::book_delta, 3 * sizeof(Level));
  sample.payload.bid_count = 1;
  sample.payload.ask_count = 2;
  sample.payload.depth = 400;
  sample.payload.last_id = 99;
  sample.payload.continuity = static_cast<std::uint8_t>(Continuity::gap);
  sample.payload.checksum_state = 2;
  const Level levels[3] = {{100, 1}, {101.5, 2}, {102, 0}};
  std::memcpy(sample.tail, levels, sizeof levels);
  const json read = sample.read();
  EXPECT_EQ(read["kind"], "book_delta");
  EXPECT_EQ(read["bids"], json::parse("[[100.0,1.0]]"));
  EXPECT_EQ(read["asks"], json::parse("[[101.5,2.0],[102.0,0.0]]"));
  EXPECT_EQ(read["depth"], 400);
  EXPECT_EQ(read["last_id"], 99);
  EXPECT_EQ(read["continuity"], "gap");
  EXPECT_EQ(read["checksum_state"], "mismatch");
  EXPECT_TRUE(read["previous_id"].is_null());
}

TEST(RecordText, MinuteWithNamesOfSpecAndColumns) {
  Sample<Minute> sample(RecordType::minute, 4 * sizeof(MinuteValue));
  sample.payload.perpspec = static_cast<std::uint16_t>(perpspec_id(VenueId::okx, SpecKind::ohlcv));
  sample.payload.open_ns = 60'000'000'000;
  sample.payload.origin = static_cast<std::uint8_t>(MinuteOrigin::trades);
  sample.payload.count = 4;
  const MinuteValue values[4] = {
      {static_cast<std::uint16_t>(column("c")), {}, 17.25},
      {static_cast<std::uint16_t>(change_column(column("c"), 1)), {}, -0.5},
      {static_cast<std::uint16_t>(column("lqside")), {}, 2},
      {250, {}, 1}};
  std::memcpy(sample.tail, values, sizeof values);
  const json read = sample.read();
  EXPECT_EQ(read["perpspec"], "okx-ohlcv");
  EXPECT_EQ(read["open_ns"], 60'000'000'000);
  EXPECT_EQ(read["origin"], "trades");
  EXPECT_EQ(read["c"], 17.25);
  EXPECT_EQ(read["c_chg_5m"], -0.5);
  EXPECT_EQ(read["lqside"], "short");
  EXPECT_EQ(read["column_250"], 1.0) << "a column of a newer program keeps its number";
}

TEST(RecordText, TextsAreEscapedAndAlwaysUtf8) {
  Sample<DecodeFailure> sample(RecordType::error);
  const std::string hostile =
      "a\"b\\c\n\t\x01\x7f \xe2\x82\xac\xf0\x9f\x98\x80 \xff\xc0\xaf\xed\xa0\x80 \xe2\x82";
  sample.payload.excerpt.assign_cut(hostile);
  sample.payload.excerpt_size = static_cast<std::uint16_t>(hostile.size());
  sample.payload.field.assign_cut("E");
  const std::string text = sample.read()["excerpt"];
  EXPECT_EQ(text.substr(0, 9), "a\"b\\c\n\t\x01\x7f");
  EXPECT_NE(text.find("\xe2\x82\xac\xf0\x9f\x98\x80"), std::string::npos)
      << "whole characters stay";
  EXPECT_NE(text.find("\xef\xbf\xbd"), std::string::npos) << "what is none becomes U+FFFD";
  EXPECT_EQ(sample.read()["field"], "E");
}

TEST(RecordText, NumbersThatJsonLacks) {
  Sample<Bbo> sample(RecordType::bbo);
  sample.payload.bid_price = std::numeric_limits<double>::infinity();
  sample.payload.ask_price = -std::numeric_limits<double>::infinity();
  sample.payload.bid_quantity = -0.0;
  const json read = sample.read();
  EXPECT_EQ(read["bid_price"], "inf");
  EXPECT_EQ(read["ask_price"], "-inf");
  EXPECT_TRUE(std::signbit(read["bid_quantity"].get<double>()));
  EXPECT_TRUE(read["bid_orders"].is_null()) << "0 orders means unknown";
}

// Any bits at all make one line that a strict parser accepts, and every double reads back to
// itself.
TEST(RecordText, EveryKindIsOneParsableObject) {
  std::mt19937_64 random(41);
  for (int round = 0; round < 200; ++round)
    for (const RecordKind& kind : record_kinds) {
      std::vector<std::uint64_t> words((sizeof(RecordHeader) + kind.payload_bytes) / 8);
      for (auto& word : words) word = random();
      auto& header = *reinterpret_cast<RecordHeader*>(words.data());
      header.size = static_cast<std::uint32_t>(words.size() * 8);
      header.type = kind.type;
      if (kind.type == RecordType::trade) payload<Trade>(header).has_parties = 0;
      if (kind.type == RecordType::minute) payload<Minute>(header).count = 0;
      if (kind.type == RecordType::book_snapshot || kind.type == RecordType::book_delta)
        payload<Book>(header).bid_count = payload<Book>(header).ask_count = 0;
      const json read = json::parse(to_json(header, nullptr));
      ASSERT_EQ(read["kind"], std::string(kind.name));
      if (kind.type == RecordType::kline && std::isfinite(payload<Kline>(header).close)) {
        ASSERT_EQ(read["close"].get<double>(), payload<Kline>(header).close);
      }
      if (kind.type == RecordType::position &&
          std::isfinite(payload<Position>(header).cumulative_funding)) {
        ASSERT_EQ(read["cumulative_funding"].get<double>(),
                  payload<Position>(header).cumulative_funding);
      }
    }
}

// The fields that the other tests do not look at, kind by kind: names as in record.hpp, in its
// order.
TEST(RecordText, ShowsAllFieldsOfAllKinds) {
  const auto keys_of = [](const json& read) {
    std::string keys;
    for (const auto& [key, value] : read.items())
      if (key != "kind" && key != "venue" && key != "symbol" && key != "instrument" &&
          key != "seq" && key != "flags" && key != "exchange_ns" && key != "receive_ns")
        keys += key + " ";
    return keys;  // sorted by the parser
  };
  EXPECT_EQ(keys_of(Sample<Instrument>(RecordType::instrument).read()),
            "base contract_size contract_type delisted_ns funding_interval_ns is_primary "
            "is_provisional listed_ns lot_size max_leverage min_notional "
            "min_quantity multiplier native quote settle status tick_size ");
  EXPECT_EQ(keys_of(Sample<Bbo>(RecordType::bbo).read()),
            "ask_orders ask_price ask_quantity bid_orders bid_price bid_quantity update_id ");
  EXPECT_EQ(keys_of(Sample<Ticker>(RecordType::ticker).read()),
            "change_24h change_fraction_24h close_ns high_24h last_price last_quantity low_24h "
            "mid_price open_24h open_ns previous_1h trade_count_24h "
            "volume_base_24h volume_quote_24h vwap_24h ");
  EXPECT_EQ(keys_of(Sample<MarkPrice>(RecordType::mark_price).read()),
            "impact_ask impact_bid index_price mark_average mark_price premium settle_estimate ");
  EXPECT_EQ(keys_of(Sample<Funding>(RecordType::funding).read()),
            "cap floor funding_kind funding_ns interest_rate interval_ns mark_price next_rate "
            "premium rate ");
  EXPECT_EQ(keys_of(Sample<OpenInterest>(RecordType::open_interest).read()),
            "contracts notional period_ns quantity supply was_both_sides ");
  EXPECT_EQ(keys_of(Sample<Kline>(RecordType::kline).read()),
            "close high interval_ns is_closed low open open_ns price_kind taker_buy_base "
            "taker_buy_quote trade_count volume_base volume_quote ");
  EXPECT_EQ(keys_of(Sample<Liquidation>(RecordType::liquidation).read()),
            "average_price filled_quantity is_venue_wide order_side position_side price quantity ");
  EXPECT_EQ(keys_of(Sample<LongShortRatio>(RecordType::long_short_ratio).read()),
            "long_share period_ns ratio ratio_kind short_share ");
  EXPECT_EQ(keys_of(Sample<TakerVolume>(RecordType::taker_volume).read()),
            "buy_base buy_quote period_ns sell_base sell_quote ");
  EXPECT_EQ(keys_of(Sample<Position>(RecordType::position).read()),
            "address cumulative_funding entry_price is_isolated leverage liquidation_price "
            "margin_used max_leverage notional size unrealized_pnl ");
  EXPECT_EQ(keys_of(Sample<FeedStatus>(RecordType::feed_status).read()),
            "connection reason state stream ");
  EXPECT_EQ(keys_of(Sample<Gap>(RecordType::gap).read()),
            "cause expected_id from_ns got_id stream to_ns ");
  EXPECT_EQ(keys_of(Sample<DecodeFailure>(RecordType::error).read()),
            "excerpt excerpt_size field message_size status stream ");
  EXPECT_EQ(keys_of(Sample<Tick>(RecordType::tick).read()), "");
  EXPECT_EQ(keys_of(Sample<Liquidity>(RecordType::liquidity).read()),
            "ask_depth ask_levels ask_price ask_quantity asks_notional bid_depth bid_levels "
            "bid_price bid_quantity bids_notional buy_price depth imbalance_10 imbalance_20 "
            "imbalance_5 last_id max_ask_bps max_bid_bps mid_price sell_price told_ns ");
  EXPECT_EQ(keys_of(Sample<TickerSample>(RecordType::ticker_sample).read()),
            "ask_price ask_quantity bid_price bid_quantity change_24h change_fraction_24h high_24h "
            "index_price last_price low_24h mark_price open_interest open_interest_notional "
            "volume_base_24h volume_quote_24h ");
}

}  // namespace
}  // namespace perp::market
