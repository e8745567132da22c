#include "app/live_run.hpp"

#include "app/output.hpp"

#include <perp/core/error.hpp>
#include <perp/market/record_kind.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace perp::app {
namespace {

constexpr auto look_interval = std::chrono::milliseconds(20);
constexpr std::int64_t manager_status_ns = 5 * core::ns_per_second;
/// A venue that cannot be reached must not keep a manager from seeing the others run.
constexpr std::int64_t ready_ns_max = 60 * core::ns_per_second;
// The end's budget of 5 s.
constexpr std::int64_t feeds_end_ns = 2500 * core::ns_per_ms;
constexpr std::int64_t loader_end_ns = 3500 * core::ns_per_ms;
constexpr std::int64_t loader_left_ns = 4700 * core::ns_per_ms;

WarehouseOptions completed(WarehouseOptions options, core::Logger& log) {
  options.is_daemon = true;
  options.loader.stop_grace_ms = 1000;
  options.loader.on_event = [&log](const std::string& line) { log.warn("loader", line); };
  options.loader.on_done = [&log](const std::string& line) { log.info("loader", line); };
  options.tell = [&log](const std::string& line) { log.warn("warehouse", line); };
  return options;
}

/// Of the last window, of trades or of what the venue sends most of: from the venue's time to us,
/// and from there to the engine's ring. p50/p99.
std::string latency_of(const feed::LiveFeedStatus& status) {
  const feed::LatencyStatus* to_us = nullptr;
  for (const feed::LatencyStatus& one : status.recent)
    if (one.span == feed::LatencySpan::match_to_receive &&
        (to_us == nullptr || one.type == market::RecordType::trade ||
         (to_us->type != market::RecordType::trade && one.count > to_us->count)))
      to_us = &one;
  if (to_us == nullptr) return {};
  const auto both = [](const feed::LatencyStatus& one) {
    return fmt::format("{}/{}", duration_text(static_cast<double>(one.p50_ns)),
                       duration_text(static_cast<double>(one.p99_ns)));
  };
  std::string made = fmt::format(" {} {}", market::name_of(to_us->type), both(*to_us));
  for (const feed::LatencyStatus& one : status.recent)
    if (one.type == to_us->type && one.span == feed::LatencySpan::receive_to_published)
      made += fmt::format(", {} to the ring", both(one));
  return made;
}

std::string state_of(const feed::LiveFeedStatus& status) {
  if (status.is_live) return "live";
  if (!status.has_instruments) return "asking for instruments";
  const auto live = std::count_if(status.connections.begin(), status.connections.end(),
                                  [](const auto& one) { return one.state == "live"; });
  return fmt::format("{} of {} connections live", live, status.connections.size());
}

}  // namespace

LiveRun::LiveRun(const LiveOptions& options, core::Logger& log, ServiceManager& manager)
    : options_(options), log_(log), manager_(manager), side_(completed(options.warehouse, log)) {
  const engine::Start& found = side_.engine().start();
  if (const std::string text = side_.engine().writer().recovery().text(); !text.empty())
    log_.info("journal", text);
  for (const std::string& refused : found.refused) log_.warn("engine", refused);
  log_.info("engine", "state restored",
            {{"checkpoint", found.checkpoint.empty() ? "none" : found.checkpoint},
             {"replayed", found.replayed},
             {"journal_end", side_.engine().writer().end()}});
  for (const LiveVenueOptions& venue : options_.venues) {
    venues_.push_back(make_venue(venue));
    venues_.back()->live.resume();
  }
}

std::unique_ptr<LiveRun::Supervised> LiveRun::make_venue(const LiveVenueOptions& options) {
  const auto [found, is_new] = rings_.try_emplace(options.feed.venue, options_.ring_bytes);
  if (is_new) side_.add_ring(found->second);
  core::Logger& log = log_;
  return std::unique_ptr<Supervised>(
      new Supervised{.live = LiveVenue(options, found->second, side_,
                                       [&log](core::LogLevel level, const std::string& line) {
                                         log.write(level, "feed", line);
                                       }),
                     .ring = found->second});
}

