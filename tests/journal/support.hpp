#pragma once
// Help for the journal tests: a temporary folder, records of every kind drawn from a seed, whole
// reads.
#include <perp/journal/reader.hpp>
#include <perp/journal/writer.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/market/record.hpp>
#include <perp/market/record_kind.hpp>

#include <gtest/gtest.h>

#include <stdlib.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace perp::journal::test {

/// Removed at the end. In memory where there is /dev/shm: the tests are about order, not about
/// disks.
class TemporaryFolder {
 public:
  enum class Place { memory, disk };
  explicit TemporaryFolder(Place place = Place::memory) {
    const std::string parent = place == Place::memory && std::filesystem::is_directory("/dev/shm")
                                   ? "/dev/shm"
                                   : std::filesystem::temp_directory_path().string();
    std::string pattern = parent + "/perp-journal-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;  // what stays behind in a temporary folder harms no test
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A record as words, so that it is aligned.
struct Record {
  std::vector<std::uint64_t> words;
  explicit Record(std::size_t bytes) : words(bytes / 8) {
    header().size = static_cast<std::uint32_t>(bytes);
  }
  explicit Record(const market::RecordHeader& from) : words(from.size / 8) {
    std::memcpy(words.data(), &from, from.size);
  }
  market::RecordHeader& header() { return *reinterpret_cast<market::RecordHeader*>(words.data()); }
  [[nodiscard]] const market::RecordHeader& header() const {
    return *reinterpret_cast<const market::RecordHeader*>(words.data());
  }
  friend bool operator==(const Record&, const Record&) = default;
};

inline std::uint32_t instrument_id(market::VenueId venue, std::uint32_t index) {
  return static_cast<std::uint32_t>(venue) << 24 | index;
}

/// A well-formed record of a kind; its payload is random bits but for what decides its length.
inline Record draw_record(market::RecordType type, std::mt19937_64& random,
                          std::uint32_t greatest_tail = 40) {
  const market::RecordKind& kind = *market::find_record_kind(type);
  const auto tail_count = static_cast<std::uint32_t>(random() % (greatest_tail + 1));
  std::size_t tail = 0;
  const bool has_parties = type == market::RecordType::trade && random() % 2 == 0;
  if (type == market::RecordType::book_snapshot || type == market::RecordType::book_delta)
    tail = tail_count * sizeof(market::Level);
  if (type == market::RecordType::minute) tail = tail_count * sizeof(market::MinuteValue);
  if (has_parties) tail = sizeof(market::TradeParties);
  Record record(sizeof(market::RecordHeader) + kind.payload_bytes + tail);
  const std::uint32_t size = record.header().size;
  for (auto& word : record.words) word = random();
  market::RecordHeader& header = record.header();
  header.size = size;
  header.type = type;
  header.venue = static_cast<market::VenueId>(1 + random() % (market::venue_limit - 1));
  header.instrument = instrument_id(header.venue, static_cast<std::uint32_t>(random() % 20));
  header.receive_ns = static_cast<std::int64_t>(random() % (std::uint64_t{1} << 61));
  if (type == market::RecordType::trade)
    market::payload<market::Trade>(header).has_parties = has_parties ? 1 : 0;
  if (type == market::RecordType::book_snapshot || type == market::RecordType::book_delta) {
    auto& book = market::payload<market::Book>(header);
    book.bid_count = tail_count / 2;
    book.ask_count = tail_count - tail_count / 2;
  }
  if (type == market::RecordType::minute)
    market::payload<market::Minute>(header).count = static_cast<std::uint16_t>(tail_count);
  return record;
}

inline Record draw_record(std::mt19937_64& random, std::uint32_t greatest_tail = 40) {
  return draw_record(market::record_kinds[random() % market::record_kinds.size()].type, random,
                     greatest_tail);
}

/// A trade that carries its own number, so that a loss, a repeat or a swap shows.
inline Record numbered_trade(std::uint64_t number) {
  Record record(sizeof(market::RecordHeader) + sizeof(market::Trade));
  market::RecordHeader& header = record.header();
  const std::uint32_t size = header.size;
  header = {};
  header.size = size;
  header.type = market::RecordType::trade;
  header.venue = market::VenueId::okx;
  header.seq = static_cast<std::uint32_t>(number);
  header.receive_ns = static_cast<std::int64_t>(number);
  market::Trade trade;
  trade.trade_id = static_cast<std::int64_t>(number);
  trade.price = static_cast<double>(number) / 7;
  market::payload<market::Trade>(header) = trade;
  return record;
}

struct Stored {
  Position position = 0;
  Record record;
  friend bool operator==(const Stored&, const Stored&) = default;
};

/// Everything durable from a position on, without repeats.
inline std::vector<Stored> read_all(Reader& reader) {
  std::vector<Stored> all;
  while (const market::RecordHeader* record = reader.next())
    if (!reader.is_repeat()) all.push_back({reader.position(), Record(*record)});
  return all;
}

inline std::vector<Stored> read_all(const std::string& folder, Position from = 0) {
  Reader reader(folder, from);
  std::vector<Stored> all = read_all(reader);
  EXPECT_EQ(reader.damage_count(), 0u)
      << (reader.damages().empty() ? "" : reader.damages().front().why);
  return all;
}

inline std::vector<std::string> segment_paths(const std::string& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".pj") paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

inline std::string file_bytes(const std::string& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(bytes).str();
}

inline void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// Small enough that a few hundred records make several blocks and segments.
inline WriterOptions small_options(const std::string& folder, IoEngine io = IoEngine::pwrite) {
  WriterOptions options;
  options.folder = folder;
  options.segment_bytes = 64u << 10;
  options.block_bytes = 8u << 10;
  options.io = io;
  return options;
}

}  // namespace perp::journal::test
