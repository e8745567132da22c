// Exactly once, whatever dies: the loader, the server, the connection, the answer to COMMIT. After
// each history the tables are compared, row by row and column by column, with the oracle.
#include "warehouse/database.hpp"
#include "warehouse/facts.hpp"
#include "warehouse/pooler.hpp"
#include "warehouse/proxy.hpp"

#include <perp/core/error.hpp>
#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/migrate.hpp>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
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
  /// Until every lane has committed all that the journal has: rows alone do not tell, some are
  /// stored more than once.
  void await_end(const Loader& loader) const {
    const auto is_there = [&] {
      const std::vector<journal::Position> cursors = loader.progress().cursors;
      return !cursors.empty() && std::all_of(cursors.begin(), cursors.end(), [&](auto cursor) {
        return cursor >= journal_->end();
      });
    };
    while (!is_there()) std::this_thread::yield();
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

// How often the answer is lost; the suite of the night sets 1000.
int lost_answers() {
  const char* wanted = std::getenv("PERP_LOST_COMMITS");
  return wanted == nullptr ? 100 : std::atoi(wanted);
}

TEST_P(Fault, AnswersToCommitAreLostAgainAndAgain) {
  const int wanted = lost_answers();
  write_history(20 + wanted / 8);
  std::atomic<int> left{wanted};
  test::Proxy proxy(dsn_, [&](bool from_server, std::string_view bytes) {
    return from_server && bytes.find(std::string_view("COMMIT\0", 7)) != std::string_view::npos &&
           left.fetch_sub(1) > 0;
  });
  const std::atomic<bool> stop{false};
  LoaderOptions with = options(proxy.dsn());
  with.batch_rows = 20;
  const LoadReport report = Loader(with).run(journal_->end(), stop);
  EXPECT_EQ(proxy.cuts(), wanted);
  EXPECT_EQ(report.commits_found, static_cast<std::uint64_t>(wanted) - 1);
  expect_exactly_once();
}

/// What a loader tells, and a way to wait for a word of it.
class Told {
 public:
  void operator()(const std::string& line) {
    const std::lock_guard guard(mutex_);
    lines_.push_back(line);
  }
  bool has(std::string_view word) {
    const std::lock_guard guard(mutex_);
    return std::any_of(lines_.begin(), lines_.end(), [&](const std::string& line) {
      return line.find(word) != std::string::npos;
    });
  }
  void await(std::string_view word) {
    while (!has(word)) std::this_thread::yield();
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;  // guarded by mutex_
};

/// A loader on a thread of its own.
class Loading {
 public:
  Loading(const LoaderOptions& options, journal::Position until)
      : thread_([this, options, until] {
          try {
            report_ = Loader(options).run(until, stop_);
          } catch (const std::exception& error) {
            error_ = error.what();
          }
        }) {}
  ~Loading() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  LoadReport finish() {
    thread_.join();
    EXPECT_EQ(error_, "");
    return report_;
  }

 private:
  std::atomic<bool> stop_{false};
  LoadReport report_;
  std::string error_;
  std::thread thread_;  // last: it uses the others
};

// In COPY and in the merge: a lock on the table keeps the backend there until it is terminated.
TEST_P(Fault, ABackendIsTerminatedInCopyAndInMerge) {
  generator_->define_all(*journal_);
  for (const Fact& fact : generator_->minutes(day_0, 3)) write(fact);  // no key twice: all direct
  journal_->sync();
  // The day's partitions are there: making them would wait for the lock as well.
  if (GetParam() == test::Server::plain)
    Text(dsn_).rows("SELECT perp_ensure_partition(t, " + std::to_string(day_0) +
                    ") FROM unnest(ARRAY['perp_data', 'perp_metrics']) t");
  for (const std::string& statement :
       {std::string("COPY perp_metrics%"), std::string("INSERT INTO \"perp_metrics\"%")}) {
    Text blocker(dsn_);
    blocker.rows("BEGIN");
    blocker.rows("LOCK TABLE perp_metrics IN EXCLUSIVE MODE");
    LoaderOptions with = options(dsn_);
    with.lanes = 1;
    with.batch_rows = 5000;
    Loading loading(with, journal_->end());
    Text text(server_dsn_);
    while (text.one("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname "
                    "= '" +
                    database_ + "' AND wait_event_type = 'Lock' AND query LIKE '" + statement +
                    "'") == "0")
      std::this_thread::yield();
    blocker.rows("ROLLBACK");
    EXPECT_EQ(loading.finish().reconnects, 1u) << statement;
    expect_exactly_once();
    // The second time every minute is told again, so that it is merged.
    Fact again = generator_->fact(market::VenueId::bybit, 1, market::SpecKind::ohlcv, day_0);
    again.flags = static_cast<std::uint8_t>(again.flags | market::flag_revision);
    write(again);
    journal_->sync();
  }
  const std::atomic<bool> stop{false};
  Loader(options(dsn_)).run(journal_->end(), stop);
  expect_exactly_once();
}

TEST_P(Fault, ADeadlockIsBrokenAndTheBatchComesAgain) {
  const auto fact_of = [&](std::uint32_t index) {
    Fact fact = generator_->fact(market::VenueId::binance, index, market::SpecKind::oi, day_0);
    fact.values[market::column("oi")] = 1;
    return fact;
  };
  generator_->define_all(*journal_);
  write(fact_of(0));  // BTC, merged first
  write(fact_of(2));  // SOL, merged last
  journal_->sync();
  LoaderOptions with = options(dsn_ + " options='-c deadlock_timeout=2s'");
  with.lanes = 1;
  Told told;
  with.on_event = std::ref(told);
  const std::atomic<bool> stop{false};
  Loader(with).run(journal_->end(), stop);
  for (std::uint32_t index : {0u, 2u}) {
    Fact again = fact_of(index);
    again.flags = static_cast<std::uint8_t>(again.flags | market::flag_revision);
    write(again);
  }
  journal_->sync();
  Text other(dsn_), text(dsn_);
  other.rows("SET deadlock_timeout = '10min'");  // the loader is the one that finds the circle
  other.rows("BEGIN");
  other.rows("UPDATE perp_data SET notes = notes WHERE symbol = 'SOL'");
  Loading loading(with, journal_->end());
  while (text.one("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query "
                  "LIKE 'INSERT INTO \"perp_data\"%' AND datname = current_database()") == "0")
    std::this_thread::yield();
  other.rows("UPDATE perp_data SET notes = notes WHERE symbol = 'BTC'");
  other.rows("COMMIT");
  EXPECT_EQ(loading.finish().retries, 1u);
  EXPECT_TRUE(told.has("40P01"));
  expect_exactly_once();
}

TEST_P(Fault, AStatementTimeoutIsWaitedOut) {
  write_history(2);
  Text blocker(dsn_);
  blocker.rows("BEGIN");
  blocker.rows("LOCK TABLE perp_metrics IN EXCLUSIVE MODE");
  LoaderOptions with = options(dsn_ + " options='-c statement_timeout=300'");
  with.lanes = 1;
  Told told;
  with.on_event = std::ref(told);
  Loading loading(with, journal_->end());
  told.await("57014");
  blocker.rows("ROLLBACK");
  EXPECT_GE(loading.finish().retries, 1u);
  expect_exactly_once();
}

TEST_P(Fault, AStandbyByMistakeIsWaitedOut) {
  write_history(2);
  Text text(server_dsn_);
  text.rows("ALTER DATABASE " + database_ + " SET default_transaction_read_only = on");
  LoaderOptions with = options(dsn_);
  Told told;
  with.on_event = std::ref(told);
  Loading loading(with, journal_->end());
  told.await("25006");
  text.rows("ALTER DATABASE " + database_ + " SET default_transaction_read_only = off");
  loading.finish();
  expect_exactly_once();
}

// A login of few rights: the number of its connections, its password.
class Login {
 public:
  Login(const std::string& server_dsn, const std::string& dsn, const std::string& name)
      : text_(server_dsn), dsn_(dsn), name_(name) {
    SetupOptions options;
    options.roles = true;
    setup(dsn, options);
    text_.rows("CREATE ROLE " + name + " LOGIN PASSWORD 'first' IN ROLE perp_writer");
  }
  ~Login() {
    // A session that ends takes its temporary tables with it, a moment later.
    while (text_.one("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename "
                     "= '" +
                     name_ + "'") != "0")
      std::this_thread::yield();
    text_.rows("DROP ROLE " + name_);
  }
  Login(const Login&) = delete;
  Login& operator=(const Login&) = delete;
  void alter(const std::string& how) { text_.rows("ALTER ROLE " + name_ + " " + how); }
  std::string dsn(const std::string& password) const {
    return test::with(dsn_, {{"user", name_}, {"password", password}});
  }
  Text& text() { return text_; }

 private:
  Text text_;
  std::string dsn_;
  std::string name_;
};

TEST_P(Fault, AConnectionLimitIsWaitedOut) {
  write_history(2);
  Login login(server_dsn_, dsn_, database_ + "_login");
  login.alter("CONNECTION LIMIT 1");
  LoaderOptions with = options(login.dsn("first"));
  with.lanes = 3;
  Told told;
  with.on_event = std::ref(told);
  Loading loading(with, journal_->end());
  told.await("too many connections");
  login.alter("CONNECTION LIMIT 20");
  loading.finish();
  expect_exactly_once();
}

TEST_P(Fault, ARotatedPasswordIsReadAgain) {
  if (GetParam() != test::Server::timescale) GTEST_SKIP() << "its sockets ask for no password";
  write_history(8);
  Login login(server_dsn_, dsn_, database_ + "_login");
  const std::string file = folder_.path() + ".passwords";
  const auto write_password = [&](const std::string& password) {
    std::ofstream(file) << "*:*:*:*:" << password << "\n";
    std::filesystem::permissions(file, std::filesystem::perms(0600));
  };
  write_password("first");
  LoaderOptions with = options(login.dsn("") + " passfile='" + file + "'");
  with.flush_ms = 1;
  Told told;
  with.on_event = std::ref(told);
  Loader loader(with);
  std::atomic<bool> stop{false};
  std::thread thread([&] { loader.follow(stop); });
  while (loader.progress().rows_data < 500) std::this_thread::yield();
  login.alter("PASSWORD 'second'");
  login.text().rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '" +
                    database_ + "_login'");
  write_history(2);
  told.await("authentication failed");
  write_password("second");
  await_end(loader);
  stop = true;
  thread.join();
  std::filesystem::remove(file);
  expect_exactly_once();
}

TEST_P(Fault, ColumnsOfSomebodyElseAreLeftAlone) {
  write_history(2);
  for (const char* table : {"perp_data", "perp_metrics"})
    Text(dsn_).rows(std::string("ALTER TABLE ") + table + " ADD COLUMN theirs TEXT");
  const std::atomic<bool> stop{false};
  Loader(options(dsn_)).run(journal_->end(), stop);
  expect_exactly_once();
}

TEST_P(Fault, APartitionDroppedBehindTheLoadersBackIsMadeAgain) {
  if (GetParam() != test::Server::plain) GTEST_SKIP() << "chunks are the server's to make";
  write_history(2);
  LoaderOptions with = options(dsn_);
  with.lanes = 1;
  with.flush_ms = 1;
  Loader loader(with);
  std::atomic<bool> stop{false};
  std::thread thread([&] { loader.follow(stop); });
  await_end(loader);
  Text text(dsn_);
  for (const char* table : {"perp_data", "perp_metrics"})
    text.rows(std::string("DROP TABLE ") + table + "_p20250101");
  oracle_ = Oracle();
  write_history(2);
  await_end(loader);
  stop = true;
  thread.join();
  expect_exactly_once();
}

TEST_P(Fault, ASlowDatabaseOnlyTakesTime) {
  write_history(2);
  test::Proxy proxy(dsn_, [](bool from_server, std::string_view) {
    if (from_server) std::this_thread::sleep_for(std::chrono::milliseconds(30));
    return false;
  });
  const std::atomic<bool> stop{false};
  Loader(options(proxy.dsn())).run(journal_->end(), stop);
  expect_exactly_once();
}

TEST_P(Fault, APoolerThatSharesSessionsIsRefused) {
  if (std::system("command -v pgbouncer >/dev/null") != 0) GTEST_SKIP() << "no pgbouncer";
  write_history(2);
  for (const std::string& mode :
       {std::string("transaction"), std::string("statement"), std::string("session")}) {
    test::Pooler pooler(dsn_, mode);
    const std::atomic<bool> stop{false};
    if (mode == "session") {
      Loader(options(pooler.dsn())).run(journal_->end(), stop);
      expect_exactly_once();
      continue;
    }
    try {
      Loader(options(pooler.dsn())).run(journal_->end(), stop);
      FAIL() << "accepted in " << mode << " mode";
    } catch (const core::Error& error) {
      EXPECT_NE(std::string(error.what()).find("pool_mode = session"), std::string::npos)
          << error.what();
    }
    EXPECT_EQ(Text(dsn_).one("SELECT count(*) FROM perp_load_cursors"), "0");
  }
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
