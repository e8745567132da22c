// A server that is slow, busy, read-only or refuses: the loader waits, tells and goes on.
#include "warehouse/fault.hpp"
#include "warehouse/proxy.hpp"

#include <perp/warehouse/migrate.hpp>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>

namespace perp::warehouse {
namespace {

using test::day_0;
using test::Fact;
using test::Loading;
using test::Text;
using test::Told;

class ServerFault : public test::FaultTest {};

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

TEST_P(ServerFault, ADeadlockIsBrokenAndTheBatchComesAgain) {
  const auto fact_of = [&](std::uint32_t index) {
    Fact fact = generator_.fact(market::VenueId::binance, index, market::SpecKind::oi, day_0);
    fact.values[market::column("oi")] = 1;
    return fact;
  };
  generator_.define_all(journal_);
  write(fact_of(0));  // BTC, merged first
  write(fact_of(2));  // SOL, merged last
  journal_.sync();
  LoaderOptions with = options(dsn_ + " options='-c deadlock_timeout=2s'");
  with.lanes = 1;
  Told told;
  with.on_event = std::ref(told);
  load(with);
  for (std::uint32_t index : {0u, 2u}) write(revision_of(fact_of(index)));
  journal_.sync();
  Text other(dsn_), text(server_dsn_);
  other.rows("SET deadlock_timeout = '10min'");  // the loader is the one that finds the circle
  other.rows("BEGIN");
  other.rows("UPDATE perp_data SET notes = notes WHERE symbol = 'SOL'");
  Loading loading(with, journal_.end());
  while (lanes_that_wait(text, "INSERT INTO \"perp_data\"") == 0) std::this_thread::yield();
  other.rows("UPDATE perp_data SET notes = notes WHERE symbol = 'BTC'");
  other.rows("COMMIT");
  EXPECT_EQ(loading.finish().retries, 1u);
  EXPECT_TRUE(told.has("40P01"));
  expect_exactly_once();
}

TEST_P(ServerFault, AStatementTimeoutIsWaitedOut) {
  write_history(2);
  Text blocker(dsn_);
  blocker.rows("BEGIN");
  blocker.rows("LOCK TABLE perp_metrics IN EXCLUSIVE MODE");
  LoaderOptions with = options(dsn_ + " options='-c statement_timeout=300'");
  with.lanes = 1;
  Told told;
  with.on_event = std::ref(told);
  Loading loading(with, journal_.end());
  told.await("57014");
  blocker.rows("ROLLBACK");
  EXPECT_GE(loading.finish().retries, 1u);
  expect_exactly_once();
}

TEST_P(ServerFault, AStandbyByMistakeIsWaitedOut) {
  write_history(2);
  Text text(server_dsn_);
  text.rows("ALTER DATABASE " + database_ + " SET default_transaction_read_only = on");
  LoaderOptions with = options();
  Told told;
  with.on_event = std::ref(told);
  Loading loading(with, journal_.end());
  told.await("25006");
  text.rows("ALTER DATABASE " + database_ + " SET default_transaction_read_only = off");
  loading.finish();
  expect_exactly_once();
}

TEST_P(ServerFault, AConnectionLimitIsWaitedOut) {
  write_history(2);
  Login login(server_dsn_, dsn_, database_ + "_login");
  login.alter("CONNECTION LIMIT 1");
  LoaderOptions with = options(login.dsn("first"));
  with.lanes = 3;
  Told told;
  with.on_event = std::ref(told);
  Loading loading(with, journal_.end());
  told.await("too many connections");
  login.alter("CONNECTION LIMIT 20");
  loading.finish();
  expect_exactly_once();
}

TEST_P(ServerFault, ARotatedPasswordIsReadAgain) {
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
  Loading loading(with);
  while (loading.loader().progress().rows_data < 500) std::this_thread::yield();
  login.alter("PASSWORD 'second'");
  login.text().rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '" +
                    database_ + "_login'");
  write_history(2);
  told.await("authentication failed");
  write_password("second");
  await_end(loading);
  loading.stop();
  std::filesystem::remove(file);
  expect_exactly_once();
}

// Each answer takes 30 ms more: a batch, which takes about 5 ms otherwise, is 50 times slower. The
// night makes it last (PERP_FAULT_SECONDS).
TEST_P(ServerFault, ASlowDatabaseOnlyTakesTime) {
  const std::chrono::seconds length(test::number_of("PERP_FAULT_SECONDS", 0));
  std::atomic<int> slow_answers{0};
  std::atomic<bool> is_slow{true};
  test::Proxy proxy(dsn_, [&](bool from_server, std::string_view) {
    if (!from_server || !is_slow) return false;
    ++slow_answers;
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    return false;
  });
  LoaderOptions with = options(proxy.dsn());
  with.flush_ms = 1;
  Loading loading(with);
  const auto begin = std::chrono::steady_clock::now();
  int minute = 0;
  for (; slow_answers < 100 || std::chrono::steady_clock::now() - begin < length; ++minute) {
    write_history(1, day_0 + minute * 60'000);
    await_end(loading);
  }
  is_slow = false;
  write_history(1, day_0 + minute * 60'000);
  await_end(loading);
  EXPECT_EQ(loading.stop().reconnects, 0u);
  expect_exactly_once();
}

// The loader waits in the middle of its transaction, and tells how far it is by the time up to
// which all is stored. The night holds the lock for longer than a connection may be silent
// (PERP_FAULT_SECONDS).
TEST_P(ServerFault, ALockOnATableIsWaitedFor) {
  const std::chrono::seconds length(test::number_of("PERP_FAULT_SECONDS", 0));
  const auto received = [](const Fact& fact) { return (fact.ts + 62'000) * 1'000'000; };
  const auto fact_at = [&](int minute) {
    return generator_.fact(market::VenueId::bybit, 0, market::SpecKind::oi,
                           day_0 + minute * 60'000);
  };
  LoaderOptions with = options();
  with.flush_ms = 1;
  Loading loading(with);
  EXPECT_EQ(loading.loader().progress().loaded_ns, core::unknown_ns);
  write_history(2);
  write(fact_at(5));
  journal_.sync();
  await_end(loading);
  EXPECT_EQ(loading.loader().progress().loaded_ns, received(fact_at(5)));
  Text blocker(dsn_), text(server_dsn_);
  blocker.rows("BEGIN");
  blocker.rows("LOCK TABLE perp_metrics IN EXCLUSIVE MODE");
  write_history(2, day_0 + 10 * 60'000);
  write(fact_at(20));
  journal_.sync();
  while (lanes_that_wait(text, "COPY perp_metrics") + lanes_that_wait(text, "INSERT INTO") < 2)
    std::this_thread::yield();
  std::this_thread::sleep_for(length);
  EXPECT_EQ(loading.loader().progress().loaded_ns, received(fact_at(5)));
  blocker.rows("ROLLBACK");
  await_end(loading);
  const LoadReport report = loading.stop();
  EXPECT_EQ(report.loaded_ns, received(fact_at(20)));
  EXPECT_EQ(report.reconnects, 0u);
  EXPECT_EQ(report.retries, 0u);
  expect_exactly_once();
}

INSTANTIATE_TEST_SUITE_P(Servers, ServerFault, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
