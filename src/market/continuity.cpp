#include <perp/market/continuity.hpp>

namespace perp::market {

// Binance -------------------------------------------------------------------------------------

void BinanceBookSequence::begin_run(std::int64_t first, std::int64_t last,
                                    std::int64_t previous) noexcept {
  run_head_ = 0;
  run_count_ = 1;
  run_[0] = {first, last};
  run_previous_ = previous;
  last_ = last;
  repeats_ = 0;
}

void BinanceBookSequence::extend_run(std::int64_t first, std::int64_t last) noexcept {
  if (run_count_ == run_.size()) {
    run_previous_ = run_[run_head_].last;
    run_head_ = (run_head_ + 1) % pending_delta_limit;
    --run_count_;
  }
  run_[(run_head_ + run_count_) % pending_delta_limit] = {first, last};
  ++run_count_;
  last_ = last;
  repeats_ = 0;
}

// Whether the events of the run lead from a book of `last_id` to last_ without a hole.
bool BinanceBookSequence::covers(std::int64_t last_id) const noexcept {
  std::int64_t previous = run_previous_;
  for (std::uint32_t i = 0; i < run_count_; ++i) {
    const Range& event = run_[(run_head_ + i) % pending_delta_limit];
    if (event.last >= last_id) return joins_snapshot(last_id, event.first, event.last, previous);
    previous = event.last;
  }
  return false;
}

Continuity BinanceBookSequence::lose(std::int64_t first, std::int64_t last,
                                     std::int64_t previous) noexcept {
  begin_run(first, last, previous);
  state_ = State::unsynced;
  return Continuity::gap;
}

Continuity BinanceBookSequence::snapshot(std::int64_t last_id) noexcept {
  if (state_ == State::ahead && last_id < last_)
    return Continuity::stale;  // replies that overtook each other
  if (last_ == unknown_id || last_id > last_) {
    state_ = State::ahead;
    last_ = last_id;
    run_count_ = 0;
    repeats_ = 0;
    return Continuity::restart;
  }
  if (state_ == State::ahead) return Continuity::restart;  // the same snapshot again
  // Older than the newest event: the events in between were already given and are applied on top of
  // it.
  if (!covers(last_id)) return Continuity::stale;
  state_ = State::joined;
  return Continuity::restart;
}

Continuity BinanceBookSequence::delta(std::int64_t first, std::int64_t last,
                                      std::int64_t previous) noexcept {
  if (first > last)
    return lose(first, last, previous);  // contradicts itself: nothing can be built on it
  switch (state_) {
    case State::unsynced:
      if (run_count_ == 0) {
        begin_run(first, last, previous);
        return Continuity::unchecked;
      }
      if (previous == last_) {
        extend_run(first, last);
        return Continuity::unchecked;
      }
      break;
    case State::ahead:
      if (last < last_) return is_repeat() ? Continuity::stale : lose(first, last, previous);
      if (!joins_snapshot(last_, first, last, previous)) return lose(first, last, previous);
      begin_run(first, last, previous);
      state_ = State::live;
      return Continuity::restart;
    case State::joined:
    case State::live:
      if (previous == last_) {
        const Continuity found =
            state_ == State::joined ? Continuity::restart : Continuity::continuous;
        extend_run(first, last);
        state_ = State::live;
        return found;
      }
      break;
  }
  // An overlapping connection delivers events twice; ids that stay behind for long are a new
  // numbering.
  if (last <= last_ && is_repeat()) return Continuity::stale;
  return lose(first, last, previous);
}

// Bybit ---------------------------------------------------------------------------------------

Continuity BybitBookSequence::snapshot(std::int64_t update_id) noexcept {
  const bool is_repeat = is_live_ && update_id == last_ && update_id != 1;
  last_ = update_id;
  is_live_ = true;
  is_gap_told_ = false;
  return is_repeat ? Continuity::stale : Continuity::restart;
}

Continuity BybitBookSequence::delta(std::int64_t update_id) noexcept {
  if (update_id == 1) return snapshot(update_id);
  if (is_live_) {
    if (update_id == last_) return Continuity::stale;
    if (update_id == next_id(last_)) {
      last_ = update_id;
      return Continuity::continuous;
    }
  }
  is_live_ = false;
  if (is_gap_told_) return Continuity::stale;
  is_gap_told_ = true;
  return Continuity::gap;
}

// OKX -----------------------------------------------------------------------------------------

Continuity OkxBookSequence::snapshot(std::int64_t sequence, std::int64_t /*previous*/) noexcept {
  last_ = sequence;
  is_live_ = true;
  is_gap_told_ = false;
  return Continuity::restart;
}

Continuity OkxBookSequence::delta(std::int64_t sequence, std::int64_t previous) noexcept {
  if (is_live_ && previous == last_) {
    if (sequence == unknown_id) return Continuity::unchecked;
    last_ = sequence;
    return Continuity::continuous;
  }
  is_live_ = false;
  if (is_gap_told_) return Continuity::stale;
  is_gap_told_ = true;
  return Continuity::gap;
}

void OkxBookSequence::invalidate() noexcept {
  is_live_ = false;
  is_gap_told_ = true;
}

// Whole books ---------------------------------------------------------------------------------

Continuity SnapshotBookSequence::snapshot(std::int64_t exchange_ns) noexcept {
  if (exchange_ns != core::unknown_ns) {
    if (exchange_ns < last_ns_ && ++repeats_ < repeat_limit) return Continuity::stale;
    last_ns_ = exchange_ns;
  }
  repeats_ = 0;
  return Continuity::restart;
}

}  // namespace perp::market
