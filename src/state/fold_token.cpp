// MT and MTW: their candles from those of their members.
#include "state/fold.hpp"

#include <array>

namespace perp::state {

/// @returns false if a member has no candle of that minute
bool Fold::members_of(std::int64_t minute, MarketToken::Values& values) const {
  const VenueFold& venue = venues_[static_cast<std::size_t>(MarketToken::venue)];
  std::array<const Row*, MarketToken::members_max> rows{};
  for (std::size_t i = 0; i < token_.size(); ++i) {
    const std::size_t index = token_.member(i) & 0xffffffU;
    if (token_.member(i) == 0 || index >= venue.series.size()) return false;
    const Series* series = venue.series[index].get();
    if (series != nullptr && series->is_active)
      rows[i] = series->find_row(series->data.rows, SpecKind::ohlcv, minute);
  }
  return MarketToken::gather({rows.data(), token_.size()}, values);
}

void Fold::close_token(std::int64_t minute, DerivedSink& out) {
  MarketToken::Values values;
  const bool is_whole = members_of(minute, values);
  if (is_whole) begin_index(values, out);
  for (MarketToken::Symbol& symbol : token_.symbols) {
    symbol.series.open_up_to(rsi_rule_, minute);
    if (is_whole && token_.has_begun(symbol.kind)) {
      Slot& slot = symbol.series.slot(minute);
      slot.candle = token_.candle(symbol.kind, values);
      slot.candle_state = CandleState::closed;
      describe_token(symbol, out);
    }
    close_series(symbol.series, minute, out);
  }
}

/// A member's row of a minute in the ring has changed.
void Fold::revise_token(std::int64_t minute, bool is_backfill, DerivedSink& out) {
  if (closed_ == no_minute || minute > closed_) return;
  MarketToken::Values values;
  const bool is_whole = members_of(minute, values);
  if (is_whole && is_backfill)
    keep_for_index(minute, values);
  else if (is_whole)
    begin_index(values, out);
  for (MarketToken::Symbol& symbol : token_.symbols) {
    Series& series = symbol.series;
    series.open_up_to(rsi_rule_, closed_);
    if (!series.is_in_window(minute)) continue;
    if (is_whole && token_.has_begun(symbol.kind)) {
      describe_token(symbol, out);
      revise_candle(series, minute, token_.candle(symbol.kind, values), is_backfill, out);
      continue;
    }
    Slot& slot = series.slot(minute);
    if (slot.candle_state == CandleState::none) continue;
    // A member has lost its row.
    begin_revision(series);
    slot.candle_state = CandleState::none;
    series.row(SpecKind::ohlcv, minute) = {};
    finish_revision(series, minute, bit(SpecKind::ohlcv), is_backfill, out);
  }
}

void Fold::backfill_token(const Series& member, std::int64_t minute, const Candle& candle,
                          DerivedSink& out) {
  MarketToken::Values values;
  if (!token_.complete_old(member.instrument, minute, candle, values)) return;
  keep_for_index(minute, values);
  for (MarketToken::Symbol& symbol : token_.symbols)
    if (token_.has_begun(symbol.kind)) write_token_history(symbol, minute, values, out);
}

void Fold::write_token_history(MarketToken::Symbol& symbol, std::int64_t minute,
                               const MarketToken::Values& values, DerivedSink& out) {
  const Candle made = token_.candle(symbol.kind, values);
  symbol.series.open_up_to(rsi_rule_, closed_ == no_minute ? minute : closed_);
  describe_token(symbol, out);
  if (symbol.series.is_in_window(minute))
    revise_candle(symbol.series, minute, made, true, out);
  else
    backfill_old_candle(symbol.series, minute, made, out);
}

/// History begins no index: it comes from anywhere, and beside a running program into a journal of
/// its own, where it would be another index under the same name. It waits for one.
void Fold::keep_for_index(std::int64_t minute, const MarketToken::Values& values) {
  if (token_.has_begun(MarketToken::Kind::index)) return;
  token_.before_index[minute] = values;
  if (token_.before_index.size() > MarketToken::pending_max)
    token_.before_index.erase(token_.before_index.begin());
}

void Fold::begin_index(const MarketToken::Values& values, DerivedSink& out) {
  if (!token_.begin_index(values)) return;
  MarketToken::Symbol& index = token_.symbols[static_cast<std::size_t>(MarketToken::Kind::index)];
  for (const auto& [minute, then] : token_.before_index)
    write_token_history(index, minute, then, out);
  token_.before_index.clear();
}

void Fold::describe_token(MarketToken::Symbol& symbol, DerivedSink& out) {
  if (symbol.is_described != 0) return;
  symbol.is_described = 1;
  out.emplace<market::Instrument>(market::RecordType::instrument, MarketToken::venue,
                                  symbol.series.instrument, clock_.now_ns(), clock_.now_ns(), 0) =
      symbol.description();
}

}  // namespace perp::state
