// Bybit: which shape a frame is tried against, and what must hold of its values beside.
#include "venue/bybit_shapes.hpp"

#include <perp/market/short_decimal.hpp>

namespace perp::venue::bybit {
namespace {

/// A frame on its way through the fast lane.
struct Reading {
  VenueState& state;
  Transaction& message;
  State& own;
  const char* begin;
  const char* end;

  /// Whether what stands at `at` is of this shape and the message ends behind it.
  template <class MessageShape, class Message>
  [[gnu::always_inline]] bool matches(const char* at, Message& into) const {
    const auto find = [this](std::string_view symbol) { return find_instrument(symbol); };
    ShapeScope<decltype(find)> scope{end, own.shape_memory, find};
    return MessageShape::match(at, into, scope) == end;
  }

 private:
  const market::InstrumentEntry* find_instrument(std::string_view symbol) const {
    const std::string_view key = native_key(own, {}, symbol);
    const bool is_key = own.fault.ok();
    own.fault = {};  // what is wrong with it is the other lane's to say
    return is_key ? state.instruments.find(key) : nullptr;
  }
};

/// Behind the '.' that ends the word at `at`: a depth or an interval. nullptr for another text.
const char* skip_word(const char* at) {
  for (int i = 0; i < 8; ++i) {
    const char c = at[i];
    if (c == '.') return at + i + 1;
    if ((c < '0' || c > '9') && ((c | 0x20) < 'a' || (c | 0x20) > 'z')) return nullptr;
  }
  return nullptr;
}

// Each shape's code is a function of its own: inlined into one, they would crowd each other out.

[[gnu::noinline]] bool read_trades(const Reading& reading) {
  std::vector<TradeRow>& rows = reading.own.trade_rows;
  rows.clear();
  TradesMessage trades{.rows = &rows};
  if (!reading.matches<TradesShape>(reading.begin, trades)) return false;
  for (TradeRow& row : rows) {
    row.taker_side = row.is_buy ? market::Side::buy : market::Side::sell;
    if (!read_trade_id(row.id, row)) return false;
  }
  reading.message.set_kind(kind_trade);
  for (const TradeRow& row : rows) take(reading.message, reading.own, row);
  return true;
}

[[gnu::noinline]] bool read_book(const Reading& reading) {
  constexpr std::string_view head = R"({"topic":"orderbook.)";
  const char* const depth = reading.begin + head.size();
  const char* const behind = skip_word(depth);
  if (behind == nullptr) return false;
  State& own = reading.own;
  own.bids.clear();
  own.asks.clear();
  BookMessage book;
  book.bids = &own.bids;
  book.asks = &own.asks;
  book.depth_index = find_depth({depth, static_cast<std::size_t>(behind - depth - 1)});
  if (book.depth_index == depths.size() || !reading.matches<BookShape>(behind, book)) return false;
  if (book.exchange_ns == core::unknown_ns) book.exchange_ns = book.sent_ns;
  reading.message.set_kind(kind_book);
  take(reading.message, own, book);
  return true;
}

/// An open interest as sent and in coins. @returns false for what is not wholly a short number.
bool read_interest(std::string_view text, const market::InstrumentEntry& entry, double& contracts,
                   double& coins) {
  if (text.data() == nullptr) return true;  // not said
  const char* const end = text.data() + text.size();
  return market::parse_short_decimal(text.data(), 0, contracts) == end &&
         market::parse_short_decimal(text.data(), entry.quantity_factor.exponent, coins) == end;
}

[[gnu::noinline]] bool read_ticker(const Reading& reading) {
  TickerMessage ticker;
  if (!reading.matches<TickerShape>(reading.begin, ticker) || ticker.data_entry != ticker.entry ||
      !read_interest(ticker.both_sides, *ticker.entry, ticker.open_interest,
                     ticker.open_interest_coins) ||
      !read_interest(ticker.one_side, *ticker.entry, ticker.open_interest_single,
                     ticker.open_interest_single_coins))
    return false;
  TickerEvent event{.entry = ticker.entry,
                    .is_snapshot = ticker.is_snapshot,
                    .exchange_ns = ticker.exchange_ns,
                    .sequence = ticker.sequence};
  event.parts = merge_ticker(ticker, begin_ticker(reading.own, *event.entry, event.is_snapshot));
  reading.message.set_kind(kind_ticker);
  take(reading.message, reading.own, event);
  return true;
}

[[gnu::noinline]] bool read_kline(const Reading& reading) {
  constexpr std::string_view head = R"({"topic":"kline.)";
  const char* const behind = skip_word(reading.begin + head.size());
  KlineMessage kline;
  if (behind == nullptr || !reading.matches<KlineShape>(behind, kline) ||
      !read_interval(kline.interval, kline.interval_ns))
    return false;
  close_month(kline, kline.end_ns);
  reading.message.set_kind(kind_kline);
  reading.message.count_other(*kline.entry);
  take(reading.message, kline);
  return true;
}

}  // namespace

bool read_shape(VenueState& state, Transaction& message, State& own, std::string_view payload) {
  constexpr ShapeText begin = R"({"topic":")";
  const Reading reading{state, message, own, payload.data(), payload.data() + payload.size()};
  if (payload.size() < 64 || !shape::equals<begin>(reading.begin)) return false;
  switch (reading.begin[begin.view().size()]) {  // the streams' names differ in their first letter
    case 'p': return read_trades(reading);
    case 'o': return shape::equals<R"({"topic":"orderbook.)">(reading.begin) && read_book(reading);
    case 't': return read_ticker(reading);
    case 'k': return shape::equals<R"({"topic":"kline.)">(reading.begin) && read_kline(reading);
    default: return false;
  }
}

}  // namespace perp::venue::bybit
