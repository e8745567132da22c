#include "state/fold.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace perp::state {
namespace {

bool is_same(const Row& left, const Row& right) {
  // By their bytes, so that a NaN is like itself; neither it nor a candle has padding.
  // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
  return std::memcmp(&left, &right, sizeof(Row)) == 0;
}

/// Whether the row of minute `at` is one of `first`..`last`, or looks back at one.
bool is_dependent(std::int64_t at, std::int64_t first, std::int64_t last) {
  const auto is_one = [&](std::int64_t minute) { return minute >= first && minute <= last; };
  return is_one(at) ||
         std::any_of(market::change_windows_minutes.begin(), market::change_windows_minutes.end(),
                     [&](std::int64_t window) { return is_one(at - window); });
}

}  // namespace

bool Fold::is_revisable(const Series& series, std::int64_t minute) const {
  return closed_ != no_minute && series.is_in_window(minute) && minute > closed_ - history_minutes;
}

void Fold::revise_trades(Series& series, std::int64_t minute, const market::Trade& trade,
                         std::int64_t ns, DerivedSink& out) {
  Slot& slot = series.slot(minute);
  begin_revision(series);
  add_trade(slot.trades, trade, ns);
  KindMask kinds = 0;
  // A row that came from a candle stays as the candle has it.
  for (const SpecKind kind : {SpecKind::ohlcv, SpecKind::tv}) {
    Row& row = series.row(kind, minute);
    if (!has(series, kind) || row.origin == static_cast<std::uint8_t>(market::MinuteOrigin::candle))
      continue;
    row = kind == SpecKind::ohlcv ? ohlcv_row(slot, series.close_of(minute - 1))
                                  : taker_volume_row(slot);
    kinds |= bit(kind);
  }
  if (kinds != 0) finish_revision(series, minute, kinds, false, out);
}

void Fold::revise_candle(Series& series, std::int64_t minute, const Candle& candle,
                         bool is_backfill, DerivedSink& out) {
  Slot& slot = series.slot(minute);
  const bool is_known =
      slot.candle_state == CandleState::closed || slot.candle_state == CandleState::unsaid;
  // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
  if (is_known && std::memcmp(&slot.candle, &candle, sizeof candle) == 0) {
    ++totals_.duplicate_candles;
    return;
  }
  begin_revision(series);
  slot.candle = candle;
  slot.candle_state = CandleState::closed;
  series.row(SpecKind::ohlcv, minute) = ohlcv_row(slot, market::missing);
  KindMask kinds = bit(SpecKind::ohlcv);
  if (has(series, SpecKind::tv)) {
    series.row(SpecKind::tv, minute) = taker_volume_row(slot);
    kinds |= bit(SpecKind::tv);
  }
  if (finish_revision(series, minute, kinds, is_backfill, out) == 0) ++totals_.duplicate_candles;
}

void Fold::revise_rsi(Series& series, DerivedSink& out) {
  if (closed_ == no_minute || series.data.head == no_minute) return;
  begin_revision(series);
  finish_revision(series, series.data.head - revisable_reach + 1, bit(SpecKind::rsi), false, out);
}

/// The tradeless minutes behind `minute` stand at its close. @returns the last of them that
/// changed.
std::int64_t Fold::carry_close(Series& series, std::int64_t minute) {
  for (std::int64_t last = minute;; ++last) {
    const std::int64_t next = last + 1;
    if (next > closed_ || !series.is_revisable(next) || !is_tradeless(series.slot(next)))
      return last;
    Row& row = series.row(SpecKind::ohlcv, next);
    const Row carried = ohlcv_row(series.slot(next), series.close_of(last));
    if (carried.is_present == row.is_present &&
        (row.is_present == 0 || carried.values[3] == row.values[3]))
      return last;
    row = carried;
  }
}