template <class Predicate>
bool LiveRun::await(core::MonoNs deadline, Predicate&& predicate) {
  while (!predicate()) {
    if (core::mono_now() >= deadline) return false;
    tell_alive();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

Report LiveRun::run(const LiveSignals& signals) {
  start();
  watch(signals);
  const bool was_stopped = signals.stop->load();
  const double feed_seconds = side_.seconds();
  end();
  Report report = std::move(report_);
  report.was_stopped = was_stopped;
  report.feed_seconds = feed_seconds;
  for (const auto& venue : venues_) venue->live.report(report);
  side_.report(report);
  report.journal_folder = options_.warehouse.engine.journal.folder;
  report.total_seconds = side_.seconds();
  return report;
}

void LiveRun::start() {
  started_ = counted_at_ = core::mono_now();
  status_at_ = started_ + options_.status_ns;
  manager_.status("starting");
  side_.start();
  for (const auto& venue : venues_) venue->live.start();
}

bool LiveRun::should_end(const LiveSignals& signals) {
  if (signals.stop->load()) {
    log_.info("run", "a signal asks for the end");
    return true;
  }
  if (options_.for_ns > 0 && core::mono_now() - started_ >= options_.for_ns) {
    log_.info("run", "the time is over");
    return true;
  }
  for (const Venues* venues : {&venues_, &ending_})
    for (const auto& venue : *venues)
      if (venue->live.has_failed()) {
        log_.error("run", "a feed has failed: everything ends", {{"venue", venue->live.name()}});
        return true;
      }
  if (side_.has_failed()) log_.error("run", "the engine has failed: everything ends");
  return side_.has_failed();
}

void LiveRun::watch(const LiveSignals& signals) {
  while (!should_end(signals)) {
    const core::MonoNs now = core::mono_now();
    if (!is_ready_)
      look_at_readiness();
    else if (!has_told_minutes_ && options_.on_minutes)
      look_at_minutes();
    if (!ending_.empty()) bury_ended();
    if (signals.hangups != nullptr && signals.hangups->load() != hangups_seen_) reload(signals);
    if (options_.status_ns > 0 && now >= status_at_) tell_status();
    if (manager_.is_there() && now >= manager_status_at_) {
      manager_.status(status_line());
      manager_status_at_ = now + manager_status_ns;
    }
    tell_alive();
    std::this_thread::sleep_for(look_interval);
  }
}

void LiveRun::look_at_readiness() {
  const bool are_all_there = std::all_of(venues_.begin(), venues_.end(), [](const auto& venue) {
    const feed::LiveFeedStatus status = venue->live.status();
    return status.is_live || status.has_instruments;
  });
  if (!are_all_there && core::mono_now() - started_ < ready_ns_max) return;
  is_ready_ = true;
  manager_.ready();
  if (options_.on_ready) options_.on_ready();
  if (are_all_there)
    log_.info("run", "ready");
  else
    log_.warn("run", "ready, though not every venue has told its instruments");
}

void LiveRun::look_at_minutes() {
  const auto load = side_.loader()->report();
  const bool is_loading = !options_.warehouse.loader.dsn.empty();
  if (is_loading && (!load || load->rows_metrics == 0)) return;
  has_told_minutes_ = true;
  options_.on_minutes();
}

std::string LiveRun::status_line() {
  std::string line;
  const core::MonoNs now = core::mono_now();
  const double seconds = static_cast<double>(std::max<std::int64_t>(now - counted_at_, 1)) / 1e9;
  for (const auto& venue : venues_) {
    const feed::LiveFeedStatus status = venue->live.status();
    const auto rate = static_cast<double>(status.ring.messages - venue->messages) / seconds;
    line += fmt::format("{} {} {}/s", venue->live.name(), state_of(status),
                        grouped(static_cast<std::uint64_t>(rate)));
    line += latency_of(status);
    if (status.losses > 0) line += fmt::format(" {} losses", status.losses);
    if (status.holes > 0) line += fmt::format(" {} holes", status.holes);
    if (status.ring.conflated > 0) line += fmt::format(" {} conflated", status.ring.conflated);
    line += "; ";
  }
  const WarehouseGauges gauges = side_.gauges();
  line += gauges.engine_time_ns == core::unknown_ns
              ? "lag unknown"
              : "lag " +
                    duration_text(static_cast<double>(core::wall_now().ns - gauges.engine_time_ns));
  line += fmt::format("; journal at {}, {} not yet durable", gauges.end,
                      bytes_text(gauges.end - std::min(gauges.durable, gauges.end)));
  if (const auto load = side_.loader()->report()) {
    line += fmt::format("; {} rows loaded",
                        grouped(load->rows_data + load->rows_metrics + load->rows_facts));
    if (!load->cursors.empty()) {
      const journal::Position least = *std::min_element(load->cursors.begin(), load->cursors.end());
      line += fmt::format(", {}", bytes_text(gauges.durable - std::min(least, gauges.durable)));
      if (load->loaded_ns != core::unknown_ns)
        line += fmt::format(
            " and {}", duration_text(static_cast<double>(core::wall_now().ns - load->loaded_ns)));
      line += " behind";
    }
  }
  if (const std::uint64_t failures = side_.loader()->failures(); failures > 0)
    line += fmt::format(", loader begun again {} times", failures);
  return line;
}

void LiveRun::tell_status() {
  log_.info("status", status_line());
  const core::MonoNs now = core::mono_now();
  for (const auto& venue : venues_) venue->messages = venue->live.status().ring.messages;
  counted_at_ = now;
  status_at_ = now + options_.status_ns;
}

/// Only while every thread still goes round: a manager that hears nothing restarts the process.
void LiveRun::tell_alive() {
  const core::MonoNs now = core::mono_now();
  if (manager_.watchdog_ns() == 0 || now < alive_at_) return;
  alive_at_ = now + manager_.watchdog_ns() / 4;
  const WarehouseGauges gauges = side_.gauges();
  bool do_all_live = gauges.rounds != engine_rounds_ || side_.has_engine_ended();
  engine_rounds_ = gauges.rounds;
  for (const Venues* venues : {&venues_, &ending_})
    for (const auto& venue : *venues) {
      const std::uint64_t rounds = venue->live.rounds();
      do_all_live = do_all_live && (rounds != venue->rounds || venue->live.has_stopped());
      venue->rounds = rounds;
    }
  if (do_all_live) manager_.alive();
}

void LiveRun::reload(const LiveSignals& signals) {
  hangups_seen_ = signals.hangups->load();
  manager_.reloading();
  signals.reload([this](const LiveChange& change) { take(change); });
  manager_.ready();
}

void LiveRun::take(const LiveChange& change) {
  take_venues(change.venues);  // what can fail comes first
  options_.status_ns = change.status_ns;
  status_at_ = core::mono_now() + options_.status_ns;
  if (!change.loader) return;
  WarehouseOptions options = options_.warehouse;
  options.loader = *change.loader;
  side_.change_loader(completed(std::move(options), log_).loader);
}

/// Either all of it or nothing: what is new runs before anything else is touched.
void LiveRun::take_venues(const std::vector<LiveVenueOptions>& wanted) {
  bury_ended();
  const auto is_of = [](market::VenueId id) {
    return [id](const auto& venue) { return venue->live.id() == id; };
  };
  Venues fresh;
  for (const LiveVenueOptions& options : wanted) {
    const auto is_it = is_of(options.feed.venue);
    if (std::any_of(venues_.begin(), venues_.end(), is_it)) continue;
    if (std::any_of(ending_.begin(), ending_.end(), is_it))
      throw core::Error("this venue has not ended yet",
                        std::string(market::find_venue(options.feed.venue)->key),
                        "try again when it has");
    fresh.push_back(make_venue(options));
  }
  for (const auto& venue : fresh) venue->live.start();
  // A thread that cannot be had, or not on its CPU, fails before its first round.
  for (const auto& venue : fresh) {
    await(core::mono_now() + feeds_end_ns,
          [&] { return venue->live.rounds() > 0 || venue->live.has_failed(); });
    if (venue->live.has_failed()) venue->live.join();
  }
  for (auto& venue : venues_) {
    const auto still = std::find_if(wanted.begin(), wanted.end(), [&](const auto& options) {
      return options.feed.venue == venue->live.id();
    });
    if (still != wanted.end()) {
      venue->live.want(still->feed);
      continue;
    }
    log_.info("run", "a venue is not wanted any more", {{"venue", venue->live.name()}});
    venue->live.request_stop();
    ending_.push_back(std::move(venue));
  }
  std::erase(venues_, nullptr);
  for (auto& venue : fresh) {
    log_.info("run", "a venue is new", {{"venue", venue->live.name()}});
    venues_.push_back(std::move(venue));
  }
  // Its last records are in the journal when this is over, unless something is in the way.
  await(core::mono_now() + feeds_end_ns, [this] {
    return std::all_of(ending_.begin(), ending_.end(),
                       [](const auto& venue) { return venue->has_ended(); });
  });
  bury_ended();
}

void LiveRun::bury_ended() {
  for (auto& venue : ending_) {
    if (!venue->has_ended() || venue->live.has_failed()) continue;
    venue->live.join();
    venue->live.report(report_);
    log_.info("run", "a venue has ended", {{"venue", venue->live.name()}});
    venue.reset();
  }
  std::erase(ending_, nullptr);
}

void LiveRun::end() {
  const core::MonoNs begin = core::mono_now();
  manager_.stopping();
  for (auto& venue : ending_) venues_.push_back(std::move(venue));
  ending_.clear();
  for (const auto& venue : venues_) venue->live.request_stop();
  if (!await(begin + feeds_end_ns, [&] {
        return std::all_of(venues_.begin(), venues_.end(),
                           [](const auto& venue) { return venue->live.has_stopped(); });
      }))
    log_.warn("run", "not every feed has ended in time");
  std::exception_ptr failure;
  const auto join = [&](auto& what) {
    try {
      what();
    } catch (...) {  // thrown again below, when all else has ended in order
      if (failure == nullptr) failure = std::current_exception();
    }
  };
  // The engine's failure is told first: a feed without room fails because of it.
  if (side_.has_failed()) {
    auto engine = [&] { side_.join_engine(); };
    join(engine);
  }
  for (const auto& venue : venues_) {
    auto feed = [&] { venue->live.join(); };
    join(feed);
  }
  side_.feeds_have_ended();
  // Not bounded: what is not durable would be lost. A disk that takes long is told.
  if (!await(begin + loader_end_ns,
             [&] { return side_.has_engine_ended() || side_.has_failed(); })) {
    log_.warn("run", "the disk is slow: the end waits for the journal");
    while (!side_.has_engine_ended() && !side_.has_failed()) {
      tell_alive();
      std::this_thread::sleep_for(look_interval);
    }
  }
  auto engine = [&] { side_.join_engine(); };
  join(engine);
  end_loader(begin);
  if (failure != nullptr) std::rethrow_exception(failure);
}

void LiveRun::end_loader(core::MonoNs begin) {
  LoaderRunner& loader = *side_.loader();
  if (side_.has_engine_ended())
    side_.finish_loading();
  else
    loader.stop();
  if (!await(begin + loader_end_ns, [&] { return loader.has_ended(); })) {
    log_.warn("loader", "the time is up: what is not in the database yet stays in the journal");
    loader.stop();
    await(begin + loader_left_ns, [&] { return loader.has_ended(); });
  }
  if (loader.has_ended()) {
    loader.join();
    return;
  }
  log_.warn("loader", "the server does not answer: its connection is left alone");
  loader.abandon();
  was_loader_abandoned_ = true;
}

}  // namespace perp::app
