#include <perp/core/platform.hpp>
#include <perp/market/order_book.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace perp::market {
namespace {

constexpr std::size_t linear_scan = 4;  // most changes are at or near the touch
constexpr double no_bound = std::numeric_limits<double>::infinity();

bool has_range(const Book& book) {
  return book.first_id != unknown_id && book.previous_id != unknown_id;
}

}  // namespace

// One side ------------------------------------------------------------------------------------

BookSide::BookSide(bool is_bid, std::size_t level_limit)
    : level_limit_(std::max<std::size_t>(level_limit, 1)), is_bid_(is_bid) {
  // The slack decides how seldom center() runs: at least slack / 2 insertions at one end lie
  // between two runs.
  slots_.resize(level_limit_ + std::max<std::size_t>(32, level_limit_ / 4));
  clear();
}

void BookSide::clear() noexcept {
  count_ = 0;
  begin_ = (slots_.size() - level_limit_) / 2;
  horizon_ = is_bid_ ? -no_bound : no_bound;
}

void BookSide::set_horizon_at_worst() noexcept {
  if (count_ != 0) horizon_ = slots_[begin_ + count_ - 1].price;
}

// Index of the first level that is not better than `price`. Comparisons become conditional moves:
// where a change falls cannot be predicted, and a wrong guess costs more than the whole search.
template <bool is_bid>
std::size_t BookSide::find_in(double price) const noexcept {
  const Level* const levels = slots_.data() + begin_;
  const auto is_better_at = [levels, price](std::size_t i) {
    return is_bid ? levels[i].price > price : levels[i].price < price;
  };
  if (count_ == 0 || is_better_at(count_ - 1)) return count_;  // a snapshot's levels come in order
  for (std::size_t i = 0; i < std::min(count_, linear_scan); ++i)
    if (!is_better_at(i)) return i;
  std::size_t first =
      linear_scan;  // here count_ > linear_scan, or the loop would have ended at the last level
  for (std::size_t size = count_ - first; size > 1;) {
    const std::size_t half = size / 2;
    first += is_better_at(first + half - 1) ? half : 0;
    size -= half;
  }
  return first + (is_better_at(first) ? 1 : 0);
}

std::size_t BookSide::find(double price) const noexcept {
  return is_bid_ ? find_in<true>(price) : find_in<false>(price);
}

void BookSide::center() noexcept {
  const std::size_t target = (slots_.size() - count_) / 2;
  const auto from = slots_.begin() + static_cast<std::ptrdiff_t>(begin_);
  const auto until = from + static_cast<std::ptrdiff_t>(count_);
  if (target < begin_) {
    std::copy(from, until, slots_.begin() + static_cast<std::ptrdiff_t>(target));
  } else {
    std::copy_backward(from, until, slots_.begin() + static_cast<std::ptrdiff_t>(target + count_));
  }
  begin_ = target;
}

void BookSide::insert(std::size_t index, Level level) noexcept {
  const bool is_front = index <= count_ / 2;
  if (is_front ? begin_ == 0 : begin_ + count_ == slots_.size()) center();
  Level* levels = slots_.data() + begin_;
  if (is_front) {
    std::copy(levels, levels + index, levels - 1);
    --begin_;
    levels[static_cast<std::ptrdiff_t>(index) - 1] = level;
  } else {
    std::copy_backward(levels + index, levels + count_, levels + count_ + 1);
    levels[index] = level;
  }
  ++count_;
}

void BookSide::erase(std::size_t index) noexcept {
  Level* levels = slots_.data() + begin_;
  if (index < count_ / 2) {
    std::copy_backward(levels, levels + index, levels + index + 1);
    ++begin_;
  } else {
    std::copy(levels + index + 1, levels + count_, levels + index);
  }
  --count_;
}

