// perp sim faults: a fault proxy between perp and its venues.
#include "app/cmd_sim.hpp"
#include "app/output.hpp"

#include <perp/core/error.hpp>
#include <perp/core/time.hpp>
#include <perp/net/loop.hpp>
#include <perp/net/resolver.hpp>
#include <perp/net/tls_context.hpp>
#include <perp/sim/certificates.hpp>
#include <perp/sim/fault_proxy.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>

namespace perp::app {
namespace {

struct FaultsOptions {
  std::string script;
  std::vector<std::string> to;
  std::string listen = "127.0.0.1:0";
  std::string tls_folder = "var/tls";
  std::string venue_ca;
  std::string log_file;
  std::uint64_t seed = 1;
  double seconds = 0;
  bool is_check = false;
};

constexpr std::int64_t stop_ns_max = 3 * core::ns_per_second;

/// "okx=https://127.0.0.1:7003"; a name may have a second one for its WebSockets.
std::vector<sim::FaultUpstream> upstreams_of(const std::vector<std::string>& texts) {
  struct Addresses {
    std::string name;
    std::optional<net::Url> rest;
    std::optional<net::Url> websocket;
  };
  std::vector<Addresses> found;
  for (const std::string& text : texts) {
    const std::string where = "--to '" + text + "'";
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw core::Error("is no venue with its address", where,
                        "write it as NAME=https://HOST:PORT");
    const std::string name = text.substr(0, equals);
    const net::Url url = net::Url::parse(text.substr(equals + 1));
    if (url.target != "/")
      throw core::Error("has a path", where, "what is asked for comes from perp: give HOST:PORT");
    auto venue = std::find_if(found.begin(), found.end(),
                              [&](const Addresses& one) { return one.name == name; });
    if (venue == found.end()) venue = found.insert(found.end(), {name, std::nullopt, std::nullopt});
    std::optional<net::Url>& slot = url.is_websocket() ? venue->websocket : venue->rest;
    if (slot) throw core::Error("is there twice", where, "one https and one wss address each");
    slot = url;
  }
  std::vector<sim::FaultUpstream> upstreams;
  for (const Addresses& venue : found) {
    sim::FaultUpstream upstream{.name = venue.name,
                                .rest = venue.rest ? *venue.rest : *venue.websocket,
                                .websocket = venue.websocket ? *venue.websocket : *venue.rest};
    using Scheme = net::Url::Scheme;
    upstream.rest.scheme = upstream.rest.is_secure() ? Scheme::https : Scheme::http;
    upstream.websocket.scheme = upstream.websocket.is_secure() ? Scheme::wss : Scheme::ws;
    upstreams.push_back(upstream);
  }
  return upstreams;
}

/// "127.0.0.1:9000", "[::1]:9000", "127.0.0.1".
net::Endpoint endpoint_of(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const bool has_port = colon != std::string::npos && text.find(']', colon) == std::string::npos &&
                        (text.starts_with('[') || text.find(':') == colon);
  std::uint16_t port = 0;
  bool is_good = true;
  if (has_port) {
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data() + colon + 1, end, port);
    is_good = error == std::errc() && at == end;
  }
  net::Endpoint endpoint;
  if (!is_good || !net::Endpoint::parse(has_port ? text.substr(0, colon) : text, port, endpoint))
    throw core::Error("'" + text + "' is no address to listen on", "--listen",
                      "ADDRESS or ADDRESS:PORT is accepted, port 0 takes free ones");
  return endpoint;
}

void print_addresses(const sim::FaultProxy& proxy, const std::vector<sim::FaultUpstream>& venues,
                     const std::string& ca_file, bool is_json) {
  for (std::size_t i = 0; i < venues.size(); ++i) {
    const std::string& name = venues[i].name;
    const std::string at = proxy.endpoint(i).text();
    if (is_json)
      fmt::print(R"({{"venue":"{0}","websocket":"wss://{1}","rest":"https://{1}","tls_ca":"{2}"}})"
                 "\n",
                 name, at, ca_file);
    else
      fmt::print("--venue-url {0}=wss://{1} --venue-url {0}=https://{1} --tls-ca {2}\n", name, at,
                 ca_file);
  }
  std::fflush(stdout);
}

void print_report_json(const sim::FaultProxy& proxy,
                       const std::vector<sim::FaultUpstream>& venues) {
  std::string text = R"({"venues":[)";
  for (std::size_t i = 0; i < venues.size(); ++i) {
    const sim::FaultTraffic& row = proxy.traffic(i);
    text += fmt::format(
        R"({}{{"venue":"{}","connections":{},"websockets":{},"requests":{},"messages_to_perp":{},)"
        R"("bytes_to_perp":{},"messages_to_venue":{}}})",
        i == 0 ? "" : ",", venues[i].name, row.connections, row.websockets, row.requests,
        row.messages_to_perp, row.bytes_to_perp, row.messages_to_venue);
  }
  text += R"(],"faults":[)";
  bool is_first = true;
  for (std::size_t i = 0; i < venues.size(); ++i)
    for (const sim::FaultKindRow& kind : sim::fault_kinds) {
      const sim::FaultCount& row = proxy.count(i, kind.kind);
      if (row.episodes == 0) continue;
      text += fmt::format(
          R"({}{{"venue":"{}","kind":"{}","episodes":{},"hits":{},"connections":{},"answers":{},)"
          R"("removed":{},"added":{},"doubled":{},"changed":{},"moved":{},"delayed":{}}})",
          std::exchange(is_first, false) ? "" : ",", venues[i].name, kind.name, row.episodes,
          row.hits, row.connections, row.answers, row.removed, row.added, row.doubled, row.changed,
          row.moved, row.delayed);
    }
  fmt::print("{}]}}\n", text);
}

void print_report(const sim::FaultProxy& proxy, const std::vector<sim::FaultUpstream>& venues) {
  Table traffic({"venue", "connections", "websockets", "requests", "messages to perp", "bytes",
                 "messages to venue"});
  Table faults({"venue", "kind", "episodes", "connections", "answers", "removed", "added",
                "doubled", "changed", "moved", "delayed"});
  for (std::size_t i = 0; i < venues.size(); ++i) {
    const sim::FaultTraffic& row = proxy.traffic(i);
    traffic.row({venues[i].name, grouped(row.connections), grouped(row.websockets),
                 grouped(row.requests), grouped(row.messages_to_perp),
                 bytes_text(row.bytes_to_perp), grouped(row.messages_to_venue)});
    for (const sim::FaultKindRow& kind : sim::fault_kinds) {
      const sim::FaultCount& count = proxy.count(i, kind.kind);
      if (count.episodes == 0) continue;
      faults.row({venues[i].name, std::string(kind.name), grouped(count.episodes),
                  grouped(count.connections), grouped(count.answers), grouped(count.removed),
                  grouped(count.added), grouped(count.doubled), grouped(count.changed),
                  grouped(count.moved), grouped(count.delayed)});
    }
  }
  std::fputs(traffic.text().c_str(), stdout);
  if (!faults.empty()) std::fputs(faults.text().c_str(), stdout);
}

void run_faults(const FaultsOptions& options, const Context& context) {
  const std::vector<sim::FaultUpstream> venues = upstreams_of(options.to);
  std::vector<std::string> names;
  names.reserve(venues.size());
  for (const sim::FaultUpstream& venue : venues) names.push_back(venue.name);
  sim::FaultProxyOptions proxy_options{.venues = venues,
                                       .script = sim::FaultScript::read(options.script, names),
                                       .seed = options.seed,
                                       .listen = endpoint_of(options.listen),
                                       .log_file = options.log_file};
  if (options.is_check) {
    fmt::print("{}: {} faults\n", options.script, proxy_options.script.rules.size());
    return;
  }
  if (venues.empty()) throw core::Error("no venue", "--to", "expected NAME=https://HOST:PORT");
  const sim::CertificateFiles files = sim::certificate_files(options.tls_folder);
  const net::TlsContext server_tls = net::TlsContext::server(
      {.certificate_file = files.certificate_file, .key_file = files.key_file});
  const std::string ca_file = options.venue_ca.empty()       ? files.ca_file
                              : options.venue_ca == "system" ? std::string()
                                                             : options.venue_ca;
  const net::TlsContext client_tls = net::TlsContext::client({.ca_file = ca_file});
  proxy_options.server_tls = &server_tls;
  proxy_options.client_tls = &client_tls;

  net::Loop loop({.sockets_max = 4096});
  net::Resolver resolver;
  sim::FaultProxy proxy(loop, resolver, proxy_options);
  print_addresses(proxy, venues, files.ca_file, context.format == "json");
  proxy.start();
  const core::MonoNs begin = core::mono_now();
  const auto length_ns = static_cast<std::int64_t>(options.seconds * 1e9);
  while (!context.stop->load() && (length_ns == 0 || core::mono_now() - begin < length_ns))
    loop.run_once(20 * core::ns_per_ms);
  proxy.stop();
  const core::MonoNs stopped = core::mono_now();
  while (!proxy.is_idle() && core::mono_now() - stopped < stop_ns_max)
    loop.run_once(20 * core::ns_per_ms);
  proxy.flush_log();
  if (context.format == "json")
    print_report_json(proxy, venues);
  else
    print_report(proxy, venues);
}

std::string kinds_help() {
  std::string text = "Kinds:\n";
  for (const sim::FaultKindRow& row : sim::fault_kinds)
    text += fmt::format("  {:<12} {}\n", row.name, row.does);
  return text;
}

}  // namespace

