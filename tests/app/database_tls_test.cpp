// A server that takes nothing but TLS: the program goes there with a DSN that names the authority,
// and nowhere with another authority or without TLS.
#include "app/program.hpp"
#include "warehouse/cluster.hpp"
#include "warehouse/history.hpp"

#include <perp/sim/certificates.hpp>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

namespace perp::app::testing {
namespace {

using warehouse::test::Cluster;
using warehouse::test::Loading;
using warehouse::test::Text;

class DatabaseTls : public warehouse::test::ClusterTest, protected warehouse::test::History {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    if (IsSkipped()) return;
    cluster_.emplace(GetParam());
    const sim::CertificateFiles files = sim::certificate_files(certificates_.path());
    const std::string data = cluster_->data();
    for (const auto& [from, to] : {std::pair(files.certificate_file, data + "/server.crt"),
                                   std::pair(files.key_file, data + "/server.key")}) {
      std::filesystem::copy_file(from, to);
      cluster_->hand_over(to, 0600);
    }
    std::ofstream(data + "/pg_hba.conf") << "local all all scram-sha-256\n"
                                            "hostssl all all 127.0.0.1/32 scram-sha-256\n";
    cluster_->configure("ssl = on");
    cluster_->stop();
    cluster_->start();
    ca_ = files.ca_file;
  }
  std::string certified(const std::string& ca, const std::string& mode = "verify-full") const {
    return warehouse::test::with(cluster_->dsn(), {{"sslmode", mode}, {"sslrootcert", ca}});
  }

  Folder certificates_;
  std::optional<Cluster> cluster_;
  std::string ca_;
};

TEST_P(DatabaseTls, VerifiedWorksAndAnythingLessIsRefused) {
  const auto program = [](const std::string& dsn) { return run("db setup --db \"" + dsn + "\""); };
  Outcome outcome = program(certified(ca_));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  Folder other;
  const std::string other_ca = sim::certificate_files(other.path()).ca_file;
  outcome = program(certified(other_ca));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("certificate verify failed"), std::string::npos) << outcome.err;
  outcome = program(certified(ca_, "disable"));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("no encryption"), std::string::npos) << outcome.err;

  // A loader waits for what may be mended, and says what it is.
  write_history(2);
  warehouse::LoaderOptions with = options(certified(other_ca));
  warehouse::test::Told told;
  with.on_event = std::ref(told);
  {
    Loading loading(with);
    told.await("certificate verify failed", 2);
    loading.stop();
  }
  with.dsn = certified(ca_);
  load(with);
  expect_exactly_once(with.dsn);
  EXPECT_EQ(Text(with.dsn).one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"), "t");
}

INSTANTIATE_TEST_SUITE_P(Servers, DatabaseTls, warehouse::test::both_servers(),
                         warehouse::test::server_name);

}  // namespace
}  // namespace perp::app::testing
