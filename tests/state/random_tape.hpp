#pragma once
// Test support: a random hour of four venues, as a feed might deliver it. Late trades and candles,
// repeated and corrected candles, streams that break, samples of all kinds. Ordered by receive
// time. Everything is late by less than ten minutes, so that nothing falls out of the kept history.
#include "state/tape.hpp"

#include <algorithm>
#include <random>

namespace perp::test {

struct RandomTape {
  Tape tape;
  std::vector<std::uint32_t> instruments{bin_btc, id_of(VenueId::binance, 2), byb_btc, okx_btc,
                                         hyp_btc};
  static constexpr int minutes = 45;

  explicit RandomTape(std::uint64_t seed, double trades_per_minute = 6) : random_(seed) {
    for (const std::uint32_t id : instruments)
      tape.instrument(id, id == instruments[1] ? "ETH" : "BTC");
    first_ = tape.size();
    tape.tick(noon - 2 * s);
    for (std::int64_t ns = noon; ns <= noon + (minutes + 12) * min; ns += 5 * s) tape.tick(ns);
    for (const VenueId venue :
         {VenueId::binance, VenueId::bybit, VenueId::okx, VenueId::hyperliquid}) {
      add_stream(venue, RecordType::trade);
      if (venue != VenueId::hyperliquid) add_stream(venue, RecordType::liquidation);
    }
    for (const std::uint32_t id : instruments) add_instrument(id, trades_per_minute);
    random_.seed(seed + 1'000'003);  // what follows leaves the rest of an hour as it is
    for (const std::uint32_t id : instruments) add_market(id);
    sort();
  }

