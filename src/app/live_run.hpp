#pragma once
// The daemon: one live feed per venue, the engine, the loader, and a supervisor (the calling
// thread) that watches over them, talks to the service manager, takes other venues, symbols and
// streams while it runs, and ends everything in order.
//
// The end, within 5 s of the wish: feeds say good-bye and publish what they hold, the engine drains
// the rings and makes the journal durable with a checkpoint, the loader goes on to the journal's
// end or, when the time is up, is left where its cursor is: the journal has the rest. Nothing that
// a feed took is lost.
#include "app/live_venue.hpp"
#include "app/service_manager.hpp"
#include "app/warehouse_side.hpp"

#include <perp/core/log.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace perp::app {

struct LiveOptions {
  std::vector<LiveVenueOptions> venues{};
  std::size_t ring_bytes = std::size_t{16} << 20;  ///< of each venue
  WarehouseOptions warehouse{};
  std::int64_t status_ns = 10 * core::ns_per_second;  ///< between lines; 0: none
  std::int64_t for_ns = 0;                            ///< ends by itself; 0: never
  std::function<void()> on_ready{};                   ///< once, with the service manager's READY
  std::function<void()> on_minutes{};  ///< once, when the first minutes are stored (or could be)
};

/// What a reload may change while it runs.
struct LiveChange {
  /// All that are to run from now on. Of one that runs already its symbols and kinds are taken.
  std::vector<LiveVenueOptions> venues{};
  std::int64_t status_ns = 0;
  std::optional<warehouse::LoaderOptions> loader{};  ///< only if it differs
};

/// What the supervisor listens to.
struct LiveSignals {
  const std::atomic<bool>* stop = nullptr;
  const std::atomic<std::uint32_t>* hangups = nullptr;  ///< counts them
  /// A hangup came: reads the configuration anew and calls `take` if it is right. What `take`
  /// throws (core::Error) has changed nothing.
  std::function<void(const std::function<void(const LiveChange&)>& take)> reload{};
};

class LiveRun {
 public:
  /// Opens the journal and makes the feeds; connects to nothing yet.
  /// @throws core::Error naming the option or the file
  LiveRun(const LiveOptions& options, core::Logger& log, ServiceManager& manager);

  /// Runs until a stop, the end of its time or a failure.
  /// @throws core::Error what a feed or the engine failed of, after all else was ended in order
  Report run(const LiveSignals& signals);
  /// libpq still waits for a server that does not answer: the process may end, its objects may not.
  bool was_loader_abandoned() const noexcept { return was_loader_abandoned_; }

 private:
  /// A venue, and what was last seen of it.
  struct Supervised {
    LiveVenue live;
    core::RecordRing& ring;
    std::uint64_t messages = 0;  ///< at counted_at_
    std::uint64_t rounds = 0;    ///< at the last sign of life
    bool has_ended() const { return live.has_stopped() && ring.size_guess() == 0; }
  };
  using Venues = std::vector<std::unique_ptr<Supervised>>;

  std::unique_ptr<Supervised> make_venue(const LiveVenueOptions& options);
  void start();
  void watch(const LiveSignals& signals);
  bool should_end(const LiveSignals& signals);
  void look_at_readiness();
  void look_at_minutes();
  void tell_status();
  void tell_alive();
  void reload(const LiveSignals& signals);
  void take(const LiveChange& change);
  void take_venues(const std::vector<LiveVenueOptions>& wanted);
  void bury_ended();
  void end();
  void end_loader(core::MonoNs begin);
  template <class Predicate>
  bool await(core::MonoNs deadline, Predicate&& predicate);
  std::string status_line();

  LiveOptions options_;
  core::Logger& log_;
  ServiceManager& manager_;
  // By venue, of all that ever ran: they outlive the engine, and a venue that comes back writes the
  // ring that it had.
  std::map<market::VenueId, core::RecordRing> rings_;
  WarehouseSide side_;
  Venues venues_;
  Venues ending_;  // not wanted any more
  Report report_;  // of venues that have ended
  core::MonoNs started_{};
  core::MonoNs status_at_{};          // the next line
  core::MonoNs manager_status_at_{};  // the next word to the manager
  core::MonoNs alive_at_{};           // the next sign of life
  core::MonoNs counted_at_{};         // when messages_ was taken
  std::uint64_t engine_rounds_ = 0;   // at the last sign of life
  std::uint32_t hangups_seen_ = 0;
  bool is_ready_ = false;
  bool has_told_minutes_ = false;
  bool was_loader_abandoned_ = false;
};

}  // namespace perp::app
