// Goal: what `perp metrics` computes from perp_data is, byte for byte, what the live path stored;
// and its commands are what their help says. Method: a simulated market replayed into a real
// database, perp_metrics emptied and made again. Once per server that is at hand.
#include "app/process.hpp"
#include "app/program.hpp"
#include "app/server.hpp"

#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/metrics_calc.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include <csignal>
#include <string>

namespace perp::app::testing {
namespace {

using nlohmann::json;

class MetricsEndToEnd : public ServerTest {
 protected:
  std::string one(const std::string& sql) const {
    return std::string(warehouse::Connection(dsn_).query(sql).columns.at(0).text(0));
  }
  /// Every column of every row, in order.
  std::string digest() const {
    return one(
        "SELECT count(*)::text || ' ' || coalesce(md5(string_agg(m::text, E'\\n' ORDER BY ts, "
        "symbol, perpspec)), '') FROM perp_metrics m");
  }
  std::string statuses() const {
    return one(
        "SELECT coalesce(string_agg(status, ',' ORDER BY task_id), '') FROM perp_status WHERE "
        "script_name = "
        "'perp metrics calc'");
  }

  Folder folder_;
};

TEST_P(MetricsEndToEnd, WhatIsComputedAgainIsWhatTheLivePathStored) {
  ASSERT_EQ(run("sim record " + folder_.path() + " --seed 21 --minutes 60 --symbols 5").exit_code,
            0);
  ASSERT_EQ(run("db setup " + db() + " --venues binance,bybit,okx,hyperliquid").exit_code, 0);
  ASSERT_EQ(run("replay " + folder_.path() + " " + db()).exit_code, 0);
  const std::string live = digest();
  ASSERT_GT(std::stoll(live), 60 * 5 * 15);

  const std::int64_t first = std::stoll(one("SELECT min(ts)::text FROM perp_data"));
  const std::int64_t last = std::stoll(one("SELECT max(ts)::text FROM perp_data"));
  warehouse::MetricsOptions options;
  options.dsn = dsn_;
  // As it is: nothing differs, so nothing is written.
  const warehouse::MetricsReport same = warehouse::backfill_metrics(options, first, last + 1, 2);
  EXPECT_EQ(same.rows_made, std::stoll(live));
  EXPECT_EQ(same.rows_inserted + same.rows_updated, 0);
  // From nothing.
  warehouse::Connection(dsn_).execute("TRUNCATE perp_metrics");
  EXPECT_EQ(warehouse::backfill_metrics(options, first, last + 1, 2).rows_inserted,
            std::stoll(live));
  EXPECT_EQ(digest(), live);
  // Spoilt, a symbol of one venue at a time.
  warehouse::Connection(dsn_).execute(
      "UPDATE perp_metrics SET c_chg_1m = 7, source = 'x', v = NULL WHERE perpspec = 'okx-ohlcv'");
  const Outcome reset = run("metrics reset --perpspec okx-ohlcv --from " + std::to_string(first) +
                            " --to " + std::to_string(last + 1) + " --format json " + db());
  ASSERT_EQ(reset.exit_code, 0) << reset.err;
  EXPECT_EQ(json::parse(reset.out)["rows_deleted"], json::parse(reset.out)["rows_inserted"]);
  EXPECT_EQ(digest(), live);
  // By passes, each over the last 25 minutes of its time.
  warehouse::Connection(dsn_).execute("TRUNCATE perp_metrics");
  for (std::int64_t now = first; now < last + 20 * 60'000; now += 20 * 60'000)
    warehouse::calc_metrics(options, {}, now);
  EXPECT_EQ(digest(), live);
}

TEST_P(MetricsEndToEnd, OnePassAndItsRefusals) {
  EXPECT_EQ(run("metrics calc " + db()).exit_code, 1) << "no schema";
  ASSERT_EQ(run("db setup " + db() + " --perpspec bin-x:c,v").exit_code, 0);
  EXPECT_EQ(one("SELECT count(*)::text FROM perpspec_schema"), "20");
  const Outcome calc = run("metrics calc --format json " + db());
  EXPECT_EQ(calc.exit_code, 0) << calc.err;
  EXPECT_EQ(json::parse(calc.out)["rows_made"], 0);
  EXPECT_EQ(statuses(), "started,running,complete,stopped");
  const Outcome windows = run("metrics calc --windows 1,3 " + db());
  EXPECT_EQ(windows.exit_code, 1);
  EXPECT_NE(windows.err.find("3 minutes"), std::string::npos) << windows.err;
  EXPECT_TRUE(statuses().ends_with(",started,error")) << statuses();
  EXPECT_EQ(run("metrics backfill --days 2 --parallel 3 " + db()).exit_code, 0);
  EXPECT_EQ(run("metrics reset --from 2026-11-01 --to 2026-11-02 " + db()).exit_code, 1);
  EXPECT_EQ(run("metrics reset --symbol SOL " + db()).exit_code, 2);
  EXPECT_EQ(run("metrics " + db()).exit_code, 2);
  EXPECT_EQ(run("metrics calc --interval 0 " + db()).exit_code, 2);
}

TEST_P(MetricsEndToEnd, TheRegistryByHand) {
  ASSERT_EQ(run("db setup " + db()).exit_code, 0);
  const Outcome vwap = run("perpspec add bin-vwap ts,symbol,source,perpspec,interval,vwap " + db());
  EXPECT_EQ(vwap.exit_code, 2);
  EXPECT_NE((vwap.err + vwap.out).find("vwap is not a column of perp_data"), std::string::npos)
      << vwap.err;
  EXPECT_EQ(
      run("perpspec add bin-vwap vwap --create-columns --native-interval 300 " + db()).exit_code,
      0);
  EXPECT_EQ(run("perpspec add bin-ohlcv c " + db()).exit_code, 2);
  const json all = json::parse(run("perpspec list --format json " + db()).out);
  EXPECT_EQ(all.size(), 20u);
  const json shown = json::parse(run("perpspec show bin-vwap --format json " + db()).out);
  EXPECT_EQ(shown[0]["fields"], "vwap");
  EXPECT_EQ(shown[0]["native_interval_ms"], 300'000);
  EXPECT_NE(run("perpspec show bin-tv " + db()).out.find("tbv,tsv"), std::string::npos);
  EXPECT_EQ(run("perpspec show bin-none " + db()).exit_code, 1);
}

TEST_P(MetricsEndToEnd, FollowingEndsWellWhenItIsTold) {
  ASSERT_EQ(run("db setup " + db()).exit_code, 0);
  for (const int number : {SIGTERM, SIGINT}) {
    warehouse::Connection(dsn_).execute("TRUNCATE perp_status");
    Process following({"metrics", "calc", "-c", "--interval", "1", "--db", dsn_});
    EXPECT_TRUE(await(20, [&] { return statuses().starts_with("started,running,running"); }));
    following.signal(number);
    EXPECT_EQ(following.wait(), 0) << following.err();
    EXPECT_TRUE(statuses().ends_with(",stopped")) << statuses();
  }
}

INSTANTIATE_TEST_SUITE_P(Servers, MetricsEndToEnd,
                         ::testing::Values(Server{"plain", "PERP_TEST_PLAIN_DSN"},
                                           Server{"timescale", "PERP_TEST_TIMESCALE_DSN"}),
                         [](const auto& server) { return std::string(server.param.name); });

}  // namespace
}  // namespace perp::app::testing
