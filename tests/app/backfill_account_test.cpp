// Goal: each run of `perp backfill` leaves an account in the database that others can check, and
// writes in batches as large as it was told. Method: the program against simulated venues, on both
// servers; checksums are computed here from what COPY gives, by OpenSSL.
#include "app/set_up_database.hpp"
#include "app/venues.hpp"
#include "warehouse/database.hpp"

#include <perp/core/time.hpp>

#include <array>
#include <openssl/evp.h>
#include <set>

namespace perp::app::testing {
namespace {

using nlohmann::json;
using warehouse::test::Server;
using warehouse::test::Text;

constexpr std::int64_t hour_ms = 3'600'000;
constexpr std::int64_t day_ms = 86'400'000;

std::string sha256(const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  EXPECT_EQ(EVP_Digest(text.data(), text.size(), bytes.data(), &size, EVP_sha256(), nullptr), 1);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    static constexpr char digits[] = "0123456789abcdef";
    hex += digits[bytes[i] >> 4];
    hex += digits[bytes[i] & 15];
  }
  return hex;
}

/// What `COPY (query) TO STDOUT` gives.
std::string copied(const std::string& dsn, const std::string& query) {
  const std::unique_ptr<PGconn, void (*)(PGconn*)> connection(PQconnectdb(dsn.c_str()), PQfinish);
  PGresult* const begun = PQexec(connection.get(), ("COPY (" + query + ") TO STDOUT").c_str());
  EXPECT_EQ(PQresultStatus(begun), PGRES_COPY_OUT) << PQresultErrorMessage(begun);
  PQclear(begun);
  std::string text;
  char* line = nullptr;
  for (int size; (size = PQgetCopyData(connection.get(), &line, 0)) > 0; PQfreemem(line))
    text.append(line, static_cast<std::size_t>(size));
  return text;
}

class BackfillAccount : public SetUpDatabase {
 protected:
  std::string one(const std::string& sql) const { return Text(dsn_).one(sql); }
  std::vector<std::string> list(const std::string& sql) const { return Text(dsn_).list(sql); }

