#pragma once
// The contract of a wire model: the market's events in, one venue's own messages out, into outlets:
// one of the streams and, in a recording, one of the bodies that a feed would have asked for. One
// object per venue, owned by the recorder's or the server's thread. It draws nothing about the
// market itself; what it publishes it notes in MarketModel::published, which is what the truth is
// made of.
#include "sim/lane.hpp"
#include "sim/outlet.hpp"

#include <perp/market/venue_id.hpp>
#include <perp/sim/venue_model.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace perp::sim::wire {

class WireModel {
 public:
  virtual ~WireModel() = default;

  /// Levels a side of this venue's book stream for one contract.
  virtual std::size_t book_depth() const = 0;
  /// Lists, acknowledgements and first snapshots; `now_ms` is before the market opens.
  virtual void open(std::vector<MarketModel>& markets, std::int64_t now_ms) = 0;
  /// History for warm-up, right after the start.
  virtual void backfill(MarketModel& market, std::size_t index, std::int64_t start_ms) = 0;
  /// A taker order was filled. book() comes right after it.
  virtual void trade(MarketModel& market, std::size_t index, const TakerOrder& order) = 0;
  /// The book changed.
  virtual void book(MarketModel& market, std::size_t index, std::int64_t time_ms) = 0;
  virtual void liquidation(MarketModel& market, std::size_t index, const ForcedOrder& forced) = 0;
  /// A step [now, now + step_ms) is over: deltas, and everything that runs by the clock.
  virtual void step(MarketModel& market, std::size_t index, std::int64_t now_ms) = 0;
  /// A minute is over.
  virtual void minute(MarketModel& market, std::size_t index, const Bar& bar) = 0;
  /// A step is over for all markets: what is about the connection, not a market.
  virtual void connection(std::int64_t now_ms) = 0;
  /// A server's: account ratios go so many rows further back than what open() began with.
  virtual void keep_past(std::uint32_t, std::size_t, std::uint64_t) {}
};

/// A clock of one stream: due again after a jittered period, never so late in a minute that latency
/// could carry the message into the next one. Samples are thereby in the minute that their own time
/// says.
class Timer {
 public:
  Timer() = default;
  Timer(std::int64_t first_ms, std::int64_t period_ms, std::int64_t jitter_ms)
      : due_ms_(inside_minute(first_ms)), period_ms_(period_ms), jitter_ms_(jitter_ms) {}

  /// Whether it is due in [now, now + step_ms). If so `at_ms` is when, and the next one is set.
  bool fire(Random& random, std::int64_t now_ms, std::int64_t& at_ms);

  static std::int64_t inside_minute(std::int64_t time_ms);

 private:
  std::int64_t due_ms_ = 0;
  std::int64_t period_ms_ = 1000;
  std::int64_t jitter_ms_ = 0;
};

/// Best prices and sizes as last sent, to send changes only.
struct Touch {
  BookLevel bid, ask;
  /// Takes the book's touch. @returns whether it differs.
  bool update(const Book& book);
};

/// Account ratios as a venue publishes them: one row each five minutes, the newest last.
struct RatioHistory {
  static constexpr std::int64_t period_ms = 300'000;
  static constexpr std::size_t rows_max = 512;

  std::int64_t newest_ms = 0;  ///< the newest row's time
  std::vector<std::int64_t> long_shares_e8;
  std::size_t rows_kept = rows_max;

  void open(std::int64_t now_ms, std::int64_t long_share_e8);
  /// Puts rows of before in front, as far back as that.
  void keep_past(std::size_t rows, std::uint64_t seed, std::uint64_t stream);
  void add(std::int64_t newest, std::int64_t long_share_e8);
  std::size_t size() const { return long_shares_e8.size(); }
  /// @param back 0 = the newest
  std::int64_t share(std::size_t back) const { return long_shares_e8[size() - 1 - back]; }
  /// The newest `limit` rows of from_ms <= time <= to_ms: [first, last) by how far back they are.
  struct Rows {
    std::size_t first = 0;
    std::size_t last = 0;
  };
  Rows newest(std::size_t rows) const { return {0, std::min(rows, size())}; }
  Rows find(std::int64_t from_ms, std::int64_t to_ms, std::size_t limit) const;
  std::int64_t time_ms(std::size_t back) const {
    return newest_ms - static_cast<std::int64_t>(back) * period_ms;
  }
};

/// REST body's third column: "klines symbol=BTCUSDT period=1m backfill=1".
std::string endpoint_tail(std::string_view endpoint, std::string_view symbol = {},
                          std::string_view period = {}, bool is_backfill = false);

/// Bars of `per_bar` minutes each, aligned, from minute bars; a part in front is left out.
std::vector<Bar> merge_bars(const std::vector<Bar>& minutes, std::size_t per_bar);

std::string lower_case(std::string_view text);

Decimal price_of(const MarketModel& market, std::int64_t units);
Decimal quantity_of(const MarketModel& market, std::int64_t units);

/// @param rest where the bodies of a recording go; null: a server composes them as they are asked
/// for. Throws core::Error for a venue that is not simulated.
std::unique_ptr<WireModel> make_wire(market::VenueId venue, Outlet& stream, Outlet* rest,
                                     std::uint64_t seed);

}  // namespace perp::sim::wire
