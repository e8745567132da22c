#pragma once
// One live feed with its ring and its thread. Made, started, asked and ended by the supervising
// thread; the feed's own thread does the rest.
#include "app/warehouse_side.hpp"

#include <perp/core/log.hpp>
#include <perp/core/record_ring.hpp>
#include <perp/core/worker.hpp>
#include <perp/feed/live_feed.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace perp::app {

struct LiveVenueOptions {
  feed::LiveFeedOptions feed{};
  int cpu = -1;
};

class LiveVenue {
 public:
  /// @param ring outlives this and the side's engine. Takes over the ids that the side's journal
  /// knows. @param log one line per event, called from the feed's thread
  /// @throws core::Error naming the option
  LiveVenue(const LiveVenueOptions& options, core::RecordRing& ring, WarehouseSide& side,
            std::function<void(core::LogLevel, const std::string&)> log);

  /// What a former run watched has been missing since: told as holes, candles fetched. Before
  /// start().
  void resume();
  void start();
  market::VenueId id() const noexcept { return options_.venue; }
  /// Takes other symbols and kinds of streams, if they are others.
  void want(const feed::LiveFeedOptions& options);
  /// The feed closes its connections and publishes the rest. Does not wait.
  void request_stop() noexcept;
  bool has_stopped() const noexcept { return feed_.is_stopped() || worker_.has_failed(); }
  bool has_failed() const noexcept { return worker_.has_failed(); }
  /// Joins its thread. @throws what the feed threw
  void join();

  feed::LiveFeedStatus status() const { return feed_.status(); }
  std::uint64_t rounds() const noexcept { return rounds_.load(std::memory_order_relaxed); }
  std::size_t ring_bytes() const noexcept { return ring_.size_guess(); }
  std::string_view name() const noexcept { return name_; }
  /// After join().
  void report(Report& report);

 private:
  void count_round() noexcept {
    rounds_.store(rounds_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  feed::LiveFeedOptions options_;  // as they are now
  core::RecordRing& ring_;
  WarehouseSide& side_;
  std::string name_;
  RoomWait wait_for_room_;
  feed::LiveFeed feed_;
  // Written by the feed's thread only, read by any, relaxed: it lives if the number goes up.
  std::atomic<std::uint64_t> rounds_{0};
  core::Worker worker_;  // ended before what its round touches
};

}  // namespace perp::app
