// Exactly once, whatever dies: the loader, the server, the connection, the answer to COMMIT. After
// each history the tables are compared, row by row and column by column, with the oracle.
#include "warehouse/database.hpp"
#include "warehouse/facts.hpp"
#include "warehouse/proxy.hpp"

#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/migrate.hpp>

#include <unistd.h>

#include <csignal>
#include <fstream>
#include <mutex>
#include <optional>
#include <sys/wait.h>
#include <thread>

namespace perp::warehouse {
namespace {

using test::day_0;
using test::Fact;
using test::Generator;
using test::Oracle;
using test::Text;

class Fault : public test::DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    if (IsSkipped()) return;
    setup(dsn_, {});
    const unsigned seed = std::random_device{}();
    RecordProperty("seed", static_cast<int>(seed));
    std::printf("seed %u\n", seed);
    generator_.emplace(seed);
    journal_.emplace(journal::WriterOptions{.folder = folder_.path()});
  }
  /// Fresh minutes with revisions, backfill and repeats between them: every way of storing is met.
  void write_history(int minutes) {
    generator_->define_all(*journal_);
    std::vector<Fact> facts = generator_->minutes(day_0, minutes);
    for (std::size_t i = 0; i < facts.size(); ++i) {
      write(facts[i]);
      if (i % 30 == 29) write_status(status_count_);
      if (i % 40 == 39) {
        Fact again = facts[generator_->random()() % i];
        again = generator_->fact(again.venue, again.index, again.kind, again.ts);
        if (generator_->chance(0.5))
          again.flags = static_cast<std::uint8_t>(again.flags | market::flag_revision);
        write(again);
      }
    }
    journal_->sync();
  }
  void write(const Fact& fact) {
    append(*journal_, fact);
    oracle_.apply(fact);
  }
  void write_status(int i) {
    test::Whole<market::FeedStatus> status;
    status.header = {sizeof status,
                     market::RecordType::feed_status,
                     market::VenueId::okx,
                     0,
                     0,
                     0,
                     core::unknown_ns,
                     day_0 * 1'000'000};
    status.payload.state = market::FeedState::live;
    status.payload.reason.assign_cut("status " + std::to_string(i));
    journal_->append(status.header);
    ++status_count_;
  }
  LoaderOptions options(const std::string& dsn) {
    LoaderOptions out;
    out.dsn = dsn;
    out.journal_folder = folder_.path();
    out.batch_rows = 150;
    return out;
  }
  void expect_exactly_once() {
    oracle_.expect_equal(dsn_);
    // Status has no key: a repeat would show as a second row, a loss as a missing one.
    EXPECT_EQ(Text(dsn_).one("SELECT count(*) || ' ' || count(DISTINCT message) FROM perp_status "
                             "WHERE message LIKE 'status %'"),
              std::to_string(status_count_) + " " + std::to_string(status_count_));
  }

  test::Folder folder_;
  std::optional<Generator> generator_;
  std::optional<journal::Writer> journal_;
  Oracle oracle_;
  int status_count_ = 0;
};

TEST_P(Fault, AnswerToCommitIsLost) {
  write_history(15);
  std::atomic<int> left{12};
  // Only the loader's own transactions: the cursor is moved in them, the rest has no explicit
  // COMMIT.
  test::Proxy proxy(dsn_, [&](bool from_server, std::string_view bytes) {
    return from_server && bytes.find(std::string_view("COMMIT\0", 7)) != std::string_view::npos &&
           left.fetch_sub(1) > 0;
  });
  const std::atomic<bool> stop{false};
  const LoadReport report = Loader(options(proxy.dsn())).run(journal_->end(), stop);
  EXPECT_EQ(proxy.cuts(), 12);
  // The first cut hits the claim of the cursors, before there is a batch.
  EXPECT_EQ(report.commits_found, 11u);
  EXPECT_EQ(report.unexpected_conflicts, 0u);
  expect_exactly_once();
}

