// Binance: trades and best quotes.
#include "venue/binance_shapes.hpp"

namespace perp::venue::binance {

namespace ondemand = json::ondemand;
using market::InstrumentEntry;
using market::RecordType;
using market::Side;
using Verdict = IdSequence::Verdict;

namespace {

/// What this id means to its stream, counting what earlier events of the same message have claimed.
[[gnu::always_inline]] inline Verdict verdict_of(Message& message, IdSequence Streams::*stream,
                                                 const InstrumentEntry& entry, std::int64_t id,
                                                 bool is_contiguous, std::int64_t& last) {
  IdSequence& sequence = message.own.streams_of(entry).*stream;
  IdSequence known = sequence;
  for (const Advance& step : message.own.advances)
    if (step.sequence == &sequence) known.advance(step.id, step.verdict);
  last = known.last();
  const Verdict verdict = known.verdict(id, is_contiguous);
  Advance& advance = message.own.advances.emplace_back();  // filled in its place
  advance.sequence = &sequence;
  advance.id = id;
  advance.verdict = verdict;
  if (verdict == Verdict::repeat) message.tx.count_duplicate();
  return verdict;
}

// Inlined into both lanes, so that an event need not lie in memory: a copy of it would wait for its
// fields to be there.

/// Counts the trade, emits the hole before it and, if it is one of the market's, the trade.
[[gnu::always_inline]] inline void take_trade_of(IdSequence Streams::*sequence, Message& message,
                                                 TradeEvent& event, bool is_market) {
  event.taker_side = event.is_buyer_maker ? Side::sell : Side::buy;
  std::int64_t before = market::unknown_id;
  const Verdict verdict = verdict_of(message, sequence, *event.entry, event.trade_id, true, before);
  message.tx.count_other(*event.entry);
  if (verdict == Verdict::repeat) return;
  std::uint8_t flags = 0;
  if (verdict == Verdict::gap) {
    message.tx.emit_gap(*event.entry, RecordType::trade, event.exchange_ns, market::next_id(before),
                        event.trade_id);
    flags = market::flag_gap_before;
  }
  if (!is_market) return;  // not an agreement between two traders, but its id counts
  if (auto* record =
          message.tx.emit<market::Trade>(RecordType::trade, *event.entry, event.exchange_ns, flags))
    *record = event;
}

[[gnu::always_inline]] inline void take_agg_trade(Message& message, TradeEvent& event) {
  message.set_kind(Kind::agg_trade);
  event.fill_count = fills_between(event.first_id, event.last_id);
  take_trade_of(&Streams::agg_trade, message, event, true);
}

[[gnu::always_inline]] inline void take_trade(Message& message, TradeEvent& event) {
  const bool is_market = event.execution.empty() || event.execution == "MARKET";
  message.set_kind(is_market ? Kind::trade : Kind::trade_not_market);
  event.fill_count = 1;
  take_trade_of(&Streams::trade, message, event, is_market);
}

[[gnu::always_inline]] inline void take(Message& message, const QuoteEvent& event) {
  message.set_kind(Kind::book_ticker);
  std::int64_t before = market::unknown_id;
  const Verdict verdict =
      verdict_of(message, &Streams::book_ticker, *event.entry, event.update_id, false, before);
  message.tx.count_other(*event.entry);
  if (verdict == Verdict::repeat) return;
  if (auto* record = message.tx.emit<market::Bbo>(RecordType::bbo, *event.entry, event.exchange_ns))
    *record = event;
}

}  // namespace

bool read_agg_trade(const Reading& reading) {
  TradeEvent event;
  if (!reading.matches<AggTradeShape>(event)) return false;
  take_agg_trade(reading.message, event);
  return true;
}

bool read_trade(const Reading& reading) {
  TradeEvent event;
  if (!reading.matches<TradeShape>(event)) return false;
  take_trade(reading.message, event);
  return true;
}

bool read_book_ticker(const Reading& reading) {
  QuoteEvent event;
  if (!reading.matches<BookTickerShape>(event)) return false;
  take(reading.message, event);
  return true;
}

void on_agg_trade(Context& context, ondemand::object event) {
  enum {
    type,
    event_ms,
    id,
    symbol,
    price,
    quantity,
    quantity_no_rpi,
    first,
    last,
    trade_ms,
    is_maker,
    margin
  };
  static constexpr auto keys = std::to_array<std::string_view>(
      {"e", "E", "a", "s", "p", "q", "nq", "f", "l", "T", "m", "st"});
  context.set_kind(Kind::agg_trade);
  json::FlatObject fields(event, keys, context.own.fault);
  TradeEvent trade;
  trade.entry = context.instrument(fields.text(symbol), fields.token(margin));
  if (trade.entry == nullptr) return;
  trade.price = fields.price(price, *trade.entry);
  trade.quantity = fields.quantity(quantity, *trade.entry);
  trade.quantity_without_rpi = fields.optional_quantity(quantity_no_rpi, *trade.entry);
  trade.trade_id = fields.integer(id);
  trade.first_id = fields.integer(first);
  trade.last_id = fields.integer(last);
  trade.is_buyer_maker = fields.boolean(is_maker);
  trade.exchange_ns = fields.time_ms(trade_ms);
  if (context.tx.ok()) take_agg_trade(context, trade);
}

void on_trade(Context& context, ondemand::object event) {
  enum { type, event_ms, trade_ms, symbol, id, price, quantity, execution, is_maker, margin };
  static constexpr auto keys =
      std::to_array<std::string_view>({"e", "E", "T", "s", "t", "p", "q", "X", "m", "st"});
  context.set_kind(Kind::trade);
  json::FlatObject fields(event, keys, context.own.fault);
  TradeEvent trade;
  trade.entry = context.instrument(fields.text(symbol), fields.token(margin));
  if (trade.entry == nullptr) return;
  trade.price = fields.price(price, *trade.entry);
  trade.quantity = fields.quantity(quantity, *trade.entry);
  trade.trade_id = fields.integer(id);
  trade.is_buyer_maker = fields.boolean(is_maker);
  trade.execution = fields.optional_text(execution);
  trade.exchange_ns = fields.time_ms(trade_ms);
  if (context.tx.ok()) take_trade(context, trade);
}

void on_book_ticker(Context& context, ondemand::object event) {
  enum { type, update_id, symbol, bid, bid_size, ask, ask_size, trade_ms, event_ms, margin };
  static constexpr auto keys =
      std::to_array<std::string_view>({"e", "u", "s", "b", "B", "a", "A", "T", "E", "st"});
  context.set_kind(Kind::book_ticker);
  json::FlatObject fields(event, keys, context.own.fault);
  QuoteEvent quote;
  quote.entry = context.instrument(fields.text(symbol), fields.token(margin));
  if (quote.entry == nullptr) return;
  quote.bid_price = fields.price(bid, *quote.entry);
  quote.bid_quantity = fields.quantity(bid_size, *quote.entry);
  quote.ask_price = fields.price(ask, *quote.entry);
  quote.ask_quantity = fields.quantity(ask_size, *quote.entry);
  quote.update_id = fields.integer(update_id);
  quote.exchange_ns = fields.optional_time_ms(trade_ms);
  if (quote.exchange_ns == core::unknown_ns) quote.exchange_ns = fields.time_ms(event_ms);
  if (context.tx.ok()) take(context, quote);
}

}  // namespace perp::venue::binance
