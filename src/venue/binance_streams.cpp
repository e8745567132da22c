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
Verdict verdict_of(Context& context, IdSequence Streams::*sequence, const InstrumentEntry& entry,
                   std::int64_t id, bool is_contiguous, std::int64_t& last) {
  const std::size_t index = entry.id & 0x00ff'ffff;
  IdSequence known =
      index < context.own.streams.size() ? context.own.streams[index].*sequence : IdSequence{};
  for (const Advance& advance : context.own.advances)
    if (advance.sequence == sequence && advance.instrument == entry.id)
      known.advance(advance.id, advance.verdict);
  last = known.last();
  const Verdict verdict = known.verdict(id, is_contiguous);
  context.own.advances.push_back({sequence, entry.id, id, verdict});
  if (verdict == Verdict::repeat) context.tx.count_duplicate();
  return verdict;
}

/// Emits the hole before a trade; @returns the flags of the trade behind it.
std::uint8_t emit_trade_gap(Context& context, Verdict verdict, const InstrumentEntry& entry,
                            std::int64_t exchange_ns, std::int64_t last, std::int64_t id) {
  if (verdict != Verdict::gap) return 0;
  context.tx.emit_gap(entry, RecordType::trade, exchange_ns, last + 1, id);
  return market::flag_gap_before;
}

// What the hand of this stream says of a symbol: depth5, depth10, depth20 or 0 for the diff stream.
std::uint16_t partial_depth(std::string_view stream) {
  const std::size_t at = stream.find("@depth");
  if (at == std::string_view::npos) return 0;
  std::string_view levels = stream.substr(at + 6);
  levels = levels.substr(0, levels.find('@'));
  if (levels == "5") return 5;
  if (levels == "10") return 10;
  if (levels == "20") return 20;
  return 0;
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
  const InstrumentEntry* entry = context.instrument(fields.text(symbol), fields.token(margin));
  if (entry == nullptr) return;
  market::Trade trade;
  trade.price = fields.price(price, *entry);
  trade.quantity = fields.quantity(quantity, *entry);
  trade.quantity_without_rpi = fields.optional_quantity(quantity_no_rpi, *entry);
  trade.trade_id = fields.integer(id);
  trade.first_id = fields.integer(first);
  trade.last_id = fields.integer(last);
  trade.taker_side = fields.boolean(is_maker) ? Side::sell : Side::buy;
  trade.fill_count = fills_between(trade.first_id, trade.last_id);
  const std::int64_t exchange_ns = fields.time_ms(trade_ms);
  if (!context.tx.ok()) return;

  std::int64_t before = market::unknown_id;
  const Verdict verdict =
      verdict_of(context, &Streams::agg_trade, *entry, trade.trade_id, true, before);
  context.tx.count_other(*entry);
  if (verdict == Verdict::repeat) return;
  const std::uint8_t flags =
      emit_trade_gap(context, verdict, *entry, exchange_ns, before, trade.trade_id);
  if (auto* record = context.tx.emit<market::Trade>(RecordType::trade, *entry, exchange_ns, flags))
    *record = trade;
}

void on_trade(Context& context, ondemand::object event) {
  enum { type, event_ms, trade_ms, symbol, id, price, quantity, execution, is_maker, margin };
  static constexpr auto keys =
      std::to_array<std::string_view>({"e", "E", "T", "s", "t", "p", "q", "X", "m", "st"});
  context.set_kind(Kind::trade);
  json::FlatObject fields(event, keys, context.own.fault);
  const InstrumentEntry* entry = context.instrument(fields.text(symbol), fields.token(margin));
  if (entry == nullptr) return;
  market::Trade trade;
  trade.price = fields.price(price, *entry);
  trade.quantity = fields.quantity(quantity, *entry);
  trade.trade_id = fields.integer(id);
  trade.fill_count = 1;
  trade.taker_side = fields.boolean(is_maker) ? Side::sell : Side::buy;
  const std::string_view how = fields.optional_text(execution);
  const std::int64_t exchange_ns = fields.time_ms(trade_ms);
  if (!context.tx.ok()) return;

  const bool is_market = how.empty() || how == "MARKET";
  if (!is_market) context.set_kind(Kind::trade_not_market);
  std::int64_t before = market::unknown_id;
  const Verdict verdict =
      verdict_of(context, &Streams::trade, *entry, trade.trade_id, true, before);
  context.tx.count_other(*entry);
  if (verdict == Verdict::repeat) return;
  const std::uint8_t flags =
      emit_trade_gap(context, verdict, *entry, exchange_ns, before, trade.trade_id);
  if (!is_market) return;  // not an agreement between two traders
  if (auto* record = context.tx.emit<market::Trade>(RecordType::trade, *entry, exchange_ns, flags))
    *record = trade;
}

