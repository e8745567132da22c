// One venue, live, into a journal: what `perp run` does without a database, in one small program.
//   recorder_daemon VENUE FOLDER [wss://HOST:PORT https://HOST:PORT CA.pem]
// `perp journal`, `perp gaps` and `perp replay` read the folder, also meanwhile. A restart goes on
// where it ended, with the same instrument ids.
#include <perp/core/worker.hpp>
#include <perp/engine/engine.hpp>
#include <perp/feed/live_feed.hpp>
#include <perp/perp.hpp>

#include <csignal>
#include <cstdio>
#include <exception>

using namespace perp;

namespace {
std::atomic<bool> stop{false};
extern "C" void on_signal(int) { stop = true; }

int run(int argc, char** argv) {
  feed::LiveFeedOptions options;
  if (const market::Venue* venue = market::find_venue(std::string_view(argv[1])))
    options.venue = venue->id;
  if (argc > 5) {
    options.websocket_origin = argv[3];
    options.rest_origin = argv[4];
    options.tls_ca_file = argv[5];
  }
  core::RecordRing ring(std::size_t{16} << 20);
  engine::EngineOptions engine_options;
  engine_options.journal.folder = argv[2];
  engine::Engine engine(engine_options);  // opens the journal, brings its state up to its end
  engine.add_ring(ring);

  core::Doorbell room;
  core::IdleStrategy full({.kind = core::IdleKind::park, .park_ns = core::ns_per_ms}, room);
  feed::LiveFeed feed(
      options, ring, [&] { full.prepare(), full.idle(0); },
      [](core::LogLevel, const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); });
  engine.writer().for_each_instrument([&](const market::RecordHeader& header) {
    if (header.venue == options.venue)
      feed.state().instruments.restore(header.instrument,
                                       market::payload<market::Instrument>(header));
  });

  core::Worker worker({.name = "feed", .idle = {.kind = core::IdleKind::spin}});  // the loop waits
  worker.start([&] { return feed.do_work(); });
  core::Doorbell never;
  core::IdleStrategy idle({.kind = core::IdleKind::park, .park_ns = core::ns_per_ms}, never);
  while (!feed.is_stopped() && !worker.has_failed()) {
    if (stop) feed.request_stop();
    idle.prepare();
    const int records = engine.do_work();  // drains the ring, journals, folds
    if (records > 0) room.ring();
    idle.idle(records);
  }
  engine.finish();  // the rest, durable, and a checkpoint
  worker.request_stop();
  worker.join();  // throws what the feed failed of
  std::printf("%llu records in %s\n", static_cast<unsigned long long>(engine.counts().records),
              argv[2]);
  return 0;
}
}  // namespace

int main(int argc, char** argv) try {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  if (argc > 2) return run(argc, argv);
  std::fputs("usage: recorder_daemon VENUE FOLDER [WSS_ORIGIN HTTPS_ORIGIN CA_FILE]\n", stderr);
  return 2;
} catch (const std::exception& error) {
  std::fprintf(stderr, "recorder_daemon: %s\n", error.what());
  return 1;
}