  const std::int64_t day_ = (core::wall_now().ns / core::ns_per_ms / day_ms - 2) * day_ms;
  const std::string span_ =
      " --from " + std::to_string(day_) + " --to " + std::to_string(day_ + day_ms);
};

TEST_P(BackfillAccount, AVersionOfEachSeriesComputesAgainTheSame) {
  Venues venues({"--venues", "binance", "--symbols", "3", "--seed", "6"});
  ASSERT_TRUE(venues.await_addresses(1));
  const std::string command =
      "backfill --config " + venues.config() + " --exchanges binance --symbols BTC,ETH" + span_ +
      db() + " --intervals 5m,1h --data-types klines,funding_rates,open_interest,long_short_ratio";
  const Outcome first = run(command);
  ASSERT_EQ(first.exit_code, 0) << first.err << first.out;
  EXPECT_EQ(
      list("SELECT concat_ws(' ', table_name, exchange_id, symbol, interval, record_count, "
           "start_date, end_date) FROM data_versions ORDER BY 1"),
      [&] {
        const std::string range = " " + std::to_string(day_) + " " + std::to_string(day_ + day_ms);
        std::vector<std::string> rows;
        for (const char* table : {"funding_rates 1 %  3", "klines 1 % 1h 24", "klines 1 % 5m 288",
                                  "long_short_ratio 1 % 5m 864", "open_interest 1 % 5m 288"})
          for (const char* symbol : {"BTC", "ETH"}) {
            std::string row = table;
            rows.push_back(row.replace(row.find('%'), 1, symbol) + range);
          }
        std::sort(rows.begin(), rows.end());
        return rows;
      }());
  EXPECT_EQ(one("SELECT count(DISTINCT version) FROM data_versions"), "1") << "one run";
  EXPECT_EQ(one("SELECT max(now_ms() - collection_date) < 60000 FROM data_versions"), "t");

  // By hand: columns in the order that docs/warehouse.md says.
  const std::map<std::string, std::pair<std::string, std::string>> columns{
      {"klines",
       {"ts, exchange_id, symbol, interval, close_ts, open, high, low, close, volume, "
        "quote_volume, trade_count, taker_buy_base, taker_buy_quote",
        "AND interval = '%' ORDER BY ts"}},
      {"funding_rates",
       {"ts, exchange_id, symbol, rate, next_rate, mark_price, interval_h, next_ts",
        "ORDER BY ts"}},
      {"open_interest",
       {"ts, exchange_id, symbol, period, open_interest, open_interest_value",
        "AND period = '%' ORDER BY ts"}},
      {"long_short_ratio",
       {"ts, exchange_id, symbol, period, kind, long_short_ratio, long_account, short_account",
        "AND period = '%' ORDER BY ts, kind"}}};
  for (const auto& row : Text(dsn_).rows(
           "SELECT table_name, symbol, interval, checksum FROM data_versions ORDER BY id")) {
    const auto& [names, rest] = columns.at(*row[0]);
    std::string condition = rest;
    if (const std::size_t at = condition.find('%'); at != std::string::npos)
      condition.replace(at, 1, *row[2]);
    std::string hashes;
    for (std::int64_t hour = day_; hour < day_ + day_ms; hour += hour_ms) {
      const std::string text = copied(
          dsn_, "SELECT " + names + " FROM " + *row[0] + " WHERE exchange_id = 1 AND symbol = '" +
                    *row[1] + "' AND ts >= " + std::to_string(hour) + " AND ts < " +
                    std::to_string(hour + hour_ms) + " " + condition);
      if (!text.empty()) hashes += sha256(text) + "\n";
    }
    ASSERT_FALSE(hashes.empty());
    EXPECT_EQ(*row[3], sha256(hashes)) << *row[0] << ' ' << *row[1] << ' ' << *row[2];
  }

  const Outcome same = run("db versions --check" + db());
  EXPECT_EQ(same.exit_code, 0) << same.out << same.err;
  EXPECT_NE(same.err.find("10 of 10 are the same"), std::string::npos) << same.err;
  // Nothing was missing: nothing is a new version.
  ASSERT_EQ(run(command).exit_code, 0);
  EXPECT_EQ(one("SELECT count(*) FROM data_versions"), "10");

  // A value that somebody changed, and a row that somebody took.
  const std::string row =
      " WHERE symbol = 'BTC' AND interval = '5m' AND ts = " + std::to_string(day_ + 10 * hour_ms);
  const std::string close = one("SELECT close FROM klines" + row);
  Text(dsn_).rows("UPDATE klines SET close = close * (1 + 1e-15)" + row);
  ASSERT_NE(one("SELECT close FROM klines" + row), close);
  const Outcome changed = run("db versions --check --format json" + db());
  EXPECT_EQ(changed.exit_code, 1);
  int differ = 0;
  for (const json& of : json::parse(changed.out))
    if (of["is_same"] == false || of["is_same"] == 0) {
      ++differ;
      EXPECT_EQ(of["table"], "klines");
      EXPECT_EQ(of["symbol"], "BTC");
      EXPECT_EQ(of["interval"], "5m");
      EXPECT_EQ(of["rows_now"], 288);
    }
  EXPECT_EQ(differ, 1);
  Text(dsn_).rows("DELETE FROM klines" + row);
  EXPECT_EQ(run("db versions --check" + db()).exit_code, 1);
  // Fetched again it is the same data, and a version of its own.
  ASSERT_EQ(run(command).exit_code, 0);
  EXPECT_EQ(one("SELECT count(*) || ' ' || count(DISTINCT checksum) FROM data_versions WHERE "
                "symbol = 'BTC' AND interval = '5m' AND table_name = 'klines'"),
            "2 1");
  EXPECT_EQ(run("db versions --check" + db()).exit_code, 0);
  EXPECT_EQ(json::parse(run("db versions --limit 1 --format json" + db()).out)[0]["rows"], 288);
}

TEST_P(BackfillAccount, AnEventForEachRunVenueAndType) {
  Venues venues({"--venues", "binance,bybit", "--symbols", "3"});
  ASSERT_TRUE(venues.await_addresses(2));
  venues.addresses()["bybit"].second = "https://127.0.0.1:1";
  venues.write_config("haste = 30\n");  // a minute's patience is two seconds
  const std::string command = "backfill --config " + venues.config() +
                              " --exchanges binance,bybit --symbols BTC" + span_ + db() +
                              " --intervals 1h --data-types klines,funding_rates";
  for (int runs = 1; runs <= 2; ++runs) {
    EXPECT_EQ(run(command).exit_code, 3);
    const std::string n = std::to_string(runs);
    EXPECT_EQ(list("SELECT concat_ws(' ', exchange_id, event_type, status, count(*)) FROM "
                   "ingest_events GROUP BY exchange_id, event_type, status ORDER BY 1"),
              (std::vector<std::string>{
                  "1 backfill funding_rates complete " + n, "1 backfill klines complete " + n,
                  "2 backfill funding_rates failed " + n, "2 backfill klines failed " + n}));
  }
  EXPECT_EQ(one("SELECT message FROM ingest_events WHERE exchange_id = 2 LIMIT 1"),
            "it did not give its list of instruments");
  EXPECT_EQ(one("SELECT max(now_ms() - ts) < 60000 FROM ingest_events"), "t");
}

TEST_P(BackfillAccount, WritesAreAsLargeAsTheBatchSizeSays) {
  Venues venues({"--venues", "binance", "--symbols", "3"});
  ASSERT_TRUE(venues.await_addresses(1));
  // So that the number of rows alone ends a batch.
  venues.write_config("loader.flush_ms = 600000\n");
  const std::string command = "backfill --config " + venues.config() +
                              " --exchanges binance --symbols BTC --days 10 --intervals 5m "
                              "--data-types klines" +
                              db();
  // Rows that one transaction wrote have its number.
  const auto largest = [&] {
    return std::stoi(one("SELECT max(n) FROM (SELECT count(*) AS n FROM klines GROUP BY xmin) w"));
  };
  ASSERT_EQ(run(command + " --batch-size 500").exit_code, 0);
  EXPECT_GE(std::stoi(one("SELECT count(*) FROM klines")), 2870);
  EXPECT_EQ(largest(), 500);
  EXPECT_GE(std::stoi(one("SELECT count(*) FROM (SELECT FROM klines GROUP BY xmin HAVING count(*) "
                          "= 500) w")),
            4)
      << "but the last ones";
  Text(dsn_).rows("TRUNCATE klines");
  ASSERT_EQ(run(command + " --batch-size 700 --journal " + venues.journal() + "2").exit_code, 0);
  EXPECT_EQ(largest(), 700);
  EXPECT_EQ(run(command + " --batch-size 0").exit_code, 2);
}

// Hyperliquid does not tell when a contract was listed; the other venues do.
TEST_P(BackfillAccount, TheBeginningIsFoundOnceForAllSeriesAndKept) {
  Venues venues({"--venues", "hyperliquid", "--symbols", "3", "--past-days", "6"});
  ASSERT_TRUE(venues.await_addresses(1));
  const std::string command = "backfill --config " + venues.config() +
                              " --exchanges hyperliquid --symbols BTC,ETH --from listing "
                              "--intervals 1h,4h,1d --data-types klines,funding_rates "
                              "--format json" +
                              db();
  const Outcome first = run(command);
  ASSERT_EQ(first.exit_code, 0) << first.err << first.out;
  EXPECT_EQ(json::parse(first.out)["venues"]["hyperliquid"]["discoveries"], 2)
      << "one of each contract, whatever series are wanted";
  EXPECT_EQ(list("SELECT concat_ws(' ', exchange_id, symbol, interval, api_calls_used) FROM "
                 "kline_discovery_cache ORDER BY symbol"),
            (std::vector<std::string>{"4 BTC 1d 1", "4 ETH 1d 1"}));
  for (const char* symbol : {"BTC", "ETH"}) {
    const std::string of = std::string(" WHERE symbol = '") + symbol + "'";
    EXPECT_EQ(one("SELECT earliest_ts FROM kline_discovery_cache" + of),
              one("SELECT min(ts) FROM klines" + of + " AND interval = '1d'"));
    // The market began six days before it was served; what was before the first whole day is
    // there as well.
    EXPECT_EQ(one("SELECT count(DISTINCT ts / 86400000) BETWEEN 6 AND 8 FROM klines" + of +
                  " AND interval = '1h'"),
              "t");
    EXPECT_EQ(one("SELECT min(f.ts) - min(k.ts) BETWEEN 0 AND 3600000 FROM (SELECT min(ts) AS ts "
                  "FROM funding_rates" +
                  of + ") f, (SELECT min(ts) AS ts FROM klines" + of + " AND interval = '1h') k"),
              "t");
  }
  const Outcome second = run(command);
  ASSERT_EQ(second.exit_code, 0) << second.err << second.out;
  EXPECT_EQ(json::parse(second.out)["venues"]["hyperliquid"]["discoveries"], 0);
  EXPECT_EQ(
      json::parse(run(command + " --force-refetch").out)["venues"]["hyperliquid"]["discoveries"],
      2);
}

INSTANTIATE_TEST_SUITE_P(Servers, BackfillAccount, warehouse::test::both_servers(),
                         warehouse::test::server_name);

}  // namespace
}  // namespace perp::app::testing
