#pragma once
// Binance's hot messages as it spells them; optional parts came with the years. `st` 2 (a COIN-M
// contract) is left to simdjson's lane.
#include "venue/binance.hpp"
#include "venue/shape.hpp"

namespace perp::venue::binance {

struct Envelope {
  std::string_view stream;
};
using EnvelopeShape = Shape<R"({"stream":"<text>","data":)", &Envelope::stream>;

using AggTradeShape = Shape<
    R"({"e":"aggTrade","E":<skip integer>,"a":<integer>,"s":"<symbol>","p":"<price>","q":"<size>"(,"nq":"<size>"),"f":<integer>,"l":<integer>,"T":<time>,"m":<boolean>(,"st":1)})",
    &TradeEvent::trade_id, &TradeEvent::entry, &TradeEvent::price, &TradeEvent::quantity,
    &TradeEvent::quantity_without_rpi, &TradeEvent::first_id, &TradeEvent::last_id,
    &TradeEvent::exchange_ns, &TradeEvent::is_buyer_maker>;

using TradeShape = Shape<
    R"({"e":"trade","E":<skip integer>,"T":<time>,"s":"<symbol>","t":<integer>,"p":"<price>","q":"<size>","X":"<text>","m":<boolean>(,"st":1)})",
    &TradeEvent::exchange_ns, &TradeEvent::entry, &TradeEvent::trade_id, &TradeEvent::price,
    &TradeEvent::quantity, &TradeEvent::execution, &TradeEvent::is_buyer_maker>;

using BookTickerShape = Shape<
    R"({"e":"bookTicker","u":<integer>,"s":"<symbol>"(,"ps":"<skip text>"),"b":"<price>","B":"<size>","a":"<price>","A":"<size>","T":<time>,"E":<skip integer>(,"st":1)})",
    &QuoteEvent::update_id, &QuoteEvent::entry, &QuoteEvent::bid_price, &QuoteEvent::bid_quantity,
    &QuoteEvent::ask_price, &QuoteEvent::ask_quantity, &QuoteEvent::exchange_ns>;

using LevelShape =
    Shape<R"(["<price>","<size>"])", &market::Level::price, &market::Level::quantity>;

using DepthShape = Shape<
    R"({"e":"depthUpdate","E":<skip integer>,"T":<time>,"s":"<symbol>"(,"ps":"<skip text>"),"U":<integer>,"u":<integer>,"pu":<integer>,"b":[<list>],"a":[<list>](,"st":1)})",
    &DepthEvent::exchange_ns, &DepthEvent::entry, &DepthEvent::first_id, &DepthEvent::last_id,
    &DepthEvent::previous_id, rows<LevelShape, &DepthEvent::bids>,
    rows<LevelShape, &DepthEvent::asks>>;

using MarkPriceShape = Shape<
    R"({"e":"markPriceUpdate","E":<time>,"s":"<symbol>","p":"<price>"(,"ap":"<price>"),"P":"<price>","i":"<price>","r":"<decimal>","T":<time>(,"st":1)})",
    &MarkEvent::exchange_ns, &MarkEvent::entry, &MarkEvent::mark_price, &MarkEvent::mark_average,
    &MarkEvent::settle_estimate, &MarkEvent::index_price, &MarkEvent::funding_rate,
    &MarkEvent::funding_ns>;

using TickerShape = Shape<
    R"({"e":"24hrTicker","E":<time>,"s":"<symbol>","p":"<price>","P":"<percent>","w":"<price>","c":"<price>","Q":"<size>","o":"<price>","h":"<price>","l":"<price>","v":"<size>","q":"<decimal>","O":<time>,"C":<time>,"F":<skip integer>,"L":<skip integer>,"n":<integer>(,"ps":"<skip text>")(,"st":1)})",
    &TickerEvent::exchange_ns, &TickerEvent::entry, &TickerEvent::change_24h,
    &TickerEvent::change_fraction_24h, &TickerEvent::vwap_24h, &TickerEvent::last_price,
    &TickerEvent::last_quantity, &TickerEvent::open_24h, &TickerEvent::high_24h,
    &TickerEvent::low_24h, &TickerEvent::volume_base_24h, &TickerEvent::volume_quote_24h,
    &TickerEvent::open_ns, &TickerEvent::close_ns, &TickerEvent::trade_count_24h>;

using MiniTickerShape = Shape<
    R"({"e":"24hrMiniTicker","E":<time>,"s":"<symbol>","c":"<price>","o":"<price>","h":"<price>","l":"<price>","v":"<size>","q":"<decimal>"(,"ps":"<skip text>")(,"st":1)})",
    &TickerEvent::exchange_ns, &TickerEvent::entry, &TickerEvent::last_price,
    &TickerEvent::open_24h, &TickerEvent::high_24h, &TickerEvent::low_24h,
    &TickerEvent::volume_base_24h, &TickerEvent::volume_quote_24h>;

/// 2021: compact.
using KlineShape = Shape<
    R"({"e":"kline","E":<time>,"s":"<symbol>","k":{"t":<time>,"T":<time>,"s":"<skip text>","i":"<text>","f":<skip integer>,"L":<skip integer>,"o":"<price>","c":"<price>","h":"<price>","l":"<price>","v":"<size>","n":<integer>,"x":<boolean>,"q":"<decimal>","V":"<size>","Q":"<decimal>","B":"<skip text>"}(,"ps":"<skip text>")(,"st":1)})",
    &KlineEvent::exchange_ns, &KlineEvent::entry, &KlineEvent::open_ns, &KlineEvent::close_ns,
    &KlineEvent::interval, &KlineEvent::open, &KlineEvent::close, &KlineEvent::high,
    &KlineEvent::low, &KlineEvent::volume_base, &KlineEvent::trade_count, &KlineEvent::was_closed,
    &KlineEvent::volume_quote, &KlineEvent::taker_buy_base, &KlineEvent::taker_buy_quote>;
/// 2026: with spaces inside the candle, and only there.
using SpacedKlineShape = Shape<
    R"({"e":"kline","E":<time>,"s":"<symbol>","k":{"t":<time>, "T":<time>, "s":"<skip text>", "i":"<text>", "f":<skip integer>, "L":<skip integer>, "o":"<price>", "c":"<price>", "h":"<price>", "l":"<price>", "v":"<size>", "n":<integer>, "x":<boolean>, "q":"<decimal>", "V":"<size>", "Q":"<decimal>", "B":"<skip text>"}(,"ps":"<skip text>")(,"st":1)})",
    &KlineEvent::exchange_ns, &KlineEvent::entry, &KlineEvent::open_ns, &KlineEvent::close_ns,
    &KlineEvent::interval, &KlineEvent::open, &KlineEvent::close, &KlineEvent::high,
    &KlineEvent::low, &KlineEvent::volume_base, &KlineEvent::trade_count, &KlineEvent::was_closed,
    &KlineEvent::volume_quote, &KlineEvent::taker_buy_base, &KlineEvent::taker_buy_quote>;

/// A frame on its way through the fast lane.
struct Reading {
  Message& message;
  const char* event;  ///< where the event begins, in its envelope or bare
  const char* end;
  bool is_in_envelope;

  /// Whether the event is of this shape and the message ends behind it.
  template <class EventShape, class Event>
  [[gnu::always_inline]] bool matches(Event& into) const {
    const market::InstrumentTable& known = message.state.instruments;
    const auto find = [&known](std::string_view native) { return known.find(native); };
    ShapeScope scope(end, message.own.shape_memory, find);
    const char* at = EventShape::match(event, into, scope);
    if (at == nullptr) return false;
    if (is_in_envelope && *at++ != '}') return false;
    return at == end;
  }
};

// Beside the other lane's reader of the same message. True: it matched and was taken.
bool read_agg_trade(const Reading& reading);
bool read_trade(const Reading& reading);
bool read_book_ticker(const Reading& reading);
bool read_depth(const Reading& reading);
bool read_mark_price(const Reading& reading);
bool read_ticker(const Reading& reading);
bool read_kline(const Reading& reading);

}  // namespace perp::venue::binance
