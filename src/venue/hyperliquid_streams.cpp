// Hyperliquid: trades, books, best quotes, candles and mids.
#include "venue/hyperliquid.hpp"

namespace perp::venue::hyperliquid {

namespace ondemand = json::ondemand;
using market::InstrumentEntry;
using market::RecordType;
using market::Side;

namespace {

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
    if (count < 0 || count > 0xffff'ffff) fault.raise(DecodeStatus::out_of_range, keys[orders]);
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

}  // namespace

bool Message::is_repeat(RecentIds Streams::*ids, const InstrumentEntry& entry, std::int64_t id,
                        std::int64_t time_ns) {
  const std::size_t index = entry.id & 0x00ff'ffff;
  const auto key = static_cast<std::uint64_t>(id);
  bool found = index < own.streams.size() && (own.streams[index].*ids).contains(key, time_ns);
  for (const SeenTrade& seen : own.seen)
    found |= id != 0 && seen.ids == ids && seen.instrument == entry.id && seen.id == key;
  own.seen.push_back({ids, entry.id, key, time_ns, found});
  if (found) tx.count_duplicate();
  return found;
}

void TradeRun::take(Message& message, const TradeRow& row) {
  Transaction& tx = message.tx;
  tx.count_other(*row.entry);
  // The first frame after a subscription repeats recent trades and does not say so.
  if (!message.is_rest && message.is_repeat(&Streams::trades, *row.entry, row.id, row.exchange_ns))
    return;
  const std::size_t at = tx.sink().bytes().size();
  auto* record = tx.emit<market::Trade>(RecordType::trade, *row.entry, row.exchange_ns,
                                        message.flags, row.has_parties ? sizeof row.parties : 0);
  if (record == nullptr) return;
  record->price = row.price;
  record->quantity = row.quantity;
  record->trade_id = row.id;
  record->fill_count = 1;
  record->taker_side = row.is_buy ? Side::buy : Side::sell;
  record->has_parties = row.has_parties ? 1 : 0;
  if (row.has_parties) *new (record + 1) market::TradeParties = row.parties;
  const std::size_t size = tx.sink().bytes().size() - at;
  if (stride_ == 0) {
    begin_ = at;
    stride_ = size;
    staged_ = message.own.staged.size();
  }
  is_uniform_ &= size == stride_ && (at - begin_) % stride_ == 0;
}

void TradeRun::finish(Message& message) {
  // A frame is about one coin, so nothing but trades of one size stands behind the first of them.
  if (message.tx.ok() && stride_ != 0 && is_uniform_ && staged_ == message.own.staged.size())
    sort_by_time(message.tx.sink(), begin_);
}

void read_trades(Context& context, Value data) {
  enum { coin, side, price, quantity, time, id, users };
  static constexpr auto keys =
      std::to_array<std::string_view>({"coin", "side", "px", "sz", "time", "tid", "users"});
  json::Fault& fault = context.fault();
  TradeRun run;
  each_element(context, data, "data", [&](std::size_t, Value element) {
    ondemand::object object;
    if (!as_object(context, element, object, "data")) return;
    std::array<json::Token, keys.size()> tokens;
    tokens.fill(json::absent);
    TradeRow row;
    json::each_field(object, keys, fault, [&](std::size_t index, Value value) {
      if (index != users) {
        tokens[index] = json::make_token(value.raw_json_token(), fault, keys[index]);
        return;
      }
      std::size_t count = 0;
      each_element(context, value, keys[users], [&](std::size_t at, Value user) {
        const std::string_view text = json::text(
            json::make_token(user.raw_json_token(), fault, keys[users]), true, fault, keys[users]);
        if (fault.ok() &&
            (at > 1 || !parse_address(text, at == 0 ? row.parties.buyer : row.parties.seller)))
          fault.raise(DecodeStatus::wrong_type, keys[users]);
        ++count;
      });
      if (fault.ok() && count != 2) fault.raise(DecodeStatus::missing_field, keys[users]);
      row.has_parties = true;
    });
    const std::string_view native = json::text(tokens[coin], true, fault, keys[coin]);
    if (!fault.ok()) return;
    row.entry = context.tx.instrument(native);
    if (row.entry == nullptr) return;
    row.price = json::decimal(tokens[price], json::inverse(row.entry->price_divisor), true, fault,
                              keys[price]);
    row.quantity = json::coins(tokens[quantity], *row.entry, true, fault, keys[quantity]);
    row.id = json::integer(tokens[id], true, fault, keys[id]);
    const std::string_view aggressor = json::text(tokens[side], true, fault, keys[side]);
    row.is_buy = aggressor == "B";
    if (fault.ok() && !row.is_buy && aggressor != "A")
      fault.raise(DecodeStatus::unknown_value, keys[side]);
    row.exchange_ns = json::time_ms(tokens[time], true, fault, keys[time]);
    if (fault.ok()) run.take(context, row);
  });
  run.finish(context);
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

void take(Message& message, const BookEvent& event) {
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

void read_bbo(Context& context, Value data) {
  enum { coin, time, quotes };
  static constexpr auto keys = std::to_array<std::string_view>({"coin", "time", "bbo"});
  json::Fault& fault = context.fault();
  ondemand::object body;
  if (!as_object(context, data, body, "data")) return;
  const InstrumentEntry* entry = coin_of(context, body, keys[coin]);
  if (entry == nullptr) return;
  json::Token time_token = json::absent;
  QuoteEvent event;
  event.entry = entry;
  const std::array sides{&event.bid, &event.ask};
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
      if (!is_null) read_quote(context, side, *entry, *sides[which], keys[quotes]);
    });
  });
  if (!has_quotes) fault.raise(DecodeStatus::missing_field, keys[quotes]);
  event.exchange_ns = json::time_ms(time_token, true, fault, keys[time]);
  if (context.tx.ok()) take(context, event);
}

