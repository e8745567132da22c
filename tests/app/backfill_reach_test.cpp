// Goal: `perp backfill` reaches half a year back whole, and goes on where an end of any kind left
// it. Method: the program against simulated venues, killed in the middle.
#include "app/set_up_database.hpp"
#include "app/venues.hpp"
#include "warehouse/database.hpp"

#include <perp/core/time.hpp>

#include <csignal>

namespace perp::app::testing {
namespace {

using nlohmann::json;
using warehouse::test::Server;
using warehouse::test::Text;

constexpr std::int64_t day_ms = 86'400'000;

class BackfillReach : public SetUpDatabase {
 protected:
  int count(const std::string& from) const {
    return std::stoi(Text(dsn_).one("SELECT count(*) FROM " + from));
  }
  static std::string span(std::int64_t days) {
    const std::int64_t end = core::wall_now().ns / core::ns_per_ms / day_ms * day_ms;
    return " --from " + std::to_string(end - days * day_ms) + " --to " + std::to_string(end);
  }
};

TEST_P(BackfillReach, HalfAYearOfFiveLengthsAndOfFunding) {
  Venues venues({"--venues", "binance", "--symbols", "2", "--past-days", "182"});
  ASSERT_TRUE(venues.await_addresses(1));
  const Outcome got =
      run("backfill --config " + venues.config() + " --exchanges binance --symbols BTC,ETH" +
          span(180) + db() + " --intervals 5m,15m,1h,4h,1d --data-types klines,funding_rates");
  ASSERT_EQ(got.exit_code, 0) << got.err << got.out;
  for (const char* symbol : {"BTC", "ETH"}) {
    const std::string of = std::string(" WHERE symbol = '") + symbol + "'";
    for (const auto& [interval, rows] :
         {std::pair{"5m", 51'840}, std::pair{"15m", 17'280}, std::pair{"1h", 4'320},
          std::pair{"4h", 1'080}, std::pair{"1d", 180}})
      EXPECT_EQ(count("klines" + of + " AND interval = '" + interval + "'"), rows) << interval;
    EXPECT_EQ(count("funding_rates" + of), 3 * 180) << "a settlement each eight hours";
  }
}

TEST_P(BackfillReach, AKilledRunIsGoneOnWithAndOnlyTheRestIsAskedFor) {
  Venues venues({"--venues", "binance", "--symbols", "2", "--past-days", "182"});
  ASSERT_TRUE(venues.await_addresses(1));
  const std::string days = span(180);
  const int rows = 2 * 180 * (288 + 96);
  Process killed({"backfill", "--config", venues.config(), "--exchanges", "binance", "--symbols",
                  "BTC,ETH", "--from", days.substr(8, 13), "--to", days.substr(days.size() - 13),
                  "--intervals", "5m,15m", "--data-types", "klines", "--batch-size", "500", "--db",
                  dsn_});
  // Its first batch is stored when some of 280 pages are there.
  ASSERT_TRUE(await(60, [&] { return count("klines") > 0; })) << killed.err();
  killed.signal(SIGKILL);
  ASSERT_EQ(killed.wait(), 128 + SIGKILL) << "it was through before: " << killed.err();
  const int stored = count("klines");
  ASSERT_LT(stored, rows) << "it was through before";
  const Outcome second =
      run("backfill --config " + venues.config() + " --exchanges binance --symbols BTC,ETH" + days +
          " --intervals 5m,15m --data-types klines --format json" + db());
  ASSERT_EQ(second.exit_code, 0) << second.err << second.out;
  const json told = json::parse(second.out)["venues"]["binance"];
  EXPECT_EQ(count("klines"), rows);
  EXPECT_EQ(count("klines WHERE interval = '5m' AND symbol = 'BTC'"), 180 * 288);
  EXPECT_GT(told["rows"].get<int>(), 0) << "it had fetched all of it before";
  EXPECT_LE(told["rows"].get<int>(), rows - stored) << "what was stored is not asked for again";
  // A page has 499 rows; the list of contracts is two requests at most. Each series and hole may
  // end in a page that is not full.
  EXPECT_LE(told["requests"].get<int>(), (rows - stored) / 499 + told["holes"].get<int>() + 3);
}

INSTANTIATE_TEST_SUITE_P(Servers, BackfillReach, warehouse::test::both_servers(),
                         warehouse::test::server_name);

}  // namespace
}  // namespace perp::app::testing
