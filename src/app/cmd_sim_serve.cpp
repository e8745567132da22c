#include "app/cmd_sim.hpp"
#include "app/output.hpp"

#include <perp/core/error.hpp>
#include <perp/core/time.hpp>
#include <perp/feed/recording.hpp>
#include <perp/net/loop.hpp>
#include <perp/net/tls_context.hpp>
#include <perp/sim/certificates.hpp>
#include <perp/sim/record.hpp>
#include <perp/sim/server.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>

namespace perp::app {
namespace {

struct ServeOptions {
  sim::ServerOptions server;
  std::vector<std::string> venues;
  std::string listen = "127.0.0.1";
  std::string tls_folder = "var/tls";
  std::vector<std::string> replay;
  double seconds = 0;
  double lifetime_s = 0;
  double list_every_s = 0;
};

constexpr std::int64_t stop_ns_max = 3 * core::ns_per_second;

void read_venues(const std::vector<std::string>& names, sim::ServerOptions& options) {
  for (const std::string& name : names) {
    if (name == "all") continue;
    const market::Venue* const venue = market::find_venue(std::string_view(name));
    if (venue == nullptr)
      throw core::Error("unknown venue '" + name + "'", "--venues", "see `perp venues`");
    options.venues.push_back(venue->id);
  }
}

/// "127.0.0.1", "127.0.0.1:9000", "[::1]:9000".
void read_listen(const std::string& text, sim::ServerOptions& options) {
  const std::size_t colon = text.rfind(':');
  const bool has_port = colon != std::string::npos && text.find(']', colon) == std::string::npos &&
                        (text.starts_with('[') || text.find(':') == colon);
  options.address = has_port ? text.substr(0, colon) : text;
  if (!has_port) return;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data() + colon + 1, end, options.port);
  if (error != std::errc() || at != end)
    throw core::Error("'" + text + "' is no address to listen on", "--listen",
                      "ADDRESS or ADDRESS:PORT is accepted, port 0 takes free ones");
}

std::int64_t ns_of(double seconds) {
  return static_cast<std::int64_t>(seconds * static_cast<double>(core::ns_per_second));
}

void print_addresses(const sim::Server& server, const std::string& ca_file, bool is_json) {
  for (const sim::Server::Address& address : server.addresses()) {
    const std::string key(market::find_venue(address.venue)->key);
    const std::string at = address.endpoint.text();
    if (is_json)
      std::printf(R"({"venue":"%s","websocket":"wss://%s","rest":"https://%s","tls_ca":"%s"})"
                  "\n",
                  key.c_str(), at.c_str(), at.c_str(), ca_file.c_str());
    else
      std::printf("--venue-url %s=wss://%s --venue-url %s=https://%s --tls-ca %s\n", key.c_str(),
                  at.c_str(), key.c_str(), at.c_str(), ca_file.c_str());
  }
  std::fflush(stdout);
}

void print_report(const sim::ServerReport& report, bool is_json) {
  if (is_json) {
    std::string text = R"({"streams":[)";
    for (const sim::ServedStream& row : report.streams)
      text += fmt::format(R"({}{{"venue":"{}","stream":"{}","made":{},"sent":{},"bytes":{}}})",
                          &row == &report.streams.front() ? "" : ",",
                          market::find_venue(row.venue)->key, row.stream, row.made, row.sent,
                          row.bytes);
    text += R"(],"venues":[)";
    for (const sim::ServedVenue& row : report.venues)
      text += fmt::format(
          R"({}{{"venue":"{}","connections":{},"requests":{},"refusals":{},"cuts":{},"truth_rows":{}}})",
          &row == &report.venues.front() ? "" : ",", market::find_venue(row.venue)->key,
          row.connections, row.requests, row.refusals, row.cuts, row.truth_rows);
    std::printf("%s],\"lateness_ns_max\":%lld}\n", text.c_str(),
                static_cast<long long>(report.lateness_ns_max));
    return;
  }
  Table streams({"venue", "stream", "made", "sent", "bytes sent"});
  for (const sim::ServedStream& row : report.streams)
    if (row.made > 0)
      streams.row({std::string(market::find_venue(row.venue)->key), row.stream, grouped(row.made),
                   grouped(row.sent), bytes_text(row.bytes)});
  std::fputs(streams.text().c_str(), stdout);
  Table venues({"venue", "connections", "requests", "refusals", "cuts", "truth rows"});
  for (const sim::ServedVenue& row : report.venues)
    venues.row({std::string(market::find_venue(row.venue)->key), grouped(row.connections),
                grouped(row.requests), grouped(row.refusals), grouped(row.cuts),
                grouped(row.truth_rows)});
  std::fputs(venues.text().c_str(), stdout);
  std::printf("latest message: %lld ms behind its time\n",
              static_cast<long long>(report.lateness_ns_max / core::ns_per_ms));
}

/// The recordings of each venue, merged by time of receipt.
class Recordings {
 public:
  Recordings(const std::vector<std::string>& paths, sim::ServerOptions& options) {
    std::vector<feed::SkippedFile> skipped;
    for (const feed::RecordingFile& file : feed::find_recordings(paths, {}, skipped)) {
      if (file.form == feed::RecordingForm::journal) continue;
      auto& source = sources_.emplace_back(std::make_unique<Source>(file));
      source->has_message = source->reader.next(source->message);
      if (std::count(options.venues.begin(), options.venues.end(), file.venue) == 0)
        options.venues.push_back(file.venue);
    }
    for (const feed::SkippedFile& file : skipped)
      std::fprintf(stderr, "not served: %s: %s\n", file.path.c_str(), file.why.c_str());
    if (sources_.empty())
      throw core::Error("there is nothing to serve", "--replay",
                        "recordings as docs/recordings.md has them are accepted");
  }

