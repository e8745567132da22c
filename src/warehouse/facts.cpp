#include "warehouse/facts.hpp"

#include "warehouse/wire.hpp"

#include <perp/core/time.hpp>
#include <perp/market/liquidity.hpp>
#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <tuple>

namespace perp::warehouse {
namespace {

using market::payload;
using market::RecordHeader;

std::uint64_t content_hash(std::string_view bytes) {
  std::uint64_t hash = 14695981039346656037u;
  for (char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash ^ hash >> 32;
}

template <class Payload>
std::string_view bytes_of(const Payload& payload) {
  return {reinterpret_cast<const char*>(&payload), sizeof payload};
}

std::int64_t ms_of(std::int64_t ns) {
  return core::floor_to(ns, core::ns_per_ms) / core::ns_per_ms;
}

void put_ms(FactWriter& out, std::int64_t ns) {
  if (ns == core::unknown_ns)
    out.null();
  else
    out.int8(ms_of(ns));
}

// klines ---------------------------------------------------------------------------------------
constexpr auto kline_columns = std::to_array<std::string_view>(
    {"ts", "exchange_id", "symbol", "interval", "close_ts", "open", "high", "low", "close",
     "volume", "quote_volume", "trade_count", "taker_buy_base", "taker_buy_quote"});

// A candle still open is no row: its values would be those of no interval.
std::int64_t kline_time(const RecordHeader& record) {
  const auto& kline = payload<market::Kline>(record);
  if (kline.price_kind != market::PriceKind::last || kline.is_closed == market::Tristate::no)
    return skip;
  if (kline.is_closed == market::Tristate::unknown && kline.interval_ns > 0 &&
      kline.open_ns != core::unknown_ns &&
      (record.receive_ns == core::unknown_ns ||
       kline.open_ns + kline.interval_ns > record.receive_ns))
    return skip;
  return kline.interval_ns > 0 ? kline.open_ns : skip;
}

void write_kline(const RecordHeader& record, const FactSubject& subject, FactWriter& out) {
  const auto& kline = payload<market::Kline>(record);
  out.text(interval_text(kline.interval_ns));
  out.int8(subject.ts + kline.interval_ns / core::ns_per_ms - 1);
  for (double value :
       {kline.open, kline.high, kline.low, kline.close, kline.volume_base, kline.volume_quote})
    out.float8(value);
  if (kline.trade_count == market::unknown_id || kline.trade_count > 0x7fffffff)
    out.null();
  else
    out.int4(static_cast<std::int32_t>(kline.trade_count));
  out.float8(kline.taker_buy_base);
  out.float8(kline.taker_buy_quote);
}

// trades ---------------------------------------------------------------------------------------
constexpr auto trade_columns = std::to_array<std::string_view>(
    {"ts", "exchange_id", "symbol", "trade_id", "price", "size", "side", "is_large", "fills"});

std::int64_t event_time(const RecordHeader& record) { return record.exchange_ns; }

void write_side(FactWriter& out, market::Side side) {
  if (side == market::Side::unknown)
    out.null();
  else
    out.text(side == market::Side::buy ? "buy" : "sell");
}

void write_trade(const RecordHeader& record, const FactSubject& subject, FactWriter& out) {
  const auto& trade = payload<market::Trade>(record);
  if (trade.trade_id_high != market::unknown_id)
    out.text(fmt::format("{:016x}{:016x}", static_cast<std::uint64_t>(trade.trade_id_high),
                         static_cast<std::uint64_t>(trade.trade_id)));
  else if (trade.trade_id != market::unknown_id)
    out.text(std::to_string(trade.trade_id));
  else
    out.text(fmt::format("{:016x}.{}", content_hash(bytes_of(trade)), subject.repeat));
  out.float8(trade.price);
  out.float8(trade.quantity);
  write_side(out, trade.taker_side);
  out.null();  // what is large depends on the day before: the screener says it
  if (trade.fill_count == 0 || trade.fill_count > 0x7fffffff)
    out.null();
  else
    out.int4(static_cast<std::int32_t>(trade.fill_count));
}

// funding_rates --------------------------------------------------------------------------------
constexpr auto funding_columns = std::to_array<std::string_view>(
    {"ts", "exchange_id", "symbol", "rate", "next_rate", "mark_price", "interval_h", "next_ts"});

std::int64_t funding_time(const RecordHeader& record) {
  const auto& funding = payload<market::Funding>(record);
  if (funding.kind != market::FundingKind::settled || std::isnan(funding.rate)) return skip;
  return funding.funding_ns != core::unknown_ns ? funding.funding_ns : record.exchange_ns;
}

void write_funding(const RecordHeader& record, const FactSubject&, FactWriter& out) {
  const auto& funding = payload<market::Funding>(record);
  const bool has_interval = funding.interval_ns > 0;  // unknown is below 0
  out.float8(funding.rate);
  out.float8(funding.next_rate);
  out.float8(funding.mark_price);
  out.float8(has_interval
                 ? static_cast<double>(funding.interval_ns) / static_cast<double>(core::ns_per_hour)
                 : market::missing);
  put_ms(out, has_interval && funding.funding_ns != core::unknown_ns
                  ? funding.funding_ns + funding.interval_ns
                  : core::unknown_ns);
}

// open_interest, long_short_ratio: the venue's history by period ---------------------------------
constexpr auto open_interest_columns = std::to_array<std::string_view>(
    {"ts", "exchange_id", "symbol", "period", "open_interest", "open_interest_value"});

std::int64_t open_interest_time(const RecordHeader& record) {
  return payload<market::OpenInterest>(record).period_ns > 0 ? record.exchange_ns : skip;
}

void write_open_interest(const RecordHeader& record, const FactSubject&, FactWriter& out) {
  const auto& interest = payload<market::OpenInterest>(record);
  out.text(interval_text(interest.period_ns));
  out.float8(interest.quantity);
  out.float8(interest.notional);
}

constexpr auto ratio_columns =
    std::to_array<std::string_view>({"ts", "exchange_id", "symbol", "period", "kind",
                                     "long_short_ratio", "long_account", "short_account"});

std::string_view ratio_kind(market::RatioKind kind) {
  switch (kind) {
    case market::RatioKind::global_account: return "global_account";
    case market::RatioKind::top_account: return "top_account";
    case market::RatioKind::top_position: return "top_position";
    case market::RatioKind::taker:
    case market::RatioKind::unknown: break;
  }
  return {};
}

std::int64_t ratio_time(const RecordHeader& record) {
  const auto& ratio = payload<market::LongShortRatio>(record);
  // An unknown period is below 0.
  const bool is_row = ratio.period_ns > 0 && !ratio_kind(ratio.kind).empty();
  return is_row ? record.exchange_ns : skip;
}

void write_ratio(const RecordHeader& record, const FactSubject&, FactWriter& out) {
  const auto& ratio = payload<market::LongShortRatio>(record);
  out.text(interval_text(ratio.period_ns));
  out.text(ratio_kind(ratio.kind));
  out.float8(ratio.ratio);
  out.float8(ratio.long_share);
  out.float8(ratio.short_share);
}

// liquidations ---------------------------------------------------------------------------------
constexpr auto liquidation_columns =
    std::to_array<std::string_view>({"ts", "exchange_id", "symbol", "liq_id", "side", "price",
                                     "quantity", "quote_qty", "order_id", "is_complete"});

std::int64_t liquidation_time(const RecordHeader& record) {
  return payload<market::Liquidation>(record).position_side == market::PositionSide::unknown
             ? skip
             : record.exchange_ns;
}

void write_liquidation(const RecordHeader& record, const FactSubject& subject, FactWriter& out) {
  const auto& liquidation = payload<market::Liquidation>(record);
  out.text(fmt::format("{:016x}.{}", content_hash(bytes_of(liquidation)), subject.repeat));
  out.text(liquidation.position_side == market::PositionSide::long_side ? "long" : "short");
  out.float8(liquidation.price);
  out.float8(liquidation.quantity);
  out.float8(liquidation.price * liquidation.quantity);
  out.null();  // no venue gives an order's id
  out.boolean((record.flags & market::flag_sampled) != 0 ? market::Tristate::no
                                                         : market::Tristate::yes);
}

// Samples: what the engine concluded of a market at a moment
// ---------------------------------------
constexpr auto ticker_columns = std::to_array<std::string_view>(
    {"ts", "exchange_id", "symbol", "last_price", "mark_price", "index_price", "best_bid_price",
     "best_bid_qty", "best_ask_price", "best_ask_qty", "volume_24h", "turnover_24h",
     "open_interest", "open_interest_notional", "price_change_24h", "price_change_pct", "high_24h",
     "low_24h"});

void write_ticker(const RecordHeader& record, const FactSubject&, FactWriter& out) {
  const auto& sample = payload<market::TickerSample>(record);
  for (double value :
       {sample.last_price, sample.mark_price, sample.index_price, sample.bid_price,
        sample.bid_quantity, sample.ask_price, sample.ask_quantity, sample.volume_base_24h,
        sample.volume_quote_24h, sample.open_interest, sample.open_interest_notional,
        sample.change_24h, sample.change_fraction_24h, sample.high_24h, sample.low_24h})
    out.float8(value);
}

constexpr auto orderbook_columns = std::to_array<std::string_view>(
    {"ts", "exchange_id", "symbol", "bids_notional", "asks_notional", "spread_bps", "bid_levels",
     "ask_levels", "best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty",
     "imbalance_5", "imbalance_10", "imbalance_20"});

void write_orderbook(const RecordHeader& record, const FactSubject&, FactWriter& out) {
  const auto& sample = payload<market::Liquidity>(record);
  for (double value : {sample.bids_notional, sample.asks_notional,
                       market::spread_bps(sample.bid_price, sample.ask_price)})
    out.float8(value);
  out.int4(static_cast<std::int32_t>(sample.bid_levels));
  out.int4(static_cast<std::int32_t>(sample.ask_levels));
  for (double value : {sample.bid_price, sample.bid_quantity, sample.ask_price, sample.ask_quantity,
                       sample.imbalance_5, sample.imbalance_10, sample.imbalance_20})
    out.float8(value);
}

constexpr auto depth_columns = std::to_array<std::string_view>(
    {"ts",         "exchange_id", "symbol",    "mid_price", "bid_1bps",    "bid_2_5bps",
     "bid_5bps",   "bid_10bps",   "bid_20bps", "bid_50bps", "bid_100bps",  "ask_1bps",
     "ask_2_5bps", "ask_5bps",    "ask_10bps", "ask_20bps", "ask_50bps",   "ask_100bps",
     "bid_pct05",  "bid_pct1",    "bid_pct2",  "bid_pct5",  "bid_pct10",   "ask_pct05",
     "ask_pct1",   "ask_pct2",    "ask_pct5",  "ask_pct10", "max_bid_bps", "max_ask_bps"});
constexpr std::size_t bands_in_bps = 7;       // 1 to 100 bps
constexpr std::size_t first_band_in_pct = 5;  // 0.5 % is 50 bps
static_assert(market::depth_bands_bps[bands_in_bps - 1] == 100 &&
              market::depth_bands_bps[first_band_in_pct] == 50 &&
              depth_columns.size() == 3 + 1 + 2 * bands_in_bps +
                                          2 * (market::depth_band_count - first_band_in_pct) + 2);

void write_depth(const RecordHeader& record, const FactSubject&, FactWriter& out) {
  const auto& sample = payload<market::Liquidity>(record);
  out.float8(sample.mid_price);
  for (const auto* side : {&sample.bid_depth, &sample.ask_depth})
    for (std::size_t band = 0; band < bands_in_bps; ++band) out.float8((*side)[band]);
  for (const auto* side : {&sample.bid_depth, &sample.ask_depth})
    for (std::size_t band = first_band_in_pct; band < side->size(); ++band)
      out.float8((*side)[band]);
  out.float8(sample.max_bid_bps);
  out.float8(sample.max_ask_bps);
}

constexpr auto slippage_columns = std::to_array<std::string_view>(
    {"ts", "exchange_id", "symbol", "trade_amount", "mid_price", "buy_avg_price",
     "buy_slippage_bps", "buy_slippage_pct", "buy_total_cost", "buy_feasible", "sell_avg_price",
     "sell_slippage_bps", "sell_slippage_pct", "sell_total_cost", "sell_feasible"});

void write_slippage(const RecordHeader& record, const FactSubject& subject, FactWriter& out) {
  const auto& sample = payload<market::Liquidity>(record);
  const double amount = market::slippage_amounts[subject.part];
  out.float8(amount);
  out.float8(sample.mid_price);
  const auto side = [&](double price, double bps) {
    const bool is_feasible = !std::isnan(price);
    out.float8(price);
    out.float8(bps);
    out.float8(bps / 100);
    out.float8(is_feasible ? amount : market::missing);  // by notional: just what was asked for
    out.boolean(is_feasible ? market::Tristate::yes : market::Tristate::no);
  };
  const double buy = sample.buy_price[subject.part];
  const double sell = sample.sell_price[subject.part];
  side(buy, market::buy_slippage_bps(buy, sample.mid_price));
  side(sell, market::sell_slippage_bps(sell, sample.mid_price));
}

std::uint32_t slippage_rows(const RecordHeader&) { return market::slippage_amount_count; }

constexpr auto level_columns = std::to_array<std::string_view>(
    {"ts", "exchange_id", "symbol", "side", "level", "price", "quantity", "last_update_id"});

/// What a venue sent is no sample.
std::int64_t levels_time(const RecordHeader& record) {
  return (record.flags & market::flag_derived) != 0 ? record.exchange_ns : skip;
}

std::uint32_t level_rows(const RecordHeader& record) {
  const auto& book = payload<market::Book>(record);
  return book.bid_count + book.ask_count;
}

void write_level(const RecordHeader& record, const FactSubject& subject, FactWriter& out) {
  const auto& book = payload<market::Book>(record);
  const bool is_bid = subject.part < book.bid_count;
  const std::uint32_t place = is_bid ? subject.part : subject.part - book.bid_count;
  const market::Level& level = is_bid ? market::bids(book)[place] : market::asks(book)[place];
  out.text(is_bid ? "bid" : "ask");
  out.int2(static_cast<std::int16_t>(place + 1));
  out.float8(level.price);
  out.float8(level.quantity);
  if (book.last_id == market::unknown_id)
    out.null();
  else
    out.int8(book.last_id);
}

constexpr auto tables = std::to_array<FactTable>({
    {"klines", market::RecordType::kline, true, FactMerge::keep_known, false, 4, kline_columns,
     kline_time, write_kline},
    {"trades", market::RecordType::trade, false, FactMerge::keep_first, true, 4, trade_columns,
     event_time, write_trade},
    {"funding_rates", market::RecordType::funding, true, FactMerge::keep_known, false, 3,
     funding_columns, funding_time, write_funding},
    {"open_interest", market::RecordType::open_interest, true, FactMerge::keep_known, false, 4,
     open_interest_columns, open_interest_time, write_open_interest},
    {"long_short_ratio", market::RecordType::long_short_ratio, true, FactMerge::keep_known, false,
     5, ratio_columns, ratio_time, write_ratio},
    {"liquidations", market::RecordType::liquidation, true, FactMerge::keep_first, true, 4,
     liquidation_columns, liquidation_time, write_liquidation},
    {"tickers", market::RecordType::ticker_sample, true, FactMerge::keep_first, false, 3,
     ticker_columns, event_time, write_ticker},
    {"orderbooks", market::RecordType::liquidity, true, FactMerge::keep_first, false, 3,
     orderbook_columns, event_time, write_orderbook},
    {"liquidity_depth", market::RecordType::liquidity, true, FactMerge::keep_first, false, 3,
     depth_columns, event_time, write_depth},
    {"slippage", market::RecordType::liquidity, true, FactMerge::keep_first, false, 4,
     slippage_columns, event_time, write_slippage, slippage_rows},
    {"order_book_levels", market::RecordType::book_snapshot, true, FactMerge::keep_first, false, 5,
     level_columns, levels_time, write_level, level_rows},
});

}  // namespace

void FactWriter::int8(std::int64_t value) {
  append_u32(out_, 8);
  append_u64(out_, static_cast<std::uint64_t>(value));
}
void FactWriter::int4(std::int32_t value) {
  append_u32(out_, 4);
  append_u32(out_, static_cast<std::uint32_t>(value));
}
void FactWriter::int2(std::int16_t value) {
  append_u32(out_, 2);
  append_u16(out_, static_cast<std::uint16_t>(value));
}
void FactWriter::float8(double value) {
  if (std::isnan(value)) return null();
  append_u32(out_, 8);
  append_u64(out_, std::bit_cast<std::uint64_t>(value));
}
void FactWriter::text(std::string_view value) {
  append_u32(out_, static_cast<std::uint32_t>(value.size()));
  out_ += value;
}
void FactWriter::boolean(market::Tristate value) {
  if (value == market::Tristate::unknown) return null();
  append_u32(out_, 1);
  out_ += value == market::Tristate::yes ? '\1' : '\0';
}
void FactWriter::null() { append_u32(out_, 0xffffffff); }

std::string fact_symbol(const market::Instrument& instrument) {
  std::string symbol(instrument.base.view());
  if (instrument.is_primary == 0) symbol += "-" + std::string(instrument.quote.view());
  return symbol;
}

std::span<const FactTable> fact_tables() { return tables; }

std::vector<std::string> fact_table_names() {
  std::vector<std::string> names;
  for (const FactTable& table : fact_tables()) names.emplace_back(table.name);
  return names;
}

std::vector<std::string> default_fact_tables() {
  std::vector<std::string> names;
  for (const FactTable& table : fact_tables())
    if (table.is_default) names.emplace_back(table.name);
  return names;
}

std::size_t find_fact_table(std::string_view name) {
  std::size_t index = 0;
  while (index < tables.size() && tables[index].name != name) ++index;
  return index;
}

std::uint32_t write_row(const FactTable& table, const market::RecordHeader& record,
                        const FactSubject& subject, std::string& out) {
  const std::size_t begin = out.size();
  FactWriter writer(out);
  writer.int8(subject.ts);
  writer.int2(subject.exchange);
  writer.text(subject.symbol);
  table.write(record, subject, writer);
  // The key's fields come first: their lengths say where it ends.
  std::size_t end = begin;
  for (std::size_t field = 0; field < table.key_fields; ++field)
    end += 4 + read_u32(out.data() + end);
  return static_cast<std::uint32_t>(end - begin);
}

std::string interval_text(std::int64_t ns) {
  struct Unit {
    std::int64_t ns;
    char letter;
  };
  for (const Unit unit : {Unit{24 * core::ns_per_hour, 'd'}, Unit{core::ns_per_hour, 'h'},
                          Unit{core::ns_per_minute, 'm'}, Unit{core::ns_per_second, 's'}})
    if (ns % unit.ns == 0) return fmt::format("{}{}", ns / unit.ns, unit.letter);
  return fmt::format("{}ms", ns / core::ns_per_ms);
}

std::uint32_t Repeats::count(const market::RecordHeader& record, std::int64_t ts,
                             journal::Position position) {
  const std::uint64_t content = content_hash(
      {reinterpret_cast<const char*>(&record + 1), record.size - sizeof(market::RecordHeader)});
  // By kind as well: whether trades are loaded, or by which lane, is no part of a liquidation's id.
  Last& last =
      last_[std::uint64_t{record.instrument} << 16 | static_cast<std::uint16_t>(record.type)];
  if (last.ts != ts) last.told.clear();
  last.ts = ts;
  std::erase_if(last.told,
                [&](const Told& told) { return position - told.position > reach_bytes; });
  const auto before = std::count_if(last.told.begin(), last.told.end(),
                                    [&](const Told& told) { return told.content == content; });
  last.told.push_back({content, position});
  return static_cast<std::uint32_t>(before);
}

std::string FactBatch::symbol_of(const FactRow& at) const {
  constexpr std::size_t before = 4 + 8 + 4 + 2;  // ts and exchange_id with their lengths
  const std::string_view fields = row(at);
  return std::string(fields.substr(before + 4, read_u32(fields.data() + before)));
}

void FactBatch::clear() {
  bytes.clear();
  rows.clear();
  needs_merge = false;
}

namespace {

// Of two rows of one key: the newer, and from the older what the newer does not know.
FactRow joined(FactBatch& batch, const FactTable& table, const FactRow& older,
               const FactRow& newer) {
  constexpr std::uint32_t null_length = 0xffffffff;
  const auto size_at = [&](std::size_t at) {
    const std::uint32_t length = read_u32(batch.bytes.data() + at);
    return std::size_t{4} + (length == null_length ? 0 : length);
  };
  FactRow out = newer;
  out.begin = static_cast<std::uint32_t>(batch.bytes.size());
  std::size_t from_older = older.begin, from_newer = newer.begin;
  for (std::size_t field = 0; field < table.columns.size(); ++field) {
    const std::size_t old_size = size_at(from_older), new_size = size_at(from_newer);
    const bool is_unknown = read_u32(batch.bytes.data() + from_newer) == null_length;
    batch.bytes += is_unknown ? batch.bytes.substr(from_older, old_size)
                              : batch.bytes.substr(from_newer, new_size);
    from_older += old_size;
    from_newer += new_size;
  }
  out.size = static_cast<std::uint32_t>(batch.bytes.size()) - out.begin;
  out.flags = static_cast<std::uint8_t>(newer.flags | older.flags);
  return out;
}

}  // namespace

std::uint64_t sort_and_fold(FactBatch& batch, const FactTable& table) {
  std::sort(batch.rows.begin(), batch.rows.end(), [&](const FactRow& a, const FactRow& b) {
    if (a.series != b.series) return a.series < b.series;
    if (a.ts != b.ts) return a.ts < b.ts;
    const int order = batch.key(a).compare(batch.key(b));
    return order != 0 ? order < 0 : a.position < b.position;
  });
  std::size_t kept = 0;
  for (FactRow row : batch.rows) {
    const bool is_again = kept != 0 && batch.rows[kept - 1].series == row.series &&
                          batch.key(batch.rows[kept - 1]) == batch.key(row);
    if (is_again && table.merge == FactMerge::keep_first) continue;
    if (is_again) row = joined(batch, table, batch.rows[--kept], row);
    batch.rows[kept++] = row;
  }
  const std::uint64_t folded = batch.rows.size() - kept;
  batch.rows.resize(kept);
  return folded;
}

std::string column_list(const FactTable& table) {
  std::string out;
  for (std::string_view column : table.columns)
    out += (out.empty() ? "" : ",") + quote_identifier(column);
  return out;
}

std::string merge_statement(const FactTable& table, std::string_view stage) {
  std::string key, updates;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const std::string column = quote_identifier(table.columns[i]);
    if (i < table.key_fields)
      key += (i == 0 ? "" : ",") + column;
    else
      updates += fmt::format("{0}{1} = COALESCE(EXCLUDED.{1}, {2}.{1})",
                             updates.empty() ? "" : ", ", column, quote_identifier(table.name));
  }
  const std::string columns = column_list(table);
  return fmt::format(
      "INSERT INTO {} ({}) SELECT {} FROM {} ORDER BY exchange_id, symbol, ts ON "
      "CONFLICT ({}) DO {}",
      quote_identifier(table.name), columns, columns, quote_identifier(stage), key,
      table.merge == FactMerge::keep_first ? "NOTHING" : "UPDATE SET " + updates);
}

}  // namespace perp::warehouse
