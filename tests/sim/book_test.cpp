#include <perp/sim/book.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <map>

namespace perp::sim {
namespace {

using Rebuilt = std::map<std::int64_t, std::int64_t>;

void apply(Rebuilt& side, const std::vector<BookLevel>& changes) {
  std::int64_t last = INT64_MIN;
  for (const BookLevel& level : changes) {
    ASSERT_GT(level.price, last) << "each price once, upwards";
    last = level.price;
    if (level.quantity == 0)
      side.erase(level.price);
    else
      side[level.price] = level.quantity;
  }
}

Rebuilt rebuilt(const std::vector<BookLevel>& side) {
  Rebuilt map;
  for (const BookLevel& level : side) map[level.price] = level.quantity;
  return map;
}

void expect_sound(const Book& book, const Grid& grid, std::size_t depth) {
  ASSERT_LT(book.best_bid().price, book.best_ask().price);
  ASSERT_EQ(book.bids().size(), depth);
  ASSERT_EQ(book.asks().size(), depth);
  for (std::size_t i = 0; i < depth; ++i) {
    for (const auto* side : {&book.bids(), &book.asks()}) {
      ASSERT_EQ((*side)[i].price % grid.tick, 0);
      ASSERT_GT((*side)[i].price, 0);
      ASSERT_EQ((*side)[i].quantity % grid.lot, 0);
      ASSERT_GT((*side)[i].quantity, 0);
      ASSERT_GT((*side)[i].orders, 0);
    }
    if (i == 0) continue;
    ASSERT_LT(book.bids()[i - 1].price, book.bids()[i].price);
    ASSERT_GT(book.asks()[i - 1].price, book.asks()[i].price);
  }
}

// Random walks of every operation, against a book that knows the deltas only.
TEST(Book, IsRebuiltByItsChangesAndNeverCrosses) {
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    SCOPED_TRACE(seed);
    Random random(seed, 5);
    const Grid grid{2, 10, 3, 5};
    const std::size_t depth = seed == 1 ? 8 : 50;
    Book book(grid, {depth, 2, 3, 4000});
    std::int64_t price = 8'414'320;
    book.open(price, random);
    Rebuilt bids, asks;
    apply(bids, book.changed_bids());
    apply(asks, book.changed_asks());
    book.clear_changes();
    std::vector<Fill> fills;
    for (int step = 0; step < 4000; ++step) {
      price += random.bell(step % 97 == 0 ? 3000 : 25);
      for (std::uint32_t events = random.below(4); events > 0; --events) {
        book.requote(price, random);
        ASSERT_LT(book.best_bid().price, book.best_ask().price);
        book.churn(static_cast<int>(random.below(6)), random);
        book.settle(random);
        fills.clear();
        const std::int64_t wanted = 5 * random.between(1, 4000);
        const bool is_buy = random.chance(500'000);
        const std::int64_t touch = is_buy ? book.best_ask().price : book.best_bid().price;
        book.take(is_buy, wanted, random, fills);
        std::int64_t taken = 0;
        std::int64_t last = touch;
        for (const Fill& fill : fills) {
          taken += fill.quantity;
          ASSERT_GE((fill.price - last) * (is_buy ? 1 : -1), 0) << "ever worse prices";
          ASSERT_GE(fill.quantity, fill.makers * grid.lot) << "each maker at least a lot";
          last = fill.price;
        }
        ASSERT_FALSE(fills.empty());
        ASSERT_EQ(fills.front().price, touch);
        ASSERT_LE(taken, wanted);
      }
      const BookLevel bid = book.best_bid();
      const BookLevel ask = book.best_ask();
      book.settle(random);
      ASSERT_EQ(bid, book.best_bid()) << "settling leaves the touch";
      ASSERT_EQ(ask, book.best_ask());
      expect_sound(book, grid, depth);
      apply(bids, book.changed_bids());
      apply(asks, book.changed_asks());
      book.clear_changes();
      ASSERT_EQ(bids, rebuilt(book.bids()));
      ASSERT_EQ(asks, rebuilt(book.asks()));
    }
  }
}

}  // namespace
}  // namespace perp::sim
