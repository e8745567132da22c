#include "state/fold.hpp"

#include <cmath>

namespace perp::state {
namespace {

bool is_positive(double v) { return std::isfinite(v) && v > 0; }

/// Histories of this period are written as five minutes; longer ones say too little about a minute.
constexpr std::int64_t step_period_ns = step_minutes * core::ns_per_minute;

/// The first minute that opens at or after `ns`.
std::int64_t minute_after(std::int64_t ns) {
  return core::floor_to(ns + core::ns_per_minute - 1, core::ns_per_minute) / core::ns_per_minute;
}

bool is_backfill(const market::RecordHeader& record) {
  return (record.flags & market::flag_backfill) != 0;
}

bool add_liquidation(LiquidationSum& sum, const market::Liquidation& liquidation) {
  // All venues tell the order's or bankruptcy price, only one the fill's: the common one is
  // comparable.
  const double price =
      is_positive(liquidation.price) ? liquidation.price : liquidation.average_price;
  const double quantity =
      is_positive(liquidation.quantity) ? liquidation.quantity : liquidation.filled_quantity;
  const bool is_long = liquidation.position_side == market::PositionSide::long_side;
  const bool is_short = liquidation.position_side == market::PositionSide::short_side;
  ++(is_long ? sum.long_count : is_short ? sum.short_count : sum.unsided_count);
  if (!is_positive(quantity)) {
    ++sum.unusable_count;
    return false;
  }
  sum.quantity += quantity;
  if (!is_positive(price)) {
    ++sum.unpriced_count;
    return false;
  }
  sum.price_quantity += price * quantity;
  if (is_long) sum.long_usd += price * quantity;
  if (is_short) sum.short_usd += price * quantity;
  return true;
}

}  // namespace

bool is_usable(const market::Trade& trade) {
  return is_positive(trade.price) && is_positive(trade.quantity);
}

void add_trade(TradeSum& sum, const market::Trade& trade, std::int64_t ns) {
  ++sum.count;
  if (!is_usable(trade)) {
    ++sum.unusable_count;
    return;
  }
  const double notional = trade.price * trade.quantity;
  sum.volume_quote += notional;
  if (trade.taker_side == market::Side::buy)
    sum.buy_quote += notional;
  else if (trade.taker_side == market::Side::sell)
    sum.sell_quote += notional;
  else
    ++sum.unsided_count;
  if (trade.is_block == market::Tristate::yes) return;
  if (sum.priced_count++ == 0) {
    sum.open = sum.high = sum.low = sum.close = trade.price;
    sum.first_ns = sum.last_ns = ns;
    return;
  }
  if (trade.price > sum.high) sum.high = trade.price;
  if (trade.price < sum.low) sum.low = trade.price;
  if (ns < sum.first_ns) {
    sum.first_ns = ns;
    sum.open = trade.price;
  }
  if (ns >= sum.last_ns) {
    sum.last_ns = ns;
    sum.close = trade.price;
  }
}

void Fold::trade(Series& series, const market::RecordHeader& record, DerivedSink& out) {
  if (is_backfill(record)) {
    ++totals_.backfill_ignored;
    return;
  }
  const std::int64_t ns = event_ns(record);
  const std::int64_t minute = plausible_minute(ns);
  if (minute == no_minute) return;
  SeriesData& data = series.data;
  if (data.trade_stream.is_told(ns, heard_ns(record))) {
    ++totals_.told_before;
    return;
  }
  if ((record.flags & market::flag_gap_before) != 0) {
    const std::int64_t last_ns = data.last_trade_ns;
    if (data.trade_stream.interrupt(last_ns == core::unknown_ns || last_ns > ns ? ns : last_ns))
      ++totals_.interruptions;
  }
  // A polled list of recent trades is no stream.
  if ((record.flags & market::flag_snapshot) == 0) {
    data.trade_stream.go_live(ns);
    if (data.last_trade_ns == core::unknown_ns || ns > data.last_trade_ns) data.last_trade_ns = ns;
  }
  const auto& trade = market::payload<market::Trade>(record);
  if (!is_usable(trade))
    ++totals_.unusable;
  else if ((record.flags & market::flag_snapshot) == 0 && trade.is_block != market::Tristate::yes)
    Quotes::tell(series.quotes.last_price, trade.price, heard_ns(record));
  if (minute > closed_) {
    series.open_up_to(rsi_rule_, minute);
    add_trade(series.slot(minute).trades, trade, ns);
    return;
  }
  ++totals_.late_trades;
  if (is_revisable(series, minute))
    revise_trades(series, minute, trade, ns, out);
  else
    ++totals_.beyond_history;
}

void Fold::kline(Series& series, const market::RecordHeader& record, DerivedSink& out) {
  const auto& kline = market::payload<market::Kline>(record);
  if (kline.price_kind != market::PriceKind::last || kline.open_ns == core::unknown_ns) return;
  if (kline.interval_ns == core::ns_per_minute)
    minute_candle(series, record, out);
  else if (kline.interval_ns == core::ns_per_hour && series.rsi != nullptr)
    hour_candle(series, kline, out);
}

void Fold::hour_candle(Series& series, const market::Kline& kline, DerivedSink& out) {
  if (kline.open_ns < 0 || kline.open_ns % core::ns_per_hour != 0 || !is_positive(kline.close)) {
    ++totals_.unusable;
    return;
  }
  if (kline.is_closed == market::Tristate::no) return;
  const std::int64_t end_ns = kline.open_ns + core::ns_per_hour;
  const std::int64_t ahead_ns = kline.is_closed == market::Tristate::yes
                                    ? ahead_minutes * core::ns_per_minute
                                    : std::int64_t{0};
  if (clock_.now_ns() != core::unknown_ns && end_ns > clock_.now_ns() + ahead_ns) {
    if (kline.is_closed == market::Tristate::yes) ++totals_.implausible_times;
    return;
  }
  if (series.rsi->offer_hour(rsi_rule_, kline.open_ns / core::ns_per_hour, kline.close))
    revise_rsi(series, out);
}

void Fold::minute_candle(Series& series, const market::RecordHeader& record, DerivedSink& out) {
  const auto& kline = market::payload<market::Kline>(record);
  const Candle candle{kline.open,  kline.high,         kline.low,
                      kline.close, kline.volume_quote, kline.taker_buy_quote};
  const bool has_prices = is_positive(candle.open) && is_positive(candle.high) &&
                          is_positive(candle.low) && is_positive(candle.close);
  if (!has_prices || kline.open_ns % core::ns_per_minute != 0) {
    ++totals_.unusable;
    return;
  }
  const std::int64_t minute = plausible_minute(kline.open_ns);
  if (minute == no_minute) return;
  const CandleState state = kline.is_closed == market::Tristate::yes  ? CandleState::closed
                            : kline.is_closed == market::Tristate::no ? CandleState::open
                                                                      : CandleState::unsaid;
  const bool is_history = is_backfill(record);
  if (closed_ == no_minute || minute <= closed_) {
    if (state == CandleState::open) return;  // the running bar, overtaken
    if (!is_history) ++totals_.late_candles;
    if (is_history ? series.is_in_window(minute) : is_revisable(series, minute))
      revise_candle(series, minute, candle, is_history, out);
    else if (is_history)
      backfill_old_candle(series, minute, candle, out);
    else
      ++totals_.beyond_history;
    return;
  }
  series.open_up_to(rsi_rule_, minute);
  Slot& slot = series.slot(minute);
  if (state < slot.candle_state) return;  // an older state of a bar that is known to be further
  slot.candle_state = state;
  slot.candle = candle;
}

void Fold::liquidation(Series& series, const market::RecordHeader& record, DerivedSink& out) {
  if (is_backfill(record)) {
    ++totals_.backfill_ignored;
    return;
  }
  const std::int64_t ns = event_ns(record);
  const std::int64_t minute = plausible_minute(ns);
  if (minute == no_minute) return;
  if (series.data.liquidation_stream.is_told(ns, heard_ns(record))) {
    ++totals_.told_before;
    return;
  }
  const auto& liquidation = market::payload<market::Liquidation>(record);
  if ((record.flags & market::flag_snapshot) == 0) {
    VenueFold& venue = venues_[static_cast<std::size_t>(series.venue)];
    if (liquidation.is_venue_wide == 0)
      series.data.liquidation_stream.go_live(ns);
    else if (venue.liquidation.since_ns == core::unknown_ns)
      go_live(venue, market::RecordType::liquidation, ns, VenueStream::any_connection);
  }
  if (minute > closed_) {
    series.open_up_to(rsi_rule_, minute);
    if (!add_liquidation(series.slot(minute).liquidations, liquidation)) ++totals_.unusable;
    return;
  }
  ++totals_.late_liquidations;
  if (!is_revisable(series, minute)) {
    ++totals_.beyond_history;
    return;
  }
  begin_revision(series);
  Slot& slot = series.slot(minute);
  if (!add_liquidation(slot.liquidations, liquidation)) ++totals_.unusable;
  if (has(series, SpecKind::lq)) series.row(SpecKind::lq, minute) = liquidation_row(slot);
  finish_revision(series, minute, bit(SpecKind::lq), false, out);
}

template <class Value>
void Fold::offer(Series& series, Value Samples::*field, const Value& sample, bool is_history) {
  const std::int64_t minute = plausible_minute(sample.ns);
  if (minute == no_minute) return;
  const bool is_open = closed_ != no_minute && minute > closed_;
  if (is_open)
    series.open_up_to(rsi_rule_, minute);
  else if (!is_history)
    ++totals_
          .late_samples;  // no closed minute is rewritten, but it is carried forward from here on
  Samples& samples = is_open ? series.open_at(minute) : series.data.carried;
  Value& newest = samples.*field;
  if (newest.ns == core::unknown_ns || sample.ns >= newest.ns) newest = sample;
}

void Fold::open_interest(Series& series, const market::RecordHeader& record, DerivedSink& out) {
  const auto& payload = market::payload<market::OpenInterest>(record);
  const auto finite = [](double v) { return std::isfinite(v) && v >= 0 ? v : market::missing; };
  const OpenInterestSample sample{event_ns(record), finite(payload.quantity),
                                  finite(payload.notional), finite(payload.contracts)};
  if (std::isnan(sample.quantity) && std::isnan(sample.notional)) {
    ++totals_.unusable;
    return;
  }
  if (payload.period_ns == 0 || payload.period_ns == core::unknown_ns) {
    OpenInterestSample& quoted = series.quotes.open_interest;
    if (!is_backfill(record) && (quoted.ns == core::unknown_ns || sample.ns >= quoted.ns))
      quoted = sample;
    offer(series, &Samples::open_interest_now, sample, is_backfill(record));
    return;
  }
  // A mark price of now says nothing about then: history without a notional gives no row.
  if (is_backfill(record) && payload.period_ns == step_period_ns && !std::isnan(sample.notional))
    backfill_steps(series, SpecKind::oi, sample.ns,
                   open_interest_row(sample, {}, minute_after(sample.ns)), out);
  offer(series, &Samples::open_interest_period, sample, is_backfill(record));
}

void Fold::long_short_ratio(Series& series, const market::RecordHeader& record, DerivedSink& out) {
  const auto& payload = market::payload<market::LongShortRatio>(record);
  if (payload.kind != market::RatioKind::global_account) return;
  const double value =
      is_positive(payload.ratio) ? payload.ratio : payload.long_share / payload.short_share;
  if (!is_positive(value)) {
    ++totals_.unusable;
    return;
  }
  const Sample sample{event_ns(record), value};
  if (is_backfill(record) && payload.period_ns == step_period_ns)
    backfill_steps(series, SpecKind::lsr, sample.ns,
                   sample_row(sample, ratio_staleness_ns, minute_after(sample.ns)), out);
  offer(series, &Samples::long_short_ratio, sample, is_backfill(record));
}

void Fold::mark_price(Series& series, const market::RecordHeader& record) {
  const auto& payload = market::payload<market::MarkPrice>(record);
  const double price = payload.mark_price;
  if (!is_backfill(record)) {
    const std::int64_t ns = heard_ns(record);
    if (is_positive(price)) Quotes::tell(series.quotes.mark_price, price, ns);
    if (is_positive(payload.index_price))
      Quotes::tell(series.quotes.index_price, payload.index_price, ns);
  }
  if (is_positive(price))
    offer(series, &Samples::mark_price, Sample{event_ns(record), price}, is_backfill(record));
}

void Fold::funding(Series& series, const market::RecordHeader& record) {
  const auto& payload = market::payload<market::Funding>(record);
  if (payload.kind != market::FundingKind::predicted || !std::isfinite(payload.rate)) return;
  offer(series, &Samples::predicted_funding, Sample{event_ns(record), payload.rate},
        is_backfill(record));
}

}  // namespace perp::state
