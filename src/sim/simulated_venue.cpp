#include "sim/simulated_venue.hpp"

#include <algorithm>
#include <cmath>

namespace perp::sim {
namespace {

using market::VenueId;

constexpr std::int64_t second_ms = 1000;
constexpr std::int64_t first_quote_ms = 500;  // after the subscription
constexpr std::int64_t usual_quotes_max = 4'000'000;
constexpr std::int64_t quotes_max = 1'000'000'000;
constexpr std::uint32_t events_max = 4096;

/// Shares of the quoting and trading that each venue sees, in percent of Binance.
struct VenueTempo {
  std::int64_t quotes, orders;
};

VenueTempo tempo_of_venue(VenueId venue) {
  switch (venue) {
    case VenueId::binance: return {100, 100};
    case VenueId::bybit: return {95, 70};
    case VenueId::okx: return {90, 65};
    case VenueId::hyperliquid:
    default: return {90, 45};
  }
}

}  // namespace

std::vector<std::vector<std::int64_t>> past_levels_of(LatentMarket& latent,
                                                      std::size_t coin_count) {
  std::vector<std::vector<std::int64_t>> levels;
  for (std::size_t i = 0; i < coin_count; ++i)
    levels.push_back(latent.at(i).past_minutes(past_minutes + 1));
  return levels;
}

SimulatedVenue::SimulatedVenue(const SimulatedVenueOptions& options, LatentMarket& latent,
                               const std::vector<std::vector<std::int64_t>>& past_levels,
                               wire::WireModel& wire)
    : options_(options), listings_(listings(options.venue, options.symbols)), wire_(&wire) {
  markets_.reserve(listings_.size());
  for (const Listing& listing : listings_) {
    markets_.emplace_back(listing, latent.at(listing.coin_index), options.seed, wire.book_depth(),
                          tempo_of(listing, options.activity), options.start_ms,
                          past_levels[listing.coin_index]);
    markets_.back().index = static_cast<std::uint32_t>(markets_.size() - 1);
  }
}

MarketModel::Tempo SimulatedVenue::tempo_of(const Listing& listing, double activity) const {
  const auto activity_e3 = static_cast<std::int64_t>(std::llround(activity * 1000));
  const VenueTempo tempo = tempo_of_venue(options_.venue);
  const std::int64_t share = std::int64_t{listing.activity} * activity_e3;  // 10^6 = bitcoin
  const std::int64_t limit = options_.has_usual_limits ? usual_quotes_max : quotes_max;
  MarketModel::Tempo rates;
  rates.quote_per_million =
      static_cast<std::uint32_t>(std::min(share * 66 / 100 * tempo.quotes / 100, limit));
  rates.order_q16 = static_cast<std::uint32_t>(share * 22'000 / 1'000'000 * tempo.orders / 100);
  if (!options_.has_usual_limits) {
    rates.quote_limit_per_million = quotes_max;
    rates.events_max = events_max;
  }
  return rates;
}

void SimulatedVenue::set_activity(double activity) {
  for (MarketModel& market : markets_) market.set_tempo(tempo_of(market.listing(), activity));
}

void SimulatedVenue::open(std::int64_t now_ms) {
  open_ms_ = now_ms;
  wire_->open(markets_, now_ms);
}

void SimulatedVenue::backfill(std::int64_t start_ms) {
  for (MarketModel& market : markets_) wire_->backfill(market, market.index, start_ms);
}

void SimulatedVenue::step(const LatentMarket& latent, std::int64_t now_ms, bool is_open) {
  for (MarketModel& market : markets_) {
    const LatentPrice& price = latent.at(market.listing().coin_index);
    if (now_ms >= open_ms_ + first_quote_ms) trade_and_quote(market, price, now_ms, is_open);
    if (now_ms % second_ms == 0) market.drift();
    wire_->step(market, market.index, now_ms);
  }
  wire_->connection(now_ms);
}

void SimulatedVenue::trade_and_quote(MarketModel& market, const LatentPrice& price,
                                     std::int64_t now_ms, bool is_open) {
  for (const MarketModel::Event& event : market.plan(price, now_ms, is_open)) {
    if (event.is_order)
      wire_->trade(market, market.index, market.order(event.time_ms));
    else
      market.quote();
    wire_->book(market, market.index, event.time_ms);
  }
  ForcedOrder forced;
  const bool has_liquidations = market.listing().kind == ListingKind::primary ||
                                market.listing().kind == ListingKind::other_quote;
  if (is_open && has_liquidations && market.liquidate(price, now_ms, forced))
    wire_->liquidation(market, market.index, forced);
}

void SimulatedVenue::close_minute(std::int64_t closed_ms, Truth* truth) {
  for (MarketModel& market : markets_) {
    const Bar bar = market.close_minute(closed_ms);
    wire_->minute(market, market.index, bar);
    if (truth != nullptr && market.listing().kind == ListingKind::primary &&
        market.status == MarketStatus::listed)
      truth->add(market, bar);
    market.liquidations = {};
  }
}

}  // namespace perp::sim
