#include "state/fold.hpp"

#include <perp/core/error.hpp>
#include <perp/rolling/change.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace perp::state {
namespace {

/// Feeds write a tick ten times a second. If engine time moves by more than this at once, nobody
/// was watching (a restart, a suspended machine, the seam between two recordings), and silence
/// proves nothing.
constexpr std::int64_t blind_after_ns = 90 * core::ns_per_second;

/// Nothing outlives a jump longer than this: carried samples are stale, streams interrupted, open
/// minutes closed.
constexpr std::int64_t closes_per_jump =
    ratio_staleness_ns / core::ns_per_minute + ahead_minutes + 3;

std::int64_t minute_of(std::int64_t ns) {
  return core::floor_to(ns, core::ns_per_minute) / core::ns_per_minute;
}

template <class Value>
void roll(Value& carried, const Value& newest) {
  if (newest.ns != core::unknown_ns && (carried.ns == core::unknown_ns || newest.ns >= carried.ns))
    carried = newest;
}

OpenInterestSample newest_fresh(const Samples& samples, std::int64_t minute) {
  const OpenInterestSample& now = samples.open_interest_now;
  const OpenInterestSample& period = samples.open_interest_period;
  const bool now_fresh = is_fresh(now.ns, open_interest_staleness_ns, minute);
  const bool period_fresh = is_fresh(period.ns, open_interest_period_staleness_ns, minute);
  if (now_fresh && (!period_fresh || now.ns >= period.ns)) return now;
  return period_fresh ? period : OpenInterestSample{};
}

}  // namespace

Fold::Fold(const StateOptions& options) : options_(options), token_(options.market_token) {
  if (options.rsi_period < 2 || options.rsi_period > 200)
    throw core::Error("bad state option", "rsi_period",
                      fmt::format("{} is not in 2..200", options.rsi_period));
  if (options.rsi_flat != 0 && options.rsi_flat != 50 && options.rsi_flat != 100)
    throw core::Error("bad state option", "rsi_flat",
                      fmt::format("{} is none of 0, 50, 100", options.rsi_flat));
  if (options.close_grace_ns < 0 || options.close_grace_ns > core::ns_per_minute)
    throw core::Error("bad state option", "close_grace_ns",
                      fmt::format("{} ns is not in 0..60 s", options.close_grace_ns));
  const std::int64_t depth_ns = options.depth_interval_ns;
  const std::int64_t ticker_ns = options.ticker_interval_ns;
  const std::int64_t levels_ns = options.levels_interval_ns;
  for (const std::int64_t interval_ns : {depth_ns, ticker_ns, levels_ns})
    if (interval_ns < 0 || interval_ns > core::ns_per_day || interval_ns % core::ns_per_second != 0)
      throw core::Error("bad state option",
                        "depth_interval_ns, ticker_interval_ns, "
                        "levels_interval_ns",
                        fmt::format("{} ns is not whole seconds up to a day", interval_ns));
  depth_.interval_ns = depth_ns;
  tickers_.interval_ns = ticker_ns;
  levels_.interval_ns = levels_ns;
  rsi_rule_ = {.period = options.rsi_period, .flat = options.rsi_flat};
  for (const market::Perpspec& spec : market::perpspecs)
    venues_[static_cast<std::size_t>(market::venue_of(spec.id))].kinds |=
        bit(market::kind_of(spec.id));
}

void Fold::apply(const market::RecordHeader& record, DerivedSink& out) {
  if ((record.flags & market::flag_derived) != 0) {
    ++totals_.derived_skipped;
    return;
  }
  if (static_cast<std::size_t>(record.type) < totals_.records.size())
    ++totals_.records[static_cast<std::size_t>(record.type)];
  if (record.receive_ns != core::unknown_ns) {
    settle_held(record.receive_ns, out);
    advance(record.receive_ns, out);
  } else if (record.exchange_ns != core::unknown_ns &&
             record.type != market::RecordType::instrument) {
    settle_held(record.exchange_ns, out);
    if (clock_.is_jump(record.exchange_ns)) {
      clock_.hold(record, record.exchange_ns);
      return;
    }
    advance(record.exchange_ns, out);
  }
  take(record, out);
}

