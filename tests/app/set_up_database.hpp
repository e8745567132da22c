#pragma once
// Tests of the program against a database with perp's tables.
#include "app/program.hpp"
#include "warehouse/database.hpp"

#include <string>

namespace perp::app::testing {

class SetUpDatabase : public warehouse::test::DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    if (!IsSkipped()) {
      ASSERT_EQ(run("db setup" + db()).exit_code, 0);
    }
  }
  /// The option that leads to it.
  std::string db() const { return " --db '" + dsn_ + "'"; }
};

}  // namespace perp::app::testing