TEST_P(Fault, RowsAndCursorAreOneTransaction) {
  write_history(4);
  // The cursor, which moves last, is refused for as long as the test likes: nothing else may be
  // there by then.
  Text text(dsn_);
  text.rows(
      "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not "
      "yet' USING ERRCODE = '53400'; END $$");
  text.rows(
      "CREATE TRIGGER refuse BEFORE UPDATE ON perp_load_cursors FOR EACH ROW EXECUTE FUNCTION "
      "refuse()");
  LoaderOptions with = options(dsn_);
  std::atomic<int> refusals{0};
  with.on_event = [&](const std::string& line) {
    if (line.find("53400") != std::string::npos) ++refusals;
  };
  const std::atomic<bool> stop{false};
  std::thread thread([&] { Loader(with).run(journal_->end(), stop); });
  while (refusals < 6) std::this_thread::yield();
  for (const char* table : {"perp_data", "perp_metrics", "perp_status", "instruments"})
    EXPECT_EQ(text.one(std::string("SELECT count(*) FROM ") + table), "0") << table;
  text.rows("DROP TRIGGER refuse ON perp_load_cursors");
  thread.join();
  expect_exactly_once();
}

TEST_P(Fault, ConnectionBreaksAnywhere) {
  write_history(12);
  std::mutex mutex;
  std::int64_t until_cut = 5'000;
  int cuts_left = 15;
  test::Proxy proxy(dsn_, [&](bool, std::string_view bytes) {
    const std::lock_guard guard(mutex);
    until_cut -= static_cast<std::int64_t>(bytes.size());
    if (until_cut > 0 || cuts_left == 0) return false;
    --cuts_left;
    until_cut = std::uniform_int_distribution<std::int64_t>(1'000, 150'000)(generator_->random());
    return true;
  });
  const std::atomic<bool> stop{false};
  Loader(options(proxy.dsn())).run(journal_->end(), stop);
  EXPECT_GT(proxy.cuts(), 5);
  expect_exactly_once();
}

TEST_P(Fault, BackendsAreTerminated) {
  write_history(15);
  std::mutex mutex;
  Text text(server_dsn_);
  std::int64_t until_end = 5'000;
  int terminated = 0;
  test::Proxy proxy(dsn_, [&](bool, std::string_view bytes) {
    const std::lock_guard guard(mutex);
    until_end -= static_cast<std::int64_t>(bytes.size());
    if (until_end > 0 || terminated >= 20) return false;
    until_end = std::uniform_int_distribution<std::int64_t>(1'000, 100'000)(generator_->random());
    terminated += std::atoi(
        text.one("SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity "
                 "WHERE datname = '" +
                 database_ +
                 "' AND application_name LIKE 'perp loader lane%' ORDER BY random() LIMIT 1) one")
            .c_str());
    return false;
  });
  const std::atomic<bool> stop{false};
  LoaderOptions with = options(proxy.dsn());
  with.batch_rows = 60;
  Loader(with).run(journal_->end(), stop);
  EXPECT_GT(terminated, 5);
  expect_exactly_once();
}

TEST_P(Fault, LoaderIsKilledAtRandomPoints) {
  write_history(15);
  const journal::Position end = journal_->end();
  // A point is a number of bytes between the loader and its server: it is met on any machine.
  std::mutex mutex;
  pid_t child = 0;
  std::int64_t until_kill = 5'000;
  int kills_left = 15;
  test::Proxy proxy(dsn_, [&](bool, std::string_view bytes) {
    const std::lock_guard guard(mutex);
    until_kill -= static_cast<std::int64_t>(bytes.size());
    if (until_kill > 0 || kills_left == 0 || child == 0) return false;
    --kills_left;
    until_kill = std::uniform_int_distribution<std::int64_t>(1'000, 150'000)(generator_->random());
    kill(child, SIGKILL);
    return false;  // what it has sent arrives
  });
  int kills = 0;
  for (bool is_finished = false; !is_finished;) {
    {
      const std::lock_guard guard(mutex);
      child = fork();
    }
    ASSERT_GE(child, 0);
    if (child == 0) {
      // Nothing of gtest may run in the child; its exit status is its only word. Connections of the
      // proxy that it inherited would keep locks of a loader that is dead.
      close_range(3, ~0U, 0);
      try {
        const std::atomic<bool> stop{false};
        Loader(options(proxy.dsn())).run(end, stop);
        _exit(0);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        _exit(1);
      }
    }
    siginfo_t ended{};
    waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT);
    int status = 0;
    {
      const std::lock_guard guard(mutex);  // its number is another's as soon as it is reaped
      waitpid(child, &status, 0);
      child = 0;
    }
    if (WIFSIGNALED(status)) {
      ++kills;
    } else {
      ASSERT_EQ(WEXITSTATUS(status), 0);
      is_finished = true;
    }
  }
  EXPECT_GT(kills, 5);
  expect_exactly_once();
}

