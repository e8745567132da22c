#pragma once
// The server of TimescaleDB's Community edition that PERP_TEST_COMMUNITY_DSN names, if it does.
#include "warehouse/database.hpp"

#include <cstdlib>
#include <string>

namespace perp::warehouse::test {

/// Empty: there is none.
inline std::string community_server() {
  const char* dsn = std::getenv("PERP_TEST_COMMUNITY_DSN");
  return dsn == nullptr ? "" : dsn;
}

/// From now on the server's scheduler does nothing by itself to the series of this database, and
/// has ended what it was doing.
inline void hold_policies(const std::string& dsn) {
  Text text(dsn);
  text.rows(
      "SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE "
      "hypertable_name IS NOT NULL");
  while (text.one("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                  "application_name LIKE '% Policy [%'") != "0")
    continue;
}

}  // namespace perp::warehouse::test