void on_book_ticker(Context& context, ondemand::object event) {
  enum { type, update_id, symbol, bid, bid_size, ask, ask_size, trade_ms, event_ms, margin };
  static constexpr auto keys =
      std::to_array<std::string_view>({"e", "u", "s", "b", "B", "a", "A", "T", "E", "st"});
  context.set_kind(Kind::book_ticker);
  json::FlatObject fields(event, keys, context.own.fault);
  const InstrumentEntry* entry = context.instrument(fields.text(symbol), fields.token(margin));
  if (entry == nullptr) return;
  market::Bbo bbo;
  bbo.bid_price = fields.price(bid, *entry);
  bbo.bid_quantity = fields.quantity(bid_size, *entry);
  bbo.ask_price = fields.price(ask, *entry);
  bbo.ask_quantity = fields.quantity(ask_size, *entry);
  bbo.update_id = fields.integer(update_id);
  std::int64_t exchange_ns = fields.optional_time_ms(trade_ms);
  if (exchange_ns == core::unknown_ns) exchange_ns = fields.time_ms(event_ms);
  if (!context.tx.ok()) return;

  std::int64_t before = market::unknown_id;
  const Verdict verdict =
      verdict_of(context, &Streams::book_ticker, *entry, bbo.update_id, false, before);
  context.tx.count_other(*entry);
  if (verdict == Verdict::repeat) return;
  if (auto* record = context.tx.emit<market::Bbo>(RecordType::bbo, *entry, exchange_ns))
    *record = bbo;
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
  const bool is_rpi = context.stream.find("@rpiDepth") != std::string_view::npos;
  const std::uint16_t depth = partial_depth(context.stream);
  context.set_kind(is_rpi ? Kind::rpi_depth : depth != 0 ? Kind::depth_partial : Kind::depth_diff);
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
  const std::int64_t first_id = json::integer(tokens[first], true, fault, "U");
  const std::int64_t last_id = json::integer(tokens[last], true, fault, "u");
  const std::int64_t previous_id = json::integer(tokens[previous], true, fault, "pu");
  std::int64_t exchange_ns = json::time_ms(tokens[trade_ms], false, fault, "T");
  if (exchange_ns == core::unknown_ns)
    exchange_ns = json::time_ms(tokens[event_ms], true, fault, "E");
  if (!context.close()) return;
  context.tx.count_other(*entry);
  // The book with retail orders in it is another book than the one everybody can trade on: read,
  // counted, not kept.
  if (is_rpi) return;

  Streams& streams = context.own.streams_of(*entry);
  market::Book* book = nullptr;
  if (depth != 0) {
    market::SnapshotBookSequence& sequence = streams.partial_books[depth == 5    ? 0
                                                                   : depth == 10 ? 1
                                                                                 : 2];
    book =
        context.tx.emit_book(RecordType::book_snapshot, *entry, exchange_ns, 0, market::unknown_id,
                             last_id, [&] { return sequence.snapshot(exchange_ns); });
  } else {
    if (streams.book == nullptr) streams.book = std::make_unique<market::BinanceBookSequence>();
    book = context.tx.emit_book(
        RecordType::book_delta, *entry, exchange_ns, 0, streams.book->last_id(), previous_id,
        [&] { return streams.book->delta(first_id, last_id, previous_id); });
  }
  if (book == nullptr) return;
  book->first_id = first_id;
  book->last_id = last_id;
  book->previous_id = previous_id;
  book->depth = depth;
}

}  // namespace perp::venue::binance
