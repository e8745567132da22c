#include <perp/app/pipeline.hpp>
#include <perp/core/cpu.hpp>
#include <perp/core/error.hpp>
#include <perp/core/idle.hpp>
#include <perp/core/worker.hpp>
#include <perp/engine/engine.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/market/record_kind.hpp>
#include <perp/venue/registry.hpp>

#include <stdlib.h>

#include <cerrno>
#include <condition_variable>
#include <exception>
#include <filesystem>
#include <mutex>
#include <thread>

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

VenueReport report_of(const venue::VenueState& state) {
  VenueReport report;
  report.venue = state.adapter.spec.venue;
  for (std::size_t i = 0; i < state.adapter.message_kinds.size(); ++i)
    if (state.messages[i] != 0)
      report.messages.push_back(
          {std::string(state.adapter.message_kinds[i]), state.messages[i], state.by_shape[i]});
  report.decode_errors = state.decode_errors;
  report.venue_errors = state.venue_errors;
  report.instruments = state.instruments.size();
  report.provisional_instruments = state.provisional_instruments;
  report.other_instrument_messages = state.other_instruments;
  report.duplicates = state.duplicates;
  report.gaps = state.gaps;
  report.checksums_verified = state.checksums_verified;
  report.checksum_mismatches = state.checksum_mismatches;
  return report;
}

/// What the feed thread did, once it has ended.
void report_feed(const feed::Replay& replay, const feed::RingWriter& writer,
                 PipelineReport& report) {
  for (const auto& state : replay.states())
    if (state != nullptr) report.venues.push_back(report_of(*state));
  report.bad_lines = replay.bad_line_places();
  report.bad_line_count = replay.bad_lines();
  report.errors = writer.refusals();
  report.feed = writer.stats();
  report.lost_at_stop = writer.lost_at_stop();
  report.decode_ns = writer.decode_ns();
}

/// What the engine thread did, once it has ended.
void report_engine(const engine::Engine& engine, PipelineReport& report) {
  report.totals = engine.state().totals();
  report.engine_time_ns = engine.state().engine_time_ns();
  report.journal = engine.writer().stats();
  report.batch_ns = engine.ring_ns();
  for (const market::RecordKind& kind : market::record_kinds)
    if (const std::uint64_t count = engine.journalled(kind.type); count != 0)
      report.records.emplace_back(kind.name, count);
  for (const market::SpecRow& row : market::spec_kinds)
    if (const std::uint64_t count =
            report.totals.minutes_closed[static_cast<std::size_t>(row.kind)];
        count != 0)
      report.minutes.emplace_back(row.suffix, count);
}

}  // namespace

