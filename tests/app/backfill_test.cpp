// Goal: the past that the venues keep gets into the warehouse whole, once, and equal to what the
// simulated markets did. Method: the program against simulated venues over TLS; what their markets
// did is their own truth.csv, written from the model's integers.
#include "app/venues.hpp"
#include "warehouse/database.hpp"

#include <perp/journal/reader.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/sim/truth_log.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <tuple>

namespace perp::app::testing {
namespace {

using nlohmann::json;
using warehouse::test::Server;
using warehouse::test::Text;

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t day_ms = 86'400'000;

using Key = std::tuple<std::string, std::string, std::int64_t>;  // venue, symbol, ts
using Candle = std::array<double, 7>;                            // o h l c v tbv tsv

std::map<Key, Candle> true_candles(const std::string& path) {
  std::map<Key, Candle> candles;
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  EXPECT_TRUE(line.starts_with("venue,symbol,minute_ts_ms,o,h,l,c,v_quote,tbv,tsv,")) << line;
  while (std::getline(in, line)) {
    std::stringstream text(line);
    std::vector<std::string> cells;
    for (std::string cell; std::getline(text, cell, ',') && cells.size() < 10;)
      cells.push_back(cell);
    if (cells.size() < 10 || cells[3].empty()) continue;
    Candle candle{};
    for (std::size_t i = 0; i < candle.size(); ++i) candle[i] = std::stod(cells[3 + i]);
    candles[{cells[0], cells[1], std::stoll(cells[2])}] = candle;
  }
  return candles;
}

/// The minutes that a journal concluded, the last of each key.
std::map<Key, Candle> concluded_candles(const std::string& journal) {
  std::map<Key, Candle> candles;
  journal::Reader reader(journal);
  while (const market::RecordHeader* record = reader.next()) {
    if (record->type != market::RecordType::minute) continue;
    const auto& minute = market::payload<market::Minute>(*record);
    const auto kind = market::kind_of(static_cast<market::PerpspecId>(minute.perpspec));
    if (kind != market::SpecKind::ohlcv && kind != market::SpecKind::tv) continue;
    auto [found, is_new] =
        candles.try_emplace({std::string(market::find_venue(record->venue)->key),
                             std::string(reader.find_instrument(record->instrument)->base.view()),
                             minute.open_ns / core::ns_per_ms});
    if (is_new) found->second.fill(std::nan(""));
    static constexpr auto columns =
        std::to_array<std::string_view>({"o", "h", "l", "c", "v", "tbv", "tsv"});
    for (const market::MinuteValue& value : market::values(minute))
      for (std::size_t i = 0; i < columns.size(); ++i)
        if (value.column < market::column_count && market::columns[value.column].name == columns[i])
          found->second[i] = value.value;
  }
  return candles;
}

void expect_equal(double found, double expected, const std::string& what) {
  EXPECT_LE(std::abs(found - expected), 1e-9 * std::abs(expected))
      << what << ' ' << found << " is not " << expected;
}

TEST(Backfill, TenDaysOfEachVenueAreWhatItsMarketsDid) {
  Venues venues({"--symbols", "5", "--seed", "7", "--truth-days", "11"});
  ASSERT_TRUE(venues.await_addresses(4));
  // OKX grants 100 rows a request and ten requests a second: one contract is enough there.
  venues.write_config(
      "exchanges.okx.symbols = [\"BTC\"]\nexchanges.bybit.symbols = [\"BTC\"]\n"
      "symbols = [\"BTC\", \"ETH\", \"XRP\", \"SOL\"]\n");
  const std::int64_t begin_ms = core::wall_now().ns / core::ns_per_ms;
  const Outcome got = run("backfill --config " + venues.config() + " --format json");
  ASSERT_EQ(got.exit_code, 0) << got.err << got.out;
  const json report = json::parse(got.out);
  EXPECT_EQ(report["whole"], true);
  EXPECT_NE(got.err.find("requests, "), std::string::npos) << "progress is told: " << got.err;
  EXPECT_NE(report["venues"]["hyperliquid"]["limits"].dump().find("1-minute candles for 3.5 days"),
            std::string::npos)
      << report.dump(1);

  const std::map<Key, Candle> expected = true_candles(venues.truth());
  const std::map<Key, Candle> found = concluded_candles(venues.journal());
  const std::vector<std::pair<std::string, std::string>> series{
      {"binance", "BTC"}, {"binance", "ETH"}, {"binance", "XRP"}, {"binance", "SOL"},
      {"binance", "MT"},  {"bybit", "BTC"},   {"okx", "BTC"},     {"hyperliquid", "BTC"}};
  for (const auto& [venue, symbol] : series) {
    const std::int64_t days = venue == "hyperliquid" ? 3 : 10;
    std::size_t count = 0;
    std::int64_t first = 0;
    std::int64_t last = 0;
    for (auto at = found.lower_bound({venue, symbol, 0});
         at != found.end() && std::get<0>(at->first) == venue && std::get<1>(at->first) == symbol;
         ++at) {
      last = std::get<2>(at->first);
      if (count++ == 0) first = last;
    }
    ASSERT_GT(count, 0U) << venue << ' ' << symbol;
    EXPECT_EQ(count, static_cast<std::size_t>((last - first) / minute_ms) + 1)
        << venue << ' ' << symbol << " has holes";
    EXPECT_LE(begin_ms - last, 3 * minute_ms);
    if (venue == "hyperliquid")
      EXPECT_NEAR(static_cast<double>(count), 4995, 3);  // it has the newest 5000
    else
      EXPECT_NEAR(static_cast<double>(count), 14'400, 2) << venue << ' ' << symbol;
    EXPECT_GE(last - first, days * day_ms - 3 * minute_ms);
    for (std::int64_t ts = first; ts <= last; ts += minute_ms) {
      const Candle& row = found.at({venue, symbol, ts});
      Candle wanted{};
      if (symbol == "MT") {
        for (const char* member : {"ETH", "BTC", "XRP", "SOL"}) {
          const Candle& one = expected.at({venue, member, ts});
          for (std::size_t i = 0; i < 4; ++i) wanted[i] += one[i] / 4;
          wanted[4] += one[4];
        }
      } else {
        wanted = expected.at({venue, symbol, ts});
      }
      for (std::size_t i = 0; i < 5; ++i) {
        // Bybit, OKX and Binance tell quote volumes; Hyperliquid none.
        if (i == 4 && venue == "hyperliquid") continue;
        expect_equal(row[i], wanted[i], venue + ' ' + symbol + ' ' + std::to_string(ts));
      }
      if (venue == "binance" && symbol != "MT")
        for (std::size_t i = 5; i < 7; ++i)
          expect_equal(row[i], wanted[i], "taker volume of " + symbol);
      if (::testing::Test::HasFailure()) return;
    }
  }

  // Again: nothing is missing but what has closed since.
  const json again =
      json::parse(run("backfill --config " + venues.config() + " --format json").out);
  EXPECT_LE(again["venues"]["binance"]["rows"], 4 * 2 * 15);
  // Of two days more only those are asked for.
  const json more = json::parse(
      run("backfill --config " + venues.config() +
          " --exchanges binance --symbols BTC --days 11 --data-types klines --format json")
          .out);
  // The last minute may have ended and not be a candle yet.
  EXPECT_GE(more["venues"]["binance"]["rows"], 1440 - 1);
  EXPECT_LE(more["venues"]["binance"]["rows"], 1440 + 60);
}

TEST(Backfill, RefusesWhatNoVenueHasAndNamesWhatItAccepts) {
  const Outcome type = run("backfill --symbols BTC --data-types klines,candles");
  EXPECT_EQ(type.exit_code, 2);
  EXPECT_NE(
      type.err.find(
          "'candles' is none of klines, funding_rates, open_interest, long_short_ratio, trades"),
      std::string::npos)
      << type.err;
  const Outcome interval = run("backfill --symbols BTC --intervals 7m");
  EXPECT_EQ(interval.exit_code, 2);
  EXPECT_NE(interval.err.find("'7m'"), std::string::npos) << interval.err;
  EXPECT_EQ(run("backfill --symbols BTC --from 2026-01-02 --to 2026-01-01").exit_code, 2);
  EXPECT_EQ(run("backfill --symbols BTC --from 2026-01-02 --days 3").exit_code, 2);
  EXPECT_EQ(run("backfill --days 0").exit_code, 2);
}

TEST(Backfill, OneFailingVenueDoesNotKeepTheOthersAndASymbolThatIsNoneIsSkipped) {
  Venues venues({"--venues", "binance,bybit", "--symbols", "3"});
  ASSERT_TRUE(venues.await_addresses(2));
  venues.addresses()["bybit"].second = "https://127.0.0.1:1";
  venues.write_config("haste = 30\n");  // a minute's patience is two seconds
  const Outcome got = run("backfill --config " + venues.config() +
                          " --exchanges binance,bybit --symbols BTC,NOSUCH --days 1 --format json");
  EXPECT_EQ(got.exit_code, 3) << got.err;
  const json report = json::parse(got.out);
  EXPECT_EQ(report["whole"], false);
  EXPECT_EQ(report["venues"]["binance"]["failure"], "");
  EXPECT_GE(report["venues"]["binance"]["rows"], 1440);
  EXPECT_NE(report["venues"]["bybit"]["failure"], "");
  EXPECT_EQ(report["venues"]["binance"]["unknown"], json::array({"NOSUCH"}));
  EXPECT_NE(got.err.find("no contract is called 'NOSUCH'"), std::string::npos) << got.err;
  // Without the failing venue it is whole, the unknown symbol notwithstanding.
  EXPECT_EQ(run("backfill --config " + venues.config() +
                " --exchanges binance --symbols BTC,NOSUCH --days 1")
                .exit_code,
            0);
  // Of the venue that was not named nobody asked anything.
  const json served = venues.end();
  for (const json& venue : served["venues"])
    if (venue["venue"] == "bybit") {
      EXPECT_EQ(venue["requests"], 0);
    }
}

class BackfillInto : public warehouse::test::DatabaseTest {};

TEST_P(BackfillInto, ADayIsStoredOnceAndHolesAreAskedForAlone) {
  Venues venues({"--venues", "binance", "--symbols", "5", "--seed", "5"});
  ASSERT_TRUE(venues.await_addresses(1));
  const std::string db = " --db '" + dsn_ + "'";
  ASSERT_EQ(run("db setup" + db).exit_code, 0);
  const std::int64_t day = (core::wall_now().ns / core::ns_per_ms / day_ms - 2) * day_ms;
  const std::string span =
      " --from " + std::to_string(day) + " --to " + std::to_string(day + day_ms);
  const std::string command =
      "backfill --config " + venues.config() +
      " --exchanges binance --symbols ETH,BTC,XRP,SOL --intervals 1m,5m,1h" + span + db +
      " --format json";
  const Outcome first = run(command);
  ASSERT_EQ(first.exit_code, 0) << first.err << first.out;
  Text text(dsn_);
  const auto count = [&](const std::string& from) {
    return text.one("SELECT count(*) FROM " + from);
  };
  EXPECT_EQ(count("klines WHERE symbol = 'BTC' AND interval = '1m'"), "1440");
  EXPECT_EQ(count("klines WHERE symbol = 'BTC' AND interval = '5m'"), "288");
  EXPECT_EQ(count("klines WHERE symbol = 'BTC' AND interval = '1h'"), "24");
  EXPECT_EQ(count("perp_data WHERE symbol = 'BTC' AND perpspec = 'bin-ohlcv'"), "1440");
  EXPECT_EQ(count("perp_data WHERE symbol = 'BTC' AND perpspec = 'bin-oi'"), "1440");
  EXPECT_EQ(count("perp_data WHERE symbol = 'BTC' AND perpspec = 'bin-lsr'"), "1440");
  EXPECT_EQ(count("perp_data WHERE symbol = 'MT' AND perpspec = 'bin-ohlcv'"), "1440");
  EXPECT_EQ(
      count("perp_metrics WHERE symbol = 'MT' AND perpspec = 'bin-ohlcv' AND c_chg_1m IS NULL"),
      "1");
  EXPECT_EQ(count("instruments WHERE symbol = 'MT'"), "0") << "no list of contracts has it";
  EXPECT_EQ(count("perp_data WHERE symbol = 'MTW'"), "0") << "no index begins in the past";
  EXPECT_EQ(count("funding_rates WHERE symbol = 'BTC'"), "3");
  EXPECT_EQ(count("open_interest WHERE symbol = 'BTC' AND period = '5m'"), "288");
  EXPECT_EQ(count("long_short_ratio WHERE symbol = 'BTC' AND kind = 'top_account'"), "288");
  // The same five minutes, told in two lengths.
  EXPECT_EQ(
      count("(SELECT ts / 300000 AS k, max(high) AS h, sum(quote_volume) AS v FROM klines WHERE "
            "symbol = 'SOL' AND interval = '1m' GROUP BY 1) m JOIN klines f ON f.ts = m.k * 300000 "
            "AND f.symbol = 'SOL' AND f.interval = '5m' AND f.high = m.h AND "
            "abs(f.quote_volume - m.v) < 1e-6 * m.v"),
      "288");
  const std::string content =
      "SELECT md5(string_agg(t::text, '|' ORDER BY ts, symbol, perpspec)) FROM (SELECT * FROM %) t";
  const auto hash_of = [&](const std::string& table) {
    std::string sql = content;
    return text.one(sql.replace(sql.find('%'), 1, table));
  };
  const std::string data = hash_of("perp_data");
  const std::string metrics = hash_of("perp_metrics WHERE perpspec <> 'rsi'");

  const json again = json::parse(run(command).out);
  EXPECT_EQ(again["venues"]["binance"]["holes"], 0);
  EXPECT_EQ(again["venues"]["binance"]["rows"], 0);
  EXPECT_EQ(hash_of("perp_data"), data);

  // Two holes: they alone are asked for.
  const std::string ten = std::to_string(day + 600 * minute_ms);
  const std::string twenty = std::to_string(day + 1200 * minute_ms);
  for (const std::string& from : {ten, twenty}) {
    const std::string within =
        " WHERE symbol = 'BTC' AND ts >= " + from + " AND ts < " + from + " + 1800000";
    text.rows("DELETE FROM klines" + within + " AND interval = '1m'");
    text.rows("DELETE FROM perp_metrics" + within + " AND perpspec IN ('bin-ohlcv', 'bin-tv')");
    text.rows("DELETE FROM perp_data" + within + " AND perpspec IN ('bin-ohlcv', 'bin-tv')");
  }
  const json mended = json::parse(run(command).out);
  EXPECT_EQ(mended["venues"]["binance"]["holes"], 2);
  EXPECT_EQ(mended["venues"]["binance"]["rows"], 2 * 30);
  EXPECT_EQ(hash_of("perp_data"), data);
  // The changes that look over a hole's edge are for `perp metrics`.
  ASSERT_EQ(run("metrics backfill --days 4" + db).exit_code, 0);
  EXPECT_EQ(hash_of("perp_metrics WHERE perpspec <> 'rsi'"), metrics);

  const json forced = json::parse(run(command + " --force-refetch").out);
  EXPECT_GT(forced["venues"]["binance"]["rows"], 4 * 1440);
  EXPECT_EQ(count("klines WHERE symbol = 'BTC' AND interval = '5m'"), "288");
  EXPECT_EQ(hash_of("perp_data"), data);

  // What is at stake is proved by other code.
  EXPECT_EQ(run("verify --journal " + venues.journal() + db).exit_code, 0);
}

// Trades -----------------------------------------------------------------------------------------

struct TrueTrade {
  std::int64_t id = 0;
  std::int64_t fills = 1;  ///< ids that it stands for, its own the last; OKX: the stream's sum
  std::int64_t ms = 0;
  double price = 0;
  double size = 0;
  bool is_buy = false;
};

/// What a market did in [from, to), ascending, by the simulator's own account.
std::vector<TrueTrade> true_trades(const std::string& folder, market::VenueId venue,
                                   const std::string& native, std::int64_t from_ms,
                                   std::int64_t to_ms) {
  const sim::TruthFile truth = sim::TruthFile::read(sim::TruthLog::path_of(folder, venue));
  std::vector<TrueTrade> trades;
  std::int64_t before = -1;
  for (const sim::TruthRow& row : truth.rows) {
    const sim::TruthFile::Market& market = truth.markets.at(row.market);
    if (row.kind != sim::TruthKind::trade || market.native != native) continue;
    const auto value = [](std::int64_t units, int digits) {
      return static_cast<double>(units) * std::pow(10.0, -digits);
    };
    if (row.time_ms >= from_ms && row.time_ms < to_ms)
      trades.push_back({row.id, row.id - before, row.time_ms, value(row.price, market.price_digits),
                        value(row.quantity, market.quantity_digits), row.is_buy != 0});
    before = row.id;
  }
  return trades;
}

struct StoredTrade {
  std::string id;
  std::int64_t fills = 0;
  std::int64_t ms = 0;
  double price = 0;
  double size = 0;
  bool is_buy = false;
};

std::vector<StoredTrade> stored_trades(Text& text, market::VenueId venue) {
  std::vector<StoredTrade> trades;
  for (const auto& row : text.rows(
           "SELECT trade_id, coalesce(fills, 0), ts, price, size, side FROM trades WHERE "
           "symbol = 'BTC' AND exchange_id = " +
           std::to_string(static_cast<int>(venue)) + " ORDER BY ts, length(trade_id), trade_id"))
    trades.push_back({*row[0], std::stoll(*row[1]), std::stoll(*row[2]), std::stod(*row[3]),
                      std::stod(*row[4]), *row[5] == "buy"});
  return trades;
}

void expect_same(const StoredTrade& found, const TrueTrade& expected) {
  EXPECT_EQ(found.ms, expected.ms);
  expect_equal(found.price, expected.price, "price of trade " + found.id);
  expect_equal(found.size, expected.size, "size of trade " + found.id);
  EXPECT_EQ(found.is_buy, expected.is_buy) << found.id;
}

/// Of a venue whose rows are the stream's: each once.
void expect_trades(const std::vector<StoredTrade>& found, const std::vector<TrueTrade>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size() && !::testing::Test::HasFailure(); ++i) {
    EXPECT_EQ(found[i].id, std::to_string(expected[i].id));
    expect_same(found[i], expected[i]);
  }
}

/// OKX: rows are fills or the stream's sums of them; each fill is in one row, and what they sum up
/// to is what was traded.
void expect_fills(const std::vector<StoredTrade>& found, const std::vector<TrueTrade>& expected) {
  std::size_t at = 0;
  for (const TrueTrade& trade : expected) {
    std::int64_t covered = trade.id - trade.fills;
    TrueTrade sum = trade;
    sum.size = 0;
    for (; at < found.size() && std::stoll(found[at].id) <= trade.id; ++at) {
      EXPECT_EQ(covered + found[at].fills, std::stoll(found[at].id)) << "trade " << trade.id;
      covered = std::stoll(found[at].id);
      EXPECT_EQ(found[at].ms, trade.ms);
      expect_equal(found[at].price, trade.price, "price of fill " + found[at].id);
      EXPECT_EQ(found[at].is_buy, trade.is_buy);
      sum.size += found[at].size;
    }
    EXPECT_EQ(covered, trade.id);
    expect_equal(sum.size, trade.size, "fills of " + std::to_string(trade.id));
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_EQ(at, found.size());
}

std::int64_t wall_ms() { return core::wall_now().ns / core::ns_per_ms; }

TEST_P(BackfillInto, TradesOfTheSpanAreStoredOnceAndWhatTheVenueDoesNotKeepIsTold) {
  Venues venues({"--symbols", "1", "--seed", "11", "--rate", "4000"});
  ASSERT_TRUE(venues.await_addresses(4));
  // The last two minutes of OKX's, fifteen seconds here, are a feed's.
  venues.write_config("haste = 8\n");
  const std::string db = " --db '" + dsn_ + "'";
  ASSERT_EQ(run("db setup" + db).exit_code, 0);
  const std::int64_t begin = wall_ms();
  const std::int64_t from = begin + 1'234;
  const std::int64_t to = begin + 11'567;
  ASSERT_TRUE(await(60, [&] { return wall_ms() > to + 16'000; }));
  const std::string command = "backfill --config " + venues.config() +
                              " --exchanges binance,bybit,okx,hyperliquid --symbols BTC "
                              "--data-types trades --from " +
                              std::to_string(from) + " --to " + std::to_string(to) + db +
                              " --format json";
  const Outcome first = run(command);
  ASSERT_EQ(first.exit_code, 0) << first.err << first.out;
  const json report = json::parse(first.out);
  Text text(dsn_);
  const std::string minutes = text.one("SELECT count(*) FROM perp_data");
  EXPECT_EQ(minutes, "0") << "trades of history build no minute";

  // Holes in the middle and at both ends: they alone are asked for, and nothing is twice.
  const auto count = [&](const std::string& where) {
    return std::stoll(text.one("SELECT count(*) FROM trades WHERE " + where));
  };
  const std::int64_t all = count("true");
  const json again = json::parse(run(command).out);
  for (const char* venue : {"binance", "okx", "bybit", "hyperliquid"})
    EXPECT_EQ(again["venues"][venue]["rows"], 0) << venue;
  EXPECT_EQ(count("true"), all);
  const auto within = [&](std::int64_t one, std::int64_t other) {
    return "exchange_id IN (1, 3) AND ts >= " + std::to_string(from + one) + " AND ts < " +
           std::to_string(from + other);
  };
  std::int64_t removed = 0;
  for (const auto& [one, other] : {std::pair(-1'000, 500), std::pair(4'000, 5'000),
                                   std::pair(6'000, 6'100), std::pair(9'000, 20'000)}) {
    removed += count(within(one, other));
    text.rows("DELETE FROM trades WHERE " + within(one, other));
  }
  ASSERT_GT(removed, 100);
  const json mended = json::parse(run(command).out);
  EXPECT_EQ(mended["venues"]["binance"]["rows"].get<std::int64_t>() +
                mended["venues"]["okx"]["rows"].get<std::int64_t>(),
            removed);
  EXPECT_EQ(mended["venues"]["binance"]["holes"], 4);
  EXPECT_EQ(mended["venues"]["okx"]["holes"], 4);
  EXPECT_EQ(count("true"), all);
  const json forced = json::parse(run(command + " --force-refetch").out);
  EXPECT_GE(forced["venues"]["binance"]["rows"], 1000);
  EXPECT_EQ(count("true"), all);
  venues.end();

  const auto truth = [&](market::VenueId venue, const std::string& native, std::int64_t since) {
    return true_trades(venues.truth_folder(), venue, native, since, to);
  };
  using market::VenueId;
  const std::vector<TrueTrade> binance = truth(VenueId::binance, "BTCUSDT", from);
  EXPECT_GT(binance.size(), 1000U) << "several pages";
  EXPECT_EQ(report["venues"]["binance"]["rows"], binance.size());
  expect_trades(stored_trades(text, VenueId::binance), binance);
  const std::vector<TrueTrade> okx = truth(VenueId::okx, "BTC-USDT-SWAP", from);
  EXPECT_GT(report["venues"]["okx"]["rows"], 200) << "several pages of 100";
  EXPECT_GT(report["venues"]["okx"]["rows"], okx.size()) << "some are sums of fills";
  expect_fills(stored_trades(text, VenueId::okx), okx);
  EXPECT_EQ(text.one("SELECT count(*) FROM data_gaps WHERE exchange_id IN (1, 3)"), "0");

  // Bybit has the newest thousand, Hyperliquid ten: what they have of the span is there, and up to
  // where they have nothing the first run has told, in the report and as a row.
  for (const auto& [venue, key, native] :
       {std::tuple(VenueId::bybit, "bybit", "BTCUSDT"),
        std::tuple(VenueId::hyperliquid, "hyperliquid", "BTC")}) {
    const json& left = report["venues"][key]["left"];
    ASSERT_EQ(left.size(), 1U) << report.dump(1);
    EXPECT_EQ(left[0]["from_ms"], from);
    EXPECT_EQ(left[0]["given_up"], false);
    EXPECT_EQ(left[0]["why"], "the venue's history does not reach so far back");
    const std::int64_t reached = left[0]["to_ms"];
    EXPECT_EQ(
        text.one(
            "SELECT count(*) FROM data_gaps WHERE table_name = 'trades' AND symbol = 'BTC' AND "
            "reason = 'venue_has_none' AND gap_start = " +
            std::to_string(from) + " AND exchange_id = " + std::to_string(static_cast<int>(venue))),
        "1");
    std::vector<StoredTrade> found = stored_trades(text, venue);
    const std::vector<TrueTrade> expected = truth(venue, native, reached);
    // Of the oldest one's millisecond some may be cut off.
    std::erase_if(found, [&](const StoredTrade& trade) { return trade.ms < reached; });
    ASSERT_EQ(found.size(), expected.size()) << key;
    std::multiset<std::pair<std::int64_t, double>> told;
    std::multiset<std::pair<std::int64_t, double>> done;
    for (const StoredTrade& trade : found) told.emplace(trade.ms, std::round(trade.size * 1e9));
    for (const TrueTrade& trade : expected) done.emplace(trade.ms, std::round(trade.size * 1e9));
    EXPECT_EQ(told, done) << key;
    EXPECT_NE(first.err.find(std::string(key) + ": " + native + " trades reach back to " +
                             std::to_string(reached) + " ms only"),
              std::string::npos)
        << first.err;
  }
  EXPECT_EQ(run("verify --journal " + venues.journal() + db + " --tables trades").exit_code, 0);
}

// What a feed has stored is not stored again, under whatever id the venue's history tells it.
TEST_P(BackfillInto, TradesBesideThoseOfALiveFeedAreEachThereOnce) {
  Venues venues({"--venues", "binance,okx", "--symbols", "3", "--seed", "12", "--rate", "2000"});
  ASSERT_TRUE(venues.await_addresses(2));
  venues.write_config("haste = 8\nloader.tables = [\"trades\"]\n");
  const std::string db = " --db '" + dsn_ + "'";
  ASSERT_EQ(run("db setup" + db).exit_code, 0);
  const std::int64_t from = wall_ms() + 500;
  ASSERT_TRUE(await(20, [&] { return wall_ms() > from + 3'000; }));
  Text text(dsn_);
  const auto has_both = [&] {
    return text.one(
               "SELECT count(DISTINCT exchange_id) FROM trades WHERE symbol = 'BTC' AND ts > "
               "(SELECT min(ts) + 3000 FROM trades)") == "2";
  };
  {
    Process daemon({"run", "--config", venues.config(), "--venues", "binance,okx", "--symbols",
                    "BTC", "--db", dsn_, "--format", "json"});
    ASSERT_TRUE(await(60, has_both)) << daemon.err();
    daemon.signal(SIGTERM);
    ASSERT_EQ(daemon.wait(), 0) << daemon.err();
  }
  const std::int64_t live = std::stoll(text.one("SELECT count(*) FROM trades"));
  const std::int64_t to = wall_ms() + 3'000;
  ASSERT_TRUE(await(60, [&] { return wall_ms() > to + 16'000; }));
  const std::string command = "backfill --config " + venues.config() +
                              " --exchanges binance,okx --symbols BTC --data-types trades --from " +
                              std::to_string(from) + " --to " + std::to_string(to) + db +
                              " --format json";
  const Outcome got = run(command);
  ASSERT_EQ(got.exit_code, 0) << got.err << got.out;
  const json report = json::parse(got.out);
  const std::int64_t all = std::stoll(text.one("SELECT count(*) FROM trades"));
  EXPECT_EQ(report["venues"]["binance"]["rows"].get<std::int64_t>() +
                report["venues"]["okx"]["rows"].get<std::int64_t>(),
            all - live)
      << "nothing that was there is asked for";
  EXPECT_EQ(report["venues"]["binance"]["holes"], 2) << "before the feed, and behind it";
  EXPECT_EQ(report["venues"]["okx"]["holes"], 2);
  venues.end();
  expect_trades(stored_trades(text, market::VenueId::binance),
                true_trades(venues.truth_folder(), market::VenueId::binance, "BTCUSDT", from, to));
  expect_fills(stored_trades(text, market::VenueId::okx),
               true_trades(venues.truth_folder(), market::VenueId::okx, "BTC-USDT-SWAP", from, to));
}

// Without a database the journal says what is there.
TEST(Backfill, TradesOfAJournalAloneAreNotAskedForAgain) {
  Venues venues({"--symbols", "3", "--seed", "13", "--rate", "1500"});
  ASSERT_TRUE(venues.await_addresses(4));
  venues.write_config("haste = 8\n");
  const std::int64_t from = wall_ms();
  const std::int64_t to = from + 4'000;
  ASSERT_TRUE(await(60, [&] { return wall_ms() > to + 16'000; }));
  const std::string command = "backfill --config " + venues.config() +
                              " --exchanges binance,bybit,okx,hyperliquid --symbols BTC,ETH "
                              "--data-types trades --from " +
                              std::to_string(from) + " --to " + std::to_string(to) +
                              " --format json";
  const Outcome first = run(command);
  ASSERT_EQ(first.exit_code, 0) << first.err << first.out;
  EXPECT_GT(json::parse(first.out)["venues"]["binance"]["rows"], 100);
  EXPECT_GT(json::parse(first.out)["venues"]["okx"]["rows"], 100);
  const json again = json::parse(run(command).out);
  for (const char* venue : {"binance", "okx", "bybit", "hyperliquid"})
    EXPECT_EQ(again["venues"][venue]["rows"], 0) << venue;
}

// Whatever lies between the end of a history and the beginning of a run: a minute as long as `perp
// collect` takes to begin, an hour if somebody starts it later.
TEST(Backfill, ARunGoesOnWhereTheHistoryEnds) {
  Venues venues({"--symbols", "3", "--seed", "17", "--rate", "100"});
  ASSERT_TRUE(venues.await_addresses(4));
  const std::int64_t now = wall_ms() / minute_ms * minute_ms;
  const std::int64_t from = now - 180 * minute_ms;
  const Outcome history =
      run("backfill --config " + venues.config() +
          " --exchanges binance,bybit,okx,hyperliquid --symbols BTC,ETH "
          "--data-types klines --from " +
          std::to_string(from) + " --to " + std::to_string(now - 50 * minute_ms));
  ASSERT_EQ(history.exit_code, 0) << history.err;
  Process daemon({"run", "--config", venues.config(), "--symbols", "BTC,ETH"});
  std::string missing;
  EXPECT_TRUE(await(60,
                    [&] {
                      const auto candles = concluded_candles(venues.journal());
                      missing.clear();
                      for (const char* venue : {"binance", "bybit", "okx", "hyperliquid"})
                        for (const char* symbol : {"BTC", "ETH"})
                          for (std::int64_t ts = from; ts < now; ts += minute_ms)
                            if (!candles.contains({venue, symbol, ts}))
                              missing += std::string(venue) + ' ' + symbol + ' ' +
                                         std::to_string((now - ts) / minute_ms) + "; ";
                      return missing.empty();
                    }))
      << "minutes before the start: " << missing << '\n'
      << daemon.err();
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(), 0) << daemon.err();
}

// The order of the system before; and the joint of history and live has one unit.
TEST_P(BackfillInto, CollectsHistoryThenLiveAndEndsInTimeWithNothingLost) {
  if (GetParam() != Server::plain) GTEST_SKIP() << "two minutes of real time: once is enough";
  Venues venues({"--venues", "binance,bybit,okx", "--symbols", "4", "--seed", "9"});
  ASSERT_TRUE(venues.await_addresses(3));
  ASSERT_EQ(run("db setup --db '" + dsn_ + "'").exit_code, 0);
  Process daemon({"collect", "--config", venues.config(), "--venues", "binance,bybit,okx",
                  "--symbols", "BTC", "--from",
                  std::to_string(core::wall_now().ns / core::ns_per_ms - 7'200'000), "--db", dsn_,
                  "--format", "json"});
  Text text(dsn_);
  const auto live_rows = [&](const std::string& perpspec) {
    return std::stoi(text.one(
        "SELECT count(*) FROM perp_metrics WHERE symbol = 'BTC' AND perpspec = '" + perpspec +
        "' AND ts > (SELECT coalesce(min(extract(epoch FROM ts) * 1000), 9e18) "
        "FROM perp_status WHERE status = 'connected') - 60000"));
  };
  ASSERT_TRUE(await(240, [&] {
    for (const char* perpspec : {"bin-ohlcv", "byb-ohlcv", "okx-ohlcv", "bin-oi", "okx-oi"})
      if (live_rows(perpspec) < 2) return false;
    return true;
  })) << daemon.err();
  std::size_t at = 0;
  for (const char* block : {"block 1: ", "block 1z: ", "block 2: ", "metrics: "}) {
    at = daemon.err().find(block, at);
    ASSERT_NE(at, std::string::npos) << block << " is not told in its place\n" << daemon.err();
  }
  const auto begin = std::chrono::steady_clock::now();
  daemon.signal(SIGTERM);
  ASSERT_EQ(daemon.wait(), 0) << daemon.err();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_EQ(json::parse(daemon.out())["lost_at_stop"], 0);
  EXPECT_EQ(text.one("SELECT count(DISTINCT script_name) FROM perp_status WHERE status = 'stopped' "
                     "AND script_name NOT LIKE 'perp %'"),
            "3")
      << "each venue's feed says that it has stopped";
  // The tables are what another fold of the same journal makes of it: no row was lost at the end.
  const Outcome verified = run("verify --journal " + venues.journal() + " --db '" + dsn_ + "'");
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  // No step of more than 2 % anywhere, so none where history ends and live begins.
  for (const char* perpspec : {"bin-oi", "okx-oi"})
    EXPECT_EQ(
        text.one(
            std::string(
                "SELECT count(*) FROM (SELECT oi / lag(oi) OVER (ORDER BY ts) AS r FROM perp_data "
                "WHERE symbol = 'BTC' AND perpspec = '") +
            perpspec + "') s WHERE abs(r - 1) > 0.02"),
        "0")
        << perpspec;
  // One unit: dollars, one side.
  EXPECT_EQ(text.one("SELECT max(oi) / min(oi) < 10 FROM (SELECT DISTINCT ON (perpspec) oi FROM "
                     "perp_data WHERE "
                     "symbol = 'BTC' AND oi IS NOT NULL ORDER BY perpspec, ts DESC) t"),
            "t");
  EXPECT_EQ(
      text.one(
          "SELECT count(DISTINCT perpspec) FROM perp_data WHERE symbol = 'BTC' AND oi IS NOT NULL"),
      "3");
  // Minutes without a hole from the history's first to the last live one.
  for (const char* perpspec : {"bin-ohlcv", "byb-ohlcv", "okx-ohlcv"})
    EXPECT_EQ(
        text.one(
            std::string(
                "SELECT (max(ts) - min(ts)) / 60000 + 1 - count(*) FROM perp_data WHERE symbol = "
                "'BTC' AND perpspec = '") +
            perpspec + "'"),
        "0")
        << perpspec;
}

TEST_P(BackfillInto, AFailureSaysWhereItAroseAndPruningSaysWhatWent) {
  const std::string db = " --db '" + dsn_ + "'";
  ASSERT_EQ(run("db setup" + db).exit_code, 0);
  Folder folder;
  std::ofstream(folder / "binance.txt")
      << R"(1790000000000000000 {"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1790000000000,"s":"BTCUSDT","a":1,"p":"x","q":"1","f":1,"l":1,"T":1790000000000,"m":true}})"
      << "\n";
  EXPECT_EQ(run("replay " + folder.path() + " --venue binance" + db).exit_code, 3);
  Text text(dsn_);
  EXPECT_EQ(text.one("SELECT error_type || ' ' || error_code FROM perp_errors"), "API PARSE_ERROR");
  EXPECT_NE(text.one("SELECT error_message FROM perp_errors"), "");
  EXPECT_EQ(text.one("SELECT details->>'stack' FROM perp_errors"),
            R"(["field p", "message aggTrade", "decoder of binance", "feed binance"])");

  const std::int64_t today = core::wall_now().ns / core::ns_per_ms / day_ms * day_ms;
  for (const int back : {20, 15, 1}) {
    if (GetParam() == Server::plain)
      text.rows("SELECT perp_ensure_partition('perp_data', " +
                std::to_string(today - back * day_ms) + ")");
    text.rows("INSERT INTO perp_data (ts, symbol, perpspec) VALUES (" +
              std::to_string(today - back * day_ms) + ", 'BTC', 'rsi')");
  }
  const Outcome would = run("prune --table perp_data --older-than 10d --dry-run" + db);
  EXPECT_EQ(would.exit_code, 0) << would.err;
  EXPECT_NE(would.out.find("would drop 2 partitions"), std::string::npos) << would.out;
  EXPECT_EQ(text.one("SELECT count(*) FROM perp_data"), "3");
  const Outcome did = run("prune --table perp_data --older-than 10d" + db);
  EXPECT_NE(did.out.find("dropped 2 partitions"), std::string::npos) << did.out;
  EXPECT_GE(std::count(did.out.begin(), did.out.end(), '\n'), 3) << "each is named: " << did.out;
  EXPECT_EQ(text.one("SELECT count(*) FROM perp_data"), "1");

  const Outcome info = run("db info" + db);
  for (const char* told : {"retention", "compression", "idx_data_symbol_perpspec"})
    EXPECT_NE(info.out.find(told), std::string::npos) << told << " is not in\n" << info.out;
  EXPECT_NE(run("status --errors" + db).out.find("PARSE_ERROR"), std::string::npos);
  EXPECT_EQ(run("status" + db).exit_code, 0);
}

INSTANTIATE_TEST_SUITE_P(Servers, BackfillInto, warehouse::test::both_servers(),
                         warehouse::test::server_name);

}  // namespace
}  // namespace perp::app::testing
