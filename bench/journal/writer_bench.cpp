// The journal beside the disk itself: the same number of bytes through Writer::append (80 to 200
// byte records, CRC, blocks, fdatasync every 50 ms) and as bare 1 MiB pwrites into a preallocated
// file, synced at the same pace or only once at the end. items_per_second counts records, for the
// bare disk the records those bytes would have been. The files go to $PERP_BENCH_FOLDER, else to
// the current folder; a memory file system measures no disk.
#include <perp/core/crc32c.hpp>
#include <perp/core/error.hpp>
#include <perp/core/file.hpp>
#include <perp/core/time.hpp>
#include <perp/core/uring.hpp>
#include <perp/journal/reader.hpp>
#include <perp/journal/writer.hpp>

#include <benchmark/benchmark.h>

#include <fcntl.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace perp::bench {
namespace {

constexpr std::uint64_t total_bytes = 512u << 20;
constexpr std::size_t block_bytes = 1u << 20;
constexpr std::int64_t sync_ns = 50 * core::ns_per_ms;

std::string folder() {
  const char* named = std::getenv("PERP_BENCH_FOLDER");
  return std::string(named == nullptr ? "." : named) + "/perp-journal-bench";
}

/// 80, 104, 144 and 200 bytes in turn: the lengths of bbo, trade, kline-like and wider records.
struct Record {
  market::RecordHeader header;
  std::array<std::uint64_t, 24> payload{};
};

const std::vector<Record>& records() {
  static const std::vector<Record> made = [] {
    std::vector<Record> list(64);
    constexpr std::uint32_t sizes[] = {80, 104, 144, 200};
    constexpr market::RecordType types[] = {market::RecordType::bbo, market::RecordType::trade,
                                            market::RecordType::kline, market::RecordType::ticker};
    std::uint64_t word = 1;
    for (std::size_t i = 0; i < list.size(); ++i) {
      list[i].header.size = sizes[i % 4];
      list[i].header.type = types[i % 4];
      list[i].header.venue = market::VenueId::okx;
      for (auto& value : list[i].payload)
        value = word = word * 6364136223846793005ULL + 1442695040888963407ULL;
      if (types[i % 4] == market::RecordType::trade)
        market::payload<market::Trade>(list[i].header).has_parties = 0;
    }
    return list;
  }();
  return made;
}

constexpr double mean_bytes = (80 + 104 + 144 + 200) / 4.0;

journal::WriterOptions options(journal::IoEngine io) {
  journal::WriterOptions made;
  made.folder = folder();
  made.io = io;
  return made;
}

/// Appends `bytes` of records, polling every 32 as an engine does per batch. @returns how many.
std::uint64_t append_all(journal::Writer& writer, std::uint64_t bytes) {
  std::uint64_t count = 0;
  for (std::uint64_t done = 0; done < bytes;) {
    for (int i = 0; i < 32; ++i) {
      const market::RecordHeader& header = records()[count++ % records().size()].header;
      writer.append(header);
      done += header.size;
    }
    writer.poll(core::mono_now());
  }
  return count;
}

/// A wrong journal is never timed.
bool is_right(journal::IoEngine io) {
  std::filesystem::remove_all(folder());
  journal::Writer writer(options(io));
  const std::uint64_t count = append_all(writer, 8u << 20);
  writer.close();
  journal::Reader reader(folder());
  std::uint64_t read = 0;
  while (reader.next() != nullptr) ++read;
  return read == count && reader.damage_count() == 0;
}

void perp_journal(benchmark::State& state, journal::IoEngine io) {
  if (io == journal::IoEngine::uring && !core::Uring::probe().is_available)
    return state.SkipWithError("io_uring is refused here");
  if (!is_right(io)) return state.SkipWithError("the journal does not read back");
  std::uint64_t count = 0;
  std::uint64_t waits = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::filesystem::remove_all(folder());
    core::sync_directory(std::filesystem::path(folder()).parent_path().string());
    journal::Writer writer(options(io));
    state.ResumeTiming();
    count += append_all(writer, total_bytes);
    writer.sync();
    waits += writer.stats().waits;
    state.PauseTiming();
    writer.close();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(count));
  state.SetBytesProcessed(
      static_cast<std::int64_t>(total_bytes * static_cast<std::uint64_t>(state.iterations())));
  state.counters["waits"] = static_cast<double>(waits);
  std::filesystem::remove_all(folder());
}

