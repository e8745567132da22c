// History in rows: settled funding rates and the rubik statistics, newest first on the wire.
#include "venue/okx.hpp"
#include "venue/record_order.hpp"

namespace perp::venue::okx {

using market::InstrumentEntry;
using market::RecordType;

namespace {

void read_funding_history(Context& context, json::ondemand::array& data) {
  enum Index : std::size_t { i_rate, i_time, i_inst, i_realized };
  static constexpr std::array<std::string_view, 4> keys = {"fundingRate", "fundingTime", "instId",
                                                           "realizedRate"};
  each_instrument_row(context, data, [&](json::ondemand::object object) {
    json::FlatObject row(object, keys, context.fault());
    const std::string_view native = row.text(i_inst);
    const InstrumentEntry* entry =
        context.fault().ok() ? context.message.instrument(native) : nullptr;
    if (entry == nullptr) return;
    market::Funding funding;
    funding.kind = market::FundingKind::settled;
    row.optional_decimal(i_rate);
    funding.rate =
        row.decimal(i_realized);  // what was charged; fundingRate is what had been predicted
    funding.funding_ns = row.time_ms(i_time);
    if (!context.message.ok()) return;
    context.message.count_other(*entry);
    auto* record = context.message.emit<market::Funding>(RecordType::funding, *entry,
                                                         funding.funding_ns, context.flags_history);
    if (record != nullptr) *record = funding;
  });
}

/// Rows [ts, ...] about one contract: fill(row, payload) for each.
template <class Payload, class Fill>
void read_series(Context& context, json::ondemand::array& data, RecordType type, Fill fill) {
  const InstrumentEntry* entry = requested_instrument(context);
  const std::int64_t period_ns = period_of(context);
  if (entry == nullptr) return;
  json::Fault& fault = context.fault();
  RecordSink& sink = context.message.sink();
  const std::size_t from_bytes = sink.bytes().size();
  json::each_row<4>(data, fault, "data", [&](const json::Row<4>& row) {
    Payload payload;
    payload.period_ns = period_ns;
    const std::int64_t open_ns = json::time_ms(row.cell(0), true, fault, "ts");
    fill(row, *entry, payload);
    if (!context.message.ok()) return;
    if (auto* record = context.message.emit<Payload>(type, *entry, open_ns, context.flags_history))
      *record = payload;
  });
  if (context.message.ok()) order_newest_first(sink, from_bytes);
}

void read_ratio(Context& context, json::ondemand::array& data, market::RatioKind kind) {
  read_series<market::LongShortRatio>(
      context, data, RecordType::long_short_ratio,
      [&](const json::Row<4>& row, const InstrumentEntry&, market::LongShortRatio& ratio) {
        ratio.kind = kind;
        ratio.ratio = json::decimal(row.cell(1), {}, true, context.fault(), "ratio");
      });
}

void read_interest_history(Context& context, json::ondemand::array& data) {
  json::Fault& fault = context.fault();
  read_series<market::OpenInterest>(
      context, data, RecordType::open_interest,
      [&](const json::Row<4>& row, const InstrumentEntry& entry, market::OpenInterest& interest) {
        interest.contracts = json::decimal(row.cell(1), {}, true, fault, "oi");
        interest.quantity = json::decimal(row.cell(2), entry.price_divisor, true, fault, "oiCcy");
        interest.notional = json::decimal(row.cell(3), {}, false, fault, "oiUsd");
      });
}

/// Contracts, which is what the endpoint gives unless another unit is asked for. The sold volume
/// stands first.
void read_taker_volume(Context& context, json::ondemand::array& data) {
  json::Fault& fault = context.fault();
  read_series<market::TakerVolume>(
      context, data, RecordType::taker_volume,
      [&](const json::Row<4>& row, const InstrumentEntry& entry, market::TakerVolume& volume) {
        volume.sell_base = json::coins(row.cell(1), entry, true, fault, "sellVol");
        volume.buy_base = json::coins(row.cell(2), entry, true, fault, "buyVol");
      });
}

/// Statistics of a currency over all its contracts: no instrument's fact, so checked, counted and
/// not recorded.
void read_coin_series(Context& context, json::ondemand::array& data, std::size_t values) {
  json::Fault& fault = context.fault();
  json::each_row<3>(data, fault, "data", [&](const json::Row<3>& row) {
    json::time_ms(row.cell(0), true, fault, "ts");
    for (std::size_t i = 1; i <= values; ++i) json::decimal(row.cell(i), {}, true, fault, "value");
  });
}

}  // namespace

void read_statistics(Context& context, json::ondemand::array& data) {
  switch (context.kind) {
    case kind_rest_funding_history: return read_funding_history(context, data);
    case kind_rest_account_ratio:
      return read_ratio(context, data, market::RatioKind::global_account);
    case kind_rest_top_account_ratio:
      return read_ratio(context, data, market::RatioKind::top_account);
    case kind_rest_top_position_ratio:
      return read_ratio(context, data, market::RatioKind::top_position);
    case kind_rest_interest_history: return read_interest_history(context, data);
    case kind_rest_taker_volume: return read_taker_volume(context, data);
    case kind_rest_coin_account_ratio: return read_coin_series(context, data, 1);
    case kind_rest_coin_interest_volume:
    case kind_rest_coin_taker_volume: return read_coin_series(context, data, 2);
    default: PERP_ASSERT(false);
  }
}

}  // namespace perp::venue::okx
