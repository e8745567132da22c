// MT: its candles from those of its members.
#include "state/fold.hpp"

#include <array>

namespace perp::state {

/// @returns false if a member has no candle of that minute
bool Fold::mean_of_members(std::int64_t minute, Candle& candle) const {
  const VenueFold& venue = venues_[static_cast<std::size_t>(MarketToken::venue)];
  std::array<const Row*, MarketToken::members_max> rows{};
  for (std::size_t i = 0; i < token_.size(); ++i) {
    const std::size_t index = token_.member(i) & 0xffffffU;
    if (token_.member(i) == 0 || index >= venue.series.size()) return false;
    const Series* series = venue.series[index].get();
    if (series != nullptr && series->is_active)
      rows[i] = series->find_row(series->data.rows, SpecKind::ohlcv, minute);
  }
  return MarketToken::mean({rows.data(), token_.size()}, candle);
}

void Fold::close_token(std::int64_t minute, DerivedSink& out) {
  token_.series.open_up_to(rsi_rule_, minute);
  Candle candle;
  if (mean_of_members(minute, candle)) {
    Slot& slot = token_.series.slot(minute);
    slot.candle = candle;
    slot.candle_state = CandleState::closed;
    describe_token(out);
  }
  close_series(token_.series, minute, out);
}

/// A member's row of a minute in the ring has changed.
void Fold::revise_token(std::int64_t minute, bool is_backfill, DerivedSink& out) {
  Series& series = token_.series;
  if (closed_ == no_minute || minute > closed_) return;
  series.open_up_to(rsi_rule_, closed_);
  if (!series.is_in_window(minute)) return;
  Candle candle;
  if (mean_of_members(minute, candle)) {
    describe_token(out);
    revise_candle(series, minute, candle, is_backfill, out);
    return;
  }
  Slot& slot = series.slot(minute);
  if (slot.candle_state == CandleState::none) return;
  // A member has lost its row.
  begin_revision(series);
  slot.candle_state = CandleState::none;
  series.row(SpecKind::ohlcv, minute) = {};
  finish_revision(series, minute, bit(SpecKind::ohlcv), is_backfill, out);
}

void Fold::backfill_token(const Series& member, std::int64_t minute, const Candle& candle,
                          DerivedSink& out) {
  Candle made;
  if (!token_.complete_old(member.instrument, minute, candle, made)) return;
  token_.series.open_up_to(rsi_rule_, closed_ == no_minute ? minute : closed_);
  describe_token(out);
  if (token_.series.is_in_window(minute))
    revise_candle(token_.series, minute, made, true, out);
  else
    backfill_old_candle(token_.series, minute, made, out);
}

void Fold::describe_token(DerivedSink& out) {
  if (token_.is_described != 0) return;
  token_.is_described = 1;
  out.emplace<market::Instrument>(market::RecordType::instrument, MarketToken::venue,
                                  MarketToken::instrument, clock_.now_ns(), clock_.now_ns(), 0) =
      MarketToken::description();
}

}  // namespace perp::state
