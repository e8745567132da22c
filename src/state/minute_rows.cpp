#include "state/minute_rows.hpp"

#include <perp/rolling/change.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace perp::state {
namespace {

using market::missing;

Row make_row(market::MinuteOrigin origin, std::array<double, 5> values) {
  Row row;
  // One NaN for all that is missing: a computed one has other bits, and rows are compared by bytes.
  for (std::size_t i = 0; i < values.size(); ++i)
    row.values[i] = std::isnan(values[i]) ? missing : rolling::without_negative_zero(values[i]);
  row.is_present =
      std::any_of(values.begin(), values.end(), [](double v) { return !std::isnan(v); }) ? 1 : 0;
  row.origin = static_cast<std::uint8_t>(origin);
  return row;
}

bool has_authoritative_candle(const Slot& slot) {
  // A venue that never says is believed at the minute's close.
  return slot.candle_state == CandleState::closed || slot.candle_state == CandleState::unsaid;
}

bool can_sum_trades(const Slot& slot) {
  return slot.is_trade_whole != 0 && slot.trades.unusable_count == 0;
}

/// ts - sample ts in whole milliseconds, ts being the minute's open; a sample from inside the
/// minute has age 0.
double age_ms(std::int64_t sample_ns, std::int64_t minute) {
  const std::int64_t age_ns = minute * core::ns_per_minute - sample_ns;
  const std::int64_t whole_ms = std::max<std::int64_t>(age_ns, 0) / core::ns_per_ms;
  return static_cast<double>(whole_ms);
}

}  // namespace

bool is_tradeless(const Slot& slot) {
  if (has_authoritative_candle(slot) || !can_sum_trades(slot) || slot.trades.priced_count != 0 ||
      slot.is_quoted == 0)
    return false;
  return slot.candle_state == CandleState::none || slot.candle.volume_quote == 0;
}

Row ohlcv_row(const Slot& slot, double close_before) {
  const TradeSum& trades = slot.trades;
  if (has_authoritative_candle(slot)) {
    const Candle& candle = slot.candle;
    const double summed = can_sum_trades(slot) ? trades.volume_quote : missing;
    const double volume = std::isnan(candle.volume_quote) ? summed : candle.volume_quote;
    return make_row(market::MinuteOrigin::candle,
                    {candle.open, candle.high, candle.low, candle.close, volume});
  }
  if (is_tradeless(slot) && !std::isnan(close_before))
    return make_row(market::MinuteOrigin::trades,
                    {close_before, close_before, close_before, close_before, trades.volume_quote});
  if (!can_sum_trades(slot) || trades.priced_count == 0) return {};
  return make_row(market::MinuteOrigin::trades,
                  {trades.open, trades.high, trades.low, trades.close, trades.volume_quote});
}

Row taker_volume_row(const Slot& slot) {
  if (has_authoritative_candle(slot)) {
    const Candle& candle = slot.candle;
    const double sell = candle.volume_quote - candle.taker_buy_quote;
    if (!std::isnan(sell))
      return make_row(market::MinuteOrigin::candle,
                      {candle.taker_buy_quote, sell, missing, missing, missing});
  }
  const TradeSum& trades = slot.trades;
  if (!can_sum_trades(slot) || trades.unsided_count != 0) return {};
  return make_row(market::MinuteOrigin::trades,
                  {trades.buy_quote, trades.sell_quote, missing, missing, missing});
}

Row liquidation_row(const Slot& slot) {
  const LiquidationSum& sum = slot.liquidations;
  if (slot.is_liquidation_whole == 0 || sum.unusable_count != 0) return {};
  double side = missing;
  const bool is_sided = sum.unsided_count == 0;
  const bool is_priced = sum.unpriced_count == 0;
  if (is_sided && sum.long_count != sum.short_count)
    side = sum.long_count > sum.short_count ? 1 : 2;
  else if (is_sided && is_priced && sum.long_usd != sum.short_usd)
    side = sum.long_usd > sum.short_usd ? 1 : 2;
  const double price = is_priced && sum.quantity > 0 ? sum.price_quantity / sum.quantity : missing;
  const bool has_usd = is_sided && is_priced;
  return make_row(market::MinuteOrigin::liquidations,
                  {side, price, sum.quantity, has_usd ? sum.long_usd : missing,
                   has_usd ? sum.short_usd : missing});
}

Row open_interest_row(const OpenInterestSample& sample, const Sample& mark_price,
                      std::int64_t minute) {
  if (sample.ns == core::unknown_ns) return {};
  double usd = sample.notional;
  if (std::isnan(usd) && is_fresh(mark_price.ns, mark_staleness_ns, minute))
    usd = sample.quantity * mark_price.value;
  Row row =
      make_row(market::MinuteOrigin::sample, {usd, sample.contracts, missing, missing, missing});
  if (row.is_present != 0) row.values[2] = age_ms(sample.ns, minute);
  return row;
}

Row sample_row(const Sample& sample, std::int64_t staleness_ns, std::int64_t minute) {
  if (!is_fresh(sample.ns, staleness_ns, minute)) return {};
  return make_row(market::MinuteOrigin::sample,
                  {sample.value, age_ms(sample.ns, minute), missing, missing, missing});
}

Row rsi_row(double rsi1, double rsi60) {
  constexpr double four_decimals = 10'000;
  return make_row(market::MinuteOrigin::computed,
                  {rolling::round_half_away(rsi1, four_decimals),
                   rolling::round_half_away(rsi60, four_decimals), missing, missing, missing});
}

bool MinuteValues::operator==(const MinuteValues& other) const {
  return count == other.count &&
         std::memcmp(items.data(), other.items.data(), count * sizeof items[0]) == 0;
}

MinuteValues minute_values(
    SpecKind kind, const Row& row,
    const std::array<const Row*, market::change_windows_minutes.size()>& earlier) {
  const market::SpecRow& spec = market::spec_row(kind);
  std::array<market::ColumnId, 5> ids{};
  std::size_t id_count = 0;
  for (const market::ColumnId id : fields(spec)) ids[id_count++] = id;
  for (const market::ColumnId id : extras(spec)) ids[id_count++] = id;

  MinuteValues out;
  for (std::size_t i = 0; i < id_count; ++i)
    if (!std::isnan(row.values[i])) out.add(ids[i], row.values[i]);
  for (std::size_t window = 0; window < earlier.size(); ++window) {
    if (earlier[window] == nullptr) continue;
    for (std::size_t i = 0; i < id_count; ++i) {
      const market::Column& column = market::columns[static_cast<std::size_t>(ids[i])];
      if (!column.has_change) continue;
      const double before = earlier[window]->values[i];
      const double change = column.type == market::ColumnType::position_side
                                ? rolling::change_category(row.values[i], before)
                                : rolling::change_percent(row.values[i], before);
      if (!std::isnan(change)) out.add(market::change_column(ids[i], window), change);
    }
  }
  return out;
}

}  // namespace perp::state
