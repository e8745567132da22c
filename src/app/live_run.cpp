#include "app/live_run.hpp"

#include "app/output.hpp"

#include <perp/core/error.hpp>

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
  options.tell = [&log](const std::string& line) { log.warn("warehouse", line); };
  return options;
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
    side_.add_ring(rings_.emplace_back(options_.ring_bytes));
    venues_.emplace_back(venue, rings_.back(), side_,
                         [&log](const std::string& line) { log.info("feed", line); });
  }
  messages_.resize(venues_.size());
  rounds_.resize(venues_.size() + 1);
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
  Report report;
  report.was_stopped = signals.stop->load();
  report.feed_seconds = side_.seconds();
  end();
  for (LiveVenue& venue : venues_) venue.report(report);
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
  for (LiveVenue& venue : venues_) venue.start();
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
  for (const LiveVenue& venue : venues_)
    if (venue.has_failed()) {
      log_.error("run", "a feed has failed: everything ends", {{"venue", venue.name()}});
      return true;
    }
  if (side_.has_failed()) log_.error("run", "the engine has failed: everything ends");
  return side_.has_failed();
}

void LiveRun::watch(const LiveSignals& signals) {
  while (!should_end(signals)) {
    const core::MonoNs now = core::mono_now();
    if (!is_ready_) look_at_readiness();
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
    const feed::LiveFeedStatus status = venue.status();
    return status.is_live || status.has_instruments;
  });
  if (!are_all_there && core::mono_now() - started_ < ready_ns_max) return;
  is_ready_ = true;
  manager_.ready();
  if (are_all_there)
    log_.info("run", "ready");
  else
    log_.warn("run", "ready, though not every venue has told its instruments");
}

std::string LiveRun::status_line() {
  std::string line;
  const core::MonoNs now = core::mono_now();
  const double seconds = static_cast<double>(std::max<std::int64_t>(now - counted_at_, 1)) / 1e9;
  for (std::size_t i = 0; i < venues_.size(); ++i) {
    const feed::LiveFeedStatus status = venues_[i].status();
    const auto rate = static_cast<double>(status.ring.messages - messages_[i]) / seconds;
    line += fmt::format("{} {} {}/s", venues_[i].name(), state_of(status),
                        grouped(static_cast<std::uint64_t>(rate)));
    if (status.losses > 0) line += fmt::format(" {} losses", status.losses);
    if (status.holes > 0) line += fmt::format(" {} holes", status.holes);
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
      line +=
          fmt::format(", {} behind", bytes_text(gauges.durable - std::min(least, gauges.durable)));
    }
  }
  if (const std::uint64_t failures = side_.loader()->failures(); failures > 0)
    line += fmt::format(", loader begun again {} times", failures);
  return line;
}

void LiveRun::tell_status() {
  log_.info("status", status_line());
  const core::MonoNs now = core::mono_now();
  for (std::size_t i = 0; i < venues_.size(); ++i) messages_[i] = venues_[i].status().ring.messages;
  counted_at_ = now;
  status_at_ = now + options_.status_ns;
}

/// Only while every thread still goes round: a manager that hears nothing restarts the process.
void LiveRun::tell_alive() {
  const core::MonoNs now = core::mono_now();
  if (manager_.watchdog_ns() == 0 || now < alive_at_) return;
  alive_at_ = now + manager_.watchdog_ns() / 4;
  const auto has_ended = [&](std::size_t i) {
    return i < venues_.size() ? venues_[i].has_stopped() : side_.has_engine_ended();
  };
  bool do_all_live = true;
  for (std::size_t i = 0; i < rounds_.size(); ++i) {
    const std::uint64_t rounds = i < venues_.size() ? venues_[i].rounds() : side_.gauges().rounds;
    do_all_live = do_all_live && (rounds != rounds_[i] || has_ended(i));
    rounds_[i] = rounds;
  }
  if (do_all_live) manager_.alive();
}

void LiveRun::reload(const LiveSignals& signals) {
  hangups_seen_ = signals.hangups->load();
  manager_.reloading();
  if (const std::optional<LiveChange> change = signals.reload(); change) {
    options_.status_ns = change->status_ns;
    status_at_ = core::mono_now() + options_.status_ns;
    if (change->loader) {
      WarehouseOptions options = options_.warehouse;
      options.loader = *change->loader;
      side_.change_loader(completed(std::move(options), log_).loader);
    }
  }
  manager_.ready();
}

void LiveRun::end() {
  const core::MonoNs begin = core::mono_now();
  manager_.stopping();
  for (LiveVenue& venue : venues_) venue.request_stop();
  if (!await(begin + feeds_end_ns, [&] {
        return std::all_of(venues_.begin(), venues_.end(),
                           [](const auto& venue) { return venue.has_stopped(); });
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
  for (LiveVenue& venue : venues_) {
    auto feed = [&] { venue.join(); };
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
