// perp gaps: the holes that the journal tells of, and what was fetched for them afterwards.
#include "app/commands.hpp"
#include "app/config_options.hpp"
#include "app/holes.hpp"
#include "app/output.hpp"

#include <perp/core/error.hpp>
#include <perp/market/record_kind.hpp>
#include <perp/market/record_text.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>
#include <optional>

namespace perp::app {
namespace {

using Json = nlohmann::ordered_json;

struct GapsArguments {
  ConfigArguments config;
  std::string folder;
  std::string venue;
  std::string symbol;
  std::string stream;
  std::string cause;
  std::string since;
  std::string until;
};

std::vector<std::string> cause_names() {
  std::vector<std::string> names{"all"};
  for (std::uint8_t i = 1; market::name_of(static_cast<market::GapCause>(i)) != "unknown"; ++i)
    names.emplace_back(market::name_of(static_cast<market::GapCause>(i)));
  return names;
}

class Filter {
 public:
  explicit Filter(const GapsArguments& arguments) : arguments_(arguments) {
    if (!arguments.venue.empty()) {
      const market::Venue* venue = market::find_venue(std::string_view(arguments.venue));
      if (venue == nullptr)
        throw core::Error("unknown venue '" + arguments.venue + "'", "--venue",
                          "see `perp venues`");
      venue_ = venue->id;
    }
    if (!arguments.since.empty())
      since_ns_ = parse_time_ms(arguments.since, "--since") * core::ns_per_ms;
    if (!arguments.until.empty())
      until_ns_ = parse_time_ms(arguments.until, "--until") * core::ns_per_ms;
    if (!arguments.stream.empty() && arguments.stream != "book" &&
        market::RecordType::padding == stream_type())
      throw core::Error("unknown stream '" + arguments.stream + "'", "--table",
                        "expected a record kind (trade, kline, ...) or book");
  }

  bool takes(const Hole& hole) const {
    if (venue_ != market::VenueId::none && hole.venue != venue_) return false;
    if (!arguments_.symbol.empty() && hole.symbol != arguments_.symbol &&
        hole.base != arguments_.symbol)
      return false;
    if (!arguments_.stream.empty()) {
      const bool is_book = hole.stream == market::RecordType::book_delta ||
                           hole.stream == market::RecordType::book_snapshot;
      if (arguments_.stream == "book" ? !is_book : hole.stream != stream_type()) return false;
    }
    if (!is_cause_taken(hole.cause)) return false;
    if (since_ns_ != core::unknown_ns && hole.to_ns != core::unknown_ns && hole.to_ns < since_ns_)
      return false;
    return until_ns_ == core::unknown_ns || hole.from_ns == core::unknown_ns ||
           hole.from_ns < until_ns_;
  }

 private:
  /// Minutes that the engine found half seen follow from other holes: on demand only.
  bool is_cause_taken(market::GapCause cause) const {
    if (arguments_.cause == "all") return true;
    if (arguments_.cause.empty()) return cause != market::GapCause::half_seen;
    return market::name_of(cause) == arguments_.cause;
  }
  market::RecordType stream_type() const {
    for (const market::RecordKind& kind : market::record_kinds)
      if (kind.name == arguments_.stream) return kind.type;
    return market::RecordType::padding;
  }

