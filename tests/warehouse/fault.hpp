#pragma once
// The fixture of fault tests: a database with the schema on each server, and a history to load.
#include "warehouse/database.hpp"
#include "warehouse/history.hpp"

#include <perp/warehouse/migrate.hpp>

#include <cstdlib>
#include <string>

namespace perp::warehouse::test {

class FaultTest : public DatabaseTest, protected History {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    if (!IsSkipped()) setup(dsn_, {});
  }
  LoaderOptions options() const { return History::options(dsn_); }
  using History::options;
  void expect_exactly_once() const { History::expect_exactly_once(dsn_); }
  /// How many backends of our lanes wait for a lock with a statement that begins so.
  int lanes_that_wait(Text& text, const std::string& statement) const {
    return std::atoi(text.one("SELECT count(*) FROM pg_stat_activity WHERE datname = '" +
                              database_ + "' AND wait_event_type = 'Lock' AND query LIKE '" +
                              statement + "%'")
                         .c_str());
  }
  void make_partition_of_day_0(const std::string& table) const {
    const std::string function =
        GetParam() == Server::plain ? "perp_ensure_partition" : "perp_ensure_chunk";
    Text(dsn_).rows("SELECT " + function + "('" + table + "', " + std::to_string(day_0) + ")");
  }
  void make_partitions_of_day_0() const {
    for (const char* table : {"perp_data", "perp_metrics"}) make_partition_of_day_0(table);
  }
};

/// A number from the environment: the night's longer variants.
inline int number_of(const char* variable, int by_default) {
  const char* wanted = std::getenv(variable);
  return wanted == nullptr || *wanted == '\0' ? by_default : std::atoi(wanted);
}

}  // namespace perp::warehouse::test
