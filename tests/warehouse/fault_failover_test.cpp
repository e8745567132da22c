// A primary dies and its standby is promoted. Replication is asynchronous: the standby may lack
// what the primary had committed, rows and cursor alike, so the loader sends exactly that again.
#include "warehouse/cluster.hpp"
#include "warehouse/history.hpp"

#include <perp/warehouse/migrate.hpp>

#include <atomic>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace perp::warehouse {

unsigned lane_of(std::string_view symbol, std::string_view perpspec, unsigned lanes) noexcept;

namespace {

using test::Cluster;
using test::day_0;
using test::Fact;
using test::Loading;
using test::Text;
using test::Told;

class Failover : public test::ClusterTest, protected test::History {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    if (IsSkipped()) return;
    first_ = std::make_unique<Cluster>(GetParam());
    setup(first_->dsn(), {});
    second_ = std::make_unique<Cluster>(GetParam(), *first_);
    with_ = options(dsn_of(*second_, *first_));
    with_.flush_ms = 1;
    with_.on_event = std::ref(told_);
  }
  /// As an operator would write it: whichever of the two can be written to.
  static std::string dsn_of(const Cluster& one, const Cluster& other) {
    return test::with(one.dsn(), {{"host", "127.0.0.1,127.0.0.1"},
                                  {"port", one.port() + "," + other.port()},
                                  {"target_session_attrs", "read-write"}});
  }
  static void await(const std::string& dsn, const std::string& sql, const std::string& answer) {
    Text text(dsn);
    while (text.one(sql) != answer) std::this_thread::yield();
  }
  /// From now on the second one hears of nothing that the first commits.
  void cut_replication() {
    Text second(second_->dsn());
    second.rows("ALTER SYSTEM SET primary_conninfo = ''");
    second.rows("SELECT pg_reload_conf()");
    await(first_->dsn(), "SELECT count(*) FROM pg_stat_replication", "0");
  }
  void await_replication() {
    await(second_->dsn(),
          "SELECT pg_last_wal_replay_lsn() >= '" +
              Text(first_->dsn()).one("SELECT pg_current_wal_lsn()") + "'",
          "t");
  }
  /// `load` stores what is written, while the first one leads and when the second does.
  void move_over(const std::function<void()>& load) {
    write_history(1);
    load();
    await_replication();
    Text(second_->dsn()).rows("SELECT pg_promote()");
    write_history(1, day_0 + 10 * 60'000);
    load();
  }
  static std::string rows_of(const std::string& dsn) {
    return Text(dsn).one(
        "SELECT (SELECT count(*) FROM perp_data) || ' ' || (SELECT count(*) FROM perp_status)");
  }
  static void end_lane(const std::string& dsn, const std::string& lane) {
    Text(dsn).rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
        "'perp loader lane " +
        lane + "'");
  }

  /// Writes the facts that are lane 1's of two. @returns the others
  std::vector<Fact> write_for_lane_1(std::int64_t from) {
    std::vector<Fact> others;
    for (const Fact& fact : generator_.minutes(from, 2)) {
      const std::string perpspec =
          market::perpspec_name(market::perpspec_id(fact.venue, fact.kind));
      if (lane_of(fact.symbol, perpspec, 2) == 1)
        write(fact);
      else
        others.push_back(fact);
    }
    journal_.sync();
    return others;
  }

  std::unique_ptr<Cluster> first_;
  std::unique_ptr<Cluster> second_;
  LoaderOptions with_;
  Told told_;
};

