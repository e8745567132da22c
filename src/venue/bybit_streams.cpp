#include "venue/bybit.hpp"
#include "venue/uuid.hpp"

namespace perp::venue::bybit {

using market::InstrumentEntry;
using market::RecordType;

namespace {

/// Cuts the text in front of the next '.' off `topic`.
std::string_view take_word(std::string_view& topic) {
  const std::size_t dot = std::min(topic.find('.'), topic.size());
  const std::string_view word = topic.substr(0, dot);
  topic.remove_prefix(std::min(dot + 1, topic.size()));
  return word;
}

const InstrumentEntry* instrument(Transaction& message, State& own, std::string_view symbol) {
  const std::string_view key = native_key(own, {}, symbol);
  return own.fault.ok() ? message.instrument(key) : nullptr;
}

void read_trades(Transaction& message, State& own, json::Object& root) {
  enum Index : std::size_t {
    i_time,
    i_symbol,
    i_side,
    i_size,
    i_price,
    i_id,
    i_block,
    i_rpi,
    i_seq
  };
  static constexpr std::array<std::string_view, 9> keys = {"T", "s",  "S",   "v",  "p",
                                                           "i", "BT", "RPI", "seq"};
  json::ondemand::array data;
  if (!root.array("data", data)) return;
  TradeEvent event;
  std::string_view symbol;
  json::each_object(data, own.fault, "data", [&](json::ondemand::object object) {
    json::FlatObject row(object, keys, own.fault);
    const std::string_view row_symbol = row.text(i_symbol);
    if (event.entry == nullptr || row_symbol != symbol) {
      event.entry = instrument(message, own, row_symbol);
      symbol = row_symbol;
      if (event.entry == nullptr) return;
    }
    event.price = row.price(i_price, *event.entry);
    event.quantity = row.quantity(i_size, *event.entry);
    event.taker_side = read_side(row.text(i_side), own.fault, "S");
    event.is_block = row.optional_boolean(i_block);
    event.is_rpi = row.optional_boolean(i_rpi);
    event.sequence = row.optional_integer(i_seq);
    event.exchange_ns = row.time_ms(i_time);
    event.trade_id_high = market::unknown_id;
    if (!read_trade_id(row.text(i_id), event)) own.fault.raise(DecodeStatus::wrong_type, "i");
    if (message.ok()) take(message, own, event);
  });
}

/// orderbook.1: the touch that follows from the one before and this message's levels.
void apply_top(const std::vector<market::Level>& levels, double& price, double& quantity) {
  for (const market::Level& level : levels) {
    if (level.quantity != 0) {
      price = level.price;
      quantity = level.quantity;
    } else if (level.price == price) {
      price = quantity = market::missing;
    }
  }
}

void read_book(Transaction& message, State& own, json::Object& root, std::string_view depth_name) {
  BookEvent event;
  event.depth_index = find_depth(depth_name);
  if (event.depth_index == depths.size())
    return own.fault.raise(DecodeStatus::unknown_stream, "topic");

  const std::string_view type = root.text("type");
  json::ondemand::object object;
  if (!own.fault.ok() || !root.object("data", object)) return;
  json::Object data(object, own.fault);
  event.entry = instrument(message, own, data.text("s"));
  if (event.entry == nullptr) return;
  read_levels(data, "b", *event.entry, own.bids);
  read_levels(data, "a", *event.entry, own.asks);
  event.update_id = data.integer("u");
  event.sequence = data.optional_integer("seq");
  event.exchange_ns = root.optional_time_ms("cts");
  if (event.exchange_ns == core::unknown_ns) event.exchange_ns = root.time_ms("ts");
  if (type != "snapshot" && type != "delta") own.fault.raise(DecodeStatus::unknown_value, "type");
  event.is_snapshot = type == "snapshot";
  if (message.ok()) take(message, own, event);
}

void read_klines(Transaction& message, State& own, json::Object& root, std::string_view symbol) {
  enum Index : std::size_t {
    i_start,
    i_end,
    i_interval,
    i_open,
    i_close,
    i_high,
    i_low,
    i_volume,
    i_turnover,
    i_confirm
  };
  static constexpr std::array<std::string_view, 10> keys = {
      "start", "end", "interval", "open", "close", "high", "low", "volume", "turnover", "confirm"};
  KlineEvent event;
  event.exchange_ns = root.time_ms("ts");
  event.entry = own.fault.ok() ? instrument(message, own, symbol) : nullptr;
  json::ondemand::array data;
  if (event.entry == nullptr || !root.array("data", data)) return;
  const InstrumentEntry& entry = *event.entry;
  message.count_other(entry);
  json::each_object(data, own.fault, "data", [&](json::ondemand::object object) {
    json::FlatObject row(object, keys, own.fault);
    event.open_ns = row.time_ms(i_start);
    const std::int64_t end_ns = row.optional_time_ms(i_end);
    if (!read_interval(row.text(i_interval), event.interval_ns))
      own.fault.raise(DecodeStatus::unknown_value, "interval");
    close_month(event, end_ns);
    event.open = row.price(i_open, entry);
    event.high = row.price(i_high, entry);
    event.low = row.price(i_low, entry);
    event.close = row.price(i_close, entry);
    if (entry.has_quantity_factor) {
      event.volume_base = row.quantity(i_volume, entry);
      event.volume_quote = row.decimal(i_turnover);
    } else {  // inverse: volume in contracts of 1 USD, turnover in coins
      event.volume_base = row.decimal(i_turnover);
      event.volume_quote = row.decimal(i_volume);
    }
    event.is_closed = row.boolean(i_confirm) ? market::Tristate::yes : market::Tristate::no;
    if (message.ok()) take(message, event);
  });
}

void emit_liquidation(Transaction& message, State& own, std::string_view symbol,
                      std::string_view side, const json::Token& price, const json::Token& size,
                      std::int64_t exchange_ns, std::uint8_t flags) {
  const InstrumentEntry* entry = own.fault.ok() ? instrument(message, own, symbol) : nullptr;
  if (entry == nullptr) return;
  market::Liquidation liquidation;
  // "Buy" says that a long was liquidated: the position's side, not that of the order that closed
  // it.
  const bool is_long = read_side(side, own.fault, "side") == market::Side::buy;
  liquidation.position_side =
      is_long ? market::PositionSide::long_side : market::PositionSide::short_side;
  liquidation.order_side = is_long ? market::Side::sell : market::Side::buy;
  liquidation.price =
      json::decimal(price, json::inverse(entry->price_divisor), true, own.fault, "price");
  liquidation.quantity = json::coins(size, *entry, true, own.fault, "size");
  if (!message.ok()) return;
  message.count_other(*entry);
  auto* record =
      message.emit<market::Liquidation>(RecordType::liquidation, *entry, exchange_ns, flags);
  if (record != nullptr) *record = liquidation;
}

void read_all_liquidations(Transaction& message, State& own, json::Object& root) {
  enum Index : std::size_t { i_time, i_symbol, i_side, i_size, i_price };
  static constexpr std::array<std::string_view, 5> keys = {"T", "s", "S", "v", "p"};
  json::ondemand::array data;
  if (!root.array("data", data)) return;
  json::each_object(data, own.fault, "data", [&](json::ondemand::object object) {
    json::FlatObject row(object, keys, own.fault);
    emit_liquidation(message, own, row.text(i_symbol), row.text(i_side), row.token(i_price),
                     row.token(i_size), row.time_ms(i_time), 0);
  });
}

/// The stream before allLiquidation: one order per second and symbol at most.
void read_liquidation(Transaction& message, State& own, json::Object& root) {
  enum Index : std::size_t { i_time, i_symbol, i_side, i_size, i_price };
  static constexpr std::array<std::string_view, 5> keys = {"updatedTime", "symbol", "side", "size",
                                                           "price"};
  json::ondemand::object data;
  if (!root.object("data", data)) return;
  json::FlatObject row(data, keys, own.fault);
  emit_liquidation(message, own, row.text(i_symbol), row.text(i_side), row.token(i_price),
                   row.token(i_size), row.time_ms(i_time), market::flag_sampled);
}

void read_system_status(State& own, json::Object& root) {
  json::ondemand::array data;
  if (!root.array("data", data)) return;
  json::each_object(data, own.fault, "data", [&](json::ondemand::object object) {
    json::Object(object, own.fault).text("state");
  });
}

void read_control(Transaction& message, State& own, json::Object& root) {
  const market::Tristate success = root.optional_boolean("success");
  const std::string_view op = root.optional_text("op");
  if (!own.fault.ok()) return;
  if (success == market::Tristate::no) {
    message.set_kind(kind_error);
    return own.fault.raise(DecodeStatus::venue_error, "ret_msg");
  }
  if (op == "ping" || op == "pong") return message.set_kind(kind_pong);
  if ((op == "subscribe" || op == "unsubscribe") && success == market::Tristate::yes)
    return message.set_kind(kind_ack);
  own.fault.raise(DecodeStatus::unknown_stream, "op");
}

}  // namespace

void take(Transaction& message, State& own, const TradeEvent& event) {
  if (event.entry != own.pending.counted) {
    own.pending.counted = event.entry;
    message.count_other(*event.entry);
  }
  if (is_repeat(message, own, *event.entry, event)) return;
  if (auto* record =
          message.emit<market::Trade>(RecordType::trade, *event.entry, event.exchange_ns))
    *record = event;
}

void take(Transaction& message, State& own, const BookEvent& event) {
  const InstrumentEntry& entry = *event.entry;
  Pending& pending = own.pending;
  const Market& known = own.market(entry.id);
  const std::int64_t update_id = event.update_id;
  const bool is_snapshot = event.is_snapshot || update_id == 1;
  pending.sequence = known.books[event.depth_index];
  const std::int64_t last_id = pending.sequence.last_id();
  const bool is_repeat =
      !pending.sequence.needs_snapshot() && update_id == last_id && update_id != 1;
  const market::Continuity found =
      is_snapshot ? pending.sequence.snapshot(update_id) : pending.sequence.delta(update_id);
  pending.book_of = entry.id;
  pending.depth_index = event.depth_index;
  message.count_other(entry);
  if (is_repeat)
    return message.count_duplicate();  // level 1 is sent again after 3 s without a change

  if (depths[event.depth_index].levels == 1) {
    pending.top = is_snapshot ? market::Bbo() : known.top;
    pending.top_of = entry.id;
    apply_top(own.bids, pending.top.bid_price, pending.top.bid_quantity);
    apply_top(own.asks, pending.top.ask_price, pending.top.ask_quantity);
    pending.top.update_id = update_id;
    if (found == market::Continuity::gap || found == market::Continuity::stale) {
      pending.top = market::Bbo();
    } else if (auto* bbo = message.emit<market::Bbo>(RecordType::bbo, entry, event.exchange_ns)) {
      *bbo = pending.top;
    }
  }
  auto* book = message.emit_book(is_snapshot ? RecordType::book_snapshot : RecordType::book_delta,
                                 entry, event.exchange_ns, is_snapshot ? market::flag_snapshot : 0,
                                 last_id == market::unknown_id ? last_id : market::next_id(last_id),
                                 update_id, [&] { return found; });
  if (book == nullptr) return;
  book->last_id = update_id;
  book->sequence = event.sequence;
  book->depth = depths[event.depth_index].levels;
}

void take(Transaction& message, const KlineEvent& event) {
  if (auto* record =
          message.emit<market::Kline>(RecordType::kline, *event.entry, event.exchange_ns))
    *record = event;
}

void close_month(KlineEvent& event, std::int64_t end_ns) {
  if (event.interval_ns == core::unknown_ns && end_ns != core::unknown_ns &&
      event.open_ns != core::unknown_ns)
    event.interval_ns = end_ns + core::ns_per_ms - event.open_ns;
}

std::size_t find_depth(std::string_view name) {
  std::size_t index = 0;
  while (index < depths.size() && depths[index].name != name) ++index;
  return index;
}

market::Side read_side(std::string_view text, json::Fault& fault, std::string_view field) {
  if (text == "Buy") return market::Side::buy;
  if (text == "Sell") return market::Side::sell;
  fault.raise(DecodeStatus::unknown_value, field);
  return market::Side::unknown;
}

bool read_trade_id(std::string_view text, market::Trade& trade) {
  if (text.size() != uuid_size) return market::parse_integer(text, trade.trade_id);
  Uuid uuid;
  if (!read_uuid(text, uuid)) return false;
  trade.trade_id_high = static_cast<std::int64_t>(uuid.high);
  trade.trade_id = static_cast<std::int64_t>(uuid.low);
  return true;
}

bool is_repeat(Transaction& message, State& own, const InstrumentEntry& entry,
               const market::Trade& trade) {
  const std::uint64_t key = static_cast<std::uint64_t>(trade.trade_id) ^
                            static_cast<std::uint64_t>(trade.trade_id_high) * 0x9e3779b97f4a7c15U;
  const Market& known = own.market(entry.id);
  if (known.trades != nullptr && known.trades->contains(key)) {
    message.count_duplicate();
    return true;
  }
  own.pending.trades.push_back({entry.id, key});
  return false;
}

void read_levels(json::Object& data, std::string_view key, const InstrumentEntry& entry,
                 std::vector<market::Level>& levels) {
  levels.clear();
  json::ondemand::array rows;
  if (!data.array(key, rows)) return;
  json::Fault& fault = data.fault();
  json::each_row<3>(rows, fault, key, [&](const json::Row<3>& row) {
    market::Level level;
    level.price = json::decimal(row.cell(0), json::inverse(entry.price_divisor), true, fault, key);
    level.quantity = json::level_size(row.cell(1), entry, fault, key);
    if (row.has(2)) level.quantity += json::level_size(row.cell(2), entry, fault, key);
    levels.push_back(level);
  });
}

bool read_interval(std::string_view text, std::int64_t& interval_ns) {
  std::int64_t minutes = 0;
  if (market::parse_integer(text, minutes)) {
    if (minutes <= 0 || minutes > 1440) return false;
    interval_ns = minutes * core::ns_per_minute;
    return true;
  }
  if (text == "D" || text == "W") {
    interval_ns = (text == "D" ? 1 : 7) * core::ns_per_day;
    return true;
  }
  if (text == "M" || text == "1M") {
    interval_ns = core::unknown_ns;
    return true;
  }
  return parse_period(text, interval_ns);
}

void read_frame(Transaction& message, State& own, json::Object& root) {
  std::string_view topic = root.optional_text("topic");
  if (!own.fault.ok()) return;
  if (topic.empty()) return read_control(message, own, root);
  if (topic == "system.status") {
    message.set_kind(kind_system_status);
    return read_system_status(own, root);
  }
  const std::string_view stream = take_word(topic);
  if (stream == "publicTrade") {
    message.set_kind(kind_trade);
    read_trades(message, own, root);
  } else if (stream == "orderbook") {
    message.set_kind(kind_book);
    read_book(message, own, root, take_word(topic));
  } else if (stream == "tickers") {
    message.set_kind(kind_ticker);
    read_ticker_frame(message, own, root, topic);
  } else if (stream == "kline") {
    message.set_kind(kind_kline);
    take_word(topic);
    read_klines(message, own, root, topic);
  } else if (stream == "allLiquidation") {
    message.set_kind(kind_all_liquidation);
    read_all_liquidations(message, own, root);
  } else if (stream == "liquidation") {
    message.set_kind(kind_liquidation);
    read_liquidation(message, own, root);
  } else {
    own.fault.raise(DecodeStatus::unknown_stream, "topic");
  }
}

}  // namespace perp::venue::bybit
