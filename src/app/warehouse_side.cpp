#include "app/warehouse_side.hpp"

#include <perp/core/error.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/market/record_kind.hpp>

#include <fmt/format.h>

#include <chrono>
#include <utility>

namespace perp::app {
namespace {

constexpr std::int64_t disk_retry_ns = 200 * core::ns_per_ms;

void set(std::atomic<std::uint64_t>& gauge, std::uint64_t value) {
  gauge.store(value, std::memory_order_relaxed);
}

}  // namespace

WarehouseSide::WarehouseSide(const WarehouseOptions& options)
    : options_(options),
      engine_(options.engine),
      worker_({.name = "perp-engine",
               .cpu = options.engine_cpu,
               .idle = {.kind = core::IdleKind::park, .park_ns = 10 * core::ns_per_ms}}) {
  if (!options_.tell) options_.tell = [](const std::string&) {};
  options_.loader.journal_folder = options_.engine.journal.folder;
}

void WarehouseSide::start() {
  started_ = core::mono_now();
  is_started_ = true;
  worker_.start([this] { return round(); });
  // A daemon may be given a database later.
  if (!options_.loader.dsn.empty() || options_.is_daemon)
    loader_.emplace(options_.loader, options_.is_daemon, options_.tell);
}

void WarehouseSide::with_engine(const std::function<void(engine::Engine&)>& task) {
  if (!is_started_) return task(engine_);
  std::unique_lock lock(task_mutex_);
  task_ = &task;
  task_failure_ = nullptr;
  has_task_.store(true, std::memory_order_relaxed);
  wake();
  // Looked at now and then: an engine that fails tells nobody.
  while (!task_is_done_.wait_for(lock, std::chrono::milliseconds(10),
                                 [this] { return task_ == nullptr; }))
    if (has_failed()) {
      task_ = nullptr;
      throw core::Error("nothing can be taken in", "the engine", "it has ended");
    }
  if (task_failure_ != nullptr) std::rethrow_exception(std::exchange(task_failure_, nullptr));
}

void WarehouseSide::run_task() noexcept {
  const std::lock_guard lock(task_mutex_);
  has_task_.store(false, std::memory_order_relaxed);
  if (task_ == nullptr) return;
  try {
    (*task_)(engine_);
  } catch (...) {  // the owner's: it waits for it
    task_failure_ = std::current_exception();
  }
  task_ = nullptr;
  task_is_done_.notify_all();
}

double WarehouseSide::seconds() const {
  return static_cast<double>(core::mono_now() - started_) / 1e9;
}

int WarehouseSide::round() {
  set(rounds_, rounds_.load(std::memory_order_relaxed) + 1);
  // Asked before the drain: what was published before the feeds ended is then certainly seen.
  const bool were_feeds_done = feeds_ended_.load();
  if (has_task_.load(std::memory_order_relaxed)) run_task();
  if (is_waiting_for_disk()) return 0;
  int work = 0;
  try {
    work = engine_.do_work();
    if (work == 0 && were_feeds_done && !engine_ended_.load()) {
      engine_.finish();
      engine_seconds_.store(seconds());
      engine_ended_.store(true);
    }
    if (std::exchange(is_disk_full_, false)) options_.tell("the journal goes on");
  } catch (const core::Error& error) {
    // A writer that has stopped will never go on; a disk without room may, and until then the
    // rings and behind them the venues' sockets wait.
    if (!options_.is_daemon || engine_.writer().has_stopped()) throw;
    if (!std::exchange(is_disk_full_, true))
      options_.tell(fmt::format("the journal waits: {}", error.what()));
    retry_at_ = core::mono_now() + disk_retry_ns;
  }
  if (work > 0) {
    set(records_, records_.load(std::memory_order_relaxed) + static_cast<std::uint64_t>(work));
    room_.ring();
  }
  set(end_, engine_.writer().end());
  set(durable_, engine_.writer().durable());
  engine_time_ns_.store(engine_.state().engine_time_ns(), std::memory_order_relaxed);
  return work;
}

bool WarehouseSide::is_waiting_for_disk() { return is_disk_full_ && core::mono_now() < retry_at_; }

void WarehouseSide::join_engine() {
  worker_.request_stop();
  worker_.join();
}

void WarehouseSide::change_loader(warehouse::LoaderOptions options) {
  options.journal_folder = options_.engine.journal.folder;
  options_.loader = options;
  if (loader_) loader_->change(std::move(options));
}

void WarehouseSide::finish_loading() {
  if (loader_) loader_->finish(engine_.writer().durable());
}

WarehouseGauges WarehouseSide::gauges() const {
  return {.rounds = rounds_.load(std::memory_order_relaxed),
          .records = records_.load(std::memory_order_relaxed),
          .end = end_.load(std::memory_order_relaxed),
          .durable = durable_.load(std::memory_order_relaxed),
          .engine_time_ns = engine_time_ns_.load(std::memory_order_relaxed)};
}

void WarehouseSide::report(Report& report) const {
  report.engine_seconds = engine_seconds_.load();
  report.totals = engine_.state().totals();
  report.engine_time_ns = engine_.state().engine_time_ns();
  report.journal = engine_.writer().stats();
  report.batch_ns = engine_.ring_ns();
  for (const market::RecordKind& kind : market::record_kinds)
    if (const std::uint64_t count = engine_.journalled(kind.type); count != 0)
      report.records.emplace_back(kind.name, count);
  for (const market::SpecRow& row : market::spec_kinds)
    if (const std::uint64_t count =
            report.totals.minutes_closed[static_cast<std::size_t>(row.kind)];
        count != 0)
      report.minutes.emplace_back(row.suffix, count);
  if (loader_) report.load = loader_->report();
}

}  // namespace perp::app