  std::optional<sim::ServedMessage> next(market::VenueId venue) {
    Source* first = nullptr;
    for (const auto& source : sources_)
      if (source->reader.file().venue == venue && source->has_message &&
          (first == nullptr || time_of(*source) < time_of(*first)))
        first = source.get();
    if (first == nullptr) return std::nullopt;
    sim::ServedMessage message{.receive_ns = time_of(*first),
                               .payload = std::string(first->message.payload)};
    if (first->message.is_rest) {
      message.endpoint = first->message.endpoint;
      message.symbol = first->message.symbol;
    }
    first->last_ns = message.receive_ns;
    first->has_message = first->reader.next(first->message);
    return message;
  }

 private:
  struct Source {
    explicit Source(const feed::RecordingFile& file) : reader(file) {}
    feed::RecordingReader reader;
    feed::RecordedMessage message;
    bool has_message = false;
    std::int64_t last_ns = 0;
  };

  // Without a time of receipt: a millisecond behind the one before.
  static std::int64_t time_of(const Source& source) {
    return source.message.receive_ns != core::unknown_ns ? source.message.receive_ns
                                                         : source.last_ns + core::ns_per_ms;
  }

  std::vector<std::unique_ptr<Source>> sources_;
};

void serve(ServeOptions& options, const Context& context) {
  const bool is_json = context.format == "json";
  read_venues(options.venues, options.server);
  read_listen(options.listen, options.server);
  options.server.lifetime_ns = ns_of(options.lifetime_s);
  options.server.list_every_ns = ns_of(options.list_every_s);
  options.server.log = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  std::unique_ptr<Recordings> recordings;
  if (!options.replay.empty()) {
    recordings = std::make_unique<Recordings>(options.replay, options.server);
    options.server.replay = [&recordings](market::VenueId venue) {
      return recordings->next(venue);
    };
  }
  const sim::CertificateFiles files = sim::certificate_files(options.tls_folder);
  options.server.tls = net::TlsContext::server(
      {.certificate_file = files.certificate_file, .key_file = files.key_file});

  net::Loop loop({.sockets_max = 4096});
  sim::Server server(loop, options.server);
  print_addresses(server, files.ca_file, is_json);
  const core::MonoNs begin = core::mono_now();
  const std::int64_t length_ns = ns_of(options.seconds);
  while (!context.stop->load() && (length_ns == 0 || core::mono_now() - begin < length_ns))
    loop.run_once(20 * core::ns_per_ms);
  server.stop();
  const core::MonoNs stopped = core::mono_now();
  while (!server.is_closed() && core::mono_now() - stopped < stop_ns_max)
    loop.run_once(20 * core::ns_per_ms);
  print_report(server.report(), is_json);
}

}  // namespace

void add_sim_serve(CLI::App& sim, Context& context) {
  auto* serve_command = sim.add_subcommand(
      "serve", "Simulated venues as servers: their WebSockets and requests over TLS.");
  auto options = std::make_shared<ServeOptions>();
  serve_command->add_option("--venues,--venue", options->venues, "Which (default: all)")
      ->delimiter(',');
  serve_command->add_option("--symbols", options->server.symbols, "Coins on every venue")
      ->capture_default_str()
      ->check(CLI::Range(1, static_cast<int>(sim::symbol_limit())));
  serve_command
      ->add_option("--rate", options->server.rate,
                   "Messages per second of all venues together; 0: as the market makes them")
      ->capture_default_str();
  serve_command->add_option("--seed", options->server.seed, "Of the market")->capture_default_str();
  serve_command
      ->add_option("--listen", options->listen,
                   "ADDRESS[:PORT of the first venue]; without a port free ones are taken")
      ->capture_default_str();
  serve_command
      ->add_option("--tls-folder", options->tls_folder,
                   "ca.pem, server.pem and their keys; made if absent")
      ->capture_default_str();
  serve_command->add_option("--truth", options->server.truth_folder,
                            "Folder for what was sent, for `perp sim check`");
  serve_command
      ->add_option("--past-days", options->server.past_days,
                   "Days before the start of which requests get candles and statistics")
      ->capture_default_str()
      ->check(CLI::Range(1, 400));
  serve_command->add_option("--truth-days", options->server.truth_days,
                            "Of so many of them --truth tells the candles, too");
  serve_command->add_option("--for", options->seconds, "Seconds; 0: until SIGTERM")
      ->capture_default_str();
  serve_command->add_option("--lifetime", options->lifetime_s,
                            "Seconds until a connection is cut; 0: as the venue does");
  serve_command->add_option("--list-every", options->list_every_s,
                            "Seconds between a listing and a delisting in turn; 0: never");
  serve_command->add_option("--spare", options->server.spare_symbols,
                            "Coins that are not listed at the start");
  serve_command->add_option("--replay", options->replay,
                            "Recordings to serve at their own speed instead of the market");
  serve_command->add_flag("--to-all", options->server.replays_to_all,
                          "Of --replay: to every connection, whatever it subscribed to");
  add_format(*serve_command, context, {"table", "json"});
  serve_command->footer(
      "Each venue has one port for both. What is printed first are the options with which `perp\n"
      "run` goes there.\n\n"
      "Example:\n"
      "  perp sim serve --venues binance --symbols 5 --truth var/truth --for 60");
  serve_command->callback([options, &context] { serve(*options, context); });
}

}  // namespace perp::app