PipelineReport run_pipeline(const PipelineOptions& options, const std::atomic<bool>& stop,
                            const std::function<void(const Progress&)>& progress) {
  std::optional<TemporaryFolder> temporary;
  if (options.journal_folder.empty()) temporary.emplace();
  const std::string journal_folder = temporary ? temporary->path() : options.journal_folder;

  engine::EngineOptions engine_options;
  engine_options.journal.folder = journal_folder;
  engine_options.journal.sync_ms = options.sync_ms;
  engine::Engine engine(engine_options);
  core::RecordRing ring(options.ring_bytes);
  engine.add_ring(ring);

  // Declared before what its loop touches is gone: destroyed (stopped and joined) first of all.
  core::Doorbell room;  // rung by the engine when it has given ring space back
  core::IdleStrategy full(
      {.kind = core::IdleKind::park, .spin_rounds = 2000, .park_ns = core::ns_per_ms}, room);
  std::atomic<bool> is_ending{false};  // a flag alone: nothing is read behind it
  feed::RingWriter writer(
      ring,
      [&] {
        full.prepare();
        full.idle(0);
      },
      is_ending);
  feed::Replay replay(options.replay, writer);
  // A journal that goes on keeps its ids: the same symbol stays the same number.
  engine.writer().for_each_instrument([&](const market::RecordHeader& header) {
    if (venue::find_adapter(header.venue) != nullptr)
      replay.state(header.venue)
          .instruments.restore(header.instrument, market::payload<market::Instrument>(header));
  });
  std::optional<warehouse::Loader> loader;
  if (!options.dsn.empty())
    loader.emplace(warehouse::LoaderOptions{
        .dsn = options.dsn, .journal_folder = journal_folder, .lanes = options.loader_lanes});

  PipelineReport report;
  report.files = replay.file_count();
  report.skipped = replay.skipped();
  report.journal_folder = temporary ? "" : journal_folder;
  const core::MonoNs started = core::mono_now();
  const auto seconds = [&] { return static_cast<double>(core::mono_now() - started) / 1e9; };

  core::Worker feed_worker({.name = "perp-feed",
                            .cpu = options.feed_cpu,
                            .idle = {.kind = core::IdleKind::park, .park_ns = core::ns_per_ms}});
  core::Worker engine_worker(
      {.name = "perp-engine",
       .cpu = options.engine_cpu,
       .idle = {.kind = core::IdleKind::park, .park_ns = 10 * core::ns_per_ms}});
  // Progress of the two threads, for the line that a person watches; each written by its own thread
  // only.
  std::atomic<std::uint64_t> messages_done{0};
  std::atomic<std::uint64_t> records_done{0};
  std::atomic<double> fraction_done{0};
  std::atomic<bool> is_feed_done{false};
  std::atomic<bool> is_engine_done{false};
  feed_worker.start([&] {
    const int work = is_ending.load() ? 0 : replay.do_work(core::mono_now());
    messages_done.store(writer.stats().messages, std::memory_order_relaxed);
    fraction_done.store(replay.fraction_done(), std::memory_order_relaxed);
    if (work > 0) engine_worker.doorbell().ring();
    if (!is_feed_done.load() && (replay.is_done() || is_ending.load())) {
      writer.publish();
      report.feed_seconds = seconds();
      is_feed_done.store(true);
      engine_worker.doorbell().ring();
    }
    return work;
  });
  engine_worker.start([&] {
    // Asked before the drain: what was published before the feed ended is then certainly seen.
    const bool was_feed_done = is_feed_done.load();
    const int work = engine.do_work();
    records_done.fetch_add(static_cast<std::uint64_t>(work), std::memory_order_relaxed);
    if (work > 0) room.ring();
    if (work == 0 && was_feed_done && !is_engine_done.load()) {
      engine.finish();
      report.engine_seconds = seconds();
      is_engine_done.store(true);
      is_engine_done.notify_all();
    }
    return work;
  });

  std::atomic<bool> stop_following{false};
  std::atomic<bool> stop_loading{false};
  std::exception_ptr loader_failure;
  std::jthread loader_thread;
  if (loader)
    loader_thread = std::jthread([&] {
      core::set_thread_name("perp-loader");
      // The loader's outermost loop: what it throws is thrown again by the caller's thread below.
      try {
        report.load = loader->follow(stop_following);
        // Everything is durable by now: the rest, to the very end.
        if (!stop_loading.load())
          report.load->add(loader->run(engine.writer().durable(), stop_loading));
      } catch (...) {
        loader_failure = std::current_exception();
      }
    });

  const auto all_ended = [&] {
    return is_engine_done.load() || feed_worker.has_failed() || engine_worker.has_failed();
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
              .records = records_done.load(std::memory_order_relaxed)});
  }
  is_ending.store(true);
  feed_worker.request_stop();
  engine_worker.request_stop();
  const bool has_failed = feed_worker.has_failed() || engine_worker.has_failed();
  if (has_failed) {
    stop_loading.store(true);
    stop_following.store(true);
  }
  feed_worker.join();
  engine_worker.join();
  report_feed(replay, writer, report);
  report_engine(engine, report);
  if (loader_thread.joinable()) {
    stop_following.store(true);
    loader_thread.join();
    if (loader_failure != nullptr) std::rethrow_exception(loader_failure);
  }
  report.total_seconds = seconds();
  return report;
}

}  // namespace perp::app
