#pragma once
// One venue's markets, stepped together, and the wire model that says what they do: what a recorder
// and a server share. One owner thread; a step costs some microseconds a market.
#include "sim/wire/wire_model.hpp"

#include <perp/market/venue_id.hpp>
#include <perp/sim/latent_price.hpp>
#include <perp/sim/truth.hpp>
#include <perp/sim/venue_model.hpp>

#include <cstdint>
#include <functional>
#include <vector>

namespace perp::sim {

inline constexpr std::size_t past_minutes = 1440;

/// Closes of the day before the start, per coin.
std::vector<std::vector<std::int64_t>> past_levels_of(LatentMarket& latent, std::size_t coin_count);

struct SimulatedVenueOptions {
  market::VenueId venue = market::VenueId::none;
  std::uint64_t seed = 1;
  std::size_t symbols = 25;
  double activity = 1;
  std::int64_t start_ms = 0;  ///< trading begins
  /// Bursts are kept within what a recording of the usual rate has.
  bool has_usual_limits = true;
};

class SimulatedVenue {
 public:
  /// @param wire and @param latent outlive it
  SimulatedVenue(const SimulatedVenueOptions& options, LatentMarket& latent,
                 const std::vector<std::vector<std::int64_t>>& past_levels, wire::WireModel& wire);
  // Its markets point to its listings.
  SimulatedVenue(const SimulatedVenue&) = delete;
  SimulatedVenue& operator=(const SimulatedVenue&) = delete;

  void open(std::int64_t now_ms);
  void backfill(std::int64_t start_ms);
  /// [now, now + step_ms). Orders only if the market is open.
  void step(const LatentMarket& latent, std::int64_t now_ms, bool is_open);
  /// The minute that began at `closed_ms` is over. @param truth may be null
  void close_minute(std::int64_t closed_ms, Truth* truth);
  /// How busy it is, 1 = usual. From the next step on.
  void set_activity(double activity);

  std::vector<MarketModel>& markets() { return markets_; }
  const std::vector<MarketModel>& markets() const { return markets_; }

 private:
  MarketModel::Tempo tempo_of(const Listing& listing, double activity) const;
  void trade_and_quote(MarketModel& market, const LatentPrice& price, std::int64_t now_ms,
                       bool is_open);

  SimulatedVenueOptions options_;
  std::vector<Listing> listings_;
  wire::WireModel* wire_;
  std::vector<MarketModel> markets_;
  std::int64_t open_ms_ = 0;
};

}  // namespace perp::sim
