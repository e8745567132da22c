// The bytes are a segment file found on disk. Reading and recovery must neither crash, hang nor
// hand out a record that is not well-formed; what recovery leaves must open again and read the
// same. PERP_FUZZ_SEEDS=folder writes the seed corpus there and ends.
#include <perp/core/crc32c.hpp>
#include <perp/core/error.hpp>
#include <perp/journal/reader.hpp>
#include <perp/journal/tools.hpp>
#include <perp/journal/writer.hpp>
#include <perp/market/record_text.hpp>

#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

namespace {

namespace journal = perp::journal;
namespace market = perp::market;

const std::string& folder() {
  // Never destroyed: the handler that removes the folder runs after static objects are gone.
  static const std::string& path = *[] {
    auto* pattern = new std::string(
        std::string(std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp") +
        "/perp-fuzz-XXXXXX");
    if (::mkdtemp(pattern->data()) == nullptr) std::abort();
    return pattern;
  }();
  return path;
}

void clear() {
  for (const auto& entry : std::filesystem::directory_iterator(folder()))
    std::filesystem::remove(entry.path());
}

journal::WriterOptions options(const std::string& path) {
  journal::WriterOptions small;
  small.folder = path;
  small.segment_bytes = 64 << 10;
  small.block_bytes = 8 << 10;
  small.block_count = 2;
  small.io = journal::IoEngine::pwrite;
  small.journal_id = 1;
  small.wall_clock = []() noexcept { return perp::core::WallNs{1'700'000'000'000'000'000}; };
  return small;
}

/// Positions and kinds of all that can be read.
std::vector<std::uint64_t> read_all() {
  std::vector<std::uint64_t> seen;
  journal::Reader reader(folder());
  while (const market::RecordHeader* record = reader.next()) {
    if (!market::is_well_formed({reinterpret_cast<const std::byte*>(record), record->size}))
      std::abort();
    if (!seen.empty() && reader.position() <= seen[seen.size() - 2]) std::abort();
    if (market::to_json(*record, reader.find_instrument(record->instrument)).empty()) std::abort();
    seen.push_back(reader.position());
    seen.push_back(static_cast<std::uint64_t>(record->type));
  }
  return seen;
}

void write_seeds(const std::string& target) {
  for (std::uint32_t seed = 0; seed < 4; ++seed) {
    clear();
    {
      journal::Writer writer(options(folder()));
      for (std::uint32_t i = 0; i < 6 * seed; ++i) {
        const market::RecordKind& kind =
            market::record_kinds[(i + seed) % market::record_kinds.size()];
        std::vector<std::uint64_t> words((sizeof(market::RecordHeader) + kind.payload_bytes) / 8);
        auto& header = *reinterpret_cast<market::RecordHeader*>(words.data());
        header = {};
        header.size = static_cast<std::uint32_t>(words.size() * 8);
        header.type = kind.type;
        header.venue = market::VenueId::binance;
        header.instrument = 0x01000000 + i % 3;
        writer.append(header);
        if (i % 5 == 4) writer.sync();
      }
      writer.close();
    }
    std::filesystem::copy(folder() + "/" + journal::segment_name(0),
                          target + "/segment_" + std::to_string(seed),
                          std::filesystem::copy_options::overwrite_existing);
  }
}

/// Makes the checksums fit again, so that mutations reach what lies behind them.
void reseal(std::span<std::byte> bytes) {
  if (bytes.size() >= journal::segment_header_bytes) {
    journal::SegmentHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    header.checksum = 0;
    std::memcpy(bytes.data(), &header, sizeof header);
    header.checksum = perp::core::crc32c(bytes.first(journal::segment_header_bytes));
    std::memcpy(bytes.data(), &header, sizeof header);
  }
  std::uint32_t chain = 0;
  for (std::size_t at = journal::segment_header_bytes;
       at + journal::block_alignment <= bytes.size();) {
    journal::BlockHeader header;
    std::memcpy(&header, bytes.data() + at, sizeof header);
    const std::uint64_t size = journal::disk_bytes(header.payload_bytes);
    if (header.magic != journal::block_magic || size > bytes.size() - at) {
      at += journal::block_alignment;
      continue;
    }
    if (at > journal::segment_header_bytes) header.chain = chain;
    header.payload_checksum =
        perp::core::crc32c(bytes.subspan(at + sizeof header, size - sizeof header));
    header.checksum = 0;
    header.checksum = chain = perp::core::crc32c(std::as_bytes(std::span(&header, 1)));
    std::memcpy(bytes.data() + at, &header, sizeof header);
    at += size;
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 4 != 0) reseal(std::as_writable_bytes(std::span(data, size)));
  return size;
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  std::atexit([] { std::filesystem::remove_all(folder()); });
  if (const char* target = std::getenv("PERP_FUZZ_SEEDS"); target != nullptr) {
    write_seeds(target);
    std::exit(0);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  clear();
  std::ofstream(folder() + "/" + journal::segment_name(0), std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  try {
    const std::vector<std::uint64_t> before = read_all();
    static_cast<void>(journal::verify(folder()));
    journal::Writer(options(folder())).close();
    const std::vector<std::uint64_t> after = read_all();
    // Recovery may cut what nobody acknowledged; a reader without a writer must have found the same
    // end.
    if (after != before) std::abort();
  } catch (const perp::core::Error&) {
    // A newer format, or a position past the end of the address space: refused in words.
  }
  return 0;
}
