#pragma once
// Everything behind the feeds' rings: the engine's thread that journals and folds, and the loader
// that follows the journal into the database. Replays and live feeds use it alike. The owner's
// thread calls everything that does not say otherwise; the rings outlive it.
#include "app/loader_runner.hpp"

#include <perp/app/report.hpp>
#include <perp/core/idle.hpp>
#include <perp/core/record_ring.hpp>
#include <perp/core/worker.hpp>
#include <perp/engine/engine.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

namespace perp::app {

struct WarehouseOptions {
  engine::EngineOptions engine{};
  int engine_cpu = -1;
  warehouse::LoaderOptions loader{};  ///< without a dsn nothing is loaded
  /// A full disk and a loader that fails are told and waited for; otherwise they end the run.
  bool is_daemon = false;
  /// One line per thing worth telling; called from the side's threads. May be empty.
  std::function<void(const std::string&)> tell{};
};

/// For status lines: each of some recent moment.
struct WarehouseGauges {
  std::uint64_t rounds = 0;   ///< of the engine's loop: it lives if they go up
  std::uint64_t records = 0;  ///< taken from the rings
  journal::Position end = 0;
  journal::Position durable = 0;
  std::int64_t engine_time_ns = core::unknown_ns;
};

class WarehouseSide {
 public:
  /// Opens the journal and brings the engine's state up to its end. Starts nothing.
  explicit WarehouseSide(const WarehouseOptions& options);

  /// Before start().
  engine::Engine& engine() { return engine_; }
  void start();
  /// Calls `task` on the thread that has the engine: this one before start(), the engine's between
  /// two of its rounds afterwards. Waits for it. @throws core::Error if the engine has failed, and
  /// what the task throws
  void with_engine(const std::function<void(engine::Engine&)>& task);
  void add_ring(core::RecordRing& ring) {
    with_engine([&](engine::Engine& engine) { engine.add_ring(ring); });
  }

  /// A feed has published. @thread any
  void wake() noexcept { worker_.doorbell().ring(); }
  /// Rung when ring space was given back. @thread any
  core::Doorbell& room() noexcept { return room_; }
  /// It will take nothing more. @thread any
  bool has_failed() const noexcept { return worker_.has_failed(); }

  /// The rings hold all that there will be: drained, made durable, then the engine has ended.
  void feeds_have_ended() noexcept {
    feeds_ended_.store(true);
    wake();
  }
  bool has_engine_ended() const noexcept { return engine_ended_.load(); }
  /// Joins the engine's thread. @throws what it threw
  void join_engine();

  LoaderRunner* loader() { return loader_ ? &*loader_ : nullptr; }
  void change_loader(warehouse::LoaderOptions options);
  /// After join_engine(): the loader is to bring everything into the database and end.
  void finish_loading();

  WarehouseGauges gauges() const;  ///< @thread any
  double seconds() const;          ///< since start(). @thread any
  void report(Report& report) const;

 private:
  int round();
  void run_task() noexcept;
  bool is_waiting_for_disk();

  WarehouseOptions options_;
  engine::Engine engine_;
  core::Doorbell room_;
  core::MonoNs started_{};
  core::MonoNs retry_at_{};    // the engine's: the disk is not asked again before
  bool is_disk_full_ = false;  // the engine's
  // Written by the owner, read by the engine's round: asked before the drain, so that what was
  // published before the feeds ended is certainly seen.
  std::atomic<bool> feeds_ended_{false};
  // Written by the engine's thread, read by any; sequentially consistent, and what is behind them
  // is read after the join only.
  std::atomic<bool> engine_ended_{false};
  std::atomic<double> engine_seconds_{0};
  // Gauges: written by the engine's thread only, read by any, relaxed: nothing is read through
  // them.
  std::atomic<std::uint64_t> rounds_{0};
  std::atomic<std::uint64_t> records_{0};
  std::atomic<std::uint64_t> end_{0};
  std::atomic<std::uint64_t> durable_{0};
  std::atomic<std::int64_t> engine_time_ns_{core::unknown_ns};
  std::mutex task_mutex_;
  std::condition_variable task_is_done_;
  const std::function<void(engine::Engine&)>* task_ = nullptr;  // guarded by task_mutex_
  std::exception_ptr task_failure_;                             // guarded by task_mutex_
  // Written by the owner under task_mutex_, read by the engine's round without it: a hint to look,
  // so relaxed.
  std::atomic<bool> has_task_{false};
  bool is_started_ = false;  // the owner's
  core::Worker worker_;      // ended before what its round touches
  std::optional<LoaderRunner> loader_;
};

/// How a feed waits for room in its ring: woken by the engine. For RingWriter's `idle`.
class RoomWait {
 public:
  explicit RoomWait(WarehouseSide& side)
      : idle_({.kind = core::IdleKind::park, .spin_rounds = 2000, .park_ns = core::ns_per_ms},
              side.room()) {}
  /// @thread the feed's
  void operator()() {
    idle_.prepare();
    idle_.idle(0);
  }

 private:
  core::IdleStrategy idle_;
};

}  // namespace perp::app
