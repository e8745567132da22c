#include "sim/lane.hpp"
#include "sim/simulated_venue.hpp"
#include "sim/wire/wire_model.hpp"

#include <perp/core/error.hpp>
#include <perp/core/time.hpp>
#include <perp/sim/latent_price.hpp>
#include <perp/sim/record.hpp>
#include <perp/sim/truth.hpp>
#include <perp/sim/venue_model.hpp>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <memory>

namespace perp::sim {
namespace {

using market::VenueId;

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t second_ms = 1000;
constexpr std::int64_t lead_ms = 2000;  // subscribed and quoting before the first trade
constexpr std::size_t connections_max = 2;
constexpr int minutes_max = 60 * 24 * 31;
constexpr double activity_max = 20;

[[noreturn]] void refuse(const std::string& option, const std::string& value,
                         const std::string& accepted) {
  throw core::Error("'" + value + "' is not accepted", "sim record option " + option,
                    "it must be " + accepted);
}

void check(const RecordOptions& options) {
  if (options.folder.empty()) refuse("folder", "", "a path");
  if (options.minutes < 1 || options.minutes > minutes_max)
    refuse("minutes", std::to_string(options.minutes), "1 to " + std::to_string(minutes_max));
  if (options.symbols < 1 || static_cast<std::size_t>(options.symbols) > symbol_limit())
    refuse("symbols", std::to_string(options.symbols), "1 to " + std::to_string(symbol_limit()));
  if (options.start_ns < 0 || options.start_ns % core::ns_per_hour != 0)
    refuse("start_ns", std::to_string(options.start_ns), "a whole hour since 1970");
  if (!std::isfinite(options.activity) || options.activity <= 0 || options.activity > activity_max)
    refuse("activity", std::to_string(options.activity), "above 0 and at most 20");
  for (const VenueId venue : options.venues)
    if (market::find_venue(venue) == nullptr ||
        std::count(options.venues.begin(), options.venues.end(), venue) > 1)
      refuse("venues", std::to_string(static_cast<unsigned>(venue)), "known venues, each once");
}

/// One venue's recording: its markets, its wire, its two files.
class VenueRecorder {
 public:
  VenueRecorder(VenueId venue, const RecordOptions& options, LatentMarket& latent,
                const std::vector<std::vector<std::int64_t>>& past_levels)
      : venue_(venue),
        folder_(options.folder + "/" + std::string(market::find_venue(venue)->key)),
        stream_(make_folder(folder_) + "/ws.tsv", connections_max, options.seed,
                stream_base(venue)),
        rest_(folder_ + "/rest.tsv", 1, options.seed, stream_base(venue) + 1),
        wire_(wire::make_wire(venue, stream_, &rest_, options.seed)),
        markets_({.venue = venue,
                  .seed = options.seed,
                  .symbols = static_cast<std::size_t>(options.symbols),
                  .activity = options.activity,
                  .start_ms = options.start_ns / core::ns_per_ms},
                 latent, past_levels, *wire_) {}

  SimulatedVenue& markets() { return markets_; }

  void step(const LatentMarket& latent, std::int64_t now_ms, bool is_open) {
    markets_.step(latent, now_ms, is_open);
    stream_.flush(now_ms + step_ms);
    rest_.flush(now_ms + step_ms);
  }

  void finish(RecordReport& report) {
    for (Lane* lane : {&stream_, &rest_}) {
      lane->finish();
      report.files.push_back({lane->path(), lane->bytes_written()});
      report.bytes += lane->bytes_written();
      for (const StreamTotal& total : lane->streams()) {
        report.streams.push_back(
            {venue_, lane == &stream_ ? "ws" : "rest", total.name, total.messages, total.bytes});
        report.messages += total.messages;
      }
    }
  }

 private:
  static std::uint64_t stream_base(VenueId venue) {
    return 80'000 + 10 * static_cast<std::uint64_t>(venue);
  }

  static const std::string& make_folder(const std::string& folder) {
    std::error_code code;
    std::filesystem::create_directories(folder, code);
    if (code) core::throw_system_error("cannot make the folder", folder, code.value());
    return folder;
  }

  VenueId venue_;
  std::string folder_;
  Lane stream_;
  Lane rest_;
  std::unique_ptr<wire::WireModel> wire_;
  SimulatedVenue markets_;
};

}  // namespace

std::size_t symbol_limit() { return coins().size(); }

RecordReport record(const RecordOptions& options,
                    const std::function<void(double fraction)>& progress) {
  check(options);
  const auto symbols = static_cast<std::size_t>(options.symbols);
  LatentMarket latent(symbols, options.seed);
  const std::vector<std::vector<std::int64_t>> past_levels = past_levels_of(latent, symbols);

  std::vector<std::unique_ptr<VenueRecorder>> venues;
  for (const market::Venue& venue : market::venues) {
    const bool is_wanted = options.venues.empty() ||
                           std::count(options.venues.begin(), options.venues.end(), venue.id) > 0;
    if (is_wanted)
      venues.push_back(std::make_unique<VenueRecorder>(venue.id, options, latent, past_levels));
  }
  Truth truth(options.folder + "/truth.csv");

  const std::int64_t start_ms = options.start_ns / core::ns_per_ms;
  const std::int64_t end_ms = start_ms + options.minutes * minute_ms;
  for (const auto& venue : venues) venue->markets().open(start_ms - lead_ms);
  for (std::int64_t now_ms = start_ms - lead_ms; now_ms < end_ms; now_ms += step_ms) {
    const bool is_open = now_ms >= start_ms;
    if (is_open) latent.step();
    for (const auto& venue : venues) {
      if (now_ms == start_ms) venue->markets().backfill(start_ms);
      venue->step(latent, now_ms, is_open);
      if (is_open && (now_ms + step_ms) % minute_ms == 0)
        venue->markets().close_minute(now_ms + step_ms - minute_ms, &truth);
    }
    if (progress && now_ms % second_ms == 0)
      progress(static_cast<double>(now_ms - start_ms + lead_ms) /
               static_cast<double>(end_ms - start_ms + lead_ms));
  }
  RecordReport report;
  for (const auto& venue : venues) venue->finish(report);
  truth.finish();
  report.truth_rows = truth.rows();
  report.files.push_back({options.folder + "/truth.csv", truth.bytes_written()});
  report.bytes += truth.bytes_written();
  if (progress) progress(1);
  return report;
}

}  // namespace perp::sim
