// Order books: incremental ones with their chain of ids and, in recordings, their checksum; whole
// ones; the touch.
#include "venue/okx.hpp"

#include <algorithm>

namespace perp::venue::okx {

using market::Continuity;
using market::InstrumentEntry;
using market::RecordType;

namespace {

/// A book row's levels into own.bids and own.asks, their texts beside them.
void read_sides(Context& context, json::Object& row, const InstrumentEntry& entry) {
  State& own = context.own;
  const auto read = [&](std::string_view key, std::vector<market::Level>& levels,
                        std::vector<LevelText>& texts) {
    levels.clear();
    texts.clear();
    json::ondemand::array rows;
    if (!row.array(key, rows)) return;
    json::each_row<2>(rows, own.fault, key, [&](const json::Row<2>& cells) {
      market::Level level;
      level.price =
          json::decimal(cells.cell(0), json::inverse(entry.price_divisor), true, own.fault, key);
      level.quantity = json::level_size(cells.cell(1), entry, own.fault, key);
      levels.push_back(level);
      texts.push_back({cells.cells[0].text, cells.cells[1].text});
    });
  };
  read("asks", own.asks, own.ask_texts);
  read("bids", own.bids, own.bid_texts);
}

bool is_plain_decimal(std::string_view text) {
  return !text.empty() && text.size() <= 24 && text.front() != '.' && text.back() != '.' &&
         text.find_first_not_of("0123456789.") == std::string_view::npos &&
         std::count(text.begin(), text.end(), '.') <= 1;
}

bool are_plain(const std::vector<LevelText>& texts) {
  return std::all_of(texts.begin(), texts.end(), [](const LevelText& text) {
    return is_plain_decimal(text.price) && is_plain_decimal(text.size);
  });
}

/// Applies the message to the book kept as text. @returns Book::checksum_state.
std::uint8_t verify(State& own, BookState& state, const BookEvent& row, Continuity found) {
  const bool has_checksum = row.checksum != 0;
  if (row.is_snapshot && has_checksum) {
    if (state.text == nullptr) state.text = std::make_unique<TextBook>();
    state.text->book.clear();
    state.text->is_whole = true;
  }
  if (state.text == nullptr) return 0;
  TextBook& text = *state.text;
  // Without a checksum nothing says that the texts are plain decimals; without continuity the book
  // is lost anyway.
  text.is_whole &= has_checksum && found != Continuity::gap && found != Continuity::stale;
  if (!text.is_whole) return 0;
  bool is_taken = true;
  for (const LevelText& level : own.bid_texts)
    is_taken &= text.book.set_bid(level.price, level.size);
  for (const LevelText& level : own.ask_texts)
    is_taken &= text.book.set_ask(level.price, level.size);
  PERP_ASSERT(is_taken);  // are_plain() was asked
  text.is_whole = is_taken && text.book.checksum() == row.checksum;
  return text.is_whole ? 1 : 2;
}

/// Whether a book of this depth is kept by one of the instrument's streams.
bool has_live_stream(const Market& known, std::uint16_t depth) {
  for (std::size_t i = 0; i < known.books.size(); ++i)
    if (channel_levels[i] == depth && !known.books[i].sequence.needs_snapshot()) return true;
  return false;
}

}  // namespace

void read_book(Context& context, json::ondemand::array& data, BookChannel channel,
               std::string_view action) {
  State& own = context.own;
  json::Fault& fault = own.fault;
  BookEvent row;
  row.channel = channel;
  row.is_snapshot = action == "snapshot";
  if (!row.is_snapshot && action != "update") fault.raise(DecodeStatus::unknown_value, "action");
  row.entry = fault.ok() ? requested_instrument(context) : nullptr;
  if (row.entry == nullptr) return;
  std::size_t row_count = 0;
  json::each_object(data, fault, "data", [&](json::ondemand::object object) {
    json::Object fields(object, fault);
    read_sides(context, fields, *row.entry);
    row.exchange_ns = fields.time_ms("ts");
    row.checksum = fields.optional_integer("checksum");
    row.sequence = fields.optional_integer("seqId");
    row.previous = fields.optional_integer("prevSeqId");
    if (++row_count > 1)
      fault.raise(DecodeStatus::unknown_value, "data");  // a message is one step of the chain
  });
  if (row_count == 0) fault.raise(DecodeStatus::missing_field, "data");
  if (row.checksum == market::unknown_id) row.checksum = 0;
  if (row.checksum != static_cast<std::int32_t>(row.checksum))
    fault.raise(DecodeStatus::out_of_range, "checksum");
  if (row.checksum != 0 && !(are_plain(own.bid_texts) && are_plain(own.ask_texts)))
    fault.raise(DecodeStatus::wrong_type, "data");
  if (context.message.ok()) take(context, row);
}

void take(Context& context, const BookEvent& row) {
  State& own = context.own;
  Transaction& message = context.message;
  BookState& state = own.market(row.entry->id).books[row.channel];
  const std::int64_t last_id = state.sequence.last_id();
  std::uint8_t checksum_state = 0;
  // Asked when nothing can refuse the message any more: from here the book's state moves.
  const auto judge = [&] {
    Continuity found = Continuity::unchecked;
    if (row.is_snapshot) {
      found = state.sequence.snapshot(row.sequence, row.previous);
      state.had_snapshot = true;
    } else if (row.sequence != market::unknown_id || state.had_snapshot) {
      found = state.sequence.delta(row.sequence, row.previous);
    }  // else a recording from before the ids that begins in the middle: there is nothing to hold
       // it against
    checksum_state = verify(own, state, row, found);
    if (checksum_state == 2) {
      state.sequence.invalidate();
      found = Continuity::gap;
    }
    return found;
  };
  const std::uint8_t flags = row.is_snapshot ? market::flag_snapshot : 0;
  auto* book = message.emit_book(
      row.is_snapshot ? RecordType::book_snapshot : RecordType::book_delta, *row.entry,
      row.exchange_ns, flags, last_id, row.is_snapshot ? row.sequence : row.previous, judge);
  if (book == nullptr) return;
  book->last_id = row.sequence;
  book->previous_id = row.previous;
  book->depth = channel_levels[row.channel];
  book->checksum = static_cast<std::uint32_t>(static_cast<std::int32_t>(row.checksum));
  book->checksum_state = checksum_state;
  if (checksum_state == 0) return;
  message.count_checksum(checksum_state == 1);
  if (checksum_state == 2) {  // the gap record behind the book has another cause
    const std::span<std::byte> bytes = message.sink().bytes();
    auto& gap = *reinterpret_cast<market::Gap*>(bytes.data() + bytes.size() - sizeof(market::Gap));
    gap.cause = market::GapCause::checksum;
    gap.expected_id = gap.got_id = market::unknown_id;
  }
}

void read_books5(Context& context, json::ondemand::array& data) {
  json::Fault& fault = context.fault();
  Books5Event event;
  event.entry = requested_instrument(context);
  if (event.entry == nullptr) return;
  json::each_object(data, fault, "data", [&](json::ondemand::object object) {
    json::Object fields(object, fault);
    read_sides(context, fields, *event.entry);
    event.exchange_ns = fields.time_ms("ts");
    event.sequence = fields.optional_integer("seqId");
    if (context.message.ok()) take(context, event);
  });
}

void take(Context& context, const Books5Event& event) {
  Pending& pending = context.own.pending;
  if (pending.books5_of != event.entry->id) {  // the message's first
    pending.books5 = context.own.market(event.entry->id).books5;
    pending.books5_of = event.entry->id;
  }
  auto* book =
      context.message.emit_book(RecordType::book_snapshot, *event.entry, event.exchange_ns,
                                market::flag_snapshot, market::unknown_id, event.sequence,
                                [&] { return pending.books5.snapshot(event.exchange_ns); });
  if (book == nullptr) return;
  book->last_id = event.sequence;
  book->depth = 5;
}

void read_bbo(Context& context, json::ondemand::array& data) {
  json::Fault& fault = context.fault();
  const InstrumentEntry* entry = requested_instrument(context);
  if (entry == nullptr) return;
  json::each_object(data, fault, "data", [&](json::ondemand::object object) {
    json::Object fields(object, fault);
    QuoteEvent bbo;
    bbo.entry = entry;
    const auto read = [&](std::string_view key, double& price, double& quantity,
                          std::uint32_t& orders) {
      json::ondemand::array rows;
      bool is_first = true;
      if (!fields.array(key, rows)) return;
      json::each_row<4>(rows, fault, key, [&](const json::Row<4>& cells) {
        if (!std::exchange(is_first, false)) return;
        price = json::decimal(cells.cell(0), json::inverse(entry->price_divisor), true, fault, key);
        quantity = json::coins(cells.cell(1), *entry, true, fault, key);
        const std::int64_t count = json::integer(cells.cell(3), false, fault, key);
        if (count > 0xffff'ffff) fault.raise(DecodeStatus::out_of_range, key);
        if (count > 0) orders = static_cast<std::uint32_t>(count);
      });
    };
    read("asks", bbo.ask_price, bbo.ask_quantity, bbo.ask_orders);
    read("bids", bbo.bid_price, bbo.bid_quantity, bbo.bid_orders);
    bbo.exchange_ns = fields.time_ms("ts");
    bbo.update_id = fields.optional_integer("seqId");
    if (context.message.ok()) take(context, bbo);
  });
}

void take(Context& context, const QuoteEvent& event) {
  if (auto* record =
          context.message.emit<market::Bbo>(RecordType::bbo, *event.entry, event.exchange_ns))
    *record = event;
}

void read_rest_book(Context& context, json::ondemand::array& data) {
  State& own = context.own;
  json::Fault& fault = own.fault;
  const InstrumentEntry* entry = requested_instrument(context);
  if (entry == nullptr) return;
  json::each_object(data, fault, "data", [&](json::ondemand::object object) {
    json::Object fields(object, fault);
    read_sides(context, fields, *entry);
    const std::int64_t exchange_ns = fields.time_ms("ts");
    const std::int64_t sequence = fields.optional_integer("seqId");
    if (!context.message.ok()) return;
    const auto depth = static_cast<std::uint16_t>(
        std::min<std::size_t>(std::max(own.bids.size(), own.asks.size()), 0xffff));
    // A reply is older than the stream by its way here: it never replaces the book that a stream of
    // its depth keeps.
    const Continuity found =
        has_live_stream(own.market(entry->id), depth) ? Continuity::stale : Continuity::unchecked;
    auto* book =
        context.message.emit_book(RecordType::book_snapshot, *entry, exchange_ns, context.flags_now,
                                  market::unknown_id, sequence, [&] { return found; });
    if (book == nullptr) return;
    book->last_id = sequence;
    book->depth = depth;
  });
}

}  // namespace perp::venue::okx
