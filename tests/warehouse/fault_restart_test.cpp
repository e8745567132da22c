// The server goes away in the middle of a batch, in every way, and comes back by being started
// again: nothing lost, nothing doubled.
#include "warehouse/cluster.hpp"
#include "warehouse/history.hpp"

#include <perp/warehouse/migrate.hpp>

#include <csignal>
#include <filesystem>
#include <optional>

namespace perp::warehouse {
namespace {

using test::day_0;
using test::Loading;
using test::Text;
using test::Told;

class Restart : public test::ClusterTest, protected test::History {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    if (IsSkipped()) return;
    cluster_.emplace(GetParam());
    setup(cluster_->dsn(), {});
  }
  LoaderOptions following() {
    LoaderOptions out = options(cluster_->dsn());
    out.batch_rows = 100;
    out.flush_ms = 5;
    out.on_event = std::ref(told_);
    return out;
  }
  /// The process of a lane that has sent perp_data and waits for a lock on perp_metrics: nothing
  /// ends it but what the test does.
  static pid_t process_in_a_batch(Text& text) {
    for (;;) {
      const std::string pid = text.one(
          "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name "
          "LIKE "
          "'perp loader lane%' LIMIT 1");
      if (!pid.empty()) return std::atoi(pid.c_str());
    }
  }

  std::optional<test::Cluster> cluster_;
  Told told_;
};

enum class End { stop, quit, kill_postmaster, kill_backend };

TEST_P(Restart, AServerThatIsStoppedOrKilledInABatchComesBack) {
  write_history(3);
  Loading loading(following());
  await_end(loading);
  int round = 0;
  for (const End end : {End::stop, End::quit, End::kill_postmaster, End::kill_backend}) {
    const std::size_t given_up = told_.count("connection given up");
    Text blocker(cluster_->dsn()), text(cluster_->dsn());
    blocker.rows("BEGIN");
    blocker.rows("LOCK TABLE perp_metrics IN EXCLUSIVE MODE");
    write_history(3, day_0 + 6 * ++round * 60'000);
    const pid_t backend = process_in_a_batch(text);
    switch (end) {
      case End::stop: cluster_->stop(); break;
      case End::quit: cluster_->signal(SIGQUIT); break;  // no checkpoint: recovery at the start
      case End::kill_postmaster: cluster_->signal(SIGKILL); break;
      case End::kill_backend: ASSERT_EQ(kill(backend, SIGKILL), 0); break;
    }
    told_.await("connection given up", given_up + 1);
    write_history(3, day_0 + (6 * round + 3) * 60'000);  // meanwhile the venues go on
    if (end != End::kill_backend) cluster_->start();     // else the server recovers by itself
    await_end(loading);
  }
  EXPECT_GE(loading.stop().reconnects, 4u);
  expect_exactly_once(cluster_->dsn());
}

// The write-ahead log has nowhere to go: PostgreSQL ends every session, and itself if it cannot
// even recover.
TEST_P(Restart, ALogDiskThatIsFullIsWaitedOut) {
  const std::string log = cluster_->data() + "/pg_wal";
  cluster_->stop();
  std::filesystem::rename(log, log + ".moved");
  std::filesystem::create_directory(log);
  const auto disk = test::SmallDisk::mount(log, 160);
  if (disk == nullptr) GTEST_SKIP() << "no file system can be mounted here: a full disk needs root";
  std::filesystem::copy(log + ".moved", log, std::filesystem::copy_options::recursive);
  test::run("chown -R --reference=" + log + ".moved " + log);
  cluster_->hand_over(log, 0700);
  cluster_->start();
  Loading loading(following());
  write_history(2);
  await_end(loading);
  const pid_t postmaster = cluster_->postmaster();
  disk->fill_but(0);
  try {  // somebody else's doing fills what is left of the last file
    Text other(cluster_->dsn());
    for (;;) other.rows("SELECT pg_logical_emit_message(false, 'fill', repeat('x', 1000000))");
  } catch (const std::runtime_error&) {
  }
  write_history(4, day_0 + 10 * 60'000);
  told_.await("lane 0");
  told_.await("lane 1");
  disk->make_room();
  while (!test::answers(cluster_->dsn()))  // it recovers by itself, or has ended
    if (kill(postmaster, 0) != 0) cluster_->start();
  await_end(loading);
  EXPECT_GE(loading.stop().reconnects, 1u);
  expect_exactly_once(cluster_->dsn());
  cluster_->stop();  // before its disk goes
}

INSTANTIATE_TEST_SUITE_P(Servers, Restart, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
