#include "app/recording_options.hpp"

#include <perp/core/error.hpp>
#include <perp/market/decimal.hpp>

#include <memory>

namespace perp::app {
namespace {

struct ReplayArguments {
  PipelineOptions pipeline;
  RecordingArguments recording;
  std::vector<std::string> pins;
};

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
  arguments.pipeline.dsn = context.dsn;
  parse_pins(arguments.pins, arguments.pipeline);
  replay_recordings(context, arguments.pipeline, arguments.recording);
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
  add_recording_options(*command, arguments->recording);
  command
      ->add_option("--sync-ms", arguments->pipeline.sync_ms,
                   "What a power cut may take of the journal, ms")
      ->capture_default_str()
      ->check(CLI::Range(0, 60'000));
  command
      ->add_option("--lanes", arguments->pipeline.loader_lanes,
                   "Database connections that load side by side")
      ->capture_default_str()
      ->check(CLI::Range(1, 16));
  command
      ->add_option("--tables", arguments->pipeline.fact_tables,
                   "Which records are also rows of tables of their own (default: all but trades)")
      ->delimiter(',')
      ->check(CLI::IsMember(warehouse::fact_table_names()));
  command->add_option("--pin", arguments->pins, "Pin a thread: feed=0 engine=1")->delimiter(',');
  add_dsn(*command, context, false);
  add_format(*command, context, {"table", "json"});
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

}  // namespace perp::app
