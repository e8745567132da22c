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

using LevelShape = Shape<R"({"px":"<price>","sz":"<size>","n":<integer>})", &Quote::price,
                         &Quote::quantity, &Quote::orders>;
using BookShape = Shape<
    R"({"channel":"l2Book","data":{"coin":"<symbol>","time":<time>,"levels":[[<list>],[<list>]](,"fast":<boolean>)}})",
    &BookEvent::entry, &BookEvent::exchange_ns, rows<LevelShape, &BookEvent::bids>,
    rows<LevelShape, &BookEvent::asks>, &BookEvent::says_fast>;
using SortedLevelShape = Shape<R"({"n":<integer>,"px":"<price>","sz":"<size>"})", &Quote::orders,
                               &Quote::price, &Quote::quantity>;
using SortedBookShape = Shape<
    R"({"channel":"l2Book","data":{"coin":"<symbol>","levels":[[<list>],[<list>]],"time":<time>}})",
    &BookEvent::entry, rows<SortedLevelShape, &BookEvent::bids>,
    rows<SortedLevelShape, &BookEvent::asks>, &BookEvent::exchange_ns>;

using QuoteShape = Shape<
    R"({"channel":"bbo","data":{"coin":"<symbol>","time":<time>,"bbo":[{"px":"<price>","sz":"<size>","n":<integer>},{"px":"<price>","sz":"<size>","n":<integer>}]}})",
    &QuoteEvent::entry, &QuoteEvent::exchange_ns, &QuoteEvent::bid_price, &QuoteEvent::bid_quantity,
    &QuoteEvent::bid_orders, &QuoteEvent::ask_price, &QuoteEvent::ask_quantity,
    &QuoteEvent::ask_orders>;

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

/// A frame on its way through the fast lane.
struct Reading {
  Message& message;
  const char* begin;
  const char* end;

  /// Whether the whole of it is of this shape.
  template <class MessageShape, class Event>
  [[gnu::always_inline]] bool matches(Event& into) const {
    const market::InstrumentTable& known = message.state.instruments;
    const auto find = [&known](std::string_view native) { return known.find(native); };
    ShapeScope scope(end, message.own.shape_memory, find);
    return MessageShape::match(begin, into, scope) == end;
  }
};

// Beside the other lane's reader of the same message. True: it matched and was taken.
bool read_trades(const Reading& reading);
bool read_book(const Reading& reading);
bool read_bbo(const Reading& reading);
bool read_asset_ctx(const Reading& reading);
bool read_candle(const Reading& reading);

}  // namespace perp::venue::hyperliquid
