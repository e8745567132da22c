#pragma once
// A database of the test's own on each of the servers that scripts/test-databases starts; dropped
// with the test.
#include <perp/warehouse/connection.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <string>

namespace perp::app::testing {

struct Server {
  const char* name;
  const char* variable;  ///< of the environment: its DSN
};

class ServerTest : public ::testing::TestWithParam<Server> {
 protected:
  void SetUp() override {
    const char* dsn = std::getenv(GetParam().variable);
    if (dsn == nullptr || *dsn == '\0')
      GTEST_SKIP() << GetParam().variable
                   << " is not set: scripts/test-databases starts the servers";
    admin_ = dsn;
    database_ = "perp_app_" + std::to_string(getpid()) + "_" + GetParam().name;
    warehouse::Connection(admin_).execute("CREATE DATABASE " + database_);
    dsn_ = admin_ + " dbname=" + database_;  // the last dbname of a DSN wins
  }
  void TearDown() override {
    if (!database_.empty())
      warehouse::Connection(admin_).execute("DROP DATABASE " + database_ + " WITH (FORCE)");
  }
  std::string db() const { return "--db '" + dsn_ + "'"; }

  std::string admin_;
  std::string database_;
  std::string dsn_;
};

}  // namespace perp::app::testing
