// OKX: which shape a frame is tried against, and what must hold of its values beside.
#include "venue/okx_shapes.hpp"

namespace perp::venue::okx {
namespace {

/// A frame on its way through the fast lane.
struct Reading {
  Context& context;
  const char* begin;
  const char* end;

  /// Whether what stands at `at` is of this shape and the message ends behind it.
  template <class MessageShape, class Message>
  [[gnu::always_inline]] bool matches(const char* at, Message& into) const {
    const market::InstrumentTable& known = context.state.instruments;
    const auto find = [&known](std::string_view native) { return known.find(native); };
    ShapeScope<decltype(find)> scope{end, context.own.shape_memory, find};
    return MessageShape::match(at, into, scope) == end;
  }
  void set_kind(std::uint8_t kind) const {
    context.kind = kind;
    context.message.set_kind(kind);
  }
  /// What all of a message's records are about.
  void set_kind(std::uint8_t kind, const market::InstrumentEntry& entry) const {
    set_kind(kind);
    context.message.count_other(entry);
  }
};

/// Fields named ...Ccy are coins of the named unit. Read as they stand, they must not need a
/// factor.
bool has_plain_coins(const market::InstrumentEntry& entry) {
  return entry.price_divisor.is_identity();
}

// Each shape's code is a function of its own: inlined into one, they would crowd each other out.

template <class ShapeOfTrades>
[[gnu::noinline]] bool read_trades(const Reading& reading, std::uint8_t kind) {
  std::vector<TradeRow>& rows = reading.context.own.trade_rows;
  rows.clear();
  TradesMessage trades{.rows = &rows};
  if (!reading.matches<ShapeOfTrades>(reading.begin, trades)) return false;
  for (TradeRow& row : rows) {
    row.taker_side = row.is_buy ? market::Side::buy : market::Side::sell;
    row.is_rpi = is_rpi(row.source);
    if (!set_fills(row, row.count)) return false;
  }
  reading.set_kind(kind);
  for (const TradeRow& row : rows) take(reading.context, row);
  return true;
}

[[gnu::noinline]] bool read_book(const Reading& reading, const char* behind, BookChannel channel,
                                 std::uint8_t kind) {
  State& own = reading.context.own;
  own.bids.clear();
  own.asks.clear();
  BookMessage book;
  book.channel = channel;
  book.bids = &own.bids;
  book.asks = &own.asks;
  if (!reading.matches<BookShape>(behind, book)) return false;
  own.bid_texts.clear();
  own.ask_texts.clear();
  reading.set_kind(kind, *book.entry);
  take(reading.context, static_cast<const BookEvent&>(book));
  return true;
}

[[gnu::noinline]] bool read_books5(const Reading& reading) {
  State& own = reading.context.own;
  own.bids.clear();
  own.asks.clear();
  Books5Message book;
  book.bids = &own.bids;
  book.asks = &own.asks;
  if (!reading.matches<Books5Shape>(reading.begin, book)) return false;
  reading.set_kind(kind_books5, *book.entry);
  take(reading.context, static_cast<const Books5Event&>(book));
  return true;
}

[[gnu::noinline]] bool read_quote(const Reading& reading) {
  QuoteMessage quote;
  if (!reading.matches<QuoteShape>(reading.begin, quote)) return false;
  const auto set = [](std::int64_t count, std::uint32_t& orders) {
    if (count > 0xffff'ffff) return false;
    if (count > 0) orders = static_cast<std::uint32_t>(count);
    return true;
  };
  if (!set(quote.ask_count, quote.ask_orders) || !set(quote.bid_count, quote.bid_orders))
    return false;
  reading.set_kind(kind_bbo, *quote.entry);
  take(reading.context, static_cast<const QuoteEvent&>(quote));
  return true;
}

[[gnu::noinline]] bool read_mark(const Reading& reading) {
  MarkEvent mark;
  if (!reading.matches<MarkShape>(reading.begin, mark)) return false;
  reading.set_kind(kind_mark_price, *mark.entry);
  take(reading.context, mark);
  return true;
}

[[gnu::noinline]] bool read_ticker(const Reading& reading) {
  TickerMessage ticker;
  if (!reading.matches<TickerShape>(reading.begin, ticker)) return false;
  if (is_spot(*ticker.entry)) {
    ticker.volume_base_24h = ticker.volume_size;
    ticker.volume_quote_24h = ticker.volume_currency;
  } else if (has_plain_coins(*ticker.entry)) {
    ticker.volume_base_24h = ticker.volume_currency;
  } else {
    return false;
  }
  ticker.has_touch = true;
  reading.set_kind(kind_tickers, *ticker.entry);
  take(reading.context, static_cast<const TickerEvent&>(ticker));
  return true;
}

[[gnu::noinline]] bool read_interest(const Reading& reading) {
  InterestEvent interest;
  if (!reading.matches<InterestShape>(reading.begin, interest) || !has_plain_coins(*interest.entry))
    return false;
  reading.set_kind(kind_open_interest, *interest.entry);
  take(reading.context, interest);
  return true;
}

[[gnu::noinline]] bool read_candle(const Reading& reading, const char* bar) {
  const char* behind = bar;
  while (behind - bar < 8 && *behind != '"') ++behind;
  KlineMessage kline;
  if (!read_bar({bar, static_cast<std::size_t>(behind - bar)}, kline.interval_ns) ||
      !reading.matches<KlineShape>(behind, kline))
    return false;
  if (is_spot(*kline.entry)) {
    kline.volume_base = kline.volume_size;
    kline.volume_quote = kline.volume_currency;
  } else if (has_plain_coins(*kline.entry)) {
    kline.volume_base = kline.volume_currency;
  } else {
    return false;
  }
  kline.is_closed = kline.was_closed ? market::Tristate::yes : market::Tristate::no;
  reading.set_kind(kind_candle, *kline.entry);
  take(reading.context, static_cast<const KlineEvent&>(kline));
  return true;
}

}  // namespace

bool read_shape(Context& context, std::string_view payload) {
  constexpr ShapeText begin = R"({"arg":{"channel":")";
  const Reading reading{context, payload.data(), payload.data() + payload.size()};
  if (payload.size() < 64 || !shape::equals<begin>(reading.begin)) return false;
  const char* const channel = reading.begin + begin.view().size();
  switch (*channel) {
    case 'b':
      if (shape::equals<"bbo-tbt">(channel)) return read_quote(reading);
      if (shape::equals<"books5\"">(channel)) return read_books5(reading);
      if (shape::equals<"books\"">(channel))
        return read_book(reading, channel + 5, channel_books, kind_books);
      if (shape::equals<"books-l2-tbt\"">(channel))
        return read_book(reading, channel + 12, channel_books_l2, kind_books_l2);
      if (shape::equals<"books50-l2-tbt\"">(channel))
        return read_book(reading, channel + 14, channel_books50_l2, kind_books50_l2);
      return false;
    case 't':
      return shape::equals<"ti">(channel)
                 ? read_ticker(reading)
                 : read_trades<TradesShape>(reading, kind_trades) ||
                       read_trades<AllTradesShape>(reading, kind_trades_all);
    case 'm': return read_mark(reading);
    case 'o': return read_interest(reading);
    case 'c': return shape::equals<"candle">(channel) && read_candle(reading, channel + 6);
    default: return false;
  }
}

}  // namespace perp::venue::okx
