#include "journal/support.hpp"

#include <perp/core/error.hpp>
#include <perp/journal/reader.hpp>
#include <perp/journal/tools.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <sys/mman.h>
#include <sys/wait.h>

namespace perp::journal::test {
namespace {

using market::RecordType;

/// A journal of several segments and blocks, and what was written.
struct Sample {
  TemporaryFolder folder;
  std::vector<Stored> written;

  explicit Sample(int count = 1500, std::uint64_t seed = 11) {
    std::mt19937_64 random(seed);
    Writer writer(small_options(folder.path()));
    for (int i = 0; i < count; ++i) {
      Record record = draw_record(random);
      const Position position = writer.append(record.header());
      written.push_back({position, std::move(record)});
      if (random() % 60 == 0) writer.sync();
    }
    writer.close();
  }
};

TEST(JournalReader, SeesOnlyWhatIsDurable) {
  const TemporaryFolder folder;
  Writer writer(small_options(folder.path()));
  Reader reader(folder.path());
  EXPECT_EQ(reader.next(), nullptr);
  std::vector<Stored> written;
  std::size_t seen = 0;
  std::mt19937_64 random(12);
  for (int i = 0; i < 2000; ++i) {
    Record record = draw_record(random);
    const Position position = writer.append(record.header());
    written.push_back({position, std::move(record)});
    if (random() % 20 == 0)
      writer.poll({0});  // writes full blocks, syncs nothing: the time stands still
    if (random() % 40 == 0) writer.sync();
    if (random() % 10 != 0) continue;
    while (const market::RecordHeader* got = reader.next()) {
      if (reader.is_repeat()) continue;
      ASSERT_LT(reader.position(), writer.durable());
      ASSERT_EQ((Stored{reader.position(), Record(*got)}), written[seen]);
      ++seen;
    }
    const auto durable = static_cast<std::size_t>(
        std::count_if(written.begin(), written.end(),
                      [&](const Stored& s) { return s.position < writer.durable(); }));
    ASSERT_EQ(seen, durable) << "all that is durable, and nothing else";
    ASSERT_EQ(reader.next_position() <= writer.durable(), true);
  }
  EXPECT_GT(writer.stats().segments, 3u);
  EXPECT_EQ(reader.damage_count(), 0u);
}

TEST(JournalReader, ABlockBeforeAPositionShowsAllOfTheLastBytes) {
  const Sample sample;
  const Position oldest = list(sample.folder.path()).front().base;
  std::mt19937_64 random(13);
  for (int i = 0; i < 300; ++i) {
    const Position position = sample.written[random() % sample.written.size()].position;
    const std::uint64_t bytes = random() % 60'000;
    const Position begin = block_before(sample.folder.path(), position, bytes);
    ASSERT_TRUE(begin == oldest || begin + bytes <= position) << position << " " << bytes;
    Reader reader(sample.folder.path(), begin);
    const std::vector<Stored> seen = read_all(reader);
    const auto first =
        std::find_if(sample.written.begin(), sample.written.end(),
                     [&](const Stored& stored) { return stored.position + bytes >= position; });
    const auto wanted = static_cast<std::size_t>(sample.written.end() - first);
    ASSERT_GE(seen.size(), wanted);
    ASSERT_LE(seen.size(), wanted + 400) << "a block more at most";
    ASSERT_TRUE(std::equal(first, sample.written.end(), seen.end() - static_cast<int>(wanted)));
  }
  EXPECT_EQ(block_before(sample.folder.path(), 0, 100), oldest);
  EXPECT_EQ(block_before(TemporaryFolder().path(), 0, 100), 0u);
}

TEST(JournalReader, ResumesAtEveryPosition) {
  const Sample sample(400);
  for (std::size_t i = 0; i < sample.written.size(); ++i) {
    Reader at(sample.folder.path(), sample.written[i].position);
    const std::vector<Stored> rest = read_all(at);
    ASSERT_EQ(rest.size(), sample.written.size() - i);
    ASSERT_EQ(rest.front(), sample.written[i]);
  }
  Reader reader(sample.folder.path());
  std::size_t seen = 0;
  while (const market::RecordHeader* record = reader.next()) {
    if (reader.is_repeat()) continue;
    ASSERT_EQ(Record(*record), sample.written[seen++].record);
    Reader resumed(sample.folder.path(), reader.next_position());
    const std::vector<Stored> rest = read_all(resumed);
    ASSERT_EQ(rest.size(), sample.written.size() - seen);
    ASSERT_TRUE(rest.empty() || rest.front() == sample.written[seen]);
    ASSERT_EQ(resumed.next_position(), durable_position(sample.folder.path()));
  }
}

TEST(JournalReader, KnowsEarlierDefinitionsWhenOpenedInTheMiddle) {
  const Sample sample(1500);
  // What a reader from the beginning knows at each position, re-made from the records themselves.
  std::map<std::uint32_t, Record> known;
  std::mt19937_64 random(13);
  for (const Stored& stored : sample.written) {
    if (random() % 20 == 0) {
      Reader reader(sample.folder.path(), stored.position);
      for (const auto& [id, definition] : known) {
        const market::Instrument* found = reader.find_instrument(id);
        ASSERT_NE(found, nullptr) << id << " at " << stored.position;
        ASSERT_EQ(std::memcmp(found, &definition.words[4], sizeof *found), 0)
            << "the newest before it";
      }
      EXPECT_EQ(reader.find_instrument(0xffffffff), nullptr);
    }
    const market::RecordHeader& header = stored.record.header();
    if (header.type == RecordType::instrument)
      known.insert_or_assign(header.instrument, stored.record);
  }
  EXPECT_GT(known.size(), 20u);
}

TEST(JournalReader, RefusesACursorBeyondTheEnd) {
  const Sample sample(100);
  const Position end = durable_position(sample.folder.path());
  EXPECT_NO_THROW(Reader(sample.folder.path(), end));
  try {
    Reader reader(sample.folder.path(), end + 8);
    FAIL();
  } catch (const core::Error& error) {
    EXPECT_NE(std::string(error.what()).find("beyond its end " + std::to_string(end)),
              std::string::npos)
        << error.what();
  }
  EXPECT_THROW(Reader(sample.folder.path(), sample.written[5].position + 8), core::Error)
      << "inside a record";
  EXPECT_THROW(Reader(sample.folder / "none"), core::Error);
}

TEST(JournalReader, GoesOnAtTheOldestAndSaysSoWhereItsSegmentWasRemoved) {
  const Sample sample;
  const auto paths = segment_paths(sample.folder.path());
  ASSERT_GT(paths.size(), 3u);
  std::filesystem::remove(paths[0]);
  const Position oldest = std::stoull(std::filesystem::path(paths[1]).stem().string());
  const auto expected = static_cast<std::size_t>(
      std::count_if(sample.written.begin(), sample.written.end(),
                    [&](const Stored& s) { return s.position >= oldest; }));
  EXPECT_EQ(read_all(sample.folder.path()).size(), expected)
      << "from 0 means from the oldest there is";
  Reader reader(sample.folder.path(), sample.written[3].position);
  EXPECT_EQ(read_all(reader).size(), expected);
  ASSERT_EQ(reader.damage_count(), 1u);
  EXPECT_EQ(reader.damages()[0].bytes, oldest - sample.written[3].position);
}

TEST(JournalReader, TellsOfAMissingSegmentBetween) {
  const Sample sample;
  const auto paths = segment_paths(sample.folder.path());
  const std::uint64_t bytes = std::filesystem::file_size(paths[1]);
  std::filesystem::remove(paths[1]);
  Reader reader(sample.folder.path());
  const auto rest = read_all(reader);
  EXPECT_LT(rest.size(), sample.written.size());
  EXPECT_EQ(rest.back(), sample.written.back());
  ASSERT_EQ(reader.damage_count(), 1u);
  EXPECT_EQ(reader.damages()[0].bytes, bytes);
}

// Every byte of a small journal, one random bit each: never a wrong record, always noticed, and
// everything that does not share a block with the flip is still read.
TEST(JournalReader, DetectsAFlippedBitInAnyByte) {
  const TemporaryFolder folder;
  std::vector<Stored> written;
  {
    Writer writer(small_options(folder.path()));
    for (std::uint64_t i = 0; i < 60; ++i) {
      Record record = numbered_trade(i);
      const Position position = writer.append(record.header());
      written.push_back({position, std::move(record)});
      if (i % 20 == 19) writer.sync();
    }
    writer.close();
  }
  const std::string path = segment_paths(folder.path()).front();
  const std::string good = file_bytes(path);
  ASSERT_EQ(good.size(), 4096u * 4);
  std::mt19937_64 random(14);
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
    write_file(path, bad);
    Reader reader(folder.path());
    const std::vector<Stored> got = read_all(reader);
    ASSERT_EQ(reader.damage_count(), 1u) << at;
    const std::size_t hit = at / 4096;  // 0 is the segment's header, then the blocks
    ASSERT_EQ(reader.damages()[0].offset, hit * 4096) << at;
    ASSERT_EQ(reader.damages()[0].bytes, 4096u) << at;
    std::vector<Stored> expected = written;
    if (hit > 0)
      expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(20 * (hit - 1)),
                     expected.begin() + static_cast<std::ptrdiff_t>(20 * hit));
    ASSERT_EQ(got, expected) << at;
  }
}

