#include "sim/serve/binance_server.hpp"
#include "sim/serve/bybit_server.hpp"
#include "sim/serve/hyperliquid_server.hpp"
#include "sim/serve/okx_server.hpp"
#include "sim/serve/venue_server.hpp"

#include <perp/core/error.hpp>
#include <perp/net/loop.hpp>
#include <perp/net/timer.hpp>
#include <perp/sim/latent_price.hpp>
#include <perp/sim/server.hpp>
#include <perp/sim/truth.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace perp::sim {
namespace {

using core::ns_per_ms;

constexpr std::int64_t lead_ms = 2000;
constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t second_ms = 1000;
constexpr std::int64_t replay_tick_ms = 2;
constexpr double activity_min = 0.001;
constexpr double activity_max = 5000;
// What a venue says of a coin in a second at the usual activity: where the search for a rate
// begins.
constexpr double usual_rate_per_symbol = 6.4;
constexpr double rate_max = 2'000'000;
constexpr std::uint64_t older_stream = 7'000'000;

[[noreturn]] void refuse(const std::string& option, const std::string& value,
                         const std::string& accepted) {
  throw core::Error("'" + value + "' is not accepted", "sim serve option " + option,
                    "it must be " + accepted);
}

void check(const ServerOptions& options) {
  const auto limit = static_cast<int>(coins().size());
  if (options.symbols < 1 || options.symbols > limit)
    refuse("symbols", std::to_string(options.symbols), "1 to " + std::to_string(limit));
  if (options.spare_symbols < 0 || options.symbols + options.spare_symbols > limit)
    refuse("spare_symbols", std::to_string(options.spare_symbols),
           "0 to " + std::to_string(limit - options.symbols));
  if (!std::isfinite(options.rate) || options.rate < 0 || options.rate > rate_max)
    refuse("rate", std::to_string(options.rate), "0 to 2000000 messages per second");
  if (options.past_days < 1 || options.past_days > 400)
    refuse("past_days", std::to_string(options.past_days), "1 to 400");
  if (options.truth_days < 0 || options.truth_days > options.past_days)
    refuse("truth_days", std::to_string(options.truth_days), "0 to past_days");
  if (options.trade_history < 1)
    refuse("trade_history", std::to_string(options.trade_history), "at least 1");
  for (const market::VenueId venue : options.venues)
    if (market::find_venue(venue) == nullptr ||
        std::count(options.venues.begin(), options.venues.end(), venue) > 1)
      refuse("venues", std::to_string(static_cast<unsigned>(venue)), "known venues, each once");
}

}  // namespace

std::unique_ptr<VenueServer> make_venue_server(
    market::VenueId venue, net::Loop& loop, const ServerOptions& options, LatentMarket& latent,
    const std::vector<std::vector<std::int64_t>>& past_levels, std::int64_t start_ms,
    double activity) {
  const auto make = [&]<class Server>() -> std::unique_ptr<VenueServer> {
    return std::make_unique<Server>(venue, loop, options, latent, past_levels, start_ms, activity);
  };
  switch (venue) {
    case market::VenueId::binance: return make.operator()<BinanceServer>();
    case market::VenueId::bybit: return make.operator()<BybitServer>();
    case market::VenueId::okx: return make.operator()<OkxServer>();
    case market::VenueId::hyperliquid: return make.operator()<HyperliquidServer>();
    case market::VenueId::none: break;
  }
  refuse("venues", std::to_string(static_cast<unsigned>(venue)), "a venue that is simulated");
}

struct Server::Impl {
  Impl(net::Loop& given, const ServerOptions& wanted)
      : options(wanted),
        loop(given),
        latent(static_cast<std::size_t>(wanted.symbols + wanted.spare_symbols), wanted.seed),
        timer(given, [this] { tick(); }) {
    // Wall time once: a clock that steps moves no market.
    start_wall_ms = core::wall_now().ns / ns_per_ms;
    start_mono = core::mono_now();
    next_step_ms = start_wall_ms / step_ms * step_ms;
    if (options.rate > 0)
      activity = options.rate / (usual_rate_per_symbol * options.symbols * venue_count());
    activity = std::clamp(activity, activity_min, activity_max);
    const auto past_levels =
        past_levels_of(latent, static_cast<std::size_t>(options.symbols) +
                                   static_cast<std::size_t>(options.spare_symbols));
    if (!options.truth_folder.empty()) {
      std::filesystem::create_directories(options.truth_folder);
      truth = std::make_unique<Truth>(options.truth_folder + "/truth.csv");
    }
    // A day is the market's own.
    for (std::size_t i = 0; i < past_levels.size(); ++i)
      older_levels.push_back(latent.at(i).older_minutes(
          past_levels[i].front(), static_cast<std::size_t>(options.past_days - 1) * 1440 + 1,
          options.seed, older_stream + i));
    std::uint16_t port = options.port;
    for (const market::Venue& venue : market::venues) {
      if (!options.venues.empty() &&
          std::count(options.venues.begin(), options.venues.end(), venue.id) == 0)
        continue;
      auto& server = venues.emplace_back(
          make_venue_server(venue.id, loop, options, latent, past_levels, next_step_ms, activity));
      server->listen(port);
      if (port != 0) ++port;
      addresses.push_back({venue.id, server->endpoint()});
      server->open(next_step_ms);
    }
    // The seconds before it opened, which nobody saw.
    for (std::int64_t now = next_step_ms - lead_ms; now < next_step_ms; now += step_ms)
      for (const auto& venue : venues) venue->step(latent, now);
    for (const auto& venue : venues) venue->dispatch(next_step_ms, next_step_ms);
    for (const auto& venue : venues) venue->keep_past(older_levels);
    if (truth != nullptr && options.truth_days > 0)
      for (const auto& venue : venues) venue->tell_past(*truth, options.truth_days);
    next_list_ms = next_step_ms + options.list_every_ns / ns_per_ms;
    timer.start_in(0);
  }

