// Rows that streams and replies share.
#include "venue/okx.hpp"
#include "venue/record_order.hpp"

namespace perp::venue::okx {

using market::InstrumentEntry;
using market::RecordType;

namespace {

/// A field that is in coins of the named unit already (`...Ccy`): only the name's multiplier is to
/// be applied.
double named_coins(const json::Token& token, const InstrumentEntry& entry, bool required,
                   json::Fault& fault, std::string_view field) {
  return json::decimal(token, entry.price_divisor, required, fault, field);
}

market::Side read_side(std::string_view text, json::Fault& fault) {
  if (text == "buy") return market::Side::buy;
  if (text == "sell") return market::Side::sell;
  fault.raise(DecodeStatus::unknown_value, "side");
  return market::Side::unknown;
}

/// The instrument of a row that came with an instId. Other instruments are counted per row.
const InstrumentEntry* row_instrument(Context& context, std::string_view native) {
  if (!context.fault().ok()) return nullptr;
  const InstrumentEntry* entry = context.message.instrument(native);
  if (entry != nullptr) context.message.count_other(*entry);
  return entry;
}

/// Whether this trade was taken before; if not, its ids are noted for commit().
bool is_repeat(Context& context, const InstrumentEntry& entry, const market::Trade& trade) {
  const SeenTrades* seen = context.own.market(entry.id).trades.get();
  const bool is_fill = context.kind == kind_trades_all;
  if (seen != nullptr) {
    // A reply's rows fill the holes of either stream.
    const bool is_seen =
        context.is_rest
            ? seen->aggregates.contains(trade.trade_id) || seen->fills.contains(trade.trade_id)
            : (is_fill ? seen->fills : seen->aggregates).contains(trade.trade_id);
    if (is_seen) {
      context.message.count_duplicate();
      return true;
    }
  }
  const bool has_first =
      trade.first_id != market::unknown_id && trade.trade_id - trade.first_id < IdWindow::size;
  context.own.pending.trades.push_back(
      {entry.id, is_fill, has_first ? trade.first_id : trade.trade_id, trade.trade_id});
  return false;
}

}  // namespace

bool begin_rows(Context& context, json::ondemand::array& data, std::size_t& from_bytes) {
  json::Fault& fault = context.fault();
  const bool is_read = json::each_object(data, fault, "data", [&](json::ondemand::object object) {
    const std::string_view native = json::Object(object, fault).text("instId");
    if (fault.ok()) context.message.instrument(native);
  });
  if (!is_read || !context.message.ok()) return false;
  from_bytes = context.message.sink().bytes().size();
  return json::restart(data, fault, "data");
}

void end_rows(Context& context, std::size_t from_bytes) {
  if (context.is_newest_first)
    order_newest_first(context.message.sink(), from_bytes);
  else
    order_by_time(context.message.sink(), from_bytes);
}

void read_trades(Context& context, json::ondemand::array& data) {
  enum Index : std::size_t { i_inst, i_id, i_px, i_sz, i_side, i_ts, i_count, i_source, i_seq };
  static constexpr std::array<std::string_view, 9> keys = {
      "instId", "tradeId", "px", "sz", "side", "ts", "count", "source", "seqId"};
  const InstrumentEntry* entry = nullptr;
  std::string_view symbol;
  json::Fault& fault = context.fault();
  each_instrument_row(context, data, [&](json::ondemand::object object) {
    json::FlatObject row(object, keys, fault);
    const std::string_view row_symbol = row.text(i_inst);
    if (entry == nullptr || row_symbol != symbol) {
      entry = fault.ok() ? context.message.instrument(row_symbol) : nullptr;
      symbol = row_symbol;
      if (entry == nullptr) return;
    }
    TradeEvent event;
    event.entry = entry;
    event.trade_id = row.integer(i_id);
    event.price = row.price(i_px, *entry);
    event.quantity = row.quantity(i_sz, *entry);
    event.taker_side = read_side(row.text(i_side), fault);
    event.sequence = row.optional_integer(i_seq);
    event.is_rpi = is_rpi(row.optional_text(i_source));
    // A reply's rows are fills.
    if (!set_fills(event, context.is_rest ? 1 : row.optional_integer(i_count)))
      fault.raise(DecodeStatus::out_of_range, "count");
    event.exchange_ns = row.time_ms(i_ts);
    if (!context.message.ok()) return;
    if (context.window == nullptr || context.window->admits(event.trade_id, event.exchange_ns))
      take(context, event);
  });
}

bool set_fills(market::Trade& trade, std::int64_t count) {
  if (count > 0xffff'ffff) return false;
  if (count > 0 && trade.trade_id >= count) {
    trade.fill_count = static_cast<std::uint32_t>(count);
    trade.first_id = trade.trade_id - count + 1;
    trade.last_id = trade.trade_id;
  }
  return true;
}

market::Tristate is_rpi(std::string_view source) {
  if (source == "0") return market::Tristate::no;
  return source == "1" ? market::Tristate::yes : market::Tristate::unknown;
}

bool is_spot(const InstrumentEntry& entry) {
  return entry.instrument.contract_type == market::ContractType::spot;
}

void take(Context& context, const TradeEvent& event) {
  if (event.entry != context.own.pending.counted) {
    context.own.pending.counted = event.entry;
    context.message.count_other(*event.entry);
  }
  if (is_repeat(context, *event.entry, event)) return;
  auto* record = context.message.emit<market::Trade>(RecordType::trade, *event.entry,
                                                     event.exchange_ns, context.flags_history);
  if (record != nullptr) *record = event;
}

void read_tickers(Context& context, json::ondemand::array& data) {
  enum Index : std::size_t {
    i_inst,
    i_last,
    i_last_size,
    i_ask,
    i_ask_size,
    i_bid,
    i_bid_size,
    i_open,
    i_high,
    i_low,
    i_volume_coins,
    i_volume,
    i_ts
  };
  static constexpr std::array<std::string_view, 13> keys = {
      "instId",  "last",    "lastSz", "askPx",     "askSz",  "bidPx", "bidSz",
      "open24h", "high24h", "low24h", "volCcy24h", "vol24h", "ts"};
  context.is_newest_first = false;
  json::Fault& fault = context.fault();
  each_instrument_row(context, data, [&](json::ondemand::object object) {
    json::FlatObject row(object, keys, fault);
    TickerEvent event;
    event.entry = row_instrument(context, row.text(i_inst));
    if (event.entry == nullptr) return;
    const InstrumentEntry& entry = *event.entry;
    event.last_price = row.optional_price(i_last, entry);
    event.last_quantity = row.optional_quantity(i_last_size, entry);
    event.ask_price = row.optional_price(i_ask, entry);
    event.ask_quantity = row.optional_quantity(i_ask_size, entry);
    event.bid_price = row.optional_price(i_bid, entry);
    event.bid_quantity = row.optional_quantity(i_bid_size, entry);
    event.open_24h = row.optional_price(i_open, entry);
    event.high_24h = row.optional_price(i_high, entry);
    event.low_24h = row.optional_price(i_low, entry);
    if (is_spot(entry)) {  // volCcy24h is the quote's currency here, the coin's on contracts
      event.volume_base_24h = row.optional_quantity(i_volume, entry);
      event.volume_quote_24h = row.optional_decimal(i_volume_coins);
    } else {
      event.volume_base_24h =
          named_coins(row.token(i_volume_coins), entry, false, fault, "volCcy24h");
      row.optional_decimal(i_volume);
    }
    event.exchange_ns = row.time_ms(i_ts);
    event.has_touch = row.has(i_ask) || row.has(i_bid);
    if (context.message.ok()) take(context, event);
  });
}

void take(Context& context, const TickerEvent& event) {
  if (auto* record = context.message.emit<market::Ticker>(RecordType::ticker, *event.entry,
                                                          event.exchange_ns, context.flags_now))
    *record = event;
  if (!event.has_touch) return;
  if (auto* record = context.message.emit<market::Bbo>(RecordType::bbo, *event.entry,
                                                       event.exchange_ns, context.flags_now))
    *record = event;
}

void read_mark_prices(Context& context, json::ondemand::array& data) {
  enum Index : std::size_t { i_inst, i_mark, i_ts };
  static constexpr std::array<std::string_view, 3> keys = {"instId", "markPx", "ts"};
  context.is_newest_first = false;
  each_instrument_row(context, data, [&](json::ondemand::object object) {
    json::FlatObject row(object, keys, context.fault());
    MarkEvent event;
    event.entry = row_instrument(context, row.text(i_inst));
    if (event.entry == nullptr) return;
    event.mark_price = row.price(i_mark, *event.entry);
    event.exchange_ns = row.time_ms(i_ts);
    if (context.message.ok()) take(context, event);
  });
}

void take(Context& context, const MarkEvent& event) {
  auto* record = context.message.emit<market::MarkPrice>(RecordType::mark_price, *event.entry,
                                                         event.exchange_ns, context.flags_now);
  if (record != nullptr) *record = event;
}

void read_index_tickers(Context& context, json::ondemand::array& data) {
  enum Index : std::size_t { i_inst, i_index, i_ts };
  static constexpr std::array<std::string_view, 3> keys = {"instId", "idxPx", "ts"};
  json::Fault& fault = context.fault();
  RecordSink& sink = context.message.sink();
  // Instruments first, as in each_instrument_row; an index is no instrument of the list.
  const bool is_read = json::each_object(data, fault, "data", [&](json::ondemand::object object) {
    const std::string_view name = json::Object(object, fault).text("instId");
    if (fault.ok()) index_instrument(context, name);
  });
  if (!is_read || !context.message.ok() || !json::restart(data, fault, "data")) return;
  const std::size_t from_bytes = sink.bytes().size();
  json::each_object(data, fault, "data", [&](json::ondemand::object object) {
    json::FlatObject row(object, keys, fault);
    const std::string_view name = row.text(i_inst);
    const InstrumentEntry* entry = fault.ok() ? index_instrument(context, name) : nullptr;
    if (entry == nullptr) return;
    const double price = row.price(i_index, *entry);
    const std::int64_t exchange_ns = row.time_ms(i_ts);
    if (!context.message.ok()) return;
    context.message.count_other(*entry);
    auto* record = context.message.emit<market::MarkPrice>(RecordType::mark_price, *entry,
                                                           exchange_ns, context.flags_now);
    if (record != nullptr) record->index_price = price;
  });
  if (context.is_rest && context.message.ok()) order_by_time(sink, from_bytes);
}

void read_funding_rates(Context& context, json::ondemand::array& data) {
  enum Index : std::size_t {
    i_rate,
    i_time,
    i_inst,
    i_interest,
    i_cap,
    i_floor,
    i_next_rate,
    i_next_time,
    i_premium,
    i_previous,
    i_settled_rate,
    i_state,
    i_ts
  };
  static constexpr std::array<std::string_view, 13> keys = {"fundingRate",
                                                            "fundingTime",
                                                            "instId",
                                                            "interestRate",
                                                            "maxFundingRate",
                                                            "minFundingRate",
                                                            "nextFundingRate",
                                                            "nextFundingTime",
                                                            "premium",
                                                            "prevFundingTime",
                                                            "settFundingRate",
                                                            "settState",
                                                            "ts"};
  context.is_newest_first = false;
  each_instrument_row(context, data, [&](json::ondemand::object object) {
    json::FlatObject row(object, keys, context.fault());
    const InstrumentEntry* entry = row_instrument(context, row.text(i_inst));
    if (entry == nullptr) return;
    market::Funding predicted;
    predicted.kind = market::FundingKind::predicted;
    predicted.rate = row.optional_decimal(i_rate);
    predicted.premium = row.optional_decimal(i_premium);
    predicted.cap = row.optional_decimal(i_cap);
    predicted.floor = row.optional_decimal(i_floor);
    predicted.next_rate = row.optional_decimal(i_next_rate);
    predicted.interest_rate = row.optional_decimal(i_interest);
    predicted.funding_ns = row.optional_time_ms(i_time);
    const std::int64_t next_ns = row.optional_time_ms(i_next_time);
    const std::int64_t previous_ns = row.optional_time_ms(i_previous);
    if (next_ns != core::unknown_ns && predicted.funding_ns != core::unknown_ns &&
        next_ns > predicted.funding_ns)
      predicted.interval_ns = next_ns - predicted.funding_ns;
    market::Funding settled;
    settled.kind = market::FundingKind::settled;
    settled.rate = row.optional_decimal(i_settled_rate);
    settled.funding_ns = previous_ns;
    if (predicted.funding_ns != core::unknown_ns && previous_ns != core::unknown_ns &&
        predicted.funding_ns > previous_ns)
      settled.interval_ns = predicted.funding_ns - previous_ns;
    const bool is_settled = row.optional_text(i_state) == "settled";
    const std::int64_t exchange_ns = row.optional_time_ms(i_ts);  // not in frames of 2022
    if (!row.has(i_rate) && !row.has(i_next_rate))
      context.fault().raise(DecodeStatus::missing_field, "fundingRate");
    if (!context.message.ok()) return;
    // The settled rate is a fact of its own only when the message says which settlement it was.
    if (is_settled && row.has(i_settled_rate) && previous_ns != core::unknown_ns) {
      auto* record = context.message.emit<market::Funding>(RecordType::funding, *entry, previous_ns,
                                                           context.flags_history);
      if (record != nullptr) *record = settled;
    }
    auto* record = context.message.emit<market::Funding>(RecordType::funding, *entry, exchange_ns,
                                                         context.flags_now);
    if (record != nullptr) *record = predicted;
  });
}

void read_open_interests(Context& context, json::ondemand::array& data) {
  enum Index : std::size_t { i_inst, i_contracts, i_coins, i_usd, i_ts };
  static constexpr std::array<std::string_view, 5> keys = {"instId", "oi", "oiCcy", "oiUsd", "ts"};
  context.is_newest_first = false;
  each_instrument_row(context, data, [&](json::ondemand::object object) {
    json::FlatObject row(object, keys, context.fault());
    InterestEvent event;
    event.entry = row_instrument(context, row.text(i_inst));
    if (event.entry == nullptr) return;
    event.contracts = row.decimal(i_contracts);
    event.quantity = row.has(i_coins) ? named_coins(row.token(i_coins), *event.entry, true,
                                                    context.fault(), "oiCcy")
                                      : row.quantity(i_contracts, *event.entry);
    event.notional = row.optional_decimal(i_usd);
    event.exchange_ns = row.time_ms(i_ts);
    if (context.message.ok()) take(context, event);
  });
}

void take(Context& context, const InterestEvent& event) {
  auto* record = context.message.emit<market::OpenInterest>(RecordType::open_interest, *event.entry,
                                                            event.exchange_ns, context.flags_now);
  if (record != nullptr) *record = event;
}

void read_liquidations(Context& context, json::ondemand::array& data) {
  enum Index : std::size_t { i_price, i_position, i_side, i_size, i_ts };
  static constexpr std::array<std::string_view, 5> keys = {"bkPx", "posSide", "side", "sz", "ts"};
  json::Fault& fault = context.fault();
  // One order a second and instrument at most on the stream, which in return carries every
  // instrument.
  const std::uint8_t flags =
      context.is_rest ? context.flags_history : std::uint8_t{market::flag_sampled};
  each_instrument_row(context, data, [&](json::ondemand::object object) {
    json::Object outer(object, fault);
    const InstrumentEntry* entry = row_instrument(context, outer.text("instId"));
    json::ondemand::array details;
    if (entry == nullptr || !outer.array("details", details)) return;
    json::each_object(details, fault, "details", [&](json::ondemand::object detail) {
      json::FlatObject row(detail, keys, fault);
      market::Liquidation liquidation;
      liquidation.order_side = read_side(row.text(i_side), fault);
      const std::string_view position = row.optional_text(i_position);
      if (position == "long")
        liquidation.position_side = market::PositionSide::long_side;
      else if (position == "short")
        liquidation.position_side = market::PositionSide::short_side;
      else if (position.empty() || position == "net")  // the order that closes a long sells
        liquidation.position_side = liquidation.order_side == market::Side::sell
                                        ? market::PositionSide::long_side
                                        : market::PositionSide::short_side;
      else
        fault.raise(DecodeStatus::unknown_value, "posSide");
      liquidation.price = row.price(i_price, *entry);
      liquidation.quantity = row.quantity(i_size, *entry);
      liquidation.is_venue_wide = context.is_rest ? 0 : 1;
      const std::int64_t exchange_ns = row.time_ms(i_ts);
      if (!context.message.ok()) return;
      auto* record = context.message.emit<market::Liquidation>(RecordType::liquidation, *entry,
                                                               exchange_ns, flags);
      if (record != nullptr) *record = liquidation;
    });
  });
}

void read_candles(Context& context, json::ondemand::array& data, market::PriceKind kind,
                  std::int64_t interval_ns) {
  json::Fault& fault = context.fault();
  const InstrumentEntry* entry = nullptr;
  if (kind == market::PriceKind::index && !context.symbol.empty()) {
    entry = index_instrument(context, context.symbol);
    if (entry != nullptr) context.message.count_other(*entry);
  } else {
    entry = requested_instrument(context);
  }
  if (entry == nullptr) return;
  RecordSink& sink = context.message.sink();
  const std::size_t from_bytes = sink.bytes().size();
  json::each_row<9>(data, fault, "data", [&](const json::Row<9>& row) {
    KlineEvent kline;
    kline.entry = entry;
    kline.price_kind = kind;
    kline.interval_ns = interval_ns;
    kline.open_ns = json::time_ms(row.cell(0), true, fault, "ts");
    const market::Scale price = json::inverse(entry->price_divisor);
    kline.open = json::decimal(row.cell(1), price, true, fault, "o");
    kline.high = json::decimal(row.cell(2), price, true, fault, "h");
    kline.low = json::decimal(row.cell(3), price, true, fault, "l");
    kline.close = json::decimal(row.cell(4), price, true, fault, "c");
    std::size_t confirm = 5;
    if (kind == market::PriceKind::last) {
      confirm = 8;
      if (is_spot(*entry)) {
        kline.volume_base = json::coins(row.cell(5), *entry, true, fault, "vol");
        kline.volume_quote = json::decimal(row.cell(6), {}, true, fault, "volCcy");
      } else {
        json::decimal(row.cell(5), {}, true, fault,
                      "vol");  // contracts: the next cell says the same in coins
        kline.volume_base = named_coins(row.cell(6), *entry, true, fault, "volCcy");
        kline.volume_quote = json::decimal(row.cell(7), {}, false, fault, "volCcyQuote");
      }
    }
    // Rows of 2022 end before the confirm cell.
    const json::Token closed = row.cell(confirm);
    if (closed.text == "1")
      kline.is_closed = market::Tristate::yes;
    else if (closed.text == "0")
      kline.is_closed = market::Tristate::no;
    else if (!closed.is_empty())
      fault.raise(DecodeStatus::unknown_value, "confirm");
    if (context.message.ok()) take(context, kline);
  });
  if (context.is_rest && context.message.ok()) order_newest_first(sink, from_bytes);
}

void take(Context& context, const KlineEvent& event) {
  auto* record = context.message.emit<market::Kline>(RecordType::kline, *event.entry, event.open_ns,
                                                     context.flags_history);
  if (record != nullptr) *record = event;
}

}  // namespace perp::venue::okx
