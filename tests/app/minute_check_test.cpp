// Goal: the minutes of a warehouse are compared with a simulated market's truth, and a changed one
// is found. Method: a recording is replayed into a real database, then one value is changed.
#include "app/minute_check.hpp"

#include "app/program.hpp"

#include <perp/core/error.hpp>
#include <perp/warehouse/connection.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>

namespace perp::app::testing {
namespace {

TEST(MinuteCheck, FindsAValueThatTheMarketDidNotMake) {
  const char* const admin = std::getenv("PERP_TEST_PLAIN_DSN");
  if (admin == nullptr || *admin == '\0')
    GTEST_SKIP() << "PERP_TEST_PLAIN_DSN is not set: scripts/test-databases starts the servers";
  const std::string database = "perp_minutes_" + std::to_string(getpid());
  warehouse::Connection(admin).execute("CREATE DATABASE " + database);
  const std::string dsn = std::string(admin) + " dbname=" + database;
  const Folder folder;
  ASSERT_EQ(run("sim record " + folder.path() + " --seed 5 --minutes 5 --symbols 2").exit_code, 0);
  const std::string db = " --db '" + dsn + "'";
  ASSERT_EQ(run("db setup" + db + " --venues binance,bybit,okx,hyperliquid").exit_code, 0);
  ASSERT_EQ(run("replay " + folder.path() + " --journal " + (folder / "journal") + db).exit_code,
            0);
  const MinuteCheck good = check_minutes(folder / "truth.csv", dsn);
  EXPECT_EQ(good.minutes, 4U * 2U * 5U);
  EXPECT_GT(good.compared, 7U * 4U * 2U * 2U);
  EXPECT_EQ(good.different, 0U) << (good.examples.empty() ? "" : good.examples[0]);

  warehouse::Connection(dsn).execute(
      "UPDATE perp_data SET h = h * 1.00001 WHERE perpspec = 'bin-ohlcv' AND symbol = 'BTC' AND "
      "ts = (SELECT max(ts) FROM perp_data WHERE perpspec = 'bin-ohlcv' AND symbol = 'BTC' AND h "
      "IS NOT NULL)");
  const MinuteCheck bad = check_minutes(folder / "truth.csv", dsn);
  EXPECT_EQ(bad.different, 1U);
  ASSERT_EQ(bad.examples.size(), 1U);
  EXPECT_NE(bad.examples[0].find("bin-ohlcv BTC"), std::string::npos) << bad.examples[0];

  warehouse::Connection(dsn).execute("DELETE FROM perp_data WHERE symbol = 'ETH'");
  EXPECT_GE(check_minutes(folder / "truth.csv", dsn).without, 20U);
  EXPECT_THROW(check_minutes(folder / "nothing.csv", dsn), core::Error);
  warehouse::Connection(admin).execute("DROP DATABASE " + database + " WITH (FORCE)");
}

}  // namespace
}  // namespace perp::app::testing
