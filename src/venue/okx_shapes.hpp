#pragma once
// OKX's hot messages as it spells them; optional parts came with the years. What has a checksum
// (the books of recordings) and spot tickers and candles, whose volumes mean something else, are
// left to simdjson's lane.
#include "venue/okx.hpp"
#include "venue/shape.hpp"

namespace perp::venue::okx {

struct TradesMessage {
  const market::InstrumentEntry* entry = nullptr;  ///< the channel's; each row says its own
  std::vector<TradeRow>* rows = nullptr;
};
using TradeRowShape = Shape<
    R"({"instId":"<symbol>","tradeId":"<integer>","px":"<price>","sz":"<size>","side":"<buy|sell>","ts":"<time>"(,"count":"<integer>")(,"source":"<text>")(,"seqId":<integer>)})",
    &TradeRow::entry, &TradeRow::trade_id, &TradeRow::price, &TradeRow::quantity, &TradeRow::is_buy,
    &TradeRow::exchange_ns, &TradeRow::count, &TradeRow::source, &TradeRow::sequence>;
using TradesShape = Shape<R"({"arg":{"channel":"trades","instId":"<symbol>"},"data":[<list>]})",
                          &TradesMessage::entry, rows<TradeRowShape, &TradesMessage::rows>>;
using AllTradesShape =
    Shape<R"({"arg":{"channel":"trades-all","instId":"<symbol>"},"data":[<list>]})",
          &TradesMessage::entry, rows<TradeRowShape, &TradesMessage::rows>>;

/// The third cell was the number of liquidated orders once; it is 0 since long.
using LevelShape = Shape<R"(["<price>","<size>","0","<skip integer>"])", &market::Level::price,
                         &market::Level::quantity>;

struct BookMessage : BookEvent {
  std::vector<market::Level>* bids = nullptr;
  std::vector<market::Level>* asks = nullptr;
};
/// Behind `{"arg":{"channel":"books`, whatever the channel.
using BookShape = Shape<
    R"(","instId":"<symbol>"},"action":"<snapshot|update>","data":[{"asks":[<list>],"bids":[<list>],"ts":"<time>"(,"checksum":0)(,"seqId":<integer>)(,"prevSeqId":<integer>)}]})",
    &BookMessage::entry, &BookMessage::is_snapshot, rows<LevelShape, &BookMessage::asks>,
    rows<LevelShape, &BookMessage::bids>, &BookMessage::exchange_ns, &BookMessage::sequence,
    &BookMessage::previous>;

struct Books5Message : Books5Event {
  std::vector<market::Level>* bids = nullptr;
  std::vector<market::Level>* asks = nullptr;
};
using Books5Shape = Shape<
    R"({"arg":{"channel":"books5","instId":"<symbol>"},"data":[{"asks":[<list>],"bids":[<list>],"instId":"<skip text>","ts":"<time>"(,"seqId":<integer>)}]})",
    &Books5Message::entry, rows<LevelShape, &Books5Message::asks>,
    rows<LevelShape, &Books5Message::bids>, &Books5Message::exchange_ns, &Books5Message::sequence>;

struct QuoteMessage : QuoteEvent {
  std::int64_t ask_count = 0;
  std::int64_t bid_count = 0;
};
using QuoteShape = Shape<
    R"({"arg":{"channel":"bbo-tbt","instId":"<symbol>"},"data":[{"asks":[(["<price>","<size>","0","<integer>"])],"bids":[(["<price>","<size>","0","<integer>"])],"ts":"<time>"(,"seqId":<integer>)}]})",
    &QuoteMessage::entry, &QuoteMessage::ask_price, &QuoteMessage::ask_quantity,
    &QuoteMessage::ask_count, &QuoteMessage::bid_price, &QuoteMessage::bid_quantity,
    &QuoteMessage::bid_count, &QuoteMessage::exchange_ns, &QuoteMessage::update_id>;

using MarkShape = Shape<
    R"({"arg":{"channel":"mark-price","instId":"<symbol>"},"data":[{"instId":"<symbol>","instType":"<skip text>","markPx":"<price>","ts":"<time>"}]})",
    &MarkEvent::entry, &MarkEvent::entry, &MarkEvent::mark_price, &MarkEvent::exchange_ns>;

/// Volumes mean one thing on contracts and another on spot pairs.
struct TickerMessage : TickerEvent {
  double volume_currency = market::missing;  ///< volCcy24h as it stands
  double volume_size = market::missing;      ///< vol24h as a size
};
using TickerShape = Shape<
    R"({"arg":{"channel":"tickers","instId":"<symbol>"},"data":[{"instType":"<skip text>","instId":"<symbol>","last":"<price>","lastSz":"<size>","askPx":"<price>","askSz":"<size>","bidPx":"<price>","bidSz":"<size>","open24h":"<price>","high24h":"<price>","low24h":"<price>","sodUtc0":"<skip decimal>","sodUtc8":"<skip decimal>","volCcy24h":"<decimal>","vol24h":"<size>","ts":"<time>"}]})",
    &TickerMessage::entry, &TickerMessage::entry, &TickerMessage::last_price,
    &TickerMessage::last_quantity, &TickerMessage::ask_price, &TickerMessage::ask_quantity,
    &TickerMessage::bid_price, &TickerMessage::bid_quantity, &TickerMessage::open_24h,
    &TickerMessage::high_24h, &TickerMessage::low_24h, &TickerMessage::volume_currency,
    &TickerMessage::volume_size, &TickerMessage::exchange_ns>;

using InterestShape = Shape<
    R"({"arg":{"channel":"open-interest","instId":"<symbol>"},"data":[{"instId":"<symbol>","instType":"<skip text>","oi":"<decimal>","oiCcy":"<decimal>"(,"oiUsd":"<decimal>"),"ts":"<time>"}]})",
    &InterestEvent::entry, &InterestEvent::entry, &InterestEvent::contracts,
    &InterestEvent::quantity, &InterestEvent::notional, &InterestEvent::exchange_ns>;

struct KlineMessage : KlineEvent {
  double volume_size = market::missing;      ///< vol as a size
  double volume_currency = market::missing;  ///< volCcy as it stands
  bool was_closed = false;
};
/// Behind `{"arg":{"channel":"candle1m`, whatever the interval.
using KlineShape = Shape<
    R"(","instId":"<symbol>"},"data":[["<time>","<price>","<price>","<price>","<price>","<size>","<decimal>","<decimal>","<1|0>"]]})",
    &KlineMessage::entry, &KlineMessage::open_ns, &KlineMessage::open, &KlineMessage::high,
    &KlineMessage::low, &KlineMessage::close, &KlineMessage::volume_size,
    &KlineMessage::volume_currency, &KlineMessage::volume_quote, &KlineMessage::was_closed>;

}  // namespace perp::venue::okx