 private:
  double real(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random_);
  }
  bool chance(double p) { return real(0, 1) < p; }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high - 1)(random_);
  }
  std::int64_t delay() { return chance(0.04) ? between(s, 9 * min) : between(5 * ms, 900 * ms); }

  void add_stream(VenueId venue, RecordType stream) {
    tape.live(venue, stream, noon - s);
    for (std::int64_t ns = noon + between(4 * min, 9 * min); ns < noon + minutes * min;
         ns += between(4 * min, 15 * min)) {
      tape.status(venue, market::FeedState::stale, stream, ns);
      if (chance(0.7)) tape.live(venue, stream, ns + between(s, 2 * min));
    }
  }

  void add_instrument(std::uint32_t id, double trades_per_minute) {
    const auto venue = static_cast<VenueId>(id >> 24);
    const std::int64_t end = noon + minutes * min;
    // Stretches in which nobody trades, but for a straggler.
    std::vector<bool> is_quiet(minutes);
    for (auto m = between(2, 8); m < minutes; m += between(1, 8))
      for (auto left = between(1, 14); left > 0 && m < minutes; --left, ++m)
        is_quiet[static_cast<std::size_t>(m)] = true;
    const auto trades = static_cast<int>(trades_per_minute * minutes);
    for (int i = 0; i < trades; ++i) {
      const std::int64_t ns = between(noon, end);
      if (is_quiet[static_cast<std::size_t>((ns - noon) / min)] && !chance(0.03)) continue;
      auto& trade = tape.trade(id, ns, real(90, 110), std::round(real(1, 50)) / 8,
                               chance(0.5) ? market::Side::buy : market::Side::sell, delay());
      if (chance(0.01)) trade.taker_side = market::Side::unknown;
      if (chance(0.02)) trade.is_block = market::Tristate::yes;
    }
    for (std::int64_t open = noon; open < end; open += min)
      if (!is_quiet[static_cast<std::size_t>((open - noon) / min)] || chance(0.1))
        add_candles(id, venue, open);
      else if (venue != VenueId::hyperliquid && chance(0.5))
        tape.candle(id, open, {100, 100, 100, 100, chance(0.8) ? 0.0 : 55.0},
                    open + between(s, 61 * s), market::Tristate::no);
    for (std::int64_t ns = noon; ns < end; ns += between(10 * s, 4 * min)) {
      auto& sample =
          tape.add<market::OpenInterest>(RecordType::open_interest, id, ns, ns + delay());
      sample.quantity = std::round(real(1e4, 2e4));
      if (chance(0.5)) sample.notional = std::round(real(1e6, 2e6));
      if (chance(0.5)) sample.contracts = std::round(real(1e5, 2e5));
      if (chance(0.3)) sample.period_ns = 5 * min;
    }
    for (std::int64_t ns = noon; ns < end; ns += between(5 * s, 3 * min)) {
      auto& funding = tape.add<market::Funding>(RecordType::funding, id, ns, ns + delay());
      funding.rate = std::round(real(-5, 5)) / 1e5;
      funding.kind = chance(0.9) ? market::FundingKind::predicted : market::FundingKind::settled;
      tape.add<market::MarkPrice>(RecordType::mark_price, id, ns + 1, ns + delay()).mark_price =
          real(95, 105);
    }
    for (std::int64_t ns = noon; ns < end; ns += between(min, 14 * min)) {
      auto& ratio =
          tape.add<market::LongShortRatio>(RecordType::long_short_ratio, id, ns, ns + delay());
      ratio.ratio = real(0.5, 3);
      ratio.kind = market::RatioKind::global_account;
    }
    for (std::int64_t ns = noon; ns < end; ns += between(2 * s, 2 * min)) {
      const double price = std::round(real(90, 110));
      tape.liquidation(
          id, ns, chance(0.5) ? market::PositionSide::long_side : market::PositionSide::short_side,
          price, std::round(real(1, 20)) / 4, false, delay());
    }
  }

  /// Quotes, tickers and two books: snapshots and steps, holes, pauses.
  void add_market(std::uint32_t id) {
    const std::int64_t end = noon + minutes * min;
    const auto venue = static_cast<VenueId>(id >> 24);
    for (std::int64_t ns = noon; ns < end;
         ns += chance(0.1) ? between(2 * min, 5 * min) : between(s, 90 * s)) {
      const double price = std::round(real(90, 110));
      tape.bbo(id, ns, price, price + 1);
      auto& ticker = tape.add<market::Ticker>(RecordType::ticker, id, ns, ns + delay());
      if (chance(0.9)) ticker.last_price = price;
      if (chance(0.5)) ticker.open_24h = price - 1;
      if (chance(0.5)) ticker.volume_quote_24h = std::round(real(1e6, 2e6));
      if (chance(0.3)) ticker.change_fraction_24h = real(-0.1, 0.1);
    }
    for (const std::uint16_t depth : {std::uint16_t{0}, std::uint16_t{50}}) {
      for (std::int64_t ns = noon; ns < end;
           ns += chance(0.02) ? between(s, 5 * min) : between(s, 12 * s)) {
        const double middle = std::round(real(95, 105));
        std::vector<market::Level> bids;
        std::vector<market::Level> asks;
        const bool is_snapshot = ns == noon || chance(0.2);
        for (std::int64_t count = between(1, is_snapshot ? 60 : 6); count > 0; --count) {
          const double size = !is_snapshot && chance(0.3) ? 0 : std::round(real(1, 50)) / 8;
          bids.push_back({middle - std::round(real(1, 80)) / 8, size});
          asks.push_back({middle + std::round(real(1, 80)) / 8, size});
        }
        tape.book(id, ns, bids, asks,
                  is_snapshot ? RecordType::book_snapshot : RecordType::book_delta, depth,
                  chance(0.03) ? market::Continuity::gap : market::Continuity::continuous);
      }
    }
    for (std::int64_t ns = noon + between(4 * min, 9 * min); ns < end;
         ns += between(4 * min, 15 * min))
      tape.status(venue, market::FeedState::stale, RecordType::book_delta, ns, 0,
                  chance(0.5) ? id & 0xffffff : 0);
  }

  void add_candles(std::uint32_t id, VenueId venue, std::int64_t open) {
    const auto text = [&] {
      const double low = std::round(real(90, 100));
      const double volume = std::round(real(100, 1000));
      CandleText made{low + 1, low + 5, low, low + real(0, 5), volume};
      if (venue == VenueId::binance) made.taker_buy = std::round(volume * real(0, 1));
      if (venue == VenueId::hyperliquid) made.v = market::missing;
      return made;
    };
    if (chance(0.1)) {  // missed; half of these are fetched afterwards
      if (chance(0.5)) return;
      tape.candle(id, open, text(), open + min + between(3 * s, 9 * min), market::Tristate::yes,
                  market::flag_backfill);
      return;
    }
    const auto final_state =
        venue == VenueId::hyperliquid ? market::Tristate::unknown : market::Tristate::yes;
    const auto running =
        venue == VenueId::hyperliquid ? market::Tristate::unknown : market::Tristate::no;
    for (int i = 0; i < 3; ++i) tape.candle(id, open, text(), open + between(s, 59 * s), running);
    CandleText last = text();
    std::int64_t at =
        open + min + (chance(0.1) ? between(2 * s, 8 * min) : between(100 * ms, 1900 * ms));
    tape.candle(id, open, last, at, final_state);
    if (chance(0.1)) {
      at += between(1, min);
      if (chance(0.5)) last = text();
      tape.candle(id, open, last, at, final_state);
    }
  }

  void sort() {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < tape.size(); ++i) order.push_back(i);
    std::stable_sort(
        order.begin() + static_cast<std::ptrdiff_t>(first_), order.end(),
        [&](std::size_t a, std::size_t b) { return tape[a].receive_ns < tape[b].receive_ns; });
    tape.reorder(order);
  }

  std::mt19937_64 random_;
  std::size_t first_ = 0;
};

}  // namespace perp::test
