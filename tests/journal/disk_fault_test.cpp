// Disks that are full, refuse, lie short or fail to sync: real limits (RLIMIT_FSIZE, a small tmpfs)
// and a storage that fails on demand.
#include "journal/storage.hpp"
#include "journal/support.hpp"

#include <perp/core/error.hpp>
#include <perp/core/uring.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

namespace perp::journal::test {
namespace {

std::string message_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const core::Error& error) {
    return error.what();
  }
  return {};
}

/// Appends numbered trades until something is refused. @returns the message; `count` is how many
/// were taken.
std::string fill(Writer& writer, std::uint64_t& count) {
  return message_of([&] {
    for (;;) {
      writer.append(numbered_trade(count).header());
      ++count;
      if (count % 50 == 0) writer.sync();
    }
  });
}

class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    old_ = ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, old_);
  }

 private:
  rlimit before_{};
  void (*old_)(int) = SIG_DFL;
};

class JournalDiskFull : public testing::TestWithParam<IoEngine> {
 protected:
  void SetUp() override {
    if (GetParam() == IoEngine::uring && !core::Uring::probe().is_available)
      GTEST_SKIP() << "io_uring is refused here";
  }
};
INSTANTIATE_TEST_SUITE_P(, JournalDiskFull, testing::Values(IoEngine::pwrite, IoEngine::uring),
                         [](const auto& row) {
                           return row.param == IoEngine::uring ? "uring" : "pwrite";
                         });

