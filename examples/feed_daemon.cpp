// One venue, live: its records as JSON lines on standard output, until SIGINT or SIGTERM.
//   feed_daemon VENUE [SYMBOL,SYMBOL...] [wss://HOST:PORT https://HOST:PORT CA.pem]
// The last three point it elsewhere (a simulator, a proxy). The feed's thread fills a ring, this
// one drains it; what a slow reader of our output does not take waits there, then in the socket.
#include <perp/core/worker.hpp>
#include <perp/feed/live_feed.hpp>
#include <perp/market/record_text.hpp>
#include <perp/perp.hpp>

#include <csignal>
#include <cstdio>
#include <exception>
#include <map>
#include <sstream>

using namespace perp;

namespace {
std::atomic<bool> stop{false};
extern "C" void on_signal(int) { stop = true; }

int run(int argc, char** argv) {
  feed::LiveFeedOptions options;
  if (const market::Venue* venue = market::find_venue(std::string_view(argv[1])))
    options.venue = venue->id;
  std::stringstream symbols(argc > 2 ? argv[2] : "");
  for (std::string symbol; std::getline(symbols, symbol, ',');) options.symbols.push_back(symbol);
  if (argc > 5) {
    options.websocket_origin = argv[3];
    options.rest_origin = argv[4];
    options.tls_ca_file = argv[5];
  }
  core::RecordRing ring(std::size_t{16} << 20);
  core::Doorbell room;
  core::IdleStrategy full({.kind = core::IdleKind::park, .park_ns = core::ns_per_ms}, room);
  feed::LiveFeed feed(
      options, ring, [&] { full.prepare(), full.idle(0); },
      [](core::LogLevel, const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); });

  core::Worker worker({.name = "feed", .idle = {.kind = core::IdleKind::spin}});  // the loop waits
  worker.start([&] { return feed.do_work(); });
  core::Doorbell never;
  core::IdleStrategy idle({.kind = core::IdleKind::park, .park_ns = core::ns_per_ms}, never);
  std::map<std::uint32_t, market::Instrument> instruments;
  std::string line;
  for (bool is_last = false; !is_last;) {
    if (stop) feed.request_stop();
    is_last = feed.is_stopped() || worker.has_failed();  // asked before the look: none is missed
    idle.prepare();
    const auto records = ring.peek();
    venue::for_each_record(records, [&](const market::RecordHeader& record) {
      if (record.type == market::RecordType::padding) return;
      if (record.type == market::RecordType::instrument)
        instruments[record.instrument] = market::payload<market::Instrument>(record);
      const auto known = instruments.find(record.instrument);
      line.clear();
      market::append_json(line, record, known == instruments.end() ? nullptr : &known->second);
      std::puts(line.c_str());
    });
    ring.release(records.size());
    if (!records.empty()) room.ring(), is_last = false;
    idle.idle(static_cast<int>(records.size()));
  }
  worker.request_stop();
  worker.join();  // throws what the feed failed of
  return 0;
}
}  // namespace

int main(int argc, char** argv) try {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  if (argc > 1) return run(argc, argv);
  std::fputs("usage: feed_daemon VENUE [SYMBOLS] [WSS_ORIGIN HTTPS_ORIGIN CA_FILE]\n", stderr);
  return 2;
} catch (const std::exception& error) {
  std::fprintf(stderr, "feed_daemon: %s\n", error.what());
  return 1;
}