/// A record at `ns` comes: it confirms the held one, which is then taken first, or refutes it.
void Fold::settle_held(std::int64_t ns, DerivedSink& out) {
  if (!clock_.is_held()) return;
  const std::int64_t held_ns = clock_.held_ns();
  const bool is_confirmed = clock_.confirms(ns);
  clock_.drop_held();
  if (!is_confirmed) {
    ++totals_.implausible_times;
    return;
  }
  advance(held_ns, out);
  if (const market::RecordHeader* held = clock_.held(); held != nullptr) take(*held, out);
}

void Fold::advance(std::int64_t ns, DerivedSink& out) {
  const std::int64_t before = clock_.now_ns();
  if (before != core::unknown_ns && ns <= before) return;
  clock_.advance(ns);
  if (before == core::unknown_ns) {
    // What ended before the first record was not seen by anybody.
    closed_ = minute_of(ns) - 1;
    start_cadences(ns);
    return;
  }
  if (ns - before > blind_after_ns) {
    ++totals_.blind_jumps;
    interrupt_all(before);
  }
  if (ns >= next_sample_ns_) sample_until(ns, before, out);
  const std::int64_t due = minute_of(ns - options_.close_grace_ns) - 1;
  const std::int64_t last = std::min(due, closed_ + closes_per_jump);
  while (closed_ < last) close_minute(closed_ + 1, out);
  closed_ = std::max(closed_, due);
}

void Fold::close_minute(std::int64_t minute, DerivedSink& out) {
  closed_ = minute;
  for (VenueFold& venue : venues_)
    for (const auto& series : venue.series)
      if (series != nullptr && series->is_active) close_series(*series, minute, out);
  if (token_.exists()) close_token(minute, out);
}

void Fold::close_series(Series& series, std::int64_t minute, DerivedSink& out) {
  series.open_up_to(rsi_rule_, minute);
  const std::int64_t from_ns = minute * core::ns_per_minute;
  const std::int64_t to_ns = from_ns + core::ns_per_minute;
  Slot& slot = series.slot(minute);
  slot.is_trade_whole = series.data.trade_stream.is_whole(from_ns, to_ns) ? 1 : 0;
  slot.is_liquidation_whole = series.data.liquidation_stream.is_whole(from_ns, to_ns) ? 1 : 0;
  slot.is_quoted = series.is_trading && series.quotes.priced_ns() >= from_ns ? 1 : 0;

  const Samples& newest = series.open_at(minute);
  Samples& carried = series.data.carried;
  roll(carried.open_interest_now, newest.open_interest_now);
  roll(carried.open_interest_period, newest.open_interest_period);
  roll(carried.mark_price, newest.mark_price);
  roll(carried.predicted_funding, newest.predicted_funding);
  roll(carried.long_short_ratio, newest.long_short_ratio);

  const auto set = [&](SpecKind kind, const Row& row) {
    if (has(series, kind)) series.row(kind, minute) = row;
  };
  set(SpecKind::ohlcv, ohlcv_row(slot, series.close_of(minute - 1)));
  set(SpecKind::oi, open_interest_row(newest_fresh(carried, minute), carried.mark_price, minute));
  set(SpecKind::pfr, sample_row(carried.predicted_funding, funding_staleness_ns, minute));
  set(SpecKind::lsr, sample_row(carried.long_short_ratio, ratio_staleness_ns, minute));
  set(SpecKind::tv, taker_volume_row(slot));
  set(SpecKind::lq, liquidation_row(slot));
  if (const Row& candle = series.row(SpecKind::ohlcv, minute);
      series.rsi != nullptr && candle.is_present != 0) {
    series.rsi->offer_minute(rsi_rule_, minute, candle.values[3]);
    fill_rsi_rows(series, minute);
  }

  KindMask written = 0;
  for (std::size_t k = 0; k < kind_count; ++k) {
    const auto kind = static_cast<SpecKind>(k);
    Row& row = series.row(kind, minute);
    if (row.is_present == 0) continue;
    row.is_written = 1;
    written |= bit(kind);
    ++totals_.minutes_closed[k];
    write_minute(series, kind, minute, values_of(series, series.data.rows, kind, minute, row),
                 row.origin, 0, out);
  }
  write_gap(series, slot, written, out);
}

