// Binance: trades, best quotes and books.
#include "venue/binance.hpp"
#include "venue/rows.hpp"

namespace perp::venue::binance {

namespace ondemand = json::ondemand;
using market::InstrumentEntry;
using market::RecordType;
using market::Side;
using Verdict = IdSequence::Verdict;

namespace {

/// What this id means to its stream, counting what earlier events of the same message have claimed.
Verdict verdict_of(Message& message, IdSequence Streams::*sequence, const InstrumentEntry& entry,
                   std::int64_t id, bool is_contiguous, std::int64_t& last) {
  const std::size_t index = entry.id & 0x00ff'ffff;
  IdSequence known =
      index < message.own.streams.size() ? message.own.streams[index].*sequence : IdSequence{};
  for (const Advance& advance : message.own.advances)
    if (advance.sequence == sequence && advance.instrument == entry.id)
      known.advance(advance.id, advance.verdict);
  last = known.last();
  const Verdict verdict = known.verdict(id, is_contiguous);
  message.own.advances.push_back({sequence, entry.id, id, verdict});
  if (verdict == Verdict::repeat) message.tx.count_duplicate();
  return verdict;
}

/// Emits the hole before a trade; @returns the flags of the trade behind it.
std::uint8_t emit_trade_gap(Message& message, Verdict verdict, const TradeEvent& event,
                            std::int64_t last) {
  if (verdict != Verdict::gap) return 0;
  message.tx.emit_gap(*event.entry, RecordType::trade, event.exchange_ns, last + 1, event.trade_id);
  return market::flag_gap_before;
}

void emit_trade(Message& message, const TradeEvent& event, Verdict verdict, std::int64_t last) {
  const std::uint8_t flags = emit_trade_gap(message, verdict, event, last);
  if (auto* record =
          message.tx.emit<market::Trade>(RecordType::trade, *event.entry, event.exchange_ns, flags))
    *record = event;
}

/// Which book a stream's name says that its levels belong to.
struct BookStream {
  Kind kind = Kind::depth_diff;
  std::uint16_t depth = 0;  ///< 5, 10 or 20 levels a side; 0: a diff stream
};
BookStream book_stream(std::string_view stream) {
  // "btcusdt@depth@100ms", "btcusdt@depth20", "btcusdt@rpiDepth@500ms"
  const std::size_t at = stream.find('@');
  if (at == std::string_view::npos) return {};
  std::string_view name = stream.substr(at + 1);
  name = name.substr(0, name.find('@'));
  if (name == "depth5") return {Kind::depth_partial, 5};
  if (name == "depth10") return {Kind::depth_partial, 10};
  if (name == "depth20") return {Kind::depth_partial, 20};
  if (name.starts_with("rpiDepth")) return {Kind::rpi_depth, 0};
  return {};
}

}  // namespace

void on_agg_trade(Context& context, ondemand::object event) {
  enum {
    type,
    event_ms,
    id,
    symbol,
    price,
    quantity,
    quantity_no_rpi,
    first,
    last,
    trade_ms,
    is_maker,
    margin
  };
  static constexpr auto keys = std::to_array<std::string_view>(
      {"e", "E", "a", "s", "p", "q", "nq", "f", "l", "T", "m", "st"});
  context.set_kind(Kind::agg_trade);
  json::FlatObject fields(event, keys, context.own.fault);
  TradeEvent trade;
  trade.entry = context.instrument(fields.text(symbol), fields.token(margin));
  if (trade.entry == nullptr) return;
  trade.price = fields.price(price, *trade.entry);
  trade.quantity = fields.quantity(quantity, *trade.entry);
  trade.quantity_without_rpi = fields.optional_quantity(quantity_no_rpi, *trade.entry);
  trade.trade_id = fields.integer(id);
  trade.first_id = fields.integer(first);
  trade.last_id = fields.integer(last);
  trade.is_buyer_maker = fields.boolean(is_maker);
  trade.exchange_ns = fields.time_ms(trade_ms);
  if (context.tx.ok()) take_agg_trade(context, trade);
}

void take_agg_trade(Message& message, TradeEvent& event) {
  message.set_kind(Kind::agg_trade);
  event.taker_side = event.is_buyer_maker ? Side::sell : Side::buy;
  event.fill_count = fills_between(event.first_id, event.last_id);
  std::int64_t before = market::unknown_id;
  const Verdict verdict =
      verdict_of(message, &Streams::agg_trade, *event.entry, event.trade_id, true, before);
  message.tx.count_other(*event.entry);
  if (verdict == Verdict::repeat) return;
  emit_trade(message, event, verdict, before);
}

void on_trade(Context& context, ondemand::object event) {
  enum { type, event_ms, trade_ms, symbol, id, price, quantity, execution, is_maker, margin };
  static constexpr auto keys =
      std::to_array<std::string_view>({"e", "E", "T", "s", "t", "p", "q", "X", "m", "st"});
  context.set_kind(Kind::trade);
  json::FlatObject fields(event, keys, context.own.fault);
  TradeEvent trade;
  trade.entry = context.instrument(fields.text(symbol), fields.token(margin));
  if (trade.entry == nullptr) return;
  trade.price = fields.price(price, *trade.entry);
  trade.quantity = fields.quantity(quantity, *trade.entry);
  trade.trade_id = fields.integer(id);
  trade.is_buyer_maker = fields.boolean(is_maker);
  trade.execution = fields.optional_text(execution);
  trade.exchange_ns = fields.time_ms(trade_ms);
  if (context.tx.ok()) take_trade(context, trade);
}

void take_trade(Message& message, TradeEvent& event) {
  const bool is_market = event.execution.empty() || event.execution == "MARKET";
  message.set_kind(is_market ? Kind::trade : Kind::trade_not_market);
  event.taker_side = event.is_buyer_maker ? Side::sell : Side::buy;
  event.fill_count = 1;
  std::int64_t before = market::unknown_id;
  const Verdict verdict =
      verdict_of(message, &Streams::trade, *event.entry, event.trade_id, true, before);
  message.tx.count_other(*event.entry);
  if (verdict == Verdict::repeat) return;
  if (is_market) return emit_trade(message, event, verdict, before);
  // Not an agreement between two traders; but its id counts.
  emit_trade_gap(message, verdict, event, before);
}

void on_book_ticker(Context& context, ondemand::object event) {
  enum { type, update_id, symbol, bid, bid_size, ask, ask_size, trade_ms, event_ms, margin };
  static constexpr auto keys =
      std::to_array<std::string_view>({"e", "u", "s", "b", "B", "a", "A", "T", "E", "st"});
  context.set_kind(Kind::book_ticker);
  json::FlatObject fields(event, keys, context.own.fault);
  QuoteEvent quote;
  quote.entry = context.instrument(fields.text(symbol), fields.token(margin));
  if (quote.entry == nullptr) return;
  quote.bid_price = fields.price(bid, *quote.entry);
  quote.bid_quantity = fields.quantity(bid_size, *quote.entry);
  quote.ask_price = fields.price(ask, *quote.entry);
  quote.ask_quantity = fields.quantity(ask_size, *quote.entry);
  quote.update_id = fields.integer(update_id);
  quote.exchange_ns = fields.optional_time_ms(trade_ms);
  if (quote.exchange_ns == core::unknown_ns) quote.exchange_ns = fields.time_ms(event_ms);
  if (context.tx.ok()) take(context, quote);
}

void take(Message& message, const QuoteEvent& event) {
  message.set_kind(Kind::book_ticker);
  std::int64_t before = market::unknown_id;
  const Verdict verdict =
      verdict_of(message, &Streams::book_ticker, *event.entry, event.update_id, false, before);
  message.tx.count_other(*event.entry);
  if (verdict == Verdict::repeat) return;
  if (auto* record = message.tx.emit<market::Bbo>(RecordType::bbo, *event.entry, event.exchange_ns))
    *record = event;
}

void read_levels(Context& context, ondemand::value value, const InstrumentEntry& entry,
                 std::vector<market::Level>& levels, std::string_view field) {
  json::Fault& fault = context.own.fault;
  ondemand::array rows;
  if (const auto error = value.get_array().get(rows); error != simdjson::SUCCESS) {
    fault.raise(json::status_of(error), field);
    return;
  }
  const market::Scale price_scale = json::inverse(entry.price_divisor);
  for (auto item : rows) {
    ondemand::array row;
    if (const auto error = item.get_array().get(row); error != simdjson::SUCCESS) {
      fault.raise(json::status_of(error), field);
      return;
    }
    market::Level level;
    std::size_t column = 0;
    for (auto cell : row) {
      const json::Token token = json::token_of(cell, fault, field);
      if (column == 0) level.price = json::decimal(token, price_scale, true, fault, field);
      if (column == 1) level.quantity = json::level_size(token, entry, fault, field);
      ++column;
      if (!fault.ok()) return;
    }
    if (column < 2) fault.raise(DecodeStatus::missing_field, field);
    if (!fault.ok()) return;
    levels.push_back(level);
  }
}

void on_depth(Context& context, ondemand::object event) {
  enum { type, event_ms, trade_ms, symbol, first, last, previous, bids, asks, margin };
  static constexpr auto keys =
      std::to_array<std::string_view>({"e", "E", "T", "s", "U", "u", "pu", "b", "a", "st"});
  json::Fault& fault = context.own.fault;
  context.set_kind(book_stream(context.stream).kind);
  if (context.is_array) {  // a checker cannot be asked on trial
    fault.raise(DecodeStatus::unknown_stream, "e");
    return;
  }
  // Scales first: the levels are read in the pass below, and a symbol need not come before them.
  const json::Token native = json::token_of(event.find_field_unordered("s"), fault, "s");
  const InstrumentEntry* entry =
      context.instrument(json::text(native, true, fault, "s"), json::absent);
  if (entry == nullptr) return;
  std::array<json::Token, keys.size()> tokens;
  const auto read = [&] {
    tokens.fill(json::absent);
    context.own.bids.clear();
    context.own.asks.clear();
    if (event.reset().error() != simdjson::SUCCESS)
      return fault.raise(DecodeStatus::malformed_json, "message");
    json::each_field(event, keys, fault, [&](std::size_t index, ondemand::value value) {
      tokens[index].is_missing = false;
      if (index == bids) return read_levels(context, value, *entry, context.own.bids, "b");
      if (index == asks) return read_levels(context, value, *entry, context.own.asks, "a");
      tokens[index] = json::make_token(value.raw_json_token(), fault, keys[index]);
    });
  };
  read();
  if (!context.tx.ok()) return;
  const bool had_factor = entry->has_quantity_factor;
  const InstrumentEntry* judged = context.instrument(native.text, tokens[margin]);
  if (judged == nullptr) return;
  if (judged->has_quantity_factor !=
      had_factor) {  // it turned out to be a COIN-M contract: other scales
    entry = judged;
    read();
  }
  if (tokens[bids].is_missing || tokens[asks].is_missing)
    fault.raise(DecodeStatus::missing_field, tokens[bids].is_missing ? "b" : "a");
  DepthEvent depth;
  depth.entry = entry;
  depth.first_id = json::integer(tokens[first], true, fault, "U");
  depth.last_id = json::integer(tokens[last], true, fault, "u");
  depth.previous_id = json::integer(tokens[previous], true, fault, "pu");
  depth.exchange_ns = json::time_ms(tokens[trade_ms], false, fault, "T");
  if (depth.exchange_ns == core::unknown_ns)
    depth.exchange_ns = json::time_ms(tokens[event_ms], true, fault, "E");
  if (context.close()) take(context, depth);
}

void take(Message& message, const DepthEvent& event) {
  const auto [kind, depth] = book_stream(message.stream);
  message.set_kind(kind);
  message.tx.count_other(*event.entry);
  // The book with retail orders in it is another book than the one everybody can trade on: read,
  // counted, not kept.
  if (kind == Kind::rpi_depth) return;

  Streams& streams = message.own.streams_of(*event.entry);
  market::Book* book = nullptr;
  if (depth != 0) {
    market::SnapshotBookSequence& sequence = streams.partial_books[depth == 5    ? 0
                                                                   : depth == 10 ? 1
                                                                                 : 2];
    book = message.tx.emit_book(RecordType::book_snapshot, *event.entry, event.exchange_ns, 0,
                                market::unknown_id, event.last_id,
                                [&] { return sequence.snapshot(event.exchange_ns); });
  } else {
    if (streams.book == nullptr) streams.book = std::make_unique<market::BinanceBookSequence>();
    book = message.tx.emit_book(
        RecordType::book_delta, *event.entry, event.exchange_ns, 0, streams.book->last_id(),
        event.previous_id,
        [&] { return streams.book->delta(event.first_id, event.last_id, event.previous_id); });
  }
  if (book == nullptr) return;
  book->first_id = event.first_id;
  book->last_id = event.last_id;
  book->previous_id = event.previous_id;
  book->depth = depth;
}

}  // namespace perp::venue::binance
