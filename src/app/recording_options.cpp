#include "app/recording_options.hpp"

#include "app/output.hpp"
#include "app/progress.hpp"
#include "app/summary.hpp"

#include <perp/core/error.hpp>

#include <fmt/format.h>

#include <cstdio>

namespace perp::app {
namespace {

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

}  // namespace

void add_recording_options(CLI::App& command, RecordingArguments& arguments) {
  command.add_option("--venue", arguments.venue,
                     "The recordings' venue, where their path does not say it");
  command.add_option("--endpoint", arguments.recording.endpoint,
                     "The bodies are replies of this REST endpoint (see `perp venues NAME`)");
  command.add_option("--symbol", arguments.recording.symbol,
                     "Native symbol that the REST bodies are about");
  command.add_option("--period", arguments.recording.period,
                     "Period or interval of the REST bodies: 5m, 1h, 1d");
  command.add_option("--speed", arguments.speed, "max, 1x (as recorded) or a factor such as 10x")
      ->capture_default_str();
  command.add_flag("--no-shapes", arguments.is_without_shapes,
                   "Read every message by the slower lane, which defines the answer");
}

void replay_recordings(Context& context, PipelineOptions& options,
                       const RecordingArguments& arguments) {
  options.replay.recording = arguments.recording;
  options.replay.speed = parse_speed(arguments.speed);
  if (arguments.is_without_shapes) options.replay.lanes = venue::Lanes::on_demand;
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

}  // namespace perp::app
