#include <perp/sim/book.hpp>

#include <algorithm>

namespace perp::sim {
namespace {

constexpr std::size_t standing_levels = 6;  // a taker order never empties a side

/// First level at or better than `price`; levels are ordered worst to best by sign x price.
template <class Levels>
auto locate(Levels& side, std::int64_t sign, std::int64_t price) {
  return std::lower_bound(side.begin(), side.end(), price,
                          [sign](const BookLevel& level, std::int64_t value) {
                            return sign * level.price < sign * value;
                          });
}

}  // namespace

BookLevel Book::make_level(std::int64_t price, Random& random) const {
  const std::int64_t lots = std::max<std::int64_t>(1, shape_.level_quantity / grid_.lot);
  std::int64_t size = lots * random.between(1, 64) / 96 << random.heads(5);
  size = std::max<std::int64_t>(size, 1) * grid_.lot;
  return {price, size, 1 + random.heads(5) + static_cast<std::int64_t>(random.below(4))};
}

void Book::put(Side& side, std::vector<std::int64_t>& dirty, std::int64_t sign,
               const BookLevel& level) {
  const auto at = locate(side, sign, level.price);
  if (at != side.end() && at->price == level.price)
    *at = level;
  else
    side.insert(at, level);
  dirty.push_back(level.price);
}

void Book::open(std::int64_t price, Random& random) {
  bids_.clear();
  asks_.clear();
  const std::int64_t tick = grid_.tick;
  const std::int64_t bid = price / tick * tick - shape_.spread_ticks / 2 * tick;
  put(bids_, dirty_bids_, 1, make_level(bid, random));
  put(asks_, dirty_asks_, -1, make_level(bid + shape_.spread_ticks * tick, random));
  settle(random);
}

void Book::requote(std::int64_t price, Random& random) {
  const std::int64_t tick = grid_.tick;
  const std::int64_t width = best_ask().price - best_bid().price;
  const std::int64_t spread =
      (shape_.spread_ticks + (random.below(4) == 0 ? random.heads(3) : 0)) * tick;
  if (best_bid().price <= price && price <= best_ask().price && width <= spread) return;
  const std::int64_t bid = std::max(tick, (price - spread / 2) / tick * tick);
  const std::int64_t ask = bid + spread;
  while (!bids_.empty() && bids_.back().price > bid) {
    dirty_bids_.push_back(bids_.back().price);
    bids_.pop_back();
  }
  while (!asks_.empty() && asks_.back().price < ask) {
    dirty_asks_.push_back(asks_.back().price);
    asks_.pop_back();
  }
  step_up(bids_, dirty_bids_, 1, bid, random);
  step_up(asks_, dirty_asks_, -1, ask, random);
}

/// A new best price; a wide hole behind it is filled with a ladder of levels.
void Book::step_up(Side& side, std::vector<std::int64_t>& dirty, std::int64_t sign,
                   std::int64_t price, Random& random) {
  constexpr int rungs_max = 24;
  if (!side.empty() && side.back().price == price) return;
  const std::int64_t old_best = side.empty() ? price : side.back().price;
  put(side, dirty, sign, make_level(price, random));
  std::int64_t rung = price;
  for (int i = 0; i < rungs_max; ++i) {
    rung -= sign * random.between(1, 2 * shape_.gap_ticks) * grid_.tick;
    if (sign * rung <= sign * old_best || rung <= 0) break;
    put(side, dirty, sign, make_level(rung, random));
  }
}

void Book::churn(int changes, Random& random) {
  for (; changes > 0; --changes) {
    const bool is_bid = random.chance(500'000);
    Side& side = is_bid ? bids_ : asks_;
    std::vector<std::int64_t>& dirty = is_bid ? dirty_bids_ : dirty_asks_;
    const std::int64_t sign = is_bid ? 1 : -1;
    // Half the changes are at the top, the rest ever deeper.
    const std::size_t span = std::min(side.size(), std::size_t{2} << random.heads(6));
    const std::size_t index = side.size() - 1 - random.below(static_cast<std::uint32_t>(span));
    const std::uint32_t action = random.below(100);
    if (action < 70 || index + 1 == side.size()) {
      side[index] = make_level(side[index].price, random);
      dirty.push_back(side[index].price);
    } else if (action < 84 && side.size() > standing_levels) {
      dirty.push_back(side[index].price);
      side.erase(side.begin() + static_cast<std::ptrdiff_t>(index));
    } else {
      const std::int64_t price =
          side[index].price - sign * random.between(1, shape_.gap_ticks + 1) * grid_.tick;
      if (price > 0) put(side, dirty, sign, make_level(price, random));
    }
  }
}

void Book::take(bool is_buy, std::int64_t quantity, Random& random, std::vector<Fill>& fills) {
  Side& side = is_buy ? asks_ : bids_;
  std::vector<std::int64_t>& dirty = is_buy ? dirty_asks_ : dirty_bids_;
  while (quantity > 0 && side.size() > standing_levels) {
    BookLevel& level = side.back();
    const std::int64_t taken = std::min(quantity, level.quantity);
    // Each maker's part is at least one lot.
    const std::int64_t makers =
        std::min({level.orders, taken / grid_.lot, 1 + static_cast<std::int64_t>(random.heads(3))});
    fills.push_back({level.price, taken, makers});
    dirty.push_back(level.price);
    quantity -= taken;
    level.quantity -= taken;
    if (level.quantity == 0)
      side.pop_back();
    else
      level.orders = std::max<std::int64_t>(1, level.orders - makers + 1);
  }
}

void Book::settle_side(Side& side, std::vector<std::int64_t>& dirty, std::int64_t sign,
                       Random& random) {
  if (side.size() > shape_.depth) {  // the worst levels leave the window
    const auto end = side.begin() + static_cast<std::ptrdiff_t>(side.size() - shape_.depth);
    for (auto level = side.begin(); level != end; ++level) dirty.push_back(level->price);
    side.erase(side.begin(), end);
  }
  // Holes near the top fill up again; what they do not hold is added at the far end.
  const auto missing =
      static_cast<std::int64_t>(shape_.depth - std::min(shape_.depth, side.size()));
  const std::int64_t reach = shape_.gap_ticks * (2 * missing + 12);
  for (std::int64_t attempts = 2 * missing;
       attempts > 0 && side.size() < shape_.depth && !side.empty(); --attempts) {
    const std::int64_t price = side.back().price - sign * random.between(1, reach) * grid_.tick;
    const auto at = locate(side, sign, price);
    // Only inside the window: a level in front of the worst one.
    if (at != side.begin() && (at == side.end() || at->price != price))
      put(side, dirty, sign, make_level(price, random));
  }
  while (side.size() < shape_.depth) {
    const std::int64_t price =
        side.front().price - sign * random.between(1, 2 * shape_.gap_ticks) * grid_.tick;
    if (price <= 0) break;  // so near to nothing a book has fewer levels
    side.insert(side.begin(), make_level(price, random));
    dirty.push_back(price);
  }
}

void Book::settle(Random& random) {
  settle_side(bids_, dirty_bids_, 1, random);
  settle_side(asks_, dirty_asks_, -1, random);
}

const Book::Side& Book::changes(const Side& side, std::vector<std::int64_t>& dirty,
                                std::int64_t sign, Side& out) {
  std::sort(dirty.begin(), dirty.end());
  dirty.erase(std::unique(dirty.begin(), dirty.end()), dirty.end());
  out.clear();
  for (const std::int64_t price : dirty) {
    const auto at = locate(side, sign, price);
    const bool is_there = at != side.end() && at->price == price;
    out.push_back(is_there ? *at : BookLevel{price, 0, 0});
  }
  return out;
}

const std::vector<BookLevel>& Book::changed_bids() {
  return changes(bids_, dirty_bids_, 1, changed_bids_);
}
const std::vector<BookLevel>& Book::changed_asks() {
  return changes(asks_, dirty_asks_, -1, changed_asks_);
}

void Book::clear_changes() {
  dirty_bids_.clear();
  dirty_asks_.clear();
}

}  // namespace perp::sim
