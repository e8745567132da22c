// Binance: books.
#include "venue/binance_shapes.hpp"
#include "venue/rows.hpp"

namespace perp::venue::binance {

namespace ondemand = json::ondemand;
using market::InstrumentEntry;
using market::RecordType;

namespace {

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

}  // namespace

bool read_depth(const Reading& reading) {
  State& own = reading.message.own;
  own.bids.clear();
  own.asks.clear();
  DepthEvent event;
  event.bids = &own.bids;
  event.asks = &own.asks;
  if (!reading.matches<DepthShape>(event)) return false;
  take(reading.message, event);
  return true;
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

}  // namespace perp::venue::binance
