#include "journal/support.hpp"

#include <perp/journal/tools.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace perp::journal::test {
namespace {

struct Sample {
  TemporaryFolder folder;
  std::vector<Stored> written;
  Sample() {
    std::mt19937_64 random(31);
    Writer writer(small_options(folder.path()));
    for (std::uint32_t venue = 1; venue < market::venue_limit; ++venue)
      for (std::uint32_t index = 0; index < 20; ++index) {
        Record record = draw_record(market::RecordType::instrument, random);
        record.header().venue = static_cast<market::VenueId>(venue);
        record.header().instrument = instrument_id(record.header().venue, index);
        add(writer, std::move(record));
      }
    for (int i = 0; i < 1500; ++i) add(writer, draw_record(random));
    writer.close();
  }
  void add(Writer& writer, Record record) {
    const Position position = writer.append(record.header());
    written.push_back({position, std::move(record)});
  }
};

TEST(JournalTools, ListsSegmentsWithWhatIsInThem) {
  const Sample sample;
  const auto paths = segment_paths(sample.folder.path());
  const std::vector<SegmentSummary> rows = list(sample.folder.path());
  ASSERT_EQ(rows.size(), paths.size());
  ASSERT_GT(rows.size(), 3u);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const SegmentSummary& row = rows[i];
    EXPECT_EQ(row.bytes, std::filesystem::file_size(paths[i]));
    EXPECT_EQ(segment_name(row.base), std::filesystem::path(paths[i]).filename().string());
    std::uint64_t records = 0;
    std::int64_t first = std::numeric_limits<std::int64_t>::max();
    std::int64_t last = 0;
    for (const Stored& stored : sample.written) {
      if (stored.position < row.base || stored.position >= row.base + row.bytes) continue;
      ++records;
      first = std::min(first, stored.record.header().receive_ns);
      last = std::max(last, stored.record.header().receive_ns);
    }
    EXPECT_EQ(row.records, records);
    EXPECT_EQ(row.first_receive_ns, first);
    EXPECT_EQ(row.last_receive_ns, last);
    EXPECT_GT(row.blocks, 3u);
    EXPECT_EQ(row.repeats, i == 0 ? 0u : 20u * (market::venue_limit - 1));
    EXPECT_NE(row.created_ns, core::unknown_ns);
    EXPECT_EQ(row.state, i + 1 < rows.size() ? SegmentState::sealed : SegmentState::open);
  }
}

TEST(JournalTools, VerifiesAndFindsDamage) {
  const Sample sample;
  const Verification good = verify(sample.folder.path());
  EXPECT_TRUE(good.is_whole());
  EXPECT_EQ(good.undefined_instruments, 0u);
  EXPECT_EQ(good.durable, durable_position(sample.folder.path()));
  const std::string path = segment_paths(sample.folder.path())[1];
  std::string bytes = file_bytes(path);
  bytes[bytes.size() / 2] = static_cast<char>(~bytes[bytes.size() / 2]);
  write_file(path, bytes);
  const Verification bad = verify(sample.folder.path());
  EXPECT_FALSE(bad.is_whole());
  ASSERT_EQ(bad.damage_count, 1u);
  const std::uint64_t hit = bytes.size() / 2;
  EXPECT_LE(bad.damages[0].offset, hit);
  EXPECT_GT(bad.damages[0].offset + bad.damages[0].bytes, hit);
  EXPECT_EQ(bad.segments[1].state, SegmentState::damaged);
  EXPECT_EQ(bad.segments[0].state, SegmentState::sealed);
}

TEST(JournalTools, VerifyCountsInstrumentsThatNobodyDefined) {
  const TemporaryFolder folder;
  std::mt19937_64 random(32);
  Writer writer(small_options(folder.path()));
  Record bbo = draw_record(market::RecordType::bbo, random);
  bbo.header().instrument = instrument_id(market::VenueId::okx, 3);
  writer.append(bbo.header());
  Record status = draw_record(market::RecordType::feed_status, random);
  status.header().instrument = 0;
  writer.append(status.header());
  writer.close();
  EXPECT_EQ(verify(folder.path()).undefined_instruments, 1u);
}

TEST(JournalTools, CountsRecordsByKindAndVenue) {
  const Sample sample;
  const Statistics statistics_now = statistics(sample.folder.path());
  std::map<std::size_t, Tally> by_kind;
  std::map<std::size_t, Tally> by_venue;
  std::uint64_t bytes = 0;
  std::int64_t first = std::numeric_limits<std::int64_t>::max();
  for (const Stored& stored : sample.written) {
    const market::RecordHeader& header = stored.record.header();
    for (Tally* tally : {&by_kind[static_cast<std::size_t>(header.type)],
                         &by_venue[static_cast<std::size_t>(header.venue)]}) {
      ++tally->records;
      tally->bytes += header.size;
    }
    bytes += header.size;
    first = std::min(first, header.exchange_ns == core::unknown_ns ? first : header.exchange_ns);
  }
  for (std::size_t i = 0; i < statistics_now.by_kind.size(); ++i) {
    EXPECT_EQ(statistics_now.by_kind[i].records, by_kind[i].records) << i;
    EXPECT_EQ(statistics_now.by_kind[i].bytes, by_kind[i].bytes) << i;
  }
  for (std::size_t i = 0; i < statistics_now.by_venue.size(); ++i)
    EXPECT_EQ(statistics_now.by_venue[i].records, by_venue[i].records) << i;
  EXPECT_EQ(statistics_now.total.records, sample.written.size());
  EXPECT_EQ(statistics_now.total.bytes, bytes);
  EXPECT_EQ(statistics_now.instruments, 20u * (market::venue_limit - 1));
  EXPECT_EQ(statistics_now.first_exchange_ns, first);
  EXPECT_EQ(statistics_now.damage_count, 0u);
}

TEST(JournalTools, RemovesOnlyWhatEverybodyHasTaken) {
  const Sample sample;
  const std::vector<SegmentSummary> rows = list(sample.folder.path());
  EXPECT_EQ(remove_segments(sample.folder.path(), rows[1].base - 1), 0u)
      << "the first is still needed";
  EXPECT_EQ(remove_segments(sample.folder.path(), rows[2].base, 1ull << 40), 0u) << "small enough";
  EXPECT_EQ(remove_segments(sample.folder.path(), rows[2].base), rows[0].bytes + rows[1].bytes);
  const std::vector<Stored> rest = read_all(sample.folder.path());
  EXPECT_GE(rest.front().position, rows[2].base);
  EXPECT_EQ(rest.back(), sample.written.back());
  remove_segments(sample.folder.path(), ~Position{0});
  EXPECT_EQ(segment_paths(sample.folder.path()).size(), 1u) << "the newest stays";
  Writer writer(small_options(sample.folder.path()));
  std::size_t instruments = 0;
  writer.for_each_instrument([&](const market::RecordHeader&) { ++instruments; });
  EXPECT_EQ(instruments, 20u * (market::venue_limit - 1)) << "and knows every instrument";
}

TEST(JournalTools, AnEmptyFolderIsAnEmptyJournal) {
  const TemporaryFolder folder;
  EXPECT_TRUE(list(folder.path()).empty());
  EXPECT_TRUE(verify(folder.path()).is_whole());
  EXPECT_EQ(statistics(folder.path()).total.records, 0u);
  EXPECT_EQ(remove_segments(folder.path(), 100), 0u);
}

}  // namespace
}  // namespace perp::journal::test