bool BookSide::set(double price, double quantity) noexcept {
  if (!std::isfinite(price) || !std::isfinite(quantity) || quantity < 0) return false;
  const std::size_t index = find(price);
  const bool is_known = index < count_ && slots_[begin_ + index].price == price;
  if (quantity == 0) {
    if (is_known) erase(index);
    return true;
  }
  if (is_known) {
    slots_[begin_ + index].quantity = quantity;
    return true;
  }
  if (count_ == level_limit_) {
    ++levels_dropped_;
    if (index < count_) {
      --count_;  // the worst level makes room
      insert(index, {price, quantity});
    }
    const double worst = slots_[begin_ + count_ - 1].price;
    if (is_better(worst, horizon_)) horizon_ = worst;
    return true;
  }
  insert(index, {price, quantity});
  return true;
}

// Both sides ----------------------------------------------------------------------------------

OrderBook::OrderBook(std::size_t level_limit)
    : bids_(true, level_limit), asks_(false, level_limit) {}

BookOutcome OrderBook::apply(const RecordHeader& record) {
  if (record.type != RecordType::book_snapshot && record.type != RecordType::book_delta)
    return BookOutcome::ignored;
  const Book& book = payload<Book>(record);
  const BookOutcome outcome =
      record.type == RecordType::book_snapshot ? apply_snapshot(book) : apply_delta(book);
  if (outcome == BookOutcome::applied) {
    exchange_ns_ = record.exchange_ns;
    receive_ns_ = record.receive_ns;
  }
  return outcome;
}

void OrderBook::set_levels(std::span<const Level> bids, std::span<const Level> asks) noexcept {
  for (const Level& level : bids)
    counts_.levels_refused += bids_.set(level.price, level.quantity) ? 0U : 1U;
  for (const Level& level : asks)
    counts_.levels_refused += asks_.set(level.price, level.quantity) ? 0U : 1U;
}

bool OrderBook::is_crossed() const noexcept {
  const std::span<const Level> bids = bids_.levels();
  const std::span<const Level> asks = asks_.levels();
  return !bids.empty() && !asks.empty() && bids.front().price >= asks.front().price;
}

BookOutcome OrderBook::lose(StaleReason reason) {
  state_ = BookState::stale;
  reason_ = reason;
  bids_.clear();
  asks_.clear();
  last_id_ = unknown_id;
  forget_pending();
  switch (reason) {
    case StaleReason::none: break;
    case StaleReason::gap: ++counts_.gaps; break;
    case StaleReason::checksum: ++counts_.checksum_mismatches; break;
    case StaleReason::crossed: ++counts_.crossed; break;
  }
  return BookOutcome::staled;
}

// The delta that showed the fault is itself the first of those that a coming snapshot may join.
BookOutcome OrderBook::lose_at(const Book& book, StaleReason reason) {
  lose(reason);
  if (has_range(book)) pend(book);
  return BookOutcome::staled;
}

void OrderBook::invalidate(StaleReason reason) { lose(reason); }

BookOutcome OrderBook::apply_delta(const Book& book) {
  const auto continuity = static_cast<Continuity>(book.continuity);
  if (continuity == Continuity::stale) {
    ++counts_.ignored;
    return BookOutcome::ignored;
  }
  const bool is_ranged = has_range(book);
  is_ranged_ = is_ranged_ || is_ranged;
  if (continuity == Continuity::gap) return lose_at(book, StaleReason::gap);
  if (book.checksum_state == 2) return lose(StaleReason::checksum);
  if (!is_live()) {
    if (is_ranged && pend(book)) return BookOutcome::pended;
    ++counts_.ignored;
    return BookOutcome::ignored;
  }
  // The adapter has checked the ids; they are looked at again because a reader may begin anywhere
  // in a journal.
  if (last_id_ != unknown_id && book.previous_id != unknown_id) {
    const bool follows = book.previous_id == last_id_;
    const bool joins = is_ranged && is_join_due_ &&
                       joins_snapshot(last_id_, book.first_id, book.last_id, book.previous_id);
    if (!follows && !joins) {
      const bool is_old =
          is_ranged && (is_join_due_ ? book.last_id < last_id_ : book.last_id <= last_id_);
      if (!is_old) return lose_at(book, StaleReason::gap);
      ++counts_.ignored;
      return BookOutcome::ignored;
    }
  }
  set_levels(market::bids(book), market::asks(book));
  if (book.last_id != unknown_id) last_id_ = book.last_id;
  is_join_due_ = false;
  if (is_crossed()) return lose_at(book, StaleReason::crossed);
  ++counts_.applied;
  return BookOutcome::applied;
}

