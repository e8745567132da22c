#include "app/commands.hpp"
#include "app/output.hpp"
#include "app/progress.hpp"
#include "app/summary.hpp"

#include <perp/app/pipeline.hpp>
#include <perp/core/error.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

namespace perp::app {
namespace {

struct ReplayArguments {
  PipelineOptions pipeline;
  std::string venue;
  std::string speed = "max";
  bool is_without_shapes = false;
  std::vector<std::string> pins;
};

double parse_speed(const std::string& text) {
  if (text == "max") return 0;
  char* end = nullptr;
  const double factor = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || (std::string_view(end) != "x" && *end != '\0') || !(factor > 0) ||
      factor > 1e6)
    throw core::Error("'" + text + "' is not a speed", "--speed",
                      "expected max, 1x or another factor such as 10x");
  return factor;
}

void parse_pins(const std::vector<std::string>& pins, PipelineOptions& options) {
  for (const std::string& pin : pins) {
    const std::size_t equals = pin.find('=');
    std::int64_t cpu = -1;
    if (equals == std::string::npos ||
        !market::parse_integer(std::string_view(pin).substr(equals + 1), cpu) || cpu < 0 ||
        cpu > 4095)
      throw core::Error("'" + pin + "' is not a pin", "--pin", "expected feed=CPU or engine=CPU");
    const std::string name = pin.substr(0, equals);
    if (name == "feed")
      options.feed_cpu = static_cast<int>(cpu);
    else if (name == "engine")
      options.engine_cpu = static_cast<int>(cpu);
    else
      throw core::Error("unknown thread '" + name + "'", "--pin",
                        "expected feed=CPU or engine=CPU");
  }
}

void run(Context& context, ReplayArguments& arguments) {
  PipelineOptions& options = arguments.pipeline;
  options.dsn = context.dsn;
  options.replay.speed = parse_speed(arguments.speed);
  if (arguments.is_without_shapes) options.replay.lanes = venue::Lanes::on_demand;
  parse_pins(arguments.pins, options);
  if (!arguments.venue.empty()) {
    const market::Venue* venue = market::find_venue(std::string_view(arguments.venue));
    if (venue == nullptr)
      throw core::Error("unknown venue '" + arguments.venue + "'", "--venue", "see `perp venues`");
    options.replay.recording.venue = venue->id;
  }
  ProgressLine line("replaying");
  const Report report = run_pipeline(options, *context.stop, [&](const Progress& progress) {
    line.show(progress.fraction, fmt::format("{} messages, {} records", grouped(progress.messages),
                                             grouped(progress.records)));
  });
  line.done();
  std::fputs((context.format == "json" ? summary_json(report) : summary_text(report)).c_str(),
             stdout);
  context.exit_code = report.was_stopped ? exit_failure : is_clean(report) ? exit_ok : exit_partial;
}

void add_replay_options(CLI::App& command, Context& context, ReplayArguments& arguments) {
  command.add_option("--venue", arguments.venue,
                     "The recordings' venue, where their path does not say it");
  command.add_option("--endpoint", arguments.pipeline.replay.recording.endpoint,
                     "The bodies are replies of this REST endpoint (see `perp venues NAME`)");
  command.add_option("--symbol", arguments.pipeline.replay.recording.symbol,
                     "Native symbol that the REST bodies are about");
  command.add_option("--period", arguments.pipeline.replay.recording.period,
                     "Period or interval of the REST bodies: 5m, 1h, 1d");
  command.add_option("--speed", arguments.speed, "max, 1x (as recorded) or a factor such as 10x")
      ->capture_default_str();
  command.add_flag("--no-shapes", arguments.is_without_shapes,
                   "Read every message by the slower lane, which defines the answer");
  command
      .add_option("--sync-ms", arguments.pipeline.sync_ms,
                  "What a power cut may take of the journal, ms")
      ->capture_default_str()
      ->check(CLI::Range(0, 60'000));
  command
      .add_option("--lanes", arguments.pipeline.loader_lanes,
                  "Database connections that load side by side")
      ->capture_default_str()
      ->check(CLI::Range(1, 16));
  command.add_option("--pin", arguments.pins, "Pin a thread: feed=0 engine=1")->delimiter(',');
  add_dsn(command, context, false);
  add_format(command, context, {"table", "json"});
}

}  // namespace

void add_replay(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand(
      "replay", "Recordings or journals through the whole path, then a summary.");
  auto arguments = std::make_shared<ReplayArguments>();
  command
      ->add_option("paths", arguments->pipeline.replay.paths,
                   "Files or folders: .tsv .txt .jsonl .json (.gz), or a journal folder")
      ->required();
  command->add_option("--journal", arguments->pipeline.journal_folder,
                      "Keep the journal here (default: a temporary one)");
  add_replay_options(*command, context, *arguments);
  command->footer(
      "Exit codes: 0 all understood, 3 some messages were refused (see the summary), 1 failure, 2 "
      "usage.\n"
      "Examples:\n"
      "  perp replay recordings/binance\n"
      "  perp replay day.tsv.gz --venue bybit --journal var/journal --db \"$DATABASE_URL\"\n"
      "  perp replay rest_klines_btcusdt.json --venue binance --endpoint klines --symbol BTCUSDT "
      "--period 1m\n"
      "  perp replay recordings --format json | jq .decode_errors");
  command->callback([&context, arguments] { run(context, *arguments); });
}

void add_run(CLI::App& app, Context& context) {
  auto* command =
      app.add_subcommand("run", "The daemon: feeds, engine, journal and loader together.");
  auto arguments = std::make_shared<ReplayArguments>();
  arguments->pipeline.journal_folder = "var/journal";
  arguments->speed = "1x";
  command
      ->add_option("--replay", arguments->pipeline.replay.paths,
                   "Recordings that stand in for the live feeds")
      ->required();
  command->add_option("--journal", arguments->pipeline.journal_folder, "The journal's folder")
      ->capture_default_str();
  add_replay_options(*command, context, *arguments);
  command->footer(
      "Runs at the recorded speed until the recordings end or SIGTERM; then everything is "
      "journalled and loaded.\n"
      "Example:\n  perp run --replay recordings/binance --speed 10x --db \"$DATABASE_URL\"");
  command->callback([&context, arguments] { run(context, *arguments); });
}

}  // namespace perp::app
