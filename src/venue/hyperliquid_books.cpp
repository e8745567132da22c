// Hyperliquid: books and best quotes.
#include "venue/hyperliquid_shapes.hpp"

#include <algorithm>

namespace perp::venue::hyperliquid {

namespace ondemand = json::ondemand;
using market::InstrumentEntry;
using market::RecordType;

namespace {

/// Whether a level's `n` can be a number of orders.
bool is_count(std::int64_t orders) { return orders >= 0 && orders <= 0xffff'ffff; }

bool read_quote(Context& context, Value value, const InstrumentEntry& entry, Quote& quote,
                std::string_view field) {
  enum { price, quantity, orders };
  static constexpr auto keys = std::to_array<std::string_view>({"px", "sz", "n"});
  json::Fault& fault = context.fault();
  ondemand::object row;
  if (!as_object(context, value, row, field)) return false;
  json::FlatObject fields(row, keys, fault);
  quote.price = fields.price(price, entry);
  quote.quantity = fields.quantity(quantity, entry);
  const std::int64_t count = fields.optional_integer(orders);
  if (count != market::unknown_id) {
    if (!is_count(count)) fault.raise(DecodeStatus::out_of_range, keys[orders]);
    quote.orders = count;
  }
  return fault.ok();
}

/// The instrument named by `coin`, read ahead of the pass that needs its scales.
const InstrumentEntry* coin_of(Context& context, ondemand::object& body, std::string_view key) {
  json::Fault& fault = context.fault();
  const std::string_view coin =
      json::text(json::token_of(body.find_field_unordered(key), fault, key), true, fault, key);
  if (fault.ok() && body.reset().error() != simdjson::SUCCESS)
    fault.raise(DecodeStatus::malformed_json, "message");
  return fault.ok() ? context.tx.instrument(coin) : nullptr;
}

// Inlined into both lanes, so that an event need not lie in memory: a copy of it would wait for its
// fields to be there.

[[gnu::always_inline]] inline void take(Message& message, const BookEvent& event) {
  State& own = message.own;
  message.tx.count_other(*event.entry);
  // The 5-level and the 20-level stream share a channel. Exactly five on both sides is the former;
  // a book that is thinner than that is whole either way.
  const bool is_fast = event.says_fast || (own.bids.size() == 5 && own.asks.size() == 5);
  Streams& streams = own.streams_of(*event.entry);
  market::SnapshotBookSequence& sequence = is_fast ? streams.fast_book : streams.book;
  market::Book* book = message.tx.emit_book(
      RecordType::book_snapshot, *event.entry, event.exchange_ns, message.flags, market::unknown_id,
      market::unknown_id, [&] { return sequence.snapshot(event.exchange_ns); });
  if (book != nullptr) book->depth = is_fast ? 5 : 20;
}

[[gnu::always_inline]] inline void take(Message& message, const QuoteEvent& event) {
  message.tx.count_other(*event.entry);
  auto* bbo =
      message.tx.emit<market::Bbo>(RecordType::bbo, *event.entry, event.exchange_ns, message.flags);
  if (bbo == nullptr) return;
  bbo->bid_price = event.bid_price;
  bbo->bid_quantity = event.bid_quantity;
  bbo->bid_orders = static_cast<std::uint32_t>(event.bid_orders);
  bbo->ask_price = event.ask_price;
  bbo->ask_quantity = event.ask_quantity;
  bbo->ask_orders = static_cast<std::uint32_t>(event.ask_orders);
}

/// Levels as a shape read them into those of a record. @returns false for an impossible count of
/// orders.
bool keep(const std::vector<Quote>& quotes, std::vector<market::Level>& levels) {
  levels.assign(quotes.begin(), quotes.end());
  return std::all_of(quotes.begin(), quotes.end(),
                     [](const Quote& quote) { return is_count(quote.orders); });
}

template <class WholeShape>
bool read_book_of(const Reading& reading) {
  State& own = reading.message.own;
  own.bid_quotes.clear();
  own.ask_quotes.clear();
  BookEvent book;
  book.bids = &own.bid_quotes;
  book.asks = &own.ask_quotes;
  if (!reading.matches<WholeShape>(book) || !keep(own.bid_quotes, own.bids) ||
      !keep(own.ask_quotes, own.asks))
    return false;
  reading.message.set_kind(Kind::l2_book);
  take(reading.message, book);
  return true;
}

}  // namespace

bool read_book(const Reading& reading) {
  return read_book_of<BookShape>(reading) || read_book_of<SortedBookShape>(reading);
}

bool read_bbo(const Reading& reading) {
  QuoteEvent event;
  if (!reading.matches<QuoteShape>(event) || !is_count(event.bid_orders) ||
      !is_count(event.ask_orders))
    return false;
  reading.message.set_kind(Kind::bbo);
  take(reading.message, event);
  return true;
}

void read_book(Context& context, Value data) {
  enum { coin, time, levels, fast };
  static constexpr auto keys = std::to_array<std::string_view>({"coin", "time", "levels", "fast"});
  json::Fault& fault = context.fault();
  ondemand::object body;
  if (!as_object(context, data, body, "data")) return;
  const InstrumentEntry* entry = coin_of(context, body, keys[coin]);
  if (entry == nullptr) return;
  std::array<json::Token, keys.size()> tokens;
  tokens.fill(json::absent);
  context.own.bids.clear();
  context.own.asks.clear();
  std::size_t side_count = 0;
  json::each_field(body, keys, fault, [&](std::size_t index, Value value) {
    if (index != levels) {
      tokens[index] = json::make_token(value.raw_json_token(), fault, keys[index]);
      return;
    }
    each_element(context, value, keys[levels], [&](std::size_t which, Value side) {
      if (which > 1) return fault.raise(DecodeStatus::wrong_type, keys[levels]);
      ++side_count;
      each_element(context, side, keys[levels], [&](std::size_t, Value level) {
        Quote quote;
        if (read_quote(context, level, *entry, quote, keys[levels]))
          (which == 0 ? context.own.bids : context.own.asks).push_back(quote);
      });
    });
  });
  if (fault.ok() && side_count != 2) fault.raise(DecodeStatus::missing_field, keys[levels]);
  BookEvent book;
  book.entry = entry;
  book.exchange_ns = json::time_ms(tokens[time], true, fault, keys[time]);
  book.says_fast = json::boolean(tokens[fast], false, fault, keys[fast]) == market::Tristate::yes;
  if (context.close()) take(context, book);
}

void read_bbo(Context& context, Value data) {
  enum { coin, time, quotes };
  static constexpr auto keys = std::to_array<std::string_view>({"coin", "time", "bbo"});
  json::Fault& fault = context.fault();
  ondemand::object body;
  if (!as_object(context, data, body, "data")) return;
  const InstrumentEntry* entry = coin_of(context, body, keys[coin]);
  if (entry == nullptr) return;
  json::Token time_token = json::absent;
  std::array<Quote, 2> sides;
  bool has_quotes = false;
  json::each_field(body, keys, fault, [&](std::size_t index, Value value) {
    if (index == time) time_token = json::make_token(value.raw_json_token(), fault, keys[time]);
    if (index != quotes) return;
    has_quotes = true;
    each_element(context, value, keys[quotes], [&](std::size_t which, Value side) {
      if (which >= sides.size()) return fault.raise(DecodeStatus::wrong_type, keys[quotes]);
      bool is_null = false;
      if (const auto error = side.is_null().get(is_null); error != simdjson::SUCCESS)
        return fault.raise(json::status_of(error), keys[quotes]);
      if (!is_null) read_quote(context, side, *entry, sides[which], keys[quotes]);
    });
  });
  if (!has_quotes) fault.raise(DecodeStatus::missing_field, keys[quotes]);
  QuoteEvent event;
  event.entry = entry;
  event.exchange_ns = json::time_ms(time_token, true, fault, keys[time]);
  event.bid_price = sides[0].price;
  event.bid_quantity = sides[0].quantity;
  event.bid_orders = sides[0].orders;
  event.ask_price = sides[1].price;
  event.ask_quantity = sides[1].quantity;
  event.ask_orders = sides[1].orders;
  if (context.tx.ok()) take(context, event);
}

}  // namespace perp::venue::hyperliquid