TEST_P(Failover, WhatThePromotedServerLacksIsSentAgainAndNobodyWritesToTheOldOne) {
  Loading loading(with_);
  write_history(3);
  await_end(loading);
  await_replication();
  cut_replication();
  write_history(3, day_0 + 10 * 60'000);
  await_end(loading);
  ASSERT_NE(rows_of(second_->dsn()), rows_of(first_->dsn()));  // it does lack something

  // The standby is promoted while the old primary lives on behind a cut in the network. One lane
  // finds the new one; the other's connection never broke.
  Text second(second_->dsn());
  second.rows("SELECT pg_promote()");
  end_lane(first_->dsn(), "1");
  const std::vector<Fact> later = write_for_lane_1(day_0 + 20 * 60'000);
  while (second.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND "
                    "objsubid = 2") == "0")
    std::this_thread::yield();
  const std::string before = rows_of(first_->dsn());
  for (const Fact& fact : later) write(fact);
  journal_.sync();
  await_end(loading);
  EXPECT_TRUE(told_.has("another lane has found"));
  EXPECT_TRUE(told_.has("going on from there"));
  EXPECT_EQ(rows_of(first_->dsn()), before);
  expect_exactly_once(second_->dsn());

  // The new one is away for a while. The old one can be written to, and is not.
  second_->stop();
  write_history(2, day_0 + 30 * 60'000);
  told_.await("this is an old primary", 4);
  EXPECT_EQ(rows_of(first_->dsn()), before);
  second_->start();
  await_end(loading);
  EXPECT_EQ(rows_of(first_->dsn()), before);
  expect_exactly_once(second_->dsn());
  loading.stop();

  // The old one comes back as a standby of the new one: it is passed over, and takes its place
  // when that is killed.
  first_ = nullptr;
  first_ = std::make_unique<Cluster>(GetParam(), *second_);
  with_.dsn = dsn_of(*first_, *second_);
  Loading again(with_);
  write_history(2, day_0 + 40 * 60'000);
  await_end(again);
  expect_exactly_once(second_->dsn());
  second_->signal(SIGKILL);
  Text(first_->dsn()).rows("SELECT pg_promote()");
  write_history(2, day_0 + 50 * 60'000);
  await_end(again);
  EXPECT_GE(again.stop().reconnects, 2u);
  expect_exactly_once(first_->dsn());
}

TEST_P(Failover, NeitherItsLifeNorMaintenanceGoesToTheOldOne) {
  with_.program = "perp test";
  with_.tells_each_ms = 20;
  with_.keeps_retention = true;
  with_.retention_days = 0;  // the rows are of old days
  Loader loader(with_);
  const auto follow_until = [&](const std::function<void()>& is_awaited) {
    std::atomic<bool> stop{false};
    std::thread follower([&] { loader.follow(stop); });
    is_awaited();
    stop = true;
    follower.join();
  };
  const auto is_loaded = [&] {
    while (!is_at_end(loader)) std::this_thread::yield();
  };
  move_over([&] { follow_until(is_loaded); });

  second_->stop();
  const std::string before = rows_of(first_->dsn());
  follow_until([&] {
    while (!told_.has("'running' is not told to perp_status: database: this is an old primary") &&
           rows_of(first_->dsn()) == before)
      std::this_thread::yield();
    told_.await("maintenance: put off: database: this is an old primary");
  });
  EXPECT_EQ(rows_of(first_->dsn()), before);
  second_->start();
  follow_until(is_loaded);
  oracle_.expect_equal(second_->dsn());  // status of old days is no longer there: pruned
}

TEST_P(Failover, WhatOneLoaderHasLearntTheNextOneKnows) {
  const std::atomic<bool> never{false};
  const auto load = [&](Loader& loader) { loader.run(journal_.end(), never); };
  Loader before(with_);
  move_over([&] { load(before); });
  expect_exactly_once(second_->dsn());

  second_->stop();
  const std::string untouched = rows_of(first_->dsn());
  write_history(1, day_0 + 20 * 60'000);
  with_.primary = before.primary();
  Loader after(with_);
  std::thread loading([&] { load(after); });
  told_.await("this is an old primary");
  EXPECT_EQ(rows_of(first_->dsn()), untouched);
  second_->start();
  loading.join();
  EXPECT_EQ(rows_of(first_->dsn()), untouched);
  expect_exactly_once(second_->dsn());
}

INSTANTIATE_TEST_SUITE_P(Servers, Failover, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