void add_sim_faults(CLI::App& sim, Context& context) {
  auto* command = sim.add_subcommand(
      "faults", "A proxy between perp and venues that does what a script says goes wrong.");
  auto options = std::make_shared<FaultsOptions>();
  command->add_option("script", options->script, "One fault per line: WHEN VENUE KIND [arguments]")
      ->required()
      ->check(CLI::ExistingFile);
  command
      ->add_option("--to", options->to,
                   "NAME=https://HOST:PORT of a venue; wss://... where WebSockets are elsewhere. "
                   "Repeatable")
      ->allow_extra_args(false);
  command
      ->add_option("--listen", options->listen,
                   "ADDRESS[:PORT of the first venue]; port 0 takes free ones")
      ->capture_default_str();
  command
      ->add_option("--tls-folder", options->tls_folder,
                   "ca.pem, server.pem and their keys; made if absent")
      ->capture_default_str();
  command->add_option("--venue-ca", options->venue_ca,
                      "Authorities that venues are trusted by: a PEM file, or `system` for real "
                      "ones (default: ca.pem of the TLS folder)");
  command->add_option("--log", options->log_file,
                      "File of JSON lines: each fault, and each message removed, added or changed");
  command->add_option("--seed", options->seed, "Of chances and random kinds")
      ->capture_default_str();
  command->add_option("--for", options->seconds, "Seconds; 0: until SIGTERM")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("--check", options->is_check, "Only read the script");
  add_format(*command, context, {"table", "json"});
  command->footer(
      kinds_help() +
      "\ndocs/faults.md has the language. What is printed first are the options with "
      "which `perp run`\ngoes through the proxy.\n\n"
      "Example:\n"
      "  perp sim faults examples/faults/storm.faults --to binance=https://127.0.0.1:7001 "
      "\\\n      --log var/faults.jsonl --for 600");
  command->callback([options, &context] { run_faults(*options, context); });
}

}  // namespace perp::app
