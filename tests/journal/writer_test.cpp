#include "journal/support.hpp"
#include "support/malloc_counter.hpp"

#include <perp/core/error.hpp>
#include <perp/core/uring.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <map>
#include <set>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace perp::journal::test {
namespace {

using market::RecordType;

class JournalWriter : public testing::TestWithParam<IoEngine> {
 protected:
  void SetUp() override {
    if (GetParam() == IoEngine::uring && !core::Uring::probe().is_available)
      GTEST_SKIP() << "io_uring is refused here";
  }
  TemporaryFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(, JournalWriter, testing::Values(IoEngine::pwrite, IoEngine::uring),
                         [](const auto& row) {
                           return row.param == IoEngine::uring ? "uring" : "pwrite";
                         });

TEST_P(JournalWriter, RoundTripsRecordsOfAllKindsOverManySegments) {
  std::mt19937_64 random(3);
  std::vector<Stored> written;
  {
    Writer writer(small_options(folder_.path(), GetParam()));
    EXPECT_EQ(writer.stats().engine, GetParam());
    EXPECT_TRUE(writer.recovery().is_new);
    std::int64_t now = 0;
    for (int i = 0; i < 3000; ++i) {
      Record record = draw_record(random);
      const Position position = writer.append(record.header());
      EXPECT_TRUE(written.empty() || position > written.back().position);
      EXPECT_GE(writer.end(), position + record.header().size);
      EXPECT_LE(writer.durable(), writer.end());
      written.push_back({position, std::move(record)});
      if (random() % 50 == 0) writer.poll({now += 30 * core::ns_per_ms});
    }
    writer.sync();
    EXPECT_EQ(writer.durable(), writer.end());
    writer.close();
    EXPECT_EQ(writer.stats().records, 3000u);
    EXPECT_GT(writer.stats().segments, 3u);
  }
  EXPECT_EQ(read_all(folder_.path()), written);
  EXPECT_EQ(segment_paths(folder_.path()).front(), folder_ / "00000000000000000000.pj");
  Position end = 0;
  for (const std::string& path : segment_paths(folder_.path())) {
    EXPECT_EQ(std::filesystem::path(path).stem().string(), segment_name(end).substr(0, 20))
        << "segments leave no hole";
    end += std::filesystem::file_size(path);
  }
  EXPECT_EQ(end, durable_position(folder_.path()));
}

TEST_P(JournalWriter, GoesOnWhereItStopped) {
  std::mt19937_64 random(4);
  std::vector<Stored> written;
  std::uint64_t journal_id = 0;
  for (int run = 0; run < 8; ++run) {
    Writer writer(small_options(folder_.path(), GetParam()));
    EXPECT_EQ(writer.recovery().is_new, run == 0);
    EXPECT_EQ(writer.recovery().text(), "");
    if (run == 0) journal_id = writer.journal_id();
    EXPECT_EQ(writer.journal_id(), journal_id);
    for (int i = 0; i < 100; ++i) {
      Record record = draw_record(random);
      const Position position = writer.append(record.header());
      written.push_back({position, std::move(record)});
    }
    writer.close();
  }
  EXPECT_EQ(read_all(folder_.path()), written);
}

// Each segment alone, without the ones before it: whatever instrument a record names has been
// defined in it, by the bytes of its newest definition.
TEST_P(JournalWriter, RepeatsDefinitionsSoThatASegmentReadsAlone) {
  std::mt19937_64 random(5);
  std::map<std::uint32_t, Record> newest;
  std::vector<std::map<std::uint32_t, Record>> at_start;  // per segment
  {
    Writer writer(small_options(folder_.path(), GetParam()));
    std::uint64_t segments = 0;
    std::set<std::uint32_t> ids;
    for (int i = 0; i < 3000; ++i) {
      const bool defines = ids.empty() || random() % 40 == 0;
      Record record = defines ? draw_record(RecordType::instrument, random)
                              : draw_record(RecordType::bbo, random);
      if (!defines)
        record.header().instrument =
            *std::next(ids.begin(), static_cast<std::ptrdiff_t>(random() % ids.size()));
      const std::map<std::uint32_t, Record> before = newest;
      writer.append(record.header());
      if (writer.stats().segments != segments) at_start.push_back(before);
      segments = writer.stats().segments;
      if (!defines) continue;
      ids.insert(record.header().instrument);
      newest.insert_or_assign(record.header().instrument, record);
    }
    std::vector<std::uint32_t> listed;
    writer.for_each_instrument([&](const market::RecordHeader& record) {
      listed.push_back(record.instrument);
      EXPECT_EQ(Record(record), newest.at(record.instrument));
    });
    EXPECT_TRUE(std::equal(listed.begin(), listed.end(), ids.begin(), ids.end()))
        << "each once, in order of id";
    writer.close();
  }
  const std::vector<std::string> paths = segment_paths(folder_.path());
  ASSERT_EQ(paths.size(), at_start.size());
  ASSERT_GT(paths.size(), 4u);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const TemporaryFolder alone;
    std::filesystem::copy(paths[i], alone.path());
    Reader reader(alone.path());
    std::map<std::uint32_t, Record> repeated;
    std::set<std::uint32_t> defined;
    while (const market::RecordHeader* record = reader.next()) {
      if (record->type == RecordType::instrument) {
        defined.insert(record->instrument);
        if (reader.is_repeat()) repeated.insert_or_assign(record->instrument, Record(*record));
      } else {
        ASSERT_TRUE(defined.contains(record->instrument)) << "segment " << i;
        ASSERT_NE(reader.find_instrument(record->instrument), nullptr);
      }
    }
    EXPECT_EQ(reader.damage_count(), 0u);
    EXPECT_EQ(repeated, at_start[i]) << "segment " << i;
  }
  Writer reopened(small_options(folder_.path(), GetParam()));
  std::map<std::uint32_t, Record> kept;
  reopened.for_each_instrument([&](const market::RecordHeader& record) {
    kept.insert_or_assign(record.instrument, Record(record));
  });
  EXPECT_EQ(kept, newest) << "a restarted process keeps its ids";
}

TEST_P(JournalWriter, SyncsWhenItsTimeHasPassed) {
  Writer writer(small_options(folder_.path(), GetParam()));
  std::int64_t now = 1'000'000'000'000;
  const auto poll_until_durable = [&] {
    const std::int64_t deadline = core::mono_now().ns + 10 * core::ns_per_second;
    while (writer.durable() < writer.end() && core::mono_now().ns < deadline) writer.poll({now});
    return writer.durable() == writer.end();
  };
  const Position first = writer.append(numbered_trade(1).header());
  EXPECT_LE(writer.durable(), first) << "not before a poll";
  EXPECT_TRUE(poll_until_durable()) << "after a rest the first record goes at once";
  EXPECT_GT(writer.durable(), first);
  const std::uint64_t syncs = writer.stats().syncs;
  const Position second = writer.append(numbered_trade(2).header());
  for (int i = 0; i < 100; ++i) writer.poll({now + 49 * core::ns_per_ms});
  EXPECT_LE(writer.durable(), second) << "sync_ms has not passed";
  now += 50 * core::ns_per_ms;
  EXPECT_TRUE(poll_until_durable());
  EXPECT_EQ(writer.stats().syncs, syncs + 1);
  for (int i = 0; i < 100; ++i) writer.poll({now += core::ns_per_second});
  EXPECT_EQ(writer.stats().syncs, syncs + 1) << "nothing new, nothing to do";
}

TEST_P(JournalWriter, AllocatesNothingInTheSteadyState) {
  if (!perp::test::malloc_is_counted()) GTEST_SKIP() << "a sanitizer has its own malloc";
  WriterOptions options = small_options(folder_.path(), GetParam());
  options.segment_bytes = 256u << 20;
  Writer writer(options);
  std::mt19937_64 random(6);
  std::vector<Record> records;
  for (int i = 0; i < 200; ++i) records.push_back(draw_record(random));
  std::int64_t now = 0;
  const auto run = [&] {
    for (int round = 0; round < 20; ++round)
      for (const Record& record : records) {
        writer.append(record.header());
        writer.poll({now += 100'000});
      }
  };
  run();  // definitions become known, vectors reach their size
  const std::uint64_t before = perp::test::malloc_count();
  run();
  EXPECT_EQ(perp::test::malloc_count(), before);
  EXPECT_GT(writer.stats().blocks, 40u);
}

TEST_P(JournalWriter, WaitsWhenEveryBlockIsInFlight) {
  WriterOptions options = small_options(folder_.path(), GetParam());
  options.block_count = 2;
  Writer writer(options);
  for (std::uint64_t i = 0; i < 2000; ++i) writer.append(numbered_trade(i).header());
  EXPECT_GT(writer.stats().waits, 0u) << "nobody polled";
  writer.close();
  EXPECT_EQ(read_all(folder_.path()).size(), 2000u);
}

WriterOptions fixed_options(const std::string& folder, IoEngine io) {
  WriterOptions options = small_options(folder, io);
  options.journal_id = 77;
  options.wall_clock = []() noexcept { return core::WallNs{1'700'000'000'000'000'000}; };
  return options;
}

TEST(JournalEngines, GiveIdenticalBytes) {
  if (!core::Uring::probe().is_available) GTEST_SKIP() << "io_uring is refused here";
  const TemporaryFolder folders[2];
  for (int engine = 0; engine < 2; ++engine) {
    std::mt19937_64 random(7);
    Writer writer(
        fixed_options(folders[engine].path(), engine == 0 ? IoEngine::uring : IoEngine::pwrite));
    for (int i = 0; i < 2000; ++i) {
      writer.append(draw_record(random).header());
      if (random() % 100 == 0) writer.sync();
    }
    writer.close();
  }
  const auto first = segment_paths(folders[0].path());
  const auto second = segment_paths(folders[1].path());
  ASSERT_EQ(first.size(), second.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(std::filesystem::path(first[i]).filename(),
              std::filesystem::path(second[i]).filename());
    EXPECT_TRUE(file_bytes(first[i]) == file_bytes(second[i])) << first[i];
  }
}

// As in a container that denies io_uring: `automatic` goes on with pwrite, `uring` says why it
// cannot.
TEST(JournalEngines, FallsBackWhereIoUringIsDenied) {
  const TemporaryFolder folder;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{4, rules};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
      ::_exit(77);
    int code = 1;
    try {
      Writer writer(small_options(folder / "a", IoEngine::automatic));
      writer.append(numbered_trade(1).header());
      writer.close();
      if (writer.stats().engine == IoEngine::pwrite) code = 2;
      Writer strict(small_options(folder / "b", IoEngine::uring));
    } catch (const core::Error& error) {
      if (code == 2 && std::string(error.what()).find("seccomp") != std::string::npos) code = 0;
    }
    ::_exit(code);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no seccomp here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(read_all(folder / "a").size(), 1u);
}

std::string message_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const core::Error& error) {
    return error.what();
  }
  return "(nothing thrown)";
}

TEST(JournalRefuses, ASecondWriter) {
  const TemporaryFolder folder;
  Writer first(small_options(folder.path()));
  EXPECT_NE(message_of([&] { Writer second(small_options(folder.path())); }).find("another writer"),
            std::string::npos);
  first.close();
  EXPECT_NO_THROW(Writer(small_options(folder.path())));
}

TEST(JournalRefuses, OptionsOutOfRange) {
  const TemporaryFolder folder;
  const auto refused = [&](auto change) {
    WriterOptions options = small_options(folder / "x");
    change(options);
    EXPECT_THROW(Writer{options}, core::Error);
  };
  refused([](WriterOptions& o) { o.block_bytes = 0; });
  refused([](WriterOptions& o) { o.block_bytes = 5000; });
  refused([](WriterOptions& o) { o.block_bytes = 128u << 20; });
  refused([](WriterOptions& o) { o.segment_bytes = 8192; });
  refused([](WriterOptions& o) { o.block_count = 1; });
  refused([](WriterOptions& o) { o.block_count = 33; });
  refused([](WriterOptions& o) { o.sync_ms = -1; });
  refused([](WriterOptions& o) { o.folder.clear(); });
  EXPECT_FALSE(std::filesystem::exists(folder / "x")) << "refused before anything is touched";
}

TEST(JournalRefuses, RecordsThatAreNotRecords) {
  const TemporaryFolder folder;
  Writer writer(small_options(folder.path()));
  Record record = numbered_trade(1);
  const auto refused = [&](std::uint32_t size, RecordType type) {
    record.header().size = size;
    record.header().type = type;
    EXPECT_THROW(writer.append(record.header()), core::Error) << size;
  };
  refused(24, RecordType::trade);
  refused(100, RecordType::trade);
  refused(8 << 10, RecordType::trade);
  refused(104, RecordType::padding);
  refused(104, static_cast<RecordType>(64));
  Record longest((8 << 10) - sizeof(BlockHeader));
  const std::uint32_t size = longest.header().size;
  longest.header() = {};
  longest.header().size = size;
  longest.header().type = RecordType::book_snapshot;
  auto& book = market::payload<market::Book>(longest.header());
  book = {};
  book.bid_count = static_cast<std::uint32_t>(
      (size - sizeof(market::RecordHeader) - sizeof(market::Book)) / sizeof(market::Level));
  const std::uint32_t exact = static_cast<std::uint32_t>(
      sizeof(market::RecordHeader) + sizeof(market::Book) + book.bid_count * sizeof(market::Level));
  longest.header().size = exact;
  EXPECT_NO_THROW(writer.append(longest.header()));
  writer.close();
  EXPECT_THROW(writer.append(numbered_trade(1).header()), core::Error) << "closed";
  EXPECT_EQ(read_all(folder.path()).size(), 1u);
}

TEST(JournalRefuses, ANewerFormat) {
  const TemporaryFolder folder;
  { Writer writer(small_options(folder.path())); }
  const std::string path = segment_paths(folder.path()).front();
  std::string bytes = file_bytes(path);
  SegmentHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.version = 9;
  header.checksum = 0;
  std::memcpy(bytes.data(), &header, sizeof header);
  // CRC-32C by its definition, so that the file is as a newer program would leave it.
  std::uint32_t crc = 0xffffffff;
  for (std::size_t i = 0; i < segment_header_bytes; ++i) {
    crc ^= static_cast<unsigned char>(bytes[i]);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
  }
  header.checksum = ~crc;
  std::memcpy(bytes.data(), &header, sizeof header);
  write_file(path, bytes);
  for (const std::string& message :
       {message_of([&] { Writer writer(small_options(folder.path())); }),
        message_of([&] { Reader(folder.path()).next(); })}) {
    EXPECT_NE(message.find("journal format 9"), std::string::npos) << message;
    EXPECT_NE(message.find("up to 1"), std::string::npos) << message;
    EXPECT_NE(message.find(path), std::string::npos) << message;
  }
  EXPECT_EQ(file_bytes(path), bytes) << "untouched";
}

TEST(JournalLeavesOut, BookDeltasAndSaysSo) {
  const TemporaryFolder folder;
  std::mt19937_64 random(8);
  { Writer writer(small_options(folder.path())); }
  WriterOptions options = small_options(folder.path());
  options.keep_book_deltas = false;
  {
    Writer writer(options);
    const Position end = writer.end();
    EXPECT_EQ(writer.append(draw_record(RecordType::book_delta, random).header()), end);
    EXPECT_EQ(writer.end(), end);
    EXPECT_EQ(writer.stats().left_out, 1u);
    writer.append(draw_record(RecordType::book_snapshot, random).header());
    writer.close();
  }
  Reader reader(folder.path());
  ASSERT_NE(reader.next(), nullptr);
  EXPECT_EQ(reader.left_out(), std::uint32_t{left_out_book_deltas});
  EXPECT_EQ(reader.next(), nullptr);
  EXPECT_EQ(segment_paths(folder.path()).size(), 2u)
      << "what is left out is said per segment, so a new one began";
}

}  // namespace
}  // namespace perp::journal::test
