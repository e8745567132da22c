#pragma once
// One contract at one simulated venue: its book and trades around the coin's hidden price, bars and
// day statistics computed from exactly those trades, mark price, funding, open interest, account
// ratio and liquidations. It knows no wire format; a wire model asks and prints. Integers in the
// contract's native units throughout. One owner thread (the recorder's); a step of 100 ms costs
// about a microsecond.
#include <perp/sim/book.hpp>
#include <perp/sim/latent_price.hpp>
#include <perp/sim/listing.hpp>
#include <perp/sim/market_facts.hpp>
#include <perp/sim/random.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace perp::sim {

/// Whether the venue lists a contract now.
enum class MarketStatus : std::uint8_t { listed, unlisted, delisted };

class MarketModel {
 public:
  struct Tempo {
    std::uint32_t quote_per_million = 0;                ///< chance of a change of quotes per step
    std::uint32_t order_q16 = 0;                        ///< taker orders per step, 65536 = one
    std::uint32_t quote_limit_per_million = 4'000'000;  ///< what a burst may raise it to
    std::uint32_t events_max = 24;                      ///< of both kinds per step
  };

  /// One thing that happens inside a step.
  struct Event {
    std::int64_t time_ms = 0;
    bool is_order = false;
  };

  MarketModel(const Listing& listing, LatentPrice& latent, std::uint64_t seed,
              std::size_t book_depth, Tempo tempo, std::int64_t start_ms,
              const std::vector<std::int64_t>& past_levels);

  /// Draws what happens in [now, now + step): events in time order. Orders only if the market is
  /// open.
  const std::vector<Event>& plan(const LatentPrice& latent, std::int64_t now_ms, bool is_open);
  /// Applies a change of quotes.
  void quote();
  /// Draws and applies a taker order; it counts in the bar, the open interest and the last price.
  const TakerOrder& order(std::int64_t time_ms);
  /// Draws whether somebody is liquidated in this step.
  bool liquidate(const LatentPrice& latent, std::int64_t now_ms, ForcedOrder& forced);
  /// Once a second: premium, funding, mark.
  void drift();
  /// Ends the minute: the bar goes to the day's history. @returns the closed bar.
  Bar close_minute(std::int64_t minute_ms);
  /// A new account ratio, each five minutes.
  void drift_ratio();
  /// A liquidation message was sent: it counts in its minute.
  void count(const ForcedOrder& forced);

  const Listing& listing() const { return *listing_; }
  const Book& book() const { return book_; }
  Book& book() { return book_; }
  Random& random() { return random_; }
  const Bar& bar() const { return bar_; }
  std::int64_t last_price() const { return last_price_; }
  std::int64_t last_quantity() const { return last_quantity_; }
  bool last_is_buy() const { return last_is_buy_; }
  DayStatistics day() const;
  /// Close of the minute that ended `minutes` ago, 1 = the last closed one, at most a day.
  std::int64_t price_ago(std::int64_t minutes) const;
  /// Closed minutes, oldest first. @param count at most a day
  std::vector<Bar> past_bars(std::size_t count) const;
  /// Further back than a day: levels of the coin before the kept day, oldest first, the last one at
  /// the day's begin. From now on no closed minute is forgotten. @param levels outlive this
  void keep_past(std::span<const std::int64_t> levels, std::uint64_t seed);
  /// Closed minutes of from_ms <= open < to_ms, oldest first, as far back as they are kept. Of
  /// those before the kept day each is drawn anew, always the same.
  std::vector<Bar> bars_between(std::int64_t from_ms, std::int64_t to_ms) const;
  std::int64_t past_begin_ms() const;
  /// Index and mark price with as many native digits as wanted.
  std::int64_t index_price(int digits) const;
  std::int64_t mark_price(int digits) const;
  /// Distance of mark from index, 10^-16. The digits that the model does not keep come from its
  /// price.
  std::int64_t premium_e16() const { return premium_e7_ * 1'000'000'000 + level_ % 1'000'000'000; }
  /// Predicted funding per the venue's interval, 10^-16.
  std::int64_t rate_e16() const { return rate_e16_; }
  std::int64_t settled_rate_e16() const { return settled_rate_e16_; }
  /// Next settlement after `now_ms`.
  std::int64_t next_funding_ms(std::int64_t now_ms) const;
  void settle_funding() { settled_rate_e16_ = rate_e16_; }
  std::int64_t open_interest() const { return open_interest_; }
  /// Share of accounts that are long, 10^-8.
  std::int64_t long_share_e8() const { return long_share_e8_; }
  /// Native quantity worth about this many USD, at least one lot.
  std::int64_t quantity_for(std::int64_t usd) const;

  /// Changes how busy it is, from the next step on.
  void set_tempo(const Tempo& tempo) { tempo_ = tempo; }

  std::uint32_t index = 0;  ///< among its venue's markets
  MarketStatus status = MarketStatus::listed;
  Published published;
  LiquidationSums liquidations;  ///< of the current minute; the recorder clears it

 private:
  std::int64_t native_price(std::int64_t level, int digits) const;
  std::int64_t snapped_level(std::int64_t level) const;
  std::int64_t quantity_at(std::int64_t usd, std::int64_t price) const;
  Bar past_bar(Random& random, std::int64_t open_ms, std::int64_t open, std::int64_t close,
               std::int64_t price) const;
  void open_history(const std::vector<std::int64_t>& past_levels, std::int64_t start_ms);

  const Listing* listing_;
  int latent_digits_;
  Tempo tempo_;
  Random random_;
  Book book_;
  std::int64_t level_;         // the coin's hidden price
  std::int64_t basis_e7_ = 0;  // this venue's distance from it
  std::int64_t premium_e7_ = 0;
  std::int64_t target_ = 0;  // native units
  std::int64_t order_usd_ = 0;
  std::vector<Event> events_;
  TakerOrder order_;
  Bar bar_;
  std::vector<Bar> history_;  // ring of a day
  std::size_t history_next_ = 0;
  DayStatistics past_day_;
  std::int64_t day_begin_ms_ = 0;  // of the day before the start
  std::span<const std::int64_t> older_levels_;
  std::uint64_t older_seed_ = 0;
  std::vector<Bar> aged_;  // closed minutes that have left the ring, from day_begin_ms_ on
  std::int64_t last_price_ = 0;
  std::int64_t last_quantity_ = 0;
  bool last_is_buy_ = true;
  std::int64_t rate_e16_ = 0;
  std::int64_t settled_rate_e16_ = 0;
  std::int64_t open_interest_ = 0;
  std::int64_t open_interest_bias_ = 0;
  std::int64_t long_share_e8_ = 0;
};

}  // namespace perp::sim
