#include "app/live_venue.hpp"

#include "app/venue_report.hpp"

#include <perp/core/error.hpp>

#include <utility>

namespace perp::app {

LiveVenue::LiveVenue(const LiveVenueOptions& options, core::RecordRing& ring, WarehouseSide& side,
                     std::function<void(core::LogLevel, const std::string&)> log)
    : options_(options.feed),
      ring_(ring),
      side_(side),
      name_(market::find_venue(options.feed.venue)->key),
      wait_for_room_(side),
      feed_(
          options.feed, ring,
          [this] {
            if (side_.has_failed())
              throw core::Error("there is no room in the ring", name_, "the engine has ended");
            count_round();  // it waits, but it lives
            wait_for_room_();
          },
          std::move(log)),
      // The loop inside does the waiting.
      worker_(
          {.name = "perp-" + name_, .cpu = options.cpu, .idle = {.kind = core::IdleKind::spin}}) {
  // A journal that goes on keeps its ids: the same symbol stays the same number.
  side.with_engine([&](engine::Engine& engine) {
    engine.writer().for_each_instrument([&](const market::RecordHeader& header) {
      // What the engine made up is no contract of the venue.
      if (header.venue == options.feed.venue && (header.flags & market::flag_derived) == 0)
        feed_.state().instruments.restore(header.instrument,
                                          market::payload<market::Instrument>(header));
    });
  });
}

void LiveVenue::resume() {
  side_.with_engine([&](engine::Engine& engine) {
    engine.writer().for_each_instrument([&](const market::RecordHeader& header) {
      if (header.venue != options_.venue) return;
      const core::WallNs watched{engine.state().watched_until_ns(header.instrument)};
      const core::WallNs candles{watched.ns != core::unknown_ns
                                     ? watched.ns
                                     : engine.state().candles_until_ns(header.instrument)};
      if (candles.ns != core::unknown_ns) feed_.resume(header.instrument, watched, candles);
    });
  });
}

void LiveVenue::want(const feed::LiveFeedOptions& options) {
  if (options.symbols == options_.symbols && options.kinds == options_.kinds) return;
  options_.symbols = options.symbols;
  options_.kinds = options.kinds;
  feed_.want(options.symbols, options.kinds);
}

void LiveVenue::start() {
  worker_.start([this] {
    const int events = feed_.do_work();
    count_round();
    if (events > 0) side_.wake();
    if (feed_.is_stopped()) worker_.request_stop();
    return events;
  });
}

void LiveVenue::request_stop() noexcept { feed_.request_stop(); }

void LiveVenue::join() {
  worker_.request_stop();
  feed_.wake();
  worker_.join();
}

void LiveVenue::report(Report& report) {
  report.venues.push_back(report_of(feed_.state()));
  const feed::LiveFeedStatus status = feed_.status();
  report.feed.messages += status.ring.messages;
  report.feed.bytes += status.ring.bytes;
  report.feed.records += status.ring.records;
  report.feed.record_bytes += status.ring.record_bytes;
  report.feed.errors += status.ring.errors;
  report.feed.full_waits += status.ring.full_waits;
  report.feed.conflated += status.ring.conflated;
  report.lost_at_stop += status.lost_at_stop;
  report.decode_ns.merge(feed_.decode_ns());
  report.errors.insert(report.errors.end(), feed_.refusals().begin(), feed_.refusals().end());
  report.live.push_back(status);
}

}  // namespace perp::app
