// Hyperliquid: trades, candles and mids.
#include "venue/hyperliquid_shapes.hpp"

namespace perp::venue::hyperliquid {

namespace ondemand = json::ondemand;
using market::InstrumentEntry;
using market::RecordType;
using market::Side;

bool Message::is_repeat(RecentIds Streams::*ids, const InstrumentEntry& entry, std::int64_t id,
                        std::int64_t time_ns) {
  const std::size_t index = entry.id & 0x00ff'ffff;
  const auto key = static_cast<std::uint64_t>(id);
  bool found = index < own.streams.size() && (own.streams[index].*ids).contains(key, time_ns);
  for (const SeenTrade& seen : own.seen)
    found |= id != 0 && seen.ids == ids && seen.instrument == entry.id && seen.id == key;
  own.seen.push_back(
      {ids, entry.id, key, time_ns, found, is_rest ? core::unknown_ns : tx.receive_ns()});
  if (found) tx.count_duplicate();
  return found;
}

bool Message::is_behind(const InstrumentEntry& entry, std::int64_t time_ns) const {
  const std::size_t index = entry.id & 0x00ff'ffff;
  return !is_rest && index < own.streams.size() && own.streams[index].front.is_behind(time_ns);
}

namespace {

/// The trade records of a message: those of one coin and one size are put into the order of time at
/// the end.
class TradeRun {
 public:
  void take(Message& message, const TradeRow& row);
  void finish(Message& message);

 private:
  std::size_t begin_ = 0;
  std::size_t stride_ = 0;
  std::size_t staged_ = 0;
  bool is_uniform_ = true;
};

[[gnu::always_inline]] inline void TradeRun::take(Message& message, const TradeRow& row) {
  Transaction& tx = message.tx;
  tx.count_other(*row.entry);
  if (message.window != nullptr && !message.window->admits(row.id, row.exchange_ns)) return;
  // The first frame after a subscription repeats recent trades and does not say so. A reply that
  // fills a hole must not repeat what stands around it, any other is taken as it is.
  if ((!message.is_rest || message.window != nullptr) &&
      message.is_repeat(&Streams::trades, *row.entry, row.id, row.exchange_ns))
    return;
  // What it has of those and was not told before (lost on the way, or from an outage) is history
  // where newer ones have been told.
  const bool is_behind = message.is_behind(*row.entry, row.exchange_ns);
  const auto flags =
      static_cast<std::uint8_t>(message.flags | (is_behind ? market::flag_backfill : 0));
  const std::size_t at = tx.sink().bytes().size();
  auto* record = tx.emit<market::Trade>(RecordType::trade, *row.entry, row.exchange_ns, flags,
                                        row.has_parties ? sizeof row.parties : 0);
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

template <class RowsShape>
bool read_trades_of(const Reading& reading) {
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

// Inlined into both lanes, so that an event need not lie in memory: a copy of it would wait for its
// fields to be there.

[[gnu::always_inline]] inline void take(Message& message, CandleEvent& event) {
  message.tx.count_other(*event.entry);
  // A pushed candle is closed when one with a later `t` follows, which its reader sees; a fetched
  // one by the clock.
  const std::int64_t now_ns = message.tx.receive_ns();
  std::int64_t exchange_ns = core::unknown_ns;
  if (now_ns == core::unknown_ns) {
    if (message.is_rest) exchange_ns = event.close_ns;
    if (message.is_rest) event.is_closed = market::Tristate::yes;
  } else {
    const bool is_over = event.close_ns < now_ns;
    if (is_over) exchange_ns = event.close_ns;
    if (message.is_rest) event.is_closed = is_over ? market::Tristate::yes : market::Tristate::no;
  }
  auto* record =
      message.tx.emit<market::Kline>(RecordType::kline, *event.entry, exchange_ns, message.flags);
  if (record != nullptr) *record = event;
}

}  // namespace

bool read_trades(const Reading& reading) {
  return read_trades_of<TradesShape>(reading) || read_trades_of<SortedTradesShape>(reading);
}

bool read_candle(const Reading& reading) {
  CandleEvent event;
  if (!reading.matches<CandleShape>(event) || event.close_ns <= event.open_ns) return false;
  event.interval_ns = event.close_ns - event.open_ns + core::ns_per_ms;
  reading.message.set_kind(Kind::candle);
  take(reading.message, event);
  return true;
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
