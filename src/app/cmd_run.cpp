// perp run: the daemon, live or on recordings.
#include "app/commands.hpp"
#include "app/config_options.hpp"
#include "app/live_options.hpp"
#include "app/live_run.hpp"
#include "app/recording_options.hpp"
#include "app/summary.hpp"

#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>

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
      : arguments_(arguments), started_(config), current_(config), log_(log) {}

  std::optional<LiveChange> reload() {
    const Config fresh = load_config(arguments_);
    for (const ConfigFault& fault : fresh.faults())
      log_.error("config", fault.what, {{"place", fault.place}});
    if (!fresh.faults().empty()) {
      log_.error("config", "nothing is changed: the configuration has faults",
                 {{"faults", fresh.faults().size()}});
      return std::nullopt;
    }
    const std::vector<std::string> fixed = changed_settings(started_, fresh, false);
    if (!fixed.empty())
      log_.warn("config", "these take effect with the next start", {{"settings", joined(fixed)}});
    const std::vector<std::string> taken = changed_settings(current_, fresh, true);
    log_.info("config", taken.empty() ? "read again, nothing to take" : "read again and taken",
              {{"settings", joined(taken)}});
    LiveChange change{.status_ns = status_ns_of(fresh)};
    for (const std::string& name : taken)
      if (!name.starts_with("logging.")) change.loader = loader_options(fresh);
    log_.set_level(log_options(fresh).level);
    current_ = fresh;
    return change;
  }

 private:
  const ConfigArguments& arguments_;
  const Config started_;  ///< what needs a restart is as it was then
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
  const Report report = run.run(
      {.stop = context.stop, .hangups = &hangups, .reload = [&] { return reloading.reload(); }});
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
