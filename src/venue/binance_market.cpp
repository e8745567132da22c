// Binance: mark prices and funding, tickers, klines, liquidations.
#include "venue/binance_shapes.hpp"

namespace perp::venue::binance {

namespace ondemand = json::ondemand;
using market::InstrumentEntry;
using market::RecordType;
using market::Side;

bool emit_predicted_funding(Message& message, const InstrumentEntry& entry,
                            std::int64_t exchange_ns, double rate, double interest_rate,
                            std::int64_t funding_ns, std::uint8_t flags) {
  // Delivery contracts send "" or zero with time 0: they have no funding, which is not a funding of
  // 0 %.
  if (std::isnan(rate) || funding_ns == core::unknown_ns) return true;
  auto* funding = message.tx.emit<market::Funding>(RecordType::funding, entry, exchange_ns, flags);
  if (funding == nullptr) return false;
  funding->rate = rate;
  funding->interest_rate = interest_rate;
  funding->funding_ns = funding_ns;
  funding->interval_ns = entry.instrument.funding_interval_ns;
  funding->kind = market::FundingKind::predicted;
  return true;
}

namespace {

[[gnu::always_inline]] inline void take(Message& message, const MarkEvent& event) {
  message.set_kind(Kind::mark_price);
  message.tx.count_other(*event.entry);
  auto* record =
      message.tx.emit<market::MarkPrice>(RecordType::mark_price, *event.entry, event.exchange_ns);
  if (record == nullptr) return;
  *record = event;
  emit_predicted_funding(message, *event.entry, event.exchange_ns, event.funding_rate,
                         market::missing, event.funding_ns, 0);
}

[[gnu::always_inline]] inline void take(Message& message, const TickerEvent& event) {
  message.tx.count_other(*event.entry);
  if (auto* record =
          message.tx.emit<market::Ticker>(RecordType::ticker, *event.entry, event.exchange_ns))
    *record = event;
}

}  // namespace

bool read_mark_price(const Reading& reading) {
  MarkEvent event;
  if (!reading.matches<MarkPriceShape>(event)) return false;
  take(reading.message, event);
  return true;
}

bool read_ticker(const Reading& reading) {
  TickerEvent event;
  if (reading.matches<TickerShape>(event)) {
    reading.message.set_kind(Kind::ticker);
  } else {
    event = {};
    if (!reading.matches<MiniTickerShape>(event)) return false;
    reading.message.set_kind(Kind::mini_ticker);
  }
  take(reading.message, event);
  return true;
}

void on_mark_price(Context& context, ondemand::object event) {
  enum { type, event_ms, symbol, mark, average, settle, index, rate, funding_ms, margin };
  static constexpr auto keys =
      std::to_array<std::string_view>({"e", "E", "s", "p", "ap", "P", "i", "r", "T", "st"});
  context.set_kind(Kind::mark_price);
  json::FlatObject fields(event, keys, context.own.fault);
  MarkEvent price;
  price.entry = context.instrument(fields.text(symbol), fields.token(margin));
  if (price.entry == nullptr) return;
  price.mark_price = fields.price(mark, *price.entry);
  price.mark_average = fields.optional_price(average, *price.entry);
  price.settle_estimate = fields.optional_price(settle, *price.entry);
  price.index_price = fields.optional_price(index, *price.entry);
  price.exchange_ns = fields.time_ms(event_ms);
  price.funding_rate = fields.optional_decimal(rate);
  price.funding_ns = fields.optional_time_ms(funding_ms);
  if (context.tx.ok()) take(context, price);
}

void on_ticker(Context& context, ondemand::object event) {
  enum {
    type,
    event_ms,
    symbol,
    change,
    percent,
    vwap,
    last,
    last_size,
    open,
    high,
    low,
    base,
    quote,
    open_ms,
    close_ms,
    trades,
    margin
  };
  static constexpr auto keys = std::to_array<std::string_view>(
      {"e", "E", "s", "p", "P", "w", "c", "Q", "o", "h", "l", "v", "q", "O", "C", "n", "st"});
  context.set_kind(Kind::ticker);
  json::FlatObject fields(event, keys, context.own.fault);
  TickerEvent ticker;
  ticker.entry = context.instrument(fields.text(symbol), fields.token(margin));
  if (ticker.entry == nullptr) return;
  const InstrumentEntry& entry = *ticker.entry;
  ticker.change_24h = fields.price(change, entry);
  ticker.change_fraction_24h = fields.decimal(percent, market::Scale{1, -2});  // a percentage
  ticker.vwap_24h = fields.price(vwap, entry);
  ticker.last_price = fields.price(last, entry);
  ticker.last_quantity = fields.quantity(last_size, entry);
  ticker.open_24h = fields.price(open, entry);
  ticker.high_24h = fields.price(high, entry);
  ticker.low_24h = fields.price(low, entry);
  ticker.volume_base_24h = fields.quantity(base, entry);
  ticker.volume_quote_24h = fields.decimal(quote);
  ticker.open_ns = fields.time_ms(open_ms);
  ticker.close_ns = fields.time_ms(close_ms);
  ticker.trade_count_24h = fields.integer(trades);
  ticker.exchange_ns = fields.time_ms(event_ms);
  if (context.tx.ok()) take(context, ticker);
}

void on_mini_ticker(Context& context, ondemand::object event) {
  enum { type, event_ms, symbol, last, open, high, low, base, quote, margin };
  static constexpr auto keys =
      std::to_array<std::string_view>({"e", "E", "s", "c", "o", "h", "l", "v", "q", "st"});
  context.set_kind(Kind::mini_ticker);
  json::FlatObject fields(event, keys, context.own.fault);
  TickerEvent ticker;
  ticker.entry = context.instrument(fields.text(symbol), fields.token(margin));
  if (ticker.entry == nullptr) return;
  const InstrumentEntry& entry = *ticker.entry;
  ticker.last_price = fields.price(last, entry);
  ticker.open_24h = fields.price(open, entry);
  ticker.high_24h = fields.price(high, entry);
  ticker.low_24h = fields.price(low, entry);
  ticker.volume_base_24h = fields.quantity(base, entry);
  ticker.volume_quote_24h = fields.decimal(quote);
  ticker.exchange_ns = fields.time_ms(event_ms);
  if (context.tx.ok()) take(context, ticker);
}

namespace {

enum KlineKey {
  open_ms,
  close_ms,
  interval,
  open,
  close,
  high,
  low,
  base,
  trades,
  closed,
  quote,
  taker_base,
  taker_quote
};
constexpr auto kline_keys = std::to_array<std::string_view>(
    {"t", "T", "i", "o", "c", "h", "l", "v", "n", "x", "q", "V", "Q"});

[[gnu::always_inline]] inline void take(Message& message, KlineEvent& event) {
  event.interval_ns =
      candle_length(event.open_ns, event.close_ns, message.own.fault, kline_keys[close_ms]);
  event.is_closed = event.was_closed ? market::Tristate::yes : market::Tristate::no;
  message.tx.count_other(*event.entry);
  if (auto* record =
          message.tx.emit<market::Kline>(RecordType::kline, *event.entry, event.exchange_ns))
    *record = event;
}

void read_kline(Context& context, json::FlatObject<kline_keys.size()>& fields,
                const InstrumentEntry& entry, std::int64_t exchange_ns) {
  KlineEvent kline;
  kline.entry = &entry;
  kline.exchange_ns = exchange_ns;
  kline.open_ns = fields.time_ms(open_ms);
  kline.close_ns = fields.time_ms(close_ms);
  fields.text(interval);  // "1M" has no length of its own: the two times say it
  candle_length(kline.open_ns, kline.close_ns, context.own.fault, kline_keys[close_ms]);
  kline.open = fields.price(open, entry);
  kline.high = fields.price(high, entry);
  kline.low = fields.price(low, entry);
  kline.close = fields.price(close, entry);
  kline.volume_base = fields.quantity(base, entry);
  kline.volume_quote = fields.decimal(quote);
  kline.taker_buy_base = fields.quantity(taker_base, entry);
  kline.taker_buy_quote = fields.decimal(taker_quote);
  kline.trade_count = fields.integer(trades);
  kline.was_closed = fields.boolean(closed);
  if (context.tx.ok()) take(context, kline);
}

}  // namespace

bool read_kline(const Reading& reading) {
  KlineEvent event;
  if (!reading.matches<SpacedKlineShape>(event)) {
    event = {};
    if (!reading.matches<KlineShape>(event)) return false;
  }
  if (event.close_ns <= event.open_ns) return false;
  reading.message.set_kind(Kind::kline);
  take(reading.message, event);
  return true;
}

void on_kline(Context& context, ondemand::object event) {
  enum { type, event_ms, symbol, candle, margin };
  static constexpr auto keys = std::to_array<std::string_view>({"e", "E", "s", "k", "st"});
  context.set_kind(Kind::kline);
  json::Fault& fault = context.own.fault;
  std::array<json::Token, keys.size()> tokens;
  tokens.fill(json::absent);
  // `st` stands behind the candle, so the candle is kept as tokens until the contract is known.
  std::optional<json::FlatObject<kline_keys.size()>> fields;
  json::each_field(event, keys, fault, [&](std::size_t index, ondemand::value value) {
    if (index != candle) {
      tokens[index] = json::make_token(value.raw_json_token(), fault, keys[index]);
      return;
    }
    ondemand::object inner;
    if (const auto error = value.get_object().get(inner); error != simdjson::SUCCESS)
      fault.raise(json::status_of(error), "k");
    else
      fields.emplace(inner, kline_keys, fault);
  });
  if (!fields.has_value()) fault.raise(DecodeStatus::missing_field, "k");
  const InstrumentEntry* entry =
      context.instrument(json::text(tokens[symbol], true, fault, "s"), tokens[margin]);
  const std::int64_t exchange_ns = json::time_ms(tokens[event_ms], true, fault, "E");
  if (entry != nullptr && context.tx.ok()) read_kline(context, *fields, *entry, exchange_ns);
}

void on_continuous_kline(Context& context, ondemand::object event) {
  enum { type, event_ms, pair, contract, candle, margin };
  static constexpr auto keys = std::to_array<std::string_view>({"e", "E", "ps", "ct", "k", "st"});
  context.set_kind(Kind::continuous_kline);
  json::Fault& fault = context.own.fault;
  std::array<json::Token, keys.size()> tokens;
  tokens.fill(json::absent);
  std::optional<json::FlatObject<kline_keys.size()>> fields;
  json::each_field(event, keys, fault, [&](std::size_t index, ondemand::value value) {
    if (index != candle) {
      tokens[index] = json::make_token(value.raw_json_token(), fault, keys[index]);
      return;
    }
    ondemand::object inner;
    if (const auto error = value.get_object().get(inner); error != simdjson::SUCCESS)
      fault.raise(json::status_of(error), "k");
    else
      fields.emplace(inner, kline_keys, fault);
  });
  if (!fields.has_value()) fault.raise(DecodeStatus::missing_field, "k");
  // The perpetual of a pair is the symbol of that name; a rolling quarter is named as its stream
  // is.
  const std::string_view of_pair = json::text(tokens[pair], true, fault, "ps");
  const std::string_view kind = json::text(tokens[contract], true, fault, "ct");
  std::array<char, 64> name;
  if (of_pair.size() + kind.size() + 1 > name.size()) fault.raise(DecodeStatus::out_of_range, "ps");
  const std::int64_t exchange_ns = json::time_ms(tokens[event_ms], true, fault, "E");
  if (!context.tx.ok()) return;
  std::string_view native = of_pair;
  if (kind != "PERPETUAL" && kind != "TRADIFI_PERPETUAL") {
    std::memcpy(name.data(), of_pair.data(), of_pair.size());
    name[of_pair.size()] = '_';
    std::memcpy(name.data() + of_pair.size() + 1, kind.data(), kind.size());
    native = {name.data(), of_pair.size() + 1 + kind.size()};
  }
  const InstrumentEntry* entry = context.instrument(native, tokens[margin]);
  if (entry != nullptr && context.tx.ok()) read_kline(context, *fields, *entry, exchange_ns);
}

void on_force_order(Context& context, ondemand::object event) {
  enum { type, event_ms, order, margin };
  static constexpr auto keys = std::to_array<std::string_view>({"e", "E", "o", "st"});
  enum { symbol, side, quantity, price, average, filled, trade_ms, order_margin };
  static constexpr auto order_keys =
      std::to_array<std::string_view>({"s", "S", "q", "p", "ap", "z", "T", "st"});
  context.set_kind(Kind::force_order);
  json::Fault& fault = context.own.fault;
  json::Token top_margin = json::absent;
  std::optional<json::FlatObject<order_keys.size()>> fields;
  json::each_field(event, keys, fault, [&](std::size_t index, ondemand::value value) {
    if (index == margin) top_margin = json::make_token(value.raw_json_token(), fault, keys[index]);
    if (index != order) return;
    ondemand::object inner;
    if (const auto error = value.get_object().get(inner); error != simdjson::SUCCESS)
      fault.raise(json::status_of(error), "o");
    else
      fields.emplace(inner, order_keys, fault);
  });
  if (!fields.has_value()) fault.raise(DecodeStatus::missing_field, "o");
  if (!context.tx.ok()) return;
  const json::Token& own_margin = fields->token(order_margin);
  const InstrumentEntry* entry =
      context.instrument(fields->text(symbol), own_margin.is_missing ? top_margin : own_margin);
  if (entry == nullptr) return;
  market::Liquidation liquidation;
  liquidation.price = fields->price(price, *entry);
  liquidation.average_price = fields->optional_price(average, *entry);
  liquidation.quantity = fields->quantity(quantity, *entry);
  liquidation.filled_quantity = fields->optional_quantity(filled, *entry);
  liquidation.is_venue_wide = context.stream.starts_with("!forceOrder@arr") ? 1 : 0;
  const std::string_view way = fields->text(side);
  if (way == "SELL") {
    liquidation.order_side = Side::sell;
    liquidation.position_side = market::PositionSide::long_side;
  } else if (way == "BUY") {
    liquidation.order_side = Side::buy;
    liquidation.position_side = market::PositionSide::short_side;
  } else {
    fault.raise(DecodeStatus::unknown_value, "S");
  }
  const std::int64_t exchange_ns = fields->time_ms(trade_ms);
  if (!context.tx.ok()) return;
  context.tx.count_other(*entry);

  // The same order comes again as it fills: the first report stands.
  const LiquidationKey key{exchange_ns, liquidation.price, liquidation.quantity,
                           liquidation.order_side};
  Streams& streams = context.own.streams_of(*entry);
  bool is_repeat = false;
  for (const LiquidationKey& seen : streams.liquidations) is_repeat |= seen == key;
  for (const SeenLiquidation& seen : context.own.liquidations)
    is_repeat |= seen.streams == &streams && seen.key == key;
  if (is_repeat) {
    context.tx.count_duplicate();
    return;
  }
  context.own.liquidations.push_back({&streams, key});
  auto* record = context.tx.emit<market::Liquidation>(RecordType::liquidation, *entry, exchange_ns,
                                                      market::flag_sampled);
  if (record != nullptr) *record = liquidation;
}

}  // namespace perp::venue::binance
