#pragma once
// The plain facts that a simulated market makes and its wire models print: bars, orders,
// liquidations, day statistics, and what was published. Integers in the contract's native units
// unless said otherwise. Data only, copied freely, no thread of their own.
#include <perp/sim/book.hpp>
#include <perp/sim/decimal_units.hpp>

#include <cstdint>
#include <vector>

namespace perp::sim {

/// Prices and quantities in native units, notionals in native price x native quantity units.
struct Bar {
  std::int64_t open_ms = 0;
  std::int64_t open = 0, high = 0, low = 0, close = 0;
  std::int64_t quantity = 0, notional = 0;
  std::int64_t buy_quantity = 0, buy_notional = 0;  ///< takers that bought
  std::int64_t fills = 0;

  bool is_empty() const { return fills == 0; }
  /// A bar without trades stands at the last price.
  static Bar flat(std::int64_t open_ms, std::int64_t price) {
    return {open_ms, price, price, price, price};
  }
  void add(std::int64_t price, std::int64_t fill_quantity, bool is_buy, std::int64_t fill_count);
  void merge(const Bar& later);
};

/// A market order and what it hit, best price first.
struct TakerOrder {
  std::int64_t time_ms = 0;
  bool is_buy = false;
  std::vector<Fill> fills;
};

struct ForcedOrder {
  std::int64_t time_ms = 0;
  bool is_long = false;      ///< the position that was closed
  std::int64_t price = 0;    ///< bankruptcy price: what every venue's price field means
  std::int64_t average = 0;  ///< of its fill
  std::int64_t quantity = 0;
};

/// The past day, from closed bars and the running one.
struct DayStatistics {
  std::int64_t open = 0, high = 0, low = 0;
  std::int64_t quantity = 0, notional = 0;
  std::int64_t fills = 0;
};

/// What the wire has said last, so that the truth is what a reader could know. Per coin, in quote
/// currency.
struct Published {
  bool has_open_interest = false, has_mark = false, has_rate = false, has_ratio = false;
  Decimal open_interest;  ///< coins, one side
  Decimal mark;
  Decimal open_interest_value;  ///< USD as the venue itself said it; digits < 0 = it does not say
  Decimal rate;                 ///< predicted funding, fraction per the venue's interval
  Decimal ratio_long, ratio_short;  ///< lsr = long / short
};

/// What a minute's liquidation messages add up to.
struct LiquidationSums {
  std::int64_t long_count = 0, short_count = 0;
  std::int64_t long_quantity = 0, short_quantity = 0;
  std::int64_t long_notional = 0, short_notional = 0;
};

}  // namespace perp::sim
