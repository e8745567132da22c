// Binance REST: market data replies. Statistics are in binance_statistics.cpp.
#include "venue/binance.hpp"

namespace perp::venue::binance {

namespace ondemand = json::ondemand;
using market::InstrumentEntry;
using market::RecordType;
using market::Side;

namespace {

const InstrumentEntry* instrument_of(Context& context, std::string_view in_body,
                                     const RestReply& reply) {
  if (!in_body.empty()) return context.tx.instrument(in_body);
  return context.tx.instrument(UpperCase(reply.symbol).view());
}

// [openTime, o, h, l, c, volume, closeTime, quoteVolume, trades, takerBase, takerQuote, unused]
void read_klines(Context& context, const RestReply& reply, market::PriceKind price_kind) {
  enum {
    open_ms,
    open,
    high,
    low,
    close,
    base,
    close_ms,
    quote,
    trades,
    taker_base,
    taker_quote,
    column_count
  };
  static constexpr auto names = std::to_array<std::string_view>(
      {"openTime", "open", "high", "low", "close", "volume", "closeTime", "quoteVolume", "trades",
       "takerBase", "takerQuote"});
  json::Fault& fault = context.own.fault;
  const InstrumentEntry* entry = instrument_of(context, {}, reply);
  if (entry == nullptr) return;
  ondemand::array rows;
  if (const auto error = context.document.get_array().get(rows); error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "message");
  // A premium is a fraction, not a price of so many coins.
  const market::Scale price = price_kind == market::PriceKind::premium
                                  ? market::Scale{}
                                  : json::inverse(entry->price_divisor);
  const std::size_t begin = context.tx.sink().bytes().size();
  std::size_t last_offset = begin;
  for (auto item : rows) {
    ondemand::array row;
    if (const auto error = item.get_array().get(row); error != simdjson::SUCCESS)
      return fault.raise(json::status_of(error), "row");
    std::array<json::Token, column_count> tokens;
    std::size_t column = 0;
    for (auto cell : row) {
      if (column < column_count)
        tokens[column] = json::token_of(cell, fault, names[column]);
      else if (const auto error = cell.error(); error != simdjson::SUCCESS)
        fault.raise(json::status_of(error), "row");
      ++column;
      if (!fault.ok()) return;
    }
    if (column < column_count) return fault.raise(DecodeStatus::missing_field, names[column]);
    const auto number = [&](std::size_t at, market::Scale scale) {
      return json::decimal(tokens[at], scale, true, fault, names[at]);
    };
    market::Kline kline;
    kline.open_ns = json::time_ms(tokens[open_ms], true, fault, "openTime");
    const std::int64_t close_ns = json::time_ms(tokens[close_ms], true, fault, "closeTime");
    kline.interval_ns = candle_length(kline.open_ns, close_ns, fault, names[close_ms]);
    kline.open = number(open, price);
    kline.high = number(high, price);
    kline.low = number(low, price);
    kline.close = number(close, price);
    kline.price_kind = price_kind;
    const std::int64_t count = json::integer(tokens[trades], true, fault, "trades");
    if (price_kind == market::PriceKind::last) {  // mark, index and premium have no volume: the
                                                  // zeros there mean nothing
      kline.volume_base = json::coins(tokens[base], *entry, true, fault, "volume");
      kline.volume_quote = number(quote, {});
      kline.taker_buy_base = json::coins(tokens[taker_base], *entry, true, fault, "takerBase");
      kline.taker_buy_quote = number(taker_quote, {});
      kline.trade_count = count;
    }
    const bool is_known = reply.receive_ns != core::unknown_ns;
    kline.is_closed =
        is_known && close_ns >= reply.receive_ns ? market::Tristate::no : market::Tristate::yes;
    if (!context.tx.ok()) return;
    // A candle that is still open has no time of its own yet.
    const std::int64_t exchange_ns =
        kline.is_closed == market::Tristate::no ? core::unknown_ns : close_ns;
    last_offset = context.tx.sink().bytes().size();
    auto* record = context.tx.emit<market::Kline>(RecordType::kline, *entry, exchange_ns,
                                                  rest_flags(reply, false));
    if (record == nullptr) return;
    *record = kline;
    context.tx.count_other(*entry);
  }
  if (reply.receive_ns == core::unknown_ns && context.tx.sink().bytes().size() != begin) {
    auto& header =
        *reinterpret_cast<market::RecordHeader*>(context.tx.sink().bytes().data() + last_offset);
    market::payload<market::Kline>(header).is_closed = market::Tristate::unknown;
  }
}

void read_depth(Context& context, const RestReply& reply) {
  enum { last_id, event_ms, trade_ms, bids, asks };
  static constexpr auto keys =
      std::to_array<std::string_view>({"lastUpdateId", "E", "T", "bids", "asks"});
  json::Fault& fault = context.own.fault;
  const InstrumentEntry* entry = instrument_of(context, {}, reply);
  if (entry == nullptr) return;
  ondemand::object body;
  if (const auto error = context.document.get_object().get(body); error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "message");
  std::array<json::Token, keys.size()> tokens;
  tokens.fill(json::absent);
  context.own.bids.clear();
  context.own.asks.clear();
  json::each_field(body, keys, fault, [&](std::size_t index, ondemand::value value) {
    tokens[index].is_missing = false;
    if (index == bids) return read_levels(context, value, *entry, context.own.bids, "bids");
    if (index == asks) return read_levels(context, value, *entry, context.own.asks, "asks");
    tokens[index] = json::make_token(value.raw_json_token(), fault, keys[index]);
  });
  if (tokens[bids].is_missing || tokens[asks].is_missing)
    fault.raise(DecodeStatus::missing_field, tokens[bids].is_missing ? "bids" : "asks");
  const std::int64_t update_id = json::integer(tokens[last_id], true, fault, "lastUpdateId");
  std::int64_t exchange_ns = json::time_ms(tokens[trade_ms], false, fault, "T");
  if (exchange_ns == core::unknown_ns)
    exchange_ns = json::time_ms(tokens[event_ms], false, fault, "E");
  if (!context.close()) return;
  context.tx.count_other(*entry);
  Streams& streams = context.own.streams_of(*entry);
  if (streams.book == nullptr) streams.book = std::make_unique<market::BinanceBookSequence>();
  // Depth 0: the snapshot that the diff stream stands on.
  market::Book* book = context.tx.emit_book(RecordType::book_snapshot, *entry, exchange_ns,
                                            rest_flags(reply, true), market::unknown_id, update_id,
                                            [&] { return streams.book->snapshot(update_id); });
  if (book != nullptr) book->last_id = update_id;
}

void read_trades(Context& context, const RestReply& reply) {
  enum { id, price, quantity, trade_ms, is_maker, is_rpi };
  static constexpr auto keys =
      std::to_array<std::string_view>({"id", "price", "qty", "time", "isBuyerMaker", "isRPITrade"});
  const InstrumentEntry* entry = instrument_of(context, {}, reply);
  if (entry == nullptr) return;
  const std::size_t begin = context.tx.sink().bytes().size();
  each_row(context, [&](ondemand::object row) {
    json::FlatObject fields(row, keys, context.own.fault);
    market::Trade trade;
    trade.price = fields.price(price, *entry);
    trade.quantity = fields.quantity(quantity, *entry);
    trade.trade_id = fields.integer(id);
    trade.fill_count = 1;
    trade.taker_side = fields.boolean(is_maker) ? Side::sell : Side::buy;
    trade.is_rpi = fields.optional_boolean(is_rpi);
    const std::int64_t exchange_ns = fields.time_ms(trade_ms);
    if (!context.tx.ok() || !is_wanted(reply, trade, exchange_ns)) return;
    context.tx.count_other(*entry);
    if (auto* record = context.tx.emit<market::Trade>(RecordType::trade, *entry, exchange_ns,
                                                      rest_flags(reply, false)))
      *record = trade;
  });
  if (context.tx.ok()) sort_by_time(context.tx.sink(), begin);
}

void read_agg_trades(Context& context, const RestReply& reply) {
  enum { id, price, quantity, quantity_no_rpi, first, last, trade_ms, is_maker };
  static constexpr auto keys =
      std::to_array<std::string_view>({"a", "p", "q", "nq", "f", "l", "T", "m"});
  const InstrumentEntry* entry = instrument_of(context, {}, reply);
  if (entry == nullptr) return;
  const std::size_t begin = context.tx.sink().bytes().size();
  each_row(context, [&](ondemand::object row) {
    json::FlatObject fields(row, keys, context.own.fault);
    market::Trade trade;
    trade.price = fields.price(price, *entry);
    trade.quantity = fields.quantity(quantity, *entry);
    trade.quantity_without_rpi = fields.optional_quantity(quantity_no_rpi, *entry);
    trade.trade_id = fields.integer(id);
    trade.first_id = fields.integer(first);
    trade.last_id = fields.integer(last);
    trade.fill_count = fills_between(trade.first_id, trade.last_id);
    trade.taker_side = fields.boolean(is_maker) ? Side::sell : Side::buy;
    const std::int64_t exchange_ns = fields.time_ms(trade_ms);
    if (!context.tx.ok() || !is_wanted(reply, trade, exchange_ns)) return;
    context.tx.count_other(*entry);
    if (auto* record = context.tx.emit<market::Trade>(RecordType::trade, *entry, exchange_ns,
                                                      rest_flags(reply, false)))
      *record = trade;
  });
  if (context.tx.ok()) sort_by_time(context.tx.sink(), begin);
}

void read_ticker_24h(Context& context, const RestReply& reply) {
  enum {
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
    trades
  };
  static constexpr auto keys = std::to_array<std::string_view>(
      {"symbol", "priceChange", "priceChangePercent", "weightedAvgPrice", "lastPrice", "lastQty",
       "openPrice", "highPrice", "lowPrice", "volume", "quoteVolume", "openTime", "closeTime",
       "count"});
  each_row(context, [&](ondemand::object row) {
    json::FlatObject fields(row, keys, context.own.fault);
    const InstrumentEntry* entry = instrument_of(context, fields.text(symbol), reply);
    if (entry == nullptr) return;
    market::Ticker ticker;
    ticker.change_24h = fields.price(change, *entry);
    ticker.change_fraction_24h = fields.decimal(percent, market::Scale{1, -2});  // a percentage
    ticker.vwap_24h = fields.price(vwap, *entry);
    ticker.last_price = fields.price(last, *entry);
    ticker.last_quantity = fields.quantity(last_size, *entry);
    ticker.open_24h = fields.price(open, *entry);
    ticker.high_24h = fields.price(high, *entry);
    ticker.low_24h = fields.price(low, *entry);
    ticker.volume_base_24h = fields.quantity(base, *entry);
    ticker.volume_quote_24h = fields.decimal(quote);
    ticker.open_ns = fields.time_ms(open_ms);
    ticker.close_ns = fields.time_ms(close_ms);
    ticker.trade_count_24h = fields.integer(trades);
    if (!context.tx.ok()) return;
    context.tx.count_other(*entry);
    if (auto* record = context.tx.emit<market::Ticker>(RecordType::ticker, *entry, ticker.close_ns,
                                                       rest_flags(reply, true)))
      *record = ticker;
  });
}

void read_ticker_book(Context& context, const RestReply& reply) {
  enum { symbol, bid, bid_size, ask, ask_size, time, update_id };
  static constexpr auto keys = std::to_array<std::string_view>(
      {"symbol", "bidPrice", "bidQty", "askPrice", "askQty", "time", "lastUpdateId"});
  each_row(context, [&](ondemand::object row) {
    json::FlatObject fields(row, keys, context.own.fault);
    const InstrumentEntry* entry = instrument_of(context, fields.text(symbol), reply);
    if (entry == nullptr) return;
    market::Bbo bbo;
    bbo.bid_price = fields.price(bid, *entry);
    bbo.bid_quantity = fields.quantity(bid_size, *entry);
    bbo.ask_price = fields.price(ask, *entry);
    bbo.ask_quantity = fields.quantity(ask_size, *entry);
    bbo.update_id = fields.optional_integer(update_id);
    const std::int64_t exchange_ns = fields.optional_time_ms(time);
    if (!context.tx.ok()) return;
    context.tx.count_other(*entry);
    if (auto* record = context.tx.emit<market::Bbo>(RecordType::bbo, *entry, exchange_ns,
                                                    rest_flags(reply, true)))
      *record = bbo;
  });
}

void read_ticker_price(Context& context, const RestReply& reply) {
  enum { symbol, last, time };
  static constexpr auto keys = std::to_array<std::string_view>({"symbol", "price", "time"});
  each_row(context, [&](ondemand::object row) {
    json::FlatObject fields(row, keys, context.own.fault);
    const InstrumentEntry* entry = instrument_of(context, fields.text(symbol), reply);
    if (entry == nullptr) return;
    const double price = fields.price(last, *entry);
    const std::int64_t exchange_ns = fields.optional_time_ms(time);
    if (!context.tx.ok()) return;
    context.tx.count_other(*entry);
    if (auto* record = context.tx.emit<market::Ticker>(RecordType::ticker, *entry, exchange_ns,
                                                       rest_flags(reply, true)))
      record->last_price = price;
  });
}

void read_object(Context& context, std::string_view required_key) {
  json::Fault& fault = context.own.fault;
  ondemand::object body;
  if (const auto error = context.document.get_object().get(body); error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "message");
  if (!required_key.empty())
    json::integer(json::token_of(body.find_field_unordered(required_key), fault, required_key),
                  true, fault, required_key);
}

}  // namespace

void read_reply(Context& context, const RestReply& reply, Kind kind) {
  using market::PriceKind;
  using market::RatioKind;
  json::Fault& fault = context.own.fault;
  switch (kind) {
    case Kind::rest_klines: return read_klines(context, reply, PriceKind::last);
    case Kind::rest_mark_price_klines: return read_klines(context, reply, PriceKind::mark);
    case Kind::rest_index_price_klines: return read_klines(context, reply, PriceKind::index);
    case Kind::rest_premium_index_klines: return read_klines(context, reply, PriceKind::premium);
    case Kind::rest_depth: return read_depth(context, reply);
    case Kind::rest_trades: return read_trades(context, reply);
    case Kind::rest_agg_trades: return read_agg_trades(context, reply);
    case Kind::rest_premium_index: return read_premium_index(context, reply);
    case Kind::rest_funding_rate: return read_funding_rate(context, reply);
    case Kind::rest_funding_info: return read_funding_info(context);
    case Kind::rest_open_interest: return read_open_interest(context, reply);
    case Kind::rest_open_interest_hist: return read_open_interest_hist(context, reply);
    case Kind::rest_global_account_ratio:
      return read_account_ratio(context, reply, RatioKind::global_account);
    case Kind::rest_top_account_ratio:
      return read_account_ratio(context, reply, RatioKind::top_account);
    case Kind::rest_top_position_ratio:
      return read_account_ratio(context, reply, RatioKind::top_position);
    case Kind::rest_taker_ratio: return read_taker_ratio(context, reply);
    case Kind::rest_ticker_24hr: return read_ticker_24h(context, reply);
    case Kind::rest_ticker_book: return read_ticker_book(context, reply);
    case Kind::rest_ticker_price: return read_ticker_price(context, reply);
    case Kind::rest_exchange_info: {
      ondemand::object body;
      if (const auto error = context.document.get_object().get(body); error != simdjson::SUCCESS)
        return fault.raise(json::status_of(error), "message");
      return read_exchange_info(context, body);
    }
    case Kind::rest_time: return read_object(context, "serverTime");
    case Kind::rest_ping: return read_object(context, {});
    default: return fault.raise(DecodeStatus::unknown_stream, "endpoint");
  }
}

}  // namespace perp::venue::binance