TEST_P(JournalDiskFull, SaysSoKeepsAllAndGoesOnWhenThereIsSpaceAgain) {
  const TemporaryFolder folder;
  std::uint64_t count = 0;
  {
    WriterOptions options = small_options(folder.path(), GetParam());
    options.segment_bytes = 4u << 20;
    std::unique_ptr<Writer> writer;
    Position durable = 0;
    {
      const FileSizeLimit limit(70'000);
      writer = std::make_unique<Writer>(options);
      const std::string message = fill(*writer, count);
      EXPECT_NE(message.find(folder.path()), std::string::npos) << message;
      EXPECT_NE(message.find("File too large"), std::string::npos) << message;
      EXPECT_NE(message.find("bytes are needed"), std::string::npos) << message;
      EXPECT_GT(count, 300u);
      durable = writer->durable();
      EXPECT_GT(durable, 30'000u);
      EXPECT_NE(message_of([&] { writer->sync(); }), "") << "still full";
      EXPECT_EQ(writer->durable(), durable);
      EXPECT_EQ(read_all(folder.path()).size() > 250, true)
          << "what was acknowledged is readable meanwhile";
    }
    std::int64_t now = 0;
    const std::int64_t deadline = core::mono_now().ns + 5 * core::ns_per_second;
    while (writer->durable() < writer->end() && core::mono_now().ns < deadline)
      message_of([&] {
        writer->poll({now += core::ns_per_second});
      });  // the first may still tell of the last attempt
    EXPECT_EQ(writer->durable(), writer->end()) << "resumes by itself";
    writer->append(numbered_trade(count++).header());
    writer->close();
  }
  const std::vector<Stored> all = read_all(folder.path());
  ASSERT_EQ(all.size(), count) << "everything that append() took";
  for (std::uint64_t i = 0; i < count; ++i) ASSERT_EQ(all[i].record, numbered_trade(i));
}

TEST_P(JournalDiskFull, GivesUpNothingAcknowledgedWhenTheProcessEndsFull) {
  const TemporaryFolder folder;
  std::uint64_t count = 0;
  Position durable = 0;
  {
    const FileSizeLimit limit(70'000);
    WriterOptions options = small_options(folder.path(), GetParam());
    options.segment_bytes = 4u << 20;
    Writer writer(options);
    fill(writer, count);
    durable = writer.durable();
  }  // without close(): it could not
  Writer writer(small_options(folder.path()));
  EXPECT_GE(writer.durable(), durable);
  EXPECT_EQ(writer.recovery().lost_bytes, 0u);
  const std::vector<Stored> all = read_all(folder.path());
  ASSERT_LE(all.size(), count);
  for (std::uint64_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i].record, numbered_trade(i));
  EXPECT_GE(all.back().position + 200, durable - 4096);
}

// A real file system without space, in a mount namespace of a child's own.
TEST_P(JournalDiskFull, OnATinyFileSystem) {
  const TemporaryFolder folder;
  const IoEngine io = GetParam();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=1m") != 0)
      ::_exit(77);
    int code = 0;
    try {
      WriterOptions options = small_options(folder / "journal", io);
      options.segment_bytes = 256u << 10;
      Writer writer(options);
      std::uint64_t count = 0;
      const std::string message = fill(writer, count);
      if (message.find("No space left on device") == std::string::npos ||
          message.find(folder / "journal") == std::string::npos)
        code = 1;
      if (count < 4000) code = 2;
      // Retention frees the oldest segment; the writer goes on by itself.
      std::filesystem::remove(segment_paths(folder / "journal").front());
      const std::int64_t deadline = core::mono_now().ns + 5 * core::ns_per_second;
      std::int64_t now = 0;
      while (writer.durable() < writer.end() && core::mono_now().ns < deadline)
        message_of([&] { writer.poll({now += core::ns_per_second}); });
      if (writer.durable() != writer.end()) code = 3;
      writer.append(numbered_trade(count).header());
      writer.close();
      const std::vector<Stored> all = read_all(folder / "journal");
      if (all.empty() || !(all.back().record == numbered_trade(count))) code = 4;
      for (std::size_t i = 1; i < all.size(); ++i)
        if (all[i].record.header().seq != all[i - 1].record.header().seq + 1) code = 5;
    } catch (const core::Error& error) {
      std::fprintf(stderr, "%s\n", error.what());
      code = 6;
    }
    ::_exit(code);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "may not mount here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

/// pwrite, with one answer replaced on demand.
class FaultyStorage final : public Storage {
 public:
  struct Plan {
    std::int64_t write_number = -1;  ///< which write gets the answer
    std::int32_t write_answer = 0;   ///< negative errno; positive: only so many bytes are written
    std::int64_t sync_number = -1;
    std::int32_t sync_answer = 0;
    int create_error = 0;      ///< of every create but the first
    bool holds_syncs = false;  ///< they are answered once this is false again
    std::int64_t writes = 0;
    std::int64_t syncs = 0;
    std::int64_t creates = 0;
  };

  explicit FaultyStorage(Plan& plan) : plan_(plan), disk_(make_storage(IoEngine::pwrite)) {}
  void adopt(std::span<const std::span<std::byte>> buffers) override { disk_->adopt(buffers); }
  void write(const core::File& file, std::span<const std::byte> bytes, std::uint64_t offset,
             unsigned buffer, std::uint64_t token) override {
    if (plan_.writes++ == plan_.write_number) {
      if (plan_.write_answer < 0) {
        answers_.push_back({token, plan_.write_answer});
        return;
      }
      bytes = bytes.first(static_cast<std::size_t>(plan_.write_answer));
    }
    disk_->write(file, bytes, offset, buffer, token);
  }
  void sync(const core::File& file, bool is_data_only, std::uint64_t token) override {
    if (plan_.syncs++ == plan_.sync_number)
      answers_.push_back({token, plan_.sync_answer});
    else if (plan_.holds_syncs)
      held_.push_back({token, 0});
    else
      disk_->sync(file, is_data_only, token);
  }
  void submit() override { disk_->submit(); }
  bool reap(Completion& completion) override {
    if (disk_->reap(completion)) return true;
    if (!plan_.holds_syncs) {
      answers_.insert(answers_.end(), held_.begin(), held_.end());
      held_.clear();
    }
    if (answers_.empty()) return false;
    completion = answers_.back();
    answers_.pop_back();
    return true;
  }
  void wait() override { disk_->wait(); }
  core::File create(const std::string& path, std::span<const std::byte> header,
                    std::uint64_t reserve) override {
    if (plan_.creates++ > 0 && plan_.create_error != 0)
      core::throw_system_error("cannot open", path, plan_.create_error);
    return disk_->create(path, header, reserve);
  }
  [[nodiscard]] IoEngine engine() const override { return IoEngine::pwrite; }

 private:
  Plan& plan_;
  std::unique_ptr<Storage> disk_;
  std::vector<Completion> answers_;
  std::vector<Completion> held_;
};

TEST(JournalDiskFault, AFailedSyncStopsTheWriterForEver) {
  for (const std::int32_t answer : {-EIO, -ENOSPC, -EDQUOT, -EINTR}) {
    const TemporaryFolder folder;
    FaultyStorage::Plan plan;
    Position durable = 0;
    {
      Writer writer(small_options(folder.path()), std::make_unique<FaultyStorage>(plan));
      writer.append(numbered_trade(0).header());
      writer.sync();
      durable = writer.durable();
      plan.sync_number = plan.syncs;
      plan.sync_answer = answer;
      writer.append(numbered_trade(1).header());
      const std::string message = message_of([&] { writer.sync(); });
      EXPECT_NE(message.find("fdatasync failed"), std::string::npos) << message;
      EXPECT_NE(message.find(std::to_string(durable)), std::string::npos) << message;
      EXPECT_EQ(writer.durable(), durable) << "never taken for done";
      for (int i = 0; i < 3; ++i) {
        EXPECT_NE(message_of([&] { writer.append(numbered_trade(2).header()); }), "");
        EXPECT_NE(message_of([&] { writer.poll({i * core::ns_per_second}); }), "");
        EXPECT_NE(message_of([&] { writer.sync(); }), "");
        EXPECT_NE(message_of([&] { writer.close(); }), "");
      }
      EXPECT_EQ(writer.durable(), durable);
      EXPECT_EQ(plan.syncs, plan.sync_number + 1) << "not tried again";
    }
    EXPECT_EQ(durable_position(folder.path()), durable);
    EXPECT_EQ(read_all(folder.path()).size(), 1u);
  }
}

// The folder's sync is part of the promise for the first records of a segment.
TEST(JournalDiskFault, EverySyncOfARoundMustSucceed) {
  for (std::int64_t number = 0; number < 2; ++number) {
    const TemporaryFolder folder;
    FaultyStorage::Plan plan;
    plan.sync_number = number;
    plan.sync_answer = -EIO;
    EXPECT_NE(message_of([&] {
                Writer writer(small_options(folder.path()), std::make_unique<FaultyStorage>(plan));
              }),
              "");
    EXPECT_EQ(durable_position(folder.path()), 0u);
  }
}

TEST(JournalDiskFault, AnInputOutputErrorStopsTheWriter) {
  const TemporaryFolder folder;
  FaultyStorage::Plan plan;
  plan.write_number = 2;
  plan.write_answer = -EIO;
  Writer writer(small_options(folder.path()), std::make_unique<FaultyStorage>(plan));
  std::uint64_t count = 0;
  const std::string message = fill(writer, count);
  EXPECT_NE(message.find("Input/output error"), std::string::npos) << message;
  const Position durable = writer.durable();
  EXPECT_NE(message_of([&] { writer.sync(); }), "");
  EXPECT_EQ(writer.durable(), durable);
}

TEST(JournalDiskFault, ShortAndInterruptedWritesAreFinished) {
  for (const std::int32_t answer : {1, 100, 4096, 8191, -EINTR, -EAGAIN}) {
    const TemporaryFolder folder;
    FaultyStorage::Plan plan;
    plan.write_number = 1;
    plan.write_answer = answer;
    {
      Writer writer(small_options(folder.path()), std::make_unique<FaultyStorage>(plan));
      for (std::uint64_t i = 0; i < 500; ++i) writer.append(numbered_trade(i).header());
      writer.close();
    }
    const std::vector<Stored> all = read_all(folder.path());
    ASSERT_EQ(all.size(), 500u) << answer;
    for (std::uint64_t i = 0; i < 500; ++i) ASSERT_EQ(all[i].record, numbered_trade(i));
  }
}

// The round that makes a segment's last block durable may have begun before anybody knew that it
// was the last.
TEST(JournalDiskFault, ASegmentThatEndsDuringASyncGivesItsReserveBack) {
  bool has_ended_during_a_sync = false;
  for (std::uint64_t before = 1; before <= 16; ++before) {
    const TemporaryFolder folder;
    FaultyStorage::Plan plan;
    std::uint64_t count = 0;
    std::int64_t now = 0;
    {
      Writer writer(small_options(folder.path()), std::make_unique<FaultyStorage>(plan));
      while (count < before) {  // a block each
        plan.holds_syncs = count + 1 == before;
        writer.append(numbered_trade(count++).header());
        writer.poll({now += core::ns_per_second});
      }
      const std::uint64_t segments = writer.stats().segments;
      writer.append(numbered_trade(count++).header());
      has_ended_during_a_sync |= segments == 1 && writer.stats().segments == 2;
      plan.holds_syncs = false;
      writer.close();
    }
    Position end = 0;
    for (const std::string& path : segment_paths(folder.path())) {
      EXPECT_EQ(std::filesystem::path(path).stem().string(), segment_name(end).substr(0, 20));
      end += std::filesystem::file_size(path);
    }
    EXPECT_EQ(end, durable_position(folder.path())) << before;
    EXPECT_EQ(read_all(folder.path()).size(), count);
  }
  EXPECT_TRUE(has_ended_during_a_sync);
}

TEST(JournalDiskFault, ASegmentThatCannotBeCreatedIsTriedAgain) {
  const TemporaryFolder folder;
  FaultyStorage::Plan plan;
  plan.create_error = EMFILE;
  std::uint64_t count = 0;
  Writer writer(small_options(folder.path()), std::make_unique<FaultyStorage>(plan));
  const std::string message = fill(writer, count);
  EXPECT_NE(message.find("Too many open files"), std::string::npos) << message;
  EXPECT_NO_THROW(writer.sync());
  EXPECT_EQ(writer.durable(), writer.end()) << "what was taken is safe";
  EXPECT_EQ(read_all(folder.path()).size(), count);
  plan.create_error = 0;
  writer.append(numbered_trade(count++).header());
  writer.close();
  EXPECT_EQ(read_all(folder.path()).size(), count);
}

}  // namespace
}  // namespace perp::journal::test
