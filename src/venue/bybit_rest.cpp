// REST replies, beginning with their `result`. Lists are newest first and go out oldest first.
#include "venue/bybit.hpp"
#include "venue/record_order.hpp"

namespace perp::venue::bybit {

using market::InstrumentEntry;
using market::RecordType;

namespace {

/// The one instrument that a reply is about: named by the body, else by the request.
const InstrumentEntry* instrument(Answer& answer, std::string_view key = "symbol") {
  std::string_view symbol = answer.result.optional_text(key);
  if (symbol.empty()) symbol = answer.request.symbol;
  const std::string_view native =
      answer.fault().ok() ? native_key(answer.own, answer.category, symbol) : std::string_view();
  if (!answer.fault().ok()) return nullptr;
  const InstrumentEntry* entry = answer.message.instrument(native);
  if (entry != nullptr) answer.message.count_other(*entry);
  return entry;
}

const InstrumentEntry* row_instrument(Answer& answer, std::string_view symbol) {
  const std::string_view native =
      answer.fault().ok() ? native_key(answer.own, answer.category, symbol) : std::string_view();
  return answer.fault().ok() ? answer.message.instrument(native) : nullptr;
}

/// Reads a list of objects twice: first every row's instrument, whose records must come first, then
/// the rows.
template <class Visit>
void each_instrument_row(Answer& answer, bool is_newest_first, Visit visit) {
  json::ondemand::array list;
  json::Fault& fault = answer.fault();
  if (!answer.result.array("list", list)) return;
  const bool is_known = json::each_object(list, fault, "list", [&](json::ondemand::object object) {
    const InstrumentEntry* entry =
        row_instrument(answer, json::Object(object, fault).text("symbol"));
    if (entry != nullptr) answer.message.count_other(*entry);
  });
  if (!is_known || !json::restart(list, fault, "list")) return;
  RecordSink& sink = answer.message.sink();
  const std::size_t from_bytes = sink.bytes().size();
  json::each_object(list, fault, "list", [&](json::ondemand::object object) {
    if (answer.message.ok()) visit(object);
  });
  if (!answer.message.ok()) return;
  if (is_newest_first)
    order_newest_first(sink, from_bytes);
  else
    order_by_time(sink, from_bytes);
}

/// The period asked for; unknown when the request does not tell it, a fault when it cannot be read.
std::int64_t period_of(Answer& answer) {
  std::int64_t period_ns = core::unknown_ns;
  if (!answer.request.period.empty() && !read_interval(answer.request.period, period_ns))
    answer.fault().raise(DecodeStatus::unknown_value, "period");
  return period_ns;
}

void read_klines(Answer& answer, market::PriceKind kind) {
  const InstrumentEntry* entry = instrument(answer);
  const std::int64_t interval_ns = period_of(answer);
  json::ondemand::array list;
  if (entry == nullptr || !answer.result.array("list", list)) return;
  json::Fault& fault = answer.fault();
  // A premium is a fraction; a price belongs to the named unit.
  const market::Scale price =
      kind == market::PriceKind::premium ? market::Scale{} : json::inverse(entry->price_divisor);
  RecordSink& sink = answer.message.sink();
  const std::size_t from_bytes = sink.bytes().size();
  bool is_newest = true;
  json::each_row<7>(list, fault, "list", [&](const json::Row<7>& row) {
    market::Kline kline;
    kline.open_ns = json::time_ms(row.cell(0), true, fault, "start");
    kline.interval_ns = interval_ns;
    kline.open = json::decimal(row.cell(1), price, true, fault, "open");
    kline.high = json::decimal(row.cell(2), price, true, fault, "high");
    kline.low = json::decimal(row.cell(3), price, true, fault, "low");
    kline.close = json::decimal(row.cell(4), price, true, fault, "close");
    if (kind == market::PriceKind::last) {
      const json::Token volume = row.cell(5);
      const json::Token turnover = row.cell(6);
      kline.volume_base = entry->has_quantity_factor
                              ? json::coins(volume, *entry, true, fault, "volume")
                              : json::decimal(turnover, {}, true, fault, "turnover");
      kline.volume_quote = json::decimal(entry->has_quantity_factor ? turnover : volume, {}, true,
                                         fault, "turnover");
    }
    kline.price_kind = kind;
    // A bar with a newer one above it is closed; the newest is when it ended before the reply was
    // made.
    if (!is_newest)
      kline.is_closed = market::Tristate::yes;
    else if (answer.server_ns != core::unknown_ns && interval_ns != core::unknown_ns && fault.ok())
      kline.is_closed = kline.open_ns + interval_ns <= answer.server_ns ? market::Tristate::yes
                                                                        : market::Tristate::no;
    is_newest = false;
    if (!answer.message.ok()) return;
    auto* record = answer.message.emit<market::Kline>(RecordType::kline, *entry, kline.open_ns,
                                                      rest_flags(answer.request, false));
    if (record != nullptr) *record = kline;
  });
  if (answer.message.ok()) order_newest_first(sink, from_bytes);
}

void read_tickers(Answer& answer) {
  each_instrument_row(answer, false, [&](json::ondemand::object object) {
    const std::string_view symbol = json::Object(object, answer.fault()).text("symbol");
    const InstrumentEntry* entry = row_instrument(answer, symbol);
    bool has_items = false;
    if (entry == nullptr || object.reset().get(has_items) != simdjson::SUCCESS) return;
    MergedTicker ticker;
    const std::uint8_t parts = merge_ticker(object, *entry, ticker, answer.fault());
    if (answer.message.ok())
      emit_ticker(answer.message, *entry, ticker, parts, answer.server_ns,
                  rest_flags(answer.request, true));
  });
}

void read_book(Answer& answer, bool has_rpi) {
  const InstrumentEntry* entry = instrument(answer, "s");
  if (entry == nullptr) return;
  State& own = answer.own;
  read_levels(answer.result, "b", *entry, own.bids);
  read_levels(answer.result, "a", *entry, own.asks);
  const std::int64_t update_id = answer.result.optional_integer("u");
  const std::int64_t sequence = answer.result.optional_integer("seq");
  std::int64_t exchange_ns = answer.result.optional_time_ms("cts");
  if (exchange_ns == core::unknown_ns) exchange_ns = answer.result.optional_time_ms("ts");
  if (!answer.message.ok()) return;
  const auto levels = static_cast<std::uint16_t>(
      std::min<std::size_t>(std::max(own.bids.size(), own.asks.size()), 1000));
  const std::uint16_t depth = has_rpi ? std::uint16_t{51} : levels;
  // Its ids belong to no subscribed stream: it never replaces the book that a stream of this depth
  // keeps.
  market::Continuity found = market::Continuity::unchecked;
  const Market& known = own.market(entry->id);
  for (std::size_t i = 0; i < depths.size(); ++i)
    if (depths[i].levels == depth && !known.books[i].needs_snapshot())
      found = market::Continuity::stale;
  auto* book = answer.message.emit_book(RecordType::book_snapshot, *entry, exchange_ns,
                                        rest_flags(answer.request, true), market::unknown_id,
                                        update_id, [&] { return found; });
  if (book == nullptr) return;
  book->last_id = update_id;
  book->sequence = sequence;
  book->depth = depth;
}

void read_trades(Answer& answer) {
  enum Index : std::size_t {
    i_id,
    i_symbol,
    i_price,
    i_size,
    i_side,
    i_time,
    i_block,
    i_rpi,
    i_seq
  };
  static constexpr std::array<std::string_view, 9> keys = {
      "execId", "symbol", "price", "size", "side", "time", "isBlockTrade", "isRPITrade", "seq"};
  each_instrument_row(answer, true, [&](json::ondemand::object object) {
    json::Fault& fault = answer.fault();
    json::FlatObject row(object, keys, fault);
    const InstrumentEntry* entry = row_instrument(answer, row.text(i_symbol));
    if (entry == nullptr) return;
    market::Trade trade;
    trade.price = row.price(i_price, *entry);
    trade.quantity = row.quantity(i_size, *entry);
    trade.taker_side = read_side(row.text(i_side), fault, "side");
    trade.is_block = row.optional_boolean(i_block);
    trade.is_rpi = row.optional_boolean(i_rpi);
    trade.sequence = row.optional_integer(i_seq);
    const std::int64_t exchange_ns = row.time_ms(i_time);
    if (!read_trade_id(row.text(i_id), trade)) fault.raise(DecodeStatus::wrong_type, "execId");
    if (!answer.message.ok() || !is_wanted(answer.request, trade, exchange_ns) ||
        is_repeat(answer.message, answer.own, *entry, trade))
      return;
    auto* record = answer.message.emit<market::Trade>(RecordType::trade, *entry, exchange_ns,
                                                      rest_flags(answer.request, false));
    if (record != nullptr) *record = trade;
  });
}

void read_open_interest(Answer& answer) {
  enum Index : std::size_t { i_both, i_single, i_time };
  static constexpr std::array<std::string_view, 3> keys = {"openInterest", "singleOpenInterest",
                                                           "timestamp"};
  const InstrumentEntry* entry = instrument(answer);
  const std::int64_t period_ns = period_of(answer);
  json::ondemand::array list;
  if (entry == nullptr || !answer.result.array("list", list)) return;
  json::Fault& fault = answer.fault();
  RecordSink& sink = answer.message.sink();
  const std::size_t from_bytes = sink.bytes().size();
  json::each_object(list, fault, "list", [&](json::ondemand::object object) {
    json::FlatObject row(object, keys, fault);
    market::OpenInterest interest;
    const bool is_single = row.has(i_single);
    const std::size_t index = is_single ? i_single : i_both;
    const double share = is_single ? 1 : 0.5;  // exact
    interest.contracts = row.decimal(index) * share;
    interest.quantity = row.quantity(index, *entry) * share;
    if (!entry->has_quantity_factor) interest.notional = interest.contracts;  // contracts of 1 USD
    if (is_single) row.optional_decimal(i_both);
    interest.was_both_sides = is_single ? 0 : 1;
    interest.period_ns = period_ns;
    const std::int64_t exchange_ns = row.time_ms(i_time);
    if (!answer.message.ok()) return;
    auto* record = answer.message.emit<market::OpenInterest>(
        RecordType::open_interest, *entry, exchange_ns, rest_flags(answer.request, false));
    if (record != nullptr) *record = interest;
  });
  if (answer.message.ok()) order_newest_first(sink, from_bytes);
}

void read_funding(Answer& answer) {
  enum Index : std::size_t { i_symbol, i_rate, i_time };
  static constexpr std::array<std::string_view, 3> keys = {"symbol", "fundingRate",
                                                           "fundingRateTimestamp"};
  each_instrument_row(answer, true, [&](json::ondemand::object object) {
    json::FlatObject row(object, keys, answer.fault());
    const InstrumentEntry* entry = row_instrument(answer, row.text(i_symbol));
    if (entry == nullptr) return;
    market::Funding funding;
    funding.rate = row.decimal(i_rate);
    funding.funding_ns = row.time_ms(i_time);
    funding.kind = market::FundingKind::settled;
    if (!answer.message.ok()) return;
    auto* record = answer.message.emit<market::Funding>(
        RecordType::funding, *entry, funding.funding_ns, rest_flags(answer.request, false));
    if (record != nullptr) *record = funding;
  });
}

void read_ratio(Answer& answer) {
  enum Index : std::size_t { i_symbol, i_buy, i_sell, i_time };
  static constexpr std::array<std::string_view, 4> keys = {"symbol", "buyRatio", "sellRatio",
                                                           "timestamp"};
  const std::int64_t period_ns = period_of(answer);
  each_instrument_row(answer, true, [&](json::ondemand::object object) {
    json::FlatObject row(object, keys, answer.fault());
    const InstrumentEntry* entry = row_instrument(answer, row.text(i_symbol));
    if (entry == nullptr) return;
    market::LongShortRatio ratio;
    ratio.long_share = row.decimal(i_buy);
    ratio.short_share = row.decimal(i_sell);
    if (ratio.short_share > 0) ratio.ratio = ratio.long_share / ratio.short_share;
    ratio.period_ns = period_ns;
    ratio.kind = market::RatioKind::global_account;
    const std::int64_t exchange_ns = row.time_ms(i_time);
    if (!answer.message.ok()) return;
    auto* record = answer.message.emit<market::LongShortRatio>(
        RecordType::long_short_ratio, *entry, exchange_ns, rest_flags(answer.request, false));
    if (record != nullptr) *record = ratio;
  });
}

}  // namespace

void read_answer(Answer& answer, std::uint8_t kind) {
  if (!answer.fault().ok()) return;
  switch (kind) {
    case kind_rest_kline: return read_klines(answer, market::PriceKind::last);
    case kind_rest_mark_kline: return read_klines(answer, market::PriceKind::mark);
    case kind_rest_index_kline: return read_klines(answer, market::PriceKind::index);
    case kind_rest_premium_kline: return read_klines(answer, market::PriceKind::premium);
    case kind_rest_tickers: return read_tickers(answer);
    case kind_rest_book: return read_book(answer, false);
    case kind_rest_rpi_book: return read_book(answer, true);
    case kind_rest_trades: return read_trades(answer);
    case kind_rest_open_interest: return read_open_interest(answer);
    case kind_rest_funding: return read_funding(answer);
    case kind_rest_ratio: return read_ratio(answer);
    case kind_rest_instruments: return read_instruments(answer);
    case kind_rest_time:
      answer.result.integer("timeSecond");
      answer.result.integer("timeNano");
      return;
    default: PERP_ASSERT(false);
  }
}

}  // namespace perp::venue::bybit
