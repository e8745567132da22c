// Goal: processes that die at any point, a stopped one, and damage to the file neither block the
// others nor let them spend more. Method: real processes, SIGKILL at random moments; bytes of the
// file flipped in turn.
#include "feed/ledger_support.hpp"

#include <perp/core/prng.hpp>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <fstream>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

namespace perp::feed {
namespace {

namespace fs = std::filesystem;

/// Counters that a child shares with the test.
struct Shared {
  std::atomic<std::uint32_t> granted;
  std::atomic<std::uint32_t> reports;
};

class SharedPage {
 public:
  SharedPage()
      : memory_(::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                       -1, 0)) {}
  ~SharedPage() { ::munmap(memory_, sizeof(Shared)); }
  SharedPage(const SharedPage&) = delete;
  SharedPage& operator=(const SharedPage&) = delete;
  Shared* operator->() const { return static_cast<Shared*>(memory_); }

 private:
  void* memory_;
};

/// Runs `body` in a child, which never returns into the test.
template <class Body>
pid_t start(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(0);
  }
  return child;
}

void kill_and_wait(pid_t child) {
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

std::vector<char> read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_bytes(const std::string& path, const std::vector<char>& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

TEST_F(LedgerFiles, ProcessesKilledAtRandomNeitherBlockNorLoseABooking) {
  constexpr std::uint32_t kills = 100;
  SharedPage shared;
  HostLedgerOptions with = options();
  with.pools = {{"p", 1'000'000'000, core::ns_per_hour, 100}};
  with.report = [&](const std::string&) { ++shared->reports; };
  const auto spend = [&] {
    HostLedger ledger(with);
    for (double second = 0;;) {
      const Grant grant = ledger.may_request(at(second), "p", 1);
      if (grant) ++shared->granted;
      if (grant.verdict == Verdict::busy) second += 0.1;  // its pause
    }
  };
  core::Prng random(17);
  std::array<pid_t, 3> children{};
  for (pid_t& child : children) child = start(spend);
  for (std::uint32_t kill = 0; kill < kills; ++kill) {
    // More grants come after each kill: it blocked nobody.
    const std::uint32_t until = shared->granted + 1 + static_cast<std::uint32_t>(random.below(50));
    while (shared->granted < until) ::sched_yield();
    for (std::uint64_t spin = random.below(20'000); spin > 0; --spin) (void)random.next();
    pid_t& victim = children[random.below(children.size())];
    kill_and_wait(victim);
    victim = start(spend);
  }
  for (const pid_t child : children) kill_and_wait(child);
  with.report = {};
  const std::uint32_t booked = HostLedger(with).spent(at(0), "p");
  EXPECT_GE(booked, shared->granted) << "a grant that is not booked would be spent twice";
  EXPECT_LE(booked, shared->granted + kills + children.size()) << "a kill wastes one at most";
  EXPECT_EQ(shared->reports, 0u) << "no kill leaves damage";
}

TEST_F(LedgerFiles, ABanIsKeptByAProcessThatDiesAtOnce) {
  for (int i = 0; i < 50; ++i) {
    HostLedgerOptions with = options();
    with.host = "host" + std::to_string(i);
    const pid_t child = start([&] {
      HostLedger ledger(with);
      ledger.on_status(at(0), 418, "60");
      ::raise(SIGKILL);
    });
    ::waitpid(child, nullptr, 0);
    HostLedger ledger(with);
    ASSERT_EQ(ledger.may_connect(at(59)).verdict, Verdict::banned);
    ASSERT_TRUE(ledger.may_connect(at(60)));
  }
}

/// Holds the file's lock as a stopped process would.
class Holder {
 public:
  explicit Holder(const std::string& path) : descriptor_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    EXPECT_EQ(::fcntl(descriptor_, F_OFD_SETLK, &whole), 0);
  }
  ~Holder() { ::close(descriptor_); }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

 private:
  int descriptor_;
};

TEST_F(LedgerFiles, AStoppedProcessMakesOthersAskAgainAndABanHoldsMeanwhile) {
  HostLedger ledger(options());
  ASSERT_TRUE(ledger.may_request(at(0), "weight", 7));
  {
    const Holder holder(file());
    const Grant grant = ledger.may_request(at(1), "weight", 1);
    EXPECT_EQ(grant.verdict, Verdict::busy);
    EXPECT_EQ(grant.retry_at, at(1.1).mono);
    EXPECT_EQ(ledger.spent(at(1), "weight"), 7u) << "as last read";
    EXPECT_FALSE(ledger.on_used(at(1), "weight", 100));
    EXPECT_TRUE(ledger.on_status(at(1), 418, "60"));
    EXPECT_EQ(ledger.may_connect(at(2)).verdict, Verdict::banned);
    EXPECT_EQ(ledger.banned_until(at(2)), at(61).mono);
  }
  EXPECT_EQ(ledger.banned_until(at(3)), at(61).mono);
  HostLedger other(options());
  EXPECT_EQ(other.banned_until(at(4)), at(61).mono) << "kept in the file once that was free";
  EXPECT_TRUE(ledger.may_request(at(61), "weight", 1));
}

TEST_F(LedgerFiles, ARemovedFileIsMadeAnewFromMemory) {
  HostLedger ledger(options());
  ASSERT_TRUE(ledger.may_request(at(0), "weight", 2000));
  ledger.on_status(at(0), 418, "60");
  fs::remove(file());
  EXPECT_EQ(ledger.may_connect(at(1)).verdict, Verdict::banned);
  HostLedger other(options());
  EXPECT_EQ(other.banned_until(at(2)), at(60).mono);
  EXPECT_EQ(other.spent(at(2), "weight"), 2000u);
}

TEST_F(LedgerFiles, ADiskThatRefusesWritesIsToldAndTheBudgetHoldsInMemory) {
  HostLedger ledger(options());
  ASSERT_TRUE(ledger.may_request(at(0), "weight", 1));
  // A limit of zero bytes per file: pwrite fails with EFBIG, as a full disk does with ENOSPC.
  const pid_t child = start([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    HostLedgerOptions with = options();
    int reports = 0;
    with.report = [&](const std::string&) { ++reports; };
    HostLedger own(with);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_FSIZE, &none);
    int granted = 0;
    for (int i = 0; i < 3'000; ++i) granted += own.may_request(at(1), "weight", 1) ? 1 : 0;
    own.on_status(at(2), 418, "60");
    const bool is_banned = own.may_connect(at(3)).verdict == Verdict::banned;
    ::_exit(granted == 2159 && is_banned && reports == 1 ? 0 : 1);
  });
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(LedgerFiles, OneFlippedByteAnywhereLosesNoBanAndIsTold) {
  {
    HostLedger ledger(options());
    ASSERT_TRUE(ledger.may_request(at(0), "weight", 2000));
    ledger.on_status(at(0), 418, "60");
  }
  const std::vector<char> good = read_bytes(file());
  ASSERT_EQ(good.size(), 8192u);
  std::size_t told = 0;
  std::size_t tried = 0;
  // Each mends the file, which syncs it: every byte of the head and the ban, then some.
  for (std::size_t place = 0; place < good.size();
       place += place % 4096 < 120 ? std::size_t{1} : std::size_t{61}) {
    ++tried;
    std::vector<char> bad = good;
    bad[place] = static_cast<char>(bad[place] ^ 0x41);
    write_bytes(file(), bad);
    reports_.clear();
    HostLedger ledger(options());
    ASSERT_EQ(ledger.banned_until(at(1)), at(60).mono) << place;
    ASSERT_EQ(ledger.spent(at(1), "weight"), 2000u) << place;
    told += reports_.size();
    reports_.clear();
    ASSERT_EQ(HostLedger(options()).banned_until(at(1)), at(60).mono) << place;
    ASSERT_TRUE(reports_.empty()) << place << ": mended by the first to see it";
  }
  EXPECT_GT(told, tried / 2) << "what is not filling is under the checksum";
}

TEST_F(LedgerFiles, ADamagedFileIsBegunAnewOnTheSafeSide) {
  {
    HostLedger ledger(options());
    ledger.on_status(at(0), 418, "60");
  }
  const std::vector<char> good = read_bytes(file());
  // Both slots' budgets are damaged, the bans are not: they carry their own checksum.
  std::vector<char> bad = good;
  bad[1000] = bad[4096 + 1000] = 0x55;
  write_bytes(file(), bad);
  {
    HostLedger ledger(options());
    EXPECT_EQ(ledger.banned_until(at(10)), at(60).mono);
    ASSERT_EQ(reports_.size(), 1u);
    EXPECT_NE(reports_[0].find("damaged and begun anew"), std::string::npos) << reports_[0];
    EXPECT_NE(reports_[0].find("a ban was read and holds"), std::string::npos) << reports_[0];
    EXPECT_EQ(ledger.may_request(at(60), "weight", 1).verdict, Verdict::spent)
        << "what was spent is not known";
    EXPECT_TRUE(ledger.may_request(at(75), "weight", 1));
    EXPECT_EQ(ledger.may_connect(at(75)).verdict, Verdict::spent);
  }
  for (const std::size_t size : {std::size_t{1}, std::size_t{100}, std::size_t{2000}}) {
    std::vector<char> cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    write_bytes(file(), cut);
    reports_.clear();
    HostLedger ledger(options());
    // The ban lies in the first 100 bytes.
    EXPECT_EQ(ledger.may_connect(at(10)).verdict, size < 100 ? Verdict::spent : Verdict::banned);
    EXPECT_EQ(reports_.size(), 1u) << size;
  }
  write_bytes(file(), std::vector<char>(8192, '\0'));
  reports_.clear();
  EXPECT_EQ(HostLedger(options()).may_connect(at(10)).verdict, Verdict::spent);
  ASSERT_EQ(reports_.size(), 1u);
  EXPECT_NE(reports_[0].find("no ban could be read"), std::string::npos) << reports_[0];
}

TEST_F(LedgerFiles, GarbageNeverGrantsMoreThanABudget) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    core::Prng random(seed);
    std::vector<char> garbage(1 + random.below(10'000));
    for (char& byte : garbage) byte = static_cast<char>(random.next());
    write_bytes(file(), garbage);
    reports_.clear();
    HostLedger ledger(options());
    ASSERT_FALSE(ledger.may_connect(at(0))) << seed;
    ASSERT_EQ(reports_.size(), 1u) << seed;
    ASSERT_TRUE(ledger.may_connect(at(320))) << seed;
  }
}

}  // namespace
}  // namespace perp::feed