void raw_disk(benchmark::State& state, bool is_paced) {
  const std::vector<std::byte> block(block_bytes, std::byte{0x5a});
  const std::string path = folder() + ".raw";
  for (auto _ : state) {
    state.PauseTiming();
    std::filesystem::remove(path);
    const core::File file = core::File::open(path, O_RDWR | O_CREAT);
    if (file.preallocate(total_bytes) != 0)
      return state.SkipWithError("no space for the bare file");
    file.sync();
    state.ResumeTiming();
    std::int64_t last = core::mono_now().ns;
    for (std::uint64_t at = 0; at < total_bytes; at += block_bytes) {
      file.pwrite_all(block, at);
      if (!is_paced || core::mono_now().ns - last < sync_ns) continue;
      last = core::mono_now().ns;
      file.datasync();
    }
    file.datasync();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(static_cast<double>(total_bytes) / mean_bytes) *
                          state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(total_bytes) * state.iterations());
  std::filesystem::remove(path);
}

/// The engine thread's share alone: append() and poll() while the disk keeps up, at a pace it can
/// hold.
void append_latency(benchmark::State& state) {
  std::filesystem::remove_all(folder());
  journal::Writer writer(options(journal::IoEngine::automatic));
  std::uint64_t count = 0;
  for (auto _ : state) {
    writer.append(records()[count++ % records().size()].header);
    if (count % (1u << 20) != 0) continue;
    state.PauseTiming();
    writer.sync();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations());
  std::filesystem::remove_all(folder());
}

void checksum(benchmark::State& state,
              std::uint32_t (*run)(std::span<const std::byte>, std::uint32_t) noexcept) {
  const std::vector<std::byte> data(static_cast<std::size_t>(state.range(0)), std::byte{0x37});
  if (core::detail::crc32c_portable(data, 0) != run(data, 0))
    return state.SkipWithError("the two ways disagree");
  for (auto _ : state) benchmark::DoNotOptimize(run(data, 0));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

[[maybe_unused]] const bool are_added = [] {
  const auto disk = [](const char* name, auto function) {
    benchmark::RegisterBenchmark(name, function)
        ->UseRealTime()
        ->Iterations(3)
        ->Unit(benchmark::kMillisecond);
  };
  disk("journal/append/perp/512MiB",
       [](benchmark::State& s) { perp_journal(s, journal::IoEngine::uring); });
  disk("journal/append/perp_pwrite/512MiB",
       [](benchmark::State& s) { perp_journal(s, journal::IoEngine::pwrite); });
  disk("journal/append/raw_disk_same_pace/512MiB", [](benchmark::State& s) { raw_disk(s, true); });
  disk("journal/append/raw_disk_one_sync/512MiB", [](benchmark::State& s) { raw_disk(s, false); });
  benchmark::RegisterBenchmark("journal/append_call/perp", append_latency);
  for (const std::int64_t bytes : {64, 1024, 16 << 10, 1 << 20}) {
    if (core::has_hardware_crc32c())
      benchmark::RegisterBenchmark("journal/crc32c/perp", checksum, core::detail::crc32c_hardware)
          ->Arg(bytes);
    benchmark::RegisterBenchmark("journal/crc32c/portable", checksum, core::detail::crc32c_portable)
        ->Arg(bytes);
  }
  return true;
}();

}  // namespace
}  // namespace perp::bench
