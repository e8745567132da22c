#include "app/commands.hpp"
#include "app/output.hpp"

#include <perp/core/error.hpp>
#include <perp/journal/reader.hpp>
#include <perp/journal/tools.hpp>
#include <perp/market/record_kind.hpp>
#include <perp/market/record_text.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

namespace perp::app {
namespace {

using Json = nlohmann::ordered_json;

Json time_json(std::int64_t ns) { return ns == core::unknown_ns ? Json() : Json(time_text(ns)); }

void print_segments(const std::vector<journal::SegmentSummary>& segments,
                    const std::string& format) {
  if (format == "json") {
    auto all = Json::array();
    for (const auto& segment : segments)
      all.push_back({{"base", segment.base},
                     {"bytes", segment.bytes},
                     {"blocks", segment.blocks},
                     {"records", segment.records},
                     {"repeats", segment.repeats},
                     {"first_receive", time_json(segment.first_receive_ns)},
                     {"last_receive", time_json(segment.last_receive_ns)},
                     {"state", journal::name_of(segment.state)}});
    std::puts(all.dump(1).c_str());
    return;
  }
  Table table({"base", "bytes", "blocks", "records", "first received", "last received", "state"});
  for (const auto& segment : segments)
    table.row({grouped(segment.base), bytes_text(segment.bytes), grouped(segment.blocks),
               grouped(segment.records), time_text(segment.first_receive_ns),
               time_text(segment.last_receive_ns), std::string(journal::name_of(segment.state))});
  std::fputs(table.text().c_str(), stdout);
}

void verify(const std::string& folder, Context& context) {
  const journal::Verification result = journal::verify(folder);
  if (!result.is_whole()) context.exit_code = exit_failure;
  if (context.format == "json") {
    Json json{{"whole", result.is_whole()},
              {"durable", result.durable},
              {"damage_count", result.damage_count},
              {"undefined_instruments", result.undefined_instruments},
              {"segments", result.segments.size()}};
    json["damages"] = Json::array();
    for (const auto& damage : result.damages)
      json["damages"].push_back({{"segment", damage.segment},
                                 {"offset", damage.offset},
                                 {"bytes", damage.bytes},
                                 {"why", damage.why}});
    std::puts(json.dump(1).c_str());
    return;
  }
  print_segments(result.segments, "table");
  for (const auto& damage : result.damages)
    std::printf("damaged: segment %s at %s, %s skipped: %s\n", grouped(damage.segment).c_str(),
                grouped(damage.offset).c_str(), bytes_text(damage.bytes).c_str(),
                damage.why.c_str());
  if (result.undefined_instruments > 0)
    std::printf("%s records of instruments that their segment does not define\n",
                grouped(result.undefined_instruments).c_str());
  std::printf("%s up to %s\n", result.is_whole() ? "whole" : "NOT WHOLE",
              grouped(result.durable).c_str());
}

void stats(const std::string& folder, const std::string& format) {
  const journal::Statistics result = journal::statistics(folder);
  if (format == "json") {
    Json json{{"records", result.total.records},
              {"bytes", result.total.bytes},
              {"disk_bytes", result.disk_bytes},
              {"repeats", result.repeats},
              {"instruments", result.instruments},
              {"damage_count", result.damage_count},
              {"first_receive", time_json(result.first_receive_ns)},
              {"last_receive", time_json(result.last_receive_ns)},
              {"first_exchange", time_json(result.first_exchange_ns)},
              {"last_exchange", time_json(result.last_exchange_ns)}};
    for (const auto& kind : market::record_kinds)
      if (const auto& tally = result.by_kind[static_cast<std::size_t>(kind.type)];
          tally.records != 0)
        json["kinds"][std::string(kind.name)] = {{"records", tally.records},
                                                 {"bytes", tally.bytes}};
    for (const auto& venue : market::venues)
      if (const auto& tally = result.by_venue[static_cast<std::size_t>(venue.id)];
          tally.records != 0)
        json["venues"][std::string(venue.key)] = {{"records", tally.records},
                                                  {"bytes", tally.bytes}};
    std::puts(json.dump(1).c_str());
    return;
  }
  Table kinds({"kind", "records", "bytes"});
  for (const auto& kind : market::record_kinds)
    if (const auto& tally = result.by_kind[static_cast<std::size_t>(kind.type)]; tally.records != 0)
      kinds.row({std::string(kind.name), grouped(tally.records), bytes_text(tally.bytes)});
  std::puts(kinds.text().c_str());
  Table venues({"venue", "records", "bytes"});
  for (const auto& venue : market::venues)
    if (const auto& tally = result.by_venue[static_cast<std::size_t>(venue.id)]; tally.records != 0)
      venues.row({std::string(venue.key), grouped(tally.records), bytes_text(tally.bytes)});
  std::puts(venues.text().c_str());
  std::printf("%s records, %s; %s on disk; %s instruments; damaged places: %s\n",
              grouped(result.total.records).c_str(), bytes_text(result.total.bytes).c_str(),
              bytes_text(result.disk_bytes).c_str(), grouped(result.instruments).c_str(),
              grouped(result.damage_count).c_str());
  std::printf("received %s to %s\n", time_text(result.first_receive_ns).c_str(),
              time_text(result.last_receive_ns).c_str());
}

struct CatOptions {
  std::string type;
  std::string venue;
  std::string symbol;
  std::uint64_t from = 0;
  std::uint64_t limit = 0;
};

void cat(const std::string& folder, const CatOptions& options, Context& context) {
  market::RecordType type = market::RecordType::padding;
  if (!options.type.empty()) {
    for (const auto& kind : market::record_kinds)
      if (kind.name == options.type) type = kind.type;
    if (type == market::RecordType::padding)
      throw core::Error("unknown record kind '" + options.type + "'", "--type",
                        "see `perp journal stats`");
  }
  const market::Venue* venue =
      options.venue.empty() ? nullptr : market::find_venue(std::string_view(options.venue));
  if (!options.venue.empty() && venue == nullptr)
    throw core::Error("unknown venue '" + options.venue + "'", "--venue", "see `perp venues`");
  journal::Reader reader(folder, options.from);
  std::uint64_t shown = 0;
  std::string line;
  while (const market::RecordHeader* record = reader.next()) {
    if (context.stop->load(std::memory_order_relaxed) ||
        (options.limit != 0 && shown == options.limit))
      break;
    if (reader.is_repeat() || (type != market::RecordType::padding && record->type != type) ||
        (venue != nullptr && record->venue != venue->id))
      continue;
    const market::Instrument* instrument =
        record->instrument == 0 ? nullptr : reader.find_instrument(record->instrument);
    if (!options.symbol.empty() &&
        (instrument == nullptr || (instrument->base.view() != options.symbol &&
                                   instrument->native.view() != options.symbol)))
      continue;
    line.clear();
    market::append_json(line, *record, instrument);
    line += '\n';
    if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size())
      return;  // the reader of our output has gone
    ++shown;
  }
  for (const auto& damage : reader.damages())
    std::fprintf(stderr, "perp: damaged: segment %s at %s, %s skipped: %s\n",
                 grouped(damage.segment).c_str(), grouped(damage.offset).c_str(),
                 bytes_text(damage.bytes).c_str(), damage.why.c_str());
  if (reader.damage_count() > 0) context.exit_code = exit_partial;
}

}  // namespace

