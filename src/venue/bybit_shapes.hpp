#pragma once
// Bybit's hot messages as it spells them; optional parts came with the years.
#include "venue/bybit.hpp"
#include "venue/shape.hpp"

namespace perp::venue::bybit {

struct TradesMessage {
  const market::InstrumentEntry* entry = nullptr;  ///< the topic's; each row says its own
  std::vector<TradeRow>* rows = nullptr;
};
using TradeRowShape = Shape<
    R"({"T":<time>,"s":"<symbol>","S":"<Buy|Sell>","v":"<size>","p":"<price>","L":"<skip text>","i":"<text>","BT":<boolean>(,"RPI":<boolean>)(,"seq":<integer>)})",
    &TradeRow::exchange_ns, &TradeRow::entry, &TradeRow::is_buy, &TradeRow::quantity,
    &TradeRow::price, &TradeRow::id, &TradeRow::is_block, &TradeRow::is_rpi, &TradeRow::sequence>;
using TradesShape = Shape<
    R"({"topic":"publicTrade.<symbol>","type":"<skip text>","ts":<skip integer>,"data":[<list>]})",
    &TradesMessage::entry, rows<TradeRowShape, &TradesMessage::rows>>;

struct BookMessage : BookEvent {
  std::int64_t sent_ns = core::unknown_ns;
  std::vector<market::Level>* bids = nullptr;
  std::vector<market::Level>* asks = nullptr;
};
using LevelShape =
    Shape<R"(["<price>","<size>"])", &market::Level::price, &market::Level::quantity>;
/// Behind `{"topic":"orderbook.50.`, whatever the depth.
using BookShape = Shape<
    R"(<symbol>","type":"<snapshot|delta>","ts":<time>,"data":{"s":"<symbol>","b":[<list>],"a":[<list>],"u":<integer>,"seq":<integer>}(,"cts":<time>)})",
    &BookMessage::entry, &BookMessage::is_snapshot, &BookMessage::sent_ns, &BookMessage::entry,
    rows<LevelShape, &BookMessage::bids>, rows<LevelShape, &BookMessage::asks>,
    &BookMessage::update_id, &BookMessage::sequence, &BookMessage::exchange_ns>;

/// What a message changes; a delta says no more.
struct TickerMessage : MergedTicker {
  const market::InstrumentEntry* entry = nullptr;       ///< the topic's, which counts
  const market::InstrumentEntry* data_entry = nullptr;  ///< whose scales the numbers were read with
  bool is_snapshot = false;
  std::int64_t exchange_ns = core::unknown_ns;
  std::string_view both_sides;  ///< openInterest, wanted in contracts and in coins
  std::string_view one_side;    ///< singleOpenInterest
};
using TickerShape = Shape<
    R"({"topic":"tickers.<symbol>","type":"<snapshot|delta>","data":{"symbol":"<symbol>"(,"tickDirection":"<skip text>")(,"price24hPcnt":"<decimal>")(,"lastPrice":"<price>")(,"prevPrice24h":"<price>")(,"highPrice24h":"<price>")(,"lowPrice24h":"<price>")(,"prevPrice1h":"<price>")(,"markPrice":"<price>")(,"indexPrice":"<price>")(,"openInterest":"<text>")(,"openInterestValue":"<decimal>")(,"singleOpenInterest":"<text>")(,"singleOpenInterestValue":"<decimal>")(,"turnover24h":"<decimal>")(,"volume24h":"<size>")(,"fundingIntervalHour":"<decimal>")(,"fundingCap":"<decimal>")(,"nextFundingTime":"<time>")(,"fundingRate":"<decimal>")(,"bid1Price":"<price>")(,"bid1Size":"<size>")(,"ask1Price":"<price>")(,"ask1Size":"<size>")(,"preOpenPrice":"<skip text>")(,"preQty":"<skip text>")(,"curPreListingPhase":"<skip text>")},"cs":<integer>,"ts":<time>})",
    &TickerMessage::entry, &TickerMessage::is_snapshot, &TickerMessage::data_entry,
    &TickerMessage::change_fraction_24h, &TickerMessage::last_price, &TickerMessage::open_24h,
    &TickerMessage::high_24h, &TickerMessage::low_24h, &TickerMessage::previous_1h,
    &TickerMessage::mark_price, &TickerMessage::index_price, &TickerMessage::both_sides,
    &TickerMessage::open_interest_value, &TickerMessage::one_side,
    &TickerMessage::open_interest_value_single, &TickerMessage::turnover_24h,
    &TickerMessage::volume_24h, &TickerMessage::funding_interval_hours, &TickerMessage::funding_cap,
    &TickerMessage::next_funding_ns, &TickerMessage::funding_rate, &TickerMessage::bid_price,
    &TickerMessage::bid_size, &TickerMessage::ask_price, &TickerMessage::ask_size,
    &TickerMessage::sequence, &TickerMessage::exchange_ns>;

struct KlineMessage : KlineEvent {
  std::int64_t end_ns = core::unknown_ns;
  std::string_view interval;
};
/// Behind `{"topic":"kline.1.`, whatever the interval.
using KlineShape = Shape<
    R"(<symbol>","type":"<skip text>","ts":<time>,"data":[{"start":<time>,"end":<time>,"interval":"<text>","open":"<price>","close":"<price>","high":"<price>","low":"<price>","volume":"<size>","turnover":"<decimal>","confirm":<boolean>,"timestamp":<skip integer>}]})",
    &KlineMessage::entry, &KlineMessage::exchange_ns, &KlineMessage::open_ns, &KlineMessage::end_ns,
    &KlineMessage::interval, &KlineMessage::open, &KlineMessage::close, &KlineMessage::high,
    &KlineMessage::low, &KlineMessage::volume_base, &KlineMessage::volume_quote,
    &KlineMessage::is_closed>;

}  // namespace perp::venue::bybit
