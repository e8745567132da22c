// Crashes, three ways: a power cut at every point of a recorded run (simulated disk), kill -9 of a
// real process at random points, and files cut at every length.
#include "journal/durable_file.hpp"
#include "journal/simulated_disk.hpp"
#include "journal/support.hpp"

#include <perp/core/error.hpp>
#include <perp/core/uring.hpp>

#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <sys/mman.h>
#include <sys/wait.h>

namespace perp::journal::test {
namespace {

using market::RecordType;

/// PERP_SCALE=50 makes a night's worth of images and kills.
std::uint64_t scale() {
  const char* text = std::getenv("PERP_SCALE");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

/// What must hold of a folder after a crash: opens by itself, everything acknowledged is there,
/// what is there is an unbroken beginning of what was appended, and appending goes on.
void check_recovered(const std::string& folder, const std::vector<Stored>& written,
                     Position acknowledged) {
  std::vector<Stored> expected;
  {
    Writer writer(small_options(folder));
    ASSERT_EQ(writer.recovery().lost_bytes, 0u);
    ASSERT_TRUE(writer.recovery().damages.empty()) << writer.recovery().text();
    ASSERT_GE(writer.durable(), acknowledged);
    const std::vector<Stored> found = read_all(folder);
    ASSERT_LE(found.size(), written.size());
    ASSERT_TRUE(std::equal(found.begin(), found.end(), written.begin()))
        << "not what was appended, in order";
    const bool is_complete =
        found.size() == written.size() || written[found.size()].position >= acknowledged;
    ASSERT_TRUE(is_complete) << "acknowledged up to " << acknowledged << ", missing at "
                             << written[found.size()].position;
    expected = found;
    std::mt19937_64 random(1);
    for (int i = 0; i < 30; ++i) {
      Record record = draw_record(random);
      const Position position = writer.append(record.header());
      expected.push_back({position, std::move(record)});
    }
    writer.close();
  }
  ASSERT_EQ(read_all(folder), expected);
}

TEST(JournalCrash, APowerCutAtEveryPointLosesNothingAcknowledged) {
  std::vector<Operation> log;
  std::vector<Stored> written;
  {
    const TemporaryFolder folder;
    std::mt19937_64 random(21);
    Writer writer(small_options(folder.path()), std::make_unique<RecordingStorage>(log));
    Position durable = 0;
    std::int64_t now = 0;
    const auto note = [&] {
      if (writer.durable() == durable) return;
      durable = writer.durable();
      log.push_back({Operation::Kind::acknowledge, {}, 0, {}, durable});
    };
    for (int batch = 0; batch < 200; ++batch) {
      for (std::uint64_t i = random() % 12; i > 0; --i) {
        Record record = draw_record(random);
        const Position position = writer.append(record.header());
        written.push_back({position, std::move(record)});
      }
      writer.poll({now += 20 * core::ns_per_ms});
      note();
      if (random() % 25 == 0) writer.sync();
      note();
    }
    writer.close();
    note();
    ASSERT_GT(writer.stats().segments, 3u);
  }
  const std::uint64_t subsets = 8 * scale();
  std::mt19937_64 random(22);
  std::uint64_t images = 0;
  for (std::size_t count = 0; count <= log.size(); ++count)
    for (std::uint64_t subset = 0; subset < subsets; ++subset) {
      const CrashImage image(std::span<const Operation>(log).first(count), random);
      const TemporaryFolder folder;
      for (const auto& [name, bytes] : image.files) write_file(folder / name, bytes);
      // The published position is a page of its own: any earlier one may have reached the disk, or
      // none.
      if (random() % 2 == 0)
        DurableFile::create(folder.path(), 1, random() % (image.acknowledged / 4096 + 1) * 4096);
      check_recovered(folder.path(), written, image.acknowledged);
      ++images;
      if (HasFatalFailure()) FAIL() << "after " << count << " operations, image " << images;
    }
  RecordProperty("images", static_cast<int>(images));
}

struct Shared {
  std::atomic<std::uint64_t> appended;
  std::atomic<Position> durable;
  std::atomic<bool> is_open;
};

[[noreturn]] void write_until_killed(const std::string& folder, IoEngine io, std::uint64_t number,
                                     Shared& shared) {
  try {
    WriterOptions options = small_options(folder, io);
    options.segment_bytes = 512u << 10;
    options.sync_ms = 1;
    Writer writer(options);
    shared.durable = writer.durable();
    shared.is_open = true;
    for (;;) {
      for (int i = 0; i < 20; ++i) {
        writer.append(numbered_trade(number++).header());
        ++shared.appended;
      }
      writer.poll(core::mono_now());
      shared.durable = writer.durable();
    }
  } catch (const core::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  ::_exit(1);
}

TEST(JournalCrash, KillAtRandomPointsLosesNothingAcknowledged) {
  const bool has_uring = core::Uring::probe().is_available;
  const TemporaryFolder folder;
  auto* const memory =
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto& shared = *new (memory) Shared{};
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  std::uint64_t next_number = 0;
  Position resume = 0;
  std::uint64_t torn = 0;
  const std::uint64_t kills = 100 * scale();
  for (std::uint64_t round = 0; round < kills; ++round) {
    shared.appended = 0;
    shared.durable = 0;
    shared.is_open = false;
    const IoEngine io = has_uring && round % 2 == 0 ? IoEngine::uring : IoEngine::pwrite;
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_until_killed(folder.path(), io, next_number, shared);
    // Mostly while it appends, sometimes while it is still recovering.
    const std::uint64_t target = random() % 3000;
    const bool is_early = random() % 10 == 0;
    const std::int64_t deadline = core::mono_now().ns + 20 * core::ns_per_second;
    while (!is_early && (!shared.is_open || shared.appended < target) &&
           core::mono_now().ns < deadline)
      ::sched_yield();
    ASSERT_LT(core::mono_now().ns, deadline) << "the child does not get on";
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";

    const Position acknowledged = shared.durable;
    {
      Reader reader(folder.path(), resume);  // without a writer
      ASSERT_GE(reader.durable(), acknowledged);
    }
    Writer writer(small_options(folder.path()));
    torn += writer.recovery().torn_bytes;
    ASSERT_EQ(writer.recovery().lost_bytes, 0u);
    ASSERT_TRUE(writer.recovery().damages.empty()) << writer.recovery().text();
    ASSERT_GE(writer.durable(), acknowledged);
    writer.close();
    Reader reader(folder.path(), resume);
    while (const market::RecordHeader* record = reader.next()) {
      ASSERT_EQ(Record(*record), numbered_trade(next_number)) << "at " << reader.position();
      ++next_number;
    }
    ASSERT_EQ(reader.damage_count(), 0u);
    resume = reader.next_position();
    ASSERT_GE(resume, acknowledged);
  }
  EXPECT_GT(next_number, 0u);
  ASSERT_EQ(read_all(folder.path()).size(), next_number);
  RecordProperty("torn_bytes", std::to_string(torn));
  ::munmap(memory, 4096);
}

// A supervisor restarts at once. Requests that a killed process had in its ring keep their files
// open for some milliseconds longer, so the lock must not hang on a descriptor that is ever given
// to the ring. Here every block begins a segment and every poll syncs, so that a sync of the folder
// is nearly always under way.
TEST(JournalCrash, AKilledWriterLeavesNoLockBehind) {
  if (!core::Uring::probe().is_available) GTEST_SKIP() << "io_uring is refused here";
  auto* const memory =
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto& shared = *new (memory) Shared{};
  for (int round = 0; round < 60; ++round) {
    // On a disk: in memory a sync is over before the kill can meet it.
    const TemporaryFolder folder(TemporaryFolder::Place::disk);
    shared.appended = 0;
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      try {
        WriterOptions options = small_options(folder.path(), IoEngine::uring);
        options.block_bytes = 4096;
        options.segment_bytes = segment_header_bytes + 4096;
        options.sync_ms = 0;
        Writer writer(options);
        for (std::uint64_t number = 0;; ++number) {
          writer.append(numbered_trade(number).header());
          writer.poll(core::mono_now());
          ++shared.appended;
        }
      } catch (const core::Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
      }
      ::_exit(1);
    }
    const std::int64_t deadline = core::mono_now().ns + 20 * core::ns_per_second;
    while (shared.appended < 50 + static_cast<std::uint64_t>(round) &&
           core::mono_now().ns < deadline)
      ::sched_yield();
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";
    ASSERT_NO_THROW(Writer(small_options(folder.path()))) << "round " << round;
  }
  ::munmap(memory, 4096);
}

/// Three blocks of twenty trades each, every one synced before the next.
std::vector<Stored> write_three_blocks(const std::string& folder) {
  std::vector<Stored> written;
  Writer writer(small_options(folder));
  for (std::uint64_t i = 0; i < 60; ++i) {
    Record record = numbered_trade(i);
    const Position position = writer.append(record.header());
    written.push_back({position, std::move(record)});
    if (i % 20 == 19) writer.sync();
  }
  writer.close();
  return written;
}

// The file cut at every length, with and without the published position. Without it nobody knows
// that more was acknowledged and positions go on at the cut; with it they are burnt and the hole is
// told.
TEST(JournalCrash, RecoversFromATailTornAtEveryLength) {
  const TemporaryFolder source;
  const std::vector<Stored> written = write_three_blocks(source.path());
  const std::string path = segment_paths(source.path()).front();
  const std::string whole = file_bytes(path);
  ASSERT_EQ(whole.size(), 4096u * 4);
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    const bool is_published = length % 2 == 0;
    const TemporaryFolder folder;
    write_file(folder / segment_name(0), whole.substr(0, length));
    if (is_published) std::filesystem::copy(source / "durable", folder.path());
    std::size_t blocks = length < 4096 ? 0 : length / 4096 - 1;
    // Where only zeros were cut off and the end is known, the reserve that follows puts them back.
    const std::size_t border = (length + 4095) / 4096 * 4096;
    const bool is_healed =
        is_published && length > 4096 && whole.find_first_not_of('\0', length) >= border;
    if (is_healed) blocks = border / 4096 - 1;
    std::vector<Stored> expected(written.begin(),
                                 written.begin() + static_cast<std::ptrdiff_t>(20 * blocks));
    {
      Writer writer(small_options(folder.path()));
      if (is_published) {
        ASSERT_EQ(writer.end(), 4096u * 4 + (length < 4096 ? 4096 : 0)) << length;
      } else {
        ASSERT_EQ(writer.recovery().torn_bytes > 0, length % 4096 != 0)
            << length << writer.recovery().text();
        ASSERT_EQ(writer.recovery().lost_bytes, 0u) << length;
        ASSERT_EQ(writer.end(), 4096u * (1 + blocks)) << length;
      }
      Record record = numbered_trade(1000);
      const Position position = writer.append(record.header());
      ASSERT_GE(position, is_published ? 4096u * 4 : 4096u * (1 + blocks))
          << "a position is used once";
      expected.push_back({position, std::move(record)});
      writer.close();
    }
    Reader reader(folder.path());
    ASSERT_EQ(read_all(reader), expected) << length;
    ASSERT_EQ(reader.damage_count() > 0,
              is_published && (is_healed ? border : length) < whole.size())
        << length;
  }
}

// Whole blocks behind a torn one were never acknowledged: they go, and must not come back when the
// file grows again.
TEST(JournalCrash, DropsWholeBlocksBehindATornOne) {
  const TemporaryFolder folder;
  std::vector<Stored> written;
  {
    Writer writer(small_options(folder.path()));
    for (std::uint64_t i = 0; i < 400; ++i) {
      Record record = numbered_trade(i);
      const Position position = writer.append(record.header());
      written.push_back({position, std::move(record)});
      if (i == 10) writer.sync();
    }
    writer.close();
  }
  std::filesystem::remove(folder / "durable");
  const std::string path = folder / segment_name(0);
  std::string bytes = file_bytes(path);
  const Position torn = 8192;  // the second block, which nobody has acknowledged
  bytes[torn + 500] = static_cast<char>(bytes[torn + 500] ^ 1);
  write_file(path, bytes);
  Writer writer(small_options(folder.path()));
  EXPECT_EQ(writer.recovery().torn_bytes, bytes.size() - torn);
  EXPECT_TRUE(writer.recovery().damages.empty());
  EXPECT_EQ(writer.end(), torn);
  EXPECT_EQ(writer.stats().torn_bytes_cut, bytes.size() - torn);
  EXPECT_NE(writer.recovery().text().find("torn tail"), std::string::npos);
  writer.append(numbered_trade(5000).header());
  writer.close();
  const std::vector<Stored> found = read_all(folder.path());
  ASSERT_EQ(found.size(), 12u);
  EXPECT_EQ(found.back().record, numbered_trade(5000));
}

// The same damage below what a later block testifies to: acknowledged data behind it must survive.
TEST(JournalCrash, KeepsAcknowledgedBlocksBehindDamage) {
  const TemporaryFolder folder;
  const std::vector<Stored> written = write_three_blocks(folder.path());
  std::filesystem::remove(folder / "durable");
  const std::string path = folder / segment_name(0);
  std::string bytes = file_bytes(path);
  bytes[4096 + 700] = static_cast<char>(bytes[4096 + 700] ^ 1);
  write_file(path, bytes);
  Writer writer(small_options(folder.path()));
  EXPECT_EQ(writer.recovery().torn_bytes, 0u);
  ASSERT_EQ(writer.recovery().damages.size(), 1u);
  EXPECT_EQ(writer.recovery().damages[0].offset, 4096u);
  EXPECT_EQ(writer.recovery().damages[0].bytes, 4096u);
  EXPECT_EQ(writer.end(), 4096u * 4);
  writer.append(numbered_trade(60).header());
  writer.close();
  Reader reader(folder.path());
  const std::vector<Stored> found = read_all(reader);
  EXPECT_EQ(reader.damage_count(), 1u);
  EXPECT_EQ(found.size(), 41u);
}

// A block of an earlier life stands where the next one would: whole, of this journal, in its place
// and with the number that is due. Only the chain tells that it does not follow the block that was
// written since.
TEST(JournalCrash, NeverTakesAStaleBlockForANewOne) {
  const TemporaryFolder folder;
  {
    Writer writer(small_options(folder.path()));
    for (std::uint64_t i = 0; i < 400; ++i) writer.append(numbered_trade(i).header());
    writer.close();  // five blocks of which no header testifies that an earlier one was durable
  }
  const std::string path = folder / segment_name(0);
  std::filesystem::remove(folder / "durable");
  const std::string old = file_bytes(path);
  const std::size_t second = 4096 + 8192;
  std::filesystem::resize_file(path, second + 100);
  {
    Writer writer(small_options(folder.path()));
    ASSERT_EQ(writer.end(), second);
    for (std::uint64_t i = 1000; i < 1078; ++i) writer.append(numbered_trade(i).header());
    writer.close();
  }
  const std::vector<Stored> expected = read_all(folder.path());
  const std::string now = file_bytes(path);
  ASSERT_EQ(now.size(), second + 8192) << "one block, as long as the one it replaced";
  std::filesystem::remove(folder / "durable");
  write_file(path, now + old.substr(now.size()));
  EXPECT_EQ(durable_position(folder.path()), now.size());
  Writer writer(small_options(folder.path()));
  EXPECT_EQ(writer.end(), now.size());
  EXPECT_EQ(writer.recovery().torn_bytes, old.size() - now.size());
  writer.close();
  EXPECT_EQ(read_all(folder.path()), expected);
}

TEST(JournalCrash, APositionIsNeverUsedAgainEvenIfAllSegmentsAreGone) {
  const TemporaryFolder folder;
  write_three_blocks(folder.path());
  const Position end = durable_position(folder.path());
  std::filesystem::remove(folder / segment_name(0));
  Writer writer(small_options(folder.path()));
  EXPECT_EQ(writer.recovery().lost_bytes, end);
  EXPECT_FALSE(writer.recovery().is_new);
  EXPECT_GE(writer.append(numbered_trade(1).header()), end);
}

}  // namespace
}  // namespace perp::journal::test
