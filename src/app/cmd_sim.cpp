#include "app/cmd_sim.hpp"

#include "app/commands.hpp"
#include "app/output.hpp"
#include "app/progress.hpp"

#include <perp/core/error.hpp>
#include <perp/core/time.hpp>
#include <perp/sim/record.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <memory>

namespace perp::app {

void add_sim(CLI::App& app, Context& context) {
  auto* sim = app.add_subcommand("sim", "Simulated venues.");
  sim->require_subcommand(1);
  add_sim_serve(*sim, context);
  add_sim_check(*sim, context);
  add_sim_faults(*sim, context);
  auto* record = sim->add_subcommand(
      "record", "Write a seeded market as recordings in the venues' own wire format.");
  auto options = std::make_shared<sim::RecordOptions>();
  auto venues = std::make_shared<std::vector<std::string>>();
  auto start = std::make_shared<std::string>();
  record
      ->add_option("folder", options->folder,
                   "Where <venue>/ws.tsv, <venue>/rest.tsv and truth.csv are written")
      ->required();
  record->add_option("--seed", options->seed, "Same seed, same bytes")->capture_default_str();
  record->add_option("--minutes", options->minutes, "Length")
      ->capture_default_str()
      ->check(CLI::Range(1, 1440));
  record->add_option("--symbols", options->symbols, "Coins on every venue")
      ->capture_default_str()
      ->check(CLI::Range(1, static_cast<int>(sim::symbol_limit())));
  record
      ->add_option("--activity", options->activity,
                   "Messages per second relative to the usual rate")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 20.0));
  record->add_option("--start", *start, "First minute, UTC (default: 2026-11-01)");
  record->add_option("--venue,--venues", *venues, "Only these")->delimiter(',');
  record->footer(
      "Example:\n  perp sim record var/sim --seed 7 --minutes 60\n  perp replay var/sim");
  record->callback([options, venues, start] {
    for (const std::string& name : *venues) {
      const market::Venue* venue = market::find_venue(std::string_view(name));
      if (venue == nullptr)
        throw core::Error("unknown venue '" + name + "'", "--venue", "see `perp venues`");
      options->venues.push_back(venue->id);
    }
    if (!start->empty()) options->start_ns = parse_time_ms(*start, "--start") * core::ns_per_ms;
    ProgressLine progress("recording");
    const sim::RecordReport report =
        sim::record(*options, [&](double fraction) { progress.show(fraction, ""); });
    progress.done();
    Table table({"venue", "file", "stream", "messages", "bytes"});
    for (const sim::StreamCount& row : report.streams)
      table.row({std::string(market::find_venue(row.venue)->key), row.file, row.stream,
                 grouped(row.messages), bytes_text(row.bytes)});
    table.row({"all", "", "", grouped(report.messages), bytes_text(report.bytes)});
    std::fputs(table.text().c_str(), stdout);
    std::printf("written to %s\n", options->folder.c_str());
  });
}

}  // namespace perp::app
