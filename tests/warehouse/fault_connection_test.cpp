// Connections, backends and loaders that die at random points: nothing lost, nothing doubled.
#include "warehouse/fault.hpp"
#include "warehouse/pooler.hpp"
#include "warehouse/proxy.hpp"

#include <perp/core/error.hpp>

#include <unistd.h>

#include <csignal>
#include <mutex>
#include <sys/wait.h>

namespace perp::warehouse {
namespace {

using test::day_0;
using test::Fact;
using test::Loading;
using test::Text;

class ConnectionFault : public test::FaultTest {};

TEST_P(ConnectionFault, ConnectionBreaksAnywhere) {
  write_history(12);
  test::AtRandomBytes is_due(generator_.random(), 15);
  test::Proxy proxy(dsn_, [&](bool, std::string_view bytes) { return is_due(bytes); });
  load(options(proxy.dsn()));
  EXPECT_GT(proxy.cuts(), 5);
  expect_exactly_once();
}

TEST_P(ConnectionFault, BackendsAreTerminated) {
  write_history(15);
  std::mutex mutex;
  Text text(server_dsn_);
  int terminated = 0;
  test::AtRandomBytes is_due(generator_.random(), 20, 100'000);
  test::Proxy proxy(dsn_, [&](bool, std::string_view bytes) {
    if (!is_due(bytes)) return false;
    const std::lock_guard guard(mutex);
    terminated += std::atoi(
        text.one("SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity "
                 "WHERE datname = '" +
                 database_ +
                 "' AND application_name LIKE 'perp loader lane%' ORDER BY random() LIMIT 1) one")
            .c_str());
    return false;
  });
  LoaderOptions with = options(proxy.dsn());
  with.batch_rows = 60;
  load(with);
  EXPECT_GT(terminated, 5);
  expect_exactly_once();
}

// In COPY and in the merge: a lock on the table keeps the backend there until it is terminated.
TEST_P(ConnectionFault, ABackendIsTerminatedInCopyAndInMerge) {
  generator_.define_all(journal_);
  for (const Fact& fact : generator_.minutes(day_0, 3)) write(fact);  // no key twice: all direct
  journal_.sync();
  make_partitions_of_day_0();  // making them would wait for the lock as well
  for (const std::string& statement :
       {std::string("COPY perp_metrics"), std::string("INSERT INTO \"perp_metrics\"")}) {
    Text blocker(dsn_);
    blocker.rows("BEGIN");
    blocker.rows("LOCK TABLE perp_metrics IN EXCLUSIVE MODE");
    LoaderOptions with = options();
    with.lanes = 1;
    with.batch_rows = 5000;
    Loading loading(with, journal_.end());
    Text text(server_dsn_);
    while (lanes_that_wait(text, statement) == 0) std::this_thread::yield();
    text.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" +
              database_ + "' AND application_name = 'perp loader lane 0'");
    blocker.rows("ROLLBACK");
    EXPECT_EQ(loading.finish().reconnects, 1u) << statement;
    expect_exactly_once();
    // The second time every minute is told again, so that it is merged.
    write(revision_of(generator_.fact(market::VenueId::bybit, 1, market::SpecKind::ohlcv, day_0)));
    journal_.sync();
  }
  load(options());
  expect_exactly_once();
}

// The server keeps the lock under which a chunk is made to the end of the transaction: another
// lane, or whoever else writes, would wait for the whole batch.
TEST_P(ConnectionFault, ABatchThatBeginsADayKeepsNobodyElseFromIt) {
  generator_.define_all(journal_);
  for (const Fact& fact : generator_.minutes(day_0, 2)) write(fact);  // no key twice: all direct
  journal_.sync();
  if (GetParam() == test::Server::plain) make_partition_of_day_0("perp_data");
  make_partition_of_day_0("perp_metrics");  // making it would wait for the lock
  Text blocker(dsn_);
  blocker.rows("BEGIN");
  blocker.rows("LOCK TABLE perp_metrics IN EXCLUSIVE MODE");
  LoaderOptions with = options();
  with.lanes = 1;
  Loading loading(with, journal_.end());
  Text other(dsn_);
  while (lanes_that_wait(other, "COPY perp_metrics") == 0) std::this_thread::yield();
  other.rows("SET lock_timeout = '2s'");
  other.rows("BEGIN");
  other.rows("INSERT INTO perp_data (ts, symbol, perpspec, source, interval) VALUES (" +
             std::to_string(day_0) + ", 'X', 'bin-x', 'x', '1min')");
  other.rows("ROLLBACK");
  blocker.rows("ROLLBACK");
  loading.finish();
  expect_exactly_once();
}

TEST_P(ConnectionFault, LoaderIsKilledAtRandomPoints) {
  write_history(15);
  const journal::Position end = journal_.end();
  // A point is a number of bytes between the loader and its server: it is met on any machine.
  std::mutex mutex;
  pid_t child = 0;
  test::AtRandomBytes is_due(generator_.random(), 15);
  test::Proxy proxy(dsn_, [&](bool, std::string_view bytes) {
    const std::lock_guard guard(mutex);
    if (child != 0 && is_due(bytes)) kill(child, SIGKILL);
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

TEST_P(ConnectionFault, StoppedAndStartedLoaderGoesOn) {
  write_history(15);
  LoaderOptions with = options();
  for (int i = 0; i < 6; ++i) {
    std::atomic<bool> stop{false};
    Loader loader(with);
    const std::uint64_t wanted = 1 + generator_.random()() % 400;
    std::thread stopper([&] {
      while (loader.progress().rows_data < wanted && !is_at_end(loader)) std::this_thread::yield();
      stop = true;
    });
    loader.run(journal_.end(), stop);
    stopper.join();
  }
  load(with);
  expect_exactly_once();
}

// Whoever waits for the least of the cursors must not take one lane's for all of them.
TEST_P(ConnectionFault, CursorsAreToldOnceEveryLaneHasReadItsOwn) {
  write_history(1);
  Text other(dsn_);
  std::string lock;
  {
    Loading first(options());
    await_end(first);
    lock = other.one(
        "SELECT classid || ', ' || objid FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE "
        "locktype = 'advisory' AND datname = current_database() AND application_name = 'perp "
        "loader lane 1'");
  }
  write_history(2, day_0 + 10 * 60'000);
  other.rows("SELECT pg_advisory_lock(" + lock + ")");
  Loading loading(options());
  while (loading.loader().progress().rows_data == 0) std::this_thread::yield();
  EXPECT_TRUE(loading.loader().progress().cursors.empty());
  other.rows("SELECT pg_advisory_unlock_all()");
  await_end(loading);
  EXPECT_EQ(loading.stop().cursors.size(), 2u);
  expect_exactly_once();
}

TEST_P(ConnectionFault, APoolerThatSharesSessionsIsRefused) {
  if (std::system("command -v pgbouncer >/dev/null") != 0) GTEST_SKIP() << "no pgbouncer";
  write_history(2);
  for (const std::string& mode :
       {std::string("transaction"), std::string("statement"), std::string("session")}) {
    test::Pooler pooler(dsn_, mode);
    if (mode == "session") {
      load(options(pooler.dsn()));
      expect_exactly_once();
      continue;
    }
    try {
      load(options(pooler.dsn()));
      FAIL() << "accepted in " << mode << " mode";
    } catch (const core::Error& error) {
      EXPECT_NE(std::string(error.what()).find("pool_mode = session"), std::string::npos)
          << error.what();
    }
    EXPECT_EQ(Text(dsn_).one("SELECT count(*) FROM perp_load_cursors"), "0");
  }
}

INSTANTIATE_TEST_SUITE_P(Servers, ConnectionFault, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