TEST_P(Fault, StoppedAndStartedLoaderGoesOn) {
  write_history(15);
  LoaderOptions with = options(dsn_);
  for (int i = 0; i < 6; ++i) {
    std::atomic<bool> stop{false};
    Loader loader(with);
    const std::uint64_t wanted = 1 + generator_->random()() % 400;
    std::thread stopper([&] {
      while (loader.progress().rows_data < wanted && loader.progress().cursors.size() < 2)
        std::this_thread::yield();
      stop = true;
    });
    loader.run(journal_->end(), stop);
    stopper.join();
  }
  const std::atomic<bool> stop{false};
  Loader(with).run(journal_->end(), stop);
  expect_exactly_once();
}

INSTANTIATE_TEST_SUITE_P(Servers, Fault, test::both_servers(), test::server_name);

// A cluster of the test's own, so that it can be stopped and killed.
class Restart : public testing::TestWithParam<test::Server> {
 protected:
  void SetUp() override {
    if (std::getenv(test::variable_of(GetParam())) == nullptr)
      GTEST_SKIP() << test::variable_of(GetParam())
                   << " is not set: run under scripts/test-databases";
    folder_.emplace();
    dsn_ = script("start", "--port auto");
    const std::size_t at = dsn_.find(" port=");
    ASSERT_NE(at, std::string::npos) << dsn_;
    port_ = dsn_.substr(at + 6, dsn_.find(' ', at + 6) - at - 6);
  }
  void TearDown() override {
    if (folder_) script("remove");
  }
  std::string script(const std::string& command, const std::string& more = "") {
    const std::string name = GetParam() == test::Server::plain ? "postgres" : "timescale";
    FILE* pipe = popen((std::string(PERP_SOURCE_DIR) + "/scripts/" + name + " " + command + " " +
                        folder_->path() + "/cluster " + more)
                           .c_str(),
                       "r");
    std::string out;
    char buffer[256];
    while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) out += buffer;
    EXPECT_EQ(pclose(pipe), 0) << command;
    return out.substr(0, out.find('\n'));
  }
  pid_t postmaster() const {
    std::string data;
    std::ifstream(folder_->path() + "/cluster/data-folder") >> data;
    if (GetParam() == test::Server::timescale) {
      const char* root = std::getenv("PERP_TIMESCALE_ROOT");
      data = (root == nullptr ? std::string("/var/cache/perp/trixie") : std::string(root)) + data;
    }
    pid_t pid = 0;
    std::ifstream(data + "/postmaster.pid") >> pid;
    return pid;
  }

  std::optional<test::Folder> folder_;
  std::string port_;
  std::string dsn_;
};

TEST_P(Restart, ServerIsStoppedCrashedAndStartedWhileLoading) {
  setup(dsn_, {});
  Generator generator(31);
  test::Folder folder;
  journal::Writer journal({.folder = folder.path()});
  Oracle oracle;
  generator.define_all(journal);
  LoaderOptions options;
  options.dsn = dsn_;
  options.journal_folder = folder.path();
  options.batch_rows = 100;
  options.flush_ms = 5;
  std::atomic<int> troubles{0};
  options.on_event = [&](const std::string&) { ++troubles; };
  Loader loader(options);
  std::atomic<bool> stop{false};
  const auto write = [&](int minute) {
    for (const Fact& fact : generator.minutes(day_0 + minute * 60'000, 3)) {
      append(journal, fact);
      oracle.apply(fact);
    }
    journal.sync();
  };
  write(0);
  std::thread thread([&] { loader.follow(stop); });
  while (loader.progress().rows_data == 0) std::this_thread::yield();
  for (int round = 1; round <= 4; ++round) {
    const int before = troubles;
    write(6 * round);
    if (round % 2 == 0) {
      kill(postmaster(), SIGQUIT);  // as after a crash: no checkpoint, recovery at the start
      for (bool is_up = true; is_up;) {
        try {
          Text probe(dsn_);
          std::this_thread::yield();
        } catch (const std::runtime_error&) {
          is_up = false;
        }
      }
    }
    script("stop");
    // There is something to store while the server is away, and the loader must have noticed before
    // it returns.
    write(6 * round + 3);
    while (troubles == before) std::this_thread::yield();
    ASSERT_EQ(script("start", "--port " + port_), dsn_);
    while (loader.progress().rows_data < oracle.size()) std::this_thread::yield();
  }
  stop = true;
  thread.join();
  EXPECT_GE(loader.progress().reconnects, 2u);
  oracle.expect_equal(dsn_);
}

INSTANTIATE_TEST_SUITE_P(Servers, Restart, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