void add_journal(CLI::App& app, Context& context) {
  auto* group = app.add_subcommand("journal", "The durable log: list, read, verify, count.");
  group->require_subcommand(1);
  group->footer(
      "Examples:\n"
      "  perp journal ls var/journal\n"
      "  perp journal cat var/journal --type trade --symbol BTC --limit 3\n"
      "  perp journal verify var/journal        (exit 1 if anything is damaged)");
  auto folder = std::make_shared<std::string>();
  const auto add = [&](const char* name, const char* help) {
    auto* command = group->add_subcommand(name, help);
    command->add_option("folder", *folder, "The journal's folder")
        ->required()
        ->check(CLI::ExistingDirectory);
    return command;
  };
  auto* ls = add("ls", "Segments: base position, size, records, times, state");
  add_format(*ls, context, {"table", "json"});
  ls->callback([&context, folder] { print_segments(journal::list(*folder), context.format); });

  auto options = std::make_shared<CatOptions>();
  auto* cat_command = add("cat", "Records as JSON, one a line");
  cat_command->add_option("--type", options->type, "Only this kind: trade, bbo, minute, ...");
  cat_command->add_option("--venue", options->venue, "Only this venue");
  cat_command->add_option("--symbol", options->symbol, "Only this coin or native symbol");
  cat_command->add_option("--from", options->from, "Begin at this position")->capture_default_str();
  cat_command->add_option("--limit", options->limit, "End after as many (0 = all)")
      ->capture_default_str();
  cat_command->callback([&context, folder, options] { cat(*folder, *options, context); });

  auto* verify_command =
      add("verify", "Every checksum, sequence and record; exit 1 if anything is damaged");
  add_format(*verify_command, context, {"table", "json"});
  verify_command->callback([&context, folder] { verify(*folder, context); });

  auto* stats_command = add("stats", "Records and bytes per kind and venue, time span");
  add_format(*stats_command, context, {"table", "json"});
  stats_command->callback([&context, folder] { stats(*folder, context.format); });
}

}  // namespace perp::app
