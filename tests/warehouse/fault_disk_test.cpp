// The server's disk is really full: a tablespace on a small file system.
#include "warehouse/cluster.hpp"
#include "warehouse/history.hpp"

#include <perp/warehouse/migrate.hpp>

#include <unistd.h>

#include <memory>
#include <string>
#include <sys/stat.h>

namespace perp::warehouse {
namespace {

using test::day_0;
using test::Loading;
using test::Text;
using test::Told;

// On the common servers: a full tablespace is its databases' trouble alone.
class FullDisk : public test::ClusterTest, protected test::History {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    if (IsSkipped()) return;
    server_dsn_ = std::getenv(test::variable_of(GetParam()));
    Text server(server_dsn_);
    const std::string root = test::root_of(GetParam());
    std::string path = root + "/tmp/perp-disk-XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr) << path;
    path_ = path;
    disk_ = test::SmallDisk::mount(path_, 96);
    if (disk_ == nullptr)
      GTEST_SKIP() << "no file system can be mounted here: a full disk needs root";
    struct stat owner {};
    if (stat((root + server.one("SHOW data_directory")).c_str(), &owner) != 0)
      GTEST_SKIP() << "the server is not on this machine";
    ASSERT_EQ(chown(path_.c_str(), owner.st_uid, owner.st_gid), 0);
    name_ = "perp_disk_" + std::to_string(getpid());
    server.rows("CREATE TABLESPACE " + name_ + " LOCATION '" + path_.substr(root.size()) + "'");
    server.rows("CREATE DATABASE " + name_ + " TABLESPACE " + name_);
    dsn_ = test::with(server_dsn_, {{"dbname", name_}});
    setup(dsn_, {});
  }
  void TearDown() override {
    if (!name_.empty()) {
      Text server(server_dsn_);
      server.rows("DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
      server.rows("CHECKPOINT");  // lets go of the files
      server.rows("DROP TABLESPACE IF EXISTS " + name_);
    }
    disk_.reset();
    if (!path_.empty()) std::filesystem::remove_all(path_);
  }

  std::string server_dsn_;
  std::string dsn_;
  std::string name_;
  std::string path_;
  std::unique_ptr<test::SmallDisk> disk_;
};

TEST_P(FullDisk, IsToldAndWaitedOut) {
  LoaderOptions with = options(dsn_);
  with.flush_ms = 1;
  Told told;
  with.on_event = std::ref(told);
  Loading loading(with);
  write_history(2);
  await_end(loading);
  EXPECT_EQ(loading.loader().progress().retries, 0u);
  disk_->fill_but(64 * 1024);
  write_history(20, day_0 + 2 * 60'000);
  told.await("No space left on device", 4);
  EXPECT_TRUE(told.has("53100"));
  // Whoever watches sees it while it lasts: in the counts, and in how far the loader is.
  const LoadReport progress = loading.loader().progress();
  EXPECT_GE(progress.retries, 3u);
  EXPECT_LT(*std::min_element(progress.cursors.begin(), progress.cursors.end()), journal_.end());
  disk_->make_room();
  await_end(loading);
  EXPECT_EQ(loading.stop().rows_refused, 0u);
  expect_exactly_once(dsn_);
}

INSTANTIATE_TEST_SUITE_P(Servers, FullDisk, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