BookOutcome OrderBook::apply_snapshot(const Book& book) {
  const auto continuity = static_cast<Continuity>(book.continuity);
  // A REST snapshot of a ranged stream may arrive when the book is already ahead of it: the book is
  // the newer one. One of the same id says the same, and may reach deeper.
  const bool is_behind = is_live() && is_ranged_ && book.last_id != unknown_id &&
                         last_id_ != unknown_id && book.last_id < last_id_;
  if (continuity == Continuity::stale || is_behind) {
    ++counts_.ignored;
    return BookOutcome::ignored;
  }
  if (continuity == Continuity::gap) return lose(StaleReason::gap);
  if (book.checksum_state == 2) return lose(StaleReason::checksum);
  bids_.clear();
  asks_.clear();
  set_levels(market::bids(book), market::asks(book));
  if (book.depth ==
      0) {  // the whole book as far as the sender's limit: nothing is known beyond its worst levels
    bids_.set_horizon_at_worst();
    asks_.set_horizon_at_worst();
  }
  last_id_ = book.last_id;
  is_join_due_ = true;
  state_ = BookState::live;
  reason_ = StaleReason::none;
  if (!replay_pending()) {
    // Too old for the deltas that are kept: they stay for a newer snapshot.
    bids_.clear();
    asks_.clear();
    state_ = BookState::stale;
    reason_ = StaleReason::gap;
    ++counts_.gaps;
    return BookOutcome::staled;
  }
  forget_pending();
  if (is_crossed()) return lose(StaleReason::crossed);
  ++counts_.applied;
  return BookOutcome::applied;
}

// Applies what was pending on top of the snapshot. @returns false if the first that is not older
// does not join it.
bool OrderBook::replay_pending() {
  for (std::size_t i = 0; i < pending_count_; ++i) {
    const PendingDelta& delta = pending(i);
    if (is_join_due_) {
      if (delta.last_id < last_id_) continue;
      if (!joins_snapshot(last_id_, delta.first_id, delta.last_id, delta.previous_id)) return false;
    }
    const std::span<const Level> levels = delta.levels;
    set_levels(levels.first(delta.bid_count), levels.subspan(delta.bid_count));
    last_id_ = delta.last_id;
    is_join_due_ = false;
    ++counts_.applied;
  }
  return true;
}

bool OrderBook::pend(const Book& book) {
  if (pending_count_ != 0) {
    const std::int64_t newest = pending(pending_count_ - 1).last_id;
    if (book.previous_id != newest) {
      if (book.last_id <= newest) return false;  // a repeat
      counts_.pending_dropped += pending_count_;
      pending_count_ = 0;
    }
  }
  if (pending_.empty()) pending_.resize(pending_delta_limit);
  if (pending_count_ == pending_.size()) {
    pending_head_ = (pending_head_ + 1) % pending_.size();
    --pending_count_;
    ++counts_.pending_dropped;
  }
  PendingDelta& slot = pending(pending_count_);
  ++pending_count_;
  slot.first_id = book.first_id;
  slot.last_id = book.last_id;
  slot.previous_id = book.previous_id;
  slot.bid_count = book.bid_count;
  slot.levels.clear();
  const std::span<const Level> bids = market::bids(book);
  const std::span<const Level> asks = market::asks(book);
  slot.levels.insert(slot.levels.end(), bids.begin(), bids.end());
  slot.levels.insert(slot.levels.end(), asks.begin(), asks.end());
  ++counts_.pended;
  return true;
}

void OrderBook::forget_pending() {
  std::vector<PendingDelta>().swap(
      pending_);  // a quarter of a megabyte a book is too much to keep for a rare event
  pending_head_ = 0;
  pending_count_ = 0;
}

}  // namespace perp::market