/// Something of the minute was seen, but the stream that a missing row needs was not live for all
/// of it: says so, once per instrument and minute.
void Fold::write_gap(const Series& series, const Slot& slot, KindMask written, DerivedSink& out) {
  const auto lacks = [&](SpecKind kind) { return has(series, kind) && (written & bit(kind)) == 0; };
  const bool has_trades = slot.trades.count != 0;
  const bool has_candle = slot.candle_state != CandleState::none;
  const LiquidationSum& sum = slot.liquidations;
  const bool has_liquidations =
      sum.long_count + sum.short_count + sum.unsided_count + sum.unusable_count != 0;
  market::RecordType stream = market::RecordType::padding;
  if (slot.is_trade_whole == 0 && lacks(SpecKind::ohlcv) && (has_trades || has_candle))
    stream = has_trades ? market::RecordType::trade : market::RecordType::kline;
  else if (slot.is_trade_whole == 0 && lacks(SpecKind::tv) &&
           (has_trades || (has_candle && series.data.trade_stream.was_ever_live())))
    stream = market::RecordType::trade;
  else if (slot.is_liquidation_whole == 0 && lacks(SpecKind::lq) && has_liquidations)
    stream = market::RecordType::liquidation;
  if (stream == market::RecordType::padding) return;

  ++totals_.half_seen;
  const std::int64_t from_ns = slot.minute * core::ns_per_minute;
  const std::int64_t to_ns = from_ns + core::ns_per_minute;
  auto& gap = out.emplace<market::Gap>(market::RecordType::gap, series.venue, series.instrument,
                                       to_ns, clock_.now_ns(), 0);
  gap.from_ns = from_ns;
  gap.to_ns = to_ns;
  gap.stream = stream;
  gap.cause = market::GapCause::half_seen;
}

/// RSI rows of `from` and of every later closed minute that may still be written again.
void Fold::fill_rsi_rows(Series& series, std::int64_t from) {
  rolling::RsiState state = series.rsi->minutes();
  for (std::int64_t minute = series.data.head - slot_count + 1; minute <= closed_; ++minute) {
    const bool is_wanted = minute == from || (minute > from && series.is_revisable(minute));
    const Row& candle = series.row(SpecKind::ohlcv, minute);
    Row& row = series.row(SpecKind::rsi, minute);
    if (candle.is_present == 0) {
      if (is_wanted) row = {};
      continue;
    }
    const double close = candle.values[3];
    if (!rolling::push_close(rsi_rule_, state, minute, close) || !is_wanted) continue;
    row = rsi_row(rolling::rsi_value(rsi_rule_, state),
                  series.rsi->value_at(rsi_rule_, minute, close));
  }
}

MinuteValues Fold::values_of(const Series& series, const Rows& rows, SpecKind kind,
                             std::int64_t minute, const Row& row) const {
  std::array<const Row*, market::change_windows_minutes.size()> earlier{};
  for (std::size_t window = 0; window < earlier.size(); ++window)
    earlier[window] = series.find_row(rows, kind, minute - market::change_windows_minutes[window]);
  return minute_values(kind, row, earlier);
}

void Fold::write_minute(Series& series, SpecKind kind, std::int64_t minute,
                        const MinuteValues& values, std::uint8_t origin, std::uint8_t flags,
                        DerivedSink& out) const {
  if (kind == SpecKind::ohlcv)
    series.data.newest_candle = std::max(series.data.newest_candle, minute);
  const std::int64_t open_ns = minute * core::ns_per_minute;
  auto& payload = out.emplace<market::Minute>(
      market::RecordType::minute, series.venue, series.instrument, open_ns + core::ns_per_minute,
      clock_.now_ns(), flags, values.count * sizeof(market::MinuteValue));
  payload.open_ns = open_ns;
  payload.perpspec = static_cast<std::uint16_t>(market::perpspec_id(series.venue, kind));
  payload.count = static_cast<std::uint16_t>(values.count);
  payload.origin = origin;
  std::copy_n(values.items.begin(), values.count,
              reinterpret_cast<market::MinuteValue*>(&payload + 1));
}

std::int64_t Fold::event_ns(const market::RecordHeader& record) const {
  if (record.exchange_ns != core::unknown_ns) return record.exchange_ns;
  if (record.receive_ns != core::unknown_ns) return record.receive_ns;
  return clock_.now_ns();
}

std::int64_t Fold::plausible_minute(std::int64_t ns) {
  if (ns == core::unknown_ns) {
    ++totals_.untimed;
    return no_minute;
  }
  const std::int64_t minute = minute_of(ns);
  const bool is_ahead =
      clock_.now_ns() != core::unknown_ns && minute > minute_of(clock_.now_ns()) + ahead_minutes;
  if (ns < 0 || is_ahead) {
    ++totals_.implausible_times;
    return no_minute;
  }
  return minute;
}

}  // namespace perp::state
