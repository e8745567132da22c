#include "app/commands.hpp"
#include "app/output.hpp"

#include <perp/market/perpspec.hpp>
#include <perp/venue/registry.hpp>

#include <nlohmann/json.hpp>

#include <cstdio>
#include <iterator>

namespace perp::app {
namespace {

std::vector<std::string> perpspecs_of(market::VenueId venue) {
  std::vector<std::string> names;
  for (const market::Perpspec& spec : market::perpspecs)
    if (market::venue_of(spec.id) == venue) names.push_back(market::perpspec_name(spec.id));
  return names;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

void print_json() {
  auto all = nlohmann::ordered_json::array();
  for (const market::Venue& venue : market::venues) {
    const venue::Adapter& adapter = *venue::find_adapter(venue.id);
    nlohmann::ordered_json row{{"id", static_cast<int>(venue.id)},
                               {"key", venue.key},
                               {"code", venue.code},
                               {"name", venue.name},
                               {"quote", venue.quote},
                               {"rest_url", adapter.spec.rest_url},
                               {"ws_urls", adapter.spec.ws_urls},
                               {"perpspecs", perpspecs_of(venue.id)}};
    row["message_kinds"] = nlohmann::ordered_json::array();
    for (const std::string_view kind : adapter.message_kinds) row["message_kinds"].push_back(kind);
    row["endpoints"] = nlohmann::ordered_json::array();
    for (const venue::Endpoint& endpoint : adapter.endpoints)
      row["endpoints"].push_back(
          {{"name", endpoint.name}, {"path", endpoint.path}, {"needs", endpoint.needs}});
    all.push_back(std::move(row));
  }
  std::puts(all.dump(1).c_str());
}

void print_table(const std::string& only) {
  Table table({"key", "code", "name", "quote", "message kinds", "REST endpoints", "perpspecs"});
  for (const market::Venue& venue : market::venues) {
    if (!only.empty() && market::find_venue(std::string_view(only))->id != venue.id) continue;
    const venue::Adapter& adapter = *venue::find_adapter(venue.id);
    table.row({std::string(venue.key), std::string(venue.code), std::string(venue.name),
               std::string(venue.quote), std::to_string(adapter.message_kinds.size() - 1),
               std::to_string(adapter.endpoints.size()), joined(perpspecs_of(venue.id))});
  }
  std::fputs(table.text().c_str(), stdout);
  if (only.empty()) return;
  const venue::Adapter& adapter =
      *venue::find_adapter(market::find_venue(std::string_view(only))->id);
  std::printf("\nREST %.*s\nWebSocket %.*s\n\n", static_cast<int>(adapter.spec.rest_url.size()),
              adapter.spec.rest_url.data(), static_cast<int>(adapter.spec.ws_urls.size()),
              adapter.spec.ws_urls.data());
  Table kinds({"message kind"});
  for (std::size_t i = 1; i < adapter.message_kinds.size(); ++i)
    kinds.row({std::string(adapter.message_kinds[i])});
  std::fputs((kinds.text() + "\n").c_str(), stdout);
  Table endpoints({"endpoint", "path", "not in the body"});
  for (const venue::Endpoint& endpoint : adapter.endpoints)
    endpoints.row(
        {std::string(endpoint.name), std::string(endpoint.path), std::string(endpoint.needs)});
  std::fputs(endpoints.text().c_str(), stdout);
}

}  // namespace

void add_venues(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand(
      "venues", "List the venues: streams and REST replies that are decoded, perpspecs filled.");
  auto only = std::make_shared<std::string>();
  command->add_option("venue", *only, "Only this one, with its streams and endpoints")
      ->check([](const std::string& text) {
        return market::find_venue(std::string_view(text)) != nullptr
                   ? std::string()
                   : "unknown venue '" + text + "'";
      });
  add_format(*command, context, {"table", "json"});
  command->footer("Example:\n  perp venues binance");
  command->callback([&context, only] {
    if (context.format == "json")
      print_json();
    else
      print_table(*only);
  });
}

}  // namespace perp::app