void take(Message& message, const QuoteEvent& event) {
  message.tx.count_other(*event.entry);
  auto* bbo =
      message.tx.emit<market::Bbo>(RecordType::bbo, *event.entry, event.exchange_ns, message.flags);
  if (bbo == nullptr) return;
  bbo->bid_price = event.bid.price;
  bbo->bid_quantity = event.bid.quantity;
  bbo->bid_orders = static_cast<std::uint32_t>(event.bid.orders);
  bbo->ask_price = event.ask.price;
  bbo->ask_quantity = event.ask.quantity;
  bbo->ask_orders = static_cast<std::uint32_t>(event.ask.orders);
}

void read_candle(Context& context, Value data) {
  enum { open_ms, close_ms, symbol, interval, open, close, high, low, volume, trades };
  static constexpr auto keys =
      std::to_array<std::string_view>({"t", "T", "s", "i", "o", "c", "h", "l", "v", "n"});
  json::Fault& fault = context.fault();
  ondemand::object row;
  if (!as_object(context, data, row, "data")) return;
  json::FlatObject fields(row, keys, fault);
  const std::string_view native = fields.text(symbol);
  if (!fault.ok()) return;
  CandleEvent candle;
  candle.entry = context.tx.instrument(native);
  if (candle.entry == nullptr) return;
  candle.open_ns = fields.time_ms(open_ms);
  candle.close_ns = fields.time_ms(close_ms);
  candle.interval_ns = candle_length(candle.open_ns, candle.close_ns, fault, keys[close_ms]);
  candle.open = fields.price(open, *candle.entry);
  candle.high = fields.price(high, *candle.entry);
  candle.low = fields.price(low, *candle.entry);
  candle.close = fields.price(close, *candle.entry);
  candle.volume_base = fields.quantity(volume, *candle.entry);
  candle.trade_count = fields.integer(trades);
  if (context.tx.ok()) take(context, candle);
}

void take(Message& message, const CandleEvent& event) {
  message.tx.count_other(*event.entry);
  // A pushed candle is closed when one with a later `t` follows, which its reader sees; a fetched
  // one by the clock.
  const std::int64_t now_ns = message.tx.receive_ns();
  std::int64_t exchange_ns = core::unknown_ns;
  market::Tristate is_closed = market::Tristate::unknown;
  if (now_ns == core::unknown_ns) {
    if (message.is_rest) exchange_ns = event.close_ns;
    if (message.is_rest) is_closed = market::Tristate::yes;
  } else {
    const bool is_over = event.close_ns < now_ns;
    if (is_over) exchange_ns = event.close_ns;
    if (message.is_rest) is_closed = is_over ? market::Tristate::yes : market::Tristate::no;
  }
  auto* kline =
      message.tx.emit<market::Kline>(RecordType::kline, *event.entry, exchange_ns, message.flags);
  if (kline == nullptr) return;
  kline->open_ns = event.open_ns;
  kline->interval_ns = event.interval_ns;
  kline->open = event.open;
  kline->high = event.high;
  kline->low = event.low;
  kline->close = event.close;
  kline->volume_base = event.volume_base;
  kline->trade_count = event.trade_count;
  kline->is_closed = is_closed;
}

void read_candles(Context& context, Value data) {
  std::size_t last = 0;
  bool has_rows = false;
  each_element(context, data, "message", [&](std::size_t, Value candle) {
    has_rows = true;
    read_candle(context, candle);
    last = context.tx.sink().bytes().size() - sizeof(market::RecordHeader) - sizeof(market::Kline);
  });
  if (!context.tx.ok() || !has_rows || context.tx.receive_ns() != core::unknown_ns) return;
  // The newest row of an undated reply may still be open.
  auto& header = *reinterpret_cast<market::RecordHeader*>(context.tx.sink().bytes().data() + last);
  market::payload<market::Kline>(header).is_closed = market::Tristate::unknown;
}

void read_all_mids(Context& context, Value mids) {
  json::Fault& fault = context.fault();
  ondemand::object body;
  if (!as_object(context, mids, body, "mids")) return;
  for (auto item : body) {
    ondemand::field field;
    if (const auto error = std::move(item).get(field); error != simdjson::SUCCESS)
      return fault.raise(json::status_of(error), "mids");
    std::string_view coin;
    if (const auto error = field.unescaped_key().get(coin); error != simdjson::SUCCESS)
      return fault.raise(json::status_of(error), "mids");
    const json::Token price = json::make_token(field.value().raw_json_token(), fault, "mids");
    if (!fault.ok()) return;
    const InstrumentEntry* entry = context.tx.instrument(coin);
    if (entry == nullptr) return;
    const double mid =
        json::decimal(price, json::inverse(entry->price_divisor), true, fault, "mids");
    if (!fault.ok()) return;
    context.tx.count_other(*entry);
    auto* ticker = context.tx.emit<market::Ticker>(RecordType::ticker, *entry, core::unknown_ns,
                                                   context.flags);
    if (ticker == nullptr) return;
    ticker->mid_price = mid;
  }
}

}  // namespace perp::venue::hyperliquid