TEST(JournalReader, KeepsReadingOtherSegmentsWhateverOneHolds) {
  Sample sample;
  const auto paths = segment_paths(sample.folder.path());
  ASSERT_GT(paths.size(), 3u);
  const Position base = std::stoull(std::filesystem::path(paths[1]).stem().string());
  const Position behind = std::stoull(std::filesystem::path(paths[2]).stem().string());
  std::mt19937_64 random(15);
  const std::string good = file_bytes(paths[1]);
  for (int round = 0; round < 200; ++round) {
    std::string bad = good;
    switch (round % 4) {
      case 0:
        for (char& byte : bad) byte = static_cast<char>(random());
        break;
      case 1: bad.resize(random() % bad.size()); break;
      case 2: bad.assign(bad.size(), '\0'); break;
      default: {  // a block put where another was
        const std::size_t from = 4096 * (1 + random() % (bad.size() / 4096 - 1));
        std::size_t to = from;
        while (to == from) to = 4096 * (1 + random() % (bad.size() / 4096 - 1));
        if (bad.compare(from, 4096, bad, to, 4096) != 0) bad.replace(to, 4096, good, from, 4096);
      }
    }
    write_file(paths[1], bad);
    Reader reader(sample.folder.path());
    const auto got = read_all(reader);
    EXPECT_GT(reader.damage_count(), 0u) << round;
    std::vector<Stored> outside_got;
    std::vector<Stored> outside_written;
    const auto is_outside = [&](const Stored& s) {
      return s.position < base || s.position >= behind;
    };
    std::copy_if(got.begin(), got.end(), std::back_inserter(outside_got), is_outside);
    std::copy_if(sample.written.begin(), sample.written.end(), std::back_inserter(outside_written),
                 is_outside);
    ASSERT_EQ(outside_got, outside_written) << round;
    for (const Stored& stored : got) {
      const auto found =
          std::lower_bound(sample.written.begin(), sample.written.end(), stored.position,
                           [](const Stored& s, Position p) { return s.position < p; });
      ASSERT_TRUE(found != sample.written.end() && *found == stored) << "never a wrong record";
    }
  }
}

