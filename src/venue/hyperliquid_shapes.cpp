// Hyperliquid: which shape a frame is tried against, and what must hold of its values beside.
#include "venue/hyperliquid_shapes.hpp"

#include <algorithm>

namespace perp::venue::hyperliquid {
namespace {

/// A frame on its way through the fast lane.
struct Reading {
  Message& message;
  const char* begin;
  const char* end;

  template <class MessageShape, class Event>
  [[gnu::always_inline]] bool matches(Event& into) const {
    const market::InstrumentTable& known = message.state.instruments;
    const auto find = [&known](std::string_view native) { return known.find(native); };
    ShapeScope<decltype(find)> scope{end, message.own.shape_memory, find};
    return MessageShape::match(begin, into, scope) == end;
  }
};

bool is_count(std::int64_t orders) { return orders >= 0 && orders <= 0xffff'ffff; }

// Each shape's code is a function of its own: inlined into one, they would crowd each other out.

template <class RowsShape>
[[gnu::noinline]] bool read_rows(const Reading& reading) {
  std::vector<TradeRow>& rows = reading.message.own.trade_rows;
  rows.clear();
  TradesMessage trades{&rows};
  if (!reading.matches<RowsShape>(trades)) return false;
  for (TradeRow& row : rows) {
    row.has_parties = row.buyer.data() != nullptr;
    if (row.has_parties && (!parse_address(row.buyer, row.parties.buyer) ||
                            !parse_address(row.seller, row.parties.seller)))
      return false;
  }
  reading.message.set_kind(Kind::trades);
  TradeRun run;
  for (const TradeRow& row : rows) run.take(reading.message, row);
  run.finish(reading.message);
  return true;
}

/// Levels of a message into those of a record. @returns false for an impossible count of orders.
bool keep(const std::vector<Quote>& quotes, std::vector<market::Level>& levels) {
  levels.assign(quotes.begin(), quotes.end());
  return std::all_of(quotes.begin(), quotes.end(),
                     [](const Quote& quote) { return is_count(quote.orders); });
}

template <class WholeShape>
[[gnu::noinline]] bool read_levels(const Reading& reading) {
  State& own = reading.message.own;
  own.bid_quotes.clear();
  own.ask_quotes.clear();
  BookMessage book;
  book.bids = &own.bid_quotes;
  book.asks = &own.ask_quotes;
  if (!reading.matches<WholeShape>(book) || !keep(own.bid_quotes, own.bids) ||
      !keep(own.ask_quotes, own.asks))
    return false;
  reading.message.set_kind(Kind::l2_book);
  take(reading.message, book);
  return true;
}

[[gnu::noinline]] bool read_quotes(const Reading& reading) {
  std::vector<Quote>& quotes = reading.message.own.bid_quotes;
  quotes.clear();
  QuoteMessage quote;
  quote.quotes = &quotes;
  if (!reading.matches<QuoteShape>(quote) || quotes.size() > 2 ||
      !std::all_of(quotes.begin(), quotes.end(),
                   [](const Quote& side) { return is_count(side.orders); }))
    return false;
  QuoteEvent event;
  event.entry = quote.entry;
  event.exchange_ns = quote.exchange_ns;
  if (!quotes.empty()) event.bid = quotes[0];
  if (quotes.size() == 2) event.ask = quotes[1];
  reading.message.set_kind(Kind::bbo);
  take(reading.message, event);
  return true;
}

[[gnu::noinline]] bool read_asset(const Reading& reading) {
  AssetContext event;
  if (!reading.matches<ContextShape>(event) ||
      !market::parse_decimal(event.volume_text, event.volume_quote) ||
      !market::parse_decimal(event.interest_text, event.open_interest_units) ||
      !market::parse_decimal(event.interest_text, event.entry->quantity_factor,
                             event.open_interest))
    return false;
  reading.message.set_kind(Kind::active_asset_ctx);
  take(reading.message, event);
  return true;
}

[[gnu::noinline]] bool read_minute(const Reading& reading) {
  CandleEvent event;
  if (!reading.matches<CandleShape>(event) || event.close_ns <= event.open_ns) return false;
  event.interval_ns = event.close_ns - event.open_ns + core::ns_per_ms;
  reading.message.set_kind(Kind::candle);
  take(reading.message, event);
  return true;
}

}  // namespace

bool read_shape(Message& message, std::string_view payload) {
  constexpr ShapeText begin = R"({"channel":")";
  const Reading reading{message, payload.data(), payload.data() + payload.size()};
  if (payload.size() < 48 || !shape::equals<begin>(reading.begin)) return false;
  switch (reading.begin[begin.view().size()]) {  // the channels differ in their first letter
    case 'b': return read_quotes(reading);
    case 't': return read_rows<TradesShape>(reading) || read_rows<SortedTradesShape>(reading);
    case 'l': return read_levels<BookShape>(reading) || read_levels<SortedBookShape>(reading);
    case 'a': return read_asset(reading);
    case 'c': return read_minute(reading);
    default: return false;
  }
}

}  // namespace perp::venue::hyperliquid