/// Writes what differs from before_: `minute` itself, what stands at its close, the minutes whose
/// changes look back at these, and for the RSI, which never forgets, every later one. @returns
/// records written.
std::size_t Fold::finish_revision(Series& series, std::int64_t minute, KindMask kinds,
                                  bool is_backfill, DerivedSink& out) {
  const bool is_price = (kinds & bit(SpecKind::ohlcv)) != 0;
  const std::int64_t last = is_price ? carry_close(series, minute) : minute;
  if (series.rsi != nullptr && (is_price || (kinds & bit(SpecKind::rsi)) != 0)) {
    for (std::int64_t at = minute; is_price && at <= last; ++at)
      if (const Row& candle = series.row(SpecKind::ohlcv, at); candle.is_present != 0)
        series.rsi->offer_minute(rsi_rule_, at, candle.values[3]);
    fill_rsi_rows(series, minute);
    kinds |= bit(SpecKind::rsi);
  }
  std::size_t written = 0;
  for (std::int64_t at = minute; at <= closed_; ++at) {
    // A row that looks back beyond the ring would lose what it once had: it stays as it was
    // written.
    if (at != minute && !series.is_revisable(at)) continue;
    for (std::size_t k = 0; k < kind_count; ++k) {
      const auto kind = static_cast<SpecKind>(k);
      if ((kinds & bit(kind)) == 0 || (kind != SpecKind::rsi && !is_dependent(at, minute, last)))
        continue;
      Row& row = series.row(kind, at);
      const Row& old_row = before_[k][static_cast<std::size_t>(at & (slot_count - 1))];
      row.is_written = old_row.is_written;  // a row computed anew does not know
      if (row.is_present == 0 && old_row.is_present == 0) continue;
      const MinuteValues values =
          row.is_present != 0 ? values_of(series, series.data.rows, kind, at, row) : MinuteValues{};
      if (row.is_present == old_row.is_present &&
          values == values_of(series, before_, kind, at, old_row))
        continue;
      const bool is_revision = old_row.is_written != 0;
      row.is_written = 1;
      const bool is_history = is_backfill && at == minute;
      const int flags =
          (is_revision ? market::flag_revision : 0) | (is_history ? market::flag_backfill : 0);
      ++(is_history ? totals_.backfilled : is_revision ? totals_.revised : totals_.late_rows)[k];
      write_minute(series, kind, at, values, row.origin, static_cast<std::uint8_t>(flags), out);
      ++written;
    }
  }
  if (is_price && is_token_member(series))
    for (std::int64_t at = minute; at <= last; ++at)
      revise_token(at, is_backfill && at == minute, out);
  return written;
}

void Fold::backfill_old_candle(Series& series, std::int64_t minute, const Candle& candle,
                               DerivedSink& out) {
  Slot slot;
  slot.minute = minute;
  slot.candle = candle;
  slot.candle_state = CandleState::closed;
  const Row row = ohlcv_row(slot, market::missing);
  bool is_new = write_old_row(series, SpecKind::ohlcv, minute, row, out);
  bool has_moved = false;
  if (series.rsi != nullptr) {
    const double close = row.values[3];
    has_moved = series.rsi->offer_minute(rsi_rule_, minute, close);
    if (series.rsi->push_minute(rsi_rule_, minute, close)) {
      has_moved = true;
      const double rsi60 = series.rsi->value_at(rsi_rule_, minute, close);
      const Row rsi = rsi_row(rolling::rsi_value(rsi_rule_, series.rsi->minutes()), rsi60);
      if (rsi.is_present != 0) is_new |= write_old_row(series, SpecKind::rsi, minute, rsi, out);
    }
  }
  if (const Row volumes = taker_volume_row(slot);
      volumes.is_present != 0 && has(series, SpecKind::tv))
    is_new |= write_old_row(series, SpecKind::tv, minute, volumes, out);
  if (!is_new) ++totals_.duplicate_candles;
  if (has_moved) revise_rsi(series, out);
  if (is_token_member(series)) backfill_token(series, minute, candle, out);
}

/// A row older than the ring: kept in a lane so that the ones after it have their changes.
/// @returns whether anything was written: not for a repeat of what the lane still holds.
bool Fold::write_old_row(Series& series, SpecKind kind, std::int64_t minute, const Row& row,
                         DerivedSink& out) {
  if (series.lanes == nullptr) series.lanes = std::make_unique<Lanes>();
  Lanes::Entry& entry = series.lanes->entries[static_cast<std::size_t>(kind)]
                                             [static_cast<std::size_t>(minute & (lane_count - 1))];
  if (entry.minute == minute && is_same(entry.row, row)) return false;
  entry = {.minute = minute, .row = row};  // also of a run that begins further back
  ++totals_.backfilled[static_cast<std::size_t>(kind)];
  write_minute(series, kind, minute, values_of(series, series.data.rows, kind, minute, row),
               row.origin, market::flag_backfill, out);
  return true;
}

/// A sample of a five-minute history, written as five minutes from its time forward. Minutes that
/// are still open take it when they close.
void Fold::backfill_steps(Series& series, SpecKind kind, std::int64_t sample_ns, Row row,
                          DerivedSink& out) {
  if (sample_ns < 0 || !has(series, kind) || row.is_present == 0) return;
  const std::size_t age = kind == SpecKind::oi ? 2 : 1;
  const std::int64_t first =
      core::floor_to(sample_ns + core::ns_per_minute - 1, core::ns_per_minute) /
      core::ns_per_minute;
  for (std::int64_t minute = first; minute < first + step_minutes; ++minute) {
    if (closed_ != no_minute && minute > closed_) return;
    const std::int64_t whole_ms = (minute * core::ns_per_minute - sample_ns) / core::ns_per_ms;
    row.values[age] = static_cast<double>(whole_ms);
    if (!series.is_in_window(minute)) {
      write_old_row(series, kind, minute, row, out);
      continue;
    }
    Row& stored = series.row(kind, minute);
    if (stored.is_present != 0 && stored.values[age] <= row.values[age])
      continue;  // of a newer sample, or this one
    begin_revision(series);
    stored = row;
    finish_revision(series, minute, bit(kind), true, out);
  }
}

}  // namespace perp::state
