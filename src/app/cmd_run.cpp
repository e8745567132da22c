// perp run: the daemon, live or on recordings.
#include "app/commands.hpp"
#include "app/config_options.hpp"
#include "app/live_options.hpp"
#include "app/live_run.hpp"
#include "app/recording_options.hpp"
#include "app/summary.hpp"

#include <perp/core/error.hpp>
#include <perp/market/venue_id.hpp>

#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace perp::app {
namespace {

// Written by the signal handler, read by the supervisor: a number alone.
std::atomic<std::uint32_t> hangups{0};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free, "a signal handler adds to it");

extern "C" void on_hangup(int) { hangups.fetch_add(1, std::memory_order_relaxed); }

struct RunArguments {
  ConfigArguments config;
  RecordingArguments recording;
  std::vector<std::string> replay;
  double for_s = 0;
};

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : " ") + name;
  return out;
}

/// The configuration that is in force, and what a hangup makes of it.
class Reloading {
 public:
  Reloading(const ConfigArguments& arguments, const Config& config, core::Logger& log)
      : arguments_(arguments), started_(config), current_(config), log_(log) {
    for (const LiveVenueOptions& venue : live_options(config).venues)
      begun_.emplace(market::find_venue(venue.feed.venue)->key, config);
  }

  void reload(const std::function<void(const LiveChange&)>& take) {
    const Config fresh = load_config(arguments_);
    for (const ConfigFault& fault : fresh.faults())
      log_.error("config", fault.what, {{"place", fault.place}});
    if (!fresh.faults().empty()) {
      log_.error("config", "nothing is changed: the configuration has faults",
                 {{"faults", fresh.faults().size()}});
      return;
    }
    const std::vector<std::string> taken = changed_settings(current_, fresh, true);
    LiveChange change{.status_ns = status_ns_of(fresh)};
    for (const std::string& name : taken)
      if (is_of_loader(name)) change.loader = loader_options(fresh);
    // One of the places that catch: what a person wrote is to be told, and the daemon goes on.
    try {
      change.venues = live_options(fresh).venues;
      take(change);
    } catch (const core::Error& error) {
      log_.error("config", fmt::format("nothing is changed: {}", error.what()));
      return;
    }
    tell_fixed(fresh, change.venues);
    log_.info("config", taken.empty() ? "read again, nothing to take" : "read again and taken",
              {{"settings", joined(taken)}});
    log_.set_level(log_options(fresh).level);
    current_ = fresh;
  }

 private:
  static bool is_of_loader(const std::string& name) {
    return name.starts_with("database.") || name.starts_with("loader.") ||
           name.starts_with("db_") || name == "seal_after_hours";
  }
  /// What differs from what is in force and is not taken. A venue that was started by a reload has
  /// its settings from there.
  void tell_fixed(const Config& fresh, const std::vector<LiveVenueOptions>& venues) {
    std::map<std::string, const Config*, std::less<>> running;
    for (const LiveVenueOptions& venue : venues) {
      const std::string key(market::find_venue(venue.feed.venue)->key);
      const auto before = begun_.find(key);
      running.emplace(key, before == begun_.end() ? &fresh : &before->second);
    }
    std::map<std::string, Config, std::less<>> begun;
    for (const auto& [key, config] : running) begun.emplace(key, *config);
    begun_ = std::move(begun);

    std::vector<std::string> fixed;
    for (const std::string& name : changed_settings(started_, fresh, false))
      if (venue_of(name).empty()) fixed.push_back(name);
    for (const auto& [key, config] : begun_)
      for (const std::string& name : changed_settings(config, fresh, false))
        if (venue_of(name) == key) fixed.push_back(name);
    if (!fixed.empty())
      log_.warn("config", "these take effect with the next start", {{"settings", joined(fixed)}});
  }
  /// "okx" of "exchanges.okx.testnet" and "pins.okx"; empty for a setting of none.
  static std::string venue_of(const std::string& name) {
    for (const market::Venue& venue : market::venues) {
      std::string key(venue.key);
      if (name == "pins." + key || name.starts_with("exchanges." + key + ".")) return key;
    }
    return {};
  }

  const ConfigArguments& arguments_;
  const Config started_;                              ///< what needs a restart is as it was then
  std::map<std::string, Config, std::less<>> begun_;  ///< by venue: as it was when it was started
  Config current_;
  core::Logger& log_;
};

void run_live(Context& context, const RunArguments& arguments, const Config& config) {
  core::Logger log(log_options(config));
  LiveOptions options = live_options(config);
  options.for_ns = static_cast<std::int64_t>(arguments.for_s * 1e9);
  ServiceManager manager;
  std::signal(SIGHUP, on_hangup);
  Reloading reloading(arguments.config, config, log);
  LiveRun run(options, log, manager);
  const Report report =
      run.run({.stop = context.stop, .hangups = &hangups, .reload = [&](const auto& take) {
                 reloading.reload(take);
               }});
  std::fputs((context.format == "json" ? summary_json(report) : summary_text(report)).c_str(),
             stdout);
  if (!run.was_loader_abandoned()) return;
  std::fflush(stdout);
  std::quick_exit(exit_ok);
}

void run(Context& context, const RunArguments& arguments) {
  const Config config = load_config(arguments.config);
  if (!tell_faults(config)) {
    context.exit_code = exit_usage;
    return;
  }
  if (arguments.replay.empty()) return run_live(context, arguments, config);
  PipelineOptions pipeline;
  set_pipeline_options(config, pipeline);
  pipeline.replay.paths = arguments.replay;
  replay_recordings(context, pipeline, arguments.recording);
}

}  // namespace

void add_run(CLI::App& app, Context& context) {
  auto* command =
      app.add_subcommand("run", "The daemon: live feeds, engine, journal and loader together.");
  auto arguments = std::make_shared<RunArguments>();
  arguments->recording.speed = "1x";
  add_config_options(*command, arguments->config);
  command->add_option("--for", arguments->for_s, "End after so many seconds (0: when told)")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  auto* replay = command->add_option("--replay", arguments->replay,
                                     "Recordings that stand in for the live feeds");
  add_recording_options(*command, arguments->recording);
  for (const char* name :
       {"--venue", "--endpoint", "--symbol", "--period", "--speed", "--no-shapes"})
    command->get_option(name)->needs(replay)->group("Of --replay");
  add_format(*command, context, {"table", "json"});
  command->footer(
      "SIGTERM ends it within 5 s with nothing lost, a second one at once; SIGHUP reads the\n"
      "configuration again. `perp config keys` lists every setting, docs/operations.md the rest.\n"
      "Exit codes: 0 ended as told, 1 failure, 2 the configuration has faults; --replay: as\n"
      "`perp replay`.\n"
      "Examples:\n"
      "  perp run --venues binance,okx --symbols BTC,ETH --db \"$DATABASE_URL\"\n"
      "  perp run --config /etc/perp/perp.toml --pin binance=2,okx=3,engine=1 --io uring\n"
      "  perp run --replay recordings/binance --speed 10x --db \"$DATABASE_URL\"");
  command->callback([&context, arguments] { run(context, *arguments); });
}

}  // namespace perp::app
