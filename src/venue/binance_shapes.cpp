// Binance: which shape a frame is tried against, and what must hold of its values beside.
#include "venue/binance_shapes.hpp"

namespace perp::venue::binance {
namespace {

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
    ShapeScope<decltype(find)> scope{end, message.own.shape_memory, find};
    const char* at = EventShape::match(event, into, scope);
    if (at == nullptr) return false;
    if (is_in_envelope && *at++ != '}') return false;
    return at == end;
  }
};

// Each shape's code is a function of its own: inlined into one, they would crowd each other out.

[[gnu::noinline]] bool read_agg_trade(const Reading& reading) {
  TradeEvent event;
  if (!reading.matches<AggTradeShape>(event)) return false;
  take_agg_trade(reading.message, event);
  return true;
}

[[gnu::noinline]] bool read_trade(const Reading& reading) {
  TradeEvent event;
  if (!reading.matches<TradeShape>(event)) return false;
  take_trade(reading.message, event);
  return true;
}

[[gnu::noinline]] bool read_book_ticker(const Reading& reading) {
  QuoteEvent event;
  if (!reading.matches<BookTickerShape>(event)) return false;
  take(reading.message, event);
  return true;
}

[[gnu::noinline]] bool read_depth(const Reading& reading) {
  State& own = reading.message.own;
  own.bids.clear();
  own.asks.clear();
  DepthEvent event;
  event.bids = &own.bids;
  event.asks = &own.asks;
  if (!reading.matches<DepthShape>(event)) return false;
  take(reading.message, event);
  return true;
}

[[gnu::noinline]] bool read_mark_price(const Reading& reading) {
  MarkEvent event;
  if (!reading.matches<MarkPriceShape>(event)) return false;
  take(reading.message, event);
  return true;
}

[[gnu::noinline]] bool read_ticker(const Reading& reading) {
  TickerEvent event;
  if (!reading.matches<TickerShape>(event)) return false;
  reading.message.set_kind(Kind::ticker);
  take(reading.message, event);
  return true;
}

[[gnu::noinline]] bool read_mini_ticker(const Reading& reading) {
  TickerEvent event;
  if (!reading.matches<MiniTickerShape>(event)) return false;
  reading.message.set_kind(Kind::mini_ticker);
  take(reading.message, event);
  return true;
}

template <class KlineOfAYear>
[[gnu::noinline]] bool read_kline(const Reading& reading) {
  KlineEvent event;
  if (!reading.matches<KlineOfAYear>(event)) return false;
  if (event.interval.empty() || event.close_ns <= event.open_ns) return false;
  reading.message.set_kind(Kind::kline);
  take(reading.message, event);
  return true;
}

}  // namespace

bool read_shape(Message& message, std::string_view payload) {
  constexpr ShapeText begin = R"({"e":")";
  Reading reading{message, payload.data(), payload.data() + payload.size(), false};
  if (!shape::equals<begin>(reading.event)) {
    Envelope envelope;
    struct {
      const char* end;
    } scope{reading.end};
    reading.event = EnvelopeShape::match(reading.event, envelope, scope);
    if (reading.event == nullptr || !shape::equals<begin>(reading.event))
      return false;
    // The slow lane begins without a name, so it is given back where nothing matches.
    message.stream = envelope.stream;
    reading.is_in_envelope = true;
  }
  bool is_read = false;
  switch (reading.event[begin.view().size()]) {  // the names of the kinds differ in their first letter
    case 'b': is_read = read_book_ticker(reading); break;
    case 'd': is_read = read_depth(reading); break;
    case 'a': is_read = read_agg_trade(reading); break;
    case 't': is_read = read_trade(reading); break;
    case 'm': is_read = read_mark_price(reading); break;
    case 'k':
      is_read = read_kline<SpacedKlineShape>(reading) || read_kline<KlineShape>(reading);
      break;
    case '2': is_read = read_ticker(reading) || read_mini_ticker(reading); break;
    default: break;
  }
  if (!is_read) message.stream = {};
  return is_read;
}

}  // namespace perp::venue::binance