// Another process tails while this one writes, rolls and restarts; it counts what it sees in shared
// memory.
TEST(JournalReader, TailsFromAnotherProcess) {
  const TemporaryFolder folder;
  constexpr std::uint64_t total = 20'000;
  auto* const seen = static_cast<std::atomic<std::uint64_t>*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(seen, MAP_FAILED);
  { Writer writer(small_options(folder.path())); }
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    int code = 0;
    try {
      Reader reader(folder.path());
      const std::int64_t deadline = core::mono_now().ns + 60 * core::ns_per_second;
      std::uint64_t expected = 0;
      while (expected < total && code == 0) {
        const market::RecordHeader* record = reader.next();
        if (record == nullptr) {
          if (core::mono_now().ns > deadline) code = 3;
          ::sched_yield();
          continue;
        }
        if (!(Record(*record) == numbered_trade(expected))) code = 1;
        seen->store(++expected);
      }
      if (reader.damage_count() != 0) code = 2;
    } catch (const core::Error& error) {
      std::fprintf(stderr, "%s\n", error.what());
      code = 4;
    }
    ::_exit(code);
  }
  std::uint64_t next = 0;
  while (next < total) {
    Writer writer(small_options(folder.path(), IoEngine::automatic));
    for (int i = 0; i < 4000; ++i) {
      writer.append(numbered_trade(next++).header());
      if (i % 50 == 0) writer.poll(core::mono_now());
    }
    writer.close();
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(seen->load(), total);
  ::munmap(seen, 4096);
}

TEST(JournalReader, WaitsForAJournalThatIsNotThereYet) {
  const TemporaryFolder folder;
  Reader reader(folder.path());
  EXPECT_EQ(reader.next(), nullptr);
  EXPECT_EQ(durable_position(folder.path()), 0u);
  Writer writer(small_options(folder.path()));
  EXPECT_EQ(reader.next(), nullptr);
  writer.append(numbered_trade(1).header());
  EXPECT_EQ(reader.next(), nullptr);
  writer.sync();
  ASSERT_NE(reader.next(), nullptr);
  EXPECT_EQ(reader.next(), nullptr);
  EXPECT_EQ(reader.journal_id(), writer.journal_id());
}

// A folder copied from elsewhere has no published position of this machine's run: the files decide.
TEST(JournalReader, ReadsACopyWithoutThePublishedPosition) {
  const Sample sample;
  std::filesystem::remove(sample.folder / "durable");
  EXPECT_EQ(read_all(sample.folder.path()), sample.written);
  EXPECT_FALSE(std::filesystem::exists(sample.folder / "durable")) << "a reader writes nothing";
}

}  // namespace
}  // namespace perp::journal::test