  double venue_count() const {
    return options.venues.empty() ? static_cast<double>(market::venues.size())
                                  : static_cast<double>(options.venues.size());
  }

  std::int64_t now_ms() const {
    return start_wall_ms + (core::mono_now() - start_mono) / ns_per_ms;
  }
  core::MonoNs mono_of(std::int64_t wall_ms) const {
    return start_mono + (wall_ms - start_wall_ms) * ns_per_ms;
  }

  void tick() {
    if (is_stopped) return;
    const std::int64_t now = now_ms();
    while (next_step_ms <= now) step(now);
    for (const auto& venue : venues) venue->dispatch(now + 1, now);
    for (const auto& venue : venues) venue->replay(now);
    std::int64_t wake_ms = options.replay ? now + replay_tick_ms : next_step_ms;
    for (const auto& venue : venues)
      wake_ms = std::min(wake_ms, venue->queue().first_busy(next_step_ms));
    timer.start_at(mono_of(wake_ms));
  }

  void step(std::int64_t now) {
    for (const auto& venue : venues) {
      venue->dispatch(next_step_ms, now);
      venue->begin_step(now);
    }
    latent.step();
    for (const auto& venue : venues) venue->step(latent, next_step_ms);
    next_step_ms += step_ms;
    if (next_step_ms % minute_ms == 0)
      for (const auto& venue : venues) venue->close_minute(next_step_ms - minute_ms, truth.get());
    if (next_step_ms % second_ms != 0) return;
    for (const auto& venue : venues) venue->every_second(now);
    adjust_rate();
    if (options.list_every_ns > 0 && next_step_ms >= next_list_ms) change_listings();
  }

  /// Makes the market as busy as the wanted rate asks.
  void adjust_rate() {
    std::uint64_t made = 0;
    for (const auto& venue : venues) made += venue->queue().made();
    const auto since = static_cast<double>(made - made_before);
    made_before = made;
    if (options.rate <= 0 || since <= 0) return;
    activity = std::clamp(activity * std::clamp(options.rate / since, 0.5, 2.0), activity_min,
                          activity_max);
    for (const auto& venue : venues) venue->set_activity(activity);
  }

  void change_listings() {
    next_list_ms += options.list_every_ns / ns_per_ms;
    for (const auto& venue : venues) {
      const std::string what = venue->change_listing(lists_next);
      if (!what.empty() && options.log) options.log(what);
    }
    lists_next = !lists_next;
  }

  ServerOptions options;
  net::Loop& loop;
  LatentMarket latent;
  std::int64_t start_wall_ms = 0;
  core::MonoNs start_mono;
  std::int64_t next_step_ms = 0;
  std::int64_t next_list_ms = 0;
  bool lists_next = true;
  bool is_stopped = false;
  double activity = 1;
  std::uint64_t made_before = 0;
  std::unique_ptr<Truth> truth;
  std::vector<std::vector<std::int64_t>> older_levels;  // by coin
  std::vector<std::unique_ptr<VenueServer>> venues;
  std::vector<Address> addresses;
  net::Timer timer;
};

Server::Server(net::Loop& loop, const ServerOptions& options) {
  check(options);
  impl_ = std::make_unique<Impl>(loop, options);
}
Server::~Server() = default;

const std::vector<Server::Address>& Server::addresses() const { return impl_->addresses; }

ServerReport Server::report() const {
  ServerReport report;
  for (const auto& venue : impl_->venues) {
    venue->report(report);
    report.lateness_ns_max = std::max(report.lateness_ns_max, venue->lateness_ms_max() * ns_per_ms);
  }
  return report;
}

void Server::stop() {
  if (std::exchange(impl_->is_stopped, true)) return;
  impl_->timer.cancel();
  for (const auto& venue : impl_->venues) venue->stop();
  if (impl_->truth != nullptr) impl_->truth->finish();
}

bool Server::is_closed() const {
  return impl_->is_stopped &&
         std::all_of(impl_->venues.begin(), impl_->venues.end(),
                     [](const auto& venue) { return venue->connection_count() == 0; });
}

}  // namespace perp::sim
