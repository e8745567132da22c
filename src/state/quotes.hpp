#pragma once
// What was last told of one contract's market, for samples: ticker values one by one, best prices,
// and its books. A value says when it was told, because a sample takes none that is too old.
#include "state/sample.hpp"

#include <perp/market/order_book.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace perp::state {

/// How old a value may be at the moment of the sample.
inline constexpr std::int64_t quote_staleness_ns = core::ns_per_minute;          ///< prices, books
inline constexpr std::int64_t statistic_staleness_ns = 5 * core::ns_per_minute;  ///< over 24 hours
/// Nothing is sampled longer than this after the last record.
inline constexpr std::int64_t sample_reach_ns = statistic_staleness_ns;

/// Plain data without padding, written to a checkpoint as it lies.
struct Quotes {
  Sample last_price;  ///< of tickers and trades
  Sample mark_price;
  Sample index_price;
  Sample volume_base;
  Sample volume_quote;
  Sample open_24h;
  Sample high_24h;
  Sample low_24h;
  Sample change;
  Sample change_fraction;
  std::int64_t bbo_ns = core::unknown_ns;
  double bid_price = market::missing;
  double bid_quantity = market::missing;
  double ask_price = market::missing;
  double ask_quantity = market::missing;
  OpenInterestSample open_interest;

  /// When a price of the contract was last told. Its index lives on without it, and a best quote of
  /// neither side is none.
  std::int64_t priced_ns() const {
    const bool has_quote = !std::isnan(bid_price) || !std::isnan(ask_price);
    return std::max({last_price.ns, mark_price.ns, has_quote ? bbo_ns : core::unknown_ns});
  }
  /// An absent value tells nothing; an older one does not replace a newer one.
  static void tell(Sample& kept, double value, std::int64_t ns) {
    if (std::isfinite(value) && (kept.ns == core::unknown_ns || ns >= kept.ns)) kept = {ns, value};
  }
};
static_assert(std::is_trivially_copyable_v<Quotes> && sizeof(Quotes) == 10 * 16 + 5 * 8 + 32);

/// The book of one stream: streams of a contract differ in depth.
struct KeptBook {
  static constexpr std::size_t books_max = 4;  ///< a contract's; a fifth takes the oldest's place
  static constexpr std::size_t level_limit = 1000;

  /// Some room beyond the depth: a message may bring new levels before it deletes others.
  explicit KeptBook(std::uint16_t depth_kept)
      : depth(depth_kept),
        book(depth_kept == 0 ? level_limit
                             : std::min<std::size_t>(2 * std::size_t{depth_kept}, level_limit)) {}

  /// 0 is the whole book.
  std::uint32_t reach() const { return depth == 0 ? 0x10000U : depth; }
  /// Whether it stands for the market at `ns`.
  bool is_usable(std::int64_t ns) const {
    return told_ns != core::unknown_ns && ns - told_ns <= quote_staleness_ns &&
           book.best_bid() != nullptr && book.best_ask() != nullptr;
  }

  std::uint16_t depth;
  /// When the last record that it took was received; unknown since its stream broke.
  std::int64_t told_ns = core::unknown_ns;
  market::OrderBook book;
};

}  // namespace perp::state
