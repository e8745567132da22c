#include "app/venue_report.hpp"
#include "app/warehouse_side.hpp"

#include <perp/app/pipeline.hpp>
#include <perp/core/error.hpp>
#include <perp/core/worker.hpp>
#include <perp/venue/registry.hpp>

#include <stdlib.h>

#include <cerrno>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>

namespace perp::app {
namespace {

/// A folder of this process that goes away with it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "perp-journal-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
      core::throw_system_error("cannot make a temporary journal", name, errno);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;  // nothing depends on it any more, and a destructor has nobody to tell
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// What the feed thread did, once it has ended.
void report_feed(const feed::Replay& replay, const feed::RingWriter& writer, Report& report) {
  for (const auto& state : replay.states())
    if (state != nullptr) report.venues.push_back(report_of(*state));
  report.bad_lines = replay.bad_line_places();
  report.bad_line_count = replay.bad_lines();
  report.errors = writer.refusals();
  report.feed = writer.stats();
  report.lost_at_stop = writer.lost_at_stop();
  report.decode_ns = writer.decode_ns();
}

}  // namespace

Report run_pipeline(const PipelineOptions& options, const std::atomic<bool>& stop,
                    const std::function<void(const Progress&)>& progress) {
  std::optional<TemporaryFolder> temporary;
  if (options.journal_folder.empty()) temporary.emplace();
  const std::string journal_folder = temporary ? temporary->path() : options.journal_folder;

  WarehouseOptions warehouse_options;
  warehouse_options.engine.journal.folder = journal_folder;
  warehouse_options.engine.journal.sync_ms = options.sync_ms;
  warehouse_options.engine_cpu = options.engine_cpu;
  warehouse_options.engine.state = options.state;
  warehouse_options.loader.dsn = options.dsn;
  warehouse_options.loader.program = "perp replay";
  warehouse_options.loader.lanes = options.loader_lanes;
  warehouse_options.loader.fact_tables = options.fact_tables;
  core::RecordRing ring(options.ring_bytes);
  WarehouseSide side(warehouse_options);
  side.add_ring(ring);

  // Declared before the worker: what its loop touches outlives it.
  RoomWait wait_for_room(side);
  std::atomic<bool> is_ending{false};  // a flag alone: nothing is read behind it
  feed::RingWriter writer(
      ring, [&] { wait_for_room(); }, is_ending);
  feed::Replay replay(options.replay, writer);
  // A journal that goes on keeps its ids: the same symbol stays the same number.
  side.engine().writer().for_each_instrument([&](const market::RecordHeader& header) {
    if (venue::find_adapter(header.venue) != nullptr && (header.flags & market::flag_derived) == 0)
      replay.state(header.venue)
          .instruments.restore(header.instrument, market::payload<market::Instrument>(header));
  });

  Report report;
  report.files = replay.file_count();
  report.skipped = replay.skipped();
  report.journal_folder = temporary ? "" : journal_folder;
  core::Worker feed_worker({.name = "perp-feed",
                            .cpu = options.feed_cpu,
                            .idle = {.kind = core::IdleKind::park, .park_ns = core::ns_per_ms}});
  // Progress of the feed's thread, for the line that a person watches; written by it only.
  std::atomic<std::uint64_t> messages_done{0};
  std::atomic<double> fraction_done{0};
  std::atomic<bool> is_feed_done{false};
  side.start();
  feed_worker.start([&] {
    const int work = is_ending.load() ? 0 : replay.do_work(core::mono_now());
    messages_done.store(writer.stats().messages, std::memory_order_relaxed);
    fraction_done.store(replay.fraction_done(), std::memory_order_relaxed);
    if (work > 0) side.wake();
    if (!is_feed_done.load() && (replay.is_done() || is_ending.load())) {
      writer.publish();
      report.feed_seconds = side.seconds();
      is_feed_done.store(true);
      side.feeds_have_ended();
    }
    return work;
  });

  const auto all_ended = [&] {
    return side.has_engine_ended() || feed_worker.has_failed() || side.has_failed();
  };
  std::mutex mutex;
  std::condition_variable pause;  // nobody notifies it: the line is redrawn five times a second
  while (!all_ended()) {
    std::unique_lock lock(mutex);
    pause.wait_for(lock, std::chrono::milliseconds(
                             fraction_done.load(std::memory_order_relaxed) < 1 ? 100 : 5));
    if (stop.load(std::memory_order_relaxed) && !is_ending.load()) {
      report.was_stopped = true;
      is_ending.store(true);
    }
    progress({.fraction = fraction_done.load(std::memory_order_relaxed),
              .messages = messages_done.load(std::memory_order_relaxed),
              .records = side.gauges().records});
  }
  is_ending.store(true);
  feed_worker.request_stop();
  feed_worker.join();
  side.join_engine();
  report_feed(replay, writer, report);
  if (LoaderRunner* loader = side.loader(); loader != nullptr) {
    side.finish_loading();
    loader->join();
  }
  side.report(report);
  report.total_seconds = side.seconds();
  return report;
}

}  // namespace perp::app
