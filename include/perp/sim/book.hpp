#pragma once
// The order book of one simulated contract: `depth` levels a side, never crossed, never
// empty. Remembers which prices changed since the last drain, so that a wire model can send a delta
// that rebuilds it. Integers on the contract's grid. One owner thread; an operation costs some
// hundred nanoseconds.
#include <perp/sim/listing.hpp>
#include <perp/sim/random.hpp>

#include <cstdint>
#include <vector>

namespace perp::sim {

struct BookLevel {
  std::int64_t price = 0;
  std::int64_t quantity = 0;
  std::int64_t orders = 0;
  friend bool operator==(const BookLevel&, const BookLevel&) = default;
};

/// Part of a taker order filled at one price.
struct Fill {
  std::int64_t price = 0;
  std::int64_t quantity = 0;
  std::int64_t makers = 1;  ///< resting orders it hit
};

class Book {
 public:
  struct Shape {
    std::size_t depth = 50;
    std::int64_t spread_ticks = 1;  ///< usual distance of best bid and ask
    std::int64_t gap_ticks = 1;     ///< usual distance between levels
    std::int64_t level_quantity = 1;
  };

  Book(const Grid& grid, const Shape& shape) : grid_(grid), shape_(shape) {}

  /// Fills both sides around `price` (native units).
  void open(std::int64_t price, Random& random);
  /// Moves the best prices around `price` if it left the spread. Nothing else moves.
  void requote(std::int64_t price, Random& random);
  /// Resizes, adds and removes some levels near the top; the best prices stay.
  void churn(int changes, Random& random);
  /// Takes liquidity as a market order does, level by level; leaves a few levels standing. Appends
  /// to `fills`.
  void take(bool is_buy, std::int64_t quantity, Random& random, std::vector<Fill>& fills);
  /// Back to exactly `depth` levels a side. The best levels stay.
  void settle(Random& random);

  const BookLevel& best_bid() const { return bids_.back(); }
  const BookLevel& best_ask() const { return asks_.back(); }
  /// Worst first.
  const std::vector<BookLevel>& bids() const { return bids_; }
  const std::vector<BookLevel>& asks() const { return asks_; }

  /// Prices changed since the last clear; quantity 0 = gone. Sorted by price upwards, each price
  /// once.
  const std::vector<BookLevel>& changed_bids();
  const std::vector<BookLevel>& changed_asks();
  bool has_changes() const { return !dirty_bids_.empty() || !dirty_asks_.empty(); }
  void clear_changes();

 private:
  using Side = std::vector<BookLevel>;
  BookLevel make_level(std::int64_t price, Random& random) const;
  void put(Side& side, std::vector<std::int64_t>& dirty, std::int64_t sign, const BookLevel& level);
  void step_up(Side& side, std::vector<std::int64_t>& dirty, std::int64_t sign, std::int64_t price,
               Random& random);
  void settle_side(Side& side, std::vector<std::int64_t>& dirty, std::int64_t sign, Random& random);
  static const Side& changes(const Side& side, std::vector<std::int64_t>& dirty, std::int64_t sign,
                             Side& out);

  Grid grid_;
  Shape shape_;
  // Best last: what changes most is cheapest to change. `sign` is 1 for bids (ascending), -1 for
  // asks.
  Side bids_;
  Side asks_;
  std::vector<std::int64_t> dirty_bids_;
  std::vector<std::int64_t> dirty_asks_;
  Side changed_bids_;
  Side changed_asks_;
};

}  // namespace perp::sim
