// Binance REST: funding, open interest, long/short and taker ratios.
#include "venue/binance.hpp"

namespace perp::venue::binance {

namespace ondemand = json::ondemand;
using market::InstrumentEntry;
using market::RecordType;

namespace {

const InstrumentEntry* instrument_of(Context& context, std::string_view in_body,
                                     const RestReply& reply) {
  return context.tx.instrument(in_body.empty() ? UpperCase(reply.symbol).view() : in_body);
}

/// The period of the statistics; the body does not say it.
std::int64_t period_of(Context& context, const RestReply& reply) {
  std::int64_t period_ns = core::unknown_ns;
  if (reply.period.empty())
    context.own.fault.raise(DecodeStatus::missing_field, "period");
  else if (!parse_period(reply.period, period_ns))
    context.own.fault.raise(DecodeStatus::unknown_value, "period");
  return period_ns;
}

/// History rows in ascending time. Instruments are met in a pass of their own, so that their
/// records stand before all rows and the rows can be put in order.
template <class Read>
void each_row_in_time(Context& context, const RestReply& reply, Read read) {
  static constexpr auto keys = std::to_array<std::string_view>({"symbol"});
  each_row(context, [&](ondemand::object row) {
    json::FlatObject fields(row, keys, context.own.fault);
    instrument_of(context, fields.optional_text(0), reply);
  });
  if (!context.tx.ok()) return;
  context.document.rewind();
  const std::size_t begin = context.tx.sink().bytes().size();
  each_row(context, read);
  if (context.tx.ok()) sort_by_time(context.tx.sink(), begin);
}

/// Settlements carry the milliseconds they took; the settlement itself is on the minute.
std::int64_t nearest_minute(std::int64_t ns) {
  return ns == core::unknown_ns ? ns
                                : core::floor_to(ns + core::ns_per_minute / 2, core::ns_per_minute);
}

}  // namespace

void read_premium_index(Context& context, const RestReply& reply) {
  enum { symbol, mark, index, settle, rate, interest, next_ms, time };
  static constexpr auto keys = std::to_array<std::string_view>(
      {"symbol", "markPrice", "indexPrice", "estimatedSettlePrice", "lastFundingRate",
       "interestRate", "nextFundingTime", "time"});
  each_row(context, [&](ondemand::object row) {
    json::FlatObject fields(row, keys, context.own.fault);
    const InstrumentEntry* entry = instrument_of(context, fields.text(symbol), reply);
    if (entry == nullptr) return;
    market::MarkPrice price;
    price.mark_price = fields.price(mark, *entry);
    price.index_price = fields.optional_price(index, *entry);
    price.settle_estimate = fields.optional_price(settle, *entry);
    const double funding_rate = fields.optional_decimal(rate);
    const double interest_rate = fields.optional_decimal(interest);
    const std::int64_t funding_ns = fields.optional_time_ms(next_ms);
    const std::int64_t exchange_ns = fields.time_ms(time);
    if (!context.tx.ok()) return;
    context.tx.count_other(*entry);
    const std::uint8_t flags = rest_flags(reply, true);
    auto* record =
        context.tx.emit<market::MarkPrice>(RecordType::mark_price, *entry, exchange_ns, flags);
    if (record == nullptr) return;
    *record = price;
    emit_predicted_funding(context, *entry, exchange_ns, funding_rate, interest_rate, funding_ns,
                           flags);
  });
}

void read_funding_rate(Context& context, const RestReply& reply) {
  enum { symbol, rate, funding_ms, mark };
  static constexpr auto keys =
      std::to_array<std::string_view>({"symbol", "fundingRate", "fundingTime", "markPrice"});
  each_row_in_time(context, reply, [&](ondemand::object row) {
    json::FlatObject fields(row, keys, context.own.fault);
    const InstrumentEntry* entry = instrument_of(context, fields.text(symbol), reply);
    if (entry == nullptr) return;
    const double funding_rate = fields.decimal(rate);
    const double mark_price = fields.optional_price(mark, *entry);  // "" in old rows
    const std::int64_t exchange_ns = fields.time_ms(funding_ms);
    if (!context.tx.ok()) return;
    context.tx.count_other(*entry);
    auto* record = context.tx.emit<market::Funding>(RecordType::funding, *entry, exchange_ns,
                                                    rest_flags(reply, false));
    if (record == nullptr) return;
    record->rate = funding_rate;
    record->mark_price = mark_price;
    record->funding_ns = nearest_minute(exchange_ns);
    record->kind = market::FundingKind::settled;  // its interval is what lay between two rows, not
                                                  // today's setting
  });
}

void read_open_interest(Context& context, const RestReply& reply) {
  enum { symbol, quantity, time };
  static constexpr auto keys = std::to_array<std::string_view>({"symbol", "openInterest", "time"});
  each_row(context, [&](ondemand::object row) {
    json::FlatObject fields(row, keys, context.own.fault);
    const InstrumentEntry* entry = instrument_of(context, fields.text(symbol), reply);
    if (entry == nullptr) return;
    const double coins = fields.quantity(quantity, *entry);
    const double contracts = fields.decimal(quantity);
    const std::int64_t exchange_ns = fields.time_ms(time);
    if (!context.tx.ok()) return;
    context.tx.count_other(*entry);
    auto* record = context.tx.emit<market::OpenInterest>(RecordType::open_interest, *entry,
                                                         exchange_ns, rest_flags(reply, true));
    if (record == nullptr) return;
    record->quantity = coins;
    record->contracts = contracts;
  });
}

void read_open_interest_hist(Context& context, const RestReply& reply) {
  enum { symbol, quantity, value, supply, time };
  static constexpr auto keys = std::to_array<std::string_view>(
      {"symbol", "sumOpenInterest", "sumOpenInterestValue", "CMCCirculatingSupply", "timestamp"});
  const std::int64_t period_ns = period_of(context, reply);
  each_row_in_time(context, reply, [&](ondemand::object row) {
    json::FlatObject fields(row, keys, context.own.fault);
    const InstrumentEntry* entry = instrument_of(context, fields.text(symbol), reply);
    if (entry == nullptr) return;
    market::OpenInterest interest;
    interest.quantity = fields.quantity(quantity, *entry);
    interest.contracts = fields.decimal(quantity);
    interest.notional = fields.decimal(value);
    interest.supply = fields.optional_decimal(supply);
    interest.period_ns = period_ns;
    const std::int64_t exchange_ns = fields.time_ms(time);
    if (!context.tx.ok()) return;
    context.tx.count_other(*entry);
    if (auto* record = context.tx.emit<market::OpenInterest>(RecordType::open_interest, *entry,
                                                             exchange_ns, rest_flags(reply, false)))
      *record = interest;
  });
}

void read_account_ratio(Context& context, const RestReply& reply, market::RatioKind kind) {
  enum { symbol, ratio, long_share, short_share, time };
  static constexpr auto keys = std::to_array<std::string_view>(
      {"symbol", "longShortRatio", "longAccount", "shortAccount", "timestamp"});
  const std::int64_t period_ns = period_of(context, reply);
  each_row_in_time(context, reply, [&](ondemand::object row) {
    json::FlatObject fields(row, keys, context.own.fault);
    const InstrumentEntry* entry = instrument_of(context, fields.text(symbol), reply);
    if (entry == nullptr) return;
    market::LongShortRatio value;
    value.ratio = fields.decimal(ratio);
    value.long_share = fields.decimal(long_share);
    value.short_share = fields.decimal(short_share);
    value.period_ns = period_ns;
    value.kind = kind;
    const std::int64_t exchange_ns = fields.time_ms(time);  // the period's end
    if (!context.tx.ok()) return;
    context.tx.count_other(*entry);
    if (auto* record = context.tx.emit<market::LongShortRatio>(
            RecordType::long_short_ratio, *entry, exchange_ns, rest_flags(reply, false)))
      *record = value;
  });
}

void read_taker_ratio(Context& context, const RestReply& reply) {
  enum { ratio, buy, sell, time };
  static constexpr auto keys =
      std::to_array<std::string_view>({"buySellRatio", "buyVol", "sellVol", "timestamp"});
  const std::int64_t period_ns = period_of(context, reply);
  each_row_in_time(context, reply, [&](ondemand::object row) {
    json::FlatObject fields(row, keys, context.own.fault);
    const InstrumentEntry* entry = instrument_of(context, {}, reply);
    if (entry == nullptr) return;
    market::TakerVolume volume;
    volume.buy_base = fields.quantity(buy, *entry);
    volume.sell_base = fields.quantity(sell, *entry);
    volume.period_ns = period_ns;
    const double buy_sell = fields.decimal(ratio);
    const std::int64_t exchange_ns =
        fields.time_ms(time);  // here, and only here, the period's start
    if (!context.tx.ok()) return;
    context.tx.count_other(*entry);
    const std::uint8_t flags = rest_flags(reply, false);
    auto* record =
        context.tx.emit<market::TakerVolume>(RecordType::taker_volume, *entry, exchange_ns, flags);
    if (record == nullptr) return;
    *record = volume;
    auto* as_ratio = context.tx.emit<market::LongShortRatio>(RecordType::long_short_ratio, *entry,
                                                             exchange_ns, flags);
    if (as_ratio == nullptr) return;
    as_ratio->ratio = buy_sell;
    as_ratio->period_ns = period_ns;
    as_ratio->kind = market::RatioKind::taker;
  });
}

}  // namespace perp::venue::binance
