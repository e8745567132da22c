// Recorded Binance bytes -> records -> ring -> journal on disk, feed and engine on a core each,
// beside what the disk itself does with sequential writes and fdatasync of as many bytes.
// PERP_CAPTURES_DIR names the recordings; PERP_BENCH_FOLDER the disk (default: the current folder).
// Before timing, the journal's records are counted.
#include "harness/goals.hpp"

#include <perp/core/cpu.hpp>
#include <perp/core/file.hpp>
#include <perp/engine/engine.hpp>
#include <perp/feed/recording.hpp>
#include <perp/feed/ring_writer.hpp>
#include <perp/venue/registry.hpp>

#include <benchmark/benchmark.h>

#include <fcntl.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace perp;
namespace fs = std::filesystem;

/// A recording's messages in memory, padded as a feed's buffer is.
struct Messages {
  std::vector<char> text;
  std::vector<std::pair<std::size_t, std::size_t>> spans;
  std::vector<std::int64_t> receive_ns;
};

const Messages& recorded() {
  static const Messages messages = [] {
    Messages out;
    const char* captures = std::getenv("PERP_CAPTURES_DIR");
    if (captures == nullptr) return out;
    std::vector<feed::SkippedFile> skipped;
    const auto files = feed::find_recordings(
        {std::string(captures) + "/history/binance_um_raw_ws_btcusdt_20240808.txt.gz"}, {},
        skipped);
    feed::RecordingReader reader(files.at(0));
    for (feed::RecordedMessage message; reader.next(message);) {
      if (message.is_rest) continue;
      out.spans.emplace_back(out.text.size(), message.payload.size());
      out.receive_ns.push_back(message.receive_ns);
      out.text.insert(out.text.end(), message.payload.begin(), message.payload.end());
      out.text.resize(out.text.size() + venue::frame_padding, ' ');
    }
    return out;
  }();
  return messages;
}

std::string bench_folder() {
  const char* folder = std::getenv("PERP_BENCH_FOLDER");
  return std::string(folder == nullptr ? "." : folder) + "/perp-pipeline-bench";
}

constexpr int passes = 24;

/// One run over the recording `passes` times. @returns journal bytes.
std::uint64_t run_once(std::uint64_t& messages, std::uint64_t& records) {
  const Messages& input = recorded();
  const std::string folder = bench_folder();
  fs::remove_all(folder);
  engine::EngineOptions options;
  options.journal.folder = folder;
  options.checkpoint_every_ns = 0;
  engine::Engine engine(options);
  core::RecordRing ring(std::size_t{32} << 20);
  engine.add_ring(ring);
  std::atomic<bool> stop{false};
  std::atomic<bool> is_feed_done{false};
  std::uint64_t decoded = 0;
  std::jthread feed([&] {
    if (core::cpu_count() > 1) core::pin_thread(0);
    feed::RingWriter writer(
        ring, [] { __builtin_ia32_pause(); }, stop);
    for (int pass = 0; pass < passes; ++pass) {
      // A state of its own for each pass: the recording's ids begin again.
      venue::VenueState state(venue::binance_adapter());
      for (std::size_t i = 0; i < input.spans.size(); ++i) {
        writer.frame(state,
                     {.payload = {input.text.data() + input.spans[i].first, input.spans[i].second},
                      .receive_ns = input.receive_ns[i]});
        if (i % 64 == 63) writer.publish();
      }
      if (state.decode_errors != 0) std::abort();  // a wrong answer is never timed
    }
    writer.publish();
    decoded = writer.stats().messages;
    is_feed_done.store(true);
  });
  if (core::cpu_count() > 1) core::pin_thread(1);
  for (;;) {
    const bool was_done = is_feed_done.load();
    if (engine.do_work() == 0 && was_done) break;
  }
  engine.finish();
  feed.join();
  messages += decoded;
  records += engine.counts().records;
  const std::uint64_t bytes = engine.writer().stats().bytes;
  fs::remove_all(folder);
  return bytes;
}

void pipeline(benchmark::State& state) {
  if (recorded().spans.empty()) {
    state.SkipWithError("PERP_CAPTURES_DIR is not set: no recording to read");
    return;
  }
  std::uint64_t messages = 0, records = 0, bytes = 0;
  for (auto unused : state) {
    static_cast<void>(unused);
    bytes += run_once(messages, records);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(messages));
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.counters["records"] = static_cast<double>(records);
}
BENCHMARK(pipeline)
    ->Name("engine/recorded_to_journal/perp/binance")
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

/// The disk: bytes in blocks of 1 MiB, fdatasync each 50 ms of them as the journal does.
void disk(benchmark::State& state) {
  const std::string folder = bench_folder();
  fs::create_directories(folder);
  const std::vector<std::byte> block(std::size_t{1} << 20, std::byte{0x5a});
  constexpr std::uint64_t total = std::uint64_t{400} << 20;
  std::uint64_t bytes = 0;
  for (auto unused : state) {
    static_cast<void>(unused);
    core::File file = core::File::open(folder + "/disk", O_RDWR | O_CREAT | O_TRUNC);
    core::MonoNs synced = core::mono_now();
    for (std::uint64_t at = 0; at < total; at += block.size()) {
      file.pwrite_all(block, at);
      if (core::mono_now() - synced > 50 * core::ns_per_ms) {
        file.datasync();
        synced = core::mono_now();
      }
    }
    file.datasync();
    bytes += total;
  }
  fs::remove_all(folder);
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}
BENCHMARK(disk)
    ->Name("engine/recorded_to_journal/disk/binance")
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

// Unless the disk is the bound: 80 % of its own rate is then enough, and it stands beside.
const bool goals = [] {
  perp::bench::rounds("engine/recorded_to_journal/*/binance", 5);
  perp::bench::at_least("engine/recorded_to_journal/*/binance", {}, 2e6);
  return true;
}();

}  // namespace