  const GapsArguments& arguments_;
  market::VenueId venue_ = market::VenueId::none;
  std::int64_t since_ns_ = core::unknown_ns;
  std::int64_t until_ns_ = core::unknown_ns;
};

std::string stream_name(market::RecordType stream) {
  return stream == market::RecordType::padding ? "all" : std::string(market::name_of(stream));
}

Json time_json(std::int64_t ns) { return ns == core::unknown_ns ? Json() : Json(time_text(ns)); }
Json id_json(std::int64_t id) { return id == market::unknown_id ? Json() : Json(id); }

void print_json(const std::vector<Hole>& holes) {
  auto all = Json::array();
  for (const Hole& hole : holes)
    all.push_back({{"venue", market::find_venue(hole.venue)->key},
                   {"symbol", hole.symbol.empty() ? Json() : Json(hole.symbol)},
                   {"stream", stream_name(hole.stream)},
                   {"cause", market::name_of(hole.cause)},
                   {"from", time_json(hole.from_ns)},
                   {"to", time_json(hole.to_ns)},
                   {"expected_id", id_json(hole.expected_id)},
                   {"got_id", id_json(hole.got_id)},
                   {"missing", hole.missing < 0 ? Json() : Json(hole.missing)},
                   {"filled", hole.filled},
                   {"fill", name_of(hole.fill)},
                   {"position", hole.position}});
  std::puts(all.dump(1, ' ', false, Json::error_handler_t::replace).c_str());
}

void print_rows(const std::vector<Hole>& holes, bool is_csv) {
  const std::vector<std::string> header{"venue",       "symbol", "stream",  "cause",  "from", "to",
                                        "expected_id", "got_id", "missing", "filled", "fill"};
  constexpr std::size_t symbol_cell = 1;  // the one text of the venue's
  Table table(header);
  const std::string none = is_csv ? "" : "-";
  const auto number = [&](std::int64_t value, bool is_known) {
    return is_known ? std::to_string(value) : none;
  };
  const auto time = [&](std::int64_t ns) { return ns == core::unknown_ns ? none : time_text(ns); };
  std::string csv;
  const auto csv_line = [&](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i)
      csv +=
          (i == 0 ? "" : ",") + (i == symbol_cell ? csv_text_cell(cells[i]) : csv_cell(cells[i]));
    csv += "\r\n";
  };
  csv_line(header);
  for (const Hole& hole : holes) {
    std::vector<std::string> cells{std::string(market::find_venue(hole.venue)->key),
                                   hole.symbol.empty() ? (is_csv ? "" : "all") : hole.symbol,
                                   stream_name(hole.stream),
                                   std::string(market::name_of(hole.cause)),
                                   time(hole.from_ns),
                                   time(hole.to_ns),
                                   number(hole.expected_id, hole.expected_id != market::unknown_id),
                                   number(hole.got_id, hole.got_id != market::unknown_id),
                                   number(hole.missing, hole.missing >= 0),
                                   std::to_string(hole.filled),
                                   std::string(name_of(hole.fill))};
    if (is_csv)
      csv_line(cells);
    else
      table.row(std::move(cells));
  }
  std::fputs((is_csv ? csv : table.text()).c_str(), stdout);
}

void list(Context& context, const GapsArguments& arguments) {
  std::string folder = arguments.folder;
  if (folder.empty()) {
    const Config config = load_config(arguments.config);
    if (!tell_faults(config)) {
      context.exit_code = exit_usage;
      return;
    }
    folder = config.text("journal.folder");
  }
  const Filter filter(arguments);
  const Holes holes = find_holes(folder);
  std::vector<Hole> taken;
  std::size_t half_seen = 0;
  for (const Hole& hole : holes.all) {
    if (filter.takes(hole)) taken.push_back(hole);
    if (hole.cause == market::GapCause::half_seen) ++half_seen;
  }
  if (context.format == "json") {
    print_json(taken);
  } else {
    print_rows(taken, context.format == "csv");
    if (context.format == "table") {
      std::size_t whole = 0;
      for (const Hole& hole : taken) whole += hole.fill == Fill::whole ? 1 : 0;
      std::printf("%zu holes, %zu of them whole again\n", taken.size(), whole);
      if (arguments.cause.empty() && half_seen > 0)
        std::printf("%zu minutes seen in part are not listed: --cause half_seen\n", half_seen);
    }
  }
  if (holes.damage_count == 0) return;
  std::fprintf(stderr, "perp: %s places of the journal could not be read: `perp journal verify`\n",
               grouped(holes.damage_count).c_str());
  context.exit_code = exit_partial;
}

}  // namespace

void add_gaps(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand(
      "gaps", "The holes that the journal tells of, and what was fetched for them afterwards.");
  auto arguments = std::make_shared<GapsArguments>();
  command
      ->add_option("folder", arguments->folder,
                   "The journal's folder (default: the configuration's journal.folder)")
      ->check(CLI::ExistingDirectory);
  add_option_or_variable(*command, "--config", arguments->config.file, "PERP_CONFIG",
                         "Configuration file");
  command->add_option("--venue", arguments->venue, "Only this venue");
  command->add_option("--symbol", arguments->symbol, "Only this coin or native symbol");
  command->add_option("--table,--stream", arguments->stream,
                      "Only this kind of record: trade, kline, book, ...");
  command
      ->add_option("--cause", arguments->cause,
                   "Only this cause; all takes half-seen minutes in, which are left out else")
      ->check(CLI::IsMember(cause_names()));
  command->add_option("--since", arguments->since, "Only holes that reach into this time or later");
  command->add_option("--until", arguments->until, "Only holes that begin before this time");
  add_format(*command, context, {"table", "json", "csv"});
  command->footer(
      "fill: whole (all missing ids or minutes were fetched, the book was sent anew), some, none.\n"
      "Exit codes: 0 listed, 3 parts of the journal could not be read, 1 failure, 2 usage.\n"
      "Examples:\n"
      "  perp gaps var/journal --since 2026-11-01T00:00 --venue binance\n"
      "  perp gaps --table trade --format json | jq 'map(select(.fill != \"whole\"))'");
  command->callback([&context, arguments] { list(context, *arguments); });
}

}  // namespace perp::app
