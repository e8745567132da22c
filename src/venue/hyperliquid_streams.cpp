// Hyperliquid: trades, books, best quotes, candles and mids.
#include "venue/hyperliquid.hpp"

namespace perp::venue::hyperliquid {

namespace ondemand = json::ondemand;
using market::InstrumentEntry;
using market::RecordType;
using market::Side;

namespace {

/// px, sz, n of one level.
struct Quote {
  market::Level level;
  std::uint32_t orders = 0;
};

bool read_quote(Context& context, Value value, const InstrumentEntry& entry, Quote& quote,
                std::string_view field) {
  enum { price, quantity, orders };
  static constexpr auto keys = std::to_array<std::string_view>({"px", "sz", "n"});
  json::Fault& fault = context.fault();
  ondemand::object row;
  if (!as_object(context, value, row, field)) return false;
  json::FlatObject fields(row, keys, fault);
  quote.level.price = fields.price(price, entry);
  quote.level.quantity = fields.quantity(quantity, entry);
  const std::int64_t count = fields.optional_integer(orders);
  if (count != market::unknown_id) {
    if (count < 0 || count > 0xffff'ffff) fault.raise(DecodeStatus::out_of_range, keys[orders]);
    quote.orders = static_cast<std::uint32_t>(count);
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

bool Context::is_repeat(RecentIds Streams::*ids, const InstrumentEntry& entry, std::int64_t id,
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

void read_trades(Context& context, Value data) {
  enum { coin, side, price, quantity, time, id, users };
  static constexpr auto keys =
      std::to_array<std::string_view>({"coin", "side", "px", "sz", "time", "tid", "users"});
  json::Fault& fault = context.fault();
  RecordSink& sink = context.tx.sink();
  std::size_t begin = 0;
  std::size_t stride = 0;
  std::size_t staged = 0;
  bool is_uniform = true;
  each_element(context, data, "data", [&](std::size_t, Value element) {
    ondemand::object row;
    if (!as_object(context, element, row, "data")) return;
    std::array<json::Token, keys.size()> tokens;
    tokens.fill(json::absent);
    market::TradeParties parties;
    bool has_parties = false;
    json::each_field(row, keys, fault, [&](std::size_t index, Value value) {
      if (index != users) {
        tokens[index] = json::make_token(value.raw_json_token(), fault, keys[index]);
        return;
      }
      std::size_t count = 0;
      each_element(context, value, keys[users], [&](std::size_t at, Value user) {
        const std::string_view text = json::text(
            json::make_token(user.raw_json_token(), fault, keys[users]), true, fault, keys[users]);
        if (fault.ok() &&
            (at > 1 || !parse_address(text, at == 0 ? parties.buyer : parties.seller)))
          fault.raise(DecodeStatus::wrong_type, keys[users]);
        ++count;
      });
      if (fault.ok() && count != 2) fault.raise(DecodeStatus::missing_field, keys[users]);
      has_parties = true;
    });
    const std::string_view native = json::text(tokens[coin], true, fault, keys[coin]);
    if (!fault.ok()) return;
    const InstrumentEntry* entry = context.tx.instrument(native);
    if (entry == nullptr) return;
    market::Trade trade;
    trade.price =
        json::decimal(tokens[price], json::inverse(entry->price_divisor), true, fault, keys[price]);
    trade.quantity = json::coins(tokens[quantity], *entry, true, fault, keys[quantity]);
    trade.trade_id = json::integer(tokens[id], true, fault, keys[id]);
    trade.fill_count = 1;
    trade.has_parties = has_parties ? 1 : 0;
    const std::string_view aggressor = json::text(tokens[side], true, fault, keys[side]);
    if (aggressor == "B") trade.taker_side = Side::buy;
    if (aggressor == "A") trade.taker_side = Side::sell;
    if (fault.ok() && trade.taker_side == Side::unknown)
      fault.raise(DecodeStatus::unknown_value, keys[side]);
    const std::int64_t exchange_ns = json::time_ms(tokens[time], true, fault, keys[time]);
    if (!fault.ok()) return;
    context.tx.count_other(*entry);
    // The first frame after a subscription repeats recent trades and does not say so.
    if (!context.is_rest &&
        context.is_repeat(&Streams::trades, *entry, trade.trade_id, exchange_ns))
      return;
    const std::size_t tail = has_parties ? sizeof parties : 0;
    const std::size_t at = sink.bytes().size();
    auto* record =
        context.tx.emit<market::Trade>(RecordType::trade, *entry, exchange_ns, context.flags, tail);
    if (record == nullptr) return;
    *record = trade;
    if (has_parties) *new (record + 1) market::TradeParties = parties;
    const std::size_t size = sink.bytes().size() - at;
    if (stride == 0) {
      begin = at;
      stride = size;
      staged = context.own.staged.size();
    }
    is_uniform &= size == stride && (at - begin) % stride == 0;
  });
  // A frame is about one coin, so nothing but trades of one size stands behind the first of them.
  if (context.tx.ok() && stride != 0 && is_uniform && staged == context.own.staged.size())
    sort_by_time(sink, begin);
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
          (which == 0 ? context.own.bids : context.own.asks).push_back(quote.level);
      });
    });
  });
  if (fault.ok() && side_count != 2) fault.raise(DecodeStatus::missing_field, keys[levels]);
  const std::int64_t exchange_ns = json::time_ms(tokens[time], true, fault, keys[time]);
  const bool says_fast =
      json::boolean(tokens[fast], false, fault, keys[fast]) == market::Tristate::yes;
  if (!context.close()) return;
  context.tx.count_other(*entry);
  // The 5-level and the 20-level stream share a channel. Exactly five on both sides is the former;
  // a book that is thinner than that is whole either way.
  const std::size_t most = std::max(context.own.bids.size(), context.own.asks.size());
  const std::size_t least = std::min(context.own.bids.size(), context.own.asks.size());
  const bool is_fast = says_fast || (most == 5 && least == 5);
  Streams& streams = context.own.streams_of(*entry);
  market::SnapshotBookSequence& sequence = is_fast ? streams.fast_book : streams.book;
  market::Book* book = context.tx.emit_book(RecordType::book_snapshot, *entry, exchange_ns,
                                            context.flags, market::unknown_id, market::unknown_id,
                                            [&] { return sequence.snapshot(exchange_ns); });
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
  const std::int64_t exchange_ns = json::time_ms(time_token, true, fault, keys[time]);
  if (!context.tx.ok()) return;
  context.tx.count_other(*entry);
  auto* bbo = context.tx.emit<market::Bbo>(RecordType::bbo, *entry, exchange_ns, context.flags);
  if (bbo == nullptr) return;
  bbo->bid_price = sides[0].level.price;
  bbo->bid_quantity = sides[0].level.quantity;
  bbo->bid_orders = sides[0].orders;
  bbo->ask_price = sides[1].level.price;
  bbo->ask_quantity = sides[1].level.quantity;
  bbo->ask_orders = sides[1].orders;
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
  const InstrumentEntry* entry = context.tx.instrument(native);
  if (entry == nullptr) return;
  market::Kline kline;
  kline.open_ns = fields.time_ms(open_ms);
  const std::int64_t close_ns = fields.time_ms(close_ms);
  kline.interval_ns = candle_length(kline.open_ns, close_ns, fault, keys[close_ms]);
  kline.open = fields.price(open, *entry);
  kline.high = fields.price(high, *entry);
  kline.low = fields.price(low, *entry);
  kline.close = fields.price(close, *entry);
  kline.volume_base = fields.quantity(volume, *entry);
  kline.trade_count = fields.integer(trades);
  if (!context.tx.ok()) return;
  context.tx.count_other(*entry);
  // A pushed candle is closed when one with a later `t` follows, which its reader sees; a fetched
  // one by the clock.
  const std::int64_t now_ns = context.tx.receive_ns();
  std::int64_t exchange_ns = core::unknown_ns;
  if (now_ns == core::unknown_ns) {
    exchange_ns = context.is_rest ? close_ns : core::unknown_ns;
    kline.is_closed = context.is_rest ? market::Tristate::yes : market::Tristate::unknown;
  } else {
    if (close_ns < now_ns) exchange_ns = close_ns;
    if (context.is_rest)
      kline.is_closed = close_ns < now_ns ? market::Tristate::yes : market::Tristate::no;
  }
  if (auto* record =
          context.tx.emit<market::Kline>(RecordType::kline, *entry, exchange_ns, context.flags))
    *record = kline;
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
