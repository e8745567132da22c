#pragma once
// Hyperliquid's hot messages as it spells them. Recordings of early 2025 have the keys of a row in
// the order of the alphabet.
#include "venue/hyperliquid.hpp"
#include "venue/shape.hpp"

namespace perp::venue::hyperliquid {

struct TradesMessage {
  std::vector<TradeRow>* rows = nullptr;
};
using TradeRowShape = Shape<
    R"({"coin":"<symbol>","side":"<B|A>","px":"<price>","sz":"<size>","time":<time>,"hash":"<skip text>","tid":<integer>(,"users":["<text>","<text>"])})",
    &TradeRow::entry, &TradeRow::is_buy, &TradeRow::price, &TradeRow::quantity,
    &TradeRow::exchange_ns, &TradeRow::id, &TradeRow::buyer, &TradeRow::seller>;
using TradesShape =
    Shape<R"({"channel":"trades","data":[<list>]})", rows<TradeRowShape, &TradesMessage::rows>>;
using SortedTradeRowShape = Shape<
    R"({"coin":"<symbol>","hash":"<skip text>","px":"<price>","side":"<B|A>","sz":"<size>","tid":<integer>,"time":<time>(,"users":["<text>","<text>"])})",
    &TradeRow::entry, &TradeRow::price, &TradeRow::is_buy, &TradeRow::quantity, &TradeRow::id,
    &TradeRow::exchange_ns, &TradeRow::buyer, &TradeRow::seller>;
using SortedTradesShape = Shape<R"({"channel":"trades","data":[<list>]})",
                                rows<SortedTradeRowShape, &TradesMessage::rows>>;

struct BookMessage : BookEvent {
  std::vector<Quote>* bids = nullptr;
  std::vector<Quote>* asks = nullptr;
};
using LevelShape = Shape<R"({"px":"<price>","sz":"<size>","n":<integer>})", &Quote::price,
                         &Quote::quantity, &Quote::orders>;
using BookShape = Shape<
    R"({"channel":"l2Book","data":{"coin":"<symbol>","time":<time>,"levels":[[<list>],[<list>]](,"fast":<boolean>)}})",
    &BookMessage::entry, &BookMessage::exchange_ns, rows<LevelShape, &BookMessage::bids>,
    rows<LevelShape, &BookMessage::asks>, &BookMessage::says_fast>;
using SortedLevelShape = Shape<R"({"n":<integer>,"px":"<price>","sz":"<size>"})", &Quote::orders,
                               &Quote::price, &Quote::quantity>;
using SortedBookShape = Shape<
    R"({"channel":"l2Book","data":{"coin":"<symbol>","levels":[[<list>],[<list>]],"time":<time>}})",
    &BookMessage::entry, rows<SortedLevelShape, &BookMessage::bids>,
    rows<SortedLevelShape, &BookMessage::asks>, &BookMessage::exchange_ns>;

struct QuoteMessage {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t exchange_ns = core::unknown_ns;
  std::vector<Quote>* quotes = nullptr;
};
using QuoteShape =
    Shape<R"({"channel":"bbo","data":{"coin":"<symbol>","time":<time>,"bbo":[<list>]}})",
          &QuoteMessage::entry, &QuoteMessage::exchange_ns,
          rows<LevelShape, &QuoteMessage::quotes>>;

using ContextShape = Shape<
    R"({"channel":"activeAssetCtx","data":{"coin":"<symbol>","ctx":{"funding":"<decimal>","openInterest":"<text>","prevDayPx":"<price>","dayNtlVlm":"<text>","premium":"<decimal>","oraclePx":"<price>","markPx":"<price>","midPx":"<price>","impactPxs":["<price>","<price>"](,"dayBaseVlm":"<size>")}}})",
    &AssetContext::entry, &AssetContext::funding_rate, &AssetContext::interest_text,
    &AssetContext::previous_day, &AssetContext::volume_text, &AssetContext::premium,
    &AssetContext::oracle_price, &AssetContext::mark_price, &AssetContext::mid_price,
    &AssetContext::impact_bid, &AssetContext::impact_ask, &AssetContext::volume_base>;

using CandleShape = Shape<
    R"({"channel":"candle","data":{"t":<time>,"T":<time>,"s":"<symbol>","i":"<skip text>","o":"<price>","c":"<price>","h":"<price>","l":"<price>","v":"<size>","n":<integer>}})",
    &CandleEvent::open_ns, &CandleEvent::close_ns, &CandleEvent::entry, &CandleEvent::open,
    &CandleEvent::close, &CandleEvent::high, &CandleEvent::low, &CandleEvent::volume_base,
    &CandleEvent::trade_count>;

}  // namespace perp::venue::hyperliquid
